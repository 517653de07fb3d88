# SPDX-License-Identifier: Apache-2.0
"""The webhook call as an endpoint sees it, and what happens when the endpoint
fails. The signatures are recomputed here, from the documents."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import struct
import threading
import time

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import (Api, Delivery, WebhookReceiver, check_auth_headers,
                                 check_standard_webhook)

SENDER = "alice@sender.example"
HONEST = "127.0.0.7"
REQUIRED = {"message_id", "from", "to", "recipient", "raw_message", "auth_headers", "received_at"}
AUTH = {f"X-E2A-Auth-{name}" for name in ("Verified", "Sender", "Entity-Type", "Domain-Check",
                                          "Timestamp", "Message-Id", "Body-Hash", "Signature")}
HUGE = 1024 ** 3


def ledger(stack, message_id: str) -> list[tuple]:
    """(stage, outcome, reason, attempt, status) of each fact, in order."""
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT stage, outcome, reason, (detail->>'attempt')::int, "
                      "(detail->>'status')::int FROM message_events WHERE message_id = %s "
                      "ORDER BY id", [message_id])
        return query.fetchall()


def webhook_rows(stack, message_id: str) -> list[tuple]:
    return [row[1:] for row in ledger(stack, message_id) if row[0] == "webhook"]


def wait_rows(stack, message_id: str, count: int, timeout: float = 15) -> list[tuple]:
    def probe() -> list[tuple] | None:
        found = webhook_rows(stack, message_id)
        return found if len(found) >= count else None

    return wait_until(f"{count} attempts in the ledger", probe, timeout)


def job(stack, message_id: str) -> tuple | None:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT state, attempts, last_status, last_error FROM webhook_jobs "
                      "WHERE message_id = %s", [message_id])
        return query.fetchone()


def send(stack, agent: str, subject: str = "Hello", signer=None, **headers: str) -> bytes:
    message = compose(f"Alice <{SENDER}>", agent, subject, **headers)
    message = signer.sign(message) if signer else message
    assert stack.send(SENDER, agent, message, HONEST).code == 250
    return message


# ---- what is sent ----

def test_the_body_has_the_fields_of_the_contract_and_no_others(stack, make_agent, hook, signer):
    agent = make_agent(hook.url)
    message = send(stack, agent, "Fields", signer)
    payload = hook.wait().json
    assert set(payload) == REQUIRED
    assert set(payload["auth_headers"]) == AUTH
    assert re.fullmatch(r"msg_[0-9a-f]{32}", payload["message_id"])
    assert (payload["from"], payload["to"], payload["recipient"]) == (SENDER, [agent], agent)
    assert base64.b64decode(payload["raw_message"], validate=True).endswith(message)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", payload["received_at"])


def test_reply_to_and_cc_appear_when_the_mail_has_them(stack, make_agent, hook):
    agent = make_agent(hook.url)
    send(stack, agent, Cc="Bob <bob@other.example>, carol@other.example",
         Reply_To="elsewhere@other.example")
    payload = hook.wait().json
    assert set(payload) == REQUIRED | {"cc", "reply_to"}
    assert payload["cc"] == ["bob@other.example", "carol@other.example"]
    assert payload["reply_to"] == ["elsewhere@other.example"]
    assert payload["from"] == SENDER


def test_a_mail_without_to_has_an_empty_list(stack, make_agent, hook):
    agent = make_agent(hook.url)
    message = b"From: alice@sender.example\r\nSubject: Nobody\r\n\r\nHi.\r\n"
    assert stack.send(SENDER, agent, message, HONEST).code == 250
    assert hook.wait().json["to"] == []


def test_the_request_is_plain_http_of_our_own_name(stack, make_agent, hook):
    send(stack, make_agent(hook.url))
    delivery = hook.wait()
    sent, payload = delivery.headers, delivery.json
    assert delivery.path == "/hook"
    assert sent["content-type"] == "application/json"
    assert sent["user-agent"].startswith("e2a/")
    assert sent["content-length"] == str(len(delivery.body))
    assert sent["webhook-id"] == payload["message_id"]
    assert not {"expect", "authorization", "cookie", "transfer-encoding"} & set(sent)
    for name, value in payload["auth_headers"].items():
        assert sent[name.lower()] == value


def test_the_auth_signature_is_over_the_eight_values(stack, account, make_agent, hook, signer):
    send(stack, make_agent(hook.url), signer=signer)
    delivery = hook.wait()
    auth = delivery.json["auth_headers"]
    text = "\n".join([
        "true", SENDER, "human", "spf=pass; dkim=pass; dmarc=pass", "",
        auth["X-E2A-Auth-Timestamp"], delivery.json["message_id"],
        hashlib.sha256(delivery.raw).hexdigest()])
    assert auth["X-E2A-Auth-Signature"] \
        == hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", auth["X-E2A-Auth-Timestamp"])


def test_the_standard_webhooks_signature_is_over_the_exact_body(stack, account, make_agent, hook):
    send(stack, make_agent(hook.url))
    delivery = hook.wait()
    sent = delivery.headers
    key = base64.b64decode(account.whsec.removeprefix("whsec_"))
    assert key == account.secret.encode()
    text = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + delivery.body
    digest = hmac.new(key, text, hashlib.sha256).digest()
    assert sent["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert abs(int(sent["webhook-timestamp"]) - time.time()) < 30


def test_the_newest_secret_signs_and_the_older_ones_still_do(stack, hook):
    user, other = (stack.bootstrap(f"rotate{n}@other.example") for n in (1, 2))
    agent = Api(stack.url, user.api_key).make_agent("rotating", hook.url)
    with stack.db() as db, db.cursor() as query:  # the other user's secret becomes the newest
        query.execute("UPDATE signing_secrets SET user_id = %s, created_at = now() "
                      "WHERE user_id = %s", [user.user_id, other.user_id])
    send(stack, agent)
    delivery = hook.wait()
    check_auth_headers(delivery.json, other.secret)
    assert len(delivery.headers["webhook-signature"].split()) == 2
    for whsec in (user.whsec, other.whsec):
        check_standard_webhook(delivery, whsec)


# ---- failures and what follows ----

def failing_once(hook: WebhookReceiver, how) -> None:
    """The first call of each mail is answered in that way, later ones with 200."""
    seen = set()

    def answer(delivery: Delivery):
        first = delivery.headers["webhook-id"] not in seen
        seen.add(delivery.headers["webhook-id"])
        return how if first else 200

    hook.answer = answer


def test_a_retry_is_the_same_call_signed_afresh(stack, account, make_agent, hook, signer):
    failing_once(hook, 500)
    send(stack, make_agent(hook.url), signer=signer, Cc="bob@other.example")
    first, second = hook.wait_count(2)
    one, two = first.json, second.json
    auth_one, auth_two = one.pop("auth_headers"), two.pop("auth_headers")
    assert one == two
    fresh = {"X-E2A-Auth-Timestamp", "X-E2A-Auth-Signature"}
    assert {k for k in auth_one if auth_one[k] != auth_two[k]} == fresh
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    for delivery in (first, second):
        check_auth_headers(delivery.json, account.secret)
        check_standard_webhook(delivery, account.whsec)
    assert wait_rows(stack, one["message_id"], 2) \
        == [("deferred", "http_status", 1, 500), ("delivered", "", 2, 200)]
    assert job(stack, one["message_id"]) is None


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 502, 503])
def test_an_answer_other_than_2xx_is_a_failure_that_is_tried_again(stack, make_agent, hook,
                                                                 status):
    hook.answer = lambda _: status
    send(stack, make_agent(hook.url))
    message_id = hook.wait().json["message_id"]
    assert wait_rows(stack, message_id, 1)[0] == ("deferred", "http_status", 1, status)
    assert job(stack, message_id)[0] == "pending"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(stack, make_agent, hook, status):
    hook.answer = lambda _: status
    send(stack, make_agent(hook.url))
    message_id = hook.wait().json["message_id"]
    assert wait_rows(stack, message_id, 1) == [("delivered", "", 1, status)]
    assert job(stack, message_id) is None


def test_a_redirect_is_not_followed(stack, make_agent, hook):
    with WebhookReceiver() as trap:
        def redirect(handler) -> None:
            handler.send_response(302)
            handler.send_header("Location", trap.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        failing_once(hook, redirect)
        send(stack, make_agent(hook.url))
        hook.wait_count(2)  # the retry goes to the endpoint itself
        assert trap.items == []


def test_410_ends_the_calls_of_an_endpoint(stack, make_agent, hook, wait_messages):
    hook.answer = lambda _: 410
    agent = make_agent(hook.url)
    send(stack, agent, "Gone")
    message_id = hook.wait().json["message_id"]
    assert wait_rows(stack, message_id, 1) == [("failed", "http_gone", 1, 410)]
    assert job(stack, message_id) == ("failed", 1, 410, "http_gone")
    assert wait_messages(agent, "Gone")[0]["message_id"] == message_id  # still to be read
    hook.answer = lambda _: 200
    send(stack, agent, "Later")
    later = wait_messages(agent, "Later")[-1]["message_id"]
    assert wait_rows(stack, later, 1) == [("failed", "endpoint_disabled", None, None)]
    send(stack, make_agent(hook.url), "Another agent's")
    hook.wait_count(2)
    assert [d.headers["webhook-id"] for d in hook.items].count(message_id) == 1
    assert later not in [d.headers["webhook-id"] for d in hook.items]


def reset(handler) -> None:
    """Ends the connection with RST instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    handler.wfile = open("/dev/null", "wb")


