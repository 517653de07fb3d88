# SPDX-License-Identifier: Apache-2.0
"""Mail that agents write, as it is taken: the order of the checks and their words, who
may, what is stored for the queue or the hold. What leaves is tested where it arrives."""

from __future__ import annotations

import base64
import email
import email.policy
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from scripts.stack.part import wait_until
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import (Caller, Http, SecondApid, add_key, second_apid, signed_in,
                                      with_key)
from tests.integration.sender import SEND, Sender, mail, numbers, query, said
from tests.integration.wire import Lmtp

UNVERIFIED = "agent domain must be verified before sending\n"
GONE = "every recipient is on the suppression list\n"
LIMITED = "rate limit exceeded \u2014 max 3 sends per minute\n"
NO_FROM = "invalid from: agent not found\n"


@pytest.fixture(scope="module")
def me(stack, account) -> Sender:
    return Sender(stack)


@pytest.fixture(scope="module")
def careful(stack, account) -> Sender:
    """Whose agent needs approval: what is held is there to be looked at."""
    sender = Sender(stack)
    sender.hold()
    return sender


@pytest.fixture(scope="module")
def other(stack, account) -> Sender:
    return Sender(stack)


# ---- what is accepted ----

def test_a_mail_is_accepted_with_its_own_message_id(stack, me):
    answer = me.send(to=["Alice <Alice@Sender.Example>"], cc=["bob@other.example"],
                     bcc=["hid@other.example"], conversation_id="conv-1")
    assert answer.status == 200 and set(answer.json) == {"id", "message_id", "method", "status"}
    number = answer.json["id"].removeprefix("msg_")
    assert answer.json["message_id"] == f"<{number}@{SHARED_DOMAIN}>"
    assert (answer.json["method"], answer.json["status"]) == ("smtp", "sent")
    row = me.stored(answer)
    assert row["email_message_id"] == answer.json["message_id"]
    assert (row["direction"], row["type"], row["status"]) == ("outbound", "send", "sent")
    assert (row["agent_email"], row["header_from"], row["recipient"]) == (
        me.agent, me.agent, "alice@sender.example")
    assert (row["subject"], row["conversation_id"]) == ("Hello", "conv-1")
    assert query(stack, "SELECT kind, address, part FROM outbound_recipients "
                 "WHERE message_id = %s ORDER BY n", answer.json["id"]) == [
        ("to", "alice@sender.example", "world"), ("cc", "bob@other.example", "world"),
        ("bcc", "hid@other.example", "world")]
    assert query(stack, "SELECT stage, outcome, reason FROM message_events "
                 "WHERE message_id = %s ORDER BY id LIMIT 1", answer.json["id"]) == [
        ("outbound", "accepted", "")]


def test_mail_to_agents_and_to_the_world_goes_two_ways(stack, me, other):
    answer = me.send(to=[other.agent.upper(), "alice@sender.example"])
    assert query(stack, "SELECT address, part FROM outbound_recipients WHERE message_id = %s "
                 "ORDER BY n", answer.json["id"]) == [
        (other.agent, "agents"), ("alice@sender.example", "world")]


def test_all_of_a_held_mail_is_kept(stack, careful):
    data = bytes(range(256)) * 5
    names = ["a.csv", "../../etc/passwd", 'quote".pdf', "caf\u00e9 \u200fgnp.exe", "", "a;b=c\\%0d"]
    files = [{"filename": n, "content_type": "text/csv; charset=utf-8",
              "data": base64.b64encode(data).decode()} for n in names]
    answer = careful.send(subject="Gr\u00fc\u00dfe \U0001f4c4", body="one\r\ntwo\n.\n",
                          html_body="<p>&\u00e4", attachments=files,
                          reply_to_message_id="b@h.example", references=["<a@h.example>"])
    assert answer.status == 202
    assert set(answer.json) == {"id", "message_id", "status", "hold_reason", "approval_expires_at"}
    assert answer.json["message_id"] == answer.json["id"]
    assert (answer.json["status"], answer.json["hold_reason"]) == ("pending_approval", "hitl")
    row = careful.stored(answer)
    assert (row["status"], row["hold_reason"]) == ("pending_approval", "hitl")
    assert (row["subject"], row["in_reply_to"]) == ("Gr\u00fc\u00dfe \U0001f4c4", "<b@h.example>")
    assert careful.draft(answer) == ("one\r\ntwo\n.\n", "<p>&\u00e4",
                                     ["<a@h.example>", "<b@h.example>"])
    kept = query(stack, "SELECT filename, content_type, data FROM outbound_attachments "
                 "WHERE message_id = %s ORDER BY n", answer.json["id"])
    assert [(n, t, bytes(d)) for n, t, d in kept] == [
        (n, "text/csv; charset=utf-8", data) for n in names]
    assert query(stack, "SELECT 1 FROM outbound_jobs WHERE message_id = %s",
                 answer.json["id"]) == []


