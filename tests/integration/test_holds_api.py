# SPDX-License-Identifier: Apache-2.0
"""Mail that waits for a human: the list of it, and what the human decides by the API or
from a browser. What was approved leaves once, with what it said when it was approved;
everything else changes nothing."""

from __future__ import annotations

import base64
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scripts.stack.mail import compose
from tests.integration.client import Answer, Caller, Http, add_key, signed_in, with_key
from tests.integration.outbound import (Author, address, attachment, attachments, ledger,
                                        texts)
from tests.integration.sender import Sender, query, said

HELD = "/api/v1/messages"
ABSENT = (404, "message not found\n")
DECIDED = (409, "message is not pending approval\n")
BAD = (400, "invalid request body\n")
UNVERIFIED = (403, "agent domain must be verified before sending\n")
SUPPRESSED = (400, "every recipient is on the suppression list\n")
ID = "msg_" + "0" * 32
SUMMARY = {"id", "agent_id", "direction", "subject", "type", "to", "status", "approval_expires_at",
           "created_at", "hold_reason"}
APPROVED = {"message_id", "status", "provider_message_id", "method", "edited"}
VERBS = ("approve", "reject")


@pytest.fixture(scope="module")
def me(stack, account) -> Sender:
    """Whose agent's mail waits."""
    sender = Sender(stack)
    sender.hold()
    return sender


@pytest.fixture(scope="module")
def other(stack, account) -> Sender:
    sender = Sender(stack)
    sender.hold()
    return sender


def hold(sender: Sender, **body: Any) -> str:
    answer = sender.send(**body)
    assert answer.status == 202, answer
    return answer.json["message_id"]


def decide(call: Caller, verb: str, message: str, value: Any = None, *fields: str) -> Answer:
    return call("POST", f"{HELD}/{message}/{verb}", value, *fields)


def approve(sender: Sender, message: str, value: Any = None, *fields: str) -> Answer:
    return decide(sender.call, "approve", message, value, *fields)


def reject(sender: Sender, message: str, value: Any = None, *fields: str) -> Answer:
    return decide(sender.call, "reject", message, value, *fields)


def detail(sender: Sender, message: str) -> dict[str, Any]:
    answer = sender.call("GET", f"{HELD}/{message}")
    assert answer.status == 200, answer
    return answer.json


def listed(sender: Sender, text: str = "") -> list[dict[str, Any]]:
    answer = sender.call("GET", HELD + text)
    assert answer.status == 200, answer
    return answer.json["messages"]


def everything(stack, message: str) -> list[tuple]:
    """All that is stored of a mail, but for what reviewers are told."""
    return query(stack, """SELECT to_jsonb(m), to_jsonb(d),
        (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.n) FROM outbound_recipients r
         WHERE r.message_id = m.id), (SELECT jsonb_agg(to_jsonb(f) ORDER BY f.n)
         FROM outbound_attachments f WHERE f.message_id = m.id),
        (SELECT count(*) FROM outbound_jobs j WHERE j.message_id = m.id),
        (SELECT count(*) FROM message_events e WHERE e.message_id = m.id AND e.stage = 'hold')
        FROM messages m LEFT JOIN outbound_drafts d ON d.message_id = m.id
        WHERE m.id = %s""", message)


def deciders(stack, sender: Sender) -> dict[str, Caller]:
    return {"api": sender.call, "session": signed_in(stack, sender.user_id)}


# ---- the list ----

def test_the_list_shows_what_waits_of_all_agents_and_what_is_over_first(stack, account):
    me = Sender(stack)
    assert listed(me) == []
    me.hold()
    second = me.hold(me.make_agent())
    late = hold(me, conversation_id="conv-1", cc=["c@d.example"], bcc=["e@f.example"])
    soon = hold(me, **{"from": second}, to=None, cc=["c@d.example"])
    sent = Sender(stack).send().json["id"]
    query(stack, "UPDATE messages SET approval_expires_at = '2030-01-15T10:40:00.7Z' WHERE id = %s",
          late)
    query(stack, "UPDATE messages SET approval_expires_at = '2030-01-15T10:39:59.9Z' WHERE id = %s",
          soon)
    first, then = listed(me)
    assert (first["id"], then["id"]) == (soon, late)
    assert first.keys() == SUMMARY | {"cc"}
    assert then.keys() == SUMMARY | {"cc", "bcc", "conversation_id"}
    assert (first["to"], first["cc"], first["agent_id"]) == ([], ["c@d.example"], second)
    assert (first["approval_expires_at"], then["approval_expires_at"]) == (
        "2030-01-15T10:39:59Z", "2030-01-15T10:40:00Z")
    assert then == {
        "id": late, "agent_id": me.agent, "direction": "outbound", "subject": "Hello",
        "type": "send", "conversation_id": "conv-1", "to": ["alice@sender.example"],
        "cc": ["c@d.example"], "bcc": ["e@f.example"], "status": "pending_approval",
        "hold_reason": "hitl", "approval_expires_at": "2030-01-15T10:40:00Z",
        "created_at": then["created_at"]}
    assert sent not in json.dumps(listed(me, "?status=pending_approval"))
    assert listed(me, "?status=") == listed(me)
    assert signed_in(stack, me.user_id)("GET", HELD).json == {"messages": [first, then]}


