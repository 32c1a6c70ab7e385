# SPDX-License-Identifier: Apache-2.0
"""Every statement of the store, taken as it stands by a real PostgreSQL (Debian's 15), where one is installed."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(os.environ.get("CHAINHOLD_BUILD", ROOT / "build")) / "tests" / "sql_driver"
PLACES = sorted(glob.glob("/usr/lib/postgresql/*/bin"))


def as_postgres():
    """PostgreSQL does not run as root: its own user does."""
    user = pwd.getpwnam("postgres")

    def become():
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return user, become


@pytest.fixture(scope="module")
def psql():
    """A server of its own in a new folder, reachable by a socket there; a function that runs one text."""
    if not PLACES:
        pytest.skip("no PostgreSQL is installed (apt-get install postgresql-15)")
    if os.geteuid() != 0:
        pytest.skip("runs as root only, to become the user postgres")
    place = Path(PLACES[-1])
    user, become = as_postgres()
    folder = tempfile.mkdtemp(prefix="chainhold-pg-")
    os.chown(folder, user.pw_uid, user.pw_gid)
    data = Path(folder) / "data"
    options = {"preexec_fn": become, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([place / "initdb", "-D", data, "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync"], **options)
    arguments = f"-c listen_addresses='' -c fsync=off -k {folder}"
    subprocess.run([place / "pg_ctl", "-D", data, "-w", "-l", Path(folder) / "log", "-o", arguments, "start"], **options)

    def run(text):
        return subprocess.run(
            [place / "psql", "-h", folder, "-d", "postgres", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=text, capture_output=True, text=True, check=False, preexec_fn=become, cwd=folder)

    yield run
    subprocess.run([place / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"], **options)
    shutil.rmtree(folder)


def statements():
    lines = subprocess.run([DRIVER], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split("\t", 1) for line in lines]


def test_postgresql_takes_every_statement(psql):
    rows = statements()
    migrations = [text for name, text in rows if name == "migration"]
    others = [(name, text) for name, text in rows if name != "migration"]
    assert len(migrations) > 30 and len(others) > 100
    made = psql("".join(f"{text};\n" for text in migrations))
    assert made.returncode == 0, made.stderr
    # One session: what is prepared is parsed and its types are resolved.
    failed = psql("\\unset ON_ERROR_STOP\n" + "".join(f"PREPARE s{n} AS {text};\n" for n, (_, text) in enumerate(others)))
    assert failed.stderr == "", failed.stderr


def test_postgresql_refuses_what_is_not_its_own(psql):
    # The test can fail: a statement that only SQLite takes.
    assert psql("PREPARE x AS SELECT group_concat(seq) FROM device WHERE tenant = $1;").returncode != 0
