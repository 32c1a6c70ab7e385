# SPDX-License-Identifier: Apache-2.0
"""The agent's messages for tests, by agent/ipc/messages.h itself, and chainhold-agent-apply with main and collect played."""

import re
import socket
import struct
import subprocess

from ipc import WIDTH, high
from support import BIN, ROOT


def fields():
    text = (ROOT / "agent" / "ipc" / "messages.h").read_text().replace("\\\n", " ")
    sizes = dict(re.findall(r"#define (AG_\w+) +(\d+)\b", text))
    found = {}
    for name, body in re.findall(r"#define AG_FIELDS_(\w+)\(F\)([^\n]*)", text):
        found[name] = [(kind, field, int(sizes.get(size.strip(), 0) or size) if kind == "FIX" else 0)
                       for kind, field, size in re.findall(r"F\((\w+), (\w+), ([^)]*)\)", body)]
    numbers = re.findall(r"\bM\((\w+), \w+\)", text.split("#define AG_MESSAGES(M)")[1].split("#define")[0])
    phases = re.findall(r"\bAG_PHASE_(\w+)", text.split("enum ag_phase {")[1].split("AG_PHASE_COUNT")[0])
    return found, {name: number for number, name in enumerate(numbers, 1)}, [p.lower().replace("_", "-") for p in phases]


FIELDS, NUMBER, PHASES = fields()
NAME = {number: name for name, number in NUMBER.items()}


def encode(name, values):
    assert not set(values) - {field for _, field, _ in FIELDS[name]}, values
    out = b""
    for kind, field, size in FIELDS[name]:
        value = values.get(field, b"" if kind in ("FIX", "SPAN") else 0)
        if kind == "SPAN":
            out += struct.pack(">I", len(value)) + value
        else:
            out += value.ljust(size, b"\0") if kind == "FIX" else int(value).to_bytes(WIDTH[kind], "big")
    return out


def decode(name, payload):
    values, at = {}, 0
    for kind, field, size in FIELDS[name]:
        if kind == "SPAN":
            (size,) = struct.unpack_from(">I", payload, at)
            at += 4
        size = size if kind in ("FIX", "SPAN") else WIDTH[kind]
        part = payload[at:at + size]
        values[field] = part if kind in ("FIX", "SPAN") else int.from_bytes(part, "big")
        at += size
    assert at == len(payload)
    return values


class End:
    """Our end of a channel."""

    def __init__(self, end):
        self.end = end

    def send(self, name, **values):
        payload = encode(name, values)
        self.end.sendall(struct.pack(">IHHQ", len(payload), NUMBER[name], 1, 0) + payload)

    def take(self, n):
        data = b""
        while len(data) < n:
            part = self.end.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def recv(self):
        size, kind, _, _ = struct.unpack(">IHHQ", self.take(16))
        return NAME[kind], decode(NAME[kind], self.take(size))


class Apply:
    """chainhold-agent-apply, started as by main. Its log is `log`."""

    def __init__(self, spool, address, fleet_root, boot="boot-1", log=None, class_name=b""):
        ours, theirs = zip(*(socket.socketpair() for _ in range(2)), strict=True)
        theirs = [high(one) for one in theirs]
        self.log = open(log, "ab") if log is not None else subprocess.DEVNULL
        command = 'exec "$0" 3<&{} 4<&{}'.format(*(one.fileno() for one in theirs))
        self.process = subprocess.Popen(["/bin/bash", "-c", command, str(BIN.parent / "chainhold-agent-apply")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.log, pass_fds=[one.fileno() for one in theirs])
        for one in theirs:
            one.close()
        self.main, self.collect = map(End, ours)
        self.main.send("START_APPLY", root=str(spool).encode(), bus=address.encode(), boot_id=boot.encode(), fleet_root=fleet_root,
                       class_name=class_name)
        name, ready = self.main.recv()
        assert name == "READY"
        self.sandbox = ready["sandbox"].decode()

    def ask(self, name="UPDATE_ASK", **values):
        self.collect.send(name, **values)
        answer, state = self.collect.recv()
        assert answer == "UPDATE_STATE"
        return {**state, "phase": PHASES[state["phase"]], "error": state["error"].decode(), "reason": state["reason"].decode()}

    def stop(self):
        """As by main: it closes its channel."""
        self.main.end.close()
        self.collect.end.close()
        assert self.process.wait() == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.main.end.close()
        self.collect.end.close()
