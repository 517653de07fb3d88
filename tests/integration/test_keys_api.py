# SPDX-License-Identifier: Apache-2.0
"""API keys: made by a browser that is signed in or by the operator, as narrow and
as short-lived as is asked for, shown once, of no use from the moment of their end."""

from __future__ import annotations

import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from scripts.stack.part import CLEAN_ENV
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import (Answer, Caller, WebSocket, second_apid, signed_in, with_key,
                                      ws_target)

KEYS, AGENTS = "/api/keys", "/api/v1/agents"
FIELDS = {"id", "user_id", "name", "key_prefix", "scope", "created_at"}
NO_KEY = (404, "api key not found or not owned by user\n")
EX_USAGE, EX_DATAERR = 64, 65


def unique() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture(scope="module")
def user(stack) -> str:
    return stack.bootstrap(f"keys-{unique()}@other.example").user_id


@pytest.fixture(scope="module")
def browser(stack, user) -> Caller:
    return signed_in(stack, user)


@pytest.fixture
def agent(browser) -> str:
    return browser("POST", AGENTS, {"slug": f"k{unique()}", "agent_mode": "local"}).json["email"]


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def make(browser: Caller, **wish: object) -> dict:
    answer = browser("POST", KEYS, wish)
    assert answer.status == 201, answer.text
    return answer.json


def listed(browser: Caller, key_id: str) -> dict | None:
    return next((k for k in browser("GET", KEYS).json if k["id"] == key_id), None)


def status(stack, key: str, path: str = AGENTS) -> int:
    return with_key(stack.http_port, key)("GET", path).status


def test_a_key_is_shown_once_and_works(stack, browser, user):
    made = make(browser, name="laptop")
    assert set(made) == FIELDS | {"key"}
    assert re.fullmatch(r"apk_[0-9a-f]{32}", made["id"])
    assert re.fullmatch(r"e2a_[0-9a-f]{64}", made["key"])
    assert (made["user_id"], made["name"], made["scope"]) == (user, "laptop", "account")
    assert made["key_prefix"] == made["key"][:12]
    assert status(stack, made["key"]) == 200
    found = listed(browser, made["id"])
    assert found.pop("last_used_at") >= made["created_at"]
    assert found == {name: made[name] for name in FIELDS}
    assert made["key"] not in browser("GET", KEYS).text


def test_keys_are_listed_newest_first(browser):
    ids = [make(browser)["id"] for _ in range(3)]
    assert [k["id"] for k in browser("GET", KEYS).json][:3] == ids[::-1]


@pytest.mark.parametrize("body", [None, b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"name":5}',
                                  b'{"name":null}', b'"x"'])
def test_a_body_that_says_nothing_is_a_key_without_a_name(browser, body):
    answer = browser("POST", KEYS, body)
    assert answer.status == 201
    assert (answer.json["name"], answer.json["scope"]) == ("", "account")


@pytest.mark.parametrize("body, text", [
    ({"scope": "admin"}, "scope must be 'account' or 'agent'"),
    ({"scope": "Agent"}, "scope must be 'account' or 'agent'"),
    ({"scope": "agent"}, "agent_email is required for scope 'agent'"),
    ({"scope": "agent", "agent_email": ""}, "agent_email is required for scope 'agent'"),
    ({"agent_email": "a@b.example"}, "agent_email goes with scope 'agent'"),
    ({"scope": "account", "agent_email": "a@b.example"}, "agent_email goes with scope 'agent'"),
    ({"expires_in_days": 0}, "expires_in_days must be between 1 and 3650"),
    ({"expires_in_days": -1}, "expires_in_days must be between 1 and 3650"),
    ({"expires_in_days": 3651}, "expires_in_days must be between 1 and 3650"),
    ({"expires_in_days": 2**62}, "expires_in_days must be between 1 and 3650"),
    ({"name": "x\0y"}, "name must not contain NUL"),
    ({"scope": 1}, "invalid request body"),
    ({"name": 5, "scope": ["agent"]}, "invalid request body"),
    ({"expires_in_days": "7"}, "invalid request body"),
    ({"expires_in_days": 1.5}, "invalid request body"),
    ({"agent_email": {}}, "invalid request body"),
    (b'{"name":"' + b"x" * 70000 + b'"}', "invalid request body"),
])
def test_a_wrong_wish_makes_no_key(browser, body, text):
    before = browser("GET", KEYS).json
    assert said(browser("POST", KEYS, body)) == (400, text + "\n")
    assert browser("GET", KEYS).json == before


