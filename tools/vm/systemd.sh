#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd.sh OUT DISK-GUID UKI-PARTITION-GUID ROOT-PARTITION-GUID: a disk whose UKI starts systemd, first in the initramfs and then
# in an ext4 root, so that systemd-pcrphase extends PCR 11 four times after the event log has ended. After build.sh.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
out=$1
esp_mib=96
root_mib=300
tree=$work/systemd-root
# No IMA policy: thousands of files would be listed, and it is PCR 11 that this boot is for.
cmdline="console=ttyS0 quiet panic=5 root=/dev/vda2 rootfstype=ext4 rw"

rm -rf "$tree"
mkdir "$tree"
tar -C "$root" -cf - --exclude='./usr/share/*' --exclude='./usr/lib/x86_64-linux-gnu/perl*' --exclude='./usr/lib/x86_64-linux-gnu/gconv' \
	--exclude='./usr/lib/apt' --exclude='./var/lib/*' --exclude='./var/cache/*' --exclude='./dev/*' . | tar -C "$tree" -xf -
mkdir -p "$tree/usr/share/dbus-1" "$tree/var/lib/dbus"
cp "$root/usr/share/dbus-1/system.conf" "$tree/usr/share/dbus-1/"
release=$(ls "$kernel/lib/modules")
mkdir -p "$tree/usr/lib/modules/$release"
for module in virtio_pci virtio_blk virtio_net virtio_rng efivarfs; do
	modprobe -d "$kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
	cp "$file" "$tree/usr/lib/modules/$release/"
done
cp "$kernel/lib/modules/$release/modules.builtin" "$kernel/lib/modules/$release/modules.order" "$tree/usr/lib/modules/$release/"
depmod -b "$tree" "$release"
printf 'virtio_pci\nvirtio_blk\nvirtio_net\nefivarfs\n' >"$tree/etc/modules-load.d/gateway.conf"
: >"$tree/etc/fstab"
: >"$tree/etc/machine-id"
echo gateway >"$tree/etc/hostname"

ln -s busybox "$tree/usr/bin/nc"
install -m 755 "$here/guest/capture" "$here/guest/control" "$here/guest/lines" "$tree/usr/bin/"
cat >"$tree/etc/systemd/system/control.service" <<'END'
[Unit]
Description=Command line from the host
After=systemd-pcrphase.service getty.target
[Service]
ExecStart=/usr/bin/control
[Install]
WantedBy=multi-user.target
END
mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
ln -s ../control.service "$tree/etc/systemd/system/multi-user.target.wants/control.service"
ln -sf /lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"

truncate -s ${root_mib}M "$out.root"
mkfs.ext4 -q -F -d "$tree" "$out.root"
# The file that tells systemd that it runs in an initramfs, and /init as the kernel looks for it.
printf 'ID=gateway\nVERSION_ID=1.0.0\n' >"$tree/etc/initrd-release"
ln -s usr/lib/systemd/systemd "$tree/init"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | lz4 -l -9 -c >"$work/initrd-systemd"
"$here/uki.sh" "$work/gateway-systemd.efi" "$work/initrd-systemd" 1.0.0 "$cmdline"

slot_mib=$esp_mib
fat_image "$out.a" dddd0004 "$work/gateway-systemd.efi"
rm -f "$out"
truncate -s $((1 + esp_mib + root_mib + 1))M "$out"
sgdisk -U "$2" -n "1:2048:+${esp_mib}M" -t 1:ef00 -u "1:$3" -c 1:slotA -n "2:0:+${root_mib}M" -t 2:8304 -u "2:$4" -c 2:root "$out" >/dev/null
dd if="$out.a" of="$out" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$out.root" of="$out" bs=1M seek=$((1 + esp_mib)) conv=notrunc,sparse status=none
rm "$out.a" "$out.root"
