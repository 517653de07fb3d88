# SPDX-License-Identifier: Apache-2.0
"""The end of an account: everything of one user and nothing of anybody else, all of
it or nothing, whatever goes on at the same time."""

from __future__ import annotations

import smtplib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.postgres import DATABASE
from tests.integration.accounts import SENDER, Person, count
from tests.integration.client import (Answer, Http, WebSocket, add_key, add_session,
                                      second_apid)

PATH = "/api/v1/users/me"
CONFIRMED = f"{PATH}?confirm=DELETE"
ASK = "add ?confirm=DELETE to the request to proceed — this is irreversible\n"
STAY = {"message_events", "retired_addresses"}  # without a text of the user's
TIMEOUT = 30.0  # of the clients


@pytest.fixture
def person(stack) -> Person:
    return Person.new(stack)


def delete(port: int, key: str, target: str = CONFIRMED, *fields: str) -> Answer:
    with Http(port, key, timeout=TIMEOUT) as http:
        return http.request("DELETE", target, None, *fields)


def rows(stack, sql: str, *args: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, args)
        return query.fetchall()


def tables(stack, column: str = "") -> list[str]:
    found = rows(stack, "SELECT DISTINCT table_name FROM information_schema.columns "
                 "JOIN information_schema.tables USING (table_schema, table_name) "
                 "WHERE table_schema = 'e2a' AND table_type = 'BASE TABLE' "
                 "AND (%s = '' OR column_name = %s)", column, column)
    return sorted(name for name, in found)


def owned(stack, user_id: str) -> dict[str, int]:
    """Rows by table."""
    found = {name: count(stack, f"SELECT count(*) FROM {name} WHERE user_id = %s", user_id)
             for name in tables(stack, "user_id")}
    found["users"] = count(stack, "SELECT count(*) FROM users WHERE id = %s", user_id)
    return found


def everything(stack) -> dict[str, Counter[str]]:
    """All rows of all tables but those of limits, and of keys and of each e2a-apid, which note
    when they were used or seen."""
    return {name: Counter(text for text, in rows(stack, f"SELECT t::text FROM {name} t"))
            for name in tables(stack) if not name.startswith("rate_") and name not in ("api_keys", "apid_instances")}


# ---- what has to be said ----

@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=delete", "?confirm=DELETE%20",
                                   "?Confirm=DELETE", "?confirm=true", "?confirm=DELETEDELETE",
                                   "?confirm=%00DELETE", "?x=1&confirm=no&confirm=DELETE"])
def test_it_asks_for_confirmation(stack, person, query):
    answer = delete(stack.http_port, person.key, PATH + query)
    assert (answer.status, answer.text) == (400, ASK)
    assert person.api.get("/api/v1/agents")[0] == 200


@pytest.mark.parametrize("target", [PATH, CONFIRMED])
def test_who_shows_no_key_is_not_even_asked(stack, target):
    for fields in ([], ["Authorization: Bearer e2a_wrong"]):
        answer = delete(stack.http_port, "", target, *fields)
        assert (answer.status, answer.text) == (401, "authentication required\n")


def test_a_key_of_one_agent_does_not_reach_it(stack, person):
    _, key = add_key(stack, person.user_id, agent=person.agent)
    for target in (PATH, CONFIRMED):
        answer = delete(stack.http_port, key, target)
        assert (answer.status, answer.text) == (404, "404 page not found\n")
    assert owned(stack, person.user_id)["users"] == 1


def test_a_browser_that_is_signed_in_may(stack, person):
    cookie = f"Cookie: e2a_session={add_session(stack, person.user_id)}"
    elsewhere = delete(stack.http_port, "", CONFIRMED, cookie, "Origin: https://evil.example")
    assert elsewhere.status == 403
    answer = delete(stack.http_port, "", CONFIRMED, cookie, "Sec-Fetch-Site: same-origin")
    assert answer.status == 200 and answer.json["sessions_deleted"] == 1
    assert "set-cookie" not in answer.headers
    answer = delete(stack.http_port, "", CONFIRMED, cookie, "Sec-Fetch-Site: same-origin")
    assert answer.status == 401


