# SPDX-License-Identifier: Apache-2.0
"""Signing in with an OpenID provider: one that behaves, and one that lies, hangs,
redirects and talks without end. What it says never reaches the browser."""

from __future__ import annotations

import base64
import json
import re
import ssl
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from scripts.stack.part import Port, wait_until
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.browser import Browser, Page
from tests.integration.client import Http, SecondApid, add_session, second_apid
from tests.integration.provider import CLIENT_ID, CLIENT_SECRET, Provider, jwt, reply

LOGIN, CALLBACK = "/api/auth/login", "/api/auth/callback"
BEGIN = f"{LOGIN}?provider=oidc"
CLI = {"cli_callback": "http://127.0.0.1:43123/callback", "cli_state": "0011223344"}
WHISPER = "whisper-of-the-provider"
CALL_S = 5  # OIDC_CALL_MS


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def settings(provider: Provider, **more: str) -> dict[str, str]:
    return {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_name": "Google",
            "oidc_client_secret": CLIENT_SECRET, **more}


@pytest.fixture(scope="module")
def apid(stack, account, shared_provider) -> Iterator[SecondApid]:
    with second_apid(stack, 31, **settings(shared_provider)) as apid:
        yield apid


@pytest.fixture(scope="module")
def open_apid(stack, account, shared_provider) -> Iterator[SecondApid]:
    with second_apid(stack, 32, **settings(shared_provider, sign_up="yes")) as apid:
        yield apid


@pytest.fixture
def address() -> str:
    return f"{uuid.uuid4().hex[:12]}@other.example"


@pytest.fixture
def user(stack, address):
    return stack.bootstrap(address)


@pytest.fixture
def provider(shared_provider, address) -> Iterator[Provider]:
    p = shared_provider
    p.person = {"sub": uuid.uuid4().hex, "email": address, "email_verified": True, "name": "Ann"}
    yield p
    p.claims, p.info, p.token = (lambda c: c), (lambda i: i), (lambda t: t)
    p.instead.clear()


@pytest.fixture
def browser(apid) -> Browser:
    return Browser(apid.port)


def begin(browser: Browser, **query: str) -> str:
    page = browser.get(f"{BEGIN}&{urlencode(query)}")
    assert page.status == 302, page.text
    return page.location


def sign_in(browser: Browser, provider: Provider, **query: str) -> Page:
    return browser.get(provider.sign_in(begin(browser, **query)))


def state_of(location: str) -> dict[str, str]:
    text = parse_qs(urlsplit(location).query)["state"][0]
    assert len(text) % 4 == 0
    return json.loads(base64.urlsafe_b64decode(text))


def make_state(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


def refused(page: Page, status: int, words: str) -> None:
    assert page.status == status and words in page.text, page.text
    assert "e2a_session" not in page.answer.headers.get("set-cookie", "")
    assert WHISPER not in page.text


# ---- the way in ----

def test_the_provider_vouches_and_a_session_begins(stack, apid, browser, provider, user):
    page = browser.get(LOGIN)
    assert "Continue with Google" in page.text and page.links == [BEGIN]
    location = begin(browser)
    cookie = browser.cookies["e2a_oauth_state"]
    assert re.fullmatch("[0-9a-f]{32}", cookie[0]) and state_of(location) == {"n": cookie[0]}
    done = browser.get(provider.sign_in(location))
    assert (done.status, done.location) == (302, f"{stack.url}/dashboard")
    assert set(browser.cookies) == {"e2a_session"}
    me = browser.get("/api/auth/me").answer.json
    assert (me["id"], me["email"]) == (user.user_id, user.email)
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT issuer, subject FROM identities WHERE user_id = %s", [user.user_id])
        assert query.fetchall() == [(provider.issuer, provider.person["sub"])]


def test_the_cookie_and_the_state_are_as_clients_know_them(browser, provider):
    page = browser.get(f"{BEGIN}&{urlencode(CLI)}")
    assert re.fullmatch("e2a_oauth_state=[0-9a-f]{32}; Path=/; Max-Age=600; HttpOnly; "
                        "SameSite=Lax", page.answer.headers["set-cookie"])
    nonce = browser.cookies["e2a_oauth_state"][0]
    assert parse_qs(urlsplit(page.location).query)["state"] == [
        make_state({"n": nonce, "cb": CLI["cli_callback"], "cs": CLI["cli_state"]})]


def test_the_next_sign_in_goes_by_the_identity(stack, browser, provider, user, apid):
    assert sign_in(browser, provider).status == 302
    provider.person["email"] = f"new-{user.email}"
    again = Browser(apid.port)
    assert sign_in(again, provider).status == 302
    assert again.get("/api/auth/me").answer.json["id"] == user.user_id


def test_capitals_in_the_address_are_the_same_account(browser, provider, user):
    provider.person["email"] = user.email.upper()
    assert sign_in(browser, provider).status == 302
    assert browser.get("/api/auth/me").answer.json["id"] == user.user_id


def test_a_program_is_let_in_by_consent_only(stack, browser, provider, user):
    done = sign_in(browser, provider, **CLI)
    assert done.status == 302 and done.location == f"/api/auth/cli?{urlencode(CLI)}"
    assert "listening on port <b>43123</b>" in browser.get(done.location).text
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM api_keys WHERE user_id = %s AND name = 'CLI login'",
                      [user.user_id])
        assert query.fetchone()[0] == 0


