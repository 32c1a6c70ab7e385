# SPDX-License-Identifier: Apache-2.0
"""agent/apply/rauc.c against the real RAUC service (rauc_host.py)."""

import os
import signal
import subprocess

import pytest

import rauc_host
from rauc_host import COMPATIBLE, Rauc
from support import BIN

DRIVER = BIN.parent / "tests" / "rauc_driver"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="RAUC mounts bundles")


@pytest.fixture
def rauc(tmp_path):
    with Rauc(tmp_path / "rauc") as one:
        yield one


def drive(rauc, *args, code=0):
    done = subprocess.run([DRIVER, rauc.address, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_what_rauc_says_of_the_system(rauc):
    assert drive(rauc, "system") == [f"compatible {COMPATIBLE}", "boot-slot A", "operation idle"]
    assert sorted(line.split()[:4] for line in drive(rauc, "slots")) == [["boot.0", "A", "booted", "good"], ["boot.1", "B", "inactive", "good"]]


def test_an_update_is_installed_booted_and_kept(rauc):
    image = os.urandom(3 << 20)
    said = drive(rauc, "install", rauc.bundle("good", image), COMPATIBLE)
    assert said[0] == "reading" and "writing" in said and said[-1] == "done"
    assert any(line.startswith("80 ") for line in said)
    assert rauc.slot("B").startswith(image) and rauc.slot("A") == bytes(rauc_host.SLOT)
    assert any(line.split()[1] == "B" and line.endswith("2.0.0") for line in drive(rauc, "slots"))
    rauc.reboot()
    assert "boot-slot B" in drive(rauc, "system") and rauc.state("B") == "bad"
    drive(rauc, "good")
    assert rauc.state("B") == "good"


def test_a_bundle_of_a_stranger_is_refused_with_what_rauc_says(rauc, tmp_path):
    path = rauc.bundle("foreign", b"x" * 4096, signer=rauc_host.authority(tmp_path, "stranger"))
    said = drive(rauc, "install", path, COMPATIBLE, code=1)
    assert said[-2] == "failed" and "signature verification failed" in said[-1]
    assert rauc.slot("B") == bytes(rauc_host.SLOT)


@pytest.mark.parametrize("at", [5000, -100])
def test_a_bundle_that_was_changed_is_refused(rauc, at):
    said = drive(rauc, "install", rauc.bundle("broken", os.urandom(65536), break_at=at), COMPATIBLE, code=1)
    assert said[-2] == "failed" and "signature verification failed" in said[-1]
    assert rauc.slot("B") == bytes(rauc_host.SLOT)


def test_a_bundle_for_another_system_is_refused_before_rauc_installs(rauc):
    path = rauc.bundle("other", b"x" * 4096, compatible="another-system")
    said = drive(rauc, "install", path, COMPATIBLE, code=1)
    assert "writing" not in said and said[-1] == f"error: the bundle is for 'another-system', not for '{COMPATIBLE}'"
    # and what the release says of it is no way around RAUC's own rule
    said = drive(rauc, "install", path, "another-system", code=1)
    assert "writing" in said and "Compatible mismatch" in said[-1]


def test_an_image_that_does_not_fit_fails_with_what_rauc_says(rauc):
    os.truncate(rauc.folder / "slot-B", 4096)
    loop = subprocess.run(["losetup", "--show", "-f", rauc.folder / "slot-B"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        conf = rauc.folder / "rauc.conf"
        conf.write_text(conf.read_text().replace(f"device={rauc.folder}/slot-B", f"device={loop}"))
        rauc.reboot()
        said = drive(rauc, "install", rauc.bundle("large", os.urandom(1 << 20)), COMPATIBLE, code=1)
        assert said[-2] == "failed" and "slot" in said[-1].lower()
    finally:
        rauc.stop()
        subprocess.run(["losetup", "-d", loop], check=True)


def begin(rauc, path):
    driver = subprocess.Popen([DRIVER, rauc.address, "install", path, COMPATIBLE], stdout=subprocess.PIPE, text=True)
    for line in driver.stdout:
        if line == "writing\n":
            return driver
    raise AssertionError("it did not begin")


def test_a_service_that_ends_in_between_is_no_refusal_and_it_can_be_done_again(rauc):
    image = os.urandom(7 << 20)
    path = rauc.bundle("good", image)
    # the boot loader is asked in the middle of an installation: there it stands still
    loader = rauc.folder / "loader"
    text = loader.read_text()
    loader.write_text(text.replace("import pathlib, sys", "import pathlib, sys, time\nif sys.argv[1] == 'set-state': time.sleep(3600)"))
    driver = begin(rauc, path)
    os.kill(rauc.service.pid, signal.SIGKILL)
    rest = driver.stdout.read()
    assert driver.wait() == 1 and "failed, lost\nerror: RAUC's service ended during the installation\n" in rest
    loader.write_text(text)
    rauc.reboot(boots=False)
    assert drive(rauc, "install", path, COMPATIBLE)[-1] == "done"
    assert rauc.slot("B").startswith(image)


def test_no_service_and_no_bus_are_said(rauc):
    rauc.stop()
    assert "RAUC does not answer: The name de.pengutronix.rauc was not provided" in drive(rauc, "system", code=1)[0]
    rauc.bus.terminate()
    rauc.bus.wait()
    assert drive(rauc, "system", code=1)[0].startswith(f"error: the bus at {rauc.address}: ")
