# SPDX-License-Identifier: Apache-2.0
"""The other ends: a webhook endpoint, a WebSocket listener, a REST client, and
the two signature checks, written from the documents and not from our C code."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

import websockets

from .part import StackError

AUTH_FIELDS = ("Verified", "Sender", "Entity-Type", "Domain-Check", "Delegation", "Timestamp",
               "Message-Id", "Body-Hash")
CLOSE_POLL = 0.02  # seconds; close() waits so long


class Inbox:
    """Things that arrive in one thread and are waited for in another."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.changed = threading.Condition()

    def put(self, item: Any) -> None:
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def wait(self, matches: Callable[[Any], bool] = lambda _: True, timeout: float = 15.0) -> Any:
        """The first item, early or late, that matches."""
        def find() -> Any:
            return next((i for i in self.items if matches(i)), None)

        with self.changed:
            if not self.changed.wait_for(lambda: find() is not None, timeout):
                raise StackError(f"nothing that matches among {len(self.items)} items in "
                                 f"{timeout:g} s")
            return find()

    def wait_count(self, count: int, timeout: float = 15.0) -> list[Any]:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.items) >= count, timeout):
                raise StackError(f"{len(self.items)} of {count} items in {timeout:g} s")
            return list(self.items)


@dataclass(frozen=True)
class Delivery:
    """One POST, as it came."""
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def raw(self) -> bytes:
        return base64.b64decode(self.json["raw_message"])


class HookServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # who finds the queue full tries again after a second


class WebhookReceiver(Inbox):
    """An endpoint on 127.0.0.1. `answer(delivery)` gives the status, 200 if not set,
    or a function that is given the request handler and answers in its own way."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        super().__init__()
        self.answer: Callable[[Delivery], int | Callable[[BaseHTTPRequestHandler], None]]
        self.answer = lambda _: 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                delivery = Delivery(self.path, headers, body, time.time())
                answer = receiver.answer(delivery)
                if callable(answer):
                    answer(self)
                else:
                    self.send_response(answer)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                receiver.put(delivery)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HookServer((host, port), Handler)
        self.url = f"http://{host}:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(CLOSE_POLL,),
                                       daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> WebhookReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WebSocketListener(Inbox):
    """Connects and collects the frames as JSON objects; `closed` tells how it ended."""

    def __init__(self, url: str, agent: str, api_key: str, timeout: float = 10.0):
        super().__init__()
        self.url = f"ws{url.removeprefix('http')}/api/v1/agents/{agent}/ws?token={api_key}"
        self.opened = threading.Event()
        self.closed: BaseException | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        if not self.opened.wait(timeout) or self.closed:
            raise StackError(f"WebSocket did not open: {self.closed or 'no answer'}")

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.task = self.loop.create_task(self.listen())
        try:
            self.loop.run_until_complete(self.task)
        except (Exception, asyncio.CancelledError) as e:
            self.closed = e
        self.opened.set()
        self.loop.close()

    async def listen(self) -> None:
        async with websockets.connect(self.url, compression=None) as socket:
            self.opened.set()
            async for frame in socket:
                self.put(json.loads(frame))

    def close(self) -> None:
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(10)

    def __enter__(self) -> WebSocketListener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Headers = dict[str, str]  # names in lower case


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


opener = urllib.request.build_opener(NoRedirects)


class Api:
    """REST with an API key. An answer is (status, JSON value or text). Tests set
    `check`, to be called with method, path, status, headers and body of each."""

    check: Callable[[str, str, int, Headers, bytes], None] = staticmethod(lambda *_: None)

    def __init__(self, url: str, key: str = ""):
        self.url = url
        self.key = key

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            answer = opener.open(request, timeout=30)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            content = answer.read()
            self.check(method, path, answer.status, {k.lower(): v for k, v in
                                                     answer.headers.items()}, content)
            return answer.status, parse(answer.headers.get_content_type(), content)

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self.call("POST", path, body)

    def make_agent(self, slug: str, webhook: str = "") -> str:
        """A cloud agent with a webhook, else a local one; its address."""
        body = {"slug": slug, "agent_mode": "cloud" if webhook else "local",
                "webhook_url": webhook}
        status, answer = self.post("/api/v1/agents", body)
        if status != 201:
            raise StackError(f"agent {slug}: {status} {answer}")
        return answer["email"]


def parse(content_type: str, body: bytes) -> Any:
    return json.loads(body) if content_type == "application/json" else body.decode()


def check_auth_headers(payload: dict, secret: str) -> None:
    """The X-E2A-Auth signature of a webhook body: over the canonical string, with
    the secret's 64 ASCII bytes; body hash and age as well. StackError if wrong."""
    auth = payload["auth_headers"]
    values = [auth.get(f"X-E2A-Auth-{name}", "") for name in AUTH_FIELDS]
    expected = hmac.new(secret.encode(), "\n".join(values).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, auth["X-E2A-Auth-Signature"]):
        raise StackError("X-E2A-Auth-Signature does not match")
    raw = base64.b64decode(payload["raw_message"], validate=True)
    if hashlib.sha256(raw).hexdigest() != auth["X-E2A-Auth-Body-Hash"]:
        raise StackError("X-E2A-Auth-Body-Hash is not the hash of raw_message")
    stamp = datetime.fromisoformat(auth["X-E2A-Auth-Timestamp"].replace("Z", "+00:00"))
    age = (datetime.now(timezone.utc) - stamp).total_seconds()
    if not -30 <= age <= 300:
        raise StackError(f"X-E2A-Auth-Timestamp is {age:.0f} s old")


def check_standard_webhook(delivery: Delivery, whsec: str) -> None:
    """The Standard Webhooks signature over the exact body. StackError if wrong."""
    key = base64.b64decode(whsec.removeprefix("whsec_"), validate=True)
    sent = delivery.headers
    signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + delivery.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(expected, one) for one in sent["webhook-signature"].split()):
        raise StackError("webhook-signature does not match")
    if not -300 <= time.time() - int(sent["webhook-timestamp"]) <= 300:
        raise StackError("webhook-timestamp is too far from now")
