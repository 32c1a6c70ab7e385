# SPDX-License-Identifier: Apache-2.0
"""Appraisal of live quotes: recorded logs, and logs that attackers made of them, are measured into swtpm, which quotes."""

import copy
import hashlib
import json

import jsonschema
import pytest

import live_tpm
from live_tpm import ALL, KEYS, NO_ACTION, NONCE, UNRESTRICTED, Log, Record, boot, ima_entries, ima_entry, ima_ng, ima_steps, quote
from support import FIXTURES, ROOT, run

SCHEMA = json.loads((ROOT / "docs" / "schema" / "appraise.schema.json").read_text())
COREBOOT = (FIXTURES / "coreboot-good" / "cbmem-tpm2-tcglog.bin").read_bytes()
COREBOOT_IMA = (FIXTURES / "coreboot-good" / "ima.binary").read_bytes()
UBOOT = (FIXTURES / "uboot-arm64-good" / "binary_bios_measurements").read_bytes()
SBON = (FIXTURES / "sbon-good" / "binary_bios_measurements").read_bytes()
SBON_IMA = (FIXTURES / "sbon-good" / "ima.binary-at-quote-ecc").read_bytes()
SBOFF = (FIXTURES / "sboff-good" / "binary_bios_measurements").read_bytes()
GRUB = (FIXTURES / "grub-sbms-good" / "binary_bios_measurements").read_bytes()
TWO_BANKS = (FIXTURES / "sboff-good-sha1sha256" / "binary_bios_measurements").read_bytes()
SEPARATOR, APPLICATION, CONFIG = 4, 0x80000003, 0x80000001
WORDS = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"]


