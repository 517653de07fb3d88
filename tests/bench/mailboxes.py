# SPDX-License-Identifier: Apache-2.0
"""Stored mail without the work of sending it: accounts with agents, and any number
of messages, half of them read, written by SQL."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.stack import Stack
from scripts.stack.postgres import DATABASE
from scripts.stack.stack import SHARED_DOMAIN

AGENTS = 10  # of each account; the first one has the mail
RAW_BYTES = 4096
RAWS = 1000  # mails that the messages share

ADD_RAWS = """
INSERT INTO raw_messages (id, sha256, size, raw)
SELECT 'raw_' || lpad(to_hex(n), 32, '0'), sha256(b), length(b), b
FROM generate_series(0, %(raws)s - 1) n,
	LATERAL (SELECT convert_to(rpad(E'Subject: mail ' || n || E'\\r\\n\\r\\n', %(bytes)s, 'text '),
		'UTF8')) AS raw (b)
"""
ADD_AGENT = """
INSERT INTO agents (user_id, email, address, domain, agent_mode, created_at)
VALUES (%s, %s, %s, %s, 'local', clock_timestamp())
"""
# Message n goes to mailbox n modulo their number; a second apart, oldest first.
ADD_MESSAGES = """
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, header_from,
	to_addresses, subject, email_message_id, recipient, envelope_sender, sha256, verdict, verified,
	sender, domain_check, authentication, created_at, expires_at)
SELECT %(prefix)s || lpad(to_hex(n), 24, '0'), box.user_id, box.email, r.id, 'inbound',
	CASE WHEN n / %(boxes)s %% 2 = 0 THEN 'unread' ELSE 'read' END,
	'Alice Example <alice@bench.example>', ARRAY[box.email],
	'Message ' || n || ' of the benchmark', '<' || n || '@bench.example>', box.email,
	'alice@bench.example', r.sha256, 'sealed', true, 'alice@bench.example', 'spf=pass dkim=pass',
	'{"spf": {"result": "pass"}, "dkim": [{"result": "pass"}], "dmarc": {"result": "pass"}}',
	now() - (%(count)s - n) * interval '1 s', now() + interval '30 days'
FROM generate_series(0, %(count)s - 1) n
JOIN unnest(%(users)s, %(emails)s) WITH ORDINALITY AS box (user_id, email, nr)
	ON box.nr = n %% %(boxes)s + 1
JOIN raw_messages r ON r.id = 'raw_' || lpad(to_hex(n %% %(raws)s), 32, '0')
"""


@dataclass(frozen=True)
class Mailbox:
    user_id: str
    key: str
    agent: str

    @property
    def messages(self) -> str:
        return f"/api/v1/agents/{self.agent}/messages"


class Mailboxes:
    def __init__(self, stack: Stack):
        self.stack = stack
        self.connection = stack.postgres.connect("postgres", DATABASE)
        self.query = self.connection.cursor()
        # the rows are right: nobody has to check their references one by one
        self.query.execute("SET session_replication_role = replica")
        self.query.execute(ADD_RAWS, {"raws": RAWS, "bytes": RAW_BYTES})
        self.fills = 0

    def make(self, name: str) -> Mailbox:
        """An account with AGENTS agents, no mail yet."""
        account = self.stack.bootstrap(f"{name}@bench.example")
        agents = [f"{name}-{i}@{SHARED_DOMAIN}" for i in range(AGENTS)]
        for agent in agents:
            self.query.execute(ADD_AGENT, (account.user_id, agent, agent, SHARED_DOMAIN))
        return Mailbox(account.user_id, account.api_key, agents[0])

    def fill(self, boxes: list[Mailbox], count: int) -> None:
        """Writes `count` messages, shared out among the boxes."""
        self.fills += 1
        self.query.execute(ADD_MESSAGES, {
            "prefix": f"msg_{self.fills:08x}", "count": count, "boxes": len(boxes), "raws": RAWS,
            "users": [box.user_id for box in boxes], "emails": [box.agent for box in boxes]})
        self.query.execute("VACUUM ANALYZE")
        self.query.execute("CHECKPOINT")

    def ids(self, box: Mailbox, count: int) -> list[str]:
        """Of read messages, from all over the mailbox."""
        self.query.execute(
            "SELECT id FROM messages WHERE agent_email = %s AND inbox_status = 'read' "
            "ORDER BY random() LIMIT %s", (box.agent, count))
        return [row[0] for row in self.query.fetchall()]
