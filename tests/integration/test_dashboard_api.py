# SPDX-License-Identifier: Apache-2.0
"""The routes of the dashboard: agents by cookie, the same acts as over the API in
other clothes, and what lately happened to an agent."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import Answer, Caller, signed_in, with_key

AGENTS = "/api/dashboard/agents"
SENDER = "alice@sender.example"
ABSENT = (404, "agent not found\n")
HOOK = "http://127.0.0.1:9/"


def unique() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def browser(stack, account) -> Caller:
    return signed_in(stack, account.user_id)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def path_of(agent: str, tail: str = "") -> str:
    return f"{AGENTS}/{quote(agent, safe='')}{tail}"


def v1(browser: Caller, agent: str) -> dict:
    answer = browser("GET", f"/api/v1/agents/{quote(agent, safe='')}")
    return answer.json if answer.status == 200 else {}


def test_the_list_has_two_fields_more_than_the_apis(browser, account, make_agent):
    agent = make_agent()
    mine = next(a for a in browser("GET", AGENTS).json["agents"] if a["email"] == agent)
    assert mine == {**v1(browser, agent), "user_id": account.user_id, "public": True}


def test_who_has_no_agents_gets_an_empty_list(stack):
    browser = signed_in(stack, stack.bootstrap(f"d{unique()}@other.example").user_id)
    assert browser("GET", AGENTS).json == {"agents": []}


def test_a_change_is_answered_without_a_body(browser, make_agent):
    agent = make_agent()
    answer = browser("PUT", path_of(agent), {"agent_mode": "cloud", "webhook_url": HOOK,
                                             "hitl_enabled": True})
    assert (answer.status, answer.body) == (200, b"")
    assert "content-type" not in answer.headers
    changed = v1(browser, agent)
    assert (changed["agent_mode"], changed["webhook_url"], changed["hitl_enabled"]) \
        == ("cloud", HOOK, True)


@pytest.mark.parametrize("body, text", [
    ({"agent_mode": "x"}, "agent_mode must be 'cloud' or 'local'\n"),
    ({"agent_mode": "cloud"}, "webhook_url is required when switching to cloud mode\n"),
    ({"hitl_ttl_seconds": 0}, "hitl_ttl_seconds must be between 1 and 604800\n"),
    ({"hitl_expiration_action": "x"}, "hitl_expiration_action must be 'approve' or 'reject'\n"),
    ({}, "no recognized fields in request\n"),
    (b"{", "invalid request body\n"),
    ({"webhook_url": "https://10.0.0.1/"},
     "invalid webhook URL: webhook URL must use a domain name, not an IP address\n"),
])
def test_a_wrong_change_is_refused_as_over_the_api(browser, make_agent, body, text):
    agent = make_agent()
    before = v1(browser, agent)
    assert said(browser("PUT", path_of(agent), body)) == (400, text)
    assert said(browser("PUT", f"/api/v1/agents/{agent}", body)) == (400, text)
    assert v1(browser, agent) == before


def test_a_deleted_agent_is_gone(browser, make_agent):
    agent = make_agent()
    answer = browser("DELETE", path_of(agent))
    assert (answer.status, answer.body) == (200, b"")
    assert "content-type" not in answer.headers
    assert v1(browser, agent) == {}
    assert said(browser("DELETE", path_of(agent))) == ABSENT


@pytest.mark.parametrize("method, tail, body", [
    ("PUT", "", {"agent_mode": "local"}), ("PUT", "", {"hitl_enabled": True}), ("PUT", "", {}),
    ("DELETE", "", None), ("GET", "/activity", None)])
def test_somebody_elses_agent_is_like_none(stack, browser, stranger, make_agent, method, tail,
                                           body):
    agent = make_agent()
    before = v1(browser, agent)
    strange = signed_in(stack, stranger.user_id)
    for target in (agent, f"{unique()}@{SHARED_DOMAIN}", "no address", "a%00@b.example"):
        path = f"{AGENTS}/{target if '%' in target else quote(target, safe='')}{tail}"
        assert said(strange(method, path, body)) == ABSENT
    assert v1(browser, agent) == before


@pytest.mark.parametrize("method, tail", [("GET", ""), ("PUT", "/x@y.example"),
                                          ("DELETE", "/x@y.example"),
                                          ("GET", "/x@y.example/activity")])
def test_a_key_does_not_open_them(stack, account, method, tail):
    for caller in (with_key(stack.http_port, account.api_key), Caller(stack.http_port, ())):
        assert said(caller(method, AGENTS + tail, {"hitl_enabled": True})) \
            == (401, "not authenticated\n")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_no_page_of_somebody_else_may_act(stack, browser, make_agent, method):
    agent = make_agent()
    elsewhere = Caller(stack.http_port, browser.fields[:1])
    answer = elsewhere(method, path_of(agent), {"hitl_enabled": True}, "Sec-Fetch-Site: cross-site")
    assert answer.status == 403
    assert v1(browser, agent)["hitl_enabled"] is False


# ---- activity ----

def activity(browser: Caller, agent: str) -> list[dict]:
    answer = browser("GET", path_of(agent, "/activity"))
    assert answer.status == 200
    return answer.json


def send(stack, to: str, subject: str, **headers: str) -> None:
    assert stack.send(SENDER, to, compose(SENDER, to, subject, **headers)).code == 250


def test_an_agent_without_mail_has_no_activity(browser, make_agent):
    assert activity(browser, make_agent()) == []


def test_mail_of_a_local_agent_is_listed_with_what_it_says(stack, browser, make_agent,
                                                           wait_messages):
    agent = make_agent()
    send(stack, agent, "First")
    wait_messages(agent, "First")
    send(stack, agent, "Second", Cc="carol@sender.example")
    message = wait_messages(agent, "Second")[-1]
    second, first = activity(browser, agent)
    assert (first["subject"], second["subject"]) == ("First", "Second")
    assert second == {
        "id": message["message_id"], "agent_id": agent, "direction": "inbound", "sender": SENDER,
        "recipient": agent, "subject": "Second", "email_message_id": second["email_message_id"],
        "delivery_status": "unread", "to_recipients": [agent], "cc": ["carol@sender.example"],
        "created_at": second["created_at"], "expires_at": second["expires_at"]}
    assert "cc" not in first
    assert browser("GET", f"/api/v1/agents/{agent}/messages/{message['message_id']}").status == 200
    assert activity(browser, agent)[0]["delivery_status"] == "read"


def test_a_webhook_is_seen_to_wait_to_work_and_to_fail(stack, browser, hook, make_agent):
    agent = make_agent(hook.url)

    def first(status: str) -> dict | None:
        found = activity(browser, agent)
        return found[0] if found and found[0].get("webhook_status") == status else None

    hook.answer = lambda _: 500
    send(stack, agent, "Slow")
    waits = wait_until("a failed attempt", lambda: (
        (found := first("pending")) and found.get("webhook_attempts") and found))
    assert (waits["webhook_error"], waits["delivery_status"]) == ("http_status", "unread")
    hook.answer = lambda _: 200
    done = wait_until("the delivery", lambda: first("delivered"))
    assert done["webhook_attempts"] >= 2
    assert "webhook_error" not in done
    hook.answer = lambda _: 410
    send(stack, agent, "Gone")
    failed = wait_until("the failure", lambda: first("failed"))
    assert (failed["webhook_error"], failed["webhook_attempts"]) == ("http_gone", 1)


def test_the_newest_fifty_of_both_directions_are_listed(stack, account, browser, make_agent):
    agent = make_agent()
    with stack.db() as db, db.cursor() as query:
        query.execute(
            "INSERT INTO messages (id, user_id, agent_email, direction, subject, created_at, "
            "expires_at) SELECT 'msg_' || md5(%s || i), %s, %s, "
            "CASE i %% 2 WHEN 0 THEN 'inbound' ELSE 'outbound' END, i::text, "
            "clock_timestamp() - i * interval '1 s', clock_timestamp() + "
            "CASE WHEN i < 5 THEN interval '-1 s' ELSE interval '1 day' END "
            "FROM generate_series(1, 60) i", [agent, account.user_id, agent])
    found = activity(browser, agent)
    assert [m["subject"] for m in found] == [str(i) for i in range(5, 55)]
    assert {m["direction"] for m in found} == {"inbound", "outbound"}
    for message in found:
        assert message.keys() == {"id", "agent_id", "direction", "sender", "recipient", "subject",
                                  "created_at", "expires_at"}
