# SPDX-License-Identifier: Apache-2.0
"""Tokens of hawkBit's DDI, for clients without a certificate: off unless chainholdd.yaml says so, kept as their SHA-256, for one device or for all."""

import contextlib
import hashlib
import os
import secrets
import signal
import sqlite3

import pytest

from ddi_world import World
from server_support import needs_root, until
from swupdate_client import Swupdate, needed

pytestmark = needs_root
FILE = "ddi_tokens"


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


def target(token):
    return f"TargetToken {token}"


class Tokens(World):
    """`target` are tokens by device; `gateway` is the one for all."""

    def __init__(self, folder):
        self.target, self.gateway = {}, secrets.token_hex(16)
        super().__init__(folder, ddi=f"{{poll: 5, target_tokens: {FILE}, gateway_token: {sha256(self.gateway)}}}")
        self.write()

    def write(self, *lines):
        (self.server.folder / FILE).write_text("# for tests\n\n" + "".join(f"{d} {sha256(t)}\n" for d, t in self.target.items()) +
                                               "".join(f"{line}\n" for line in lines))

    def reload(self, *lines, says="configuration"):
        """Writes the file and lets the server read it."""
        self.write(*lines)
        before = len(self.server.lines)
        os.kill(self.server.process.pid, signal.SIGHUP)
        until(lambda: any(says in line for line in self.server.lines[before:]), self.server.said)

    def poll(self, device, token):
        return self.ask(None, "GET", self.base(device), **({"Authorization": token} if token else {}))

    def takes(self, device, token, status=200):
        return until(lambda: self.poll(device, token).status == status, self.server.said)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = Tokens(tmp_path_factory.mktemp("tokens"))
    with one.server:
        one.begin()
        one.id, one.files = one.device("one")
        one.other_id, one.other = one.device("two")
        yield one


def code(answer, status):
    assert answer.status == status, answer.body
    return answer.json()["error"]["code"]


def test_a_token_speaks_for_its_device(world):
    world.target = {world.id: secrets.token_hex(16), world.other_id: secrets.token_hex(16)}
    world.reload()
    mine, theirs = target(world.target[world.id]), target(world.target[world.other_id])
    world.takes(world.id, mine)
    assert world.poll(world.id.upper(), mine).status == 200
    for device, token in ((world.id, theirs), (world.other_id, mine), (world.id, target("x")), (world.id, mine.lower()), (world.id, mine + "0"),
                          (world.id, mine[:-1]), (world.id, mine.replace(" ", "  ")), ("0" * 32, mine), (world.id, sha256(world.target[world.id])),
                          (world.id, target(sha256(world.target[world.id]))), (world.id, f"GatewayToken {world.target[world.id]}")):
        assert code(world.poll(device, token), 401) in ("token", "no-certificate"), token
    assert not any(t in line for line in world.server.lines for t in (*world.target.values(), world.gateway))


def test_it_opens_the_paths_of_ddi_and_no_other(world):
    mine = target(world.target[world.id])
    for path in ("/v1/update", "/v1/poll", "/v1/status", "/artifacts/" + "0" * 64):
        assert code(world.ask(None, "GET", path, Authorization=mine), 401) == "no-certificate"


def test_a_connection_is_nobodys(world):
    """Each request says who it is: a proxy may send many devices' over one connection."""
    with world.connection(None) as ask:
        for device in (world.id, world.other_id, world.id):
            assert ask("GET", world.base(device), Authorization=target(world.target[device])).status == 200
        assert code(ask("GET", world.base(world.id)), 401) == "no-certificate"


def test_an_update_by_token(world):
    action, _ = world.offer(world.id, ("image.swu", b"x" * 5000))
    base, mine = world.base(world.id), target(world.target[world.id])
    with world.connection(None) as ask:
        path = f"{base}/softwaremodules/{action}/artifacts/image.swu"
        assert ask("GET", path, Authorization=mine).body == b"x" * 5000
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", {"status": {"execution": "closed", "result": {"finished": "success"}}},
                   Authorization=mine).status == 200
    assert world.deployment(action)["state"] == "installed"


def test_a_name_that_reads_as_an_id_takes_nobodys_place(world):
    """Certificates may call a device what a profile lets them: here, the id of another one."""
    with contextlib.closing(sqlite3.connect(world.server.folder / "state" / "store" / "chainhold.db", timeout=60)) as db, db:
        seq, = db.execute("SELECT seq FROM device WHERE id = ?", (bytes.fromhex(world.other_id),)).fetchone()
        db.execute("INSERT INTO alias (tenant, seq, device, kind, value, since, until) SELECT 0, max(seq) + 1, ?, 5, ?, 1, 0 FROM alias",
                   (seq, world.id.encode()))
    world.server.replace("keeper")
    world.server.settled()
    mine = target(world.target[world.id])
    world.takes(world.id, mine)
    assert "installedBase" in world.poll(world.id, mine).json()["_links"]  # the other has installed nothing


def test_the_gateway_speaks_for_all_that_are_known(world):
    token = f"GatewayToken {world.gateway}"
    assert world.poll(world.id, token).status == world.poll(world.other_id, token).status == 200
    assert code(world.poll("0" * 32, token), 403) == "unknown-device"
    assert code(world.poll(world.id, target(world.gateway)), 401) == "token"


def test_a_device_that_is_cut_off_is_cut_off(world):
    assert world.act("device.quarantine", world.other_id)[0] == 200
    action = world.base(world.other_id, "/deploymentBase/1001")
    for token in (target(world.target[world.other_id]), f"GatewayToken {world.gateway}"):
        assert code(world.ask(None, "GET", action, Authorization=token), 403) == "state"


def test_swupdate_updates_with_a_token(world, tmp_path):
    needed()
    device = Swupdate(tmp_path / "gw", world.server)
    device.controller = world.id
    try:
        action, _ = world.offer(world.id, ("token.swu", device.image(b"y" * 4096)))
        more = f'    targettoken = "{world.target[world.id]}";\n'
        device.start(more=more)
        until(lambda: "All Chunks Installed." in [f["reason"] for f in world.deployment(action)["feedback"]], device.log, every=0.2)
        device.stop()
        device.start(confirm=2, more=more)
        world.wait(action, lambda d: d["state"] == "installed")
    finally:
        device.stop()


def test_what_is_taken_out_holds_no_more(world):
    mine = target(world.target[world.id])
    world.reload("not a line", says=f"{FILE}: byte")
    assert world.poll(world.id, mine).status == 200  # what does not hold changes nothing
    del world.target[world.id]
    world.reload()
    world.takes(world.id, mine, 401)
    assert world.poll(world.id, f"GatewayToken {world.gateway}").status == 200
