# SPDX-License-Identifier: Apache-2.0
"""What the edge meets: half-open connections, slow senders, smugglers, floods, garbage. The others are served meanwhile, and
memory stays bounded."""
import json
import os
import resource
import select
import socket
import ssl
import struct

import pytest
from edge_support import ADMIN, TRUSTED, Authority, Client, Edge


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def device(ca):
    return ca.issue("device")


UNLIMITED = {"device_rate": 0, "enrol_rate": 0, "public_rate": 0}


def running(folder, ca, device, config):
    e = Edge(folder, ca, **config)
    e.device(device, TRUSTED)
    yield e
    try:
        assert e.stop(100) == "exit 0"
    finally:
        e.close()


@pytest.fixture
def edge(ca, device, tmp_path, request):
    """An edge of the test's own, configured by its parameter."""
    yield from running(tmp_path, ca, device, {**UNLIMITED, **getattr(request, "param", {})})


@pytest.fixture(scope="module")
def shared(ca, device, tmp_path_factory):
    """One edge that many tests have a go at: whatever one of them did, the next must be served."""
    yield from running(tmp_path_factory.mktemp("shared"), ca, device, UNLIMITED)


def served(edge, device):
    with Client(edge, "devices", device) as c:
        assert c.ask("GET", "/v1/poll")[0] == 200
        assert c.ask("POST", "/v1/evidence", b"{}")[0] == 200


def connect(port):
    return socket.create_connection(("127.0.0.1", port), 20)


def closed(s):
    """True once the server has closed; what it said before is thrown away."""
    try:
        while s.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


# --- connections ---

@pytest.mark.parametrize("edge", [{"connections_max": 300}], indirect=True)
def test_a_thousand_half_open_connections(edge, device):
    served(edge, device)
    before = edge.rss_kb()
    held = []
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    for i in range(1000):
        s = connect(edge.devices if i % 2 else edge.public)
        if i % 4 == 1:
            s.sendall(hello)
        if i % 4 == 2:
            s.sendall(b"GET /healthz HTTP/1.1\r\n")
        held.append(s)
    # one who shows who it is gets in, again and again, though far more are there than may be
    for _ in range(5):
        served(edge, device)
    assert edge.rss_kb() - before < 40000
    for s in held:
        s.close()
    with Client(edge, "operators", edge.operator(device_admin(edge))) as c:
        text = c.ask("GET", "/metrics")[2].decode()
        evicted = next(int(line.split()[-1]) for line in text.splitlines() if line.startswith("chainhold_edge_evicted_total"))
        assert evicted >= 700


def device_admin(edge):
    return edge.authority.issue("admin")


@pytest.mark.parametrize("edge", [{"connections_max": 40}], indirect=True)
def test_those_who_are_known_and_quiet_make_room_for_one_more(edge, device):
    quiet = [Client(edge, "devices", device) for _ in range(60)]
    assert quiet[-1].ask("GET", "/v1/poll")[0] == 200
    assert all(c.ended() for c in quiet[:20])
    assert quiet[20].ask("GET", "/v1/poll")[0] == 200
    served(edge, device)


@pytest.mark.parametrize("edge", [{"connections_max": 60}], indirect=True)
def test_no_descriptor_left(edge, device):
    """The queue of the listening socket is full of connections that cannot be taken: no spinning, and no end."""
    used = len(os.listdir(f"/proc/{edge.pid}/fd"))
    resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (used + 10, used + 10))
    clients = [Client(edge, "devices", device) for _ in range(5)]
    assert all(c.ask("GET", "/v1/poll")[0] == 200 for c in clients)
    edge.say("silent", "verify", 1)
    busy = []
    for _ in range(10):
        c = Client(edge, "devices", device)
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        busy.append(c)
    more = [connect(edge.devices) for _ in range(30)]
    cpu = edge.cpu_s()
    more[-1].settimeout(1)
    with pytest.raises(TimeoutError):
        more[-1].recv(1)
    assert edge.cpu_s() - cpu < 0.3
    edge.say("silent", "verify", 0)
    for s in more:
        s.close()
    for c in busy + clients:
        c.close()
    served(edge, device)


# --- slow ---

