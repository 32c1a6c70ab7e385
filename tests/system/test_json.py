# SPDX-License-Identifier: Apache-2.0
"""core/wire/json against the public vectors: which texts it takes, and that what it writes means what it read."""

import fnmatch
import json
import os
import subprocess
from pathlib import Path

import pytest

from support import BIN, ROOT, corpus

DRIVER = Path(os.environ.get("CHAINHOLD_JSON_DRIVER", BIN.parent / "tests" / "json_driver"))
EXIT_OF = {"accept": {0}, "reject": {1}}
EITHER = {0, 1}


def drive(*args):
    if not DRIVER.exists():
        pytest.skip(f"no {DRIVER}; build it with -Dtests=true")
    return subprocess.run([str(DRIVER), *map(str, args)], capture_output=True, timeout=60, check=False)


def expectations(folder):
    """Verdict by file; a file that is not listed is judged by its name, as its upstream names them."""
    listed = json.loads((folder / "expected.json").read_text("utf-8"))
    by_name = {"y_": "accept", "n_": "reject"}
    for path in sorted(folder.rglob("*.json")):
        name = str(path.relative_to(folder))
        if name != "expected.json":
            yield path, name, listed.get(name, by_name.get(path.name[:2], "either"))


def out_of_scope(name):
    rows = json.loads((ROOT / "tests" / "conformance" / "json-out-of-scope.json").read_text("utf-8"))
    return any(fnmatch.fnmatch(name, row["match"]) for row in rows)


def meaning(text):
    """What a text says, with numbers as written and members in order, duplicates kept."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs), parse_int=str, parse_float=str)


def test_every_vector_has_its_verdict(capsys):
    counts = {"pass": 0, "fail": 0, "out of scope": 0}
    failures = []
    for path, name, verdict in expectations(corpus("json")):
        if out_of_scope(name):
            counts["out of scope"] += 1
            continue
        done = drive(path)
        good = done.returncode in EXIT_OF.get(verdict, EITHER)
        counts["pass" if good else "fail"] += 1
        if not good:
            failures.append(f"{name}: {verdict}, got exit {done.returncode} {done.stderr.decode()}")
    with capsys.disabled():
        print(f"\njson: {counts['pass']} pass, {counts['fail']} fail, {counts['out of scope']} out of scope")
    assert not failures, "\n".join(failures)
    assert counts["pass"] > 0


def test_what_is_refused_is_said_with_place_and_rule():
    for path, _name, verdict in expectations(corpus("json")):
        done = drive(path)
        if verdict == "reject":
            message = done.stderr.decode("utf-8")
            assert " at byte " in message and "RFC 8259" in message, path


@pytest.mark.parametrize("form", ["compact", "pretty"])
def test_what_is_written_means_what_was_read(form):
    for path, _name, _verdict in expectations(corpus("json")):
        done = drive(path, form)
        if done.returncode != 0:
            continue
        assert meaning(done.stdout.decode("utf-8")) == meaning(path.read_bytes().decode("utf-8")), path


def test_writing_is_stable(tmp_path):
    for path, _name, _verdict in expectations(corpus("json")):
        for form in ("compact", "pretty"):
            first = drive(path, form)
            if first.returncode != 0:
                continue
            again = tmp_path / "again.json"
            again.write_bytes(first.stdout)
            assert drive(again, form).stdout == first.stdout, path


def test_takes_what_pythons_strict_writer_makes(tmp_path):
    value = {
        "text": "".join(chr(c) for c in range(0x20, 0xD800, 0x29)) + "\U0001d11e\U0010fffd",
        "controls": "".join(chr(c) for c in range(0x20)),
        "numbers": [0, -1, 2**64, 1.5, -2.5e-300],
        "nested": {"a": [{}, [], [[]], None, True, False]},
    }
    source = tmp_path / "value.json"
    for ascii_only in (True, False):
        for indent in (None, 2):
            source.write_text(json.dumps(value, ensure_ascii=ascii_only, indent=indent), "utf-8")
            for form in ("compact", "pretty"):
                done = drive(source, form)
                assert done.returncode == 0, done.stderr
                assert json.loads(done.stdout) == value


def test_pretty_is_laid_out_as_python_does(tmp_path):
    value = {"a": [1, "b", [], {}, {"c": None}], "d": {}, "e": [[True]]}
    source = tmp_path / "value.json"
    source.write_text(json.dumps(value), "utf-8")
    assert drive(source, "pretty").stdout.decode() == json.dumps(value, indent=2)
    assert drive(source, "compact").stdout.decode() == json.dumps(value, separators=(",", ":"))
