# SPDX-License-Identifier: Apache-2.0
"""
The power of the virtual gateway is cut in the middle of updates: while it downloads, while RAUC writes the slot, when the boot entry
changes, during the first boot, when it is marked good. Its disks lose what they were not told to flush (powercut.py). Always boots a
release that somebody signed, its quote is explained, and the update comes to its end with nobody there. A disk that takes flushes and
does not carry them out is noticed. `.ci/run` makes 5 cuts, `make e2e-long` 50; CHAINHOLD_CUTS and CHAINHOLD_CUT_SEED choose others.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import powercut
from e2e_support import needed, until
from update_story import begin

CUTS = int(os.environ.get("CHAINHOLD_CUTS", "0"))
SEED = int(os.environ.get("CHAINHOLD_CUT_SEED", "1"))
MOMENTS = ("download", "write", "entry", "first-boot", "mark-good")
SLOT = 48 << 20
pytestmark = pytest.mark.skipif(CUTS == 0, reason="a part of .ci/run and make e2e-long")


def machine_of(pid):
    """The machine's own processes below this one; none if it went off by itself."""
    with contextlib.suppress(FileNotFoundError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            if "qemu-system" in Path(f"/proc/{child}/cmdline").read_text():
                yield child
            yield from machine_of(child)


class Cuts:
    def __init__(self, story):
        self.story, self.server, self.gateway = story, story.server, story.gateway
        self.disks = [self.gateway.device / name for name in ("disk.img", "data.img")]
        self.releases = {}  # version → (file, bundle)
        self.release, self.slot, self.boot_time = "1.0.0", "A", 0
        self.deaf = 0

    def prepare(self):
        for sequence, version in enumerate(("1.0.0", "1.1.0", "1.2.0", "1.3.0"), 1):
            bundle = self.gateway.bundle(version, "good")
            self.releases[version] = self.server.publish(version, sequence, bundle), bundle
        with self.story.on("1.0.0", "A") as gateway:
            self.story.device = gateway.attested()["device"]
            self.server.approve_baseline(self.story.device)
            gateway.becomes("affirming", "trusted")
            gateway.off()

    # --- power ---

    @contextlib.contextmanager
    def on(self):
        """Switched on, on disks that write down what is done to them; it may go off before its gate, and is switched on again then."""
        for _ in range(3):
            for disk in self.disks:
                subprocess.run(["cp", "--sparse=always", disk, f"{disk}.before"], check=True)
                Path(f"{disk}.journal").unlink(missing_ok=True)
            start = time.monotonic()
            with contextlib.ExitStack() as stack:
                try:
                    _, _, release, slot = stack.enter_context(self.gateway.power())
                except AssertionError:
                    if self.gateway.process.poll() != 3:
                        raise
                    continue
                self.boot_time = time.monotonic() - start
                assert release in self.releases, f"it runs {release}"
                self.release, self.slot = release, slot
                yield self.gateway
                return
        pytest.fail("three times in turn it did not come up")

    def cut(self, chance):
        """Off, in this moment. The disks become what they are then."""
        power = self.gateway.process
        # Power that has just come on may not have reached the machine yet.
        until(lambda: list(machine_of(power.pid)) or power.poll() is not None, what="there is no machine to cut", every=0.02)
        for pid in list(machine_of(power.pid)):
            os.kill(pid, signal.SIGKILL)
        self.gateway.process.wait()
        return [self.lose(disk, chance) for disk in self.disks]

    @staticmethod
    def lose(disk, chance):
        shutil.move(f"{disk}.before", disk)
        return powercut.cut(f"{disk}.journal", disk, chance)

    # --- the update ---

    def state(self):
        """Of the newest deployment; None before the first."""
        found = self.server.get(f"/api/v1/deployments?device={self.story.device}")["deployments"]
        return found[0]["state"] if found else None

    def offer(self, version):
        """Offers it, if it is not offered already."""
        if self.state() not in ("offered", "downloading", "installed"):
            self.server.assign(self.story.device, self.releases[version][0])

    def grows(self, disk, by):
        journal = Path(f"{disk}.journal")
        start = journal.stat().st_size
        until(lambda: journal.stat().st_size >= start + by or self.state() in ("installed", "refused"), what=self.gateway.console, every=0.02)

    def changes(self, path):
        before = path.stat().st_mtime_ns
        until(lambda: path.stat().st_mtime_ns != before, what=self.gateway.console, every=0.02)

    def wait_for(self, moment, version, chance):
        """From the gate on until the moment to cut has come."""
        gateway = self.gateway
        gateway.start("keep-slot")
        gateway.attested()
        self.offer(version)
        if moment == "download":
            self.grows(self.disks[1], chance.random() * self.releases[version][1].stat().st_size)
        elif moment == "write":
            self.grows(self.disks[0], chance.random() * SLOT)
        elif moment == "entry":
            self.grows(self.disks[0], SLOT // 2)
            self.changes(gateway.device / "variables.fd")
            time.sleep(chance.random())
        else:
            gateway.ended()

    def until_cut(self, moment, version, chance):
        with self.on():
            self.wait_for(moment, version, chance)
            if moment in ("download", "write", "entry"):
                return self.cut(chance)
        if moment == "first-boot":
            return self.cut_boot(chance)
        with self.on() as gateway:
            gateway.start("keep-slot")
            until(lambda: self.state() == "proven", what=gateway.console, every=0.02)
            time.sleep(chance.random())
            return self.cut(chance)

    def cut_boot(self, chance):
        """While it boots: before its gate, or a little after."""
        for disk in self.disks:
            subprocess.run(["cp", "--sparse=always", disk, f"{disk}.before"], check=True)
            Path(f"{disk}.journal").unlink(missing_ok=True)
        moment = chance.random() * 1.2 * self.boot_time
        with self.gateway.switched_on():
            time.sleep(moment)
            if (self.gateway.device / "gate").exists():
                with contextlib.suppress(AssertionError):  # it went off by itself, and is cut where it was then
                    self.gateway.start("keep-slot")
                time.sleep(chance.random() * 5)
            return self.cut(chance)

    def finish(self, version):
        """On again, and again when it says so, until the update is proven and stays. Returns the releases that booted."""
        booted = []
        for _ in range(6):
            with self.on() as gateway:
                booted.append(self.release)
                gateway.start("keep-slot")
                status = gateway.attested()
                assert status["chain"] in ("affirming", "warning"), status["reasons"]
                done = until(lambda: self.ended(version), what=lambda: f"{self.state()} {gateway.console()[-3000:]}", every=0.2)
                if done == "good":
                    gateway.off()
                    return booted
        pytest.fail(f"the update to {version} did not come to its end: {booted} {self.state()}")

    def ended(self, version):
        if self.gateway.process.poll() is not None:
            return "off"
        state = self.state()
        if state == "proven" and self.release == version:
            return "good" if (self.gateway.status().get("update") or {}).get("phase") == "good" else None
        if state in ("refused", "fell-back", "not-proven", "cancelled", "proven"):
            self.offer(version)
        return None


@pytest.fixture(scope="module")
def cuts(tmp_path_factory):
    needed()
    if shutil.which("nbdkit") is None:
        pytest.skip("nbdkit is not installed (tools/deps.sh vm)")
    with begin(tmp_path_factory.mktemp("story")) as story:
        one = Cuts(story)
        one.prepare()
        yield one


def plan():
    """Moments in turn, so that each is there as often as the others."""
    return [(number, MOMENTS[number % len(MOMENTS)]) for number in range(CUTS)]


@pytest.fixture
def disks(monkeypatch):
    def of(deaf):
        monkeypatch.setenv("CHAINHOLD_VM_NBDKIT", f"{Path(powercut.__file__)} deaf={deaf}")
    of(0)
    return of


@pytest.mark.parametrize("number, moment", plan())
def test_the_power_is_cut(cuts, disks, number, moment, record_property):
    chance = random.Random(SEED * 1000 + number)
    before = cuts.release
    version = "1.2.0" if before == "1.1.0" else "1.1.0"
    lost = cuts.until_cut(moment, version, chance)
    booted = cuts.finish(version)
    # Once the firmware was told to, it starts the new one, which is whole on its slot.
    assert moment != "entry" or booted[0] == version
    line = json.dumps({"cut": number, "moment": moment, "from": before, "to": version, "sectors kept, lost": lost, "booted": booted})
    record_property("cut", line)
    print(line)


def test_a_disk_that_does_not_carry_out_flushes_is_noticed(cuts, disks):
    disks(1)
    chance = random.Random(SEED)
    chance.choice = lambda _shares: 0  # nothing of what was not flushed is there
    cuts.until_cut("entry", "1.3.0", chance)  # which no slot has had
    with cuts.on():
        assert cuts.release != "1.3.0"
