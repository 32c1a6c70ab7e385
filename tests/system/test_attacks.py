# SPDX-License-Identifier: Apache-2.0
"""What an attacker who owns the running system would try: logs, lists, quotes and file names of his own making."""

import hashlib
import json
import os
import resource
import struct
import subprocess

import pytest

import made_boot as made
from support import BIN, run

SLOW = 10 if "VALGRIND" not in os.environ else 600  # seconds of CPU; each takes about one here


def capture(tmp_path, options, change=None, *more):
    code, out, err = run(["reference", "capture", "--name", "made", *more, *options])
    assert code == 0, err
    doc = json.loads(out)
    if change:
        change(doc)
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(doc))
    return path


def appraise(reference, options):
    code, out, err = run(["appraise", "--json", "--reference", reference, *options])
    assert code in (0, 1), err
    submods = json.loads(out)["submods"]
    return code, {k: v["ear_status"] for k, v in submods.items()}, {
        k: {r["reason"] for r in v["ear_verifier_claims"]["reasons"]} for k, v in submods.items()}


AGGREGATE = made.ima_ng("boot_aggregate")


def test_the_made_boot_is_good(tmp_path):
    options = made.write(tmp_path / "good", made.good_events())
    assert appraise(capture(tmp_path, options), options)[:2] == (0, {"boot": "affirming"})


# --- events that leave the log ---


@pytest.mark.parametrize("pcr", [4, 8, 9, 16])
@pytest.mark.parametrize("judged", [False, True])
def test_an_event_cannot_move_into_the_ima_list(tmp_path, pcr, judged):
    pcrs = list(range(15)) + [16]
    ima = [AGGREGATE]
    good = made.write(tmp_path / "good", made.good_events(), pcrs, ima)

    def change(doc):
        if judged:
            doc["ima"]["boot_aggregate"] = False
            doc["ima"]["files"].append({"path": "boot_aggregate", "digests": ["sha256:" + made.HASH[made.SHA256](b"").hexdigest()]})
        else:
            del doc["ima"]

    reference = capture(tmp_path, good, change)
    assert appraise(reference, good)[0] == 0
    bad = made.write(tmp_path / "bad", made.good_events(), pcrs, ima + [made.ima_entry(pcr, b"none", b"init=/bin/sh")])
    code, status, why = appraise(reference, bad)
    assert (code, status["boot"]) == (1, "contraindicated") and "ima-template" in why["boot"]


def test_a_list_that_is_not_judged_is_not_affirming(tmp_path):
    options = made.write(tmp_path / "good", made.good_events(), ima=[AGGREGATE, made.ima_ng("/root/dropper")])
    reference = capture(tmp_path, options, lambda doc: doc.pop("ima"))
    code, status, why = appraise(reference, options)
    assert (code, status) == (0, {"boot": "affirming", "os": "none"}) and why["os"] == {"ima-not-judged"}


def test_files_measured_into_a_resettable_register_do_not_count(tmp_path):
    pcrs = list(range(10)) + [11, 12, 16]
    ima = [made.ima_ng("boot_aggregate", pcr=16), made.ima_ng("/bin/sh", pcr=16)]
    options = made.write(tmp_path / "bad", made.good_events(), pcrs, ima)

    def change(doc):
        empty = "sha256:" + made.HASH[made.SHA256](b"").hexdigest()
        doc["ima"] = {"boot_aggregate": False, "files": [{"path": p, "digests": [empty]} for p in ("boot_aggregate", "/bin/sh")]}
        doc["pcrs"] = list(range(8))

    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events(), pcrs), change)
    code, status, _ = appraise(reference, options)
    assert (code, status) == (1, {"boot": "contraindicated", "os": "contraindicated"})


@pytest.mark.parametrize("before", [made.ima_ng("boot_aggregate", pcr=15), made.ima_entry(15, b"none", b"x"), made.ima_ng("/init"),
                                    made.ima_ng("/init", violation=True)])
def test_the_list_starts_with_the_aggregate_in_a_quoted_register(tmp_path, before):
    empty = "sha256:" + made.HASH[made.SHA256](b"").hexdigest()

    def change(doc):
        doc["ima"] = {"boot_aggregate": True, "files": [{"path": "/init", "digests": [empty]}]}

    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()), change)
    code, _, why = appraise(reference, made.write(tmp_path / "bad", made.good_events(), ima=[before, made.ima_ng("/init")]))
    assert code == 1 and "boot-aggregate" in why["os"], why


def test_a_register_that_the_good_boot_left_alone_must_be_quoted_too(tmp_path):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()))
    more = made.good_events() + [made.event(12, made.IPL, "init=/bin/sh".encode("utf-16-le") + b"\0\0")]
    assert appraise(reference, made.write(tmp_path / "seen", more))[0] == 1
    code, _, why = appraise(reference, made.write(tmp_path / "hidden", more, [p for p in range(15) if p != 12]))
    assert code == 1 and "pcr-not-quoted" in why["boot"]


