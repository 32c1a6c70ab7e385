# SPDX-License-Identifier: Apache-2.0
"""Releases as others would make them, and the proof that a log holds one: by the letter of docs/protocol/release.md and tlog.md."""

import base64
import hashlib
import json
import os
import time

from tlog_server import leaf_hash, root_of

DAY = 86400


def artifact(path, compatible, kind="rauc"):
    data = path.read_bytes()
    return {"name": path.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": kind, "compatible": compatible}


def document(artifacts, **changed):
    """The JSON of a release."""
    now = int(time.time())
    return {"type": "chainhold-release/v1", "name": "gateway-os", "version": "2.0.0", "sequence": 2, "floor": 0, "classes": ["gateway"],
            "role": "firmware", "issued": now - 60, "expires": now + 30 * DAY, "notes": "", "artifacts": artifacts, "sbom": None,
            "reference": None, **changed}  # fmt: skip


def record(note, of):
    digest = hashlib.sha256(note).hexdigest()
    rest = {k: of[k] for k in ("name", "version", "sequence")}
    return json.dumps({"type": "release", **rest, "sha256": digest}, separators=(",", ":")).encode()


def path_to(hashes, index):
    """The inclusion proof of RFC 9162, 2.1.3.1, over leaf hashes."""
    if len(hashes) <= 1:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if index < k:
        return [*path_to(hashes[:k], index), root_of(hashes[k:])]
    return [*path_to(hashes[k:], index - k), root_of(hashes[:k])]


def logged(log, text, kind=7):
    """Puts a record into a log of tlog_server; what shows that it is there, as the server gives it."""
    salt = os.urandom(32)
    leaf = bytes([1, kind]) + int(time.time() * 1000).to_bytes(8, "big") + hashlib.sha256(salt + text).digest()
    log.append([leaf])
    hashes = [leaf_hash(entry) for entry in log.entries]
    lines = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(leaf).decode()}", f"index {len(hashes) - 1}",
             *(base64.b64encode(h).decode() for h in path_to(hashes, len(hashes) - 1)), "", ""]  # fmt: skip
    proof = "\n".join(lines) + log.files["checkpoint"].decode()
    return json.dumps({"record": text.decode(), "salt": salt.hex(), "proof": proof}, ensure_ascii=False).encode()
