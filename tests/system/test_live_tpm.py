# SPDX-License-Identifier: Apache-2.0
"""A live TPM: swtpm makes the quotes, tpm2-tools fetches them; tpm2_checkquote (OpenSSL for PSS) and chainhold must agree."""

import json
import subprocess

import pytest

import live_tpm
from live_tpm import KEYS, NONCE, SIGNING
from support import run

SELECTION = "sha256:0,1,7,10+sha384:10"


def checkquote(tpm, name, nonce=NONCE):
    return tpm.tool("checkquote", "-Q", "-u", f"{name}.pem", "-m", f"{name}.msg", "-s", f"{name}.sig",
                    "-f", f"{name}.pcrs", "-q", nonce, "-g", KEYS[name][1], check=False)


def openssl_verifies_pss(tpm, name):
    """tpm2_checkquote 5.4 knows RSASSA only; OpenSSL is the second opinion on a PSS signature."""
    tpmt = (tpm.folder / f"{name}.sig").read_bytes()
    (tpm.folder / "raw.sig").write_bytes(tpmt[6:])  # sigAlg, hash, size
    return subprocess.run(["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-verify", f"{name}.pem",
                           "-signature", "raw.sig", f"{name}.msg"], cwd=tpm.folder, capture_output=True,
                          timeout=60, check=False).returncode


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    live_tpm.needed()
    one = live_tpm.Tpm(tmp_path_factory.mktemp("tpm"))
    try:
        one.tool("pcrextend", "10:sha256=" + "07" * 32 + ",sha384=" + "08" * 48)
        one.tool("pcrread", "-Q", "sha256:10", "-o", "pcr10")
        one.pcr10 = (one.folder / "pcr10").read_bytes()
        for name, (algorithm, digest) in KEYS.items():
            one.quote(name, algorithm, digest, SELECTION)
        yield one
    finally:
        one.stop()


def inspect(tpm, name, nonce=NONCE, public="pem", files=None):
    files = files or {}
    args = ["inspect", "quote", "--json", "--nonce", nonce]
    for option, end in (("msg", "msg"), ("sig", "sig"), ("pub", public), ("pcrs", "pcrs")):
        args += [f"--{option}", files.get(option, tpm.folder / f"{name}.{end}")]
    return run(args)


@pytest.mark.parametrize("public", ["pem", "pub"])
@pytest.mark.parametrize("name", KEYS)
def test_a_live_quote_holds(tpm, name, public):
    assert (openssl_verifies_pss(tpm, name) if "pss" in name else checkquote(tpm, name)) == 0
    code, out, err = inspect(tpm, name, public=public)
    assert code == 0, err + out
    verdict = json.loads(out)
    assert verdict["signature"] == "ok"
    assert verdict["pcr_select"] == {"sha256": [0, 1, 7, 10], "sha384": [10]}
    assert len(verdict["pcr_digest"]) in (64, 96)


@pytest.mark.parametrize("name", KEYS)
def test_another_nonce_does_not_hold(tpm, name):
    other = "ff" + NONCE[2:]
    assert "pss" in name or checkquote(tpm, name, nonce=other) != 0
    assert inspect(tpm, name, nonce=other)[0] == 1


@pytest.mark.parametrize("name", KEYS)
def test_another_key_does_not_hold(tpm, name):
    tpm.call("createprimary", "-Q", "-C", "e", "-G", KEYS[name][0], "-a", SIGNING, "-c", "other.ctx")
    tpm.call("readpublic", "-Q", "-c", "other.ctx", "-f", "pem", "-o", "other.pem")
    code, out, _ = inspect(tpm, name, files={"pub": tpm.folder / "other.pem"})
    assert code == 1
    assert json.loads(out)["signature"] == "bad"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("option", ["msg", "sig", "pcrs"])
def test_a_changed_byte_does_not_hold(tpm, name, option):
    good = (tpm.folder / f"{name}.{option}").read_bytes()
    # The last byte: part of the PCR digest, of the signature. Among the registers: where PCR 10's value begins.
    at = len(good) - 1 if option != "pcrs" else good.index(tpm.pcr10)
    changed = tpm.folder / f"changed.{option}"
    changed.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
    assert inspect(tpm, name, files={option: changed})[0] == 1


def test_registers_of_another_moment_do_not_hold(tpm):
    tpm.tool("pcrextend", "10:sha256=" + "09" * 32)
    name = "ecdsa-p256"
    tpm.quote("later", *KEYS[name], SELECTION)
    code, _, _ = inspect(tpm, name, files={"pcrs": tpm.folder / "later.pcrs"})
    assert code == 1
