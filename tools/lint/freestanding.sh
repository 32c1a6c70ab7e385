#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: core/ compiles for a Cortex-M3 with -Werror and links without an operating system or a C library. Shows its size.
. "$(dirname "$0")/../lib.sh"

tools/freestanding.sh
if ram=$(arm-none-eabi-nm -A build-cortex-m3/core.elf | grep -E ' [bBdD] ' | grep -vE ' (__|_)?(bss|data|end|edata|stack|noinit)[A-Za-z_]*$'); then
	printf '%s\n' "$ram" | sed 's/.* //; s/$/: core has no variables of its own; make it const or hand it in/'
	exit 1
fi
tools/size.sh
