# SPDX-License-Identifier: Apache-2.0
"""chainholdd: starts its processes, starts again one that ends, reads its configuration anew, ends in order, and says what is wrong."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from server_support import BUILD, ROLES, Server, needs_root, until
from support import ROOT

pytestmark = needs_root


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


def signed(server):
    """Waits until what the store holds is in a signed checkpoint."""
    until(lambda: server.settled()["log"]["size"] >= 1, server.said)


def test_every_process_has_a_user_and_a_root_of_its_own(server):
    pids = server.pids()
    assert sorted(pids) == sorted(ROLES)
    uids, roots = {}, {}
    for role, pid in pids.items():
        status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
        uids[role] = status["Uid"].split()[0]
        roots[role] = os.readlink(f"/proc/{pid}/root")
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["CapEff"] == "0" * 16
        assert status["Groups"].strip() == ""
    assert len(set(uids.values())) == len(ROLES)
    assert "0" not in uids.values()
    assert roots["edge"].endswith("/state/empty") and roots["verify"] == roots["edge"]
    assert roots["signer"].endswith("/state/signer")
    assert roots["keeper"].endswith("/state/store") and roots["reader"] == roots["keeper"]


@pytest.mark.parametrize("role", ROLES)
def test_a_process_that_dies_is_started_again(server, role):
    server.settled()
    before = server.pids()
    os.kill(before[role], signal.SIGKILL)
    server.wait_line(rf"main: {role}\[0\], pid {before[role]}, ended: killed by signal 9")
    server.wait_line(rf"main: {role}\[0\] is ready")
    signed(server)
    after = server.pids()
    assert after[role] != before[role]
    assert {r: p for r, p in after.items() if r != role} == {r: p for r, p in before.items() if r != role}


def test_certificates_are_read_anew_on_hangup(server):
    server.process.send_signal(signal.SIGHUP)
    server.wait_line("read anew")
    assert server.settled()["role"] == "admin"


def test_the_log_has_a_signed_checkpoint(server):
    origin, size, root, *rest = server.log_page("/log/checkpoint").decode().split("\n")
    assert origin == "localhost/log"
    assert int(size) >= 1
    assert rest[1].startswith("— localhost/log ")


def test_numbers_of_every_process_are_shown(server):
    def shown():
        text = server.get("/metrics").decode()
        return text if all(f"chainhold_{role}_" in text for role in ROLES) else None
    text = until(shown, "the numbers of a process are missing")
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names)), "a metric has two TYPE lines"
    assert {"chainhold_edge_requests_total", "chainhold_generation"} <= set(names)


IMPOSTOR = """#!/usr/bin/python3
import socket, sys
sys.path.insert(0, {here!r})
from ipc import Channel
main = Channel(socket.socket(fileno=3))
main.expect("START")
main.send("READY", {{"sandbox": b"none"}})
main.send({message!r}, payload={payload!r})
while main.recv():
    pass
