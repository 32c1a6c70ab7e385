# SPDX-License-Identifier: Apache-2.0
"""chainhold-agent-apply by itself, with the real RAUC (rauc_host.py); main and collect are played. Releases and log are made in Python."""

import os
import signal
import subprocess
import time

import pytest

import fleet_root_note as note_file
import rauc_host
import release_note
from agent_ipc import Apply
from rauc_host import COMPATIBLE, Rauc
from support import ROOT
from tlog_server import Log

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="apply is root, and RAUC mounts bundles")
DAY = 86400
# A boot loader's tool that does not come back, until whoever started it is gone.
HANGS = """import os, pathlib, sys, time
if sys.argv[1] == "set-state":
    while pathlib.Path(f"/proc/{os.getppid()}/comm").read_text() == "rauc\\n":
        time.sleep(0.05)
    sys.exit(1)
"""
PIECE = 256 << 10


def anchor():
    """Any CA: it is not about TLS here."""
    pem = (ROOT / "tests/fixtures/ca").glob("*.pem")
    text = next(iter(pem)).read_text()
    return "".join(text.split("-----")[2].split())


class World:
    """A fleet root with one release key, a log, RAUC, a spool, and the process."""

    def __init__(self, folder, rauc, spool=None):
        self.rauc, self.folder, self.spool = rauc, folder, spool or folder / "spool"
        self.spool.mkdir(exist_ok=True)
        self.log, self.owner, self.key = Log(), note_file.new_key(), note_file.new_key("p256")
        now = int(time.time())
        self.root = {
            "type": note_file.TYPE, "version": 1, "issued": now - 100, "expires": now + 365 * DAY,
            "root": {"threshold": 1, "keys": [note_file.text_of(self.owner)]},
            "releases": [{"name": "firmware", "threshold": 1, "keys": [note_file.text_of(self.key)]}],
            "anchors": [anchor()], "logs": [self.log.vkey], "ears": [], "servers": ["127.0.0.1:1"], "agent_min": "0.1.0",
        }  # fmt: skip
        self.boot, self.number, self.apply, self.last = 1, 1000, None, None
        self.start()

    def root_note(self, **changed):
        self.root = {**self.root, **changed}
        return note_file.note(self.root, [self.owner])

    def start(self):
        self.apply = Apply(self.spool, self.rauc.address, self.root_note(), boot=f"boot-{self.boot}", log=self.folder / "apply.log")

    def restart(self):
        self.apply.kill()
        self.start()

    def reboot(self, boots=True):
        self.apply.kill()
        self.rauc.reboot(boots)
        self.boot += 1
        self.start()

    def said(self):
        return (self.folder / "apply.log").read_text()

    def bundle(self, image, name="good", **options):
        return self.rauc.bundle(name, image, **options)

    def offer(self, path, signer=None, log=None, edit=None, compatible=COMPATIBLE, time_=0, class_name=b"gateway", **changed):
        """What apply says of a release of this bundle."""
        doc = release_note.document([release_note.artifact(path, compatible)], **changed)
        note = note_file.note(doc, [signer or self.key])
        text = release_note.record(note, doc)
        if edit is not None:
            text = edit(text)
        proof = release_note.logged(log or self.log, text)
        self.number += 1
        self.last = {"deployment": self.number, "time": time_, "class_name": class_name, "document": note, "proof": proof}
        return self.apply.ask("UPDATE_OFFER", **self.last)

    def give(self, path, until=None):
        """Hands the bytes over, from where apply is on."""
        data = path.read_bytes()
        state = self.apply.ask()
        while state["offset"] < (until or len(data)):
            at = state["offset"]
            state = self.apply.ask("UPDATE_BYTES", offset=at, bytes=data[at:min(at + PIECE, until or len(data))])
            assert state["error"] == ""
        return state

    def settled(self):
        """Waits for the end of an installation."""
        while (state := self.apply.ask())["phase"] == "installing":
            time.sleep(0.05)
        return state

    def install(self):
        state = self.apply.ask("UPDATE_INSTALL")
        return state if state["error"] else self.settled()

    def close(self):
        if self.apply.process.poll() is None:
            self.apply.stop()


