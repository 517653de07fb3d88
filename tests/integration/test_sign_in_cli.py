# SPDX-License-Identifier: Apache-2.0
"""The login of the command line, with a listener as that has one: the question the
user is asked, the key that comes back, and callbacks that no key may go to."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, quote, urlencode
from urllib.request import urlopen

import pytest

from scripts.stack.peers import Api, Inbox
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.browser import Browser, Page
from tests.integration.client import add_session
from tests.integration.mailbox import wait_mails
from tests.integration.test_sign_in import token_of, use

LOGIN, CONSENT = "/api/auth/login", "/api/auth/cli"
STATE = "5f0c7c1e0a2b4d6f8091a2b3c4d5e6f7"


class Program(Inbox):
    """What `e2a login` does: listens on a free port and takes one form."""

    def __init__(self) -> None:
        super().__init__()
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                program.put({k: v[0] for k, v in parse_qs(body, keep_blank_values=True).items()})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.callback = f"http://127.0.0.1:{self.port}/callback"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def query(self) -> str:
        return urlencode({"cli_callback": self.callback, "cli_state": STATE})


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program()
    yield program
    program.close()


@pytest.fixture
def user(stack):
    return stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example")


@pytest.fixture
def browser(stack, user) -> Browser:
    """One that is signed in."""
    browser = Browser(stack.http_port)
    browser.cookies["e2a_session"] = (add_session(stack, user.user_id), "/")
    return browser


def new_agent(stack, user) -> str:
    return Api(stack.url, user.api_key).make_agent(f"c{uuid.uuid4().hex[:12]}")


def ask(browser: Browser, program: Program) -> Page:
    page = browser.get(f"{CONSENT}?{program.query()}")
    assert page.status == 200, page.text
    return page


def hand_over(page: Page, program: Program) -> dict[str, str]:
    """What the script of the last page does."""
    assert page.status == 200, page.text
    assert page.policy["form-action"] == f"http://127.0.0.1:{program.port}"
    assert page.form.action == program.callback and page.form.method == "post"
    assert '<script nonce="' in page.text and "submit()" in page.text
    urlopen(page.form.action, urlencode(page.form.fields).encode(), timeout=10).close()
    return program.wait()


def keys(stack, user_id: str) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT scope, agent_email, revoked_at IS NULL, expires_at - created_at "
                      "FROM api_keys WHERE user_id = %s AND name = 'CLI login' "
                      "ORDER BY created_at", [user_id])
        return query.fetchall()


# ---- the question ----

def test_who_is_signed_in_is_asked_at_once(browser, program):
    page = browser.get(f"{LOGIN}?{program.query()}")
    assert (page.status, page.location) == (302, f"{CONSENT}?{quoted(program)}")
    text = browser.get(page.location).text
    assert f"listening on port <b>{program.port}</b>" in text


def quoted(program: Program) -> str:
    return f"cli_callback={quote(program.callback, safe='')}&cli_state={STATE}"


def test_who_is_not_is_sent_to_sign_in_and_back(stack, program, user):
    browser = Browser(stack.http_port)
    page = browser.get(f"{CONSENT}?{program.query()}")
    assert (page.status, page.location) == (302, f"{LOGIN}?{quoted(program)}")
    page = browser.get(page.location)
    assert page.form.fields["cli_callback"] == program.callback
    assert page.form.fields["cli_state"] == STATE and "program on this computer" in page.text
    browser.cookies["e2a_session"] = ("e2a_" + "0" * 64, "/")
    assert browser.get(f"{CONSENT}?{program.query()}").status == 302


def test_the_narrowest_choice_is_the_one_that_is_made(stack, browser, program, user):
    agents = [new_agent(stack, user) for _ in range(3)]
    form = ask(browser, program).form
    assert form.fields["scope"] == "agent" and form.fields["agent"] == agents[-1]
    assert form.choices["agent"] == agents[::-1]
    assert form.choices["scope"] == ["agent", "account"]


def test_without_an_agent_there_is_the_account_only(browser, program):
    form = ask(browser, program).form
    assert form.fields["scope"] == "account" and form.choices["scope"] == ["account"]


# ---- the key ----

def test_the_program_gets_a_key_of_one_agent(stack, browser, program, user):
    agent, other = new_agent(stack, user), new_agent(stack, user)
    got = hand_over(browser.submit(ask(browser, program), agent=agent, answer="allow"), program)
    assert got == {"cli_state": STATE, "api_key": got["api_key"], "agent_email": agent}
    assert re.fullmatch("e2a_[0-9a-f]{64}", got["api_key"])
    api = Api(stack.url, got["api_key"])
    assert api.get(f"/api/v1/agents/{agent}")[0] == 200
    assert api.get(f"/api/v1/agents/{other}") == (403, "forbidden\n")
    assert api.get("/api/v1/domains")[0] == 404
    (scope, bound, valid, lifetime), = keys(stack, user.user_id)
    assert (scope, bound, valid) == ("agent", agent, True)
    assert abs(lifetime.total_seconds() - 90 * 86400) < 1


def test_or_one_of_the_account(stack, browser, program, user):
    agent = new_agent(stack, user)
    page = browser.submit(ask(browser, program), scope="account", answer="allow")
    got = hand_over(page, program)
    assert got["agent_email"] == agent
    assert Api(stack.url, got["api_key"]).get("/api/v1/domains")[0] == 200
    assert keys(stack, user.user_id)[0][:3] == ("account", None, True)


def test_without_an_agent_the_field_is_there_and_empty(browser, program):
    got = hand_over(browser.submit(ask(browser, program), answer="allow"), program)
    assert got["agent_email"] == ""


def test_a_new_key_replaces_the_old_one(stack, browser, program, user):
    got = [browser.submit(ask(browser, program), answer="allow").form.fields["api_key"]
           for _ in range(3)]
    assert [k[2] for k in keys(stack, user.user_id)] == [False, False, True]
    statuses = [Api(stack.url, key).get("/api/v1/agents")[0] for key in got]
    assert statuses == [401, 401, 200]
    assert Api(stack.url, user.api_key).get("/api/v1/agents")[0] == 200


def test_who_denies_gives_nothing(stack, browser, program, user):
    for answer in ("deny", ""):
        program.items.clear()
        got = hand_over(browser.submit(ask(browser, program), answer=answer), program)
        assert got == {"cli_state": STATE, "error": "access denied"}
    assert keys(stack, user.user_id) == []


@pytest.mark.parametrize("fields", [
    {"scope": "", "answer": "allow"}, {"scope": "all", "answer": "allow"},
    {"scope": "agent", "agent": "", "answer": "allow"},
    {"scope": "agent", "agent": f"absent@{SHARED_DOMAIN}", "answer": "allow"},
    {"scope": "agent", "agent": "a\0b\r\n", "answer": "allow"}])
def test_a_choice_that_is_none_makes_no_key(stack, browser, program, user, fields):
    new_agent(stack, user)
    page = browser.submit(ask(browser, program), **fields)
    assert page.status == 400 and "No key was made" in page.text
    assert keys(stack, user.user_id) == []


def test_somebody_elses_agent_is_none(stack, browser, program, user, make_agent):
    new_agent(stack, user)
    foreign = make_agent()
    answers = [browser.submit(ask(browser, program), agent=agent, answer="allow")
               for agent in (foreign, f"absent@{SHARED_DOMAIN}")]
    assert answers[0].status == answers[1].status == 400
    assert answers[0].text == answers[1].text and keys(stack, user.user_id) == []


@pytest.mark.parametrize("site", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
                                  "Origin: http://127.0.0.1:1", "Origin: null", "X-Nothing: y"])
def test_no_page_of_somebody_else_consents(stack, browser, program, user, site):
    fields = {"cli_callback": program.callback, "cli_state": STATE, "scope": "account",
              "answer": "allow"}
    page = browser.post(CONSENT, fields, site)
    assert (page.status, page.text) == (403, "cross-site request refused\n")
    assert keys(stack, user.user_id) == []


def test_a_key_does_not_consent(stack, program, user):
    browser = Browser(stack.http_port, f"Authorization: Bearer {user.api_key}")
    fields = {"cli_callback": program.callback, "cli_state": STATE, "scope": "account",
              "answer": "allow"}
    assert browser.post(CONSENT, fields).status == 401
    assert keys(stack, user.user_id) == []


def test_a_mailed_link_leads_to_the_question(stack, program, user):
    browser = Browser(stack.http_port)
    page = browser.get(f"{LOGIN}?{program.query()}")
    assert browser.submit(page, email=user.email).status == 200
    mail = wait_mails(stack, user.email)[0]
    assert f"listens on port {program.port}" in mail.get_content()
    done = use(browser, token_of(mail))
    assert (done.status, done.location) == (303, f"{CONSENT}?{quoted(program)}")
    got = hand_over(browser.submit(browser.get(done.location), answer="allow"), program)
    assert got["cli_state"] == STATE


# ---- where no key may go ----

PAIR = "cli_callback and cli_state must be provided together"
SCHEME = "cli callback URL must use http"
HOST = "cli callback URL must include a host"
USER = "cli callback URL must not include user info"
LOOPBACK = "cli callback URL must use a loopback host"
BAD = "invalid cli callback URL: <detail>"
REFUSED = [
    ("https://127.0.0.1/cb", SCHEME), ("ftp://127.0.0.1/", SCHEME), ("127.0.0.1:80/", SCHEME),
    ("javascript:alert(1)", SCHEME), ("data:text/html,x", SCHEME), ("//127.0.0.1/", SCHEME),
    ("/cb", SCHEME), ("httpx://127.0.0.1/", SCHEME), ("http", SCHEME),
    ("http:", HOST), ("http:127.0.0.1", HOST), ("http://", HOST), ("http:///cb", HOST),
    ("http://:8080/", HOST), ("http://?x", HOST), ("http://#x", HOST), ("http:/127.0.0.1/", HOST),
    ("http://@/", HOST), ("http:////evil.example", HOST),
    ("http://127.0.0.1@evil.example/", USER), ("http://u:p@127.0.0.1/", USER),
    ("http://evil.example@127.0.0.1/", USER), ("http://localhost:80@evil.example/", USER),
    ("http://evil.example/", LOOPBACK), ("http://localhost.evil.example/", LOOPBACK),
    ("http://127.0.0.1.evil.example/", LOOPBACK), ("http://evil.example?@127.0.0.1/", LOOPBACK),
    ("http://evil.example#@127.0.0.1/", LOOPBACK), ("http://localhost./", LOOPBACK),
    ("http://127.1/", LOOPBACK), ("http://127.0.0.01/", LOOPBACK), ("http://0x7f.1/", LOOPBACK),
    ("http://2130706433/", LOOPBACK), ("http://0177.0.0.1/", LOOPBACK), ("http://0/", LOOPBACK),
    ("http://0.0.0.0/", LOOPBACK), ("http://10.0.0.1/", LOOPBACK), ("http://128.0.0.1/", LOOPBACK),
    ("http://[::]/", LOOPBACK), ("http://[fe80::1]/", LOOPBACK), ("http://[::2]/", LOOPBACK),
    ("http://[localhost]/", LOOPBACK), ("http://[127.0.0.1]/", LOOPBACK),
    ("http://[::ffff:10.0.0.1]/", LOOPBACK), ("http://%6cocalhost/", LOOPBACK),
    ("http://127.0.0.1%2eevil.example/", LOOPBACK), ("http://local%00host/", LOOPBACK),
    ("http://[::1/", BAD), ("http://[::1]x/", BAD), ("http://[::1%25lo]/", LOOPBACK),
    ("http://127.0.0.1:x/", BAD), ("http://127.0.0.1:0/", BAD), ("http://127.0.0.1:65536/", BAD),
    ("http://127.0.0.1:80:80/", BAD), ("http://127.0.0.1:-1/", BAD), ("http://::1/", HOST),
    ("http://127.0.0.1\\@evil.example/", BAD), ("http://127.0.0.1\\.evil.example/", BAD),
    ("http://127.0.0.1/\r\nX: y", BAD), ("http://127.0.0.1/ x", BAD), ("http://127.0.0.1/\0", BAD),
    (" http://127.0.0.1/", BAD), ("\thttp://127.0.0.1/", BAD), ("ht\ntp://127.0.0.1/", BAD),
    ("http://127.0.0.1/\"><script>", BAD), ("http://127.0.0.1/\u00e9", BAD),
    ("http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", BAD),
    ("http://127\u30020\u30020\u30021/", BAD), ("http://127.0.0.1/" + "a" * 2048, BAD),
]


def matches(text: str, wanted: str) -> bool:
    return re.fullmatch(re.escape(wanted + "\n").replace("<detail>", ".+"), text) is not None


@pytest.mark.parametrize("callback, text", REFUSED)
def test_no_key_leaves_this_computer(stack, browser, user, callback, text):
    fields = {"cli_callback": callback, "cli_state": STATE}
    query = urlencode(fields)
    signed_out = Browser(stack.http_port)
    for page in (signed_out.get(f"{LOGIN}?{query}"), browser.get(f"{LOGIN}?{query}"),
                 browser.get(f"{CONSENT}?{query}"),
                 signed_out.post(LOGIN, {**fields, "email": user.email}),
                 browser.post(CONSENT, {**fields, "scope": "account", "answer": "allow"}),
                 browser.post(CONSENT, {**fields, "answer": "deny"})):
        assert page.status == 400 and matches(page.text, text), page.text
        assert "location" not in page.answer.headers
    assert keys(stack, user.user_id) == []


@pytest.mark.parametrize("callback, origin", [
    ("http://127.0.0.1:4321/callback", "http://127.0.0.1:4321"),
    ("HTTP://LOCALHOST:4321/a?b=c#d", "http://LOCALHOST:4321"),
    ("http://localhost", "http://localhost:80"), ("http://127.0.0.1/", "http://127.0.0.1:80"),
    ("http://127.9.8.7:1/x", "http:"), ("http://[::1]:4321/", "http:"),
    ("http://[::ffff:127.0.0.1]:4321/", "http:"), ("http://127.0.0.1:4321/;,'", None)])
def test_this_computer_has_several_names(browser, callback, origin):
    query = urlencode({"cli_callback": callback, "cli_state": STATE})
    page = browser.submit(browser.get(f"{CONSENT}?{query}"), answer="deny")
    assert page.form.action == callback
    assert page.policy["form-action"] == origin or origin is None
    assert ";" not in page.policy["form-action"] and "," not in page.policy["form-action"]


@pytest.mark.parametrize("query", ["cli_callback=http://127.0.0.1/", "cli_state=x",
                                   "cli_callback=&cli_state=x",
                                   "cli_callback=http://127.0.0.1/&cli_state="])
def test_callback_and_state_come_together(stack, browser, query):
    for page in (Browser(stack.http_port).get(f"{LOGIN}?{query}"),
                 browser.get(f"{CONSENT}?{query}")):
        assert (page.status, page.text) == (400, PAIR + "\n")


@pytest.mark.parametrize("state", ["a" * 513, "a\r\nb", "a\0", "\x7f", b"\xff"])
def test_a_state_is_one_short_line(browser, program, state):
    query = urlencode({"cli_callback": program.callback, "cli_state": state})
    page = browser.get(f"{LOGIN}?{query}")
    assert (page.status, page.text) == (400, "invalid cli_state\n")


def test_a_state_comes_back_as_it_was(browser, program):
    state = "<\"'&> \u00e9 %41 ]]>"
    query = urlencode({"cli_callback": program.callback, "cli_state": state})
    page = browser.submit(browser.get(f"{CONSENT}?{query}"), answer="deny")
    assert hand_over(page, program)["cli_state"] == state


def test_the_question_needs_a_program(browser):
    page = browser.get(CONSENT)
    assert (page.status, page.text) == (400, "cli_callback and cli_state are required\n")
