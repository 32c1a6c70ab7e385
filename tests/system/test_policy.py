# SPDX-License-Identifier: Apache-2.0
"""chainhold policy check: what a person gets told, with line and column."""

import json

import pytest

from support import ROOT, run

GOOD = """\
class: gateway
requires: [platform, boot]
evidence: {max_age: 1h, interval: 10m}
on_break: {platform: quarantine, boot: quarantine, os: alert}
release: automatic
two_signatures: [device.revoke, device.decommission]
certificate: {lifetime: 30d}
enrolment: {ek: any-trusted-root, token: allowed}
"""


def check(tmp_path, text, *options):
    path = tmp_path / "policy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return run(["policy", "check", *options, path])


def test_a_good_file(tmp_path):
    code, out, err = check(tmp_path, GOOD)
    assert (code, err) == (0, "")
    assert out == f"ok {tmp_path}/policy.yaml: class gateway, requires platform boot\n"


def test_the_example_of_the_documents_is_good(tmp_path):
    text = (ROOT / "docs" / "protocol" / "policy.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    assert check(tmp_path, example)[0] == 0


@pytest.mark.parametrize("old, new, place, says", [
    ("boot]", "booot]", "line 2, column 22", "'booot' is not allowed here; one of: platform, boot, os"),
    ("class: gateway\n", "class: gateway\nclass: other\n", "line 2, column 1", "this key is here twice: class"),
    ("release: automatic", "release: never", "line 5, column 10", "one of: automatic, two-operators"),
    ("release: automatic\n", "", "line 1, column 1", "the key 'release' is missing here"),
    ("interval: 10m", "interval: 600", "line 3, column 35", "a time with its unit is needed"),
    ("token: allowed", "token: allowed, trust_all: true", "line 8, column 51", "unknown key 'trust_all'; allowed here: ek, token"),
    ("boot: quarantine, ", "", "line 4, column 11", "'boot' is required, so on_break says what happens"),
    ("[platform, boot]", "[]", "line 2, column 11", "requires at least one link"),
    ("gateway", "&a gateway", "line 1, column 8", "anchors"),
    ("gateway", "*a", "line 1, column 8", "aliases"),
    ("gateway", "!!str gateway", "line 1, column 8", "tags"),
    ("30d}", "30d", "line 8, column 10", "not YAML"),
])
def test_an_error_names_line_column_and_what_would_be_right(tmp_path, old, new, place, says):
    assert GOOD.count(old) >= 1
    code, out, err = check(tmp_path, GOOD.replace(old, new, 1))
    assert (code, out) == (1, "")
    assert f"policy.yaml, {place}: " in err and says in err, err


def test_every_file_is_looked_at(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    bad.write_text("class: [\n")
    code, out, err = run(["policy", "check", good, bad, good])
    assert code == 1 and out.count("ok ") == 2 and "bad.yaml, line" in err


def test_json_for_programs(tmp_path):
    code, out, err = check(tmp_path, GOOD.replace("10m", "2h"), "--json")
    (one,) = json.loads(out)
    assert (code, err) == (1, "")
    assert not one["holds"] and one["line"] == 3 and "stale before the next" in one["error"]
    code, out, _ = check(tmp_path, GOOD, "--json")
    assert code == 0 and json.loads(out)[0]["class"] == "gateway"


BYTES = {"nothing": b"", "utf-16": b"\xff\xfe", "nul": b"\0", "escape": b"a: \"\\x1b[2J\"\n", "list": b"- " * 5000, "deep": b"[" * 100000,
         "long": b"x" * 300000, "key": b"? [a]\n: b\n"}


@pytest.mark.parametrize("text", BYTES.values(), ids=BYTES)
def test_no_bytes_do_harm(tmp_path, text):
    code, out, err = check(tmp_path, text)
    assert code == 1 and out == "" and "\x1b" not in err and err.count("\n") == 1


def test_wrong_usage_and_missing_files(tmp_path):
    assert run(["policy", "check"])[0] == 2
    assert run(["policy", "check", "--colour", tmp_path])[0] == 2
    assert run(["policy", "check", tmp_path / "nowhere.yaml"])[0] == 4
