# SPDX-License-Identifier: Apache-2.0
"""What a person does: reads the mail, opens its link in a browser, looks, presses a button.
With a browser's window, a phone's, and where scripts are switched off. The photos are for
people who want to see the pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.chromium import DESKTOP, PHONE, Chromium
from tests.integration.holds import Desk, invite, links_in, make_desk
from tests.integration.mailbox import mails_to, wait_mails
from tests.integration.outbound import address, attachment, attachments, texts

WINDOWS = {"desktop": (DESKTOP, True), "phone": (PHONE, True), "no-scripts": (DESKTOP, False)}
TEXT = ("Dear Bob,\n\nthe invoice 4711 over 1,250.00 EUR is attached. Please pay <b>now</b> & "
        "in full.\n\n" + "A long line that goes on and on, as lines of people do. " * 6
        + "\n\nhttps://far.example/" + "x" * 120 + "\n\nBest regards,\nThe bot\n")


@pytest.fixture
def desk(stack, account) -> Desk:
    return make_desk(stack)


@pytest.fixture
def chromium(build: Path, tmp_path: Path) -> Iterator[Callable[..., Chromium]]:
    with ExitStack() as opened:
        yield lambda *how: opened.enter_context(Chromium(build, tmp_path, *how))


@pytest.fixture(params=WINDOWS)
def window(request: pytest.FixtureRequest, chromium) -> tuple[str, Chromium]:
    return request.param, chromium(*WINDOWS[request.param])


def nothing_leaves(desk: Desk, to: str) -> None:
    """A later mail of the same agent has arrived, and this one has not."""
    desk.held_from_now(False)
    after = address()
    desk.author.wait_status(desk.author.send(after)["id"], {after: "delivered"})
    assert desk.stack.world.knocks_for(to) == []


def test_mail_is_approved_by_the_link_in_the_notice(stack, desk, window):
    name, browser = window
    held = desk.hold(cc=[address()], body=TEXT)
    browser.open(held.link("approve"))
    assert browser.fits()
    browser.photo(f"approve-{name}")
    for shown in (held.to, held.subject, desk.author.address, "Please pay <b>now</b> & in full."):
        assert shown in browser.text
    assert desk.status(held) == "pending_approval"
    browser.press("Approve & send")
    browser.photo(f"approved-{name}")
    assert browser.heading == "Approved" and held.to in browser.text and browser.fits()
    mail = stack.world.wait_mail(held.to, held.subject)
    assert mail.text.replace("\r\n", "\n") == TEXT
    assert desk.decisions(held) == [("approved", "link")]
    browser.open(held.link("approve"))
    assert browser.heading == "Already resolved"
    browser.photo(f"resolved-{name}")


def test_mail_is_rejected_with_a_reason(stack, desk, window):
    name, browser = window
    held = desk.hold(body=TEXT)
    browser.open(held.link("reject"))
    assert browser.fits()
    browser.type("[name=reason]", 'Too rude, "really" <now> — Größe 4')
    browser.photo(f"reject-{name}")
    browser.press("Reject")
    browser.photo(f"rejected-{name}")
    assert browser.heading == "Rejected"
    assert desk.decisions(held) == [("rejected", "link")]
    detail = desk.author.api.get(f"/api/v1/messages/{held.id}")[1]
    assert detail["rejection_reason"] == 'Too rude, "really" <now> — Größe 4'
    nothing_leaves(desk, held.to)


def test_a_reviewer_accepts_and_is_asked_with_the_whole_text(desk, window):
    name, browser = window
    who = f"rita-{os.urandom(4).hex()}@people.example"
    browser.open(invite(desk, who))
    assert browser.fits() and desk.author.address in browser.text
    browser.find("[name=full_text]").click()
    browser.photo(f"reviewer-{name}")
    browser.press("Accept")
    browser.photo(f"reviewer-accepted-{name}")
    asked = replace(desk, reviewer=who)
    held = asked.hold(body=TEXT)
    assert "Please pay" in held.notice.get_body(("plain",)).get_content()
    browser.open(held.link("approve"))
    browser.press("Approve & send")
    assert browser.heading == "Approved"
    desk.stack.world.wait_mail(held.to, held.subject)


def sign_in(desk: Desk, browser: Chromium) -> None:
    """By the link that is mailed to the owner; the browser comes back to where it was."""
    before = len(mails_to(desk.stack, desk.reviewer))
    browser.type("[name=email]", desk.reviewer)
    browser.press("Mail me a link")
    mail = wait_mails(desk.stack, desk.reviewer, before + 1)
    browser.open(next(link for m in mail for link in links_in(m) if "/api/auth/link?" in link))
    browser.press("Sign in")


def test_the_owner_signs_in_changes_a_mail_and_approves_it(stack, desk, window):
    name, browser = window
    held = desk.hold(body=TEXT, html_body="<p>Please pay.</p>",
                     attachments=[attachment("invoice.pdf", "application/pdf", b"%PDF-1.4")])
    browser.open(held.page)
    browser.photo(f"login-{name}")
    sign_in(desk, browser)
    assert browser.heading == "Review message" and browser.fits()
    browser.photo(f"review-{name}")
    for shown in (held.to, held.subject, "invoice.pdf", "Please pay <b>now</b> & in full."):
        assert shown in browser.text
    browser.unfold("Change it before it is sent")
    browser.type("#text", "Dear Bob,\n\nno hurry.\n")
    browser.photo(f"review-edit-{name}")
    browser.press("Approve with these changes & send")
    browser.photo(f"review-again-{name}")
    assert browser.find("[role=alert]").text.startswith("It was not sent:")
    assert desk.status(held) == "pending_approval"
    browser.find("[name=drop_html]").click()
    browser.press("Approve with these changes & send")
    assert browser.heading == "Approved" and browser.fits()
    mail = stack.world.wait_mail(held.to, held.subject).parsed
    assert texts(mail) == {"plain": "Dear Bob,\n\nno hurry.\n"}
    assert attachments(mail) == [("invoice.pdf", "application/pdf", b"%PDF-1.4")]
    assert desk.decisions(held) == [("approved", "session")]


def test_the_owner_finds_what_waits_and_rejects_it(desk, window):
    name, browser = window
    held, other = desk.hold(body=TEXT), desk.hold()
    browser.open(desk.stack.url + "/dashboard/pending")
    sign_in(desk, browser)
    assert held.subject in browser.text and other.subject in browser.text and browser.fits()
    browser.photo(f"pending-{name}")
    browser.follow(f"a[href$='{held.id}']")
    browser.type("[name=reason]", "Not today")
    browser.press("Reject")
    assert browser.heading == "Rejected"
    browser.open(desk.stack.url + "/dashboard/pending")
    assert held.subject not in browser.text and other.subject in browser.text
    assert desk.decisions(held) == [("rejected", "session")]
    nothing_leaves(desk, held.to)


NASTY = "\u202egnp.exe\u202c <img src=x onerror=alert(1)> &lt;b&gt; \u200b\u00ad" + "W" * 200


def test_what_wants_to_be_misread_is_shown_as_it_is(desk, window):
    name, browser = window
    held = desk.hold(
        more=NASTY, body=f"{NASTY}\n</pre></main><form action='/api/v1/reject' method=post><button>Approve "
             f"&amp; send</button></form><script>document.title = 'owned'</script>\n" * 3,
        html_body=f"<script>document.title = 'owned'</script><h1>Approved</h1>{NASTY}",
        cc=[f"{'c' * 60}{n}@{'long-' * 10}name.example" for n in range(40)],
        attachments=[attachment("<b>" + "W" * 150 + ".html", "text/html", b"<script>alert(1)</script>")])
    for link in (held.link("approve"), held.link("reject")):
        browser.open(link)
        assert browser.title != "owned" and browser.fits()
        assert len(browser.find_all("form")) == len(browser.find_all("button")) == 1
        assert not browser.find_all("main img, main script, main h1 ~ h1")
        assert "<script>document.title = 'owned'</script>" in browser.text
        assert "it may say something else" in browser.text
    browser.photo(f"nasty-{name}")
    browser.unfold("HTML version, as source")
    assert browser.fits() and browser.title != "owned"
    assert desk.status(held) == "pending_approval"
