# SPDX-License-Identifier: Apache-2.0
"""Writes variables into the empty variable store of OVMF, in the form that EDK II keeps them (authenticated variables,
MdeModulePkg VariableFormat.h), so that a virtual device has its keys and its boot entries at the first power-on."""

import struct
import subprocess
import uuid

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
IMAGE_SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
SECURE_BOOT_ENABLE = uuid.UUID("f0a30bc7-af08-4556-99c4-001009c93a44")
CERT_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
CERT_SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
OWNER = uuid.UUID("0b5dcf3e-5b3b-4a43-9a4e-6a7c1e1d6f10")

NV, BS, RT, TIME_AUTH = 0x01, 0x02, 0x04, 0x20
FV_HEADER_LENGTH_AT = 48
STORE_HEADER_SIZE = 28
VARIABLE_HEADER_SIZE = 60


def x509_list(path):
    """EFI_SIGNATURE_LIST of one certificate (UEFI 2.10, 32.4.1)."""
    der = subprocess.run(["openssl", "x509", "-in", str(path), "-outform", "DER"], capture_output=True, check=True).stdout
    return CERT_X509.bytes_le + struct.pack("<III", 28 + 16 + len(der), 0, 16 + len(der)) + OWNER.bytes_le + der


def sha256_list(digests):
    """EFI_SIGNATURE_LIST of image digests."""
    body = b"".join(OWNER.bytes_le + digest for digest in digests)
    return CERT_SHA256.bytes_le + struct.pack("<III", 28 + len(body), 0, 48) + body


def utf16(text):
    return (text + "\0").encode("utf-16-le")


def load_option(label, number, start, size, guid, path):
    """EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) of a file on a GPT partition: HD(number,GPT,guid,start,size)/path."""
    disk = struct.pack("<BBHIQQ", 4, 1, 42, number, start, size) + uuid.UUID(guid).bytes_le + bytes([2, 2])
    file = struct.pack("<BBH", 4, 4, 4 + len(utf16(path))) + utf16(path)
    device_path = disk + file + struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", 1, len(device_path)) + utf16(label) + device_path


def variable(name, vendor, attributes, value):
    """One variable as it lies in the store: valid, no counter, no time stamp yet."""
    header = struct.pack("<HBBIQ16xIII", 0x55AA, 0x3F, 0, attributes, 0, 0, len(utf16(name)), len(value)) + vendor.bytes_le
    return header + utf16(name) + value


def write(template, out, variables):
    """Copies `template` to `out` with `variables` after those that are there already; each starts at a multiple of 4."""
    store = bytearray(template.read_bytes())
    begin = struct.unpack_from("<H", store, FV_HEADER_LENGTH_AT)[0]
    size = struct.unpack_from("<I", store, begin + 16)[0]
    at = begin + STORE_HEADER_SIZE
    while struct.unpack_from("<H", store, at)[0] == 0x55AA:
        name_size, value_size = struct.unpack_from("<II", store, at + 36)
        at = (at + VARIABLE_HEADER_SIZE + name_size + value_size + 3) & ~3
    for item in variables:
        assert at + len(item) <= begin + size, "the variable store is full"
        store[at : at + len(item)] = item
        at = (at + len(item) + 3) & ~3
    out.write_bytes(store)


def device(keys, entries, order, dbx):
    """The variables of a device with Secure Boot on: `keys` is the folder of PK.pem, KEK.pem and db.pem, `entries` maps a boot
    entry's number to its load option, `order` lists the numbers, `dbx` the digests of the images that are revoked."""
    signed = NV | BS | RT | TIME_AUTH
    plain = NV | BS | RT
    made = [
        variable("dbx", IMAGE_SECURITY, signed, sha256_list(dbx)),
        variable("db", IMAGE_SECURITY, signed, x509_list(keys / "db.pem")),
        variable("KEK", GLOBAL, signed, x509_list(keys / "KEK.pem")),
        variable("PK", GLOBAL, signed, x509_list(keys / "PK.pem")),
        variable("SecureBootEnable", SECURE_BOOT_ENABLE, NV | BS, b"\x01"),
        variable("BootOrder", GLOBAL, plain, struct.pack(f"<{len(order)}H", *order)),
        variable("Timeout", GLOBAL, plain, b"\x00\x00"),
    ]
    return made + [variable(f"Boot{number:04X}", GLOBAL, plain, option) for number, option in entries.items()]
