# SPDX-License-Identifier: Apache-2.0
"""
The device API as a test double: a TLS server that makes real credentials (tpm2_makecredential), issues real certificates (openssl)
and checks quotes, with switches for what goes wrong. Judging boots is not its work: it says what a test tells it to say.
"""

import base64
import hashlib
import http.server
import json
import os
import ssl
import struct
import subprocess
import threading
import time

CURVE = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")  # SubjectPublicKeyInfo of P-256, but for the point


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point(public):
    """x and y of a TPM2B_PUBLIC on P-256, as a SubjectPublicKeyInfo: the unique field ends it."""
    return CURVE + public[-66:-34] + public[-32:]


def openssl(*args, cwd, data=None):
    return subprocess.run(["openssl", *map(str, args)], cwd=cwd, input=data, capture_output=True, check=True, timeout=60).stdout


class Authority:
    """A CA for the server and for devices, valid from 2020 on so that a floor in the past of today's date is covered."""

    def __init__(self, folder, names="DNS:localhost,IP:127.0.0.1"):
        self.folder = folder
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key", cwd=folder)
        openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=test CA", "-days", "3650", "-out", "ca.pem", cwd=folder)
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "server.key", cwd=folder)
        openssl("req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-out", "server.csr", cwd=folder)
        (folder / "server.ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1000",
                "-extfile", "server.ext", "-out", "server.pem", cwd=folder)

    def issue(self, spki, device):
        (self.folder / "device.spki").write_bytes(spki)
        openssl("pkey", "-pubin", "-inform", "DER", "-in", "device.spki", "-out", "device.pub", cwd=self.folder)
        (self.folder / "device.ext").write_text("extendedKeyUsage=clientAuth\n")
        return openssl("x509", "-new", "-force_pubkey", "device.pub", "-subj", f"/CN={device}", "-CA", "ca.pem", "-CAkey", "ca.key",
                       "-CAcreateserial", "-days", "30", "-extfile", "device.ext", cwd=self.folder).decode()


class Refused(Exception):
    def __init__(self, status, rule, code="refused"):
        super().__init__(rule)
        self.status, self.rule, self.code = status, rule, code


