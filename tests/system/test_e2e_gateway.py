# SPDX-License-Identifier: Apache-2.0
"""
A virtual gateway (QEMU, OVMF, swtpm, the real agent) against a real server: what its boots and what an attacker makes of it end in.
`make check` runs the first test, `make e2e` all.
"""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from e2e_support import Gateway, Server, SystemdGateway, full, needed, until
from support import ROOT

QUARANTINED = ("contraindicated", "quarantined")
TRUSTED = ("affirming", "trusted")


@pytest.fixture
def fleet(tmp_path):
    """Makes servers and gateways that end with the test."""
    needed()
    tmp_path.chmod(0o711)
    with contextlib.ExitStack() as stack:
        def make(requires="platform, boot", kind=Gateway, **gateway):
            one = Server(tmp_path / "server", requires)
            device = kind(one, **gateway)
            stack.callback(device.remove)
            one.trust(*Gateway.roots())
            stack.enter_context(one)
            return one, device
        yield make


def is_now(status):
    return status["chain"], status["state"]


def why(server, device):
    """The sentences of `device explain`."""
    return server.operator("device", "explain", device, code=1)


def good_boot(server, gateway):
    """Enrols, captures the baseline from that boot, and is trusted. Returns the device's identity. The guest is off afterwards."""
    with gateway.power():
        gateway.start()
        device = gateway.attested()["device"]
        server.approve_baseline(device)
        gateway.becomes(*TRUSTED)
        gateway.off()
    return device


def test_good_boot_then_a_lie_then_mended(fleet):
    """The story of make run: trusted; another kernel command line: quarantined; from the other slot: released, with nobody there."""
    server, gateway = fleet()
    device = good_boot(server, gateway)
    with gateway.power("cmdline"):
        gateway.start()
        until(lambda: server.device()["state"] == "quarantined", what=gateway.console, every=1)
        text = why(server, device)
        assert "init=/bin/sh" in text or ".cmdline" in text, text
        gateway.ended()
        assert "=== MEND" in gateway.console()
    with gateway.power("cmdline") as (_, _, _, slot):
        assert slot == "B"
        gateway.start()
        until(lambda: server.device()["state"] == "trusted", what=gateway.console, every=1)
        # The server knows first: the status of the guest may still be that of the answer before the new certificate.
        gateway.becomes(*TRUSTED)
        gateway.off()


@full
@pytest.mark.parametrize(("variant", "names"), [
    ("cmdline", ["PCR 11", ".cmdline"]),
    ("initrd", ["PCR 11", ".initrd"]),
    ("attacker", ["Somebody else"]),
    ("secure-boot-off", ["Secure Boot is off"]),
])  # fmt: skip
def test_a_boot_that_is_not_the_good_one(fleet, variant, names):
    server, gateway = fleet()
    device = good_boot(server, gateway)
    with gateway.power(variant):
        gateway.start("keep-slot")
        now = gateway.attested()
        assert is_now(now) == QUARANTINED, now
        text = why(server, device)
        for name in names:
            assert name in text, text
        gateway.off()


@full
def test_a_slot_that_the_firmware_refuses(fleet):
    """Slot A is not signed; the firmware starts slot B, whose boot is good. Its log has one attempt more, which is worth a look."""
    server, gateway = fleet()
    good_boot(server, gateway)
    with gateway.power("refused") as (_, _, _, slot):
        assert slot == "B" and "Access Denied" in gateway.console()
        gateway.start("keep-slot")
        now = gateway.attested()
        assert now["chain"] in ("affirming", "warning") and now["state"] == "trusted", now
        gateway.off()


@full
def test_a_file_that_was_executed_at_run_time(fleet):
    server, gateway = fleet(requires="platform, boot, os")
    with gateway.power():
        gateway.start("keep-slot")
        device = gateway.attested()["device"]
        server.approve_baseline(device)
        gateway.becomes(*TRUSTED)
        gateway.run("mkdir /root/dropped; cp /bin/busybox /root/dropped/; echo >>/root/dropped/busybox; /root/dropped/busybox true")
        gateway.becomes(*QUARANTINED)
        assert "/root/dropped/busybox" in why(server, device)
        gateway.off()


@full
def test_a_log_that_was_cut(fleet):
    """The agent is made to send a log without its last events; the registers know of them."""
    server, gateway = fleet(agent="eventlog: /tmp/log\n")
    with gateway.power():
        gateway.run("cp /sys/kernel/security/tpm0/binary_bios_measurements /tmp/log")
        gateway.start("keep-slot")
        device = gateway.attested()["device"]
        server.approve_baseline(device)
        gateway.becomes(*TRUSTED)
        gateway.run("head -c 4000 /sys/kernel/security/tpm0/binary_bios_measurements >/tmp/log")
        gateway.becomes(*QUARANTINED)
        assert "log" in why(server, device)
        gateway.off()


@full
def test_the_agents_state_on_another_tpm(fleet):
    """Everything that is on the disk of one gateway does not make another one of it: the keys are of its TPM."""
    server, gateway = fleet()
    device = good_boot(server, gateway)
    before = server.device()
    clone = Gateway(server, unit=2)
    try:
        shutil.copy(gateway.device / "data.img", clone.device / "data.img")
        with clone.power():
            clone.start()
            now = until(lambda: (s := clone.status()).get("problem") and s, what=clone.console)
            assert "TPM" in now["problem"] or "key" in now["problem"], now
            clone.off()
    finally:
        clone.remove()
    after = server.device()
    assert after["device"] == device and after.get("evidence") == before.get("evidence")


