# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: whatever happened to the first answer, asking again acts once
and says the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from scripts.stack.part import wait_until
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import Answer, Caller, signed_in, with_key

AGENTS, DOMAINS = "/api/v1/agents", "/api/v1/domains"
SECRETS, KEYS = "/api/v1/users/me/signing-secrets", "/api/keys"
BAD_KEY = "Idempotency-Key must be 1 to 255 visible ASCII characters\n"
OTHER = "Idempotency-Key was used for a different request\n"
UNDER_WAY = "a request with this Idempotency-Key is under way\n"


def unique() -> str:
    return uuid.uuid4().hex[:16]


def field(key: str) -> str:
    return f"Idempotency-Key: {key}"


@pytest.fixture(scope="module")
def user(stack) -> str:
    return stack.bootstrap(f"idem-{unique()}@other.example").user_id


@pytest.fixture(scope="module")
def browser(stack, user) -> Caller:
    return signed_in(stack, user)


@pytest.fixture(params=[AGENTS, DOMAINS, SECRETS, KEYS])
def path(request, browser) -> Iterator[str]:
    yield request.param
    if request.param == SECRETS:
        for secret in browser("GET", SECRETS).json["secrets"][:-1]:
            assert browser("DELETE", f"{SECRETS}/{secret['id']}").status == 204


def body_for(path: str) -> dict:
    name = f"i{unique()}"
    return {AGENTS: {"slug": name, "agent_mode": "local"}, DOMAINS: {"domain": f"{name}.example"},
            SECRETS: {"name": name}, KEYS: {"name": name}}[path]


def count(browser: Caller, path: str) -> int:
    answer = browser("GET", path).json
    return len(answer if isinstance(answer, list) else next(iter(answer.values())))


def replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def without_secrets(made: dict) -> dict:
    return {k: v for k, v in made.items() if k not in ("key", "secret", "whsec")}


def post(browser: Caller, path: str, body: dict, key: str) -> Answer:
    return browser("POST", path, body, field(key))


def test_a_repeated_request_acts_once_and_gets_the_same_answer(browser, path):
    body, key = body_for(path), unique()
    before = count(browser, path)
    first = post(browser, path, body, key)
    assert (first.status, replayed(first)) == (201, False)
    for _ in range(2):
        again = post(browser, path, body, key)
        assert (again.status, replayed(again)) == (201, True)
        assert again.json == without_secrets(first.json)
        assert again.headers["content-type"] == "application/json"
    assert count(browser, path) == before + 1


def test_what_is_shown_once_is_not_kept(stack, browser, path):
    key = unique()
    made = post(browser, path, body_for(path), key).json
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT body FROM idempotency_keys WHERE key_hash = sha256(%s)",
                      [key.encode()])
        (kept,), = query.fetchall()
    for name in ("key", "secret", "whsec"):
        assert made.get(name, "-" * 20).encode() not in bytes(kept)
        assert f'"{name}":'.encode() not in bytes(kept)
    assert b'"id":' in bytes(kept) or path == DOMAINS


@pytest.mark.parametrize("key", ["", "a b", "a\tb", "x" * 256, "caf\xe9", "\x7f"])
def test_a_key_that_cannot_be_one_is_refused_before_anything_is_done(browser, path, key):
    before = count(browser, path)
    answer = post(browser, path, body_for(path), key)
    assert (answer.status, answer.text) == (400, BAD_KEY)
    assert count(browser, path) == before


@pytest.mark.parametrize("length", [1, 255])
def test_a_key_of_any_length_in_between_is_taken(browser, length):
    key = (unique() * 16)[:length] if length > 1 else "~"
    assert post(browser, DOMAINS, body_for(DOMAINS), key).status == 201


def test_another_request_under_the_same_key_is_told(browser, path):
    body, key = body_for(path), unique()
    assert post(browser, path, body, key).status == 201
    others = [(path, body_for(path)), (path, {**body, "added": 1}),
              (DOMAINS if path != DOMAINS else KEYS, body)]
    for where, what in others:
        answer = post(browser, where, what, key)
        assert (answer.status, answer.text) == (422, OTHER)


