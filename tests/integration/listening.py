# SPDX-License-Identifier: Apache-2.0
"""`e2a listen` under test: the running command, a network that can be cut, and a server that
is not an e2a and does what the test says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from scripts.stack.peers import Inbox
from tests.integration.command import Command

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Listening:
    """What it printed is in `lines`, what it said on standard error in `said`."""

    def __init__(self, command: Command, *argv: str, read: bool = True, **options: object):
        self.process = command.start("listen", *argv, **options)
        self.lines, self.said = Inbox(), Inbox()
        self.threads = [self.collect(self.process.stderr, self.said)]
        if read and self.process.stdout:
            self.read()

    def collect(self, pipe, into: Inbox) -> threading.Thread:
        def run() -> None:
            for line in iter(pipe.readline, b""):
                assert b"\x1b" not in line
                into.put(line.decode().rstrip("\n"))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def read(self) -> None:
        self.threads.append(self.collect(self.process.stdout, self.lines))

    def wait_said(self, text: str, count: int = 1, timeout: float = 20.0) -> str:
        """The n-th line on standard error that has this text."""
        def matching() -> list[str]:
            return [line for line in self.said.items if text in line]

        with self.said.changed:
            assert self.said.changed.wait_for(lambda: len(matching()) >= count, timeout), \
                (text, self.said.items)
        return matching()[count - 1] if count else ""

    def listens(self) -> Listening:
        self.wait_said("Listening for mail")
        return self

    def subjects(self, count: int, timeout: float = 30.0) -> list[str]:
        """Of the lines so far, at least so many: text or JSON."""
        return [subject_of(line) for line in self.lines.wait_count(count, timeout)]

    def resident_kb(self, what: str = "VmHWM") -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(what + ":")[2].split()[0])

    def end(self, timeout: float = 20.0) -> int:
        """Waits for its end."""
        status = self.process.wait(timeout)
        for thread in self.threads:
            thread.join(timeout)
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.end()

    def close(self) -> None:
        self.process.kill()
        self.end()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def subject_of(line: str) -> str:
    if line.startswith("{"):
        return json.loads(line)["subject"]
    found = re.fullmatch(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] From: (.*) \| Subject: (.*)", line)
    assert found, line
    return found[2]


class Server:
    """A TCP server with a thread for each connection."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.tls = tls
        self.open: set[socket.socket] = set()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.open.add(client)
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.tls:
                plain, client = client, self.tls.wrap_socket(client, server_side=True)
                self.open.discard(plain)
                self.open.add(client)
            with client:
                self.handle(client)
        self.open.discard(client)

    def handle(self, client: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in list(self.open):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reset(client: socket.socket) -> None:
    """The next close sends RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Cut(Server):
    """The network in between, to `port`."""

    def __init__(self, port: int):
        self.target = port
        self.wire = threading.Event()  # set: what was connected by it passes data on
        self.wire.set()
        self.dead: list[threading.Event] = []
        self.refusing = False
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        if self.refusing:
            reset(client)
            return
        wire = self.wire
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            self.open.add(server)
            back = threading.Thread(target=self.copy, args=(server, client, wire), daemon=True)
            back.start()
            self.copy(client, server, wire)
            back.join()
        self.open.discard(server)

    @staticmethod
    def copy(source: socket.socket, sink: socket.socket, wire: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                wire.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            source.shutdown(socket.SHUT_RDWR)

    def reset_all(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                reset(connection)
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Connections break off and new ones fail."""
        self.refusing = True
        self.reset_all()
        yield
        self.refusing = False

    @contextmanager
    def swallowing(self) -> Iterator[None]:
        """Connections stay and pass nothing on, never again; new ones neither, for now."""
        self.wire.clear()
        yield
        self.dead.append(self.wire)
        self.wire = threading.Event()
        self.wire.set()

    def close(self) -> None:
        super().close()
        for wire in self.dead:
            wire.set()


def frame(opcode: int, payload: bytes, final: bool = True, reserved: int = 0) -> bytes:
    n = len(payload)
    size = (bytes([n]) if n < 126 else
            b"\x7e" + struct.pack("!H", n) if n < 65536 else b"\x7f" + struct.pack("!Q", n))
    return bytes([(0x80 if final else 0) | reserved << 4 | opcode]) + size + payload


def notice(n: object, **more: str) -> bytes:
    return frame(TEXT, json.dumps({"message_id": f"msg_{n}", "from": "a@sender.example",
                                   "recipient": "bot@e2a.example", "subject": str(n),
                                   "received_at": "2026-01-15T10:30:00Z", **more}).encode())


class Call:
    """A request to a Strange server that is no upgrade."""

    def __init__(self, head: bytes):
        self.method, target, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
        self.path = unquote(urlsplit(target).path)
        self.query = {k: v[0] for k, v in parse_qs(urlsplit(target).query).items()}
        self.fields = {name.lower(): value.strip() for name, _, value in (
            line.partition(":") for line in head.decode().split("\r\n")[1:] if line)}


Script = Callable[[socket.socket], None]


class Strange(Server):
    """`sockets[n]` talks to the n-th WebSocket, the last one to all after it: bytes that come
    behind the answer to the upgrade, or a function of the connection. `upgrade` refuses one:
    the bytes of an answer, or None. `answer` gives what a call gets: bytes of a whole answer,
    or None to break off."""

    def __init__(self, *sockets: bytes | Script, tls: ssl.SSLContext | None = None):
        self.sockets = sockets
        self.upgrades: list[Call] = []
        self.sockets_open = 0
        self.calls = Inbox()
        self.upgrade: Callable[[Call], bytes | None] = lambda _: None
        self.answer: Callable[[Call], bytes | None] = plain_answer
        self.extra = b""  # fields of the answer to an upgrade
        super().__init__(tls)

    def handle(self, client: socket.socket) -> None:
        while head := read_head(client):
            call = Call(head)
            if "upgrade" in call.fields:
                self.talk(client, call)
                return
            self.calls.put(call)
            answer = self.answer(call)
            if answer is None:
                reset(client)
                return
            client.sendall(answer)

    def talk(self, client: socket.socket, call: Call) -> None:
        self.upgrades.append(call)
        self.sockets_open += 1
        try:
            self.talk_on(client, call)
        finally:
            self.sockets_open -= 1

    def talk_on(self, client: socket.socket, call: Call) -> None:
        number = len(self.upgrades) - 1
        refusal = self.upgrade(call)
        if refusal is not None:
            client.sendall(refusal)
            return
        accept = base64.b64encode(hashlib.sha1(call.fields["sec-websocket-key"].encode()
                                               + GUID).digest())
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\n" + self.extra
                       + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        script = self.sockets[min(number, len(self.sockets) - 1)]
        if callable(script):
            script(client)
        else:
            client.sendall(script)
            until_closed(client)


def read_head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(65536)
        if not more:
            return b""
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    missing = re.search(rb"(?i)content-length: (\d+)", head)
    while missing and len(body) < int(missing[1]):
        body += client.recv(65536)
    return head


def until_closed(client: socket.socket) -> bytes:
    data = b""
    while more := client.recv(65536):
        data += more
    return data


def http(status: int, body: object = "", *fields: str) -> bytes:
    content = body if isinstance(body, str) else json.dumps(body)
    kind = "text/plain" if isinstance(body, str) else "application/json"
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}",
             f"Content-Length: {len(content.encode())}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + content).encode()


def message(call: Call) -> dict:
    number = call.path.rpartition("msg_")[2]
    return {"message_id": f"msg_{number}", "subject": number, "from": "a@sender.example",
            "raw_message": None, "text": f"text {number}"}


def plain_answer(call: Call) -> bytes:
    """Of an e2a that knows no cursors."""
    if call.path.endswith("/messages"):
        return http(200, {"messages": []})
    if "/messages/" in call.path:
        return http(200, message(call))
    return http(404, "404 page not found\n")


def command(build: Path, home: Path, url: str, key: str = "e2a_k", **env: str) -> Command:
    return Command(build, home, url, key, **env)


