# SPDX-License-Identifier: Apache-2.0
"""The lists of an offline root: signed, put into a server, held against whole chains by openssl, strongSwan's pki and OpenVPN; what is no such list refused."""

import datetime
import os
import re
import shutil
import subprocess
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from revocation_support import vpn
from server_support import openssl
from softhsm import Hsm, needs_softhsm
from support import BIN
from test_ca import Ceremony, cut, fingerprint  # noqa: F401

NUMBER = re.compile(r"X509v3 CRL Number: *\n *(\w+)")
CRL = re.compile(r"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", re.S)


class Listed(Ceremony):
    def crl(self, *more, code=0, out=None, **other):
        """What it said; the file is self.out."""
        self.count += 1
        self.out = out or self.folder / f"{self.count}.crls"
        return self.ca("crl", "--passphrase", self.secret, *more, "--out", self.out, self.root, code=code, **other)

    def revoke(self, chain, *more, reason="cACompromise", **other):
        return self.crl("--revoke", chain, "--reason", reason, *more, **other)

    def shown(self, path=None):
        return openssl("crl", "-in", path or self.out, "-noout", "-text").decode()

    def number(self, path=None):
        return int(NUMBER.search(self.shown(path)).group(1), 0)

    def chain_holds(self, *lists, root="root-1.crt", leaf=None):
        """openssl looks at every certificate of the chain: '' if it holds, else why not."""
        crls = self.folder / "all.crls"
        crls.write_text("".join(map(str, lists)))
        leaf = leaf or self.server / "tls/server.crt"
        command = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-CRLfile", crls, "-CAfile", self.root / root, "-untrusted", leaf, leaf]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr


@pytest.fixture
def ceremony(tmp_path):
    return Listed(tmp_path)


def made_list(key, password, issuer, number=1, last=None, days=30, serials=()):
    """A list that another program signs with a key of ours: PEM."""
    signer = serialization.load_pem_private_key(key.read_bytes(), password)
    by = x509.load_pem_x509_certificate(issuer.read_bytes())
    last = last or datetime.datetime.utcnow()
    b = x509.CertificateRevocationListBuilder().issuer_name(by.subject).last_update(last).next_update(last + datetime.timedelta(days=days))
    b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(by.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value),
                        False).add_extension(x509.CRLNumber(number), False)  # fmt: skip
    for serial in serials:
        b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(last).build())
    return b.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def own_list(ceremony):
    """What the server would sign of its issuing CA."""
    return made_list(ceremony.server / "state/signer/ca.key", None, ceremony.server / "ca.crt")


def by_root(ceremony, **more):
    return made_list(ceremony.root / "root-1.key", b"correct horse", ceremony.root / "root-1.crt", **more)


def test_openssl_holds_whole_chains_against_it(ceremony):
    chain = ceremony.first()
    own = own_list(ceremony)
    said = ceremony.crl("--by", "ann")
    good = ceremony.out.read_text()
    assert "certificates in it: 0" in said and "by: ann" in said
    assert "verify OK" in subprocess.run(["openssl", "crl", "-in", ceremony.out, "-noout", "-CAfile", ceremony.root / "root-1.crt"], capture_output=True,
                                         text=True, check=True).stderr  # fmt: skip
    text = ceremony.shown()
    assert "X509v3 Authority Key Identifier" in text and "Issuer: CN = Fleet root" in text and "ecdsa-with-SHA256" in text
    begin, end = (datetime.datetime.strptime(re.search(rf"{word} Update: (.*) GMT", text).group(1), "%b %d %H:%M:%S %Y") for word in ("Last", "Next"))
    assert (end - begin).days == 180
    # both lists are needed, and hold; then the issuing CA is revoked
    assert "unable to get certificate CRL" in ceremony.chain_holds(own)
    assert ceremony.chain_holds(own, good) == ""
    said = ceremony.revoke(chain)
    assert "certificates in it: 1" in said and "reason: cACompromise" in said
    assert "CA Compromise" in ceremony.shown()
    assert "certificate revoked" in ceremony.chain_holds(own, ceremony.out.read_text())
    assert (ceremony.root / "root-1.crl").read_text() == ceremony.out.read_text()


def test_strongswan_takes_it(ceremony):
    if shutil.which("pki") is None:
        pytest.skip("strongswan-pki is not installed")
    chain = ceremony.first()

    def verify():
        return subprocess.run(["pki", "--verify", "--in", ceremony.server / "state/signer/ca.crt", "--cacert", ceremony.root / "root-1.crt", "--crl",
                               ceremony.out], capture_output=True, text=True, check=False)  # fmt: skip
    ceremony.crl()
    assert verify().returncode == 0
    ceremony.revoke(chain)
    done = verify()
    assert done.returncode != 0 and "revoked" in done.stdout + done.stderr
    assert "ca compromise" in subprocess.run(["pki", "--print", "--type", "crl", "--in", ceremony.out], capture_output=True, text=True, check=True).stdout


