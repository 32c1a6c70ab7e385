# SPDX-License-Identifier: Apache-2.0
"""A real server (chainholdd with every process), and virtual gateways with the real agent that attest to it."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from support import ROOT

BUILD = ROOT / "build"
VM = ROOT / "tools" / "vm"
WORK = Path(os.environ.get("CHAINHOLD_VM_WORK", BUILD / "vm"))
HOST_FROM_GUEST = "10.0.2.2"
POLICY = """\
class: {name}
requires: [{requires}]
evidence: {{max_age: 1h, interval: 10m}}
on_break: {{platform: quarantine, boot: quarantine, os: quarantine}}
release: automatic
two_signatures: []
certificate: {{lifetime: 30d}}
enrolment: {{ek: any-trusted-root, token: refused}}
"""
AGENT = """\
server: {server}
server_ca: /data/server-ca.pem
state_dir: /data/agent
status_file: /run/agent-status.json
tpm: device:/dev/tpmrm0
class: {name}
interval: 10m
users: {{tpm: 64501, net: 64502, collect: 64503}}
"""
# As the package has it: what is not said is where its unit puts it.
PACKAGED = """\
server: {server}
server_ca: /etc/chainhold/server-ca.pem
class: {name}
interval: 10m
"""

full = pytest.mark.skipif("CHAINHOLD_E2E" not in os.environ, reason="a part of make e2e")


def needed():
    """Skips where a part of the virtual gateway cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("the server gives its processes users of their own: it starts as root")
    for program in ("qemu-system-x86_64", "swtpm_setup", "sbsign", "socat"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (tools/deps.sh vm)")


def until(ask, timeout=600, what="it did not happen", every=0.1):
    """Asks again and again for something true; the limit is there to end a test that has failed."""
    end = time.monotonic() + timeout
    while not (answer := ask()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(every)
    return answer


def free_port():
    """A port that no connection of this machine takes by itself before the server listens there."""
    while True:
        port = random.randrange(10000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Server:
    """`chainhold init` and chainholdd in a folder of its own; a context."""

    def __init__(self, folder, requires="platform, boot", name="gateway"):
        self.folder, self.name, self.process = folder, name, None
        self.devices, self.operators, self.public = free_port(), free_port(), free_port()
        self.run("chainhold", "init", folder, "--name", "127.0.0.1", "--name", HOST_FROM_GUEST, "--listen", "127.0.0.1",
                 "--devices-port", self.devices, "--operators-port", self.operators, "--public-port", self.public)
        for policy in (folder / "policies").iterdir():
            policy.unlink()
        (folder / "policies" / f"{name}.yaml").write_text(POLICY.format(name=name, requires=requires))

    def trust(self, *certificates):
        """Roots of EK certificates, before the start."""
        for number, certificate in enumerate(certificates):
            shutil.copy(certificate, self.folder / "ek_roots" / f"{number}.pem")

    def run(self, program, *arguments, code=0):
        done = subprocess.run([BUILD / program, *map(str, arguments)], capture_output=True, text=True, check=False,
                              env={**os.environ, "CHAINHOLD_CONFIG": str(self.folder / "chainhold.yaml")})
        assert done.returncode == code, f"{program} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def operator(self, *arguments, code=0):
        """The command line as the first administrator."""
        return self.run("chainhold", *arguments, code=code)

    def __enter__(self):
        self.start()
        return self

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([BUILD / "chainholdd", self.folder / "chainholdd.yaml"], stderr=self.log,
                                        stdout=self.log, stdin=subprocess.DEVNULL)
        until(self.ready, what=self.text)

    def text(self):
        return (self.folder / "log").read_text(errors="replace")

    def ready(self):
        assert self.process.poll() is None, self.text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.devices), 1):
            return True
        return False

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()

    def asked(self, path):
        """GET of the operators' API, as the first administrator: status and body."""
        tls = ssl.create_default_context(cafile=self.folder / "ca.crt")
        tls.load_cert_chain(self.folder / "operators" / "admin.crt", self.folder / "operators" / "admin.key")
        peer = http.client.HTTPSConnection("127.0.0.1", self.operators, context=tls, timeout=30)
        peer.request("GET", path)
        answer = peer.getresponse()
        body = answer.read()
        peer.close()
        return answer.status, json.loads(body)

    def get(self, path):
        status, body = self.asked(path)
        assert status == 200, (path, status, body)
        return body

    def device(self):
        """The one device that is enrolled, as the operators' API shows it."""
        listed = self.get("/api/v1/devices")["devices"]
        assert len(listed) == 1, listed
        return self.get(f"/api/v1/devices/{listed[0]['device']}")

    def approve_baseline(self, device):
        """What that device attested last becomes what its class must show."""
        good = self.folder / "good.json"
        good.write_text(self.operator("baseline", "capture", "--device", device))
        self.operator("baseline", "approve", "--class", self.name, good, "--reason", "seen good in a test")


class Gateway:
    """One virtual gateway (tools/vm/gateway.sh): switched on and off with `power`, its agent with `start`."""

    config, status_file, variant, data = AGENT, "/run/agent-status.json", "good", 16

    def __init__(self, server, unit=1, agent=""):
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-"))
        self.files = self.folder / "files"
        (self.files / "agent").mkdir(parents=True)
        self.fill(server, agent)
        self.device = self.folder / "device"
        self.process = None
        subprocess.run([VM / "gateway.sh", "new", self.device, str(unit), self.files, f"{self.data}M"], check=True)

    def fill(self, server, agent):
        """What its data disk holds."""
        config = self.config.format(server=f"{HOST_FROM_GUEST}:{server.devices}", name=server.name) + agent
        (self.files / "chainhold-agent.yaml").write_text(config)
        shutil.copy(server.folder / "ca.crt", self.files / "server-ca.pem")

    @staticmethod
    def roots():
        """Who vouches for the TPMs of the virtual gateways; made with the first TPM."""
        roots = [WORK / "ca" / name for name in ("swtpm-localca-rootca-cert.pem", "issuercert.pem")]
        if not all(root.exists() for root in roots):
            with tempfile.TemporaryDirectory() as first:
                subprocess.run([VM / "tpm.sh", f"{first}/tpm", "first"], check=True)
        return roots

    @contextlib.contextmanager
    def switched_on(self, variant=None):
        """Switched on, wherever it is in its boot."""
        (self.device / "gate").unlink(missing_ok=True)
        with open(self.folder / "power.log", "ab") as log:
            self.process = subprocess.Popen([VM / "gateway.sh", "power", self.device, variant or self.variant], stdout=log, stderr=log)
        try:
            yield
        finally:
            self.process.terminate()
            self.process.wait()

    @contextlib.contextmanager
    def power(self, variant=None):
        """Switched on, and at its gate: (booted or restored, seconds, release, slot)."""
        with self.switched_on(variant):
            yield self.gate()

    def gate(self):
        """Waits until the guest stands at its gate: (booted or restored, seconds, release, slot)."""

        def there():
            assert self.process.poll() is None, f"{self.process.poll()}: {(self.folder / 'power.log').read_text()}\n{self.console()[-2000:]}"
            return (self.device / "gate").exists()

        until(there, what=self.console)
        how, seconds, _, release, _, slot = (self.device / "gate").read_text().split()
        return how, float(seconds), release, slot

    def console(self):
        return (self.device / "console.log").read_text(errors="replace")

    def run(self, line, code=0):
        done = subprocess.run([VM / "machine.sh", "run", self.device, line], capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{line}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, keep=""):
        """From the gate on. `keep`: "keep-slot" keeps it from mending itself, "keep-clock" its clock as it is."""
        self.run(f"start {keep}")

    def status(self):
        """What the agent says of itself, or {}."""
        text = self.run(f"cat {self.status_file} 2>/dev/null || echo {{}}")
        return json.loads(text)

    def attested(self, more_than=0):
        """Waits until the agent has had an answer to evidence of its own."""
        def done():
            now = self.status()
            return now if now.get("evidence", 0) > more_than else None
        return until(done, what=self.console)

    def attest(self):
        """Attests now and returns the status after it."""
        before = self.status().get("evidence", 0)
        self.run("kill -USR1 $(pidof chainhold-agent)")
        return self.attested(before)

    def becomes(self, chain, state):
        """Attests until it is judged so: evidence that was under way may have been judged by what held before."""
        def judged():
            now = self.attest()
            return now if (now["chain"], now["state"]) == (chain, state) else None
        return until(judged, what=lambda: f"{self.status()}\n{self.console()}")

    def off(self):
        """An orderly end, so that the TPM is shut down."""
        self.run("sync; umount /data; poweroff -f", code=125)
        self.process.wait()

    def ended(self):
        """Waits for the guest to switch itself off or start again."""
        assert self.process.wait() == 0, (self.folder / "power.log").read_text()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class SystemdGateway(Gateway):
    """A Debian userland with systemd, in which server and agent are installed; the agent runs under its unit."""

    config, status_file, variant = PACKAGED, "/run/chainhold-agent/status.json", "systemd"

    def journal(self, unit):
        return self.run(f"journalctl -b -o cat -u {unit}")

    def show(self, unit, name):
        """A property of a unit."""
        return self.run(f"systemctl show -P {name} {unit}").strip()

    def processes(self, unit):
        """What the main process of a unit has started: name → (user, capabilities)."""
        main = self.show(unit, "MainPID")
        text = self.run(f"for p in $(cat /proc/{main}/task/{main}/children); do tr '\\0' ' ' </proc/$p/cmdline; "
                        "grep -hE '^(Uid|CapEff):' /proc/$p/status | tr '\\n' ' '; echo; done")
        found = {}
        for words in map(str.split, text.splitlines()):
            uid, effective = words[words.index("Uid:") + 1], words[words.index("CapEff:") + 1]
            found[Path(words[0]).name.removeprefix("chainhold-")] = self.run(f"id -un {uid}").strip(), int(effective, 16)
        return found
