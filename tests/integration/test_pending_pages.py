# SPDX-License-Identifier: Apache-2.0
"""Mail that waits, for its owner at a browser: the list, one mail, and the decision, which
is the one of the API. Who is not signed in comes back after that."""

from __future__ import annotations

import html
import os
import re

import pytest

from tests.integration.browser import Browser, Page
from tests.integration.client import add_session
from tests.integration.link_tokens import hold, query
from tests.integration.outbound import address, attachment, attachments, ledger, state_of, texts
from tests.integration.test_approval_pages import check_part, said

LIST, REVIEW, CONTENT = "/dashboard/pending", "/dashboard/pending/review", "/dashboard/pending/content"
LOGIN = "/api/auth/login"
NO_MAIL = "msg_" + "0" * 32


@pytest.fixture
def browser(stack, account) -> Browser:
    """Of the account, signed in."""
    browser = Browser(stack.http_port)
    browser.cookies["e2a_session"] = (add_session(stack, account.user_id), "/")
    return browser


@pytest.fixture
def subject() -> str:
    return f"Offer {os.urandom(6).hex()}"


def review(browser: Browser, held: str) -> Page:
    page = browser.get(f"{REVIEW}?id={held}")
    assert page.status == 200 and page.forms, page.text
    return page


def result(page: Page) -> tuple[int, str]:
    heading = re.search("<h1>(.*)</h1>", page.text)[1]
    assert not page.forms and page.links in ([LIST], []), page.text
    return page.status, heading


def trouble(page: Page) -> str:
    """What stands on a page that asks for something else."""
    assert page.status == 400, page.text
    return html.unescape(re.search("<strong>It was not sent:</strong> (.*)</p>", page.text)[1])


def review_of(stack, held: str) -> tuple[str, str, bool]:
    return query(stack, "SELECT status, review_channel, edited FROM messages WHERE id = %s", held)[0]


# ---- finding it ----

def test_the_way_from_the_list_to_a_mail(stack, author, browser, subject):
    held = hold(author, to=[address(), address()], subject=subject)
    query(stack, "UPDATE messages SET approval_expires_at = now() + interval '5 min' "
          "WHERE id = %s", held)  # before the hundred others that the list may have
    listed = browser.get(LIST)
    assert listed.status == 200 and f"{REVIEW}?id={held}" in listed.links
    assert subject in listed.text and author.address in listed.text and "and others" in listed.text
    page = review(browser, held)
    assert subject in page.text and "Hi.\n" in page.text
    assert review_of(stack, held)[0] == "pending_approval"


def test_a_list_with_nothing_in_it(stack, account):
    other = stack.bootstrap(f"none-{os.urandom(4).hex()}@other.example")
    browser = Browser(stack.http_port)
    browser.cookies["e2a_session"] = (add_session(stack, other.user_id), "/")
    page = browser.get(LIST)
    assert page.status == 200 and "No message of your agents waits" in page.text and not page.links


def test_whoever_is_not_signed_in_comes_back(stack, author, account, subject):
    held = hold(author, to=[address()], subject=subject)
    for target, want in ((f"{REVIEW}?id={held}", f"{REVIEW}?id={held}"), (LIST, LIST),
                         (f"{REVIEW}?id=https://evil.example/", LIST), (REVIEW, LIST)):
        browser = Browser(stack.http_port)
        page = browser.get(target)
        assert (page.status, page.location) == (303, LOGIN)
        assert browser.cookies["e2a_next"][1] == "/dashboard"
        browser.cookies["e2a_session"] = (add_session(stack, account.user_id), "/")
        home = browser.get("/dashboard")
        assert (home.status, home.location) == (303, want)
        assert "e2a_next" not in browser.cookies
        assert browser.get(home.location).status == 200
        assert browser.get("/dashboard").location == "/"


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "msg_x", "", "list2",
                                  "msg_" + "0" * 31 + "G", "/dashboard/pending"])
def test_the_way_back_leads_nowhere_else(browser, next):
    browser.cookies["e2a_next"] = (next, "/dashboard")
    assert browser.get("/dashboard").location == "/"


