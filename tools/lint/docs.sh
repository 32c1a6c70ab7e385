#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: the documents say what the program does. Man pages are well-formed and name every command and option of --help, and
# no other; the completion table is what --help says; schemas are JSON; links between documents lead somewhere.
. "$(dirname "$0")/../lib.sh"

bad=0
complain() {
	echo "$*"
	bad=1
}

mandoc -T lint -W warning docs/man/*.[1-9] | grep -v 'referenced manual not found' && bad=1

plain() { mandoc -T ascii "$1" 2>/dev/null | sed 's/.\x08//g'; }
fresh=$(tools/completion.sh table)
if [ "$fresh" != "$(cat packaging/completion/table.txt)" ]; then
	complain "packaging/completion/table.txt:1: not what --help says; run: tools/completion.sh table > packaging/completion/table.txt"
fi
declare -A known
while IFS=: read -r command words; do
	[[ $command == '#'* ]] && continue
	read -ra part <<<"$command"
	page=docs/man/chainhold.1
	[ ${#part[@]} -lt 2 ] || page=docs/man/chainhold-${part[1]}.1
	[ -f "$page" ] || {
		complain "$page: missing: '$command' has no man page"
		continue
	}
	text=$(plain "$page")
	[ ${#part[@]} -lt 3 ] || grep -qE "^ +${part[1]} ${part[2]}\$" <<<"$text" ||
		complain "$page:1: no section '${part[1]} ${part[2]}' (.Ss)"
	for w in $words; do
		[[ $w == --* ]] || continue
		w=${w%%=*}
		known["$page $w"]=1
		grep -qE -- "(^|[^a-z-])$w([^a-z-]|\$)" <<<"$text" || complain "$page:1: '$command $w' is not described"
	done
done <<<"$fresh"
for page in docs/man/*.1; do
	for w in $(plain "$page" | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u); do
		case $w in --help | --version | --option | --config) continue ;; esac
		[ -n "${known["$page $w"]:-}" ] || complain "$page:1: describes $w, which no --help of it has"
	done
done

# A daemon's page is named like the program: its options are those of --help.
for page in docs/man/*.8; do
	program=build/$(basename "$page" .8)
	[ -x "$program" ] || continue
	for w in $("$program" --help 2>&1 | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u); do
		grep -qE -- "(^|[^a-z-])$w([^a-z-]|\$)" <<<"$(plain "$page")" || complain "$page:1: '$program $w' is not described"
	done
	for w in $(plain "$page" | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u); do
		"$program" --help 2>&1 | grep -qF -- "$w" || complain "$page:1: describes $w, which --help does not have"
	done
done

for schema in docs/schema/*.json; do
	[ ! -e "$schema" ] || /usr/bin/python3 -m json.tool "$schema" /dev/null || complain "$schema:1: not JSON"
done

while read -r file; do
	dir=$(dirname "$file")
	while IFS=: read -r line target; do
		target=${target#](}
		target=${target%%[)#]*}
		case $target in '' | http:* | https:* | mailto:*) continue ;; esac
		[ -e "$dir/$target" ] || complain "$file:$line: link to $target, which is not there"
	done < <(grep -noE '\]\([^) ]+\)' "$file" || true)
done < <(git ls-files -co --exclude-standard '*.md' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
exit $bad
