# SPDX-License-Identifier: Apache-2.0
"""
The server is killed without warning, all its processes at once, again and again while a fleet enrols and attests: at random moments, and
between any two steps of the path that evidence takes. What was acknowledged must be there, the log must extend every checkpoint that was
handed out, and every response must be carried out. `CHAINHOLD_CRASHES` says how often at random (8; `make e2e-long` 200).
"""

import os
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest
from fleet_story import DEVICES, SEED, Story, start_fleet
from server_support import BUILD, ROLES, needs_root, until
from support import BIN

CRASHES = int(os.environ.get("CHAINHOLD_CRASHES", "8"))

pytestmark = needs_root


def test_killed_at_random(tmp_path):
    rng = random.Random(SEED)
    print(f"seed {SEED}, {CRASHES} crashes")
    with Story(tmp_path) as story:
        for _ in range(CRASHES):
            time.sleep(rng.uniform(0.05, 1.5))
            story.server.kill()
            story.server.start()
        story.end()


# Where tests/halt/halt.c can halt which process, in the order of its signals; what must happen there: an action that cuts a device
# off, or an enrolment.
STEPS = [
    ("store-commit", "keeper", "cut"),
    ("store-committed", "keeper", "cut"),
    ("leaves-came", "signer", "cut"),
    ("checkpoint-goes", "signer", "cut"),
    ("checkpoint-came", "keeper", "cut"),
    ("cut-came", "edge", "cut"),
    ("cut-done-goes", "edge", "cut"),
    ("cut-done-came", "keeper", "cut"),
    ("answer-came", "edge", "cut"),
    ("issue-came", "signer", "enrolment"),
    ("issued-goes", "signer", "enrolment"),
    ("issued-came", "keeper", "enrolment"),
]


@pytest.fixture(scope="module")
def halting(tmp_path_factory):
    """chainholdd beside processes that can be made to halt."""
    subprocess.run(["ninja", "-C", BUILD, "halt"], check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("programs")
    for at in (folder, *folder.parents):
        if at.stat().st_uid == os.getuid():
            at.chmod(at.stat().st_mode | 0o011)  # its processes are other users
    shutil.copy(BUILD / "chainholdd", folder)
    for role in ROLES:
        shutil.copy(BUILD / "tests" / "halt" / f"chainhold-{role}", folder)
    return folder / "chainholdd"


def quarantine(server, device, reason):
    command = [BIN, "--config", server.folder / "chainhold.yaml", "device", "quarantine", device, "--reason", reason]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_killed_between_any_two_steps(halting, tmp_path):
    """While a device is cut off or enrols, the server is killed exactly at each step; an action that was acknowledged is done."""
    with Story(tmp_path, lambda server: setattr(server, "program", halting)) as story:
        server = story.server
        story.goes_on()
        devices = [one["device"] for one in server.get("/api/v1/devices")["devices"]]
        more = []
        for number, (name, role, what) in enumerate(STEPS):
            device = devices.pop()
            os.kill(server.pids()[role], signal.SIGRTMIN + number)
            answer = []
            if what == "cut":
                asked = threading.Thread(target=lambda: answer.append(quarantine(server, device, name)))
                asked.start()
            else:
                more.append(start_fleet(server, tmp_path, 1, tmp_path / f"more-{name}"))
            server.wait_line(f"halted at {name}$")
            server.kill()
            server.start()
            if what == "cut":
                asked.join()
                server.settled()
                if answer[0].returncode != 0 and server.get(f"/api/v1/devices/{device}")["state"] != "quarantined":
                    again = quarantine(server, device, name)
                    assert again.returncode == 0, again.stderr
                assert server.get(f"/api/v1/devices/{device}")["state"] == "quarantined", name
            else:
                until(lambda: server.settled()["devices"]["total"] == DEVICES + len(more), f"{name}: the device did not enrol")
        for one in more:
            one.terminate()
            assert one.communicate() and one.returncode == 0
        story.end(devices=DEVICES + len(more))
