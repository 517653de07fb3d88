# SPDX-License-Identifier: Apache-2.0
"""Lists that wait for mail: when they answer, where they go on, and that nobody else
notices those that wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from tests.integration.client import (Answer, Http, add_key, add_session, insert_mail,
                                      metered_apid, second_apid, wait_used)
from tests.integration.scrape import scrape
from tests.integration.test_websocket import send


def target(agent: str, **query: Any) -> str:
    return f"/api/v1/agents/{agent}/messages?" + "&".join(f"{k}={v}" for k, v in query.items())


class Poll(Http):
    """A request that waits; answered() is what came, and how long it took."""

    def __init__(self, port: int, key: str, agent: str, *fields: str, **query: Any):
        super().__init__(port, key, timeout=70)
        self.start = time.monotonic()
        self.write(self.head("GET", target(agent, **query), *fields))

    def answered(self) -> tuple[Answer, float]:
        answer = self.answer()
        return answer, time.monotonic() - self.start

    def page(self) -> dict[str, Any]:
        answer = self.answer()
        assert answer.status == 200, answer
        return answer.json


@pytest.fixture
def poll(stack, account):
    """poll(agent, wait=..., ...): a request that waits, closed after the test."""
    opened: list[Poll] = []

    def poll(agent: str, *fields: str, port: int = 0, key: str | None = None, **query: Any) -> Poll:
        opened.append(Poll(port or stack.http_port, account.api_key if key is None else key, agent,
                           *fields, **query))
        return opened[-1]

    yield poll
    for p in opened:
        p.close()


def cursor(api: Api, agent: str, **query: Any) -> str:
    """Behind all that is there now."""
    place: dict[str, Any] = {}
    while True:
        status, page = api.get(target(agent, wait=0, **query, **place))
        assert status == 200, page
        if "next_token" not in page:
            return page["cursor"]
        assert page["next_token"] == page["cursor"]
        place = {"token": page["cursor"]}


def test_a_list_that_is_not_empty_does_not_wait(stack, account, api, make_agent):
    agent = make_agent()
    insert_mail(stack, account.user_id, agent, 3)
    status, page = api.get(target(agent, wait=60, page_size=2))
    assert status == 200 and len(page["messages"]) == 2 and page["next_token"] == page["cursor"]
    status, rest = api.get(target(agent, wait=60, page_size=2, token=page["cursor"]))
    assert len(rest["messages"]) == 1 and "next_token" not in rest and rest["cursor"]
    assert "cursor" not in api.get(target(agent))[1]


def test_an_empty_list_waits_for_mail_and_no_longer(stack, account, make_agent, poll):
    agent = make_agent()
    waiting, short = poll(agent, wait=60), poll(agent, wait=2)
    answer, seconds = short.answered()
    assert answer.json["messages"] == [] and 1 < seconds < 10
    send(stack, agent, "at last")
    page = waiting.page()
    assert [m["subject"] for m in page["messages"]] == ["at last"]
    assert "next_token" not in page


@pytest.mark.parametrize("way", ["notified", "through another e2a-apid", "with the notification lost"])
def test_behind_a_cursor_each_mail_comes_once_without_being_read(stack, account, api, make_agent,
                                                                poll, way):
    agent, told = make_agent(), []
    place = cursor(api, agent)
    with second_apid(stack, 24) as apid:
        for n in range(5):
            waiting = poll(agent, wait=60, token=place,
                           port=apid.port if "another" in way and n % 2 else 0)
            if "lost" in way:
                insert_mail(stack, account.user_id, agent, subject=str(n))
            else:
                send(stack, agent, n)
            page = waiting.page()
            told += page["messages"]
            place = page["cursor"]
    assert [m["subject"] for m in told] == [str(n) for n in range(5)]
    assert {m["status"] for m in told} == {"unread"}


def test_mail_that_is_seen_late_is_not_missed(stack, account, api, make_agent, poll):
    """Stored before another, and committed after it."""
    agent = make_agent()
    place = cursor(api, agent)
    with stack.db() as slow, slow.cursor() as query:
        query.execute("INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, "
                      "subject, expires_at) VALUES ('msg_' || md5(%s), %s, %s, 'inbound', 'unread', "
                      "'first', now() + interval '1 day')", [agent, account.user_id, agent])
        query.execute("SELECT pg_notify('e2a_mail', %s)", [agent])
        insert_mail(stack, account.user_id, agent, subject="second")
        page = poll(agent, wait=60, token=place).page()
        assert [m["subject"] for m in page["messages"]] == ["second"]
        waiting = poll(agent, wait=60, token=page["cursor"])
    page = waiting.page()
    assert [m["subject"] for m in page["messages"]] == ["first"]
    assert api.get(target(agent, wait=0, token=page["cursor"]))[1]["messages"] == []


def test_a_filter_is_waited_for(stack, account, api, make_agent, poll):
    """Mail that does not match wakes nobody for long."""
    agent = make_agent()
    waiting = [poll(agent, wait=60, subject_contains="right"), poll(agent, wait=60, **{"from": "bob"}),
               poll(agent, wait=60, status="all", conversation_id="conv-7")]
    send(stack, agent, "wrong", "the right one")
    page = waiting[0].page()
    assert [m["subject"] for m in page["messages"]] == ["the right one"]
    for column, value in (("header_from", "bob@sender.example"), ("conversation_id", "conv-7")):
        with stack.db() as db, db.cursor() as query:
            query.execute(
                f"INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, subject, "
                f"{column}, expires_at) VALUES ('msg_' || md5(%s), %s, %s, 'inbound', 'unread', %s, "
                f"%s, now() + interval '1 day')",
                [agent + column, account.user_id, agent, column, value])
            query.execute("SELECT pg_notify('e2a_mail', %s)", [agent])
    assert [m["subject"] for m in waiting[1].page()["messages"]] == ["header_from"]
    assert [m["subject"] for m in waiting[2].page()["messages"]] == ["conversation_id"]


@pytest.mark.parametrize("query, text", [
    ("wait=x", "wait must be a number of seconds"), ("wait=-1", "wait must be a number of seconds"),
    ("wait=1.5", "wait must be a number of seconds"),
    ("wait=9999999999999999999999", "wait must be a number of seconds"),
    ("wait=1&sort=desc", "wait is not possible with sort=desc or status=read"),
    ("wait=1&status=read", "wait is not possible with sort=desc or status=read"),
    ("wait=1&token=x", "invalid pagination token"),
])
def test_what_cannot_be_waited_for_is_refused(api, make_agent, query, text):
    assert api.get(f"/api/v1/agents/{make_agent()}/messages?{query}") == (400, text + "\n")


def test_a_cursor_is_of_one_agent_and_its_filters(api, strange_api, make_agent):
    agent, other = make_agent(), make_agent()
    place = cursor(api, agent)
    assert api.get(target(other, wait=1, token=place))[0] == 400
    assert api.get(target(agent, wait=1, token=place, status="all"))[0] == 400
    assert strange_api.get(target(agent, wait=1, token=place))[0] == 404
    assert api.get(target(agent, wait=0, token=place, page_size=7))[0] == 200
    # also where nothing can be waited for, it is a place in the list
    assert api.get(target(agent, token=place))[1].keys() == {"messages", "cursor"}


@pytest.mark.parametrize("change, status, text", [
    ("UPDATE api_keys SET revoked_at = now() WHERE id = %(key)s", 401, "unauthorized\n"),
    ("DELETE FROM agents WHERE email = %(agent)s", 404, "agent not found: agent not found\n"),
], ids=["revoked key", "deleted agent"])
def test_who_may_no_longer_see_the_mail_is_told_at_once(stack, account, make_agent, poll, change, status,
                                                      text):
    agent = make_agent()
    key_id, key = add_key(stack, account.user_id)
    waiting = poll(agent, wait=60, key=key)
    wait_used(stack, key_id)
    with stack.db() as db, db.cursor() as query:
        query.execute(change, {"agent": agent, "key": key_id})
    answer, _ = waiting.answered()
    assert (answer.status, answer.text) == (status, text)


def test_a_browser_may_wait_too(stack, account, make_agent, poll):
    agent = make_agent()
    session = add_session(stack, account.user_id)
    waiting = poll(agent, f"Cookie: e2a_session={session}", key="", wait=60)
    send(stack, agent, "for the browser")
    assert len(waiting.page()["messages"]) == 1


def test_a_wait_counts_once_for_the_limit(stack, account, make_agent):
    agent = make_agent()
    with second_apid(stack, 25, rate_poll="3") as apid, \
            Http(apid.port, stack.bootstrap("patient@other.example").api_key) as http:
        patient = Api(apid.url, http.key)
        agent = patient.make_agent("patient")
        waiting = Poll(apid.port, http.key, agent, wait=60, subject_contains="end")
        for n in range(5):
            send(stack, agent, f"not yet {n}")
        send(stack, agent, "the end")
        assert [m["subject"] for m in waiting.page()["messages"]] == ["the end"]
        waiting.close()
        statuses = [http.request("GET", target(agent, wait=1, subject_contains="x")).status
                    for _ in range(3)]
        assert statuses == [200, 200, 429]


def test_who_goes_away_or_sends_no_more_is_let_go(stack, account, make_agent, poll):
    agent = make_agent()
    mark = stack.apid.log_mark()
    key_id, key = add_key(stack, account.user_id)
    half, gone = poll(agent, wait=60), poll(agent, wait=60, key=key)
    wait_used(stack, key_id)
    gone.close()
    half.half_close()
    answer, seconds = half.answered()
    assert answer.json["messages"] == [] and seconds < 10
    wait_until("both requests to end", lambda: stack.apid.log_since(mark).count("/messages status=") == 2)


def test_a_connection_goes_on_after_a_wait(stack, make_agent, poll):
    """Also with the next request written during the wait."""
    agent = make_agent()
    waiting = poll(agent, wait=1)
    waiting.write(waiting.head("GET", target(agent, wait=0)))
    assert waiting.page()["messages"] == [] == waiting.page()["messages"]
    assert waiting.request("GET", "/api/v1/agents").status == 200


def test_hundreds_that_wait_disturb_nobody(stack, build, account, make_agent):
    """More than there are threads, database connections, and connections for others."""
    agents = [make_agent() for _ in range(50)]
    with second_apid(stack, 26, http_max_connections="20", wait_max="400", wait_per_agent="8") as apid:
        before = apid.resident_kb()
        waiting: list[Poll] = []
        for n in range(400):
            waiting.append(Poll(apid.port, account.api_key, agents[n % 50], wait=60))
            if n % 10 == 9:  # those that are not parked yet count as others
                with Http(apid.port, account.api_key) as http:
                    assert http.request("GET", "/api/v1/agents").status == 200
        with Http(apid.port, account.api_key) as http:
            wait_until("all places to be taken", lambda: http.request(
                "GET", target(agents[0], wait=1)).status == 503)
            assert all(http.request("GET", target(agents[0])).status == 200 for _ in range(50))
        each_kb = (apid.resident_kb() - before) / 400
        assert each_kb < 64 or "-" in build.name and each_kb < 512  # as sanitisers need
        senders = [threading.Thread(target=send, args=(stack, agent, "for eight")) for agent in agents[:5]]
        for thread in senders:
            thread.start()
        for n, p in enumerate(waiting):
            if n % 50 < 5:
                assert [m["subject"] for m in p.page()["messages"]] == ["for eight"]
        for thread in senders:
            thread.join()
        for p in waiting:
            p.close()


def test_one_that_is_always_notified_leaves_the_worker_to_others(stack, account, make_agent):
    """The only worker is inside its look, at a locked table, when there is the next
    notification, another request, and the next lock."""
    agent = make_agent()
    look, lock, next_lock = stack.db(), stack.db(), stack.db()
    lock.autocommit = next_lock.autocommit = False

    def ask(query: str) -> int:
        with look.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    def take(db) -> None:
        with db.cursor() as cursor:
            cursor.execute("LOCK TABLE messages")

    def wait_blocked(count: int) -> None:
        wait_until(f"{count} to wait for the table", lambda: ask(
            "SELECT count(*) FROM pg_locks WHERE NOT granted "
            "AND relation = 'messages'::regclass") >= count)

    with (metered_apid(stack, 27, http_workers="1") as apid, ThreadPoolExecutor() as pool,
          Http(apid.port, account.api_key) as other):
        def metric(name: str) -> float:
            return scrape(apid.metrics_url)[f"e2a_apid_{name}"]

        def notify() -> None:
            before = metric("wakeups_total")
            ask(f"SELECT 1 FROM pg_notify('e2a_mail', '{agent}')")
            wait_until("the wake-up", lambda: metric("wakeups_total") > before)

        with Poll(apid.port, account.api_key, agent, wait=60):
            wait_until("the wait", lambda: metric('waiters{kind="long_poll"}') == 1)
            take(lock)
            notify()
            wait_blocked(1)
            notify()
            locked = pool.submit(take, next_lock)
            wait_blocked(2)
            other.write(other.head("GET", "/api/v1/users/me/signing-secrets"))
            wait_until("the request to be queued",
                       lambda: metric('jobs_queued{kind="request"}') == 1)
            lock.rollback()
            assert other.answer().status == 200
            locked.result()
            next_lock.rollback()
    for db in (look, lock, next_lock):
        db.close()
