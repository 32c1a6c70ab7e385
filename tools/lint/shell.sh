#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: shellcheck is content with every script.
. "$(dirname "$0")/../lib.sh"

shellcheck --format=gcc -e SC1091,SC2016 -x tools/*.sh tools/lint/*.sh tools/vm/*.sh tools/vm/guest/{capture,control,init} .ci/run
