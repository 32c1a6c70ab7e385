# SPDX-License-Identifier: Apache-2.0
"""Key ceremonies: an offline root and an issuing CA in files and in SoftHSM 2, rollovers that are interrupted anywhere, chains judged by openssl."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

from server_support import openssl
from softhsm import Hsm, needs_softhsm
from support import BIN

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.S)
# Ends the process at the N-th file that would be put in its place, before it is: as a power cut does.
CUT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int renameat(int a, const char *from, int b, const char *to)
{
	static int left = -1;
	if (left < 0)
		left = atoi(getenv("CUT_AT"));
	if (left-- == 0)
		_exit(99);
	return ((int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat"))(a, from, b, to);
}
"""


def fingerprint(path):
    return hashlib.sha256(openssl("x509", "-in", path, "-outform", "DER")).hexdigest()


def subjects(path):
    return [openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", data=pem.encode()).decode().strip() for pem in PEM.findall(path.read_text())]


class Ceremony:
    """A root's folder and a server's, and what goes between them."""

    def __init__(self, folder, server=None):
        self.folder, self.root, self.server, self.env, self.count = folder, folder / "root", server or folder / "server", None, 0
        self.secret = folder / "passphrase"
        self.secret.write_text("correct horse\n")
        self.secret.chmod(0o600)
        if server is None:
            self.run("init", "--name", "localhost", "--listen", "127.0.0.1", self.server)

    def run(self, *args, code=0, env=None):
        done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, check=False, env=env or self.env, stdin=subprocess.DEVNULL,
                              start_new_session=True)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def ca(self, word, *args, **more):
        return self.run("ca", word, *args, **more)

    def init(self, *more, **other):
        return self.ca("init", "--passphrase", self.secret, "--name", "Fleet root", "--by", "ann", "--by", "bob", *more, self.root, **other)

    def request(self, *more, word="request", **other):
        self.count += 1
        out = self.folder / f"{self.count}.csr"
        self.ca(word, *more, "--out", out, self.server, **other)
        return out

    def sign(self, request, *more):
        self.signing(request, *more)
        return request.with_suffix(".pem")

    def signing(self, request, *more, code=0):
        return self.ca("sign", "--passphrase", self.secret, *more, "--out", request.with_suffix(".pem"), self.root, request, code=code)

    def install(self, chain, *more, **other):
        return self.ca("install", *more, self.server, chain, **other)

    def first(self, *more):
        """A root, and an issuing CA of it in a server that was never started."""
        self.init()
        chain = self.sign(self.request(*more))
        self.install(chain, "--root", fingerprint(self.root / "root-1.crt"))
        return chain

    def begin(self):
        """The server was started once."""
        (self.server / "state/store/chainhold.db").touch()

    def verify(self, root, leaf):
        """A client that knows one root, and is sent what the server sends."""
        return openssl("verify", "-x509_strict", "-CAfile", self.root / root, "-untrusted", leaf, leaf)


@pytest.fixture
def ceremony(tmp_path):
    return Ceremony(tmp_path)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    at = tmp_path_factory.mktemp("cut")
    (at / "cut.c").write_text(CUT)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", at / "cut.so", at / "cut.c"], check=True)
    return at / "cut.so"


def test_an_offline_root_and_a_new_server(ceremony):
    ceremony.first()
    at = ceremony.server
    key = (ceremony.root / "root-1.key").read_text()
    assert "BEGIN ENCRYPTED PRIVATE KEY" in key and (ceremony.root / "root-1.key").stat().st_mode & 0o777 == 0o600
    assert ceremony.root.stat().st_mode & 0o777 == 0o700
    openssl("pkey", "-in", ceremony.root / "root-1.key", "-passin", f"file:{ceremony.secret}", "-noout")
    for leaf in ("tls/server.crt", "operators/admin.crt"):
        ceremony.verify("root-1.crt", at / leaf)
    # what init had made is forgotten, and no private key of the root is near the server
    assert subjects(at / "ca.crt")[1] == "subject=CN=Fleet root" and len(subjects(at / "ca.crt")) == 2
    assert not list((at / "earlier_cas").iterdir()) and not (at / "state/signer/next-ca.key").exists()
    text = openssl("x509", "-in", at / "ca.crt", "-noout", "-text").decode()
    assert "CA:TRUE, pathlen:0" in text and "Certificate Sign, CRL Sign" in text
    assert openssl("x509", "-in", at / "ca.crt", "-noout", "-pubkey") == openssl("pkey", "-in", at / "state/signer/ca.key", "-pubout")


