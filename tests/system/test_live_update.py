# SPDX-License-Identifier: Apache-2.0
"""
The whole agent takes updates: every process real, with a live TPM (swtpm) and the real RAUC (rauc_host.py); the server is a test
double (device_server.py, update_double.py). A start of the machine is another boot id, bound over the kernel's for the agent alone.
"""

import hashlib
import os
import subprocess
import time
import uuid

import pytest

import device_server
import fleet_root_note as note_file
import rauc_host
import release_note
from agent_device import AGENT
from fleet_world import certificates
from rauc_host import COMPATIBLE, Rauc
from tlog_server import Log
from update_double import Updates
from update_machine import Machine, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the agent gives its processes users of their own: it starts as root")
DAY = 86400


class World:
    def __init__(self, folder, rauc):
        (folder / "server").mkdir()
        self.folder, self.rauc, self.number = folder, rauc, 1000
        authority = device_server.Authority(folder / "server", "DNS:localhost,IP:127.0.0.1")
        (folder / "double").mkdir()
        self.devices = device_server.Devices(folder / "double", authority)
        self.updates = self.devices.updates = Updates()
        self.listener = device_server.Listener(self.devices)
        self.log, self.owner, self.key = Log(), note_file.new_key(), note_file.new_key("p256")
        now = int(time.time())
        self.root = {
            "type": note_file.TYPE, "version": 1, "issued": now - 100, "expires": now + 365 * DAY,
            "root": {"threshold": 1, "keys": [note_file.text_of(self.owner)]},
            "releases": [{"name": "firmware", "threshold": 1, "keys": [note_file.text_of(self.key)]}],
            "anchors": certificates((folder / "server/ca.pem").read_bytes()), "logs": [self.log.vkey], "ears": [],
            "servers": [f"127.0.0.1:{self.listener.port}"], "agent_min": "0.1.0",
        }  # fmt: skip
        self.publish()
        (folder / "root.1").write_bytes(self.devices.fleet_root[1])
        self.device = Machine(folder / "device")
        self.device.set(fleet_root=folder / "root.1", poll="1s", ek="p-256", update=f"{{backend: rauc, bus: \"{rauc.address}\"}}",
                        **{"class": "gateway"})

    def publish(self, **changed):
        self.root = {**self.root, **changed}
        self.devices.fleet_root[self.root["version"]] = note_file.note(self.root, [self.owner])

    def offer(self, path, log=None, compatible=COMPATIBLE, reference=True, **changed):
        doc = release_note.document([release_note.artifact(path, compatible)], **changed)
        if reference:
            doc["reference"] = {"format": "chainhold-reference/1", "kind": "release", "name": f"{doc['name']} {doc['version']}", "events": []}
        note = note_file.note(doc, [self.key])
        proof = release_note.logged(log or self.log, release_note.record(note, doc))
        self.number += 1
        data = path.read_bytes()
        with self.devices.lock:
            self.updates.offer(self.number, note, proof, data, (hashlib.sha256(note).hexdigest(), hashlib.sha256(data).hexdigest()))

    def until_told(self, state):
        until(lambda: self.updates.states()[-1:] == [state], lambda: f"{self.updates.told}\n{self.device.said()}")
        return self.updates.told[-1]

    def reboot(self, boots=True):
        self.device.power_off()
        self.rauc.reboot(boots)
        self.device.new_boot()
        self.device.start()

    def phase(self, phase):
        return self.device.wait_status(lambda s: (s["update"] or {}).get("phase") == phase, seconds=60)["update"]


@pytest.fixture
def world(tmp_path):
    with Rauc(tmp_path / "rauc") as rauc:
        one = World(tmp_path, rauc)
        yield one
        one.device.stop()
        one.listener.stop()


def test_an_update_from_its_offer_until_it_stays(world):
    image = os.urandom(6 << 20)
    world.device.start()
    world.device.wait_status(lambda s: s["attested"])
    assert world.device.children().keys() == {"tpm", "net", "collect", "apply"}
    world.offer(world.rauc.bundle("good", image))
    told = world.until_told("installed")
    assert told["slot"] == "A" and told["reason"] is None
    progress = [t["progress"] for t in world.updates.told if t["state"] == "downloading"]
    assert progress[0] == 0 and progress == sorted(progress)
    assert world.rauc.slot("B").startswith(image)
    until(lambda: "it runs when the machine is started again" in world.device.said(), world.device.said)
    world.reboot()
    assert world.phase("running")["slot"] == "B"
    assert world.rauc.state("B") == "bad"
    # what the device says is not what counts
    time.sleep(3)
    assert world.phase("running") and world.rauc.state("B") == "bad"
    world.updates.state = "proven"
    world.phase("good")
    assert world.rauc.state("B") == "good"
    assert world.updates.states()[-1] == "installed"


