# SPDX-License-Identifier: Apache-2.0
"""The command e2a: mail that waits for approval, with an editor that a test has written. The
real program against the real daemons."""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest

from scripts.stack.part import wait_until
from tests.integration.command import (ABSENT, CONFLICT, LATER, USAGE, Command)
from tests.integration.outbound import Author, address, attachment

TEXT = "Dear Alice,\n\nhere it is.\n"
HIDDEN = "pay \u202e001 \u2066now\u2069 \u200b<U+202E> \x1b[31m"


@pytest.fixture
def e2a(build, stack, account, tmp_path) -> Command:
    (tmp_path / "tmp").mkdir()
    return Command(build, tmp_path, stack.url, account.api_key, TMPDIR=str(tmp_path / "tmp"))


@pytest.fixture
def hold(author):
    """hold(**fields) -> the id of a mail that waits."""
    author.api.call("PUT", author.path, {"hitl_enabled": True})

    def run(**fields) -> str:
        status, answer = author.ask(**{"to": ["alice@far.example"], "subject": "Invoice",
                                       "body": TEXT, **fields})
        assert status == 202, answer
        return answer["message_id"]

    return run


def detail(author: Author, identifier: str) -> dict:
    status, answer = author.api.get(f"/api/v1/messages/{identifier}")
    assert status == 200, answer
    return answer


class Editor:
    """A program that does to its file what `code` says to `text`, and shows what it got."""

    def __init__(self, folder: Path, code: str, status: int = 0):
        self.program, self.seen = folder / "my editor", folder / "seen"
        self.program.write_text(
            "#!/usr/bin/python3\nimport os, re, sys\npath = sys.argv[-1]\n"
            f"with open({str(self.seen)!r}, 'w') as seen:\n"
            "    text = open(path).read()\n"
            "    seen.write('%o %s\\n%s' % (os.stat(path).st_mode & 0o7777, sys.argv[1:], text))\n"
            f"{code}\nopen(path, 'w').write(text)\nsys.exit({status})\n")
        self.program.chmod(0o755)
        self.env = {"EDITOR": f"'{self.program}' --wait"}

    @property
    def text(self) -> str:
        return self.seen.read_text().partition("\n")[2]


def left(e2a: Command) -> list[Path]:
    return list(Path(e2a.env["TMPDIR"]).iterdir())


def mail_of(world, to: str) -> EmailMessage:
    return wait_until(f"a mail to {to}", lambda: next(iter(world.mails_to(to)), None)).parsed


# ---- looking and deciding ----

def test_what_waits_is_listed_and_shown(e2a, author, hold):
    identifier = hold(cc=["c@far.example"], bcc=["b@far.example"], conversation_id="c-1",
                      html_body="<p>Dear <b>Alice</b>",
                      attachments=[attachment("a.pdf", "application/pdf", b"x" * 3000)])
    line, = [line for line in e2a.run("pending", "list").out.splitlines()
             if line.startswith(identifier)]
    assert author.address in line and "alice@far.example" in line and "Invoice" in line
    assert identifier in [m["id"] for m in e2a.run("pending", "list", "--json").json["messages"]]
    told = e2a.run("pending", "show", identifier).out
    header, text = told.split("\n\n", 1)
    lines = dict(line.split(": ", 1) for line in header.splitlines())
    assert (lines["Id"], lines["Status"], lines["Agent"]) == \
        (identifier, "pending_approval", author.address)
    assert (lines["To"], lines["Cc"], lines["Bcc"]) == \
        ("alice@far.example", "c@far.example", "b@far.example")
    assert (lines["Subject"], lines["Type"], lines["Conversation"]) == ("Invoice", "send", "c-1")
    assert lines["Attachment"] == "a.pdf (application/pdf, about 3.0 KB)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:]{8}Z", lines["Waits until"])
    assert text == f"{TEXT}\n---- its HTML version, as text ----\nDear Alice\n"
    assert e2a.run("pending", "show", identifier, "--json").json["body_text"] == TEXT


