# SPDX-License-Identifier: Apache-2.0
"""A device that takes updates, for tests: a start of the machine is another boot id, bound over the kernel's for the agent alone."""

import subprocess
import time
import uuid

from agent_device import AGENT, Device


def until(ask, what):
    end = time.monotonic() + 60
    while not (answer := ask()):
        assert time.monotonic() < end, what()
        time.sleep(0.05)
    return answer


class Machine(Device):
    """A device whose boots have ids of their own."""

    def start(self):
        if not (self.folder / "boot_id").exists():
            self.new_boot()
        (self.folder / "status.json").unlink(missing_ok=True)
        self.err = open(self.folder / "err", "ab")
        line = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", line, self.folder / "boot_id", AGENT, "--config", self.folder / "agent.yaml"],
                                        stderr=self.err)

    def new_boot(self):
        (self.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")

    def said(self):
        return (self.folder / "err").read_text(errors="replace")
