# SPDX-License-Identifier: Apache-2.0
"""What webhooks that hang or fail cost others, and what becomes of their own mail: caps,
turns, the breaker, and the drain when an endpoint is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import Api, Delivery, WebhookReceiver
from tests.integration.test_webhook import send

ANSWER_MAX = 2048
OTHERS_MAX = 2  # seconds that another's mail may take meanwhile
FAILURES = 5  # webhook_breaker_failures
PER_ENDPOINT = 10
DRAIN_RATE = 50


class Calls:
    """Of a receiver that hangs for some agents and answers the others at once."""

    def __init__(self, receiver: WebhookReceiver):
        self.receiver = receiver
        self.hanging: set[str] = set()
        self.under_way: list[str] = []
        self.release = threading.Event()
        receiver.answer = self.answer

    def answer(self, delivery: Delivery) -> int:
        recipient = delivery.json["recipient"]
        if recipient in self.hanging:
            self.under_way.append(recipient)
            self.release.wait(30)
        return 200

    def wait_for(self, agent: str) -> None:
        wait_until(f"a call for {agent}", lambda: any(
            d.json["recipient"] == agent for d in list(self.receiver.items)), 30, 0.02)


@pytest.fixture
def calls(hook) -> Iterator[Calls]:
    found = Calls(hook)
    yield found
    found.release.set()


@contextmanager
def restarted(stack, **settings: str) -> Iterator[None]:
    """e2a-deliverd with other settings."""
    before = {name: stack.settings.get(name) for name in settings}

    def restart(values: dict[str, str | None]) -> None:
        for name in [n for n, v in values.items() if v is None]:
            del stack.settings[name]
        stack.configure(**{n: v for n, v in values.items() if v is not None})
        stack.deliverd.stop()
        stack.deliverd.start()

    restart(settings)
    try:
        yield
    finally:
        restart(before)


def in_time(calls: Calls, stack, agent: str) -> None:
    start = time.monotonic()
    send(stack, agent)
    calls.wait_for(agent)
    assert time.monotonic() - start < OTHERS_MAX


@pytest.mark.parametrize("cap", ["webhook_concurrency", "webhook_per_user", "webhook_per_host"])
def test_those_that_hang_leave_half_of_each_cap_to_others(stack, make_agent, calls, cap):
    with restarted(stack, **{cap: "8"}):
        hanging = [make_agent(calls.receiver.url) for _ in range(3)]
        quick = make_agent(calls.receiver.url)
        calls.hanging.update(hanging)
        for n in range(12):
            send(stack, hanging[n % 3], f"Hangs {n}")
        wait_until("half of the cap", lambda: len(calls.under_way) >= 4)
        in_time(calls, stack, quick)
        in_time(calls, stack, quick)
        assert len(calls.under_way) <= 4 + len(hanging) - 1  # the first call of each counts less
        calls.release.set()
        wait_until("all calls", lambda: len(set(calls.under_way)) == 3
                   and len({d.headers["webhook-id"] for d in calls.receiver.items}) == 14, 30)


def test_a_hanging_endpoint_delays_nobody_of_its_user_nor_of_its_host(stack, make_agent, strange_api,
                                                                      calls):
    hanging = make_agent(calls.receiver.url)
    calls.hanging.add(hanging)
    for n in range(PER_ENDPOINT + 3):
        send(stack, hanging, f"Hangs {n}")
    wait_until("its calls", lambda: len(calls.under_way) == PER_ENDPOINT)
    in_time(calls, stack, make_agent(calls.receiver.url))
    in_time(calls, stack, strange_api.make_agent(f"n{time.monotonic_ns()}", calls.receiver.url))
    assert len(calls.under_way) == PER_ENDPOINT


# ---- the breaker and the drain ----

def message_ids(stack, agent: str) -> list[str]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT id FROM messages WHERE agent_email = %s ORDER BY id", [agent])
        return [row[0] for row in query.fetchall()]


def burst(times: list[float], window: float) -> int:
    """The most calls in any span of time so long."""
    return max(sum(start <= t < start + window for t in times) for start in times)


def test_mail_that_waited_comes_in_order_when_the_endpoint_is_back(stack, make_agent, hook):
    count = 40
    began: list[tuple[str, float]] = []
    well = threading.Event()

    def answer(delivery: Delivery) -> int:
        began.append((delivery.headers["webhook-id"], time.monotonic()))
        return 200 if well.is_set() else 503

    hook.answer = answer
    agent = make_agent(hook.url)
    for n in range(count):
        send(stack, agent, f"Waits {n}")
        if n == FAILURES:
            wait_until("the breaker", lambda: open_until(stack, agent))
    # Calls that were under way when it opened, and maybe its first probe.
    assert len(began) <= FAILURES + PER_ENDPOINT
    ids = message_ids(stack, agent)
    assert len(ids) == count
    del began[:]
    well.set()
    wait_until("all that waited", lambda: {i for i, _ in began} == set(ids), 30)
    order = [i for i, _ in began][1:]  # behind the probe, which any of them may be
    assert len(order) == count - 1, "calls that were made twice"
    expected = sorted(order)
    # started in that order; those that are under way at once may arrive in any
    places = [expected.index(i) for i in order]
    assert all(abs(n - place) < PER_ENDPOINT for n, place in enumerate(places)), places
    assert burst([t for _, t in began[1:]], 0.1) <= DRAIN_RATE // 2
    wait_until("its queue to be well", lambda: not open_until(stack, agent))


def open_until(stack, agent: str) -> object:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT open_until FROM webhook_queues WHERE agent_email = %s", [agent])
        row = query.fetchone()
        return row and row[0]


def test_one_mail_that_always_fails_is_not_called_again_and_again(stack, make_agent, hook):
    """Nor does it keep the others waiting."""
    poison: list[str] = []

    def answer(delivery: Delivery) -> int:
        if b"Subject: Poison" not in delivery.raw:
            return 200
        poison.append(delivery.headers["webhook-id"])
        return 500

    hook.answer = answer
    agent = make_agent(hook.url)
    send(stack, agent, "Poison")
    wait_until("the failure", lambda: poison)
    for n in range(20):
        send(stack, agent, f"Good {n}")
    wait_until("the good ones", lambda: len(hook.items) - len(poison) >= 20, OTHERS_MAX * 2)
    # Each success may have led to one early attempt; its own times lead to two more.
    assert len(poison) <= 4


# ---- what a failure said ----

def answers(body: bytes, status: int = 500) -> Callable:
    def answer(handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize("status, body, want", [
    (500, b"no such table: orders\n", "no such table: orders\n"),
    (404, "für\0 alle\xff".encode("latin-1"), "f�r alle�"),
    (500, "ä".encode() * 40000, "ä" * (ANSWER_MAX // 2)),
    (302, b"moved", "moved"),
    (500, b"", None),
    (200, b"thank you", None),
])
def test_the_ledger_keeps_what_a_failure_said(stack, make_agent, hook, status, body, want):
    hook.answer = lambda _: answers(body, status)
    agent = make_agent(hook.url)
    send(stack, agent)
    message_id = hook.wait().headers["webhook-id"]

    def details() -> list[dict]:
        with stack.db() as db, db.cursor() as query:
            query.execute("SELECT detail FROM message_events WHERE message_id = %s "
                          "AND stage = 'webhook' ORDER BY id", [message_id])
            return [row[0] for row in query.fetchall()]

    detail = wait_until("the attempt", details)[0]
    assert (detail["status"], detail.get("answer")) == (status, want)
