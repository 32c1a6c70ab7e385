# SPDX-License-Identifier: Apache-2.0
"""Commits of the real ostree, signed by keys of the real GnuPG, and a wire that can be cut."""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from pe_made import pe

REF = "gateway/x86_64/stable"
KERNEL = pe([(".text", b"kernel of the commit")])
INITRD = b"070701 an initramfs " * 5000


def tool(*args, check=True, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=check, **more)


class Keys:
    """A home of GnuPG in a path that is short enough for its socket."""

    def __init__(self):
        self.home = Path(tempfile.mkdtemp(prefix="pe", dir="/tmp"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tool("gpgconf", "--homedir", self.home, "--kill", "gpg-agent", check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def new(self, name):
        """(key id, file with the public key)"""
        gpg = ["gpg", "--homedir", self.home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
        tool(*gpg, "--quick-gen-key", name, "rsa2048", "sign", "never")
        listed = tool(*gpg, "--with-colons", "--list-keys", name).stdout
        key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        public = self.home / f"{name}.gpg"
        tool(*gpg, "--output", public, "--export", key)
        return key, public


def tree(folder, kernel=KERNEL, files=300):
    modules = folder / "usr/lib/modules/6.1.0"
    modules.mkdir(parents=True)
    (modules / "vmlinuz").write_bytes(kernel)
    (modules / "initramfs.img").write_bytes(INITRD)
    share = folder / "usr/share/d"
    share.mkdir(parents=True)
    for i in range(files):
        (share / f"file {i} — ä").write_bytes(hashlib.sha256(b"%d" % i).digest() * (i % 7))
    for i in range(16):
        (share / f"big{i}").write_bytes(os.urandom(256 << 10))
    (share / "link").symlink_to("/etc/passwd")
    (folder / "var").mkdir()  # an empty one has the shortest dirtree that there is
    return folder


def commit(repo, folder, *options, ref=REF):
    """The commit's name. The repository is made if it is not there."""
    if not repo.exists():
        tool("ostree", "init", f"--repo={repo}", "--mode=archive")
    return tool("ostree", f"--repo={repo}", "commit", "-b", ref, f"--tree=dir={folder}", "-s", "a subject \x1b[31m", *options).stdout.strip()


class Wire:
    """A TCP relay in front of a server, which cuts everything once `limit` bytes came from the server; None: never."""

    def __init__(self, port):
        self.target, self.limit, self.carried, self.open = port, None, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                if self.is_cut():
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                self.open += [client, server]
                threading.Thread(target=self.carry, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self.carry, args=(server, client, True), daemon=True).start()

    def is_cut(self):
        return self.limit is not None and self.carried >= self.limit

    def carry(self, source, to, counted):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.carried += len(data) if counted else 0
                if self.is_cut():
                    break
                to.sendall(data)
        for end in (source, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        """Bytes that were carried; from now on nothing is cut."""
        carried, self.limit, self.carried = self.carried, None, 0
        return carried

    def close(self):
        self.listener.close()
        for end in self.open:
            end.close()
