# SPDX-License-Identifier: Apache-2.0
"""A live TPM for tests: swtpm on unix sockets in a folder of its own, and tpm2-tools that speak to it."""

import hashlib
import shutil
import struct
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
SIGNING = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"
UNRESTRICTED = SIGNING.replace("restricted|", "")
DIGEST_SIZE = {0x0004: 20, 0x000B: 32, 0x000C: 48, 0x000D: 64}
BANK = {0x0004: "sha1", 0x000B: "sha256", 0x000C: "sha384", 0x000D: "sha512"}
NO_ACTION = 3


def needed():
    for program in ("swtpm", "tpm2_quote", "tpm2_checkquote"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (tools/deps.sh check)")


class Tpm:
    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "tpm"
        (folder / "state").mkdir()
        self.start()

    def start(self):
        with open(self.folder / "swtpm.log", "ab") as log:
            self.process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}/state",
                 "--ctrl", f"type=unixio,path={self.socket}.ctrl", "--server", f"type=unixio,path={self.socket}",
                 "--flags", "not-need-init,startup-clear"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "swtpm did not start"
            time.sleep(0.02)

    def manufacture(self):
        """
        Gives the TPM endorsement keys with certificates (RSA-2048 and P-384), as its maker does: everything before is lost.
        Returns the files of the root and of the issuer.
        """
        self.stop()
        self.socket.unlink(missing_ok=True)
        at = self.folder / "maker"
        at.mkdir()
        (at / "ca.conf").write_text(f"statedir={at}\nsigningkey={at}/key.pem\nissuercert={at}/issuer.pem\ncertserial={at}/serial\n")
        (at / "options").write_text("--platform-manufacturer Lab\n--platform-version 2.1\n--platform-model QEMU\n")
        (at / "setup.conf").write_text(f"create_certs_tool=/usr/bin/swtpm_localca\ncreate_certs_tool_config={at}/ca.conf\n"
                                       f"create_certs_tool_options={at}/options\nactive_pcr_banks = sha256\n")
        subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", self.folder / "state", "--create-ek-cert", "--lock-nvram", "--overwrite",
                        "--config", at / "setup.conf"], check=True, capture_output=True, timeout=60)
        self.start()
        return at / "swtpm-localca-rootca-cert.pem", at / "issuer.pem"

    def tool(self, name, *args, check=True):
        done = subprocess.run([f"tpm2_{name}", *map(str, args)], cwd=self.folder, capture_output=True, timeout=60,
                              check=False, env={"TPM2TOOLS_TCTI": f"swtpm:path={self.socket}", "PATH": "/usr/bin:/bin"})
        assert not check or done.returncode == 0, f"tpm2_{name}: {done.stderr.decode()}"
        return done.returncode

    def call(self, name, *args):
        """One command, then the transient slots are emptied: without a resource manager there are three."""
        self.tool(name, *args)
        self.tool("flushcontext", "-t")

    def create(self, name, algorithm, attributes=SIGNING):
        self.call("createprimary", "-Q", "-C", "o", "-G", algorithm, "-a", attributes, "-c", f"{name}.ctx")
        self.call("readpublic", "-Q", "-c", f"{name}.ctx", "-f", "pem", "-o", f"{name}.pem")
        self.call("readpublic", "-Q", "-c", f"{name}.ctx", "-f", "tss", "-o", f"{name}.pub")

    def quote(self, name, algorithm, digest, selection, nonce=NONCE, attributes=SIGNING):
        self.create(name, algorithm, attributes)
        self.quote_with(name, name, algorithm, digest, selection, nonce)

    def quote_with(self, key, name, algorithm, digest, selection, nonce=NONCE):
        scheme = algorithm.split(":")[1].split("-")[0]
        self.call("quote", "-Q", "-c", f"{key}.ctx", "-l", selection, "-g", digest, "--scheme", scheme,
                  "-q", nonce, "-m", f"{name}.msg", "-s", f"{name}.sig", "-o", f"{name}.pcrs")

    def extend(self, steps):
        """Extends registers in order; each step is (register, {bank: digest})."""
        words = [f"{pcr}:" + ",".join(f"{bank}={value.hex()}" for bank, value in digests.items()) for pcr, digests in steps]
        for i in range(0, len(words), 16):
            self.tool("pcrextend", *words[i:i + 16])

    def stop(self, hard=False):
        self.process.kill() if hard else self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def reset(self, hard=False):
        """The machine is switched off and on: registers start anew, NV memory stays."""
        self.stop(hard)
        self.socket.unlink(missing_ok=True)
        self.start()


class Record:
    """One measured event of a log of TCG_PCR_EVENT2 records; digests by algorithm number, in their order."""

    def __init__(self, pcr, kind, digests, data):
        self.pcr, self.kind, self.digests, self.data = pcr, kind, digests, data

    @classmethod
    def of(cls, pcr, kind, measured, data=None):
        """An event whose digest is SHA-256 of what was measured."""
        return cls(pcr, kind, {0x000B: hashlib.sha256(measured).digest()}, measured if data is None else data)

    def __bytes__(self):
        digests = b"".join(struct.pack("<H", alg) + value for alg, value in self.digests.items())
        return struct.pack("<III", self.pcr, self.kind, len(self.digests)) + digests + struct.pack("<I", len(self.data)) + self.data

    def step(self, banks):
        return self.pcr, {BANK[alg]: value for alg, value in self.digests.items() if BANK[alg] in banks}


