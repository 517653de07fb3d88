# SPDX-License-Identifier: Apache-2.0
"""Composed and signed mails (tests/tools/composer) as the libraries of others read
them: Python's email package finds every field, text and file as it was given, and
dkimpy believes the signature."""

from __future__ import annotations

import base64
import email
import email.policy
import email.utils
import json
import re
import subprocess
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DOMAIN = "agents.example"
DATE_US = 1768473600000000

Draft = dict[str, Any]


class Refused(Exception):
    pass


class Composer:
    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.public_key = self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()

    def __call__(self, **draft: Any) -> bytes:
        draft = {"from": f"bot@{DOMAIN}", "to": ["alice@example.com"], "domain": DOMAIN,
                 "message_id": f"<1@{DOMAIN}>", "date_us": DATE_US, "text": "Hello\n", **draft}
        self.process.stdin.write(json.dumps(draft).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer.startswith(b"!"):
            raise Refused(answer[1:].decode())
        return base64.b64decode(answer, validate=True)

    def look_up(self, name: bytes | str, timeout: float = 5) -> bytes:
        assert name in (f"e2a1._domainkey.{DOMAIN}.", f"e2a1._domainkey.{DOMAIN}.".encode())
        return b"v=DKIM1; k=rsa; p=" + self.public_key

    def believes(self, mail: bytes) -> bool:
        try:
            return dkim.verify(mail, dnsfunc=self.look_up)
        except dkim.MessageFormatError:
            return False


@pytest.fixture(scope="module")
def composer(build: Path) -> Iterator[Composer]:
    composer = Composer(build / "tests/tools/composer")
    yield composer
    composer.close()


def file(filename: str = "", content_type: str = "", data: bytes = b"") -> dict[str, str]:
    return {"filename": filename, "content_type": content_type,
            "data": base64.b64encode(data).decode()}


def read(mail: bytes) -> EmailMessage:
    """The mail, once it has proven to be 7-bit, in lines, and without any defect."""
    assert mail.isascii() and b"\0" not in mail and mail.endswith(b"\r\n")
    lines = mail.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    message = email.message_from_bytes(mail, policy=email.policy.SMTP)
    for part in message.walk():
        assert not part.defects
        assert not [d for v in part.values() for d in v.defects]
    return message


def author_of(mail: bytes) -> tuple[str, str]:
    """Name and address. The newer parser keeps blanks between encoded words of a phrase."""
    value = email.message_from_bytes(mail, policy=email.policy.compat32)["From"]
    name, address = email.utils.parseaddr(re.sub("\r\n", "", value))
    return str(make_header(decode_header(name))), address


def lines_of(text: str) -> str:
    text = re.sub("\r\n|\r|\n", "\n", text)
    return text if text.endswith("\n") else text + "\n"


def shape(message: EmailMessage) -> Any:
    if not message.is_multipart():
        return message.get_content_type()
    return [message.get_content_subtype(), *map(shape, message.iter_parts())]


def text_of(part: EmailMessage) -> str:
    assert part.get_content_charset() == "utf-8"
    return part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")


# What every draft with this text arrives as: the text alone, HTML, files.
SHAPES = {
    "text": ({}, "text/plain"),
    "html": ({"html": "<p>Grüße</p>"}, ["alternative", "text/plain", "text/html"]),
    "file": ({"attachments": [file("a.pdf", "application/pdf", b"%PDF")]},
             ["mixed", "text/plain", "application/pdf"]),
    "all": ({"html": "<p>x</p>", "attachments": [file(), file("m.eml", "message/rfc822", b"A: b")]},
            ["mixed", ["alternative", "text/plain", "text/html"],
             "application/octet-stream", "application/octet-stream"]),
}

TEXTS = {
    "plain": "Hello,\nthis is a test.\n",
    "long lines": "word " * 300 + "\n" + "x" * 2000,
    "latin": "Grüße aus Köln, und noch viel mehr gewöhnlicher Text.\n" * 5,
    "japanese": "日本語のテキスト\r\n" * 20,
    "blanks": " lead\ntrail \n\ttab\t\n \n\n\n",
    "dots and From": ".\n..\nFrom me\n.\r\n",
    "controls": "\x01\x07\x1b[31m\x7f\x0b\x0c\x85\u2028\u2029 and more of them, then \rx\r\ry",
    "equals": "a=b=3D=\n=\n",
    "delimiter": "--e2a_\n--e2a_0--\n",
    "mime": "Content-Type: text/html\n\n<b>",
}

SUBJECTS = {
    "plain": "Hello there",
    "long": "word " * 100 + "end",
    "long word": "x" * 1500,
    "blanks": "a  b   c",
    "latin": "Résumé 📄 für dich, wie besprochen, und noch etwas mehr davon",
    "emoji": "📦" * 200,
    "encoded": "=?utf-8?q?=0D=0ABcc:_x@y.example?= =?utf-8?b?QQ==?=",
    "half": "x =? y ?= z =?utf-8?",
    "right to left": "\u202egnp.exe \u200f עברית",
    "punctuation": "\"a\" <b@c> (d), e; f: [g] \\h\\",
}

FILENAMES = {
    "plain": "report.pdf",
    "blanks": "two  words .txt",
    "latin": "Résumé.pdf",
    "quotes": "a\"b'c`d.txt",
    "backslash": "C:\\x\\y.txt",
    "path": "../../etc/passwd",
    "right to left": "\u202egnp.exe",
    "emoji": "📦" * 1000,
    "long": "n" * 1000 + ".txt",
    "parameters": "x\"; filename=\"y.exe",
    "semicolon": "a; b=c.txt",
    "percent": "100%41.txt",
    "rfc 2231": "utf-8''%41.txt",
    "encoded": "=?utf-8?q?x?=.txt",
    "half encoded": "=?.txt",
    "stars": "a*0*=b*.txt",
    "brackets": "(a)<b>[c]@d,e.txt",
    "newline look": "a\\r\\nb.txt",
}


@pytest.mark.parametrize("shape_name", SHAPES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_shapes_and_texts_are_read_by_others(composer, shape_name, text):
    more, want = SHAPES[shape_name]
    mail = composer(text=text, **more)
    message = read(mail)
    assert composer.believes(mail)
    assert shape(message) == want
    assert text_of(message.get_body(("plain",))) == lines_of(text)
    if "html" in more:
        assert text_of(message.get_body(("html",))) == lines_of(more["html"])
    assert [part.get_payload(decode=True) for part in message.iter_attachments()] == [
        base64.b64decode(f["data"]) for f in more.get("attachments", [])]


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_subjects_names_and_conversations_are_read_by_others(composer, subject):
    mail = composer(subject=subject, from_name=subject[:200], conversation_id=subject)
    message = read(mail)
    assert composer.believes(mail)
    assert max(map(len, mail.split(b"\r\n"))) <= 78
    assert message["Subject"] == subject
    assert message["X-E2A-Conversation-Id"] == subject
    assert author_of(mail) == (subject[:200], f"bot@{DOMAIN}")
    assert message["Bcc"] is None


@pytest.mark.parametrize("filename", FILENAMES.values(), ids=FILENAMES)
def test_file_names_are_read_by_others(composer, filename):
    data = bytes(range(256)) * 10
    mail = composer(attachments=[file(filename, "text/csv; charset=utf-8; header=present", data)])
    message = read(mail)
    assert composer.believes(mail)
    (part,) = message.iter_attachments()
    assert part.get_filename() == filename
    assert part.get_content_disposition() == "attachment"
    assert part.get_content_type() == "text/csv"
    assert (part.get_param("charset"), part.get_param("header")) == ("utf-8", "present")
    assert part.get_payload(decode=True) == data


def test_the_fields_are_those_that_were_given(composer):
    cc = [f"carol{i}@a-domain-of-some-length.example" for i in range(20)]
    references = [f"<{i}.{'x' * 40}@h.example>" for i in range(40)]
    mail = composer(cc=cc, reply_to=f"bot@{DOMAIN}", subject="S", in_reply_to=references[-1],
                    references=references, conversation_id="c", automatic="auto-replied",
                    from_name='"Bot" via e2a')
    message = read(mail)
    assert composer.believes(mail)
    assert max(map(len, mail.split(b"\r\n"))) <= 78
    assert message.keys() == [
        "DKIM-Signature", "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID",
        "In-Reply-To", "References", "X-E2A-Conversation-Id", "Auto-Submitted", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding"]
    assert [a.addr_spec for a in message["Cc"].addresses] == cc
    assert message["References"].split() == references
    assert message["Date"] == "Thu, 15 Jan 2026 10:40:00 +0000"
    assert author_of(mail) == ('"Bot" via e2a', f"bot@{DOMAIN}")


@pytest.mark.parametrize("change", [
    (b"Hello", b"hello"), (b"To: alice", b"To: malice"), (b"Subject: Hi", b"Subject: hi"),
    (b"From: ", b"From: \"x\" "), (b"\r\nTo:", b"\r\nCc: x@y.example\r\nTo:"),
    (b"\r\nTo:", b"\r\nReply-To: x@y.example\r\nTo:"), (b"\r\nTo:", b"\r\nSubject: two\r\nTo:"),
    (b"\r\nTo:", b"\r\nIn-Reply-To: <x@y>\r\nTo:"), (b"text/plain", b"text/html"),
    (b"Hello\r\n", b"Hello\r\nand more\r\n"), (b"d=agents", b"d=angels"),
])
def test_an_altered_mail_is_not_believed(composer, change):
    mail = composer(subject="Hi")
    assert composer.believes(mail)
    altered = mail.replace(*change, 1)
    assert altered != mail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composer, "look_up", lambda *_, **__: b"v=DKIM1; k=rsa; p=" +
                      composer.public_key)
        assert not composer.believes(altered)


@pytest.mark.parametrize("field, value", [
    ("subject", "a\r\nBcc: x@y.example"), ("from_name", "a\nb"), ("conversation_id", "a\0b"),
    ("in_reply_to", "<a@b>\r\nX: y"), ("to", ["a@b.example\r\nBcc: c@d.example"]),
    ("attachments", [file("a\r\nb")]), ("attachments", [file("a", "text/plain\r\nX: y")]),
])
def test_control_characters_are_refused(composer, field, value):
    with pytest.raises(Refused):
        composer(**{field: value})
    assert composer(subject="next")


def test_20_mb_of_attachments_are_carried(composer):
    data = bytes(i * 7919 >> 3 & 255 for i in range(65536)) * 160
    mail = composer(attachments=[file("a.bin", "", data), file("b.bin", "", data)])
    assert composer.believes(mail)
    parts = list(read(mail).iter_attachments())
    assert [part.get_payload(decode=True) == data for part in parts] == [True, True]


LINE = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=120)
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"),
               max_size=400)
FILES = st.lists(st.tuples(LINE, st.binary(max_size=200)), max_size=3)


@given(subject=LINE, name=LINE, conversation=LINE, text=TEXT, html=TEXT, files=FILES)
@settings(max_examples=150, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_draft_is_read_by_others(composer, subject, name, conversation, text, html, files):
    mail = composer(subject=subject, from_name=name, conversation_id=conversation, text=text,
                    html=html, attachments=[file(n, "", data) for n, data in files])
    message = read(mail)
    assert composer.believes(mail)
    assert (message["Subject"] or "") == subject
    assert (message["X-E2A-Conversation-Id"] or "") == conversation
    assert author_of(mail) == (name, f"bot@{DOMAIN}")
    for kind, want in (("plain", text), ("html", html)):
        body = message.get_body((kind,))
        assert lines_of(want) == text_of(body) if body else not want
    parts = list(message.iter_attachments())
    assert [(p.get_filename() or "", p.get_payload(decode=True)) for p in parts] == [
        (name.strip(), data) for name, data in files]  # get_filename() strips