def test_openvpn_refuses_what_a_revoked_ca_issued(ceremony, tmp_path):
    if shutil.which("openvpn") is None:
        pytest.skip("openvpn is not installed")
    chain = ceremony.first()
    device = types.SimpleNamespace(certificate=ceremony.server / "operators/admin.crt", key=ceremony.server / "operators/admin.key")
    crls = tmp_path / "gate.crls"
    ceremony.crl()
    crls.write_text(own_list(ceremony) + ceremony.out.read_text())
    assert "Peer Connection Initiated" in vpn(ceremony.server, device, crls, tmp_path / "good.log")
    ceremony.revoke(chain)
    crls.write_text(own_list(ceremony) + ceremony.out.read_text())
    line = vpn(ceremony.server, device, crls, tmp_path / "bad.log")
    assert "VERIFY ERROR" in line and "certificate revoked" in line, line


def test_what_is_in_it_stays_and_its_number_grows(ceremony):
    chain = ceremony.first()
    ceremony.crl()
    first = ceremony.number()
    ceremony.revoke(chain, reason="superseded")
    second = ceremony.number()
    # again, for another reason: what was said first stays; and without anything new
    ceremony.revoke(chain)
    told = sorted(ceremony.root.glob("transcript/*"))[-1].read_text()
    assert "superseded" in told and "cACompromise" not in told
    ceremony.crl("--days", "1")
    assert first < second < ceremony.number()
    text = ceremony.shown()
    assert text.count("Serial Number:") == 1 and "Superseded" in text and "CA Compromise" not in text
    # a file that is there is not overwritten
    assert "exist" in ceremony.crl(code=4, out=ceremony.out)


def test_what_others_hold_is_not_forgotten(ceremony):
    chain = ceremony.first()
    ceremony.revoke(chain)
    newest = ceremony.out
    # the folder is put back without its list
    (ceremony.root / "root-1.crl").unlink()
    ceremony.crl("--seen", newest)
    assert ceremony.number() > ceremony.number(newest) and ceremony.shown().count("Serial Number:") == 1
    # one that is signed from a clock that was ahead: this one is behind
    ahead = ceremony.folder / "ahead.crl"
    ahead.write_text(by_root(ceremony, last=datetime.datetime.utcnow() + datetime.timedelta(days=2)))
    assert "clock of this machine is behind" in ceremony.crl("--seen", ahead, code=1)
    ceremony.begin()
    assert "time has not begun" in ceremony.install(ahead, code=1)
    # a list of somebody else
    ahead.write_text(own_list(ceremony))
    assert "no root of" in ceremony.crl("--seen", ahead, code=1)


def test_what_cannot_be_revoked_is_refused(ceremony):
    chain = ceremony.first()
    root, leaf = ceremony.root / "root-1.crt", ceremony.server / "tls/server.crt"
    assert "a root itself is replaced" in ceremony.revoke(root, code=1)
    assert "no certificate that a root" in ceremony.revoke(leaf, code=1)
    assert "belong together" in ceremony.crl("--revoke", chain, code=2)
    assert "belong together" in ceremony.crl("--reason", "superseded", code=2)
    for reason in ("certificateHold", "removeFromCRL", "because"):
        assert "is no reason" in ceremony.revoke(chain, reason=reason, code=2)
    assert "--days" in ceremony.crl("--days", "0", code=2)
    assert "has no such root" in ceremony.crl("--root", "2", code=1)
    assert not (ceremony.root / "root-1.crl").exists()
    # what is there as the list before is none of this root
    (ceremony.root / "root-1.crl").write_text(own_list(ceremony))
    assert "not the one list that this root signed" in ceremony.crl(code=1)


def test_a_revoked_ca_is_neither_signed_again_nor_installed(ceremony):
    ceremony.first()
    ceremony.begin()
    request = ceremony.request(word="rollover")
    chain = ceremony.sign(request)
    ceremony.revoke(chain)
    again = request.with_suffix(".again.csr")
    shutil.copy(request, again)
    assert "is revoked" in ceremony.signing(again, code=1)
    assert "certificates in it: 1" in ceremony.install(ceremony.out)
    assert "is revoked" in ceremony.install(chain, code=1)
    assert (ceremony.server / "state/signer/next-ca.key").exists()


def test_a_key_that_one_root_revoked_is_signed_by_no_other(ceremony):
    ceremony.first()
    ceremony.begin()
    request = ceremony.request(word="rollover")
    ceremony.revoke(ceremony.sign(request))
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    again = request.with_suffix(".again.csr")
    shutil.copy(request, again)
    assert "is revoked" in ceremony.signing(again, code=1)
    assert not list((ceremony.root / "issued").glob("*-by-2.crt"))


