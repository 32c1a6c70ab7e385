# SPDX-License-Identifier: Apache-2.0
"""Quotes: the public vectors, and the recorded boots with their logs."""

import fnmatch
import json
import random

import pytest
import support
from quote_support import inspect, serialized_form, values_form

OUT_OF_SCOPE = json.loads((support.ROOT / "tests" / "conformance" / "tpm2-quote-out-of-scope.json").read_text())
CAPTURES = sorted(p.parent.name for p in support.FIXTURES.glob("*/quote-rsa.msg"))  # those with both kinds of key
KEYS = ["ecc", "rsa"]


def out_of_scope(expected):
    features = [f"{name}={expected.get(name)}" for name in ("signature_alg", "signature_hash")]
    return any(fnmatch.fnmatch(f, entry["match"]) for entry in OUT_OF_SCOPE for f in features)


def must_be_refused(expected):
    attest = expected.get("attest", {"magic": "ff544347", "type": "8018"})
    if attest["magic"] != "ff544347" or attest["type"] != "8018":
        return True
    return any(word in expected.get("verdict", "") for word in ("malformed", "trailing"))


def reset_value(pcr, size):
    return ("ff" if 17 <= pcr <= 22 else "00") * size


def replay_of(base, everything, name):
    """The registers that a log of the vectors replays to, from its expected values; None if they do not tell."""
    if name in everything:
        return everything[name].get("replayed_pcrs")
    logs = base.parent / "tcg-eventlog" / "expected.json"
    if not logs.exists():
        return None
    return json.loads(logs.read_text()).get(name.split("/")[-1], {}).get("replayed_pcrs")


