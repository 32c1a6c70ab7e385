# SPDX-License-Identifier: Apache-2.0
"""Credentials that chainhold seals are opened by a live TPM, for each kind of endorsement key, and only for the object they name."""

import subprocess

import pytest

import live_tpm
from support import BIN

DRIVER = BIN.parent / "tests" / "credential_driver"
SECRET = bytes(range(32))
# tpm2_createek knows the templates L-1 and L-2; H-3 (P-384, high range) is spelled out: its user has the authorisation.
EKS = {
    "rsa2048": ["createek", "-Q", "-G", "rsa", "-c", "ek.ctx", "-u", "ek.pub"],
    "p256": ["createek", "-Q", "-G", "ecc", "-c", "ek.ctx", "-u", "ek.pub"],
    "p384": ["createprimary", "-Q", "-C", "e", "-g", "sha384", "-G", "ecc384:null:aes256cfb", "-c", "ek.ctx",
             "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt"],
}


@pytest.fixture(params=EKS)
def tpm(request, tmp_path):
    live_tpm.needed()
    one = live_tpm.Tpm(tmp_path)
    try:
        one.kind = request.param
        one.call(*EKS[one.kind])
        if one.kind == "p384":
            one.call("readpublic", "-Q", "-c", "ek.ctx", "-f", "tss", "-o", "ek.pub")
        yield one
    finally:
        one.stop()


def policy(tpm):
    """The session that the low-range templates ask for; P-384 takes the empty authorisation."""
    if tpm.kind == "p384":
        return []
    tpm.tool("startauthsession", "-Q", "--policy-session", "-S", "session")
    tpm.tool("policysecret", "-Q", "-S", "session", "-c", "e")
    return ["-P", "session:session"]


def make(tpm, ek="ek.pub", secret=SECRET):
    done = subprocess.run([DRIVER, ek, "ak.pub", secret.hex()], cwd=tpm.folder, capture_output=True, timeout=60, check=False)
    (tpm.folder / "credential").write_bytes(done.stdout)
    return done.returncode, done.stderr.decode()


def activate(tpm, key="ak.ctx"):
    (tpm.folder / "opened").unlink(missing_ok=True)
    session = policy(tpm)
    code = tpm.tool("activatecredential", "-Q", "-c", key, "-C", "ek.ctx", "-i", "credential", "-o", "opened", *session, check=False)
    tpm.tool("flushcontext", "-t")
    tpm.tool("flushcontext", "-l")
    return (tpm.folder / "opened").read_bytes() if code == 0 else None


def test_a_live_tpm_opens_it(tpm):
    tpm.create("ak", "ecc256:ecdsa-sha256:null")
    assert make(tpm) == (0, "")
    assert activate(tpm) == SECRET
    short = b"\x07"
    assert make(tpm, secret=short) == (0, "")
    assert activate(tpm) == short


def test_it_opens_for_no_other_object(tpm):
    tpm.create("ak", "ecc256:ecdsa-sha256:null")
    tpm.create("other", "ecc256:ecdsa-sha256:null", live_tpm.UNRESTRICTED)
    assert make(tpm) == (0, "")
    assert activate(tpm, "other.ctx") is None
    assert activate(tpm) == SECRET


def test_one_changed_bit_does_not_open(tpm):
    tpm.create("ak", "ecc256:ecdsa-sha256:null")
    assert make(tpm) == (0, "")
    good = (tpm.folder / "credential").read_bytes()
    for at in (12, 50, len(good) - 1):
        bad = bytearray(good)
        bad[at] ^= 1
        (tpm.folder / "credential").write_bytes(bad)
        assert activate(tpm) is None
    (tpm.folder / "credential").write_bytes(good)
    assert activate(tpm) == SECRET


def test_a_signing_key_is_no_endorsement_key(tpm):
    tpm.create("ak", "ecc256:ecdsa-sha256:null")
    code, err = make(tpm, ek="ak.pub")
    assert code == 1 and "does not decrypt" in err
