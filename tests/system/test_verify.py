# SPDX-License-Identifier: Apache-2.0
"""The verify process, in its sandbox: the test is the edge and the keeper, the device is a live TPM with a manufacturer's certificate."""

import hashlib
import json
import os
import struct
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import device_tpm
import ipc
import live_tpm
from device_tpm import EK_P384, EK_RSA, b64
from support import BIN, FIXTURES

LOG = (FIXTURES / "sbon-good" / "binary_bios_measurements").read_bytes()
NONCE = bytes(range(32))
DEVICE = bytes(range(16))
TIER = {0: "none", 2: "affirming", 32: "warning", 96: "contraindicated"}
LINKS = ["platform", "boot", "os", "channel", "update", "sbom", "monitor"]


def generation(number, items):
    out = struct.pack(">IHQI", 0x6368474E, 1, number, len(items))
    for kind, name, data in items:
        out += struct.pack(">BB", kind, len(name)) + name + struct.pack(">I", len(data)) + data
    return out


class Server:
    """A verify with us around it."""

    def __init__(self):
        self.child = ipc.Child("verify", [("edge", 0), ("keeper", 0)])
        self.edge, self.keeper = self.child.peer["edge", 0], self.child.peer["keeper", 0]
        self.ident, self.number = 0, 0

    def hold(self, *items):
        self.number += 1
        self.keeper.send("GENERATION", {"number": self.number, "image": generation(self.number, items)})
        _, taken = self.keeper.expect("GENERATION_TAKEN")
        assert taken["number"] == self.number
        return taken["status"], taken["rule"].decode()

    def request(self, route, body, **more):
        self.ident += 1
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.edge.send("REQUEST", {"route": ipc.ROUTE[route], "body": body, "device": DEVICE, **more}, self.ident)

    def answer(self):
        ident, values = self.edge.expect("ANSWER")
        assert ident == self.ident
        return values["status"], json.loads(values["body"])

    def asked(self, name):
        """What the keeper is asked, and a function that answers it."""
        ident, values = self.keeper.expect(name)

        def reply(kind, **fields):
            self.keeper.send(kind, fields, ident)

        return values, reply

    def ok(self, reply, status=200, body=b"{}"):
        reply("ANSWER", status=status, type=b"application/json", body=body)

    def refused(self, route, body, **more):
        """The request is refused without the keeper being asked: (status, code, rule)."""
        self.request(route, body, **more)
        status, answer = self.answer()
        assert status >= 400, answer
        return status, answer["error"]["code"], answer["error"]["rule"]


@pytest.fixture
def server():
    if os.geteuid() != 0:
        pytest.skip("the processes of the server are started by root")
    one = Server()
    yield one
    assert one.child.stop() == 0


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    device_tpm.needed()
    return device_tpm.Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def devices(maker, tmp_path_factory):
    """Two devices of one maker, with keys."""
    made = [maker.make(tmp_path_factory.mktemp("device")) for _ in range(2)]
    for one in made:
        one.make_keys()
    yield made
    for one in made:
        one.stop()


@pytest.fixture
def device(devices):
    devices[0].ek = EK_RSA
    devices[0].make_key()
    return devices[0]


def roots(maker):
    return [(3, b"", maker.root)]


# --- enrolment ---


@pytest.mark.parametrize("ek", [EK_RSA, EK_P384, "p256"])
def test_a_device_proves_that_its_tpm_holds_both_keys(server, maker, device, ek):
    device.ek = ek
    server.hold(*roots(maker))
    server.request("ENROL", device.enrolment())
    pending, reply = server.asked("ENROL_PENDING")
    assert TIER[pending["platform_tier"]] == ("warning" if ek == "p256" else "affirming")
    facts = json.loads(pending["platform"])
    assert facts["ek_chain"] == ("none" if ek == "p256" else "trusted") and facts["ek_sha256"] == pending["ek_sha256"].hex()
    assert pending["class_name"] == b"gateway" and pending["hostname"] == b"test"
    server.ok(reply)
    status, answer = server.answer()
    assert status == 200 and answer["enrol"] == pending["enrol"].hex()
    assert pending["secret"].hex() not in json.dumps(answer)
    secret = device.activate(answer)
    assert secret == pending["secret"]
    server.request("ENROL_FINISH", {"enrol": answer["enrol"], "secret": b64(secret)})
    finish, reply = server.asked("ENROL_FINISH")
    assert finish == {"enrol": pending["enrol"], "secret": secret}
    server.ok(reply, 201, b'{"device":"00"}')
    assert server.answer() == (201, {"device": "00"})


