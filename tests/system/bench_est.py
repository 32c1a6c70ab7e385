# SPDX-License-Identifier: Apache-2.0
"""
Durable enrolments by EST against the cryptography in them: the whole server, CPU of all its processes, a registration authority that asks for certificates
on new and on kept connections, 32 at a time. Not a test: prints a table. bench_est.py [ROUNDS].
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from server_support import BUILD
from test_est import OTHERS, Server, certificates, csr_of, new_key


def main(rounds):
    with tempfile.TemporaryDirectory(prefix="chainhold-est-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        one = Server(folder, OTHERS, change=lambda text: text + "limits: {device_rate: 0, enrol_rate: 0}\n")
        with one:
            key = new_key(folder, name="ra")
            (pem,) = certificates(folder, one.enrol(csr_of(key, "/O=Lab/CN=ra-1"), one.token(), label="ra/")[2])
            (folder / "ra.crt").write_text(pem)
            pids = one.pids()
            done = subprocess.run([BUILD / "tests" / "est_driver", str(one.devices), one.folder / "ca.crt", folder / "ra.crt", key,
                                   "/.well-known/est/field/simpleenroll", str(rounds), *map(str, pids.values())], check=True, capture_output=True, text=True)
    us = {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}
    bare = {"new": us["handshake"] + us["verify-and-sign"], "kept": us["verify-and-sign"]}
    print(f"cryptography: handshake {us['handshake']:.0f} us, one verification and one signature {us['verify-and-sign']:.0f} us")
    for name, target in (("new", 0.8), ("kept", 0.6)):
        print(f"{name} connection: {us[name]:.0f} us of CPU an enrolment, {1e6 / us[name]:.0f} a second and core; {bare[name] / us[name]:.2f} of its cryptography (target {target})")
        print("  of it: " + ", ".join(f"{role} {us[f'{name}:{pid}']:.0f}" for role, pid in pids.items()))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
