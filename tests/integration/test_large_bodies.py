# SPDX-License-Identifier: Apache-2.0
"""Requests of 25 MiB: what is admitted, how much memory they take, and that nobody
else notices."""

from __future__ import annotations

import base64
import json
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.integration.client import Answer, Http, SecondApid, second_apid

LIMIT = 26_214_400
BAD_BODY = (400, "invalid request body\n")
BUSY = (503, "too busy, try again later\n")
# What one of these takes beside its body, while it is parsed and stored, and the process.
WORK_KB = 120_000


@pytest.fixture(scope="module")
def person(stack, account):
    """A user with an agent that needs approval: what is stored can be looked at."""
    user = stack.bootstrap("large@other.example")
    with Http(stack.http_port, user.api_key) as http:
        made = http.request("POST", "/api/v1/agents", b'{"slug":"large","agent_mode":"local"}')
        assert made.status == 201
        assert http.request("PUT", f"/api/v1/agents/{made.json['email']}",
                            b'{"hitl_enabled":true}').status == 200
    return user


def mail(size: int, filename: str = "big.bin") -> bytes:
    """A mail with an attachment, of that many bytes as JSON."""
    whole = {"to": ["alice@sender.example"], "subject": "Big", "body": "See attachment.",
             "attachments": [{"filename": filename, "data": "%"}]}
    head, tail = json.dumps(whole).encode().split(b"%")
    room = (size - len(head) - len(tail)) // 4 * 4
    data = base64.b64encode(os.urandom(300)) * (room // 400 + 1)
    return (head + data[:room] + tail).ljust(size)


def post(port: int, key: str, body: bytes, *fields: str, path: str = "/api/v1/send",
         source: str = "") -> Answer:
    with Http(port, key, timeout=60, source=source) as http:
        return http.request("POST", path, body, *fields)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def test_the_largest_body_is_stored_as_it_came(stack, person):
    body = mail(LIMIT)
    answer = post(stack.http_port, person.api_key, body)
    assert answer.status == 202, answer
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT data FROM outbound_attachments WHERE message_id = %s",
                      [answer.json["id"]])
        (data,), = query.fetchall()
    assert bytes(data) == base64.b64decode(json.loads(body)["attachments"][0]["data"])


def test_one_byte_more_is_no_body(stack, person):
    answer = post(stack.http_port, person.api_key, mail(LIMIT + 1))
    assert said(answer) == BAD_BODY and answer.closes