def test_judged_key_sets_need_their_register(tmp_path):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc.update(pcrs=[0], secure_boot={"enabled": False, "pk": [], "kek": [], "db": [], "dbx": []}))
    code, _, why = appraise(reference, made.write(tmp_path / "bad", made.good_events(), range(7)))
    assert code == 1 and "pcr-not-quoted" in why["boot"]


# --- rules ---


def boot_option(optional, name="Linux"):
    end = bytes([0x7F, 0xFF, 4, 0])
    path = bytes([4, 4]) + struct.pack("<H", 4 + 12) + "\\EFI0".encode("utf-16-le") + b"\0\0" + end
    value = struct.pack("<IH", 1, len(path)) + name.encode("utf-16-le") + b"\0\0" + path + optional
    return made.event(1, made.BOOT2, made.variable(made.GLOBAL, "Boot0001", value))


EDK2 = bytes.fromhex("4eac0881119f594d850ee21a522c59b2")


@pytest.mark.parametrize("optional,code", [(b"", 0), (EDK2, 0), ("single\0\0".encode("utf-16-le"), 1), (EDK2 + b"\0", 1)])
def test_optional_data_of_a_boot_option_is_no_free_text(tmp_path, optional, code):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events([boot_option(b"")])))
    assert appraise(reference, made.write(tmp_path / "other", made.good_events([boot_option(optional)])))[0] == code


@pytest.mark.parametrize("name,code", [("Lin*x", 0), ("Linux", 1), ("Lin[*]x", 1)])
def test_a_star_in_captured_text_is_no_wildcard(tmp_path, name, code):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events([boot_option(b"", "Lin*x")])))
    assert "Lin[*]x" in reference.read_text()
    assert appraise(reference, made.write(tmp_path / "other", made.good_events([boot_option(b"", name)])))[0] == code


def signature_database(kind, data):
    lists = bytes.fromhex(kind) + struct.pack("<III", 28 + 16 + len(data), 0, 16 + len(data)) + b"o" * 16 + data
    return made.event(7, made.DRIVER_CONFIG, made.variable(made.SECURITY, "db", lists))


def test_the_hash_of_an_allowed_certificate_is_another_entry(tmp_path):
    """A certificate in db vouches for what it signed; an entry that holds the same hash would vouch for an image."""
    x509, sha256 = "a159c0a5e494a74a87b5ab155c2bf072", "2616c4c14c509240aca941f936934328"
    certificate = b"0" * 300
    allowed = hashlib.sha256(certificate).digest()
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()), lambda doc: doc.update(secure_boot={
        "enabled": False, "pk": [], "kek": [], "db": [{"type": "x509", "sha256": allowed.hex()}], "dbx": []}))
    good = made.write(tmp_path / "certificate", made.good_events([signature_database(x509, certificate)]))
    assert appraise(reference, good)[0] == 0
    code, _, why = appraise(reference, made.write(tmp_path / "hash", made.good_events([signature_database(sha256, allowed)])))
    assert code == 1 and "secure-boot-key" in why["boot"]


@pytest.mark.parametrize("entry,code", [(b"a" * 32, 0), (b"b" * 32, 1), (b"a" * 33, 1)])
def test_the_hash_that_let_an_image_start_is_one_of_db(tmp_path, entry, code):
    """What vouched for an image is measured without its type: 32 bytes are a hash."""
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()), lambda doc: doc.update(secure_boot={
        "enabled": False, "pk": [], "kek": [], "db": [{"type": "sha256", "sha256": (b"a" * 32).hex()}], "dbx": []}))
    authority = made.event(7, 0x800000E0, made.variable(made.SECURITY, "db", b"o" * 16 + entry))
    assert appraise(reference, made.write(tmp_path / "other", made.good_events([authority])))[0] == code


@pytest.mark.parametrize("tier", ["affirming", "warning"])
def test_the_tier_of_the_phase_words_counts(tmp_path, tier):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc["rules"].append({"rule": "pcrphase", "pcr": 11, "match": ["enter-initrd"], "tier": tier}))
    registers = made.Registers().log(made.good_events() + [made.event(11, made.IPL, b"enter-initrd")])
    code, status, _ = appraise(reference, made.write(tmp_path / "phase", made.good_events(), registers=registers))
    assert (code, status["boot"]) == (0, tier)


