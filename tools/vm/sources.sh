#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sources.sh: the Debian root that programs are taken from, the kernel, the keys. Needs root (mmdebstrap) and a Debian mirror.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"

packages=systemd,systemd-sysv,udev,dbus,rauc,rauc-service,efibootmgr,tpm2-tools,libtss2-tcti-device0,kmod,busybox-static
if [ ! -d "$root" ]; then
	[ -f "$work/rootfs.tar" ] || mmdebstrap --variant=minbase --include="$packages" bookworm "$work/rootfs.tar"
	mkdir "$root.new"
	tar -C "$root.new" -xf "$work/rootfs.tar"
	mv "$root.new" "$root"
fi
if [ ! -d "$kernel" ]; then
	(cd "$work" && apt-get download "$kernel_package")
	dpkg -x "$work/$kernel_package"_*.deb "$kernel.new"
	depmod -b "$kernel.new" "$(ls "$kernel.new/lib/modules")"
	mv "$kernel.new" "$kernel"
fi

# certificate NAME SUBJECT [openssl options]: a key and a certificate of its own, or signed by -CA
certificate()
{
	name=$1
	subject=$2
	shift 2
	openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 7300 -subj "$subject" -keyout "$keys/$name.key" -out "$keys/$name.pem" \
		"$@" 2>/dev/null
}
if [ ! -d "$keys" ]; then
	mkdir "$keys"
	certificate PK "/CN=Chainhold virtual gateway PK"
	certificate KEK "/CN=Chainhold virtual gateway KEK"
	certificate db "/CN=Chainhold virtual gateway db"
	certificate rauc-ca "/CN=Chainhold virtual gateway update CA"
	certificate rauc "/CN=Chainhold virtual gateway update signer" -CA "$keys/rauc-ca.pem" -CAkey "$keys/rauc-ca.key" \
		-addext basicConstraints=critical,CA:FALSE
fi
