#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: clang-format has nothing to change. To mend: clang-format -i FILE.
. "$(dirname "$0")/../lib.sh"

all_sources | xargs clang-format --dry-run -Werror 2>&1 | grep -E 'error:' | sed 's/code should be clang-formatted.*/not formatted; run clang-format -i on it/' | awk -F: '!seen[$1]++' &&
	exit 1
exit 0
