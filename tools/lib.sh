# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by every script in tools/: strict mode, the root of the checkout, a few words.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
export LC_ALL=C.UTF-8
JOBS=$(nproc 2>/dev/null || echo 2)
export JOBS

# A heading: what the next lines do.
step() { printf '\n== %s\n' "$*"; }

# Ends the script with a message.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# C sources and headers under the folders named (those that are not there are skipped): paths, one a line.
sources_in() {
	local dir
	for dir in "$@"; do
		[ ! -d "$dir" ] || find "$dir" -name '*.[ch]'
	done | sort
}
# Those of the product, and all.
product_sources() { sources_in core host server agent cli sim bench; }
all_sources() { sources_in core host server agent cli sim bench tests fuzz tools; }

# Leaves counts for a script that sums them: tally PASSED FAILED SKIPPED (appends to $CH_TALLY if that is set).
tally() {
	if [ -n "${CH_TALLY:-}" ]; then
		printf '%d %d %d\n' "$1" "$2" "$3" >>"$CH_TALLY"
	fi
}

# The last line of a run. Returns 1 if anything failed.
closing() {
	local skipped=''
	[ "$3" -gt 0 ] && skipped=", $3 skipped"
	printf '%d passed, %d failed%s\n' "$1" "$2" "$skipped"
	[ "$2" -eq 0 ]
}
