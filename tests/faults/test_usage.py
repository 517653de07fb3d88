# SPDX-License-Identifier: Apache-2.0
"""Usage: one event for each stored copy, and sums that are equal to the events,
whatever dies meanwhile."""

from __future__ import annotations

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from tests.faults.audit import Traffic, audit
from tests.integration.wire import Lmtp

SETTINGS = {"usage_tracking": "true", "janitor_interval": "1s"}
SENDER = "alice@sender.example"


def ask(stack, sql: str) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql)
        return query.fetchall()


def events(stack) -> int:
    return ask(stack, "SELECT count(*) FROM usage_events")[0][0]


def wait_summed(stack) -> None:
    """Until no event is left, and every sum is that of its events."""
    wait_until("all events to be summed", lambda: ask(
        stack, "SELECT count(*) FROM usage_events WHERE NOT counted") == [(0,)], 60)
    assert ask(stack, "SELECT user_id, day, messages FROM usage_summaries ORDER BY 1, 2") == ask(
        stack, "SELECT user_id, (created_at AT TIME ZONE 'UTC')::date, count(*) FROM usage_events "
        "GROUP BY 1, 2 ORDER BY 1, 2")


@pytest.fixture(scope="module")
def stranger(stack, account):
    return stack.bootstrap("stranger@other.example")


@pytest.fixture
def wait_stored(stack):
    return lambda agent, n: wait_until("mail", lambda: ask(
        stack, f"SELECT count(*) FROM messages WHERE agent_email = '{agent}'") == [(n,)])


@pytest.mark.parametrize("victim", ["deliverd", "postgres", "both"])
def test_sums_are_equal_to_the_events_whatever_dies(stack, make_agent, stranger, journal, receiver,
                                                    second, victim):
    theirs = Api(stack.url, stranger.api_key).make_agent(f"usage-{victim}")
    to = [make_agent(receiver.url), make_agent(), theirs]
    with Traffic(stack, journal, to):
        for _ in range(3):
            journal.wait_more("accepted", 10)
            if victim != "postgres":
                stack.deliverd.kill()
            if victim != "deliverd":
                stack.postgres.kill()
                stack.postgres.start()
            stack.heal()
            stack.postfix.reload()
        journal.wait_more("accepted", 5)
    stored = audit(stack, journal)
    wait_summed(stack)
    assert ask(stack, "SELECT count(*) FROM messages m FULL JOIN usage_events e "
               "ON substr(e.id, 4) = substr(m.id, 5) AND e.user_id = m.user_id "
               "AND e.agent_email = m.agent_email AND e.domain = 'agents.example' "
               "AND e.direction = 'inbound' AND e.event_type = 'message' "
               "WHERE e.id IS NULL OR m.id IS NULL") == [(0,)]
    assert len({s.recipient for s in stored}) == 3


def test_a_transaction_that_comes_twice_counts_once(stack, make_agent):
    agent, before = make_agent(), events(stack)
    message = b"From: a@sender.example\r\nSubject: Twice\r\n\r\nx\r\n"
    for _ in range(2):
        with Lmtp(stack) as lmtp:
            assert lmtp.mail(agent, message, "4TWICEz1")[0].code == 250
    assert events(stack) - before == 1


def test_nothing_is_counted_when_usage_is_not_tracked(stack, make_agent, wait_stored):
    agent, before = make_agent(), events(stack)
    stack.configure(usage_tracking="false")
    stack.deliverd.restart()
    try:
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        wait_stored(agent, 1)
        assert events(stack) == before
    finally:
        stack.configure(usage_tracking="true")
        stack.deliverd.restart()
