# SPDX-License-Identifier: Apache-2.0
"""A real server: `chainhold init` in a folder, chainholdd with all its processes on free ports of the loopback interface."""

import json
import os
import queue
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from support import ROOT

BUILD = ROOT / "build"
ROLES = ["signer", "keeper", "verify", "reader", "edge"]


def free_ports(count):
    """Ports that nobody listens on right now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Server:
    """Context manager. `folder` is made by init; `change(text)` may edit chainholdd.yaml before the start."""

    def __init__(self, folder, change=None, policy=None, ek_roots=()):
        self.folder = Path(folder)
        self.devices, self.operators, self.public = free_ports(3)
        subprocess.run(
            [BUILD / "chainhold-operator", "init", self.folder, "--name", "127.0.0.1", "--listen", "127.0.0.1",
             "--devices-port", str(self.devices), "--operators-port", str(self.operators), "--public-port", str(self.public)],
            check=True, capture_output=True)  # fmt: skip
        self.config = self.folder / "chainholdd.yaml"
        if change:
            self.config.write_text(change(self.config.read_text()))
        if policy:
            (self.folder / "policies" / "gateway.yaml").write_text(policy)
        for root in ek_roots:
            (self.folder / "ek_roots" / Path(root).name).write_bytes(Path(root).read_bytes())
        # Its processes are other users: they must reach the folder.
        for parent in [self.folder, *self.folder.parents]:
            if parent.stat().st_uid == os.getuid() and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        self.process = None
        self.lines = []

    def start(self):
        self.process = subprocess.Popen([BUILD / "chainholdd", self.config], stderr=subprocess.PIPE, text=True)
        self.news = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stderr, self.news), daemon=True).start()
        self.wait_line(r"main: ready:")
        return self

    def _read(self, stream, news):
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            news.put(line.rstrip("\n"))
        news.put(None)

    def wait_line(self, pattern, timeout=60):
        """The next line of its log that matches; it must come."""
        end = time.monotonic() + timeout
        while True:
            line = self.news.get(timeout=max(0.01, end - time.monotonic()))
            assert line is not None, "chainholdd ended:\n" + "\n".join(self.lines[-20:])
            if re.search(pattern, line):
                return line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        """Without any warning, and all its processes with it."""
        pids = self.pids()
        for pid in [self.process.pid, *pids.values()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        while any(os.path.exists(f"/proc/{pid}") for pid in pids.values()):
            time.sleep(0.005)

    def pids(self):
        """role → pid of its processes that run now."""
        found = {}
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            name = Path(f"/proc/{child}/cmdline").read_text().rstrip("\0")
            found[name.removeprefix("chainhold-")] = int(child)
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def context(self, certificate=None, key=None):
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if certificate:
            context.load_cert_chain(certificate, key)
        return context

    def operator_context(self):
        return self.context(self.folder / "operators" / "admin.crt", self.folder / "operators" / "admin.key")

    def get(self, path):
        """An answer of the operator API."""
        url = f"https://127.0.0.1:{self.operators}{path}"
        with urllib.request.urlopen(url, context=self.operator_context(), timeout=30) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers["Content-Type"] else body.decode()

    def public_get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.public}{path}", timeout=30) as answer:
            return answer.read()

    def operator(self, *arguments):
        """`chainhold-operator` with this server's configuration."""
        command = [BUILD / "chainhold-operator", "--config", self.folder / "chainhold.yaml", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)
