# SPDX-License-Identifier: Apache-2.0
"""Mail that waits for a human, and everybody who would rather not wait: clients, keys,
and e2a-apid's own role in the database."""

from __future__ import annotations

import os

import psycopg2
import pytest

from scripts.stack.mail import compose, send
from tests.integration.client import add_key
from tests.integration.outbound import Author, address, ledger, state_of


def hold(author: Author, enabled: bool = True) -> None:
    status, answer = author.api.call("PUT", author.path, {"hitl_enabled": enabled})
    assert status == 200, answer


@pytest.fixture
def held_author(author) -> Author:
    hold(author)
    return author


def nothing_leaves(stack, world, author: Author, to: str) -> None:
    """A later mail of somebody else has arrived, and this one has not."""
    hold(author, False)
    try:
        after = address()
        author.wait_status(author.send(after)["id"], {after: "delivered"})
    finally:
        hold(author)
    assert world.knocks_for(to) == []
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM outbound_jobs WHERE agent_email = %s",
                      [author.address])
        assert query.fetchone()[0] == 0


def test_mail_of_a_held_agent_waits(stack, world, held_author):
    to = address()
    status, answer = held_author.ask(to=[to], cc=[address()], html_body="<p>x</p>")
    assert status == 202
    assert answer.keys() >= {"message_id", "status", "approval_expires_at"}
    assert answer["status"] == "pending_approval" and answer["message_id"].startswith("msg_")
    assert ledger(stack, answer["message_id"]) == [("outbound", "held", "hitl")]
    assert state_of(stack, answer["message_id"]) == ("pending_approval", "hitl")
    nothing_leaves(stack, world, held_author, to)


def test_replies_and_test_mails_of_a_held_agent_wait_too(stack, world, held_author):
    to, subject = address(), f"About {os.urandom(8).hex()}"
    assert stack.send(to, held_author.address,
                      compose(to, held_author.address, subject)).code == 250
    got = held_author.wait_mail(subject)
    answers = [held_author.ask_reply(got["message_id"]),
               held_author.api.post(f"{held_author.path}/test")]
    for status, answer in answers:
        assert (status, answer["status"]) == (202, "pending_approval")
        assert state_of(stack, answer["message_id"]) == ("pending_approval", "hitl")
    nothing_leaves(stack, world, held_author, to)
    assert [m["subject"] for m in held_author.inbox()] == [subject]


def test_switching_the_hold_off_releases_nothing(stack, world, held_author):
    to = address()
    status, answer = held_author.ask(to=[to])
    assert status == 202
    hold(held_author, False)
    nothing_leaves(stack, world, held_author, to)
    assert state_of(stack, answer["message_id"]) == ("pending_approval", "hitl")


def test_bad_input_is_refused_before_it_is_held(held_author):
    """A human is not asked about what could never leave."""
    assert held_author.ask(to=["nobody"])[0] == 400


# ---- past the API ----

