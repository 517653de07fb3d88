# SPDX-License-Identifier: Apache-2.0
"""Replies: whom they go to, how they thread, what they may not answer; and agents of
one deployment that talk to each other."""

from __future__ import annotations

import os

import pytest

from scripts.stack.mail import compose
from scripts.stack.peers import Api, check_auth_headers
from tests.integration.client import second_apid
from tests.integration.outbound import (CONTROLS, Author, address, attachment, check_wire,
                                        own_part, state_of)

ALICE = "alice@sender.example"
BUDGET, RECIPIENTS = 3, 50


def receive(stack, author: Author, sender: str = ALICE, subject: str = "", envelope: str = ALICE,
            **headers: str) -> str:
    """A mail to the agent; its message id here. A header that is empty is left out."""
    subject = subject or f"About {os.urandom(8).hex()}"
    message = compose(sender, author.address, subject, **headers)
    lines = [line for line in message.split(b"\r\n") if not line.endswith(b": ")]
    outcome = stack.send(envelope, author.address, b"\r\n".join(lines))
    assert outcome.code == 250, outcome
    return author.wait_mail(subject)["message_id"]


def answered(world, author: Author, message_id: str, to: str, **fields):
    """The reply as it reached `to`."""
    sent = author.reply(message_id, **fields)
    mail = world.mails.wait(lambda m: to in m.recipients
                            and m.parsed["Message-ID"] == sent["message_id"], 30)
    check_wire(own_part(mail))
    return mail


P = "<p@h>"
CHAIN = [("<u@h> <a@h>", "", "<u@h> <a@h> <p@h>"),
         ("<u@h> <a@h>", "<x@h>", "<u@h> <a@h> <p@h>"),
         ("", "<u@h>", "<u@h> <p@h>"),
         ("", "", "<p@h>"),
         ("<u@h> <p@h> <a@h>", "", "<u@h> <a@h> <p@h>"),
         ("no ids at all", "", "<p@h>")]


@pytest.mark.parametrize("references, in_reply_to, want", CHAIN)
def test_references_are_those_of_the_table(stack, world, author, references, in_reply_to, want):
    """contract.md 12.4"""
    to = address("sender.example")
    got = receive(stack, author, to, Message_ID=P, References=references, In_Reply_To=in_reply_to)
    parsed = answered(world, author, got, to).parsed
    assert parsed["In-Reply-To"] == P
    assert parsed["References"].split() == want.split()


def test_a_mail_without_an_id_starts_no_chain(stack, world, author):
    """Postfix writes one on what has none only for its own clients."""
    to = address("sender.example")
    got = receive(stack, author, to, Message_ID="", References="<u@h>")
    parsed = answered(world, author, got, to).parsed
    assert (parsed["In-Reply-To"], parsed["References"]) == (None, None)


def test_a_long_chain_keeps_its_first_and_its_last(stack, world, author):
    to = address("sender.example")
    ids = [f"<{n}.{'x' * 60}@h.example>" for n in range(300)]
    got = receive(stack, author, to, Message_ID=P, References="\n ".join(ids))
    parsed = answered(world, author, got, to).parsed
    found = parsed["References"].split()
    assert found[0] == ids[0] and found[-2:] == [ids[-1], P]
    assert found[1:-1] == ids[-len(found) + 2:]


