# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect swu: images of SWUpdate made by cpio and OpenSSL, and what Debian's swupdate says of the same files."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import jsonschema
import pytest

import swupdate_client
from pe_made import authenticode, mark, pe
from server_support import openssl
from support import ROOT, run
from test_bundle import UKI, fat, release

SCHEMA = json.loads((ROOT / "docs/schema/inspect-swu.schema.json").read_text())
EXAMPLES = Path("/usr/share/doc/swupdate/examples/description")

pytestmark = pytest.mark.skipif(shutil.which("cpio") is None or shutil.which("swupdate") is None, reason="cpio or swupdate is not installed")


def inspect(*args):
    rc, out, err = run(["inspect", "swu", "--json", *args])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def archive(folder, names, form="crc"):
    done = subprocess.run(["cpio", "-o", "-H", form, "--quiet"], cwd=folder, input=("\n".join(names) + "\n").encode(), capture_output=True,
                          check=True)
    return done.stdout


def swu(folder, files, description=None, form="crc", signer=None):
    """A .swu with these files. The description names each with its hash, unless there is another."""
    folder.mkdir()
    entries = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        entries.append(f'{{ filename = "{name}"; device = "{folder}/target"; type = "raw"; sha256 = "{sha256(data)}"; }}')
    text = description or 'software = {\n version = "1.4.0";\n hardware-compatibility: [ "1.0" ];\n images: (%s);\n}\n' % ",\n".join(entries)
    (folder / "sw-description").write_text(text)
    names = ["sw-description"]
    if signer is not None:
        openssl("cms", "-sign", "-in", folder / "sw-description", "-out", folder / "sw-description.sig", "-signer", signer, "-inkey",
                signer.with_suffix(".key"), "-outform", "DER", "-nosmimecap", "-binary")
        names.append("sw-description.sig")
    path = folder / "made.swu"
    path.write_bytes(archive(folder, [*names, *files], form))
    return path


def installs(path, signer):
    """Whether the real swupdate takes it; what it installs to is a plain file."""
    (path.parent / "swupdate.cfg").write_text(f'globals : {{ public-key-file = "{signer}"; }};\n')
    (path.parent / "target").write_bytes(b"")
    # Its sockets have fixed names in the folder for temporary files, which it empties: another swupdate on this machine would answer.
    own = path.parent / "tmp"
    own.mkdir(exist_ok=True)
    # A process of its own may outlive it, at work for ever: all that it started ends here. Its exit status is no word of the installation: it is 1
    # after some that went well, if another of its processes was seen to end first.
    log = path.parent / "log"
    with log.open("wb") as out:
        one = subprocess.Popen(["swupdate", "-v", "-f", path.parent / "swupdate.cfg", "-k", signer, "-H", "gw:1.0", "-i", path],
                               stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env={**os.environ, "TMPDIR": str(own)})
        code = one.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(one.pid, signal.SIGKILL)
    done = b"SWUPDATE successful !" in log.read_bytes()
    assert done or code != 0, log.read_text()
    return done


@pytest.mark.parametrize("form", ["newc", "crc"])
def test_measurements_of_an_image(tmp_path, form):
    image = fat(tmp_path, 16)
    path = swu(tmp_path / "a", {"slot.img": image.read_bytes(), "root.img": b"root" * 999}, form=form)
    rc, report, err = inspect(path)
    assert rc == 0, err
    assert (report["cpio"], report["version"], report["signature"], report["unnamed_files"]) == (form, "1.4.0", "none", 0)
    slot, root = report["images"]
    assert (slot["holds"], slot["sha256"], slot["sha256_in_description"]) == ("FAT volume with EFI binaries", sha256(image.read_bytes()), True)
    assert root["holds"].startswith("neither")
    events = {e["what"]: (e["pcr"], e["required"], e["digests"]["sha256"]) for e in report["measurements"]}
    assert events["EFI/BOOT/BOOTX64.EFI: EFI image (UKI)"] == (4, True, authenticode(UKI))
    rc, document, err = release(tmp_path, path)
    assert rc == 0, err
    assert document["artifacts"][0]["kind"] == "swu" and document["reference"]["events"] == report["measurements"]
    rc, out, _ = run(["inspect", "swu", path])
    assert rc == 0 and "EFI/BOOT/BOOTX64.EFI: EFI image (UKI)" in out


