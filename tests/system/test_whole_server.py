# SPDX-License-Identifier: Apache-2.0
"""The whole server with live TPMs: enrolment by hand, and the story of a device under the real agent. No process is a double."""

import hashlib
import json
import os
import stat
import subprocess

import jsonschema
import pytest
import yaml

import device_tpm
import live_tpm
import whole_server
from device_tpm import b64
from support import BIN, FIXTURES, ROOT

LOG = (FIXTURES / "sbon-good" / "binary_bios_measurements").read_bytes()
API = yaml.safe_load((ROOT / "docs" / "openapi" / "device.yaml").read_text())

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd starts as root")


def valid(name, value):
    """True to docs/openapi/device.yaml; returns the value."""
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": API["components"]}).validate(value)
    return value


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
    one = whole_server.Server(tmp_path_factory.mktemp("whole"), [maker.root, maker.issuer])  # an agent sends no intermediates
    one.start()
    yield one
    one.stop()


def enrol(server, device, **changed):
    """(device id or error code, what was answered)."""
    status, sealed = server.device("POST", "/v1/enrol", device.enrolment(**changed))
    if status != 200:
        return valid("Error", sealed)["error"]["code"], sealed
    secret = device.activate(valid("Sealed", sealed))
    status, answer = server.device("POST", "/v1/enrol/finish", {"enrol": sealed["enrol"], "secret": b64(secret)})
    assert status == 201, answer
    return valid("Certified", answer)["device"], answer


def refused(answer):
    return answer[0], valid("Error", answer[1])["error"]["code"]


def test_a_tpm_enrols_and_its_certificate_is_of_its_key(server, devices, tmp_path):
    ident, answer = enrol(server, devices[0])
    assert len(ident) == 32 and answer["class"] == "gateway"
    (tmp_path / "device.pem").write_text(answer["certificate"])
    (tmp_path / "chain.pem").write_text(answer["chain"])
    assert whole_server.openssl("verify", "-CAfile", server.folder / "ca.crt", tmp_path / "device.pem").strip().endswith(b"OK")
    public = whole_server.openssl("x509", "-in", tmp_path / "device.pem", "-pubkey", "-noout")
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
    one = whole_server.Server(tmp_path)
    one.start()
    try:
        code, answer = enrol(one, devices[0])
        assert code == "ek-untrusted" and "issuer is not among the certificates" in answer["error"]["rule"]
    finally:
        one.stop()


# --- the story of a device ---


class Agent:
    """The real agent on a device whose machine boots, with a log, when told to."""

    def __init__(self, server, device, folder):
        self.server, self.device, self.folder = server, device, folder
        for at in (folder, *folder.parents, device.folder, *device.folder.parents):
            if os.stat(at).st_uid == os.geteuid():
                os.chmod(at, os.stat(at).st_mode | stat.S_IXOTH)
        (folder / "agent.yaml").write_text(
            f"server: localhost:{server.devices}\nserver_ca: {server.folder}/ca.crt\nstate_dir: {folder}/state\n"
            f"status_file: {folder}/status.json\neventlog: {folder}/log\nima: {folder}/ima\ntpm: swtpm:path={device.socket}\n"
            "users: {tpm: 64501, net: 64502, collect: 64503}\n")
        (folder / "ima").write_bytes(b"")

    def boot(self, log):
        self.device.reset()
        self.device.extend(log.steps())
        (self.folder / "log").write_bytes(bytes(log))

    def attest(self):
        done = subprocess.run([BIN.parent / "chainhold-agent", "--config", self.folder / "agent.yaml", "--once"], capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def machine(server, maker, tmp_path):
    (tmp_path / "tpm").mkdir()
    (tmp_path / "agent").mkdir()
    device = maker.make(tmp_path / "tpm")
    yield Agent(server, device, tmp_path / "agent")
    device.stop()


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
    machine.boot(live_tpm.Log(LOG))
    status = machine.attest()
    assert status["state"] == "enrolled" and status["chain"] == "contraindicated"  # nothing to compare with yet
    status, answer = server.act("baseline.approve", "gateway", baseline)
    assert status == 200, answer
    status = machine.attest()
    assert (status["state"], status["chain"]) == ("trusted", "affirming"), status
    evil = live_tpm.Log(LOG)
    record = next(r for r in evil.records if r.kind == 0x80000003)
    record.digests = {0x000B: hashlib.sha256(b"evil").digest()}
    machine.boot(evil)
    status = machine.attest()
    assert (status["state"], status["chain"]) == ("quarantined", "contraindicated"), status
    device = next(d for d in server.admin("GET", "/api/v1/devices")[1]["devices"] if d["state"] == "quarantined")
    reasons = server.admin("GET", f"/api/v1/devices/{device['device']}")[1]["reasons"]
    named = [r for r in reasons if r["code"] == "event-unexplained"]
    assert [(r["link"], r["digest"], r["pcr"]) for r in named] == [("boot", hashlib.sha256(b"evil").hexdigest(), record.pcr)]
    assert named[0]["type"] == "EV_EFI_BOOT_SERVICES_APPLICATION" and named[0]["measured"]
    machine.boot(live_tpm.Log(LOG))
    status = machine.attest()
    if status["state"] == "quarantined":
        status = machine.attest()  # the key was renewed; the next evidence comes with the new certificate
    assert (status["state"], status["chain"]) == ("trusted", "affirming"), status
