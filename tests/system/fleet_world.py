# SPDX-License-Identifier: Apache-2.0
"""A server whose fleet has a fleet root: keys of three people, documents from what `chainhold init` made, and how they are published."""

import base64
import contextlib
import hashlib
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import serialization

import fleet_root_note as note_file
from server_live import BUILD, Server

DAY = 86400


def certificates(pem):
    """The certificates of a PEM text, as a fleet root has them."""
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.S)
    return [b"".join(block.split()).decode() for block in blocks]


def spki_of(pem):
    key = serialization.load_pem_public_key(pem)
    return base64.b64encode(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()


class Fleet:
    def __init__(self, folder, **more):
        self.folder = folder
        self.server = Server(folder / "server", **more)
        self.root = [note_file.new_key("ed25519"), note_file.new_key("p256"), note_file.new_key("ed25519")]

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

    def publish(self, path, config="chainhold.yaml", code=0):
        """`chainhold fleet-root publish`. `code` None: whatever comes of it."""
        done = subprocess.run([BUILD / "chainhold", "--config", self.server.folder / config, "fleet-root", "publish", "--reason", "test", path],
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert code is None or done.returncode == code, (done.stdout, done.stderr)
        return done

    def put(self, document, keys):
        """Signs, publishes, and returns the file."""
        path = self.file(str(document["version"]), note_file.note(document, keys))
        self.publish(path)
        return path

    def fetch(self, version):
        """As a stranger: no certificate, and nobody's is judged."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = f"https://127.0.0.1:{self.server.devices}/v1/fleet-root/{version}"
        with urllib.request.urlopen(url, context=context, timeout=60) as answer:
            return answer.read()

    def ready(self):
        """After a start the reader may be a moment behind."""
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(urllib.error.HTTPError, OSError):
                if self.server.get("/api/v1/status"):
                    return
            assert time.monotonic() < end
            time.sleep(0.1)