def test_what_nothing_can_prove_stays_when_the_server_has_answered(world):
    world.device.start()
    world.offer(world.rauc.bundle("good", os.urandom(1 << 20)), reference=False)
    world.until_told("installed")
    world.reboot()
    world.phase("good")
    assert world.rauc.state("B") == "good" and world.updates.state == "installed"


def test_a_machine_that_fell_back_says_so(world):
    world.device.start()
    world.offer(world.rauc.bundle("bad", os.urandom(1 << 20)))
    world.until_told("installed")
    world.reboot(boots=False)
    told = world.until_told("fell-back")
    assert "slot 'A'" in told["reason"] and told["slot"] == "A"


def test_what_is_refused_is_seen_on_the_server(world):
    world.device.start()
    stranger = rauc_host.authority(world.folder, "stranger")
    world.offer(world.rauc.bundle("foreign", os.urandom(1 << 20), signer=stranger))
    assert "signature verification failed" in world.until_told("refused")["reason"]
    good = world.rauc.bundle("good", os.urandom(1 << 20))
    for options, why in (({"log": Log(seed=b"nobody's")}, "log"), ({"classes": ["sensor"]}, "class"), ({"compatible": "other"}, "bundle")):
        world.offer(good, **options)
        assert why in world.until_told("refused")["reason"]
    asked = len(world.updates.ranges)
    world.offer(good, sequence=5, floor=5, reference=False)
    world.until_told("installed")
    world.reboot()
    world.phase("good")
    world.offer(good, sequence=4)
    assert "older than the floor" in world.until_told("refused")["reason"]
    assert len(world.updates.ranges) > asked


def test_a_download_that_breaks_goes_on_where_it_was(world):
    image = os.urandom(7 << 20)
    world.updates.cut_at = 2 << 20
    world.device.start()
    world.offer(world.rauc.bundle("good", image))
    world.until_told("installed")
    assert world.rauc.slot("B").startswith(image)
    firsts = [first for first, _ in world.updates.ranges]
    assert firsts == sorted(firsts)
    assert sum(n for _, n in world.updates.ranges) < len(world.updates.artifact) + (1 << 20)


def test_an_agent_that_is_killed_in_a_download_goes_on_where_it_was(world):
    image = os.urandom(7 << 20)
    world.updates.cut_at, world.updates.cuts_max = 5 << 20, 1 << 30
    world.device.start()
    world.offer(world.rauc.bundle("good", image))
    until(lambda: world.updates.cuts > 0, world.device.said)
    world.device.power_off()
    before, world.updates.cut_at = len(world.updates.ranges), None
    world.device.start()
    world.until_told("installed")
    assert world.updates.ranges[before][0] >= 4 << 20
    assert world.rauc.slot("B").startswith(image)


def test_a_deployment_that_is_cancelled_is_left(world):
    world.updates.cut_at, world.updates.cuts_max = 1 << 20, 1 << 30
    world.device.start()
    world.offer(world.rauc.bundle("good", os.urandom(7 << 20)))
    until(lambda: world.updates.cuts > 0, world.device.said)
    world.updates.state = "cancelled"
    world.phase("none")
    assert not (world.device.folder / "state/apply/artifact").exists()


def test_the_next_fleet_root_reaches_the_judge(world):
    old, world.key = world.key, note_file.new_key("p256")
    world.publish(version=2, releases=[{"name": "firmware", "threshold": 1, "keys": [note_file.text_of(world.key)]}])
    world.device.start()
    path = world.rauc.bundle("good", os.urandom(1 << 20))
    world.offer(path)
    world.until_told("installed")
    world.key = old
    world.offer(path)
    assert "signed" in world.until_told("refused")["reason"]


