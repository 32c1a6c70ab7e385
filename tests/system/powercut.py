# SPDX-License-Identifier: Apache-2.0
"""
What a disk loses when the power goes. As a plugin of nbdkit (`nbdkit python powercut.py file=FILE [deaf=1]`) it is a disk that writes
down, in FILE.journal, what was written to it and when it was told to flush; `deaf` takes the order and does not carry it out, which is
what software that forgets to flush looks like. `cut` makes of it the disk after the power was cut: what was flushed is there, of each
later sector maybe, and the last one that is may be torn.
"""

import os
import struct

API_VERSION = 2
SECTOR = 512
WRITE, FLUSH = 1, 2
HEAD = struct.Struct("<BxxxIQ")

# --- the disk ---

settings = {"deaf": "0"}


def config(key, value):
    settings[key] = value


def thread_model():
    import nbdkit

    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


class Disk:
    def __init__(self):
        self.image = os.open(settings["file"], os.O_RDWR)
        self.journal = os.open(settings["file"] + ".journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, kind, offset=0, data=b""):
        os.write(self.journal, HEAD.pack(kind, len(data), offset) + data)


def open(_readonly):  # noqa: A001: nbdkit names it so
    return Disk()


def get_size(disk):
    return os.fstat(disk.image).st_size


def pread(disk, buf, offset, _flags):
    buf[:] = os.pread(disk.image, len(buf), offset)


def pwrite(disk, buf, offset, flags):
    import nbdkit

    data = bytes(buf)
    os.pwrite(disk.image, data, offset)
    disk.note(WRITE, offset, data)
    if flags & nbdkit.FLAG_FUA:
        flush(disk, 0)


def can_flush(_disk):
    return True


def can_fua(_disk):
    import nbdkit

    return nbdkit.FUA_NATIVE


def flush(disk, _flags):
    if settings["deaf"] == "0":
        disk.note(FLUSH)


# --- the cut ---


def records(journal):
    """(kind, offset, data) of what was written whole before the end."""
    with os.fdopen(os.open(journal, os.O_RDONLY), "rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            kind, length, offset = HEAD.unpack(head)
            data = file.read(length)
            if len(data) < length:
                return
            yield kind, offset, data


def cut(journal, disk, chance):
    """`disk`: a copy of it from when the power came, which becomes what it is after the cut. Returns how many later sectors were kept and lost."""
    target = os.open(disk, os.O_RDWR)
    later = []
    for kind, offset, data in records(journal):
        if kind == FLUSH:
            for at, sector in later:
                os.pwrite(target, sector, at)
            later = []
        else:
            later += [(offset + i, data[i:i + SECTOR]) for i in range(0, len(data), SECTOR)]
    share = chance.choice([0, 0.1, 0.5, 0.9, 1])
    kept = [one for one in later if chance.random() < share]
    torn = chance.randrange(1, SECTOR) if chance.random() < 0.5 else SECTOR
    for number, (at, sector) in enumerate(kept):
        os.pwrite(target, sector[:torn] if number == len(kept) - 1 else sector, at)
    os.close(target)
    return len(kept), len(later) - len(kept)