def test_the_only_way_in_needs_no_page(stack, account, provider):
    with second_apid(stack, 33, **settings(provider, sign_in_mail="no")) as apid:
        page = Browser(apid.port).get(LOGIN)
        assert page.status == 302 and page.location.startswith(f"{provider.issuer}/authorize?")
        signed_in = Browser(apid.port)
        signed_in.cookies["e2a_session"] = (add_session(stack, account.user_id), "/")
        page = signed_in.get(f"{LOGIN}?{urlencode(CLI)}")
        assert page.location.startswith("/api/auth/cli?")
        assert Browser(apid.port).post(LOGIN, {"email": account.email}).status == 403


def test_a_provider_that_wants_the_secret_in_the_body_gets_it_there(stack, account):
    with Provider() as provider:
        provider.basic = False
        provider.person["email"] = account.email
        with second_apid(stack, 34, **settings(provider)) as apid:
            assert sign_in(Browser(apid.port), provider).status == 302


def test_signing_up_shows_the_secret_once(stack, open_apid, provider):
    browser = Browser(open_apid.port)
    page = sign_in(browser, provider)
    assert page.status == 200 and re.search("<code>[0-9a-f]{64}</code>", page.text)
    assert browser.get("/api/auth/me").answer.json["name"] == "Ann"
    assert sign_in(Browser(open_apid.port), provider).status == 302


def test_discovery_is_asked_once(stack, account, provider):
    with second_apid(stack, 35, **settings(provider)) as apid:
        provider.asked.clear()
        for _ in range(5):
            begin(Browser(apid.port))
        assert provider.asked == ["/.well-known/openid-configuration"]


# ---- who does not get in ----

def test_an_unknown_address_opens_nothing(stack, browser, provider):
    refused(sign_in(browser, provider), 403, "no account for this address")
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM identities WHERE subject = %s",
                      [provider.person["sub"]])
        assert query.fetchone()[0] == 0


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
def test_an_address_that_is_not_verified_opens_nothing(browser, provider, user, verified):
    provider.person["email_verified"] = verified
    refused(sign_in(browser, provider), 403, "email not verified with Google")


def test_an_address_that_came_to_somebody_else_opens_nothing(stack, apid, browser, provider, user):
    assert sign_in(browser, provider).status == 302
    provider.person["sub"] = uuid.uuid4().hex
    refused(sign_in(Browser(apid.port), provider), 403, "no account for this address")


@pytest.mark.parametrize("port_of", ["apid", "open_apid"])
def test_an_agents_address_opens_nothing(request, provider, port_of):
    provider.person["email"] = f"{uuid.uuid4().hex[:12]}@{SHARED_DOMAIN.upper()}"
    browser = Browser(request.getfixturevalue(port_of).port)
    refused(sign_in(browser, provider), 403, "no account for this address")


