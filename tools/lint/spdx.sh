#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: every source names its licence in its first three lines.
. "$(dirname "$0")/../lib.sh"

bad=0
while read -r file; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' && continue
	echo "$file:1: no licence; start the file with the line SPDX-License-Identifier: Apache-2.0 in a comment"
	bad=1
done < <(
	all_sources
	find . -maxdepth 3 -name meson.build -not -path './build*'
	find tools packaging tests .ci \( -name '*.sh' -o -name '*.py' -o -name '*.awk' -o -name run \) -type f
	echo Makefile
)
exit $bad
