#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A whole server under a simulated fleet: tools/bench_fleet.sh [--seconds N] [DEVICES…] (1000 3000 10000).
# For each size: has reference values of every boot that the devices have, so that each event is explained, as with real devices; enrols that
# many devices, then lets them poll once a minute and attest every ten minutes over connections that they resume, and prints the
# server's CPU for it, per device and day, with the times that the devices saw. A verdict other than affirming ends it. Where the machine is too
# busy for all that was due, the share that was answered is what the CPU was for.
. "$(dirname "$0")/lib.sh"

seconds=60
sizes=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?} && shift ;;
	-*) die "usage: tools/bench_fleet.sh [--seconds N] [DEVICES…]" ;;
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

run() {
	local devices=$1 dir=$work/$1 before after out hz enrol_ticks
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
	hz=$(getconf CLK_TCK)
	before=$(ticks)
	"${sim[@]}" --devices "$devices" --seconds "$seconds" --poll 60 --attest 600 --life resume --workers 64 \
		--acknowledged "$dir/acknowledged" >"$dir/out" 2>"$dir/err" &
	local fleet=$!
	until grep -q '^enrolled' "$dir/err"; do
		kill -0 "$fleet" 2>/dev/null || die "the fleet ended: $(tail -n 3 "$dir/err")"
		sleep 0.1
	done
	enrol_ticks=$(($(ticks) - before))
	before=$(ticks)
	wait "$fleet" || die "$(tail -n 3 "$dir/err")"
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
	kill "$server"
	wait "$server" || true
	server=
}

step "a fleet over TLS 1.3, polling once a minute and attesting every ten minutes on resumed connections ($seconds s each)"
echo " devices   enrol CPU ms  answered %  CPU s/device/day   CPU % of one  poll p99 ms attest p99 ms  PSS MiB"
for n in "${sizes[@]}"; do
	run "$n"
done
