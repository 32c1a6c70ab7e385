# SPDX-License-Identifier: Apache-2.0
"""
The real `rauc service` on this machine, for tests: a private D-Bus, two files as raw slots, a boot loader that is a file (RAUC's
`custom` backend), bundles in the plain format (this kernel has no device mapper) signed by a CA that was made here.
"""

import os
import shutil
import subprocess
import time

import pytest

COMPATIBLE = "chainhold-test-gateway"
SLOT = 8 << 20

BUS = """<busconfig>
<type>system</type><listen>{address}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy>
</busconfig>
"""

CONFIG = """[system]
compatible={compatible}
bootloader=custom
mountprefix={folder}/mount
statusfile={folder}/rauc.status
bundle-formats=plain

[handlers]
bootloader-custom-backend={folder}/loader

[keyring]
path={folder}/ca.pem

[slot.boot.0]
device={folder}/slot-A
type=raw
bootname=A

[slot.boot.1]
device={folder}/slot-B
type=raw
bootname=B
"""

# What a boot loader keeps: which slot is first, and whether a slot is good. A trial boot is a primary that is not good yet.
LOADER = """#!{python}
import pathlib, sys
verb, *rest = sys.argv[1:]
at = pathlib.Path({folder!r}) / ("primary" if verb.endswith("primary") else "state-" + rest[0])
if verb.startswith("get"):
    print(at.read_text())
else:
    at.write_text(rest[-1])
"""


def needed():
    for program in ("rauc", "dbus-daemon", "mksquashfs"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def authority(folder, name):
    """A CA that signs bundles itself: (certificate, key)."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    certificate, "-subj", f"/CN={name}", "-days", "30"], check=True, capture_output=True)
    return certificate, key


class Rauc:
    """`with`: the bus and the service run. `boot` is the slot that the machine runs from."""

    def __init__(self, folder):
        needed()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.boot, self.service, self.bus = folder, "A", None, None
        self.address = f"unix:path={folder}/bus"
        self.signer = authority(folder, "ca")
        (folder / "bus.conf").write_text(BUS.format(address=self.address))
        (folder / "rauc.conf").write_text(CONFIG.format(folder=folder, compatible=COMPATIBLE))
        (folder / "loader").write_text(LOADER.format(python="/usr/bin/python3", folder=str(folder)))
        (folder / "loader").chmod(0o755)
        for slot in "AB":
            (folder / f"slot-{slot}").write_bytes(bytes(SLOT))
            (folder / f"state-{slot}").write_text("good")
        (folder / "primary").write_text("A")

    def __enter__(self):
        with open(self.folder / "bus.log", "ab") as log:
            self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nopidfile"], stdout=log, stderr=log)
        while not (self.folder / "bus").exists():
            assert self.bus.poll() is None, (self.folder / "bus.log").read_text()
            time.sleep(0.01)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.bus.terminate()
        self.bus.wait()
        (self.folder / "bus").unlink(missing_ok=True)

    def start(self):
        """The service, as started after a boot from `boot`; until it answers."""
        with open(self.folder / "rauc.log", "ab") as log:
            self.service = subprocess.Popen(["rauc", "-c", self.folder / "rauc.conf", "service", f"--override-boot-slot={self.boot}"],
                                            stdout=log, stderr=log, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address})
        while self.status().returncode != 0:
            assert self.service.poll() is None, (self.folder / "rauc.log").read_text()
            time.sleep(0.02)

    def stop(self):
        if self.service is not None and self.service.poll() is None:
            self.service.kill()
            self.service.wait()
        if os.path.ismount(self.folder / "mount" / "bundle"):  # a service that was killed leaves it
            subprocess.run(["umount", self.folder / "mount" / "bundle"], check=True)

    def reboot(self, boots=True):
        """The machine starts again: from the primary slot, or (`boots` false) from the one before, as boot loaders do after a trial that failed."""
        self.stop()
        self.boot = (self.folder / "primary").read_text() if boots else self.boot
        if not boots:
            (self.folder / "primary").write_text(self.boot)
        self.start()

    def status(self):
        return subprocess.run(["rauc", "-c", self.folder / "rauc.conf", "status"], capture_output=True, text=True, check=False,
                              env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address})

    def slot(self, name):
        return (self.folder / f"slot-{name}").read_bytes()

    def state(self, name):
        return (self.folder / f"state-{name}").read_text()

    def bundle(self, name, image, version="2.0.0", compatible=COMPATIBLE, signer=None, break_at=None):
        """A bundle whose one image is `image`: its path. `break_at`: a byte of it that is turned afterwards."""
        content, path = self.folder / f"content-{name}", self.folder / f"{name}.raucb"
        shutil.rmtree(content, ignore_errors=True)
        content.mkdir()
        (content / "boot.img").write_bytes(image)
        (content / "manifest.raucm").write_text(f"[update]\ncompatible={compatible}\nversion={version}\n[bundle]\nformat=plain\n"
                                                "[image.boot]\nfilename=boot.img\n")
        certificate, key = signer or self.signer
        path.unlink(missing_ok=True)
        subprocess.run(["rauc", "bundle", f"--cert={certificate}", f"--key={key}", content, path], check=True, capture_output=True)
        if break_at is not None:
            raw = bytearray(path.read_bytes())
            raw[break_at] ^= 1
            path.write_bytes(raw)
        return path
