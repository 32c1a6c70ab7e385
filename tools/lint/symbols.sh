#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: what the binaries import is what they can do. chainhold verifies and never signs; core imports nothing of a system.
. "$(dirname "$0")/../lib.sh"

bad=0
# forbid BINARY PATTERN WHY
forbid() {
	local hits
	hits=$(nm -D --undefined-only "$1" | awk '{ print $2 }' | sed 's/@.*//' | grep -E "^($2)\$" || true)
	[ -n "$hits" ] || return 0
	bad=1
	printf '%s\n' "$hits" | sed "s|^|$1: imports |; s|\$|: $3|"
}
forbid build/chainhold 'EVP_DigestSign.*|EVP_Sign.*|EVP_PKEY_sign.*|EVP_PKEY_(de|en)crypt.*|EVP_PKEY_derive.*|EVP_PKEY_(key|param)gen.*|EVP_PKEY_Q_keygen|RSA_(sign|private).*|ECDSA_(do_)?sign.*|CMS_sign.*|X509.*_sign.*|PEM_read.*PrivateKey.*|d2i_.*PrivateKey.*' \
	'this program handles public keys only'
forbid build/chainhold 'socket|connect|bind|listen|accept4?|getaddrinfo|SSL_.*' 'this program has no network'
# execv alone: before anything is read it may become chainhold-operator (docs/decisions/0010-operator-commands-are-another-program.md).
forbid build/chainhold 'system|popen|posix_spawnp?|exec(l.*|ve|vp.*)|fexecve|fork|vfork|dlopen' 'this program starts no other'

# The agent: keys are where no network is, the network where no key is, and what reads files of the system has neither.
keys='Esys_.*|EVP_PKEY_sign.*|EVP_PKEY_Q_keygen|EVP_EC_gen|d2i_.*PrivateKey|i2d_PrivateKey'
network='socket|connect|bind|listen|accept4?|getaddrinfo|SSL_.*'
forbid build/chainhold-agent "$keys|SSL_.*|EVP_.*|connect|bind|listen|accept4?|getaddrinfo" 'main sees neither the network nor a key'
forbid build/chainhold-agent-collect "$keys|$network" 'collect has neither the network nor a key'
forbid build/chainhold-agent-apply "$keys|$network|system|popen|posix_spawnp?|exec[vl].*|fexecve|fork|vfork" 'apply judges and asks RAUC: no network, no key, no program of its own'
forbid build/chainhold-agent-tpm 'bind|listen|accept4?|getaddrinfo|SSL_.*' 'tpm has no network'
forbid build/chainhold-agent-net "Esys_.*|EVP_PKEY_Q_keygen|EVP_EC_gen|i2d_PrivateKey|bind|listen|accept4?" 'net has no key and serves nobody'

# The server: one process signs and makes no key; what the network meets signs nothing, and what signs meets no network.
signing='EVP_DigestSign.*|EVP_Sign.*|EVP_PKEY_sign.*|EVP_PKEY_Q_keygen|EVP_EC_gen|d2i_.*PrivateKey.*|d2i_PKCS8.*|i2d_P(KCS8|rivateKey).*|CMS_sign.*|X509.*_sign.*'
starting='system|popen|posix_spawnp?|exec[vl].*|fexecve|fork|vfork|dlopen'
forbid build/chainholdd "$signing|SSL_.*|connect|accept4?|sqlite3_.*" 'main starts the others and sees no byte from the network'
forbid build/chainhold-edge "$signing|$starting|socket|connect|bind|listen|getaddrinfo|sqlite3_.*" 'the edge holds no key that signs, no store, and calls nobody'
forbid build/chainhold-verify "$signing|$starting|$network|sqlite3_.*" 'verify gets bytes and gives a verdict'
forbid build/chainhold-keeper "$signing|$starting|$network" 'the keeper has the store and neither key nor network'
forbid build/chainhold-reader "$signing|$starting|$network" 'the reader has the store and neither key nor network'
forbid build/chainhold-signer "$starting|$network|sqlite3_.*|EVP_PKEY_Q_keygen|EVP_EC_gen|i2d_P(KCS8|rivateKey).*" 'the signer uses its keys, makes none and gives none out'

forbid build/chainhold-token "$signing|socket|connect|bind|listen|getaddrinfo|SSL_.*|sqlite3_.*|system|popen|posix_spawnp?|exec[vl].*|fexecve|fork|vfork" 'a token loads its module and holds nothing else'

# What the network meets takes connections: no way out, no file (open is there for landlock, before seccomp forbids it), no
# signature but its TLS handshakes, which libssl makes.
forbid build/chainhold-edge "f(re)?open(64)?|creat|mkdir|unlink(at)?|rename(at)?|socket|connect|bind|listen|getaddrinfo|system|popen|posix_spawnp?|exec(l.*|v.*)|fexecve|fork|vfork|dlopen|sqlite3_.*|$keys|EVP_DigestSign.*|X509.*_sign.*|ECDSA_.*sign.*" \
	'the edge accepts and forwards, and nothing else'

own='ch_[a-z0-9_]*'
libc='mem(set|cpy|move|cmp|chr)|str(len|cmp|ncmp|chr)|__stack_chk_fail|__(memset|memcpy|memmove)_chk|_GLOBAL_OFFSET_TABLE_'
if [ ! -f build/core/libchainhold-core.a ]; then
	echo "build/core/libchainhold-core.a is missing: make build"
	bad=1
else
	hits=$(nm --undefined-only build/core/libchainhold-core.a | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u | grep -vE "^($own|$libc)\$" || true)
	if [ -n "$hits" ]; then
		bad=1
		printf '%s\n' "$hits" | sed 's/^/core imports /; s/$/: core is pure (no system, no library)/'
	fi
fi
exit $bad
