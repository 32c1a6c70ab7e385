#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gateway.sh VERB FOLDER …: the lean gateway as a device that is switched on and off. Its parts are built when they are first needed.
#   new FOLDER UNIT FILES [SIZE]  a device as it leaves the factory: unit 1 or 2, its data disk (of 16M) holding the files of the folder FILES
#   power FOLDER VARIANT     switches it on and stays until it is off (machine.sh power). When it stands at its gate, FOLDER/gate says
#                            how it got there ("booted" or "restored"), after how many seconds, and what the guest said. 3: it went
#                            off before, as a release that does not come up does; switched on again, it starts what it had
#   bundle OUT VERSION KIND  an update for a gateway of the variant `rauc`: good; next (good, and with the agent of a later release);
#                            panic, hang (it does not come up), unsigned (the firmware refuses it), stranger (somebody else signed the bundle)
#   variants                 what there is, one a line
# What was booted before is taken up from its saved state, TPM included. CHAINHOLD_VM_COLD=1 boots always and saves nothing.
# CHAINHOLD_VM_NBDKIT: a plugin of nbdkit for its disks, as machine.sh takes it.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
set -o pipefail
build=$(cd "$here/../.." && pwd)/build
sectors=$((slot_mib * 2048))
if [ -n "${CHAINHOLD_VM_PROGRAMS:-}" ]; then
	read -ra programs <<<"$CHAINHOLD_VM_PROGRAMS"
else
	programs=("$build"/chainhold-agent{,-collect,-net,-tpm})
fi
# no_timer_check: on a busy machine the emulated timer may be late when the kernel looks whether there is one, and it would panic.
# rootfstype=ramfs: IMA's tcb policy leaves tmpfs out, and with it a tmpfs that the initramfs was unpacked into.
cmdline="console=ttyS0 quiet panic=5 no_timer_check rootfstype=ramfs ima_policy=tcb ima_hash=sha256 ima_template=ima-ng"

# unit: serial, UUID, MAC address, first part of the GUIDs of disk and partitions
units=(
	""
	"CHGW-000001 5b0d2c1e-8f64-4a0b-9a39-3c1f6f0e0001 52:54:00:c4:a1:01 7a1f0c52-3d0e-4b7c-8f6a-c0ffee01000"
	"CHGW-000002 e41c97d3-02ab-4f5d-b7c8-91d2a6b40002 52:54:00:5e:b0:02 c93be614-71d8-4e25-a1d4-0dd5ea02000"
)
# variant: image of slot A, image of slot B, options of variables.sh
declare -A variants=(
	[good]="good good -"
	[cmdline]="cmdline good -"
	[initrd]="initrd good -"
	[attacker]="attacker good --db=attacker"
	[refused]="unsigned good -"
	[secure-boot-off]="good good --secure-boot=off"
	[systemd]="systemd - --systemd"
	[rauc]="release-1.0.0-good release-1.0.0-good -"
)

next=$build/tests/next/chainhold-agent-collect

