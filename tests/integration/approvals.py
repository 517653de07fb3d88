# SPDX-License-Identifier: Apache-2.0
"""Mail that is held and decided about in the database itself, by the functions that all
the ways to decide use; and what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.stack import Stack
from tests.integration.outbound import Author, address, ledger, query

LIFETIME_MS = 5 * 24 * 3600 * 1000
ACCOUNT_KEY = ("(SELECT k.id FROM api_keys k WHERE k.user_id = m.user_id "
               "AND k.scope = 'account' AND k.revoked_at IS NULL AND k.expires_at IS NULL LIMIT 1)")


@dataclass(frozen=True)
class Hold:
    """One held mail."""
    stack: Stack
    id: str
    to: tuple[str, ...]

    def sql(self, sql: str, *values: object) -> list[tuple]:
        """`sql` may use %(id)s, or positions when there are values."""
        return query(self.stack, sql, *values) if values else query(self.stack, sql, id=self.id)

    def approve(self) -> str:
        return self.sql(f"SELECT approve_hold(m.id, m.user_id, {ACCOUNT_KEY}, '', '', false, "
                        f"{LIFETIME_MS}, false) FROM messages m WHERE m.id = %(id)s")[0][0]

    def reject(self, why: str = "no") -> str:
        return self.sql("SELECT reject_hold(m.id, m.user_id, " + ACCOUNT_KEY + ", '', '', false, "
                        f"'{why}') FROM messages m WHERE m.id = %(id)s")[0][0]

    @property
    def message_id(self) -> str:
        """RFC 5322's"""
        return self.sql("SELECT email_message_id FROM messages WHERE id = %(id)s")[0][0]

    @property
    def status(self) -> str:
        return self.sql("SELECT status FROM messages WHERE id = %(id)s")[0][0]

    @property
    def jobs(self) -> list[tuple[str, str]]:
        """(state, last_error)"""
        return self.sql("SELECT state, last_error FROM outbound_jobs WHERE message_id = %(id)s "
                        "ORDER BY id")

    @property
    def stored(self) -> dict[str, int]:
        """Rows that have something of its text."""
        names = {"outbound_drafts": "message_id = %(id)s",
                 "outbound_attachments": "message_id = %(id)s",
                 "outbound_mails": "job_id LIKE 'job_' || substr(%(id)s, 5) || '%%'"}
        return {name: self.sql(f"SELECT count(*) FROM {name} WHERE {where}")[0][0]
                for name, where in names.items()}

    @property
    def composed(self) -> list[str]:
        """The SHA-256 of each composition that the ledger knows."""
        return [row[0] for row in self.sql(
            "SELECT detail->>'sha256' FROM message_events WHERE message_id = %(id)s "
            "AND stage = 'outbound' AND outcome = 'composed' ORDER BY id")]

    @property
    def ledger(self) -> list[tuple[str, str, str]]:
        return ledger(self.stack, self.id)


def configure(author: Author, **settings: object) -> None:
    status, answer = author.api.call("PUT", author.path, settings)
    assert status == 200, answer


def hold(author: Author, *to: str, **fields: object) -> Hold:
    """A mail of an agent whose mail is held from now on."""
    to = to or (address(),)
    configure(author, hitl_enabled=True)
    status, answer = author.ask(to=list(to), **fields)
    assert (status, answer["status"]) == (202, "pending_approval"), answer
    return Hold(author.stack, answer["message_id"], to)


def make_due(stack: Stack) -> None:
    """Attempts that wait, whatever the schedule says."""
    query(stack, "UPDATE outbound_jobs SET due_at = now() WHERE state = 'pending'")
