# SPDX-License-Identifier: Apache-2.0
"""The HTML of mail as a document for a frame: what is in it, and that a browser which shows it
asks nobody for anything. The browser is real; whom it connects to is seen by a listener, what
it looks up by its own log of the network."""

from __future__ import annotations

import base64
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains

from scripts.stack.part import wait_until
from tests.integration.chromium import Chromium
from tests.integration.client import Answer, add_key, add_session, signed_in, with_key
from tests.integration.sender import Sender, query, said

NO_AGENT = (404, "agent not found: agent not found\n")
NO_MESSAGE = (404, "message not found\n")
NO_HTML = (404, "message has no html\n")
MIB = 1024 * 1024


class Reader(Sender):
    def html(self, message: str, call=None, agent: str = "") -> Answer:
        return (call or self.call)(
            "GET", f"/api/v1/agents/{agent or self.agent}/messages/{message}/html")

    def take(self, data: bytes | EmailMessage) -> str:
        """The id of this mail, once it came in."""
        data = data if isinstance(data, bytes) else data.as_bytes()
        since = self.stack.part("deliverd").log_mark()
        answer = self.stack.send("alice@sender.example", self.agent,
                                 re.sub(rb"\r?\n", b"\r\n", data))
        assert answer.code == 250
        line = self.stack.wait_for_log("deliverd", f"mail_stored queue_id={answer.queue_id}", since)
        return re.search(r"message_id=(\S+)", line)[1]

    def mail(self, html: str | bytes, charset: str = "utf-8", encoding: str = "8bit") -> str:
        """One that is nothing but HTML."""
        body = html if isinstance(html, bytes) else html.encode(charset)
        head = (f"From: Alice <alice@sender.example>\nTo: {self.agent}\nSubject: HTML\n"
                f"MIME-Version: 1.0\nContent-Type: text/html; charset={charset}\n"
                f"Content-Transfer-Encoding: {encoding}\n\n")
        return self.take(head.encode() + body + b"\n")

    def page(self, html: str | bytes, **how: str) -> str:
        answer = self.html(self.mail(html, **how))
        assert answer.status == 200, answer
        return answer.body.decode().removesuffix("\n")


@pytest.fixture
def me(stack, account) -> Reader:
    return Reader(stack)


@pytest.fixture
def other(stack, account) -> Reader:
    return Reader(stack)


# ---- the document ----

def test_the_headers_keep_it_in_its_frame(stack, me):
    message = me.mail("<p>Hi</p>")
    for call in (me.call, signed_in(stack, me.user_id),
                 with_key(stack.http_port, add_key(stack, me.user_id, agent=me.agent)[1])):
        headers = me.html(message, call).headers
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["content-security-policy"] == (
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            "form-action 'none'; base-uri 'none'; frame-ancestors 'self'")
        for name, value in (("x-frame-options", "SAMEORIGIN"), ("referrer-policy", "no-referrer"),
                            ("x-content-type-options", "nosniff"), ("cache-control", "no-store"),
                            ("x-dns-prefetch-control", "off"),
                            ("cross-origin-resource-policy", "same-origin")):
            assert headers[name] == value, name
    assert me.inbox(me.agent)[0]["status"] == "unread"


@pytest.mark.parametrize("html, how, want", [
    ("<p>Gr\u00fc\u00dfe</p>", {}, "<p>Gr\u00fc\u00dfe</p>"),
    ("<p>Gr\u00fc\u00dfe</p>", {"charset": "iso-8859-1"}, "<p>Gr\u00fc\u00dfe</p>"),
    (b"<p>Gr\xfc\xdfe</p>", {}, "<p>Gr\u00fc\u00dfe</p>"),  # it says UTF-8 and is not
    (base64.b64encode("<link>\u65e5".encode("utf-16")),
     {"charset": "utf-16", "encoding": "base64"}, "<x-link>\u65e5"),
    ("<p>=C3=BC</p>", {"encoding": "quoted-printable"}, "<p>\u00fc</p>"),
    (b"<p>a\0b</p><li\0nk>", {}, "<p>ab</p><x-link>"),
    ("<LINK rel=x><a href=x>there</a>", {}, "<x-LINK rel=x><x-a href=x>there</x-a>"),
    ("<meta charset=utf-7><p>+ADw-script+AD4-", {}, "<x-meta charset=utf-7><p>+ADw-script+AD4-"),
    ("", {}, ""),
], ids=lambda v: ascii(v)[:30] if isinstance(v, (str, bytes)) else "")
def test_it_is_utf8_and_inert_whatever_it_says(me, html, how, want):
    assert me.page(html, **how) == want


