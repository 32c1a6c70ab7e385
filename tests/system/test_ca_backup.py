# SPDX-License-Identifier: Apache-2.0
"""chainhold ca backup and restore: what was sealed is opened by openssl, too; put back it works; nothing goes back, whatever is killed in between."""

import io
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from server_support import openssl
from softhsm import Hsm, needs_softhsm
from support import BIN
from test_ca import CUT, PEM, Ceremony, fingerprint

RENAMES = CUT + """
int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	static int (*real)(int, const char *, int, const char *, unsigned);
	static int left = -1;
	if (left < 0)
		left = getenv("CUT_LAST") != NULL ? 0 : 1000;
	if (left-- == 0)
		_exit(99);
	real = (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2");
	return real(a, from, b, to, flags);
}
"""


class Kept(Ceremony):
    """Backups of a root and of a server; each file of them as tar sees it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.seal = folder / "seal"
        self.seal.write_text("a passphrase of the backup\n")
        self.seal.chmod(0o600)

    def backup(self, of, name, code=0, **more):
        out = self.folder / name
        self.said = self.ca("backup", "--seal", self.seal, "--passphrase", self.secret, "--by", "ann", "--out", out, of, code=code, **more)
        return out

    def check(self, path, code=0, **more):
        return self.ca("backup", "--seal", self.seal, "--passphrase", self.secret, "--check", path, code=code, **more)

    def restoring(self, path, to):
        return ("ca", "restore", "--seal", self.seal, "--passphrase", self.secret, path, to)

    def restore(self, path, to, *more, code=0):
        return self.ca("restore", *more, "--seal", self.seal, "--passphrase", self.secret, path, to, code=code)

    def opened(self, path):
        """By openssl and tar, without anything of ours."""
        tar = openssl("cms", "-decrypt", "-inform", "PEM", "-binary", "-in", path, "-pwri_password", "a passphrase of the backup")
        with tarfile.open(fileobj=io.BytesIO(tar)) as t:
            return {m.name: t.extractfile(m).read() for m in t}

    def new_server(self, name):
        at = self.folder / name
        self.run("init", "--name", "localhost", "--listen", "127.0.0.1", at)
        return at


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def ustar(name, content):
    """One file, in the form that an archive has (docs/protocol/archive.md)."""
    head = bytearray(512)
    head[:len(name)] = name.encode()
    head[100:157] = b"0000644\0" b"0000000\0" b"0000000\0" + b"%011o\0" % len(content) + b"00000000000\0" b"        " b"0"
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + content + bytes(-len(content) % 512)


SEAL = """
#include <openssl/pem.h>

