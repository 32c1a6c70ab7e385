# SPDX-License-Identifier: Apache-2.0
"""Over an air gap: archives made and put in place by the commands, and by Python from the description alone, hostile ones among them."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time

import pytest

import fleet_root_note as note_file
from support import BIN
from test_fleet_root import DAY, after, first, signed
from test_log import leaf
from test_release import REFERENCE, create, fixture_keys, sign
from tlog_server import Log, Server

keys = fixture_keys


def chainhold(*args, code=0):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def world(keys, tmp_path):
    """Two versions of a fleet root, a release with its proof, artefacts, a log's mirror, a list of the CA, reference values."""
    (tmp_path / "gateway.raucb").write_bytes(b"hsqs" + os.urandom(700_000))
    (tmp_path / "data.bin").write_bytes(b"some data")
    (tmp_path / "reference.json").write_text(json.dumps(REFERENCE))
    made = Log()
    role = f"os:2:{keys.public('r1')},{keys.public('r2')},{keys.public('r3')}"
    signed(keys, first(keys, tmp_path / "root", "--release", role, "--log", made.vkey), "a", "b")
    signed(keys, after(keys, tmp_path / "root", tmp_path / "root.2"), "a", "b")
    path = sign(keys, create(tmp_path, tmp_path / "os.release"), "r1", "r2")
    record = '{"type":"release","name":"gateway-os","version":"1.4.0","sequence":14,"sha256":"' + sha256(path.read_bytes()) + '"}'
    salt = bytes(range(32))
    made.append([leaf(n) for n in range(300)] + [bytes([1, 7]) + bytes(8) + hashlib.sha256(salt + record.encode()).digest()])
    with Server(made) as server:
        chainhold("log", "mirror", "--key", made.vkey, server.url, tmp_path / "mirror")
        proof = chainhold("log", "prove", "--key", made.vkey, "--state", tmp_path / "seen", server.url, 300)
    (tmp_path / "os.proof").write_text(json.dumps({"record": record, "salt": salt.hex(), "proof": proof}))
    (tmp_path / "db").write_text("")
    (tmp_path / "crlnumber").write_text("01\n")
    conf = tmp_path / "ca.conf"
    conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/db\ncrlnumber={tmp_path}/crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n")
    subprocess.run(["openssl", "ca", "-config", conf, "-gencrl", "-keyfile", tmp_path / "ca.key", "-cert", tmp_path / "ca.crt", "-out",
                    tmp_path / "fleet.crl"], check=True, capture_output=True)  # fmt: skip
    return tmp_path


def export(world, keys, out, *more, by=("r1", "r2")):
    signing = [x for k in by for x in ("--key", keys.private(k))]
    chainhold("export", "--out", out, "--role", "os", *signing, "--fleet-root", world / "root", "--fleet-root", world / "root.2", "--release",
              world / "os.release", "--proof", world / "os.proof", "--log", world / "mirror", "--reference", world / "reference.json", "--crl",
              world / "fleet.crl", *more, world / "gateway.raucb", world / "data.bin")  # fmt: skip
    return out


def check(world, archive, *more, code=0):
    return chainhold("import", "--check", "--fleet-root", world / "root", *more, archive, code=code)


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_goes_in_comes_out(keys, world):
    archive = export(world, keys, world / "a.tar")
    page = check(world, archive)
    for said in ("fleet root to version 2", "role os", "in the log, gateway-os", "log of 301 entries", "reference.json", "fleet.crl"):
        assert said in page, (said, page)
    chainhold("import", "--fleet-root", world / "root", archive, world / "in")
    got = tree(world / "in")
    release = (world / "os.release").read_bytes()
    assert got[f"releases/{sha256(release)}.release"] == release
    for name in ("gateway.raucb", "data.bin"):
        data = (world / name).read_bytes()
        assert got[f"artifacts/{sha256(data)}"] == data
    assert got["fleet-root/2"] == (world / "root.2").read_bytes()
    mirror = tree(world / "mirror")
    assert {k.removeprefix("log/"): v for k, v in got.items() if k.startswith("log/")} == {k: v for k, v in mirror.items() if k.startswith(("tile/", "checkpoint"))}
    assert not [k for k in got if k.endswith(".new")]
    # any tar lists it
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert names[0] == "index" and names[-1] == "signatures" and tar.extractfile("index").read().startswith(b"{")
    assert subprocess.run(["tar", "tf", archive], check=True, capture_output=True, text=True).stdout.split() == names
    # again, and from what was put in place
    chainhold("import", "--fleet-root", world / "in" / "fleet-root" / "2", "--quiet", archive, world / "in")
    assert tree(world / "in") == got


def test_signatures_are_added_on_other_machines(keys, world):
    archive = export(world, keys, world / "a.tar", by=())
    assert "fewer keys" in check(world, archive, code=1)
    chainhold("export", "--sign", archive, "--key", keys.private("r3"))
    assert "fewer keys" in check(world, archive, code=1)
    chainhold("export", "--sign", archive, "--key", keys.private("stranger"))
    assert "fewer keys" in check(world, archive, code=1)
    assert "already" in chainhold("export", "--sign", archive, "--key", keys.private("r3"), code=1)
    chainhold("export", "--sign", archive, "--key", keys.private("r1"))
    check(world, archive)