@pytest.fixture
def world(tmp_path):
    with Rauc(tmp_path / "rauc") as rauc:
        one = World(tmp_path, rauc)
        yield one
        one.close()


def test_it_is_root_without_any_power(world):
    with open(f"/proc/{world.apply.process.pid}/status") as f:
        facts = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["0"] * 4 and facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == int(facts["CapInh"], 16) == 0
    assert "root" in world.apply.sandbox and "no-capabilities" in world.apply.sandbox
    assert os.readlink(f"/proc/{world.apply.process.pid}/root") == str(world.spool)


def test_a_release_is_taken_installed_runs_and_stays(world):
    image = os.urandom(2 << 20)
    path = world.bundle(image)
    state = world.offer(path, sequence=7, floor=5)
    assert (state["phase"], state["error"], state["offset"], state["size"]) == ("taking", "", 0, path.stat().st_size)
    assert state["sha256"].hex() == release_note.artifact(path, "")["sha256"]
    world.give(path)
    state = world.install()
    assert state["phase"] == "installed" and state["slot"] == b"A", (state, world.said())
    assert world.rauc.slot("B").startswith(image) and not (world.spool / "artifact").exists()
    # not confirmed before it runs
    assert "nothing runs" in world.apply.ask("UPDATE_GOOD")["error"]
    world.apply.ask("UPDATE_REBOOT")
    assert world.apply.main.recv()[0] == "REBOOT"
    world.restart()
    assert world.apply.ask()["phase"] == "installed"
    world.reboot()
    state = world.apply.ask(slots=1)
    assert state["phase"] == "running" and state["slot"] == b"B"
    assert b'"bootname":"B","state":"booted","boot_status":"bad"' in state["slots"] and b'"version":"2.0.0"' in state["slots"]
    assert world.apply.ask("UPDATE_GOOD")["phase"] == "good"
    assert world.rauc.state("B") == "good"
    # what it ran keeps older ones out, also after another start
    world.reboot()
    state = world.offer(world.bundle(image), sequence=4)
    assert state["phase"] == "refused" and "older than the floor" in state["reason"]
    assert world.offer(world.bundle(image), sequence=5)["phase"] == "taking"


def test_a_machine_that_falls_back_is_seen(world):
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    world.give(path)
    assert world.install()["phase"] == "installed"
    world.reboot(boots=False)
    state = world.apply.ask()
    assert state["phase"] == "fell-back" and "slot 'A'" in state["reason"]
    # no floor comes of it
    assert world.offer(path, sequence=1)["phase"] == "taking"


def test_what_ran_and_was_not_confirmed_falls_back_at_the_next_start(world):
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    world.give(path)
    world.install()
    world.reboot()
    assert world.apply.ask()["phase"] == "running"
    # its fall-back is not written over meanwhile
    assert "not confirmed" in world.offer(path)["error"]
    world.rauc.boot = "A"
    world.apply.kill()
    world.rauc.stop()
    world.rauc.start()
    world.boot += 1
    world.start()
    assert world.apply.ask()["phase"] == "fell-back"


@pytest.mark.parametrize("what, told", [
    ("stranger", "signed"), ("unlogged", "log"), ("other-record", "record"), ("another-log", "log"), ("class", "class"),
    ("expired", "expired"), ("compatible", "bundle for this system"), ("garbled", ""), ("no-role", "role"),
])  # fmt: skip
def test_what_is_not_for_this_device_is_refused_before_a_byte(world, what, told):
    path = world.bundle(b"x" * 4096)
    now = int(time.time())
    options = {
        "stranger": {"signer": note_file.new_key("p256")}, "unlogged": {"log": Log(seed=b"nobody's")}, "class": {"classes": ["sensor"]},
        "other-record": {"edit": lambda text: text.replace(b'"sequence":2', b'"sequence":3')},
        "another-log": {"log": Log("another.test/fleet")}, "expired": {"issued": now - 100, "expires": now - 50, "time_": now},
        "compatible": {"compatible": "another-system"}, "garbled": {"sequence": -1}, "no-role": {"role": "nobody"},
    }[what]
    state = world.offer(path, **options)
    assert state["phase"] == "refused" and told in state["reason"], state
    assert not (world.spool / "artifact").exists()
    assert "no artefact is taken" in world.apply.ask("UPDATE_BYTES", offset=0, bytes=b"x")["error"]
    assert "nothing to install" in world.apply.ask("UPDATE_INSTALL")["error"]
    # it stays refused, and the next one is judged by itself
    world.restart()
    assert world.apply.ask()["phase"] == "refused"
    assert world.offer(path)["phase"] == "taking"


