#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# machine.sh VERB FOLDER …: one virtual gateway, whose parts lie in FOLDER and whose processes end with `power`.
#   power FOLDER            starts the TPM and QEMU and stays until the guest is off: 0; 1 if a part could not start. With a file
#                           `state` in FOLDER the guest goes on from there, else it boots. Ends the guest when it is itself ended.
#   wait FOLDER TEXT [S]    until the console shows TEXT, at most S seconds (300); prints the line
#   run FOLDER LINE         runs a line of shell in the guest once; prints what it printed, ends with its status; 125: it went off
#   save FOLDER FILE        writes the guest and its TPM to FILE; the guest goes on
# FOLDER: disk.img (never written, unless identity says snapshot=off), data.img, variables.fd, tpm/ (state of swtpm), and in `identity` serial=, uuid=, mac=, and where
# wanted rtc= (start of the guest's clock), memory= (MiB), nbdkit= (a plugin of nbdkit, with its options, that stands between the guest and
# disk.img and data.img: it is given file=NAME). A state can be taken up again only with the same of all of these.
set -euo pipefail
firmware=/usr/share/OVMF/OVMF_CODE_4M.fd

# Children end with this process, however it ends. Paths are relative: a UNIX socket's may not be long.
child() { exec setpriv --pdeathsig TERM "$@"; }

start_tpm() {
	child swtpm socket --tpm2 --terminate --tpmstate dir=tpm --ctrl type=unixio,path=tpm.sock --flags startup-clear >swtpm.log 2>&1 &
	tpm=$!
	until [ -S tpm.sock ]; do
		kill -0 "$tpm" 2>/dev/null || return 1
		sleep 0.02
	done
}

# A disk as QEMU is told of it: the file, or the socket of an nbdkit that has it.
disk_of() {
	if [ -z "$nbdkit" ]; then
		echo "file=$1.img,cache=unsafe"
	else
		echo "file.driver=nbd,file.server.type=unix,file.server.path=$1.sock"
	fi
}
serve_disk() {
	local options
	read -ra options <<<"$nbdkit"
	child nbdkit -f -U "$1.sock" python "${options[@]}" "file=$1.img" >"$1.log" 2>&1 &
	disks+=($!)
	until [ -S "$1.sock" ]; do
		kill -0 "${disks[-1]}" 2>/dev/null || return 1
		sleep 0.02
	done
}

start_qemu() {
	local serial uuid mac rtc=utc memory=256 snapshot=on nbdkit=
	# shellcheck source=/dev/null
	. ./identity
	if [ -n "$nbdkit" ]; then
		serve_disk disk || { cat disk.log >&2 && return 1; }
		serve_disk data || { cat data.log >&2 && return 1; }
	fi
	child qemu-system-x86_64 -accel tcg,thread=multi -machine q35,smm=off -cpu max -m "$memory" -smp 1 -nodefaults -no-user-config \
		-display none -no-reboot -global ICH9-LPC.disable_s3=1 -rtc "base=$rtc" \
		-drive "if=pflash,format=raw,readonly=on,file=$firmware" -drive if=pflash,format=raw,file=variables.fd \
		-drive "if=none,id=disk,format=raw,snapshot=$snapshot,$(disk_of disk)" -device virtio-blk-pci,drive=disk \
		-drive "if=none,id=data,format=raw,$(disk_of data)" -device virtio-blk-pci,drive=data \
		-smbios "type=1,manufacturer=Chainhold,product=virtual-gateway,serial=$serial,uuid=$uuid" \
		-netdev user,id=net -device "virtio-net-pci,netdev=net,mac=$mac,romfile=" -device virtio-rng-pci \
		-chardev socket,id=tpm,path=tpm.sock -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0 \
		-serial file:console.log -chardev socket,id=control,path=control.sock,server=on,wait=off -serial chardev:control \
		-qmp unix:qmp.sock,server=on,wait=off "$@" </dev/null >qemu.log 2>&1 &
	qemu=$!
}

# talk: opens QEMU's control port. ask JSON: sends a command. until_event WORDS: reads until a line has the words.
talk() {
	coproc PORT { exec socat - UNIX-CONNECT:qmp.sock,retry=50,interval=0.1 2>/dev/null; }
	until_line '"QMP"'
	ask '{"execute":"qmp_capabilities"}'
}
until_line() {
	local line
	while read -r -t 60 line <&"${PORT[0]}"; do
		[[ $line != *$1* ]] || return 0
		[[ $line != *'"error"'* ]] || break
	done
	echo "machine.sh: QEMU: ${line:-no answer}" >&2
	return 1
}
ask() {
	echo "$1" >&"${PORT[1]}"
	until_line '"return"'
}

