# SPDX-License-Identifier: Apache-2.0
"""Feedback: the order of the checks and their texts, what is stored, and the mail
that reaches the operator."""

from __future__ import annotations

import email
import email.policy
import json
import os
from email.message import EmailMessage

import pytest

from scripts.stack.part import wait_until
from tests.integration.client import Http, second_apid

OPERATOR = "postmaster@mx.agents.example"
TOO_LONG = "message too long (max 5000 characters)\n"
CATEGORIES = "category must be bug, feature, or general\n"


@pytest.fixture
def http(stack, account):
    with Http(stack.http_port) as client:
        yield client


@pytest.fixture
def send(http):
    def send(body: object, *fields: str):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return http.request("POST", "/api/feedback", data, *fields)

    return send


@pytest.fixture
def cookie(stack, account) -> str:
    token = f"e2a_{os.urandom(32).hex()}"
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO sessions (hash, user_id, expires_at) "
                      "VALUES (sha256(%s), %s, now() + interval '1 h')",
                      [token.encode(), account.user_id])
    return f"Cookie: e2a_session={token}"


def rows(stack, word: str) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT user_id, email, category, message FROM feedback "
                      "WHERE message LIKE %s", [f"%{word}%"])
        return query.fetchall()


def wait_mail(stack, word: str) -> EmailMessage:
    """The captured mail whose text has the word."""
    def find() -> EmailMessage | None:
        for path in stack.postfix.captured():
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if mail.get_content_type() == "text/plain" and word in mail.get_content():
                return mail
        return None

    return wait_until(f"a mail with {word}", find, interval=0.1)


@pytest.fixture
def word() -> str:
    return f"w{os.urandom(8).hex()}"


def test_feedback_is_stored_and_mailed(stack, send, word):
    answer = send({"email": "carol@example.org", "category": "bug",
                   "message": f"It's broken: {word}\nSecond line."})
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"
    assert rows(stack, word) == [
        (None, "carol@example.org", "bug", f"It's broken: {word}\nSecond line.")]
    mail = wait_mail(stack, word)
    assert mail["To"] == OPERATOR
    assert mail["From"] == "noreply@mx.agents.example"
    assert mail["Reply-To"] == "carol@example.org"
    assert mail["Subject"] == f"[bug] It's broken: {word}"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@mx.agents.example>")
    assert mail.get_content().startswith(f"It's broken: {word}\nSecond line.\n")


def test_a_session_supplies_the_address(stack, send, account, cookie, word):
    assert send({"message": word}, cookie).status == 200
    assert rows(stack, word) == [(account.user_id, account.email, "general", word)]
    mail = wait_mail(stack, word)
    assert mail["Reply-To"] == account.email
    assert f"user {account.user_id}" in mail.get_content()


def test_an_address_that_is_given_wins(stack, send, account, cookie, word):
    assert send({"message": word, "email": "else@example.org"}, cookie).status == 200
    assert rows(stack, word) == [(account.user_id, "else@example.org", "general", word)]


@pytest.mark.parametrize("fields", [
    ["Cookie: e2a_session=e2a_" + "0" * 64],
    ["Cookie: e2a_session="],
    ["Authorization: Bearer e2a_" + "0" * 64],
])
def test_a_bad_credential_is_nobody(stack, send, word, fields):
    assert send({"message": word}, *fields).status == 200
    assert rows(stack, word) == [(None, "", "general", word)]


