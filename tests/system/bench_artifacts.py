# SPDX-License-Identifier: Apache-2.0
"""
What it costs to give artefacts to devices: CPU per MB of the edge (and the reader that opens the file) against nginx with the same file,
TLS and client certificates, in turn; then the memory of the edge while 500 devices download slowly, with a small and a large artefact.
Not a test: prints a table. bench_artifacts.py [ROUNDS].
"""

import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from test_artifacts import World, entry

LARGE, SMALL, DEVICES = 200 << 20, 20 << 20, 500
TICK = os.sysconf("SC_CLK_TCK")
NGINX = """\
worker_processes 1;
daemon off;
pid {at}/pid;
error_log {at}/error.log;
events {{}}
http {{
    access_log off;
    sendfile on;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {at}/server.crt;
        ssl_certificate_key {at}/server.key;
        ssl_protocols TLSv1.3;
        ssl_client_certificate {ca};
        ssl_verify_client on;
        root {at}/files;
    }}
}}
"""


def cpu(pids):
    """Seconds of CPU that these processes have used."""
    ticks = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / TICK


def resident(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss")


def fetch(url, ca, files, times):
    """Over one connection; the bytes go nowhere."""
    outputs = [word for _ in range(times) for word in ("-o", "/dev/null", url)]
    subprocess.run(["curl", "-sSf", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--cacert", ca, "--cert", files[0], "--key", files[1], *outputs], check=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Nginx:
    def __init__(self, folder, server, data):
        self.at, self.port, self.ca = folder, free_port(), server.folder / "ca.crt"
        (folder / "files").mkdir()
        (folder / "files" / "data").write_bytes(data)
        for one, name in (("server.crt", "server.crt"), ("server.key", "server.key")):
            shutil.copy(next(server.folder.rglob(name)), folder / one)
        (folder / "conf").write_text(NGINX.format(at=folder, port=self.port, ca=self.ca))
        os.chmod(folder, 0o755)

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-c", self.at / "conf", "-g", "user root;"], stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def pids(self):
        return [int(p) for p in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]


def throughput(world, rounds):
    world.data = os.urandom(LARGE)
    note = world.note([entry(world.data)])
    sha256 = offer(world, note, world.data)
    edge = [world.server.pids()[name] for name in ("edge", "reader")]
    (world.folder / "nginx").mkdir()
    with Nginx(world.folder / "nginx", world.server, world.data) as nginx:
        subjects = {"edge": (edge, f"https://localhost:{world.server.devices}/artifacts/{sha256}"), "nginx": (nginx.pids(), f"https://localhost:{nginx.port}/data")}
        cost = {name: [] for name in subjects}
        for _ in range(rounds):
            for name, (pids, url) in subjects.items():
                before = cpu(pids)
                fetch(url, nginx.ca, world.files, 3)
                cost[name].append((cpu(pids) - before) / (3 * LARGE / 1e6) * 1e6)
    median = {name: statistics.median(values) for name, values in cost.items()}
    print(f"artefact of 200 MiB, TLS 1.3 (AES-128-GCM), 3 over one connection: edge {median['edge']:.0f} us of CPU per MB, "
          f"nginx {median['nginx']:.0f}; {median['edge'] / median['nginx']:.2f} of nginx (target: at most 1)")


def offer(world, note, data):
    status, answer = world.publish_release(note)
    assert status == 200, answer
    world.server.cli("release", "upload", world.file("data", data))
    world.server.cli("update", "assign", "--release", hashlib.sha256(note).hexdigest(), "--reason", "bench", world.id)
    return hashlib.sha256(data).hexdigest()


def memory(world, size, sequence):
    """MiB of the edge while 500 connections have taken a little of the artefact and wait."""
    data = os.urandom(size)
    sha256 = offer(world, world.note([entry(data)], version=f"{sequence}.0.0", sequence=sequence), data)
    edge, context = world.server.pids()["edge"], world.server.context(world.files)
    peers = []
    for _ in range(DEVICES):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", world.server.devices))
        one = context.wrap_socket(raw, server_hostname="localhost")
        one.sendall(f"GET /artifacts/{sha256} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        peers.append(one)
    for _ in range(4):
        for one in peers:
            assert one.recv(16384)
    during = resident(edge)
    for one in peers:
        one.close()
    return during / 1024


def main(rounds):
    with tempfile.TemporaryDirectory(prefix="chainhold-artifacts-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        world = World(folder)
        with world.server:
            world.begin()
            world.id, world.files = world.device("one")
            if shutil.which("nginx") is not None:
                throughput(world, rounds)
            idle = resident(world.server.pids()["edge"]) / 1024
            small, large = memory(world, SMALL, 3), memory(world, LARGE, 4)
            print(f"memory of the edge: {idle:.1f} MiB before, {small:.1f} MiB with {DEVICES} downloads of 20 MiB under way, {large:.1f} MiB with as many of 200 MiB")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
