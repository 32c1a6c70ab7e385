# SPDX-License-Identifier: Apache-2.0
"""The server's messages for tests: codecs made from server/ipc/messages.h itself, and a process that believes it was started by main."""

import fcntl
import os
import re
import select
import socket
import struct
import subprocess

from support import BIN, ROOT

WIDTH = {"U8": 1, "U16": 2, "U32": 4, "U64": 8}


def fields():
    text = (ROOT / "server" / "ipc" / "messages.h").read_text().replace("\\\n", " ")
    sizes = dict(re.findall(r"#define (CH_IPC_\w+) +(\d+)\b", text))
    found = {}
    for name, body in re.findall(r"#define CH_FIELDS_(\w+)\(F\)([^\n]*)", text):
        rows = re.findall(r"F\((\w+), (\w+), ([^)]*)\)", body)
        found[name] = [(kind, field, int(sizes.get(size.strip(), size)) if kind == "FIX" else 0) for kind, field, size in rows]
    numbers = re.findall(r"\bX\((\w+), \w+\)", text.split("#define CH_MESSAGES(X)")[1].split("CH_MESSAGE_ENUM")[0])
    return found, {name: number for number, name in enumerate(numbers, 1)}


FIELDS, NUMBER = fields()
NAME = {number: name for name, number in NUMBER.items()}


def routes():
    """As the compiler numbers them."""
    # Whoever plays a process of the server has its environment, which is empty.
    done = subprocess.run(["cc", "-E", "-P", "-I", ROOT, ROOT / "server" / "ipc" / "routes.h"], check=True, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", **os.environ})
    rows = done.stdout.split("enum ch_route_number {")[1].split("}")[0]
    return {name.strip().removeprefix("CH_ROUTE_"): number for number, name in enumerate(rows.split(","))}


ROUTE = routes()


def encode(name, values):
    out = b""
    unknown = set(values) - {field for _, field, _ in FIELDS[name]}
    assert not unknown, f"{name} has no {unknown}"
    for kind, field, size in FIELDS[name]:
        value = values.get(field, b"" if kind in ("FIX", "SPAN") else 0)
        if kind == "SPAN":
            out += struct.pack(">I", len(value)) + value
        elif kind == "FIX":
            out += value.ljust(size, b"\0")
        else:
            out += int(value).to_bytes(WIDTH[kind], "big")
    return out


def decode(name, payload):
    values, at = {}, 0
    for kind, field, size in FIELDS[name]:
        if kind == "SPAN":
            (size,) = struct.unpack_from(">I", payload, at)
            at += 4
        elif kind != "FIX":
            size = WIDTH[kind]
        part = payload[at:at + size]
        assert len(part) == size, f"{name}.{field} is cut off"
        values[field] = part if kind in ("FIX", "SPAN") else int.from_bytes(part, "big")
        at += size
    assert at == len(payload), f"bytes after {name}"
    return values


class Channel:
    """Our end of a channel."""

    def __init__(self, end):
        self.end, self.pending = end, b""

    def send(self, name, values=None, ident=0, payload=None):
        payload = encode(name, values or {}) if payload is None else payload
        self.end.sendall(struct.pack(">IHHQ", len(payload), NUMBER[name], 1, ident) + payload)

    def recv(self, timeout=20):
        """(name, id, values), or None when the other end is gone."""
        while len(self.pending) < 16 or len(self.pending) < 16 + struct.unpack_from(">I", self.pending)[0]:
            ready, _, _ = select.select([self.end], [], [], timeout)
            assert ready, "no message came"
            try:
                more = self.end.recv(1 << 20)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.pending += more
        size, kind, version, ident = struct.unpack_from(">IHHQ", self.pending)
        payload, self.pending = self.pending[16:16 + size], self.pending[16 + size:]
        assert version == 1
        return NAME[kind], ident, decode(NAME[kind], payload)

    def expect(self, name):
        got = self.recv()
        assert got is not None and got[0] == name, got
        return got[1], got[2]


ROLES = {"main": 0, "edge": 1, "verify": 2, "keeper": 3, "reader": 4, "signer": 5}


def high(end):
    """The same socket under a number that is not in the way of descriptor 3."""
    number = fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
    end.close()
    return socket.socket(fileno=number)


class Child:
    """A child of the server, started with channels whose other ends are ours: peers is a list of (role, index)."""

    def __init__(self, role, peers, config=b"", stderr=None, root=b"", uid=0):
        self.control, theirs = socket.socketpair()
        theirs = high(theirs)
        self.peer, rows, pass_fds, keep = {}, b"", [], []
        for kind, index in peers:
            mine, other = socket.socketpair()
            other = high(other)
            self.peer[kind, index] = Channel(mine)
            rows += struct.pack(">BBH", ROLES[kind], index, other.fileno())
            pass_fds.append(other.fileno())
            keep.append(other)
        # Descriptor 3 is the control channel; a shell moves it there, because Python cannot.
        program = BIN.parent / f"chainhold-{role}"
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$0" 3<&{theirs.fileno()}', str(program)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr or subprocess.DEVNULL, pass_fds=[theirs.fileno(), *pass_fds])
        self.channel = Channel(self.control)
        self.channel.send("START", {"role": ROLES[role], "uid": uid, "gid": uid, "root": root, "fds": rows, "config": config})
        for one in [theirs, *keep]:
            one.close()
        _, ready = self.channel.expect("READY")
        self.sandbox = ready["sandbox"].decode()

    def stop(self):
        if self.process.poll() is None:
            self.channel.send("STOP", {"grace_ms": 1000})
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
