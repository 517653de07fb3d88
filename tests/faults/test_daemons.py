# SPDX-License-Identifier: Apache-2.0
"""Daemons that are stopped and killed while mail flows: nothing lost, nothing
twice, nothing trusted that was not judged."""

from __future__ import annotations

import pytest

from scripts.stack.mail import compose
from scripts.stack.peers import Api
from tests.faults.audit import Traffic, audit, send
from tests.integration.wire import Lmtp

ROUNDS = 3
SENDER = "alice@sender.example"


def end(part, how: str) -> None:
    if how == "stopped":
        assert part.stop() == 0
    else:
        part.kill()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_deliverd_loses_and_doubles_nothing(stack, make_agent, journal, receiver, how):
    to = [make_agent(receiver.url), make_agent(), make_agent(receiver.url)]
    with Traffic(stack, journal, to):
        for _ in range(ROUNDS):
            journal.wait_more("called", 10)
            end(stack.deliverd, how)
            journal.wait_more("accepted", 5)  # Postfix goes on without it
            stack.deliverd.start()
            stack.postfix.flush()
        journal.wait_more("called", 10)
    assert journal.count["refused"] == journal.count["broken"] == 0
    audit(stack, journal)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_nothing_passes_unjudged_while_the_milter_is_away(stack, make_agent, journal, receiver,
                                                         how):
    to = [make_agent(receiver.url), make_agent()]
    with Traffic(stack, journal, to):
        for _ in range(ROUNDS):
            journal.wait_more("accepted", 5)
            end(stack.milter, how)
            journal.wait_more("refused", 5)
            stack.milter.start()
        journal.wait_more("accepted", 5)
    assert all(400 <= fact["code"] < 500 for fact in journal.read("refused"))
    stored = audit(stack, journal)
    assert {s.verdict for s in stored} == {"sealed"}


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_mail_and_webhooks_do_not_need_apid(stack, account, make_agent, journal, receiver, how):
    to = [make_agent(receiver.url), make_agent()]
    with Traffic(stack, journal, to):
        for _ in range(ROUNDS):
            journal.wait_more("called", 5)
            end(stack.apid, how)
            journal.wait_more("called", 5)
            stack.apid.start()
    assert journal.count["refused"] == journal.count["broken"] == 0
    stored = audit(stack, journal)
    status, answer = Api(stack.url, account.api_key).get(
        f"/api/v1/agents/{to[1]}/messages?status=unread&page_size=100")
    assert status == 200
    ours = {s.id for s in stored if s.recipient == to[1]}
    assert {m["message_id"] for m in answer["messages"]} <= ours and answer["messages"]


def test_everything_is_killed_at_once(stack, make_agent, journal, receiver):
    to = [make_agent(receiver.url), make_agent()]
    with Traffic(stack, journal, to):
        for _ in range(2):
            journal.wait_more("called", 10)
            for part in reversed(stack.parts):
                part.kill()
            stack.heal()
    audit(stack, journal)


def test_a_job_is_found_however_long_no_deliverd_ran(stack, make_agent, hook):
    agent = make_agent()
    assert stack.send(SENDER, agent, compose(SENDER, agent, "late")).code == 250
    assert stack.deliverd.stop() == 0
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE agents SET agent_mode = 'cloud', webhook_url = %s WHERE email = %s",
                      [hook.url, agent])
        query.execute("INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at, "
                      "lease_id, lease_until) SELECT m.id, m.user_id, m.agent_email, "
                      "now() - interval '1 year', 'lease_of_nobody', now() - interval '1 year' "
                      "FROM messages m WHERE m.agent_email = %s", [agent])
    stack.deliverd.start()
    assert hook.wait().json["recipient"] == agent


def test_two_deliverds_share_one_queue_of_webhooks(stack, second, make_agent, journal, receiver):
    to = [make_agent(receiver.url), make_agent(receiver.url)]
    failing = iter([500] * 40)
    take = receiver.take
    receiver.answer = lambda delivery: next(failing, 0) or take(delivery)
    with Traffic(stack, journal, to):
        journal.wait_more("called", 20)
        assert second.stop() == 0  # killed, it would leave calls of which nobody knows the end
        journal.wait_more("called", 10)
        second.start()
        journal.wait_more("called", 10)
    audit(stack, journal)
    calls = journal.read("called")
    assert len({c["id"] for c in calls}) == len(calls), "two daemons made the same call"


def test_the_jobs_of_a_killed_deliverd_are_done_by_the_other(stack, second, make_agent, journal,
                                                            receiver):
    agent = make_agent(receiver.url)
    receiver.answer = lambda _: 500
    assert send(stack, journal, [agent]) == 250
    receiver.wait()
    stack.deliverd.kill()
    receiver.answer = receiver.take
    audit(stack, journal)
    assert journal.count["called"] == 1


def test_the_same_transaction_at_two_deliverds_is_stored_once(stack, second, make_agent):
    agent = make_agent()
    message = b"From: a@sender.example\r\nSubject: Same\r\n\r\nx\r\n"
    with Lmtp(stack) as one:
        assert one.mail(agent, message, "4SAMEz1")[0].code == 250
    with Lmtp(stack, socket_name="lmtp2") as two:
        assert two.mail(agent, message, "4SAMEz1")[0].code == 250
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM messages WHERE agent_email = %s", [agent])
        assert query.fetchone()[0] == 1


def test_postfix_that_is_killed_has_promised_nothing_it_does_not_keep(stack, make_agent, journal,
                                                                    receiver):
    to = [make_agent(receiver.url), make_agent()]
    with Traffic(stack, journal, to):
        for _ in range(2):
            journal.wait_more("accepted", 10)
            stack.postfix.kill()
            stack.postfix.start()
        journal.wait_more("accepted", 5)
    audit(stack, journal)
