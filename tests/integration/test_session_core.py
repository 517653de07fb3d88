# SPDX-License-Identifier: Apache-2.0
"""Sessions as credentials: where the cookie counts, what beats it, and that no
page of somebody else can act with it."""

from __future__ import annotations

import json
import uuid

import pytest

from scripts.stack.part import wait_until
from tests.integration.client import Http, add_key, add_session, ws_target

READ = ["/api/v1/agents", "/api/v1/domains"]
BROWSER_ONLY = "/api/dashboard/agents"
NO_KEY = "e2a_" + "0" * 64


@pytest.fixture
def token(stack, account) -> str:
    return add_session(stack, account.user_id)


@pytest.fixture
def http(stack):
    with Http(stack.http_port) as client:
        yield client


def cookie(token: str) -> str:
    return f"Cookie: e2a_session={token}"


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def claim(http: Http, *fields: str):
    body = json.dumps({"domain": f"{uuid.uuid4().hex[:12]}.example"}).encode()
    return http.request("POST", "/api/v1/domains", body, *fields)


# ---- where a session counts ----

@pytest.mark.parametrize("path", [*READ, BROWSER_ONLY])
def test_a_session_reads_what_its_user_may(http, token, path):
    assert http.request("GET", path, None, cookie(token)).status == 200


def test_a_session_is_one_users(stack, http, token, stranger, make_agent):
    agent = make_agent()
    strange = add_session(stack, stranger.user_id)
    path = f"/api/v1/agents/{agent}"
    assert http.request("GET", path, None, cookie(token)).status == 200
    answer = http.request("GET", path, None, cookie(strange))
    assert (answer.status, answer.text) == (403, "forbidden\n")


COOKIES = ["e2a_session={}", "a=b; e2a_session={}", "a=b;e2a_session={};c=d", " e2a_session = {} ",
           "e2a_session={}; e2a_session=other"]


@pytest.mark.parametrize("form", COOKIES)
def test_the_cookie_may_stand_among_others(http, token, form):
    assert http.request("GET", READ[0], None, "Cookie: " + form.format(token)).status == 200


def test_the_cookie_may_stand_in_a_second_field(http, token):
    assert http.request("GET", READ[0], None, "Cookie: a=b", cookie(token)).status == 200


NOT_COOKIES = ["", "e2a_session", "e2a_session=", "E2A_SESSION={}", "e2a_session=\"{}\"",
               "xe2a_session={}", "e2a_session=other; e2a_session={}", "e2a_session={}x",
               "e2a_session=Bearer {}", "e2a_session=" + "x" * 4000]


@pytest.mark.parametrize("path, text", [(READ[0], "unauthorized\n"),
                                        (BROWSER_ONLY, "not authenticated\n")])
@pytest.mark.parametrize("form", NOT_COOKIES)
def test_what_is_not_the_cookie_signs_nobody_in(http, token, form, path, text):
    answer = http.request("GET", path, None, "Cookie: " + form.format(token))
    assert (answer.status, answer.text) == (401, text)


def test_a_session_that_has_ended_is_none(stack, http, account):
    over = add_session(stack, account.user_id, "-1 second")
    assert http.request("GET", READ[0], None, cookie(over)).status == 401
    gone = add_session(stack, account.user_id)
    assert http.request("GET", READ[0], None, cookie(gone)).status == 200
    with stack.db() as db, db.cursor() as query:
        query.execute("DELETE FROM sessions WHERE hash = sha256(%s)", [gone.encode()])
    assert http.request("GET", READ[0], None, cookie(gone)).status == 401


# ---- keys and sessions are no substitutes ----

def test_a_session_token_is_no_api_key(stack, http, token, make_agent):
    for path in (*READ, BROWSER_ONLY):
        assert http.request("GET", path, None, bearer(token)).status == 401
        assert http.request("GET", path, None, f"Authorization: {token}").status == 401
    answer = http.request("GET", ws_target(make_agent(), token))
    assert (answer.status, answer.text) == (401, "invalid token\n")


def test_an_api_key_is_no_session(http, account):
    for path in (*READ, BROWSER_ONLY):
        assert http.request("GET", path, None, cookie(account.api_key)).status == 401


def test_routes_for_browsers_take_no_key(http, account, token):
    answer = http.request("GET", BROWSER_ONLY, None, bearer(account.api_key))
    assert (answer.status, answer.text) == (401, "not authenticated\n")
    answer = http.request("GET", BROWSER_ONLY, None, bearer(NO_KEY), cookie(token))
    assert answer.status == 200, "a key is not looked at there"


