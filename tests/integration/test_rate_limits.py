# SPDX-License-Identifier: Apache-2.0
"""The limits as clients know them: how many, counted by whom, before which other
check, and what the refused are told. Two e2a-apid count together."""

from __future__ import annotations

import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import (Answer, Http, SecondApid, add_key, second_apid,
                                      signed_in)

ABSENT_ID = "msg_" + "0" * 32
DEFAULTS = {"rate_registration": "20", "rate_poll": "60", "rate_feedback": "10",
            "rate_domains": "60", "http_trusted_proxies": "127.0.0.1/32"}
REGISTRATION = "rate limit exceeded \u2014 try again later\n"
POLL = "rate limit exceeded \u2014 max 60 requests per minute\n"
FEEDBACK = "rate limit exceeded \u2014 max 10 feedback submissions per hour\n"
MINUTE, HOUR = 60, 3600

addresses = itertools.count(1)


@pytest.fixture(scope="module")
def limited(stack, account) -> Iterator[SecondApid]:
    """One with the limits of a new installation, which takes the proxy's word."""
    with second_apid(stack, 11, **DEFAULTS) as apid:
        yield apid


@pytest.fixture(scope="module")
def other(stack, account) -> Iterator[SecondApid]:
    with second_apid(stack, 12, **DEFAULTS) as apid:
        yield apid


@pytest.fixture
def address() -> str:
    """A client that nobody counted yet."""
    return f"198.51.100.{next(addresses)}"


@pytest.fixture
def user(stack, account):
    """An account that nobody counted yet."""
    return stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example")


class Client:
    """Requests of one address, on a connection of their own."""

    def __init__(self, apid: SecondApid, address: str = "192.0.2.1", key: str = ""):
        self.http = Http(apid.port, key)
        self.field = f"X-Forwarded-For: {address}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str) -> Answer:
        return self.http.request("GET", path, None, self.field)

    def post(self, path: str, body: object) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.request("POST", path, data, self.field)


