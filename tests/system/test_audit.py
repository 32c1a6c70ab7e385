# SPDX-License-Identifier: Apache-2.0
"""`chainhold audit`: a store made by hand from recorded boots, and every way in which it can lie."""

import hashlib
import json
import re
import sqlite3
import struct
import subprocess

import pytest

from support import BIN, FIXTURES, ROOT, run
from tlog_server import Log, leaf_hash, root_of

OPERATOR = BIN.parent / "chainhold-operator"
TIER = {"none": 0, "affirming": 2, "warning": 32, "contraindicated": 96}
LINKS = ["platform", "boot", "os", "channel", "update", "sbom", "monitor"]
DEVICE = bytes(range(16))


def audit(*args):
    done = subprocess.run([str(OPERATOR), "audit", *map(str, args)], capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def sha256(data):
    return hashlib.sha256(data).digest()


def evidence_of(boot):
    at = FIXTURES / boot
    ima = at / "ima.binary-at-quote-ecc"
    return {"quote": (at / "quote-ecc.msg").read_bytes(), "signature": (at / "quote-ecc.sig").read_bytes(),
            "ak": (at / "ak-ecc.tpm2b_public").read_bytes(), "eventlog": (at / "binary_bios_measurements").read_bytes(),
            "ima": ima.read_bytes()}


def reference_of(boot):
    at = FIXTURES / boot
    code, out, err = run(["reference", "capture", "--name", boot, "--msg", at / "quote-ecc.msg", "--sig", at / "quote-ecc.sig",
                          "--pub", at / "ak-ecc.pem", "--eventlog", at / "binary_bios_measurements",
                          "--ima", at / "ima.binary-at-quote-ecc", "--pcrs", at / "quote-ecc.pcrs"])
    assert code == 0, err
    return out.encode()


def generation(number, documents):
    image = b"chGN" + struct.pack(">HQI", 1, number, len(documents))
    for document in documents:
        image += bytes([2, 7]) + b"gateway" + struct.pack(">I", len(document)) + document
    return image


class Store:
    """A store with the tables of host/store/schema.c, and rows as the keeper writes them."""

    def __init__(self, path):
        self.path, self.log, self.leaves = path, Log("log.test/audit"), 0
        self.db = sqlite3.connect(path)
        self.db.execute("PRAGMA synchronous = OFF")
        text = (ROOT / "host" / "store" / "schema.c").read_text("utf-8")
        for step in re.findall(r'\{\s*("CREATE (?:TABLE|INDEX|UNIQUE)[^{}]*?|"ALTER TABLE[^{}]*?)",\s*STEP_', text, re.S):
            self.db.execute("".join(re.findall(r'"([^"]*)"?', step + '"')))
        self.add("device", 1, DEVICE, "gateway", "host", 1, 2, 0, TIER["affirming"], 0, 0, 0, 0, 0)

    def add(self, table, *values):
        """The first columns; those that were added later have what their migration gives them."""
        names = [row[1] for row in self.db.execute(f"PRAGMA table_info({table})")][:len(values) + 1]
        marks = ",".join("?" * len(names))
        self.db.execute(f"INSERT INTO {table} ({','.join(names)}) VALUES ({marks})", (0, *values))

    def evidence(self, seq, boot, number, boot_tier, os_tier, fresh=1, nonce=None):
        e = evidence_of(boot)
        tiers = bytes([2, TIER[boot_tier], TIER[os_tier], 0, 0, 0, 0])
        for data in (e["eventlog"], e["ima"]):
            if not self.db.execute("SELECT 1 FROM blob WHERE sha256 = ?", (sha256(data),)).fetchone():
                count = self.db.execute("SELECT count(*) FROM blob").fetchone()[0]
                self.add("blob", count, sha256(data), len(data), 0, data)
        blob = self.db.execute("SELECT seq FROM blob WHERE sha256 = ?", (sha256(e["ima"]),)).fetchone()[0]
        self.add("chunk", seq, 1, 1, seq, 0, len(e["ima"]), blob)
        self.add("evidence", seq, 1, 1000 * seq, 0, fresh, number, tiers[1], tiers, nonce or bytes([seq]) * 32, e["quote"],
                 e["signature"], sha256(e["eventlog"]), len(e["eventlog"]), sha256(e["ima"]), len(e["ima"]), seq, "{}", "[]", 1)
        record = {"type": "verdict", "device": DEVICE.hex(), "evidence": seq, "generation": number, "chain": boot_tier,
                  "links": dict(zip(LINKS, ["affirming", boot_tier, os_tier] + ["none"] * 4)),
                  "cause": "evidence" if fresh else "history", "time": 1000 * seq}
        self.leaf(2, json.dumps(record, separators=(",", ":")))

    def ak(self, boot):
        self.add("ak", 1, 1, 1, b"", b"", evidence_of(boot)["ak"], 0, 0)

    def leaf(self, kind, record):
        salt = bytes([self.leaves]) * 32
        entry = bytes([1, kind]) + (5000 + self.leaves).to_bytes(8, "big") + sha256(salt + record.encode())
        self.add("leaf", self.leaves, kind, 5000, 1, salt, record, entry, leaf_hash(entry))
        self.leaves += 1

    def checkpoint(self):
        hashes = [row[0] for row in self.db.execute("SELECT hash FROM leaf ORDER BY seq")]
        seq = self.db.execute("SELECT count(*) FROM checkpoint").fetchone()[0]
        note = self.log.note(len(hashes), root_of(hashes)).decode()
        self.add("checkpoint", seq, len(hashes), root_of(hashes), note, 0)

    def audit(self, *more):
        self.db.commit()
        code, out, err = audit("--json", "--key", self.log.vkey, self.path.parent, *more)
        assert code in (0, 1), err
        return code, json.loads(out)


@pytest.fixture(scope="module", name="good_reference")
def fixture_good_reference():
    return reference_of("sbon-good")


@pytest.fixture(name="store")
def fixture_store(tmp_path, good_reference):
    """A good boot, judged without reference values and with them; another boot that they do not explain."""
    store = Store(tmp_path / "chainhold.db")
    store.ak("sbon-good")
    store.add("generation", 1, 0, generation(1, []), b"")
    store.add("generation", 2, 0, generation(2, [good_reference]), b"")
    store.leaf(5, '{"type":"generation","number":2}')
    store.checkpoint()
    store.evidence(1, "sbon-good", 1, "none", "none")
    store.evidence(2, "sbon-good", 2, "affirming", "affirming")
    store.checkpoint()
    store.leaf(4, '{"type":"lifecycle"}')
    store.checkpoint()
    return store


def test_a_store_that_is_what_it_says_holds(store):
    code, said = store.audit()
    assert said["faults"] == [] and code == 0
    assert said == {"faults": [], "entries": 4, "records": 4, "erased": 0, "erased_newest_ms": 0, "checkpoints": 3, "verdicts": 2, "agree": 2, "differ": 0,
                    "not_kept": 0, "past_logs": 0, "past_entries": 0, "signatures_checked": True, "holds": True}
    store.db.commit()
    code, out, _ = audit(store.path)
    assert code == 0 and "2 recompute" in out and "signatures not checked" in out


@pytest.mark.parametrize("change, what", [
    ("UPDATE evidence SET tiers = x'02600200000000' WHERE seq = 2", "another tier"),
    ("UPDATE evidence SET tiers = x'02026000000000' WHERE seq = 2", "another tier"),
    ("UPDATE evidence SET generation = 2 WHERE seq = 1", "another tier"),
    ("UPDATE evidence SET generation = 1 WHERE seq = 2", "another tier"),
    ("UPDATE evidence SET quote = x'00' WHERE seq = 2", "cannot be read"),
    ("UPDATE evidence SET signature = x'00' WHERE seq = 2", "cannot be read"),
    ("UPDATE generation SET image = x'00' WHERE number = 2", "cannot be read"),
    ("UPDATE leaf SET record = replace(record, 'affirming', 'warning') WHERE seq = 2", "does not commit"),
    ("UPDATE leaf SET salt = zeroblob(32) WHERE seq = 1", "does not commit"),
    ("UPDATE leaf SET entry = zeroblob(42) WHERE seq = 1", "no leaf"),
    ("UPDATE leaf SET type = 3 WHERE seq = 3", "no leaf of its type"),
    ("UPDATE leaf SET salt = NULL WHERE seq = 3", "retention erases both"),
    ("UPDATE leaf SET hash = zeroblob(32) WHERE seq = 3", "hash"),
    ("DELETE FROM leaf WHERE seq = 3", "more entries than there are"),
    ("DELETE FROM leaf WHERE seq = 1", "missing"),
    ("UPDATE checkpoint SET root = zeroblob(32) WHERE seq = 1", "another root"),
    ("UPDATE checkpoint SET note = replace(note, '/audit', '/other') WHERE seq = 1", "not signed"),
])
def test_whatever_was_changed_is_named(store, change, what):
    store.db.execute(change)
    code, said = store.audit()
    assert code == 1 and said["holds"] is False
    assert any(what in fault["what"] for fault in said["faults"]), said["faults"]


def test_a_changed_verdict_is_named_though_the_log_was_made_to_fit(store):
    store.db.execute("DELETE FROM leaf WHERE seq >= 1")
    store.db.execute("DELETE FROM checkpoint")
    store.db.execute("DELETE FROM evidence")
    store.db.execute("DELETE FROM chunk")
    store.leaves = 1
    store.evidence(1, "sbon-good", 1, "affirming", "affirming")  # that generation endorses nothing
    store.checkpoint()
    code, said = store.audit()
    assert code == 1 and said["differ"] == 1
    assert [fault["where"] for fault in said["faults"]] == ["verdict of entry"]


def test_a_broken_boot_recomputes_as_broken(tmp_path, good_reference):
    store = Store(tmp_path / "chainhold.db")
    store.ak("sbon-attackerkey-tampered")
    store.add("generation", 1, 0, generation(1, [good_reference]), b"")
    store.evidence(1, "sbon-attackerkey-tampered", 1, "contraindicated", "affirming")
    store.checkpoint()
    code, said = store.audit()
    assert (code, said["agree"], said["faults"]) == (0, 1, [])
    store.db.execute("UPDATE evidence SET tiers = x'02020200000000'")
    assert store.audit()[1]["differ"] == 1


def test_what_was_erased_under_retention_is_counted_and_no_fault(store):
    store.db.execute("DELETE FROM blob")
    store.db.execute("UPDATE leaf SET salt = NULL, record = NULL WHERE seq = 3")
    code, said = store.audit()
    assert (code, said["not_kept"], said["erased"], said["agree"]) == (0, 2, 1, 0)
    assert said["erased_newest_ms"] > 0


def test_a_replay_is_what_the_server_called_it(store):
    store.db.execute("DELETE FROM checkpoint WHERE seq = 2")
    store.db.execute("DELETE FROM leaf WHERE seq = 3")
    store.leaves = 3
    store.evidence(3, "sbon-good", 2, "contraindicated", "affirming", fresh=0, nonce=bytes([2]) * 32)
    store.checkpoint()
    code, said = store.audit()
    assert (code, said["agree"], said["faults"]) == (0, 3, [])


def test_what_is_no_store(tmp_path):
    assert audit(tmp_path)[0] == 4
    (tmp_path / "chainhold.db").write_bytes(b"no store")
    assert audit(tmp_path)[0] == 4
    assert audit()[0] == 2
