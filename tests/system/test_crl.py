# SPDX-License-Identifier: Apache-2.0
"""chainhold inspect crl: lists of openssl, of easy-rsa and our own, and those of PKITS.

Each list of the vectors that we do not read, or that is not its CA's, is in tests/conformance/crl-out-of-scope.json with its reason; one that is
listed and is read fails too, so that the list stays true."""

import datetime
import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import support
from support import ROOT, run

SCHEMA = json.loads((ROOT / "docs/schema/inspect-crl.schema.json").read_text())
DIFFERS = {e["match"]: e["reason"] for e in json.loads((ROOT / "tests/conformance/crl-out-of-scope.json").read_text())}
EASYRSA = "/usr/share/easy-rsa/easyrsa"


def openssl(*args, cwd=None):
    return subprocess.run(["openssl", *map(str, args)], capture_output=True, check=True, timeout=60, cwd=cwd).stdout


def inspect(path, *args):
    rc, out, err = run(["inspect", "crl", "--json", *args, path])
    if not out:
        return rc, None, err
    report = json.loads(out)
    jsonschema.validate(report, SCHEMA)
    return rc, report, err


CONFIG = """
[ca]
default_ca=d
[d]
database=index.txt
crlnumber=number
default_md=sha256
[req]
distinguished_name=dn
x509_extensions=v3
[dn]
[v3]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=hash
[usual]
authorityKeyIdentifier=keyid:always
[critical]
1.2.3.4=critical,DER:0500
[part]
issuingDistributionPoint=critical,@point
[point]
onlyuser=TRUE
"""

INDEX = """R\t290228105225Z\t261126105227Z,keyCompromise\t97C4F2F55286B013D9EC06FE8B2B91BF\tunknown\t/CN=a
R\t290228105225Z\t261126105228Z\t02\tunknown\t/CN=b
R\t290228105225Z\t261126105227Z,keyTime,20260101000000Z\t03\tunknown\t/CN=c
V\t290228105225Z\t\t04\tunknown\t/CN=d
"""


@pytest.fixture
def ca(tmp_path):
    (tmp_path / "cnf").write_text(CONFIG)
    (tmp_path / "index.txt").write_text(INDEX)
    (tmp_path / "number").write_text("0100\n")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", tmp_path / "key")
    openssl("req", "-x509", "-new", "-key", tmp_path / "key", "-subj", "/O=Lab/CN=\x1b[31mLists", "-config", tmp_path / "cnf", "-out",
            tmp_path / "ca.crt")
    return tmp_path


def gencrl(ca, *args):
    openssl("ca", "-config", "cnf", "-gencrl", "-keyfile", "key", "-cert", "ca.crt", "-out", "crl.pem", *args, cwd=ca)
    return ca / "crl.pem"


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_a_list_of_openssl(ca, form):
    gencrl(ca, "-crldays", 2, "-crlexts", "usual")
    openssl("crl", "-in", ca / "crl.pem", "-outform", form, "-out", ca / "list")
    rc, report, err = inspect(ca / "list", "--ca", ca / "ca.crt")
    assert (rc, err) == (0, "")
    assert report["version"] == 2 and report["number"] == "0100" and report["of_ca"] and report["holds"] and report["count"] == 3
    assert sorted(report["entries"], key=lambda e: e["serial"], reverse=True) == [
        {"serial": "97c4f2f55286b013d9ec06fe8b2b91bf", "revoked": "2026-11-26T10:52:27Z", "reason": "keyCompromise", "invalid_since": None},
        {"serial": "03", "revoked": "2026-11-26T10:52:27Z", "reason": "keyCompromise", "invalid_since": "2026-01-01T00:00:00Z"},
        {"serial": "02", "revoked": "2026-11-26T10:52:28Z", "reason": None, "invalid_since": None}]
    rc, out, _ = run(["inspect", "crl", ca / "list"])
    assert rc == 0 and "\x1b" not in out and "97c4f2f55286b013d9ec06fe8b2b91bf  keyCompromise" in out and "current" in out


def test_a_list_that_is_not_current_or_not_of_that_ca(ca):
    path = gencrl(ca, "-crl_lastupdate", "20260101000000Z", "-crl_nextupdate", "20260102000000Z", "-crlexts", "usual")
    rc, report, _ = inspect(path, "--ca", ca / "ca.crt")
    assert rc == 1 and report["of_ca"] and not report["holds"] and "next one was due" in report["rule"]
    path = gencrl(ca, "-crldays", 2, "-crlexts", "usual")
    assert inspect(path)[1]["of_ca"] is None
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", ca / "other")
    openssl("req", "-x509", "-new", "-key", ca / "other", "-subj", "/O=Lab/CN=\x1b[31mLists", "-config", ca / "cnf", "-out", ca / "other.crt")
    rc, report, _ = inspect(path, "--ca", ca / "other.crt")
    assert rc == 1 and report["of_ca"] is False and "another key" in report["rule"]
    der = bytearray(openssl("crl", "-in", path, "-outform", "DER"))
    at = der.index(bytes.fromhex("97c4f2f5"))
    der[at] ^= 1
    (ca / "changed").write_bytes(der)
    rc, report, _ = inspect(ca / "changed", "--ca", ca / "ca.crt")
    assert rc == 1 and "did not make its signature" in report["rule"]


