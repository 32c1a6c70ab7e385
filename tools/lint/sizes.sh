#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: a function of more than 100 lines needs a reason on the line above ("/* long: why */"), a file of more than 800 a
# reason in its first ten lines. 61 to 100 and 401 to 800 are counted and shown, and do not fail.
. "$(dirname "$0")/../lib.sh"

all_sources | xargs awk '
function flush_file() {
	if (lines > 800 && !file_reason) { printf "%s:1: %d lines; split it, or say /* long: why */ in its first lines\n", file, lines; bad = 1 }
	else if (lines > 400) long_files++
}
FNR == 1 { if (file != "") flush_file(); file = FILENAME; file_reason = 0; inside = 0; reason = 0; head = 0 }
{ lines = FNR }
FNR <= 10 && /long: / { file_reason = 1 }
/^\{$/ { inside = 1; start = FNR; first = head ? head : FNR; next_reason = reason; next }
inside && /^\}/ {
	n = FNR - start + 1
	if (n > 100 && !next_reason) { printf "%s:%d: function of %d lines; split it, or say /* long: why */ on the line above\n", FILENAME, first, n; bad = 1 }
	else if (n > 60) { long_functions++; list = list sprintf("%s:%d: function of %d lines (aim at 60)\n", FILENAME, first, n) }
	functions++; inside = 0; reason = 0; head = 0; next
}
!inside && /long: / { reason = 1 }
!inside && /^$/ { head = 0; if (!/long/) keep = reason; reason = 0 }
!inside && /^[A-Za-z_]/ && !head { head = FNR }
!inside && /[;}]$/ { head = 0; reason = 0 }
END {
	flush_file()
	printf "%s", list
	printf "%d functions, %d of them over 60 lines; %d files over 400 lines\n", functions, long_functions, long_files
	exit bad
}'
