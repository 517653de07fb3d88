# SPDX-License-Identifier: Apache-2.0
"""Agents over the API: changed as a whole or not at all, deleted with all that is
theirs, their addresses kept from others, and no more of them than may be."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.postgres import DATABASE
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import (Answer, Caller, WebSocket, add_key, second_apid,
                                      with_key)

AGENTS = "/api/v1/agents"
SENDER = "alice@sender.example"
FORBIDDEN = (403, "forbidden\n")
TAKEN = (409, "agent already registered for this domain\n")
CLOUD_NEEDS_URL = "webhook_url is required for cloud agent mode\n"
SWITCH_NEEDS_URL = "webhook_url is required when switching to cloud mode\n"
MODES = "agent_mode must be 'cloud' or 'local'\n"
TTL = "hitl_ttl_seconds must be between 1 and 604800\n"
ACTIONS = "hitl_expiration_action must be 'approve' or 'reject'\n"
NOTHING = "no recognized fields in request\n"
HOOK = "http://127.0.0.1:9/"


def unique(prefix: str = "a") -> str:
    return f"{prefix}{uuid.uuid4().hex[:12]}"


def path_of(agent: str, tail: str = "") -> str:
    return f"{AGENTS}/{quote(agent, safe='')}{tail}"


@pytest.fixture
def call(stack, account) -> Caller:
    return with_key(stack.http_port, account.api_key)


@pytest.fixture
def strange(stack, stranger) -> Caller:
    return with_key(stack.http_port, stranger.api_key)


@pytest.fixture
def fresh(stack) -> Callable[..., Caller]:
    """A user who owns nothing, by way of some apid."""
    def fresh(port: int | None = None) -> Caller:
        account = stack.bootstrap(f"{unique('u')}@other.example")
        return with_key(port or stack.http_port, account.api_key)

    return fresh


@pytest.fixture
def own_domain(stack) -> Callable[[Caller], str]:
    """A domain of the caller's, verified."""
    def own(call: Caller) -> str:
        made = call("POST", "/api/v1/domains", {"domain": f"{unique('d')}.example"}).json
        stack.dns.publish(made["domain"], "TXT", made["verification_token"])
        assert call("POST", f"/api/v1/domains/{made['domain']}/verify").status == 200
        return made["domain"]

    return own


def register(call: Caller, email: str) -> Answer:
    return call("POST", AGENTS, {"email": email, "agent_mode": "local"})


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def get(call: Caller, agent: str) -> dict:
    answer = call("GET", path_of(agent))
    assert answer.status == 200
    return answer.json


# ---- PUT ----

@pytest.mark.parametrize("body, changed", [
    ({"hitl_enabled": True}, {"hitl_enabled": True}),
    ({"hitl_ttl_seconds": 1}, {"hitl_ttl_seconds": 1}),
    ({"hitl_ttl_seconds": 604800}, {}),
    ({"hitl_expiration_action": "approve"}, {"hitl_expiration_action": "approve"}),
    ({"webhook_url": HOOK}, {"webhook_url": HOOK}),
    ({"agent_mode": "local"}, {}),
    ({"agent_mode": "cloud", "webhook_url": HOOK}, {"agent_mode": "cloud", "webhook_url": HOOK}),
    ({"agent_mode": "local", "webhook_url": HOOK}, {"webhook_url": HOOK}),
    ({"hitl_enabled": True, "hitl_ttl_seconds": 60, "hitl_expiration_action": "approve",
      "webhook_url": HOOK},
     {"hitl_enabled": True, "hitl_ttl_seconds": 60, "hitl_expiration_action": "approve",
      "webhook_url": HOOK}),
    ({"hitl_enabled": True, "agent_mode": None, "webhook_url": None, "hitl_ttl_seconds": None,
      "hitl_expiration_action": None, "name": "other", "email": "other@x.example"},
     {"hitl_enabled": True}),
    ({"HITL_Enabled": True}, {"hitl_enabled": True}),
])
def test_a_change_changes_what_it_names(call, make_agent, body, changed):
    agent = make_agent()
    before = get(call, agent)
    answer = call("PUT", path_of(agent), body)
    assert (answer.status, answer.json) == (200, {**before, **changed})
    assert get(call, agent) == answer.json