def test_text_of_that_size_is_taken_too(stack, person):
    for text in ("x" * 100 + "\n", "\u00e4\u00f6\u00fc \U0001f4c4 "):
        whole = {"to": ["alice@sender.example"], "subject": "Long", "body": text * (LIMIT // 1000)}
        body = json.dumps(whole, ensure_ascii=False).encode()
        answer = post(stack.http_port, person.api_key, body)
        assert answer.status == 202
        with stack.db() as db, db.cursor() as query:
            query.execute("SELECT body_text FROM outbound_drafts WHERE message_id = %s",
                          [answer.json["id"]])
            assert query.fetchone() == (whole["body"],)


@pytest.mark.parametrize("size", [60_000, 70_000, 3_000_000, LIMIT])
def test_a_body_without_a_length_is_taken_as_it_comes(stack, person, size):
    body = mail(size)
    with Http(stack.http_port, person.api_key, timeout=60) as http:
        http.write(http.head("POST", "/api/v1/send", "Transfer-Encoding: chunked"))
        for at in range(0, size, 50_000):
            piece = body[at:at + 50_000]
            http.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        http.write(b"0\r\n\r\n")
        assert http.answer().status == 202
        assert http.request("GET", "/api/health").status == 200


def test_who_expects_100_continue_gets_it_when_known(stack, person):
    body = mail(3_000_000)
    fields = (f"Content-Length: {len(body)}", "Expect: 100-continue")
    with Http(stack.http_port, person.api_key) as http:
        http.write(http.head("POST", "/api/v1/send", *fields))
        assert http.answer().status == 100
        http.write(body)
        assert http.answer().status == 202
        assert http.request("GET", "/api/health").status == 200
    with Http(stack.http_port, "e2a_" + "0" * 64) as http:
        http.write(http.head("POST", "/api/v1/send", *fields))
        assert http.answer().status == 401


STRANGERS = [("", "/api/v1/send"), ("e2a_" + "0" * 64, "/api/v1/send"),
             ("", "/api/v1/agents/a@b.example/messages/m/reply")]


@pytest.mark.parametrize("key, path", STRANGERS)
def test_a_stranger_is_told_so_at_the_end_of_the_body(stack, key, path):
    answer = post(stack.http_port, key, mail(LIMIT), path=path)
    assert said(answer) == (401, "unauthorized\n")
    with Http(stack.http_port, key) as http:
        http.write(http.head("POST", path, "Transfer-Encoding: chunked"))
        for _ in range(3):
            http.write(b"%x\r\n%s\r\n" % (1_000_000, b" " * 1_000_000))
        http.write(b"0\r\n\r\n")
        assert said(http.answer()) == (401, "unauthorized\n")
        assert http.request("GET", "/api/health").status == 200


def test_bodies_of_strangers_take_no_memory(tight, person):
    """Of the budget, which is one body."""
    with ExitStack() as opened:
        strangers = [opened.enter_context(Http(tight.port)) for _ in range(5)]
        for http in strangers:
            announce(http, LIMIT)
            assert waits_for_the_body(http)
        assert post(tight.port, person.api_key, mail(LIMIT)).status == 202


def test_a_repeated_large_request_gets_the_same_answer(stack, person):
    body, key = mail(LIMIT - 7), f"Idempotency-Key: {os.urandom(8).hex()}"
    first, again = [post(stack.http_port, person.api_key, body, key) for _ in range(2)]
    assert (first.status, again.body) == (202, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = post(stack.http_port, person.api_key, mail(LIMIT - 7, "other.bin"), key)
    assert other.status == 422


# ---- the budget ----

@pytest.fixture(scope="module")
def tight(stack, account) -> Iterator[SecondApid]:
    with second_apid(stack, 41, http_body_memory="32m") as apid:
        yield apid


def announce(http: Http, size: int) -> None:
    http.write(http.head("POST", "/api/v1/send", f"Content-Length: {size}") + b"{")


def waits_for_the_body(http: Http) -> bool:
    """No answer came within a moment; a refusal takes no time."""
    return not select.select([http.socket], [], [], 0.5)[0]


NEIGHBOUR = "127.0.0.9"


def begin(apid: SecondApid, http: Http) -> bytes:
    """All of a mail of the largest size but its end, which is returned."""
    body, before_kb = mail(LIMIT), apid.resident_kb()
    http.write(http.head("POST", "/api/v1/send", f"Content-Length: {LIMIT}") + body[:-100])
    deadline = time.monotonic() + 20
    while apid.resident_kb() - before_kb < (LIMIT - 2_000_000) // 1024:
        assert time.monotonic() < deadline
    assert waits_for_the_body(http)
    return body[-100:]


def test_what_is_announced_and_does_not_come_keeps_nobody_out(tight, person):
    with ExitStack() as opened:
        for _ in range(8):
            http = opened.enter_context(Http(tight.port, person.api_key))
            announce(http, LIMIT)
            assert waits_for_the_body(http)
        assert post(tight.port, person.api_key, mail(LIMIT)).status == 202
        assert post(tight.port, person.api_key, mail(LIMIT), source=NEIGHBOUR).status == 202


def test_one_client_gets_a_part_of_the_budget(stack, person):
    with second_apid(stack, 43, http_body_memory="64m") as apid, \
         Http(apid.port, person.api_key) as first:
        rest = begin(apid, first)
        answer = post(apid.port, person.api_key, mail(LIMIT))
        assert said(answer) == BUSY and int(answer.headers["retry-after"]) > 0
        assert post(apid.port, person.api_key, mail(LIMIT), source=NEIGHBOUR).status == 202
        first.write(rest)
        assert first.answer().status == 202
        assert post(apid.port, person.api_key, mail(LIMIT)).status == 202, "it was given back"


def test_when_the_budget_is_spent_large_bodies_wait_outside(tight, person):
    with Http(tight.port, person.api_key, source=NEIGHBOUR) as first:
        rest = begin(tight, first)
        answer = post(tight.port, person.api_key, mail(LIMIT))
        assert said(answer) == BUSY and int(answer.headers["retry-after"]) > 0
        with Http(tight.port, person.api_key) as third:
            third.write(third.head("POST", "/api/v1/send", f"Content-Length: {LIMIT}",
                                   "Expect: 100-continue"))
            answer = third.answer()
            assert said(answer) == BUSY and answer.closes and third.closed()
        assert post(tight.port, person.api_key, mail(60_000)).status == 202, "small ones are free"
        assert post(tight.port, person.api_key, mail(5_000_000)).status == 202, "there is room"
        first.write(rest)
        assert first.answer().status == 202
    assert post(tight.port, person.api_key, mail(LIMIT)).status == 202, "it was given back"


def test_a_body_of_unknown_length_that_finds_no_room_is_answered_at_its_end(tight, person):
    with Http(tight.port, person.api_key) as first, Http(tight.port, person.api_key) as second:
        begin(tight, first)
        second.write(second.head("POST", "/api/v1/send", "Transfer-Encoding: chunked"))
        for _ in range(20):
            second.write(b"%x\r\n%s\r\n" % (1_000_000, b" " * 1_000_000))
        second.write(b"0\r\n\r\n")
        assert said(second.answer()) == BUSY
        assert second.request("GET", "/api/health").status == 200


def test_clients_that_go_away_give_back_what_they_held(tight, person):
    for end in ("close", "reset", "silent"):
        with ExitStack() as opened:
            http = opened.enter_context(Http(tight.port, person.api_key))
            begin(tight, http)
            if end == "reset":
                http.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER, 0 seconds
            elif end == "silent":
                http.half_close()
    deadline = time.monotonic() + 20
    while post(tight.port, person.api_key, mail(LIMIT)).status != 202:
        assert time.monotonic() < deadline


# ---- memory ----

class Watch(threading.Thread):
    """The most memory that the process ever had, and a neighbour that is served meanwhile."""

    def __init__(self, apid: SecondApid, key: str):
        super().__init__(daemon=True)
        self.apid, self.key = apid, key
        self.over = threading.Event()
        self.peak_kb = 0
        self.slowest = 0.0
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.peak_kb = max(self.peak_kb, self.apid.resident_kb())
            start = time.monotonic()
            with Http(self.apid.port, self.key) as http:
                self.statuses[http.request("GET", "/api/v1/agents").status] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_sixteen_large_requests_at_once_stay_within_bounds(stack, person):
    """No more than the budget, and the work on one or two of them; and it is given back."""
    budget_kb = 8 * LIMIT // 1024
    with second_apid(stack, 42, http_body_memory=str(8 * LIMIT)) as apid:
        assert post(apid.port, person.api_key, mail(1000)).status == 202
        before, body = apid.resident_kb(), mail(LIMIT)
        with Watch(apid, person.api_key) as watch, ThreadPoolExecutor(16) as pool:
            answers = Counter(pool.map(
                lambda n: post(apid.port, person.api_key, body, source=f"127.0.1.{n % 16}").status,
                range(1, 49)))
        assert set(answers) <= {202, 503} and answers[202] >= 8, answers
        assert watch.statuses.keys() == {200} and watch.slowest < 5
        assert watch.peak_kb - before < budget_kb + WORK_KB, watch.peak_kb
        assert apid.resident_kb() - before < WORK_KB