end() { [ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1"; } || true; }
power() {
	tpm='' qemu='' disks=()
	trap 'rm -f on; end "$qemu"; end "$tpm"; for disk in "${disks[@]}"; do end "$disk"; done' EXIT
	trap 'exit 143' TERM INT HUP
	rm -f on tpm.sock control.sock qmp.sock disk.sock data.sock console.log
	start_tpm || { cat swtpm.log >&2 && return 1; }
	if [ -e state ]; then
		start_qemu -incoming defer
		talk
		echo '{"execute":"migrate-incoming","arguments":{"uri":"exec:cat state"}}' >&"${PORT[1]}"
		until_line '"RESUME"' # what is sent to the guest earlier is lost
	else
		start_qemu
	fi
	: >on
	wait "$qemu" || { cat qemu.log >&2 && return 1; }
	qemu=''
	wait "$tpm" || true
	tpm=''
}

wait_console() {
	local text=$1 end=$((SECONDS + ${2:-300})) line
	until line=$(grep -a -m 1 -F -- "$text" console.log 2>/dev/null) && [[ $line == *$'\r' ]]; do
		if [ $SECONDS -ge $end ]; then
			echo "machine.sh: no '$text' on the console: $PWD/console.log" >&2
			return 1
		fi
		sleep 0.1
	done
	echo "$line" | tr -d '\r'
}

# guest/lines says how lines and answers look. The port may lose bytes in both directions: whenever nothing was heard for some time,
# longer from time to time, the line is sent again. An empty line before it ends what may be left of the one before.
run() {
	local id frame from to line='' piece rc sum text patience=1 end=$((SECONDS + 600))
	[[ $1 != *$'\n'* ]] || { echo "machine.sh: more than a line" >&2 && return 2; }
	for _ in $(seq 3000); do
		[ ! -e on ] || break
		sleep 0.02
	done
	trap '' PIPE
	coproc GUEST { exec socat - UNIX-CONNECT:control.sock,retry=50,interval=0.1 2>/dev/null; }
	from=${GUEST[0]} to=${GUEST[1]}
	id=$(date +%s%N)-$$
	frame="$id $(sum_of "$id $1") $1"
	send "$frame" || return 125
	while [ $SECONDS -lt $end ]; do
		rc=0
		IFS= read -r -t $patience piece <&"$from" || rc=$?
		line+=$piece
		if [ $rc -gt 128 ]; then
			if [ -z "$piece" ]; then
				patience=$((patience < 16 ? 2 * patience : 16))
				send "$frame" || return 125
			fi
			continue
		fi
		[ $rc -eq 0 ] || return 125
		line=${line%$'\r'}
		case $line in
		'=== again') sleep 0.1 && { send "$frame" || return 125; } ;;
		"=== $id "*)
			text=${line#"=== $id "}
			sum=${text%% *} text=${text#* }
			if [ "$sum" = "$(sum_of "$id $text")" ]; then
				base64 -d <<<"${text#* }"
				return "${text%% *}"
			fi
			send "$frame" || return 125
			;;
		esac
		line=''
	done
	echo "machine.sh: no answer to: $1" >&2
	return 124
}
sum_of() { printf '%s' "$1" | sha256sum | head -c 16; }
send() { { printf '\n%s\n' "$1" >&"$to"; } 2>/dev/null; }

# Not stopped before: the state would be that of a stopped guest. It is whole only under its name. The limit on the speed of a
# migration is meant for networks.
save() {
	talk
	ask '{"execute":"migrate-set-capabilities","arguments":{"capabilities":[{"capability":"events","state":true}]}}'
	ask '{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":10000000000}}'
	ask "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat >'$1.new'\"}}"
	until_line '"completed"'
	# QEMU says so a moment before it can go on.
	for _ in $(seq 100); do
		ask '{"execute":"cont"}' 2>/dev/null && break
		sleep 0.05
	done
	mv "$1.new" "$1"
}

verb=$1
cd "$2"
shift 2
case $verb in
power) power ;;
wait) wait_console "$@" ;;
run) run "$@" ;;
save) save "$@" ;;
*) echo "machine.sh: no such verb: $verb" >&2 && exit 2 ;;
esac
