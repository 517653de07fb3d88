# SPDX-License-Identifier: Apache-2.0
"""Mail from agents as the world gets it: the bytes on the wire, what a reader makes
of them, in whose name it comes and that it is signed."""

from __future__ import annotations

import re
from email.utils import getaddresses, parsedate_to_datetime
from datetime import datetime, timedelta, timezone

import pytest

from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.outbound import (VERP, Author, address, attachment, attachments, check_wire,
                                        is_signed, own_part, texts, verify)

CONVERSATION = "X-E2A-Conversation-Id"


def get_one(world, to: str):
    """The mail to an address, its own part parsed, and that it is fit for any server."""
    mail = world.wait_mail(to)
    assert world.mails_to(to) == [mail]
    check_wire(own_part(mail))
    return mail, mail.parsed


def test_all_that_was_asked_for_arrives(stack, world, author):
    to, cc, bcc = address(), address("near.example"), address("hidden.example")
    files = [("report.pdf", "application/pdf", bytes(range(256)) * 300),
             ("notes.txt", "text/plain", "Grüße\r\n".encode())]
    body = "Grüße aus Köln,\n\n.\n..\nFrom here on\n" + "long " * 400 + "\nend\n"
    html = "<p>Grüße aus <b>Köln</b> &amp; 東京</p>\n" + "<!-- " + "x" * 3000 + " -->\n"
    sent = author.send(f"Alice Example <{to}>", cc=[cc], bcc=[bcc], subject="Grüße 東京 🎉",
                       body=body, html_body=html, conversation_id="conv 42/ü",
                       attachments=[attachment(*f) for f in files])
    mail, parsed = get_one(world, to)
    assert sorted(mail.recipients) == sorted([to, cc, bcc])
    assert VERP.fullmatch(mail.sender)
    assert bcc.encode() not in mail.raw and b"hidden.example" not in mail.raw
    assert [a for _, a in getaddresses([parsed["To"]])] == [to]
    assert parsed["Cc"] == cc
    assert parsed["Subject"] == "Grüße 東京 🎉"
    assert parsed["Message-ID"] == sent["message_id"]
    assert re.fullmatch(r"<[0-9a-z]+@[a-z.]+>", sent["message_id"])
    assert abs(parsedate_to_datetime(parsed["Date"]) - datetime.now(timezone.utc)) \
        < timedelta(minutes=2)
    assert texts(parsed) == {"plain": body, "html": html}
    assert attachments(parsed) == files
    assert parsed.get_content_type() == "multipart/mixed"
    first = next(parsed.iter_parts())
    assert first.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in first.iter_parts()] == ["text/plain", "text/html"]
    assert parsed[CONVERSATION] is not None
    assert not parsed["In-Reply-To"] and not parsed["References"]


@pytest.mark.parametrize("fields, shape", [
    ({}, "text/plain"),
    ({"html_body": "<p>Hi.</p>\n"}, "multipart/alternative"),
    ({"attachments": [attachment("a.bin", "application/octet-stream", b"\0\1")]},
     "multipart/mixed"),
], ids=["text", "text and HTML", "text and attachment"])
def test_shapes(world, author, fields, shape):
    to = address()
    author.send(to, **fields)
    _, parsed = get_one(world, to)
    assert parsed.get_content_type() == shape
    assert texts(parsed)["plain"] == "Hi.\n"


