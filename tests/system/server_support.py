# SPDX-License-Identifier: Apache-2.0
"""
A whole server as a user has it, `chainhold init` and `chainholdd` with all its processes: its operators (command line, signed
actions, the interface over TLS), its devices (with a TPM and the agent, or with a token), its public log, and its processes, which
a test may kill.
"""

import contextlib
import hashlib
import http.client
import json
import os
import queue
import random
import re
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import agent_device
import device_tpm
import live_tpm
import openapi
from device_tpm import b64
from support import BIN, FIXTURES

BUILD = BIN.parent
ROLES = ["signer", "keeper", "verify", "reader", "edge"]
BOOT_LOG = (FIXTURES / "coreboot-good" / "cbmem-tpm2-tcglog.bin").read_bytes()
PATIENCE = 600  # seconds: only to end a test that has failed

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd gives its processes users of their own: it starts as root")


def free_ports(count):
    """Ports that nobody listens on, below those that the kernel gives to connections: they stay free until the server has them."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports += [port] if port not in ports else []
    return ports


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=True).stdout


def until(ask, what, every=0.05):
    """Asks until the answer is true, and returns it; `what` is what to say if it never is."""
    end = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(every)
    return answer


# --- what is signed ---


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def read_key(path):
    return serialization.load_pem_private_key(path.read_bytes(), None)


def spki_of(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def action_text(verb, subject, payload=None, reason="test", when=None):
    """The canonical text of an operator's action (docs/protocol/action.md)."""
    digest = hashlib.sha256(payload).hexdigest() if payload is not None else "-"
    return (f"chainhold-action/v1\ntenant: 0\nverb: {verb}\nsubject: {subject}\npayload: {digest}\nreason: {reason}\n"
            f"time: {int(time.time()) if when is None else when}\nnonce: {secrets.token_hex(16)}\n").encode()


def signed(text, key):
    """A signature over an action, as it is sent."""
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return {"key": hashlib.sha256(spki_of(key)).hexdigest(), "signature": b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))}


def action_body(text, signatures, payload=None):
    return {"action": b64(text), "payload": b64(payload) if payload is not None else None, "signatures": signatures}


def token_payload(token, seconds=3600):
    """What token.create is about: the digest of a token and when it ends."""
    return hashlib.sha256(token.encode()).digest() + (int(time.time()) + seconds).to_bytes(8, "big")


def token_enrolment(token, key, prover=None):
    """The body with which a device without a TPM enrols; `prover` is another key that makes the proof."""
    proof = (prover or key).sign(b"chainhold-token-enrol/v1\0" + hashlib.sha256(token.encode()).digest() + spki_of(key),
                                 ec.ECDSA(hashes.SHA256()))
    return {"token": token, "public_key": b64(spki_of(key)), "proof": b64(proof)}