@pytest.fixture
def tpms(tmp_path):
    """Makes fresh TPMs, and stops them after the test."""
    live_tpm.needed()
    made = []

    def new():
        folder = tmp_path / f"tpm{len(made)}"
        folder.mkdir()
        made.append(live_tpm.Tpm(folder))
        return made[-1]

    yield new
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Reference values captured from a log that was measured into a TPM and quoted, made once."""
    live_tpm.needed()
    made = {}

    def get(log, ima=b"", words=(), selection=f"sha256:{ALL}"):
        if (log, ima, words, selection) not in made:
            tpm = live_tpm.Tpm(tmp_path_factory.mktemp("tpm"))
            try:
                made[log, ima, words, selection] = boot(tpm, log, ima, words, selection=selection).capture(name="good")
            finally:
                tpm.stop()
        return made[log, ima, words, selection]

    return get


def appraise(reference, one, *more, nonce=NONCE, **other):
    code, out, err = run(["appraise", "--json", "--reference", reference, "--nonce", nonce, *more, *one.options(**other)])
    assert code in (0, 1) and out, err
    result = json.loads(out)
    jsonschema.validate(result, SCHEMA)
    return code, result["submods"]


def status(submods):
    return {name: s["ear_status"] for name, s in submods.items()}


def reasons(submods, link="boot"):
    return [r for r in submods[link]["ear_verifier_claims"]["reasons"] if r["tier"] != "none"]


def ids(submods, link="boot"):
    return {r["reason"] for r in reasons(submods, link)}


def places(submods):
    return {(r["reason"], r["pcr"]) for r in reasons(submods)}


def refused(one, **other):
    """The evidence does not parse: exit 1 with a message and no verdict."""
    empty = one.write("empty.json", b'{"format":"chainhold-reference/1","kind":"baseline","name":"x","pcrs":[0]}')
    code, out, err = run(["appraise", "--reference", empty, *one.options(**other)])
    assert (code, out) == (1, "")
    return err


def changed(raw, find, **fields):
    """A log in which one event is another, and its number."""
    log = Log(raw)
    record = find(log)
    for name, value in fields.items():
        setattr(record, name, value)
    return log, log.records.index(record) + 1


# --- boots of every kind of firmware ---


@pytest.mark.parametrize("values", [True, False])
def test_a_coreboot_boot(tpms, reference, values):
    one = boot(tpms(), COREBOOT, COREBOOT_IMA)
    assert not any(COREBOOT[-1000:])  # the zeros after the last event stay
    code, s = appraise(reference(COREBOOT, COREBOOT_IMA), one, **({} if values else {"pcrs": None}))
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s) + reasons(s, "os")


def test_coreboot_padding_that_is_not_zero_is_refused(tpms):
    one = boot(tpms(), COREBOOT, COREBOOT_IMA)
    assert "byte" in refused(one, eventlog=one.write("log", COREBOOT[:-1] + b"\1"))


def test_another_payload_of_coreboot_is_named(tpms, reference):
    log, number = changed(COREBOOT, lambda log: log.find(2, text=b"payload"), digests={0x000B: b"\x66" * 32})
    code, s = appraise(reference(COREBOOT, COREBOOT_IMA), boot(tpms(), log, COREBOOT_IMA))
    assert (code, status(s)["boot"]) == (1, "contraindicated")
    (r,) = reasons(s)
    assert (r["reason"], r["event"], r["pcr"]) == ("event-unexplained", number, 2) and "fallback/payload" in r["what"]
    assert r["measured"] == "66" * 32 and r["expected"] == Log(COREBOOT).find(2, text=b"payload").digests[0x000B].hex()
    # The list starts with the aggregate of the good boot's registers, and PCR 2 is another now.
    assert ids(s, "os") == {"boot-aggregate"}


def test_a_u_boot_boot(tpms, reference):
    code, s = appraise(reference(UBOOT), boot(tpms(), UBOOT))
    assert (code, status(s)) == (0, {"boot": "affirming"}), reasons(s)


def test_another_kernel_started_by_u_boot_is_named(tpms, reference):
    log, number = changed(UBOOT, lambda log: log.find(4, APPLICATION), digests={0x000B: b"\x66" * 32})
    code, s = appraise(reference(UBOOT), boot(tpms(), log))
    assert (code, status(s)["boot"]) == (1, "contraindicated")
    assert [(r["reason"], r["event"], r["pcr"]) for r in reasons(s)] == [("event-unexplained", number, 4)]


@pytest.mark.parametrize("public", ["pem", "pub"])
@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_attestation_key(tpms, reference, key, public):
    code, s = appraise(reference(SBON, SBON_IMA), boot(tpms(), SBON, SBON_IMA, key=key, public=public))
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s)


def test_an_unrestricted_key_is_no_attestation_key(tpms, reference):
    one = boot(tpms(), SBON, SBON_IMA, attributes=UNRESTRICTED, public="pub")
    code, s = appraise(reference(SBON, SBON_IMA), one)
    assert code == 1 and ids(s) == {"attestation-key"}


def test_a_certification_is_no_quote(tpms, reference):
    tpm = tpms()
    one = boot(tpm, SBON)
    tpm.call("createprimary", "-Q", "-C", "e", "-G", "ecc256", "-c", "object.ctx")
    tpm.call("certify", "-Q", "-c", "object.ctx", "-C", "quote.ctx", "-g", "sha256", "-o", "certify.msg", "-s", "certify.sig")
    code, out, err = run(["appraise", "--json", "--reference", reference(SBON),
                          *one.options(msg=tpm.folder / "certify.msg", sig=tpm.folder / "certify.sig", pcrs=None)])
    assert code == 1, err
    assert "not-a-quote" in ids(json.loads(out)["submods"])


# --- systemd-pcrphase ---


@pytest.mark.parametrize("words", [WORDS[:n] for n in range(7)] + [WORDS[2:n] for n in range(3, 7)], ids=",".join)
@pytest.mark.parametrize("values", [True, False])
def test_every_phase_of_the_boot_is_a_pseudo_log(tpms, reference, words, values):
    one = boot(tpms(), SBON, SBON_IMA, words)
    code, s = appraise(reference(SBON, SBON_IMA, tuple(WORDS[:4])), one, **({} if values else {"pcrs": None}))
    assert (code, status(s)) == (0, {"boot": "affirming", "os": "affirming"}), reasons(s)
    assert [p["word"] for p in s["boot"]["ear_attester_claims"]["pseudo_log"]] == words


def test_capture_finds_the_phases_itself(reference):
    rules = json.loads(reference(SBON, SBON_IMA, ("sysinit",)).read_text())["rules"]
    assert {"rule": "pcrphase", "pcr": 11, "match": WORDS} in rules
    rules = json.loads(reference(SBON, SBON_IMA).read_text())["rules"]
    assert "pcrphase" not in {r["rule"] for r in rules}


@pytest.mark.parametrize("words", [
    ["leave-initrd", "enter-initrd"], ["enter-initrd", "sysinit"], ["enter-initrd", "enter-initrd"], ["enter-initrd", "rescue"],
    ["rescue"], ["enter-initrd\0"], WORDS + ["ready"]], ids=",".join)
def test_words_out_of_order_or_unknown(tpms, reference, words):
    one = boot(tpms(), SBON, SBON_IMA, words)
    good = reference(SBON, SBON_IMA, tuple(WORDS[:4]))
    code, s = appraise(good, one, pcrs=None)
    assert code == 1 and ids(s) == {"log-mismatch"}
    code, s = appraise(good, one)
    assert code == 1 and places(s) == {("pcr-mismatch", 11)}


def test_phases_that_a_rule_allows_with_a_warning(tpms, reference, tmp_path):
    doc = json.loads(reference(SBON, SBON_IMA, tuple(WORDS[:4])).read_text())
    next(r for r in doc["rules"] if r["rule"] == "pcrphase")["tier"] = "warning"
    path = tmp_path / "warning.json"
    path.write_text(json.dumps(doc))
    code, s = appraise(path, boot(tpms(), SBON, SBON_IMA, WORDS[:2]))
    assert (code, status(s)["boot"]) == (0, "warning") and places(s) == {("event-warning", 11)}


def test_phases_without_a_rule(tpms, reference):
    code, s = appraise(reference(SBON, SBON_IMA), boot(tpms(), SBON, SBON_IMA, WORDS[:4]))
    assert code == 1 and places(s) == {("pcr-mismatch", 11)}


# --- registers and banks ---


def without(raw, pcr):
    log = Log(raw)
    log.records = [r for r in log.records if r.pcr != pcr or r.kind == NO_ACTION]
    return log


def test_a_register_that_was_not_extended(tpms, reference):
    one = boot(tpms(), SBON, steps=without(SBON, 7).steps())
    code, s = appraise(reference(SBON), one)
    assert code == 1 and places(s) == {("pcr-reset", 7)}
    code, s = appraise(reference(SBON), one, pcrs=None)
    assert code == 1 and ids(s) == {"log-mismatch"}


def test_a_register_that_was_not_extended_with_a_log_that_agrees(tpms, reference):
    code, s = appraise(reference(SBON), boot(tpms(), without(SBON, 7)))
    assert code == 1 and places(s) >= {("pcr-reset", 7), ("secure-boot-unknown", 7)}


@pytest.mark.parametrize("raw", [SBON, TWO_BANKS], ids=["log-has-sha256", "log-has-both"])
def test_a_quoted_bank_left_at_its_reset_value(tpms, reference, raw):
    one = boot(tpms(), raw, selection=f"sha1:{ALL}+sha256:{ALL}")
    code, s = appraise(reference(raw), one)
    assert code == 1 and places(s) >= {("pcr-reset", pcr) for pcr in range(8)}
    code, s = appraise(reference(raw), one, pcrs=None)
    assert code == 1 and ids(s) & {"pcr-reset", "log-mismatch"}


def test_two_banks_that_were_extended(tpms, reference):
    one = boot(tpms(), TWO_BANKS, steps=Log(TWO_BANKS).steps(("sha1", "sha256")), selection=f"sha1:{ALL}+sha256:{ALL}")
    code, s = appraise(reference(TWO_BANKS), one)
    assert (code, status(s)["boot"]) == (0, "affirming"), reasons(s)


def test_a_good_log_replayed_into_a_bank_that_firmware_left_alone(tpms, reference):
    """
    The limit of a single bank: the machine booted something else and extended SHA-256; the attacker replays a good log into SHA-1
    and quotes only that. Reference values in SHA-1 make it a warning; without them no event is explained. Quoting every bank that
    is active shows the lie.
    """
    tpm = tpms()
    bad = (FIXTURES / "sboff-tampered-cmdline" / "binary_bios_measurements").read_bytes()
    tpm.extend(Log(bad).steps())
    tpm.extend(Log(TWO_BANKS).steps(("sha1",)))
    one = quote(tpm, TWO_BANKS, selection=f"sha1:{ALL}")
    code, s = appraise(reference(SBOFF), one)
    assert code == 1 and "event-unexplained" in ids(s)
    code, s = appraise(both(tpms), one)
    assert (code, status(s)["boot"]) == (0, "warning") and ids(s) == {"weak-bank"}
    assert appraise(both(tpms), one, "--strict")[0] == 1
    one = quote(tpm, TWO_BANKS, selection=f"sha1:{ALL}+sha256:{ALL}", name="every")
    code, s = appraise(both(tpms), one)
    assert code == 1 and {p for r, p in places(s) if r == "pcr-mismatch"} >= {4, 9, 11}


def both(tpms):
    """Reference values in both banks."""
    one = boot(tpms(), TWO_BANKS, steps=Log(TWO_BANKS).steps(("sha1", "sha256")), selection=f"sha1:{ALL}+sha256:{ALL}")
    return one.capture(name="both")


def test_nothing_measured_and_nothing_logged(tpms, reference):
    """A TPM whose registers are all at reset, and a log without events, in every kind of log."""
    for raw in (COREBOOT, UBOOT, SBON):
        log = Log(raw)
        log.records = []
        code, s = appraise(reference(raw), boot(tpms(), log))
        assert code == 1 and "pcr-reset" in ids(s), raw[:60]


def test_a_register_that_a_good_boot_leaves_alone_cannot_be_left_out(tpms, reference):
    """systemd-stub measures a command line that is handed to it into PCR 12, which a good boot does not extend."""
    log = Log(SBON)
    log.records.append(Record.of(12, 0x0D, "init=/bin/sh\0".encode("utf-16le")))
    tpm = tpms()
    code, s = appraise(reference(SBON), boot(tpm, log))
    assert code == 1 and places(s) == {("event-unexplained", 12)}
    few = "sha256:" + ALL.replace(",12", "")
    code, s = appraise(reference(SBON), quote(tpm, SBON, selection=few, name="few"))
    assert code == 1 and places(s) == {("pcr-not-quoted", 12)}


@pytest.mark.parametrize("pcr", [0, 4, 7, 11])
def test_a_register_left_out_of_the_quote(tpms, reference, pcr):
    few = "sha256:" + ",".join(n for n in ALL.split(",") if n != str(pcr))
    code, s = appraise(reference(SBON), boot(tpms(), SBON, selection=few))
    assert code == 1 and ("pcr-not-quoted", pcr) in places(s)


# --- what an attacker makes of a log ---


def test_text_of_the_log_that_is_a_lie(tpms, reference):
    """Secure Boot is off and was measured so; the log that is sent says on."""
    log, number = changed(SBOFF, lambda log: log.find(7, CONFIG, "SecureBoot".encode("utf-16le")))
    record = log.records[number - 1]
    assert record.data[-1] == 0
    lie = copy.deepcopy(log)
    lie.records[number - 1].data = record.data[:-1] + b"\1"
    code, s = appraise(reference(SBON), boot(tpms(), log, said=lie))
    assert code == 1 and ids(s) >= {"secure-boot-unknown", "event-unexplained"}
    assert not ids(s) & {"pcr-mismatch", "log-mismatch"}  # the digests were not touched
    assert ("event-unexplained", number) in {(r["reason"], r["event"]) for r in reasons(s)}


def test_text_beside_an_endorsed_digest_that_is_a_lie(tpms, reference):
    lie = Log(GRUB)
    record = lie.find(8, text=b"kernel_cmdline")
    record.data = record.data.replace(b"quiet", b"QUIET")
    code, s = appraise(reference(GRUB), boot(tpms(), GRUB, said=lie))
    assert code == 1 and places(s) == {("event-text", 8)}


def test_events_swapped(tpms, reference):
    """The agent swaps two events of one register in what it sends."""
    lie = Log(GRUB)
    at = [i for i, r in enumerate(lie.records) if r.pcr == 8]
    lie.records[at[0]], lie.records[at[1]] = lie.records[at[1]], lie.records[at[0]]
    code, s = appraise(reference(GRUB), boot(tpms(), GRUB, said=lie))
    assert code == 1 and places(s) == {("pcr-mismatch", 8)}


def test_endorsed_events_that_were_measured_in_another_order(tpms, reference):
    """A limit: each event is judged for itself. GRUB ran the same commands in another order, and grub.cfg is endorsed by its digest."""
    log = Log(GRUB)
    at = [i for i, r in enumerate(log.records) if r.pcr == 8]
    log.records[at[0]], log.records[at[1]] = log.records[at[1]], log.records[at[0]]
    code, s = appraise(reference(GRUB), boot(tpms(), log))
    assert (code, status(s)["boot"]) == (0, "affirming"), reasons(s)


def test_an_event_left_out(tpms, reference):
    log = Log(SBON)
    log.records.append(Record.of(11, 0x0D, b".evil\0"))
    code, s = appraise(reference(SBON), boot(tpms(), log, said=SBON))
    assert code == 1 and places(s) == {("pcr-mismatch", 11)}


def test_an_event_added(tpms, reference):
    lie = Log(UBOOT)
    lie.records.append(copy.deepcopy(lie.find(0, 8)))
    code, s = appraise(reference(UBOOT), boot(tpms(), UBOOT, said=lie))
    assert code == 1 and places(s) == {("pcr-mismatch", 0)}


def test_a_second_separator(tpms, reference):
    log = Log(SBON)
    log.records.append(copy.deepcopy(log.find(7, SEPARATOR)))
    code, s = appraise(reference(SBON), boot(tpms(), log))
    assert code == 1 and places(s) == {("separator", 7)}


def test_a_separator_that_reports_an_error(tpms, reference):
    log = Log(SBON)
    at = log.records.index(log.find(4, SEPARATOR))
    log.records[at] = Record.of(4, SEPARATOR, b"\1\0\0\0")
    code, s = appraise(reference(SBON), boot(tpms(), log))
    assert code == 1 and places(s) == {("separator", 4), ("event-unexplained", 4)}


def test_secure_boot_configuration_after_the_separator(tpms, reference):
    log = Log(SBON)
    log.records.append(copy.deepcopy(log.find(7, CONFIG, "SecureBoot".encode("utf-16le"))))
    code, s = appraise(reference(SBON), boot(tpms(), log))
    assert code == 1 and "event-order" in ids(s)


@pytest.mark.parametrize("value", [b"\0", b"", b"\2", b"\1\1"], ids=["off", "empty", "two", "long"])
def test_a_second_state_of_secure_boot_that_is_not_on(tpms, reference, value):
    log = Log(SBON)
    record = log.find(7, CONFIG, "SecureBoot".encode("utf-16le"))
    data = record.data[:24] + len(value).to_bytes(8, "little") + record.data[32:-1] + value
    log.records.insert(log.records.index(record) + 1, Record.of(7, CONFIG, data))
    code, s = appraise(reference(SBON), boot(tpms(), log))
    assert code == 1 and ids(s) & {"secure-boot-off", "secure-boot-unknown"}


@pytest.mark.parametrize("at", [0, 1])
def test_a_locality_that_the_tpm_was_not_started_from(tpms, reference, at):
    """Before PCR 0 is extended it changes the replay; after that it is refused."""
    lie = Log(SBON)
    startup = Record(0, NO_ACTION, {0x000B: bytes(32)}, b"StartupLocality\0\3")
    lie.records.insert(at, startup)
    one = boot(tpms(), SBON, said=lie)
    if at == 0:
        code, s = appraise(reference(SBON), one)
        assert code == 1 and places(s) == {("pcr-mismatch", 0)}
    else:
        assert "StartupLocality" in refused(one)


def test_a_log_cut_at_a_boundary_and_inside_a_record(tpms, reference):
    tpm = tpms()
    one = boot(tpm, SBON)
    short = Log(SBON)
    last = short.records.pop()
    code, s = appraise(reference(SBON), one, eventlog=one.write("boundary", bytes(short)))
    assert code == 1 and places(s) == {("pcr-mismatch", last.pcr)}
    assert "event" in refused(one, eventlog=one.write("inside", SBON[:-1]))


def test_a_boot_option_with_a_command_line(tpms, reference):
    """Optional data of a boot option reach what is started; 16 bytes of them are not the mark of the firmware's own options."""
    log = Log(SBON)
    mark = bytes.fromhex("4eac0881119f594d850ee21a522c59b2")
    record = next(r for r in log.records if r.pcr == 1 and r.data.endswith(mark))
    record.data = record.data[:-16] + "init=/x\0".encode("utf-16le")
    value = record.data
    good = Log(SBON).records[log.records.index(record)]
    size = int.from_bytes(good.data[16:24], "little")
    skip = 32 + 2 * size
    covers_all = hashlib.sha256(good.data).digest() == good.digests[0x000B]
    record.digests = {0x000B: hashlib.sha256(value if covers_all else value[skip:]).digest()}
    code, s = appraise(reference(SBON), boot(tpms(), log))
    assert code == 1 and places(s) == {("event-unexplained", 1)}


