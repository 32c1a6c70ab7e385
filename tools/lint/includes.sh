#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: includes go downward only. core < host < programs; inside core by the table below; of the system headers core sees
# only those that a freestanding compiler (and five functions of string.h) provides.
. "$(dirname "$0")/../lib.sh"

# folder: what its files may include, by prefix. The first that matches rules.
allowed() {
	case $1 in
	core/base/*) echo core/base/ ;;
	# COSE and JWK carry signatures and keys; the other encodings know no cryptography.
	core/wire/cose* | core/wire/jwk*) echo core/base/ core/wire/ core/crypto/ ;;
	core/wire/*) echo core/base/ core/wire/ ;;
	core/crypto/*) echo core/base/ core/crypto/ ;;
	core/trust/*) echo core/ ;;
	# Releases and archives are signed by roles of the fleet root, and proven by the log; rollouts choose devices by their tier.
	core/update/release* | core/update/archive* | core/update/rollout*) echo core/base/ core/wire/ core/crypto/ core/trust/ core/update/ ;;
	# The judge of a boot joins quote, log and IMA list; no parser includes it.
	core/boot/appraise* | core/boot/reference*) echo core/base/ core/wire/ core/crypto/ core/boot/ core/os/ core/platform/ core/trust/ ;;
	# A link sees the registers (boot/pcr.h), never another link's parsers.
	core/*/*) echo core/base/ core/wire/ core/crypto/ core/boot/pcr.h "${1%/*}/" ;;
	host/*) echo core/ host/ ;;
	cli/*) echo core/ host/ cli/ ;;
	# A process sees the messages and itself, never another process.
	server/ipc/*) echo core/ host/ server/ipc/ ;;
	server/*) echo core/ host/ server/ipc/ "${1%/*}/" ;;
	agent/ipc/*) echo core/ host/ agent/ipc/ ;;
	agent/*) echo core/ host/ agent/ipc/ "${1%/*}/" ;;
	sim/*) echo core/ host/ sim/ ;;
	# The keeper's bench plays its world as its tests do.
	bench/keeper_bench.c) echo core/ host/ server/keeper/ tests/server/keeper/ ;;
	bench/*) echo core/ host/ server/ bench/ ;;
	*) echo "" ;;
	esac
}

bad=0
while read -r file; do
	rules=$(allowed "$file")
	while IFS=: read -r line text; do
		[[ $text =~ ^[[:space:]]*#[[:space:]]*include[[:space:]]*([\"<])([^\">]*) ]] || continue
		kind=${BASH_REMATCH[1]} what=${BASH_REMATCH[2]}
		if [ "$kind" = '<' ]; then
			case $file:$what in
			core/*:stddef.h | core/*:stdint.h | core/*:stdbool.h | core/*:stdalign.h | core/*:string.h | core/*:limits.h) ;;
			core/*)
				echo "$file:$line: core includes <$what>; it may use stdalign, stdbool, stddef, stdint, limits and string.h only"
				bad=1
				;;
			esac
			continue
		fi
		ok=0
		for r in $rules; do
			[[ $what == "$r"* ]] && ok=1
		done
		if [ ! -f "$what" ]; then
			echo "$file:$line: \"$what\" is not a path from the repository root; write it from there"
			bad=1
		elif [[ $what == core/boot/appraise* && $file == core/* && $file != core/boot/appraise* && $file != core/boot/reference* && $file != core/trust/* ]]; then
			echo "$file:$line: \"$what\" judges; a parser does not know its judge"
			bad=1
		elif [ $ok -eq 0 ]; then
			echo "$file:$line: \"$what\" is above or beside this folder, which may include: $rules"
			bad=1
		fi
	done < <(grep -n '^[[:space:]]*#[[:space:]]*include' "$file" || true)
done < <(product_sources)
exit $bad
