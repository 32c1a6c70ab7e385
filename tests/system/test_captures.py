# SPDX-License-Identifier: Apache-2.0
"""The recorded boots of a device class hold in the eyes of tpm2-tools, and differ from each other where they should."""

import shutil

import pytest

from support import FIXTURES
from vm.verify import registers, verify

PHASES = {"class-unit1-systemd": ["enter-initrd", "leave-initrd", "sysinit", "ready"]}
DIFFERS = {
    "class-unit2": {1, 5, 10},
    "class-unit1-dbx": {7, 10},
    "class-unit1-trial": {1, 4, 9, 10, 11},
    "class-unit1-slotb": {1, 4, 9, 10, 11},
    "class-unit1-systemd": {1, 4, 5, 9, 10, 11},
}


def quoted(name):
    return registers((FIXTURES / name / "pcrs-sha256.yaml").read_text())


@pytest.mark.skipif(not shutil.which("tpm2_checkquote"), reason="no tpm2-tools")
@pytest.mark.parametrize("name", ["class-unit1", *DIFFERS])
def test_capture_holds(name):
    verify(FIXTURES / name, PHASES.get(name, ()))


@pytest.mark.skipif(not shutil.which("tpm2_checkquote"), reason="no tpm2-tools")
def test_phases_are_not_in_the_log():
    with pytest.raises(AssertionError, match=r"PCR \[11\]"):
        verify(FIXTURES / "class-unit1-systemd")


@pytest.mark.parametrize("name", DIFFERS)
def test_registers_differ_where_the_boots_do(name):
    first, other = quoted("class-unit1"), quoted(name)
    assert {n for n in range(15) if first[n] != other[n]} == DIFFERS[name]


def test_every_nonce_is_of_its_own():
    nonces = [path.read_text() for path in FIXTURES.glob("class-*/nonce.hex")]
    assert len(nonces) == len(set(nonces)) == 1 + len(DIFFERS)