def test_efi_binaries_themselves(tmp_path):
    other = pe([mark(), (".linux", pe([(".text", b"other")])), (".initrd", b"i")])
    rc, report, _ = inspect(swu(tmp_path / "one", {"gateway.efi": UKI}))
    assert rc == 0 and report["measurements"][0]["required"] and report["images"][0]["holds"] == "EFI binary"
    rc, report, _ = inspect(swu(tmp_path / "two", {"a.efi": UKI, "b.efi": other}))
    assert rc == 0 and not any(e["required"] for e in report["measurements"])
    path = swu(tmp_path / "none", {"a.bin": b"x"})
    rc, document, err = release(tmp_path, path)
    assert (rc, document) == (1, None) and "nothing is known" in err
    assert release(tmp_path, path, "--without-measurements")[0] == 0


def test_a_compressed_image(tmp_path):
    """gzip is looked into; what is installed by the real swupdate is what was measured."""
    good, image = swupdate_client.signer(tmp_path), fat(tmp_path, 16).read_bytes()
    packed = gzip.compress(image)
    text = ('software = { version = "1.4.0"; hardware-compatibility: [ "1.0" ]; images: ({ filename = "slot.gz"; type = "raw"; compressed = %s; '
            'device = "%s"; sha256 = "%s"; }); };\n')
    for number, word in enumerate(("true", '"zlib"')):
        folder = tmp_path / f"{number}"
        path = swu(folder, {"slot.gz": packed}, text % (word, folder / "target", sha256(packed)), signer=good)
        rc, report, err = inspect("--ca", good, path)
        assert rc == 0 and report["images"][0]["compressed"] and report["notes"] == [], err
        assert any(e["what"] == "EFI/BOOT/BOOTX64.EFI: EFI image (UKI)" and e["required"] for e in report["measurements"])
        assert installs(path, good) and (folder / "target").read_bytes() == image
    for number, (data, rule) in enumerate([(packed[:-9], "zlib refuses"), (packed + b"x", "zlib refuses"), (image, "zlib refuses")]):
        path = swu(tmp_path / f"bad{number}", {"slot.gz": data}, text % ("true", "x", sha256(data)))
        rc, report, err = inspect(path)
        assert (rc, report) == (1, None) and rule in err
    for word, holds in (('"zstd"', "compressed: not looked into"), ('true; encrypted = true', "encrypted: not looked into")):
        report = inspect(swu(tmp_path / holds[:4], {"slot.gz": packed}, text % (word, "x", sha256(packed))))[1]
        assert (report["images"][0]["holds"], report["measurements"]) == (holds, []) and report["notes"]


def test_its_signature(tmp_path):
    good, stranger = swupdate_client.signer(tmp_path), swupdate_client.signer(tmp_path, "stranger")
    path = swu(tmp_path / "a", {"gateway.efi": UKI}, signer=good)
    assert inspect(path)[1]["signature"] == "not verified"
    rc, report, err = inspect("--ca", good, path)
    assert (rc, report["signature"], report["signer"]) == (0, "verified", "/CN=signer"), err
    assert installs(path, good)
    rc, report, err = inspect("--ca", stranger, path)
    assert (rc, report) == (1, None) and "signer that is trusted" in err and not installs(path, stranger)
    assert inspect("--ca", path, path)[0] == 1  # no certificate in it
    rc, report, err = inspect("--ca", good, swu(tmp_path / "b", {"gateway.efi": UKI}))
    assert (rc, report) == (1, None) and "no signature" in err
    # a description of another image under the first one's signature
    (tmp_path / "b" / "sw-description.sig").write_bytes((tmp_path / "a" / "sw-description.sig").read_bytes())
    path = tmp_path / "b" / "made.swu"
    path.write_bytes(archive(tmp_path / "b", ["sw-description", "sw-description.sig", "gateway.efi"]))
    assert inspect("--ca", good, path)[0] == 1 and not installs(path, good)
    # a certificate that is not for signing
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.pem", "-subj", "/CN=tls",
            "-addext", "extendedKeyUsage=serverAuth")
    path = swu(tmp_path / "c", {"gateway.efi": UKI}, signer=tmp_path / "tls.pem")
    assert inspect("--ca", tmp_path / "tls.pem", path)[0] == 1 and not installs(path, tmp_path / "tls.pem")