def test_a_key_of_an_agent_reaches_that_agent_only(stack, browser, agent):
    other = browser("POST", AGENTS, {"slug": f"k{unique()}", "agent_mode": "local"}).json["email"]
    made = make(browser, name="bot", scope="agent", agent_email=agent.upper())
    assert (made["scope"], made["agent_email"]) == ("agent", agent)
    assert set(made) == FIELDS | {"key", "agent_email"}
    assert status(stack, made["key"], f"{AGENTS}/{quote(agent)}/messages") == 200
    assert status(stack, made["key"], f"{AGENTS}/{quote(other)}/messages") == 404
    assert status(stack, made["key"]) == 404
    assert listed(browser, made["id"])["agent_email"] == agent
    assert listed(browser, browser("GET", KEYS).json[-1]["id"]).get("agent_email") is None


def test_a_key_cannot_be_bound_to_somebody_elses_agent(stack, browser, make_agent):
    answers = [said(browser("POST", KEYS, {"scope": "agent", "agent_email": email}))
               for email in (make_agent(), f"{unique()}@{SHARED_DOMAIN}", "no address", "a@b\0")]
    assert set(answers) == {(404, "agent not found\n")}


def test_a_key_ends_when_it_was_to_end(stack, browser):
    made = make(browser, expires_in_days=30)
    end = datetime.fromisoformat(made["expires_at"].replace("Z", "+00:00"))
    assert abs(end - datetime.now(timezone.utc) - timedelta(days=30)) < timedelta(minutes=5)
    assert status(stack, made["key"]) == 200
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = %s",
                      [made["id"]])
    assert status(stack, made["key"]) == 401
    assert listed(browser, made["id"])["expires_at"] < made["expires_at"]


def test_a_revoked_key_stops_at_once(stack, browser, agent):
    with second_apid(stack, 41, ws_recheck="1s") as apid:
        made = make(browser)
        assert status(stack, made["key"]) == 200
        with WebSocket(apid.port, agent, made["key"]) as socket:
            answer = browser("DELETE", f"{KEYS}/{made['id']}")
            assert (answer.status, answer.body) == (200, b"")
            assert "content-type" not in answer.headers
            assert status(stack, made["key"]) == 401
            assert said(Caller(stack.http_port, ())("GET", ws_target(agent, made["key"]))) \
                == (401, "invalid token\n")
            assert socket.close_frame()[0] == 1008
    assert listed(browser, made["id"]) is None
    assert said(browser("DELETE", f"{KEYS}/{made['id']}")) == NO_KEY
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT revoked_at IS NOT NULL FROM api_keys WHERE id = %s", [made["id"]])
        assert query.fetchone() == (True,)


@pytest.mark.parametrize("key_id", ["apk_" + "0" * 32, "apk_", "x", "%00", "a%00b", "%252e",
                                    "apk_" + "0" * 31 + "%00", "' OR 1=1 --".replace(" ", "%20")])
def test_a_key_that_is_not_there_cannot_be_revoked(browser, key_id):
    assert said(browser("DELETE", f"{KEYS}/{key_id}")) == NO_KEY


def test_somebody_elses_key_is_like_none(stack, browser, stranger):
    made = make(browser)
    strange = signed_in(stack, stranger.user_id)
    assert said(strange("DELETE", f"{KEYS}/{made['id']}")) == NO_KEY
    assert listed(strange, made["id"]) is None
    assert status(stack, made["key"]) == 200


@pytest.mark.parametrize("method, path", [("GET", KEYS), ("POST", KEYS),
                                          ("DELETE", f"{KEYS}/apk_{'0' * 32}")])
def test_keys_cannot_make_keys(stack, browser, method, path):
    made = make(browser)
    for caller in (with_key(stack.http_port, made["key"]), Caller(stack.http_port, ())):
        assert said(caller(method, path)) == (401, "not authenticated\n")


@pytest.mark.parametrize("fields", [[], ["Sec-Fetch-Site: cross-site"],
                                    ["Sec-Fetch-Site: same-site"], ["Origin: https://evil.example"]])
def test_no_page_of_somebody_else_can_make_a_key(stack, browser, fields):
    before = browser("GET", KEYS).json
    elsewhere = Caller(stack.http_port, browser.fields[:1])
    assert elsewhere("POST", KEYS, {}, *fields).status == 403
    assert browser("GET", KEYS).json == before


def test_keys_are_counted_exactly(stack):
    with second_apid(stack, 42, keys_per_user="4") as apid:
        browser = signed_in(stack, stack.bootstrap(f"k{unique()}@other.example").user_id, apid.port)
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: browser("POST", KEYS, {}), range(10)))
        assert sorted(a.status for a in answers) == [201] * 3 + [403] * 7  # bootstrap made one
        assert {said(a) for a in answers if a.status == 403} == {(403, "at most 4 API keys per user\n")}
        assert browser("DELETE", f"{KEYS}/{browser('GET', KEYS).json[0]['id']}").status == 200
        assert browser("POST", KEYS, {}).status == 201


