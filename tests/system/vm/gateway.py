# SPDX-License-Identifier: Apache-2.0
"""A virtual gateway: QEMU (pure emulation) with OVMF, a software TPM, one disk, a console file and a command line from the host."""

import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
MACHINE = Path(__file__).resolve().parents[3] / "tools" / "vm" / "machine.sh"
HOST_FROM_GUEST = "10.0.2.2"


class Transfer:
    """One TCP connection of the guest on a free port of the loopback interface: sends `payload`, or stores what comes in `sink`."""

    def __init__(self, payload=None, sink=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, args=(payload, sink), daemon=True)
        self.thread.start()

    def _serve(self, payload, sink):
        peer, _ = self.listener.accept()
        with peer, self.listener:
            if payload is not None:
                peer.sendall(payload.read_bytes())
                return
            with open(sink, "wb") as file:
                while chunk := peer.recv(1 << 16):
                    file.write(chunk)

    def wait(self):
        self.thread.join(120)
        assert not self.thread.is_alive(), "the transfer did not end"


class Gateway:
    """Context manager; `unit` has serial, uuid and mac. `snapshot` leaves the disk file as it was; `memory` is in MiB."""

    def __init__(self, folder, unit, disk, variables, tpm, snapshot, memory=512):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.console = folder / "console.log"
        self.control = folder / "control.sock"
        self.tpm_socket = folder / "tpm.sock"
        for stale in (self.console, self.control, self.tpm_socket):
            stale.unlink(missing_ok=True)
        self.tpm = tpm
        self.qemu = self.swtpm = None
        self.seen = 0
        drive = f"if=none,id=disk,format=raw,cache=unsafe,file={disk}" + (",snapshot=on" if snapshot else "")
        smbios = f"type=1,manufacturer=Chainhold,product=virtual-gateway,serial={unit['serial']},uuid={unit['uuid']}"
        self.command = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35,smm=on", "-cpu", "max", "-m", str(memory), "-smp", "1",
            "-nodefaults", "-no-user-config", "-display", "none",
            "-global", "ICH9-LPC.disable_s3=1", "-global", "driver=cfi.pflash01,property=secure,value=on",
            "-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}", "-drive", f"if=pflash,format=raw,file={variables}",
            "-drive", drive, "-device", "virtio-blk-pci,drive=disk", "-smbios", smbios,
            "-netdev", "user,id=net", "-device", f"virtio-net-pci,netdev=net,mac={unit['mac']},romfile=", "-device", "virtio-rng-pci",
            "-chardev", f"socket,id=tpm,path={self.tpm_socket}", "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0",
            "-serial", f"file:{self.console}",
            "-chardev", f"socket,id=control,path={self.control},server=on,wait=off", "-serial", "chardev:control",
        ]  # fmt: skip

    def __enter__(self):
        with open(self.folder / "swtpm.log", "w") as log:
            arguments = ["--tpmstate", f"dir={self.tpm}", "--ctrl", f"type=unixio,path={self.tpm_socket}", "--flags", "startup-clear"]
            self.swtpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--terminate", *arguments], stdout=log, stderr=log)
        while not self.tpm_socket.exists():
            assert self.swtpm.poll() is None, "swtpm ended"
            time.sleep(0.02)
        with open(self.folder / "qemu.log", "w") as log:
            self.qemu = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        (self.folder / "on").touch()
        return self

    def __exit__(self, *_):
        for process in (self.qemu, self.swtpm):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(30)

    def ready(self, timeout=240):
        """Waits for the end of the boot that goes on and returns its line: release and slot."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            text = self.console.read_bytes().decode("latin-1") if self.console.exists() else ""
            at = text.find("=== GATE", self.seen)
            if at >= 0 and "\n" in text[at:]:
                self.seen = len(text)
                return text[at:].split("\n")[0].strip()
            assert self.qemu.poll() is None, f"QEMU ended: {self.folder}/qemu.log"
            time.sleep(0.1)
        raise TimeoutError(f"not ready: {self.console}")

    def run(self, line, status=0):
        """Runs one line of shell in the guest and returns what it printed; it must succeed."""
        done = subprocess.run([MACHINE, "run", self.folder, line], capture_output=True, check=False)
        output = done.stdout.decode("latin-1")
        assert done.returncode == status, f"'{line}' failed: {output}"
        return output

    def put(self, path, target):
        transfer = Transfer(payload=path)
        self.run(f"nc {HOST_FROM_GUEST} {transfer.port} >{target}")
        transfer.wait()

    def reboot(self):
        self.run("sync; (sleep 1; reboot -f) &")
        return self.ready()

    def power_off(self):
        """An orderly end, so that the kernel sends TPM2_Shutdown: else the TPM counts it as an attack on its keys."""
        self.run("sync; poweroff -f", status=125)
        self.qemu.wait(60)

    def capture(self, nonce, out, later=""):
        """Collects this boot's evidence over `nonce` in the folder `out`."""
        self.run(f"capture {nonce} '{later}'")
        archive = self.folder / "evidence.tar"
        transfer = Transfer(sink=archive)
        self.run(f"nc {HOST_FROM_GUEST} {transfer.port} </tmp/evidence.tar")
        transfer.wait()
        out.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    (out / Path(member.name).name).write_bytes(tar.extractfile(member).read())