"""


@pytest.mark.parametrize("message, payload", [
    ("STATUS", b"\0\0\0\x09short"), ("STATUS", b"\0\1\0\1" + b"#" * 65537), ("READY", b"\0\0\0\0"), ("STOP", b"\0\0\0\0"), ("REQUEST", b"")])
def test_a_process_that_was_taken_over_ends_no_other(tmp_path, message, payload):
    """A reader that says to main what it may not say, or what does not parse: it is ended, and nobody hears of it."""
    (tmp_path / "bin").mkdir()
    for name in ("chainholdd", *(f"chainhold-{role}" for role in ROLES)):
        shutil.copy(BUILD / name, tmp_path / "bin")
    (tmp_path / "bin" / "chainhold-reader").write_text(IMPOSTOR.format(here=os.path.dirname(__file__), message=message, payload=payload))
    server = Server(tmp_path)
    server.program = tmp_path / "bin" / "chainholdd"
    server.start()
    try:
        server.wait_line(rf"reader\[0\] said what it may not say: {message}; it is ended")
        server.wait_line(r"main: reader\[0\], pid \d+, ended: killed by signal 9")
        server.wait_line(r"main: reader\[0\] is ready")
        assert sum(" is ready, pid" in line and "reader" not in line for line in server.lines) == len(ROLES) - 1
    finally:
        server.kill()


def test_an_operator_needs_a_certificate(server):
    context = server.context()
    with pytest.raises(OSError):
        with socket.create_connection(("127.0.0.1", server.operators)) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            tls.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = tls.recv(100)
            assert not answer.startswith(b"HTTP/1.1 2"), answer
            raise OSError("refused")


def test_it_ends_in_order_and_leaves_nothing(tmp_path):
    with Server(tmp_path) as server:
        pids = server.pids()
        server.stop()
    for pid in pids.values():
        assert not os.path.exists(f"/proc/{pid}")
    assert server.lines[-1].endswith("main: ended")


def test_a_configuration_that_no_socket_takes_at_once(tmp_path):
    """Six hundred roots: the keeper is told all of them."""
    root = (ROOT / "tests" / "fixtures" / "ca" / "swtpm-localca-rootca-cert.pem").read_bytes()
    server = Server(tmp_path)
    for number in range(6):
        (server.folder / "ek_roots" / f"{number}.pem").write_bytes(root * 100)
    with server:
        assert server.settled()["role"] == "admin"


def test_children_do_not_outlive_it(tmp_path):
    with Server(tmp_path) as server:
        pids = server.pids()
        server.process.kill()
        server.process.wait()
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.values()), "a process is still there")


def test_several_edges_share_the_ports(tmp_path):
    with Server(tmp_path, change=lambda text: text.replace("{edges: 1, verifiers: 1, readers: 1}", "{edges: 2, verifiers: 2, readers: 2}")) as server:
        assert server.settled()["role"] == "admin"
        lines = [line for line in server.lines if " is ready, pid" in line]
        assert sum("edge[" in line for line in lines) == 2


def check(folder):
    return subprocess.run([BUILD / "chainholdd", "--check", folder / "chainholdd.yaml"], capture_output=True, text=True)


@pytest.mark.parametrize(
    "old, new, says",
    [
        ("state_dir: state", "state_dir: state\nstate_dri: x", ["line 3", "state_dri"]),
        ("processes: {edges: 1", "processes: {edges: 99", ["line 22", "out of range: 1 to 8"]),
        ("key: tls/server.key", "key: tls/none.key", ["none.key", "No such file"]),
        ("policies: policies", "policies: nowhere", ["nowhere", "No such file"]),
        ("certificate: operators/admin.crt", "certificate: chainholdd.yaml", ["chainholdd.yaml", "not a certificate"]),
        ("processes:", "users: {edge: 0}\nprocesses:", ["users.edge"]),
        ("processes:", "users: {edge: 70001, verify: 70001}\nprocesses:", ["same uid"]),
    ],
)
def test_a_wrong_configuration_is_told(tmp_path, old, new, says):
    made = Server(tmp_path).folder
    text = (made / "chainholdd.yaml").read_text()
    assert old in text
    assert check(made).returncode == 0
    (made / "chainholdd.yaml").write_text(text.replace(old, new))
    run = check(made)
    assert run.returncode == 1
    for word in says:
        assert word in run.stderr


def test_a_key_that_others_can_read_is_refused(tmp_path):
    made = Server(tmp_path).folder
    (made / "tls" / "server.key").chmod(0o644)
    run = check(made)
    assert run.returncode == 1
    assert "others can read this key" in run.stderr


def test_a_port_that_is_taken_is_told(tmp_path):
    server = Server(tmp_path)
    with socket.create_server(("127.0.0.1", server.public)):
        run = subprocess.run([BUILD / "chainholdd", server.config], capture_output=True, text=True)
    assert run.returncode == 1
    assert f"127.0.0.1:{server.public}: Address already in use" in run.stderr


def test_it_wants_root(tmp_path):
    made = Server(tmp_path)
    run = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BUILD / "chainholdd", made.config], capture_output=True, text=True
    )
    assert run.returncode == 1


@pytest.mark.parametrize("arguments, status", [(["--help"], 0), (["--version"], 0), (["--nonsense"], 2)])
def test_usage(arguments, status):
    run = subprocess.run([BUILD / "chainholdd", *arguments], capture_output=True, text=True)
    assert run.returncode == status
    assert "chainholdd" in run.stdout + run.stderr
