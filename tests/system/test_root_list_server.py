# SPDX-License-Identifier: Apache-2.0
"""The list of an offline root on the server's public listener: found by others' programs, read anew while it runs, refused where it is not what it should be."""

import datetime
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from revocation_support import Device
from server_support import Server, openssl, until
from test_ca import fingerprint
from test_ca_crl import Listed, by_root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd gives its processes users of their own: it starts as root")


def kid_of(certificate):
    text = openssl("x509", "-in", certificate, "-noout", "-ext", "subjectKeyIdentifier").decode()
    return re.search(r"([0-9A-F]{2}:)+[0-9A-F]{2}", text)[0].replace(":", "").lower()


class World:
    """A server with an issuing CA of an offline root; every certificate says where the list of its issuer is."""

    def __init__(self, folder):
        self.server = Server(folder)
        with open(self.server.config, "a", encoding="ascii") as f:
            f.write(f'revocation: {{url: "{self.server.url}"}}\n')
        self.ceremony = Listed(folder, self.server.folder)
        self.ceremony.init()
        self.chain = self.ceremony.sign(self.ceremony.request(), "--crl-url", self.server.url)
        self.ceremony.install(self.chain, "--root", fingerprint(self.ceremony.root / "root-1.crt"))
        self.root, self.issuing = self.ceremony.root / "root-1.crt", self.server.folder / "state/signer/ca.crt"
        self.kid = kid_of(self.root)
        self.file = self.server.folder / f"root_lists/{self.kid}.crl"

    def fetch(self, ending="crl"):
        with urllib.request.urlopen(f"{self.server.url}/crl/{self.kid}.{ending}") as answer:
            return answer.read(), answer.headers

    def status(self):
        try:
            return self.fetch() and 200
        except urllib.error.HTTPError as error:
            return error.code

    def put(self):
        """The newest list of the root, installed."""
        self.ceremony.install(self.ceremony.out)

    def hup(self, line):
        self.server.process.send_signal(signal.SIGHUP)
        return self.server.wait_line(line)

    def taken(self):
        """The edge has read its configuration anew, and gives out the file."""
        self.hup("the new configuration holds")
        assert self.fetch()[0] == openssl("crl", "-in", self.file, "-outform", "DER")

    def metric(self, name):
        url, context = f"https://localhost:{self.server.operators}/metrics", self.server.context(self.server.identity("admin"))
        with urllib.request.urlopen(url, context=context) as answer:
            text = answer.read().decode()
        return {m[1]: int(m[2]) for m in re.finditer(rf'chainhold_edge_root_list_{name}\{{edge="0",root="(\w+)"\}} (\d+)', text)}[self.kid]

    def check(self):
        done = subprocess.run([self.server.program, "--check", self.server.config], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def world(tmp_path):
    one = World(tmp_path)
    yield one
    one.server.stop()


def verify(*args):
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-crl_download", *map(str, args)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def holds(world, device):
    """openssl looks at the whole chain: '' if it holds. It gets the lists from where certificates say; for the root itself, which says nothing, from a file."""
    alone = verify("-crl_check", "-CAfile", world.root, world.issuing)
    if world.status() != 200:
        return alone
    lists = world.ceremony.folder / "root.fetched"
    lists.write_bytes(world.fetch("pem")[0])
    whole = verify("-crl_check_all", "-CRLfile", lists, "-CAfile", world.root, "-untrusted", world.issuing, device.certificate)
    assert (alone == "") == (whole == "") and ("revoked" in alone) == ("revoked" in whole), (alone, whole)
    return whole


def strongswan(world, device):
    done = subprocess.run(["pki", "--verify", "--online", "--cacert", world.root, "--cacert", world.issuing, "--in", device.certificate], capture_output=True,
                          text=True, check=False)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_whole_chains_are_held_against_what_the_server_gives_out(world, tmp_path):
    world.server.start()
    assert world.status() == 404
    device = Device(world.server, tmp_path)
    until(lambda: "unable to get certificate CRL" in holds(world, device), lambda: holds(world, device))
    # installed and taken while it runs
    world.ceremony.crl()
    world.put()
    world.taken()
    assert holds(world, device) == ""
    body, fields = world.fetch("pem")
    assert body == openssl("crl", "-in", world.file) and fields["Content-Type"] == "application/x-pem-file"
    _, fields = world.fetch()
    assert fields["Content-Type"] == "application/pkix-crl" and "max-age=3600" in fields["Cache-Control"]
    online = shutil.which("pki") is not None and "no fetcher" not in strongswan(world, device)[1]
    if online:
        code, said = strongswan(world, device)
        assert code == 0 and said.count("certificate status is good") == 2, said
    assert world.metric("revokes_issuer") == 0 and world.metric("number") == world.ceremony.number()
    # the issuing CA is revoked
    world.ceremony.revoke(world.chain)
    world.put()
    world.hup(f"the root {world.kid} has revoked the CA that issues here")
    world.server.wait_line("the new configuration holds")
    assert "certificate revoked" in holds(world, device)
    if online:
        code, said = strongswan(world, device)
        assert code != 0 and "revoked" in said
    until(lambda: world.metric("revokes_issuer") == 1, "not told")
    # after a restart as well
    world.server.stop()
    world.server.start()
    until(lambda: world.status() == 200, "not given out")
    assert "certificate revoked" in holds(world, device)


def test_what_is_no_list_of_the_root_changes_nothing(world):
    world.ceremony.crl()
    first = world.ceremony.out.read_text()
    world.ceremony.crl()
    world.put()
    world.server.start()
    good, file = world.fetch()[0], world.file.read_text()
    issuing = world.ceremony.folder / "issuing.crl"
    with urllib.request.urlopen(f"{world.server.url}/crl/{kid_of(world.issuing)}.pem") as answer:
        issuing.write_bytes(answer.read())
    der = bytearray(good)
    der[-9] ^= 1
    # main says which file, and what to do; --check as well
    for raw, why in (
        (issuing.read_bytes(), "the server signs the list of the CA that issues itself"), (bytes(der), "signed it"), (good[:-1], "byte"), (good + b"0", "byte"),
        (b"", "not one list in DER or PEM"), (b"0" * 70000, "longer than"), (file.encode() * 2, "not one list in DER or PEM"),
    ):  # fmt: skip
        world.file.write_bytes(raw)
        line = world.hup(rf"{world.kid}\.crl: .*chainhold ca install")
        assert why in line, (why, line)
        world.server.wait_line("nothing was changed")
        code, said = world.check()
        assert code == 1 and str(world.file) in said and why in said
        assert world.fetch()[0] == good
    # the edge remembers how far it was
    world.file.write_text(first)
    assert "is below" in world.hup("the list of the root .* is refused")
    world.server.wait_line("the old one holds")
    assert world.fetch()[0] == good
    # under another name it would be another root's
    world.file.write_text(file)
    other = world.file.with_name("00" * 20 + ".crl")
    other.write_text(file)
    assert "not called as" in world.hup(other.name)
    other.unlink()
    # what an interrupted command leaves is none
    world.file.with_name(world.file.name + ".new").write_text("half")
    world.taken()
    assert world.check()[0] == 0


def test_it_is_told_before_it_ends_and_given_to_nobody_afterwards(world):
    world.ceremony.crl()
    world.put()
    world.server.start()
    assert world.check()[0] == 0 and not any("ends in" in line for line in world.server.lines)
    now = datetime.datetime.utcnow()
    number = world.ceremony.number() + 1
    world.file.write_text(by_root(world.ceremony, number=number, last=now - datetime.timedelta(days=29), days=30))
    assert re.search("ends in 2[34] hours", world.hup("ends in")) and world.fetch()
    world.server.wait_line("the new configuration holds")
    # it ends while it is given out
    until(lambda: world.metric("number") == number, "not told")
    last = datetime.datetime.utcnow() - datetime.timedelta(days=1) + datetime.timedelta(seconds=6)
    world.file.write_text(by_root(world.ceremony, number=number + 1, last=last, days=1))
    world.taken()
    until(lambda: world.status() == 503, "still given out")
    world.hup("has ended and is given to nobody")
    # the server goes on, and starts with it
    world.server.stop()
    world.server.start()
    assert world.status() == 503 and world.metric("ends") < datetime.datetime.now().timestamp()
    world.ceremony.crl()
    world.file.unlink()
    world.put()
    world.taken()
