# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034
# Read by the other scripts of this folder: the working folder, and what they share.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${CHAINHOLD_VM_WORK:-$(cd "$here/../.." && pwd)/build/vm}
root=$work/root
kernel=$work/kernel
keys=$work/keys
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
slot_mib=48
mkdir -p "$work"

# fat_image OUT VOLUME-ID UKI: a slot is one FAT file system that holds one UKI at the removable-media path.
fat_image()
{
	rm -f "$1"
	truncate -s ${slot_mib}M "$1"
	mkfs.vfat -F 32 -n SLOT -i "$2" --invariant "$1" >/dev/null
	mmd -i "$1" ::/EFI ::/EFI/BOOT
	mcopy -i "$1" "$3" ::/EFI/BOOT/BOOTX64.EFI
}
