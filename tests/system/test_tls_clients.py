# SPDX-License-Identifier: Apache-2.0
"""TLS clients of other makers against the real edge: OpenSSL, GnuTLS, Mbed TLS, wolfSSL, curl, each as Debian has it, in TLS 1.2 and 1.3, with a
certificate of their own and with the session of the connection before. The table that is committed must say what was seen.

CHAINHOLD_WRITE=1 writes it anew."""
import os
import re
import shutil
import subprocess

import pytest

from edge_support import BUILD, Authority, Client, Edge
from support import ROOT

TABLE = os.path.join(ROOT, "docs", "results", "tls-clients.md")
REQUEST = b"GET /v1/poll HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = """# TLS clients

Made by `tests/system/test_tls_clients.py` (`CHAINHOLD_WRITE=1` writes it anew): clients of other makers, as Debian 12 has them, against the
real edge. *Without* a certificate a request is answered with 401, *with* one that the server knows with 200; *again* is a second connection with the
session of the first, which the server counted as resumed. What a client cannot do says so. TLS 1.1, and TLS 1.2 without forward secrecy or
without authenticated encryption, are refused with an alert, and the next client is served.

| client | 1.2 without | 1.2 with | 1.2 again | 1.3 without | 1.3 with | 1.3 again |
|---|---|---|---|---|---|---|
"""


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def edge(ca, tmp_path_factory):
    e = Edge(tmp_path_factory.mktemp("edge"), ca, device_rate=0)
    e.admin = e.operator(ca.issue("admin"))
    e.own = e.device(ca.issue("gw-1"))
    yield e
    e.close()


def counted(edge, name):
    with Client(edge, "operators", edge.admin) as c:
        text = c.ask("GET", "/metrics")[2].decode()
    return sum(int(v) for v in re.findall(rf"^chainhold_edge_{name}(?:{{[^}}]*}})? (\d+)$", text, re.M))


def run(*args, stdin=b"", timeout=60):
    p = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
    return p.stdout.decode(errors="replace")


class Tool:
    """One client. ask() gives (protocol, HTTP status) of each connection, or the reason why there is none."""
    times = 1

    def version(self):
        raise NotImplementedError

    def present(self):
        return shutil.which(self.program) is not None

    def identity(self, edge, own):
        return (edge.own.cert, edge.own.key) if own else None


class OpenSSL(Tool):
    name, program = "OpenSSL `s_client`", "openssl"

    def version(self):
        return run("openssl", "version").split()[1]

    def ask(self, edge, tls, own, again, tmp, extra=()):
        out = []
        session = str(tmp / f"openssl-{tls}.pem")
        for i in range(2 if again else 1):
            args = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.devices}", "-servername", "localhost", f"-tls{tls.replace('.', '_')}",
                    "-CAfile", edge.authority.cert, "-verify_return_error", "-ign_eof", *extra]
            if own:
                args += ["-cert", edge.own.cert, "-key", edge.own.key]
            args += ["-sess_in" if i else "-sess_out", session] if again else []
            out.append(self.read(run(*args, stdin=REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))))
        return out

    @staticmethod
    def read(text):
        protocol = re.search(r"^(?:New|Reused), (TLSv1\.\d)", text, re.M)
        status = re.search(r"HTTP/1\.1 (\d+)", text)
        return (protocol.group(1), int(status.group(1))) if protocol and status else text


class GnuTLS(Tool):
    name, program = "GnuTLS `gnutls-cli`", "gnutls-cli"

    def version(self):
        return run("gnutls-cli", "--version").split()[1]

    def ask(self, edge, tls, own, again, tmp, extra=()):
        args = ["gnutls-cli", "--port", str(edge.devices), "--x509cafile", edge.authority.cert, "--sni-hostname=localhost", "--verify-hostname=localhost",
                "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{tls}{''.join(extra)}"]
        if own:
            args += ["--x509certfile", edge.own.cert, "--x509keyfile", edge.own.key]
        # The first connection of --resume carries no request: its session, and what TLS 1.3 sends behind the handshake, is all it is for.
        args += ["--resume", "--waitresumption"] if again else []
        text = run(*args, "127.0.0.1", stdin=REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        found = self.read(text)
        return [found, found] if again and isinstance(found, tuple) else [found]

    @staticmethod
    def read(text):
        protocol = re.findall(r"Description: \((TLS1\.\d)", text)
        status = re.search(r"HTTP/1\.1 (\d+)", text)
        return (protocol[-1].replace("TLS", "TLSv"), int(status.group(1))) if protocol and status else text


class Curl(Tool):
    name, program = "curl", "curl"

    def version(self):
        return run("curl", "--version").split()[1] + " (OpenSSL)"

    def ask(self, edge, tls, own, again, tmp, extra=()):
        args = ["curl", "-sSv", f"--tlsv{tls}", "--tls-max", tls, "--cacert", edge.authority.cert, "-H", "Connection: close", "-w", "status=%{http_code}\n", *extra]
        if own:
            args += ["--cert", edge.own.cert, "--key", edge.own.key]
        text = run(*args, *[f"https://localhost:{edge.devices}/v1/poll"] * (2 if again else 1))
        protocol = re.findall(r"SSL connection using (TLSv1\.\d)", text)
        status = re.findall(r"status=(\d+)", text)
        if not protocol or len(protocol) != len(status):
            return [text]
        return [(p, int(s)) for p, s in zip(protocol, status)]


class Driver(Tool):
    """A client of a library that Debian has no program of: tests/drivers."""

    def present(self):
        return os.access(os.path.join(BUILD, "tests", self.program), os.X_OK)

    def ask(self, edge, tls, own, again, tmp, extra=()):
        cert, key = (edge.own.cert, edge.own.key) if own else ("-", "-")
        text = run(os.path.join(BUILD, "tests", self.program), str(edge.devices), tls, edge.authority.cert, cert, key, "2" if again else "1")
        rows = [line.split() for line in text.splitlines()]
        return [(r[0], int(r[1])) if r[0] != "failed" else text for r in rows] or [text]


def package(name):
    text = run("dpkg-query", "-W", "-f", "${Version}", name)
    return re.match(r"[0-9.]+[0-9]", text).group(0) if re.match(r"[0-9.]+[0-9]", text) else "unknown"


class MbedTLS(Driver):
    name, program = "Mbed TLS", "mbedtls_driver"
    lacks = ("1.3",)

    def version(self):
        return package("libmbedtls-dev")


class WolfSSL(Driver):
    name, program = "wolfSSL", "wolfssl_driver"

    def version(self):
        return package("libwolfssl-dev")


TOOLS = [OpenSSL(), GnuTLS(), MbedTLS(), WolfSSL(), Curl()]


def cell(tool, edge, tls, how, tmp):
    if tls in getattr(tool, "lacks", ()):
        return "has none"
    before = counted(edge, "handshakes_resumed_total")
    got = tool.ask(edge, tls, how != "without", how == "again", tmp)
    resumed = counted(edge, "handshakes_resumed_total") - before
    want = (f"TLSv{tls}", 401 if how == "without" else 200)
    if got != [want] * (2 if how == "again" else 1):
        return "no: " + str(got)[-300:]
    return "yes" if how != "again" or resumed == 1 else "no"


def unversioned(row):
    """Debian's next update does the same: what it says is of the version that is named."""
    return re.sub(r" [0-9][0-9.]*[0-9]( \(OpenSSL\))? \|", " |", row, count=1)