ATTEMPTS = {
    "a job of one's own": "INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, "
        "size, give_up_at) VALUES ('job_x', %(id)s, %(user)s, %(agent)s, 'world', 1, "
        "now() + interval '1 hour')",
    "another status": "UPDATE messages SET status = 'sent' WHERE id = %(id)s",
    "no hold": "UPDATE agents SET hitl_enabled = false WHERE email = %(agent)s",
    "another reason": "UPDATE messages SET hold_reason = '' WHERE id = %(id)s",
    "another recipient": "UPDATE outbound_recipients SET address = 'x@far.example' "
        "WHERE message_id = %(id)s",
    "one recipient more": "INSERT INTO outbound_recipients (message_id, n, kind, address, folded, "
        "part) VALUES (%(id)s, 9, 'to', 'x@far.example', 'x@far.example', 'world')",
    "another text": "UPDATE outbound_drafts SET body_text = 'x' WHERE message_id = %(id)s",
    "an envelope sender": "INSERT INTO outbound_attempts (verp, message_id, job_id, part, host) "
        "VALUES ('bounce-x@agents.example', %(id)s, 'job_x', 'world', 'x')",
    "an attachment more": "SELECT attach_outbound(%(id)s, 0, 'a', 'text/plain', 'x')",
    "an attachment less": "SELECT keep_attachments(%(id)s, '{}')",
    "an attachment to what was touched": "UPDATE messages SET inbox_status = 'read' "
        "WHERE id = %(id)s; SELECT attach_outbound(%(id)s, 0, 'a', 'text/plain', 'x')",
    "no hold, without a credential": "SELECT set_hitl(%(user)s, %(agent)s, '', '', false, 1, "
        "'approve')",
    "the function of the account check": "SELECT is_account(%(user)s, '', '')",
    "a function of its own": "CREATE FUNCTION e2a.submit() RETURNS void LANGUAGE sql AS ''",
    "a role with more rights": "SET ROLE e2a_deliverd",
    "the owner": "SET ROLE e2a",
    "triggers switched off": "SET session_replication_role = replica",
    "the DKIM keys": "SELECT sealed FROM dkim_keys",
    "an approval without a credential": "SELECT approve_hold(%(id)s, %(user)s, '', '', '', false, "
        "3600000, false) <> 'unauthorized'",
    "an approval by a key that is none": "SELECT approve_hold(%(id)s, %(user)s, 'apk_x', '', '', "
        "false, 3600000, false) <> 'unauthorized'",
    "an approval by the key of the agent": "SELECT approve_hold(%(id)s, %(user)s, %(agent_key)s, "
        "'', '', false, 3600000, false) <> 'unauthorized'",
    "an approval by a key of somebody else": "SELECT approve_hold(%(id)s, %(user)s, "
        "%(strange_key)s, '', '', false, 3600000, false) <> 'unauthorized'",
    "an approval for somebody else": "SELECT approve_hold(%(id)s, %(stranger)s, %(strange_key)s, "
        "'', '', false, 3600000, false) <> 'not_found'",
    "an approval by a token that is none": "SELECT approve_hold(%(id)s, %(user)s, '', '', 'x', "
        "false, 3600000, false) <> 'unauthorized'",
    "an approval by an answer that is none": "SELECT approve_hold(%(id)s, %(user)s, '', '', 'x', "
        "true, 3600000, false) <> 'unauthorized'",
    "a rejection without a credential": "SELECT reject_hold(%(id)s, %(user)s, '', '', '', false, "
        "'x') <> 'unauthorized'",
    "an edit without a credential": "SELECT edit_hold(%(id)s, %(user)s, '', '', 'x', 'x', 'x', "
        "'{}', '{}', '{}', '{}', true) <> 'unauthorized'",
    "an edit by the key of the agent": "SELECT edit_hold(%(id)s, %(user)s, %(agent_key)s, '', "
        "'x', 'x', 'x', '{}', '{}', '{}', '{}', true) <> 'unauthorized'",
    "a token of one's own": "INSERT INTO approval_tokens (hash, message_id, user_id, action, "
        "reviewer, nonce, draft_hash, expires_at) VALUES ('x', %(id)s, %(user)s, 'approve', 'x', "
        "'', '', now() + interval '1 hour')",
    "the lock on a hold": "SELECT open_hold(%(id)s, %(user)s, '', '', '', 'approve')",
    "the end of a hold itself": "SELECT release_hold(%(id)s, 'sent', 'api', 'x', 3600000, false)",
    "the other end": "SELECT drop_hold(%(id)s, 'rejected', 'api', 'x', 'x')",
    "the jobs of a mail": "SELECT queue_outbound(%(id)s, 0, 3600000, false)",
    "other recipients": "SELECT address_outbound(%(id)s, ARRAY['x@far.example'])",
    "the sweep": "SELECT expire_holds(100, 3600000, false)",
    "an earlier end": "UPDATE messages SET approval_expires_at = now() WHERE id = %(id)s",
    "a decision": "UPDATE messages SET reviewed_by = 'x', approved_hash = '' WHERE id = %(id)s",
    "a mail that was composed": "INSERT INTO outbound_mails (job_id, hash, mail) "
        "VALUES ('job_x', '', '')",
    "a line in the ledger": "SELECT note_hold(%(id)s, 'approved', 'api', NULL)",
    "no question to the reviewers": "SELECT ask_no_more(%(id)s)",
}


@pytest.fixture
def as_apid(stack):
    """A connection with the role, and the rights, of e2a-apid."""
    connection = stack.postgres.connect("e2a_apid")
    connection.autocommit = False
    yield connection
    connection.close()


