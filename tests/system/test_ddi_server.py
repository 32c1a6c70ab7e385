# SPDX-License-Identifier: Apache-2.0
"""hawkBit's DDI at the real server, request by request: what is answered to whom, and what of it stays (docs/protocol/ddi.md)."""

import contextlib
import hashlib
import os
import signal
import sqlite3
import time

import pytest

import openapi
from ddi_world import HAL, World
from server_support import needs_root, until

pytestmark = needs_root
DATA = os.urandom(300000)


def feedback(execution, finished, *details, **more):
    return {"id": "1", "time": "20261126T120000", "status": {"execution": execution, "details": list(details),
                                                             "result": {"finished": finished, **more}}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("ddi"))
    with one.server:
        one.begin()
        one.id, one.files = one.device("one")
        one.other_id, one.other = one.device("two")
        yield one


def poll(world, files=None, controller=None):
    answer = world.ask(files or world.files, "GET", world.base(controller or world.id))
    assert answer.status == 200 and answer.headers["Content-Type"] == HAL, answer.body
    assert answer.headers["Content-Length"] == str(len(answer.body)) and len(answer.body) < 1000
    return openapi.DEVICE.valid("DdiPoll", answer.json())


def test_a_device_that_is_new_is_asked_for_its_attributes(world):
    origin = f"https://localhost:{world.server.devices}"
    want = {"configData": {"href": origin + world.base(world.id, "/configData")}}
    assert poll(world) == {"config": {"polling": {"sleep": "00:00:05"}}, "_links": want}
    body = {"mode": "merge", "data": {"serial": "0815", "hw": "a\x1b[31mb", "old": "x"}}
    answer = world.ask(world.files, "PUT", world.base(world.id, "/configData"), body)
    assert (answer.status, answer.body) == (200, b"")
    assert poll(world)["_links"] == {}
    for mode, data in (("merge", {"serial": "0816"}), ("remove", {"old": ""})):
        assert world.ask(world.files, "PUT", world.base(world.id, "/configData"), {"mode": mode, "data": data}).status == 200
    shown = world.server.get(f"/api/v1/devices/{world.id}")["attributes"]
    assert {a["name"]: a["value"] for a in shown} == {"serial": "0816", "hw": "a\\x1b[31mb"}
    assert "serial = 0816" in world.server.cli("device", "show", world.id)


def test_tokens_are_off(world):
    for token in ("TargetToken x", "GatewayToken x"):
        answer = world.ask(None, "GET", world.base(world.id), Authorization=token)
        assert (answer.status, answer.json()["error"]["code"]) == (401, "tokens-off")
    # whoever has a certificate may send what it likes beside it: SWUpdate sends both
    assert world.ask(world.files, "GET", world.base(world.id), Authorization="TargetToken x").status == 200


def test_attributes_have_limits(world):
    path = world.base(world.id, "/configData")
    many = {f"n{i}": "v" for i in range(63)}
    assert world.ask(world.files, "PUT", path, {"data": many}).status == 400  # with the two that are there
    assert len(world.server.get(f"/api/v1/devices/{world.id}")["attributes"]) == 2
    assert world.ask(world.files, "PUT", path, {"data": {"n": "v" * 513}}).status == 400
    assert world.ask(world.files, "PUT", path, {"data": {"n": "\x01" * 200}}).status == 400
    assert world.ask(world.files, "PUT", path, {"data": {}}).status == world.ask(world.files, "PUT", path, {"x": 1}).status == 400
    assert world.ask(world.files, "PUT", path, {"mode": "replace", "data": {**many, "serial": "1"}}).status == 200
    assert len(world.server.get(f"/api/v1/devices/{world.id}")["attributes"]) == 64


@contextlib.contextmanager
def stopped(world, role):
    """Nobody of this role answers."""
    pid = world.server.pids()[role]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_edge_answers_what_the_view_knows(world):
    """Once a device has spoken, its polls wake nobody; a keeper that begins anew finds out again."""
    want = poll(world)
    for _ in range(2):
        with stopped(world, "reader"):
            assert until(lambda: world.ask(world.files, "GET", world.base(world.id)).status == 200, world.server.said)
            assert poll(world) == want
        world.server.replace("keeper")
        world.server.settled()
        time.sleep(1)  # some rounds of the keeper: else the first that asks waits for the reader that is stopped
    assert poll(world) == want