def test_flips_and_cuts(tmp_path):
    good = swupdate_client.signer(tmp_path)
    path = swu(tmp_path / "a", {"gateway.efi": UKI}, signer=good)
    whole = path.read_bytes()
    for n in [*range(0, 600, 23), *range(600, len(whole) - 512, len(whole) // 40)]:
        path.write_bytes(whole[:n])
        assert inspect("--ca", good, path)[:2] == (1, None), n
    efi = whole.index(UKI)
    for n in [*range(110, 400, 29), efi, efi + len(UKI) // 2, efi + len(UKI) - 1]:
        path.write_bytes(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1:])
        rc, report, _ = inspect("--ca", good, path)
        assert (rc, report) in ((1, None), (3, None)) and not installs(path, good), n


ONE = 'software = { version = "1"; %s }\n'
IMAGE = '{ filename = "a"; %s }'


@pytest.mark.parametrize("text, rc, rule", [
    (ONE % f'images: ({IMAGE % ""});', 0, ""),
    (ONE % f'board: {{ stable: {{ copy1: {{ files: ({IMAGE % ""}); scripts: ({IMAGE % ""}); }}; }}; }};', 0, ""),
    (ONE % f'images: ({IMAGE % "compressed = $xz$;"}, {IMAGE % "compressed = $zlib$; encrypted = true;"});'.replace("$", '"'), 0, ""),
    (ONE % 'images: ({ filename = "../a"; });', 1, "entry 0: a file that the description names is not there"),
    (ONE % 'images: ({ filename = "/etc/passwd"; });', 1, "is not there"),
    (ONE % 'images: ({ filename = "sw-description"; });', 1, "is not there"),
    (ONE % f'images: ({IMAGE % f"sha256 = ${chr(48) * 64}$;"});'.replace("$", '"'), 1, "entry 0: a file is not the one"),
    (ONE % f'images: ({IMAGE % "sha256 = $12$;"});'.replace("$", '"'), 1, "64 hexadecimal"),
    (ONE % f'images: ({IMAGE % ("type = $" + "t" * 300 + "$;")});'.replace("$", '"'), 1, "too long"),
    ('@include "/etc/passwd"\n' + ONE % "", 3, "includes another file"),
    ("# @include\n" + ONE % "", 3, "includes another file"),
    ('{"software": {"version": "1"}}\n', 1, "JSON is not supported"),
    ("software = 1;\n", 1, "no group"),
    ("hardware = { };\n", 1, "no group"),
    ("software = {\n", 1, "cannot read it"),
    ("software = { " + "a: { " * 9 + "b = 1;" + " };" * 9 + " };\n", 1, "more than 8 others"),
    ("software = { " + "a: { " * 5000, 1, "cannot read it"),
    (ONE % ("images: (" + ",".join([IMAGE % ""] * 129) + ");"), 1, "more entries than"),
])
def test_descriptions(tmp_path, text, rc, rule):
    got, report, err = inspect(swu(tmp_path / "a", {"a": b"image"}, description=text))
    assert got == rc and rule in err and (report is not None) == (rc == 0), err


def test_entries_of_all_boards_and_modes(tmp_path):
    text = ONE % f'board: {{ stable: {{ copy1: {{ images: ({IMAGE % ""}); }}; copy2: {{ files: ({IMAGE % ""}); }}; }}; }};'
    report = inspect(swu(tmp_path / "a", {"a": b"image", "more": b"x"}, description=text))[1]
    assert [i["list"] for i in report["images"]] == ["images", "files"] and report["unnamed_files"] == 1
    assert not report["images"][0]["sha256_in_description"]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="no examples of Debian's swupdate")
def test_debians_own_examples(tmp_path):
    """Descriptions in libconfig's syntax that come with swupdate: every file that they name is found."""
    seen = 0
    for number, path in enumerate(sorted(EXAMPLES.iterdir())):
        text = path.read_text()
        if text.lstrip().startswith("{"):
            continue
        names = dict.fromkeys(n for line in text.splitlines() if not line.strip().startswith("#") for n in re.findall(r'filename\s*=\s*"([^"]+)"', line))
        rc, report, err = inspect(swu(tmp_path / f"{number}", dict.fromkeys(names, b"x"), description=text))
        assert rc == 0, (path, err)
        assert {i["filename"] for i in report["images"]} <= set(names) and report["images"], path
        seen += 1
    assert seen >= 2


def entry(name, data, magic=b"070701", mode=0o100644, sum_=0, size=None):
    fields = [1, mode, 0, 0, 1, 0, len(data) if size is None else size, 0, 0, 0, 0, len(name) + 1, sum_]
    head = magic + b"".join(b"%08X" % f for f in fields) + name + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


END = entry(b"TRAILER!!!", b"")
TEXT = b'software = { version = "1"; images: ({ filename = "a"; }); };\n'
FIRST = entry(b"sw-description", TEXT)


@pytest.mark.parametrize("raw, rc, rule", [
    (FIRST + entry(b"a", b"x") + END, 0, ""),
    (FIRST + entry(b"a", b"x") + END + bytes(512), 0, ""),
    (FIRST + entry(b"a", b"x") + END + b"\0x", 1, "behind the end"),
    (FIRST + entry(b"a", b"x"), 1, "no header"),
    (entry(b"a", b"x") + FIRST + END, 1, "first file is sw-description"),
    (END, 1, "no sw-description"),
    (FIRST + FIRST + END, 1, "twice"),
    (FIRST + entry(b"a", b"x") * 2 + END, 1, "twice"),
    (FIRST + entry(b"a", b"x") + entry(b"sw-description.sig", b"s") + END, 1, "second file"),
    (FIRST + entry(b"../a", b"x") + END, 1, "path"),
    (FIRST + entry(b"/a", b"x") + END, 1, "path"),
    (FIRST + entry(b"..", b"x") + END, 1, "path"),
    (FIRST + entry(b"a\nb", b"x") + END, 1, "control"),
    (FIRST + entry(b"a", b"/etc/passwd", mode=0o120777) + END, 3, "no regular file"),
    (FIRST + entry(b"a", b"", mode=0o40755) + END, 3, "no regular file"),
    (FIRST + entry(b"a", b"x", sum_=1) + END, 1, "sum"),
    (FIRST + entry(b"a", b"x", magic=b"070702", sum_=0x78) + END, 1, "two forms"),
    (FIRST + entry(b"a", b"x", size=0xffffffff) + END, 1, "cut off"),
    (FIRST + entry(b"a", b"x", magic=b"070707") + END, 1, "no header"),
    (FIRST + entry(b"a" * 129, b"x") + END, 1, "a name of 1 to 128"),
    (FIRST + b"".join(entry(b"%d" % i, b"x") for i in range(129)) + END, 1, "more files"),
    (b"", 1, "no header"),
])
def test_archives(tmp_path, raw, rc, rule):
    (tmp_path / "x.swu").write_bytes(raw)
    got, report, err = inspect(tmp_path / "x.swu")
    assert got == rc and rule in err and (report is not None) == (rc == 0), err
