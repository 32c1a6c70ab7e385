# SPDX-License-Identifier: Apache-2.0
"""Tokens of the real SoftHSM 2, each test file with tokens of its own; keys made by OpenSC's pkcs11-tool."""

import os
import subprocess

import pytest

MODULE = next((p for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if os.path.exists(p)), None)
needs_softhsm = pytest.mark.skipif(MODULE is None, reason="softhsm2 and opensc are missing: tools/deps.sh check")
PIN = "1234"


class Hsm:
    """A folder of tokens. `env` leads programs there."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "tokens").mkdir(parents=True)
        self.conf = folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = {**os.environ, "SOFTHSM2_CONF": str(self.conf)}
        self.pin = folder / "pin"
        self.write_pin(PIN + "\n")

    def write_pin(self, text, mode=0o600):
        self.pin.unlink(missing_ok=True)
        self.pin.touch(0o600)
        self.pin.write_text(text)
        self.pin.chmod(mode)

    def _run(self, *args):
        subprocess.run([str(a) for a in args], env=self.env, check=True, capture_output=True, timeout=60)

    def token(self, label, pin=PIN):
        self._run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "5678")

    def key(self, token, label, number="01", kind="EC:prime256v1", *more):
        self._run("pkcs11-tool", "--module", MODULE, "--login", "--pin", PIN, "--token-label", token, "--keypairgen", "--key-type", kind,
                  "--label", label, "--id", number, *more)

    def delete(self, token, number, kind):
        self._run("pkcs11-tool", "--module", MODULE, "--login", "--pin", PIN, "--token-label", token, "--delete-object", "--type", kind, "--id", number)

    def uri(self, path, pin=True):
        return f"pkcs11:{path}?module-path={MODULE}" + (f"&pin-source=file:{self.pin}" if pin else "")