def test_replies_and_test_mails_are_in_it_with_their_type(stack, account):
    me = Sender(stack)
    message = me.receive(**{"Message-ID": "<q@sender.example>"})
    me.hold()
    reply, test = me.reply(message).json["message_id"], me.test().json["message_id"]
    assert [(m["id"], m["type"]) for m in listed(me)] == [(reply, "reply"), (test, "test")]
    assert [m.keys() for m in listed(me)] == [SUMMARY, SUMMARY]
    assert detail(me, reply)["email_message_id"] == "<q@sender.example>"


def test_no_other_status_can_be_asked_for(me):
    for status in ("sent", "rejected", "PENDING_APPROVAL", "pending_approval%20", "%00", "all"):
        assert said(me.call("GET", f"{HELD}?status={status}")) == (
            400, "only status=pending_approval is supported on this endpoint\n")


def test_the_list_has_pages_and_without_asking_a_hundred(stack, account, other):
    me = Sender(stack)
    me.hold()
    query(stack, """INSERT INTO messages (id, user_id, agent_email, direction, status, type,
        hold_reason, to_addresses, approval_expires_at, expires_at) SELECT
        'msg_' || md5(%s || i), %s, %s, 'outbound', 'pending_approval', 'send', 'hitl', '{a@b.example}',
        '2030-01-15T10:40:00Z'::timestamptz + i / 2 * interval '1 s', now() + interval '1 day'
        FROM generate_series(1, 103) i""", me.agent, me.user_id, me.agent)
    whole = me.call("GET", HELD).json
    assert len(whole["messages"]) == 100
    rest = listed(me, f"?token={whole['next_token']}")
    assert len(rest) == 3
    wanted = query(stack, "SELECT id FROM messages WHERE user_id = %s "
                   "ORDER BY approval_expires_at, id", me.user_id)
    assert [(m["id"],) for m in whole["messages"] + rest] == wanted
    seen, token = [], ""
    while token is not None:
        page = me.call("GET", f"{HELD}?page_size=25&token={token}").json
        assert len(page["messages"]) == (25 if "next_token" in page else 3)
        seen += [(m["id"],) for m in page["messages"]]
        token = page.get("next_token")
    assert seen == wanted
    assert len(listed(me, "?page_size=1000")) == 100
    assert len(listed(me, "?page_size=x")) == 100
    token = whole["next_token"]
    assert said(other.call("GET", f"{HELD}?token={token}")) == (400, "invalid pagination token\n")
    assert said(me.call("GET", f"{HELD}?token={token}x")) == (400, "invalid pagination token\n")
    assert me.call("GET", f"/api/v1/agents/{me.agent}/sent?token={token}").status == 400


# ---- decisions ----

@pytest.mark.parametrize("channel", ["api", "session"])
def test_an_approved_mail_has_left_and_who_approved_it_is_told(stack, me, channel):
    message = hold(me)
    waiting = detail(me, message)
    assert waiting["body_text"] == "Hi Alice.\n"
    assert not waiting.keys() & {"provider_message_id", "method", "recipients", "reviewed_at",
                                 "reviewed_by", "review_channel", "edited"}
    answer = decide(deciders(stack, me)[channel], "approve", message)
    assert answer.status == 200 and answer.json.keys() == APPROVED
    got = answer.json
    assert (got["message_id"], got["status"], got["method"], got["edited"]) == (
        message, "sent", "smtp", False)
    assert got["provider_message_id"].startswith(f"<{message[4:]}@")
    shown = detail(me, message)
    by = query(stack, "SELECT id FROM api_keys WHERE user_id = %s" if channel == "api" else
               "SELECT email FROM users WHERE id = %s", me.user_id)[0][0]
    assert (shown["status"], shown["review_channel"], shown["reviewed_by"]) == ("sent", channel, by)
    assert shown["reviewed_at"] >= shown["created_at"]
    assert shown["provider_message_id"] == got["provider_message_id"]
    assert not shown.keys() & {"body_text", "body_html", "attachments", "edited",
                               "rejection_reason"}
    assert message not in json.dumps(listed(me))
    assert ledger(stack, message)[:2] == [("outbound", "held", "hitl"),
                                          ("hold", "approved", channel)]


@pytest.mark.parametrize("channel", ["api", "session"])
def test_a_refused_mail_is_gone_and_why_is_told(stack, me, channel):
    reason = "wrong tone\r\n<b>\u00e9 \u202e"
    message = hold(me, attachments=[attachment("a.txt", "text/plain", b"a")])
    answer = decide(deciders(stack, me)[channel], "reject", message, {"reason": reason})
    assert (answer.status, answer.json) == (200, {
        "message_id": message, "status": "rejected", "rejection_reason": reason})
    shown = detail(me, message)
    assert (shown["status"], shown["rejection_reason"], shown["review_channel"]) == (
        "rejected", reason, channel)
    assert "reviewed_at" in shown and "reviewed_by" in shown
    assert not shown.keys() & {"body_text", "attachments", "provider_message_id", "method",
                               "recipients"}
    assert ledger(stack, message) == [("outbound", "held", "hitl"),
                                      ("hold", "rejected", channel)]
    (_, draft, _, files, jobs, _), = everything(stack, message)
    assert (draft, files, jobs) == (None, None, 0)


