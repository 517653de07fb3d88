# SPDX-License-Identifier: Apache-2.0
"""Signing in by a mailed link, with the mail that Postfix hands on: who gets one,
what it is good for, and everything else that it must not be good for."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.browser import Browser, Page
from tests.integration.client import Http, SecondApid, second_apid
from tests.integration.mailbox import mails_to, wait_mails

LOGIN, LINK = "/api/auth/login", "/api/auth/link"
TOKEN = re.compile(r"/api/auth/link\?t=([0-9a-f]{64})\r?\n")
NO_TOKEN = "0" * 64


@pytest.fixture
def address() -> str:
    return f"{uuid.uuid4().hex[:12]}@other.example"


@pytest.fixture
def user(stack, address):
    return stack.bootstrap(address)


@pytest.fixture
def browser(stack) -> Browser:
    return Browser(stack.http_port)


@pytest.fixture(scope="module")
def open_apid(stack, account) -> Iterator[SecondApid]:
    """Where anybody may sign up."""
    with second_apid(stack, 21, sign_up="yes") as apid:
        yield apid


def ask(browser: Browser, address: str) -> Page:
    page = browser.submit(browser.get(LOGIN), email=address)
    assert page.status == 200, page.text
    return page


def token_of(mail: EmailMessage) -> str:
    found = TOKEN.search(mail.get_content())
    assert found, mail.get_content()
    return found[1]


def get_token(stack, browser: Browser, address: str) -> str:
    ask(browser, address)
    return token_of(wait_mails(stack, address)[0])


def use(browser: Browser, token: str) -> Page:
    return browser.post(LINK, {"t": token})


def sessions(stack, user_id: str) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM sessions WHERE user_id = %s", [user_id])
        return query.fetchone()[0]


def execute(stack, sql: str, *values: object) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)


def user_of(stack, address: str) -> tuple[str, str] | None:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT id, email FROM users WHERE lower(email) = lower(%s)", [address])
        return query.fetchone()


# ---- the way in ----

def test_a_link_is_mailed_opened_confirmed_and_ends_with_a_session(stack, browser, user):
    ask(browser, user.email)
    mail = wait_mails(stack, user.email)[0]
    assert mail["From"] == "noreply@mx.agents.example"
    assert mail["Subject"] == f"Sign in to {stack.url}"
    text = mail.get_content()
    assert "Somebody at 127.0.0.1 asked" in text and "10 minutes" in text
    assert max(len(line) for line in text.split("\n") if "http" not in line) <= 78
    page = browser.get(f"{LINK}?t={token_of(mail)}")
    assert page.status == 200 and page.form.action == LINK
    done = browser.submit(page)
    assert (done.status, done.location) == (303, f"{stack.url}/dashboard")
    assert set(browser.cookies) == {"e2a_session"}
    me = browser.get("/api/auth/me")
    assert me.status == 200
    assert {k: me.answer.json[k] for k in ("id", "email", "name")} == {
        "id": user.user_id, "email": user.email, "name": "bootstrap"}
    assert browser.get("/api/dashboard/agents").status == 200
    home = browser.get("/dashboard")
    assert (home.status, home.location) == (303, "/")


def test_who_is_not_signed_in_is_sent_to_where_that_is_done(browser):
    page = browser.get("/dashboard")
    assert (page.status, page.location) == (303, "/api/auth/login")


def test_the_session_is_as_clients_know_it(stack, browser, user):
    done = use(browser, get_token(stack, browser, user.email))
    session, asked = done.answer.headers["set-cookie"].split("\n")
    assert re.fullmatch("e2a_session=e2a_[0-9a-f]{64}; Path=/; Max-Age=604800; HttpOnly; "
                        "SameSite=Lax", session)
    assert asked == "e2a_sign_in=; Path=/api/auth; Max-Age=0; HttpOnly; SameSite=Lax"
    token = browser.cookies["e2a_session"][0]
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT user_id, expires_at - created_at FROM sessions "
                      "WHERE hash = sha256(%s)", [token.encode()])
        owner, lifetime = query.fetchone()
    assert owner == user.user_id and abs(lifetime.total_seconds() - 7 * 86400) < 1


def test_signing_out_ends_the_session(stack, browser, user):
    use(browser, get_token(stack, browser, user.email))
    token = browser.cookies["e2a_session"]
    out = browser.post("/api/auth/logout", {})
    assert (out.status, out.answer.body) == (200, b"") and not browser.cookies
    assert out.answer.headers["set-cookie"] == (
        "e2a_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    assert sessions(stack, user.user_id) == 0
    browser.cookies["e2a_session"] = token
    me = browser.get("/api/auth/me")
    assert (me.status, me.text) == (401, "not authenticated\n")
    assert browser.post("/api/auth/logout", {}).status == 200
    browser.cookies.clear()
    assert browser.post("/api/auth/logout", {}, "X: y").status == 200


def test_who_asks_twice_can_use_both_links_once(stack, browser, user):
    ask(browser, user.email)
    ask(browser, user.email)
    tokens = [token_of(m) for m in wait_mails(stack, user.email, 2)]
    other = Browser(stack.http_port)
    other.cookies.update(browser.cookies)
    assert use(browser, tokens[0]).status == 303
    assert use(other, tokens[1]).status == 303
    assert sessions(stack, user.user_id) == 2


def test_the_address_may_be_written_in_capitals(stack, browser, user):
    ask(browser, f"  {user.email.upper()} ")
    mail = wait_mails(stack, user.email)[0]
    assert mail["To"] == user.email  # as the account has it
    assert use(browser, token_of(mail)).status == 303


def test_the_domain_may_be_written_in_letters(stack, browser):
    """However the operator wrote it, and however its user does."""
    local = uuid.uuid4().hex[:12]
    text, ascii_text = f"{local}@b\u00fccher.Example", f"{local}@xn--bcher-kva.example"
    user = stack.bootstrap(text)
    assert user_of(stack, ascii_text) == (user.user_id, ascii_text)
    assert stack.bootstrap(ascii_text.upper()).user_id == user.user_id
    ask(browser, text)
    assert use(browser, token_of(wait_mails(stack, ascii_text)[0])).status == 303
    assert sessions(stack, user.user_id) == 1


# ---- what a link is not good for ----

def test_another_browser_gets_nothing_and_spoils_nothing(stack, browser, user):
    token = get_token(stack, browser, user.email)
    stranger = Browser(stack.http_port)
    page = stranger.get(f"{LINK}?t={token}")
    assert page.status == 400 and not page.forms and "browser that asked" in page.text
    assert use(stranger, token).status == 410
    ask(stranger, "absent@other.example")
    assert stranger.get(f"{LINK}?t={token}").status == 200  # nothing is told
    assert use(stranger, token).status == 410
    assert sessions(stack, user.user_id) == 0
    assert use(browser, token).status == 303


def test_a_link_is_good_once(stack, browser, user):
    token = get_token(stack, browser, user.email)
    cookies = dict(browser.cookies)
    assert use(browser, token).status == 303
    browser.cookies = cookies
    assert use(browser, token).status == 410
    assert sessions(stack, user.user_id) == 1


def test_fifty_at_once_make_one_session(stack, browser, user):
    token = get_token(stack, browser, user.email)

    def one(_: int) -> int:
        each = Browser(stack.http_port)
        each.cookies.update(browser.cookies)
        return use(each, token).status

    with ThreadPoolExecutor(50) as pool:
        statuses = sorted(pool.map(one, range(50)))
    assert statuses == [303] + [410] * 49
    assert sessions(stack, user.user_id) == 1


def test_looking_uses_nothing_up(stack, browser, user):
    token = get_token(stack, browser, user.email)
    for _ in range(5):
        assert browser.get(f"{LINK}?t={token}").status == 200
    assert browser.request("HEAD", f"{LINK}?t={token}").status == 405
    assert sessions(stack, user.user_id) == 0
    assert use(browser, token).status == 303


@pytest.mark.parametrize("sql", [
    "UPDATE sign_in_links SET expires_at = clock_timestamp() WHERE email = %s",
    "UPDATE sign_in_links SET used_at = clock_timestamp() WHERE email = %s",
    "DELETE FROM users WHERE email = %s",
], ids=["expired", "used", "account deleted"])
def test_a_link_that_came_to_its_end_says_what_any_says(stack, browser, user, sql):
    token = get_token(stack, browser, user.email)
    execute(stack, sql, user.email)
    gone = use(browser, token)
    absent = use(browser, NO_TOKEN)
    assert gone.status == absent.status == 410 and gone.text == absent.text
    assert "set-cookie" not in gone.answer.headers
    assert sessions(stack, user.user_id) == 0


def test_a_domain_that_came_to_us_since_opens_nothing(stack, browser):
    domain = f"{uuid.uuid4().hex[:12]}.example"
    user = stack.bootstrap(f"late@{domain}")
    token = get_token(stack, browser, user.email)
    execute(stack, "INSERT INTO domains (id, domain, user_id, verified, verification_token) "
            "VALUES (%s, %s, %s, true, 'x')", uuid.uuid4().hex, domain, user.user_id)
    assert use(browser, token).status == 410
    ask(browser, user.email)
    assert len(mails_to(stack, user.email)) == 1


@pytest.mark.parametrize("token", ["", "x", NO_TOKEN[1:], NO_TOKEN + "0", "G" * 64, "A" * 64,
                                   "0" * 63 + "\0", "0" * 62 + "\r\n", "\u0660" * 32, "0" * 10000])
def test_no_token_works(stack, browser, account, token):
    ask(browser, "absent@other.example")
    assert use(browser, token).status == 410
    assert browser.get(f"{LINK}?t={token.encode().hex()[:65]}").status == 400


# ---- what a stranger learns ----

def test_an_unknown_address_looks_like_a_known_one(stack, browser, user):
    absent = f"{uuid.uuid4().hex[:12]}@other.example"
    known = ask(Browser(stack.http_port), user.email)
    unknown = ask(browser, absent)
    assert known.text.replace(user.email, absent) == unknown.text
    assert "e2a_sign_in" in browser.cookies
    wait_mails(stack, user.email)
    assert not mails_to(stack, absent)


def test_an_agent_gets_no_link(stack, browser, account, api, make_agent):
    agent = make_agent()
    ask(browser, agent)
    ask(browser, agent.upper())
    status, answer = api.get(f"/api/v1/agents/{agent}/messages?status=all")
    assert (status, answer["messages"]) == (200, [])
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM mail_jobs WHERE recipient ILIKE %s", [agent])
        assert query.fetchone()[0] == 0


@pytest.mark.parametrize("text", [
    "", "x", "@", "a@", "@b.example", "a@b", "a b@c.example", "a@b.example, c@d.example",
    "A <a@b.example>", '"a b"@c.example', "a@[127.0.0.1]", ".a@b.example", "a..b@c.example",
    "a@b.example\r\nBcc: c@d.example", "a\r\nSubject: x\r\n@b.example", "a\0@b.example",
    "\u212aelvin@other.example", "a@b.example\udcff", "a" * 65 + "@b.example",
    "a@" + "b." * 130 + "example", "<script>@b.example"])
def test_what_is_no_address_is_told_so(browser, account, text):
    page = browser.submit(browser.get(LOGIN), email=text)
    assert page.status == 400 and "not an e-mail address" in page.text
    assert "set-cookie" not in page.answer.headers and "<script" not in page.text


def test_a_form_that_is_too_large_is_refused(browser, account):
    page = browser.post(LOGIN, {"email": "a" * 20000})
    assert (page.status, page.text) == (400, "invalid request body\n") and page.answer.closes


# ---- limits ----

def test_over_the_limit_of_an_address_no_mail_goes_and_nothing_shows(stack, user):
    with second_apid(stack, 22, rate_sign_in="2", http_trusted_proxies="127.0.0.1/32") as apid:
        pages = [ask(Browser(apid.port, f"X-Forwarded-For: 203.0.113.{i}"), address)
                 for i, address in enumerate([user.email, user.email.upper(), user.email,
                                              user.email])]
    assert len({p.text.lower() for p in pages}) == 1
    assert len(wait_mails(stack, user.email, 2)) == 2
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM mail_jobs WHERE recipient = %s", [user.email])
        assert query.fetchone()[0] == 0  # no third one waits
    assert any("203.0.113.0" in m.get_content() for m in mails_to(stack, user.email))


def test_over_the_limit_of_a_client_it_is_told_so(stack, account):
    with second_apid(stack, 23, rate_sign_in="2", http_trusted_proxies="127.0.0.1/32") as apid:
        browser = Browser(apid.port, "X-Forwarded-For: 203.0.113.77")
        for i in range(2):
            ask(browser, f"absent{i}@other.example")
        page = browser.post(LOGIN, {"email": "absent3@other.example"})
    assert page.status == 429 and 0 < int(page.answer.headers["retry-after"]) <= 3600


# ---- pages of others ----

FOREIGN = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: none",
           "Origin: null", "Origin: https://evil.example", "X-Nothing: y"]


@pytest.mark.parametrize("site", FOREIGN)
def test_no_page_of_somebody_else_signs_anybody_in_or_out(stack, browser, user, site):
    token = get_token(stack, browser, user.email)
    refused = (403, "cross-site request refused\n")
    other = Browser(stack.http_port)
    for page in (other.post(LOGIN, {"email": user.email}, site),
                 browser.post(LINK, {"t": token}, site)):
        assert (page.status, page.text) == refused
    assert not other.cookies
    assert use(browser, token).status == 303
    page = browser.post("/api/auth/logout", {}, site)
    assert (page.status, page.text) == refused
    assert browser.get("/api/auth/me").status == 200


def test_a_browser_without_fetch_metadata_is_known_by_its_origin(stack, browser, user):
    page = browser.post(LOGIN, {"email": user.email}, f"Origin: {stack.url}")
    assert page.status == 200


# ---- signing up ----

def test_an_account_is_made_when_the_address_is_proven(stack, open_apid, address):
    browser = Browser(open_apid.port)
    ask(browser, address)
    token = token_of(wait_mails(stack, address)[0])
    assert user_of(stack, address) is None
    page = use(browser, token)
    assert page.status == 200 and "Welcome" in page.text
    secret = re.search(r"<code>([0-9a-f]{64})</code>", page.text)
    whsec = re.search(r"<code>(whsec_[A-Za-z0-9+/=]+)</code>", page.text)
    assert secret and whsec and page.links == [f"{stack.url}/dashboard"]
    user_id, stored = user_of(stack, address)
    assert stored == address and browser.get("/api/auth/me").answer.json["id"] == user_id
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT name, prefix FROM signing_secrets WHERE user_id = %s", [user_id])
        assert query.fetchall() == [("default", secret[1][:12])]
    again = Browser(open_apid.port)
    ask(again, address)
    assert use(again, token_of(wait_mails(stack, address, 2)[-1])).status in (303, 410)


def test_the_secret_is_shown_once(stack, open_apid, address):
    browser = Browser(open_apid.port)
    assert use(browser, get_token(stack, browser, address)).status == 200
    other = Browser(open_apid.port)
    ask(other, address)
    statuses = [use(other, token_of(m)).status for m in wait_mails(stack, address, 2)]
    assert sorted(statuses) == [303, 410]  # the second one is the other browser's


@pytest.mark.parametrize("make", [lambda a: f"{a.partition('@')[0]}@{SHARED_DOMAIN}",
                                  lambda a: f"{a.partition('@')[0]}@{SHARED_DOMAIN.upper()}"])
def test_nobody_signs_up_with_an_agents_address(stack, open_apid, address, make):
    ask(Browser(open_apid.port), make(address))
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM mail_jobs WHERE kind = 'sign_in' "
                      "AND recipient ILIKE %s", [make(address)])
        assert query.fetchone()[0] == 0


def test_two_who_sign_up_at_once_are_one_account(stack, open_apid, address):
    browsers = [Browser(open_apid.port) for _ in range(4)]
    for browser in browsers:
        ask(browser, address)
    tokens = [token_of(m) for m in wait_mails(stack, address, 4)]

    def sign_in(browser: Browser) -> list[int]:
        answers = [use(browser, token).answer for token in tokens]
        return [a.status for a in answers if "e2a_session=" in a.headers.get("set-cookie", "")]

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(s for each in pool.map(sign_in, browsers) for s in each)
    assert statuses == [200] + [303] * 3  # one of them sees the secret


# ---- settings ----

def test_without_a_public_url_there_is_no_signing_in_but_by_key(stack, account):
    with second_apid(stack, 24, public_url="") as apid:
        assert "sign_in_mail_off" in apid.log_since()
        browser = Browser(apid.port)
        page = browser.get(LOGIN)
        assert page.status == 200 and [f.action for f in page.forms] == ["/api/auth/key"]
        assert browser.get(f"{LOGIN}?cli_callback=http://127.0.0.1:9/&cli_state=x").status == 403
        assert browser.post(LOGIN, {"email": account.email},
                            "Sec-Fetch-Site: same-origin").status == 403


def test_behind_https_cookies_are_secure(stack, user):
    with second_apid(stack, 25, public_url="https://api.example/") as apid:
        browser = Browser(apid.port)
        page = ask(browser, user.email)
        assert page.answer.headers["set-cookie"].endswith("; SameSite=Lax; Secure")
        mail = wait_mails(stack, user.email)[0]
        assert "https://api.example/api/auth/link?t=" in mail.get_content()
        done = use(browser, token_of(mail))
    assert done.location == "https://api.example/dashboard"
    assert all(c.endswith("; Secure") for c in done.answer.headers["set-cookie"].split("\n"))


def test_methods_that_are_none_are_refused(stack, account):
    with Http(stack.http_port) as http:
        for method, path in [("HEAD", LINK), ("PUT", LOGIN), ("GET", "/api/auth/logout"),
                             ("POST", "/api/auth/me"), ("DELETE", LINK)]:
            assert http.request(method, path).status == 405
