# SPDX-License-Identifier: Apache-2.0
"""An agent behind a webhook that reads its mail one by one. What must hold for
every mail, whatever it is like, is checked here; a test asks for the rest."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import smtplib
from dataclasses import dataclass
from typing import Any

from .part import StackError
from .peers import (Api, Delivery, WebhookReceiver, check_auth_headers, check_standard_webhook)
from .stack import MAIL_HOST, Account, Stack

HONEST = "127.0.0.7"    # where the mail servers of the senders' domains are
STRANGER = "127.0.0.66"  # and where they are not

# Names of the X-E2A- name space, however spelt.
PRIVATE = re.compile(rb"(?im)^[^a-z0-9\r\n:]*x[^a-z0-9\r\n:]+e2a(?![a-z0-9])")
RESULTS = re.compile(rb"(?im)^authentication-results[ \t]*:\s*"
                     + re.escape(MAIL_HOST.encode()) + rb"\s*;")


@dataclass(frozen=True)
class Judged:
    """One mail as its agent sees it: in the webhook call and by REST."""
    delivery: Delivery
    detail: dict[str, Any]
    flags: list[str]  # parse_flags of the stored row

    @property
    def raw(self) -> bytes:
        return self.delivery.raw

    @property
    def header(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0] + b"\r\n"

    def auth(self, name: str) -> str:
        return self.delivery.json["auth_headers"][f"X-E2A-Auth-{name}"]

    @property
    def verified(self) -> bool:
        return self.auth("Verified") == "true"

    @property
    def sender(self) -> str:
        return self.auth("Sender")

    @property
    def check(self) -> str:
        return self.auth("Domain-Check")

    @property
    def verdict(self) -> str:
        """`sealed`, or why there is none to trust."""
        return self.detail["authentication"]["verdict"]

    @property
    def spf(self) -> dict[str, Any]:
        return self.detail["authentication"]["spf"]

    @property
    def dkim(self) -> list[tuple[str, str, bool]]:
        """(result, reason, aligned) of each signature."""
        return [(d["result"], d.get("reason", ""), d["aligned"])
                for d in self.detail["authentication"]["dkim"]]

    @property
    def dmarc(self) -> tuple[str, str]:
        """(result, policy)"""
        d = self.detail["authentication"]["dmarc"]
        return d["result"], d.get("policy", "")


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise StackError(what)


class Reader:
    """Every mail goes to a plus-address of its own, so none is taken for another."""

    numbers = itertools.count(1)

    def __init__(self, stack: Stack, account: Account, api: Api, hook: WebhookReceiver, slug: str):
        self.stack = stack
        self.account = account
        self.api = api
        self.hook = hook
        self.agent = api.make_agent(slug, hook.url)

    def address(self) -> str:
        local, _, domain = self.agent.partition("@")
        return f"{local}+{next(self.numbers)}@{domain}"

    def take(self, message: bytes, sender: str, source: str = HONEST, **options) -> Judged:
        """Sends by SMTP and waits for what the agent is told."""
        recipient = self.address()
        outcome = self.stack.send(sender, recipient, message, source, **options)
        demand(outcome.code == 250, f"SMTP said {outcome.code} {outcome.text}")
        return self.wait(recipient)

    def take_lmtp(self, message: bytes, sender: str = "", **xforward: str) -> Judged:
        """Goes to deliverd directly, past Postfix and the milter."""
        recipient = self.address()
        code, text = send_lmtp(self.stack, sender, recipient, message, **xforward)
        demand(code == 250, f"LMTP said {code} {text}")
        return self.wait(recipient)

    def wait(self, recipient: str) -> Judged:
        delivery = self.hook.wait(lambda d: d.json["recipient"] == recipient)
        message_id = delivery.json["message_id"]
        status, detail = self.api.get(f"/api/v1/agents/{self.agent}/messages/{message_id}")
        demand(status == 200, f"REST said {status} {detail}")
        with self.stack.db() as db, db.cursor() as query:
            query.execute("SELECT parse_flags FROM messages WHERE id = %s", [message_id])
            judged = Judged(delivery, detail, query.fetchone()[0])
        self.check(judged)
        return judged

    def check(self, j: Judged) -> None:
        payload = j.delivery.json
        check_auth_headers(payload, self.account.secret)
        check_auth_headers(j.detail, self.account.secret)
        check_standard_webhook(j.delivery, self.account.whsec)
        for name, value in payload["auth_headers"].items():
            demand(j.delivery.headers[name.lower()].encode("latin-1") == value.encode(),
                   f"{name} differs between header and body")
        demand(base64.b64decode(j.detail["raw_message"]) == j.raw, "REST has other bytes")
        demand(j.auth("Body-Hash") == hashlib.sha256(j.raw).hexdigest(), "wrong hash")
        demand(j.auth("Entity-Type") == "human", "nobody here is an agent")
        demand(j.detail["verified"] == j.verified, "REST and webhook disagree on verified")
        demand(j.detail["from"] == payload["from"], "REST and webhook disagree on from")
        demand(not PRIVATE.search(j.header), f"a private header survived:\n{j.header!r}")
        self.check_trust(j)

    def check_trust(self, j: Judged) -> None:
        """Nothing is trusted without a verdict; with one there is one result of ours."""
        sealed = j.verdict == "sealed"
        demand(len(RESULTS.findall(j.header)) == (1 if sealed else 0),
               f"{j.verdict}, and Authentication-Results are\n{j.header!r}")
        if not sealed:
            demand(not j.verified, "verified without a verdict")
            demand(j.check == "spf=none; dkim=none; dmarc=none", "results without a verdict")
        if j.verified:
            demand(j.sender == j.delivery.json["from"], "verified is somebody else")


def send_lmtp(stack: Stack, sender: str, recipient: str, message: bytes,
              **xforward: str) -> tuple[int, str]:
    """One transaction with deliverd; the reply for the recipient."""
    with smtplib.LMTP(f"{stack.state}/sock/lmtp") as lmtp:
        lmtp.ehlo("test.example")  # says LHLO
        if xforward:
            words = " ".join(f"{name}={value}" for name, value in xforward.items())
            code, text = lmtp.docmd("XFORWARD", words)
            demand(code == 250, f"XFORWARD: {code} {text!r}")
        lmtp.mail(sender)
        code, text = lmtp.rcpt(recipient)
        if code != 250:
            return code, text.decode()
        lmtp.docmd("DATA")
        lmtp.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, text = lmtp.getreply()
        return code, text.decode()
