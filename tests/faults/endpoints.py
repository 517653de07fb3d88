# SPDX-License-Identifier: Apache-2.0
"""Webhook endpoints in all sorts of trouble. Each writes down what it takes, as
Receiver does, before it answers; what it writes down it has got, whatever the answer is
then. After heal() they are all well, but for those that never will be."""

from __future__ import annotations

import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from scripts.stack.part import Port, StackError
from scripts.stack.peers import Delivery, WebhookReceiver
from scripts.stack.stack import Account
from tests.faults.audit import Journal, write_down

Handler = BaseHTTPRequestHandler
Answer = int | Callable[[Handler], None]

PATIENCE = 2.0  # webhook_timeout
SPELL = (0.5, 6.0)  # seconds that something stays as it is


def end(handler: Handler) -> None:
    handler.close_connection = True
    handler.wfile = open("/dev/null", "wb")


def reset_behind_200(handler: Handler) -> None:
    """What was said of the answer is lost with the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    end(handler)


def hang(handler: Handler) -> None:
    """Until the other end has given up."""
    handler.connection.settimeout(5 * PATIENCE)
    try:
        handler.connection.recv(1)
    except OSError:
        pass
    end(handler)


def redirect(url: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(307)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Endpoint:
    """One that is well. Its port stays its own while nobody listens there."""
    never = False  # is it well again after heal()?

    def __init__(self, journal: Journal, account: Account, chance: random.Random):
        self.journal, self.account, self.chance = journal, account, chance
        self.well = False
        self.port = Port("HOOK")
        self.receiver: WebhookReceiver | None = None
        self.url = f"http://127.0.0.1:{self.port.number}/hook"
        self.open()

    def open(self) -> None:
        self.receiver = WebhookReceiver(port=self.port.number)
        self.receiver.server.handle_error = self.note_error
        self.receiver.put = lambda _: None  # what came is in the journal
        self.receiver.answer = self.answer

    def note_error(self, *_: object) -> None:
        """A connection that breaks is none."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.journal.append("wrong", what=repr(error))

    def shut(self) -> None:
        """New connections are refused."""
        if self.receiver:
            self.receiver.close()
            self.receiver = None

    def answer(self, delivery: Delivery) -> Answer:
        return self.take(delivery) if self.well else self.trouble(delivery)

    def take(self, delivery: Delivery) -> int:
        try:
            return write_down(self.journal, self.account, delivery)
        except (StackError, KeyError, ValueError) as e:
            self.journal.append("wrong", what=str(e))
            return 400

    def trouble(self, delivery: Delivery) -> Answer:
        return self.take(delivery)

    def heal(self) -> None:
        self.well = not self.never
        if self.well and not self.receiver:
            self.open()

    def close(self) -> None:
        self.shut()
        self.port.release()


class Slow(Endpoint):
    def trouble(self, delivery: Delivery) -> Answer:
        time.sleep(self.chance.uniform(0.1, PATIENCE * 0.6))
        return self.take(delivery)


class Failing(Endpoint):
    """Now and then."""

    def trouble(self, delivery: Delivery) -> Answer:
        if self.chance.random() < 0.3:
            return self.chance.choice((400, 404, 429, 500, 503))
        return self.take(delivery)


class Resetting(Endpoint):
    """Takes it, says so, and breaks the connection before that has arrived."""

    def trouble(self, delivery: Delivery) -> Answer:
        status = self.take(delivery)
        return reset_behind_200 if self.chance.random() < 0.3 else status


class Hanging(Endpoint):
    """Sometimes it has taken it then."""

    def trouble(self, delivery: Delivery) -> Answer:
        dice = self.chance.random()
        if dice < 0.1:
            self.take(delivery)
        return hang if dice < 0.3 else self.take(delivery)


class Spells(Endpoint):
    """Bad for some seconds, then good for some."""

    def __init__(self, *args: object):
        self.bad = False
        self.healed = threading.Event()
        super().__init__(*args)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.healed.wait(self.chance.uniform(*SPELL)):
            self.bad = not self.bad
            self.turn()

    def turn(self) -> None:
        pass

    def heal(self) -> None:
        self.healed.set()
        self.thread.join()
        super().heal()

    def close(self) -> None:
        self.healed.set()
        self.thread.join()
        super().close()


class Refusing(Spells):
    def turn(self) -> None:
        self.shut() if self.bad else self.open()


class Broken(Spells):
    """Says 500 to everything while it is bad."""

    def trouble(self, delivery: Delivery) -> Answer:
        return 500 if self.bad else self.take(delivery)


class Redirecting(Spells):
    """To a place inside, where nothing may arrive."""

    def __init__(self, *args: object):
        self.trap = Endpoint(*args)
        self.trap.take = lambda delivery: self.journal.append("trapped", path=delivery.path) or 200
        super().__init__(*args)

    def trouble(self, delivery: Delivery) -> Answer:
        return redirect(self.trap.url) if self.bad else self.take(delivery)

    def close(self) -> None:
        super().close()
        self.trap.close()


class Dead(Endpoint):
    """Nobody ever listens."""
    never = True

    def open(self) -> None:
        pass


class Gone(Spells):
    """After its first spell it wants nothing any more."""
    never = True

    def trouble(self, delivery: Delivery) -> Answer:
        self.over = getattr(self, "over", False) or self.bad
        return 410 if self.over else self.take(delivery)


KINDS: dict[str, type[Endpoint]] = {
    "good": Endpoint, "slow": Slow, "failing": Failing, "resetting": Resetting,
    "hanging": Hanging, "refusing": Refusing, "broken": Broken, "redirecting": Redirecting,
    "dead": Dead, "gone": Gone,
}
