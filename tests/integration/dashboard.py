# SPDX-License-Identifier: Apache-2.0
"""The dashboard in a real browser that is signed in. What is waited for is the page's own
word that it is done (aria-busy), never time.

    def test_x(dashboard):                 # signed in as a new account: dashboard.account
        dashboard.open("#/keys")
        dashboard.fill("Name", "laptop")
        dashboard.press("Create the key")
        dashboard.wait_text("Copy it now")
        dashboard.check("keys")            # console, accessibility, width, photos
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from scripts.stack import Stack
from scripts.stack.part import wait_until
from scripts.stack.stack import Account
from tests.integration.chromium import DESKTOP, PHONE, Chromium
from tests.integration.client import add_session

SECONDS = 20
# What somebody who does not see the page has to be told by name.
NAMED = {"button", "link", "textbox", "searchbox", "checkbox", "radio", "combobox", "listbox",
         "spinbutton", "switch", "slider", "tab", "menuitem", "dialog", "image", "img", "Iframe",
         "region", "navigation", "table"}
SETTLED = """
    const main = document.getElementById("main");
    return document.readyState === "complete" && !document.getElementById("start")
        && !document.querySelector("[aria-busy=true]") && main.querySelector("h1") !== null;"""
CONTROL = """
    const clean = s => s.replace(/\\s+/g, " ").trim();
    const scope = document.querySelector("dialog[open]") ?? document.body;
    const labels = [...scope.querySelectorAll("label")].filter(l => l.checkVisibility());
    const own = l => clean([...l.childNodes].filter(n => n !== l.control).map(n => n.textContent).join(""));
    const found = labels.filter(l => own(l) === arguments[0]).map(l => l.control);
    return found.length ? found : [...scope.querySelectorAll("[aria-label]")]
        .filter(e => e.ariaLabel === arguments[0] && e.matches("input, select, textarea"));"""
PRESSABLE = """
    const scope = document.querySelector("dialog[open]") ?? arguments[1] ?? document.body;
    return [...scope.querySelectorAll("button, a, summary")].filter(b => b.checkVisibility()
        && (b.textContent.trim() === arguments[0] || b.ariaLabel === arguments[0]));"""


class Dashboard:
    def __init__(self, stack: Stack, browser: Chromium, account: Account):
        self.stack, self.browser, self.account = stack, browser, account
        self.driver = browser.driver
        self.url = f"{stack.url}/"
        self.width = self.run("return innerWidth")
        self.sign_in()

    def sign_in(self, account: Account | None = None) -> None:
        """Without the mailed link."""
        account = account or self.account
        self.browser.put_cookie(self.url, "e2a_session", add_session(self.stack, account.user_id))

    def sign_out(self) -> None:
        """The session is gone; the page does not know yet."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    # ---- going about ----

    def start(self, hash: str = "#/", fresh: bool = False) -> None:
        """Goes to a page by its hash; `fresh`: with all that belongs to it, as after typing its URL."""
        if fresh or not self.browser.url.startswith(self.url):
            self.browser.open("about:blank")
            self.browser.open(self.url + hash)
        elif self.browser.url != self.url + hash:
            self.run("location.hash = arguments[0]", hash)
        wait_until(f"to be at {hash}", lambda: self.browser.url == self.url + hash, SECONDS)

    def open(self, hash: str = "#/", fresh: bool = False) -> Dashboard:
        """... and waits until it is there."""
        self.start(hash, fresh)
        return self.settle()

    def settle(self) -> Dashboard:
        """Waits until nothing is being loaded or done."""
        wait_until("the page to settle", lambda: self.driver.execute_script(SETTLED), SECONDS)
        return self

    def hasten(self, times: int) -> None:
        """What pages that are opened from now on wait for an answer is shorter by so much."""
        self.browser.before_pages("const long = AbortSignal.timeout;"
                                  f"AbortSignal.timeout = ms => long.call(AbortSignal, ms / {times});")

    @contextmanager
    def uncached(self) -> Iterator[None]:
        """Whatever earlier tests have loaded is loaded again."""
        command = self.driver.execute_cdp_cmd
        command("Network.enable", {})  # without this the next means nothing
        command("Network.setCacheDisabled", {"cacheDisabled": True})
        command("Network.clearBrowserCache", {})
        try:
            yield
        finally:
            command("Network.setCacheDisabled", {"cacheDisabled": False})
            command("Network.disable", {})

    def run(self, script: str, *args):
        return self.driver.execute_script(script, *args)

    # ---- looking ----

    @property
    def text(self) -> str:
        return self.browser.text

    @property
    def heading(self) -> str:
        return self.browser.heading

    @property
    def hash(self) -> str:
        return self.run("return location.hash")

    def find(self, css: str) -> WebElement:
        return self.browser.find(css)

    def find_all(self, css: str) -> list[WebElement]:
        return self.browser.find_all(css)

    def wait(self, what: str, probe):
        def tried():
            try:
                return probe()
            except StaleElementReferenceException:
                return None

        return wait_until(what, tried, SECONDS)

    def wait_text(self, text: str) -> None:
        self.wait(f"{text!r} on the page", lambda: text in self.text)

    def wait_no_text(self, text: str) -> None:
        self.wait(f"{text!r} to be gone", lambda: text not in self.text)

    def said(self, text: str) -> None:
        """The page says so, to those too who do not see it."""
        self.wait(f"{text!r} to be said", lambda: text in self.find("#said").text)

    def error(self, text: str) -> None:
        self.wait(f"{text!r} as an error", lambda: any(
            text in e.text for e in self.find_all("#errors, [role=alert]")))

    def dialog(self) -> WebElement:
        return self.wait("a dialog", lambda: next(iter(self.find_all("dialog[open]")), None))

    # ---- acting; inside an open dialog, if there is one ----

    def control(self, label: str) -> WebElement:
        found = self.run(CONTROL, label)
        assert len(found) == 1, f"{len(found)} controls are labelled {label!r}"
        return found[0]

    def fill(self, label: str, text: str) -> None:
        """Instead of what stands there."""
        control = self.control(label)
        control.send_keys(Keys.CONTROL, "a")
        control.send_keys(text or Keys.DELETE)

    def choose(self, label: str, option: str) -> None:
        """Of a select: the option with these words."""
        found, = [o for o in self.control(label).find_elements("tag name", "option")
                  if o.text.strip() == option]
        found.click()

    def tick(self, label: str) -> None:
        self.control(label).click()

    def pressable(self, label: str, within: WebElement | None = None) -> WebElement:
        found = self.run(PRESSABLE, label, within)
        assert len(found) == 1, f"{len(found)} times {label!r}"
        return found[0]

    def press(self, label: str, within: WebElement | None = None, settle: bool = True) -> None:
        """The one button or link with these words, or this name."""
        element = self.wait(f"one {label!r}", lambda: len(self.run(PRESSABLE, label, within)) == 1
                            and self.pressable(label, within))
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        if settle and not self.find_all("dialog[open]"):
            self.settle()

    def keys(self, *keys: str) -> None:
        """To whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def pasted(self) -> str:
        """What is in the clipboard."""
        self.driver.execute_cdp_cmd("Browser.grantPermissions", {
            "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        return self.driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0], e => arguments[0](String(e)));")

    # ---- judging ----

    def assert_clean(self, *expected: str) -> None:
        """Nothing in the console, but for what these patterns match."""
        said = [e for e in self.browser.console() if not e.startswith(("DEBUG", "INFO"))]
        odd = [e for e in said if not any(re.search(p, e) for p in expected)]
        assert not odd, odd

    def assert_accessible(self) -> None:
        """Who does not see the page, or has no mouse, is told what everything is."""
        nodes = self.browser.accessible()
        modal = bool(self.find_all("dialog[open]"))
        for node in nodes:
            assert node["name"] or node["role"] not in NAMED, node
        headings = [n["level"] for n in nodes if n["role"] == "heading"]
        if not modal:
            assert [n["role"] for n in nodes].count("main") == 1
            assert headings[:1] == [1] and headings.count(1) == 1, headings
            for above, below in zip(headings, headings[1:]):
                assert below <= above + 1, f"a heading is left out: {headings}"
        ids = self.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), "an id twice"

    def assert_fits(self) -> None:
        """On a phone nothing but wide tables has to be moved sideways."""
        with self.sized(PHONE):
            width, window = self.run(
                "return [document.documentElement.scrollWidth, window.innerWidth]")
            assert width <= window, f"{width} of {window} pixels"

    @contextmanager
    def sized(self, size: tuple[int, int]) -> Iterator[None]:
        self.browser.resize(size)
        try:
            yield
        finally:
            self.browser.resize(None)
            wait_until("the window's own width", lambda: self.run(
                "return innerWidth") == self.width)

    def photos(self, name: str) -> None:
        """As it looks on a desktop, on a phone and in the dark."""
        for window, size, scheme in (("desktop", DESKTOP, "light"), ("phone", PHONE, "light"),
                                     ("dark", DESKTOP, "dark")):
            with self.sized(size):
                self.browser.prefer(scheme)
                self.browser.photo(f"web-{name}-{window}")
        self.browser.prefer("")

    def check(self, name: str = "", *expected: str) -> None:
        """All that holds for every page; with a name its photos are kept."""
        self.assert_clean(*expected)
        self.assert_accessible()
        self.assert_fits()
        if name:
            self.photos(name)
