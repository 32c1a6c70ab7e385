#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles core/ for a Cortex-M3 without an operating system or a C library, every warning an error, and links all of it
# against a null crypto backend: tools/freestanding.sh. Leaves objects in build-cortex-m3/.
. "$(dirname "$0")/lib.sh"

CC=${CC_ARM:-arm-none-eabi-gcc}
OUT=build-cortex-m3
command -v "$CC" >/dev/null || die "$CC is missing: tools/deps.sh lint"
FLAGS=(-mcpu=cortex-m3 -mthumb -Os -g0 -std=c11 -ffreestanding -nostdinc
	-isystem "$("$CC" -print-file-name=include)" -isystem "$("$CC" -print-file-name=include-fixed)"
	-isystem tools/lint/freestanding/include -I.
	-Wall -Wextra -Wconversion -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wimplicit-fallthrough
	-Wstack-usage=4096 -Werror -Wno-error=stack-usage= -fno-diagnostics-show-caret -ffunction-sections -fdata-sections -fno-tree-loop-distribute-patterns)

rm -rf "$OUT"
mkdir -p "$OUT"
compile() {
	local src=$1
	shift
	mkdir -p "$OUT/${src%/*}"
	"$@" -c "$src" -o "$OUT/${src%.c}.o"
}
export OUT
export -f compile
find core tools/lint/freestanding -name '*.c' | sort |
	xargs -P "$JOBS" -I{} bash -c 'compile "$@"' - {} "$CC" "${FLAGS[@]}"
# Every object is linked whole, so whatever else it needed would be undefined here. libgcc: the compiler's own arithmetic.
mapfile -t objects < <(find "$OUT" -name '*.o' | sort)
if ! out=$("$CC" -mcpu=cortex-m3 -mthumb -nostdlib -Wl,-e,0 -Wl,--no-gc-sections -o "$OUT/core.elf" "${objects[@]}" -lgcc 2>&1); then
	printf '%s\n' "$out" | sed -nE 's/^(.*[/ ])?([a-z0-9_]+\.[co]):?\(.*undefined reference to (.*)/\2: core needs \3, which a microcontroller does not have/p' |
		awk '!seen[$4]++'
	die "core does not link by itself"
fi