@pytest.mark.parametrize("body", [None, b"", b" \n", b"{}", {"reason": None}, {"reason": ""},
                                  {"Reason": "", "more": 1}])
def test_a_reason_may_be_left_out(me, body):
    message = hold(me)
    answer = reject(me, message, body)
    assert (answer.status, answer.json["rejection_reason"]) == (200, "")
    assert "rejection_reason" not in detail(me, message)


@pytest.mark.parametrize("status", ["sent", "rejected", "expired_approved", "expired_rejected"])
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_decided_stays_decided(stack, me, verb, status):
    message = hold(me)
    query(stack, "UPDATE messages SET status = %s WHERE id = %s", status, message)
    before = everything(stack, message)
    for call in deciders(stack, me).values():
        for body in (None, {}, {"subject": "x", "to": ["nobody"], "reason": "x"}):
            assert said(decide(call, verb, message, body)) == DECIDED
    assert everything(stack, message) == before


@pytest.mark.parametrize("first", VERBS)
@pytest.mark.parametrize("second", VERBS)
def test_the_second_decision_comes_too_late(me, first, second):
    message = hold(me)
    assert decide(me.call, first, message).status == 200
    assert said(decide(me.call, second, message)) == DECIDED
    assert detail(me, message)["status"] == ("sent" if first == "approve" else "rejected")


@pytest.mark.parametrize("verb", VERBS)
def test_after_its_time_a_mail_can_be_decided_until_it_is_swept(stack, me, verb):
    message = hold(me)
    query(stack, "UPDATE messages SET approval_expires_at = now() - interval '1 s' WHERE id = %s",
          message)
    answer = decide(me.call, verb, message)
    swept = detail(me, message)["status"] == "expired_rejected"
    assert answer.status == 200 or (swept and said(answer) == DECIDED)


@pytest.mark.parametrize("verb", VERBS)
def test_mail_of_others_and_of_nobody_is_absent(stack, me, other, verb):
    sent = Sender(stack)
    inbound = sent.receive()
    message, foreign = hold(me), hold(other)
    before = everything(stack, message), everything(stack, foreign)
    for call in deciders(stack, me).values():
        for absent in (ID, "x", foreign, "%00", "%FF", "a%20b", message.upper(), message + "0"):
            for body in (None, {"subject": "x", "reason": "x"}):
                assert said(decide(call, verb, absent, body)) == ABSENT
    assert said(decide(sent.call, verb, inbound)) == ABSENT
    assert said(decide(sent.call, verb, inbound, {"subject": "x"})) == ABSENT
    assert (everything(stack, message), everything(stack, foreign)) == before


def test_a_key_of_one_agent_sees_and_decides_nothing(stack, me):
    message = hold(me)
    before = everything(stack, message)
    call = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])
    assert said(call("GET", HELD)) == (404, "404 page not found\n")
    assert said(call("GET", f"{HELD}/{message}")) == ABSENT
    for verb in VERBS:
        for body in (None, b"{", {"subject": "x"}):
            assert said(decide(call, verb, message, body)) == ABSENT
        assert said(decide(call, verb, ID)) == ABSENT
    assert everything(stack, message) == before


