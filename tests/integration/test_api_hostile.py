# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm, or know no better, below the routes: heads, targets, connections.
Whatever comes, the answer is the client's fault and says nothing of our inside, and the
server serves the next. What each route makes of hostile content is in test_api_routes."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import Http, SecondApid, second_apid
from tests.integration.hostile import MALFORMED, TEXTS, fine, leaks, nested

SENDER = "alice@sender.example"
BAD_BODY = (400, "invalid request body\n")
TIGHT = {"http_header_timeout": "1s", "http_timeout": "1s", "http_write_timeout": "1s",
         "http_max_waiting": "20", "http_max_connections": "30", "http_workers": "1",
         "http_queue": "1"}


@pytest.fixture
def http(stack, account) -> Iterator[Http]:
    with Http(stack.http_port, account.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def tight(stack, account) -> Iterator[SecondApid]:
    """A second e2a-apid with small limits."""
    with second_apid(stack, 8, **TIGHT) as apid:
        yield apid


@pytest.fixture(autouse=True)
def unharmed(stack, account) -> Iterator[None]:
    """The same process goes on, and found nothing that would be its own fault."""
    pid, mark = stack.apid.pid, stack.apid.log_mark()
    yield
    assert stack.apid.running() and stack.apid.pid == pid
    with Http(stack.http_port, account.api_key) as client:
        assert client.request("GET", "/api/health").status == 200
        assert client.request("GET", "/api/v1/agents").status == 200
    log = stack.apid.log_since(mark)
    assert "request_failed" not in log and "level=error" not in log, log


def status_of(client: Http) -> int:
    """Of the answer; 0 when the connection ended without one."""
    try:
        answer = client.answer()
    except (EOFError, ConnectionError):
        return 0
    assert not leaks(answer), answer
    return answer.status


# ---- JSON ----

def test_a_body_of_the_largest_size_and_depth_is_read(http):
    body = nested(64)
    answer = http.request("POST", "/api/v1/domains", body + b" " * (65536 - len(body)))
    assert (answer.status, answer.text) == (400, "domain is required\n")


def test_a_body_far_too_large_is_answered_before_it_is_sent(stack, account):
    with Http(stack.http_port, account.api_key) as client:
        client.write(client.head("POST", "/api/v1/domains", "Content-Length: 99999999999"))
        answer = client.answer()
        assert (answer.status, answer.text) == BAD_BODY
        assert answer.closes and client.closed()


def test_a_body_far_too_large_where_none_is_asked_for_is_no_act(stack, account):
    kept = stack.bootstrap("no-body@other.example")
    with Http(stack.http_port, kept.api_key) as client:
        head = client.head("DELETE", "/api/v1/users/me?confirm=DELETE",
                           "Content-Length: 99999999999")
        client.asked.clear()  # the document says it once, for all operations
        client.write(head)
        answer = client.answer()
        assert (answer.status, answer.text) == BAD_BODY
        assert answer.closes and client.closed()
    with Http(stack.http_port, kept.api_key) as client:
        assert client.request("GET", "/api/v1/agents").status == 200, "the account is there"


@pytest.mark.parametrize("text", [t for t in TEXTS if t not in ("NUL", "a megabyte",
                                                                "lone surrogate")])
def test_free_text_comes_back_as_it_went_in(http, text):
    body = {"slug": f"h-{uuid.uuid4().hex[:12]}", "agent_mode": "local", "name": TEXTS[text]}
    answer = http.request("POST", "/api/v1/agents", json.dumps(body).encode())
    agent = http.request("GET", f"/api/v1/agents/{answer.json['email']}").json
    assert agent["name"] == TEXTS[text]


# ---- targets ----

TARGETS = ["/%", "/%4", "/%zz", "/%00", "/api/v1/agents/%00", "/api/v1/agents/a%00@agents.example",
           "/api/v1/agents/%0d%0aX-Injected:%20yes", "/api/v1/agents/%252F", "/api/v1/agents/%2F",
           "/api/v1/agents/..%2F..%2Fetc%2Fpasswd", "/api/v1/agents/%C0%AF", "/api/v1/agents/%ff",
           "/api/v1/agents/%25%34%30", "/api/v1/agents/'%20OR%201=1--", "/api/v1/agents/\xe9",
           "/api/v1/agents/" + "a" * 8000, "/api/v1/agents/" + "%61" * 2500 + "@agents.example",
           "/" + "/".join("a" * 5000), "/api/v1/agents/x@agents.example/messages/%00",
           "/api/v1/agents/x@agents.example/messages/" + "f" * 4000, "/api/health%00",
           "/api/health;x",
           "/api/v1/domains/%00/verify", "/api/v1/info?" + "&" * 200, "/api/v1/info?%00=%00&=&==",
           "/api/v1/info?" + "a=b&" * 200, "/api/v1/info#fragment", "/api\\health"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("target", TARGETS, ids=[t[:40] for t in TARGETS])
def test_no_path_does_harm(http, method, target):
    answer = http.request(method, target, b"" if method == "POST" else None)
    fine(answer)
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize("query", ["status=%00", "status=all%27--", "token=%00", "token=%ff%fe",
                                   "token=" + "A" * 9000, "page_size=%00", "token=e30", "peek=%00",
                                   "page_size=-9223372036854775809", "status=all&status=read"])
def test_no_query_does_harm(http, make_agent, query):
    fine(http.request("GET", f"/api/v1/agents/{make_agent()}/messages?{query}"))


def test_a_redirect_carries_no_line_of_the_client(http):
    answer = http.request("GET", "//x/%0d%0aX-Injected:%20yes")
    assert (answer.status, answer.headers["location"]) == (301, "/x/%0d%0aX-Injected:%20yes")


# ---- heads ----

HOST = b"Host: x\r\n"
GET = b"GET /api/health HTTP/1.1\r\n"
POST = b"POST /api/v1/domains HTTP/1.1\r\n" + HOST
OK = {200}
REFUSED = {0, 400}  # or no answer at all
TOO_BIG = {0, 400, 413, 414, 431}
HEADS = {
    "100 fields": (GET + HOST + b"".join(b"X-%d: y\r\n" % i for i in range(100)) + b"\r\n", OK),
    "2,000 fields": (GET + HOST + b"".join(b"X%d: y\r\n" % i for i in range(2000)) + b"\r\n",
                     TOO_BIG),
    "15 KB field": (GET + HOST + b"X: " + b"y" * 15000 + b"\r\n\r\n", OK | TOO_BIG),
    "64 KB field": (GET + HOST + b"X: " + b"y" * 65536 + b"\r\n\r\n", TOO_BIG),
    "1 MB field": (GET + HOST + b"X: " + b"y" * 1048576 + b"\r\n\r\n", TOO_BIG),
    "1 MB of empty fields": (GET + HOST + b"A:\r\n" * 262144 + b"\r\n", TOO_BIG),
    "1 MB target": (b"GET /" + b"a" * 1048576 + b" HTTP/1.1\r\n" + HOST + b"\r\n", TOO_BIG),
    "long method": (b"A" * 9000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", TOO_BIG | {405, 404}),
    "long token": (b"GET /api/v1/agents HTTP/1.1\r\n" + HOST + b"Authorization: Bearer "
                   + b"e" * 10000 + b"\r\n\r\n", {401}),
    "no host": (GET + b"\r\n", {200, 400}),
    "two hosts": (GET + HOST + HOST + b"\r\n", OK | {400}),
    "no colon": (GET + HOST + b"nonsense\r\n\r\n", REFUSED),
    "no name": (GET + HOST + b": x\r\n\r\n", REFUSED | OK),
    "space before the colon": (GET + HOST + b"X : y\r\n\r\n", {400}),
    "NUL in a value": (GET + HOST + b"X: a\0b\r\n\r\n", REFUSED | OK),
    "fold": (GET + HOST + b"X: a\r\n b\r\n\r\n", REFUSED | OK),
    "bare CR": (GET + HOST + b"X: a\rY: b\r\n\r\n", REFUSED | OK),
    "LF only": (b"GET /api/health HTTP/1.1\nHost: x\n\n", REFUSED | OK),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}", {400}),
    "two lengths in one": (POST + b"Content-Length: 2, 5\r\n\r\n{}", REFUSED),
    "length and chunks": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"0\r\n\r\n", {400}),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n{}", REFUSED),
    "length in hex": (POST + b"Content-Length: 0x2\r\n\r\n{}", REFUSED),
    "length beyond 64 bits": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
                              REFUSED | {413}),
    "bad chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", REFUSED),
    "huge chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", TOO_BIG),
    # libmicrohttpd's word for what does not fit into its buffer
    "endless chunk extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 99999,
                                TOO_BIG | {500}),
    "blank line first": (b"\r\n" + GET + HOST + b"\r\n", OK | REFUSED),
    "one word": (b"GET\r\n\r\n", REFUSED),
    "HTTP/0.9": (b"GET /api/health\r\n\r\n", REFUSED | {505}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED | {505}),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", REFUSED | {404, 505}),
    "not HTTP": (b"GET / FTP/1.1\r\n" + HOST + b"\r\n", REFUSED),
    "spaces": (b"GET  /api/health  HTTP/1.1\r\n" + HOST + b"\r\n", REFUSED | {404} | OK),
    "TLS hello with line ends": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", REFUSED),
    "SMTP": (b"EHLO x\r\nMAIL FROM:<a@b>\r\n\r\n", REFUSED),
    "proxy header": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET + HOST + b"\r\n", REFUSED),
    "absolute form": (b"GET http://x/api/health HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404} | OK),
    "asterisk form": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405}),
    "authority form": (b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 404, 405}),
    "empty target": (b"GET  HTTP/1.1\r\n" + HOST + b"\r\n", REFUSED | {404}),
    "unknown expectation": (POST + b"Content-Length: 2\r\nExpect: wonders\r\n\r\n{}", {401, 417}),
}


