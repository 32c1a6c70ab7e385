# SPDX-License-Identifier: Apache-2.0
"""Devices of a whole server that enrolled by token, and what others' programs say of their certificates."""

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import serialization

import server_support
from server_support import free_ports, new_key, openssl


class Device:
    """Enrolled by a token: id, and the files of its certificate and key."""

    def __init__(self, server, folder, name="device"):
        self.server, self.key, self.certificate = server, folder / f"{name}.key", folder / f"{name}.crt"
        key = new_key()
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        _, answer = server.enrol_by_token(key)
        self.id = answer["device"]
        self.certificate.write_text(answer["certificate"])
        self.serial = openssl("x509", "-in", self.certificate, "-noout", "-serial").decode().strip().split("=")[1]

    def session(self):
        """A live TLS session that was admitted: it has asked once, and stays."""
        tls = self.server.context((self.certificate, self.key))
        stream = tls.wrap_socket(socket.create_connection(("127.0.0.1", self.server.devices)), server_hostname="localhost")
        stream.sendall(b"GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b"\r\n\r\n{" not in answer or not answer.endswith(b"}"):
            answer += stream.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return stream

    def revoke(self, verb="device.revoke"):
        status, answer = self.server.act(verb, self.id)
        assert status == 200, answer


class Server(server_support.Server):
    """With `revocation.url` in its configuration: certificates say where theirs is told."""

    def __init__(self, folder, **revocation):
        super().__init__(folder)
        keys = {"url": f'"{self.url}"', **revocation}
        with open(self.config, "a", encoding="ascii") as f:
            f.write("revocation: {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n")
        text = openssl("x509", "-in", self.folder / "ca.crt", "-noout", "-ext", "subjectKeyIdentifier").decode()
        self.kid = re.search(r"([0-9A-F]{2}:)+[0-9A-F]{2}", text)[0].replace(":", "").lower()

    def start(self):
        super().start()
        while True:
            try:
                self.crl()
                return self
            except urllib.error.HTTPError as error:
                assert error.code == 503, error
                time.sleep(0.02)

    def admin(self, *request, **more):
        self.asked = time.monotonic()  # an action was signed before
        return super().admin(*request, **more)

    def crl(self, ending="crl"):
        with urllib.request.urlopen(f"{self.url}/crl/{self.kid}.{ending}", timeout=server_support.PATIENCE) as answer:
            return answer.read()

    def serials(self):
        """What the list says: serial number → reason or None."""
        text = openssl("crl", "-inform", "DER", "-noout", "-text", data=self.crl()).decode()
        return {m[1]: m[2] for m in re.finditer(
            r"Serial Number: ([0-9A-F]+)\n +Revocation Date: [^\n]+(?:\n +CRL entry extensions:\n +X509v3 CRL Reason Code: ?\n +([^\n]+))?", text)}

    def wait_listed(self, serial):
        server_support.until(lambda: serial in self.serials(), f"{serial} is not listed", every=0.02)


def vpn(folder, device, crl, log):
    """What the server's side of one handshake logged last: OpenVPN point to point over loopback, without an interface. In `folder`: ca.crt,
    tls/server.crt and its key."""
    (port,) = free_ports(1)
    common = ["openvpn", "--dev", "null", "--proto", "udp", "--ca", str(folder / "ca.crt"), "--verb", "3", "--ping-exit", "60"]
    gate = subprocess.Popen(
        [*common, "--local", "127.0.0.1", "--lport", str(port), "--tls-server", "--dh", "none", "--remote-cert-tls", "client",
         "--cert", str(folder / "tls" / "server.crt"), "--key", str(folder / "tls" / "server.key"), "--crl-verify", str(crl)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    peer = subprocess.Popen(
        [*common, "--remote", "127.0.0.1", str(port), "--nobind", "--tls-client", "--remote-cert-tls", "server", "--cert",
         str(device.certificate), "--key", str(device.key)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        with open(log, "w", encoding="utf-8") as f:
            for line in gate.stdout:
                f.write(line)
                if re.search("Peer Connection Initiated|VERIFY ERROR|CRL: cannot read|Exiting", line):
                    return line
    finally:
        for process in (peer, gate):
            process.terminate()
            process.wait(30)
    return log.read_text()
