#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh: everything that the captures need, in the working folder: two signed releases, the update bundle of the second.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
# rootfstype=ramfs: IMA's tcb policy leaves tmpfs out, and with it a tmpfs that the initramfs was unpacked into.
cmdline="console=ttyS0 quiet panic=5 rootfstype=ramfs ima_policy=tcb ima_hash=sha256 ima_template=ima-ng"
"$here/sources.sh"
for version in 1.0.0 2.0.0; do
	"$here/initramfs.sh" "$work/initrd-$version" $version
	"$here/uki.sh" "$work/gateway-$version.efi" "$work/initrd-$version" $version "$cmdline"
done
"$here/bundle.sh" "$work/gateway-2.0.0.raucb" "$work/gateway-2.0.0.efi" 2.0.0
ls -l "$work"
