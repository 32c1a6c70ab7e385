#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: fewer than 3 #if per 1,000 lines outside port/ folders; include guards do not count. Differences between platforms
# are sibling files behind one header.
. "$(dirname "$0")/../lib.sh"

product_sources | grep -v '/port/' | xargs awk '
FNR == 1 { guard = FILENAME ~ /\.h$/ }
{ lines++ }
/^[ \t]*#[ \t]*if/ {
	if (guard && /#[ \t]*ifndef/) { guard = 0; next }
	n++; list = list sprintf("%s:%d: %s\n", FILENAME, FNR, $0)
}
END {
	if (n * 1000 >= 3 * lines) {
		printf "%s%d #if in %d lines: move differences of platforms into sibling files behind one header\n", list, n, lines
		exit 1
	}
	printf "%d #if in %d lines\n", n, lines
}'
