# SPDX-License-Identifier: Apache-2.0
"""The real chainhold-keeper under its sandbox, killed at random moments; every statement prepared by a real PostgreSQL."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import ROOT  # noqa: E402

BUILD = Path(os.environ.get("CHAINHOLD_BUILD", ROOT / "build"))
DRIVER = BUILD / "tests" / "keeper_driver"
KEEPER = BUILD / "chainhold-keeper"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a child of chainholdd changes its root and user: runs as root only")


def drive(*args):
    return subprocess.run([DRIVER, KEEPER, *map(str, args)], capture_output=True, text=True, timeout=300)


@needs_root
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_it_keeps_every_promise(seed):
    p = drive(seed, 12)
    assert p.returncode == 0, p.stdout + p.stderr
    kills, promises, turns = map(int, re.match(r"(\d+) kills, (\d+) promises, (\d+) turns", p.stdout).groups())
    # A run in which nothing was promised would hold, too.
    assert kills == 12 and promises > 40 and turns >= 40


@needs_root
def test_a_message_that_may_not_come_closes_its_channel_only():
    p = drive("forbidden")
    assert (p.returncode, p.stdout) == (0, "closed, lives\n"), p.stderr


def tool(*args):
    return subprocess.run([KEEPER, *map(str, args)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def store(tmp_path):
    """An empty file brought to the newest schema."""
    path = tmp_path / "chainhold.db"
    path.touch()
    p = tool("--migrate", path)
    assert p.returncode == 0, p.stderr
    return path


def test_a_dry_run_prints_what_a_migration_does(tmp_path):
    path = tmp_path / "chainhold.db"
    path.touch()
    dry = tool("--migrate", "--dry-run", path)
    assert dry.returncode == 0 and "CREATE TABLE device (tenant BIGINT" in dry.stdout
    assert tool("--migrate", path).stdout == dry.stdout
    assert tool("--migrate", path).stdout.startswith("-- nothing to do")


# Statements that may read all of a table, or of a class: at a start, while the server is stopped, in a sweep, for a page or an action of an operator, or
# because the table is small.
WHOLE = {
    "DEVICE_OF_CLASS", "DEVICE_ASK_ALL", "DEVICE_CLASS_ASK", "DEVICE_CLASS_DUE", "CERTIFICATE_ALL", "BLOB_UNUSED", "REQUEST_PAST", "REQUEST_OLD",
    "CHECKPOINT_LAST", "EVENT_FIRST", "EVENT_PAST", "OPERATOR_NAMED", "OPERATOR_ADMINS", "OPERATOR_END", "OPERATOR_ALL", "CLASS_ALL", "REFERENCE_FIND",
    "REFERENCE_COUNT", "REFERENCE_RETIRE", "REFERENCE_ALL", "EK_ROOT_ALL", "FLEET_ROOT_NEWEST", "GENERATION_LAST", "SCHEMA", "DEVICE_COUNTS", "LOG_HEAD",
    "SIGNATURES", "OPERATORS", "CLASSES", "CLASS_DEVICES", "REFERENCES", "CHECKPOINT", "ALARM", "ALARM_OPEN", "LEAF_LAST", "ENROLMENTS",
    "LEAF_END", "TILE_END", "CHECKPOINT_END", "CHECKPOINT_NOTE", "DEVICE_ERASED_NONE", "PAST_MAX", "PAST_LEAVES", "PAST_CHECKPOINTS",
    "DEVICE_WITH_CERTIFICATE", "ISSUED_CLAIM", "RELEASE_NAMED", "DEPLOYMENT_WANTED", "ROLLOUT_PROVEN_MAX", "ROLLOUT_COUNT", "ARTIFACT_UNDIGESTED", "ARTIFACT_UNWANTED",
}  # fmt: skip


def test_what_a_request_costs_does_not_grow_with_the_fleet(store):
    """Every other statement finds its rows by more of an index than the tenant. Plans are those of the store as it is made."""
    driver = subprocess.run([BUILD / "tests" / "sql_driver"], capture_output=True, text=True, check=True)
    statements = [line.split("\t", 1) for line in driver.stdout.splitlines()]
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    seen, whole = 0, set()
    for name, text in statements:
        if name == "migration" or name.startswith("MAX_"):
            continue
        text = text.replace("$", "?")
        count = max(map(int, re.findall(r"\?(\d+)", text)), default=0)
        plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + text, [0] * count)]
        seen += 1
        if any("SCAN" in step or step.endswith("(tenant=?)") for step in plan):
            whole.add(name)
    assert seen > 100
    assert whole - WHOLE == set()


def test_a_backup_is_a_store_and_overwrites_nothing(store, tmp_path):
    copy = tmp_path / "copy.db"
    assert tool("--backup", store, copy).returncode == 0
    again = tool("--backup", store, copy)
    assert again.returncode == 1 and "duplicate" in again.stderr
    assert tool("--migrate", copy).stdout.startswith("-- nothing to do")
    back = tmp_path / "back.db"
    assert tool("--restore", copy, back).returncode == 0 and back.exists()


def test_a_restore_that_fails_leaves_no_store(store, tmp_path):
    back = tmp_path / "back.db"
    p = tool("--restore", store, back, "--mirror", tmp_path / "none")
    assert p.returncode == 1 and "not found" in p.stderr
    assert not back.exists()


@pytest.mark.parametrize("args", [["--nothing"], ["--backup", "one"], ["--migrate"], ["--migrate", "a", "b"], ["--migrate", "--x"]])
def test_wrong_arguments_say_how(args):
    p = tool(*args)
    assert p.returncode == 2 and p.stderr.startswith("usage:")


def test_what_is_no_store_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("this is not a database\n" * 1000)
    assert tool("--migrate", path).returncode == 1
    assert tool("--migrate", tmp_path / "missing").returncode == 1
    assert not (tmp_path / "missing").exists()


def test_by_itself_it_ends(tmp_path):
    p = subprocess.run([KEEPER], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert p.returncode == 1 and "chainholdd starts this program" in p.stderr
