# SPDX-License-Identifier: Apache-2.0
"""
The commit that runs, as evidence: a system root that the real `ostree admin` made, the real agent that reads it, the real server that keeps it
and proves by a quote of swtpm. Two commits have the same kernel, so that the boot alone does not tell them apart.
"""

import hashlib
import os
import re
import shutil

import pytest

import device_tpm
from ostree_made import REF, commit, tool, tree
from server_support import needs_root
from test_ostree import pack
from test_update_proof import World as Proof

pytestmark = [needs_root, pytest.mark.skipif(shutil.which("ostree") is None, reason="ostree is not installed")]


class World(Proof):
    def __init__(self, folder):
        self.made, self.repo, self.sysroot = folder / "made", folder / "made" / "repo", folder / "sysroot"
        self.made.mkdir()
        self.commit, self.pack = {}, {}
        for version, files in (("1.0.0", 2), ("2.0.0", 3)):
            root = tree(self.made / version, files=files)
            (root / "usr/etc").mkdir()
            (root / "usr/lib/os-release").write_text(f"ID=test\nVERSION_ID={version}\nPRETTY_NAME=test\n")
            self.commit[version] = commit(self.repo, root)
            self.pack[version] = self.made / f"{self.commit[version]}.ostree"
            assert pack(self.repo, self.pack[version])[0] == 0
        (self.sysroot / "proc").mkdir(parents=True)
        (self.sysroot / "boot").mkdir()
        tool("ostree", "admin", "init-fs", "--modern", self.sysroot)
        tool("ostree", "admin", f"--sysroot={self.sysroot}", "os-init", "test")
        super().__init__(folder)

    def entry(self, version):
        data = self.pack[version].read_bytes()
        return {"name": self.pack[version].name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": "ostree",
                "compatible": None}

    def publish_version(self, version, sequence):
        """Both releases measure what the payload of 2.0.0 is."""
        found = self.boot_of("2.0.0").find(2, text=b"payload")
        event = {"pcr": 2, "type": found.kind, "digests": {"sha256": found.digests[0x000B].hex()}, "required": True}
        note = self.note([self.entry(version)], version=version, sequence=sequence,
                         reference={**self.reference("gateway-os", version, events=[event]), "pcrs": [2]})
        status, answer = self.publish_release(note)
        assert status == 200, answer
        self.release[version] = note

    def boots(self, version):
        """ostree deploys this commit, and the machine starts from it: its command line is that of the boot entry which ostree wrote."""
        tool("ostree", f"--repo={self.sysroot}/ostree/repo", "pull-local", self.repo, self.commit[version])
        tool("ostree", f"--repo={self.sysroot}/ostree/repo", "refs", "--force", f"--create={REF}", self.commit[version])
        # without the debug word the deployment is immutable, and could not be removed after the test
        tool("ostree", "admin", f"--sysroot={self.sysroot}", "deploy", "--os=test", REF,
             env={**os.environ, "OSTREE_SYSROOT_DEBUG": "mutable-deployments"})
        newest = max((self.sysroot / "boot/loader/entries").glob("*.conf"), key=lambda p: int(re.search(r"version (\d+)", p.read_text()).group(1)))
        options = re.search(r"^options (.*)$", newest.read_text(), re.M).group(1)
        (self.sysroot / "proc/cmdline").write_text(f"quiet {options} rw\n")
        self.gateway.set(system_root=self.sysroot)
        self.gateway.reboot(self.boot_of("2.0.0"))

    def said(self):
        return self.server.get(f"/api/v1/devices/{self.id}/evidence")["evidence"][0]["ostree"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    device_tpm.needed()
    one = World(tmp_path_factory.mktemp("ostree-boot"))
    try:
        yield one
    finally:
        one.gateway.stop()
        one.server.stop()


def test_a_device_without_ostree_says_nothing(world):
    world.baseline()
    world.gateway.attest()
    assert world.said() is None


def test_the_commit_that_was_booted_is_in_the_evidence(world):
    world.publish_version("2.0.0", 2)
    world.server.cli("release", "upload", world.pack["2.0.0"])
    assert world.assign(world.id, world.release["2.0.0"])[0] == 200
    world.boots("1.0.0")
    assert world.gateway.attest()["chain"] == "affirming"
    assert world.said() == world.commit["1.0.0"]


def test_another_commit_with_the_same_kernel_proves_nothing(world):
    assert world.deployment()["state"] == "offered"


def test_the_commit_of_the_release_and_its_quote_do(world):
    world.boots("2.0.0")
    status = world.gateway.attest()
    assert world.said() == world.commit["2.0.0"]
    assert (status["chain"], world.deployment()["state"], world.link()) == ("affirming", "proven", "affirming")


def test_what_is_not_known_is_said_and_stops_nothing(world):
    (world.sysroot / "proc/cmdline").write_text("ostree=/ostree/boot.9/../../etc rw\n")
    status, log = world.gateway.once()
    assert status["chain"] == "affirming" and world.said() is None and "which commit of OSTree runs is not known" in log
    (world.sysroot / "proc/cmdline").write_text(f"ostree=/ostree/boot.7/test/{'ab' * 32}/0 rw\n")
    status, log = world.gateway.once()
    assert status["chain"] == "affirming" and world.said() is None and "No such file" in log