def test_a_key_is_its_users_own(stack, browser):
    other = signed_in(stack, stack.bootstrap(f"idem-{unique()}@other.example").user_id)
    key, body = unique(), body_for(DOMAINS)
    mine, theirs = post(browser, DOMAINS, body, key), post(other, DOMAINS, body, key)
    assert (mine.status, theirs.status) == (201, 201)
    assert not replayed(theirs)
    assert mine.json["verification_token"] != theirs.json["verification_token"]


def test_a_key_may_be_shown_in_whatever_way(stack, user, browser):
    """The account's key and its browser are one owner."""
    body, key = body_for(AGENTS), unique()
    first = post(browser, AGENTS, body, key)
    account = browser("POST", KEYS, {}).json["key"]
    again = post(with_key(stack.http_port, account), AGENTS, body, key)
    assert (again.status, again.json, replayed(again)) == (201, first.json, True)


def test_an_answer_stands_whatever_changed_since(browser):
    body, key = body_for(AGENTS), unique()
    first = post(browser, AGENTS, body, key)
    path = f"{AGENTS}/{first.json['email']}"
    assert browser("DELETE", path).status == 200
    again = post(browser, AGENTS, body, key)
    assert (again.status, again.body, replayed(again)) == (201, first.body, True)
    assert browser("GET", path).status == 403


def test_a_refused_request_leaves_no_key(browser, stack):
    body, key = body_for(AGENTS), unique()
    taken = f"{AGENTS}/{body['slug']}@{SHARED_DOMAIN}"
    assert browser("POST", AGENTS, body).status == 201
    assert post(browser, AGENTS, body, key).status == 409
    assert browser("DELETE", taken).status == 200
    made = post(browser, AGENTS, body, key)
    assert (made.status, replayed(made)) == (201, False)
    for wrong in ({"slug": "NO"}, {"agent_mode": "local"}, b"{", b""):
        key = unique()
        assert post(browser, AGENTS, wrong, key).status == 400
        assert post(browser, AGENTS, body_for(AGENTS), key).status == 201


def test_other_methods_have_no_use_for_it(browser):
    agent = browser("POST", AGENTS, body_for(AGENTS)).json["email"]
    key = field(unique())
    for enabled in (True, False):
        answer = browser("PUT", f"{AGENTS}/{agent}", {"hitl_enabled": enabled}, key)
        assert (answer.status, answer.json["hitl_enabled"]) == (200, enabled)
    for _ in range(2):
        assert browser("GET", AGENTS, None, field("not one")).status == 200
    assert browser("DELETE", f"{AGENTS}/{agent}", None, key).status == 200
    assert browser("DELETE", f"{AGENTS}/{agent}", None, key).status == 403


def test_of_many_at_once_one_acts(browser, path):
    body, key = body_for(path), unique()
    before = count(browser, path)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(browser, path, body, key), range(12)))
    assert {a.status for a in answers} == {201}
    assert sum(not replayed(a) for a in answers) == 1
    assert len({str(without_secrets(a.json)) for a in answers}) == 1
    assert count(browser, path) == before + 1


def test_who_waits_too_long_for_the_first_is_told_to_come_again(stack, user, browser):
    body, key = body_for(DOMAINS), unique()
    db = stack.db()
    try:
        db.autocommit = False
        with db.cursor() as query:
            query.execute("INSERT INTO idempotency_keys (owner, key_hash, request_hash) "
                          "VALUES (%s, sha256(%s), '')", [user, key.encode()])
            answer = post(browser, DOMAINS, body, key)
        assert (answer.status, answer.text) == (409, UNDER_WAY)
        db.rollback()
    finally:
        db.close()
    assert post(browser, DOMAINS, body, key).status == 201


@pytest.mark.parametrize("path, text", [
    (AGENTS, "authentication required\n"), (DOMAINS, "unauthorized\n"),
    (SECRETS, "authentication required\n"), (KEYS, "not authenticated\n")])
