# SPDX-License-Identifier: Apache-2.0
"""A transparency log made in Python (RFC 9162, C2SP tlog-tiles) and served over HTTP: the other implementation."""

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(entry):
    return sha256(b"\0", entry)


def root_of(hashes):
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if not hashes:
        return sha256()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha256(b"\1", root_of(hashes[:k]), root_of(hashes[k:]))


def index_path(n):
    text = f"{n % 1000:03d}"
    while n >= 1000:
        n //= 1000
        text = f"x{n % 1000:03d}/{text}"
    return text


class Log:
    def __init__(self, name="log.test/fleet", seed=b"a key for tests"):
        self.name, self.entries = name, []
        self.key = Ed25519PrivateKey.from_private_bytes(sha256(seed))
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha256(name.encode(), b"\n\x01", self.public)[:4]
        self.files = {}

    @property
    def vkey(self):
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([1]) + self.public).decode()}"

    def note(self, size, root, name=None):
        text = f"{name or self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self.id + self.key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n".encode()

    def append(self, entries):
        """Adds entries, and makes the files of the new tree."""
        self.entries += entries
        level = [leaf_hash(entry) for entry in self.entries]
        self.files["checkpoint"] = self.note(len(level), root_of(level))
        for first in range(0, len(self.entries), 256):
            some = self.entries[first:first + 256]
            self.put("entries", first // 256, len(some), b"".join(len(e).to_bytes(2, "big") + e for e in some))
        for number in range(6):
            for first in range(0, len(level), 256):
                some = level[first:first + 256]
                self.put(number, first // 256, len(some), b"".join(some))
            level = [root_of(level[i:i + 256]) for i in range(0, len(level) - 255, 256)]

    def put(self, level, index, width, data):
        self.files[f"tile/{level}/{index_path(index)}" + (f".p/{width}" if width < 256 else "")] = data


class Server:
    """Serves log.files under /log/; `asked` holds the paths."""

    def __init__(self, log):
        self.log, self.asked = log, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = self.path.removeprefix("/log/")
                outer.asked.append(name)
                data = outer.log.files.get(name)
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
