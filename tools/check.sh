#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and tests. tools/check.sh [--e2e | --e2e-long | --cuts N]: with --e2e only the tests that drive real components; with --e2e-long
# what of them is too long for that; with --cuts the power of a virtual gateway is cut N times while it updates.
# Ends with "N passed, N failed[, N skipped]" over all tests; fails if any failed, or if none ran.
. "$(dirname "$0")/lib.sh"

PYTHON=/usr/bin/python3
export CHAINHOLD_BIN="$ROOT/build/chainhold"
E2E=(tests/system/test_e2e_*.py tests/system/test_live_*.py)

passed=0 failed=0 skipped=0
add() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

unit() {
	step "unit tests (cmocka): every parser and judge, one small function per behaviour"
	local rc=0 counts
	rm -f build/meson-logs/testlog.junit.xml
	meson test -C build --no-rebuild --print-errorlogs || rc=$?
	counts=$(tools/junit.sh cmocka build/meson-logs/testlog.junit.xml "$rc")
	echo "   unit: $(tools/junit.sh words "$counts")"
	# shellcheck disable=SC2086
	add $counts
}

system() {
	local rc=0 counts
	if ! compgen -G 'tests/system/test_*.py' >/dev/null; then
		echo "   no system tests"
		return
	fi
	rm -f build/pytest.xml
	$PYTHON -m pytest -q -rfEs --tb=short -p no:cacheprovider --junitxml=build/pytest.xml "$@" </dev/null || rc=$?
	counts=$(tools/junit.sh pytest build/pytest.xml "$rc")
	echo "   system: $(tools/junit.sh words "$counts")"
	# shellcheck disable=SC2086
	add $counts
}

step "building"
tools/build.sh build
if [ "${1:-}" = --e2e-long ]; then
	step "end to end, the long way: 200 crashes of the server, 50 cuts of a gateway's power, no boot taken up from a saved state"
	export CHAINHOLD_E2E=1 CHAINHOLD_VM_COLD=1 CHAINHOLD_CRASHES=200 CHAINHOLD_CUTS=50
	system tests/system/test_crash.py tests/system/test_shortage.py tests/system/test_e2e_gateway.py tests/system/test_e2e_powercut.py
elif [ "${1:-}" = --cuts ]; then
	step "the power of a virtual gateway is cut ${2:?how often?} times while it updates"
	export CHAINHOLD_CUTS=$2
	system tests/system/test_e2e_powercut.py
elif [ "${1:-}" = --e2e ]; then
	step "end to end: real components against build/chainhold"
	export CHAINHOLD_E2E=1
	[ -f "${E2E[0]}" ] || die "no test that drives a real component"
	system "${E2E[@]}"
else
	unit
	step "system tests (pytest): the command as a person runs it, recorded boots, public vectors where they are, a live software TPM"
	system tests/system
fi
echo
if [ $((passed + failed)) -eq 0 ]; then
	echo "no test ran" >&2
	failed=1
fi
tally "$passed" "$failed" "$skipped"
closing "$passed" "$failed" "$skipped"
