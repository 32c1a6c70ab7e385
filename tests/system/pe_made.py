# SPDX-License-Identifier: Apache-2.0
"""EFI binaries and UKIs, made one field at a time, and what they measure said again in Python."""

import hashlib
import struct

HEADERS = 0x400
TABLE = 0x40 + 24 + 112 + 128


def up(n, to=512):
    return (n + to - 1) // to * to


def pe(sections, subsystem=10, certs=b"", cert_off=None, image_size=0x10000000):
    """PE32+ for x64; a section is (name, bytes) or (name, bytes, {field: value}) with vaddr, vsize, off."""
    head = bytearray(HEADERS)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3c, 0x40)
    struct.pack_into("<4sHHIIIHH", head, 0x40, b"PE\0\0", 0x8664, len(sections), 0, 0, 0, 112 + 128, 0x22)
    at = 0x40 + 24
    struct.pack_into("<H", head, at, 0x20b)
    struct.pack_into("<III", head, at + 56, image_size, HEADERS, 0x12345678)
    struct.pack_into("<H", head, at + 68, subsystem)
    struct.pack_into("<I", head, at + 108, 16)
    body, off = b"", HEADERS
    for i, (name, data, *more) in enumerate(sections):
        f = more[0] if more else {}
        struct.pack_into("<8sIIII", head, TABLE + 40 * i, name.encode(), f.get("vsize", len(data)),
                         f.get("vaddr", 0x100000 * (i + 1)), up(len(data)), f.get("off", off))
        struct.pack_into("<I", head, TABLE + 40 * i + 36, 0x40000040)
        body += data.ljust(up(len(data)), b"\0")
        off += up(len(data))
    if certs or cert_off is not None:
        struct.pack_into("<II", head, at + 144, off if cert_off is None else cert_off, len(certs))
    return bytes(head) + body + certs


def cert(body, kind=2):
    n = 8 + len(body)
    return struct.pack("<IHH", n, 0x200, kind) + body.ljust(up(n, 8) - 8, b"\0")


def mark(version="252.39-1~deb12u2", name="systemd-stub"):
    return (".sdmagic", f"#### LoaderInfo: {name} {version} ####\0".encode())


def authenticode(image, algorithm="sha256"):
    """The image hash by the words of the specification: one byte string without what is left out."""
    lfanew = struct.unpack_from("<I", image, 0x3c)[0]
    count, = struct.unpack_from("<H", image, lfanew + 6)
    optional, = struct.unpack_from("<H", image, lfanew + 20)
    at = lfanew + 24
    plus = struct.unpack_from("<H", image, at)[0] == 0x20b
    headers, = struct.unpack_from("<I", image, at + 60)
    directories, = struct.unpack_from("<I", image, at + (108 if plus else 92))
    entry = at + (112 if plus else 96) + 32
    cert_off, cert_size = struct.unpack_from("<II", image, entry) if directories > 4 else (0, 0)
    hashed = image[:at + 64] + (image[at + 68:entry] + image[entry + 8:headers] if directories > 4 else image[at + 68:headers])
    total = headers
    table = [struct.unpack_from("<II", image, at + optional + 40 * i + 16) for i in range(count)]
    for size, off in sorted(table, key=lambda s: s[1]):
        hashed += image[off:off + size] if size else b""
        total += size
    end = cert_off if cert_size else len(image)
    if total < end:
        hashed += image[total:end]
    return hashlib.new(algorithm, hashed).hexdigest()
