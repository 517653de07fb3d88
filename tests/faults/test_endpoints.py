# SPDX-License-Identifier: Apache-2.0
"""Endpoints that mean harm, servers that are not who they say, and name service that changes
its mind. All of them are called side by side, each for an agent of its own; then each test
looks at what became of one."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from scripts.stack import Stack
from scripts.stack.daemons import Deliverd
from scripts.stack.mail import compose
from scripts.stack.part import wait_until, write_file
from scripts.stack.peers import Api, WebhookReceiver
from tests.faults.authority import DAY, Authority

SETTINGS = {"webhook_timeout": "2s", "webhook_schedule": "1s 1h", "webhook_allow": "127.0.0.1/32"}
SENDER = "alice@other.example"
TIMEOUT_MS = 2000
SLACK_MS = 1500  # of a busy machine
GIGABYTE = 1 << 30
OK = b"HTTP/1.1 200 OK\r\n"


Behaviour = Callable[["Endpoint", socket.socket], None]


class Endpoint:
    """Reads a request and then does to the connection what it was told. `calls` counts
    requests, `connections` who connected; `over` is set when all is over."""

    def __init__(self, behave: Behaviour,
                 tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self.behave, self.tls = behave, tls
        self.calls: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self.socket = socket.create_server((host, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        try:
            with self.tls.wrap_socket(connection, server_side=True) if self.tls \
                    else connection as peer:
                self.behave(self, peer)
        except OSError:
            pass  # cut off, or no handshake

    def read(self, peer: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.some(peer)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += self.some(peer)
        self.calls.append(head)

    @staticmethod
    def some(peer: socket.socket) -> bytes:
        data = peer.recv(65536)
        if not data:
            raise OSError("closed")
        return data

    def close(self) -> None:
        self.over.set()
        self.socket.close()


# ---- what they do ----

def answers(answer: bytes) -> Behaviour:
    """This, then silence."""
    def behave(self: Endpoint, peer: socket.socket) -> None:
        self.read(peer)
        peer.sendall(answer)
        self.over.wait(30)

    return behave


def for_ever(head: bytes, piece: bytes, pause: float = 0) -> Behaviour:
    def behave(self: Endpoint, peer: socket.socket) -> None:
        self.read(peer)
        peer.sendall(head)
        sent = 0
        while not self.over.wait(pause) and sent < GIGABYTE:
            peer.sendall(piece)
            sent += len(piece)

    return behave


def resets(answer: bytes) -> Behaviour:
    def behave(self: Endpoint, peer: socket.socket) -> None:
        self.read(peer)
        peer.sendall(answer)
        self.over.wait(0.2)  # the answer is read before it is forgotten
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


def serves(answer: bytes) -> Behaviour:
    """The same for each request of the connection."""
    def behave(self: Endpoint, peer: socket.socket) -> None:
        while True:
            self.read(peer)
            peer.sendall(answer)

    return behave


def speaks_first(self: Endpoint, peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    self.over.wait(30)


def never_reads(self: Endpoint, peer: socket.socket) -> None:
    self.over.wait(30)


FINE = OK + b"Content-Length: 0\r\n\r\n"
LATE = ("deferred", "timeout", 1, 0)
BROKEN = ("deferred", "broken", 1, 0)
DELIVERED = ("delivered", "", 1, 200)
HARMFUL: dict[str, tuple[Behaviour, tuple]] = {
    "says nothing": (answers(b""), LATE),
    "never reads": (never_reads, LATE),
    "hangs in its first line": (answers(b"HTTP/1.1 2"), LATE),
    "hangs in its header": (answers(OK + b"Content-Le"), LATE),
    "hangs after its header": (answers(OK + b"Content-Length: 10\r\n\r\n"), LATE),
    "hangs in a chunk": (answers(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nx"), LATE),
    "drips its header": (for_ever(OK + b"X: ", b"x", 0.5), LATE),
    "drips its body": (for_ever(OK + b"Content-Length: 9999\r\n\r\n", b"x", 0.5), LATE),
    "drips interim answers": (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.5), LATE),
    "hints for ever": (for_ever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 100), None),
    "sends endless headers": (for_ever(OK, b"X: " + b"x" * 5000 + b"\r\n"), None),
    "sends an endless header": (for_ever(OK + b"X: ", b"x" * 65536), None),
    "sends a gigabyte": (for_ever(OK + b"Content-Length: %d\r\n\r\n" % GIGABYTE, b"x" * 65536),
                         DELIVERED),
    "sends a gigabyte in chunks": (for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n",
                                            b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), DELIVERED),
    "sends a gigabyte to the end": (for_ever(OK + b"\r\n", b"x" * 65536), DELIVERED),
    "sends a gigabyte with a 500": (for_ever(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65536),
                                    ("deferred", "http_status", 1, 500)),
    "resets instead of an answer": (resets(b""), BROKEN),
    "resets within its answer": (resets(OK + b"Content-Length: 10\r\n\r\n"), BROKEN),
    "resets after its answer": (resets(FINE), DELIVERED),
    "wants another protocol": (answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                                       b"Connection: Upgrade\r\n\r\n"), None),
    "is no HTTP server": (answers(b"220 mx.example ESMTP\r\n"), BROKEN),
    "says nonsense": (answers(b"HTTP/1.1 xyz\r\n\r\n"), None),
}
REDIRECTS = [300, 301, 302, 303, 305, 307, 308]


def redirects(status: int, port: int) -> Behaviour:
    return serves(b"HTTP/1.1 %d Elsewhere\r\nLocation: http://127.0.0.1:%d/\r\nRefresh: 0; "
                  b"url=http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % (status, port, port))


class Called:
    """An endpoint's agent, and the mail that it was called about."""

    def __init__(self, stack: Stack, endpoint: Endpoint, agent: str):
        self.stack, self.endpoint, self.agent = stack, endpoint, agent

    def row(self) -> tuple | None:
        with self.stack.db() as db, db.cursor() as query:
            query.execute(
                "SELECT e.outcome, e.reason, (e.detail->>'attempt')::int, "
                "(e.detail->>'status')::int, (e.detail->>'ms')::int FROM message_events e "
                "JOIN messages m ON m.id = e.message_id WHERE m.agent_email = %s "
                "AND e.stage = 'webhook' ORDER BY e.id LIMIT 1", [self.agent])
            return query.fetchone()

    def outcome(self) -> tuple:
        """Of the first attempt, which never takes longer than it may."""
        *row, ms = wait_until("an attempt", self.row)
        assert ms < TIMEOUT_MS + SLACK_MS, (row, ms)
        return tuple(row)


