# SPDX-License-Identifier: Apache-2.0
"""What tests share in which an account asks a human something by mail: who asks, about
which agent, and what is no address, no link and no page of ours. Fixtures are imported by name."""

from __future__ import annotations

import uuid

import pytest

from tests.integration.browser import Browser
from tests.integration.client import Answer, Caller, with_key

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


def query(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


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
