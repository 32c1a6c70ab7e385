# SPDX-License-Identifier: Apache-2.0
"""The log of a whole running server, followed from outside while its processes are killed."""

import json
import subprocess

import pytest
from cryptography import x509

import server_support
from server_support import BUILD, needs_root, new_key, until
from support import run

pytestmark = needs_root
ENROLLED = ["action", "enrolment", "lifecycle"]  # what the enrolment of one device leaves in the log


def operator(*args):
    done = subprocess.run([BUILD / "chainhold-operator", *map(str, args)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Server(server_support.Server):
    """With what a stranger does to its log."""

    def enrol(self):
        """A device without a TPM, also while a process is being replaced."""
        return self.enrol_by_token(new_key())[1]

    def log(self, *args):
        return operator("log", args[0], "--key", self.log_key, *args[1:])

    def entries(self, tmp_path):
        """All entries, as a monitor from another host sees them; the log must extend what was seen before."""
        def monitored():
            code, out, err = self.log("monitor", "--state", tmp_path / "seen", "--all", "--once", "--json", self.url)
            assert code == 0 or "answers 503" in err or "checkpoint: the server answers 404" in err, err
            return out if code == 0 else None
        return [json.loads(line) for line in until(monitored, self.said, every=0.1).splitlines()]

    def logged(self, tmp_path, want):
        """Waits until the log has at least this many entries: the merge delay is at most a second."""
        def there():
            entries = self.entries(tmp_path)
            return entries if len(entries) >= want else None
        return until(there, lambda: f"there are no {want} entries")


@pytest.fixture(name="server")
def fixture_server(tmp_path):
    with Server(tmp_path) as server:
        server.settled()  # nobody is known before the keeper has published the fleet
        yield server


def test_what_happens_is_in_the_log_and_can_be_proven(server, tmp_path):
    before = server.logged(tmp_path, 1)
    assert before[0]["type"] == "generation"
    enrolled = server.enrol()
    certificate = x509.load_pem_x509_certificate(enrolled["certificate"].encode())
    (tmp_path / "device.crt").write_text(enrolled["certificate"], "utf-8")
    verified = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", str(server.folder / "ca.crt"),
                               str(tmp_path / "device.crt")], capture_output=True, check=False)
    assert verified.returncode == 0, verified.stderr
    uri = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0].value
    assert uri == f"urn:chainhold:device:{enrolled['device']}"
    after = server.logged(tmp_path, len(before) + len(ENROLLED))
    assert [row["type"] for row in after[len(before):]] == ENROLLED
    index = next(row["index"] for row in after if row["type"] == "enrolment")
    code, proof, err = server.log("prove", "--state", tmp_path / "seen", server.url, index)
    assert code == 0, err
    (tmp_path / "proof").write_text(proof, "utf-8")
    assert run(["inspect", "proof", "--key", server.log_key, tmp_path / "proof"])[0] == 0
    # The configuration that init made knows where the log is, and its key.
    code, out, err = run(["--config", server.folder / "chainhold.yaml", "log", "verify", "--state", tmp_path / "seen"])
    assert code == 0 and "extends the" in out, err
    # The record that the leaf commits to, from the operators' API, opens it.
    row = next(row for row in server.get("/api/v1/audit")["leaves"] if row["index"] == index)
    (tmp_path / "record").write_text(row["record"], "utf-8")
    assert enrolled["device"] in row["record"]
    code, _, err = run(["inspect", "proof", "--key", server.log_key, "--record", tmp_path / "record", "--salt", row["salt"],
                        tmp_path / "proof"])
    assert code == 0, err


def test_the_log_extends_every_checkpoint_while_processes_die(server, tmp_path):
    count = len(server.logged(tmp_path, 1))
    for role in ("signer", "keeper", "reader", "signer", "keeper"):
        server.enrol()
        server.replace(role)
        server.enrol()
        count = len(server.logged(tmp_path, count + 2 * len(ENROLLED)))
    server.stop()
    code, out, err = operator("audit", "--key", server.log_key, "--json", server.folder)
    assert code == 0, out + err
    said = json.loads(out)
    assert said["entries"] == said["records"] == count and said["holds"] and said["signatures_checked"]
    server.start()
    server.settled()
    assert len(server.logged(tmp_path, count)) >= count


def test_a_mirror_of_a_running_server(server, tmp_path):
    server.enrol()
    count = len(server.logged(tmp_path, 1 + len(ENROLLED)))
    for _ in range(2):
        code, out, err = server.log("mirror", server.url, tmp_path / "copy")
        assert code == 0 and int(out.split()[0]) >= count, err
        server.enrol()


def test_a_store_put_back_does_not_fork_the_log(server, tmp_path):
    """A copy of the store from before: its signer knows better, and signs no second tree of a size."""
    server.enrol()
    server.logged(tmp_path, 1 + len(ENROLLED))
    server.stop()
    store = server.folder / "state" / "store"
    old = {path.name: path.read_bytes() for path in store.iterdir() if path.is_file()}
    server.start()
    server.settled()
    server.enrol()
    server.logged(tmp_path, 1 + 2 * len(ENROLLED))
    seen = (tmp_path / "seen").read_bytes()
    server.stop()
    for path in store.iterdir():
        if path.is_file() and path.name not in old:
            path.unlink()
    for name, data in old.items():
        (store / name).write_bytes(data)
    server.start()
    if not any("older copy of the store" in line for line in server.lines):
        server.wait_line("older copy of the store")
    # What was logged since is missing, and a client that saw it says so; nothing else was signed in its place.
    def verified():
        code, _, err = server.log("verify", "--state", tmp_path / "seen", server.url)
        return (code, err) if "answers 503" not in err else None
    code, err = until(verified, server.said)
    assert code == 1 and "rolled back" in err and "FORKED" not in err
    assert (tmp_path / "seen").read_bytes() == seen
    status, _ = server.again(server.device, "POST", "/v1/enrol/token", {"token": "x", "public_key": "", "proof": ""})
    assert status >= 400