def test_as_much_goes_out_as_stands_in_the_mail_and_no_more(stack, me):
    large = "<p><a>" + "0123456789\u00e9" * 600_000
    message = me.mail(large.replace("9\u00e9", "9\u00e9\n"))
    answer = me.html(message)
    assert answer.status == 200 and answer.headers["transfer-encoding"] == "chunked"
    assert MIB <= len(answer.body) <= MIB + 4
    assert answer.body.startswith(b"<p><x-a>0123456789")
    detail = me.call("GET", f"/api/v1/agents/{me.agent}/messages/{message}?peek=1").json
    assert detail["html_truncated"] and answer.body.decode() == detail["html"].replace("<a>", "<x-a>")


def test_names_that_are_cut_by_pieces_are_found(me):
    html = "".join(f"{'x' * n}<link n={n}>" for n in range(400))
    assert me.page(html).count("<x-link n=") == 400


def test_html_that_is_not_there(stack, me, other):
    plain, theirs, mine = me.receive(), other.mail("<p>x"), me.mail("<p>x")
    assert said(me.html(plain)) == NO_HTML
    for message in (theirs, "msg_" + "0" * 32, "x"):
        assert said(me.html(message)) == NO_MESSAGE
    assert said(me.html(mine, other.call)) == NO_AGENT
    key = with_key(stack.http_port, add_key(stack, me.user_id, agent=me.make_agent())[1])
    assert said(me.html(mine, key)) == NO_AGENT
    query(stack, "UPDATE messages SET expires_at = now() WHERE id = %s", mine)
    assert said(me.html(mine)) == NO_MESSAGE


# ---- in a browser ----

# {} is a host of its own for each
LOADS = {
    "preconnect": '<link rel=preconnect href="//{}/">',
    "cross": '<link rel=preconnect crossorigin href="//{}/">',
    "lookup": '<meta http-equiv=x-dns-prefetch-control content=on><link rel=dns-prefetch href="//{}/">',
    "prefetch": '<link rel=prefetch href="//{}/x">',
    "preload": '<link rel=preload as=image href="//{}/x">',
    "module": '<link rel=modulepreload href="//{}/x">',
    "sheet": '<link rel=stylesheet href="//{}/x.css">',
    "shadow": '<div><template shadowrootmode=open><link rel=preconnect href="//{}/"></template></div>',
    "noscript": '<noscript><link rel=preconnect href="//{}/"></noscript>',
    "image": '<img src="//{}/x.png">',
    "set": '<img srcset="//{}/x.png 1x">',
    "picture": '<picture><source srcset="//{}/x.png"><img></picture>',
    "css": '<div style="background:url(//{}/x.png)">a</div>',
    "import": '<style>@import "//{}/x.css";</style>',
    "font": '<style>@font-face{{font-family:q;src:url(//{}/x)}}p{{font-family:q}}</style><p>q</p>',
    "marker": '<style>li{{list-style-image:url(//{}/x)}}</style><ul><li>x</ul>',
    "after": '<style>b:after{{content:url(//{}/x)}}</style><b>x</b>',
    "svg": '<svg><image href="//{}/x.png" width=9 height=9 /></svg>',
    "video": '<video src="//{}/x.mp4" autoplay></video>',
    "audio": '<audio src="//{}/x.mp3" autoplay></audio>',
    "object": '<object data="//{}/x.png"></object>',
    "embed": '<embed src="//{}/x.png">',
    "iframe": '<iframe src="//{}/x"></iframe>',
    "nested": '<iframe srcdoc="<img src=//{}/x>"></iframe>',
    "background": '<table background="//{}/x.png"><tr><td>x</table>',
    "input": '<input type=image src="//{}/x.png">',
    "script": '<script src="//{}/x.js"></script>',
    "inline": '<img src=x onerror="fetch(\'//{}/x\')">',
    "base": '<base href="//{}/">',
    "relative": '<img src="relative.png">',
    "rules": '<script type=speculationrules>{{"prefetch":[{{"source":"list","urls":["//{}/"]}}]}}'
             '</script>',
}
UNSEEN = {"noscript", "relative"}  # has scripts there; its host is that of <base>
# One of these on a page is enough: it leads away.
LEADS = {
    "link": '<a id=c href="//{}/" ping="//{}/">away</a>',
    "new": '<a id=c href="//{}/" target=_blank>away</a>',
    "top": '<a id=c href="//{}/" target=_top>away</a>',
    "drawn": '<svg><a id=c href="//{}/"><text y=20>away</text></a></svg>',
    "form": '<form action="//{}/"><button id=c>away</button></form>',
    "refresh": '<meta http-equiv=refresh content="0;url=//{}/">',
}
# They are all of loopback, whoever is asked.
RESOLVE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE *.localhost"


