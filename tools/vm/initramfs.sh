#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# initramfs.sh OUT VERSION: the gateway's whole system as an lz4 cpio archive, the same bytes for the same input.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
out=$1
version=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# take FILE: a program or library of the Debian root, and the libraries that it is linked with, at the same paths
take()
{
	mkdir -p "$tree$(dirname "$1")"
	cp -L "$root$1" "$tree$1"
	# ldd fails for a static program, which needs nothing more
	{ chroot "$root" ldd "$1" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$tree$library" ] || { mkdir -p "$tree$(dirname "$library")"; cp -L "$root$library" "$tree$library"; }
	done
}

for folder in bin sbin usr/bin usr/sbin lib lib64 etc/rauc proc sys dev run tmp data var root usr/share/dbus-1/system.d; do
	mkdir -p "$tree/$folder"
done
cp "$root/bin/busybox" "$tree/bin/busybox"
"$tree/bin/busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s /bin/busybox "$tree/bin/$applet"
done
for program in rauc dbus-daemon dbus-send efibootmgr tpm2; do
	take /usr/bin/$program
done
take /usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0
find "$root/usr/bin" -lname tpm2 -printf '%f\n' | while read -r name; do
	ln -s tpm2 "$tree/usr/bin/$name"
done
cp "$root/usr/share/dbus-1/system.conf" "$tree/usr/share/dbus-1/"
cp "$root/usr/share/dbus-1/system.d/de.pengutronix.rauc.conf" "$tree/usr/share/dbus-1/system.d/"

cp "$here/guest/rauc.conf" "$tree/etc/rauc/system.conf"
cp "$keys/rauc-ca.pem" "$tree/etc/rauc/ca.pem"
printf 'root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n' >"$tree/etc/passwd"
printf 'root:x:0:\nmessagebus:x:100:\n' >"$tree/etc/group"
echo "VERSION=$version" >"$tree/etc/version"
install -m 755 "$here/guest/init" "$tree/init"
install -m 755 "$here/guest/capture" "$here/guest/lines" "$tree/usr/bin/"

# Modules are copied as Debian signed them: under Secure Boot the kernel loads nothing else.
release=$(ls "$kernel/lib/modules")
mkdir -p "$tree/lib/modules/$release"
for module in virtio_pci virtio_blk virtio_net virtio_rng vfat nls_cp437 nls_ascii efivarfs loop squashfs dm_verity; do
	modprobe -d "$kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
	cp "$file" "$tree/lib/modules/$release/"
done
cp "$kernel/lib/modules/$release/modules.builtin" "$kernel/lib/modules/$release/modules.order" "$tree/lib/modules/$release/"
depmod -b "$tree" "$release"

find "$tree" -exec touch -h -d @1700000000 {} +
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | lz4 -l -9 -c >"$out"
