# SPDX-License-Identifier: Apache-2.0
"""Signing in with an API key, and with a link of an operator's: what such a session reaches,
when it ends, and what it must not be good for."""

from __future__ import annotations

import re
import subprocess
import uuid

import pytest

from scripts.stack.part import CLEAN_ENV, wait_until
from tests.integration.browser import SAME_ORIGIN, Browser, Page
from tests.integration.chromium import Chromium
from tests.integration.client import Answer, Http, signed_in, with_key

BY_KEY, LINK, OPEN = "/api/auth/key", "/api/auth/link", "/api/auth/open"
NOT_BY_KEY = "signed in with an API key: sign in by mail to do this\n"
FOREIGN = "Sec-Fetch-Site: cross-site"
EX_USAGE, EX_DATAERR = 64, 65


@pytest.fixture
def user(stack):
    return stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example")


@pytest.fixture
def browser(stack) -> Browser:
    return Browser(stack.http_port)


def enter(browser: Browser, key: str) -> Page:
    return browser.post(BY_KEY, {"key": key})


def ask_by_script(stack, body: bytes, *fields: str) -> Answer:
    with Http(stack.http_port) as http:
        return http.request("POST", BY_KEY, body, "Content-Type: application/json",
                            *(fields or (SAME_ORIGIN,)))


def keys_of(stack, user) -> dict[str, str]:
    """Id by first bytes."""
    return {k["key_prefix"]: k["id"]
            for k in signed_in(stack, user.user_id)("GET", "/api/keys").json}


def execute(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall() if query.description else []


def test_a_key_of_the_account_signs_a_browser_in(stack, browser, user):
    page = browser.get("/api/auth/login")
    form, = [f for f in page.forms if f.action == BY_KEY]
    assert set(form.fields) == {"key"}
    done = enter(browser, f" {user.api_key} ")
    assert (done.status, done.location) == (303, "/dashboard")
    assert browser.get("/api/auth/me").answer.json["email"] == user.email
    assert browser.get("/api/v1/agents").status == 200


def test_a_script_of_our_pages_gets_an_answer_that_it_can_read(stack, user):
    answer = ask_by_script(stack, f'{{"key":"{user.api_key}"}}'.encode())
    assert (answer.status, answer.json) == (200, {"status": "signed in"})
    assert re.match("e2a_session=e2a_[0-9a-f]{64}; Path=/; .*HttpOnly; SameSite=Lax",
                    answer.headers["set-cookie"])
    wrong = ask_by_script(stack, b'{"key":"e2a_wrong"}')
    assert (wrong.status, wrong.text) == (401, "There is no such API key, or it is revoked or "
                                               "expired.\n")
    assert wrong.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("key", ["", "e2a_" + "0" * 64, "Bearer x", "x" * 600, "e2a_\x00"])
def test_what_is_no_key_opens_nothing(browser, key):
    page = enter(browser, key)
    assert page.status == 401 and "There is no such API key" in page.text
    assert not browser.cookies


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"key":1}'])
def test_what_is_no_json_is_said_to_be(stack, body):
    answer = ask_by_script(stack, body)
    assert (answer.status, answer.text) == (400, "invalid request body\n")


def test_a_page_of_somebody_else_signs_nobody_in(stack, user):
    for field in (FOREIGN, "Origin: https://evil.example", "X-Nothing: 1"):
        answer = ask_by_script(stack, f'{{"key":"{user.api_key}"}}'.encode(), field)
        assert (answer.status, answer.text) == (403, "cross-site request refused\n")
        assert "set-cookie" not in answer.headers


def test_a_key_of_one_agent_opens_no_session(stack, browser, user):
    agent = with_key(stack.http_port, user.api_key)(
        "POST", "/api/v1/agents", {"slug": f"k{uuid.uuid4().hex[:12]}", "agent_mode": "local"}).json
    page = enter(browser, stack.agent_key(user, agent["email"]))
    assert page.status == 403 and "This key reaches one agent" in page.text
    assert not browser.cookies