def test_deliverd_is_told_once_for_many(stack, me):
    with closing(stack.db()) as db:
        db.autocommit = True
        with db.cursor() as cursor:
            cursor.execute("LISTEN e2a_jobs")
        with ThreadPoolExecutor(8) as pool:
            assert {a.status for a in pool.map(lambda _: me.send(), range(24))} == {200}

        def told() -> int:
            db.poll()
            return len(db.notifies)

        wait_until("the announcement", told)
        assert me.send().status == 200
        assert told() <= 24


# ---- the order of the checks ----

BAD = "invalid request body\n"
# Each has what the ones behind it complain about as well.
ORDER = [
    ({"subject": 5}, 400, BAD),
    ({"to": "alice@sender.example"}, 400, BAD),
    ({"to": [5]}, 400, BAD),
    ({"attachments": {}}, 400, BAD),
    ({"attachments": ["a"]}, 400, BAD),
    ({"attachments": [{"data": 5}]}, 400, BAD),
    ({"subject": ""}, 400, "subject and body are required\n"),
    ({"body": "", "html_body": "<p>Hi"}, 400, "subject and body are required\n"),
    ({"subject": None}, 400, "subject and body are required\n"),
    ({"to": [], "bcc": ["a@b.example"]}, 400, "at least one recipient in to or cc is required\n"),
    ({"to": None}, 400, "at least one recipient in to or cc is required\n"),
    ({"conversation_id": "a\nb"}, 400, "conversation_id must not contain CR or LF\n"),
    ({"conversation_id": "a\rb", "subject": "a\0"}, 400,
     "conversation_id must not contain CR or LF\n"),
    ({"body": "a\0b"}, 400, "body must not contain NUL\n"),
    ({"html_body": "\0"}, 400, "html_body must not contain NUL\n"),
    ({"conversation_id": "a\0b"}, 400, "conversation_id must not contain control characters\n"),
    ({"subject": "a\r\nBcc: evil@b.example"}, 400, "subject must not contain control characters\n"),
    ({"subject": "a\0b"}, 400, "subject must not contain control characters\n"),
    ({"conversation_id": "x" * 999}, 400, "conversation_id must be at most 998 bytes\n"),
    ({"reply_to_message_id": "msg_1"}, 400,
     "reply_to_message_id must be a Message-ID such as <id@host.example>\n"),
    ({"references": ["<a@b>", "<a@b>\r\nX: y"]}, 400,
     "each of references must be a Message-ID such as <id@host.example>\n"),
    ({"attachments": [{}] * 101}, 400, "too many attachments (max 100)\n"),
    ({"attachments": [{}, {"data": "a b="}]}, 400, "attachment 2: data is not valid base64\n"),
    ({"attachments": [{"data": "YQ"}]}, 400, "attachment 1: data is not valid base64\n"),
    ({"attachments": [{"filename": "a\r\nX: y"}]}, 400,
     "attachment 1: filename contains CR/LF: header injection refused\n"),
    ({"attachments": [{"content_type": "text/plain\nX: y"}]}, 400,
     "attachment 1: content_type contains CR/LF: header injection refused\n"),
    ({"attachments": [{"filename": "a\0"}]}, 400,
     "attachment 1: filename must not contain control characters\n"),
    ({"attachments": [{"content_type": "nonsense"}]}, 400,
     "attachment 1: content_type is not a media type\n"),
    ({"from": "nobody@agents.example"}, 400, NO_FROM),
    ({"from": "no address"}, 400, NO_FROM),
    ({"from": "a\0b@agents.example"}, 400, NO_FROM),
]
RECIPIENTS = [
    ({"to": ["a b"]}, 'invalid To address: "a b": '),
    ({"to": ["a@b.example", "a@"]}, 'invalid To address: "a@": '),
    ({"to": ["a@b.example, c@d.example"]}, 'invalid To address: "a@b.example, c@d.example": more'),
    ({"cc": ["a\r\nb@c.example"]}, 'invalid CC address: "a\\x0d\\x0ab@c.example": control'),
    ({"cc": ["\0"]}, 'invalid CC address: "\\x00": control'),
    ({"bcc": ["@"]}, 'invalid BCC address: "@": '),
    ({"to": [" ", ""]}, "no valid recipients\n"),
    ({"to": [f"u{n}@b.example" for n in range(51)]}, "too many recipients (max 50)\n"),
    ({"to": [f"u{n}@b.example" for n in range(25)],
      "bcc": [f"v{n}@b.example" for n in range(26)]}, "too many recipients (max 50)\n"),
]