def test_nobody_decides_without_a_credential(stack, me):
    message = hold(me)
    before = everything(stack, message)
    revoked = with_key(stack.http_port, add_key(stack, me.user_id, revoked=True)[1])
    expired = with_key(stack.http_port, add_key(stack, me.user_id, expires="-1 s")[1])
    for call in (Caller(stack.http_port, ()), revoked, expired,
                 with_key(stack.http_port, "e2a_" + "0" * 64)):
        assert said(call("GET", HELD)) == (401, "unauthorized\n")
        for verb in VERBS:
            assert said(decide(call, verb, message)) == (401, "unauthorized\n")
    cookie = signed_in(stack, me.user_id).fields[0]
    for site in ("Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "X-Nothing: x"):
        for verb in VERBS:
            assert said(decide(Caller(stack.http_port, (cookie, site)), verb, message)) == (
                403, "cross-site request refused\n")
    assert everything(stack, message) == before


def test_an_agent_whose_domain_is_lost_sends_nothing(stack, me):
    domain = f"lost-{os.urandom(4).hex()}.example"
    answer = me.call("POST", "/api/v1/domains", {"domain": domain})
    stack.dns.set(domain, "TXT", answer.json["verification_token"])
    stack.dns.reload()
    assert me.call("POST", f"/api/v1/domains/{domain}/verify").status == 200
    agent = f"bot@{domain}"
    assert me.call("POST", "/api/v1/agents", {"email": agent, "agent_mode": "local"}).status == 201
    message = hold(me, **{"from": me.hold(agent)})
    query(stack, "UPDATE domains SET verified = false WHERE domain = %s", domain)
    before = everything(stack, message)
    for body in (None, {"subject": "x"}, {"to": ["nobody"]}):
        assert said(approve(me, message, body)) == UNVERIFIED
    assert everything(stack, message) == before
    assert reject(me, message).status == 200


def test_somebody_has_to_be_left_who_takes_mail(stack, account):
    me = Sender(stack)
    me.hold()
    message = hold(me, to=["gone@b.example"])
    query(stack, "INSERT INTO suppressions (user_id, address, reason) VALUES (%s, %s, 'bounce')",
          me.user_id, "gone@b.example")
    before = everything(stack, message)
    assert said(approve(me, message)) == SUPPRESSED
    assert said(approve(me, message, {"subject": "Edited", "body_text": "x"})) == SUPPRESSED
    assert said(approve(me, message, {"cc": ["Gone@b.example"], "to": []})) == SUPPRESSED
    assert everything(stack, message) == before
    assert approve(me, message, {"cc": ["c@b.example"]}).json["edited"] is True


def test_mail_that_went_with_its_agent_or_account_is_absent(stack, account):
    me = Sender(stack)
    me.hold()
    message = hold(me)
    assert me.call("DELETE", f"/api/v1/agents/{me.agent}").status == 200
    for verb in VERBS:
        assert said(decide(me.call, verb, message)) == ABSENT
    assert said(me.call("GET", f"{HELD}/{message}")) == ABSENT
    assert listed(me) == []
    assert ledger(stack, message)[-1] == ("hold", "dropped", "message_deleted")
    me = Sender(stack)
    me.hold()
    message = hold(me, attachments=[attachment("a.txt", "text/plain", b"a")])
    assert me.call("DELETE", "/api/v1/users/me?confirm=DELETE").status == 200
    assert query(stack, "SELECT FROM messages WHERE id = %s", message) == []
    assert query(stack, "SELECT FROM mail_jobs WHERE message_id = %s", message) == []


def test_deciding_while_the_agent_goes_away_is_no_fault(stack, account):
    """Who is first has it; the other waits, and finds what the first one left."""
    me = Sender(stack)
    for _ in range(5):
        agent = me.hold(me.make_agent())
        ids = [hold(me, **{"from": agent}) for _ in range(6)]
        with ThreadPoolExecutor(7) as pool:
            decided = [pool.submit(decide, me.call, VERBS[n % 2], message, {"subject": "x"})
                       for n, message in enumerate(ids)]
            gone = pool.submit(me.call, "DELETE", f"/api/v1/agents/{agent}")
        assert gone.result().status == 200
        assert {d.result().status for d in decided} <= {200, 404}
        for message in ids:
            assert said(me.call("GET", f"{HELD}/{message}")) == ABSENT
            outcomes = [e[1] for e in ledger(stack, message) if e[0] == "hold"]
            assert len(outcomes) == 1 and outcomes[0] in ("approved", "rejected", "dropped")


# ---- what a reviewer looks at ----

def view(sender: Sender, message: str, name: str) -> dict[str, Any]:
    answer = sender.call("GET", f"{HELD}/{message}?view={name}")
    assert answer.status == 200, answer
    return answer.json


def test_a_review_has_all_that_a_page_can_hold(me):
    long = "\u00e9\n" * 200000
    message = hold(me, body=long, html_body="<p>x", attachments=[
        attachment("a.txt", "text/plain", b"abc"), attachment("", "", b"")])
    whole, state, review = (view(me, message, v) for v in ("full", "state", "review"))
    assert whole == detail(me, message) and whole["body_text"] == long
    texts = {"body_text", "body_html", "attachments"}
    assert state == {k: v for k, v in whole.items() if k not in texts}
    assert {k: v for k, v in review.items() if k in state} == state
    assert len(review["body_text"].encode()) == 256 * 1024 - 1
    assert long.startswith(review["body_text"]) and review["body_html"] == "<p>x"
    assert (review["body_text_size"], review["body_html_size"]) == (len(long.encode()), 4)
    assert review["attachments"] == [
        {"index": 0, "filename": "a.txt", "content_type": "text/plain", "size": 3},
        {"index": 1, "filename": "", "content_type": "application/octet-stream", "size": 0}]
    for name in ("x", "Review", "review ", "1"):
        assert said(me.call("GET", f"{HELD}/{message}?view={name}".replace(" ", "%20"))) == (
            400, "view must be full, review or state\n")
    assert reject(me, message).status == 200
    assert view(me, message, "review") == view(me, message, "state") == detail(me, message)


def test_a_review_of_an_answer_names_what_it_answers(stack, author, strange_author):
    to, subject = address(), f"About {os.urandom(8).hex()}"
    mail = {"Message-ID": f"<{os.urandom(8).hex()}@far.example>"}
    for agent, count in ((strange_author, 1), (author, 1), (author, 2)):
        assert stack.send(to, agent.address, compose(to, agent.address, subject, **mail)).code == 250
        got = agent.wait_mail(subject, count)
    assert author.api.call("PUT", author.path, {"hitl_enabled": True})[0] == 200
    status, answer = author.ask_reply(got["message_id"])
    assert status == 202
    shown = author.api.get(f"{HELD}/{answer['message_id']}?view=review")[1]
    newest = query(stack, "SELECT id FROM messages WHERE agent_email = %s AND direction = 'inbound' "
                   "AND email_message_id = %s ORDER BY created_at DESC LIMIT 1",
                   author.address, mail["Message-ID"])[0][0]
    assert shown["answers"] == newest and shown["email_message_id"] == mail["Message-ID"]
    query(stack, "UPDATE messages SET expires_at = now() WHERE email_message_id = %s",
          mail["Message-ID"])
    assert "answers" not in author.api.get(f"{HELD}/{answer['message_id']}?view=review")[1]


# ---- its HTML ----

HOSTILE = ("<h1 style='color:red'>Hi \u00e9</h1><script>parent.x=1</script><form action=//evil.example>"
           "<img src=https://evil.example/a.png><iframe src=/api/v1/messages></iframe>" + "x" * 300000)


def test_html_is_shown_as_a_document_that_can_do_nothing(stack, me):
    message = hold(me, html_body=HOSTILE)
    path = f"{HELD}/{message}/html"
    before = everything(stack, message)
    for call in deciders(stack, me).values():
        answer = call("GET", path)
        assert (answer.status, answer.body.decode()) == (
            200, HOSTILE.replace("<form", "<x-form").replace("iframe>", "x-iframe>")
            .replace("<iframe", "<x-iframe"))
        headers = answer.headers
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["content-security-policy"] == (
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert everything(stack, message) == before
    assert reject(me, message).status == 200
    assert said(me.call("GET", path)) == ABSENT


def test_html_that_is_not_there(stack, me, other):
    plain, foreign = hold(me), hold(other, html_body="<p>x")
    agent_key = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])
    for message in (plain, foreign, ID, "x"):
        assert said(me.call("GET", f"{HELD}/{message}/html")) == ABSENT
    assert said(agent_key("GET", f"{HELD}/{hold(me, html_body='<p>x')}/html")) == ABSENT


