# SPDX-License-Identifier: Apache-2.0
"""core/wire/cose against the public vectors: COSE_Sign1 and COSE_Mac0 hold or fail as stated, other kinds are refused."""

import base64
import fnmatch
import json
import os
import subprocess
from pathlib import Path

import pytest

from support import BIN, ROOT, corpus

DRIVER = Path(os.environ.get("CHAINHOLD_COSE_DRIVER", BIN.parent / "tests" / "cose_driver"))
UNSUPPORTED = 3
KINDS = {"sign0": "sign1", "mac0": "mac0"}
ALGS = {
    "ES256": -7,
    "ES384": -35,
    "ES512": -36,
    "EdDSA": -8,
    "PS256": -37,
    "PS384": -38,
    "PS512": -39,
    "HS256/64": 4,
    "HS256": 5,
    "HS384": 6,
    "HS512": 7,
}


def drive(*args):
    if not DRIVER.exists():
        pytest.skip(f"no {DRIVER}; build it with -Dtests=true")
    done = subprocess.run([str(DRIVER), *map(str, args)], capture_output=True, timeout=60, check=False)
    said = dict(line.split(" ", 1) for line in done.stdout.decode("utf-8").splitlines())
    return done.returncode, said, done.stderr.decode("utf-8").strip()


def jwk(key):
    """The examples write numbers in base64url, or in hex under a name with _hex; private numbers are left out."""
    out = {}
    for name, value in key.items():
        if name.endswith("_hex"):
            value = base64.urlsafe_b64encode(bytes.fromhex(value)).decode("ascii").rstrip("=")
        if name.removesuffix("_hex") in ("kty", "crv", "x", "y", "n", "e", "k"):
            out[name.removesuffix("_hex")] = value.rstrip("=")
    return out


def features(vector, kind):
    """What a list of what is out of scope can name."""
    part = vector["input"][kind]
    names = [f"kind={kind}"]
    if kind in KINDS:
        names.append(f"alg={part.get('alg')}")
        key = part.get("key") or part["recipients"][0]["key"]
        names.append(f"crv={key.get('crv')}")
    return names


def out_of_scope(names):
    rows = json.loads((ROOT / "tests" / "conformance" / "cose-out-of-scope.json").read_text("utf-8"))
    return any(fnmatch.fnmatch(name, row["match"]) for row in rows for name in names)


def judge(vector, kind, tmp_path):
    """The driver's answer to a message of a kind that is in scope."""
    part = vector["input"][kind]
    key = part.get("key") or part["recipients"][0]["key"]
    (tmp_path / "message").write_bytes(bytes.fromhex(vector["output"]["cbor"]))
    (tmp_path / "key").write_text(json.dumps(jwk(key)), "utf-8")
    # The algorithm is what the example is made for, so that one whose header lacks it is verified by context.
    alg = ALGS.get(part.get("alg"), 0)
    return drive(KINDS[kind], tmp_path / "message", tmp_path / "key", alg, part.get("external", ""))


def wrong(vector, kind, fail, tmp_path):
    code, said, why = judge(vector, kind, tmp_path)
    if code < 0 or code not in (0, 1, UNSUPPORTED):
        return f"exit {code} {why}"
    if (code != 0) != fail:
        return f"exit {code} {why}"
    if not fail and said["tbs"] != vector["intermediates"].get("ToBeSign_hex", vector["intermediates"].get("ToMac_hex")).lower():
        return f"signs {said['tbs']}"
    return None


def refused(vector, tmp_path):
    """A message of another kind must be refused as unsupported, tagged or as the kinds that are read."""
    (tmp_path / "message").write_bytes(bytes.fromhex(vector["output"]["cbor"]))
    tagged = drive("tagged", tmp_path / "message")[0]
    return tagged != 0 and all(drive(kind, tmp_path / "message")[0] in (1, UNSUPPORTED) for kind in KINDS.values())


def examples(folder):
    listed = json.loads((folder / "expected.json").read_text("utf-8"))
    for path in sorted((folder / "cose-wg").rglob("*.json")):
        name = str(path.relative_to(folder))
        vector = json.loads(path.read_text("utf-8"))
        if "output" in vector:
            fail = listed.get(name, {}).get("fail", vector.get("fail", False))
            kind = next(k for k in vector["input"] if k in ("sign", "sign0", "mac", "mac0", "enveloped", "encrypted"))
            yield name, vector, kind, fail


def single_messages(folder, tmp_path):
    """Messages in files of their own: they parse, and what is known of them agrees."""
    for path in sorted([*folder.glob("hirs/*.cose"), *folder.glob("ctoken/*.cbor")]):
        code, said, why = drive("tagged", path)
        name = str(path.relative_to(folder))
        if path.suffix == ".cbor" and code != 0:
            yield name, "out of scope" if out_of_scope(["kind=no message"]) and code in (1, UNSUPPORTED) else f"exit {code}"
            continue
        number = path.stem.split("-")[-1]
        signature = path.with_name(f"cose-pass-{number}-sig.bin")
        good = code == 0 and (not signature.exists() or said["signature"] == signature.read_bytes().hex())
        yield name, None if good else f"exit {code} {why} {said}"


def test_every_vector_has_its_verdict(tmp_path, capsys):
    counts = {"pass": 0, "fail": 0, "out of scope": 0}
    failures = []
    folder = corpus("cose")
    results = list(single_messages(folder, tmp_path))
    for name, vector, kind, fail in examples(folder):
        if not out_of_scope(features(vector, kind)):
            results.append((name, wrong(vector, kind, fail, tmp_path)))
        elif kind in KINDS:
            code = judge(vector, kind, tmp_path)[0]
            results.append((name, "out of scope" if code in (1, UNSUPPORTED) else f"exit {code}"))
        else:
            results.append((name, "out of scope" if refused(vector, tmp_path) else "not refused"))
    for name, what in results:
        counts["pass" if what is None else "out of scope" if what == "out of scope" else "fail"] += 1
        if what not in (None, "out of scope"):
            failures.append(f"{name}: {what}")
    with capsys.disabled():
        print(f"\ncose: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n".join(failures)
    assert counts["pass"] > 0
