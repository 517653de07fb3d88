# SPDX-License-Identifier: Apache-2.0
"""What the official library of Standard Webhooks says of our calls. It is not ours and knows
nothing of us; the Makefile fetches it from PyPI into the build folder."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.stack.mail import compose
from scripts.stack.peers import Api, Delivery

sys.path.append(str(Path(os.environ.get("E2A_BUILD", "build/gcc")).resolve() / "python"))
from standardwebhooks import Webhook, WebhookVerificationError  # noqa: E402

SECRETS = "/api/v1/users/me/signing-secrets"
SENDER = "alice@sender.example"


@pytest.fixture
def owner(stack):
    return stack.bootstrap(f"w{uuid.uuid4().hex[:12]}@other.example")


@pytest.fixture
def own_api(stack, owner) -> Api:
    return Api(stack.url, owner.api_key)


@pytest.fixture
def agent(own_api, hook) -> str:
    return own_api.make_agent(f"w{uuid.uuid4().hex[:12]}", hook.url)


@pytest.fixture
def deliver(stack, agent, hook):
    def send(subject: str) -> Delivery:
        before = len(hook.items)
        assert stack.send(SENDER, agent, compose(SENDER, agent, subject)).code == 250
        return hook.wait_count(before + 1)[-1]

    return send


def add_secret(api: Api) -> dict:
    status, made = api.post(SECRETS, {"name": "next"})
    assert status == 201
    return made


def verify(delivery: Delivery, whsec: str) -> dict:
    return Webhook(whsec).verify(delivery.body, delivery.headers)


def refused(delivery: Delivery, whsec: str) -> bool:
    try:
        verify(delivery, whsec)
    except WebhookVerificationError:
        return True
    return False


def with_header(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers={**delivery.headers, name: value})


def test_every_active_secret_verifies(owner, own_api, deliver):
    secrets = [owner.whsec, *(add_secret(own_api)["whsec"] for _ in range(4))]
    delivery = deliver("Every secret")
    for whsec in secrets:
        assert verify(delivery, whsec) == delivery.json


def test_a_mail_of_any_bytes_verifies(stack, owner, agent, hook):
    mail = b"From: \xe4\xff <a@x.example>\r\nSubject: \xf0\x9f\x92\xa9 \"\\\r\n\r\n" + bytes(
        b for b in range(1, 256) if b not in b"\r\n") * 40 + b"\r\n"
    assert stack.send(SENDER, agent, mail).code == 250
    delivery = hook.wait()
    assert verify(delivery, owner.whsec)["message_id"] == delivery.headers["webhook-id"]


def test_what_was_tampered_with_does_not(stack, owner, deliver):
    delivery = deliver("Tampered with")
    sent = delivery.headers
    body = delivery.body
    forged = [
        replace(delivery, body=body + b" "),
        replace(delivery, body=body.replace(b"alice@sender", b"mallory@sender")),
        with_header(delivery, "webhook-id", sent["webhook-id"][:-1] + "x"),
        with_header(delivery, "webhook-timestamp", str(int(sent["webhook-timestamp"]) + 1)),
        with_header(delivery, "webhook-signature", "v1," + "A" * 43 + "="),
        with_header(delivery, "webhook-signature", sent["webhook-signature"].replace("v1,", "v2,")),
        with_header(delivery, "webhook-signature", ""),
    ]
    assert [refused(one, owner.whsec) for one in forged] == [True] * len(forged)
    stranger = stack.bootstrap(f"w{uuid.uuid4().hex[:12]}@other.example")
    assert refused(delivery, stranger.whsec), "somebody else's secret"
    assert not refused(delivery, owner.whsec)


def test_old_and_new_verify_while_a_secret_is_replaced(owner, own_api, deliver):
    old = owner.whsec
    assert verify(deliver("Before"), old)
    new = add_secret(own_api)["whsec"]
    during = deliver("During")
    assert verify(during, old) and verify(during, new)
    first = own_api.get(SECRETS)[1]["secrets"][-1]["id"]
    assert own_api.call("DELETE", f"{SECRETS}/{first}")[0] == 204
    after = deliver("After")
    assert verify(after, new) and refused(after, old)


def test_a_retry_is_signed_afresh(stack, owner, own_api, agent, hook):
    """... with the secrets that there are by then."""
    made = []

    def answer(_: Delivery) -> int:
        if made:
            return 200
        made.append(add_secret(own_api)["whsec"])
        return 500

    hook.answer = answer
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Again")).code == 250
    first, second = hook.wait_count(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    for delivery in (first, second):
        assert verify(delivery, owner.whsec) == delivery.json
    assert refused(first, made[0]) and verify(second, made[0])
    assert refused(replace(second, headers=first.headers), owner.whsec)
