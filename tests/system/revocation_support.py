# SPDX-License-Identifier: Apache-2.0
"""Devices of a whole server that enrolled by token, and what others' programs say of their certificates."""

import hashlib
import re
import secrets
import socket
import ssl
import struct
import time
import urllib.error
import urllib.request

import whole_server
from device_tpm import b64
from whole_server import openssl

PROOF = b"chainhold-token-enrol/v1\0"


class Device:
    """Enrolled by a token: id, and the files of its certificate and key."""

    def __init__(self, server, folder, name="device"):
        self.server, self.key, self.certificate = server, folder / f"{name}.key", folder / f"{name}.crt"
        token = secrets.token_urlsafe(24)
        digest = hashlib.sha256(token.encode()).digest()
        status, answer = 503, None
        while status == 503:  # until the log's signer has said where the log is
            status, answer = server.act("token.create", "gateway", digest + struct.pack(">Q", int(time.time()) + 600))
        assert status == 200, answer
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        spki = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        proof = openssl("dgst", "-sha256", "-sign", self.key, data=PROOF + digest + spki)
        status, answer = server.device("POST", "/v1/enrol/token", {"token": token, "public_key": b64(spki), "proof": b64(proof)})
        assert status == 201, answer
        self.id = answer["device"]
        self.certificate.write_text(answer["certificate"])
        self.serial = openssl("x509", "-in", self.certificate, "-noout", "-serial").decode().strip().split("=")[1]

    def session(self):
        """A live TLS session that was admitted: it has asked once, and stays."""
        tls = ssl.create_default_context(cafile=self.server.folder / "ca.crt")
        tls.load_cert_chain(self.certificate, self.key)
        stream = tls.wrap_socket(socket.create_connection(("127.0.0.1", self.server.devices), 30), server_hostname="localhost")
        stream.sendall(b"GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b"\r\n\r\n{" not in answer or not answer.endswith(b"}"):
            answer += stream.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return stream

    def revoke(self, verb="device.revoke"):
        status, answer = self.server.act(verb, self.id)
        assert status == 200, answer


class Server(whole_server.Server):
    """With `revocation.url` in its configuration: certificates say where theirs is told."""

    def __init__(self, folder, **revocation):
        super().__init__(folder)
        self.url = f"http://127.0.0.1:{self.public}"
        keys = {"url": f'"{self.url}"', **revocation}
        with open(self.folder / "chainholdd.yaml", "a", encoding="ascii") as f:
            f.write("revocation: {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n")
        text = openssl("x509", "-in", self.folder / "ca.crt", "-noout", "-ext", "subjectKeyIdentifier").decode()
        self.kid = re.search(r"([0-9A-F]{2}:)+[0-9A-F]{2}", text)[0].replace(":", "").lower()

    def start(self):
        super().start()
        while True:
            try:
                return self.crl()
            except urllib.error.HTTPError as error:
                assert error.code == 503, error

    def admin(self, *request):
        self.asked = time.monotonic()  # an action was signed before
        return super().admin(*request)

    def crl(self, ending="crl"):
        with urllib.request.urlopen(f"{self.url}/crl/{self.kid}.{ending}", timeout=30) as answer:
            return answer.read()

    def serials(self):
        """What the list says: serial number → reason or None."""
        text = openssl("crl", "-inform", "DER", "-noout", "-text", data=self.crl()).decode()
        return {m[1]: m[2] for m in re.finditer(
            r"Serial Number: ([0-9A-F]+)\n +Revocation Date: [^\n]+(?:\n +CRL entry extensions:\n +X509v3 CRL Reason Code: ?\n +([^\n]+))?", text)}

    def wait_listed(self, serial):
        while serial not in self.serials():
            time.sleep(0.02)
