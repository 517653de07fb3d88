# SPDX-License-Identifier: Apache-2.0
"""Pages of somebody else, in the browser of a user who is signed in: whatever they make the
browser send, nothing is changed and nothing is read. Every route that acts is tried, by its
row of the route table; and a real browser with real foreign origins."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.stack.peers import Api
from tests.integration.client import add_key
from tests.integration.outbound import Author, address
from tests.integration.sender import query
from tests.integration.world import OPERATIONS, Request, World

REFUSED = (403, "cross-site request refused\n")
# What no cookie authorises: a token in the request does, or nobody has to.
FREE = {"sendFeedback": "anybody may", "approveByLink": "token", "rejectByLink": "token",
        "answerDelegation": "token", "answerReviewer": "token"}
# What is written without anybody's act, or is no state of the account.
NOISE = {"sessions", "idempotency_keys", "rate_counters", "rate_hits"}


def tables(stack) -> list[str]:
    return [t for t, in query(stack, "SELECT c.table_name FROM information_schema.columns c "
                              "JOIN information_schema.tables t USING (table_schema, table_name) "
                              "WHERE c.table_schema = 'e2a' AND c.column_name = 'user_id' "
                              "AND t.table_type = 'BASE TABLE'") if t not in NOISE]


def state(stack, user_id: str) -> dict[str, str]:
    """Of all that the account has, by table."""
    return {t: query(stack, f"SELECT md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')) "
                     f"FROM {t} t WHERE user_id = %s", user_id)[0][0] for t in tables(stack)}


@pytest.fixture(scope="module")
def world(stack, account) -> World:
    return World(stack)


# ---- what browsers send, by hand ----

@pytest.fixture(scope="module")
def acting(build) -> list[str]:
    """The operations behind all rows that do more than read."""
    done = subprocess.run([build / "tests/tools/routes"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    names = {(o.method, re.sub(r"\{\w+\}", "{}", o.path)): o.id for o in OPERATIONS.values()}
    found = [names[row["method"], row["path"]] for row in rows if row["method"] not in ("GET", "HEAD", "*")]
    assert len(found) > 30
    return found


def disguises(request: Request) -> Iterator[list[str]]:
    """The same body as a form or a fetch of a foreign page can send it without being asked for leave."""
    for site in ("cross-site", "same-site", "none"):
        yield [f"Sec-Fetch-Site: {site}", "Origin: http://evil.example", "Content-Type: text/plain"]
    yield ["Origin: null", "Content-Type: application/x-www-form-urlencoded"]
    yield ["Origin: http://127.0.0.1:1", "Content-Type: multipart/form-data; boundary=x"]
    yield ["Origin: http://127.0.0.1", "Content-Type: text/plain"]
    yield ["Content-Type: text/plain"]


def test_no_route_acts_for_a_page_of_somebody_else(stack, world, acting):
    before = state(stack, world.user_id)
    cookie = f"Cookie: e2a_session={world.session}"
    for name in acting:
        if name in FREE:
            continue
        request = world.request(OPERATIONS[name])
        for fields in disguises(request):
            answer = request.send(stack.http_port, cookie, *fields)
            assert (answer.status, answer.text) == REFUSED, (name, fields, answer)
            assert "set-cookie" not in answer.headers
    assert state(stack, world.user_id) == before
    assert world.api.call("DELETE", f"/api/v1/domains/{world.things.domain}")[0] == 204
    assert state(stack, world.user_id) != before  # it would have been seen


def test_what_needs_no_cookie_makes_nothing_of_one(stack, world, acting):
    assert set(FREE) <= set(acting)
    request, cookie = world.request(OPERATIONS["sendFeedback"]), f"Cookie: e2a_session={world.session}"
    answer = request.send(stack.http_port, cookie, "Sec-Fetch-Site: cross-site", "Content-Type: text/plain")
    assert answer.status == 200
    assert query(stack, "SELECT count(*) FROM feedback WHERE user_id = %s", world.user_id) == [(0,)]
    requests = [world.request(OPERATIONS[name]) for name, why in FREE.items() if why == "token"]
    before = state(stack, world.user_id)
    for request in requests:
        assert b"t=" in request.body
        request.body = re.sub(rb"\bt=[^&]*", b"t=" + b"0" * 64, request.body)
        for site in ("cross-site", "same-origin"):
            answer = request.send(stack.http_port, cookie, f"Sec-Fetch-Site: {site}",
                                  "Content-Type: application/x-www-form-urlencoded")
            assert answer.status in (400, 403, 410), answer
    assert state(stack, world.user_id) == before


# ---- a real browser at real foreign pages ----

class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>elsewhere</title><link rel=icon href=data:,><p>A page of somebody else.")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of a server of somebody else's. By the name of the host in the URL its pages are
    of the same site as ours (127.0.0.1: the cookie comes along) or of another (localhost)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


# Each of them is given the URL that it should make act, and says what it could read.
ATTACKS = {
    "a form": "form(url, 'application/x-www-form-urlencoded', {action: 'approve', id})",
    "a form of JSON": """form(url, 'text/plain', {'{"reason":"': 'x"}'})""",
    "a form of files": "form(url, 'multipart/form-data', {reason: 'x'})",
    "a fetch": "ask(url, {method: 'POST', mode: 'no-cors', body: '{}'})",
    "a fetch that asks to read": "ask(url, {method: 'POST', mode: 'cors', body: '{}'})",
    "a fetch of JSON": """ask(url, {method: 'POST', mode: 'cors', body: '{}',
        headers: {'Content-Type': 'application/json'}})""",
    "a fetch that stays": "ask(url, {method: 'POST', mode: 'no-cors', keepalive: true, body: '{}'})",
    "a beacon": "String(navigator.sendBeacon(url, '{}')).replace(/true|false/, '')",
    "an image": "element('img', url)",
    "a script": "element('script', url)",
    "a frame": "element('iframe', url)",
    "another method": "ask(url, {method: 'PUT', mode: 'cors', body: '{}'})",
    "a deletion": "ask(url, {method: 'DELETE', mode: 'cors'})",
}
WRITES_ARRIVE = 6  # of them reach the server as a POST
RUN = """
    const [url, id, done] = arguments;
    const ask = async (url, options) => {
        const answer = await fetch(url, {credentials: "include", ...options});
        return answer.type === "opaque" ? "" : await answer.text();
    };
    const loaded = node => new Promise(resolve => {
        node.onload = node.onerror = () => resolve("");
        setTimeout(resolve, 1000, ""); // a frame that became a download tells nobody
        document.body.append(node);
    });
    const element = (name, url) => loaded(Object.assign(document.createElement(name), {src: url}))
        .then(() => name === "iframe" ? tried(() => frames[frames.length - 1].document.body.textContent) : "");
    const tried = f => { try { return f(); } catch { return ""; } };
    const form = async (url, enctype, fields) => {
        const frame = Object.assign(document.createElement("iframe"), {name: "f" + Math.random()});
        const f = Object.assign(document.createElement("form"),
            {action: url, method: "post", enctype, target: frame.name});
        for (const [name, value] of Object.entries(fields))
            f.append(Object.assign(document.createElement("input"), {name, value}));
        const there = loaded(frame);
        document.body.append(f);
        await there;
        const answered = new Promise(resolve => { frame.onload = () => resolve(""); });
        f.submit();
        await Promise.race([answered, new Promise(resolve => setTimeout(resolve, 3000))]);
        return tried(() => frame.contentDocument.body.textContent) || "";
    };
    (async () => %s)().then(v => done(String(v ?? "")), e => done(""));"""


@pytest.fixture
def mine(stack, dashboard) -> Author:
    api = Api(stack.url, dashboard.account.api_key)
    author = Author(stack, api, api.make_agent(f"csrf{dashboard.account.user_id[-10:]}"))
    assert api.call("PUT", author.path, {"hitl_enabled": True})[0] == 200
    return author


def waiting(author: Author) -> str:
    status, answer = author.ask(to=[address()], subject="Waits")
    assert status == 202
    return answer["message_id"]


def targets(stack, author: Author, id: str) -> list[str]:
    return [f"/api/v1/messages/{id}/approve", f"/api/v1/messages/{id}/reject", "/dashboard/pending/review",
            "/api/auth/logout", "/api/auth/key", "/api/v1/users/me?confirm=DELETE", author.path, "/api/keys"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same site", "another site"])
def test_a_page_of_somebody_else_makes_the_browser_do_nothing(stack, dashboard, mine, elsewhere, host):
    id, driver, user = waiting(mine), dashboard.driver, dashboard.account.user_id
    dashboard.open("#/pending", fresh=True)
    driver.set_script_timeout(20)
    before, mark = state(stack, user), stack.apid.log_mark()
    driver.get(f"http://{host}:{elsewhere}/")
    for target in targets(stack, mine, id)[:8 if host == "127.0.0.1" else 3]:  # the cookie comes along, or not
        for name, attack in ATTACKS.items():
            read = driver.execute_async_script(RUN % attack, stack.url + target, id)
            assert read == "", (target, name, read)
    assert state(stack, user) == before
    approve = re.escape(f"/messages/{id}/approve")
    tried = re.findall(rf"method=POST path=\S*{approve} status=(\d+)", stack.apid.log_since(mark))
    assert len(tried) >= WRITES_ARRIVE and set(tried) <= ({"403"} if host == "127.0.0.1" else {"401", "403"})
    dashboard.open("#/pending", fresh=True)  # still signed in
    assert "Waits" in dashboard.text
    # what a page of ours asks for in the same way is done
    own = driver.execute_async_script(RUN % ATTACKS["a fetch that asks to read"],
                                      f"{stack.url}/api/v1/messages/{id}/approve", id)
    assert json.loads(own)["status"] == "sent"


READS = ["/api/v1/messages", "/api/auth/me", "/api/v1/users/me/export", "/", "/dashboard/pending",
         "/api/v1/messages/{id}", "/api/v1/messages/{id}/html", "/dashboard/pending/content?id={id}&part=text"]


def test_a_page_of_somebody_else_reads_nothing(stack, dashboard, mine, elsewhere):
    id = waiting(mine)
    dashboard.open("#/pending", fresh=True)
    dashboard.driver.get(f"http://127.0.0.1:{elsewhere}/")
    for target in READS:
        for attack in ("ask(url, {mode: 'cors'})", "ask(url, {mode: 'no-cors'})", ATTACKS["a frame"],
                       ATTACKS["a script"], ATTACKS["an image"]):
            url = stack.url + target.replace("{id}", id)
            assert dashboard.driver.execute_async_script(RUN % attack, url, id) == "", (target, attack)
    socket = dashboard.driver.execute_async_script("""
        const [url, done] = arguments;
        const socket = new WebSocket(url);
        socket.onopen = () => done("open");
        socket.onerror = () => done("");""", stack.url.replace("http", "ws") + mine.path + "/ws")
    assert socket == ""


def test_nobody_is_signed_in_as_somebody_else(stack, dashboard, mine, elsewhere, stranger):
    """A page that signs the browser in as its own account would be told what is typed there."""
    key = add_key(stack, stranger.user_id)[1]
    dashboard.open("#/account", fresh=True)
    dashboard.driver.get(f"http://127.0.0.1:{elsewhere}/")
    for attack in (f"""form(url, 'text/plain', {{'{{"key":"{key}","x":"': '"}}'}})""",
                   f"form(url, 'application/x-www-form-urlencoded', {{key: '{key}'}})",
                   f"""ask(url, {{method: 'POST', mode: 'no-cors', body: '{{"key":"{key}"}}'}})"""):
        dashboard.driver.execute_async_script(RUN % attack, f"{stack.url}/api/auth/key", "")
    dashboard.open("#/account", fresh=True)
    assert dashboard.run("return fetch('/api/auth/me').then(a => a.json()).then(m => m.id)") == \
        dashboard.account.user_id