def test_a_list_goes_on_where_it_ended(build, stack, tmp_path):
    user = stack.bootstrap(f"pages{os.urandom(4).hex()}@other.example")
    e2a = Command(build, tmp_path, stack.url, user.api_key)
    assert e2a.run("pending", "list").out == "Nothing waits for approval.\n"
    assert e2a.run("pending", "list", "--json").json["messages"] == []
    e2a.run("agents", "register", f"p{os.urandom(4).hex()}")
    e2a.run("agents", "update", e2a.config["agent_email"], "--hitl")
    for subject in ("one", "two", "three"):
        e2a.run("send", "--to", "a@far.example", "--subject", subject, "--body", "b")
    seen, token = [], []
    for _ in range(2):
        out = e2a.run("pending", "list", "--limit", "2", *token).out
        seen += re.findall(r"^(msg_\S+)", out, re.M)
        token = ["--token", out.rsplit("--token ", 1)[-1].strip()]
    assert len(set(seen)) == len(seen) == 3
    assert "--token" not in out


def test_a_mail_is_approved_once(e2a, author, hold, world):
    to = address()
    identifier = hold(to=[to])
    out = e2a.run("pending", "approve", identifier).out
    message = mail_of(world, to)
    assert out == f"Approved: {identifier} \u2192 {message['Message-ID']}\n"
    for act in (["approve"], ["reject"], ["approve", "--edit"]):
        e2a.refused("pending", *act, identifier, status=CONFLICT,
                    text="message is not pending approval")
    assert e2a.run("pending", "approve", hold(), "--json").json["status"] == "sent"


def test_a_mail_is_rejected(e2a, author, hold):
    first, second = hold(), hold()
    assert e2a.run("pending", "reject", first, "--reason", "too \u20ac").out == \
        f"Rejected: {first}\n"
    assert detail(author, first)["rejection_reason"] == "too \u20ac"
    assert "\nReason: too \u20ac\n" in e2a.run("pending", "show", first).out
    assert e2a.run("pending", "reject", second, "--json").json == {
        "message_id": second, "status": "rejected", "rejection_reason": ""}


@pytest.mark.parametrize("act", ["show", "approve", "reject"])
def test_what_is_not_there_is_absent(e2a, act):
    e2a.refused("pending", act, "msg_" + "0" * 32, status=ABSENT, text="message not found")
    e2a.refused("pending", act, status=USAGE, text="<id> is missing")
    e2a.refused("pending", act, "", status=USAGE, text="the id is empty")


def test_a_key_of_the_agent_decides_nothing(build, stack, account, author, hold, tmp_path):
    key = stack.agent_key(account, author.address)
    e2a = Command(build, tmp_path, stack.url, key)
    e2a.refused("pending", "approve", hold(), status=ABSENT)


def test_nothing_of_an_agent_reaches_the_terminal(e2a, hold):
    identifier = hold(body=HIDDEN, html_body=f"<p>{HIDDEN}")
    told = e2a.run("pending", "show", identifier).out
    assert "pay <U+202E>001" in told and "<U+001B>[31m" in told
    assert not set(told) & set("\x1b\u202e\u2066\u200b")


# ---- editing ----

def test_a_mail_is_changed_in_the_editor(e2a, author, hold, world, tmp_path):
    to, copy = address(), address()
    identifier = hold(cc=["c@far.example"], bcc=["b@far.example"])
    editor = Editor(tmp_path, "text = text.replace('Invoice', 'Rechnung \u00fc').replace("
                    "'it is', 'is no more').replace('To: alice@far.example', "
                    f"'To: \"A, B\" <{to}>, {copy}').replace('Cc: c@far.example\\n', '')")
    out = e2a.run("pending", "approve", "--edit", identifier, env=editor.env).out
    message = mail_of(world, to)
    assert out == f"Approved: {identifier} \u2192 {message['Message-ID']} (with edits)\n"
    assert (message["Subject"], message["To"], message["Cc"]) == \
        ("Rechnung \u00fc", f"{to}, {copy}", None)
    assert message.get_content().replace("\r", "") == "Dear Alice,\n\nhere is no more.\n"
    mail_of(world, "b@far.example")
    mode, _, arguments = editor.seen.read_text().splitlines()[0].partition(" ")
    assert mode == "600" and arguments.startswith("['--wait', '") and left(e2a) == []
    assert author.address in editor.text and "Subject: Invoice\nTo: alice@far.example\n" \
        "Cc: c@far.example\nBcc: b@far.example\n\nDear Alice" in editor.text