SUBJECTS = {
    "plain": "Hello", "long": "word " * 180 + "end", "one long word": "x" * 900,
    "looks encoded": "=?utf-8?q?Hi?=", "blanks": "a  b   c", "letters": "Grüße",
    "many letters": "日本語の件名" * 60, "emoji": "👩‍👩‍👧‍👦" * 40, "quotes": '"a" <b@c> (d), e: f; g',
    "tags": "[#1] Re: Fwd: AW: x", "right to left": "‮gnp.exe",
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_a_subject_arrives_as_it_is(world, author, subject):
    to = address()
    author.send(to, subject=subject)
    assert get_one(world, to)[1]["Subject"] == subject


NAMES = {
    "path": "../../etc/passwd", "windows path": "C:\\temp\\a.exe", "quotes": 'a"b".txt',
    "letters": "naïve – 日本.pdf", "parameter": "a; filename=b.exe", "type": "x\"; name=\"y",
    "encoded words": "=?utf-8?q?a?=.txt", "percent": "100%25 %0d%0a.txt", "long": "x" * 251 + ".txt",
    "long letters": "文" * 83 + ".txt", "blanks": "  a  b  ", "dots": "...", "quote": "it's.txt",
    "RFC 2231": "a*0*=utf-8''b.txt", "backslashes": "\\\\\\",
    "angle brackets": "<script>alert(1)</script>.html", "comma": "a,b (c).txt", "empty": "",
    "one part": "name*1.txt", "slash": "/", "tilde": "~", "device": "CON", "hidden": ".htaccess",
}


def test_attachments_keep_any_name(world, author):
    to = address()
    files = [(name, "text/plain", f"{i}\n".encode()) for i, name in enumerate(NAMES.values())]
    author.send(to, attachments=[attachment(*f) for f in files])
    _, parsed = get_one(world, to)
    found = [(name or "", kind, data) for name, kind, data in attachments(parsed)]
    assert found == files


TYPES = {
    "image/png": "image/png", "": "application/octet-stream",
    "text/html; charset=iso-8859-1": "text/html", "Application/PDF": "application/pdf",
    "message/rfc822": "application/octet-stream", "multipart/mixed": "application/octet-stream",
}


def test_attachments_have_types_that_say_what_they_are(world, author):
    """Data of a multipart or a message must not be base64 (RFC 2045 6.4)."""
    to = address()
    data = b"Subject: inside\r\n\r\n--x\r\n"
    author.send(to, attachments=[attachment("a", kind, data) for kind in TYPES])
    _, parsed = get_one(world, to)
    assert [(kind, found) for _, kind, found in attachments(parsed)] \
        == [(kind, data) for kind in TYPES.values()]


BODIES = {
    "no line end": "Hi.", "dots": ".\n..\n.a\n", "from": "From me\n>From you\n",
    "CR LF": "a\r\nb\r\n", "trailing blanks": "a  \nb\t\n", "one long line": "x" * 100000 + "\n",
    "letters": "äöü ß 日本\n" * 50, "controls": "a\x01\x1b[31mb\x7f\n", "empty lines": "\n\n\na\n\n\n",
    "equals": "a=b =3D =\n", "boundary": "--e2a\n--e2a--\n", "signature": "-- \nme\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_arrives_as_it_is(world, author, body):
    """But for its line ends, which mail has of one kind."""
    to = address()
    author.send(to, body=body, html_body=body)
    found = texts(get_one(world, to)[1])
    plain = body.replace("\r\n", "\n")
    assert {kind: text.rstrip("\n") for kind, text in found.items()} \
        == {"plain": plain.rstrip("\n"), "html": plain.rstrip("\n")}


def test_mail_to_cc_alone_has_no_to(world, author):
    to = address()
    status, answer = author.ask(cc=[to])
    assert status == 200, answer
    _, parsed = get_one(world, to)
    assert (parsed["To"], parsed["Cc"]) == (None, to)


def test_recipients_are_those_of_the_vector(stack, world, author):
    """contract.md 12.4, with names that nobody else uses."""
    a, d, g = address(), address(), address()
    own = author.address
    sent = author.send(f"Alice <{a.upper()}>", own.upper(), cc=[a, f"agent@{SHARED_DOMAIN}", d],
                       bcc=[d.capitalize(), g])
    mail, parsed = get_one(world, a)
    assert sorted(mail.recipients) == sorted([a, d, g])
    assert (parsed["To"], parsed["Cc"]) == (a, d)
    assert set(author.statuses(sent["id"])) == {a, d, g}


# ---- in whose name ----

def test_an_own_domain_signs_and_its_agents_write_as_themselves(stack, world, own_author):
    to = address()
    own_author.send(to)
    mail, parsed = get_one(world, to)
    assert parsed["From"].addresses[0].addr_spec == own_author.address
    assert parsed["Reply-To"] is None
    assert mail.sender.endswith(f"@{own_author.domain}")
    signature = verify(stack, mail.raw)
    assert signature.domain == own_author.domain
    for name in ("from", "to", "cc", "subject", "date", "reply-to", "message-id", "content-type",
                 "mime-version"):  # none can be added
        assert signature.fields.count(name) == len(parsed.get_all(name, [])) + 1, name
    assert "x" in signature.tags and "l" not in signature.tags
    assert signature.tags["a"] == "rsa-sha256"


def test_a_signature_covers_body_and_header(stack, world, own_author):
    to = address()
    own_author.send(to, subject="Signed")
    raw = get_one(world, to)[0].raw
    verify(stack, raw)
    for altered in (raw.replace(b"Hi.", b"Ho."), raw.replace(b"Subject: Signed", b"Subject: Other"),
                    b"Subject: Second\r\n" + raw, b"From: other@far.example\r\n" + raw,
                    b"Reply-To: other@far.example\r\n" + raw, raw + b"More.\r\n"):
        assert not is_signed(stack, altered)


@pytest.mark.parametrize("name", ["", "Support", 'Anna "the bot" O\'Neil, Jr.', "Büro 東京"])
def test_a_domain_without_a_key_in_dns_writes_in_the_name_of_the_deployment(stack, world, api,
                                                                            name):
    agent = make_named(stack, api, name)
    to = address()
    agent.send(to)
    mail, parsed = get_one(world, to)
    author = parsed["From"].addresses[0]
    assert author.addr_spec == f"agent@{SHARED_DOMAIN}"
    assert author.display_name == f"{name or agent.address} via e2a"
    assert parsed["Reply-To"] == agent.address
    assert mail.sender.endswith(f"@{SHARED_DOMAIN}")


def make_named(stack, api, name: str) -> Author:
    slug = address().partition("@")[0]
    status, answer = api.post("/api/v1/agents", {"slug": slug, "agent_mode": "local",
                                                 "name": name})
    assert status == 201, answer
    return Author(stack, api, answer["email"])


def test_every_attempt_has_an_envelope_sender_of_its_own(world, author):
    to = [address() for _ in range(3)]
    for one in to:
        author.send(one)
    senders = {world.wait_mail(one).sender for one in to}
    assert len(senders) == 3 and all(VERP.fullmatch(s) for s in senders)


def test_the_test_mail_arrives_and_says_that_a_program_wrote_it(author):
    status, answer = author.api.post(f"{author.path}/test")
    assert (status, answer["status"]) == (200, "sent"), answer
    detail = author.wait_mail("Test email from e2a")
    assert detail["text"].replace("\r\n", "\n") == (
        f"This is a test email for {author.address}.\n\n"
        "Your agent is set up and ready to receive emails.\n")