# ---- edits ----

WHOLE = {"to": ["a@b.example"], "cc": ["c@b.example"], "bcc": ["d@b.example"],
         "subject": "Hello", "body": "Hi.\n", "html_body": "<p>Hi.", "conversation_id": "conv-1",
         "attachments": [attachment("a.txt", "text/plain", b"a")]}
AS_IT_WAS = {"to": ["a@b.example"], "cc": ["c@b.example"], "bcc": ["d@b.example"],
             "subject": "Hello"}
# What is asked for, what of the mail is another then, and `edited`.
EDITS: list[tuple[Any, dict[str, Any], bool]] = [
    (None, {}, False),
    (b"", {}, False),
    (b" \r\n", {}, False),
    ({}, {}, False),
    ({"unknown": 1, "body": "x", "html_body": "x", "conversation_id": "x", "from": "x"}, {}, False),
    (dict.fromkeys(("subject", "body_text", "body_html", "to", "cc", "bcc", "attachments")), {},
     False),
    ({"subject": "Hello", "body_text": "Hi.\n", "body_html": "<p>Hi."}, {}, False),
    ({"to": ["A@b.example"], "cc": ["C <c@b.example>"], "bcc": ["d@b.example", "a@b.example"]}, {},
     False),
    ({"subject": ""}, {"subject": ""}, True),
    ({"SUBJECT": "Other"}, {"subject": "Other"}, True),
    ({"body_text": ""}, {}, True),
    ({"body_html": ""}, {}, True),
    ({"to": ["New <New@b.example>", "new@b.example", " "]}, {"to": ["new@b.example"]}, True),
    ({"to": []}, {"to": []}, True),
    ({"cc": []}, {"cc": None}, True),
    ({"bcc": []}, {"bcc": None}, True),
    ({"to": ["d@b.example"]}, {"to": ["d@b.example"], "bcc": None}, True),
    ({"cc": ["a@b.example"]}, {"cc": None}, True),
    ({"attachments": []}, {}, True),
    ({"attachments": WHOLE["attachments"]}, {}, True),
    (b'{"subject":"First","subject":"Last"} trailing', {"subject": "Last"}, True),
]


@pytest.mark.parametrize("body, changes, edited", EDITS)
def test_an_edit_replaces_what_it_names(me, body, changes, edited):
    message = hold(me, **WHOLE)
    answer = approve(me, message, body)
    assert (answer.status, answer.json["edited"]) == (200, edited)
    shown = detail(me, message)
    assert {k: shown.get(k) for k in AS_IT_WAS} == {**AS_IT_WAS, **changes}
    assert shown.get("edited", False) is edited
    assert [r["address"] for r in shown["recipients"]] == [
        *(shown["to"] or []), *shown.get("cc", []), *shown.get("bcc", [])]
    assert shown["conversation_id"] == "conv-1"


