# SPDX-License-Identifier: Apache-2.0
"""
tpm2-tools and inspect quote agree: tpm2_checkquote accepts what we accept, tpm2_print reads what we read.

Where they differ on purpose, STRICTER says so: inputs that tpm2_checkquote accepts and we refuse. There is no input that it
refuses and we accept.
"""

import os
import random
import shutil
import subprocess

import pytest
import support
from quote_support import inspect

CAPTURES = sorted(p.parent.name for p in support.FIXTURES.glob("*/quote-rsa.msg"))  # those with both kinds of key
KEYS = ["ecc", "rsa"]
FLIPS = int(os.environ.get("CHAINHOLD_TEST_FLIPS", "60"))

pytestmark = pytest.mark.skipif(
    shutil.which("tpm2_checkquote") is None, reason="tpm2-tools is not installed (Debian: tpm2-tools)"
)


def checkquote(msg, sig, pub, nonce=None, pcrs=None):
    args = ["tpm2_checkquote", "-Q", "-m", msg, "-s", sig, "-u", pub, "-g", "sha256"]
    if nonce is not None:
        args += ["-q", nonce]
    if pcrs is not None:
        args += ["-f", pcrs]
    return subprocess.run([str(a) for a in args], capture_output=True, timeout=60, check=False).returncode == 0


def files(name, key):
    folder = support.FIXTURES / name
    nonce = (folder / "nonce.hex").read_text().strip()
    return folder / f"quote-{key}.msg", folder / f"quote-{key}.sig", folder / f"ak-{key}.pem", nonce, folder / f"quote-{key}.pcrs"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CAPTURES)
def test_recorded_quotes_are_accepted_by_both(name, key):
    msg, sig, pub, nonce, pcrs = files(name, key)
    assert checkquote(msg, sig, pub, nonce, pcrs)
    assert inspect(msg, sig, pub, nonce=nonce, pcrs=pcrs)[0] == 0
    other = "ff" + nonce[2:]
    assert not checkquote(msg, sig, pub, other, pcrs)
    assert inspect(msg, sig, pub, nonce=other, pcrs=pcrs)[0] == 1


def mutations(data, rng, count):
    for bit in rng.sample(range(8 * len(data)), min(count, 8 * len(data))):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield "flip", bytes(changed)
    for n in rng.sample(range(len(data)), 5):
        yield "cut", data[:n]
    yield "append", data + b"\0"


# What tpm2_checkquote 5.4 accepts and inspect refuses, by file, kind of change and our reason.
STRICTER = [
    ("sig", "append", "bytes after the end"),
    ("sig", "flip", "'scheme': 'rsapss'"),  # it verifies RSASSA whichever RSA scheme sigAlg names
    ("pcrs", "append", "neither the values"),
    ("pcrs", "flip", "sizeofSelect"),
    ("pcrs", "flip", "names a PCR above 23"),
    ("pcrs", "flip", "the bank's algorithm"),
    ("pcrs", "flip", "the size of its bank's digests"),
    ("pcrs", "flip", "TPML_DIGEST.count is above 8"),
    ("pcrs", "flip", "more digests than the file's selection"),
]


def stricter(which, kind, said):
    return any(which == w and kind == k and text in said for w, k, text in STRICTER)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("which", ["msg", "sig", "pcrs"])
def test_changed_files_are_judged_alike(which, key, tmp_path):
    msg, sig, pub, nonce, pcrs = files("sbon-good", key)
    paths = {"msg": msg, "sig": sig, "pcrs": pcrs}
    rng = random.Random(f"{which} {key}")
    changed = tmp_path / "changed"
    agree, ours_stricter, wrong = 0, 0, []
    for kind, data in mutations(paths[which].read_bytes(), rng, FLIPS):
        changed.write_bytes(data)
        use = {**paths, which: changed}
        theirs = checkquote(use["msg"], use["sig"], pub, nonce, use["pcrs"])
        code, answer, err = inspect(use["msg"], use["sig"], pub, nonce=nonce, pcrs=use["pcrs"])
        if theirs == (code == 0):
            agree += 1
        elif theirs and stricter(which, kind, f"{err}{answer}"):
            ours_stricter += 1
        else:
            wrong.append(f"{which} {kind}: tpm2_checkquote {'accepts' if theirs else 'refuses'}, exit {code}: {err}{answer}")
    print(f"tpm2_checkquote, changed {which} ({key}): {agree} agree, {ours_stricter} refused by us alone")
    assert not wrong, "\n".join(wrong[:10])


def printed(msg):
    """The YAML of tpm2_print as {name: text}; its names are unique in a quote."""
    out = subprocess.run(["tpm2_print", "-t", "TPMS_ATTEST", str(msg)], capture_output=True, timeout=60, check=True)
    pairs = (line.strip(" -").split(":", 1) for line in out.stdout.decode().splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", CAPTURES)
def test_tpm2_print_reads_the_same(name, key):
    msg, sig, pub, _, _ = files(name, key)
    theirs = printed(msg)
    _, ours, _ = inspect(msg, sig, pub)
    assert theirs["magic"] == "ff544347"
    assert theirs["type"] == "8018"
    assert theirs["qualifiedSigner"] == ours["qualified_signer"]
    assert theirs["extraData"] == ours["nonce"]
    assert int(theirs["clock"]) == ours["clock"]["milliseconds"]
    assert int(theirs["resetCount"]) == ours["clock"]["reset_count"]
    assert int(theirs["restartCount"]) == ours["clock"]["restart_count"]
    assert theirs["safe"] == ("1" if ours["clock"]["safe"] else "0")
    # A 64-bit number; tpm2_print shows its bytes as they lie in this machine's memory.
    assert bytes.fromhex(theirs["firmwareVersion"])[::-1].hex() == ours["firmware_version"]
    assert theirs["pcrDigest"] == ours["pcr_digest"]
    (bank, numbers), = ours["pcr_select"].items()
    assert int(theirs["hash"].split()[0]) == {"sha1": 4, "sha256": 11}[bank]
    mask = sum(1 << n for n in numbers)
    assert bytes.fromhex(theirs["pcrSelect"]) == mask.to_bytes(3, "little")
