# SPDX-License-Identifier: Apache-2.0
"""Evidence damaged at random, given to a build with AddressSanitizer and UndefinedBehaviorSanitizer.

Nothing crashes, the exit code is one that evidence can cause, and where nothing is printed the refusal says at which byte.
"""

import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import FIXTURES, ROOT

MUTATIONS = int(os.environ.get("CHAINHOLD_MUTATIONS", "300"))  # of each piece of evidence
LEAKS_EVERY = 30  # one of so many runs looks for leaks too, which costs more than all the rest of it
WORKERS = 2
BUILD = ROOT / "build-asan"
SANITIZERS = {"ASAN_OPTIONS": "exitcode=99:abort_on_error=0:malloc_context_size=6:quarantine_size_mb=1", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1"}


# --- the build ---


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The program that runs commands by the list, with sanitizers and so without the seccomp filter."""
    probe = tmp_path_factory.mktemp("probe") / "probe"
    source = "int main(void) { return 0; }\n"
    compiler = os.environ.get("CC", "cc").split()
    flags = ["-fsanitize=address,undefined", "-x", "c", "-", "-o", probe]
    if not all(map(shutil.which, (compiler[0], "meson", "ninja"))):
        pytest.skip(f"no {compiler[0]}, meson or ninja to build with sanitizers")
    if subprocess.run([*compiler, *flags], input=source, text=True, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{compiler[0]} has no AddressSanitizer and UndefinedBehaviorSanitizer here")
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", BUILD, ROOT, "-Db_sanitize=address,undefined", "-Dsandbox=false",
                        "-Dbuildtype=debugoptimized"], check=True, capture_output=True)
    built = subprocess.run(["ninja", "-C", BUILD, "-j2", "tests/batch_driver"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-3000:]
    return BUILD / "tests/batch_driver"


class Driver:
    """A process that runs commands; `leaks`: it also looks for leaks at the end of each."""

    def __init__(self, path, leaks):
        env = dict(os.environ, **SANITIZERS)
        env["ASAN_OPTIONS"] += f":detect_leaks={int(leaks)}"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=ROOT)

    def run(self, args):
        """(exit code or negative signal, bytes of standard output, standard error in one line)"""
        self.process.stdin.write("\t".join(map(str, args)).encode() + b"\n")
        self.process.stdin.flush()
        code, size, err = self.process.stdout.readline().decode().rstrip("\n").split("\t", 2)
        return int(code), int(size), err

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


# --- damage ---

HUGE = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x01\x00", b"\xff\xff", b"\x7f\xff", b"\x00\x00\x00\x00"]


def flip(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def append(data, rng):
    return data + rng.randbytes(rng.choice((1, 1, 2, 4, 7, 64, 4096)))


def huge(data, rng):
    """A length that is far too large, wherever a length may be."""
    at, value = rng.randrange(len(data)), rng.choice(HUGE)
    return data[:at] + value + data[at + len(value) :]


def byte(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + rng.choice((b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\n", b" ")) + data[at + 1 :]


def drop(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 64) :]


def repeat(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randrange(1, 256)] * rng.randrange(2, 5) + data[at:]


DAMAGE = [flip, flip, flip, cut, append, huge, huge, byte, drop, repeat]


# --- the evidence ---


def distinct(*patterns):
    """The fixtures of these names, without copies of the same bytes."""
    seen = {}
    for pattern in patterns:
        for path in sorted(FIXTURES.glob(pattern)):
            seen.setdefault(path.read_bytes(), path)
    return list(seen.values())


def single(command, *patterns):
    """(name, files, function from their paths to arguments) of evidence in one file."""
    return [(f"{p.parent.name}/{p.name}", {"file": p}, lambda f, c=command: [*c, f["file"]]) for p in distinct(*patterns)]


def quote_args(files):
    options = [a for name, path in files.items() if name not in ("nonce",) for a in (f"--{name}", path)]
    return ["inspect", "quote", "--json", *options]


def quotes():
    """A quote, its signature, key and register values, as one piece of evidence; with its logs for every other one."""
    found = []
    for n, msg in enumerate(distinct("*/quote-ecc.msg", "*/quote-rsa.msg")):
        folder, kind = msg.parent, msg.stem.split("-")[1]
        pub = folder / (f"ak-{kind}.pem" if n % 2 else f"ak-{kind}.tpm2b_public")
        files = {"msg": msg, "sig": folder / f"quote-{kind}.sig", "pub": pub, "pcrs": folder / f"quote-{kind}.pcrs"}
        if n % 2:
            files |= {"eventlog": folder / "binary_bios_measurements", "ima": folder / "ima.binary"}
        found.append((f"{folder.name}/quote-{kind}", {k: p for k, p in files.items() if p.exists()}, quote_args))
    return found


EVIDENCE = {
    "eventlog": single(["inspect", "eventlog", "--json"], "*/binary_bios_measurements", "*/cbmem-tpm2-tcglog.bin"),
    "ima": single(["inspect", "ima", "--json"], "*-*/ima.binary", "sboff-good/ima.ascii", "grub-sbms-good/ima.ascii")
    + single(["inspect", "ima", "--json", *(f"--key={FIXTURES}/ima-made/{k}.pem" for k in ("rsa", "p256"))],
             "ima-made/ima-wrong-signature.*"),
    "ekcert": single(["inspect", "ekcert", "--json", f"--roots={FIXTURES}/ca"], "*/*.crt.der"),
    "quote": quotes(),
}


# --- the runs ---


def complaint(code, size, err):
    """What is wrong with the end of a run, or None."""
    if "Sanitizer" in err or "runtime error" in err or code not in (0, 1, 3):
        report = re.search(r"(ERROR: |runtime error).*", err)
        return f"exit {code}: {report[0][:400] if report else err}"
    if code != 0 and size == 0 and not re.search(r"\bbyte \d+", err):
        return f"exit {code} with neither a report nor the byte that was refused: {err}"
    if code == 0 and size == 0:
        return "holds, and nothing is printed"
    return None


def damaged(files, names, contents, rng, scratch):
    """The files with one of them damaged, and how."""
    name, damage = rng.choice(names), rng.choice(DAMAGE)
    path = scratch / "damaged"
    path.write_bytes(damage(contents[name], rng))
    return {**files, name: path}, f"{damage.__name__} of {name}"


def attack(item, driver, folder):
    """(exit codes, complaints) of one piece of evidence."""
    title, files, args = item
    rng = random.Random(title)
    scratch = folder / title.replace("/", "-")
    scratch.mkdir()
    contents = {name: path.read_bytes() for name, path in files.items()}
    # Logs and lists have their own turn; beside a quote they are damaged now and then.
    names = [n for n in files for _ in range(1 if n in ("eventlog", "ima") else 4)]
    codes, wrong = Counter(), []
    drivers = [Driver(driver, leaks=False), Driver(driver, leaks=True)]
    for n in range(MUTATIONS + 1):
        now, how = damaged(files, names, contents, rng, scratch) if n else (files, "nothing")
        result = drivers[n % LEAKS_EVERY == 0].run(args(now))
        codes[result[0]] += 1
        what = complaint(*result)
        if what:
            kept = folder / f"{scratch.name}-{n}"
            shutil.copy(next(p for k, p in now.items() if p != files[k] or not n), kept)
            wrong.append(f"{title}, mutation {n} ({how}), kept in {kept}: {what}")
    for d in drivers:
        d.close()
    return codes, wrong


@pytest.mark.parametrize("kind", EVIDENCE)
def test_damaged_evidence(kind, driver, tmp_path):
    start = time.monotonic()
    assert EVIDENCE[kind]
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda item: attack(item, driver, tmp_path), EVIDENCE[kind]))
    codes = sum((c for c, _ in results), Counter())
    wrong = [w for _, ws in results for w in ws]
    counts = ", ".join(f"{n} exit {code}" for code, n in sorted(codes.items()))
    print(f"\nrobust {kind}: {len(EVIDENCE[kind])} pieces of evidence, {counts} in {time.monotonic() - start:.0f} s")
    assert not wrong, "\n".join(wrong[:20])
