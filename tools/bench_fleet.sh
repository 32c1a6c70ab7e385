#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A whole server under a simulated fleet: tools/bench_fleet.sh [--rollout | --seconds N] [DEVICES…] (1000 3000 10000).
# For each size: has reference values of every boot that the devices have, so that each event is explained, as with real devices; enrols that
# many devices, then lets them poll once a minute and attest every ten minutes over connections that they resume, and prints the
# server's CPU for it, per device and day, with the times that the devices saw. A verdict other than affirming ends it. Where the machine is too
# busy for all that was due, the share that was answered is what the CPU was for.
# --rollout: the fleet goes through a rollout of one small artefact instead, one canary in a hundred, then a quarter, then all; every device
# takes document and artefact, boots and proves it by a quote. Ends when the rollout is finished and every device has proven it.
. "$(dirname "$0")/lib.sh"

seconds=60
what=fleet
sizes=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?} && shift ;;
	--rollout) what=rollout ;;
	-*) die "usage: tools/bench_fleet.sh [--rollout | --seconds N] [DEVICES…]" ;;
	*) sizes+=("$1") ;;
	esac
	shift
done
[ ${#sizes[@]} -gt 0 ] || sizes=(1000 3000 10000)
[ "$(id -u)" -eq 0 ] || die "needs root: the server gives each of its processes a user of its own"
tools/build.sh build

work=$(mktemp -d)
server=
end() {
	[ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
	rm -rf "$work"
}
trap end EXIT
chmod 755 "$work"
log=tests/fixtures/class-unit1/binary_bios_measurements

# Clock ticks that the server's processes have used.
ticks() {
	local pid sum=0
	for pid in "$server" $(cat "/proc/$server/task/$server/children"); do
		sum=$((sum + $(awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat")))
	done
	echo "$sum"
}

# Kilobytes of memory that are theirs alone, by proportion where they share.
memory() {
	local pid
	for pid in "$server" $(cat "/proc/$server/task/$server/children"); do
		cat "/proc/$pid/smaps_rollup"
	done | awk '$1 == "Pss:" { n += $2 } END { print n }'
}

# One device of each of the twenty boots attests, and what it showed is approved for the class.
endorse() {
	local dir=$1 i first
	"${sim[@]}" --devices 20 --seconds 3600 --poll 1 --attest 1 --workers 2 --forgive >/dev/null 2>&1 &
	first=$!
	for ((i = 0; i < 20; i++)); do
		until build/chainhold-operator baseline capture --device "sim-$i" --name "boot-$i" >"$dir/boot-$i.json" 2>/dev/null; do
			sleep 0.2
		done
	done
	kill $first
	wait $first || true
	for ((i = 0; i < 20; i++)); do
		build/chainhold-operator baseline approve --class gateway --reason benchmark "$dir/boot-$i.json" >/dev/null
	done
}

field() { sed -E "s/.*\"$2\":\{[^}]*\"$3\":([0-9]+).*/\1/" <<<"$1"; }

# A server with a folder of its own, whose class has reference values of all boots.
begin() {
	local dir=$1
	build/chainhold-operator init "$dir" --name 127.0.0.1 --listen 127.0.0.1 --devices-port 28443 --operators-port 28444 --public-port 28080 >/dev/null
	echo 'limits: {enrol_rate: 0}' >>"$dir/chainholdd.yaml" # all of them come from one address
	build/chainhold-sim root "$work/maker"
	cp "$work/maker/root.pem" "$dir/ek_roots/"
	build/chainholdd "$dir/chainholdd.yaml" 2>"$dir/log" &
	server=$!
	until grep -q 'main: ready:' "$dir/log"; do
		kill -0 "$server" || die "the server did not start: $(tail -n 3 "$dir/log")"
		sleep 0.05
	done
	sim=(build/chainhold-sim run --maker "$work/maker" --ca "$dir/ca.crt" --server 127.0.0.1:28443 --log "$log")
	CHAINHOLD_CONFIG=$dir/chainhold.yaml endorse "$dir"
}

# Starts the devices; returns when all have enrolled.
enrol() {
	local dir=$1
	shift
	: >"$dir/err"
	"${sim[@]}" --life resume --workers 64 "$@" >"$dir/out" 2>"$dir/err" &
	fleet=$!
	until grep -q '^enrolled' "$dir/err"; do
		kill -0 "$fleet" 2>/dev/null || die "the fleet ended: $(tail -n 3 "$dir/err" "$dir/log")"
		sleep 0.1
	done
}

finish() {
	kill "$server"
	wait "$server" || true
	server=
}

run_fleet() {
	local devices=$1 dir=$work/$1 before after out hz enrol_ticks
	begin "$dir"
	hz=$(getconf CLK_TCK)
	before=$(ticks)
	enrol "$dir" --devices "$devices" --seconds "$seconds" --poll 60 --attest 600 --acknowledged "$dir/acknowledged"
	enrol_ticks=$(($(ticks) - before))
	before=$(ticks)
	wait "$fleet" || die "$(tail -n 3 "$dir/err" "$dir/log")"
	[ -s "$dir/acknowledged" ] || die "no device attested: longer, please (--seconds)"
	! grep -v ' affirming$' "$dir/acknowledged" | head -n 3 | grep . || die "these verdicts are not affirming: $dir"
	after=$(ticks)
	out=$(cat "$dir/out")
	awk -v n="$devices" -v hz="$hz" -v e="$enrol_ticks" -v t=$((after - before)) -v s="$seconds" -v m="$(memory)" \
		-v pp="$(field "$out" poll p99_us)" -v pa="$(field "$out" attest p99_us)" -v ne="$(field "$out" enrol answered)" \
		-v np="$(field "$out" poll answered)" 'BEGIN {
		share = np / (n * s / 60)
		printf "%8d %14.2f %11.0f %18.2f %14.1f %12.1f %13.1f %8.1f\n", n, e * 1000 / hz / ne, share * 100,
			t / hz * 86400 / s / n / share, t * 100 / hz / s, pp / 1000, pa / 1000, m / 1024 }'
	finish
}

# --- a rollout ---

operate() { CHAINHOLD_CONFIG=$1/chainhold.yaml build/chainhold "${@:2}" >/dev/null; }

# The first fleet root, and a release whose boot shows one event more than all boots before; its digest.
release() {
	local dir=$1 digest
	digest=$(printf 'simulated release' | sha256sum | cut -c 1-64)
	for key in root firmware; do
		openssl genpkey -algorithm ed25519 -out "$dir/$key.key" 2>/dev/null
		openssl pkey -in "$dir/$key.key" -pubout -out "$dir/$key.pub"
	done
	build/chainhold fleet-root create --key "$dir/root.pub" --anchor "$dir/ca.crt" --server 127.0.0.1:28443 --log "$dir/log.vkey" \
		--ear "$dir/ear.pub" --release "firmware:1:$dir/firmware.pub" --out "$dir/root.1" >/dev/null
	build/chainhold fleet-root sign --key "$dir/root.key" "$dir/root.1" >/dev/null
	operate "$dir" fleet-root publish --reason benchmark "$dir/root.1"
	printf '{"format":"chainhold-reference/1","kind":"release","name":"gateway-os 2","pcrs":[12],"events":[{"pcr":12,"type":13,"required":true,"digests":{"sha256":"%s"}}]}' \
		"$digest" >"$dir/reference"
	head -c 65536 /dev/urandom >"$dir/artefact"
	build/chainhold release create --name gateway-os --version 2 --sequence 2 --class gateway --role firmware \
		--reference "$dir/reference" "file:$dir/artefact" >"$dir/release"
	build/chainhold release sign --key "$dir/firmware.key" "$dir/release" >/dev/null
	operate "$dir" release publish --reason benchmark "$dir/release"
	operate "$dir" release upload "$dir/artefact"
}

# How many deployments are proven, and the rollout's state.
proven() { CHAINHOLD_CONFIG=$1/chainhold.yaml build/chainhold rollout show --json bench | tr -d ' \n' | sed -E 's/.*"state":"([a-z]+)".*"deployments":\{[^}]*"proven":([0-9]+).*"stages".*/\2 \1/'; }

run_rollout() {
	local devices=$1 dir=$work/$1 from to before after hz count state
	begin "$dir"
	release "$dir"
	hz=$(getconf CLK_TCK)
	enrol "$dir" --devices "$devices" --seconds 86400 --poll 10 --attest 120 --update --acknowledged "$dir/acknowledged"
	# Those that only showed their boots are not affirming: the filter leaves them out.
	until [ "$(cut -d ' ' -f 1 "$dir/acknowledged" | sort -u | wc -l)" -eq "$devices" ]; do
		kill -0 "$fleet" 2>/dev/null || die "the fleet ended: $(tail -n 3 "$dir/err" "$dir/log")"
		sleep 1
	done
	cat >"$dir/rollout.yaml" <<-END
		{type: chainhold-rollout/v1, name: bench, release: $(sha256sum "$dir/release" | cut -c 1-64), filter: {class: gateway, tier: affirming},
		 phases: [{percent: 1}, {percent: 25}, {percent: 100}], halt: {failures: {count: 1}, proof_minutes: 60},
		 advance: {proven: 100}, spread: 6000}
	END
	before=$(ticks) from=$(date +%s%N)
	operate "$dir" rollout create --reason benchmark "$dir/rollout.yaml"
	for (( ; ; )); do
		read -r count state <<<"$(proven "$dir")"
		[ "$state" != halted ] || die "halted: $(CHAINHOLD_CONFIG=$dir/chainhold.yaml build/chainhold rollout show bench)"
		[ "$state" != finished ] || break
		kill -0 "$fleet" 2>/dev/null || die "the fleet ended: $(tail -n 3 "$dir/err" "$dir/log")"
		sleep 1
	done
	to=$(date +%s%N) after=$(ticks)
	kill "$fleet"
	wait "$fleet" || die "$(tail -n 3 "$dir/err" "$dir/log")"
	awk -v n="$devices" -v c="$count" -v s=$(((to - from) / 1000000)) -v hz="$hz" -v t=$((after - before)) -v m="$(memory)" \
		-v pu="$(field "$(cat "$dir/out")" update p99_us)" -v u="$(field "$(cat "$dir/out")" update answered)" 'BEGIN {
		printf "%8d %8d %8d %10.1f %18.2f %14.1f %14.1f %8.1f\n", n, u, c, s / 1000, t * 1000 / hz / n, t * 100000 / hz / s, pu / 1000, m / 1024 }'
	finish
}

if [ "$what" = rollout ]; then
	step "a rollout of an artefact of 64 KiB in three phases; devices poll every ten seconds on resumed connections"
	echo " devices  updated   proven    seconds  CPU ms per device  CPU % of one  update p99 ms  PSS MiB"
	for n in "${sizes[@]}"; do
		run_rollout "$n"
	done
	exit
fi
step "a fleet over TLS 1.3, polling once a minute and attesting every ten minutes on resumed connections ($seconds s each)"
echo " devices   enrol CPU ms  answered %  CPU s/device/day   CPU % of one  poll p99 ms attest p99 ms  PSS MiB"
for n in "${sizes[@]}"; do
	run_fleet "$n"
done
