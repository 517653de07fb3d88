# SPDX-License-Identifier: Apache-2.0
"""What becomes of each recipient, as Postfix and the world's bounces tell it: only
reports of our own envelopes count, and only for who was in them."""

from __future__ import annotations

import os
import smtplib

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.world import OLD_DOMAIN
from tests.integration.outbound import Author, address, ledger

STORM = 500


def bounce(sender_of: str, recipient: str, status: str = "5.1.1", action: str = "failed",
           text: str = "no such user") -> bytes:
    """A delivery-status notification (RFC 3464) to the envelope sender."""
    return (f"From: MAILER-DAEMON@mx.forger.example\nTo: {sender_of}\n"
            f"Subject: Undelivered Mail Returned to Sender\n"
            f"Message-ID: <{os.urandom(8).hex()}@mx.forger.example>\n"
            "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
            f"--b\nContent-Type: text/plain\n\nSorry.\n\n--b\n"
            "Content-Type: message/delivery-status\n\n"
            "Reporting-MTA: dns; mx.forger.example\n\n"
            f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n"
            f"Diagnostic-Code: smtp; 550 {status} {text}\n\n--b--\n").replace("\n", "\r\n").encode()


def envelope_sender(world, to: str) -> str:
    return world.wait_mail(to).sender


# ---- what Postfix says ----

def test_a_mail_is_delivered(world, author):
    to, old = address(), address(OLD_DOMAIN)
    sent = author.send(to, cc=[old])
    found = author.wait_status(sent["id"], {to: "delivered", old: "delivered"})
    assert {r["code"][:1] for r in found.values()} == {"2"}


def test_one_is_refused_by_the_world_beside_one_that_is_taken(world, author):
    bad, good = address(), address()
    world.reject(bad, "550 5.1.1 nobody of this name")
    sent = author.send(bad, cc=[good])
    found = author.wait_status(sent["id"], {bad: "bounced", good: "delivered"})
    assert found[bad]["code"] == "5.1.1" and "nobody of this name" in found[bad]["detail"]
    assert world.wait_mail(good).recipients == [good]


def test_one_is_refused_by_postfix_itself_beside_one_that_is_taken(world, author, make_author):
    """In the same transaction, for instance an agent that is gone."""
    gone, other, far = f"nobody-{os.urandom(4).hex()}@{author.domain}", make_author(), address()
    sent = author.send(gone, other.address, cc=[far], subject="Beside")
    found = author.wait_status(sent["id"], {gone: "failed", other.address: "delivered",
                                            far: "delivered"})
    assert found[gone]["code"].startswith("5.1")
    assert other.wait_mail("Beside")["to"] == [gone, other.address]


@pytest.mark.parametrize("reply", ["450 4.2.0 greylisted", "421 4.3.2 going down"])
def test_a_mail_that_is_put_off_is_delivered_later(stack, world, author, reply):
    to = address()
    world.reject(to, reply)
    sent = author.send(to)
    world.wait_knocks(to, 1)
    found = author.wait_status(sent["id"], {to: "deferred"})
    assert found[to]["code"].startswith("4.")
    world.accept(to)
    stack.postfix.flush()
    author.wait_status(sent["id"], {to: "delivered"})
    assert len(world.mails_to(to)) == 1


def test_a_mail_that_is_put_off_for_too_long_bounces(stack, world, author):
    """Not for good: the address may be a good one."""
    to = address()
    world.reject(to, "450 4.2.0 greylisted")
    stack.postfix.configure(maximal_queue_lifetime="1s")
    stack.postfix.reload()
    try:
        sent = author.send(to)
        world.wait_knocks(to, 1)
        found = author.wait_status(sent["id"], {to: "bounced"})
        assert found[to]["code"].startswith("4.") and to not in suppressed(author)
    finally:
        stack.postfix.configure(maximal_queue_lifetime="5d")
        stack.postfix.reload()


def test_a_mail_that_was_taken_bounces_later(world, author):
    to, good = address(), address()
    world.bounce_later(to, "552 5.2.2 mailbox full")
    sent = author.send(to, cc=[good])
    found = author.wait_status(sent["id"], {to: "bounced", good: "delivered"})
    assert found[to]["code"] == "5.2.2" and "mailbox full" in found[to]["detail"]


def test_bounces_reach_no_agent(world, author):
    to = address()
    world.reject(to)
    sent = author.send(to)
    author.wait_status(sent["id"], {to: "bounced"})
    assert author.inbox() == []


# ---- suppression ----

def test_an_address_that_does_not_exist_gets_no_more_mail_until_it_is_taken_off(world, author,
                                                                               make_author):
    to, good = address(), address()
    world.reject(to, "550 5.1.1 no such user")
    author.wait_status(author.send(to)["id"], {to: "bounced"})
    listed = suppressed(author)
    assert listed[to]["reason"] == "bounce" and listed[to]["code"] == "5.1.1"
    knocks = len(world.knocks_for(to))
    other = make_author()  # of the same user
    again = other.send(to.upper(), cc=[good])
    found = other.wait_status(again["id"], {to: "failed", good: "delivered"})
    assert found[to]["detail"] == "suppressed"
    assert other.ask(to=[to]) == (400, "every recipient is on the suppression list\n")
    assert len(world.knocks_for(to)) == knocks
    world.accept(to)
    assert author.api.call("DELETE", f"/api/v1/suppressions/{to}")[0] == 204
    author.wait_status(author.send(to)["id"], {to: "delivered"})


