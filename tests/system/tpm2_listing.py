# SPDX-License-Identifier: Apache-2.0
"""Reads what tpm2_eventlog prints. By lines, since for SHA-1 logs its output is not valid YAML."""

import hashlib
import re

EVENT = re.compile(r"^  PCRIndex: (\d+)$")
TYPE = re.compile(r"^  EventType: (.*)$")
ALGORITHM = re.compile(r"^  - AlgorithmId: (\S+)$")
DIGEST = re.compile(r'^(?:  |    )Digest: "([0-9a-f]*)"$')
BANK = re.compile(r"^  (\w+):$")
PCR = re.compile(r"^    (\d+)\s*: 0x([0-9A-Fa-f]+)$")


def read(text):
    """{"events": [{"pcr", "type", "digests": [(algorithm, hex)]}], "pcrs": {bank: {number: hex}}}"""
    head, _, tail = text.rpartition("\npcrs:")
    events, algorithm = [], "sha1"
    for line in head.splitlines():
        if m := EVENT.match(line):
            events.append({"pcr": int(m[1]), "type": None, "digests": []})
            algorithm = "sha1"
        elif not events:
            continue
        elif m := TYPE.match(line):
            events[-1]["type"] = m[1]
        elif m := ALGORITHM.match(line):
            algorithm = m[1]
        elif m := DIGEST.match(line):
            events[-1]["digests"].append((algorithm, m[1]))
    pcrs, bank = {}, None
    for line in tail.splitlines():
        if m := BANK.match(line):
            bank = pcrs.setdefault(m[1], {})
        elif m := PCR.match(line):
            bank[m[1]] = m[2].lower()
    return {"events": events, "pcrs": pcrs}


def differences(doc, listing):
    """Yields where the JSON of inspect and the listing of the same log disagree."""
    # coreboot's padding is to tpm2_eventlog a row of empty records.
    theirs = listing["events"]
    if doc["format"].startswith("coreboot"):
        theirs = [e for e in theirs if e["digests"]]
    if len(theirs) != len(doc["events"]):
        yield f"{len(doc['events'])} events, tpm2_eventlog has {len(theirs)}"
    for one, other in zip(doc["events"], theirs):
        where = f"event {one['n']}"
        if one["pcr"] != other["pcr"]:
            yield f"{where}: PCR {one['pcr']}, tpm2_eventlog has {other['pcr']}"
        if not other["type"].startswith("Unknown") and other["type"] != one["type_name"]:
            yield f"{where}: type {one['type_name']}, tpm2_eventlog has {other['type']}"
        if list(one["digests"].items()) != other["digests"]:
            yield f"{where}: digests {one['digests']}, tpm2_eventlog has {other['digests']}"
    ours = {bank: pcrs for bank, pcrs in doc["banks"].items() if pcrs}
    theirs = {bank: pcrs for bank, pcrs in listing["pcrs"].items() if pcrs}
    if theirs not in (ours, replay_of_5_4(doc)):
        yield f"PCRs {ours}, tpm2_eventlog has {theirs}"


def replay_of_5_4(doc):
    """
    The registers as tpm2_eventlog 5.4 computes them: it extends EV_NO_ACTION records, too (all but the Spec ID event), and
    starts PCR 0 at zero whatever StartupLocality and H-CRTM events say. Where the two differ, recorded TPMs agree with us.
    """
    banks = {}
    for event in doc["events"]:
        if event["n"] == 0 and event["type_name"] == "EV_NO_ACTION":
            continue
        for bank, digest in event["digests"].items():
            pcrs = banks.setdefault(bank, {})
            old = pcrs.get(str(event["pcr"]), "00" * (len(digest) // 2))
            pcrs[str(event["pcr"])] = hashlib.new(bank, bytes.fromhex(old + digest)).hexdigest()
    return banks
