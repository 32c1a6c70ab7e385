# SPDX-License-Identifier: Apache-2.0
"""What a taken-over process of the server can still do: every break-out attempt in every process, against the table of the threat model."""

import os
import re
import subprocess

import pytest
from softhsm import MODULE, Hsm, take_in, token_config
from support import ROOT

ROLES = ["edge", "verify", "keeper", "reader", "signer", "token"]
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


def give_a_token(folder, made):
    """The CA's key goes to a token of SoftHSM, whose folder is all that the process may still open."""
    if MODULE is None:
        pytest.skip("softhsm2 is missing: tools/deps.sh check")
    hsm = Hsm(folder / "hsm")
    take_in(hsm, made)
    with open(made / "chainholdd.yaml", "a") as f:
        f.write(token_config(hsm))


@pytest.mark.parametrize("role", ROLES)
def test_every_attempt_ends_as_the_threat_model_says(role, programs, tmp_path):
    tmp_path.chmod(0o755)
    made = tmp_path / "server"
    subprocess.run([BUILD / "chainhold-operator", "init", made, "--name", "127.0.0.1"], check=True, capture_output=True)
    if role == "token":
        give_a_token(tmp_path, made)
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
