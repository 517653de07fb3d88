# SPDX-License-Identifier: Apache-2.0
"""Who is asked about held mail, and what they are told: as it arrived. What happens when
it cannot be sent is in tests/faults/test_hold_notices.py."""

from __future__ import annotations

import hashlib
import os
import smtplib
from email.utils import parsedate_to_datetime

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST, SHARED_DOMAIN
from tests.integration.browser import Browser
from tests.integration.mailbox import mails_to, wait_mails
from tests.integration.notices import (REPLY_TO, Notice, add_reviewer, held_author, hold,
                                       jobs_about, query, read_notice)
from tests.integration.outbound import Author, address, attachment, state_of

SENDER = f"hitl-noreply@{SHARED_DOMAIN}"
SECRET = "The launch code is 4711-violet."


def unique() -> str:
    return os.urandom(6).hex()


def somebody() -> str:
    return f"rev-{unique()}@other.example"


@pytest.fixture
def owner(stack, account):
    return stack.bootstrap(f"owner-{unique()}@other.example")


@pytest.fixture
def held(stack, owner) -> Author:
    """An agent of a user of its own, whose mail is held."""
    api = Api(stack.url, owner.api_key)
    return held_author(stack, api, api.make_agent(f"n{unique()}"))


def wait_notices(stack, address: str, count: int = 1) -> list[Notice]:
    return [read_notice(mail) for mail in wait_mails(stack, address, count)]


def wait_notice(stack, address: str) -> Notice:
    found, = wait_notices(stack, address)
    return found


def wait_ended(stack, message_id: str) -> None:
    """No first notice is left to be sent; a reminder may be."""
    wait_until("the notices to end", lambda: all(
        kind == "hold_reminder" for kind, *_ in jobs_about(stack, message_id)), interval=0.05)


# ---- what it says ----

def test_the_owner_is_asked(stack, owner, held):
    to, cc, bcc = ["a@far.example", "b@far.example"], ["c@far.example"], ["d@far.example"]
    message_id = hold(held, to=to, cc=cc, bcc=bcc, subject="Plans")
    got = wait_notice(stack, owner.email)
    assert got.message_id == message_id
    mail = got.mail
    assert mail["Subject"] == f"[e2a] approve outbound from {held.address}: Plans"
    assert mail["From"] == f"e2a <{SENDER}>" and mail["Reply-To"] == SENDER
    assert mail["To"] == owner.email
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-E2A-Conversation-Id"] is None and mail["In-Reply-To"] is None
    (expires, created), = query(stack, "SELECT to_char(approval_expires_at AT TIME ZONE 'UTC', "
                                "'Dy, DD Mon YYYY HH24:MI:SS') || ' UTC', "
                                "date_trunc('second', created_at) FROM messages WHERE id = %s",
                                message_id)
    assert abs((parsedate_to_datetime(mail["Date"]) - created).total_seconds()) <= 2
    for part in (got.plain, got.html):
        for text in (held.address, *to, *cc, *bcc, "Plans", expires, "every mail of this agent",
                     "is discarded"):
            assert text in part, text


def test_links_are_of_the_public_url_and_its_slashes_do_not_count(stack, owner, held):
    hold(held)
    got = wait_notice(stack, owner.email)
    assert got.approve.startswith(f"{stack.url}/api/v1/approve?t=")
    assert got.reject.startswith(f"{stack.url}/api/v1/reject?t=")
    assert got.tokens[0] != got.tokens[1]


def test_its_links_are_good(stack, world, owner, held):
    """As a browser would open them: the page asks, and its form decides."""
    browser = Browser(stack.http_port)
    to, one = address(), hold(held)
    first = wait_notice(stack, owner.email)
    for url in (first.approve, first.reject):
        page = browser.get(url)
        assert page.status == 200 and page.form, page.text
    page = browser.get(first.dashboard)
    assert page.status in (302, 303) and "/login" in page.location, page.text
    assert browser.submit(browser.get(first.reject)).status == 200
    assert state_of(stack, one) == ("rejected", "hitl")
    assert browser.get(first.approve).status == 409
    two = hold(held, to=[to])
    second, = (n for n in wait_notices(stack, owner.email, 2) if n.message_id == two)
    assert browser.submit(browser.get(second.approve)).status == 200
    world.wait_mail(to)


