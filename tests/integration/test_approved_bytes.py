# SPDX-License-Identifier: Apache-2.0
"""What a human approved is what leaves: the draft is compared, the mail is composed and
signed once, and these bytes reach the world or nothing does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

import pytest

from scripts.stack.part import wait_until
from tests.integration.approvals import Hold, configure, hold, make_due, query
from tests.integration.between import LATER, Between
from tests.integration.outbound import (Author, address, attachment, attachments, own_part, texts,
                                        verify)
from tests.integration.test_admin import admin

FILE = attachment("a.txt", "text/plain", b"the file\n")
TEXT = "Something that is kept no longer than it must: 8d1f40c2.\n"


@pytest.fixture(scope="module")
def proxy(stack) -> Iterator[Between]:
    with Between(stack) as between:
        yield between


@pytest.fixture
def between(proxy) -> Iterator[Between]:
    yield proxy
    proxy.pass_all()


@pytest.fixture
def paused(stack) -> Iterator[None]:
    """e2a-deliverd is away, and comes in the test."""
    stack.deliverd.stop()
    yield
    stack.deliverd.start()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wait_failed(held: Hold, reason: str) -> None:
    wait_until(f"{held.id} to fail", lambda: ("failed", reason) in held.jobs, 30)


def nothing_left(world, held: Hold) -> None:
    assert [m for to in held.to for m in world.mails_to(to)] == []
    assert [k for to in held.to for k in world.knocks_for(to)] == []


# ---- what leaves ----

def test_an_approved_mail_leaves_as_it_was_composed(stack, world, own_author):
    held = hold(own_author, body=TEXT, html_body="<p>x</p>", attachments=[FILE])
    assert held.stored == {"outbound_drafts": 1, "outbound_attachments": 1, "outbound_mails": 0}
    assert held.approve() == "ok"
    mail = world.wait_mail(held.to[0])
    signature = verify(stack, own_part(mail))
    assert signature.domain == own_author.domain
    week = 7 * 24 * 3600
    assert int(signature.tags["x"]) - int(signature.tags["t"]) == 5 * 24 * 3600 + week
    assert held.composed == [sha256(own_part(mail))]
    assert texts(mail.parsed) == {"plain": TEXT, "html": "<p>x</p>\n"}
    assert attachments(mail.parsed) == [("a.txt", "text/plain", b"the file\n")]


def test_its_date_is_that_of_the_decision(stack, world, author):
    held = hold(author)
    held.sql("UPDATE messages SET created_at = created_at - interval '2 days' WHERE id = %(id)s")
    assert held.approve() == "ok"
    decided = held.sql("SELECT decided_at FROM messages WHERE id = %(id)s")[0][0]
    date = parsedate_to_datetime(world.wait_mail(held.to[0]).parsed["Date"])
    assert abs((date - decided).total_seconds()) <= 1


def test_mail_that_nobody_held_is_composed_by_each_attempt(stack, world, author):
    to = address()
    sent = author.send(to)
    world.wait_mail(to)
    held = Hold(stack, sent["id"], (to,))
    assert held.composed == [] and "composed" not in {row[1] for row in held.ledger}


def test_every_attempt_hands_over_the_same_bytes(stack, world, own_author, between):
    held = hold(own_author, body=TEXT, attachments=[FILE])
    refusals = 3
    between.on_mail = lambda handed: (
        LATER if len(between.mails_of(handed.message_id)) <= refusals else handed.mail)
    mark = stack.deliverd.log_mark()
    assert held.approve() == "ok"

    def probe() -> bool:
        make_due(stack)
        return len(between.mails_of(held.message_id)) > refusals

    wait_until("the last attempt", probe, 30, 0.2)
    mail = world.wait_mail(held.to[0])
    handed = between.mails_of(held.message_id)
    assert {h.mail for h in handed} == {own_part(mail)} and len(handed) == refusals + 1
    assert len({h.ticket for h in handed}) == len({h.sender for h in handed}) == len(handed)
    assert b"DKIM-Signature:" in handed[0].mail
    assert held.composed == [sha256(handed[0].mail)]
    log = stack.deliverd.log_since(mark)
    assert log.count(f"outbound_composed message_id={held.id}") == 1
    assert TEXT.strip() not in log


def test_agents_and_the_world_get_a_mail_each_of_one_approval(stack, world, author, make_author):
    peer = make_author()
    held = hold(author, address(), peer.address, subject="To both of them")
    assert held.approve() == "ok"
    world.wait_mail(held.to[0])
    peer.wait_mail("To both of them")
    wait_until("both jobs to be done", lambda: not held.jobs)
    assert len(held.composed) == 2
    assert held.stored == {"outbound_drafts": 0, "outbound_attachments": 0, "outbound_mails": 0}


def test_a_large_mail_is_kept_and_sent(stack, world, author, between):
    data = bytes(range(256)) * (60 << 10)
    held = hold(author, attachments=[attachment("large.bin", "", data)])
    between.on_mail = lambda handed: (
        LATER if len(between.mails_of(handed.message_id)) == 1 else handed.mail)
    assert held.approve() == "ok"
    between.mails.wait(lambda h: h.message_id == held.message_id, 60)
    size, kept = held.sql(
        "SELECT j.size, octet_length(b.mail) FROM outbound_jobs j JOIN outbound_mails b "
        "ON b.job_id = j.id WHERE j.message_id = %(id)s")[0]
    assert size == kept > len(data) * 4 / 3
    wait_until("it to be tried again", lambda: make_due(stack) or len(
        between.mails_of(held.message_id)) == 2, 60, 0.2)
    mail = world.wait_mail(held.to[0], timeout=60)
    assert held.composed == [sha256(own_part(mail))]


KEPT_BY_NOBODY = {
    "a job that is another's by now": "RETURN NULL",
    "a database that fails": "RAISE EXCEPTION ''no''",
}


@pytest.fixture
def unkept(stack, request) -> Iterator[Callable[[], None]]:
    """No mail that is composed gets into the database, until the test calls this."""
    def end() -> None:
        query(stack, "DROP FUNCTION IF EXISTS keep_nothing CASCADE")

    query(stack, "CREATE FUNCTION keep_nothing() RETURNS trigger LANGUAGE plpgsql AS "
          f"'BEGIN {request.param}; END'")
    query(stack, "CREATE TRIGGER keep_nothing BEFORE UPDATE OF size ON outbound_jobs "
          "FOR EACH ROW EXECUTE FUNCTION keep_nothing()")
    yield end
    end()


@pytest.mark.parametrize("unkept", KEPT_BY_NOBODY.values(), ids=KEPT_BY_NOBODY, indirect=True)
def test_a_mail_that_could_not_be_kept_waits(stack, world, author, between, unkept):
    held = hold(author)
    assert held.approve() == "ok"
    wait_until("a second attempt", lambda: make_due(stack) or held.sql(
        "SELECT count(*) FROM outbound_attempts WHERE message_id = %(id)s")[0][0] >= 2, 30, 0.2)
    assert between.mails_of(held.message_id) == [] and held.composed == []
    unkept()
    wait_until("it to be composed", lambda: make_due(stack) or held.composed, 30, 0.2)
    mail = world.wait_mail(held.to[0])
    assert held.composed == [sha256(own_part(mail))]


# ---- what does not ----

TAMPERING = {
    "the text": "UPDATE outbound_drafts SET body_text = 'other' WHERE message_id = %(id)s",
    "the HTML": "UPDATE outbound_drafts SET body_html = '<b>' WHERE message_id = %(id)s",
    "the subject": "UPDATE messages SET subject = 'other' WHERE id = %(id)s",
    "a recipient": "UPDATE outbound_recipients SET address = 'm@far.example' "
                   "WHERE message_id = %(id)s",
    "a recipient more": "INSERT INTO outbound_recipients (message_id, n, kind, address, folded, "
                        "part) VALUES (%(id)s, 9, 'bcc', 'm@far.example', 'm@far.example', "
                        "'world')",
    "all recipients": "DELETE FROM outbound_recipients WHERE message_id = %(id)s",
    "a header list": "UPDATE messages SET to_addresses = '{m@far.example}' WHERE id = %(id)s",
    "an attachment": "UPDATE outbound_attachments SET data = 'other' WHERE message_id = %(id)s",
    "an attachment less": "DELETE FROM outbound_attachments WHERE message_id = %(id)s",
    "the draft": "DELETE FROM outbound_drafts WHERE message_id = %(id)s",
    "the hash": "UPDATE messages SET approved_hash = sha256('other') WHERE id = %(id)s",
    "no hash": "UPDATE messages SET approved_hash = NULL WHERE id = %(id)s",
}


@pytest.mark.parametrize("sql", TAMPERING.values(), ids=TAMPERING)
def test_another_draft_than_the_approved_one_does_not_leave(stack, world, author, paused, sql):
    held = hold(author, body=TEXT, attachments=[FILE])
    assert held.approve() == "ok"
    held.sql(sql)
    mark = stack.deliverd.log_mark()
    stack.deliverd.start()
    wait_failed(held, "altered")
    line = stack.deliverd.wait_log(f"outbound_failed message_id={held.id}", mark)
    assert " reason=altered " in line and 'cause="the draft is another one"' in line
    assert ("outbound", "failed", "altered") in held.ledger
    assert held.composed == []
    nothing_left(world, held)
    assert world.mails_to("m@far.example") == []
    if sql != TAMPERING["all recipients"]:
        status = author.recipients(held.id)
        assert {r["status"] for r in status.values()} == {"failed"}


def test_the_draft_is_compared_again_by_later_attempts(stack, world, author, between):
    held = hold(author)
    between.on_mail = lambda handed: LATER
    assert held.approve() == "ok"
    between.mails.wait(lambda h: h.message_id == held.message_id, 30)
    held.sql("UPDATE messages SET subject = 'other' WHERE id = %(id)s")
    between.on_mail = lambda handed: handed.mail
    make_due(stack)
    wait_failed(held, "altered")
    nothing_left(world, held)


BYTES = {
    "a byte": "mail = set_byte(b.mail, 700, get_byte(b.mail, 700) # 1)",
    "no bytes": "mail = ''",
    "more": "mail = b.mail || 'x'::bytea",
    "the hash": "hash = sha256('other')",
}


@pytest.mark.parametrize("change", BYTES.values(), ids=BYTES)
def test_other_bytes_than_those_that_were_kept_do_not_leave(stack, world, author, between, change):
    held = hold(author, body=TEXT * 10)
    between.on_mail = lambda handed: LATER
    assert held.approve() == "ok"
    between.mails.wait(lambda h: h.message_id == held.message_id, 30)
    wait_until("the attempt to be over", lambda: held.jobs == [("pending", "smtp_4xx")], 30)
    held.sql(f"UPDATE outbound_mails b SET {change} FROM outbound_jobs j "
             "WHERE j.id = b.job_id AND j.message_id = %(id)s")
    between.on_mail = lambda handed: handed.mail
    mark = stack.deliverd.log_mark()
    make_due(stack)
    wait_failed(held, "altered")
    line = stack.deliverd.wait_log(f"outbound_failed message_id={held.id}", mark)
    assert 'cause="the composed mail is another one"' in line
    nothing_left(world, held)


ALTERATIONS = {
    "a byte of the body": lambda mail: mail[:-10] + bytes([mail[-10] ^ 1]) + mail[-9:],
    "a field more": lambda mail: b"X-More: x\r\n" + mail,
    "the subject": lambda mail: mail.replace(b"Subject: Hello", b"Subject: Hellp"),
    "the signature": lambda mail: mail.replace(b"d=own-domain.example", b"d=own-domain.invalid"),
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_what_is_altered_on_its_way_to_postfix_is_refused(stack, world, own_author, between,
                                                          alter):
    held = hold(own_author, body=TEXT)
    between.on_mail = lambda handed: alter(handed.mail)
    mark = stack.milter.log_mark()
    assert held.approve() == "ok"
    handed, reply = between.answers.wait(lambda a: a[0].message_id == held.message_id, 30)
    assert alter(handed.mail) != handed.mail and reply.startswith(b"550 5.7.1")
    line = stack.milter.wait_log("ticket_refused", mark)
    assert " reason=other_" in line
    nothing_left(world, held)
    between.on_mail = lambda handed: handed.mail
    make_due(stack)
    assert own_part(world.wait_mail(held.to[0])) == handed.mail


# ---- what an operator does ----

def test_a_failed_job_that_is_resent_is_compared_too(stack, world, author):
    held = hold(author)
    stack.deliverd.stop()
    assert held.approve() == "ok"
    subject = held.sql("SELECT subject FROM messages WHERE id = %(id)s")[0][0]
    held.sql("UPDATE messages SET subject = 'other' WHERE id = %(id)s")
    stack.deliverd.start()
    wait_failed(held, "altered")
    job = held.sql("SELECT id FROM outbound_jobs WHERE message_id = %(id)s")[0][0]
    assert admin(stack, "outbound", "resend", job).returncode == 0
    wait_failed(held, "altered")
    nothing_left(world, held)
    query(stack, "UPDATE messages SET subject = %s WHERE id = %s", subject, held.id)
    assert admin(stack, "outbound", "resend", job).returncode == 0
    world.wait_mail(held.to[0])


def test_what_is_resent_is_signed_anew(stack, world, own_author, between):
    held = hold(own_author)
    between.on_mail = lambda handed: LATER
    assert held.approve() == "ok"
    between.mails.wait(lambda h: h.message_id == held.message_id, 30)
    wait_until("the attempt to be over", lambda: held.jobs == [("pending", "smtp_4xx")], 30)
    held.sql("UPDATE outbound_jobs SET give_up_at = now() WHERE message_id = %(id)s")
    make_due(stack)
    wait_failed(held, "expired")
    assert held.stored["outbound_mails"] == 1
    between.on_mail = lambda handed: handed.mail
    job = held.sql("SELECT id FROM outbound_jobs WHERE message_id = %(id)s")[0][0]
    assert admin(stack, "outbound", "resend", job).returncode == 0
    mail = world.wait_mail(held.to[0])
    verify(stack, own_part(mail))
    assert len(held.composed) == 2 and held.composed[1] == sha256(own_part(mail))


# ---- what stays ----

GONE = {"outbound_drafts": 0, "outbound_attachments": 0, "outbound_mails": 0}


def traces_of(stack, text: str) -> list[str]:
    """Tables that have the text in some column."""
    found = []
    tables = query(stack, "SELECT table_name FROM information_schema.tables "
                   "WHERE table_schema = 'e2a' AND table_type = 'BASE TABLE'")
    for (table,) in tables:
        if query(stack, f"SELECT EXISTS (SELECT FROM {table} t "
                        "WHERE strpos(t::text, %s) > 0)", text)[0][0]:
            found.append(table)
    return found


def test_nothing_stays_of_a_rejected_mail(stack, author):
    text = f"Rejected {address()}"
    held = hold(author, body=text, attachments=[FILE])
    assert traces_of(stack, text) == ["outbound_drafts"]
    assert held.reject("not like this") == "ok"
    assert held.stored == GONE and traces_of(stack, text) == []
    assert query(stack, "SELECT rejection_reason FROM messages WHERE id = %s",
                 held.id) == [("not like this",)]


def test_nothing_stays_of_an_approved_mail_that_is_gone(stack, world, author):
    text = f"Approved {address()}"
    held = hold(author, body=text, attachments=[FILE])
    assert held.approve() == "ok"
    world.wait_mail(held.to[0])
    wait_until("the job to be done", lambda: not held.jobs)
    assert held.stored == GONE and traces_of(stack, text) == []


def test_nothing_stays_of_an_approved_mail_that_nobody_may_get(stack, world, author, paused):
    """Its recipients were suppressed behind the approval."""
    held = hold(author)
    assert held.approve() == "ok"
    held.sql("INSERT INTO suppressions (user_id, address, reason) SELECT m.user_id, r.folded, "
             "'bounce' FROM messages m JOIN outbound_recipients r ON r.message_id = m.id "
             "WHERE m.id = %(id)s")
    stack.deliverd.start()
    wait_until("the job to be done", lambda: not held.jobs, 30)
    assert ("outbound", "refused", "no_recipient") in held.ledger
    assert held.stored == GONE and held.composed == []
    nothing_left(world, held)


def test_a_mail_that_failed_keeps_its_text_until_its_time_is_over(stack, author, between):
    held = hold(author)
    between.on_mail = lambda handed: "552 5.3.4 Too big\r\n"
    assert held.approve() == "ok"
    wait_failed(held, "smtp_5xx")
    assert held.stored == {"outbound_drafts": 1, "outbound_attachments": 0, "outbound_mails": 1}
    held.sql("DELETE FROM messages WHERE id = %(id)s")
    assert held.stored == GONE


def test_a_mail_of_which_one_part_failed_keeps_its_draft(stack, world, author, make_author,
                                                         between):
    peer = make_author()
    held = hold(author, address(), peer.address)
    between.on_mail = lambda handed: (
        handed.mail if peer.address in handed.recipients else "552 5.3.4 Too big\r\n")
    assert held.approve() == "ok"
    wait_until("the one to fail and the other to go",
               lambda: held.jobs == [("failed", "smtp_5xx")], 30)
    assert held.stored == {"outbound_drafts": 1, "outbound_attachments": 0, "outbound_mails": 1}


def test_what_an_operator_drops_stays_like_what_failed(stack, author, between):
    held = hold(author)
    between.on_mail = lambda handed: LATER
    assert held.approve() == "ok"
    wait_until("the attempt to be over", lambda: held.jobs == [("pending", "smtp_4xx")], 30)
    job = held.sql("SELECT id FROM outbound_jobs WHERE message_id = %(id)s")[0][0]
    assert admin(stack, "outbound", "drop", job).returncode == 0
    assert held.stored == {"outbound_drafts": 1, "outbound_attachments": 0, "outbound_mails": 1}


def test_deleting_the_agent_erases_all_of_it(stack, author, between):
    held = hold(author)
    between.on_mail = lambda handed: LATER
    assert held.approve() == "ok"
    wait_until("the attempt to be over", lambda: held.jobs == [("pending", "smtp_4xx")], 30)
    assert author.api.call("DELETE", author.path)[0] in (200, 204)
    assert held.stored == GONE


def test_a_human_cannot_approve_what_is_gone(author):
    held = hold(author)
    assert held.reject() == "ok"
    assert held.approve() == "resolved"
    configure(author, hitl_enabled=False)
    assert held.status == "rejected" and held.jobs == []
