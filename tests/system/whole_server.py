# SPDX-License-Identifier: Apache-2.0
"""The whole server, as an operator starts it: init, configuration, chainholdd with all its processes on free ports."""

import hashlib
import http.client
import json
import os
import re
import secrets
import select
import socket
import ssl
import stat
import subprocess
import time

from device_tpm import b64
from support import BIN


def free_ports(n):
    """Ports that nobody listens on right now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=True, timeout=60).stdout


class Server:
    def __init__(self, folder, roots=()):
        self.folder, self.process, self.lines = folder / "server", None, b""
        self.devices, self.operators, self.public = free_ports(3)
        for at in (folder, *folder.parents):
            if os.stat(at).st_uid == os.geteuid():
                os.chmod(at, os.stat(at).st_mode | stat.S_IXOTH)  # each process is a user of its own
        done = subprocess.run([BIN.parent / "chainhold-operator", "init", "--name", "localhost", "--name", "127.0.0.1", "--listen", "127.0.0.1",
                               "--devices-port", str(self.devices), "--operators-port", str(self.operators), "--public-port",
                               str(self.public), self.folder], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        for i, root in enumerate(roots):
            (self.folder / "ek_roots" / f"root{i}.der").write_bytes(root)
        self.log = folder / "server.log"

    def policy(self, **changed):
        """Replaces lines of the example policy: keys at its top level, values as YAML text."""
        path = self.folder / "policies" / "gateway.yaml"
        text = path.read_text()
        for key, value in changed.items():
            text, n = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
            assert n == 1, key
        path.write_text(text)

    def start(self):
        self.process = subprocess.Popen([BIN.parent / "chainholdd", self.folder / "chainholdd.yaml"], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        with open(self.log, "ab") as log:
            while b"ready" not in self.lines:
                ready, _, _ = select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))
                more = os.read(self.process.stderr.fileno(), 65536) if ready else b""
                log.write(more)
                self.lines += more
                assert more, f"chainholdd did not get ready: {self.lines.decode()}"

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        _, rest = self.process.communicate(timeout=30)
        self.lines += rest
        self.process = None

    def request(self, port, method, path, body=None, certificate=None, headers=None):
        """(status, JSON); certificate is (certificate file, key file)."""
        tls = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if certificate is not None:
            tls.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("localhost", port, context=tls, timeout=30)
        try:
            body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None
        finally:
            connection.close()

    def device(self, method, path, body=None, **more):
        return self.request(self.devices, method, path, body, **more)

    def admin(self, method, path, body=None):
        at = self.folder / "operators"
        return self.request(self.operators, method, path, body, certificate=(at / "admin.crt", at / "admin.key"))

    def act(self, verb, subject, payload=None, reason="test"):
        """An action of the first operator, signed with its key (docs/protocol/action.md)."""
        key = self.folder / "operators" / "admin.key"
        digest = hashlib.sha256(payload).hexdigest() if payload is not None else "-"
        text = (f"chainhold-action/v1\ntenant: 0\nverb: {verb}\nsubject: {subject}\npayload: {digest}\nreason: {reason}\n"
                f"time: {int(time.time())}\nnonce: {secrets.token_hex(16)}\n").encode()
        der = openssl("dgst", "-sha256", "-sign", key, data=text)
        numbers = openssl("asn1parse", "-inform", "DER", data=der).decode()
        raw = b"".join(bytes.fromhex(n.rjust(64, "0")) for n in re.findall(r"INTEGER\s+:([0-9A-F]+)", numbers))
        spki = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
        return self.admin("POST", "/api/v1/actions", {
            "action": b64(text), "payload": b64(payload) if payload is not None else None,
            "signatures": [{"key": hashlib.sha256(spki).hexdigest(), "signature": b64(raw)}]})