def test_nobody_gets_the_text_unasked(stack, owner, held):
    hold(held, body=f"{SECRET}\n", html_body=f"<p>{SECRET}</p>",
         attachments=[attachment("launch.txt", "text/plain", SECRET.encode())])
    got = wait_notice(stack, owner.email)
    for part in (got.plain, got.html):
        assert "4711" not in part and "launch.txt" not in part
        assert "is not in here" in part


def test_a_reviewer_who_wants_it_gets_the_text(stack, held):
    reviewer = somebody()
    add_reviewer(stack, held, reviewer, full_text=True)
    body = f"{SECRET}\r\n\n  <b>not bold</b> & so on\n---- end ----\n"
    hold(held, body=body, html_body="<p>Shiny</p>",
         attachments=[attachment("launch.txt", "text/plain", b"x" * 4711)])
    got = wait_notice(stack, reviewer)
    assert f"| {SECRET}\n|\n|   <b>not bold</b> & so on\n| ---- end ----\n" in got.plain
    assert f"{SECRET}\n\n  &lt;b&gt;not bold&lt;/b&gt; &amp; so on\n" in got.html
    for part in (got.plain, got.html):
        assert "Shiny" not in part and "HTML form of 12 bytes" in part
        assert "launch.txt (4711 bytes)" in part and "xxxx" not in part
        assert "is not in here" not in part


def test_a_text_without_end_is_cut(stack, held):
    reviewer = somebody()
    add_reviewer(stack, held, reviewer, full_text=True)
    text = "\u00fc\"<&'" * 30000
    hold(held, body=text)
    got = wait_notice(stack, reviewer)
    assert f"the first 102400 bytes of {len(text.encode())}" in got.plain.replace("\n", " ")
    assert len(got.html) < 2_000_000 and len(got.plain) < 200_000
    assert "\ufffd" not in got.plain


def test_what_becomes_of_it_is_told(stack, owner, held):
    status, _ = held.api.call("PUT", held.path, {"hitl_expiration_action": "approve"})
    assert status == 200
    hold(held)
    assert "is sent as it is" in wait_notice(stack, owner.email).plain


@pytest.mark.parametrize("subject, want", [
    ("x" * 60, "x" * 60),
    ("x" * 61, "x" * 57 + "..."),
    ("R\u00e9sum\u00e9 \U0001f4c4 for \u30a2\u30ea\u30b9 and everybody else who may want to read it",
     "R\u00e9sum\u00e9 \U0001f4c4 for \u30a2\u30ea\u30b9 and everybody else who may wa..."),
    ("\u30a2" * 30, "\u30a2" * 19 + "..."),
])
def test_the_subject_is_cut_between_characters(stack, owner, held, subject, want):
    hold(held, subject=subject)
    mail = wait_notice(stack, owner.email).mail
    assert mail["Subject"] == f"[e2a] approve outbound from {held.address}: {want}"


HOSTILE = "a\r\nBcc: evil@far.example\r\n\r\n<script>alert(1)</script>\u202egnp.exe"


def test_nothing_of_the_mail_becomes_a_header_or_markup(stack, owner, held):
    """Not even what never gets into the database by the API."""
    stack.deliverd.stop()
    message_id = hold(held)
    query(stack, "UPDATE messages SET subject = %s, to_addresses = ARRAY[%s] WHERE id = %s",
          HOSTILE, HOSTILE, message_id)
    stack.deliverd.start()
    got = wait_notice(stack, owner.email)
    assert got.mail["Bcc"] is None and "\n" not in str(got.mail["Subject"])
    assert got.mail["Subject"].startswith(f"[e2a] approve outbound from {held.address}: a")
    assert "<script" not in got.html and "&lt;script&gt;" in got.html
    assert "\u202e" not in got.html + got.plain + got.mail["Subject"]
    assert not any(line.startswith("Bcc: evil") for line in got.plain.splitlines())


# ---- who is asked ----

