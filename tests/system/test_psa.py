# SPDX-License-Identifier: Apache-2.0
"""`chainhold inspect psa` against the public vectors, and against tokens made here."""

import base64
import binascii
import fnmatch
import hmac
import json

import pytest
import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jsonschema import Draft202012Validator

from cbor_tool import Signer, Tagged, encode
from support import ROOT, corpus, run

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/schema/inspect-psa.schema.json").read_text("utf-8")))
FAILS, UNSUPPORTED = 1, 3
KEY_FILES = (".pem", ".jwk", ".key", ".md")

# Claim: key in profile 1, key in the later profiles.
KEYS = {
    "profile": (-75000, 265),
    "nonce": (-75008, 10),
    "instance_id": (-75009, 256),
    "implementation_id": (-75003, 2396),
    "client_id": (-75001, 2394),
    "security_lifecycle": (-75002, 2395),
    "boot_seed": (-75004, 268),
    "certification_reference": (-75005, 2398),
    "software_components": (-75006, 2399),
    "no_software_measurements": (-75007, None),
    "verification_service": (-75010, 2400),
}
FIELDS = {"measurement_type": 1, "measurement_value": 2, "version": 4, "signer_id": 5, "measurement_description": 6}

# Names that the JSON claims use, by profile.
JSON_NAMES = {
    1: {
        "psa-profile": "profile",
        "psa-hwver": "certification_reference",
        "psa-no-software-measurements": "no_software_measurements",
    },
    2: {"eat-profile": "profile"},
}
JSON_COMMON = {
    "psa-client-id": "client_id",
    "psa-security-lifecycle": "security_lifecycle",
    "psa-implementation-id": "implementation_id",
    "psa-boot-seed": "boot_seed",
    "psa-software-components": "software_components",
    "psa-nonce": "nonce",
    "psa-instance-id": "instance_id",
    "psa-verification-service-indicator": "verification_service",
    "psa-certification-reference": "certification_reference",
}
YAML_NAMES = {
    "instance_id": "instance_id",
    "implementation_id": "implementation_id",
    "challenge": "nonce",
    "client_id": "client_id",
    "hardware_version": "certification_reference",
    "security_lifecycle": "security_lifecycle",
    "profile_id": "profile",
    "boot_seed": "boot_seed",
    "sw_components": "software_components",
    "no_sw_measurements": "no_software_measurements",
    "sw_component_type": "measurement_type",
    "sw_component_version": "version",
    "signer_id": "signer_id",
    "measurement_value": "measurement_value",
    "measurement_description": "measurement_description",
}
LIFECYCLE = {"sl_unknown": 0, "sl_secured": 0x3000, "sl_non_psa_rot_debug": 0x4000}


def inspect(path, *args):
    """(exit code, parsed JSON or None, message); what is printed always keeps the schema."""
    code, out, err = run(["inspect", "psa", "--json", *args, path])
    report = json.loads(out) if out else None
    if report is not None:
        SCHEMA.validate(report)
    return code, report, err


def token_keys(claims, profile):
    """Claims by name to claims by key."""
    out = {}
    for name, value in claims.items():
        if name == "software_components" and isinstance(value, list):
            value = [{FIELDS.get(field, field): item for field, item in entry.items()} for entry in value]
        key = KEYS[name][profile - 1] if name in KEYS else name
        if key is not None:
            out[key] = value
    return out


def is_valid(tmp_path, claims):
    signer = Signer()
    (tmp_path / "key").write_bytes(signer.pem())
    (tmp_path / "token").write_bytes(signer.sign1(encode(claims)))
    code, report, err = inspect(tmp_path / "token", "--key", tmp_path / "key")
    assert code in (0, FAILS), err
    assert report is None or report["signature"] == "ok"
    assert report is not None or code == FAILS
    assert report is None or (code == 0) == report["valid"]
    return code == 0


def from_base64(value):
    if isinstance(value, list):
        return [from_base64(item) for item in value]
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return value


