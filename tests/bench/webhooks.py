# SPDX-License-Identifier: Apache-2.0
"""Webhook calls next to a bare libcurl multi loop, in one run on one machine.

ours  a stored backlog of mails of 4 KB is claimed, signed, posted and settled by
      e2a-deliverd, for 1, 100 and 1,000 endpoints
bare  one such request posted as often, to as many names, as many at once

Both post to the same sink (hooksink.c), which answers after 50 ms, as an endpoint in the
network does, or at once. They take turns, round after round; figures are medians, and a ratio
is the median of those of each round.

Then mails come by LMTP, at half the rate at which they can be stored and posted, and a tenth of
the endpoints hangs: how long after its reply is a mail at its webhook?
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import re
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.stack import Stack, StackError
from scripts.stack.mail import compose
from scripts.stack.part import Port, as_user, wait_until
from scripts.stack.postgres import DATABASE
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN

from .programs import install
from .report import Report
from .usage import cpu_ms

USERS = 10
ENDPOINTS = (1, 100, 1000)
CONCURRENCY = 200
COUNT = 10_000  # calls of each run
BODY_BYTES = 4096
RAWS = 1000  # mails that the messages share
GOAL = 0.7
DRAIN_SECONDS = 60
SETTLE_SECONDS = 60
MESSAGE_ID = re.compile(rb"msg_[0-9a-f]{32}")
FULL_MAILS = 3000
HALF_SECONDS = 20
HANGING = 10  # one in so many endpoints
SESSIONS = 20
LATENCY_GOAL_MS = 100
FAR, NEAR = "/far", "/near"  # paths of hooksink.c
SETTINGS = {"webhook_concurrency": str(CONCURRENCY), "webhook_per_endpoint": str(CONCURRENCY),
            "webhook_per_user": str(CONCURRENCY), "webhook_per_host": str(CONCURRENCY)}
DEFAULTS = {"webhook_concurrency": "200", "webhook_per_endpoint": "10", "webhook_per_user": "100",
            "webhook_per_host": "100"}

ADD_RAWS = """
INSERT INTO raw_messages (id, sha256, size, raw)
SELECT 'raw_' || lpad(to_hex(n), 32, '0'), sha256(b), length(b), b
FROM generate_series(0, %(raws)s - 1) n,
	LATERAL (SELECT convert_to(rpad(E'From: <alice@bench.example>\\r\\nSubject: mail ' || n
		|| E'\\r\\n\\r\\n', %(bytes)s, 'text '), 'UTF8')) AS raw (b)
"""
ADD_AGENTS = """
INSERT INTO agents (user_id, email, address, domain, agent_mode, webhook_url)
SELECT (%(users)s::text[])[n %% %(users_n)s + 1], a.email, a.email, %(domain)s, 'cloud', a.url
FROM generate_series(0, %(count)s - 1) n,
	LATERAL (SELECT format('e%%s@%%s', n, %(domain)s) AS email,
		format('http://e%%s.hook.example:%%s/', n, %(port)s) AS url) a
"""
ADD_MESSAGES = """
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, header_from,
	to_addresses, subject, email_message_id, recipient, envelope_sender, sha256, verdict, verified,
	sender, domain_check, authentication, expires_at)
SELECT %(prefix)s || lpad(to_hex(n), 24, '0'), a.user_id, a.email, r.id, 'inbound', 'unread',
	'alice@bench.example', ARRAY[a.email], 'Message ' || n, '<' || n || '@bench.example>', a.email,
	'alice@bench.example', r.sha256, 'sealed', true, 'alice@bench.example',
	'spf=pass; dkim=pass; dmarc=pass', '{}', now() + interval '30 days'
