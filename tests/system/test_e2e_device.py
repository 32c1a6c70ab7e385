# SPDX-License-Identifier: Apache-2.0
"""
A device made of stock programs (swtpm, tpm2-tools, openssl with its TPM provider) against a real server, with recorded boots
measured into its TPM. It can do what our agent would not: send old quotes, the quotes of another TPM, another's logs.
"""

import hashlib
import json
import secrets
import subprocess

import pytest

import device_tpm
from device_tpm import b64
from e2e_support import Server, needed
from live_tpm import Log
from support import FIXTURES
from tpm_room import Room

SBON = (FIXTURES / "sbon-good" / "binary_bios_measurements").read_bytes()
SYSTEMD = (FIXTURES / "class-unit1-systemd" / "binary_bios_measurements").read_bytes()
PHASES = ["enter-initrd", "leave-initrd", "sysinit", "ready"]
EVIL = (FIXTURES / "sbon-attackerkey-tampered" / "binary_bios_measurements").read_bytes()


class Stock(device_tpm.Device):
    """A TPM and what sends its evidence."""

    def request(self, server, path, body=None, key=None, certificate="device.pem", method="POST"):
        """One request over TLS 1.3, signed by the key in the TPM: (status, answer)."""
        payload = b"" if body is None else json.dumps(body).encode()
        head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(payload)}"]
        if body is not None:
            head.append("Content-Type: application/json")
        if key:
            head.append(f"Idempotency-Key: {key}")
        command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.devices}", "-CAfile", server.folder / "ca.crt",
                   "-verify_return_error"]
        if certificate:
            command += ["-provider", "default", "-provider", "tpm2", "-propquery", "?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes",
                        "-cert", self.folder / certificate, "-key", f"handle:{device_tpm.KEY_HANDLE:#x}"]
        self.tool("flushcontext", "-t")
        with Room(self.folder / "room", self.socket) as room:
            done = subprocess.run(command, input="\r\n".join(head).encode() + b"\r\n\r\n" + payload, capture_output=True, timeout=60,
                                  check=False, env={"TPM2OPENSSL_TCTI": f"swtpm:path={room.path}", "PATH": "/usr/bin:/bin"})
        top, _, text = done.stdout.partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 "), done.stderr.decode()[-600:]
        return int(top.split()[1]), json.loads(text) if text else None

    def enrol(self, server):
        self.make_keys()
        status, answer = self.request(server, "/v1/enrol", json.loads(self.enrolment()), certificate=None)
        assert status == 200, answer
        secret = self.activate(answer)
        assert secret is not None
        status, answer = self.request(server, "/v1/enrol/finish", {"enrol": answer["enrol"], "secret": b64(secret)}, certificate=None)
        assert status == 201, answer
        (self.folder / "device.pem").write_text(answer["certificate"])
        return answer["device"]

    def challenge(self, server):
        status, answer = self.request(server, "/v1/challenge")
        assert status == 200, answer
        return bytes.fromhex(answer["nonce"])

    def evidence(self, server, quote, log=SBON, key=None):
        msg, sig = quote
        body = {"quote": b64(msg), "signature": b64(sig), "eventlog": {"from": 0, "data": b64(log)}, "ima": {"from": 0, "data": ""},
                "collected": 0, "history": False, "agent": "stock"}
        return self.request(server, "/v1/evidence", body, key=key or secrets.token_hex(8))

    def attest(self, server, log=SBON):
        status, answer = self.evidence(server, self.quote_nonce(self.challenge(server)), log)
        assert status == 200, answer
        return answer


def phases(words):
    """What systemd-pcrphase extends, which no log has."""
    return [(11, {"sha256": hashlib.sha256(word.encode()).digest()}) for word in words]


@pytest.fixture
def lab(tmp_path):
    """A server that trusts a maker of TPMs, and devices of that maker: make() gives one with a good boot in its registers."""
    needed()
    device_tpm.needed()
    tmp_path.chmod(0o711)
    (tmp_path / "maker").mkdir()
    maker = device_tpm.Maker(tmp_path / "maker")
    made = []

    def make(log=SBON, words=()):
        folder = tmp_path / f"device{len(made)}"
        folder.mkdir()
        device = maker.make(folder)
        device.__class__ = Stock
        made.append(device)
        device.extend(Log(log).steps())
        device.extend(phases(words))
        return device

    first = make()  # makes the maker's certificates
    server = Server(tmp_path / "server")
    server.trust(*(tmp_path / "maker" / name for name in ("swtpm-localca-rootca-cert.pem", "issuercert.pem")))
    try:
        with server:
            yield server, first, make
    finally:
        for device in made:
            device.stop()


