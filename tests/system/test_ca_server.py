# SPDX-License-Identifier: Apache-2.0
"""The issuing CA and the root are rolled over while a device with a TPM works, with the whole server and the real agent: `chainhold ca`."""

import base64
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess

import pytest

from fleet_world import DAY, Fleet, certificates, put_over
from server_support import Server, needs_root, new_key, openssl, until
from softhsm import TOKEN_UID, Hsm, needs_softhsm, reach, token_config
from test_ca import PEM, Ceremony, fingerprint
from test_fleet_root_agent import World, age, kept

pytestmark = needs_root


class Ceremonial(Fleet):
    """A server that begins with an issuing CA of an offline root."""

    def __init__(self, folder, **more):
        super().__init__(folder, **more)
        self.ceremony = self.make_ceremony(folder)

    def make_ceremony(self, folder):
        one = Ceremony(folder, self.server.folder)
        one.first()
        return one

    def anchor(self, name):
        return certificates((self.ceremony.root / name).read_bytes())

    def first(self, **changed):
        return super().first(anchors=self.anchor("root-1.crt"), **changed)


class CaWorld(World, Ceremonial):
    def roll(self):
        """Another issuing CA by the newest root, at work."""
        self.ceremony.install(self.ceremony.sign(self.ceremony.request(word="rollover")))
        self.restart()
        self.wait_evidence()

    def serve(self):
        """The server shows a certificate of the CA that issues."""
        self.ceremony.ca("server", self.server.folder)
        self.restart()
        self.wait_evidence()

    def leaf(self):
        """The device's certificate."""
        chain = kept(self.device, "identity").read_bytes()
        path = self.folder / "leaf.pem"
        path.write_bytes(chain[chain.index(b"-----BEGIN"): chain.index(b"-----END CERTIFICATE-----") + 26])
        return path

    def cacerts(self, anchor):
        """What EST gives to a client that knows one root: PEM."""
        url = f"https://localhost:{self.server.devices}/.well-known/est/cacerts"
        body = subprocess.run(["curl", "-sS", "--fail", "--cacert", self.ceremony.root / anchor, url], capture_output=True, check=True).stdout
        path = self.folder / "cacerts.pem"
        path.write_bytes(openssl("pkcs7", "-inform", "DER", "-print_certs", data=base64.b64decode(body)))
        return path


@pytest.fixture
def world(tmp_path):
    one = CaWorld(tmp_path)
    yield one
    one.end()


def issuer(path):
    return openssl("x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in", path).decode().removeprefix("issuer=").strip()


def subject(path):
    return openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", path).decode().removeprefix("subject=").strip()


def renew(world):
    device, key = world.device, world.device.status()["key"]
    device.power_off()
    age(device, 70 * DAY)
    device.start()
    return device.wait_status(lambda s: s["key"] == key + 1 and s["attested"], 120)


def test_the_issuing_ca_and_the_root_are_rolled_over_while_a_device_works(world):
    device, at, root = world.device, world.server.folder, world.ceremony.root
    device.start()
    first = device.wait_status(lambda s: s["attested"])
    issuing = subject(at / "ca.crt")
    assert issuer(world.leaf()) == issuing
    # another issuing CA of the same root: the device's certificate is taken, and it has nothing to learn to trust the server's new one
    world.roll()
    assert subject(at / "ca.crt") != issuing and issuer(world.leaf()) == issuing
    world.serve()
    world.new_tls_key()
    assert renew(world)["device"] == first["device"]
    second = subject(at / "ca.crt")
    assert issuer(world.leaf()) == second
    # another root: a device that knows the old one alone follows the cross certificate
    world.ceremony.ca("rollover", "--passphrase", world.ceremony.secret, root)
    world.roll()
    world.serve()
    assert issuer(at / "tls/server.crt") == subject(at / "ca.crt") != second
    assert device.status()["fleet_root"] == 1
    # both anchors, then the new one alone
    world.step(anchors=world.anchor("root-1.crt") + world.anchor("root-2.crt"))
    world.wait_version(2)
    world.wait_evidence()
    world.step(anchors=world.anchor("root-2.crt"))
    world.wait_version(3)
    world.wait_evidence()
    status = renew(world)
    assert status["device"] == first["device"] and issuer(world.leaf()) == subject(at / "ca.crt")
    # its certificate holds for who knows either root and has what EST gives; a client of EST comes in by either
    for anchor in ("root-1.crt", "root-2.crt"):
        bag = world.cacerts(anchor)
        given = [hashlib.sha256(openssl("x509", "-outform", "DER", data=p.encode())).hexdigest() for p in PEM.findall(bag.read_text())]
        assert given[0] == fingerprint(at / "ca.crt")
        assert {fingerprint(root / f) for f in ("root-1.crt", "root-2.crt", "root-1-by-2.crt", "root-2-by-1.crt")} < set(given)
        between = world.folder / "between.pem"
        between.write_text("".join(p for p in PEM.findall(bag.read_text()) if not is_root(p)))
        openssl("verify", "-purpose", "sslclient", "-CAfile", root / anchor, "-untrusted", between, world.leaf())
    # the operator's certificate is of the first issuing CA all the while
    assert issuer(at / "operators/admin.crt") == issuing
    done = world.chainhold("status")
    assert done.returncode == 0, done.stderr