@pytest.mark.parametrize("edge", [{"handshake_ms": 300, "head_ms": 300, "idle_ms": 300}], indirect=True)
def test_the_slow_are_left(edge, device):
    silent = [connect(edge.devices) for _ in range(20)]
    half_head = connect(edge.public)
    half_head.sendall(b"GET /healthz HT")
    idle = Client(edge, "devices", device)
    assert idle.ask("GET", "/v1/poll")[0] == 200
    assert all(closed(s) for s in silent)
    assert half_head.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert idle.ended()
    # a byte now and then is no progress of a head
    drip = connect(edge.public)
    try:
        for b in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"a" * 1000:
            drip.sendall(bytes([b]))
            if select.select([drip], [], [], 0.05)[0]:
                break
        else:
            pytest.fail("a head may take for ever")
    except ConnectionError:
        pass
    served(edge, device)


@pytest.mark.parametrize("edge", [{"request_ms": 300}], indirect=True)
def test_a_process_that_does_not_answer(edge, device):
    edge.say("silent", "verify", 1)
    with Client(edge, "devices", device) as c:
        a = c.ask("POST", "/v1/evidence", b"{}")
        assert (a[0], json.loads(a[2])["error"]["code"]) == (504, "no-answer")
        # the connection is as good as before
        assert c.ask("GET", "/v1/poll")[0] == 200


@pytest.mark.parametrize("edge", [{"waiting_max": 3}], indirect=True)
def test_a_process_that_is_busy(edge, device):
    edge.say("silent", "verify", 1)
    waiting = [Client(edge, "devices", device) for _ in range(3)]
    for c in waiting:
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        with Client(edge, "devices", device) as d:
            assert d.ask("GET", "/v1/poll")[0] == 200
    with Client(edge, "devices", device) as c:
        a = c.ask("POST", "/v1/evidence", b"{}")
        assert a[0] == 503 and int(a[1]["retry-after"]) > 0
        # another process is not
        assert c.ask("POST", "/v1/challenge", b"")[0] == 200


# --- large ---

