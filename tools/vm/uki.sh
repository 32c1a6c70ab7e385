#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# uki.sh OUT INITRD VERSION CMDLINE [SIGNER]: systemd's stub with the sections that it measures into PCR 11, signed by the db key, or
# by the key named, or by nobody (none).
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
out=$1
initrd=$2
version=$3
cmdline=$4
signer=${5:-db}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
printf 'ID=gateway\nVERSION_ID=%s\nPRETTY_NAME="Virtual gateway %s"\n' "$version" "$version" >"$parts/osrel"
printf '%s' "$cmdline" >"$parts/cmdline"

# Each new section starts on the page after what is there: 4096 is the stub's section alignment.
page_after() { echo $((($1 + 4095) / 4096 * 4096)); }
end=0
for pair in $(objdump -h "$stub" | awk '$1 ~ /^[0-9]+$/ { print $3 ":" $4 }'); do
	top=$((0x${pair%%:*} + 0x${pair##*:}))
	[ $top -le $end ] || end=$top
done
set --
for section in "osrel $parts/osrel" "cmdline $parts/cmdline" "initrd $initrd" "linux $(ls "$kernel"/boot/vmlinuz-*)"; do
	name=${section%% *}
	file=${section#* }
	start=$(page_after $end)
	set -- "$@" --add-section ".$name=$file" --change-section-vma ".$name=$start"
	end=$((start + $(stat -c %s "$file")))
done
objcopy "$@" "$stub" "$parts/uki"
if [ "$signer" = none ]; then
	cp "$parts/uki" "$out"
else
	sbsign --key "$keys/$signer.key" --cert "$keys/$signer.pem" --output "$out" "$parts/uki" 2>/dev/null
fi
