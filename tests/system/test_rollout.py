# SPDX-License-Identifier: Apache-2.0
"""
Rollouts at the whole server: one goes through its canary, proven by a quote of swtpm, to its end; another is halted by its canaries and
says who did it; why a device is not updated is answered in sentences.
"""

import json
import re

import pytest
from cryptography.hazmat.primitives import serialization

import device_tpm
import openapi
from server_support import needs_root, new_key
from test_update_proof import DATA, World

pytestmark = needs_root
TOKENS = 5


class Rollouts(World):
    """The gateway of swtpm, and devices without a TPM."""

    def __init__(self, folder):
        super().__init__(folder)
        self.baseline()
        self.gateway.attest()
        self.publish_version("2.0.0", 2)
        self.server.cli("release", "upload", self.file("data", DATA))
        self.devices = dict(self.enrol(f"token{i}") for i in range(TOKENS))

    def enrol(self, name):
        key = new_key()
        _, answer = self.server.enrol_by_token(key)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_text(answer["certificate"] + answer.get("chain", ""))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return answer["device"], files

    def release_of(self, version):
        return next(r["sha256"] for r in self.server.get("/api/v1/releases")["releases"] if r["version"] == version)

    def yaml(self, name, version, canaries, **changed):
        """The file of a rollout, and its path."""
        document = {"type": "chainhold-rollout/v1", "name": name, "release": self.release_of(version),
                    "phases": [{"devices": canaries}, {"percent": 100}], "halt": {"failures": {"count": 2}, "proof_minutes": 60},
                    "advance": {"proven": 100}, "claimed": "count", "spread": 60000, **changed}
        lines = [f"{key}: {json.dumps(value)}" for key, value in document.items()]
        return self.file(f"{name}.yaml", "\n".join(lines).encode())

    def create(self, name, version, canaries, code=0, **changed):
        return self.server.cli("rollout", "create", "--reason", "test", self.yaml(name, version, canaries, **changed), code=code)

    def rollout(self, name):
        return self.server.get(f"/api/v1/rollouts/{name}")

    def wait(self, name, holds):
        return self.server.wait(f"/api/v1/rollouts/{name}", holds)

    def offered(self, device):
        """The number of the deployment that the device is told to do something about."""
        told = openapi.DEVICE.valid("Update", self.server.device("GET", "/v1/update", certificate=self.devices[device])[1])
        return told["deployment"] if told["state"] == "offered" else None

    def says(self, device, *words, **more):
        number = self.offered(device)
        for word in words:
            status, answer = self.server.device("POST", f"/v1/update/{number}/feedback", {"state": word, **more},
                                                certificate=self.devices[device])
            assert status == 200, answer

    def explained(self, device):
        """{code: sentence} of the sentences about updates."""
        page = self.server.get(f"/api/v1/devices/{device}/explain")
        return {s["code"]: s["text"] for s in page["sentences"] if s["kind"] == "update"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    device_tpm.needed()
    one = Rollouts(tmp_path_factory.mktemp("rollout"))
    try:
        yield one
    finally:
        one.gateway.stop()
        one.server.stop()


def test_a_file_that_is_wrong_is_refused_with_line_and_column(world):
    path = world.yaml("bad", "2.0.0", [world.id], mode="hard")
    line = path.read_text().splitlines().index('mode: "hard"') + 1
    out = world.server.cli("rollout", "create", "--reason", "test", path, code=1)
    assert f"line {line}, column 7: the mode is soft or forced" in out
    assert world.server.get("/api/v1/rollouts")["rollouts"] == []


def test_before_there_is_one_nothing_is_assigned(world):
    assert set(world.explained(world.id)) == {"no-release"}


def test_a_rollout_goes_on_by_proof_to_its_end(world):
    assert "rollout.create good" in world.create("good", "2.0.0", [world.id])
    world.wait("good", lambda r: r["deployments"]["offered"] == 1)
    first, *rest = world.devices
    # The canary alone has it, and nobody goes on before it is proven.
    assert [world.offered(d) for d in world.devices] == [None] * TOKENS
    assert "phase 2; phase 1 runs now" in world.explained(first)["phase"]
    assert "has not taken it up" in world.explained(world.id)["offered"]
    world.gateway.reboot(world.boot_of("2.0.0"))
    evidence = world.gateway.attest()["evidence"]
    stands = world.wait("good", lambda r: r["phase"] == 2 and r["deployments"]["offered"] == TOKENS)
    assert stands["stages"][0]["deployments"]["proven"] == 1 and stands["devices"] == TOKENS + 1
    assert f"explained by this release, evidence {evidence}" in world.explained(world.id)["proven"]
    # The others cannot prove it: their word is enough because the document says so.
    for device in world.devices:
        world.says(device, "downloading", "installed")
    world.wait("good", lambda r: r["state"] == "finished")
    assert "no measured boot: it stays claimed" in world.explained(rest[0])["installed"]
    assert re.search(r"good +gateway-os 2.0.0 +finished +2 of 2 +6 +1 +0", world.server.cli("rollout", "list"))


def test_canaries_that_fail_halt_it_and_it_says_who(world):
    world.publish_version("3.0.0", 3)
    one, two, *rest = world.devices
    world.create("bad", "3.0.0", [one, two])
    world.wait("bad", lambda r: r["deployments"]["offered"] == 2)
    world.says(one, "refused", reason="no room for it")
    world.says(two, "downloading", "fell-back", reason="it hangs")
    stands = world.wait("bad", lambda r: r["state"] == "halted")
    world.server.wait_line("the rollout bad is halted: 2 of 2 devices failed")
    assert "2 of 2 devices failed: " in stands["reason"] and "(refused: no room for it)" in stands["reason"]
    page = world.server.cli("rollout", "show", "bad")
    assert "halted, phase 1 of 2" in page and "it hangs" in page
    assert "is halted: 2 of 2 devices failed" in world.explained(rest[0])["halted"]
    assert "no room for it" in world.explained(one)["refused"]
    assert [world.offered(d) for d in rest] == [None] * (TOKENS - 2)


def test_it_stays_halted_over_a_restart_and_goes_on_when_told(world):
    world.server.replace("keeper")
    world.server.settled()
    assert world.rollout("bad")["state"] == "halted"
    assert world.act("rollout.resume", "bad")[0] == 200  # asks again until the keeper is there
    # None of the phase has it: it waits, and has not gone on.
    stands = world.wait("bad", lambda r: r["state"] == "running")
    assert stands["phase"] == 1
    world.server.cli("rollout", "pause", "--reason", "test", "bad")
    assert "is paused: paused by an operator" in world.explained(list(world.devices)[-1])["paused"]
    assert "the state of the rollout" in world.server.cli("rollout", "pause", "--reason", "test", "bad", code=1)
    world.server.cli("rollout", "abort", "--reason", "test", "bad")
    assert world.rollout("bad")["state"] == "aborted"


def test_what_the_window_holds_back(world):
    one, *_ = world.devices
    # One minute of a day that is days away.
    world.publish_version("4.0.0", 4)
    far = (int(world.server.get("/api/v1/status")["time"]) // 86400 + 3 + 3) % 7
    day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][far]
    world.create("night", "4.0.0", [one], window={"days": [day], "from": "03:00", "to": "03:01"})
    stands = world.wait("night", lambda r: r["state"] == "running")
    assert stands["opens"] > stands["time"] and stands["document"]["window"]["days"] == [day]
    assert "maintenance window, which opens at " in world.explained(one)["window"]
    devices = openapi.OPERATOR.valid("RolloutDevices", world.server.get("/api/v1/rollouts/night/devices"))["devices"]
    assert {d["status"] for d in devices} == {"waits"} and [d["device"] for d in devices if int(d["place"]) < 0] == [one]
    walked, after = [], 0
    while after is not None:
        page = world.server.get(f"/api/v1/rollouts/night/devices?limit=2&after={after}")
        walked, after = walked + page["devices"], page["next"]
    assert walked == devices and len(devices) == TOKENS + 1
    assert world.server.cli("rollout", "show", "--devices", "night").count("waits") == TOKENS + 1
    world.server.cli("rollout", "abort", "--reason", "test", "night")


def test_in_quarantine_no_rollout_comes(world):
    device = list(world.devices)[2]
    world.server.cli("device", "quarantine", "--reason", "test", device)
    assert "quarantined" in world.explained(device)
    world.create("without", "4.0.0", [world.id], start="2099-01-01T00:00:00Z")
    assert world.rollout("without")["state"] == "planned"
    assert "newer release" not in world.server.cli("rollout", "list", "--state", "planned")


def test_back_only_where_devices_would_go(world):
    assert "no rollout of this name" in world.server.cli("rollout", "abort", "--reason", "test", "none", code=1)
    world.publish_version("1.0.0", 1)
    out = world.create("back", "1.0.0", [world.id], rollback=True, code=1)
    assert "it would refuse to go back" in out  # the gateway has proven 2.0.0, whose floor is 2


def test_each_step_was_signed_or_told(world):
    verbs = [a["verb"] for a in world.server.get("/api/v1/actions?limit=100")["actions"]]
    assert verbs.count("rollout.create") == 4 and "rollout.resume" in verbs
    status, answer = world.server.again(world.server.admin, "GET", "/api/v1/rollouts/none")
    assert status == 404 and openapi.OPERATOR.valid("Error", answer)
    assert world.server.again(world.server.admin, "GET", "/api/v1/rollouts?state=going")[0] == 400
