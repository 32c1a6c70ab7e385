# SPDX-License-Identifier: Apache-2.0
"""A whole server as a user has it: `chainhold init`, `chainholdd`, the operators' interface over TLS, a device with a TPM and an agent."""

import contextlib
import http.client
import json
import os
import select
import socket
import ssl
import stat
import subprocess
import time

import pytest
import yaml
from jsonschema import Draft202012Validator

import device_tpm
import live_tpm
from support import BIN, FIXTURES, ROOT

BUILD = BIN.parent
AGENT_USERS = {"tpm": 64501, "net": 64502, "collect": 64503}
API = yaml.safe_load((ROOT / "docs" / "openapi" / "operator.yaml").read_text())
BOOT_LOG = (FIXTURES / "coreboot-good" / "cbmem-tpm2-tcglog.bin").read_bytes()

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd gives its processes users of their own: it starts as root")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def reachable(folder):
    """Each process is a user of its own, which must be able to come as far as its folder."""
    for at in (folder, *folder.parents):
        with contextlib.suppress(PermissionError):
            os.chmod(at, os.stat(at).st_mode | stat.S_IXOTH)


def schema_of(path, method, status):
    """The schema of an answer in docs/openapi/operator.yaml; None where it is not JSON. The path must be described there."""
    for pattern, item in API["paths"].items():
        want, have = pattern.split("/"), path.split("?")[0].split("/")
        if len(want) == len(have) and all(w == h or w.startswith("{") for w, h in zip(want, have)):
            answers = item[method.lower()]["responses"]
            answer = answers.get(str(status), answers["default"])
            if "$ref" in answer:
                answer = API["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
            return answer["content"]
    raise AssertionError(f"{method} {path} is not in docs/openapi/operator.yaml")


def check_answer(path, method, status, kind, body):
    """Validates an answer against the OpenAPI document, and returns it parsed if it is JSON."""
    content = schema_of(path, method, status)
    if kind is None:
        assert body == b"" and "application/octet-stream" in content
        return body
    kind = kind.split(";")[0]
    assert kind in content, f"{method} {path} answered {status} {kind}: {body[:200]}"
    if kind != "application/json":
        return body
    document = json.loads(body)
    schema = {"components": API["components"], **content[kind]["schema"]}
    Draft202012Validator(schema).validate(document)
    return document


class Server:
    def __init__(self, folder, policy=None):
        self.folder, self.process, self.kept = folder / "server", None, {}
        self.devices, self.operators, self.public = free_ports(3)
        reachable(folder)
        self.run("init", "--name", "localhost", "--name", "127.0.0.1", "--listen", "127.0.0.1", "--devices-port", self.devices,
                 "--operators-port", self.operators, "--public-port", self.public, self.folder)
        if policy is not None:
            (self.folder / "policies" / "gateway.yaml").write_text(policy)

    @staticmethod
    def run(*args, code=0, stdin=None):
        done = subprocess.run([str(BIN), *map(str, args)], input=stdin, capture_output=True, timeout=120, check=False, text=True)
        assert done.returncode == code, f"{args}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout if code in (0, 5) else done.stdout + done.stderr

    def cli(self, *args, code=0, config="chainhold.yaml"):
        """chainhold as the operator of a configuration: its standard output, or all that it said if it had to fail."""
        return self.run("--config", self.folder / config, *args, code=code)

    def start(self):
        """Until the line that says that all listeners are open."""
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([BUILD / "chainholdd", self.folder / "chainholdd.yaml"], stderr=subprocess.PIPE)
        text, end = b"", time.monotonic() + 60
        while b"ready: " not in text:
            assert time.monotonic() < end and self.process.poll() is None, text.decode()
            if select.select([self.process.stderr], [], [], 1)[0]:
                text += os.read(self.process.stderr.fileno(), 65536)
        log.write(text)
        # What comes later goes to the file: a pipe that nobody reads would stop the server.
        self.tail = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=log)

    def stop(self):
        for connection in self.kept.values():
            connection.close()
        self.kept = {}
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(timeout=30) == 0, (self.folder / "log").read_text()
            self.tail.wait(timeout=10)

    def context(self, operator="admin"):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if operator is not None:
            context.load_cert_chain(self.folder / "operators" / f"{operator}.crt", self.folder / "operators" / f"{operator}.key")
        return context

    def get(self, path, operator="admin", status=200, method="GET", body=None):
        """An answer of the operators' interface, validated. Connections are kept: each new one counts against its operator."""
        if operator not in self.kept:
            self.kept[operator] = http.client.HTTPSConnection("localhost", self.operators, context=self.context(operator), timeout=30)
        c = self.kept[operator]
        c.request(method, path, body=body, headers={"Content-Type": "application/json"} if body is not None else {})
        answer = c.getresponse()
        data = answer.read()
        assert answer.status == status, data
        return check_answer(path, method, answer.status, answer.headers["Content-Type"], data)

    def log_page(self, path, status=200):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.public, timeout=30)) as c:
            c.request("GET", path)
            answer = c.getresponse()
            data = answer.read()
        assert answer.status == status, data
        return data

    def add_operator(self, name, role):
        """An operator with a key of their own and a configuration NAME.yaml."""
        key = self.folder / "operators" / f"{name}.key"
        self.run("operator", "key", key)
        self.cli("operator", "add", name, "--role", role, "--key", f"{key}.pub", "--reason", "test", "--out",
                 self.folder / "operators" / f"{name}.crt")
        text = (self.folder / "chainhold.yaml").read_text().replace("operators/admin.", f"operators/{name}.")
        (self.folder / f"{name}.yaml").write_text(text)

    def wait(self, path, holds):
        """Asks until the answer is as wanted: what a response has carried out shows a moment later."""
        end = time.monotonic() + 30
        while not holds(answer := self.get(path)):
            assert time.monotonic() < end, answer
            time.sleep(0.05)
        return answer


