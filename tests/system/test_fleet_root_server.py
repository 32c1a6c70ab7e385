# SPDX-License-Identifier: Apache-2.0
"""The fleet root at the real server: published by an administrator, judged, logged, served to anybody."""

import json
import time
import urllib.error
import urllib.request

import pytest

import fleet_root_note as note_file
from fleet_world import Fleet
from server_support import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    one = Fleet(tmp_path_factory.mktemp("fleet"))
    with one.server:
        one.ready()
        yield one


def refused(fleet, path):
    done = fleet.publish(path, code=None)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return done.stderr


def test_nothing_is_there_before(fleet):
    for version in ("1", "newest", "0", "x", "18446744073709551616"):
        with pytest.raises(urllib.error.HTTPError) as missing:
            fleet.fetch(version)
        assert missing.value.code == 404


def test_the_first_one_needs_its_own_threshold(fleet):
    document = fleet.first()
    short = fleet.file("short", note_file.note(document, [fleet.root[0]]))
    assert "fewer keys" in refused(fleet, short)
    one = fleet.file("1", note_file.note(document, fleet.root[:2]))
    fleet.publish(one)
    assert fleet.fetch("1") == fleet.fetch("newest") == one.read_bytes() == fleet.server.log_page("/v1/fleet-root/1")


def test_what_is_no_next_version_is_refused(fleet):
    document = note_file.document_of(fleet.fetch("1"))
    keys = fleet.root[:2]
    # the same again, one that skips, one of other keys, one of another text
    assert "one more" in refused(fleet, fleet.file("same", note_file.note({**document, "agent_min": "0.0.1"}, keys)))
    assert "one more" in refused(fleet, fleet.file("skips", note_file.note({**document, "version": 3}, keys)))
    strangers = [note_file.new_key(), note_file.new_key()]
    forged = {**document, "version": 2, "root": {"threshold": 2, "keys": [note_file.text_of(k) for k in strangers]}}
    assert "known version" in refused(fleet, fleet.file("forged", note_file.note(forged, strangers)))
    changed = note_file.note({**document, "version": 2}, keys).replace(b'"agent_min": "0.1.0"', b'"agent_min": "0.0.1"')
    assert "does not hold" in refused(fleet, fleet.file("changed", changed))
    late = {**document, "version": 2, "expires": int(time.time()) - 1}
    assert "--expired" in refused(fleet, fleet.file("late", note_file.note(late, keys)))
    with pytest.raises(urllib.error.HTTPError):
        fleet.fetch("2")


def test_only_an_admin_publishes(fleet):
    fleet.server.add_operator("op", "operator")
    two = fleet.next(note_file.document_of(fleet.fetch("1")))
    path = fleet.file("by-op", note_file.note(two, fleet.root[:2]))
    done = fleet.publish(path, config="op.yaml", code=None)
    assert done.returncode == 1 and "role" in done.stderr


def test_each_version_is_a_leaf(fleet):
    two = fleet.next(note_file.document_of(fleet.fetch("1")))
    path = fleet.file("2", note_file.note(two, fleet.root[:2]))
    fleet.publish(path)
    rows = [r for r in fleet.server.get("/api/v1/audit?limit=500")["leaves"] if r["type"] == "fleet-root"]
    records = [json.loads(r["record"]) if isinstance(r["record"], str) else r["record"] for r in rows]
    assert sorted(r["version"] for r in records) == [1, 2]
    assert {r["version"]: r["sha256"] for r in records}[2] == fleet.sha256(path)


def test_it_survives_the_server(fleet):
    two = fleet.fetch("2")
    fleet.server.kill()
    fleet.server.start()
    fleet.ready()
    assert fleet.fetch("2") == fleet.fetch("newest") == two
    three = fleet.next(note_file.document_of(two))
    fleet.publish(fleet.file("3", note_file.note(three, fleet.root[:2])))
    assert note_file.document_of(fleet.fetch("newest"))["version"] == 3
