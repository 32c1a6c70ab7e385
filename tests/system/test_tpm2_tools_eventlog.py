# SPDX-License-Identifier: Apache-2.0
"""
Debian's tpm2_eventlog and `inspect eventlog` on the same bytes: our captures, the public vectors, and mutations of the
captures. Where both accept a log they must agree on every event, digest and register; where only one does, the reason must be
one of those below, which docs/protocol/tcg-event-log.md explains.
"""

import os
import random
import shutil
import subprocess
from collections import Counter

import pytest
import tpm2_listing
from support import corpus
from test_eventlog import CAPTURES, inspect, record_ends

TOOL = shutil.which("tpm2_eventlog")
MUTATIONS = int(os.environ.get("CHAINHOLD_MUTATIONS", "60"))  # a capture

pytestmark = pytest.mark.skipif(TOOL is None, reason="tpm2_eventlog is not installed")

# Why we alone refuse: rules that tpm2_eventlog does not have.
OUR_RULES = (
    "more digests than algorithms in the Spec ID event",
    "an algorithm occurs twice in one record",
    "a digest's algorithm is not in the Spec ID event",
    "the record's banks are not those of the records before it",
    "a measured event without a digest",
    "pcrIndex is above 23",
    "StartupLocality",
    "specVersion of a Spec ID Event03 is not 2.0",
    "digestSize is not that of the algorithm",
    "the Spec ID event names an algorithm twice",
    "the Spec ID event names no algorithm",
    "vendorInfoSize does not end where the Spec ID event ends",
    "numberOfAlgorithms runs past the Spec ID event",
    "the record's size is not that of coreboot's header",
    "bytes after the entries that coreboot's header counts",
    "coreboot's header",
    "coreboot's log version",
    "confidential-computing log",
)

# Why it alone refuses: it decodes the content of events as it goes and stops at what it cannot decode; it asks more of the Spec
# ID event; it takes an index above 31 for an error even where nothing is extended, coreboot's padding for records, and every
# log that begins with EV_NO_ACTION for a crypto-agile one.
ITS_RULES = (
    "size is insufficient for UEFI",
    "c16rtomb failed",
    "corrupted log",
    "bad pcrIndex for EV_NO_ACTION event",
    "SpecID digest data malformed",
    "invalid eventDataSize in specid event",
    "is out of bounds for max available PCRS",
)


def known_rule_of_ours(path, err):
    """It does not look at the signature of the Spec ID event: without one, we read what follows as SHA-1 records."""
    if path.read_bytes()[32:48] != b"Spec ID Event03\0" and "(PFP 1.06, 10.2.1)" in err:
        return True
    return any(rule in err for rule in OUR_RULES)


def theirs(path):
    """(exit code, listing or None, errors); a signal is a negative exit code."""
    done = subprocess.run([TOOL, str(path)], capture_output=True, timeout=60, check=False)
    text = done.stdout.decode("utf-8", "replace")
    return done.returncode, tpm2_listing.read(text) if done.returncode == 0 else None, done.stderr.decode("utf-8", "replace")


def compare(path):
    """One word for the outcome, and the complaints."""
    code, doc, err = inspect(path)
    their_code, listing, their_err = theirs(path)
    if code < 0:
        return "we crash", [f"signal {-code}"]
    if code == 0 and their_code == 0:
        complaints = list(tpm2_listing.differences(doc, listing))
        return "both accept", complaints
    if code == 0:
        if their_code < 0:
            return "it crashes", []
        known = any(rule in their_err for rule in ITS_RULES)
        return "only we accept", [] if known else [f"only we accept; it says {their_err!r}"]
    if their_code == 0:
        known = known_rule_of_ours(path, err)
        return "only it accepts", [] if known else [f"only it accepts; we say {err!r}"]
    return "both refuse", []


def compare_all(paths, label):
    counts = Counter()
    failures = []
    for path in paths:
        outcome, complaints = compare(path)
        counts[outcome] += 1
        failures += [f"{path.name}: {c}" for c in complaints]
    print(f"{label}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    assert not failures, "\n" + "\n".join(failures[:20])
    return counts


def test_captures():
    counts = compare_all(CAPTURES, "captures")
    assert counts["both accept"] == len(CAPTURES)


def test_public_vectors():
    compare_all(sorted(corpus("tcg-eventlog").glob("*.bin")), "public vectors")


# --- mutations ---

INTERESTING = (0, 1, 3, 4, 5, 7, 8, 17, 20, 23, 24, 32, 0xFF, 0x7FFFFFFF, 0x80000001, 0x80000008, 0x80000010, 0xFFFFFFFF)


def mutate(log, ends, rnd):
    """One change to a crypto-agile log: to bits, to a field, to its length or to the order of its records."""
    starts = [0, *ends[:-1]]
    i = rnd.randrange(1, len(ends))
    kind = rnd.choice(("bit", "byte", "field", "cut", "drop", "again", "swap", "insert"))
    if kind == "bit":
        off = rnd.randrange(len(log))
        return log[:off] + bytes([log[off] ^ 1 << rnd.randrange(8)]) + log[off + 1 :]
    if kind == "byte":
        off = rnd.randrange(len(log))
        return log[:off] + bytes([rnd.randrange(256)]) + log[off + 1 :]
    if kind == "field":
        off = starts[i] + rnd.choice((0, 4, 8))
        return log[:off] + rnd.choice(INTERESTING).to_bytes(4, "little") + log[off + 4 :]
    if kind == "cut":
        return log[: rnd.choice((ends[i - 1], rnd.randrange(len(log))))]
    if kind == "drop":
        return log[: starts[i]] + log[ends[i] :]
    if kind == "again":
        return log[: ends[i]] + log[starts[i] : ends[i]] + log[ends[i] :]
    if kind == "swap":
        j = rnd.randrange(1, len(ends))
        i, j = min(i, j), max(i, j)
        return log[: starts[i]] + log[starts[j] : ends[j]] + log[ends[i] : starts[j]] + log[starts[i] : ends[i]] + log[ends[j] :]
    off = rnd.randrange(len(log))
    return log[:off] + rnd.randbytes(rnd.randrange(1, 9)) + log[off:]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.parent.name)
def test_mutations(path, tmp_path):
    whole = path.read_bytes()
    ends = record_ends(whole)
    rnd = random.Random(path.parent.name)
    paths = []
    for n in range(MUTATIONS):
        mutant = tmp_path / f"{n:04}.bin"
        mutant.write_bytes(mutate(whole[: ends[-1]] if rnd.randrange(4) else whole, ends, rnd))
        paths.append(mutant)
    compare_all(paths, f"mutations of {path.parent.name}")