def suppressed(author: Author) -> dict[str, dict]:
    status, answer = author.api.get("/api/v1/suppressions")
    assert status == 200, answer
    return {s["address"]: s for s in answer["suppressions"]}


@pytest.mark.parametrize("reply", ["552 5.2.2 mailbox full", "554 5.7.1 rejected as spam"])
def test_other_failures_suppress_nobody(world, author, reply):
    to = address()
    world.reject(to, reply)
    author.wait_status(author.send(to)["id"], {to: "bounced"})
    assert to not in suppressed(author)


def test_each_user_has_a_list_of_its_own(world, author, strange_author):
    to = address()
    world.bounce_later(to)
    author.wait_status(author.send(to)["id"], {to: "bounced"})
    assert to in suppressed(author) and to not in suppressed(strange_author)
    world.accept(to)
    strange_author.wait_status(strange_author.send(to)["id"], {to: "delivered"})


# ---- forgeries ----

def test_a_bounce_to_a_sender_that_we_never_were_is_refused(stack, world, author):
    to = address()
    sent = author.send(to)
    author.wait_status(sent["id"], {to: "delivered"})
    for token in ("0" * 32, os.urandom(16).hex(), "", "x" * 32, "0" * 31):
        forged = f"bounce-{token}@{author.domain}"
        outcome = stack.send("", forged, bounce(forged, to))
        assert (outcome.code, outcome.text[:5]) == (550, "5.1.1"), (forged, outcome)
    assert author.statuses(sent["id"]) == {to: "delivered"}


def test_a_bounce_counts_only_for_who_was_in_that_envelope(stack, world, author, strange_author):
    """Its receiver knows the envelope sender, and may try it on somebody else's mail."""
    mine, theirs = address(), address()
    sent, strange = author.send(mine), strange_author.send(theirs)
    strange_author.wait_status(strange["id"], {theirs: "delivered"})
    author.wait_status(sent["id"], {mine: "delivered"})
    known = envelope_sender(world, theirs)
    mark = stack.deliverd.log_mark()
    assert stack.send("", known, bounce(known, mine)).code == 250
    stack.deliverd.wait_log("report_read", mark)
    assert author.statuses(sent["id"]) == {mine: "delivered"}
    assert strange_author.statuses(strange["id"]) == {theirs: "delivered"}
    assert mine not in suppressed(author) and mine not in suppressed(strange_author)


def test_mail_to_an_envelope_sender_that_is_no_report_changes_nothing(stack, world, author):
    to = address()
    sent = author.send(to)
    author.wait_status(sent["id"], {to: "delivered"})
    verp = envelope_sender(world, to)
    mark = stack.deliverd.log_mark()
    assert stack.send(to, verp, compose(to, verp, "Out of office", "I am away.\n")).code == 250
    stack.deliverd.wait_log("report_read", mark)
    assert author.statuses(sent["id"]) == {to: "delivered"}


def test_news_come_in_any_order_and_the_worst_stays(stack, world, author):
    to = address()
    sent = author.send(to)
    author.wait_status(sent["id"], {to: "delivered"})
    verp = envelope_sender(world, to)
    assert stack.send("", verp, bounce(verp, to, "5.2.2")).code == 250
    author.wait_status(sent["id"], {to: "bounced"})
    for status, action in (("4.2.2", "delayed"), ("2.0.0", "delivered")):
        mark = stack.deliverd.log_mark()
        assert stack.send("", verp, bounce(verp, to, status, action)).code == 250
        stack.deliverd.wait_log("report_read", mark)
        assert author.statuses(sent["id"]) == {to: "bounced"}


def test_a_storm_of_bounces_is_one_change(stack, world, author, make_author):
    to = address()
    sent = author.send(to)
    author.wait_status(sent["id"], {to: "delivered"})
    verp = envelope_sender(world, to)
    message = bounce(verp, to)
    mark = stack.postfix.log_mark()
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, timeout=60) as smtp:
        for _ in range(STORM):
            smtp.sendmail("", [verp], message)
    neighbour, far = make_author(), address()
    neighbour.wait_status(neighbour.send(far)["id"], {far: "delivered"}, 60)
    wait_until("the storm to be over", lambda: STORM == stack.postfix.log_since(mark).count(
        f"to=<{verp}>, relay"), 60, 0.2)
    assert author.statuses(sent["id"]) == {to: "bounced"}
    events = ledger(stack, sent["id"])
    assert len([e for e in events if e[1] == "bounced"]) == 1
    assert len(events) < 20, events
    assert stack.postfix.log_since(mark).count(f"to=<{verp}>") == STORM