def trusted(server, device):
    """Enrols and makes its boot the good one."""
    identity = device.enrol(server)
    device.attest(server)
    server.approve_baseline(identity)
    answer = device.attest(server)
    assert (answer["chain"], answer["state"]) == ("affirming", "trusted"), answer
    return identity


def codes(answer):
    return {r["code"] for r in answer["reasons"]}


def test_a_good_boot_and_then_its_quote_again(lab):
    """An old quote, sent as new, is a replay and says so."""
    server, device, _ = lab
    identity = trusted(server, device)
    assert server.get(f"/api/v1/devices/{identity}")["agent"] == "stock"
    old = device.quote_nonce(device.challenge(server))
    status, answer = device.evidence(server, old)
    assert (status, answer["chain"]) == (200, "affirming"), answer
    device.challenge(server)
    status, answer = device.evidence(server, old)
    assert status == 200 and answer["chain"] == "contraindicated" and answer["state"] == "quarantined", answer
    assert "replayed" in codes(answer)


def test_the_same_request_again_is_the_same_answer(lab):
    server, device, _ = lab
    trusted(server, device)
    quote = device.quote_nonce(device.challenge(server))
    first = device.evidence(server, quote, key="one")
    assert device.evidence(server, quote, key="one") == first and first[0] == 200


def test_the_quote_of_another_tpm(lab):
    """The other TPM has booted well and answers this device's challenge; its key is not the one that was enrolled."""
    server, device, make = lab
    trusted(server, device)
    other = make()
    other.make_keys()
    status, answer = device.evidence(server, other.quote_nonce(device.challenge(server)))
    assert status == 200 and (answer["chain"], answer["state"]) == ("contraindicated", "quarantined"), answer
    assert "signature" in codes(answer)


def test_a_log_without_its_end(lab):
    server, device, _ = lab
    trusted(server, device)
    log = Log(SBON)
    log.records.pop()
    answer = device.attest(server, bytes(log))
    assert (answer["chain"], answer["state"]) == ("contraindicated", "quarantined"), answer
    assert "log-mismatch" in codes(answer)


def test_another_boot_and_the_way_back(lab):
    """After a reset the attacker's boot is measured: quarantined, and the event is named. After the next one it is good again."""
    server, device, _ = lab
    identity = trusted(server, device)
    device.reset()
    device.extend(Log(EVIL).steps())
    answer = device.attest(server, EVIL)
    assert (answer["chain"], answer["state"]) == ("contraindicated", "quarantined"), answer
    assert "secure-boot-key" in codes(answer)
    text = server.operator("device", "explain", identity, code=1)
    assert "CN=attacker db" in text and "UKI section .cmdline" in text, text
    device.reset()
    device.extend(Log(SBON).steps())
    answer = device.attest(server)
    assert answer["chain"] == "affirming" and answer["renew"], answer


def test_the_phases_of_systemd(lab):
    """
    A boot of systemd as it was recorded: its phases are in a register and in no log. Before anybody has approved a boot of this class
    nothing explains them. Afterwards a word that is none of them is an attack.
    """
    server, _, make = lab
    device = make(SYSTEMD, PHASES)
    identity = device.enrol(server)
    answer = device.attest(server, SYSTEMD)
    assert answer["chain"] == "contraindicated" and "log-mismatch" in codes(answer), answer
    server.approve_baseline(identity)
    answer = device.attest(server, SYSTEMD)
    assert answer["chain"] == "affirming" and answer["renew"], answer
    device.extend(phases(["shutdown"]))
    assert device.attest(server, SYSTEMD)["chain"] == "affirming"
    device.extend(phases(["somebody"]))
    answer = device.attest(server, SYSTEMD)
    assert (answer["chain"], answer["state"]) == ("contraindicated", "quarantined"), answer
    assert "log-mismatch" in codes(answer)


def test_a_tpm_of_a_maker_that_nobody_knows(lab, tmp_path):
    server, _, _ = lab
    (tmp_path / "stranger").mkdir()
    (tmp_path / "strange").mkdir()
    device = device_tpm.Maker(tmp_path / "stranger").make(tmp_path / "strange")
    device.__class__ = Stock
    try:
        device.make_keys()
        status, answer = device.request(server, "/v1/enrol", json.loads(device.enrolment()), certificate=None)
        assert status == 403 and "error" in answer, answer
    finally:
        device.stop()
