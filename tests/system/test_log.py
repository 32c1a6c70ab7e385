# SPDX-License-Identifier: Apache-2.0
"""`chainhold log …` from another host: against a log that another implementation makes and serves."""

import hashlib
import json
import subprocess

import jsonschema
import pytest

import fleet_root_note as note_file
from support import BIN, ROOT, run
from tlog_server import Log, Server, leaf_hash

SCHEMA = json.loads((ROOT / "docs" / "schema" / "inspect-proof.schema.json").read_text("utf-8"))
OPERATOR = BIN.parent / "chainhold-operator"


def leaf(n):
    """An entry as Chainhold writes it: docs/protocol/log-leaf.md."""
    return bytes([1, 1 + n % 7]) + (1700000000000 + n).to_bytes(8, "big") + n.to_bytes(32, "big")


def log(*args, timeout=60):
    done = subprocess.run([str(OPERATOR), "log", *map(str, args)], capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


@pytest.fixture(name="served")
def fixture_served():
    made = Log()
    made.append([leaf(n) for n in range(700)])
    with Server(made) as server:
        yield made, server


def test_verify_follows_a_log_that_grows(served, tmp_path):
    made, server = served
    args = ("verify", "--key", made.vkey, "--state", tmp_path / "seen", "--json", server.url)
    code, out, err = log(*args)
    assert (code, err) == (0, "")
    assert json.loads(out)["size"] == 700 and json.loads(out)["seen"] == 0
    made.append([leaf(n) for n in range(700, 1100)])
    code, out, _ = log(*args)
    assert code == 0 and json.loads(out)["seen"] == 700 and json.loads(out)["size"] == 1100
    assert (tmp_path / "seen").read_bytes() == made.files["checkpoint"]


def test_a_fork_is_reported_and_kept_as_evidence(served, tmp_path):
    made, server = served
    args = ("verify", "--key", made.vkey, "--state", tmp_path / "seen", server.url)
    assert log(*args)[0] == 0
    first = made.files["checkpoint"]
    other = Log()
    other.append([leaf(n) for n in range(300)] + [leaf(9999)] + [leaf(n) for n in range(301, 900)])
    server.log = other
    code, _, err = log(*args)
    assert code == 1 and "FORKED" in err
    evidence = (tmp_path / "seen.fork-900").read_bytes()
    assert first in evidence and other.files["checkpoint"] in evidence
    assert (tmp_path / "seen").read_bytes() == first, "what was seen first stays"
    # Another tree of the same size, too.
    other = Log()
    other.append([leaf(n) for n in range(699)] + [leaf(9999)])
    server.log = other
    code, _, err = log(*args)
    assert code == 1 and "FORKED" in err and (tmp_path / "seen.fork-700").exists()


def test_two_roots_of_one_size_are_a_fork_whatever_the_tiles_say(served, tmp_path):
    made, server = served
    args = ("verify", "--key", made.vkey, "--state", tmp_path / "seen", server.url)
    assert log(*args)[0] == 0
    made.files["checkpoint"] = made.note(700, bytes(32))
    code, _, err = log(*args)
    assert code == 1 and "FORKED" in err and (tmp_path / "seen.fork-700").exists()


def test_a_log_that_shrinks_does_not_hold(served, tmp_path):
    made, server = served
    args = ("verify", "--key", made.vkey, "--state", tmp_path / "seen", server.url)
    assert log(*args)[0] == 0
    server.log = Log()
    server.log.append([leaf(n) for n in range(600)])
    code, _, err = log(*args)
    assert code == 1 and "rolled back" in err


def test_signatures_names_and_tiles_must_hold(served, tmp_path):
    made, server = served
    args = ("verify", "--state", tmp_path / "seen", server.url, "--key")
    good = dict(made.files)
    assert log(*args, Log(seed=b"another key").vkey)[0] == 1
    made.files["checkpoint"] = good["checkpoint"].replace(b"\n700\n", b"\n701\n")
    assert log(*args, made.vkey)[0] == 1
    made.files["checkpoint"] = made.note(700, bytes(32))
    code, _, err = log(*args, made.vkey)
    assert code == 1 and "do not have the root" in err
    made.files["checkpoint"] = made.note(700, bytes(32), name="other.test")
    assert log(*args, made.vkey)[0] == 1
    made.files["checkpoint"] = made.note(2**62, bytes(32))
    code, _, err = log(*args, made.vkey)
    assert code == 1 and "more than tiles can hold" in err
    made.files["checkpoint"] = good["checkpoint"]
    tile = bytearray(good["tile/1/000.p/2"])
    tile[3] ^= 1
    made.files["tile/1/000.p/2"] = bytes(tile)
    assert log(*args, made.vkey)[0] == 1
    del made.files["tile/1/000.p/2"]
    assert log(*args, made.vkey)[0] == 4
    assert not (tmp_path / "seen").exists()


@pytest.mark.parametrize("index", [0, 255, 256, 511, 699])
def test_a_proof_is_checked_by_who_has_no_network(served, tmp_path, index):
    made, server = served
    proof = tmp_path / "entry.tlog-proof"
    code, out, err = log("prove", "--key", made.vkey, "--state", tmp_path / "seen", server.url, index)
    assert (code, err) == (0, "")
    assert out.startswith("c2sp.org/tlog-proof@v1\n")
    proof.write_text(out, "utf-8")
    (tmp_path / "key").write_text(made.vkey + "\n", "utf-8")
    code, out, _ = run(["inspect", "proof", "--key", tmp_path / "key", "--json", proof])
    said = json.loads(out)
    jsonschema.validate(said, SCHEMA)
    assert code == 0 and said["index"] == index and said["size"] == 700 and said["entry"] == leaf(index).hex()
    # Not for another entry, another key, another place.
    (tmp_path / "other").write_bytes(leaf(index + 1))
    assert run(["inspect", "proof", "--key", made.vkey, "--entry", tmp_path / "other", proof])[0] == 1
    assert run(["inspect", "proof", "--key", Log(seed=b"x").vkey, proof])[0] == 1
    moved = proof.read_text("utf-8").replace(f"index {index}\n", f"index {index ^ 1}\n")
    proof.write_text(moved, "utf-8")
    assert run(["inspect", "proof", "--key", made.vkey, proof])[0] == 1


def test_a_record_opens_its_leaf(tmp_path):
    made = Log()
    salt, record = bytes(range(32)), b'{"type":"verdict"}'
    made.append([bytes([1, 2]) + bytes(8) + hashlib.sha256(salt + record).digest()])
    with Server(made) as server:
        code, out, _ = log("prove", "--key", made.vkey, "--state", tmp_path / "seen", server.url, 0)
    assert code == 0
    (tmp_path / "proof").write_text(out, "utf-8")
    (tmp_path / "record").write_bytes(record)
    args = ["inspect", "proof", "--key", made.vkey, tmp_path / "proof", "--record", tmp_path / "record", "--salt"]
    assert run([*args, salt.hex()])[0] == 0
    assert run([*args, bytes(32).hex()])[0] == 1
    assert run([*args, "00"])[0] == 2


def test_there_is_no_entry_past_the_end(served, tmp_path):
    made, server = served
    code, _, err = log("prove", "--key", made.vkey, "--state", tmp_path / "seen", server.url, 700)
    assert code == 1 and "700 entries" in err
    assert log("prove", "--key", made.vkey, "--state", tmp_path / "seen", server.url, "x")[0] == 2


def test_a_mirror_is_the_same_log(served, tmp_path):
    made, server = served
    args = ("mirror", "--key", made.vkey, server.url, tmp_path / "copy")
    for more in (0, 1, 67, 256, 300):
        made.append([leaf(len(made.entries) + n) for n in range(more)])
        code, _, err = log(*args)
        assert (code, err) == (0, "")
        for name, data in made.files.items():
            if ".p/" not in name:
                assert (tmp_path / "copy" / name).read_bytes() == data, name
    # It can be served, and followed, like the log itself.
    copy = Log()
    for path in (tmp_path / "copy").rglob("*"):
        if path.is_file():
            copy.files[str(path.relative_to(tmp_path / "copy"))] = path.read_bytes()
    server.log = copy
    code, out, _ = log("verify", "--key", made.vkey, "--state", tmp_path / "seen", "--json", server.url)
    assert code == 0 and json.loads(out)["size"] == len(made.entries)
    before = len(server.asked)
    code, _, _ = log("mirror", "--key", made.vkey, server.url, tmp_path / "copy")
    assert code == 0
    assert len([name for name in server.asked[before:] if "entries" in name]) <= 1, "only what is new is fetched"


def test_a_mirror_refuses_an_entry_that_is_not_in_the_tree(served, tmp_path):
    made, server = served
    bundle = bytearray(made.files["tile/entries/001"])
    bundle[40] ^= 1
    made.files["tile/entries/001"] = bytes(bundle)
    code, _, err = log("mirror", "--key", made.vkey, server.url, tmp_path / "copy")
    assert code == 1 and "entry 256" in err
    assert not (tmp_path / "copy" / "checkpoint").exists()


def test_monitor_prints_what_is_new(served, tmp_path):
    made, server = served
    args = ("monitor", "--key", made.vkey, "--state", tmp_path / "seen", "--once", "--json", server.url)
    code, out, _ = log(*args)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [row["index"] for row in rows] == list(range(700))
    assert rows[1]["type"] == "verdict" and rows[1]["hash"] == leaf_hash(leaf(1)).hex()
    made.append([leaf(700), b"not a leaf of ours"])
    code, out, _ = log(*args)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [row["index"] for row in rows] == [700, 701]
    assert rows[1]["type"] is None and rows[1]["entry"] == b"not a leaf of ours".hex()
    assert log(*args)[1] == ""


def test_addresses_and_keys_that_are_none(tmp_path):
    made = Log()
    for url in ("https://127.0.0.1", "127.0.0.1", "http://", "http://[::1", "http://h:x", "http://:80"):
        code, _, err = log("verify", "--key", made.vkey, "--state", tmp_path / "s", url)
        assert code in (2, 4) and err, url
    assert log("verify", "http://127.0.0.1:9")[0] == 2
    for interval in ("0", "86401", "5x", "-1", ""):
        assert log("monitor", "--key", made.vkey, f"--interval={interval}", "http://127.0.0.1:9")[0] == 2
    assert log("verify", "--key", "a+b+c", "http://127.0.0.1:9")[0] == 1
    assert log("verify", "--key", made.vkey, "--state", tmp_path / "s", "http://127.0.0.1:9")[0] == 4


def fleet_root(path, logs, expires=2**33):
    """A fleet root of Python that names these logs, signed by its own key."""
    key = note_file.new_key()
    document = {
        "type": note_file.TYPE, "version": 1, "issued": 1790000000 - 10**8, "expires": expires,
        "root": {"threshold": 1, "keys": [note_file.text_of(key)]}, "releases": [], "anchors": ["MAMCAQU="], "logs": logs, "ears": [],
        "servers": ["fleet.example:8443"], "agent_min": "0.1.0",
    }  # fmt: skip
    path.write_bytes(note_file.note(document, [key]))
    return document


def test_the_key_is_taken_from_a_fleet_root(served, tmp_path):
    made, server = served
    other = Log(name="log.test/other", seed=b"of another log")
    root = tmp_path / "root"
    for logs in ([made.vkey], [other.vkey, made.vkey], [made.vkey, other.vkey]):
        fleet_root(root, logs)
        code, out, err = log("verify", "--fleet-root", root, "--state", tmp_path / "seen", "--json", server.url)
        assert (code, err) == (0, ""), logs
        assert json.loads(out)["origin"] == made.name
    code, out, _ = log("prove", "--fleet-root", root, "--state", tmp_path / "seen", server.url, "41")
    assert code == 0
    (tmp_path / "proof").write_text(out)
    code, out, _ = run(["inspect", "proof", "--fleet-root", root, "--json", tmp_path / "proof"])
    assert code == 0 and json.loads(out)["index"] == 41
    assert log("mirror", "--fleet-root", root, server.url, tmp_path / "copy")[0] == 0
    assert (tmp_path / "copy" / "checkpoint").read_bytes() == made.files["checkpoint"]
    assert log("monitor", "--fleet-root", root, "--state", tmp_path / "seen", "--once", server.url)[0] == 0


def test_a_fleet_root_that_does_not_vouch_for_the_log(served, tmp_path):
    made, server = served
    others = [Log(name=f"log.test/{i}", seed=bytes([i])).vkey for i in range(2)]
    root, state = tmp_path / "root", tmp_path / "seen"
    assert log("prove", "--key", made.vkey, "--state", state, server.url, "1")[0] == 0
    (tmp_path / "proof").write_text(log("prove", "--key", made.vkey, "--state", state, server.url, "1")[1])

    def refused(said, where):
        code, out, err = log("verify", "--fleet-root", root, "--state", tmp_path / "other", server.url)
        assert code == 1 and not out and said in err, err
        code, out, err = run(["inspect", "proof", "--fleet-root", root, tmp_path / "proof"])
        assert code == 1 and not out and where in err, err

    fleet_root(root, others)
    refused("none of the logs", "no log that is trusted")
    fleet_root(root, others[:1])
    refused("no signature of this key", "no log that is trusted")
    fleet_root(root, [])
    refused("names no log", "no log that is trusted")
    document = fleet_root(root, [made.vkey], expires=1790000000 - 10**8 + 1)
    refused("expired", "expired")
    root.write_bytes(note_file.note(document, [note_file.new_key()]))
    refused("fewer keys", "fewer keys")
    assert not (tmp_path / "other").exists()
    fleet_root(root, [made.vkey])
    assert log("verify", "--fleet-root", root, "--key", made.vkey, server.url)[0] == 2
    assert run(["inspect", "proof", "--fleet-root", root, "--key", made.vkey, tmp_path / "proof"])[0] == 2
    assert run(["inspect", "proof", tmp_path / "proof"])[0] == 2
