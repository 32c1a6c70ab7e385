#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every benchmark of bench/ (tools/bench.sh [PATTERN]: those whose name contains it), then prints the code
# size of core/ on a Cortex-M3. Ratios within one run are firm; absolute times are this machine's at this moment.
. "$(dirname "$0")/lib.sh"

step "machine: $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $JOBS cores; $(openssl version 2>/dev/null || echo 'openssl not in PATH')"
if [ -f bench/meson.build ]; then
	tools/build.sh build-bench -Dbench=true -Dtests=false
	found=0
	for b in build-bench/bench/*; do
		if [ ! -f "$b" ] || [ ! -x "$b" ] || [[ ${b##*/} != *"${1:-}"* ]]; then
			continue
		fi
		found=1
		step "${b##*/}"
		"$b"
	done
	[ $found -eq 1 ] || echo "no benchmark is named *${1:-}*"
else
	echo "no benchmarks yet"
fi
if [[ agent == *"${1:-}"* ]] && [ "$(id -u)" -eq 0 ]; then
	step "agent: memory, CPU, bytes on the wire (real server, live TPM)"
	tools/build.sh build
	/usr/bin/python3 tests/system/bench_agent.py
fi
if [[ est == *"${1:-}"* ]] && [ "$(id -u)" -eq 0 ]; then
	step "enrolments by EST against the cryptography in them (real server)"
	tools/build.sh build
	/usr/bin/python3 tests/system/bench_est.py
fi
if [[ artifacts == *"${1:-}"* ]] && [ "$(id -u)" -eq 0 ]; then
	step "artefacts given to devices against nginx, memory with 500 downloads (real server)"
	tools/build.sh build
	/usr/bin/python3 tests/system/bench_artifacts.py
fi
if [[ fleet == *"${1:-}"* ]] && [ "$(id -u)" -eq 0 ]; then
	tools/bench_fleet.sh
fi
step "code size"
tools/freestanding.sh
tools/size.sh