def test_a_text_rule_sees_what_was_measured(tmp_path):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc["rules"].append({"rule": "text", "pcr": 8, "type": made.IPL, "match": ["set a=b"]}))
    part = made.event(8, made.IPL, b"grub_cmd: set a=b\0", b"set a=b")
    whole = made.event(8, made.IPL, b"grub_cmd: set a=b")
    renamed = made.event(8, made.IPL, b"kernel_cmdline: set a=b", b"set a=b x")
    assert appraise(reference, made.write(tmp_path / "part", made.good_events() + [part]))[0] == 0
    assert appraise(reference, made.write(tmp_path / "whole", made.good_events() + [whole]))[0] == 1
    assert appraise(reference, made.write(tmp_path / "renamed", made.good_events() + [renamed]))[0] == 1


# --- reasons ---


def test_dropped_reasons_leave_no_claim_better_than_the_link(tmp_path):
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()))
    flood = [made.event(1, made.IPL, b"x%d" % i) for i in range(200)] + [made.event(4, made.IPL, b"bad loader")]
    code, out, _ = run(["appraise", "--json", "--reference", reference, *made.write(tmp_path / "bad", flood + made.good_events())])
    boot = json.loads(out)["submods"]["boot"]
    assert code == 1 and boot["ear_verifier_claims"]["reasons_dropped"] > 0
    assert min(boot["ear_trustworthiness_vector"].values()) >= 96


# --- time ---


def timed(args, want):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, _, err = run(args, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert code == want, err
    print(f"{took:.2f} s")
    assert took < SLOW


@pytest.mark.parametrize("binary", [True, False])
def test_a_long_list_of_unknown_files_is_judged_soon(tmp_path, binary):
    ima = [AGGREGATE] + [made.ima_ng(f"/usr/bin/tool{i:06}", b"%d" % i) for i in range(100000)]
    options = made.write(tmp_path / "bad", made.good_events(), ima=ima)
    if not binary:
        (tmp_path / "bad" / "ima").write_text("".join(
            f"10 {e[4:24].hex()} ima-ng sha256:{e[50:82].hex()} {e[86:-1].decode()}\n" for e in ima))
    files = [{"path": f"/usr/lib/file{i:06}", "digests": [f"sha256:{i:064x}"]} for i in range(50000)]
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc.update(ima={"boot_aggregate": False, "files": files}))
    timed(["appraise", "--reference", reference, *options], 1)


def test_many_files_with_one_digest_compile_soon(tmp_path):
    files = [{"path": f"/usr/lib/empty{i:06}", "digests": ["sha256:" + "e3" * 32]} for i in range(200000)]
    good = made.write(tmp_path / "good", made.good_events(), ima=[made.ima_entry(10, b"ima-ng", made.ima_ng("/usr/lib/empty000000")[38:])])
    reference = capture(tmp_path, good, lambda doc: doc.update(ima={"boot_aggregate": False, "files": files}))
    timed(["appraise", "--reference", reference, *good], 1)


@pytest.mark.parametrize("signed", [False, True])
def test_a_quote_that_nothing_explains_is_given_up_soon(tmp_path, signed):
    banks = (made.SHA1, made.SHA256, made.SHA384, made.SHA512)
    ima = [made.ima_ng(f"/{i:06}") for i in range(100000)]
    key = made.KEY if signed else made.ec.generate_private_key(made.ec.SECP256R1())
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc["rules"].append({"rule": "pcrphase", "pcr": 11, "match": [f"w{i}" for i in range(16)]}))
    events = [(p, k, d, made.event(p, k, d, banks=banks)[3]) for p, k, d, _ in made.good_events()]
    options = made.write(tmp_path / "bad", events, range(24), ima, made.Registers(banks), key, banks)
    timed(["appraise", "--reference", reference, *options], 1)


def test_the_search_for_words_is_charged_for_the_words(tmp_path):
    """A budget that paid for comparisons only let a search with words run for three times its worth."""
    reference = {}
    for count in (1, 16):
        folder = tmp_path / str(count)
        folder.mkdir()
        reference[count] = capture(folder, made.write(folder / "good", made.good_events()), lambda doc: doc["rules"].append(
            {"rule": "pcrphase", "pcr": 11, "match": [f"w{i}" for i in range(count)]}))
    options = made.write(tmp_path / "bad", made.good_events(), range(24), [made.ima_ng(f"/{i:06}") for i in range(5000)], made.Registers())
    assert "search-budget" in appraise(reference[16], options)[2]["boot"]
    assert "log-mismatch" in appraise(reference[1], options)[2]["boot"]


def test_huge_signature_databases_are_judged_soon(tmp_path):
    kind = b"k" * 16
    data = b"".join(b"o" * 16 + struct.pack("<I", i) for i in range(4096))
    dbx = kind + struct.pack("<III", 28 + len(data), 0, 20) + data
    events = [made.event(7, made.DRIVER_CONFIG, made.variable(made.SECURITY, "dbx", dbx)) for _ in range(150)]
    wanted = [{"type": "x509", "sha256": f"{i:064x}"} for i in range(400)]
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()),
                        lambda doc: doc.update(secure_boot={"enabled": False, "pk": [], "kek": [], "db": [], "dbx": wanted}))
    timed(["appraise", "--reference", reference, *made.write(tmp_path / "bad", made.good_events(events))], 1)


