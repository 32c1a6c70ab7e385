# SPDX-License-Identifier: Apache-2.0
"""EST (RFC 7030) on the whole server, by curl with openssl, and by strongSwan's pki."""

import base64
import contextlib
import datetime
import hashlib
import re
import secrets
import shutil
import socket
import sqlite3
import ssl
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import server_support
from server_support import needs_root, openssl, token_payload, until
from support import BIN

pytestmark = needs_root
PROFILES = {
    "default": "profile: default\nclass: gateway\nsubject: ['O=Lab', 'CN={name}']\nnames: ['dns:{name}', 'uri:urn:chainhold:device:{device}']\n"
               "keys: [p256, p384, ed25519, rsa]\nenrol_by: [token]\n",
    "manual": "profile: manual\nclass: gateway\nsubject: ['CN=m-{name}']\nkeys: [p256]\nenrol_by: [token]\napproval: operator\nlifetime: 1h\n",
    "short": "profile: short\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nenrol_by: [token]\npurposes: [client, server]\n"
             "key_usage: [digital-signature, key-agreement]\nlifetime: 2d\n",
    "linked": "profile: linked\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nenrol_by: [token]\nlinking: required\n",
}
KEYS = {"p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "ed25519": ["ED25519"],
        "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "weak": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]}


class Server(server_support.Server):
    """A whole server with certificate profiles."""

    def __init__(self, folder, profiles, **more):
        super().__init__(folder, **more)
        for name, text in profiles.items():
            (self.folder / "certificate_profiles" / f"{name}.yaml").write_text(text)
        self.policy(enrolment="{ek: any-trusted-root, token: allowed}")

    def token(self, name="gateway"):
        token = secrets.token_urlsafe(24)
        status, answer = self.act("token.create", name, token_payload(token))
        assert status == 200, answer
        return token

    def curl(self, op, *args, label="", tls=(), data=None, kind="application/pkcs10"):
        """(status, headers, body) of a request as a shell script makes it."""
        url = f"https://localhost:{self.devices}/.well-known/est/{label}{op}"
        body = ("-H", f"Content-Type: {kind}", "--data-binary", "@-") if data is not None else ()
        done = subprocess.run(["curl", "-s", "-S", "-i", "--cacert", self.folder / "ca.crt", *tls, *body, *args, url], input=data,
                              capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body

    def enrol(self, csr, token, label="", op="simpleenroll", args=()):
        return self.curl(op, "-u", f"anyone:{token}", *args, label=label, data=csr)

    def metrics(self):
        """/metrics, when each process has told of what it did (once a second)."""
        time.sleep(1.2)
        at = self.folder / "operators"
        return subprocess.run(["curl", "-s", "--cacert", self.folder / "ca.crt", "--cert", at / "admin.crt", "--key", at / "admin.key",
                               f"https://localhost:{self.operators}/metrics"], capture_output=True, check=True).stdout.decode()

    def wait_for_line(self, text):
        """Until the server has said this."""
        until(lambda: any(text in line for line in self.lines), self.said)


def new_key(folder, kind="p256", name="device"):
    openssl("genpkey", "-algorithm", *KEYS[kind], "-out", folder / f"{name}.key")
    return folder / f"{name}.key"


def csr_of(key, subject, *extensions, wrap=False):
    more = [part for e in extensions for part in ("-addext", e)]
    der = openssl("req", "-new", "-key", key, "-subj", subject, *more, "-outform", "DER")
    return base64.encodebytes(der) if wrap else base64.b64encode(der)


def certificates(folder, body):
    """The certificates in a certs-only message, as PEM."""
    (folder / "p7").write_bytes(base64.b64decode(body))
    pem = openssl("pkcs7", "-inform", "DER", "-in", folder / "p7", "-print_certs").decode()
    return ["-----BEGIN CERTIFICATE-----" + part.split("-----END")[0] + "-----END CERTIFICATE-----\n" for part in pem.split("-----BEGIN CERTIFICATE-----")[1:]]


def text_of(pem):
    return openssl("x509", "-noout", "-text", data=pem.encode()).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("est"), PROFILES) as one:
        yield one


def test_cacerts_need_no_authentication(server, tmp_path):
    for label in ("", "manual/"):
        status, headers, body = server.curl("cacerts", label=label)
        assert (status, headers["content-type"]) == (200, "application/pkcs7-mime") and "content-length" in headers
        (pem,) = certificates(tmp_path, body)
        assert openssl("x509", data=pem.encode()) == openssl("x509", "-in", server.folder / "ca.crt")


def test_csrattrs_are_those_of_the_profile(server):
    status, headers, body = server.curl("csrattrs")
    shown = openssl("asn1parse", "-inform", "DER", data=base64.b64decode(body)).decode()
    assert (status, headers["content-type"]) == (200, "application/csrattrs")
    assert all(o in shown for o in ("id-ecPublicKey", "prime256v1", "secp384r1", "rsaEncryption", "ED25519"))
    assert "secp384r1" not in openssl("asn1parse", "-inform", "DER", data=base64.b64decode(server.curl("csrattrs", label="manual/")[2])).decode()
    assert server.curl("csrattrs", label="nothing/")[0] == 404


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
def test_a_device_enrols_with_a_token(server, tmp_path, kind):
    key, token, name = new_key(tmp_path, kind), server.token(), f"gw-{kind}"
    status, headers, body = server.enrol(csr_of(key, f"/O=Lab/CN={name}", f"subjectAltName=DNS:{name}"), token)
    assert (status, headers["content-type"]) == (200, "application/pkcs7-mime; smime-type=certs-only"), body
    (pem,) = certificates(tmp_path, body)
    (tmp_path / "device.crt").write_text(pem)
    assert openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", server.folder / "ca.crt", tmp_path / "device.crt").strip().endswith(b"OK")
    text = text_of(pem)
    assert f"Subject: O = Lab, CN = {name}" in text and f"DNS:{name}" in text and "URI:urn:chainhold:device:" in text
    assert "TLS Web Client Authentication" in text and "CA:FALSE" in text
    assert openssl("x509", "-in", tmp_path / "device.crt", "-pubkey", "-noout") == openssl("pkey", "-in", key, "-pubout")
    device = next(d for d in server.admin("GET", "/api/v1/devices?limit=500")[1]["devices"] if d["hostname"] == name)
    assert device["state"] == "enrolled" and device["device"] in text
    # What it may ask of the server with it.
    status, polled = server.device("GET", "/v1/poll", certificate=(tmp_path / "device.crt", key))
    assert (status, polled["device"]) == (200, device["device"])


def test_lifetime_and_purposes_are_the_profiles(server, tmp_path):
    key = new_key(tmp_path)
    csr = csr_of(key, "/CN=short-1", "extendedKeyUsage=serverAuth", "keyUsage=digitalSignature")
    (pem,) = certificates(tmp_path, server.enrol(csr, server.token(), label="short/")[2])
    text = text_of(pem)
    assert "TLS Web Client Authentication, TLS Web Server Authentication" in text and "Digital Signature, Key Agreement" in text
    first, last = openssl("x509", "-noout", "-startdate", "-enddate", "-dateopt", "iso_8601", data=pem.encode()).decode().split("\n")[:2]
    begin, end = (time.mktime(time.strptime(d.split("=")[1], "%Y-%m-%d %H:%M:%SZ")) for d in (first, last))
    assert end - begin == 2 * 86400 + 3600  # back-dated by an hour


def test_a_request_in_lines_and_a_path_with_the_label_in_front(server, tmp_path):
    csr = csr_of(new_key(tmp_path), "/O=Lab/CN=lines-1", wrap=True)
    status, _, body = server.enrol(csr, server.token())
    assert status == 200 and body.count(b"\n") == 1
    url = f"https://localhost:{server.devices}/default/.well-known/est/cacerts"
    done = subprocess.run(["curl", "-s", "--cacert", server.folder / "ca.crt", url], capture_output=True, check=True)
    assert len(certificates(tmp_path, done.stdout)) == 1


def test_a_repeated_request_gets_the_same_certificate(server, tmp_path):
    csr, token = csr_of(new_key(tmp_path), "/O=Lab/CN=again-1"), server.token()
    first = server.enrol(csr, token)
    assert first[0] == 200
    second = server.enrol(csr, token)
    assert second[0] == 200 and second[2] == first[2]
    other = csr_of(new_key(tmp_path, name="other"), "/O=Lab/CN=again-2")
    status, _, body = server.enrol(other, token)
    assert status == 401 and b"token" in body


def test_a_device_asks_for_its_next_certificate(server, tmp_path):
    key = new_key(tmp_path)
    (pem,) = certificates(tmp_path, server.enrol(csr_of(key, "/O=Lab/CN=next-1"), server.token())[2])
    (tmp_path / "old.crt").write_text(pem)
    new, tls = new_key(tmp_path, name="new"), ("--cert", tmp_path / "old.crt", "--key", key)
    status, _, body = server.curl("simplereenroll", tls=tls, data=csr_of(new, "/O=Lab/CN=next-1"))
    assert status == 200, body
    (after,) = certificates(tmp_path, body)
    assert text_of(after).split("URI:")[1][:55] == text_of(pem).split("URI:")[1][:55]  # the same device
    again = server.curl("simplereenroll", tls=tls, data=csr_of(new, "/O=Lab/CN=next-1"))
    assert again[2] == body
    # Under the new one, with the same key: renewal.
    (tmp_path / "new.crt").write_text(after)
    status, _, body = server.curl("simplereenroll", tls=("--cert", tmp_path / "new.crt", "--key", new), data=csr_of(new, "/O=Lab/CN=next-1"))
    assert status == 200 and certificates(tmp_path, body)[0] != after


# --- strongSwan ---


def pki(*args, code=0, **more):
    done = subprocess.run(["pki", *map(str, args)], capture_output=True, check=False, **more)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout


@pytest.fixture
def swan(server, tmp_path):
    """A request of strongSwan's own making."""
    (tmp_path / "d.key").write_bytes(pki("--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem"))

    def make(name, dn):
        (tmp_path / "d.csr").write_bytes(pki("--req", "--in", tmp_path / "d.key", "--type", "priv", "--dn", dn, "--san", name, "--outform", "pem"))
        return tmp_path / "d.csr"
    return make


def test_strongswan_fetches_the_ca(server, tmp_path):
    pki("--estca", "--url", f"https://localhost:{server.devices}", "--cacert", server.folder / "ca.crt", "--caout", tmp_path / "ca", "--outform",
        "pem", "--force")
    got = next(tmp_path.glob("ca*"))
    assert openssl("x509", "-in", got) == openssl("x509", "-in", server.folder / "ca.crt")


def test_strongswan_enrols_and_re_enrols(server, swan, tmp_path):
    url, ca = f"https://localhost:{server.devices}", server.folder / "ca.crt"
    csr = swan("swan-1", "O=Lab, CN=swan-1")
    pem = pki("--est", "--url", url, "--cacert", ca, "--in", csr, "--userpass", f"x:{server.token()}", "--outform", "pem")
    (tmp_path / "d.crt").write_bytes(pem)
    assert openssl("verify", "-CAfile", ca, tmp_path / "d.crt").strip().endswith(b"OK")
    after = pki("--est", "--url", url, "--cacert", ca, "--in", csr, "--cert", tmp_path / "d.crt", "--key", tmp_path / "d.key", "--outform", "pem")
    assert openssl("x509", "-noout", "-subject", data=after) == openssl("x509", "-noout", "-subject", data=pem) and after != pem


# --- what must not be certified ---


def csr_with_challenge(folder, key, name, challenge, organisation="O=Lab\n"):
    (folder / "challenge.cnf").write_text("[req]\nprompt=no\ndistinguished_name=dn\nattributes=at\n[dn]\n"
                                          f"{organisation}CN={name}\n[at]\nchallengePassword={challenge}\n")
    return openssl("req", "-new", "-config", folder / "challenge.cnf", "-key", key, "-outform", "DER")


@pytest.fixture
def issued(server):
    """Nothing is issued in the test, and what is refused is logged with its rule."""
    count = issued_count(server)
    rules = []
    yield rules
    assert issued_count(server) == count
    for rule in rules:
        server.wait_for_line(rule)


def issued_count(server):
    text = server.metrics()
    return [line for line in text.splitlines() if line.startswith('chainhold_signer_certificates_total{result="issued"}')]


BAD = {
    "ca": ("/O=Lab/CN=bad-1", ["basicConstraints=critical,CA:TRUE"], 403, "profile: basicConstraints"),
    "another-organisation": ("/O=Other/CN=bad-1", [], 403, "profile: subject.O"),
    "another-attribute": ("/O=Lab/OU=Admins/CN=bad-1", [], 403, "profile: subject.OU"),
    "another-name": ("/O=Lab/CN=bad-1", ["subjectAltName=DNS:bank.example"], 403, "profile: subjectAltName.dNSName"),
    "an-address": ("/O=Lab/CN=bad-1", ["subjectAltName=IP:192.0.2.1"], 403, "profile: subjectAltName.iPAddress"),
    "a-server": ("/O=Lab/CN=bad-1", ["extendedKeyUsage=serverAuth"], 403, "profile: extKeyUsage.1.3.6.1.5.5.7.3.1"),
    "a-signing-key": ("/O=Lab/CN=bad-1", ["keyUsage=keyCertSign"], 403, "profile: keyUsage"),
    "an-extension": ("/O=Lab/CN=bad-1", ["tlsfeature=status_request"], 403, "profile: extension.1.3.6.1.5.5.7.1.24"),
    "no-name": ("/O=Lab", [], 403, "profile: subject: the request does not say"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_goes_beyond_the_profile_is_refused_by_name(server, issued, tmp_path, case):
    subject, extensions, wanted, rule = BAD[case]
    status, headers, body = server.enrol(csr_of(new_key(tmp_path), subject, *extensions), server.token())
    assert (status, headers["content-type"]) == (wanted, "text/plain; charset=utf-8") and body.decode().startswith(rule), body
    issued.append(rule)


def test_a_weak_key(server, issued, tmp_path):
    status, _, body = server.enrol(csr_of(new_key(tmp_path, "weak"), "/O=Lab/CN=bad-2"), server.token())
    assert status == 400 and b"possession: the key is weak" in body
    issued.append("possession: the key is weak")


def test_a_bad_signature(server, issued, tmp_path):
    der = bytearray(base64.b64decode(csr_of(new_key(tmp_path), "/O=Lab/CN=bad-3")))
    der[der.index(b"bad-3") + 4] = ord("4")
    status, _, body = server.enrol(base64.b64encode(der), server.token())
    assert status == 400 and b"possession: the signature does not prove" in body
    issued.append("possession: the signature does not prove")


def test_the_name_of_another_device(server, tmp_path):
    assert server.enrol(csr_of(new_key(tmp_path), "/O=Lab/CN=mine-1"), server.token())[0] == 200
    count = issued_count(server)
    for subject, extension in (("/O=Lab/CN=Mine-1", []), ("/O=Lab", ["subjectAltName=DNS:mine-1"])):
        status, _, body = server.enrol(csr_of(new_key(tmp_path, name="other"), subject, *extension), server.token())
        assert status == 403 and b"name: subject: this is the name of another device" in body
    server.wait_for_line("this is the name of another device")
    assert issued_count(server) == count


def test_a_request_replayed_by_another(server, tmp_path):
    """Whoever has seen a request can prove possession by it; the key is another's, and so is the name."""
    key = new_key(tmp_path)
    csr = csr_of(key, "/O=Lab/CN=replay-1")
    assert server.enrol(csr, server.token())[0] == 200
    before = issued_count(server)
    status, _, body = server.enrol(csr, server.token())
    assert status == 403 and b"this is the name of another device" in body
    status, _, body = server.enrol(csr_of(key, "/O=Lab/CN=replay-2"), server.token())
    assert status == 403 and b"this is the key of another device" in body
    assert issued_count(server) == before
    server.wait_for_line("this is the key of another device")


def test_a_megabyte_and_other_bodies(server, issued, tmp_path):
    token = server.token()
    for body, wanted, rule in ((b"A" * (1 << 20), 413, "too-large"), (b"!!!!", 400, "request: byte 0"), (b"AAAA", 400, "request: byte 0"), (b"", 400, "request")):
        status, _, answer = server.enrol(body, token)
        assert status == wanted and answer.decode().startswith(rule), answer
        issued.append(rule)
    pem = openssl("req", "-new", "-key", new_key(tmp_path), "-subj", "/O=Lab/CN=pem-1")
    status, _, answer = server.enrol(pem, token)
    assert status == 400 and b"the body is PEM" in answer
    assert server.curl("simpleenroll", "-u", f"x:{token}", data=b"AAAA", kind="text/plain")[0] == 415


def test_nobody_and_whoever_is_not_it(server, issued, tmp_path):
    csr = csr_of(new_key(tmp_path), "/O=Lab/CN=nobody-1")
    status, headers, _ = server.curl("simpleenroll", data=csr)
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="est"')
    assert server.enrol(csr, "not a token")[0] == 401
    assert server.enrol(csr, server.token(), op="simplereenroll")[0] == 401
    assert server.enrol(csr, server.token(), label="nothing/")[0] == 404
    operator = ("--cert", server.folder / "operators" / "admin.crt", "--key", server.folder / "operators" / "admin.key")
    assert server.curl("simpleenroll", tls=operator, data=csr)[0] == 403
    assert server.curl("serverkeygen", data=csr)[0] == 404 and server.curl("cacerts", data=csr)[0] == 405
    issued.append("credentials: a client certificate")


def test_a_device_keeps_its_name_profile_and_others_stay_out(server, tmp_path):
    key = new_key(tmp_path)
    (pem,) = certificates(tmp_path, server.enrol(csr_of(key, "/O=Lab/CN=keeps-1"), server.token())[2])
    (tmp_path / "d.crt").write_text(pem)
    tls, count = ("--cert", tmp_path / "d.crt", "--key", key), issued_count(server)
    for op, label, subject, rule in (("simplereenroll", "", "/O=Lab/CN=keeps-2", "name: subject: the device is called otherwise"),
                                     ("simplereenroll", "short/", "/CN=keeps-1", "profile: the certificate was issued under another profile"),
                                     ("simpleenroll", "", "/O=Lab/CN=keeps-3", "registration-authority: ")):
        status, _, body = server.curl(op, label=label, tls=tls, data=csr_of(key, subject))
        assert status == 403 and body.decode().startswith(rule), body
        server.wait_for_line(rule)
    assert issued_count(server) == count


def test_a_revoked_certificate_asks_for_nothing(server, tmp_path):
    key = new_key(tmp_path)
    (pem,) = certificates(tmp_path, server.enrol(csr_of(key, "/O=Lab/CN=revoked-1"), server.token())[2])
    (tmp_path / "d.crt").write_text(pem)
    device = next(d for d in server.admin("GET", "/api/v1/devices?limit=500")[1]["devices"] if d["hostname"] == "revoked-1")
    assert server.act("device.revoke", device["device"])[0] == 200
    count = issued_count(server)
    status, _, body = server.curl("simplereenroll", tls=("--cert", tmp_path / "d.crt", "--key", key), data=csr_of(key, "/O=Lab/CN=revoked-1"))
    assert status == 403 and body.decode().startswith("revoked: this certificate is revoked")
    server.wait_for_line("revoked: this certificate is revoked")
    assert issued_count(server) == count
    # Its name is free for the device that takes its place.
    assert server.enrol(csr_of(new_key(tmp_path, name="after"), "/O=Lab/CN=revoked-1"), server.token())[0] == 200


# --- linked to the connection, and the sequences of libest ---


class Tls12:
    """One request a connection over TLS 1.2, as libest makes them; `unique` is its tls-unique."""

    def __init__(self, server, agent="libest 3.2.0p"):
        self.agent = agent
        context = ssl.create_default_context(cafile=server.folder / "ca.crt")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls = context.wrap_socket(socket.create_connection(("localhost", server.devices)), server_hostname="localhost")
        self.unique = base64.b64encode(self.tls.get_channel_binding("tls-unique")).decode()

    def ask(self, method, op, body=b"", token=None):
        head = f"{method} /.well-known/est/{op} HTTP/1.1\r\nUser-Agent: {self.agent}\r\nConnection: close\r\nHost: localhost\r\nAccept: */*\r\n"
        if token is not None:
            head += f"Authorization: Basic {base64.b64encode(f'estuser:{token}'.encode()).decode()}\r\n"
        if body:
            head += f"Content-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n"
        self.tls.sendall(head.encode() + b"\r\n" + body)
        answer = b""
        while more := self.tls.recv(65536):
            answer += more
        self.tls.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


def test_the_sequence_of_libest(server, tmp_path):
    """cacerts in lines; the request in lines, first without credentials, then with them on a new connection; the answer in lines."""
    status, body = Tls12(server).ask("GET", "cacerts")
    assert status == 200 and all(len(line) <= 64 for line in body.split(b"\n")) and len(certificates(tmp_path, body)) == 1
    assert Tls12(server, agent="another").ask("GET", "cacerts")[1].count(b"\n") == 1
    assert Tls12(server).ask("GET", "csrattrs")[0] == 200
    key, token = new_key(tmp_path), server.token()
    first = Tls12(server)
    csr = csr_with_challenge(tmp_path, key, "libest-1", first.unique)
    assert first.ask("POST", "simpleenroll", base64.encodebytes(csr))[0] == 401
    second = Tls12(server)
    csr = csr_with_challenge(tmp_path, key, "libest-1", second.unique)
    status, body = second.ask("POST", "simpleenroll", base64.encodebytes(csr), token)
    assert status == 200, body
    assert body.count(b"\n") > 5 and "CN = libest-1" in text_of(certificates(tmp_path, body)[0])


def test_a_request_of_another_connection(server, issued, tmp_path):
    seen = Tls12(server)
    csr = csr_with_challenge(tmp_path, new_key(tmp_path), "linked-1", seen.unique)
    status, body = Tls12(server).ask("POST", "simpleenroll", base64.b64encode(csr), server.token())
    assert status == 403 and body.startswith(b"linking: challengePassword")
    issued.append("linking: challengePassword is not what names this connection")


class Tls13:
    """The same over TLS 1.3 by openssl s_client, which tells what names the connection (RFC 9266)."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-tls1_3", "-connect", f"localhost:{server.devices}", "-CAfile", server.folder / "ca.crt", "-keymatexport",
             "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-ign_eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = b""
        while b"Keying material:" not in line:
            line = self.process.stdout.readline()
            assert line
        self.exporter = base64.b64encode(bytes.fromhex(line.split()[-1].decode())).decode()

    def enrol(self, label, csr, token):
        body, basic = base64.b64encode(csr), base64.b64encode(f":{token}".encode()).decode()
        self.process.stdin.write(f"POST /.well-known/est/{label}simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {basic}\r\n"
                                 f"Content-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        self.process.stdin.flush()
        answer, _ = self.process.communicate()
        return int(re.search(rb"HTTP/1\.1 (\d+)", answer)[1]), answer


def test_a_profile_that_wants_requests_linked(server, tmp_path):
    shown = openssl("asn1parse", "-inform", "DER", data=base64.b64decode(server.curl("csrattrs", label="linked/")[2])).decode()
    assert "challengePassword" in shown
    key = new_key(tmp_path)
    status, _, body = server.enrol(csr_of(key, "/CN=linked-2"), server.token(), label="linked/")
    assert status == 403 and body.startswith(b"linking: the profile wants the request linked")
    seen, own, token = Tls13(server), Tls13(server), server.token()
    made = csr_with_challenge(tmp_path, key, "linked-2", own.exporter, organisation="")
    assert seen.enrol("linked/", made, token)[0] == 403
    status, answer = own.enrol("linked/", made, token)
    assert status == 200, re.split(rb"\r\n\r\n", answer)[1][:200]


# --- an operator's word ---


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A server with a manufacturer's CA, a registration authority, and profiles for whom these speak."""
    folder = tmp_path_factory.mktemp("others")
    maker = folder / "maker"
    maker.mkdir()
    new_key(maker, name="root")
    openssl("req", "-x509", "-new", "-key", maker / "root.key", "-subj", "/O=Maker/CN=Maker IDevID CA", "-days", "30", "-out", maker / "root.crt")
    one = Server(folder, OTHERS)
    (one.folder / "idevid_roots").mkdir()
    (one.folder / "idevid_roots" / "maker.pem").write_bytes((maker / "root.crt").read_bytes())
    config = one.folder / "chainholdd.yaml"
    config.write_text(config.read_text() + "idevid_roots: idevid_roots\n")
    one.maker = maker
    with one:
        yield one


OTHERS = {
    "default": "profile: default\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nenrol_by: [token]\n",
    "maker": "profile: maker\nclass: gateway\nsubject: ['O=Lab', 'CN={name}']\nkeys: [p256]\nenrol_by: [idevid]\n",
    "ra": "profile: ra\nclass: gateway\nsubject: ['O=Lab', 'CN={name}']\nkeys: [p256]\nenrol_by: [token]\npurposes: [client, registration-authority]\n",
    "field": "profile: field\nclass: gateway\nsubject: ['CN={name}']\nkeys: [p256]\nenrol_by: [registration-authority]\n",
}


def requests(server, state="waiting"):
    return server.admin("GET", f"/api/v1/enrolments?state={state}")[1]["enrolments"]


def test_an_enrolment_waits_for_an_operator(server, tmp_path):
    csr, token = csr_of(new_key(tmp_path), "/CN=m-wait-1"), server.token()
    status, headers, _ = server.enrol(csr, token, label="manual/")
    assert (status, headers["retry-after"]) == (202, "60")
    assert server.enrol(csr, token, label="manual/")[0] == 202
    (row,) = [r for r in requests(server) if r["name"] == "wait-1"]
    assert (row["profile"], row["by"]) == ("manual", "token")
    assert server.act("enrolment.approve", "00" * 32)[0] == 404
    assert server.act("enrolment.approve", row["request"])[0] == 200
    status, _, body = server.enrol(csr, token, label="manual/")
    assert status == 200 and "CN = m-wait-1" in text_of(certificates(tmp_path, body)[0])
    assert server.act("enrolment.refuse", row["request"])[0] == 409


def test_an_enrolment_that_an_operator_refuses(server, tmp_path):
    csr, token = csr_of(new_key(tmp_path), "/CN=m-refuse-1"), server.token()
    assert server.enrol(csr, token, label="manual/")[0] == 202
    (row,) = [r for r in requests(server) if r["name"] == "refuse-1"]
    assert server.act("enrolment.approve", row["request"])[0] == 200
    assert server.act("enrolment.refuse", row["request"])[0] == 200
    status, _, body = server.enrol(csr, token, label="manual/")
    assert status == 403 and body.startswith(b"refused: an operator refused")


def test_strongswan_polls_until_an_operator_approves(server, swan, tmp_path):
    csr, token = swan("swan-2", "CN=m-swan-2"), server.token()
    url = f"https://localhost:{server.devices}/manual"
    # The name in subjectAltName is not the profile's: this request is refused by name.
    pki("--est", "--url", url, "--cacert", server.folder / "ca.crt", "--in", csr, "--userpass", f"x:{token}", code=1)
    made = pki("--req", "--in", tmp_path / "d.key", "--type", "priv", "--dn", "CN=m-swan-2", "--outform", "pem")
    csr.write_bytes(made)
    with subprocess.Popen(["pki", "--est", "--url", url, "--cacert", server.folder / "ca.crt", "--in", csr, "--userpass", f"x:{token}", "--interval", "1",
                           "--outform", "pem"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as polling:
        while not (rows := [r for r in requests(server) if r["name"] == "swan-2"]):
            time.sleep(0.1)
        assert server.act("enrolment.approve", rows[0]["request"])[0] == 200
        pem, _ = polling.communicate()
        assert polling.returncode == 0
    assert "CN = m-swan-2" in text_of(pem.decode())


def test_the_commands(server, tmp_path):
    csr, token = csr_of(new_key(tmp_path), "/CN=m-command-1"), server.token()
    assert server.enrol(csr, token, label="manual/")[0] == 202
    config = server.folder / "chainhold.yaml"
    listed = subprocess.run([BIN, "--config", config, "enrolment", "list"], capture_output=True, check=True, text=True).stdout
    request = next(line.split()[0] for line in listed.splitlines() if "command-1" in line)
    done = subprocess.run([BIN, "--config", config, "enrolment", "approve", "--reason", "known", request], capture_output=True, check=False, text=True)
    assert done.returncode == 0 and "enrolment.approve" in done.stdout, done.stderr
    assert server.enrol(csr, token, label="manual/")[0] == 200


# --- manufacturers, registration authorities ---


def idevid(server, folder, serial, ca=None, days="30"):
    """A device as its manufacturer ships it: key and certificate."""
    ca = ca or server.maker / "root"
    key = new_key(folder, name="idevid")
    openssl("x509", "-req", "-in", "/dev/stdin", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", days, "-out", folder / "idevid.crt",
            data=openssl("req", "-new", "-key", key, "-subj", f"/O=Maker/serialNumber={serial}"))
    return "--cert", folder / "idevid.crt", "--key", key


def test_a_device_enrols_with_its_idevid(others, tmp_path):
    tls, key = idevid(others, tmp_path, "SN-1"), new_key(tmp_path)
    status, _, body = others.curl("simpleenroll", label="maker/", tls=tls, data=csr_of(key, "/O=Lab"))  # its name is the manufacturer's word
    assert status == 200, body
    (pem,) = certificates(tmp_path, body)
    assert "CN = SN-1" in text_of(pem)
    # It enrols again: it is the same device, and what it had before ends.
    named = [d["device"] for d in others.admin("GET", "/api/v1/devices?limit=500")[1]["devices"] if d["hostname"] == "SN-1"]
    (tmp_path / "old.crt").write_text(pem)
    status, _, body = others.curl("simpleenroll", label="maker/", tls=tls, data=csr_of(new_key(tmp_path, name="new"), "/O=Lab/CN=SN-1"))
    assert status == 200, body
    assert [d["device"] for d in others.admin("GET", "/api/v1/devices?limit=500")[1]["devices"] if d["hostname"] == "SN-1"] == named
    assert others.device("GET", "/v1/poll", certificate=(tmp_path / "old.crt", key))[0] == 403
    # Nothing else is open to it.
    status, answer = others.device("GET", "/v1/poll", certificate=(tmp_path / "idevid.crt", tmp_path / "idevid.key"))
    assert (status, answer["error"]["code"]) == (403, "unknown-certificate")


def test_an_idevid_that_does_not_speak_for_it(others, tmp_path):
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
    tls = idevid(others, tmp_path / "one", "SN-2")
    status, _, body = others.curl("simpleenroll", label="maker/", tls=tls, data=csr_of(new_key(tmp_path), "/O=Lab/CN=SN-3"))
    assert status == 403 and body.startswith(b"profile: subject.CN")
    status, _, body = others.curl("simpleenroll", tls=tls, data=csr_of(new_key(tmp_path), "/CN=SN-2"))
    assert status == 403 and body.startswith(b"idevid-refused")
    # One that has ended, and one of another CA of the same name: TLS ends.
    for made in (idevid(others, tmp_path / "two", "SN-4", days="-1"), None):
        if made is None:
            new_key(tmp_path, name="root")
            openssl("req", "-x509", "-new", "-key", tmp_path / "root.key", "-subj", "/O=Maker/CN=Maker IDevID CA", "-days", "30", "-out", tmp_path / "root.crt")
            made = idevid(others, tmp_path / "three", "SN-5", ca=tmp_path / "root")
        with pytest.raises(subprocess.CalledProcessError):
            others.curl("simpleenroll", label="maker/", tls=made, data=csr_of(new_key(tmp_path), "/O=Lab"))


def test_a_registration_authority_asks_for_others(others, tmp_path):
    key = new_key(tmp_path, name="ra")
    (pem,) = certificates(tmp_path, others.enrol(csr_of(key, "/O=Lab/CN=ra-1"), others.token(), label="ra/")[2])
    assert "1.3.6.1.5.5.7.3.28" in text_of(pem) or "CMC Registration Authority" in text_of(pem)
    (tmp_path / "ra.crt").write_text(pem)
    tls = ("--cert", tmp_path / "ra.crt", "--key", key)
    made = []
    for name in ("field-1", "field-2"):
        status, _, body = others.curl("simpleenroll", label="field/", tls=tls, data=csr_of(new_key(tmp_path, name=name), f"/CN={name}"))
        assert status == 200, body
        made.append(text_of(certificates(tmp_path, body)[0]))
    assert "CN = field-1" in made[0] and "CN = field-2" in made[1]
    status, _, body = others.curl("simpleenroll", tls=tls, data=csr_of(new_key(tmp_path), "/CN=field-3"))
    assert status == 403 and b"the profile takes nothing from registration authorities" in body
    # Its challengePassword is of a connection between others.
    passed = csr_with_challenge(tmp_path, new_key(tmp_path, name="field-4"), "field-4", "AAAA", organisation="")
    assert others.curl("simpleenroll", label="field/", tls=tls, data=base64.b64encode(passed))[0] == 200


# --- a store of an earlier program ---

# What migration 18 and those after it did, undone.
BEFORE_18 = ("DROP INDEX est_request_device", "ALTER TABLE est_request DROP COLUMN device", "CREATE UNIQUE INDEX est_request_key ON est_request (tenant, key)",
             "CREATE UNIQUE INDEX certificate_sha256 ON certificate (tenant, sha256)", "ALTER TABLE evidence DROP COLUMN agent",
             "DELETE FROM schema_version WHERE number >= 18")  # fmt: skip


def test_a_store_of_an_earlier_schema_answers_as_before(others, tmp_path):
    key, token = new_key(tmp_path), others.token()
    csr = csr_of(key, "/CN=earlier-1")
    first = others.enrol(csr, token)
    (pem,) = certificates(tmp_path, first[2])
    (tmp_path / "old.crt").write_text(pem)
    others.stop()
    at = others.folder / "state" / "store" / "chainhold.db"
    with contextlib.closing(sqlite3.connect(at)) as store:
        for text in BEFORE_18:
            store.execute(text)
        store.commit()
    shutil.copy(at, tmp_path / "copy.db")
    told = subprocess.run([BIN.parent / "chainhold-keeper", "--migrate", "--dry-run", tmp_path / "copy.db"], capture_output=True, text=True, check=True).stdout
    assert "DROP INDEX certificate_sha256" in told and "est_request_device" in told and "CREATE TABLE" not in told
    others.lines.clear()
    others.start()
    assert others.enrol(csr, token)[2] == first[2]
    status, _, body = others.enrol(csr_of(key, "/CN=earlier-2"), others.token())
    assert status == 403 and b"this is the key of another device" in body
    new, tls = new_key(tmp_path, name="new"), ("--cert", tmp_path / "old.crt", "--key", key)
    status, _, body = others.curl("simplereenroll", tls=tls, data=csr_of(new, "/CN=earlier-1"))
    assert status == 200, body
    assert others.curl("simplereenroll", tls=tls, data=csr_of(new, "/CN=earlier-1"))[2] == body
    # Numbers of certificates grow, are of 16 octets, and their ends are nobody's choice.
    was, now = (x509.load_pem_x509_certificate(text.encode()).serial_number for text in (pem, certificates(tmp_path, body)[0]))
    assert was.bit_length() == now.bit_length() == 127 and was < now and was % 2**80 != now % 2**80


# --- the end of a certificate ---


def ended(server, folder, key, name, days):
    """The certificate of a device as if it had been issued long ago: the same CA, name and key, its end `days` ago."""
    der = openssl("x509", "-outform", "DER", data=certificates(folder, server.enrol(csr_of(key, f"/CN={name}"), server.token())[2])[0].encode())
    old = x509.load_der_x509_certificate(der)
    ca_key = serialization.load_pem_private_key((server.folder / "state" / "signer" / "ca.key").read_bytes(), None)
    end = datetime.datetime.utcnow() - datetime.timedelta(days=days)
    made = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number + 1, end - datetime.timedelta(days=30), end, list(old.extensions))
    new = made.sign(ca_key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(new.public_bytes(serialization.Encoding.PEM))
    server.stop()
    with contextlib.closing(sqlite3.connect(server.folder / "state" / "store" / "chainhold.db")) as store:
        raw = new.public_bytes(serialization.Encoding.DER)
        done = store.execute("UPDATE certificate SET sha256 = ?, der = ?, not_after = ? WHERE sha256 = ?",
                             (hashlib.sha256(raw).digest(), raw, int(end.replace(tzinfo=datetime.timezone.utc).timestamp()), hashlib.sha256(der).digest()))
        assert done.rowcount == 1
        store.commit()
    server.lines.clear()
    server.start()
    return folder / f"{name}.crt"


@pytest.mark.parametrize("days,admitted", [(1, True), (399, True), (401, False)])
def test_an_ended_certificate_asks_for_the_next_one_only(others, tmp_path, days, admitted):
    key, name = new_key(tmp_path), f"ended-{days}"
    crt = ended(others, tmp_path, key, name, days)
    status, answer = others.device("GET", "/v1/poll", certificate=(crt, key))
    assert (status, answer["error"]["code"]) == (403, "expired")
    tls = ("--cert", crt, "--key", key)
    assert others.curl("simpleenroll", tls=tls, data=csr_of(key, f"/CN={name}"))[0] == 403
    status, _, body = others.curl("simplereenroll", tls=tls, data=csr_of(key, f"/CN={name}"))
    assert status == (200 if admitted else 403), body
    if not admitted:
        assert body.startswith(b"expired: the certificate has ended longer ago than the profile's grace")
        others.wait_for_line("longer ago than the profile's grace")


# --- the server's own clock ---


def test_a_clock_behind_the_log_stops_issuance_until_it_is_accepted(others, tmp_path):
    """The last entry of the log says an hour from now: as if the server's clock had been set back while it was down."""
    assert others.enrol(csr_of(new_key(tmp_path), "/CN=clock-0"), others.token())[0] == 200
    others.stop()
    with contextlib.closing(sqlite3.connect(others.folder / "state" / "store" / "chainhold.db")) as store:
        store.execute("UPDATE leaf SET time = ? WHERE seq = (SELECT max(seq) FROM leaf)", (int((time.time() + 3600) * 1000),))
        store.commit()
    others.lines.clear()
    others.start()
    others.wait_for_line("the server's clock is behind the last entry of the log: no certificate is issued until an operator accepts it")
    csr, token = csr_of(new_key(tmp_path, name="clock"), "/CN=clock-1"), others.token()
    status, headers, body = others.enrol(csr, token)
    assert status == 503 and body.startswith(b"clock: ") and "retry-after" in headers
    assert "chainhold_keeper_clock_alarm 1" in others.metrics()
    command = [BIN, "--config", others.folder / "chainhold.yaml"]
    shown = subprocess.run([*command, "status"], capture_output=True, check=True, text=True).stdout
    assert "behind the last entry of the log" in shown and "chainhold clock accept" in shown
    done = subprocess.run([*command, "clock", "accept", "--reason", "looked at it"], capture_output=True, check=False, text=True)
    assert done.returncode == 0 and "clock.accept" in done.stdout, done.stderr
    assert others.enrol(csr, token)[0] == 200
    assert others.admin("GET", "/api/v1/status")[1]["clock"] is None
    again = subprocess.run([*command, "clock", "accept", "--reason", "again"], capture_output=True, check=False, text=True)
    assert again.returncode == 1 and "nobody doubts" in again.stderr
