# SPDX-License-Identifier: Apache-2.0
"""Reviewers who answer by mail, as common/mail/approval_token.h describes their addresses:
made here a second time, so that what e2a-deliverd takes does not depend on what it made."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import re
from dataclasses import dataclass
from email.message import EmailMessage

from scripts.stack import Stack
from scripts.stack.mail import Outcome, Signer, compose
from scripts.stack.part import wait_until
from tests.integration.mailbox import mails_to
from tests.integration.outbound import Author, address, ledger
from tests.integration.tickets import parts

numbers = itertools.count(1)


def read_key(stack: Stack) -> bytes:
    """The key that e2a-deliverd has."""
    text = (stack.state / "keys" / "deliverd.keys").read_text()
    return bytes.fromhex(re.search(r"(?m)^approval = ([0-9a-f]{64})$", text).group(1))


def execute(stack: Stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall() if query.description else []


@dataclass(frozen=True)
class Question:
    """A held mail, and the address that a reviewer's answer goes to."""
    stack: Stack
    id: str
    to: str  # the one recipient of the mail
    reviewer: str
    address: str

    @property
    def token_hash(self) -> bytes:
        return hashlib.sha256(self.address[7:39].encode()).digest()

    @property
    def state(self) -> tuple[str, str, str]:
        """(status, channel, who)"""
        return execute(self.stack, "SELECT status, review_channel, reviewed_by FROM messages "
                       "WHERE id = %s", self.id)[0]

    @property
    def ignored(self) -> list[str]:
        """Why answers decided nothing."""
        return [reason for stage, outcome, reason in ledger(self.stack, self.id)
                if (stage, outcome) == ("hold", "ignored")]

    @property
    def told(self) -> list[EmailMessage]:
        """What the reviewer was told about answers."""
        return [m for m in mails_to(self.stack, self.reviewer)
                if not m["Subject"].startswith("[e2a] approve outbound from ")]

    def wait_told(self, count: int = 1) -> list[EmailMessage]:
        """Once there are so many, and no more."""
        found = wait_until(f"{count} mails about answers to {self.reviewer}", lambda: (
            told if len(told := self.told) >= count else None), 30, 0.05)
        assert len(found) == count, [str(m["Subject"]) for m in found]
        return found

    def letter(self, body: str = "approve\n", **headers: str) -> bytes:
        """An answer, without signature."""
        return compose(headers.pop("From", f"Rita <{self.reviewer}>"), self.address,
                       headers.pop("Subject", "Re: [e2a] approve outbound"), body, **headers)

    def post(self, message: bytes, sender: str | None = None) -> str:
        """Sends it; the log line that says what it came to."""
        mark = self.stack.deliverd.log_mark()
        outcome = self.send(message, sender)
        assert outcome.code == 250, outcome
        return self.stack.deliverd.wait_log(
            f"review_read .*queue_id={outcome.queue_id}\\b", mark, 30)

    def send(self, message: bytes, sender: str | None = None) -> Outcome:
        return self.stack.send(self.reviewer if sender is None else sender, self.address, message)


@dataclass(frozen=True)
class Panel:
    """An agent whose mail is held, and its reviewers, whose domain signs."""
    author: Author
    user_id: str
    signer: Signer

    @property
    def stack(self) -> Stack:
        return self.author.stack

    def reviewer(self, who: str = "") -> str:
        """A new one who chose to answer by mail."""
        who = who or f"Rita{next(numbers)}@{self.signer.domain}"
        row = {"id": f"rev_{os.urandom(16).hex()}", "user_id": self.user_id,
               "agent_email": self.author.address, "address": who, "folded": who.lower(),
               "state": "active", "full_text": True, "by_reply": True,
               "link_hash": os.urandom(32)}
        execute(self.stack, f"INSERT INTO reviewers ({', '.join(row)}, link_expires_at) VALUES "
                f"({', '.join(['%s'] * len(row))}, now())", *row.values())
        return who

    def hold(self) -> tuple[str, str]:
        """(id, recipient) of a mail that waits."""
        api, to = self.author.api, address()
        assert api.call("PUT", self.author.path, {"hitl_enabled": True})[0] == 200
        status, answer = self.author.ask(to=[to], subject=f"Held {next(numbers)}")
        assert (status, answer["status"]) == (202, "pending_approval"), answer
        return answer["message_id"], to

    def ask(self, reviewer: str = "", held: tuple[str, str] | None = None,
            expires: str = "1 hour") -> Question:
        """Asks about a held mail, without the mail that asks."""
        reviewer = reviewer or self.reviewer()
        id, to = held or self.hold()
        nonce = os.urandom(16)
        (draft,), = execute(self.stack, "SELECT e2a.draft_hash(%s)", id)
        bound = parts(b"e2a approval reply", self.user_id.encode(), id.encode(),
                      reviewer.encode(), nonce, bytes(draft))
        token = hmac.digest(read_key(self.stack), bound, "sha256")[:16].hex()
        execute(self.stack, "INSERT INTO approval_tokens (hash, message_id, user_id, action, "
                "reviewer, nonce, draft_hash, expires_at) VALUES (sha256(%s), %s, %s, 'reply', "
                "%s, %s, %s, now() + %s::interval)", token.encode(), id, self.user_id, reviewer,
                nonce, bytes(draft), expires)
        return Question(self.stack, id, to, reviewer,
                        f"review-{token}@{self.author.domain}")

    def sign(self, message: bytes, **options) -> bytes:
        return self.signer.sign(message, **options)
