# SPDX-License-Identifier: Apache-2.0
"""e2a listen against the real daemons: what it prints, fetches, forwards and answers; and that
nothing is missed and nothing comes twice, whatever becomes of the connection."""

from __future__ import annotations

import itertools
import json
import os
import signal
import smtplib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import WebhookReceiver
from tests.integration.client import add_key, insert_mail, second_apid
from tests.integration.command import ABSENT, DONE, FAILED, PIPE, REFUSED, USAGE, Command
from tests.integration.listening import Cut, Listening, subject_of

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
    (["--forward", "http://x/", "--forward-token", "a\nb"], "--forward-token has characters"),
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
