# SPDX-License-Identifier: Apache-2.0
"""What /readyz says while parts are away, hang or lag behind; and that a limit
that cannot be counted lets nobody through."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import Api

SETTINGS = {"http_workers": "2"}
QUICK = 1.0  # seconds; a probe that waited for Postgres would take longer
LATE = "1 hour"


@pytest.fixture(autouse=True)
def ready_again(stack):
    Api(stack.url).get("/readyz")  # the first one reads the document that answers are checked by
    yield
    stack.heal()
    wait_until("readiness", lambda: probe(stack)[0] == 200)


def probe(stack) -> tuple[int, dict]:
    """Never takes long, whatever happens."""
    start = time.monotonic()
    answer = Api(stack.url).get("/readyz")
    assert time.monotonic() - start < QUICK
    return answer


def wait_for(stack, code: int, **values: str) -> dict:
    def find() -> dict | None:
        got, body = probe(stack)
        fits = got == code and all(body[k] == v for k, v in values.items())
        return body if fits else None

    return wait_until(f"{code} {values}", find)


def execute(stack, sql: str, *values: object) -> None:
    with closing(stack.db()) as db, db.cursor() as query:
        query.execute(sql, values)


@contextmanager
def frozen(stack):
    """Every process of Postgres stands still: connections stay, answers do not come."""
    pids = stack.postgres.children()
    stack.postgres.pause()
    try:
        for pid in pids:
            signal.pidfd_send_signal(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            signal.pidfd_send_signal(pid, signal.SIGCONT)
            os.close(pid)
        stack.postgres.resume()


def test_all_is_well(stack, account):
    body = wait_for(stack, 200, status="ready")
    assert body == {"status": "ready", "database": "ok", "schema": "ok",
                    "queue": {"state": "ok", "pending": 0, "oldest_seconds": 0}}


def test_a_database_that_is_away_is_noticed_and_found_again(stack, account):
    mark = stack.apid.log_mark()
    stack.postgres.stop()
    body = wait_for(stack, 503, status="not ready")
    assert body == {"status": "not ready", "database": "unreachable", "schema": "unknown",
                    "queue": {"state": "unknown", "pending": 0, "oldest_seconds": 0}}
    assert Api(stack.url).get("/api/health") == (200, {"status": "ok"})
    assert "not_ready" in stack.apid.log_since(mark)
    pid = stack.apid.pid
    stack.postgres.start()
    wait_for(stack, 200, status="ready")
    assert stack.apid.pid == pid
    stack.wait_for_log("apid", "ready_again", mark)


def test_a_database_that_hangs_holds_up_no_probe(stack, account):
    """Also while every worker hangs in a request."""
    wait_for(stack, 200)
    api = Api(stack.url, account.api_key)
    with ThreadPoolExecutor(8) as pool:
        with frozen(stack):
            stuck = [pool.submit(api.get, "/api/v1/agents") for _ in range(8)]
            wait_for(stack, 503, database="unreachable")
            assert Api(stack.url).get("/api/health")[0] == 200
            assert not any(request.done() for request in stuck)
        assert {request.result()[0] for request in stuck} == {200}
    wait_for(stack, 200, status="ready")


def test_a_stop_does_not_wait_for_a_database_that_hangs(stack, account):
    wait_for(stack, 200)
    with frozen(stack):
        wait_for(stack, 503, database="unreachable")
        start = time.monotonic()
        assert stack.apid.stop() == 0
        assert time.monotonic() - start < 5
    stack.apid.start()


def test_another_schema_is_noticed(stack, account):
    with closing(stack.db()) as db, db.cursor() as query:
        query.execute("SELECT version, name, sha256 FROM schema_migrations "
                      "ORDER BY version DESC LIMIT 1")
        last = query.fetchone()
    for sql in ("DELETE FROM schema_migrations WHERE version = %s",
                "UPDATE schema_migrations SET sha256 = 'x' WHERE version = %s"):
        execute(stack, sql, last[0])
        body = wait_for(stack, 503, status="not ready", schema="outdated")
        assert (body["database"], body["queue"]["state"]) == ("ok", "unknown")
        execute(stack, "DELETE FROM schema_migrations WHERE version = %s", last[0])
        execute(stack, "INSERT INTO schema_migrations (version, name, sha256) "
                       "VALUES (%s, %s, %s)", *last)
        wait_for(stack, 200, status="ready")


def add_mail_jobs(stack, n: int, due: str, lease: str | None) -> None:
    execute(stack, "INSERT INTO mail_jobs (id, kind, recipient, sealed, due_at, expires_at, "
                   "lease_until) SELECT 'ready-' || i, 'feedback', 'x@other.example', '', "
                   "now() - %s::interval, now() + interval '1 d', now() + %s::interval "
                   "FROM generate_series(1, %s) i", due, lease, n)


@pytest.fixture
def idle(stack, account):
    """Nobody works on the queues."""
    stack.deliverd.stop()
    yield
    execute(stack, "DELETE FROM mail_jobs WHERE id LIKE 'ready-%%'")
    stack.deliverd.start()


@pytest.mark.parametrize("n, due, lease, state, pending", [
    (3, "1 second", None, "ok", 3),
    (3, LATE, None, "late", 3),
    (3, LATE, "-1 second", "late", 3),
    (3, LATE, "1 hour", "ok", 0),
    (3, "-1 hour", None, "ok", 0),
    (1500, LATE, None, "late", 1000),
])
def test_a_queue_that_nobody_works_on_is_late(stack, idle, n, due, lease, state, pending):
    """Which is told, and no reason to send clients elsewhere."""
    add_mail_jobs(stack, n, due, lease)

    def find() -> bool:
        status, body = probe(stack)
        queue = body["queue"]
        assert status == 200
        return (queue["state"], queue["pending"]) == (state, pending) and \
            (state == "ok" or queue["oldest_seconds"] in range(3600, 3660))

    wait_until(f"{state}, {pending} pending", find)


def test_a_limit_that_cannot_be_counted_lets_nobody_through(stack, account):
    api = Api(stack.url, account.api_key)
    stack.postgres.stop()
    for _ in range(3):
        for status, text in (api.post("/api/v1/agents", {"slug": "x-1", "agent_mode": "local"}),
                             api.post("/api/feedback", {"message": "x"})):
            assert (status, text) == (503, "not available now, try again later\n")


def test_a_limit_that_is_forbidden_lets_nobody_through(stack, account):
    api = Api(stack.url, account.api_key)
    execute(stack, "REVOKE EXECUTE ON FUNCTION take_slot FROM e2a_apid")
    try:
        assert api.post("/api/feedback", {"message": "x"})[0] == 500
        assert api.get("/api/v1/agents/x@agents.example/messages")[0] == 500
    finally:
        execute(stack, "GRANT EXECUTE ON FUNCTION take_slot TO e2a_apid")
    assert api.post("/api/feedback", {"message": "x"})[0] == 200
