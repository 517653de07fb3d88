# SPDX-License-Identifier: Apache-2.0
"""A second private Postfix that plays the rest of the world. It takes mail for any
address; tests say beforehand which addresses it refuses at its door, and which it
takes and cannot deliver, so that its own bounces come back. What was delivered
ends in an LMTP server here, byte for byte.

    world.reject("nobody@far.example")
    world.bounce_later("gone@far.example", "552 5.2.2 mailbox full")
    world.defer("busy@far.example", times=2)
    mail = world.wait_mail("alice@far.example", subject="Hello")

Its door announces DSN (RFC 3461), but not to those who write to OLD_DOMAIN."""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .mail import Mail
from .mta import SERVICES, Mta
from .part import make_dir, wait_until, write_file
from .peers import Inbox

HOST = "mx.world.example"
OLD_DOMAIN = "old.example"
# Mail to such an address is a bounce on its way to e2a.
BOUNCE = r"/^bounce-[0-9a-f]+@/"
MAXIMUM_BYTES = 64 << 20

MAIN_CF = """\
myhostname = {host}
myorigin = $myhostname
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_policy_service unix:{door}
transport_maps = regexp:{routes}
default_transport = mailboxes:unix:{mailboxes}
lmtp_line_length_limit = 0
disable_mime_output_conversion = yes
enable_long_queue_ids = yes
notify_classes =
message_size_limit = {maximum}
"""

LISTENERS = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{old_port} inet n - n - - smtpd
    -o smtpd_discard_ehlo_keywords=dsn
"""

# Who has mail here has got it: "delivered", not "relayed".
MAILBOXES = """mailboxes unix - - n - - lmtp flags=X
"""


@dataclass
class Rule:
    reply: str
    times: int | None  # how often it is still to be given; None: always


class Rules:
    """SMTP replies by address, in lower case."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rules: dict[str, Rule] = {}

    def set(self, address: str, reply: str, times: int | None) -> None:
        with self.lock:
            self.rules[address.lower()] = Rule(reply, times)

    def forget(self, address: str) -> None:
        with self.lock:
            self.rules.pop(address.lower(), None)

    def reply(self, address: str) -> str | None:
        """What to refuse the address with this time, if at all."""
        with self.lock:
            rule = self.rules.get(address.lower())
            if not rule or rule.times == 0:
                return None
            if rule.times:
                rule.times -= 1
            return rule.reply


@dataclass(frozen=True)
class Knock:
    """One RCPT TO at the door."""
    sender: str
    recipient: str
    reply: str | None  # with which it was refused


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """On a unix socket that Postfix may use. `serve(handler)` runs in a thread for
    each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self, path: Path, serve: Callable[[socketserver.StreamRequestHandler], None]):
        path.unlink(missing_ok=True)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                serve(self)

        super().__init__(str(path), Handler)
        path.chmod(0o777)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def handle_error(self, *_: object) -> None:
        """Postfix may end a connection at any time: tests kill it."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


def lines(handler: socketserver.StreamRequestHandler) -> Iterator[str]:
    """Commands, without their ends, as long as the client is there."""
    while line := handler.rfile.readline():
        yield line.decode("utf-8").rstrip("\r\n")


def path_of(command: str) -> str:
    """The address in MAIL FROM:<...> or RCPT TO:<...>."""
    return command.partition("<")[2].partition(">")[0]


