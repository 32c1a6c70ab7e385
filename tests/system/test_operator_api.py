# SPDX-License-Identifier: Apache-2.0
"""The operators' interface of a whole server, with a device that boots well, is tampered with, is cut off and mends itself.

Every answer is validated against docs/openapi/operator.yaml.
"""

import base64
import copy
import hashlib
import json

import pytest

import device_tpm
from openapi import OPERATOR
from server_support import Gateway, Server, maker_with_roots, needs_root

pytestmark = needs_root


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A fleet of one gateway, told once; what was seen on the way is in `seen`."""
    device_tpm.needed()
    folder = tmp_path_factory.mktemp("operator-api")
    server = Server(folder)
    maker = maker_with_roots(folder / "maker", server)
    server.start()
    gateway = Gateway(folder / "gateway", maker, server)
    try:
        yield tell(server, gateway)
    finally:
        gateway.stop()
        server.stop()


class Story:
    def __init__(self, server, gateway):
        self.server, self.gateway, self.id, self.seen = server, gateway, None, {}

    def note(self, name):
        self.seen[name] = {"device": self.server.get(f"/api/v1/devices/{self.id}"),
                           "explain": self.server.get(f"/api/v1/devices/{self.id}/explain")}


def tell(server, gateway):
    story = Story(server, gateway)
    gateway.attest()
    (device,) = server.get("/api/v1/devices")["devices"]
    story.id = device["device"]
    story.note("no baseline")
    good = server.cli("baseline", "capture", "--device", story.id)
    (server.folder / "good.json").write_text(good)
    server.cli("baseline", "approve", "--class", "gateway", "--reason", "first unit", server.folder / "good.json")
    gateway.attest()
    story.note("good")
    bad = copy.deepcopy(gateway.log)
    record = bad.find(2, text=b"payload")
    record.digests[0x000B] = b"\x66" * 32
    gateway.reboot(bad)
    gateway.attest()
    server.wait(f"/api/v1/devices/{story.id}", lambda d: d["cuts"] and not d["cutting"])
    story.note("tampered")
    gateway.reboot(gateway.log)
    gateway.attest()
    story.note("mended")
    return story


def test_a_class_without_baseline_is_not_trusted_and_says_what_to_do(story):
    seen = story.seen["no baseline"]
    assert seen["device"]["links"]["platform"]["tier"] == "affirming"
    assert seen["device"]["links"]["boot"]["tier"] == "none"
    assert not seen["explain"]["trusted"]
    (missing,) = [s for s in seen["explain"]["sentences"] if s["kind"] == "link"]
    assert missing["link"] == "boot" and missing["code"] == "missing" and "baseline capture" in missing["todo"]


def test_a_good_boot_is_trusted(story):
    seen = story.seen["good"]
    assert (seen["device"]["state"], seen["device"]["chain"]) == ("trusted", "affirming")
    assert seen["explain"]["trusted"] and seen["explain"]["sentences"][-1]["code"] == "nothing"
    assert set(seen["device"]["links"]) == {"platform", "boot", "os", "channel", "update", "sbom", "monitor"}
    assert {seen["device"]["links"][k]["tier"] for k in ("channel", "update", "sbom", "monitor")} == {"none"}


def test_a_tampered_boot_is_cut_and_the_event_is_named(story):
    seen = story.seen["tampered"]
    assert (seen["device"]["state"], seen["device"]["chain"]) == ("quarantined", "contraindicated")
    assert seen["device"]["cuts"][0]["done"] and seen["device"]["cuts"][0]["took_ms"] is not None
    text = [s for s in seen["explain"]["sentences"] if s["kind"] == "reason"]
    assert any(s["code"] == "event-unexplained" and "66" * 32 in s["text"] and "PCR 2" in s["text"] and s["todo"] for s in text), text
    assert any(s["code"] == "cut" for s in seen["explain"]["sentences"])
    assert seen["explain"]["sentences"][-1]["code"] == "automatic"


def test_a_mended_boot_ends_the_quarantine_with_a_new_certificate(story):
    seen = story.seen["mended"]
    assert (seen["device"]["state"], seen["device"]["chain"]) == ("trusted", "affirming")
    states = [c["state"] for c in seen["device"]["certificates"]]
    assert states.count("live") == 1 and states[0] == "live" and "revoked" in states[1:]


def test_status_counts_the_fleet(story):
    status = story.server.get("/api/v1/status")
    assert status["devices"]["total"] == 1 and status["devices"]["state"]["trusted"] == 1
    assert status["devices"]["chain"]["affirming"] == 1 and status["cutting"] == 0 and status["role"] == "admin"
    assert status["log"]["size"] > 5 and status["generation"] >= 2


def test_devices_are_filtered_and_paged(story):
    get = story.server.get
    assert len(get("/api/v1/devices?state=trusted&chain=affirming&class=gateway")["devices"]) == 1
    assert get("/api/v1/devices?state=quarantined")["devices"] == []
    assert get("/api/v1/devices?class=other")["devices"] == []
    page = get("/api/v1/devices?limit=1")
    assert page["next"] is not None and get(f"/api/v1/devices?after={page['next']}")["devices"] == []


@pytest.mark.parametrize("path, status", [
    ("/api/v1/devices?state=broken", 400), ("/api/v1/devices?colour=red", 400), ("/api/v1/devices?limit=1&limit=2", 400),
    ("/api/v1/devices?limit=-1", 400), ("/api/v1/devices?limit=99999999999999999999", 400), ("/api/v1/devices?class=%00", 400),
    ("/api/v1/status?x=1", 400), ("/api/v1/devices/00112233445566778899aabbccddeeff", 404), ("/api/v1/devices/nonsense", 404),
    ("/api/v1/generations/999", 404), ("/api/v1/generations/x", 404), ("/api/v1/actions?state=lost", 400),
    ("/api/v1/audit?after=x", 400),
])
def test_what_cannot_be_answered_is_refused_with_its_rule(story, path, status):
    assert story.server.get(path, status=status)["error"]["rule"]


def test_evidence_is_kept_as_it_came(story):
    base = f"/api/v1/devices/{story.id}/evidence"
    evidence = story.server.get(base)["evidence"]
    assert len(evidence) == 4 and all(e["fresh"] for e in evidence)
    tampered = [e for e in evidence if e["links"]["boot"] == "contraindicated"]
    assert len(tampered) == 1 and any(r["code"] == "event-unexplained" for r in tampered[0]["reasons"])
    newest = evidence[0]["evidence"]
    verdict = story.server.get(f"{base}/{newest}/verdict")
    log = story.server.get(f"{base}/{newest}/eventlog")
    assert log == bytes(story.gateway.log) and hashlib.sha256(log).hexdigest() == verdict["eventlog_sha256"]
    quote = story.server.get(f"{base}/{newest}/quote")
    assert quote[:4] == b"\xffTCG" and bytes.fromhex(verdict["nonce"]) in quote
    assert story.server.get(f"{base}/{newest}/nonce").hex() == verdict["nonce"]
    assert story.server.get(f"{base}/{newest}/signature") and story.server.get(f"{base}/{newest}/ak")
    assert story.server.get(f"{base}/{newest}/ima") == b""
    story.server.get(f"{base}/{newest}/secrets", status=404)
    story.server.get(f"{base}/9999/quote", status=404)
    story.server.get(f"{base}/x/quote", status=404)
    assert story.server.get(f"{base}?limit=1")["next"] == newest
    assert [e["evidence"] for e in story.server.get(f"{base}?before={newest}")["evidence"]] == [e["evidence"] for e in evidence[1:]]


def test_the_result_is_a_jwt_that_another_library_verifies(story):
    jwcrypto = pytest.importorskip("jwcrypto")
    from jwcrypto import jwk, jwt
    assert jwcrypto is not None
    keys = jwk.JWKSet.from_json(json.dumps(story.server.get("/.well-known/jwks.json")))
    token = story.server.get(f"/api/v1/devices/{story.id}/ear").decode()
    claims = json.loads(jwt.JWT(jwt=token, key=keys, algs=["ES256"]).claims)
    assert claims["submods"]["boot"]["ear_status"] == "affirming"


def test_actions_are_what_was_signed(story):
    (approve,) = [a for a in story.server.get("/api/v1/actions")["actions"] if a["verb"] == "baseline.approve"]
    text = unb64(approve["canonical"]).decode()
    document = (story.server.folder / "good.json").read_bytes()
    assert text.startswith("chainhold-action/v1\ntenant: 0\nverb: baseline.approve\nsubject: gateway\n")
    assert f"payload: {hashlib.sha256(document).hexdigest()}\nreason: first unit\n" in text
    assert approve["payload_size"] == len(document) and approve["payload"] is None
    assert [s["operator"] for s in approve["signatures"]] == ["admin"]


def test_classes_show_policy_and_reference_values(story):
    (gateway,) = story.server.get("/api/v1/classes")["classes"]
    assert gateway["policy"]["requires"] == ["platform", "boot"] and gateway["devices"] == 1
    assert len(gateway["references"]) == 1
    image = story.server.get(f"/api/v1/generations/{story.server.get('/api/v1/status')['generation']}")
    assert (story.server.folder / "good.json").read_bytes() in image and unb64(gateway["image"]) in image


def test_records_of_the_log_can_be_recomputed(story):
    page = story.server.get("/api/v1/audit?limit=500")
    types = {leaf["type"] for leaf in page["leaves"]}
    assert {"enrolment", "verdict", "action", "lifecycle", "generation"} <= types
    assert [leaf["index"] for leaf in page["leaves"]] == list(range(len(page["leaves"])))
    note = story.server.log_page("/log/checkpoint").decode().split("\n")
    size = int(note[1])
    width = f".p/{size}" if size < 256 else ""
    bundle = story.server.log_page(f"/log/tile/entries/000{width}")
    for leaf in page["leaves"][:size]:
        entry, bundle = bundle[2:2 + bundle[1]], bundle[2 + bundle[1]:]
        commitment = hashlib.sha256(bytes.fromhex(leaf["salt"]) + leaf["record"].encode()).digest()
        assert entry[10:] == commitment and entry[0] == 1


def test_the_log_is_served_as_tiles(story):
    size = int(story.server.log_page("/log/checkpoint").decode().split("\n")[1])
    assert len(story.server.log_page(f"/log/tile/0/000.p/{size}")) == 32 * size
    assert b"error" in story.server.log_page(f"/log/tile/0/000.p/{min(size + 1, 255)}", status=404)
    story.server.log_page("/log/tile/0/000", status=404)
    story.server.log_page("/log/tile/9/000.p/1", status=404)
    story.server.log_page("/log/tile/x", status=404)


def test_operators_and_keys(story):
    (admin,) = [o for o in story.server.get("/api/v1/operators")["operators"] if o["name"] == "admin"]
    assert admin["role"] == "admin" and admin["to"] is None
    assert story.server.get("/api/v1/eks?limit=10")["eks"] == []
    metrics = story.server.get("/metrics")
    for name in (b"reader_requests_total", b"keeper_commits_total", b"verify_requests_total", b"signer_certificates_total", b"log_signed_entries"):
        assert b"\nchainhold_" + name in metrics


def test_a_baseline_is_compared_with_what_another_boot_showed(story):
    server = story.server
    assert "no difference" in server.cli("baseline", "diff", "--class", "gateway", server.folder / "good.json").lower()
    evidence = server.get(f"/api/v1/devices/{story.id}/evidence")["evidence"]
    (number,) = [e["evidence"] for e in evidence if e["links"]["boot"] == "contraindicated"]
    (server.folder / "bad.json").write_text(server.cli("baseline", "capture", "--device", story.id, "--evidence", number))
    assert "66" * 32 in server.cli("baseline", "diff", "--class", "gateway", server.folder / "bad.json", code=1)
    assert "no reference values" in server.cli("baseline", "diff", "--class", "other", server.folder / "bad.json", code=1)


def test_every_page_is_described_and_met(story):
    """The document has a path for each route of the listener, and no other."""
    assert story is not None
    routes = open("server/ipc/routes.h", encoding="utf-8").read().split("X(")
    served = {r.split('"')[3].replace("*", "{}") for r in routes if ", OPERATORS, " in r}
    described = {"/".join("{}" if s.startswith("{") else s for s in p.split("/")) for p in OPERATOR.document["paths"]}
    assert served == described
