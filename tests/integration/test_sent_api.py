# SPDX-License-Identifier: Apache-2.0
"""What clients see of mail that agents wrote: what became of it, and while it waits for a
human what it says. An agent's own key sees neither what waits nor what was refused."""

from __future__ import annotations

import base64
import json
import os

import pytest

from tests.integration.client import Answer, Caller, Http, add_key, second_apid, with_key
from tests.integration.sender import Sender, numbers, query, said

ABSENT = (404, "message not found\n")
NO_AGENT = (404, "agent not found: agent not found\n")
ID = "msg_" + "0" * 32
SENT_KEYS = {"id", "agent_id", "direction", "subject", "type", "to", "status", "created_at",
             "provider_message_id", "method", "recipients"}
HELD_KEYS = {"id", "agent_id", "direction", "subject", "type", "to", "status", "created_at",
             "approval_expires_at", "hold_reason", "body_text"}


@pytest.fixture(scope="module")
def me(stack, account) -> Sender:
    return Sender(stack)


@pytest.fixture(scope="module")
def careful(stack, account) -> Sender:
    sender = Sender(stack)
    sender.hold()
    return sender


@pytest.fixture(scope="module")
def other(stack, account) -> Sender:
    return Sender(stack)


def detail(sender: Sender, message: str) -> Answer:
    return sender.call("GET", f"/api/v1/messages/{message}")


def own(sender: Sender, message: str = "", agent: str = "", query: str = "") -> Answer:
    path = f"/api/v1/agents/{agent or sender.agent}/sent"
    return sender.call("GET", path + (f"/{message}" if message else "") + query)


def become(stack, message: str, status: str) -> None:
    query(stack, "UPDATE messages SET status = %s WHERE id = %s", status, message)


# ---- what became of it ----

def test_a_sent_mail_is_shown_alike_to_account_and_agent(stack, me):
    sent = me.send(to=["a@b.example"], cc=["c@d.example"], bcc=["e@f.example"],
                   conversation_id="conv-1", reply_to_message_id="<x@h.example>").json
    answer = detail(me, sent["id"])
    assert answer.status == 200
    assert set(answer.json) == SENT_KEYS | {"cc", "bcc", "conversation_id", "email_message_id"}
    shown = answer.json
    assert shown["id"] == sent["id"] and shown["provider_message_id"] == sent["message_id"]
    assert (shown["agent_id"], shown["direction"], shown["type"], shown["status"]) == (
        me.agent, "outbound", "send", "sent")
    assert (shown["to"], shown["cc"], shown["bcc"]) == (["a@b.example"], ["c@d.example"],
                                                       ["e@f.example"])
    assert (shown["conversation_id"], shown["email_message_id"]) == ("conv-1", "<x@h.example>")
    assert [(r["address"], r["kind"]) for r in shown["recipients"]] == [
        ("a@b.example", "to"), ("c@d.example", "cc"), ("e@f.example", "bcc")]
    key = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])
    alone = key("GET", f"/api/v1/agents/{me.agent}/sent/{sent['id']}")
    assert alone.status == 200 and set(alone.json) == set(shown)
    assert key("GET", f"/api/v1/agents/{me.agent}/sent").json["messages"][0]["id"] == sent["id"]


def test_each_recipient_has_a_status_of_its_own(stack, me):
    sent = me.send(to=["a@b.example", "b@b.example"]).json["id"]
    query(stack, "UPDATE outbound_recipients SET status = 'bounced', code = '5.1.1', "
          "detail = '550 5.1.1 <b>: no \u00fcser', updated_at = '2026-01-15T10:40:00.7Z' "
          "WHERE message_id = %s AND n = 2", sent)
    for answer in (detail(me, sent), own(me, sent)):
        one = answer.json["recipients"][1]
        assert one == {"address": "b@b.example", "kind": "to", "status": "bounced",
                       "code": "5.1.1", "detail": "550 5.1.1 <b>: no \u00fcser",
                       "updated_at": "2026-01-15T10:40:00Z"}


def test_what_is_empty_is_absent(me):
    assert set(detail(me, me.send().json["id"]).json) == SENT_KEYS
    assert set(detail(me, me.test().json["id"]).json) == SENT_KEYS
    reply = detail(me, me.reply(me.receive()).json["id"]).json
    assert reply["type"] == "reply" and set(reply) == SENT_KEYS | {"email_message_id"}


