#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bundle.sh OUT UKI VERSION [SIGNER]: a RAUC bundle (verity) whose one image is a slot with this UKI; signed by the key `rauc`, or by the one named.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
content=$(mktemp -d)
trap 'rm -rf "$content"' EXIT
fat_image "$content/slot.img" cccc0003 "$2"
cat >"$content/manifest.raucm" <<END
[update]
compatible=chainhold-virtual-gateway
version=$3

[bundle]
format=verity

[image.boot]
filename=slot.img
END
rm -f "$1"
rauc bundle --cert="$keys/${4:-rauc}.pem" --key="$keys/${4:-rauc}.key" "$content" "$1"
