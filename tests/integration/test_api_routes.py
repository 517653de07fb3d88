# SPDX-License-Identifier: Apache-2.0
"""Every route against everything: hostile bodies, fields, queries and paths, useless
credentials, things of somebody else. The routes come from the document, which is
the route table, and every answer is checked against it. A neighbour asks all the
while, and must not notice."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from scripts.reference.document import Operation
from tests.integration.client import Answer, Http
from tests.integration.hostile import MALFORMED, SEGMENTS, TEXTS, WRONG_TYPES, fine
from tests.integration.world import (DOCUMENT, NEEDS_MORE, OPERATIONS, OWN_PAGE, Request, Things,
                                     World, kind_of, name_of, segment, staying_alive)

ALL = list(OPERATIONS.values())
JSON = [o for o in ALL if o.body and not o.form]
FORMS = [o for o in ALL if o.body and o.form]
CLOSED = [o for o in ALL if o.security and {} not in o.security]
OF_THINGS = [o for o in CLOSED if o.parameters_in("path") and o.id != "openWebSocket"]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get",
           "GETS")
SMALL = 65536  # the body that most routes admit
# How much longer an answer about somebody else's thing may take than one about none.
SLOWER, NOISE, ROUNDS = 3.0, 0.010, 15


@pytest.fixture(scope="module")
def world(stack, account, stranger) -> World:
    return World(stack)


@pytest.fixture(scope="module")
def other(stack, account) -> World:
    """Another account, whose things are foreign to `world`."""
    return World(stack)


class Neighbour(threading.Thread):
    """Another client, with another account."""

    def __init__(self, port: int, key: str):
        super().__init__(daemon=True)
        self.port, self.key = port, key
        self.over = threading.Event()
        self.answers: list[int] = []
        self.trouble: list[str] = []

    def run(self) -> None:
        while not self.over.wait(0.05):
            try:
                with Http(self.port, self.key) as http:
                    answer = http.request("GET", "/api/v1/agents")
                assert answer.status == 200 and len(answer.json["agents"]) == 2, answer
                self.answers.append(answer.status)
            except Exception as e:
                self.trouble.append(repr(e))


@pytest.fixture(scope="module", autouse=True)
def neighbour(stack, other) -> Iterator[Neighbour]:
    thread = Neighbour(stack.http_port, other.key)
    thread.start()
    yield thread
    thread.over.set()
    thread.join()
    assert thread.answers and not thread.trouble


@pytest.fixture(scope="module", autouse=True)
def alive(stack, account) -> Iterator[None]:
    with staying_alive(stack):
        yield


def keys_of(operation: Operation) -> list[str]:
    return sorted(DOCUMENT.resolve(operation.body)["properties"])


# ---- good ones ----

@pytest.mark.parametrize("operation", ALL, ids=name_of)
def test_the_example_of_the_document_succeeds(world, operation):
    answer = world.do(world.request(operation), *world.credential(operation))
    fine(answer)
    assert answer.status < 400 or operation.id in NEEDS_MORE, answer


# ---- bodies ----

@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("operation", JSON, ids=name_of)
def test_a_body_that_is_no_usable_json_is_refused(world, operation, name):
    body = MALFORMED[name]
    if len(body) > SMALL:  # too long for most
        body += b" " * (operation.node["x-body-limit"] - SMALL)
    request = replace(world.request(operation), body=body)
    answer = world.do(request, *world.credential(operation))
    fine(answer)
    optional = not operation.node["requestBody"].get("required")
    assert answer.status == 400 or optional, answer
    if answer.status == 400:
        assert answer.text in ("invalid request body\n", "invalid JSON body\n")


def given(world: World, operation: Operation, name: str, value: Any) -> Request:
    request = world.request(operation)
    return request.with_json({**json.loads(request.body), name: value})


FIELDS = [(o, name) for o in JSON for name in keys_of(o)]


@pytest.mark.parametrize("operation, name", FIELDS, ids=[f"{o.id} {n}" for o, n in FIELDS])
def test_no_text_in_a_field_does_harm(world, operation, name):
    for text in TEXTS.values():
        fine(world.do(given(world, operation, name, text), *world.credential(operation)))


@pytest.mark.parametrize("operation, name", FIELDS, ids=[f"{o.id} {n}" for o, n in FIELDS])
def test_a_field_of_a_wrong_type_is_refused(world, operation, name):
    schema = DOCUMENT.resolve(DOCUMENT.resolve(operation.body)["properties"][name])
    for kind, value in WRONG_TYPES.items():
        answer = world.do(given(world, operation, name, value), *world.credential(operation))
        fine(answer)
        right = {"number": "integer", "huge number": "integer", "text": "string", "list": "array",
                 "true": "boolean"}.get(kind) == schema["type"] or kind == "null"
        if not right and operation.node["requestBody"].get("required"):
            assert (answer.status, answer.text) == (400, "invalid request body\n")


@pytest.mark.parametrize("operation", FORMS, ids=name_of)
def test_no_form_does_harm(world, operation):
    def send(body: bytes) -> None:
        fine(world.do(replace(world.request(operation), body=body), *world.credential(operation),
                      OWN_PAGE))

    for body in (b"", b"&", b"=", b"%", b"\0", b"\xff" * 100, b"a=b&" * 4000, b"x" * 16385,
                 b"a" * 1048576, b'{"email":"a@b.example"}'):
        send(body)
    good = world.body(operation, DOCUMENT.example(operation.body))
    for name in keys_of(operation):
        for text in TEXTS.values():
            send(urlencode({**good, name: text}, errors="surrogatepass").encode())
        for raw in (b"%00", b"%ff", b"%", b"%0d%0aX-Injected:%20yes", b"a&" + name.encode() + b"=b"):
            send(urlencode(good).encode() + b"&" + name.encode() + b"=" + raw)
            rest = {k: v for k, v in good.items() if k != name}
            send(urlencode(rest).encode() + b"&" + name.encode() + b"=" + raw)


# ---- targets ----

QUERIES = [(o, p["name"]) for o in ALL for p in o.parameters_in("query")
           if o.id != "deleteAccount"]  # see below
VALUES = ["", "%00", "%ff%fe", "a%00", "%0d%0aX-Injected:%20yes", "A" * 5000, "%25", "'--", "%",
          "-9223372036854775809", "99999999999999999999", "1.5", "e30", "null", "%2B", "%f0%9f%92%a9"]


@pytest.mark.parametrize("operation, name", QUERIES, ids=[f"{o.id} {n}" for o, n in QUERIES])
def test_no_query_does_harm(world, operation, name):
    request = world.request(operation)
    rest = {k: v for k, v in request.query.items() if k != name}
    target = replace(request, query=rest).target
    for value in VALUES:
        mark = "&" if "?" in target else "?"
        for more in ("", f"&{name}=x"):
            with Http(world.stack.http_port) as http:
                fine(http.request(operation.method, f"{target}{mark}{name}={value}{more}",
                                  request.body, *world.credential(operation)))


@pytest.mark.parametrize("query", ["", "confirm=", "confirm=delete", "confirm=DELETE%00", "Confirm=DELETE",
                                   "confirm=DELETE%20", "confirm=x&confirm=DELETE", "confirm",
                                   "confirm=DELETE%0a", "confirm=%ff", "xconfirm=DELETE"])
def test_an_account_is_not_deleted_by_half_a_word(world, query):
    with Http(world.stack.http_port, world.key) as http:
        answer = http.request("DELETE", f"/api/v1/users/me?{query}")
    assert answer.status == 400 and answer.text.startswith("add ?confirm=DELETE")


PARAMETERS = [(o, p["name"]) for o in ALL for p in o.parameters_in("path")]


@pytest.mark.parametrize("operation, name", PARAMETERS, ids=[f"{o.id} {n}" for o, n in PARAMETERS])
def test_no_path_does_harm(world, operation, name):
    request = world.request(operation)
    for kind, piece in SEGMENTS.items():
        answer = replace(request, path={**request.path, name: piece}).send(
            world.stack.http_port, *world.credential(operation))
        fine(answer)
        assert answer.status >= 300, f"{kind} is the name of something"
        if "slash" in kind and kind != "overlong slash":
            assert (answer.status, answer.text) == (404, "404 page not found\n")


@pytest.mark.parametrize("operation", ALL, ids=name_of)
def test_an_untidy_path_leads_nowhere_else(world, operation):
    request = world.request(operation)
    for target in ("/" + request.target, request.target.replace("/api/", "/api//"),
                   request.target.replace("/api/", "/api/./"),
                   request.target.replace("/api/", "/api/x/../")):
        if target == request.target:
            continue
        with Http(world.stack.http_port) as http:
            answer = http.request(operation.method, target, request.body,
                                  *world.credential(operation))
        assert (answer.status, answer.headers["location"]) == (301, request.target)


PATHS = sorted({o.path for o in ALL})


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_is_not_there_is_405(world, path):
    there = [o for o in ALL if o.path == path]
    for method in METHODS:
        if method in [o.method for o in there] or there[0].node.get("x-any-method"):
            continue
        with Http(world.stack.http_port) as http:
            answer = http.request(method, world.request(there[0]).target, b"",
                                  *world.credential(there[0]), "X-HTTP-Method-Override: GET")
        assert (answer.status, answer.body) == (405, b"")
        assert "content-type" not in answer.headers and "allow" not in answer.headers


# ---- who ----

@pytest.mark.parametrize("operation", CLOSED, ids=name_of)
def test_a_useless_credential_is_401_and_nothing_else(world, operation):
    if operation.id == "openWebSocket":
        return  # it has words of its own, tested where they are
    request = world.request(operation)
    wanted = [f"{text}\n" for text in operation.responses["401"]["x-texts"]]
    answers = set()
    for what, fields in world.useless(operation):
        if what == "a bad key beside a good session" and not operation.scope:
            continue  # nobody looks at keys there
        answer = request.send(world.stack.http_port, *fields)
        assert answer.status == 401 and answer.text in wanted, f"{what}: {answer}"
        answers.add(answer.body)
    assert len(answers) == 1


@pytest.mark.parametrize("operation", CLOSED, ids=name_of)
def test_a_key_of_one_agent_does_its_agents_part_only(world, operation):
    if not operation.scope or operation.id == "openWebSocket":
        return
    key = [f"Authorization: Bearer {world.agent_key}"]
    request = world.request(operation)
    if operation.scope == "agent":
        assert request.send(world.stack.http_port, *key).status in (200, 202)
        request = world.request(operation, replace(world.things, email=world.make_agent()))
    refused = request.send(world.stack.http_port, *key)
    fine(refused)
    assert refused.status in (403, 404) or operation.id == "sendMail"
    if operation.id == "sendMail":
        assert (refused.status, refused.text) == (400, "invalid from: agent not found\n")
    elif "email" in request.path:
        absent = replace(request, path={**request.path, "email": segment(ABSENT.email)})
        assert refused.body == absent.send(world.stack.http_port, *key).body
    else:
        assert refused.text in [f"{t}\n" for t in operation.responses["404"]["x-texts"]]


# ---- whose ----

ABSENT = Things("nobody@agents.example", "msg_" + "0" * 32, "absent.example", "wsec_" + "0" * 32,
                "wkey_" + "0" * 32, "apk_" + "0" * 32, "absent@world.example", "dlg_" + "0" * 32,
                "rev_" + "0" * 32, "msg_" + "0" * 32, "msg_" + "0" * 32, "nobody@agents.example",
                "msg_" + "0" * 32)


def compare(one: Answer, two: Answer) -> None:
    assert (one.status, one.body, one.headers.keys()) == (two.status, two.body, two.headers.keys())
    differ = {"date", "x-request-id"}
    assert {k: v for k, v in one.headers.items() if k not in differ} \
        == {k: v for k, v in two.headers.items() if k not in differ}


def mixtures(world: World, operation: Operation, foreign: Things) -> Iterator[tuple[Things, Things]]:
    """Foreign things and what stands for them: of one's own, each parameter in turn; and all."""
    names = [kind_of(operation, p["name"]) for p in operation.parameters_in("path")
             if p["name"] != "index"]
    for name in names:
        yield (replace(world.things, **{name: getattr(foreign, name)}),
               replace(world.things, **{name: getattr(ABSENT, name)}))
    yield foreign, ABSENT


