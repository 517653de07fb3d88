# SPDX-License-Identifier: Apache-2.0
"""What tests share in which an account asks a human something by mail: who asks, about
which agent, and what is no address, no link and no page of ours. Fixtures are imported by name."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import quote

import pytest

from tests.integration.browser import Browser, Page
from tests.integration.client import Answer, Caller, with_key
from tests.integration.mailbox import wait_mails
from tests.integration.outbound import query

NO_TOKEN = "0" * 64
AGENT_NOT_FOUND = (404, "agent not found\n")
USELESS = "This link is of no use"
NO_ADDRESSES = [
    "x", "@", "a@", "@b.example", "a@b", "a b@c.example", "a@b.example, c@d.example",
    "A <a@b.example>", '"a b"@c.example', "a@[127.0.0.1]", ".a@b.example", "a..b@c.example",
    "a@b.example\r\nBcc: c@d.example", "a\r\nSubject: x\r\n@b.example", "a\0@b.example",
    "\u212aelvin@other.example", "a" * 65 + "@b.example", "a@" + "b." * 130 + "example",
    "<script>@b.example", "a;human=b@c.example"]
NO_LINKS = ["", "x", NO_TOKEN[1:], NO_TOKEN + "0", "G" * 64, "A" * 64, "0" * 63 + "\0",
            "0" * 62 + "\r\n", "\u0660" * 32, "0" * 9000]
FOREIGN_PAGES = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",
                 "Sec-Fetch-Site: none", "Origin: null", "Origin: https://evil.example"]


def unique() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def owner(stack, account):
    return stack.bootstrap(f"owner-{unique()}@other.example")


@pytest.fixture
def ask(stack, owner) -> Caller:
    return with_key(stack.http_port, owner.api_key)


def make_agent(ask: Caller) -> str:
    made = ask("POST", "/api/v1/agents", {"slug": f"d{unique()}", "agent_mode": "local"})
    assert made.status == 201, made.text
    return made.json["email"]


@pytest.fixture
def agent(ask) -> str:
    return make_agent(ask)


@pytest.fixture
def human() -> str:
    return f"human-{unique()}@people.example"


@pytest.fixture
def browser(stack, account) -> Browser:
    return Browser(stack.http_port)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def no_mail_waits(stack, human: str) -> bool:
    return query(stack, "SELECT count(*) FROM mail_jobs WHERE recipient ILIKE %s", human) == [(0,)]


def claim(stack, user_id: str, domain: str) -> None:
    query(stack, "INSERT INTO domains (id, domain, user_id, verified, verified_at, "
          "verification_token) VALUES (%s, %s, %s, true, now(), 'e2a-verify=' || "
          "md5(random()::text))", f"dom_{unique()}", domain, user_id)


def callers(apid, *keys: str) -> list[Caller]:
    return [with_key(apid.port, key) for key in keys]


@dataclass(frozen=True)
class Question:
    """One kind of it."""
    names: str    # in paths and answers
    field: str    # who is asked
    confirm: str  # the action by which they agree

    @property
    def page(self) -> str:
        return f"/api/{self.names}/confirm"

    def path(self, agent: str, one: str = "") -> str:
        return f"/api/v1/agents/{quote(agent)}/{self.names}" + (f"/{one}" if one else "")

    def begin(self, ask: Caller, agent: str, human: str, status: int = 201) -> dict:
        answer = ask("POST", self.path(agent), {self.field: human})
        assert answer.status == status, answer.text
        return answer.json

    def link_of(self, mail: EmailMessage) -> tuple[str, str]:
        """URL and token."""
        found = re.search(rf"^(http://\S+{self.page}\?t=([0-9a-f]{{64}}))\r?$", mail.get_content(),
                          re.M)
        assert found, mail.get_content()
        return found[1], found[2]

    def newest_token(self, stack, human: str, *old: str) -> str:
        """Of the mail that came after those with the old ones; they come in any order."""
        mails = wait_mails(stack, human, len(old) + 1)
        found, = {self.link_of(mail)[1] for mail in mails} - set(old)
        return found

    def token_for(self, stack, ask: Caller, agent: str, human: str) -> str:
        self.begin(ask, agent, human)
        return self.newest_token(stack, human)

    def act(self, browser: Browser, token: str, action: str = "", **fields: str) -> Page:
        return browser.post(self.page, {"t": token, "action": action or self.confirm, **fields})

    def look(self, browser: Browser, token: str) -> Page:
        return browser.get(f"{self.page}?t={token}")

    def listed(self, ask: Caller, agent: str) -> list[dict]:
        answer = ask("GET", self.path(agent))
        assert answer.status == 200, answer.text
        return answer.json[self.names]

    def states(self, ask: Caller, agent: str) -> list[str]:
        return [one["state"] for one in self.listed(ask, agent)]
