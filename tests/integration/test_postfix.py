# SPDX-License-Identifier: Apache-2.0
"""The files of postfix-conf/ in a running Postfix: who is refused how, what an
outage costs whom, and the defences at the door."""

from __future__ import annotations

import os
import re
import socket

import pytest

from scripts.stack.mail import compose, send
from scripts.stack.part import wait_until

SENDER = "alice@sender.example"
OTHER = "somebody@other.example"  # a domain of the same Postfix that is not e2a's


@pytest.fixture
def postgres_away(stack, account):
    stack.postgres.stop()
    yield
    stack.postgres.start()
    stack.postfix.reload()  # a lookup that failed is not tried again for a minute


def test_postgres_away_costs_e2a_a_451_and_others_nothing(stack, make_agent, request):
    agent = make_agent()
    request.getfixturevalue("postgres_away")
    refused = stack.send(SENDER, agent, compose(SENDER, agent))
    assert (refused.code, refused.text[:5]) == (451, "4.3.0")
    mark = stack.postfix.log_mark()
    assert stack.send(SENDER, OTHER, compose(SENDER, OTHER)).code == 250
    stack.wait_for_log("postfix", "status=sent", mark)
    assert stack.send(SENDER, "postmaster@agents.example", compose(SENDER, OTHER)).code == 250


def test_after_the_outage_the_mail_is_taken(stack, make_agent, wait_messages):
    agent = make_agent()
    stack.postgres.restart()
    stack.postfix.reload()
    wait_until("Postfix to ask Postgres again",
               lambda: stack.send(SENDER, agent, compose(SENDER, agent, "After")).code == 250)
    wait_messages(agent, "After")


def test_without_a_milter_mail_waits_and_nothing_passes_unjudged(stack, make_agent,
                                                                 wait_messages):
    agent = make_agent()
    stack.milter.stop()
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 451
    stack.milter.start()
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Judged")).code == 250
    wait_messages(agent, "Judged")


def test_without_deliverd_postfix_keeps_the_mail(stack, make_agent, wait_messages):
    agent = make_agent()
    stack.deliverd.stop()
    mark = stack.postfix.log_mark()
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Kept")).code == 250
    stack.wait_for_log("postfix", "status=deferred", mark)
    stack.deliverd.start()
    stack.postfix.flush()
    wait_messages(agent, "Kept")


def warned(stack, sender: str) -> bool:
    """Whether Postfix has told the sender that a mail is late. It does so before it tries
    again."""
    log = stack.postfix.log.read_text()
    return any(f"{queue_id}: sender delay notification" in log
               for queue_id in re.findall(rf"(\w+): from=<{re.escape(sender)}>", log))


def test_delays_are_told_of_for_mail_of_agents_only(stack, world, api, make_agent):
    """delay_warning_time is the operator's; that of the inject listener is another."""
    busy = f"busy-{os.urandom(4).hex()}@far.example"
    sender = busy.replace("far", "other")
    world.reject(busy, "450 4.2.0 mailbox busy")
    assert send(stack.postfix.submission_port, sender, busy, compose(sender, busy)).code == 250
    status, sent = api.post("/api/v1/send", {"from": make_agent(), "to": [busy],
                                             "subject": "Hello", "body": "Hello.\n"})
    assert status == 200

    def rows(sql: str) -> list[tuple]:
        with stack.db() as db, db.cursor() as query:
            query.execute(sql, [sent["id"]])
            return query.fetchall()

    def told() -> list[tuple[str, str]]:
        """What the ledger says of the recipient."""
        return rows("SELECT outcome, detail->>'code' FROM message_events "
                    "WHERE message_id = %s AND stage = 'recipient' ORDER BY id")

    assert wait_until("the delay", told, 30, 0.1) == [("deferred", "4.2.0")]
    (status, detail), = rows("SELECT status, detail FROM outbound_recipients WHERE message_id = %s")
    assert status == "deferred" and "mailbox busy" in detail
    wait_until("the other mail to be tried twice", lambda: 2 <= sum(
        knock.sender == sender for knock in world.knocks_for(busy)), 30)
    world.accept(busy)
    stack.postfix.flush()
    wait_until("the delivery", lambda: len(told()) == 2, 30, 0.1)
    assert [outcome for outcome, _ in told()] == ["deferred", "delivered"]
    wait_until("both mails", lambda: len(world.mails_to(busy)) == 2, 30)
    verp = next(mail.sender for mail in world.mails_to(busy) if mail.sender != sender)
    assert (warned(stack, verp), warned(stack, sender)) == (True, False)


def test_nobody_relays_through_it(stack, account):
    outcome = stack.send(SENDER, "victim@world.example", compose(SENDER, OTHER))
    assert (outcome.code, outcome.text[:5]) == (554, "5.7.1")


def test_queue_ids_are_long(stack):
    outcome = stack.send(SENDER, OTHER, compose(SENDER, OTHER))
    assert re.fullmatch(r"[0-9A-Za-z]{13,}", outcome.queue_id)
    assert "z" in outcome.queue_id  # the inode part of a long id stands behind a z


def test_mail_to_domains_beside_e2a_is_captured(stack):
    stack.postfix.sendmail("-f", SENDER, "captured@other.example", text=compose(SENDER, OTHER))
    wait_until("the mail in the outbox", lambda: any(b"captured@other.example" in f.read_bytes()
                                                     for f in stack.postfix.captured()))


@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\n.\r"])
def test_no_second_mail_hides_inside_a_first(stack, make_agent, wait_messages, end):
    """SMTP smuggling: only CR LF . CR LF ends the data."""
    agent = make_agent()
    inner = (b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<%b>\r\nDATA\r\n"
             b"From: evil@sender.example\r\nSubject: Smuggled\r\n\r\n" % agent.encode())
    message = compose(SENDER, agent, "Outer") + end + inner
    mark = stack.postfix.log_mark()
    outcome = stack.send(SENDER, agent, message)
    assert outcome.code in (250, 521, 550)
    stack.wait_for_log("postfix", r"disconnect", mark)
    if outcome.code == 250:
        assert len(wait_messages(agent, "Outer")) == 1
    assert "evil@sender.example" not in stack.postfix.log_since(mark)


def test_commands_sent_ahead_of_the_greeting_are_refused(stack):
    with socket.create_connection(("127.0.0.1", stack.smtp_port), timeout=10) as s:
        s.sendall(b"EHLO a.example\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<"
                  + OTHER.encode() + b">\r\nDATA\r\n.\r\nQUIT\r\n")
        s.shutdown(socket.SHUT_WR)
        text = b"".join(iter(lambda: s.recv(4096), b""))
    assert b"queued as" not in text


@pytest.mark.parametrize("name, value", [
    ("smtpd_client_restrictions", "check_client_access static:{PREPEND X-Greylist: delayed}"),
    ("header_checks", "regexp:{{/^Received:/ IGNORE}}"),
], ids=["a field prepended", "no Received"])
def test_the_fields_of_an_operator_cost_no_verdict(stack, reader, signer, name, value):
    """Greylisting and policy services prepend; what milters do not see is then another field."""
    stack.postfix.configure(**{name: value})
    stack.postfix.reload()
    try:
        forged = b"X-E2A-Auth-Verified: forged\r\n"
        message = signer.sign(compose(SENDER, reader.agent))
        got = reader.take(forged + message, SENDER)
        assert (got.verdict, got.verified) == ("sealed", True)
        assert got.raw.endswith(b"\r\n" + message)
        assert b"X-Greylist: delayed\r\n" in got.raw or name == "header_checks"
    finally:
        stack.postfix.configure(**{name: ""})
        stack.postfix.reload()
