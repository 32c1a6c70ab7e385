# SPDX-License-Identifier: Apache-2.0
"""chainhold-signer as it runs: under its sandbox, with chainholdd, keeper and reader played, judged by others' code."""

import json
import os
import struct
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwcrypto import jwk, jws

from server_play import Child, span, take_span
from tlog_server import leaf_hash, root_of

UID = 64601
FILES = {"key_ca": "ca.key", "key_log": "log.key", "key_ear": "ear.key", "ca_certificate": "ca.crt"}
CONFIG = [f"{key} {name}" for key, name in FILES.items()] + ["origin log.test/signer", "server_name server.test"]

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


@pytest.fixture(name="signer")
def fixture_signer(root):
    child = Child("signer", root, ["keeper", "reader"], CONFIG, UID)
    assert child.ready()
    yield child
    assert child.stop() == (0, "") or child.process.returncode is not None


def issue(profile, spki, serial=b"\x80" + bytes(14) + b"\x01", now=None, lifetime=86400, subject=bytes(range(16))):
    now = int(time.time()) if now is None else now
    return struct.pack(">B", profile) + subject + serial + struct.pack(">QQ", now, lifetime) + span(spki)


def issued(payload):
    status, not_after = struct.unpack(">BQ", payload[:9])
    certificate, rest = take_span(payload[9:])
    rule, rest = take_span(rest)
    assert rest == b""
    return status, not_after, certificate, rule.decode()


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_certificates_verify_with_openssl(signer, root, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name, _, payload = signer.peer["keeper"].ask("ISSUE", issue(1, spki_of(key)))
    status, not_after, der, rule = issued(payload)
    assert (name, status, rule) == ("ISSUED", 0, "")
    path = tmp_path / "device.crt"
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
    verified = openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root / "ca.crt", path)
    assert verified.returncode == 0, verified.stderr + verified.stdout
    assert openssl("verify", "-purpose", "sslserver", "-CAfile", root / "ca.crt", path).returncode != 0
    cert = x509.load_der_x509_certificate(der)
    ca = x509.load_pem_x509_certificate((root / "ca.crt").read_bytes())
    assert cert.serial_number == int.from_bytes(b"\x80" + bytes(14) + b"\x01", "big")
    assert cert.issuer == ca.subject
    assert int(cert.not_valid_after.timestamp() - time.timezone) == not_after or not_after > 0
    constraints = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca is False
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:chainhold:device:{bytes(range(16)).hex()}"]
    ski = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == ski
    # Re-encoded by another library it is the same bytes.
    assert cert.public_bytes(serialization.Encoding.DER) == der


def test_requests_outside_of_the_profiles_are_refused(signer):
    key = ec.generate_private_key(ec.SECP256R1())
    spki = spki_of(key)
    now = int(time.time())
    for request in (issue(0, spki), issue(3, spki), issue(1, spki[:-1]), issue(1, spki + b"\0"), issue(1, b""),
                    issue(1, spki, serial=bytes(16)), issue(1, spki, lifetime=401 * 86400), issue(1, spki, lifetime=0),
                    issue(1, spki, now=now + 4000), issue(1, spki, now=now - 4000), issue(1, spki, subject=bytes(16)),
                    issue(1, spki_of(ed25519.Ed25519PrivateKey.generate()))):
        status, _, der, rule = issued(signer.peer["keeper"].ask("ISSUE", request)[2])
        assert status == 1 and der == b"" and rule


def checkpoint(payload):
    status, size = struct.unpack(">BQ", payload[:9])
    note, rest = take_span(payload[41:])
    assert rest == b""
    return status, size, payload[9:41], note


def leaves(first, hashes):
    return struct.pack(">Q", first) + span(b"".join(hashes))


def log_key(signer):
    payload = signer.peer["reader"].ask("KEYS_ASK", b"\0")[2]
    jwks, rest = take_span(payload)
    vkey, rest = take_span(rest)
    assert rest == b""
    return json.loads(jwks), vkey.decode()


