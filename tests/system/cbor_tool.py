# SPDX-License-Identifier: Apache-2.0
"""Enough CBOR and COSE to make tokens for tests."""

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


class Tagged:
    def __init__(self, number, item):
        self.number, self.item = number, item


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError(value)


def encode(value):
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    if isinstance(value, Tagged):
        return head(6, value.number) + encode(value.item)
    raise TypeError(type(value))


class Signer:
    """A throw-away P-256 key."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def pem(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign1(self, payload, protected=None, unprotected=None, tag=18):
        header = encode({1: -7} if protected is None else protected)
        tbs = encode(["Signature1", header, b"", payload])
        r, s = decode_dss_signature(self.key.sign(tbs, ec.ECDSA(hashes.SHA256())))
        item = [header, unprotected or {}, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big")]
        return encode(Tagged(tag, item) if tag is not None else item)
