#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reported, not gating: what gcc -fanalyzer says of core/ and host/. It is young and often wrong.
. "$(dirname "$0")/../lib.sh"

find core host -name '*.c' | sort | xargs -P "$JOBS" -I{} gcc -std=c11 -D_GNU_SOURCE -I. -O1 -fanalyzer -S -o /dev/null {} 2>build/analyzer.txt || true
grep -E 'warning: .*\[-Wanalyzer' build/analyzer.txt | sort -u | head -n 10 || true
echo "gcc -fanalyzer: $(grep -cE 'warning: .*\[-Wanalyzer' build/analyzer.txt || true) reports (build/analyzer.txt)"