def test_a_websocket_takes_a_cookie_from_a_page_of_ours_only(http, token, make_agent):
    answer = http.request("GET", ws_target(make_agent()), None, cookie(token))
    assert (answer.status, answer.text) == (403, "cross-site request refused\n")


# ---- a key beats a cookie ----

def test_a_wrong_key_is_not_helped_by_a_cookie(http, token):
    for shown in (bearer(NO_KEY), "Authorization: Bearer ", "Authorization: Basic eDp5",
                  "Authorization: x"):
        answer = http.request("GET", READ[0], None, shown, cookie(token))
        assert (answer.status, answer.text) == (401, "unauthorized\n")


def test_an_empty_authorization_is_none(http, token):
    assert http.request("GET", READ[0], None, "Authorization:", cookie(token)).status == 200
    assert http.request("GET", READ[0], None, "Authorization:  ", cookie(token)).status == 200


def test_the_scope_of_a_key_is_not_widened_by_a_cookie(stack, http, account, token, make_agent):
    _, key = add_key(stack, account.user_id, agent=make_agent())
    assert http.request("GET", READ[0], None, bearer(key), cookie(token)).status == 404


# ---- pages of somebody else ----

OWN = ["Sec-Fetch-Site: same-origin"]
FOREIGN = [
    [],
    ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"],
    ["Sec-Fetch-Site: none"],
    ["Sec-Fetch-Site: cross-site", "Origin: {own}"],
    ["Origin: https://evil.example"],
    ["Origin: null"],
    ["Origin: {own}.evil.example"],
    ["Origin: http://api.example"],  # the Host field is the caller's to choose
    ["Referer: {own}/dashboard"],
]


def test_a_page_of_our_own_may_act(stack, http, token):
    for fields in (OWN, [f"Origin: {stack.url}"], [*OWN, f"Origin: {stack.url}"]):
        assert claim(http, cookie(token), *fields).status == 201


@pytest.mark.parametrize("fields", FOREIGN, ids=" ".join)
def test_another_page_may_not(stack, http, token, fields):
    fields = [field.format(own=stack.url) for field in fields]
    answer = claim(http, cookie(token), *fields)
    assert (answer.status, answer.text) == (403, "cross-site request refused\n")
    assert http.request("GET", READ[0], None, cookie(token), *fields).status == 200, "reading is safe"


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/api/v1/agents", b'{"slug":"csrf-agent","agent_mode":"local"}'),
    ("PUT", "/api/v1/agents/x%40other.example", b"{}"),
    ("DELETE", "/api/v1/domains/absent.example", None),
    ("DELETE", "/api/v1/users/me?confirm=DELETE", None),
    ("DELETE", "/api/dashboard/agents/x%40other.example", None),
])
def test_no_method_that_changes_something_is_left_out(http, token, method, path, body):
    answer = http.request(method, path, body, cookie(token))
    assert (answer.status, answer.text) == (403, "cross-site request refused\n")


def test_who_shows_a_key_is_no_browser(http, account, token):
    assert claim(http, bearer(account.api_key), "Sec-Fetch-Site: cross-site").status == 201
    assert claim(http, bearer(account.api_key), cookie(token)).status == 201


def test_without_a_session_the_answer_is_401_wherever_it_was_asked(http):
    for fields in (OWN, ["Sec-Fetch-Site: cross-site"], []):
        answer = claim(http, cookie(NO_KEY), *fields)
        assert (answer.status, answer.text) == (401, "unauthorized\n")


# ---- the log ----

def test_the_log_says_who_it_was_and_no_secret(stack, http, account, token):
    key_id, key = add_key(stack, account.user_id)
    mark = stack.apid.log_mark()
    path = f"/api/v1/agents/{uuid.uuid4().hex}"
    http.request("GET", f"{path}1?token=t0k3n", None, cookie(token))
    http.request("GET", f"{path}2", None, bearer(key), f"Cookie: e2a_session={token}")
    http.request("GET", f"{path}3", None, bearer("e2a_wr0ng"))
    wait_until("the last line", lambda: f"{path}3" in stack.apid.log_since(mark))
    lines = [line for line in stack.apid.log_since(mark).splitlines() if path in line]
    assert [f"user={account.user_id}" in line for line in lines] == [True, True, False]
    assert "by=session" in lines[0] and f"by={key_id}" in lines[1] and 'by=""' in lines[2]
    assert all("client=127.0.0.1" in line for line in lines)
    text = stack.apid.log_since(mark)
    assert not [s for s in (token, token[4:], key, key[4:], "t0k3n", "wr0ng") if s in text]
