# SPDX-License-Identifier: Apache-2.0
"""The real agent with a live TPM against the real server, while whom it trusts changes under it: docs/protocol/fleet-root.md."""

import hashlib
import http.server
import ssl
import struct
import subprocess
import threading
import time

import pytest

import device_server
import fleet_root_note as note_file
import live_tpm
from agent_device import AGENT, Device
from fleet_world import DAY, Fleet, certificates, jwt_holds
from server_support import needs_root, openssl
from support import FIXTURES

pytestmark = needs_root
BOOT = FIXTURES / "class-unit1"


class World(Fleet):
    """A fleet and one device that was given version 1."""

    def __init__(self, folder):
        self.device = Device(folder / "device")
        self.ek_roots = self.device.tpm.manufacture()
        for name, data, steps in (
            ("log", "binary_bios_measurements", lambda raw: live_tpm.Log(raw).steps()), ("ima", "ima.binary", live_tpm.ima_steps),
        ):  # fmt: skip
            raw = (BOOT / data).read_bytes()
            self.device.tpm.extend(steps(raw))
            (self.device.folder / name).write_bytes(raw)
        super().__init__(folder, ek_roots=self.ek_roots)
        self.server.start()
        self.ready()
        self.document = self.first()
        self.provision = self.put(self.document, self.root[:2])
        self.device.set(fleet_root=self.provision, poll="1s", interval="2s", **{"class": "gateway"})
        del self.device.config["server_ca"]
        self.device.set()

    def step(self, keys=None, **changed):
        """The next version, signed by `keys` (those of the root role now)."""
        self.document = self.next(self.document, **changed)
        return self.put(self.document, keys or self.root[:2])

    def new_root(self):
        """Other people hold the root: two of the old and two of the new sign."""
        old, self.root = self.root, [note_file.new_key("p256"), note_file.new_key("ed25519"), note_file.new_key("p256")]
        return {"keys": old[:2] + self.root[:2], "root": {"threshold": 2, "keys": [note_file.text_of(k) for k in self.root]}}

    def wait_version(self, version):
        return self.device.wait_status(lambda s: s["fleet_root"] == version, 120)

    def wait_evidence(self):
        """Evidence that is newer than now is acknowledged."""
        before = self.device.status()["evidence"]
        return self.device.wait_status(lambda s: s["attested"] and s["evidence"] > before, 120)

    def end(self):
        self.device.stop()
        if self.server.process.poll() is None:
            self.server.stop()


@pytest.fixture
def world(tmp_path):
    one = World(tmp_path)
    yield one
    one.end()


def kept(device, name):
    return device.folder / "state/collect" / name


def rewrite(path, at, add):
    """Adds to a number of a record (docs/protocol/agent-records.md)."""
    raw = bytearray(path.read_bytes()[:-32])
    struct.pack_into(">Q", raw, at, struct.unpack_from(">Q", raw, at)[0] + add)
    path.write_bytes(bytes(raw) + hashlib.sha256(raw).digest())


def move_clock(device, seconds):
    """What the device knows of the time is later: its floor is the first number of that record."""
    rewrite(kept(device, "floor"), 12, seconds)


def age(device, seconds):
    """Its certificate was issued long ago."""
    rewrite(kept(device, "identity"), 12 + 16 + 4, -seconds)


def test_enrols_by_a_fleet_root_alone(world):
    status, _ = world.device.once()
    assert status["enrolled"] and status["attested"] and status["fleet_root"] == 1
    assert status["fleet_root_expires"] == world.document["expires"]


def test_every_key_is_rotated_while_the_device_works(world):
    device = world.device
    device.start()
    first = device.wait_status(lambda s: s["attested"])
    old_ca, old_ear = world.document["anchors"], world.document["ears"]

    # the root's own keys
    change = world.new_root()
    world.step(**change)
    world.wait_version(2)
    # the CA, and the certificate of the server under it; both vouch until every device has a new certificate
    new_ca = world.make_ca()
    world.step(anchors=old_ca + new_ca)
    world.wait_version(3)
    world.install_ca()
    world.restart()
    world.wait_evidence()
    world.step(anchors=new_ca)
    world.wait_version(4)
    world.wait_evidence()
    # the key of attestation results
    new_ear = world.make_ear()
    world.step(ears=old_ear + [new_ear])
    world.install_ear()
    world.restart()
    world.step(ears=[new_ear])
    world.wait_version(6)
    # the server's name: the old one is in no certificate any more
    world.step(servers=[f"localhost:{world.server.devices}"])
    world.wait_version(7)
    world.install_server("localhost")
    world.restart()
    world.wait_evidence()
    # the server's TLS key, while it runs
    world.new_tls_key()
    world.wait_evidence()
    # the operator's own, and the device's own key, under the new CA; then the old CA is nobody's
    device.power_off()
    age(device, 70 * DAY)
    device.start()
    device.wait_status(lambda s: s["key"] == first["key"] + 1 and s["attested"], 120)
    world.new_admin()
    world.forget_old_ca()
    world.restart()
    status = world.wait_evidence()
    assert status["device"] == first["device"] and status["fleet_root"] == 7

    # results are signed by the key that the newest version names, and by no other
    token = world.get(f"/api/v1/devices/{status['device']}/ear").strip()
    assert jwt_holds(token, new_ear) and not jwt_holds(token, old_ear[0])
    # who walks from the file that it was given has the same trust at the end
    files = [world.folder / f"root.{n}" for n in range(1, 8)]
    assert world.verify(*files).returncode == 0