@pytest.mark.parametrize("body, status, text", ORDER)
def test_the_first_of_several_faults_is_told(me, body, status, text):
    before = me.count()
    later = {"from": "nobody@agents.example", "to": ["no address"]}
    assert said(me.send(**{**later, **body})) == (status, text)
    assert me.count() == before


@pytest.mark.parametrize("body, text", RECIPIENTS)
def test_recipients_are_checked_for_a_hold_as_well(me, careful, body, text):
    for sender in (me, careful):
        before = sender.count()
        answer = sender.send(**body)
        assert answer.status == 400 and answer.text.startswith(text), answer
        assert sender.count() == before


def test_nobody_in_particular_learns_nothing(stack):
    nobody = Caller(stack.http_port, ())
    for body in (b"", b"{", {}, mail()):
        assert said(nobody("POST", SEND, body)) == (401, "unauthorized\n")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"subject":"a\0"}'])
def test_what_is_no_json_is_refused(me, body):
    assert said(me.call("POST", SEND, body)) == (400, BAD)


def test_the_vector_of_recipients(me):
    """One in other letters is the same, the agent and the relay are nobody."""
    answer = me.send(to=["Alice <A@B.example>", me.agent.upper(), "a@b.example"],
                     cc=["a@b.example", f"agent@{SHARED_DOMAIN}", "d@e.example"],
                     bcc=["D@e.example", "g@h.example", f"{me.agent.replace('@', '+tag@')}"])
    row = me.stored(answer)
    assert (row["to_addresses"], row["cc_addresses"], row["bcc_addresses"]) == (
        ["a@b.example"], ["d@e.example"], ["g@h.example"])
    assert said(me.send(to=[me.agent])) == (400, "no valid recipients\n")
    fifty = me.send(to=[f"u{n}@b.example" for n in range(50)] * 2)
    assert len(me.stored(fifty)["to_addresses"]) == 50


# ---- as whom ----

def test_who_has_one_agent_need_not_name_it(stack, account):
    sender = Sender(stack)
    answer = sender.call("POST", SEND, mail())
    assert sender.stored(answer)["agent_email"] == sender.agent
    assert sender.send(**{"from": sender.agent.upper()}).status == 200
    sender.make_agent()
    assert said(sender.call("POST", SEND, mail())) == (
        400, "from field required when user has multiple agents\n")


def test_who_has_no_agent_cannot_send(stack, account):
    user = stack.bootstrap(f"sender{next(numbers)}@other.example")
    assert said(with_key(stack.http_port, user.api_key)("POST", SEND, mail())) == (
        400, "from field required (no agents found)\n")


