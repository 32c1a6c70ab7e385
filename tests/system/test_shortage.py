# SPDX-License-Identifier: Apache-2.0
"""
The server without room on its disk, and each of its processes without a descriptor left, while a fleet attests: nothing that was
acknowledged is lost, the server says what is missing, and goes on when it is there again.
"""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from fleet_story import Story, acknowledged, start_fleet
from server_support import ROLES, needs_root, until

pytestmark = needs_root
MIB = 1 << 20


class Disk:
    """A file system of 192 MiB under the server's state, which only the server sees."""

    def __init__(self):
        self.holder = None

    def mount(self, server):
        """To be done before the server starts."""
        state = server.folder / "state"
        script = 'cp -a "$0" "$0.kept" && mount -t tmpfs -o size=192m,mode=0711 none "$0" && cp -a "$0.kept/." "$0" && echo there'
        script += "; exec sleep infinity"
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, state], stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == "there\n"
        self.place = f"/proc/{self.holder.pid}/root{state}"
        server.through = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]

    def room(self):
        at = os.statvfs(self.place)
        return at.f_bavail * at.f_frsize

    def fill(self, leave=0):
        """Takes all room but `leave` bytes; as a writer does that nobody stops."""
        with open(f"{self.place}/fill", "ab") as file, contextlib.suppress(OSError):
            while self.room() > leave:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), min(MIB, self.room() - leave))

    def clear(self):
        os.unlink(f"{self.place}/fill")

    def copy(self, to):
        """SQLite does not find its way to where it is."""
        shutil.copytree(f"{self.place}/store", to, dirs_exist_ok=True)
        return to

    def unmount(self):
        if self.holder:
            self.holder.kill()
            self.holder.wait()


@pytest.fixture
def disk():
    one = Disk()
    yield one
    one.unmount()


def said(server, pattern, since):
    return any(re.search(pattern, line) for line in server.lines[since:])


def test_a_disk_that_is_full(disk, tmp_path):
    """
    First 90 % are taken: logs are no longer kept. Then all of it: the reserve is given up, and taken too by whoever fills the disk; the
    server refuses and says why, until there is room.
    """
    with Story(tmp_path, disk.mount) as story:
        server, story.store = story.server, lambda: disk.copy(tmp_path / "kept")
        story.goes_on()
        disk.fill(leave=18 * MIB)
        until(lambda: said(server, "the disk is 90 % full", 0), server.said)
        story.goes_on()
        disk.fill()
        until(lambda: said(server, "the reserve is given up", 0), server.said)
        crowd = start_fleet(server, tmp_path, 200, tmp_path / "crowd")
        until(lambda: disk.fill() or said(server, "the store cannot go on: .*full", 0), server.said)
        until(lambda: disk.fill() or said(server, r"keeper\[0\], pid \d+, ended", 0), server.said)
        for _ in range(30):
            disk.fill()
            time.sleep(0.1)
        since = len(server.lines)
        disk.clear()
        until(lambda: said(server, r"keeper\[0\] is ready", since) or said(server, "there is room again", since), server.said)
        story.goes_on()
        crowd.terminate()
        crowd.communicate()
        story.end(devices=None)
        kept = sqlite3.connect(f"file:{tmp_path}/kept/chainhold.db?mode=ro", uri=True)
        assert set(acknowledged(tmp_path, "crowd")) <= {row[0].hex() for row in kept.execute("SELECT nonce FROM evidence")}


def limit(pid, descriptors):
    """Sets how many descriptors a process may have, and returns how many it might. Its own user may do that everywhere."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"/proc/{pid}/limits") as file:
        usual = int(re.search(r"Max open files\s+(\d+)", file.read())[1])
    as_user = ["setpriv", "--reuid", status["Uid"].split()[0], "--regid", status["Gid"].split()[0], "--clear-groups"]
    subprocess.run([*as_user, "prlimit", "--pid", str(pid), f"--nofile={descriptors}:"], check=True)
    return usual


def test_processes_without_descriptors(tmp_path):
    """
    What a process has open it keeps; more it cannot have, for a while in which others come and go. main then cannot start again what
    ends; it does, as soon as there is a descriptor.
    """
    with Story(tmp_path) as story:
        server = story.server
        for role in ROLES:
            story.goes_on()
            pid = server.pids()[role]
            usual = limit(pid, max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1)
            time.sleep(1)  # devices and the watcher of the log come and go
            if server.pids().get(role) == pid:
                limit(pid, usual)
        usual = limit(server.process.pid, 3)
        since = len(server.lines)
        os.kill(server.pids()["verify"], signal.SIGKILL)
        until(lambda: said(server, "Too many open files", since), server.said)
        assert "verify" not in server.pids()
        limit(server.process.pid, usual)
        until(lambda: said(server, r"verify\[0\] is ready", since), server.said)
        story.goes_on()
        story.end()
