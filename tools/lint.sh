#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every gate of tools/lint/, or those named: tools/lint.sh [GATE…]. Each prints file:line and what to do.
# Ends with "N passed, N failed"; a gate is one test.
. "$(dirname "$0")/lib.sh"

gates=("$@")
[ $# -gt 0 ] || for g in tools/lint/*.sh; do
	g=${g##*/}
	gates+=("${g%.sh}")
done
tools/build.sh build
passed=0 failed=0
for g in "${gates[@]}"; do
	[ -x "tools/lint/$g.sh" ] || die "no such gate: $g"
	start=$EPOCHSECONDS
	if out=$("tools/lint/$g.sh" 2>&1); then
		passed=$((passed + 1)) word=ok
	else
		failed=$((failed + 1)) word=FAILED
	fi
	[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/   /'
	printf '%-14s %s (%d s)\n' "$g" "$word" "$((EPOCHSECONDS - start))"
done
echo
tally "$passed" "$failed" 0
closing "$passed" "$failed" 0
