# SPDX-License-Identifier: Apache-2.0
"""Claims of webhook jobs while few or many wait, by the statements of e2a-deliverd.

Several claimers (tests/bench/claimers.c) claim batches and note them as delivered; what
was delivered is stored again as new mail, behind the clock, so that the queues keep their length.
The rate is that of the time in these two statements. The reference has 1,000 jobs;
both databases are of one server and take turns, and ratios are medians over rounds
whose two runs had the same neighbours. Users and endpoints are as many in both.

many          1,000,000 jobs wait
held          ... and a transaction is open that sees all that was deleted since,
              in its last seconds; then again after it has ended
dead          1,000 jobs wait, beside 100,000 that are due of one endpoint whose breaker
              is open, and 100,000 endpoints that are left alone for now
one endpoint  1,000,000 jobs next to 1,000, all of them of one endpoint
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from scripts.stack.part import run
from scripts.stack.postgres import Postgres

from .report import Report

USERS, ENDPOINTS = 100, 1000
FEW = 1000
DEAD = 100_000
BODIES, BODY_BYTES = 100, 4000
CLAIMERS = 4
GOALS = {"claims_many": 0.9, "claims_held": 0.6}
POSTGRES = {"shared_buffers": "'512MB'", "max_wal_size": "'4GB'", "jit": "off"}

AGENTS = """
INSERT INTO users (id, email) SELECT 'user_' || lpad(n::text, 3, '0'), n || '@example.com'
    FROM generate_series(0, %(users)s - 1) n;
INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)
    SELECT 'agent' || n, 'agent' || n, 'example.com', 'user_' || lpad((n %% %(users)s)::text, 3, '0'),
    'cloud', 'https://host' || n || '.example/' FROM generate_series(0, %(endpoints)s - 1) n;
INSERT INTO raw_messages (id, sha256, size, raw) SELECT 'raw' || n, '', %(bytes)s,
    convert_to(repeat('x', %(bytes)s), 'UTF8') FROM generate_series(0, %(bodies)s - 1) n;
"""
JOBS = """
CREATE SEQUENCE IF NOT EXISTS mails START 100000000;
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, expires_at)
    SELECT 'msg_' || lpad(n::text, 32, '0'), a.user_id, a.email, 'raw' || n %% %(bodies)s, 'inbound',
    'unread', now() + interval '30 d'
    FROM generate_series(%(first)s, %(first)s + %(jobs)s - 1) n
    JOIN agents a ON a.email = 'agent' || n %% %(endpoints)s;
INSERT INTO webhook_jobs (message_id, user_id, agent_email, queued, due_at, give_up_at)
    SELECT m.id, m.user_id, m.agent_email, true, now() - interval '1 h'
    + row_number() OVER (ORDER BY m.id) * interval '1 ms', now() + interval '4 d'
    FROM messages m WHERE NOT EXISTS (SELECT FROM webhook_jobs j WHERE j.message_id = m.id);
INSERT INTO webhook_queues (agent_email, user_id, due_at)
    SELECT email, user_id, now() FROM agents ON CONFLICT DO NOTHING;
"""
LEFT_ALONE = """
UPDATE messages SET agent_email = 'agent0', user_id = 'user_000' WHERE id >= %(first)s;
UPDATE webhook_jobs SET agent_email = 'agent0', user_id = 'user_000' WHERE message_id >= %(first)s;
UPDATE webhook_queues SET open_until = now() + interval '1 h', due_at = now() + interval '1 h',
    failures = 5, failing_since = now() WHERE agent_email = 'agent0';
INSERT INTO webhook_queues (agent_email, user_id, due_at, open_until, failures)
    SELECT 'left' || n, 'user_' || lpad((n %% %(users)s)::text, 3, '0'), now() + interval '1 h',
    now() + interval '1 h', 5 FROM generate_series(1, %(dead)s) n;
