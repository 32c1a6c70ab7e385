# SPDX-License-Identifier: Apache-2.0
"""What `make demo-offline` shows: every command of the story ends as the story says."""

import subprocess

from support import ROOT


def test_the_story_without_a_server():
    done = subprocess.run(["tools/demo-offline.sh"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    text = done.stdout.decode("utf-8")
    assert done.returncode == 0, text + done.stderr.decode("utf-8")
    assert "exit 1, as it must be" in text and "exit 0, as it must be" in text
    assert "\x1b" not in text
