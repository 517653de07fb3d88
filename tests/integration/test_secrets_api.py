# SPDX-License-Identifier: Apache-2.0
"""Signing secrets: one to five whatever happens at once, sealed at rest, shown
once; the newest signs."""

from __future__ import annotations

import base64
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import check_auth_headers, check_standard_webhook
from tests.integration.client import Answer, Caller, Http, add_key, with_key

SECRETS, AGENTS = "/api/v1/users/me/signing-secrets", "/api/v1/agents"
TOO_MANY = (400, "at most 5 signing secrets per user; delete one before creating another\n")
LAST = (400, "cannot delete the last signing secret; create a new one first\n")
ABSENT = (404, "signing secret not found or not owned by user\n")
WRONG = (400, "invalid JSON body\n")
SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def unique() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def owner(stack):
    return stack.bootstrap(f"s{unique()}@other.example")


@pytest.fixture
def call(stack, owner) -> Caller:
    return with_key(stack.http_port, owner.api_key)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def listed(call: Caller) -> list[dict]:
    answer = call("GET", SECRETS)
    assert answer.status == 200
    assert '"secret":' not in answer.text
    return answer.json["secrets"]


def make(call: Caller, name: str = "") -> dict:
    answer = call("POST", SECRETS, {"name": name})
    assert answer.status == 201, answer.text
    return answer.json


def test_an_account_begins_with_one_secret(call, owner):
    first, = listed(call)
    assert first.keys() == {"id", "name", "secret_prefix", "created_at"}
    assert (first["name"], first["secret_prefix"]) == ("default", owner.secret[:12])
    assert re.fullmatch(SECOND, first["created_at"])


def test_a_new_secret_is_shown_once_in_both_forms(call):
    made = make(call, "  prod\t")
    assert made.keys() == {"id", "name", "secret", "whsec", "secret_prefix", "created_at"}
    assert re.fullmatch(r"wsec_[0-9a-f]{32}", made["id"])
    assert re.fullmatch(r"[0-9a-f]{64}", made["secret"])
    assert made["whsec"] == "whsec_" + base64.b64encode(made["secret"].encode()).decode()
    assert (made["name"], made["secret_prefix"]) == ("prod", made["secret"][:12])
    text = call("GET", SECRETS).text
    assert made["secret"] not in text and made["whsec"] not in text
    assert [s["id"] for s in listed(call)][0] == made["id"], "newest first"


@pytest.mark.parametrize("body, name", [(None, "unnamed"), (b"", "unnamed"), (b" \r\n", "unnamed"),
                                        (b"{}", "unnamed"), (b'{"name":null}', "unnamed"),
                                        (b'{"name":"  "}', "unnamed"), (b'{"NAME":"x"}', "x"),
                                        ('{"name":"\u00e4\u00f6 \u2603"}'.encode(), "\u00e4\u00f6 \u2603")])
def test_the_name_may_be_left_out(call, body, name):
    answer = call("POST", SECRETS, body)
    assert (answer.status, answer.json["name"]) == (201, name)


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"name":1}', b'{"name":"a\\u0000b"}',
                                  b'{"name":"' + b"x" * 70000 + b'"}'])
def test_a_wrong_body_makes_no_secret(call, body):
    assert said(call("POST", SECRETS, body)) == WRONG
    assert len(listed(call)) == 1


