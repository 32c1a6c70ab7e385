# SPDX-License-Identifier: Apache-2.0
"""A device with a TPM as its maker ships it: EK certificates of a manufacturer, an AK, a key for TLS, and what it sends to enrol."""

import base64
import hashlib
import json
import shutil
import socket
import struct
import subprocess

import pytest

import live_tpm

EK_RSA, EK_P384 = 0x81010001, 0x81010016
EK_CERT = {EK_RSA: 0x1C00002, EK_P384: 0x1C00016}
AK_HANDLE, KEY_HANDLE = 0x81010100, 0x81010101
PURPOSE = b"chainhold-key/v1\0"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def needed():
    live_tpm.needed()
    if shutil.which("swtpm_setup") is None:
        pytest.skip("swtpm_setup is not installed (tools/deps.sh check)")


class Maker:
    """A manufacturer: a root, an issuer, and TPMs with certificates of it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "localca.conf").write_text("".join(f"{key} = {folder}/{value}\n" for key, value in (
            ("statedir", ""), ("signingkey", "signkey.pem"), ("issuercert", "issuercert.pem"), ("certserial", "certserial"))))
        (folder / "localca.options").write_text("--platform-manufacturer Lab\n--platform-version 2.1\n--platform-model QEMU\n")
        (folder / "setup.conf").write_text(
            "create_certs_tool = /usr/bin/swtpm_localca\n"
            f"create_certs_tool_config = {folder}/localca.conf\ncreate_certs_tool_options = {folder}/localca.options\n"
            "active_pcr_banks = sha256\n")

    def der(self, name):
        return subprocess.run(["openssl", "x509", "-in", self.folder / name, "-outform", "DER"], capture_output=True, check=True,
                              timeout=60).stdout

    @property
    def root(self):
        return self.der("swtpm-localca-rootca-cert.pem")

    @property
    def issuer(self):
        return self.der("issuercert.pem")

    def make(self, folder):
        """A new device in `folder`."""
        (folder / "state").mkdir()
        done = subprocess.run(["swtpm_setup", "--tpm2", "--tpmstate", folder / "state", "--create-ek-cert", "--lock-nvram",
                               "--overwrite", "--config", self.folder / "setup.conf"], capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
        return Device(folder, self)


class Device(live_tpm.Tpm):
    """One device. Its EK is the RSA one unless `use` is called."""

    def __init__(self, folder, maker):
        self.folder, self.socket, self.maker = folder, folder / "tpm", maker
        self.start()
        self.ek = EK_RSA

    def read(self, name):
        return (self.folder / name).read_bytes()

    def ek_public(self):
        if self.ek == "p256":
            self.call("createek", "-Q", "-G", "ecc", "-c", "ek.ctx", "-u", "ek.pub")
        else:
            self.call("readpublic", "-Q", "-c", hex(self.ek), "-f", "tss", "-o", "ek.pub")
        return self.read("ek.pub")

    def ek_certificate(self):
        if self.ek == "p256":
            return None
        self.tool("nvread", "-Q", hex(EK_CERT[self.ek]), "-C", "o", "-o", "ek.der")
        return self.read("ek.der")

    def persist(self, name, handle):
        self.tool("evictcontrol", "-Q", "-C", "o", "-c", f"{name}.ctx", hex(handle))
        self.tool("flushcontext", "-t")

    def make_keys(self, ak_attributes=live_tpm.SIGNING, key_attributes=live_tpm.UNRESTRICTED):
        self.create("ak", "ecc256:ecdsa-sha256:null", ak_attributes)
        self.persist("ak", AK_HANDLE)
        self.make_key(key_attributes)

    def make_key(self, attributes=live_tpm.UNRESTRICTED, algorithm="ecc256:ecdsa-sha256:null", name="key"):
        self.tool("evictcontrol", "-Q", "-C", "o", "-c", hex(KEY_HANDLE), check=False)
        self.create(name, algorithm, attributes)
        self.persist(name, KEY_HANDLE)

    def raw(self, command):
        retry = 0x922  # TPM_RC_RETRY: the same command again
        code = retry
        while code == retry:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(str(self.socket))
                s.sendall(command)
                answer = s.recv(4096)
            code = struct.unpack_from(">HII", answer)[2]
        assert code == 0, answer[:10].hex()
        return answer

    def certify(self, qualifying, key=KEY_HANDLE, ak=AK_HANDLE):
        """TPM2_Certify (Part 3, 18.2), which tpm2_certify 5.4 cannot give qualifyingData: (TPMS_ATTEST, TPMT_SIGNATURE)."""
        password = struct.pack(">IHBH", 0x40000009, 0, 1, 0)
        body = struct.pack(">IIII", 0x148, key, ak, 2 * len(password)) + 2 * password + \
            struct.pack(">H", len(qualifying)) + qualifying + struct.pack(">H", 0x0010)
        answer = self.raw(struct.pack(">HI", 0x8002, 6 + len(body)) + body)
        (size,) = struct.unpack_from(">I", answer, 10)
        parameters = answer[14:14 + size]
        (attest,) = struct.unpack_from(">H", parameters)
        return parameters[2:2 + attest], parameters[2 + attest:]

    def qualifying(self):
        return hashlib.sha256(PURPOSE + self.ek_public()[2:]).digest()

    def enrolment(self, **changed):
        """The body of POST /v1/enrol, as bytes; keyword arguments replace members."""
        attest, signature = self.certify(self.qualifying())
        certificate = self.ek_certificate()
        body = {
            "ek_certificate": b64(certificate) if certificate else None,
            "ek_chain": [b64(self.maker.issuer)],
            "ek_public": b64(self.ek_public()),
            "ak_public": b64(self.read("ak.pub")),
            "key_public": b64(self.read("key.pub")),
            "key_certify": b64(attest),
            "key_certify_signature": b64(signature),
            "class": "gateway",
            "hostname": "test",
        }
        body.update(changed)
        return json.dumps(body).encode()

    def activate(self, answer):
        """What the TPM makes of the answer to it: the secret, or None."""
        blob, secret = unb64(answer["credential_blob"]), unb64(answer["encrypted_secret"])
        (self.folder / "credential").write_bytes(struct.pack(">II", 0xBADCC0DE, 1) + blob + secret)
        (self.folder / "opened").unlink(missing_ok=True)
        session = []
        if self.ek != EK_P384:  # its template lets the user in without a policy
            self.tool("startauthsession", "-Q", "--policy-session", "-S", "session")
            self.tool("policysecret", "-Q", "-S", "session", "-c", "e")
            session = ["-P", "session:session"]
        ek = "ek.ctx" if self.ek == "p256" else hex(self.ek)
        code = self.tool("activatecredential", "-Q", "-c", hex(AK_HANDLE), "-C", ek, "-i", "credential", "-o", "opened",
                         *session, check=False)
        self.tool("flushcontext", "-t")
        self.tool("flushcontext", "-l")
        return self.read("opened") if code == 0 else None

    def quote_nonce(self, nonce, name="q", selection=f"sha256:{live_tpm.ALL}"):
        self.call("quote", "-Q", "-c", hex(AK_HANDLE), "-l", selection, "-g", "sha256", "-q", nonce.hex(), "-m", f"{name}.msg",
                  "-s", f"{name}.sig", "-o", f"{name}.pcrs")
        return self.read(f"{name}.msg"), self.read(f"{name}.sig")