# --- what an attacker makes of an IMA list ---


@pytest.mark.parametrize("entry", ["buf", "violation"])
def test_boot_events_hidden_in_the_ima_list(tpms, reference, entry):
    """
    GRUB measures the command line as text. An attacker who changed it sends the log without it, and an IMA list whose entry
    "hashes" to the same digest, in PCR 8. Reference values without files do not judge the list's files.
    """
    log = Log(GRUB)
    at = [i for i, r in enumerate(log.records) if r.pcr == 8]
    first = next(i for i in at if b"kernel_cmdline" in log.records[i].data)
    evil = [Record.of(8, 0x0D, b"/A/vmlinuz init=/bin/sh")] + [log.records[i] for i in at if i > first]
    log.records[first] = evil[0]
    texts = [evil[0].data] + [b for b in map(measured_text, evil[1:])]
    hidden = b"".join(ima_entry(8, b"any", text) for text in texts)
    if entry == "violation":
        hidden = ima_ng("x", bytes(32), 8, violation=True)
        log.records[first:] = [r for r in log.records[first + 1:] if r.pcr != 8] + [Record(8, 0x0D, {0x000B: b"\xff" * 32}, b"x")]
    said = copy.deepcopy(log)
    said.records = [r for i, r in enumerate(said.records) if r.pcr != 8 or i < first]
    tpm = tpms()
    one = boot(tpm, log, said=said)
    assert appraise(reference(GRUB), one)[0] == 1
    one.files["ima"] = one.write("ima", hidden)
    code, s = appraise(reference(GRUB), one)
    assert not ids(s) & {"pcr-mismatch", "log-mismatch"}, "the attack was not made well"
    assert code == 1 and "ima-template" in ids(s) & ids(s, "os")


