# SPDX-License-Identifier: Apache-2.0
"""The agent with a live TPM (swtpm) against a server that is a test double (device_server.py): every process real, every key real."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import device_server
from agent_device import AGENT, BUILD, IMA, LOG, USERS, Device, Proxy
from support import ROOT

DAY = 86400

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the agent gives its processes users of their own: it starts as root")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return device_server.Authority(tmp_path_factory.mktemp("ca"), "DNS:localhost,IP:127.0.0.1,DNS:device-server.invalid")


class World:
    def __init__(self, folder, authority):
        (folder / "server").mkdir()
        self.folder, self.authority = folder, authority
        self.devices = device_server.Devices(folder / "server", authority)
        self.listener = device_server.Listener(self.devices)
        self.all = []

    def device(self, name="device", **options):
        one = Device(self.folder / name, **options)
        self.all.append(one)
        one.set(server=f"localhost:{self.listener.port}", server_ca=self.authority.folder / "ca.pem")
        return one

    def server_down(self):
        self.listener.stop()

    def server_up(self):
        self.listener = device_server.Listener(self.devices, self.listener.port)


@pytest.fixture
def world(tmp_path, authority):
    one = World(tmp_path, authority)
    yield one
    for device in one.all:
        device.stop()
    one.listener.stop()


@pytest.mark.parametrize("ek", ["p-256", "p-384", "rsa-2048"])
def test_enrols_by_its_endorsement_key_and_attests(world, ek):
    device = world.device()
    device.set(ek=ek, **{"class": "gateway"})
    status, _ = device.once()
    assert (status["enrolled"], status["attested"], status["chain"], status["state"]) == (True, True, "affirming", "TRUSTED")
    (one,) = world.devices.evidence
    assert one["fresh"] and one["eventlog"] == (0, LOG) and one["ima"] == (0, IMA)
    # registers 0 to 14 of every bank that is active, SHA-256 first
    selection = one["quote"].split(b"\x00\x0b\x03\xff\x7f\x00", 1)
    assert len(selection) == 2 and all(selection[1][i + 2:i + 6] == b"\x03\xff\x7f\x00" for i in range(0, len(selection[1]) - 34, 6))


def test_the_certificate_of_the_endorsement_key_comes_from_the_tpm(world):
    device = world.device()
    device.tpm.manufacture()
    seen = {}
    route = device_server.Devices.enrol

    def enrol(devices, body, name, key):
        seen.update(body)
        return route(devices, body, name, key)
    world.devices.ROUTES = {**world.devices.ROUTES, "/v1/enrol": (enrol, False)}
    for ek, index in (("auto", "0x1c00016"), ("rsa-2048", "0x1c00002")):
        device.tpm.call("nvread", "-C", "o", "-o", "ek.der", index)
        device.set(ek=ek, state_dir=device.folder / f"state-{ek}")
        status, _ = device.once()
        assert status["attested"]
        assert device_server.unb64(seen["ek_certificate"]) == (device.tpm.folder / "ek.der").read_bytes()


def test_the_chain_that_the_maker_left_in_the_tpm_is_sent(world):
    device = world.device()
    tpm = device.tpm
    chain = [b"\x30\x82\x01\x2c" + bytes([i]) * 300 for i in (1, 2, 3)]
    parts = b"".join(chain)
    for i, part in enumerate((parts[:400], parts[400:] + b"\xff" * 20)):
        (tpm.folder / "part").write_bytes(part)
        tpm.call("nvdefine", "-Q", hex(0x1C00100 + i), "-C", "o", "-s", len(part), "-a", "ownerwrite|ownerread|authread")
        tpm.call("nvwrite", "-Q", hex(0x1C00100 + i), "-C", "o", "-i", "part")
    seen = {}
    route = device_server.Devices.enrol

    def enrol(devices, body, name, key):
        seen.update(body)
        return route(devices, body, name, key)
    world.devices.ROUTES = {**world.devices.ROUTES, "/v1/enrol": (enrol, False)}
    device.once()
    assert [device_server.unb64(c) for c in seen["ek_chain"]] == chain


def test_sends_only_what_the_server_has_not(world):
    device = world.device()
    device.once()
    with open(device.folder / "ima", "ab") as ima:
        ima.write(b"one more")
    device.once()
    last = world.devices.evidence[-1]
    assert last["eventlog"] == (len(LOG), b"") and last["ima"] == (len(IMA), b"one more")
    # another boot: what the server has is not the beginning of this log
    (device.folder / "log").write_bytes(b"another boot" * 100)
    device.once()
    assert world.devices.evidence[-1]["eventlog"] == (0, b"another boot" * 100)
    # a log that was cut is another log
    (device.folder / "ima").write_bytes(IMA[:100])
    device.once()
    assert world.devices.evidence[-1]["ima"] == (0, IMA[:100])


def test_without_logs_it_still_quotes(world):
    device = world.device()
    device.set(eventlog="none", ima=device.folder / "nowhere")
    _, err = device.once()
    assert "no IMA list" in err
    assert world.devices.evidence[-1]["ima"] == (0, b"")


def test_state_copied_onto_another_tpm_is_of_no_use(world):
    first = world.device("first")
    first.once()
    clone = world.device("clone")
    shutil.copytree(first.folder / "state", clone.folder / "state")
    for name, user in (("tpm", USERS["tpm"]), ("collect", USERS["collect"])):
        os.chown(clone.folder / "state" / name, user, user)
        for file in (clone.folder / "state" / name).iterdir():
            os.chown(file, user, user)
    before = len(world.devices.evidence)
    status, err = clone.once(code=1)
    assert "does not load into this TPM" in err and "copied from another device" in err
    assert not status["attested"] and "copied from another device" in status["problem"]
    assert len(world.devices.evidence) == before
    # enrolled anew it is another device
    shutil.rmtree(clone.folder / "state")
    clone.once()
    assert len({e["device"] for e in world.devices.evidence}) == 2


def test_a_credential_for_another_tpm_is_not_activated(world):
    device = world.device()
    route = device_server.Devices.enrol

    def wrong_name(devices, body, name, key):
        other = bytearray(device_server.unb64(body["ak_public"]))
        real = bytes(other)
        other[-1] ^= 1
        devices.check_certify(body, real, device_server.unb64(body["ek_public"]))
        devices.check_certify = lambda *_: None
        return route(devices, {**body, "ak_public": device_server.b64(bytes(other))}, name, key)
    world.devices.ROUTES = {**world.devices.ROUTES, "/v1/enrol": (wrong_name, False)}
    status, err = device.once(code=1)
    assert "another TPM or another key" in err and not status["enrolled"]


def test_history_survives_a_power_cut_and_is_told_as_history(world):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    world.server_down()
    device.again()
    assert device.wait_status(lambda s: s["failures"] >= 1)["queued"] == 1
    # nothing new, nothing more to say
    device.again()
    assert device.wait_status(lambda s: s["failures"] >= 2)["queued"] == 1
    with open(device.folder / "ima", "ab") as ima:
        ima.write(b"executed while nobody looked")
    device.again()
    device.wait_status(lambda s: s["queued"] == 2)
    device.power_off()
    world.server_up()
    device.start()
    device.wait_status(lambda s: s["attested"] and s["queued"] == 0)
    told = world.devices.evidence[1:]
    assert [e["history"] for e in told] == [True, True, False]
    assert [e["fresh"] for e in told] == [False, False, True]
    assert told[1]["ima"][1].endswith(b"executed while nobody looked")
    assert len({e["key"] for e in told}) == 3


def test_evidence_whose_answer_was_lost_is_sent_again_under_its_key(world):
    device = world.device()
    device.once()
    lost = []
    route = device_server.Devices.post_evidence

    def lose(devices, body, name, key):
        answer = route(devices, body, name, key)
        if len(lost) < 2:  # the connection and its one retry
            lost.append(key)
            raise ConnectionAbortedError
        return answer
    world.devices.ROUTES = {**world.devices.ROUTES, "/v1/evidence": (lose, True)}
    status, _ = device.once(code=1)
    assert status["queued"] == 1
    status, _ = device.once()
    assert status["queued"] == 0
    assert len(set(lost)) == 1 and [e["key"] for e in world.devices.evidence].count(lost[0]) == 1


def test_a_refused_entry_does_not_block_the_queue(world):
    device = world.device()
    device.once()
    world.devices.nonce_good = False
    status, err = device.once(code=1)
    assert status["queued"] == 0 and "dropped" in err
    world.devices.nonce_good = True
    assert device.once()[0]["attested"]


def test_a_server_that_restarts_finds_the_device_again(world):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    world.server_down()
    world.server_up()
    device.again()
    world.devices.wait(lambda: len(world.devices.evidence) >= 2)
    assert device.wait_status(lambda s: s["evidence"] == 2)["problem"] is None


def test_the_connection_is_kept_and_the_session_resumed(world):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    before = world.devices.connections
    device.again()
    device.wait_status(lambda s: s["evidence"] == 2)
    assert world.devices.connections == before
    world.devices.close = True
    device.again()
    device.wait_status(lambda s: s["evidence"] == 3)
    assert world.devices.resumed >= 1


def test_server_asks_for_it_and_the_device_attests_soon(world):
    device = world.device()
    world.devices.reattest_in = 1
    device.start()
    world.devices.wait(lambda: len(world.devices.evidence) >= 3)


def test_an_operator_who_wants_it_now_need_not_wait(world):
    device = world.device()
    device.set(poll="1s", interval="24h")
    device.start()
    device.wait_status(lambda s: s["attested"])
    world.devices.wait(lambda: [path for path, _ in world.devices.requests].count("/v1/poll") >= 2)
    assert len(world.devices.evidence) == 1
    world.devices.wanted = True
    world.devices.wait(lambda: len(world.devices.evidence) >= 2)
    # a device that was moved asks why
    world.devices.state, world.devices.chain = "quarantined", "contraindicated"
    device.wait_status(lambda s: s["state"] == "quarantined")


def test_busy_server_is_asked_again(world):
    device = world.device()
    world.devices.fail = {"/v1/enrol": 1, "/v1/challenge": 1}
    device.start()
    device.wait_status(lambda s: s["attested"])
    assert (device.folder / "err").read_text().count("the server answers 503") == 2


def test_the_other_server_is_asked(world):
    device = world.device()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        device.set(server=f"[\"localhost:{closed.getsockname()[1]}\", \"localhost:{world.listener.port}\"]")
        device.once()


def test_renews_with_a_new_key_when_the_server_says_so(world):
    device = world.device()
    device.once()
    world.devices.renew = True
    status, _ = device.once()
    (_, first), (_, second) = world.devices.certificates
    assert first != second and status["key"] == 2
    assert sorted(p.name for p in (device.folder / "state/tpm").iterdir()) == ["ak", "key-2"]
    assert device.once()[0]["attested"]


def test_renews_at_two_thirds_of_its_life(world):
    device = world.device()
    device.once()
    world.devices.time = lambda: int(time.time()) + 19 * DAY
    assert device.once()[0]["key"] == 1
    world.devices.time = lambda: int(time.time()) + 21 * DAY
    assert device.once()[0]["key"] == 2


def test_a_certificate_that_ended_leads_to_a_new_enrolment_of_the_same_device(world):
    device = world.device()
    device.once()
    world.devices.time = lambda: int(time.time()) + 31 * DAY
    device.once()  # it learns the time, and renews; as if that had failed:
    shutil.copy(device.folder / "state/collect/identity", device.folder / "identity")
    world.devices.time = lambda: int(time.time()) + 62 * DAY
    floor = device.folder / "state/collect/floor"
    device.once()
    shutil.copy(device.folder / "identity", device.folder / "state/collect/identity")
    os.chown(device.folder / "state/collect/identity", USERS["collect"], USERS["collect"])
    assert floor.exists()
    _, err = device.once()
    assert "the certificate is over: enrolling anew" in err
    assert len({e["device"] for e in world.devices.evidence}) == 1
    assert [path for path, _ in world.devices.requests].count("/v1/enrol/finish") == 2


def test_a_device_that_the_server_forgot_enrols_anew(world):
    device = world.device()
    device.once()
    world.devices.known.clear()
    status, err = device.once()
    assert "unknown-certificate" in err and status["attested"] and status["key"] == 2
    assert len({e["device"] for e in world.devices.evidence if not e["history"]}) == 2


def test_the_floor_of_time_replaces_a_clock_that_is_behind(world, tmp_path):
    """The server's next certificate is valid from a time on that the local clock has not reached: as for a clock at 1970."""
    device = world.device()
    world.devices.time = lambda: int(time.time()) + 400 * DAY
    device.once()
    world.server_down()
    folder = world.authority.folder
    later = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 390 * DAY))
    end = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 800 * DAY))
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=db\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                                     "unique_subject=no\n[p]\ncommonName=supplied\n")
    (tmp_path / "db").write_text("")
    kept = (folder / "server.pem").read_bytes()
    try:
        device_server.openssl("ca", "-batch", "-config", "ca.cnf", "-cert", folder / "ca.pem", "-keyfile", folder / "ca.key", "-in",
                              folder / "server.csr", "-extfile", folder / "server.ext", "-startdate", later, "-enddate", end, "-notext",
                              "-out", folder / "server.pem", cwd=tmp_path)
        world.server_up()
        assert device.once()[0]["attested"]
        stranger = world.device("stranger")
        status, err = stranger.once(code=1)
        assert "not yet valid" in err and not status["enrolled"]
    finally:
        (folder / "server.pem").write_bytes(kept)