def from_json(document, profile):
    """The claims of a JSON file, by the names that a profile has."""
    names = JSON_COMMON | JSON_NAMES[profile]
    out = {}
    for name, value in document.items():
        if name not in names or (name == "psa-hwver" and "psa-certification-reference" in document):
            continue
        claim = names[name]
        if claim in ("nonce", "instance_id", "implementation_id", "boot_seed"):
            value = from_base64(value)
        if claim == "software_components" and isinstance(value, list):
            value = [
                {
                    field.replace("-", "_"): from_base64(item) if field in ("measurement-value", "signer-id") else item
                    for field, item in entry.items()
                }
                for entry in value
            ]
        out[claim] = value
    return out


def json_wrong(path, row, tmp_path):
    document = json.loads(path.read_text("utf-8"))
    for profile in (1, 2):
        want = row.get(f"valid_as_profile_{profile}")
        claims = token_keys(from_json(document, profile), profile)
        if want is not None and is_valid(tmp_path, claims) != want:
            return f"as profile {profile} it should be {'valid' if want else 'invalid'}"
    return None


def yaml_wrong(path, tmp_path):
    """Upstream signs what the file says; the name says whether it has a defect."""
    document = yaml.safe_load(path.read_text("utf-8"))
    claims = {YAML_NAMES.get(name, name): value for name, value in document.items()}
    claims["security_lifecycle"] = LIFECYCLE.get(claims.get("security_lifecycle"), claims.get("security_lifecycle"))
    if claims["security_lifecycle"] is None:
        del claims["security_lifecycle"]
    claims["software_components"] = [
        {YAML_NAMES.get(field, field): item for field, item in entry.items()}
        for entry in claims.get("software_components", [])
    ]
    if claims.get("profile") == "http://example.com":
        del claims["profile"]  # the example's own, which no profile has
    good = is_valid(tmp_path, token_keys(claims, 1))
    bad_by_name = any(word in path.stem for word in ("invalid", "missing"))
    return None if good != bad_by_name else f"valid: {good}"


def claims_wrong(want, report):
    """Compares the claims that the vectors list by key with those that were printed by name."""
    profile = 1 if any(int(key) <= -75000 for key in want) else 2
    other = {str(item["key"]): item["value"] for item in report["claims"]["other"]}
    by_key = {str(keys[profile - 1]): name for name, keys in KEYS.items()}
    if report["profile"] == "http://arm.com/psa/2.0.0":
        by_key["2397"] = "boot_seed"
    for key, value in want.items():
        name = by_key.get(key)
        got = report["claims"][name] if name is not None else other.get(key)
        if name == "software_components":
            got = [{str(FIELDS[field]): item for field, item in entry.items() if item is not None} for entry in got]
            value = [{k: v["h"] if isinstance(v, dict) else v for k, v in entry.items()} for entry in value]
        if got != (value["h"] if isinstance(value, dict) else value):
            return f"claim {key}: {got}"
    return None


def token_wrong(path, row):
    args = ["--key", path.parent / row["key"]] if row.get("key") else []
    code, report, err = inspect(path, *args)
    verdict = row.get("verdict", "")
    if verdict.startswith("reject") or row.get("alg", "").startswith("absent"):
        return None if code == FAILS and report is None else f"not refused: exit {code}"
    if report is None:
        return f"exit {code}: {err}"
    if row.get("key") and report["signature"] != ("ok" if row["signature_verifies"] else "bad"):
        return f"signature {report['signature']}"
    if verdict.startswith("accept") and code != 0:
        return f"exit {code}: {report['violations']}"
    if row.get("alg") and report["alg"] != row["alg"]:
        return f"alg {report['alg']}"
    return claims_wrong(row.get("claims", {}), report)


def out_of_scope(name):
    rows = json.loads((ROOT / "tests" / "conformance" / "psa-out-of-scope.json").read_text("utf-8"))
    return any(fnmatch.fnmatch(name, row["match"]) for row in rows)