# ---- what goes and what stays ----

def test_everything_of_the_user_goes_and_nothing_of_anybody_else(stack, person):
    other = Person.new(stack)
    both = compose(SENDER, "friends@lists.example", "To both")
    assert stack.send(SENDER, [person.agent, other.agent], both).code == 250
    wait_until("both copies", lambda: count(
        stack, "SELECT count(*) FROM messages WHERE user_id IN (%s, %s)",
        person.user_id, other.user_id) == 2)
    for who in (person, other):
        who.fill_tables()
    had = owned(stack, person.user_id)
    assert all(had.values()), "a table without a row proves nothing: see accounts.ROWS"
    before, kept = everything(stack), owned(stack, other.user_id)

    answer = delete(stack.http_port, person.key)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "usage_events_deleted": 1, "usage_summaries_deleted": 1, "messages_deleted": 3,
        "agents_deleted": 2, "domains_deleted": 1, "api_keys_deleted": 1, "sessions_deleted": 1,
        "user_deleted": True}
    left = {name for name, n in owned(stack, person.user_id).items() if n}
    assert left == STAY
    assert owned(stack, other.user_id) == kept
    after = everything(stack)
    for name in after:
        lost, new = before[name] - after[name], after[name] - before[name]
        assert name in STAY or not new, name
        assert not any(other.user_id in row or other.account.email.lower() in row.lower()
                       for row in lost), name
    assert other.stored() and digest_of_all(stack, other)


def digest_of_all(stack, person: Person) -> bool:
    """The bytes of every mail are there and are what came."""
    return not rows(stack, "SELECT m.id FROM messages m LEFT JOIN raw_messages r ON r.id = m.raw_id "
                    "WHERE m.user_id = %s AND sha256(r.raw) IS DISTINCT FROM r.sha256",
                    person.user_id)


def test_no_text_of_the_user_stays(stack, person):
    mail = compose("secretive@sender.example", person.agent, "Most private words")
    assert stack.send("secretive@sender.example", person.agent, mail).code == 250
    wait_until("the mail", lambda: owned(stack, person.user_id)["messages"] == 1)
    person.fill_tables()
    assert delete(stack.http_port, person.key).status == 200
    names = [person.account.email.lower(), "secretive", "most private", person.key.lower()]
    for table, found in everything(stack).items():
        for row in found:
            assert not any(name in row.lower() for name in names), table
    ledger = rows(stack, "SELECT stage, outcome, reason, detail::text FROM message_events "
                         "WHERE user_id = %s ORDER BY id", person.user_id)
    assert ledger[-2:] == [("webhook", "failed", "account_deleted", None),
                           ("outbound", "failed", "message_deleted", '{"part": "world"}')]
    assert not any("@" in str(row) for row in ledger)


def test_addresses_are_kept_from_others(stack, person):
    person.fill_tables()
    assert delete(stack.http_port, person.key).status == 200
    kept = dict(rows(stack, "SELECT address, expires_at IS NULL FROM retired_addresses "
                            "WHERE user_id = %s", person.user_id))
    assert kept == {person.agent: True, f"own@{person.domain}": False,
                    f"old@{person.domain}": True}
    slug = person.agent.partition("@")[0]
    status, _ = Person.new(stack).api.post("/api/v1/agents", {"slug": slug, "agent_mode": "local"})
    assert status == 409


def test_the_domain_can_be_claimed_by_the_next(stack, person):
    person.fill_tables()
    other = Person.new(stack)
    assert delete(stack.http_port, person.key).status == 200
    status, answer = other.api.post("/api/v1/domains", {"domain": person.domain})
    assert (status, answer["verified"]) == (201, False)


# ---- what goes on at the same time ----

def test_of_many_at_once_one_deletes(stack, person):
    person.fill_mail(2000)
    keys = [person.key] + [add_key(stack, person.user_id)[1] for _ in range(5)]
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda key=key: answers.append(delete(stack.http_port, key)))
               for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Counter(a.status for a in answers)
    assert found[200] == 1 and set(found) <= {200, 401, 503}
    assert next(a for a in answers if a.status == 200).json["messages_deleted"] == 2000
    again = delete(stack.http_port, person.key)
    assert (again.status, again.text) == (401, "authentication required\n")


