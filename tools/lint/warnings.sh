#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: the whole tree, tests too, compiles with gcc and with clang under the flags of meson.build, every warning an error.
. "$(dirname "$0")/../lib.sh"

bad=0
for cc in gcc clang; do
	dir=build-lint-$cc
	[ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" -Dwerror=true -Dbuildtype=plain -Doptimization=2 >"$dir.log" 2>&1 || {
		cat "$dir.log"
		rm -rf "$dir"
		exit 1
	}
	rm -f "$dir.log"
	if ! out=$(ninja -C "$dir" -j "$JOBS" -k 0 2>&1); then
		printf '%s\n' "$out" | grep -E 'error:|undefined reference' | sed -E "s|^\.\./\|^/usr/bin/ld: ||; s|^$PWD/[^.]*/\.\./||; s|^|$cc: |" |
			awk '/undefined/ { if (seen[$NF]++) next } n++ < 30' || true
		bad=1
	fi
done
exit $bad