def test_through_a_proxy(world):
    device = world.device()
    proxy = Proxy(world.listener.port)
    device.set(server="device-server.invalid:8443", proxy=f"127.0.0.1:{proxy.port}")
    try:
        assert device.once()[0]["attested"]
    finally:
        proxy.socket.close()
    assert set(proxy.asked) == {"CONNECT device-server.invalid:8443 HTTP/1.1"}


def test_without_a_tpm_a_token_enrols_once(world):
    device = world.device(tpm=False)
    world.devices.tokens.add("one-time")
    (device.folder / "token").write_text("one-time\n")
    device.set(token_file=device.folder / "token")
    status, _ = device.once()
    assert status["enrolled"] and status["state"] == "TRUSTED"
    key = device.folder / "state/tpm/key-1"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and key.stat().st_uid == USERS["tpm"]
    (device.folder / "token").unlink()
    assert device.once()[0]["attested"]
    other = world.device("other", tpm=False)
    (other.folder / "token").write_text("one-time\n")
    other.set(token_file=other.folder / "token")
    status, err = other.once(code=1)
    assert "403" in err and not status["enrolled"]


def test_neither_tpm_nor_token(world):
    _, err = world.device(tpm=False).once(code=1)
    assert "there is no TPM and no token" in err


def test_a_server_that_is_not_ours_is_not_spoken_to(world, tmp_path):
    device = world.device()
    (tmp_path / "other").mkdir()
    device.set(server_ca=device_server.Authority(tmp_path / "other").folder / "ca.pem")
    _, err = device.once(code=1)
    assert "not trusted" in err and world.devices.requests == []


