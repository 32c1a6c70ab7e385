# SPDX-License-Identifier: Apache-2.0
"""What powercut.py makes of a disk: what was flushed stays, of what came later a part."""

import random

import powercut
from powercut import FLUSH, HEAD, SECTOR, WRITE


def disk_and_journal(folder, *records):
    disk, journal = folder / "disk", folder / "journal"
    disk.write_bytes(bytes(16 * SECTOR))
    journal.write_bytes(b"".join(HEAD.pack(kind, len(data), at * SECTOR) + data for kind, at, data in records))
    return disk, journal


def test_what_was_flushed_stays_whatever_happens(tmp_path):
    for seed in range(50):
        disk, journal = disk_and_journal(tmp_path, (WRITE, 3, b"a" * SECTOR * 2), (FLUSH, 0, b""), (WRITE, 8, b"b" * SECTOR))
        powercut.cut(journal, disk, random.Random(seed))
        assert disk.read_bytes()[3 * SECTOR:5 * SECTOR] == b"a" * SECTOR * 2


def test_what_was_not_is_lost_in_part_and_torn_at_its_end(tmp_path):
    seen = set()
    for seed in range(200):
        disk, journal = disk_and_journal(tmp_path, *((WRITE, n, b"b" * SECTOR) for n in range(8)))
        kept, lost = powercut.cut(journal, disk, random.Random(seed))
        assert kept + lost == 8
        content = disk.read_bytes()
        sectors = [content[n * SECTOR:(n + 1) * SECTOR] for n in range(8)]
        torn = [s for s in sectors if s not in (bytes(SECTOR), b"b" * SECTOR)]
        assert len(torn) <= 1 and sum(any(s) for s in sectors) == kept
        seen |= {("all", lost == 0), ("none", kept == 0), ("torn", bool(torn))}
    assert {("all", True), ("all", False), ("none", True), ("none", False), ("torn", True), ("torn", False)} <= seen


def test_a_record_that_was_being_written_is_none(tmp_path):
    disk, journal = disk_and_journal(tmp_path, (WRITE, 0, b"a" * SECTOR), (FLUSH, 0, b""), (WRITE, 1, b"b" * SECTOR))
    journal.write_bytes(journal.read_bytes()[:-1])
    assert powercut.cut(journal, disk, random.Random(1)) == (0, 0)
