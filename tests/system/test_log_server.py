# SPDX-License-Identifier: Apache-2.0
"""The log of a whole running server, followed from outside while its processes are killed."""

import base64
import hashlib
import http.client
import json
import os
import queue
import re
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from support import BIN, run

OPERATOR = BIN.parent / "chainhold-operator"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd starts its processes under users of their own")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def free_ports(n):
    socks = [socket.socket() for _ in range(n)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def operator(*args):
    done = subprocess.run([str(OPERATOR), *map(str, args)], capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.devices, self.operators, self.public = free_ports(3)
        code, _, err = operator("init", "--name", "127.0.0.1", "--listen", "127.0.0.1", "--devices-port", self.devices,
                                "--operators-port", self.operators, "--public-port", self.public, folder)
        assert code == 0, err
        self.url = f"http://127.0.0.1:{self.public}"
        self.key = folder / "log.vkey"
        self.process, self.lines = None, []

    def start(self):
        self.process = subprocess.Popen([str(BIN.parent / "chainholdd"), str(self.folder / "chainholdd.yaml")],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        heard = queue.Queue()

        def read(stream):
            for line in stream:
                self.lines.append(line)
                heard.put(line)
            heard.put(None)
        threading.Thread(target=read, args=(self.process.stderr,), daemon=True).start()
        self.heard = heard
        self.wait_for(r"chainhold-main: ready")
        # Nobody is known before the keeper has published the fleet.
        for _ in range(200):
            status, _ = self.ask(self.operators, "GET", "/api/v1/status", identity=self.folder / "operators" / "admin")
            if status == 200:
                return
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    def wait_for(self, pattern):
        """The next line that matches."""
        while True:
            line = self.heard.get(timeout=60)
            assert line is not None, "".join(self.lines)
            if re.search(pattern, line):
                return line

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def pid(self, role):
        return int(re.findall(rf"{role}\[0\] is ready, pid (\d+)", "".join(self.lines))[-1])

    def kill(self, role):
        """One of its processes dies; returns when another stands in for it."""
        os.kill(self.pid(role), signal.SIGKILL)
        self.wait_for(rf"{role}\[0\] is ready")

    def ask(self, port, method, path, body=None, identity=None):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if identity is not None:
            context.load_cert_chain(f"{identity}.crt", f"{identity}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def eventually(self, *args, **more):
        """While a process is being replaced the edge says so, and to try again."""
        for _ in range(100):
            status, data = self.ask(*args, **more)
            if status != 503:
                return status, data
            time.sleep(0.1)
        raise AssertionError(data)

    def act(self, verb, subject, payload=None):
        admin = self.folder / "operators" / "admin"
        key = serialization.load_pem_private_key((self.folder / "operators" / "admin.key").read_bytes(), None)
        digest = hashlib.sha256(payload).hexdigest() if payload is not None else "-"
        text = (f"chainhold-action/v1\ntenant: 0\nverb: {verb}\nsubject: {subject}\npayload: {digest}\nreason: for a test\n"
                f"time: {int(time.time())}\nnonce: {secrets.token_hex(16)}\n").encode()
        r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        body = {"action": b64(text), "payload": b64(payload) if payload is not None else None,
                "signatures": [{"key": hashlib.sha256(spki).hexdigest(),
                                "signature": b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}]}
        return self.eventually(self.operators, "POST", "/api/v1/actions", body, identity=admin)

    def enrol(self):
        """A device without a TPM: a token of the operator's, then a certificate."""
        token = secrets.token_urlsafe(24)
        payload = hashlib.sha256(token.encode()).digest() + (int(time.time()) + 3600).to_bytes(8, "big")
        status, data = self.act("token.create", "gateway", payload)
        assert status == 200, data
        key = ec.generate_private_key(ec.SECP256R1())
        spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = b"chainhold-token-enrol/v1\0" + hashlib.sha256(token.encode()).digest() + spki
        body = {"token": token, "public_key": b64(spki), "proof": b64(key.sign(signed, ec.ECDSA(hashes.SHA256())))}
        status, data = self.eventually(self.devices, "POST", "/v1/enrol/token", body)
        assert status == 201, data
        return json.loads(data)

    def log(self, *args):
        return operator("log", args[0], "--key", self.key, *args[1:])

    def entries(self, tmp_path):
        """All entries, as a monitor from another host sees them; the log must extend what was seen before."""
        for _ in range(100):
            code, out, err = self.log("monitor", "--state", tmp_path / "seen", "--all", "--once", "--json", self.url)
            if code == 0:
                return [json.loads(line) for line in out.splitlines()]
            assert "answers 503" in err or "checkpoint: the server answers 404" in err, err
            time.sleep(0.1)
        raise AssertionError(err)

    def logged(self, tmp_path, want):
        """Waits until the log has at least this many entries: the merge delay is at most a second."""
        for _ in range(200):
            entries = self.entries(tmp_path)
            if len(entries) >= want:
                return entries
            time.sleep(0.05)
        raise AssertionError(f"{len(entries)} entries, not {want}")


@pytest.fixture(name="server")
def fixture_server(tmp_path):
    server = Server(tmp_path / "server")
    server.start()
    yield server
    server.stop()


def test_what_happens_is_in_the_log_and_can_be_proven(server, tmp_path):
    before = server.logged(tmp_path, 1)
    assert before[0]["type"] == "generation"
    enrolled = server.enrol()
    certificate = x509.load_pem_x509_certificate(enrolled["certificate"].encode())
    (tmp_path / "device.crt").write_text(enrolled["certificate"], "utf-8")
    verified = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", str(server.folder / "ca.crt"),
                               str(tmp_path / "device.crt")], capture_output=True, check=False)
    assert verified.returncode == 0, verified.stderr
    uri = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0].value
    assert uri == f"urn:chainhold:device:{enrolled['device']}"
    after = server.logged(tmp_path, len(before) + 2)
    assert {"action", "enrolment"} <= {row["type"] for row in after[len(before):]}
    index = next(row["index"] for row in after if row["type"] == "enrolment")
    code, proof, err = server.log("prove", "--state", tmp_path / "seen", server.url, index)
    assert code == 0, err
    (tmp_path / "proof").write_text(proof, "utf-8")
    assert run(["inspect", "proof", "--key", server.key, tmp_path / "proof"])[0] == 0
    # The configuration that init made knows where the log is, and its key.
    code, out, err = run(["--config", server.folder / "chainhold.yaml", "log", "verify", "--state", tmp_path / "seen"])
    assert code == 0 and "extends the" in out, err
    # The record that the leaf commits to, from the operators' API, opens it.
    admin = server.folder / "operators" / "admin"
    status, data = server.eventually(server.operators, "GET", "/api/v1/audit", identity=admin)
    assert status == 200, data
    row = next(row for row in json.loads(data)["leaves"] if row["index"] == index)
    (tmp_path / "record").write_text(row["record"], "utf-8")
    assert enrolled["device"] in row["record"]
    code, _, err = run(["inspect", "proof", "--key", server.key, "--record", tmp_path / "record", "--salt", row["salt"],
                        tmp_path / "proof"])
    assert code == 0, err


def test_the_log_extends_every_checkpoint_while_processes_die(server, tmp_path):
    count = len(server.logged(tmp_path, 1))
    for role in ("signer", "keeper", "reader", "signer", "keeper"):
        server.enrol()
        server.kill(role)
        server.enrol()
        count = len(server.logged(tmp_path, count + 4))
    server.stop()
    code, out, err = operator("audit", "--key", server.key, "--json", server.folder)
    assert code == 0, out + err
    said = json.loads(out)
    assert said["entries"] == said["records"] == count and said["holds"] and said["signatures_checked"]
    server.start()
    assert len(server.logged(tmp_path, count)) >= count


def test_a_mirror_of_a_running_server(server, tmp_path):
    server.enrol()
    count = len(server.logged(tmp_path, 3))
    for _ in range(2):
        code, out, err = server.log("mirror", server.url, tmp_path / "copy")
        assert code == 0 and int(out.split()[0]) >= count, err
        server.enrol()


def test_a_store_put_back_does_not_fork_the_log(server, tmp_path):
    """A copy of the store from before: its signer knows better, and signs no second tree of a size."""
    server.enrol()
    server.logged(tmp_path, 3)
    server.stop()
    store = server.folder / "state" / "store"
    old = {path.name: path.read_bytes() for path in store.iterdir() if path.is_file()}
    server.start()
    server.enrol()
    server.logged(tmp_path, 5)
    seen = (tmp_path / "seen").read_bytes()
    server.stop()
    for path in store.iterdir():
        if path.is_file() and path.name not in old:
            path.unlink()
    for name, data in old.items():
        (store / name).write_bytes(data)
    server.start()
    if not any("older copy of the store" in line for line in server.lines):
        server.wait_for("older copy of the store")
    # What was logged since is missing, and a client that saw it says so; nothing else was signed in its place.
    for _ in range(100):
        code, _, err = server.log("verify", "--state", tmp_path / "seen", server.url)
        if "answers 503" not in err:
            break
        time.sleep(0.1)
    assert code == 1 and "rolled back" in err and "FORKED" not in err
    assert (tmp_path / "seen").read_bytes() == seen
    status, _ = server.eventually(server.devices, "POST", "/v1/enrol/token", {"token": "x", "public_key": "", "proof": ""})
    assert status >= 400