@pytest.mark.parametrize("subject, want", [
    ("Lunch", "Re: Lunch"), ("Re: Lunch", "Re: Lunch"), ("RE: Lunch", "RE: Lunch"),
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: Grüße"), ("Fwd: Re: x", "Re: Fwd: Re: x")])
def test_subjects(stack, world, author, subject, want):
    to = address("sender.example")
    message = compose(to, author.address, subject)
    assert stack.send(ALICE, author.address, message).code == 250
    got = author.wait_mail(want.removeprefix("Re: ") if want != subject else subject)
    assert answered(world, author, got["message_id"], to).parsed["Subject"] == want


def test_a_mail_without_a_subject(stack, world, author):
    to = address("sender.example")
    message = compose(to, author.address, "").replace(b"Subject: \r\n", b"")
    assert stack.send(ALICE, author.address, message).code == 250
    got = author.wait_mail("")
    assert answered(world, author, got["message_id"], to).parsed["Subject"] == "Re: your message"


# ---- whom it goes to ----

def test_a_reply_goes_to_reply_to_and_else_to_from(stack, world, author):
    sender, other, third = address(), address(), address()
    plain = receive(stack, author, f"Alice <{sender}>")
    mail = answered(world, author, plain, sender)
    assert mail.recipients == [sender] and mail.parsed["To"] == sender
    redirected = receive(stack, author, sender, Reply_To=f"Two <{other}>, {third}")
    mail = answered(world, author, redirected, other)
    assert sorted(mail.recipients) == sorted([other, third])


def test_a_reply_to_all_leaves_out_the_agent_and_duplicates(stack, world, author):
    sender, second, copied, hidden = (address() for _ in range(4))
    got = receive(stack, author, sender, To=f"{author.address.upper()}, {second}, {sender}",
                  Cc=f"{copied}, {second}")
    mail = answered(world, author, got, sender, reply_all=True, cc=[hidden.upper()],
                    bcc=[second])
    assert sorted(mail.recipients) == sorted([sender, second, copied, hidden])
    parsed = mail.parsed
    assert parsed["To"] == sender
    assert [a.addr_spec for a in parsed["Cc"].addresses] == [second, copied, hidden]
    assert parsed["Bcc"] is None


def test_copies_that_are_asked_for_need_no_reply_to_all(stack, world, author):
    sender, second, copied, hidden = (address() for _ in range(4))
    got = receive(stack, author, sender, To=f"{author.address}, {second}")
    mail = answered(world, author, got, sender, cc=[copied], bcc=[hidden])
    assert sorted(mail.recipients) == sorted([sender, copied, hidden])
    assert hidden.encode() not in mail.raw


def test_a_reply_to_all_counts_everybody(stack, world, author):
    sender, many = address(), [address() for _ in range(RECIPIENTS)]
    got = receive(stack, author, sender, To=f"{author.address},\n " + ",\n ".join(many))
    assert author.ask_reply(got, reply_all=True) \
        == (400, f"too many recipients (max {RECIPIENTS})\n")
    assert answered(world, author, got, sender).recipients == [sender]


@pytest.mark.parametrize("bad", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("field", ["cc", "bcc", "conversation_id", "filename", "content_type"])
def test_no_line_end_and_no_nul_reaches_the_header_of_a_reply(stack, author, field, bad):
    got = receive(stack, author)
    if field in ("filename", "content_type"):
        fields = {"attachments": [{**attachment("a.txt", "text/plain", b"x"), field: bad}]}
    else:
        fields = {field: bad if field == "conversation_id" else [f"{bad}@far.example"]}
    status, answer = author.ask_reply(got, **fields)
    assert status == 400 and answer.count("\n") == 1, answer
    assert author.ask_reply(got, body="")[1] == "body is required\n"


def test_mail_of_others_cannot_be_answered(stack, author, strange_author, make_author):
    got = receive(stack, author)
    sent = author.send(address())
    assert strange_author.ask_reply(got) == (404, "message not found\n")
    assert make_author().ask_reply(got) == (404, "message not found\n")
    assert author.ask_reply(sent["id"]) == (404, "message not found\n")
    assert author.ask_reply("msg_" + "0" * 32) == (404, "message not found\n")


# ---- loops ----

def test_a_bounce_is_never_answered(stack, world, author):
    got = receive(stack, author, "MAILER-DAEMON@sender.example", envelope="")
    assert author.ask_reply(got) == (400, "cannot reply to a message with a null sender\n")


@pytest.mark.parametrize("mark, want", [
    ("auto-replied", "auto-replied"), ("auto-generated; x=y", "auto-replied"), ("no", None)])
def test_an_answer_to_automatic_mail_says_that_it_is_automatic(stack, world, author, mark, want):
    to = address()
    got = receive(stack, author, to, Auto_Submitted=mark)
    assert answered(world, author, got, to).parsed["Auto-Submitted"] == want


def test_a_thread_that_goes_on_and_on_waits_for_a_human(stack, account, world, author):
    to = address()
    got = receive(stack, author, to)
    with second_apid(stack, 41, reply_budget=str(BUDGET)) as apid:
        bounded = Author(stack, Api(apid.url, account.api_key), author.address)
        for _ in range(BUDGET):
            bounded.reply(got)
        status, held = bounded.ask_reply(got)
        assert (status, held["status"]) == (202, "pending_approval")
        assert state_of(stack, held["message_id"]) == ("pending_approval", "reply_budget")
        bounded.reply(receive(stack, author, address()))  # another peer, another thread
    world.mails.wait(lambda _: len(world.mails_to(to)) == BUDGET, 30)


# ---- agents of one deployment ----

def check_from_agent(stack, account, mail: dict, sender: Author) -> None:
    auth = mail["auth_headers"]
    check_auth_headers(mail, account.secret)
    assert mail["verified"] is True and auth["X-E2A-Auth-Verified"] == "true"
    assert auth["X-E2A-Auth-Entity-Type"] == "agent"
    assert auth["X-E2A-Auth-Sender"] == mail["from"] == sender.address


def test_two_agents_hold_a_conversation_of_ten_messages(stack, account, make_author):
    one, two = make_author(), make_author()
    conversation = f"conv-{os.urandom(8).hex()}"
    one.send(two.address, subject="Talk", conversation_id=conversation)
    speaker, listener = one, two
    for turn in range(10):
        got = listener.wait_mail("Talk" if turn == 0 else "Re: Talk", count=max(1, (turn + 1) // 2))
        check_from_agent(stack, account, got, speaker)
        assert got["conversation_id"] == conversation
        assert got["to"] == [listener.address]
        speaker, listener = listener, speaker
        if turn < 9:
            speaker.reply(got["message_id"], body=f"Turn {turn}\n",
                          conversation_id=got["conversation_id"])


def test_an_answer_that_names_no_conversation_belongs_to_the_thread(stack, make_author):
    """By In-Reply-To, in the mailbox of who began it (contract.md 3.8)."""
    one, two = make_author(), make_author()
    conversation = f"conv-{os.urandom(8).hex()}"
    one.send(two.address, subject="Thread", conversation_id=conversation)
    two.reply(two.wait_mail("Thread")["message_id"])
    assert one.wait_mail("Re: Thread")["conversation_id"] == conversation


@pytest.mark.parametrize("conversation", ["Grüße 東京", "a b", "<script>", "=?utf-8?q?a?=",
                                          "x" * 300, "日" * 200], ids=lambda c: c[:8])
def test_a_conversation_may_have_any_name(make_author, conversation):
    one, two = make_author(), make_author()
    one.send(two.address, subject="Name", conversation_id=conversation)
    assert two.wait_mail("Name")["conversation_id"] == conversation


def test_a_conversation_of_strangers_is_not_believed(stack, author):
    """The header counts only under our own seal; MAIL FROM proves nothing."""
    for envelope in (ALICE, f"agent@{author.domain}"):
        got = receive(stack, author, envelope=envelope, X_E2A_Conversation_Id="forged")
        assert author.detail(got)["conversation_id"] == ""


def test_mail_to_agents_and_to_the_world_is_one_message(stack, account, world, author,
                                                        make_author):
    """Each side sees the author as it can verify it, under one Message-ID."""
    other, to, hidden = make_author(), address(), make_author()
    sent = author.send(other.address, cc=[to], bcc=[hidden.address], subject="Both")
    got = other.wait_mail("Both")
    check_from_agent(stack, account, got, author)
    assert (got["to"], got["cc"]) == ([other.address], [to])
    parsed = world.wait_mail(to).parsed
    assert parsed["Message-ID"] == sent["message_id"]
    assert hidden.wait_mail("Both")["from"] == author.address
    assert hidden.address.encode() not in world.wait_mail(to).raw
    author.wait_status(sent["id"], {other.address: "delivered", to: "delivered",
                                    hidden.address: "delivered"})


def test_a_stranger_cannot_look_like_an_agent(stack, author, make_author):
    other = make_author()
    got = receive(stack, author, other.address, envelope=other.address,
                  X_E2A_Ticket="v=1; x=y", X_E2A_Verdict="v=1; origin=agent")
    detail = author.detail(got)
    assert detail["verified"] is False
    assert detail["auth_headers"]["X-E2A-Auth-Entity-Type"] == "human"
