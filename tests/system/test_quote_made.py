# SPDX-License-Identifier: Apache-2.0
"""Quotes made here with a throw-away key, for what no recorded machine does: old kernels, banks without a log, missing resets."""

import hashlib
import shutil
import struct
import subprocess

import pytest
import support
from quote_support import ALG, inspect, values_form

BOOT = support.FIXTURES / "sbon-good"
LOG = BOOT / "binary_bios_measurements"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    folder = tmp_path_factory.mktemp("key")
    run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "key.pem")
    run("pkey", "-in", folder / "key.pem", "-pubout", "-out", folder / "pub.pem")
    return folder


def run(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=30)


def integers(der):
    """r and s of an Ecdsa-Sig-Value."""
    r_size = der[3]
    r, rest = der[4:4 + r_size], der[4 + r_size:]
    return [v.lstrip(b"\0") for v in (r, rest[2:2 + rest[1]])]


def make(key, folder, select, pcrs):
    """A quote of `pcrs` by the key: options for inspect."""
    attest = b"\xffTCG\x80\x18" + struct.pack(">H4sH5s", 4, b"name", 5, b"nonce") + struct.pack(">QIIBQ", 1, 2, 3, 1, 4)
    attest += struct.pack(">I", len(select))
    for bank, numbers in select:
        attest += struct.pack(">HB", ALG[bank], 3) + sum(1 << n for n in numbers).to_bytes(3, "little")
    attest += struct.pack(">H", 32) + hashlib.sha256(values_form(select, pcrs)).digest()
    (folder / "msg").write_bytes(attest)
    run("dgst", "-sha256", "-sign", key / "key.pem", "-out", folder / "der", folder / "msg")
    sig = struct.pack(">HH", 0x18, 0x0B)
    for v in integers((folder / "der").read_bytes()):
        sig += struct.pack(">H", len(v)) + v
    (folder / "sig").write_bytes(sig)
    (folder / "pcrs").write_bytes(values_form(select, pcrs))
    return {"msg": folder / "msg", "sig": folder / "sig", "pub": key / "pub.pem"}, folder / "pcrs"


def replayed(count):
    """SHA-256 PCR 10 after `count` entries of the recorded list on a kernel before 5.8: the SHA-1 is padded with zeros."""
    value = bytes(32)
    for line in (BOOT / "ima.ascii").read_text().splitlines()[:count]:
        digest = bytes.fromhex(line.split()[1])
        value = hashlib.sha256(value + digest.ljust(32, b"\0")).digest()
    return {"sha256": {"10": value.hex()}}


@pytest.mark.parametrize("with_values", [False, True])
@pytest.mark.parametrize("count", [1, 7, None])
def test_a_kernel_before_5_8(key, tmp_path, count, with_values):
    total = len((BOOT / "ima.ascii").read_text().splitlines())
    count = count or total
    quote, pcrs = make(key, tmp_path, [["sha256", [10]]], replayed(count))
    for ima in ("ima.binary", "ima.ascii"):
        code, answer, err = inspect(**quote, ima=BOOT / ima, pcrs=pcrs if with_values else None)
        assert code == 0, (err, answer)
        assert answer["ima"] == {
            "entries": total, "at_quote": count, "after_quote": total - count, "violations": 0, "extend": "padded"
        }


@pytest.mark.parametrize("with_values", [False, True])
def test_a_register_that_should_have_been_extended(key, tmp_path, with_values):
    quote, pcrs = make(key, tmp_path, [["sha256", [10]]], replayed(0))
    given = pcrs if with_values else None
    code, answer, _ = inspect(**quote, ima=BOOT / "ima.binary", pcrs=given)
    assert (code, answer["log"], answer["ima"]["at_quote"]) == (1, "mismatch", None)
    code, answer, _ = inspect(**quote, ima="/dev/null", pcrs=given)
    assert (code, answer["log"], answer["ima"]["entries"]) == (0, "explains", 0)


@pytest.mark.parametrize("with_values", [False, True])
def test_reset_values_are_explained_where_nothing_extended(key, tmp_path, with_values):
    values = {"sha256": {str(n): ("ff" if 17 <= n <= 22 else "00") * 32 for n in range(24)}}
    select = [["sha256", [8, 15, 16, 17, 22, 23]]]
    quote, pcrs = make(key, tmp_path, select, values)
    code, answer, err = inspect(**quote, eventlog=LOG, pcrs=pcrs if with_values else None)
    assert (code, answer["log"]) == (0, "explains"), err
    values["sha256"]["23"] = "01" * 32
    quote, pcrs = make(key, tmp_path, select, values)
    code, answer, _ = inspect(**quote, eventlog=LOG, pcrs=pcrs if with_values else None)
    assert (code, answer["mismatching_pcrs"]) == (1, {"sha256": [23]} if with_values else {})


@pytest.mark.parametrize("with_values", [False, True])
def test_a_bank_without_a_log_is_not_explained(key, tmp_path, with_values):
    """PCR 0 of a bank that the log does not have is not explained by its reset value: the log extended PCR 0 elsewhere."""
    folder = support.FIXTURES / "sbon-good"
    select = [["sha512", [0, 16]]]
    values = {"sha512": {"0": "00" * 64, "16": "00" * 64}}
    quote, pcrs = make(key, tmp_path, select, values)
    _, log, _ = support.run(["inspect", "eventlog", "--json", folder / "binary_bios_measurements"])
    if '"sha512"' in log:
        pytest.skip("the recorded log has this bank")
    code, answer, _ = inspect(**quote, eventlog=LOG, pcrs=pcrs if with_values else None)
    assert (code, answer["log"]) == (1, "mismatch")
    assert answer["mismatching_pcrs"] == ({"sha512": [0]} if with_values else {})


def test_a_list_whose_register_was_not_quoted(key, tmp_path):
    quote, pcrs = make(key, tmp_path, [["sha256", [16]]], {"sha256": {"16": "00" * 32}})
    code, answer, _ = inspect(**quote, ima=BOOT / "ima.binary", pcrs=pcrs)
    assert (code, answer["log"], answer["ima"]["at_quote"]) == (0, "explains", None)