def unexplained(expected, replay):
    """What mismatching_pcrs must be: a register that the log extends must be as it says, another as after a reset."""
    extended = {int(n) for bank in replay.values() for n in bank}
    result = {}
    for bank, numbers in expected["attest"]["pcrSelect"]:
        for n in numbers:
            value = expected["pcrs"][bank][str(n)]
            want = replay.get(bank, {}).get(str(n))
            if want is None and n not in extended:
                want = reset_value(n, len(value) // 2)
            if value != want:
                result.setdefault(bank, []).append(n)
    return result


def check_attest(answer, attest):
    assert answer["qualified_signer"] == attest["qualifiedSigner"]
    assert answer["nonce"] == attest["extraData"]
    assert answer["clock"] == {
        "milliseconds": attest["clock"],
        "reset_count": attest["resetCount"],
        "restart_count": attest["restartCount"],
        "safe": attest["safe"],
    }
    assert answer["firmware_version"] == attest["firmwareVersion"]
    assert list(answer["pcr_select"].items()) == [(bank, numbers) for bank, numbers in attest["pcrSelect"]]
    assert answer["pcr_digest"] == attest["pcrDigest"]


def check_answer(base, everything, expected, answer, code):
    check_attest(answer, expected["attest"])
    assert answer["scheme"] == expected["signature_alg"].lower()
    assert answer["hash"] == expected["signature_hash"]
    if expected.get("signature_verifies") is not None:
        assert answer["signature"] == ("ok" if expected["signature_verifies"] else "bad")
    assert answer["nonce_matches"] == expected.get("nonce_matches")
    if answer["pcrs"] is not None and expected.get("pcr_values_match_pcrDigest") is not None:
        assert answer["pcrs"] == ("match" if expected["pcr_values_match_pcrDigest"] else "mismatch")
    if answer["log"] is not None and answer["pcrs"] == "match":
        replay = replay_of(base, everything, expected["event_log"])
        for n, same in expected.get("log_replay_matches_quoted_pcrs", {}).items():
            for bank, _ in expected["attest"]["pcrSelect"]:
                assert (int(n) in answer["mismatching_pcrs"].get(bank, [])) == (not same)
        if replay is not None:
            wrong = unexplained(expected, replay)
            assert answer["mismatching_pcrs"] == wrong
            assert answer["log"] == ("mismatch" if wrong else "explains")
    holds = (
        answer["signature"] == "ok"
        and answer["nonce_matches"] is not False
        and answer["pcrs"] != "mismatch"
        and answer["log"] != "mismatch"
    )
    assert code == (0 if holds else 1)


def run_vector(base, everything, name, tmp_path):
    expected = everything[name]
    folder = base / name
    some = base / next(n for n in everything if (base / n / "ak.pem").exists())
    sig = folder / "signature.bin" if (folder / "signature.bin").exists() else some / "signature.bin"
    pubs = [p for p in (folder / "ak.pem", folder / "ak.tpm2b_public") if p.exists()] or [some / "ak.pem"]
    values = [None]
    if expected.get("pcrs") and expected.get("attest", {}).get("pcrSelect"):
        select = expected["attest"]["pcrSelect"]
        (tmp_path / "values").write_bytes(values_form(select, expected["pcrs"]))
        (tmp_path / "serialized").write_bytes(serialized_form(select, expected["pcrs"]))
        values += [tmp_path / "values", tmp_path / "serialized", *folder.glob("*pcr*.out")]
    log = expected.get("event_log")
    if log is not None:
        log = next((p for p in (base / log, base.parent / log) if p.exists()), None)
    for pub in pubs:
        for pcrs in values:
            code, answer, err = inspect(
                folder / "attest.bin", sig, pub, nonce=expected.get("expected_nonce"), pcrs=pcrs, eventlog=log
            )
            if must_be_refused(expected):
                assert (code, answer) == (1, None) and "byte " in err, (code, err)
                continue
            assert answer is not None, err
            if folder not in pub.parents:
                assert answer["signature"] == "bad"
            check_answer(base, everything, expected, answer, code)
            if pub.name == "ak.tpm2b_public" and "ak_name" in expected:
                assert answer["key"]["name"] == expected["ak_name"]
                assert answer["key"]["attributes"] == expected["ak_attributes"]


def test_vectors(tmp_path):
    base = support.corpus("tpm2-quote")
    everything = json.loads((base / "expected.json").read_text())
    passed, failed, skipped = 0, [], 0
    for name, expected in everything.items():
        if not (base / name / "attest.bin").exists():
            continue
        if out_of_scope(expected):
            code, _, _ = inspect(base / name / "attest.bin", base / name / "signature.bin", base / name / "ak.pem")
            if code != 3:
                failed.append(f"{name}: out of scope, but exit {code} instead of 3")
            skipped += 1
            continue
        try:
            run_vector(base, everything, name, tmp_path)
            passed += 1
        except AssertionError as e:
            failed.append(f"{name}: {e}")
    print(f"tpm2-quote: {passed} pass, {len(failed)} fail, {skipped} out of scope")
    assert passed and not failed, "\n".join(failed)


def capture_files(name, key):
    folder = support.FIXTURES / name
    return folder, folder / f"quote-{key}.msg", folder / f"quote-{key}.sig"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CAPTURES)
def test_logs_explain_every_recorded_quote(name, key):
    folder, msg, sig = capture_files(name, key)
    nonce = (folder / "nonce.hex").read_text().strip()
    for pub in (f"ak-{key}.pem", f"ak-{key}.tpm2b_public"):
        for pcrs in (None, folder / f"quote-{key}.pcrs", folder / "pcrs-all-sha256.bin"):
            for ima in ("ima.binary", "ima.ascii"):
                code, answer, err = inspect(
                    msg, sig, folder / pub, nonce=nonce, pcrs=pcrs,
                    eventlog=folder / "binary_bios_measurements", ima=folder / ima,
                )
                assert code == 0, (err, answer)
                assert answer["log"] == "explains" and answer["mismatching_pcrs"] == {}
                assert answer["pcrs"] == (None if pcrs is None else "match")
                assert answer["ima"]["at_quote"] + answer["ima"]["after_quote"] == answer["ima"]["entries"]
                assert answer["ima"]["extend"] == "hash"
        name_file = folder / f"ak-{key}.name"
        if pub.endswith("public"):
            assert answer["key"]["name"] == name_file.read_bytes().hex()
            assert answer["key"]["attestation_key"] is True


