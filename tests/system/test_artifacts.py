# SPDX-License-Identifier: Apache-2.0
"""Artefacts at the real server: uploaded in pieces, kept once their hash holds, given to the devices that are offered them, in ranges."""

import contextlib
import hashlib
import http.client
import os

import pytest
from cryptography.hazmat.primitives import serialization

import openapi
from release_world import Releases
from server_support import PATIENCE, needs_root, new_key

pytestmark = needs_root
SIZE = 20 << 20


def entry(data, name="gateway.bin"):
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": "file", "compatible": None}


class World(Releases):
    def __init__(self, folder):
        super().__init__(folder, change=lambda text: text + "limits: {device_rate: 0}\n")
        self.data = os.urandom(SIZE)
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.small = b"small"
        self.note_ = self.note([entry(self.data), entry(self.small, "notes.txt")])

    def device(self, name):
        """A device without a TPM: (id, certificate files)."""
        key = new_key()
        _, answer = self.server.enrol_by_token(key)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_text(answer["certificate"] + answer.get("chain", ""))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return answer["device"], files

    def put(self, offset, data, sha256=None, operator="admin", status=200):
        got, answer = self.server.request(self.server.operators, "PUT", f"/api/v1/artifacts/{sha256 or self.sha256}?offset={offset}", data,
                                          certificate=self.server.identity(operator), headers={"Content-Type": "application/octet-stream"})
        assert got == status, answer
        return answer

    def fetch_as(self, files, path=None, method="GET", **headers):
        """(status, headers, bytes)"""
        with contextlib.closing(self.connection(files)) as c:
            c.request(method, path or f"/artifacts/{self.sha256}", headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = c.getresponse()
            return answer.status, answer.headers, answer.read()

    def connection(self, files):
        return http.client.HTTPSConnection("localhost", self.server.devices, context=self.server.context(files), timeout=PATIENCE)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("artifacts"))
    with one.server:
        one.begin()
        yield one


def test_only_what_a_published_release_lists(world):
    assert "no release" in world.put(0, b"x", status=404)["error"]["rule"]
    assert world.publish_release(world.note_)[0] == 200
    state = world.server.get(f"/api/v1/artifacts/{world.sha256}")
    assert (state["size"], state["have"], state["complete"]) == (SIZE, 0, False)
    world.server.add_operator("op", "operator")
    world.put(0, b"x", operator="op", status=403)


def test_pieces_come_in_order_and_no_longer_than_said(world):
    small = hashlib.sha256(world.small).hexdigest()
    assert "continue" in world.put(1, b"x", status=409)["error"]["rule"]
    assert "longer" in world.put(0, b"small and more", sha256=small, status=413)["error"]["rule"]
    assert world.put(0, world.data[: 1 << 20])["have"] == 1 << 20
    world.put(0, world.data[: 1 << 20], status=409)
    world.put("x", b"y", status=400)


def test_a_wrong_hash_is_taken_back(world):
    small = hashlib.sha256(world.small).hexdigest()
    assert "another SHA-256" in world.put(0, b"smalL", sha256=small, status=409)["error"]["rule"]
    assert world.server.get(f"/api/v1/artifacts/{small}")["have"] == 0


def test_what_is_not_whole_is_not_offered(world):
    world.id, world.files = world.device("one")
    status, answer = world.assign(world.id, world.note_)
    assert status == 409 and "artefacts" in answer["error"]["rule"]


def test_an_upload_goes_on_after_a_kill(world):
    world.server.replace("keeper")
    world.server.settled()
    assert world.server.get(f"/api/v1/artifacts/{world.sha256}")["have"] == 1 << 20
    big, small = world.file("big", world.data), world.file("small", world.small)
    assert world.sha256 in world.server.cli("release", "upload", big, small)
    assert world.server.get(f"/api/v1/artifacts/{world.sha256}")["complete"]


def test_a_device_gets_what_it_is_offered_and_nothing_else(world):
    assert world.fetch_as(world.files)[0] == 404
    world.server.cli("update", "assign", "--release", hashlib.sha256(world.note_).hexdigest(), "--reason", "test", world.id)
    status, headers, data = world.fetch_as(world.files)
    assert (status, headers["ETag"], headers["Accept-Ranges"]) == (200, f'"{world.sha256}"', "bytes") and data == world.data
    other = world.device("two")[1]
    assert world.fetch_as(other)[0] == 404
    assert world.fetch_as(other, f"/v1/releases/{hashlib.sha256(world.note_).hexdigest()}")[0] == 404
    assert world.fetch_as(world.files, "/artifacts/" + "0" * 64)[0] == world.fetch_as(world.files, "/artifacts/x")[0] == 404


@pytest.mark.parametrize("value, want", [
    ("bytes=0-0", (0, 1)), ("bytes=5-", (5, SIZE)), ("bytes=-7", (SIZE - 7, SIZE)), (f"bytes=100-{SIZE + 9}", (100, SIZE)),
    ("BYTES=1-2", (1, 3)), (f"bytes=-{SIZE + 1}", (0, SIZE)),
])  # fmt: skip
def test_ranges(world, value, want):
    status, headers, data = world.fetch_as(world.files, Range=value)
    assert status == 206 and data == world.data[slice(*want)]
    assert headers["Content-Range"] == f"bytes {want[0]}-{want[1] - 1}/{SIZE}"


