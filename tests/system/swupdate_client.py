# SPDX-License-Identifier: Apache-2.0
"""
Debian's `swupdate`, unmodified, as a device: a signed .swu, a configuration with a client certificate, a plain file as what is updated.
docs/protocol/ddi.md shows the same configuration to people.
"""

import hashlib
import os
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from server_support import openssl

CONFIG = """globals : {{
    public-key-file = "{signer}";
}};
suricatta : {{
    enable = true;
    tenant = "DEFAULT";
    id = "{controller}";
    url = "{url}";
    polldelay = 5;
    retry = 4;
    retrywait = 1;
    cafile = "{ca}";
{more}}};
identify : (
    {{ name = "serial"; value = "0815"; }}
);
"""

CERTIFICATE = """    sslcert = "{certificate}";
    sslkey = "{key}";
"""

DESCRIPTION = """software = {{
    version = "1.4.0";
    hardware-compatibility: [ "1.0" ];
    images: ({{ filename = "image.bin"; device = "{target}"; type = "raw"; sha256 = "{sha256}"; }});
}}
"""

# What makes a key in a TPM work with any program that uses OpenSSL: without tpm2.rand!=yes TLS has no randomness.
TPM_CONF = """openssl_conf = init
[init]
providers = providers
alg_section = algorithms
[providers]
default = active
tpm2 = active
[active]
activate = 1
[algorithms]
default_properties = ?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes,tpm2.rand!=yes
"""
PROVIDERS = ["-provider", "tpm2", "-provider", "default"]


def needed():
    for program in ("swupdate", "cpio", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (tools/deps.sh check)")


def signer(folder, name="signer"):
    """A certificate that may sign images: SWUpdate asks for emailProtection or codeSigning."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-subj", f"/CN={name}", "-days", "30", "-addext",
            "extendedKeyUsage=critical,codeSigning,emailProtection", "-addext", "keyUsage=digitalSignature")
    return pem


class TpmKey:
    """A key that `openssl` makes and uses in the TPM behind `tcti`; it signs as keys of cryptography do."""

    def __init__(self, folder, tcti):
        (folder / "openssl.cnf").write_text(TPM_CONF)
        self.file, self.folder = folder / "device.key", folder
        self.env = {"OPENSSL_CONF": str(folder / "openssl.cnf"), "TPM2OPENSSL_TCTI": tcti}
        self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "group:P-256", "-out", self.file)
        assert "TSS2 PRIVATE KEY" in self.file.read_text()

    def run(self, command, *args):
        return subprocess.run(["openssl", command, *PROVIDERS, *map(str, args)], check=True, capture_output=True,
                              env={**os.environ, "TPM2OPENSSL_TCTI": self.env["TPM2OPENSSL_TCTI"]}).stdout

    def public_key(self):
        return serialization.load_der_public_key(self.run("pkey", "-in", self.file, "-pubout", "-outform", "DER"))

    def sign(self, data, _):
        (self.folder / "signed").write_bytes(data)
        return self.run("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-digest", "sha256", "-in", self.folder / "signed")


class Swupdate:
    """The device with its folder. `key` and `certificate` are files, `env` goes to swupdate; `controller` and these are the test's to set."""

    def __init__(self, folder, server):
        folder.mkdir()
        self.folder, self.server, self.controller = folder, server, None
        self.key, self.certificate = folder / "device.key", folder / "device.pem"
        self.signer = signer(folder)
        self.target = folder / "target"
        self.target.write_bytes(b"\0" * 65536)
        self.process, self.env = None, {}

    def image(self, content, by=None):
        """A .swu with this content, signed (CMS) by the folder's signer or another."""
        at = self.folder / "swu"
        at.mkdir(exist_ok=True)
        (at / "image.bin").write_bytes(content)
        (at / "sw-description").write_text(DESCRIPTION.format(target=self.target, sha256=hashlib.sha256(content).hexdigest()))
        by = by or self.signer
        openssl("cms", "-sign", "-in", at / "sw-description", "-out", at / "sw-description.sig", "-signer", by, "-inkey", by.with_suffix(".key"),
                "-outform", "DER", "-nosmimecap", "-binary")
        names = b"sw-description\nsw-description.sig\nimage.bin\n"
        return subprocess.run(["cpio", "-o", "-H", "crc", "--quiet"], input=names, cwd=at, capture_output=True, check=True).stdout

    def start(self, confirm=None, port=None, more=None):
        """`confirm` 2: the start after the reboot into what was installed; `more` takes the place of the client certificate."""
        more = CERTIFICATE.format(certificate=self.certificate, key=self.key) if more is None else more
        (self.folder / "swupdate.cfg").write_text(CONFIG.format(
            signer=self.signer, controller=self.controller, url=f"https://localhost:{port or self.server.devices}",
            ca=self.server.folder / "ca.crt", more=more))
        (self.folder / "tmp").mkdir(exist_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["swupdate", "-v", "-f", self.folder / "swupdate.cfg", "-k", self.signer, "-H", "gw:1.0",
                 "-u", "" if confirm is None else f"-c {confirm}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, "TMPDIR": str(self.folder / "tmp"), **self.env})

    def stays(self):
        """Starts it again if a signal ended it, as who keeps services would: to libraries that write to a socket without its care it is SIGPIPE."""
        if self.process.poll() is not None and self.process.returncode < 0:
            with open(self.folder / "log", "a") as log:
                log.write(f"ended by signal {-self.process.returncode}, started again\n")
            self.start()
        return True

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def log(self):
        return (self.folder / "log").read_text(errors="replace")
