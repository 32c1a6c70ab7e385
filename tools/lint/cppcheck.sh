#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: cppcheck, warning and portability, over core, host and cli. uninitvar is off: it takes handing over the address of an
# array for a read; both compilers and clang's analyser look for the real thing.
. "$(dirname "$0")/../lib.sh"

mkdir -p build/cppcheck
cppcheck -q -j "$JOBS" --cppcheck-build-dir=build/cppcheck --std=c11 --enable=warning,portability --suppress=uninitvar --suppress=missingIncludeSystem -I . \
	-D__GNUC__=12 -DCH_VERSION='""' --error-exitcode=1 --template='{file}:{line}: {message} ({id})' --suppress=syntaxError:server/ipc/messages.c core host cli server agent sim