def committed():
    with open(TABLE, encoding="utf-8") as f:
        return f.read()


@pytest.fixture(scope="module")
def seen(edge, tmp_path_factory):
    rows = {}
    tmp = tmp_path_factory.mktemp("sessions")
    for tool in TOOLS:
        if tool.present():
            cells = [cell(tool, edge, tls, how, tmp) for tls in ("1.2", "1.3") for how in ("without", "with", "again")]
            rows[tool.name] = f"| {tool.name} {tool.version()} | " + " | ".join(cells) + " |"
    if os.environ.get("CHAINHOLD_WRITE"):
        with open(TABLE, "w", encoding="utf-8") as f:
            f.write(HEAD + "\n".join(rows.values()) + "\n")
    return rows


@pytest.mark.parametrize("tool", TOOLS, ids=lambda t: t.program)
def test_the_table_says_what_was_seen(tool, seen):
    if not tool.present():
        pytest.skip(f"{tool.program} is not installed")
    assert unversioned(seen[tool.name]) in map(unversioned, committed().splitlines())


def test_the_table_is_what_this_test_writes(seen):
    assert committed().startswith(HEAD)
    assert len(committed()[len(HEAD):].splitlines()) == len(TOOLS)


REFUSED = [
    ("OpenSSL, TLS 1.1", OpenSSL(), "1.1", ("-cipher", "DEFAULT@SECLEVEL=0")),
    ("GnuTLS, TLS 1.1", GnuTLS(), "1.1", ()),
    ("Mbed TLS, TLS 1.1", MbedTLS(), "1.1", ()),
    ("curl, TLS 1.1", Curl(), "1.1", ("--ciphers", "DEFAULT@SECLEVEL=0")),
    ("OpenSSL, RSA key exchange", OpenSSL(), "1.2", ("-cipher", "AES128-GCM-SHA256")),
    ("OpenSSL, CBC", OpenSSL(), "1.2", ("-cipher", "ECDHE-ECDSA-AES128-SHA256")),
    ("GnuTLS, CBC", GnuTLS(), "1.2", (":-CIPHER-ALL:+AES-128-CBC",)),
]


@pytest.mark.parametrize("what,tool,tls,extra", REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_too_weak_is_refused_and_the_next_is_served(edge, tmp_path, what, tool, tls, extra):
    if not tool.present():
        pytest.skip(f"{tool.program} is not installed")
    before = counted(edge, "handshakes_failed_total")
    got = tool.ask(edge, tls, True, False, tmp_path, extra)
    assert len(got) == 1 and isinstance(got[0], str), what
    assert re.search(r"alert|version|handshake", got[0], re.I), got[0]
    assert counted(edge, "handshakes_failed_total") == before + 1
    with Client(edge, "devices", edge.own) as c:
        assert c.ask("GET", "/v1/poll")[0] == 200
