# SPDX-License-Identifier: Apache-2.0
"""A deployment is proven by a quote (swtpm, the real agent and server), not by a word; what runs is the update link."""

import copy
import hashlib
import secrets

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
        self.token = secrets.token_hex(16)
        gateway = hashlib.sha256(self.token.encode()).hexdigest()
        super().__init__(folder, change=lambda text: text + f"ddi: {{gateway_token: {gateway}}}\n")
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

    def baseline(self):
        """Captures and approves what the device shows; returns its text and digest."""
        file = self.file("base", self.server.cli("baseline", "capture", "--device", self.id).encode())
        self.server.cli("baseline", "approve", "--class", "gateway", "--reason", "test", file)
        return file.read_text(), self.sha256(file)

    def publish_version(self, version, sequence):
        found = self.boot_of(version).find(2, text=b"payload")
        event = {"pcr": 2, "type": found.kind, "digests": {"sha256": found.digests[0x000B].hex()}, "required": True}
        note = self.note([FILE], version=version, sequence=sequence, floor=sequence,
                         reference={**self.reference("gateway-os", version, events=[event]), "pcrs": [2]})
        status, answer = self.publish_release(note)
        assert status == 200, answer
        self.release[version] = note

    def deployment(self):
        return self.server.get(f"/api/v1/deployments?device={self.id}")["deployments"][0]

    def ddi(self, method, rest="", body=None):
        """What a stock client on the device asks: beside the agent, whose key is in the TPM, with a token."""
        return self.server.device(method, f"/DEFAULT/controller/v1/{self.id}{rest}", body, headers={"Authorization": f"GatewayToken {self.token}"})

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


def test_the_first_release_breaks_no_device_that_its_baseline_explains(world):
    world.whole, world.old = world.baseline()
    assert world.gateway.attest()["chain"] == "affirming"
    world.publish_version("2.0.0", 2)
    assert world.gateway.attest()["chain"] == "affirming" and world.link() == "none"


def test_what_runs_is_known_by_measurement(world):
    """A baseline that is captured again leaves to the release what it brings, so that another can follow."""
    world.publish_version("1.0.0", 1)
    rest, new = world.baseline()
    own = world.log.find(2, text=b"payload").digests[0x000B].hex()
    assert own in world.whole and own not in rest and new != world.old
    world.server.cli("baseline", "retire", "--class", "gateway", "--reason", "test", world.old)
    assert world.gateway.attest()["chain"] == "affirming"
    assert world.link() == "affirming"
    world.server.cli("release", "upload", world.file("data", DATA))


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


def test_what_a_stock_client_says_is_a_claim_until_the_boot_shows_it(world):
    """A device that attests by our agent and updates by hawkBit's DDI."""
    world.publish_version("3.0.0", 3)
    assert world.assign(world.id, world.release["3.0.0"])[0] == 200
    action = world.deployment()["deployment"]
    assert world.ddi("GET")[1]["_links"]["deploymentBase"]["href"].endswith(f"/deploymentBase/{action}")
    told = world.ddi("GET", f"/deploymentBase/{action}")[1]["deployment"]["chunks"][0]
    assert told["version"] == "3.0.0" and told["artifacts"][0]["hashes"]["sha1"] == hashlib.sha1(DATA).hexdigest()
    done = {"id": action, "status": {"execution": "closed", "result": {"finished": "success"}, "details": ["done"]}}
    assert world.ddi("POST", f"/deploymentBase/{action}/feedback", done)[0] == 200
    world.gateway.attest()
    assert world.deployment()["state"] == "installed"
    world.gateway.reboot(world.boot_of("3.0.0"))
    assert world.gateway.attest()["chain"] == "affirming"
    assert world.deployment()["state"] == "proven"
    assert "deploymentBase" not in world.ddi("GET")[1]["_links"]


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
