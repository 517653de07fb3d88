# SPDX-License-Identifier: Apache-2.0
"""e2a listen against the real daemons: what it prints, fetches, forwards and answers; and that
nothing is missed and nothing comes twice, whatever becomes of the connection."""

from __future__ import annotations

import itertools
import json
import os
import signal
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import WebhookReceiver
from tests.integration.client import add_key, second_apid
from tests.integration.command import ABSENT, DONE, FAILED, PIPE, REFUSED, USAGE, Command
from tests.integration.listening import Cut, Listening, subject_of
from tests.integration.outbound import address

SENDER = "alice@sender.example"


@pytest.fixture
def command(build: Path, tmp_path: Path, stack, account) -> Command:
    return Command(build, tmp_path, stack.url, account.api_key)


@pytest.fixture
def listen(command: Command) -> Iterator[Callable[..., Listening]]:
    """listen(agent, option...): a running command, ended after the test."""
    running: list[Listening] = []

    def listen(agent: str, *argv: str, by: Command = command, **options) -> Listening:
        running.append(Listening(by, "--agent", agent, *argv, **options))
        return running[-1]

    yield listen
    for listening in running:
        listening.close()


def send(stack, agent: str, *subjects: object) -> None:
    """Mails over one SMTP connection, one after the other."""
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, "mail.sender.example") as smtp:
        for subject in subjects:
            smtp.sendmail(SENDER, agent, compose(SENDER, agent, str(subject)))


def statuses(api, agent: str) -> dict[str, str]:
    """Of the agent's mails, by subject."""
    status, page = api.get(f"/api/v1/agents/{agent}/messages?status=all&page_size=100")
    assert status == 200
    return {m["subject"]: m["status"] for m in page["messages"]}


# ---- what it prints ----

def test_it_tells_what_is_unread_and_then_what_comes(stack, api, make_agent, listen,
                                                     wait_messages):
    agent = make_agent()
    send(stack, agent, "one", "two")
    order = [m["subject"] for m in wait_messages(agent, "one", "two")]
    listening = listen(agent).listens()
    assert listening.subjects(2) == order
    send(stack, agent, "=?utf-8?q?caf=C3=A9_=1B[31m_=E2=80=AE?=")
    line = listening.lines.wait_count(3)[2]
    assert f"] From: {SENDER} | Subject: caf\u00e9" in line
    assert "\x1b" not in line and "\u202e" not in line
    assert listening.stop() == DONE
    assert listening.said.items == [f"Listening for mail to {agent}"]
    assert set(statuses(api, agent).values()) == {"unread"}


def test_json_is_one_document_a_line_and_marks_read(stack, api, make_agent, listen):
    agent = make_agent()
    listening = listen(agent, "--json").listens()
    send(stack, agent, "one", "two")
    one, two = map(json.loads, listening.lines.wait_count(2))
    assert {one["subject"], two["subject"]} == {"one", "two"}
    assert one["status"] == "read" and one["raw_message"]
    assert statuses(api, agent) == {"one": "read", "two": "read"}
    assert api.get(f"/api/v1/agents/{agent}/messages/{one['message_id']}")[1] == one


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(make_agent, listen, number):
    listening = listen(make_agent()).listens()
    assert listening.stop(number) == DONE
    assert len(listening.said.items) == 1


def test_the_agent_may_be_a_slug_or_come_from_the_file(stack, make_agent, listen, command,
                                                       build, tmp_path_factory):
    agent = make_agent()
    listen(agent.partition("@")[0]).wait_said(f"Listening for mail to {agent}")
    home = tmp_path_factory.mktemp("home")
    other = Command(build, home, stack.url, command.env["E2A_API_KEY"])
    other.write_config(agent_email=agent)
    listening = Listening(other)
    listening.wait_said(f"Listening for mail to {agent}")
    listening.close()