BAD_EDITS: list[tuple[Any, str]] = [
    (b"{", "invalid request body"),
    (b"[]", "invalid request body"),
    (b"null", "invalid request body"),
    (b'{"subject":"a\0"}', "invalid request body"),
    ({"subject": 1}, "invalid request body"),
    ({"subject": ["x"]}, "invalid request body"),
    ({"body_text": {}}, "invalid request body"),
    ({"body_html": True}, "invalid request body"),
    ({"to": "a@b.example"}, "invalid request body"),
    ({"cc": [1]}, "invalid request body"),
    ({"bcc": {"a": 1}}, "invalid request body"),
    ({"attachments": {}}, "invalid request body"),
    ({"attachments": ["a"]}, "invalid request body"),
    ({"attachments": [{"data": 5}]}, "invalid request body"),
    ({"attachments": [{}] * 1001}, "invalid request body"),
    ({"to": ["a@b.example"] * 1001}, "invalid request body"),
    ({"subject": "a\r\nBcc: evil@b.example"}, "subject must not contain control characters"),
    ({"subject": "a\0b"}, "subject must not contain control characters"),
    ({"subject": "a\u0085b"}, "subject must not contain control characters"),
    ({"subject": "x" * 5001}, "subject must be at most 5000 bytes"),
    ({"body_text": "a\0b"}, "body_text must not contain NUL"),
    ({"body_html": "\0"}, "body_html must not contain NUL"),
    ({"to": ["a b"]}, 'invalid To address: "a b": '),
    ({"to": ["a@b.example\r\nBcc: x@b.example"]},
     'invalid To address: "a@b.example\\x0d\\x0aBcc: x@b.example": control character'),
    ({"cc": ["a\0@b.example"]}, 'invalid CC address: "a\\x00@b.example": control character'),
    ({"bcc": ['"Evil\r\nSubject: x" <a@b.example>']}, 'invalid BCC address: "\\"Evil\\x0d\\x0a'),
    ({"to": ["a@b.example, c@d.example"]}, 'invalid To address: "a@b.example, c@d.example": more'),
    ({"to": [], "cc": []}, "no valid recipients"),
    ({"to": [" "], "cc": [""], "bcc": ["x@b.example"]}, "no valid recipients"),
    ({"to": [f"u{n}@b.example" for n in range(49)]}, "too many recipients (max 50)"),
    ({"attachments": [{}] * 101}, "too many attachments (max 100)"),
    ({"attachments": [{"index": 1}]}, "attachment 1: the mail has none of that index"),
    ({"attachments": [{"index": -1}]}, "attachment 1: the mail has none of that index"),
    ({"attachments": [{"index": 0}, {"index": 0}]}, "attachment 2: index is there twice"),
    ({"attachments": [{"index": 0, "filename": "b"}]}, "attachment 1: index stands alone"),
    ({"attachments": [{"index": "0"}]}, "invalid request body"),
    ({"attachments": [{}, {"data": "a b="}]}, "attachment 2: data is not valid base64"),
    ({"attachments": [{"filename": "a\r\nX: y"}]},
     "attachment 1: filename contains CR/LF: header injection refused"),
    ({"attachments": [{"content_type": "text/plain\nX: y"}]},
     "attachment 1: content_type contains CR/LF: header injection refused"),
    ({"attachments": [{"filename": "a\0"}]},
     "attachment 1: filename must not contain control characters"),
    ({"attachments": [{"filename": "gnp\u202e.exe"}]},
     "attachment 1: filename must not contain characters that turn text around"),
    ({"attachments": [{"filename": "x" * 256}]}, "attachment 1: filename is longer than 255 bytes"),
    ({"attachments": [{"content_type": "nonsense"}]},
     "attachment 1: content_type is not a media type"),
]


@pytest.fixture(scope="module")
def whole(me) -> str:
    """A mail that stays as it is."""
    return hold(me, **WHOLE)


@pytest.mark.parametrize("body, text", BAD_EDITS)
def test_after_a_bad_edit_the_mail_waits_unchanged(stack, me, whole, body, text):
    before = everything(stack, whole)
    answer = approve(me, whole, body)
    assert answer.status == 400 and answer.text.startswith(text), answer
    assert answer.text[-1] == "\n" and answer.text[:-1].isprintable()
    assert everything(stack, whole) == before


def test_without_its_own_address_nobody_is_left(me, whole):
    body = {"to": [me.agent, me.agent.replace("@", "+tag@")], "cc": []}
    assert said(approve(me, whole, body)) == (400, "no valid recipients\n")


@pytest.mark.parametrize("body", [b"{", b"[]", {"reason": 1}, {"reason": ["x"]},
                                  b'{"reason":"' + b"x" * 65536 + b'"}'])
def test_a_bad_reason_refuses_nothing(stack, me, whole, body):
    before = everything(stack, whole)
    assert said(reject(me, whole, body)) == BAD
    assert said(reject(me, whole, {"reason": "a\0"})) == (400, "reason must not contain NUL\n")
    assert everything(stack, whole) == before


