# SPDX-License-Identifier: Apache-2.0
"""Attacks on the whole server from outside that need no TPM (docs/attacks.md, "The server")."""

import hashlib
import json
import os
import re
import secrets
import socket
import ssl
import struct
import time

import pytest

import whole_server
from device_tpm import b64

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd starts as root")
PROOF = b"chainhold-token-enrol/v1\0"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = whole_server.Server(tmp_path_factory.mktemp("attacks"))
    one.policy(enrolment="{ek: any-trusted-root, token: allowed}")
    one.start()
    yield one
    one.stop()


def spki_of(key):
    return whole_server.openssl("pkey", "-in", key, "-pubout", "-outform", "DER")


def signed(text, key):
    der = whole_server.openssl("dgst", "-sha256", "-sign", key, data=text)
    numbers = re.findall(r"INTEGER\s+:([0-9A-F]+)", whole_server.openssl("asn1parse", "-inform", "DER", data=der).decode())
    return {"key": hashlib.sha256(spki_of(key)).hexdigest(), "signature": b64(b"".join(bytes.fromhex(n.rjust(64, "0")) for n in numbers))}


def text_of(verb, subject, payload=None, when=None):
    digest = hashlib.sha256(payload).hexdigest() if payload is not None else "-"
    return (f"chainhold-action/v1\ntenant: 0\nverb: {verb}\nsubject: {subject}\npayload: {digest}\nreason: test\n"
            f"time: {int(time.time()) if when is None else when}\nnonce: {secrets.token_hex(16)}\n").encode()


def act(server, text, signatures, payload=None, by="admin"):
    at = server.folder / "operators"
    body = {"action": b64(text), "payload": b64(payload) if payload is not None else None, "signatures": signatures}
    return server.request(server.operators, "POST", "/api/v1/actions", body, certificate=(at / f"{by}.crt", at / f"{by}.key"))


def new_key(folder, name):
    whole_server.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / f"{name}.key")
    return folder / f"{name}.key"


@pytest.fixture
def device(server, tmp_path):
    """A device that enrolled with a token: (id, certificate file, key file, token)."""
    token = secrets.token_urlsafe(24)
    digest = hashlib.sha256(token.encode()).digest()
    status, answer = server.act("token.create", "gateway", digest + struct.pack(">Q", int(time.time()) + 600))
    assert status == 200, answer
    key = new_key(tmp_path, "device")
    proof = whole_server.openssl("dgst", "-sha256", "-sign", key, data=PROOF + digest + spki_of(key))
    status, answer = server.device("POST", "/v1/enrol/token", {"token": token, "public_key": b64(spki_of(key)), "proof": b64(proof)})
    assert status == 201, answer
    (tmp_path / "device.crt").write_text(answer["certificate"])
    return answer["device"], tmp_path / "device.crt", key, token


def test_without_a_tpm_a_device_never_shows_more_than_its_token(server, device, tmp_path):
    ident, certificate, key, token = device
    anything = {"quote": b64(b"q"), "signature": b64(b"s"), "eventlog": {"from": 0, "data": ""}}
    status, answer = server.device("POST", "/v1/evidence", anything, certificate=(certificate, key))
    assert (status, answer["error"]["code"]) == (403, "no-tpm")
    names = ("key_public", "key_certify", "key_certify_signature")
    status, answer = server.device("POST", "/v1/renew", {n: b64(b"x") for n in names}, certificate=(certificate, key))
    assert (status, answer["error"]["code"]) == (403, "no-tpm")
    status, answer = server.device("GET", "/v1/status", certificate=(certificate, key))
    assert status == 200 and answer["chain"] == "contraindicated" and answer["state"] == "enrolled"
    # The token again, for a key of somebody who saw it.
    other = new_key(tmp_path, "other")
    proof = whole_server.openssl("dgst", "-sha256", "-sign", other,
                                 data=PROOF + hashlib.sha256(token.encode()).digest() + spki_of(other))
    body = {"token": token, "public_key": b64(spki_of(other)), "proof": b64(proof)}
    assert server.device("POST", "/v1/enrol/token", body)[0] == 403
    # And a proof by another key than the one that is to be certified.
    assert server.device("POST", "/v1/enrol/token", {**body, "public_key": b64(spki_of(key))})[0] == 403
    assert server.admin("GET", f"/api/v1/devices/{ident}")[1]["links"]["platform"]["tier"] == "warning"


