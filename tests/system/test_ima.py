# SPDX-License-Identifier: Apache-2.0
"""IMA lists: every public vector against its expectations, and our own captures against the registers of their TPM."""

import hashlib
import json
import re
from collections import Counter

import jsonschema
import pytest
from support import FIXTURES, ROOT, corpus, run

TOPIC = "ima"
SCHEMA = json.loads((ROOT / "docs/schema/inspect-ima.schema.json").read_text())
OUT_OF_SCOPE = {row["match"] for row in json.loads((ROOT / f"tests/conformance/{TOPIC}-out-of-scope.json").read_text())}
CAPTURES = sorted(p for name in ("ima.binary", "ima.binary-at-quote-ecc", "ima.ascii") for p in FIXTURES.glob(f"*/{name}"))
RECORDED = sorted(p.parent for p in FIXTURES.glob("*/ima.binary") if (p.parent / "pcrs-sha256.yaml").exists())
HASH_ID = {2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512", 17: "sm3_256"}
MADE = FIXTURES / "ima-made"
SPACE = {"sha256": "sha256_bank_hash_of_template_data", "padded": "sha256_zero_padded_sha1"}


def inspect(path, *keys, stdin=b""):
    """(exit code, document, standard error)."""
    args = [a for key in keys for a in ("--key", key)]
    code, out, err = run(["inspect", "ima", "--json", *args, path], stdin)
    assert code in (0, 1, 3), f"{path}: exit {code}: {err}"
    doc = json.loads(out)
    jsonschema.validate(doc, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert (code == 0) == (err == ""), f"{path}: exit {code}: {err!r}"
    if doc["malformed"] is not None:
        assert code != 0
        assert re.search(rf"byte {doc['malformed']['offset']}, entry {doc['malformed']['entry']}: .+ \(.+\)", err)
    for n in doc["wrong_template_hashes"][:5]:
        assert code == 1 and f"entry {n}: the template hash is not" in err
    assert doc["entries"] == len(doc["list"])
    return code, doc, err


# --- the public vectors ---


def check_facts(doc, want):
    """Yields what of the plain facts is not as expected."""
    for key, ours in (("n_entries", "entries"), ("violations", "violations"), ("upstream_expected_events", "entries"),
                      ("entries_with_wrong_template_hash", "wrong_template_hashes"), ("templates", "templates")):
        if key in want and doc[ours] != want[key]:
            yield f"{ours} is {doc[ours]!r}, not {want[key]!r}"
    if "template_hashes" in want and [e["template_hash"] for e in doc["list"]] != want["template_hashes"]:
        yield "other template hashes"
    if want.get("template_hash_matches") and not all(e["holds"] for e in doc["list"]):
        yield "a template hash does not hold"


def check_registers(doc, want):
    """Yields where the registers are not the expected ones."""
    replay = dict(want.get("replay", {}))
    padded = replay.pop(SPACE["padded"], None)
    if SPACE["sha256"] in replay:
        replay["sha256"] = replay.pop(SPACE["sha256"])
    if "replay_sha1_pcr10" in want:
        replay["sha1"] = {"10": want["replay_sha1_pcr10"]}
    for bank, pcrs in replay.items():
        if doc["banks"].get(bank) != pcrs:
            yield f"{bank}: {doc['banks'].get(bank)}, not {pcrs}"
    if padded is not None and doc["banks_padded"]["sha256"] != padded:
        yield f"sha256, padded: {doc['banks_padded']['sha256']}, not {padded}"
    for bank, matches in want.get("matches_tpm_pcr10", {}).items():
        if (doc["banks"][bank]["10"] == want["tpm_pcrs"][bank]["10"]) != matches:
            yield f"{bank}: PCR 10 is {'not ' if matches else ''}the TPM's"


def check_aggregate(doc, want):
    """Yields where boot_aggregate is not logged, or computed, as expected."""
    if "boot_aggregate" not in want:
        return
    ours = doc["boot_aggregate"]
    if ours is None or f"{ours['alg']}:{ours['digest']}" != want["boot_aggregate"]["logged"]:
        yield f"boot_aggregate is {ours}"
        return
    how = re.fullmatch(r"(\w+)\(PCR(\d+)\.\.(\d+) of the (\w+) bank\)", want["boot_aggregate"].get("equals") or "")
    if how and "all_tpm_pcrs_0_to_11" in want:
        pcrs = want["all_tpm_pcrs_0_to_11"][how[4]]
        value = b"".join(bytes.fromhex(pcrs[str(n)]) for n in range(int(how[2]), int(how[3]) + 1))
        if hashlib.new(how[1], value).hexdigest() != ours["digest"]:
            yield "boot_aggregate is not the digest of these registers"


def check_prefixes(path, doc, want):
    """Yields where the first entries alone do not give the expected registers."""
    for key, replay in want.items():
        count = re.fullmatch(r"replay_after_first_(\d+)_entries", key)
        if count:
            part = inspect("-", stdin=path.read_bytes()[: doc["list"][int(count[1])]["offset"]])[1]
            yield from check_registers(part, {"n_entries": int(count[1]), "replay": replay})


def check_verdict(path, code, doc, want):
    """Yields where what is refused is not what should be."""
    size = path.stat().st_size
    verdict = want.get("verdict", "accept")
    if want.get("parse") == "error" or "trailing_partial_bytes" in want:
        if code == 0 or doc["malformed"] is None:
            yield f"exit {code}, not refused"
        elif size - doc["malformed"]["offset"] > want.get("trailing_partial_bytes", size):
            yield f"refused at byte {doc['malformed']['offset']}, before the partial record"
    elif verdict == "reject" or "template hash" in verdict:
        if code != 1:
            yield f"exit {code} where the list does not hold"
    elif verdict == "reject: PCR mismatch" or verdict.startswith("accept"):
        # The list holds by itself; that it is not what the TPM has shows in the registers.
        if code != 0:
            yield f"exit {code} where the list holds by itself"
    else:
        yield f"an expectation that this test does not know: {verdict}"


def signature_differs(ours, want):
    """How a judged signature differs from what is expected of it, or None."""
    well_formed = (want["type"], want["version"]) == (3, 2) and want["declared_len"] == want["actual_len"]
    if not well_formed:
        return None if ours["key_id"] is None and ours["valid"] is not True else "a broken signature was read"
    if (ours["key_id"], ours["hash"]) != (want["keyid"], HASH_ID.get(want["hash_id"])):
        return f"key {ours['key_id']}, hash {ours['hash']}"
    return None if ours["valid"] is want["verifies"] else f"valid is {ours['valid']}: {ours['reason']}"


def check_signatures(path, want, keys):
    """Yields (name, outcome, what is wrong) of each signature of a list."""
    supported = [key for key in keys if run(["inspect", "ima", "--key", key, path])[0] != 3]
    code, doc, _ = inspect(path, *supported)
    ours = doc["signatures"]
    for n, expected in enumerate(want):
        name = f"{path.name}, signature {n}"
        wrong = signature_differs(ours[n], expected) if n < len(ours) else "not there"
        if wrong and expected["verifies"] and ours[n]["valid"] is None and len(supported) < len(keys):
            yield name, "out of scope" if "feature:key-kind" in OUT_OF_SCOPE else "fail", wrong
        else:
            yield name, "fail" if wrong else "pass", wrong
    if code != 0 or len(ours) != len(want):
        yield path.name, "fail", f"exit {code}, {len(ours)} signatures"


def judge(root, path, expected, keys):
    """Yields (name, outcome, what is wrong) of one file."""
    name = str(path.relative_to(root))
    if path.suffix == ".pem":
        yield name, "out of scope" if "feature:key" in OUT_OF_SCOPE else "fail", "a key"
        return
    if path.suffix == ".json" or "policy" in path.name:
        yield name, "out of scope" if "feature:policy" in OUT_OF_SCOPE else "fail", "a policy"
        return
    want = expected.get(name, {})
    if isinstance(want, list):
        yield from check_signatures(path, want, keys)
        return
    code, doc, err = inspect(path)
    if code == 3 and "sm3" in path.read_text(errors="replace"):
        yield name, "out of scope" if "feature:sm3" in OUT_OF_SCOPE else "fail", err
        return
    wrong = [*check_verdict(path, code, doc, want), *check_facts(doc, want), *check_registers(doc, want),
             *check_aggregate(doc, want), *check_prefixes(path, doc, want)]
    yield name, "fail" if wrong else "pass", "; ".join(wrong)


def test_public_vectors():
    root = corpus(TOPIC)
    expected = json.loads((root / "expected.json").read_text())
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name not in ("SOURCE.md", "expected.json"))
    keys = [p for p in files if p.suffix == ".pem"]
    results = [r for path in files for r in judge(root, path, expected, keys)]
    counts = Counter(outcome for _, outcome, _ in results)
    print(f"\n{TOPIC}: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    missing = set(expected) - {str(p.relative_to(root)) for p in files}
    failures = [f"{name}: {wrong}" for name, outcome, wrong in results if outcome == "fail"]
    assert not failures, "\n".join(failures)
    assert not missing, f"expected, but not there: {missing}"


# --- our own captures ---


def tpm_registers(folder):
    text = (folder / "pcrs-sha256.yaml").read_text()
    return {int(n): v.lower() for n, v in re.findall(r"^\s+(\d+)\s*: 0x([0-9A-F]{64})$", text, re.MULTILINE)}


@pytest.mark.parametrize("folder", RECORDED, ids=lambda p: p.name)
def test_capture_replays_to_the_registers(folder):
    pcrs = tpm_registers(folder)
    # Where a program was run after the registers were read, only the copy taken before it fits them.
    lists = {"binary": folder / "ima.binary-at-quote-ecc"} if folder.name.startswith("class-") else {f: folder / f"ima.{f}" for f in ("binary", "ascii")}
    for form, path in lists.items():
        code, doc, _ = inspect(path)
        assert (code, doc["form"], doc["warnings"]) == (0, form, [])
        assert doc["banks"]["sha256"] == {"10": pcrs[10]}
        aggregate = hashlib.sha256(b"".join(bytes.fromhex(pcrs[n]) for n in range(10))).hexdigest()
        assert doc["boot_aggregate"] == {"alg": "sha256", "digest": aggregate}


@pytest.mark.parametrize("folder", [*RECORDED, MADE], ids=lambda p: p.name)
def test_forms_agree(folder):
    binary, ascii_ = (inspect(folder / f"ima.{form}")[1] for form in ("binary", "ascii"))
    for doc in (binary, ascii_):
        del doc["form"]
        for entry in doc["list"]:
            del entry["offset"]
    assert binary == ascii_


def test_list_at_the_quote_is_a_beginning():
    for path in FIXTURES.glob("*/ima.binary-at-quote-ecc"):
        code, doc, _ = inspect(path)
        assert code == 0
        assert (path.parent / "ima.binary").read_bytes().startswith(path.read_bytes())
        assert doc["entries"] > 0


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_page_is_for_people(path):
    code, out, err = run(["inspect", "ima", path])
    assert (code, err) == (0, "")
    assert "boot_aggregate" in out and "sha256  PCR 10" in out
    assert out.isprintable() or all(c.isprintable() or c == "\n" for c in out)


# --- file signatures ---

VALID = {1: True, 2: True, 3: True, 4: None, 5: None, 6: True, 7: None}


def test_signatures_are_judged_by_their_keys():
    keys = [MADE / f"{name}.pem" for name in ("rsa", "p256", "p384")]
    code, doc, _ = inspect(MADE / "ima.binary", *keys)
    assert code == 0
    assert {s["n"]: s["valid"] for s in doc["signatures"]} == VALID
    code, doc, _ = inspect(MADE / "ima.binary", keys[0])
    assert {s["n"] for s in doc["signatures"] if s["valid"]} == {1, 6}
    code, doc, _ = inspect(MADE / "ima.binary")
    assert {s["valid"] for s in doc["signatures"]} == {None}


def test_wrong_signature_is_named():
    for form in ("binary", "ascii"):
        path = MADE / f"ima-wrong-signature.{form}"
        code, doc, err = inspect(path, MADE / "p256.pem")
        assert code == 1 and "entry 16: the signature is not" in err
        assert doc["signatures"][-1]["valid"] is False
        assert inspect(path)[0] == 0


def test_bad_keys_end_the_run():
    code, out, err = run(["inspect", "ima", "--key", MADE / "ima.ascii", MADE / "ima.binary"])
    assert (code, out) == (1, "") and "not one public key" in err
    assert run(["inspect", "ima", "--key", MADE / "missing.pem", MADE / "ima.binary"])[0] == 4


# --- what is refused ---


def test_entries_behind_a_broken_one_are_still_shown():
    data = bytearray((MADE / "ima.binary").read_bytes())
    entry = inspect("-", stdin=bytes(data))[1]["list"][9]
    first_field = entry["offset"] + 4 + 20 + 4 + len(entry["template"]) + 4
    data[first_field : first_field + 4] = b"\xff\xff\xff\xff"
    code, doc, _ = inspect("-", stdin=bytes(data))
    assert code == 1
    assert (doc["malformed"]["entry"], doc["malformed"]["offset"]) == (9, first_field)
    assert (doc["entries"], doc["wrong_template_hashes"]) == (16, [9])
    assert (doc["list"][9]["path"], doc["list"][10]["path"]) == (None, "/etc/spaces_and_(deleted)")


def test_cut_inside_a_record():
    data = (MADE / "ima.binary").read_bytes()
    code, doc, err = inspect("-", stdin=data[:-1])
    assert code == 1 and doc["entries"] == 15 and "cut inside a record" in err
    data = (MADE / "ima.ascii").read_bytes()
    code, doc, err = inspect("-", stdin=data[:-1])
    assert code == 1 and doc["entries"] == 15 and "cut inside a line" in err


def test_empty_list():
    code, doc, _ = inspect("-", stdin=b"")
    assert (code, doc["entries"], doc["list"]) == (0, 0, [])
    assert doc["warnings"] == ["the list has no entries"]


def test_text_that_attacks_the_terminal():
    line = (MADE / "ima.ascii").read_bytes().splitlines(keepends=True)[9].replace(b"/usr/bin/nl", b"/\x1b[2J\xe2\x80\xae")
    code, out, err = run(["inspect", "ima", "-"], line)
    assert code == 1 and "\x1b" not in out + err and "\u202e" not in out + err
    assert inspect("-", stdin=line)[1]["list"][0]["path"] == "/\x1b[2J\u202e"