@pytest.mark.parametrize("body, changed", [
    ({"agent_mode": "local"}, {"agent_mode": "local", "webhook_url": ""}),
    ({"agent_mode": "local", "webhook_url": None}, {"agent_mode": "local", "webhook_url": ""}),
    ({"agent_mode": "cloud", "webhook_url": HOOK + "2"}, {"webhook_url": HOOK + "2"}),
    ({"webhook_url": HOOK + "3"}, {"webhook_url": HOOK + "3"}),
    ({"hitl_enabled": True}, {"hitl_enabled": True}),
])
def test_a_mode_comes_with_its_url(call, make_agent, body, changed):
    agent = make_agent(HOOK)
    before = get(call, agent)
    answer = call("PUT", path_of(agent), body)
    assert (answer.status, answer.json) == (200, {**before, **changed})


GOOD = {"hitl_enabled": True, "webhook_url": HOOK}


@pytest.mark.parametrize("body, text", [
    ({"agent_mode": "both"}, MODES),
    ({"agent_mode": ""}, MODES),
    ({"agent_mode": "cloud\0"}, MODES),
    ({"agent_mode": "cloud"}, SWITCH_NEEDS_URL),
    ({"agent_mode": "cloud", "webhook_url": ""}, SWITCH_NEEDS_URL),
    ({"agent_mode": "cloud", "webhook_url": None}, SWITCH_NEEDS_URL),
    ({**GOOD, "hitl_ttl_seconds": 0}, TTL),
    ({**GOOD, "hitl_ttl_seconds": -1}, TTL),
    ({**GOOD, "hitl_ttl_seconds": 604801}, TTL),
    ({**GOOD, "hitl_ttl_seconds": 2**62}, TTL),
    ({**GOOD, "hitl_expiration_action": "ignore"}, ACTIONS),
    ({**GOOD, "hitl_expiration_action": ""}, ACTIONS),
    ({"agent_mode": "both", "hitl_ttl_seconds": 0}, MODES),
    ({}, NOTHING),
    ({"name": "x"}, NOTHING),
    ({"agent_mode": None}, NOTHING),
    ({**GOOD, "webhook_url": "ftp://example.com/"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://10.0.0.1/"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://u:p@example.com/"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://0x7f.1/"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://nowhere.invalid/"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://example.com/\0"}, "invalid webhook URL: "),
    ({**GOOD, "webhook_url": "https://example.com/\r\nX: y"}, "invalid webhook URL: "),
    ({**GOOD, "hitl_enabled": 1}, "invalid request body\n"),
    ({**GOOD, "hitl_enabled": "true"}, "invalid request body\n"),
    ({**GOOD, "hitl_ttl_seconds": "60"}, "invalid request body\n"),
    ({**GOOD, "hitl_ttl_seconds": 1.5}, "invalid request body\n"),
    ({**GOOD, "agent_mode": ["cloud"]}, "invalid request body\n"),
    (b"", "invalid request body\n"),
    (b"{", "invalid request body\n"),
    (b"[]", "invalid request body\n"),
    (b'{"hitl_enabled":true,"x":"' + b"y" * 70000 + b'"}', "invalid request body\n"),
])
def test_a_wrong_change_changes_nothing(call, make_agent, body, text):
    agent = make_agent()
    before = get(call, agent)
    answer = call("PUT", path_of(agent), body)
    assert answer.status == 400
    assert answer.text.startswith(text) and (text.endswith("\n") or len(answer.text) > len(text))
    assert get(call, agent) == before


@pytest.mark.parametrize("body", [{"webhook_url": ""}, {"webhook_url": "", "hitl_enabled": True}])
def test_a_cloud_agent_keeps_a_webhook(call, make_agent, body):
    agent = make_agent(HOOK)
    before = get(call, agent)
    assert said(call("PUT", path_of(agent), body)) == (400, CLOUD_NEEDS_URL)
    assert get(call, agent) == before


@pytest.mark.parametrize("method, body", [("PUT", {"hitl_enabled": True}), ("PUT", b"{"),
                                          ("PUT", {}), ("DELETE", None), ("GET", None)])
def test_somebody_elses_agent_is_like_none(call, strange, make_agent, method, body):
    agent = make_agent()
    before = get(call, agent)
    foreign = strange(method, path_of(agent), body)
    absent = strange(method, path_of(f"{unique()}@{SHARED_DOMAIN}"), body)
    odd = strange(method, path_of("no address"), body)
    assert said(foreign) == said(absent) == said(odd) == FORBIDDEN
    assert get(call, agent) == before


@pytest.mark.parametrize("method, body", [("PUT", {"hitl_enabled": True}), ("DELETE", None)])
def test_an_agents_own_key_may_not_change_it(stack, account, call, make_agent, method, body):
    agent = make_agent()
    _, key = add_key(stack, account.user_id, agent=agent)
    narrow = with_key(stack.http_port, key)
    assert narrow("GET", path_of(agent)).status == 200
    assert said(narrow(method, path_of(agent), body)) == FORBIDDEN
    assert get(call, agent)["hitl_enabled"] is False


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nobody_is_asked_to_sign_in(stack, make_agent, method):
    answer = Caller(stack.http_port, ())(method, path_of(make_agent()), {"hitl_enabled": True})
    assert said(answer) == (401, "unauthorized\n")


def test_changes_at_once_do_not_mix(call, make_agent):
    """Two forms of an agent; whoever reads sees one of them."""
    agent = make_agent()
    forms = [{"agent_mode": "cloud", "webhook_url": HOOK, "hitl_ttl_seconds": 11,
              "hitl_expiration_action": "approve"},
             {"agent_mode": "local", "webhook_url": "", "hitl_ttl_seconds": 22,
              "hitl_expiration_action": "reject"}]

    def change(i: int) -> dict:
        answer = call("PUT", path_of(agent), forms[i % 2])
        assert answer.status == 200
        return answer.json

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(change, range(40)))
    for seen in [*answers, get(call, agent)]:
        assert any(form.items() <= seen.items() for form in forms), seen


# ---- from a webhook to a WebSocket ----

def events(stack, message: str) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT stage, outcome, reason FROM message_events WHERE message_id = %s "
                      "ORDER BY id", [message])
        return query.fetchall()


