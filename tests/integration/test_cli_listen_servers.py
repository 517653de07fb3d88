# SPDX-License-Identifier: Apache-2.0
"""e2a listen against servers that are not this e2a: other ones, busy ones, broken ones and
those that mean harm."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.stack.part import wait_until
from tests.faults.authority import Authority
from tests.integration.command import ABSENT, DONE, REFUSED, Command
from tests.integration.listening import (BINARY, CLOSE, PING, TEXT, Call, Cut, Listening,
                                         Server, Strange, frame, http, message, notice,
                                         plain_answer, read_head, reset, until_closed)

AGENT = "bot@e2a.example"
MB = 1024  # in kB
SANITISED = {"ASAN_OPTIONS": "quarantine_size_mb=1"}  # what it keeps would look like growth


@pytest.fixture(scope="module")
def roomy(build: Path) -> int:
    """How much more memory a sanitiser needs."""
    return 4 if "-" in build.name else 1


@pytest.fixture
def listen(build: Path, tmp_path: Path) -> Iterator[Callable[..., Listening]]:
    """listen(server, option...): a running command, ended after the test."""
    running: list[Listening] = []

    def listen(server: Strange, *argv: str, env: dict[str, str] | None = None,
               **options) -> Listening:
        command = Command(build, tmp_path, server.url, "e2a_k", **SANITISED)
        running.append(Listening(command, "--agent", AGENT, *argv, env=env, **options))
        return running[-1]

    yield listen
    for listening in running:
        listening.close()


def closes(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


# ---- servers that end the connection ----

ENDS = [
    (closes(1001, "server shutting down"), "the server closed it: server shutting down"),
    (closes(1008, "replaced by new connection"), "the server closed it: replaced by"),
    (closes(1000), "the server closed it (code 1000)"),
    (frame(CLOSE, b""), "the server closed it"),
    (closes(1001, "\x1b[31mred\u202e"), "the server closed it: "),
    (frame(TEXT, b"{not json"), "a frame that is no JSON object"),
    (frame(TEXT, b"[1]"), "a frame that is no JSON object"),
    (frame(TEXT, b"[" * 100000), "a frame that is no JSON object"),
    (frame(BINARY, b"{}"), "a binary frame"),
    (frame(TEXT, b"x" * (1024 * MB + 1)), "a frame of more than a megabyte"),
    (b"\x81\x7f" + struct.pack("!Q", 1 << 40) + b"x" * 20000, "a frame of more than a megabyte"),
    (frame(TEXT, b"x", final=False) + frame(0, b"y" * 1000, final=False) * 1100,
     "a frame of more than a megabyte"),
    (frame(TEXT, b"x", final=False) + frame(0, b"y", final=False) * 70000,
     "a frame in too many parts"),
    (frame(TEXT, b"x", reserved=4), "Connection lost"),  # compressed, as nobody agreed
    (frame(5, b"x"), "Connection lost"),
    (frame(0, b"x"), "Connection lost"),
    (frame(PING, b"x" * 200), "Connection lost"),
]


def test_whatever_ends_the_connection_it_comes_back(listen, roomy):
    """All at once, since each takes a while to come back."""
    with ExitStack() as servers:
        running = [(said, listen(servers.enter_context(
            Strange(notice(1) + end, notice(1) + notice(2))))) for end, said in ENDS]
        for said, listening in running:
            assert listening.subjects(2) == ["1", "2"], said
            line = listening.wait_said("Connection lost: ")
            assert said in line and not set(line) & {"\x1b", "\u202e"}
            listening.wait_said("Connected again.")
            assert len(listening.said.items) == 3 and listening.resident_kb() < 32 * MB * roomy
            assert listening.stop() == DONE


def breaks_off(client: socket.socket) -> None:
    client.sendall(notice(1))
    reset(client)


def half_a_frame(client: socket.socket) -> None:
    client.sendall(notice(1) + notice(2)[:20])


def test_a_connection_that_breaks_off_comes_back(listen):
    with Strange(breaks_off, half_a_frame, notice(1) + notice(2)) as server:
        listening = listen(server)
        assert listening.subjects(2) == ["1", "2"]
        listening.wait_said("Connection lost: the connection broke off. Connecting again.")
        listening.wait_said("Connected again.", 2)
        assert listening.stop() == DONE


def test_a_server_that_says_nothing_is_asked_and_left(listen):
    with Strange(until_closed_silently, notice(1)) as server:
        listening = listen(server, "--ping", "1").listens()
        listening.wait_said("no answer to a ping")
        assert listening.subjects(1) == ["1"]


def until_closed_silently(client: socket.socket) -> None:
    until_closed(client)


def test_a_server_that_answers_pings_is_kept(listen):
    pings = []

    def answers(client: socket.socket) -> None:
        while len(pings) < 2:
            first, second = client.recv(2)
            payload = client.recv((second & 127) + 4)
            assert (first, second & 128) == (0x89, 128)
            pings.append(payload)
            client.sendall(frame(10, b""))
        client.sendall(notice(1))
        until_closed(client)

    with Strange(answers) as server:
        listening = listen(server, "--ping", "1")
        assert listening.subjects(1) == ["1"]
        assert len(listening.said.items) == 1 and len(server.upgrades) == 1


def test_a_stop_does_not_wait_for_a_server_that_is_gone(listen):
    with Strange(until_closed_silently) as server:
        listening = listen(server).listens()
        begin = time.monotonic()
        assert listening.stop() == DONE
        assert time.monotonic() - begin < 3


# ---- servers that refuse it ----

@pytest.mark.parametrize("status, text, code", [
    (403, "not authorized for this agent", REFUSED), (404, "agent not found", ABSENT),
    (401, "invalid token", REFUSED),
])
def test_what_is_refused_for_good_ends_it(build, tmp_path, status, text, code):
    """Also below a path of its own."""
    with Strange(b"") as server:
        server.upgrade = lambda _: http(status, text + "\n")
        server.answer = lambda call: http(status, text + "\n") if call.path.startswith(
            "/below/api/v1/") else http(status, "elsewhere\n")
        listening = Listening(Command(build, tmp_path, server.url + "/below", "e2a_k"),
                              "--agent", AGENT)
        assert listening.end() == code
        assert listening.said.items == [f"Error: {text} (HTTP {status})"]
        listening.close()


REFUSALS = [
    (http(503, "busy\n", "Retry-After: 1"), "Not connected: busy (HTTP 503). Trying again."),
    (http(429, "slow down\n", "Retry-After: 1"), "Not connected: slow down (HTTP 429"),
    (http(500, "<html>oops</html>"), "the server answers HTTP 500"),
    (http(302, "", "Location: http://127.0.0.1:1/"), "the server redirects (HTTP 302)"),
    (http(200, "hello"), "not that of a WebSocket server"),
    (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     b"Sec-WebSocket-Accept: x\r\n\r\n", "not that of a WebSocket server"),
    (b"HTTP/1.1 101 X\r\n" + b"X-A: y\r\n" * 20000 + b"\r\n", "Not connected: "),
    (b"SSH-2.0-x\r\n", "Not connected: "),
    (b"", "Not connected: the connection broke off"),
]


class Refusing(Strange):
    """The first connection gets this answer; it is that of a call at this path, too."""

    def __init__(self, refusal: bytes):
        self.refusal = refusal
        super().__init__(notice(1))
        self.upgrade = lambda _: refusal if len(self.upgrades) == 1 else None
        self.answer = self.refuse

    def refuse(self, call: Call) -> bytes | None:
        return (self.refusal or None) if call.path.endswith("/ws") else plain_answer(call)


def test_other_refusals_are_waited_out(listen):
    with ExitStack() as servers:
        running = [(said, listen(servers.enter_context(Refusing(answer))))
                   for answer, said in REFUSALS]
        for said, listening in running:
            assert listening.subjects(1) == ["1"], said
            listening.listens()
            assert said in listening.said.items[0], listening.said.items
            assert listening.said.items[1] == f"Listening for mail to {AGENT}"


def test_extensions_that_nobody_asked_for_are_refused(listen):
    with Strange(notice(1)) as server:
        server.extra = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        listening = listen(server)
        listening.wait_said("Not connected: the answer is not that of a WebSocket server")
        server.extra = b""
        assert listening.subjects(1) == ["1"]


def test_a_server_that_is_not_there_is_waited_for(listen):
    server = Strange(notice(1))
    server.close()
    listening = listen(server)
    listening.wait_said("Not connected: cannot connect. Trying again.")
    assert listening.stop() == DONE


def test_the_key_goes_into_the_header_and_into_the_url_only_where_it_must(listen):
    def upgrade(call: Call) -> bytes | None:
        return None if "token" in call.query else http(401, "token query parameter required\n")

    with Strange(b"", notice(1) + closes(1001), notice(2)) as server:
        server.upgrade = upgrade
        listening = listen(server)
        assert listening.subjects(2) == ["1", "2"]
        first, second, third = server.upgrades
        assert third.query == second.query
        assert first.fields["authorization"] == "Bearer e2a_k" and not first.query
        assert second.query == {"token": "e2a_k"}
        assert first.path == f"/api/v1/agents/{AGENT}/ws"


def test_a_server_without_cursors_is_not_asked_again(listen):
    with Strange(notice(1) + closes(1001), notice(1) + notice(2)) as server:
        listening = listen(server)
        assert listening.subjects(2) == ["1", "2"]
        assert listening.stop() == DONE
        lists = [call.query for call in server.calls.items if call.path.endswith("/messages")]
        assert [query["sort"] for query in lists] == ["desc", "asc"]


def test_the_list_is_walked_from_its_end_at_the_start(listen):
    """What was there before is passed over; then every page behind the last cursor counts, with
    what the WebSocket told already."""
    def page(cursor: str, *numbers: int, more: bool = False) -> dict:
        return {"messages": [{"message_id": f"msg_{n}", "from": "a@sender.example",
                              "subject": str(n), "created_at": f"2026-01-15T10:30:0{n}Z"}
                             for n in numbers],
                "cursor": cursor, **({"next_token": cursor} if more else {})}

    pages = [page("", 2), page("c1", 2, more=True), page("c2"), page("c3", 3, 4, more=True),
             page("c4", 5)]

    def answer(call: Call) -> bytes:
        return http(200, pages.pop(0)) if call.path.endswith("/messages") else plain_answer(call)

    def until_walked(client: socket.socket) -> None:
        client.sendall(notice(3))
        wait_until("the walk", lambda: len(pages) == 2)
        client.sendall(closes(1001))
        until_closed(client)

    with Strange(until_walked, b"") as server:
        server.answer = answer
        listening = listen(server)
        assert listening.subjects(3) == ["3", "4", "5"]
        assert listening.stop() == DONE and len(listening.lines.items) == 3
        lists = [call.query for call in server.calls.items if call.path.endswith("/messages")]
        assert lists[0] == {"status": "all", "sort": "desc", "page_size": "1"}
        walks = {"status": "all", "sort": "asc", "page_size": "100", "wait": "0",
                 "since": "2026-01-15T10:30:02Z"}
        assert lists[1:] == [walks, *({**walks, "token": token} for token in ("c1", "c2", "c3"))]


def test_a_list_that_never_ends_holds_nothing_up(listen):
    """Each page says that there is another one, with a cursor that does not move."""
    def answer(call: Call) -> bytes:
        return http(200, {"messages": [], "cursor": "same", "next_token": "same"})

    with Strange(notice(1) + closes(1001), notice(1) + notice(2)) as server:
        server.answer = answer
        listening = listen(server)
        assert listening.subjects(2) == ["1", "2"]
        assert listening.stop() == DONE and len(server.calls.items) < 10


# ---- many notices ----

def test_a_flood_of_notices_is_printed_and_takes_bounded_memory(listen, roomy):
    count = 50_000
    with Strange(b"".join(map(notice, range(count)))) as server:
        listening = listen(server)
        assert listening.subjects(count, 120) == [str(n) for n in range(count)]
        assert listening.resident_kb() < 48 * MB * roomy and len(server.upgrades) == 1


def test_a_reader_that_takes_nothing_makes_it_pause_and_nothing_is_lost(listen, roomy):
    count = 15_000
    with Strange(b"".join(map(notice, range(count)))) as server:
        listening = listen(server, read=False)
        listening.listens()
        wait_until("the pause", lambda: not server.sockets_open, 20)  # it closed the connection
        assert len(server.upgrades) == 1 and listening.resident_kb() < 32 * MB * roomy
        listening.read()
        assert sorted(listening.subjects(count, 60), key=int) == [str(n) for n in range(count)]
        assert len(server.upgrades) >= 2 and len(listening.said.items) == 1


def test_what_has_no_id_is_passed_over(listen):
    with Strange(frame(TEXT, b'{"hello":1}') + notice("x" * 300) + notice(1)) as server:
        listening = listen(server)
        assert listening.subjects(1) == ["1"] and len(server.upgrades) == 1


# ---- fetching ----

class Fetches:
    """What the n-th fetch of a message gets; then what a plain server gives."""

    def __init__(self, **answers: list[bytes | None]):
        self.answers = answers
        self.asked: list[tuple[str, float]] = []

    def __call__(self, call: Call) -> bytes | None:
        name = call.path.rpartition("/")[2]
        if not name.startswith("msg_"):
            return plain_answer(call)
        self.asked.append((name, time.monotonic()))
        left = self.answers.get(name, [])
        return left.pop(0) if left else http(200, message(call))


def fetched(listen, fetches: Fetches, *argv: str, count: int = 3) -> Listening:
    with Strange(b"".join(map(notice, range(1, count + 1)))) as server:
        server.answer = fetches
        listening = listen(server, "--json", *argv)
        wanted = [str(n) for n in range(1, count + 1) if f"msg_{n}" not in fetches.answers
                  or 404 not in map(status_of, fetches.answers[f"msg_{n}"])]
        assert listening.subjects(len(wanted)) == wanted
        assert listening.stop() == DONE
        assert listening.subjects(0) == wanted and len(server.upgrades) == 1
        return listening


def status_of(answer: bytes | None) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


def test_a_fetch_that_is_refused_for_now_waits_as_told(listen):
    fetches = Fetches(msg_1=[http(429, "slow\n", "Retry-After: 2")])
    listening = fetched(listen, fetches)
    names, times = zip(*fetches.asked)
    assert names == ("msg_1", "msg_1", "msg_2", "msg_3") and times[1] - times[0] >= 2
    assert len(listening.said.items) == 1


FAILURES = [
    [http(500, "oops\n"), http(502, "<html>")], [None], [http(200, "[not json")],
    [http(503, "busy\n", "Retry-After: 1")],
]


def test_a_fetch_that_fails_is_made_again_in_its_place(listen):
    three = b"".join(map(notice, range(1, 4)))
    with ExitStack() as servers:
        running = []
        for failures in FAILURES:
            server = servers.enter_context(Strange(three))
            server.answer = Fetches(msg_2=list(failures))
            running.append((server, listen(server, "--json")))
        for server, listening in running:
            assert listening.subjects(3) == ["1", "2", "3"]
            names = [name for name, _ in server.answer.asked]
            assert names == sorted(names) and names.count("msg_2") > 1
            assert len(listening.said.items) <= 2 and len(server.upgrades) == 1


def test_a_message_that_the_server_fails_at_lets_the_others_go_first(listen):
    with Strange(b"".join(map(notice, range(1, 4)))) as server:
        server.answer = Fetches(msg_1=[http(500, "oops\n")] * 4)
        listening = listen(server, "--json")
        assert listening.subjects(3) == ["2", "3", "1"]
        assert [line for line in listening.said.items if "go first" in line] == [
            "Cannot fetch msg_1: the server fails at it. The mails behind it go first."]
        assert listening.stop() == DONE


def test_a_message_that_is_gone_is_said_and_skipped(listen):
    listening = fetched(listen, Fetches(msg_2=[http(404, "message not found\n")]))
    assert listening.said.items[1:] == ["Skipped msg_2: message not found (HTTP 404)"]


def test_a_fetch_that_the_key_does_not_reach_ends_it(listen):
    with Strange(notice(1) + notice(2)) as server:
        server.answer = Fetches(msg_1=[http(401, "unauthorized\n")])
        listening = listen(server, "--json")
        assert listening.end() == REFUSED
        assert listening.said.items[-1] == "Error: unauthorized (HTTP 401)"


def test_a_signal_ends_the_wait_for_a_fetch(listen):
    with Strange(notice(1)) as server:
        server.answer = Fetches(msg_1=[http(429, "slow\n", "Retry-After: 60")] * 9)
        listening = listen(server, "--json").listens()
        server.calls.wait(lambda call: call.path.endswith("msg_1"))
        begin = time.monotonic()
        assert listening.stop() == DONE and time.monotonic() - begin < 5


def test_json_shows_what_a_terminal_would_act_on_as_escapes(listen):
    odd = "a\x1b[31mb\u202ec\u2066\x9bd"
    with Strange(notice(1)) as server:
        server.answer = lambda call: http(200, {**message(call), "subject": odd})
        listening = listen(server, "--json")
        line = listening.lines.wait_count(1)[0]
        assert json.loads(line)["subject"] == odd and not set(line) & set(odd) - set("abcd[31m")


# ---- TLS ----

@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "authority.example")


def test_a_certificate_of_nobody_we_know_is_an_error_and_no_key_is_sent(listen, authority):
    with Strange(notice(1), tls=authority.server("127.0.0.1")) as server:
        listening = listen(server)
        line = listening.wait_said("Not connected: ")
        assert "certificate" in line
        assert not server.upgrades and not server.calls.items


def test_a_certificate_for_another_host_is_an_error(listen, authority):
    with Strange(notice(1), tls=authority.server("other.example")) as server:
        listening = listen(server, env={"SSL_CERT_FILE": str(authority.file)})
        assert "mismatch" in listening.wait_said("Not connected: ")
        assert not server.upgrades


class Plain(Server):
    def handle(self, client: socket.socket) -> None:
        client.sendall(http(400, "this is no TLS\n"))
        until_closed(client)


def test_a_server_that_speaks_no_tls_is_an_error(listen):
    with Plain() as server:
        listening = listen(server, env={"E2A_URL": server.url.replace("http:", "https:")})
        listening.wait_said("Not connected: TLS failed")


def test_tls_works(listen, authority):
    with Strange(notice(1) + notice(2), tls=authority.server("127.0.0.1")) as server:
        listening = listen(server, "--json", env={"SSL_CERT_FILE": str(authority.file)})
        assert listening.subjects(2) == ["1", "2"]
        assert listening.stop() == DONE


# ---- a proxy ----

class Proxy(Server):
    """Passes everything on to one server, whatever host was asked for."""

    def __init__(self, server: Strange):
        self.server = server
        self.asked: list[str] = []
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        head = read_head(client) + b"\r\n\r\n"
        line = head.split(b"\r\n")[0].decode()
        self.asked.append(line)
        with socket.create_connection(("127.0.0.1", self.server.port)) as server:
            if line.startswith("CONNECT "):
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                server.sendall(head)
            wire = threading.Event()
            wire.set()
            back = threading.Thread(target=Cut.copy, args=(server, client, wire), daemon=True)
            back.start()
            Cut.copy(client, server, wire)
            back.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_environment_is_used(listen, authority, scheme):
    tls = authority.server("e2a.example") if scheme == "https" else None
    with Strange(notice(1), tls=tls) as server, Proxy(server) as proxy:
        listening = listen(server, "--json", env={
            "E2A_URL": f"{scheme}://e2a.example", "SSL_CERT_FILE": str(authority.file),
            f"{scheme}_proxy": f"http://127.0.0.1:{proxy.port}"})
        assert listening.subjects(1) == ["1"]
        port = 443 if scheme == "https" else 80
        assert any(line.startswith(f"CONNECT e2a.example:{port} ") for line in proxy.asked)
        assert server.upgrades[0].fields["host"] == "e2a.example"
