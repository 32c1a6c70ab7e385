# SPDX-License-Identifier: Apache-2.0
"""Devices of one class differ, and stay explained: other disks, boot orders, processes, slots, releases, revocation lists."""

import json

import pytest

from test_appraise import appraise, evidence, ids, nonce, reasons, reference, run, status  # noqa: F401 (a fixture among them)

AFFIRMING = {"boot": "affirming", "os": "affirming"}


def explained(submods):
    return {e["explained"] for e in submods["boot"]["ear_attester_claims"]["events"]}


@pytest.fixture
def firmware(reference):
    return reference("class-unit1", "--registers", "0-3,5-7")


@pytest.fixture
def release_1(reference):
    return reference("class-unit1", "--kind", "release")


@pytest.fixture
def release_2(reference):
    return reference("class-unit1-slotb", "--kind", "release")


def test_two_units_of_one_class_are_both_affirming(reference):
    """Another disk GUID, partition GUIDs, MAC address, SMBIOS serial, TPM; another BootOrder; processes in another order."""
    for boot in ("class-unit1", "class-unit2"):
        code, s = appraise(reference("class-unit1"), boot, "--nonce", nonce(boot))
        assert (code, status(s)) == (0, AFFIRMING), reasons(s) + reasons(s, "os")
        assert explained(s) <= {"baseline", "rule", "not-extended"}
    one, two = (appraise(reference("class-unit1"), boot)[1]["boot"]["ear_attester_claims"]["banks"]["sha256"]
                for boot in ("class-unit1", "class-unit2"))
    assert {pcr for pcr in one if one[pcr] != two[pcr]} == {"1", "5", "10"}


def test_it_takes_the_rules_to_explain_the_second_unit(reference, tmp_path):

    doc = json.loads(reference("class-unit1").read_text())
    doc["rules"] = [r for r in doc["rules"] if r["rule"] != "gpt"]
    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps(doc))
    code, s = appraise(strict, "class-unit2")
    assert code == 1 and {r["type_name"] for r in reasons(s)} == {"EV_EFI_GPT_EVENT"}


@pytest.mark.parametrize("boot", ["class-unit1-trial", "class-unit1-slotb"])
def test_an_update_by_rauc_stays_explained(firmware, release_1, release_2, boot):
    """The trial boot out of BootNext before mark-good, and the boot with the new slot first."""
    code, s = appraise([firmware, release_1, release_2], boot, "--nonce", nonce(boot))
    assert (code, status(s)) == (0, AFFIRMING), reasons(s) + reasons(s, "os")
    by = {e["by"] for e in s["boot"]["ear_attester_claims"]["events"] if e["explained"] == "release"}
    assert "class-unit1-slotb" in by


@pytest.mark.parametrize("boot", ["class-unit1-trial", "class-unit1-slotb"])
def test_a_release_that_nobody_allowed_is_not(firmware, release_1, boot):
    code, s = appraise([firmware, release_1], boot)
    assert code == 1 and {r["pcr"] for r in reasons(s) if r["reason"] == "event-unexplained"} == {4, 9, 11}


def test_a_longer_dbx_is_fine_and_a_shorter_one_is_not(reference):
    code, s = appraise(reference("class-unit1"), "class-unit1-dbx")
    assert (code, status(s)) == (0, AFFIRMING), reasons(s)
    code, s = appraise(reference("class-unit1-dbx"), "class-unit1")
    assert code == 1 and ids(s) == {"dbx-too-old"}


WORDS = ["enter-initrd", "leave-initrd", "sysinit", "ready"]


def test_the_phases_of_systemd_are_a_pseudo_log(reference):
    code, s = appraise(reference("class-unit1-systemd"), "class-unit1-systemd", "--nonce", nonce("class-unit1-systemd"))
    assert (code, status(s)) == (0, AFFIRMING), reasons(s)
    assert [(p["pcr"], p["word"]) for p in s["boot"]["ear_attester_claims"]["pseudo_log"]] == [(11, w) for w in WORDS]
    code, s = appraise(reference("class-unit1-systemd"), "class-unit1-systemd", pcrs=None)
    assert (code, status(s)) == (0, AFFIRMING)


def test_without_the_rule_the_phases_are_a_mismatch(reference):
    code, s = appraise(reference("class-unit1"), "class-unit1-systemd")
    assert code == 1 and {r["pcr"] for r in reasons(s) if r["reason"] == "pcr-mismatch"} == {11}


def test_diff_of_two_releases_names_what_changed(release_1, release_2):
    code, out, _ = run(["reference", "diff", release_1, release_2])
    assert code == 1 and ".initrd" in out and "PCR 11" in out


@pytest.mark.parametrize("boot", ["class-unit1", "class-unit2", "class-unit1-dbx", "class-unit1-trial", "class-unit1-slotb"])
def test_inspect_quote_says_that_the_logs_explain(boot):
    code, out, err = run(["inspect", "quote", "--json", "--nonce", nonce(boot), *evidence(boot)])
    assert code == 0 and '"log": "explains"' in out, err


def test_inspect_quote_knows_no_phases_and_names_the_register():
    code, out, _ = run(["inspect", "quote", "--json", *evidence("class-unit1-systemd")])
    answer = json.loads(out)
    assert code == 1 and answer["log"] == "mismatch" and answer["mismatching_pcrs"] == {"sha256": [11]}
