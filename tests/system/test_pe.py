# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect pe, uki: against Python, sbsign, osslsigncode and systemd-measure, and against what captured boots show."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from pe_made import HEADERS, authenticode, cert, mark, pe
from support import FIXTURES, ROOT, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-pe.schema.json").read_text())
STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
BOOT = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
MEASURE = Path("/usr/lib/systemd/systemd-measure")
KERNEL = pe([(".text", b"kernel")])
IPL, TAG, APPLICATION = 0xd, 6, 0x80000003


def inspect(kind, path):
    rc, out, err = run(["inspect", kind, "--json", path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


def made(tmp_path, image, name="a.efi"):
    path = tmp_path / name
    path.write_bytes(image)
    return path


def digests(report, pcr):
    return [e["digests"]["sha256"] for e in report["measurements"] if e["pcr"] == pcr]


def tool(*args):
    return subprocess.run([str(a) for a in args], capture_output=True, check=True, timeout=60)


def signer(tmp_path, name):
    key, crt = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
    tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt, "-subj", f"/CN={name}", "-days", "30")
    return key, crt


def sbsign(tmp_path, path, name="db"):
    key, crt = signer(tmp_path, name)
    out = path.with_suffix(f".{name}.efi")
    tool("sbsign", "--key", key, "--cert", crt, "--output", out, path)
    return out, crt


def uki(tmp_path, parts, kernel=BOOT):
    """A UKI of Debian's stub, as objcopy makes it."""
    out = tmp_path / "uki.efi"
    end = 0x2000000
    args = []
    for name, data in [*parts.items(), ("linux", kernel.read_bytes())]:
        file = tmp_path / f"part-{name}"
        file.write_bytes(data)
        args += ["--add-section", f".{name}={file}", "--change-section-vma", f".{name}={end:#x}"]
        end += (len(data) + 4095) // 4096 * 4096
    tool("objcopy", *args, STUB, out)
    return out


@pytest.mark.parametrize("image", [
    pe([(".text", b"code"), (".data", b"x" * 600)]),
    pe([]),
    pe([(".text", b"code")], certs=cert(b"whatever", 0xef1)),
    pe([(".text", b"code")]) + b"after the last section",
    pe([(".b", b"second", {"off": HEADERS + 512}), (".a", b"first", {"off": HEADERS})]),
    # a gap, which the hash passes over
    pe([(".text", b"code"), (".data", b"x", {"off": HEADERS + 1024}), (".gap", b"", {})]) + b"\1" * 512,
], ids=["plain", "empty", "cert", "trailing", "order", "gap"])
def test_hash_is_that_of_the_words(tmp_path, image):
    _, report, err = inspect("pe", made(tmp_path, image))
    assert report, err
    event, = report["measurements"]
    assert event["digests"] == {"sha256": authenticode(image), "sha384": authenticode(image, "sha384")}
    assert (event["pcr"], event["type"], event["required"]) == (4, APPLICATION, True)
    assert report["authenticode_sha256"] == authenticode(image)


@pytest.mark.parametrize("path", [BOOT, STUB, *sorted(Path("/usr/lib/shim").glob("*.efi*")), *sorted(Path("/usr/lib/grub").rglob("*.efi*"))],
                         ids=lambda p: p.name)
def test_binaries_of_debian(path):
    _, report, err = inspect("pe", path)
    assert report, err
    assert report["authenticode_sha256"] == authenticode(path.read_bytes())


def test_signatures(tmp_path):
    """sbsign's and osslsigncode's are of this image; one bit later they are not."""
    path = made(tmp_path, BOOT.read_bytes())
    once, crt = sbsign(tmp_path, path)
    twice, _ = sbsign(tmp_path, once, "second")
    rc, report, _ = inspect("pe", twice)
    assert rc == 0 and [s["certificates"] for s in report["signatures"]] == [["CN=db"], ["CN=second"]]
    assert all(s["of_this_image"] and s["digest"] == authenticode(once.read_bytes()) for s in report["signatures"])
    tool("sbverify", "--cert", crt, once)
    key, crt = signer(tmp_path, "ossl")
    other = tmp_path / "ossl.efi"
    tool("osslsigncode", "sign", "-h", "sha256", "-certs", crt, "-key", key, "-in", path, "-out", other)
    rc, report, _ = inspect("pe", other)
    assert rc == 0 and report["signatures"][0]["of_this_image"]
    said = subprocess.run(["osslsigncode", "verify", "-in", str(other)], capture_output=True, text=True, timeout=60, check=False).stdout
    assert f"Calculated message digest : {report['authenticode_sha256'].upper()}" in said
    image = bytearray(once.read_bytes())
    image[HEADERS + 100] ^= 1
    rc, report, _ = inspect("pe", made(tmp_path, image, "changed.efi"))
    assert rc == 1 and not report["holds"] and "changed after it was signed" in report["signatures"][0]["rule"]


def test_signature_cut_and_flipped(tmp_path):
    """Whatever becomes of a signature, the hash of the image stays, and nothing unreadable passes as a signature of it."""
    path, _ = sbsign(tmp_path, made(tmp_path, KERNEL))
    image = path.read_bytes()
    certs = int.from_bytes(image[0x40 + 24 + 144:][:4], "little")
    for i in range(certs, certs + 140):
        changed = bytearray(image)
        changed[i] ^= 0x10
        rc, report, err = inspect("pe", made(tmp_path, changed, "flip.efi"))
        assert rc in (0, 1) and (report is None or report["authenticode_sha256"] == authenticode(KERNEL)), err


PARTS = {
    "osrel": b"ID=gateway\nVERSION_ID=1.0.0\nPRETTY_NAME=\"Virtual gateway 1.0.0\"\n",
    "cmdline": b"console=ttyS0 quiet panic=5 rootfstype=ramfs ima_policy=tcb ima_hash=sha256 ima_template=ima-ng",
    "initrd": b"an initrd",
}


def extend(value, digest):
    return hashlib.sha256(value + digest).digest()


@pytest.mark.parametrize("more", [{}, {"splash": b"BM....", "dtb": b"\xd0\x0d\xfe\xed", "pcrpkey": b"-----BEGIN PUBLIC KEY-----\n"}],
                         ids=["plain", "all"])
def test_pcr_11_is_that_of_systemd_measure(tmp_path, more):
    parts = PARTS | more
    path = uki(tmp_path, parts)
    rc, report, err = inspect("uki", path)
    assert rc == 0, err
    value = bytes(32)
    for digest in digests(report, 11):
        value = extend(value, bytes.fromhex(digest))
    value = extend(value, hashlib.sha256(b"enter-initrd").digest())
    said = tool(MEASURE, "calculate", "--bank=sha256", "--phase=enter-initrd", "--json=short", f"--linux={BOOT}",
                *(f"--{name}={tmp_path / f'part-{name}'}" for name in parts)).stdout
    assert json.loads(said)["sha256"][0]["hash"] == value.hex()
    assert report["uki"]["stub"].startswith("252")
    assert digests(report, 4) == [authenticode(path.read_bytes()), authenticode(BOOT.read_bytes())]
    assert [n for n in report["notes"] if "pcrpkey" in n] == [n for n in report["notes"]] and bool(report["notes"]) == ("pcrpkey" in more)


def events(capture):
    rc, out, err = run(["inspect", "eventlog", "--json", FIXTURES / capture / "binary_bios_measurements"])
    assert rc == 0, err
    return [(e["pcr"], e["type"], e["digests"].get("sha256")) for e in json.loads(out)["events"]]


def test_captured_boots_show_it(tmp_path):
    """class-unit1 booted these sections: names, os-release and command line are in its log, as both PCRs have them."""
    parts = PARTS | {"cmdline": (FIXTURES / "class-unit1/cmdline").read_bytes().rstrip(b"\n")}
    _, report, _ = inspect("uki", uki(tmp_path, parts))
    log = events("class-unit1")
    shown = {(e["pcr"], e["type"], e["digests"]["sha256"]): e["what"] for e in report["measurements"]}
    seen = sorted(shown[e] for e in log if e in shown)
    assert seen == sorted([f"name of UKI section .{n}" for n in ("linux", "osrel", "cmdline", "initrd")] +
                          ["UKI section .osrel", "UKI section .cmdline", "kernel command line (Linux EFI stub)"])


@pytest.mark.parametrize("kind, image, rc, rule", [
    ("uki", pe([mark("257.4"), (".linux", KERNEL)]), 3, "another version"),
    ("uki", pe([(".linux", KERNEL)]), 3, "not systemd's"),
    ("uki", pe([mark(name="systemd-boot"), (".linux", KERNEL)]), 3, "does not name"),
    ("uki", pe([mark(), (".linux", b"ELF")]), 1, "MS-DOS"),
    ("uki", pe([mark(), (".osrel", b"x")]), 1, "no section .linux"),
    ("uki", pe([mark(), (".linux", KERNEL), (".linux", KERNEL)]), 1, "section 2: a part that is there twice"),
    ("uki", pe([mark(), (".linux", KERNEL), (".initrd", b"x", {"vaddr": 0x200400})]), 1, "overlap in memory"),
    ("uki", pe([mark(), (".linux", KERNEL)], image_size=0x1000), 1, "SizeOfImage"),
    ("uki", pe([mark(), (".linux", KERNEL), (".cmdline", "é".encode())]), 3, "ASCII"),
    ("uki", pe([mark(), (".linux", KERNEL), (".initrd", b"", {"vsize": 4096})]), 3, "larger in memory"),
    ("pe", pe([(".text", b"x")], subsystem=2), 3, "no EFI application"),
    ("pe", pe([(".text", b"x"), (".data", b"y", {"off": HEADERS + 1})]), 1, "overlap in the file"),
    ("pe", pe([(".text", b"x")], certs=cert(b"y"), cert_off=HEADERS), 1, "not the end"),
    ("pe", b"", 1, "MS-DOS"),
    ("pe", b"\x7fELF" + bytes(100), 1, "MS-DOS"),
])
def test_refused(tmp_path, kind, image, rc, rule):
    got, report, err = inspect(kind, made(tmp_path, image))
    assert (got, report) == (rc, None) and rule in err and err.count("\n") == 1


def test_every_cut(tmp_path):
    image = pe([mark(), (".linux", KERNEL), (".cmdline", b"quiet")])
    for n in [*range(0, HEADERS + 8, 7), *range(HEADERS, len(image), 509)]:
        rc, report, err = inspect("uki", made(tmp_path, image[:n], "cut.efi"))
        assert rc == 1 and report is None and "byte" in err


def test_page_and_help(tmp_path):
    path = made(tmp_path, pe([mark(), (".linux", KERNEL), (".cmdline", b"a\x1b[31mb")]))
    rc, out, _ = run(["inspect", "uki", path])
    assert rc == 0 and "\x1b" not in out and r"a\x1b[31mb" in out and " 11  " in out
    assert run(["inspect", "pe", tmp_path])[0] == 4
    assert run(["inspect", "pe", tmp_path / "none"])[0] == 4
    assert run(["inspect", "pe"])[0] == 2
    assert shutil.which("sbsign")
