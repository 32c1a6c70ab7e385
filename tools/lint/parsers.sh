#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: no parser without its fuzz target, seeds and planted bug. fuzz/parsers.txt is the table: target, sources; a row that
# starts with "-" names sources that parse nothing, after it the reason.
. "$(dirname "$0")/../lib.sh"

bad=0
complain() {
	echo "$*"
	bad=1
}
declare -A row covered
n=0
while read -r target rest; do
	n=$((n + 1))
	case $target in
	'' | '#'*) continue ;;
	-)
		covered[${rest%% *}]=1
		[ -f "${rest%% *}" ] || complain "fuzz/parsers.txt:$n: ${rest%% *} is not there"
		[ "${rest%% *}" != "$rest" ] || complain "fuzz/parsers.txt:$n: why does ${rest%% *} parse nothing?"
		continue
		;;
	esac
	row[$target]=1
	[ -f "fuzz/${target}_fuzz.c" ] || complain "fuzz/parsers.txt:$n: no fuzz/${target}_fuzz.c"
	[ -n "$(find "fuzz/corpus/$target" -type f 2>/dev/null | head -n 1)" ] || complain "fuzz/parsers.txt:$n: no seeds in fuzz/corpus/$target"
	[ -f "fuzz/planted/$target.patch" ] || complain "fuzz/parsers.txt:$n: no planted bug fuzz/planted/$target.patch"
	for src in $rest; do
		covered[$src]=1
		[ -f "$src" ] || complain "fuzz/parsers.txt:$n: $src is not there"
	done
done <fuzz/parsers.txt
for f in fuzz/*_fuzz.c; do
	t=${f#fuzz/}
	[ -n "${row[${t%_fuzz.c}]:-}" ] || complain "$f:1: not in fuzz/parsers.txt"
done
for top in core/wire core/boot core/os core/platform core/channel core/update core/sbom core/monitor core/trust; do
	[ -d $top ] || continue
	while read -r src; do
		[ -n "${covered[$src]:-}" ] || complain "$src:1: no fuzz target answers for it: add it to a row of fuzz/parsers.txt"
	done < <(find $top -name '*.c' -size +1 | sort)
done
exit $bad