def test_who_is_deleted_meanwhile_is_told_as_without_a_key(stack, path, text):
    user = stack.bootstrap(f"gone-{unique()}@other.example").user_id
    with closing(stack.db()) as db, ThreadPoolExecutor(1) as pool:
        db.autocommit = False
        with db.cursor() as query:
            query.execute("LOCK TABLE idempotency_keys IN SHARE ROW EXCLUSIVE MODE")
            answer = pool.submit(post, signed_in(stack, user), path, body_for(path), unique())
            wait_until("apid to wait for the key", waiting(stack, "relation"))
            query.execute("DELETE FROM users WHERE id = %s", [user])
            db.commit()
        assert (answer.result().status, answer.result().text) == (401, text)


def test_an_old_key_counts_no_more(stack, user, browser):
    key = unique()
    first = post(browser, KEYS, {}, key)
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours' "
                      "WHERE owner = %s AND key_hash = sha256(%s)", [user, key.encode()])
    second = post(browser, KEYS, {}, key)
    assert (second.status, replayed(second)) == (201, False)
    assert second.json["id"] != first.json["id"]
    third = post(browser, KEYS, {}, key)
    assert (third.json["id"], replayed(third)) == (second.json["id"], True)


def waiting(stack, event: str, role: str = "e2a_apid") -> Callable[[], int | None]:
    """A probe for the process of a database connection of the role's that waits for `event`."""
    def probe() -> int | None:
        with closing(stack.postgres.connect("postgres", "postgres")) as db, db.cursor() as query:
            query.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s "
                          "AND wait_event = %s", [role, event])
            rows = query.fetchall()
        return rows[0][0] if rows else None

    return probe


def end_connection(stack, event: str) -> None:
    """That of apid's which waits for the event."""
    pid = wait_until(f"apid to wait for {event}", waiting(stack, event))
    stack.postgres.administer("SELECT pg_terminate_backend(%s)", pid)


def test_a_connection_lost_before_the_commit_leaves_nothing(stack, user, browser, path):
    body, key = body_for(path), unique()
    before = count(browser, path)
    db = stack.db()
    try:
        db.autocommit = False
        with db.cursor() as query, ThreadPoolExecutor(1) as pool:
            query.execute("SELECT id FROM users WHERE id = %s FOR UPDATE", [user])
            asked = pool.submit(post, browser, path, body, key)
            end_connection(stack, "transactionid")
            assert asked.result().status == 503
    finally:
        db.close()
    assert count(browser, path) == before
    again = post(browser, path, body, key)
    assert (again.status, replayed(again)) == (201, False)
    assert count(browser, path) == before + 1


def set_standby(stack, name: str) -> None:
    stack.postgres.administer(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    stack.postgres.administer("SELECT pg_reload_conf()")
    if name:
        wait_until("commits to wait", lambda: commit_waits(stack))


def commit_waits(stack) -> bool:
    """Whether a commit waits for the standby by now: Postgres learns of it in the background."""
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(stack.postgres.administer, "COMMENT ON DATABASE postgres IS 'x'")
        pid = wait_until("the commit to end or to wait", lambda: commit.done()
                         or waiting(stack, "SyncRep", "postgres")())
        if pid is True:
            return False
        stack.postgres.administer("SELECT pg_terminate_backend(%s)", pid)
        commit.exception()
    return True


def test_a_commit_whose_answer_was_lost_is_found_by_asking_again(stack, browser, path):
    """A commit that waits for a standby which never comes has happened already when
    its connection is ended."""
    body, key = body_for(path), unique()
    before = count(browser, path)
    set_standby(stack, "nobody")
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(post, browser, path, body, key)
            end_connection(stack, "SyncRep")
            lost = asked.result()
    finally:
        set_standby(stack, "")
    assert (lost.status, lost.headers["retry-after"]) == (503, "2")
    assert count(browser, path) == before + 1
    again = post(browser, path, body, key)
    assert (again.status, replayed(again)) == (201, True)
    assert count(browser, path) == before + 1


def test_feedback_of_nobody_in_particular_counts_once(stack):
    anonymous = Caller(stack.http_port, ())
    key, body = unique(), {"category": "bug", "message": f"it is {unique()}"}
    first = post(anonymous, "/api/feedback", body, key)
    again = post(anonymous, "/api/feedback", body, key)
    assert (first.status, again.status) == (200, 200)
    assert (replayed(first), replayed(again), again.body) == (False, True, first.body)
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM feedback WHERE message = %s", [body["message"]])
        assert query.fetchone() == (1,)
