# SPDX-License-Identifier: Apache-2.0
"""A boot of our own making: log, IMA list and quote, signed with a key made here. For attacks that no recorded boot shows."""

import hashlib
import struct
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

SHA1, SHA256, SHA384, SHA512 = 4, 0xB, 0xC, 0xD
HASH = {SHA1: hashlib.sha1, SHA256: hashlib.sha256, SHA384: hashlib.sha384, SHA512: hashlib.sha512}

SEPARATOR, IPL, TAG, ACTION = 4, 0xD, 6, 0x80000007
DRIVER_CONFIG, BOOT2, APPLICATION, VERSION = 0x80000001, 0x8000000C, 0x80000003, 8
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le
SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f").bytes_le
KEY = ec.generate_private_key(ec.SECP256R1())


def variable(guid, name, value):
    return guid + struct.pack("<QQ", len(name), len(value)) + name.encode("utf-16-le") + value


def event(pcr, kind, data, measured=None, banks=(SHA256,)):
    """(register, type, data, digests); `measured` is hashed where it is not the data."""
    content = data if measured is None else measured
    return pcr, kind, data, {alg: HASH[alg](content).digest() for alg in banks}


def log(events, banks=(SHA256,)):
    sizes = b"".join(struct.pack("<HH", alg, HASH[alg]().digest_size) for alg in banks)
    spec = b"Spec ID Event03\0" + bytes([0, 0, 0, 0, 0, 2, 0, 2]) + struct.pack("<I", len(banks)) + sizes + b"\0"
    out = struct.pack("<II20sI", 0, 3, bytes(20), len(spec)) + spec
    for pcr, kind, data, digests in events:
        out += struct.pack("<III", pcr, kind, len(digests))
        out += b"".join(struct.pack("<H", alg) + digest for alg, digest in digests.items())
        out += struct.pack("<I", len(data)) + data
    return out


def ima_entry(pcr, name, data, template_hash=None):
    digest = hashlib.sha1(data).digest() if template_hash is None else template_hash
    return struct.pack("<I", pcr) + digest + struct.pack("<I", len(name)) + name + struct.pack("<I", len(data)) + data


def ima_ng(path, content=b"", pcr=10):
    digest = b"sha256:\0" + hashlib.sha256(content).digest()
    path = path.encode() + b"\0"
    return ima_entry(pcr, b"ima-ng", struct.pack("<I", len(digest)) + digest + struct.pack("<I", len(path)) + path)


class Registers:
    def __init__(self, banks=(SHA256,)):
        self.value = {alg: [bytes(HASH[alg]().digest_size)] * 24 for alg in banks}

    def extend(self, pcr, alg, digest):
        self.value[alg][pcr] = HASH[alg](self.value[alg][pcr] + digest).digest()

    def log(self, events):
        for pcr, _, _, digests in events:
            for alg, digest in digests.items():
                self.extend(pcr, alg, digest)
        return self

    def ima(self, entries):
        """Entries made here: every bank gets its own hash of the template data."""
        for e in entries:
            pcr = struct.unpack_from("<I", e)[0]
            name = struct.unpack_from("<I", e, 24)[0]
            for alg in self.value:
                self.extend(pcr, alg, HASH[alg](e[32 + name:]).digest())
        return self


def quote(registers, pcrs, nonce=b"n" * 20):
    banks = list(registers.value)
    mask = sum(1 << pcr for pcr in pcrs)
    select = b"".join(struct.pack(">HB", alg, 3) + mask.to_bytes(3, "little") for alg in banks)
    digest = hashlib.sha256(b"".join(registers.value[alg][pcr] for alg in banks for pcr in sorted(pcrs))).digest()
    name = b"\0\x0b" + bytes(32)
    return (struct.pack(">IHH", 0xFF544347, 0x8018, len(name)) + name + struct.pack(">H", len(nonce)) + nonce
            + struct.pack(">QIIBQ", 1000, 5, 0, 1, 1) + struct.pack(">I", len(banks)) + select + struct.pack(">H", 32) + digest)


def sign(msg, key=KEY):
    r, s = decode_dss_signature(key.sign(msg, ec.ECDSA(hashes.SHA256())))
    return struct.pack(">HHH", 0x18, SHA256, 32) + r.to_bytes(32, "big") + struct.pack(">H", 32) + s.to_bytes(32, "big")


def pem(key=KEY):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def good_events(extra=()):
    first = [event(0, VERSION, "made 1".encode("utf-16-le") + b"\0\0")]
    seps = [event(pcr, SEPARATOR, bytes(4)) for pcr in range(8)]
    return first + list(extra) + seps + [event(4, APPLICATION, struct.pack("<QQQQ", 1, 2, 3, 0), b"the good loader")]


def write(folder, events, pcrs=range(15), ima=(), registers=None, key=KEY, banks=(SHA256,)):
    """Writes the evidence of a boot and returns its options; `registers` where the TPM saw something else."""
    folder.mkdir(parents=True, exist_ok=True)
    msg = quote(registers or Registers(banks).log(events).ima(ima), pcrs)
    files = {"msg": msg, "sig": sign(msg, key), "pub": pem(), "eventlog": log(events, banks)}
    if ima:
        files["ima"] = b"".join(ima)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [word for name in files for word in (f"--{name}", folder / name)]
