# SPDX-License-Identifier: Apache-2.0
"""What clients do, from an empty account to an empty account: each scenario over
HTTP, once in the way of production (domains are proven in a real DNS) and once,
where it makes a difference, with domain_verification = none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST, SHARED_DOMAIN
from tests.integration.client import Http, SecondApid, WebSocket, second_apid, ws_target

SENDER = "alice@sender.example"
ABSENT_KEY = "e2a_" + "0" * 64


def unique(prefix: str = "s") -> str:
    return f"{prefix}{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def trusting(stack, account) -> Iterator[SecondApid]:
    """It takes every domain for verified, as a test server does."""
    with second_apid(stack, 13, domain_verification="none") as apid:
        yield apid


@pytest.fixture(params=["dns", "none"])
def fresh(request, stack, account) -> Api:
    """A client of a user who owns nothing."""
    url = stack.url if request.param == "dns" else request.getfixturevalue("trusting").url
    return Api(url, stack.bootstrap(f"{unique()}@other.example").api_key)


@pytest.fixture
def prove(stack) -> Callable[[Api, dict], None]:
    """Publishes what a claim asks for, unless nobody looks."""
    def prove(api: Api, claim: dict) -> None:
        if api.url == stack.url:
            stack.dns.publish(claim["domain"], "TXT", claim["verification_token"])

    return prove


@pytest.fixture
def own(prove) -> Callable[[Api], str]:
    """A domain of the client, verified."""
    def own(api: Api) -> str:
        status, made = api.post("/api/v1/domains", {"domain": f"{unique('d')}.example"})
        assert status == 201
        prove(api, made)
        assert api.post(f"/api/v1/domains/{made['domain']}/verify")[0] == 200
        return made["domain"]

    return own


def agent_path(agent: str, tail: str = "") -> str:
    return f"/api/v1/agents/{quote(agent, safe='')}{tail}"


def make_local(api: Api, email: str) -> str:
    status, made = api.post("/api/v1/agents", {"email": email, "agent_mode": "local"})
    assert (status, made["id"], made["email"]) == (201, email, email)
    return made["email"]


def receive(stack, agent: str, subject: str) -> None:
    assert stack.send(SENDER, agent, compose(SENDER, agent, subject)).code == 250


# ---- the scenarios ----

def test_an_agent_is_made_listed_read_and_deleted(fresh, own):
    agent = make_local(fresh, f"bot@{own(fresh)}")
    listed = fresh.get("/api/v1/agents")[1]["agents"]
    assert [(a["email"], a["agent_mode"]) for a in listed] == [(agent, "local")]
    status, read = fresh.get(agent_path(agent))
    assert (status, read["id"], read["email"], read["agent_mode"]) == (200, agent, agent, "local")
    assert not {"user_id", "public"} & read.keys()
    assert fresh.call("DELETE", agent_path(agent)) == (200, {"status": "deleted"})
    assert fresh.get("/api/v1/agents") == (200, {"agents": []})
    assert fresh.get(agent_path(agent)) == (403, "forbidden\n")


def test_a_domain_is_claimed_listed_verified_and_given_up(fresh, prove):
    status, made = fresh.post("/api/v1/domains", {"domain": f"{unique('d')}.example"})
    assert (status, made["verified"]) == (201, False)
    mx = {"host": "@", "value": MAIL_HOST, "priority": 10}
    assert made["dns_records"]["mx"].items() >= mx.items()
    assert made["dns_records"]["txt"]["host"] == "@"
    assert len(fresh.get("/api/v1/domains")[1]["domains"]) == 1
    prove(fresh, made)
    status, verified = fresh.post(f"/api/v1/domains/{made['domain']}/verify")
    assert (status, verified["domain"], verified["verified"]) == (200, made["domain"], True)
    assert fresh.call("DELETE", f"/api/v1/domains/{made['domain']}") == (204, "")
    assert fresh.get("/api/v1/domains") == (200, {"domains": []})


def test_a_message_goes_from_unread_to_read(stack, fresh):
    agent = fresh.make_agent(unique())
    receive(stack, agent, "one")

    def listed(status: str) -> list[dict]:
        return fresh.get(agent_path(agent, f"/messages?status={status}"))[1]["messages"]

    unread = wait_until("the mail", lambda: listed("unread"))
    assert len(unread) == 1
    status, detail = fresh.get(agent_path(agent, f"/messages/{unread[0]['message_id']}"))
    assert status == 200 and {"message_id", "auth_headers", "raw_message"} <= detail.keys()
    assert listed("unread") == []
    assert [m["message_id"] for m in listed("read")] == [detail["message_id"]]


def test_an_address_cannot_be_registered_twice(fresh, own):
    body = {"email": f"bot@{own(fresh)}", "agent_mode": "local"}
    assert fresh.post("/api/v1/agents", body)[0] == 201
    assert fresh.post("/api/v1/agents", body) \
        == (409, "agent already registered for this domain\n")


@pytest.mark.parametrize("key", ["", ABSENT_KEY, "invalid"])
@pytest.mark.parametrize("method, path", [
    ("GET", "/api/v1/agents"), ("POST", "/api/v1/agents"), ("GET", "/api/v1/domains")])
def test_without_a_valid_key_everything_is_401(stack, account, key, method, path):
    body = {} if method == "POST" else None
    assert Api(stack.url, key).call(method, path, body)[0] == 401


def test_an_agent_has_to_wait_for_its_domain_to_be_verified(fresh, prove):
    made = fresh.post("/api/v1/domains", {"domain": f"{unique('d')}.example"})[1]
    body = {"email": f"bot@{made['domain']}", "agent_mode": "local"}
    assert fresh.post("/api/v1/agents", body) == (400, "verify your domain first\n")
    prove(fresh, made)
    assert fresh.post(f"/api/v1/domains/{made['domain']}/verify")[0] == 200
    assert fresh.post("/api/v1/agents", body)[0] == 201


def test_a_websocket_that_comes_back_gets_what_it_missed(stack, fresh):
    agent = fresh.make_agent(unique())
    port = int(fresh.url.rpartition(":")[2])
    with WebSocket(port, agent, fresh.key):
        pass
    receive(stack, agent, "missed")
    with WebSocket(port, agent, fresh.key) as again:
        notice = again.notice()
    assert {"message_id", "from", "recipient", "subject", "received_at"} <= notice.keys()
    assert not {"body", "raw_message", "to", "cc"} & notice.keys()
    assert (notice["subject"], notice["recipient"]) == ("missed", agent)


@pytest.mark.parametrize("token, text", [("", "token query parameter required\n"),
                                         ("bad", "invalid token\n")])
def test_a_websocket_without_a_good_token_is_401(stack, account, token, text):
    answer = Api(stack.url).get(ws_target(f"bot@{SHARED_DOMAIN}", token))
    assert answer == (401, text)


def test_health_needs_no_key(stack, account):
    assert Api(stack.url).get("/api/health") == (200, {"status": "ok"})


# ---- settings of holds ----

@pytest.mark.parametrize("ttl", [0, -1, 604801, 2 ** 31, -2 ** 63])
def test_a_hold_that_is_too_short_or_too_long_is_refused(api, make_agent, ttl):
    agent = make_agent()
    before = api.get(agent_path(agent))
    change = {"hitl_enabled": True, "hitl_ttl_seconds": ttl}
    assert api.call("PUT", agent_path(agent), change) \
        == (400, "hitl_ttl_seconds must be between 1 and 604800\n")
    assert api.get(agent_path(agent)) == before, "nothing is half done"


@pytest.mark.parametrize("change", [
    {"hitl_ttl_seconds": 1}, {"hitl_ttl_seconds": 604800}, {"hitl_enabled": True},
    {"hitl_expiration_action": "approve"}, {"hitl_expiration_action": "reject"},
    {"hitl_enabled": True, "hitl_ttl_seconds": 3600, "hitl_expiration_action": "approve"}])
def test_a_hold_is_set_as_asked_and_the_rest_stays(api, make_agent, change):
    agent = make_agent()
    before = api.get(agent_path(agent))[1]
    assert (before["hitl_enabled"], before["hitl_ttl_seconds"],
            before["hitl_expiration_action"]) == (False, 604800, "reject")
    status, after = api.call("PUT", agent_path(agent), change)
    assert (status, after) == (200, {**before, **change})
    assert api.get(agent_path(agent)) == (200, after)


# ---- feedback ----

GOOD_FEEDBACK = {
    "message": {"message": "Well done"},
    "all fields": {"message": "Well done", "email": "user@other.example", "category": "bug"},
    "null fields": {"message": "Well done", "email": None, "category": None},
    "feature": {"message": "Well done", "category": "feature"},
    "5,000 characters": {"message": "x" * 5000},
    "5,000 characters of 4 bytes": {"message": "\U0001f4a9" * 5000},
    "email of 254 bytes": {"message": "Well done", "email": "a" * 241 + "@other.example"[:13]},
    "lines": {"message": "Well\r\n\tdone\n\nSubject: no header\n"},
}
TOO_LONG = "message too long (max 5000 characters)"
BAD_FEEDBACK = {
    "nothing": (b"", "invalid request body"),
    "no JSON": (b"{", "invalid request body"),
    "a number": ({"message": 1}, "invalid request body"),
    "70 KiB": ({"message": "x" * 71680}, "invalid request body"),
    "NUL": ({"message": "a\0b"}, "invalid request body"),
    "NUL in the email": ({"message": "a", "email": "a\0b@other.example"}, "invalid request body"),
    "no message": ({}, "message is required"),
    "empty": ({"message": ""}, "message is required"),
    "blank": ({"message": " \t\r\n\u00a0\u2003"}, "message is required"),
    "5,001 characters": ({"message": "x" * 5001}, TOO_LONG),
    "5,001 characters of 2 bytes": ({"message": "\u00e9" * 5001}, TOO_LONG),
    "email of 255 bytes": ({"message": "a", "email": "a" * 255}, "email too long"),
    "email of 128 characters": ({"message": "a", "email": "\u00e9" * 128}, "email too long"),
    "category": ({"message": "a", "category": "rant"},
                 "category must be bug, feature, or general"),
    "category in capitals": ({"message": "a", "category": "Bug"},
                             "category must be bug, feature, or general"),
    # the earlier check decides
    "all wrong": ({"message": "", "email": "a" * 300, "category": "x"}, "message is required"),
    "message and email": ({"message": "x" * 5001, "email": "a" * 300}, TOO_LONG),
    "email and category": ({"message": "a", "email": "a" * 300, "category": "x"},
                           "email too long"),
}


@pytest.mark.parametrize("name", GOOD_FEEDBACK)
def test_feedback_is_taken_from_anybody(stack, account, name):
    assert Api(stack.url).post("/api/feedback", GOOD_FEEDBACK[name]) == (200, {"status": "ok"})


@pytest.mark.parametrize("name", BAD_FEEDBACK)
def test_bad_feedback_is_refused_with_its_reason(stack, account, name):
    body, text = BAD_FEEDBACK[name]
    with Http(stack.http_port) as http:
        answer = http.request("POST", "/api/feedback",
                              body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (answer.status, answer.text) == (400, text + "\n")


def test_feedback_is_posted(stack, account):
    assert Api(stack.url).get("/api/feedback") == (405, "")


# ---- export and deletion ----

EXPORT, DELETION = "/api/v1/users/me/export", "/api/v1/users/me?confirm=DELETE"


@pytest.fixture
def two(stack, account, own) -> list[tuple[Api, str, str]]:
    """Two users, each with a domain, an agent there, and one that has a mail: (client,
    domain, the latter agent)."""
    found = []
    for _ in range(2):
        api = Api(stack.url, stack.bootstrap(f"{unique()}@other.example").api_key)
        domain = own(api)
        make_local(api, f"bot@{domain}")
        agent = api.make_agent(unique())
        receive(stack, agent, f"mail to {agent}")
        wait_until("the mail", lambda: api.get(agent_path(agent, "/messages"))[1]["messages"])
        found.append((api, domain, agent))
    return found


def test_an_export_holds_all_of_a_user_and_nothing_of_another(two):
    for (api, domain, agent), (_, other_domain, other_agent) in (two, two[::-1]):
        status, export = api.get(EXPORT)
        assert (status, export["schema_version"]) == (200, "1")
        assert [d["domain"] for d in export["domains"]] == [domain]
        assert [a["email"] for a in export["agents"]] == [f"bot@{domain}", agent]
        assert [m["subject"] for m in export["messages"]] == [f"mail to {agent}"]
        assert {row["user_id"] for row in export["domains"] + export["agents"]} \
            == {export["user"]["id"]}
        text = json.dumps(export)
        assert other_domain not in text and other_agent not in text
        assert '"key_hash":' not in text and '"google_subject":' not in text
        assert api.key not in text


def test_a_deletion_takes_all_of_a_user_and_nothing_of_another(two):
    (gone, domain, agent), (stays, other_domain, other_agent) = two
    before = stays.get(EXPORT)[1]
    status, counts = gone.call("DELETE", DELETION)
    assert status == 200
    assert counts == {"usage_events_deleted": 0, "usage_summaries_deleted": 0,
                      "messages_deleted": 1, "agents_deleted": 2, "domains_deleted": 1,
                      "api_keys_deleted": 1, "sessions_deleted": 0, "user_deleted": True}
    for path in ("/api/v1/agents", agent_path(agent), EXPORT):
        assert gone.get(path)[0] == 401, "the key works no longer"
    assert gone.call("DELETE", DELETION) == (401, "authentication required\n")
    after = stays.get(EXPORT)[1]
    for part in ("user", "domains", "agents", "messages"):
        assert after[part] == before[part]
    status, claimed = stays.post("/api/v1/domains", {"domain": domain})
    assert (status, claimed["verified"]) == (201, False), "the domain is free"


@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=delete", "?confirm=DELETE%20",
                                   "?CONFIRM=DELETE", "?confirm=yes&confirm=DELETE"])
def test_an_account_is_not_deleted_without_the_exact_word(stack, account, query):
    api = Api(stack.url, stack.bootstrap(f"{unique()}@other.example").api_key)
    assert api.call("DELETE", "/api/v1/users/me" + query) \
        == (400, "add ?confirm=DELETE to the request to proceed \u2014 this is irreversible\n")
    assert api.get("/api/v1/agents")[0] == 200
