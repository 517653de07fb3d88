# SPDX-License-Identifier: Apache-2.0
"""SMTP and LMTP byte for byte: no client library repairs or refuses anything."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 20.0


@dataclass(frozen=True)
class Reply:
    code: int
    text: str  # the last line's

    @property
    def status(self) -> str:
        """Code and enhanced status: "550 5.1.1"."""
        return f"{self.code} {self.text.split(' ')[0]}"


class Wire:
    """One connection. Reads the greeting; everything else is the test's."""

    def __init__(self, address: Path | int, timeout: float = TIMEOUT):
        """`address`: a unix socket, or a port of 127.0.0.1."""
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address), timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self.input = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.input.close()
        self.socket.close()

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def drip(self, data: bytes, pieces: int) -> None:
        """The data in that many writes."""
        size = max(1, -(-len(data) // pieces))
        for at in range(0, len(data), size):
            self.write(data[at:at + size])

    def reply(self) -> Reply:
        """The next one; code 0 when the connection has ended instead."""
        while True:
            line = self.input.readline().decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                return Reply(0, "")
            if line[3:4] != "-":
                return Reply(int(line[:3]), line[4:])

    def replies(self, count: int) -> list[Reply]:
        return [self.reply() for _ in range(count)]

    def rest(self) -> list[Reply]:
        """All replies until the other side closes."""
        found = []
        while (reply := self.reply()).code:
            found.append(reply)
        return found

    def command(self, line: str) -> Reply:
        self.write(line.encode() + b"\r\n")
        return self.reply()


def stuffed(message: bytes) -> bytes:
    """As it goes over the wire, end of data included."""
    data = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if data.startswith(b".") else b"") + data + b".\r\n"


class Lmtp(Wire):
    """A client of e2a-deliverd that has said LHLO."""

    def __init__(self, stack, timeout: float = TIMEOUT, socket_name: str = "lmtp"):
        super().__init__(stack.state / "sock" / socket_name, timeout)
        self.hello = self.command("LHLO client.example")

    def begin(self, recipients: str | list[str], queue_id: str = "",
              sender: str = "alice@sender.example", options: str = "") -> list[Reply]:
        """XFORWARD when there is a queue id, MAIL, RCPTs; their replies."""
        to = [recipients] if isinstance(recipients, str) else recipients
        xforward = [f"XFORWARD IDENT={queue_id}"] if queue_id else []
        lines = [*xforward, f"MAIL FROM:<{sender}>{options}", *(f"RCPT TO:<{r}>" for r in to)]
        return [self.command(line) for line in lines]

    def mail(self, recipients: str | list[str], message: bytes, queue_id: str = "",
             **options: str) -> list[Reply]:
        """A whole transaction; one reply per recipient, or the one to DATA."""
        to = [recipients] if isinstance(recipients, str) else recipients
        self.begin(to, queue_id, **options)
        if (reply := self.command("DATA")).code != 354:
            return [reply]
        self.write(stuffed(message))
        return self.replies(len(to))