@pytest.fixture(scope="module")
def trap() -> Iterator[Endpoint]:
    """Nobody has any business there."""
    trap = Endpoint(serves(FINE))
    yield trap
    trap.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    return Authority(folder, "good")


@pytest.fixture(scope="module")
def stack(stack: Stack, good: Authority, trap: Endpoint) -> Stack:
    """With an authority of its own, and an environment that would lead elsewhere."""
    home = stack.state / "home"
    home.mkdir(0o755)
    write_file(home / ".netrc", "default login root password secret\n")
    proxy = f"http://127.0.0.1:{trap.port}"
    extra = {"HOME": str(home), **{name: proxy for name in (
        "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}}
    stack.deliverd.env = lambda: {**Deliverd.env(stack.deliverd), **extra}
    stack.configure(webhook_ca_file=str(write_file(stack.state / "ca.pem", good.file.read_text())))
    stack.restart("deliverd")
    return stack


def call_all(stack: Stack, api: Api, endpoints: dict[str, Endpoint],
             urls: dict[str, str]) -> dict[str, Called]:
    called = {}
    for n, (name, endpoint) in enumerate(endpoints.items()):
        url = urls.get(name, "http://127.0.0.1:{port}/hook").format(port=endpoint.port)
        agent = api.make_agent(f"e{n}-{endpoint.port}", url)
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        called[name] = Called(stack, endpoint, agent)
    return called


@pytest.fixture(scope="module")
def harmful(stack, account, api, trap) -> Iterator[dict[str, Called]]:
    with ExitStack() as ends:
        made = {name: Endpoint(behave) for name, (behave, _) in HARMFUL.items()}
        made.update({str(s): Endpoint(redirects(s, trap.port)) for s in REDIRECTS})
        for endpoint in made.values():
            ends.callback(endpoint.close)
        yield call_all(stack, api, made, {})


@pytest.mark.parametrize("name", HARMFUL)
def test_whatever_an_endpoint_does_the_attempt_ends(harmful, name):
    outcome, want = harmful[name].outcome(), HARMFUL[name][1]
    assert outcome == want if want else outcome[0] == "deferred", outcome


@pytest.mark.parametrize("status", REDIRECTS)
def test_no_redirect_is_followed(harmful, trap, status):
    called = harmful[str(status)]
    assert called.outcome() == ("deferred", "http_status", 1, status)
    wait_until("the retry", lambda: len(called.endpoint.calls) == 2)
    assert trap.connections == 0


def test_nobody_was_kept_waiting_and_nothing_leaks(stack, harmful, api, hook):
    """Beside all of these another endpoint is called at once, and by nobody's proxy."""
    agent = api.make_agent("unharmed", hook.url)
    start = time.monotonic()
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    delivery = hook.wait()
    assert time.monotonic() - start < 2
    assert not {"authorization", "proxy-authorization", "via"} & set(delivery.headers)
    assert all(b"authorization" not in head.lower() for called in harmful.values()
               for head in called.endpoint.calls)


# ---- TLS ----

UNTRUSTED = ["another name", "expired", "not yet valid", "self-signed", "unknown authority",
             "address without name", "no TLS"]
NAME = "https://tls.hook.example:{port}/"


@pytest.fixture(scope="module")
def servers(stack, account, api, good) -> Iterator[dict[str, Called]]:
    bad = Authority(good.folder, "tls.hook.example")
    contexts = {
        "good": good.server("tls.hook.example"),
        "good address": good.server("127.0.0.1"),
        "another name": good.server("other.hook.example"),
        "expired": good.server("tls.hook.example", -2 * DAY, -DAY),
        "not yet valid": good.server("tls.hook.example", DAY, 2 * DAY),
        "self-signed": bad.itself(),
        "unknown authority": bad.server("tls.hook.example"),
        "address without name": good.server("tls.hook.example"),
        "no TLS": None,
    }
    urls = {name: NAME for name in contexts}
    urls["good address"] = urls["address without name"] = "https://127.0.0.1:{port}/"
    stack.dns.publish("tls.hook.example", "A", "127.0.0.1")
    with ExitStack() as ends:
        made = {name: Endpoint(serves(FINE) if context else speaks_first, context)
                for name, context in contexts.items()}
        for endpoint in made.values():
            ends.callback(endpoint.close)
        yield call_all(stack, api, made, urls)


@pytest.mark.parametrize("name", ["good", "good address"])
def test_a_server_that_proves_its_name_is_called(servers, trap, name):
    assert servers[name].outcome() == DELIVERED
    assert len(servers[name].endpoint.calls) == 1
    assert trap.connections == 0


@pytest.mark.parametrize("name", UNTRUSTED)
def test_a_server_that_does_not_is_told_nothing(servers, name):
    assert servers[name].outcome() == ("deferred", "tls", 1, 0)
    assert servers[name].endpoint.connections >= 1
    assert servers[name].endpoint.calls == []


# ---- names that change ----

class Fickle:
    """A name server of rebind.example with another address in each answer, by turns."""

    def __init__(self, *addresses: str):
        self.addresses = addresses
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            try:
                packet, asker = self.socket.recvfrom(4096)
            except OSError:
                return
            question = dns.message.from_wire(packet)
            answer = dns.message.make_response(question, recursion_available=True)
            if question.question[0].rdtype == dns.rdatatype.A:
                address = self.addresses[len(self.asked) % len(self.addresses)]
                answer.answer.append(dns.rrset.from_text(question.question[0].name, 0, "IN", "A",
                                                         address))
                self.asked.append(address)
            self.socket.sendto(answer.to_wire(), asker)

    @property
    def config(self) -> str:
        return f'forward-zone:\n  name: "rebind.example"\n  forward-addr: 127.0.0.1@{self.port}\n'


def test_a_name_is_looked_up_once_for_each_attempt(stack, api, hook):
    """What is checked is what is connected to: there is no second answer in between, by which
    the connection could lead elsewhere."""
    port = hook.server.server_port
    fickle = Fickle("127.0.0.1", "127.0.0.9")
    stack.configure(dns_config=str(write_file(stack.state / "fickle.conf", fickle.config)))
    for name in ("apid", "deliverd"):
        stack.restart(name)
    with socket.create_server(("127.0.0.9", port)) as inside:
        inside.settimeout(0)
        agent = api.make_agent("rebound", f"http://a.rebind.example:{port}/")
        assert fickle.asked == ["127.0.0.1"]
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        assert Called(stack, None, agent).outcome() == ("deferred", "address_refused", 1, 0)
        assert hook.wait().json["recipient"] == agent
        assert fickle.asked == ["127.0.0.1", "127.0.0.9", "127.0.0.1"]
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_a_name_that_turned_inside_is_not_called_and_comes_back(stack, api, hook):
    """The same by a change of a real zone; the mail waits for it."""
    port = hook.server.server_port
    stack.dns.publish("turned.example", "A", "127.0.0.1")
    with socket.create_server(("127.0.0.9", port)) as inside:
        inside.settimeout(0)
        agent = api.make_agent("turned", f"http://turned.example:{port}/")
        stack.dns.publish("turned.example", "A", "127.0.0.9")
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        assert Called(stack, None, agent).outcome() == ("deferred", "address_refused", 1, 0)
        stack.dns.publish("turned.example", "A", "127.0.0.1")
        assert hook.wait().json["recipient"] == agent
        with pytest.raises(BlockingIOError):
            inside.accept()
