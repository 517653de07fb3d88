# SPDX-License-Identifier: Apache-2.0
"""Postgres that is away, and Postgres that dies in the middle of a commit."""

from __future__ import annotations

import os
import signal

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from tests.faults.audit import Traffic, audit, read_stored, send
from tests.integration import scrape

SENDER = "alice@sender.example"
WORLD = "someone@other.example"  # a domain of the same Postfix, not of e2a


@pytest.fixture(autouse=True)
def known_to_be_back(stack, api):
    """Postfix asks a server that was away only after a minute; reload makes it ask now.
    Each worker of apid finds its lost connection when it is used."""
    yield
    stack.heal()
    stack.postfix.reload()
    wait_until("REST", lambda: all(api.get("/api/v1/agents")[0] == 200 for _ in range(10)))


def terminate_sessions(stack) -> None:
    """New ones see what was altered."""
    stack.postgres.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE usename = 'e2a_deliverd'")


def send_world(stack, subject: str) -> None:
    assert stack.send(SENDER, WORLD, compose(SENDER, WORLD, subject)).code == 250
    wait_until("mail to another domain", lambda: any(
        f"Subject: {subject}".encode() in f.read_bytes() for f in stack.postfix.captured()))


def statement_waiting(stack, event: str) -> bool:
    connection = stack.postgres.connect("postgres")
    with connection.cursor() as query:
        query.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'e2a_deliverd' "
                      "AND wait_event = %s AND state = 'active'", [event])
        found = query.fetchone()[0] > 0
    connection.close()
    return found


def test_other_domains_do_not_notice_that_postgres_is_away(stack, account, make_agent):
    agent = make_agent()
    stack.postgres.stop()
    for number in range(3):
        outcome = stack.send(SENDER, agent, compose(SENDER, agent))
        assert outcome.code == 451, outcome
        assert outcome.text.startswith("4.3.0")
        send_world(stack, f"World {number}")
    outcome = stack.send(SENDER, [agent, WORLD], compose(SENDER, WORLD, "Both"))
    assert (outcome.code, outcome.refused[agent][0]) == (250, 451)
    for url in stack.metrics_urls.values():
        assert scrape.scrape(url)["process_start_time_seconds"] > 0
    stack.postgres.start()
    stack.postfix.reload()
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250


def test_mail_that_postfix_took_waits_for_postgres(stack, make_agent, journal, receiver):
    to = [make_agent(receiver.url), make_agent()]
    stack.deliverd.pause()
    for _ in range(5):
        assert send(stack, journal, to) == 250
    stack.postgres.stop()
    mark = stack.postfix.log_mark()
    stack.deliverd.resume()
    line = stack.postfix.wait_log("status=deferred", mark)
    assert "451 4.3.0" in line, line
    send_world(stack, "Meanwhile")
    pid = stack.deliverd.pid
    stack.postgres.start()
    assert len(audit(stack, journal)) == 10
    assert stack.deliverd.pid == pid, "it found Postgres again by itself"


def test_a_commit_whose_answer_is_lost_stores_once(stack, make_agent, journal, receiver):
    """The commit is on disk, its answer waits for a standby that is not there, and
    Postgres is killed: deliverd cannot know, and Postfix repeats the mail."""
    to = [make_agent(receiver.url), make_agent()]
    stack.postgres.administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    stack.postgres.administer("SELECT pg_reload_conf()")
    mark = stack.postfix.log_mark()
    try:
        assert send(stack, journal, to) == 250
        wait_until("a commit without answer", lambda: statement_waiting(stack, "SyncRep"))
        stack.postgres.kill()
        assert "451" in stack.postfix.wait_log("status=deferred", mark)
    finally:
        conf = stack.postgres.data / "postgresql.auto.conf"
        conf.write_text("")
        stack.heal()
    assert len(read_stored(stack, set(to))) == 2, "the first commit was durable"
    assert len(audit(stack, journal)) == 2


def test_a_statement_that_was_cut_off_stores_nothing_until_it_is_repeated(stack, make_agent,
                                                                        journal, receiver):
    to = [make_agent(receiver.url), make_agent()]
    blocker = stack.postgres.connect("postgres")
    blocker.autocommit = False
    with blocker.cursor() as query:
        query.execute("LOCK TABLE e2a.message_events IN ACCESS EXCLUSIVE MODE")
        mark = stack.postfix.log_mark()
        assert send(stack, journal, to) == 250
        wait_until("a blocked statement", lambda: statement_waiting(stack, "relation"))
        stack.postgres.kill()
    stack.postgres.start()
    assert "451" in stack.postfix.wait_log("status=deferred", mark)
    assert read_stored(stack, set(to)) == []
    assert len(audit(stack, journal)) == 2


def test_a_backend_that_is_killed_costs_nothing(stack, make_agent, journal, receiver):
    """SIGKILL of one backend: Postgres ends them all and recovers."""
    to = [make_agent(receiver.url), make_agent()]
    with Traffic(stack, journal, to):
        for _ in range(2):
            journal.wait_more("called", 10)
            connection = stack.postgres.connect("postgres")
            with connection.cursor() as query:
                query.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'e2a_deliverd' "
                              "ORDER BY state = 'active' DESC LIMIT 1")
                pid = query.fetchone()[0]
            connection.close()
            mark = stack.postgres.log_mark()
            os.kill(pid, signal.SIGKILL)
            stack.postgres.wait_log("terminated by signal 9", mark)
            stack.postgres.wait_log("ready to accept connections", mark)
            stack.postfix.reload()
    audit(stack, journal)


def test_postgres_that_is_killed_under_load_loses_and_doubles_nothing(stack, make_agent, journal,
                                                                     receiver):
    to = [make_agent(receiver.url), make_agent(), make_agent(receiver.url)]
    with Traffic(stack, journal, to, threads=4):
        for _ in range(3):
            journal.wait_more("called", 15)
            stack.postgres.kill()
            stack.postgres.start()
            stack.postfix.reload()
    assert all(400 <= fact["code"] < 500 for fact in journal.read("refused"))
    audit(stack, journal)


def test_postgres_that_takes_no_more_connections_costs_nothing(stack, make_agent, journal,
                                                              receiver):
    to = [make_agent(receiver.url), make_agent()]
    stack.postgres.administer("ALTER ROLE e2a_deliverd CONNECTION LIMIT 0")
    terminate_sessions(stack)
    mark = stack.postfix.log_mark()
    try:
        assert send(stack, journal, to) == 250
        assert "451" in stack.postfix.wait_log("status=deferred", mark, timeout=30)
    finally:
        stack.postgres.administer("ALTER ROLE e2a_deliverd CONNECTION LIMIT -1")
    assert len(audit(stack, journal)) == 2


def test_a_database_that_only_reads_defers_mail(stack, make_agent, journal, receiver):
    to = [make_agent(receiver.url)]
    stack.postgres.administer("ALTER ROLE e2a_deliverd SET default_transaction_read_only = on")
    terminate_sessions(stack)
    mark = stack.deliverd.log_mark()
    try:
        for _ in range(10):  # the first ones meet the lost connections
            assert send(stack, journal, to) == 250
        stack.deliverd.wait_log("mail_not_stored.*read-only", mark)
        assert read_stored(stack, set(to)) == []
    finally:
        stack.postgres.administer("ALTER ROLE e2a_deliverd RESET default_transaction_read_only")
        terminate_sessions(stack)
    assert len(audit(stack, journal)) == 10
