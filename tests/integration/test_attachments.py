# SPDX-License-Identifier: Apache-2.0
"""What stands in mails: text, HTML and attachments of mails as they are really sent,
of broken and of hostile ones, and the bytes of attachments."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from urllib.parse import quote, unquote

import pytest

from client import Answer, Http, second_apid
from scripts.stack.part import wait_until

SENDER = "alice@sender.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
MIB = 1024 * 1024
LARGE = 7_000_000  # more than 9 MB of base64; Postfix takes 10


@pytest.fixture(scope="module")
def agent(api) -> str:
    return api.make_agent("parts")


@pytest.fixture
def http(stack, account) -> Iterator[Http]:
    with Http(stack.http_port, account.api_key, timeout=60) as connection:
        yield connection


def head(agent: str, *fields: str) -> bytes:
    text = "".join(f"{f}\n" for f in (f"From: {SENDER}", f"To: {agent}", "Subject: x", *fields))
    return text.encode("latin-1")


def mail(agent: str, **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, agent, "x"
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.fixture
def deliver(stack, http, agent) -> Callable[..., dict]:
    """deliver(EmailMessage or bytes) -> the detail of the mail, left unread."""
    def run(message: EmailMessage | bytes) -> dict:
        data = message if isinstance(message, bytes) else message.as_bytes()
        data = re.sub(rb"\r?\n", b"\r\n", data)
        since = stack.part("deliverd").log_mark()
        assert stack.send(SENDER, agent, data).code == 250
        line = stack.wait_for_log("deliverd", "mail_stored", since)
        return detail(http, agent, line.partition("message_id=")[2].split()[0])

    return run


def path_of(agent: str, message_id: str) -> str:
    return f"/api/v1/agents/{agent}/messages/{message_id}"


def detail(http: Http, agent: str, message_id: str) -> dict:
    answer = http.request("GET", path_of(agent, message_id) + "?peek=1")
    assert answer.status == 200, answer.text
    return answer.json


def fetch(http: Http, agent: str, message: dict, index: int | str) -> Answer:
    return http.request("GET", f"{path_of(agent, message['message_id'])}/attachments/{index}")


def test_a_mail_with_everything_is_taken_apart(deliver, http, agent):
    inner = mail(agent)
    inner.set_content("inner\n")
    message = mail(agent)
    message.set_content("Gr\u00fc\u00dfe\n")
    message.add_alternative("<p>Gr\u00fc\u00dfe <img src='cid:a@b'></p>\n", subtype="html")
    message.get_payload()[1].add_related(PNG, maintype="image", subtype="png", cid="<a@b>")
    message.add_attachment("notes \u20ac\n", filename="notes.txt")
    message.add_attachment(PNG * 9, maintype="application", subtype="pdf",
                           filename="\u65e5\u672c\u8a9e.pdf")
    message.add_attachment(inner)
    got = deliver(message)
    assert got["text"] == "Gr\u00fc\u00dfe\n"
    assert got["html"] == "<p>Gr\u00fc\u00dfe <img src='cid:a@b'></p>\n"
    assert not (got["text_truncated"] or got["html_truncated"] or got["attachments_truncated"])
    image, notes, pdf, forwarded = got["attachments"]
    assert image == {"index": 0, "filename": None, "content_type": "image/png", "charset": None,
                     "size": len(PNG), "disposition": "inline", "content_id": "a@b", "inline": True}
    assert (notes["filename"], notes["content_type"], notes["charset"], notes["inline"]) \
        == ("notes.txt", "text/plain", "utf-8", False)
    assert (pdf["filename"], pdf["size"]) == ("\u65e5\u672c\u8a9e.pdf", 9 * len(PNG))
    assert (forwarded["content_type"], forwarded["index"]) == ("message/rfc822", 3)
    assert fetch(http, agent, got, 0).body == PNG
    assert fetch(http, agent, got, 1).body == "notes \u20ac\r\n".encode()
    assert fetch(http, agent, got, 2).body == PNG * 9
    assert b"inner" in fetch(http, agent, got, 3).body
    assert detail(http, agent, got["message_id"])["status"] == "unread"


def test_the_bytes_come_as_a_file_and_never_as_a_page(deliver, http, agent):
    message = mail(agent)
    message.set_content("x")
    message.add_attachment("<script>alert(1)</script>", subtype="html", filename="a.html")
    message.add_attachment(b"x", maintype="image", subtype="svg+xml")
    got = deliver(message)
    answer = fetch(http, agent, got, 0)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.html"'
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(got["attachments"][0]["size"])
    assert fetch(http, agent, got, 1).headers["content-disposition"] == "attachment"


NAMES = [
    ("a b.txt", "a b.txt"),
    ("\u65e5\u672c.pdf", "\u65e5\u672c.pdf"),
    ("../../etc/passwd", "_.._etc_passwd"),
    ("C:\\x\\y.exe", "C__x_y.exe"),
    (".bashrc", "bashrc"),
    ("a\u202egpj.exe", "agpj.exe"),
    ("quote\".txt", "quote\".txt"),
    ("semi;colon=%41.txt", "semi;colon=%41.txt"),
    ("\u00e9" * 300 + ".txt", "\u00e9" * 127),
]


@pytest.mark.parametrize("name, safe", NAMES, ids=range(len(NAMES)))
def test_a_file_name_is_safe_wherever_it_is_shown(deliver, http, agent, name, safe):
    message = mail(agent)
    message.set_content("x")
    message.add_attachment(b"x", maintype="a", subtype="b", filename=name)
    got = deliver(message)
    assert got["attachments"][0]["filename"] == safe
    value = fetch(http, agent, got, 0).headers["content-disposition"]
    assert re.fullmatch(r"attachment; filename=\"[ -!#-~]*\"(; filename\*=UTF-8''[!-~]*)?", value)
    extended = value.partition("filename*=UTF-8''")[2]
    assert unquote(extended) == safe if extended else f'"{safe}"' in value


def test_a_name_may_be_written_in_old_ways(deliver, agent):
    fields = ['Content-Disposition: attachment; filename="=?koi8-r?B?8NLJ18XU?=.txt"',
              "Content-Type: a/b; name*0*=iso-8859-1'de'gr%FC; name*1=\"sse.txt\"",
              'Content-Disposition: attachment; filename="gr\xfc\xdfe.txt"',
              "Content-Disposition: attachment; filename=no quotes.txt"]
    body = "".join(f"--b\n{f}\n\nx\n" for f in fields).encode("latin-1")
    got = deliver(head(agent, "Content-Type: multipart/mixed; boundary=b") + b"\n" + body)
    assert [a["filename"] for a in got["attachments"]] \
        == ["\u041f\u0440\u0438\u0432\u0435\u0442.txt", "gr\u00fcsse.txt", "gr\u00fc\u00dfe.txt",
            "no quotes.txt"]


CHARSETS = [
    ("koi8-r", "\u041f\u0440\u0438\u0432\u0435\u0442".encode("koi8-r"), "\u041f\u0440\u0438\u0432\u0435\u0442"),
    ("gb18030", "\u4f60\u597d\U0001f600".encode("gb18030"), "\u4f60\u597d\U0001f600"),
    ("iso-2022-jp", "\u65e5\u672c\u8a9e".encode("iso-2022-jp"), "\u65e5\u672c\u8a9e"),
    ("shift_jis", "\u65e5\u672c".encode("shift_jis"), "\u65e5\u672c"),
    ("big5", "\u4f60\u597d".encode("big5"), "\u4f60\u597d"),
    ("euc-kr", "\ud55c\uad6d".encode("euc-kr"), "\ud55c\uad6d"),
    ("utf-7", "\u00e9 \U0001f4a9".encode("utf-7"), "\u00e9 \U0001f4a9"),
    ("utf-16", "h\u00e9\r\n".encode("utf-16"), "h\u00e9\n"),
    ("iso-8859-1", b"\x80 caf\xe9", "\u20ac caf\u00e9"),
    ("x-unknown", b"caf\xe9 caf\xc3\xa9", "caf\u00e9 caf\u00e9"),
    ("utf-8", b"lies: \xe9\x00 \xc3\xa9", "lies: \u00e9 \u00e9"),
    ("us-ascii", b"\xf0\x9f\x92\xa9", "\U0001f4a9"),
    ("utf-8//TRANSLIT", b"x", "x"),
    ("\"; x=\"", b"x", "x"),
]
# NUL does not go as 8bit (RFC 6152).
TEXTS = [(*row, encoding) for row in CHARSETS for encoding in ("base64", "8bit")
         if encoding == "base64" or 0 not in row[1]]


@pytest.mark.parametrize("charset, data, text, encoding", TEXTS)
def test_text_is_utf8_whatever_it_was(deliver, agent, charset, data, text, encoding):
    body = base64.encodebytes(data) if encoding == "base64" else data + b"\n"
    got = deliver(head(agent, f"Content-Type: text/plain; charset={charset}",
                       f"Content-Transfer-Encoding: {encoding}") + b"\n" + body)
    assert got["text"].rstrip("\n") == text.rstrip("\n")


BROKEN = {
    "no_boundary": (["Content-Type: multipart/mixed"], b"--b\n\nx\n", "--b\n\nx\n", 0),
    "boundary_unused": (["Content-Type: multipart/mixed; boundary=b"], b"x\n", None, 0),
    "no_end": (["Content-Type: multipart/mixed; boundary=b"], b"--b\n\nx", "x\n", 0),
    "header_without_body": (["Content-Type: multipart/mixed; boundary=b"],
                            b"--b\nContent-Type: a/b\n--b\n\nx\n--b--\n", "x", 1),
    "broken_base64": (["Content-Transfer-Encoding: base64"], b"aGVs*bG8\n", "hello", 0),
    "broken_qp": (["Content-Transfer-Encoding: quoted-printable"], b"a=zz=41=\n", "a=zzA", 0),
    "bogus_encoding": (["Content-Transfer-Encoding: 42"], b"x\n", "x\n", 0),
    "bogus_type": (["Content-Type: @@@"], b"x\n", None, 1),
    "two_types": (["Content-Type: text/html", "Content-Type: text/plain"], b"x\n", None, 0),
    "only_a_file": (["Content-Type: application/pdf", "Content-Disposition: attachment"], b"x\n",
                    None, 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_costs_only_itself(deliver, http, agent, name):
    fields, body, text, attachments = BROKEN[name]
    got = deliver(head(agent, *fields) + b"\n" + body)
    assert got["text"] == text
    assert len(got["attachments"]) == attachments
    for a in got["attachments"]:
        assert len(fetch(http, agent, got, a["index"]).body) == a["size"]


def test_text_around_a_file_is_joined(deliver, agent):
    body = (b"--b\n\none\n--b\nContent-Type: image/png\n\nP\n--b\n\ntwo\n--b\n"
            b"Content-Type: text/html\n\n<p>\n--b--\n")
    got = deliver(head(agent, "Content-Type: multipart/mixed; boundary=b") + b"\n" + body)
    assert (got["text"], got["html"]) == ("one\ntwo", "<p>")


def test_five_hundred_attachments_are_all_there(deliver, http, agent):
    message = mail(agent)
    message.set_content("x")
    for i in range(500):
        message.add_attachment(f"{i}".encode() * 99, maintype="a", subtype="b", filename=f"{i}.bin")
    got = deliver(message)
    assert [a["filename"] for a in got["attachments"]] == [f"{i}.bin" for i in range(500)]
    assert not got["attachments_truncated"]
    for i in (0, 250, 499):
        assert fetch(http, agent, got, i).body == f"{i}".encode() * 99


def test_more_parts_than_are_looked_at_are_owned_up_to(deliver, http, agent):
    body = b"--b\n\nx\n" * 100000
    got = deliver(head(agent, "Content-Type: multipart/mixed; boundary=b") + b"\n" + body)
    assert got["attachments_truncated"] and got["text"].startswith("x\nx\n")
    assert fetch(http, agent, got, 1000).status == 404


def test_deep_nesting_ends_in_one_attachment(deliver, http, agent):
    body = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i)
                    for i in range(1, 5000))
    got = deliver(head(agent, "Content-Type: multipart/mixed; boundary=b0") + b"\n--b0\n" + body)
    only, = got["attachments"]
    assert only["content_type"] == "multipart/mixed"
    answer = fetch(http, agent, got, 0)
    assert answer.status == 200 and len(answer.body) == only["size"]


@pytest.mark.parametrize("index", ["1", "-1", "+0", "x", "00000", "99999999999999999999", "%00", "0%2F",
                                   "1e0"])
def test_an_attachment_that_is_not_there_is_absent(deliver, http, agent, index):
    message = mail(agent)
    message.set_content("x")
    message.add_attachment(b"x", maintype="a", subtype="b")
    got = deliver(message)
    answer = fetch(http, agent, got, index)
    if index == "00000":
        assert answer.body == b"x"
    elif index == "0%2F":
        assert (answer.status, answer.text) == (404, "404 page not found\n")
    else:
        assert (answer.status, answer.text) == (404, "attachment not found\n")


def test_attachments_are_only_for_those_who_may_read_the_mail(deliver, http, agent, stack, account,
                                                              strange_api, make_agent, nobody):
    message = mail(agent)
    message.set_content("x")
    message.add_attachment(b"x", maintype="a", subtype="b")
    got = deliver(message)
    target = f"{path_of(agent, got['message_id'])}/attachments/0"
    assert nobody.request("GET", target).status == 401
    assert strange_api.get(target) == (404, "agent not found: agent not found\n")
    assert fetch(http, make_agent(), got, 0).text == "message not found\n"
    absent = path_of(agent, "msg_" + "0" * 32) + "/attachments/0"
    assert http.request("GET", absent).text == "message not found\n"


@pytest.fixture
def nobody(stack) -> Iterator[Http]:
    with Http(stack.http_port) as connection:
        yield connection


def test_the_header_is_told(deliver, agent):
    message = mail(agent, Date="Thu, 15 Jan 2026 11:30:00 +0100", Message_ID="<m@x>",
                   In_Reply_To="<a@x> (comment)", References="<r1@x> <r2@x> junk <r3@x>",
                   Auto_Submitted="auto-generated", Precedence="bulk",
                   List_Id="The List <list.example>", List_Post="NO",
                   List_Unsubscribe="<https://x.example/u?a=1,2>, <mailto:u@x.example>")
    message.set_content("x")
    got = deliver(message)
    assert (got["date"], got["email_message_id"]) == ("2026-01-15T10:30:00Z", "<m@x>")
    assert (got["in_reply_to"], got["references"]) == ("<a@x>", ["<r1@x>", "<r2@x>", "<r3@x>"])
    assert (got["auto_submitted"], got["precedence"]) == ("auto-generated", "bulk")
    assert got["list"] == {"id": "list.example", "post": [],
                           "unsubscribe": ["https://x.example/u?a=1,2", "mailto:u@x.example"]}
    assert set(got["authentication"]) == {"verdict", "spf", "dkim", "dmarc"}


def test_a_header_that_says_nothing_gives_nulls(deliver, agent):
    got = deliver(head(agent, "Date: never", "References: none", "List-Id:") + b"\nx\n")
    for name in ("date", "in_reply_to", "auto_submitted", "precedence", "list"):
        assert got[name] is None, name
    assert got["references"] == []


def test_more_than_a_mebibyte_of_text_is_cut_and_says_so(deliver, agent):
    message = mail(agent)
    message.set_content("\u20ac" * 400000)
    message.add_alternative("<" * MIB, subtype="html")
    got = deliver(message)
    assert got["text_truncated"] and got["text"] == "\u20ac" * (MIB // 3)
    assert got["html_truncated"] and got["html"] == "<" * MIB


def test_a_large_attachment_comes_whole(deliver, http, agent):
    data = os.urandom(LARGE)
    message = mail(agent)
    message.set_content("see below\n")
    message.add_attachment(data, maintype="application", subtype="zip", filename="x.zip")
    message.add_attachment(b"behind", maintype="a", subtype="b")
    got = deliver(message)
    assert got["text"] == "see below\n"
    assert [a["size"] for a in got["attachments"]] == [len(data), 6]
    assert hashlib.sha256(fetch(http, agent, got, 0).body).digest() == hashlib.sha256(data).digest()
    assert fetch(http, agent, got, 1).body == b"behind"
    raw = base64.b64decode(got["raw_message"])
    assert got["auth_headers"]["X-E2A-Auth-Body-Hash"] == hashlib.sha256(raw).hexdigest()
    answer = http.request("GET", path_of(agent, got["message_id"]))
    assert answer.json["status"] == "read"
    assert detail(http, agent, got["message_id"])["status"] == "read"


CLIENTS = 16
GROWTH_MAX_KB = 120 * 1024  # 16 mails of 9 MB are 144 MB, and 192 MB in base64


def test_many_large_mails_at_once_do_not_fill_the_memory(deliver, stack, account, agent):
    message = mail(agent)
    message.set_content("<" * MIB)
    message.add_attachment(os.urandom(LARGE - MIB), maintype="a", subtype="b")
    got = deliver(message)
    target = path_of(agent, got["message_id"])
    sizes: list[int] = []

    def read(apid, path: str) -> None:
        with Http(apid.port, account.api_key, timeout=120, receive_buffer=65536) as connection:
            answer = connection.request("GET", path)
            assert answer.status == 200
            sizes.append(len(answer.body))

    with second_apid(stack, 31) as apid:
        read(apid, target)
        before = apid.resident_kb()
        highest = before
        for path in (target, target + "/attachments/0"):
            threads = [threading.Thread(target=read, args=(apid, path)) for _ in range(CLIENTS)]
            for t in threads:
                t.start()
            while any(t.is_alive() for t in threads):
                highest = max(highest, apid.resident_kb())
                threads[0].join(0.02)
        assert len(sizes) == 1 + 2 * CLIENTS
        print(f"{before} kB before, {highest} kB at most")
        assert highest - before < GROWTH_MAX_KB
