# SPDX-License-Identifier: Apache-2.0
"""What an owner sees of webhook calls, and calls that are made again because somebody
asked for it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import WebhookReceiver, check_auth_headers, check_standard_webhook
from tests.integration.client import Answer, add_key, signed_in, with_key
from tests.integration.sender import Sender, query, said

NO_AGENT = (404, "agent not found: agent not found\n")
NO_MESSAGE = (404, "message not found\n")
LOCAL = (409, "agent is not in cloud mode\n")
DISABLED = (409, "the webhook is disabled, enable it first\n")
ID = "msg_" + "0" * 32
DAY = {"since": "2026-01-15T00:00:00Z", "until": "2026-01-16T00:00:00Z"}


class Owner(Sender):
    """One whose agent has a webhook."""

    def __init__(self, stack, hook: WebhookReceiver):
        super().__init__(stack)
        self.hook = hook
        self.write(hook.url)

    def path(self, rest: str) -> str:
        return f"/api/v1/agents/{self.agent}/{rest}"

    def write(self, url: str, **more: str) -> None:
        answer = self.call("PUT", f"/api/v1/agents/{self.agent}",
                           {"agent_mode": "cloud", "webhook_url": url, **more})
        assert answer.status == 200, answer

    def endpoint(self) -> dict:
        return self.call("GET", self.path("webhook")).json

    def log(self, message: str, page: str = "") -> dict:
        return self.call("GET", self.path(f"messages/{message}/deliveries{page}")).json

    def listed(self, page: str = "") -> list[str]:
        return [d["message_id"] for d in
                self.call("GET", self.path(f"deliveries{page}")).json["deliveries"]]

    def wait_state(self, message: str, state: str) -> dict:
        def probe() -> dict | None:
            found = self.log(message)
            return found if found["delivery"]["state"] == state else None

        return wait_until(f"{message} to be {state}", probe, interval=0.05)

    def again(self, message: str, *fields: str) -> Answer:
        return self.call("POST", self.path(f"messages/{message}/redeliver"), None, *fields)

    def all_again(self, *fields: str, **wish: object) -> Answer:
        return self.call("POST", self.path("redeliver"), wish or None, *fields)


@pytest.fixture
def owner(stack, account, hook) -> Owner:
    return Owner(stack, hook)


@pytest.fixture
def gone(owner) -> tuple[Owner, str]:
    """An owner whose webhook has answered 410 to a mail."""
    owner.hook.answer = lambda _: 410
    message = owner.receive()
    owner.wait_state(message, "failed")
    owner.hook.answer = lambda _: 200
    return owner, message


def make_failed(stack, owner: Owner, count: int, expires: str = "1 day") -> list[str]:
    """Mail that came on 2026-01-15, one a second, with a call that has failed."""
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(
            "WITH m AS (INSERT INTO messages (id, user_id, agent_email, raw_id, direction, "
            "inbox_status, header_from, created_at, expires_at) SELECT 'msg_00' || lpad(n::text, 6, '0') "
            "|| %s, %s, %s, (SELECT id FROM raw_messages LIMIT 1), 'inbound', 'unread', 'a@b.example', "
            "'2026-01-15T00:00:00Z'::timestamptz + n * interval '1 s', now() + %s::interval "
            "FROM generate_series(0, %s - 1) n RETURNING id) "
            "INSERT INTO webhook_jobs (message_id, user_id, agent_email, state, attempts, due_at, "
            "last_status, last_error) SELECT m.id, %s, %s, 'failed', 11, now(), 503, 'http_status' "
            "FROM m RETURNING message_id",
            [os.urandom(12).hex(), owner.user_id, owner.agent, expires, count, owner.user_id,
             owner.agent])
        return sorted(row[0] for row in cursor.fetchall())


# ---- one message ----

def test_a_delivered_mail_is_delivered_again_the_same_and_signed_afresh(stack, owner):
    message = owner.receive()
    owner.wait_state(message, "delivered")
    assert owner.again(message).json == {"message_id": message, "status": "redelivered"}
    first, second = owner.hook.wait_count(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == message
    assert {**first.json, "auth_headers": None} == {**second.json, "auth_headers": None}
    for delivery in (first, second):
        check_auth_headers(delivery.json, owner.account.secret)
        check_standard_webhook(delivery, owner.account.whsec)
    log = owner.wait_state(message, "delivered")["log"]
    assert [(e["outcome"], e["attempt"], e["status"], e["by"]) for e in log] == [
        ("delivered", 1, 200, None), ("redelivered", None, None, "account"),
        ("delivered", 1, 200, None)]
    assert all(e["duration_ms"] >= 0 and e["error"] is None for e in (log[0], log[2]))
    assert owner.again(message).json["status"] == "recent"
    assert len(owner.hook.items) == 2


def test_many_who_ask_at_once_are_one(stack, owner):
    message = owner.receive()
    owner.wait_state(message, "delivered")
    with ThreadPoolExecutor(20) as pool:
        said_to = [a.json["status"] for a in pool.map(lambda _: owner.again(message), range(20))]
    assert said_to.count("redelivered") == 1
    assert set(said_to) <= {"redelivered", "recent", "under_way"}
    owner.wait_state(message, "delivered")
    assert [e["outcome"] for e in owner.log(message)["log"]].count("redelivered") == 1
    assert len(owner.hook.items) == 2


def test_what_is_under_way_is_left_alone(stack, owner):
    called, go_on = threading.Event(), threading.Event()

    def hang(_) -> int:
        called.set()
        assert go_on.wait(15)
        return 200

    owner.hook.answer = hang
    message = owner.receive()
    assert called.wait(15)
    delivery = owner.log(message)["delivery"]
    assert (delivery["state"], delivery["under_way"], delivery["next_attempt_at"]) == (
        "pending", True, None)
    assert owner.listed("?state=pending") == [message] and owner.listed() == []
    assert owner.again(message).json["status"] == "under_way"
    go_on.set()
    log = owner.wait_state(message, "delivered")["log"]
    assert [e["outcome"] for e in log] == ["delivered"] and len(owner.hook.items) == 1


def test_a_request_that_is_repeated_is_answered_the_same(stack, owner):
    message = owner.receive()
    owner.wait_state(message, "delivered")
    key = f"Idempotency-Key: {os.urandom(8).hex()}"
    first, second = owner.again(message, key), owner.again(message, key)
    assert first.json == second.json and first.json["status"] == "redelivered"
    assert second.headers["idempotency-replayed"] == "true"
    assert said(owner.all_again(key)) == (422, "Idempotency-Key was used for a different request\n")


# ---- an endpoint that is gone ----

def test_a_webhook_that_is_gone_is_enabled_and_gets_its_mail(gone):
    owner, message = gone
    endpoint = owner.endpoint()
    assert (endpoint["state"], endpoint["disabled_reason"], endpoint["last_status"],
            endpoint["last_error"]) == ("disabled", "http_gone", 410, "http_gone")
    assert (endpoint["failed"], endpoint["pending"]) == (1, 0) and endpoint["failing_since"]
    assert owner.inbox(owner.agent)[0]["status"] == "unread"
    later = owner.receive()
    assert owner.wait_state(later, "failed")["delivery"]["last_error"] == "endpoint_disabled"
    assert owner.listed() == [later, message]
    assert said(owner.again(message)) == said(owner.all_again()) == DISABLED
    enabled = owner.call("POST", owner.path("webhook/enable"))
    assert enabled.status == 200 and enabled.json["state"] == "draining"
    assert (enabled.json["disabled_at"], enabled.json["failures"]) == (None, 0)
    assert owner.all_again().json == {"redelivered": 2, "skipped": 0}
    for one in (message, later):
        owner.wait_state(one, "delivered")
    assert owner.listed() == []
    assert [d.json["message_id"] for d in owner.hook.wait_count(3)].count(later) == 1
    wait_until("a quiet endpoint", lambda: owner.endpoint()["state"] == "ok")


@pytest.mark.parametrize("who", ["key", "browser"])
def test_writing_the_url_is_a_fresh_start(stack, gone, who):
    owner, message = gone
    if who == "key":
        owner.write(owner.hook.url)
    else:
        answer = signed_in(stack, owner.user_id)("PUT", f"/api/dashboard/agents/{owner.agent}",
                                                 {"webhook_url": owner.hook.url})
        assert answer.status == 200
    assert owner.endpoint()["state"] in ("draining", "ok")
    assert owner.again(message).json["status"] == "redelivered"
    owner.wait_state(message, "delivered")


def test_another_change_is_none(gone):
    owner, _ = gone
    owner.hold()
    assert owner.endpoint()["state"] == "disabled"


def test_an_agent_without_webhook_has_nothing_to_call(stack, gone):
    owner, message = gone
    assert owner.call("PUT", f"/api/v1/agents/{owner.agent}", {"agent_mode": "local"}).status == 200
    endpoint = owner.endpoint()
    assert (endpoint["state"], endpoint["webhook_url"], endpoint["failed"]) == ("none", "", 1)
    assert said(owner.again(message)) == said(owner.all_again()) == LOCAL
    assert said(owner.call("POST", owner.path("webhook/enable"))) == LOCAL
    local = owner.receive()
    assert said(owner.again(local)) == LOCAL
    assert owner.log(local) == {"log": [], "delivery": {
        **owner.log(local)["delivery"], "state": "none", "attempts": 0, "under_way": False,
        "last_status": None, "last_error": None, "next_attempt_at": None}}
    owner.write(owner.hook.url)  # what came meanwhile may be had by webhook, too
    assert owner.again(local).json["status"] == "redelivered"
    owner.wait_state(local, "delivered")


def test_the_mode_may_change_while_mail_waits(stack, owner):
    owner.hook.answer = lambda _: 500
    message = owner.receive()
    wait_until("a failure", lambda: owner.endpoint()["failures"] > 0)
    assert owner.endpoint()["state"] == "failing"
    assert owner.call("PUT", f"/api/v1/agents/{owner.agent}", {"agent_mode": "local"}).status == 200
    delivery = owner.log(message)["delivery"]
    assert delivery["state"] == "none" and owner.log(message)["log"][0]["error"] == "not_cloud"
    assert owner.inbox(owner.agent)[0]["status"] == "unread"


# ---- lists and windows ----

def test_the_log_comes_in_pages(stack, gone):
    owner, message = gone
    query(stack, "INSERT INTO message_events (message_id, user_id, stage, outcome, reason, detail) "
          "SELECT %s, %s, 'webhook', 'deferred', 'http_status', jsonb_build_object('attempt', n, "
          "'status', 503, 'ms', 7, 'answer', 'no <b>\u00fc') FROM generate_series(2, 5) n",
          message, owner.user_id)
    page, seen = owner.log(message, "?page_size=2"), []
    while True:
        seen += [e["attempt"] for e in page["log"]]
        if "next_token" not in page:
            break
        token = page["next_token"]
        page = owner.log(message, f"?page_size=2&token={token}")
    assert seen == [5, 4, 3, 2, 1]
    assert owner.log(message)["log"][0]["answer"] == "no <b>\u00fc"
    other = owner.receive()
    for path in (f"messages/{other}/deliveries", "deliveries", "messages"):
        answer = owner.call("GET", owner.path(f"{path}?token={token}"))
        assert answer.status == 400 and "different filters" in answer.text
    forged = owner.call("GET", owner.path(f"messages/{message}/deliveries?token={token[:-2]}"))
    assert said(forged) == (400, "invalid pagination token\n")


def test_what_has_failed_is_listed_in_pages_newest_first(stack, owner):
    owner.receive()
    failed = make_failed(stack, owner, 5)
    first = owner.call("GET", owner.path("deliveries?page_size=3")).json
    last = owner.call("GET", owner.path(f"deliveries?page_size=3&token={first['next_token']}")).json
    assert [d["message_id"] for d in first["deliveries"] + last["deliveries"]] == failed[::-1]
    assert "next_token" not in last
    assert {k: v for k, v in last["deliveries"][-1].items() if k != "message_id"} == {
        "from": "a@b.example", "subject": "", "created_at": "2026-01-15T00:00:00Z",
        "state": "failed", "under_way": False, "attempts": 11, "next_attempt_at": None,
        "last_status": 503, "last_error": "http_status"}
    assert said(owner.call("GET", owner.path("deliveries?state=all"))) == (
        400, "state must be 'failed' or 'pending'\n")
    other = owner.call("GET", owner.path(f"deliveries?state=pending&token={first['next_token']}"))
    assert other.status == 400 and "different filters" in other.text


def test_a_time_is_delivered_again_in_its_order(stack, owner):
    owner.receive()
    owner.hook.wait()
    failed = make_failed(stack, owner, 6)
    answer = owner.all_again(since="2026-01-15T00:00:01Z", until="2026-01-15T01:00:04+01:00")
    assert answer.json == {"redelivered": 3, "skipped": 0}
    for message in failed[1:4]:
        owner.wait_state(message, "delivered")
    assert owner.listed() == [failed[5], failed[4], failed[0]]
    assert owner.all_again(state="all", **DAY).json == {"redelivered": 3, "skipped": 3}
    for message in failed:
        owner.wait_state(message, "delivered")
    assert owner.all_again().json == {"redelivered": 0, "skipped": 0}


WRONG = [
    ({"state": "everything"}, "state must be 'failed' or 'all'"),
    ({"state": "failed\0"}, "state must be 'failed' or 'all'"),
    ({"since": "yesterday"}, "since must be an RFC 3339 timestamp"),
    ({"since": "2026-01-15"}, "since must be an RFC 3339 timestamp"),
    ({"until": "2026-02-30T00:00:00Z"}, "until must be an RFC 3339 timestamp"),
    ({"state": "all"}, "since is required with state 'all'"),
    ({"state": "all", "until": DAY["until"]}, "since is required with state 'all'"),
    ({"since": DAY["until"], "until": DAY["since"]}, "until must be later than since"),
    ({"since": DAY["since"], "until": DAY["since"]}, "until must be later than since"),
    ({"token": "x"}, "invalid pagination token"),
    ({"since": 7}, "invalid request body"),
    ([], "invalid request body"),
]


@pytest.mark.parametrize("wish, text", WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_a_wish_that_makes_no_sense_is_told_so(owner, wish, text):
    assert said(owner.call("POST", owner.path("redeliver"), wish)) == (400, text + "\n")


def test_a_large_wish_goes_on_where_it_ended(stack, owner, hook):
    """Of mail that is over nothing is called, but it is looked at."""
    owner.receive()
    make_failed(stack, owner, 1000, "-1 day")
    kept = make_failed(stack, owner, 1)
    for wish in ({}, DAY):
        first = owner.all_again(**wish).json
        assert first["redelivered"] + first["skipped"] <= 1
        token = first["next_token"]
        rest = owner.all_again(token=token, **wish).json
        assert "next_token" not in rest
        for other in ({"since": DAY["since"]}, {"state": "all", **DAY}):
            assert said(owner.all_again(token=token, **other)) == (
                400, "token was created for a different redelivery\n")
        stranger = Owner(stack, hook)
        assert said(stranger.all_again(token=token, **wish)) == (400, "invalid pagination token\n")
    owner.wait_state(kept[0], "delivered")


# ---- who may ----

def test_what_is_not_there_and_what_is_foreign_look_alike(stack, gone, hook):
    owner, message = gone
    other = Owner(stack, hook)
    for path in ("webhook/enable", f"messages/{message}/redeliver", "redeliver"):
        foreign = other.call("POST", f"/api/v1/agents/{owner.agent}/{path}")
        absent = other.call("POST", f"/api/v1/agents/none@agents.example/{path}")
        assert said(foreign) == said(absent) == NO_AGENT
    for path in ("webhook", f"messages/{message}/deliveries", "deliveries"):
        assert said(other.call("GET", f"/api/v1/agents/{owner.agent}/{path}")) == NO_AGENT
    sent = other.send().json["id"]
    other.hold()
    held = other.send().json["id"]
    for one in (message, sent, held, ID, "x", "%00", "%ff", "'"):
        assert said(other.again(one)) == NO_MESSAGE
        answer = other.call("GET", other.path(f"messages/{one}/deliveries"))
        assert said(answer) == NO_MESSAGE
    assert owner.endpoint()["state"] == "disabled" and other.listed("?state=pending") == []


def test_an_agents_own_key_sees_its_webhook_and_changes_nothing(stack, gone):
    owner, message = gone
    key = with_key(stack.http_port, add_key(stack, owner.user_id, agent=owner.agent)[1])
    sister = with_key(stack.http_port, add_key(stack, owner.user_id, agent=owner.make_agent())[1])
    for path in ("webhook", "deliveries", f"messages/{message}/deliveries"):
        assert key("GET", owner.path(path)).status == 200
        assert said(sister("GET", owner.path(path))) == NO_AGENT
    for path in ("webhook/enable", "redeliver", f"messages/{message}/redeliver"):
        assert said(key("POST", owner.path(path))) == NO_AGENT
    assert owner.endpoint()["state"] == "disabled"