FROM generate_series(0, %(count)s - 1) n
JOIN agents a ON a.email = format('e%%s@%%s', n %% %(endpoints)s, %(domain)s)
JOIN raw_messages r ON r.id = 'raw_' || lpad(to_hex(n %% %(raws)s), 32, '0')
"""
ADD_JOBS = """
INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at, give_up_at)
SELECT id, user_id, agent_email, true, now() + interval '1 hour', now() + interval '4 days'
FROM messages WHERE id LIKE %(prefix)s || '%%'
"""
ADD_QUEUES = """
INSERT INTO webhook_queues (agent_email, user_id, due_at)
SELECT DISTINCT agent_email, user_id, now() FROM webhook_jobs
ON CONFLICT (agent_email) DO UPDATE SET due_at = now(), first_due_at = '-infinity'
"""


class Webhooks:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.build = args.build
        self.rounds = args.rounds
        self.report = report
        self.stack = Stack(args.build, settings={**NO_LIMITS, **SETTINGS},
                           postgres={"shared_buffers": "'256MB'", "max_wal_size": "'4GB'"})
        self.port = Port("HOOKS")
        self.rates: dict[tuple[str, int, str], list[float]] = defaultdict(list)
        self.costs: dict[tuple[str, int, str, str], list[float]] = defaultdict(list)
        self.fills = 0

    # ---- what there is ----

    def set_up(self) -> None:
        stack = self.stack
        stack.start()
        for part in (stack.postfix, stack.milter, stack.apid):
            part.stop()  # they have no part in this
        for n in range(max(ENDPOINTS)):
            stack.dns.set(f"e{n}.hook.example", "A", "127.0.0.1", ttl=3600)
        stack.dns.negative_ttl = 3600  # none of them has an IPv6 address
        stack.dns.reload()
        users = [stack.bootstrap(f"bench{n}@bench.example").user_id for n in range(USERS)]
        self.connection = stack.postgres.connect("postgres", DATABASE)
        self.query = self.connection.cursor()
        # the rows are right: nobody has to check their references one by one
        self.query.execute("SET session_replication_role = replica")
        self.query.execute(ADD_RAWS, {"raws": RAWS, "bytes": BODY_BYTES})
        self.query.execute(ADD_AGENTS, {"users": users, "users_n": USERS, "domain": SHARED_DOMAIN,
                                        "count": max(ENDPOINTS), "port": self.port.number})
        self.sink = subprocess.Popen(
            as_user("nobody", install(stack, self.build, "hooksink"), str(self.port.number)),
            stdin=subprocess.PIPE, cwd="/")
        wait_until("the sink", lambda: self.count() == 0)
        self.poster = install(stack, self.build, "hookpost")

    def ask(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port.number, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def count(self) -> int:
        try:
            return int(self.ask("/count"))
        except OSError:
            return -1

    def one(self, statement: str, *args: object) -> object:
        self.query.execute(statement, args)
        return self.query.fetchone()[0]

    def point_to(self, path: str, where: str = "true") -> None:
        self.query.execute("UPDATE agents SET webhook_url = regexp_replace(webhook_url, '/[a-z]*$', "
                           f"%s) WHERE {where}", [path])

    # ---- ours ----

    def store(self, endpoints: int, count: int) -> None:
        self.fills += 1
        prefix = f"msg_{self.fills:08x}"
        self.query.execute(ADD_MESSAGES, {"prefix": prefix, "count": count, "raws": RAWS,
                                          "endpoints": endpoints, "domain": SHARED_DOMAIN})
        self.query.execute(ADD_JOBS, {"prefix": prefix})
        self.query.execute("VACUUM ANALYZE webhook_jobs")
        self.query.execute("ANALYZE messages")
        self.query.execute("CHECKPOINT")

    def pending(self) -> int:
        return self.one("SELECT count(*) FROM webhook_jobs")

    def drain(self, endpoints: int, path: str, count: int) -> None:
        """The backlog, until the last call is settled."""
        self.store(endpoints, count)
        self.point_to(path)
        before = self.count()
        with self.cpu_of("ours", endpoints, path, count):
            self.query.execute("UPDATE webhook_jobs SET due_at = now()")
            self.query.execute(ADD_QUEUES)
            start = self.one("SELECT extract(epoch FROM clock_timestamp())::float8")
            self.query.execute("NOTIFY e2a_jobs")
            wait_until("the backlog to be posted", lambda: self.count() - before >= count,
                       DRAIN_SECONDS, 0.2)
            wait_until("the calls to be settled", lambda: not self.pending(), 10, 0.05)
        if self.count() - before != count:
            raise StackError("calls were made twice")
        end = self.one("SELECT extract(epoch FROM max(at))::float8 FROM message_events")
        self.rates["ours", endpoints, path].append(count / (end - start))

    # ---- theirs ----

    def post(self, endpoints: int, path: str, count: int) -> None:
        with self.cpu_of("bare", endpoints, path, count):
            said = subprocess.run(
                as_user("nobody", self.poster, str(self.port.number), str(self.sample),
                        str(endpoints), str(count), str(CONCURRENCY), path),
                check=True, capture_output=True, cwd="/").stdout
        self.rates["bare", endpoints, path].append(count / float(said))

    def write_sample(self) -> None:
        self.sample = self.stack.state / "bin" / "sample"
        self.sample.write_bytes(self.ask("/sample"))
        self.sample.chmod(0o644)

    # ---- rounds ----

    @contextmanager
    def cpu_of(self, name: str, endpoints: int, path: str, count: int) -> Iterator[None]:
        """Notes what each call costs whom."""
        pids = {"sink": self.sink.pid}
        if name == "ours":
            pids |= {p.name: p.pid for p in (self.stack.deliverd, self.stack.postgres)}
        else:
            pids |= {"bare": os.getpid()}
        before = {part: cpu_ms(pid) for part, pid in pids.items()}
        yield
        for part, pid in pids.items():
            self.costs[name, endpoints, path, part].append(
                1000 * (cpu_ms(pid) - before[part]) / count)

    def round(self, count: int) -> None:
        for endpoints in ENDPOINTS:
            for path in (FAR, NEAR):
                self.drain(endpoints, path, count)
                if self.fills == 1:
                    self.write_sample()
                self.post(endpoints, path, count)

    def show_rate(self, name: str, key: tuple[int, str], goal: str) -> None:
        ours, bare = self.rates["ours", *key], self.rates["bare", *key]
        spread = (max(ours) - min(ours)) / statistics.median(ours)
        self.report.add(name, statistics.median(ours), statistics.median(bare),
                        f"calls/s ({goal}spread {spread:.0%})",
                        statistics.median(x / y for x, y in zip(ours, bare)))

    def show(self) -> None:
        for n in ENDPOINTS:
            self.show_rate(f"attempts_{n}", (n, FAR), f"goal {GOAL}, ")
            self.show_rate(f"attempts_{n}_near", (n, NEAR), "")
            for part, theirs in (("deliverd", "bare"), ("postgres", None), ("sink", "sink")):
                self.report.add(f"cpu_{n}_{part}",
                                statistics.median(self.costs["ours", n, NEAR, part]),
                                theirs and statistics.median(self.costs["bare", n, NEAR, theirs]),
                                "us/call")

    # ---- from the reply to the webhook ----

    def restart(self) -> None:
        """With the caps that there are by default, so that they are part of it."""
        self.stack.configure(**DEFAULTS)
        self.stack.deliverd.stop()
        self.stack.deliverd.start()
        self.query.execute("SET session_replication_role = origin")

    async def send(self, count: int, rate: float) -> list[tuple[int, float, str]]:
        """Mails to all endpoints in turn: (endpoint, time of the reply, message id)."""
        idle: asyncio.Queue[Lmtp] = asyncio.Queue()
        for _ in range(SESSIONS):
            idle.put_nowait(Lmtp(f"{self.stack.state}/sock/lmtp"))
        replies: list[tuple[int, float, str]] = []

        async def one(n: int) -> None:
            session = await idle.get()
            endpoint = n % max(ENDPOINTS)
            replies.append((endpoint, *await session.send(f"e{endpoint}@{SHARED_DOMAIN}",
                                                          self.mail)))
            idle.put_nowait(session)

        start = time.monotonic()
        tasks = []
        for n in range(count):
            await asyncio.sleep(max(0.0, start + n / rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(n)))
        await asyncio.gather(*tasks)
        return replies

    def arrivals(self, wanted: int) -> dict[str, float]:
        """Of the first call of each message; seconds of time.monotonic()."""
        found: dict[str, float] = {}

        def probe() -> bool:
            for line in self.ask("/arrivals").split(b"\n")[:-1]:
                at, message_id = line.split()
                found.setdefault(message_id.decode(), int(at) / 1e6)
            return len(found) >= wanted

        wait_until("all mails at their webhooks", probe, SETTLE_SECONDS, 0.2)
        return found

    def full_rate(self) -> float:
        """Mails per second that are stored and posted when all endpoints are well."""
        self.ask("/arrivals")
        start = time.monotonic()
        replies = asyncio.run(self.send(FULL_MAILS, FULL_MAILS))
        return FULL_MAILS / (max(self.arrivals(len(replies)).values()) - start)

    def latencies(self) -> None:
        line = "0123456789 the quick brown fox jumps over the lazy dog, again and again\n"
        self.mail = compose("Alice <alice@bench.example>", f"bench@{SHARED_DOMAIN}",
                            body=line * (BODY_BYTES // len(line)))
        self.restart()
        self.point_to(NEAR)
        self.full_rate()  # warm
        rate = self.full_rate() / 2
        self.point_to("/hang", f"split_part(email, '@', 1) LIKE '%%{HANGING - 1}'")
        replies = asyncio.run(self.send(int(rate * HALF_SECONDS), rate))
        well = {message_id: at for n, at, message_id in replies if n % HANGING != HANGING - 1}
        arrived = self.arrivals(len(well))
        waits = sorted(max(0.0, (arrived[m] - at) * 1000) for m, at in well.items())
        unit = f"ms at {rate:.0f} mails/s, {100 // HANGING} % of endpoints hang"
        self.report.add("wait_p50", waits[len(waits) // 2], None, unit)
        self.report.add("wait_p99", waits[len(waits) * 99 // 100], None,
                        f"{unit} (goal <{LATENCY_GOAL_MS})")

    def run(self) -> None:
        try:
            self.set_up()
            self.round(COUNT // 5)  # warm: processes, caches, prepared statements
            self.rates.clear()
            self.costs.clear()
            for _ in range(self.rounds):
                self.round(COUNT)
            self.report.heading(f"webhook calls of {BODY_BYTES} bytes of mail, {CONCURRENCY} at "
                                "once; reference: a bare libcurl multi loop")
            self.show()
            self.latencies()
        finally:
            if hasattr(self, "sink"):
                self.sink.terminate()
            self.stack.stop()
            self.port.release()


class Lmtp:
    """One session that is kept."""

    def __init__(self, path: str):
        self.path = path
        self.writer: asyncio.StreamWriter | None = None

    async def command(self, line: bytes, want: bytes) -> bytes:
        self.writer.write(line)
        while True:
            reply = await self.reader.readline()
            if reply[3:4] != b"-":
                break
        if not reply.startswith(want):
            raise StackError(f"{line[:40]!r}: {reply!r}")
        return reply

    async def send(self, recipient: str, mail: bytes) -> tuple[float, str]:
        """The time of the reply behind the mail, and the message id in it."""
        if not self.writer:
            self.reader, self.writer = await asyncio.open_unix_connection(self.path)
            await self.command(b"", b"220")
            await self.command(b"LHLO bench.example\r\n", b"250")
        for line, want in ((b"MAIL FROM:<alice@bench.example>", b"250"),
                           (f"RCPT TO:<{recipient}>".encode(), b"250"), (b"DATA", b"354")):
            await self.command(line + b"\r\n", want)
        reply = await self.command(mail + b".\r\n", b"250")
        return time.monotonic(), MESSAGE_ID.search(reply)[0].decode()
