# SPDX-License-Identifier: Apache-2.0
"""Tickets of the inject listener, as common/mail/ticket.h describes them: made here
a second time, so that what e2a-milter takes does not depend on what e2a makes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import re
import struct
import time
from dataclasses import dataclass

PURPOSE = b"e2a outbound ticket"
LIFETIME = 300

numbers = itertools.count(1)


def parts(*items: bytes) -> bytes:
    return b"".join(struct.pack(">Q", len(item)) + item for item in items)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def fields_of(header: bytes) -> list[bytes]:
    """Each without its last line end, folds as LF."""
    return [f.replace(b"\r\n", b"\n") for f in re.split(rb"\r\n(?![ \t])", header) if f]


def read_key(stack) -> bytes:
    """The key that e2a-deliverd has."""
    text = (stack.state / "keys" / "deliverd.keys").read_text()
    return bytes.fromhex(re.search(r"(?m)^ticket = ([0-9a-f]{64})$", text).group(1))


@dataclass(frozen=True)
class Tickets:
    key: bytes

    def make(self, message: bytes, sender: str, recipients: list[str], *, job: str = "",
             attempt: int = 1, issued: int | None = None, lifetime: int = LIFETIME) -> bytes:
        """The field for this mail, with its CR LF."""
        header, _, body = (b"\r\n" + message).partition(b"\r\n\r\n")
        issued = int(time.time()) if issued is None else issued
        job = job or f"job_{next(numbers)}"
        hashes = {
            "sh": sha256(sender.encode()),
            "rh": sha256(parts(*sorted(r.encode() for r in recipients))),
            "hh": sha256(parts(*(f + b"\n" for f in fields_of(header)))),
            "bh": sha256(body),
        }
        words = [job, str(attempt), str(issued), str(issued + lifetime)]
        mac = hmac.digest(self.key, parts(PURPOSE, b"1", *(w.encode() for w in words),
                                          *hashes.values()), "sha256")
        tags = dict(zip(("job", "attempt", "issued", "expires"), words))
        tags |= {name: value.hex() for name, value in hashes.items()}
        text = "".join(f"{name}={value};\r\n\t" for name, value in tags.items())
        seal = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        return f"X-E2A-Ticket: v=1; {text}s={seal}\r\n".encode()

    def stamp(self, message: bytes, sender: str, recipients: str | list[str],
              **options) -> bytes:
        """The mail with its ticket on top."""
        to = [recipients] if isinstance(recipients, str) else recipients
        return self.make(message, sender, to, **options) + message
