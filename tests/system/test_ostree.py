# SPDX-License-Identifier: Apache-2.0
"""OSTree: commits as artefacts, what they will measure, and the real `ostree pull` from the real server."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import subprocess

import jsonschema
import pytest
from cryptography.hazmat.primitives import serialization

from ostree_made import INITRD, KERNEL, REF, Keys, Wire, commit, tool, tree
from pe_made import authenticode
from release_world import Releases
from server_support import needs_root, new_key
from support import BIN, ROOT, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-ostree.schema.json").read_text())

pytestmark = pytest.mark.skipif(shutil.which("ostree") is None, reason="ostree is not installed")


def inspect(path):
    rc, out, err = run(["inspect", "ostree", "--json", path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


def pack(repo, to, *options, ref=REF):
    """(exit status, what it said); the file is there only if it succeeded."""
    with open(to, "wb") as out:
        done = subprocess.run([BIN, "release", "ostree", "--ref", ref, *options, repo], stdout=out, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode()


def create(path, *more):
    rc, out, err = run(["release", "create", "--name", "gateway-os", "--version", "2.0.0", "--sequence", "2", "--class", "gateway", "--role",
                        "firmware", *more, path])
    return rc, json.loads(out) if out else None, err


class Made:
    def __init__(self, folder, keys):
        self.folder, self.repo = folder, folder / "repo"
        self.key, self.public = keys.new("maker")
        self.stranger, self.foreign = keys.new("stranger")
        self.home = keys.home
        self.commit = commit(self.repo, tree(folder / "tree"), f"--gpg-sign={self.key}", f"--gpg-homedir={keys.home}")
        self.pack = folder / f"{self.commit}.ostree"
        rc, said = pack(self.repo, self.pack)
        assert rc == 0, said


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with Keys() as keys:
        yield Made(tmp_path_factory.mktemp("ostree"), keys)


# --- offline ---


def test_what_a_commit_is_and_will_measure(made):
    rc, report, err = inspect(made.pack)
    assert rc == 0, err
    assert (report["commit"], report["ref"], report["gpg_signed"], report["parent"]) == (made.commit, REF, True, None)
    assert report["files"] == 319 - 42 and "\x1b" not in report["subject"]  # 43 of the small ones are empty: one object
    events = {e["what"]: (e["pcr"], e["required"], e["digests"]["sha256"]) for e in report["measurements"]}
    assert events == {
        "usr/lib/modules/6.1.0/vmlinuz: EFI image": (4, True, authenticode(KERNEL)),
        "usr/lib/modules/6.1.0/initramfs.img: initrd (Linux EFI stub)": (9, False, hashlib.sha256(INITRD).hexdigest()),
    }
    assert any("command line" in n for n in report["notes"]) and any("GRUB" in n for n in report["notes"])
    rc, out, _ = run(["inspect", "ostree", made.pack])
    assert rc == 0 and made.commit in out and "not verified here" in out


def test_any_tar_unpacks_it_to_a_repository(made, tmp_path):
    tool("tar", "xf", made.pack, "-C", tmp_path)
    (tmp_path / "refs/remotes").mkdir()
    assert "no errors found" in tool("ostree", f"--repo={tmp_path}", "fsck").stdout
    assert tool("ostree", f"--repo={tmp_path}", "rev-parse", REF).stdout.strip() == made.commit


def test_a_release_of_it(made, tmp_path):
    rc, document, err = create(made.pack)
    assert rc == 0, err
    artifact, = document["artifacts"]
    assert (artifact["kind"], artifact["name"]) == ("ostree", f"{made.commit}.ostree")
    assert document["reference"]["events"] == inspect(made.pack)[1]["measurements"]
    other = tmp_path / f"{'ab' * 32}.ostree"
    shutil.copy(made.pack, other)
    rc, document, err = create(other)
    assert (rc, document) == (1, None) and "another commit is in it" in err
    shutil.copy(made.pack, tmp_path / "x.ostree")
    rc, document, err = create(tmp_path / "x.ostree", "--without-measurements")
    assert (rc, document) == (2, None) and "called after its commit" in err


def test_a_commit_without_a_kernel_cannot_be_proven(made, tmp_path):
    name = commit(tmp_path / "repo", tree(tmp_path / "tree", kernel=b"a zImage", files=3))
    path = tmp_path / f"{name}.ostree"
    assert pack(tmp_path / "repo", path)[0] == 0
    rc, report, _ = inspect(path)
    assert (rc, report["measurements"], report["gpg_signed"]) == (0, [], False)
    rc, document, err = create(path)
    assert (rc, document) == (1, None) and "nothing is known" in err
    assert create(path, "--without-measurements")[0] == 0


def test_a_byte_anywhere_and_every_cut(made, tmp_path):
    whole = made.pack.read_bytes()
    path = tmp_path / f"{made.commit}.ostree"
    for n in [*range(0, 4096, 97), *range(4096, len(whole), len(whole) // 30)]:
        path.write_bytes(whole[:n])
        assert inspect(path)[:2] == (1, None)
    # The one part that no hash covers are the signatures.
    free = next(d for n, d in read_pack(whole) if n.endswith(".commitmeta"))
    at = whole.index(free)
    for n in [*range(0, 2048, 61), *range(2048, len(whole), len(whole) // 150)]:
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:])
        assert at <= n < at + len(free) or inspect(path)[:2] == (1, None), n


def test_what_is_missing_or_too_much_is_named(made, tmp_path):
    """Packs that are well-formed and not the commit: made by hand from the files of the good one."""
    def again(change):
        files = {n: d for n, d in read_pack(made.pack.read_bytes())}
        change(files)
        path = tmp_path / f"{made.commit}.ostree"
        path.write_bytes(write_pack(made.commit, files))
        rc, report, err = inspect(path)
        assert (report is None) == (rc != 0)
        return rc, err
    of = lambda files, end: next(n for n in files if n.endswith(end))  # noqa: E731
    assert again(lambda f: None)[0] == 0
    assert "is not there" in again(lambda f: f.pop(of(f, ".filez")))[1]
    assert "is not there" in again(lambda f: f.pop(of(f, ".dirmeta")))[1]
    assert "does not need" in again(lambda f: f.update({"objects/00/" + "0" * 62 + ".filez": b"x"}))[1]
    assert "does not need" in again(lambda f: f.update({"summary": b"x"}))[1]
    assert "one ref" in again(lambda f: f.update({"refs/heads/other": f[f"refs/heads/{REF}"]}))[1]
    assert "one ref" in again(lambda f: f.update({f"refs/heads/{REF}": b"0" * 64 + b"\n"}))[1]
    assert "one ref" in again(lambda f: f.pop(f"refs/heads/{REF}"))[1]
    assert "config" in again(lambda f: f.update({"config": f["config"] + b"gpg-verify=false\n"}))[1]
    assert "SHA-256" in again(lambda f: f.update({of(f, ".dirmeta"): f[of(f, ".dirmeta")][:-1] + b"\1"}))[1]
    big = max((n for n in files_of(made) if n.endswith(".filez")), key=lambda n: len(files_of(made)[n]))
    for data in (lambda d: d + b"\0", lambda d: d[:-1], lambda d: d[:64], lambda d: d[:7] + b"\1" + d[8:]):
        rc, err = again(lambda f, data=data: f.update({big: data(f[big])}))
        assert rc == 1 and "OSTree" in err


def files_of(made):
    return dict(read_pack(made.pack.read_bytes()))


def read_pack(raw):
    count = int.from_bytes(raw[576:584], "big")
    for i in range(count):
        r = raw[640 + 128 * i:768 + 128 * i]
        at, size = int.from_bytes(r[112:120], "big"), int.from_bytes(r[120:], "big")
        yield r[:112].rstrip(b"\0").decode(), raw[at:at + size]


def write_pack(name, files):
    """By the letter of docs/protocol/ostree.md."""
    def header(path, size):
        h = path.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"0" * 11 + b"\0"
        h += b" " * 8 + b"0" + bytes(100) + b"ustar\00000"
        h = h.ljust(512, b"\0")
        return h[:148] + b"%06o\0 " % sum(h) + h[156:]
    pad = lambda b: b + bytes(-len(b) % 512)  # noqa: E731
    index = b"chainhold-ostree/v1".ljust(32, b"\0") + bytes.fromhex(name) + len(files).to_bytes(8, "big")
    index = index.ljust(128, b"\0")
    body, at = b"", 512 + (128 * (1 + len(files)) + 511) // 512 * 512
    for path in sorted(files):
        index += path.encode().ljust(112, b"\0") + (at + len(body) + 512).to_bytes(8, "big") + len(files[path]).to_bytes(8, "big")
        body += header(path, len(files[path])) + pad(files[path])
    return header("index", len(index)) + pad(index) + body + bytes(1024)


@pytest.mark.parametrize("ref, rc, rule", [
    ("no/such", 1, "no such ref"), ("../../etc/passwd", 2, "a name of"), ("/etc/passwd", 2, "a name of"), ("a//b", 2, "a name of"),
    ("a/", 2, "a name of"), ("x" * 89, 2, "a name of"), ("", 2, "a name of"),
])
def test_refs_that_are_none(made, tmp_path, ref, rc, rule):
    got, said = pack(made.repo, tmp_path / "x", ref=ref)
    assert got == rc and rule in said and (tmp_path / "x").stat().st_size == 0


def test_a_repository_that_leads_elsewhere(made, tmp_path):
    """A link in the place of a file or folder is not followed: nothing of another place can get into an artefact."""
    repo = tmp_path / "repo"
    def broken(change):
        shutil.rmtree(repo, ignore_errors=True)
        shutil.copytree(made.repo, repo, symlinks=True)
        change(next(p for p in sorted(repo.glob("objects/*/*.filez"))))
        got, said = pack(repo, tmp_path / "x")
        assert got == 1 and (tmp_path / "x").stat().st_size == 0, said
        return said
    def linked(path):
        path.unlink()
        path.symlink_to("/etc/passwd")
    def folder(path):
        path.parent.rename(tmp_path / "aside")
        path.parent.symlink_to(tmp_path / "aside")
    def fifo(path):
        path.unlink()
        os.mkfifo(path)
    for change in (linked, fifo, lambda p: p.unlink(), folder):
        assert "objects/" in broken(change)
    shutil.rmtree(repo)
    tool("ostree", f"--repo={repo}", "init", "--mode=bare-user")
    tool("ostree", f"--repo={repo}", "pull-local", "--untrusted", made.repo, REF)
    got, said = pack(repo, tmp_path / "x")
    assert got == 1 and "mode archive" in said


def test_an_earlier_commit(made, tmp_path):
    repo = tmp_path / "repo"
    first = commit(repo, tree(tmp_path / "a", files=2))
    second = commit(repo, tree(tmp_path / "b", files=3))
    assert pack(repo, tmp_path / "one", "--commit", first)[0] == pack(repo, tmp_path / "two")[0] == 0
    assert inspect(tmp_path / "one")[1]["commit"] == first
    report = inspect(tmp_path / "two")[1]
    assert (report["commit"], report["parent"]) == (second, first)


# --- from a server ---


class World(Releases):
    def __init__(self, folder, made, **more):
        super().__init__(folder, **more)
        self.made = made
        self.note_ = self.note([self.entry(made.pack)])

    @staticmethod
    def entry(path):
        data = path.read_bytes()
        return {"name": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": "ostree", "compatible": None}

    def device(self, name):
        key = new_key()
        _, answer = self.server.enrol_by_token(key)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_text(answer["certificate"] + answer.get("chain", ""))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return answer["device"], files

    def offered(self):
        """One device is offered the commit."""
        self.begin()
        self.id, self.files = self.device("one")
        assert self.publish_release(self.note_)[0] == 200
        self.server.cli("release", "upload", self.made.pack)
        status, answer = self.assign(self.id, self.note_)
        assert status == 200, answer

    def client(self, name, files, path="current", key=None, port=None):
        """A repository of a device, with the server as its remote."""
        repo = self.folder / name
        if not repo.exists():
            tool("ostree", f"--repo={repo}", "init", "--mode=archive")
        tls = [] if files is None else [f"--set=tls-client-cert-path={files[0]}", f"--set=tls-client-key-path={files[1]}"]
        tool("ostree", f"--repo={repo}", "remote", "add", "--force", f"--set=tls-ca-path={self.server.folder / 'ca.crt'}", *tls,
             f"--gpg-import={key or self.made.public}", "gateway", f"https://localhost:{port or self.server.devices}/ostree/{path}")
        return repo

    @staticmethod
    def pull(repo, check=True, ref=REF):
        return tool("ostree", f"--repo={repo}", "pull", "--network-retries=0", "gateway", ref, check=check)


@pytest.fixture(scope="module")
def world(tmp_path_factory, made):
    one = World(tmp_path_factory.mktemp("ostree-server"), made, change=lambda text: text + "limits: {device_rate: 0}\n")
    with one.server:
        one.offered()
        yield one


def whole(repo, name):
    assert "no errors found" in tool("ostree", f"--repo={repo}", "fsck").stdout
    return tool("ostree", f"--repo={repo}", "rev-parse", f"gateway:{REF}").stdout.strip() == name


@needs_root
@pytest.mark.parametrize("path", ["current", "the release"])
def test_a_pull(world, path):
    path = hashlib.sha256(world.note_).hexdigest() if path != "current" else path
    repo = world.client(f"pull-{path[:8]}", world.files, path)
    world.pull(repo)
    assert whole(repo, world.made.commit)
    assert "Good signature" in tool("ostree", f"--repo={repo}", "show", "--gpg-verify-remote=gateway", world.made.commit).stdout
    out = world.folder / f"out-{path[:8]}"
    tool("ostree", f"--repo={repo}", "checkout", "-U", f"gateway:{REF}", out)
    assert (out / "usr/share/d/big7").read_bytes() == (world.made.folder / "tree/usr/share/d/big7").read_bytes()


@needs_root
def test_a_pull_is_within_what_a_device_may_ask_for(tmp_path, made):
    """With the server's own limits: 10 requests a second, 200 at once, and a new connection as dear as four."""
    world = World(tmp_path, made)
    with world.server:
        world.offered()
        repo = world.client("pull", world.files)
        world.pull(repo)
        assert whole(repo, made.commit)


