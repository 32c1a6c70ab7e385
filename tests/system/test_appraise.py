# SPDX-License-Identifier: Apache-2.0
"""Appraisal of recorded boots, good ones and attacks. docs/attacks.md has the table that these tests show."""

import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from support import BIN, FIXTURES, ROOT, run

SCHEMA = ROOT / "docs" / "schema"


def schema(name):
    return json.loads((SCHEMA / f"{name}.schema.json").read_text())


def evidence(boot, key="ecc", **other):
    """Options that name the evidence of a recorded boot; `other` replaces or (None) removes some."""
    at = FIXTURES / boot
    ima = at / "ima.binary-at-quote-ecc"
    names = {
        "msg": at / f"quote-{key}.msg",
        "sig": at / f"quote-{key}.sig",
        "pub": at / f"ak-{key}.pem",
        "eventlog": at / "binary_bios_measurements",
        "ima": ima if ima.exists() else at / "ima.binary",
        "pcrs": at / f"quote-{key}.pcrs",
    }
    names.update(other)
    return [word for name, value in names.items() if value is not None for word in (f"--{name}", value)]


def nonce(boot):
    return (FIXTURES / boot / "nonce.hex").read_text().strip()


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    """Reference values captured from a good boot, made once."""
    made = {}

    def get(boot, *more):
        if (boot, more) not in made:
            code, out, err = run(["reference", "capture", "--name", boot, *more, *evidence(boot)])
            assert code == 0, err
            jsonschema.validate(json.loads(out), schema("reference-values"))
            path = tmp_path_factory.mktemp("reference") / f"{boot}.json"
            path.write_text(out)
            made[boot, more] = path
        return made[boot, more]

    return get


def appraise(reference, boot, *more, key="ecc", **other):
    paths = [reference] if not isinstance(reference, list) else reference
    options = [word for path in paths for word in ("--reference", path)]
    code, out, err = run(["appraise", "--json", *options, *more, *evidence(boot, key, **other)])
    assert code in (0, 1), err
    result = json.loads(out)
    jsonschema.validate(result, schema("appraise"))
    return code, result["submods"]


def status(submods):
    return {name: s["ear_status"] for name, s in submods.items()}


def reasons(submods, link="boot"):
    return [r for r in submods[link]["ear_verifier_claims"]["reasons"] if r["tier"] != "none"]


def ids(submods, link="boot"):
    return {r["reason"] for r in reasons(submods, link)}


GOOD = ["sbon-good", "sboff-good", "sboff-good-sha1sha256", "grub-sbms-good"]


@pytest.mark.parametrize("boot", GOOD)
@pytest.mark.parametrize("key", ["ecc", "rsa"])
def test_a_good_boot_is_affirming(reference, boot, key):
    ima = FIXTURES / boot / ("ima.binary-at-quote-ecc" if key == "ecc" else "ima.binary")
    code, s = appraise(reference(boot), boot, "--nonce", nonce(boot), key=key, ima=ima)
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s) + reasons(s, "os")
    events = s["boot"]["ear_attester_claims"]["events"]
    assert {e["explained"] for e in events} <= {"baseline", "rule", "not-extended"}


@pytest.mark.parametrize("form,note", [("pem", True), ("tpm2b_public", False)])
def test_a_key_without_its_public_area_is_noted(reference, form, note):
    files = [FIXTURES / "sbon-good" / f"ak-ecc.{form}" if str(w).endswith("ak-ecc.pem") else w for w in evidence("sbon-good")]
    code, out, err = run(["appraise", "--json", "--reference", reference("sbon-good"), *files])
    boot = json.loads(out)["submods"]["boot"]
    assert (code, boot["ear_status"]) == (0, "affirming"), err
    notes = {r["reason"]: r["tier"] for r in boot["ear_verifier_claims"]["reasons"]}
    assert notes.get("attestation-key-not-judged") == ("none" if note else None)


@pytest.mark.parametrize("boot", GOOD)
def test_the_same_without_register_values_and_with_the_ascii_list(reference, boot):
    code, s = appraise(reference(boot), boot, "--nonce", nonce(boot), pcrs=None, ima=FIXTURES / boot / "ima.ascii")
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s)


