# SPDX-License-Identifier: Apache-2.0
# A thin front: Meson builds, tools/ does the rest. On a fresh Debian 12, as root, each target installs what it needs first.

prefix ?= /usr/local

.PHONY: help run demo-offline build check lint fuzz cross bench e2e e2e-long install format clean

help:
	@sed -n 's/^#: //p' Makefile

#: make build    compile; leaves build/chainhold
build:
	@tools/deps.sh build
	@tools/build.sh build

#: make run      a server, a virtual gateway with a TPM, an attack and its end; then both stay up until Ctrl-C
run:
	@tools/deps.sh build vm
	@tools/build.sh build
	@tools/demo.sh

#: make demo-offline  judge a recorded good boot and two recorded attacks; no server, no network
demo-offline: build
	@tools/demo-offline.sh

#: make check    unit tests and system tests; ends with "N passed, N failed"
check:
	@tools/deps.sh build check vm
	@tools/check.sh

#: make lint     every gate: layers, sizes, banned calls, formatting, analysers, freestanding build, documents
lint:
	@tools/deps.sh build lint
	@tools/lint.sh

#: make fuzz     every fuzz target for 60 s (tools/fuzz.sh --help: planted bugs, coverage, long runs)
fuzz:
	@tools/deps.sh build fuzz
	@tools/fuzz.sh --seconds 60

#: make cross    arm64 and armhf builds, core on s390x; unit tests under qemu-user
cross:
	@tools/deps.sh build cross
	@tools/cross.sh

#: make bench    benchmarks, and the code size of core/ on a Cortex-M3
bench:
	@tools/deps.sh build bench
	@tools/bench.sh

#: make e2e      the tests that drive real components: a virtual gateway against the server, swtpm, tpm2-tools
e2e: build
	@tools/deps.sh check vm
	@tools/check.sh --e2e

#: make e2e-long what is too long for make e2e: the server killed 200 times, a gateway's power cut 50 times, every boot made anew
e2e-long: build
	@tools/deps.sh check vm
	@tools/check.sh --e2e-long

#: make install  binary, man pages, completion, schemas, documents (prefix=/usr/local, DESTDIR=)
install:
	@tools/deps.sh build
	@tools/build.sh build-install --prefix=$(prefix) -Dtests=false
	@meson install -C build-install --no-rebuild --quiet $(if $(DESTDIR),--destdir $(DESTDIR))
	@echo "installed under $(DESTDIR)$(prefix)"

#: make format   clang-format on every source
format:
	@tools/deps.sh lint
	@git ls-files '*.[ch]' | xargs clang-format -i

#: make clean    remove every build folder
clean:
	rm -rf build build-*
