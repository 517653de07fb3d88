# SPDX-License-Identifier: Apache-2.0
"""HTTP and WebSocket byte for byte: a client that sends what a test tells it to
and shows what came back, and a second e2a-apid with settings of its own. An answer
to a request whose head this client wrote must be one that the document describes."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scripts.stack import Stack, StackError
from scripts.stack.daemons import Apid
from scripts.stack.part import Port, wait_until, write_file
from tests.integration import schema

TIMEOUT = 20.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Http:
    """One connection to 127.0.0.1, from a loopback address if one is named, or to a unix socket."""

    def __init__(self, port: int | Path, key: str = "", timeout: float = TIMEOUT,
                 receive_buffer: int = 0, source: str = ""):
        self.key = key
        local = isinstance(port, Path)
        self.socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(str(port) if local else ("127.0.0.1", port))
        self.input = self.socket.makefile("rb")
        self.asked: list[tuple[str, str]] = []  # method and target of what is not answered yet

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.input.close()
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def head(self, method: str, target: str, *fields: str, version: str = "1.1") -> bytes:
        """For one write to this connection."""
        self.asked.append((method, target))
        lines = [f"{method} {target} HTTP/{version}", "Host: api.example", *fields]
        if self.key:
            lines.append(f"Authorization: Bearer {self.key}")
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"

    def request(self, method: str, target: str, body: bytes | None = None, *fields: str) -> Answer:
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        self.write(self.head(method, target, *length, *fields) + (body or b""))
        return self.answer(method == "HEAD")

    def line(self) -> str:
        line = self.input.readline()
        if not line:
            raise EOFError("the server closed the connection")
        return line.decode("latin-1").rstrip("\r\n")

    def answer(self, without_body: bool = False) -> Answer:
        """EOFError when the connection ended instead."""
        version, status, *_ = self.line().split(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0"), version
        headers: dict[str, str] = {}
        while line := self.line():
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "set-cookie" and name in headers:
                value = f"{headers.pop(name)}\n{value}"  # the one field that is no list
            assert name not in headers, f"{name} twice"
            headers[name] = value
        if status == "100":
            return Answer(100, headers, b"")
        bare = without_body or status in ("101", "204", "304")
        answer = Answer(int(status), headers, b"" if bare else self.body(headers))
        if self.asked:
            method, target = self.asked.pop(0)
            if not without_body or method == "HEAD":
                schema.check(method, target, answer.status, headers, answer.body)
        return answer

    def chunks(self) -> Iterator[bytes]:
        while size := int(self.line(), 16):
            data = self.input.read(size)
            if len(data) < size or self.line():
                raise EOFError("a chunk that ends early")
            yield data
        assert self.line() == "", "a trailer"

    def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("content-type") == "text/event-stream":
            return b""  # it has no end: EventStream reads it
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self.chunks())
        if "content-length" not in headers:
            return self.input.read()
        want = int(headers["content-length"])
        data = self.input.read(want)
        if len(data) < want:
            raise EOFError(f"{len(data)} of {want} bytes of a body")
        return data

    def closed(self) -> bool:
        """The server ends the connection and sends nothing more."""
        try:
            return self.input.read() == b""
        except ConnectionResetError:
            return True

    def ended(self) -> bytes:
        """What the server sends until it ends the connection."""
        data = b""
        try:
            while more := self.input.read1():
                data += more
        except ConnectionResetError:
            pass
        return data


def upgrade_fields(key: str = KEY) -> list[str]:
    return ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}"]


def ws_target(agent: str, token: str = "") -> str:
    return f"/api/v1/agents/{quote(agent, safe='')}/ws" + (f"?token={token}" if token else "")


def events_target(agent: str) -> str:
    return f"/api/v1/agents/{quote(agent, safe='')}/events"


@dataclass(frozen=True)
class Frame:
    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of a close frame; 1005 when it has none."""
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) > 1 else 1005


