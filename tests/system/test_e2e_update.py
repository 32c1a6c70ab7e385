# SPDX-License-Identifier: Apache-2.0
"""
Updates of a virtual gateway with two slots (QEMU, OVMF with Secure Boot, swtpm, RAUC's own service, our agent) by a real server, with
nobody at the device: releases are made, signed, published and assigned with the commands that operators have. One gateway lives
through all tests in their order. A part of `make e2e`.
"""

import contextlib
import json
import shutil
import subprocess

import pytest

from e2e_support import HOST_FROM_GUEST, VM, Gateway, Server, full, needed, until

pytestmark = full
AGENT = """\
fleet_root: /data/fleet-root.1
state_dir: /data/agent
status_file: /run/agent-status.json
tpm: device:/dev/tpmrm0
class: {name}
interval: 10m
poll: 2s
update: {{backend: rauc, reboot: auto}}
users: {{tpm: 64501, net: 64502, collect: 64503}}
"""


class Publisher(Server):
    """A server with a fleet root whose role `firmware` signs releases."""

    def key(self, name):
        private, public = self.folder / f"{name}.key", self.folder / f"{name}.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        private.chmod(0o600)
        return private, public

    def publish_fleet_root(self):
        (root, root_public), (self.firmware, firmware_public) = self.key("root"), self.key("firmware")
        self.fleet_root = self.folder / "fleet-root.1"
        self.operator("fleet-root", "create", "--key", root_public, "--anchor", self.folder / "ca.crt", "--server", f"{HOST_FROM_GUEST}:{self.devices}",
                      "--log", self.folder / "log.vkey", "--ear", self.folder / "ear.pub", "--release", f"firmware:1:{firmware_public}",
                      "--out", self.fleet_root)
        self.operator("fleet-root", "sign", "--key", root, self.fleet_root)
        self.operator("fleet-root", "publish", "--reason", "the first", self.fleet_root)

    def publish(self, version, sequence, bundle, change=None):
        """A release of this bundle; `change` may rewrite its document before it is signed. Returns its file."""
        file = self.folder / f"gateway-{version}.release"
        file.write_text(self.operator("release", "create", "--name", "gateway-os", "--version", version, "--sequence", sequence,
                                      "--class", self.name, "--role", "firmware", bundle))
        if change is not None:
            change(file)
        self.operator("release", "sign", "--key", self.firmware, "--fleet-root", self.fleet_root, file)
        self.operator("release", "publish", "--reason", f"{version} is out", file)
        self.operator("release", "upload", bundle)
        return file

    def assign(self, device, file):
        sha256 = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True).stdout.split()[0]
        self.operator("update", "assign", "--release", sha256, "--reason", "a test", device)
        return self.deployment(device)["deployment"]

    def deployment(self, device):
        return self.get(f"/api/v1/deployments?device={device}")["deployments"][0]


class Slots(Gateway):
    """A gateway of the variant `rauc`, which takes its updates by itself."""

    config, variant, data = AGENT, "rauc", 256

    def fill(self, server, agent):
        super().fill(server, agent)
        shutil.copy(server.fleet_root, self.files)

    def boot_order(self):
        return {name: value for name, _, value in (line.partition(": ") for line in self.run("efibootmgr").splitlines()) if name.startswith("Boot")}

    def bundle(self, version, kind):
        path = self.folder / f"{version}-{kind}.raucb"
        subprocess.run([VM / "gateway.sh", "bundle", path, version, kind], check=True, capture_output=True)
        return path

    def goes_off(self):
        """Switched on, it goes off before it stands at its gate."""
        with open(self.folder / "power.log", "ab") as log:
            assert subprocess.run([VM / "gateway.sh", "power", self.device, self.variant], stdout=log, stderr=log, check=False).returncode == 3


