# SPDX-License-Identifier: Apache-2.0
"""An EasyRSA CA is taken over by a server: its devices go on, its revocations stay, whoever holds against its list sees both."""

import base64
import hashlib
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import easyrsa_pki
import support
from revocation_support import Server, vpn
from server_support import b64, needs_root, new_key, openssl, spki_of, until

pytestmark = needs_root


class World:
    """A server that took over the CA of `folder`."""

    def __init__(self, folder, start=True, **more):
        folder.mkdir(exist_ok=True)
        (folder / "easyrsa").mkdir()
        self.pki = easyrsa_pki.usual(folder / "easyrsa", **more)
        text = openssl("x509", "-in", self.pki.pki / "ca.crt", "-noout", "-ext", "subjectKeyIdentifier").decode()
        self.kid = re.search(r"([0-9A-F]{2}:)+[0-9A-F]{2}", text)[0].replace(":", "").lower()
        self.server = Server(folder)
        self.server.policy(two_signatures="[]", requires="[platform]")
        if start:
            self.install()
            self.server.start()

    def install(self, *more, code=0):
        return self.server.run("ca", "import-easyrsa", "--server", self.server.folder, *more, self.pki.pki, code=code)

    def take_over(self, code=0):
        return self.server.cli("ca", "import-easyrsa", "--class", "gateway", "--reason", "from EasyRSA", self.pki.pki, code=code)

    def poll(self, name):
        certificate, key = self.pki.pki / f"issued/{name}.crt", self.pki.pki / f"private/{name}.key"
        return self.server.device("GET", "/v1/poll", certificate=(certificate, key))

    def crl(self, ending="pem"):
        """The list of the old CA."""
        return self.server.log_page(f"/crl/{self.kid}.{ending}")

    def listed(self):
        text = openssl("crl", "-inform", "DER", "-noout", "-text", data=self.crl("crl")).decode()
        return {m.lower() for m in re.findall(r"Serial Number: ([0-9A-F]+)", text)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("world"))
    # gw-3 was revoked, and its files with it were moved: the copy that a thief has is this one.
    revoked = one.pki.pki / "revoked"
    serial = one.pki.row("gw-3")[1][3]
    one.stolen = revoked / f"certs_by_serial/{serial}.crt", revoked / f"private_by_serial/{serial}.key"
    said = one.take_over()
    assert "2 certificates are admitted" in said and "1 certificates are in this CA's list" in said
    yield one
    one.server.stop()


def test_its_devices_are_admitted(world):
    for name in ("gw-1", "gw-2"):
        status, answer = world.poll(name)
        assert status == 200, answer
    devices = {d["hostname"]: d for d in world.server.get("/api/v1/devices")["devices"]}
    assert set(devices) == {"gw-1", "gw-2"} and devices["gw-1"]["class"] == "gateway" and devices["gw-1"]["state"] == "enrolled"


def test_curl_and_openssl_come_with_an_old_certificate(world):
    issued, private = world.pki.pki / "issued/gw-1.crt", world.pki.pki / "private/gw-1.key"
    done = subprocess.run(["curl", "-sS", "--cacert", world.server.folder / "ca.crt", "--cert", issued, "--key", private, "-w", "%{http_code}",
                           f"https://localhost:{world.server.devices}/v1/poll"], capture_output=True, check=False, text=True)
    assert done.returncode == 0 and done.stdout.endswith("200"), done
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{world.server.devices}", "-CAfile", world.server.folder / "ca.crt", "-cert",
                           issued, "-key", private, "-quiet", "-verify_return_error"],
                          input=b"GET /v1/poll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, check=False)
    assert b"HTTP/1.1 200" in done.stdout, done


def test_the_revoked_and_the_expired_are_not(world):
    status, answer = world.server.device("GET", "/v1/poll", certificate=world.stolen)
    assert status == 403 and answer["error"]["code"] == "unknown-certificate"
    status, answer = world.poll("old")
    assert status == 403 and answer["error"]["code"] == "unknown-certificate"
    with pytest.raises(OSError, match="unsupported certificate"):
        world.poll("vpn")


