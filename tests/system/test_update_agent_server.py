# SPDX-License-Identifier: Apache-2.0
"""Updates with every process real: the server, the agent with a live TPM (swtpm), RAUC's service (rauc_host.py)."""

import hashlib
import os
import time

import pytest

import live_tpm
import rauc_host
import release_note
from rauc_host import COMPATIBLE, Rauc
from release_world import Releases
from server_support import needs_root
from support import FIXTURES
from update_machine import Machine, until

pytestmark = needs_root
BOOT = FIXTURES / "class-unit1"
PIECE = 8 << 20


class World(Releases):
    def __init__(self, folder, rauc):
        self.rauc, self.device = rauc, Machine(folder / "device")
        roots = self.device.tpm.manufacture()
        for name, data, steps in (("log", "binary_bios_measurements", lambda raw: live_tpm.Log(raw).steps()), ("ima", "ima.binary", live_tpm.ima_steps)):
            raw = (BOOT / data).read_bytes()
            self.device.tpm.extend(steps(raw))
            (self.device.folder / name).write_bytes(raw)
        super().__init__(folder, ek_roots=roots)
        self.server.start()
        self.ready()
        self.begin()
        self.device.set(server_ca=None, fleet_root=folder / "root.1", poll="1s", interval="2s", **{"class": "gateway"},
                        update=f"{{backend: rauc, bus: \"{rauc.address}\"}}")
        self.device.start()
        self.id = self.device.wait_status(lambda s: s["attested"], 60)["device"]

    def offer(self, path, compatible=COMPATIBLE, **changed):
        """Publishes a release of this bundle, uploads it and assigns it; the number of the deployment."""
        note = self.note([release_note.artifact(path, compatible)], **changed)
        status, answer = self.publish_release(note)
        assert status == 200, answer
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        for at in range(0, len(data), PIECE):
            status, answer = self.server.request(self.server.operators, "PUT", f"/api/v1/artifacts/{digest}?offset={at}", data[at:at + PIECE],
                                                 certificate=self.server.identity("admin"), headers={"Content-Type": "application/octet-stream"})
            assert status == 200, answer
        until(lambda: self.server.get(f"/api/v1/artifacts/{digest}")["complete"], lambda: "it is not complete")
        status, answer = self.assign(self.id, note)
        assert status == 200, answer
        return self.newest()["deployment"]

    def newest(self):
        return self.server.get(f"/api/v1/deployments?device={self.id}")["deployments"][0]

    def becomes(self, number, state):
        def seen():
            one = self.newest()
            return one if (one["deployment"], one["state"]) == (number, state) else None
        return until(seen, lambda: f"{self.newest()}\n{self.device.said()}")

    def reboot(self, boots=True):
        self.device.power_off()
        self.rauc.reboot(boots)
        self.device.new_boot()
        self.device.start()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with Rauc(folder / "rauc") as rauc:
        one = World(folder, rauc)
        yield one
        one.device.stop()
        one.server.stop()


def test_an_update_from_its_release_until_it_stays(world):
    image = os.urandom(3 << 20)
    number = world.offer(world.rauc.bundle("good", image), version="2.0.0", sequence=5, floor=5)
    one = world.becomes(number, "installed")
    assert one["slot"] == "A" and world.rauc.slot("B").startswith(image)
    world.reboot()
    # no measurements in this release: the server takes its word, and says so
    world.device.wait_status(lambda s: (s["update"] or {}).get("phase") == "good", 60)
    assert world.rauc.state("B") == "good" and world.newest()["state"] == "installed"


@pytest.mark.parametrize("what, why", [("stranger", "signature verification failed"), ("compatible", "no bundle"), ("older", "floor")])
def test_what_the_device_refuses_is_seen_on_the_server(world, what, why):
    options = {"stranger": {"sequence": 6}, "compatible": {"sequence": 7, "compatible": "another"}, "older": {"sequence": 4}}[what]
    signer = rauc_host.authority(world.folder, "stranger") if what == "stranger" else None
    number = world.offer(world.rauc.bundle(what, os.urandom(1 << 18), signer=signer), version=f"2.1.0-{what}", **options)
    assert why in world.becomes(number, "refused")["reason"]


def test_a_machine_that_fell_back_is_seen_on_the_server(world):
    number = world.offer(world.rauc.bundle("bad", os.urandom(1 << 20)), version="2.2.0", sequence=8)
    world.becomes(number, "installed")
    world.reboot(boots=False)
    assert "as before the installation" in world.becomes(number, "fell-back")["reason"]


def test_a_server_that_is_killed_during_the_download(world):
    image = os.urandom(7 << 20)
    number = world.offer(world.rauc.bundle("large", image), version="2.3.0", sequence=9)
    until(lambda: world.newest()["state"] != "offered", world.device.said)
    world.server.kill()
    time.sleep(1)
    world.server.start()
    world.ready()
    world.becomes(number, "installed")
    assert world.rauc.slot("A" if world.rauc.boot == "B" else "B").startswith(image)
