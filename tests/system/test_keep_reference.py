# SPDX-License-Identifier: Apache-2.0
"""Reference values over their life on a whole server: pinned for one device, and audited after they are gone."""

import copy
import hashlib
import json

import pytest

import device_tpm
from server_support import Gateway, Server, maker_with_roots, needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A server, and two devices of one class."""
    device_tpm.needed()
    folder = tmp_path_factory.mktemp("keep")
    server = Server(folder)
    maker = maker_with_roots(folder / "maker", server)
    server.start()
    devices = [Gateway(folder / f"gateway{i}", maker, server) for i in range(2)]
    try:
        yield server, *devices
    finally:
        for one in devices:
            one.stop()
        server.stop()


def chain(status):
    return status["state"], status["chain"]


def cli_file(server, name, text):
    path = server.folder / name
    path.write_text(text)
    return path


def audit(server):
    copy_of = server.folder / "copy.db"
    copy_of.unlink(missing_ok=True)
    server.run("backup", server.folder, copy_of)
    folder = server.folder / "audited"
    folder.mkdir(exist_ok=True)
    copy_of.replace(folder / "chainhold.db")
    return json.loads(server.run("audit", "--json", "--key", server.folder / "log.vkey", folder))


def test_what_only_one_device_has_is_pinned_for_it(pair):
    server, first, second = pair
    ident = first.attest()["device"]
    good = cli_file(server, "good.json", server.cli("baseline", "capture", "--device", ident))
    server.cli("baseline", "approve", "--class", "gateway", "--reason", "first unit", good)
    assert chain(first.attest()) == ("trusted", "affirming")
    # The second unit has an option ROM of its own.
    own = copy.deepcopy(second.log)
    own.find(2, text=b"payload").digests[0x000B] = hashlib.sha256(b"option ROM of this unit").digest()
    second.reboot(own)
    status = second.attest()
    assert chain(status) == ("quarantined", "contraindicated")
    other = status["device"]
    text = server.cli("baseline", "capture", "--device", other, "--pinned", "--evidence", status["evidence"])
    document = json.loads(text)
    assert document["kind"] == "pinned" and len(document["events"]) == 1 and "secure_boot" not in document
    pinned = cli_file(server, "pinned.json", text)
    # Neither for a class, nor values of a class for one device.
    assert "kind pinned" in server.cli("baseline", "approve", "--class", "gateway", "--reason", "no", pinned, code=1)
    assert "kind pinned" in server.cli("baseline", "pin", "--device", other, "--reason", "no", good, code=1)
    server.cli("baseline", "pin", "--device", other, "--reason", "its own ROM", pinned)
    assert server.get(f"/api/v1/devices/{other}")["reattest"]
    status = second.attest()
    if status["state"] == "quarantined":
        status = second.attest()  # with the certificate that ended the quarantine
    assert chain(status) == ("trusted", "affirming")
    shown = server.get(f"/api/v1/devices/{other}")
    assert shown["pinned"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert server.get(f"/api/v1/devices/{other}/pinned") == document
    assert shown["pinned"]["sha256"] in server.cli("device", "show", other)
    verdict = server.get(f"/api/v1/devices/{other}/evidence/{shown['evidence']}/verdict")
    assert verdict["pinned"] == shown["pinned"]["pinned"]
    # It explains nothing on the other device.
    first.reboot(own)
    assert chain(first.attest()) == ("quarantined", "contraindicated")
    assert server.get(f"/api/v1/devices/{ident}")["pinned"] is None
    first.reboot(first.log)
    first.attest()
    assert chain(first.attest()) == ("trusted", "affirming")


def test_what_was_pinned_is_removed_and_old_verdicts_still_come_out(pair):
    server, _, second = pair
    other = second.attest()["device"]
    server.cli("baseline", "unpin", "--device", other, "--reason", "the ROM was replaced")
    assert "nothing is pinned" in server.cli("baseline", "unpin", "--device", other, "--reason", "again", code=1)
    status = second.attest()
    assert chain(status) == ("quarantined", "contraindicated")
    assert server.get(f"/api/v1/devices/{other}")["pinned"] is None
    server.get(f"/api/v1/devices/{other}/pinned", status=404)
    said = audit(server)
    assert said["faults"] == [] and said["agree"] == said["verdicts"] >= 6


def test_retired_values_judge_nobody_and_their_verdicts_still_come_out(pair):
    server, first, _ = pair
    ident = first.attest()["device"]
    (row,) = [r for c in server.get("/api/v1/classes")["classes"] for r in c["references"]]
    assert row["retired"] is None and row["sha256"] in server.cli("baseline", "list", "--class", "gateway")
    server.cli("baseline", "retire", "--class", "gateway", "--reason", "no", "0" * 64, code=1)
    server.cli("baseline", "retire", "--class", "gateway", "--reason", "recalled", row["sha256"][:12])
    server.wait(f"/api/v1/devices/{ident}", lambda d: d["reattest"])
    first.attest()
    shown = server.get(f"/api/v1/devices/{ident}")
    assert (shown["chain"], shown["links"]["boot"]["tier"]) == ("contraindicated", "none")
    (row,) = [r for c in server.get("/api/v1/classes")["classes"] for r in c["references"]]
    assert row["retired"] is not None and row["retired_by"] is not None
    said = audit(server)
    assert said["faults"] == [] and said["agree"] == said["verdicts"] >= 7


def test_an_ek_that_is_bound_to_a_class_is_of_no_other(pair):
    server, first, _ = pair
    (server.folder / "camera.yaml").write_text((server.folder / "policies/gateway.yaml").read_text().replace("class: gateway", "class: camera"))
    server.cli("policy", "apply", "--reason", "another class", server.folder / "camera.yaml")
    device = server.get(f"/api/v1/devices/{first.attest()['device']}")
    (ek,) = [a["value"] for a in device["aliases"] if a["kind"] == "ek"]
    assert "no policy" in server.cli("ek", "allow", "--class", "toaster", "--reason", "no", ek, code=1)
    server.cli("ek", "allow", "--class", "gateway", "--reason", "of the first lot", ek)
    (row,) = server.get("/api/v1/eks")["eks"]
    assert row["class"] == "gateway" and "gateway" in server.cli("ek", "list")
    first.config["class"], first.config["state_dir"] = "camera", first.folder / "state-2"
    first.attest(code=1)
    assert server.get(f"/api/v1/devices/{device['device']}")["class"] == "gateway"
    first.config["class"] = "gateway"
    assert first.attest()["device"] == device["device"]