class Story:
    def __init__(self, server, gateway):
        self.server, self.gateway = server, gateway
        self.device = None

    @contextlib.contextmanager
    def on(self, release, slot):
        """Switched on: it runs this release from this slot, and its agent works."""
        with self.gateway.power() as (_, _, *runs):
            assert runs == [release, slot]
            self.gateway.start("keep-slot")
            yield self.gateway

    def becomes(self, number, *states):
        def seen():
            one = self.server.deployment(self.device)
            return one if one["deployment"] == number and one["state"] in states else None
        return until(seen, what=lambda: f"{self.server.deployment(self.device)}\n{self.gateway.console()[-4000:]}", every=0.5)

    def offer(self, version, sequence, kind="good", change=None):
        return self.server.assign(self.device, self.server.publish(version, sequence, self.gateway.bundle(version, kind), change))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    needed()
    folder = tmp_path_factory.mktemp("story")
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o711)
    server = Publisher(folder / "server")
    policy = server.folder / "policies" / "gateway.yaml"
    policy.write_text(policy.read_text().replace("os: quarantine", "os: alert") + "mend: assigned\n")
    server.trust(*Gateway.roots())
    with server:
        server.publish_fleet_root()
        gateway = Slots(server)
        yield Story(server, gateway)
        gateway.remove()


def test_what_runs_is_published_first_and_the_baseline_is_the_rest(story):
    story.server.publish("1.0.0", 1, story.gateway.bundle("1.0.0", "good"))
    with story.on("1.0.0", "A") as gateway:
        story.device = gateway.attested()["device"]
        story.server.approve_baseline(story.device)
        baseline = json.loads((story.server.folder / "good.json").read_text())
        # The release has what its image brings; the baseline what the firmware measured by itself.
        assert not any(event["pcr"] in (9, 11) for event in baseline["events"]), baseline["events"]
        gateway.becomes("affirming", "trusted")
        gateway.off()


def test_an_update_is_proven_by_what_the_new_boot_measures(story):
    with story.on("1.0.0", "A") as gateway:
        number = story.offer("1.1.0", 2)
        story.becomes(number, "installed")
        gateway.ended()
    with story.on("1.1.0", "B") as gateway:
        story.becomes(number, "proven")
        assert gateway.attest()["chain"] == "affirming"
        # Proven: it stays, also after the next reset.
        until(lambda: gateway.boot_order()["BootOrder"].startswith("0002"), what=gateway.console, every=1)
        gateway.off()


def test_a_bundle_of_a_stranger_is_refused_on_the_device_and_seen_on_the_server(story):
    with story.on("1.1.0", "B") as gateway:
        number = story.offer("1.2.0", 3, "stranger")
        assert "signature verification failed" in story.becomes(number, "refused")["reason"]
        assert "BootNext" not in gateway.boot_order()
        gateway.off()


@pytest.mark.parametrize("kind, sequence, resets", [("unsigned", 4, 0), ("panic", 5, 1), ("hang", 6, 1)])
def test_what_does_not_come_up_falls_back_and_is_seen_on_the_server(story, kind, sequence, resets):
    with story.on("1.1.0", "B") as gateway:
        number = story.offer(f"1.2.{sequence}", sequence, kind)
        story.becomes(number, "installed")
        gateway.ended()
    for _ in range(resets):
        story.gateway.goes_off()
    with story.on("1.1.0", "B") as gateway:
        assert story.becomes(number, "fell-back")["reason"]
        # A warning where the firmware tried the other option in this boot and says so.
        assert gateway.attest()["chain"] == ("warning" if kind == "unsigned" else "affirming")
        assert gateway.boot_order()["BootOrder"].split(",")[0] == "0002"
        gateway.off()


def test_what_boots_and_measures_what_nobody_expected_is_not_proven(story):
    def another_kernel(file):
        document = json.loads(file.read_text())
        event = next(e for e in document["reference"]["events"] if e["pcr"] == 11)
        event["digests"] = {name: "00" * (len(value) // 2) for name, value in event["digests"].items()}
        file.write_text(json.dumps(document))

    with story.on("1.1.0", "B") as gateway:
        number = story.offer("1.3.0", 7, change=another_kernel)
        story.becomes(number, "installed")
        gateway.ended()
    with story.on("1.3.0", "A") as gateway:
        one = story.becomes(number, "not-proven")
        assert "PCR 11" in one["reason"], one
        assert gateway.attested()["state"] == "quarantined"
        # Nobody marked it good: the next start would be the release before. In quarantine it takes what an operator gave to it alone.
        assert gateway.boot_order()["BootOrder"].startswith("0002")
        number = story.offer("1.4.0", 8)
        story.becomes(number, "installed")
        gateway.ended()
    with story.on("1.4.0", "B") as gateway:
        story.becomes(number, "proven")
        until(lambda: story.server.device()["state"] == "trusted", what=gateway.console, every=1)
        gateway.off()
