# SPDX-License-Identifier: Apache-2.0
"""Revocation that cuts, against the whole server: its list and its OCSP by others' programs."""

import base64
import http.client
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest
from cryptography.x509 import load_der_x509_crl
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response

import support
from revocation_support import Device, Server, vpn
from server_support import openssl

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chainholdd gives its processes users of their own: it starts as root")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("revocation"))
    one.policy(two_signatures="[]")
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def good(server, tmp_path_factory):
    return Device(server, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def bad(server, tmp_path_factory):
    """A device whose certificate is revoked."""
    one = Device(server, tmp_path_factory.mktemp("bad"))
    one.revoke()
    server.wait_listed(one.serial)
    return one


def run(*command, data=None):
    return subprocess.run(list(map(str, command)), input=data, capture_output=True, timeout=120, check=False)


# --- the list ---


def test_a_certificate_says_where_its_revocation_is_told(server, good):
    text = openssl("x509", "-in", good.certificate, "-noout", "-text").decode()
    assert f"URI:{server.url}/crl/{server.kid}.crl" in text
    assert f"OCSP - URI:{server.url}/ocsp" in text


def test_openssl_takes_the_list(server, good, bad, tmp_path):
    (tmp_path / "crl.pem").write_bytes(server.crl("pem"))
    checked = run("openssl", "crl", "-in", tmp_path / "crl.pem", "-CAfile", server.folder / "ca.crt", "-noout")
    assert checked.returncode == 0 and b"verify OK" in checked.stderr, checked
    assert openssl("crl", "-in", tmp_path / "crl.pem", "-outform", "DER") == server.crl()
    assert run(support.BIN, "inspect", "crl", "--ca", server.folder / "ca.crt", tmp_path / "crl.pem").returncode == 0
    verify = ("openssl", "verify", "-crl_check", "-CAfile", server.folder / "ca.crt", "-CRLfile", tmp_path / "crl.pem")
    assert run(*verify, good.certificate).returncode == 0
    refused = run(*verify, bad.certificate)
    assert refused.returncode != 0 and b"certificate revoked" in refused.stderr, refused
    # And fetched by openssl itself from where the certificate says.
    online = run("openssl", "verify", "-crl_check", "-crl_download", "-CAfile", server.folder / "ca.crt", bad.certificate)
    assert online.returncode != 0 and b"certificate revoked" in online.stderr, online


def test_the_list_has_what_rfc_5280_wants(server, bad):
    text = openssl("crl", "-inform", "DER", "-noout", "-text", data=server.crl()).decode()
    assert "Version 2 (0x1)" in text and "ecdsa-with-SHA256" in text
    assert server.kid.upper() in text.replace(":", "") and "X509v3 CRL Number" in text
    assert server.serials()[bad.serial] == "Key Compromise"


def test_a_decommissioned_device_has_ceased(server, tmp_path):
    gone = Device(server, tmp_path)
    before = int(openssl("crl", "-inform", "DER", "-noout", "-crlnumber", data=server.crl()).decode().split("=")[1], 16)
    gone.revoke("device.decommission")
    server.wait_listed(gone.serial)
    assert server.serials()[gone.serial] == "Cessation Of Operation"
    after = int(openssl("crl", "-inform", "DER", "-noout", "-crlnumber", data=server.crl()).decode().split("=")[1], 16)
    assert after > before


def test_caches_are_told_how_long(server):
    with urllib.request.urlopen(f"{server.url}/crl/{server.kid}.crl", timeout=30) as answer:
        fields, body = answer.headers, answer.read()
    assert fields["Content-Type"] == "application/pkix-crl" and int(fields["Content-Length"]) == len(body)
    age = int(re.match(r"max-age=(\d+), public", fields["Cache-Control"])[1])
    assert 0 < age <= 3600 and fields["Last-Modified"] and fields["Expires"]
    connection = http.client.HTTPConnection("127.0.0.1", server.public, timeout=30)
    connection.request("GET", f"/crl/{server.kid}.crl", headers={"If-None-Match": fields["ETag"]})
    again = connection.getresponse()
    assert again.status == 304 and again.read() == b"" and again.headers["ETag"] == fields["ETag"]
    # The connection goes on, in step.
    connection.request("HEAD", f"/crl/{server.kid}.crl")
    head = connection.getresponse()
    assert head.status == 200 and head.read() == b"" and int(head.headers["Content-Length"]) == len(body)
    connection.request("GET", "/crl/00.crl")
    assert connection.getresponse().status == 404
    connection.close()


# --- OCSP ---


def ocsp(server, certificate, *more, digest="-sha1"):
    done = run("openssl", "ocsp", "-url", f"{server.url}/ocsp", "-CAfile", server.folder / "ca.crt", "-issuer", server.folder / "ca.crt",
               digest, *(["-cert", certificate] if certificate else []), *more)
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("digest", ["-sha1", "-sha256", "-sha384", "-sha512"])
@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
def test_openssl_is_told_good_and_revoked(server, good, bad, digest, nonce):
    said = ocsp(server, good.certificate, nonce, digest=digest)
    assert "Response verify OK" in said and f"{good.certificate}: good" in said and "Next Update" in said, said
    assert "WARNING" not in said, said
    said = ocsp(server, bad.certificate, nonce, digest=digest)
    assert "Response verify OK" in said and f"{bad.certificate}: revoked" in said, said
    assert "Reason: keyCompromise" in said and "Revocation Time: " in said and "WARNING" not in said, said


def test_a_number_that_nobody_issued_is_unknown(server):
    said = ocsp(server, None, "-serial", "0x1234")
    assert "Response verify OK" in said and "0x1234: unknown" in said, said


def test_several_are_answered_at_once(server, good, bad):
    said = ocsp(server, good.certificate, "-cert", bad.certificate, "-serial", "7")
    assert "good" in said and "revoked" in said and "7: unknown" in said and "Response verify OK" in said, said


def test_certificates_of_the_server_itself_are_known(server):
    for name in ("tls/server.crt", "operators/admin.crt"):
        assert f"{name}: good" in ocsp(server, server.folder / name)


def test_another_ca_is_not_answered_for(server, good, tmp_path):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "k", "-out",
            tmp_path / "other.crt", "-subj", "/CN=other")
    done = run("openssl", "ocsp", "-url", f"{server.url}/ocsp", "-issuer", tmp_path / "other.crt", "-cert", good.certificate, "-noverify")
    assert b"unauthorized" in done.stdout + done.stderr, done


