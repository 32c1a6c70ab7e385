# SPDX-License-Identifier: Apache-2.0
"""chainhold's commands for operators against a whole server: tables, JSON, exit codes, two-person decisions."""

import base64
import hashlib
import json
import os
import stat
import subprocess

import pytest

from device_tpm import b64
from server_support import Server, new_key, token_enrolment
from support import run

POLICY = """\
class: gateway
requires: [platform, boot]
evidence: {max_age: 1h, interval: 10m}
on_break: {platform: quarantine, boot: quarantine}
release: two-operators
two_signatures: [device.decommission, operator.add]
certificate: {lifetime: 30d}
enrolment: {ek: any-trusted-root, token: allowed}
"""


# --- init: needs no server ---

def test_init_makes_a_folder_that_keeps_its_secrets(tmp_path):
    code, out, _ = run(["init", "--name", "server.example", "--name", "192.0.2.7", tmp_path / "new"])
    assert code == 0 and "server.example 192.0.2.7" in out
    for path in (tmp_path / "new").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.suffix == ".key":
            assert mode == 0o600, path
        assert mode & 0o022 == 0, path
    text = subprocess.run(["openssl", "x509", "-in", tmp_path / "new" / "tls" / "server.crt", "-noout", "-ext", "subjectAltName"],
                          capture_output=True, text=True, check=True).stdout
    assert "DNS:server.example" in text and "IP Address:192.0.2.7" in text
    for leaf, purpose in (("tls/server.crt", "sslserver"), ("operators/admin.crt", "sslclient")):
        subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "new" / "ca.crt", "-purpose", purpose, tmp_path / "new" / leaf],
                       check=True, capture_output=True)


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("mine")
    code, _, err = run(["init", tmp_path / "used"])
    assert code == 4 and "nothing is ever overwritten" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["used"]
    (tmp_path / "empty").mkdir()
    assert run(["init", tmp_path / "empty"])[0] == 0


@pytest.mark.parametrize("options", [
    ["--devices-port", "0"], ["--devices-port", "70000"], ["--public-port", "x"], ["--operator", "../root"], ["--listen", "eth0"],
    ["--name", "a,DNS:evil.example"], ["--name", ""],
])
def test_init_refuses_what_would_not_work(tmp_path, options):
    code, _, err = run(["init", *options, tmp_path / "new"])
    assert code == 2 and err and not (tmp_path / "new").exists()


# --- with a server ---

@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("chainholdd gives its processes users of their own: it starts as root")
    one = Server(tmp_path_factory.mktemp("cli"), policy=POLICY.replace(", operator.add", ""))
    one.start()
    for name, role in (("bob", "operator"), ("vera", "viewer"), ("rita", "releaser")):
        one.add_operator(name, role)
    yield one
    one.stop()


def enrol(server, token):
    """A device without a TPM, by a token, as curl could; its id."""
    body = json.dumps({**token_enrolment(token, new_key()), "hostname": "sensor-7"})
    done = subprocess.run(["curl", "-s", "--cacert", server.folder / "ca.crt", "-H", "Content-Type: application/json", "-d", body,
                           f"https://localhost:{server.devices}/v1/enrol/token"], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert "device" in answer, answer
    return answer["device"]


@pytest.fixture(scope="module")
def device(server):
    return enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "test").strip())


def test_status_for_people_and_programs(server, device):
    page = server.cli("status")
    assert device and "your role           admin" in page
    confined = [line.split() for line in page.split("CONFINED BY\n")[1].splitlines()]
    assert {line[0] for line in confined} == {"edge", "verify", "keeper", "reader", "signer"}
    assert all({"root", "uid", "no_new_privs", "seccomp"} <= set(line) for line in confined)
    assert json.loads(server.cli("status", "--json"))["devices"]["total"] >= 1


