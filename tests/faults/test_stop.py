# SPDX-License-Identifier: Apache-2.0
"""Stopping is our doing: it costs nobody anything."""

from __future__ import annotations

import threading

from scripts.stack.mail import compose

SETTINGS = {"webhook_timeout": "30s"}
SENDER = "alice@sender.example"


def test_a_call_that_a_stop_breaks_off_is_no_attempt(stack, make_agent, hook):
    called, go_on = threading.Event(), threading.Event()

    def hang(_handler) -> None:
        called.set()
        go_on.wait(60)

    hook.answer = lambda _: hang
    agent = make_agent(hook.url)
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    assert called.wait(15)
    stack.deliverd.stop()
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute("SELECT state, attempts, lease_id FROM webhook_jobs WHERE agent_email = %s",
                       [agent])
        assert cursor.fetchall() == [("pending", 0, None)]
    hook.answer = lambda _: 200
    go_on.set()
    stack.deliverd.start()
    assert hook.wait_count(2)[1].json["recipient"] == agent