def test_one_that_its_key_signs_later_is_nobodys(world):
    world.pki.client("late")
    status, answer = world.poll("late")
    assert status == 403 and answer["error"]["code"] == "unknown-certificate"
    world.pki.revoke("late", "superseded")


def test_operators_do_not_come_with_one(world):
    issued, private = world.pki.pki / "issued/gw-1.crt", world.pki.pki / "private/gw-1.key"
    with pytest.raises(OSError):
        world.server.request(world.server.operators, "GET", "/api/v1/status", certificate=(issued, private))


def test_the_list_is_the_old_cas(world, tmp_path):
    until(lambda: world.pki.serial("gw-3") in world.listed(), "gw-3 is not listed")
    (tmp_path / "crl.pem").write_bytes(world.crl())
    ca = world.pki.pki / "ca.crt"
    rc, out, err = support.run(["inspect", "crl", "--json", "--ca", ca, tmp_path / "crl.pem"])
    assert rc == 0, err
    assert '"issuer": "CN=Old CA"' in out and '"reason": "keyCompromise"' in out
    _, fields = world.pki.row("gw-3")
    when = fields[2].split(",")[0]
    assert f"20{when[:2]}-{when[2:4]}-{when[4:6]}T{when[6:8]}:{when[8:10]}:{when[10:12]}Z" in out
    verify = ["openssl", "verify", "-crl_check", "-CAfile", ca, "-CRLfile", tmp_path / "crl.pem"]
    assert subprocess.run([*verify, world.pki.pki / "issued/gw-1.crt"], capture_output=True, check=False).returncode == 0
    refused = subprocess.run([*verify, world.stolen[0]], capture_output=True, check=False)
    assert refused.returncode != 0 and b"certificate revoked" in refused.stderr
    # The issuing CA's own list does not have it.
    assert world.pki.serial("gw-3").upper() not in world.server.serials()


