#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd.sh OUT DISK-GUID UKI-PARTITION-GUID ROOT-PARTITION-GUID [BUILD]: a disk whose UKI starts systemd, first in the initramfs and
# then in an ext4 root, so that systemd-pcrphase extends PCR 11 four times after the event log has ended. With the build folder BUILD
# what `meson install` installs from there is in the root, and the libraries that it is linked with. After sources.sh.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
out=$1
esp_mib=96
root_mib=300
build=${5:-}
tree=$work/systemd-root
# No IMA policy: thousands of files would be listed, and it is PCR 11 that this boot is for.
cmdline="console=ttyS0 quiet panic=5 root=/dev/vda2 rootfstype=ext4 rw"

rm -rf "$tree"
mkdir "$tree"
tar -C "$root" -cf - --exclude='./usr/share/*' --exclude='./usr/lib/x86_64-linux-gnu/perl*' --exclude='./usr/lib/x86_64-linux-gnu/gconv' \
	--exclude='./usr/lib/apt' \
	--exclude='./usr/bin/*perl*' --exclude='*/libperl*' --exclude='./usr/lib/udev/hwdb*' --exclude='./var/lib/*' --exclude='./var/cache/*' --exclude='./dev/*' . | tar -C "$tree" -xf -
mkdir -p "$tree/usr/share/dbus-1" "$tree/var/lib/dbus"
cp "$root/usr/share/dbus-1/system.conf" "$tree/usr/share/dbus-1/"
release=$(ls "$kernel/lib/modules")
mkdir -p "$tree/usr/lib/modules/$release"
for module in virtio_pci virtio_blk virtio_net virtio_rng efivarfs; do
	modprobe -d "$kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
	cp "$file" "$tree/usr/lib/modules/$release/"
done
cp "$kernel/lib/modules/$release/modules.builtin" "$kernel/lib/modules/$release/modules.builtin.modinfo" "$kernel/lib/modules/$release/modules.order" "$tree/usr/lib/modules/$release/"
depmod -b "$tree" "$release"
printf 'virtio_pci\nvirtio_blk\nvirtio_net\nefivarfs\n' >"$tree/etc/modules-load.d/gateway.conf"
: >"$tree/etc/fstab"
: >"$tree/etc/machine-id"
echo gateway >"$tree/etc/hostname"

[ -e "$tree/usr/bin/nc" ] || ln -s busybox "$tree/usr/bin/nc"
install -m 755 "$here/guest/capture" "$here/guest/control" "$here/guest/lines" "$tree/usr/bin/"
install -m 755 "$here/guest/start-systemd" "$tree/usr/bin/start"
mkdir -p "$tree/data"
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

# pack OUT: an initramfs with what systemd takes to find its root and go there, and what systemd-pcrphase loads to reach the TPM. The
# firmware reads and measures it all: it is small. It has the file that tells systemd where it runs, and /init as the kernel looks for it.
pack() {
	small=$(mktemp -d)
	chmod 755 "$small"
	mkdir -p "$small/usr/bin" "$small/usr/lib64" "$small/proc" "$small/sys" "$small/dev" "$small/run" "$small/tmp" "$small/sysroot" "$small/var"
	(cd "$tree" && tar -cf - bin sbin lib lib64 etc usr/sbin/modprobe usr/sbin/init usr/lib/systemd usr/lib/udev usr/lib/modules \
		usr/lib/modprobe.d usr/lib/tmpfiles.d usr/lib/sysctl.d usr/lib/x86_64-linux-gnu/systemd usr/lib/x86_64-linux-gnu/libtss2-* \
		usr/bin/systemctl usr/bin/udevadm usr/bin/journalctl usr/bin/systemd-tmpfiles usr/bin/mount usr/bin/umount usr/bin/kmod \
		usr/bin/sh usr/bin/dash) | tar -C "$small" -xf -
	(cd "$small" && find usr -type f -perm -100) | while read -r program; do
		{ chroot "$tree" ldd "/$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
			[ -e "$small$library" ] || { mkdir -p "$small$(dirname "$library")" && cp -L "$tree$library" "$small$library"; }
		done
	done
	printf 'ID=gateway\nVERSION_ID=1.0.0\n' >"$small/etc/initrd-release"
	ln -s usr/lib/systemd/systemd "$small/init"
	(cd "$small" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | lz4 -q -l -9 -c >"$1"
	rm -rf "$small"
}
install_build() {
	DESTDIR=$tree meson install -C "$build" --no-rebuild --quiet
	rm -rf "$tree/usr/local/share"
	find "$tree/usr/local" -type f -perm -100 | while read -r program; do
		ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
			[ -e "$tree$library" ] || { mkdir -p "$tree$(dirname "$library")" && cp -L "$library" "$tree$library"; }
		done
	done
	chroot "$tree" systemd-sysusers
}

pack "$work/initrd-systemd"
[ -z "$build" ] || install_build
truncate -s ${root_mib}M "$out.root"
mkfs.ext4 -q -F -d "$tree" "$out.root"
"$here/uki.sh" "$work/gateway-systemd.efi" "$work/initrd-systemd" 1.0.0 "$cmdline"

slot_mib=$esp_mib
fat_image "$out.a" dddd0004 "$work/gateway-systemd.efi"
rm -f "$out"
truncate -s $((1 + esp_mib + root_mib + 1))M "$out"
sgdisk -U "$2" -n "1:2048:+${esp_mib}M" -t 1:ef00 -u "1:$3" -c 1:slotA -n "2:0:+${root_mib}M" -t 2:8304 -u "2:$4" -c 2:root "$out" >/dev/null
dd if="$out.a" of="$out" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$out.root" of="$out" bs=1M seek=$((1 + esp_mib)) conv=notrunc,sparse status=none
rm "$out.a" "$out.root"