def test_a_path_that_names_another_device(world):
    action, _ = world.offer(world.id, ("image.swu", DATA))
    for files in (world.files, world.other):
        mine, theirs = (world.id, world.other_id) if files == world.files else (world.other_id, world.id)
        for method, rest, body in (("GET", "", None), ("GET", f"/deploymentBase/{action}", None), ("GET", f"/cancelAction/{action}", None),
                                   ("GET", f"/softwaremodules/{action}/artifacts/image.swu", None),
                                   ("POST", f"/deploymentBase/{action}/feedback", feedback("closed", "success")),
                                   ("PUT", "/configData", {"data": {"a": "b"}})):
            assert world.ask(files, method, world.base(theirs, rest), body).status == 403, rest
        assert poll(world, files, mine)
    # another's action, under one's own name, does not exist
    assert world.ask(world.other, "GET", world.base(world.other_id, f"/deploymentBase/{action}")).status == 404
    assert world.ask(world.other, "GET", world.base(world.other_id, f"/softwaremodules/{action}/artifacts/image.swu")).status == 404
    told = world.ask(world.other, "POST", world.base(world.other_id, f"/deploymentBase/{action}/feedback"), feedback("closed", "success"))
    assert told.status == 404 and world.deployment(action)["state"] == "offered"
    assert world.ask(world.files, "GET", f"/OTHER/controller/v1/{world.id}").status == 404
    assert world.ask(world.files, "DELETE", world.base(world.id)).status == 405
    assert world.ask(None, "GET", world.base(world.id)).status == 401
    assert world.ask(world.files, "GET", world.base("%41")).status == 404 and world.ask(world.files, "GET", world.base("%2e%2e")).status == 400
    world.cancel(world.id)
    assert world.ask(world.files, "POST", world.base(world.id, f"/cancelAction/{action}/feedback"), feedback("closed", "success")).status == 200


def test_an_action_from_its_offer_until_it_is_closed(world):
    action, note = world.offer(world.id, ("image.swu", DATA), mode="soft")
    origin, base = f"https://localhost:{world.server.devices}", world.base(world.id)
    with world.connection(world.files) as ask:
        assert ask("GET", base).json()["_links"]["deploymentBase"]["href"] == f"{origin}{base}/deploymentBase/{action}"
        told = ask("GET", f"{base}/deploymentBase/{action}?actionHistory=10")
        assert told.status == 200 and told.headers["Content-Type"] == HAL and len(told.body) < 1000
        deployment = openapi.DEVICE.valid("DdiDeployment", told.json())["deployment"]
        assert told.json()["id"] == action and deployment["download"] == deployment["update"] == "attempt"
        chunk, = deployment["chunks"]
        one, = chunk["artifacts"]
        assert (chunk["part"], chunk["name"]) == ("bApp", "gateway-os") and one["size"] == len(DATA)
        assert one["hashes"] == {"sha1": hashlib.sha1(DATA).hexdigest(), "sha256": hashlib.sha256(DATA).hexdigest()}
        assert one["_links"]["download"] == one["_links"]["download-http"]
        path = one["_links"]["download"]["href"].removeprefix(origin)
        assert ask("HEAD", path).headers["Content-Length"] == str(len(DATA))
        whole = ask("GET", path)
        assert whole.status == 200 and whole.body == DATA and whole.headers["Accept-Ranges"] == "bytes"
        tag = whole.headers["ETag"]
        part = ask("GET", path, Range="bytes=1000-", If_Match=tag)
        assert part.status == 206 and part.body == DATA[1000:]
        assert ask("GET", path, Range=f"bytes={len(DATA)}-").status == 416
        assert ask("GET", path, If_Match='"other"').status == 412 and ask("GET", path, If_None_Match=tag).status == 304
        assert ask("GET", f"{base}/installedBase/{action}").status == ask("GET", f"{base}/cancelAction/{action}").status == 404

        say = f"{base}/deploymentBase/{action}/feedback"
        assert ask("POST", say, feedback("proceeding", "none", "Installing\nnow", progress={"cnt": 1, "of": 4})).status == 200
        now = world.deployment(action)
        assert (now["state"], now["progress"], now["reason"]) == ("downloading", 25, "Installing; now")
        assert ask("POST", say, feedback("rejected", "none")).status == 200
        assert ask("POST", say, feedback("maybe", "none")).status == ask("POST", say, b"{").status == 400
        assert ask("GET", base).json()["_links"].keys() == {"deploymentBase"}
        assert ask("POST", say, feedback("closed", "success", "done")).status == 200
        assert world.deployment(action)["state"] == "installed"  # claimed, and no more
        assert world.said(action) == ["proceeding/none", "rejected/none", "closed/success"]
        # what is closed is closed
        assert ask("POST", say, feedback("closed", "failure")).status == ask("POST", say, feedback("proceeding", "none")).status == 410
        assert world.deployment(action)["state"] == "installed"
        assert ask("GET", f"{base}/deploymentBase/{action}").status == 404 and ask("GET", path).status == 404
        links = ask("GET", base).json()["_links"]
        assert links.keys() == {"installedBase", "configData"}  # attributes may have changed
        assert openapi.DEVICE.valid("DdiDeployment", ask("GET", f"{base}/installedBase/{action}").json())["id"] == action
        assert ask("POST", f"{base}/deploymentBase/999999/feedback", feedback("closed", "success")).status == 404
        assert ask("POST", f"{base}/deploymentBase/x/feedback", feedback("closed", "success")).status == 404


