# SPDX-License-Identifier: Apache-2.0
"""chainhold ca import-easyrsa: what is in the folder of Debian's easy-rsa, and what does not fit in it."""

import shutil

import pytest

import easyrsa_pki
from support import run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return easyrsa_pki.usual(tmp_path_factory.mktemp("easyrsa"))


@pytest.fixture
def pki(made, tmp_path):
    """A copy that a test may break."""
    shutil.copytree(made.pki, tmp_path / "pki")
    return tmp_path / "pki"


def dry(folder, code=0):
    rc, out, err = run(["ca", "import-easyrsa", "--dry-run", folder])
    assert rc == code, (rc, out, err)
    return out if code == 0 else err


def test_what_would_be_done_is_shown(made, pki):
    out = dry(pki)
    for line in ("2 certificates would be admitted", "1 stay revoked", "1 are not admitted", "1 are no devices'"):
        assert line in out
    assert f"gw-3  {made.serial('gw-3')}" in out and "keyCompromise" in out
    assert f"gw-1  {made.serial('gw-1')}  until" in out and "vpn" in out and "crl.pem" not in out
    assert dry(pki.parent) == out  # the folder above it


def test_a_list_older_than_the_index_is_said(pki):
    (pki / "crl.pem").unlink()
    assert "there is no crl.pem" in dry(pki)


def test_renewed_certificates_are_found(tmp_path):
    one = easyrsa_pki.Pki(tmp_path)
    one.client("gw-1")
    one.run("renew", "gw-1", "nopass", EASYRSA_CERT_RENEW="10000")
    out = dry(one.pki)
    assert "2 certificates would be admitted" in out


@pytest.mark.parametrize("algorithm", [{"EASYRSA_ALGO": "ec"}, {"EASYRSA_ALGO": "ed", "EASYRSA_CURVE": "ed25519"}])
def test_other_keys(tmp_path, algorithm):
    one = easyrsa_pki.Pki(tmp_path, **algorithm)
    one.client("gw-1")
    one.revoke("gw-1")
    assert "1 stay revoked" in dry(one.pki)


def edit(path, change):
    path.write_text(change(path.read_text()))


def test_a_line_without_its_certificate(made, pki):
    number, fields = made.row("gw-2")
    for path in (pki / "issued/gw-2.crt", pki / f"certs_by_serial/{fields[3]}.pem"):
        path.unlink()
    err = dry(pki, 1)
    assert f"index.txt: line {number}: there is no certificate" in err


def test_a_certificate_without_its_line(made, pki):
    edit(pki / "index.txt", lambda text: "".join(line for line in text.splitlines(True) if "/CN=gw-2" not in line))
    err = dry(pki, 1)
    assert "index.txt has no line" in err and ("gw-2.crt" in err or made.row("gw-2")[1][3] in err)


def test_the_certificate_of_another_ca(pki, tmp_path):
    other = easyrsa_pki.Pki(tmp_path / "other")
    certificate, _ = other.client("stranger")
    shutil.copy(certificate, pki / "issued/stranger.crt")
    err = dry(pki, 1)
    assert "stranger.crt: not issued by the CA" in err


def test_two_certificates_of_one_number(pki, made):
    (pki / "issued/gw-1.crt").write_bytes((pki / "issued/gw-2.crt").read_bytes())
    assert "would be admitted" in dry(pki)  # the same one twice is one
    edit(pki / "index.txt", lambda text: text + [line for line in text.splitlines(True) if "/CN=gw-1" in line][0])
    err = dry(pki, 1)
    assert "index.txt: line 6: the serial number of a line before" in err


@pytest.mark.parametrize("change, word", [
    (lambda f: [f[0], "300228105224Z", *f[2:]], "ends at another time"),
    (lambda f: ["X", *f[1:]], "V, R or E"),
    (lambda f: ["R", f[1], "261126105227Z,whim", *f[3:]], "no reason"),
    (lambda f: ["R", f[1], "261126105227Z,certificateHold", *f[3:]], "certificateHold"),
    (lambda f: ["R", f[1], "400101000000Z", *f[3:]], "not come yet"),
    (lambda f: [*f[:3], "00", *f[4:]], "zero"),
    (lambda f: f[:5], "six fields"),
])
def test_a_line_that_is_wrong_is_named(made, pki, change, word):
    number, fields = made.row("gw-1")
    old, new = "\t".join(fields), "\t".join(change(fields))
    edit(pki / "index.txt", lambda text: text.replace(old, new))
    err = dry(pki, 1)
    assert f"index.txt: line {number}: " in err and word in err


def test_a_list_that_revokes_more_than_the_index(made, pki):
    _, fields = made.row("gw-3")
    back = "\t".join(["V", fields[1], "", *fields[3:]])
    edit(pki / "index.txt", lambda text: text.replace("\t".join(fields), back))
    err = dry(pki, 1)
    assert "crl.pem: it revokes a certificate that index.txt does not say is revoked" in err


def test_the_list_of_another_ca(pki, tmp_path):
    other = easyrsa_pki.Pki(tmp_path / "other", name="Another")
    other.run("gen-crl")
    shutil.copy(other.pki / "crl.pem", pki / "crl.pem")
    assert "crl.pem: its issuer is not" in dry(pki, 1)


@pytest.mark.parametrize("name", ["ca.key", "gw-1.key"])
def test_a_key_that_others_can_read_is_refused(pki, name):
    (pki / "private" / name).chmod(0o640)
    err = dry(pki, 1)
    assert f"private/{name}: others can read this key" in err


def test_what_is_no_ca(pki):
    shutil.copy(pki / "issued/gw-1.crt", pki / "ca.crt")
    assert "ca.crt: not the certificate of a CA" in dry(pki, 1)
    (pki / "ca.crt").write_text("hello")
    assert "ca.crt: there is no PEM block" in dry(pki, 1)
    dry(pki / "nothing", 4)