def test_nothing_is_put_in_place_if_anything_does_not_hold(keys, world):
    whole = export(world, keys, world / "a.tar").read_bytes()
    bad = world / "bad.tar"
    rows = [whole[:n] for n in range(0, len(whole), 40_009)] + [whole + b"\0", whole[:-1], whole + bytes(512)]
    for at in range(700, len(whole), 31_013):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        rows.append(bytes(flipped))
    for data in rows:
        bad.write_bytes(data)
        chainhold("import", "--fleet-root", world / "root", bad, world / "in", code=1)
        assert tree(world / "in") == {}
    bad.write_bytes(whole)
    assert "has expired" in check(world, bad, "--time", int(time.time()) + 500 * DAY, code=1)


def header(name, size, **other):
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    for key, value in other.items():
        setattr(info, key, value)
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    if not other:
        # the one form that is written: no device numbers
        block[329:345] = bytes(16)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def archive_of(files, signers, *, issued=None, names=None, index=None):
    """An archive by the letter of docs/protocol/archive.md. `names`: as the tar has them, where they are other than the index says."""
    rows = [{"path": p, "size": len(d), "sha256": sha256(d)} for p, d in sorted(files.items(), key=lambda r: r[0].encode())]
    document = {"type": "chainhold-archive/v1", "issued": issued or int(time.time()), "role": "os", "files": rows, **(index or {})}
    note = note_file.note(document, signers)
    text = note[: note.rindex(b"\n\n") + 2]
    out = io.BytesIO()
    out.write(header("index", len(text)) + padded(text))
    for row in rows:
        name = (names or {}).get(row["path"], row["path"])
        out.write(header(name, row["size"]) + padded(files[row["path"]]))
    lines = note[len(text):]
    out.write(header("signatures", len(lines)) + padded(lines) + bytes(1024))
    return out.getvalue()


@pytest.fixture
def parts(keys, world):
    """What a good archive has, by name."""
    with tarfile.open(export(world, keys, world / "good.tar")) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.name not in ("index", "signatures")}


def test_an_archive_of_others_is_put_in_place(keys, world, parts):
    signers = [keys.key["r1"], keys.key["r3"]]
    path = world / "theirs.tar"
    path.write_bytes(archive_of(parts, signers))
    chainhold("import", "--fleet-root", world / "root", path, world / "in")
    got = tree(world / "in")
    got.pop("archive.index")
    assert got == parts


def test_no_name_leads_anywhere_else(keys, world, parts):
    signers = [keys.key["r1"], keys.key["r2"]]
    path, outside = world / "evil.tar", world / "outside"
    for name in ("../outside", "/tmp/outside", "artifacts/../../outside", "log/../../outside", "log/tile/../../../outside", "./index", "outside",
                 "artifacts/" + "AB" * 32, "reference/../outside.json", "reference/.json", "crl/a/b.crl", "fleet-root/0", "fleet-root/01",
                 "releases/x.release", "log/tile/0/000.p/0", "index", "signatures", "", "a" * 200, "artifacts\\x", "log/checkpoint\n"):  # fmt: skip
        path.write_bytes(archive_of({**parts, name: b"x"}, signers, names={name: "x"}))
        said = chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
        assert "no file of an archive" in said or "escapes" in said, (name, said)
        # a good index, and another name in the tar
        if 0 < len(name) < 100:
            path.write_bytes(archive_of(parts, signers, names={"fleet-root/2": name}))
            chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
        assert tree(world / "in") == {} and not outside.exists()
    # links, folders, devices, other forms of a header
    good = archive_of(parts, signers)
    at = good.index(header("fleet-root/2", len(parts["fleet-root/2"])))
    for other in ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, {"type": tarfile.LNKTYPE, "linkname": "index"}, {"type": tarfile.DIRTYPE},
                  {"type": tarfile.CHRTYPE}, {"mode": 0o4755}, {"uid": 1}, {"uname": "root"}, {"mtime": 1}):  # fmt: skip
        path.write_bytes(good[:at] + header("fleet-root/2", len(parts["fleet-root/2"]), **other) + good[at + 512:])
        chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
    assert tree(world / "in") == {}


