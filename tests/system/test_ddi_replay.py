# SPDX-License-Identifier: Apache-2.0
"""
rauc-hawkbit-updater 1.4 and Zephyr's hawkbit at the whole server, without the clients: their requests as bytes, written after what these two send and
read (docs/protocol/ddi.md), over TLS with a client certificate, and their readers' limits as they have them. SWUpdate runs itself
(test_ddi_swupdate.py).
"""

import hashlib
import json
import os
import re
import socket
import ssl
import urllib.parse

import pytest
from cryptography.hazmat.primitives import serialization

from ddi_world import World
from server_support import PATIENCE, needs_root, new_key, token_enrolment, token_payload

pytestmark = needs_root
RAUC = "User-Agent: rauc-hawkbit-c-agent/1.0\r\n"
JSON = "application/json;charset=UTF-8"
ZEPHYR_BUFFER = 1100  # of a body, at first; it grows by exactly what is missing
BOARD = "nrf52840dk-1f3a5c7e9b2d4f60"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    one = World(tmp_path_factory.mktemp("replay"), ddi="{}")
    with one.server:
        one.begin()
        yield one


class Wire:
    """One connection, kept: neither client opens a second one where the first can serve. `answer` of a request in bytes."""

    def __init__(self, world, files, only=None):
        context = world.server.context(files)
        if only is not None:
            context.minimum_version = context.maximum_version = only
        self.host = f"localhost:{world.server.devices}"
        raw = socket.create_connection(("localhost", world.server.devices), timeout=PATIENCE)
        self.tls, self.rest = context.wrap_socket(raw, server_hostname="localhost"), b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tls.close()

    def more(self):
        data = self.tls.recv(640)  # Zephyr's piece
        assert data, "the server ended the connection"
        self.rest += data

    def answer(self, request):
        """(status, fields, body): a length, no chunks, and not a byte more."""
        self.tls.sendall(request)
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        assert "transfer-encoding" not in fields and fields.get("connection") != "close", fields
        size = int(fields["content-length"])
        while len(self.rest) < size:
            self.more()
        body, self.rest = self.rest[:size], self.rest[size:]
        assert self.rest == b""
        return int(status.split()[1]), fields, body


# --- rauc-hawkbit-updater ---


