# SPDX-License-Identifier: Apache-2.0
"""An OpenAPI 3.1 document: its operations with references followed, and example
values made of those that its schemas carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

METHODS = ("get", "head", "post", "put", "patch", "delete")
DEPTH_MAX = 20  # of an example
Node = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    method: str  # in capitals
    path: str
    node: Node
    parameters: list[Node]
    responses: dict[str, Node]  # references followed

    @property
    def id(self) -> str:
        return self.node["operationId"]

    @property
    def security(self) -> list[dict[str, list[str]]]:
        return self.node["security"]

    @property
    def scope(self) -> str:
        """What a key must reach: "account", "agent", or "" where no key counts."""
        return next((roles[0] for item in self.security for roles in item.values() if roles), "")

    @property
    def body(self) -> Node | None:
        """The schema of the request body."""
        content = self.node.get("requestBody", {}).get("content", {})
        return next((media["schema"] for media in content.values()), None)

    @property
    def form(self) -> bool:
        """Is the body an HTML form and not JSON?"""
        return "application/x-www-form-urlencoded" in self.node["requestBody"]["content"]

    def parameters_in(self, place: str) -> list[Node]:
        return [p for p in self.parameters if p["in"] == place]


class Document:
    def __init__(self, text: str):
        self.text = text
        self.root: Node = yaml.safe_load(text)

    @classmethod
    def read(cls, path: Path) -> Document:
        return cls(path.read_text("utf-8"))

    def resolve(self, node: Any) -> Any:
        """What a reference leads to; what stands beside it wins."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            beside = {k: v for k, v in node.items() if k != "$ref"}
            node = {**target, **beside}
        return node

    def operations(self) -> Iterator[Operation]:
        for path, item in self.root["paths"].items():
            for method in METHODS:
                if method in item:
                    yield self.operation(path, method, item)

    def operation(self, path: str, method: str, item: Node) -> Operation:
        node = item[method]
        parameters = [self.resolve(p) for p in
                      [*item.get("parameters", []), *node.get("parameters", [])]]
        responses = {s: self.resolve(r) for s, r in node["responses"].items()}
        return Operation(method.upper(), path, node, parameters, responses)

    def schemas(self) -> dict[str, Node]:
        return self.root["components"]["schemas"]

    def example(self, schema: Any, depth: int = 0) -> Any:
        """A value that fits, of the examples of the leaves."""
        schema = self.resolve(schema)
        assert depth < DEPTH_MAX, "a schema that contains itself"
        for key in ("examples", "enum"):
            if key in schema:
                return schema[key][0]
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if "oneOf" in schema:
            return self.example(schema["oneOf"][0], depth + 1)
        kind = schema.get("type")
        if kind == "object":
            return {name: self.example(s, depth + 1)
                    for name, s in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.example(schema["items"], depth + 1)]
        return {"string": "text", "integer": schema.get("minimum", 1), "boolean": False,
                "null": None}[kind]
