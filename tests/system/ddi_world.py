# SPDX-License-Identifier: Apache-2.0
"""A whole server with releases, as a client of hawkBit's DDI sees it: devices with certificates, releases whose artefacts are uploaded."""

import contextlib
import hashlib
import http.client
import json
import ssl

from cryptography.hazmat.primitives import serialization

from release_world import Releases
from server_support import PATIENCE, new_key, until

HAL = "application/hal+json"


def entry(name, data, kind="swu"):
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": kind, "compatible": None}


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def json(self):
        return json.loads(self.body)


class World(Releases):
    """`ddi` are lines for chainholdd.yaml."""

    def __init__(self, folder, ddi="{poll: 5}"):
        super().__init__(folder, change=lambda text: text + f"limits: {{device_rate: 0}}\nddi: {ddi}\n")
        self.sequence, self.note_of = 1, {}

    # --- devices ---

    def enrol(self, key, certificate):
        """A device without a measured boot: its id; its certificate goes into a file."""
        _, answer = self.server.enrol_by_token(key)
        certificate.write_text(answer["certificate"] + answer.get("chain", ""))
        return answer["device"]

    def device(self, name):
        """(id, certificate files)"""
        key, files = new_key(), (self.folder / f"{name}.crt", self.folder / f"{name}.key")
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return self.enrol(key, files[0]), files

    @contextlib.contextmanager
    def connection(self, files):
        """One that stays open, as clients keep it: a function that asks."""
        context = self.server.context(files) if files else ssl.create_default_context(cafile=self.server.folder / "ca.crt")
        c = http.client.HTTPSConnection("localhost", self.server.devices, context=context, timeout=PATIENCE)

        def ask(method, path, body=None, **headers):
            if isinstance(body, dict):
                body = json.dumps(body).encode()
            kind = {"Content-Type": "application/json;charset=UTF-8"} if body is not None else {}
            c.request(method, path, body, {**kind, **{k.replace("_", "-"): v for k, v in headers.items()}})
            return Answer(c.getresponse())
        with contextlib.closing(c):
            yield ask

    def ask(self, files, *args, **more):
        with self.connection(files) as ask:
            return ask(*args, **more)

    @staticmethod
    def base(controller, rest=""):
        return f"/DEFAULT/controller/v1/{controller}{rest}"

    # --- releases ---

    def offer(self, device, *artifacts, mode="forced", floor=False):
        """Publishes a release of these (name, bytes), uploads them, assigns it: (action, document). `floor`: none before it may follow."""
        self.sequence += 1
        note = self.note([entry(name, data) for name, data in artifacts], version=f"1.{self.sequence}.0", sequence=self.sequence,
                         floor=self.sequence if floor else 0)
        assert self.publish_release(note)[0] == 200
        for name, data in artifacts:
            self.server.cli("release", "upload", self.file(name, data))
        action = self.offer_again(device, note, mode)
        self.note_of[action] = note
        return action, note

    def offer_again(self, device, note, mode="forced"):
        status, answer = self.assign(device, note, mode)
        assert status == 200, answer
        return self.server.get(f"/api/v1/deployments?device={device}&limit=1")["deployments"][0]["deployment"]

    def cancel(self, device):
        status, answer = self.act("update.cancel", device)
        assert status == 200, answer

    def deployment(self, action):
        return self.server.get(f"/api/v1/deployments/{action}")

    def wait(self, action, holds):
        """Until the server has it so; what it has then."""
        def asked():
            have = self.deployment(action)
            return have if holds(have) else None
        return until(asked, lambda: self.deployment(action), every=0.2)

    def said(self, action):
        return [f["state"] for f in self.deployment(action)["feedback"]]