def test_every_key_stops_working(stack, person):
    keys = [person.key, add_key(stack, person.user_id)[1]]
    assert delete(stack.http_port, person.key).status == 200
    for key in keys:
        assert Api(stack.url, key).get("/api/v1/agents") == (401, "unauthorized\n")


def test_sockets_are_closed(stack, person):
    with second_apid(stack, 45, ws_recheck="1s") as apid:
        with WebSocket(apid.port, person.agent, person.key) as socket:
            assert delete(stack.http_port, person.key).status == 200
            assert socket.close_frame()[0] == 1008


def test_a_webhook_call_that_is_under_way_is_harmless(stack, person, hook):
    called, go_on = threading.Event(), threading.Event()

    def hang(_handler) -> None:
        called.set()
        go_on.wait(60)

    hook.answer = lambda _: hang
    agent = person.api.make_agent(f"h-{person.user_id[-12:]}", hook.url)
    mark = stack.deliverd.log_mark()
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    assert called.wait(15)
    assert delete(stack.http_port, person.key).status == 200
    assert rows(stack, "SELECT stage, outcome, reason FROM message_events WHERE user_id = %s "
                       "ORDER BY id", person.user_id) == \
        [("ingest", "stored", "sealed"), ("webhook", "failed", "account_deleted")]
    go_on.set()
    stack.deliverd.wait_log("webhook_results_late", mark)
    assert " error " not in stack.deliverd.log_since(mark)


def rcpt(stack, address: str) -> int:
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, timeout=10) as smtp:
        smtp.ehlo("probe.example")
        smtp.mail(SENDER)
        return smtp.rcpt(address)[0]


def test_postfix_takes_no_more_mail_for_it(stack, person):
    person.fill_tables()
    stack.wait_for_domain(person.domain)
    assert rcpt(stack, person.agent) == rcpt(stack, f"own@{person.domain}") == 250
    assert delete(stack.http_port, person.key).status == 200
    wait_until("Postfix to refuse the agent", lambda: rcpt(stack, person.agent) == 550)
    wait_until("Postfix to refuse the domain",
               lambda: rcpt(stack, f"own@{person.domain}") in (550, 554), 30)


class Traffic:
    """Mails to all of the recipients until the end of the block; what was taken for whom."""

    def __init__(self, stack, recipients: list[str]):
        self.stack = stack
        self.recipients = recipients
        self.stopping = threading.Event()
        self.taken: Counter[str] = Counter()
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]
        self.lock = threading.Lock()

    def __enter__(self) -> Traffic:
        for thread in self.threads:
            thread.start()
        wait_until("mail to flow", lambda: self.taken[self.recipients[0]] > 5)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self) -> None:
        while not self.stopping.is_set():
            outcome = self.stack.send(SENDER, self.recipients, compose(SENDER, self.recipients))
            if outcome.code == 250:
                with self.lock:
                    self.taken.update(r for r in self.recipients if r not in outcome.refused)


@pytest.fixture
def counting(stack) -> Iterator[None]:
    """Storing a mail counts it: one more row that refers to the user."""
    stack.configure(usage_tracking="yes")
    stack.restart("deliverd")
    yield
    stack.configure(usage_tracking="no")
    stack.restart("deliverd")


def test_mail_that_comes_meanwhile_is_lost_for_nobody(stack, counting, person):
    """For others it arrives, however often Postfix has to try; for the user nothing stays."""
    mark = stack.postgres.log_mark()
    other = Person.new(stack)
    person.fill_mail(5000)
    with Traffic(stack, [other.agent, person.agent]) as traffic:
        before = traffic.taken[other.agent]
        assert delete(stack.http_port, person.key).status == 200
        wait_until("more mail", lambda: traffic.taken[other.agent] > before + 10)

    def arrived() -> bool:
        stack.postfix.flush()
        return len(other.stored()) == traffic.taken[other.agent]

    wait_until("all mail of the other", arrived, 60, 0.5)
    assert traffic.taken[person.agent] > 0 and digest_of_all(stack, other)
    assert {name for name, n in owned(stack, person.user_id).items() if n} == STAY
    assert "deadlock" not in stack.postgres.log_since(mark)
    assert not rows(stack, "SELECT id FROM raw_messages r WHERE NOT EXISTS "
                           "(SELECT FROM messages m WHERE m.raw_id = r.id)")


