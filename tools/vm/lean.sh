#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lean.sh [--rauc] OUT VERSION PROGRAM…: the initramfs of a gateway that holds busybox, the programs named and the libraries they are linked
# with, taken from this machine's own Debian packages; as an lz4 cpio archive, the same bytes for the same input. With --rauc it can be
# updated: RAUC's service, D-Bus, efibootmgr, and the modules that bundles and a watchdog need.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
rauc=
if [ "$1" = --rauc ]; then
	rauc=yes
	shift
fi
out=$1
version=$2
shift 2
tree=$(mktemp -d)
chmod 755 "$tree" # it becomes the root, in which other users look for files
trap 'rm -rf "$tree"' EXIT

# library FILE: at the path where the loader looks for it
library() { [ -e "$tree$1" ] || { mkdir -p "$tree$(dirname "$1")" && cp -L "$1" "$tree$1"; }; }
linked() { ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r file; do library "$file"; done; }

for folder in bin usr/bin usr/sbin usr/libexec/chainhold lib lib64 etc proc sys dev run tmp data var root; do
	mkdir -p "$tree/$folder"
done
cp /usr/bin/busybox "$tree/bin/busybox"
"$tree/bin/busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
done
for program; do
	install -m 755 "$program" "$tree/usr/libexec/chainhold/"
	linked "$program"
done
# What tpm2-tss loads by name.
tcti=/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0
library $tcti
linked $tcti
if [ -n "$rauc" ]; then
	for program in rauc dbus-daemon efibootmgr; do
		install -m 755 "$(command -v $program)" "$tree/usr/bin/"
		linked "$(command -v $program)"
	done
	mkdir -p "$tree/etc/rauc" "$tree/usr/share/dbus-1/system.d"
	ln -s /run "$tree/var/run"
	cp /usr/share/dbus-1/system.conf "$tree/usr/share/dbus-1/"
	cp /usr/share/dbus-1/system.d/de.pengutronix.rauc.conf "$tree/usr/share/dbus-1/system.d/"
	cp "$here/guest/rauc.conf" "$tree/etc/rauc/system.conf"
	cp "$keys/rauc-ca.pem" "$tree/etc/rauc/ca.pem"
	# What the agent starts again by: there is no init here that would listen to busybox's.
	mkdir "$tree/sbin"
	printf '#!/bin/sh\nsync\numount /data\nexec /bin/busybox reboot -f\n' >"$tree/sbin/reboot"
	chmod 755 "$tree/sbin/reboot"
fi
cp "$here/guest/passwd" "$here/guest/group" "$tree/etc/"
echo "VERSION=$version" >"$tree/etc/version"
install -m 755 "$here/guest/gate" "$tree/init"
install -m 755 "$here/guest/lines" "$here/guest/start" "$here/guest/mend" "$tree/usr/bin/"

# Modules are copied as Debian signed them: under Secure Boot the kernel loads nothing else.
release=$(ls "$kernel/lib/modules")
mkdir -p "$tree/lib/modules/$release"
# shellcheck disable=SC2046
for module in virtio_pci virtio_blk virtio_net virtio_rng efivarfs $([ -z "$rauc" ] || echo loop squashfs dm_verity softdog); do
	modprobe -d "$kernel" -S "$release" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | sort -u | while read -r file; do
	cp "$file" "$tree/lib/modules/$release/"
done
cp "$kernel/lib/modules/$release/modules.builtin" "$kernel/lib/modules/$release/modules.builtin.modinfo" \
	"$kernel/lib/modules/$release/modules.order" "$tree/lib/modules/$release/"
depmod -b "$tree" "$release"

find "$tree" -exec touch -h -d @1700000000 {} +
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) | lz4 -q -l -9 -c >"$out"
