# SPDX-License-Identifier: Apache-2.0
"""Accounts of a test's own, with rows in every table that there is, and mail in any
number and size, written by SQL."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

from scripts.stack import Stack
from scripts.stack.peers import Api
from scripts.stack.stack import Account

SENDER = "alice@sender.example"
numbers = itertools.count(1)

# A row in each table that has a user's data, beside what the API makes.
ROWS = """
INSERT INTO sessions (hash, user_id, expires_at)
	VALUES (sha256(%(u)s::bytea), %(u)s, now() + interval '1 day');
INSERT INTO signing_secrets (id, user_id, name, prefix, sealed, public_key)
	VALUES ('wkey_' || %(u)s, %(u)s, 'pair', '', 'a sealed seed',
	sha256(('pair' || %(u)s)::bytea));
INSERT INTO identities (issuer, subject, user_id)
	VALUES ('https://id.example', 'subject-of-' || %(u)s, %(u)s);
INSERT INTO domains (id, domain, user_id, verified, verified_at, verification_token)
	VALUES ('dom_' || %(u)s, %(domain)s, %(u)s, true, now(), 'e2a-verify=' || %(u)s);
INSERT INTO dkim_keys (domain_id, selector, public_key, sealed)
	VALUES ('dom_' || %(u)s, 'e2a1', 'PUBLIC', 'sealed');
INSERT INTO domain_records (domain_id, record, status)
	VALUES ('dom_' || %(u)s, 'mx', 'published');
INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)
	VALUES ('Own@' || %(domain)s, 'own@' || %(domain)s, %(domain)s, %(u)s, 'cloud',
	'https://hook.example/');
INSERT INTO raw_messages (id, sha256, size, raw)
	VALUES ('raw_' || %(u)s, sha256('own'), 3, 'own');
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, subject, sender, recipient,
	expires_at) VALUES ('msg_' || %(u)s, %(u)s, 'Own@' || %(domain)s, 'raw_' || %(u)s, 'inbound',
	'To be called about', 'alice@sender.example', 'own@' || %(domain)s, now() + interval '1 day');
INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at)
	VALUES ('msg_' || %(u)s, %(u)s, 'Own@' || %(domain)s, now() + interval '1 day');
INSERT INTO webhook_queues (agent_email, user_id, due_at)
	VALUES ('Own@' || %(domain)s, %(u)s, now() + interval '1 day');
INSERT INTO message_events (message_id, user_id, stage, outcome)
	VALUES ('msg_' || %(u)s, %(u)s, 'ingest', 'stored');
INSERT INTO messages (id, user_id, agent_email, direction, status, type, subject, sender, recipient,
	to_addresses, email_message_id, expires_at) VALUES ('msg_' || md5(%(u)s), %(u)s, 'Own@' || %(domain)s,
	'outbound', 'sent', 'send', 'To be sent', 'own@' || %(domain)s, 'bob@peer.example',
	'{bob@peer.example}', '<' || md5(%(u)s) || '@' || %(domain)s || '>', now() + interval '1 day');
INSERT INTO outbound_drafts (message_id, body_text) VALUES ('msg_' || md5(%(u)s), 'Hi.');
INSERT INTO outbound_recipients (message_id, n, kind, address, folded, part)
	VALUES ('msg_' || md5(%(u)s), 1, 'to', 'bob@peer.example', 'bob@peer.example', 'world');
INSERT INTO outbound_jobs (id, message_id, user_id, agent_email, part, size, due_at, give_up_at)
	VALUES ('job_' || %(u)s, 'msg_' || md5(%(u)s), %(u)s, 'Own@' || %(domain)s, 'world', 3,
	now() + interval '1 hour', now() + interval '1 day');
INSERT INTO outbound_attachments (message_id, n, filename, content_type, data)
	VALUES ('msg_' || md5(%(u)s), 1, 'a.txt', 'text/plain', 'a');
INSERT INTO suppressions (user_id, address, reason, code, detail, message_id)
	VALUES (%(u)s, 'gone@peer.example', 'bounce', '5.1.1', 'no such user', 'msg_' || md5(%(u)s));
INSERT INTO delegations (id, user_id, agent_email, human_email, state, link_hash, link_expires_at,
	confirmed_at) VALUES ('dlg_' || %(u)s, %(u)s, 'Own@' || %(domain)s, 'human@peer.example',
	'active', sha256(('link' || %(u)s)::bytea), now(), now());
INSERT INTO reviewers (id, user_id, agent_email, address, folded, state, link_hash, link_expires_at,
	confirmed_at) VALUES ('rev_' || %(u)s, %(u)s, 'Own@' || %(domain)s, 'human@peer.example',
	'human@peer.example', 'active', sha256(('review' || %(u)s)::bytea), now(), now());
INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce, draft_hash,
	expires_at) VALUES (sha256(('token' || %(u)s)::bytea), 'msg_' || md5(%(u)s), %(u)s, 'approve',
	'human@peer.example', '', '', now());