@pytest.mark.parametrize("address", ["", "x", "a@b", '"a b"@c.example', "a@b.example\r\n", "a@b,c@d.example",
                                     "\u212aelvin@other.example", None])
def test_an_address_that_is_none_opens_nothing(open_apid, provider, address):
    provider.person["email"] = address
    refused(sign_in(Browser(open_apid.port), provider), 403, "no account for this address")


# ---- what comes back ----

def test_the_callback_checks_in_its_order(browser, provider, user):
    target = provider.sign_in(begin(browser))
    query = parse_qs(urlsplit(target).query)
    code, state = query["code"][0], query["state"][0]
    for text, fields in [
        ("missing code or state", {}), ("missing code or state", {"code": code}),
        ("missing code or state", {"state": state}), ("missing code or state", {"error": "x"}),
        ("invalid oauth state", {"code": code, "state": "!"}),
        ("invalid oauth state", {"code": code, "state": state[:-4]}),
        ("invalid oauth state", {"code": code, "state": state.rstrip("=") + "A"}),
        ("invalid oauth state", {"code": code, "state": make_state([])}),
        ("invalid oauth state", {"code": code, "state": make_state({})}),
        ("invalid oauth state", {"code": code, "state": make_state({"n": "0" * 32})}),
        ("invalid oauth state", {"code": code, "state": make_state({"n": 1})}),
        ("invalid oauth state", {"code": code, "state": make_state({"n": "\0" * 32})}),
        ("invalid oauth state", {"code": code, "state": "A" * 9000})]:
        page = browser.get(f"{CALLBACK}?{urlencode(fields)}")
        assert (page.status, page.text) == (400, text + "\n"), fields
    assert browser.get(target).status == 302


def test_a_state_is_good_once_and_in_one_browser(apid, browser, provider, user):
    target = provider.sign_in(begin(browser))
    other = Browser(apid.port)
    begin(other)
    for stranger in (Browser(apid.port), other):
        page = stranger.get(target)
        assert (page.status, page.text) == (400, "invalid oauth state\n")
    cookies = dict(browser.cookies)
    assert browser.get(target).status == 302
    assert browser.get(target).status == 400
    browser.cookies = cookies  # even with the cookie: the provider knows the code
    refused(browser.get(target), 400, "oauth exchange failed: the provider refused")


def test_a_code_of_another_sign_in_is_worth_nothing(apid, provider, user):
    """Whoever has a code for his own account cannot slip it to somebody else."""
    theirs, mine = Browser(apid.port), Browser(apid.port)
    stolen = parse_qs(urlsplit(provider.sign_in(begin(theirs))).query)["code"][0]
    state = parse_qs(urlsplit(begin(mine)).query)["state"][0]
    page = mine.get(f"{CALLBACK}?{urlencode({'code': stolen, 'state': state})}")
    refused(page, 400, "oauth exchange failed: the provider refused")  # PKCE
    assert "e2a_oauth_state" not in mine.cookies


@pytest.mark.parametrize("callback", ["http://evil.example/", "https://127.0.0.1/",
                                      "http://127.0.0.1\\@evil.example/", "javascript:x"])
def test_a_callback_that_was_slipped_into_the_state_is_refused(browser, provider, user, callback):
    nonce = state_of(begin(browser))["n"]
    code = parse_qs(urlsplit(provider.sign_in(begin(browser))).query)["code"][0]
    nonce = browser.cookies["e2a_oauth_state"][0]
    state = make_state({"n": nonce, "cb": callback, "cs": "x"})
    page = browser.get(f"{CALLBACK}?{urlencode({'code': code, 'state': state})}")
    assert page.status == 400 and "cli callback URL" in page.text


# ---- a provider that lies ----

