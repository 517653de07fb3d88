# SPDX-License-Identifier: Apache-2.0
"""What was answered `sent` leaves exactly once, whoever dies when, and nothing that
waits for Postfix is given up meanwhile. The world counts."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from scripts.stack import Stack
from scripts.stack.part import Part, StackError, wait_until
from tests.integration.outbound import Author, address

WORLD = True
SETTINGS = {"inject_timeout": "10s", "inject_settle": "3s"}
BACKLOG = 150
CLAIMED_MOST = 30  # by one daemon, with ten connections
UNDER_WAY = 5  # mails that are handed over at once
ROUNDS = 8
QUIET_SECONDS = 120.0


@pytest.fixture(autouse=True, scope="module")
def old_log(stack: Stack) -> None:
    """A log that begins only when mail is sent tells nothing of what was not in it."""
    begun = time.monotonic()
    wait_until("Postfix's log to go back far enough", lambda: time.monotonic() > begun + 6)


class Writers:
    """Threads that send until they are told to stop; what they were promised."""

    def __init__(self, author: Author, threads: int = 3):
        self.author = author
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.promised: dict[str, str] = {}  # Message-ID -> recipient
        self.failed = 0
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Writers:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def run(self) -> None:
        while not self.stopping.is_set():
            to = address()
            try:
                status, answer = self.author.ask(to=[to])
            except OSError:
                status = 0
            with self.changed:
                if status == 200:
                    self.promised[answer["message_id"]] = to
                else:
                    self.failed += 1
                self.changed.notify_all()
            self.stopping.wait(0.01)

    def wait_more(self, more: int) -> None:
        with self.changed:
            want = len(self.promised) + more
            assert self.changed.wait_for(lambda: len(self.promised) >= want, 60)


def send_many(author: Author, count: int) -> dict[str, str]:
    promised = {}
    for _ in range(count):
        to = address()
        promised[author.send(to)["message_id"]] = to
    return promised


def jobs(stack: Stack) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT state, attempts, last_error, due_at FROM outbound_jobs ORDER BY id")
        return query.fetchall()


def end_leases(stack: Stack) -> None:
    """Those of daemons that are dead; nobody else may hold one now."""
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE outbound_jobs SET lease_until = now() WHERE state = 'injecting'")
        query.execute("UPDATE outbound_attempts SET over_at = least(over_at, now())")


@contextmanager
def stopped(part: Part) -> Iterator[None]:
    part.stop()
    yield
    part.start()


def audit(stack: Stack, promised: dict[str, str]) -> None:
    """Each promise arrived once; nobody got what was not for him."""
    try:
        wait_until("the outbound queue to be empty", lambda: not jobs(stack), QUIET_SECONDS, 0.2)
    except StackError as e:
        raise AssertionError(f"{e}: {len(jobs(stack))} {jobs(stack)[:3]}") from None
    wait_until("the mail to arrive", lambda: promised.keys() <= {
        m.parsed["Message-ID"] for m in stack.world.delivered()}, QUIET_SECONDS, 0.5)
    arrived = Counter(m.parsed["Message-ID"] for m in stack.world.delivered())
    assert {m: n for m, n in arrived.items() if n != 1} == {}
    for mail in stack.world.delivered():
        wanted = promised.get(mail.parsed["Message-ID"])
        assert wanted is None or mail.recipients == [wanted]


def wait_delivered(author: Author, sent: list[dict]) -> None:
    for one in sent:
        to = next(iter(author.statuses(one["id"])))
        author.wait_status(one["id"], {to: "delivered"}, QUIET_SECONDS)


def wait_probed(stack: Stack) -> None:
    """A mail has tried once more whether the listener is back."""
    wait_until("no mail to be under way", lambda: {j[0] for j in jobs(stack)} == {"pending"})
    before = {j[-1] for j in jobs(stack)}
    wait_until("a mail to try again", lambda: {j[-1] for j in jobs(stack)} - before, 40, 0.1)
    wait_until("it to wait again", lambda: {j[0] for j in jobs(stack)} == {"pending"})


def test_while_postfix_is_down_mail_waits_and_no_attempt_counts(stack, author):
    with stopped(stack.postfix):
        mark = stack.deliverd.log_mark()
        sent = [author.send(address()) for _ in range(5)]
        stack.deliverd.wait_log("inject_listener_away", mark)
        wait_probed(stack)
        assert all(set(author.statuses(one["id"]).values()) == {"queued"} for one in sent)
        assert [job[:2] for job in jobs(stack)] == [("pending", 0)] * 5
    stack.deliverd.wait_log("inject_listener_back", mark, 30)
    wait_delivered(author, sent)


def test_mail_is_accepted_while_deliverd_is_away(stack, author):
    with stopped(stack.deliverd):
        promised = send_many(author, 5)
        assert [job[:2] for job in jobs(stack)] == [("pending", 0)] * 5
    audit(stack, promised)


def test_deliverd_that_is_killed_at_any_moment_sends_once(stack, author):
    with stopped(stack.deliverd):
        promised = send_many(author, BACKLOG)
    moments, mark = random.Random(4), stack.deliverd.log_mark()
    for _ in range(ROUNDS):
        time.sleep(moments.uniform(0.0, 0.25))  # the moment is what is tested
        stack.deliverd.kill()
        end_leases(stack)
        stack.deliverd.start()
    audit(stack, promised)
    assert "outbound_traced" in stack.deliverd.log_since(mark), "no moment was a bad one"


def test_deliverd_that_is_killed_under_traffic_sends_once(stack, author):
    with Writers(author) as writers:
        for _ in range(ROUNDS):
            writers.wait_more(10)
            stack.deliverd.kill()
            end_leases(stack)
            stack.deliverd.start()
        writers.wait_more(10)
    assert writers.failed == 0
    audit(stack, writers.promised)


def test_two_deliverds_share_one_queue(stack, second, author):
    second.stop()
    with stopped(stack.deliverd):
        promised = send_many(author, BACKLOG)
        stack.milter.pause()  # so that neither is done before the other begins
        second.start()
    wait_until("both to have work", lambda: len(
        [job for job in jobs(stack) if job[0] == "injecting"]) > CLAIMED_MOST)
    stack.milter.resume()
    audit(stack, promised)


@contextmanager
def all_under_way(stack: Stack, deliverd: Part, promised: dict[str, str]) -> Iterator[None]:
    """The daemon hands over all of them, and no answer comes before the end."""
    stack.milter.pause()
    try:
        deliverd.start()
        wait_until("the mails to be under way", lambda: len(
            [job for job in jobs(stack) if job[0] == "injecting"]) == len(promised))
        yield
    finally:
        stack.milter.resume()


def test_the_jobs_of_a_killed_deliverd_are_done_by_the_other(stack, second, author):
    """Postfix may have them, or has lost the client before the end of the data."""
    second.stop()
    with stopped(stack.deliverd):
        promised = send_many(author, UNDER_WAY)
        with all_under_way(stack, second, promised):
            second.kill()
        end_leases(stack)
        mark = stack.deliverd.log_mark()
    audit(stack, promised)
    assert stack.deliverd.log_since(mark).count("outbound_traced") >= UNDER_WAY


def test_deliverd_that_dies_between_the_answer_and_the_commit_sends_once(stack, author):
    with stopped(stack.deliverd):
        promised = send_many(author, UNDER_WAY)
        with closing(stack.postgres.connect()) as lock:
            lock.autocommit = False
            with all_under_way(stack, stack.deliverd, promised):
                lock.cursor().execute("LOCK TABLE outbound_jobs IN SHARE MODE")
            for to in promised.values():
                stack.world.wait_mail(to)
            stack.deliverd.kill()
            end_sessions(stack)
        end_leases(stack)
        mark = stack.deliverd.log_mark()
    audit(stack, promised)
    assert stack.deliverd.log_since(mark).count("answer=accepted") == UNDER_WAY


def end_sessions(stack: Stack) -> None:
    """What a dead daemon had asked for is not done after its death."""
    stack.postgres.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE usename = 'e2a_deliverd'")


@pytest.mark.parametrize("name", ["postgres", "milter", "apid"])
def test_others_may_die_as_well(stack, account, author, name):
    part = stack.part(name)
    with Writers(author) as writers:
        for _ in range(4):
            writers.wait_more(10)
            part.kill()
            part.start()
            if name == "postgres":
                stack.postfix.reload()  # a lookup that failed is not tried again for a minute
        writers.wait_more(10)
    audit(stack, writers.promised)


def test_a_world_that_is_away_costs_nothing_but_time(stack, author):
    stack.world.stop()
    sent = [author.send(address()) for _ in range(3)]
    wait_until("Postfix to have them", lambda: not jobs(stack))
    stack.world.start()
    stack.postfix.flush()
    wait_delivered(author, sent)