class Liar:
    """A server that nobody vouches for, which gives the documents that it has."""

    def __init__(self, folder, port=0, certificate=None):
        certificate = certificate or (folder / "liar.crt", folder / "liar.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "liar.key", "-subj",
                "/CN=liar", "-days", "2", "-out", folder / "liar.crt")  # fmt: skip
        self.answers, self.asked = {}, []
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                liar.asked.append(self.path)
                body = liar.answers.get(self.path.rsplit("/", 1)[1])
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_old_forged_and_broken_roots_are_refused_with_the_rule(world, tmp_path):
    device, liar = world.device, Liar(tmp_path)
    try:
        one = world.provision.read_bytes()
        two = world.step(servers=[f"127.0.0.1:{liar.port}", f"127.0.0.1:{world.server.devices}"]).read_bytes()
        device.once()
        assert device.once()[0]["fleet_root"] == 2
        world.server.stop()
        document = note_file.document_of(two)
        strangers = [note_file.new_key(), note_file.new_key()]
        theirs = {**document, "version": 3, "root": {"threshold": 1, "keys": [note_file.text_of(strangers[0])]}}
        three = {**document, "version": 3}
        for answer, rule in (
            (one, "one more"), (two, "one more"),
            (note_file.note({**document, "version": 4}, world.root[:2]), "one more"),
            (note_file.note(theirs, strangers), "known version"),
            (note_file.note(three, [world.root[0]]), "known version"),
            (note_file.note(three, world.root[:2]).replace(b"0.1.0", b"0.1.1"), "does not hold"),
            (note_file.note({**three, "issued": 1}, world.root[:2]), "before the version that it follows"),
            (note_file.note(three, world.root[:2])[:-9], "newline"),
            (b"{}\n\n", "missing"), (b"\xff" * 3000, "UTF-8"), (b"", "text, an empty line"),
        ):  # fmt: skip
            liar.answers = {"3": answer}
            status, err = device.once(code=1)
            assert status["fleet_root"] == 2 and rule in err, (rule, err)
        assert set(liar.asked) == {"/v1/fleet-root/3"}
        # more than a document can have is not even taken
        liar.answers = {"3": b"x" * 70000}
        assert device.once(code=1)[0]["fleet_root"] == 2
        # whoever brings it: what holds is taken
        liar.answers = {"3": note_file.note(three, world.root[:2])}
        assert device.once(code=1)[0]["fleet_root"] == 3
    finally:
        liar.close()
    world.server.start()
    world.ready()
    assert device.once()[0]["attested"]


def test_what_is_kept_survives_and_what_is_damaged_does_not_count(world):
    device = world.device
    world.step()
    world.step()
    device.start()
    world.wait_version(3)
    device.power_off()
    # version 1 is what the configuration has: it is history
    status, err = device.once()
    assert status["fleet_root"] == 3 and "and is in force" not in err
    path = kept(device, "root")
    good = path.read_bytes()
    for damage in (good[:100], good[:-1] + b"x", b""):
        path.write_bytes(damage)
        status, err = device.once()
        assert "damaged" in err and status["fleet_root"] == 3 and err.count("and is in force") == 2
    # a signature that does not hold under a digest that does
    body = good[:-32].replace(b'"version": 3', b'"version": 9')
    path.write_bytes(body + hashlib.sha256(body).digest())
    status, err = device.once()
    assert "damaged" in err and status["fleet_root"] == 3
    # a newer one that is provisioned is the owner's word
    four = world.step()
    device.set(fleet_root=four)
    assert device.once()[0]["fleet_root"] == 4


def test_dark_for_400_days_across_rotations_of_root_and_ca(world):
    device = world.device
    before, _ = device.once()
    # while it is dark: two changes of the root, a CA that nobody had heard of, no trace of the old one
    world.step(**world.new_root())
    new_ca = world.make_ca()
    world.step(anchors=new_ca, expires=int(time.time()) + 800 * DAY)
    world.step(**world.new_root(), ears=[world.make_ear()])
    world.install_ca()
    world.install_ear()
    world.restart()
    world.new_admin()
    world.forget_old_ca()
    world.restart()
    move_clock(device, 400 * DAY)
    status, err = device.once()
    assert "has expired" in err and "enrolling anew" in err
    assert status["attested"] and status["device"] == before["device"] and status["fleet_root"] == 4
    assert err.index("version 2 holds") < err.index("version 3 holds") < err.index("version 4 holds")