def test_what_is_signed_is_verified_all_the_same(keys, world, parts):
    """A threshold of the role signs the archive, and still nothing in it is taken for granted."""
    signers = [keys.key["r1"], keys.key["r2"]]
    path = world / "bad.tar"
    release = next(k for k in parts if k.endswith(".release"))
    proof = next(k for k in parts if k.endswith(".proof"))
    bundle = next(k for k in parts if k.startswith("artifacts/") and len(parts[k]) > 1000)
    text = parts[release]
    forged = note_file.note(note_file.document_of(text), [keys.key["r1"], keys.key["stranger"]])
    other_root = signed(keys, first(keys, world / "other", "--days", 30), "a", "b").read_bytes()
    stranger = x509_list(world)

    def without(*names, **more):
        return {**{k: v for k, v in parts.items() if k not in names}, **{k.replace("__", "/"): v for k, v in more.items()}}

    rows = {
        "an artefact of this release is not": without(bundle),
        "no release of the archive names it": without(**{f"artifacts/{sha256(b'stray')}": b"stray"}),
        "fewer keys": {**without(release, proof), f"releases/{sha256(forged)}.release": forged},
        "of another release": {**without(release, proof), **renamed(text, keys, parts[proof])},
        "one more": without("fleet-root/2", **{"fleet-root__2": other_root}),
        "no version leads": {**parts, "fleet-root/9": parts["fleet-root/2"]},
        "another document than the one": {**parts, "fleet-root/1": other_root},
        "key did not make its signature": {**parts, "crl/other.crl": stranger},
        "a tile of the log is not": without("log/tile/entries/000"),
        "no checkpoint": without("log/checkpoint"),
        "does not have the hash": {**parts, "log/tile/0/000": bytes(8192)},
        "does not have the root of the tile": {**parts, "log/tile/1/000.p/1": bytes(32)},
        "log of this size does not have": {**parts, "log/tile/0/001": bytes(8192)},
        "no log that is trusted": {**parts, "log/checkpoint": parts["log/checkpoint"].replace(b"301", b"300")},
        "reference values are JSON": {**parts, "reference/x.json": b"{}"},
    }  # fmt: skip
    for said, files in rows.items():
        path.write_bytes(archive_of(files, signers))
        page = chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
        assert said in page, (said, page)
        assert tree(world / "in") == {}
    # the index itself
    files = note_file.document_of(archive_of(parts, signers)[512:].split(b"\n\n")[0] + b"\n\n")["files"]
    for said, index in (("twice", {"files": [files[0], *files]}), ("order", {"files": files[::-1]}), ("type", {"type": "chainhold-archive/v2"}),
                        ("none that this", {"more": 1}), ("empty", {"files": []}), ("fewer keys", {"role": "firmware"})):  # fmt: skip
        path.write_bytes(archive_of(parts, signers, index=index))
        page = chainhold("import", "--fleet-root", world / "root", path, world / "in", code=3 if said == "type" else 1)
        assert said in page, (said, page)


def renamed(text, keys, proof):
    """The same release with one signature more is another file: its proof is not of it."""
    again = text + note_file.signature_line(text[: text.rindex(b"\n\n") + 1], keys.key["r3"])
    return {f"releases/{sha256(again)}.release": again, f"releases/{sha256(again)}.proof": proof}


def x509_list(world):
    """A list of a CA that the fleet root does not have."""
    other = world / "other-ca"
    other.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", other / "k", "-subj",
                    "/CN=ca", "-out", other / "c"], check=True, capture_output=True)  # fmt: skip
    subprocess.run(["openssl", "ca", "-config", world / "ca.conf", "-gencrl", "-keyfile", other / "k", "-cert", other / "c", "-out", other / "l"],
                   check=True, capture_output=True)  # fmt: skip
    return subprocess.run(["openssl", "crl", "-in", other / "l", "-outform", "DER"], check=True, capture_output=True).stdout


def test_an_older_archive_takes_nothing_back(keys, world, parts):
    signers = [keys.key["r1"], keys.key["r2"]]
    now = int(time.time())
    path = world / "x.tar"
    path.write_bytes(archive_of(parts, signers, issued=now))
    chainhold("import", "--fleet-root", world / "root", path, world / "in")
    before = tree(world / "in")
    path.write_bytes(archive_of({k: v for k, v in parts.items() if not k.startswith("crl/")}, signers, issued=now - 1))
    assert "older than the archive" in chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
    # a log that does not extend what was put in place
    fork = Log()
    fork.append([leaf(n) for n in range(299)] + [leaf(9999)] * 3)
    files = {k: v for k, v in parts.items() if not k.startswith("log/")} | {f"log/{k}": v for k, v in fork.files.items()}
    path.write_bytes(archive_of(files, signers, issued=now + 1))
    assert "FORKED" in chainhold("import", "--fleet-root", world / "root", path, world / "in", code=1)
    assert tree(world / "in") == before
    shutil.rmtree(world / "in" / "log")
    chainhold("import", "--fleet-root", world / "root", path, world / "in")


def test_what_export_refuses(keys, world):
    out = world / "x.tar"
    (world / "Upper.json").write_text("{}")
    chainhold("export", "--out", out, code=2)
    chainhold("export", "--out", out, "--role", "os", code=2)
    chainhold("export", "--out", out, "--role", "os", "--release", world / "data.bin", code=1)
    chainhold("export", "--out", out, "--role", "os", "--proof", world / "os.proof", code=1)
    chainhold("export", "--out", out, "--role", "os", "--reference", world / "Upper.json", code=1)
    chainhold("export", "--out", out, "--role", "os", "--log", world, code=4)
    chainhold("export", "--out", out, "--role", "os", world / "data.bin", world / "data.bin", code=1)
    assert not out.exists()
    chainhold("export", "--out", out, "--role", "os", world / "data.bin")
    chainhold("export", "--out", out, "--role", "os", world / "data.bin", code=4)
    chainhold("import", "--fleet-root", world / "root", out, code=2)