@pytest.mark.parametrize("value", [f"bytes={SIZE}-", "bytes=-0", f"bytes={SIZE}-{SIZE + 5}"])
def test_ranges_that_cannot_be(world, value):
    status, headers, data = world.fetch_as(world.files, Range=value)
    assert (status, headers["Content-Range"], data) == (416, f"bytes */{SIZE}", b"")


@pytest.mark.parametrize("value", ["bytes=2-1", "lines=1-2", "bytes=1-2,5-6", "bytes=", "bytes=a-b", "bytes=99999999999999999999-"])
def test_ranges_that_are_none_are_ignored(world, value):
    status, _, data = world.fetch_as(world.files, Range=value)
    assert status == 200 and len(data) == SIZE


def test_conditions(world):
    tag = f'"{world.sha256}"'
    assert world.fetch_as(world.files, method="HEAD")[1]["Content-Length"] == str(SIZE)
    assert world.fetch_as(world.files, If_None_Match=tag)[0] == world.fetch_as(world.files, If_None_Match=f'"x", W/{tag}')[0] == 304
    assert world.fetch_as(world.files, If_Match='"x"')[0] == world.fetch_as(world.files, If_Match=f"W/{tag}")[0] == 412
    assert world.fetch_as(world.files, If_Match="*", Range="bytes=0-3")[2] == world.data[:4]
    assert world.fetch_as(world.files, If_Range=tag, Range="bytes=0-3")[0] == 206
    assert world.fetch_as(world.files, If_Range='"other"', Range="bytes=0-3")[0] == 200


def edge_memory(world):
    with open(f"/proc/{world.server.pids()['edge']}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def test_memory_does_not_grow_with_the_size(world):
    """Twenty devices' connections that have begun and read nothing more hold a piece each, not the file."""
    before, open_now = edge_memory(world), []
    for _ in range(20):
        c = world.connection(world.files)
        c.request("GET", f"/artifacts/{world.sha256}")
        open_now.append((c, c.getresponse()))
    grown = edge_memory(world) - before
    assert all(answer.read() == world.data for _, answer in open_now)
    for c, _ in open_now:
        c.close()
    assert grown < 20 * 512, grown  # KiB: TLS and one piece a connection


def test_what_a_device_says_of_it(world):
    def say(files, number, **body):
        status, answer = world.server.device("POST", f"/v1/update/{number}/feedback", body, certificate=files)
        return status, openapi.DEVICE.valid("FeedbackKept" if status == 200 else "Error", answer)
    told = openapi.DEVICE.valid("Update", world.server.device("GET", "/v1/update", certificate=world.files)[1])
    number = told["deployment"]
    assert told["state"] == "offered" and int(number) > 1000
    assert world.server.device("GET", "/v1/poll", certificate=world.files)[1]["update"] is True
    assert say(world.files, number, state="downloading", progress=40) == (200, {"deployment": number, "state": "downloading"})
    assert say(world.files, number, state="proven")[0] == 400
    assert say(world.files, number, state="downloading", progress=101)[0] == 400
    other = world.device("three")[1]
    assert say(other, number, state="refused")[0] == say(world.files, "999999", state="refused")[0] == 404
    assert say(world.files, number, state="installed", slot="B")[1]["state"] == "installed"
    assert say(world.files, number, state="refused")[0] == 409
    assert world.server.device("GET", "/v1/poll", certificate=world.files)[1]["update"] is False
    assert say(world.files, number, state="fell-back", reason="it hangs\x1b[31m")[1]["state"] == "fell-back"
    assert say(world.files, number, state="installed")[0] == 410
    kept = world.server.get(f"/api/v1/deployments/{number}")
    assert [f["state"] for f in kept["feedback"]] == ["downloading", "installed", "fell-back"] and "\x1b" not in kept["reason"]
    assert world.fetch_as(world.files)[0] == 404  # it is over
    assert "fell-back" in world.server.cli("update", "list")


def test_cancelled_and_in_the_place_of_another(world):
    assert world.assign(world.id, world.note_, "forced")[0] == 200
    first = world.server.device("GET", "/v1/update", certificate=world.files)[1]
    assert first["forced"] is True
    again = world.note([entry(world.small, "notes.txt")], version="3.0.0", sequence=9)
    assert world.publish_release(again)[0] == world.assign(world.id, again)[0] == 200
    assert world.server.get(f"/api/v1/deployments/{first['deployment']}")["state"] == "cancelled"
    world.server.cli("update", "cancel", "--reason", "test", world.id)
    assert world.server.device("GET", "/v1/update", certificate=world.files)[1]["state"] == "cancelled"
    status, answer = world.act("update.cancel", world.id)
    assert status == 409 and "cancelled" in answer["error"]["rule"]


def test_a_withdrawn_release_is_offered_to_nobody(world):
    late = world.note([entry(world.small, "notes.txt")], version="4.0.0", sequence=10)
    assert world.publish_release(late)[0] == world.assign(world.id, late)[0] == 200
    assert world.act("release.withdraw", hashlib.sha256(late).hexdigest())[0] == 200
    assert world.server.device("GET", "/v1/update", certificate=world.files)[1]["state"] == "cancelled"
    assert world.assign(world.id, late)[0] == 409
