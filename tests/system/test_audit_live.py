# SPDX-License-Identifier: Apache-2.0
"""`chainhold audit` over the store of a real server: what verify judged from a live TPM's evidence comes out again."""

import copy
import json
import shutil
import sqlite3

import pytest

import device_tpm
from server_support import Gateway, Server, maker_with_roots, needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a server after a device booted well, was tampered with, and mended itself."""
    device_tpm.needed()
    folder = tmp_path_factory.mktemp("audit")
    server = Server(folder)
    maker = maker_with_roots(folder / "maker", server)
    server.start()
    gateway = Gateway(folder / "gateway", maker, server)
    try:
        gateway.attest()
        (device,) = server.get("/api/v1/devices")["devices"]
        good = server.cli("baseline", "capture", "--device", device["device"])
        (server.folder / "good.json").write_text(good)
        server.cli("baseline", "approve", "--class", "gateway", "--reason", "first unit", server.folder / "good.json")
        gateway.attest()
        bad = copy.deepcopy(gateway.log)
        bad.find(2, text=b"payload").digests[0x000B] = b"\x66" * 32
        gateway.reboot(bad)
        gateway.attest()
        server.wait(f"/api/v1/devices/{device['device']}", lambda d: d["cuts"] and not d["cutting"])
        gateway.reboot(gateway.log)
        gateway.attest()
        size = server.get("/api/v1/status")["log"]["size"]
    finally:
        gateway.stop()
        server.stop()
    return server, size


def audit(server, where, code):
    return json.loads(server.run("audit", "--json", "--key", server.folder / "log.vkey", where, code=code))


def test_every_verdict_of_a_live_tpm_comes_out_again(stopped):
    server, size = stopped
    said = audit(server, server.folder, 0)
    assert said["faults"] == [] and said["holds"] and said["signatures_checked"]
    assert said["entries"] == said["records"] >= size
    assert said["verdicts"] == said["agree"] >= 3 and said["differ"] == said["not_kept"] == 0


def test_one_tier_that_was_changed_is_found(stopped, tmp_path):
    server, _ = stopped
    for path in (server.folder / "state" / "store").iterdir():
        shutil.copy(path, tmp_path / path.name)
    with sqlite3.connect(tmp_path / "chainhold.db") as db:
        changed = db.execute("UPDATE evidence SET tiers = substr(tiers, 1, 1) || x'02' || substr(tiers, 3) "
                             "WHERE substr(tiers, 2, 1) = x'60'").rowcount
    assert changed == 1
    text = server.run("audit", tmp_path, code=1)
    assert "another tier" in text and "this store is not what it says" in text