@pytest.mark.parametrize("id", ["", NO_MAIL, "x", "%00", "%FF", "a" * 3000])
def test_a_mail_that_is_not_there(browser, id):
    assert result(browser.get(f"{REVIEW}?id={id}")) == (404, "Message not found")
    assert browser.get(f"{CONTENT}?id={id}&part=text").status == 404
    page = browser.request("POST", REVIEW, f"id={id}&action=approve".encode(),
                           "Sec-Fetch-Site: same-origin")
    assert result(page) == (404, "Message not found")


def test_mail_of_others_is_mail_that_is_not_there(stack, strange_author, author, browser, subject):
    foreign = hold(strange_author, to=[address()], subject=subject)
    received = query(stack, "SELECT id FROM messages WHERE direction = 'inbound' LIMIT 1")
    ids = [foreign, *[row[0] for row in received]]
    assert subject not in browser.get(LIST).text
    for id in ids:
        assert browser.get(f"{REVIEW}?id={id}").text == browser.get(f"{REVIEW}?id={NO_MAIL}").text
        assert browser.get(f"{CONTENT}?id={id}&part=text").status == 404
        for action in ("approve", "reject", "edit"):
            page = browser.post(REVIEW, {"id": id, "action": action, "to": "x@far.example"})
            assert result(page) == (404, "Message not found")
    assert state_of(stack, foreign)[0] == "pending_approval"


# ---- deciding ----

def test_it_is_approved_as_it_is(stack, world, author, browser, account, subject):
    to = address()
    held = hold(author, to=[to], subject=subject, html_body="<p>x</p>")
    done = browser.press(review(browser, held), "approve")
    assert result(done) == (200, "Approved") and to in done.text
    assert review_of(stack, held) == ("sent", "session", False)
    assert ("hold", "approved", "session") in ledger(stack, held)
    mail = world.wait_mail(to, subject)
    assert texts(mail.parsed) == {"plain": "Hi.\n", "html": "<p>x</p>\n"}
    page = browser.get(f"{REVIEW}?id={held}")
    assert result(page) == (200, "Already resolved") and "approved and sent" in page.text


@pytest.mark.parametrize("reason", ["  wrong tone ", "", "<b>", "x" * 5000])
def test_it_is_rejected(stack, author, browser, reason):
    held = hold(author, to=[address()])
    done = browser.press(review(browser, held), "reject", reason=reason)
    assert result(done) == (200, "Rejected")
    assert query(stack, "SELECT status, review_channel, rejection_reason FROM messages "
                 "WHERE id = %s", held) == [("rejected", "session", reason.strip())]
    page = browser.get(f"{REVIEW}?id={held}")
    assert result(page) == (200, "Already resolved") and "was not sent" in page.text


def test_it_is_changed_and_approved(stack, world, author, browser, subject):
    old, new, cc = address(), address(), address()
    held = hold(author, to=[old], bcc=[old.replace("p", "q", 1)], subject="Before",
                body="one\r\ntwo\n", attachments=[attachment("a.txt", "text/plain", b"x")])
    page = review(browser, held)
    form = page.form_to("edit")
    assert form.fields == {"id": held, "to": f"{old}\n", "cc": "", "subject": "Before",
                           "bcc": old.replace("p", "q", 1) + "\n", "text": "one\ntwo\n"}
    done = browser.press(page, "edit", to=f"\n Somebody <{new.upper()}>\n", cc=f"{cc}, {new}; {cc}",
                         bcc="", subject=f" {subject}\n", text="three\nfour\n")
    assert result(done) == (200, "Approved")
    assert review_of(stack, held) == ("sent", "session", True)
    author.wait_status(held, {new: "delivered", cc: "delivered"})
    mail = world.wait_mail(new, subject)
    assert texts(mail.parsed) == {"plain": "three\nfour\n"}
    assert attachments(mail.parsed) == [("a.txt", "text/plain", b"x")]
    assert world.knocks_for(old) == []


@pytest.mark.parametrize("body", ["\n\n  two lines before\n", "a\r\nb\rc\n", "\x1b[2J \x85 \u202e x",
                                  "é\u2028<&>\"'&amp;", " ", "</textarea><script>"])
