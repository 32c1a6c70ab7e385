#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tpm.sh STATE-FOLDER NAME: a new software TPM with a SHA-256 bank and EK and platform certificates of the working folder's own CA.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
ca=$work/ca
mkdir -p "$ca"
cat >"$ca/localca.conf" <<END
statedir = $ca
signingkey = $ca/signkey.pem
issuercert = $ca/issuercert.pem
certserial = $ca/certserial
END
printf -- '--platform-manufacturer Chainhold\n--platform-version 1.0\n--platform-model virtual-gateway\n' >"$ca/localca.options"
cat >"$ca/setup.conf" <<END
create_certs_tool = /usr/bin/swtpm_localca
create_certs_tool_config = $ca/localca.conf
create_certs_tool_options = $ca/localca.options
END
rm -rf "$1"
mkdir -p "$1"
swtpm_setup --tpm2 --tpmstate "$1" --vmid "$2" --create-ek-cert --create-platform-cert --lock-nvram --pcr-banks sha256 \
	--config "$ca/setup.conf" >"$1.log" 2>&1
