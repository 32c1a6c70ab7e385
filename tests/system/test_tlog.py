# SPDX-License-Identifier: Apache-2.0
"""core/trust/{merkle,checkpoint,tile} against the public vectors of transparency logs."""

import base64
import fnmatch
import json
import os
import subprocess
from pathlib import Path

import pytest

from support import BIN, ROOT, corpus

DRIVER = Path(os.environ.get("CHAINHOLD_TLOG_DRIVER", BIN.parent / "tests" / "tlog_driver"))


def ask(lines):
    """The driver's answers, one a line."""
    if not DRIVER.exists():
        pytest.skip(f"no {DRIVER}; build it with -Dtests=true")
    done = subprocess.run([str(DRIVER)], input="".join(line + "\n" for line in lines).encode(),
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers = [line.strip() for line in done.stdout.decode("utf-8").splitlines()]
    assert len(answers) == len(lines)
    return answers


def hexed(text):
    data = base64.b64decode(text) if text else b""
    return data.hex() or "-"


def raw(text):
    data = text.encode("utf-8") if isinstance(text, str) else text
    return data.hex() or "-"


def proof_question(case):
    proof = " ".join(hexed(item) for item in case["proof"] or [])
    if case["kind"] == "inclusion":
        return f"inclusion {case['leafIdx']} {case['treeSize']} {hexed(case['leafHash'])} {hexed(case['root'])} {proof}"
    return f"consistency {case['size1']} {hexed(case['root1'])} {case['size2']} {hexed(case['root2'])} {proof}"


def proofs(folder):
    """(name, question, expected answer) of every proof that a log's clients verify."""
    for kind in ("inclusion", "consistency"):
        for case in json.loads((folder / f"transparency-dev-{kind}.json").read_text("utf-8")):
            yield case["case"], proof_question(case), "invalid" if case["wantErr"] else "valid"
    # Proofs within subtrees: no question of ours asks for them, so they are out of scope by name.
    for kind in ("subtreeinclusion", "subtreeconsistency"):
        for case in json.loads((folder / f"transparency-dev-{kind}.json").read_text("utf-8")):
            yield case["case"], None, None


def trees(folder):
    tree = json.loads((folder / "rfc6962-8-leaf-tree.json").read_text("utf-8"))
    inputs = [item or "-" for item in tree["leaf_inputs_hex"]]
    yield "rfc6962/roots", "roots " + " ".join(inputs), " ".join(tree["root_by_size"])


def notes(folder):
    for case in json.loads((folder / "signed-note-cases.json").read_text("utf-8")):
        note = case.get("note_hex") or raw(case["note"])
        keys = " ".join(raw(key) for key in case["vkeys"])
        want = " ".join(["ok", *case["verified"]]) if case["result"] == "ok" else case["result"]
        yield "note/" + case["name"], f"note {note} {keys}", want
        if "checkpoint" in case:
            root = base64.b64decode(case["checkpoint"]["root"]).hex()
            # The origin of this log is not its key's name: our client, which compares them, must refuse it for that alone.
            same = case["checkpoint"]["origin"] == case["verified"][0]
            want = f"ok {case['checkpoint']['size']} {root}" if same else "mismatch"
            yield "checkpoint/" + case["name"], f"checkpoint {note} {keys}", want
    for case in json.loads((folder / "vkey-cases.json").read_text("utf-8")):
        yield "vkey/" + case["vkey"], "vkey " + raw(case["vkey"]), "valid" if case["valid"] else "invalid"
    sth = json.loads((folder / "sth-to-checkpoint.json").read_text("utf-8"))
    yield "sth/" + sth["vkey"], "vkey " + raw(sth["vkey"]), "valid"
    text = (folder / "litewitness-sumdb.txt").read_text("utf-8")
    request = text.split("```")[1].split("\n\n", 1)[1].strip() + "\n"
    key = text.split(" -key ")[1].split("\n")[0].strip()
    yield "witness/add-checkpoint", f"note {raw(request)} {raw(key)}", "ok sum.golang.org"


def tiled_log(folder):
    log = folder / "tessera-log"
    want = json.loads((folder / "expected.json").read_text("utf-8"))["tessera-log"]
    vkey = raw(want["vkey"])
    tile = (log / "tile/0/000.p/15").read_bytes().hex()
    for size, row in want["checkpoints"].items():
        root = base64.b64decode(row["root"]).hex()
        note = raw((log / f"checkpoint.{size}").read_bytes())
        yield f"tessera/checkpoint.{size}", f"checkpoint {note} {vkey}", f"ok {size} {root}"
        yield f"tessera/tree {size}", f"tree {size} {tile}", root
        partial = (log / f"tile/0/000.p/{size}").read_bytes().hex()
        yield f"tessera/partial {size}", f"tree {size} {partial}", root
        bundle = (log / f"tile/entries/000.p/{size}").read_bytes()
        hashes = " ".join(partial[i:i + 64] for i in range(0, len(partial), 64))
        yield f"tessera/entries {size}", f"bundle {bundle.hex()}", hashes
    yield "tessera/checkpoint.0", f"checkpoint {raw((log / 'checkpoint.0').read_bytes())} {vkey}", (
        "ok 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for case in want["proofs"]["inclusion"]:
        yield (f"tessera/prove {case['index']} of {case['size']}", f"prove {case['index']} {case['size']} {tile}",
               " ".join(case["proof"]))
    for case in want["proofs"]["consistency"]:
        yield (f"tessera/extend {case['from']} to {case['to']}", f"extend {case['from']} {case['to']} {tile}",
               " ".join(case["proof"]))


def out_of_scope(name):
    rows = json.loads((ROOT / "tests" / "conformance" / "tlog-out-of-scope.json").read_text("utf-8"))
    return any(fnmatch.fnmatch(name, row["match"]) for row in rows)


def test_every_vector_has_its_verdict(capsys):
    folder = corpus("merkle-tlog")
    cases = [*proofs(folder), *trees(folder), *notes(folder), *tiled_log(folder)]
    answers = iter(ask([question for _, question, _ in cases if question]))
    counts = {"pass": 0, "fail": 0, "out of scope": 0}
    failures = []
    for name, question, want in cases:
        got = next(answers) if question else None
        if question and got == want:
            counts["pass"] += 1
        elif out_of_scope(name):
            counts["out of scope"] += 1
        else:
            counts["fail"] += 1
            failures.append(f"{name}: {got}, not {want}")
    with capsys.disabled():
        print(f"\ntlog: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n".join(failures)
    assert counts["pass"] > 0