class Devices:
    """What the server knows and what it was asked. Fields in the first block are switches of a test."""

    def __init__(self, folder, authority):
        self.chain, self.state, self.reasons = "affirming", "TRUSTED", []
        self.interval, self.reattest_in, self.renew = 600, 0, False
        self.time = lambda: int(time.time())
        self.fail = {}  # path → number of answers with 503
        self.lifetime = 30 * 86400
        self.nonce_good = True
        self.wanted = False  # an attestation, now
        self.close = False  # after every answer

        self.folder, self.authority = folder, authority
        self.lock = threading.Condition()
        self.pending, self.nonces, self.answers = {}, {}, {}
        self.fleet_root = {}  # version → document
        self.updates = None  # an update_double.Updates
        self.known = {}  # device → {"ak": TPM2B_PUBLIC, "ek": …, "eventlog": bytes, "ima": bytes}
        self.certificates = []  # (device, SPKI)
        self.tokens = set()
        self.evidence = []  # what was accepted, in order
        self.requests = []  # (path, device)
        self.connections, self.resumed = 0, 0
        self.wire_in = self.wire_out = 0

    def wait(self, holds, seconds=30):
        with self.lock:
            assert self.lock.wait_for(holds, seconds), f"did not come; requests so far: {self.requests}"

    # --- routes ---

    def enrol(self, body, device, key):
        ek, ak = unb64(body["ek_public"]), unb64(body["ak_public"])
        self.check_certify(body, ak, ek)
        name = b"\x00\x0b" + hashlib.sha256(ak[2:]).digest()
        secret = os.urandom(32)
        (self.folder / "ek.tss").write_bytes(ek)
        (self.folder / "secret").write_bytes(secret)
        subprocess.run(["tpm2_makecredential", "-Q", "-T", "none", "-u", "ek.tss", "-s", "secret", "-n", name.hex(), "-o", "cred"],
                       cwd=self.folder, check=True, capture_output=True, timeout=30)
        cred = (self.folder / "cred").read_bytes()[8:]
        cut = 2 + struct.unpack(">H", cred[:2])[0]
        enrol = os.urandom(16).hex()
        self.pending[enrol] = (secret, ak, ek, point(unb64(body["key_public"])), body["class"])
        return {"enrol": enrol, "credential_blob": b64(cred[:cut]), "encrypted_secret": b64(cred[cut:])}

    def check_certify(self, body, ak, ek):
        attest, sig = unb64(body["key_certify"]), unb64(body["key_certify_signature"])
        public = unb64(body["key_public"])
        signer = 6 + struct.unpack_from(">H", attest, 6)[0] + 2
        size = struct.unpack_from(">H", attest, signer)[0]
        extra = attest[signer + 2:signer + 2 + size]
        if extra != hashlib.sha256(b"chainhold-key/v1\0" + ek[2:]).digest():
            raise Refused(422, "qualifyingData")
        if b"\x00\x0b" + hashlib.sha256(public[2:]).digest() not in attest:
            raise Refused(422, "name of the key")
        self.check_signature(ak, attest, sig)

    def check_signature(self, ak, message, sig):
        r_size = struct.unpack_from(">H", sig, 4)[0]
        r, s = sig[6:6 + r_size], sig[8 + r_size:]
        def integer(v):
            v = v.lstrip(b"\0") or b"\0"
            v = (b"\0" if v[0] & 0x80 else b"") + v
            return b"\x02" + bytes([len(v)]) + v
        body = integer(r) + integer(s)
        (self.folder / "ak.spki").write_bytes(point(ak))
        (self.folder / "sig.der").write_bytes(b"\x30" + bytes([len(body)]) + body)
        (self.folder / "message").write_bytes(message)
        try:
            openssl("dgst", "-sha256", "-verify", "ak.spki", "-keyform", "DER", "-signature", "sig.der", "message", cwd=self.folder)
        except subprocess.CalledProcessError as e:
            raise Refused(422, "signature") from e

    def certificate(self, device, spki, name):
        pem = self.authority.issue(spki, device)
        self.certificates.append((device, spki))
        now = self.time()
        return {"device": device, "class": name, "certificate": pem, "chain": (self.authority.folder / "ca.pem").read_text(),
                "not_after": now + self.lifetime, "time": now}

    def finish(self, body, device, key):
        secret, ak, ek, spki, name = self.pending.pop(body["enrol"])
        if unb64(body["secret"]) != secret:
            raise Refused(403, "secret")
        device = next((d for d, v in self.known.items() if v["ek"] == ek), os.urandom(16).hex())
        self.known[device] = {"ak": ak, "ek": ek, "eventlog": b"", "ima": b"", "class": name or "gateway"}
        return self.certificate(device, spki, name or "gateway")

    def token(self, body, device, key):
        digest = hashlib.sha256(body["token"].encode()).digest()
        if body["token"] not in self.tokens:
            raise Refused(403, "token")
        self.tokens.discard(body["token"])
        spki = unb64(body["public_key"])
        (self.folder / "key.spki").write_bytes(spki)
        (self.folder / "sig.der").write_bytes(unb64(body["proof"]))
        (self.folder / "message").write_bytes(b"chainhold-token-enrol/v1\0" + digest + spki)
        openssl("dgst", "-sha256", "-verify", "key.spki", "-keyform", "DER", "-signature", "sig.der", "message", cwd=self.folder)
        device = os.urandom(16).hex()
        self.known[device] = {"ak": b"", "ek": spki, "eventlog": b"", "ima": b"", "class": "sensor"}
        return self.certificate(device, spki, "sensor")

    def challenge(self, body, device, key):
        nonce = os.urandom(32).hex()
        self.nonces[nonce] = device
        have = {k: {"size": len(self.known[device][k]), "sha256": hashlib.sha256(self.known[device][k]).hexdigest()}
                for k in ("eventlog", "ima")}
        now = self.time()
        return {"nonce": nonce, "expires": now + 300, "time": now, "have": have, "interval": self.interval, "generation": 1,
                "fleet_root": max(self.fleet_root, default=0)}

    def post_evidence(self, body, device, key):
        if key in self.answers:
            return self.answers[key]
        quote = unb64(body["quote"])
        known = self.known[device]
        self.check_signature(known["ak"], quote, unb64(body["signature"]))
        signer = 6 + struct.unpack_from(">H", quote, 6)[0] + 2
        nonce = quote[signer + 2:signer + 34].hex()
        fresh = self.nonces.pop(nonce, None) == device and self.nonce_good
        if not body["history"] and not fresh:
            raise Refused(409, "nonce")
        for name in ("eventlog", "ima"):
            start = body[name]["from"]
            whole = known[name][:start] + unb64(body[name]["data"])
            if start > len(known[name]) or hashlib.sha256(whole).hexdigest() != body[name]["sha256"]:
                raise Refused(409, "log-join")
            if not body["history"]:
                known[name] = whole
        self.evidence.append({"device": device, "fresh": fresh, "history": body["history"], "key": key,
                              "collected": body["collected"], "quote": quote,
                              **{n: (body[n]["from"], unb64(body[n]["data"])) for n in ("eventlog", "ima")}})
        answer = {"chain": self.chain, "state": self.state, "links": {"boot": self.chain}, "reasons": self.reasons,
                  "evidence": len(self.evidence), "renew": self.renew, "reattest_in": self.reattest_in}
        self.renew = self.wanted = False
        self.answers[key] = answer
        return answer

    def renew_key(self, body, device, key):
        known = self.known[device]
        if not known["ak"]:
            spki = unb64(body["public_key"])
            (self.folder / "key.spki").write_bytes(spki)
            (self.folder / "sig.der").write_bytes(unb64(body["proof"]))
            (self.folder / "message").write_bytes(b"chainhold-token-renew/v1\0" + hashlib.sha256(bytes.fromhex(device)).digest() + spki)
            openssl("dgst", "-sha256", "-verify", "key.spki", "-keyform", "DER", "-signature", "sig.der", "message", cwd=self.folder)
            return self.certificate(device, spki, known["class"])
        self.check_certify(body, known["ak"], known["ek"])
        return self.certificate(device, point(unb64(body["key_public"])), known["class"])

    def status(self, body, device, key):
        return {"device": device, "class": self.known[device]["class"], "state": self.state, "chain": self.chain,
                "links": {}, "time": self.time()}

    def poll(self, body, device, key):
        return {"device": device, "state": self.state, "chain": self.chain, "reattest": self.wanted, "renew": self.renew,
                "generation": 1, "time": self.time(), "update": self.updates is not None and self.updates.state == "offered"}

    ROUTES = {"/v1/poll": (poll, True), "/v1/enrol": (enrol, False), "/v1/enrol/finish": (finish, False), "/v1/enrol/token": (token, False),
              "/v1/challenge": (challenge, True), "/v1/evidence": (post_evidence, True), "/v1/renew": (renew_key, True),
              "/v1/status": (status, True)}

    def serve(self, path, body, device, key):
        with self.lock:
            self.requests.append((path, device))
            try:
                if self.fail.get(path, 0) > 0:
                    self.fail[path] -= 1
                    raise Refused(503, "busy")
                if path not in self.ROUTES:
                    raise Refused(404, "route")
                route, needs = self.ROUTES[path]
                if needs and device not in self.known:
                    raise Refused(403, "nobody knows this certificate", "unknown-certificate")
                return 200, route(self, body, device, key)
            except Refused as e:
                return e.status, {"error": {"code": e.code, "rule": e.rule, "detail": path}}
            finally:
                self.lock.notify_all()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(size)
        peer = self.connection.getpeercert()
        device = dict(x[0] for x in peer["subject"])["commonName"] if peer else None
        devices = self.server.devices
        if self.path.startswith("/v1/fleet-root/"):
            return self.document(devices.fleet_root.get(int(self.path.rsplit("/", 1)[1])))
        if devices.updates is not None and devices.updates.serve(self, raw, device in devices.known):
            return None
        status, body = devices.serve(self.path, json.loads(raw) if raw else {}, device, self.headers.get("Idempotency-Key"))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if devices.close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def document(self, data):
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


class Listener(http.server.ThreadingHTTPServer):
    """One run of the server; `devices` outlives it."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, devices, port=0):
        self.devices = devices
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = devices.authority.folder
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.context.load_verify_locations(folder / "ca.pem")
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.open = []
        super().__init__(("127.0.0.1", port), Handler)
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def finish_request(self, request, client_address):
        request.settimeout(60)
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                self.devices.connections += 1
                self.devices.resumed += tls.session_reused or 0
                self.open.append(tls)
                super().finish_request(tls, client_address)
                tls.unwrap()
        except (OSError, ssl.SSLError, ValueError):
            pass

    def stop(self):
        self.shutdown()
        self.server_close()
        for tls in self.open:
            try:
                tls.shutdown(2)
            except OSError:
                pass
