#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# disk.sh OUT UKI-A UKI-B DISK-GUID A-GUID B-GUID DATA-GUID: GPT with the slots A and B (FAT) and a data partition (ext4).
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
out=$1
data_mib=32
fat_image "$out.a" aaaa0001 "$2"
fat_image "$out.b" bbbb0002 "$3"
truncate -s ${data_mib}M "$out.data"
mkfs.ext4 -q -F "$out.data"
rm -f "$out"
truncate -s $((1 + 2 * slot_mib + data_mib + 1))M "$out"
sgdisk -U "$4" -n "1:2048:+${slot_mib}M" -t 1:ef00 -u "1:$5" -c 1:slotA -n "2:0:+${slot_mib}M" -t 2:ef00 -u "2:$6" -c 2:slotB \
	-n "3:0:+${data_mib}M" -u "3:$7" -c 3:data "$out" >/dev/null
dd if="$out.a" of="$out" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$out.b" of="$out" bs=1M seek=$((1 + slot_mib)) conv=notrunc,sparse status=none
dd if="$out.data" of="$out" bs=1M seek=$((1 + 2 * slot_mib)) conv=notrunc,sparse status=none
rm "$out.a" "$out.b" "$out.data"