@full
def test_a_clock_that_starts_in_1970(fleet):
    """A device without a clock enrols, and is judged like any other: the server's certificate is not too young for it."""
    server, gateway = fleet()
    with gateway.power():
        gateway.run("date -s @60")
        gateway.start("keep-slot keep-clock")
        server.approve_baseline(gateway.attested()["device"])
        gateway.becomes(*TRUSTED)
        assert gateway.run("date -u +%Y").strip() == "1970"
        gateway.off()


@full
def test_systemd(fleet):
    """
    The agent under its own unit. systemd measures its phases into PCR 11 and into no log: before a boot of the class was approved nothing
    explains them, afterwards that boot and the next one are good.
    """
    server, gateway = fleet(kind=SystemdGateway)
    with gateway.power():
        phases = gateway.journal("systemd-pcrphase*")
        assert "ready" in phases, phases
        gateway.start()
        now = gateway.attested()
        assert is_now(now) == QUARANTINED, now
        server.approve_baseline(now["device"])
        gateway.becomes(*TRUSTED)
        text = server.operator("device", "show", now["device"])
        assert "affirming" in text, text
        assert gateway.show("chainhold-agent", "ActiveState") == "active"
        assert gateway.processes("chainhold-agent") == {name: (f"chainhold-{name}", 0) for name in ("agent-tpm", "agent-net", "agent-collect")}
        gateway.run("systemctl restart chainhold-agent")
        gateway.becomes(*TRUSTED)
        gateway.off()
    with gateway.power():
        gateway.start()
        now = gateway.attested()
        assert is_now(now) == TRUSTED, now
        # A word that systemd has not: whoever measures it makes himself known.
        gateway.run("systemctl stop chainhold-agent")
        gateway.run("/lib/systemd/systemd-pcrphase somebody")
        gateway.run("systemctl start chainhold-agent")
        gateway.becomes(*QUARANTINED)
        assert "The log is cut or is not that of this boot" in why(server, now["device"])
        gateway.off()


@full
def test_the_server_under_its_unit(fleet):
    """systemd starts it, is told when it is ready, starts it again when it was killed, and ends it in order."""
    _, gateway = fleet(kind=SystemdGateway)
    command = "CHAINHOLD_CONFIG=/etc/chainhold/chainhold.yaml chainhold"
    with gateway.power():
        gateway.run("hwclock -s -u")
        gateway.run("chainhold init /etc/chainhold --name 127.0.0.1 --listen 127.0.0.1")
        gateway.run("systemctl start chainholdd")
        assert gateway.show("chainholdd", "ActiveState") == "active", gateway.journal("chainholdd")
        status = gateway.run(f"{command} status")
        main = gateway.show("chainholdd", "MainPID")
        roles = ("edge", "verify", "keeper", "reader", "signer")
        assert gateway.processes("chainholdd") == {role: (f"_chainhold-{role}", 0) for role in roles}
        assert all(role in status for role in roles), status
        gateway.run("systemctl reload chainholdd")
        gateway.run(f"kill -9 {main}")
        until(lambda: gateway.show("chainholdd", "ActiveState") == "active" and gateway.show("chainholdd", "MainPID") not in ("0", main),
              what=lambda: gateway.journal("chainholdd"))
        gateway.run(f"{command} status")
        gateway.run("systemctl stop chainholdd")
        assert gateway.show("chainholdd", "Result") == "success", gateway.journal("chainholdd")
        assert "chainhold" not in gateway.run("cat /proc/[0-9]*/comm 2>/dev/null || true")
        gateway.off()


@full
def test_nothing_is_left_running(fleet):
    server, gateway = fleet()
    with gateway.power():
        gateway.start("keep-slot")
    listed = subprocess.run(["pgrep", "-af", str(gateway.device)], capture_output=True, text=True, check=False).stdout
    assert not listed, listed


@full
@pytest.mark.parametrize("moment", ["2. A gateway is switched on", "Ctrl-C ends both"])
def test_ctrl_c_ends_make_run(moment):
    """While the gateway boots, and when everything stays up: no process and no file is left."""
    needed()
    before = set(Path("/tmp").glob("chainhold-run.*"))
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever started the tests may have it ignored, and a shell cannot trap it then
        os.execv(ROOT / "tools" / "demo.sh", ["demo.sh"])
    text = ""
    while moment not in text:
        text += os.read(terminal, 4096).decode(errors="replace")
    made = set(Path("/tmp").glob("chainhold-run.*")) - before
    assert made, text

    def running(what):
        return subprocess.run(["pgrep", "-af", f"{what}.*({'|'.join(map(str, made))})"], capture_output=True, text=True, check=False).stdout
    until(lambda: running("machine.sh"), what=text)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while more := os.read(terminal, 4096):
            text += more.decode(errors="replace")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130, text
    assert running("") == "" and not any(folder.exists() for folder in made), text
