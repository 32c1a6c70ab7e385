# SPDX-License-Identifier: Apache-2.0
"""
Debian's swupdate (suricatta), unmodified, takes its updates from the whole server by hawkBit's DDI over mutual TLS: every process real, its
releases published, its artefacts uploaded. What swupdate says is a claim: no device here has a measured boot, so none of it is proven.
"""

import hashlib
import os

import pytest
from cryptography.hazmat.primitives import serialization

import live_tpm
import swupdate_client
from ddi_world import World
from server_support import needs_root, new_key, until
from swupdate_client import Swupdate, TpmKey
from tcp_relay import Relay
from tpm_room import Room

pytestmark = needs_root


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    swupdate_client.needed()
    one = World(tmp_path_factory.mktemp("swupdate"))
    with one.server:
        one.begin()
        yield one


@pytest.fixture
def device(tmp_path, world):
    """With a key in a file, enrolled."""
    one = Swupdate(tmp_path / "gw", world.server)
    key = new_key()
    one.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    one.controller = world.enrol(key, one.certificate)
    yield one
    one.stop()


def attributes(world, device):
    return {a["name"]: a["value"] for a in world.server.get(f"/api/v1/devices/{device.controller}")["attributes"]}


def seen(world, device):
    """It has asked: its attributes are there."""
    until(lambda: attributes(world, device), device.log, every=0.2)


def reasons(world, action):
    return "\n".join(f["reason"] for f in world.deployment(action)["feedback"])


def updated(world, device, action, content):
    """The update as SWUpdate does it: installed, still open, closed by the start after the reboot."""
    device.start()
    until(lambda: device.stays() and "All Chunks Installed." in reasons(world, action), device.log, every=0.2)
    assert device.target.read_bytes()[:len(content)] == content
    assert set(world.said(action)) == {"proceeding/none"} and world.deployment(action)["state"] == "downloading"
    device.stop()
    device.start(confirm=2)
    last = world.wait(action, lambda d: d["state"] == "installed")
    assert last["reason"] == "Update Installed." and world.said(action)[-1] == "closed/success"
    assert last["evidence"] is None  # claimed, not proven


def test_it_updates_and_closes_after_its_restart(world, device):
    content = os.urandom(50000)
    action, _ = world.offer(device.controller, ("gateway-1.4.0.swu", device.image(content)))
    updated(world, device, action, content)
    assert attributes(world, device) == {"serial": "0815"}
    links = world.ask((device.certificate, device.key), "GET", world.base(device.controller)).json()["_links"]
    assert links["installedBase"]["href"].endswith(f"/installedBase/{action}") and "deploymentBase" not in links


def test_its_key_is_in_a_tpm(world, tmp_path):
    live_tpm.needed()
    tpm = live_tpm.Tpm(tmp_path)
    device = Swupdate(tmp_path / "gw", world.server)
    try:
        with Room(tmp_path / "room", tpm.socket) as room:
            key = TpmKey(device.folder, f"swtpm:path={room.path}")
            device.env, device.controller = key.env, world.enrol(key, device.certificate)
            action, _ = world.offer(device.controller, ("gateway-1.4.1.swu", device.image(b"x" * 4096)))
            updated(world, device, action, b"x" * 4096)
            device.stop()  # while the room is still open
    finally:
        device.stop()
        tpm.stop()


def test_an_image_of_a_stranger_is_refused_by_the_device_and_seen(world, device, tmp_path):
    image = device.image(b"x" * 4096, by=swupdate_client.signer(tmp_path, "stranger"))
    action, _ = world.offer(device.controller, ("stranger.swu", image))
    device.start()
    last = world.wait(action, lambda d: d["state"] == "refused")
    # which of its lines swupdate sends with the failure differs from run to run
    assert last["reason"] and world.said(action)[-1] == "closed/failure" and "Authentication of all signatures failed" in device.log()
    assert device.target.read_bytes() == b"\0" * 65536


def test_an_installation_that_fails_is_seen(world, device):
    """Correctly signed, for a place that is not there."""
    device.target = device.folder / "missing" / "target"
    action, _ = world.offer(device.controller, ("nowhere.swu", device.image(b"x" * 4096)))
    device.start()
    last = world.wait(action, lambda d: d["state"] == "refused")
    assert last["reason"] and world.said(action)[-1] == "closed/failure" and "Installation failed" in device.log()


def test_cancelled_before_it_began(world, device):
    action, _ = world.offer(device.controller, ("before.swu", device.image(b"x" * 4096)))
    world.cancel(device.controller)
    device.start()
    last = world.wait(action, lambda d: d["cancellation"] == "acknowledged")
    assert last["state"] == "cancelled" and world.said(action) == ["cancel:closed/success"]
    assert "cancellation acknowledged." in reasons(world, action) and device.target.read_bytes() == b"\0" * 65536


def test_a_download_that_is_cut_is_resumed(world, device):
    content = os.urandom(4 << 20)
    action, _ = world.offer(device.controller, ("long.swu", device.image(content)))
    with Relay(world.server.devices) as relay:
        relay.cut_after(2 << 20)
        device.start(port=relay.port)
        until(lambda: "All Chunks Installed." in reasons(world, action), device.log, every=0.2)
        assert relay.cuts == 1 and relay.sent < len(content) + (1 << 20)  # the rest, not all of it again
    assert hashlib.sha256(device.target.read_bytes()[:len(content)]).digest() == hashlib.sha256(content).digest()


def test_cancelled_during_the_download(world, device):
    content = os.urandom(4 << 20)
    action, _ = world.offer(device.controller, ("slow.swu", device.image(content)))
    with Relay(world.server.devices) as relay:
        relay.rate = 200 << 10
        device.start(port=relay.port)
        world.wait(action, lambda d: d["state"] == "downloading")
        until(lambda: relay.sent > 512 << 10, device.log, every=0.1)
        world.cancel(device.controller)
        last = world.wait(action, lambda d: d["cancellation"] == "acknowledged")
        assert last["state"] == "cancelled" and relay.sent < len(content)
    assert "cancellation acknowledged." in reasons(world, action)
