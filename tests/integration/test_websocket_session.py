# SPDX-License-Identifier: Apache-2.0
"""WebSockets of a browser that is signed in: opened by its cookie, for pages of our own
only, and for no longer than the session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from scripts.stack import StackError
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from tests.integration.browser import Browser
from tests.integration.client import (EventStream, Http, SecondApid, WebSocket, add_session, insert_mail,
                                      second_apid, upgrade_fields, ws_target)

OVER = (1008, "no longer authorized")


@pytest.fixture(scope="module")
def quick(stack, account) -> Iterator[SecondApid]:
    """A second e2a-apid, which looks again every second."""
    with second_apid(stack, 81, ws_recheck="1s") as apid:
        yield apid


@pytest.fixture(scope="module")
def patient(stack, account) -> Iterator[SecondApid]:
    """Another one, which looks again after an hour."""
    with second_apid(stack, 82, ws_recheck="1h") as apid:
        yield apid


@pytest.fixture
def connect(stack) -> Iterator[Callable[..., WebSocket]]:
    """connect(agent, session, *fields): an open WebSocket of our page, closed after the test."""
    opened: list[WebSocket] = []

    def connect(agent: str, session: str, *fields: str, port: int = 0, key: str = "",
                **options) -> WebSocket:
        fields = fields or (f"Origin: {stack.url}",)
        socket = WebSocket(port or stack.http_port, agent, key,
                           f"Cookie: theme=dark; e2a_session={session}", *fields, **options)
        opened.append(socket)
        return socket

    yield connect
    for socket in opened:
        socket.close()


# ---- who gets in ----

@pytest.mark.parametrize("fields", [
    ["Origin: {own}"], ["Sec-Fetch-Site: same-origin"],
    ["Sec-Fetch-Site: same-origin", "Origin: {own}", "Sec-Fetch-Mode: websocket"],
], ids=str)
def test_a_page_of_our_own_opens_a_socket_by_cookie(stack, account, make_agent, connect, fields):
    agent = make_agent()
    insert_mail(stack, account.user_id, agent)
    socket = connect(agent, add_session(stack, account.user_id),
                     *[f.format(own=stack.url) for f in fields])
    assert socket.notice()["subject"] == "written"
    insert_mail(stack, account.user_id, agent)
    assert socket.notice()["recipient"] == agent


STRANGE = [
    [], ["Origin: null"], ["Origin: "], ["Origin: https://evil.example"],
    ["Origin: http://127.0.0.1:1"], ["Origin: {own}.evil.example"], ["Origin: {own}@evil.example"],
    ["Origin: https://{host}"], ["Origin: {own} https://evil.example"],
    ["Sec-Fetch-Site: cross-site", "Origin: {own}"], ["Sec-Fetch-Site: same-site"],
    ["Sec-Fetch-Site: none", "Origin: {own}"], ["Referer: {own}/"],
]


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize("fields", STRANGE, ids=str)
def test_a_cookie_that_another_page_borrows_opens_nothing(stack, account, make_agent, fields,
                                                          upgrade):
    agent, session = make_agent(), add_session(stack, account.user_id)
    own = {"own": stack.url, "host": stack.url.partition("://")[2]}
    with Http(stack.http_port) as http:
        answer = http.request("GET", ws_target(agent), None, f"Cookie: e2a_session={session}",
                              *[f.format(**own) for f in fields],
                              *(upgrade_fields() if upgrade else []))
    assert (answer.status, answer.text) == (403, "cross-site request refused\n")


@pytest.mark.parametrize("twice", ["Origin: {own}", "Cookie: e2a_session=other",
                                   "Sec-Fetch-Site: same-origin"])
def test_a_field_that_comes_twice_opens_nothing(stack, account, make_agent, connect, twice):
    fields = ["Origin: {own}", "Sec-Fetch-Site: same-origin", twice]
    with pytest.raises(StackError, match="^503 open a new connection for a WebSocket\n$"):
        connect(make_agent(), add_session(stack, account.user_id),
                *[f.format(own=stack.url) for f in fields])


def test_a_foreign_page_in_a_browser_gets_no_socket(stack, account, window, make_agent, quick):
    """One of the same host, to which the browser sends the cookie: another port is another
    origin, and no other site."""
    agent, session = make_agent(), add_session(stack, account.user_id)
    script = """
        const done = arguments[1];
        const socket = new WebSocket(arguments[0]);
        socket.onopen = () => done("open");
        socket.onclose = e => done(e.code);"""

    def tried(page: str) -> str | int:
        window.open(f"{page}/api/health")
        target = f"ws://127.0.0.1:{stack.http_port}{ws_target(agent)}"
        return window.driver.execute_async_script(script, target)

    window.put_cookie(stack.url, "e2a_session", session)
    assert tried(quick.url) == 1006
    assert tried(stack.url) == "open"
    window.forget()


@pytest.mark.parametrize("session, agent, answer", [
    ("none", "local", "401 not authenticated\n"),
    ("over", "local", "401 not authenticated\n"),
    ("a key", "local", "401 not authenticated\n"),
    ("theirs", "local", "404 agent not found\n"),
    ("mine", "absent", "404 agent not found\n"),
    ("mine", "cloud", "400 WebSocket is only available for local-mode agents\n"),
])
def test_a_refusal_says_why(stack, account, stranger, make_agent, connect, session, agent, answer):
    session = {"none": lambda: "e2a_no", "a key": lambda: account.api_key,
               "over": lambda: add_session(stack, account.user_id, "-1 s"),
               "theirs": lambda: add_session(stack, stranger.user_id),
               "mine": lambda: add_session(stack, account.user_id)}[session]()
    agent = {"local": make_agent, "cloud": lambda: make_agent("http://127.0.0.1:9/"),
             "absent": lambda: "nobody@agents.example"}[agent]()
    with pytest.raises(StackError, match=f"^{answer}$"):
        connect(agent, session)


def test_a_key_that_is_shown_counts_and_the_cookie_does_not(stack, account, stranger, make_agent,
                                                            connect):
    """A wrong key is not helped by a cookie, and a good one needs no page of ours."""
    agent, session = make_agent(), add_session(stack, account.user_id)
    for in_header in (False, True):
        with pytest.raises(StackError, match="^401 invalid token\n$"):
            connect(agent, session, key="e2a_wrong", in_header=in_header)
        with pytest.raises(StackError, match="^404 agent not found\n$"):
            connect(agent, session, key=stranger.api_key, in_header=in_header)
        connect(agent, "e2a_no", "Origin: https://evil.example", key=account.api_key,
                in_header=in_header)


# ---- how many, and how it ends ----

def test_sockets_by_key_and_by_session_share_the_places_of_an_agent(stack, account, make_agent,
                                                                    connect):
    agent, session = make_agent(), add_session(stack, account.user_id)
    for n in range(8):
        connect(agent, session, key=account.api_key if n % 2 else "")
    for key in ("", account.api_key):
        with pytest.raises(StackError, match="^503 too many WebSocket connections\n$"):
            connect(agent, session, key=key)


def test_one_user_leaves_room_for_others(stack, account, stranger, strange_api, make_agent,
                                         connect):
    theirs, session = strange_api.make_agent("spacious"), add_session(stack, account.user_id)
    with second_apid(stack, 83, ws_per_user="2") as apid:
        for _ in range(2):
            connect(make_agent(), session, port=apid.port)
        with pytest.raises(StackError, match="^503 too many WebSocket connections\n$"):
            connect(make_agent(), session, port=apid.port)
        connect(theirs, add_session(stack, stranger.user_id), port=apid.port)


ENDINGS = {
    "deleted session": "DELETE FROM sessions WHERE hash = sha256(%(session)s)",
    "expired session": "UPDATE sessions SET expires_at = now() WHERE hash = sha256(%(session)s)",
    "deleted agent": "DELETE FROM agents WHERE email = %(agent)s",
    "agent no longer local": "UPDATE agents SET agent_mode = 'cloud', "
                             "webhook_url = 'https://x.example/' WHERE email = %(agent)s",
}


@pytest.mark.parametrize("way", ["told", "not told"])
def test_who_may_listen_no_longer_is_closed_with_1008(stack, account, make_agent, connect, quick,
                                                      patient, way):
    """At once, long before the next check (ws_recheck); or by the check when nobody tells."""
    open_ones, closed, port = {}, {}, patient.port if way == "told" else quick.port
    bystander = connect(make_agent(), add_session(stack, account.user_id), port=port)
    for ending in ENDINGS:
        agent, session = make_agent(), add_session(stack, account.user_id)
        open_ones[ending] = connect(agent, session, port=port)
        with stack.postgres.connect("postgres") as db, db.cursor() as query:
            if way == "not told":
                query.execute("SET session_replication_role = replica")  # no triggers
            query.execute(ENDINGS[ending], {"session": session.encode(), "agent": agent})
        if way == "told":  # before the next one tells of all of the same user
            closed[ending] = open_ones[ending].close_frame()
    closed |= {name: s.close_frame() for name, s in open_ones.items() if name not in closed}
    assert closed == dict.fromkeys(open_ones, OVER)
    bystander.send(9, b"still there")
    assert bystander.frame().payload == b"still there"


def test_a_session_that_runs_out_ends_its_socket(stack, account, make_agent, connect, quick):
    session = add_session(stack, account.user_id, "2 s")
    assert connect(make_agent(), session, port=quick.port).close_frame() == OVER


def test_signing_out_ends_sockets_and_streams(stack, account, make_agent, connect, patient):
    agent, session = make_agent(), add_session(stack, account.user_id)
    mine, others = (connect(agent, session, port=patient.port),
                    connect(agent, add_session(stack, account.user_id), port=patient.port))
    stream = EventStream(patient.port, agent, "", "", f"Cookie: e2a_session={session}")
    browser = Browser(stack.http_port)
    browser.cookies["e2a_session"] = (session, "/")
    assert browser.post("/api/auth/logout", {}).status == 200
    assert mine.close_frame() == OVER
    with pytest.raises(EOFError):
        for _ in range(3):
            stream.any_event()
    stream.close()
    insert_mail(stack, account.user_id, agent)
    assert others.notice()["subject"] == "written"


def test_deleting_the_account_closes_its_sockets(stack, connect, patient):
    leaving = stack.bootstrap("leaving@other.example")
    agent = Api(stack.url, leaving.api_key).make_agent("leaving")
    socket = connect(agent, add_session(stack, leaving.user_id), port=patient.port)
    status, _ = Api(stack.url, leaving.api_key).call(
        "DELETE", "/api/v1/users/me?confirm=DELETE")
    assert status == 200
    assert socket.close_frame() == OVER


def test_no_cookie_is_in_any_log(stack, account, make_agent, connect):
    session = add_session(stack, account.user_id)
    connect(make_agent(), session).close()
    for agent, field in itertools.product([make_agent(), "nobody@agents.example", "no address"],
                                          ["Origin: null", f"Origin: {stack.url}/"]):
        with pytest.raises(StackError):
            connect(agent, session, field, "Sec-WebSocket-Protocol: chat")
    wait_until("a line of the log", lambda: "ws_open" in stack.apid.log_since())
    for log in (stack.state / "log").iterdir():
        assert session not in log.read_text(errors="replace"), log