def test_a_failure_is_a_refusal_with_its_reason(world):
    before = world.server.get(f"/api/v1/deployments?device={world.id}&limit=1")["deployments"][0]["deployment"]
    action, _ = world.offer(world.id, ("image.swu", DATA))
    # what is installed, and can never be proven, stays so when the next is offered
    assert world.deployment(before)["state"] == "installed" and poll(world)["_links"]["installedBase"]["href"].endswith(before)
    answer = world.ask(world.files, "POST", world.base(world.id, f"/deploymentBase/{action}/feedback"),
                       feedback("closed", "failure", "ERROR one", "ERROR \x1b[31mtwo"))
    assert answer.status == 200
    now = world.deployment(action)
    assert (now["state"], now["reason"]) == ("refused", "ERROR one; ERROR \\x1b[31mtwo")


def test_a_cancellation_is_told_until_it_is_acknowledged(world):
    action, note = world.offer(world.id, ("image.swu", DATA))
    base = world.base(world.id)
    with world.connection(world.files) as ask:
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("proceeding", "none")).status == 200
        world.cancel(world.id)
        assert (world.deployment(action)["state"], world.deployment(action)["cancellation"]) == ("cancelled", "asked")
        assert "cancelAction" in ask("GET", base).json()["_links"] and "deploymentBase" not in ask("GET", base).json()["_links"]
        openapi.DEVICE.valid("DdiCancel", ask("GET", f"{base}/cancelAction/{action}").json())
        assert ask("GET", f"{base}/cancelAction/{action}").json() == {"id": action, "cancelAction": {"stopId": action}}
        assert ask("GET", f"{base}/deploymentBase/{action}").status == 404
        assert ask("GET", f"{base}/softwaremodules/{action}/artifacts/image.swu").status == 404
        # another release waits until the device has heard of the end of this one
        second = world.offer_again(world.id, note)
        assert "cancelAction" in ask("GET", base).json()["_links"] and "deploymentBase" not in ask("GET", base).json()["_links"]
        # what was under way is still heard, and changes nothing
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("proceeding", "none", "late")).status == 200
        assert ask("POST", f"{base}/cancelAction/{action}/feedback", feedback("proceeding", "none")).status == 200
        assert world.deployment(action)["cancellation"] == "asked"
        assert ask("POST", f"{base}/cancelAction/{action}/feedback", feedback("closed", "success", "stopped")).status == 200
        assert (world.deployment(action)["state"], world.deployment(action)["cancellation"]) == ("cancelled", "acknowledged")
        assert "cancelled (acknowledged)" in world.server.cli("update", "list", "--device", world.id)
        assert ask("POST", f"{base}/cancelAction/{action}/feedback", feedback("closed", "success")).status == 410
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("closed", "success")).status == 410
        assert ask("GET", base).json()["_links"]["deploymentBase"]["href"].endswith(second)
    world.cancel(world.id)
    assert "cancelAction" in poll(world)["_links"]


def test_a_device_that_will_not_stop_is_heard_and_not_offered_it_again(world):
    base = world.base(world.id)
    action = world.server.get(f"/api/v1/deployments?device={world.id}&limit=1")["deployments"][0]["deployment"]
    with world.connection(world.files) as ask:
        assert ask("POST", f"{base}/cancelAction/{action}/feedback", feedback("rejected", "success", "too late")).status == 200
        assert world.deployment(action)["cancellation"] == "declined"
        assert not {"cancelAction", "deploymentBase"} & ask("GET", base).json()["_links"].keys()
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("proceeding", "none", "Installing")).status == 200
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("closed", "success")).status == 200
        now = world.deployment(action)
        assert (now["state"], now["cancellation"]) == ("cancelled", "ended")
        assert world.said(action) == ["cancel:rejected/success", "proceeding/none", "closed/success"]
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("closed", "success")).status == 410