def test_the_identity_of_an_ek_is_its_key(server, maker, device):
    server.hold(*roots(maker))
    device.ek_certificate()
    pem = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", "ek.der", "-pubkey", "-noout"], cwd=device.folder,
                         capture_output=True, check=True, timeout=60).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, check=True, timeout=60).stdout
    seen = set()
    for changed in ({}, {"ek_certificate": None}, {"ek_certificate": b64(device.ek_certificate() + b"\xff" * 9)}):
        server.request("ENROL", device.enrolment(**changed))
        pending, reply = server.asked("ENROL_PENDING")
        seen.add(pending["ek_sha256"])
        server.ok(reply)
        server.answer()
    assert seen == {hashlib.sha256(der).digest()}


def test_another_eks_certificate(server, maker, devices, device):
    server.hold(*roots(maker))
    body = device.enrolment(ek_certificate=b64(devices[1].ek_certificate()))
    assert server.refused("ENROL", body) == (403, "ek-certificate", "the certificate is of another key than the endorsement key")


def test_an_unknown_root_is_told_when_the_keeper_does_not_know_the_ek(server, device):
    server.hold()
    server.request("ENROL", device.enrolment())
    pending, reply = server.asked("ENROL_PENDING")
    assert TIER[pending["platform_tier"]] == "warning"
    server.ok(reply, 403, b'{"error":{"code":"ek-untrusted","rule":"not listed"}}')
    status, answer = server.answer()
    assert status == 403 and answer["error"]["code"] == "ek-untrusted"
    assert "issuer is not among the certificates" in answer["error"]["rule"]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_denied_ek_is_the_keepers_word(server, maker, device, trusted):
    server.hold(*(roots(maker) if trusted else []))
    server.request("ENROL", device.enrolment())
    _, reply = server.asked("ENROL_PENDING")
    denied = {"error": {"code": "ek-denied", "rule": "an operator denied this endorsement key"}}
    server.ok(reply, 403, json.dumps(denied).encode())
    assert server.answer() == (403, denied)


def test_an_unrestricted_key_is_no_attestation_key(server, maker, device):
    server.hold(*roots(maker))
    status, code, rule = server.refused("ENROL", device.enrolment(ak_public=b64(device.read("key.pub"))))
    assert (status, code) == (403, "ak") and "not restricted" in rule


def test_a_key_that_another_ak_certified(server, maker, devices, device):
    server.hold(*roots(maker))
    status, code, rule = server.refused("ENROL", device.enrolment(ak_public=b64(devices[1].read("ak.pub"))))
    assert (status, code) == (403, "key-certify") and "did not sign" in rule


def test_a_key_that_nobody_certified(server, maker, devices, device):
    server.hold(*roots(maker))
    status, code, rule = server.refused("ENROL", device.enrolment(key_public=b64(devices[1].read("key.pub"))))
    assert (status, code) == (403, "key-certify") and "another object" in rule


def test_a_certification_for_another_purpose(server, maker, device):
    server.hold(*roots(maker))
    attest, signature = device.certify(b"\0" * 32)
    body = device.enrolment(key_certify=b64(attest), key_certify_signature=b64(signature))
    status, code, rule = server.refused("ENROL", body)
    assert (status, code) == (403, "key-certify") and "qualifyingData" in rule


def test_a_quote_is_no_certification(server, maker, device):
    server.hold(*roots(maker))
    message, signature = device.quote_nonce(device.qualifying())
    status, code, rule = server.refused("ENROL", device.enrolment(key_certify=b64(message), key_certify_signature=b64(signature)))
    assert (status, code) == (403, "key-certify") and "not a certification" in rule


def test_before_the_first_generation_nobody_is_judged(device):
    one = Server()
    status, code, rule = one.refused("ENROL", device.enrolment())
    assert one.child.stop() == 0
    assert (status, code) == (503, "busy") and "ask again" in rule


