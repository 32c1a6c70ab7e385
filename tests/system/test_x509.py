# SPDX-License-Identifier: Apache-2.0
"""What our settings make of OpenSSL, which alone judges the chains of TLS: x509-limbo against the client, PKITS against the server.

Each vector whose verdict is another than the vector's is listed in tests/conformance/x509-out-of-scope.json with its reason; one that is
listed and does not differ fails too, so that the list stays true."""

import datetime
import fnmatch
import json
import os
import ssl
import subprocess
from pathlib import Path

import support

DRIVER = Path(os.environ.get("CHAINHOLD_X509_DRIVER", support.ROOT / "build" / "tests" / "x509_driver"))
DIFFERS = json.loads((support.ROOT / "tests" / "conformance" / "x509-out-of-scope.json").read_text())


def judge(folder, role, name, when, trusted, untrusted, leaf):
    files = {"trusted": trusted, "untrusted": untrusted, "leaf": leaf}
    for file, text in files.items():
        (folder / file).write_text(text)
    done = subprocess.run([DRIVER, role, name, str(when), *(folder / file for file in files)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout.strip()


def limbo(path, folder):
    """(vector, wanted, verdict): a server with this chain, met by our client."""
    for case in json.loads((path / "limbo.json").read_text())["testcases"]:
        when = case["validation_time"]
        when = int(datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()) if when else 0
        said = judge(folder, "client", case["expected_peer_name"]["value"], when, "".join(case["trusted_certs"]),
                     "".join(case["untrusted_intermediates"]), case["peer_certificate"])
        yield "limbo/" + case["id"], case["expected_result"] == "SUCCESS", said


def pkits(path, folder):
    """The same for a client with this chain, met by our server, with the date of the vectors."""
    def pem(name):
        return ssl.DER_cert_to_PEM_cert((path / "pkits" / "certs" / f"{name}.crt").read_bytes())
    when = int(datetime.datetime(2021, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
    for case in json.loads((path / "pkits" / "tests.json").read_text()):
        anchor, *middle, leaf = case["certs"]
        said = judge(folder, "server", "-", when, pem(anchor), "".join(map(pem, reversed(middle))), pem(leaf))
        yield f"pkits/{case['number']} {case['title']}", case["should_validate"], said


def test_verdicts_are_those_of_the_vectors_or_listed(tmp_path):
    path = support.corpus("x509")
    passed, listed, failed, used = 0, 0, [], set()
    for vectors in (limbo, pkits):
        for vector, wanted, said in vectors(path, tmp_path):
            assert said == "valid" or said.startswith("invalid: "), (vector, said)
            entries = [e["match"] for e in DIFFERS if fnmatch.fnmatchcase(vector, e["match"])]
            used.update(entries)
            if (said == "valid") != wanted and entries:
                listed += 1
            elif (said == "valid") == wanted and not entries:
                passed += 1
            else:
                failed.append(f"{vector}: wanted {'valid' if wanted else 'invalid'}, {'listed, ' if entries else ''}{said}")
    print(f"x509: {passed} pass, {len(failed)} fail, {listed} differ as listed")
    unused = [e["match"] for e in DIFFERS if e["match"] not in used]
    assert not unused, unused
    assert passed and not failed, "\n".join(failed)
