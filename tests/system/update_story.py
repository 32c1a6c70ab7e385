# SPDX-License-Identifier: Apache-2.0
"""
A virtual gateway with two slots that takes its updates by itself, and a server whose operators make, sign, publish and assign releases with
the commands that they have.
"""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess

from e2e_support import HOST_FROM_GUEST, POLICY, VM, Gateway, Server, until

SLOT = 48 << 20

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


def sha256_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Publisher(Server):
    """A server with a fleet root whose role `firmware` signs releases. `measured`: version → SHA-256 of its reference values."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.measured = {}

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

    def references(self):
        """SHA-256 of each document that devices of its class are judged by."""
        return {one["sha256"] for of in self.get("/api/v1/classes")["classes"] for one in of["references"]}

    def sign(self, version, sequence, bundle, change=None, of=None, floor=0):
        """A release of this bundle for devices of the class `of`; `change` may rewrite its document before it is signed. Returns its file."""
        file = self.folder / f"gateway-{version}.release"
        file.write_text(self.operator("release", "create", "--name", "gateway-os", "--version", version, "--sequence", sequence,
                                      "--floor", floor, "--class", of or self.name, "--role", "firmware", bundle))
        if change is not None:
            change(file)
        self.operator("release", "sign", "--key", self.firmware, "--fleet-root", self.fleet_root, file)
        return file

    def publish(self, version, sequence, bundle, *arguments, **more):
        """Signed, in the log, and its bundle there to be taken. Returns its file."""
        file = self.sign(version, sequence, bundle, *arguments, **more)
        before = self.references()
        self.operator("release", "publish", "--reason", f"{version} is out", file)
        (self.measured[version],) = self.references() - before
        self.operator("release", "upload", bundle)
        return file

    def assign(self, device, file):
        self.operator("update", "assign", "--release", sha256_of(file), "--reason", "a test", device)
        return self.deployment(device)["deployment"]

    def offer_unasked(self, device, file):
        """
        What a server that somebody took over can do: offer whatever it has a document of, with the entry of the log of something else where the
        log has none of it. Its store is changed while it is not at work. Returns the number of the deployment.
        """
        digest = hashlib.sha256(file.read_bytes()).digest()
        self.stop()
        with contextlib.closing(sqlite3.connect(self.folder / "state" / "store" / "chainhold.db")) as store, store:
            if store.execute("SELECT count(*) FROM release WHERE sha256 = ?", (digest,)).fetchone() == (0,):
                store.execute("INSERT INTO release SELECT tenant, seq + 1, ?, name, version, sequence, floor, expires, reference, ?, time, action, "
                              "leaf, 0, 0 FROM release ORDER BY seq DESC LIMIT 1", (digest, file.read_bytes()))
            store.execute("INSERT INTO deployment (tenant, seq, device, release, forced, state, time, changed, progress, slot, reason, reset, "
                          "evidence, rollout, action) SELECT d.tenant, d.seq + 1, d.device, r.seq, 0, 1, d.time, d.time, 0, '', '', -1, 0, 0, 0 "
                          "FROM deployment d, release r WHERE r.sha256 = ? ORDER BY d.seq DESC LIMIT 1", (digest,))
        self.start()
        until(lambda: self.asked("/api/v1/releases")[0] == 200, what=self.text)
        return self.deployment(device)["deployment"]

    def rollout(self, name):
        return self.get(f"/api/v1/rollouts/{name}")

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

    def slot(self, name):
        """SHA-256 of what a slot holds."""
        with open(self.device / "disk.img", "rb") as disk:
            disk.seek((1 << 20) + "AB".index(name) * SLOT)
            return hashlib.sha256(disk.read(SLOT)).hexdigest()

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

    def offer(self, version, sequence, kind="good", **more):
        return self.server.assign(self.device, self.server.publish(version, sequence, self.gateway.bundle(version, kind), **more))

    def roll_out(self, version, sequence, **more):
        """To all devices, this one being the canary. Returns the name of the rollout and the number of the deployment."""
        file = self.server.publish(version, sequence, self.gateway.bundle(version, "good"), **more)
        name, before = f"all-{version}", self.server.deployment(self.device)["deployment"]
        document = {"type": "chainhold-rollout/v1", "name": name, "release": sha256_of(file),
                    "phases": [{"devices": [self.device]}, {"percent": 100}], "halt": {"failures": {"count": 1}}, "advance": {"proven": 100}}
        path = self.server.folder / f"{name}.yaml"
        path.write_text(json.dumps(document))
        self.server.operator("rollout", "create", "--reason", "a test", path)

        def begun():
            number = self.server.deployment(self.device)["deployment"]
            return number if number != before else None
        return name, until(begun, what=lambda: self.server.rollout(name), every=0.5)


def policy_of(server):
    """Boots decide, files do not: those of a release are not measured by it. What is assigned mends. There are sensors, too, of which we have none."""
    policy = server.folder / "policies" / f"{server.name}.yaml"
    policy.write_text(policy.read_text().replace("os: quarantine", "os: alert") + "mend: assigned\n")
    (server.folder / "policies" / "sensor.yaml").write_text(POLICY.format(name="sensor", requires="platform"))


@contextlib.contextmanager
def begin(folder):
    """A story that has not begun: a server that is at work, and a gateway that was never on."""
    for one in (folder, *folder.parents[:2]):
        one.chmod(0o711)
    server = Publisher(folder / "server")
    policy_of(server)
    server.trust(*Gateway.roots())
    with server:
        server.publish_fleet_root()
        gateway = Slots(server)
        try:
            yield Story(server, gateway)
        finally:
            gateway.remove()