class WebSocket(Http):
    """An open WebSocket (RFC 6455), or StackError with the server's refusal. Pings
    are answered unless `silent`."""

    def __init__(self, port: int, agent: str, key: str, *fields: str, in_header: bool = False,
                 silent: bool = False, **options):
        super().__init__(port, key if in_header else "", **options)
        self.silent = silent
        self.pings: list[bytes] = []
        self.write(self.head("GET", ws_target(agent, "" if in_header else key),
                             *upgrade_fields(), *fields))
        self.opening = self.answer()
        if self.opening.status != 101:
            self.close()
            raise StackError(f"{self.opening.status} {self.opening.text}")
        assert self.opening.headers["sec-websocket-accept"] == ACCEPT

    def read(self, n: int) -> bytes:
        data = self.input.read(n)
        if len(data) < n:
            raise EOFError("the server closed the connection")
        return data

    def any_frame(self) -> Frame:
        first, second = self.read(2)
        assert first & 0x70 == 0 and first & 0x80, "an extension, or a fragment"
        assert not second & 0x80, "servers do not mask"
        size = second
        if size == 126:
            size, = struct.unpack("!H", self.read(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.read(8))
        return Frame(first & 15, self.read(size))

    def frame(self) -> Frame:
        """The next one that is no ping."""
        while (frame := self.any_frame()).opcode == PING:
            self.pings.append(frame.payload)
            if not self.silent:
                self.send(PONG, frame.payload)
        return frame

    def notice(self) -> dict[str, Any]:
        frame = self.frame()
        assert frame.opcode == TEXT, frame
        return json.loads(frame.payload)

    def notices(self, count: int) -> list[dict[str, Any]]:
        return [self.notice() for _ in range(count)]

    def close_frame(self) -> tuple[int, str]:
        """Code and reason with which the server ends; notices before it are skipped."""
        while (frame := self.frame()).opcode != CLOSE:
            pass
        return frame.code, frame.payload[2:].decode()

    def send(self, opcode: int, payload: bytes, final: bool = True) -> None:
        mask = os.urandom(4)
        n = len(payload)
        size = (bytes([0x80 | n]) if n < 126 else
                b"\xfe" + struct.pack("!H", n) if n < 65536 else b"\xff" + struct.pack("!Q", n))
        stream = (mask * (n // 4 + 1))[:n]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(n, "big")
        self.write(bytes([(0x80 if final else 0) | opcode]) + size + mask + masked)


@dataclass(frozen=True)
class Event:
    """One of a stream. `data` is None for an id that comes without one."""
    id: str
    data: dict[str, Any] | None


class EventStream(Http):
    """A stream of Server-Sent Events, or StackError with the server's refusal."""

    def __init__(self, port: int | Path, agent: str, key: str, last: str = "", *fields: str,
                 version: str = "1.1", query: str = "", **options):
        super().__init__(port, key, **options)
        self.comments = 0
        self.retry = ""
        self.text = b""
        resume = [f"Last-Event-ID: {last}"] if last else []
        self.write(self.head("GET", events_target(agent) + query, *resume, *fields, version=version))
        self.opening = self.answer()
        if self.opening.status != 200:
            self.close()
            raise StackError(f"{self.opening.status} {self.opening.text}")
        self.pieces = (self.chunks() if "transfer-encoding" in self.opening.headers
                       else iter(lambda: self.input.read1(), b""))

    def block(self) -> list[str]:
        """The lines up to the next empty one. EOFError at the end of the stream."""
        while b"\n\n" not in self.text:
            piece = next(self.pieces, None)
            if piece is None:
                assert not self.text, "half an event"
                raise EOFError("the stream ended")
            self.text += piece
        block, _, self.text = self.text.partition(b"\n\n")
        return block.decode().split("\n")

    def any_event(self) -> Event:
        """The next one that has an id."""
        while True:
            lines = self.block()
            self.comments += sum(line.startswith(":") for line in lines)
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            self.retry = fields.get("retry", self.retry)
            if "id" in fields:
                assert fields.keys() in ({"id"}, {"id", "event", "data"})
                assert fields.get("event", "message") == "message"
                return Event(fields["id"], json.loads(fields["data"]) if "data" in fields else None)

    def event(self) -> Event:
        """The next one that tells of a mail."""
        while (event := self.any_event()).data is None:
            pass
        return event

    def notice(self) -> dict[str, Any]:
        return self.event().data

    def end(self) -> list[Event]:
        """What comes until the stream ends as it should."""
        events = []
        try:
            while True:
                events.append(self.any_event())
        except EOFError as e:
            assert str(e) == "the stream ended", e
        return events


class SecondApid(Apid):
    """One more e2a-apid on the same database, on a port of its own: {url} in a setting."""

    def __init__(self, stack: Stack, number: int, **settings: str):
        self.name = f"apid-{number}"
        self.claim = Port("HTTP")
        self.port = self.claim.number
        self.url = f"http://127.0.0.1:{self.port}"
        conf = {**stack.settings, "http_listen": f"127.0.0.1:{self.port}", "apid_metrics": "",
                **settings}
        text = "".join(f"{key} = {value}\n" for key, value in conf.items())
        super().__init__(stack.state, write_file(stack.state / f"{self.name}.conf",
                                                 text.replace("{url}", self.url)))

    def argv(self) -> list[str]:
        return [str(self.state / "bin" / "e2a-apid"), "-c", str(self.conf)]

    def env(self) -> dict[str, str]:
        """What a sanitiser keeps of freed memory would look like growth."""
        env = super().env()
        return {**env, "ASAN_OPTIONS": env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}

    def pgpass_path(self) -> Path:
        return self.state / "secrets" / "apid.pgpass"

    def resident_kb(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class HandedApid(SecondApid):
    """One whose listening socket is ours, as with a service manager (sd_listen_fds(3))."""

    def __init__(self, stack: Stack, number: int, **settings: str):
        super().__init__(stack, number, http_listen="fd:3", **settings)
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.pass_fds = (self.listener.fileno(),)

    def argv(self) -> list[str]:
        return ["/bin/bash", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" '
                f"3<&{self.listener.fileno()}", "bash", *super().argv()]


@contextmanager
def second_apid(stack: Stack, number: int, kind: type[SecondApid] = SecondApid,
                **settings: str) -> Iterator[SecondApid]:
    apid = kind(stack, number, **settings)
    try:
        apid.start()
        yield apid
        assert not apid.crashed(), apid.log_since()[-2000:]
        if apid.running():
            assert apid.stop() == 0
    finally:
        apid.kill()
        apid.claim.release()


@contextmanager
def metered_apid(stack: Stack, number: int, **settings: str) -> Iterator[SecondApid]:
    """One that shows its metrics, at metrics_url."""
    claim = Port("METRICS")
    address = f"127.0.0.1:{claim.number}"
    try:
        with second_apid(stack, number, apid_metrics=address, **settings) as apid:
            apid.metrics_url = f"http://{address}/metrics"
            yield apid
    finally:
        claim.release()


def add_key(stack: Stack, user_id: str, *, agent: str | None = None, revoked: bool = False,
            expires: str | None = None) -> tuple[str, str]:
    """A key written into the database as e2a-admin would; (id, key)."""
    key = f"e2a_{os.urandom(32).hex()}"
    key_id = f"apk_{os.urandom(16).hex()}"
    with stack.db() as db, db.cursor() as query:
        query.execute(
            "INSERT INTO api_keys (id, user_id, prefix, hash, scope, agent_email, revoked_at, "
            "expires_at) VALUES (%s, %s, %s, sha256(%s), %s, %s, "
            "CASE WHEN %s THEN clock_timestamp() END, clock_timestamp() + %s::interval)",
            [key_id, user_id, key[:12], key.encode(), "agent" if agent else "account", agent,
             revoked, expires])
    return key_id, key


def wait_used(stack: Stack, key_id: str) -> None:
    """The request with this key, its first, is at work."""
    def used() -> bool:
        with stack.db() as db, db.cursor() as query:
            query.execute("SELECT last_used_at IS NOT NULL FROM api_keys WHERE id = %s", [key_id])
            return query.fetchone()[0]

    wait_until("the key to be used", used)


def insert_mail(stack: Stack, user_id: str, agent: str, count: int = 1, subject: str = "written",
                age: str = "0 s") -> None:
    """Mail that no NOTIFY tells of. With an age: as if the commit had taken so long."""
    with stack.db() as db, db.cursor() as query:
        query.execute(
            "WITH raw AS (INSERT INTO raw_messages (id, sha256, size, raw, created_at) "
            "SELECT 'raw_' || replace(gen_random_uuid()::text, '-', ''), '', 0, '', "
            "now() - %s::interval FROM generate_series(1, %s) RETURNING id, created_at) "
            "INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, "
            "recipient, subject, created_at, expires_at) "
            "SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), %s, %s, id, 'inbound', "
            "'unread', %s, %s, created_at, now() + interval '1 day' FROM raw",
            [age, count, user_id, agent, agent, subject])


def add_session(stack: Stack, user_id: str, expires: str = "1 hour") -> str:
    """The token of a browser that is signed in; good for that long."""
    token = f"e2a_{os.urandom(32).hex()}"
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO sessions (hash, user_id, expires_at) "
                      "VALUES (sha256(%s), %s, clock_timestamp() + %s::interval)",
                      [token.encode(), user_id, expires])
    return token


@dataclass(frozen=True)
class Caller:
    """caller(method, path, value) -> Answer, a connection each: with a key or as a browser."""
    port: int
    fields: tuple[str, ...]

    def __call__(self, method: str, path: str, value: Any = None, *fields: str) -> Answer:
        body = (value if value is None or isinstance(value, bytes)
                else json.dumps(value).encode())
        with Http(self.port) as http:
            return http.request(method, path, body, *self.fields, *fields)


def with_key(port: int, key: str) -> Caller:
    return Caller(port, (f"Authorization: Bearer {key}",))


def signed_in(stack: Stack, user_id: str, port: int | None = None) -> Caller:
    """A page of our own in a browser."""
    token = add_session(stack, user_id)
    return Caller(port or stack.http_port,
                  (f"Cookie: e2a_session={token}", "Sec-Fetch-Site: same-origin"))
