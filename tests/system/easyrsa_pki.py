# SPDX-License-Identifier: Apache-2.0
"""A CA as Debian's easy-rsa makes it: clients, one revoked, one expired, a server."""

import os
import subprocess

EASYRSA = "/usr/share/easy-rsa/easyrsa"


class Pki:
    """Made in `folder`/pki; more are the variables of its vars file."""

    def __init__(self, folder, name="Old CA", nopass=True, **more):
        folder.mkdir(exist_ok=True)
        self.folder, self.pki = folder, folder / "pki"
        self.env = {**os.environ, "EASYRSA_BATCH": "1", "EASYRSA_PKI": str(self.pki), **more}
        self.run("init-pki")
        self.passin = [] if nopass else ["-passin", f"file:{folder}/pass"]
        if nopass:
            self.run("build-ca", "nopass", EASYRSA_REQ_CN=name)
        else:
            (folder / "pass").write_text("the old passphrase\n")
            (folder / "pass").chmod(0o600)
            self.env |= {"EASYRSA_PASSIN": "pass:the old passphrase", "EASYRSA_PASSOUT": "pass:the old passphrase"}
            self.run("build-ca", EASYRSA_REQ_CN=name)

    def run(self, *args, **env):
        done = subprocess.run([EASYRSA, *args], env={**self.env, **env}, cwd=self.folder, capture_output=True, check=False, text=True)
        assert done.returncode == 0, (args, done.stdout, done.stderr)

    def client(self, name):
        self.run("build-client-full", name, "nopass")
        return self.pki / "issued" / f"{name}.crt", self.pki / "private" / f"{name}.key"

    def server(self, name):
        self.run("build-server-full", name, "nopass")

    def revoke(self, name, reason="keyCompromise"):
        self.run("revoke", name, reason)
        self.run("gen-crl")

    def expired(self, name):
        """EasyRSA cannot make one: its openssl with its configuration can."""
        self.run("gen-req", name, "nopass", EASYRSA_REQ_CN=name)
        subprocess.run(["openssl", "ca", "-batch", "-config", self.pki / "safessl-easyrsa.cnf", "-in", self.pki / "reqs" / f"{name}.req", "-out",
                        self.pki / "issued" / f"{name}.crt", "-startdate", "20250101000000Z", "-enddate", "20250201000000Z", "-extfile",
                        "/usr/share/easy-rsa/x509-types/client", "-notext", *self.passin], cwd=self.folder, capture_output=True, check=True)

    def row(self, name):
        """(line number, fields) of the certificate in the index."""
        for number, line in enumerate((self.pki / "index.txt").read_text().splitlines(), 1):
            fields = line.split("\t")
            if fields[5] == f"/CN={name}":
                return number, fields
        raise KeyError(name)

    def serial(self, name):
        return self.row(name)[1][3].lower()


def usual(folder, **more):
    """gw-1, gw-2 and gw-3 (revoked), old (expired), a VPN server."""
    pki = Pki(folder, **more)
    for name in ("gw-1", "gw-2", "gw-3"):
        pki.client(name)
    pki.server("vpn")
    pki.expired("old")
    pki.revoke("gw-3")
    return pki