def measured_text(record):
    """What GRUB measured: the text of its event, with or without the prefix and the NUL."""
    data = record.data
    bodies = [data, data.rstrip(b"\0"), data.split(b": ", 1)[-1].rstrip(b"\0"), data.split(b": ", 1)[-1]]
    return next(b for b in bodies if hashlib.sha256(b).digest() == record.digests[0x000B])


@pytest.mark.parametrize("change", ["removed", "edited", "swapped", "violation"])
def test_an_ima_list_that_was_edited(tpms, reference, change):
    entries = ima_entries(SBON_IMA)
    if change == "removed":
        entries.pop(5)
    elif change == "edited":
        entries[5] = entries[5].replace(b"/", b"\\", 1)
    elif change == "swapped":
        entries[5], entries[6] = entries[6], entries[5]
    else:
        entries[5] = entries[5][:4] + bytes(20) + entries[5][24:]
    one = boot(tpms(), SBON, SBON_IMA)
    code, s = appraise(reference(SBON, SBON_IMA), one, ima=one.write("ima", b"".join(entries)))
    assert code == 1 and status(s)["os"] == "contraindicated" and ("pcr-mismatch", 10) in places(s)


def test_an_ima_entry_whose_hash_is_not_that_of_its_content(tpms, reference):
    """The register has SHA-256 of the content; the logged SHA-1 is another, which the quoted bank cannot show."""
    entries = ima_entries(SBON_IMA)
    entries[5] = entries[5][:4] + b"\x66" * 20 + entries[5][24:]
    one = boot(tpms(), SBON, SBON_IMA)
    code, s = appraise(reference(SBON, SBON_IMA), one, ima=one.write("ima", b"".join(entries)))
    assert code == 1 and ids(s, "os") == {"ima-entry"}


