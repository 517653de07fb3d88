# SPDX-License-Identifier: Apache-2.0
"""Mail that waits, on the dashboard: the list, the review beside the draft, every decision, and
what becomes of typed text when something comes between."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from scripts.stack.mail import compose
from scripts.stack.peers import Api
from tests.integration.client import signed_in
from tests.integration.dashboard import Dashboard
from tests.integration.outbound import Author, address, attachment, attachments, texts
from tests.integration.sender import query

HELD = "/api/v1/messages"
BIDI, UNSEEN = "\u202e", "\u200b"
HOSTILE = f"""<h1 style="color:#b00">Offer</h1><p>Hidden{UNSEEN}text.</p>
<script>parent.document.title = "taken"; top.location = "https://evil.example/";</script>
<form action="https://evil.example/"><input name="p"><button>Go</button></form>
<img src="https://evil.example/a.png" onerror="parent.x = 1"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<link rel="stylesheet" href="https://evil.example/a.css"><meta http-equiv="refresh" content="0;url=https://evil.example/">
<iframe src="https://evil.example/"></iframe><style>@import "https://evil.example/b.css";
body {{ background: url(https://evil.example/c.png) }}</style>
<a href="javascript:parent.x=1" id="x">x</a><object data="https://evil.example/d"></object>"""
# Frames and images of the draft that the browser did not load.
KEPT_OUT = "Refused to|Blocked|evil.example|sandbox"


class Desk:
    """The owner of an agent whose mail waits, and what they see."""

    def __init__(self, dashboard: Dashboard):
        self.page, self.stack = dashboard, dashboard.stack
        self.api = Api(self.stack.url, dashboard.account.api_key)
        self.author = Author(self.stack, self.api, self.api.make_agent(f"desk{os.urandom(6).hex()}"))
        self.settings(hitl_enabled=True)
        self.session = signed_in(self.stack, dashboard.account.user_id)

    def settings(self, **fields: Any) -> None:
        status, answer = self.api.call("PUT", self.author.path, fields)
        assert status == 200, answer

    def hold(self, **fields: Any) -> str:
        status, answer = self.author.ask(**{"to": [address()], **fields})
        assert status == 202, answer
        return answer["message_id"]

    def review(self, id: str) -> Dashboard:
        self.page.open(f"#/pending/{id}", fresh=True)
        return self.page

    def state(self, id: str) -> dict[str, Any]:
        status, answer = self.api.get(f"{HELD}/{id}")
        assert status == 200, answer
        return answer

    def stored(self, id: str) -> list[tuple]:
        return query(self.stack, "SELECT to_jsonb(m), to_jsonb(d) FROM messages m "
                     "LEFT JOIN outbound_drafts d ON d.message_id = m.id WHERE m.id = %s", id)

    def look_again(self) -> None:
        """What the page does every 15 seconds."""
        self.page.run("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.fixture
def desk(dashboard) -> Desk:
    return Desk(dashboard)


# ---- the list ----

def rows(page: Dashboard) -> list[str]:
    return [li.text for li in page.find_all("main ul.list > li")]


def test_the_list_shows_what_is_over_first(desk):
    page = desk.page.open("#/pending")
    page.wait_text("No message of your agents waits for you.")
    page.check()
    late = desk.hold(subject="Late", to=[address() for _ in range(3)])
    soon = desk.hold(subject=f"<b>Soon</b>{BIDI}", cc=[address()])
    query(desk.stack, "UPDATE messages SET approval_expires_at = now() + interval '65 minutes 30 s' "
          "WHERE id = %s", soon)
    desk.settings(hitl_expiration_action="approve")
    page.open("#/pending", fresh=True)
    first, second = rows(page)
    assert "<b>Soon</b>U+202E" in first and "and 1 more" in first and "1 h 5 min left, then it is sent" in first
    assert "Late" in second and "and 2 more" in second and "6 d 23 h left" in second
    assert "2 messages wait." in page.text
    page.check("pending")
    page.press("Late")
    assert page.hash == f"#/pending/{late}" and page.heading == "Review: Late"


def test_the_list_keeps_itself_up_to_date_and_takes_the_focus_from_nobody(desk):
    ids = [desk.hold(subject=f"Mail {n}") for n in range(3)]
    page = desk.page.open("#/pending", fresh=True)
    page.run("document.querySelectorAll('main li a')[1].focus()")
    assert [desk.session("POST", f"{HELD}/{i}/reject").status for i in ids[:2]] == [200, 200]
    new = desk.hold(subject="New")
    query(desk.stack, "UPDATE messages SET approval_expires_at = now() + interval '1 hour' WHERE id = %s", new)
    desk.look_again()
    page.said("One more message waits.")
    seen = rows(page)
    assert [r.split("\n")[0] for r in seen] == ["New", "Mail 1", "Mail 2"]
    assert "It waits no more." in seen[1] and "2 messages wait." in page.text
    assert page.run("return document.activeElement.textContent") == "Mail 1"
    page.keys(Keys.TAB)
    page.wait("the row to go", lambda: len(rows(page)) == 2)
    page.check()


def test_a_long_list_comes_in_pages(desk):
    first = desk.hold(subject="First")
    query(desk.stack, """INSERT INTO messages SELECT (jsonb_populate_record(m, jsonb_build_object(
        'id', 'msg_' || lpad(to_hex(i), 32, '0'), 'subject', 'Copy ' || i,
        'approval_expires_at', m.approval_expires_at + i * interval '1 s'))).*
        FROM messages m, generate_series(1, 119) i WHERE m.id = %s""", first)
    page = desk.page.open("#/pending", fresh=True)
    assert len(rows(page)) == 50 and "50 or more messages wait." in page.text
    page.press("More")
    assert len(rows(page)) == 100
    assert page.run("return document.activeElement.textContent") == "Copy 50"
    desk.look_again()
    page.press("More")
    assert [r.split("\n")[0] for r in rows(page)] == ["First", *(f"Copy {i}" for i in range(1, 120))]
    assert "120 messages wait." in page.text and not page.find_all("main button:not([hidden])")
    page.check()


# ---- a review ----

def test_a_review_shows_all_of_the_draft_and_changes_nothing(desk, world):
    to, subject = address(), f"Question {os.urandom(4).hex()}"
    desk.settings(hitl_enabled=False)
    assert desk.stack.send(to, desk.author.address, compose(to, desk.author.address, subject)).code == 250
    got = desk.author.wait_mail(subject)
    query(desk.stack, "UPDATE messages SET inbox_status = 'unread' WHERE id = %s", got["message_id"])
    desk.settings(hitl_enabled=True)
    status, answer = desk.author.ask_reply(
        got["message_id"], body=f"Dear all,\n{BIDI}txt.exe\n", html_body=HOSTILE, cc=["Bob <bob@far.example>"],
        attachments=[attachment("r\u00e9port<b>.csv", "text/csv", b"a,b\n" * 1000)])
    assert status == 202
    id = answer["message_id"]
    before = desk.stored(id)
    page = desk.review(id)
    assert page.heading == f"Review: Re: {subject}"
    wrote = page.find("section[aria-labelledby=wrote]").text
    for text in (desk.author.address, to, "bob@far.example", "Dear all,", "U+202Etxt.exe", "r\u00e9port<b>.csv", "4.0 kB"):
        assert text in wrote, text
    assert "left, then it is discarded." in page.text
    frame = page.find("iframe")
    assert frame.get_attribute("sandbox") == ""
    page.driver.switch_to.frame(frame)
    assert page.text.startswith("Offer") and "Hidden" in page.text
    page.driver.switch_to.default_content()
    assert page.run("return [document.title, typeof window.x, frames.length]")[1:] == ["undefined", 1]
    page.press("The mail that it answers")
    page.wait("its text", lambda: page.find_all("details dl"))
    page.check("review", KEPT_OUT)
    link, = [a.get_attribute("href") for a in page.find_all("details a")]
    assert link.endswith(f"/messages/{got['message_id']}")
    assert desk.stored(id) == before
    assert query(desk.stack, "SELECT inbox_status FROM messages WHERE id = %s", got["message_id"]) == [("unread",)]


def test_approving_as_it_is(desk, world):
    to = address()
    id = desk.hold(to=[to], subject="As it is", html_body="<p>Hi.", attachments=[attachment("a", "text/csv", b"x")])
    page = desk.review(id)
    page.press("Approve and send")
    page.wait_text(f"It was approved by {page.account.email}, in a browser, and sent.")
    assert page.run("return document.activeElement.matches('.note.good')")
    page.wait_text("Nothing else waits.")
    assert desk.state(id)["status"] == "sent" and "edited" not in desk.state(id)
    assert texts(world.wait_mail(to).parsed) == {"plain": "Hi.\n", "html": "<p>Hi.\n"}
    page.check("review-approved")


def test_approving_with_changes(desk, world):
    to, cc = address(), address("near.example")
    files = [(f"{n}.txt", "text/plain", n.encode()) for n in ("one", "two", "three")]
    id = desk.hold(to=[address(), to], subject="Draft", body="Dear all,\n\nold line\nBye.\n",
                   html_body="<p>old", attachments=[attachment(*f) for f in files])
    page = desk.review(id)
    page.fill("To, an address on each line", to)
    page.fill("Cc", f'"Last, First" <{cc}>')
    page.fill("Subject", "Better")
    text = page.control("Text")
    text.send_keys(Keys.CONTROL, "a")
    text.send_keys("Dear all,\n\nnew line\nBye.\n")
    page.tick("two.txt 3 bytes")
    page.press("Approve with 5 changes")
    page.error("The text was changed and the HTML version was not")
    assert desk.state(id)["status"] == "pending_approval"
    page.tick("Leave out the HTML version")
    marks = " ".join(" ".join(m.text.split()) for m in page.find_all(".changed"))
    for words in ("without old line with new line", "without Draft with Better", "without two.txt",
                  "without the HTML version"):
        assert words in marks, marks
    assert "Bye." not in marks
    page.check("review-changed")
    page.press("Approve with 6 changes")
    page.wait_text("with changes, and sent.")
    mail = world.wait_mail(to).parsed
    assert mail["Subject"] == "Better" and texts(mail) == {"plain": "Dear all,\n\nnew line\nBye.\n"}
    assert attachments(mail) == [files[0], files[2]]
    shown = desk.state(id)
    assert (shown["to"], shown["cc"], shown["edited"]) == ([to], [cc], True)
    page.check()


def test_what_is_put_back_is_not_sent(desk):
    id = desk.hold(subject="Draft", body="Hi\r\nthere.\r\n")
    page = desk.review(id)
    page.run("""window.sent = []; const real = fetch;
        window.fetch = (u, o) => { if (o.method === "POST") sent.push(o.body); return real(u, o); }""")
    page.fill("Subject", "Other")
    page.fill("Bcc", "a@far.example")
    page.press("Put back Bcc")
    assert page.run("return document.activeElement.localName") == "textarea"
    page.press("Put everything back")
    assert not page.find_all(".changed:not([hidden])")
    page.press("Approve and send")
    page.wait_text("and sent.")
    assert page.run("return sent") == [None]
    assert "edited" not in desk.state(id)


def test_rejecting_with_a_reason_by_keys_alone(desk):
    id = desk.hold(subject="No")
    page = desk.review(id)
    page.control("Why it is rejected (may be left out)").send_keys(f"Not <i>so</i>{BIDI}", Keys.CONTROL, Keys.ENTER)
    page.wait_text("It was rejected by")
    assert "Not <i>so</i>U+202E" in page.text
    assert desk.state(id)["rejection_reason"] == f"Not <i>so</i>{BIDI}"
    page.check()


def test_approving_by_keys_leads_to_the_next_one(desk):
    one, two = (desk.hold(subject=f"Mail {n}") for n in range(2))
    page = desk.review(one)
    page.control("Subject").send_keys("!", Keys.CONTROL, Keys.ENTER)
    page.wait_text("with changes, and sent.")
    assert desk.state(one)["subject"] == "Mail 0!"
    page.press("Go to the next one")
    assert page.hash == f"#/pending/{two}" and page.heading == "Review: Mail 1"


def test_what_the_api_refuses_is_said_and_the_text_stays(desk):
    id = desk.hold()
    before = desk.stored(id)
    page = desk.review(id)
    page.fill("Cc", "nobody at all")
    page.press("Approve with one change")
    page.error('It was not sent, and still waits: Invalid CC address: "nobody at all"')
    assert page.control("Cc").get_attribute("value") == "nobody at all"
    assert desk.stored(id) == before
    page.check("", "400")


# ---- what comes between ----

def test_of_two_windows_the_slower_one_is_told(desk):
    id = desk.hold(subject="Both")
    page = desk.review(id)
    page.fill("Subject", "Mine")
    page.run("Object.defineProperty(document, 'hidden', {value: true})")  # it is not looked up
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    desk.review(id)
    page.fill("Why it is rejected (may be left out)", "theirs")
    page.press("Reject")
    page.wait_text("It was rejected by")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.press("Approve with one change")
    page.wait_text("Decided already. It was rejected by")
    assert page.run("return document.activeElement.matches('.note.bad')")
    assert "theirs" in page.text and "What you typed was not sent." in page.text
    field = page.control("Subject")
    assert field.get_attribute("value") == "Mine" and field.get_attribute("readonly")
    assert not [b for b in page.find_all("main button") if b.is_displayed()]
    page.check("review-lost", "409")


def test_a_decision_of_somebody_else_is_seen_while_one_types(desk):
    id = desk.hold(subject="Both")
    page = desk.review(id)
    page.fill("Subject", "Mine")
    query(desk.stack, "UPDATE messages SET approval_expires_at = now() + interval '95 seconds' WHERE id = %s", id)
    page.driver.refresh()
    page.settle()
    assert re.search("1 min [0-9]+ s left, then it is discarded", page.text)
    page.run("const now = Date.now; Date.now = () => now() + 100000")
    page.wait_text("that is over, and within a minute it is discarded. Until then you can still decide.")
    query(desk.stack, "UPDATE messages SET status = 'expired_rejected' WHERE id = %s", id)
    page.control("Subject").send_keys("!")
    desk.look_again()
    page.said("Decided already. Nobody decided in time, so it was not sent.")
    page.keys("?")
    assert page.control("Subject").get_attribute("value") == "Mine!"
    query(desk.stack, "DELETE FROM messages WHERE id = %s", id)
    page.check()


def test_signing_in_again_in_the_middle_of_an_edit(desk):
    id = desk.hold(subject="Draft")
    page = desk.review(id)
    page.fill("Subject", "Typed")
    page.sign_out()
    page.press("Approve with one change", settle=False)
    page.dialog()
    page.photos("review-signed-out")
    page.assert_clean("401")
    page.press("Later")
    page.error("It was not sent, and still waits: ")
    assert page.control("Subject").get_attribute("value") == "Typed"
    assert desk.state(id)["status"] == "pending_approval"
    page.press("Approve with one change", settle=False)
    page.dialog()
    page.sign_in()
    page.press("I am signed in again")
    page.wait_text("with changes, and sent.")
    assert desk.state(id)["subject"] == "Typed"
    page.check("", "401")


def test_what_is_typed_outlives_a_reload(desk):
    id = desk.hold(subject="Draft", html_body="<p>x", attachments=[attachment("a.txt", "text/plain", b"a")])
    page = desk.review(id)
    page.fill("Subject", "Typed")
    page.tick("Leave out the HTML version")
    page.tick("a.txt 1 byte")
    page.fill("Why it is rejected (may be left out)", "Perhaps")
    # the browser asks before it leaves (WebDriver says yes by itself)
    assert not page.run("return dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    page.driver.refresh()
    page.settle()
    page.wait_text("What you typed before is here again.")
    assert page.control("Subject").get_attribute("value") == "Typed"
    assert page.control("Why it is rejected (may be left out)").get_attribute("value") == "Perhaps"
    assert page.control("Leave out the HTML version").is_selected()
    assert not page.control("a.txt 1 byte").is_selected()
    page.open("#/pending")
    assert "You began to change it" in page.text
    page.open(f"#/pending/{id}")
    page.press("Approve with 3 changes")
    page.wait_text("with changes, and sent.")
    assert id not in page.run("return Object.keys(sessionStorage).join()")
    page.driver.refresh()
    page.settle()
    page.wait_text("with changes, and sent.")
    page.check()


def test_what_another_version_kept_is_forgotten(desk):
    """Or whoever else wrote into the storage of the window."""
    id = desk.hold(html_body="<p>x</p>")
    page = desk.review(id)
    for kept in ('{"fields":5}', '{"fields":{"body_html":7}}'):
        page.run("sessionStorage.setItem(arguments[0], arguments[1])",
                 f"e2a.edit.{page.account.user_id}.{id}", kept)
        page.open("#/pending", fresh=True)
        desk.review(id)
        assert "Approve and send" in page.text, kept
        page.assert_clean(KEPT_OUT)


def test_signing_out_leaves_nothing_that_was_typed(desk):
    id = desk.hold(subject="Draft")
    page = desk.review(id)
    page.fill("Subject", "Typed")
    page.wait("it to be kept", lambda: id in page.run("return Object.keys(sessionStorage).join()"))
    page.press("Sign out")
    page.dialog()
    page.press("Cancel")
    assert page.control("Subject").get_attribute("value") == "Typed"
    page.press("Sign out")
    page.press("Sign out", settle=False)
    page.wait("the sign-in page", lambda: page.browser.url.endswith("/api/auth/login"))
    assert id not in page.run("return Object.keys(sessionStorage).join()")


FETCH = """
    const real = window.fetch; window.asked = [];
    window.fetch = async (url, options = {}) => {
        if (options.method !== "POST")
            return real(url, options);
        asked.push([url, options.headers["Idempotency-Key"], options.body]);
        return (%s)(url, options, asked.length);
    };"""
FAIL = 'new Response("not available now\\n", {status: 503, headers: {"Content-Type": "text/plain", "Retry-After": "1"}})'


def test_an_answer_of_something_else_ends_no_edit(desk):
    id = desk.hold()
    page = desk.review(id)
    page.fill("Subject", "Mine")
    page.run("""const real = window.fetch; window.looks = 0;
        window.fetch = async (url, options) => url.endsWith("view=state")
            ? (window.looks++, new Response("{}", {headers: {"Content-Type": "application/json"}}))
            : real(url, options);""")
    desk.look_again()
    page.wait("it to be looked at", lambda: page.run("return looks") == 1)
    page.press("Approve with one change", settle=False)
    page.wait("another look", lambda: page.run("return looks") > 1)
    page.wait_text("the answer cannot be read")
    assert "waits no more" not in page.text
    assert page.control("Subject").get_attribute("value") == "Mine"
    assert desk.state(id)["status"] == "sent"


def test_a_lost_answer_decides_once_and_is_asked_for_again(desk):
    id = desk.hold()
    page = desk.review(id)
    page.run(FETCH % f"""async (url, options, n) => {{
        if (n === 1)
            return {FAIL};
        const answer = await real(url, options);
        if (n === 2)
            throw new TypeError("cut");
        return answer; }}""")
    page.press("Approve and send", settle=False)
    page.wait_text("and sent.")
    asked = page.run("return asked")
    assert len(asked) == 3 and len({tuple(a) for a in asked}) == 1
    assert desk.state(id)["status"] == "sent"
    page.check()


def test_while_it_takes_long_nothing_is_sent_twice_and_one_can_stop(desk):
    id = desk.hold()
    page = desk.review(id)
    page.run(FETCH % """(url, options) => new Promise((resolve, reject) =>
        options.signal.addEventListener("abort", () => reject(options.signal.reason)))""")
    page.press("Approve and send", settle=False)
    page.wait_text("Approving \u2026")
    for label in ("Approve and send", "Reject"):
        page.press(label, settle=False)
    page.control("Subject").send_keys(Keys.CONTROL, Keys.ENTER)
    page.press("Stop waiting", settle=False)
    page.wait_text("Nothing was decided, and the message still waits.")
    assert len(page.run("return asked")) == 1
    page.settle()
    page.check("review-slow")


def test_an_answer_that_nobody_knows_is_looked_up(desk):
    id = desk.hold()
    page = desk.review(id)
    page.fill("Subject", "Typed")
    page.run(FETCH % """async (url, options) => {
        await real(url, {...options, signal: null});
        return new Response("internal error\\n", {status: 500, headers: {"Content-Type": "text/plain"}}); }""")
    page.press("Approve with one change", settle=False)
    page.wait_text("with changes, and sent.")
    assert "Decided already" not in page.text
    assert "Whether what you typed is in it is not known." in page.text
    assert desk.state(id)["subject"] == "Typed"


# ---- large and odd ----

def test_a_large_draft_is_shown_in_part_and_says_so(desk):
    id = desk.hold(subject="x" * 900, body="long line " * 1_000_000, html_body="<p>" + "yes " * 75_000,
                   to=[address() for _ in range(50)],
                   attachments=[attachment(f"{n:03}.txt", "text/plain", b"x") for n in range(100)])
    page = desk.review(id)
    assert "Shown is the beginning of 10.0 MB." in page.text
    assert "The text is too long to be changed here." in page.text
    assert len(page.find_all("section[aria-labelledby=wrote] ul li")) == 100
    assert len(page.find_all("section[aria-labelledby=wrote] .many > div")) == 50
    page.tick("050.txt 1 byte")
    page.assert_clean()
    page.assert_accessible()
    page.press("Approve with one change")
    page.wait_text("with changes, and sent.")


def test_one_that_does_not_wait(desk):
    sent = desk.author
    desk.settings(hitl_enabled=False)
    id = sent.send(address())["id"]
    page = desk.page.open(f"#/pending/{id}", fresh=True)
    assert "It was sent; nobody had to approve it." in page.text
    page.check()
    page.open("#/pending/msg_" + "0" * 32)
    assert "This message no longer exists." in page.text
    page.check("", "404")
