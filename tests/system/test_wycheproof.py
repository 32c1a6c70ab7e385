# SPDX-License-Identifier: Apache-2.0
"""Project Wycheproof, the verifying side: signatures and MACs against core/crypto and its OpenSSL backend."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import support

DRIVER = Path(os.environ.get("CHAINHOLD_VERIFY_DRIVER", support.ROOT / "build" / "tests" / "verify_driver"))
OUT_OF_SCOPE = json.loads((support.ROOT / "tests" / "conformance" / "wycheproof-out-of-scope.json").read_text())

KINDS = {
    "EcdsaVerify": "ecdsa-der",
    "EcdsaP1363Verify": "ecdsa-p1363",
    "EddsaVerify": "ed25519",
    "RsassaPkcs1Verify": "rsassa",
    "RsassaPssVerify": "rsapss",
    "MacTest": "hmac",
}


def out_of_scope(group):
    return any(entry["match"] == "type=" + group["type"] for entry in OUT_OF_SCOPE)


def hash_of(algorithm, group):
    if "sha" in group:
        return group["sha"].replace("-", "").lower()
    if algorithm.startswith("HMAC"):
        return algorithm[len("HMAC"):].lower()
    return "-"


def case(algorithm, group, test):
    key = test["key"] if group["type"] == "MacTest" else group.get("publicKeyDer") or group["keyDer"]
    fields = [hash_of(algorithm, group), key, test["msg"], test.get("tag", test.get("sig"))]
    return " ".join([KINDS[group["type"]], *(f or "-" for f in fields)])


def expected(group, test, said):
    # "acceptable": an implementation may do either; a MAC is judged at the length that the group names.
    if test["result"] == "acceptable":
        return said in ("valid", "invalid")
    if group["type"] == "MacTest" and len(test["tag"]) * 4 != group["tagSize"]:
        return test["result"] == "invalid"
    return said == test["result"]


def test_wycheproof():
    path = support.corpus("wycheproof")
    if not DRIVER.exists():
        pytest.fail(f"{DRIVER} is not built")
    cases, skipped, unknown = [], 0, []
    for file in sorted(path.glob("*_test.json")):
        data = json.loads(file.read_text())
        for group in data["testGroups"]:
            if group["type"] in KINDS:
                cases += [(file.name, group, test, case(data["algorithm"], group, test)) for test in group["tests"]]
            elif out_of_scope(group):
                skipped += len(group["tests"])
            else:
                unknown.append(f"{file.name}: type {group['type']} is neither tested nor listed as out of scope")
    lines = "\n".join(c[3] for c in cases) + "\n"
    done = subprocess.run([str(DRIVER)], input=lines.encode(), capture_output=True, timeout=300, check=True)
    said = done.stdout.decode().split("\n")[:-1]
    assert len(said) == len(cases)
    failed = unknown + [
        f"{name} {test['tcId']} ({test['comment']}, {test['flags']}): {answer}, expected {test['result']}"
        for (name, group, test, _), answer in zip(cases, said)
        if not expected(group, test, answer)
    ]
    print(f"wycheproof: {len(cases) - len(failed)} pass, {len(failed)} fail, {skipped} out of scope")
    assert cases and not failed, "\n".join(failed)
