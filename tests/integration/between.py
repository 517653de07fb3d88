# SPDX-License-Identifier: Apache-2.0
"""Something between e2a-deliverd and the inject listener: it sees each mail as it was
handed over, and may alter it, refuse it, or keep the answer to itself.

    with Between(stack) as between:         # e2a-deliverd is restarted, twice
        between.on_mail = lambda mail: LATER
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass

from scripts.stack import Stack
from scripts.stack.peers import Inbox

LATER = "451 4.3.0 Later\r\n"
TICKET = re.compile(rb"X-E2A-Ticket:[^\n]*\n([ \t][^\n]*\n)*")
Answer = bytes | None  # what the client gets; None: the connection ends


@dataclass(frozen=True)
class Handed:
    """A mail on its way: ticket and what is below it."""
    sender: str
    recipients: tuple[str, ...]
    ticket: bytes
    mail: bytes

    @property
    def message_id(self) -> str:
        return re.search(rb"(?im)^Message-ID:\s*(\S+)", self.mail).group(1).decode()


def path_of(line: bytes) -> str:
    return line.decode().partition("<")[2].partition(">")[0]


class Between:
    def __init__(self, stack: Stack):
        self.stack = stack
        self.mails, self.answers = Inbox(), Inbox()  # Handed; and (Handed, reply of Postfix)
        # What becomes of a mail: the bytes that go on, or a reply instead of Postfix's.
        self.on_mail: Callable[[Handed], bytes | str]
        # What the client hears of Postfix's reply.
        self.on_answer: Callable[[Handed, bytes], Answer]
        self.pass_all()
        serve = self.serve

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    serve(self)
                except OSError:
                    pass  # one of the two is gone: tests kill them

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.before: str | None = None

    def pass_all(self) -> None:
        self.on_mail = lambda handed: handed.mail
        self.on_answer = lambda handed, reply: reply

    def serve(self, client: socketserver.StreamRequestHandler) -> None:
        with socket.create_connection(("127.0.0.1", self.stack.inject_port)) as postfix, \
                postfix.makefile("rb") as replies:
            client.wfile.write(self.read_reply(replies))
            sender, recipients = "", []
            while line := client.rfile.readline():
                postfix.sendall(line)
                reply = self.read_reply(replies)
                word = line[:4].upper()
                if word == b"MAIL":
                    sender, recipients = path_of(line), []
                elif word == b"RCPT" and reply.startswith(b"2"):
                    recipients.append(path_of(line))
                client.wfile.write(reply)
                if word == b"DATA" and reply.startswith(b"354") and not self.pass_on(
                        client, postfix, replies, sender, recipients):
                    return

    def pass_on(self, client, postfix: socket.socket, replies, sender: str,
                recipients: list[str]) -> bool:
        text = self.read_data(client.rfile)
        ticket = TICKET.match(text)
        handed = Handed(sender, tuple(recipients), ticket.group(), text[ticket.end():])
        self.mails.put(handed)
        what = self.on_mail(handed)
        if isinstance(what, str):
            client.wfile.write(what.encode())
            return False
        whole = handed.ticket + what
        postfix.sendall(re.sub(rb"(?m)^\.", b"..", whole) + b".\r\n")
        reply = self.read_reply(replies)
        self.answers.put((handed, reply))
        answer = self.on_answer(handed, reply)
        if answer is None:
            return False
        client.wfile.write(answer)
        return True

    @staticmethod
    def read_reply(replies) -> bytes:
        lines = [replies.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(replies.readline())
        return b"".join(lines)

    @staticmethod
    def read_data(lines) -> bytes:
        """Without the dots of the protocol."""
        text = []
        while (line := lines.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("the client is gone")
            text.append(line[1:] if line.startswith(b".") else line)
        return b"".join(text)

    def mails_of(self, message_id: str) -> list[Handed]:
        return [m for m in list(self.mails.items) if m.message_id == message_id]

    def use(self, url: str) -> None:
        self.stack.configure(inject_url=url)
        self.stack.deliverd.restart()

    def __enter__(self) -> Between:
        self.thread.start()
        self.before = self.stack.settings["inject_url"]
        self.use(f"smtp://127.0.0.1:{self.port}")
        return self

    def __exit__(self, *_: object) -> None:
        self.pass_all()
        self.use(self.before)
        self.server.shutdown()
        self.server.server_close()
