# SPDX-License-Identifier: Apache-2.0
"""WebSockets byte for byte: the backlog and what comes meanwhile, several sockets,
slow and dead readers, keys that end, an e2a-apid that stops, dies or is replaced."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import smtplib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import websockets

from scripts.stack import StackError
from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from tests.integration.client import (BINARY, CLOSE, KEY, PING, PONG, TEXT, Frame, HandedApid,
                                      Http, SecondApid, WebSocket, add_key, insert_mail,
                                      second_apid, metered_apid, upgrade_fields,
                                      ws_target)
from tests.integration.scrape import scrape

SENDER = "alice@sender.example"
TIME_A = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z")


@pytest.fixture(scope="module")
def quick(stack, account) -> Iterator[SecondApid]:
    """A second e2a-apid, which looks again every second."""
    with second_apid(stack, 3, ws_write_timeout="1s", ws_recheck="1s") as apid:
        yield apid


@pytest.fixture(scope="module")
def patient(stack, account) -> Iterator[SecondApid]:
    """Another one, which looks again after an hour."""
    with second_apid(stack, 10, ws_recheck="1h") as apid:
        yield apid


@pytest.fixture
def connect(stack, account) -> Iterator[Callable[..., WebSocket]]:
    """connect(agent, port=..., key=...): an open WebSocket, closed after the test."""
    opened: list[WebSocket] = []

    def connect(agent: str, port: int = 0, key: str = "", **options) -> WebSocket:
        socket = WebSocket(port or stack.http_port, agent, key or account.api_key, **options)
        opened.append(socket)
        return socket

    yield connect
    for socket in opened:
        socket.close()


def send(stack, agent: str, *subjects: object) -> None:
    """Mails over one SMTP connection, one after the other."""
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, "mail.sender.example") as smtp:
        for subject in subjects:
            smtp.sendmail(SENDER, agent, compose(SENDER, agent, str(subject)))


def listed(api: Api, agent: str, query: str = "status=all") -> list[dict]:
    """The whole list, page by page."""
    found, token = [], ""
    while token is not None:
        status, page = api.get(f"/api/v1/agents/{agent}/messages?{query}&page_size=1000"
                               f"&token={token}")
        assert status == 200 and len(page["messages"]) <= 100
        found += page["messages"]
        token = page.get("next_token")
    return found


def opened(connect: Callable[..., WebSocket], *args: object) -> WebSocket | None:
    """None when it is refused."""
    try:
        return connect(*args)
    except StackError:
        return None


def ids(notices: list[dict]) -> list[str]:
    return [n["message_id"] for n in notices]


# ---- what is told ----

def test_a_notice_has_exactly_its_fields(stack, api, make_agent, connect):
    agent = make_agent()
    send(stack, agent, "caf=?utf-8?q?=C3=A9?= =?utf-8?q?=E2=98=83?=")
    for _ in range(2):  # a reconnect drains again: nothing is marked read
        notice = connect(agent).notice()
        assert notice.keys() == {"message_id", "from", "recipient", "subject", "received_at"}
        assert (notice["from"], notice["recipient"]) == (SENDER, agent)
        assert notice["subject"].endswith("\u2603")
        assert TIME_A.fullmatch(notice["received_at"])
    assert [m["status"] for m in listed(api, agent)] == ["unread"]


def test_a_backlog_is_drained_in_order_while_mail_keeps_coming(stack, api, make_agent, connect):
    """Some hundreds are there, more come during the drain: all of them, each once,
    in the order of the list."""
    agent, before, during = make_agent(), 250, 60
    senders = [threading.Thread(target=send, args=(stack, agent, *range(n, before, 2)))
               for n in range(2)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    wait_until("the backlog", lambda: len(listed(api, agent)) == before, 60, 0.1)
    late = threading.Thread(target=send, args=(stack, agent, *range(before, before + during)))
    late.start()
    told = connect(agent).notices(before + during)
    late.join()
    everything = listed(api, agent)
    assert len(ids(told)) == len(set(ids(told))) == before + during
    assert set(ids(told)) == set(ids(everything))
    assert ids(told)[:before] == ids(everything)[:before]


def test_what_was_read_is_not_drained(stack, api, make_agent, connect, wait_messages):
    agent = make_agent()
    send(stack, agent, "one", "two")
    first = next(m for m in wait_messages(agent, "one", "two") if m["subject"] == "one")
    api.get(f"/api/v1/agents/{agent}/messages/{first['message_id']}")
    socket = connect(agent)
    assert socket.notice()["subject"] == "two"
    send(stack, agent, "three")
    assert socket.notice()["subject"] == "three"


def test_every_socket_of_an_agent_is_told_and_no_other(stack, make_agent, connect):
    agent, other = make_agent(), make_agent()
    sockets, stranger = [connect(agent) for _ in range(3)], connect(other)
    send(stack, agent, "for all")
    told = [socket.notice() for socket in sockets]
    assert told[0] == told[1] == told[2] and told[0]["subject"] == "for all"
    send(stack, other, "its own")
    assert stranger.notice()["subject"] == "its own"


def test_the_ninth_socket_is_refused_and_takes_a_free_place(stack, make_agent, connect):
    agent = make_agent()
    sockets = [connect(agent) for _ in range(8)]
    with pytest.raises(StackError, match="^503 too many WebSocket connections\n$"):
        connect(agent)
    send(stack, agent, "eight times")
    assert {socket.notice()["subject"] for socket in sockets} == {"eight times"}
    sockets[0].close()
    ninth = wait_until("a free place", lambda: opened(connect, agent))
    assert ninth.notice()["subject"] == "eight times"


def test_one_user_leaves_room_for_others(stack, stranger, strange_api, make_agent, connect):
    theirs = strange_api.make_agent("roomy")
    with second_apid(stack, 11, ws_per_user="2") as apid:
        mine = [connect(make_agent(), apid.port) for _ in range(2)]
        with pytest.raises(StackError, match="^503 too many WebSocket connections\n$"):
            connect(make_agent(), apid.port)
        connect(theirs, apid.port, stranger.api_key)
        mine[0].close()
        wait_until("a free place", lambda: opened(connect, make_agent(), apid.port))


@pytest.mark.parametrize("way", ["through another e2a-apid", "with the notification lost",
                                 "committed late"])
def test_mail_is_told_wherever_the_socket_is(stack, account, make_agent, connect, quick, way):
    agent = make_agent()
    here, there = connect(agent), connect(agent, quick.port)
    if way == "through another e2a-apid":
        send(stack, agent, "written")
    else:
        insert_mail(stack, account.user_id, agent, age="20 s" if way == "committed late" else "0 s")
    assert (here.notice()["subject"], there.notice()["subject"]) == ("written", "written")


def test_frames_of_the_client_are_read_and_ignored(stack, make_agent, connect):
    agent = make_agent()
    socket = connect(agent)
    for opcode, payload in ((TEXT, b"{}"), (BINARY, b"\0\xff"), (TEXT, b"x" * 32768), (TEXT, b"")):
        socket.send(opcode, payload)
    socket.send(PING, b"are you there")
    assert socket.frame() == Frame(PONG, b"are you there")
    send(stack, agent, "still")
    assert socket.notice()["subject"] == "still"
    socket.send(CLOSE, b"\x03\xe8")
    assert socket.frame().code == 1000
    assert socket.closed()


@pytest.mark.parametrize("pieces", [[32769], [65536], [32768, 1], [1] + [3000] * 11])
def test_a_frame_that_is_too_big_ends_with_1009(make_agent, connect, pieces):
    socket = connect(make_agent())
    for i, size in enumerate(pieces):
        socket.send(TEXT if i == 0 else 0, b"x" * size, final=i == len(pieces) - 1)
    assert socket.close_frame() == (1009, "message too big")


@pytest.mark.parametrize("data", [b"\x81\x02hi", b"\x83\x80\0\0\0\0", b"\xc1\x80\0\0\0\0",
                                  b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
                                  b"\x89\xfe\x00\x80\0\0\0\0" + b"x" * 128,
                                  b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, b"\xff" * 4096],
                         ids=["unmasked", "reserved opcode", "reserved bit", "huge", "long ping",
                              "HTTP", "zeros", "ones"])
def test_a_broken_frame_ends_this_socket_only(stack, make_agent, connect, data):
    agent = make_agent()
    good, bad = connect(agent), connect(agent)
    bad.write(data)
    with suppress(OSError):  # it may have ended already
        bad.half_close()
    bad.ended()
    send(stack, agent, "unharmed")
    assert good.notice()["subject"] == "unharmed"


# ---- how it ends ----

def test_only_a_reader_that_answers_pings_stays(stack, make_agent, connect):
    with second_apid(stack, 6, ws_ping="1s", ws_pong_timeout="1s") as apid:
        silent, awake = [connect(make_agent(), apid.port, silent=quiet) for quiet in (True, False)]
        for _ in range(2):
            ping = awake.any_frame()
            assert ping.opcode == PING
            awake.send(PONG, ping.payload)
        assert silent.close_frame() == (1001, "ping timeout")
        assert len(silent.pings) == 1
        assert awake.any_frame().opcode == PING


ENDINGS = {
    "revoked key": "UPDATE api_keys SET revoked_at = now() WHERE id = %(key)s",
    "expired key": "UPDATE api_keys SET expires_at = now() WHERE id = %(key)s",
    "deleted key": "DELETE FROM api_keys WHERE id = %(key)s",
    "deleted agent": "DELETE FROM agents WHERE email = %(agent)s",
    "agent no longer local": "UPDATE agents SET agent_mode = 'cloud', "
                             "webhook_url = 'https://x.example/' WHERE email = %(agent)s",
}


@pytest.mark.parametrize("way", ["told", "not told"])
def test_who_may_listen_no_longer_is_closed_with_1008(stack, account, make_agent, connect, quick,
                                                      patient, way):
    """At once, long before the next check (ws_recheck); or by the check when nobody tells."""
    open_ones, port = {}, patient.port if way == "told" else quick.port
    for ending, scope in itertools.product(ENDINGS, ("account", "agent")):
        agent = make_agent()
        key_id, key = add_key(stack, account.user_id, agent=agent if scope == "agent" else None)
        open_ones[ending, scope] = connect(agent, port, key)
        with stack.postgres.connect("postgres") as db, db.cursor() as query:
            if way == "not told":
                query.execute("SET session_replication_role = replica")  # no triggers
            query.execute(ENDINGS[ending], {"key": key_id, "agent": agent})
    closed = {name: socket.close_frame() for name, socket in open_ones.items()}
    assert closed == dict.fromkeys(open_ones, (1008, "no longer authorized"))


def test_a_change_elsewhere_closes_nothing(stack, account, make_agent, connect, patient):
    """Of the same user: another key goes, another agent is deleted."""
    agent, other = make_agent(), make_agent()
    _, key = add_key(stack, account.user_id)
    other_id, other_key = add_key(stack, account.user_id)
    socket, closed = (connect(agent, patient.port, key), connect(other, patient.port, other_key))
    with stack.db() as db, db.cursor() as query:
        query.execute(ENDINGS["revoked key"], {"key": other_id})
        query.execute(ENDINGS["deleted agent"], {"agent": other})
    assert closed.close_frame()[0] == 1008
    send(stack, agent, "unharmed")
    assert socket.notice()["subject"] == "unharmed"


def test_a_slow_reader_is_closed_with_1013_and_loses_nothing(stack, account, make_agent, connect,
                                                             quick):
    """Each could have 10 MB and takes nothing; others read on meanwhile. Who reads again is
    told why it ends; who does not is cut off."""
    agent, dead, other, count = make_agent(), make_agent(), make_agent(), 400
    insert_mail(stack, account.user_id, agent, count, "<" * 4096)  # 6 bytes each in JSON
    insert_mail(stack, account.user_id, dead, count, "<" * 4096)
    mark, before = quick.log_mark(), quick.resident_kb()
    good, silent = connect(other, quick.port), connect(dead, quick.port, receive_buffer=4096)
    slow = [connect(agent, quick.port, receive_buffer=4096) for _ in range(8)]
    quick.wait_log(rf"ws_slow .*{agent}", mark)
    assert quick.resident_kb() - before < 30_000
    send(stack, other, "meanwhile")
    assert good.notice()["subject"] == "meanwhile"
    assert slow[0].close_frame() == (1013, "too slow")
    slow[0].send(CLOSE, b"\x03\xf5")
    assert slow[0].closed()
    quick.wait_log(rf"ws_close .*{dead}", mark)
    with pytest.raises((EOFError, ConnectionResetError)):
        silent.notices(count)
    assert len(set(ids(connect(dead, quick.port).notices(count)))) == count


def test_many_slow_readers_share_a_bounded_memory(stack, account, make_agent, connect):
    """Ten who take nothing could hold 2.5 MB each; one who reads goes on beside them."""
    agent, good, count = make_agent(), make_agent(), 100
    insert_mail(stack, account.user_id, agent, count, "<" * 4096)
    insert_mail(stack, account.user_id, good, count, "<" * 4096)
    with metered_apid(stack, 9, ws_buffer="4m", ws_memory="8m", ws_per_agent="10") as apid:
        slow = [connect(agent, apid.port, receive_buffer=4096) for _ in range(10)]
        told = connect(good, apid.port).notices(count)
        held = scrape(apid.metrics_url)["e2a_apid_sockets_held_bytes"]
        assert len(set(ids(told))) == count
        assert 2_000_000 < held < 8_500_000
        for socket in slow:
            socket.close()
        wait_until("nothing to be held",
                   lambda: scrape(apid.metrics_url)["e2a_apid_sockets_held_bytes"] == 0)


def test_a_flood_of_pings_whose_answers_nobody_takes_is_cut_off(stack, make_agent, connect):
    agent, pings = make_agent(), (b"\x89\xfd\0\0\0\0" + b"p" * 125) * 1000
    with second_apid(stack, 7, ws_ping="1s", ws_pong_timeout="1s", ws_write_timeout="1s") as apid:
        mark = apid.log_mark()
        flood = connect(agent, apid.port, receive_buffer=4096)
        flood.socket.settimeout(0.2)

        def cut() -> bool:
            try:
                flood.write(pings)
            except TimeoutError:
                pass
            except OSError:
                return True
            return False

        wait_until("the flood to be cut off", cut)
        apid.wait_log(rf"ws_close .*{agent}", mark)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_an_apid_that_ends_loses_nothing(stack, api, make_agent, connect, how):
    agent = make_agent()
    with second_apid(stack, 4) as apid:
        socket = connect(agent, apid.port)
        send(stack, agent, "before")
        assert socket.notice()["subject"] == "before"
        if how == "stopped":
            stop = threading.Thread(target=apid.stop)
            stop.start()
            assert socket.close_frame() == (1001, "server shutting down")
            socket.send(CLOSE, b"\x03\xe9")
            stop.join()
        else:
            apid.kill()
            assert socket.closed()
        send(stack, agent, "away")
        apid.start()
        again = connect(agent, apid.port)
        send(stack, agent, "back")
        assert [n["subject"] for n in again.notices(3)] == ["before", "away", "back"]
    assert len(listed(api, agent, "status=unread")) == 3


def test_a_stop_waits_only_so_long_for_a_silent_reader(make_agent, connect, stack):
    with second_apid(stack, 5) as apid:
        socket = connect(make_agent(), apid.port)
        assert apid.stop() == 0
        assert socket.close_frame() == (1001, "server shutting down")


# ---- who gets in ----

def test_the_key_may_come_in_the_header(stack, account, make_agent, connect):
    agent = make_agent()
    socket = connect(agent, in_header=True)
    send(stack, agent, "by header")
    assert socket.notice()["subject"] == "by header"


def test_a_key_of_one_agent_opens_its_own_socket_only(stack, account, make_agent, connect):
    agent, other = make_agent(), make_agent()
    _, key = add_key(stack, account.user_id, agent=agent.upper())
    connect(agent, key=key)
    with pytest.raises(StackError, match="^404 agent not found\n$"):
        connect(other, key=key)


def test_no_key_is_in_any_log(stack, account, make_agent, connect, hook):
    _, key = add_key(stack, account.user_id)
    local, cloud = make_agent(), make_agent(hook.url)
    connect(local, key=key).close()
    connect(local, key=key, in_header=True).close()
    for agent in (cloud, "nobody@agents.example", "no address", "a" * 300):
        with pytest.raises(StackError):
            connect(agent, key=key)
    for target in (ws_target(local, key), ws_target(local, key) + "&x=%zz",
                   ws_target(local).replace("/ws", "//ws") + f"?token={key}"):
        with Http(stack.http_port) as http:
            assert http.request("GET", target).status in (426, 301)
    Api(stack.url, key).get(f"/api/v1/agents?token={key}")
    for log in (stack.state / "log").iterdir():
        assert key not in log.read_text(errors="replace"), log


@pytest.mark.parametrize("key, agent, answer", [
    ("", "local", (401, "token query parameter required\n")),
    ("bad", "local", (401, "invalid token\n")),
    ("theirs", "local", (404, "agent not found\n")),
    ("mine", "absent", (404, "agent not found\n")),
    ("mine", "cloud", (400, "WebSocket is only available for local-mode agents\n")),
])
@pytest.mark.parametrize("upgrade", [True, False])
def test_a_refusal_is_plain_http(stack, account, stranger, make_agent, key, agent, answer, upgrade):
    key = {"mine": account.api_key, "theirs": stranger.api_key}.get(key, key)
    agent = {"local": make_agent, "cloud": lambda: make_agent("http://127.0.0.1:9/"),
             "absent": lambda: "nobody@agents.example"}[agent]()
    with Http(stack.http_port) as http:
        got = http.request("GET", ws_target(agent, key), None,
                           *(upgrade_fields() if upgrade else []))
    assert (got.status, got.text) == answer
    assert got.headers["content-type"] == "text/plain; charset=utf-8"


def without(name: str, *instead: str) -> list[str]:
    return [f for f in upgrade_fields() if not f.startswith(name)] + list(instead)


BAD_UPGRADES = {
    "no upgrade": ("GET", [], 426),
    "Connection lacks Upgrade": ("GET", without("Connection", "Connection: keep-alive"), 426),
    "another protocol": ("GET", without("Upgrade", "Upgrade: h2c"), 426),
    "POST": ("POST", upgrade_fields() + ["Content-Length: 0"], 405),
    "PUT": ("PUT", upgrade_fields() + ["Content-Length: 0"], 405),
    "version 8": ("GET", without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 400),
    "no version": ("GET", without("Sec-WebSocket-Version"), 400),
    "no key": ("GET", without("Sec-WebSocket-Key"), 400),
    "two keys": ("GET", upgrade_fields() + [f"Sec-WebSocket-Key: {KEY}"], 400),
    "short key": ("GET", upgrade_fields("c2hvcnQ="), 400),
    "key that is no base64": ("GET", upgrade_fields("!" * 24), 400),
    "sub-protocol": ("GET", upgrade_fields() + ["Sec-WebSocket-Protocol: chat"], 400),
}


@pytest.mark.parametrize("name", BAD_UPGRADES)
def test_a_bad_upgrade_is_refused_with_its_status(stack, account, make_agent, name):
    method, fields, status = BAD_UPGRADES[name]
    with Http(stack.http_port) as http:
        http.write(http.head(method, ws_target(make_agent(), account.api_key), *fields))
        answer = http.answer()
        assert answer.status == status
        assert answer.headers.get("sec-websocket-version") == ("13" if "version" in name else None)
        assert answer.closes and http.closed()


def test_an_upgrade_over_http_1_0_is_refused(stack, account, make_agent):
    with Http(stack.http_port) as http:
        http.write(http.head("GET", ws_target(make_agent(), account.api_key), *upgrade_fields(),
                             version="1.0"))
        assert http.answer().status == 426


@pytest.mark.parametrize("fields", [["Connection: keep-alive, Upgrade"], ["Connection: UPGRADE"]])
def test_spellings_of_the_upgrade_do_not_matter(stack, account, make_agent, fields):
    with Http(stack.http_port) as http:
        http.write(http.head("GET", ws_target(make_agent(), account.api_key).replace("%40", "@"),
                             *without("Connection", *fields)))
        assert http.answer().status == 101


def test_an_upgrade_as_a_later_request_asks_for_a_new_connection(stack, account, make_agent):
    with Http(stack.http_port) as http:
        assert http.request("GET", "/api/health").status == 200
        answer = http.request("GET", ws_target(make_agent(), account.api_key), None,
                              *upgrade_fields())
        assert (answer.status, answer.text) == (503, "open a new connection for a WebSocket\n")
        assert answer.closes and http.closed()


def test_a_handshake_may_come_byte_by_byte_and_bring_frames_along(stack, account, make_agent):
    """The first frame right behind the head, in one write."""
    agent = make_agent()
    with Http(stack.http_port) as http:
        head = http.head("GET", ws_target(agent, account.api_key), *upgrade_fields())
        for at in range(len(head) - 1):
            http.write(head[at:at + 1])
        http.write(head[-1:] + b"\x89\x82\0\0\0\0hi")
        assert http.answer().status == 101
        assert http.input.read(4) == b"\x8a\x02hi"


# ---- an e2a-apid that is replaced ----

class Follower:
    """A client of the usual kind: `websockets`, and a new connection whenever one ends."""

    def __init__(self, port: int, agent: str, key: str):
        self.url = f"ws://127.0.0.1:{port}{ws_target(agent, key)}"
        self.told: list[str] = []  # ids, in the order in which they came first
        self.ends: list[int] = []  # codes
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.follow(),))

    async def follow(self) -> None:
        self.task = asyncio.current_task()
        seen: set[str] = set()
        try:
            while True:
                async with websockets.connect(self.url, compression=None) as socket:
                    try:
                        async for text in socket:
                            name = json.loads(text)["message_id"]
                            if name not in seen:  # what is unread comes again with each connection
                                self.told.append(name)
                            seen.add(name)
                    except websockets.ConnectionClosedError:
                        pass
                    self.ends.append(socket.close_code)
        except asyncio.CancelledError:
            pass

    def __enter__(self) -> Follower:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join()
        self.loop.close()


class Knocker:
    """Asks again and again on new connections; how often nobody was there."""

    def __init__(self, port: int):
        self.port = port
        self.answers = self.refused = 0
        self.slowest = 0.0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.end.is_set():
            began = time.monotonic()
            try:
                with Http(self.port) as http:
                    assert http.request("GET", "/api/health").status == 200
                    self.answers += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
            except ConnectionRefusedError:
                self.refused += 1
            except (EOFError, ConnectionResetError):
                pass  # it was taken by the one that ended

    def __enter__(self) -> Knocker:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.thread.join()


def test_an_apid_that_is_replaced_refuses_nobody_and_loses_nothing(stack, account, api, make_agent):
    """The listening socket outlives the process, as with a service manager."""
    agent = make_agent()
    subjects = itertools.count()
    with second_apid(stack, 8, HandedApid) as apid, Knocker(apid.port) as knocker, \
            Follower(apid.port, agent, account.api_key) as follower:
        for n, end in enumerate((apid.stop, apid.kill, apid.stop), 1):
            send(stack, agent, *itertools.islice(subjects, 5))
            wait_until("mail before", lambda: len(follower.told) == 10 * n - 5)
            mail = threading.Thread(target=send, args=(stack, agent, *itertools.islice(subjects, 5)))
            mail.start()
            end()
            apid.start()
            mail.join()
            wait_until("mail after", lambda: len(follower.told) == 10 * n)
    everything = listed(api, agent)
    assert sorted(follower.told) == sorted(ids(everything)) and len(everything) == 30
    assert follower.ends == [1001, 1006, 1001]
    assert knocker.answers and not knocker.refused
