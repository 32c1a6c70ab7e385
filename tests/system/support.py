# SPDX-License-Identifier: Apache-2.0
"""What every system test shares: the command under test, the recorded boots, the public vectors."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("CHAINHOLD_BIN", ROOT / "build" / "chainhold"))
FIXTURES = ROOT / "tests" / "fixtures"


def run(args, stdin=b"", timeout=60):
    """Runs chainhold with `args`: (exit code, standard output, standard error); a signal is a negative exit code."""
    done = subprocess.run([str(BIN), *map(str, args)], input=stdin, capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


def corpus(topic):
    """The folder of a topic of the public vectors, or the test is skipped and says where they would have to be."""
    base = Path(os.environ.get("CHAINHOLD_CORPUS", ROOT.parent / "shared" / "corpus"))
    path = base / topic
    if not path.is_dir():
        pytest.skip(f"no public vectors at {path}; set CHAINHOLD_CORPUS to their folder")
    return path