def half_an_answer(handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"cut")
    handler.close_connection = True


def no_http(handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2p1\r\n" + b"\0" * 1000)
    handler.close_connection = True


@pytest.mark.parametrize("how", [reset, no_http, half_an_answer])
def test_a_connection_that_breaks_is_tried_again(stack, make_agent, hook, how):
    failing_once(hook, how)
    send(stack, make_agent(hook.url))
    first, second = hook.wait_count(2)
    assert first.json["message_id"] == second.json["message_id"]
    rows = wait_rows(stack, first.json["message_id"], 2)
    assert rows[0] == ("deferred", "broken", 1, 0)
    assert rows[1] == ("delivered", "", 2, 200)


def test_an_endpoint_that_is_not_there_is_tried_again(stack, make_agent, wait_messages):
    with WebhookReceiver() as gone:
        url = gone.url
    agent = make_agent(url)
    send(stack, agent, "Nobody")
    message_id = wait_messages(agent, "Nobody")[0]["message_id"]
    assert wait_rows(stack, message_id, 1)[0] == ("deferred", "connect", 1, 0)


def test_an_answer_of_a_gigabyte_is_not_read(stack, make_agent, hook):
    sent = []

    def pour(handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(HUGE))
        handler.end_headers()
        chunk = b"x" * 65536
        total = 0
        try:
            while total < HUGE:
                handler.wfile.write(chunk)
                total += len(chunk)
        except OSError:
            pass
        sent.append(total)
        handler.close_connection = True
        handler.wfile = open("/dev/null", "wb")

    hook.answer = lambda _: pour
    send(stack, make_agent(hook.url))
    message_id = hook.wait().json["message_id"]
    assert sent[0] < 64 * 1024 * 1024
    assert wait_rows(stack, message_id, 1) == [("delivered", "", 1, 200)]


def test_endless_headers_end_with_the_attempt(stack, make_agent, hook):
    def headers_for_ever(handler) -> None:
        handler.send_response(200)
        try:
            for n in range(HUGE):
                handler.wfile.write(f"X-{n}: {'y' * 1000}\r\n".encode())
        except OSError:
            pass
        handler.close_connection = True
        handler.wfile = open("/dev/null", "wb")

    failing_once(hook, headers_for_ever)
    send(stack, make_agent(hook.url))
    rows = wait_rows(stack, hook.wait().json["message_id"], 1, 30)
    assert rows[0][0] == "deferred"


def test_a_hanging_endpoint_keeps_nobody_else_waiting(stack, make_agent, hook):
    """Nor does it get more calls at once than webhook_per_endpoint (10)."""
    release, arrived = threading.Event(), []

    def hang(delivery: Delivery) -> int:
        arrived.append(delivery.headers["webhook-id"])
        release.wait(30)
        return 200

    with WebhookReceiver() as stuck:
        stuck.answer = hang
        slow, quick = make_agent(stuck.url), make_agent(hook.url)
        try:
            for n in range(15):
                send(stack, slow, f"Slow {n}")
            wait_until("ten hanging calls", lambda: len(arrived) == 10)
            start = time.monotonic()
            send(stack, quick, "Quick")
            assert hook.wait().json["recipient"] == quick
            assert time.monotonic() - start < 3
            assert len(arrived) == 10
        finally:
            release.set()
        stuck.wait_count(15)
        assert len({d.headers["webhook-id"] for d in stuck.items}) == 15