def test_a_key_of_one_agent_sends_as_that_agent_only(stack, me, other):
    second = me.make_agent()
    call = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])
    for body in (mail(), mail(**{"from": me.agent})):
        answer = call("POST", SEND, body)
        assert answer.status == 200 and me.stored(answer)["agent_email"] == me.agent
    for name in (second, other.agent, "nobody@agents.example"):
        assert said(call("POST", SEND, mail(**{"from": name}))) == (400, NO_FROM)
    assert said(me.send(**{"from": other.agent})) == (400, NO_FROM)


def test_a_signed_in_browser_sends_from_a_page_of_our_own(stack, me):
    browser = signed_in(stack, me.user_id)
    assert browser("POST", SEND, mail(**{"from": me.agent})).status == 200
    foreign = Caller(stack.http_port, (browser.fields[0], "Sec-Fetch-Site: cross-site"))
    assert said(foreign("POST", SEND, mail(**{"from": me.agent}))) == (
        403, "cross-site request refused\n")


def lose_domain(stack, sender: Sender) -> str:
    """An agent on a domain that is no longer proved."""
    name = f"lost{next(numbers)}.example"
    query(stack, "INSERT INTO domains (id, domain, user_id, verified, verification_token) "
          "VALUES (%s, %s, %s, false, '')", f"dom_{name}", name, sender.user_id)
    query(stack, "INSERT INTO agents (email, address, domain, user_id, agent_mode) "
          "VALUES (%s, %s, %s, %s, 'local')", f"bot@{name}", f"bot@{name}", name, sender.user_id)
    return f"bot@{name}"


def test_an_agent_without_its_domain_sends_nothing(stack, me):
    agent = lose_domain(stack, me)
    assert said(me.send(**{"from": agent, "to": ["no address"]})) == (403, UNVERIFIED)
    assert said(me.test(agent)) == (
        403, "agent domain must be verified before sending test email\n")
    query(stack, "INSERT INTO messages (id, user_id, agent_email, direction, sender, "
          "envelope_sender, expires_at) VALUES (%s, %s, %s, 'inbound', 'a@b.example', "
          "'a@b.example', now() + interval '1 day')", f"msg_{agent}", me.user_id, agent)
    assert said(me.reply(f"msg_{agent}", agent=agent, body="")) == (403, UNVERIFIED)


# ---- the suppression list ----

def suppress(stack, user: str, *addresses: str) -> None:
    for address in addresses:
        query(stack, "INSERT INTO suppressions (user_id, address, reason) VALUES (%s, %s, 'bounce')",
              user, address)


def test_somebody_has_to_be_left_who_takes_mail(stack, account):
    me, other = Sender(stack), Sender(stack)
    suppress(stack, me.user_id, "gone@b.example", "away@b.example", me.agent)
    suppress(stack, other.user_id, "alice@sender.example")
    assert said(me.send(to=["Gone@B.example"], cc=["away@b.example"])) == (400, GONE)
    answer = me.send(to=["gone@b.example"], bcc=["alice@sender.example"])
    assert answer.status == 200 and me.stored(answer)["to_addresses"] == ["gone@b.example"]
    assert said(me.test()) == (400, GONE)
    me.hold()
    assert said(me.send(to=["gone@b.example"])) == (400, GONE)


# ---- limits ----

@pytest.fixture(scope="module")
def limited(stack, account) -> Iterator[SecondApid]:
    with second_apid(stack, 31, rate_send="3", reply_budget="2", recipients_per_message="2") as apid:
        yield apid


def test_sends_and_replies_of_an_agent_share_one_limit(stack, limited):
    me = Sender(stack, limited.port)
    second, message = me.make_agent(), me.receive()
    assert me.send().status == 200
    assert said(me.reply(message, body="")) == (400, "body is required\n"), "it counts"
    assert me.reply(message).status == 200
    for answer in (me.send(), me.reply(message), me.send(to=["no address"])):
        assert said(answer) == (429, LIMITED)
        assert 0 < int(answer.headers["retry-after"]) <= 60
    assert me.send(**{"from": second}).status == 200, "another agent"
    assert said(me.send(subject="")) == (400, "subject and body are required\n")
    assert said(me.send(**{"from": "x@y.example"})) == (400, NO_FROM)
    assert said(me.reply("msg_absent")) == (404, "message not found\n")
    assert me.test().status == 200, "not limited"