@pytest.mark.parametrize("argv, text", [
    (["--forward-token", "t"], "--forward-token is of no use without --forward"),
    (["--forward", "ftp://x/"], "--forward: "),
    (["--forward", "http://x/", "--forward-token", "a\nb"], "--forward-token is too long or"),
    (["--forward", "http://x/", "--forward-token", "t" * 20000], "--forward-token is too long or"),
    (["--forward", "http://x/hook", "--model", "m"], "/v1/responses"),
    (["--ping", "0"], "--ping"),
    (["--jsn"], "--jsn"),
    (["extra"], "extra"),
])
def test_wrong_usage_is_said(command, argv, text):
    command.refused("listen", "--agent", "bot@e2a.example", *argv, status=USAGE, text=text)


# ---- who may ----

def test_a_wrong_key_ends_it(command, make_agent):
    command.refused("listen", "--agent", make_agent(), status=REFUSED, text="invalid token",
                    env={"E2A_API_KEY": "e2a_" + "0" * 64})


def test_an_agent_that_is_not_there_ends_it(command):
    command.refused("listen", "--agent", "nobody@e2a.example", status=ABSENT,
                    text="agent not found")


def test_a_key_that_is_revoked_ends_it(stack, account, make_agent, listen, build, tmp_path):
    agent = make_agent()
    key_id, key = add_key(stack, account.user_id)
    listening = listen(agent, by=Command(build, tmp_path, stack.url, key)).listens()
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = %s", [key_id])
    assert listening.end() == REFUSED
    assert listening.said.items[-1].startswith("Error: invalid token")


def test_an_agent_that_is_deleted_ends_it(api, make_agent, listen):
    agent = make_agent()
    listening = listen(agent).listens()
    assert api.call("DELETE", f"/api/v1/agents/{agent}")[0] == 200
    assert listening.end() == ABSENT


def test_a_cloud_agent_is_waited_for(stack, api, make_agent, hook, listen):
    """400 is neither of the three: it says why and goes on trying."""
    agent = make_agent(hook.url)
    listening = listen(agent)
    listening.wait_said("only available for local-mode agents")
    assert api.call("PUT", f"/api/v1/agents/{agent}", {"agent_mode": "local"})[0] == 200
    listening.listens()
    send(stack, agent, "now")
    assert listening.subjects(1) == ["now"]
    assert len(listening.said.items) == 2, listening.said.items


# ---- the output ends ----

@pytest.mark.parametrize("argv", [[], ["--json"]])
def test_a_reader_that_goes_away_ends_it_at_once(stack, api, make_agent, listen, argv):
    agent = make_agent()
    listening = listen(agent, *argv, read=False).listens()
    send(stack, agent, "one")
    assert subject_of(listening.process.stdout.readline().decode().rstrip("\n")) == "one"
    listening.process.stdout.close()
    assert listening.end() == PIPE
    send(stack, agent, "two")
    wait_until("the second mail", lambda: "two" in statuses(api, agent))
    assert statuses(api, agent)["two"] == "unread"
    assert len(listening.said.items) == 1


def test_a_full_disk_ends_it_and_no_more_is_fetched(stack, api, make_agent, listen,
                                                    wait_messages):
    agent = make_agent()
    send(stack, agent, "one", "two", "three")
    wait_messages(agent, "one", "two", "three")
    with open("/dev/full", "wb") as full:
        listening = listen(agent, "--json", stdout=full)
        assert listening.end() == FAILED
    assert "No space left on device" in listening.said.items[-1]
    assert sorted(statuses(api, agent).values()) == ["read", "unread", "unread"]


# ---- forwarding ----

def test_mail_is_forwarded_as_it_was_fetched(stack, api, make_agent, listen, hook):
    agent = make_agent()
    listening = listen(agent, "--forward", hook.url, "--forward-token", "secret",
                       env={"E2A_FORWARD_TOKEN": "other",
                            "http_proxy": "http://127.0.0.1:1"}).listens()
    send(stack, agent, "one")
    delivery = hook.wait_count(1)[0]
    assert delivery.headers["authorization"] == "Bearer secret"
    assert delivery.headers["content-type"] == "application/json"
    path = f"/api/v1/agents/{agent}/messages/{delivery.json['message_id']}"
    assert delivery.json == api.get(path)[1]
    listening.wait_said(f"Forwarded {delivery.json['message_id']} to {hook.url}")
    assert listening.stop() == DONE and listening.lines.items == []