def test_the_transcript_says_what_was_made_and_by_whom(ceremony):
    ceremony.first()
    one, two = sorted((ceremony.root / "transcript").iterdir())
    text = one.read_text()
    assert "by: ann\nby: bob\n" in text and f"certificate SHA-256: {fingerprint(ceremony.root / 'root-1.crt')}\n" in text
    assert f"transcript before SHA-256: {hashlib.sha256(one.read_bytes()).hexdigest()}\n" in two.read_text()
    assert [p.name for p in sorted((ceremony.server / "transcript").iterdir())] == ["0001-request.txt", "0002-install.txt"]


def test_both_rollovers_with_cross_certificates(ceremony):
    ceremony.first()
    ceremony.begin()
    at = ceremony.server
    old = fingerprint(at / "ca.crt")
    # another issuing CA of the same root: nobody has to learn anything
    ceremony.install(ceremony.sign(ceremony.request(word="rollover")))
    assert old in {hashlib.sha256(openssl("x509", "-outform", "DER", data=p.encode())).hexdigest() for p in PEM.findall((at / "ca.crt").read_text())[1:]}
    (earlier,) = (at / "earlier_cas").iterdir()
    assert fingerprint(earlier) == old and (at / f"state/signer/earlier-{earlier.stem}.key").stat().st_mode & 0o777 == 0o600
    # another root
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    for one, anchor in (("root-2-by-1.crt", "root-1.crt"), ("root-1-by-2.crt", "root-2.crt")):
        openssl("verify", "-x509_strict", "-CAfile", ceremony.root / anchor, ceremony.root / one)
    ceremony.install(ceremony.sign(ceremony.request()))
    ceremony.ca("server", at)
    for root in ("root-1.crt", "root-2.crt"):
        ceremony.verify(root, at / "tls/server.crt")
    # EST answers with this file: the chain, OldWithOld, OldWithNew, NewWithOld (RFC 7030, 4.1.3)
    have = [hashlib.sha256(openssl("x509", "-outform", "DER", data=p.encode())).hexdigest() for p in PEM.findall((at / "ca.crt").read_text())]
    assert {fingerprint(ceremony.root / f) for f in ("root-1.crt", "root-2.crt", "root-1-by-2.crt", "root-2-by-1.crt")} < set(have)
    assert len(list((at / "earlier_cas").iterdir())) == 2
    shown = ceremony.ca("show", at)
    assert "issuing CA: Chainhold issuing CA" in shown and "root: Fleet root 2" in shown


def test_what_is_swapped_on_the_way_is_refused(ceremony, tmp_path):
    ceremony.init()
    request = ceremony.request()
    ceremony.signing(request, "--expect", "0" * 64, code=1)
    (tmp_path / "other").mkdir()
    thief = Ceremony(tmp_path / "other")
    thief.init()
    stolen = thief.sign(request)
    # a root that nobody named, and one that is not the named one
    assert "nothing that this server trusts" in ceremony.install(stolen, code=1)
    root = fingerprint(ceremony.root / "root-1.crt")
    assert "no root with this SHA-256" in ceremony.install(stolen, "--root", root, code=1)
    # the thief's CA with the right root beside it
    mixed = tmp_path / "mixed.pem"
    mixed.write_text(stolen.read_text() + (ceremony.root / "root-1.crt").read_text())
    assert "is not one of that root" in ceremony.install(mixed, "--root", root, code=1)
    # another server's
    other = ceremony.sign(thief.request())
    assert "not for the key of this server's request" in ceremony.install(other, "--root", root, code=1)
    # the root itself is no issuing CA for this key
    ceremony.install(ceremony.root / "root-1.crt", "--root", root, code=1)
    flipped = bytearray(request.read_bytes())
    flipped[200] ^= 1
    (tmp_path / "flipped.csr").write_bytes(flipped)
    ceremony.signing(tmp_path / "flipped.csr", code=1)
    before = (ceremony.server / "ca.crt").read_bytes()
    assert before == (ceremony.server / "state/signer/ca.crt").read_bytes()