class Gateway:
    """A device with a TPM of a maker, a log that was measured into it, and an agent."""

    def __init__(self, folder, maker, server, **config):
        self.folder = folder
        folder.mkdir()
        reachable(folder)
        (folder / "tpm").mkdir()
        self.tpm = maker.make(folder / "tpm")
        self.config = {"server": f"localhost:{server.devices}", "server_ca": server.folder / "ca.crt", "class": "gateway",
                       "state_dir": folder / "state", "status_file": folder / "status.json", "eventlog": folder / "log",
                       "ima": "none", "tpm": f"swtpm:path={self.tpm.socket}", "ek": "rsa-2048", **config}
        self.log = live_tpm.Log(BOOT_LOG)
        self.boot(self.log)

    def boot(self, log):
        """Measures a log into the TPM, as firmware does, and leaves it where the agent reads it."""
        self.tpm.extend(log.steps())
        (self.folder / "log").write_bytes(bytes(log))

    def reboot(self, log):
        self.tpm.reset()
        self.boot(log)

    def attest(self, code=0):
        users = ", ".join(f"{k}: {v}" for k, v in AGENT_USERS.items())
        text = "".join(f"{k}: {v}\n" for k, v in self.config.items()) + f"users: {{{users}}}\n"
        (self.folder / "agent.yaml").write_text(text)
        done = subprocess.run([BUILD / "chainhold-agent", "--config", self.folder / "agent.yaml", "--once"], capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def stop(self):
        self.tpm.stop()


def maker_with_roots(folder, server):
    """A maker of TPMs whose certificates the server trusts."""
    folder.mkdir()
    maker = device_tpm.Maker(folder)
    (folder / "first").mkdir()
    maker.make(folder / "first").stop()
    for name in ("swtpm-localca-rootca-cert.pem", "issuercert.pem"):
        (server.folder / "ek_roots" / name).write_bytes((folder / name).read_bytes())
    return maker
