# SPDX-License-Identifier: Apache-2.0
"""Every operation of the document with generated requests, good and bad, from every kind
of caller: no 5xx, and no answer that the document does not describe (the client checks
each). The generator is seeded: the same requests every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.reference.document import Node, Operation
from tests.integration.hostile import MALFORMED, TEXTS, WRONG_TYPES, fine
from tests.integration.world import (DOCUMENT, NEEDS_MORE, OPERATIONS, Request, World, name_of,
                                     segment, staying_alive)

EXAMPLES = 60  # for each operation; all of them take about a minute
SLOW = {"deleteAccount": 10}  # makes a new account each time
ALL = list(OPERATIONS.values())

ANY_TEXT = st.text(max_size=50) | st.sampled_from([t for t in TEXTS.values() if len(t) < 70000])
JSON_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=50)
ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
                        | JSON_TEXT, lambda inner: st.lists(inner, max_size=5)
                        | st.dictionaries(JSON_TEXT, inner, max_size=5), max_leaves=10)


@pytest.fixture(scope="module")
def other(stack, account) -> World:
    return World(stack)


@pytest.fixture(scope="module")
def world(stack, account) -> World:
    return World(stack)


@pytest.fixture(scope="module", autouse=True)
def alive(stack, account) -> Iterator[None]:
    with staying_alive(stack):
        yield


def fitting(schema: Node) -> st.SearchStrategy[Any]:
    """Values that the schema of a request admits."""
    schema = DOCUMENT.resolve(schema)
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kind = schema["type"]
    if kind == "object":
        required = schema.get("required", [])
        fields = {k: fitting(v) for k, v in schema["properties"].items()}
        return st.fixed_dictionaries(
            {k: v for k, v in fields.items() if k in required},
            optional={k: v for k, v in fields.items() if k not in required})
    if kind == "array":
        return st.lists(fitting(schema["items"]), max_size=min(schema.get("maxItems", 4), 4))
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "boolean":
        return st.booleans()
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    texts = st.text(st.characters(blacklist_categories=("Cs",)),
                    max_size=min(schema.get("maxLength", 40), 40))
    return texts | st.sampled_from(schema["examples"])


@st.composite
def bodies(draw: st.DrawFn, operation: Operation, good: dict[str, Any]) -> bytes | None:
    """Good ones, almost good ones, and what is none."""
    schema = DOCUMENT.resolve(operation.body)
    kind = draw(st.sampled_from(["works", "works", "fits", "fits", "one wrong", "one wrong", "any",
                                 "malformed", "none"]))
    value: Any = dict(good)
    if kind == "fits":
        value = draw(fitting(schema))
    elif kind == "one wrong":
        name = draw(st.sampled_from(sorted(schema["properties"])))
        value[name] = draw(ANY_TEXT | ANY_JSON | st.sampled_from(list(WRONG_TYPES.values())))
    elif kind == "any":
        value = draw(ANY_JSON)
    elif kind == "malformed":
        return draw(st.binary(max_size=200) | st.sampled_from(sorted(MALFORMED.values())))
    elif kind == "none":
        return None
    if operation.form and isinstance(value, dict):
        return urlencode(value, errors="surrogatepass").encode()
    return json.dumps(value).encode()


def callers(world: World, operation: Operation) -> dict[str, list[str]]:
    def key(text: str) -> list[str]:
        return [f"Authorization: Bearer {text}"]

    return {"good": world.credential(operation), "account": key(world.key),
            "agent": key(world.agent_key), "bare": [f"Authorization: {world.key}"],
            "session": world.browser(), "nobody": [], "revoked": key(world.revoked_key),
            "expired": key(world.expired_key), "ended": world.browser(world.ended_session),
            "foreign page": [world.browser()[0], "Sec-Fetch-Site: cross-site"]}


@st.composite
def requests(draw: st.DrawFn, world: World, other: World, operation: Operation
             ) -> tuple[Request, list[str]]:
    """What is asked, and by whom."""
    request = world.request(operation)
    good = world.body(operation, DOCUMENT.example(operation.body)) if operation.body else {}
    for p in operation.parameters_in("path"):
        own, foreign = [segment(w.things.named(operation, p["name"])) for w in (world, other)]
        piece = draw(st.sampled_from([own, own, own, foreign]) | ANY_TEXT.map(segment).filter(
            lambda s: len(s) < 3000) | st.integers().map(str))
        request.path[p["name"]] = piece
    for p in operation.parameters_in("query"):
        fit = st.sampled_from(["0", "1"]) if p["name"] == "wait" else fitting(p["schema"])
        texts = fit.map(str) | ANY_TEXT.filter(lambda t: len(t) < 1000)
        given_value = draw(st.none() | texts)
        if given_value is not None and operation.id != "deleteAccount":
            request.query[p["name"]] = given_value
    for p in operation.parameters_in("header"):
        if draw(st.booleans()):
            request.fields.append(f"{p['name']}: {draw(st.sampled_from(['k1', 'k2', '', 'a b']))}")
    if operation.body:
        request = replace(request, body=draw(bodies(operation, good)))
    who = draw(st.sampled_from(["good"] * 6 + sorted(callers(world, operation))))
    return request, callers(world, operation)[who]


@pytest.mark.parametrize("operation", ALL, ids=name_of)
def test_no_request_gets_an_answer_that_is_not_described(world, other, operation):
    seen: dict[int, int] = {}

    @settings(max_examples=SLOW.get(operation.id, EXAMPLES), derandomize=True, database=None,
              deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def drive(data: st.DataObject) -> None:
        request, fields = data.draw(requests(world, other, operation))
        answer = world.do(request, *fields)
        fine(answer)
        seen[answer.status] = seen.get(answer.status, 0) + 1

    drive()
    assert min(seen) < 400 or operation.id in NEEDS_MORE, seen
