# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect ekcert over recorded certificates and the public vectors of tpm2-certs."""

import fnmatch
import json
import re
import shutil
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest
from support import FIXTURES, ROOT, corpus, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-ekcert.schema.json").read_text())
OUT_OF_SCOPE = json.loads((ROOT / "tests/conformance/tpm2-certs-out-of-scope.json").read_text())
CAPTURED = sorted(p for d in FIXTURES.iterdir() for p in [*d.glob("ek-*.crt.der"), *d.glob("platform.crt.der")])
AT = "2026-11-25T00:00:00Z"
KEY_NAME = {"RSAPublicKey": ["RSA"], "ECPublicKey": ["P-256", "P-384", "P-521"], "Ed25519PublicKey": ["Ed25519"]}
RFC3339 = "%Y-%m-%dT%H:%M:%SZ"


def inspect(path, *options):
    rc, out, err = run(["inspect", "ekcert", "--json", *options, path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


# --- recorded certificates ---


@pytest.mark.parametrize("path", CAPTURED, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_captured_certificates_are_trusted(path):
    rc, report, err = inspect(path, "--roots", FIXTURES / "ca", "--time", AT)
    assert (rc, err) == (0, "")
    assert report["chain"] == "trusted"
    assert report["chain_path"] == ["CN=unknown", "CN=swtpm-localca", "CN=swtpm-localca-rootca"]
    assert report["violations"] == [] and report["warnings"] == []
    if path.name.startswith("ek-"):
        assert report["kind"] == "ek"
        assert report["tpm"]["model"] == "swtpm"
        assert [d["vendor"] for d in report["defects"]] == ["swtpm"]
    else:
        assert report["kind"] == "platform"
        assert report["platform"]["manufacturer"] == "IoTGW"


def test_roots_decide(tmp_path):
    good = FIXTURES / "sboff-good" / "ek-rsa2048.crt.der"
    roots = tmp_path / "roots"
    roots.mkdir()
    rc, report, _ = inspect(good, "--roots", roots, "--time", AT)
    assert (rc, report["chain"]) == (1, "untrusted")
    shutil.copy(FIXTURES / "ca" / "swtpm-localca-rootca-cert.pem", roots)
    rc, report, _ = inspect(good, "--roots", roots, "--time", AT)
    assert (rc, report["chain"], len(report["chain_path"])) == (1, "untrusted", 1)
    shutil.copy(FIXTURES / "ca" / "issuercert.pem", roots)
    rc, report, _ = inspect(good, "--roots", roots, "--time", AT)
    assert (rc, report["chain"]) == (0, "trusted")


def pem_of(der):
    import base64

    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def test_links_may_follow_in_the_file(tmp_path):
    leaf = pem_of((FIXTURES / "sboff-good" / "ek-rsa2048.crt.der").read_bytes())
    roots = tmp_path / "roots"
    roots.mkdir()
    shutil.copy(FIXTURES / "ca" / "swtpm-localca-rootca-cert.pem", roots)
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(leaf + (FIXTURES / "ca" / "issuercert.pem").read_text())
    rc, report, _ = inspect(bundle, "--roots", roots, "--time", AT)
    assert (rc, report["chain"], len(report["chain_path"])) == (0, "trusted", 3)
    # a root that comes along is not trusted for that
    bundle.write_text("".join([leaf, *[p.read_text() for p in sorted((FIXTURES / "ca").glob("*.pem"))]]))
    empty = tmp_path / "empty"
    empty.mkdir()
    rc, report, _ = inspect(bundle, "--roots", empty, "--time", AT)
    assert (rc, report["chain"], len(report["chain_path"])) == (1, "untrusted", 3)


def test_time_decides():
    good = FIXTURES / "sboff-good" / "ek-rsa2048.crt.der"
    rc, report, _ = inspect(good, "--roots", FIXTURES / "ca", "--time", "2020-01-01T00:00:00Z")
    assert rc == 1 and any("not yet valid" in v for v in report["violations"])
    assert any(v.startswith("CN=swtpm-localca: ") for v in report["violations"])
    rc, report, _ = inspect(good, "--time", "2020-01-01T00:00:00Z")
    assert rc == 0 and report["chain"] is None and any("not yet valid" in w for w in report["warnings"])


def test_nv_memory_forms(tmp_path):
    der = (FIXTURES / "sboff-good" / "ek-secp384r1.crt.der").read_bytes()
    header = b"\x10\x01\x00" + (len(der) + 2).to_bytes(2, "big") + b"\x10\x02"
    file = tmp_path / "nv"
    for data, defects in [(header + der, 1), (der + b"\xff" * 40, 1), (der + bytes(9), 1), (header + der + b"\xff", 2)]:
        file.write_bytes(data)
        rc, report, _ = inspect(file, "--roots", FIXTURES / "ca", "--time", AT)
        assert (rc, len(report["defects"])) == (0, 1 + defects)
    file.write_bytes(der + b"\x01")
    rc, report, err = inspect(file)
    assert (rc, report) == (1, None)
    assert f"byte {len(der)}" in err and "padding" in err


def test_every_flipped_bit_of_what_is_signed_is_noticed(tmp_path):
    der = bytearray((FIXTURES / "sboff-good" / "ek-secp384r1.crt.der").read_bytes())
    file = tmp_path / "flipped"
    for i in range(0, len(der) * 8, 37):  # a sample: the unit tests read all of them
        der[i // 8] ^= 1 << i % 8
        file.write_bytes(der)
        rc, report, _ = inspect(file, "--roots", FIXTURES / "ca", "--time", AT)
        assert rc in (1, 3), i
        der[i // 8] ^= 1 << i % 8


@pytest.mark.parametrize(
    "args, rc",
    [
        ([], 2),
        (["--time", "yesterday", FIXTURES / "ca" / "issuercert.pem"], 2),
        (["/nonexistent"], 4),
        (["--roots", "/nonexistent", FIXTURES / "ca" / "issuercert.pem"], 4),
        ([FIXTURES / "README.md"], 1),
        ([FIXTURES / "ca" / "issuercert.pem"], 0),
    ],
)
def test_exit_codes(args, rc):
    assert run(["inspect", "ekcert", *args])[0] == rc


def test_the_page_is_for_people():
    rc, out, _ = run(["inspect", "ekcert", "--roots", FIXTURES / "ca", "--time", AT, CAPTURED[0]])
    assert rc == 0
    for words in ["Endorsement key certificate", "CN=swtpm-localca", "trusted", "known of swtpm"]:
        assert words in out


# --- public vectors ---


def out_of_scope(name):
    return next((row["reason"] for row in OUT_OF_SCOPE if fnmatch.fnmatch(name, row["match"])), None)


def judge_time(report):
    """A moment after the certificate begins to be valid: those that expired are judged as of then."""
    begin = datetime.strptime(report["not_before"], RFC3339).replace(tzinfo=timezone.utc)
    return (begin + timedelta(days=1)).strftime(RFC3339)


def check_decoded(want, report):
    for field in ("subject", "issuer"):
        assert report[field] == want[field], field
    assert int(report["serial"], 16) == int(want["serial"], 16)
    for field in ("not_before", "not_after"):
        theirs = datetime.fromisoformat(want[field])
        assert datetime.strptime(report[field], RFC3339).replace(tzinfo=timezone.utc) == theirs, field
    assert [[e["oid"], e["critical"]] for e in report["extensions"]] == want["extensions"]
    assert report["key"]["type"] in KEY_NAME.get(want["key"], [None])


def issuers(base, path, want):
    """The vector's issuers, by file name anywhere in the topic; None if one of them is not here."""
    names = [*want.get("chain", []), *([want["signed_by"]] if "signed_by" in want else [])]
    if not names:  # said to verify, or not to, against the whole store
        return [p for p in certificates(base) if p.parent.name == "store" and p != path]
    found = {name: next((p for p in sorted(base.rglob(name)) if p != path), None) for name in names}
    return None if None in found.values() else list(found.values())


def check_chain(base, path, want, report, scratch):
    if "signature_chain_verifies" in want:
        expected = want["signature_chain_verifies"]
    elif "upstream_expected_verify" in want:
        expected = "True" in want["upstream_expected_verify"]
    else:
        return
    files = issuers(base, path, want)
    if files is None:
        return  # only decoding can be checked
    for p in files:
        shutil.copy(p, scratch)
    rc, judged, _ = inspect(path, "--roots", scratch, "--time", judge_time(report))
    assert (judged["chain"] == "trusted") == expected, judged["violations"]
    assert (rc == 0) == expected, judged["violations"]


OID = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11", "L": "2.5.4.7", "ST": "2.5.4.8", "C": "2.5.4.6"}


def go_name(name):
    """The attributes of a Go pkix.Name: sorted types and values."""
    return sorted((".".join(map(str, n["Type"])), str(n["Value"])) for n in name["Names"] or [])


def our_name(text):
    """The same of our RFC 4514 text."""
    parts = re.split(r"(?<!\\)[,+]", text or "")
    pairs = [re.sub(r"\\(.)", r"\1", p).split("=", 1) for p in parts if p]
    return sorted((OID.get(k, k), v) for k, v in pairs)


def check_platform(want, report):
    """The parse result that google/go-attestation keeps next to its attribute certificates."""
    assert (report["kind"], report["form"]) == ("platform", "attribute-certificate")
    assert int(report["serial"], 16) == want["SerialNumber"]
    assert report["not_before"] == want["NotBefore"] and report["not_after"] == want["NotAfter"]
    assert our_name(report["issuer"]) == go_name(want["Issuer"])
    assert our_name(report["holder"]["issuer"]) == go_name(want["Holder"]["Issuer"])
    assert int(report["holder"]["serial"], 16) == want["Holder"]["Serial"]
    for ours, theirs in [("manufacturer", "Manufacturer"), ("model", "Model"), ("version", "Version"), ("serial", "Serial")]:
        assert (report["platform"][ours] or "") == want["Platform" + theirs], ours


def certificates(base):
    return sorted(p for ext in ("der", "cer", "crt", "pem") for p in base.rglob(f"*.{ext}"))


def one_vector(base, path, want, scratch):
    rc, report, err = inspect(path)
    assert report is not None, f"exit {rc}: {err}"
    if "subject" in want:
        check_decoded(want, report)
    go = path.with_name(path.name + ".json")
    if go.exists():
        check_platform(json.loads(go.read_text()), report)
    check_chain(base, path, want, report, scratch)
    assert rc == 0, report["violations"]


def test_public_vectors(tmp_path, capsys):
    base = corpus("tpm2-certs")
    expected = json.loads((base / "expected.json").read_text())
    passed, failed, excluded = 0, [], 0
    paths = sorted({*certificates(base), *(base / name for name in expected)})
    for i, path in enumerate(paths):
        name = str(path.relative_to(base))
        if out_of_scope(name):
            excluded += 1
            rc = inspect(path)[0]
            assert rc >= 0, name
            continue
        scratch = tmp_path / str(i)
        scratch.mkdir()
        try:
            one_vector(base, path, expected.get(name, {}), scratch)
            passed += 1
        except AssertionError as e:
            failed.append(f"{name}: {str(e).splitlines()[0]}")
    with capsys.disabled():
        print(f"\ntpm2-certs: {passed} pass, {len(failed)} fail, {excluded} out of scope")
    assert not failed, "\n".join(failed)
    assert passed > 0
