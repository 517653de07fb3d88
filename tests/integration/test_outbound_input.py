# SPDX-License-Identifier: Apache-2.0
"""What agents ask for and do not get: everything is judged before anything is stored,
and what passes one check of ours fails none of a later one."""

from __future__ import annotations

import json
import uuid

import pytest

from scripts.stack.peers import Api
from tests.integration.client import Http, add_key, with_key
from tests.integration.outbound import CONTROLS, Author, address, attachment, attachments

LIMIT = 26214400
RECIPIENTS = 50


def stored(stack, author: Author) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM messages WHERE agent_email = %s "
                      "AND direction = 'outbound'", [author.address])
        return query.fetchone()[0]


def refused(stack, author: Author, text: str | None = None, **fields) -> str:
    """400, and nothing is there afterwards."""
    before = stored(stack, author)
    status, answer = author.ask(**{"to": [address()], **fields})
    assert status == 400, (status, answer)
    assert text is None or answer == f"{text}\n"
    assert answer.count("\n") == 1 and "\r" not in answer and "\0" not in answer
    assert stored(stack, author) == before
    return answer


@pytest.mark.parametrize("fields, text", [
    ({"subject": None}, "subject and body are required"),
    ({"subject": ""}, "subject and body are required"),
    ({"body": None}, "subject and body are required"),
    ({"body": "", "html_body": "<p>Hi.</p>"}, "subject and body are required"),
    ({"to": None}, "at least one recipient in to or cc is required"),
    ({"to": []}, "at least one recipient in to or cc is required"),
    ({"to": [], "bcc": ["bob@far.example"]}, "at least one recipient in to or cc is required"),
    ({"conversation_id": "a\r\nb"}, "conversation_id must not contain CR or LF"),
    ({"conversation_id": "a\n"}, "conversation_id must not contain CR or LF"),
    ({"from": "nobody@agents.example"}, "invalid from: agent not found"),
    ({"to": "bob@far.example"}, "invalid request body"),
    ({"to": [1]}, "invalid request body"),
    ({"to": {}}, "invalid request body"),
    ({"subject": 1}, "invalid request body"),
    ({"attachments": {}}, "invalid request body"),
    ({"attachments": ["a"]}, "invalid request body"),
    ({"to": ["", " "]}, "no valid recipients"),
], ids=lambda v: json.dumps(v)[:40] if isinstance(v, dict) else "")
def test_the_texts_are_those_of_the_contract(stack, author, fields, text):
    refused(stack, author, text, **fields)


def test_an_agent_of_somebody_else_is_no_agent(stack, author, strange_author):
    answer = refused(stack, author, **{"from": strange_author.address})
    assert answer == refused(stack, author, **{"from": "nobody@agents.example"})


def test_an_agent_cannot_write_to_itself(stack, author):
    refused(stack, author, "no valid recipients", to=[author.address.upper()])


@pytest.mark.parametrize("kind, word", [("to", "To"), ("cc", "CC"), ("bcc", "BCC")])
@pytest.mark.parametrize("bad", [
    "plain", "a@", "@b.example", "a@b@c.example", "a b@c.example", "a@b..example", "<a@b.example",
    "a@b.example, c@d.example", "a@b.example c@d.example", "a@[192.0.2.1]", "a@b.example>",
    "x" * 65 + "@b.example", "a@" + "b." * 130 + "example", "a@b.example\x7f", "a@-b.example",
    '"a\tb"@c.example', "a@b.example\u202e", "group: a@b.example;",
], ids=lambda b: b[:20].encode("unicode_escape").decode())
def test_what_is_no_address_is_named(stack, author, kind, word, bad):
    answer = refused(stack, author, **{"to": [address()], kind: [bad]})
    assert answer.startswith(f"invalid {word} address: "), answer