def is_root(pem):
    shown = openssl("x509", "-noout", "-issuer_hash", "-subject_hash", data=pem.encode()).split()
    return shown[0] == shown[1]


def test_the_key_of_an_issuing_ca_is_lost(world):
    """With an offline root that is no disaster: another issuing CA, and no device has anything to learn."""
    device, at = world.device, world.server.folder
    device.start()
    first = device.wait_status(lambda s: s["attested"])
    world.server.stop()
    put_over(at / "state/signer/ca.key", b"")
    said = world.ceremony.install(world.ceremony.sign(world.ceremony.request()))
    assert "nobody signs that CA's list any more" in said and not list((at / "state/signer").glob("earlier-*"))
    world.ceremony.ca("server", at)
    world.server.start()
    world.ready()
    world.wait_evidence()
    status = renew(world)
    assert status["device"] == first["device"] and status["fleet_root"] == 1
    assert issuer(world.leaf()) == subject(at / "ca.crt")


def test_the_key_of_an_issuing_ca_is_put_back_from_its_backup(world):
    """What the signer knew is gone with the key. The list that others have is newer than the backup: nothing that is in it is forgotten, and its number goes on."""
    at, seal, backup = world.server.folder, world.folder / "seal", world.folder / "server.backup"
    seal.write_text("seal\n")
    seal.chmod(0o600)
    first, _ = world.device.once()
    serial = openssl("x509", "-noout", "-serial", "-in", world.leaf()).decode().strip().removeprefix("serial=")
    world.ceremony.ca("backup", "--seal", seal, "--out", backup, at)
    done = world.chainhold("device", "revoke", "--reason", "lost", first["device"])
    assert done.returncode == 0, done.stderr
    kid = openssl("x509", "-noout", "-ext", "subjectKeyIdentifier", "-in", at / "ca.crt").decode().split()[-1].replace(":", "").lower()
    theirs = world.folder / "theirs.crl"

    def listed():
        with contextlib.suppress(AssertionError):  # a server that has just begun has signed none yet
            theirs.write_bytes(world.server.log_page(f"/crl/{kid}.crl"))
        shown = openssl("crl", "-inform", "der", "-in", theirs, "-noout", "-text", "-crlnumber").decode()
        return int(shown.split("crlNumber=")[1].split()[0], 16) if serial in shown else 0
    until(listed, "the device is in no list")
    number = listed()
    world.server.stop()
    for path in [*(at / "state/signer").glob("crl-*"), at / "state/signer/ca.key", at / "state/signer/ca.crt"]:
        path.unlink()
    world.ceremony.ca("restore", "--seal", seal, "--seen", theirs, backup, at)
    world.server.start()
    world.ready()
    until(lambda: listed() > number, "the lists do not go on")
    again = world.chainhold("device", "show", first["device"])
    assert again.returncode == 0, again.stderr
    # and it issues: another certificate for the server by the same CA
    world.ceremony.ca("server", at)
    assert issuer(at / "tls/server.crt") == subject(at / "ca.crt")


