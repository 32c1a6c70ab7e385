#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: Meson lists every source by name, so that the list of a binary is the list of what it can do.
. "$(dirname "$0")/../lib.sh"

bad=0
# A folder's own meson.build lists its files, else the one at the top of its tree.
for top in core host cli server agent sim; do
	[ -d "$top" ] || continue
	while read -r file; do
		list=${file%/*}/meson.build name=${file##*/}
		[ -f "$list" ] || list=$top/meson.build name=${file#"$top"/}
		grep -qF "'$name'" "$list" && continue
		echo "$file:1: not listed in $list: add it or remove the file"
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
