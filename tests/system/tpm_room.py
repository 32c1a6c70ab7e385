# SPDX-License-Identifier: Apache-2.0
"""
Room for objects in a TPM that has three slots: a proxy that keeps transient objects as saved contexts (TPM 2.0 Part 1, 30) and
loads those that a command names. tpm2-openssl has signatures of its peers verified by the TPM and needs more than three.
"""

import contextlib
import socket
import struct
import threading

CONTEXT_SAVE, CONTEXT_LOAD, FLUSH = 0x162, 0x161, 0x165
# Command codes (Part 2, 6.5.2) with their numbers of handles, where it is not one.
HANDLES = {0x167: 0, 0x186: 0, CONTEXT_LOAD: 0, FLUSH: 0, 0x17A: 0, 0x17B: 0, 0x17D: 0, 0x144: 0, 0x145: 0, 0x185: 2, 0x176: 2, 0x148: 2,
           0x17E: 0}  # fmt: skip
RETURNS_HANDLE = {0x131, 0x157, 0x167, 0x186, 0x15B, CONTEXT_LOAD}
TRANSIENT = 0x80


def receive(peer):
    """One command or answer: its header says how long it is."""
    data = b""
    while len(data) < 10 or len(data) < struct.unpack_from(">I", data, 2)[0]:
        piece = peer.recv(65536)
        if not piece:
            return None
        data += piece
    return data


class Room:
    """Listens on `path`; the TPM's own socket is `tpm`. A context."""

    def __init__(self, path, tpm):
        self.path, self.tpm, self.kept, self.next = path, tpm, {}, 0x80FFFF00

    def __enter__(self):
        self.path.unlink(missing_ok=True)
        control = self.path.with_name(self.path.name + ".ctrl")
        control.unlink(missing_ok=True)
        control.symlink_to(f"{self.tpm}.ctrl")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(30)
        self.listener.close()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            # Who goes away in the middle of a command leaves the room to the next.
            with peer, socket.socket(socket.AF_UNIX) as self.real, contextlib.suppress(ConnectionError):
                self.real.connect(str(self.tpm))
                while command := receive(peer):
                    peer.sendall(self.answer(command))

    def call(self, command):
        self.real.sendall(command)
        return receive(self.real)

    def load(self, virtual):
        answer = self.call(struct.pack(">HII", 0x8001, 10 + len(self.kept[virtual]), CONTEXT_LOAD) + self.kept[virtual])
        assert answer[6:10] == bytes(4), answer.hex()
        return answer[10:14]

    def save(self, handle):
        answer = self.call(struct.pack(">HII", 0x8001, 14, CONTEXT_SAVE) + handle)
        return answer[10:] if answer[6:10] == bytes(4) else None

    def flush(self, handle):
        self.call(struct.pack(">HII", 0x8001, 14, FLUSH) + handle)

    def answer(self, command):
        (code,) = struct.unpack_from(">I", command, 6)
        if code == FLUSH and command[10:14] in self.kept:
            del self.kept[command[10:14]]
            return struct.pack(">HII", 0x8001, 10, 0)
        loaded = {}
        for at in range(10, 10 + 4 * HANDLES.get(code, 1), 4):
            virtual = command[at:at + 4]
            if virtual in self.kept:
                loaded[virtual] = loaded.get(virtual) or self.load(virtual)
                command = command[:at] + loaded[virtual] + command[at + 4:]
        answer = self.call(command)
        if code in RETURNS_HANDLE and answer[6:10] == bytes(4) and answer[10] == TRANSIENT:
            virtual = struct.pack(">I", self.next)
            self.next += 1
            self.kept[virtual] = self.save(answer[10:14])
            self.flush(answer[10:14])
            answer = answer[:10] + virtual + answer[14:]
        for virtual, handle in loaded.items():
            # A sequence goes on from where the command has brought it; one that was completed is gone.
            self.kept[virtual] = self.save(handle) or self.kept[virtual]
            self.flush(handle)
        return answer
