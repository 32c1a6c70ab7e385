# SPDX-License-Identifier: Apache-2.0
"""Operators' keys in a PKCS #11 token (the real SoftHSM 2) and in encrypted files: against a whole server, and what goes wrong."""

import errno
import os
import pty
import re
import select
import subprocess

import pytest

from server_support import Server, needs_root
from softhsm import MODULE, PIN, Hsm, needs_softhsm
from support import BIN
from test_cli_operator import POLICY, enrol

pytestmark = needs_softhsm


@pytest.fixture(scope="module")
def hsm(tmp_path_factory):
    one = Hsm(tmp_path_factory.mktemp("hsm"))
    one.token("operators")
    one.key("operators", "tina", "01")
    one.key("operators", "twin", "02")
    one.key("operators", "twin", "03")
    one.key("operators", "edward", "04", "EC:edwards25519")
    one.key("operators", "big", "05", "EC:secp384r1")
    one.key("operators", "lonely", "06")
    one.delete("operators", "06", "pubkey")
    one.key("operators", "careful", "07", "EC:prime256v1", "--always-auth")
    return one


def run(hsm, *args, code=0):
    """chainhold with the token's configuration and no terminal."""
    done = subprocess.run([BIN, *map(str, args)], env=hsm.env, capture_output=True, text=True, timeout=120, check=False, start_new_session=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert PIN not in (done.stdout + done.stderr).replace(str(hsm.folder), "")
    return done.stdout if code == 0 else done.stderr


def at_terminal(hsm, answer, *args):
    """chainhold with a terminal at which somebody types: (exit code, all that the terminal showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BIN, [str(BIN), *map(str, args)], {**hsm.env, "NO_COLOR": "1"})
    shown, typed = b"", False
    while True:
        select.select([fd], [], [])
        try:
            piece = os.read(fd, 4096)
        except OSError as e:
            assert e.errno == errno.EIO
            break
        if not piece:
            break
        shown += piece
        if not typed and re.search(rb"(PIN|Passphrase) of .*: $", shown):
            os.write(fd, answer)
            typed = True
    assert typed, shown
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


# --- the whole server ---

@pytest.fixture(scope="module")
def server(hsm, tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("token"), policy=POLICY.replace("two-operators", "automatic").replace(", operator.add", ""))
    one.start()
    yield one
    one.stop()


def add(server, hsm, name, key):
    """An operator whose key is in the token, with a configuration NAME.yaml."""
    pub = server.folder / "operators" / f"{name}.pub"
    pub.write_text(run(hsm, "operator", "public", key))
    server.cli("operator", "add", name, "--role", "operator", "--key", pub, "--reason", "test", "--out", server.folder / "operators" / f"{name}.crt")
    text = (server.folder / "chainhold.yaml").read_text()
    text = text.replace("key: operators/admin.key", f'key: "{key}"').replace("operators/admin.crt", f"operators/{name}.crt")
    (server.folder / f"{name}.yaml").write_text(text)
    return server.folder / f"{name}.yaml"


@needs_root
def test_an_operator_with_a_token_quarantines_and_releases(server, hsm):
    config = add(server, hsm, "tina", hsm.uri("token=operators;object=tina;type=private"))
    device = enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "test").strip())
    assert device in run(hsm, "--config", config, "device", "list")
    assert "done: device.quarantine" in run(hsm, "--config", config, "device", "quarantine", "--reason", "found open", device)
    server.wait(f"/api/v1/devices/{device}", lambda d: d["state"] == "quarantined" and not d["cutting"])
    assert "done: device.release" in run(hsm, "--config", config, "device", "release", "--reason", "looked at it", device)
    assert server.get(f"/api/v1/devices/{device}")["state"] == "enrolled"
    # Somebody at a terminal is asked, and what they type is not shown.
    text = config.read_text().replace(f"&pin-source=file:{hsm.pin}", "")
    config.with_name("asked.yaml").write_text(text)
    code, shown = at_terminal(hsm, b"1234\n", "--config", config.with_name("asked.yaml"), "device", "reattest", "--reason", "ask", device)
    assert code == 0 and 'PIN of token "operators": ' in shown and "done: device.reattest" in shown and "1234" not in shown
    code, shown = at_terminal(hsm, b"9999\n", "--config", config.with_name("asked.yaml"), "device", "reattest", "--reason", "ask", device)
    assert code == 4 and "wrong PIN" in shown and "9999" not in shown
    # A certificate of another key than the token's is noticed before anything is sent.
    config.with_name("other.yaml").write_text(config.read_text().replace("operators/tina.crt", "operators/admin.crt"))
    assert "is not of the key in the token" in run(hsm, "--config", config.with_name("other.yaml"), "device", "list", code=4)


@needs_root
def test_a_key_that_wants_its_pin_each_time(server, hsm):
    config = add(server, hsm, "careful", hsm.uri("token=operators;id=%07"))
    device = enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "test").strip())
    assert "done: device.quarantine" in run(hsm, "--config", config, "device", "quarantine", "--reason", "x", device)


@needs_root
def test_an_encrypted_key_file(server, hsm, tmp_path):
    key = server.folder / "operators" / "erna.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes-256-cbc", "-pass", "pass:open sesame",
                    "-out", key], check=True, capture_output=True)
    phrase = tmp_path / "phrase"
    phrase.touch(0o600)
    phrase.write_text("open sesame\n")
    pub = tmp_path / "erna.pub"
    pub.write_text(run(hsm, "operator", "public", "--passphrase-file", phrase, key))
    server.cli("operator", "add", "erna", "--role", "operator", "--key", pub, "--reason", "test", "--out", server.folder / "operators" / "erna.crt")
    text = (server.folder / "chainhold.yaml").read_text().replace("operators/admin.", "operators/erna.")
    config = server.folder / "erna.yaml"
    config.write_text(text + f"passphrase_file: {phrase}\n")
    device = enrol(server, server.cli("token", "create", "--class", "gateway", "--reason", "test").strip())
    assert "done" in run(hsm, "--config", config, "device", "quarantine", "--reason", "x", device)
    config.write_text(text)
    assert "passphrase_file" in run(hsm, "--config", config, "device", "list", code=4)
    code, shown = at_terminal(hsm, b"open sesame\n", "--config", config, "device", "list")
    assert code == 0 and device in shown and "sesame" not in shown
    phrase.write_text("something else\n")
    config.write_text(text + f"passphrase_file: {phrase}\n")
    assert "wrong passphrase" in run(hsm, "--config", config, "device", "list", code=4)


@needs_root
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_have_rights_to_is_refused(server, hsm, mode):
    key = server.folder / "operators" / "admin.key"
    key.chmod(mode)
    try:
        assert "chmod 600" in run(hsm, "--config", server.folder / "chainhold.yaml", "device", "list", code=4)
    finally:
        key.chmod(0o600)


# --- what goes wrong: the message says what and what to do ---

@pytest.mark.parametrize("path, words", [
    ("token=operators;object=nobody", 'token "operators" has no private key "nobody": pkcs11-tool'),
    ("token=operators;object=twin", "more than one private key of token \"operators\" matches: add id="),
    ("token=operators;object=edward", "is not ECDSA on P-256"),
    ("token=operators;object=big", "is not ECDSA on P-256"),
    ("token=operators;object=lonely", "has no public key beside the private one"),
    ("token=operators;object=tina;type=cert", "names no private key: type=private"),
    ("token=nowhere;object=tina", 'no token is what the URI says; there is "operators" serial'),
    ("token=operators;library-version=9.9;object=tina", "no token is what the URI says"),
    ("token=operators;slot-id=4294967295;object=tina", "no token is what the URI says"),
])
def test_what_the_uri_does_not_find(hsm, path, words):
    assert words in run(hsm, "operator", "public", hsm.uri(path), code=4)


def test_by_other_attributes(hsm):
    plain = run(hsm, "operator", "public", hsm.uri("token=operators;object=tina"))
    path = "manufacturer=SoftHSM%20project;model=SoftHSM%20v2;library-manufacturer=SoftHSM;library-description=Implementation%20of%20PKCS11;id=%01"
    assert run(hsm, "operator", "public", hsm.uri(path)) == plain
    assert subprocess.run(["openssl", "pkey", "-pubin", "-noout"], input=plain, text=True, check=False).returncode == 0


def test_more_than_one_token_matches(tmp_path):
    hsm = Hsm(tmp_path / "two")
    hsm.token("a")
    hsm.token("b")
    error = run(hsm, "operator", "public", hsm.uri("object=x"), code=4)
    assert "more than one token matches, add serial=: " in error
    # Their order is SoftHSM's.
    assert re.search(r'"a" serial \w+', error) and re.search(r'"b" serial \w+', error)


def test_the_pin(hsm):
    key = hsm.uri("token=operators;object=tina")
    for text, mode, words in (("9999", 0o600, "wrong PIN"), ("", 0o600, "there is no PIN in it"), (PIN, 0o640, "chmod 600"), ("1" * 300, 0o600, "too long")):
        hsm.write_pin(text, mode)
        assert words in run(hsm, "operator", "public", key, code=4)
    hsm.write_pin(PIN + "\n")
    assert "PUBLIC KEY" in run(hsm, "operator", "public", key)
    assert "No such file" in run(hsm, "operator", "public", key + ".none", code=4)
    assert "pin-source is a file" in run(hsm, "operator", "public", key.replace("file:", "|cat%20"), code=4)
    assert "nobody to ask" in run(hsm, "operator", "public", hsm.uri("token=operators;object=tina", pin=False), code=4)
    error = run(hsm, "operator", "public", hsm.uri("token=operators;object=tina", pin=False) + f"&pin-value={PIN}", code=2)
    assert "does not belong in a name" in error


def test_the_module(hsm, tmp_path):
    def said(path):
        return run(hsm, "operator", "public", f"pkcs11:token=operators?module-path={path}", code=4)
    assert "module-path=" in run(hsm, "operator", "public", "pkcs11:token=operators", code=4)
    assert "No such file" in said("/nowhere.so")
    assert "module-path=" in said("relative.so")
    mine = tmp_path / "module.so"
    mine.write_bytes(b"this is no library")
    assert "cannot be loaded" in said(mine)
    libm = subprocess.run(["gcc", "-print-file-name=libm.so.6"], capture_output=True, text=True, check=True).stdout.strip()
    assert "no C_GetFunctionList" in said(libm)
    mine.write_bytes(open(MODULE, "rb").read())
    mine.chmod(0o666)
    assert "could be changed by others" in said(mine)
