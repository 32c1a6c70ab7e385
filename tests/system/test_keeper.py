# SPDX-License-Identifier: Apache-2.0
"""The real chainhold-keeper under its sandbox, killed at random moments; every statement prepared by a real PostgreSQL."""

import os
import re
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
