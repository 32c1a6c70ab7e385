# SPDX-License-Identifier: Apache-2.0
"""docs/disaster.md, step by step: what is lost or stolen, what people do, and that the device comes back without a visit."""

import http.client
import shutil
import ssl

import pytest

import fleet_root_note as note_file
from fleet_world import certificates, put_over
from server_support import Server, needs_root, openssl
from test_fleet_root_agent import DAY, Liar, World, age, kept

pytestmark = needs_root


@pytest.fixture
def world(tmp_path):
    one = World(tmp_path)
    yield one
    one.end()


def test_the_key_of_the_issuing_ca_is_lost(world):
    device = world.device
    device.start()
    first = device.wait_status(lambda s: s["attested"])
    # the disk with the key dies; what runs goes on, and nothing new can be issued
    world.server.stop()
    put_over(world.server.folder / "state/signer/ca.key", b"")
    new = world.make_ca()
    # a server that cannot be started publishes nothing: the new CA is put in first, the old one still vouches for the server
    tls = {name: (world.server.folder / "tls" / name).read_bytes() for name in ("server.key", "server.crt")}
    world.install_ca()
    for name, data in tls.items():
        put_over(world.server.folder / "tls" / name, data)
    world.server.start()
    world.ready()
    world.wait_evidence()
    world.step(anchors=world.document["anchors"] + new)
    world.wait_version(2)
    world.install_server()
    world.restart()
    world.wait_evidence()
    # renewal is by the new one
    device.power_off()
    age(device, 70 * DAY)
    device.start()
    status = device.wait_status(lambda s: s["attested"] and s["key"] == first["key"] + 1, 120)
    assert status["device"] == first["device"]
    chain = kept(device, "identity").read_bytes()
    leaf = chain[chain.index(b"-----BEGIN"): chain.index(b"-----END CERTIFICATE-----") + 26]
    (world.folder / "leaf.pem").write_bytes(leaf)
    openssl("verify", "-CAfile", world.folder / "new-ca/ca.crt", "-purpose", "any", world.folder / "leaf.pem")


def by_thief(world, name, extension):
    """A key and a certificate of the CA as it was, made by whoever has a copy of its key."""
    at = world.folder
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", at / f"{name}.key")
    openssl("req", "-new", "-key", at / f"{name}.key", "-subj", "/CN=thief", "-out", at / f"{name}.csr")
    (at / f"{name}.ext").write_text(extension)
    openssl("x509", "-req", "-in", at / f"{name}.csr", "-CA", at / "stolen.crt", "-CAkey", at / "stolen.key", "-CAcreateserial", "-days", "30",
            "-extfile", at / f"{name}.ext", "-out", at / f"{name}.crt")  # fmt: skip
    return at / f"{name}.crt", at / f"{name}.key"


def test_the_key_of_the_ca_is_stolen(world):
    device, at = world.device, world.server.folder
    first, _ = device.once()
    shutil.copy(at / "state/signer/ca.key", world.folder / "stolen.key")
    shutil.copy(at / "state/signer/ca.crt", world.folder / "stolen.crt")
    # a certificate that the server did not issue admits nobody, before and after
    pair = by_thief(world, "device", "extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\n")
    assert poll_as(world, pair) == 403
    # a server of the thief is believed by devices that have not heard: here it is, on the line
    server = by_thief(world, "server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n")
    world.server.stop()
    thief = Liar(world.folder, world.server.devices, certificate=server)
    try:
        _, err = device.once(code=1)
        assert "connected to" in err
    finally:
        thief.close()
    # the next version names the new CA alone, and devices take it over any line
    world.server.start()
    world.ready()
    new = world.make_ca()
    world.step(anchors=new)
    world.install_ca()
    world.restart()
    status, _ = device.once()
    assert status["attested"] and status["fleet_root"] == 2 and status["device"] == first["device"]
    world.server.stop()
    thief = Liar(world.folder, world.server.devices, certificate=server)
    try:
        _, err = device.once(code=1)
        assert "not trusted" in err and "connected to" not in err
    finally:
        thief.close()
    world.server.start()
    world.ready()
    assert poll_as(world, pair) == 403
    # certificates of the old one are taken until each device has another: then it is forgotten
    age(device, 70 * DAY)
    assert device.once()[0]["key"] == first["key"] + 1
    world.new_admin()
    world.forget_old_ca()
    world.restart()
    assert device.once()[0]["attested"]


def poll_as(world, pair):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*pair)
    connection = http.client.HTTPSConnection("127.0.0.1", world.server.devices, context=context, timeout=60)
    connection.request("GET", "/v1/poll")
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_store_is_lost(world):
    device, at = world.device, world.server.folder
    first, _ = device.once()
    copy, mirror = world.folder / "copy.db", world.folder / "mirror"
    done = world.chainhold("backup", at, copy)
    assert done.returncode == 0, done.stderr
    # after the copy: a version, and evidence
    two = world.step()
    assert device.once()[0]["attested"]
    assert device.once()[0]["fleet_root"] == 2
    done = world.chainhold("log", "mirror", mirror)
    assert done.returncode == 0, done.stderr
    world.server.kill()
    for path in (at / "state/store").iterdir():
        path.unlink()
    done = world.chainhold("restore", "--mirror", mirror, copy, at)
    assert done.returncode == 0, done.stderr
    world.server.start()
    world.ready()
    # the version that came after the copy is published again from its file; devices are ahead and do not mind
    assert note_file.document_of(world.fetch("newest"))["version"] == 1
    status, _ = device.once()
    assert status["attested"] and status["device"] == first["device"] and status["fleet_root"] == 2
    world.publish(two)
    world.step()
    device.once()
    assert device.once()[0]["fleet_root"] == 3


def test_all_servers_are_lost(world, tmp_path):
    """What is left: the files of the fleet root and the keys of its people. The name leads to a new machine, where nothing is known."""
    device = world.device
    first, _ = device.once()
    files = [world.provision, world.step(**world.new_root())]
    world.server.kill()
    shutil.rmtree(world.server.folder)
    lost = world.server
    (tmp_path / "another").mkdir()
    world.server = again = Server(tmp_path / "another", ek_roots=world.ek_roots)
    for name in ("chainholdd.yaml", "chainhold.yaml"):
        text = (again.folder / name).read_text()
        for kind in ("devices", "operators", "public"):
            text = text.replace(f":{getattr(again, kind)}\"", f":{getattr(lost, kind)}\"")
        (again.folder / name).write_text(text)
    again.devices, again.operators, again.public = lost.devices, lost.operators, lost.public
    again.start()
    world.ready()
    for path in files:
        world.publish(path)
    at = again.folder
    world.step(anchors=certificates((at / "ca.crt").read_bytes()), logs=[(at / "log.vkey").read_text().strip()], ears=world.first()["ears"])
    status, err = device.once()
    assert status["fleet_root"] == 3 and status["attested"] and "enrolling anew" in err
    # another store: the device is a new one there, by the same endorsement key
    assert status["device"] != first["device"]