def test_a_file_that_was_open_for_writing(tpms, reference, tmp_path):
    ima = SBON_IMA + ima_ng("/etc/passwd", bytes(32), violation=True)
    one = boot(tpms(), SBON, ima)
    code, s = appraise(reference(SBON, SBON_IMA), one)
    assert (code, status(s)["os"]) == (0, "warning") and ids(s, "os") == {"ima-violation"}
    doc = json.loads(reference(SBON, SBON_IMA).read_text())
    doc["ima"]["violations"] = "contraindicated"
    strict = tmp_path / "strict.json"
    strict.write_text(json.dumps(doc))
    assert appraise(strict, one)[0] == 1


def test_the_ima_list_of_another_boot(tpms, reference):
    """A good list, really extended, that starts with the aggregate of another machine's registers."""
    other = COREBOOT_IMA
    code, s = appraise(reference(SBON, SBON_IMA), boot(tpms(), SBON, other))
    assert code == 1 and "boot-aggregate" in ids(s, "os")


def test_a_tail_after_the_quote_and_the_same_tail_quoted(tpms, reference):
    more = SBON_IMA + ima_ng("/root/dropper", b"\x66" * 32)
    tpm = tpms()
    one = boot(tpm, SBON, SBON_IMA)
    code, s = appraise(reference(SBON, SBON_IMA), one, ima=one.write("ima", more))
    assert code == 0 and s["os"]["ear_attester_claims"]["after_quote"] == 1
    tpm.extend(ima_steps(ima_entries(more)[-1]))
    code, s = appraise(reference(SBON, SBON_IMA), quote(tpm, SBON, more, name="later"))
    assert code == 1 and ids(s, "os") == {"ima-file"}


