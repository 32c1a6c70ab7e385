#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# keys.sh: the maker's keys, made once: Secure Boot (PK, KEK, db), updates; and those of an attacker.
# shellcheck source=tools/vm/common.sh
. "$(dirname "$0")/common.sh"
[ ! -d "$keys" ] || exit 0

# certificate NAME SUBJECT [openssl options]: a key and a certificate of its own, or signed by -CA
certificate()
{
	name=$1
	subject=$2
	shift 2
	openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 7300 -subj "$subject" -keyout "$new/$name.key" -out "$new/$name.pem" \
		"$@" 2>/dev/null
}
new=$keys.new
rm -rf "$new"
mkdir "$new"
certificate PK "/CN=Chainhold virtual gateway PK"
certificate KEK "/CN=Chainhold virtual gateway KEK"
certificate db "/CN=Chainhold virtual gateway db"
certificate rauc-ca "/CN=Chainhold virtual gateway update CA"
certificate rauc "/CN=Chainhold virtual gateway update signer" -CA "$new/rauc-ca.pem" -CAkey "$new/rauc-ca.key" \
	-addext basicConstraints=critical,CA:FALSE
certificate attacker "/CN=Somebody else"
mv "$new" "$keys"