def poll(stream):
    stream.sendall(b"GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        more = stream.recv(65536)
        if not more:
            return None
        head += more
    return int(head.split()[1])


def test_a_revoked_certificate_opens_nothing_on_an_open_or_a_resumed_session(server, device):
    ident, certificate, key, _ = device
    tls = ssl.create_default_context(cafile=server.folder / "ca.crt")
    tls.load_cert_chain(certificate, key)

    def connect(session=None):
        return tls.wrap_socket(socket.create_connection(("127.0.0.1", server.devices), 30), server_hostname="localhost", session=session)

    # Python's OpenSSL gives a session up that was not shut down in order: each stays open until the end.
    with connect() as first:
        assert poll(first) == 200
        with connect(first.session) as again:
            assert poll(again) == 200 and again.session_reused
            assert server.act("device.revoke", ident)[0] == 200
            with connect(again.session) as resumed, connect() as new:
                assert poll(again) in (None, 403) and poll(first) in (None, 403)
                assert poll(resumed) == 403 and poll(new) == 403


@pytest.mark.parametrize("change", [
    lambda t: t.replace(b"\n", b"\r\n"), lambda t: t + b"\n", lambda t: t[:-1], lambda t: t.replace(b"tenant: 0", b"tenant: 00"),
    lambda t: t.replace(b"tenant: 0", b"tenant: 1"), lambda t: t.replace(b"verb: ", b"verb:  "), lambda t: b"\xef\xbb\xbf" + t,
    lambda t: t.replace(b"reason: test\n", b"reason: test\nreason: test\n"), lambda t: t.replace(b"reason: test", b"reason: te\x1b[2Kst"),
    lambda t: t.replace(b"reason: test", "reason: te\u202est".encode()), lambda t: t.replace(b"time: ", b"time: +"),
    lambda t: t.replace(b"time: ", b"time: 0"), lambda t: t.replace(b"ab" * 32, b"AB" * 32), lambda t: t.replace(b"ab" * 32, b"ab" * 31), lambda t: t.replace(b"v1\n", b"v2\n")])
def test_a_decision_has_one_text(server, change):
    admin = server.folder / "operators" / "admin.key"
    text = change(text_of("ek.deny", "ab" * 32))
    status, answer = act(server, text, [signed(text, admin)])
    assert status == 400, answer


def test_what_counts_is_the_signature_and_not_the_session(server):
    at = server.folder / "operators"
    viewer = new_key(at, "viewer")
    status, answer = server.act("operator.add", "viewer", b"\x01" + spki_of(viewer))
    assert status == 200, answer
    (at / "viewer.crt").write_text(answer["certificate"])
    own = text_of("ek.deny", "cd" * 32)
    # Through the admin's session and through its own: a viewer signs nothing.
    for by in ("admin", "viewer"):
        assert act(server, own, [signed(own, viewer)], by=by)[0] == 403
    # Its signature, said to be the admin's.
    forged = {**signed(own, viewer), "key": signed(own, at / "admin.key")["key"]}
    assert act(server, own, [forged])[0] == 403
    # An admin's text with another subject, another payload, too old, too early.
    text = text_of("ek.deny", "cd" * 32)
    proof = signed(text, at / "admin.key")
    assert act(server, text.replace(b"cdcd", b"cdce"), [proof])[0] == 403
    assert act(server, text, [proof], payload=b"x")[0] == 400
    for when in (int(time.time()) - 90000, int(time.time()) + 3600):
        late = text_of("ek.deny", "cd" * 32, when=when)
        assert act(server, late, [signed(late, at / "admin.key")])[0] == 400
    # Twice the same operator is one.
    assert act(server, text, [proof, proof])[0] == 400
    # The text of an admin, brought by a viewer, is the admin's; again it is the same decision.
    status, answer = act(server, text, [proof], by="viewer")
    assert status == 200 and act(server, text, [proof], by="viewer") == (status, answer)
    assert server.act("operator.remove", "viewer")[0] == 200
    assert act(server, text, [proof], by="viewer")[0] == 403


def test_an_operators_certificate_is_no_devices_and_the_other_way_round(server, device):
    _, certificate, key, _ = device
    at = server.folder / "operators"
    assert server.device("POST", "/v1/challenge", certificate=(at / "admin.crt", at / "admin.key"))[0] == 403
    assert server.request(server.operators, "GET", "/api/v1/status", certificate=(certificate, key))[0] == 403
    body = json.dumps({"action": b64(b"x"), "signatures": []}).encode()
    assert server.request(server.operators, "POST", "/api/v1/actions", body, certificate=(certificate, key))[0] == 403