def test_no_two_lists_of_one_root_and_none_over_a_file(ceremony):
    ceremony.first()
    ceremony.begin()
    ceremony.crl()
    first = ceremony.out.read_text()
    ceremony.crl()
    later = ceremony.out
    both = ceremony.folder / "both.crl"
    both.write_text(later.read_text() + first)
    assert "two lists of one root" in ceremony.install(both, code=1)
    assert not list((ceremony.server / "root_lists").glob("*")) if (ceremony.server / "root_lists").exists() else True
    before = (ceremony.root / "root-1.crl").read_bytes()
    assert "exist" in ceremony.crl(code=4, out=later)
    assert (ceremony.root / "root-1.crl").read_bytes() == before


def test_a_certificate_says_where_the_list_is(ceremony):
    ceremony.init()
    request = ceremony.request()
    for url in ("https://a", "http://a/", "http://", "http://a,URI:b", "http://a b"):
        assert "--crl-url is" in ceremony.signing(request, "--crl-url", url, code=2)
    chain = ceremony.sign(request, "--crl-url", "http://pki.example:8080")
    root = openssl("x509", "-in", ceremony.root / "root-1.crt", "-noout", "-ext", "subjectKeyIdentifier").decode().split()[-1].replace(":", "").lower()
    assert f"URI:http://pki.example:8080/crl/{root}.crl" in openssl("x509", "-in", chain, "-noout", "-text").decode()
    # the same request: the same certificate, or said why not
    request.with_suffix(".pem").rename(ceremony.folder / "kept.pem")
    assert "move it away" in ceremony.signing(request, "--crl-url", "http://pki.example", code=1)
    assert ceremony.sign(request).read_bytes() == (ceremony.folder / "kept.pem").read_bytes()
    # so do both certificates of a rollover
    ceremony.ca("rollover", "--passphrase", ceremony.secret, "--crl-url", "http://pki.example:8080", ceremony.root)
    for one in ("root-2-by-1.crt", "root-1-by-2.crt"):
        assert "URI:http://pki.example:8080/crl/" in openssl("x509", "-in", ceremony.root / one, "-noout", "-text").decode()


def test_each_root_has_its_list_after_a_rollover(ceremony):
    ceremony.first()
    ceremony.begin()
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    chain = ceremony.sign(ceremony.request(word="rollover"))
    ceremony.install(chain)
    ceremony.ca("server", ceremony.server)
    ceremony.crl()
    both = ceremony.out.read_text()
    assert len(CRL.findall(both)) == 2
    ceremony.install(ceremony.out)
    assert len(list((ceremony.server / "root_lists").iterdir())) == 2
    # by the new root, and by the old one over the cross certificate, whose list that is
    own = own_list(ceremony)
    for anchor in ("root-1.crt", "root-2.crt"):
        assert ceremony.chain_holds(own, both, root=anchor) == ""
    assert "unable to get certificate CRL" in ceremony.chain_holds(own, CRL.findall(both)[1], root="root-1.crt")
    # the cross certificate is revoked by the old root alone: who knows the new one goes on
    ceremony.revoke(ceremony.root / "root-2-by-1.crt", "--root", "1")
    one = ceremony.out.read_text()
    assert len(CRL.findall(one)) == 1
    assert "certificate revoked" in ceremony.chain_holds(own, one, CRL.findall(both)[1], root="root-1.crt")
    assert ceremony.chain_holds(own, one, CRL.findall(both)[1], root="root-2.crt") == ""


def test_what_is_no_list_of_its_root_is_not_installed(ceremony, tmp_path):
    ceremony.first()
    ceremony.crl()
    first = ceremony.out
    ceremony.crl()
    ceremony.install(ceremony.out)
    (there,) = (ceremony.server / "root_lists").iterdir()
    good = there.read_bytes()
    number, bad = ceremony.number(there), tmp_path / "bad.crl"

    def refused(text, why):
        bad.write_text(text)
        said = ceremony.install(bad, code=1)
        assert why in said, said
        assert there.read_bytes() == good and list((ceremony.server / "root_lists").iterdir()) == [there]
    refused(first.read_text(), "an older list than")
    refused(by_root(ceremony, number=number), "an older list than")
    refused(own_list(ceremony), "signs the list of the CA that issues itself")
    refused(by_root(ceremony, number=number + 9, last=datetime.datetime.utcnow() - datetime.timedelta(days=40)), "a list that has ended")
    # one good and one bad: neither
    (tmp_path / "other").mkdir()
    other = Listed(tmp_path / "other", ceremony.server)
    other.init()
    other.crl()
    refused(by_root(ceremony, number=number + 9) + other.out.read_text(), "no CA that this server trusts")
    # cut anywhere, and changed anywhere
    der = openssl("crl", "-in", ceremony.out, "-outform", "DER")
    pem = "-----BEGIN X509 CRL-----\n%s-----END X509 CRL-----\n"
    for at in range(0, len(der), 37):
        flipped = bytearray(der)
        flipped[at] ^= 1
        for raw in (der[:at], bytes(flipped)):
            bad.write_text(pem % openssl("base64", data=raw).decode())
            done = subprocess.run([BIN, "ca", "install", ceremony.server, bad], capture_output=True, text=True, check=False)
            assert done.returncode in (1, 3) and "bad.crl" in done.stderr, (at, done)
    assert there.read_bytes() == good
    # the same once more is no change, and a later one is taken
    ceremony.install(ceremony.out)
    ceremony.crl()
    ceremony.install(ceremony.out)
    assert there.read_bytes() != good


