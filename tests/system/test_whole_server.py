# SPDX-License-Identifier: Apache-2.0
"""The whole server with live TPMs: enrolment by hand, and the story of a device under the real agent. No process is a double."""

import hashlib

import pytest

import device_tpm
import live_tpm
from device_tpm import b64
from openapi import DEVICE
from server_support import Gateway, Server, needs_root, openssl
from support import FIXTURES

LOG = (FIXTURES / "sbon-good" / "binary_bios_measurements").read_bytes()

pytestmark = needs_root


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    device_tpm.needed()
    return device_tpm.Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def devices(maker, tmp_path_factory):
    made = [maker.make(tmp_path_factory.mktemp("device")) for _ in range(2)]
    for one in made:
        one.make_keys()
    yield made
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def server(maker, devices, tmp_path_factory):
    """The maker's root is there once a TPM was made."""
    del devices
    one = Server(tmp_path_factory.mktemp("whole"), ek_roots=[maker.root, maker.issuer])  # an agent sends no intermediates
    with one:
        yield one


def enrol(server, device, **changed):
    """(device id or error code, what was answered)."""
    status, sealed = server.device("POST", "/v1/enrol", device.enrolment(**changed))
    if status != 200:
        return DEVICE.valid("Error", sealed)["error"]["code"], sealed
    secret = device.activate(DEVICE.valid("Sealed", sealed))
    status, answer = server.device("POST", "/v1/enrol/finish", {"enrol": sealed["enrol"], "secret": b64(secret)})
    assert status == 201, answer
    return DEVICE.valid("Certified", answer)["device"], answer


def refused(answer):
    return answer[0], DEVICE.valid("Error", answer[1])["error"]["code"]


def test_a_tpm_enrols_and_its_certificate_is_of_its_key(server, devices, tmp_path):
    ident, answer = enrol(server, devices[0])
    assert len(ident) == 32 and answer["class"] == "gateway"
    (tmp_path / "device.pem").write_text(answer["certificate"])
    (tmp_path / "chain.pem").write_text(answer["chain"])
    assert openssl("verify", "-CAfile", server.folder / "ca.crt", tmp_path / "device.pem").strip().endswith(b"OK")
    public = openssl("x509", "-in", tmp_path / "device.pem", "-pubkey", "-noout")
    assert public == devices[0].read("key.pem")
    status, shown = server.admin("GET", f"/api/v1/devices/{ident}")
    assert status == 200 and shown["links"]["platform"]["tier"] == "affirming" and shown["state"] == "enrolled"


def test_a_device_that_returns_is_known_by_its_ek(server, devices):
    first, _ = enrol(server, devices[0])
    again, _ = enrol(server, devices[0], ek_certificate=b64(devices[0].ek_certificate() + b"\xff" * 5))
    assert first == again


def test_the_secret_is_said_once_and_right(server, devices):
    _, sealed = server.device("POST", "/v1/enrol", devices[0].enrolment())
    secret = devices[0].activate(sealed)
    wrong = bytes([secret[0] ^ 1]) + secret[1:]
    status, answer = server.device("POST", "/v1/enrol/finish", {"enrol": sealed["enrol"], "secret": b64(wrong)})
    assert status in (403, 404), answer
    assert refused(server.device("POST", "/v1/enrol/finish", {"enrol": sealed["enrol"], "secret": b64(secret)}))[0] in (403, 404)
    assert refused(server.device("POST", "/v1/enrol/finish", {"enrol": "00" * 16, "secret": b64(secret)}))[0] in (403, 404)


def test_another_tpm_cannot_open_it(server, devices):
    """The body of one device, sent by a machine that has another TPM."""
    status, sealed = server.device("POST", "/v1/enrol", devices[0].enrolment())
    assert status == 200 and devices[1].activate(sealed) is None


def test_another_eks_certificate(server, devices):
    assert enrol(server, devices[0], ek_certificate=b64(devices[1].ek_certificate()))[0] == "ek-certificate"


def test_an_ek_without_a_certificate_needs_an_operator(server, devices):
    device = devices[1]
    code, answer = enrol(server, device, ek_certificate=None)
    assert code == "ek-untrusted" and "without a certificate" in answer["error"]["rule"]
    device.ek = "p256"
    assert enrol(server, device)[0] == "ek-untrusted"
    point = device.ek_public()
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + point[-66:-34] + point[-32:]
    ek = hashlib.sha256(spki).hexdigest()
    status, answer = server.act("ek.allow", ek)
    assert status == 200, answer
    ident, _ = enrol(server, device)
    assert len(ident) == 32
    status, answer = server.act("ek.deny", ek)
    assert status == 200, answer
    assert enrol(server, device)[0] not in ("ek-untrusted", ident)
    device.ek = device_tpm.EK_RSA


def test_an_unknown_root(maker, devices, tmp_path):
    with Server(tmp_path) as one:
        code, answer = enrol(one, devices[0])
    assert code == "ek-untrusted" and "issuer is not among the certificates" in answer["error"]["rule"]


# --- the story of a device ---


@pytest.fixture
def machine(server, maker, tmp_path):
    """Of the class and with the EK that the agent takes by itself; its IMA list is empty."""
    one = Gateway(tmp_path / "agent", maker, server, LOG, ima=tmp_path / "agent" / "ima", ek=None, **{"class": None})
    (one.folder / "ima").write_bytes(b"")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def baseline(server, tmp_path_factory):
    """Reference values of the good boot, approved for the class by the operator."""
    tpm = live_tpm.Tpm(tmp_path_factory.mktemp("reference"))
    try:
        document = live_tpm.boot(tpm, LOG).capture(name="good").read_bytes()
    finally:
        tpm.stop()
    return document


def test_a_device_is_affirmed_cut_off_and_mended(server, machine, baseline):
    status = machine.attest()
    assert status["state"] == "enrolled" and status["chain"] == "contraindicated"  # nothing to compare with yet
    status, answer = server.act("baseline.approve", "gateway", baseline)
    assert status == 200, answer
    status = machine.attest()
    assert (status["state"], status["chain"]) == ("trusted", "affirming"), status
    evil = live_tpm.Log(LOG)
    record = next(r for r in evil.records if r.kind == 0x80000003)
    record.digests = {0x000B: hashlib.sha256(b"evil").digest()}
    machine.reboot(evil)
    status = machine.attest()
    assert (status["state"], status["chain"]) == ("quarantined", "contraindicated"), status
    device = next(d for d in server.admin("GET", "/api/v1/devices")[1]["devices"] if d["state"] == "quarantined")
    reasons = server.admin("GET", f"/api/v1/devices/{device['device']}")[1]["reasons"]
    named = [r for r in reasons if r["code"] == "event-unexplained"]
    assert [(r["link"], r["digest"], r["pcr"]) for r in named] == [("boot", hashlib.sha256(b"evil").hexdigest(), record.pcr)]
    assert named[0]["type"] == "EV_EFI_BOOT_SERVICES_APPLICATION" and named[0]["measured"]
    machine.reboot(live_tpm.Log(LOG))
    status = machine.attest()
    if status["state"] == "quarantined":
        status = machine.attest()  # the key was renewed; the next evidence comes with the new certificate
    assert (status["state"], status["chain"]) == ("trusted", "affirming"), status
