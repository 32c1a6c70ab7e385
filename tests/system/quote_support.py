# SPDX-License-Identifier: Apache-2.0
"""Quotes for tests: the command's answer checked against its schema, register values in the forms tpm2-tools writes."""

import json
import struct

import jsonschema
import support

SCHEMA = json.loads((support.ROOT / "docs" / "schema" / "inspect-quote.schema.json").read_text())
ALG = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}


def inspect(msg, sig, pub, **options):
    """Runs inspect quote --json: (exit code, parsed answer or None, standard error)."""
    args = ["inspect", "quote", "--json", "--msg", msg, "--sig", sig, "--pub", pub]
    for name, value in options.items():
        if value is not None:
            args += [f"--{name}", value]
    code, out, err = support.run(args)
    if not out:
        return code, None, err
    answer = json.loads(out)
    jsonschema.validate(answer, SCHEMA)
    return code, answer, err


def values_form(select, pcrs):
    return b"".join(bytes.fromhex(pcrs[bank][str(n)]) for bank, numbers in select for n in numbers)


def serialized_form(select, pcrs):
    """TPML_PCR_SELECTION, count and TPML_DIGESTs as a little-endian machine has them in memory."""
    out = struct.pack("<I", len(select))
    for bank, numbers in select:
        out += struct.pack("<HBIx", ALG[bank], 3, sum(1 << n for n in numbers))
    out = out.ljust(132, b"\0")
    digests = [bytes.fromhex(pcrs[bank][str(n)]) for bank, numbers in select for n in numbers]
    lists = [digests[i:i + 8] for i in range(0, len(digests), 8)]
    out += struct.pack("<I", len(lists))
    for some in lists:
        entries = b"".join(struct.pack("<H", len(d)) + d.ljust(64, b"\0") for d in some)
        out += struct.pack("<I", len(some)) + entries.ljust(8 * 66, b"\0")
    return out
