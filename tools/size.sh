#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the size of core/ on a Cortex-M3 (-Os), per folder: flash is code and constants, RAM is static data.
. "$(dirname "$0")/lib.sh"

[ -f build-cortex-m3/core.elf ] || tools/freestanding.sh
printf '%-16s %10s %10s\n' "core on Cortex-M3" "flash B" "RAM B"
find build-cortex-m3/core -name '*.o' | sort | xargs arm-none-eabi-size | awk '
NR == 1 || $1 == "text" { next }
{
	n = split($6, part, "/"); dir = "core/" part[3]
	flash[dir] += $1 + $2; ram[dir] += $2 + $3; all += $1 + $2; all_ram += $2 + $3
	if (!(dir in seen)) { seen[dir] = 1; order[++count] = dir }
}
END {
	for (i = 1; i <= count; i++) printf "%-16s  %10d %10d\n", order[i], flash[order[i]], ram[order[i]]
	printf "%-16s  %10d %10d\n", "all", all, all_ram
}'
