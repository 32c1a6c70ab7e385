# SPDX-License-Identifier: Apache-2.0
"""chainhold-signer as it runs: under its sandbox, with chainholdd, keeper and reader played, judged by others' code."""

import base64
import datetime
import json
import os
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwcrypto import jwk, jws

import ipc
from tlog_server import leaf_hash, root_of

UID = 64601
FILES = {"key_ca": "ca.key", "key_log": "log.key", "key_ear": "ear.key", "ca_certificate": "ca.crt"}
CONFIG = "".join(f"{key} {name}\n" for key, name in FILES.items()) + "origin log.test/signer\nserver_name server.test\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the signer gives up root: start the tests as root")


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], capture_output=True, timeout=60, check=False)


@pytest.fixture(name="root")
def fixture_root(tmp_path):
    """The signer's folder, its CA made by the openssl command."""
    root = tmp_path / "signer"
    root.mkdir()
    (root / "ca.key").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    (root / "log.key").write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    (root / "ear.key").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    made = openssl("req", "-x509", "-new", "-key", root / "ca.key", "-sha256", "-days", "3650", "-out", root / "ca.crt",
                   "-subj", "/O=Tests/CN=Issuing CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    assert made.returncode == 0, made.stderr
    for path in [root, *root.iterdir()]:
        os.chown(path, UID, UID)
        os.chmod(path, 0o700 if path.is_dir() else 0o600)
    return root


class Signer:
    def __init__(self, root):
        self.child = ipc.Child("signer", [("keeper", 0), ("reader", 0)], CONFIG.encode(), subprocess.PIPE, str(root).encode(), UID)

    def ask(self, who, name, values, answer):
        channel = self.child.peer[who, 0]
        channel.send(name, values, 7)
        ident, said = channel.expect(answer)
        assert ident == 7
        return said

    def issue(self, **changed):
        """A request as the keeper makes it, with what is changed."""
        request = {"profile": 1, "subject": bytes(range(16)), "serial": b"\x80" + bytes(14) + b"\x01", "now": int(time.time()),
                   "lifetime": 86400, **changed}
        return self.ask("keeper", "ISSUE", request, "ISSUED")

    def leaves(self, first, hashes):
        return self.ask("keeper", "LEAVES", {"first": first, "hashes": b"".join(hashes)}, "CHECKPOINT")

    def keys(self):
        said = self.ask("reader", "KEYS_ASK", {}, "KEYS")
        return json.loads(said["jwks"]), said["log_key"].decode()

    def end(self):
        """Waits for it to end by itself: (exit status, what it wrote)."""
        err = self.child.process.communicate(timeout=30)[1].decode("utf-8", "replace")
        return self.child.process.returncode, err


@pytest.fixture(name="signer")
def fixture_signer(root):
    one = Signer(root)
    yield one
    if one.child.process.poll() is None:
        assert one.child.stop() == 0


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_certificates_verify_with_openssl(signer, root, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    said = signer.issue(spki=spki_of(key))
    assert (said["status"], said["rule"]) == (0, b"")
    der = said["certificate"]
    path = tmp_path / "device.crt"
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
    verified = openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root / "ca.crt", path)
    assert verified.returncode == 0, verified.stderr + verified.stdout
    assert openssl("verify", "-purpose", "sslserver", "-CAfile", root / "ca.crt", path).returncode != 0
    cert = x509.load_der_x509_certificate(der)
    ca = x509.load_pem_x509_certificate((root / "ca.crt").read_bytes())
    assert cert.serial_number == int.from_bytes(b"\x80" + bytes(14) + b"\x01", "big")
    assert cert.issuer == ca.subject
    assert cert.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp() == said["not_after"]
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca is False
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:chainhold:device:{bytes(range(16)).hex()}"]
    ski = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == ski
    # Re-encoded by another library it is the same bytes.
    assert cert.public_bytes(serialization.Encoding.DER) == der


def test_requests_outside_of_the_profiles_are_refused(signer):
    spki = spki_of(ec.generate_private_key(ec.SECP256R1()))
    now = int(time.time())
    for changed in ({"profile": 0}, {"profile": 3}, {"spki": spki[:-1]}, {"spki": spki + b"\0"}, {"spki": b""},
                    {"serial": bytes(16)}, {"lifetime": 401 * 86400}, {"lifetime": 0}, {"now": now + 4000}, {"now": now - 4000},
                    {"subject": bytes(16)}, {"spki": spki_of(ed25519.Ed25519PrivateKey.generate())}):
        said = signer.issue(**{"spki": spki, **changed})
        assert said["status"] == 1 and said["certificate"] == b"" and said["rule"], changed


def test_checkpoints_extend_each_other_across_a_restart(signer, root):
    hashes = [leaf_hash(bytes([n])) for n in range(40)]
    said = signer.leaves(0, [])
    assert (said["status"], said["size"]) == (0, 0)
    said = signer.leaves(0, hashes[:10])
    assert (said["status"], said["size"], said["root"]) == (0, 10, root_of(hashes[:10]))
    _, vkey = signer.keys()
    public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(vkey.split("+", 2)[2])[1:])
    text, line = said["note"].split(b"\n\n")
    public.verify(base64.b64decode(line.split(b" ")[2])[4:], text + b"\n")
    assert text.decode().split("\n")[:2] == ["log.test/signer", "10"]
    # Not twice, not with a gap: neither forks.
    top = said["root"]
    for first in (0, 11):
        said = signer.leaves(first, hashes[20:30])
        assert (said["status"], said["size"], said["root"]) == (1, 10, top)
    signer.child.process.kill()
    signer.child.process.wait()
    again = Signer(root)
    said = again.leaves(0, hashes[20:30])
    assert (said["status"], said["size"], said["root"]) == (1, 10, top)
    said = again.leaves(10, hashes[10:40])
    assert (said["status"], said["size"], said["root"]) == (0, 40, root_of(hashes))
    assert again.child.stop() == 0