def test_files_that_others_can_read_and_files_that_are_there(ceremony):
    ceremony.init()
    request = ceremony.request()
    assert "has a root already" in ceremony.init(code=1)
    key = ceremony.root / "root-1.key"
    key.chmod(0o640)
    assert "others have rights to this key" in ceremony.signing(request, code=4)
    key.chmod(0o600)
    ceremony.secret.chmod(0o644)
    ceremony.signing(request, code=4)
    ceremony.secret.chmod(0o600)
    chain = ceremony.sign(request)
    (ceremony.folder / "wrong").write_text("wrong\n")
    (ceremony.folder / "wrong").chmod(0o600)
    chain.unlink()
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ceremony.folder / "k", "-subj", "/CN=other",
            "-out", ceremony.folder / "other.csr")
    other = ceremony.folder / "other.csr"
    assert "wrong passphrase" in ceremony.ca("sign", "--passphrase", ceremony.folder / "wrong", "--out", chain, ceremony.root, other, code=4)
    # never over a file; the same request gets the same certificate
    first = ceremony.sign(request).read_bytes()
    ceremony.signing(request, code=4)
    chain.unlink()
    assert ceremony.sign(request).read_bytes() == first
    (ceremony.server / "state/signer/next-ca.key").chmod(0o604)
    assert "others have rights to this key" in ceremony.install(chain, "--root", fingerprint(ceremony.root / "root-1.crt"), code=4)
    # no terminal, no passphrase
    assert "no terminal" in ceremony.ca("init", ceremony.folder / "another", code=2)
    assert not (ceremony.folder / "another/root-1.key").exists()


