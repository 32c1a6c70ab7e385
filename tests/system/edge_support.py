# SPDX-License-Identifier: Apache-2.0
"""A real chainhold-edge whose other processes are played by edge_driver, and clients for it."""
import base64
import hashlib
import os
import socket
import ssl
import subprocess
import threading

from support import ROOT

BUILD = os.environ.get("CHAINHOLD_BUILD", os.path.join(ROOT, "build"))
DRIVER = os.path.join(BUILD, "tests", "edge_driver")
EDGE = os.path.join(BUILD, "chainhold-edge")

ENROLLED, TRUSTED, QUARANTINED, DECOMMISSIONED, REVOKED = 2, 3, 4, 5, 6
VIEWER, OPERATOR, ADMIN = 1, 2, 5


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout


class Authority:
    """A CA of the test, and what it issues."""

    def __init__(self, folder, name="ca"):
        self.folder = str(folder)
        self.name = name
        self.own = None
        self.key = os.path.join(self.folder, f"{name}.key")
        self.cert = os.path.join(self.folder, f"{name}.crt")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                "-out", self.cert, "-subj", f"/CN={name}", "-days", "2")

    def issue(self, name, san=None):
        key = os.path.join(self.folder, f"{name}.key")
        cert = os.path.join(self.folder, f"{name}.crt")
        request = openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                          "-subj", f"/CN={name}")
        extensions = os.path.join(self.folder, f"{name}.ext")
        with open(extensions, "w", encoding="ascii") as f:
            f.write("basicConstraints=critical,CA:FALSE\n" + (f"subjectAltName={san}\n" if san else ""))
        openssl("x509", "-req", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "1", "-extfile", extensions,
                "-out", cert, stdin=request)
        return Identity(key, cert)


    def server(self):
        """The certificate of every edge of this CA."""
        if self.own is None:
            self.own = self.issue("server", "DNS:localhost,IP:127.0.0.1")
        return self.own


class Identity:
    def __init__(self, key, cert):
        self.key, self.cert = key, cert
        with open(cert, encoding="ascii") as f:
            self.der = ssl.PEM_cert_to_DER_cert(f.read())
        self.sha256 = hashlib.sha256(self.der).hexdigest()
        self.device = hashlib.sha256(b"id" + self.der).hexdigest()[:32]


class Edge:
    """The edge under test. Commands go to the driver; its lines are read by a thread and waited for."""

    def __init__(self, folder, authority, **config):
        self.authority = authority
        self.path = os.path.join(str(folder), "edge.conf")
        self.configure(authority.server(), config)
        self.log = open(os.path.join(str(folder), "edge.log"), "w+b")
        self.process = subprocess.Popen([DRIVER, EDGE, self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, bufsize=1)
        self.told = threading.Condition()
        self.lines = []
        threading.Thread(target=self._listen, daemon=True).start()
        words = self.wait("ports").split()
        self.devices, self.operators, self.public, self.pid = (int(w) for w in words[1:])
        self.wait("ready")

    def configure(self, server, config):
        lines = []
        for key, path in (("tls_certificate", server.cert), ("tls_key", server.key), ("client_ca", self.authority.cert)):
            with open(path, "rb") as f:
                lines.append(f"{key} {base64.b64encode(f.read()).decode()}")
        for key, value in config.items():
            lines.extend(f"{key} {v}" for v in (value if isinstance(value, list) else [value]))
        with open(self.path, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")

    def _listen(self):
        for line in self.process.stdout:
            with self.told:
                self.lines.append(line.strip())
                self.told.notify_all()
        with self.told:
            self.lines.append("end")
            self.told.notify_all()

    def wait(self, word, seconds=20):
        """The first line that begins with `word` and was not taken yet."""
        def found():
            return next((x for x in self.lines if x.split()[0] in (word, "end")), None)
        with self.told:
            assert self.told.wait_for(found, seconds), f"no '{word}' from the driver: {self.lines}"
            line = found()
            assert line.split()[0] == word, f"the driver ended: {self.text()}"
            self.lines.remove(line)
            return line

    def say(self, *words, answer="ok"):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        return self.wait(answer) if answer else None

    def device(self, identity, state=TRUSTED):
        self.say("device", identity.sha256, identity.device, state)
        return identity

    def mends(self, identity):
        """In quarantine, and let fetch what mends it."""
        self.say("mends", identity.sha256, identity.device)

    def operator(self, identity, role=ADMIN):
        self.say("operator", identity.sha256, role)
        return identity

    def text(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, grace_ms=5000):
        return self.say("stop", grace_ms, answer="exit")

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(20)
        self.log.close()


class Client:
    """One connection: sends bytes, reads answers. Strict enough to notice what a lenient library would mend."""

    def __init__(self, edge, listener="devices", identity=None, trust=None, session=None, version=None, timeout=20):
        self.raw = socket.create_connection(("127.0.0.1", getattr(edge, listener)), timeout)
        self.buffer = b""
        self.sock = self.raw
        if listener != "public":
            context = ssl.create_default_context(cafile=trust or edge.authority.cert)
            if version:
                context.minimum_version = context.maximum_version = version
            if identity:
                context.load_cert_chain(identity.cert, identity.key)
            if session:
                context = session.context
            self.context = context
            self.sock = context.wrap_socket(self.raw, server_hostname="localhost", session=session.sock.session if session else None)

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        self.buffer += data
        return data != b""

    def answer(self, head=False):
        """(status, fields, body) of the next answer; None at the end of the connection."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                assert self.buffer == b"", self.buffer
                return None
        text, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = text.decode("ascii").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1"
        fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        if status == "100":
            return int(status), fields, b""
        if fields.get("transfer-encoding") == "chunked":
            return int(status), fields, None
        length = 0 if head else int(fields["content-length"])
        while len(self.buffer) < length:
            assert self.fill(), "cut inside a body"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return int(status), fields, body

    def chunk(self):
        while b"\r\n" not in self.buffer:
            assert self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        size = int(line, 16)
        while len(self.buffer) < size + 2:
            assert self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size + 2:]
        return data

    def ask(self, method, target, body=None, head=False, **fields):
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + (body or b""))
        return self.answer(head)

    def ended(self):
        """True once the server has closed and nothing more came."""
        while self.fill():
            pass
        return self.buffer == b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()
