# SPDX-License-Identifier: Apache-2.0
"""The mail that the deployment itself sends to people, as it arrived."""

from __future__ import annotations

import email
import email.parser
import email.policy
import functools
from email.message import EmailMessage
from pathlib import Path

from scripts.stack.part import wait_until


@functools.cache
def captured_for(path: Path) -> str:
    """Whom a mail of the outbox is for. Long runs have thousands of them."""
    with path.open("rb") as file:
        head = email.parser.BytesHeaderParser(policy=email.policy.default).parse(file)
    return str(head["To"]).lower()


def mails_to(stack, address: str) -> list[EmailMessage]:
    raw = [path.read_bytes() for path in stack.postfix.captured()
           if captured_for(path) == address.lower()]
    raw += [mail.raw for mail in stack.world.mails_to(address)]
    mails = [email.message_from_bytes(one, policy=email.policy.default) for one in raw]
    return [mail for mail in mails if str(mail["To"]).lower() == address.lower()]


def wait_mails(stack, address: str, count: int = 1) -> list[EmailMessage]:
    def find() -> list[EmailMessage] | None:
        mails = mails_to(stack, address)
        return mails if len(mails) >= count else None

    return wait_until(f"{count} mails to {address}", find, interval=0.05)