class World(Mta):
    """`mails` has what was delivered, `knocks` every recipient that was asked for."""

    name = "world"

    def __init__(self, state: Path, e2a_port: int, port: int, old_port: int):
        """`e2a_port`: of the Postfix that bounces go back to."""
        home = state / "world"
        super().__init__(state, home / "conf", home / "queue", home / "data")
        self.e2a_port = e2a_port
        self.port, self.old_port = port, old_port
        self.relayhost = f"[127.0.0.1]:{port}"
        self.routes = {OLD_DOMAIN: f"smtp:[127.0.0.1]:{old_port}"}
        self.at_door, self.at_mailbox = Rules(), Rules()
        self.mails, self.knocks = Inbox(), Inbox()
        self.servers: list[Server] = []

    def socket(self, name: str) -> Path:
        return self.state / "sock" / name

    def prepare(self) -> None:
        make_dir(self.state / "world")
        super().prepare()
        write_file(self.conf / "routes", f"{BOUNCE} smtp:[127.0.0.1]:{self.e2a_port}\n")

    def main_cf(self) -> str:
        return MAIN_CF.format(host=HOST, door=self.socket("door"), routes=self.conf / "routes",
                              mailboxes=self.socket("mailboxes"), maximum=MAXIMUM_BYTES)

    def master_cf(self) -> str:
        return LISTENERS.format(port=self.port, old_port=self.old_port) + SERVICES + MAILBOXES

    def start(self) -> None:
        if not self.servers:
            self.servers = [Server(self.socket("door"), self.serve_door),
                            Server(self.socket("mailboxes"), self.serve_mailboxes)]
        super().start()

    def stop(self) -> int:
        status = super().stop()
        for server in self.servers:
            server.close()
        self.servers = []
        return status

    # ---- what tests say ----

    def reject(self, address: str, reply: str = "550 5.1.1 no such user",
               times: int | None = None) -> None:
        """Refused at RCPT: for good, for now (4xx), or with the connection (421)."""
        self.at_door.set(address, reply, times)

    def bounce_later(self, address: str, reply: str = "550 5.1.1 no such user") -> None:
        """Taken, and bounced afterwards."""
        self.at_mailbox.set(address, reply, None)

    def defer(self, address: str, reply: str = "450 4.2.0 mailbox busy",
              times: int | None = None) -> None:
        """Taken, and kept until the mailbox has said this so often, or accept()."""
        self.at_mailbox.set(address, reply, times)

    def accept(self, address: str) -> None:
        """From now on, and what is kept for it."""
        self.at_door.forget(address)
        self.at_mailbox.forget(address)
        self.flush()

    # ---- what tests see ----

    def wait_mail(self, recipient: str, subject: str | None = None,
                  timeout: float = 30.0) -> Mail:
        """The first that was delivered to the address, early or late."""
        def wanted(mail: Mail) -> bool:
            return (recipient.lower() in map(str.lower, mail.recipients)
                    and (subject is None or mail.parsed["Subject"] == subject))

        return self.mails.wait(wanted, timeout)

    def delivered(self) -> list[Mail]:
        """So far."""
        return list(self.mails.items)

    def mails_to(self, recipient: str) -> list[Mail]:
        return [m for m in self.delivered() if recipient.lower() in map(str.lower, m.recipients)]

    def knocks_for(self, recipient: str) -> list[Knock]:
        return [k for k in list(self.knocks.items) if k.recipient.lower() == recipient.lower()]

    def wait_knocks(self, recipient: str, count: int = 1, timeout: float = 30.0) -> list[Knock]:
        """Once that many deliveries to the address were tried."""
        def probe() -> list[Knock] | None:
            found = self.knocks_for(recipient)
            return found if len(found) >= count else None

        return wait_until(f"{count} tries to reach {recipient}", probe, timeout)

    # ---- what Postfix asks ----

    def serve_door(self, handler: socketserver.StreamRequestHandler) -> None:
        """The policy protocol: attributes, an empty line, an action."""
        request: dict[str, str] = {}
        for line in lines(handler):
            if line:
                name, _, value = line.partition("=")
                request[name] = value
                continue
            reply = self.at_door.reply(request["recipient"])
            self.knocks.put(Knock(request["sender"], request["recipient"], reply))
            handler.wfile.write(f"action={reply or 'DUNNO'}\n\n".encode())
            request = {}

    def serve_mailboxes(self, handler: socketserver.StreamRequestHandler) -> None:
        """LMTP, as Postfix speaks it."""
        def say(*replies: str) -> None:
            handler.wfile.write("".join(f"{reply}\r\n" for reply in replies).encode())

        sender, recipients = "", []
        say(f"220 {HOST} LMTP")
        for line in lines(handler):
            match line[:4].upper():
                case "LHLO":
                    say(f"250-{HOST}", "250-PIPELINING", "250-8BITMIME", "250-SMTPUTF8",
                        "250 ENHANCEDSTATUSCODES")
                case "MAIL":
                    sender, recipients = path_of(line), []
                    say("250 2.1.0 ok")
                case "RCPT":
                    reply = self.at_mailbox.reply(path_of(line))
                    if not reply:
                        recipients.append(path_of(line))
                    say(reply or "250 2.1.5 ok")
                case "DATA" if recipients:
                    say("354 go ahead")
                    self.mails.put(Mail(sender, recipients, read_data(handler)))
                    say(*["250 2.0.0 delivered"] * len(recipients))
                case "DATA":
                    say("503 5.5.1 no recipients")
                case "QUIT":
                    say("221 2.0.0 bye")
                    return
                case _:
                    say("250 2.0.0 ok")


def read_data(handler: socketserver.StreamRequestHandler) -> bytes:
    """Up to the dot, which may be a line's first byte twice."""
    content = []
    while (line := handler.rfile.readline()) != b".\r\n":
        if not line:
            raise ConnectionError("Postfix ended the connection inside a mail")
        content.append(line[1:] if line.startswith(b".") else line)
    return b"".join(content)
