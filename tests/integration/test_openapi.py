# SPDX-License-Identifier: Apache-2.0
"""The document says what the server has: the same routes, and for each of them
what its row of the route table means for the answers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.reference.document import Document, Operation
from tests.integration import schema
from tests.integration.client import Http

Row = dict[str, Any]
DOCUMENT = Document.read(schema.PATH)
OPERATIONS = list(DOCUMENT.operations())
# What counts or queues by itself, and the setting of its limit.
OPENS = {"signInByKey"}  # with a credential that is in the body
BY_COOKIE = ("session", "person")
BY_HANDLER = {"exportAccount": "", "sendMail": "rate_send", "replyToMessage": "rate_send"}


def name_of(operation: Operation) -> str:
    return operation.id


@pytest.fixture(scope="module")
def routes(build) -> dict[tuple[str, str], Row]:
    """The rows of the table, by method and path."""
    done = subprocess.run([build / "tests/tools/routes"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {(row["method"], row["path"]): row for row in rows}


def key_of(operation: Operation) -> tuple[str, str]:
    """As the table writes it."""
    method = "*" if operation.node.get("x-any-method") else operation.method
    return method, re.sub(r"\{\w+\}", "{}", operation.path)


def test_every_route_is_described_and_every_description_a_route(routes):
    described = [key_of(o) for o in OPERATIONS]
    assert sorted(described) == sorted(routes)
    assert len(described) == len(set(described))


def security_of(row: Row) -> list[dict[str, list[str]]] | None:
    """What the access of a row means; None: its handler decides."""
    scope = row["access"]
    return {
        "public": [],
        "account": [{"apiKey": [scope]}, {"bareKey": [scope]}, {"session": []}],
        "agent": [{"apiKey": [scope]}, {"bareKey": [scope]}, {"session": []}],
        "sender": [{"apiKey": ["agent"]}, {"bareKey": ["agent"]}, {"session": []}],
        "session": [{"session": []}],
        "person": [{"session": []}],
    }.get(row["access"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_who_may_is_what_the_table_says(routes, operation):
    row = routes[key_of(operation)]
    wanted = security_of(row)
    assert wanted is None or operation.security == wanted
    closed = bool(operation.security) and {} not in operation.security
    assert ("401" in operation.responses) == (closed or operation.id in OPENS)
    if closed and wanted is not None:
        default = "not authenticated" if row["access"] in BY_COOKIE else "unauthorized"
        assert texts(operation, "401") == [row["unauthorized"] or default]
    if row["access"] == "person":
        assert "signed in with an API key: sign in by mail to do this" in texts(operation, "403")
    if row["access"] in ("account", "agent"):
        assert row["denied"] in texts(operation, str(row["denied_status"]))


def texts(operation: Operation, status: str) -> list[str]:
    return operation.responses.get(status, {}).get("x-texts", [])


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_limits_are_what_the_table_says(routes, operation):
    row = routes[key_of(operation)]
    assert operation.node.get("x-rate-limit", "") == (row["limit"] or BY_HANDLER.get(operation.id, ""))
    assert ("429" in operation.responses) == (bool(row["limit"]) or operation.id in BY_HANDLER)
    assert operation.node.get("x-body-limit", 0) == row["body_max"]
    assert bool(operation.body) == bool(row["body_max"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_what_a_worker_runs_can_fail_and_be_refused(routes, operation):
    has_worker = routes[key_of(operation)]["access"] != "public"
    assert ("500" in operation.responses) == has_worker
    assert "503" in operation.responses or not has_worker


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_an_act_by_cookie_can_come_from_a_foreign_page(operation):
    acts = operation.method not in ("GET", "HEAD")
    by_cookie = {"session": []} in operation.security and {} not in operation.security
    if acts and by_cookie:
        assert "cross-site request refused" in texts(operation, "403")


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_parameters_of_the_path_are_described(operation):
    in_path = re.findall(r"\{(\w+)\}", operation.path)
    assert [p["name"] for p in operation.parameters_in("path")] == in_path
    assert all(p["required"] for p in operation.parameters_in("path"))


def test_names_of_operations_are_unique_and_tags_known():
    assert len({o.id for o in OPERATIONS}) == len(OPERATIONS)
    assert {t for o in OPERATIONS for t in o.node["tags"]} == {t["name"] for t
                                                             in DOCUMENT.root["tags"]}


KEYWORDS = set("""$ref type enum const pattern format minimum maximum minLength maxLength minItems
    maxItems items properties required additionalProperties oneOf description default
    examples""".split())


def schemas_in(node: Any) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from schemas_in(item)
    elif isinstance(node, dict):
        yield from (node[k] for k in ("schema", "items") if k in node)
        for value in node.values():
            yield from schemas_in(value)


def test_schemas_have_no_words_that_mean_nothing():
    """A comma in a short description makes a keyword of the rest of it."""
    found = [*schemas_in(DOCUMENT.root), *DOCUMENT.schemas().values()]
    found += [s for schema in found for s in schema.get("properties", {}).values()]
    assert len(found) > 300
    for one in found:
        assert one.keys() <= KEYWORDS, one
        Draft202012Validator.check_schema(one)


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {r for item in node for r in references(item)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if "$ref" in node else set()
    return own | {r for value in node.values() for r in references(value)}


def test_every_component_is_there_and_used():
    used = references(DOCUMENT.root)
    named = {f"#/components/{kind}/{name}" for kind in ("parameters", "headers", "responses",
                                                        "schemas")
             for name in DOCUMENT.root["components"][kind]}
    frames = {"#/components/schemas/Notice"}  # of the WebSocket: nothing of OpenAPI refers to it
    assert used | frames == named


@pytest.mark.parametrize("name", DOCUMENT.schemas())
def test_examples_fit_their_schema(name):
    reference = {"$ref": f"#/components/schemas/{name}"}
    schema.schema().check_json(reference, DOCUMENT.example(reference))


# ---- as it is served ----

@pytest.fixture
def http(stack):
    with Http(stack.http_port) as client:
        yield client


def test_the_document_is_served_as_it_is(http):
    answer = http.request("GET", "/api/openapi.yaml")
    assert answer.body == schema.PATH.read_bytes()
    assert http.request("GET", "/api/openapi.json").json == DOCUMENT.root


@pytest.mark.parametrize("path", ["/api/docs", "/api/openapi.yaml", "/api/openapi.json"])
def test_a_cache_is_told_when_nothing_changed(http, path):
    first = http.request("GET", path)
    tag = first.headers["etag"]
    assert (first.status, first.headers["cache-control"]) == (200, "no-cache")
    for field in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = http.request("GET", path, None, f"If-None-Match: {field}")
        assert (again.status, again.headers["etag"]) == (304, tag)
    two = http.request("GET", path, None, 'If-None-Match: "x"', f"If-None-Match: {tag}")
    assert two.status == 304
    for field in ('"x"', "x", tag.strip('"'), tag + "x", ""):
        assert http.request("GET", path, None, f"If-None-Match: {field}").body == first.body


def test_the_page_has_every_operation_and_nothing_from_elsewhere(http):
    answer = http.request("GET", "/api/docs")
    page = answer.text
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert {o.id for o in OPERATIONS} <= set(anchors)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    outside = set(re.findall(r'(?:href|src|action)="([^#"][^"]*)"', page))
    assert outside == {"openapi.yaml", "openapi.json"}
    assert not re.search(r"<script|<img|<link|<iframe|<form|style=|@import|url\(|\son\w+=", page)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


# ---- the check of answers itself ----

OURS = {"x-request-id": "0123456789abcdef"}
LINE = {**OURS, "content-type": schema.PLAIN, "x-content-type-options": "nosniff"}
OBJECT = {**OURS, "content-type": "application/json"}
INFO = b'{"shared_domain":"","slug_registration_enabled":false}\n'

ANSWERS = [
    ("GET", "/api/v1/info", 200, OBJECT, INFO, True),
    ("GET", "/api/v1/info?x=y", 200, OBJECT, INFO, True),
    ("GET", "/%61pi/v1/info", 200, OBJECT, INFO, True),
    ("GET", "/api/v1/info", 200, OBJECT, INFO.strip(), False),
    ("GET", "/api/v1/info", 201, OBJECT, INFO, False),
    ("GET", "/api/v1/info", 200, {**OBJECT, "content-type": "text/json"}, INFO, False),
    ("GET", "/api/v1/info", 200, {"content-type": "application/json"}, INFO, False),
    ("GET", "/api/v1/info", 200, OBJECT, INFO.replace(b"}", b',"more":1}'), False),
    ("GET", "/api/v1/info", 200, OBJECT, b'{"shared_domain":""}\n', False),
    ("GET", "/api/v1/info", 200, OBJECT, INFO.replace(b'""', b"5"), False),
    ("GET", "/api/v1/agents", 401, LINE, b"unauthorized\n", True),
    ("GET", "/api/v1/agents", 401, LINE, b"who are you?\n", False),
    ("GET", "/api/v1/agents", 401, LINE, b"unauthorized", False),
    ("GET", "/api/v1/agents", 401, LINE, b"unauthorized\n\n", False),
    ("GET", "/api/v1/agents", 401, {**LINE, "x-content-type-options": ""}, b"unauthorized\n", False),
    ("GET", "/api/v1/agents", 401, OBJECT, b'"unauthorized"\n', False),
    ("POST", "/api/v1/agents", 400, LINE, b"invalid slug: too odd\n", True),
    ("POST", "/api/v1/agents", 400, LINE, b"invalid slug: ERROR:\n at line 1\n", False),
    ("GET", "/api/v1/agents/a@b/messages", 429, LINE,
     "rate limit exceeded \u2014 max 60 requests per minute\n".encode(), False),
    ("GET", "/api/v1/agents/a@b/messages", 429, {**LINE, "retry-after": "7"},
     "rate limit exceeded \u2014 max 60 requests per minute\n".encode(), True),
    ("GET", "/api/v1/agents/a@b/messages", 429, {**LINE, "retry-after": "0"},
     "rate limit exceeded \u2014 max 60 requests per minute\n".encode(), False),
    ("DELETE", "/api/v1/domains/x.example", 204, OURS, b"", True),
    ("DELETE", "/api/v1/domains/x.example", 204, OBJECT, b"", False),
    ("DELETE", "/api/v1/domains/x.example", 204, OURS, b"{}", False),
    ("DELETE", "/api/v1/info", 405, OURS, b"", True),
    ("DELETE", "/api/v1/info", 405, {**OURS, "allow": "GET"}, b"", False),
    ("DELETE", "/api/v1/info", 404, LINE, b"404 page not found\n", False),
    ("GET", "/api/v1/nothing", 404, LINE, b"404 page not found\n", True),
    ("GET", "/api/v1/agents/a%2Fb", 404, LINE, b"404 page not found\n", True),
    ("GET", "/api/v1/nothing", 404, LINE, b"not found\n", False),
    ("GET", "//api/v1/info", 301, {**OURS, "location": "/api/v1/info"}, b"", True),
    ("GET", "//api/v1/info", 200, OBJECT, INFO, False),
    ("GET", "/%zz", 400, LINE, b"bad request target\n", True),
    ("GET", "/%zz", 200, OBJECT, INFO, False),
    ("GET", "/api/v1/info", 431, {"content-type": "text/html"}, b"<html>", True),
    ("GET", "/api/v1/info", 502, {"content-type": "text/html"}, b"<html>", False),
]


@pytest.mark.parametrize("method, target, status, headers, body, fits", ANSWERS)
def test_an_answer_is_described_or_it_is_not(method, target, status, headers, body, fits):
    try:
        schema.check(method, target, status, headers, body)
        assert fits
    except schema.Undocumented:
        assert not fits