def test_each_reviewer_has_links_of_their_own_and_the_owner_none(stack, owner, held):
    reviewers = [somebody() for _ in range(3)]
    for reviewer in reviewers:
        add_reviewer(stack, held, reviewer)
    add_reviewer(stack, held, declined := somebody(), state="declined")
    message_id = hold(held)
    notices = [wait_notice(stack, reviewer) for reviewer in reviewers]
    assert {n.message_id for n in notices} == {message_id}
    assert len({token for n in notices for token in n.tokens}) == 6
    wait_ended(stack, message_id)
    assert mails_to(stack, owner.email) == [] and mails_to(stack, declined) == []
    for reviewer, got in zip(reviewers, notices):
        for token in got.tokens:
            digest = hashlib.sha256(token.encode()).digest()
            assert query(stack, "SELECT reviewer, message_id FROM approval_tokens WHERE hash = %s",
                         digest) == [(reviewer, message_id)]


def test_an_address_that_an_agent_could_read_gets_nothing(stack, owner, held):
    query(stack, "UPDATE users SET email = %s WHERE id = %s", f"x{unique()}@{SHARED_DOMAIN}",
          owner.user_id)
    assert jobs_about(stack, hold(held)) == []


def test_who_is_no_reviewer_any_more_is_not_asked(stack, held):
    first, second = somebody(), somebody()
    for reviewer in (first, second):
        add_reviewer(stack, held, reviewer)
    stack.deliverd.stop()
    mark = stack.deliverd.log_mark()
    message_id = hold(held)
    query(stack, "UPDATE reviewers SET state = 'declined' WHERE address = %s", first)
    stack.deliverd.start()
    wait_notice(stack, second)
    wait_ended(stack, message_id)
    assert mails_to(stack, first) == []
    stack.deliverd.wait_log(f"mail_needless .*message_id={message_id}", mark)


def waiting(stack) -> int:
    """How many sessions of e2a-deliverd wait for somebody's lock."""
    db = stack.postgres.connect("postgres")
    try:
        with db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'e2a_deliverd' "
                           "AND wait_event_type = 'Lock'")
            return cursor.fetchone()[0]
    finally:
        db.close()


def test_a_decision_that_is_being_made_is_waited_for(stack, owner, held):
    """Nobody is asked about what is decided at that very moment."""
    stack.deliverd.stop()
    mark = stack.deliverd.log_mark()
    message_id = hold(held)
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute("UPDATE messages SET status = 'rejected' WHERE id = %s", [message_id])
        stack.deliverd.start()
        wait_until("the notice to wait", lambda: waiting(stack), 30)
    stack.deliverd.wait_log(f"mail_needless .*message_id={message_id}", mark)
    assert mails_to(stack, owner.email) == []
    assert query(stack, "SELECT FROM approval_tokens WHERE message_id = %s", message_id) == []


def test_nobody_is_asked_about_what_is_decided(stack, owner, held):
    stack.deliverd.stop()
    mark = stack.deliverd.log_mark()
    message_id = hold(held)
    query(stack, "UPDATE messages SET status = 'rejected' WHERE id = %s", message_id)
    stack.deliverd.start()
    stack.deliverd.wait_log(f"mail_needless .*message_id={message_id}", mark)
    wait_until("the job to go", lambda: not jobs_about(stack, message_id), interval=0.05)
    assert mails_to(stack, owner.email) == []
    assert query(stack, "SELECT 1 FROM approval_tokens WHERE message_id = %s", message_id) == []


def test_who_may_answer_has_an_address_for_it(stack, held):
    reviewer = somebody()
    add_reviewer(stack, held, reviewer, full_text=True, by_reply=True)
    message_id = hold(held)
    got = wait_notice(stack, reviewer)
    found = REPLY_TO.fullmatch(got.mail["Reply-To"])
    assert found and got.mail["Reply-To"].endswith(f"@{held.domain}")
    assert "by answering this mail" in got.plain and "by answering this mail" in got.html
    assert query(stack, "SELECT message_id FROM approval_tokens WHERE action = 'reply' "
                 "AND hash = %s", hashlib.sha256(found[1].encode()).digest()) == [(message_id,)]
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, timeout=10) as smtp:
        smtp.ehlo("other.example")
        smtp.mail(reviewer)
        assert smtp.rcpt(got.mail["Reply-To"])[0] == 250
        assert smtp.rcpt(f"review-{'0' * 32}@{held.domain}")[0] == 550