@pytest.mark.parametrize("key", KEYS)
def test_a_bare_public_area_is_read(key, tmp_path):
    folder, msg, sig = capture_files("sbon-good", key)
    area = tmp_path / "tpmt"
    area.write_bytes((folder / f"ak-{key}.tpm2b_public").read_bytes()[2:])
    code, answer, _ = inspect(msg, sig, area)
    assert (code, answer["signature"]) == (0, "ok")


def test_without_the_ima_list_its_register_is_not_explained():
    folder, msg, sig = capture_files("sbon-good", "ecc")
    log = folder / "binary_bios_measurements"
    code, answer, _ = inspect(msg, sig, folder / "ak-ecc.pem", pcrs=folder / "quote-ecc.pcrs", eventlog=log)
    assert (code, answer["log"], answer["mismatching_pcrs"]) == (1, "mismatch", {"sha256": [10]})
    code, answer, _ = inspect(msg, sig, folder / "ak-ecc.pem", eventlog=log)
    assert (code, answer["log"], answer["mismatching_pcrs"]) == (1, "mismatch", {})
    assert answer["pcr_values"] is None


def test_the_list_alone_does_not_explain_the_boot():
    folder, msg, sig = capture_files("sbon-good", "ecc")
    code, answer, _ = inspect(
        msg, sig, folder / "ak-ecc.pem", pcrs=folder / "quote-ecc.pcrs", ima=folder / "ima.binary"
    )
    assert (code, answer["log"]) == (1, "mismatch")
    assert 10 not in answer["mismatching_pcrs"]["sha256"] and 4 in answer["mismatching_pcrs"]["sha256"]
    assert answer["ima"]["at_quote"] is not None


def ascii_lines(folder):
    return (folder / "ima.ascii").read_text().splitlines(keepends=True)


@pytest.mark.parametrize("with_values", [False, True])
def test_what_was_measured_after_the_quote_is_counted(with_values, tmp_path):
    folder, msg, sig = capture_files("sbon-good", "ecc")
    lines = ascii_lines(folder)
    longer = tmp_path / "longer"
    longer.write_text("".join(lines + lines[3:8]))
    code, answer, err = inspect(
        msg, sig, folder / "ak-ecc.pem", eventlog=folder / "binary_bios_measurements", ima=longer,
        pcrs=folder / "quote-ecc.pcrs" if with_values else None,
    )
    assert code == 0, err
    assert (answer["ima"]["entries"], answer["ima"]["after_quote"]) == (len(lines) + 5, 5)


@pytest.mark.parametrize("with_values", [False, True])
def test_a_list_with_an_entry_missing_explains_nothing(with_values, tmp_path):
    folder, msg, sig = capture_files("sbon-good", "ecc")
    lines = ascii_lines(folder)
    other = tmp_path / "list"
    for cut in (lines[:-1], lines[1:], lines[:5] + lines[6:], [lines[1], lines[0]] + lines[2:], []):
        other.write_text("".join(cut))
        code, answer, _ = inspect(
            msg, sig, folder / "ak-ecc.pem", eventlog=folder / "binary_bios_measurements", ima=other,
            pcrs=folder / "quote-ecc.pcrs" if with_values else None,
        )
        assert (code, answer["log"]) == (1, "mismatch")
        assert answer["mismatching_pcrs"] == ({"sha256": [10]} if with_values else {})
        assert answer["ima"]["at_quote"] is None


def test_another_boot_s_log_is_told_by_its_registers():
    folder, msg, sig = capture_files("sboff-tampered-cmdline", "ecc")
    good = support.FIXTURES / "sboff-good"
    code, answer, _ = inspect(
        msg, sig, folder / "ak-ecc.pem", pcrs=folder / "quote-ecc.pcrs",
        eventlog=good / "binary_bios_measurements", ima=folder / "ima.binary",
    )
    assert (code, answer["mismatching_pcrs"]) == (1, {"sha256": [4, 9, 11]})


