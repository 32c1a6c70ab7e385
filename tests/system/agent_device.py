# SPDX-License-Identifier: Apache-2.0
"""A device for tests: a folder with a TPM, logs and a configuration, and the agent that runs on it. An HTTP proxy that counts."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import live_tpm
from support import ROOT

BUILD = ROOT / "build"
AGENT = BUILD / "chainhold-agent"
USERS = {"tpm": 64501, "net": 64502, "collect": 64503}
LOG = b"event log " * 500
IMA = b"ima list " * 300


def reachable(folder):
    """Each process is a user of its own, which must be able to come as far as its folder."""
    for at in (folder, *folder.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(at, os.stat(at).st_mode | stat.S_IXOTH)


class Device:
    """A folder with a TPM, logs, a configuration and the agent that runs on it."""

    def __init__(self, folder, tpm=True):
        self.folder, self.process, self.config = folder, None, {}
        folder.mkdir()
        reachable(folder)
        self.tpm = None
        if tpm:
            live_tpm.needed()
            (folder / "tpm").mkdir()
            self.tpm = live_tpm.Tpm(folder / "tpm")
        (folder / "log").write_bytes(LOG)
        (folder / "ima").write_bytes(IMA)
        self.set(server_ca=None, state_dir=folder / "state", status_file=folder / "status.json", eventlog=folder / "log",
                 ima=folder / "ima", tpm=f"swtpm:path={self.tpm.socket}" if tpm else "none")

    def set(self, **keys):
        self.config.update(keys)
        self.configure()

    def configure(self):
        """Writes the configuration: what is None is left out."""
        lines = [f"{k}: {v}" for k, v in self.config.items() if v is not None]
        users = ", ".join(f"{k}: {v}" for k, v in USERS.items())
        (self.folder / "agent.yaml").write_text("\n".join([*lines, f"users: {{{users}}}"]) + "\n")

    def once(self, code=0):
        self.configure()
        done = subprocess.run([AGENT, "--config", self.folder / "agent.yaml", "--once"], capture_output=True, text=True, timeout=120,
                              check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout), done.stderr

    def start(self):
        (self.folder / "status.json").unlink(missing_ok=True)
        self.err = open(self.folder / "err", "ab")
        self.process = subprocess.Popen([AGENT, "--config", self.folder / "agent.yaml"], stderr=self.err)

    def children(self):
        at = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(at) as f:
            return {os.path.basename(os.readlink(f"/proc/{p}/exe")).removeprefix("chainhold-agent-"): int(p) for p in f.read().split()}

    def again(self):
        self.process.send_signal(signal.SIGHUP)

    def status(self):
        return json.loads((self.folder / "status.json").read_text())

    def wait_status(self, holds, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                if holds(self.status()):
                    return self.status()
            time.sleep(0.02)
        raise AssertionError(f"{(self.folder / 'err').read_text()}")

    def power_off(self):
        """Everything ends at once, nothing is told."""
        for pid in (self.process.pid, *self.children().values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(timeout=20) == 0
        if self.tpm is not None:
            self.tpm.stop()


class Proxy(threading.Thread):
    """HTTP CONNECT, as much as is needed; every name leads to one port of this machine."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.to, self.asked, self.bytes = port, [], [0, 0]  # bytes: to the server, from it
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.split(b"\r\n")[0].decode())
            server = socket.create_connection(("127.0.0.1", self.to))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for way, (a, b) in enumerate(((client, server), (server, client))):
                threading.Thread(target=self.pump, args=(a, b, way), daemon=True).start()

    def pump(self, a, b, way):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                self.bytes[way] += len(data)
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
