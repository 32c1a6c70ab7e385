# SPDX-License-Identifier: Apache-2.0
"""A server that has a fleet root with a role for releases, and releases made, signed and published for it."""

import hashlib
import json

import fleet_root_note as note_file
import release_note
from fleet_world import Fleet
from server_support import action_body, action_text, read_key, signed

EVENT = {"pcr": 4, "type": 0x80000003, "required": True}


class Releases(Fleet):
    """`keys` are the two of the role `firmware`, both of which sign."""

    def __init__(self, folder, **more):
        super().__init__(folder, **more)
        self.keys = [note_file.new_key("ed25519"), note_file.new_key("p256")]

    def role(self):
        return [{"name": "firmware", "threshold": 2, "keys": [note_file.text_of(k) for k in self.keys]}]

    def begin(self):
        """Publishes the first fleet root."""
        self.publish(self.file("1", note_file.note(self.first(releases=self.role()), self.root[:2])))

    @staticmethod
    def reference(name, version, digest=None, events=None):
        one = {**EVENT, "digests": {"sha256": digest or hashlib.sha256(version.encode()).hexdigest()}}
        return {"format": "chainhold-reference/1", "kind": "release", "name": f"{name} {version}", "pcrs": [4], "events": events or [one]}

    def note(self, artifacts, keys=None, **changed):
        return note_file.note(release_note.document(artifacts, **changed), self.keys if keys is None else keys)

    def act(self, verb, subject, payload=None, operator="admin"):
        """(status, answer) to a signed action."""
        text = action_text(verb, subject, payload)
        body = action_body(text, [signed(text, read_key(self.server.identity(operator)[1]))], payload)
        return self.server.again(self.server.admin, "POST", "/api/v1/actions", body, operator=operator)

    def publish_release(self, note, **more):
        return self.act("release.publish", hashlib.sha256(note).hexdigest(), note, **more)

    def assign(self, device, note, mode="soft"):
        return self.act("update.assign", device, f"release: {hashlib.sha256(note).hexdigest()}\nmode: {mode}\n".encode())


def record_of(note):
    """What the log holds of a release, byte for byte."""
    return json.loads(release_note.record(note, note_file.document_of(note)))