@pytest.mark.parametrize("mail", [{"html_body": "<p>something else"}, {"body": "x" * 102401}])
def test_what_is_not_shown_whole_is_not_decided_by_an_answer(stack, held, mail):
    reviewer = somebody()
    add_reviewer(stack, held, reviewer, full_text=True, by_reply=True)
    message_id = hold(held, **mail)
    got = wait_notice(stack, reviewer)
    assert SENDER in got.mail["Reply-To"] and "because not all of" in got.plain
    assert sorted(query(stack, "SELECT action FROM approval_tokens WHERE message_id = %s",
                        message_id)) == [("approve",), ("reject",)]


def test_what_comes_back_is_the_operators(stack, account):
    subject = f"Undelivered {unique()}"
    assert stack.send("<>", SENDER, compose("MAILER-DAEMON@other.example", SENDER, subject)).code == 250
    wait_until("the operator to have it", lambda: [
        m for m in mails_to(stack, SENDER) if m["Subject"] == subject
        and m["X-Original-To"] in (SENDER, f"postmaster@{MAIL_HOST}")], interval=0.05)


# ---- the reminder ----

def make_due(stack, message_id: str) -> None:
    query(stack, "UPDATE mail_jobs SET due_at = now() WHERE message_id = %s "
          "AND kind = 'hold_reminder'", message_id)


@pytest.mark.parametrize("ttl, before", [(604800, 86400), (86400, 43200), (900, 450), (599, None),
                                         (1, None)])
def test_it_is_planned_for_the_day_before_or_half_of_the_time(stack, owner, held, ttl, before):
    status, answer = held.api.call("PUT", held.path, {"hitl_ttl_seconds": ttl})
    assert status == 200, answer
    message_id = hold(held)
    if ttl > 10:
        wait_notice(stack, owner.email)
    wait_ended(stack, message_id)
    found = query(stack, "SELECT extract(epoch FROM m.approval_expires_at - j.due_at)::float8 "
                  "FROM mail_jobs j JOIN messages m ON m.id = j.message_id "
                  "WHERE j.message_id = %s AND j.kind = 'hold_reminder'", message_id)
    assert len(found) == (before is not None)
    if before:
        assert before - 10 <= found[0][0] <= before


def test_it_has_the_same_links_and_says_what_it_is(stack, owner, held):
    message_id = hold(held, subject="Plans")
    wait_notice(stack, owner.email)
    wait_ended(stack, message_id)
    make_due(stack, message_id)
    first, second = sorted(wait_notices(stack, owner.email, 2),
                           key=lambda n: "reminder" in n.mail["Subject"])
    assert second.mail["Subject"] == f"[e2a] reminder: approve outbound from {held.address}: Plans"
    assert first.tokens == second.tokens
    assert first.mail["Message-ID"] != second.mail["Message-ID"]
    assert "Nobody has decided yet" in second.plain
    wait_until("the job to end", lambda: jobs_about(stack, message_id) == [], interval=0.05)
    assert query(stack, "SELECT count(*) FROM approval_tokens WHERE message_id = %s",
                 message_id) == [(2,)]


def test_it_is_not_sent_when_somebody_has_decided(stack, owner, held):
    message_id = hold(held)
    wait_notice(stack, owner.email)
    wait_ended(stack, message_id)
    mark = stack.deliverd.log_mark()
    query(stack, "UPDATE messages SET status = 'rejected' WHERE id = %s", message_id)
    make_due(stack, message_id)
    stack.deliverd.wait_log(f"mail_needless .*message_id={message_id}", mark)
    assert len(mails_to(stack, owner.email)) == 1


# ---- secrets ----

def test_tokens_are_in_the_mail_and_nowhere_else(stack, held):
    reviewer = somebody()
    add_reviewer(stack, held, reviewer, full_text=True, by_reply=True)
    marks = {part.name: part.log_mark() for part in stack.parts}
    message_id = hold(held, body=SECRET)
    got = wait_notice(stack, reviewer)
    wait_ended(stack, message_id)
    reply = REPLY_TO.fullmatch(got.mail["Reply-To"])[1]
    secrets = [*got.tokens, *(token.rpartition(".")[2] for token in got.tokens), reply]
    for table in ("approval_tokens", "mail_jobs", "message_events"):
        rows = str(query(stack, f"SELECT t::text FROM {table} t"))
        assert not [s for s in secrets if s in rows or s.encode().hex() in rows], table
    for name in ("deliverd", "apid"):
        log = stack.part(name).log_since(marks[name])
        assert message_id in log or name == "apid"
        assert not [s for s in (*secrets, SECRET, reviewer) if s in log], name
