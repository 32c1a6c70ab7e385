# SPDX-License-Identifier: Apache-2.0
"""core/wire/cbor against the public vectors: what is well-formed, valid and deterministic, and what it means."""

import fnmatch
import json
import math
import os
import struct
import subprocess
from pathlib import Path

import pytest

from support import BIN, ROOT, corpus

DRIVER = Path(os.environ.get("CHAINHOLD_CBOR_DRIVER", BIN.parent / "tests" / "cbor_driver"))
SIMPLE = {"20": False, "21": True, "22": None}


class Tag:
    def __init__(self, number, item):
        self.number, self.item = number, item


class Chunks(list):
    """A string of indefinite length."""


class Simple(int):
    pass


def drive(tmp_path, data):
    if not DRIVER.exists():
        pytest.skip(f"no {DRIVER}; build it with -Dtests=true")
    path = tmp_path / "item.cbor"
    path.write_bytes(data)
    done = subprocess.run([str(DRIVER), str(path)], capture_output=True, timeout=60, check=False)
    rows = [line.split(" ", 1) for line in done.stdout.decode("utf-8").splitlines()]
    said = {row[0]: row[1] for row in rows if row[0] in ("wellformed", "valid", "deterministic", "again")}
    heads = [row for row in rows if row[0] not in said]
    return done.returncode, said, heads


def build(heads):
    """The value of a flat list of heads; marks of indefinite length stay visible."""
    kind, arg = (heads.pop(0) + [""])[:2]
    if kind == "break":
        return Ellipsis
    if kind in ("uint", "nint"):
        return int(arg) if kind == "uint" else -1 - int(arg)
    if kind == "tag":
        return Tag(int(arg), build(heads))
    if kind == "simple":
        return SIMPLE[arg] if arg in SIMPLE else Simple(arg)
    if kind == "float":
        return struct.unpack(">d", bytes.fromhex(arg))[0]
    if arg == "_":
        items = list(iter(lambda: build(heads), Ellipsis))
        if kind in ("bstr", "tstr"):
            return Chunks(items)
        return ("_", items if kind == "array" else list(zip(items[::2], items[1::2])), kind)
    if kind == "bstr":
        return bytes.fromhex(arg)
    if kind == "tstr":
        return bytes.fromhex(arg).decode("utf-8")
    if kind == "array":
        return [build(heads) for _ in range(int(arg))]
    return ("", [(build(heads), build(heads)) for _ in range(int(arg))], "map")


def plain(value):
    """As JSON would have it."""
    if isinstance(value, Tag):
        number = int.from_bytes(value.item, "big")
        return number if value.number == 2 else -1 - number
    if isinstance(value, Chunks):
        return "".join(value)
    if isinstance(value, tuple):
        if value[2] == "array":
            return [plain(item) for item in value[1]]
        return {key: plain(item) for key, item in value[1]}
    return [plain(item) for item in value] if isinstance(value, list) else value


def diagnostic(value):
    """RFC 8949, 8."""
    if isinstance(value, Tag):
        return f"{value.number}({diagnostic(value.item)})"
    if isinstance(value, Chunks):
        return "(_ " + ", ".join(map(diagnostic, value)) + ")"
    if isinstance(value, tuple):
        mark = "_ " if value[0] else ""
        if value[2] == "array":
            return "[" + mark + ", ".join(map(diagnostic, value[1])) + "]"
        return "{" + mark + ", ".join(f"{diagnostic(k)}: {diagnostic(v)}" for k, v in value[1]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(diagnostic, value)) + "]"
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, Simple):
        return "undefined" if value == 23 else f"simple({value})"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return json.dumps(value)


def meaning_wrong(vector, heads):
    if "decoded" not in vector and "diagnostic" not in vector:
        return None
    value = build(heads)
    if "decoded" in vector and plain(value) != vector["decoded"]:
        return f"decoded as {plain(value)!r}"
    if "diagnostic" in vector and diagnostic(value) != vector["diagnostic"]:
        return f"shown as {diagnostic(value)}"
    return None


def wrong(vector, tmp_path):
    """What is wrong about the driver's answer to a vector, or None."""
    data = bytes.fromhex(vector["hex"])
    code, said, heads = drive(tmp_path, data)
    if code not in (0, 1):
        return f"exit {code}"
    if (code == 0) != vector.get("well_formed", True):
        return f"well-formed: {said}"
    if code == 1:
        return None
    if "valid" in vector and (said["valid"] == "ok") != vector["valid"]:
        return f"valid: {said}"
    want = vector.get("deterministic_rfc8949_4_2_1")
    if want is not None and (said["deterministic"] == "ok") != want:
        return f"deterministic: {said}"
    if vector.get("roundtrip") and bytes.fromhex(said["again"]) != data:
        return f"written as {said['again']}"
    return meaning_wrong(vector, heads)


def vectors(folder):
    for path in sorted(folder.glob("*.json")):
        if path.name != "expected.json":
            for vector in json.loads(path.read_text("utf-8")):
                yield f"{path.name} {vector['hex']}", vector


def out_of_scope(name):
    rows = json.loads((ROOT / "tests" / "conformance" / "cbor-out-of-scope.json").read_text("utf-8"))
    return any(fnmatch.fnmatch(name, row["match"]) for row in rows)


def test_every_vector_has_its_verdict(tmp_path, capsys):
    counts = {"pass": 0, "fail": 0, "out of scope": 0}
    failures = []
    folder = corpus("cbor")
    found = [(name, wrong(vector, tmp_path), vector) for name, vector in vectors(folder)]
    for path in sorted(folder.glob("*.cbor")):  # resource exhaustion: refused, and never a crash
        code, _, _ = drive(tmp_path, path.read_bytes())
        found.append((path.name, None if code == 1 else f"exit {code}", None))
    for name, what, _ in found:
        if what is None:
            counts["pass"] += 1
        elif out_of_scope(name):
            counts["out of scope"] += 1
        else:
            counts["fail"] += 1
            failures.append(f"{name}: {what}")
    with capsys.disabled():
        print(f"\ncbor: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n".join(failures)
    assert counts["pass"] > 0