def test_a_failed_forward_concerns_one_mail(stack, make_agent, listen, hook):
    def refuse(handler) -> None:
        handler.send_response(500)
        handler.end_headers()
        handler.wfile.write("no\n\x1b[31mway\u202e".encode())
        handler.close_connection = True

    def hang_up(handler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    def answer(delivery):
        return {"refuse": refuse, "hang up": hang_up,
                "redirect": 302}.get(delivery.json["subject"], 200)

    agent = make_agent()
    hook.answer = answer
    listening = listen(agent, "--json", "--forward", hook.url).listens()
    for subject in ("refuse", "hang up", "redirect", "fine"):
        send(stack, agent, subject)
    assert sorted(listening.subjects(4)) == ["fine", "hang up", "redirect", "refuse"]
    assert listening.wait_said("Forwarded ") and "authorization" not in hook.items[0].headers
    line = listening.wait_said("Forward failed (500): no ")
    assert "way" in line and not set(line) & {"\x1b", "\u202e"}
    listening.wait_said("Forward failed (no answer): ")
    listening.wait_said("Forward failed (302): ")


class Model(WebhookReceiver):
    """A server of the Responses API that answers with `output`."""

    def __init__(self) -> None:
        super().__init__()
        self.output: dict = {}
        self.url = self.url.replace("/hook", "/v1/responses")
        self.answer = lambda _: self.respond

    def says(self, *texts: str) -> None:
        parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
        self.output = {"id": "resp_1", "status": "completed", "error": None, "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": parts}]}

    def respond(self, handler) -> None:
        body = json.dumps(self.output).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as model:
        yield model


LETTER = ("From: Alice <%s>\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <%s@x>\r\n"
          "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n%s\r\n"
          "Gr=FC=DFe =\r\nund ein Gru=DF\r\n")


def letter(stack, agent: str, *fields: str, sender: str = SENDER) -> None:
    text = LETTER % (sender, os.urandom(8).hex(), "".join(f"{field}\r\n" for field in fields))
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, "mail.sender.example") as smtp:
        smtp.sendmail(sender, agent, text.encode())


def test_a_model_gets_decoded_text_and_its_answer_is_the_reply(stack, world, make_agent, listen,
                                                               model):
    agent, sender = make_agent(), address()
    model.says("Hello, ", "Alice \u2603")
    listening = listen(agent, "--forward", model.url, "--model", "gpt",
                       env={"E2A_FORWARD_TOKEN": "k"}).listens()
    letter(stack, agent, sender=sender)
    request = model.wait_count(1)[0]
    assert request.headers["authorization"] == "Bearer k"
    assert request.json == {"model": "gpt", "input": f"From: {sender}\nSubject: caf\u00e9\n\n"
                            "Gr\u00fc\u00dfe und ein Gru\u00df\n"}
    assert listening.wait_said("Replied to msg_").endswith(f" ({sender})")
    mail = world.mails.wait(lambda m: sender in m.recipients, 30)
    assert mail.text.strip() == "Hello, Alice \u2603"
    assert mail.parsed["Subject"] == "Re: caf\u00e9"


def test_a_reply_that_is_held_says_so(stack, api, make_agent, listen, model):
    agent = make_agent()
    assert api.call("PUT", f"/api/v1/agents/{agent}", {"hitl_enabled": True})[0] == 200
    model.says("held")
    listening = listen(agent, "--forward", model.url).listens()
    letter(stack, agent)
    held = listening.wait_said("is held for approval: msg_").rpartition(" ")[2]
    status, pending = api.get(f"/api/v1/messages/{held}")
    assert status == 200 and pending["body_text"].strip() == "held", pending
    assert model.items[0].json["model"] == "openclaw"


