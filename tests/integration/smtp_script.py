# SPDX-License-Identifier: Apache-2.0
"""An SMTP server that does exactly what a test says, byte for byte, also what no
server should do; and the injector of e2a-deliverd as a program (tests/tools/inject.c)."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

from scripts.stack.peers import Inbox

GREETING = [b"220 mx\r\n", "line", b"250-mx\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 SMTPUTF8\r\n"]
SENDER = "bounce-00112233445566778899aabbccddeeff@agents.example"


def transaction(*rcpts: bytes, mail: bytes = b"250 2.1.0 Ok", data: bytes = b"354 go",
                end: bytes | None = b"250 2.0.0 Ok: queued as 4cXYZ01abc") -> list:
    """Steps of one mail; `rcpts`: the answers to RCPT, one by default."""
    steps = ["line", mail + b"\r\n"]
    for answer in rcpts or (b"250 2.1.5 Ok",):
        steps += ["line", answer + b"\r\n"]
    steps += ["line", data + b"\r\n", "mail"]
    return steps + ([end + b"\r\n"] if end else [])


class Script:
    """On 127.0.0.1, one list of steps for each connection, in their order: bytes are
    sent; "line" reads a command, "mail" a mail to its end; "reset" breaks the
    connection off; a threading.Event is waited for. Behind the last step QUIT is
    answered. `said`: each line that came, and b"" when a client hung up; `mails`: what
    came up to CRLF.CRLF."""

    def __init__(self, *connections: list):
        self.said, self.mails = Inbox(), Inbox()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.serve, args=(connections,), daemon=True)]
        self.threads[0].start()

    def serve(self, connections: tuple[list, ...]) -> None:
        for steps in connections:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.talk, args=(connection, steps),
                                                 daemon=True))
            self.threads[-1].start()

    def talk(self, connection: socket.socket, steps: list) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for step in steps:
                if step == "close":
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                if step == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          b"\1\0\0\0\0\0\0\0")
                    lines.close()
                    connection.close()
                    return
                self.do(connection, lines, step)
            while line := lines.readline():
                self.said.put(line)
                if line == b"QUIT\r\n":
                    connection.sendall(b"221 bye\r\n")
            self.said.put(b"")

    def do(self, connection: socket.socket, lines, step) -> None:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, threading.Event):
            step.wait(60)
        elif step == "line":
            self.said.put(lines.readline())
        elif step == "mail":
            text = [lines.readline()]
            while text[-1] and not (text[-1] == b".\r\n" and text[-2:][0].endswith(b"\r\n")):
                text.append(lines.readline())
            if text[-1]:
                self.mails.put(b"".join(text))

    def close(self) -> None:
        self.listener.close()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Injector:
    """tests/tools/inject: sends mails and says what became of them."""

    def __init__(self, build: Path, url: str, timeout: str = "20s"):
        self.process = subprocess.Popen([build / "tests" / "tools" / "inject", url, timeout],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self, rcpts: list[str] | int = 1, parts: list[str] | None = None,
              sender: str = SENDER, times: int = 1) -> None:
        if isinstance(rcpts, int):
            rcpts = [f"r{i}@world.example" for i in range(rcpts)]
        parts = ["X-E2A-Ticket: t\r\n", "Subject: x\r\n\r\nHello\r\n"] if parts is None else parts
        order = {"sender": sender, "rcpts": rcpts, "parts": parts, "times": times}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def send(self, *args, **kwargs) -> dict:
        self.begin(*args, **kwargs)
        return self.answer()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)

    def __enter__(self) -> Injector:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.close() == 0