@pytest.mark.parametrize("name", HEADS)
def test_no_head_does_harm(tight, name):
    data, wanted = HEADS[name]
    with Http(tight.port) as client:
        try:
            client.write(data)
        except ConnectionError:  # it was enough already
            pass
        assert status_of(client) in wanted
    assert Api(tight.url).get("/api/health")[0] == 200


LENGTH_2 = b"Content-Length: 2\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# What one reader takes for the body another one takes for the next request.
UNCLEAR = {
    "two lengths": (LENGTH_2 + b"Content-Length: 40\r\n", b"{}"),
    "length and chunks": (LENGTH_2 + CHUNKED, b"0\r\n\r\n"),
    "chunks twice": (CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "chunks at last": (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "another coding": (b"Transfer-Encoding: identity\r\n" + LENGTH_2, b"{}"),
    "a blank before the colon": (b"Content-Length : 2\r\n", b"{}"),
    "a blank in a name": (b"X Content-Length: 2\r\n", b"{}"),
}


@pytest.mark.parametrize("path", [b"GET /api/health", b"POST /api/v1/domains", b"GET /absent",
                                  b"GET //api"])
@pytest.mark.parametrize("name", UNCLEAR)
def test_nothing_behind_an_unclear_head_is_a_request(stack, name, path):
    fields, body = UNCLEAR[name]
    with Http(stack.http_port) as client:
        client.write(path + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body
                     + GET + HOST + b"\r\n")
        answer = client.answer()
        assert (answer.status, answer.text) == (400, "malformed request head\n")
        assert answer.closes and "location" not in answer.headers
        assert client.closed()


UNFINISHED = {
    "body cut short": POST + b"Content-Length: 100\r\n\r\n{",
    "chunks cut short": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "blank lines": b"\r\n" * 1000,
    "garbage": b"\x00\xff\xfe\x01" * 500 + b"\r\n\r\n",
    "half a head": GET + HOST,
    "nothing": b"",
    "5,000 parameters": b"GET /api/v1/info?" + b"&" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "half a line": b"GET /api",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(range(190)),
    "2,000 cookies": GET + HOST + b"Cookie: " + b"a=b;" * 2000 + b"\r\n\r\n",
}


def test_a_request_that_never_ends_is_cut_off_in_time(stack):
    """And then counts no longer as one: a stop would wait for it."""
    with second_apid(stack, 9, **TIGHT) as apid, ExitStack() as clients:
        waiting = {name: clients.enter_context(Http(apid.port)) for name in UNFINISHED}
        for name, client in waiting.items():
            client.write(UNFINISHED[name])
        start = time.monotonic()
        assert {name: status_of(client) for name, client in waiting.items()} \
            == dict.fromkeys(UNFINISHED, 0)
        assert apid.stop() == 0
        assert time.monotonic() - start < 6


# ---- good requests in unusual clothes ----

def test_pipelined_requests_are_answered_in_order(http):
    body = b'{"domain":""}'
    http.write(http.head("GET", "/api/health")
               + http.head("POST", "/api/v1/domains", f"Content-Length: {len(body)}") + body
               + http.head("GET", "/api/v1/agents/none@agents.example")
               + http.head("GET", "/api/v1/info", "Connection: close"))
    assert [http.answer().status for _ in range(4)] == [200, 400, 403, 200]
    assert http.closed()


def test_a_body_on_a_route_without_one_is_skipped(http):
    for _ in range(2):
        answer = http.request("GET", "/api/v1/info", b"GET /smuggled HTTP/1.1\r\n\r\n")
        assert (answer.status, answer.json["shared_domain"]) == (200, SHARED_DOMAIN)


def test_http_1_0_is_served_and_closed(stack):
    with Http(stack.http_port) as client:
        client.write(b"GET /api/health HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200
        assert client.closed()


def test_a_client_that_shut_its_side_still_gets_its_answer(stack):
    with Http(stack.http_port) as client:
        client.write(GET + HOST + b"\r\n")
        client.half_close()
        assert client.answer().status == 200


def test_expect_100_continue_is_answered_before_the_body(http):
    body = b'{"domain":"localhost"}'
    http.write(http.head("POST", "/api/v1/domains", f"Content-Length: {len(body)}",
                         "Expect: 100-continue"))
    assert http.answer().status == 100
    http.write(body)
    assert http.answer().text == "failed to register domain: not a domain name\n"


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_chunked_body_is_a_body(http, size):
    body = json.dumps({"slug": f"k-{uuid.uuid4().hex[:12]}", "agent_mode": "local"}).encode()
    http.write(http.head("POST", "/api/v1/agents", "Transfer-Encoding: chunked"))
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        http.write(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece))
    http.write(b"0\r\nTrailer: x\r\n\r\n")
    assert http.answer().status == 201
    assert http.request("GET", "/api/health").status == 200


@pytest.mark.parametrize("size", [65537, 1 << 20, 4 << 20])
def test_a_chunked_body_that_never_ends_is_refused(http, size):
    http.write(http.head("POST", "/api/v1/domains", "Transfer-Encoding: chunked"))
    try:
        for _ in range(0, size, 65536):
            http.write(b"10000\r\n" + b"[" * 65536 + b"\r\n")
        http.write(b"1\r\n[\r\n0\r\n\r\n")
        answer = http.answer()
    except (EOFError, ConnectionError):
        assert size > 1 << 20  # cut off: more than is worth reading
        return
    assert (answer.status, answer.text) == BAD_BODY and answer.closes


def test_the_clients_request_id_is_not_echoed(http):
    answer = http.request("GET", "/api/v1/info", None, "X-Request-Id: mine<>")
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


# ---- slow ones, many ones ----

def drip(client: Http, data: bytes, pause: float = 0.1) -> float:
    """Sends byte by byte until the server hangs up; after how many seconds."""
    start = time.monotonic()
    client.socket.settimeout(pause)
    for byte in data:
        try:
            client.write(bytes([byte]))
            if client.socket.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - start


def test_who_drips_a_head_or_a_body_is_cut_off(tight):
    """Each byte comes in time; the whole does not."""
    with ExitStack() as clients:
        head, body, late = [clients.enter_context(Http(tight.port)) for _ in range(3)]
        body.write(POST + b"Content-Length: 1000\r\n\r\n")
        assert late.request("GET", "/api/health").status == 200
        took: dict[str, float] = {}

        def run(name: str, client: Http, data: bytes) -> None:
            took[name] = drip(client, data)

        threads = [threading.Thread(target=run, args=args) for args in
                   (("head", head, GET + b"X: " + b"y" * 200), ("body", body, b" " * 200),
                    ("second head", late, GET + b"X: " + b"y" * 200))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert took.keys() == {"head", "body", "second head"}
    assert max(took.values()) < 6


def test_who_does_not_take_the_answer_is_cut_off(stack, account, tight, make_agent, wait_messages):
    agent = make_agent()
    mail = compose(SENDER, agent, "big", body=("x" * 70 + "\n") * 120000)
    assert stack.send(SENDER, agent, mail).code == 250
    found = wait_messages(agent, "big")[0]["message_id"]
    mark = tight.log_mark()
    with Http(tight.port, account.api_key, receive_buffer=4096) as client:
        client.write(client.head("GET", f"/api/v1/agents/{agent}/messages/{found}"))
        assert client.answer(without_body=True).headers["transfer-encoding"] == "chunked"
        tight.wait_log(r"method=GET path=\S*/messages/", mark)  # over and done with
        assert not client.ended().endswith(b"0\r\n\r\n"), "a cut body looks whole"
    with Http(tight.port, account.api_key) as client:
        answer = client.request("GET", f"/api/v1/agents/{agent}/messages/{found}")
        assert answer.json["message_id"] == found and len(answer.body) > len(mail)


def test_idle_connections_above_the_limit_displace_the_oldest(tight):
    with ExitStack() as clients:
        idle = [clients.enter_context(Http(tight.port)) for _ in range(60)]
        assert idle[0].closed()
        with Http(tight.port) as client:
            assert client.request("GET", "/api/health").status == 200
        assert idle[-1].request("GET", "/api/health").status == 200


def test_kept_connections_above_the_limit_are_refused_until_others_go(tight):
    served, refused = [], 0
    with ExitStack() as clients:
        for _ in range(60):
            client = clients.enter_context(Http(tight.port))
            try:
                assert client.request("GET", "/api/health").status == 200
                served.append(client)
            except (EOFError, ConnectionError):
                refused += 1
    assert 20 <= len(served) <= 30 and refused >= 30

    def again() -> bool:
        try:
            with Http(tight.port) as client:
                return client.request("GET", "/api/health").status == 200
        except (EOFError, ConnectionError):
            return False

    wait_until("a place", again)


def test_more_requests_than_the_queue_holds_are_told_to_come_again(stack, account, tight):
    """One worker waits for a lock, one request waits for the worker."""
    with ExitStack() as clients, stack.db() as db, db.cursor() as query:
        def ask() -> Http:
            client = clients.enter_context(Http(tight.port, account.api_key))
            client.write(client.head("GET", "/api/v1/domains"))
            return client

        def held() -> bool:
            query.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "
                          "AND relation = 'domains'::regclass)")
            return query.fetchone()[0]

        db.autocommit = False
        query.execute("LOCK TABLE domains IN ACCESS EXCLUSIVE MODE")
        lines = [ask()]
        wait_until("the worker to wait", held)
        lines += [ask(), ask()]  # which of the two is first is not ours to say
        ready, _, _ = select.select([line.socket for line in lines[1:]], [], [], 10)
        refused = next(line for line in lines if line.socket in ready)
        answer = refused.answer()
        assert (answer.status, answer.text) == (503, "too busy, try again later\n")
        assert int(answer.headers["retry-after"]) > 0
        with Http(tight.port) as client:
            assert client.request("GET", "/api/health").status == 200
        db.rollback()
        assert [line.answer().status for line in lines if line is not refused] == [200, 200]


def test_memory_does_not_grow_with_what_is_thrown_at_it(account, tight):
    def throw() -> None:
        for data in (MALFORMED["60,000 deep"], MALFORMED["one byte too long"], b"x" * 1000000):
            for _ in range(20):
                with Http(tight.port, account.api_key) as client:
                    assert client.request("POST", "/api/v1/domains", data).status == 400

    throw()
    before = tight.resident_kb()
    throw()
    throw()
    assert tight.resident_kb() - before < 4096


def test_clients_that_vanish_leave_nothing_behind(account, tight):
    """A reset in the middle of whatever."""
    def files() -> int:
        return len(os.listdir(f"/proc/{tight.pid}/fd"))

    wait_until("quiet", lambda: Api(tight.url).get("/api/health")[0] == 200)
    before = files()
    for data in (b"", b"GET", GET + HOST + b"\r\n", POST + b"Content-Length: 9\r\n\r\n{",
                 b"GET /api/v1/agents HTTP/1.1\r\n" + HOST + b"Authorization: "
                 + account.api_key.encode() + b"\r\n\r\n"):
        for _ in range(10):
            with Http(tight.port) as client:
                client.write(data)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until("all sockets to be closed", lambda: files() <= before + 2)
