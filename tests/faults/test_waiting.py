# SPDX-License-Identifier: Apache-2.0
"""Long polls and event streams while Postgres is away, and while it cannot answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from tests.integration import scrape
from tests.integration.client import EventStream, Http, SecondApid, second_apid

SENDER = "alice@sender.example"


@pytest.fixture(autouse=True)
def known_to_be_back(stack, api):
    yield
    stack.heal()
    stack.postfix.reload()
    wait_until("REST", lambda: all(api.get("/api/v1/agents")[0] == 200 for _ in range(10)))


@pytest.fixture
def restless(stack, account) -> Iterator[SecondApid]:
    """An e2a-apid whose streams look every second."""
    with second_apid(stack, 31, ws_ping="1s") as apid:
        yield apid


def wait_poll(http: Http, agent: str, seconds: int) -> None:
    http.write(http.head("GET", f"/api/v1/agents/{agent}/messages?wait={seconds}"))


def wait_parked(stack, api, polls: int) -> None:
    """They are known to wait before they look, so others are asked behind them."""
    wait_until("the polls", lambda: scrape.scrape(stack.metrics_urls["apid"])[
        'e2a_apid_waiters{kind="long_poll"}'] == polls)
    for _ in range(20):
        assert api.get("/api/v1/agents")[0] == 200


def test_who_waits_outlasts_a_database_that_is_away(stack, account, api, make_agent, restless):
    """The streams, while they look again and again; the poll that ends meanwhile; and the one
    that does not. No mail is missed."""
    agent, key = make_agent(), account.api_key
    with EventStream(stack.http_port, agent, key) as calm, \
            EventStream(restless.port, agent, key) as eager, \
            Http(stack.http_port, key) as short, Http(stack.http_port, key, timeout=70) as long:
        assert (calm.any_event().data, eager.any_event().data) == (None, None)
        wait_poll(short, agent, 5)
        wait_poll(long, agent, 60)
        wait_parked(stack, api, 2)
        mark, began = restless.log_mark(), time.monotonic()
        stack.postgres.stop()
        restless.wait_log("events_read_failed", mark)
        answer = short.answer()
        assert (answer.status, answer.json["messages"]) == (200, [])
        assert time.monotonic() - began < 15
        stack.postgres.start()
        wait_until("mail to be taken", lambda: stack.send(
            SENDER, agent, compose(SENDER, agent, "after")).code == 250, 30)
        for stream in (calm, eager):
            assert stream.notice()["subject"] == "after"
        answer = long.answer()
        assert [m["subject"] for m in answer.json["messages"]] == ["after"]
        assert restless.log_since(mark).count("events_read_failed") == 1
        restless.wait_log("events_read_works_again", mark)


def test_an_e2a_apid_that_dies_costs_no_mail(stack, account, make_agent):
    """Killed in the middle of a backlog; the client goes on elsewhere."""
    agent, key = make_agent(), account.api_key
    for n in range(5):
        assert stack.send(SENDER, agent, compose(SENDER, agent, str(n))).code == 250
    told = []
    with second_apid(stack, 32) as apid, EventStream(apid.port, agent, key) as stream:
        for _ in range(2):
            told.append(stream.event())
        apid.kill()
    stack.send(SENDER, agent, compose(SENDER, agent, "5"))
    with EventStream(stack.http_port, agent, key, told[-1].id) as stream:
        told += [stream.event() for _ in range(4)]
    assert sorted(e.data["subject"] for e in told) == ["0", "1", "2", "3", "4", "5"]
