# SPDX-License-Identifier: Apache-2.0
"""What the Postfix that plays the world does for tests, with mail that a client hands
to the submission port of ours."""

from __future__ import annotations

import email
import email.policy
import itertools
import os
from email.message import EmailMessage

import pytest

from scripts.stack.mail import Outcome, compose, send
from scripts.stack.part import wait_until
from scripts.stack.world import OLD_DOMAIN

numbers = itertools.count(1)


def address(domain: str = "far.example") -> str:
    return f"w{next(numbers)}-{os.urandom(4).hex()}@{domain}"


@pytest.fixture
def sender() -> str:
    """Bounces to it end in the outbox."""
    return f"bounce-{os.urandom(16).hex()}@other.example"


def submit(stack, sender: str, *to: str, message: bytes = b"", notify: str = "") -> Outcome:
    outcome = send(stack.postfix.submission_port, sender, list(to),
                   message or compose(sender, list(to)),
                   rcpt_options=(f"NOTIFY={notify}",) if notify else ())
    assert outcome.code == 250, outcome
    return outcome


def reports(stack, sender: str) -> list[EmailMessage]:
    """The delivery-status notifications to the sender, parsed."""
    found = []
    for path in stack.postfix.captured():
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if mail["To"] == sender:
            found.append(mail)
    return found


def wait_report(stack, sender: str, action: str) -> dict[str, str]:
    """The fields of the first recipient with this action, names in lower case, and who says
    so as `mta`."""
    def probe() -> dict[str, str] | None:
        for report in reports(stack, sender):
            assert report.get_content_type() == "multipart/report"
            status = next(p for p in report.iter_parts()
                          if p.get_content_type() == "message/delivery-status")
            mta, first = status.get_payload()[:2]
            fields = {name.lower(): value for name, value in first.items()}
            if fields["action"] == action:
                return {**fields, "mta": mta["Reporting-MTA"]}
        return None

    return wait_until(f"a report that says {action}", probe, 30, 0.1)


def test_mail_arrives_byte_for_byte(stack, world, sender):
    to, copy = address(), address("near.example")
    message = compose(sender, to, "Bytes", "é " + "x" * 980 + "\n.\n..\n\t \n")
    submit(stack, sender, to, copy, message=message)
    mail = world.wait_mail(copy)
    assert mail.sender == sender and sorted(mail.recipients) == sorted([to, copy])
    assert mail.raw.endswith(b"\r\n" + message)
    assert mail.raw[:-len(message)].count(b"Received: ") == 2
    assert world.wait_mail(to, "Bytes") == mail and world.mails_to(to) == [mail]


def test_a_recipient_is_refused_beside_one_that_is_taken(stack, world, sender):
    bad, good = address(), address()
    world.reject(bad, "550 5.1.1 nobody of this name")
    submit(stack, sender, bad, good)
    assert world.wait_mail(good).recipients == [good]
    report = wait_report(stack, sender, "failed")
    assert report["final-recipient"] == f"rfc822; {bad}" and report["status"] == "5.1.1"
    assert "nobody of this name" in report["diagnostic-code"]
    assert report["mta"] == "dns; mx.agents.example"
    assert [k.reply for k in world.knocks_for(bad)] == ["550 5.1.1 nobody of this name"]


@pytest.mark.parametrize("reply", ["450 4.2.0 greylisted", "421 4.3.2 going down"])
def test_a_recipient_is_put_off_once(stack, world, sender, reply):
    to = address()
    world.reject(to, reply, times=1)
    mark = stack.postfix.log_mark()
    submit(stack, sender, to)
    stack.postfix.wait_log(f"to=<{to}>.* status=deferred", mark)
    stack.postfix.flush()
    world.wait_mail(to)
    assert [k.reply for k in world.wait_knocks(to, 2)] == [reply, None]


def test_a_mail_that_was_taken_bounces_later(stack, world, sender):
    to = address()
    world.bounce_later(to, "552 5.2.2 mailbox full")
    submit(stack, sender, to)
    report = wait_report(stack, sender, "failed")
    assert report["status"] == "5.2.2" and "mailbox full" in report["diagnostic-code"]
    assert report["mta"] == "dns; mx.world.example"
    assert world.mails_to(to) == []


def test_a_mail_that_was_taken_is_kept_until_the_mailbox_is_free(stack, world, sender):
    to = address()
    world.defer(to)
    mark = world.log_mark()
    submit(stack, sender, to)
    world.wait_log(f"to=<{to}>.* status=deferred", mark)
    assert world.mails_to(to) == []
    world.accept(to)
    world.wait_mail(to)


def test_delivery_is_told_by_who_delivers(stack, world, sender):
    to = address()
    submit(stack, sender, to, notify="SUCCESS")
    report = wait_report(stack, sender, "delivered")
    assert report["mta"] == "dns; mx.world.example"
    assert report["final-recipient"] == f"rfc822; {to}"


def test_delivery_is_told_by_the_last_that_knows_of_notifications(stack, world, sender):
    to = address(OLD_DOMAIN)
    submit(stack, sender, to, notify="SUCCESS")
    report = wait_report(stack, sender, "relayed")
    assert report["mta"] == "dns; mx.agents.example"
    world.wait_mail(to)


def test_delay_is_told_when_postfix_is_told_to(stack, world, sender):
    to = address()
    stack.postfix.configure(delay_warning_time="1s")
    stack.postfix.reload()
    try:
        world.reject(to, "450 4.2.0 busy")
        submit(stack, sender, to, notify="DELAY,FAILURE")
        assert wait_report(stack, sender, "delayed")["status"] == "4.2.0"
        world.accept(to)
        stack.postfix.flush()
        world.wait_mail(to)
    finally:
        stack.postfix.configure(delay_warning_time="0h")
        stack.postfix.reload()


def test_the_world_can_be_away(stack, world, sender):
    to = address()
    world.stop()
    mark = stack.postfix.log_mark()
    submit(stack, sender, to)
    stack.postfix.wait_log(f"to=<{to}>.* status=deferred", mark)
    world.start()
    stack.postfix.flush()
    world.wait_mail(to)
