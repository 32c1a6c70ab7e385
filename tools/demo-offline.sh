#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A short story, without a server, told by build/chainhold over recorded boots (tests/fixtures): one good boot, two attacks.
# Every command is shown, its exit code is checked: 0 holds, 1 does not hold.
. "$(dirname "$0")/lib.sh"

BIN=build/chainhold
F=tests/fixtures
[ -x $BIN ] || die "$BIN is missing: make build"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0

say() { printf '\n%s\n' "$*" | fold -s -w 100; }

# show EXPECTED LINES ARGUMENT…: runs chainhold, prints at most LINES lines and whether it ended as it must.
show() {
	local expected=$1 lines=$2 rc=0 text
	shift 2
	printf '\n  $ chainhold'
	printf ' %s' "$@" | sed "s|$work/||g; s|$F/||g; s|\([0-9a-f]\{8\}\)[0-9a-f]\{48,\}|\1…|"
	printf '\n'
	$BIN "$@" >"$work/out" 2>&1 || rc=$?
	head -n "$lines" "$work/out" | sed 's/^/  | /'
	text=$(wc -l <"$work/out")
	[ "$text" -le "$lines" ] || printf '  | … %d lines more\n' $((text - lines))
	if [ $rc -eq "$expected" ]; then
		printf '  exit %d, as it must be\n' $rc
	else
		printf '  exit %d, expected %d\n' $rc "$expected"
		wrong=$((wrong + 1))
	fi
}

# What a device sends: its quote, the key that signed it, the logs that explain the quote, the nonce it was asked for.
evidence() {
	local d=$F/$1
	echo --msg "$d/quote-ecc.msg" --sig "$d/quote-ecc.sig" --pub "$d/ak-ecc.tpm2b_public" \
		--eventlog "$d/binary_bios_measurements" --ima "$d/ima.binary" --nonce "$(tr -d ' \n' <"$d/nonce.hex")"
}
# Reference values from a good boot of the class. (capture judges no freshness: no nonce.)
capture() {
	local args
	args=$(evidence "$1")
	# shellcheck disable=SC2086
	$BIN reference capture --name "$1" ${args% --nonce *} >"$work/$1.json"
	printf '\n  $ chainhold reference capture --name %s --msg … --sig … --pub … --eventlog … --ima … > %s.json\n' "$1" "$1"
}

say "The files named below lie in $F; its README says how they were recorded."
say "1. A gateway with its maker's own Secure Boot keys was started in QEMU with a software TPM and recorded. This is what its firmware says that it did: a log that anybody could have written."
show 0 24 inspect eventlog $F/sbon-good/binary_bios_measurements

say "2. The TPM signed its registers over a nonce of ours. Replaying the log must give exactly these registers: then the log is what happened."
# shellcheck disable=SC2046
show 0 24 inspect quote $(evidence sbon-good)

say "3. From that boot we take reference values. The same boot is then judged: every single event must be explained."
if capture sbon-good; then
	# shellcheck disable=SC2046
	show 0 30 appraise --reference "$work/sbon-good.json" $(evidence sbon-good)
else
	wrong=$((wrong + 1))
fi

say "4. Attack: somebody added a key of his own to the device's db and started a system that he signed. Secure Boot is on, the quote is genuine, the log replays. Only the facts are wrong."
# shellcheck disable=SC2046
show 0 12 inspect quote $(evidence sbon-attackerkey-tampered)
# shellcheck disable=SC2046
[ ! -s "$work/sbon-good.json" ] || show 1 30 appraise --reference "$work/sbon-good.json" $(evidence sbon-attackerkey-tampered)

say "5. Attack: a device without Secure Boot, its kernel command line changed inside the boot image."
if capture sboff-good; then
	# shellcheck disable=SC2046
	show 1 30 appraise --reference "$work/sboff-good.json" $(evidence sboff-tampered-cmdline)
else
	wrong=$((wrong + 1))
fi

echo
if [ $wrong -gt 0 ]; then
	echo "$wrong of these did not end as they must." >&2
	exit 1
fi
echo "All ended as they must. Next: chainhold inspect --help, docs/architecture.md, make check."