@pytest.mark.parametrize("head, status", [
    (b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"POST /v1/challenge HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 413),
    (b"GET /v1/poll HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", 413),
    (b"POST /v1/enrol/finish HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n" + b"a" * 0x1001, 413),
    (b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 1\r\n\r\n", 415),
    (b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nIdempotency-Key: " + b"k" * 65 + b"\r\nContent-Length: 1\r\n\r\n", 400),
    (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    (b"GET /v1/poll?" + b"a" * 1500 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET /v1/poll HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 9000, 431),
    (b"GET /v1/poll HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 64 + b"\r\n", 431)])
def test_oversized(shared, device, head, status):
    with Client(shared, "devices", device) as c:
        c.send(head)
        a = c.answer()
        assert a[0] == status, a
        if status != 414:
            assert a[1].get("connection") == "close"
            assert c.ended()


@pytest.mark.parametrize("edge", [{"memory_max": 20000000}], indirect=True)
def test_bodies_share_the_memory_of_the_process(edge, device):
    served(edge, device)
    before = edge.rss_kb()
    held = []
    refused = 0
    for _ in range(10):
        c = Client(edge, "devices", device)
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n")
        try:
            for _ in range(50):
                c.send(b"x" * 100000)
        except (ConnectionError, ssl.SSLError):
            pass
        held.append(c)
    for c in held:
        c.sock.settimeout(0.2)
        try:
            a = c.answer()
            refused += a is None or a[0] == 503
        except (TimeoutError, ConnectionError):
            pass
    assert refused >= 5
    assert edge.rss_kb() - before < 60000
    assert Client(edge, "devices", device).ask("GET", "/v1/poll")[0] == 200
    for c in held:
        c.close()
    served(edge, device)


# --- smuggling ---

SMUGGLED = b"POST /v1/renew HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("head", [
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 10\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 10\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\n\r\nb\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST http://b/v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST /v1/../v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
    b"\r\nPOST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"])
def test_what_could_be_read_in_two_ways_is_answered_once_and_ends_the_connection(shared, device, head):
    with Client(shared, "devices", device) as c:
        c.send(head + SMUGGLED)
        a = c.answer()
        assert a[0] in (400, 501, 505), a
        assert a[1]["connection"] == "close"
        assert c.ended(), "something was answered after it"


# --- garbage ---

@pytest.mark.parametrize("garbage", [
    b"\x00" * 100, b"\xff" * 20000, os.urandom(5000), b"\n" * 1000, b"SSH-2.0-OpenSSH_9.2p1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x40\x00" + b"\x01" * 16384, b"\x16\x03\x03\x00\x00" * 50, b"\x80\x2e\x01\x00\x02", b"\x15\x03\x03\x00\x02\x02\x28",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"\x17\x03\x03\xff\xff" + b"a" * 70000])
def test_garbage_on_every_port(shared, device, garbage):
    for port in (shared.devices, shared.operators, shared.public):
        s = connect(port)
        try:
            s.sendall(garbage)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert closed(s)
        s.close()
    served(shared, device)


def test_connections_that_are_reset(edge, device):
    for i in range(200):
        s = connect((edge.devices, edge.operators, edge.public)[i % 3])
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" if i % 3 == 2 else b"\x16\x03\x01")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    # while an answer is awaited
    edge.say("silent", "verify", 1)
    for _ in range(20):
        c = Client(edge, "devices", device)
        c.send(b"POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        c.raw.close()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.sock.close()
    edge.say("silent", "verify", 0)
    served(edge, device)


# --- a flood ---

@pytest.mark.parametrize("edge", [{"device_rate": 20, "device_burst": 50}], indirect=True)
def test_a_flood_by_one_device(edge, device, ca):
    other = edge.device(ca.issue("quiet"))
    with Client(edge, "devices", device) as c:
        c.send(b"GET /v1/poll HTTP/1.1\r\nHost: a\r\n\r\n" * 300)
        answers = [c.answer()[0] for _ in range(300)]
        assert answers[0] == 200 and answers.count(429) >= 200
        assert set(answers) == {200, 429}
        with Client(edge, "devices", other) as d:
            assert all(d.ask("GET", "/v1/poll")[0] == 200 for _ in range(20))
    # new connections cost more; when nothing is left the first request is told so, and the last one
    refused = ended = 0
    for _ in range(30):
        with Client(edge, "devices", device) as c:
            a = c.ask("GET", "/v1/poll")
            if a[0] == 429:
                refused += 1
                assert int(a[1]["retry-after"]) > 0
                ended += "connection" in a[1] and c.ended()
    assert refused >= 15 and ended >= 10
    # an operator's command makes a connection each time
    admin = edge.operator(ca.issue("shell"))
    for _ in range(30):
        with Client(edge, "operators", admin) as c:
            assert c.ask("GET", "/api/v1/status")[0] == 200


@pytest.mark.parametrize("edge", [{"enrol_rate": 5, "enrol_burst": 10}], indirect=True)
def test_a_flood_of_enrolments_from_one_address(edge, device):
    answers = []
    for _ in range(30):
        # what is refused before its body was read ends the connection
        with Client(edge, "devices") as c:
            answers.append(c.ask("POST", "/v1/enrol", b"{}")[0])
    assert answers[0] == 200 and answers.count(429) >= 10
    served(edge, device)


def test_a_listener_of_events_that_does_not_read(edge, device):
    admin = edge.operator(edge.authority.issue("admin"), ADMIN)
    c = Client(edge, "operators", admin)
    assert c.ask("GET", "/api/v1/events")[0] == 200
    before = edge.rss_kb()
    big = json.dumps({"x": "y" * 30000}, separators=(",", ":"))
    for i in range(400):
        edge.say("event", i, "flood", big)
    assert edge.rss_kb() - before < 20000
    served(edge, device)
    c.close()


def test_listeners_of_events_are_counted(edge, device):
    """Each may hold back some hundred KB."""
    admin = edge.operator(edge.authority.issue("admin"), ADMIN)
    clients = [Client(edge, "operators", admin) for _ in range(66)]
    answers = [c.ask("GET", "/api/v1/events")[0] for c in clients]
    assert answers == [200] * 64 + [503] * 2
    assert clients[65].ask("GET", "/api/v1/status")[0] == 200
    served(edge, device)
    for c in clients:
        c.close()


# --- a balancer ---

@pytest.mark.parametrize("edge", [{"balancer": ["127.0.0.0/8", "10.1.2.3"]}], indirect=True)
def test_a_balancer_tells_who_connects(edge, device):
    def through(header, listener):
        s = connect(getattr(edge, listener))
        s.sendall(header)
        return s
    context = ssl.create_default_context(cafile=edge.authority.cert)
    context.load_cert_chain(device.cert, device.key)
    v1 = b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 443\r\n"
    v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack(">HH", 815, 443)
    for header, remote in ((v1, "192.0.2.7 4711"), (v2, "2001:db8::7 815")):
        c = Client.__new__(Client)
        c.buffer = b""
        c.sock = context.wrap_socket(through(header, "devices"), server_hostname="localhost")
        assert json.loads(c.ask("POST", "/v1/challenge", b"")[2])["remote"] == remote
        c.close()
    for header in (b"", b"PROXY TCP4 1.2.3.4\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"):
        s = through(header, "public")
        try:
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert closed(s)
    s = through(b"PROXY UNKNOWN\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "public")
    assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