class Log:
    """A crypto-agile log that can be taken apart and put together: the Spec ID event, records, zero padding."""

    def __init__(self, raw):
        at = 32 + struct.unpack_from("<I", raw, 28)[0]
        self.head, self.records = raw[:at], []
        while raw[at:].strip(b"\0"):
            pcr, kind, count = struct.unpack_from("<III", raw, at)
            at += 12
            digests = {}
            for _ in range(count):
                (alg,) = struct.unpack_from("<H", raw, at)
                digests[alg] = raw[at + 2:at + 2 + DIGEST_SIZE[alg]]
                at += 2 + DIGEST_SIZE[alg]
            (size,) = struct.unpack_from("<I", raw, at)
            self.records.append(Record(pcr, kind, digests, raw[at + 4:at + 4 + size]))
            at += 4 + size
        self.padding = raw[at:]
        assert bytes(self) == raw

    def __bytes__(self):
        return self.head + b"".join(map(bytes, self.records)) + self.padding

    def find(self, pcr, kind=None, text=b""):
        """The first event of a register (and type) whose data contain a text."""
        return next(r for r in self.records if r.pcr == pcr and r.kind in (kind, r.kind if kind is None else kind) and text in r.data)

    def steps(self, banks=("sha256",)):
        return [r.step(banks) for r in self.records if r.kind != NO_ACTION]


def ima_entry(pcr, name, data, violation=False):
    """One entry of a binary IMA list."""
    template_hash = bytes(20) if violation else hashlib.sha1(data).digest()
    return struct.pack("<I", pcr) + template_hash + struct.pack("<I", len(name)) + name + struct.pack("<I", len(data)) + data


def ima_ng(path, digest, pcr=10, violation=False):
    """One entry of template ima-ng."""
    field = b"sha256:\0" + digest
    name = path.encode() + b"\0"
    return ima_entry(pcr, b"ima-ng", struct.pack("<I", len(field)) + field + struct.pack("<I", len(name)) + name, violation)


def ima_entries(raw):
    """Every entry of a binary IMA list, as bytes."""
    at, entries = 0, []
    while at < len(raw):
        (name,) = struct.unpack_from("<I", raw, at + 24)
        (size,) = struct.unpack_from("<I", raw, at + 28 + name)
        end = at + 32 + name + size
        entries.append(raw[at:end])
        at = end
    return entries


def ima_steps(raw, banks=("sha256",)):
    """What the kernel (5.8 and later) extends for a list: each bank's own hash of the template data, ones for a violation."""
    steps = []
    for entry in ima_entries(raw):
        (name,) = struct.unpack_from("<I", entry, 24)
        data = entry[32 + name:]
        violation = not any(entry[4:24])
        steps.append((struct.unpack_from("<I", entry)[0], {
            bank: b"\xff" * hashlib.new(bank).digest_size if violation else hashlib.new(bank, data).digest() for bank in banks}))
    return steps


class Boot:
    """The evidence of one boot, in files; options() names them for chainhold."""

    def __init__(self, folder, files):
        self.folder, self.files = folder, files

    def options(self, **other):
        names = {**self.files, **other}
        return [word for name, value in names.items() if value is not None for word in (f"--{name}", value)]

    def write(self, name, raw):
        """Writes another version of a file of the evidence, for use with options()."""
        path = self.folder / f"other-{name}"
        path.write_bytes(raw)
        return path

    def capture(self, *more, name="live", **other):
        """Reference values of this boot: the path of the document."""
        code, out, err = run(["reference", "capture", "--name", name, *more, *self.options(**other)])
        assert code == 0, err
        path = self.folder / f"reference-{name}.json"
        path.write_text(out)
        return path


ALL = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14"


def boot(tpm, log, ima=b"", words=(), steps=None, selection=f"sha256:{ALL}", key="ecdsa-p256", attributes=SIGNING, said=None,
         name="quote", public="pem"):
    """
    Measures a boot into a TPM as the machine would and quotes. `steps` replaces what the log says was extended, `said` the
    log that the agent sends.
    """
    raw = log if isinstance(log, bytes) else bytes(log)
    tpm.extend(Log(raw).steps() if steps is None else steps)
    tpm.extend(ima_steps(ima))
    tpm.extend([(11, {"sha256": hashlib.sha256(word.encode()).digest()}) for word in words])
    return quote(tpm, raw if said is None else bytes(said), ima, selection, key, attributes, name, public)


def quote(tpm, log, ima=b"", selection=f"sha256:{ALL}", key="ecdsa-p256", attributes=SIGNING, name="quote", public="pem"):
    """Quotes the registers as they are, with the logs that an agent sends."""
    tpm.quote(name, *KEYS[key], selection, attributes=attributes)
    at = tpm.folder
    (at / f"{name}.log").write_bytes(bytes(log))
    files = {"msg": at / f"{name}.msg", "sig": at / f"{name}.sig", "pub": at / f"{name}.{public}", "pcrs": at / f"{name}.pcrs",
             "eventlog": at / f"{name}.log"}
    if ima:
        (at / f"{name}.ima").write_bytes(ima)
        files["ima"] = at / f"{name}.ima"
    return Boot(at, files)
