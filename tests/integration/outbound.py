# SPDX-License-Identifier: Apache-2.0
"""Agents that write: what a request becomes, seen by who asked for it and by the
world that it was sent to. Signatures are verified by python3-dkim, with the keys
of the stack's own name service; mails are read by Python's email package."""

from __future__ import annotations

import base64
import itertools
import os
import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import dkim
import dns.message
import dns.query
import dns.rdatatype

from scripts.stack import Stack
from scripts.stack.mail import Mail
from scripts.stack.part import wait_until
from scripts.stack.peers import Api

VERP = re.compile(r"bounce-[0-9a-f]{32}@[a-z0-9.-]+")
CONTROLS = {"CR": "a\rb", "LF": "a\nb", "CR LF": "a\r\nX-Injected: yes", "NUL": "a\0b"}
numbers = itertools.count(1)


def query(stack: Stack, sql: str, *values: object, **named: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(sql, list(values) or named)
        return cursor.fetchall() if cursor.description else []


def address(domain: str = "far.example") -> str:
    """One that nobody else uses."""
    return f"p{next(numbers)}-{os.urandom(4).hex()}@{domain}"


def attachment(filename: str, content_type: str, data: bytes) -> dict[str, str]:
    return {"filename": filename, "content_type": content_type,
            "data": base64.b64encode(data).decode()}


@dataclass(frozen=True)
class Author:
    """An agent, and a key that may write in its name."""
    stack: Stack
    api: Api
    address: str

    @property
    def path(self) -> str:
        return f"/api/v1/agents/{quote(self.address, safe='')}"

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    # ---- asking ----

    def ask(self, **fields: Any) -> tuple[int, Any]:
        """POST /send as this agent; fields that are None are left out."""
        body = {"from": self.address, "subject": "Hello", "body": "Hi.\n", **fields}
        return self.api.post("/api/v1/send", {k: v for k, v in body.items() if v is not None})

    def send(self, *to: str, **fields: Any) -> dict[str, str]:
        """The answer, which says `sent`."""
        status, answer = self.ask(to=list(to), **fields)
        assert (status, answer["status"]) == (200, "sent"), answer
        return answer

    def ask_reply(self, message_id: str, **fields: Any) -> tuple[int, Any]:
        return self.api.post(f"{self.path}/messages/{message_id}/reply",
                             {"body": "Thanks.\n", **fields})

    def reply(self, message_id: str, **fields: Any) -> dict[str, str]:
        status, answer = self.ask_reply(message_id, **fields)
        assert (status, answer["status"]) == (200, "sent"), answer
        return answer

    # ---- what became of it ----

    def recipients(self, message_id: str) -> dict[str, dict[str, Any]]:
        status, answer = self.api.get(f"{self.path}/sent/{message_id}")
        assert status == 200, answer
        return {r["address"]: r for r in answer["recipients"]}

    def statuses(self, message_id: str) -> dict[str, str]:
        return {who: r["status"] for who, r in self.recipients(message_id).items()}

    def wait_status(self, message_id: str, wanted: dict[str, str],
                    timeout: float = 30.0) -> dict[str, dict[str, Any]]:
        """The recipients, once their states are exactly these."""
        last: dict[str, str] = {}

        def probe() -> dict[str, dict[str, Any]] | None:
            nonlocal last
            found = self.recipients(message_id)
            last = {who: r["status"] for who, r in found.items()}
            return found if last == wanted else None

        try:
            return wait_until(f"{message_id} to become {wanted}", probe, timeout, 0.1)
        except Exception as e:
            raise AssertionError(f"{e}; it is {last}") from None

    # ---- mail that comes ----

    def detail(self, message_id: str) -> dict[str, Any]:
        status, answer = self.api.get(f"{self.path}/messages/{message_id}")
        assert status == 200, answer
        return answer

    def inbox(self) -> list[dict[str, Any]]:
        status, answer = self.api.get(f"{self.path}/messages?status=all&page_size=100")
        assert status == 200, answer
        return answer["messages"]

    def wait_mail(self, subject: str, count: int = 1, timeout: float = 30.0) -> dict[str, Any]:
        """The detail of the newest, once so many have this subject."""
        def probe() -> list[dict[str, Any]] | None:
            found = [m for m in self.inbox() if m["subject"] == subject]
            return found if len(found) >= count else None

        found = wait_until(f"{count} x {subject!r} at {self.address}", probe, timeout, 0.1)
        return self.detail(found[-1]["message_id"])


def ledger(stack: Stack, message_id: str) -> list[tuple[str, str, str]]:
    """(stage, outcome, reason) of what happened to a message, in order."""
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT stage, outcome, reason FROM message_events WHERE message_id = %s "
                      "ORDER BY id", [message_id])
        return query.fetchall()


def state_of(stack: Stack, message_id: str) -> tuple[str, str]:
    """(status, hold_reason)"""
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT status, hold_reason FROM messages WHERE id = %s", [message_id])
        return query.fetchone()


def own_part(mail: Mail) -> bytes:
    """Without the Received fields that were put above it on its way."""
    raw = mail.raw
    while found := re.match(rb"Received:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*", raw):
        raw = raw[found.end():]
    return raw


def look_up(stack: Stack, name: bytes | str) -> bytes | None:
    text = name.decode() if isinstance(name, bytes) else name
    question = dns.message.make_query(text, dns.rdatatype.TXT)
    answer = dns.query.udp_with_fallback(question, "127.0.0.1", 5, port=stack.dns.port)[0]
    for rrset in answer.answer:
        return b"".join(rrset[0].strings)
    return None


@dataclass(frozen=True)
class Signature:
    domain: str
    selector: str
    fields: list[str]  # h=, in lower case
    tags: dict[str, str]


def is_signed(stack: Stack, raw: bytes) -> bool:
    try:
        return dkim.verify(raw, dnsfunc=lambda name, timeout=5: look_up(stack, name))
    except dkim.DKIMException:
        return False


def verify(stack: Stack, raw: bytes) -> Signature:
    """The mail's one signature, which must be good."""
    assert b"\r\n".join([b"", raw]).lower().count(b"\r\ndkim-signature:") == 1
    checker = dkim.DKIM(raw)
    assert checker.verify(dnsfunc=lambda name, timeout=5: look_up(stack, name))
    tags = {k.decode(): v.decode() for k, v in checker.signature_fields.items()}
    return Signature(checker.domain.decode(), checker.selector.decode(),
                     [f.decode().lower() for f in checker.include_headers], tags)


def texts(mail: EmailMessage) -> dict[str, str]:
    """The bodies, lines ended by LF."""
    found = {}
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        if part:
            found[kind] = part.get_content().replace("\r\n", "\n")
    return found


def attachments(mail: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    """Names as they are: get_filename() strips them."""
    return [(part["Content-Disposition"].params.get("filename"), part.get_content_type(),
             part.get_payload(decode=True)) for part in mail.iter_attachments()]


def check_wire(raw: bytes) -> None:
    """What any server takes (RFC 5321 2.3.8, RFC 5322 2.1.1) and nothing of ours in it."""
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= 998
    header = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].strip().lower() for line in header.split(b"\r\n")
             if line[:1] not in (b" ", b"\t")]
    single = {b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id",
              b"mime-version", b"content-type", b"in-reply-to", b"references"}
    assert {n: names.count(n) for n in names if n in single and names.count(n) > 1} == {}
    never = {b"bcc", b"return-path", b"sender", b"content-length", b"x-e2a-ticket",
             b"x-e2a-verdict"}
    assert not never & set(names), names
    assert {b"from", b"date", b"message-id", b"mime-version", b"content-type"} <= set(names)