def test_all_servers_are_lost_but_a_backup_of_the_cas(world):
    """Another machine: the same CA issues there, so no device has another anchor to learn; without the store it is a new device by its endorsement key."""
    lost, seal, backup = world.server, world.folder / "seal", world.folder / "server.backup"
    seal.write_text("seal\n")
    seal.chmod(0o600)
    first, _ = world.device.once()
    world.ceremony.ca("backup", "--seal", seal, "--out", backup, lost.folder)
    was = subject(lost.folder / "ca.crt")
    seen = world.folder / "seen.pem"
    shutil.copy(lost.folder / "ca.crt", seen)
    lost.kill()
    shutil.rmtree(lost.folder)
    (world.folder / "another").mkdir()
    world.server = again = Server(world.folder / "another", ek_roots=world.ek_roots)
    for name in ("chainholdd.yaml", "chainhold.yaml"):
        text = (again.folder / name).read_text()
        for kind in ("devices", "operators", "public"):
            text = text.replace(f":{getattr(again, kind)}\"", f":{getattr(lost, kind)}\"")
        (again.folder / name).write_text(text)
    again.devices, again.operators, again.public = lost.devices, lost.operators, lost.public
    own = fingerprint(again.folder / "ca.crt")
    world.ceremony.ca("restore", "--seal", seal, "--seen", seen, backup, again.folder)
    assert fingerprint(again.folder / "ca.crt") == fingerprint(seen) != own
    again.start()
    world.ready()
    world.publish(world.provision)
    status, err = world.device.once()
    assert status["attested"] and "enrolling anew" in err and status["device"] != first["device"] and status["fleet_root"] == 1
    assert issuer(world.leaf()) == was == subject(again.folder / "ca.crt")


def test_what_is_revoked_after_a_rollover_is_in_the_list_of_its_own_ca(world):
    at = world.server.folder
    first, _ = world.device.once()
    serial = openssl("x509", "-noout", "-serial", "-in", world.leaf()).decode().strip().removeprefix("serial=")
    world.server.add_operator("olga", "operator")
    olga = at / "operators/olga.crt"
    her = openssl("x509", "-noout", "-serial", "-in", olga).decode().strip().removeprefix("serial=")
    world.server.stop()
    world.ceremony.install(world.ceremony.sign(world.ceremony.request()))
    world.server.start()
    world.ready()
    (earlier,) = (at / "earlier_cas").iterdir()
    assert f"{olga}: good" in ocsp(world, earlier, olga)
    assert f"{world.leaf()}: good" in ocsp(world, earlier, world.leaf())
    done = world.chainhold("device", "revoke", "--reason", "lost", first["device"])
    assert done.returncode == 0, done.stderr

    def listed():
        shown = subprocess.run(["openssl", "crl", "-inform", "der", "-noout", "-text", "-CAfile", earlier], capture_output=True, check=True,
                               input=world.server.log_page(f"/crl/{earlier.stem}.crl"))
        assert b"verify OK" in shown.stderr + shown.stdout
        return shown.stdout.decode()
    until(lambda: serial in listed(), "the device is in no list of its CA")
    # an operator's, too, is told where it was issued
    assert her not in listed()
    done = world.chainhold("operator", "remove", "--reason", "left", "olga")
    assert done.returncode == 0, done.stderr
    until(lambda: her in listed(), "the operator is in no list of the CA")
    assert f"{olga}: revoked" in ocsp(world, earlier, olga)
    # what was kept of it is not told any more
    assert f"{world.leaf()}: revoked" in ocsp(world, earlier, world.leaf())


def ocsp(world, issuer, certificate, nonce="-no_nonce"):
    done = subprocess.run(["openssl", "ocsp", "-issuer", issuer, "-cert", certificate, nonce, "-CAfile", world.ceremony.root / "root-1.crt", "-url",
                           f"http://127.0.0.1:{world.server.public}/ocsp"], capture_output=True, text=True, check=False)
    assert "Response verify OK" in done.stdout + done.stderr, done
    return done.stdout


class TokenWorld(CaWorld):
    """The keys of the issuing CAs are in tokens, where they are made."""

    def __init__(self, folder):
        self.hsm = Hsm(folder / "hsm")
        self.hsm.token("online")
        super().__init__(folder)

    def key(self, label):
        return self.hsm.uri(f"token=online;object={label};type=private")

    def give_token(self):
        """The tokens are the user's whose process has the module."""
        subprocess.run(["chown", "-R", str(TOKEN_UID), self.hsm.folder / "tokens"], check=True)
        reach(self.hsm)

    def use_token(self):
        """As its person does it: what the module needs, in chainholdd.yaml. Which key it is, ca.uri says."""
        with open(self.server.folder / "chainholdd.yaml", "a", encoding="ascii") as config:
            config.write(token_config(self.hsm).split("\n", 1)[1])
        self.give_token()

    def make_ceremony(self, folder):
        one = Ceremony(folder, self.server.folder)
        one.env = self.hsm.env
        one.first("--key", self.key("first"))
        self.use_token()
        return one


