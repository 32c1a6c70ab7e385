# SPDX-License-Identifier: Apache-2.0
"""What events say: facts that the expectations of the public vectors name, and upstream's own reading of the same logs."""

import json
import re
import subprocess
from collections import Counter

from support import FIXTURES, corpus, run

TOPIC = "tcg-eventlog"
APPLICATION = "EV_EFI_BOOT_SERVICES_APPLICATION"
LINE_MAX = 1024
# What would move or hide something on a terminal.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def inspect(path):
    code, out, err = run(["inspect", "eventlog", "--json", path])
    return (json.loads(out) if code == 0 else None), code, err


def escaped(text):
    """As text from outside is shown."""
    return text.rstrip("\0").replace("\\", "\\\\")


def check_command_line(doc, want):
    """GRUB's kernel command line is the text of an event, cut where a line is full."""
    line = f"kernel command line: {escaped(want)}".encode()
    full = line if len(line) <= LINE_MAX else line[: LINE_MAX - 3] + "…".encode()
    if full.decode() not in [e["what"] for e in doc["events"]]:
        yield f"no event says {full.decode()!r}"


def check_applications(doc, want):
    """The images in PCR 4, by digest, in order; each is said to be something."""
    images = [e for e in doc["events"] if e["type_name"] == APPLICATION and e["pcr"] == 4]
    for bank, digests in want.items():
        if [e["digests"].get(bank) for e in images] != digests:
            yield f"applications in bank {bank} are {[e['digests'].get(bank) for e in images]}"
    yield from (f"event {e['n']} says nothing" for e in images if not e["what"].strip())


def check_secure_boot(doc, want):
    """The line of the first SecureBoot event shows the log's bytes; the verdict believes them only where they are measured."""
    value = want["SecureBoot_variable_hex"]
    line = {"01": "SecureBoot = on", "00": "SecureBoot = off", "": "SecureBoot = no data"}.get(value)
    found = [e["what"] for e in doc["events"] if e["what"].startswith("SecureBoot = ")]
    if value is None and found:
        yield f"a SecureBoot event where there is none: {found}"
    if line is not None and found[:1] != [line]:
        yield f"the first SecureBoot event says {found[:1]}, not {line!r}"
    if doc["secure_boot"] != want["secure_boot"]:
        yield f"secure_boot is {doc['secure_boot']}"


def check_listing(doc, path):
    """tpm2_eventlog's upstream output of the same log: names of variables, in order."""
    listing = path.with_name(path.name + ".yaml")
    if not listing.exists():
        return
    want = re.findall(r"^ +UnicodeName: (.*)$", listing.read_text(), re.M)
    variables = [e["what"] for e in doc["events"] if (e["type_name"] or "").startswith("EV_EFI_VARIABLE")]
    got = [re.split(r" = |: | allows |-[0-9a-f]{8}-", what)[0] for what in variables]
    if got != want:
        yield f"variables {got}, tpm2_eventlog has {want}"


CHECKS = {
    "linux_kernel_cmdline_grub": check_command_line,
    "efi_app_digests_in_order": check_applications,
}


def judge(path, want):
    doc, code, _ = inspect(path)
    if doc is None:
        return None if code == 3 else []  # refusals are the business of test_eventlog
    bad = []
    for key, check in CHECKS.items():
        if key in want:
            bad += check(doc, want[key])
    if "SecureBoot_variable_hex" in want:
        bad += check_secure_boot(doc, want)
    bad += check_listing(doc, path)
    for e in doc["events"]:
        if not e["what"] or CONTROL.search(e["what"]) or len(e["what"].encode()) > LINE_MAX:
            bad.append(f"event {e['n']}: no clean line: {e['what']!r}")
    return bad


def test_public_vectors():
    folder = corpus(TOPIC)
    counts, failures = Counter(), []
    for file, want in sorted(json.loads((folder / "expected.json").read_text()).items()):
        bad = judge(folder / file, want)
        counts["out of scope" if bad is None else "fail" if bad else "pass"] += 1
        failures += [f"{file}: {b}" for b in bad or []]
    print(f"{TOPIC}, content: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n" + "\n".join(failures)


def test_a_lie_about_secure_boot_is_not_believed():
    folder = corpus(TOPIC)
    for file, want in json.loads((folder / "expected.json").read_text()).items():
        if "secureboot-data-lie" not in file:
            continue
        doc, _, _ = inspect(folder / file)
        assert doc["secure_boot"] is None, file
        assert any("does not cover" in w for w in doc["warnings"]), file


def test_banks_of_genuine_logs_do_not_contradict_each_other():
    folder = corpus(TOPIC)
    for path in sorted(folder.glob("*.bin")):
        doc, _, _ = inspect(path)
        if doc is not None and not path.name.startswith("derived-"):
            assert not [w for w in doc["warnings"] if "the digest of one bank covers" in w], path.name


def test_content_of_our_captures_decodes():
    for path in sorted(FIXTURES.glob("*/binary_bios_measurements")):
        doc, _, err = inspect(path)
        assert doc is not None, err
        # a flaw in the content of an event is told with the clause of its format
        assert not [w for w in doc["warnings"] if re.search(r"\((PFP|UEFI) ", w)], path
        assert not [w for w in doc["warnings"] if "does not cover" in w], path


def test_partitions_are_those_of_sfdisk():
    """The page of the GPT event names the slots that were written when the recorded device was made."""
    doc, _, _ = inspect(FIXTURES / "sbon-good/binary_bios_measurements")
    table = next(e["what"] for e in doc["events"] if e["type_name"] == "EV_EFI_GPT_EVENT")
    assert [part.split(" ")[0] for part in table.split(": ", 1)[1].split(", ")] == ["slotA", "slotB", "data"]


def test_boot_options_are_those_of_efibootmgr():
    """What firmware measured against what efibootmgr read on the running device."""
    for folder in sorted(p.parent for p in FIXTURES.glob("*/efibootmgr.txt")):
        doc, _, _ = inspect(folder / "binary_bios_measurements")
        measured = {e["what"][:8]: e["what"].split('"')[1] for e in doc["events"] if re.match(r'Boot[0-9A-F]{4} = "', e["what"])}
        listed = dict(re.findall(r"^(Boot[0-9A-F]{4})\*? +([^\t\n]*)", (folder / "efibootmgr.txt").read_text(), re.M))
        assert measured, folder
        for name, description in measured.items():
            if name in listed:
                assert listed[name].strip().startswith(description.strip()), (folder, name, description, listed[name])


def test_certificates_are_named_as_openssl_names_them(tmp_path):
    """Subjects of db in the log against openssl's of the same variable, read from the device."""
    der = (FIXTURES / "sbon-good/efivar-db-d719b2cb-3d3a-4596-a3bc-dad00e67656f").read_bytes()[4 + 28 + 16:]
    file = tmp_path / "db.der"
    file.write_bytes(der)
    done = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", file, "-noout", "-subject", "-nameopt", "RFC2253"],
                          capture_output=True, text=True, check=True)
    doc, _, _ = inspect(FIXTURES / "sbon-good/binary_bios_measurements")
    db = next(e["what"] for e in doc["events"] if e["what"].startswith("db: "))
    name = re.search(r"CN=[^,\n]*", done.stdout)[0]
    assert name in db, (name, db)