def test_bodies_that_do_not_read(server, maker, device):
    server.hold(*roots(maker))
    good = json.loads(device.enrolment())
    for body, rule in (
            (b"", "ends before"), (b"[]", "not a JSON object"), (b"{", ""), (json.dumps({**good, "more": 1}), "no such member"),
            (json.dumps({k: v for k, v in good.items() if k != "ak_public"}), "is missing"),
            (json.dumps({**good, "ak_public": good["ak_public"] + "="}), "base64url"),
            (json.dumps({**good, "ak_public": 7}), "base64url"), (json.dumps({**good, "class": "No Name"}), "a class has a name"),
            (json.dumps(good)[:-1] + ',"class":"gateway"}', "is there twice"),
            (json.dumps({**good, "ek_chain": [good["ek_public"]]}), ""),
            (json.dumps({**good, "ek_chain": [good["ek_certificate"]] * 9}), "at most 8")):
        status, _, said = server.refused("ENROL", body if isinstance(body, bytes) else body.encode())
        assert status == 400 and rule in said, (body[:60], said)


# --- token ---


def token_proof(folder, token, key="token.key"):
    def openssl(*args, data=None):
        return subprocess.run(["openssl", *args], cwd=folder, input=data, capture_output=True, check=True, timeout=60).stdout

    if not (folder / key).exists():
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    spki = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    signed = b"chainhold-token-enrol/v1\0" + hashlib.sha256(token.encode()).digest() + spki
    return spki, openssl("dgst", "-sha256", "-sign", key, data=signed)


def test_a_token_with_a_proof_of_the_key(server, tmp_path):
    spki, proof = token_proof(tmp_path, "one-time")
    body = {"token": "one-time", "public_key": b64(spki), "proof": b64(proof), "hostname": "small"}
    server.request("ENROL_TOKEN", body)
    asked, reply = server.asked("ENROL_TOKEN")
    assert asked == {"token_sha256": hashlib.sha256(b"one-time").digest(), "key_spki": spki, "hostname": b"small"}
    server.ok(reply, 201)
    assert server.answer()[0] == 201
    other, _ = token_proof(tmp_path, "one-time", "other.key")
    assert server.refused("ENROL_TOKEN", {**body, "token": "another"})[:2] == (403, "proof")
    assert server.refused("ENROL_TOKEN", {**body, "public_key": b64(other)})[:2] == (403, "proof")
    assert server.refused("ENROL_TOKEN", {**body, "proof": b64(proof[:-1])})[:2] == (403, "proof")
    assert server.refused("ENROL_TOKEN", {**body, "public_key": b64(spki + b"\0")})[:2] == (403, "proof")


# --- evidence ---


@pytest.fixture(scope="module")
def booted(devices, tmp_path_factory):
    """The first device after a good boot, with reference values of it."""
    device = devices[0]
    device.ek = EK_RSA
    device.extend(live_tpm.Log(LOG).steps())
    other = live_tpm.Tpm(tmp_path_factory.mktemp("reference"))
    try:
        document = live_tpm.boot(other, LOG).capture(name="good").read_bytes()
    finally:
        other.stop()
    device.reference = document
    return device


def context(device, **more):
    return {"class_name": b"gateway", "ak_public": device.read("ak.pub"), "ek_public": device.ek_public(), "platform_tier": 2, **more}


def evidence(device, log=LOG, nonce=NONCE, start=0, **more):
    message, signature = device.quote_nonce(nonce)
    return {"quote": b64(message), "signature": b64(signature), "eventlog": {"from": start, "data": b64(log[start:])},
            "ima": None, "collected": 1, "history": False, "agent": "test", **more}


def judge(server, device, body, **more):
    """Evidence through verify: what it wants committed, with its reasons."""
    server.request("EVIDENCE", body, idempotency_key=b"once")
    asked, reply = server.asked("CONTEXT_ASK")
    assert asked["device"] == DEVICE and asked["log_from"] == body["eventlog"]["from"]
    reply("CONTEXT", **context(device, **more))
    commit, reply = server.asked("COMMIT")
    server.ok(reply, 200, b'{"evidence":1}')
    assert server.answer() == (200, {"evidence": 1})
    commit["tiers"] = {name: TIER[tier] for name, tier in zip(LINKS, commit["links"])}
    commit["why"] = json.loads(commit["reasons"])
    commit["codes"] = [reason["code"] for reason in commit["why"] if reason["tier"] != "none"]
    commit["ear"] = json.loads(commit["result"])
    return commit


def hold(server, maker, device):
    server.hold(*roots(maker), (2, b"gateway", device.reference))


def test_a_good_boot_is_affirmed(server, maker, booted):
    hold(server, maker, booted)
    got = judge(server, booted, evidence(booted))
    assert got["tiers"] == {**dict.fromkeys(LINKS, "none"), "platform": "affirming", "boot": "affirming"}, got["why"]
    assert got["nonce"] == NONCE and got["eventlog"] == LOG and got["generation"] == 1 and got["idempotency_key"] == b"once"
    assert got["agent"] == b"test"
    assert {name: part["ear_status"] for name, part in got["ear"]["submods"].items()} == got["tiers"]
    assert got["ear"]["submods"]["boot"]["ear_attester_claims"]["log"] == "explains"