def refusal_wrong(path):
    """What is out of scope is refused: as unsupported if it is CBOR, JSON or DER, as malformed if it is none of them."""
    code, report, err = inspect(path)
    want = (FAILS, UNSUPPORTED) if path.suffix in (".diag", ".yaml") or path.parent.name == "synthetic" else (UNSUPPORTED,)
    return "out of scope" if code in want and report is None else f"not refused: exit {code} {err}"


def judge(path, name, row, tmp_path):
    if out_of_scope(name):
        return refusal_wrong(path)
    if path.suffix == ".json":
        return json_wrong(path, row, tmp_path)
    if path.suffix == ".yaml":
        return yaml_wrong(path, tmp_path)
    return token_wrong(path, row)


def test_every_vector_has_its_verdict(tmp_path, capsys):
    counts = {"pass": 0, "fail": 0, "out of scope": 0}
    failures = []
    folder = corpus("psa-eat")
    listed = json.loads((folder / "expected.json").read_text("utf-8"))
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.suffix in KEY_FILES or name == "expected.json":
            continue
        what = judge(path, name, listed.get(name, {}), tmp_path)
        counts["pass" if what is None else "out of scope" if what == "out of scope" else "fail"] += 1
        if what not in (None, "out of scope"):
            failures.append(f"{name}: {what}")
    with capsys.disabled():
        print(f"\npsa: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n".join(failures)
    assert counts["pass"] > 0


# --- tokens made here ---


def claims_tfm(**changes):
    claims = {
        "profile": "tag:psacertified.org,2023:psa#tfm",
        "nonce": bytes(range(32)),
        "instance_id": b"\x01" + bytes(32),
        "implementation_id": bytes(32),
        "client_id": -1,
        "security_lifecycle": 0x3001,
        "software_components": [{"measurement_value": bytes(32), "signer_id": bytes(48)}],
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


@pytest.fixture(name="signer")
def fixture_signer(tmp_path):
    signer = Signer()
    (tmp_path / "key").write_bytes(signer.pem())
    return signer


def judged(tmp_path, token, key=True):
    (tmp_path / "token").write_bytes(token)
    return inspect(tmp_path / "token", *(["--key", tmp_path / "key"] if key else []))


def test_a_token_of_rfc_9783_holds(signer, tmp_path):
    code, report, _ = judged(tmp_path, signer.sign1(encode(token_keys(claims_tfm(), 2))))
    assert code == 0 and report["valid"] and report["signature"] == "ok"
    assert report["lifecycle"] == {"value": 0x3001, "state": "secured", "trusted": True}
    assert report["warnings"] == []


@pytest.mark.parametrize(
    "claim, value",
    [
        ("nonce", bytes(31)),
        ("nonce", bytes(33)),
        ("nonce", None),
        ("instance_id", b"\x02" + bytes(32)),
        ("instance_id", b"\x01" + bytes(33)),
        ("implementation_id", bytes(31)),
        ("client_id", 0),
        ("client_id", 1 << 31),
        ("client_id", -(1 << 31) - 1),
        ("security_lifecycle", 0x0100),
        ("security_lifecycle", 0x7000),
        ("security_lifecycle", 0x13000),
        ("boot_seed", bytes(7)),
        ("boot_seed", bytes(33)),
        ("certification_reference", "123456789012-12345"),
        ("certification_reference", "1234567890123"),
        ("software_components", []),
        ("software_components", None),
        ("software_components", [{"signer_id": bytes(32)}]),
        ("software_components", [{"measurement_value": bytes(32), "signer_id": bytes(31)}]),
        ("profile", None),
    ],
)
def test_each_rule_is_kept(signer, tmp_path, claim, value):
    token = signer.sign1(encode(token_keys(claims_tfm(**{claim: value}), 2)))
    code, report, _ = judged(tmp_path, token)
    assert code == FAILS and not report["valid"]
    assert [violation["claim"] for violation in report["violations"]] == [claim]


def test_every_flipped_bit_is_noticed(signer, tmp_path):
    token = bytearray(signer.sign1(encode(token_keys(claims_tfm(), 2))))
    for at in range(len(token)):
        token[at] ^= 1 << at % 8
        code, report, _ = judged(tmp_path, bytes(token))
        assert code in (FAILS, UNSUPPORTED), at
        assert report is None or report["signature"] == "bad", at
        token[at] ^= 1 << at % 8


def test_every_cut_and_a_trailing_byte_are_refused(signer, tmp_path):
    token = signer.sign1(encode(token_keys(claims_tfm(), 2)))
    for n in range(len(token)):
        code, report, _ = judged(tmp_path, token[:n])
        assert code == FAILS and report is None, n
    code, report, _ = judged(tmp_path, token + b"\0")
    assert code == FAILS and report is None


def test_unknown_claims_are_shown_and_not_judged(signer, tmp_path):
    claims = token_keys(claims_tfm(), 2) | {258: b"\x01", -70001: {1: 2}, "note": "x\u202e", 262: True, 6: 1}
    code, report, _ = judged(tmp_path, signer.sign1(encode(claims)))
    assert code == 0
    assert report["claims"]["other"] == [
        {"key": 258, "name": "oemid", "type": "bytes", "value": "01"},
        {"key": -70001, "name": None, "type": "cbor", "value": "a10102"},
        {"key": "note", "name": None, "type": "text", "value": "x\u202e"},
        {"key": 262, "name": "oemboot", "type": "bool", "value": True},
        {"key": 6, "name": "iat", "type": "int", "value": 1},
    ]


def test_a_lifecycle_that_cannot_be_trusted_is_told(signer, tmp_path):
    token = signer.sign1(encode(token_keys(claims_tfm(security_lifecycle=0x5000), 2)))
    code, report, _ = judged(tmp_path, token)
    assert code == 0 and report["lifecycle"]["state"] == "recoverable-psa-rot-debug"
    assert not report["lifecycle"]["trusted"] and "lifecycle" in report["warnings"][0]


@pytest.mark.parametrize(
    "protected, code",
    [
        ({}, FAILS),
        ({1: -47}, UNSUPPORTED),
        ({1: 5}, UNSUPPORTED),
        ({1: -7, 2: [33], 33: b""}, FAILS),
        ({1: -7, 2: [4], 4: b"k"}, 0),
        ({1: -7, 2: [4]}, FAILS),
    ],
)
def test_headers(signer, tmp_path, protected, code):
    payload = encode(token_keys(claims_tfm(), 2))
    assert judged(tmp_path, signer.sign1(payload, protected))[0] == code


def test_an_algorithm_in_the_unprotected_header_does_not_count(signer, tmp_path):
    payload = encode(token_keys(claims_tfm(), 2))
    code, report, err = judged(tmp_path, signer.sign1(payload, {}, {1: -7}))
    assert code == FAILS and report is None and "algorithm" in err


@pytest.mark.parametrize("tag", [16, 61, 96, 97, 98, 399, 601, 602, 907])
def test_other_kinds_are_unsupported(tmp_path, tag):
    (tmp_path / "token").write_bytes(encode(Tagged(tag, [b"", {}, b"", b""])))
    code, report, _ = inspect(tmp_path / "token")
    assert code == UNSUPPORTED and report is None


def test_an_untagged_message_is_refused(signer, tmp_path):
    payload = encode(token_keys(claims_tfm(), 2))
    assert judged(tmp_path, signer.sign1(payload, tag=None))[0] == FAILS
    assert judged(tmp_path, signer.sign1(payload, tag=17))[0] == FAILS


def test_keys_of_the_wrong_kind(signer, tmp_path):
    payload = encode(token_keys(claims_tfm(), 2))
    other = Signer()
    (tmp_path / "other").write_bytes(other.pem())
    (tmp_path / "oct").write_text('{"kty":"oct","k":"AAAA"}', "utf-8")
    (tmp_path / "token").write_bytes(signer.sign1(payload))
    assert inspect(tmp_path / "token", "--key", tmp_path / "other")[1]["signature"] == "bad"
    assert inspect(tmp_path / "token", "--key", tmp_path / "oct")[0] == FAILS
    assert inspect(tmp_path / "token", "--key", tmp_path / "token")[0] in (FAILS, UNSUPPORTED)
    # A public key is not a shared secret, whatever the token says.
    mac = encode(Tagged(17, [encode({1: 5}), {}, payload, bytes(32)]))
    assert judged(tmp_path, mac)[0] == FAILS


def other_signer(kind):
    """(algorithm, private key, what makes its signature over bytes)."""
    if kind == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
        return -8, key, key.sign
    if kind == "RSA":
        key = rsa.generate_private_key(65537, 2048)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return -37, key, lambda tbs: key.sign(tbs, pss, hashes.SHA256())
    curve, alg, digest, size = {
        "P-384": (ec.SECP384R1(), -35, hashes.SHA384(), 48),
        "P-521": (ec.SECP521R1(), -36, hashes.SHA512(), 66),
        "ESP256": (ec.SECP256R1(), -9, hashes.SHA256(), 32),
    }[kind]
    key = ec.generate_private_key(curve)

    def sign(tbs):
        return b"".join(n.to_bytes(size, "big") for n in decode_dss_signature(key.sign(tbs, ec.ECDSA(digest))))

    return alg, key, sign


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("kind", ["Ed25519", "RSA", "P-384", "P-521", "ESP256"])
def test_other_algorithms(tmp_path, kind, encoding):
    alg, key, sign = other_signer(kind)
    header, payload = encode({1: alg}), encode(token_keys(claims_tfm(), 2))
    signature = sign(encode(["Signature1", header, b"", payload]))
    (tmp_path / "key").write_bytes(key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo))
    code, report, err = judged(tmp_path, encode(Tagged(18, [header, {}, payload, signature])))
    assert code == 0 and report["signature"] == "ok", err
    code, report, _ = judged(tmp_path, encode(Tagged(18, [header, {}, payload, signature[:-1] + b"\0\0"])))
    assert code == FAILS and report["signature"] == "bad"


@pytest.mark.parametrize("alg, digest, size", [(4, "sha256", 8), (5, "sha256", 32), (6, "sha384", 48), (7, "sha512", 64)])
def test_macs_with_raw_and_jwk_keys(tmp_path, alg, digest, size):
    secret = b"{" + bytes(range(200, 231))  # raw bytes may start like JSON
    header, payload = encode({1: alg}), encode(token_keys(claims_tfm(), 2))
    tag = hmac.new(secret, encode(["MAC0", header, b"", payload]), digest).digest()[:size]
    token = encode(Tagged(17, [header, {}, payload, tag]))
    (tmp_path / "key").write_bytes(secret)
    assert judged(tmp_path, token)[1]["signature"] == "ok"
    text = base64.urlsafe_b64encode(secret).decode("ascii").rstrip("=")
    (tmp_path / "key").write_text(json.dumps({"kty": "oct", "k": text}), "utf-8")
    assert judged(tmp_path, token)[1]["signature"] == "ok"
    (tmp_path / "key").write_bytes(bytes(32))
    code, report, _ = judged(tmp_path, token)
    assert code == FAILS and report["signature"] == "bad"


def test_the_page_says_it_in_words(signer, tmp_path):
    (tmp_path / "token").write_bytes(signer.sign1(encode(token_keys(claims_tfm(certification_reference="\x1b[2J"), 2))))
    code, out, _ = run(["inspect", "psa", "--key", tmp_path / "key", tmp_path / "token"])
    assert code == FAILS
    assert "\x1b" not in out and "\\x1b[2J" in out
    assert "secured" in out and "break rules" in out
    pem = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "other").write_bytes(pem)
    code, out, _ = run(["inspect", "psa", "--key", tmp_path / "other", tmp_path / "token"])
    assert code == FAILS and out.endswith("The signature was not made by this key: the claims are not the device's.\n")
