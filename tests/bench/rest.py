# SPDX-License-Identifier: Apache-2.0
"""REST next to the two parts it is made of, in one run on one machine.

ours  e2a-apid: message list (50 unread), message detail (4 KB), agent list
(a)   libmicrohttpd, set up in the same way, answering as many bytes
(b)   the statements of the request through pgbench, with as many clients as
      e2a-apid has workers for that many connections

A time is 1 / throughput: what one more request costs when all connections are
busy. The reference of ours is the time of (a) plus the time of (b). All three take
turns, round after round; figures are medians, the spread is (most - least) / median.
The ratio of times is the median of the ratios of each round, whose three runs had
the same neighbours.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import Stack, StackError
from scripts.stack.part import Port, as_user, wait_until
from scripts.stack.stack import NO_LIMITS

from .mailboxes import Mailbox, Mailboxes
from .programs import install
from .report import Report
from .statements import Scripts, logged, record
from .usage import children, cpu_ms
from .wrk import load

ACCOUNTS = 8
STORED = 100_000
SMALL, LARGE = 1_000, 1_000_000
CONNECTIONS = (1, 16, 64)
GROWTH_CONNECTIONS = 16
WORKERS = 4
DETAILS = 512  # different messages that are fetched, of each account
PAGE = "status=unread&page_size=50"
GOAL = 1.5
POSTGRES = {"shared_buffers": "'256MB'", "max_wal_size": "'4GB'"}

Request = tuple[str, str]  # path, key


@dataclass(frozen=True)
class Sample:
    rate: float  # requests per second
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: float = 0.0  # of the server, per request
    postgres_us: float = 0.0

    @property
    def time_us(self) -> float:
        return 1e6 / self.rate


class Cell:
    """Samples of one thing, of which medians count."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def median(self, field: str) -> float:
        return statistics.median(getattr(s, field) for s in self.samples)

    def spread(self, field: str) -> float:
        values = [getattr(s, field) for s in self.samples]
        return (max(values) - min(values)) / statistics.median(values)


def paired(ours: Cell, *parts: Cell) -> float:
    """Our time next to the sum of the parts' times, round by round."""
    return statistics.median(
        sample.time_us / sum(part.time_us for part in others)
        for sample, *others in zip(ours.samples, *(part.samples for part in parts)))