def jobs(stack, agent: str) -> list[str]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT state FROM webhook_jobs WHERE agent_email = %s", [agent])
        return [state for state, in query.fetchall()]


def test_an_agent_that_leaves_cloud_mode_gets_its_mail_by_websocket(stack, account, call, hook,
                                                                    make_agent, wait_messages):
    hook.answer = lambda _: 500
    agent = make_agent(hook.url)
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Waiting")).code == 250
    hook.wait()
    message = wait_messages(agent, "Waiting")[0]["message_id"]
    wait_until("a failed attempt", lambda: len(events(stack, message)) > 1)
    assert call("GET", path_of(agent, f"/messages/{message}")).json["subject"] == "Waiting"
    assert call("PUT", path_of(agent), {"agent_mode": "local"}).status == 200
    assert jobs(stack, agent) == []
    assert events(stack, message)[-1] == ("webhook", "failed", "not_cloud")
    unread = call("GET", path_of(agent, "/messages?status=unread")).json["messages"]
    assert [m["message_id"] for m in unread] == [message]
    with WebSocket(stack.http_port, agent, account.api_key) as socket:
        assert socket.notice()["message_id"] == message


def test_delivered_mail_stays_as_it_is_when_the_mode_changes(stack, call, hook, make_agent,
                                                             wait_messages):
    agent = make_agent(hook.url)
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Done")).code == 250
    hook.wait()
    message = wait_messages(agent, "Done")[0]["message_id"]
    wait_until("the delivery", lambda: jobs(stack, agent) == [])
    assert call("GET", path_of(agent, f"/messages/{message}")).status == 200
    assert call("PUT", path_of(agent), {"agent_mode": "local"}).status == 200
    assert events(stack, message)[-1][1] == "delivered"
    assert call("GET", path_of(agent, "/messages?status=unread")).json["messages"] == []


def test_a_websocket_ends_when_its_agent_is_no_longer_local(stack, account, call, make_agent):
    with second_apid(stack, 31, ws_recheck="1s") as apid:
        for change in ("PUT", "DELETE"):
            agent = make_agent()
            with WebSocket(apid.port, agent, account.api_key) as socket:
                call(change, path_of(agent), {"agent_mode": "cloud", "webhook_url": HOOK})
                assert socket.close_frame()[0] == 1008


