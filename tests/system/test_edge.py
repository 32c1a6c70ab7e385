# SPDX-License-Identifier: Apache-2.0
"""What the edge admits, forwards and answers: the real binary, its other processes played."""
import json
import ssl

import pytest
from edge_support import (ADMIN, DECOMMISSIONED, ENROLLED, QUARANTINED, REVOKED, TRUSTED, VIEWER, Authority, Client, Edge)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def edge(ca, tmp_path_factory):
    e = Edge(tmp_path_factory.mktemp("edge"), ca, device_rate=0, enrol_rate=0, idle_ms=60000)
    yield e
    e.close()


@pytest.fixture(scope="module")
def who(ca):
    return {n: ca.issue(n) for n in ("trusted", "enrolled", "quarantined", "decommissioned", "revoked", "unknown", "admin", "viewer",
                                     "cut", "second", "mends")}


@pytest.fixture(scope="module", autouse=True)
def view(edge, who):
    for name, state in (("trusted", TRUSTED), ("enrolled", ENROLLED), ("quarantined", QUARANTINED),
                        ("decommissioned", DECOMMISSIONED), ("revoked", REVOKED), ("cut", TRUSTED), ("second", TRUSTED)):
        edge.device(who[name], state)
    edge.mends(who["mends"])
    edge.operator(who["admin"], ADMIN)
    edge.operator(who["viewer"], VIEWER)


def code(answer):
    return json.loads(answer[2])["error"]["code"]


@pytest.mark.parametrize("name, path, status", [
    ("trusted", "/v1/challenge", 200), ("enrolled", "/v1/challenge", 200), ("quarantined", "/v1/challenge", 200),
    ("decommissioned", "/v1/challenge", 403), ("revoked", "/v1/challenge", 403), ("unknown", "/v1/challenge", 403),
    ("admin", "/v1/challenge", 403), (None, "/v1/challenge", 401),
    ("trusted", "/v1/renew", 200), ("quarantined", "/v1/renew", 200), ("revoked", "/v1/renew", 403),
    (None, "/v1/enrol", 200), (None, "/v1/renew", 401), (None, "/v1/evidence", 401)])
def test_states_and_requests_of_devices(edge, who, name, path, status):
    with Client(edge, "devices", who[name] if name else None) as c:
        a = c.ask("POST", path, b"" if path == "/v1/challenge" else b"{}")
        assert a[0] == status, a
        if status == 200 and name:
            told = json.loads(a[2])
            assert (told["device"], told["certificate"]) == (who[name].device, who[name].sha256)


@pytest.mark.parametrize("path", [
    "/v1/update", f"/v1/releases/{'a' * 64}", f"/v1/releases/{'a' * 64}/proof", f"/artifacts/{'a' * 64}"])
def test_in_quarantine_a_release_is_fetched_only_to_mend(edge, who, path):
    for name, status in (("trusted", 200), ("quarantined", 403), ("mends", 200)):
        with Client(edge, "devices", who[name]) as c:
            assert c.ask("GET", path)[0] == status, name


def test_operators_need_a_certificate(edge):
    with pytest.raises(ssl.SSLError, match="certificate required"):
        with Client(edge, "operators") as c:
            c.sock.recv(1)


def test_a_certificate_of_another_ca_ends_the_handshake(edge, ca, tmp_path):
    other = Authority(tmp_path, "other")
    for listener in ("devices", "operators"):
        c = None
        with pytest.raises((ssl.SSLError, ConnectionError)):
            c = Client(edge, listener, other.issue("stranger"))
            if c.sock.recv(1) == b"":
                raise ConnectionError


@pytest.mark.parametrize("name, method, path, status", [
    ("viewer", "GET", "/api/v1/status", 200), ("admin", "GET", "/api/v1/devices/abc/evidence/3/quote?x=y", 200),
    ("trusted", "GET", "/api/v1/status", 403), ("unknown", "GET", "/api/v1/status", 403),
    ("admin", "GET", "/api/v1/nothing", 404), ("admin", "POST", "/api/v1/status", 405), ("admin", "BREW", "/api/v1/status", 405),
    ("admin", "GET", "/v1/challenge", 404), ("admin", "GET", "/api/v1/devices/a%62c", 404), ("admin", "GET", "/api/v1/devices/", 404)])
def test_operators(edge, who, name, method, path, status):
    with Client(edge, "operators", who[name]) as c:
        a = c.ask(method, path)
        assert a[0] == status, a


def test_before_the_keeper_has_told_of_anybody_nobody_is_unknown(edge, who):
    edge.say("generation", 0)
    with Client(edge, "devices", who["unknown"]) as c:
        a = c.ask("POST", "/v1/challenge", b"")
        assert a[0] == 503 and code(a) == "starting" and int(a[1]["retry-after"]) > 0
        edge.say("generation", 1)
        assert c.ask("POST", "/v1/challenge", b"")[0] == 403


