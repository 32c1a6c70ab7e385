#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: tests and results name no path of one machine, and what is in the tree is ours: nothing of the public vectors.
. "$(dirname "$0")/../lib.sh"

bad=0
if hits=$(git grep -nE '(^|[^A-Za-z0-9_}./-])/(home|work|Users)/[A-Za-z]' -- ':!tests/fixtures' ':!fuzz/corpus' ':!tools/lint/provenance.sh'); then
	printf '%s\n' "$hits" | sed -E 's/^([^:]*:[0-9]+):.*/\1: names a path of one machine; make it relative/'
	bad=1
fi
corpus=${CHAINHOLD_CORPUS:-../shared/corpus}
if [ -d "$corpus" ]; then
	# Files of more than 32 bytes that are byte for byte one of the vectors.
	sums=$(mktemp)
	find "$corpus" -type f -size +32c -print0 | xargs -0 -P "$JOBS" -n 500 sha256sum | cut -c1-64 | sort -u >"$sums"
	while read -r sum file; do
		if grep -qxF "$sum" "$sums"; then
			echo "$file:1: is one of the public vectors; they stay outside the tree"
			bad=1
		fi
	done < <(git ls-files -z -co --exclude-standard | xargs -0 -I{} find {} -maxdepth 0 -type f -size +32c -print0 2>/dev/null | xargs -0 sha256sum)
	rm -f "$sums"
fi
exit $bad
