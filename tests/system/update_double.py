# SPDX-License-Identifier: Apache-2.0
"""The update routes of the device API for tests of the agent: what a server offers, what it hears, and connections that break."""

import json
import re


class Updates:
    """`state` is what the server says of the deployment; `told` what devices said of it, in order; `ranges` what was asked for."""

    def __init__(self):
        self.deployment, self.state, self.release, self.proof, self.artifact = None, None, b"", b"", b""
        self.digests = {}
        self.told, self.ranges = [], []
        self.cut_at, self.cuts, self.cuts_max = None, 0, 1  # a connection breaks when it would give this byte, that often

    def offer(self, deployment, release, proof, artifact, digests):
        """`digests`: of the release and of the artefact."""
        self.deployment, self.state, self.release, self.proof, self.artifact = deployment, "offered", release, proof, artifact
        self.digests = dict(zip(digests, ("release", "artifact"), strict=True))
        self.hex = digests[0]

    def states(self):
        return [t["state"] for t in self.told if t["deployment"] == self.deployment]

    def answer(self, handler, status, data, kind="application/json"):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        return True

    def json(self, handler, body, status=200):
        return self.answer(handler, status, json.dumps(body).encode())

    def serve(self, handler, raw, known):
        """True if it was one of ours."""
        path = handler.path
        if not known or not re.match(r"/v1/(update|releases)\b|/artifacts/", path):
            return False
        if path == "/v1/update":
            return self.json(handler, {"deployment": self.deployment and str(self.deployment), "release": self.deployment and self.hex,
                                       "forced": False, "state": self.state})
        if m := re.fullmatch(r"/v1/update/(\d+)/feedback", path):
            said = {"deployment": int(m[1]), **json.loads(raw)}
            assert set(said) == {"deployment", "state", "progress", "reason", "slot"}
            self.told.append(said)
            self.state = said["state"]
            return self.json(handler, {"deployment": m[1], "state": self.state})
        digest, _, rest = path.removeprefix("/v1/releases/").removeprefix("/artifacts/").partition("/")
        what = self.digests.get(digest)
        if what == "artifact" and path.startswith("/artifacts/"):
            return self.bytes(handler)
        if what == "release" and rest in ("", "proof"):
            return self.answer(handler, 200, self.proof if rest else self.release)
        return self.json(handler, {"error": {"code": "not-found", "rule": "there is no such thing", "detail": path}}, 404)

    def bytes(self, handler):
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers["Range"]).groups())
        data = self.artifact[first:last + 1]
        self.ranges.append((first, len(data)))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{len(self.artifact)}")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if self.cut_at is not None and first + len(data) > self.cut_at and self.cuts < self.cuts_max:
            self.cuts += 1
            handler.wfile.write(data[:max(0, self.cut_at - first)])
            handler.wfile.flush()
            handler.close_connection = True
            raise ConnectionAbortedError
        handler.wfile.write(data)
        return True