def interrupted(cut, folder, command, check):
    """The command, killed before each of its files in turn; given again it does the rest. How many files there are."""
    was = folder.with_suffix(".was")
    shutil.copytree(folder, was)
    for n in range(40):
        shutil.rmtree(folder)
        shutil.copytree(was, folder)
        env = {**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": str(n)}
        done = subprocess.run([BIN, *map(str, command)], capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return n
        assert done.returncode == 99, (done.returncode, done.stdout, done.stderr)
        done = subprocess.run([BIN, *map(str, command)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (n, done.stdout, done.stderr)
        check()
    raise AssertionError("never done")


@pytest.mark.parametrize("fresh", [True, False])
def test_an_install_that_is_interrupted_goes_on(ceremony, cut, fresh):
    """Killed before its N-th file: the same command ends with what it would have made at once."""
    at = ceremony.server
    if fresh:
        ceremony.init()
    else:
        ceremony.first()
        ceremony.begin()
    chain = ceremony.sign(ceremony.request())
    args = ("ca", "install", "--root", fingerprint(ceremony.root / "root-1.crt"), at, chain)
    whole = ceremony.folder / "whole"
    shutil.copytree(at, whole)
    ceremony.run("ca", "install", "--root", fingerprint(ceremony.root / "root-1.crt"), whole, chain)
    wanted = {p: (whole / p).read_bytes() for p in ("ca.crt", "state/signer/ca.crt", "state/signer/ca.key")}
    keys = {p.name: p.read_bytes() for p in (whole / "state/signer").iterdir()}

    def check():
        assert {p: (at / p).read_bytes() for p in wanted} == wanted
        assert {p.name: p.read_bytes() for p in (at / "state/signer").iterdir() if not p.name.endswith(".new")} == keys
        assert sorted(p.name for p in at.glob("earlier_cas/*.crt")) == sorted(p.name for p in whole.glob("earlier_cas/*.crt"))
        if fresh:
            ceremony.verify("root-1.crt", at / "tls/server.crt")
    assert interrupted(cut, at, args, check) == 6


def test_a_rollover_that_is_interrupted_goes_on(ceremony, cut):
    ceremony.init()
    args = ("ca", "rollover", "--passphrase", ceremony.secret, ceremony.root)

    def check():
        # one new root, wherever it was killed, unless it was whole but for its transcript
        assert (ceremony.root / "root-2.crt").exists() and not (ceremony.root / "root-3.crt").exists()
        for one, anchor in (("root-2-by-1.crt", "root-1.crt"), ("root-1-by-2.crt", "root-2.crt")):
            openssl("verify", "-CAfile", ceremony.root / anchor, ceremony.root / one)
        assert len(PEM.findall((ceremony.root / "roots.pem").read_text())) == 4
    assert interrupted(cut, ceremony.root, args, check) == 6


def test_a_rollover_that_is_not_whole_signs_nothing(ceremony):
    ceremony.init()
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    (ceremony.root / "root-1-by-2.crt").unlink()
    request = ceremony.request()
    assert "rollover is not whole" in ceremony.signing(request, code=1)
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    ceremony.sign(request)
    assert not (ceremony.root / "root-3.crt").exists()


def key_of(path):
    return openssl("pkey", "-in", path, "-pubout") if path.suffix == ".key" else openssl("x509", "-in", path, "-noout", "-pubkey")


def test_the_servers_own_key_stays_or_is_made_anew(ceremony):
    ceremony.first()
    crt, key = ceremony.server / "tls/server.crt", ceremony.server / "tls/server.key"
    san = ("x509", "-in", crt, "-noout", "-ext", "subjectAltName,extendedKeyUsage,basicConstraints")
    first, names = key.read_bytes(), openssl(*san)
    ceremony.ca("server", ceremony.server)
    assert key.read_bytes() == first and key_of(crt) == key_of(key)
    said = ceremony.ca("server", "--new-key", "--by", "ann", ceremony.server)
    assert key.read_bytes() != first and key_of(crt) == key_of(key) and openssl(*san) == names
    assert key.stat().st_mode & 0o777 == 0o600 and not (ceremony.server / "tls/next-server.key").exists()
    assert "private key: new: tls/server.key" in said and key_of(crt) != openssl("pkey", "-pubout", data=first)
    ceremony.verify("root-1.crt", crt)
    # the identifier is that of the new key
    ski = openssl("x509", "-in", crt, "-noout", "-ext", "subjectKeyIdentifier").decode().split()[-1]
    raw = openssl("pkey", "-pubin", "-outform", "DER", data=key_of(key))[-65:]
    assert ski.replace(":", "").lower() == hashlib.sha1(raw).hexdigest()


def test_a_new_key_of_the_server_that_is_interrupted_goes_on(ceremony, cut):
    ceremony.first()
    at, first = ceremony.server, (ceremony.server / "tls/server.key").read_bytes()

    def check():
        assert key_of(at / "tls/server.crt") == key_of(at / "tls/server.key") and (at / "tls/server.key").read_bytes() != first
        assert not (at / "tls/next-server.key").exists()
        ceremony.verify("root-1.crt", at / "tls/server.crt")
    assert interrupted(cut, at, ("ca", "server", "--new-key", at), check) == 4
    # without the option as well, where a key waits
    shutil.rmtree(at)
    shutil.copytree(at.with_suffix(".was"), at)
    env = {**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": "2"}
    ceremony.ca("server", "--new-key", at, code=99, env=env)
    assert key_of(at / "tls/server.crt") != key_of(at / "tls/server.key")
    ceremony.ca("server", at)
    check()


@needs_softhsm
def test_root_and_issuing_ca_in_tokens(ceremony):
    hsm = Hsm(ceremony.folder / "hsm")
    ceremony.env = hsm.env
    hsm.token("offline")
    hsm.token("online")
    hsm.write_pin("9999\n")
    assert "wrong PIN" in ceremony.ca("init", "--key", hsm.uri("token=offline;object=root"), ceremony.root, code=4)
    assert not (ceremony.root / "root-1.uri").exists()
    hsm.write_pin("1234\n")
    shown = ceremony.ca("init", "--key", hsm.uri("token=offline;object=root"), ceremony.root)
    assert "private key: token pkcs11:token=offline;object=root\n" in shown and "pin-source" not in shown
    assert not (ceremony.root / "root-1.key").exists()
    # the name is taken
    assert "of this name already" in ceremony.ca("request", "--key", hsm.uri("token=offline;object=root"), "--out", ceremony.folder / "x", ceremony.server, code=4)
    request = ceremony.request("--key", hsm.uri("token=online;object=issuing"))
    # asked again, it is the same key
    again = ceremony.request()
    assert openssl("req", "-in", request, "-noout", "-pubkey") == openssl("req", "-in", again, "-noout", "-pubkey")
    chain = ceremony.sign(again)
    said = ceremony.install(chain, "--root", fingerprint(ceremony.root / "root-1.crt"))
    assert "what the token's module needs" in said
    assert not (ceremony.server / "state/signer/ca.key").exists()
    ceremony.verify("root-1.crt", ceremony.server / "tls/server.crt")
    ceremony.ca("rollover", "--key", hsm.uri("token=offline;object=root2"), ceremony.root)
    for one, anchor in (("root-2-by-1.crt", "root-1.crt"), ("root-1-by-2.crt", "root-2.crt")):
        openssl("verify", "-CAfile", ceremony.root / anchor, ceremony.root / one)
    # a private key never leaves its token
    listed = subprocess.run(["pkcs11-tool", "--module", "/usr/lib/softhsm/libsofthsm2.so", "--login", "--pin", "1234", "--token-label", "offline",
                             "--list-objects", "--type", "privkey"], env=hsm.env, capture_output=True, text=True, check=True).stdout
    assert listed.count("never extractable") == 2 and listed.count("sensitive") >= 2