def test_what_comes_back_as_it_was_shown_is_no_change(stack, author, browser, body):
    held = hold(author, to=[address(), address()], cc=[address()], body=body, html_body=body,
                subject="A  \u202e subject &lt;")
    assert result(browser.press(review(browser, held), "edit")) == (200, "Approved")
    assert review_of(stack, held) == ("sent", "session", False)


def test_a_changed_text_needs_a_changed_html_version(stack, world, author, browser, subject):
    to = address()
    held = hold(author, to=[to], subject=subject, body="old\n", html_body="<p>old</p>")
    page = browser.press(review(browser, held), "edit", text="new\n")
    assert "the HTML version was not" in trouble(page)
    assert page.form_to("edit").fields["text"] == "new\n"
    assert review_of(stack, held)[0] == "pending_approval"
    assert result(browser.press(page, "edit", drop_html="1")) == (200, "Approved")
    assert texts(world.wait_mail(to, subject).parsed) == {"plain": "new\n"}


def test_the_html_version_is_changed_too(stack, world, author, browser, subject):
    to = address()
    held = hold(author, to=[to], subject=subject, body="old\n", html_body="<p>old</p>")
    done = browser.press(review(browser, held), "edit", text="new\n", html="<p>new</p>\n")
    assert result(done) == (200, "Approved")
    assert texts(world.wait_mail(to, subject).parsed) == {"plain": "new\n", "html": "<p>new</p>\n"}


WRONG = {
    "nobody is left": ({"to": "", "cc": "\n , ;\n"}, "no valid recipients"),
    "no address": ({"to": "nobody"}, 'invalid To address: "nobody": no address found'),
    "an address of many lines": ({"cc": "a@far.example\nX-Injected: yes"}, "invalid CC address"),
    "a subject of two lines": ({"subject": "a\nBcc: x@far.example"},
                               "subject must not contain control characters"),
    "a long subject": ({"subject": "x" * 20000}, "subject must be at most"),
    "NUL in the text": ({"text": "a\0b"}, "body_text must not contain NUL"),
    "too many": ({"to": "\n".join(f"a{i}@far.example" for i in range(300))}, "too many recipients"),
    "far too many": ({"to": ",".join(["x@far.example"] * 20000)}, "too many recipients"),
}


@pytest.mark.parametrize("fields,text", WRONG.values(), ids=WRONG)
def test_what_cannot_be_sent_is_said_and_kept(stack, author, browser, fields, text):
    """The API would say the same."""
    held = hold(author, to=[address()], subject="Before", body="before\n")
    page = browser.press(review(browser, held), "edit", **fields)
    assert trouble(page).startswith(text)
    kept = page.form_to("edit").fields
    for name, value in fields.items():
        assert kept[name] == value.replace("\0", "\ufffd")
    assert "<details open>" in page.text and ">Approve &amp; send as it is<" not in page.text
    assert review_of(stack, held)[0] == "pending_approval"
    assert query(stack, "SELECT subject FROM messages WHERE id = %s", held) == [("Before",)]


def test_edits_are_never_markup(author, browser):
    held = hold(author, to=[address()])
    text = "</textarea></form></details><script>alert(1)</script>\"'&lt;"
    page = browser.press(review(browser, held), "edit", to=text, cc=text, bcc=text, text=text,
                         subject=text)
    trouble(page)
    assert {page.form_to("edit").fields[n] for n in ("to", "cc", "bcc", "text", "subject")} == {text}
    assert text not in page.text


def test_mail_that_nobody_would_get_any_more(stack, author, browser, account):
    to = address()
    held = hold(author, to=[to])
    query(stack, "INSERT INTO suppressions (user_id, address, reason) VALUES (%s, %s, 'bounce')",
          account.user_id, to)
    for action in ("approve", "edit"):
        page = browser.press(review(browser, held), action)
        assert trouble(page) == "every recipient is on the suppression list"


def test_an_agent_whose_domain_is_not_verified(stack, author, browser):
    held = hold(author, to=[address()])
    page = review(browser, held)
    query(stack, "UPDATE domains SET verified = false WHERE domain = %s", author.domain)
    try:
        for action in ("approve", "edit"):
            assert result(browser.press(page, action, subject="x")) == (403, "Agent not verified")
    finally:
        query(stack, "UPDATE domains SET verified = true WHERE domain = %s", author.domain)
    assert review_of(stack, held)[0] == "pending_approval"