# --- the challenge, the key, the clock ---


def test_a_stale_quote_and_a_foreign_key(tpms, reference):
    one = boot(tpms(), SBON)
    code, s = appraise(reference(SBON), one, nonce="ff" + NONCE[2:])
    assert code == 1 and ids(s) == {"nonce"}
    two = boot(tpms(), SBON)
    code, s = appraise(reference(SBON), one, pub=two.files["pub"])
    assert code == 1 and ids(s) == {"signature"}


def result(reference, one):
    code, out, err = run(["appraise", "--json", "--reference", reference, "--nonce", NONCE, *one.options()])
    assert code == 0, err + out
    return one.write(f"last-{one.files['msg'].stem}", out.encode()), json.loads(out)["submods"]["boot"]["ear_attester_claims"]


def test_the_clock_goes_on_and_not_back(tpms, reference):
    tpm = tpms()
    good = reference(SBON)
    first = boot(tpm, SBON, name="first")
    tpm.create("again", KEYS["ecdsa-p256"][0])
    tpm.quote_with("again", "second", *KEYS["ecdsa-p256"], f"sha256:{ALL}")
    second = live_tpm.Boot(tpm.folder, {**first.files, "msg": tpm.folder / "second.msg", "sig": tpm.folder / "second.sig",
                                        "pcrs": tpm.folder / "second.pcrs"})
    last_first, _ = result(good, first)
    last_second, _ = result(good, second)
    assert appraise(good, second, "--last", last_first)[0] == 0
    code, s = appraise(good, first, "--last", last_second)
    assert code == 1 and ids(s) == {"counter-back"}


@pytest.mark.parametrize("hard", [False, True], ids=["switched-off", "killed"])
def test_a_reset_is_counted(tpms, reference, hard):
    tpm = tpms()
    good = reference(SBON)
    last, before = result(good, boot(tpm, SBON, name="before"))
    if not hard:
        tpm.tool("shutdown", "-c")
    tpm.reset(hard)
    after = boot(tpm, SBON, name="after")
    last_after, claims = result(good, after)
    assert claims["reset_count"] > before["reset_count"]
    assert appraise(good, after, "--last", last)[0] == 0
    first = live_tpm.Boot(tpm.folder, {name: tpm.folder / path.name.replace("after", "before") for name, path in after.files.items()})
    code, s = appraise(good, first, "--last", last_after)
    assert code == 1 and ids(s) == {"counter-back"}
