# SPDX-License-Identifier: Apache-2.0
"""Records the captures of tests/fixtures whose names begin with class-: `capture.py OUT [step...]`, after tools/vm/build.sh."""

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import varstore
from gateway import Gateway
from verify import verify

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / "tools" / "vm"
WORK = Path(os.environ.get("CHAINHOLD_VM_WORK", ROOT / "build" / "vm"))
EMPTY_STORE = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
SLOT_SECTORS = 48 * 2048
LOADER = "\\EFI\\BOOT\\BOOTX64.EFI"
REVOKED = [hashlib.sha256(f"revoked image {number}".encode()).digest() for number in (1, 2)]

UNITS = {
    "unit1": {
        "serial": "CHGW-000001", "uuid": "5b0d2c1e-8f64-4a0b-9a39-3c1f6f0e0001", "mac": "52:54:00:c4:a1:01",
        "disk": "7a1f0c52-3d0e-4b7c-8f6a-c0ffee010000", "slots": ["7a1f0c52-3d0e-4b7c-8f6a-c0ffee010001", "7a1f0c52-3d0e-4b7c-8f6a-c0ffee010002"],
        "data": "7a1f0c52-3d0e-4b7c-8f6a-c0ffee010003", "order": [1, 2],
    },
    "unit2": {
        "serial": "CHGW-000002", "uuid": "e41c97d3-02ab-4f5d-b7c8-91d2a6b40002", "mac": "52:54:00:5e:b0:02",
        "disk": "c93be614-71d8-4e25-a1d4-0dd5ea020000", "slots": ["c93be614-71d8-4e25-a1d4-0dd5ea020001", "c93be614-71d8-4e25-a1d4-0dd5ea020002"],
        "data": "c93be614-71d8-4e25-a1d4-0dd5ea020003", "order": [2, 1],
    },
}  # fmt: skip


def say(text):
    print(text, flush=True)


def tool(name, *arguments):
    subprocess.run([TOOLS / name, *map(str, arguments)], check=True)


def make_unit(name):
    """A new device: TPM, disk with release 1 in both slots."""
    unit = UNITS[name]
    image = WORK / "gateway-1.0.0.efi"
    tool("tpm.sh", WORK / name / "tpm", unit["serial"])
    tool("disk.sh", WORK / name / "disk.img", image, image, unit["disk"], *unit["slots"], unit["data"])


def make_variables(name, out, revoked, sectors=SLOT_SECTORS, slots=2):
    """A new device's variable store: its keys, the boot entries of its slots, and the first `revoked` digests in dbx."""
    unit = UNITS[name]
    entries = {
        1 + slot: varstore.load_option("AB"[slot], 1 + slot, 2048 + slot * sectors, sectors, guid, LOADER)
        for slot, guid in enumerate(unit["slots"][:slots])
    }
    order = [number for number in unit["order"] if number in entries]
    varstore.write(EMPTY_STORE, out, varstore.device(WORK / "keys", entries, order, REVOKED[:revoked]))


def start(name, variables, snapshot, disk="disk.img", memory=512):
    folder = WORK / name
    return Gateway(folder, UNITS[name], folder / disk, variables, folder / "tpm", snapshot, memory)


def record(gateway, out, name, phases=()):
    """One capture over a nonce of its own. The later command makes the final IMA list longer than what was quoted."""
    shutil.rmtree(out / name, ignore_errors=True)
    gateway.capture(secrets.token_hex(32), out / name, later="dbus-send --version")
    say(f"{name} {verify(out / name, phases)}")


def first_boot(name, capture, out):
    make_unit(name)
    variables = WORK / name / "variables.fd"
    make_variables(name, variables, revoked=1)
    with start(name, variables, snapshot=False) as gateway:
        say(gateway.ready())
        record(gateway, out, capture)
        gateway.power_off()


def step_unit1(out):
    first_boot("unit1", "class-unit1", out)


def step_unit2(out):
    first_boot("unit2", "class-unit2", out)


def step_dbx(out):
    """Unit 1 with one more digest in dbx; the disk stays as it is."""
    variables = WORK / "unit1" / "variables-dbx.fd"
    make_variables("unit1", variables, revoked=2)
    with start("unit1", variables, snapshot=True) as gateway:
        say(gateway.ready())
        record(gateway, out, "class-unit1-dbx")
        gateway.power_off()


def step_update(out):
    """Unit 1 is updated by RAUC to release 2 in slot B: the trial boot before it is marked good, and the next boot after that."""
    variables = WORK / "unit1" / "variables.fd"
    with start("unit1", variables, snapshot=False) as gateway:
        say(gateway.ready())
        say(gateway.run("rauc status mark-good 2>&1"))
        gateway.put(WORK / "gateway-2.0.0.raucb", "/tmp/update.raucb")
        say(gateway.run("rauc install /tmp/update.raucb 2>&1; efibootmgr"))
        say(gateway.reboot())
        record(gateway, out, "class-unit1-trial")
        say(gateway.run("rauc status mark-good 2>&1; efibootmgr"))
        say(gateway.reboot())
        record(gateway, out, "class-unit1-slotb")
        say(gateway.run("rauc status 2>&1; efibootmgr"))
        gateway.power_off()


def step_systemd(out):
    """Unit 1 with systemd, which measures its phases into PCR 11 and logs them nowhere."""
    unit = UNITS["unit1"]
    variables = WORK / "unit1" / "variables-systemd.fd"
    tool("systemd.sh", WORK / "unit1" / "disk-systemd.img", unit["disk"], *unit["slots"])
    make_variables("unit1", variables, revoked=1, sectors=96 * 2048, slots=1)
    with start("unit1", variables, snapshot=True, disk="disk-systemd.img", memory=1024) as gateway:
        say(gateway.ready(600))
        record(gateway, out, "class-unit1-systemd", phases=["enter-initrd", "leave-initrd", "sysinit", "ready"])
        gateway.power_off()


STEPS = {"unit1": step_unit1, "dbx": step_dbx, "update": step_update, "unit2": step_unit2, "systemd": step_systemd}


def main(arguments):
    if not arguments or set(arguments[1:]) - set(STEPS):
        sys.exit(f"usage: capture.py OUT [{'|'.join(STEPS)}]...")
    for step in arguments[1:] or STEPS:
        STEPS[step](Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