def test_a_copy_only_mail_has_no_to(careful, me):
    assert detail(me, me.send(to=None, cc=["a@b.example"]).json["id"]).json["to"] == []


# ---- who sees what ----

STATES = [("sent", True), ("expired_approved", True), ("pending_approval", False),
          ("rejected", False), ("expired_rejected", False)]


@pytest.mark.parametrize("status, left", STATES)
def test_an_agent_sees_what_left(stack, account, status, left):
    sender = Sender(stack)
    sent = sender.send().json["id"]
    become(stack, sent, status)
    agent_key = with_key(stack.http_port, add_key(stack, sender.user_id, agent=sender.agent)[1])
    for call in (agent_key, sender.call):
        path = f"/api/v1/agents/{sender.agent}/sent"
        assert call("GET", f"{path}/{sent}").status == (200 if left else 404)
        assert [m["id"] for m in call("GET", path).json["messages"]] == ([sent] if left else [])
    shown = detail(sender, sent).json
    assert shown["status"] == status
    assert ("provider_message_id" in shown) == ("recipients" in shown) == left
    assert said(agent_key("GET", f"/api/v1/messages/{sent}")) == ABSENT


def test_that_a_mail_had_to_wait_is_for_the_account_alone(stack, account):
    """Of one that left, with all that may be told of the decision."""
    sender = Sender(stack)
    sender.hold()
    sent, decision = sender.send().json["id"], {"approval_expires_at", "hold_reason",
                                                "reviewed_at", "edited"}
    query(stack, "UPDATE messages SET status = 'sent', reviewed_at = now(), edited = true "
          "WHERE id = %s", sent)
    agent_key = with_key(stack.http_port, add_key(stack, sender.user_id, agent=sender.agent)[1])
    path = f"/api/v1/agents/{sender.agent}/sent"
    for call, seen in ((sender.call, decision), (agent_key, set())):
        shown = call("GET", f"{path}/{sent}").json
        assert shown["status"] == "sent" and decision & shown.keys() == seen
        assert call("GET", path).json["messages"] == [shown]
    assert decision <= detail(sender, sent).json.keys()


def test_mail_of_others_and_mail_that_came_in_is_absent(stack, me, other):
    foreign, received = other.send().json["id"], me.receive()
    second = me.make_agent()
    mine = me.send().json["id"]
    for message in (foreign, received, ID, "%00", "x"):
        assert said(detail(me, message)) == ABSENT
        assert said(own(me, message)) == ABSENT
    assert said(own(me, mine, agent=second)) == ABSENT
    for agent in (other.agent, "nobody@agents.example"):
        assert said(own(me, mine, agent=agent)) == NO_AGENT
        assert said(own(me, agent=agent)) == NO_AGENT
    key = with_key(stack.http_port, add_key(stack, me.user_id, agent=second)[1])
    assert said(key("GET", f"/api/v1/agents/{me.agent}/sent/{mine}")) == NO_AGENT
    nobody = Caller(stack.http_port, ())
    assert nobody("GET", f"/api/v1/messages/{mine}").status == 401


def test_expired_mail_is_gone_unless_somebody_has_to_decide(stack, me, careful):
    sent, held = me.send().json["id"], careful.send().json["id"]
    query(stack, "UPDATE messages SET expires_at = now() - interval '1 s' WHERE id = ANY (%s)",
          [sent, held])
    assert said(detail(me, sent)) == ABSENT and said(own(me, sent)) == ABSENT
    assert detail(careful, held).json["status"] == "pending_approval"


# ---- pages ----

def test_pages_go_from_the_newest_to_the_oldest(stack, account):
    sender = Sender(stack)
    wanted = [sender.send().json["id"] for _ in range(7)][::-1]
    become(stack, wanted.pop(3), "rejected")
    seen, token = [], ""
    while True:
        answer = own(sender, query=f"?page_size=2{token}")
        assert answer.status == 200 and len(answer.json["messages"]) == 2
        seen += [m["id"] for m in answer.json["messages"]]
        if "next_token" not in answer.json:
            break
        token = f"&token={answer.json['next_token']}"
    assert seen == wanted
    assert own(sender).json["messages"] and "next_token" not in own(sender).json