def test_a_tail_is_joined_to_what_the_server_has(server, maker, booted):
    hold(server, maker, booted)
    for start in (len(LOG), 1000, 0):
        got = judge(server, booted, evidence(booted, start=start), eventlog=LOG[:start], evidence=7)
        assert got["eventlog"] == LOG[start:] and got["log_from"] == start and got["after"] == 7 and got["tiers"]["boot"] == "affirming"


def refused_evidence(server, device, body, **more):
    server.request("EVIDENCE", body)
    _, reply = server.asked("CONTEXT_ASK")
    reply("CONTEXT", **context(device, **more))
    status, answer = server.answer()
    return status, answer["error"]["code"]


def test_a_tail_that_does_not_join(server, maker, booted):
    hold(server, maker, booted)
    assert refused_evidence(server, booted, evidence(booted, start=1000), eventlog=LOG[:999]) == (409, "log-join")
    tail = {"from": 1000, "data": b64(LOG[1000:]), "sha256": hashlib.sha256(LOG).hexdigest()}
    wrong = bytes(1000) + LOG[1000:]
    assert refused_evidence(server, booted, evidence(booted, eventlog=tail), eventlog=wrong) == (409, "log-join")
    got = judge(server, booted, evidence(booted, start=1000), eventlog=wrong)
    assert got["tiers"]["boot"] == "contraindicated"


def test_a_truncated_log(server, maker, booted):
    hold(server, maker, booted)
    log = live_tpm.Log(LOG)
    log.records = log.records[:-1]
    got = judge(server, booted, evidence(booted, log=bytes(log)))
    assert got["tiers"]["boot"] == "contraindicated" and "log-mismatch" in got["codes"]
    for cut in (LOG[:-3], b"", b"\x07" * 40):
        got = judge(server, booted, evidence(booted, log=cut))
        assert got["tiers"]["boot"] == "contraindicated" and got["codes"] == ["log-malformed"]


def test_a_changed_event_is_named(server, maker, booted):
    hold(server, maker, booted)
    log = live_tpm.Log(LOG)
    record = next(r for r in log.records if r.kind == 0x80000003)
    record.digests = {0x000B: hashlib.sha256(b"evil").digest()}
    got = judge(server, booted, evidence(booted, log=bytes(log)))
    assert got["tiers"]["boot"] == "contraindicated"
    named = next(r for r in got["why"] if r["code"] == "event-unexplained")
    assert named["pcr"] == record.pcr and named["digest"] == hashlib.sha256(b"evil").hexdigest() and named["event"] is not None
    assert named["type"] == "EV_EFI_BOOT_SERVICES_APPLICATION" and named["link"] == "boot"


def test_a_quote_of_another_tpm(server, maker, devices, booted):
    hold(server, maker, booted)
    got = judge(server, booted, evidence(devices[1]))
    assert got["tiers"]["boot"] == "contraindicated" and "signature" in got["codes"]


def test_counters_that_went_back(server, maker, booted):
    hold(server, maker, booted)
    got = judge(server, booted, evidence(booted), has_last=1, last_reset=0xFFFFFFFF)
    assert got["tiers"]["boot"] == "contraindicated" and got["codes"] == ["counter-back"]


def test_history_says_so(server, maker, booted):
    hold(server, maker, booted)
    got = judge(server, booted, evidence(booted, history=True))
    assert got["history"] == 1 and got["nonce"] == bytes(32)


def test_a_nonce_of_another_size(server, maker, booted):
    hold(server, maker, booted)
    assert refused_evidence(server, booted, evidence(booted, nonce=b"\x01" * 20)) == (409, "nonce")


def test_a_class_without_reference_values_affirms_nothing(server, maker, booted):
    server.hold(*roots(maker))
    got = judge(server, booted, evidence(booted))
    assert got["tiers"]["boot"] == "none" and [r["code"] for r in got["why"]] == ["no-reference-values"]
    got = judge(server, booted, evidence(booted, log=LOG[:-3]))
    assert got["tiers"]["boot"] == "contraindicated"


