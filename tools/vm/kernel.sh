#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernel.sh: Debian's current kernel for virtual machines, unpacked in the working folder; nothing is installed.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
[ ! -d "$kernel" ] || exit 0
package=${CHAINHOLD_VM_KERNEL:-$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *//p')}
if [ -z "$package" ]; then
	echo "no package lists: apt-get update, then again" >&2
	exit 1
fi
rm -rf "$kernel.new"
mkdir "$kernel.new"
(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package")
# Only what the scripts here take: the kernel, and the modules of buses, disks and networks.
dpkg --fsys-tarfile "$work/$package"_*.deb | tar -C "$kernel.new" -xf - --wildcards './boot/vmlinuz-*' './lib/modules/*'
rm "$work/$package"_*.deb
depmod -b "$kernel.new" "$(ls "$kernel.new/lib/modules")"
mv "$kernel.new" "$kernel"
