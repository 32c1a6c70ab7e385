# SPDX-License-Identifier: Apache-2.0
"""A fleet root as others would make it: JSON of Python, a signed note by the letter of docs/protocol/fleet-root.md."""
import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

TYPE = "chainhold-fleet-root/v1"


def spki(key):
    """The public half of a private key, DER."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key):
    return hashlib.sha256(spki(key)).hexdigest()


def text_of(key):
    return base64.b64encode(spki(key)).decode()


def signature_line(text, key):
    """One line of a signed note over `text`; Ed25519 as C2SP has it."""
    name = key_id(key).encode()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        signature, kind = key.sign(text), b"\x01"
    else:
        numbers = key.public_key().public_numbers()
        raw = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        signature, kind = r.to_bytes(32, "big") + s.to_bytes(32, "big"), b"\xff"
    short = hashlib.sha256(name + b"\n" + kind + raw).digest()[:4]
    return b"\xe2\x80\x94 " + name + b" " + base64.b64encode(short + signature) + b"\n"


def note(document, keys):
    """The whole file: `document` is a dict, or bytes as they are to be signed."""
    text = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode() + b"\n"
    return text + b"\n" + b"".join(signature_line(text, k) for k in keys)


def document_of(data):
    """The JSON of a note."""
    return json.loads(data[: data.rindex(b"\n\n") + 1])


def new_key(kind="ed25519"):
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
