# SPDX-License-Identifier: Apache-2.0
"""The command line of a virtual gateway: what its port loses is sent again, and no line is run twice."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from support import ROOT

MACHINE = ROOT / "tools" / "vm" / "machine.sh"
LINES = ROOT / "tools" / "vm" / "guest" / "lines"
SEED = int(os.environ.get("CHAINHOLD_SEED", str(random.randrange(1 << 30))))


class Port:
    """The guest's port as QEMU shows it: a socket for the host, the real guest/lines behind it, and between them a wire with losses."""

    def __init__(self, folder, loses):
        self.folder, self.loses, self.lost = folder, loses, 0
        (folder / "run").mkdir()
        (folder / "on").touch()
        ours, its = socket.socketpair()
        self.guest = subprocess.Popen(["sh", "-c", 'exec busybox sh "$@" 3<&0', "sh", LINES, folder / "run"],
                                      cwd=folder, stdin=its, start_new_session=True)  # fmt: skip
        self.wire = ours
        its.close()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "control.sock"))
        self.listener.listen()
        self.host = socket.socket(socket.AF_UNIX)
        threading.Thread(target=self.to_guest, daemon=True).start()
        threading.Thread(target=self.to_host, daemon=True).start()

    def pass_on(self, data, target):
        kept = bytes(b for b in data if not self.loses(b))
        self.lost += len(data) - len(kept)
        target.sendall(kept)

    def to_guest(self):
        while True:
            self.host = self.listener.accept()[0]
            with self.host, contextlib.suppress(OSError):
                while data := self.host.recv(64):
                    self.pass_on(data, self.wire)

    def to_host(self):
        while data := self.wire.recv(64):
            with contextlib.suppress(OSError):  # nobody listens: as with QEMU, it is gone
                self.pass_on(data, self.host)

    def run(self, line):
        done = subprocess.run([MACHINE, "run", self.folder, line], capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def off(self):
        """The guest is gone, whatever it was about to do."""
        if self.guest.poll() is None:
            os.killpg(self.guest.pid, signal.SIGKILL)
            self.guest.wait()
            self.wire.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                self.host.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def port(tmp_path):
    if any(shutil.which(program) is None for program in ("busybox", "socat")):
        pytest.skip("busybox and socat are not installed (tools/deps.sh vm)")
    made = []

    def make(loses=lambda _: False):
        made.append(Port(tmp_path, loses))
        return made[0]

    yield make
    for one in made:
        one.off()


def test_output_and_status_are_the_lines_own(port):
    guest = port()
    assert guest.run("echo one; echo '  two  '; printf three") == (0, b"one\n  two  \nthree", b"")
    assert guest.run("head -c 70000 /dev/zero; exit 7") == (7, bytes(70000), b"")
    assert guest.run("true ") == (0, b"", b"")
    assert guest.run("start ") == (127, b"sh: start: not found\n", b"")
    assert guest.run("true\nfalse")[0] == 2


def test_what_a_line_leaves_running_is_not_waited_for(port):
    guest = port()
    assert guest.run("{ sleep 2; echo late; } & echo soon") == (0, b"soon\n", b"")
    assert guest.run("sleep 3; echo next") == (0, b"next\n", b"")


def test_a_guest_that_goes_off_is_told(port):
    guest = port()
    threading.Timer(1, guest.off).start()
    assert guest.run("sleep 60")[0] == 125


@pytest.mark.parametrize(("name", "cut"), [("in the line", slice(40, 45)), ("its end", slice(-1, None)), ("its begin", slice(0, 12)),
                                           ("all of it", slice(0, None))])  # fmt: skip
def test_bytes_that_are_lost_once(port, name, cut):
    """The first line reaches the guest without some of its bytes, all others whole."""
    guest = port()
    whole, wire = guest.pass_on, guest.wire

    def once(data, target):
        if target is wire:
            guest.pass_on = whole
            frame = bytearray(data)
            del frame[cut]
            data = bytes(frame)
        whole(data, target)

    guest.pass_on = once
    assert guest.run("echo run >>runs; cat x || echo {}") == (0, b"cat: can't open 'x': No such file or directory\n{}\n", b""), name
    assert (guest.folder / "runs").read_text() == "run\n"


def test_a_port_that_loses_a_byte_in_two_hundred(port):
    """In both directions: each line is run once, and its answer is whole."""
    rng = random.Random(SEED)
    guest = port(lambda _: rng.randrange(200) == 0)
    for number in range(8):
        assert guest.run(f"echo {number} >>runs; echo answer {number}; exit {number}") == (number, f"answer {number}\n".encode(), b""), SEED
    assert (guest.folder / "runs").read_text() == "".join(f"{number}\n" for number in range(8)), SEED
    assert guest.lost > 0, SEED
