#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: core/ compiles for a Cortex-M3 with -Werror and links without an operating system or a C library. Shows its size.
. "$(dirname "$0")/../lib.sh"

tools/freestanding.sh
if ram=$(find build-cortex-m3/core -name '*.o' | sort | xargs arm-none-eabi-nm -A | grep -E ' [bBdDC] [^$]'); then
	printf '%s\n' "$ram" | sed -E 's|^build-cortex-m3/([^:]*)\.o:.* |\1.c: |; s/$/: core has no variables of its own; make it const or hand it in/'
	exit 1
fi
tools/size.sh