def test_what_is_refused_before_the_limit_does_not_count(stack, limited):
    me = Sender(stack, limited.port)
    for body in ({"subject": ""}, {"to": []}, {"conversation_id": "\n"}, {"from": "x@y.example"},
                 {"attachments": [{"data": "!"}]}) * 2:
        assert me.send(**body).status == 400
    assert [me.send().status for _ in range(4)] == [200, 200, 200, 429]


def test_two_servers_count_one_agent_together(stack, limited):
    me = Sender(stack, limited.port)
    with second_apid(stack, 32, rate_send="3") as another, ThreadPoolExecutor(8) as pool:
        callers = [with_key(apid.port, me.key) for apid in (limited, another)] * 6
        answers = list(pool.map(lambda call: call("POST", SEND, mail(**{"from": me.agent})), callers))
    assert sorted(a.status for a in answers) == [200] * 3 + [429] * 9


def test_recipients_are_counted_when_they_are_all_known(stack, limited):
    me = Sender(stack, limited.port)
    message = me.receive(To=f"{me.agent}, one@b.example, two@b.example", Cc="three@b.example")
    assert said(me.reply(message, reply_all=True)) == (400, "too many recipients (max 2)\n")
    assert me.reply(message, cc=["one@b.example", "ALICE@sender.example"]).status == 200


def test_a_thread_that_goes_on_too_long_is_held(stack, limited):
    me = Sender(stack, limited.port)
    one, two = me.receive(Message_ID="<root@sender.example>"), me.make_agent()
    again = me.receive(References="<root@sender.example>", Message_ID="<next@sender.example>")
    assert me.reply(one).status == 200
    assert me.reply(again).status == 200
    held = me.reply(one)
    assert (held.status, held.json["hold_reason"]) == (202, "reply_budget")
    assert me.stored(held)["hold_reason"] == "reply_budget"
    other = me.receive(agent=two, Message_ID="<root@sender.example>")
    assert me.reply(other, agent=two).status == 200, "another agent"


def test_replies_without_ids_are_one_thread(stack, limited):
    """Whoever leaves out Message-IDs does not get around the budget."""
    me = Sender(stack, limited.port)
    message = me.receive()
    query(stack, "UPDATE messages SET raw_id = NULL, email_message_id = '' WHERE id = %s", message)
    assert [me.reply(message).status for _ in range(3)] == [200, 200, 202]


# ---- repeated requests ----

def test_a_repeated_send_sends_once(me):
    key, before = f"Idempotency-Key: {os.urandom(8).hex()}", me.count()
    first, again = me.send(key), me.send(key)
    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body and again.headers["idempotency-replayed"] == "true"
    assert me.count() == before + 1
    assert said(me.send(key, subject="Other")) == (
        422, "Idempotency-Key was used for a different request\n")


def test_of_many_at_once_one_is_sent(me):
    key, before = f"Idempotency-Key: {os.urandom(8).hex()}", me.count()
    attached = [{"filename": "a", "data": base64.b64encode(os.urandom(200000)).decode()}]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: me.send(key, attachments=attached), range(8)))
    assert len({a.body for a in answers}) == 1 and me.count() == before + 1


def test_a_hold_and_a_reply_are_repeated_alike(me, careful):
    key, before = f"Idempotency-Key: {os.urandom(8).hex()}", careful.count()
    first, again = careful.send(key), careful.send(key)
    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert careful.count() == before + 1
    key, message = f"Idempotency-Key: {os.urandom(8).hex()}", me.receive()
    before = me.count()
    assert me.reply(message, key).body == me.reply(message, key).body
    assert me.count() == before + 1


def test_a_refused_send_leaves_its_key_free(me):
    key = f"Idempotency-Key: {os.urandom(8).hex()}"
    assert me.send(key, to=["no address"]).status == 400
    assert me.send(key).status == 200


# ---- replies ----

