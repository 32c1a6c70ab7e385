# SPDX-License-Identifier: Apache-2.0
"""U-Boot logs the SMBIOS table itself: units of a class differ in it and stay explained, other hardware does not."""

import json

import pytest

import live_tpm
from live_tpm import Log, Record, boot
from support import FIXTURES, run

UBOOT = (FIXTURES / "uboot-arm64-good" / "binary_bios_measurements").read_bytes()
TABLES2 = 0x8000000B
SYSTEM = b"\x01\x1b"  # an SMBIOS structure of type 1 (System Information) and of 27 bytes: the UUID is at 8


@pytest.fixture
def tpm(tmp_path):
    live_tpm.needed()
    (tmp_path / "tpm").mkdir()
    one = live_tpm.Tpm(tmp_path / "tpm")
    yield one
    one.stop()


def changed(change):
    """The recorded log with another SMBIOS table, measured as U-Boot measures it."""
    log = Log(UBOOT)
    at = log.records.index(log.find(1, TABLES2))
    log.records[at] = Record.of(1, TABLES2, change(log.records[at].data))
    return log


def other_uuid(data):
    at = data.index(SYSTEM) + 8
    return data[:at] + bytes(range(16)) + data[at + 16:]


def other_bios(data):
    assert b"U-Boot" in data
    return data.replace(b"U-Boot", b"V-Boot")


@pytest.mark.parametrize("change,holds", [(lambda d: d, True), (other_uuid, True), (other_bios, False)])
def test_a_table_of_the_same_class(tpm, tmp_path, change, holds):
    good = boot(tpm, Log(UBOOT)).capture(name="good")
    rules = [r for r in json.loads(good.read_text())["rules"] if r["rule"] == "smbios"]
    assert len(rules) == 1 and "bios-vendor=U-Boot" in rules[0]["match"]
    tpm.reset()
    code, out, err = run(["appraise", "--json", "--reference", good, *boot(tpm, changed(change)).options()])
    reasons = {r["reason"] for r in json.loads(out)["submods"]["boot"]["ear_verifier_claims"]["reasons"] if r["tier"] != "none"}
    assert (code, reasons) == ((0, set()) if holds else (1, {"event-unexplained"})), err