def test_one_that_revokes_the_ca_that_issues_says_so(ceremony):
    chain = ceremony.first()
    ceremony.revoke(chain)
    assert "the CA that issues here is revoked" in ceremony.install(ceremony.out)


def test_a_list_that_is_interrupted_is_signed_again(ceremony, cut):  # noqa: F811
    chain = ceremony.first()
    ceremony.ca("rollover", "--passphrase", ceremony.secret, ceremony.root)
    out = ceremony.root / "out.crls"
    args = ("ca", "crl", "--passphrase", ceremony.secret, "--revoke", chain, "--reason", "superseded", "--out", out, ceremony.root)

    def check():
        for n in (1, 2):
            text = ceremony.shown(ceremony.root / f"root-{n}.crl")
            assert text.count("Serial Number:") == (1 if n == 1 else 0)
        out.unlink()
    was = ceremony.root.with_suffix(".was")
    shutil.copytree(ceremony.root, was)
    for at in range(2):
        shutil.rmtree(ceremony.root)
        shutil.copytree(was, ceremony.root)
        ceremony.run(*args, code=99, env={**os.environ, "LD_PRELOAD": str(cut), "CUT_AT": str(at)})
        ceremony.run(*args)
        check()


@needs_softhsm
def test_by_a_root_in_a_token(ceremony):
    hsm = Hsm(ceremony.folder / "hsm")
    ceremony.env = hsm.env
    hsm.token("offline")
    ceremony.init("--key", hsm.uri("token=offline;object=root"))
    chain = ceremony.sign(ceremony.request())
    ceremony.install(chain, "--root", fingerprint(ceremony.root / "root-1.crt"))
    ceremony.revoke(chain)
    assert "certificate revoked" in ceremony.chain_holds(own_list(ceremony), ceremony.out.read_text())


def test_it_is_in_a_backup_and_what_others_hold_goes_before_it(ceremony):
    chain = ceremony.first()
    ceremony.crl()
    seal = ceremony.folder / "seal"
    seal.write_text("another horse\n")
    seal.chmod(0o600)
    backup, new = ceremony.folder / "root.backup", ceremony.folder / "new"
    keys = ("--seal", seal, "--passphrase", ceremony.secret)
    ceremony.ca("backup", *keys, "--out", backup, ceremony.root)
    assert "root-1.crl" in ceremony.ca("backup", *keys, "--check", backup)
    ceremony.revoke(chain)
    ceremony.ca("restore", *keys, backup, new)
    assert ceremony.shown(new / "root-1.crl").count("Serial Number:") == 0
    shutil.rmtree(new)
    ceremony.ca("restore", *keys, "--seen", ceremony.out, "--seen", ceremony.server / "ca.crt", backup, new)
    assert (new / "root-1.crl").read_text() == ceremony.out.read_text()
    # the latest of those that were seen, whichever is named first
    older = ceremony.folder / "older.crl"
    shutil.copy(ceremony.out, older)
    ceremony.crl()
    for order in ((older, ceremony.out), (ceremony.out, older)):
        shutil.rmtree(new)
        ceremony.ca("restore", *keys, *[word for name in order for word in ("--seen", name)], backup, new)
        assert (new / "root-1.crl").read_text() == ceremony.out.read_text()
    # of a server: the list that is there stays, if it is later
    ceremony.install(ceremony.out)
    sealed = ceremony.folder / "server.backup"
    ceremony.ca("backup", *keys, "--out", sealed, ceremony.server)
    (there,) = (ceremony.server / "root_lists").iterdir()
    earlier = there.read_bytes()
    ceremony.crl()
    ceremony.install(ceremony.out)
    later = there.read_bytes()
    ceremony.ca("restore", *keys, sealed, ceremony.server)
    assert there.read_bytes() == later != earlier
    there.unlink()
    ceremony.ca("restore", *keys, sealed, ceremony.server)
    assert there.read_bytes() == earlier
