# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect rauc: bundles of the real rauc, with FAT images of mkfs.vfat and mtools."""

import hashlib
import json
import subprocess

import jsonschema
import pytest
from pe_made import authenticode, mark, pe
from support import ROOT, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-rauc.schema.json").read_text())
KERNEL = pe([(".text", b"kernel")])
UKI = pe([mark(), (".linux", KERNEL), (".cmdline", b"quiet"), (".initrd", b"initrd" * 1000)])
SHELL = pe([(".text", b"shell")])
# Nothing to compress: RAUC makes no verity bundle of one block.
ROOT_IMAGE = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(256)) * 2


def tool(*args, data=None):
    return subprocess.run([str(a) for a in args], capture_output=True, check=True, timeout=120, input=data)


def inspect(path):
    rc, out, err = run(["inspect", "rauc", "--json", path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


def fat(tmp_path, bits=32, files=None):
    """A volume with a UKI at the removable-media path, another program and files that are none."""
    image = tmp_path / f"slot{bits}.img"
    tool("mkfs.vfat", "-C", "-F", bits, "-n", "SLOT", "--invariant", image, {12: 4096, 16: 32768, 32: 49152}[bits])
    tool("mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/a folder with a long name")
    files = files if files is not None else {"EFI/BOOT/BOOTX64.EFI": UKI, "EFI/a folder with a long name/shell — größer.efi": SHELL,
                                             "loader.conf": b"timeout 0\n"}
    for name, data in files.items():
        tool("mcopy", "-i", image, "-", f"::/{name}", data=data)
    return image


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("signer")
    tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp / "k", "-out", tmp / "c", "-subj", "/CN=rauc", "-days", "30")
    return ["--cert", tmp / "c", "--key", tmp / "k"]


def bundle(tmp_path, signer, image, kind="verity", more=""):
    content = tmp_path / f"content-{kind}"
    content.mkdir()
    (content / "slot.img").write_bytes(image.read_bytes())
    (content / "root.img").write_bytes(ROOT_IMAGE)
    (content / "manifest.raucm").write_text(
        f"[update]\ncompatible=gateway\nversion=1.4.0\n\n[bundle]\nformat={kind}\n\n[image.boot]\nfilename=slot.img\n\n"
        f"[image.rootfs]\nfilename=root.img\n{more}")
    out = tmp_path / f"{kind}.raucb"
    tool("rauc", "bundle", *signer, content, out)
    return out


@pytest.mark.parametrize("kind", ["plain", "verity"])
@pytest.mark.parametrize("bits", [12, 16, 32])
def test_measurements_of_a_bundle(tmp_path, signer, kind, bits):
    image = fat(tmp_path, bits)
    rc, report, err = inspect(bundle(tmp_path, signer, image, kind))
    assert rc == 0, err
    assert (report["compatible"], report["version"], report["bundle_format"]) == ("gateway", "1.4.0", kind)
    assert (report["verity_hash"] is None) == (kind == "plain")
    boot, root = report["images"]
    assert boot["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest() and boot["holds"] == "FAT volume with EFI binaries"
    assert root["holds"] == "no FAT volume: not looked into" and boot["sha256_in_manifest"]
    events = {e["what"]: (e["pcr"], e["required"], e["digests"]["sha256"]) for e in report["measurements"]}
    assert events["EFI/BOOT/BOOTX64.EFI: EFI image (UKI)"] == (4, True, authenticode(UKI))
    assert events["EFI/BOOT/BOOTX64.EFI: UKI section .linux"] == (11, True, hashlib.sha256(KERNEL).hexdigest())
    assert events["EFI/a folder with a long name/shell — größer.efi: EFI image"] == (4, False, authenticode(SHELL))
    (tmp_path / "a.efi").write_bytes(UKI)
    alone = json.loads(run(["inspect", "uki", "--json", tmp_path / "a.efi"])[1])["measurements"]
    assert [e["digests"] for e in report["measurements"]][:len(alone)] == [e["digests"] for e in alone]


def test_rauc_reads_the_same(tmp_path, signer):
    path = bundle(tmp_path, signer, fat(tmp_path))
    said = json.loads(tool("rauc", "info", "--no-verify", "--output-format=json", path).stdout)
    _, report, _ = inspect(path)
    assert said["compatible"] == report["compatible"]
    checksums = sorted(image["checksum"] for slot in said["images"] for image in slot.values())
    assert checksums == sorted(i["sha256"] for i in report["images"])


def test_every_cut_and_flips(tmp_path, signer):
    whole = bundle(tmp_path, signer, fat(tmp_path, 12), "plain").read_bytes()
    path = tmp_path / "bad.raucb"
    for n in [*range(0, 200, 13), *range(200, len(whole), len(whole) // 40)]:
        path.write_bytes(whole[:n])
        rc, report, err = inspect(path)
        assert (rc, report) in ((1, None), (3, None)) and err.count("\n") == 1
    refused = 0
    for n in range(0, len(whole) - 8, len(whole) // 120):
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 0x41]) + whole[n + 1:])
        rc, report, err = inspect(path)
        assert rc in (0, 1, 3), err
        refused += rc != 0
    assert refused > 20


def test_a_verity_bundle_that_is_not_its_manifests(tmp_path, signer):
    """A byte anywhere in the squashfs, also where no image is: the root hash that is computed is another one."""
    whole = bundle(tmp_path, signer, fat(tmp_path, 12)).read_bytes()
    path = tmp_path / "bad.raucb"
    for at in (40, 96, 200, 4095):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        rc, report, err = inspect(path)
        assert (rc, report) == (1, None) and "verity-hash" in err, err
        rc, document, err = release(tmp_path, path)
        assert (rc, document) == (1, None) and "verity-hash" in err, err


def manifest_bundle(tmp_path, text):
    """A plain bundle with any manifest: squashfs, a signature over anything, its size."""
    content = tmp_path / "c"
    content.mkdir()
    (content / "manifest.raucm").write_bytes(text)
    (content / "a.img").write_bytes(b"image")
    tool("mksquashfs", content, tmp_path / "s", "-noappend", "-quiet")
    tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k", "-out", tmp_path / "p", "-subj", "/CN=x")
    cms = tool("openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", tmp_path / "p", "-inkey", tmp_path / "k", data=b"x").stdout
    out = tmp_path / "m.raucb"
    out.write_bytes((tmp_path / "s").read_bytes() + cms + len(cms).to_bytes(8, "big"))
    return out


HEAD = b"[update]\ncompatible=gw\n"


@pytest.mark.parametrize("text, rc, rule", [
    (HEAD + b"[image.boot]\nfilename=a.img\n", 0, ""),
    (HEAD + b"[image.boot]\nfilename=../a.img\n", 1, "path in it"),
    (HEAD + b"[image.boot]\nfilename=..\n", 1, "path in it"),
    (HEAD + b"[image.boot]\nfilename=/etc/passwd\n", 1, "path in it"),
    (HEAD + b"[image.boot]\nfilename=b.img\n", 1, "not in the bundle"),
    (HEAD + b"[image.boot]\nfilename=a.img\nsha256=" + b"00" * 32 + b"\n", 1, "image 0: an image is not the one"),
    (HEAD + b"[image.boot]\nfilename=a.img\nsha256=00\n", 1, "64 hexadecimal"),
    (HEAD + b"[image.boot]\nfilename=a.img\nfilename=a.img\n", 1, "there twice"),
    (HEAD + b"[image.boot]\nfilename=a.img\n[image.boot]\nfilename=a.img\n", 1, "there twice"),
    (HEAD + b"[image.boot]\n", 1, "without a filename"),
    (HEAD + HEAD, 1, "there twice"),
    (HEAD + b"[bundle]\nformat=crypt\n", 3, "other than plain and verity"),
    (HEAD + b"[bundle]\nformat=verity\n", 1, "come with the format"),
    (b"[update]\nversion=1\n", 1, "no compatible"),
    (b"compatible=gw\n", 1, "of one"),
    (HEAD + b"[image.boot\n", 1, "a group is"),
    (HEAD + b"nonsense\n", 1, "of one"),
    (HEAD + b"".join(b"[image.%d]\nfilename=a.img\n" % i for i in range(33)), 1, "more than"),
])
def test_manifests(tmp_path, text, rc, rule):
    got, report, err = inspect(manifest_bundle(tmp_path, text))
    assert got == rc and rule in err and (report is not None) == (rc == 0), err


def test_not_a_bundle_and_page(tmp_path, signer):
    path = tmp_path / "x"
    path.write_bytes(b"PK\3\4" + bytes(100))
    assert inspect(path)[0] == 1
    rc, out, _ = run(["inspect", "rauc", bundle(tmp_path, signer, fat(tmp_path))])
    assert rc == 0 and "RAUC bundle" in out and "EFI/BOOT/BOOTX64.EFI: EFI image (UKI)" in out


def release(tmp_path, path, *more):
    rc, out, err = run(["release", "create", "--name", "gateway-os", "--version", "1.4.0", "--sequence", "14", "--class", "gateway", "--role",
                        "firmware", *more, path])
    return rc, json.loads(out) if out else None, err


def test_release_of_a_bundle(tmp_path, signer):
    """A release made of the bundle alone carries what the bundle's UKI will measure, and what it is compatible with."""
    path = bundle(tmp_path, signer, fat(tmp_path))
    rc, document, err = release(tmp_path, path)
    assert rc == 0, err
    artifact, = document["artifacts"]
    assert (artifact["kind"], artifact["compatible"]) == ("rauc", "gateway")
    assert document["reference"]["kind"] == "release" and document["reference"]["name"] == "gateway-os 1.4.0"
    assert document["reference"]["events"] == inspect(path)[1]["measurements"]
    assert release(tmp_path, path, "--compatible", "gateway")[0] == 0
    rc, document, err = release(tmp_path, path, "--compatible", "another")
    assert (rc, document) == (1, None) and "another 'compatible'" in err


def test_release_of_a_bundle_that_cannot_be_measured(tmp_path, signer):
    rc, document, err = release(tmp_path, bundle(tmp_path, signer, fat(tmp_path, 12, {"readme.txt": b"x"})))
    assert (rc, document) == (1, None) and "nothing is known" in err