def test_another_tpm_other_banks_and_another_order_of_processes(reference):
    code, s = appraise(reference("sboff-good"), "sboff-good-sha1sha256")
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s) + reasons(s, "os")


def test_a_baseline_and_a_release_share_the_work(reference):
    firmware = reference("sbon-good", "--registers", "0-3,5-7")
    release = reference("sbon-good", "--kind", "release")
    code, s = appraise([firmware, release], "sbon-good")
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s)
    by = {e["explained"] for e in s["boot"]["ear_attester_claims"]["events"] if e["pcr"] in (4, 9, 11)}
    assert "release" in by
    code, s = appraise(firmware, "sbon-good")
    assert code == 1 and "event-unexplained" in ids(s)


def test_pinned_values_are_named_as_pinned(reference):
    firmware = reference("sbon-good", "--registers", "0-3,5-7")
    pinned = reference("sbon-good", "--kind", "pinned", "--registers", "4,9-11")
    code, s = appraise([firmware, pinned], "sbon-good")
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"})
    assert "pinned" in {e["explained"] for e in s["boot"]["ear_attester_claims"]["events"] if e["pcr"] == 11}


# --- attacks ---


def test_a_changed_kernel_command_line(reference):
    code, s = appraise(reference("sboff-good"), "sboff-tampered-cmdline")
    assert code == 1 and status(s)["boot"] == "contraindicated"
    unexplained = {r["pcr"] for r in reasons(s) if r["reason"] == "event-unexplained"}
    assert unexplained == {4, 9, 11}
    named = [r for r in reasons(s) if r["pcr"] == 11]
    assert named and all(r["expected"] and r["expected_from"] == "sboff-good" for r in named)


def test_an_attackers_key_in_db(reference):
    code, s = appraise(reference("sbon-good"), "sbon-attackerkey-tampered")
    assert code == 1 and status(s)["boot"] == "contraindicated"
    key = [r for r in reasons(s) if r["reason"] == "secure-boot-key"]
    assert len(key) == 1 and key[0]["pcr"] == 7 and key[0]["what"].startswith("db")
    assert key[0]["expected_what"] == "db: CN=iotgw db" and key[0]["expected_from"] == "sbon-good"
    assert len(key[0]["expected"]) == 64
    assert {r["pcr"] for r in reasons(s) if r["reason"] == "event-unexplained"} >= {4, 11}


def test_secure_boot_turned_off(reference):
    code, s = appraise(reference("sbon-good"), "sboff-good")
    assert code == 1 and "secure-boot-off" in ids(s)


def test_fallback_to_the_other_slot_is_a_warning(reference):
    code, s = appraise(reference("sbon-good"), "sbon-unsignedA-fallbackB")
    assert (code, status(s)["boot"]) == (0, "warning"), reasons(s)
    assert ids(s) == {"event-warning"}
    code, s = appraise(reference("sbon-good"), "sbon-unsignedA-fallbackB", "--strict")
    assert code == 1


def test_an_unknown_program_at_run_time(reference):
    code, s = appraise(reference("sbon-good"), "sbon-good-runtime-exec", ima=FIXTURES / "sbon-good-runtime-exec" / "ima.binary-at-quote-ecc")
    assert (code, status(s)) == (1, {"boot": "affirming", "os": "contraindicated"})
    assert "/root/dropper" in {r["what"] for r in reasons(s, "os")}


def test_a_stale_nonce(reference):
    code, s = appraise(reference("sbon-good"), "sbon-good", "--nonce", "00" * 32)
    assert code == 1 and ids(s) == {"nonce"}


def test_a_quote_signed_by_another_key(reference):
    code, s = appraise(reference("sbon-good"), "sbon-good", pub=FIXTURES / "sboff-good" / "ak-ecc.pem")
    assert code == 1 and ids(s) == {"signature"}
    assert s["boot"]["ear_trustworthiness_vector"]["instance-identity"] == 99