INSERT INTO delegation_declines (user_id, human) VALUES (%(u)s, 'no@peer.example');
INSERT INTO reviewer_declines (user_id, human) VALUES (%(u)s, 'no@peer.example');
INSERT INTO retired_addresses (address, user_id) VALUES ('old@' || %(domain)s, %(u)s);
INSERT INTO sign_in_links (hash, browser_hash, email, expires_at)
	VALUES (sha256(%(u)s::bytea), '', lower(%(email)s), now() + interval '1 hour');
INSERT INTO idempotency_keys (owner, key_hash, request_hash, user_id)
	VALUES (%(u)s, 'hash', 'hash', %(u)s);
INSERT INTO mail_jobs (id, kind, user_id, recipient, sealed, due_at, expires_at)
	VALUES ('job_' || %(u)s, 'feedback', %(u)s, 'operator@mx.example', '',
	now() + interval '1 hour', now() + interval '1 day'),
	('link_' || %(u)s, 'sign_in', NULL, lower(%(email)s), '',
	now() + interval '1 hour', now() + interval '1 day');
INSERT INTO feedback (id, user_id, email, category, message)
	VALUES ('fb_' || %(u)s, %(u)s, '', 'bug', 'It hurts'),
	('anon_' || %(u)s, NULL, lower(%(email)s), 'bug', 'It hurts still');
INSERT INTO usage_events (id, user_id, agent_email, domain, direction, counted)
	VALUES ('ue_' || %(u)s, %(u)s, 'own@' || %(domain)s, %(domain)s, 'inbound', true);
INSERT INTO apid_instances (id, seen_at) VALUES ('of ' || %(u)s, now());
INSERT INTO listeners (agent_email, instance, sockets, streams, polls)
	VALUES ('Own@' || %(domain)s, 'of ' || %(u)s, 1, 0, 0);
INSERT INTO listened (agent_email, first_at, last_at) VALUES ('Own@' || %(domain)s, now(), now());
INSERT INTO first_steps (user_id, received_at) VALUES (%(u)s, now());
INSERT INTO usage_summaries (user_id, day, messages) VALUES (%(u)s, '2026-01-31', 7);
"""

# Message n is n seconds old; the agents take turns.
MAILS = """
WITH mail AS (
	SELECT n, md5(%(u)s || n || %(mark)s) AS hex,
		(%(agents)s)[n %% cardinality(%(agents)s) + 1] AS agent,
		convert_to(rpad('Subject: ' || n || E'\\r\\n\\r\\n', %(size)s, n || ' '), 'UTF8') AS raw
	FROM generate_series(1, %(count)s) n),
body AS (
	INSERT INTO raw_messages (id, sha256, size, raw)
		SELECT 'raw_' || hex, sha256(raw), length(raw), raw FROM mail),
ledger AS (
	INSERT INTO message_events (message_id, user_id, stage, outcome)
		SELECT 'msg_' || hex, %(u)s, 'ingest', 'stored' FROM mail)
INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, sender, header_from,
	to_addresses, subject, recipient, sha256, verdict, created_at, expires_at)
SELECT 'msg_' || hex, %(u)s, agent, 'raw_' || hex, 'inbound', 'unread', %(sender)s, %(sender)s,
	ARRAY[agent], 'Mail ' || n, agent, sha256(raw), 'sealed', now() - n * interval '1 s',
	now() + interval '1 day'
FROM mail
"""


@dataclass(frozen=True)
class Person:
    """A user with an agent on the shared domain."""
    stack: Stack
    account: Account
    api: Api
    agent: str
    domain: str

    @classmethod
    def new(cls, stack: Stack) -> Person:
        number = next(numbers)
        account = stack.bootstrap(f"Person{number}@people{number}.example")
        api = Api(stack.url, account.api_key)
        return cls(stack, account, api, api.make_agent(f"person{number}"), f"own{number}.example")

    @property
    def user_id(self) -> str:
        return self.account.user_id

    @property
    def key(self) -> str:
        return self.account.api_key

    def fill_tables(self) -> None:
        with self.stack.db() as db, db.cursor() as query:
            query.execute(ROWS, {"u": self.user_id, "email": self.account.email,
                                 "domain": self.domain})

    def fill_mail(self, count: int, size: int = 4000, agents: list[str] | None = None) -> None:
        with self.stack.db() as db, db.cursor() as query:
            query.execute(MAILS, {"u": self.user_id, "count": count, "size": size,
                                  "agents": agents or [self.agent], "sender": SENDER,
                                  "mark": str(next(numbers))})
            query.execute("ANALYZE messages, raw_messages, message_events")

    def stored(self) -> dict[str, str]:
        """SHA-256 of what is stored, by message."""
        with self.stack.db() as db, db.cursor() as query:
            query.execute("SELECT m.id, r.raw FROM messages m JOIN raw_messages r "
                          "ON r.id = m.raw_id WHERE m.user_id = %s", [self.user_id])
            return {row[0]: hashlib.sha256(row[1]).hexdigest() for row in query}


def count(stack: Stack, sql: str, *args: object) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, args)
        return query.fetchone()[0]


