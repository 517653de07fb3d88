# SPDX-License-Identifier: Apache-2.0
"""Holds whose time is over: what the agent's owner wanted happens, once, whatever is down
or busy meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scripts.stack.part import wait_until
from tests.integration.approvals import Hold, configure, hold, query
from tests.integration.outbound import Author, address

GONE = {"outbound_drafts": 0, "outbound_attachments": 0, "outbound_mails": 0}


@pytest.fixture(scope="module", autouse=True)
def eager(stack) -> Iterator[None]:
    """A sweep each second."""
    stack.configure(hold_expiry_interval="1s")
    stack.deliverd.restart()
    yield
    stack.configure(hold_expiry_interval="1m")
    stack.deliverd.restart()


def over(held: Hold) -> None:
    held.sql("UPDATE messages SET approval_expires_at = now() WHERE id = %(id)s")


def wait_ended(held: Hold) -> str:
    return wait_until(f"{held.id} to end",
                      lambda: held.status != "pending_approval" and held.status, 20, 0.1)


def why(held: Hold) -> str:
    return held.sql("SELECT rejection_reason FROM messages WHERE id = %(id)s")[0][0]


def test_a_hold_that_is_approved_by_time_is_sent(stack, world, author):
    configure(author, hitl_enabled=True, hitl_ttl_seconds=1, hitl_expiration_action="approve")
    mark = stack.deliverd.log_mark()
    held = hold(author, body="By time.\n")
    assert world.wait_mail(held.to[0]).text == "By time.\r\n"
    assert held.status == "expired_approved" and why(held) == ""
    line = stack.deliverd.wait_log(f"hold_expired message_id={held.id}", mark)
    assert "status=expired_approved" in line and "By time" not in stack.deliverd.log_since(mark)
    assert ("hold", "approved", "expiry") in held.ledger
    wait_until("the job to be done", lambda: not held.jobs)
    assert held.stored == GONE and len(held.composed) == 1


def test_a_hold_that_is_rejected_by_time_is_erased(stack, world, author):
    configure(author, hitl_enabled=True, hitl_ttl_seconds=1, hitl_expiration_action="reject")
    mark = stack.deliverd.log_mark()
    held = hold(author)
    assert wait_ended(held) == "expired_rejected" and why(held) == "ttl_expired"
    assert held.stored == GONE and held.jobs == []
    assert ("hold", "expired", "expiry") in held.ledger
    assert world.knocks_for(held.to[0]) == []
    assert "reason=ttl_expired" in stack.deliverd.wait_log(f"hold_expired message_id={held.id}",
                                                           mark)
    assert held.sql("SELECT status, detail FROM outbound_recipients WHERE message_id = %(id)s") \
        == [("failed", "expired_rejected")]


def test_time_is_that_of_the_hold_and_the_act_that_of_its_end(stack, world, author):
    configure(author, hitl_enabled=True, hitl_ttl_seconds=600, hitl_expiration_action="reject")
    first, second = hold(author), hold(author)
    configure(author, hitl_ttl_seconds=1, hitl_expiration_action="approve")
    query(stack, "UPDATE messages SET approval_expires_at = approval_expires_at - "
          "interval '595 seconds' WHERE id = %s", first.id)
    assert wait_ended(first) == "expired_approved"
    world.wait_mail(first.to[0])
    assert second.status == "pending_approval"
    configure(author, hitl_enabled=False)  # which ends nothing
    over(second)
    assert wait_ended(second) == "expired_approved"


def test_without_a_proof_of_its_domain_nothing_is_sent(stack, world, api):
    domain = f"d{address().partition('@')[0]}.example"
    status, made = api.post("/api/v1/domains", {"domain": domain})
    assert status == 201, made
    query(stack, "UPDATE domains SET verified = true WHERE domain = %s", domain)
    status, made = api.post("/api/v1/agents", {"email": f"bot@{domain}", "agent_mode": "local"})
    assert status == 201, made
    author = Author(stack, api, made["email"])
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    held = hold(author)
    query(stack, "UPDATE domains SET verified = false WHERE domain = %s", domain)
    over(held)
    assert wait_ended(held) == "expired_rejected"
    assert why(held) == "auto-approve failed: agent domain not verified"
    assert held.stored == GONE and world.knocks_for(held.to[0]) == []


def test_nobody_left_to_send_to_is_a_rejection(stack, world, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    held = hold(author)
    held.sql("INSERT INTO suppressions (user_id, address, reason) SELECT m.user_id, r.folded, "
             "'bounce' FROM messages m JOIN outbound_recipients r ON r.message_id = m.id "
             "WHERE m.id = %(id)s")
    over(held)
    assert wait_ended(held) == "expired_rejected"
    assert why(held).startswith("auto-approve send failed: ")
    assert held.jobs == [] and world.knocks_for(held.to[0]) == []


def test_mail_that_waits_for_a_spent_budget_is_never_sent_by_time(stack, world, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    held = hold(author)
    held.sql("UPDATE messages SET hold_reason = 'reply_budget' WHERE id = %(id)s")
    over(held)
    assert wait_ended(held) == "expired_rejected" and why(held) == "ttl_expired"
    assert held.jobs == [] and world.knocks_for(held.to[0]) == []


def test_what_cannot_be_ended_waits_and_keeps_nobody(stack, world, author):
    """More of them than fit a batch, all older than the one behind them."""
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    stuck, behind = [hold(author) for _ in range(23)], hold(author)
    drafts = {}
    for held in stuck:
        drafts[held.id] = held.sql("SELECT body_text FROM outbound_drafts "
                                   "WHERE message_id = %(id)s")[0][0]
        held.sql("DELETE FROM outbound_drafts WHERE message_id = %(id)s")
    mark = stack.deliverd.log_mark()
    for held in stuck:
        over(held)
    over(behind)
    assert wait_ended(behind) == "expired_approved"
    world.wait_mail(behind.to[0])
    line = stack.deliverd.wait_log(f"hold_expiry_failed message_id={stuck[0].id}", mark)
    assert "a hold without a draft" in line
    assert {held.status for held in stuck} == {"pending_approval"}
    for held in stuck:
        query(stack, "INSERT INTO outbound_drafts (message_id, body_text) VALUES (%s, %s)",
              held.id, drafts[held.id])
    assert {wait_ended(held) for held in stuck} == {"expired_approved"}


def test_a_row_that_somebody_has_locked_is_left_for_the_next_round(stack, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="reject")
    locked, free = hold(author), hold(author)
    with stack.db() as db:
        db.autocommit = False
        with db.cursor() as cursor:
            cursor.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", [locked.id])
            over_behind = threading.Thread(target=over, args=(locked,), daemon=True)
            over(free)
            assert wait_ended(free) == "expired_rejected"
            over_behind.start()
        db.rollback()
    over_behind.join(20)
    assert wait_ended(locked) == "expired_rejected"


def test_a_human_and_the_timer_decide_once(stack, world, author):
    """Whoever comes first; a mail leaves if and only if it was approved."""
    configure(author, hitl_enabled=True, hitl_expiration_action="reject")
    holds = [hold(author) for _ in range(12)]
    said: dict[str, str] = {}
    threads = [threading.Thread(target=lambda h=h: said.update({h.id: h.approve()}), daemon=True)
               for h in holds]
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute("UPDATE messages SET approval_expires_at = now() + interval '300 ms' * n "
                       "FROM unnest(%s::text[]) WITH ORDINALITY AS t (id, n) "
                       "WHERE messages.id = t.id", [[h.id for h in holds]])
    for n, thread in enumerate(threads):
        wait_until("its time", lambda n=n: query(
            stack, "SELECT now() >= approval_expires_at FROM messages WHERE id = %s",
            holds[n].id)[0][0], 20, 0.02)
        thread.start()
    for thread in threads:
        thread.join(30)
    ends = {h.id: wait_ended(h) for h in holds}
    for held in holds:
        assert (said[held.id], ends[held.id]) in (("ok", "sent"), ("resolved", "expired_rejected"))
        assert len([row for row in held.ledger if row[0] == "hold"]) == 1
        if ends[held.id] == "sent":
            world.wait_mail(held.to[0])
    wait_until("the jobs to be done", lambda: not any(h.jobs for h in holds))
    assert [len(world.mails_to(h.to[0])) for h in holds] == [int(ends[h.id] == "sent")
                                                             for h in holds]
