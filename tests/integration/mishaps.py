# SPDX-License-Identifier: Apache-2.0
"""A server between a browser and e2a-apid that lets through what no rule is for, and does
to the rest what networks and proxies do.

    with Mishaps(stack.http_port) as mishaps:
        mishaps.answer("GET /api/keys", 503, "not now\\n", {"Retry-After": "1"}, times=2)
        mishaps.cut("POST /api/keys")        # no answer; did it arrive? nobody knows
        with mishaps.hold("GET /api/keys"):  # none as long as this lasts
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP = {"connection", "transfer-encoding", "keep-alive"}
SECONDS = 60


@dataclass
class Rule:
    pattern: str  # of "METHOD target"
    times: int  # -1: always
    status: int = 0  # 0: the connection ends
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None  # until it is set nothing happens; then all goes its way
    arrives: bool = False  # e2a-apid gets it all the same


class Mishaps:
    def __init__(self, port: int):
        self.behind = port
        self.rules: list[Rule] = []
        self.asked: list[str] = []  # "METHOD target" of all that came
        self.lock = threading.Lock()
        mishaps = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    pass  # the browser went

            def log_message(self, *_: object) -> None:
                pass

            def serve(self) -> None:
                mishaps.serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Mishaps:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # ---- rules; the latest that fits counts ----

    def answer(self, pattern: str, status: int, text: str = "not now\n",
               headers: dict[str, str] | None = None, times: int = 1) -> Rule:
        kind = {"Content-Type": "text/plain; charset=utf-8"}
        return self.add(Rule(pattern, times, status, text.encode(), {**kind, **(headers or {})}))

    def cut(self, pattern: str, times: int = 1, arrives: bool = False) -> Rule:
        return self.add(Rule(pattern, times, arrives=arrives))

    @contextmanager
    def hold(self, pattern: str) -> Iterator[None]:
        gate = threading.Event()
        rule = self.add(Rule(pattern, -1, gate=gate))
        try:
            yield
        finally:
            rule.times = 0
            gate.set()

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.asked)

    # ---- serving ----

    def rule_for(self, line: str) -> Rule | None:
        with self.lock:
            self.asked.append(line)
            for rule in reversed(self.rules):
                if rule.times and re.search(rule.pattern, line):
                    rule.times -= 1
                    return rule
        return None

    def serve(self, client: BaseHTTPRequestHandler) -> None:
        body = client.rfile.read(int(client.headers.get("Content-Length", 0)))
        rule = self.rule_for(f"{client.command} {client.path}")
        if rule and rule.gate:
            rule.gate.wait(SECONDS)
        elif rule and rule.status == 0:
            if rule.arrives:
                self.forward(client, body)
            client.close_connection = True
            return
        elif rule:
            self.reply(client, rule.status, list(rule.headers.items()), rule.body)
            return
        self.reply(client, *self.forward(client, body))

    def forward(self, client: BaseHTTPRequestHandler,
                body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        behind = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=SECONDS)
        headers = {k: v for k, v in client.headers.items() if k.lower() not in HOP}
        behind.request(client.command, client.path, body or None, headers)
        answer = behind.getresponse()
        data = answer.read()
        behind.close()
        return answer.status, answer.getheaders(), data

    @staticmethod
    def reply(client: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]],
              body: bytes) -> None:
        client.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP | {"content-length"}:
                client.send_header(name, value)
        client.send_header("Content-Length", str(len(body)))
        client.end_headers()
        if client.command != "HEAD":
            client.wfile.write(body)
