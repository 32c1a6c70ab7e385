# SPDX-License-Identifier: Apache-2.0
"""A server, a fleet of simulated devices and a watcher of its log: what was promised to any of them is held against the store at the end."""

import contextlib
import http.client
import os
import random
import sqlite3
import subprocess
import threading
import time

from server_support import BUILD, Server
from support import ROOT

DEVICES = 24
SEED = int(os.environ.get("CHAINHOLD_SEED", str(random.randrange(1 << 30))))
LOG = ROOT / "tests" / "fixtures" / "class-unit1" / "binary_bios_measurements"


def start_fleet(server, folder, devices, acknowledged=None):
    arguments = ["run", "--maker", folder / "maker", "--ca", server.folder / "ca.crt", "--server", f"127.0.0.1:{server.devices}", "--log", LOG,
                 "--devices", devices, "--seconds", 3600, "--poll", 1, "--attest", 1, "--workers", 8, "--forgive",
                 "--acknowledged", acknowledged or folder / "acknowledged"]  # fmt: skip
    return subprocess.Popen([BUILD / "chainhold-sim", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Watcher(threading.Thread):
    """Follows the log as a stranger would: `chainhold log verify` with a state of its own, whenever the server answers."""

    def __init__(self, server, folder):
        super().__init__(daemon=True)
        self.server, self.folder = server, folder
        self.stop, self.forks, self.checkpoints = threading.Event(), [], set()

    def verify(self):
        command = [BUILD / "chainhold-operator", "log", "verify", "--key", self.server.log_key, "--state", self.folder / "seen", self.server.url]
        return subprocess.run(command, capture_output=True, text=True)

    def run(self):
        while not self.stop.is_set():
            run = self.verify()
            if run.returncode == 1:
                self.forks.append(run.stdout + run.stderr)
            with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):  # it may be down
                self.checkpoints.add(self.server.log_page("/log/checkpoint").decode())
            time.sleep(0.1)


def acknowledged(folder, name="acknowledged"):
    """Nonces of the verdicts that devices were told. The last line may be half written."""
    if not (folder / name).exists():
        return []
    return [line.split()[1] for line in (folder / name).read_text().splitlines(keepends=True) if line.endswith("\n")]


class Story:
    """
    A server, a fleet of DEVICES that enrols and attests, and a watcher of the log; `end` holds all promises against the store. `prepare`
    gets the server before it starts.
    """

    def __init__(self, folder, prepare=lambda server: None):
        self.folder = folder
        subprocess.run([BUILD / "chainhold-sim", "root", folder / "maker"], check=True)
        self.server = Server(folder, ek_roots=[folder / "maker" / "root.pem"])
        prepare(self.server)
        self.server.start()
        self.fleet = start_fleet(self.server, folder, DEVICES)
        self.watcher = Watcher(self.server, folder)
        self.watcher.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing is left running, also where a test has failed."""
        self.watcher.stop.set()
        if self.fleet.poll() is None:
            self.fleet.kill()
            self.fleet.communicate()
        if self.server.process.poll() is None:
            self.server.stop()

    def goes_on(self):
        """Life goes on: every device may have been judged once more."""
        before = len(acknowledged(self.folder))
        while len(acknowledged(self.folder)) < before + DEVICES:
            assert self.fleet.poll() is None, self.fleet.communicate()
            time.sleep(0.1)

    def store(self):
        """Where the store is when the server has ended."""
        return self.server.folder / "state" / "store"

    def end(self, seed=SEED, devices=DEVICES):
        self.goes_on()
        self.fleet.terminate()
        _, errors = self.fleet.communicate()
        assert self.fleet.returncode == 0, errors
        told = acknowledged(self.folder)
        status = self.server.get("/api/v1/status")
        self.watcher.stop.set()
        self.watcher.join()
        final = self.watcher.verify()
        self.server.stop()
        assert final.returncode == 0, final.stdout + final.stderr
        assert self.watcher.forks == [], f"seed {seed}"

        store = sqlite3.connect(f"file:{self.store()}/chainhold.db?mode=ro", uri=True)
        kept = {row[0].hex() for row in store.execute("SELECT nonce FROM evidence")}
        lost = [nonce for nonce in told if nonce not in kept]
        assert lost == [], f"seed {seed}: {len(lost)} of {len(told)} acknowledged verdicts are gone"
        nonces = [row[0] for row in store.execute("SELECT nonce FROM evidence WHERE fresh = 1")]
        assert len(nonces) == len(set(nonces)), f"seed {seed}: one quote counted twice"
        assert store.execute("SELECT count(*) FROM intent WHERE done = 0").fetchone()[0] == 0
        assert devices is None or status["devices"]["total"] == devices

        # Every checkpoint that anybody saw is one that the store still knows, or was handed out before the store heard of it: then the
        # log that follows must have its root at that size.
        checkpoints = self.watcher.checkpoints
        sizes = {int(note.split("\n")[1]): note for note in checkpoints}
        assert len(sizes) == len(checkpoints), f"seed {seed}: two checkpoints of one size"
        assert max(sizes) <= store.execute("SELECT max(size) FROM checkpoint").fetchone()[0]
        leaves = store.execute("SELECT count(*), min(seq), max(seq) FROM leaf").fetchone()
        assert leaves[0] == leaves[2] - leaves[1] + 1, f"seed {seed}: a hole in the log"
        print(f"{len(told)} verdicts were acknowledged, {len(kept)} are kept, {len(sizes)} checkpoints were seen, {leaves[0]} leaves")