def test_a_reply_goes_to_who_asked_and_continues_the_thread(stack, me):
    message = me.receive(From="Alice <Alice@Sender.Example>", Subject="Need help?",
                         Message_ID="<p@h.example>", References="<u@h.example> <a@h.example>",
                         In_Reply_To="<a@h.example>")
    answer = me.reply(message)
    assert answer.status == 200 and set(answer.json) == {"id", "message_id", "method", "status"}
    row = me.stored(answer)
    assert (row["type"], row["subject"]) == ("reply", "Re: Need help?")
    assert (row["to_addresses"], row["cc_addresses"]) == (["alice@sender.example"], [])
    assert (row["in_reply_to"], row["conversation_id"]) == ("<p@h.example>", "")
    assert row["auto_submitted"] == ""


CHAINS = [
    ({"References": "<u@h> <a@h>", "In_Reply_To": "<x@h>"}, ["<u@h>", "<a@h>", "<p@h>"]),
    ({"In_Reply_To": "<u@h>"}, ["<u@h>", "<p@h>"]),
    ({}, ["<p@h>"]),
    ({"References": "<u@h> <p@h> <a@h>"}, ["<u@h>", "<a@h>", "<p@h>"]),
    ({"References": "nonsense"}, ["<p@h>"]),
]


@pytest.mark.parametrize("headers, chain", CHAINS)
def test_the_chain_of_a_reply(careful, headers, chain):
    answer = careful.reply(careful.receive(Message_ID="<p@h>", **headers))
    assert careful.draft(answer)[2] == chain
    assert careful.stored(answer)["in_reply_to"] == "<p@h>"


TO = [
    ({}, {}, ["alice@sender.example"], [], []),
    ({"Reply_To": "Team <team@b.example>, x@b.example"}, {}, ["team@b.example", "x@b.example"], [],
     []),
    ({"Reply_To": " "}, {}, ["alice@sender.example"], [], []),
    ({"To": "AGENT, bob@b.example", "Cc": "Carol <carol@b.example>, alice@sender.example"},
     {"reply_all": True}, ["alice@sender.example"], ["bob@b.example", "carol@b.example"], []),
    ({"To": "AGENT, bob@b.example"}, {"reply_all": False, "cc": ["dan@b.example"],
                                      "bcc": ["eve@b.example"]},
     ["alice@sender.example"], ["dan@b.example"], ["eve@b.example"]),
    ({"To": "AGENT, bob@b.example"}, {"reply_all": True, "cc": ["BOB@b.example", "f@b.example"]},
     ["alice@sender.example"], ["bob@b.example", "f@b.example"], []),
    ({"From": "nobody"}, {}, ["alice@sender.example"], [], []),
]


@pytest.mark.parametrize("headers, body, to, cc, bcc", TO)
def test_who_gets_a_reply(me, headers, body, to, cc, bcc):
    headers = {k: v.replace("AGENT", me.agent) for k, v in headers.items()}
    row = me.stored(me.reply(me.receive(**headers), **body))
    assert (row["to_addresses"], row["cc_addresses"], row["bcc_addresses"]) == (to, cc, bcc)


@pytest.mark.parametrize("headers, mark", [
    ({}, ""), ({"Auto_Submitted": "no"}, ""), ({"Auto_Submitted": "auto-replied"}, "auto-replied"),
    ({"Auto_Submitted": "Auto-Generated; x=y"}, "auto-replied"), ({"Precedence": "bulk"},
                                                                   "auto-replied"),
    ({"Precedence": "list"}, "")])
def test_an_answer_to_what_no_human_wrote_says_so(me, headers, mark):
    assert me.stored(me.reply(me.receive(**headers)))["auto_submitted"] == mark


SUBJECTS = [("Re: Hi", "Re: Hi"), ("RE:Hi", "RE:Hi"), ("", "Re: your message"),
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: Gr\u00fc\u00dfe"),
            ("=?utf-8?q?a=0D=0ABcc:_x@y?=", "Re: a  Bcc: x@y")]


@pytest.mark.parametrize("subject, wanted", SUBJECTS)
def test_the_subject_of_a_reply(me, subject, wanted):
    assert me.stored(me.reply(me.receive(Subject=subject)))["subject"] == wanted


def test_nobody_answers_a_null_sender(me):
    message = me.receive(sender="")
    assert said(me.reply(message)) == (400, "cannot reply to a message with a null sender\n")
    assert said(me.reply(message, body="")) == (400, "body is required\n")


