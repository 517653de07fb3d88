# SPDX-License-Identifier: Apache-2.0
"""Answers of reviewers that meet trouble: Postfix keeps them, and they decide once."""

from __future__ import annotations

import smtplib

import pytest

from scripts.stack import Stack
from scripts.stack.mail import Signer
from scripts.stack.part import wait_until
from tests.integration.answers import Panel, Question, execute
from tests.integration.outbound import ledger

WORLD = True
PENDING = ("pending_approval", "", "")


@pytest.fixture(scope="module")
def corp(stack: Stack) -> Signer:
    signer = Signer.new("corp.example")
    stack.dns.publish(signer.record[0], "TXT", signer.record[1])
    return signer


@pytest.fixture
def panel(author, account, corp) -> Panel:  # noqa: F811
    return Panel(author, account.user_id, corp)


@pytest.fixture
def question(panel: Panel) -> Question:
    return panel.ask()


def deferred(q: Question, mark: int) -> str:
    return q.stack.postfix.wait_log(f"to=<{q.address}>.* status=deferred", mark, 60)


def check_decided_once(q: Question) -> None:
    def probe() -> bool:
        q.stack.postfix.flush()
        return q.state[0] == "sent"

    wait_until("the decision", probe, 60, 0.5)
    assert [e for e in ledger(q.stack, q.id) if e[0] == "hold"] == [("hold", "approved", "mail")]
    q.stack.world.wait_mail(q.to)
    told, = q.wait_told()
    assert told["Subject"].startswith("[e2a] approved: ")


def waits(stack: Stack) -> bool:
    connection = stack.postgres.connect("postgres")
    with connection.cursor() as query:
        query.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'e2a_deliverd' "
                      "AND wait_event_type = 'Lock' AND query LIKE '%approve_hold%'")
        found = query.fetchone()[0] > 0
    connection.close()
    return found


def test_a_decision_and_all_that_belongs_to_it_is_one_commit(stack, panel, question):
    """The last step fails, so nothing is decided; then all of it is."""
    execute(stack, "REVOKE INSERT ON mail_jobs FROM e2a_deliverd")
    try:
        mark = stack.postfix.log_mark()
        assert question.send(panel.sign(question.letter())).code == 250
        deferred(question, mark)
        assert question.state == PENDING
    finally:
        execute(stack, "GRANT INSERT ON mail_jobs TO e2a_deliverd")
    check_decided_once(question)


def test_an_answer_waits_for_postgres(stack, panel, question):
    """It goes away when Postfix has taken the recipient."""
    message = panel.sign(question.letter())
    mark = stack.postfix.log_mark()
    with smtplib.SMTP("127.0.0.1", stack.smtp_port) as smtp:
        smtp.ehlo()
        assert smtp.mail(question.reviewer)[0] == 250
        assert smtp.rcpt(question.address)[0] == 250
        stack.postgres.stop()
        assert smtp.data(message)[0] == 250
    deferred(question, mark)
    stack.postgres.start()
    stack.postfix.reload()  # else it asks a server that was away only after a minute
    check_decided_once(question)


def test_a_kill_while_it_decides_decides_nothing_twice(stack, panel, question):
    mark = stack.postfix.log_mark()
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", [question.id])
        assert question.send(panel.sign(question.letter())).code == 250
        wait_until("the decision to wait", lambda: waits(stack))
        stack.deliverd.kill()
        deferred(question, mark)
    stack.deliverd.start()
    check_decided_once(question)
