# SPDX-License-Identifier: Apache-2.0
"""Asking humans about held mail, while Postfix refuses, daemons die and settings lack:
nobody is forgotten, and who is asked twice gets the same mail twice."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from scripts.stack import Stack
from scripts.stack.mail import Mail
from scripts.stack.part import wait_until
from scripts.stack.sink import MailSink
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.notices import (Notice, add_reviewer, held_author, hold, jobs_about, query,
                                       read_notice)
from tests.integration.outbound import Author, check_wire, is_signed, ledger, verify

SETTINGS = {"submission_timeout": "2s"}
LEASE_SECONDS = 2 * 2 + 20
numbers = itertools.count(1)


@pytest.fixture
def sink(stack: Stack, account) -> Iterator[MailSink]:
    """Takes what e2a-deliverd sends."""
    before = dict(stack.settings)
    with MailSink() as sink:
        stack.deliverd.stop()
        stack.configure(submission_url=sink.url)
        stack.deliverd.start()
        yield sink
        stack.deliverd.stop()
    stack.settings = before
    stack.configure()
    query(stack, "DELETE FROM mail_jobs")


@pytest.fixture
def mark(stack: Stack, sink: MailSink) -> int:
    return stack.deliverd.log_mark()


@pytest.fixture
def held(stack: Stack, api, make_agent) -> Author:
    return held_author(stack, api, make_agent())


@pytest.fixture
def reviewer(stack: Stack, held: Author) -> str:
    address = f"reviewer{next(numbers)}@far.example"
    add_reviewer(stack, held, address)
    return address


def wait_ended(stack: Stack, message_id: str, timeout: float = 15.0) -> None:
    wait_until("the first notices to end", lambda: all(
        kind == "hold_reminder" for kind, *_ in jobs_about(stack, message_id)), timeout)


def read(mail: Mail) -> Notice:
    return read_notice(mail.parsed)


def assert_same(first: Mail, second: Mail) -> None:
    """But for a signature, which has a time."""
    assert first.recipients == second.recipients
    assert first.raw[first.raw.index(b"From:"):] == second.raw[second.raw.index(b"From:"):]


def test_a_notice_is_clean_on_the_wire(stack, sink, held, reviewer):
    message_id = hold(held, subject="\u00dcber", body="x")
    mail = sink.wait(lambda m: m.recipients == [reviewer])
    check_wire(mail.raw)
    assert mail.sender == f"hitl-noreply@{SHARED_DOMAIN}"
    read(mail)
    wait_ended(stack, message_id)


def test_what_is_refused_for_now_comes_again_as_it_was(stack, sink, held, reviewer, mark):
    replies = iter(["451 4.3.0 not now", "421 4.3.0 nor now"])
    sink.reply = lambda _: next(replies, "250 2.0.0 taken")
    message_id = hold(held)
    stack.deliverd.wait_log(f'mail_deferred .*message_id={message_id} reason="smtp 451"', mark)
    first, *others = sink.tries.wait_count(3, 40)
    for other in others:
        assert_same(first, other)
    wait_ended(stack, message_id)
    assert query(stack, "SELECT count(*) FROM approval_tokens WHERE message_id = %s",
                 message_id) == [(2,)]
    assert [kind for kind, *_ in jobs_about(stack, message_id)] == ["hold_reminder"]


def test_what_is_refused_for_good_is_written_down(stack, sink, held, reviewer, mark):
    sink.reply = lambda _: "550 5.1.1 no such user"
    message_id = hold(held)
    stack.deliverd.wait_log(f'mail_failed .*message_id={message_id} reason="smtp 550"', mark)
    assert jobs_about(stack, message_id)[0] == ("hold", reviewer, "failed", "smtp 550")
    assert ledger(stack, message_id)[-1] == ("hold", "not_told", "")
    assert reviewer not in str(query(stack, "SELECT detail FROM message_events "
                                     "WHERE message_id = %s", message_id))


def test_the_reminder_is_another_try(stack, sink, held, reviewer, mark):
    sink.reply = lambda _: "550 5.1.1 no such user"
    message_id = hold(held)
    stack.deliverd.wait_log(f"mail_failed .*message_id={message_id}", mark)
    sink.reply = lambda _: "250 2.0.0 taken"
    query(stack, "UPDATE mail_jobs SET due_at = now() WHERE message_id = %s "
          "AND kind = 'hold_reminder'", message_id)
    mail = sink.wait(lambda m: m.recipients == [reviewer])
    assert "reminder" in mail.parsed["Subject"]
    assert read(mail).tokens == read(sink.tries.items[0]).tokens


def test_nobody_is_reminded_of_what_they_were_not_told(stack, sink, held, reviewer, mark):
    """Two mails at once, when Postfix is back, would be one too many."""
    sink.reply = lambda _: "451 4.3.0 not now"
    message_id = hold(held)
    sink.tries.wait()
    query(stack, "UPDATE mail_jobs SET due_at = now() WHERE message_id = %s "
          "AND kind = 'hold_reminder'", message_id)
    stack.deliverd.wait_log(f"mail_needless .*kind=hold_reminder message_id={message_id}", mark)
    sink.reply = lambda _: "250 2.0.0 taken"
    sink.wait(lambda m: m.recipients == [reviewer])


@pytest.mark.parametrize("name", ["deliverd", "apid"])
def test_a_daemon_that_dies_forgets_nobody(stack, sink, held, reviewer, name):
    stack.deliverd.stop()
    message_id = hold(held)
    if name == "apid":
        stack.apid.kill()
    else:
        stack.deliverd.start()
        stack.deliverd.kill()
    stack.deliverd.start()
    sink.wait(lambda m: m.recipients == [reviewer], LEASE_SECONDS + 15)
    wait_ended(stack, message_id, LEASE_SECONDS + 15)


def test_a_kill_while_it_is_sent_makes_the_same_mail_again(stack, sink, held, reviewer):
    held_back = threading.Event()
    sink.reply = lambda _: ("250 2.0.0 taken" if len(sink.tries.items) > 1 or held_back.wait(30)
                            else "")
    message_id = hold(held)
    sink.tries.wait()
    stack.deliverd.kill()
    held_back.set()
    stack.deliverd.start()
    first, second = sink.tries.wait_count(2, LEASE_SECONDS + 15)
    assert_same(first, second)
    wait_ended(stack, message_id)
    assert query(stack, "SELECT count(*) FROM approval_tokens WHERE message_id = %s",
                 message_id) == [(2,)]
    assert [kind for kind, *_ in jobs_about(stack, message_id)] == ["hold_reminder"]


def test_two_daemons_ask_each_once(stack, sink, second, held):
    reviewers = [f"two{next(numbers)}@far.example" for _ in range(3)]
    for address in reviewers:
        add_reviewer(stack, held, address)
    messages = [hold(held) for _ in range(6)]
    sink.wait_count(18, 30)
    for message_id in messages:
        wait_ended(stack, message_id)
    asked = sorted((m.recipients[0], read(m).message_id) for m in sink.tries.items)
    assert asked == sorted((r, m) for r in reviewers for m in messages)


@pytest.mark.parametrize("settings, why", [
    ({"public_url": ""}, "no_public_url"),
    ({"shared_domain": ""}, "no_from_domain"),
])
def test_a_setting_that_lacks_costs_the_notice_and_nothing_else(stack, sink, held, reviewer,
                                                               settings, why):
    stack.deliverd.stop()
    message_id = hold(held)
    before = {key: stack.settings[key] for key in settings}
    stack.configure(**settings)
    mark = stack.deliverd.log_mark()
    stack.deliverd.start()
    stack.deliverd.wait_log(f"mail_failed .*message_id={message_id} reason={why}", mark)
    assert jobs_about(stack, message_id) == [("hold", reviewer, "failed", why)]
    assert query(stack, "SELECT status FROM messages WHERE id = %s", message_id) == [
        ("pending_approval",)]
    assert not sink.tries.items
    stack.deliverd.stop()
    stack.configure(**before)
    query(stack, "UPDATE mail_jobs SET state = 'pending', due_at = now() WHERE message_id = %s",
          message_id)
    stack.deliverd.start()
    sink.wait(lambda m: m.recipients == [reviewer])


def test_nobody_is_asked_when_the_time_is_over(stack, sink, held, reviewer, mark):
    stack.deliverd.stop()
    stack.configure(hold_expiry_interval="1h")
    message_id = hold(held)
    query(stack, "UPDATE mail_jobs SET expires_at = now() WHERE message_id = %s", message_id)
    stack.deliverd.start()
    stack.deliverd.wait_log(f"mail_failed .*message_id={message_id} reason=expired", mark)
    assert not sink.tries.items


def test_an_agent_at_the_senders_address_is_no_reason_to_tell_it(stack, sink, held, reviewer,
                                                                mark):
    query(stack, "INSERT INTO agents (email, address, domain, user_id, name, agent_mode) "
          "SELECT %s, %s, domain, user_id, '', 'local' FROM agents WHERE email = %s",
          *[f"hitl-noreply@{SHARED_DOMAIN}"] * 2, held.address)
    try:
        message_id = hold(held)
        stack.deliverd.wait_log(f"mail_failed .*message_id={message_id} "
                                "reason=sender_is_an_agent", mark)
        assert not sink.tries.items
    finally:
        query(stack, "DELETE FROM agents WHERE email = %s", f"hitl-noreply@{SHARED_DOMAIN}")


def test_a_flood_of_notices_lets_a_sign_in_pass(stack, sink, held, reviewer):
    """Three of four at most are about holds."""
    gate = threading.Event()
    sink.reply = lambda m: ("250 2.0.0 taken" if m.recipients != [reviewer] or gate.wait(30)
                            else "")
    try:
        for _ in range(6):
            hold(held)
        sink.tries.wait_count(3)
        status, _ = held.api.post("/api/feedback", {"message": "Hello?", "email": "a@far.example"})
        assert status == 200
        sink.wait(lambda m: m.recipients != [reviewer])
        assert len(sink.items) == 1
    finally:
        gate.set()


def test_it_is_signed_once_the_key_is_published(stack, sink, held, reviewer):
    message_id = hold(held)
    mail = sink.wait(lambda m: m.recipients == [reviewer])
    assert b"DKIM-Signature" not in mail.raw and not is_signed(stack, mail.raw)
    wait_ended(stack, message_id)
    stack.publish_records(SHARED_DOMAIN)
    second = hold(held)
    mail = sink.wait(lambda m: second.encode() in m.raw)
    signature = verify(stack, mail.raw)
    assert signature.domain == SHARED_DOMAIN
    assert {"from", "to", "subject", "reply-to", "message-id"} <= set(signature.fields)
