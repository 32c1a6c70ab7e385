# SPDX-License-Identifier: Apache-2.0
"""Attacks on the whole server from outside that need no TPM (docs/attacks.md, "The server")."""

import json
import socket
import time

import pytest
from cryptography.hazmat.primitives import serialization

from device_tpm import b64
from server_support import Server, action_body, action_text, needs_root, new_key, read_key, signed, spki_of, token_enrolment, token_payload

pytestmark = needs_root


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("attacks"))
    one.policy(enrolment="{ek: any-trusted-root, token: allowed}")
    with one:
        yield one


def act(server, text, signatures, payload=None, by="admin"):
    return server.admin("POST", "/api/v1/actions", action_body(text, signatures, payload), operator=by)


def admins(server):
    return read_key(server.identity("admin")[1])


def write_key(key, path):
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


@pytest.fixture
def device(server, tmp_path):
    """A device that enrolled with a token: (id, (certificate file, key file), key, token)."""
    key = new_key()
    token, answer = server.enrol_by_token(key)
    write_key(key, tmp_path / "device.key")
    (tmp_path / "device.crt").write_text(answer["certificate"])
    return answer["device"], (tmp_path / "device.crt", tmp_path / "device.key"), key, token


def test_without_a_tpm_a_device_never_shows_more_than_its_token(server, device):
    ident, certificate, key, token = device
    anything = {"quote": b64(b"q"), "signature": b64(b"s"), "eventlog": {"from": 0, "data": ""}}
    status, answer = server.device("POST", "/v1/evidence", anything, certificate=certificate)
    assert (status, answer["error"]["code"]) == (403, "no-tpm")
    names = ("key_public", "key_certify", "key_certify_signature")
    status, answer = server.device("POST", "/v1/renew", {n: b64(b"x") for n in names}, certificate=certificate)
    assert (status, answer["error"]["code"]) == (403, "no-tpm")
    status, answer = server.device("GET", "/v1/status", certificate=certificate)
    assert status == 200 and answer["chain"] == "contraindicated" and answer["state"] == "enrolled"
    # The token again, for a key of somebody who saw it.
    other = new_key()
    status, answer = server.device("POST", "/v1/enrol/token", token_enrolment(token, other))
    assert (status, answer["error"]["code"]) == (403, "token")
    assert server.admin("GET", f"/api/v1/devices/{ident}")[1]["links"]["platform"]["tier"] == "warning"


def test_a_token_certifies_only_the_key_that_proves_itself(server):
    key, other, token = new_key(), new_key(), "a token of this test"
    assert server.act("token.create", "gateway", token_payload(token))[0] == 200
    for body in (token_enrolment(token, key, prover=other),  # by another key
                 {**token_enrolment(token, other), "public_key": b64(spki_of(key))},  # about another key
                 {**token_enrolment("another token", key), "token": token}):  # with another token
        status, answer = server.device("POST", "/v1/enrol/token", body)
        assert (status, answer["error"]["code"]) == (403, "proof"), answer
    # What was refused did not use it up.
    assert server.device("POST", "/v1/enrol/token", token_enrolment(token, key))[0] == 201


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
    ident, certificate, *_ = device
    tls = server.context(certificate)

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
    text = change(action_text("ek.deny", "ab" * 32))
    status, answer = act(server, text, [signed(text, admins(server))])
    assert status == 400, answer


def test_what_counts_is_the_signature_and_not_the_session(server):
    admin, viewer = admins(server), new_key()
    status, answer = server.act("operator.add", "viewer", b"\x01" + spki_of(viewer))
    assert status == 200, answer
    certificate, key = server.identity("viewer")
    certificate.write_text(answer["certificate"])
    write_key(viewer, key)
    own = action_text("ek.deny", "cd" * 32)
    # Through the admin's session and through its own: a viewer signs nothing.
    for by in ("admin", "viewer"):
        assert act(server, own, [signed(own, viewer)], by=by)[0] == 403
    # Its signature, said to be the admin's.
    forged = {**signed(own, viewer), "key": signed(own, admin)["key"]}
    assert act(server, own, [forged])[0] == 403
    # An admin's text with another subject, another payload, too old, too early.
    text = action_text("ek.deny", "cd" * 32)
    proof = signed(text, admin)
    assert act(server, text.replace(b"cdcd", b"cdce"), [proof])[0] == 403
    assert act(server, text, [proof], payload=b"x")[0] == 400
    for when in (int(time.time()) - 90000, int(time.time()) + 3600):
        late = action_text("ek.deny", "cd" * 32, when=when)
        assert act(server, late, [signed(late, admin)])[0] == 400
    # Twice the same operator is one.
    assert act(server, text, [proof, proof])[0] == 400
    # The text of an admin, brought by a viewer, is the admin's; again it is the same decision.
    status, answer = act(server, text, [proof], by="viewer")
    assert status == 200 and act(server, text, [proof], by="viewer") == (status, answer)
    assert server.act("operator.remove", "viewer")[0] == 200
    assert act(server, text, [proof], by="viewer")[0] == 403


def test_an_operators_certificate_is_no_devices_and_the_other_way_round(server, device):
    _, certificate, *_ = device
    assert server.device("POST", "/v1/challenge", certificate=server.identity("admin"))[0] == 403
    assert server.request(server.operators, "GET", "/api/v1/status", certificate=certificate)[0] == 403
    body = json.dumps({"action": b64(b"x"), "signatures": []}).encode()
    assert server.request(server.operators, "POST", "/api/v1/actions", body, certificate=certificate)[0] == 403
