# SPDX-License-Identifier: Apache-2.0
"""Whoever dies at whichever step of an approval: the mail that was approved leaves once,
with the bytes that were composed; what was not approved does not leave."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from scripts.stack import Stack
from scripts.stack.part import wait_until
from tests.faults.audit import audit_held
from tests.faults.test_outbound import end_leases, end_sessions, stopped
from tests.integration.approvals import Hold, configure, hold, query
from tests.integration.between import Between, Handed
from tests.integration.client import Answer, Caller, with_key
from tests.integration.outbound import Author, address, own_part
from tests.integration.test_idempotency import set_standby

WORLD = True
SETTINGS = {"inject_timeout": "10s", "inject_settle": "3s", "hold_expiry_interval": "1s"}
QUIET_SECONDS = 120.0
MANY = 200
GONE = {"outbound_drafts": 0, "outbound_attachments": 0, "outbound_mails": 0}


@pytest.fixture(autouse=True, scope="module")
def old_log(stack: Stack) -> None:
    """A log that begins only when mail is sent tells nothing of what was not in it."""
    begun = time.monotonic()
    wait_until("Postfix's log to go back far enough", lambda: time.monotonic() > begun + 6)


@pytest.fixture(scope="module")
def proxy(stack: Stack, account) -> Iterator[Between]:
    with Between(stack) as between:
        yield between


@pytest.fixture
def between(proxy: Between) -> Iterator[Between]:
    yield proxy
    proxy.pass_all()


@pytest.fixture
def human(stack: Stack, account) -> Caller:
    """Somebody who may decide, by the API."""
    return with_key(stack.http_port, account.api_key)


def approve(human: Caller, held: Hold, *fields: str) -> Answer | None:
    """None: there was no answer."""
    try:
        return human("POST", f"/api/v1/messages/{held.id}/approve", None, *fields)
    except (OSError, EOFError):
        return None


def settle(stack: Stack, *holds: Hold) -> None:
    """Each of them was approved, and has left once."""
    wait_until("the outbound queue to be empty", lambda: not query(
        stack, "SELECT id FROM outbound_jobs"), QUIET_SECONDS, 0.2)
    for held in holds:
        stack.world.wait_mail(held.to[0], timeout=QUIET_SECONDS)
    left = audit_held(stack)
    assert {held.id for held in holds} <= left.keys()
    for held in holds:
        assert held.status == "sent" and held.stored == GONE
        assert len([row for row in held.ledger if row[0] == "hold"]) == 1


@contextmanager
def locked(stack: Stack, table: str) -> Iterator[None]:
    """Nobody can write to it."""
    db = stack.postgres.connect()
    db.autocommit = False
    try:
        db.cursor().execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield
    finally:
        db.close()


def waiting(stack: Stack, role: str, event: str = "relation", asked: str = "") -> int:
    """How many sessions of the role do, in a statement with `asked` in it. (That of e2a-apid
    which tells of a new hold, in a statement alone, may be late and is none of them; nor is the
    one by which e2a-deliverd measures the depth of its queues.)"""
    db = stack.postgres.connect("postgres")
    try:
        with db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s "
                           "AND wait_event = %s AND state = 'active' "
                           "AND query NOT LIKE 'SELECT pg_notify%%' "
                           "AND query NOT LIKE 'SELECT 0, %%' AND position(%s IN query) > 0",
                           [role, event, asked])
            return cursor.fetchone()[0]
    finally:
        db.close()


def wait_waiting(stack: Stack, role: str, event: str = "relation") -> None:
    wait_until(f"{role} to wait for {event}", lambda: waiting(stack, role, event), 30)


def end_sessions_of(stack: Stack, role: str) -> None:
    """What a dead daemon had asked for is not done after its death."""
    stack.postgres.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              f"WHERE usename = '{role}'")


# ---- e2a-deliverd ----

def before_it_is_kept(stack: Stack, between: Between, held: Hold) -> None:
    with locked(stack, "outbound_mails"):
        assert held.approve() == "ok"
        wait_waiting(stack, "e2a_deliverd")
        stack.deliverd.kill()
        end_sessions(stack)
    assert held.composed == []


def kept_behind_its_death(stack: Stack, between: Between, held: Hold) -> None:
    """The commit comes when nobody is there any more who could know of it."""
    with locked(stack, "outbound_mails"):
        assert held.approve() == "ok"
        wait_waiting(stack, "e2a_deliverd")
        set_standby(stack, "nobody")
    wait_waiting(stack, "e2a_deliverd", "SyncRep")
    stack.deliverd.kill()
    set_standby(stack, "")
    wait_until("the commit", lambda: held.composed)


def before_the_first_byte(stack: Stack, between: Between, held: Hold) -> None:
    stack.milter.pause()
    try:
        assert held.approve() == "ok"
        wait_until("it to be composed", lambda: held.composed)
        stack.deliverd.kill()
    finally:
        stack.milter.resume()


def when_all_but_the_end_is_out(stack: Stack, between: Between, held: Hold) -> None:
    """The end of the data never reaches Postfix."""
    dead = threading.Event()

    def on_mail(handed: Handed) -> bytes:
        dead.wait(60)
        raise ConnectionError("the client died")

    between.on_mail = on_mail
    assert held.approve() == "ok"
    between.mails.wait(lambda h: h.message_id == held.message_id, 30)
    stack.deliverd.kill()
    dead.set()
    between.pass_all()


def before_it_hears_that_postfix_has_it(stack: Stack, between: Between, held: Hold) -> None:
    dead = threading.Event()

    def on_answer(handed: Handed, reply: bytes) -> None:
        dead.wait(60)

    between.on_answer = on_answer
    assert held.approve() == "ok"
    between.answers.wait(lambda a: a[0].message_id == held.message_id, 30)
    stack.deliverd.kill()
    dead.set()
    between.pass_all()


def before_the_end_is_written(stack: Stack, between: Between, held: Hold) -> None:
    heard = threading.Event()

    def on_answer(handed: Handed, reply: bytes) -> bytes:
        heard.wait(60)
        return reply

    between.on_answer = on_answer
    assert held.approve() == "ok"
    between.answers.wait(lambda a: a[0].message_id == held.message_id, 30)
    with locked(stack, "outbound_jobs"):
        heard.set()
        wait_waiting(stack, "e2a_deliverd")
        stack.deliverd.kill()
        end_sessions(stack)
    between.pass_all()


STEPS = [before_it_is_kept, kept_behind_its_death, before_the_first_byte,
         when_all_but_the_end_is_out, before_it_hears_that_postfix_has_it,
         before_the_end_is_written]


@pytest.mark.parametrize("die", STEPS, ids=[step.__name__ for step in STEPS])
def test_deliverd_that_is_killed(stack, author, between,
                                 die: Callable[[Stack, Between, Hold], None]):
    held = hold(author, body=f"{die.__name__}\n")
    die(stack, between, held)
    end_leases(stack)
    stack.deliverd.start()
    settle(stack, held)
    handed = {h.mail for h in between.mails_of(held.message_id)}
    assert handed == {own_part(stack.world.wait_mail(held.to[0]))}


def test_the_other_deliverd_sends_the_bytes_of_the_dead_one(stack, second, author, between):
    held = hold(author)
    second.stop()
    dead = threading.Event()

    def on_mail(handed: Handed) -> bytes:
        dead.wait(60)
        raise ConnectionError("the client died")

    between.on_mail = on_mail
    assert held.approve() == "ok"
    first = between.mails.wait(lambda h: h.message_id == held.message_id, 30)
    stack.deliverd.kill()
    dead.set()
    between.pass_all()
    end_leases(stack)
    second.start()
    settle(stack, held)
    assert own_part(stack.world.wait_mail(held.to[0])) == first.mail


# ---- e2a-apid and Postgres ----

def test_apid_that_is_killed_before_the_commit_has_decided_nothing(stack, author, human):
    held = hold(author)
    with locked(stack, "outbound_jobs"), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(approve, human, held)
        wait_waiting(stack, "e2a_apid")
        stack.apid.kill()
        end_sessions_of(stack, "e2a_apid")
        assert asked.result() is None
    assert held.status == "pending_approval" and held.jobs == []
    stack.apid.start()
    assert approve(human, held).status == 200
    settle(stack, held)


@contextmanager
def deaf(stack: Stack) -> Iterator[None]:
    """Commits wait for a standby that is not there: they have happened, and nobody hears."""
    with stopped(stack.deliverd):  # whose commits would wait too
        set_standby(stack, "nobody")
        try:
            yield
        finally:
            set_standby(stack, "")


KEYS = {"without a key": (), "with a key": ("Idempotency-Key: once",)}


def ask_again(human: Caller, held: Hold, fields: tuple[str, ...]) -> None:
    """Without a key one learns that it was decided, with one what was answered."""
    again = approve(human, held, *fields)
    if fields:
        assert again.status == 200 and again.json["status"] == "sent", again
    else:
        assert (again.status, again.text) == (409, "message is not pending approval\n"), again


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def fields(request) -> tuple[str, ...]:
    return tuple(f"{field}-{address()}" for field in request.param)


def test_apid_that_is_killed_before_the_answer_has_decided(stack, author, human, fields):
    held = hold(author)
    with deaf(stack), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(approve, human, held, *fields)
        wait_waiting(stack, "e2a_apid", "SyncRep")
        stack.apid.kill()
        assert asked.result() is None
    stack.apid.start()
    wait_until("the commit", lambda: held.status == "sent")
    ask_again(human, held, fields)
    settle(stack, held)


def test_a_lost_answer_of_the_commit_is_no_second_mail(stack, author, human, fields):
    held = hold(author)
    with deaf(stack), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(approve, human, held, *fields)
        wait_waiting(stack, "e2a_apid", "SyncRep")
        end_sessions_of(stack, "e2a_apid")
        assert asked.result().status == 503
    wait_until("the commit", lambda: held.status == "sent")
    ask_again(human, held, fields)
    settle(stack, held)


def test_postgres_that_is_killed_in_an_approval_has_it_or_has_it_not(stack, author, human):
    held = hold(author)
    with locked(stack, "outbound_jobs"), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(approve, human, held)
        wait_waiting(stack, "e2a_apid")
        stack.postgres.kill()
        assert asked.result().status == 503
    stack.heal()
    assert held.status == "pending_approval"
    answer = wait_until("an answer of apid", lambda: approved(approve(human, held)), 30, 0.2)
    assert answer.status == 200
    settle(stack, held)


def approved(answer: Answer | None) -> Answer | None:
    return answer if answer and answer.status in (200, 409) else None


def test_an_approval_that_postgres_was_killed_behind_is_one(stack, author, human):
    held = hold(author)
    stack.deliverd.stop()
    set_standby(stack, "nobody")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(approve, human, held)
        wait_waiting(stack, "e2a_apid", "SyncRep")
        stack.postgres.kill()
        assert asked.result().status == 503
    (stack.postgres.data / "postgresql.auto.conf").write_text("")
    stack.heal()
    assert held.status == "sent"
    answer = wait_until("an answer of apid", lambda: approved(approve(human, held)), 30, 0.2)
    assert answer.status == 409
    settle(stack, held)


class Approvers:
    """People who approve the same mails until each is approved, whatever answers."""

    def __init__(self, human: Caller, holds: list[Hold], threads: int = 3):
        self.human, self.holds = human, holds
        self.said: dict[str, list[int]] = {held.id: [] for held in holds}
        self.pool = ThreadPoolExecutor(threads)
        self.done = [self.pool.submit(self.run, n) for n in range(threads)]

    def run(self, seed: int) -> None:
        order = random.Random(seed).sample(self.holds, len(self.holds))
        for held in order:
            answer = wait_until(f"{held.id} to be decided", lambda held=held: approved(
                approve(self.human, held)), QUIET_SECONDS, 0.05)
            self.said[held.id].append(answer.status)

    def wait(self) -> None:
        for done in self.done:
            done.result()

    @property
    def decided(self) -> int:
        return sum(map(len, self.said.values()))


@pytest.mark.parametrize("name", ["apid", "deliverd", "postgres"])
def test_many_approvals_while_somebody_dies_again_and_again(stack, author, human, name):
    holds = [hold(author) for _ in range(30)]
    part = stack.part(name)
    approvers = Approvers(human, holds)
    for wanted in (10, 30, 50, 70):
        wait_until("some more decisions", lambda w=wanted: approvers.decided >= w, QUIET_SECONDS)
        part.kill()
        if name == "deliverd":
            end_leases(stack)
        part.start()
        if name == "postgres":
            stack.postfix.reload()
    approvers.wait()
    if name == "postgres":
        end_leases(stack)
    settle(stack, *holds)
    assert all(said.count(200) <= 1 for said in approvers.said.values())


# ---- time ----

def make_over(stack: Stack, *holds: Hold) -> None:
    query(stack, "UPDATE messages SET approval_expires_at = now() WHERE id = ANY (%s)",
          [held.id for held in holds])


def wait_ended(*holds: Hold) -> set[str]:
    wait_until("the holds to end", lambda: not [h for h in holds if h.status
                                               == "pending_approval"], QUIET_SECONDS, 0.2)
    return {held.status for held in holds}


def check_sent(stack: Stack, *holds: Hold) -> None:
    wait_until("the outbound queue to be empty", lambda: not query(
        stack, "SELECT id FROM outbound_jobs"), QUIET_SECONDS, 0.2)
    for held in holds:
        stack.world.wait_mail(held.to[0], timeout=QUIET_SECONDS)
    assert {held.id for held in holds} <= audit_held(stack).keys()


def test_two_deliverds_end_each_hold_once(stack, second, make_author):
    sender, silent = make_author(), make_author()
    configure(sender, hitl_enabled=True, hitl_expiration_action="approve")
    configure(silent, hitl_enabled=True, hitl_expiration_action="reject")
    with stopped(stack.deliverd):
        second.stop()
        sent = [hold(sender) for _ in range(MANY // 2)]
        dropped = [hold(silent) for _ in range(MANY // 2)]
        make_over(stack, *sent, *dropped)
        with locked(stack, "outbound_jobs"):  # so that neither is done before the other begins
            second.start()
            stack.deliverd.start()
            wait_until("both to be at it", lambda: waiting(
                stack, "e2a_deliverd", asked="expire_holds") == 2, 30)
    assert wait_ended(*sent) == {"expired_approved"}
    assert wait_ended(*dropped) == {"expired_rejected"}
    rows = query(stack, "SELECT message_id, count(*) FROM message_events WHERE stage = 'hold' "
                 "AND message_id = ANY (%s) GROUP BY 1", [h.id for h in sent + dropped])
    assert len(rows) == MANY and {n for _, n in rows} == {1}
    check_sent(stack, *sent)
    assert not audit_held(stack).keys() & {h.id for h in dropped}


def test_deliverd_that_is_killed_in_a_sweep_has_ended_none(stack, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    holds = [hold(author) for _ in range(3)]
    with locked(stack, "outbound_jobs"):
        make_over(stack, *holds)
        wait_waiting(stack, "e2a_deliverd")
        stack.deliverd.kill()
        end_sessions(stack)
    assert {held.status for held in holds} == {"pending_approval"}
    stack.deliverd.start()
    assert wait_ended(*holds) == {"expired_approved"}
    check_sent(stack, *holds)


def test_postgres_that_is_away_rejects_nothing(stack, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    holds = [hold(author) for _ in range(3)]
    mark = stack.deliverd.log_mark()
    stack.postgres.stop()
    stack.deliverd.wait_log("hold_expiry_failed", mark, 30)
    stack.heal()
    make_over(stack, *holds)
    assert wait_ended(*holds) == {"expired_approved"}
    check_sent(stack, *holds)


def test_postgres_that_is_killed_in_a_sweep_rejects_nothing(stack, author):
    configure(author, hitl_enabled=True, hitl_expiration_action="approve")
    holds = [hold(author) for _ in range(3)]
    with locked(stack, "outbound_jobs"):
        make_over(stack, *holds)
        wait_waiting(stack, "e2a_deliverd")
        stack.postgres.kill()
    stack.heal()
    assert wait_ended(*holds) == {"expired_approved"}
    check_sent(stack, *holds)
