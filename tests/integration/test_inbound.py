# SPDX-License-Identifier: Apache-2.0
"""The main job: a mail comes in by SMTP and reaches its agent by webhook,
WebSocket and REST."""

from __future__ import annotations

import hashlib

import pytest

from scripts.stack.mail import compose
from scripts.stack.peers import (WebSocketListener, check_auth_headers,
                                 check_standard_webhook)

SENDER = "alice@sender.example"
HONEST = "127.0.0.7"
FORGER = "127.0.0.66"


def auth(delivery) -> dict[str, str]:
    return {name.removeprefix("X-E2A-Auth-"): value
            for name, value in delivery.json["auth_headers"].items()}


def test_signed_mail_reaches_the_webhook_verified(stack, account, make_agent, hook, signer):
    agent = make_agent(hook.url)
    message = signer.sign(compose(f"Alice <{SENDER}>", agent))
    assert stack.send(SENDER, agent, message, HONEST).code == 250
    delivery = hook.wait()
    payload = delivery.json
    assert payload["from"] == SENDER
    assert payload["recipient"] == agent
    assert payload["to"] == [agent]
    assert delivery.raw.endswith(message)
    assert auth(delivery)["Verified"] == "true"
    assert auth(delivery)["Sender"] == SENDER
    assert auth(delivery)["Domain-Check"] == "spf=pass; dkim=pass; dmarc=pass"
    check_auth_headers(payload, account.secret)
    check_standard_webhook(delivery, account.whsec)


def test_auth_headers_are_http_headers_as_well(stack, make_agent, hook, signer):
    agent = make_agent(hook.url)
    stack.send(SENDER, agent, signer.sign(compose(SENDER, agent)), HONEST)
    delivery = hook.wait()
    for name, value in delivery.json["auth_headers"].items():
        assert delivery.headers[name.lower()] == value


def test_live_mail_reaches_the_websocket(stack, account, make_agent, signer):
    agent = make_agent()
    with WebSocketListener(stack.url, agent, account.api_key) as socket:
        stack.send(SENDER, agent, signer.sign(compose(SENDER, agent, "Now")), HONEST)
        notice = socket.wait()
    assert notice["message_id"].startswith("msg_")
    assert (notice["from"], notice["recipient"], notice["subject"]) == (SENDER, agent, "Now")
    assert not {"to", "cc", "body", "raw_message"} & notice.keys()


def test_unread_mail_is_drained_when_the_websocket_opens(stack, account, api, make_agent,
                                                         wait_messages):
    agent = make_agent()
    for subject in ("one", "two"):
        assert stack.send(SENDER, agent, compose(SENDER, agent, subject)).code == 250
        wait_messages(agent, "one", *(["two"] if subject == "two" else []))
    with WebSocketListener(stack.url, agent, account.api_key) as socket:
        assert [n["subject"] for n in socket.wait_count(2)] == ["one", "two"]


def test_rest_lists_hands_out_and_marks_read(stack, api, make_agent, signer, wait_messages):
    agent = make_agent()
    message = signer.sign(compose(SENDER, agent, "Listed"))
    stack.send(SENDER, agent, message, HONEST)
    listed = wait_messages(agent, "Listed")[0]
    status, detail = api.get(f"/api/v1/agents/{agent}/messages/{listed['message_id']}")
    assert status == 200
    assert detail["from"] == SENDER
    assert api.get(f"/api/v1/agents/{agent}/messages?status=unread")[1]["messages"] == []


def test_forged_mail_is_readable_and_not_verified(stack, make_agent, hook, signer):
    agent = make_agent(hook.url)
    message = compose(SENDER, agent, X_E2A_Auth_Verified="true", X_E2A_Verdict="v=1; s=AAAA",
                      Authentication_Results="mx.agents.example; dkim=pass; spf=pass")
    assert stack.send(SENDER, agent, message, FORGER).code == 250
    delivery = hook.wait()
    assert auth(delivery)["Verified"] == "false"
    assert "dmarc=fail" in auth(delivery)["Domain-Check"]
    header = delivery.raw.partition(b"\r\n\r\n")[0].lower()
    assert b"x-e2a-" not in header
    assert header.count(b"authentication-results:") == 1
    assert b"dkim=pass" not in header


@pytest.mark.parametrize("spelling", ["{local}@{domain}", "{LOCAL}@{DOMAIN}",
                                      "{local}+tag@{domain}", "{local}+a+b@{domain}"])
def test_an_address_is_found_in_any_spelling(stack, make_agent, hook, spelling):
    agent = make_agent(hook.url)
    local, domain = agent.split("@")
    recipient = spelling.format(local=local, domain=domain, LOCAL=local.upper(),
                                DOMAIN=domain.upper())
    assert stack.send(SENDER, recipient, compose(SENDER, agent)).code == 250
    assert hook.wait().json["recipient"].lower().startswith(local)


def test_an_unknown_address_is_refused_at_rcpt(stack, account):
    outcome = stack.send(SENDER, "nobody@agents.example", compose(SENDER, "x@agents.example"))
    assert outcome.code == 550
    assert outcome.text.startswith("5.1.1")


def test_mail_to_postmaster_goes_to_the_operator(stack, account):
    mark = stack.postfix.log_mark()
    outcome = stack.send(SENDER, "abuse@agents.example", compose(SENDER, "abuse@agents.example"))
    assert outcome.code == 250
    stack.wait_for_log("postfix", "status=sent", mark)
    assert any(b"abuse@agents.example" in f.read_bytes() for f in stack.postfix.captured())


def test_stored_bytes_are_those_of_the_webhook(stack, make_agent, hook, signer):
    agent = make_agent(hook.url)
    stack.send(SENDER, agent, signer.sign(compose(SENDER, agent, body="caf\u00e9\n")), HONEST)
    delivery = hook.wait()
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT r.raw, m.sha256 FROM messages m JOIN raw_messages r "
                      "ON r.id = m.raw_id WHERE m.id = %s", [delivery.json["message_id"]])
        raw, digest = query.fetchone()
    assert bytes(raw) == delivery.raw
    assert bytes(digest) == hashlib.sha256(delivery.raw).digest()
