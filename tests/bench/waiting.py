# SPDX-License-Identifier: Apache-2.0
"""REST beside 1,000 long polls that wait in the same e2a-apid, next to REST alone.

The two take turns, round after round; the ratio is the median of the ratios of each
round, whose two runs had the same neighbours. Memory is what is resident more, for each
that waits.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics

from scripts.stack import Stack, StackError
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import NO_LIMITS
from tests.integration.scrape import scrape

from .report import Report
from .sockets import resident_mb
from .wrk import load

WAITING = 1_000
AGENTS = 20
CONNECTIONS = (1, 16)
SECONDS_MAX = 20  # of a run, and of all runs with the same polls less than they wait
MANY = str(WAITING * 2)


class Waiting:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.rounds, self.seconds, self.report = args.rounds, args.seconds, report
        if len(CONNECTIONS) * self.seconds > SECONDS_MAX:
            raise StackError(f"--seconds: {SECONDS_MAX // len(CONNECTIONS)} at most")
        self.stack = Stack(args.build, settings={
            **NO_LIMITS, "wait_per_agent": "100",
            **{name: MANY for name in ("wait_max", "wait_per_user", "http_queue",
                                       "http_max_connections")}})
        self.rates: dict[tuple[int, int], list[float]] = {}
        self.times: dict[tuple[int, int], list[float]] = {}
        self.memory: list[float] = []

    def set_up(self) -> None:
        self.stack.start()
        self.key = self.stack.bootstrap("waiting@bench.example").api_key
        api = Api(self.stack.url, self.key)
        self.agents = [api.make_agent(f"waiting{n}") for n in range(AGENTS)]
        self.targets = self.stack.state / "waiting.targets"
        self.targets.write_text(f"/api/v1/agents {self.key}\n")
        load(self.stack.http_port, self.targets, max(CONNECTIONS), self.seconds)

    def waiters(self) -> float:
        return scrape(self.stack.metrics_urls["apid"])['e2a_apid_waiters{kind="long_poll"}']

    def poll(self, agent: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.stack.http_port))
        connection.sendall(f"GET /api/v1/agents/{agent}/messages?wait=60 HTTP/1.1\r\n"
                           f"Host: bench\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode())
        return connection

    def measure(self, waiting: int) -> None:
        for connections in CONNECTIONS:
            found = load(self.stack.http_port, self.targets, connections, self.seconds)
            cell = waiting, connections
            self.rates.setdefault(cell, []).append(found["requests"] / found["time"] * 1e6)
            self.times.setdefault(cell, []).append(found["p99"] / 1000)

    def measure_waiting(self) -> None:
        before = resident_mb(self.stack.apid.pid)
        polls = [self.poll(self.agents[n % AGENTS]) for n in range(WAITING)]
        wait_until("all to wait", lambda: self.waiters() == WAITING, 30)
        self.memory.append(1024 * (resident_mb(self.stack.apid.pid) - before) / WAITING)
        self.measure(WAITING)
        if self.waiters() != WAITING:
            raise StackError("some did not wait so long")
        for poll in polls:
            poll.close()
        wait_until("all to be gone", lambda: self.waiters() == 0, 30)

    def show(self) -> None:
        self.report.heading(f"REST beside {WAITING:,} long polls that wait; reference: REST alone")
        for connections in CONNECTIONS:
            ours, alone = ((n, connections) for n in (WAITING, 0))
            ratio = statistics.median(a / b for a, b in zip(self.rates[ours], self.rates[alone]))
            self.report.add(f"rest_beside_waiting_c{connections}", statistics.median(self.rates[ours]),
                            statistics.median(self.rates[alone]), "requests/s", ratio)
            self.report.add(f"rest_beside_waiting_p99_c{connections}",
                            statistics.median(self.times[ours]),
                            statistics.median(self.times[alone]), "ms")
        # the first ones, before there is freed memory to be used again
        self.report.add("waiting_memory_each", self.memory[0], None, "kB resident")

    def run(self) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        try:
            self.set_up()
            for _ in range(self.rounds):
                self.measure(0)
                self.measure_waiting()
            self.show()
        finally:
            self.stack.stop()
