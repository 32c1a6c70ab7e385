# SPDX-License-Identifier: Apache-2.0
"""The agent with a live TPM against the real server: every process of both."""

import hashlib
import os
import struct

import live_tpm
import pytest
from agent_device import USERS, Device, Proxy
from server_support import Server, free_ports, needs_root, until
from support import FIXTURES

pytestmark = needs_root
BOOT = FIXTURES / "class-unit1"
DAY = 86400


class Pair:
    """A server and a device whose TPM has certificates that the server trusts."""

    def __init__(self, folder):
        self.device = Device(folder / "device")
        roots = self.device.tpm.manufacture()
        self.log, self.ima = (BOOT / "binary_bios_measurements").read_bytes(), (BOOT / "ima.binary").read_bytes()
        self.device.tpm.extend(live_tpm.Log(self.log).steps())
        self.device.tpm.extend(live_tpm.ima_steps(self.ima))
        (self.device.folder / "log").write_bytes(self.log)
        (self.device.folder / "ima").write_bytes(self.ima)
        self.server = Server(folder, ek_roots=roots)
        self.point(self.device)

    def point(self, device):
        device.set(server=f"127.0.0.1:{self.server.devices}", server_ca=self.server.folder / "ca.crt", **{"class": "gateway"})

    def polls(self, count):
        """Waits until the device has asked that often again."""
        def asked():
            return sum(int(line.rsplit(" ", 1)[1]) for line in self.server.get("/metrics").decode().splitlines()
                       if line.startswith("chainhold_edge_requests_total") and "poll" in line.lower())
        start = asked()
        until(lambda: asked() >= start + count, "the device does not ask", every=0.2)

    def shown(self):
        (one,) = self.server.get("/api/v1/devices")["devices"]
        return one


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    one = Pair(tmp_path_factory.mktemp("pair"))
    with one.server:
        yield one
    one.device.stop()


@pytest.fixture(scope="module")
def enrolled(pair):
    pair.status, _ = pair.device.once()
    return pair


def test_enrols_and_attests(enrolled):
    assert enrolled.status["enrolled"] and enrolled.status["attested"] and enrolled.status["evidence"] == 1
    assert enrolled.shown()["device"] == enrolled.status["device"]
    # no reference values yet: the platform is proven, the boot is not
    assert enrolled.status["reasons"] == ["boot: no reference values are in force for the class of this device"]


def test_what_the_server_has_is_not_sent_again(enrolled):
    proxy = Proxy(enrolled.server.devices)
    enrolled.device.set(proxy=f"127.0.0.1:{proxy.port}")
    try:
        status, _ = enrolled.device.once()
    finally:
        enrolled.device.set(proxy=None)
        proxy.socket.close()
    assert status["evidence"] == 2
    assert proxy.bytes[0] < len(enrolled.log) / 2


def test_history_reaches_the_server(enrolled):
    device = enrolled.device
    before = device.once()[0]["evidence"]
    device.set(server=f"127.0.0.1:{free_ports(1)[0]}")
    with open(device.folder / "ima", "ab") as ima:
        more = live_tpm.ima_ng("/usr/bin/new", hashlib.sha256(b"new").digest())
        ima.write(more)
    device.tpm.extend(live_tpm.ima_steps(more))
    status, _ = device.once(code=1)
    assert status["queued"] == 1
    enrolled.point(device)
    status, _ = device.once()
    assert status["queued"] == 0 and status["evidence"] == before + 2


def test_the_server_restarts_and_the_device_goes_on(enrolled):
    device = enrolled.device
    device.start()
    try:
        before = device.wait_status(lambda s: s["attested"])["evidence"]
        enrolled.server.kill()
        enrolled.server.start()
        device.again()
        device.wait_status(lambda s: s["attested"] and s["evidence"] > before)
    finally:
        device.process.terminate()
        assert device.process.wait(timeout=20) == 0


def test_asking_does_not_make_it_attest(enrolled):
    device = enrolled.device
    device.set(poll="1s", interval="24h")
    device.start()
    try:
        before = device.wait_status(lambda s: s["attested"])["evidence"]
        enrolled.polls(3)
        assert device.status()["evidence"] == before
    finally:
        device.set(poll=None, interval=None)
        device.process.terminate()
        assert device.process.wait(timeout=20) == 0


def age(device, seconds):
    """Lets the device believe that its certificate was issued long ago."""
    file = device.folder / "state/collect/identity"
    raw = bytearray(file.read_bytes()[:-32])
    at = 12 + 16 + 4
    struct.pack_into(">Q", raw, at, struct.unpack_from(">Q", raw, at)[0] - seconds)
    file.write_bytes(bytes(raw) + hashlib.sha256(raw).digest())


def test_renews_with_a_new_key(enrolled):
    key = enrolled.device.once()[0]["key"]
    age(enrolled.device, 70 * DAY)
    status, err = enrolled.device.once()
    assert status["key"] == key + 1 and "renewed with a new key" in err
    assert enrolled.device.once()[0]["attested"]


def test_a_tpm_that_nobody_vouches_for_is_refused(enrolled, tmp_path):
    stranger = Device(tmp_path / "stranger")
    enrolled.point(stranger)
    try:
        status, err = stranger.once(code=1)
    finally:
        stranger.stop()
    assert not status["enrolled"] and "403" in err


def test_lost_state_is_the_same_device(enrolled):
    device = enrolled.device
    device.set(state_dir=device.folder / "state-2")
    status, _ = device.once()
    assert status["device"] == enrolled.status["device"]
    assert os.stat(device.folder / "state-2/tpm").st_uid == USERS["tpm"]
