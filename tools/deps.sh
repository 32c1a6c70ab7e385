#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that a target needs and that are missing: tools/deps.sh SET…
# Says what it installs. Without root it prints the command and stops. Nothing missing: nothing happens, no network.
. "$(dirname "$0")/lib.sh"

packages() {
	case $1 in
	build) echo gcc libc6-dev make meson ninja-build pkg-config libssl-dev libseccomp-dev libsqlite3-dev libtss2-dev libyaml-dev libcmocka-dev libp11-kit-dev libsystemd-dev libsquashfs-dev zlib1g-dev libconfig-dev ;;
	check)
		echo python3 python3-pytest python3-jsonschema python3-jwcrypto python3-yaml swtpm swtpm-tools tpm2-tools tpm2-openssl openssl curl
		echo strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins gnutls-bin openvpn libmbedtls-dev libwolfssl-dev easy-rsa
		echo softhsm2 opensc
		echo rauc rauc-service dbus squashfs-tools cryptsetup-bin ostree gnupg
		echo systemd systemd-boot-efi sbsigntool osslsigncode binutils dosfstools mtools
		echo swupdate cpio
		;;
	vm)
		echo qemu-system-x86 ovmf swtpm swtpm-tools libtss2-tcti-device0 systemd-boot-efi sbsigntool dosfstools mtools gdisk e2fsprogs
		echo rauc rauc-service dbus efibootmgr busybox-static cpio lz4 binutils kmod openssl socat util-linux
		echo nbdkit nbdkit-plugin-python
		;;
	lint) echo git clang clang-format clang-tidy cppcheck gcc-arm-none-eabi binutils-arm-none-eabi mandoc shellcheck patch ;;
	fuzz) echo clang llvm libclang-rt-14-dev patch tpm2-tools ;;
	bench) echo gcc-arm-none-eabi binutils-arm-none-eabi libcjson-dev openssl curl ;;
	cross)
		echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
		echo gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static
		;;
	*) die "no such set: $1 (build check vm lint fuzz cross bench)" ;;
	esac
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

[ $# -gt 0 ] || die "usage: tools/deps.sh SET… (build check vm lint fuzz cross bench)"
command -v dpkg-query >/dev/null || {
	echo "not a Debian system: see tools/deps.sh for what is needed; going on" >&2
	exit 0
}
missing=()
for set in "$@"; do
	for p in $(packages "$set"); do
		installed "$p" || missing+=("$p")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	printf 'These packages are missing. Install them and call make again:\n  sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
	exit 1
fi
echo "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	die "apt-get failed (above)"
fi
