#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: clang-format has nothing to change. To mend: clang-format -i FILE.
. "$(dirname "$0")/../lib.sh"

out=$(all_sources | xargs clang-format --dry-run -Werror 2>&1 | grep 'error:' | awk -F: '!seen[$1]++' || true)
[ -n "$out" ] || exit 0
printf '%s\n' "$out" | sed 's/error:.*/not formatted; run clang-format -i on it/'
exit 1