@needs_root
def test_a_pull_that_was_cut_goes_on(world):
    wire = Wire(world.server.devices)
    with contextlib.closing(wire):
        world.pull(world.client("uncut", world.files, port=wire.port))
        all_of_it = wire.mend()
        assert all_of_it > 4 << 20
        repo = world.client("cut", world.files, port=wire.port)
        wire.limit = all_of_it * 3 // 4
        assert world.pull(repo, check=False).returncode != 0
        wire.mend()
        world.pull(repo)
        rest = wire.mend()
    assert whole(repo, world.made.commit)
    assert rest < all_of_it * 3 // 4, (rest, all_of_it)


@needs_root
def test_without_a_certificate_and_as_another_device(world):
    done = world.pull(world.client("nobody", None), check=False)
    assert done.returncode != 0 and not list((world.folder / "nobody/objects").glob("*/*"))
    other = world.device("two")[1]
    done = world.pull(world.client("another", other), check=False)
    assert done.returncode != 0 and "404" in done.stderr and not list((world.folder / "another/objects").glob("*/*"))
    release = hashlib.sha256(world.note_).hexdigest()
    assert world.pull(world.client("another", other, release), check=False).returncode != 0
    assert world.pull(world.client("one-wrong", world.files, "0" * 64), check=False).returncode != 0


