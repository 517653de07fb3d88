# SPDX-License-Identifier: Apache-2.0
"""The janitor: what has served its time goes, what has not stays, and mail that
nobody read does not go unnoticed."""

from __future__ import annotations

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until

SETTINGS = {"janitor_interval": "1s", "idempotency_retention": "1h", "event_retention": "1h"}
SENDER = "alice@sender.example"
ROWS = 1000

# Rows named old and new: before and after their time.
PAIRS = """
INSERT INTO sessions (hash, user_id, expires_at)
    SELECT n::bytea, %(user)s, at FROM pair;
INSERT INTO sign_in_links (hash, browser_hash, email, expires_at)
    SELECT n::bytea, '', 'x', at FROM pair;
INSERT INTO idempotency_keys (owner, key_hash, request_hash, created_at)
    SELECT n, '', '', at - interval '1 h' FROM pair;
INSERT INTO rate_counters (name, admitted, ring, used_at)
    SELECT n, 1, 1, at - interval '25 h' FROM pair;
INSERT INTO rate_hits (name, slot, at) SELECT n, 0, at FROM pair;
INSERT INTO retired_addresses (address, user_id, expires_at)
    SELECT n, %(user)s, at FROM pair;
INSERT INTO mail_jobs (id, kind, recipient, sealed, state, due_at, expires_at)
    SELECT n, 'feedback', 'x', '', 'failed', at - interval '1 h', at FROM pair;
INSERT INTO message_events (message_id, user_id, at, stage, outcome)
    SELECT n, %(user)s, at - interval '1 h', 'ingest', 'stored' FROM pair;
INSERT INTO domains (id, domain, user_id, verification_token)
    SELECT n, n || '.example', %(user)s, '' FROM pair;
INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce, draft_hash,
    expires_at) SELECT n::bytea, '', %(user)s, 'reply', '', '', '', at - interval '30 days' FROM pair;
INSERT INTO dkim_keys (domain_id, selector, state, public_key, sealed, retired_at)
    SELECT n, 'e2a1', 'retired', '', '', at - interval '14 days' FROM pair;
"""
NAMES = {"sessions": "encode(hash, 'escape')", "sign_in_links": "encode(hash, 'escape')",
         "idempotency_keys": "owner", "rate_counters": "name", "rate_hits": "name",
         "retired_addresses": "address", "mail_jobs": "id", "message_events": "message_id",
         "approval_tokens": "encode(hash, 'escape')", "dkim_keys": "domain_id"}


def ask(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall()


def left(stack, table: str) -> set[str]:
    """Of the pairs."""
    return {n for n, in ask(stack, f"SELECT {NAMES[table]} FROM {table}")} & {"old", "new"}


@pytest.fixture
def make_mail(stack, account, make_agent):
    """make_mail(webhook="") -> agent and id of one stored mail."""
    def make(webhook: str = "") -> tuple[str, str]:
        agent = make_agent(webhook)
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        sql = "SELECT id FROM messages WHERE agent_email = %s"
        return agent, wait_until("the mail", lambda: ask(stack, sql, agent))[0][0]

    return make


def age(stack, message: str) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE messages SET expires_at = clock_timestamp() WHERE id = %s", [message])


def wait_gone(stack, message: str) -> list[tuple]:
    """What the ledger says of the end of the message."""
    wait_until("the message to go", lambda: not ask(
        stack, "SELECT FROM messages WHERE id = %s", message))
    return ask(stack, "SELECT outcome, reason FROM message_events "
               "WHERE message_id = %s AND stage = 'retention'", message)


def test_what_has_served_its_time_goes_and_nothing_else(stack, account):
    with stack.db() as db, db.cursor() as query:
        query.execute("CREATE TEMP TABLE pair AS SELECT * FROM (VALUES ('old', now() - interval "
                      "'1 s'), ('new', now() + interval '5 m')) AS t (n, at);" + PAIRS,
                      {"user": account.user_id})
    wait_until("the old rows to go", lambda: all(left(stack, t) == {"new"} for t in NAMES))


def test_unread_mail_does_not_go_unnoticed(stack, make_mail):
    mark = stack.deliverd.log_mark()
    _, message = make_mail()
    age(stack, message)
    assert wait_gone(stack, message) == [("deleted", "unread")]
    line = stack.deliverd.wait_log("retention what=messages .*unread=", mark)
    assert " warn " in line and line.endswith("rows=1 unread=1"), line


def test_read_mail_is_not_called_unread(stack, api, make_mail):
    agent, message = make_mail()
    assert api.get(f"/api/v1/agents/{agent}/messages/{message}")[0] == 200
    age(stack, message)
    assert wait_gone(stack, message) == [("deleted", "")]


def test_mail_that_a_webhook_took_is_not_called_unread(stack, receiver, make_mail):
    _, message = make_mail(receiver.url)
    receiver.wait()
    wait_until("the ledger", lambda: ask(
        stack, "SELECT FROM message_events WHERE message_id = %s AND outcome = 'delivered'",
        message))
    age(stack, message)
    assert wait_gone(stack, message) == [("deleted", "")]


def test_mail_that_a_webhook_still_waits_for_stays(stack, receiver, make_mail):
    receiver.answer = lambda _: 500
    _, message = make_mail(receiver.url)
    receiver.wait()
    age(stack, message)
    _, other = make_mail()
    age(stack, other)
    wait_gone(stack, other)
    assert ask(stack, "SELECT count(*) FROM messages WHERE id = %s", message) == [(1,)]
    receiver.answer = receiver.take
    wait_gone(stack, message)


def fill(stack, user_id: str) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO sessions (hash, user_id, expires_at) "
                      "SELECT n::text::bytea, %s, now() FROM generate_series(1, %s) n",
                      [user_id, ROWS])


def wait_empty(stack) -> None:
    wait_until("all of them to go", lambda: not ask(
        stack, "SELECT FROM sessions WHERE expires_at < now() LIMIT 1"), 60)


def test_two_daemons_do_it_together(stack, account, second):
    mark = stack.deliverd.log_mark()
    fill(stack, account.user_id)
    wait_empty(stack)
    for log in (stack.deliverd.log_since(mark), second.log_since()):
        assert "retention_failed" not in log


@pytest.mark.parametrize("victim", ["deliverd", "postgres"])
def test_it_goes_on_after_a_crash(stack, account, victim):
    fill(stack, account.user_id)
    stack.kill(victim)
    stack.heal()
    wait_empty(stack)