@pytest.mark.parametrize("operation", OF_THINGS, ids=name_of)
def test_a_foreign_thing_answers_like_one_that_is_not_there(world, other, operation):
    fields = world.credential(operation)
    for foreign, absent in mixtures(world, operation, other.things):
        one = world.request(operation, foreign).send(world.stack.http_port, *fields)
        two = world.request(operation, absent).send(world.stack.http_port, *fields)
        compare(one, two)
        assert one.status in (403, 404)


def seconds(request: Request, port: int, fields: list[str]) -> float:
    with Http(port) as http:
        http.request("GET", "/api/health")
        start = time.perf_counter()
        http.request(request.operation.method, request.target, request.body, *request.fields,
                     *fields)
        return time.perf_counter() - start


@pytest.mark.parametrize("operation", OF_THINGS, ids=name_of)
def test_a_foreign_thing_takes_as_long_as_one_that_is_not_there(world, other, operation):
    fields, port = world.credential(operation), world.stack.http_port
    foreign, absent = [world.request(operation, t) for t in (other.things, ABSENT)]
    pairs = [(seconds(foreign, port, fields), seconds(absent, port, fields)) for _ in range(ROUNDS)]
    one, two = [statistics.median(side) for side in zip(*pairs)]
    assert one < SLOWER * two + NOISE and two < SLOWER * one + NOISE, (one, two)


