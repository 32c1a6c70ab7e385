# SPDX-License-Identifier: Apache-2.0
"""Plays chainholdd and the other processes for one real child: frames over socketpairs (server/ipc/messages.h)."""

import os
import socket
import struct
import subprocess

from support import BIN

ROLES = {"main": 0, "edge": 1, "verify": 2, "keeper": 3, "reader": 4, "signer": 5}
MESSAGES = ["NONE", "START", "READY", "PEER", "STOP", "RELOAD", "STATUS", "REQUEST", "ANSWER", "CONTEXT_ASK", "CONTEXT",
            "ENROL_PENDING", "ENROL_FINISH", "ENROL_TOKEN", "COMMIT", "RENEW", "ACTION", "FATAL_INPUT", "GENERATION",
            "ISSUE", "ISSUED", "LEAVES", "CHECKPOINT", "EAR_SIGN", "EAR", "KEYS_ASK", "KEYS", "CUT", "CUT_DONE", "EVENT",
            "EVIL", "EVIL_DONE"]
NUMBER = {name: number for number, name in enumerate(MESSAGES)}


def span(data):
    return struct.pack(">I", len(data)) + data


def take_span(data):
    n = struct.unpack(">I", data[:4])[0]
    assert len(data) >= 4 + n
    return data[4:4 + n], data[4 + n:]


class Channel:
    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(30)

    def send(self, name, ident, payload=b""):
        self.sock.sendall(struct.pack(">IHHQ", len(payload), NUMBER[name], 1, ident) + payload)

    def receive(self):
        """(name, id, payload), or None when the other end is gone."""
        try:
            head = self.exactly(16)
            if head is None:
                return None
            n, kind, version, ident = struct.unpack(">IHHQ", head)
            assert version == 1
            return MESSAGES[kind], ident, self.exactly(n)
        except ConnectionResetError:
            return None

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                return None
            data += more
        return data

    def ask(self, name, payload, ident=1):
        self.send(name, ident, payload)
        answer = self.receive()
        assert answer is not None, f"the channel was closed on {name}"
        assert answer[1] == ident
        return answer


class Child:
    """chainhold-ROLE with the channels to `peers` (names of roles); `config` are its lines."""

    def __init__(self, role, root, peers, config, uid=64601):
        ours, theirs = socket.socketpair()
        self.control = Channel(ours)
        self.peer, fds, rows = {}, [theirs.fileno()], b""
        ends = [theirs]
        for name in peers:
            mine, its = socket.socketpair()
            os.set_inheritable(its.fileno(), True)
            self.peer[name] = Channel(mine)
            ends.append(its)
            fds.append(its.fileno())
            rows += struct.pack(">BBH", ROLES[name], 0, its.fileno())
        control = theirs.fileno()
        assert all(fd > 3 for fd in fds)
        self.process = subprocess.Popen([str(BIN.parent / f"chainhold-{role}")], pass_fds=[3, *fds], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, preexec_fn=lambda: os.dup2(control, 3))
        for end in ends:
            end.close()
        payload = struct.pack(">BIII", ROLES[role], 0, uid, uid) + span(str(root).encode()) + span(rows)
        self.control.send("START", 0, payload + span("".join(line + "\n" for line in config).encode()))

    def ready(self):
        answer = self.control.receive()
        return answer is not None and answer[0] == "READY"

    def stop(self):
        """Ends it as chainholdd does; (exit status, what it wrote)."""
        try:
            self.control.send("STOP", 0, struct.pack(">I", 1000))
        except BrokenPipeError:
            pass
        err = self.process.communicate(timeout=30)[1].decode("utf-8", "replace")
        return self.process.returncode, err

    def end(self):
        """Waits for it to end by itself."""
        err = self.process.communicate(timeout=30)[1].decode("utf-8", "replace")
        return self.process.returncode, err