def refused(answer: Answer, text: str, window: int) -> None:
    assert (answer.status, answer.text) == (429, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert 0 < int(answer.headers["retry-after"]) <= window
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def messages(agent: str = f"nobody@{SHARED_DOMAIN}", message: str = "") -> str:
    return f"/api/v1/agents/{agent}/messages" + (f"/{message}" if message else "")


def slug() -> str:
    return f"r-{uuid.uuid4().hex[:12]}"


# ---- registration: 20 in an hour, by address, before everything else ----

def test_an_address_may_try_to_register_twenty_agents_in_an_hour(limited, account, address):
    with Client(limited, address, account.api_key) as client:
        for _ in range(20):
            body = {"slug": slug(), "agent_mode": "local"}
            assert client.post("/api/v1/agents", body).status == 201
        refused(client.post("/api/v1/agents", {"slug": slug(), "agent_mode": "local"}),
                REGISTRATION, HOUR)
        assert client.get("/api/v1/agents").status == 200, "only registration is limited"


FAILURES = [(b"{", 400), (b"", 400), ({"slug": "admin"}, 400), ({}, 401), ({"slug": "ab"}, 401),
            ({"email": "a@x.example"}, 401)]


def test_registrations_that_failed_count_as_well(limited, address):
    with Client(limited, address) as client:
        for body, status in itertools.islice(itertools.cycle(FAILURES), 20):
            assert client.post("/api/v1/agents", body).status == status
        for body, _ in FAILURES:
            refused(client.post("/api/v1/agents", body), REGISTRATION, HOUR)


def test_the_limit_of_registration_is_looked_at_before_the_key(limited, account, address):
    """Who has used it up learns nothing of keys or names from this route."""
    with Client(limited, address, account.api_key) as client:
        for _ in range(20):
            client.post("/api/v1/agents", b"{")
    for key in ("", "e2a_" + "0" * 64, account.api_key):
        with Client(limited, address, key) as client:
            refused(client.post("/api/v1/agents", {"slug": slug(), "agent_mode": "local"}),
                    REGISTRATION, HOUR)


def test_another_address_is_counted_by_itself(limited, address):
    with Client(limited, address) as client:
        for _ in range(20):
            client.post("/api/v1/agents", b"{")
        refused(client.post("/api/v1/agents", b"{"), REGISTRATION, HOUR)
    with Client(limited, f"203.0.113.{address.rpartition('.')[2]}") as client:
        assert client.post("/api/v1/agents", b"{").status == 400


def test_what_the_client_says_of_itself_is_no_address(limited, address):
    """The proxy appends; what stood there before is the client's invention."""
    with Client(limited, address) as client:
        for n in range(20):
            client.field = f"X-Forwarded-For: 203.0.113.{n}, {address}"
            assert client.post("/api/v1/agents", b"{").status == 400
        client.field = f"X-Forwarded-For: 203.0.113.99, {address}"
        refused(client.post("/api/v1/agents", b"{"), REGISTRATION, HOUR)


# ---- lists and messages: 60 in a minute, by user ----

def test_a_user_may_fetch_sixty_lists_and_messages_in_a_minute(limited, user, address):
    with Client(limited, address, user.api_key) as client:
        made = client.post("/api/v1/agents",
                           {"slug": slug(), "agent_mode": "local"}).json["email"]
        for n in range(60):
            path = messages(made, ABSENT_ID if n % 2 else "")
            assert client.get(path).status == (404 if n % 2 else 200)
        for path in (messages(made), messages(made, ABSENT_ID), messages()):
            refused(client.get(path), POLL, MINUTE)
        for path in ("/api/v1/agents", f"/api/v1/agents/{made}", "/api/v1/domains"):
            assert client.get(path).status == 200, "only messages are limited"


def test_the_limit_of_messages_comes_after_the_key_and_before_the_agent(limited, user):
    with Client(limited) as nobody, Client(limited, key=user.api_key) as client:
        for _ in range(70):
            assert nobody.get(messages()).status == 401
        for _ in range(60):
            assert client.get(messages()).status == 404
        refused(client.get(messages()), POLL, MINUTE)
        assert nobody.get(messages()).status == 401


def test_all_keys_of_a_user_share_one_limit_that_is_nobody_elses(stack, limited, user):
    keys = [user.api_key, *(add_key(stack, user.user_id)[1] for _ in range(2))]
    for key in keys:
        with Client(limited, key=key) as client:
            for _ in range(20):
                assert client.get(messages()).status == 404
    for key in keys:
        with Client(limited, key=key) as client:
            refused(client.get(messages()), POLL, MINUTE)
    with Client(limited, key=stack.bootstrap(f"{slug()}@other.example").api_key) as client:
        assert client.get(messages()).status == 404


def test_a_browser_that_looks_on_takes_nothing_from_the_agents(stack, account, user):
    with second_apid(stack, 13, rate_poll="3", rate_pages="5") as apid, \
            Client(apid, key=user.api_key) as agent:
        browser = signed_in(stack, user.user_id, apid.port)
        assert [browser("GET", messages()).status for _ in range(6)] == [404] * 5 + [429]
        assert [agent.get(messages()).status for _ in range(4)] == [404] * 3 + [429]
        refused(browser("GET", messages()), POLL.replace("60", "5"), MINUTE)


def test_two_servers_admit_exactly_as_many_as_one(limited, other, user):
    """A hundred and sixty requests at once."""
    def ask(apid: SecondApid) -> list[int]:
        with Client(apid, key=user.api_key) as client:
            return [client.get(messages()).status for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(itertools.chain(*pool.map(ask, [limited, other] * 4)))
    assert answers == {404: 60, 429: 100}


def shift(stack, name: str, seconds: int, oldest: int | None = None) -> None:
    """As if the admissions (or only the oldest ones) had been so much earlier."""
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE rate_hits SET at = at - %s * interval '1 s' WHERE (name, slot) IN "
                      "(SELECT name, slot FROM rate_hits WHERE name = %s ORDER BY at LIMIT %s)",
                      [seconds, name, oldest])
        assert query.rowcount


def test_the_window_slides(stack, limited, user):
    """Each admission makes room a minute after itself, and refusals do not count."""
    with Client(limited, key=user.api_key) as client:
        for _ in range(60):
            assert client.get(messages()).status == 404
        for _ in range(30):
            refused(client.get(messages()), POLL, MINUTE)
        shift(stack, f"poll:{user.user_id}", 30)
        refused(client.get(messages()), POLL, 30)
        shift(stack, f"poll:{user.user_id}", 30, oldest=7)
        assert [client.get(messages()).status for _ in range(9)] == [404] * 7 + [429] * 2


def test_a_connection_that_began_with_empty_tables_still_goes_by_their_keys(stack, account):
    """Its plans are made once, and the tables grow."""
    with closing(stack.db()) as db, db.cursor() as query:
        def scans() -> int:
            query.execute("SELECT sum(seq_scan)::int FROM pg_stat_xact_user_tables "
                          "WHERE relname IN ('rate_counters', 'rate_hits')")
            return query.fetchone()[0]

        query.execute("BEGIN; TRUNCATE rate_counters, rate_hits; ANALYZE rate_counters, rate_hits")
        before = scans()
        for n in range(9):
            query.execute("SELECT take_slot('test:' || %s %% 3, 2, interval '1 h')", [n])
            assert (query.fetchone()[0] > 0) == (n >= 6)
        assert scans() == before
        query.execute("ROLLBACK")


# ---- feedback: 10 in an hour, by address, before everything else ----

def test_an_address_may_send_feedback_ten_times_in_an_hour(limited, address):
    with Client(limited, address) as client:
        for _ in range(10):
            answer = client.post("/api/feedback", {"message": "Well done"})
            assert (answer.status, answer.json) == (200, {"status": "ok"})
        refused(client.post("/api/feedback", {"message": "Well done"}), FEEDBACK, HOUR)
        refused(client.post("/api/feedback", b"{"), FEEDBACK, HOUR)


def test_bad_feedback_counts_as_well(limited, address):
    bad = [b"{", {}, {"message": " "}, {"message": "x", "category": "rant"}, b"x" * 70000]
    for body in bad * 2:
        with Client(limited, address) as client:
            assert client.post("/api/feedback", body).status == 400
    with Client(limited, address) as client:
        refused(client.post("/api/feedback", {"message": "Well done"}), FEEDBACK, HOUR)


# ---- what has no limit ----

def test_looking_up_agents_and_domains_is_not_limited(limited, user):
    with Client(limited, key=user.api_key) as client:
        for path in ("/api/v1/agents", "/api/v1/domains", f"/api/v1/agents/x@{SHARED_DOMAIN}",
                     "/api/v1/info", "/api/health"):
            assert 429 not in [client.get(path).status for _ in range(100)]