def test_the_log_of_another_boot(reference):
    code, s = appraise(reference("sbon-good"), "sbon-attackerkey-tampered",
                       eventlog=FIXTURES / "sbon-good" / "binary_bios_measurements")
    assert code == 1 and {r["pcr"] for r in reasons(s) if r["reason"] == "pcr-mismatch"} >= {4, 7, 9, 11}
    code, s = appraise(reference("sbon-good"), "sbon-attackerkey-tampered", pcrs=None,
                       eventlog=FIXTURES / "sbon-good" / "binary_bios_measurements")
    assert code == 1 and "log-mismatch" in ids(s)


def test_register_values_that_are_not_the_quoted_ones(reference):
    code, s = appraise(reference("sbon-good"), "sbon-good", pcrs=FIXTURES / "sboff-good" / "quote-ecc.pcrs")
    assert code == 1 and "pcr-values" in ids(s)


def test_a_tail_of_the_ima_list_that_came_after_the_quote(reference, tmp_path):
    whole = (FIXTURES / "sbon-good-runtime-exec" / "ima.binary").read_bytes()
    good = (FIXTURES / "sbon-good" / "ima.binary-at-quote-ecc").read_bytes()
    more = tmp_path / "ima"
    more.write_bytes(good + whole[-len(whole) // 4:][:0] + last_entry(whole))
    code, s = appraise(reference("sbon-good"), "sbon-good", ima=more)
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"})
    assert s["os"]["ear_attester_claims"]["after_quote"] == 1


def last_entry(ima):
    at, start = 0, 0
    while at < len(ima):
        start = at
        name = int.from_bytes(ima[at + 24:at + 28], "little")
        size = int.from_bytes(ima[at + 28 + name:at + 32 + name], "little")
        at += 32 + name + size
    return ima[start:]


def test_an_ima_list_with_an_entry_left_out(reference, tmp_path):
    good = (FIXTURES / "sbon-good" / "ima.binary-at-quote-ecc").read_bytes()
    short = tmp_path / "ima"
    short.write_bytes(good[:-len(last_entry(good))])
    code, s = appraise(reference("sbon-good"), "sbon-good", ima=short)
    assert code == 1 and [r["pcr"] for r in reasons(s)] == [10]
    code, s = appraise(reference("sbon-good"), "sbon-good", ima=None)
    assert code == 1 and status(s)["os"] == "contraindicated"


def test_counters_that_go_back(reference, tmp_path):
    _, out, _ = run(["appraise", "--json", "--reference", reference("sbon-good"), *evidence("sbon-good")])
    last = tmp_path / "last.json"
    last.write_text(out)
    assert appraise(reference("sbon-good"), "sbon-good", "--last", last)[0] == 0
    for field, step, reason in (("reset_count", 1, "counter-back"), ("clock", 1, "counter-back"), ("firmware_version", 1, "tpm-firmware")):
        later = json.loads(out)
        claims = later["submods"]["boot"]["ear_attester_claims"]
        claims[field] = claims[field] + step if field != "firmware_version" else f"{int(claims[field], 16) + step:016x}"
        last.write_text(json.dumps(later))
        code, s = appraise(reference("sbon-good"), "sbon-good", "--last", last)
        assert code == 1 and ids(s) == {reason}, field
    # Over a reset it is a warning: software TPMs do so after a loss of power.
    later = json.loads(out)
    claims = later["submods"]["boot"]["ear_attester_claims"]
    claims["clock"], claims["reset_count"] = claims["clock"] + 1, claims["reset_count"] - 1
    last.write_text(json.dumps(later))
    code, s = appraise(reference("sbon-good"), "sbon-good", "--last", last)
    assert ids(s) == {"clock-back"} and status(s)["boot"] == "warning"


def edited(reference, tmp_path, change):
    doc = json.loads(Path(reference).read_text())
    change(doc)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(doc))
    return path


def test_a_required_dbx_entry_that_the_device_lacks(reference, tmp_path):
    def change(doc):
        doc["secure_boot"]["dbx"].append({"type": "sha256", "sha256": "ab" * 32})

    code, s = appraise(edited(reference("grub-sbms-good"), tmp_path, change), "grub-sbms-good")
    assert code == 1 and ids(s) == {"dbx-too-old"}
    assert reasons(s)[0]["expected"] == "ab" * 32


def test_a_register_that_the_quote_leaves_out(reference, tmp_path):
    code, s = appraise(edited(reference("sbon-good"), tmp_path, lambda doc: doc["pcrs"].append(23)), "sbon-good")
    assert code == 1 and [(r["reason"], r["pcr"]) for r in reasons(s)] == [("pcr-not-quoted", 23)]


def test_a_required_event_that_is_missing(reference, tmp_path):
    def change(doc):
        doc["events"].append({"pcr": 0, "type": 8, "digests": {"sha256": "cd" * 32}, "required": True, "what": "a newer firmware"})

    code, s = appraise(edited(reference("sbon-good"), tmp_path, change), "sbon-good")
    assert code == 1 and ids(s) == {"event-missing"} and reasons(s)[0]["expected_what"] == "a newer firmware"


def test_two_firmware_versions_are_alternatives(reference, tmp_path):
    """Each baseline requires its own S-CRTM; a device has one of them."""
    def older(doc):
        doc["name"] = "older"
        for e in doc["events"]:
            if e["required"]:
                e["digests"] = {"sha256": "cd" * 32}

    old = edited(reference("sbon-good"), tmp_path, older)
    code, s = appraise([old, reference("sbon-good")], "sbon-good")
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s)
    code, s = appraise(old, "sbon-good")
    assert code == 1 and "event-missing" in ids(s)


