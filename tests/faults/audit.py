# SPDX-License-Identifier: Apache-2.0
"""The delivery guarantee, checked from outside: a sender that writes down every
250 before it counts, a webhook endpoint that writes down every call before it
answers, and one audit that compares both with what is stored.

    I1  each mail answered 250 is stored exactly once per recipient, same SHA-256
    I2  each stored mail reached its webhook, or is listed as failed
    I3  each call was for a stored mail, and repeats carry the same message id

And of mail that was held, in the world that it was sent to (audit_held):

    I5  none is there that nobody, and no timer, approved
    I6  each one is there at most once for an approval, and has the bytes that were composed
"""

from __future__ import annotations

import hashlib
import json
import os
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from scripts.stack import Stack, StackError
from scripts.stack.mail import Mail, compose
from scripts.stack.part import wait_until
from scripts.stack.peers import (Delivery, WebhookReceiver, check_auth_headers,
                                 check_standard_webhook)
from scripts.stack.stack import Account
from tests.integration.outbound import own_part

SENDER = "alice@sender.example"
MIB = 1024 * 1024
QUIET_SECONDS = 90.0
FLUSH_EVERY = 10  # looks at the queue
OLD_LEASE = "34 s"  # what is left of one (37 s with these settings) when its call must be over


def kept_by_sanitizer(stack: Stack) -> int:
    """Bytes of a daemon that are not its own: AddressSanitizer keeps what was freed for a while
    (quarantine_size_mb), and marks the surroundings of everything."""
    return 320 * MIB if "address" in stack.build.name else 0


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Journal:
    """Lines of JSON; a line that append() has written survives a power cut, if it is to."""

    def __init__(self, path: Path):
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.changed = threading.Condition()
        self.count: Counter[str] = Counter()

    def append(self, kind: str, durable: bool = True, **fact: object) -> None:
        line = json.dumps({"kind": kind, "at": time.time(), **fact}).encode() + b"\n"
        with self.changed:
            os.write(self.fd, line)
            if durable:
                os.fsync(self.fd)
            self.count[kind] += 1
            self.changed.notify_all()

    def read(self, kind: str) -> list[dict]:
        facts = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [f for f in facts if f["kind"] == kind]

    def wait_more(self, kind: str, more: int, timeout: float = 60.0) -> None:
        """Until so many facts were added from now on."""
        with self.changed:
            want = self.count[kind] + more
            if not self.changed.wait_for(lambda: self.count[kind] >= want, timeout):
                raise StackError(f"{self.count[kind]} of {want} x {kind} after {timeout:g} s")


def write_down(journal: Journal, account: Account, delivery: Delivery) -> int:
    """A call that is as it should be; 200."""
    check_auth_headers(delivery.json, account.secret)
    check_standard_webhook(delivery, account.whsec)
    header = BytesHeaderParser().parsebytes(delivery.raw.partition(b"\r\n\r\n")[0])
    journal.append("called", id=delivery.json["message_id"],
                   recipient=delivery.json["recipient"], mail=header["Message-ID"],
                   sha256=sha256(delivery.raw))
    return 200


class Receiver(WebhookReceiver):
    def __init__(self, journal: Journal, account: Account, port: int = 0):
        super().__init__(port=port)
        self.journal = journal
        self.account = account
        self.answer = self.take

    def take(self, delivery: Delivery) -> int:
        return write_down(self.journal, self.account, delivery)


class Traffic:
    """Threads that send mails to the same recipients until they are stopped. Every
    mail is one of its own; none is sent again."""

    def __init__(self, stack: Stack, journal: Journal, recipients: list[str], threads: int = 3,
                 body: str = "x" * 2000 + "\n"):
        self.stack = stack
        self.journal = journal
        self.recipients = recipients
        self.body = body
        self.pause = 0.02
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Traffic:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def choose(self) -> tuple[list[str], str]:
        """To whom the next mail goes, and what is in it."""
        return self.recipients, self.body

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                send(self.stack, self.journal, *self.choose())
            except (OSError, smtplib.SMTPException):
                self.journal.append("broken")
            self.stopping.wait(self.pause)


def send(stack: Stack, journal: Journal, recipients: list[str], body: str = "x\n") -> int:
    """One mail; writes down what became of it. The SMTP code."""
    message = compose(SENDER, recipients, "Traffic", body)
    mail = BytesHeaderParser().parsebytes(message)["Message-ID"]
    outcome = stack.send(SENDER, recipients, message, timeout=30)
    taken = [r for r in recipients if r not in outcome.refused] if outcome.code == 250 else []
    if taken:
        journal.append("accepted", mail=mail, recipients=taken, size=len(message),
                       sha256=sha256(message))
    else:
        journal.append("refused", mail=mail, code=outcome.code, text=outcome.text)
    return outcome.code


@dataclass(frozen=True)
class Stored:
    id: str
    mail: str
    recipient: str
    cloud: bool
    sha256: str
    raw: bytes
    verdict: str
    created_at: float
    unread: bool

    @property
    def place(self) -> tuple[float, str]:
        """In the list of its agent's mails."""
        return self.created_at, self.id


def read_stored(stack: Stack, recipients: set[str]) -> list[Stored]:
    with stack.db() as db, db.cursor() as query:
        query.execute(
            "SELECT m.id, m.email_message_id, m.recipient, a.agent_mode = 'cloud', "
            "encode(m.sha256, 'hex'), r.raw, m.verdict, extract(epoch FROM m.created_at)::float8, "
            "m.inbox_status = 'unread' FROM messages m "
            "JOIN raw_messages r ON r.id = m.raw_id JOIN agents a ON a.email = m.agent_email "
            "WHERE m.recipient = ANY (%s)", [list(recipients)])
        return [Stored(*row[:5], bytes(row[5]), *row[6:]) for row in query.fetchall()]


