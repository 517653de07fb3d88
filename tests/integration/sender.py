# SPDX-License-Identifier: Apache-2.0
"""Users whose agents write mail, through the API and as the database has it."""

from __future__ import annotations

import itertools
import os
from typing import Any

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from tests.integration.client import Answer, with_key

SEND = "/api/v1/send"
numbers = itertools.count(1)


def query(stack, sql: str, *args: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall() if cursor.description else []


class Sender:
    """A user with an agent."""

    def __init__(self, stack, port: int | None = None):
        self.stack = stack
        self.account = stack.bootstrap(f"sender{next(numbers)}@other.example")
        self.user_id, self.key = self.account.user_id, self.account.api_key
        self.call = with_key(port or stack.http_port, self.key)
        self.agent = self.make_agent()

    def make_agent(self, name: str = "") -> str:
        answer = self.call("POST", "/api/v1/agents", {
            "slug": f"s{next(numbers)}-{os.urandom(4).hex()}", "agent_mode": "local", "name": name})
        assert answer.status == 201, answer
        return answer.json["email"]

    def hold(self, agent: str = "") -> str:
        """The agent needs approval from now on."""
        agent = agent or self.agent
        answer = self.call("PUT", f"/api/v1/agents/{agent}", {"hitl_enabled": True})
        assert answer.status == 200, answer
        return agent

    def send(self, *fields: str, **body: Any) -> Answer:
        return self.call("POST", SEND, mail(**{"from": self.agent, **body}), *fields)

    def reply(self, message: str, *fields: str, agent: str = "", **body: Any) -> Answer:
        path = f"/api/v1/agents/{agent or self.agent}/messages/{message}/reply"
        return self.call("POST", path, {"body": "Thanks.\n", **body}, *fields)

    def test(self, agent: str = "") -> Answer:
        return self.call("POST", f"/api/v1/agents/{agent or self.agent}/test")

    def receive(self, sender: str = "alice@sender.example", agent: str = "", **headers: str) -> str:
        """The id of a mail that came in."""
        agent, subject = agent or self.agent, f"Question {next(numbers)}"
        message = compose(headers.pop("From", sender or "daemon@sender.example"), agent,
                          headers.pop("Subject", subject), **headers)
        before = {m["message_id"] for m in self.inbox(agent)}
        assert self.stack.send(sender, agent, message).code == 250
        return wait_until("the mail", lambda: next(
            (m["message_id"] for m in self.inbox(agent) if m["message_id"] not in before), None),
            interval=0.05)

    def inbox(self, agent: str) -> list[dict]:
        return self.call("GET", f"/api/v1/agents/{agent}/messages?status=all&sort=desc").json[
            "messages"]

    def stored(self, answer: Answer) -> dict[str, Any]:
        """The row of what was accepted."""
        (row,), = query(self.stack, "SELECT to_jsonb(m) FROM messages m WHERE id = %s",
                        answer.json["id"])
        return row

    def draft(self, answer: Answer) -> tuple[str, str, list[str]]:
        found, = query(self.stack, "SELECT body_text, body_html, reference_ids "
                       "FROM outbound_drafts WHERE message_id = %s", answer.json["id"])
        return found

    def count(self) -> int:
        return query(self.stack, "SELECT count(*) FROM messages WHERE user_id = %s "
                     "AND direction = 'outbound'", self.user_id)[0][0]


def mail(**body: Any) -> dict[str, Any]:
    """A good one, but for what is given; None takes a field away."""
    whole = {"to": ["alice@sender.example"], "subject": "Hello", "body": "Hi Alice.\n", **body}
    return {k: v for k, v in whole.items() if v is not None}


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text