# ---- DELETE ----

def count(stack, table: str, agent: str) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute(f"SELECT count(*) FROM {table} WHERE agent_email = %s", [agent])
        return query.fetchone()[0]


def test_a_deleted_agent_leaves_no_mail(stack, call, make_agent, hook, wait_messages):
    hook.answer = lambda _: 500
    agent, other = make_agent(hook.url), make_agent()
    for to in ([agent], [agent, other]):
        assert stack.send(SENDER, to, compose(SENDER, to, f"To {len(to)}")).code == 250
    wait_messages(agent, "To 1", "To 2")
    message, = wait_messages(other, "To 2")
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT array_agg(raw_id), array_agg(id) FROM messages "
                      "WHERE agent_email = %s", [agent])
        raws, ids = query.fetchone()
    answer = call("DELETE", path_of(agent))
    assert (answer.status, answer.body) == (200, b'{"status":"deleted"}\n')
    assert answer.headers["content-type"] == "application/json"
    assert (count(stack, "messages", agent), count(stack, "webhook_jobs", agent)) == (0, 0)
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM raw_messages WHERE id = ANY (%s)", [raws])
        assert query.fetchone() == (1,), "the other agent's copy stays"
    assert {events(stack, i)[-1][1:] for i in ids} == {("failed", "agent_deleted")}
    detail = call("GET", path_of(other, f"/messages/{message['message_id']}"))
    assert detail.json["raw_message"]
    assert said(call("DELETE", path_of(agent))) == FORBIDDEN
    assert agent not in [a["email"] for a in call("GET", AGENTS).json["agents"]]
    refusal = stack.send(SENDER, agent, compose(SENDER, agent, "Late"))
    assert refusal.code == 550


def test_mail_that_comes_while_an_agent_is_deleted_goes_with_it(stack, call, make_agent, hook):
    """A large mailbox takes minutes; nobody waits for that, and no bytes stay behind."""
    hook.answer = lambda _: 500
    agent = make_agent(hook.url)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' " \
              "AND query LIKE 'WITH gone AS (DELETE FROM messages%%'"
    assert stack.send(SENDER, agent, compose(SENDER, agent, "First")).code == 250
    wait_until("the first mail", lambda: count(stack, "messages", agent) == 1)
    with ThreadPoolExecutor() as pool, stack.postgres.connect("postgres", DATABASE) as holder:
        holder.autocommit = False
        with holder.cursor() as query, stack.postgres.connect("postgres", DATABASE).cursor() as see:
            query.execute("SELECT id, raw_id FROM messages WHERE agent_email = %s FOR UPDATE",
                          [agent])
            deletion = pool.submit(call, "DELETE", path_of(agent))
            wait_until("the deletion to be half way",
                       lambda: see.execute(waiting) or see.fetchone() == (1,))
            assert stack.send(SENDER, agent, compose(SENDER, agent, "Second")).code == 250
            wait_until("the second mail", lambda: count(stack, "messages", agent) == 2)
            see.execute("SELECT id, raw_id FROM messages WHERE agent_email = %s", [agent])
            ids, raws = zip(*see.fetchall())
            holder.rollback()
        assert deletion.result().status == 200
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM raw_messages WHERE id = ANY (%s)", [list(raws)])
        assert query.fetchone() == (0,)
    assert {events(stack, i)[-1][1:] for i in ids} == {("failed", "agent_deleted")}


def test_the_keys_of_a_deleted_agent_end_with_it(stack, account, call, make_agent):
    agent, other = make_agent(), make_agent()
    _, key = add_key(stack, account.user_id, agent=agent.upper())
    _, others = add_key(stack, account.user_id, agent=other)
    assert with_key(stack.http_port, key)("GET", path_of(agent)).status == 200
    assert call("DELETE", path_of(agent)).status == 200
    assert said(with_key(stack.http_port, key)("GET", path_of(agent))) == (401, "unauthorized\n")
    assert with_key(stack.http_port, others)("GET", path_of(other)).status == 200
    assert register(call, agent).status == 400  # by slug only, on the shared domain
    assert call("POST", AGENTS, {"slug": agent.partition("@")[0],
                                 "agent_mode": "local"}).status == 201
    assert with_key(stack.http_port, key)("GET", path_of(agent)).status == 401


def test_an_address_of_the_shared_domain_is_its_last_users_for_good(stack, call, strange):
    slug = unique("slug")
    body = {"slug": slug, "agent_mode": "local"}
    agent = call("POST", AGENTS, body).json["email"]
    assert call("DELETE", path_of(agent)).status == 200
    assert said(strange("POST", AGENTS, body)) == TAKEN
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT expires_at FROM retired_addresses WHERE address = %s", [agent])
        assert query.fetchone() == (None,)
    assert call("POST", AGENTS, body).status == 201
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM retired_addresses WHERE address = %s", [agent])
        assert query.fetchone() == (0,)


def test_an_address_of_an_own_domain_is_kept_for_a_time(stack, fresh, own_domain):
    first, second = fresh(), fresh()
    domain = own_domain(first)
    agent = f"Bot@{domain}"
    assert register(first, agent).status == 201
    assert first("DELETE", path_of(agent)).status == 200
    assert first("DELETE", f"/api/v1/domains/{domain}").status == 204
    claimed = second("POST", "/api/v1/domains", {"domain": domain}).json
    stack.dns.publish(domain, "TXT", claimed["verification_token"])
    assert second("POST", f"/api/v1/domains/{domain}/verify").status == 200
    assert said(register(second, agent)) == TAKEN
    assert said(register(second, agent.lower())) == TAKEN
    assert register(second, f"other@{domain}").status == 201
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE retired_addresses SET expires_at = clock_timestamp() "
                      "WHERE address = %s RETURNING retired_at, expires_at", [agent.lower()])
        assert len(query.fetchall()) == 1
    assert register(second, agent).status == 201