def wait_quiet(stack: Stack, timeout: float = QUIET_SECONDS, hurry: bool = True) -> None:
    """Until Postfix's queue is empty and no webhook call is due. Postfix's timers are hurried,
    and so may be the leases of daemons that were killed: those of calls that must be over."""
    looks = 0

    def probe() -> bool:
        nonlocal looks
        if stack.postfix.queued():
            if looks % FLUSH_EVERY == 0:
                stack.postfix.flush()
            looks += 1
            return False
        with stack.db() as db, db.cursor() as query:
            if hurry:
                query.execute("UPDATE webhook_jobs SET lease_until = now(), "
                              "due_at = least(due_at, now()) "
                              "WHERE lease_until < now() + interval %s", [OLD_LEASE])
                query.execute("UPDATE webhook_queues SET due_at = now() "
                              "WHERE due_at < now() + interval %s", [OLD_LEASE])
            query.execute("SELECT count(*) FROM webhook_jobs WHERE state = 'pending'")
            return query.fetchone()[0] == 0

    wait_until("the queues to be empty", probe, timeout, 0.2)


def audit(stack: Stack, journal: Journal) -> list[Stored]:
    """Asserts I1 to I3 once everything is quiet; what is stored for the journal's
    recipients."""
    wait_quiet(stack)
    accepted, called = journal.read("accepted"), journal.read("called")
    recipients = {r for a in accepted for r in a["recipients"]}
    stored = read_stored(stack, recipients)
    check_stored(accepted, stored)
    check_called(stored, called)
    check_ledger(stack, stored)
    assert accepted, "no mail was accepted: the test tests nothing"
    return stored


def check_stored(accepted: list[dict], stored: list[Stored]) -> None:
    """I1"""
    copies = Counter((s.mail, s.recipient) for s in stored)
    assert [key for key, n in copies.items() if n > 1] == [], "stored twice"
    by_key = {(s.mail, s.recipient): s for s in stored}
    wanted = [(a["mail"], r) for a in accepted for r in a["recipients"]]
    assert [key for key in wanted if key not in by_key] == [], "lost"
    for fact in accepted:
        for recipient in fact["recipients"]:
            copy = by_key[fact["mail"], recipient]
            assert sha256(copy.raw[-fact["size"]:]) == fact["sha256"], "altered"
            assert sha256(copy.raw) == copy.sha256


def check_called(stored: list[Stored], called: list[dict],
                 failed: Collection[str] = frozenset()) -> None:
    """I2, I3; these are listed as failed"""
    by_id = {s.id: s for s in stored}
    assert [c for c in called if c["id"] not in by_id] == [], "called for nothing stored"
    for call in called:
        of = by_id[call["id"]]
        assert (call["mail"], call["recipient"], call["sha256"]) \
            == (of.mail, of.recipient, of.sha256)
    reached = {c["id"] for c in called}
    assert [s.id for s in stored if s.cloud and s.id not in reached and s.id not in failed] == [], \
        "never called"


def check_ledger(stack: Stack, stored: list[Stored]) -> None:
    """One row for each storing, one for each delivery."""
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT message_id, stage, outcome, count(*) FROM message_events "
                      "WHERE message_id = ANY (%s) AND outcome IN ('stored', 'delivered') "
                      "GROUP BY 1, 2, 3", [[s.id for s in stored]])
        found = {row[:3]: row[3] for row in query.fetchall()}
    wanted = {(s.id, "ingest", "stored"): 1 for s in stored}
    wanted |= {(s.id, "webhook", "delivered"): 1 for s in stored if s.cloud}
    assert found == wanted


# ---- mail that was held ----

@dataclass(frozen=True)
class Approval:
    id: str
    approved: bool
    composed: list[str]  # the SHA-256 of each mail to the world that was composed


def read_approvals(stack: Stack) -> dict[str, Approval]:
    """Of all that was ever held, by Message-ID."""
    with stack.db() as db, db.cursor() as query:
        query.execute(
            "SELECT m.email_message_id, m.id, m.status IN ('sent', 'expired_approved') "
            "AND m.approved_hash IS NOT NULL, (SELECT coalesce(array_agg(e.detail->>'sha256' "
            "ORDER BY e.id), '{}') FROM message_events e WHERE e.message_id = m.id "
            "AND e.stage = 'outbound' AND e.outcome = 'composed' "
            "AND e.detail->>'part' = 'world') FROM messages m "
            "WHERE m.hold_reason <> ''")
        return {row[0]: Approval(*row[1:]) for row in query.fetchall()}


def audit_held(stack: Stack) -> dict[str, Mail]:
    """Asserts I5 and I6 for all that the world has got so far; the mails, by id."""
    held = read_approvals(stack)
    arrived = [(m, held[m.parsed["Message-ID"]]) for m in stack.world.delivered()
               if m.parsed["Message-ID"] in held]
    assert [of.id for _, of in arrived if not of.approved] == [], "left without approval"
    copies = Counter(of.id for _, of in arrived)
    assert [key for key, n in copies.items() if n > 1] == [], "left twice"
    assert [of.id for m, of in arrived
            if sha256(own_part(m)) not in of.composed] == [], "other bytes"
    assert [of.id for of in held.values() if len(of.composed) > 1] == [], "composed twice"
    return {of.id: m for m, of in arrived}
