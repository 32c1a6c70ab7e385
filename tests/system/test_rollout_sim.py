# SPDX-License-Identifier: Apache-2.0
"""
Simulated devices go through a rollout, each proven by a quote, while the keeper ends again and again: nobody is left over or offered it twice.
Another is halted by what its canaries boot.
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
import time

import pytest

from release_world import Releases
from server_support import BUILD, needs_root
from support import ROOT

pytestmark = needs_root
DEVICES = 12
DATA = b"what installs it"
FILE = {"name": "gateway.bin", "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest(), "kind": "file", "compatible": None}
LOG = ROOT / "tests/fixtures/class-unit1/binary_bios_measurements"


class World(Releases):
    def __init__(self, folder):
        super().__init__(folder, change=lambda text: text + "limits: {enrol_rate: 0}\n")
        subprocess.run([BUILD / "chainhold-sim", "root", folder / "maker"], check=True)
        shutil.copy(folder / "maker" / "root.pem", self.server.folder / "ek_roots")
        self.server.start()
        self.begin()

    @contextlib.contextmanager
    def fleet(self, *more):
        """Devices that poll and attest every second or two, until the block ends."""
        command = [BUILD / "chainhold-sim", "run", "--maker", self.folder / "maker", "--ca", self.server.folder / "ca.crt", "--log", LOG,
                   "--server", f"localhost:{self.server.devices}", "--devices", str(DEVICES), "--seconds", "3600", "--poll", "1",
                   "--attest", "2", "--workers", "2", "--forgive", *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            try:
                yield p
            finally:
                p.terminate()
                self.told = json.loads(p.communicate()[0])

    def devices(self, query):
        return self.server.get(f"/api/v1/devices?limit=500{query}")["devices"]

    def endorse(self):
        """What the first devices show is the baseline of the class; they are not seen again."""
        with self.fleet():
            self.server.wait("/api/v1/devices?limit=500", lambda d: sum(x["attested"] is not None for x in d["devices"]) == DEVICES)
        for i in range(DEVICES):
            file = self.file(f"boot-{i}", self.server.cli("baseline", "capture", "--device", f"sim-{i}", "--name", f"boot-{i}").encode())
            self.server.cli("baseline", "approve", "--class", "gateway", "--reason", "test", file)

    def release(self, version, sequence, shows=b"simulated release"):
        event = {"pcr": 12, "type": 13, "required": True, "digests": {"sha256": hashlib.sha256(shows).hexdigest()}}
        note = self.note([FILE], version=version, sequence=sequence,
                         reference={**self.reference("gateway-os", version, events=[event]), "pcrs": [12]})
        status, answer = self.publish_release(note)
        assert status == 200, answer
        self.server.cli("release", "upload", self.file("data", DATA))
        return hashlib.sha256(note).hexdigest()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("sim"))
    try:
        yield one
    finally:
        one.server.stop()


def test_a_rollout_outlives_its_keeper(world):
    world.endorse()
    release = world.release("2.0.0", 2)
    with world.fleet("--update"):
        world.server.wait("/api/v1/devices?chain=affirming", lambda d: len(d["devices"]) == DEVICES)
        document = {"type": "chainhold-rollout/v1", "name": "all", "release": release, "filter": {"tier": "affirming"},
                    "phases": [{"count": 1}, {"percent": 50}, {"percent": 100}], "halt": {"failures": {"count": 1}},
                    "advance": {"proven": 100}, "spread": 60}
        world.server.cli("rollout", "create", "--reason", "test", world.file("all.json", json.dumps(document).encode()))
        for _ in range(4):
            time.sleep(2)  # somewhere in it
            world.server.replace("keeper")
            world.server.settled()
        stands = world.server.wait("/api/v1/rollouts/all", lambda r: r["state"] in ("finished", "halted"))
    assert stands["state"] == "finished" and stands["devices"] == DEVICES, stands
    assert stands["deployments"] == {**dict.fromkeys(stands["deployments"], 0), "proven": DEVICES}
    offered = [d["device"] for d in world.server.get("/api/v1/deployments?limit=500")["deployments"]]
    assert len(offered) == len(set(offered)) == DEVICES
    assert world.told["update"]["answered"] >= DEVICES


def test_what_boots_and_measures_what_nobody_expected_halts_it(world):
    release = world.release("3.0.0", 3, b"another release")
    with world.fleet("--mistake"):
        world.server.wait("/api/v1/devices?chain=affirming", lambda d: len(d["devices"]) == 2 * DEVICES)
        new = [d["device"] for d in world.devices("")][-DEVICES:]
        document = {"type": "chainhold-rollout/v1", "name": "wrong", "release": release,
                    "phases": [{"devices": new[:2]}, {"percent": 100}], "halt": {"failures": {"count": 2}}, "advance": {"proven": 50}}
        world.server.cli("rollout", "create", "--reason", "test", world.file("wrong.json", json.dumps(document).encode()))
        stands = world.server.wait("/api/v1/rollouts/wrong", lambda r: r["state"] in ("finished", "halted"))
    assert stands["state"] == "halted" and stands["phase"] == 1
    named = f"PCR 12: nobody endorsed this event; measured {hashlib.sha256(b'simulated mistake').hexdigest()}"
    assert stands["reason"].count("not-proven: ") == stands["reason"].count(named) == 2, stands["reason"]
    assert stands["deployments"] == {**dict.fromkeys(stands["deployments"], 0), "not-proven": 2}
    told = {s["code"]: s["text"] for s in world.server.get(f"/api/v1/devices/{new[0]}/explain")["sentences"] if s["kind"] == "update"}
    assert "its boot shows something else" in told["not-proven"] and named in told["not-proven"]
    # They are cut off, as any device is that boots what nobody endorsed.
    assert [world.server.get(f"/api/v1/devices/{d}")["state"] for d in new[:3]] == ["quarantined", "quarantined", "trusted"]
