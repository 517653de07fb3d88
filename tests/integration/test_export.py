# SPDX-License-Identifier: Apache-2.0
"""The export of an account: all of it and nothing else, whole or visibly broken,
in memory that does not grow with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.postgres import DATABASE
from tests.integration.accounts import SENDER, Person, count
from tests.integration.client import Answer, Http, SecondApid, add_key, second_apid

PATH = "/api/v1/users/me/export"
TIME_A = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z")
HEAD, PIECE = 24 * 1024, 192 * 1024  # of a mail: what comes with its row, what follows at once
RICH = 6000  # mails, about 35 MB of JSON
GROWTH_KB = 12 * 1024  # of e2a-apid: a page of rows, twice


@pytest.fixture(scope="module")
def tight(stack, account) -> Iterator[SecondApid]:
    """A second e2a-apid, whose clients have little time."""
    with second_apid(stack, 41, http_write_timeout="2s", export_timeout="1h") as apid:
        yield apid


@pytest.fixture
def person(stack) -> Person:
    return Person.new(stack)


@pytest.fixture(scope="module")
def rich(stack, account) -> Person:
    """Somebody with more mail than all buffers between apid and a client hold."""
    person = Person.new(stack)
    person.fill_mail(RICH)
    return person


def export(port: int, key: str, *fields: str) -> Answer:
    with Http(port, key, timeout=60) as http:
        return http.request("GET", PATH, None, *fields)


def begin(http: Http) -> Iterator[bytes]:
    """The chunks of an export that has begun."""
    http.write(http.head("GET", PATH))
    assert http.line() == "HTTP/1.1 200 OK"
    while http.line():
        pass
    return http.chunks()


def whole(port: int, key: str) -> dict:
    """A large one, which is not held against its schema."""
    with Http(port, key, timeout=60) as http:
        return json.loads(b"".join(begin(http)))


def digests(document: dict) -> dict[str, str]:
    return {m["id"]: hashlib.sha256(base64.b64decode(m["raw_message"], validate=True)).hexdigest()
            for m in document["messages"] if m["direction"] == "inbound"}


def send(person: Person, **fields: object) -> dict:
    status, answer = person.api.post("/api/v1/send", {
        "from": person.agent, "to": ["alice@sender.example"], "subject": "Hello", **fields})
    assert status == 202, answer
    return answer


def exporting(stack) -> int:
    return count(stack, "SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name = 'e2a-apid-export'")


# ---- what it says ----

def test_it_is_a_file_of_json(stack, person):
    answer = export(stack.http_port, person.key)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == \
        f'attachment; filename="e2a-export-{person.user_id}.json"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body.endswith(b"}\n")
    assert answer.json["schema_version"] == "1"
    assert TIME_A.fullmatch(answer.json["generated_at"])


def test_an_empty_account_has_empty_lists_and_no_null(stack):
    account = stack.bootstrap("empty@people.example")
    document = export(stack.http_port, account.api_key).json
    assert document["user"].keys() == {"id", "email", "name", "created_at"}
    assert document["user"]["id"] == account.user_id
    assert document["domains"] == document["agents"] == document["messages"] == []
    assert len(document["api_keys"]) == 1
    assert "usage_events" not in document


# Fields that are always there, then those that are there when they are not empty.
FIELDS = {
    "domains": ({"domain", "user_id", "verified", "verification_token", "created_at",
                 "verified_at", "dkim_keys"}, set()),
    "agents": ({"id", "domain", "email", "name", "webhook_url", "agent_mode", "domain_verified",
                "created_at", "hitl_enabled", "hitl_ttl_seconds", "hitl_expiration_action",
                "user_id", "public"}, set()),
    "api_keys": ({"id", "name", "key_prefix", "created_at"},
                 {"last_used_at", "revoked_at", "expires_at", "agent_email", "scope"}),
    "usage_events": ({"id", "agent_id", "domain", "direction", "event_type", "created_at"}, set()),
    "signing_secrets": ({"id", "name", "secret_prefix", "created_at"}, {"last_signed_at"}),
    "signing_keys": ({"id", "name", "public_key", "created_at"}, set()),
    "sessions": ({"created_at", "expires_at"}, set()),
    "identities": ({"issuer", "created_at"}, set()),
    "feedback": ({"id", "category", "message", "created_at"}, {"email"}),
    "retired_addresses": ({"address", "retired_at"}, {"expires_at"}),
    "suppressions": ({"address", "reason", "code", "detail", "created_at"}, {"message_id"}),
    "reviewers": ({"id", "agent_id", "address", "state", "full_text", "by_reply", "created_at"},
                  {"confirmed_at"}),
    "delegations": ({"id", "agent_id", "human", "state", "created_at"},
                    {"confirmed_at", "revoked_at"}),
    "usage_summaries": ({"day", "messages"}, set()),
}
MESSAGE = {"id", "agent_id", "direction", "sender", "recipient", "subject", "created_at",
           "expires_at"}


def test_every_list_has_the_fields_that_it_should(stack, person):
    person.fill_tables()
    add_key(stack, person.user_id, agent=person.agent)
    add_key(stack, person.user_id, revoked=True)
    document = export(stack.http_port, person.key).json
    assert document.keys() - FIELDS.keys() == {"generated_at", "schema_version", "user", "messages"}
    for name, (always, sometimes) in FIELDS.items():
        assert document[name], name
        for item in document[name]:
            assert always <= item.keys() <= always | sometimes, name
            assert all(TIME_A.fullmatch(item[key]) for key in item if key.endswith("_at")), name
    assert len(document["api_keys"]) == 3 and len(document["agents"]) == 2
    assert {a["domain_verified"] for a in document["agents"]} == {False}
    assert {a["public"] for a in document["agents"]} == {True}


def test_a_mail_has_its_facts_and_what_became_of_it(stack, person, hook):
    hook.answer = lambda _: 500
    agent = person.api.make_agent(f"f-{person.user_id[-12:]}", hook.url)
    other = "bob@elsewhere.example"
    mail = compose(SENDER, [agent, other], "Grüße & <mehr>")
    assert stack.send(SENDER, agent, mail).code == 250
    hook.wait_count(1)

    def failed() -> dict | None:
        found = [m for m in export(stack.http_port, person.key).json["messages"]
                 if m.get("webhook_attempts", 0) > 0]
        return found[0] if found else None

    message = wait_until("a failed call", failed)
    assert MESSAGE <= message.keys()
    assert (message["agent_id"], message["recipient"], message["sender"]) == (agent, agent, SENDER)
    assert (message["direction"], message["status"]) == ("inbound", "sent")
    assert message["subject"] == "Grüße & <mehr>"
    assert message["to_recipients"] == [agent, other] and "cc" not in message
    assert (message["webhook_status"], message["webhook_error"]) == ("pending", "http_status")
    assert [(e["stage"], e["outcome"]) for e in message["events"]][:2] == \
        [("ingest", "stored"), ("webhook", "deferred")]
    assert base64.b64decode(message["raw_message"], validate=True).endswith(mail)
    assert not {"auth_headers", "bcc", "method", "edited", "body_text"} & message.keys()


def test_mail_that_waits_for_a_human_is_shown_with_all_that_it_says(stack, person):
    assert person.api.call("PUT", f"/api/v1/agents/{person.agent}", {"hitl_enabled": True})[0] == 200
    small = {"body": "Hi.\n"}
    large = {"body": "Gr\u00fc\u00dfe \"\\\n" * 300_000, "html_body": "<p>" * 100_000, "attachments": [
        {"filename": 'a "b".bin', "content_type": "text/csv; x=y",
         "data": base64.b64encode(bytes(range(256)) * 4000).decode()},
        {"filename": "", "content_type": "", "data": ""}]}
    ids = [send(person, **fields)["message_id"] for fields in (small, large, small)]
    refused = send(person, **large)["message_id"]
    assert person.api.post(f"/api/v1/messages/{refused}/reject", {"reason": "no"})[0] == 200
    document = whole(stack.http_port, person.key)
    *shown, gone = document["messages"]
    assert [m["id"] for m in shown] == ids and gone["id"] == refused
    for message in shown:
        detail = person.api.get(f"/api/v1/messages/{message['id']}")[1]
        for key in ("body_text", "body_html", "attachments", "status"):
            assert message.get(key) == detail.get(key), key
        assert message["events"] and "body_truncated" not in message
    assert shown[1]["attachments"][0]["data"] == large["attachments"][0]["data"]
    assert not gone.keys() & {"body_text", "body_html", "attachments"}
    assert (gone["rejection_reason"], gone["review_channel"]) == ("no", "api")
    assert gone["reviewed_by"].startswith("apk_") and gone["decided_at"] == gone["reviewed_at"]


def test_there_is_no_secret_in_it(stack, person):
    person.fill_tables()
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT hash FROM api_keys WHERE user_id = %(u)s UNION ALL "
                      "SELECT hash FROM sessions WHERE user_id = %(u)s UNION ALL "
                      "SELECT link_hash FROM delegations WHERE user_id = %(u)s UNION ALL "
                      "SELECT link_hash FROM reviewers WHERE user_id = %(u)s UNION ALL "
                      "SELECT sealed FROM signing_secrets WHERE user_id = %(u)s",
                      {"u": person.user_id})
        hidden = [bytes(row[0]) for row in query.fetchall()]
    assert len(hidden) == 6
    text = export(stack.http_port, person.key).text
    for secret in hidden:
        assert secret.hex() not in text and base64.b64encode(secret).decode() not in text
    for words in (person.key, person.account.secret, f"subject-of-{person.user_id}",
                  '"google_subject":', '"key_hash":'):
        assert words not in text


def test_it_holds_nothing_of_anybody_else(stack, person):
    """Not even of somebody who got the same mail."""
    other = Person.new(stack)
    for who in (person, other):
        who.fill_tables()
    mail = compose(SENDER, "friends@lists.example", "To both")
    assert stack.send(SENDER, [person.agent, other.agent], mail).code == 250
    texts = {}
    for who, them in ((person, other), (other, person)):
        wait_until("the mail", lambda: "To both" in export(stack.http_port, who.key).text)
        text = texts[who.user_id] = export(stack.http_port, who.key).text
        for words in (them.user_id, them.agent, them.domain, them.account.email.lower()):
            assert words not in text.lower()
        document = json.loads(text)
        assert digests(document) == who.stored()
    assert len(texts) == 2


@pytest.mark.parametrize("fields, status, text", [
    ([], 401, "authentication required\n"),
    (["Authorization: Bearer e2a_wrong"], 401, "authentication required\n"),
])
def test_it_is_for_who_shows_a_key(stack, fields, status, text):
    answer = export(stack.http_port, "", *fields)
    assert (answer.status, answer.text) == (status, text)


def test_a_key_of_one_agent_does_not_reach_it(stack, person):
    _, key = add_key(stack, person.user_id, agent=person.agent)
    answer = export(stack.http_port, key)
    assert (answer.status, answer.text) == (404, "404 page not found\n")


# ---- the mail in it ----

SIZES = [1, 2, 3, HEAD - 1, HEAD, HEAD + 1, HEAD + PIECE - 1, HEAD + PIECE, HEAD + PIECE + 1,
         HEAD + 3 * PIECE + 2, 9_000_000]


def test_mails_of_all_sizes_come_back_byte_for_byte(stack, person):
    for size in SIZES:
        person.fill_mail(1, size)
    document = whole(stack.http_port, person.key)
    assert sorted(len(base64.b64decode(m["raw_message"])) for m in document["messages"]) == SIZES
    assert digests(document) == person.stored()


def test_a_large_mailbox_comes_in_order_and_in_little_memory(stack, person, tight):
    agents = [person.agent] + [person.api.make_agent(f"m{n}-{person.user_id[-12:]}")
                               for n in range(4)]
    person.fill_mail(20000, 4000, agents)
    export(tight.port, Person.new(stack).key)  # whatever the first one costs
    before, most, size, parts = tight.resident_kb(), 0, 0, []
    with Http(tight.port, person.key) as http:
        for chunk in begin(http):
            parts.append(chunk)
            if size // 4_000_000 != (size := size + len(chunk)) // 4_000_000:
                most = max(most, tight.resident_kb())
    document = json.loads(b"".join(parts))
    assert size > 100_000_000 and most - before < GROWTH_KB
    times = [m["created_at"] for m in document["messages"]]
    assert len(times) == 20000 and times == sorted(times)
    assert digests(document) == person.stored()


def test_it_shows_one_state_while_the_mailbox_changes(stack, person):
    person.fill_mail(3000)
    late = person.api.make_agent(f"late-{person.user_id[-12:]}")
    with Http(stack.http_port, person.key, receive_buffer=4096) as http:
        chunks = begin(http)
        parts = [next(chunks)]
        assert stack.send(SENDER, late, compose(SENDER, late, "Came late")).code == 250
        wait_until("the mail", lambda: count(
            stack, "SELECT count(*) FROM messages WHERE agent_email = %s", late))
        assert person.api.call("DELETE", f"/api/v1/agents/{person.agent}")[0] == 200
        parts += chunks
    document = json.loads(b"".join(parts))
    assert len(document["messages"]) == 3000
    assert {m["agent_id"] for m in document["messages"]} == {person.agent}
    assert {a["email"] for a in document["agents"]} == {person.agent, late}


# ---- clients that are slow, gone, many, old ----

def pace(chunks: Iterator[bytes], seconds: float, pause: float = 0.25) -> bytes:
    """Reads with pauses for so long, then as fast as it can."""
    clock, parts = threading.Event(), []
    for chunk in chunks:
        parts.append(chunk)
        if seconds > 0:
            clock.wait(pause)
            seconds -= pause
    return b"".join(parts)


def test_who_takes_nothing_is_cut_off(stack, rich, tight):
    mark = tight.log_mark()
    with Http(tight.port, rich.key, receive_buffer=4096) as http:
        chunks = begin(http)
        tight.wait_log(rf"request .*{PATH}", mark)  # over and done with
        with pytest.raises((EOFError, ConnectionError, ValueError)):
            list(chunks)
    assert exporting(stack) == 0


def test_who_is_slow_and_steady_gets_all_of_it(rich, tight):
    """It takes longer than the time for one piece."""
    with Http(tight.port, rich.key, receive_buffer=65536) as http:
        document = json.loads(pace(begin(http), 5, 0.02))
    assert len(document["messages"]) == RICH


def test_it_has_to_be_over_in_time(stack, rich):
    with second_apid(stack, 42, export_timeout="1s") as apid:
        mark = apid.log_mark()
        with Http(apid.port, rich.key, receive_buffer=65536) as http:
            with pytest.raises(EOFError):
                pace(begin(http), 60, 0.02)
        apid.wait_log(r"warn body_broken .*error=timeout", mark)


def test_who_goes_away_leaves_nothing_behind(stack, rich):
    for _ in range(3):
        with Http(stack.http_port, rich.key) as http:
            next(begin(http))
            assert exporting(stack) == 1
        wait_until("the export to end", lambda: exporting(stack) == 0)


def test_there_are_so_many_at_once_and_one_of_each_user(stack, person):
    people = [person, Person.new(stack), Person.new(stack)]
    for who in people:
        who.fill_mail(2000)
    with Http(stack.http_port, people[0].key, receive_buffer=4096) as first, \
            Http(stack.http_port, people[1].key, receive_buffer=4096) as second:
        running = begin(first), begin(second)
        again = export(stack.http_port, people[0].key)
        assert (again.status, again.text) == (429, "an export of this account is under way\n")
        third = export(stack.http_port, people[2].key)
        assert (third.status, third.text) == (503, "too many exports at once, try again later\n")
        assert again.headers["retry-after"] == third.headers["retry-after"] == "30"
        for who, chunks in zip(people, running):
            assert len(json.loads(b"".join(chunks))["messages"]) == 2000
    wait_until("a place", lambda: len(whole(stack.http_port, people[2].key)["messages"]) == 2000)


def test_others_are_served_meanwhile(stack, rich, person):
    with Http(stack.http_port, rich.key, receive_buffer=4096) as http:
        chunks = begin(http)
        for _ in range(20):
            assert person.api.get("/api/v1/agents")[0] == 200
        assert len(json.loads(b"".join(chunks))["messages"]) == RICH


def test_a_client_of_http_1_0_gets_it_until_the_end(stack, person):
    person.fill_mail(100)
    with Http(stack.http_port, person.key) as http:
        http.write(http.head("GET", PATH, version="1.0"))
        answer = http.answer()
        assert "transfer-encoding" not in answer.headers
        assert len(answer.json["messages"]) == 100


# ---- what breaks ----

def test_a_database_that_goes_away_breaks_it_off(stack, rich, person):
    mark = stack.apid.log_mark()
    with Http(stack.http_port, rich.key, receive_buffer=4096) as http:
        chunks = begin(http)
        next(chunks)
        with stack.postgres.connect("postgres", DATABASE).cursor() as query:
            query.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE application_name = 'e2a-apid-export'")
            assert query.fetchall() == [(True,)]
        with pytest.raises(EOFError):
            list(chunks)
    stack.apid.wait_log(r"error body_broken .*error=storage", mark)
    assert export(stack.http_port, person.key).status == 200


def test_a_database_that_is_away_is_told_before_anything_is_sent(stack, person):
    assert person.api.get("/api/v1/agents")[0] == 200  # the workers are connected
    with stack.db().cursor() as query:
        query.execute("ALTER ROLE e2a_apid CONNECTION LIMIT 0")
        try:
            answer = export(stack.http_port, person.key)
        finally:
            query.execute("ALTER ROLE e2a_apid CONNECTION LIMIT -1")
    assert (answer.status, answer.text) == (503, "failed to export user data\n")


def test_a_stop_breaks_it_off(stack, rich):
    with second_apid(stack, 43, http_stop_timeout="1s") as apid:
        with Http(apid.port, rich.key, receive_buffer=4096) as http:
            chunks = begin(http)
            next(chunks)
            assert apid.stop() == 0
            with pytest.raises((EOFError, ConnectionError)):
                list(chunks)
    assert exporting(stack) == 0
