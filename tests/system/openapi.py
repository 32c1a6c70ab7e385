# SPDX-License-Identifier: Apache-2.0
"""The server's interfaces as docs/openapi describes them: what it answers is held against these documents."""

import json

import yaml
from jsonschema import Draft202012Validator

from support import ROOT


class Api:
    def __init__(self, name):
        self.name = f"docs/openapi/{name}.yaml"
        self.document = yaml.safe_load((ROOT / self.name).read_text())

    def validate(self, schema, value):
        Draft202012Validator({"components": self.document["components"], **schema}).validate(value)
        return value

    def valid(self, name, value):
        """True to the schema of that name; returns the value."""
        return self.validate({"$ref": f"#/components/schemas/{name}"}, value)

    def content(self, path, method, status):
        """What may be in an answer, by its type. The path must be described."""
        for pattern, item in self.document["paths"].items():
            want, have = pattern.split("/"), path.split("?")[0].split("/")
            if len(want) == len(have) and all(w == h or w.startswith("{") for w, h in zip(want, have)):
                answers = item[method.lower()]["responses"]
                answer = answers.get(str(status), answers["default"])
                if "$ref" in answer:
                    answer = self.document["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
                return answer["content"]
        raise AssertionError(f"{method} {path} is not in {self.name}")

    def answer(self, path, method, status, kind, body):
        """Validates an answer, and returns it parsed if it is JSON."""
        content = self.content(path, method, status)
        if kind is None:
            assert body == b"" and "application/octet-stream" in content
            return body
        kind = kind.split(";")[0]
        assert kind in content, f"{method} {path} answered {status} {kind}: {body[:200]}"
        return self.validate(content[kind]["schema"], json.loads(body)) if kind == "application/json" else body


DEVICE, OPERATOR = Api("device"), Api("operator")