# Everything that boots are made of: the files, and what this script makes of them.
made_of() {
	declare -p cmdline units variants
	declare -f image backdoor release disk variables new
	cat "${programs[@]}" "${packaged[@]}" "$here"/{common,uki,disk,bundle,variables,machine,"${1/rauc/lean}"}.sh "$here"/guest/* "$kernel"/boot/vmlinuz-* "$keys/db.pem" \
		/usr/bin/busybox "$stub" /usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_VARS_4M.fd "$(command -v qemu-system-x86_64)" \
		"$(command -v swtpm)"
	ldd "${programs[@]}" | grep -o ' /[^ ]*' | sort -u | xargs cat
}

# images KIND: lean, rauc or systemd. They have a folder of their own; those of earlier inputs go.
images() {
	"$here/kernel.sh"
	"$here/keys.sh"
	packaged=()
	if [ "$1" = systemd ]; then
		"$here/sources.sh"
		mapfile -t programs < <(find "$build" -maxdepth 1 -type f -name 'chainhold*' ! -name chainhold-sim | sort)
		packaged=("$build"/packaging/*.service "$root/var/lib/dpkg/status")
	elif [ "$1" = rauc ]; then
		programs+=("$build"/chainhold-agent-apply)
		packaged=("$(command -v rauc)" "$(command -v dbus-daemon)" "$(command -v efibootmgr)" "$keys/rauc-ca.pem")
	fi
	images=$work/images-$1-$(made_of "$1" | sha256sum | cut -c1-20)
	[ ! -d "$images" ] || return 0
	rm -rf "$work/images-$1"-*
	mkdir -p "$images.new/boots"
	[ "$1" != lean ] || "$here/lean.sh" "$images.new/initrd" 1.0.0 "${programs[@]}"
	mv "$images.new" "$images"
}

# image NAME: a slot's UKI
image() {
	local out=$images/$1.efi initrd=$images/initrd
	[ ! -e "$out" ] || return 0
	case $1 in
	good) "$here/uki.sh" "$out.new" "$initrd" 1.0.0 "$cmdline" ;;
	cmdline) "$here/uki.sh" "$out.new" "$initrd" 1.0.0 "$cmdline init=/bin/sh" ;;
	initrd) backdoor "$initrd" "$out.initrd" && "$here/uki.sh" "$out.new" "$out.initrd" 1.0.0 "$cmdline" ;;
	attacker) "$here/uki.sh" "$out.new" "$initrd" 1.0.0 "$cmdline" attacker ;;
	unsigned) "$here/uki.sh" "$out.new" "$initrd" 1.0.0 "$cmdline" none ;;
	release-*) release "$out.new" "${1#release-}" ;;
	esac
	mv "$out.new" "$out"
}
# The kernel unpacks one archive after the other: one more file is enough for another initrd.
backdoor() {
	local folder
	folder=$(mktemp -d)
	mkdir -p "$folder/etc"
	chmod 755 "$folder"
	echo "left by somebody else" >"$folder/etc/backdoor"
	{ cat "$1" && (cd "$folder" && find . | cpio --quiet -o -H newc -R 0:0) | lz4 -q -l -9 -c; } >"$2"
	rm -rf "$folder"
}

# release OUT VERSION-KIND: the UKI of a release of a gateway that can be updated
release() {
	local out=$1 version=${2%-*} kind=${2##*-} signer=db folder carried=("${programs[@]}")
	initrd=$images/initrd-$version
	if [ "$kind" = next ]; then
		initrd=$initrd-next carried=("${programs[@]/%*-collect/$next}")
	fi
	[ -e "$initrd" ] || { "$here/lean.sh" --rauc "$initrd.new" "$version" "${carried[@]}" && mv "$initrd.new" "$initrd"; }
	case $kind in
	unsigned) signer=none ;;
	panic | hang)
		# Another /init over the one that is there.
		folder=$(mktemp -d)
		chmod 755 "$folder"
		printf '#!/bin/sh\nmount -t proc proc /proc\nmount -t devtmpfs devtmpfs /dev\nmodprobe softdog soft_margin=15\n' >"$folder/init"
		if [ "$kind" = panic ]; then echo 'exit 1'; else echo 'exec sleep 1000000 9>/dev/watchdog'; fi >>"$folder/init"
		chmod 755 "$folder/init"
		{ cat "$initrd" && (cd "$folder" && echo init | cpio --quiet -o -H newc -R 0:0) | lz4 -q -l -9 -c; } >"$out.initrd"
		initrd=$out.initrd
		rm -rf "$folder"
		;;
	esac
	"$here/uki.sh" "$out" "$initrd" "$version" "$cmdline" "$signer"
	rm -f "$out.initrd"
}

# bundle OUT VERSION KIND
bundle() {
	local signer=rauc kind=$3
	images rauc
	[ "$kind" != stranger ] || signer=attacker kind=good
	image "release-$2-$kind"
	"$here/bundle.sh" "$1" "$images/release-$2-$kind.efi" "$2" "$signer"
}

# disk A B GUID: the disk of a unit with these images in its slots, or with systemd
disk() {
	disk=$images/disk-$1-$2-${3:0:8}.img
	[ ! -e "$disk" ] || return 0
	if [ "$1" = systemd ]; then
		"$here/systemd.sh" "$disk.new" "${3}0" "${3}1" "${3}2" "$build"
		mv "$disk.new" "$disk"
		return
	fi
	image "$1"
	image "$2"
	"$here/disk.sh" "$disk.new" "$images/$1.efi" "$images/$2.efi" "${3}0" "${3}1" "${3}2" "${3}3"
	mv "$disk.new" "$disk"
}

variables() { # variables OUT GUID OPTION
	local more=() sectors=$sectors entries=()
	case $3 in
	--systemd) sectors=$((96 * 2048)) ;;
	--db=*) more=(--db "$keys/${3#*=}.pem") ;;
	--secure-boot=*) more=(--secure-boot "${3#*=}") ;;
	esac
	entries=(--boot "A=1:2048:$sectors:${2}1")
	[ "$3" = --systemd ] || entries+=(--boot "B=2:$((2048 + sectors)):$sectors:${2}2")
	"$here/variables.sh" "$1" --pk "$keys/PK.pem" --kek "$keys/KEK.pem" --db "$keys/db.pem" "${more[@]}" \
		"${entries[@]}"
}

# The TPM of a unit is made once: saved states are states of that TPM.
new() {
	local number=$1 serial uuid mac guid
	read -r serial uuid mac guid <<<"${units[$number]}"
	[ -d "$work/unit$number" ] || { "$here/tpm.sh" "$work/unit$number.new" "$serial" && mv "$work/unit$number.new" "$work/unit$number"; }
	rm -rf "$folder"
	mkdir -p "$folder"
	cp -r "$work/unit$number" "$folder/tpm"
	truncate -s "${3:-16M}" "$folder/data.img"
	mkfs.ext4 -q -F -U "$uuid" -d "$2" "$folder/data.img"
	printf 'serial=%s\nuuid=%s\nmac=%s\nguid=%s\n' "$serial" "$uuid" "$mac" "$guid" >"$folder/unit"
	sha256sum <"$folder/tpm/tpm2-00.permall" | cut -c1-20 >"$folder/past"
}

power() {
	local variant=$1 serial uuid mac guid a b option boot start off how=booted kind=lean memory=256 snapshot=on
	[ -n "${variants[$variant]:-}" ] || { echo "gateway.sh: no such variant: $variant" >&2 && return 2; }
	read -r a b option <<<"${variants[$variant]}"
	# shellcheck source=/dev/null
	. "$folder/unit"
	[ "$variant" != systemd ] || kind=systemd memory=1024
	# Its slots are written: the disk is its own, and no state of a boot is that of the next one.
	[ "$variant" != rauc ] || kind=rauc memory=512 snapshot=off CHAINHOLD_VM_COLD=1
	images $kind
	disk "$a" "$b" "$guid"
	rm -f "$folder/gate" "$folder/state" "$folder/on" "$folder/console.log"
	if [ $snapshot = on ]; then
		ln -sf "$disk" "$folder/disk.img"
	elif [ ! -e "$folder/disk.img" ]; then
		cp --sparse=always "$disk" "$folder/disk.img"
	fi
	printf 'serial=%s\nuuid=%s\nmac=%s\nmemory=%s\nsnapshot=%s\nnbdkit="%s"\n' "$serial" "$uuid" "$mac" "$memory" "$snapshot" \
		"${CHAINHOLD_VM_NBDKIT:-}" >"$folder/identity"
	# What a boot depends on beside its parts: the boots before, which count in the TPM and may have left variables.
	past=$({ cat "$folder/past" && echo "$variant"; } | sha256sum | cut -c1-20)
	echo "$past" >"$folder/past"
	boot=$images/boots/$past
	if [ -e "$boot/state" ] && [ -z "${CHAINHOLD_VM_COLD:-}" ]; then
		how=restored
		ln -s "$boot/state" "$folder/state"
		cp "$boot/variables.fd" "$folder/variables.fd"
	elif [ ! -e "$folder/variables.fd" ] || [ "$option" != - ]; then
		variables "$folder/variables.fd" "$guid" "$option"
	fi
	start=$(date +%s%N)
	off=$(cat "$folder/off" 2>/dev/null || echo "$start")
	if [ $how = restored ]; then
		# The TPM's clock stood still while the device was off: off for less long than then, its clock would go back.
		while [ $((start - off)) -lt "$(cat "$boot/gap" 2>/dev/null || echo 0)" ]; do
			sleep 0.1
			start=$(date +%s%N)
		done
	fi
	gap=$((start - off))
	"$here/machine.sh" power "$folder" &
	machine=$!
	trap 'kill "$machine" 2>/dev/null || true; wait "$machine" || true' EXIT
	trap 'exit 143' TERM INT HUP
	at_gate "$start" "$how" "$boot" || return
	wait "$machine" || return
	date +%s%N >"$folder/off"
}

at_gate() { # at_gate START HOW BOOT
	local line took
	if [ "$2" = restored ]; then
		until [ -e "$folder/on" ]; do
			kill -0 "$machine" 2>/dev/null || return 1
			sleep 0.05
		done
		line=$(cat "$3/line")
	else
		until line=$("$here/machine.sh" wait "$folder" '=== GATE' 2 2>/dev/null); do
			kill -0 "$machine" 2>/dev/null || return 3
			[ $((($(date +%s%N) - $1) / 1000000000)) -lt 900 ] || { cat "$folder/console.log" >&2 && return 1; }
		done
	fi
	took=$((($(date +%s%N) - $1) / 100000000))
	if [ "$2" = booted ] && [ -z "${CHAINHOLD_VM_COLD:-}" ]; then
		mkdir -p "$3"
		cp "$folder/variables.fd" "$3/variables.fd"
		echo "$line" >"$3/line"
		echo "$gap" >"$3/gap"
		"$here/machine.sh" save "$folder" "$3/state"
	fi
	echo "$2 $((took / 10)).$((took % 10)) ${line#=== GATE }" >"$folder/gate.new"
	mv "$folder/gate.new" "$folder/gate"
}

verb=$1
if [ "$verb" = variants ]; then
	printf '%s\n' "${!variants[@]}" | sort
	exit
fi
if [ "$verb" = bundle ]; then
	bundle "$2" "$3" "$4"
	exit
fi
mkdir -p "$2"
folder=$(cd "$2" && pwd)
shift 2
case $verb in
new) new "$@" ;;
power) power "$@" ;;
*) echo "gateway.sh: no such verb: $verb" >&2 && exit 2 ;;
esac
