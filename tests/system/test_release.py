# SPDX-License-Identifier: Apache-2.0
"""Releases as files: made, signed, verified and compared by the command without a server, and by Python from the description alone."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import time

import jsonschema
import pytest
from cryptography.hazmat.primitives import serialization

import fleet_root_note as note_file
import softhsm
from support import BIN, FIXTURES, ROOT
from test_fleet_root import DAY, Keys, first, holds, signed

SCHEMA = json.loads((ROOT / "docs/schema/release.schema.json").read_text())
REFERENCE = {
    "format": "chainhold-reference/1", "kind": "release", "name": "as captured", "pcrs": [4, 11],
    "events": [
        {"pcr": 4, "type": 2147483651, "digests": {"sha256": "11" * 32}, "required": True, "what": "kernel"},
        {"pcr": 11, "type": 13, "digests": {"sha256": "22" * 32}, "required": True, "what": ".linux"},
    ],
}  # fmt: skip


def release(*args, code=0, env=None):
    done = subprocess.run([BIN, "release", *map(str, args)], capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture(name="keys")
def fixture_keys(tmp_path):
    made = Keys(tmp_path)
    for i, name in enumerate(("a", "b", "c", "r1", "r2", "r3", "stranger")):
        made.make(name, "ed25519" if i % 2 == 0 else "p256")
    made.make("ear", "p256")
    made.make("release", "p256")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    tmp_path / "ca.key", "-subj", "/CN=ca", "-days", "30", "-out", tmp_path / "ca.crt"], check=True, capture_output=True)
    return made


def fleet_root(keys, path, names=("r1", "r2", "r3"), threshold=2):
    """A fleet root whose role "os" has these keys."""
    role = f"os:{threshold}:" + ",".join(str(keys.public(n)) for n in names)
    return signed(keys, first(keys, path, "--release", role), "a", "b")


@pytest.fixture
def world(keys, tmp_path):
    """Artefacts, reference values, a fleet root."""
    (tmp_path / "gateway.raucb").write_bytes(b"hsqs" + bytes(5000))
    (tmp_path / "data.bin").write_bytes(b"some data")
    (tmp_path / "sbom.json").write_text("{}")
    (tmp_path / "reference.json").write_text(json.dumps(REFERENCE))
    (tmp_path / "notes").write_text('Mends "CVE-2026-1".\nAnd more.\n')
    fleet_root(keys, tmp_path / "root")
    return tmp_path


def options(world, sequence=14, version="1.4.0"):
    return ["--name", "gateway-os", "--version", version, "--sequence", sequence, "--class", "gateway", "--role", "os"]


def create(world, path, *more, sequence=14, version="1.4.0", files=("gateway.raucb", "data.bin"), measured=True):
    text = release("create", *options(world, sequence, version), "--compatible", "Gateway rev C",
                   *(("--reference", world / "reference.json") if measured else ("--without-measurements",)), *more,
                   *[world / f for f in files])  # fmt: skip
    path.write_text(text)
    return path


def sign(keys, path, *names, code=0):
    for name in names:
        release("sign", "--key", keys.private(name), path, code=code)
    return path


def verify(world, path, *more, code=0, root="root"):
    return release("verify", "--fleet-root", world / root, *more, path, code=code)


def test_made_signed_verified_and_shown(keys, world):
    path = create(world, world / "os.release", "--floor", 12, "--notes", world / "notes", "--sbom", world / "sbom.json")
    sign(keys, path, "r1", "r2")
    document = json.loads(release("show", "--json", path))
    jsonschema.validate(document, SCHEMA)
    data = (world / "gateway.raucb").read_bytes()
    assert document["artifacts"][0] == {"name": "gateway.raucb", "kind": "rauc", "size": len(data), "compatible": "Gateway rev C",
                                        "sha256": hashlib.sha256(data).hexdigest()}  # fmt: skip
    assert document["artifacts"][1]["kind"] == "file" and document["sbom"]["size"] == 2
    assert document["notes"] == 'Mends "CVE-2026-1".\nAnd more.'
    assert document["reference"] == {**REFERENCE, "name": "gateway-os 1.4.0"}
    assert document["expires"] - document["issued"] == 365 * DAY
    page = verify(world, path, "--class", "gateway")
    assert "refused" not in page and "not looked at" in page
    rows = json.loads(release("verify", "--json", "--fleet-root", world / "root", path, world / "gateway.raucb", world / "sbom.json"))
    assert all(r["holds"] for r in rows) and [r["of"] for r in rows if r["check"] == "file"] == ["gateway.raucb", "sbom.json"]
    note = path.read_bytes()
    assert holds(note, keys.key["r1"]) and holds(note, keys.key["r2"]) and not holds(note, keys.key["r3"])
    shown = release("show", path)
    assert "2 events, 2 of them required" in shown and note_file.key_id(keys.key["r1"]) in shown
    assert hashlib.sha256(note).hexdigest() in shown


def test_a_release_of_others_is_verified(keys, world):
    path = create(world, world / "os.release")
    document = note_file.document_of(path.read_bytes())
    theirs = world / "theirs"
    theirs.write_bytes(note_file.note(document, [keys.key["r2"], keys.key["r3"]]))
    verify(world, theirs)
    # one short; a stranger's; of another text; of a key of the fleet root's other role
    theirs.write_bytes(note_file.note(document, [keys.key["r2"]]))
    assert "fewer keys" in verify(world, theirs, code=1)
    theirs.write_bytes(note_file.note(document, [keys.key["r2"], keys.key["stranger"], keys.key["release"], keys.key["a"]]))
    assert "fewer keys" in verify(world, theirs, code=1)
    theirs.write_bytes(note_file.note(document, [keys.key["r1"], keys.key["r2"]]).replace(b'"gateway"', b'"gatewax"', 1))
    assert "does not hold" in verify(world, theirs, code=1)
    # signed by a role that the fleet root does not have
    theirs.write_bytes(note_file.note({**document, "role": "nobody"}, [keys.key["r1"], keys.key["r2"]]))
    assert "no release role" in verify(world, theirs, code=1)


def test_a_role_is_rotated_by_a_new_fleet_root(keys, world):
    path = sign(keys, create(world, world / "os.release"), "r1", "r2")
    verify(world, path)
    fleet_root(keys, world / "root2", names=("r2", "r3", "stranger"))
    assert "fewer keys" in verify(world, path, code=1, root="root2")
    sign(keys, path, "r3")
    verify(world, path, root="root2")
    verify(world, path)


def test_a_fleet_root_that_is_not_trusted_vouches_for_nobody(keys, world):
    path = sign(keys, create(world, world / "os.release"), "r1", "r2")
    first(keys, world / "unsigned", "--release", f"os:1:{keys.public('r1')}")
    assert "refused fleet root" in verify(world, path, code=1, root="unsigned")
    assert "has expired" in verify(world, path, "--time", int(time.time()) + 400 * DAY, code=1)


def test_what_a_device_asks(keys, world):
    path = sign(keys, create(world, world / "os.release", "--days", 10), "r1", "r2")
    verify(world, path, "--class", "gateway", "--floor", 14)
    assert "other classes" in verify(world, path, "--class", "sensor", code=1)
    assert "older than the floor" in verify(world, path, "--class", "gateway", "--floor", 15, code=1)
    assert "release has expired" in verify(world, path, "--time", int(time.time()) + 11 * DAY, code=1)


def test_artefacts_are_of_their_size_and_digest(keys, world):
    path = sign(keys, create(world, world / "os.release"), "r1", "r2")
    bundle = world / "gateway.raucb"
    whole = bundle.read_bytes()
    for data, rule in ((whole[:-1], "shorter"), (whole + b"x", "longer"), (whole[:-1] + b"x", "another one")):
        bundle.write_bytes(data)
        assert rule in release("verify", "--fleet-root", world / "root", path, bundle, code=1)
    other = world / "other.bin"
    other.write_bytes(whole)
    assert "none of this name" in release("verify", "--fleet-root", world / "root", path, other, code=1)
    (world / "data.bin").write_bytes(b"")
    assert "shorter" in release("verify", "--fleet-root", world / "root", path, world / "data.bin", code=1)


def test_kinds_are_found_by_content(world):
    made = {
        "a.efi": (b"MZ" + bytes(0x3A) + (0x40).to_bytes(4, "little") + b"PE\0\0" + bytes(2) + b"\x01\0" + bytes(12) + b"\0\0" + bytes(2) + b".linux\0\0" + bytes(32), "uki"),
        "vmlinuz": (b"MZ" + bytes(0x200) + b"HdrS", "kernel"),
        "b.swu": (b"070702" + bytes(104) + b"sw-description\0", "swu"),
        "initrd": (b"070701" + bytes(104) + b"kernel\0", "initrd"),
        "c": (b"MZ", "file"),
    }  # fmt: skip
    for name, (data, _) in made.items():
        (world / name).write_bytes(data)
    path = create(world, world / "os.release", files=made, measured=False)
    for row in json.loads(release("show", "--json", path))["artifacts"]:
        assert row["kind"] == made[row["name"]][1], row
    # what a person says goes before it
    text = release("create", *options(world), "--without-measurements", f"swu:{world / 'c'}")
    assert note_file.document_of(text.encode())["artifacts"][0]["kind"] == "swu"


STUB = pathlib.Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")


@pytest.mark.skipif(not STUB.exists(), reason="systemd-boot-efi is missing: tools/deps.sh check")
def test_measurements_are_computed_from_the_artefact(keys, world):
    """systemd's own stub, an EFI binary: what `inspect pe` expects of it is what the release endorses, under the release's name."""
    image = world / "stub.efi"
    image.write_bytes(STUB.read_bytes())
    text = release("create", *options(world), f"kernel:{image}", world / "data.bin")
    reference = note_file.document_of(text.encode())["reference"]
    told = json.loads(subprocess.run([BIN, "inspect", "pe", "--json", image], check=True, capture_output=True).stdout)["measurements"]
    assert reference["name"] == "gateway-os 1.4.0" and reference["kind"] == "release"
    assert [(e["pcr"], e["type"], e["digests"]) for e in reference["events"]] == [(e["pcr"], e["type"], e["digests"]) for e in told] and told
    # one that boots and cannot be measured leaves nothing that could be proven
    assert "installed (claimed)" in release("create", *options(world), "--compatible", "x", image, world / "gateway.raucb", code=1)
    image.write_bytes(STUB.read_bytes()[:3000])
    release("create", *options(world), f"kernel:{image}", code=1)


@pytest.mark.skipif(not STUB.exists(), reason="systemd-boot-efi is missing: tools/deps.sh check")
def test_kernel_initrd_and_command_line_are_measured_as_the_efi_stub_does(world):
    """The command line with which a captured guest was booted: its log shows what the release expects of it."""
    initrd, line, text = b"070701" + bytes(104) + b"init\0", world / "cmdline", (FIXTURES / "class-unit1" / "cmdline").read_text().strip()
    (world / "initrd").write_bytes(initrd)
    line.write_text(text + "\n")
    made = release("create", *options(world), "--cmdline", line, f"kernel:{STUB}", world / "initrd")
    document = note_file.document_of(made.encode())
    assert [a["kind"] for a in document["artifacts"]] == ["kernel", "initrd"]
    shown = {e["digests"]["sha256"]: e for e in document["reference"]["events"] if e["pcr"] == 9}
    wanted = hashlib.sha256((text + "\0").encode("utf-16-le")).hexdigest()
    assert shown.keys() == {wanted, hashlib.sha256(initrd).hexdigest()}
    log = subprocess.run([BIN, "inspect", "eventlog", "--json", FIXTURES / "class-unit1" / "binary_bios_measurements"], check=True, capture_output=True)
    assert (9, shown[wanted]["type"], wanted) in [(e["pcr"], e["type"], e["digests"].get("sha256")) for e in json.loads(log.stdout)["events"]]
    for broken in (b"\xc3\xa9", b"x" * 65537):
        line.write_bytes(broken)
        assert release("create", *options(world), "--cmdline", line, f"kernel:{STUB}", code=3 if broken[0] > 127 else 1)
    release("create", *options(world), "--cmdline", line, "--without-measurements", world / "data.bin", code=2)
    release("create", *options(world), "--cmdline", world / "absent", f"kernel:{STUB}", code=4)


def test_what_create_refuses(keys, world):
    def refused(*args, code):
        said = release("create", *args, code=code)
        assert '"type"' not in said
        return said

    bundle, data = world / "gateway.raucb", world / "data.bin"
    assert "installed (claimed)" in refused(*options(world), data, code=1)
    refused(*options(world), "--without-measurements", world / "absent", code=4)
    refused(*options(world), "--without-measurements", world, code=4)
    (world / "empty").write_bytes(b"")
    refused(*options(world), "--without-measurements", world / "empty", code=1)
    assert "compatible" in refused(*options(world), "--without-measurements", bundle, code=2)
    (world / "with space").write_bytes(b"x")
    refused(*options(world), "--without-measurements", world / "with space", code=2)
    refused(*options(world), "--without-measurements", "--floor", 15, data, code=2)
    refused(*options(world, sequence=0), "--without-measurements", data, code=2)
    refused(*options(world, version="1 4"), "--without-measurements", data, code=2)
    assert "twice" in refused(*options(world), "--class", "gateway", "--without-measurements", data, code=1)
    refused(*options(world), "--without-measurements", data, data, code=1)
    refused(*options(world), "--without-measurements", "--reference", world / "reference.json", data, code=2)
    (world / "baseline.json").write_text(json.dumps({**REFERENCE, "kind": "baseline"}))
    assert "kind is baseline" in refused(*options(world), "--reference", world / "baseline.json", data, code=1)
    (world / "broken.json").write_text(json.dumps({**REFERENCE, "more": 1}))
    refused(*options(world), "--reference", world / "broken.json", data, code=1)
    refused("--name", "x", data, code=2)


def test_what_nobody_should_sign(keys, world):
    path = create(world, world / "os.release")
    document = note_file.document_of(path.read_bytes())
    before = path.read_bytes()
    assert "none of its role" in release("sign", "--key", keys.private("stranger"), "--fleet-root", world / "root", path, code=1)
    assert path.read_bytes() == before
    release("sign", "--key", keys.private("r1"), "--fleet-root", world / "root", path)
    assert "already" in release("sign", "--key", keys.private("r1"), path, code=1)
    path.write_bytes(note_file.note({**document, "issued": document["issued"] + 3 * DAY}, []))
    assert "future" in release("sign", "--key", keys.private("r1"), path, code=1)
    path.write_bytes(note_file.note({**document, "issued": 1, "expires": 2}, []))
    assert "expired" in release("sign", "--key", keys.private("r1"), path, code=1)


def test_every_cut_and_every_other_member_is_refused(keys, world):
    whole = sign(keys, create(world, world / "os.release"), "r1", "r2").read_bytes()
    cut = world / "cut"
    for n in range(0, len(whole), 211):
        cut.write_bytes(whole[:n])
        verify(world, cut, code=1)
    document = note_file.document_of(whole)
    for name in document:
        cut.write_bytes(note_file.note({k: v for k, v in document.items() if k != name}, [keys.key["r1"], keys.key["r2"]]))
        assert "missing" in verify(world, cut, code=1)
    cut.write_bytes(note_file.note({**document, "more": 1}, [keys.key["r1"], keys.key["r2"]]))
    assert "none that this document has" in verify(world, cut, code=1)


def test_every_field_out_of_range_is_refused_though_signed(keys, world):
    """A threshold of the role signed it, and still: the schema and the parser refuse the same."""
    document = note_file.document_of(create(world, world / "os.release").read_bytes())
    artifact = document["artifacts"][0]

    def with_artifact(**other):
        return {**document, "artifacts": [{**artifact, **other}]}

    bad = {
        "type": ["chainhold-release/v2", "", 1],
        "name": ["", "Gateway", "a/b", "a" * 65, None],
        "version": ["", "1 4", "../1", "v" * 65, 14],
        "sequence": [0, -1, 2**53, 1.5, "14", 10**30],
        "floor": [-1, 2**53, "0"],
        "classes": [[], ["gateway", "gateway"], ["Gateway"], [1], "gateway", [f"c{i}" for i in range(17)]],
        "role": ["", "OS", 1],
        "issued": [0, -1, 2**63, "1"],
        "expires": [0, 2**63, "1"],
        "notes": ["x" * 4097, 1, None],
        "artifacts": [[], {}, None, [artifact] * 2],
        "sbom": [1, {}, {"name": "../x", "size": 1, "sha256": "00" * 32}, {"name": "x", "size": 0, "sha256": "00" * 32}],
        "reference": [1, {}, {**REFERENCE, "kind": "baseline"}, {**REFERENCE, "format": "chainhold-reference/2"}],
    }
    rows = [{**document, name: value} for name, values in bad.items() for value in values]
    rows += [with_artifact(**{name: value}) for name, values in {
        "name": ["", "../x", "a/b", ".x", "-x", "a\\b", "a b", "x" * 129, 1],
        "kind": ["exe", "", None],
        "size": [0, -1, 2**40 + 1, 1.5, "1"],
        "sha256": ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, 0],
        "compatible": ["", "x" * 129, 1, None],
    }.items() for value in values]  # fmt: skip
    path = world / "bad"
    for row in rows:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(row, SCHEMA)
            pytest.fail(f"the schema accepts {row}")
        path.write_bytes(note_file.note(row, [keys.key["r1"], keys.key["r2"]]))
        done = subprocess.run([BIN, "release", "verify", "--fleet-root", world / "root", path], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (1, 3) and f"{path}: byte" in done.stderr and not done.stdout, (row, done)
    # what a schema cannot say
    for row in ({**document, "floor": 15}, {**document, "expires": document["issued"]}, {**document, "notes": "a\x1b[2J"},
                {**document, "notes": "\u202e"}, with_artifact(compatible="\u202e"),
                {**document, "reference": {**REFERENCE, "name": "gateway-os 1.4.1"}}):  # fmt: skip
        path.write_bytes(note_file.note(row, [keys.key["r1"], keys.key["r2"]]))
        verify(world, path, code=1)


def test_diff_says_what_changed(world):
    one = create(world, world / "1")
    assert "No difference" in release("diff", one, one)
    (world / "gateway.raucb").write_bytes(b"hsqs" + bytes(6000))
    (world / "reference.json").write_text(json.dumps({**REFERENCE, "events": [
        {**REFERENCE["events"][0], "digests": {"sha256": "33" * 32}}, REFERENCE["events"][1]]}))  # fmt: skip
    two = create(world, world / "2", "--class", "gateway-b", sequence=15, version="1.5.0", files=("gateway.raucb",))
    page = release("diff", one, two, code=1)
    for text in ("version: 1.4.0 -> 1.5.0", "sequence: 14 -> 15", "new      class, gateway-b", "changed  artefact gateway.raucb",
                 "gone     artefact data.bin", "PCR 4", "11" * 32, "33" * 32):  # fmt: skip
        assert text in page, (text, page)
    told = json.loads(release("diff", "--json", one, two, code=1))
    assert not told["same"] and len(told["measurements"]) == 1 and told["measurements"][0]["pcr"] == 4
    assert {"what": "version", "of": "", "before": "1.4.0", "after": "1.5.0"} in told["changes"]


def test_an_encrypted_key_signs(keys, world):
    path = create(world, world / "os.release")
    secret, sealed = world / "secret", world / "sealed.key"
    secret.write_text("correct horse")
    secret.chmod(0o600)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", keys.private("r2"), "-out", sealed, "-passout", f"file:{secret}"], check=True, capture_output=True)
    sealed.chmod(0o600)
    release("sign", "--key", sealed, "--passphrase", secret, path)
    assert holds(path.read_bytes(), keys.key["r2"])
    wrong = world / "wrong"
    wrong.write_text("incorrect")
    wrong.chmod(0o600)
    assert "wrong passphrase" in release("sign", "--key", sealed, "--passphrase", wrong, path, code=4)


@softhsm.needs_softhsm
def test_a_key_in_a_token_signs_releases_and_fleet_roots(keys, world):
    """The real SoftHSM: two of three signatures of a release, and the root role's, are by keys that no file has."""
    hsm = softhsm.Hsm(world / "hsm")
    hsm.token("release")
    for label, number in (("one", "01"), ("two", "02")):
        hsm.key("release", label, number)
        der = world / f"{label}.der"
        hsm._run("pkcs11-tool", "--module", softhsm.MODULE, "--token-label", "release", "--read-object", "--type", "pubkey", "--id", number,
                 "--output-file", der)
        subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", der, "-out", world / f"{label}.pub"], check=True, capture_output=True)
    uri = {label: hsm.uri(f"token=release;object={label};type=private") for label in ("one", "two")}
    root = world / "root.hsm"
    role = f"os:2:{world / 'one.pub'},{world / 'two.pub'},{keys.public('r1')}"
    first(keys, root, "--key", world / "one.pub", "--release", role)

    def fleet_root_command(*args, code=0):
        done = subprocess.run([BIN, "fleet-root", *map(str, args)], capture_output=True, text=True, timeout=120, check=False, env=hsm.env)
        assert done.returncode == code, (args, done.stdout, done.stderr)
        return done.stdout + done.stderr

    fleet_root_command("sign", "--key", uri["one"], root)
    fleet_root_command("verify", root, code=1)
    signed(keys, root, "b")
    fleet_root_command("verify", root)
    # a key of the token that is none of the root role's
    assert "none of its root role" in fleet_root_command("sign", "--key", uri["two"], root, code=1)

    path = create(world, world / "os.release")
    release("sign", "--key", uri["one"], "--fleet-root", root, path, env=hsm.env)
    verify(world, path, code=1, root="root.hsm")
    release("sign", "--key", uri["two"], "--fleet-root", root, path, env=hsm.env)
    verify(world, path, root="root.hsm")
    assert "already" in release("sign", "--key", uri["two"], path, code=1, env=hsm.env)
    hsm.write_pin("0000\n")
    fresh = create(world, world / "fresh.release")
    release("sign", "--key", uri["one"], fresh, code=4, env=hsm.env)
    assert fresh.read_bytes().endswith(b"\n\n")


