#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sources.sh: the Debian root that programs of the captured gateways are taken from. Needs root (mmdebstrap) and a Debian mirror.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
"$here/kernel.sh"
"$here/keys.sh"

packages=systemd,systemd-sysv,udev,dbus,rauc,rauc-service,efibootmgr,tpm2-tools,libtss2-tcti-device0,kmod,busybox-static
if [ ! -d "$root" ]; then
	[ -f "$work/rootfs.tar" ] || mmdebstrap --variant=minbase --include="$packages" bookworm "$work/rootfs.tar"
	mkdir "$root.new"
	tar -C "$root.new" -xf "$work/rootfs.tar"
	mv "$root.new" "$root"
fi