def test_what_is_forwarded(edge, who):
    body = bytes(range(256)) * 5000
    with Client(edge, "devices", who["trusted"]) as c:
        a = c.ask("POST", "/v1/evidence?a=b", body, Idempotency_Key="key-1", Content_Type="application/json; charset=utf-8")
        told = json.loads(a[2])
        assert (told["process"], told["route"], told["bytes"], told["key"], told["query"]) == \
            ("verify", "/v1/evidence", len(body), "key-1", "a=b")
        assert told["remote"].startswith("127.0.0.1 ")
    with Client(edge, "operators", who["admin"]) as c:
        told = json.loads(c.ask("GET", "/api/v1/devices/00ff/evidence/12/quote")[2])
        assert (told["process"], told["param"], told["role"]) == ("reader", "00ff", ADMIN)


def test_a_large_answer_to_a_slow_reader(edge, who):
    with Client(edge, "operators", who["admin"]) as c:
        a = c.ask("GET", "/api/v1/generations/9000000")
        assert a[0] == 200 and len(a[2]) == 9000000
        # a GET that asks for the head only has none of it
        a = c.ask("HEAD", "/api/v1/generations/100", head=True)
        assert a[0] == 200 and a[1]["content-length"] == "100"
        assert c.ask("GET", "/api/v1/status")[0] == 200


def test_requests_one_behind_the_other(edge, who):
    with Client(edge, "devices", who["trusted"]) as c:
        one = b"POST /v1/challenge HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        two = b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        c.send((one + two) * 20)
        for i in range(40):
            a = c.answer()
            assert a[0] == 200 and json.loads(a[2])["bytes"] == (0 if i % 2 == 0 else 2)


def test_a_request_byte_by_byte(edge, who):
    with Client(edge, "devices", who["trusted"]) as c:
        for b in b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n":
            c.send(bytes([b]))
        assert json.loads(c.answer()[2])["bytes"] == 5


def test_continue_is_said_before_the_body_or_refused(edge, who):
    with Client(edge, "devices", who["trusted"]) as c:
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert c.answer()[0] == 100
        c.send(b"{}")
        assert c.answer()[0] == 200
    with Client(edge, "devices") as c:
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert c.answer()[0] == 401
        assert c.ended()