NOW = int(time.time())
CLAIMS: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda c: {**c, "iss": "https://evil.example"}, lambda c: {**c, "iss": c["iss"] + "/"},
    lambda c: {**c, "aud": "somebody"}, lambda c: {**c, "aud": []}, lambda c: {**c, "aud": [1]},
    lambda c: {**c, "aud": [CLIENT_ID, "b"]}, lambda c: {**c, "aud": {CLIENT_ID: 1}},
    lambda c: {**c, "aud": [CLIENT_ID, "b"], "azp": "b"}, lambda c: {**c, "azp": "b"},
    lambda c: {**c, "exp": c["iat"]}, lambda c: {**c, "exp": c["iat"] - 1},
    lambda c: {**c, "exp": "9999999999"}, lambda c: {**c, "exp": None}, lambda c: {**c, "exp": -1},
    lambda c: {**c, "exp": 1e300}, lambda c: {**c, "iat": c["iat"] + 3600},
    lambda c: {**c, "iat": c["iat"] - 3600}, lambda c: {**c, "iat": True},
    lambda c: {**c, "nonce": "x"}, lambda c: {**c, "nonce": ""}, lambda c: {**c, "nonce": None},
    lambda c: {**c, "sub": ""}, lambda c: {**c, "sub": 1}, lambda c: {**c, "sub": "a" * 256},
    lambda c: {**c, "sub": "a\0b"}, lambda c: {**c, "sub": "a\r\nb"},
    *[lambda c, name=name: {k: v for k, v in c.items() if k != name}
      for name in ("iss", "aud", "exp", "iat", "nonce", "sub")],
]


@pytest.mark.parametrize("claims", CLAIMS)
def test_an_id_token_is_believed_whole_or_not_at_all(browser, provider, user, claims):
    provider.claims = lambda c: {**claims(c), "note": WHISPER}
    page = sign_in(browser, provider)
    assert page.status in (400, 502)
    refused(page, page.status, "oauth exchange failed")


@pytest.mark.parametrize("claims", [
    lambda c: {**c, "aud": [CLIENT_ID]}, lambda c: {**c, "azp": CLIENT_ID},
    lambda c: {**c, "aud": ["b", CLIENT_ID], "azp": CLIENT_ID},
    lambda c: {**c, "exp": c["exp"] + .5, "more": [{}]}])
def test_what_the_standard_allows_is_taken(browser, provider, user, claims):
    provider.claims = claims
    assert sign_in(browser, provider).status == 302


@pytest.mark.parametrize("token", [
    lambda t: "", lambda t: "x", lambda t: t + ".", lambda t: t.rpartition(".")[0],
    lambda t: t.rpartition(".")[0] + ".", lambda t: t + "=", lambda t: "." + t,
    lambda t: jwt({}, "none"), lambda t: re.sub("^[^.]+", jwt({}, "none").split(".")[0], t),
    lambda t: re.sub("^[^.]+", jwt({}, "NoNe").split(".")[0], t),
    lambda t: re.sub("^[^.]+", jwt({}, "").split(".")[0], t), lambda t: re.sub("^[^.]+", "e30", t),
    lambda t: 5, lambda t: [t]])
def test_an_id_token_that_is_none_opens_nothing(browser, provider, user, token):
    provider.token = token
    page = sign_in(browser, provider)
    assert page.status in (400, 502)
    refused(page, page.status, "oauth exchange failed")


@pytest.mark.parametrize("info, status", [
    (lambda i: {**i, "sub": "another"}, 400), (lambda i: {**i, "sub": ""}, 400),
    (lambda i: {**i, "sub": 1}, 502), (lambda i: {}, 502), (lambda i: [], 502),
    (lambda i: b"", 502), (lambda i: b"{", 502), (lambda i: b"\xff", 502),
    (lambda i: b"[" * 60000, 502), (lambda i: json.dumps(i).encode()[:-1] + b',"sub":"2"}', 502)])
def test_userinfo_of_another_or_none_opens_nothing(browser, provider, user, info, status):
    provider.info = info
    refused(sign_in(browser, provider), status, "failed to fetch user info")


# ---- a provider in trouble ----

def hang(_: BaseHTTPRequestHandler) -> None:
    time.sleep(CALL_S + 3)


def trickle(h: BaseHTTPRequestHandler) -> None:
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    for _ in range(CALL_S * 4 + 8):
        time.sleep(0.25)
        h.wfile.write(b" ")


