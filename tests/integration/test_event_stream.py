# SPDX-License-Identifier: Apache-2.0
"""Event streams byte for byte: the unread mail and what comes meanwhile, going on after a
cut wherever it was, clients that go, dawdle or are no longer allowed to, and an e2a-apid
or a database that goes away."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator

import pytest

from scripts.stack import StackError
from scripts.stack.part import wait_until
from tests.integration.chromium import Chromium
from tests.integration.client import (EventStream, Http, SecondApid, WebSocket, add_key,
                                      add_session, events_target, insert_mail, second_apid,
                                      wait_used)
from tests.integration.test_websocket import TIME_A, ids, listed, send


@pytest.fixture(scope="module")
def quick(stack, account) -> Iterator[SecondApid]:
    """A second e2a-apid, which looks again every second."""
    with second_apid(stack, 21, ws_ping="1s", ws_write_timeout="1s") as apid:
        yield apid


@pytest.fixture
def follow(stack, account) -> Iterator[Callable[..., EventStream]]:
    """follow(agent, last, port=..., key=...): an open stream, closed after the test."""
    opened: list[EventStream] = []

    def follow(agent: str, last: str = "", *fields: str, port: int = 0, key: str | None = None,
               **options) -> EventStream:
        stream = EventStream(port or stack.http_port, agent,
                             account.api_key if key is None else key, last, *fields, **options)
        opened.append(stream)
        return stream

    yield follow
    for stream in opened:
        stream.close()


# ---- what is told ----

def test_an_event_is_the_frame_of_the_websocket(stack, api, account, make_agent, follow):
    agent = make_agent()
    stream = follow(agent)
    assert stream.any_event().data is None  # nothing is unread
    with WebSocket(stack.http_port, agent, account.api_key) as socket:
        send(stack, agent, "caf=?utf-8?q?=C3=A9?= two")
        event = stream.event()
        assert event.data == socket.notice()
    assert event.data.keys() == {"message_id", "from", "recipient", "subject", "received_at"}
    assert TIME_A.fullmatch(event.data["received_at"])
    assert stream.opening.headers["content-type"] == "text/event-stream"
    assert stream.opening.headers["cache-control"] == "no-store"
    assert stream.opening.headers["x-accel-buffering"] == "no"
    assert int(stream.retry) > 0
    assert [m["status"] for m in listed(api, agent)] == ["unread"]


def test_a_backlog_comes_whole_and_in_order_while_mail_keeps_coming(stack, account, api, make_agent,
                                                                   follow):
    agent, before, during = make_agent(), 1234, 60
    insert_mail(stack, account.user_id, agent, before, "s" * 300)
    late = threading.Thread(target=send, args=(stack, agent, *range(during)))
    late.start()
    stream = follow(agent)
    told = [stream.notice() for _ in range(before + during)]
    late.join()
    everything = listed(api, agent)
    assert len(set(ids(told))) == before + during
    assert set(ids(told)) == set(ids(everything))
    assert ids(told)[:before] == ids(everything)[:before]


def test_what_was_read_is_not_in_the_backlog(stack, api, make_agent, follow, wait_messages):
    agent = make_agent()
    send(stack, agent, "one", "two")
    first = next(m for m in wait_messages(agent, "one", "two") if m["subject"] == "one")
    api.get(f"/api/v1/agents/{agent}/messages/{first['message_id']}")
    assert follow(agent).notice()["subject"] == "two"


def test_who_wants_only_what_is_new_is_told_no_backlog(stack, account, make_agent, follow):
    """Neither by a stream nor by a socket; a stream that goes on misses nothing."""
    agent = make_agent()
    insert_mail(stack, account.user_id, agent, 3, age="40 s")
    stream = follow(agent, query="?new=1")
    first = stream.any_event()
    assert first.data is None
    with WebSocket(stack.http_port, agent, f"{account.api_key}&new=1") as socket:
        send(stack, agent, "new")
        assert stream.notice()["subject"] == socket.notice()["subject"] == "new"
    stream.close()
    again = follow(agent, first.id, query="?new=1")
    assert again.notice()["subject"] == "new"


def test_a_cut_stream_goes_on_exactly_wherever_it_was_cut(stack, account, make_agent, follow, quick):
    """Cut after any number of events, in the backlog and behind it, and gone on with at
    another e2a-apid, while mail comes that others read at once."""
    agent, backlog = make_agent(), 230
    insert_mail(stack, account.user_id, agent, backlog)
    numbers, dice = itertools.count(), random.Random(5)
    told, last, sent = [], "", 0
    for port in itertools.islice(itertools.cycle((stack.http_port, quick.port)), 14):
        stream = follow(agent, last, port=port)
        for _ in range(dice.choice((0, 1, 7, 40))):
            if len(told) >= backlog + sent:
                send(stack, agent, next(numbers))
                with stack.db() as db, db.cursor() as query:
                    query.execute("UPDATE messages SET inbox_status = 'read' "
                                  "WHERE agent_email = %s AND id = ANY(%s)", [agent, ids(told)])
                sent += 1
            event = stream.event()
            told.append(event.data)
            last = event.id
        stream.close()
    stream = follow(agent, last)
    send(stack, agent, *(next(numbers) for _ in range(3)))
    told += [stream.notice() for _ in range(backlog + sent + 3 - len(told))]
    assert len(set(ids(told))) == len(told) == backlog + sent + 3
    told_of = [int(n["subject"]) for n in told[backlog:]]
    assert told_of[:sent] == list(range(sent))
    assert sorted(told_of[sent:]) == list(range(sent, sent + 3))  # Postfix has several hands


def test_an_empty_stream_can_be_gone_on_with(stack, api, make_agent, follow, wait_messages):
    """Mail that came and was read between two streams is told all the same."""
    agent = make_agent()
    last = follow(agent).any_event().id
    send(stack, agent, "between")
    message, = wait_messages(agent, "between")
    api.get(f"/api/v1/agents/{agent}/messages/{message['message_id']}")
    assert follow(agent, last).notice()["subject"] == "between"


@pytest.mark.parametrize("way", ["through another e2a-apid", "with the notification lost",
                                 "for an agent in cloud mode"])
def test_mail_is_told_wherever_the_stream_is(stack, account, make_agent, hook, follow, quick, way):
    agent = make_agent(hook.url if "cloud" in way else "")
    here, there = follow(agent), follow(agent, port=quick.port)
    for stream in (here, there):
        stream.any_event()
    if "lost" in way:
        insert_mail(stack, account.user_id, agent)
    else:
        send(stack, agent, "written")
    assert (here.notice()["subject"], there.notice()["subject"]) == ("written", "written")


def test_a_client_of_http_1_0_reads_until_the_connection_ends(stack, make_agent, follow):
    agent = make_agent()
    send(stack, agent, "old")
    stream = follow(agent, version="1.0")
    assert "transfer-encoding" not in stream.opening.headers
    assert stream.notice()["subject"] == "old"


def test_comments_keep_a_stream_in_use(make_agent, follow, quick):
    stream = follow(make_agent(), port=quick.port)
    stream.any_event()
    assert [stream.block() for _ in range(3)] == [[":"]] * 3


# ---- who may ----

def test_a_browser_that_is_signed_in_may_follow(stack, account, make_agent, follow):
    agent = make_agent()
    send(stack, agent, "cookie")
    session = add_session(stack, account.user_id)
    assert follow(agent, "", f"Cookie: e2a_session={session}", key="").notice()["subject"] == "cookie"


def test_a_key_of_one_agent_follows_that_one_only(stack, account, make_agent, follow):
    agent, other = make_agent(), make_agent()
    _, key = add_key(stack, account.user_id, agent=agent)
    send(stack, agent, "mine")
    assert follow(agent, key=key).notice()["subject"] == "mine"
    with pytest.raises(StackError, match="^404 agent not found: agent not found\n$"):
        follow(other, key=key)
    with pytest.raises(StackError, match="^401 unauthorized\n$"):
        follow(agent, key="e2a_" + "0" * 64)
    with Http(stack.http_port, account.api_key) as http:
        assert http.request("HEAD", events_target(agent)).status == 405


def test_an_id_that_is_none_of_this_stream_is_refused(stack, account, api, make_agent, follow,
                                                      stranger):
    agent, other = make_agent(), make_agent()
    place = follow(agent).any_event().id
    cursor = api.get(f"/api/v1/agents/{agent}/messages?wait=0")[1]["cursor"]
    for last in ("x", place[:-1], "x" + place, "A" * 9000, "e30", "\xff\x80"):
        with pytest.raises(StackError, match="^400 invalid pagination token\n$"):
            follow(agent, last)
    with pytest.raises(StackError, match="^400 token was created for a different agent "):
        follow(other, place)
    with pytest.raises(StackError, match="^400 token was created with different filters "):
        follow(agent, cursor)
    status, answer = api.call("GET", f"/api/v1/agents/{agent}/messages?token={place}")
    assert (status, answer) == (400, "token was created with different filters \u2014 start a new "
                                     "query without a token\n")


@pytest.fixture
def narrow(stack, account) -> Iterator[SecondApid]:
    with second_apid(stack, 22, wait_per_agent="8", wait_max="12",
                     http_max_connections="6") as apid:
        yield apid


def test_places_are_bounded_for_an_agent_and_in_all(stack, account, make_agent, follow, narrow):
    agent, other = make_agent(), make_agent()
    streams = []

    def fill(agent: str, count: int) -> None:
        for _ in range(count):
            streams.append(follow(agent, port=narrow.port))
            streams[-1].any_event()

    fill(agent, 8)
    refused = "^503 too many requests wait for mail\n$"
    with pytest.raises(StackError, match=refused):
        follow(agent, port=narrow.port)
    with Http(narrow.port, account.api_key) as http:
        answer = http.request("GET", f"/api/v1/agents/{agent}/messages?wait=1")
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
        assert http.request("GET", f"/api/v1/agents/{agent}/messages?wait=0").status == 200
    fill(other, 4)
    with pytest.raises(StackError, match=refused):
        follow(other, port=narrow.port)
    send(stack, agent, "eight times")
    assert {s.notice()["subject"] for s in streams[:8]} == {"eight times"}
    for stream in streams:  # who goes is noticed, also while nothing is told
        stream.close()

    def again() -> bool:
        try:
            return bool(follow(other, port=narrow.port))
        except (StackError, OSError, EOFError):
            return False

    wait_until("free places", lambda: again() and again(), 10)


# ---- how it ends ----

ENDINGS = {
    "revoked key": "UPDATE api_keys SET revoked_at = now() WHERE id = %(key)s",
    "expired key": "UPDATE api_keys SET expires_at = now() WHERE id = %(key)s",
    "deleted agent": "DELETE FROM agents WHERE email = %(agent)s",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_ends_with_its_right(stack, account, make_agent, follow, quick, ending):
    agent = make_agent()
    key_id, key = add_key(stack, account.user_id)
    stream = follow(agent, port=quick.port, key=key)
    stream.any_event()
    with stack.db() as db, db.cursor() as query:
        query.execute(ENDINGS[ending], {"key": key_id, "agent": agent})
    assert stream.end() == []


def test_nothing_is_told_to_a_revoked_key(stack, account, make_agent, follow):
    """Even when the mail comes before anybody looked at the key again."""
    agent = make_agent()
    key_id, key = add_key(stack, account.user_id)
    stream = follow(agent, key=key)
    stream.any_event()
    with stack.db() as db, db.cursor() as query:
        query.execute(ENDINGS["revoked key"], {"key": key_id})
    send(stack, agent, "secret")
    assert stream.end() == []


def test_a_session_that_is_signed_out_ends_its_streams(stack, account, make_agent, follow, quick):
    session = add_session(stack, account.user_id)
    stream = follow(make_agent(), "", f"Cookie: e2a_session={session}", port=quick.port, key="")
    stream.any_event()
    with stack.db() as db, db.cursor() as query:
        query.execute("DELETE FROM sessions WHERE hash = sha256(%s)", [session.encode()])
    assert stream.end() == []


def test_a_reader_that_takes_nothing_is_cut_off_and_the_mail_stays(stack, account, make_agent, follow,
                                                                   quick):
    agent = make_agent()
    insert_mail(stack, account.user_id, agent, 30000, "s" * 300)
    before = quick.resident_kb()
    stream = follow(agent, port=quick.port, receive_buffer=4096)
    mark = quick.log_mark()
    quick.wait_log(r"path=\S*/events", mark, 30)
    assert quick.resident_kb() - before < 4096
    held = 0  # by the kernel, of some 900 bytes each
    with pytest.raises((EOFError, ConnectionResetError, AssertionError, ValueError)):
        while stream.event():
            held += 1
    assert held < 1000
    fresh = follow(agent)
    told = [fresh.notice() for _ in range(30000)]
    assert len(set(ids(told))) == 30000


def test_a_stop_ends_streams_and_long_polls_whole(stack, account, make_agent, follow):
    agent = make_agent()
    with second_apid(stack, 23) as apid:
        streams = [follow(agent, port=apid.port) for _ in range(3)]
        for stream in streams:
            stream.any_event()
        key_id, key = add_key(stack, account.user_id)
        with Http(apid.port, key) as http:
            http.write(http.head("GET", f"/api/v1/agents/{agent}/messages?wait=60"))
            wait_used(stack, key_id)
            assert apid.stop() == 0
            answer = http.answer()
        assert answer.status == 200 and answer.json["messages"] == [] and answer.json["cursor"]
        assert [stream.end() for stream in streams] == [[], [], []]


# ---- a client that is not ours ----

LISTEN = """
window.told = [];
window.source = new EventSource(arguments[0]);
window.source.addEventListener("message", e => window.told.push(JSON.parse(e.data).subject));
"""


def test_the_event_source_of_a_browser_goes_on_after_a_restart(stack, account, api, build, tmp_path,
                                                               make_agent):
    """By itself, with what came and was read while there was no server."""
    agent = make_agent()
    session = add_session(stack, account.user_id)
    with second_apid(stack, 27) as apid, Chromium(build, tmp_path) as browser:
        def told() -> list[str]:
            return browser.driver.execute_script("return window.told")

        browser.open(f"{apid.url}/api/health")
        browser.driver.add_cookie({"name": "e2a_session", "value": session, "sameSite": "Lax"})
        send(stack, agent, "unread")
        browser.driver.execute_script(LISTEN, events_target(agent))
        wait_until("the backlog", lambda: told() == ["unread"])
        send(stack, agent, "new")
        wait_until("what is new", lambda: told() == ["unread", "new"])
        assert apid.stop() == 0
        send(stack, agent, "meanwhile")
        wait_until("it to be stored", lambda: len(listed(api, agent)) == 3)
        with stack.db() as db, db.cursor() as query:
            query.execute("UPDATE messages SET inbox_status = 'read' WHERE agent_email = %s", [agent])
        apid.start()
        wait_until("what came meanwhile", lambda: len(told()) > 2)
        send(stack, agent, "last")
        wait_until("the last one", lambda: told()[-1] == "last")
        assert told() == ["unread", "new", "meanwhile", "last"]
        browser.driver.execute_script("window.source.close()")