def test_resumption_keeps_the_identity(edge, who):
    first = Client(edge, "devices", who["trusted"])
    assert first.ask("GET", "/v1/poll")[0] == 200
    with Client(edge, "devices", who["trusted"], session=first) as c:
        a = c.ask("GET", "/v1/poll")
        assert c.sock.session_reused
        assert json.loads(a[2])["device"] == who["trusted"].device
    first.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_2_is_served_and_1_1_is_not(edge, who):
    with Client(edge, "devices", who["trusted"], version=ssl.TLSVersion.TLSv1_2) as c:
        assert c.ask("GET", "/v1/poll")[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Client(edge, "devices", who["trusted"], version=ssl.TLSVersion.TLSv1_1)


def test_poll_tells_the_view(edge, who):
    with Client(edge, "devices", who["quarantined"]) as c:
        told = json.loads(c.ask("GET", "/v1/poll")[2])
        assert (told["state"], told["chain"], told["reattest"]) == ("quarantined", "none", False)


def test_a_state_change_holds_for_the_next_request_of_an_open_connection(edge, who):
    with Client(edge, "devices", who["second"]) as c:
        assert c.ask("GET", "/v1/status")[0] == 200
        edge.device(who["second"], DECOMMISSIONED)
        assert c.ask("GET", "/v1/status")[0] == 403
        edge.device(who["second"], TRUSTED)
        assert c.ask("GET", "/v1/status")[0] == 200
        edge.say("revoke", who["second"].sha256)
        a = c.ask("GET", "/v1/status")
        assert a[0] == 403 and code(a) == "revoked"
        assert c.ended()


def test_cut_closes_sessions_of_that_device_only(edge, who):
    mine = [Client(edge, "devices", who["cut"]) for _ in range(3)]
    other = Client(edge, "devices", who["trusted"])
    for c in mine + [other]:
        assert c.ask("GET", "/v1/poll")[0] == 200
    assert edge.say("cut", who["cut"].device, answer="cut") == "cut 3"
    assert all(c.ended() for c in mine)
    assert other.ask("GET", "/v1/poll")[0] == 200
    assert edge.say("cut", who["cut"].device, answer="cut") == "cut 0"
    # what it had cannot be resumed
    with Client(edge, "devices", who["cut"], session=mine[0]) as c:
        assert not c.sock.session_reused


def test_a_cut_lets_the_answer_under_way_out_and_nothing_after_it(edge, who):
    edge.say("silent", "verify", 1)
    with Client(edge, "devices", who["cut"]) as c:
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        with Client(edge, "devices", who["trusted"]) as d:
            assert d.ask("GET", "/v1/poll")[0] == 200
        edge.device(who["cut"], QUARANTINED)
        assert edge.say("cut", who["cut"].device, answer="cut") == "cut 1"
        edge.say("lose", "verify")
        assert c.answer()[0] == 503
        assert c.ended()
        edge.wait("fatal")
    edge.say("peer", "verify")
    with Client(edge, "devices", who["trusted"]) as c:
        assert c.ask("POST", "/v1/evidence", b"{}")[0] == 200


def test_a_renewal_under_way_has_its_answer_although_it_revokes_the_certificate_that_asked(edge, who):
    edge.say("silent", "verify", 1)
    with Client(edge, "devices", who["cut"]) as c:
        edge.device(who["cut"], QUARANTINED)
        c.send(b"POST /v1/renew HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        with Client(edge, "devices", who["trusted"]) as d:
            assert d.ask("GET", "/v1/poll")[0] == 200
        edge.device(who["cut"], REVOKED)
        assert edge.say("cut", who["cut"].device, answer="cut") == "cut 1"
        edge.say("lose", "verify")
        assert c.answer()[0] == 503
        assert c.ended()
        edge.wait("fatal")
    edge.say("peer", "verify")
    edge.device(who["cut"], TRUSTED)


def test_events_go_to_those_who_listen(edge, who):
    with Client(edge, "operators", who["viewer"]) as c:
        a = c.ask("GET", "/api/v1/events")
        assert a[0] == 200 and a[1]["content-type"] == "text/event-stream"
        assert c.chunk().startswith(b":")
        for i in range(5, 9):
            edge.say("event", i, "verdict", f'{{"n":{i}}}')
            assert c.chunk() == b'id: %d\nevent: verdict\ndata: {"n":%d}\n\n' % (i, i)
    with Client(edge, "operators", who["viewer"]) as c:
        c.ask("GET", "/api/v1/events", Last_Event_ID="6")
        assert [c.chunk()[:5], c.chunk()[:5]] == [b"id: 7", b"id: 8"]
    with Client(edge, "operators", who["viewer"]) as c:
        c.ask("GET", "/api/v1/events", Last_Event_ID="1")
        assert c.chunk().startswith(b"event: gap")


def test_metrics_and_health(edge, who):
    with Client(edge, "operators", who["viewer"]) as c:
        text = c.ask("GET", "/metrics")[2].decode()
        assert "chainhold_edge_handshakes_total{edge=\"0\"} " in text
        assert "route=\"CHALLENGE\",status=\"4xx\"" in text
        # every name has one TYPE line, and its samples follow it at once
        name, seen = None, set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name = line.split()[2]
                assert name not in seen
                seen.add(name)
            else:
                assert line.split("{")[0].split()[0] == name, line
    with Client(edge, "public") as c:
        assert c.ask("GET", "/healthz")[::2] == (200, b"ok\n")
        assert c.ask("GET", "/metrics")[0] == 404
        assert json.loads(c.ask("GET", "/log/tile/0/x001/234.p/7")[2])["param"] == "0/x001/234.p/7"


def test_reload(ca, tmp_path):
    e = Edge(tmp_path, ca)
    d = e.device(ca.issue("reloaded"))
    with Client(e, "devices", d) as old:
        before = old.sock.getpeercert(True)
        assert old.ask("GET", "/v1/poll")[0] == 200
        renewed = ca.issue("renewed", "DNS:localhost,IP:127.0.0.1")
        # what does not hold changes nothing
        e.configure(renewed, {"balancer": "nonsense"})
        e.say("reload", e.path)
        with Client(e, "devices", d) as c:
            assert c.sock.getpeercert(True) == before
        e.configure(renewed, {"idle_ms": 300})
        e.say("reload", e.path)
        assert old.ask("GET", "/v1/poll")[0] == 200
        with Client(e, "devices", d) as c:
            assert c.sock.getpeercert(True) == renewed.der
            assert c.ask("GET", "/v1/poll")[0] == 200
            assert c.ended()
        assert old.ended()
    assert e.stop() == "exit 0"
    e.close()


def test_drain(ca, tmp_path):
    e = Edge(tmp_path, ca)
    d = e.device(ca.issue("draining"))
    idle = Client(e, "devices", d)
    assert idle.ask("GET", "/v1/poll")[0] == 200
    busy = Client(e, "devices", d)
    busy.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
    # its head has arrived when a later request of another connection is answered
    assert idle.ask("GET", "/v1/poll")[0] == 200
    e.say("stop", 10000, answer=None)
    assert idle.ended()
    busy.send(b"}")
    a = busy.answer()
    assert a[0] == 200 and a[1]["connection"] == "close"
    assert e.wait("exit") == "exit 0"
    e.close()