def test_a_body_without_a_length_is_read_too(stack, me):
    for verb, body in (("approve", b'{"subject":"Chunked"}'), ("reject", b'{"reason":"Chunked"}')):
        message = hold(me)
        with Http(stack.http_port, me.key) as http:
            http.write(http.head("POST", f"{HELD}/{message}/{verb}", "Transfer-Encoding: chunked")
                       + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            assert http.answer().status == 200
        shown = detail(me, message)
        assert "Chunked" in (shown["subject"], shown.get("rejection_reason"))


def test_a_test_mail_goes_to_its_agent_only(stack, account):
    me = Sender(stack)
    me.hold()
    message = me.test().json["message_id"]
    before = everything(stack, message)
    for body in ({"to": ["a@b.example"]}, {"cc": ["a@b.example"]},
                 {"to": [], "cc": [me.agent]}, {"bcc": ["a@b.example"], "subject": "x"}):
        assert said(approve(me, message, body)) == (
            400, "a test email has no recipient but its agent\n")
    assert everything(stack, message) == before
    answer = approve(me, message, {"to": [me.agent.upper()], "subject": "Still a test"})
    assert answer.status == 200 and answer.json.keys() == APPROVED
    assert answer.json["edited"] is True
    assert detail(me, message)["to"] == [me.agent]


# ---- sizes ----

MB = 1024 * 1024


def test_an_edit_is_as_large_as_a_mail_may_be_and_no_larger(stack, me):
    large = base64.b64encode(os.urandom(18 * MB)).decode()
    message = hold(me)
    before = everything(stack, message)
    assert said(approve(me, message, b'{"subject":"' + b"x" * 26214400 + b'"}')) == BAD
    assert everything(stack, message) == before
    answer = approve(me, message, {"attachments": [{"filename": "a.bin", "data": large}]})
    assert (answer.status, answer.json["edited"]) == (200, True)


def test_what_stays_counts_towards_the_size(stack, me):
    file = {"filename": "a.bin", "data": base64.b64encode(bytes(14 * MB)).decode()}
    lines = "\n" * (12 * MB)  # each goes out as CR LF
    message = hold(me, attachments=[file])
    before = everything(stack, message)[0][0]
    assert said(approve(me, message, {"body_html": "x" * (14 * MB)})) == (
        400, "message too large\n")
    assert said(approve(me, message, {"body_text": lines})) == (400, "message too large\n")
    assert everything(stack, message)[0][0] == before
    small = {"body_text": lines, "attachments": []}
    assert approve(me, message, small).status == 200
    message = hold(me, body=lines)
    assert said(approve(me, message, {"attachments": [file]})) == (400, "message too large\n")
    assert approve(me, message, {"subject": "Only this"}).status == 200


# ---- repeating ----

def test_a_decision_may_be_repeated_with_its_key(me):
    for verb, body in (("approve", {"subject": "Once"}), ("reject", {"reason": "Once"})):
        message, key = hold(me), f"Idempotency-Key: {verb}-{os.urandom(8).hex()}"
        first = decide(me.call, verb, message, body, key)
        again = decide(me.call, verb, message, body, key)
        assert (first.status, again.status, again.json) == (200, 200, first.json)
        assert again.headers["idempotency-replayed"] == "true"
        assert said(decide(me.call, verb, message, {}, key)) == (
            422, "Idempotency-Key was used for a different request\n")
        assert said(decide(me.call, verb, hold(me), body, key))[0] == 422
        assert said(decide(me.call, verb, message, body)) == DECIDED


def test_a_refusal_that_can_be_lifted_is_not_kept(stack, account):
    me, key = Sender(stack), "Idempotency-Key: lifted"
    me.hold()
    message = hold(me, to=["gone@b.example"])
    query(stack, "INSERT INTO suppressions (user_id, address, reason) VALUES (%s, %s, 'bounce')",
          me.user_id, "gone@b.example")
    assert said(approve(me, message, {"subject": "x"}, key)) == SUPPRESSED
    query(stack, "DELETE FROM suppressions WHERE user_id = %s", me.user_id)
    assert approve(me, message, {"subject": "x"}, key).status == 200


# ---- what arrives ----

def waiting(author: Author, **fields: Any) -> str:
    status, answer = author.api.call("PUT", author.path, {"hitl_enabled": True})
    assert status == 200, answer
    status, answer = author.ask(**fields)
    assert status == 202, answer
    return answer["message_id"]


def let(author: Author, message: str, **edits: Any) -> dict[str, Any]:
    status, answer = author.api.post(f"{HELD}/{message}/approve", edits)
    assert status == 200, answer
    return answer


def test_an_approved_mail_arrives_as_it_was_written(stack, world, author):
    to, bcc = address(), address("hidden.example")
    files = [("r\u00e9port.bin", "application/octet-stream", bytes(range(256)) * 300)]
    message = waiting(author, to=[to], bcc=[bcc], subject="Gr\u00fc\u00dfe", body="Hi.\n.\n",
                      html_body="<p>Hi.\n", attachments=[attachment(*f) for f in files])
    answer = let(author, message)
    mail = world.wait_mail(to)
    assert mail.parsed["Message-ID"] == answer["provider_message_id"]
    assert mail.parsed["Subject"] == "Gr\u00fc\u00dfe"
    assert texts(mail.parsed) == {"plain": "Hi.\n.\n", "html": "<p>Hi.\n"}
    assert attachments(mail.parsed) == files
    assert sorted(mail.recipients) == sorted([to, bcc])
    author.wait_status(message, {to: "delivered", bcc: "delivered"})


def test_an_edited_mail_arrives_as_it_was_edited_and_nowhere_else(stack, world, author):
    old, to, cc = address(), address(), address("near.example")
    message = waiting(author, to=[old], subject="Old", body="Old.\n", html_body="<p>Old.",
                      attachments=[attachment("old.txt", "text/plain", b"old")])
    new = ("new \"x\".bin", "application/x-new", b"\0\1\2")
    answer = let(author, message, to=[f"New <{to}>"], cc=[cc], subject="", body_text="New.\n",
                 body_html="<p>New.\n", attachments=[attachment(*new)])
    assert answer["edited"] is True
    mail = world.wait_mail(to)
    assert sorted(mail.recipients) == sorted([to, cc])
    assert not mail.parsed["Subject"]
    assert texts(mail.parsed) == {"plain": "New.\n", "html": "<p>New.\n"}
    assert attachments(mail.parsed) == [new]
    assert b"old" not in mail.raw.lower()
    author.wait_status(message, {to: "delivered", cc: "delivered"})
    assert world.knocks_for(old) == []


def test_attachments_that_stay_are_sent_once_with_those_that_are_new(world, author):
    to = address()
    files = [(f"{n}.txt", "text/plain", f"file {n}".encode()) for n in range(4)]
    message = waiting(author, to=[to], attachments=[attachment(*f) for f in files])
    new = ("new.csv", "text/csv", b"new")
    answer = let(author, message, attachments=[{"index": 3}, attachment(*new), {"index": 1}])
    assert answer["edited"] is True
    assert attachments(world.wait_mail(to).parsed) == [files[1], files[3], new]


def test_a_mail_that_was_emptied_arrives_empty(world, author):
    to = address()
    message = waiting(author, to=[to], html_body="<p>x", attachments=[
        attachment("a.txt", "text/plain", b"a")])
    let(author, message, subject="", body_text="", body_html="", attachments=[])
    parsed = world.wait_mail(to).parsed
    assert parsed.get_content().strip() == "" and not parsed["Subject"]


def test_an_approved_reply_continues_its_thread(stack, world, author):
    to, subject = address(), f"About {os.urandom(8).hex()}"
    assert stack.send(to, author.address, compose(
        to, author.address, subject, **{"Message-ID": "<q@far.example>"})).code == 250
    got = author.wait_mail(subject)
    assert author.api.call("PUT", author.path, {"hitl_enabled": True})[0] == 200
    status, answer = author.ask_reply(got["message_id"])
    assert status == 202
    let(author, answer["message_id"], body_text="Edited.\n")
    parsed = world.wait_mail(to).parsed
    assert (parsed["In-Reply-To"], parsed["References"]) == ("<q@far.example>",) * 2
    assert texts(parsed) == {"plain": "Edited.\n"}


def test_an_approved_test_mail_reaches_its_agent(author):
    assert author.api.call("PUT", author.path, {"hitl_enabled": True})[0] == 200
    status, answer = author.api.post(f"{author.path}/test")
    assert status == 202
    subject = f"Test {os.urandom(8).hex()}"
    let(author, answer["message_id"], subject=subject)
    assert author.wait_mail(subject)["to"] == [author.address]


def test_a_refused_mail_never_leaves(stack, world, author):
    to, after = address(), address()
    message = waiting(author, to=[to])
    assert author.api.post(f"{HELD}/{message}/reject")[0] == 200
    let(author, waiting(author, to=[after]))
    world.wait_mail(after)
    assert world.knocks_for(to) == []


def test_one_of_fifty_approvers_wins_and_one_mail_leaves(stack, world, author):
    to, after = address(), address()
    message = waiting(author, to=[to])
    start = threading.Barrier(50)

    def try_it(n: int) -> int:
        body = json.dumps({"subject": f"Approver {n}"}).encode() if n % 2 else None
        with Http(stack.http_port, author.api.key) as http:
            start.wait()
            return http.request("POST", f"{HELD}/{message}/approve", body).status

    with ThreadPoolExecutor(50) as pool:
        statuses = sorted(pool.map(try_it, range(50)))
    assert statuses == [200] + 49 * [409]
    mail = world.wait_mail(to)
    let(author, waiting(author, to=[after]))
    world.wait_mail(after)
    assert world.mails_to(to) == [mail]
    assert len(world.knocks_for(to)) == 1
    assert ledger(stack, message)[:2] == [("outbound", "held", "hitl"), ("hold", "approved", "api")]
