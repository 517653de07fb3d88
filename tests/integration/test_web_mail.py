# SPDX-License-Identifier: Apache-2.0
"""The pages of the dashboard about mail: inbox, sent, one mail, webhook calls; and what hostile
mail does to them, which is nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api, WebhookReceiver
from tests.integration.client import insert_mail
from tests.integration.dashboard import Dashboard
from tests.integration.sender import query

HONEST = "127.0.0.7"  # the address that sender.example may send from
ALICE = "alice@sender.example"
MB = 1000 * 1000


class Mailbox:
    """An agent of the account that is signed in, and its pages."""

    def __init__(self, stack, dashboard: Dashboard):
        self.stack, self.dashboard = stack, dashboard
        self.api = Api(stack.url, dashboard.account.api_key)
        self.agent = self.make_agent()

    def make_agent(self, webhook: str = "") -> str:
        return self.api.make_agent(f"m{os.urandom(5).hex()}", webhook)

    def take(self, data: bytes | EmailMessage, agent: str = "", source: str = "127.0.0.1") -> str:
        """The id of this mail, once it came in."""
        data = data if isinstance(data, bytes) else data.as_bytes()
        since = self.stack.part("deliverd").log_mark()
        assert self.stack.send(ALICE, agent or self.agent, re.sub(rb"\r?\n", b"\r\n", data),
                               source).code == 250
        return re.search(r"message_id=(\S+)", self.stack.wait_for_log(
            "deliverd", "mail_stored", since))[1]

    def receive(self, subject: str = "Hello", body: str = "Hi bot.\n", sender: str = ALICE,
                **headers: str) -> str:
        return self.take(compose(sender, self.agent, subject, body, **headers))

    def html(self, html: str | bytes, text: str | None = None, **headers: str) -> str:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = ALICE, self.agent, "HTML"
        message.set_content(text or "The text.\n")
        message.add_alternative(html, subtype="html")
        return self.take(message)

    def send(self, **fields: object) -> str:
        status, answer = self.api.post("/api/v1/send", {
            "from": self.agent, "to": ["bob@far.example"], "subject": "Offer", "body": "Hi.\n", **fields})
        assert status in (200, 202), answer
        return answer["id"]

    def path(self, rest: str = "", agent: str = "") -> str:
        return f"/api/v1/agents/{agent or self.agent}{rest}"

    def hash(self, rest: str = "", agent: str = "") -> str:
        return f"#/agents/{quote(agent or self.agent, safe='')}{rest}"

    def open(self, message: str, agent: str = "") -> Dashboard:
        return self.dashboard.open(self.hash(f"/messages/{message}", agent))

    def status(self, message: str) -> str:
        """Of one that came in."""
        return self.api.get(self.path(f"/messages/{message}?peek=1"))[1]["status"]

    def sections(self) -> dict[str, str]:
        """What the cards of the page say, by their headings."""
        cards = self.dashboard.find_all("section.card:not([hidden])")
        return {c.find_element("css selector", "h2").text.split("\n")[0]: c.text for c in cards}


@pytest.fixture
def box(stack, dashboard) -> Mailbox:
    return Mailbox(stack, dashboard)


def subjects(dashboard: Dashboard) -> list[str]:
    return [a.text for a in dashboard.find_all("li.mail > a")]


# ---- inbox ----

def test_an_inbox_begins_with_the_newest_and_goes_on(stack, dashboard, box):
    insert_mail(stack, dashboard.account.user_id, box.agent, 70)
    box.receive("The newest", sender="Bob <bob@sender.example>")
    dashboard.open(box.hash("/inbox"))
    assert dashboard.heading == f"Inbox of {box.agent}"
    assert len(subjects(dashboard)) == 50 and subjects(dashboard)[0] == "The newest"
    dashboard.press("More")
    assert len(subjects(dashboard)) == 71 and not dashboard.find_all("button.less:not([hidden])[hidden]")
    assert dashboard.run("return document.activeElement === document.querySelectorAll('li.mail')[50]")
    dashboard.assert_clean()
    dashboard.assert_accessible()


def test_an_inbox_is_searched_and_says_so_in_its_address(stack, dashboard, box):
    read = box.receive("Invoice 7", sender="shop@sender.example")
    box.receive("Invoice 8", sender="other@sender.example")
    box.receive("Lunch?", Auto_Submitted="auto-generated")
    assert box.api.get(box.path(f"/messages/{read}"))[1]["status"] == "read"
    dashboard.open(box.hash("/inbox"))
    assert subjects(dashboard) == ["Lunch?", "Invoice 8", "Invoice 7"]
    dashboard.check("inbox")
    dashboard.fill("Subject", "invoice")
    dashboard.keys(Keys.ENTER)
    dashboard.wait("two", lambda: subjects(dashboard) == ["Invoice 8", "Invoice 7"])
    assert dashboard.hash.endswith("/inbox?subject_contains=invoice")
    dashboard.choose("Show", "Unread")
    dashboard.press("Search")
    dashboard.wait("one", lambda: subjects(dashboard) == ["Invoice 8"])
    dashboard.fill("From", "nobody%")
    dashboard.press("Search")
    dashboard.wait_text("No mail is like that.")
    dashboard.check()
    dashboard.driver.back()
    dashboard.wait("one again", lambda: subjects(dashboard) == ["Invoice 8"])
    dashboard.open(box.hash("/inbox"))
    assert len(subjects(dashboard)) == 3


def test_an_empty_inbox_says_where_to_write_to(dashboard, box):
    dashboard.open(box.hash("/inbox"))
    dashboard.wait_text(f"Write one to {box.agent}.")
    dashboard.check()


# ---- one mail that came in ----

def test_a_mail_of_a_domain_that_permitted_it(stack, dashboard, box, signer):
    message = EmailMessage()
    message["From"], message["To"] = f"Alice Example <{ALICE}>", box.agent
    message["Subject"], message["Date"] = "Gr\u00fc\u00dfe", "Thu, 15 Jan 2026 10:00:00 +0100"
    message["Message-ID"] = "<one@sender.example>"
    message.set_content("Dear bot,\n\nhere is the plan.\n")
    message.add_attachment(b"x" * 2500, maintype="application", subtype="pdf", filename="plan.pdf")
    signed = signer.sign(re.sub(rb"\r?\n", b"\r\n", message.as_bytes()))
    taken = box.take(signed, source=HONEST)
    box.open(taken)
    assert dashboard.heading == "Gr\u00fc\u00dfe"
    said = box.sections()
    assert "It is from sender.example." in said["Who sent it"]
    for words in ("sender.example permitted the server which sent it.",
                  "sender.example signed it, and it was not changed since.",
                  "sender.example has a policy for mail in its name, and this mail meets it."):
        assert words in said["Who sent it"], said
    assert "here is the plan." in said["What it says"]
    assert "plan.pdf\napplication/pdf, 2.5 kB" in said["1 attachment"]
    assert "Received and stored" in said["What happened to it"]
    assert dashboard.find("a[download]").get_attribute("href").endswith(
        f"/messages/{taken}/attachments/0")
    assert box.status(taken) == "unread"
    dashboard.check("message")


def test_a_mail_that_anybody_could_have_written(stack, dashboard, box, signer):
    taken = box.receive("Pay now", sender="ceo@sender.example", Reply_To="thief@evil.example")
    box.open(taken)
    said = box.sections()["Who sent it"]
    assert "Anybody could have written this sender." in said
    assert "sender.example says that the server which sent it may not send in its name." in said
    assert "It carries no signature." in said
    assert "this mail does not meet it: it wants mail that fails to be refused." in said
    assert "Answers go to thief@evil.example, not to the sender." in said
    dashboard.check("message-unverified")


def test_a_mail_of_an_agent_here(stack, dashboard, box):
    other = box.make_agent()
    box.api.post("/api/v1/send", {"from": other, "to": [box.agent], "subject": "Between us", "body": "x"})
    listed = wait_until("the mail", lambda: box.api.get(box.path("/messages"))[1]["messages"])
    box.open(listed[0]["message_id"])
    assert f"It is from {other}, an agent of this server." in box.sections()["Who sent it"]
    dashboard.check()


def test_html_is_shown_when_asked_for_and_can_do_nothing(dashboard, box):
    taken = box.html("<h1>Sale</h1><p>Only <a href='https://shop.example/'>today</a>.</p>"
                     "<script>parent.document.title = 'taken'</script>"
                     "<img src='https://track.example/1.png' alt='a picture'>")
    box.open(taken)
    assert "The text." in dashboard.text and not dashboard.find_all("iframe")
    dashboard.press("HTML", dashboard.find("main"))
    frame = dashboard.find("iframe")
    assert (frame.get_attribute("sandbox"), dashboard.find("button[aria-pressed=true]").text) == ("", "HTML")
    dashboard.driver.switch_to.frame(frame)
    dashboard.wait_text("Only today.")
    assert not dashboard.find_all("a")
    dashboard.driver.switch_to.default_content()
    assert dashboard.browser.title == "HTML \u2014 e2a"
    dashboard.check("message-html", r"/html .*(Refused|Blocked|Content Security)")
    dashboard.run("arguments[0].scrollIntoView()", frame)  # a photo of the whole page leaves it out
    dashboard.driver.save_screenshot(str(dashboard.browser.photos / "web-message-html-frame.png"))
    dashboard.press("Text", dashboard.find("main"))
    assert "The text." in dashboard.text and not dashboard.find_all("iframe")


def test_html_after_the_session_is_over_is_shown_when_one_has_signed_in_again(dashboard, box):
    box.open(box.html("<p>Patience</p>"))
    dashboard.sign_out()
    dashboard.press("HTML", dashboard.find("main"), settle=False)
    dashboard.dialog()
    assert not dashboard.find_all("iframe")
    dashboard.sign_in()
    dashboard.run("document.dispatchEvent(new Event('visibilitychange')); "
                  "window.dispatchEvent(new Event('focus'))")
    frame = dashboard.wait("the frame", lambda: next(iter(dashboard.find_all("iframe")), None))
    dashboard.driver.switch_to.frame(frame)
    dashboard.wait_text("Patience")
    dashboard.driver.switch_to.default_content()
    dashboard.assert_clean("401")


def spf(result: str, domain: str = "sender.example", aligned: bool = True) -> dict:
    return {"spf": {"result": result, "domain": domain, "aligned": aligned}}


def signature(result: str, domain: str, aligned: bool, **more: str) -> dict:
    return {"result": result, "domain": domain, "selector": "s", "aligned": aligned, **more}


APART = "This is not the domain of the sender that is shown"
SAID = [  # what the server found out, and what the page says of it
    ({**spf("softfail", "a.example"), "dmarc": {"result": "temperror"},
      "dkim": [signature("fail", "a.example", True, reason="body_hash"),
               signature("pass", "b.example", False)]},
     ["a.example says that the server which sent it probably may not send in its name.",
      "It carries a signature of a.example that does not count (body hash).",
      f"b.example signed it, and it was not changed since. {APART}",
      "The policy of sender.example could not be looked up when the mail came."]),
    ({**spf("pass", "bulk.example", False), "dkim": [], "dmarc": {"result": "none"}},
     [f"bulk.example permitted the server which sent it. {APART}", "It carries no signature.",
      "sender.example has no policy for mail in its name."]),
    (spf("none", "", False),
     ["The sending server does not say which servers may send in its name."]),
    (spf("temperror", "a.example"), ["could not be looked up when the mail came."]),
]


def test_what_was_looked_at_is_said_in_words(stack, dashboard, box):
    def look(change: str, *values: str) -> str:
        query(stack, f"UPDATE messages SET {change} WHERE id = %s", *values, taken)
        dashboard.run("dispatchEvent(new Event('hashchange'))")
        return dashboard.settle() and box.sections()["Who sent it"]

    taken = box.receive()
    box.open(taken)
    for found, words in SAID:
        said = look("authentication = %s", json.dumps({"verdict": "sealed", **found}))
        assert "Anybody could have written this sender." in said
        for sentence in words:
            assert sentence in said
    said = look("authentication = %s", json.dumps({"verdict": "bad_seal"}))
    assert "The mail did not come in by the way on which senders are looked at." in said
    assert "SPF" not in said
    said = look("verified = true, entity_type = 'agent', delegation = %s",
                f"agent={ALICE};human=boss@sender.example")
    assert "on behalf of boss@sender.example, who agreed to that." in said


def test_the_whole_mail_is_saved_as_it_came(stack, dashboard, box, tmp_path):
    taken = box.receive("Save me", "Gr\u00fc\u00dfe\n" * 1000)
    box.open(taken)
    dashboard.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {
        "behavior": "allow", "downloadPath": str(tmp_path)})
    dashboard.press("Save the whole mail")
    saved = tmp_path / f"{taken}.eml"
    wait_until("the file", saved.exists)
    (want,), = query(stack, "SELECT encode(r.sha256, 'hex') FROM messages m "
                     "JOIN raw_messages r ON r.id = m.raw_id WHERE m.id = %s", taken)
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == want


def test_a_conversation_is_one_press_away(stack, dashboard, box):
    other = box.make_agent()
    for subject in ("One", "Two"):
        box.api.post("/api/v1/send", {"from": other, "to": [box.agent], "subject": subject,
                                      "body": "x", "conversation_id": "c & d"})
    box.receive("Another")
    listed = wait_until("both", lambda: (m := box.api.get(box.path(
        "/messages?conversation_id=c%20%26%20d"))[1]["messages"]) and len(m) == 2 and m)
    box.open(listed[0]["message_id"])
    dashboard.press("c & d")
    dashboard.wait("the two", lambda: sorted(subjects(dashboard)) == ["One", "Two"])
    assert "Only the conversation c & d." in dashboard.text


def test_mail_that_is_not_there(dashboard, box):
    box.open("msg_" + "0" * 32)
    dashboard.wait_text("Message not found.")
    dashboard.assert_accessible()
    dashboard.assert_clean("404")


# ---- sent ----

def test_sent_mail_and_how_far_it_got_with_each(stack, world, dashboard, box):
    dashboard.open(box.hash("/sent"))
    dashboard.wait_text("This agent has sent nothing yet.")
    sent = box.send(to=["bob@far.example", "carol@far.example"], cc=["dan@far.example"], subject="Offer <b>")
    wait_until("all to be there", lambda: {r["status"] for r in box.api.get(
        f"/api/v1/messages/{sent}")[1]["recipients"]} == {"delivered"})
    dashboard.open(box.hash("/sent"), fresh=True)
    row = dashboard.find("li.mail").text
    assert "Offer <b>" in row and "To bob@far.example, carol@far.example, dan@far.example" in row
    assert "3 delivered" in row
    dashboard.check("sent")
    dashboard.press("Offer <b>")
    dashboard.wait_text("What happened to it")
    said = box.sections()
    assert said["Recipients"].count("taken by the recipient's server") == 3
    assert "Handed to Postfix\n" in said["What happened to it"]
    assert "bob@far.example: taken by the recipient's server" in said["What happened to it"]
    dashboard.check("message-sent")


def test_mail_that_waits_and_mail_that_was_refused(dashboard, box):
    assert box.api.call("PUT", box.path(), {"hitl_enabled": True})[0] == 200
    held = box.send(subject="May I?")
    box.open(held)
    assert dashboard.heading == "May I?"
    assert dashboard.pressable("Read it and decide").get_attribute("href").endswith(f"#/pending/{held}")
    assert "Held for approval" in dashboard.text
    dashboard.check()
    assert box.api.post(f"/api/v1/messages/{held}/reject", {"reason": "<i>no</i>"})[0] == 200
    box.open("x")
    box.open(held)
    dashboard.wait_text("It was rejected, and not sent. <i>no</i>")
    assert "Rejected\n" in box.sections()["What happened to it"]


# ---- webhook calls ----

@pytest.fixture
def hooked(stack, dashboard) -> tuple[Mailbox, WebhookReceiver]:
    with WebhookReceiver() as hook:
        box = Mailbox(stack, dashboard)
        box.agent = box.make_agent(hook.url)
        yield box, hook


def wait_state(box: Mailbox, message: str, state: str) -> None:
    wait_until(f"{message} to be {state}", lambda: box.api.get(
        box.path(f"/messages/{message}/deliveries"))[1]["delivery"]["state"] == state, interval=0.05)


def test_failed_calls_are_seen_and_made_again(hooked, dashboard):
    box, hook = hooked
    hook.answer = lambda _: 410
    first = box.receive("First")
    wait_state(box, first, "failed")
    second = box.receive("Second")
    wait_state(box, second, "failed")
    hook.answer = lambda _: 200
    dashboard.open(box.hash("/deliveries"))
    said = box.sections()
    assert "is disabled" in said["Webhook is disabled"] and "2 mails" in said["Webhook is disabled"]
    assert "it answered 410: it wants no more" in said["Mail"]
    assert subjects(dashboard) == ["Second", "First"]
    dashboard.check("deliveries")
    dashboard.press("Enable it again")
    dashboard.said("The webhook is called again.")
    dashboard.wait_no_text("It is not called any more")
    dashboard.press("Redeliver all that failed")
    dashboard.press("Redeliver all")
    dashboard.said("The webhook is called again with 2 mails.")
    for message in (first, second):
        wait_state(box, message, "delivered")
    assert {d.json["message_id"] for d in hook.items} >= {first, second}
    box.open(second)
    calls = box.sections()["Webhook"]
    assert "delivered" in calls and "The webhook has taken it." in calls
    dashboard.press("Each attempt, newest first")
    dashboard.wait_text("asked for again")
    dashboard.press("Redeliver")
    dashboard.said("Somebody asked for that less than five minutes ago.")
    dashboard.check("message-calls")


def test_one_mail_is_redelivered_and_the_answer_of_a_failure_is_shown_as_text(stack, hooked, dashboard):
    box, hook = hooked
    hook.answer = lambda _: 503
    message = box.receive("Again")
    wait_until("an attempt", lambda: box.api.get(box.path(f"/messages/{message}/deliveries"))[1]["log"])
    query(stack, "UPDATE message_events SET detail = detail || jsonb_build_object('answer', "
          "'<b>busy</b>' || chr(8238)) WHERE message_id = %s AND outcome = 'deferred'", message)
    dashboard.open(box.hash("/deliveries?state=pending"))
    assert subjects(dashboard) == ["Again"]
    assert "it answered with status 503" in box.sections()["Mail"]
    hook.answer = lambda _: 200
    dashboard.press("Redeliver")
    wait_state(box, message, "delivered")
    box.open(message)
    dashboard.press("Each attempt, newest first")
    dashboard.wait_text("Attempt 1: not taken, called again (it answered with status 503)")
    dashboard.press("What it answered")
    dashboard.wait_text("<b>busy</b>U+202E")
    dashboard.check()


def test_an_agent_without_webhook_says_so(dashboard, box):
    dashboard.open(box.hash("/deliveries"))
    dashboard.wait_text("This agent has no webhook: it is in local mode.")
    dashboard.check()


# ---- hostile mail ----

ODD = "a\u202egpj.exe\u200b\u2066<img src=x onerror=alert(1)>"


def test_markup_and_unseen_characters_are_text(dashboard, box):
    message = EmailMessage()
    message["From"] = f"\u202e<script>alert(1)</script> <{ALICE}>"
    message["To"], message["Subject"] = box.agent, ODD
    message["List-Id"], message["Precedence"] = "<b>list</b> <x.example>", "<i>bulk</i>"
    message.set_content(ODD + "\n")
    message.add_attachment(b"x", maintype="image", subtype="svg+xml", filename=ODD + ".svg")
    message.add_attachment("<script>alert(1)</script>", subtype="html", filename="<h1>.html")
    taken = box.take(message)
    box.open(taken)
    shown = "aU+202Egpj.exeU+200BU+2066<img src=x onerror=alert(1)>"
    assert dashboard.heading == shown and shown in box.sections()["What it says"]
    assert "<h1>.html" in dashboard.text and "<i>bulk</i>" in dashboard.text
    assert not dashboard.find_all("main img, main script, h1 > b + b + h1")
    dashboard.check("message-odd")
    dashboard.open(box.hash("/inbox"))
    assert subjects(dashboard) == [shown]
    dashboard.check()


def test_endless_subjects_and_recipients_are_folded(dashboard, box):
    to = "".join(f",\n to{n}@far.example" for n in range(300))
    box.open(box.take(f"From: {ALICE}\nTo: {box.agent}{to}\nReply-To: x@far.example{to}\n"
                      f"Subject: {' '.join(['endless'] * 120)}\n{' again' * 150}\n\nHi.\n".encode()))
    assert len(dashboard.heading) == 201 and dashboard.heading.endswith(" \u2026")
    assert "to18@far.example" in dashboard.text and "to19@far.example" not in dashboard.text
    dashboard.press("More of its header")
    assert dashboard.text.count("endless") >= 120
    dashboard.open(box.hash("/inbox"))
    assert len(subjects(dashboard)[0]) == 201
    dashboard.check()


HOSTILE = """<style>body, html { display: none }</style>
<style>* { position: fixed !important; inset: 0; z-index: 2147483647; font-size: 400px }</style>
<div style="position:fixed;top:-9999px;left:-9999px;width:99999999px;height:99999999px;background:red">
Sign in to e2a</div><form action="/api/v1/users/me?confirm=DELETE" method=post><input name=password>
<button>Sign in</button></form><meta http-equiv=refresh content="0;url=/api/auth/logout">
<base href="https://evil.example/"><a href="javascript:alert(1)" target=_top>x</a>
<iframe src="/"></iframe><object data="/"></object><script>top.location = "https://evil.example/"</script>
"""


def test_hostile_html_stays_in_its_frame(dashboard, box):
    taken = box.html(HOSTILE)
    box.open(taken)
    dashboard.press("HTML", dashboard.find("main"))
    frame = dashboard.find("iframe")
    dashboard.driver.switch_to.frame(frame)
    dashboard.wait("the document", lambda: dashboard.find_all("div"))
    assert not dashboard.find_all("form, input, iframe, object, a, base, meta")
    dashboard.driver.switch_to.default_content()
    assert dashboard.run("return arguments[0].getBoundingClientRect().width <= innerWidth", frame)
    assert dashboard.hash == box.hash(f"/messages/{taken}") and "Who sent it" in box.sections()
    dashboard.press("Text", dashboard.find("main"))
    assert "The text." in dashboard.text
    dashboard.check("", r"/html .*(Refused|Blocked|Content Security)")


def body_of(size: int, line: bytes) -> bytes:
    return (line * (size // len(line) + 1))[:size]


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_body_of_ten_megabytes_leaves_the_page_usable(dashboard, box, kind):
    head = (f"From: {ALICE}\nTo: {box.agent}\nSubject: Large\nMIME-Version: 1.0\n"
            f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n").encode()
    line = b"<p>All work and no play makes Jack a dull boy.</p>\n"
    taken = box.take(head + body_of(int(9.5 * MB), line))
    box.open(taken)
    if kind == "plain":
        dashboard.press("Show all of it (1,048,576 characters)")
        assert dashboard.run("return document.querySelector('pre').textContent.length") == 1_048_576
    else:
        dashboard.wait_text("This mail has no plain text: choose HTML")
        dashboard.press("HTML", dashboard.find("main"))
    dashboard.wait("the note", lambda: any(
        "There is more of it than 1 MiB." in n.text for n in dashboard.find_all(".note.warn")))
    assert dashboard.pressable("Save the whole mail")
    dashboard.assert_clean()


def test_five_hundred_attachments_are_folded(dashboard, box):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ALICE, box.agent, "Many"
    message.set_content("See below.\n")
    for n in range(500):
        message.add_attachment(b"x", maintype="text", subtype="plain", filename=f"file-{n}.txt")
    box.open(box.take(message))
    links = lambda: len(dashboard.find_all("a[download]"))
    assert "500 attachments" in box.sections() and links() == 10
    dashboard.check()
    while dashboard.run("return [...document.querySelectorAll('button')].some("
                        "b => b.textContent === 'More attachments' && b.checkVisibility())"):
        dashboard.press("More attachments")
    assert links() == 500


@pytest.mark.parametrize("head, body, shown", [
    ("Content-Type: text/plain; charset=utf-8", b"Gr\xfc\xdfe", "Gr\u00fc\u00dfe"),
    ("Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64", b"eA==", "\ufffd"),
    ("Content-Type: text/plain; charset=\"klingon\"", b"caf\xe9", "caf\u00e9"),
    ("Content-Type: text/plain", b"", "The text is empty."),
    ("Content-Type: multipart/mixed; boundary=x", b"--x--\n", "This mail has no text."),
], ids=["no-utf8", "half-utf16", "unknown", "empty", "no-parts"])
def test_a_mail_that_lies_or_is_empty_is_still_a_mail(dashboard, box, head, body, shown):
    taken = box.take(f"From: {ALICE}\nMIME-Version: 1.0\n{head}\n\n".encode() + body)
    box.open(taken)
    assert dashboard.heading == "(no subject)"
    assert shown in box.sections()["What it says"]
    dashboard.assert_clean()
