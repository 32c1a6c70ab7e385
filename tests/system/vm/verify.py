# SPDX-License-Identifier: Apache-2.0
"""Checks a capture with tools that are not ours: `verify.py FOLDER...`. The signature, the nonce and the register values by
tpm2_checkquote, the event log by tpm2_eventlog, the IMA list by a replay written here."""

import hashlib
import re
import struct
import subprocess
import sys
from pathlib import Path

ZERO = bytes(32)
REPLAYED = [*range(8), 8, 9, 11, 12, 13, 14]


def registers(text):
    """`N : 0x...` lines as tpm2_pcrread and tpm2_eventlog print them."""
    return {int(n): bytes.fromhex(value) for n, value in re.findall(r"^\s*(\d+)\s*:\s*0x([0-9A-Fa-f]{64})\s*$", text, re.M)}


def logged_registers(folder):
    done = subprocess.run(["tpm2_eventlog", folder / "binary_bios_measurements"], capture_output=True, text=True, check=True)
    return registers(done.stdout[done.stdout.rindex("\npcrs:") :])


def ima_registers(path):
    """PCR 10 in the SHA-256 bank after each entry, from the empty list on; a violation extends ones."""
    data = path.read_bytes()
    value, at, values = ZERO, 0, [ZERO]
    while at < len(data):
        digest = data[at + 4 : at + 24]
        name_size = struct.unpack_from("<I", data, at + 24)[0]
        at += 28 + name_size
        size = struct.unpack_from("<I", data, at)[0]
        entry = data[at + 4 : at + 4 + size]
        at += 4 + size
        extended = hashlib.sha256(entry).digest() if digest != bytes(20) else b"\xff" * 32
        value = hashlib.sha256(value + extended).digest()
        values.append(value)
    return values


def check_quote(folder):
    nonce = (folder / "nonce.hex").read_text().strip()
    files = ["-m", folder / "quote-ecc.msg", "-s", folder / "quote-ecc.sig", "-f", folder / "quote-ecc.pcrs"]
    subprocess.run(["tpm2_checkquote", "-u", folder / "ak-ecc.pem", *files, "-g", "sha256", "-q", nonce], capture_output=True, check=True)


def verify(folder, phases=()):
    """Raises unless everything fits; returns what was seen. `phases` are strings that only PCR 11 knows of, after the log."""
    folder = Path(folder)
    check_quote(folder)
    quoted = registers((folder / "pcrs-sha256.yaml").read_text())
    raw = (folder / "quote-ecc.pcrs").read_bytes()
    assert all(quoted[n] in raw for n in range(15)), "pcrs-sha256.yaml is not what was quoted"
    logged = logged_registers(folder)
    for phase in phases:
        logged[11] = hashlib.sha256(logged[11] + hashlib.sha256(phase.encode()).digest()).digest()
    wrong = [n for n in REPLAYED if logged.get(n, ZERO) != quoted[n]]
    assert not wrong, f"the log does not lead to the quoted values of PCR {wrong}"
    at_quote = ima_registers(folder / "ima.binary-at-quote-ecc")
    final = ima_registers(folder / "ima.binary")
    assert quoted[10] in at_quote, "no prefix of the IMA list leads to PCR 10"
    assert final[: len(at_quote)] == at_quote, "the final IMA list does not begin with the one at the quote"
    return f"ok: IMA {at_quote.index(quoted[10])} entries quoted, {len(at_quote) - 1} listed at the quote, {len(final) - 1} in the end"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(argument, verify(argument))
