# SPDX-License-Identifier: Apache-2.0
"""What all pages of the dashboard have in common: how it is served, signing in, going from
page to page, and what one sees when the server does not answer as it should."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.peers import Api
from tests.integration.browser import Browser
from tests.integration.chromium import PHONE, Chromium
from tests.integration.client import Http
from tests.integration.mishaps import Mishaps
from tests.integration.outbound import Author

WEB = Path(__file__).resolve().parents[2] / "apid/web"
WEIGHT_MAX = 150_000  # bytes on the wire
HASHES = ["#/", "#/agents", "#/agents/a%40agents.example", "#/agents/a%40agents.example/delegations",
          "#/agents/a%40agents.example/reviewers", "#/agents/a%40agents.example/inbox",
          "#/agents/a%40agents.example/sent", "#/agents/a%40agents.example/messages/msg_1",
          "#/agents/a%40agents.example/deliveries", "#/pending", "#/pending/msg_1", "#/domains",
          "#/keys", "#/secrets", "#/suppressions", "#/account", "#/feedback"]


@pytest.fixture
def http(stack) -> Http:
    with Http(stack.http_port) as http:
        yield http


def folder_of(page: str) -> str:
    return re.search(r'"(/web/[0-9a-f]{16}/)app\.js"', page)[1]


# ---- how it is served ----

def test_the_page_lets_nothing_in_from_elsewhere(http):
    answer = http.request("GET", "/")
    policy = dict(p.strip().split(" ", 1) for p in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'",
        "img-src": "'self' data:", "connect-src": "'self'", "frame-src": "'self'",
        "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    for name, value in (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
                        ("cross-origin-opener-policy", "same-origin"), ("x-frame-options", "DENY"),
                        ("cross-origin-resource-policy", "same-origin"),
                        ("cache-control", "no-cache"),
                        ("content-type", "text/html; charset=utf-8")):
        assert answer.headers[name] == value, name
    assert not re.search(r"(?i)<style|\sstyle=|\son\w+=|https?:|<script(?![^>]*\ssrc=\"/web/)", answer.text)


def test_a_browser_keeps_files_and_asks_for_the_page(http):
    first = http.request("GET", "/")
    tag = first.headers["etag"]
    assert folder_of(first.text) == f"/web/{tag[1:-1]}/"
    again = http.request("GET", "/", None, f"If-None-Match: {tag}")
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert http.request("HEAD", "/").headers["etag"] == tag
    for name in sorted(p.name for p in WEB.iterdir() if p.name != "index.html"):
        answer = http.request("GET", f"/web/{tag[1:-1]}/{name}")
        assert answer.status == 200 and answer.body == (WEB / name).read_bytes()
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        small = http.request("GET", f"/web/{tag[1:-1]}/{name}", None, "Accept-Encoding: gzip, br")
        assert small.headers["content-encoding"] == "gzip"
        assert gzip.decompress(small.body) == answer.body and "content-encoding" not in answer.headers
        assert small.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind == {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[Path(name).suffix]


@pytest.mark.parametrize("target", ["/web/0123456789abcdef/app.js", "/web/%s/index.html",
                                    "/web/%s/none.js", "/web/%s/..%%2Fapp.js", "/web/%s/app.js%%00"])
def test_files_of_another_version_and_others_are_not_there(http, target):
    tag = http.request("GET", "/").headers["etag"][1:-1]
    answer = http.request("GET", target % tag if "%s" in target else target)
    assert answer.status == 404


def test_it_weighs_little(dashboard):
    """All that a browser gets before the first answer of the API, heads included."""
    with dashboard.uncached():
        dashboard.open("#/feedback", fresh=True)
        sizes = dashboard.run("""
            return ["navigation", "resource"].flatMap(t => performance.getEntriesByType(t))
                .filter(e => !e.name.includes("/api/")).map(e => [e.name, e.transferSize])""")
    files = {p.name: p.stat().st_size for p in WEB.iterdir() if p.suffix in (".js", ".css")}
    assert files.keys() <= {name.rpartition("/")[2] for name, size in sizes if size > 0}
    weight = sum(size for _, size in sizes)
    print(f"{weight} bytes in {len(sizes)} files, uncompressed {sum(files.values())}")
    assert weight < WEIGHT_MAX


# ---- going about ----

@pytest.mark.parametrize("hash", HASHES)
def test_every_page_opens_by_its_address(dashboard, hash):
    dashboard.open(hash, fresh=True)
    assert dashboard.heading and dashboard.heading != "There is no such page"
    assert dashboard.run("return document.activeElement.localName") == "h1"
    dashboard.assert_accessible()
    dashboard.assert_fits()


@pytest.mark.parametrize("hash", ["#/x", "#/agents/%FF", "#x", "#/keys/", "#/agents//inbox"])
def test_an_address_that_is_none(dashboard, hash):
    dashboard.open(hash, fresh=True)
    assert dashboard.heading == "There is no such page"
    dashboard.check()
    dashboard.press("To the overview")
    assert dashboard.hash == "#/"


@pytest.mark.parametrize("hash", ["#/agents/../inbox", "#/agents/%2e%2E/inbox", "#/agents/./sent"])
def test_an_address_that_leads_upwards_asks_for_nothing_else(dashboard, hash):
    dashboard.open(hash, fresh=True)
    dashboard.wait_text("There is nothing of that name.")
    assert not dashboard.find_all("main button"), "trying again helps nobody"
    asked = dashboard.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert not [url for url in asked if "sort=desc" in url or url.endswith("/sent")], asked
    dashboard.check()


def test_what_else_stands_in_the_storage_does_no_harm(dashboard):
    dashboard.open("#/feedback", fresh=True)
    for wanted in ("{", '[9e15, "//evil.example/"]', "[9e15, 1]"):
        dashboard.run("localStorage.setItem('e2a.wanted', arguments[0])", wanted)
        dashboard.open("", fresh=True)
        assert dashboard.heading == "Overview" and dashboard.browser.url == dashboard.url
    dashboard.assert_clean()


def test_a_browser_without_storage(dashboard):
    script = dashboard.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": """
        for (const name of ["localStorage", "sessionStorage"])
            Object.defineProperty(window, name, {get() { throw new DOMException("no", "SecurityError"); }});"""})
    try:
        for hash in ("#/", "#/pending"):
            dashboard.open(hash, fresh=True)
            assert "went wrong" not in dashboard.text
        dashboard.assert_clean()
    finally:
        dashboard.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        dashboard.browser.open("about:blank")


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(stack, dashboard):
    dashboard.sign_out()
    dashboard.browser.open(f"{dashboard.url}#/secrets")
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login"))
    dashboard.browser.unfold("Use an API key instead")
    dashboard.browser.type("[name=key]", dashboard.account.api_key)
    dashboard.browser.press("Sign in with the key")
    dashboard.settle()
    assert (dashboard.hash, dashboard.heading) == ("#/secrets", "Signing")
    dashboard.assert_clean("401")


def test_the_policy_holds_in_the_browser(dashboard):
    """Scripts and styles that get into the page do nothing; a WebSocket of ours may open."""
    dashboard.open("#/keys", fresh=True)
    found = dashboard.run("""
        const tried = f => { try { f(); return "done"; } catch (e) { return e.name; } };
        const p = document.createElement("p");
        p.setAttribute("style", "position: fixed");
        document.body.append(p);
        return [tried(() => { p.innerHTML = "<b>x</b>"; }), getComputedStyle(p).position,
                tried(() => new WebSocket(location.origin.replace("http", "ws") + "/api/v1/x").close()),
                tried(() => p.setAttribute("onclick", "x()"))];""")
    assert found[:3] == ["TypeError", "static", "done"], found
    log = "\n".join(dashboard.browser.console())
    assert "TrustedHTML" in log and "style-src" in log and "connect-src" not in log, log


# ---- a server that is slow, fails or is gone ----

@pytest.fixture
def mishaps(stack, dashboard) -> Iterator[Mishaps]:
    """Between the browser and the server. Cookies do not know ports."""
    with Mishaps(stack.http_port) as mishaps:
        dashboard.url = mishaps.url
        yield mishaps
        dashboard.browser.open("about:blank")


def test_a_slow_server(dashboard, mishaps):
    with mishaps.hold("GET /api/keys"):
        dashboard.start("#/keys")
        dashboard.wait_text("Loading …")
        dashboard.wait_text("The server takes long to answer.")
        assert dashboard.heading == "API keys"
        dashboard.check("slow")
    dashboard.settle()
    assert "bootstrap" in dashboard.text and "takes long" not in dashboard.text


def test_a_server_that_does_not_answer_at_all(dashboard, mishaps):
    dashboard.hasten(100)
    dashboard.open("#/feedback")
    with mishaps.hold("GET /api/keys"):
        dashboard.start("#/keys")
        dashboard.wait_text("The server did not answer within 30 seconds. Trying again")
    dashboard.press("Now")
    assert "bootstrap" in dashboard.text


@pytest.mark.parametrize("status, headers, said", [
    (503, {"Retry-After": "1"}, "Not now. Trying again in 1 s."),
    (429, {"Retry-After": "1"}, "Too many requests. Trying again in 1 s."),
    (500, {}, "Not now. Trying again in 1 s."),
    (502, {"Content-Type": "text/html"}, "The server answered with status 502. Trying again in 1 s."),
    (200, {"Content-Type": "text/html"}, "What answered was not e2a: the answer cannot be read. Trying"),
    (0, {}, "The server cannot be reached. Trying again in 1 s.")])
def test_reading_goes_on_by_itself(dashboard, mishaps, status, headers, said):
    dashboard.open("#/feedback")
    if status:
        mishaps.answer("GET /api/keys", status, "<html>" if "Content-Type" in headers else "not now\n",
                       headers)
    else:
        mishaps.cut("GET /api/keys", times=2)  # the browser itself tries once more
    dashboard.start("#/keys")
    dashboard.wait_text(said)
    if status == 503:
        dashboard.settle()
    else:
        dashboard.press("Now")
    assert "bootstrap" in dashboard.text and "Trying again" not in dashboard.text
    dashboard.check("", "50[0-3]", "429", "ERR_EMPTY_RESPONSE")


def test_a_failure_that_stays_is_told(dashboard, mishaps):
    dashboard.open("#/feedback")
    rule = mishaps.answer("GET /api/keys", 500, "failed to list API keys\n", times=-1)
    dashboard.start("#/keys")
    for _ in range(2):
        dashboard.press("Now", settle=False)
    dashboard.error("Failed to list API keys.")
    dashboard.check("failed", "500")
    rule.times = 0
    dashboard.press("Try again")
    assert "bootstrap" in dashboard.text


@pytest.mark.parametrize("status, text, said", [
    (500, "failed to create API key\n", "Failed to create API key."),
    (503, "not available now, try again later\n", "Not available now, try again later."),
    (429, "rate limit exceeded\n", "Rate limit exceeded. Try again in 7 s."),
    (502, "<html>", "It may have been done all the same: look before you try again."),
    (0, "", "The server cannot be reached. It may have been done all the same")])
def test_writing_is_not_repeated_and_nothing_typed_is_lost(dashboard, mishaps, status, text, said):
    dashboard.open("#/keys")
    dashboard.fill("Name", "kept")
    if status:
        kind = {"Content-Type": "text/html"} if text == "<html>" else {"Retry-After": "7"}
        mishaps.answer("POST /api/keys", status, text, kind if status in (429, 502) else {})
    else:
        mishaps.cut("POST /api/keys")
    dashboard.press("Make the key")
    dashboard.error(said)
    assert mishaps.count("POST /api/keys") == 1
    assert dashboard.control("Name").get_attribute("value") == "kept"
    dashboard.check("", "50[0-3]", "429", "ERR_EMPTY_RESPONSE")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    assert mishaps.count("POST /api/keys") == 2 and not dashboard.find_all("#errors p")


def test_an_answer_of_another_shape_leaves_words(dashboard, mishaps):
    mishaps.answer("GET /api/keys", 200, "null", {"Content-Type": "application/json"})
    dashboard.open("#/keys")
    dashboard.error("Something in this page went wrong. Load it again.")
    dashboard.press("Try again")
    assert "bootstrap" in dashboard.text
    dashboard.assert_clean("TypeError")


def test_a_page_that_is_left_asks_no_more(dashboard, mishaps):
    mishaps.answer("GET /api/keys", 503, times=-1)
    dashboard.start("#/keys")
    dashboard.wait_text("Trying again")
    dashboard.open("#/feedback")
    assert "Trying again" not in dashboard.text
    dashboard.assert_clean("503")


def test_a_server_that_fails_from_the_beginning(dashboard, mishaps):
    mishaps.answer("GET /api/auth/me", 503, times=1)
    dashboard.open("#/keys", fresh=True)
    assert "bootstrap" in dashboard.text
    dashboard.assert_clean("503")


# ---- a session that ends ----

def typed_and_pressed(dashboard, name: str) -> None:
    dashboard.open("#/keys")
    dashboard.fill("Name", name)
    dashboard.sign_out()
    dashboard.press("Make the key", settle=False)
    dashboard.dialog()


def test_signing_in_again_in_another_window(dashboard):
    typed_and_pressed(dashboard, "typed")
    assert dashboard.account.email in dashboard.dialog().text
    dashboard.check("sign-in-again", "401")
    dashboard.press("I am signed in again", settle=False)
    dashboard.error("Not yet.")
    dashboard.sign_in()
    dashboard.run("dispatchEvent(new Event('focus'))")
    dashboard.wait_text("Copy the key now")
    dashboard.settle()
    assert "typed" in dashboard.text
    dashboard.assert_clean("401")


def test_the_other_window_tells_when_it_is_done(dashboard):
    typed_and_pressed(dashboard, "told")
    first = dashboard.driver.current_window_handle
    dashboard.press("Sign in in another window", settle=False)
    dashboard.wait("another window", lambda: len(dashboard.driver.window_handles) == 2)
    second, = set(dashboard.driver.window_handles) - {first}
    dashboard.driver.switch_to.window(second)
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login"))
    dashboard.sign_in()
    dashboard.browser.open(dashboard.url)  # where signing in ends
    dashboard.settle()
    dashboard.driver.close()
    dashboard.driver.switch_to.window(first)
    dashboard.wait_text("Copy the key now")
    dashboard.assert_clean("401")


def test_signing_in_later(dashboard):
    typed_and_pressed(dashboard, "kept")
    dashboard.press("Later")
    dashboard.error("You are signed out.")
    assert dashboard.control("Name").get_attribute("value") == "kept"
    dashboard.press("Make the key", settle=False)
    dashboard.dialog()
    dashboard.keys("\ue00c")  # Escape
    dashboard.wait("the dialog to close", lambda: not dashboard.find_all("dialog"))
    dashboard.sign_in()
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    dashboard.assert_clean("401")


def test_two_accounts_are_not_mixed(stack, dashboard):
    other = stack.bootstrap(f"other-{os.urandom(4).hex()}@other.example")
    typed_and_pressed(dashboard, "mine")
    dashboard.sign_in(other)
    dashboard.press("I am signed in again", settle=False)
    dashboard.wait_text("Another account is signed in")
    assert other.email in dashboard.dialog().text
    dashboard.check("other-account", "401")
    dashboard.press("Look at it first")
    assert dashboard.control("Name").get_attribute("value") == "mine"
    dashboard.press("Make the key", settle=False)
    assert "Another account is signed in" in dashboard.dialog().text
    dashboard.press("Load the page")
    dashboard.wait("the other's page", lambda: other.email in dashboard.text)
    assert keys_made(stack, dashboard.account.user_id) == keys_made(stack, other.user_id) == 1
    dashboard.assert_clean("401")


def keys_made(stack, user_id: str) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM api_keys WHERE user_id = %s", [user_id])
        return query.fetchone()[0]


def test_another_account_in_another_window_is_noticed(stack, dashboard):
    other = stack.bootstrap(f"other-{os.urandom(4).hex()}@other.example")
    dashboard.open("#/keys")
    first = dashboard.driver.current_window_handle
    dashboard.driver.switch_to.new_window("window")
    dashboard.sign_in(other)
    dashboard.browser.open(dashboard.url)
    dashboard.settle()
    dashboard.driver.close()
    dashboard.driver.switch_to.window(first)
    dashboard.wait_text("Another account is signed in")


def test_signing_out_leaves_nothing_for_who_goes_back(dashboard):
    dashboard.open("#/feedback")
    dashboard.open("#/keys")
    dashboard.press("Sign out", settle=False)
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login"))
    dashboard.driver.back()
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login")
                   and dashboard.account.email not in dashboard.text)
    dashboard.assert_clean("401")


def test_going_back_closes_a_question(dashboard):
    dashboard.open("#/feedback")
    dashboard.open("#/keys")
    dashboard.press("Revoke bootstrap")
    dashboard.dialog()
    dashboard.driver.back()
    dashboard.settle()
    assert dashboard.heading == "Feedback" and not dashboard.find_all("dialog")
    dashboard.check()


# ---- a server of another version ----

def test_a_newer_version_is_offered(dashboard, mishaps):
    dashboard.open("#/keys")
    mishaps.answer("HEAD /$", 200, "", {"ETag": '"0123456789abcdef"', "Content-Type": "text/html"})
    dashboard.run("document.dispatchEvent(new Event('visibilitychange'))")
    dashboard.wait_text("There is a newer version of this page.")
    dashboard.check("newer")
    dashboard.press("Load it", settle=False)
    dashboard.wait_no_text("There is a newer version")


def test_modules_that_are_not_there_leave_words(dashboard, mishaps):
    mishaps.answer("GET /web/.*/time.js", 404, "file not found\n")
    with dashboard.uncached():
        dashboard.browser.open(dashboard.url)
        dashboard.wait_text("When this does not change, load it again.")
        dashboard.press("load it again")
        assert dashboard.heading == "Overview"
    dashboard.assert_clean("404")


def test_without_scripts_there_is_a_way(stack, build, tmp_path, account):
    with Chromium(build, tmp_path, scripts=False) as browser:
        browser.open(f"{stack.url}/")
        assert browser.find("noscript a").get_attribute("href").endswith("/dashboard/pending")
        browser.photo("web-no-scripts")


# ---- the way about ----

def test_the_keyboard_alone(dashboard):
    dashboard.open("#/keys", fresh=True)
    first = dashboard.run("return document.querySelector('a, button, input')")
    assert first.get_attribute("id") == "skip"
    dashboard.run("arguments[0].focus()", first)
    dashboard.keys("\ue007")  # Enter
    assert dashboard.run("return document.activeElement.id") == "main"


def test_the_menu_of_a_phone(dashboard):
    with dashboard.sized(PHONE):
        dashboard.open("#/keys", fresh=True)
        menu = dashboard.find("#menu")
        assert menu.get_attribute("aria-expanded") == "false"
        menu.click()
        assert menu.get_attribute("aria-expanded") == "true"
        dashboard.browser.photo("web-menu-phone")
        dashboard.press("Feedback")
        assert dashboard.heading == "Feedback" and menu.get_attribute("aria-expanded") == "false"
        assert dashboard.find("[aria-current=page]").get_attribute("textContent").strip() == "Feedback"


def test_how_many_messages_wait(stack, dashboard):
    api = Api(stack.url, dashboard.account.api_key)
    author = Author(stack, api, api.make_agent(f"h{dashboard.account.user_id[-8:]}"))
    api.call("PUT", author.path, {"hitl_enabled": True})
    assert author.ask(to=["somebody@far.example"])[1]["status"] == "pending_approval"
    dashboard.open("#/keys", fresh=True)
    dashboard.wait("the number", lambda: dashboard.find(".count").text.startswith("1"))


def test_a_count_that_fails_is_asked_for_again_by_one_timer(dashboard, mishaps):
    mishaps.answer("GET /api/v1/messages", 503, "not now\n", times=-1)
    dashboard.open("#/keys", fresh=True)
    left = dashboard.driver.execute_async_script("""
        const done = arguments[0], timers = new Set(), set = setTimeout, clear = clearTimeout;
        window.setTimeout = (f, ms) => ms === 5000 ? timers.add(timers.size + 9e6) && timers.size - 1 + 9e6 : set(f, ms);
        window.clearTimeout = id => timers.delete(id) || clear(id);
        import(document.querySelector("link[href$='/nav.js']").href).then(async nav => {
            for (let i = 0; i < 3; i++)
                await nav.countPending();
            done(timers.size);
        });""")
    assert left == 1
    dashboard.assert_clean("503")


def test_who_signed_in_with_a_key_is_told_how_to_get_keys(stack, dashboard):
    browser = Browser(stack.http_port)
    browser.post("/api/auth/key", {"key": dashboard.account.api_key})
    dashboard.browser.put_cookie(dashboard.url, "e2a_session", browser.cookies["e2a_session"][0])
    dashboard.open("#/keys", fresh=True)
    dashboard.wait_text(f"e2a-admin sign-in {dashboard.account.email}")
    assert not dashboard.find_all("main form")
    dashboard.check("keys-by-key", "403")
    dashboard.open("#/account", fresh=True)
    dashboard.wait_text("API keys, that of this session too")
    dashboard.check("", "403")


def test_signing_in_again_with_a_key(stack, dashboard):
    typed_and_pressed(dashboard, "by key")
    dashboard.fill("API key", "e2a_" + "0" * 64)
    dashboard.press("Sign in with it", settle=False)
    dashboard.error("There is no such API key, or it is revoked or expired.")
    dashboard.fill("API key", f" {dashboard.account.api_key}")
    dashboard.press("Sign in with it", settle=False)
    dashboard.error("Signed in with an API key: sign in by mail to do this.")
    assert not dashboard.find_all("dialog")
    assert dashboard.control("Name").get_attribute("value") == "by key"
    dashboard.check("", "40[13]")
    dashboard.open("#/secrets")
    dashboard.press("Make a secret")
    dashboard.wait_text("Copy the secret now")