class Server:
    """
    Made by init in `folder`/server, started by `start` or `with`. `policy` takes the place of the example policy, `change` edits
    chainholdd.yaml, `ek_roots` are certificates in DER or the files of some.
    """

    def __init__(self, folder, policy=None, change=None, ek_roots=()):
        self.folder, self.process, self.kept, self.lines = Path(folder) / "server", None, {}, []
        self.devices, self.operators, self.public = free_ports(3)
        self.url = f"http://127.0.0.1:{self.public}"
        self.program, self.through = BUILD / "chainholdd", []  # what starts the program, if it is not to start as it is
        self.config, self.log_key = self.folder / "chainholdd.yaml", self.folder / "log.vkey"
        agent_device.reachable(Path(folder))
        self.run("init", "--name", "localhost", "--name", "127.0.0.1", "--listen", "127.0.0.1", "--devices-port", self.devices,
                 "--operators-port", self.operators, "--public-port", self.public, self.folder)
        if policy is not None:
            (self.folder / "policies" / "gateway.yaml").write_text(policy)
        if change is not None:
            self.config.write_text(change(self.config.read_text()))
        for i, root in enumerate(ek_roots):
            name, data = (f"root{i}.der", root) if isinstance(root, bytes) else (Path(root).name, Path(root).read_bytes())
            (self.folder / "ek_roots" / name).write_bytes(data)

    def policy(self, **changed):
        """Replaces lines of the example policy: keys at its top level, values as YAML text."""
        path = self.folder / "policies" / "gateway.yaml"
        text = path.read_text()
        for key, value in changed.items():
            text, n = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
            assert n == 1, key
        path.write_text(text)

    # --- its processes ---

    def start(self):
        """Until all listeners are open and evidence can be judged."""
        before = len(self.lines)
        self.process = subprocess.Popen([*self.through, self.program, self.config], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.news = queue.Queue()
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr, self.news), daemon=True)
        self.reader.start()
        self.wait_line(r"main: ready:")
        until(lambda: any("chainhold-verify: generation" in line for line in self.lines[before:]), self.said, every=0.01)
        return self

    def read(self, stream, news):
        for line in stream:
            self.lines.append(line.rstrip("\n"))
            news.put(line.rstrip("\n"))
        news.put(None)

    def said(self):
        return "\n".join(self.lines[-20:])

    def wait_line(self, pattern):
        """The next line of its log that matches; it must come."""
        while True:
            line = self.news.get(timeout=PATIENCE)
            assert line is not None, f"chainholdd ended:\n{self.said()}"
            if re.search(pattern, line):
                return line

    def settled(self):
        """Waits until an operator's question is answered: while a process is started again it is not."""
        def asked():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer = self.admin("GET", "/api/v1/status")
                return answer if status == 200 else None
        return until(asked, self.said)

    def stop(self):
        """In order: every process ends by itself."""
        self.hang_up()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait() == 0, self.said()
            self.reader.join()  # all that they said is in `lines`

    def kill(self):
        """Without any warning, and all its processes with it."""
        self.hang_up()
        pids = self.pids()
        for pid in [self.process.pid, *pids.values()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.values()), "a process is still there", every=0.005)

    def replace(self, role):
        """One of its processes dies; returns when another stands in for it."""
        os.kill(self.pids()[role], signal.SIGKILL)
        self.wait_line(rf"main: {role}\[0\] is ready")

    def pids(self):
        """role → pid of its processes that run now."""
        found = {}
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):  # it ended since
                name = Path(f"/proc/{child}/cmdline").read_text().rstrip("\0")
                found[name.removeprefix("chainhold-")] = int(child)
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- its interfaces ---

    def identity(self, operator):
        at = self.folder / "operators"
        return at / f"{operator}.crt", at / f"{operator}.key"

    def context(self, certificate=None):
        """TLS that trusts this server; certificate is (certificate file, key file)."""
        context = ssl.create_default_context(cafile=self.folder / "ca.crt")
        if certificate is not None:
            context.load_cert_chain(*certificate)
        return context

    def request(self, port, method, path, body=None, certificate=None, headers=None):
        """(status, JSON) of one request over a connection of its own."""
        connection = http.client.HTTPSConnection("localhost", port, context=self.context(certificate), timeout=PATIENCE)
        with contextlib.closing(connection):
            body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            data = answer.read()
            return answer.status, json.loads(data) if data else None

    def device(self, method, path, body=None, **more):
        return self.request(self.devices, method, path, body, **more)

    def admin(self, method, path, body=None, operator="admin"):
        return self.request(self.operators, method, path, body, certificate=self.identity(operator))

    def again(self, ask, *args, **more):
        """Asks again while the edge says that a process is being replaced."""
        def asked():
            answer = ask(*args, **more)
            return answer if answer[0] != 503 else None
        return until(asked, self.said)

    def get(self, path, operator="admin", status=200, method="GET", body=None):
        """An answer of the operators' interface, validated. Connections are kept: each new one counts against its operator."""
        if operator not in self.kept:
            self.kept[operator] = http.client.HTTPSConnection("localhost", self.operators, context=self.context(self.identity(operator)),
                                                              timeout=PATIENCE)
        c = self.kept[operator]
        c.request(method, path, body=body, headers={"Content-Type": "application/json"} if body is not None else {})
        answer = c.getresponse()
        data = answer.read()
        assert answer.status == status, data
        return openapi.OPERATOR.answer(path, method, answer.status, answer.headers["Content-Type"], data)

    def hang_up(self):
        for connection in self.kept.values():
            connection.close()
        self.kept = {}

    def wait(self, path, holds):
        """Asks until the answer is as wanted: what a response has carried out shows a moment later."""
        def asked():
            answer = self.get(path)
            return answer if holds(answer) else None
        return until(asked, lambda: self.get(path))

    def log_page(self, path, status=200):
        """A page of the public log."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.public, timeout=PATIENCE)) as c:
            c.request("GET", path)
            answer = c.getresponse()
            data = answer.read()
        assert answer.status == status, data
        return data

    # --- its operators ---

    @staticmethod
    def run(*args, code=0, stdin=None):
        """chainhold: its standard output, or all that it said if it had to fail."""
        done = subprocess.run([str(BIN), *map(str, args)], input=stdin, capture_output=True, check=False, text=True)
        assert done.returncode == code, f"{args}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout if code in (0, 5) else done.stdout + done.stderr

    def cli(self, *args, code=0, config="chainhold.yaml"):
        """The same as the operator of a configuration."""
        return self.run("--config", self.folder / config, *args, code=code)

    def add_operator(self, name, role):
        """An operator with a key of their own and a configuration NAME.yaml."""
        certificate, key = self.identity(name)
        self.run("operator", "key", key)
        self.cli("operator", "add", name, "--role", role, "--key", f"{key}.pub", "--reason", "test", "--out", certificate)
        text = (self.folder / "chainhold.yaml").read_text().replace("operators/admin.", f"operators/{name}.")
        (self.folder / f"{name}.yaml").write_text(text)

    def act(self, verb, subject, payload=None):
        """(status, answer) to an action of the first operator, signed here and not by the command line."""
        text = action_text(verb, subject, payload)
        body = action_body(text, [signed(text, read_key(self.identity("admin")[1]))], payload)
        return self.again(self.admin, "POST", "/api/v1/actions", body)

    def enrol_by_token(self, key):
        """A device without a TPM: (the token, what it was answered)."""
        token = secrets.token_urlsafe(24)
        status, answer = self.act("token.create", "gateway", token_payload(token))
        assert status == 200, answer
        status, answer = self.again(self.device, "POST", "/v1/enrol/token", token_enrolment(token, key))
        assert status == 201, answer
        return token, answer


class Gateway(agent_device.Device):
    """A device with a TPM of a maker, a log that was measured into it, and an agent. A key of the agent's that is None is left out."""

    def __init__(self, folder, maker, server, log=BOOT_LOG, **config):
        super().__init__(folder, tpm=False)
        (folder / "tpm").mkdir()
        self.tpm = maker.make(folder / "tpm")
        self.set(**{"server": f"localhost:{server.devices}", "server_ca": server.folder / "ca.crt", "class": "gateway", "ima": "none",
                    "tpm": f"swtpm:path={self.tpm.socket}", "ek": "rsa-2048", **config})
        self.log = live_tpm.Log(log)
        self.boot(self.log)

    def boot(self, log):
        """Measures a log into the TPM, as firmware does, and leaves it where the agent reads it."""
        self.tpm.extend(log.steps())
        (self.folder / "log").write_bytes(bytes(log))

    def reboot(self, log):
        self.tpm.reset()
        self.boot(log)

    def attest(self, code=0):
        return self.once(code)[0]


def maker_with_roots(folder, server):
    """A maker of TPMs whose certificates the server trusts."""
    folder.mkdir()
    maker = device_tpm.Maker(folder)
    (folder / "first").mkdir()
    maker.make(folder / "first").stop()
    for name in ("swtpm-localca-rootca-cert.pem", "issuercert.pem"):
        (server.folder / "ek_roots" / name).write_bytes((folder / name).read_bytes())
    return maker
