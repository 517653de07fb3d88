# SPDX-License-Identifier: Apache-2.0
"""10,000 WebSockets in one e2a-apid, most of which never hear anything.

ours       e2a-apid, each socket of another agent
reference  bare libwebsockets with its own loop, as many sockets, the same pings

Memory is what is resident with all sockets open, CPU time what they use while nothing
happens but pings. Then 1,000 of the agents get a mail each: by one transaction that
says so itself (`told`), and by way of e2a-deliverd (`mailed`). The time of a frame is
from the commit of its mail, as Postgres notes it, to the frame in the client; that of the
reference is from the order to its loop to the frame, without any database.
"""

from __future__ import annotations

import argparse
import secrets
import smtplib
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.stack import Stack, StackError
from scripts.stack.mail import compose
from scripts.stack.part import Port, wait_until
from scripts.stack.postgres import DATABASE
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN

from .mailboxes import Mailboxes
from .report import Report
from .usage import cpu_ms

SOCKETS = 10_000
STORED = 100_000  # mails of another agent: statements are planned for a full table
TOLD = 1_000
PER_MAIL = 50  # recipients
PAYLOAD = 150  # agents in one NOTIFY: less than 8,000 bytes
IDLE_S = 35  # longer than it takes every socket to be pinged
SENDER = "alice@bench.example"
GOAL_MB = 200