class Updater(Wire):
    """It follows links for what it reads, and makes the paths of feedback itself. For anything but a download only 200 is well."""

    def __init__(self, world, files, controller):
        super().__init__(world, files)
        self.base = f"/DEFAULT/controller/v1/{controller}"

    def get(self, href):
        assert href.startswith(f"https://{self.host}/")
        status, _, body = self.answer(f"GET {href.removeprefix('https://' + self.host)} HTTP/1.1\r\nHost: {self.host}\r\n{RAUC}"
                                      f"Accept: {JSON}\r\n\r\n".encode())
        assert status == 200, body
        return json.loads(body)

    def poll(self):
        return self.get(f"https://{self.host}{self.base}")

    def send(self, method, path, body):
        status, _, got = self.answer(f"{method} {self.base}{path} HTTP/1.1\r\nHost: {self.host}\r\n{RAUC}Accept: {JSON}\r\n"
                                     f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return status, got

    def report(self, kind, action, finished, execution, detail):
        body = (f'{{"id":"{action}","time":"20261126T121314","status":{{"result":{{"finished":"{finished}"}},"execution":"{execution}",'
                f'"details":["{detail}"]}}}}')
        return self.send("POST", f"/{kind}/{action}/feedback", body)[0]

    def download(self, href, start=0):
        part = f"Range: bytes={start}-\r\n" if start else ""
        status, _, body = self.answer(f"GET {href.removeprefix('https://' + self.host)} HTTP/1.1\r\nHost: {self.host}\r\n{part}{RAUC}"
                                      f"Accept: application/octet-stream\r\n\r\n".encode())
        assert status == (206 if start else 200)
        return body


def test_rauc_hawkbit_updater_installs(world):
    device, files = world.device("rauc")
    data = os.urandom(200000)
    action, _ = world.offer(device, ("gateway-2.raucb", data))
    with Updater(world, files, device) as client:
        base = client.poll()
        assert re.fullmatch(r"\d\d:\d\d:\d\d", base["config"]["polling"]["sleep"])
        status, _ = client.send("PUT", "/configData", '{"id":"","time":"20261126T121314","status":{"result":{"finished":"success"},"execution":"closed",'
                                '"details":[""]},"mode":"merge","data":{"product":"gw","serial":"0815"}}')
        assert status == 200 and "configData" not in client.poll()["_links"]  # else it would send it with every poll
        told = client.get(base["_links"]["deploymentBase"]["href"])
        assert isinstance(told["id"], str) and told["id"] == action  # a number it would read as missing
        deployment = told["deployment"]
        assert deployment["download"] == deployment["update"] == "forced" and len(deployment["chunks"]) == 1
        one, = deployment["chunks"][0]["artifacts"]
        assert isinstance(one["size"], int)
        half = client.download(one["_links"]["download"]["href"])[:77777]
        bundle = half + client.download(one["_links"]["download"]["href"], len(half))
        assert hashlib.sha1(bundle).hexdigest() == one["hashes"]["sha1"] and len(bundle) == one["size"]
        for text in ("Download complete. 1.05 MB/s", "File checksum OK.", "installing", "0% Installing", "20% Checking bundle", "40% Copying image",
                     "100% Installing done.", "idle"):
            assert client.report("deploymentBase", action, "none", "proceeding", text) == 200
            assert client.poll()["_links"].keys() == {"deploymentBase"}  # it asks while it works
        assert client.report("deploymentBase", action, "success", "closed", "Software bundle installed successfully.") == 200
        assert "deploymentBase" not in client.poll()["_links"]
    assert world.deployment(action)["state"] == "installed" and len(world.said(action)) == 9


def test_rauc_hawkbit_updater_fails(world):
    device, files = world.device("rauc-fails")
    action, _ = world.offer(device, ("gateway-3.raucb", b"x"))
    with Updater(world, files, device) as client:
        assert client.report("deploymentBase", action, "none", "proceeding", "LastError: Failed to check signature") == 200
        assert client.report("deploymentBase", action, "failure", "closed", "Failed to install software bundle.") == 200
        assert client.report("deploymentBase", action, "failure", "closed", "Failed to install software bundle.") == 410
    assert (world.deployment(action)["state"], world.deployment(action)["reason"]) == ("refused", "Failed to install software bundle.")


def test_rauc_hawkbit_updater_is_cancelled(world):
    """In time, and when the installation has begun."""
    device, files = world.device("rauc-cancelled")
    action, note = world.offer(device, ("gateway-4.raucb", b"x"))
    for finished, execution, detail, want in (("success", "closed", "Action canceled.", "acknowledged"),
                                              ("success", "rejected", "Cancelation impossible, installation started already.", "declined")):
        with Updater(world, files, device) as client:
            world.cancel(device)
            told = client.get(client.poll()["_links"]["cancelAction"]["href"])
            assert told["cancelAction"]["stopId"] == action
            assert client.report("cancelAction", told["cancelAction"]["stopId"], finished, execution, detail) == 200
            assert "cancelAction" not in client.poll()["_links"]
            late = client.report("deploymentBase", action, "success", "closed", "Software bundle installed successfully.")
            assert late == (410 if want == "acknowledged" else 200)
        assert world.deployment(action)["cancellation"] == (want if want == "acknowledged" else "ended")
        assert world.deployment(action)["state"] == "cancelled"
        action = world.offer_again(device, note)


# --- Zephyr ---


class Zephyr(Wire):
    """TLS 1.2, everything from one poll to its report over one connection, hosts of links thrown away, only 200 is well."""

    def __init__(self, world, files):
        super().__init__(world, files, only=ssl.TLSVersion.TLSv1_2)
        self.base = f"/DEFAULT/controller/v1/{BOARD}"

    def ask(self, method, path, body=""):
        more = f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n" if body else ""
        status, _, got = self.answer(f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: {JSON}\r\n{more}\r\n{body}".encode())
        assert status == 200, got
        return got

    def read(self, path):
        got = self.ask("GET", path)
        assert len(got) < ZEPHYR_BUFFER
        return json.loads(got)

    def poll(self):
        """(what comes first, its path)"""
        base = self.read(self.base)
        assert len(base["config"]["polling"]["sleep"]) == 8
        for name in ("cancelAction", "configData", "deploymentBase"):
            if name in base["_links"]:
                return name, self.path(base["_links"][name]["href"])
        return None, None

    @staticmethod
    def path(href):
        """What is after the host: a link without one it cannot follow."""
        return re.fullmatch(r"[^/]*//[^/]*(/.*)", href)[1]

    @staticmethod
    def cancelled(path):
        """The id in a link, as this generation reads it: without its first digit; what is no number above 0 it does not take."""
        number = int(path.rsplit("/", 1)[1][1:])
        assert number > 0
        return number


def enrol_board(world):
    """With a host name that is Zephyr's controllerId: a client cannot be told another."""
    key, token = new_key(), "a token of a board"
    assert world.server.act("token.create", "gateway", token_payload(token))[0] == 200
    status, answer = world.server.device("POST", "/v1/enrol/token", {**token_enrolment(token, key), "hostname": BOARD})
    assert status == 201, answer
    files = world.folder / "zephyr.crt", world.folder / "zephyr.key"
    files[0].write_text(answer["certificate"] + answer.get("chain", ""))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return answer["device"], files


def test_zephyr_updates_and_reports_after_its_reboot(world):
    device, files = enrol_board(world)
    image = os.urandom(90000)
    action, _ = world.offer(device, ("zephyr.signed.bin", image))
    with Zephyr(world, files) as client:
        name, path = client.poll()
        assert name == "configData"
        client.ask("PUT", path, '{"mode":"merge","data":{"VIN":"1f3a5c7e9b2d4f60"}}')
        name, path = client.poll()
        assert name == "deploymentBase"
        told = client.read(path)
        chunk, = told["deployment"]["chunks"]
        one, = chunk["artifacts"]
        assert chunk["part"] == "bApp" and isinstance(told["id"], str) and int(told["id"]) == int(action)
        assert re.fullmatch(r"[0-9a-f]{64}", one["hashes"]["sha256"])
        got = client.ask("GET", client.path(one["_links"]["download-http"]["href"]))
        assert len(got) == one["size"] and hashlib.sha256(got).hexdigest() == one["hashes"]["sha256"]
    assert world.deployment(action)["state"] == "offered"  # it says nothing before it has started anew
    with Zephyr(world, files) as client:
        name, path = client.poll()
        assert name == "deploymentBase" and client.read(path)["id"] == action
        client.ask("POST", f"{client.base}/deploymentBase/{action}/feedback", '{"status":{"execution":"closed","result":{"finished":"success"}}}')
        assert client.poll()[0] == "configData"  # once more, after an update
    assert world.deployment(action)["state"] == "installed" and world.said(action) == ["closed/success"]

    # a cancellation before it has it, and one of what it has installed and not reported yet
    for finished, want in (("success", "acknowledged"), ("failure", "ended")):
        action, _ = world.offer(device, (f"zephyr-{finished}.bin", image[:100]))
        world.cancel(device)
        with Zephyr(world, files) as client:
            name, path = client.poll()
            assert name == "cancelAction" and client.cancelled(path) == int(action[1:])
            stop = client.read(path)["cancelAction"]["stopId"]
            client.ask("POST", f"{client.base}/cancelAction/{stop}/feedback", f'{{"status":{{"execution":"closed","result":{{"finished":"{finished}"}}}}}}')
            assert client.poll()[0] == "configData"
        assert world.deployment(action)["cancellation"] == want


def test_no_number_of_an_action_is_one_that_zephyr_cannot_read(world):
    device, _ = world.device("numbers")
    action, _ = world.offer(device, ("n.bin", b"n"))
    assert urllib.parse.quote(action) == action and int(action) > 1000 and int(action[1:]) > 0
