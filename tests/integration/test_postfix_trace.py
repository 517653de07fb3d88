# SPDX-License-Identifier: Apache-2.0
"""Mail whose injection got no answer: what this Postfix did with it is found out, as
the user of the daemon, from its queue and its log."""

from __future__ import annotations

import json
import shutil
import smtplib
import socket
import threading
import time
import uuid

import pytest

from scripts.stack import mail
from scripts.stack.part import as_user, run, wait_until
from tests.integration.smtp_script import Injector

END = b"\r\n.\r\n"


class Cut:
    """A way to an SMTP server that is cut at the end of the data: before it went on to the
    server (`forward` False) or behind. The server sees an ordinary client that hangs up."""

    def __init__(self, port: int, forward: bool):
        self.port, self.forward = port, forward
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        client, _ = self.listener.accept()
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
            seen = b""
            while not seen.endswith(END):
                data = client.recv(65536)
                seen = (seen + data)[-len(END):]
                if not data or (seen.endswith(END) and not self.forward):
                    break
                server.sendall(data)
            self.client_is_gone = True
            client.shutdown(socket.SHUT_RDWR)

    client_is_gone = False

    def pump(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                if not self.client_is_gone:
                    client.sendall(data)
        except OSError:
            pass

    def __enter__(self) -> Cut:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.fixture
def sender() -> str:
    return f"bounce-{uuid.uuid4().hex}@agents.example"


@pytest.fixture(scope="session")
def look(build, stack):
    """look(sender, *rcpts, begun=, settle=, log=) -> what the tool says."""
    tool = shutil.copy2(build / "tests" / "tools" / "postfix_trace", stack.state / "bin")
    deliverd = stack.deliverd

    def trace(sender: str, *rcpts: str, begun: float, settle: int = 0, log=None) -> dict:
        argv = [tool, str(log or stack.settings["postfix_log"]), str(settle), str(int(begun)),
                str(int(begun) + 1), sender, *rcpts]
        return json.loads(run(as_user(deliverd.user, *argv, group=deliverd.group),
                              env=deliverd.env()))

    return trace


@pytest.fixture
def begun(stack, account) -> float:
    """Now, once the log reaches back some seconds behind it; and something is logged."""
    first = stack.postfix.log.stat().st_ctime
    text = stack.postfix.log.read_text().splitlines()[0]
    started = time.mktime(time.strptime(f"{time.localtime().tm_year} {text[:15]}",
                                        "%Y %b %d %H:%M:%S"))
    assert started <= first
    wait_until("the log to be older", lambda: time.time() > started + 8, 20)
    return time.time()


def url_of(stack) -> str:
    return f"smtp://127.0.0.1:{stack.submission_port}"


def text_to(rcpt: str, sender: str) -> list[str]:
    return [mail.compose(sender, rcpt).decode()]


def test_a_mail_that_was_taken_is_in_the_log(build, stack, look, begun, sender):
    rcpts = ["far@world.example", "nobody@agents.example"]
    with Injector(build, url_of(stack)) as injector:
        answer = injector.send(rcpts, parts=text_to(rcpts[0], sender), sender=sender)
    stack.postfix.wait_log(rf"{answer['queue_id']}: removed")
    assert look(sender, *rcpts, begun=begun) == {
        "outcome": "accepted", "queue_id": answer["queue_id"], "why": "", "cause": "",
        "rcpts": [250, 550]}


def test_a_mail_whose_answer_was_lost_is_found(build, stack, look, begun, sender):
    rcpt = "far@world.example"
    with Cut(stack.submission_port, forward=True) as way, Injector(build, way.url) as injector:
        answer = injector.send([rcpt], parts=text_to(rcpt, sender), sender=sender)
        assert answer["outcome"] == "unknown"
    wait_until("Postfix to have it", lambda: look(
        sender, rcpt, begun=begun, settle=600)["outcome"] == "accepted")


def test_a_mail_that_got_lost_on_the_way_was_not_taken(build, stack, look, begun, sender):
    rcpt = "far@world.example"
    with Cut(stack.submission_port, forward=False) as way, Injector(build, way.url) as injector:
        answer = injector.send([rcpt], parts=text_to(rcpt, sender), sender=sender)
        assert answer["outcome"] == "unknown"
    assert look(sender, rcpt, begun=begun, settle=600)["why"] == "early"
    said = wait_until("it to settle", lambda: look_settled(look, sender, rcpt, begun))
    assert (said["outcome"], said["why"], said["rcpts"]) == ("not accepted", "absent", [0])


def look_settled(look, sender: str, rcpt: str, begun: float) -> dict | None:
    said = look(sender, rcpt, begun=begun, settle=2)
    return None if said["why"] == "early" else said


def test_a_mail_in_the_queue_is_found_without_a_log(build, stack, look, begun, sender):
    rcpt = "far@world.example"
    stack.postfix.configure(defer_transports="smtp relay outbox")
    stack.postfix.reload()
    try:
        with Injector(build, url_of(stack)) as injector:
            answer = injector.send([rcpt], parts=text_to(rcpt, sender), sender=sender)
        said = look(sender, rcpt, begun=begun, log="/nonexistent")
        assert (said["outcome"], said["queue_id"], said["rcpts"]) == (
            "accepted", answer["queue_id"], [0])
    finally:
        stack.postfix.configure(defer_transports="")
        stack.postfix.reload()
        stack.postfix.flush()


def test_what_cannot_be_read_proves_nothing(stack, look, begun, sender):
    with smtplib.SMTP("127.0.0.1", stack.smtp_port):
        pass  # a line in the log
    said = look(sender, begun=begun, log="/nonexistent")
    assert (said["outcome"], said["why"]) == ("cannot tell", "log")
    assert "/nonexistent: No such file" in said["cause"]
    said = look(sender, begun=begun - 86400)
    assert (said["outcome"], said["why"]) == ("cannot tell", "log")
    stack.postfix.stop()
    said = look(sender, begun=begun)
    assert (said["outcome"], said["why"]) == ("cannot tell", "queue")
    assert "mail system is down" in said["cause"]