def test_a_device_without_a_clock_is_dark_for_400_days(tmp_path):
    """What it meets is all later than anything it knows: its clock stands still, and the only word of the time is in the documents."""
    for name in ("ca", "later", "server"):
        (tmp_path / name).mkdir()
    authority = device_server.Authority(tmp_path / "ca")
    devices = device_server.Devices(tmp_path / "server", authority)
    listener = device_server.Listener(devices)
    keys, now = [note_file.new_key() for _ in range(4)], int(time.time())
    document = {
        "type": note_file.TYPE, "version": 1, "issued": now - 60, "expires": now + 365 * DAY,
        "root": {"threshold": 1, "keys": [note_file.text_of(keys[0])]}, "releases": [], "anchors": certificates((tmp_path / "ca/ca.pem").read_bytes()),
        "logs": [], "ears": [], "servers": [f"localhost:{listener.port}"], "agent_min": "0.1.0",
    }  # fmt: skip
    devices.fleet_root[1] = note_file.note(document, keys[:1])
    (tmp_path / "root").write_bytes(devices.fleet_root[1])
    device = Device(tmp_path / "device")
    try:
        device.set(fleet_root=tmp_path / "root", **{"class": "gateway"})
        before, _ = device.once()
        assert before["attested"] and before["time"] < now + DAY
        listener.stop()
        # 400 days later: the root role changed hands twice, and a CA vouches for the server that did not exist when the device went dark
        later(tmp_path, authority.folder, 390)
        devices.time = lambda: int(time.time()) + 400 * DAY
        for version, days in ((2, 100), (3, 200), (4, 399)):
            document = {**document, "version": version, "issued": now + days * DAY, "expires": now + (days + 365) * DAY,
                        "root": {"threshold": 1, "keys": [note_file.text_of(keys[version - 1])]}}  # fmt: skip
            if version == 4:
                document["anchors"] = certificates((tmp_path / "later/ca.pem").read_bytes())
            devices.fleet_root[version] = note_file.note(document, keys[version - 2:version])
        listener = device_server.Listener(devices, listener.port)
        status, err = device.once()
        assert status["attested"] and status["fleet_root"] == 4 and status["device"] == before["device"]
        assert "enrolling anew" in err and status["time_floor"] >= now + 399 * DAY
    finally:
        device.stop()
        listener.stop()


def later(folder, into, days):
    """A CA and a certificate of the server under it that begin so many days from now; the latter takes its place in `into`."""
    at = folder / "later"
    begin, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + d * DAY)) for d in (days, days + 800))
    (at / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=db\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                               "unique_subject=no\n[p]\ncommonName=supplied\n")
    (at / "db").write_text("")
    (at / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n")
    for name in ("ca", "server"):
        device_server.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-subj",
                              f"/CN={name} of later", "-out", f"{name}.csr", cwd=at)  # fmt: skip
    device_server.openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "ca.key", "-in", "ca.csr", "-extfile", "ca.ext",
                          "-startdate", begin, "-enddate", end, "-notext", "-out", "ca.pem", cwd=at)  # fmt: skip
    device_server.openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "server.csr", "-extfile",
                          into / "server.ext", "-startdate", begin, "-enddate", end, "-notext", "-out", "server.pem", cwd=at)  # fmt: skip
    for name in ("server.pem", "server.key"):
        (into / name).write_bytes((at / name).read_bytes())


def test_the_newest_has_expired_and_nobody_is_trusted_until_there_is_another(world):
    device = world.device
    device.once()
    move_clock(device, 400 * DAY)
    status, err = device.once(code=1)
    assert "has expired" in err and not status["attested"] and "has expired" in status["problem"]
    world.step(expires=int(time.time()) + 800 * DAY)
    assert device.once()[0]["attested"]


def test_an_agent_that_is_too_old_waits_for_a_version_that_admits_it(world):
    device = world.device
    world.step(agent_min="99.0.0")
    device.once()
    status, err = device.once(code=1)
    assert status["fleet_root"] == 2 and "older than the fleet root asks for" in err and not status["attested"]
    world.step(agent_min="0.1.0")
    assert device.once()[0]["attested"]


def test_anchors_that_nobody_can_read_are_mended_by_a_later_version(world):
    device = world.device
    device.once()
    good = world.document["anchors"]
    world.step(anchors=["MAMCAQU="])
    device.once()
    status, err = device.once(code=1)
    assert status["fleet_root"] == 2 and "no anchor that can be used" in err
    world.step(anchors=good)
    assert device.once()[0]["attested"]


def test_what_is_provisioned_must_hold(world, tmp_path):
    device = world.device
    for name, data, rule in (
        ("unsigned", note_file.note(world.document, []), "fewer keys"),
        ("changed", world.provision.read_bytes().replace(b"0.1.0", b"0.1.1"), "does not hold"),
        ("none", b"", "is empty"), ("other", b"{}", "not to be trusted"),
    ):
        (tmp_path / name).write_bytes(data)
        device.set(fleet_root=tmp_path / name)
        assert rule in start_fails(device)
    device.set(fleet_root=world.provision, server="127.0.0.1:1")
    assert "named by the fleet root" in start_fails(device)


def start_fails(device):
    """What the agent says when it does not come up."""
    done = subprocess.run([AGENT, "--config", device.folder / "agent.yaml", "--once"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and done.stdout == ""
    return done.stderr
