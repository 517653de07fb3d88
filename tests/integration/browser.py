# SPDX-License-Identifier: Apache-2.0
"""As much of a browser as signing in needs: cookies with their paths, forms, and
the fields with which a browser says where a request was made. It follows no
redirection by itself, and checks what holds for every page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from tests.integration.client import Answer, Http

SAME_ORIGIN = "Sec-Fetch-Site: same-origin"
PAGE = "text/html; charset=utf-8"
SECURE_HEADERS = {
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}


@dataclass
class Form:
    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)  # as they would be sent untouched
    choices: dict[str, list[str]] = field(default_factory=dict)  # of selects, radios and boxes


class Parser(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.select: str | None = None
        self.option = False
        self.area: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {k: v or "" for k, v in attrs}
        if tag == "form":
            self.forms.append(Form(have.get("method", "get"), have["action"]))
        elif tag == "a":
            self.links.append(have["href"])
        elif tag == "input" and "name" in have:
            self.add(have["name"], have.get("value", ""),
                     have.get("type") not in ("radio", "checkbox") or "checked" in have)
        elif tag == "button" and "name" in have:
            self.add(have["name"], have.get("value", ""), False)
        elif tag == "textarea":
            self.area = have["name"]
            self.add(self.area, "", True)
        elif tag == "select":
            self.select = have["name"]
        self.option = tag == "option"

    def add(self, name: str, value: str, chosen: bool) -> None:
        form = self.forms[-1]
        form.choices.setdefault(name, []).append(value)
        if chosen:
            form.fields.setdefault(name, value)

    def handle_data(self, text: str) -> None:
        if self.area:
            self.forms[-1].fields[self.area] += text
        if self.option and self.select:
            self.add(self.select, text, True)
            self.option = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            fields = self.forms[-1].fields
            fields[self.area] = fields[self.area].removeprefix("\n")  # HTML 13.2.6.4.7
            self.area = None


@dataclass(frozen=True)
class Page:
    answer: Answer
    forms: list[Form]
    links: list[str]

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def text(self) -> str:
        return self.answer.text

    @property
    def location(self) -> str:
        return self.answer.headers["location"]

    @property
    def form(self) -> Form:
        """The one there is, beside that for an API key."""
        found = [f for f in self.forms if f.action != "/api/auth/key"]
        assert len(found) == 1, self.text
        return found[0]

    def form_to(self, action: str) -> Form:
        """The one with a button of that value."""
        found, = [f for f in self.forms if action in f.choices.get("action", [])]
        return found

    @property
    def policy(self) -> dict[str, str]:
        """The Content-Security-Policy by directive."""
        parts = self.answer.headers["content-security-policy"].split(";")
        return dict(part.strip().split(" ", 1) for part in parts)


def check_page(page: Page) -> None:
    """What every page keeps to."""
    headers = page.answer.headers
    for name, value in SECURE_HEADERS.items():
        assert headers[name] == value, name
    policy = page.policy
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'" and "unsafe" not in str(policy)
    text = page.text
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">') and "viewport" in text
    assert len(re.findall("<style>", text)) == 1 and "<img" not in text and "<link" not in text
    scripts = re.findall(r"<script([^>]*)>", text)
    assert scripts == ([f' nonce="{policy["script-src"][7:-1]}"'] if "script-src" in policy else [])
    for tag in re.findall("<[^>]*>", text):  # data has no '<'
        assert not re.search(r"\son\w+=|\sstyle=|javascript:", tag), tag
    if not page.forms:
        assert policy["form-action"] == "'none'"


class Browser:
    def __init__(self, port: int, *fields: str):
        self.port = port
        self.fields = fields  # sent with every request
        self.cookies: dict[str, tuple[str, str]] = {}  # name -> value, path

    def cookie_fields(self, path: str) -> list[str]:
        sent = [f"{name}={value}" for name, (value, at) in self.cookies.items()
                if path == at or path.startswith(at.rstrip("/") + "/")]
        return [f"Cookie: {'; '.join(sent)}"] if sent else []

    def keep_cookies(self, answer: Answer) -> None:
        for line in answer.headers.get("set-cookie", "").split("\n"):
            if not line:
                continue
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            has = dict(a.partition("=")[::2] for a in attributes)
            assert "HttpOnly" in has and has["SameSite"] == "Lax"
            if has["Max-Age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = (value, has["Path"])

    def request(self, method: str, target: str, body: bytes | None = None, *fields: str) -> Page:
        path = target.partition("?")[0]
        with Http(self.port) as http:
            answer = http.request(method, target, body, *self.cookie_fields(path), *self.fields,
                                  *fields)
        self.keep_cookies(answer)
        parser = Parser(answer.text if answer.headers.get("content-type") == PAGE else "")
        page = Page(answer, parser.forms, parser.links)
        if answer.headers.get("content-type") == PAGE:
            check_page(page)
        return page

    def get(self, url: str) -> Page:
        """A target, or a URL of this server's."""
        parts = urlsplit(url)
        return self.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))

    def post(self, target: str, fields: dict[str, str], site: str = SAME_ORIGIN) -> Page:
        return self.request("POST", target, urlencode(fields, errors="surrogateescape").encode(),
                            "Content-Type: application/x-www-form-urlencoded", site)

    def press(self, page: Page, action: str, **fields: str) -> Page:
        """The button of one of several forms. Lines are sent as browsers do."""
        form = page.form_to(action)
        values = {**form.fields, **fields, "action": action}
        return self.post(form.action, {k: v.replace("\r\n", "\n").replace("\n", "\r\n")
                                       for k, v in values.items()})

    def submit(self, page: Page, **fields: str) -> Page:
        """The page's form, with these fields instead of those that it has."""
        assert page.form.method.lower() == "post" and "'self'" in page.policy["form-action"]
        return self.post(page.form.action, {**page.form.fields, **fields})