def test_an_event_that_nobody_endorsed_is_named(reference, tmp_path):
    def change(doc):
        doc["events"] = [e for e in doc["events"] if not (e["pcr"] == 4 and e["type"] == 0x80000003)]

    code, s = appraise(edited(reference("sbon-good"), tmp_path, change), "sbon-good")
    assert code == 1 and ids(s) == {"event-unexplained"}
    r = reasons(s)[0]
    assert r["pcr"] == 4 and r["type_name"] == "EV_EFI_BOOT_SERVICES_APPLICATION" and "BOOTX64.EFI" in r["what"].upper() or ".EFI" in r["what"].upper()


# --- reference values as input ---

BAD_REFERENCES = {
    "not json": ("{", 1),
    "another format": ('{"format": "other/1"}', 3),
    "unknown key": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[],"extra":1}', 1),
    "key twice": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","name":"y","pcrs":[]}', 1),
    "no register": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[]}', 1),
    "no name": ('{"format":"chainhold-reference/1","kind":"baseline","pcrs":[]}', 1),
    "pcr 24": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[24]}', 1),
    "short digest": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[],"events":[{"pcr":0,"type":1,"digests":{"sha256":"00"}}]}', 1),
    "unknown rule": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[],"rules":[{"rule":"anything"}]}', 1),
    "rule without patterns": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[],"rules":[{"rule":"text","pcr":4,"type":5}]}', 1),
    "tier that holds too much": ('{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[],"rules":[{"rule":"gpt","tier":"none","partitions":[]}]}', 1),
}


@pytest.mark.parametrize("name", BAD_REFERENCES)
def test_bad_reference_values_are_refused_with_line_and_column(tmp_path, name):
    text, want = BAD_REFERENCES[name]
    path = tmp_path / "bad.json"
    path.write_text(text)
    code, out, err = run(["appraise", "--reference", path, *evidence("sbon-good")])
    assert (code, out) == (want, "") and f"{path}:1:" in err and ": byte " in err, err


def test_a_boot_that_does_not_hold_is_no_reference():
    code, out, err = run(["reference", "capture", "--name", "x", *evidence("sbon-good", sig=FIXTURES / "sboff-good" / "quote-ecc.sig")])
    assert (code, out) == (1, "") and "cannot be a reference" in err


