# SPDX-License-Identifier: Apache-2.0
"""A deployment is proven by a quote (swtpm, the real agent and server), not by a word; what runs is the update link."""

import copy
import hashlib
import json

import pytest

import device_tpm
from release_world import Releases
from server_support import Gateway, maker_with_roots, needs_root

pytestmark = needs_root
DATA = b"what installs it"
FILE = {"name": "gateway.bin", "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest(), "kind": "file", "compatible": None}


class World(Releases):
    """Two releases, which differ in the payload that the firmware starts, and a baseline of all the rest."""

    def __init__(self, folder):
        super().__init__(folder)
        maker = maker_with_roots(folder / "maker", self.server)
        self.server.start()
        self.begin()
        self.gateway = Gateway(folder / "gateway", maker, self.server)
        self.log = self.gateway.log
        self.id = self.gateway.attest()["device"]
        self.release = {}

    def boot_of(self, version):
        log = copy.deepcopy(self.log)
        if version != "1.0.0":
            log.find(2, text=b"payload").digests[0x000B] = hashlib.sha256(version.encode()).digest()
        return log

    def prepare(self):
        baseline = json.loads(self.server.cli("baseline", "capture", "--device", self.id))
        own = self.log.find(2, text=b"payload").digests[0x000B].hex()
        payload = next(e for e in baseline["events"] if e["pcr"] == 2 and e["digests"]["sha256"] == own)
        baseline["events"].remove(payload)
        self.server.cli("baseline", "approve", "--class", "gateway", "--reason", "test", self.file("base", json.dumps(baseline).encode()))
        for n, version in enumerate(["1.0.0", "2.0.0"]):
            event = {**payload, "required": True}
            if n:
                event["digests"] = {"sha256": hashlib.sha256(version.encode()).hexdigest()}
            note = self.note([FILE], version=version, sequence=n + 1, floor=n + 1,
                             reference={**self.reference("gateway-os", version, events=[event]), "pcrs": [2]})
            status, answer = self.publish_release(note)
            assert status == 200, answer
            self.release[version] = note
        self.server.cli("release", "upload", self.file("data", DATA))

    def deployment(self):
        return self.server.get(f"/api/v1/deployments?device={self.id}")["deployments"][0]

    def link(self):
        return self.server.get(f"/api/v1/devices/{self.id}")["links"]["update"]["tier"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    device_tpm.needed()
    one = World(tmp_path_factory.mktemp("proof"))
    try:
        yield one
    finally:
        one.gateway.stop()
        one.server.stop()


def test_what_runs_is_known_by_measurement(world):
    world.prepare()
    assert world.gateway.attest()["chain"] == "affirming"
    assert world.link() == "affirming"


def test_what_it_still_runs_does_not_prove_what_it_is_offered(world):
    assert world.assign(world.id, world.release["2.0.0"])[0] == 200
    world.gateway.attest()
    assert world.deployment()["state"] == "offered"


def test_proven_by_the_boot_of_the_release(world):
    world.gateway.reboot(world.boot_of("2.0.0"))
    status = world.gateway.attest()
    one = world.deployment()
    assert (status["chain"], one["state"], one["evidence"]) == ("affirming", "proven", status["evidence"])
    assert world.link() == "affirming" and "proven" in world.server.cli("update", "list", "--device", world.id)


def test_going_back_below_the_floor_breaks_the_link(world):
    status, answer = world.assign(world.id, world.release["1.0.0"])
    assert status == 409 and "go back" in answer["error"]["rule"]
    world.gateway.reboot(world.boot_of("1.0.0"))
    world.gateway.attest()
    assert world.link() == "contraindicated"
    assert world.deployment()["state"] == "proven"  # what was shown was shown


def test_a_boot_of_no_release_says_nothing_of_one(world):
    world.gateway.reboot(world.boot_of("9.9.9"))
    world.gateway.attest()
    assert world.link() == "none"
