#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: shellcheck is content with every script.
. "$(dirname "$0")/../lib.sh"

find tools -name '*.sh' -print0 | sort -z | xargs -0 shellcheck --format=gcc -e SC1091,SC2016,SC2034,SC2154 -x .ci/run