def test_diff_says_what_changed(reference):
    same = run(["reference", "diff", "--json", reference("sbon-good"), reference("sbon-good")])
    assert same[0] == 0 and json.loads(same[1]) == {"changes": [], "same": True}
    tampered = reference("sboff-tampered-cmdline")
    code, out, _ = run(["reference", "diff", "--json", reference("sboff-good"), tampered])
    changes = json.loads(out)
    jsonschema.validate(changes, schema("reference-diff"))
    assert code == 1 and {c["pcr"] for c in changes["changes"] if c["area"] == "event"} == {4, 9, 11}
    code, out, _ = run(["reference", "diff", reference("sbon-good"), reference("sbon-attackerkey-tampered")])
    assert code == 1 and "db:" in out
    code, out, _ = run(["reference", "diff", reference("sbon-good"), reference("class-unit1")])
    assert code == 1 and r" \EFI\BOOT\BOOTX64.EFI on " in out  # as the boot has it, not escaped twice


def test_diff_of_logs_says_what_it_takes():
    log = FIXTURES / "sbon-good" / "binary_bios_measurements"
    code, out, err = run(["reference", "diff", log, log])
    assert (code, out) == (1, "") and "byte 0" in err and "reference capture" in err


def test_reference_values_have_a_name():
    code, out, err = run(["reference", "capture", "--name", "", *evidence("sbon-good")])
    assert (code, out) == (2, "") and "--name" in err


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["inspect", "quote", "--help"]])
def test_help_that_cannot_be_written_is_told(args):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(BIN), *args], stdout=full, stderr=subprocess.PIPE, timeout=10, check=False)
    assert done.returncode == 4 and b"standard output" in done.stderr


# --- the command line ---


def test_usage_errors():
    assert run(["appraise"])[0] == 2
    assert run(["appraise", "--reference"])[0] == 2
    assert run(["appraise", "--reference", "x", "--wrong"])[0] == 2
    assert run(["appraise", "--reference", "/nonexistent", *evidence("sbon-good")])[0] == 4
    assert run(["appraise", "--help"])[0] == 0


def test_the_page_names_the_event(reference):
    code, out, _ = run(["appraise", "--reference", reference("sboff-good"), *evidence("sboff-tampered-cmdline")])
    assert code == 1 and "nobody endorsed this event" in out and "PCR 11" in out and "\033" not in out


# --- every single step of change ---

# 8: one bit of each byte; 1: every bit.
STRIDE = os.environ.get("CHAINHOLD_MUTATION_STRIDE", "8")

BAD = [("sboff-good", "sboff-tampered-cmdline"), ("sbon-good", "sbon-attackerkey-tampered"), ("sbon-good", "sboff-good"),
       ("sbon-good", "sbon-good-runtime-exec"), ("class-unit1-dbx", "class-unit1"), ("class-unit1", "class-unit1-slotb")]
OTHER_GOOD = [("sbon-good", "sbon-unsignedA-fallbackB"), ("class-unit1", "class-unit1"), ("class-unit1", "class-unit2"),
              ("class-unit1", "class-unit1-dbx"), ("class-unit1-trial", "class-unit1-trial"),
              ("class-unit1-slotb", "class-unit1-slotb"), ("class-unit1-systemd", "class-unit1-systemd")]


@pytest.mark.parametrize("reference_boot,boot", [(b, b) for b in GOOD] + OTHER_GOOD + BAD)
def test_no_flip_cut_or_appended_byte_goes_unnoticed(reference, reference_boot, boot):
    at = FIXTURES / boot
    kind = "bad" if (reference_boot, boot) in BAD else "good"
    done = subprocess.run([ROOT / "build" / "tests" / "mutate_driver", kind, STRIDE, reference(reference_boot), at / "quote-ecc.msg", at / "quote-ecc.sig",
                           at / "ak-ecc.pem", at / "binary_bios_measurements", at / "ima.binary-at-quote-ecc", nonce(boot)],
                          capture_output=True, text=True, check=False)
    rows = re.findall(r"(\d+) flips, (\d+) cuts, (\d+) appended: (\d+) changed the verdict, (\d+) unauthenticated, (\d+) wrong", done.stdout)
    flips, cuts, appended, changed, unauthenticated, wrong = (sum(map(int, column)) for column in zip(*rows))
    print(f"mutation, {boot} ({kind}): {flips} flips, {cuts} cuts, {appended} appended: {changed} changed the verdict or are bad still, "
          f"{unauthenticated} unauthenticated, {wrong} wrong")
    assert done.returncode == 0 and len(rows) == 4, done.stdout