#include <openssl/cms.h>
#include <string.h>
int main(int argc, char **argv)
{
	unsigned char *p = OPENSSL_memdup(argv[1], strlen(argv[1]));
	CMS_ContentInfo *cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	BIO *in = BIO_new_file(argv[2], "rb"), *out = BIO_new_file(argv[3], "wb");
	return argc == 4 && CMS_set_detached(cms, 0) == 1 &&
	       CMS_add0_recipient_password(cms, 1000, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, p, strlen(argv[1]), EVP_aes_128_cbc()) &&
	       CMS_final(cms, in, NULL, CMS_BINARY) == 1 && PEM_write_bio_CMS(out, cms) == 1 && BIO_flush(out) == 1 ? 0 : 1;
}
"""


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    at = tmp_path_factory.mktemp("cut")
    (at / "cut.c").write_text(RENAMES)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", at / "cut.so", at / "cut.c"], check=True)
    return at / "cut.so"


def test_a_root_is_sealed_and_put_back(kept):
    kept.first()
    kept.ca("rollover", "--passphrase", kept.secret, kept.root)
    path = kept.backup(kept.root, "root.backup")
    assert path.stat().st_mode & 0o777 == 0o600 and "Sealed as" in kept.said
    had = files(kept.root)
    inside = kept.opened(path)
    assert inside.pop("chainhold-ca-backup") == b"v1 root\n" and inside == had
    # nothing of it is to be seen without the passphrase
    assert b"root-1" not in path.read_bytes() and path.read_text().startswith("-----BEGIN CMS-----\n")
    before = files(kept.folder)
    said = kept.check(path)
    assert "whole: every key is that of its certificate" in said and files(kept.folder) == before
    assert fingerprint(kept.root / "root-2.crt") in said and "root-2-by-1.crt" in said
    shutil.rmtree(kept.root)
    said = kept.restore(path, kept.root)
    now = files(kept.root)
    (made,) = set(now) - set(had)
    assert re.fullmatch(r"transcript/\d{4}-restore.txt", made) and {k: now[k] for k in had} == had
    assert kept.root.stat().st_mode & 0o777 == 0o700 and (kept.root / "root-1.key").stat().st_mode & 0o777 == 0o600
    # it works as it did, and the transcripts go on from the backup's
    kept.verify("root-2.crt", kept.sign(kept.request()))
    last = sorted(had)[-1]
    assert last.endswith("-backup.txt")
    # never over a root
    assert "is there already" in kept.restore(path, kept.root, code=4)


def test_a_servers_cas_are_sealed_and_put_back(kept):
    kept.first()
    kept.begin()
    kept.install(kept.sign(kept.request()))
    at = kept.server
    path = kept.backup(at, "server.backup")
    inside = kept.opened(path)
    assert inside["chainhold-ca-backup"] == b"v1 server\n"
    # the log's key is not in it, and nothing else that could fork it; keys of operators and TLS are made anew
    assert not [n for n in inside if "log" in n or "tree" in n or n.startswith(("tls/", "operators/"))]
    (earlier,) = (at / "earlier_cas").iterdir()
    for name in ("ca.crt", "state/signer/ca.key", "state/signer/ocsp.key", f"earlier_cas/{earlier.name}", f"state/signer/earlier-{earlier.stem}.key"):
        assert inside[name] == (at / name).read_bytes(), name
    # put back where it is, nothing changes
    had = files(at)
    kept.restore(path, at)
    assert {k: v for k, v in files(at).items() if "transcript" not in k} == {k: v for k, v in had.items() if "transcript" not in k}
    # a key that is lost comes back, and nothing else moves
    (at / "state/signer/ca.key").unlink()
    kept.restore(path, at)
    assert (at / "state/signer/ca.key").read_bytes() == inside["state/signer/ca.key"]
    assert (at / "state/signer/ca.key").stat().st_mode & 0o777 == 0o600
    # on a new machine: what init made gives way, and its certificates are of the CA that was put back
    new = kept.new_server("new")
    log = (new / "state/signer/log.key").read_bytes()
    kept.restore(path, new)
    for name, content in inside.items():
        assert name == "chainhold-ca-backup" or (new / name).read_bytes() == content, name
    assert (new / "state/signer/log.key").read_bytes() == log
    for leaf in ("tls/server.crt", "operators/admin.crt"):
        kept.verify("root-1.crt", new / leaf)


def test_a_server_with_another_history_is_left_alone(kept):
    kept.first()
    kept.begin()
    old = kept.backup(kept.server, "old.backup")
    kept.install(kept.sign(kept.request()))
    had = files(kept.server)
    said = kept.restore(old, kept.server, code=1)
    assert "ca.crt: is there already, and is another" in said and "nothing was changed" in said
    assert files(kept.server) == had
    # a new server that ran once is one with a history: its log began
    ran = kept.new_server("ran")
    (ran / "state/signer/tree").touch()
    had = files(ran)
    kept.restore(old, ran, code=1)
    assert files(ran) == had


def test_a_backup_that_is_older_than_what_others_have_seen(kept):
    """A root that was rolled over, a CA that was signed after the backup: it is not begun a second time."""
    kept.first()
    root, server = kept.backup(kept.root, "root.backup"), kept.backup(kept.server, "server.backup")
    kept.begin()
    seen = kept.folder / "seen.pem"
    shutil.copy(kept.server / "ca.crt", seen)
    kept.restore(root, kept.folder / "same", "--seen", seen)
    newer = kept.sign(kept.request())
    assert "the backup is older than that" in kept.restore(root, kept.folder / "another", "--seen", seen, "--seen", newer, code=1)
    kept.ca("rollover", "--passphrase", kept.secret, kept.root)
    assert "the backup is older than that" in kept.restore(root, kept.folder / "another", "--seen", kept.root / "root-2-by-1.crt", code=1)
    new = kept.new_server("new")
    had = files(new)
    kept.restore(server, new, "--seen", newer, code=1)
    assert not (kept.folder / "another").exists() and not (kept.folder / "another.new").exists() and files(new) == had
    # what is nobody's here says nothing, and is told
    (kept.folder / "other").mkdir()
    other = Kept(kept.folder / "other")
    other.init()
    kept.restore(server, new, "--seen", other.root / "root-1.crt")
    seen.write_text("nothing\n")
    assert "neither certificates" in kept.restore(server, new, "--seen", seen, code=1)


def revoke(kept, at, number, serials, folder):
    """A revocation list of the CA of a server, as OpenSSL makes it."""
    folder.mkdir()
    (folder / "index").write_text("".join(f"R\t401231235959Z\t261126120000Z,keyCompromise\t{s}\tunknown\t/CN=x\n" for s in serials))
    (folder / "number").write_text(number)
    (folder / "conf").write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index\ncrlnumber={folder}/number\ndefault_md=sha256\ncrl_extensions=e\n"
                                 "[e]\nauthorityKeyIdentifier=keyid\n")
    out = folder / "list.crl"
    openssl("ca", "-config", folder / "conf", "-gencrl", "-crldays", "3", "-keyfile", at / "state/signer/ca.key", "-cert", at / "state/signer/ca.crt", "-out", out)
    return out


def test_a_list_that_others_hold_is_not_gone_behind(kept):
    """The set of what is revoked is put back with what a list has that was made later."""
    kept.first()
    path = kept.backup(kept.server, "server.backup")
    theirs = revoke(kept, kept.server, "7FFFFFFF", ["0A0B", "77"], kept.folder / "list")
    new = kept.new_server("new")
    kept.restore(path, new, "--seen", theirs)
    (made,) = (new / "state/signer").glob("crl-*")
    content = made.read_bytes()
    assert made.stat().st_mode & 0o777 == 0o600
    # number, count, serial numbers (server/signer/crl.c)
    assert content.startswith(b"chainhold-signer-crl/v1\n") and int.from_bytes(content[24:32], "big") == 0x7FFFFFFF
    assert int.from_bytes(content[40:48], "big") == 2 and bytes.fromhex("0a0b") in content
    # given again it is the same, and the set that is there stays
    kept.restore(path, new, "--seen", theirs)
    assert made.read_bytes() == content
    # one that is not of this CA
    (kept.folder / "other").mkdir()
    other = Kept(kept.folder / "other")
    foreign = revoke(kept, other.server, "01", ["01"], kept.folder / "foreign")
    assert "neither certificates" in kept.restore(path, new, "--seen", foreign, code=1)
    assert made.read_bytes() == content


def test_what_was_sealed_cannot_be_changed(kept):
    kept.init()
    path = kept.backup(kept.root, "root.backup")
    lines = path.read_text().splitlines()
    for at in (5, len(lines) // 2, len(lines) - 3):
        bad = kept.folder / f"bad{at}"
        line = lines[at]
        bad.write_text("\n".join([*lines[:at], ("A" if line[9] != "A" else "B").join((line[:9], line[10:])), *lines[at + 1:]]) + "\n")
        kept.check(bad, code=1)
        kept.restore(bad, kept.folder / "no", code=1)
    (kept.folder / "cut").write_text("\n".join(lines[:-2]) + "\n")
    kept.check(kept.folder / "cut", code=1)
    (kept.folder / "more").write_text(path.read_text() + "x\n")
    kept.check(kept.folder / "more", code=1)
    kept.seal.write_text("another\n")
    assert "the passphrase does not open it" in kept.check(path, code=1)
    assert not (kept.folder / "no").exists() and not (kept.folder / "no.new").exists()


def test_a_key_of_another_certificate_is_not_sealed(kept):
    kept.first()
    shutil.copy(kept.server / "state/signer/ear.key", kept.server / "state/signer/ca.key")
    out = kept.backup(kept.server, "server.backup", code=1)
    assert "state/signer/ca.key: not the key of its certificate" in kept.said and not out.exists()
    (kept.server / "state/signer/ca.key").unlink()
    kept.backup(kept.server, "server.backup", code=1)
    assert "its key or certificate is not there" in kept.said
    # nor one that others can read; a folder that is none; over a file
    (kept.root / "root-1.key").chmod(0o640)
    kept.backup(kept.root, "root.backup", code=4)
    assert "others have rights" in kept.said
    (kept.root / "root-1.key").chmod(0o600)
    kept.backup(kept.folder / "list-nothing", "x.backup", code=4)
    kept.backup(kept.root, "root.backup")
    kept.backup(kept.root, "root.backup", code=4)
    assert "is there already" in kept.said


def test_a_backup_that_does_not_belong_together_is_found(kept):
    """Sealed with the passphrase, by somebody: a key of another certificate, a name that leads elsewhere."""
    (kept.folder / "seal.c").write_text(SEAL)
    subprocess.run(["cc", "-o", kept.folder / "seal-it", kept.folder / "seal.c", "-lcrypto"], check=True)
    kept.init()
    inside = kept.opened(kept.backup(kept.root, "root.backup"))
    first = inside.pop("chainhold-ca-backup")
    other = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

    def sealed(name, content):
        tar = ustar("chainhold-ca-backup", first) + b"".join(ustar(n, content[n]) for n in sorted(content)) + bytes(1024)
        (kept.folder / "made.tar").write_bytes(tar)
        # the command of OpenSSL 3.0 does not make this form, its library does
        subprocess.run([kept.folder / "seal-it", kept.seal.read_text().strip(), kept.folder / "made.tar", kept.folder / name], check=True)
        return kept.folder / name
    assert "whole" in kept.check(sealed("same", inside))
    said = kept.check(sealed("key", {**inside, "root-1.key": other}), code=1)
    assert "root-1.key: not the key of its certificate" in said
    for bad in ("../root-1.key", "/etc/passwd", "state/signer/log.key", "root-1.key.new"):
        assert "no file of such a folder has this name" in kept.check(sealed("name", {**inside, bad: b"x"}), code=1)
    assert "newest root is not whole" in kept.check(sealed("none", {k: v for k, v in inside.items() if k != "root-1.key"}), code=1)


@pytest.mark.parametrize("of", ["root", "server", "fresh"])
def test_a_restore_that_is_interrupted_goes_on(kept, cut, of):
    """Killed before its N-th file: a root is not there before it is whole, a server's CA does not issue before it is, and the same command goes on."""
    kept.first()
    source = kept.root if of == "root" else kept.server
    path = kept.backup(source, "x.backup")
    want = {k: v for k, v in kept.opened(path).items() if k != "chainhold-ca-backup"}
    was = kept.folder / "was"
    if of == "server":
        kept.begin()
        for name in ("ca.key", "ca.crt", "ocsp.key"):
            (kept.server / "state/signer" / name).unlink()
        shutil.copytree(kept.server, was)
    elif of == "fresh":
        shutil.move(kept.new_server("made"), was)
    to = kept.folder / "to"
    for n in range(60):
        shutil.rmtree(to, ignore_errors=True)
        shutil.rmtree(kept.folder / "to.new", ignore_errors=True)
        if of != "root":
            shutil.copytree(was, to)
        env = {**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": str(n)}
        done = subprocess.run([BIN, *map(str, kept.restoring(path, to))], capture_output=True, text=True, check=False, env=env)
        if done.returncode == 0:
            break
        assert done.returncode == 99, (done.returncode, done.stdout, done.stderr)
        if of == "root":
            assert not to.exists()
        elif (to / "state/signer/ca.key").exists() and (to / "state/signer/ca.key").read_bytes() == want["state/signer/ca.key"]:
            assert all((to / k).read_bytes() == v for k, v in want.items())
        kept.restore(path, to)
        now = files(to)
        assert all(now[k] == v for k, v in want.items()), n
    assert n > 3
    if of == "root":
        shutil.rmtree(to)
        env = {**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": "1000", "CUT_LAST": "1"}
        done = subprocess.run([BIN, *map(str, kept.restoring(path, to))], capture_output=True, check=False, env=env)
        assert done.returncode == 99 and not to.exists()
        kept.restore(path, to)
        assert all(files(to)[k] == v for k, v in want.items())


def test_a_backup_that_is_interrupted_is_not_there(kept, cut):
    kept.init()
    env = {**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": "1000", "CUT_LAST": "1"}
    kept.env = env
    out = kept.backup(kept.root, "root.backup", code=99)
    assert not out.exists()
    kept.env = None
    kept.check(kept.backup(kept.root, "root.backup"))


@needs_softhsm
def test_keys_in_tokens_stay_there(kept):
    hsm = Hsm(kept.folder / "hsm")
    kept.env = hsm.env
    hsm.token("offline")
    hsm.token("online")
    kept.ca("init", "--key", hsm.uri("token=offline;object=root"), kept.root)
    kept.install(kept.sign(kept.request("--key", hsm.uri("token=online;object=issuing"))), "--root", fingerprint(kept.root / "root-1.crt"))
    root, server = kept.backup(kept.root, "root.backup"), kept.backup(kept.server, "server.backup")
    assert "pkcs11:token=online;object=issuing\n" in kept.said and "the key itself is not in this backup" in kept.said
    for path, label in ((root, "offline;object=root"), (server, "online;object=issuing")):
        said = kept.check(path)
        assert f"pkcs11:token={label}\n" in said and "pin-source" not in said
    assert not [n for n in kept.opened(root) if n.endswith(".key")]
    shutil.rmtree(kept.root)
    kept.restore(root, kept.root)
    new = kept.new_server("new")
    kept.restore(server, new)
    # the token has the key still: both go on
    assert not (new / "state/signer/ca.key").exists()
    kept.verify("root-1.crt", new / "tls/server.crt")
    kept.sign(kept.request())
    assert len(PEM.findall((new / "ca.crt").read_text())) == 2