def test_artefacts_from_before_get_their_sha1(world):
    """As after an upgrade: uploaded by a server that did not compute it, and one of them is not as it was any more."""
    other = os.urandom(2000)
    action, _ = world.offer(world.id, ("image.swu", DATA), ("notes.txt", other))
    store = world.server.folder / "state" / "store"
    with contextlib.closing(sqlite3.connect(store / "chainhold.db", timeout=60)) as db, db:
        db.execute("UPDATE artifact SET sha1 = NULL")
    path = world.base(world.id, f"/deploymentBase/{action}")
    assert world.ask(world.files, "GET", path).status == 503
    world.server.replace("keeper")
    world.server.settled()
    answer = until(lambda: (a := world.ask(world.files, "GET", path)).status == 200 and a, world.server.said)
    have = {a["filename"]: a["hashes"]["sha1"] for a in answer.json()["deployment"]["chunks"][0]["artifacts"]}
    assert have == {"image.swu": hashlib.sha1(DATA).hexdigest(), "notes.txt": hashlib.sha1(other).hexdigest()}
    with contextlib.closing(sqlite3.connect(store / "chainhold.db", timeout=60)) as db, db:
        db.execute("UPDATE artifact SET sha1 = NULL")
    (store / f"artifact-{hashlib.sha256(other).hexdigest()}").unlink()
    world.server.replace("keeper")
    world.server.settled()
    until(lambda: not world.server.get(f"/api/v1/artifacts/{hashlib.sha256(other).hexdigest()}")["complete"], world.server.said)
    world.server.cli("release", "upload", world.file("notes.txt", other))
    assert until(lambda: world.ask(world.files, "GET", path).status == 200, world.server.said)
    world.cancel(world.id)
    assert world.ask(world.files, "POST", world.base(world.id, f"/cancelAction/{action}/feedback"), feedback("closed", "none")).status == 200


def test_feedback_without_end(world):
    """So much is kept of one action; how it ends is heard all the same, once."""
    action, _ = world.offer(world.id, ("image.swu", DATA))
    base = world.base(world.id)
    with world.connection(world.files) as ask:
        codes = [ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("proceeding", "none", "x" * 100)).status for _ in range(1030)]
        assert codes == [200] * 1024 + [429] * 6
        world.cancel(world.id)
        # of what is cancelled nothing ends until the cancellation is answered
        assert ask("POST", f"{base}/deploymentBase/{action}/feedback", feedback("closed", "failure")).status == 429
        assert ask("POST", f"{base}/cancelAction/{action}/feedback", feedback("closed", "success")).status == 200
        assert len(world.deployment(action)["feedback"]) == 1024  # as many as a page has
        second = world.offer_again(world.id, world.note_of[action])
        assert ask("POST", f"{base}/deploymentBase/{second}/feedback", feedback("closed", "success")).status == 200


def test_no_device_that_proves_nothing_goes_below_its_floor(world):
    _, note = world.offer(world.id, ("image.swu", DATA))
    world.cancel(world.id)
    stop = world.server.get(f"/api/v1/deployments?device={world.id}&limit=1")["deployments"][0]["deployment"]
    assert world.ask(world.files, "POST", world.base(world.id, f"/cancelAction/{stop}/feedback"), feedback("closed", "none")).status == 200
    action, _ = world.offer(world.id, ("image.swu", DATA), floor=True)
    done = feedback("closed", "success")
    assert world.ask(world.files, "POST", world.base(world.id, f"/deploymentBase/{action}/feedback"), done).status == 200
    status, answer = world.assign(world.id, note)
    assert status == 409 and "go back" in answer["error"]["rule"]


def test_it_stays_over_a_restart_of_every_process(world):
    action, _ = world.offer(world.id, ("image.swu", DATA))
    assert "cancelAction" not in poll(world)["_links"]
    world.cancel(world.id)
    for role in ("keeper", "reader", "verify", "edge"):
        world.server.replace(role)
    world.server.hang_up()
    world.server.settled()
    assert poll(world)["_links"]["cancelAction"]["href"].endswith(f"/cancelAction/{action}")
    assert world.ask(world.files, "POST", world.base(world.id, f"/cancelAction/{action}/feedback"), feedback("closed", "none")).status == 200
    assert world.deployment(action)["cancellation"] == "acknowledged"
