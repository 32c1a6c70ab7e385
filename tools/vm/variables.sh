#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# variables.sh OUT OPTION…: a variable store for OVMF, so that a virtual device has its keys and boot entries at the first power-on.
#   --pk CERT, --kek CERT, --db CERT (again for more)   keys of Secure Boot; with --pk it is on, unless
#   --secure-boot off                                   switches it off, the keys being there
#   --boot LABEL=NUMBER:START:SECTORS:GUID              boot entry of a GPT partition, in the order in which they are tried
# The form is that of EDK II (MdeModulePkg, VariableFormat.h): authenticated variables, behind those of the empty store.
set -euo pipefail
template=/usr/share/OVMF/OVMF_VARS_4M.fd
global=8be4df61-93ca-11d2-aa0d-00e098032b8c
image_security=d719b2cb-3d3a-4596-a3bc-dad00e67656f
secure_boot_enable=f0a30bc7-af08-4556-99c4-001009c93a44
cert_x509=a5c059a1-94e4-4aa7-87b5-ab155c2bf072
owner=0b5dcf3e-5b3b-4a43-9a4e-6a7c1e1d6f10
loader='\EFI\BOOT\BOOTX64.EFI'
boot=3 # NV, BS
runtime=7
keys=39 # and TIME_BASED_AUTHENTICATED_WRITE_ACCESS

# Everything below is text in hexadecimal, least significant byte first.
le() { # le BYTES VALUE
	local i
	for ((i = 0; i < $1; i++)); do printf '%02x' $((($2 >> (8 * i)) & 255)); done
}
size() { echo $((${#1} / 2)); }
utf16() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../&00/g' && printf 0000; }
guid() {
	local g=${1//-/}
	printf '%s' "${g:6:2}${g:4:2}${g:2:2}${g:0:2}${g:10:2}${g:8:2}${g:14:2}${g:12:2}${g:16}"
}

# EFI_SIGNATURE_LIST of one certificate (UEFI 2.10, 32.4.1)
signature_list() {
	local der
	der=$(openssl x509 -in "$1" -outform DER | od -An -v -tx1 | tr -d ' \n')
	printf '%s' "$(guid $cert_x509)$(le 4 $((44 + $(size "$der"))))$(le 4 0)$(le 4 $((16 + $(size "$der"))))$(guid $owner)$der"
}

# EFI_LOAD_OPTION (UEFI 2.10, 3.1.3): HD(number,GPT,guid,start,sectors)/path
load_option() { # load_option LABEL NUMBER START SECTORS GUID
	local path file device
	path=$(utf16 "$loader")
	file="0404$(le 2 $((4 + $(size "$path"))))$path"
	device="04012a00$(le 4 "$2")$(le 8 "$3")$(le 8 "$4")$(guid "$5")0202${file}7fff0400"
	printf '%s' "$(le 4 1)$(le 2 "$(size "$device")")$(utf16 "$1")$device"
}

# One variable as it lies in the store: valid, no counter, no time stamp yet; the next starts at a multiple of 4.
variable() { # variable NAME VENDOR ATTRIBUTES VALUE
	local name out
	name=$(utf16 "$1")
	out="aa553f00$(le 4 "$3")$(le 8 0)$(le 16 0)$(le 4 0)$(le 4 "$(size "$name")")$(le 4 "$(size "$4")")$(guid "$2")$name$4"
	printf '%s' "$out"
	while (($(size "$out") % 4)); do
		printf ff
		out+=ff
	done
}

# number OFFSET BYTES: a number in the store
number() { od -An -v -tu"$2" -j"$1" -N"$2" "$template" | tr -d ' '; }
# Where the first free byte of the store is.
free() {
	local at
	at=$(($(number 48 2) + 28))
	while [ "$(number $at 2)" -eq $((0x55aa)) ]; do
		at=$(((at + 60 + $(number $((at + 36)) 4) + $(number $((at + 40)) 4) + 3) & ~3))
	done
	echo $at
}

out=$1
shift
hex='' pk='' kek='' db='' on=1 order='' entry=0
while [ $# -gt 0 ]; do
	case $1 in
	--pk) pk=$(signature_list "$2") ;;
	--kek) kek=$(signature_list "$2") ;;
	--db) db+=$(signature_list "$2") ;;
	--secure-boot) [ "$2" = off ] && on=0 ;;
	--boot)
		entry=$((entry + 1))
		IFS=: read -r number start sectors partition <<<"${2#*=}"
		hex+=$(variable "Boot000$number" $global $runtime "$(load_option "${2%%=*}" "$number" "$start" "$sectors" "$partition")")
		order+=$(le 2 "$number")
		;;
	*) echo "variables.sh: no such option: $1" >&2 && exit 2 ;;
	esac
	shift 2
done
[ -z "$db" ] || hex=$(variable db $image_security $keys "$db")$hex
[ -z "$kek" ] || hex=$(variable KEK $global $keys "$kek")$hex
[ -z "$pk" ] || hex=$(variable PK $global $keys "$pk")$(variable SecureBootEnable $secure_boot_enable $boot "0$on")$hex
hex+=$(variable BootOrder $global $runtime "$order")$(variable Timeout $global $runtime 0000)
cp "$template" "$out"
chmod u+w "$out"
# shellcheck disable=SC2059
printf "$(printf '%s' "$hex" | sed 's/../\\x&/g')" | dd of="$out" bs=1 seek="$(free)" conv=notrunc status=none