"""
ONE = """
UPDATE messages SET agent_email = 'agent1', user_id = 'user_001';
UPDATE webhook_jobs SET agent_email = 'agent1', user_id = 'user_001';
DELETE FROM webhook_queues;
INSERT INTO webhook_queues (agent_email, user_id, due_at) VALUES ('agent1', 'user_001', now());
"""


class Database:
    def __init__(self, postgres: Postgres, tool: Path, name: str):
        self.postgres = postgres
        self.tool = str(tool)
        self.name = name
        postgres.administer(f"CREATE DATABASE {name}")
        run([self.tool, "migrate", postgres.url("postgres", name)])
        postgres.set_password("e2a_deliverd")

    def connect(self):
        return self.postgres.connect("postgres", self.name)

    def execute(self, sql: str, **values) -> None:
        connection = self.connect()
        cursor = connection.cursor()
        for statement in filter(str.strip, sql.split(";\n")):
            cursor.execute(statement, values or None)
        connection.close()

    def rate(self, seconds: float) -> float:
        """Jobs per second of time in both statements, times claimers."""
        found = json.loads(run([self.tool, "run", self.postgres.url("e2a_deliverd", self.name),
                                self.postgres.url("postgres", self.name), str(CLAIMERS),
                                str(int(1000 * seconds))]))
        return CLAIMERS * found["jobs"] / ((found["claim_us"] + found["deliver_us"]) / 1e6)


class Claims:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.args = args
        self.report = report
        self.many = args.jobs

    def run(self) -> None:
        state = Path(tempfile.mkdtemp(prefix="e2a-bench."))
        os.chmod(state, 0o755)
        for part in ("log", "pid"):
            (state / part).mkdir()
        self.postgres = Postgres(state, POSTGRES)
        self.postgres.prepare()
        try:
            self.postgres.start()
            self.postgres.wait_ready()
            self.measure()
        finally:
            self.postgres.stop()
            shutil.rmtree(state)

    def database(self, name: str, jobs: int) -> Database:
        made = Database(self.postgres, self.args.build.resolve() / "tests/bench/claimers", name)
        self.values = {"users": USERS, "endpoints": ENDPOINTS, "bodies": BODIES,
                       "bytes": BODY_BYTES, "first": 0, "jobs": jobs, "dead": DEAD}
        made.execute(AGENTS + JOBS, **self.values)
        made.execute("VACUUM ANALYZE;\n")
        return made

    def compare(self, name: str, ours: Database, reference: Database, rounds: int = 0,
                seconds: float | None = None) -> None:
        pairs = []
        for _ in range(rounds or self.args.rounds):
            one = ours.rate(seconds or self.args.seconds)
            pairs.append((one, reference.rate(seconds or self.args.seconds)))
        ratio = statistics.median(a / b for a, b in pairs)
        self.report.add(name, *(statistics.median(values) for values in zip(*pairs)), "jobs/s",
                        ratio)
        if ratio < GOALS.get(name, 0):
            print(f"  below the goal of {GOALS[name]}", flush=True)

    def measure(self) -> None:
        few = self.database("few", FEW)
        many = self.database("many", self.many)
        few.rate(self.args.seconds)  # caches, plans
        many.rate(self.args.seconds)
        self.report.heading(f"claims of webhook jobs, {FEW} waiting as the reference")
        self.compare("claims_many", many, few)
        self.held("claims_held", many, few)
        self.one_endpoint(many)
        self.left_alone()

    def held(self, name: str, ours: Database, reference: Database) -> None:
        """While a transaction has been open for so long, then after its end."""
        connection = ours.connect()
        cursor = connection.cursor()
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM users")
        end = time.monotonic() + self.args.held
        while time.monotonic() < end:
            ours.rate(min(5, max(0.1, end - time.monotonic())))
        self.compare(name, ours, reference)
        connection.close()
        self.compare(f"{name}_ended", ours, reference)

    def one_endpoint(self, many: Database) -> None:
        few = self.database("one", FEW)
        for database in (few, many):
            database.execute(ONE)
            database.execute("VACUUM ANALYZE;\n")
            database.rate(self.args.seconds)
        self.compare("claims_one_endpoint", many, few)
        self.held("claims_one_endpoint_held", many, few)

    def left_alone(self) -> None:
        few = self.database("few2", FEW)
        dead = self.database("dead", FEW)
        first = "msg_" + str(10 * DEAD).zfill(32)
        dead.execute(JOBS, **{**self.values, "jobs": DEAD, "first": 10 * DEAD})
        dead.execute(LEFT_ALONE, **{**self.values, "first": first})
        dead.execute("VACUUM ANALYZE;\n")
        for database in (few, dead):
            database.rate(self.args.seconds)
        self.compare("claims_beside_dead", dead, few)
