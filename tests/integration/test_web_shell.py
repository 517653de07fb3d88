# SPDX-License-Identifier: Apache-2.0
"""What all pages of the dashboard have in common: how it is served, signing in, going from
page to page, and what one sees when the server does not answer as it should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.client import Http

WEB = Path(__file__).resolve().parents[2] / "apid/web"
WEIGHT_MAX = 150_000  # bytes, of all that a browser loads
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
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind == {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[Path(name).suffix]


@pytest.mark.parametrize("target", ["/web/0123456789abcdef/app.js", "/web/%s/index.html",
                                    "/web/%s/none.js", "/web/%s/..%%2Fapp.js", "/web/%s/app.js%%00"])
def test_files_of_another_version_and_others_are_not_there(http, target):
    tag = http.request("GET", "/").headers["etag"][1:-1]
    answer = http.request("GET", target % tag if "%s" in target else target)
    assert answer.status == 404


def test_it_weighs_little(http):
    sizes = {p.name: p.stat().st_size for p in WEB.iterdir()}
    assert sum(sizes.values()) < WEIGHT_MAX, sizes


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


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(stack, dashboard):
    dashboard.sign_out()
    dashboard.browser.open(f"{dashboard.url}#/keys")
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login"))
    dashboard.sign_in()
    dashboard.browser.open(dashboard.url)
    dashboard.settle()
    assert dashboard.hash == "#/keys"
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