def test_a_session_by_key_makes_sees_and_revokes_no_keys(stack, browser, user):
    enter(browser, user.api_key)
    key_id = keys_of(stack, user)[user.api_key[:12]]
    for method, path, body in (("GET", "/api/keys", None), ("POST", "/api/keys", b"{}"),
                               ("DELETE", f"/api/keys/{key_id}", None)):
        page = browser.request(method, path, body, SAME_ORIGIN)
        assert (page.status, page.text) == (403, NOT_BY_KEY), path
    callback = "cli_callback=http%3A%2F%2F127.0.0.1%3A9%2Fcallback&cli_state=abc"
    asked = browser.get(f"/api/auth/cli?{callback}")
    assert (asked.status, asked.location) == (302, f"/api/auth/login?{callback}")
    login = browser.get(asked.location)
    assert login.status == 200 and [f.action for f in login.forms] == ["/api/auth/login"]
    page = browser.post("/api/auth/cli", {
        "answer": "allow", "scope": "account", "cli_state": "abc",
        "cli_callback": "http://127.0.0.1:9/callback"})
    assert (page.status, page.text) == (403, NOT_BY_KEY)


def test_a_session_by_key_ends_when_the_key_is_revoked(stack, browser, user):
    enter(browser, user.api_key)
    assert browser.get("/api/auth/me").status == 200
    person = signed_in(stack, user.user_id)
    assert person("DELETE", f"/api/keys/{keys_of(stack, user)[user.api_key[:12]]}").status == 200
    assert browser.get("/api/auth/me").status == 401
    assert person("GET", "/api/auth/me").status == 200, "other sessions stay"


def test_a_session_by_key_ends_no_later_than_the_key(stack, browser, user):
    made = signed_in(stack, user.user_id)("POST", "/api/keys", {"expires_in_days": 1}).json
    enter(browser, made["key"])
    same, = execute(stack, "SELECT s.expires_at = k.expires_at FROM sessions s JOIN api_keys k "
                           "ON k.id = s.key_id WHERE k.id = %s", made["id"])
    assert same == (True,)
    execute(stack, "UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = %s", made["id"])
    assert browser.get("/api/auth/me").status == 401


# ---- links of an operator ----

def admin(stack, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(stack.admin_command("sign-in", *argv), timeout=30, text=True,
                          capture_output=True, env={**CLEAN_ENV, **stack.admin_env()})


def test_a_link_of_the_operator_signs_in_any_browser_once(stack, browser, user):
    url, token = stack.sign_in_link(user.email.upper()).split("#")
    assert url == f"{stack.url}{OPEN}" and re.fullmatch("[0-9a-f]{64}", token)
    assert browser.get(url).form.action == LINK
    done = browser.post(LINK, {"t": token})
    assert (done.status, done.location) == (303, f"{stack.url}/dashboard")
    assert browser.get("/api/auth/me").answer.json["email"] == user.email
    again = browser.post(LINK, {"t": token})
    assert (again.status, again.location) == (303, "/dashboard"), "it is signed in already"
    other = Browser(stack.http_port).post(LINK, {"t": token})
    assert other.status == 410 and "of no use" in other.text


def test_a_link_of_the_operator_is_kept_as_a_hash_and_ends(stack, user):
    token = stack.sign_in_link(user.email, minutes=3).split("#")[1]
    rows = execute(stack, "SELECT l::text, extract(epoch FROM l.expires_at - l.created_at) "
                          "FROM sign_in_links l WHERE l.email = %s", user.email)
    assert len(rows) == 1 and token not in rows[0][0] and abs(rows[0][1] - 180) < 1
    execute(stack, "UPDATE sign_in_links SET expires_at = clock_timestamp() WHERE email = %s",
            user.email)
    assert Browser(stack.http_port).post(LINK, {"t": token}).status == 410


@pytest.mark.parametrize("argv,status,said", [
    ((), EX_USAGE, "usage: "), (("a@b.example", "x"), EX_USAGE, "usage: "),
    (("-m", "0", "a@b.example"), EX_DATAERR, "-m takes 1 to 1440 minutes"),
    (("nobody@nowhere.example",), EX_DATAERR, "no such user"),
])
def test_who_asks_for_a_wrong_link_is_told_so(stack, argv, status, said):
    done = admin(stack, *argv)
    assert done.returncode == status and said in done.stderr and not done.stdout


def test_the_link_opens_the_dashboard_by_itself(stack, build, tmp_path, user):
    with Chromium(build, tmp_path) as chromium:
        chromium.open(stack.sign_in_link(user.email))
        wait_until("the dashboard", lambda: chromium.url.split("#")[0] == f"{stack.url}/")
        assert chromium.driver.get_cookie("e2a_session")