def test_the_second_decision_is_too_late(stack, author, browser):
    held = hold(author, to=[address()])
    page = review(browser, held)
    browser.press(page, "reject")
    for action in ("approve", "edit", "reject"):
        assert result(browser.press(page, action, subject="x")) == (409, "Already resolved")
    assert review_of(stack, held)[0] == "rejected"


def test_a_text_too_long_for_the_page_cannot_be_changed_there(stack, author, browser):
    held = hold(author, to=[address()], body="x" * 300_000, html_body="y" * 300_000)
    page = review(browser, held)
    assert "too long to be changed here" in page.text
    assert not {"text", "html"} & page.form_to("edit").fields.keys()
    done = browser.press(page, "edit", text="short", html="short", subject="Other")
    assert result(done) == (200, "Approved")
    assert query(stack, "SELECT m.edited, octet_length(d.body_text), octet_length(d.body_html) FROM "
                 "messages m JOIN outbound_drafts d ON d.message_id = m.id WHERE m.id = %s",
                 held) in ([], [(True, 300_000, 300_000)])


def test_a_form_that_is_too_large(stack, author, browser):
    held = hold(author, to=[address()])
    page = browser.post(REVIEW, {"id": held, "action": "edit", "text": "x" * 2_200_000})
    assert (page.status, page.text) == (400, "invalid request body\n") and page.answer.closes
    assert review_of(stack, held)[0] == "pending_approval"


@pytest.mark.parametrize("action", ["", "APPROVE", "delete"])
def test_a_button_that_there_is_not(stack, author, browser, action):
    held = hold(author, to=[address()])
    page = browser.post(REVIEW, {"id": held, "action": action})
    assert trouble(page) == "no button was used"
    assert review_of(stack, held)[0] == "pending_approval"


# ---- who may ----

@pytest.mark.parametrize("fields", [["Sec-Fetch-Site: cross-site"], ["Origin: https://evil.example"],
                                    [], ["Sec-Fetch-Site: none"]])
def test_no_other_page_decides_with_the_cookie(stack, author, browser, fields):
    held = hold(author, to=[address()])
    for action in ("approve", "reject", "edit"):
        page = browser.request("POST", REVIEW, f"id={held}&action={action}".encode(), *fields)
        assert (page.status, page.text) == (403, "cross-site request refused\n")
    assert review_of(stack, held)[0] == "pending_approval"


def test_who_is_signed_out_decides_nothing(stack, author, api, account):
    held = hold(author, to=[address()])
    browser = Browser(stack.http_port, f"Authorization: Bearer {account.api_key}")
    for action in ("approve", "reject", "edit"):
        assert said(browser.post(REVIEW, {"id": held, "action": action}))[:2] == (
            403, "You are signed out")
    assert browser.get(f"{CONTENT}?id={held}&part=text").status == 401
    assert review_of(stack, held)[0] == "pending_approval"


def test_looking_changes_nothing(stack, author, browser):
    held = hold(author, to=[address()])
    for target in (LIST, f"{REVIEW}?id={held}&action=approve", f"{CONTENT}?id={held}&part=text"):
        assert browser.get(target).status == 200
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE"):
            assert browser.request(method, target).status == 405
    assert ledger(stack, held) == [("outbound", "held", "hitl")]


def test_parts_are_saved_and_never_shown(author, browser):
    held = hold(author, to=[address()], html_body="<script>",
                attachments=[attachment("a.html", "text/html", b"<script>")])
    link, = [link for link in review(browser, held).links if link.startswith(CONTENT)]
    assert link == f"{CONTENT}?id={held}&part=0"
    for part, data in (("0", b"<script>"), ("text", b"Hi.\n"), ("html", b"<script>")):
        got = browser.get(f"{CONTENT}?id={held}&part={part}")
        assert got.answer.body == data
        check_part(got)
    assert browser.get(f"{CONTENT}?id={held}&part=1").status == 404
