# SPDX-License-Identifier: Apache-2.0
"""Fleet roots as files: made, signed and verified by the command without a server, and by Python from the description alone."""

import base64
import json
import subprocess
import time

import jsonschema
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import fleet_root_note as note_file
from support import BIN, ROOT

SCHEMA = json.loads((ROOT / "docs/schema/fleet-root.schema.json").read_text())
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
DAY = 86400


def chainhold(*args, code=0):
    done = subprocess.run([BIN, "fleet-root", *map(str, args)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stdout + done.stderr


class Keys:
    """Private keys as files, and their public halves."""

    def __init__(self, folder):
        self.folder, self.key = folder, {}

    def make(self, name, kind="ed25519"):
        key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
        path = self.folder / f"{name}.key"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        (self.folder / f"{name}.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.key[name] = key
        return key

    def private(self, name):
        return self.folder / f"{name}.key"

    def public(self, name):
        return self.folder / f"{name}.pub"


@pytest.fixture
def keys(tmp_path):
    made = Keys(tmp_path)
    for i, name in enumerate(("a", "b", "c", "d", "e", "f")):
        made.make(name, "ed25519" if i % 2 == 0 else "p256")
    made.make("ear", "p256")
    made.make("release", "p256")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    tmp_path / "ca.key", "-subj", "/CN=ca", "-days", "30", "-out", tmp_path / "ca.crt"], check=True, capture_output=True)
    return made


def first(keys, path, *more, roles=("a", "b", "c"), threshold=2):
    chainhold("create", *[x for r in roles for x in ("--key", keys.public(r))], "--threshold", threshold, "--anchor", keys.folder / "ca.crt",
              "--server", "fleet.example:8443", "--log", VKEY, "--ear", keys.public("ear"),
              "--release", f"firmware:1:{keys.public('release')}", "--agent-min", "0.1.0", "--out", path, *more)  # fmt: skip
    return path


def after(keys, before, path, *more):
    chainhold("create", "--from", before, "--out", path, *more)
    return path


def signed(keys, path, *names, previous=None):
    for name in names:
        chainhold("sign", "--key", keys.private(name), *(("--previous", previous) if previous else ()), path)
    return path


def holds(note, key):
    """By the letter of docs/protocol/fleet-root.md, with nothing of ours."""
    text, _, lines = note.rpartition(b"\n\n")
    for line in lines.splitlines():
        name, data = line.removeprefix("— ".encode()).split(b" ")
        if name.decode() != note_file.key_id(key):
            continue
        raw = base64.b64decode(data)[4:]
        if isinstance(key, ed25519.Ed25519PrivateKey):
            key.public_key().verify(raw, text + b"\n")
        else:
            numbers = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            key.public_key().verify(numbers, text + b"\n", ec.ECDSA(hashes.SHA256()))
        return True
    return False


def test_made_signed_verified_and_shown(keys, tmp_path):
    path = signed(keys, first(keys, tmp_path / "1"), "a", "b")
    assert "holds" in chainhold("verify", path)
    document = json.loads(chainhold("show", "--json", path))
    jsonschema.validate(document, SCHEMA)
    assert document["version"] == 1 and document["servers"] == ["fleet.example:8443"] and document["logs"] == [VKEY]
    assert document["root"]["keys"] == [note_file.text_of(keys.key[k]) for k in "abc"]
    assert document["expires"] - document["issued"] == 365 * DAY
    note = path.read_bytes()
    assert holds(note, keys.key["a"]) and holds(note, keys.key["b"]) and not holds(note, keys.key["c"])
    page = chainhold("show", path)
    assert page.count("has signed") == 2
    assert chainhold("show", "--anchors", path).split() == (tmp_path / "ca.crt").read_text().split()


def test_a_document_of_others_is_verified(keys, tmp_path):
    path = signed(keys, first(keys, tmp_path / "1"), "a", "b")
    document = note_file.document_of(path.read_bytes())
    theirs = tmp_path / "theirs"
    theirs.write_bytes(note_file.note(document, [keys.key["b"], keys.key["c"]]))
    chainhold("verify", theirs)
    # one signature short, and one of another text
    theirs.write_bytes(note_file.note(document, [keys.key["b"]]))
    assert "fewer keys" in chainhold("verify", theirs, code=1)
    theirs.write_bytes(note_file.note(document, [keys.key["a"], keys.key["b"]]).replace(b"8443", b"8444"))
    assert "does not hold" in chainhold("verify", theirs, code=1)


def test_a_step_takes_the_old_and_the_new_keys(keys, tmp_path):
    one = signed(keys, first(keys, tmp_path / "1"), "a", "b")
    new = [x for k in "def" for x in ("--key", keys.public(k))]
    two = after(keys, one, tmp_path / "2", *new)
    assert json.loads(chainhold("show", "--json", two))["servers"] == ["fleet.example:8443"]
    signed(keys, two, "d", "e")
    assert "known version" in chainhold("verify", one, two, code=1)
    signed(keys, two, "a", "c", previous=one)
    assert chainhold("verify", one, two).count("holds") == 2
    # back, and over one
    assert "one more" in chainhold("verify", two, one, code=1)
    three = signed(keys, after(keys, two, tmp_path / "3"), "d", "f")
    assert "one more" in chainhold("verify", one, three, code=1)
    rows = json.loads(chainhold("verify", "--json", one, two, three))
    assert [r["version"] for r in rows] == [1, 2, 3] and all(r["holds"] for r in rows)


def test_expiry_is_asked_of_the_last_only(keys, tmp_path):
    one = signed(keys, first(keys, tmp_path / "1", "--days", "1"), "a", "b")
    two = signed(keys, after(keys, one, tmp_path / "2", "--days", "400"), "a", "b")
    later = int(time.time()) + 30 * DAY
    assert "expired" in chainhold("verify", "--time", later, one, code=1)
    chainhold("verify", "--time", later, one, two)
    assert "expired" in chainhold("verify", "--time", later + 400 * DAY, one, two, code=1)


def test_what_nobody_should_sign(keys, tmp_path):
    one = first(keys, tmp_path / "1")
    assert "none of its root role" in chainhold("sign", "--key", keys.private("d"), one, code=1)
    document = note_file.document_of(one.read_bytes())
    document["issued"] += 3 * DAY
    (tmp_path / "future").write_bytes(note_file.note(document, []))
    assert "future" in chainhold("sign", "--key", keys.private("a"), tmp_path / "future", code=1)
    signed(keys, one, "a", "b")
    three = after(keys, signed(keys, after(keys, one, tmp_path / "2"), "a", "b"), tmp_path / "3")
    assert "does not follow" in chainhold("sign", "--key", keys.private("a"), "--previous", one, three, code=1)
    # nothing was added to any of them
    assert chainhold("show", three).count("has signed") == 0


def test_what_create_refuses(keys, tmp_path):
    one = first(keys, tmp_path / "1")
    chainhold("create", "--from", one, "--out", one, code=4)  # nothing is ever overwritten
    chainhold("create", "--from", one, "--threshold", 4, "--out", tmp_path / "x", code=2)
    chainhold("create", "--from", one, "--server", "fleet.example", "--out", tmp_path / "x", code=1)
    chainhold("create", "--from", one, "--ear", keys.public("a"), "--out", tmp_path / "x", code=1)
    chainhold("create", "--from", one, "--anchor", keys.public("a"), "--out", tmp_path / "x", code=1)
    chainhold("create", "--from", one, "--release", "firmware:0:x", "--out", tmp_path / "x", code=2)
    chainhold("create", "--from", one, "--agent-min", "1.2", "--out", tmp_path / "x", code=2)
    chainhold("create", "--server", "a:1", "--out", tmp_path / "x", code=2)
    assert not (tmp_path / "x").exists()
    none = after(keys, one, tmp_path / "2", "--log", "none", "--ear", "none", "--release", "none")
    document = json.loads(chainhold("show", "--json", none))
    assert document["logs"] == document["ears"] == document["releases"] == []
    jsonschema.validate(document, SCHEMA)


def test_every_cut_and_every_other_member_is_refused(keys, tmp_path):
    whole = signed(keys, first(keys, tmp_path / "1"), "a", "b").read_bytes()
    cut = tmp_path / "cut"
    for n in range(0, len(whole), 211):
        cut.write_bytes(whole[:n])
        chainhold("verify", cut, code=1)
    document = note_file.document_of(whole)
    for name in document:
        less = {k: v for k, v in document.items() if k != name}
        cut.write_bytes(note_file.note(less, [keys.key["a"], keys.key["b"]]))
        assert "missing" in chainhold("verify", cut, code=1)
    cut.write_bytes(note_file.note({**document, "more": 1}, [keys.key["a"], keys.key["b"]]))
    assert "none that this document has" in chainhold("verify", cut, code=1)