@pytest.mark.parametrize("field", ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"])
def test_somebody_elses_page_does_not_speak_for_the_user(stack, send, cookie, word, field):
    assert send({"message": word}, cookie, field).status == 200
    assert rows(stack, word) == [(None, "", "general", word)]


@pytest.mark.parametrize("body, text", [
    (b"", "invalid request body\n"),
    (b"[]", "invalid request body\n"),
    (b'{"message":', "invalid request body\n"),
    ({"message": 1}, "invalid request body\n"),
    ({"message": "x", "category": []}, "invalid request body\n"),
    ({"message": "x" * 65536}, "invalid request body\n"),
    ({"message": "a\0b"}, "invalid request body\n"),
    ({"message": "x", "email": "a\0@example.org"}, "invalid request body\n"),
    ({}, "message is required\n"),
    ({"message": None}, "message is required\n"),
    ({"message": " \t\r\n\u00a0\u2003\u3000\u2028"}, "message is required\n"),
    ({"message": "", "email": "x" * 255, "category": "no"}, "message is required\n"),
    ({"message": "é" * 5001}, TOO_LONG),
    ({"message": "x" * 5001, "email": "x" * 255}, TOO_LONG),
    ({"message": "x", "email": "é" * 128, "category": "no"}, "email too long\n"),
    ({"message": "x", "category": "Bug"}, CATEGORIES),
    ({"message": "x", "category": "bug\0"}, CATEGORIES),
])
def test_what_is_refused(send, body, text):
    answer = send(body)
    assert (answer.status, answer.text) == (400, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("body, stored", [
    ({"message": "{word}" + "é" * (5000 - 17), "category": None}, "general"),
    ({"MESSAGE": "{word}", "Category": "feature"}, "feature"),
    ({"message": "{word}", "category": ""}, "general"),
])
def test_what_is_taken(stack, send, word, body, stored):
    body = {k: v.replace("{word}", word) if v else v for k, v in body.items()}
    assert send(body).status == 200
    assert rows(stack, word)[0][2] == stored


@pytest.mark.parametrize("address", [
    "no address", "a@b@c", "two@example.org, three@example.org", "x@localhost",
    "evil@example.org\r\nBcc: victim@example.org", "Name <name@example.org>",
    '"quoted one"@example.org', "ünïcode@example.org", "x" * 254,
])
def test_what_is_no_address_never_becomes_a_header(stack, send, word, address):
    assert send({"message": word, "email": address}).status == 200
    assert rows(stack, word) == [(None, address, "general", word)]
    mail = wait_mail(stack, word)
    assert mail["Reply-To"] is None and mail["Bcc"] is None
    assert mail.keys().count("To") == 1


@pytest.mark.parametrize("message, subject", [
    ("  \n First \r\nSecond {word}", "[general] First"),
    ("Grüße\r\nBcc: victim@example.org\r\n\r\n{word}", "[general] Grüße"),
    ("tab\there\x01\x7f {word}", "[general] tab here   {word}"),
    ("=?utf-8?q?=0D=0ABcc:_x?= {word}", "[general] =?utf-8?q?=0D=0ABcc:_x?= {word}"),
    ("日本語" * 40 + "\n{word}", "[general] " + "日本語" * 8 + "日本"),
])
def test_hostile_text_stays_text(stack, send, word, message, subject):
    message = message.replace("{word}", word)
    assert send({"message": message}).status == 200
    mail = wait_mail(stack, word)
    assert mail["Subject"] == subject.replace("{word}", word)
    assert mail["Bcc"] is None
    want = message.replace("\r\n", "\n")
    assert mail.get_content().replace("\r\n", "\n").startswith(want)


def test_a_repeated_request_is_one_act(stack, send, word):
    field = f"Idempotency-Key: {word}"
    first, second = send({"message": word}, field), send({"message": word}, field)
    assert (first.status, first.body) == (second.status, second.body) == (200, b'{"status":"ok"}\n')
    assert len(rows(stack, word)) == 1
    assert send({"message": word + "!"}, field).status == 422


def test_the_limit_comes_first(stack, account):
    settings = {"rate_feedback": "2", "http_trusted_proxies": "127.0.0.0/8"}
    client = "X-Forwarded-For: 192.0.2.140"
    with second_apid(stack, 40, **settings) as apid, Http(apid.port) as http:
        statuses = [http.request("POST", "/api/feedback", b'{"message":"x"}', client).status
                    for _ in range(2)]
        assert statuses == [200, 200]
        answer = http.request("POST", "/api/feedback", b"no json", client)
        assert answer.status == 429
        assert answer.text == "rate limit exceeded — max 2 feedback submissions per hour\n"
        assert int(answer.headers["retry-after"]) > 3000
