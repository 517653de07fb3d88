# SPDX-License-Identifier: Apache-2.0
"""The life of a mail, as its owner and its agent are told it."""

from __future__ import annotations

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import WebhookReceiver
from tests.integration.client import Answer, add_key, signed_in, with_key
from tests.integration.sender import Sender, query, said

NO_AGENT = (404, "agent not found: agent not found\n")
NO_MESSAGE = (404, "message not found\n")
ID = "msg_" + "0" * 32


class Teller(Sender):
    def history(self, message: str, query: str = "", call=None, agent: str = "") -> Answer:
        path = f"/api/v1/agents/{agent or self.agent}/messages/{message}/history{query}"
        return (call or self.call)("GET", path)

    def events(self, message: str, call=None) -> list[dict]:
        answer = self.history(message, call=call)
        assert answer.status == 200, answer
        assert answer.json["message_id"] == message
        return answer.json["events"]

    def words(self, message: str, call=None) -> list[tuple[str, str]]:
        return [(e["stage"], e["outcome"]) for e in self.events(message, call)]

    def wait_for(self, message: str, *last: str) -> None:
        wait_until(f"{message} to be {last}", lambda: last in self.words(message), interval=0.05)

    def agent_key(self):
        return with_key(self.stack.http_port, add_key(self.stack, self.user_id, agent=self.agent)[1])


@pytest.fixture
def me(stack, account) -> Teller:
    return Teller(stack)


@pytest.fixture
def other(stack, account) -> Teller:
    return Teller(stack)


def known(event: dict) -> dict:
    return {k: v for k, v in event.items() if v is not None and k != "at"}


def test_a_mail_that_came_in_and_its_webhook(stack, me):
    with WebhookReceiver() as hook:
        hook.answer = lambda _: 410
        assert me.call("PUT", f"/api/v1/agents/{me.agent}", {
            "agent_mode": "cloud", "webhook_url": hook.url}).status == 200
        message = me.receive()
        me.wait_for(message, "webhook", "failed")
        hook.answer = lambda _: 200
        base = f"/api/v1/agents/{me.agent}"
        assert me.call("POST", f"{base}/webhook/enable").status == 200
        assert me.call("POST", f"{base}/messages/{message}/redeliver").status == 200
        me.wait_for(message, "webhook", "delivered")
    answer = me.history(message).json
    assert answer["direction"] == "inbound" and "next_token" not in answer
    stored, failed, again, delivered = answer["events"]
    assert known(stored) == {"stage": "ingest", "outcome": "stored", "reason": "sealed"}
    assert known(failed).items() >= {"stage": "webhook", "outcome": "failed", "attempt": 1,
                                     "reason": "http_gone", "status": 410}.items()
    assert known(again) == {"stage": "webhook", "outcome": "redelivered", "by": "account"}
    assert known(delivered).items() >= {"outcome": "delivered", "attempt": 1, "status": 200}.items()
    assert failed["duration_ms"] >= 0
    times = [e["at"] for e in answer["events"]]
    assert times == sorted(times)


def test_that_it_was_stored_comes_first(stack, me):
    """The statement that stores mail for a disabled webhook gives that up in the same breath."""
    message = me.receive()
    query(stack, "INSERT INTO message_events (message_id, user_id, stage, outcome, reason) "
          "VALUES (%s, %s, 'webhook', 'failed', 'endpoint_disabled')", message, me.user_id)
    query(stack, "UPDATE message_events SET id = DEFAULT WHERE message_id = %s "
          "AND stage = 'ingest'", message)
    assert me.words(message) == [("ingest", "stored"), ("webhook", "failed")]
    first = me.history(message, "?page_size=1").json
    assert [e["stage"] for e in first["events"]] == ["ingest"]
    rest = me.history(message, f"?page_size=1&token={first['next_token']}").json
    assert [e["stage"] for e in rest["events"]] == ["webhook"] and "next_token" not in rest


def test_a_mail_that_was_written_and_its_recipients(stack, world, me):
    sent = me.send(to=["a@far.example", "b@far.example"]).json["id"]
    wait_until("both to be there", lambda: me.words(sent).count(("recipient", "delivered")) == 2)
    events = me.events(sent)
    assert me.history(sent).json["direction"] == "outbound"
    assert [(e["stage"], e["outcome"], e["part"]) for e in events[:2]] == [
        ("outbound", "accepted", None), ("outbound", "taken", "world")]
    assert {e["recipient"] for e in events if e["stage"] == "recipient"} == {
        "a@far.example", "b@far.example"}
    assert me.events(sent, me.agent_key()) == events
    assert me.events(sent, signed_in(stack, me.user_id)) == events


def test_an_agents_own_key_is_not_told_that_a_human_decided(stack, world, me):
    me.hold()
    held, waits = me.send().json["id"], me.send().json["id"]
    refused = me.send().json["id"]
    assert me.call("POST", f"/api/v1/messages/{held}/approve").status == 200
    assert me.call("POST", f"/api/v1/messages/{refused}/reject").status == 200
    me.wait_for(held, "recipient", "delivered")
    events = me.events(held)
    assert known(events[0]) == {"stage": "outbound", "outcome": "held", "reason": "hitl"}
    decision = known(events[1])
    assert decision.pop("by").startswith("apk_")
    assert decision == {"stage": "hold", "outcome": "approved", "reason": "api"}
    assert me.words(waits) == [("outbound", "held")]
    assert me.words(refused) == [("outbound", "held"), ("hold", "rejected")]
    key = me.agent_key()
    seen = me.events(held, key)
    assert known(seen[0]) == {"stage": "outbound", "outcome": "accepted"}
    assert seen[1:] == [e for e in events[1:] if e["stage"] != "hold"]
    for message in (waits, refused):
        assert said(me.history(message, call=key)) == NO_MESSAGE


def test_pages_go_on_where_they_ended(stack, me):
    message = me.receive()
    query(stack, "INSERT INTO message_events (message_id, user_id, stage, outcome, detail) "
          "SELECT %s, %s, 'webhook', 'deferred', jsonb_build_object('attempt', n) "
          "FROM generate_series(1, 240) n", message, me.user_id)
    found, token = [], ""
    for size in (100, 100, 41):
        page = me.history(message, f"?page_size=1000&token={token}").json
        assert len(page["events"]) == size
        found += page["events"]
        token = page.get("next_token", "")
    assert not token and [e["attempt"] for e in found] == [None, *range(1, 241)]
    first = me.history(message, "?page_size=1").json
    elsewhere = me.receive()
    assert said(me.history(elsewhere, f"?token={first['next_token']}")) == (
        400, "token was created with different filters \u2014 start a new query without a token\n")
    assert said(me.history(message, "?token=x")) == (400, "invalid pagination token\n")


def test_mail_of_others_is_as_if_there_were_none(stack, me, other):
    mine, theirs = me.receive(), other.receive()
    second = me.make_agent()
    for message in (theirs, ID, "x", mine + "0"):
        assert said(me.history(message)) == NO_MESSAGE
    assert said(me.history(mine, agent=second)) == NO_MESSAGE
    assert said(me.history(mine, call=other.call)) == NO_AGENT
    assert said(me.history(mine, call=me.agent_key(), agent=second)) == NO_AGENT
    query(stack, "UPDATE messages SET expires_at = now() WHERE id = %s", mine)
    assert said(me.history(mine)) == NO_MESSAGE
