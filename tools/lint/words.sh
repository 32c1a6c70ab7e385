#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: no unfinished business in the tree: it belongs in an issue.
. "$(dirname "$0")/../lib.sh"

words='TO''DO|FIX''ME|XX''X'
hits=$(git ls-files -co --exclude-standard -- core host server agent cli sim bench tests fuzz tools packaging docs '*.md' Makefile '*.build' |
	grep -vE '^(tests/fixtures|fuzz/corpus)/' | while read -r f; do [ -f "$f" ] && echo "$f"; done |
	xargs grep -InE "(^|[^A-Za-z0-9])($words)([^A-Za-z0-9]|\$)" || true)
[ -z "$hits" ] && exit 0
printf '%s\n' "$hits" | sed -E 's/^([^:]*:[0-9]+):.*/\1: finish it, or open an issue and drop the mark/'
exit 1