def test_no_change_approves_as_it_is(e2a, author, hold, world, tmp_path):
    to = address()
    identifier = hold(to=[to], body=HIDDEN + "\r\nno line end")
    editor = Editor(tmp_path, "text = text.replace('\\n', '\\r\\n')")
    out = e2a.run("pending", "approve", identifier, "--edit", env=editor.env).out
    assert out.endswith(">\n") and detail(author, identifier).get("edited") is not True
    assert "\npay <U+202E>001 <U+2066>now<U+2069> <U+200B><U+003C>U+202E> <U+001B>[31m\n" in \
        editor.text
    assert not set(editor.text) & set("\x1b\u202e\u2066\u200b")
    assert HIDDEN in mail_of(world, to).get_content()


def test_what_cannot_be_seen_stays_where_nobody_touched_it(e2a, author, hold, world, tmp_path):
    to = address()
    identifier = hold(to=[to], body=HIDDEN)
    editor = Editor(tmp_path, "text += 'more\\n'")
    assert "(with edits)" in e2a.run("pending", "approve", identifier, "--edit",
                                     env=editor.env).out
    assert mail_of(world, to).get_content().replace("\r", "") == HIDDEN + "\nmore\n"


def test_a_changed_text_takes_the_html_version_away(e2a, author, hold, world, tmp_path):
    first, second = address(), address()
    for to, code, want in ((first, "text = text.replace('it is', 'x')", "text/plain"),
                           (second, "text = text.replace('Invoice', 'x')", "multipart/alternative")):
        editor = Editor(tmp_path, code)
        e2a.run("pending", "approve", hold(to=[to], html_body="<p>it is"), "--edit", env=editor.env)
        assert mail_of(world, to).get_content_type() == want
        assert "HTML version" in editor.text


@pytest.mark.parametrize("code, text", [
    ("text = text.replace('Subject:', 'Subjekt:')", "line 9: neither Subject, To, Cc nor Bcc"),
    ("text = text.replace('Subject: Invoice\\n', '')", "line 12: no Subject above the blank line"),
    ("text = text.replace('To: alice@far.example', 'To: alice')", "line 10: not an e-mail address"),
    ("text = text.replace('To: alice', 'To: friends: alice').replace('\\nCc', ';\\nCc')",
     "line 10: not an e-mail address"),
    ("text = text.replace('\\n\\n', '\\n')", "no field; a blank line stands above the text"),
    ("text = text.replace('Invoice', 'Inv\\nTo')", "line 10: no field"),
    ("text = text.replace('To:', 'To: x@y.example\\nSubject: b\\nTo:')", "a second Subject"),
    ("text = text.replace('it', '\\0')", "not UTF-8"),
    ("text = text.replace('To: alice@far.example', 'To:')", "recipient"),
    ("text = text.replace('Dear Alice,\\n\\nhere it is.\\n', '')",
     "not approved, because the text is empty"),
], ids=["field", "subject", "address", "group", "blank", "split", "twice", "NUL", "nobody", "text"])
def test_what_is_wrong_is_told_and_what_was_typed_is_kept(e2a, author, hold, tmp_path, code, text):
    identifier = hold()
    editor = Editor(tmp_path, code)
    result = e2a.refused("pending", "approve", "--edit", identifier, text=text, env=editor.env)
    path, = left(e2a)
    assert f"What you typed is in {path}." in result.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert detail(author, identifier)["status"] == "pending_approval"
    # it can be used again, as the program says
    again = re.search(r"\n  e2a (pending approve .*)\n", result.err)[1].split()
    editor = Editor(tmp_path, "text = 'Subject: Better\\nTo: a@far.example\\n\\nBetter.\\n'")
    assert "(with edits)" in e2a.run(*again, env=editor.env).out
    assert path.exists(), "a file that the user named is theirs"


def test_what_was_typed_is_kept_when_the_server_fails(e2a, author, hold, tmp_path):
    identifier = hold()

    with Gone(e2a.env["E2A_URL"]) as gone:
        editor = Editor(tmp_path, "text = text.replace('Invoice', 'Typed')")
        result = e2a.refused("pending", "approve", "--edit", identifier, status=LATER,
                             env={**editor.env, "E2A_URL": gone.url})
    path, = left(e2a)
    assert "Subject: Typed\n" in path.read_text() and str(path) in result.err
    out = e2a.run("pending", "approve", identifier, f"--edit-file={path}").out
    assert out.endswith(" (with edits)\n")