def get(world, path, files=None, **headers):
    with contextlib.closing(http.client.HTTPSConnection("localhost", world.server.devices, context=world.server.context(files or world.files))) as c:
        c.request("GET", path, headers=headers)
        answer = c.getresponse()
        return answer.status, answer.headers, answer.read()


@needs_root
@pytest.mark.parametrize("path", [
    "index", "../../artifacts/x", "config/", "./config", "%63onfig", "refs/heads", "objects", "objects/..", "artifact-" + "0" * 64,
    "chainhold.db", "objects/00/" + "0" * 62 + ".filez", "x" * 900,
])
def test_paths_that_are_none(world, path):
    status, _, data = get(world, f"/ostree/current/{path}")
    assert status in (400, 404, 414) and b"error" in data


@needs_root
def test_files_as_they_are_in_the_pack(world):
    for path, want in files_of(world.made).items():
        if path.endswith(".filez") and len(want) < 100:
            continue
        status, headers, data = get(world, f"/ostree/current/{path}")
        assert (status, data) == (200, want) and headers["ETag"].startswith('"' + hashlib.sha256(world.made.pack.read_bytes()).hexdigest() + "-")


@needs_root
def test_ranges_stay_in_the_file(world):
    """What lies before and behind a file in the pack is another file."""
    path, want = next((p, d) for p, d in files_of(world.made).items() if p.endswith(".filez") and len(d) > 1000)
    for value, part in (("bytes=5-9", want[5:10]), ("bytes=-7", want[-7:]), (f"bytes=0-{1 << 40}", want), (f"bytes=-{1 << 40}", want),
                        (f"bytes={len(want) - 1}-", want[-1:])):  # fmt: skip
        status, headers, data = get(world, f"/ostree/current/{path}", Range=value)
        assert (status, data) == (206, part) and headers["Content-Range"].endswith(f"/{len(want)}")
    status, headers, data = get(world, f"/ostree/current/{path}", Range=f"bytes={len(want)}-")
    assert (status, data, headers["Content-Range"]) == (416, b"", f"bytes */{len(want)}")
    tag = get(world, f"/ostree/current/{path}")[1]["ETag"]
    assert get(world, f"/ostree/current/{path}", **{"If-None-Match": tag})[0] == 304
    assert get(world, "/ostree/current/config", **{"If-None-Match": tag})[0] == 200


@needs_root
def test_a_commit_of_a_stranger_is_refused_by_the_client(world):
    repo = world.client("stranger", world.files, key=world.made.foreign)
    done = world.pull(repo, check=False)
    assert done.returncode != 0 and "Can't check signature: public key not found" in done.stderr
    assert not tool("ostree", f"--repo={repo}", "refs").stdout.strip()


@needs_root
def test_when_it_is_over_nothing_is_served(world):
    world.server.cli("update", "cancel", "--reason", "test", world.id)
    assert get(world, "/ostree/current/config")[0] == 404
    assert world.assign(world.id, world.note_)[0] == 200
    assert get(world, "/ostree/current/config")[0] == 200
    assert world.act("release.withdraw", hashlib.sha256(world.note_).hexdigest())[0] == 200
    assert get(world, "/ostree/current/config")[0] == 404
