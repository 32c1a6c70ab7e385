# SPDX-License-Identifier: Apache-2.0
"""What a taken-over process of the server can still do: every break-out attempt in every process, against the table of the threat model."""

import os
import re
import subprocess

import pytest
from support import ROOT

ROLES = ["edge", "verify", "keeper", "reader", "signer"]
BUILD = ROOT / "build"


def table():
    """attempt → role → outcome, from docs/threat-model.md."""
    text = (ROOT / "docs" / "threat-model.md").read_text()
    section = text.split("## What a process that was taken over can still do")[1].split("\n## ")[0]
    head, *rows = [[cell.strip(" `") for cell in line.strip("|\n ").split("|")] for line in re.findall(r"^\|.*\|$", section, re.M)]
    assert head[1:] == ROLES
    return {row[0]: dict(zip(ROLES, row[1:])) for row in rows if not row[0].startswith("-")}


@pytest.fixture(scope="module")
def programs():
    if os.geteuid() != 0:
        pytest.skip("needs root: each process gets a user and a root of its own")
    subprocess.run(["ninja", "-C", str(BUILD), "evil"], check=True, capture_output=True)
    return BUILD / "tests" / "evil"


@pytest.mark.parametrize("role", ROLES)
def test_every_attempt_ends_as_the_threat_model_says(role, programs, tmp_path):
    tmp_path.chmod(0o755)
    made = tmp_path / "server"
    subprocess.run([BUILD / "chainhold-operator", "init", made, "--name", "127.0.0.1"], check=True, capture_output=True)
    run = subprocess.run([programs / "evil_driver", made / "chainholdd.yaml", programs, role], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    lines = [line.split() for line in run.stdout.splitlines()]
    outcomes = dict(line for line in lines if len(line) == 2)
    wanted = {attempt: row[role] for attempt, row in table().items()}
    assert len(wanted) >= 60
    assert outcomes == wanted
    spoken = [line for line in lines if len(line) == 3]
    assert spoken, "no message out of order was tried"
    assert [line for line in spoken if line[2] != "ended"] == []
