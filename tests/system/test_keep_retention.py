# SPDX-License-Identifier: Apache-2.0
"""What a whole server lets go: evidence past a day's amount is refused, records past their days are erased."""

import hashlib
import json
import sqlite3

import pytest

import device_tpm
import live_tpm
from server_support import Gateway, Server, maker_with_roots, needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    device_tpm.needed()
    folder = tmp_path_factory.mktemp("retention")
    server = Server(folder)
    config = server.folder / "chainholdd.yaml"
    config.write_text(config.read_text() + 'retention: ["gateway 1 10 2"]\n')
    policy = server.folder / "policies" / "gateway.yaml"
    policy.write_text(policy.read_text().replace("interval: ", "daily_mib: 1, interval: "))
    maker = maker_with_roots(folder / "maker", server)
    server.start()
    gateway = Gateway(folder / "gateway", maker, server)
    try:
        yield server, gateway
    finally:
        gateway.stop()
        server.stop()


def test_evidence_past_the_amount_of_a_day_is_refused_and_nothing_is_lost(one):
    server, gateway = one
    ident = gateway.attest()["device"]
    shown = server.get(f"/api/v1/devices/{ident}")
    assert 0 < shown["quota"]["used"] < shown["quota"]["limit"] == 1 << 20
    ima = b"".join(live_tpm.ima_ng("/" + "x" * 60000, hashlib.sha256(bytes([i])).digest()) for i in range(20))
    gateway.tpm.extend(live_tpm.ima_steps(ima))
    (gateway.folder / "ima").write_bytes(ima)
    gateway.config["ima"] = gateway.folder / "ima"
    status = gateway.attest(code=1)
    assert "as much evidence" in json.dumps(status), status
    shown = server.get(f"/api/v1/devices/{ident}")
    assert shown["evidence"] == 1 and shown["quota"]["used"] < shown["quota"]["limit"]
    assert server.get(f"/api/v1/devices/{ident}/evidence")["evidence"][0]["evidence"] == 1
    text = (server.folder / "policies/gateway.yaml").read_text().replace("daily_mib: 1", "daily_mib: 8")
    (server.folder / "larger.yaml").write_text(text)
    server.cli("policy", "apply", "--reason", "large lists", server.folder / "larger.yaml")
    assert "daily_mib: 8" in server.cli("policy", "show", "gateway")
    assert gateway.attest()["evidence"] > 1


def test_records_past_their_days_are_erased_and_the_log_still_verifies(one):
    server, gateway = one
    ident = gateway.attest()["device"]
    server.stop()
    store = server.folder / "state/store/chainhold.db"
    with sqlite3.connect(store) as db:
        # Five days go by for what is there: the times that retention looks at.
        (old,) = db.execute("SELECT max(seq) FROM leaf").fetchone()
        for table in ("leaf", "event"):
            db.execute(f"UPDATE {table} SET time = time - 5 * 86400000")
        (record,) = db.execute("SELECT record FROM leaf WHERE type = 1").fetchone()
    db.close()
    assert ident in record
    server.start()
    gateway.attest()

    def erased():
        rows = server.get("/api/v1/audit?limit=500")["leaves"]
        return [r for r in rows if r["record"] is None]

    server.wait("/api/v1/status", lambda _: any(r["type"] == "enrolment" for r in erased()))
    assert all(r["salt"] is None and r["device"] == ident and r["index"] <= old for r in erased())
    kept = [r["type"] for r in server.get("/api/v1/audit?limit=500")["leaves"] if r["record"] is not None]
    assert "generation" in kept and "action" in kept
    server.cli("log", "verify", "--state", server.folder / "seen")
    (leaf,) = [h for h in server.get(f"/api/v1/devices/{ident}")["history"] if h["leaf"] == erased()[0]["index"]][:1]
    assert leaf["record"] is None
    gone = len(erased())
    server.stop()
    assert record.encode() not in store.read_bytes()
    said = json.loads(server.run("audit", "--json", "--key", server.folder / "log.vkey", server.folder))
    assert said["holds"] and said["erased"] == gone and said["erased_newest_ms"] > 0
    assert "whose record was erased, the newest of" in server.run("audit", server.folder)
    server.start()