class Route:
    """One kind of request: what wrk asks of us and of the constant, and its scripts."""

    def __init__(self, rest: Rest, name: str, requests: list[Request]):
        self.name = name
        self.requests = requests
        self.file = rest.write_targets(name, requests)
        sizes = sorted(len(rest.get(*request)) for request in requests[:ACCOUNTS])
        self.bytes = sizes[len(sizes) // 2]
        self.constant = rest.write_targets(f"{name}-constant", [
            (f"/{self.bytes}", key) for _, key in requests[:ACCOUNTS]])
        self.scripts = Scripts(rest.stack, name)


class Rest:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.rounds = args.rounds
        self.seconds = args.seconds
        self.build = args.build
        self.stack = Stack(args.build, postgres=POSTGRES,
                           settings={**NO_LIMITS, "http_workers": str(WORKERS)})
        self.report = report
        self.cells: dict[tuple, Cell] = defaultdict(Cell)

    # ---- asking ----

    def get(self, path: str, key: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.http_port, timeout=30)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise StackError(f"GET {path}: {answer.status} {body[:200]!r}")
            return body
        finally:
            connection.close()

    def write_targets(self, name: str, requests: list[Request]) -> Path:
        path = self.stack.state / f"{name}.targets"
        path.write_text("".join(f"{target} {key}\n" for target, key in requests))
        return path

    def load(self, port: int, pid: int, targets: Path, connections: int) -> Sample:
        before = cpu_ms(pid), cpu_ms(self.stack.postgres.pid)
        found = load(port, targets, connections, self.seconds)
        used = cpu_ms(pid) - before[0], cpu_ms(self.stack.postgres.pid) - before[1]
        return Sample(found["requests"] / found["time"] * 1e6, found["p50"] / 1000,
                      found["p99"] / 1000, *(1000 * ms / found["requests"] for ms in used))

    # ---- the three ----

    def ours(self, targets: Path, connections: int) -> Sample:
        return self.load(self.stack.http_port, self.stack.apid.pid, targets, connections)

    def constant(self, route: Route, connections: int) -> Sample:
        return self.load(self.constant_port.number, self.constant_process.pid, route.constant,
                         connections)

    def statements(self, route: Route, clients: int) -> Sample:
        postgres = self.stack.postgres.pid
        before, backends = cpu_ms(postgres), len(children(postgres))
        rate = route.scripts.run(clients, self.seconds)
        # what a backend used is lost between its end and that being noticed
        wait_until("pgbench's backends to end", lambda: len(children(postgres)) <= backends)
        used = cpu_ms(postgres) - before
        return Sample(rate, postgres_us=1000 * used / (rate * self.seconds))

    def start_constant(self) -> None:
        self.constant_port = Port("CONSTANT")
        port = str(self.constant_port.number)
        self.constant_process = subprocess.Popen(
            as_user("nobody", install(self.stack, self.build, "constant"), port),
            stdin=subprocess.PIPE, cwd="/")

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.constant_port.number)) == 0

        wait_until("the constant to answer", answers)

    # ---- over 100,000 stored messages ----

    def set_up(self) -> None:
        self.stack.start()
        for part in (self.stack.postfix, self.stack.milter, self.stack.deliverd):
            part.stop()  # they have no part in this
        self.mail = Mailboxes(self.stack)
        self.boxes = [self.mail.make(f"box{i}") for i in range(ACCOUNTS)]
        self.mail.fill(self.boxes, STORED)
        self.routes = [
            Route(self, "list", [(f"{b.messages}?{PAGE}", b.key) for b in self.boxes]),
            Route(self, "detail", self.details(self.boxes)),
            Route(self, "agents", [("/api/v1/agents", b.key) for b in self.boxes])]
        with logged(self.stack):
            for route in self.routes:
                for path, key in route.requests[:ACCOUNTS]:
                    route.scripts.add(record(self.stack, lambda: self.get(path, key)))
        self.start_constant()

    def details(self, boxes: list[Mailbox]) -> list[Request]:
        """Of the boxes by turns."""
        ids = [self.mail.ids(box, DETAILS) for box in boxes]
        return [(f"{box.messages}/{found[n]}", box.key)
                for n in range(min(map(len, ids)))
                for box, found in zip(boxes, ids)]

    def take(self, key: tuple, measure: Callable[[], Sample]) -> None:
        self.cells[key].samples.append(measure())

    def measure(self) -> None:
        for _ in range(self.rounds):
            for route in self.routes:
                for n in CONNECTIONS:
                    self.take((route.name, "ours", n), lambda: self.ours(route.file, n))
                    self.take((route.name, "constant", n), lambda: self.constant(route, n))
                    self.take((route.name, "statements", n),
                              lambda: self.statements(route, min(n, WORKERS)))

    def show(self, route: Route, connections: int) -> None:
        name = f"{route.name}_{connections}"
        ours, constant, statements = (self.cells[route.name, what, connections]
                                      for what in ("ours", "constant", "statements"))
        parts = constant.median("time_us"), statements.median("time_us")
        goal = f", goal {GOAL}" if route.name == "list" else ""
        add = self.report.add
        add(f"{name}_time", ours.median("time_us"), sum(parts),
            f"us (a {parts[0]:.0f} + b {parts[1]:.0f}{goal}; spread "
            f"{ours.spread('rate'):.0%}, {constant.spread('rate'):.0%}, "
            f"{statements.spread('rate'):.0%})", paired(ours, constant, statements))
        add(f"{name}_rate", ours.median("rate"), 1e6 / sum(parts), "requests/s")
        add(f"{name}_p50", ours.median("p50_ms"), constant.median("p50_ms"), "ms (a)")
        add(f"{name}_p99", ours.median("p99_ms"), constant.median("p99_ms"), "ms (a)")
        add(f"{name}_cpu_apid", ours.median("cpu_us"), constant.median("cpu_us"), "us/request (a)")
        add(f"{name}_cpu_postgres", ours.median("postgres_us"), statements.median("postgres_us"),
            "us/request (b)")

    # ---- the size of the mailbox ----

    def middle(self, box: Mailbox, count: int) -> str:
        """The token of the page in the middle of the unread ones."""
        path, token = f"{box.messages}?status=unread&page_size=100", ""
        for _ in range(count // 2 // 2 // 100):
            token = json.loads(self.get(path + token, box.key))["next_token"]
            token = f"&token={token}"
        return token

    def measure_growth(self) -> None:
        boxes = {count: self.mail.make(f"box-{count}") for count in (SMALL, LARGE)}
        targets = {}
        for count, box in boxes.items():
            self.mail.fill([box], count)
            page = f"{box.messages}?{PAGE}"
            for name, requests in (("list", [(page, box.key)]),
                                   ("page", [(page + self.middle(box, count), box.key)]),
                                   ("detail", self.details([box]))):
                targets[name, count] = self.write_targets(f"{name}-{count}", requests)
        for _ in range(self.rounds):
            for name, count in sorted(targets):
                self.take((name, count),
                          lambda: self.ours(targets[name, count], GROWTH_CONNECTIONS))

    def show_growth(self) -> None:
        for name, text in (("list", "first page"), ("page", "page in the middle"),
                           ("detail", "one message")):
            small, large = self.cells[name, SMALL], self.cells[name, LARGE]
            self.report.add(f"growth_{name}_time", large.median("time_us"),
                            small.median("time_us"), f"us, {text} (spread "
                            f"{large.spread('rate'):.0%}, {small.spread('rate'):.0%})",
                            paired(large, small))
            self.report.add(f"growth_{name}_p99", large.median("p99_ms"), small.median("p99_ms"),
                            "ms")

    def run(self) -> None:
        try:
            self.set_up()
            self.measure()
            self.report.heading(f"REST over {STORED:,} messages: {ACCOUNTS} accounts, "
                                f"{WORKERS} workers, 1, 16 and 64 connections; reference: "
                                "a constant (a), the statements (b), or their sum")
            for route in self.routes:
                print(f"# {route.name}: {route.bytes} bytes, {len(route.scripts.statements)} "
                      "statements")
                for n in CONNECTIONS:
                    self.show(route, n)
            self.measure_growth()
            self.report.heading(f"a mailbox of {LARGE:,} messages next to one of {SMALL:,}, "
                                f"{GROWTH_CONNECTIONS} connections")
            self.show_growth()
        finally:
            if hasattr(self, "constant_process"):
                self.constant_process.terminate()
                self.constant_process.wait()
            self.stack.stop()
