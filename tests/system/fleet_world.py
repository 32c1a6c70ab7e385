# SPDX-License-Identifier: Apache-2.0
"""
A server whose fleet has a fleet root: keys of three people, documents from what `chainhold init` made, how they are published, and how
each key of the server is replaced by another (docs/disaster.md).
"""

import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import fleet_root_note as note_file
from server_support import BUILD, Server, openssl, until

DAY = 86400


def certificates(pem):
    """The certificates of a PEM text, as a fleet root has them."""
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.S)
    return [b"".join(block.split()).decode() for block in blocks]


def spki_of(pem):
    key = serialization.load_pem_public_key(pem)
    return base64.b64encode(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()


def put_over(path, data):
    """Another file in the place of one, with its owner and mode."""
    was = path.stat()
    path.write_bytes(data)
    os.chown(path, was.st_uid, was.st_gid)
    path.chmod(was.st_mode & 0o777)


class Fleet:
    def __init__(self, folder, **more):
        self.folder = folder
        self.server = Server(folder, **more)
        self.root = [note_file.new_key("ed25519"), note_file.new_key("p256"), note_file.new_key("ed25519")]

    # --- documents ---

    def first(self, **changed):
        """The document of version 1: what is at work now."""
        at, now = self.server.folder, int(time.time())
        return {
            "type": note_file.TYPE, "version": 1, "issued": now - 60, "expires": now + 365 * DAY,
            "root": {"threshold": 2, "keys": [note_file.text_of(k) for k in self.root]},
            "releases": [], "anchors": certificates((at / "ca.crt").read_bytes()),
            "logs": [(at / "log.vkey").read_text().strip()], "ears": [spki_of((at / "ear.pub").read_bytes())],
            "servers": [f"127.0.0.1:{self.server.devices}"], "agent_min": "0.1.0", **changed,
        }  # fmt: skip

    def next(self, document, **changed):
        return {**document, "version": document["version"] + 1, **changed}

    def file(self, name, data):
        path = self.folder / f"root.{name}"
        path.write_bytes(data)
        return path

    @staticmethod
    def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def chainhold(self, *args, config="chainhold.yaml"):
        command = [BUILD / "chainhold", "--config", self.server.folder / config, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def verify(self, *paths):
        return subprocess.run([BUILD / "chainhold", "fleet-root", "verify", *paths], capture_output=True, text=True, timeout=120, check=False)

    def publish(self, path, config="chainhold.yaml", code=0):
        """`chainhold fleet-root publish`. `code` None: whatever comes of it."""
        done = self.chainhold("fleet-root", "publish", "--reason", "test", path, config=config)
        assert code is None or done.returncode == code, (done.stdout, done.stderr)
        return done

    def put(self, document, keys):
        """Signs, publishes, and returns the file."""
        path = self.file(str(document["version"]), note_file.note(document, keys))
        self.publish(path)
        return path

    # --- the server ---

    def fetch(self, version):
        """As a stranger: no certificate, and nobody's is judged."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{self.server.devices}/v1/fleet-root/{version}"
        with urllib.request.urlopen(url, context=context, timeout=60) as answer:
            return answer.read()

    def get(self, path):
        """A page of the operator API, as text."""
        url = f"https://localhost:{self.server.operators}{path}"
        with urllib.request.urlopen(url, context=self.server.context(self.server.identity("admin")), timeout=60) as answer:
            return answer.read().decode()

    def ready(self):
        """After a start the other processes may be a moment behind."""
        self.server.settled()

    def restart(self):
        self.server.stop()
        self.server.start()
        self.ready()

    # --- each of its keys by another ---

    def make_ca(self):
        """A new issuing CA, aside; returns its anchor."""
        at = self.folder / "new-ca"
        shutil.rmtree(at, ignore_errors=True)
        at.mkdir()
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", at / "ca.key")
        openssl("req", "-x509", "-new", "-key", at / "ca.key", "-subj", f"/CN=CA made {time.time()}", "-days", "3650", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-out", at / "ca.crt")  # fmt: skip
        return certificates((at / "ca.crt").read_bytes())

    def install_ca(self):
        """It issues from the next start on, and vouches for the server; the certificates of the one before it are still taken."""
        at, new = self.server.folder, self.folder / "new-ca"
        put_over(at / "state/signer/ca.key", (new / "ca.key").read_bytes())
        put_over(at / "state/signer/ca.crt", (new / "ca.crt").read_bytes())
        put_over(at / "ca.crt", (new / "ca.crt").read_bytes() + (at / "ca.crt").read_bytes())
        self.install_server()

    def forget_old_ca(self):
        """From the next start on only the new one counts: for devices, and for operators, who get a certificate of it before."""
        put_over(self.server.folder / "ca.crt", (self.folder / "new-ca/ca.crt").read_bytes())

    def install_server(self, *names):
        """Another key and certificate of the server, under the CA that is there, for these names alone."""
        at, new = self.server.folder, self.folder / "new-ca"
        alt = ",".join(f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names or ("localhost", "127.0.0.1"))
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", new / "server.key")
        openssl("req", "-new", "-key", new / "server.key", "-subj", "/CN=server", "-out", new / "server.csr")
        (new / "server.ext").write_text(f"subjectAltName={alt}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n")
        openssl("x509", "-req", "-in", new / "server.csr", "-CA", new / "ca.crt", "-CAkey", new / "ca.key", "-CAcreateserial", "-days", "825",
                "-extfile", new / "server.ext", "-out", new / "server.crt")  # fmt: skip
        put_over(at / "tls/server.key", (new / "server.key").read_bytes())
        put_over(at / "tls/server.crt", (new / "server.crt").read_bytes())

    def new_tls_key(self):
        """The running server takes another TLS key, with a certificate by its CA for the same names."""
        before = self.shown()
        done = self.chainhold("ca", "server", "--new-key", self.server.folder)
        assert done.returncode == 0, done.stderr
        self.server.process.send_signal(signal.SIGHUP)
        until(lambda: self.shown() != before, self.server.said)
        assert self.shown() == openssl("x509", "-in", self.server.folder / "tls/server.crt", "-noout", "-pubkey")

    def shown(self):
        """The key that the server shows to devices."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.server.devices)) as raw, context.wrap_socket(raw) as tls:
            return openssl("x509", "-inform", "DER", "-noout", "-pubkey", data=tls.getpeercert(binary_form=True))

    def new_admin(self):
        """The operator has another key, and a certificate of the CA that issues now."""
        at = self.server.folder / "operators"
        done = self.chainhold("operator", "key", self.folder / "admin.key")
        assert done.returncode == 0, done.stderr
        done = self.chainhold("operator", "add", "--role", "admin", "--key", f"{self.folder}/admin.key.pub", "--reason", "a new key", "--out",
                              self.folder / "admin.crt", "admin2")  # fmt: skip
        assert done.returncode == 0, done.stderr
        put_over(at / "admin.key", (self.folder / "admin.key").read_bytes())
        put_over(at / "admin.crt", (self.folder / "admin.crt").read_bytes())

    def make_ear(self):
        """A new key of attestation results, aside; returns its text."""
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.folder / "ear.key")
        return spki_of(openssl("pkey", "-in", self.folder / "ear.key", "-pubout"))

    def install_ear(self):
        put_over(self.server.folder / "state/signer/ear.key", (self.folder / "ear.key").read_bytes())


def jwt_holds(token, spki):
    """Whether a JWT (ES256) is signed by this key."""
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    key = serialization.load_der_public_key(base64.b64decode(spki))
    numbers = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        key.verify(numbers, signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