def log_of(entries, key, origin):
    """A log of these entries (two of them), its checkpoint signed: its verifier key, and a proof of the first as a file, by C2SP's letter."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    number = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
    leaf = [hashlib.sha256(b"\0" + e).digest() for e in entries]
    root = hashlib.sha256(b"\1" + leaf[0] + leaf[1]).digest()
    text = f"{origin}\n2\n{base64.b64encode(root).decode()}\n".encode()
    note = text + f"\n\u2014 {origin} ".encode() + base64.b64encode(number + key.sign(text)) + b"\n"
    proof = (f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(entries[0]).decode()}\nindex 0\n"
             f"{base64.b64encode(leaf[1]).decode()}\n\n{note.decode()}")  # fmt: skip
    return f"{origin}+{number.hex()}+{base64.b64encode(bytes([1]) + raw).decode()}", proof


def test_inclusion_in_the_log_is_of_this_file(keys, world):
    path = sign(keys, create(world, world / "os.release"), "r1", "r2")
    record = ('{"type":"release","name":"gateway-os","version":"1.4.0","sequence":14,"sha256":"' + hashlib.sha256(path.read_bytes()).hexdigest() + '"}')
    salt = os.urandom(32)

    def leaf(kind, text):
        return bytes([1, kind]) + (1).to_bytes(8, "big") + hashlib.sha256(salt + text.encode()).digest()

    def proof_file(kind=7, text=record, told=record, salted=salt, origin="fleet.example/log", key="a"):
        vkey, proof = log_of([leaf(kind, text), b"another"], keys.key[key], origin)
        (world / "proof").write_text(json.dumps({"record": told, "salt": salted.hex(), "proof": proof}))
        return vkey

    vkey = proof_file()
    role = f"os:2:{keys.public('r1')},{keys.public('r2')}"
    signed(keys, first(keys, world / "root.log", "--log", vkey, "--release", role), "a", "b")
    page = verify(world, path, "--proof", world / "proof", root="root.log")
    assert "holds   inclusion in the log fleet.example/log" in page
    # a fleet root that knows another log only
    assert "no log that is trusted" in verify(world, path, "--proof", world / "proof", code=1)
    for said, change in (
        ("none of a release", {"kind": 3}),
        ("does not commit", {"text": record.replace("14", "15")}),
        ("another release", {"told": record.replace("14", "15")}),
        ("does not commit", {"salted": bytes(32)}),
        ("no log that is trusted", {"key": "c"}),
        ("no log that is trusted", {"origin": "fleet.example/other"}),
    ):
        proof_file(**change)
        assert said in verify(world, path, "--proof", world / "proof", code=1, root="root.log"), change
    proof_file()
    # one signature more is another file than the log has
    sign(keys, path, "r3")
    assert "another release, or of other signatures" in verify(world, path, "--proof", world / "proof", code=1, root="root.log")


def test_signing_needs_no_network(keys, world):
    """On a machine that never saw the server: in a network namespace with nothing in it, not even a route to itself."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    path = create(world, world / "os.release")
    for name in ("r1", "r2"):
        subprocess.run(["unshare", "--net", BIN, "release", "sign", "--key", keys.private(name), path], check=True, capture_output=True, timeout=120)
    verify(world, path)
