# SPDX-License-Identifier: Apache-2.0
"""A store that is lost and put back without a mirror: the log goes on under another origin, and nobody is deceived about it."""

import json
import shutil
import time

import pytest

from server_support import needs_root
from support import run
from test_log_server import Server, operator

pytestmark = needs_root


@pytest.fixture(name="server")
def fixture_server(tmp_path):
    with Server(tmp_path) as server:
        server.settled()
        yield server


def asked(*args):
    """`chainhold log …`, again while the server is only starting."""
    for _ in range(200):
        code, out, err = operator("log", *args)
        if code != 4:
            return code, out, err
        time.sleep(0.05)
    raise AssertionError(err)


def lose(server, tmp_path):
    """A backup, what happens after it, and then the store is gone: (size in the backup, size that clients have seen)."""
    server.enrol()
    before = len(server.logged(tmp_path, 3))
    shutil.copy(tmp_path / "seen", tmp_path / "early")
    code, _, err = operator("backup", server.folder, tmp_path / "copy")
    assert code == 0, err
    lost = server.enrol()["device"]
    seen = len(server.logged(tmp_path, before + 2))
    server.stop()
    for path in (server.folder / "state" / "store").iterdir():
        path.unlink()
    code, _, err = operator("restore", tmp_path / "copy", server.folder)
    assert code == 0, err
    return before, seen, lost


def test_a_log_that_cannot_go_on_ends_and_another_names_it(server, tmp_path):
    before, seen, lost = lose(server, tmp_path)
    old_key = server.log_key.read_text()
    code, out, err = operator("log", "new-origin", server.folder, "127.0.0.1/log-2")
    assert code == 0, err
    assert f"ended with {seen} entries, of which the store has" in out and "127.0.0.1/log-2" in out
    # Given again it changes nothing: the configuration names the new log already.
    again = operator("log", "new-origin", server.folder, "127.0.0.1/log-2")
    assert again[0] == 2 and "cannot be the name" in again[2]
    assert (server.folder / "log.vkey.ended").read_text() == old_key
    assert server.log_key.read_text().startswith("127.0.0.1/log-2+")
    server.start()
    # A client of the old log, which holds more of it than was carried on.
    (tmp_path / "old.vkey").write_text(old_key)
    held = (tmp_path / "seen").read_bytes()
    code, _, err = asked("verify", "--key", tmp_path / "old.vkey", "--state", tmp_path / "seen", server.url)
    assert code == 1 and f"ENDED with {seen} entries" in err and "127.0.0.1/log-2 begins after it" in err
    assert "records of the last" in err and "--key '127.0.0.1/log-2+" in err and "FORKED" not in err
    assert (tmp_path / "seen").read_bytes() == held and list(tmp_path.glob("seen.fork-*"))
    code, _, err = asked("monitor", "--once", "--key", tmp_path / "old.vkey", "--state", tmp_path / "early", server.url)
    assert code == 1 and "ENDED" in err
    # A client of the new one.
    code, out, err = asked("verify", "--key", server.log_key, "--state", tmp_path / "seen-2", server.url)
    assert code == 0 and out.startswith("127.0.0.1/log-2: "), err
    code, out, err = asked("monitor", "--key", server.log_key, "--all", "--once", "--json", "--state", tmp_path / "seen-3", server.url)
    first = json.loads(out.splitlines()[0])
    assert (first["index"], first["type"]) == (0, "origin")
    # It is a log like any other: it grows, is proven, and audited with the one before it.
    server.enrol()
    server.settled()
    server.get(f"/api/v1/devices/{lost}", status=404)
    code, proof, err = asked("prove", "--key", server.log_key, "--state", tmp_path / "seen-2", server.url, 0)
    assert code == 0, err
    (tmp_path / "proof").write_text(proof)
    record = server.log_page("/log/origin")
    (tmp_path / "record").write_bytes(record)
    assert run(["inspect", "proof", "--key", server.log_key, "--record", tmp_path / "record", "--salt", "00" * 32, tmp_path / "proof"])[0] == 0
    said = json.loads(record)
    assert (said["previous"], said["size"]) == ("localhost/log", seen) and said["kept"] >= before
    assert said["checkpoint"].split("\n")[1] == str(seen)
    server.stop()
    code, out, err = operator("audit", "--key", server.log_key, "--json", server.folder)
    assert code == 0, out + err
    audited = json.loads(out)
    assert audited["holds"] and audited["past_logs"] == 1 and audited["past_entries"] == said["kept"] and audited["signatures_checked"]
    server.start()


def test_without_the_signers_word_the_stores_checkpoint_is_the_last_that_is_known(server, tmp_path):
    _, seen, _ = lose(server, tmp_path)
    (server.folder / "state" / "signer" / "tree").unlink()
    code, out, err = operator("log", "new-origin", server.folder, "127.0.0.1/log-2")
    assert code == 0, err
    old = tmp_path / "old.vkey"
    shutil.copy(server.folder / "log.vkey.ended", old)
    server.start()
    code, _, err = asked("verify", "--key", old, "--state", tmp_path / "seen", server.url)
    assert code == 1 and f"you hold a checkpoint of {seen} entries" in err and "NOT carried on" in err
    # Who holds no more than it ended with lost nothing of what he saw.
    code, _, err = asked("verify", "--key", old, "--state", tmp_path / "early", server.url)
    assert code == 1 and "ENDED" in err and "NOT carried on" not in err


def test_a_log_whose_key_was_stolen_goes_on_under_another_key(server, tmp_path):
    server.enrol()
    server.logged(tmp_path, 3)
    server.stop()
    other = tmp_path / "other"
    assert operator("init", "--name", "localhost", other)[0] == 0
    key = server.folder / "state" / "signer" / "log.key"
    key.write_bytes((other / "state" / "signer" / "log.key").read_bytes())
    old = server.log_key.read_text()
    code, out, err = operator("log", "new-origin", server.folder, "localhost/log-2")
    assert code == 0 and "begins after it" in out, err
    assert server.log_key.read_text().split("+")[2] != old.split("+")[2]
    server.start()
    code, out, err = asked("verify", "--key", server.log_key, "--state", tmp_path / "seen-2", server.url)
    assert code == 0 and out.startswith("localhost/log-2: "), err
    server.settled()
    assert any(leaf["type"] == "origin" for leaf in server.get("/api/v1/audit")["leaves"])
    # The old key says nothing of it.
    (tmp_path / "old.vkey").write_text(old)
    code, _, err = asked("verify", "--key", tmp_path / "old.vkey", "--state", tmp_path / "seen", server.url)
    assert code != 0 and "ENDED" not in err


def test_another_key_that_only_says_so_is_not_believed(server, tmp_path):
    lose(server, tmp_path)
    code, _, err = operator("log", "new-origin", server.folder, "127.0.0.1/log-2")
    assert code == 0, err
    server.start()
    other = operator("init", "--name", "127.0.0.1", tmp_path / "other")
    assert other[0] == 0, other
    code, _, err = asked("verify", "--key", tmp_path / "other" / "log.vkey", "--state", tmp_path / "none", server.url)
    assert code != 0 and "ENDED" not in err