def test_a_reply_is_checked_in_its_order(stack, me, other):
    message, foreign = me.receive(), other.receive()
    second = me.make_agent()
    assert said(Caller(stack.http_port, ())("POST", f"/api/v1/agents/{me.agent}/messages/"
                                            f"{message}/reply", b"{")) == (401, "unauthorized\n")
    for agent in (other.agent, "nobody@agents.example"):
        assert said(me.reply(foreign, agent=agent)) == (404, "agent not found\n")
    sent = me.send().json["id"]
    for absent in (foreign, sent, "msg_" + "0" * 32, "%00"):
        assert said(me.reply(absent)) == (404, "message not found\n")
    assert said(me.reply(message, agent=second)) == (404, "message not found\n")
    path = f"/api/v1/agents/{me.agent}/messages/{message}/reply"
    assert said(me.call("POST", path, b"{")) == (400, BAD)
    assert said(me.reply(message, body="", conversation_id="\n")) == (400, "body is required\n")
    assert said(me.reply(message, conversation_id="\n", cc=["no address"])) == (
        400, "conversation_id must not contain CR or LF\n")
    assert said(me.reply(message, cc=["no address"]))[1].startswith("invalid CC address")
    assert said(me.reply(message, reply_all="yes")) == (400, BAD)


def test_reply_all_needs_what_the_mail_said(stack, me):
    message = me.receive()
    query(stack, "UPDATE messages SET raw_id = NULL WHERE id = %s", message)
    assert said(me.reply(message, reply_all=True)) == (
        400, "reply_all requires inbound raw_message but none was stored\n")
    assert me.stored(me.reply(message))["to_addresses"] == ["alice@sender.example"]


def test_reply_all_does_not_rely_on_half_a_header(stack, me):
    agent = me.make_agent()
    for size in (100_000, 300_000):
        long = "".join(f"X-Long: {'x' * 900}\r\n" for _ in range(size // 900)).encode()
        with Lmtp(stack) as lmtp:
            assert lmtp.mail(agent, b"From: a@b.example\r\n" + long + b"To: c@b.example, d@b.example"
                             b"\r\n\r\nHi.\r\n")[0].code == 250
        newest = me.inbox(agent)[0]["message_id"]
        assert me.reply(newest, agent=agent).status == 200
        answer = me.reply(newest, agent=agent, reply_all=True)
        if size < 256 * 1024:
            assert me.stored(answer)["cc_addresses"] == ["c@b.example", "d@b.example"]
        else:
            assert said(answer) == (400, "reply_all requires parseable inbound headers: "
                                    "the header section is too large\n")


def test_answering_marks_nothing_read(me):
    message = me.receive()
    assert me.reply(message).status == 200
    listed = {m["message_id"]: m["status"] for m in me.inbox(me.agent)}
    assert listed[message] == "unread"


def test_a_key_of_the_agent_answers_its_mail(stack, me):
    key = add_key(stack, me.user_id, agent=me.agent)[1]
    answer = with_key(stack.http_port, key)(
        "POST", f"/api/v1/agents/{me.agent}/messages/{me.receive()}/reply", {"body": "Yes."})
    assert answer.status == 200 and me.stored(answer)["type"] == "reply"


def test_a_held_reply_keeps_what_it_answers(careful):
    message = careful.receive(Message_ID="<p@h>")
    answer = careful.reply(message, html_body="<p>", conversation_id="c")
    assert (answer.status, answer.json["hold_reason"]) == (202, "hitl")
    row = careful.stored(answer)
    assert (row["type"], row["in_reply_to"], row["conversation_id"]) == ("reply", "<p@h>", "c")


# ---- test mail ----

def test_a_test_mail_goes_to_the_agent_itself(stack, me):
    answer = me.test()
    assert answer.status == 200 and set(answer.json) == {"id", "message_id", "status"}
    assert answer.json["status"] == "sent"
    row = me.stored(answer)
    assert (row["type"], row["header_from"]) == ("test", f"noreply@{SHARED_DOMAIN}")
    assert (row["subject"], row["auto_submitted"]) == ("Test email from e2a", "auto-generated")
    assert row["to_addresses"] == [me.agent]
    assert query(stack, "SELECT part FROM outbound_recipients WHERE message_id = %s",
                 answer.json["id"]) == [("agents",)]


def test_a_test_mail_comes_from_where_its_bounce_gets_back_to(stack, me):
    with second_apid(stack, 45, shared_domain="", from_domain="") as apid, \
         Http(apid.port, me.key) as http:
        answer = http.request("POST", f"/api/v1/agents/{me.agent}/test")
    assert answer.status == 200
    assert me.stored(answer)["header_from"] == f"noreply@{me.agent.partition('@')[2]}"


def test_the_test_mail_of_a_careful_agent_waits_with_its_text(careful):
    answer = careful.test()
    assert (answer.status, answer.json["status"]) == (202, "pending_approval")
    assert careful.draft(answer)[0] == (
        f"This is a test email for {careful.agent}.\n\n"
        "Your agent is set up and ready to receive emails.\n")


def test_a_test_mail_is_the_accounts_affair(stack, me, other):
    for agent in (other.agent, "nobody@agents.example", "%00"):
        assert said(me.test(agent)) == (404, "agent not found: agent not found\n")
    call = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])
    assert said(call("POST", f"/api/v1/agents/{me.agent}/test")) == (
        404, "agent not found: agent not found\n")


