# SPDX-License-Identifier: Apache-2.0
"""The CA's key in a PKCS #11 token (the real SoftHSM 2) behind chainhold-token: enrolment, and a module that hangs, fails, or is killed."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from server_support import BIN, BUILD, Server, needs_root
from softhsm import MODULE, PIN, TOKEN_UID, Hsm, needs_softhsm, take_in, token_config
from test_cli_operator import POLICY, enrol

pytestmark = [needs_softhsm, needs_root]
BAD_MODULE = BUILD / "tests" / "bad_module.so"


def pid_of(server, role):
    """The newest process of a role that the log tells of."""
    return int(re.findall(rf"{role}\[0\] is ready, pid (\d+)", "\n".join(server.lines))[-1])


class World:
    def __init__(self, folder):
        self.hsm = Hsm(folder / "hsm")
        self.server = Server(folder, policy=POLICY.replace(", operator.add", ""))
        take_in(self.hsm, self.server.folder)
        # Root's and nobody else's to write, where the process may read it.
        self.module = self.hsm.folder / "bad_module.so"
        shutil.copy(BAD_MODULE, self.module)
        self.module.chmod(0o755)
        self.mood = self.hsm.folder / "tokens" / "mood"
        text = token_config(self.hsm, self.module, deadline=2, environment=[f"BAD_MODULE_REAL={MODULE}", f"BAD_MODULE_MOOD={self.mood}"])
        with open(self.server.folder / "chainholdd.yaml", "a") as f:
            f.write(text)

    def log(self):
        return "\n".join(self.server.lines)

    def token(self):
        return self.server.cli("token", "create", "--class", "gateway", "--reason", "test").strip()

    @contextlib.contextmanager
    def in_the_mood(self, letter):
        self.mood.write_text(letter)
        try:
            yield
        finally:
            self.mood.unlink(missing_ok=True)

    def wait_log(self, pattern, count=1):
        end = time.monotonic() + 120
        while len(re.findall(pattern, self.log())) < count:
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("catoken"))
    one.server.start()
    # The fleet view is published a moment after all processes are ready.
    end = time.monotonic() + 60
    while subprocess.run([BIN, "--config", one.server.folder / "chainhold.yaml", "status"], capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < end, one.log()
        time.sleep(0.1)
    yield one
    one.server.stop()


def test_a_certificate_comes_from_the_token(world):
    assert not (world.server.folder / "state" / "signer" / "ca.key").exists()
    device = enrol(world.server, world.token())
    assert device in world.server.cli("device", "list")
    world.server.add_operator("olga", "operator")
    done = subprocess.run(["openssl", "verify", "-CAfile", world.server.folder / "ca.crt", world.server.folder / "operators" / "olga.crt"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    world.server.cli("status", config="olga.yaml")


def test_no_process_but_one_has_the_module(world):
    pids = [int(pid) for pid in re.findall(r"\[\d\] is ready, pid (\d+)", world.log())]
    assert len(pids) >= 6
    for pid in pids:
        assert ("bad_module" in Path(f"/proc/{pid}/maps").read_text()) == (pid == pid_of(world.server, "token"))
    status = Path(f"/proc/{pid_of(world.server, 'token')}/status").read_text()
    assert re.search(rf"^Uid:\s+{TOKEN_UID}\s+{TOKEN_UID}\s+{TOKEN_UID}\s", status, re.M)
    assert re.search(r"^Groups:\s*$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)
    assert PIN not in Path(f"/proc/{pid_of(world.server, 'token')}/environ").read_text() + world.log().replace(str(world.hsm.folder), "")


def test_lists_and_answers_of_revocation_come_from_it_too(world):
    device = enrol(world.server, world.token())
    world.server.cli("device", "revoke", "--reason", "lost", device)
    kid = subprocess.run(["openssl", "x509", "-in", world.server.folder / "ca.crt", "-noout", "-ext", "subjectKeyIdentifier"],
                         capture_output=True, text=True, check=True).stdout.splitlines()[-1].strip().replace(":", "").lower()
    end = time.monotonic() + 60
    while True:
        crl = world.server.log_page(f"/crl/{kid}.crl")
        shown = subprocess.run(["openssl", "crl", "-inform", "der", "-noout", "-text", "-CAfile", world.server.folder / "ca.crt"], input=crl,
                               capture_output=True, check=True)
        assert b"verify OK" in shown.stderr + shown.stdout
        if b"Serial Number" in shown.stdout:
            break
        assert time.monotonic() < end, shown.stdout
        time.sleep(0.1)
    answer = subprocess.run(["openssl", "ocsp", "-issuer", world.server.folder / "ca.crt", "-cert", world.server.folder / "operators" / "olga.crt", "-no_nonce",
                             "-url", f"http://127.0.0.1:{world.server.public}/ocsp", "-CAfile", world.server.folder / "ca.crt"],
                            capture_output=True, text=True, check=False)
    assert "Response verify OK" in answer.stdout + answer.stderr and "olga.crt: good" in answer.stdout, answer


def enrol_while(world, meanwhile):
    """An enrolment that is under way while something happens: the device that came of it."""
    got = []
    one = threading.Thread(target=lambda token: got.append(enrol(world.server, token)), args=[world.token()])
    one.start()
    meanwhile()
    one.join()
    assert got, world.log()
    assert got[0] in world.server.cli("device", "list")


@pytest.mark.parametrize("mood, ended", [
    ("h", r"token\[0\], pid \d+, ended: killed by signal 9 \(Killed\): the module did not answer within its deadline"),
    ("l", r"does not sign: CKR_SESSION_HANDLE_INVALID"),
    ("w", r"signed does not verify with its public key"),
    ("c", r"token\[0\], pid \d+, ended: killed by signal 6"),
])
def test_a_module_that_fails_is_started_again_and_the_request_is_answered(world, mood, ended):
    def fail():
        before = len(re.findall(ended, world.log()))
        world.wait_log(ended, before + 1)
        world.mood.unlink()
    with world.in_the_mood(mood):
        enrol_while(world, fail)
    assert "requests wait for the next one" in world.log()
    enrol(world.server, world.token())


def test_a_process_that_is_killed_while_it_signs(world):
    def kill():
        before = pid_of(world.server, "token")
        time.sleep(0.3)
        os.kill(before, signal.SIGKILL)
        world.mood.unlink()
        end = time.monotonic() + 60
        while pid_of(world.server, "token") == before:
            assert time.monotonic() < end, world.log()
            time.sleep(0.05)
    with world.in_the_mood("s"):
        enrol_while(world, kill)


def test_many_wait_and_all_are_answered(world):
    tokens = [world.token() for _ in range(8)]
    got = []
    killed = r"the module did not answer within its deadline"
    before = len(re.findall(killed, world.log()))
    with world.in_the_mood("h"):
        threads = [threading.Thread(target=lambda t=t: got.append(enrol(world.server, t))) for t in tokens]
        for one in threads:
            one.start()
        world.wait_log(killed, before + 1)
        world.mood.unlink()
        for one in threads:
            one.join()
    assert len(set(got)) == 8


def test_the_signer_is_started_anew_too(world):
    os.kill(pid_of(world.server, "signer"), signal.SIGKILL)
    world.wait_log(r"signer\[0\] is ready", 2)
    end = time.monotonic() + 60
    while True:
        try:
            enrol(world.server, world.token())
            break
        except AssertionError:
            assert time.monotonic() < end, world.log()
            time.sleep(0.2)


# --- a configuration that cannot work: said before anything is served ---

@pytest.fixture
def cold(tmp_path):
    hsm = Hsm(tmp_path / "hsm")
    server = Server(tmp_path)
    take_in(hsm, server.folder, keep=True)
    return hsm, server, (server.folder / "chainholdd.yaml").read_text()


def refused(server, text):
    (server.folder / "chainholdd.yaml").write_text(text)
    done = subprocess.run([BUILD / "chainholdd", server.folder / "chainholdd.yaml"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and "ready: " not in done.stderr, done.stderr
    return done.stderr


def test_what_cannot_work_is_said_at_the_start(cold):
    hsm, server, base = cold
    good = token_config(hsm)
    assert "wrong PIN" in (hsm.write_pin("9999"), refused(server, base + good))[1]
    assert "chmod 600" in (hsm.write_pin(PIN, 0o644), refused(server, base + good))[1]
    hsm.write_pin(PIN)
    assert "does not belong in a name" in refused(server, base + good.replace("pin-source", "pin-value"))
    assert "wants a PIN and there is nobody to ask" in refused(server, base + good.replace(f"&pin-source=file:{hsm.pin}", ""))
    assert 'has no private key "none"' in refused(server, base + good.replace("object=issuing", "object=none"))
    assert "No such file" in refused(server, base + good.replace(MODULE, "/nowhere.so"))
    assert "no folder by its whole path" in refused(server, base + token_config(hsm, folders=["tokens"]))
    assert "is no NAME=VALUE" in refused(server, base + token_config(hsm, environment=["nothing"]))
    assert "line" in refused(server, base + token_config(hsm, deadline=0))


def test_another_key_than_the_cas_is_refused(cold):
    hsm, server, base = cold
    hsm._run("chown", "-R", "0", hsm.folder / "tokens")
    hsm.key("ca", "other", "02")
    hsm._run("chown", "-R", str(TOKEN_UID), hsm.folder / "tokens")
    assert "is not that of the CA's certificate" in refused(server, base + token_config(hsm, path="token=ca;object=other"))


def test_a_module_with_threads_or_that_hangs_at_its_start(cold):
    hsm, server, base = cold
    module = hsm.folder / "bad_module.so"
    shutil.copy(BAD_MODULE, module)
    module.chmod(0o755)
    real = f"BAD_MODULE_REAL={MODULE}"
    assert "started threads of its own" in refused(server, base + token_config(hsm, module, environment=[real, "BAD_MODULE_START=t"]))
    assert "did not answer within its deadline" in refused(server, base + token_config(hsm, module, deadline=1, environment=[real, "BAD_MODULE_START=h"]))
