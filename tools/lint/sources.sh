#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: Meson lists every source by name, so that the list of a binary is the list of what it can do.
. "$(dirname "$0")/../lib.sh"

bad=0
for top in core host cli; do
	while read -r file; do
		grep -qF "'${file#"$top"/}'" "$top/meson.build" && continue
		echo "$file:1: not listed in $top/meson.build: add it or remove the file"
		bad=1
	done < <(find "$top" -name '*.c' | sort)
done
while read -r file; do
	row=${file#tests/}
	grep -qF "'${row%_test.c}'" tests/meson.build && continue
	echo "$file:1: not listed in tests/meson.build: it never runs"
	bad=1
done < <(find tests -name '*_test.c' | sort)
exit $bad
