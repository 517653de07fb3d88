# SPDX-License-Identifier: Apache-2.0
"""Tokens of reviewers, made as e2a-deliverd makes them, by a program that knows no more of
that than its description: so that a test can have any token it likes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import struct
from dataclasses import dataclass, replace

from scripts.stack import Stack
from tests.integration.outbound import Author, query

APPROVE, REJECT = "/api/v1/approve", "/api/v1/reject"
CONTENT = f"{APPROVE}/content"
PATHS = {"approve": APPROVE, "reject": REJECT}
LINK_S = 600  # a link is good for so long after its hold


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token_of(key: bytes, payload: str | bytes) -> str:
    raw = payload.encode() if isinstance(payload, str) else payload
    return f"{b64(raw)}.{b64(hmac.new(key, raw, hashlib.sha256).digest())}"


def deployment_key(stack: Stack) -> bytes:
    text = (stack.state / "keys/apid.keys").read_text()
    return bytes.fromhex(re.search(r"^approval = ([0-9a-f]{64})$", text, re.M)[1])


@dataclass(frozen=True)
class Ask:
    """What one reviewer is asked."""
    message_id: str
    user_id: str
    reviewer: str
    draft: bytes
    expires: int  # seconds since 1970
    nonce: bytes = b""

    def key(self, stack: Stack) -> bytes:
        fields = [b"e2a approval link", self.user_id.encode(), self.message_id.encode(),
                  self.reviewer.encode(), self.nonce, self.draft]
        bound = b"".join(struct.pack(">Q", len(f)) + f for f in fields)
        return hmac.new(deployment_key(stack), bound, hashlib.sha256).digest()

    def token(self, stack: Stack, action: str) -> str:
        return token_of(self.key(stack), f"{self.message_id}|{action}|{self.expires}")


def ask_about(stack: Stack, message_id: str, reviewer: str = "") -> Ask:
    """As a mail to that reviewer would, or to the owner. Of mail that is decided there is no
    draft any more: nobody gets as far as to compare it."""
    (user, owner, draft, expires), = query(
        stack, "SELECT m.user_id, u.email, draft_hash(m.id), "
        "extract(epoch FROM m.approval_expires_at)::bigint FROM messages m "
        "JOIN users u ON u.id = m.user_id WHERE m.id = %s", message_id)
    return Ask(message_id, user, reviewer or owner, bytes(draft or bytes(32)),
               int(expires) + LINK_S, os.urandom(16))


def write(stack: Stack, ask: Ask, token: str, action: str) -> None:
    query(stack, "INSERT INTO approval_tokens (hash, message_id, user_id, action, reviewer, nonce, "
          "draft_hash, expires_at) VALUES (sha256(%s), %s, %s, %s, %s, %s, %s, to_timestamp(%s))",
          token.encode(), ask.message_id, ask.user_id, action, ask.reviewer, ask.nonce, ask.draft,
          ask.expires)


def mint(stack: Stack, message_id: str, action: str, reviewer: str = "", **other: object) -> str:
    """The token of one act; `other` is what it is bound to instead."""
    ask = replace(ask_about(stack, message_id, reviewer), **other)
    token = ask.token(stack, action)
    write(stack, ask, token, action)
    return token


def hold(author: Author, **fields: object) -> str:
    """The id of a mail that waits."""
    status, answer = author.api.call("PUT", author.path, {"hitl_enabled": True})
    assert status == 200, answer
    status, answer = author.ask(**fields)
    assert status == 202, answer
    return answer["message_id"]
