# SPDX-License-Identifier: Apache-2.0
"""
Updates on a virtual gateway with two slots (QEMU, OVMF with Secure Boot, swtpm, RAUC's own service in the guest): what comes up is kept, and
whatever does not come up ends in the slot that did before, with nobody at the device. A part of `make e2e`.
"""

import subprocess

import pytest

from e2e_support import VM, Gateway, full, needed

pytestmark = full


class Slots(Gateway):
    """A gateway of the variant `rauc`; its data disk holds bundles, and there is no server."""

    variant, data = "rauc", 192

    def fill(self, server, agent):
        for version, kind in server:
            subprocess.run([VM / "gateway.sh", "bundle", self.files / f"{kind}.raucb", version, kind], check=True, capture_output=True)

    def install(self, kind, code=0):
        return self.run(f"rauc install /data/{kind}.raucb 2>&1", code)

    def boot_order(self):
        return {name: value for name, _, value in (line.partition(": ") for line in self.run("efibootmgr").splitlines()) if name.startswith("Boot")}

    def again(self):
        """Starts again; its power is off then."""
        self.run("sync; umount /data; reboot -f", code=125)
        self.process.wait()

    def goes_off(self):
        """Switched on, it goes off before it stands at its gate."""
        with open(self.folder / "power.log", "ab") as log:
            assert subprocess.run([VM / "gateway.sh", "power", self.device, self.variant], stdout=log, stderr=log, check=False).returncode == 3

    def up(self):
        """RAUC's service answers."""
        self.start("keep-slot")
        self.run("until rauc status >/dev/null 2>&1; do sleep 0.2; done")


@pytest.fixture(scope="module")
def gateway():
    needed()
    one = Slots([("1.1.0", "good"), ("1.2.0", "stranger"), ("1.2.0", "unsigned"), ("1.2.0", "panic"), ("1.2.0", "hang")])
    yield one
    one.remove()


def test_an_update_that_comes_up_is_kept(gateway):
    with gateway.power() as (_, _, release, slot):
        assert (release, slot) == ("1.0.0", "A")
        gateway.up()
        assert "succeeded" in gateway.install("good")
        assert gateway.boot_order()["BootNext"] == "0002"
        gateway.again()
    with gateway.power() as (_, _, release, slot):
        assert (release, slot) == ("1.1.0", "B")
        gateway.up()
        assert gateway.boot_order()["BootOrder"].startswith("0001")
        gateway.run("rauc status mark-good")
        assert gateway.boot_order()["BootOrder"].startswith("0002,0001")
        # Somebody else's bundle changes nothing.
        assert "signature" in gateway.install("stranger", code=1)
        assert "BootNext" not in gateway.boot_order()
        gateway.off()


@pytest.mark.parametrize("kind, resets", [("unsigned", 0), ("panic", 1), ("hang", 1)])
def test_an_update_that_does_not_come_up_falls_back(gateway, kind, resets):
    with gateway.power():
        gateway.up()
        assert "succeeded" in gateway.install(kind)
        assert gateway.boot_order()["BootNext"] == "0001"
        gateway.again()
    for _ in range(resets):
        gateway.goes_off()
    with gateway.power() as (_, _, release, slot):
        assert (release, slot) == ("1.1.0", "B")
        gateway.up()
        # Nothing but an update leads to the slot that failed.
        assert gateway.boot_order()["BootOrder"].split(",")[0] == "0002"
        gateway.off()
