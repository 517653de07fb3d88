# SPDX-License-Identifier: Apache-2.0
"""Clients of local agents that come back whenever their connection breaks, as real
ones do, and write down what they were told."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse
from socket import SHUT_RDWR, socket
from urllib.parse import quote, urlsplit

import websockets

from scripts.stack.peers import Api
from tests.faults.audit import Journal, sha256

PAUSE = 0.2  # between two connections

CUT = (EOFError, OSError, ValueError, asyncio.TimeoutError, HTTPException,
       websockets.WebSocketException)

connections = itertools.count(1)


class Reader(threading.Thread):
    """While it runs, told() is called for each notice that arrived on a connection."""

    def __init__(self, journal: Journal, url: str, agent: str, key: str):
        super().__init__(daemon=True)
        self.journal, self.url, self.agent, self.key = journal, url, agent, key
        self.stopping = threading.Event()
        self.socket: socket | None = None

    def told(self, connection: int, notice: dict) -> None:
        self.journal.append("told", durable=False, connection=connection, agent=self.agent,
                            id=notice["message_id"])

    def connect(self, connection: int) -> None:
        """Reads until the connection breaks or this reader is to stop."""
        raise NotImplementedError

    def run(self) -> None:
        while not self.stopping.wait(PAUSE):
            number = next(connections)
            try:
                self.connect(number)
            except CUT as e:
                self.journal.append("cut", connection=number, why=type(e).__name__)

    def connected(self, connection: int) -> None:
        self.journal.append("connected", durable=False, connection=connection, agent=self.agent)

    def get(self, path: str, **headers: str) -> HTTPResponse:
        """The answer to a GET, which ends when its reader does."""
        where = urlsplit(self.url)
        http = HTTPConnection(where.hostname, where.port, timeout=60)
        http.request("GET", f"/api/v1/agents/{self.agent}/{path}",
                     headers={"Authorization": f"Bearer {self.key}", **headers})
        self.socket = http.sock
        answer = http.getresponse()
        if answer.status not in (200, 500, 503):
            self.journal.append("wrong", what=f"GET {path}: {answer.status}")
        if answer.status != 200:
            raise OSError(answer.status)
        return answer

    def __enter__(self) -> Reader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        if self.socket:
            try:
                self.socket.shutdown(SHUT_RDWR)
            except OSError:
                pass  # it was cut meanwhile
        self.join(30)


class Listener(Reader):
    """Over a WebSocket. It reads nothing, so that each connection begins with all there is."""

    def connect(self, connection: int) -> None:
        asyncio.run(self.listen(connection))

    async def listen(self, connection: int) -> None:
        url = f"ws{self.url.removeprefix('http')}/api/v1/agents/{self.agent}/ws?token={self.key}"
        async with websockets.connect(url, compression=None, open_timeout=5,
                                      close_timeout=1) as peer:
            self.connected(connection)
            while not self.stopping.is_set():
                try:
                    frame = await asyncio.wait_for(peer.recv(), 0.5)
                except asyncio.TimeoutError:
                    continue
                self.told(connection, json.loads(frame))


class Fetcher(Listener):
    """Fetches each mail that it is told of, which makes it a read one."""

    def told(self, connection: int, notice: dict) -> None:
        super().told(connection, notice)
        path = f"/api/v1/agents/{self.agent}/messages/{notice['message_id']}"
        status, found = Api(self.url, self.key).get(path)
        if status == 200:
            raw = base64.b64decode(found["raw_message"], validate=True)
            self.journal.append("fetched", id=found["message_id"], sha256=sha256(raw))
        elif status < 500:
            self.journal.append("wrong", what=f"GET {path}: {status}")


class Follower(Reader):
    """An event stream, gone on with where it was cut: each mail comes once in all."""
    last = ""

    def connect(self, connection: int) -> None:
        answer = self.get("events", **({"Last-Event-ID": self.last} if self.last else {}))
        self.connected(connection)
        event: dict[str, str] = {}
        for line in iter(answer.readline, b""):
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
                continue
            if "data" in event:
                self.told(connection, json.loads(event["data"]))
            self.last = event.get("id", self.last)
            event = {}
        raise EOFError


class Waiter(Reader):
    """A list that waits, page by page: each mail comes once in all."""
    cursor = ""

    def connect(self, connection: int) -> None:
        self.connected(connection)
        while not self.stopping.is_set():
            answer = self.get(f"messages?status=all&wait=3&token={quote(self.cursor)}")
            page = json.loads(answer.read())
            for message in page["messages"]:
                self.told(connection, message)
            self.cursor = page["cursor"]


READERS: dict[str, Callable[..., Reader]] = {
    "listening": Listener, "fetching": Fetcher, "following": Follower, "waiting": Waiter,
}
ONCE = (Follower, Waiter)