@pytest.mark.parametrize("key", KEYS)
def test_no_flipped_bit_cut_or_added_byte_holds(key, tmp_path):
    folder, msg, sig = capture_files("sbon-good", key)
    pub = folder / f"ak-{key}.pem"
    rng = random.Random(key)
    tried = 0
    for which in (msg, sig):
        original = which.read_bytes()
        changed = tmp_path / "changed"
        variants = [original[:n] for n in rng.sample(range(len(original)), 20)] + [original + b"\0"]
        for bit in rng.sample(range(8 * len(original)), 60):
            data = bytearray(original)
            data[bit // 8] ^= 1 << bit % 8
            variants.append(bytes(data))
        for data in variants:
            changed.write_bytes(data)
            files = (changed, sig) if which == msg else (msg, changed)
            code, answer, err = inspect(*files, pub)
            tried += 1
            assert code in (1, 3), (code, err)
            assert answer is None or answer["signature"] == "bad"
    assert tried > 100


@pytest.mark.parametrize("args,code", [
    (["--msg", "x"], 2),
    (["--nonce", "0g", "--msg", "a", "--sig", "a", "--pub", "a"], 2),
    (["--nonce", "00" * 67, "--msg", "a", "--sig", "a", "--pub", "a"], 2),
    (["--msg", "/nonexistent", "--sig", "/nonexistent", "--pub", "/nonexistent"], 4),
    (["file"], 2),
    (["--help"], 0),
])
def test_exit_codes(args, code):
    assert support.run(["inspect", "quote", *args])[0] == code


def test_refusals_name_file_and_byte(tmp_path):
    folder, msg, sig = capture_files("sbon-good", "ecc")
    cut = tmp_path / "cut"
    cut.write_bytes(msg.read_bytes()[:-1])
    code, _, err = support.run(["inspect", "quote", "--msg", cut, "--sig", sig, "--pub", folder / "ak-ecc.pem"])
    assert code == 1 and f"{cut}: byte " in err and "TPMS_QUOTE_INFO.pcrDigest" in err
    for bad in (b"", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", b"\x30\x03\x02\x01\x01", b"\0\x01"):
        cut.write_bytes(bad)
        code, _, err = support.run(["inspect", "quote", "--msg", msg, "--sig", sig, "--pub", cut])
        assert code == 1 and "byte " in err
    cut.write_bytes(b"\0" * 31)
    code, _, err = support.run(
        ["inspect", "quote", "--msg", msg, "--sig", sig, "--pub", folder / "ak-ecc.pem", "--pcrs", cut]
    )
    assert code == 1 and "byte 0" in err
    code, _, err = support.run(
        ["inspect", "quote", "--msg", msg, "--sig", sig, "--pub", folder / "ak-ecc.pem", "--eventlog", cut]
    )
    assert code == 1


def test_the_page_says_what_holds():
    folder, msg, sig = capture_files("sbon-good", "rsa")
    args = ["inspect", "quote", "--msg", msg, "--sig", sig, "--pub", folder / "ak-rsa.tpm2b_public"]
    full = args + ["--pcrs", folder / "quote-rsa.pcrs", "--eventlog", folder / "binary_bios_measurements",
                   "--ima", folder / "ima.binary", "--nonce", (folder / "nonce.hex").read_text().strip()]
    code, out, _ = support.run(full)
    assert code == 0 and "What was asked holds." in out and "sha256: PCR 0-14" in out
    code, out, _ = support.run(args + ["--nonce", "00", "--eventlog", folder / "binary_bios_measurements"])
    assert code == 1 and "The quote does not hold." in out and "NOT the expected one" in out
    assert "--ima" in out and "--pcrs" in out  # what to give to learn more