def test_a_model_that_gives_no_answer_makes_no_reply(stack, make_agent, listen, model):
    agent = make_agent()
    model.output = {"status": "failed", "error": {"message": "no such model"}, "output": []}
    listening = listen(agent, "--forward", model.url).listens()
    letter(stack, agent)
    listening.wait_said("Reply failed: no such model (msg_")
    model.answer = lambda _: 500
    letter(stack, agent)
    listening.wait_said("Reply failed: the server answers HTTP 500 (msg_")


def test_what_a_program_sent_is_not_answered(stack, make_agent, listen, model):
    agent = make_agent()
    model.says("hello")
    listening = listen(agent, "--forward", model.url).listens()
    letter(stack, agent, "Auto-Submitted: auto-replied (vacation)")
    listening.wait_said(": a program sent it")
    letter(stack, agent, "Auto-Submitted: no")
    listening.wait_said("Replied to msg_")
    assert len(model.items) == 1


# ---- the connection breaks ----

class Sender(threading.Thread):
    """Sends numbered mails to some agents, one after the other, until told to stop."""

    def __init__(self, stack, agents: list[str]):
        super().__init__(daemon=True)
        self.stack, self.agents = stack, agents
        self.enough = threading.Event()
        self.sent = 0

    def run(self) -> None:
        with smtplib.SMTP("127.0.0.1", self.stack.smtp_port, "mail.sender.example") as smtp:
            while not self.enough.wait(0.02):
                subject = str(self.sent)
                smtp.sendmail(SENDER, self.agents, compose(SENDER, "list@e2a.example", subject))
                self.sent += 1

    def some(self) -> None:
        """Waits while some are sent."""
        mark = self.sent
        wait_until("mail to be sent", lambda: self.sent >= mark + 10)

    def stop(self) -> set[str]:
        self.enough.set()
        self.join(30)
        return {str(n) for n in range(self.sent)}


def faults(apid, net: Cut, during: Callable[[], None]) -> Iterator[str]:
    """Each is over when it is named."""
    yield "nothing"
    apid.stop()
    during()
    apid.start()
    yield "a stop"
    apid.kill()
    apid.start()
    yield "kill -9"
    net.reset_all()
    yield "a reset"
    with net.away():
        during()
    yield "no network"
    with net.swallowing():
        during()
    yield "a network that swallows"


def test_nothing_is_missed_and_nothing_comes_twice(stack, account, api, make_agent, listen, hook,
                                                   build, tmp_path):
    """One prints, one fetches, one forwards, all at once, while mail keeps coming, some of which
    somebody else reads before it can be told."""
    def during() -> None:
        sender.some()
        path = f"/api/v1/agents/{agents[0]}/messages"
        unread = api.get(f"{path}?sort=desc&page_size=5")[1]["messages"]
        for message in unread:
            assert api.get(f"{path}/{message['message_id']}")[0] == 200
        assert unread

    with second_apid(stack, 31) as apid, Cut(apid.port) as net:
        by = Command(build, tmp_path, f"http://127.0.0.1:{net.port}", account.api_key,
                     E2A_TIMEOUT="1")
        modes = [[], ["--json"], ["--forward", hook.url]]
        agents = [make_agent() for _ in modes]
        running = [listen(agent, "--ping", "1", *argv, by=by).listens()
                   for agent, argv in zip(agents, modes)]
        got = [lambda: list(map(subject_of, running[0].lines.items)),
               lambda: list(map(subject_of, running[1].lines.items)),
               lambda: [delivery.json["subject"] for delivery in hook.items]]
        sender = Sender(stack, agents)
        sender.start()
        for number, what in enumerate(faults(apid, net, during)):
            for listening in running:
                listening.wait_said("Connected again.", number)
            sender.some()
        wanted = sender.stop()
        for of in got:
            wait_until("all of it", lambda: set(of()) == wanted, 60)
        send(stack, agents, "last")
        for of in got:
            wait_until("the last one", lambda: "last" in of())
            assert len(of()) == len(set(of())) == len(wanted) + 1
        for listening in running:
            assert listening.stop() == DONE