def test_a_chunked_body_counts(stack, owner, call):
    with Http(stack.http_port, owner.api_key) as http:
        body = b'{"name":"in pieces"}'
        http.write(http.head("POST", SECRETS, "Transfer-Encoding: chunked")
                   + b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n")
        assert http.answer().json["name"] == "in pieces"


def test_secrets_are_sealed_at_rest(stack, owner, call):
    made = make(call)
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT sealed FROM signing_secrets WHERE id = %s", [made["id"]])
        sealed = bytes(query.fetchone()[0])
    assert made["secret"].encode() not in sealed
    assert bytes.fromhex(made["secret"]) not in sealed
    assert len(sealed) == 64 + 29


def test_there_are_one_to_five(call):
    ids = [make(call, str(i))["id"] for i in range(4)]
    assert said(call("POST", SECRETS)) == TOO_MANY
    first = listed(call)[-1]["id"]
    for secret in [first, *ids[:3]]:
        answer = call("DELETE", f"{SECRETS}/{secret}")
        assert (answer.status, answer.body) == (204, b"")
        assert said(call("DELETE", f"{SECRETS}/{secret}")) == ABSENT
    assert said(call("DELETE", f"{SECRETS}/{ids[3]}")) == LAST
    assert [s["id"] for s in listed(call)] == [ids[3]]
    assert call("POST", SECRETS).status == 201


def test_never_more_than_five_and_never_none(stack, call):
    """Many make and delete at once; who looks in between counts one to five."""
    def act(i: int) -> Answer:
        if i % 3:
            return call("POST", SECRETS, {"name": str(i)})
        return call("DELETE", f"{SECRETS}/{listed(call)[-1]['id']}")

    def look(_: int) -> int:
        return len(listed(call))

    with ThreadPoolExecutor(12) as pool:
        acts = [pool.submit(act, i) for i in range(60)]
        counts = list(pool.map(look, range(40)))
    assert set(counts) <= {1, 2, 3, 4, 5}
    answers = [a.result() for a in acts]
    assert {a.status for a in answers} <= {201, 204, 400, 404}
    assert {said(a) for a in answers if a.status == 400} <= {TOO_MANY, LAST}
    made = sum(a.status == 201 for a in answers)
    assert len(listed(call)) == 1 + made - sum(a.status == 204 for a in answers)


def test_of_many_that_delete_one_stays(call):
    ids = [make(call)["id"] for _ in range(4)] + [listed(call)[-1]["id"]]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda i: call("DELETE", f"{SECRETS}/{i}"), ids))
    assert sorted(a.status for a in answers) == [204] * 4 + [400]
    assert len(listed(call)) == 1


def test_the_newest_secret_signs_and_the_old_ones_still_verify(stack, owner, call, hook):
    agent = call("POST", AGENTS, {"slug": f"s{unique()}", "webhook_url": hook.url}).json["email"]
    made = make(call)
    assert stack.send("alice@sender.example", agent, compose("alice@sender.example", agent,
                                                             "Signed")).code == 250
    delivery = hook.wait()
    check_auth_headers(delivery.json, made["secret"])
    for whsec in (made["whsec"], owner.whsec):
        check_standard_webhook(delivery, whsec)
    used = wait_until("the note of use", lambda: next(
        (s for s in listed(call) if s["id"] == made["id"] and "last_signed_at" in s), None))
    assert re.fullmatch(SECOND, used["last_signed_at"])


def test_somebody_elses_secret_is_like_none(stack, call, strange_api):
    made = make(call)
    path = f"{SECRETS}/{made['id']}"
    assert strange_api.call("DELETE", path) == ABSENT
    assert made["id"] not in [s["id"] for s in strange_api.get(SECRETS)[1]["secrets"]]
    with_one = with_key(stack.http_port, stack.bootstrap(f"s{unique()}@other.example").api_key)
    assert said(with_one("DELETE", path)) == ABSENT, "before the rule about the last one"
    assert len(listed(call)) == 2


@pytest.mark.parametrize("secret", ["wsec_" + "0" * 32, "x", "%00", "wsec_" + "0" * 31 + "%00"])
def test_a_secret_that_is_not_there_cannot_be_deleted(call, secret):
    assert said(call("DELETE", f"{SECRETS}/{secret}")) == ABSENT


@pytest.mark.parametrize("method, tail", [("GET", ""), ("POST", ""), ("DELETE", "/wsec_" + "0" * 32)])
def test_who_may_not(stack, owner, call, method, tail):
    nobody = Caller(stack.http_port, ())
    assert said(nobody(method, SECRETS + tail)) == (401, "authentication required\n")
    agent = call("POST", AGENTS, {"slug": f"s{unique()}", "agent_mode": "local"}).json["email"]
    _, key = add_key(stack, owner.user_id, agent=agent)
    answer = with_key(stack.http_port, key)(method, SECRETS + tail)
    assert said(answer) == (ABSENT if tail else (404, "404 page not found\n"))
    assert len(listed(call)) == 1