def test_a_bundle_that_rauc_does_not_trust_is_refused_by_it(world, tmp_path):
    path = world.bundle(b"x" * 4096, signer=rauc_host.authority(tmp_path, "stranger"))
    assert world.offer(path)["phase"] == "taking"
    world.give(path)
    state = world.install()
    assert state["phase"] == "refused" and "signature verification failed" in state["reason"]
    assert world.rauc.slot("B") == bytes(rauc_host.SLOT)


def test_bytes_of_something_else_are_not_installed(world):
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    other = bytearray(path.read_bytes())
    other[len(other) // 2] ^= 1
    (world.folder / "other").write_bytes(other)
    world.give(world.folder / "other")
    state = world.install()
    assert state["phase"] == "refused" and "SHA-256" in state["reason"]
    assert world.rauc.slot("B") == bytes(rauc_host.SLOT)


def test_more_bytes_than_said_and_gaps_are_not_taken(world):
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    state = world.apply.ask("UPDATE_BYTES", offset=100, bytes=b"x" * 10)
    assert state["offset"] == 0
    world.give(path)
    size = path.stat().st_size
    state = world.apply.ask("UPDATE_BYTES", offset=size, bytes=b"x")
    assert "more bytes" in state["error"] and state["offset"] == size
    assert (world.spool / "artifact").stat().st_size == size


def test_what_was_taken_survives_a_kill_and_goes_on(world):
    path = world.bundle(os.urandom(3 << 20))
    world.offer(path)
    world.give(path, until=2 << 20)
    world.restart()
    state = world.apply.ask()
    assert state["phase"] == "taking" and state["offset"] == 2 << 20
    world.give(path)
    assert world.install()["phase"] == "installed"


def test_what_a_power_cut_left_is_not_believed_and_taken_again(world):
    path = world.bundle(os.urandom(3 << 20))
    world.offer(path)
    world.give(path, until=2 << 20)
    world.apply.kill()
    with open(world.spool / "artifact", "r+b") as f:  # a block that never reached the disk
        f.seek(1 << 20)
        f.write(bytes(4096))
    world.start()
    world.give(path)
    state = world.install()
    assert state["phase"] == "taking" and state["offset"] == 0 and "taken again" in state["error"]
    world.give(path)
    assert world.install()["phase"] == "installed"


def test_rauc_that_ends_during_the_installation_is_tried_again_not_for_ever(world):
    loader = world.rauc.folder / "loader"
    text = loader.read_text()
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    world.give(path)
    for attempt in range(3):
        loader.write_text(text.replace("import pathlib, sys\n", HANGS))
        assert world.apply.ask("UPDATE_INSTALL")["phase"] == "installing"
        while "Marking target slot" not in (world.rauc.folder / "rauc.log").read_text().split("Using central status file")[-1]:
            time.sleep(0.02)
        os.kill(world.rauc.service.pid, signal.SIGKILL)
        assert world.settled()["phase"] == "taking", attempt
        loader.write_text(text)
        world.rauc.reboot(boots=False)
    state = world.install()
    assert state["phase"] == "refused" and "too often" in state["reason"]


def test_apply_that_is_killed_during_the_installation_begins_it_again(world):
    image = os.urandom(1 << 20)
    path = world.bundle(image)
    world.offer(path)
    world.give(path)
    assert world.apply.ask("UPDATE_INSTALL")["phase"] == "installing"
    world.apply.kill()
    world.start()
    while world.apply.ask()["phase"] == "installing":
        time.sleep(0.05)
    assert world.apply.ask()["phase"] == "taking"
    assert world.install()["phase"] == "installed"
    assert world.rauc.slot("B").startswith(image)


def test_the_power_goes_after_rauc_was_done_and_before_that_was_kept(world):
    """The machine runs from the other slot, which RAUC tells the boot loader last: it is installed, and only has to be confirmed."""
    image = os.urandom(1 << 20)
    path = world.bundle(image)
    world.offer(path)
    world.give(path)
    loader = world.rauc.folder / "loader"
    loader.write_text(loader.read_text().replace("import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(0.5)\n"))
    assert world.apply.ask("UPDATE_INSTALL")["phase"] == "installing"
    while "Marking target slot" not in (world.rauc.folder / "rauc.log").read_text():
        time.sleep(0.02)
    os.kill(world.apply.process.pid, signal.SIGSTOP)  # it does not hear of the end
    while (world.rauc.folder / "primary").read_text() != "B":
        assert world.rauc.service.poll() is None
        time.sleep(0.05)
    world.reboot()
    assert world.settled()["phase"] == "running"
    assert world.apply.ask("UPDATE_GOOD")["phase"] == "good" and world.rauc.state("B") == "good"


def test_an_artefact_that_does_not_fit_is_refused_before_a_byte(tmp_path):
    spool = tmp_path / "small"
    spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", spool], check=True)
    try:
        with Rauc(tmp_path / "rauc") as rauc:
            world = World(tmp_path, rauc, spool=spool)
            state = world.offer(world.bundle(os.urandom(3 << 20)))
            assert state["phase"] == "refused" and "does not fit into the spool" in state["reason"]
            assert world.offer(world.bundle(os.urandom(1 << 20)))["phase"] == "taking"
            world.close()
    finally:
        subprocess.run(["umount", spool], check=True)


def test_the_same_offer_again_changes_nothing_and_another_takes_its_place(world):
    path = world.bundle(os.urandom(1 << 20))
    world.offer(path)
    world.give(path, until=500000)
    assert world.apply.ask("UPDATE_OFFER", **world.last)["offset"] == 500000
    assert world.offer(path)["offset"] == 0
    assert world.apply.ask("UPDATE_DROP")["phase"] == "none"
    assert not (world.spool / "artifact").exists()


def test_it_walks_the_fleet_root_itself(world):
    path = world.bundle(b"x" * 4096)
    old, world.key = world.key, note_file.new_key("p256")
    roles = [{"name": "firmware", "threshold": 1, "keys": [note_file.text_of(world.key)]}]
    next_note = world.root_note(version=2, releases=roles)
    assert world.offer(path)["phase"] == "refused"
    stranger = note_file.note({**world.root, "version": 2}, [note_file.new_key()])
    state = world.apply.ask("UPDATE_ROOT", note=stranger)
    assert state["root"] == 1 and "no next fleet root" in state["error"]
    assert world.apply.ask("UPDATE_ROOT", note=next_note)["root"] == 2
    assert world.apply.ask("UPDATE_ROOT", note=next_note)["root"] == 2
    world.root["version"] = 1  # what was provisioned is not what counts any more
    world.root["releases"] = []
    world.restart()
    assert world.apply.ask()["root"] == 2
    assert world.offer(path, signer=old)["phase"] == "refused"
    assert world.offer(path)["phase"] == "taking"


def test_without_rauc_nothing_is_taken_and_it_says_so(world):
    world.rauc.stop()
    state = world.offer(world.bundle(b"x" * 4096))
    assert "RAUC does not answer" in state["error"] and state["phase"] == "none"
    world.rauc.start()
    assert world.offer(world.bundle(b"x" * 4096))["phase"] == "taking"


def test_a_damaged_record_takes_no_release(world):
    world.offer(world.bundle(b"x" * 4096))
    world.apply.kill()
    raw = bytearray((world.spool / "update").read_bytes())
    raw[40] ^= 1
    (world.spool / "update").write_bytes(raw)
    world.start()
    assert world.apply.process.wait() == 1
    assert "is damaged" in world.said()
    world.apply.kill()
