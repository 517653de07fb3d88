# SPDX-License-Identifier: Apache-2.0
"""Senders and receivers of the benchmark: paced SMTP, an LMTP sink and a
webhook that note when each numbered mail passed."""

from __future__ import annotations

import asyncio
import base64
import re
import time

NUMBER = re.compile(rb"X-Bench: (\d+)")


def numbered(message: bytes, number: int) -> bytes:
    """The field stands above the signature, which does not cover it."""
    return b"X-Bench: %d\r\n" % number + message


class Arrivals:
    """When each number arrived, and whether all have."""

    def __init__(self, expected: int):
        self.times: dict[int, float] = {}
        self.expected = expected
        self.complete = asyncio.Event()

    def note(self, message: bytes) -> None:
        found = NUMBER.search(message)
        if found:
            self.times.setdefault(int(found.group(1)), time.monotonic())
            if len(self.times) >= self.expected:
                self.complete.set()


async def webhook(arrivals: Arrivals, reader: asyncio.StreamReader, writer) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
            if b"100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(length)
            start = body.index(b'"raw_message":"') + 15
            arrivals.note(base64.b64decode(body[start:start + 4000 - 4000 % 4]))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def lmtp_sink(arrivals: Arrivals, reader: asyncio.StreamReader, writer) -> None:
    try:
        writer.write(b"220 sink\r\n")
        while True:
            verb = (await reader.readline())[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                message = await reader.readuntil(b"\r\n.\r\n")
                arrivals.note(message)
            elif verb == b"LHLO":
                writer.write(b"250-sink\r\n250 PIPELINING\r\n")
                continue
            elif verb in (b"QUIT", b""):
                break
            writer.write(b"250 2.0.0 ok\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


class Sender:
    """One SMTP session that is kept."""

    def __init__(self, port: int):
        self.port = port
        self.writer = None

    async def command(self, line: bytes) -> bytes:
        self.writer.write(line)
        while True:
            reply = await self.reader.readline()
            if reply[3:4] != b"-":
                return reply

    async def send(self, sender: str, recipient: str, message: bytes) -> float:
        """The time of the 250 behind the message."""
        if not self.writer:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            await self.command(b"")
            await self.command(b"EHLO bench.example\r\n")
        for line, want in ((f"MAIL FROM:<{sender}>", b"250"), (f"RCPT TO:<{recipient}>", b"250"),
                           ("DATA", b"354")):
            reply = await self.command(line.encode() + b"\r\n")
            if not reply.startswith(want):
                raise RuntimeError(f"{line}: {reply!r}")
        reply = await self.command(message + b".\r\n")
        if not reply.startswith(b"250"):
            raise RuntimeError(f"end of data: {reply!r}")
        return time.monotonic()


async def paced(port: int, rate: float, count: int, sender: str, recipient: str,
                message: bytes, sessions: int = 20) -> list[float]:
    """Sends at a fixed rate, whatever the answers take; the time of each 250."""
    idle: asyncio.Queue[Sender] = asyncio.Queue()
    for _ in range(sessions):
        idle.put_nowait(Sender(port))
    done = [0.0] * count

    async def one(number: int) -> None:
        session = await idle.get()
        done[number] = await session.send(sender, recipient, numbered(message, number))
        idle.put_nowait(session)

    start = time.monotonic()
    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return done
