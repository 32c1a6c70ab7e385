#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shell completion from one table, packaging/completion/table.txt:
#: tools/completion.sh bash|zsh|fish   prints the completion of a shell
#: tools/completion.sh table           prints the table as build/chainhold --help has it now
# A row: the command, a colon, its subcommands or its options; "=" after an option that takes an argument, FILE where a
# file belongs.
. "$(dirname "$0")/lib.sh"

TABLE=packaging/completion/table.txt
BIN=${CHAINHOLD_BIN:-build/chainhold}

# Rows of a command and, in turn, of each of its subcommands.
rows() {
	local help subs options
	help=$($BIN "${@:2}" --help 2>/dev/null) || help=''
	subs=$(awk '/^Commands:/ { on = 1; next } on && /^  [a-z]/ { printf " %s", $1 } on && /^$/ { on = 0 }' <<<"$help")
	options=$(awk '
		/^Options:/ { on = 1; next }
		on && match($0, /^  --[a-z0-9-]+( [A-Z]+( |$))?/) {
			split(substr($0, RSTART, RLENGTH), w, " ")
			printf " %s%s", w[1], w[2] == "" ? "" : w[2] ~ /^(FILE|F|DIR|PATH)$/ ? "=FILE" : "="
		}
		# What is left of the usage without optional parts and without options and their arguments: operands.
		/^usage:/ && !/COMMAND/ {
			gsub(/\[[^]]*\]/, ""); gsub(/--[a-z0-9-]+ [A-Z]+(…)?/, ""); $1 = ""
			file = /[A-Z]/
		}
		END { if (file) printf " FILE" }' <<<"$help")
	echo "$*:$subs$options"
	for s in $subs; do
		rows "$@" "$s"
	done
}

table() {
	echo "# SPDX-License-Identifier: Apache-2.0"
	echo "# Made by tools/completion.sh table; tools/lint/docs.sh checks that it is what --help says."
	rows chainhold
}

# Prints one "case" arm per row: arms FUNCTION-FOR-A-ROW
each_row() {
	local row
	grep -v '^#' $TABLE | while IFS= read -r row; do
		"$1" "${row%%:*}" "${row#*:}"
	done
}

bash_row() {
	local words='' files='' w
	for w in $2; do
		case $w in
		FILE) files=1 ;;
		--*=*) words="$words ${w%%=*}" ;;
		*) words="$words $w" ;;
		esac
	done
	printf "\t'%s') words='%s' files='%s' ;;\n" "$1" "${words# }" "$files"
}
bash_completion() {
	cat <<'END'
# bash completion for chainhold; made by tools/completion.sh
_chainhold() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=chainhold words='' files='' i w
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case " $_chainhold_commands " in *" ${command// /_}_$w "*) command="$command $w" ;; *) break ;; esac
	done
	case $command in
END
	each_row bash_row
	printf '\tesac\n\tcase $prev in\n\t%s) COMPREPLY=($(compgen -f -- "$cur")); return ;;\n\tesac\n' "$(with_file '|')"
	cat <<'END'
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	if [ -n "$files" ] && [[ $cur != -* ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
END
	printf "_chainhold_commands='%s'\n" "$(commands)"
	echo 'complete -o filenames -F _chainhold chainhold'
}
# Options that take a file, joined by $1; commands joined by "_".
with_file() { { echo --=FILE && grep -v '^#' $TABLE; } | grep -oE -- '--[a-z0-9-]*=FILE' | sed 's/=FILE//' | sort -u | paste -sd "$1"; }
commands() { grep -v '^#' $TABLE | sed 's/:.*//; s/ /_/g' | tail -n +2 | paste -sd ' '; }

zsh_row() {
	local w
	printf "\t'%s')\n" "$1"
	case $2 in
	*' --'* | '')
		printf "\t\t_arguments"
		for w in $2; do
			case $w in
			FILE) printf " '*:file:_files'" ;;
			--*=FILE) printf " '*%s=:file:_files'" "${w%%=*}" ;;
			--*=) printf " '%s=:value:'" "${w%=}" ;;
			*) printf " '%s'" "$w" ;;
			esac
		done
		printf '\n'
		;;
	*) printf "\t\t_values command%s\n" "$2" ;;
	esac
	printf '\t\t;;\n'
}
zsh_completion() {
	cat <<'END'
#compdef chainhold
# zsh completion for chainhold; made by tools/completion.sh
_chainhold() {
	local command=chainhold known w
	known=(
END
	commands | tr ' ' '\n' | sed 's/^/\t\t/'
	cat <<'END'
	)
	while (( CURRENT > 2 )); do
		w=$words[2]
		(( ${known[(Ie)${command// /_}_$w]} )) || break
		command="$command $w"
		shift words
		(( CURRENT-- ))
	done
	case $command in
END
	each_row zsh_row
	printf '\tesac\n}\n_chainhold "$@"\n'
}

fish_row() {
	local parent=$1 w condition="__chainhold_at '$1'"
	for w in $2; do
		case $w in
		FILE) printf 'complete -c chainhold -n "%s" -F\n' "$condition" ;;
		--*=FILE) printf 'complete -c chainhold -n "%s" -l %s -r -F\n' "$condition" "$(sed 's/^--//; s/=.*//' <<<"$w")" ;;
		--*=) printf 'complete -c chainhold -n "%s" -l %s -x\n' "$condition" "$(sed 's/^--//; s/=.*//' <<<"$w")" ;;
		--*) printf 'complete -c chainhold -n "%s" -l %s\n' "$condition" "${w#--}" ;;
		*) printf 'complete -c chainhold -n "%s" -a %s\n' "$condition" "$w" ;;
		esac
	done
	: "$parent"
}
fish_completion() {
	printf '# fish completion for chainhold; made by tools/completion.sh\n'
	printf 'set -g __chainhold_commands %s\n' "$(commands)"
	cat <<'END'
function __chainhold_at
	set -l command chainhold
	for w in (commandline -opc)[2..]
		contains (string replace -a ' ' _ "$command $w") $__chainhold_commands; or break
		set command "$command $w"
	end
	test "$command" = "$argv[1]"
end
complete -c chainhold -f
END
	each_row fish_row
}

case ${1:-} in
bash | zsh | fish) "$1_completion" ;;
table) table ;;
*)
	sed -n 's/^#: //p' "$0"
	exit 2
	;;
esac