def test_nobody_gets_an_address_in_the_moment_in_which_it_is_deleted(stack, call, strange):
    for _ in range(10):
        body = {"slug": unique("race"), "agent_mode": "local"}
        agent = call("POST", AGENTS, body).json["email"]
        with ThreadPoolExecutor(6) as pool:
            tries = [pool.submit(strange, "POST", AGENTS, body) for _ in range(5)]
            gone = pool.submit(call, "DELETE", path_of(agent))
        assert gone.result().status == 200
        assert {t.result().status for t in tries} == {409}


# ---- how many ----

def test_agents_are_counted_exactly(stack, fresh):
    with second_apid(stack, 32, agents_per_user="3") as apid, \
            second_apid(stack, 33, agents_per_user="3") as other:
        call = fresh(apid.port)
        callers = [call, Caller(other.port, call.fields)]

        def make(i: int) -> Answer:
            return callers[i % 2]("POST", AGENTS, {"slug": unique("q"), "agent_mode": "local"})

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(make, range(10)))
        assert sorted(a.status for a in answers) == [201] * 3 + [403] * 7
        assert {a.text for a in answers if a.status == 403} == {"at most 3 agents per user\n"}
        agents = call("GET", AGENTS).json["agents"]
        assert len(agents) == 3
        assert call("DELETE", path_of(agents[0]["email"])).status == 200
        assert make(0).status == 201
        assert make(0).status == 403


def test_domains_are_counted_exactly(stack, fresh):
    with second_apid(stack, 34, domains_per_user="2") as apid:
        call = fresh(apid.port)

        def claim(_: int) -> Answer:
            return call("POST", "/api/v1/domains", {"domain": f"{unique()}.example"})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(claim, range(8)))
        assert sorted(a.status for a in answers) == [201] * 2 + [403] * 6
        assert {a.text for a in answers if a.status == 403} == {"at most 2 domains per user\n"}
        mine = next(a for a in answers if a.status == 201).json["domain"]
        assert call("POST", "/api/v1/domains", {"domain": mine}).status == 201
        assert call("DELETE", f"/api/v1/domains/{mine}").status == 204
        assert claim(0).status == 201


def test_no_agent_stays_on_a_domain_that_was_deleted_meanwhile(stack, fresh, own_domain):
    call = fresh()
    for _ in range(5):
        domain = own_domain(call)
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(register, call, f"bot@{domain}")
            gone = pool.submit(call, "DELETE", f"/api/v1/domains/{domain}")
        outcome = (made.result().status, gone.result().status)
        assert outcome in ((201, 400), (400, 204)), outcome