def test_a_key_is_not_made_for_an_agent_that_is_being_deleted(stack, browser):
    """Either it is not made, or it ends with the agent."""
    for _ in range(10):
        email = browser("POST", AGENTS, {"slug": f"k{unique()}", "agent_mode": "local"}).json["email"]
        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(browser, "POST", KEYS, {"scope": "agent", "agent_email": email})
            gone = pool.submit(browser, "DELETE", f"{AGENTS}/{email}")
        assert gone.result().status == 200
        if made.result().status == 201:
            assert status(stack, made.result().json["key"]) == 401
        else:
            assert made.result().status == 404


# ---- the operator's side ----

def admin(stack, *argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(stack.admin_command("key", *argv), capture_output=True, text=True,
                          env={**CLEAN_ENV, **stack.admin_env()})


@pytest.fixture(scope="module")
def operated(stack) -> tuple[str, str]:
    """Address and agent of a user."""
    account = stack.bootstrap(f"Op-{unique()}@other.example")
    return account.email, Api(stack.url, account.api_key).make_agent(f"k{unique()}")


def test_the_operator_makes_keys_of_accounts_and_of_agents(stack, operated):
    email, agent = operated
    for options in ([], ["-a", agent], ["-a", agent.upper(), "-e", "7", "-n", "robot"]):
        done = admin(stack, "-u", email.lower(), *options)
        assert done.returncode == 0, done.stderr
        line = f"Agent:   {re.escape(agent)}\n" if options else ""
        found = re.fullmatch(rf"User:    {re.escape(email)} \(id=[0-9a-f]{{32}}\)\n{line}"
                             r"API key: (e2a_[0-9a-f]{64})\n", done.stdout)
        assert found, done.stdout
        assert done.stderr == "save the API key now \u2014 it will not be shown again\n"
        assert status(stack, found[1]) == (404 if options else 200)
        assert status(stack, found[1], f"{AGENTS}/{quote(agent)}") == 200
        with stack.db() as db, db.cursor() as query:
            query.execute("SELECT name, expires_at - created_at FROM api_keys "
                          "WHERE hash = sha256(%s)", [found[1].encode()])
            name, lifetime = query.fetchone()
        assert name == ("robot" if "-n" in options else "e2a-admin")
        assert (lifetime is not None) == ("-e" in options)


@pytest.mark.parametrize("argv, text", [
    (["-u", "nobody@other.example"], "no such user"),
    (["-u", "{email}", "-a", "no address"], "the user has no such agent"),
    (["-u", "{email}", "-a", "absent@agents.example"], "the user has no such agent"),
    (["-u", "{email}", "-e", "0"], "-e takes 1 to 3650 days"),
    (["-u", "{email}", "-e", "3651"], "-e takes 1 to 3650 days"),
    (["-u", "{email}", "-e", "soon"], "-e takes 1 to 3650 days"),
])
def test_the_operator_is_told_what_is_wrong(stack, operated, argv, text):
    done = admin(stack, *(a.format(email=operated[0]) for a in argv))
    assert (done.returncode, done.stdout) == (EX_DATAERR, "")
    assert done.stderr == f"e2a-admin: key: {text}\n"


def test_the_operator_too_binds_a_key_to_the_users_own_agent_only(stack, operated, make_agent):
    done = admin(stack, "-u", operated[0], "-a", make_agent())
    assert (done.returncode, done.stdout) == (EX_DATAERR, "")


@pytest.mark.parametrize("argv", [[], ["-a", "x"], ["-u"], ["-u", "a@b.example", "more"],
                                  ["-u", "a@b.example", "-x"]])
def test_wrong_usage_is_told(stack, argv):
    done = admin(stack, *argv)
    assert done.returncode == EX_USAGE
    assert "usage: e2a-admin" in done.stderr


def test_an_account_on_any_domain_of_ours_is_refused(stack, api):
    domain = f"d{unique()}.example"
    made = api.post("/api/v1/domains", {"domain": domain})[1]
    command = stack.admin_command("bootstrap", f"someone@{domain.upper()}")
    env = {**CLEAN_ENV, **stack.admin_env()}
    assert subprocess.run(command, env=env, capture_output=True).returncode == 0
    stack.dns.publish(domain, "TXT", made["verification_token"])
    assert api.post(f"/api/v1/domains/{domain}/verify")[0] == 200
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (EX_DATAERR, "")
    assert "a domain whose mail e2a takes" in done.stderr