@pytest.mark.parametrize("bad", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("field", ["subject", "conversation_id", "to", "cc", "bcc", "filename",
                                   "content_type", "reply_to_message_id", "references"])
def test_no_line_end_and_no_nul_reaches_a_header(stack, author, field, bad):
    value = {"to": [f"{bad}@far.example"], "cc": [f"{bad}@far.example"],
             "bcc": [f"bob@far.example{bad}"], "references": [f"<{bad}@far.example>"],
             "reply_to_message_id": f"<{bad}@far.example>"}.get(field, bad)
    if field in ("filename", "content_type"):
        value = [{**attachment("a.txt", "text/plain", b"x"), field: bad}]
        field = "attachments"
    refused(stack, author, **{field: value})


def test_a_file_name_does_not_look_like_another(stack, author):
    file = attachment("invoice\u202efdp.exe", "application/octet-stream", b"x")
    answer = refused(stack, author, attachments=[file])
    assert answer.startswith("attachment 1: filename must not contain"), answer


@pytest.mark.parametrize("field", ["body", "html_body"])
def test_a_body_holds_no_nul(stack, author, field):
    refused(stack, author, **{field: "a\0b"})


@pytest.mark.parametrize("data", ["a", "ab", "abc", "ab=", "a===", "YQ==YQ==", "Y!Q=", "YQ", "YR=",
                                  "\u00e9", "YQ==\0", "-_-_", "YWJj\r\nYWJj", " YWJj"])
def test_data_that_is_no_base64_is_named_by_its_place(stack, author, data):
    good = attachment("a.txt", "text/plain", b"x")
    answer = refused(stack, author, attachments=[good, {**good, "data": data}])
    assert answer == "attachment 2: data is not valid base64\n"


def test_fifty_recipients_and_no_more(stack, world, author):
    many = [address() for _ in range(RECIPIENTS + 1)]
    answer = refused(stack, author, to=many[:20], cc=many[20:40], bcc=many[40:])
    assert answer == f"too many recipients (max {RECIPIENTS})\n"
    sent = author.send(*many[:20], cc=many[20:40] + many[:5], bcc=many[40:50])
    author.wait_status(sent["id"], dict.fromkeys(many[:50], "delivered"), 60)
    assert world.mails_to(many[50]) == []


def test_addresses_that_differ_in_case_are_one(world, author):
    to = address()
    sent = author.send(to, to.upper(), to.title(), f"Alice <{to}>", cc=[to.swapcase()],
                       bcc=[to.capitalize()])
    assert author.wait_status(sent["id"], {to: "delivered"})
    assert [m.recipients for m in world.mails_to(to)] == [[to]]


def test_names_of_domains_in_letters_go_out_in_ascii(world, author):
    local = address().partition("@")[0]
    sent = author.send(f"{local}@b\u00fccher.example")
    author.wait_status(sent["id"], {f"{local}@xn--bcher-kva.example": "delivered"})


# ---- sizes ----

def request_of(author: Author, to: str, size: int) -> bytes:
    """A request of exactly so many bytes, most of them an attachment."""
    def make(pad: str) -> bytes:
        return json.dumps({"from": author.address, "to": [to], "subject": "Large", "body": "x\n",
                           "attachments": [{"filename": "a.bin", "data": pad,
                                            "content_type": "application/octet-stream"}]}).encode()

    room = size - len(make(""))
    blanks = room % 4
    return make("QUJD" * (room // 4)) + b" " * blanks


def post(stack, key: str, body: bytes):
    with Http(stack.http_port, key, timeout=120) as http:
        return http.request("POST", "/api/v1/send", body)


def test_a_request_may_have_25_mib(stack, account, world, author):
    to = address()
    body = request_of(author, to, LIMIT)
    assert len(body) == LIMIT
    answer = post(stack, account.api_key, body)
    assert answer.status == 200, answer.text
    author.wait_status(answer.json["id"], {to: "delivered"}, 120)
    name, _, data = attachments(world.wait_mail(to, timeout=60).parsed)[0]
    assert name == "a.bin" and len(data) > 19_000_000 and set(data[::3]) == {0x41}


def test_and_not_a_byte_more(stack, account, author):
    before = stored(stack, author)
    with Http(stack.http_port, account.api_key, timeout=120) as http:
        try:
            answer = http.request("POST", "/api/v1/send", request_of(author, address(), LIMIT + 1))
            assert (answer.status, answer.text) == (400, "invalid request body\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not read what it will not take
    assert stored(stack, author) == before


def test_the_worst_body_of_25_mib_can_be_sent(stack, account, world, author):
    """Characters that quoted-printable trebles, in JSON at one byte each."""
    to = address()
    frame = {"from": author.address, "to": [to], "subject": "Worst", "body": ""}
    room = LIMIT - len(json.dumps(frame))
    answer = post(stack, account.api_key, json.dumps({**frame, "body": "=" * room}).encode())
    assert answer.status in (200, 400), answer.text
    if answer.status == 200:
        author.wait_status(answer.json["id"], {to: "delivered"}, 120)


# ---- once ----

def test_a_repeated_request_sends_once(stack, account, world, author):
    to, key = address(), f"Idempotency-Key: {uuid.uuid4().hex}"
    ask = with_key(stack.http_port, account.api_key)
    body = {"from": author.address, "to": [to], "subject": "Once", "body": "x\n"}
    answers = [ask("POST", "/api/v1/send", body, key) for _ in range(3)]
    assert {a.status for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    author.wait_status(answers[0].json["id"], {to: "delivered"})
    other = ask("POST", "/api/v1/send", {**body, "subject": "Twice"}, key)
    assert other.status == 422 and "Idempotency-Key" in other.text
    assert stored(stack, author) == 1 and len(world.mails_to(to)) == 1


# ---- who may ----

def test_the_key_of_an_agent_sends_as_itself_only(stack, account, world, author, make_author):
    other = make_author()
    key = Api(stack.url, add_key(stack, account.user_id, agent=author.address)[1])
    own = Author(stack, key, author.address)
    to = address()
    assert own.ask(to=[to])[0] == 200
    assert own.ask(to=[to], **{"from": None})[0] == 200
    for name in (other.address, "nobody@agents.example"):
        status, text = own.ask(to=[to], **{"from": name})
        assert (status, text) == (400, "invalid from: agent not found\n")
    assert Author(stack, key, other.address).ask_reply("msg_" + "0" * 32)[0] == 404
    assert key.post(f"{other.path}/test")[0] == 404
    world.mails.wait(lambda _: len(world.mails_to(to)) == 2, 30)
    assert {m.parsed["Reply-To"] for m in world.mails_to(to)} == {author.address}


def test_without_a_key_nothing_is_sent(stack, author):
    assert Author(stack, Api(stack.url), author.address).ask(to=[address()]) \
        == (401, "unauthorized\n")