# --- the command ---


def test_a_path_cannot_speak_to_the_terminal(tmp_path):
    bad = tmp_path / "\033[2J\u202eno\nchainhold: all is well \udcff"
    bad_bytes = os.fsencode(bad)
    bad_bytes and open(bad_bytes, "wb").write(b"x")
    for args in (["inspect", "eventlog", bad_bytes], ["inspect", "eventlog", b"/nonexistent/\033]0;x\007"],
                 ["inspect", b"\033[31m"], ["inspect", "ima", b"--\033[31m"]):
        done = subprocess.run([BIN, *args], capture_output=True, check=False)
        assert done.returncode in (1, 2, 4)
        assert b"\033" not in done.stderr and b"\xe2\x80\xae" not in done.stderr and done.stderr.count(b"\n") == 1, done.stderr
        done.stderr.decode("utf-8")


def test_names_in_evidence_cannot_speak_to_the_terminal(tmp_path):
    hostile = "/x\033[2J\u202e\r\x9b\udcff\n"
    path = hostile.encode("utf-8", "surrogateescape")
    digest = b"sha256:\0" + bytes(32)
    entry = made.ima_entry(10, b"ima-ng", struct.pack("<I", len(digest)) + digest + struct.pack("<I", len(path) + 1) + path + b"\0")
    text = made.event(8, made.IPL, b"grub_cmd: \033]0;x\007", b"\033]0;x\007")
    reference = capture(tmp_path, made.write(tmp_path / "good", made.good_events()), lambda doc: doc.update(ima={"boot_aggregate": False, "files": []}))
    options = made.write(tmp_path / "bad", made.good_events() + [text], ima=[entry])
    code, out, _ = run(["appraise", "--reference", reference, *options])
    assert code == 1 and not any(c in out for c in "\033\u202e\r\x9b\x07\udcff") and "x1b[2J" in out
    code, out, _ = run(["appraise", "--json", "--reference", reference, *options])
    assert code == 1 and not any(ord(c) < 32 and c != "\n" or 0x7F <= ord(c) < 0xA0 for c in out)


HOSTILE_LAST = ["", "[]", "1", "{}", '{"submods":1}', '{"submods":{"boot":{"ear_attester_claims":[]}}}',
                '{"submods":{"boot":{"ear_attester_claims":{"clock":-1,"reset_count":0,"restart_count":0,"firmware_version":0}}}}',
                '{"submods":{"boot":{"ear_attester_claims":{"clock":1e3,"reset_count":0,"restart_count":0,"firmware_version":0}}}}',
                '{"submods":{"boot":{"ear_attester_claims":{"clock":0,"reset_count":4294967296,"restart_count":0,"firmware_version":0}}}}',
                '{"submods":{},"submods":{"boot":{"ear_attester_claims":{"clock":0,"reset_count":0,"restart_count":0,"firmware_version":0}}}}',
                "[" * 100000]


@pytest.mark.parametrize("text", HOSTILE_LAST, ids=range(len(HOSTILE_LAST)))
def test_a_last_result_that_is_none_is_refused(tmp_path, text):
    options = made.write(tmp_path / "good", made.good_events())
    (tmp_path / "last").write_text(text)
    code, out, err = run(["appraise", "--reference", capture(tmp_path, options), "--last", tmp_path / "last", *options])
    assert (code, out) == (1, ""), err


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["appraise", "--help"], ["inspect", "eventlog", "FILE"], ["inspect", "eventlog", "--json", "FILE"]])
def test_output_that_nobody_takes_is_an_output_error(tmp_path, args):
    made.write(tmp_path / "good", made.good_events() * 200)
    args = [str(tmp_path / "good" / "eventlog") if a == "FILE" else a for a in args]
    with open("/dev/full", "wb") as full:
        assert subprocess.run([BIN, *args], stdout=full, stderr=subprocess.PIPE, check=False).returncode == 4
    read, write = os.pipe()
    os.close(read)
    try:
        assert subprocess.run([BIN, *args], stdout=write, stderr=subprocess.PIPE, check=False).returncode == 4
    finally:
        os.close(write)


def test_no_arguments_at_all_is_a_usage_error():
    pid = os.fork()
    if pid == 0:
        os.close(2)
        os.execve(BIN, ["x"], {})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2


@pytest.mark.parametrize("path,code", [("/dev/null", 1), ("/", 4), ("/dev/zero", 4)])
def test_odd_files(path, code):
    assert run(["inspect", "eventlog", path])[0] == code