def request_of(server, device, tmp_path, *more):
    openssl("ocsp", "-issuer", server.folder / "ca.crt", "-cert", device.certificate, "-reqout", tmp_path / "request", *more)
    return (tmp_path / "request").read_bytes()


def post(server, body, kind="application/ocsp-request"):
    connection = http.client.HTTPConnection("127.0.0.1", server.public, timeout=30)
    connection.request("POST", "/ocsp", body, {"Content-Type": kind})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def get(server, path, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", server.public, timeout=30)
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def shown(server, device, answer, tmp_path):
    (tmp_path / "answer").write_bytes(answer)
    return run("openssl", "ocsp", "-respin", tmp_path / "answer", "-CAfile", server.folder / "ca.crt", "-issuer",
               server.folder / "ca.crt", "-cert", device.certificate).stdout.decode()


def test_a_get_is_answered_and_cached(server, good, tmp_path):
    request = request_of(server, good, tmp_path, "-no_nonce")
    text = base64.b64encode(request).decode()
    post(server, request)  # now it is kept, whatever was asked before
    forms = [urllib.parse.quote(text, safe=""), text, "//" + text]
    answers = []
    for form in forms:
        status, fields, answer = get(server, f"/ocsp/{form}")
        assert status == 200 and fields["Content-Type"] == "application/ocsp-response", (status, answer)
        assert f"{good.certificate}: good" in shown(server, good, answer, tmp_path)
        assert 0 < int(re.match(r"max-age=(\d+)", fields["Cache-Control"])[1]) <= 1800 and fields["Expires"]
        answers.append((fields["ETag"], answer))
    assert answers[0] == answers[1] == answers[2]  # signed once, given to all
    status, fields, answer = get(server, f"/ocsp/{forms[0]}", **{"If-None-Match": answers[0][0]})
    assert status == 304 and answer == b""


def test_what_is_no_request_is_malformed(server, good, tmp_path):
    request = request_of(server, good, tmp_path)
    malformed = bytes.fromhex("30030a0101")
    for body in (b"", b"\x30\x00", request[:-1], request + b"\0", b"\xff" * 2000):
        if body:
            assert post(server, body) == (200, malformed), body
    assert get(server, "/ocsp/%zz")[0] == 400  # no percent-encoding
    assert get(server, "/ocsp/AAAA")[2] == malformed
    assert post(server, request, "application/json")[0] == 415
    assert post(server, b"\0" * 2049)[0] == 413


def test_an_answer_with_a_nonce_is_of_that_request(server, good, tmp_path):
    request = request_of(server, good, tmp_path)
    status, answer = post(server, request)
    assert status == 200
    match = run("openssl", "ocsp", "-reqin", tmp_path / "request", "-respin", "/dev/stdin", "-CAfile", server.folder / "ca.crt",
                "-issuer", server.folder / "ca.crt", data=answer)
    assert b"Response verify OK" in match.stderr and b"WARNING" not in match.stderr, match
    assert post(server, request)[1] != answer  # signed anew


def test_the_responder_is_one_of_the_ca_for_this_alone(server, good, tmp_path):
    _, answer = post(server, request_of(server, good, tmp_path))
    text = run("openssl", "ocsp", "-respin", "/dev/stdin", "-noverify", "-text", data=answer).stdout.decode()
    assert "OCSP Signing" in text and "OCSP No Check" in text and re.search("CN ?= ?OCSP responder", text)
    assert "Digital Signature" in text and "Certificate Sign" not in text and "CRL Sign" not in text


def test_gnutls_is_told_too(server, good, bad):
    if shutil.which("ocsptool") is None:
        pytest.skip("gnutls-bin is not installed")
    for device, word in ((good, b"good"), (bad, b"revoked")):
        done = run("ocsptool", f"--ask={server.url}/ocsp", "--load-issuer", server.folder / "ca.crt", "--load-cert", device.certificate,
                   "--load-trust", server.folder / "ca.crt")
        assert b"Certificate Status: " + word in done.stdout and b"Success" in done.stdout, done


def test_strongswan_asks_online(server, good, bad):
    """Its pki, with the plugins revocation and curl: OCSP first, then the list."""
    if shutil.which("pki") is None:
        pytest.skip("strongswan-pki is not installed")
    verify = ("pki", "--verify", "--online", "--cacert", server.folder / "ca.crt", "--in")
    done = run(*verify, good.certificate)
    said = (done.stdout + done.stderr).decode()
    if "curl" not in said and "unable to fetch" in said:
        pytest.skip("libstrongswan-extra-plugins (curl) is not installed")
    assert done.returncode == 0 and "certificate status is good" in said and "ocsp response correctly signed" in said, said
    done = run(*verify, bad.certificate)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 and "certificate was revoked" in said, said


def test_strongswan_takes_the_list(server, good, bad, tmp_path):
    if shutil.which("pki") is None:
        pytest.skip("strongswan-pki is not installed")
    (tmp_path / "list.crl").write_bytes(server.crl())
    verify = ("pki", "--verify", "--cacert", server.folder / "ca.crt", "--crl", tmp_path / "list.crl", "--in")
    assert run(*verify, good.certificate).returncode == 0
    done = run(*verify, bad.certificate)
    assert done.returncode != 0 and b"revoked" in done.stdout + done.stderr, done
    printed = run("pki", "--print", "--type", "crl", "--in", tmp_path / "list.crl").stdout.decode()
    assert bad.serial.lower() in printed.replace(":", "") and "key compromise" in printed


# --- OpenVPN ---


def test_openvpn_refuses_who_is_revoked(server, good, bad, tmp_path):
    if shutil.which("openvpn") is None:
        pytest.skip("openvpn is not installed")
    crl = tmp_path / "crl.pem"
    crl.write_bytes(server.crl("pem"))
    assert "Peer Connection Initiated" in vpn(server.folder, good, crl, tmp_path / "good.log")
    line = vpn(server.folder, bad, crl, tmp_path / "bad.log")
    assert "VERIFY ERROR" in line and "certificate revoked" in line, line
    # Revoked now, and the file replaced: refused at the next handshake.
    late = Device(server, tmp_path, "late")
    assert "Peer Connection Initiated" in vpn(server.folder, late, crl, tmp_path / "before.log")
    late.revoke()
    server.wait_listed(late.serial)
    (tmp_path / "new.pem").write_bytes(server.crl("pem"))
    os.rename(tmp_path / "new.pem", crl)
    assert "certificate revoked" in vpn(server.folder, late, crl, tmp_path / "after.log")


# --- limits ---


def test_what_must_be_signed_has_a_limit(tmp_path):
    server = Server(tmp_path, ocsp_rate=1)
    server.start()
    try:
        device = Device(server, tmp_path)
        plain = request_of(server, device, tmp_path, "-no_nonce")
        first = post(server, plain)[1]
        nonce = request_of(server, device, tmp_path)
        kept = 0
        for _ in range(300):
            status, answer = post(server, nonce)
            assert status == 200
            kept += answer == first
        # The burst was signed; then the answer that is kept went out, without the nonce, which openssl tells.
        assert 100 < kept < 300
        (tmp_path / "answer").write_bytes(first)
        done = run("openssl", "ocsp", "-reqin", tmp_path / "request", "-respin", tmp_path / "answer", "-CAfile", server.folder / "ca.crt",
                   "-issuer", server.folder / "ca.crt")
        assert b"no nonce in response" in done.stderr, done
        # About a number that nobody issued nothing is kept.
        openssl("ocsp", "-issuer", server.folder / "ca.crt", "-serial", "5", "-no_nonce", "-reqout", tmp_path / "unknown")
        assert post(server, (tmp_path / "unknown").read_bytes())[1] == bytes.fromhex("30030a0103")  # tryLater
        # What is kept does not count.
        assert all(post(server, plain)[1] == first for _ in range(50))
    finally:
        server.stop()


# --- it cuts ---


DEVICES = int(os.environ.get("DEVICES", "20"))  # docs/results/bench.md has the figures of 200


def closed_at(stream, times):
    """Waits for the end of a live session, in a thread of its own."""
    try:
        while stream.recv(4096):
            pass
    except OSError:
        pass
    times.append(time.monotonic())


def test_from_the_decision_to_everybody_who_asks(server, tmp_path, capsys):
    """Printed: how long after an operator's word the session of a device is closed, OCSP says revoked, the list has it. Figures, no limit."""
    took = {"its session is closed, by the server's own figure": [], "its live session is closed": [], "the operator is answered": [], "OCSP says revoked": [], "the list has it": []}
    for i in range(DEVICES):
        device = Device(server, tmp_path, f"d{i}")
        request = request_of(server, device, tmp_path, "-no_nonce")
        assert load_der_ocsp_response(post(server, request)[1]).certificate_status == OCSPCertStatus.GOOD
        session, closed = device.session(), []
        waiter = threading.Thread(target=closed_at, args=(session, closed))
        waiter.start()
        device.revoke()
        begin = server.asked
        took["the operator is answered"].append(time.monotonic() - begin)
        # From the first answer on: what was kept is gone before the operator has the answer.
        answer = load_der_ocsp_response(post(server, request)[1])
        took["OCSP says revoked"].append(time.monotonic() - begin)
        assert answer.certificate_status == OCSPCertStatus.REVOKED and answer.revocation_reason.name == "key_compromise"
        number = int(device.serial, 16)
        while load_der_x509_crl(server.crl()).get_revoked_certificate_by_serial_number(number) is None:
            time.sleep(0.002)
        took["the list has it"].append(time.monotonic() - begin)
        waiter.join()
        took["its live session is closed"].append(closed[0] - begin)
        session.close()
        (cut,) = server.admin("GET", f"/api/v1/devices/{device.id}")[1]["cuts"]
        assert cut["done"] and cut["sessions"] == 1
        took["its session is closed, by the server's own figure"].append(cut["took_ms"] / 1000)
    with capsys.disabled():
        print()
        for what, seconds in took.items():
            seconds.sort()
            print(f"  from the decision until {what}: median {seconds[len(seconds) // 2] * 1000:.0f} ms,"
                  f" p99 {seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)] * 1000:.0f} ms ({len(seconds)} devices)")


def test_what_is_revoked_stays_so_across_restarts(server, bad, good):
    number = int(openssl("crl", "-inform", "DER", "-noout", "-crlnumber", data=server.crl()).decode().split("=")[1], 16)
    server.stop()
    server.start()
    server.wait_listed(bad.serial)
    assert int(openssl("crl", "-inform", "DER", "-noout", "-crlnumber", data=server.crl()).decode().split("=")[1], 16) > number
    assert ": revoked" in ocsp(server, bad.certificate) and ": good" in ocsp(server, good.certificate)
