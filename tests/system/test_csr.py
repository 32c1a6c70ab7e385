# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect csr and cert, over what openssl and strongSwan's pki make."""

import json
import subprocess

import jsonschema
import pytest
from support import ROOT, run

SCHEMAS = {kind: json.loads((ROOT / f"docs/schema/inspect-{kind}.schema.json").read_text()) for kind in ("csr", "cert")}
KEYS = {"P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "Ed25519": ["ED25519"],
        "RSA": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=True, timeout=60).stdout


def inspect(kind, path):
    rc, out, err = run(["inspect", kind, "--json", path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMAS[kind])
    return rc, report, err


def key_of(folder, kind):
    openssl("genpkey", "-algorithm", *KEYS[kind], "-out", folder / "key")
    return folder / "key"


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_a_request_of_openssl(tmp_path, kind, form):
    key = key_of(tmp_path, kind)
    openssl("req", "-new", "-key", key, "-subj", "/O=Lab/CN=gw-1", "-addext", "subjectAltName=DNS:gw-1,URI:urn:x", "-addext",
            "extendedKeyUsage=clientAuth", "-outform", form, "-out", tmp_path / "csr")
    rc, report, err = inspect("csr", tmp_path / "csr")
    assert (rc, err) == (0, "")
    assert report["subject"] == "CN=gw-1,O=Lab" and report["key"]["type"] == kind and report["holds"]
    assert report["names"] == ["dNSName:gw-1", "uniformResourceIdentifier:urn:x"] and report["purposes"] == ["1.3.6.1.5.5.7.3.2"]


def test_a_request_of_strongswan(tmp_path):
    key = subprocess.run(["pki", "--gen", "--type", "ecdsa", "--size", "256"], capture_output=True, check=True, timeout=60).stdout
    (tmp_path / "key").write_bytes(key)
    made = subprocess.run(["pki", "--req", "--in", tmp_path / "key", "--type", "priv", "--dn", "O=Lab, CN=x", "--san", "x"], capture_output=True,
                          check=True, timeout=60).stdout
    (tmp_path / "csr").write_bytes(made)
    rc, report, _ = inspect("csr", tmp_path / "csr")
    assert rc == 0 and report["names"] == ["dNSName:x"] and report["holds"]


def test_a_request_that_proves_nothing(tmp_path):
    key = key_of(tmp_path, "P-256")
    der = bytearray(openssl("req", "-new", "-key", key, "-subj", "/CN=gw-1", "-outform", "DER"))
    at = der.index(b"gw-1")
    der[at:at + 4] = b"gw-2"
    (tmp_path / "csr").write_bytes(der)
    rc, report, _ = inspect("csr", tmp_path / "csr")
    assert rc == 1 and not report["holds"] and "possession" in report["rule"]


def test_what_is_no_request(tmp_path):
    (tmp_path / "csr").write_bytes(b"\x30\x03\x02\x01\x00")
    rc, _, err = inspect("csr", tmp_path / "csr")
    assert rc == 1 and "CertificationRequestInfo" in err and "byte 2" in err
    (tmp_path / "csr").write_text("hello")
    assert inspect("csr", tmp_path / "csr")[0] == 1


def test_a_certificate_and_its_dates(tmp_path):
    key = key_of(tmp_path, "P-256")
    openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=\x1b[31mroot", "-days", "2", "-out", tmp_path / "crt")
    rc, report, _ = inspect("cert", tmp_path / "crt")
    assert rc == 0 and report["ca"] and report["subject"] == report["issuer"] and report["holds"]
    rc, out, _ = run(["inspect", "cert", tmp_path / "crt"])
    assert rc == 0 and "\x1b" not in out
    openssl("x509", "-req", "-in", "/dev/stdin", "-signkey", key, "-days", "-1", "-out", tmp_path / "old",
            data=openssl("req", "-new", "-key", key, "-subj", "/CN=old"))
    rc, report, _ = inspect("cert", tmp_path / "old")
    assert rc == 1 and "not valid any more" in report["rule"]