def test_a_token_belongs_to_its_list_and_agent(me):
    second = me.make_agent()
    for _ in range(2):
        me.send()
    token = own(me, query="?page_size=1").json["next_token"]
    assert own(me, query=f"?token={token}").status == 200
    assert said(own(me, agent=second, query=f"?token={token}")) == (
        400, "token was created for a different agent \u2014 start a new query without a token\n")
    messages = me.call("GET", f"/api/v1/agents/{me.agent}/messages?token={token}")
    assert said(messages) == (
        400, "token was created with different filters \u2014 start a new query without a token\n")
    for wrong in (token[:-1], "x", "e30"):
        assert said(own(me, query=f"?token={wrong}")) == (400, "invalid pagination token\n")


def test_asking_counts_like_reading(stack, account):
    with second_apid(stack, 34, rate_poll="2") as apid:
        sender = Sender(stack, apid.port)
        sent = sender.send().json["id"]
        assert [own(sender, sent).status, own(sender).status] == [200, 200]
        assert own(sender).status == 429 and own(sender, sent).status == 429
        assert detail(sender, sent).status == 200


# ---- while it waits ----

def test_a_held_mail_shows_what_it_says(careful):
    data = base64.b64encode(bytes(range(256))).decode()
    held = careful.send(to=["a@b.example"], html_body="<p>\u2028", body="a\r\n\x01\u00e4\"\\</script>",
                        attachments=[{"filename": 'a".csv', "content_type": "text/csv", "data": data},
                                     {}]).json["id"]
    answer = detail(careful, held)
    assert answer.status == 200 and set(answer.json) == HELD_KEYS | {"body_html", "attachments"}
    assert answer.json["body_text"] == "a\r\n\x01\u00e4\"\\</script>"
    assert answer.json["body_html"] == "<p>\u2028"
    assert answer.json["attachments"] == [
        {"filename": 'a".csv', "content_type": "text/csv", "data": data},
        {"filename": "", "content_type": "application/octet-stream", "data": ""}]
    assert (answer.json["status"], answer.json["hold_reason"]) == ("pending_approval", "hitl")
    assert set(detail(careful, careful.send().json["id"]).json) == HELD_KEYS


def test_nothing_of_it_is_shown_when_it_was_decided(stack, careful):
    held = careful.send(html_body="<p>", attachments=[{"data": "YQ=="}]).json["id"]
    for status in ("rejected", "sent", "expired_rejected"):
        become(stack, held, status)
        assert not {"body_text", "body_html", "attachments"} & set(detail(careful, held).json)


def large_texts() -> list[str]:
    """Whose pieces end within characters, and that grow most when they are escaped."""
    return ["\u20ac" * 700_000, "x" + "\U0001f4c4" * 500_000, "<" * 2_000_000, "a\x01" * 400_000,
            "\u2028" * 300_000, "word " * 400_000]


def test_a_large_held_mail_is_shown_whole(careful):
    for n, text in enumerate(large_texts()):
        files = [os.urandom(n * 100_000 + 1), os.urandom(98_304), b""]
        held = careful.send(body=text, html_body=text[:300_000], attachments=[
            {"filename": f"{i}", "data": base64.b64encode(f).decode()}
            for i, f in enumerate(files)]).json["id"]
        shown = detail(careful, held).json
        assert shown["body_text"] == text and shown["body_html"] == text[:300_000]
        assert [base64.b64decode(f["data"]) for f in shown["attachments"]] == files


def test_a_large_held_mail_that_is_decided_while_it_goes_out_breaks_off(stack, careful):
    """What is cut must not look whole."""
    data = base64.b64encode(os.urandom(15_000_000)).decode()
    held = careful.send(attachments=[{"data": data}]).json["id"]
    with Http(stack.http_port, careful.key, receive_buffer=4096) as http:
        http.write(http.head("GET", f"/api/v1/messages/{held}"))
        http.input.read(10_000)
        become(stack, held, "rejected")
        rest = http.ended()
    assert len(rest) < len(data) and not rest.endswith(b"0\r\n\r\n")


def test_a_mail_of_the_largest_size_is_shown(careful):
    data = os.urandom(19_600_000)
    body = json.dumps({"from": careful.agent, "to": ["a@b.example"], "subject": "Big", "body": "x",
                       "attachments": [{"data": base64.b64encode(data).decode()}]}).encode()
    assert len(body) < 26_214_400
    held = careful.call("POST", "/api/v1/send", body)
    assert held.status == 202
    shown = detail(careful, held.json["id"]).json
    assert base64.b64decode(shown["attachments"][0]["data"]) == data
