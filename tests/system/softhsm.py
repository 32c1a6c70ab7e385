# SPDX-License-Identifier: Apache-2.0
"""Tokens of the real SoftHSM 2, each test file with tokens of its own; keys made by OpenSC's pkcs11-tool."""

import contextlib
import os
import stat
import subprocess

import pytest

MODULE = next((p for p in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so") if os.path.exists(p)), None)
needs_softhsm = pytest.mark.skipif(MODULE is None, reason="softhsm2 and opensc are missing: tools/deps.sh check")
PIN = "1234"
TOKEN_UID = 64606


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


def take_in(hsm, server_folder, label="issuing", number="01", keep=False):
    """Moves the CA's key of a new server into a token, and gives the tokens to the user of the process."""
    key = server_folder / "state" / "signer" / "ca.key"
    hsm.token("ca")
    hsm._run("softhsm2-util", "--import", key, "--token", "ca", "--label", label, "--id", number, "--pin", PIN)
    if not keep:
        key.unlink()
    subprocess.run(["chown", "-R", str(TOKEN_UID), hsm.folder / "tokens"], check=True)
    reach(hsm)


def reach(hsm):
    """Makes the folder one that the user of the process can come to."""
    hsm.conf.chmod(0o644)
    # The process is a user of its own, which must be able to come as far as its folder.
    for at in (hsm.folder, *hsm.folder.parents):
        with contextlib.suppress(PermissionError):
            at.chmod(at.stat().st_mode | stat.S_IXOTH)


def token_config(hsm, module=MODULE, path="token=ca;object=issuing;type=private", deadline=10, environment=(), folders=None):
    lines = [f"SOFTHSM2_CONF={hsm.conf}", *environment]
    folders = [hsm.folder / "tokens"] if folders is None else folders
    return (f'signer: {{ca_key: "pkcs11:{path}?module-path={module}&pin-source=file:{hsm.pin}"}}\n'
            "token:\n  environment: [" + ", ".join(f'"{line}"' for line in lines) + "]\n"
            "  folders: [" + ", ".join(f'"{folder}"' for folder in folders) + f"]\n  deadline: {deadline}\n")