ADD_AGENTS = """
INSERT INTO agents (user_id, email, address, domain, agent_mode)
SELECT %(user)s, a, a, %(domain)s, 'local'
FROM (SELECT format('agent-%%s@%%s', lpad(n::text, 5, '0'), %(domain)s)
	FROM generate_series(0, %(count)s - 1) n) AS list (a)
"""
ADD_MAIL = """
WITH raw AS (INSERT INTO raw_messages (id, sha256, size, raw) VALUES (%(raw)s, sha256('x'), 1, 'x')
	RETURNING id)
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, recipient, subject,
	header_from, expires_at)
SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), %(user)s, a, raw.id, 'inbound', 'unread', a,
	'told', %(sender)s, now() + interval '1 day' FROM raw, unnest(%(agents)s) a
"""
COMMITS = """
SELECT id, 1000000 * extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM messages
WHERE id = ANY (%s)
"""


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Crowd:
    """The clients: tests/bench/crowd.c."""

    def __init__(self, build: Path, port: int, targets: Path, count: int):
        self.frames: list[tuple[str, int]] = []
        self.open = self.gone = 0
        started = time.monotonic()
        self.process = subprocess.Popen([str(build / "tests" / "bench" / "crowd"), str(port),
                                         str(targets)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        wait_until(f"{count} WebSockets", lambda: self.open == count or self.gone, 120, 0.02)
        self.seconds = time.monotonic() - started
        if self.gone:
            self.close()
            raise StackError(f"{self.gone} WebSockets have ended")

    def read(self) -> None:
        for line in self.process.stdout:
            name, number = line.split()
            if name in ("open", "gone"):
                setattr(self, name, int(number))
            else:
                self.frames.append((name, int(number)))

    def take(self, count: int) -> list[tuple[str, int]]:
        """The frames since the last time, when there are so many."""
        wait_until(f"{count} frames", lambda: len(self.frames) >= count, 60, 0.02)
        frames, self.frames = self.frames, []
        return frames

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()


class Megaphone:
    """The reference: tests/bench/megaphone.c."""

    def __init__(self, build: Path):
        self.claim = Port("BENCH")
        self.port = self.claim.number
        self.process = subprocess.Popen([str(build / "tests" / "bench" / "megaphone"),
                                         str(self.port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it listens

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, count: int) -> int:
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.claim.release()


class Side:
    """Figures of one of the two: lists, of which medians count."""

    def __init__(self) -> None:
        self.figures: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def note_delays(self, name: str, delays_us: Iterable[float]) -> None:
        ordered = sorted(delays_us)
        for part in (50, 99):
            self.note(f"{name}_p{part}", ordered[len(ordered) * part // 100] / 1000)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.figures[name])


class Sockets:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.rounds, self.build, self.report = args.rounds, args.build, report
        self.stack = Stack(args.build, postgres={"track_commit_timestamp": "on"},
                           settings={**NO_LIMITS, "agents_per_user": str(SOCKETS),
                                     "ws_per_user": str(SOCKETS)})
        self.ours, self.bare = Side(), Side()

    # ---- the sockets ----

    def set_up(self) -> None:
        self.stack.start()
        self.account = self.stack.bootstrap("sockets@bench.example")
        self.db = self.stack.postgres.connect("postgres", DATABASE)
        self.query = self.db.cursor()
        self.query.execute(ADD_AGENTS, {"user": self.account.user_id, "domain": SHARED_DOMAIN,
                                        "count": SOCKETS})
        self.query.execute("SELECT email FROM agents WHERE email LIKE 'agent-%' ORDER BY email")
        self.agents = [row[0] for row in self.query.fetchall()]
        mailboxes = Mailboxes(self.stack)
        mailboxes.fill([mailboxes.make("stored")], STORED)  # and VACUUM ANALYZE
        self.query.execute("UPDATE raw_messages SET created_at = now() - interval '1 day'")
        self.targets = self.stack.state / "sockets.targets"
        self.targets.write_text("".join(
            f"/api/v1/agents/{a.replace('@', '%40')}/ws?token={self.account.api_key}\n"
            for a in self.agents))

    def idle(self, side: Side, port: int, pid: int) -> Crowd:
        """Opens them all and watches them do nothing."""
        side.note("memory_without", resident_mb(pid))
        crowd = Crowd(self.build, port, self.targets, SOCKETS)
        side.note("opened", SOCKETS / crowd.seconds)
        before = cpu_ms(pid), cpu_ms(self.stack.postgres.pid)
        time.sleep(IDLE_S)
        side.note("cpu", (cpu_ms(pid) - before[0]) / IDLE_S)
        side.note("postgres", (cpu_ms(self.stack.postgres.pid) - before[1]) / IDLE_S)
        side.note("memory", resident_mb(pid))
        return crowd

    # ---- the frames ----

    def tell(self, agents: list[str]) -> None:
        """As e2a-deliverd does: first the commit, then the wake-ups."""
        self.query.execute(ADD_MAIL, {"raw": f"raw_{secrets.token_hex(16)}", "agents": agents,
                                      "user": self.account.user_id, "sender": SENDER})
        for at in range(0, len(agents), PAYLOAD):
            self.query.execute("SELECT pg_notify('e2a_mail', %s)",
                               [" ".join(agents[at:at + PAYLOAD])])

    def mail(self, agents: list[str]) -> None:
        with smtplib.SMTP("127.0.0.1", self.stack.smtp_port, "mail.bench.example") as smtp:
            for at in range(0, len(agents), PER_MAIL):
                to = agents[at:at + PER_MAIL]
                smtp.sendmail(SENDER, to, compose(SENDER, to[0], "mailed"))

    def delays(self, crowd: Crowd, act: Callable[[list[str]], None], number: int) -> list[float]:
        start = number * TOLD % SOCKETS
        act(self.agents[start:start + TOLD])
        frames = dict(crowd.take(TOLD))
        self.query.execute(COMMITS, [list(frames)])
        commits = {row[0]: float(row[1]) for row in self.query.fetchall()}
        if len(commits) != TOLD:
            raise StackError(f"{len(commits)} mails, {len(frames)} frames")
        return [frames[name] - at for name, at in commits.items()]

    def measure_ours(self) -> None:
        crowd = self.idle(self.ours, self.stack.http_port, self.stack.apid.pid)
        try:
            for n in range(self.rounds):
                self.ours.note_delays("told", self.delays(crowd, self.tell, 2 * n))
                self.ours.note_delays("mailed", self.delays(crowd, self.mail, 2 * n + 1))
            self.ours.note("memory_after", resident_mb(self.stack.apid.pid))
        finally:
            crowd.close()

    def measure_bare(self) -> None:
        megaphone = Megaphone(self.build)
        try:
            crowd = self.idle(self.bare, megaphone.port, megaphone.pid)
            try:
                for _ in range(self.rounds):
                    begun = megaphone.tell(TOLD)
                    self.bare.note_delays("told", (at - begun for _, at in crowd.take(TOLD)))
                self.bare.note("memory_after", resident_mb(megaphone.pid))
            finally:
                crowd.close()
        finally:
            megaphone.close()

    def show(self) -> None:
        ours, bare, add = self.ours, self.bare, self.report.add
        self.report.heading(f"{SOCKETS:,} WebSockets in one e2a-apid; reference: bare libwebsockets")
        add("sockets_memory", ours["memory"], bare["memory"], f"MB resident (goal {GOAL_MB})")
        add("sockets_memory_each", *((1024 * (side["memory"] - side["memory_without"]) / SOCKETS)
                                     for side in (ours, bare)), "kB")
        add("sockets_memory_after", ours["memory_after"], bare["memory_after"],
            f"MB resident, after {2 * self.rounds * TOLD} frames")
        add("sockets_opened", ours["opened"], bare["opened"], "sockets/s")
        add("sockets_idle_cpu", ours["cpu"], bare["cpu"], "ms of CPU time a second")
        add("sockets_idle_cpu_postgres", ours["postgres"], None, "ms of CPU time a second")
        for what, text in (("told", "one transaction"), ("mailed", "through e2a-deliverd")):
            for part in ("p50", "p99"):
                name = f"{what}_{part}"
                add(f"sockets_{name}", ours[name], bare[f"told_{part}"],
                    f"ms from commit to frame, {TOLD:,} sockets, {text}")

    def run(self) -> None:
        try:
            self.set_up()
            self.measure_ours()
            self.measure_bare()
            self.show()
        finally:
            self.stack.stop()