def test_what_is_not_supported_says_so(ca):
    for exts, word in (("part", "issuingDistributionPoint"), ("critical", "critical extension")):
        rc, _, err = inspect(gencrl(ca, "-crldays", 2, "-crlexts", exts))
        assert rc == 3 and word in err
    (ca / "text").write_text("hello")
    assert inspect(ca / "text")[0] == 1
    assert inspect(ca / "none")[0] == 4
    (ca / "short").write_bytes(openssl("crl", "-in", gencrl(ca, "-crldays", 2), "-outform", "DER")[:-9])
    rc, _, err = inspect(ca / "short")
    assert rc == 1 and "byte" in err


def test_a_list_of_easy_rsa(tmp_path):
    def easyrsa(*args, **more):
        env = {**os.environ, "EASYRSA_BATCH": "1", "EASYRSA_PKI": str(tmp_path / "pki"), **more}
        subprocess.run([EASYRSA, *args], env=env, capture_output=True, check=True, timeout=300, cwd=tmp_path)
    easyrsa("init-pki")
    easyrsa("build-ca", "nopass", EASYRSA_REQ_CN="Old CA")
    easyrsa("build-client-full", "gw-1", "nopass")
    easyrsa("revoke", "gw-1", "superseded")
    easyrsa("gen-crl")
    rc, report, err = inspect(tmp_path / "pki/crl.pem", "--ca", tmp_path / "pki/ca.crt")
    assert (rc, err) == (0, "") and report["issuer"] == "CN=Old CA" and report["of_ca"]
    (serial,) = (line.split("\t")[3].lower() for line in (tmp_path / "pki/index.txt").read_text().splitlines())
    assert [(e["serial"], e["reason"]) for e in report["entries"]] == [(serial, "superseded")]


def test_pkits():
    """Every list of the vectors: read, with what openssl reads in it; its signature is judged by the CA that the vectors name it after."""
    path = support.corpus("x509") / "pkits"
    passed, listed, failed, used = 0, 0, [], set()
    for crl in sorted((path / "crls").glob("*.crl")):
        rc, report, err = inspect(crl)
        if report is None:
            (used.add(crl.name) if crl.name in DIFFERS else failed.append(f"{crl.name}: {err}"))
            listed += crl.name in DIFFERS
            continue
        text = openssl("crl", "-inform", "DER", "-in", crl, "-noout", "-text").decode()
        theirs = [line.split(":")[1].strip().lower() for line in text.splitlines() if line.strip().startswith("Serial Number:")]
        assert [e["serial"] for e in report["entries"]] == theirs, crl.name
        at = datetime.datetime.strptime(text.split("Last Update: ")[1].splitlines()[0], "%b %d %H:%M:%S %Y GMT")
        assert report["this_update"] == at.strftime("%Y-%m-%dT%H:%M:%SZ"), crl.name
        if crl.name in DIFFERS:
            failed.append(f"{crl.name}: listed, and read")
        passed += 1
    unused = sorted(set(DIFFERS) - used)
    print(f"crl: {passed} pass, {len(failed)} fail, {listed} out of scope as listed")
    assert not unused, unused
    assert passed and not failed, "\n".join(failed)


# Lists that are not of the CA that they are named after, and why: the whole point of these vectors.
NOT_OF_CA = {"BasicSelfIssuedCRLSigningKeyCACRL.crl": "another key", "BasicSelfIssuedOldKeyCACRL.crl": "another key", "DSACACRL.crl": "not verified",
             "WrongCRLCACRL.crl": "issuer is not", "keyUsageNotCriticalcRLSignFalseCACRL.crl": "may not sign lists",
             "MissingbasicConstraintsCACRL.crl": "not the certificate of a CA", "basicConstraintsCriticalcAFalseCACRL.crl": "not the certificate of a CA",
             "basicConstraintsNotCriticalcAFalseCACRL.crl": "not the certificate of a CA"}


def test_pkits_signatures():
    """The lists of those CAs whose names and certificates PKITS keeps under one name."""
    path = support.corpus("x509") / "pkits"
    right, wrong = 0, {}
    for crl in sorted((path / "crls").glob("*.crl")):
        ca = path / "certs" / (crl.stem.removesuffix("CRL") + "Cert.crt")
        if not ca.is_file() or crl.name in DIFFERS:
            continue
        _, report, err = inspect(crl, "--ca", ca)
        if report and report["of_ca"]:
            right += 1
        else:
            wrong[crl.name] = report["rule"] if report else err
    assert right > 60
    assert {name: next((word for word in NOT_OF_CA.values() if word in why), why) for name, why in wrong.items()} == NOT_OF_CA