def test_a_device_has_many_names(server, device):
    table = server.cli("device", "list")
    assert "DEVICE" in table.splitlines()[0] and device in table and "sensor-7" in table
    for name in (device, device[:6], "sensor-7"):
        assert json.loads(server.cli("device", "show", "--json", name))["device"] == device
    assert "no device is called" in server.cli("device", "show", "sensor-8", code=1)
    page = server.cli("device", "show", device)
    assert all(link in page for link in ("platform", "boot", "os", "channel", "update", "sbom", "monitor"))


def test_explain_says_why_and_exits_with_1(server, device):
    out = server.cli("device", "explain", device, code=1)
    assert "not trusted: sensor-7 is enrolled" in out and "requires the link boot" in out and "→" in out
    document = json.loads(server.cli("device", "explain", "--json", device, code=1))
    assert not document["trusted"]


def test_a_token_is_used_once(server):
    token = server.cli("token", "create", "--class", "gateway", "--reason", "once").strip()
    enrol(server, token)
    with pytest.raises(AssertionError, match="error"):
        enrol(server, token)


def test_quarantine_and_release_by_two(server):
    device = enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "two").strip())
    assert "done: device.quarantine" in server.cli("device", "quarantine", "--reason", "found open", device)
    server.wait(f"/api/v1/devices/{device}", lambda d: d["state"] == "quarantined" and not d["cutting"])
    assert "It was cut off" in server.cli("device", "explain", device, code=1)
    out = server.cli("device", "release", "--reason", "looked at it", device, code=5)
    assert "waiting for another operator's signature" in out
    assert server.get(f"/api/v1/devices/{device}")["state"] == "quarantined"
    number = [a for a in server.get("/api/v1/actions?state=waiting")["actions"] if a["subject"] == device][0]["action"]
    # the same operator twice is one
    server.cli("action", "sign", number, code=5)
    assert server.get(f"/api/v1/devices/{device}")["state"] == "quarantined"
    out = server.cli("action", "sign", number, config="bob.yaml")
    assert "You sign:\nchainhold-action/v1\n" in out and "done: device.release" in out
    assert server.get(f"/api/v1/devices/{device}")["state"] == "enrolled"
    assert "no action" in server.cli("action", "sign", number, code=1)


def test_revoke_and_decommission_are_final(server):
    device = enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "end").strip())
    server.cli("device", "revoke", "--reason", "lost", device)
    assert "is revoked" in server.cli("device", "explain", device, code=1)
    server.cli("device", "decommission", "--reason", "scrapped", device, code=5)
    number = [a for a in server.get("/api/v1/actions?state=waiting")["actions"] if a["subject"] == device][0]["action"]
    server.cli("action", "sign", number, config="bob.yaml")
    assert server.get(f"/api/v1/devices/{device}")["state"] == "decommissioned"
    assert "refuses" in server.cli("device", "release", "--reason", "no", device, code=1)


@pytest.mark.parametrize("config, words", [
    ("vera.yaml", ["device", "quarantine", "--reason", "x", "DEVICE"]), ("vera.yaml", ["ek", "deny", "--reason", "x", "0" * 64]),
    ("bob.yaml", ["policy", "apply", "--reason", "x", "POLICY"]), ("bob.yaml", ["operator", "remove", "--reason", "x", "vera"]),
    ("rita.yaml", ["device", "revoke", "--reason", "x", "DEVICE"]), ("bob.yaml", ["baseline", "approve", "--class", "gateway", "--reason", "x", "DOCUMENT"]),
])
def test_a_role_signs_only_what_is_its(server, device, tmp_path, config, words):
    (tmp_path / "POLICY").write_text(POLICY)
    (tmp_path / "DOCUMENT").write_text('{"format": "chainhold-reference/1", "kind": "baseline", "name": "x", "pcrs": [0], "events": []}')
    words = [device if w == "DEVICE" else tmp_path / w if w.isupper() else w for w in words]
    assert "403" in server.cli(*words, code=1, config=config)


def test_everybody_reads(server, device):
    assert device in server.cli("device", "list", config="vera.yaml")


