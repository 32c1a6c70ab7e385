#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The story of a gateway, with real parts: server, agent, TPM, firmware, kernel. It enrols, proves its boot, is trusted, is tampered
# with, is caught and cut off, and mends itself. Then everything stays up until Ctrl-C; with --once, or when standard input is no
# terminal, it ends by itself. The first time the guest really boots; later it is taken up from the saved states of those boots.
. "$(dirname "$0")/lib.sh"

once=''
[ -t 0 ] || once=1
case "${1:-}" in
--once) once=1 ;;
'') ;;
*) die "usage: tools/demo.sh [--once]" ;;
esac
[ "$(id -u)" -eq 0 ] || die "the server gives each of its processes a user of its own: run this as root"
for program in chainholdd chainhold-agent chainhold-operator; do
	[ -x build/$program ] || die "build/$program is missing: make build"
done

run=$(mktemp -d /tmp/chainhold-run.XXXXXX)
chmod 711 "$run"
server=$run/server
gateway=$run/gateway
work=${CHAINHOLD_VM_WORK:-$ROOT/build/vm}
export CHAINHOLD_CONFIG=$server/chainhold.yaml
server_pid='' gateway_pid=''

# stop PID: an orderly end, waited for
stop() {
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}
finish() {
	local rc=$?
	trap '' INT TERM
	stop "$gateway_pid"
	stop "$server_pid"
	if [ $rc -ne 0 ] && [ $rc -lt 128 ]; then
		echo "what was running when it went wrong is in $run (server.log, power.log, gateway/console.log)" >&2
	else
		rm -rf "$run"
	fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Times in tenths of a second.
now() { echo $(($(date +%s%N) / 100000000)); }
tenths() { echo "$(($1 / 10)).$(($1 % 10)) s"; }
begin=$(now)
since=$begin
chapter() {
	printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[01]m//g'; fi
	since=$(now)
}
say() { printf '%s\n' "$*" | fold -s -w 110; }
took() {
	local at
	at=$(now)
	printf '  %-76s %8s  (%s since the start)\n' "$1" "$(tenths $((at - since)))" "$(tenths $((at - begin)))"
	since=$at
}

# show COMMAND…: what a person types, and what it prints; `explain` ends with 1 for a device that is not trusted
show() {
	printf '  $ %s\n' "$*"
	{ "build/$1" "${@:2}" || [ $? -eq 1 ]; } 2>&1 | sed 's/^/  | /'
}

# wait_until WHAT COMMAND…: until the command succeeds
wait_until() {
	local what=$1 end=$((SECONDS + 300))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || die "$what: not after five minutes"
		kill -0 "$server_pid" 2>/dev/null || { tail -n 20 "$run/server.log" >&2 && die "the server ended"; }
		sleep 0.1
	done
}
open_port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# A free port, from the one given on.
port() {
	local p=$1
	while open_port "$p"; do p=$((p + 10)); done
	echo "$p"
}
# What the agent says on the gateway's console: asking the server again and again would use up an operator's budget.
says() { grep -aqF "$1" "$gateway/console.log" 2>/dev/null; }
guest() { tools/vm/machine.sh run "$gateway" "$*"; }

start_server() {
	devices=$(port 8443) operators=$(port 8444) public=$(port 8080)
	build/chainhold init "$server" --name 127.0.0.1 --name 10.0.2.2 --listen 127.0.0.1 --devices-port "$devices" \
		--operators-port "$operators" --public-port "$public" >"$run/init.log"
	cp "$work"/ca/swtpm-localca-rootca-cert.pem "$work"/ca/issuercert.pem "$server/ek_roots/"
	build/chainholdd "$server/chainholdd.yaml" </dev/null >"$run/server.log" 2>&1 &
	server_pid=$!
	wait_until "server" open_port "$devices"
}

# A gateway as it leaves the factory, and on its data disk what it needs to know of the server.
make_gateway() {
	mkdir -p "$run/files/agent"
	cp "$server/ca.crt" "$run/files/server-ca.pem"
	cat >"$run/files/chainhold-agent.yaml" <<-END
		server: 10.0.2.2:$devices
		server_ca: /data/server-ca.pem
		state_dir: /data/agent
		status_file: /run/agent-status.json
		tpm: device:/dev/tpmrm0
		class: gateway
		interval: 10m
		users: {tpm: 64501, net: 64502, collect: 64503}
	END
	tools/vm/gateway.sh new "$gateway" 1 "$run/files"
}

# power_on VARIANT: until the guest stands booted; says whether it really booted
power_on() {
	local how seconds rest
	rm -f "$gateway/gate"
	tools/vm/gateway.sh power "$gateway" "$1" >>"$run/power.log" 2>&1 &
	gateway_pid=$!
	wait_until "the gateway's boot" at_gate
	read -r how seconds rest <"$gateway/gate"
	if [ "$how" = booted ]; then
		took "firmware, Secure Boot, kernel: booted, $rest"
	else
		took "taken up from the saved state of this same boot, $rest"
	fi
	guest start
}
at_gate() {
	[ -e "$gateway/gate" ] && return
	kill -0 "$gateway_pid" 2>/dev/null || { tail -n 20 "$run/power.log" >&2 && die "the gateway did not start"; }
	return 1
}
power_off() {
	guest 'sync; umount /data; poweroff -f' >/dev/null || true
	wait "$gateway_pid" || true
	gateway_pid=''
}
story() {
	chapter "1. A server"
	say "Six processes, each with a user and a sandbox of its own, on an embedded store. It trusts the maker of the gateway's TPM."
	[ -d "$work/unit1" ] || tools/vm/gateway.sh new "$gateway" 1 tools/vm/guest # makes the maker's CA
	start_server
	took "chainhold init, chainholdd"

	chapter "2. A gateway is switched on for the first time"
	say "QEMU, OVMF with the maker's own Secure Boot keys, a TPM with an EK certificate, a signed kernel image in each of two slots."
	make_gateway
	power_on good
	wait_until "enrolment" says "enrolled: device "
	device=$(sed -n 's/.*enrolled: device \([0-9a-f]*\).*/\1/p' "$gateway/console.log" | head -n 1)
	took "enrolled: the TPM has proven that it holds the keys (credential activation)"
	wait_until "attestation" says "judged: chain "
	took "attested: quote, event log and IMA list are with the server"
	show chainhold device show "$device"

	chapter "3. An operator declares this boot to be the good one"
	build/chainhold baseline capture --device "$device" >"$run/good.json"
	show chainhold baseline approve --class gateway "$run/good.json" --reason "first boot, seen at the bench"
	guest 'kill -USR1 $(pidof chainhold-agent)'
	wait_until "trust" says "device trusted"
	took "attested again: every event is explained"
	show chainhold device show "$device"
	power_off

	chapter "4. Somebody who has got hold of the maker's key changes the kernel command line in slot A"
	say "The image is signed, Secure Boot is on and content. The TPM is not asked for an opinion, but for what was started."
	power_on cmdline
	wait_until "quarantine" says "device quarantined"
	took "attested: quarantined, its sessions cut, its certificate good for mending only"
	show chainhold device explain "$device"
	show chainhold device show "$device"

	chapter "5. The gateway mends itself"
	say "Its agent has learnt that it is quarantined; the gateway makes its other slot the first and starts again. Nobody is there."
	wait "$gateway_pid" || true
	gateway_pid=''
	took "the gateway has gone down"
	power_on cmdline
	wait_until "release" says "certificate renewed with a new key"
	took "attested from slot B, new certificate, released"
	show chainhold device show "$device"

	chapter "6. What happened is in a log that cannot be rewritten"
	show chainhold log verify --key "$server/log.vkey" --state "$run/log.checkpoint" "http://127.0.0.1:$public"
	took "verified"
}

story
chapter "All of it took $(tenths $(($(now) - begin))); the server and the gateway are up."
cat <<END
  operators' API  https://127.0.0.1:$operators/api/v1/devices   (client certificate: operators/ in $server)
  log             http://127.0.0.1:$public/log/checkpoint
  try             export CHAINHOLD_CONFIG=$CHAINHOLD_CONFIG
                  build/chainhold status
                  build/chainhold device list
                  build/chainhold device explain $device
                  build/chainhold device quarantine $device --reason 'to see what happens'
                  tools/vm/machine.sh run $gateway 'dmesg | tail'
END
[ -z "$once" ] || exit 0
say "Ctrl-C ends both and removes $run."
wait "$server_pid"