def redirect(h: BaseHTTPRequestHandler) -> None:
    h.send_response(302)
    h.send_header("Location", f"/{WHISPER}")
    h.send_header("Content-Length", "0")
    h.end_headers()


def short(h: BaseHTTPRequestHandler) -> None:
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    h.wfile.write(b"{}")
    h.close_connection = True


def long(h: BaseHTTPRequestHandler) -> None:
    h.send_response(200)
    h.end_headers()
    h.wfile.write(b'{"a":"' + b"a" * 10_000_000)
    h.close_connection = True


def announced(h: BaseHTTPRequestHandler) -> None:
    h.send_response(200)
    h.send_header("Content-Length", "10000000")
    h.end_headers()
    h.wfile.write(b" " * 10_000_000)


def endless_head(h: BaseHTTPRequestHandler) -> None:
    h.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(3000):
        h.wfile.write(b"X-%d: %s\r\n" % (i, b"a" * 1000))
    h.wfile.write(b"\r\n")


def gone(h: BaseHTTPRequestHandler) -> None:
    h.close_connection = True


def says(status: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda h: reply(h, status, {"error": WHISPER, "error_description": WHISPER})


TROUBLE = [redirect, short, long, announced, endless_head, gone, says(500), says(503), says(204)]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("path", ["/token", "/userinfo"])
def test_a_provider_in_trouble_is_no_trouble_of_ours(browser, provider, user, path, trouble):
    location = begin(browser)
    provider.instead[path] = trouble
    words = "oauth exchange failed" if path == "/token" else "failed to fetch user info"
    page = browser.get(provider.sign_in(location))
    refused(page, 502, words)
    assert re.search(r"\([0-9a-f]{16}\)", page.text) and f"/{WHISPER}" not in provider.asked
    del provider.instead[path]
    assert sign_in(browser, provider).status == 302


@pytest.mark.parametrize("trouble", [hang, trickle], ids=lambda f: f.__name__)
def test_a_provider_that_takes_its_time_is_left(apid, browser, provider, user, trouble):
    location = begin(browser)
    provider.instead["/token"] = trouble
    target = provider.sign_in(location)
    start = time.monotonic()
    refused(browser.get(target), 502, "oauth exchange failed")
    assert CALL_S - 1 < time.monotonic() - start < CALL_S + 2
    assert "oidc_failed" in apid.log_since()


def come_back(port: int, *fields: str) -> Page:
    """With a state and a cookie that anybody can make, and a code that is none."""
    browser = Browser(port, *fields)
    browser.cookies["e2a_oauth_state"] = ("0" * 32, "/")
    return browser.get(f"{CALLBACK}?{urlencode({'code': 'x', 'state': make_state({'n': '0' * 32})})}")


def test_a_provider_that_hangs_holds_up_nobody_else(stack, account):
    with Provider() as provider, second_apid(stack, 46, **settings(provider)) as apid, \
            ThreadPoolExecutor(12) as pool:
        begin(Browser(apid.port))
        provider.instead["/token"] = hang
        waiting = [pool.submit(come_back, apid.port) for _ in range(12)]
        wait_until("a call of the provider", lambda: "/token" in provider.asked)
        start = time.monotonic()
        with Http(apid.port, account.api_key) as http:
            body = {"slug": f"x{uuid.uuid4().hex[:8]}", "agent_mode": "local"}
            assert http.request("POST", "/api/v1/agents", json.dumps(body).encode()).status == 201
        assert time.monotonic() - start < CALL_S
        provider.instead["/token"] = says(400)
        assert {f.result().status for f in waiting} <= {400, 502}


def test_nobody_makes_us_ask_the_provider_again_and_again(stack, account):
    with Provider() as provider, second_apid(
            stack, 47, rate_sign_in="2", http_trusted_proxies="127.0.0.1/32",
            **settings(provider)) as apid:
        pages = [come_back(apid.port, "X-Forwarded-For: 203.0.113.78") for _ in range(4)]
        assert [p.status for p in pages] == [400, 400, 429, 429]
        assert 0 < int(pages[3].answer.headers["retry-after"]) <= 3600
        assert provider.asked.count("/token") == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_provider_that_refuses_is_taken_at_its_word(browser, provider, user, status):
    location = begin(browser)
    provider.instead["/token"] = says(status)
    refused(browser.get(provider.sign_in(location)), 400, "oauth exchange failed")


def lie(**changes: Any) -> Callable[[Provider], dict[str, Any]]:
    return lambda p: {k: v for k, v in {**p.discovery(), **changes}.items() if v is not None}


@pytest.mark.parametrize("document", [
    lie(issuer="https://evil.example"), lie(issuer=None), lie(token_endpoint=None),
    lie(token_endpoint="http://evil.example/token"), lie(token_endpoint="file:///etc/passwd"),
    lie(userinfo_endpoint="http://10.0.0.1/"), lie(authorization_endpoint="javascript:alert(1)"),
    lie(authorization_endpoint="https://a.example/\r\nX: y"), lie(token_endpoint=7),
    lie(authorization_endpoint="https://u:p@a.example/"),
    lambda p: [], lambda p: b"", lambda p: b"{" * 50000, lambda p: b"x" * 70000])
def test_a_discovery_that_lies_leads_nowhere(stack, account, document):
    with Provider() as provider, second_apid(stack, 36, **settings(provider)) as apid:
        path = "/.well-known/openid-configuration"
        provider.instead[path] = lambda h: reply(h, 200, document(provider))
        page = Browser(apid.port).get(BEGIN)
        refused(page, 502, "oauth request failed")
        assert "location" not in page.answer.headers


def test_a_provider_that_is_down_is_asked_again_later(stack, account):
    with Provider() as provider, second_apid(stack, 37, **settings(provider)) as apid:
        path = "/.well-known/openid-configuration"
        provider.instead[path] = says(404)
        for _ in range(3):
            refused(Browser(apid.port).get(BEGIN), 502, "cannot be reached")
        assert provider.asked == [path]  # once, not by everybody
        assert Browser(apid.port).get(LOGIN).status == 200  # the mailed link still works


def test_a_provider_whose_port_is_closed_is_away(stack, account):
    port = Port("OIDC")
    port.release()
    issuer = f"http://127.0.0.1:{port.number}"
    with second_apid(stack, 38, oidc_issuer=issuer, oidc_client_id="x") as apid:
        refused(Browser(apid.port).get(BEGIN), 502, "cannot be reached")


def test_a_certificate_that_nobody_vouches_for_is_none(stack, account, tmp_path):
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
           "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out",
           tmp_path / "cert", "-days", "1"]
    subprocess.run(run, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with Provider() as provider:
        provider.server.socket = context.wrap_socket(provider.server.socket, server_side=True)
        provider.issuer = provider.issuer.replace("http:", "https:")
        with second_apid(stack, 39, **settings(provider)) as apid:
            refused(Browser(apid.port).get(BEGIN), 502, "cannot be reached")
            assert "certificate" in apid.log_since()
        assert not provider.asked


# ---- settings ----

@pytest.mark.parametrize("settings", [
    {"oidc_issuer": "http://issuer.example"}, {"oidc_issuer": "issuer.example"},
    {"oidc_issuer": "https://issuer.example?x=y"}, {"oidc_issuer": "https://u@issuer.example"},
    {"oidc_issuer": "https://issuer.example", "oidc_client_id": ""},
    {"oidc_issuer": "https://issuer.example", "public_url": ""}, {"public_url": "x"}])
def test_settings_that_do_not_fit_together_stop_the_daemon(stack, account, settings):
    apid = SecondApid(stack, 40, **{"oidc_client_id": "x", **settings})
    done = subprocess.run(apid.argv(), capture_output=True, text=True, timeout=60)
    apid.claim.release()
    assert done.returncode == 78 and "start_failed" in done.stderr


def test_without_a_provider_nothing_comes_back(stack, account):
    page = Browser(stack.http_port).get(f"{CALLBACK}?code=x&state=y")
    assert page.status == 403 and "switched off" in page.text