def test_checkpoints_extend_each_other_across_a_restart(signer, root):
    import base64
    hashes = [leaf_hash(bytes([n])) for n in range(40)]
    keeper = signer.peer["keeper"]
    assert checkpoint(keeper.ask("LEAVES", leaves(0, []))[2])[:2] == (0, 0)
    status, size, top, note = checkpoint(keeper.ask("LEAVES", leaves(0, hashes[:10]))[2])
    assert (status, size, top) == (0, 10, root_of(hashes[:10]))
    _, vkey = log_key(signer)
    public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(vkey.split("+", 2)[2])[1:])
    text, line = note.split(b"\n\n")
    public.verify(base64.b64decode(line.split(b" ")[2])[4:], text + b"\n")
    assert text.decode().split("\n")[:2] == ["log.test/signer", "10"]
    # Not twice, not with a gap: neither forks.
    assert checkpoint(keeper.ask("LEAVES", leaves(0, hashes[20:30]))[2])[:3] == (1, 10, top)
    assert checkpoint(keeper.ask("LEAVES", leaves(11, hashes[11:12]))[2])[:3] == (1, 10, top)
    signer.process.kill()
    signer.process.wait()
    again = Child("signer", root, ["keeper", "reader"], CONFIG, UID)
    assert again.ready()
    assert checkpoint(again.peer["keeper"].ask("LEAVES", leaves(0, hashes[20:30]))[2])[:3] == (1, 10, top)
    status, size, top, _ = checkpoint(again.peer["keeper"].ask("LEAVES", leaves(10, hashes[10:40]))[2])
    assert (status, size, top) == (0, 40, root_of(hashes))
    assert again.stop()[0] == 0


def test_results_verify_with_a_jose_library_that_is_not_ours(signer):
    keys, _ = log_key(signer)
    claims = {"eat_profile": "tag:ietf.org,2026:rats/ear#04", "iat": 1, "submods": {"boot": {"ear_status": "affirming"}}}
    for n in (0, 1, 2, 3, 50_000):
        text = json.dumps({**claims, "pad": "x" * n}).encode()
        payload = signer.peer["reader"].ask("EAR_SIGN", span(text))[2]
        token, rest = take_span(payload[1:])
        assert payload[0] == 0 and rest == b""
        signed = jws.JWS()
        signed.deserialize(token.decode())
        key = jwk.JWKSet.from_json(json.dumps(keys)).get_key(signed.jose_header["kid"])
        assert key is not None and key.thumbprint() == signed.jose_header["kid"]
        signed.verify(key)
        assert signed.payload == text
        assert signed.jose_header == {"alg": "ES256", "typ": "eat+jwt", "kid": key.thumbprint()}
    assert signer.peer["reader"].ask("EAR_SIGN", span(b"not an object"))[2][0] == 1


@pytest.mark.parametrize("who, name, payload", [
    ("reader", "ISSUE", issue(1, b"x", now=0)),
    ("reader", "LEAVES", leaves(0, [])),
    ("keeper", "EAR_SIGN", span(b"{}")),
    ("keeper", "KEYS_ASK", b"\0"),
    ("keeper", "CHECKPOINT", bytes(45)),
    ("keeper", "START", bytes(30)),
    ("keeper", "ISSUE", b"\1"),
    ("keeper", "LEAVES", leaves(0, [bytes(32)]) + b"\0"),
])
def test_what_a_peer_may_not_say_ends_its_channel(signer, who, name, payload):
    signer.peer[who].send(name, 1, payload)
    assert signer.peer[who].receive() is None
    # The other peer is served as before.
    if who == "keeper":
        assert log_key(signer)[1].startswith("log.test/signer+")
    else:
        assert checkpoint(signer.peer["keeper"].ask("LEAVES", leaves(0, []))[2])[:2] == (0, 0)


@pytest.mark.parametrize("what", ["ca.key", "log.key", "ear.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(root, what, mode):
    os.chmod(root / what, mode)
    child = Child("signer", root, ["keeper", "reader"], CONFIG, UID)
    code, err = child.end()
    assert code == 1 and what in err and "chmod 600" in err


def test_keys_are_not_exchanged(root):
    (root / "ear.key").rename(root / "x")
    (root / "log.key").rename(root / "ear.key")
    (root / "x").rename(root / "log.key")
    child = Child("signer", root, ["keeper", "reader"], CONFIG, UID)
    code, err = child.end()
    assert code == 1 and "bad key" in err


def test_another_ca_certificate_is_refused(root):
    key = root / "other.key"
    key.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    openssl("req", "-x509", "-new", "-key", key, "-days", "1", "-out", root / "ca.crt", "-subj", "/CN=x",
            "-addext", "keyUsage=critical,keyCertSign")
    child = Child("signer", root, ["keeper", "reader"], CONFIG, UID)
    code, err = child.end()
    assert code == 1 and "ca_certificate" in err
