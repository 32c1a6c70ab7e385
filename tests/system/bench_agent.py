# SPDX-License-Identifier: Apache-2.0
"""
What the agent costs, against the real server with a live TPM: memory after idling, CPU while idle and of an attestation, bytes on the
wire. Not a test: prints a table. bench_agent.py [SECONDS]: idle time, 60 if it is not given.
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from agent_device import Proxy
from test_live_agent_server import Pair

HZ = os.sysconf("SC_CLK_TCK")


def pss(pid):
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(re.search(rf"^{name}:\s+(\d+)", rollup, re.M).group(1)) for name in ("Pss", "Pss_Anon", "Rss")}


def alone(pids):
    """KiB if nothing else on the machine used the same libraries: private memory, and each page of a file once."""
    private, files = 0, {}
    for pid in pids:
        name = None
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+\s*(.*)", line):
                name = (head[4], head[3])
            elif line.startswith("Rss:"):
                rss = int(line.split()[1])
            elif line.startswith("Anonymous:"):
                anonymous = int(line.split()[1])
                private += anonymous
                files[name] = max(files.get(name, 0), rss - anonymous)
    return private + sum(files.values())


def cpu(pids):
    """Seconds of CPU time of the processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / HZ


def attest(pair, number):
    before = pair.device.status()["evidence"]
    pair.device.again()
    pair.device.wait_status(lambda s: s["evidence"] >= before + number)


def main(seconds):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        pair = Pair(Path(folder))
        proxy = Proxy(pair.server.devices)
        with pair.server:
            pair.device.set(proxy=f"127.0.0.1:{proxy.port}", interval="24h")
            pair.device.start()
            try:
                measure(pair, proxy, seconds)
            finally:
                pair.device.stop()


def measure(pair, proxy, seconds):
    pair.device.wait_status(lambda s: s["attested"])
    first = list(proxy.bytes)
    attest(pair, 1)
    start = list(proxy.bytes)
    pids = [pair.device.process.pid, *pair.device.children().values()]
    begin = cpu(pids)
    for _ in range(10):
        attest(pair, 1)
    per = [(now - then) / 10 for now, then in zip(proxy.bytes, start)]
    used = (cpu(pids) - begin) / 10
    time.sleep(seconds)
    idle = cpu(pids)
    time.sleep(seconds)
    idle = cpu(pids) - idle
    print(f"bytes on the wire (TLS records, without TCP/IP): enrolment and first attestation {first[0]} out, {first[1]} in;")
    print(f"  an unchanged attestation on a kept connection {per[0]:.0f} out, {per[1]:.0f} in")
    print(f"CPU: {used * 1000:.1f} ms an attestation (swtpm not counted), {idle * 1000:.0f} ms in {seconds} idle seconds")
    print(f"memory after {2 * seconds} idle seconds, TLS connection open (KiB)")
    total = 0
    for name, pid in [("main", pair.device.process.pid), *pair.device.children().items()]:
        sizes = pss(pid)
        total += sizes["Pss"]
        print(f"  {name:8} PSS {sizes['Pss']:5}  of it anonymous {sizes['Pss_Anon']:5}  RSS {sizes['Rss']:5}")
    print(f"  all      PSS {total:5}  (limit 9216); {alone(pids)} if nobody else used their libraries")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
