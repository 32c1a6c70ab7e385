# SPDX-License-Identifier: Apache-2.0
"""A live TPM: swtpm makes the quotes, tpm2-tools fetches them; tpm2_checkquote (OpenSSL for PSS) and chainhold must agree."""

import json
import shutil
import subprocess
import time

import pytest

from support import run

NONCE = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
KEYS = {
    "ecdsa-p256": ("ecc256:ecdsa-sha256:null", "sha256"),
    "ecdsa-p384": ("ecc384:ecdsa-sha384:null", "sha384"),
    "rsassa-2048": ("rsa2048:rsassa-sha256:null", "sha256"),
    "rsapss-2048": ("rsa2048:rsapss-sha256:null", "sha256"),
}
SELECTION = "sha256:0,1,7,10+sha384:10"
SIGNING = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"


class Tpm:
    """A software TPM on unix sockets in a folder of its own, and the tools that speak to it."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "tpm"
        (folder / "state").mkdir()
        with open(folder / "swtpm.log", "wb") as log:
            self.process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}/state",
                 "--ctrl", f"type=unixio,path={self.socket}.ctrl", "--server", f"type=unixio,path={self.socket}",
                 "--flags", "not-need-init,startup-clear"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "swtpm did not start"
            time.sleep(0.02)

    def tool(self, name, *args, check=True):
        done = subprocess.run([f"tpm2_{name}", *map(str, args)], cwd=self.folder, capture_output=True, timeout=60,
                              check=False, env={"TPM2TOOLS_TCTI": f"swtpm:path={self.socket}", "PATH": "/usr/bin:/bin"})
        assert not check or done.returncode == 0, f"tpm2_{name}: {done.stderr.decode()}"
        return done.returncode

    def call(self, name, *args):
        """One command, then the transient slots are emptied: without a resource manager there are three."""
        self.tool(name, *args)
        self.tool("flushcontext", "-t")

    def quote(self, name, algorithm, digest, nonce=NONCE):
        scheme = algorithm.split(":")[1].split("-")[0]
        self.call("createprimary", "-Q", "-C", "o", "-G", algorithm, "-a", SIGNING, "-c", f"{name}.ctx")
        self.call("readpublic", "-Q", "-c", f"{name}.ctx", "-f", "pem", "-o", f"{name}.pem")
        self.call("readpublic", "-Q", "-c", f"{name}.ctx", "-f", "tss", "-o", f"{name}.pub")
        self.call("quote", "-Q", "-c", f"{name}.ctx", "-l", SELECTION, "-g", digest, "--scheme", scheme,
                  "-q", nonce, "-m", f"{name}.msg", "-s", f"{name}.sig", "-o", f"{name}.pcrs")

    def checkquote(self, name, nonce=NONCE):
        return self.tool("checkquote", "-Q", "-u", f"{name}.pem", "-m", f"{name}.msg", "-s", f"{name}.sig",
                         "-f", f"{name}.pcrs", "-q", nonce, "-g", KEYS[name][1], check=False)

    def openssl_verifies_pss(self, name):
        """tpm2_checkquote 5.4 knows RSASSA only; OpenSSL is the second opinion on a PSS signature."""
        tpmt = (self.folder / f"{name}.sig").read_bytes()
        (self.folder / "raw.sig").write_bytes(tpmt[6:])  # sigAlg, hash, size
        return subprocess.run(["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-verify", f"{name}.pem",
                               "-signature", "raw.sig", f"{name}.msg"], cwd=self.folder, capture_output=True,
                              timeout=60, check=False).returncode

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def tpm(tmp_path_factory):
    for program in ("swtpm", "tpm2_quote", "tpm2_checkquote"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (tools/deps.sh check)")
    one = Tpm(tmp_path_factory.mktemp("tpm"))
    try:
        one.tool("pcrextend", "10:sha256=" + "07" * 32 + ",sha384=" + "08" * 48)
        one.tool("pcrread", "-Q", "sha256:10", "-o", "pcr10")
        one.pcr10 = (one.folder / "pcr10").read_bytes()
        for name, (algorithm, digest) in KEYS.items():
            one.quote(name, algorithm, digest)
        yield one
    finally:
        one.stop()


def inspect(tpm, name, nonce=NONCE, public="pem", files=None):
    files = files or {}
    args = ["inspect", "quote", "--json", "--nonce", nonce]
    for option, end in (("msg", "msg"), ("sig", "sig"), ("pub", public), ("pcrs", "pcrs")):
        args += [f"--{option}", files.get(option, tpm.folder / f"{name}.{end}")]
    return run(args)


@pytest.mark.parametrize("public", ["pem", "pub"])
@pytest.mark.parametrize("name", KEYS)
def test_a_live_quote_holds(tpm, name, public):
    assert (tpm.openssl_verifies_pss(name) if "pss" in name else tpm.checkquote(name)) == 0
    code, out, err = inspect(tpm, name, public=public)
    assert code == 0, err + out
    verdict = json.loads(out)
    assert verdict["signature"] == "ok"
    assert verdict["pcr_select"] == {"sha256": [0, 1, 7, 10], "sha384": [10]}
    assert len(verdict["pcr_digest"]) in (64, 96)


@pytest.mark.parametrize("name", KEYS)
def test_another_nonce_does_not_hold(tpm, name):
    other = "ff" + NONCE[2:]
    assert "pss" in name or tpm.checkquote(name, nonce=other) != 0
    assert inspect(tpm, name, nonce=other)[0] == 1


@pytest.mark.parametrize("name", KEYS)
def test_another_key_does_not_hold(tpm, name):
    tpm.call("createprimary", "-Q", "-C", "e", "-G", KEYS[name][0], "-a", SIGNING, "-c", "other.ctx")
    tpm.call("readpublic", "-Q", "-c", "other.ctx", "-f", "pem", "-o", "other.pem")
    code, out, _ = inspect(tpm, name, files={"pub": tpm.folder / "other.pem"})
    assert code == 1
    assert json.loads(out)["signature"] == "bad"


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("option", ["msg", "sig", "pcrs"])
def test_a_changed_byte_does_not_hold(tpm, name, option):
    good = (tpm.folder / f"{name}.{option}").read_bytes()
    # The last byte: part of the PCR digest, of the signature. Among the registers: where PCR 10's value begins.
    at = len(good) - 1 if option != "pcrs" else good.index(tpm.pcr10)
    changed = tpm.folder / f"changed.{option}"
    changed.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
    assert inspect(tpm, name, files={option: changed})[0] == 1


def test_registers_of_another_moment_do_not_hold(tpm):
    tpm.tool("pcrextend", "10:sha256=" + "09" * 32)
    name = "ecdsa-p256"
    tpm.quote("later", KEYS[name][0], KEYS[name][1])
    code, _, _ = inspect(tpm, name, files={"pcrs": tpm.folder / "later.pcrs"})
    assert code == 1
