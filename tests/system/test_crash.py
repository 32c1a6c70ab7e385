# SPDX-License-Identifier: Apache-2.0
"""
The server is killed without warning, all its processes at once, again and again while a fleet enrols and attests. What was
acknowledged must be there, the log must extend every checkpoint that was handed out, and every response must be carried out.
`CHAINHOLD_CRASHES` says how often (8; `make e2e-long` 200).
"""

import contextlib
import http.client
import os
import random
import sqlite3
import subprocess
import threading
import time

from server_support import BUILD, Server, needs_root, until
from support import ROOT

CRASHES = int(os.environ.get("CHAINHOLD_CRASHES", "8"))
SEED = int(os.environ.get("CHAINHOLD_SEED", str(random.randrange(1 << 30))))
LOG = ROOT / "tests" / "fixtures" / "class-unit1" / "binary_bios_measurements"

pytestmark = needs_root


def start_fleet(server, folder, devices):
    arguments = ["run", "--maker", folder / "maker", "--ca", server.folder / "ca.crt", "--server", f"127.0.0.1:{server.devices}", "--log", LOG,
                 "--devices", devices, "--seconds", 3600, "--poll", 1, "--attest", 1, "--workers", 8, "--forgive",
                 "--acknowledged", folder / "acknowledged"]  # fmt: skip
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


def acknowledged(folder):
    """Nonces of the verdicts that devices were told. The last line may be half written."""
    return [line.split()[1] for line in (folder / "acknowledged").read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_nothing_acknowledged_is_lost(tmp_path):
    rng = random.Random(SEED)
    print(f"seed {SEED}, {CRASHES} crashes")
    subprocess.run([BUILD / "chainhold-sim", "root", tmp_path / "maker"], check=True)
    server = Server(tmp_path, ek_roots=[tmp_path / "maker" / "root.pem"])
    server.start()
    fleet = start_fleet(server, tmp_path, devices=24)
    watcher = Watcher(server, tmp_path)
    watcher.start()
    for _ in range(CRASHES):
        time.sleep(rng.uniform(0.05, 1.5))
        server.kill()
        server.start()
    # Life goes on after the last one.
    before = len(acknowledged(tmp_path))
    until(lambda: len(acknowledged(tmp_path)) >= before + 24, f"seed {SEED}: the fleet did not go on")
    fleet.terminate()
    _, errors = fleet.communicate()
    assert fleet.returncode == 0, errors
    told = acknowledged(tmp_path)
    status = server.get("/api/v1/status")
    watcher.stop.set()
    watcher.join()
    final = watcher.verify()
    server.stop()
    assert final.returncode == 0, final.stdout + final.stderr
    assert watcher.forks == [], f"seed {SEED}"

    store = sqlite3.connect(f"file:{server.folder}/state/store/chainhold.db?mode=ro", uri=True)
    kept = {row[0].hex() for row in store.execute("SELECT nonce FROM evidence")}
    lost = [nonce for nonce in told if nonce not in kept]
    assert lost == [], f"seed {SEED}: {len(lost)} of {len(told)} acknowledged verdicts are gone"
    nonces = [row[0] for row in store.execute("SELECT nonce FROM evidence WHERE fresh = 1")]
    assert len(nonces) == len(set(nonces)), f"seed {SEED}: one quote counted twice"
    assert store.execute("SELECT count(*) FROM intent WHERE done = 0").fetchone()[0] == 0
    assert status["devices"]["total"] == 24

    # Every checkpoint that anybody saw is one that the store still knows, or was handed out before the store heard of it: then the
    # log that follows must have its root at that size.
    sizes = {int(note.split("\n")[1]): note for note in watcher.checkpoints}
    assert len(sizes) == len(watcher.checkpoints), f"seed {SEED}: two checkpoints of one size"
    assert max(sizes) <= store.execute("SELECT max(size) FROM checkpoint").fetchone()[0]
    leaves = store.execute("SELECT count(*), min(seq), max(seq) FROM leaf").fetchone()
    assert leaves[0] == leaves[2] - leaves[1] + 1, f"seed {SEED}: a hole in the log"
    print(f"{len(told)} verdicts were acknowledged, {len(kept)} are kept, {len(sizes)} checkpoints were seen, {leaves[0]} leaves")
