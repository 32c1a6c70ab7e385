#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: clang-tidy (bugprone, cert, misc, the static analyser; .clang-tidy says what is off and why) over core, host and cli.
# A file whose compiler output with the tidy settings did not change since it last passed is not looked at again.
. "$(dirname "$0")/../lib.sh"

dir=build-lint-clang
[ -f "$dir/compile_commands.json" ] || CC=clang meson setup "$dir" -Dwerror=true -Dbuildtype=plain -Doptimization=2 >/dev/null
mkdir -p "$dir/tidy"

one() {
	local src=$1 key stamp out
	stamp="build-lint-clang/tidy/${src//\//_}"
	key=$({ cat .clang-tidy && clang -std=c11 -D_GNU_SOURCE -DCH_VERSION='""' -I. -E -P "$src" && cat "$src"; } 2>/dev/null | sha256sum)
	[ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || return 0
	if out=$(clang-tidy --quiet -p build-lint-clang "$src" 2>/dev/null); then
		printf '%s\n' "$key" >"$stamp"
	else
		printf '%s\n' "$out" | grep -E '(error|warning):' | sed "s|^$PWD/||"
		return 1
	fi
}
export -f one
find core host cli server agent sim -name '*.c' | sort | xargs -P "$JOBS" -I{} bash -c 'one {}' || exit 1
