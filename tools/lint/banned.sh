#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: calls that take no size, and allocation outside its one place. Tests, fuzz targets and benchmarks are exempt.
. "$(dirname "$0")/../lib.sh"

bad=0
# calls PATTERN WHY PATHS-EXEMPT(regex)
calls() {
	local hits
	while read -r file; do
		[[ $file =~ $3 ]] && continue
		hits=$(awk -f tools/lint/strip.awk "$file" | grep -nE "(^|[^A-Za-z0-9_>.])($1)[[:space:]]*\(" || true)
		[ -n "$hits" ] || continue
		bad=1
		printf '%s\n' "$hits" | while IFS=: read -r line text; do
			echo "$file:$line: $(grep -oE "($1)[[:space:]]*\(" <<<"$text" | head -n 1 | tr -d ' (') is banned here: $2"
		done
	done < <(product_sources | grep -v '^bench/')
}
calls 'memcpy|memmove|bcopy|strcpy|strncpy|stpcpy|strcat|strncat|sprintf|vsprintf' \
	'use ch_span_copy, ch_wr or snprintf' '^(core|host)/base/'
calls 'strtok|strtok_r|gets|alloca|scanf|sscanf|fscanf|atoi|atol|atoll' 'it hides a size or an error' '^$'
calls 'malloc|calloc|realloc|free|strdup|strndup|asprintf' 'allocation lives in host/base/mem.h; core has none' '^host/base/'
calls 'system|popen|mktemp|tmpnam|tempnam' 'it runs a shell or races' '^$'
exit $bad
