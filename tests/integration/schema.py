# SPDX-License-Identifier: Apache-2.0
"""Is an answer one that docs/openapi.yaml describes? Asked of every answer that
the tests' HTTP clients get. Stricter than the document where that leaves room for
later: a field that it does not name is an error here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from jsonschema import Draft202012Validator, RefResolver

from scripts.reference.document import Document, Node, Operation

PATH = Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
# libmicrohttpd's own answers, to what it cannot read; they carry no X-Request-Id.
BEFORE_ROUTING = {400, 413, 414, 417, 431, 500, 501, 505}
PLAIN = "text/plain; charset=utf-8"
ABSENT_PATH = "404 page not found"


class Undocumented(AssertionError):
    pass


def closed(node: Any) -> Any:
    """The schema without room for fields that it does not name."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: closed(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    return node


def segments(target: str) -> list[bytes] | None:
    """Of the path, decoded; None when it cannot be read."""
    path = target.partition("?")[0]
    if not path.startswith("/") or re.search("%(?![0-9A-Fa-f]{2})", path):
        return None
    return [unquote_to_bytes(s.encode("latin-1")) for s in path[1:].split("/")]


def tidy(parts: list[bytes]) -> bool:
    return not {b".", b".."} & set(parts) and b"" not in parts[:-1]


class Schema:
    def __init__(self, document: Document):
        self.document = document
        self.root = closed(deepcopy(document.root))
        self.resolver = RefResolver("", self.root)
        self.operations = list(document.operations())

    def find(self, method: str, parts: list[bytes]) -> tuple[Operation | None, bool]:
        """The operation, and whether the path exists with another method."""
        found = [o for o in self.operations if self.fits(o.path, parts)]
        of_method = [o for o in found if o.method == method or o.node.get("x-any-method")]
        return (of_method[0] if of_method else None), bool(found)

    @staticmethod
    def fits(pattern: str, parts: list[bytes]) -> bool:
        wanted = pattern[1:].split("/")
        return len(wanted) == len(parts) and all(
            part and b"/" not in part if want.startswith("{") else want.encode() == part
            for want, part in zip(wanted, parts))

    def validator(self, schema: Node) -> Draft202012Validator:
        return Draft202012Validator(closed(schema), resolver=self.resolver)

    def check(self, method: str, target: str, status: int, headers: Mapping[str, str],
              body: bytes) -> None:
        """Names of headers in lower case. Undocumented when the answer is none of those."""
        try:
            self.check_answer(method, target, status, headers, body)
        except AssertionError as e:
            raise Undocumented(f"{method} {target[:200]}: {status} {dict(headers)} {body[:500]!r}: "
                               f"{e}") from None

    def check_answer(self, method: str, target: str, status: int, headers: Mapping[str, str],
                     body: bytes) -> None:
        if "x-request-id" not in headers and status != 101:
            assert status in BEFORE_ROUTING, "an answer without X-Request-Id"
            return
        parts = segments(target)
        if parts is None:
            check_error(headers, body, status == 400, "bad request target")
            return
        if not tidy(parts):
            assert status == 301 and headers["location"].startswith("/"), "the tidy path"
            check_empty(headers, body)
            return
        operation, path_known = self.find(method, parts)
        if operation:
            self.check_operation(operation, status, headers, body)
        elif path_known:
            assert status == 405 and "allow" not in headers, "405 for another method"
            check_empty(headers, body)
        else:
            check_error(headers, body, status == 404, ABSENT_PATH)

    def check_operation(self, operation: Operation, status: int, headers: Mapping[str, str],
                        body: bytes) -> None:
        response = operation.responses.get(str(status))
        assert response, f"{operation.id} has no {status}"
        for name, wanted in response.get("headers", {}).items():
            self.check_header(name, self.document.resolve(wanted), headers)
        content = response.get("content", {})
        if not content:
            check_empty(headers, body)
            return
        media = headers.get("content-type", "")
        assert media in content or "*/*" in content, f"{operation.id} {status} is not {media}"
        if operation.method == "HEAD":
            assert not body, "no body"
            return
        if media == PLAIN:
            check_error(headers, body, True, *response.get("x-texts", []))
        if media == "application/json":
            assert body.endswith(b"\n"), "JSON ends with a line feed"
            self.check_json(content[media]["schema"], json.loads(body))

    def check_header(self, name: str, wanted: Node, headers: Mapping[str, str]) -> None:
        value = headers.get(name.lower())
        assert value is not None or not wanted.get("required"), f"no {name}"
        for one in [] if value is None else value.split("\n"):  # several: Set-Cookie
            self.check_json(wanted["schema"], one)

    def check_json(self, schema: Node, value: Any) -> None:
        error = next(self.validator(schema).iter_errors(value), None)
        assert error is None, f"at {'/'.join(map(str, error.absolute_path))}: {error.message[:500]}"


def check_empty(headers: Mapping[str, str], body: bytes) -> None:
    assert not body and "content-type" not in headers, "no body"


def check_error(headers: Mapping[str, str], body: bytes, status_fits: bool, *texts: str) -> None:
    """One line of plain text, and one of those, if any are given."""
    assert status_fits, "another status"
    assert headers.get("content-type") == PLAIN and headers.get("x-content-type-options") == "nosniff"
    text = body.decode()
    assert re.fullmatch(r"[^\r\n\0]+\n", text), "not one line"
    assert not texts or any(pattern(t).fullmatch(text[:-1]) for t in texts), "a text of its own"


@lru_cache(maxsize=None)
def pattern(text: str) -> re.Pattern[str]:
    """<words> stand for any text."""
    return re.compile(".*".join(re.escape(part) for part in re.split("<[^<>]+>", text)))


@lru_cache(maxsize=None)
def schema() -> Schema:
    return Schema(Document.read(PATH))


def check(method: str, target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    schema().check(method, target, status, headers, body)
