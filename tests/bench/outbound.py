# SPDX-License-Identifier: Apache-2.0
"""Mail from agents next to smtp-source(1), in one run on one machine.

accepted  POST /api/v1/send over several connections, while e2a-deliverd is away
injected  that backlog into the inject listener: composed, signed, with a ticket
(a) bare  smtp-source: the same mail over as many sessions into a copy of that
          listener, which our milter knows by another name and lets pass unread
(b) told  ... into a copy with a milter that is told all of each mail, as ours is,
          takes a field away and judges nothing

Postfix puts all of it on hold, so that it does nothing but take mail in. They take
turns, round after round; figures are medians, and a ratio is the median of those
of each round.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack import Stack
from scripts.stack.part import Part, Port, run, wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN

from .programs import start_milter
from .report import Report
from .usage import cpu_ms
from .wrk import load

ACCOUNTS = 4
CONNECTIONS = 16
SESSIONS = 8
BODY_BYTES = 4096
TICKET_BYTES = 300
DRAIN_SECONDS = 300
POLL_SECONDS = 0.5  # looking costs the database time that it needs
GOAL = 0.7
REFERENCES = ("bare", "told")


class Outbound:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.build = args.build
        self.rounds = args.rounds
        self.seconds = args.seconds
        self.stack = Stack(args.build, settings={**NO_LIMITS,
                                                 "inject_connections": str(SESSIONS)},
                           postfix={"default_process_limit": "100"})
        self.report = report
        self.rates: dict[str, list[float]] = defaultdict(list)
        self.costs: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.ports = {name: Port(name.upper()) for name in REFERENCES}
        self.milter: subprocess.Popen | None = None

    # ---- the listeners ----

    def set_up(self) -> None:
        self.stack.start()
        self.milter = start_milter(self.stack, self.build, "takeheader")
        self.copy_listener()
        self.requests = self.write_requests()
        with self.stack.db() as db, db.cursor() as query:
            query.execute("UPDATE dkim_keys SET published = true")  # mail is signed

    def copy_listener(self) -> None:
        """The inject listener once more for each reference."""
        master = self.stack.postfix.conf / "master.cf"
        text = master.read_text()
        name = f"127.0.0.1:{self.stack.inject_port}"
        found = re.search(rf"(?m)^{re.escape(name)} .*\n( .*\n)*", text)
        for port in self.ports.values():
            text += found[0].replace(name, f"127.0.0.1:{port.number}")
        master.write_text(text)
        self.set_option(self.ports["bare"].number, "milter_macro_daemon_name", "bench")
        self.set_option(self.ports["told"].number, "smtpd_milters",
                        f"unix:{self.stack.state}/sock/takeheader")
        for number in (self.stack.inject_port, *(p.number for p in self.ports.values())):
            self.set_option(number, "smtpd_end_of_data_restrictions",
                            "check_client_access,static:hold")
        self.stack.postfix.reload()

    def set_option(self, port: int, name: str, value: str) -> None:
        run(["/usr/sbin/postconf", "-c", str(self.stack.postfix.conf), "-P",
             f"127.0.0.1:{port}/inet/{name}={value}"])

    def empty_queue(self) -> None:
        run(["/usr/sbin/postsuper", "-c", str(self.stack.postfix.conf), "-d", "ALL"])

    # ---- ours ----

    def write_requests(self) -> Path:
        line = "0123456789 the quick brown fox jumps over the lazy dog, again and again\n"
        body = (line * (BODY_BYTES // len(line) + 1))[:BODY_BYTES - 1] + "\n"
        lines = []
        for i in range(ACCOUNTS):
            account = self.stack.bootstrap(f"bench{i}@other.example")
            agent = Api(self.stack.url, account.api_key).make_agent(f"bench{i}")
            request = {"from": agent, "to": [f"alice{i}@far.example"], "subject": "Benchmark",
                       "body": body}
            lines.append(f"/api/v1/send {account.api_key} {json.dumps(request)}\n")
        path = self.stack.state / "sends"
        path.write_text("".join(lines))
        return path

    def accept(self) -> int:
        """For some seconds; how many are in the queue then."""
        self.stack.deliverd.stop()
        found = load(self.stack.http_port, self.requests, CONNECTIONS, self.seconds)
        self.rates["accepted"].append(found["requests"] / found["time"] * 1e6)
        return self.waiting()

    def waiting(self) -> int:
        with self.stack.db() as db, db.cursor() as query:
            query.execute("SELECT count(*) FROM outbound_jobs")
            return query.fetchone()[0]

    def set_due(self, later: str) -> None:
        with self.stack.db() as db, db.cursor() as query:
            query.execute("UPDATE outbound_jobs SET due_at = now() + %s::interval", [later])
            query.execute("NOTIFY e2a_jobs")

    def last_taken(self) -> float:
        """When Postfix took the last one, in seconds of the epoch."""
        with self.stack.db() as db, db.cursor() as query:
            query.execute("SELECT extract(epoch FROM max(updated_at))::float8 "
                          "FROM outbound_recipients WHERE status = 'sent'")
            return query.fetchone()[0]

    def analyze(self) -> None:
        """As autovacuum does of tables that are not new."""
        with self.stack.db() as db, db.cursor() as query:
            query.execute("ANALYZE")

    def inject(self, count: int) -> None:
        """The backlog, until Postfix has the last one."""
        self.set_due("1 hour")
        self.analyze()
        self.stack.deliverd.start()
        with self.cpu_of("injected", count):
            start = time.time()
            self.set_due("0")
            wait_until("the backlog to be injected", lambda: not self.waiting(), DRAIN_SECONDS,
                       POLL_SECONDS)
        self.rates["injected"].append(count / (self.last_taken() - start))

    # ---- theirs ----

    def sample(self) -> Path:
        """A mail as it was injected, for smtp-source, with something to take away."""
        queue_id = self.stack.postfix.queued()[0]["queue_id"]
        text = run(["/usr/sbin/postcat", "-c", str(self.stack.postfix.conf), "-bhq", queue_id])
        text = re.sub(r"\AReceived:.*\n([ \t].*\n)*", "", text)
        path = self.stack.state / "sample.eml"
        path.write_text(f"X-Reference: {'x' * TICKET_BYTES}\n{text}")
        return path

    def source(self, name: str, count: int) -> None:
        with self.cpu_of(name, count):
            start = time.time()
            run(["/usr/sbin/smtp-source", "-s", str(SESSIONS), "-m", str(count), "-d", "-N",
                 "-M", "bench.example", "-f", f"bounce@{SHARED_DOMAIN}", "-t",
                 "alice@far.example", "-F", str(self.file),
                 f"127.0.0.1:{self.ports[name].number}"])
            self.rates[name].append(count / (time.time() - start))

    # ---- rounds ----

    def parts(self) -> list[Part]:
        s = self.stack
        return [p for p in (s.postfix, s.milter, s.postgres, s.deliverd) if p.running()]

    @contextmanager
    def cpu_of(self, name: str, count: int) -> Iterator[None]:
        """Notes what each of so many mails costs whom."""
        parts = self.parts()
        before = [cpu_ms(p.pid) for p in parts]
        yield
        for part, used in zip(parts, before):
            self.costs[name, part.name].append((cpu_ms(part.pid) - used) / count)

    def round(self) -> None:
        count = self.accept()
        self.inject(count)
        if not hasattr(self, "file"):
            self.file = self.sample()
        self.empty_queue()
        for name in REFERENCES:
            self.source(name, count)
            self.empty_queue()

    def show(self) -> None:
        for ours in ("accepted", "injected"):
            for theirs in REFERENCES:
                a, b = self.rates[ours], self.rates[theirs]
                spread = (max(a) - min(a)) / statistics.median(a)
                goal = f"goal {GOAL}, " if theirs == "told" else ""
                self.report.add(f"{ours}_vs_{theirs}", statistics.median(a), statistics.median(b),
                                f"messages/s ({goal}spread {spread:.0%})",
                                statistics.median(x / y for x, y in zip(a, b)))
        for what, name in list(self.costs):
            if what == "injected":
                self.report.add(f"cpu_{name}", statistics.median(self.costs[what, name]),
                                statistics.median(self.costs["told", name]), "ms/mail (b)")

    def run(self) -> None:
        try:
            self.set_up()
            self.round()  # warm: processes, caches, prepared statements
            self.rates.clear()
            self.costs.clear()
            for _ in range(self.rounds):
                self.round()
            self.report.heading(f"mail from agents, {BODY_BYTES} bytes: {CONNECTIONS} "
                                f"connections to the API, {SESSIONS} to Postfix; reference: "
                                "smtp-source into such a listener")
            self.show()
        finally:
            if self.milter:
                self.milter.terminate()
            self.stack.stop()
            for port in self.ports.values():
                port.release()