@needs_softhsm
def test_the_issuing_ca_is_rolled_over_in_a_token(tmp_path):
    """Its key stays in the token, where another process signs its lists and answers: what is revoked of it is told, whatever became of the module meanwhile."""
    world = TokenWorld(tmp_path)
    try:
        device, at = world.device, world.server.folder
        device.start()
        first = device.wait_status(lambda s: s["attested"])
        assert not list((at / "state/signer").glob("*ca.key")) and issuer(world.leaf()) == subject(at / "ca.crt")
        serial = openssl("x509", "-noout", "-serial", "-in", world.leaf()).decode().strip().removeprefix("serial=")
        old = world.folder / "old.pem"
        openssl("x509", "-in", world.leaf(), "-out", old)
        chain = world.ceremony.sign(world.ceremony.request("--key", world.key("second"), word="rollover"))
        said = world.ceremony.install(chain)
        assert "what the token's module needs" in said
        world.ceremony.ca("server", at)
        world.give_token()
        world.restart()
        world.wait_evidence()
        (earlier,) = (at / "earlier_cas").iterdir()
        assert (at / f"state/signer/earlier-{earlier.stem}.uri").exists()
        # two processes, a key each
        assert set(re.findall(r"token\[(\d)\] is ready", "\n".join(world.server.lines))) == {"0", "1"}

        def crl(name, ca):
            shown = subprocess.run(["openssl", "crl", "-inform", "der", "-noout", "-text", "-CAfile", ca], capture_output=True, check=True,
                                   input=world.server.log_page(f"/crl/{name}.crl"))
            assert b"verify OK" in shown.stderr + shown.stdout
            return shown.stdout.decode()
        assert serial not in crl(earlier.stem, earlier) and f"{old}: good" in ocsp(world, earlier, old, "-nonce")
        # a device gets its certificate from the key that is in the token now
        new = world.folder / "new.pem"
        new.write_text(world.server.enrol_by_token(new_key())[1]["certificate"])
        assert issuer(new) == subject(at / "ca.crt") != issuer(old)
        # what is revoked its own CA says; the module is ended meanwhile
        pid = int(re.findall(r"token\[1\] is ready, pid (\d+)", "\n".join(world.server.lines))[-1])
        os.kill(pid, signal.SIGKILL)
        done = world.chainhold("device", "revoke", "--reason", "lost", first["device"])
        assert done.returncode == 0, done.stderr
        until(lambda: serial in crl(earlier.stem, earlier), "the device is in no list of its CA")
        assert f"{old}: revoked" in ocsp(world, earlier, old, "-nonce")
        kid = openssl("x509", "-noout", "-ext", "subjectKeyIdentifier", "-in", at / "ca.crt").decode().split()[-1].replace(":", "").lower()
        (world.folder / "ca-now.pem").write_bytes(openssl("x509", "-in", at / "ca.crt"))
        assert serial not in crl(kid, world.folder / "ca-now.pem")
        assert f"{new}: good" in ocsp(world, world.folder / "ca-now.pem", new)
    finally:
        world.end()


@pytest.mark.skipif(shutil.which("pki") is None, reason="strongSwan's pki is missing: tools/deps.sh check")
def test_strongswan_takes_the_cas_after_a_rollover(world):
    """pki --estca with either root: it has the CA that issues, both roots, and what leads from one to the other, and enrols under it."""
    at, root = world.server.folder, world.ceremony.root
    world.device.start()
    world.device.wait_status(lambda s: s["attested"])
    world.ceremony.ca("rollover", "--passphrase", world.ceremony.secret, root)
    world.roll()
    world.serve()
    for n, anchor in enumerate(("root-1.crt", "root-2.crt")):
        got = world.folder / f"swan-{n}"
        got.mkdir()
        done = subprocess.run(["pki", "--estca", "--url", f"https://localhost:{world.server.devices}", "--cacert", root / anchor, "--caout", got / "ca",
                               "--outform", "pem"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        given = {fingerprint(path) for path in got.iterdir()}
        wanted = {fingerprint(at / "ca.crt"), *(fingerprint(root / f) for f in ("root-1.crt", "root-2.crt", "root-1-by-2.crt", "root-2-by-1.crt"))}
        assert wanted <= given, done.stdout + done.stderr
