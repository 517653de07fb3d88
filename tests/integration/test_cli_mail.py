# SPDX-License-Identifier: Apache-2.0
"""The command e2a: inbox, read, reply, send. The real program against the real daemons, and
against servers that lie or know less."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage

import pytest

from scripts.stack.part import wait_until
from tests.integration.command import (ABSENT, DONE, FAILED, LATER, PIPE, USAGE, Command)
from tests.integration.outbound import Author, address
from tests.integration.rogue import OK, Listener, answer

SENDER = "alice@sender.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
MSGID = re.compile(r"Sent: <[^<> ]+@[^<> ]+>\n")


@pytest.fixture
def e2a(build, stack, account, author, tmp_path) -> Command:
    """As the agent `author`."""
    command = Command(build, tmp_path, stack.url, account.api_key)
    command.write_config(agent_email=author.address)
    return command


@pytest.fixture
def deliver(stack, author) -> Callable[[EmailMessage | bytes], str]:
    """deliver(mail) -> the id that it got at `author`."""
    def run(message: EmailMessage | bytes) -> str:
        data = message if isinstance(message, bytes) else message.as_bytes()
        since = stack.part("deliverd").log_mark()
        data = re.sub(rb"\r?\n", b"\r\n", data)
        assert stack.send(SENDER, author.address, data).code == 250
        line = stack.wait_for_log("deliverd", "mail_stored", since)
        return line.partition("message_id=")[2].split()[0]

    return run


def head(*fields: str, subject: str = "x") -> bytes:
    lines = (f"From: Alice <{SENDER}>", "To: bot@agents.example", f"Subject: {subject}",
             "Date: Thu, 15 Jan 2026 10:30:00 +0100", *fields)
    return "".join(f"{line}\n" for line in lines).encode() + b"\n"


def with_files(*files: tuple[str, bytes], text: str = "See the files.\n") -> bytes:
    """A mail with attachments whose names are written as they are."""
    parts = ["Content-Type: text/plain; charset=utf-8\n\n" + text]
    parts += [f"Content-Type: application/x-test\nContent-Disposition: attachment; "
              f"filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n"
              f"{base64.encodebytes(data).decode()}" for name, data in files]
    body = "".join(f"--b\n{part}\n" for part in parts)
    return head("Content-Type: multipart/mixed; boundary=b") + body.encode() + b"--b--\n"


# ---- inbox ----

def test_an_inbox_is_listed_in_pages(e2a, author, deliver):
    assert e2a.run("inbox").out == "No messages.\n"
    assert e2a.run("inbox", "--json").json["messages"] == []
    first, second = deliver(head(subject="One") + b"a\n"), deliver(head(subject="Two") + b"b\n")
    listed = e2a.run("inbox").out.splitlines()
    assert listed[0].split() == ["ID", "FROM", "SUBJECT", "TIME"]
    assert [line.split()[0] for line in listed[1:3]] == [first, second]
    assert SENDER in listed[1] and " One " in listed[1]
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", listed[1])
    assert listed[3:] == ["", "2 messages"]
    page = e2a.run("inbox", "--limit", "1").out
    token = page.rsplit("--token ", 1)[1].strip()
    assert "\n1 message; there are more: --token " in page
    assert [m["message_id"] for m in e2a.run("inbox", "--limit=1", f"--token={token}",
                                             "--json").json["messages"]] == [second]
    e2a.run("read", first)
    assert [m["message_id"] for m in e2a.run("inbox", "--unread", "--json").json["messages"]] == \
        [second]
    assert [m["message_id"] for m in e2a.run("inbox", "--read", "--json").json["messages"]] == \
        [first]


def test_another_agent_is_named(e2a, author, make_author, stack):
    other = make_author()
    slug = other.address.partition("@")[0]
    for name in (other.address, slug):
        assert e2a.run("inbox", "--agent", name).out == "No messages.\n"
    e2a.refused("inbox", "--agent", "nobody-at-all", status=ABSENT, text="agent not found")


@pytest.mark.parametrize("argv, text", [
    (["inbox", "--unread", "--read"], "exclude each other"),
    (["inbox", "--limit", "0"], "--limit must be a number"),
    (["inbox", "--limit", "101"], "--limit must be a number"),
    (["inbox", "extra"], "unexpected argument: extra"),
    (["read"], "<id> is missing"),
    (["read", ""], "the id is empty"),
    (["read", "x", "--raw", "--save", "d"], "exclude each other"),
    (["read", "x", "--raw", "--json"], "exclude each other"),
    (["reply", "x"], "--body or --body-file is missing"),
    (["reply", "x", "--body", "a", "--body-file", "b"], "exclude each other"),
    (["send", "--subject", "s", "--body", "b"], "--to is missing"),
    (["send", "--to", "a@far.example", "--body", "b"], "--subject is missing"),
    (["send", "--to", "a@far.example", "--subject", "s"], "--body or --body-file is missing"),
    (["send", "--to", "a@far.example", "--subject", "s", "--body-file=-", "--html-body-file=-"],
     "only one text can come from standard input"),
])
def test_wrong_usage_is_told(e2a, argv, text):
    e2a.refused(*argv, status=USAGE, text=text)


def test_a_token_of_another_list_is_refused(e2a):
    e2a.refused("inbox", "--token", "nonsense", text="invalid pagination token (HTTP 400)")


# ---- read ----

def test_a_mail_is_read_decoded(e2a, deliver):
    mail = EmailMessage()
    mail["From"], mail["To"] = f"J\u00fcrgen <{SENDER}>", "bot@agents.example"
    mail["Cc"], mail["Subject"] = "c@far.example", "Gr\u00fc\u00dfe aus K\u00f6ln"
    mail["Date"] = "Thu, 15 Jan 2026 10:30:00 +0100"
    mail.set_content("Stra\u00dfe\nzwei\n", charset="iso-8859-1", cte="quoted-printable")
    mail.add_alternative("<p>HTML</p>", subtype="html")
    identifier = deliver(mail)
    assert e2a.run("read", identifier).out == (
        f"From: J\u00fcrgen <{SENDER}>\nTo: bot@agents.example\nCc: c@far.example\n"
        "Subject: Gr\u00fc\u00dfe aus K\u00f6ln\nDate: Thu, 15 Jan 2026 10:30:00 +0100\n"
        "Verified: no\n\nStra\u00dfe\nzwei\n")
    told = e2a.run("read", "--json", identifier).json
    assert (told["status"], told["subject"]) == ("read", "Gr\u00fc\u00dfe aus K\u00f6ln")
    assert (told["text"], told["html"]) == ("Stra\u00dfe\nzwei\n", "<p>HTML</p>\n")
    assert told["date"] == "2026-01-15T09:30:00Z" and told["attachments"] == []
    assert "raw_message" not in told


def test_mail_that_is_html_alone_is_readable(e2a, deliver):
    identifier = deliver(head("Content-Type: text/html; charset=utf-8") +
                         b"<style>p{color:red}</style><script>alert(1)</script><p>Dear&nbsp;bot,</p>"
                         b"<p>see <a href='https://x.example/?a&amp;b'>here</a></p>")
    text = e2a.run("read", identifier).out.partition("\n\n")[2]
    assert text == "Dear bot,\n\nsee here <https://x.example/?a&b>\n"


def test_the_bytes_are_printed_as_they_came(e2a, author, deliver):
    identifier = deliver(head("X-Odd: \x1b[31m") + b"\xff\x1b[2Jraw\n")
    raw = base64.b64decode(author.detail(identifier)["raw_message"])
    assert b"\xff\x1b[2Jraw\r\n" in raw
    assert e2a.run("read", "--raw", identifier).raw == raw


def test_a_mail_that_is_not_there_is_absent(e2a, strange_author):
    e2a.refused("read", "msg_" + "0" * 32, status=ABSENT, text="message not found (HTTP 404)")
    e2a.refused("read", "../../../../api/health", status=ABSENT)
    e2a.refused("read", "x", "--agent", strange_author.address, status=ABSENT)


HOSTILE = ("\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u202c\u2066x\u2069\u200b\ufeff\x9b31m"
           "\u2028line \u0007bell\r\nBcc: x\x7f")


def test_nothing_of_a_stranger_reaches_the_terminal(e2a, deliver):
    coded = base64.b64encode(HOSTILE.encode()).decode()
    word = f"=?utf-8?b?{coded}?="
    identifier = deliver(
        head(f"Cc: {word} <c@far.example>", "Content-Type: multipart/mixed; boundary=b",
             subject=word) +
        b"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
        coded.encode() + b"\n--b\nContent-Type: image/png; name=\"" + word.encode() +
        b"\"\n\nPNG\n--b--\n")
    for argv in (["read", identifier], ["inbox"], ["read", identifier, "--json"], ["inbox", "--json"]):
        told = e2a.run(*argv).out
        odd = [c for c in told if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0 or
               c in "\u202e\u202c\u2066\u2069\u200b\ufeff\u2028"]
        assert not odd, (argv, odd)
    told = e2a.run("read", identifier).out
    assert "<U+001B>" in told and "<U+202E>gnp.exe" in told
    header, _, text = told.partition("\n\n")
    assert not re.search("^Bcc:", header, re.M), "a subject makes no header line"
    assert text.startswith("<U+001B>]0;owned<U+0007>")


BROKEN = {
    "no boundary": head("Content-Type: multipart/mixed") + b"text\n",
    "open boundary": head("Content-Type: multipart/mixed; boundary=\"b") + b"--b\n\ntext\n",
    "bad base64": head("Content-Transfer-Encoding: base64") + b"dGV4dA=!!=\n",
    "no such charset": head("Content-Type: text/plain; charset=x-none") + b"text\n",
    "no such type": head("Content-Type: ;;;=") + b"text\n",
    "only a subject": b"Subject: text\n\ntext\n",
    "nested": head("Content-Type: multipart/mixed; boundary=b0") + b"".join(
        b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (i, i + 1)
        for i in range(200)) + b"--b200\n\ntext\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_mail_is_shown_as_far_as_it_goes(e2a, deliver, name):
    identifier = deliver(BROKEN[name])
    told = e2a.run("read", identifier).out
    assert "text" in told or name == "nested", told
    assert e2a.run("read", identifier, "--json").json["message_id"] == identifier


def test_charsets_that_lie_give_text(e2a, deliver):
    for charset, data, want in (("utf-8", b"Gr\xfc\xdfe", "Gr\u00fc\u00dfe"),
                                ("iso-8859-1", "\u20ac".encode("cp1252"), "\u20ac"),
                                ("utf-16", b"\xff", "\ufffd"), ("x\0y", b"ok", "ok")):
        identifier = deliver(head(f"Content-Type: text/plain; charset=\"{charset}\"",
                                  "Content-Transfer-Encoding: base64") + base64.b64encode(data))
        assert e2a.run("read", identifier).out.partition("\n\n")[2] == want + "\n"


def test_a_text_of_ten_megabytes_is_read_whole(e2a, deliver):
    line = b"0123456789abcdef" * 4 + b"\n"
    text = line * (9_300_000 // len(line))
    identifier = deliver(head() + text)
    got = e2a.run("read", identifier)
    assert got.raw.partition(b"\n\n")[2] == text
    assert e2a.run("read", "--json", identifier).json["text"].encode() == text
    # head -1
    process = e2a.start("read", identifier)
    assert process.stdout.readline().startswith(b"From: ")
    process.stdout.close()
    assert (process.wait(30), process.stderr.read()) == (PIPE, b"")
    process.stderr.close()
    with open("/dev/full", "wb") as full:
        process = e2a.start("read", identifier, stdout=full)
        assert b"Error: " in process.communicate(timeout=30)[1]
        assert process.returncode == FAILED


# ---- read --save ----

NAMES = {
    "plain.bin": "plain.bin", "../up.bin": "_up.bin", "/etc/passwd": "_etc_passwd", "..": None,
    "": None, ".hidden": "hidden", "-rf": "_-rf", "con.txt": "_con.txt", "a" * 300: "a" * 255,
}


def test_attachments_get_names_that_do_no_harm(e2a, deliver, tmp_path):
    files = [(name, f"{i}".encode()) for i, name in enumerate(NAMES)]
    files += [("same.txt", b"first"), ("same.txt", b"second"), ("same.txt", PNG)]
    identifier = deliver(with_files(*files))
    folder = tmp_path / "files"
    told = e2a.run("read", identifier, "--save", str(folder)).out
    saved = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(saved) == len(files) == told.count("Saved: ")
    for (name, data), want in zip(files, NAMES.values()):
        if want:
            assert saved[want] == data, name
    assert (saved["same.txt"], saved["same-2.txt"], saved["same-3.txt"]) == (b"first", b"second", PNG)
    assert sum(name.startswith("attachment-") for name in saved) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".e2a", "files"]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o111 == 0 for path in folder.iterdir())


def test_what_is_there_is_never_replaced(e2a, deliver, tmp_path):
    identifier = deliver(with_files(("a.txt", b"new"), ("b.txt", b"new")))
    folder, outside = tmp_path / "files", tmp_path / "outside"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    (folder / "b.txt").symlink_to(outside)
    got = e2a.run("read", identifier, f"--save={folder}", "--json").json
    assert [f["saved_as"] for f in got["attachments"]] == ["a-2.txt", "b-2.txt"]
    assert [f["size"] for f in got["attachments"]] == [3, 3]
    assert (folder / "a.txt").read_text() == "old" and not outside.exists()
    assert (folder / "a-2.txt").read_text() == (folder / "b-2.txt").read_text() == "new"


def test_a_full_disk_leaves_no_half_file(e2a, deliver, tmp_path):
    identifier = deliver(with_files(("small.bin", b"x" * 1000), ("large.bin", b"x" * 2_000_000)))
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["/usr/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
                   check=True)
    try:
        result = e2a.run("read", identifier, "--save", str(folder), status=FAILED)
        assert "large.bin: No space left on device" in result.err
        assert result.out.endswith("\n\nSee the files.\n") and "small.bin" in result.out
        assert [path.name for path in folder.iterdir()] == ["small.bin"]
    finally:
        subprocess.run(["/usr/bin/umount", str(folder)], check=True)


@pytest.mark.parametrize("folder", ["/dev/null", "/proc/new", "/dev/null/x"])
def test_a_folder_that_cannot_be_is_named(e2a, deliver, folder):
    result = e2a.run("read", deliver(with_files(("a", b"b"))), "--save", folder, status=FAILED)
    assert f"Error: {folder}: " in result.err


def test_five_hundred_attachments_are_listed_and_saved(e2a, deliver, tmp_path):
    identifier = deliver(with_files(*[("same.txt", b"%d" % i) for i in range(500)]))
    told = e2a.run("read", identifier).out
    assert "Attachments: 500 (same.txt, " in told and told.count("same.txt") == 10
    assert len(e2a.run("read", identifier, "--json").json["attachments"]) == 500
    folder = tmp_path / "files"
    e2a.run("read", identifier, "--save", str(folder))
    assert sorted(int(p.read_bytes()) for p in folder.iterdir()) == list(range(500))


# ---- send and reply ----

def sent(author: Author) -> list[dict]:
    status, answer = author.api.get(f"{author.path}/sent?page_size=100")
    assert status == 200, answer
    return answer["messages"]


def mail_of(world, to: str) -> EmailMessage:
    return wait_until(f"a mail to {to}", lambda: next(iter(world.mails_to(to)), None)).parsed


def test_a_mail_is_sent_with_all_that_it_can_have(e2a, author, world, tmp_path):
    to, copy, hidden = address(), address(), address()
    html, png, odd = tmp_path / "body.html", tmp_path / "a.png", tmp_path / "Gr\u00fc\u00dfe $x.dat"
    html.write_text("<p>Gr\u00fc\u00dfe")
    png.write_bytes(PNG)
    odd.write_bytes(b"\0" * 100_000)
    result = e2a.run("send", "--to", to, f"--cc={copy}", "--bcc", hidden, "--subject",
                     "\u20ac: =?x", "--body-file", "-", f"--html-body-file={html}", "--attach",
                     str(png), "--attach", str(odd), "--conversation", "c-1",
                     stdin="-- \nStra\u00dfe\n".encode())
    assert MSGID.fullmatch(result.out), result
    message = mail_of(world, to)
    assert f"Sent: {message['Message-ID']}\n" == result.out
    assert (message["Subject"], message["Cc"]) == ("\u20ac: =?x", copy)
    assert message["X-E2A-Conversation-Id"] == "c-1" and not message["Bcc"]
    assert message.get_body(("plain",)).get_content().replace("\r", "") == "-- \nStra\u00dfe\n"
    assert message.get_body(("html",)).get_content().strip() == "<p>Gr\u00fc\u00dfe"
    files = [(part.get_filename(), part.get_content_type(), part.get_content())
             for part in message.iter_attachments()]
    assert files == [("a.png", "image/png", PNG),
                     (odd.name, "application/octet-stream", b"\0" * 100_000)]
    mail_of(world, hidden)
    assert e2a.run("send", "--to", to, "--subject=s", "--body=b", "--json").json["status"] == "sent"


def test_a_reply_goes_to_whom_it_should(e2a, author, deliver, world):
    other = address()
    identifier = deliver(f"From: {SENDER}\nTo: {author.address}, {other}\nSubject: Hi\n"
                         f"Reply-To: {other}\nMessage-ID: <q@sender.example>\n\nHow?\n".encode())
    copy = address()
    assert MSGID.fullmatch(e2a.run("reply", identifier, "--body", "So.", "--cc", copy).out)
    message = mail_of(world, copy)
    assert (message["To"], message["Subject"]) == (other, "Re: Hi")
    assert message["In-Reply-To"] == "<q@sender.example>"
    last = address()
    e2a.run("reply", "--reply-all", "--bcc", last, "--html-body=<b>So.", "--body=So.", identifier)
    assert mail_of(world, last)["To"] == other
    e2a.refused("reply", "msg_" + "0" * 32, "--body", "x", status=ABSENT, text="message not found")


def test_a_held_mail_says_so(e2a, author):
    author.api.call("PUT", author.path, {"hitl_enabled": True})
    result = e2a.run("send", "--to", address(), "--subject", "s", "--body", "b")
    assert re.fullmatch(r"Waiting for approval: msg_[0-9a-f]{32} \(until [0-9T:-]{19}Z\)\n",
                        result.out)


def test_the_only_agent_needs_no_name(build, stack, tmp_path, world):
    user = stack.bootstrap(f"only{os.urandom(4).hex()}@other.example")
    e2a = Command(build, tmp_path, stack.url, user.api_key)
    argv = ("send", "--to", address(), "--subject", "s", "--body", "b")
    e2a.refused(*argv, text="from field required (no agents found)")
    e2a.run("agents", "register", f"only{os.urandom(4).hex()}")
    e2a.config and e2a.file.unlink()
    assert MSGID.fullmatch(e2a.run(*argv).out)


def test_what_the_server_refuses_is_told_as_it_says(e2a, author):
    argv = ("send", "--subject", "s", "--body", "b", "--to")
    e2a.refused(*argv, "nobody", text='invalid To address: "nobody"')
    e2a.refused(*argv, author.address, text="no valid recipients")
    e2a.refused("send", "--subject=", "--body=b", "--to=a@far.example", text="subject and body")
    for odd in (b"--subject", b"--body", b"--to", b"--cc", b"--conversation"):
        e2a.refused("send", "--to=a@far.example", "--subject=s", "--body=b", odd, b"\xff",
                    status=USAGE, text=f"{odd.decode()} is not UTF-8")
    assert sent(author) == []


@pytest.mark.parametrize("make, text", [
    (lambda p: None, "No such file or directory"),
    (lambda p: p.mkdir(), "not a regular file"),
    (lambda p: os.mkfifo(p), "not a regular file"),
    (lambda p: p.symlink_to("/dev/zero"), "not a regular file"),
    (lambda p: p.symlink_to("/dev/tty"), ""),
    (lambda p: p.symlink_to(p), "Too many levels of symbolic links"),
    (lambda p: os.truncate(os.open(p, os.O_CREAT | os.O_WRONLY), 1 << 40), "too much for one mail"),
    (lambda p: p.write_bytes(bytes(19_700_000)), "too much for one mail"),
], ids=["absent", "folder", "FIFO", "endless", "terminal", "loop", "terabyte", "20 MB"])
def test_a_file_that_cannot_go_is_named_before_anything_is_sent(e2a, author, tmp_path, make, text):
    path = tmp_path / "file"
    make(path)
    e2a.refused("send", "--to", address(), "--subject", "s", "--body", "b", "--attach", str(path),
                text=text, timeout=20)
    assert sent(author) == []


def test_a_text_is_read_from_what_can_be_read(e2a, author, tmp_path):
    argv = ("send", "--to", address(), "--subject", "s", "--body-file")
    fifo, text = tmp_path / "fifo", tmp_path / "text"
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_text("from a FIFO\n"), daemon=True).start()
    e2a.run(*argv, str(fifo))
    text.write_bytes(b"Gr\xfc\xdfe")
    e2a.refused(*argv, str(text), text="text: the text is not UTF-8")
    e2a.refused(*argv, "-", stdin=b"a\0b", text="standard input: the text is not UTF-8")
    e2a.refused(*argv, "-", stdin=b"", text="subject and body are required")
    e2a.refused(*argv, str(tmp_path), text="Is a directory")
    e2a.refused(*argv, "/dev/zero", text="too much for one mail")
    assert len(sent(author)) == 1


def test_the_largest_request_goes_out(e2a, author, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(1 << 20) * 18)
    result = e2a.run("send", "--to", address(), "--subject", "s", "--body", "b", "--attach",
                     str(path))
    assert MSGID.fullmatch(result.out)


# ---- other servers ----

class Between(Listener):
    """Hands each request on to `port`, but answers only when `answers` says so: else the client
    sees the connection end after the server did its work."""

    def __init__(self, port: int, answers: Callable[[bytes], bool],
                 changed: Callable[[bytes], bytes] = lambda data: data):
        super().__init__(self.one)
        self.port, self.answers, self.changed = port, answers, changed
        self.requests: list[bytes] = []

    def one(self, connection: socket.socket) -> None:
        request = read_request(connection)
        if not request:
            return
        self.requests.append(request)
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as server:
            server.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            while more := server.recv(65536):
                answer += more
        if self.answers(request):
            connection.sendall(self.changed(answer))


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int((re.search(rb"(?i)\r\ncontent-length: *(\d+)", head) or [b"", b"0"])[1])
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def posts(between: Between) -> list[bytes]:
    return [request for request in between.requests if request.startswith(b"POST ")]


def test_a_lost_answer_never_sends_twice(e2a, stack, author):
    first: list[bytes] = []

    def answers(request: bytes) -> bool:
        if not request.startswith(b"POST "):
            return True
        first.append(request)
        return len(first) > 1

    with Between(stack.http_port, answers) as between:
        result = e2a.run("send", "--to", address(), "--subject", "s", "--body", "b",
                         env={"E2A_URL": between.url})
        keys = {re.search(rb"(?i)idempotency-key: *(\S+)", p)[1] for p in posts(between)}
    assert MSGID.fullmatch(result.out) and (len(posts(between)), len(keys)) == (2, 1)
    assert len(sent(author)) == 1


def test_a_server_without_such_keys_is_asked_once(e2a, stack, author):
    with Between(stack.http_port, lambda request: not request.startswith(b"POST "),
                 lambda data: data.replace(b'"idempotency_keys"', b'"something_else__"')) as between:
        result = e2a.refused("send", "--to", address(), "--subject", "s", "--body", "b",
                             env={"E2A_URL": between.url}, status=LATER)
    assert len(posts(between)) == 1 and len(sent(author)) == 1
    assert "may" in result.err, "it does not say that the mail may have been sent"


def test_a_server_that_hands_out_nothing_but_bytes_is_enough(e2a, stack, deliver):
    known = {"message_id", "from", "to", "cc", "recipient", "subject", "conversation_id", "status",
             "created_at", "auth_headers", "raw_message"}

    def less(data: bytes) -> bytes:
        head, _, body = data.partition(b"\r\n\r\n")
        body = json.dumps({k: v for k, v in json.loads(body).items() if k in known}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    identifier = deliver(with_files(("a.txt", b"data"), text="Gr\u00fc\u00dfe\n"))
    with Between(stack.http_port, lambda _: True, less) as between:
        env = {"E2A_URL": between.url}
        told = e2a.run("read", identifier, env=env).out
        assert told.endswith("\nAttachments: 1 (a.txt)\n\nGr\u00fc\u00dfe\n")
        assert e2a.run("read", identifier, "--json", env=env).json["attachments"] == [
            {"filename": "a.txt", "content_type": "application/x-test", "size": 4, "inline": False}]


@pytest.mark.parametrize("body, text", [
    (b'{"raw_message":"@@@@"}', "raw_message is no base64"),
    (b'{"raw_message":5,"subject":[]}', "has not kept what this mail says"),
    (b'[]', ""), (b'{"raw_message":null}', "has not kept"), (b"null", ""),
], ids=["no base64", "other types", "a list", "no bytes", "null"])
def test_answers_of_another_shape_are_told(e2a, body, text):
    whole = OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    with Listener(answer(whole)) as server:
        result = e2a.run("read", "x", status=None, env={"E2A_URL": server.url})
    assert result.status in (FAILED, ABSENT) and f"Error: " in result.err and text in result.err


# ---- progress ----

def on_terminal(command: Command, *argv: str, env: dict[str, str]) -> tuple[int, bytes]:
    """Its end, with standard error on a terminal; what it wrote there."""
    ours, theirs = pty.openpty()
    process = command.start(*argv, env=env, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    told = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            told += os.read(ours, 65536)
    except OSError:
        pass  # EIO: everybody has closed it
    os.close(ours)
    return process.wait(60), told


def slowly(connection: socket.socket) -> None:
    """3 MB over a second and a half."""
    body = b'{"raw_message":"' + base64.b64encode(bytes(2_250_000)) + b'"}'
    read_request(connection)
    connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 200_000):
        connection.sendall(body[at:at + 200_000])
        time.sleep(0.1)


def test_a_long_transfer_has_a_line_on_a_terminal_only(e2a):
    with Listener(slowly) as slow:
        status, told = on_terminal(e2a, "read", "x", env={"E2A_URL": slow.url})
        quiet = e2a.run("read", "x", env={"E2A_URL": slow.url})
    assert status == DONE and quiet.err == ""
    assert re.search(rb"\rReceiving [0-9.]+ MB of 3.0 MB, \d+ %, [0-9.]+ [KM]B/s\x1b\[K", told), told
    assert told.endswith(b"\r\x1b[K"), "the line stays"


def test_a_short_one_has_none(e2a, stack):
    assert on_terminal(e2a, "inbox", env={"E2A_URL": stack.url}) == (DONE, b"")
