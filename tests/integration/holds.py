# SPDX-License-Identifier: Apache-2.0
"""Held mail, and all who may end a hold: an API key, a browser that is signed in, a link
or an answer by mail of a reviewer, a timer."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass, replace
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

from scripts.stack import Stack
from scripts.stack.mail import Signer, compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from tests.integration.browser import Browser, Page
from tests.integration.client import add_session
from tests.integration.mailbox import mails_to, wait_mails
from tests.integration.notices import query
from tests.integration.outbound import Author, address, ledger

REVIEW = "/dashboard/pending/review"
DONE, RESOLVED = "done", "resolved"
LINK = re.compile(r"http://\S+?(?=[\s\"'<>]|$)")
numbers = itertools.count(1)


def links_in(mail: EmailMessage) -> list[str]:
    """Of every part, each once."""
    found: dict[str, None] = {}
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            text = part.get_content().replace("&amp;", "&")
            found |= dict.fromkeys(LINK.findall(text))
    return list(found)


def link_to(mail: EmailMessage, path: str) -> str:
    found, = [link for link in links_in(mail) if urlsplit(link).path == path]
    return found


@dataclass(frozen=True)
class Held:
    id: str
    to: str  # its one recipient
    subject: str
    notice: EmailMessage

    def link(self, act: str) -> str:
        return link_to(self.notice, f"/api/v1/{act}")

    def token(self, act: str) -> str:
        return parse_qs(urlsplit(self.link(act)).query)["t"][0]

    @property
    def page(self) -> str:
        return link_to(self.notice, REVIEW)

    @property
    def reply_to(self) -> str:
        return str(self.notice["Reply-To"])


@dataclass(frozen=True)
class Desk:
    """An agent whose mail is held, and who decides about it."""
    stack: Stack
    author: Author
    user_id: str
    reviewer: str  # gets the notices
    signer: Signer | None = None  # of the reviewer's domain

    def held_from_now(self, yes: bool, **settings: object) -> None:
        status, answer = self.author.api.call("PUT", self.author.path,
                                              {"hitl_enabled": yes, **settings})
        assert status == 200, answer

    def hold(self, more: str = "", **fields: object) -> Held:
        """A new one, once the reviewer has been told. `more` is the end of its subject."""
        to, subject = address(), f"Held {next(numbers)} {os.urandom(6).hex()}"
        status, answer = self.author.ask(**{"to": [to], "subject": subject + more, **fields})
        assert status == 202 and answer["status"] == "pending_approval", answer
        return Held(answer["message_id"], to, subject, self.wait_notice(subject))

    def notices(self, subject: str) -> list[EmailMessage]:
        return [m for m in mails_to(self.stack, self.reviewer)
                if subject in " ".join(str(m["Subject"]).split())]

    def wait_notice(self, subject: str) -> EmailMessage:
        return wait_until(f"a notice about {subject!r}", lambda: self.notices(subject), 30)[0]

    def browser(self) -> Browser:
        """Signed in as the owner."""
        browser = Browser(self.stack.http_port)
        browser.cookies["e2a_session"] = (add_session(self.stack, self.user_id), "/")
        return browser

    # ---- the facts ----

    def status(self, held: Held) -> str:
        return query(self.stack, "SELECT status FROM messages WHERE id = %s", held.id)[0][0]

    def decisions(self, held: Held) -> list[tuple[str, str]]:
        """(outcome, channel) of those that counted."""
        return [(outcome, reason) for stage, outcome, reason in ledger(self.stack, held.id)
                if stage == "hold" and outcome != "ignored"]

    def expire(self, held: Held) -> None:
        """Its time is over now, decided or not."""
        query(self.stack, "UPDATE messages SET approval_expires_at = clock_timestamp() - "
              "interval '1 second' WHERE id = %s", held.id)


# ---- each way to decide; DONE or RESOLVED ----

def by_api(desk: Desk, held: Held, act: str, body: object = None) -> str:
    status, answer = desk.author.api.post(f"/api/v1/messages/{held.id}/{act}", body)
    if status == 409:
        assert answer == "message is not pending approval\n", answer
        return RESOLVED
    assert status == 200, answer
    return DONE


def page_outcome(page: Page) -> str:
    assert (page.status, "Already resolved" in page.text) in ((200, False), (409, True)), page.text
    return RESOLVED if page.status == 409 else DONE


def by_session(desk: Desk, held: Held, act: str, browser: Browser | None = None) -> str:
    """What the button on the dashboard's page does."""
    browser = browser or desk.browser()
    return page_outcome(browser.post(REVIEW, {"id": held.id, "action": act}))


def by_link(desk: Desk, held: Held, act: str) -> str:
    """What the page's button does."""
    browser = Browser(desk.stack.http_port)
    return page_outcome(browser.post(f"/api/v1/{act}", {"t": held.token(act)}))


def by_mail(desk: Desk, held: Held, act: str) -> str:
    """What the log says of the reviewer's answer."""
    mail = compose(f"Reviewer <{desk.reviewer}>", held.reply_to, f"Re: {held.notice['Subject']}",
                   f"{act}\n", In_Reply_To=str(held.notice["Message-ID"]))
    mark = desk.stack.deliverd.log_mark()
    sent = desk.stack.send(desk.reviewer, held.reply_to, desk.signer.sign(mail))
    assert sent.code == 250, sent
    line = desk.stack.deliverd.wait_log(f"review_read .*queue_id={sent.queue_id}\\b", mark, 60)
    outcome = re.search(r"outcome=(\w+)", line)[1]
    assert outcome in ("approved", "rejected", "resolved", "repeated"), line
    return DONE if outcome in ("approved", "rejected") else RESOLVED


def make_desk(stack: Stack) -> Desk:
    """Of a new user, who is asked."""
    owner = stack.bootstrap(f"owner-{os.urandom(6).hex()}@other.example")
    api = Api(stack.url, owner.api_key)
    desk = Desk(stack, Author(stack, api, api.make_agent(f"held{os.urandom(6).hex()}")),
                owner.user_id, owner.email)
    desk.held_from_now(True)
    return desk


def invite(desk: Desk, who: str) -> str:
    """Names a reviewer; the link that they are mailed."""
    status, made = desk.author.api.post(f"{desk.author.path}/reviewers", {"address": who})
    assert status == 201, made
    return link_to(wait_mails(desk.stack, who)[0], "/api/reviewers/confirm")


def with_reviewer(desk: Desk, signer: Signer) -> Desk:
    """Somebody else is asked, who wants to answer by mail; their domain signs."""
    who = f"rita-{os.urandom(4).hex()}@{signer.domain}"
    browser = Browser(desk.stack.http_port)
    page = browser.get(invite(desk, who))
    done = browser.submit(page, action="accept", full_text="yes", by_reply="yes")
    assert done.status == 200, done.text
    return replace(desk, reviewer=who, signer=signer)