@pytest.mark.parametrize("sql", ATTEMPTS.values(), ids=ATTEMPTS)
def test_the_role_of_apid_gets_past_no_hold(stack, account, stranger, world, held_author, as_apid,
                                            sql):
    to = address()
    status, answer = held_author.ask(to=[to])
    assert status == 202
    values = {"id": answer["message_id"], "user": account.user_id, "agent": held_author.address,
              "agent_key": add_key(stack, account.user_id, agent=held_author.address)[0],
              "stranger": stranger.user_id, "strange_key": add_key(stack, stranger.user_id)[0]}
    try:
        with as_apid, as_apid.cursor() as query:
            query.execute(sql, values)
            assert query.description and query.fetchone() == (False,), "it was let"
    except psycopg2.Error as e:
        assert e.pgcode in ("42501", "P0001", "22P02"), e
    assert state_of(stack, answer["message_id"]) == ("pending_approval", "hitl")
    assert held_author.api.get(held_author.path)[1]["hitl_enabled"] is True
    assert world.knocks_for(to) == []


APPROVE = ("SELECT approve_hold(%(id)s, %(user)s, %(key)s, '', '', false, 3600000, false)")
AFTERWARDS = {
    "an attachment": "SELECT attach_outbound(%(id)s, 7, 'a', 'text/plain', 'x')",
    "no attachment": "SELECT keep_attachments(%(id)s, '{}')",
    "another text": "UPDATE outbound_drafts SET body_text = 'x' WHERE message_id = %(id)s",
    "another recipient": "UPDATE outbound_recipients SET address = 'x@far.example' "
        "WHERE message_id = %(id)s",
    "another subject": "UPDATE messages SET subject = 'x' WHERE id = %(id)s",
    "another hash": "UPDATE messages SET approved_hash = '' WHERE id = %(id)s",
    "a second job": "SELECT queue_outbound(%(id)s, 0, 3600000, false)",
    "an edit": "SELECT edit_hold(%(id)s, %(user)s, %(key)s, '', 'x', 'x', 'x', "
        "'{x@far.example}', '{}', '{}', '{x@far.example}', true) <> 'resolved'",
    "a second approval": APPROVE + " <> 'resolved'",
    "a rejection": "SELECT reject_hold(%(id)s, %(user)s, %(key)s, '', '', false, 'x') "
        "<> 'resolved'",
}


@pytest.mark.parametrize("sql", AFTERWARDS.values(), ids=AFTERWARDS)
def test_what_was_approved_is_changed_by_nobody(stack, account, held_author, as_apid, sql):
    """Not in the transaction that approves it, after an edit either."""
    status, answer = held_author.ask(to=[address()])
    assert status == 202
    values = {"id": answer["message_id"], "user": account.user_id,
              "key": add_key(stack, account.user_id)[0]}
    with as_apid.cursor() as query:
        query.execute("SELECT edit_hold(%(id)s, %(user)s, %(key)s, '', 'Edited', NULL, NULL, "
                      "NULL, NULL, NULL, NULL, true)", values)
        assert query.fetchone() == ("ok",)
        query.execute("SELECT attach_outbound(%(id)s, 1, 'a', 'text/plain', 'x')", values)
        query.execute(APPROVE, values)
        assert query.fetchone() == ("ok",)
        try:
            query.execute(sql, values)
            assert query.fetchone() == (False,), "it was let"
        except psycopg2.Error as e:
            assert e.pgcode in ("42501", "P0001"), e
    as_apid.rollback()
    assert state_of(stack, answer["message_id"]) == ("pending_approval", "hitl")


def test_what_apid_may_submit_is_held_too(stack, account, world, held_author, as_apid):
    """The one way that is open goes by the agent's own row."""
    to, new_id = address(), "msg_" + "1" * 31 + "0"
    with as_apid, as_apid.cursor() as query:
        query.execute(
            "SELECT outcome, reason FROM submit_outbound(%(id)s, %(user)s, %(agent)s, 'send', "
            "%(agent)s, '<x@agents.example>', 'Past', 'x', '', ARRAY[%(to)s], '{}', '{}', "
            "ARRAY[%(to)s], '', '', '{}', '', 0, '', 30, 3600000, 3600000, 3600000, false)",
            {"id": new_id, "user": account.user_id, "agent": held_author.address, "to": to})
        assert query.fetchone() == ("pending_approval", "hitl")
    nothing_leaves(stack, world, held_author, to)


def test_a_local_process_cannot_use_the_inject_listener(stack, world, author):
    to = address()
    mark = stack.milter.log_mark()
    outcome = send(stack.inject_port, author.address, to, compose(author.address, to))
    assert (outcome.code, outcome.text[:5]) == (550, "5.7.1"), outcome
    stack.milter.wait_log("ticket_refused", mark)
    assert world.knocks_for(to) == []