def test_things_of_others_are_unharmed(stack, other):
    """After all of the above."""
    for operation in OF_THINGS:
        if operation.method == "GET":
            answer = other.request(operation).send(stack.http_port, *other.credential(operation))
            assert answer.status == 200, answer
    listed = {d["domain"] for d in other.api.get("/api/v1/domains")[1]["domains"]}
    assert other.things.domain in listed
    assert other.things.secret_id in {s["id"] for s in other.api.get(
        "/api/v1/users/me/signing-secrets")[1]["secrets"]}


# ---- headers ----

@pytest.mark.parametrize("operation", [o for o in CLOSED if o.scope], ids=name_of)
def test_of_two_credentials_the_first_counts(world, operation):
    if operation.id == "openWebSocket":
        return
    good, bad = f"Authorization: Bearer {world.key}", "Authorization: Bearer x"
    request = world.request(operation)
    assert request.send(world.stack.http_port, bad, good).status == 401
    answer = world.do(request, good, bad)
    assert answer.status < 400, answer


@pytest.mark.parametrize("operation", CLOSED, ids=name_of)
def test_an_act_by_cookie_needs_a_page_of_our_own(world, operation):
    by_cookie = {"session": []} in operation.security
    if not by_cookie or operation.method in ("GET", "HEAD"):
        return
    request, cookie = world.request(operation), f"Cookie: e2a_session={world.session}"
    for fields in ([], ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"],
                   ["Origin: https://evil.example"], ["Origin: null"],
                   ["Sec-Fetch-Site: cross-site", f"Origin: {world.stack.url}"]):
        answer = request.send(world.stack.http_port, cookie, *fields)
        assert (answer.status, answer.text) == (403, "cross-site request refused\n"), fields


@pytest.mark.parametrize("operation", ALL, ids=name_of)
def test_no_header_does_harm(world, operation):
    """Those that the server reads, and some that it must not believe."""
    for fields in (["Idempotency-Key: "], ["Idempotency-Key: " + "k" * 256],
                   ["Idempotency-Key: \xff\xfe"], ["Idempotency-Key: a b"],
                   ["Cookie: " + "a=b; " * 200], ["Cookie: e2a_session"], ["Cookie: \xff=\xff"],
                   ["X-Forwarded-For: " + "1.2.3.4, " * 500], ["X-Forwarded-For: ::::"],
                   ["If-None-Match: " + '"x",' * 1000], ["Origin: \xff"], ["Host: \xff"],
                   ["Content-Type: multipart/form-data"], ["Content-Encoding: gzip"],
                   ["Upgrade: h2c", "Connection: Upgrade"], ["Range: bytes=0-0"],
                   ["Accept: application/xml"]):
        fine(world.do(world.request(operation), *world.credential(operation), *fields))