def ocsp(world, ca, *certificates, code=0, nonce="-nonce"):
    asked = [arg for path in certificates for arg in ("-cert", path)]
    done = subprocess.run(["openssl", "ocsp", "-issuer", ca, "-CAfile", ca, nonce, "-url", f"http://127.0.0.1:{world.server.public}/ocsp", *map(str, asked)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    return done.stdout + done.stderr


@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
def test_ocsp_answers_for_it(world, nonce):
    """The old CA signs its answers itself: openssl holds them against its certificate. It knows what was imported and what is revoked."""
    ca = world.pki.pki / "ca.crt"
    good, vpn = world.pki.pki / "issued/gw-1.crt", world.pki.pki / "issued/vpn.crt"
    until(lambda: world.pki.serial("gw-3") in world.listed(), "gw-3 is not listed")
    said = ocsp(world, ca, good, world.stolen[0], vpn, nonce=nonce)
    assert "Response verify OK" in said and f"{good}: good" in said and f"{world.stolen[0]}: revoked" in said and f"{vpn}: unknown" in said
    assert ("Nonce" in said) is False or nonce == "-nonce"
    for _ in range(2):  # the second is one that was kept
        assert f"{good}: good" in ocsp(world, ca, good, nonce=nonce)
    # a number of two CAs is two certificates
    text = subprocess.run(["openssl", "ocsp", "-issuer", world.server.folder / "ca.crt", "-CAfile", world.server.folder / "ca.crt", "-serial",
                           f"0x{world.pki.serial('gw-1')}", "-url", f"http://127.0.0.1:{world.server.public}/ocsp"], capture_output=True, text=True, check=True)
    assert "unknown" in text.stdout
    # and one question about certificates of both is nobody's
    mixed = subprocess.run(["openssl", "ocsp", "-issuer", ca, "-cert", good, "-issuer", world.server.folder / "ca.crt", "-cert",
                            world.server.folder / "operators/admin.crt", "-CAfile", ca, "-url", f"http://127.0.0.1:{world.server.public}/ocsp"],
                           capture_output=True, text=True, check=False)
    assert "unauthorized" in mixed.stdout + mixed.stderr


def test_openvpn_goes_on_refusing_the_revoked(world, tmp_path):
    """The gateway that had the old CA's crl.pem fetches its list from here."""
    if shutil.which("openvpn") is None:
        pytest.skip("openvpn is not installed")
    (tmp_path / "tls").mkdir()
    shutil.copy(world.pki.pki / "ca.crt", tmp_path / "ca.crt")
    shutil.copy(world.pki.pki / "issued/vpn.crt", tmp_path / "tls/server.crt")
    shutil.copy(world.pki.pki / "private/vpn.key", tmp_path / "tls/server.key")
    until(lambda: world.pki.serial("gw-3") in world.listed(), "gw-3 is not listed")
    (tmp_path / "crl.pem").write_bytes(world.crl())
    good = SimpleNamespace(certificate=world.pki.pki / "issued/gw-1.crt", key=world.pki.pki / "private/gw-1.key")
    bad = SimpleNamespace(certificate=world.stolen[0], key=world.stolen[1])
    assert "Peer Connection Initiated" in vpn(tmp_path, good, tmp_path / "crl.pem", tmp_path / "good.log")
    assert "certificate revoked" in vpn(tmp_path, bad, tmp_path / "crl.pem", tmp_path / "bad.log")


def test_doing_it_again_changes_nothing(world):
    before = world.server.get("/api/v1/devices")["devices"]
    assert "2 certificates are admitted" in world.take_over()
    assert "done" in world.install()
    assert [d["device"] for d in world.server.get("/api/v1/devices")["devices"]] == [d["device"] for d in before]
    # Both that EasyRSA has revoked by now, each once.
    until(lambda: world.listed() == {world.pki.serial("gw-3"), world.pki.serial("late")}, "the list is another")


def test_a_certificate_of_another_device_of_the_same_ca_is_not_taken_for_it(world):
    other = easyrsa_pki.Pki(world.pki.folder / "other", name="Old CA")
    certificate, key = other.client("gw-1")
    with pytest.raises(OSError):
        world.server.device("GET", "/v1/poll", certificate=(certificate, key))


def renew(world, name, device):
    key = new_key()
    proof = key.sign(b"chainhold-token-renew/v1\0" + hashlib.sha256(bytes.fromhex(device)).digest() + spki_of(key), ec.ECDSA(hashes.SHA256()))
    pair = world.pki.pki / f"issued/{name}.crt", world.pki.pki / f"private/{name}.key"
    return world.server.device("POST", "/v1/renew", {"public_key": b64(spki_of(key)), "proof": b64(proof)}, certificate=pair)


def test_a_device_renews_here(world, tmp_path):
    devices = {d["hostname"]: d["device"] for d in world.server.get("/api/v1/devices")["devices"]}
    status, answer = renew(world, "gw-1", devices["gw-1"])
    assert status == 201, answer
    (tmp_path / "new.crt").write_text(answer["certificate"])
    assert openssl("verify", "-CAfile", world.server.folder / "ca.crt", tmp_path / "new.crt")
    assert answer["device"] == devices["gw-1"]
    world.server.wait(f"/api/v1/devices/{answer['device']}", lambda d: d["state"] == "trusted")


def est(world, name, subject, tmp_path):
    """simplereenroll with curl, as somebody without an agent does it: a new key, the old certificate."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "est.key", "-subj", subject,
            "-outform", "DER", "-out", tmp_path / "est.csr")
    (tmp_path / "est.b64").write_bytes(base64.encodebytes((tmp_path / "est.csr").read_bytes()))
    done = subprocess.run(["curl", "-sS", "--cacert", world.server.folder / "ca.crt", "--cert", world.pki.pki / f"issued/{name}.crt", "--key",
                           world.pki.pki / f"private/{name}.key", "-H", "Content-Type: application/pkcs10", "--data-binary",
                           f"@{tmp_path / 'est.b64'}", "-w", "%{stderr}%{http_code}",
                           f"https://localhost:{world.server.devices}/.well-known/est/simplereenroll"], capture_output=True, check=True)
    return done.stderr.decode(), done.stdout


def test_a_device_without_an_agent_renews_by_est(world, tmp_path):
    status, body = est(world, "gw-2", "/CN=gw-2", tmp_path)
    assert status == "200", body
    certificates = openssl("pkcs7", "-inform", "DER", "-print_certs", data=base64.b64decode(body))
    (tmp_path / "new.crt").write_bytes(certificates)
    assert openssl("verify", "-CAfile", world.server.folder / "ca.crt", tmp_path / "new.crt")
    assert b"gw-2" in openssl("x509", "-in", tmp_path / "new.crt", "-noout", "-subject")
    # Not as another one.
    status, body = est(world, "gw-2", "/CN=gw-1", tmp_path)
    assert status == "403" and b"name" in body


def test_what_is_revoked_here_is_in_the_old_cas_list(world):
    world.server.cli("device", "revoke", "gw-2", "--reason", "stolen")
    status, answer = world.poll("gw-2")
    assert status == 403 and answer["error"]["code"] == "revoked"
    until(lambda: world.pki.serial("gw-2") in world.listed(), "gw-2 is not listed")
    assert world.pki.serial("gw-2").upper() not in world.server.serials()
    # And stays revoked, whatever the old folder says.
    assert "was not taken over" not in world.take_over()
    assert world.poll("gw-2")[0] == 403


def test_the_list_survives_a_restart(world):
    world.server.replace("signer")
    before = world.listed()
    world.server.stop()
    world.server.start()
    until(lambda: world.kid and before == world.listed(), "the list is another")
    assert world.poll("gw-1")[0] == 200 and world.poll("gw-2")[0] == 403


def test_one_that_the_old_ca_revokes_later(world):
    world.pki.revoke("gw-1", "superseded")
    serial = world.pki.serial("gw-1")
    pair = tuple(world.pki.pki / f"revoked/{kind}_by_serial/{serial.upper()}.{ending}" for kind, ending in (("certs", "crt"), ("private", "key")))
    assert world.server.device("GET", "/v1/poll", certificate=pair)[0] == 200
    world.take_over()
    assert world.server.device("GET", "/v1/poll", certificate=pair)[0] == 403
    until(lambda: serial in world.listed(), "gw-1 is not listed")


@pytest.mark.parametrize("kind", [{"EASYRSA_ALGO": "ec", "EASYRSA_CURVE": "secp384r1"}, {"EASYRSA_ALGO": "ed", "EASYRSA_CURVE": "ed25519"}])
def test_a_key_of_another_kind_behind_a_passphrase(tmp_path, kind):
    one = World(tmp_path / "world", start=False, nopass=False, **kind)
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase")
    wrong.chmod(0o600)
    assert "does not open it" in one.install("--passphrase-file", wrong, code=1)
    assert "others can read it" in (wrong.chmod(0o644) or one.install("--passphrase-file", wrong, code=1))
    assert not list((one.server.folder / "state/signer").glob("earlier-*"))
    one.install("--passphrase-file", one.pki.folder / "pass")
    with one.server:
        one.take_over()
        assert one.poll("gw-1")[0] == 200
        until(lambda: one.pki.serial("gw-3") in one.listed(), "gw-3 is not listed")
        (tmp_path / "crl.pem").write_bytes(one.crl())
        done = subprocess.run(["openssl", "crl", "-in", tmp_path / "crl.pem", "-CAfile", one.pki.pki / "ca.crt", "-noout"], capture_output=True,
                              check=False)
        assert b"verify OK" in done.stderr, done


def test_a_ca_that_the_server_does_not_have(tmp_path):
    one = World(tmp_path / "world", start=False)
    with one.server:
        assert "earlier_cas" in one.take_over(code=1)
