# SPDX-License-Identifier: Apache-2.0
"""A server that does with each connection what a test says, and pieces of what it may do."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\n"
Act = Callable[[socket.socket], object]


class Listener:
    def __init__(self, act: Act, tls: ssl.SSLContext | None = None):
        self.act, self.tls = act, tls
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            with connection:
                connection.settimeout(10)
                try:
                    if self.tls:
                        connection = self.tls.wrap_socket(connection, server_side=True)
                    self.act(connection)
                except OSError:
                    pass  # the client had enough

    def __enter__(self) -> Listener:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


def head_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


def answer(data: bytes) -> Act:
    def act(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(data)
    return act


def endless(head: bytes, piece: bytes) -> Act:
    def act(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)
    return act
