# SPDX-License-Identifier: Apache-2.0
"""What a whole server does when there is nothing to judge by, and how devices without a TPM stay in its fleet."""

import datetime
import http.client
import os
import signal
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import agent_device
import device_tpm
from server_support import Gateway, Server, maker_with_roots, needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    device_tpm.needed()
    folder = tmp_path_factory.mktemp("closed")
    server = Server(folder)
    policy = (server.folder / "policies/gateway.yaml").read_text()
    sensor = policy.replace("class: gateway", "class: sensor").replace("requires: [platform, boot]", "requires: [platform]")
    sensor = sensor.replace("token: refused", "token: allowed").replace("max_age: 1h, interval: 10m", "max_age: 30s, interval: 30s")
    assert "30s" in sensor and "allowed" in sensor and "[platform]" in sensor
    (server.folder / "policies/sensor.yaml").write_text(sensor)
    maker = maker_with_roots(folder / "maker", server)
    server.start()
    gateway = Gateway(folder / "gateway", maker, server)
    try:
        yield server, gateway
    finally:
        gateway.stop()
        server.stop()


def many_roots(count):
    """More certificates than a chain is looked for in: each is one, together they are too many."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime(2026, 1, 1)
    pem = b""
    for number in range(1, count + 1):
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"root {number}")])
        made = x509.CertificateBuilder(name, name, key.public_key(), number, now, now + datetime.timedelta(3650))
        made = made.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
        pem += made.public_bytes(serialization.Encoding.PEM)
    return pem


def reload(server):
    """The configuration is read again; connections made before may be closed."""
    os.kill(server.process.pid, signal.SIGHUP)
    for connection in server.kept.values():
        connection.close()
    server.kept = {}


def status_where(server, holds):
    end = time.monotonic() + 60
    while True:
        try:
            status = server.get("/api/v1/status")
        except (http.client.HTTPException, ConnectionError):
            server.kept = {}
            continue
        if holds(status):
            return status
        assert time.monotonic() < end, status
        time.sleep(0.05)


def metric(server, name):
    text = server.get("/metrics").decode()
    return [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)]


def test_a_generation_that_is_refused_judges_nobody_and_is_an_alarm(one):
    server, gateway = one
    gateway.attest()
    before = server.get("/api/v1/status")
    assert before["refused"] is None
    ident = server.get("/api/v1/devices")["devices"][0]["device"]
    good = server.cli("baseline", "capture", "--device", ident)
    (server.folder / "good.json").write_text(good)
    server.cli("baseline", "approve", "--class", "gateway", "--reason", "first", server.folder / "good.json")
    assert gateway.attest()["chain"] == "affirming"
    shown = server.get(f"/api/v1/devices/{ident}")
    roots = server.folder / "ek_roots" / "many.pem"
    roots.write_bytes(many_roots(1020))
    reload(server)
    status = status_where(server, lambda s: s["refused"])
    assert "EK roots" in status["refused"]["rule"] and status["refused"]["since"]
    assert status["generation"] > before["generation"]
    assert "REFUSED" in server.cli("status")
    # Not by the generation before either.
    gateway.attest(code=1)
    assert server.get(f"/api/v1/devices/{ident}")["evidence"] == shown["evidence"]
    explained = server.get(f"/api/v1/devices/{ident}/explain")["sentences"]
    assert any(s["code"] == "generation-refused" and s["todo"] for s in explained)
    end = time.monotonic() + 30
    while metric(server, "chainhold_keeper_generation_refused") != [1] or set(metric(server, "chainhold_verify_generation")) != {0}:
        assert time.monotonic() < end
        time.sleep(0.2)
    # What operators decide still counts: it is how this is mended.
    server.cli("device", "reattest", "--reason", "still there", ident)
    roots.unlink()
    reload(server)
    status_where(server, lambda s: s["refused"] is None)
    assert gateway.attest()["chain"] == "affirming"


def test_a_device_without_a_tpm_stays_fresh_by_its_key_and_renews(one, tmp_path):
    server, _ = one
    token = server.cli("token", "create", "--class", "sensor", "--reason", "a board without a TPM").strip()
    device = agent_device.Device(tmp_path / "board", tpm=False)
    (device.folder / "token").write_text(token + "\n")
    device.set(server=f"localhost:{server.devices}", server_ca=server.folder / "ca.crt", token_file=device.folder / "token",
               **{"class": "sensor"})
    ident = device.once()[0]["device"]
    shown = server.get(f"/api/v1/devices/{ident}")
    assert (shown["state"], shown["chain"], shown["links"]["platform"]["tier"]) == ("trusted", "warning", "warning")
    (device.folder / "token").unlink()
    first = shown["links"]["platform"]["fresh"]
    # Its evidence is stale after 30 seconds: silence is seen, and ends with the key.
    time.sleep(31)
    server.wait(f"/api/v1/devices/{ident}", lambda d: d["chain"] == "contraindicated" and d["links"]["platform"]["stale"])
    status, _ = device.once()
    assert (status["state"], status["chain"]) == ("trusted", "warning")
    shown = server.get(f"/api/v1/devices/{ident}")
    assert shown["links"]["platform"]["fresh"] >= first + 30 and len(shown["certificates"]) == 1
    # Two thirds of its certificate are over: a new key, under the old certificate.
    age(device, 70 * 86400)
    status, err = device.once()
    assert "renewed with a new key" in err and status["key"] == 2
    shown = server.get(f"/api/v1/devices/{ident}")
    assert len(shown["certificates"]) == 2 and shown["chain"] == "warning"
    assert device.once()[0]["chain"] == "warning"


def age(device, seconds):
    """Lets the device believe that its certificate was issued long ago."""
    from test_live_agent_server import age as of  # its format is the agent's
    of(device, seconds)