class Gone:
    """Answers one request from the real server, and none after it."""

    def __init__(self, url: str):
        host, _, port = url.rpartition("//")[2].partition(":")
        self.server = (host, int(port))
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=8)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        connection, _ = self.socket.accept()
        self.socket.close()
        with connection, socket.create_connection(self.server) as server:
            request = connection.recv(65536)
            server.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            while more := server.recv(65536):
                connection.sendall(more)

    def __enter__(self) -> Gone:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(10)


def test_somebody_faster_costs_nobody_their_text(e2a, author, hold, tmp_path, stack, account):
    identifier = hold()
    editor = Editor(tmp_path, "import urllib.request\nrequest = urllib.request.Request("
                    f"'{stack.url}/api/v1/messages/{identifier}/reject', b'{{}}', "
                    f"{{'Authorization': 'Bearer {account.api_key}'}}, method='POST')\n"
                    "urllib.request.urlopen(request).read()\ntext += 'typed\\n'")
    result = e2a.refused("pending", "approve", "--edit", identifier, status=CONFLICT,
                         text="message is not pending approval", env=editor.env)
    path, = left(e2a)
    assert path.read_text().endswith("typed\n") and str(path) in result.err


@pytest.mark.parametrize("code, status, text", [
    ("text = ''", 0, "not approved, because the text is empty"),
    ("text = '# only\\n\\n# remarks\\n'", 0, "not approved, because the text is empty"),
    ("pass", 1, "ended with status 1"), ("os.kill(os.getpid(), 9)", 0, "ended with status 137"),
], ids=["emptied", "remarks", "status", "killed"])
def test_who_thinks_better_of_it_approves_nothing(e2a, author, hold, tmp_path, code, status, text):
    identifier = hold()
    e2a.refused("pending", "approve", "--edit", identifier, text=text,
                env=Editor(tmp_path, code, status).env)
    assert detail(author, identifier)["status"] == "pending_approval" and left(e2a) == []


def test_an_editor_that_fails_after_saving_loses_nothing(e2a, author, hold, tmp_path):
    identifier = hold()
    result = e2a.refused("pending", "approve", "--edit", identifier,
                         env=Editor(tmp_path, "text += 'typed\\n'", 3).env, text="status 3")
    assert left(e2a)[0].read_text().endswith("typed\n") and str(left(e2a)[0]) in result.err
    assert detail(author, identifier)["status"] == "pending_approval"


def test_an_editor_that_replaces_the_file_is_understood(e2a, author, hold, tmp_path):
    identifier = hold()
    editor = Editor(tmp_path, "text = text.replace('Invoice', 'New')\n"
                    "open(path + '~', 'w').write(text)\nos.rename(path + '~', path)")
    e2a.run("pending", "approve", "--edit", identifier, env=editor.env)
    assert detail(author, identifier)["subject"] == "New"


def test_editors_are_taken_in_their_order(e2a, hold, tmp_path):
    identifier = hold()
    e2a.refused("pending", "approve", "--edit", identifier, text='"false" ended with status 1',
                env={"VISUAL": "false", "EDITOR": "true"})
    e2a.refused("pending", "approve", "--edit", identifier, text='"no-such" ended with status 127',
                env={"VISUAL": "", "EDITOR": "no-such"})
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "vi").write_text("#!/bin/sh\necho vi was here >&2\nexit 4\n")
    (tools / "vi").chmod(0o755)
    result = e2a.refused("pending", "approve", "--edit", identifier, text='"vi" ended with status 4',
                         env={"PATH": f"{tools}:/usr/bin:/bin"})
    assert "vi was here" in result.err


def test_a_folder_for_the_text_that_is_full_or_absent_is_named(e2a, author, hold):
    identifier = hold()
    for folder, text in (("/no/such", "No such file or directory"), ("/proc", "/proc/e2a-")):
        e2a.refused("pending", "approve", "--edit", identifier, env={"TMPDIR": folder}, text=text)
    e2a.refused("pending", "approve", identifier, "--edit-file", "/no/such",
                text="/no/such: No such file")
    e2a.refused("pending", "approve", identifier, "--edit-file", "/dev/zero",
                text="not a regular file")
    assert detail(author, identifier)["status"] == "pending_approval"
