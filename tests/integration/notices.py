# SPDX-License-Identifier: Apache-2.0
"""Mail by which humans are asked about held mail, and who is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from scripts.stack import Stack
from scripts.stack.peers import Api
from tests.integration.outbound import Author, query, texts

LINK = re.compile(r"http://[^\s\"<]+/api/v1/(approve|reject)\?t=([\w.-]+)")
DASHBOARD = re.compile(r"http://[^\s\"<]+/dashboard/pending/review\?id=(msg_[0-9a-f]{32})")
REPLY_TO = re.compile(r"review-([0-9a-f]{32})@[a-z0-9.-]+")


def held_author(stack: Stack, api: Api, agent: str, **settings: Any) -> Author:
    """An agent whose mail is held."""
    author = Author(stack, api, agent)
    status, answer = api.call("PUT", author.path, {"hitl_enabled": True, **settings})
    assert status == 200, answer
    return author


def hold(author: Author, **fields: Any) -> str:
    """The id of a mail that waits."""
    status, answer = author.ask(**{"to": ["alice@far.example"], **fields})
    assert (status, answer["status"]) == (202, "pending_approval"), answer
    return answer["message_id"]


def add_reviewer(stack: Stack, author: Author, address: str, *, full_text: bool = False,
                 by_reply: bool = False, state: str = "active") -> None:
    """As if they had agreed."""
    query(stack, "INSERT INTO reviewers (id, user_id, agent_email, address, folded, state, "
          "full_text, by_reply, link_hash, link_expires_at) SELECT 'rev_' || md5(random()::text), "
          "user_id, email, %s, lower(%s), %s, %s, %s, sha256(gen_random_uuid()::text::bytea), now() "
          "FROM agents WHERE email = %s", address, address, state, full_text, by_reply,
          author.address)


def jobs_about(stack: Stack, message_id: str) -> list[tuple[str, str, str, str]]:
    """(kind, recipient, state, last_error)"""
    return query(stack, "SELECT kind, recipient, state, last_error FROM mail_jobs "
                 "WHERE message_id = %s ORDER BY kind, recipient", message_id)


@dataclass(frozen=True)
class Notice:
    """What is in one of them; both parts have the same links."""
    mail: EmailMessage
    plain: str
    html: str
    approve: str  # URLs
    reject: str
    dashboard: str
    message_id: str  # of the mail that waits

    @property
    def tokens(self) -> tuple[str, str]:
        return self.approve.partition("?t=")[2], self.reject.partition("?t=")[2]


def read_notice(mail: EmailMessage) -> Notice:
    assert mail.get_content_type() == "multipart/alternative"
    found = texts(mail)
    assert found.keys() == {"plain", "html"}
    links = {m[1]: m[0] for m in LINK.finditer(found["plain"])}
    assert links.keys() == {"approve", "reject"}
    assert sorted(set(m[0] for m in LINK.finditer(found["html"]))) == sorted(links.values())
    dashboard = DASHBOARD.search(found["plain"])
    assert {m[0] for m in DASHBOARD.finditer(found["html"])} == {dashboard[0]}
    return Notice(mail, found["plain"], found["html"], links["approve"], links["reject"],
                  dashboard[0], dashboard[1])
