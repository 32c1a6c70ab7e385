# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect verity: root hashes of images against veritysetup of Debian's cryptsetup."""

import hashlib
import json
import re
import subprocess

import jsonschema
import pytest
from support import ROOT, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-verity.schema.json").read_text())


def image(path, size):
    path.write_bytes((b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(4096)) * (size // 131072 + 1))[:size])
    return path


def veritysetup(data, tree, *options):
    done = subprocess.run(["veritysetup", "format", data, tree, *options], capture_output=True, text=True, check=True)
    return re.search(r"Root hash:\s+(\w+)", done.stdout).group(1)


def inspect(*args):
    rc, out, err = run(["inspect", "verity", "--json", *args])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


@pytest.mark.parametrize("size, options", [
    (4096, []), (8192, []), (128 * 4096, []), (129 * 4096, []), (3 << 20, []), (128 * 128 * 4096 + 4096, []),
    (1 << 20, ["--data-block-size=1024", "--hash-block-size=512"]), (1 << 20, ["--data-block-size=512", "--hash-block-size=1024"]),
    (1 << 20, ["--salt=-"]), (1 << 20, ["--salt=" + "ab" * 256]),
])
def test_the_root_that_veritysetup_computes(tmp_path, size, options):
    data, tree = image(tmp_path / "data", size), tmp_path / "tree"
    root = veritysetup(data, tree, *options)
    rc, report, err = inspect("--superblock", tree, "--root", root, data)
    assert (rc, report["root_hash"], report["as_asked"]) == (0, root, True), err
    dump = subprocess.run(["veritysetup", "dump", tree], capture_output=True, text=True, check=True).stdout
    said = dict(re.findall(r"^([\w ]+):\s+(.+?)(?: \[bytes\])?$", dump, re.M))
    assert (report["data_blocks"], report["data_block_size"], report["hash_block_size"]) == tuple(
        int(said[k]) for k in ("Data blocks", "Data block size", "Hash block size"))
    assert report["salt"] == said["Salt"].strip("-")
    assert tree.stat().st_size == report["tree_size"] + max(512, report["hash_block_size"])
    assert inspect("--superblock", tree, data)[1]["as_asked"] is None


def test_a_tree_behind_the_data(tmp_path):
    path = image(tmp_path / "image", 1 << 20)
    root = veritysetup(path, path, "--hash-offset=1048576", "--data-blocks=256")
    (tmp_path / "tree").write_bytes(path.read_bytes()[1 << 20:])
    rc, report, _ = inspect("--superblock", tmp_path / "tree", "--root", root, path)
    assert (rc, report["as_asked"]) == (0, True)


def test_another_image(tmp_path):
    data, tree = image(tmp_path / "data", 1 << 20), tmp_path / "tree"
    root = veritysetup(data, tree)
    raw = bytearray(data.read_bytes())
    raw[-1] ^= 1
    data.write_bytes(raw)
    rc, report, _ = inspect("--superblock", tree, "--root", root, data)
    assert (rc, report["as_asked"]) == (1, False) and report["root_hash"] != root
    rc, out, _ = run(["inspect", "verity", "--superblock", tree, "--root", root, data])
    assert rc == 1 and "another one" in out
    data.write_bytes(raw[:-1])
    rc, report, err = inspect("--superblock", tree, data)
    assert (rc, report) == (1, None) and "not as long" in err


def test_usage_and_files_that_are_none(tmp_path):
    data = image(tmp_path / "data", 8192)
    assert run(["inspect", "verity", data])[0] == 2
    rc, report, err = inspect("--superblock", data, data)
    assert (rc, report) == (1, None) and "no dm-verity superblock" in err
    veritysetup(data, tmp_path / "tree", "--hash=sha512")
    rc, report, err = inspect("--superblock", tmp_path / "tree", data)
    assert (rc, report) == (3, None) and "other than sha256" in err
    assert inspect("--superblock", tmp_path / "tree", "--root", "12", data)[0] == 2
