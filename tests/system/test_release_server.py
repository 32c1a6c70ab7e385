# SPDX-License-Identifier: Apache-2.0
"""Releases at the real server: judged by the newest fleet root, logged, part of what devices are judged by, listed, withdrawn."""

import hashlib
import json
import subprocess
import time

import pytest

import fleet_root_note as note_file
import release_note
from release_world import Releases
from server_support import BUILD, needs_root, until

pytestmark = needs_root
FILE = {"name": "gateway.bin", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest(), "kind": "file", "compatible": None}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = Releases(tmp_path_factory.mktemp("releases"))
    with one.server:
        yield one


def refused(answer, status, rule):
    assert answer[0] == status and rule in answer[1]["error"]["rule"], answer


def test_without_a_fleet_root_nothing_is_published(world):
    refused(world.publish_release(world.note([FILE])), 409, "no fleet root")
    world.begin()


@pytest.mark.parametrize("changed, status, rule", [
    ({"role": "nobody"}, 409, "role"),
    ({"expires": 1_700_000_001, "issued": 1_700_000_000}, 409, "expire"),
    ({"classes": ["gateway", "elsewhere"]}, 404, "no policy"),
    ({"sequence": 0}, 400, "number"),
    ({"floor": 3}, 400, "floor"),
    ({"reference": Releases.reference("gateway-os", "9.9.9")}, 400, "NAME VERSION"),
    ({"reference": {**Releases.reference("gateway-os", "2.0.0"), "events": [{"pcr": 99}]}}, 400, ""),
])  # fmt: skip
def test_what_no_device_would_take_is_refused(world, changed, status, rule):
    refused(world.publish_release(world.note([FILE], **changed)), status, rule)
    assert world.server.get("/api/v1/releases")["releases"] == []


def test_signatures_count(world):
    stranger = note_file.new_key()
    refused(world.publish_release(world.note([FILE], keys=[world.keys[0], stranger])), 409, "fewer")
    refused(world.publish_release(world.note([FILE], keys=[world.keys[0]] * 2)), 409, "fewer")
    changed = world.note([FILE]).replace(b'"floor": 0', b'"floor": 1')
    refused(world.publish_release(changed), 409, "hold")


def test_who_may_publish(world):
    for role, status in [("viewer", 403), ("operator", 403)]:
        world.server.add_operator(role, role)
        assert world.publish_release(world.note([FILE]), operator=role)[0] == status


def test_published_logged_and_proven_offline(world):
    before = world.server.get("/api/v1/status")["generation"]
    note = world.note([FILE], reference=world.reference("gateway-os", "2.0.0"))
    path = world.file("release", note)
    world.server.cli("release", "publish", "--reason", "first", path)
    digest = hashlib.sha256(note).hexdigest()
    one = world.server.get("/api/v1/releases")["releases"][0]
    assert (one["sha256"], one["name"], one["version"], one["classes"]) == (digest, "gateway-os", "2.0.0", ["gateway"])
    assert one["measured"] and one["withdrawn"] is None and one["artifacts"][0]["complete"] is False
    assert world.server.get(f"/api/v1/releases/{digest}") == note
    assert world.server.get("/api/v1/status")["generation"] > before
    # the log holds it, and whoever has the fleet root can tell
    answer = until(lambda: (lambda a: a if a[0] == 200 else None)(world.server.admin("GET", f"/api/v1/releases/{digest}/proof")), "no proof")[1]
    assert answer["record"].encode() == release_note.record(note, note_file.document_of(note))
    proof, root = world.file("proof", json.dumps(answer).encode()), world.file("newest", world.fetch("newest"))
    subprocess.run([BUILD / "chainhold", "release", "verify", "--fleet-root", root, "--proof", proof, path], check=True, stdout=subprocess.DEVNULL)
    assert digest in world.server.cli("release", "list")


def test_the_same_again_and_another_of_its_name(world):
    known = world.server.get(f"/api/v1/releases/{world.server.get('/api/v1/releases')['releases'][0]['sha256']}")
    refused(world.publish_release(known), 409, "already")
    refused(world.publish_release(world.note([FILE], version="2.0.1", sequence=2)), 409, "version or sequence")
    refused(world.publish_release(world.note([FILE], version="2.0.0", sequence=3)), 409, "version or sequence")


def test_it_survives_a_kill(world):
    note = world.note([FILE], version="2.1.0", sequence=3, issued=int(time.time()) - 9)
    assert world.publish_release(note)[0] == 200
    world.server.replace("keeper")
    world.server.settled()
    assert [r["version"] for r in world.server.get("/api/v1/releases")["releases"]] == ["2.1.0", "2.0.0"]


def test_withdrawn(world):
    digest = world.server.get("/api/v1/releases")["releases"][0]["sha256"]
    world.server.cli("release", "withdraw", "--reason", "it does not boot", digest)
    one = world.server.get("/api/v1/releases")["releases"][0]
    assert one["sha256"] == digest and one["withdrawn"] is not None
    refused(world.act("release.withdraw", digest), 409, "already")
    refused(world.act("release.withdraw", "0" * 64), 404, "no such release")