# ---- usage ----

def test_usage_is_counted_where_the_operator_wants_it(stack, account):
    with second_apid(stack, 33, usage_tracking="yes") as apid:
        me = Sender(stack, apid.port)
        assert [me.send().status, me.test().status] == [200, 200]
        me.hold()
        assert me.send().status == 202
    counted = query(stack, "SELECT count(*) FROM usage_events WHERE user_id = %s "
                    "AND direction = 'outbound'", me.user_id)
    assert counted == [(1,)]


# ---- what hostile clients do with it ----

def test_no_text_of_a_client_ends_up_in_another_field(careful):
    evil = "a\u00a0b\u200fc<script>\\\"{}',;@"
    answer = careful.send(subject=evil, conversation_id=evil,
                          attachments=[{"filename": evil, "data": ""}])
    row = careful.stored(answer)
    assert (row["subject"], row["conversation_id"]) == (evil, evil)
    for c in "\x85\u2028\u2029":
        assert said(careful.send(subject=c)) == (400, "subject must not contain control characters\n")
    answer = careful.send(attachments=[{"filename": "a\u202egnp.exe", "data": ""}])
    assert said(answer) == (400, "attachment 1: filename must not contain characters that turn "
                            "text around\n")


def test_any_name_of_an_agent_can_send(me, other):
    agent = me.make_agent("Bad\r\nX-Evil: 1\0".replace("\0", "\x01") + " long" * 1000)
    answer = me.send(**{"from": agent, "to": [other.agent], "subject": f"Named {agent}"})
    assert answer.status == 200
    found = wait_until("the mail", lambda: next(
        (m["message_id"] for m in other.inbox(other.agent) if m["subject"] == f"Named {agent}"),
        None))
    shown = other.call("GET", f"/api/v1/agents/{other.agent}/messages/{found}").json
    parsed = email.message_from_bytes(base64.b64decode(shown["raw_message"]),
                                      policy=email.policy.default)
    assert "x-evil" not in parsed and parsed["from"].addresses[0].addr_spec == agent
    assert parsed["from"].addresses[0].display_name.startswith("Bad X-Evil: 1 long")
    assert parsed["message-id"] == answer.json["message_id"]


def test_a_thousand_and_one_recipients_are_no_body(me):
    assert said(me.send(to=["a@b.example"] * 1001)) == (400, BAD)
    assert me.send(to=["a@b.example"] * 1000).status == 200


def test_a_bomb_of_values_is_no_body(me):
    for piece in (b"[],", b"{},", b'"",', b"0,"):
        body = b'{"x":[' + piece * 2_000_000 + b"0]}"
        assert said(me.call("POST", SEND, body)) == (400, BAD)