def test_a_policy_goes_round(server, tmp_path):
    shown = server.cli("policy", "show", "gateway")
    path = tmp_path / "policy.yaml"
    path.write_text(shown.replace("max_age: 1h", "max_age: 2h"))
    server.cli("policy", "apply", "--reason", "slower", path)
    assert "max_age: 2h" in server.cli("policy", "show", "gateway")
    path.write_text(shown.replace("automatic", "never").replace("two-operators", "never"))
    assert "line 1" in server.cli("policy", "apply", "--reason", "x", path, code=1)
    assert "no class" in server.cli("policy", "show", "nothing", code=1)


def test_eks_are_listed(server):
    ek = hashlib.sha256(b"ek").hexdigest()
    server.cli("ek", "allow", "--reason", "bought", ek)
    assert ek in server.cli("ek", "list") and "allow" in server.cli("ek", "list")
    server.cli("ek", "deny", "--reason", "stolen", ek)
    assert "deny" in server.cli("ek", "list")
    assert "is not what ek.allow is done to" in server.cli("ek", "allow", "--reason", "x", "nonsense", code=2)


def test_an_operator_who_was_removed_is_out(server):
    server.add_operator("eve", "operator")
    server.cli("status", config="eve.yaml")
    server.cli("operator", "remove", "--reason", "left", "eve")
    assert "403" in server.cli("status", config="eve.yaml", code=1)
    assert "eve" in server.cli("operator", "list")


def test_a_reason_is_needed_and_is_escaped(server, device):
    assert "--reason" in server.cli("device", "reattest", device, code=2)
    server.cli("device", "reattest", "--reason", "a\x1b[31m b\n", device)
    shown = server.cli("action", "list")
    assert "\x1b" not in shown and "a\\x1b[31m b\\x0a" in shown


def test_what_was_never_signed_is_not_done(server, device):
    """Another text under a good signature, and a signature of a key that is nobody's."""
    server.cli("device", "reattest", "--reason", "real", device)
    one = server.get("/api/v1/actions")["actions"][0]
    text = base64.urlsafe_b64decode(one["canonical"] + "==").decode()
    forged = text.replace("verb: device.reattest", "verb: device.revoke")
    assert forged != text
    signature = {"key": one["signatures"][0]["key"], "signature": one["signatures"][0]["signature"]}
    for body in ({"action": b64(forged.encode()), "signatures": [signature], "payload": None},
                 {"action": one["canonical"], "signatures": [{**signature, "key": "0" * 64}], "payload": None}):
        error = server.get("/api/v1/actions", method="POST", body=json.dumps(body), status=403)
        assert error["error"]["rule"]
    assert server.get(f"/api/v1/devices/{device}")["state"] == "enrolled"


def test_a_copy_of_the_store_is_audited_and_put_back(server, tmp_path):
    copy = tmp_path / "copy.db"
    server.run("backup", server.folder, copy)
    assert stat.S_IMODE(copy.stat().st_mode) & 0o077 == 0
    assert "lead to the root of their entries" in server.run("audit", "--key", server.folder / "log.vkey", copy)
    before = copy.read_bytes()
    server.run("backup", server.folder, copy, code=1)
    server.run("restore", copy, server.folder, code=1)
    server.run("restore", copy, tmp_path / "new.db")
    assert copy.read_bytes() == before and "root of their entries" in server.run("audit", tmp_path / "new.db")
    server.run("backup", tmp_path / "nowhere", tmp_path / "other.db", code=4)


def test_what_goes_wrong_is_said(server, tmp_path):
    bad = tmp_path / "chainhold.yaml"
    bad.write_text("server: localhost\n")
    assert "is missing here" in server.run("--config", bad, "status", code=2)
    good = (server.folder / "chainhold.yaml").read_text()
    bad.write_text(good.replace("ca: ca.crt", f"ca: {server.folder}/ca.crt").replace("operators/", f"{server.folder}/operators/")
                   .replace(f"localhost:{server.operators}", "localhost:1"))
    assert "localhost:1" in server.run("--config", bad, "status", code=4)
    assert "needs the name of a file" in server.run("--config", code=2)