# ---- all or nothing ----

@contextmanager
def held(stack, person: Person, table: str = "usage_summaries") -> Iterator[None]:
    """A deletion waits when it comes to this table: usually when the mail is gone already."""
    db = stack.db()
    db.autocommit = False
    try:
        with db.cursor() as query:
            query.execute(f"SELECT FROM {table} WHERE user_id = %s FOR UPDATE", [person.user_id])
            yield
    finally:
        db.rollback()
        db.close()


def deleting(stack, state: str = "") -> int:
    with stack.postgres.connect("postgres", DATABASE).cursor() as query:
        query.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%delete_account(%%' "
                      "AND (%s = '' OR wait_event_type = %s) AND pid <> pg_backend_pid()",
                      [state, state])
        return query.fetchone()[0]


def start(stack, port: int, key: str) -> threading.Thread:
    """A deletion that is half way through."""
    def ask() -> None:
        try:
            delete(port, key)
        except (EOFError, ConnectionError):
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until("the deletion to be half way", lambda: deleting(stack, "Lock") == 1)
    return thread


def test_an_apid_that_dies_in_the_middle_has_deleted_nothing(stack, person):
    person.fill_tables()
    person.fill_mail(500)
    had = owned(stack, person.user_id)
    with second_apid(stack, 46) as apid:
        with held(stack, person):
            thread = start(stack, apid.port, person.key)
            apid.kill()
            thread.join()
        wait_until("Postgres to notice", lambda: deleting(stack) == 0)
    assert owned(stack, person.user_id) == had
    assert person.api.get("/api/v1/agents")[0] == 200
    assert delete(stack.http_port, person.key).json["messages_deleted"] == 502


def test_a_client_that_goes_away_has_deleted_the_account(stack, person):
    """Half of it is not there to be kept."""
    person.fill_tables()
    with held(stack, person):
        with Http(stack.http_port, person.key) as http:
            http.write(http.head("DELETE", CONFIRMED))
            wait_until("the deletion to be half way", lambda: deleting(stack, "Lock") == 1)
    wait_until("the end of it", lambda: owned(stack, person.user_id)["users"] == 0)
    assert delete(stack.http_port, person.key).status == 401


def test_mail_does_not_have_to_wait_for_a_long_one(stack, person):
    """Else it would hold the connections that store everybody's mail. It goes in the end."""
    person.fill_mail(1)
    with held(stack, person, "messages"):
        thread = start(stack, stack.http_port, person.key)
        for recipient in (person.agent, Person.new(stack).agent):
            assert stack.send(SENDER, recipient, compose(SENDER, recipient)).code == 250
            wait_until("the mail to be stored", lambda: count(
                stack, "SELECT count(*) FROM messages WHERE recipient = %s AND subject = 'Hello'",
                recipient))
    thread.join()
    assert {name for name, n in owned(stack, person.user_id).items() if n} == STAY
    assert not rows(stack, "SELECT id FROM raw_messages r WHERE NOT EXISTS "
                           "(SELECT FROM messages m WHERE m.raw_id = r.id)")


def test_a_second_one_is_told_to_come_again_at_once(stack, person):
    person.fill_tables()
    with held(stack, person):
        thread = start(stack, stack.http_port, person.key)
        answer = delete(stack.http_port, person.key)
        assert (answer.status, answer.text) == (503, "failed to delete user data\n")
        assert "retry-after" in answer.headers
    thread.join()
    assert delete(stack.http_port, person.key).status == 401


def test_a_large_mailbox_goes_before_clients_lose_patience(stack, person):
    person.fill_mail(20000)
    assert delete(stack.http_port, person.key).json["messages_deleted"] == 20000
