# SPDX-License-Identifier: Apache-2.0
"""A real browser without a window: Chromium, driven by its WebDriver. Its profile lies in
the test's own folder, and names other than those of loopback lead it nowhere. What it
shows is kept below build/<build>/screenshots, to be looked at.

    with Chromium(build, tmp_path) as browser:
        browser.open(url)
        browser.photo("approve")
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from types import TracebackType

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from scripts.stack.part import CLEAN_ENV, wait_until, write_file

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests are root's, for whom Chromium has none
    "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--lang=en",
    # Nothing that the test did not ask for, and nothing beyond loopback.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
    "--no-proxy-server", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-domain-reliability",
    "--disable-client-side-phishing-detection", "--disable-breakpad", "--no-pings",
    "--disable-features=MediaRouter,OptimizationHints,AutofillServerCommunication,Translate",
)
DESKTOP, PHONE = (1100, 800), (390, 760)
PAGE_SECONDS = 30
MORTAL = "setpriv", "--pdeathsig", "KILL", "--"  # whatever ends the one above it


def options_for(home: Path, size: tuple[int, int], scripts: bool,
                flags: tuple[str, ...]) -> webdriver.ChromeOptions:
    program = write_file(home / "chromium", f"#!/bin/sh\nexec {' '.join(MORTAL)} chromium \"$@\"\n",
                         0o755)
    options = webdriver.ChromeOptions()
    options.binary_location = str(program)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={home}/profile", f"--window-size={size[0]},{size[1]}",
                 *flags):
        options.add_argument(flag)
    if size == PHONE:
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": {
            "width": size[0], "height": size[1], "pixelRatio": 2.0, "touch": True}})
    if not scripts:
        options.add_experimental_option("prefs", {
            "profile.managed_default_content_settings.javascript": 2})
    return options


class Driver(Service):
    """chromedriver, which ends when this process does."""

    def command_line_args(self) -> list[str]:
        return [*MORTAL[1:], "/usr/bin/chromedriver", *super().command_line_args()]


class Chromium:
    def __init__(self, build: Path, folder: Path, size: tuple[int, int] = DESKTOP,
                 scripts: bool = True, flags: tuple[str, ...] = ()):
        self.photos = build / "screenshots"
        self.photos.mkdir(parents=True, exist_ok=True)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        service = Driver("/usr/bin/setpriv", log_path=str(folder / "chromedriver.log"),
                         env={**CLEAN_ENV, "HOME": str(home), "TMPDIR": str(folder)})
        self.driver = webdriver.Chrome(service=service,
                                       options=options_for(home, size, scripts, flags))
        self.driver.set_page_load_timeout(PAGE_SECONDS)
        self.early: list[str] = []  # what before_pages() added

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            if error:
                self.photo("failed")
        finally:
            self.driver.quit()

    def open(self, url: str) -> None:
        self.driver.get(url)

    @property
    def url(self) -> str:
        return self.driver.current_url

    @property
    def title(self) -> str:
        return self.driver.title

    @property
    def heading(self) -> str:
        return self.find("h1").text

    @property
    def text(self) -> str:
        """What a reader sees."""
        return self.find("body").text

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def find_all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def button(self, label: str) -> WebElement:
        """The one with these words on it."""
        found = [b for b in self.find_all("button, input[type=submit]")
                 if label in (b.text, b.get_attribute("value"))]
        assert len(found) == 1, f"{label!r} among {[b.text for b in self.find_all('button')]}"
        return found[0]

    def type(self, css: str, text: str) -> None:
        """Instead of what stands there."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def unfold(self, label: str) -> None:
        found, = [s for s in self.find_all("summary") if s.text == label]
        found.click()

    def press(self, label: str) -> None:
        """Presses a button that leads to another page, and waits for that."""
        self.leave(self.button(label))

    def follow(self, css: str) -> None:
        self.leave(self.find(css))

    def leave(self, element: WebElement) -> None:
        def arrived() -> bool:
            try:
                return self.find("html").id != before and self.is_read()
            except NoSuchElementException:  # between the two there is no page
                return False

        before = self.find("html").id
        element.click()
        wait_until("the next page", arrived, PAGE_SECONDS)

    def look_at(self, url: str) -> None:
        """Opens a page, or gets a file, and lets scripts do what they begin by themselves."""
        try:
            self.open(url)
        except WebDriverException as e:
            assert "ERR_ABORTED" in str(e), e  # it was not shown but saved
        self.driver.execute_async_script(
            "const done = arguments[0]; requestIdleCallback(() => setTimeout(done, 100));")

    def put_cookie(self, url: str, name: str, value: str) -> None:
        self.driver.execute_cdp_cmd("Network.setCookie", {
            "url": url, "name": name, "value": value, "path": "/", "httpOnly": True,
            "sameSite": "Lax"})

    def before_pages(self, script: str) -> None:
        """Runs it in each document that is opened from now on, before its own scripts."""
        made = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                           {"source": script})
        self.early.append(made["identifier"])

    def forget(self) -> None:
        """Cookies, what pages have stored, what was to be run in them, and what the console says."""
        while self.early:
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument",
                                        {"identifier": self.early.pop()})
        if self.url.startswith("http"):
            self.driver.execute_script("localStorage.clear(); sessionStorage.clear();")
        self.open("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.console()

    def console(self) -> list[str]:
        """What was said there since the last call: level, source and text of each entry."""
        return [f"{e['level']} {e.get('source', '')}: {e['message']}"
                for e in self.driver.get_log("browser")]

    def resize(self, size: tuple[int, int] | None) -> None:
        """The window as a phone's or another; None: as it was."""
        if size is None:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            return
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 2 if size == PHONE else 1,
            "mobile": size == PHONE})

    def prefer(self, scheme: str) -> None:
        """dark or light; "" is the browser's own choice."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def accessible(self) -> list[dict]:
        """The accessibility tree, of what is in it: role, name, level of each, in order."""
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [{"role": n["role"]["value"], "name": n.get("name", {}).get("value", "").strip(),
                 **{p["name"]: p["value"].get("value") for p in n.get("properties", [])}}
                for n in nodes if not n["ignored"]]

    def is_read(self) -> bool:
        """Whole, and its scripts have run."""
        return self.driver.execute_script("return document.readyState") == "complete"

    def fits(self) -> bool:
        """Nothing has to be scrolled sideways, or inside a frame of its own: on a phone
        nobody sees that there is more."""
        return self.driver.execute_script("""
            const hides = e => e.clientHeight > 0 && e.scrollHeight > e.clientHeight + 1
                && getComputedStyle(e).overflowY != "visible" && e.localName != "textarea";
            return document.documentElement.scrollWidth <= window.innerWidth
                && ![...document.body.querySelectorAll("*")].some(hides);""")

    def photo(self, name: str) -> Path:
        """The whole page, however long."""
        assert re.fullmatch(r"[a-z0-9-]+", name)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "format": "png", "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"],
                     "scale": 1}})
        path = self.photos / f"{name}.png"
        path.write_bytes(base64.b64decode(shot["data"]))
        return path