def by_hand(world, *args, code=0):
    done = subprocess.run([AGENT, "--config", world.device.folder / "agent.yaml", *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def medium(world, path, **options):
    """What is carried there: files of the release, of its proof, and the artefact."""
    world.offer(path, **options)
    world.updates.deployment = world.updates.state = None
    names = [world.folder / "release", world.folder / "proof", path]
    names[0].write_bytes(world.updates.release)
    names[1].write_bytes(world.updates.proof)
    return names


def test_an_update_from_a_medium_is_judged_alike_and_confirmed_by_hand(world):
    image = os.urandom(3 << 20)
    good = world.rauc.bundle("good", image)
    assert "log" in by_hand(world, "install", *medium(world, good, log=Log(seed=b"nobody's")), code=1)
    files = medium(world, good, sequence=5, floor=5)
    other = world.folder / "cut"
    other.write_bytes(good.read_bytes()[:-1])
    assert "ends too early" in by_hand(world, "install", *files[:2], other, code=1)
    assert "gateway-os 2.0.0 is installed" in by_hand(world, "install", *files)
    assert world.rauc.slot("B").startswith(image)
    assert "nothing runs" in by_hand(world, "confirm", code=1)
    world.rauc.reboot()
    line = f"mount --bind {world.folder}/id /proc/sys/kernel/random/boot_id && exec {AGENT} --config {world.device.folder}/agent.yaml confirm"
    (world.folder / "id").write_text(f"{uuid.uuid4()}\n")
    done = subprocess.run(["unshare", "-m", "sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "runs and stays" in done.stderr, done.stderr
    assert world.rauc.state("B") == "good"
    assert "older than the floor" in by_hand(world, "install", *medium(world, good, sequence=4), code=1)
    assert "class" in by_hand(world, "install", *medium(world, good, sequence=6, classes=["sensor"]), code=1)


def ustar(files):
    """An archive as docs/protocol/archive.md has it, without its signatures: what is in it is judged by its own."""
    out = b""
    for name, data in sorted(files.items()):
        head = bytearray(512)
        for at, text in ((0, name), (100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (124, f"{len(data):011o}\0"), (136, f"{0:011o}\0"),
                         (148, " " * 8), (156, "0"), (257, "ustar\x0000")):
            head[at:at + len(text)] = text.encode()
        head[148:156] = f"{sum(head):06o}\0 ".encode()
        out += bytes(head) + data + bytes(-len(data) % 512)
    return out + bytes(1024)


def test_an_archive_from_a_medium(world):
    image = os.urandom(2 << 20)
    world.key = note_file.new_key("p256")
    world.publish(version=2, releases=[{"name": "firmware", "threshold": 1, "keys": [note_file.text_of(world.key)]}])
    path = world.rauc.bundle("good", image)
    medium(world, path)
    digest = hashlib.sha256(world.updates.release).hexdigest()
    files = {"fleet-root/1": world.devices.fleet_root[1], "fleet-root/2": world.devices.fleet_root[2],
             f"releases/{digest}.release": world.updates.release,
             f"releases/{digest}.proof": world.updates.proof, f"artifacts/{hashlib.sha256(path.read_bytes()).hexdigest()}": path.read_bytes()}
    archive = world.folder / "archive"
    for left, why in (("fleet-root/2", "signed"), (f"releases/{digest}.proof", "shows"), (list(files)[4], "artefact of its release"),
                      (f"releases/{digest}.release", "no release")):
        archive.write_bytes(ustar({k: v for k, v in files.items() if k != left}))
        assert why in by_hand(world, "install", archive, code=1)
    for broken in (ustar(files)[:-1024], ustar(files)[:700], b"x" * 4096, b""):
        archive.write_bytes(broken)
        by_hand(world, "install", archive, code=1)
    archive.write_bytes(ustar({**files, f"releases/{'0' * 64}.release": b"another"}))
    assert "several releases" in by_hand(world, "install", archive, code=1)
    assert world.rauc.slot("B") == bytes(rauc_host.SLOT)
    archive.write_bytes(ustar(files))
    assert "is installed" in by_hand(world, "install", archive)
    assert world.rauc.slot("B").startswith(image)


def test_what_came_from_a_medium_stays_when_a_server_affirms_its_boot(world):
    by_hand(world, "install", *medium(world, world.rauc.bundle("good", os.urandom(1 << 20))))
    world.rauc.reboot()
    world.device.new_boot()
    world.devices.chain = "warning"
    world.device.start()
    world.phase("running")
    time.sleep(2)
    assert world.rauc.state("B") == "bad"
    world.devices.chain = "affirming"
    world.device.again()
    world.phase("good")
    assert world.rauc.state("B") == "good"


def test_by_hand_it_is_one_at_a_time(world):
    files = medium(world, world.rauc.bundle("good", os.urandom(1 << 20)))
    world.device.start()
    world.device.wait_status(lambda s: s["attested"])
    assert "another chainhold-agent is at work here" in by_hand(world, "install", *files, code=3)


def test_without_a_fleet_root_there_are_no_updates(tmp_path):
    (tmp_path / "agent.yaml").write_text("server: a:1\nserver_ca: /x\nupdate: {backend: rauc}\n")
    done = subprocess.run([AGENT, "--config", tmp_path / "agent.yaml", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "line 3" in done.stderr and "'fleet_root' is missing: it says who may sign releases" in done.stderr