def test_results_verify_with_a_jose_library_that_is_not_ours(signer):
    keys, _ = signer.keys()
    claims = {"eat_profile": "tag:ietf.org,2026:rats/ear#04", "iat": 1, "submods": {"boot": {"ear_status": "affirming"}}}
    for n in (0, 1, 2, 3, 50_000):
        text = json.dumps({**claims, "pad": "x" * n}).encode()
        said = signer.ask("reader", "EAR_SIGN", {"claims": text}, "EAR")
        assert said["status"] == 0
        signed = jws.JWS()
        signed.deserialize(said["jwt"].decode())
        key = jwk.JWKSet.from_json(json.dumps(keys)).get_key(signed.jose_header["kid"])
        assert key is not None and key.thumbprint() == signed.jose_header["kid"]
        signed.verify(key)
        assert signed.payload == text
        assert signed.jose_header == {"alg": "ES256", "typ": "eat+jwt", "kid": key.thumbprint()}
    assert signer.ask("reader", "EAR_SIGN", {"claims": b"not an object"}, "EAR")["status"] == 1


@pytest.mark.parametrize("who, name, payload", [
    ("reader", "ISSUE", ipc.encode("ISSUE", {"profile": 1})),
    ("reader", "LEAVES", ipc.encode("LEAVES", {})),
    ("keeper", "EAR_SIGN", ipc.encode("EAR_SIGN", {"claims": b"{}"})),
    ("keeper", "KEYS_ASK", ipc.encode("KEYS_ASK", {})),
    ("keeper", "CHECKPOINT", ipc.encode("CHECKPOINT", {})),
    ("keeper", "START", ipc.encode("START", {})),
    ("keeper", "ISSUE", b"\1"),
    ("keeper", "LEAVES", ipc.encode("LEAVES", {"hashes": bytes(32)}) + b"\0"),
])
def test_what_a_peer_may_not_say_ends_its_channel(signer, who, name, payload):
    signer.child.peer[who, 0].send(name, payload=payload)
    assert signer.child.peer[who, 0].recv() is None
    # The other peer is served as before.
    if who == "keeper":
        assert signer.keys()[1].startswith("log.test/signer+")
    else:
        assert signer.leaves(0, [])["status"] == 0


@pytest.mark.parametrize("what", ["ca.key", "log.key", "ear.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(root, what, mode):
    os.chmod(root / what, mode)
    code, err = Signer(root).end()
    assert code == 1 and what in err and "chmod 600" in err


def test_keys_are_not_exchanged(root):
    (root / "ear.key").rename(root / "x")
    (root / "log.key").rename(root / "ear.key")
    (root / "x").rename(root / "log.key")
    code, err = Signer(root).end()
    assert code == 1 and "bad key" in err


def test_another_ca_certificate_is_refused(root):
    key = root / "other.key"
    key.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    openssl("req", "-x509", "-new", "-key", key, "-days", "1", "-out", root / "ca.crt", "-subj", "/CN=x",
            "-addext", "keyUsage=critical,keyCertSign")
    code, err = Signer(root).end()
    assert code == 1 and "ca_certificate" in err