class Ears:
    """Whoever connects; nobody gets an answer."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.socket.getsockname()[1]
        self.heard = 0

    def listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.heard += 1
            connection.close()


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears = Ears()
    threading.Thread(target=ears.listen, daemon=True).start()
    yield ears
    ears.socket.shutdown(socket.SHUT_RDWR)
    ears.socket.close()


def document(vectors: dict[str, str], ears: Ears, prefix: str) -> str:
    return "<!DOCTYPE html><body>" + "\n".join(
        html.format(*[f"{prefix}{name}.localhost:{ears.port}"] * 2)
        for name, html in vectors.items())


class Site(http.server.BaseHTTPRequestHandler):
    """Somebody else's, which keeps nothing from anybody."""
    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(page: str) -> Iterator[str]:
    handler = type("Site", (Site,), {"page": page.encode()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def names_in(log: Path, prefix: str) -> set[str]:
    """The names that a browser had to do with, as it says itself."""
    return set(re.findall(rf"\b{prefix}([a-z]+)\.localhost\b", log.read_text()))


def frame(browser: Chromium, path: str) -> None:
    """Shows it in a frame of the page that is open, and enters that."""
    browser.driver.execute_async_script("""
        const f = document.createElement("iframe"), done = arguments[1];
        f.setAttribute("sandbox", "");
        f.width = 800; f.height = 600;
        f.onload = () => requestIdleCallback(() => setTimeout(done, 300));
        f.src = arguments[0];
        document.body.replaceChildren(f);""", path)
    browser.driver.switch_to.frame(0)


def press_all(browser: Chromium) -> None:
    for element in browser.find_all("#c"):
        ActionChains(browser.driver).move_to_element(element).pause(0.1).click().perform()
    browser.driver.switch_to.default_content()


def end(browser: Chromium, ears: Ears, prefix: str) -> None:
    """What was begun before this has been seen when this is."""
    heard = ears.heard
    with suppress(WebDriverException):
        browser.open(f"http://{prefix}end.localhost:{ears.port}/")
    wait_until("the last connection", lambda: ears.heard > heard)


def test_a_browser_that_shows_it_asks_nobody(stack, me, build, tmp_path, ears):
    """The same document is shown without what protects here first: else nothing would be proven."""
    message = me.mail(document({**LOADS, **LEADS}, ears, "kept"))
    log = tmp_path / "net.json"
    with site(document(LOADS, ears, "open")) as elsewhere, \
            Chromium(build, tmp_path, flags=(f"--log-net-log={log}", RESOLVE)) as browser:
        browser.look_at(elsewhere)
        end(browser, ears, "open")
        heard = ears.heard
        browser.open(f"{stack.url}/api/health")
        browser.put_cookie(f"{stack.url}/", "e2a_session", add_session(stack, me.user_id))
        browser.open(f"{stack.url}/")
        frame(browser, f"/api/v1/agents/{me.agent}/messages/{message}/html")
        assert browser.text.count("away") == 5
        press_all(browser)
        assert browser.url == f"{stack.url}/" and len(browser.driver.window_handles) == 1
        assert ears.heard == heard
        end(browser, ears, "kept")
    assert names_in(log, "open") == LOADS.keys() - UNSEEN | {"end"}
    assert names_in(log, "kept") == {"end"}