def test_evidence_that_is_no_quote(server, maker, booted):
    hold(server, maker, booted)
    body = evidence(booted)
    assert refused_evidence(server, booted, {**body, "quote": b64(b"\xffTCG")}) == (400, "evidence")
    attest, signature = booted.certify(NONCE)
    assert refused_evidence(server, booted, {**body, "quote": b64(attest), "signature": b64(signature)}) == (400, "evidence")
    assert refused_evidence(server, booted, body, ak_public=b"") == (403, "no-tpm")


# --- renewal ---


def test_a_new_key_is_certified_again(server, booted):
    booted.make_key(algorithm="ecc256:null:null", name="key2")
    attest, signature = booted.certify(booted.qualifying())
    body = {"key_public": b64(booted.read("key2.pub")), "key_certify": b64(attest), "key_certify_signature": b64(signature)}
    server.request("RENEW", body, cert_sha256=b"\x05" * 32)
    _, reply = server.asked("CONTEXT_ASK")
    reply("CONTEXT", **context(booted))
    renew, reply = server.asked("RENEW")
    assert renew["device"] == DEVICE and renew["cert_sha256"] == b"\x05" * 32 and renew["certify"] == attest
    assert renew["key_spki"][-64:] == booted.read("key2.pub")[-66:-34] + booted.read("key2.pub")[-32:]
    server.ok(reply, 201)
    assert server.answer()[0] == 201
    server.request("RENEW", {**body, "key_public": b64(booted.read("key.pub"))})
    _, reply = server.asked("CONTEXT_ASK")
    reply("CONTEXT", **context(booted))
    status, answer = server.answer()
    assert status == 403 and answer["error"]["code"] == "key-certify"


def test_without_a_tpm_a_key_is_renewed_by_its_proof(server):
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    message = b"chainhold-token-renew/v1\0" + hashlib.sha256(DEVICE).digest() + spki
    proof = key.sign(message, ec.ECDSA(hashes.SHA256()))

    def ask(body):
        server.request("RENEW", body, cert_sha256=b"\x05" * 32)
        _, reply = server.asked("CONTEXT_ASK")
        reply("CONTEXT", status=0, class_name=b"gateway")

    ask({"public_key": b64(spki), "proof": b64(proof)})
    renew, reply = server.asked("RENEW")
    assert (renew["device"], renew["cert_sha256"], renew["key_spki"]) == (DEVICE, b"\x05" * 32, spki)
    assert renew["certify"] == renew["certify_sig"] == b""
    server.ok(reply, 201)
    assert server.answer()[0] == 201
    # Another device's proof, one of an enrolment, none at all.
    other = b"chainhold-token-renew/v1\0" + hashlib.sha256(bytes(16)).digest() + spki
    enrols = b"chainhold-token-enrol/v1\0" + hashlib.sha256(DEVICE).digest() + spki
    for wrong in (other, enrols):
        ask({"public_key": b64(spki), "proof": b64(key.sign(wrong, ec.ECDSA(hashes.SHA256())))})
        status, answer = server.answer()
        assert (status, answer["error"]["code"]) == (403, "proof")
    ask({"public_key": b64(spki)})
    assert server.answer()[0] == 400


# --- generations ---


def test_a_generation_that_is_refused_ends_all_judging(server, booted):
    assert server.hold() == (0, "")
    status, rule = server.hold((2, b"gateway", b"no reference values"))
    assert status == 1 and rule
    server.request("EVIDENCE", evidence(booted))
    status, answer = server.answer()
    assert (status, answer["error"]["code"]) == (503, "generation")
    assert server.hold() == (0, "")
    server.request("EVIDENCE", evidence(booted))
    _, reply = server.asked("CONTEXT_ASK")
    reply("CONTEXT", status=1)
    assert server.answer()[0] == 404


# --- the process ---


def test_a_message_that_may_not_come_ends_the_channel(server):
    server.edge.send("GENERATION", {"number": 9, "image": b""})
    assert server.edge.recv() is None
    server.keeper.send("GENERATION", payload=b"\0")
    assert server.keeper.recv() is None


def test_without_a_keeper_requests_are_put_off(server, device):
    server.keeper.end.close()
    server.request("ENROL_FINISH", {"enrol": "00" * 16, "secret": b64(bytes(32))})
    ident, values = server.edge.expect("ANSWER")
    assert (ident, values["status"]) == (server.ident, 503) and values["retry_after"] > 0


def test_the_sandbox_is_up(server):
    assert "seccomp" in server.child.sandbox and "no_new_privs" in server.child.sandbox
    assert BIN.parent.joinpath("chainhold-verify").exists()