def test_two_agents_do_not_share_a_state(world):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    done = subprocess.run([AGENT, "--config", device.folder / "agent.yaml", "--once"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3 and "another chainhold-agent is at work here" in done.stderr


def test_ends_cleanly_and_leaves_nothing(world):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    children = device.children()
    assert set(children) == {"tpm", "net", "collect"}
    for role, pid in children.items():
        with open(f"/proc/{pid}/status") as f:
            facts = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        assert facts["Uid"].split() == [str(USERS[role])] * 4
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2" and int(facts["CapEff"], 16) == 0
    device.process.terminate()
    assert device.process.wait(timeout=20) == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children.values())


@pytest.mark.parametrize("role", USERS)
def test_a_process_that_dies_is_started_again(world, role):
    device = world.device()
    device.start()
    device.wait_status(lambda s: s["attested"])
    before = device.children()
    os.kill(before[role], signal.SIGKILL)
    world.devices.wait(lambda: len(world.devices.evidence) >= 2)
    after = device.children()
    assert set(after) == set(before) and not set(after.values()) & set(before.values())
    assert f"{role} was ended by signal 9" in (device.folder / "err").read_text()


@pytest.mark.parametrize("damage", [b"", b"CHAG", None])
def test_damaged_state_is_told_and_costs_an_enrolment_at_most(world, damage):
    device = world.device()
    device.once()
    for name in ("identity", "floor"):
        file = device.folder / "state/collect" / name
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(bytes(raw) if damage is None else damage)
    _, err = device.once()
    assert "'identity' is damaged" in err and "'floor' is damaged" in err
    assert len({e["device"] for e in world.devices.evidence}) == 1


@pytest.mark.parametrize("line, told", [
    ("sever: a:1", "line 1, column 1"),
    ("server: nowhere\nserver_ca: /x", "line 1, column 9: 'nowhere' is not host:port"),
    ("server: [a:1, \"b:\"]\nserver_ca: /x", "'b:' is not host:port"),
    ("server: a:1\nserver_ca: /x\nproxy: \":1\"", "line 3, column 8: ':1' is not host:port"),
    ("server: a:1\nserver_ca: /x\nek: rsa", "line 3, column 5"),
    ("server: a:1\nserver_ca: /x\ninterval: 0s", "line 3, column 11"),
    ("server: a:1\nserver_ca: /x\ninterval: 25h", "line 3, column 11"),
    ("server: a:1\nserver_ca: /x\ntpm: none\ntpm: none", "line 4, column 1"),
    ("server: a:1", "server_ca"),
    ("server_ca: /x", "server"),
    ("server: a:1\nserver_ca: /x\nusers: {tpm: 1, web: 2}", "web"),
    ("- server", "line 1"),
])
def test_a_wrong_configuration_names_its_place(tmp_path, line, told):
    (tmp_path / "agent.yaml").write_text(line + "\n")
    done = subprocess.run([AGENT, "--config", tmp_path / "agent.yaml", "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3 and told in done.stderr


def test_the_example_configuration_is_right():
    done = subprocess.run([AGENT, "--config", ROOT / "packaging/chainhold-agent.yaml", "--check"], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("role", USERS)
def test_a_child_started_by_hand_ends(role):
    done = subprocess.run([BUILD / f"chainhold-agent-{role}"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "started by chainhold-agent" in done.stderr
