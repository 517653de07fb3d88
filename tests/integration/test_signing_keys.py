# SPDX-License-Identifier: Apache-2.0
"""Ed25519 keys of webhooks: none to three, sealed at rest, of which only public halves are
shown; each signs. Signatures are checked by python3-cryptography."""

from __future__ import annotations

import base64
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from scripts.stack.mail import compose
from scripts.stack.peers import Delivery, check_auth_headers, check_standard_webhook
from tests.integration.client import Answer, Caller, add_key, with_key

KEYS, AGENTS = "/api/v1/users/me/signing-keys", "/api/v1/agents"
SECRETS = "/api/v1/users/me/signing-secrets"
SENDER = "alice@sender.example"
TOO_MANY = (400, "at most 3 signing keys per user; delete one before creating another\n")
ABSENT = (404, "signing key not found or not owned by user\n")
WRONG = (400, "invalid JSON body\n")


def unique() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def owner(stack):
    return stack.bootstrap(f"k{unique()}@other.example")


@pytest.fixture
def call(stack, owner) -> Caller:
    return with_key(stack.http_port, owner.api_key)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.text


def listed(call: Caller) -> list[dict]:
    answer = call("GET", KEYS)
    assert answer.status == 200
    return answer.json["keys"]


def make(call: Caller, name: str = "") -> dict:
    answer = call("POST", KEYS, {"name": name})
    assert answer.status == 201, answer.text
    return answer.json


def verifies(delivery: Delivery, whpk: str) -> bool:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(whpk.removeprefix("whpk_"),
                                                              validate=True))
    sent = delivery.headers
    text = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + delivery.body
    for value in sent["webhook-signature"].split(" "):
        version, signature = value.split(",")
        try:
            if version == "v1a":
                key.verify(base64.b64decode(signature, validate=True), text)
                return True
        except InvalidSignature:
            pass
    return False


def test_there_is_none_until_one_is_made(call):
    assert listed(call) == []
    made = make(call, "  prod\t")
    assert made.keys() == {"id", "name", "public_key", "created_at"}
    assert re.fullmatch(r"wkey_[0-9a-f]{32}", made["id"])
    assert re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", made["public_key"])
    assert made["name"] == "prod"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created_at"])
    assert listed(call) == [made]


def test_keys_and_secrets_are_two_lists(call):
    """Neither counts for the other, nor is deleted as one of them."""
    first, = call("GET", SECRETS).json["secrets"]
    keys = [make(call, str(n)) for n in range(3)]
    assert [k["name"] for k in listed(call)] == ["2", "1", "0"], "newest first"
    assert call("GET", SECRETS).json["secrets"] == [first]
    for path, one in ((KEYS, first), (SECRETS, keys[0])):
        assert call("DELETE", f"{path}/{one['id']}").status == 404
    assert call("DELETE", f"{SECRETS}/{first['id']}").status == 400, "still the last secret"
    assert len(listed(call)) == 3


@pytest.mark.parametrize("body, want", [(None, 201), (b"{}", 201), (b'{"name":null}', 201),
                                        (b"{", 400), (b"[]", 400), (b'{"name":1}', 400),
                                        (b'{"name":"a\\u0000b"}', 400)])
def test_the_name_may_be_left_out_but_not_be_wrong(call, body, want):
    answer = call("POST", KEYS, body)
    assert answer.status == want
    assert answer.json["name"] == "unnamed" if want == 201 else said(answer) == WRONG


def test_there_are_three_at_most(call):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: call("POST", KEYS, {"name": str(n)}), range(8)))
    assert sorted(a.status for a in answers) == [201] * 3 + [400] * 5
    assert {said(a) for a in answers if a.status == 400} == {TOO_MANY}
    for key in listed(call):
        answer = call("DELETE", f"{KEYS}/{key['id']}")
        assert (answer.status, answer.body) == (204, b"")
        assert said(call("DELETE", f"{KEYS}/{key['id']}")) == ABSENT
    assert listed(call) == []


def test_private_keys_are_sealed_at_rest_and_never_shown(stack, owner, call):
    made = make(call)
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT sealed, public_key FROM signing_secrets WHERE id = %s", [made["id"]])
        sealed, public = (bytes(value) for value in query.fetchone())
    assert len(sealed) == 32 + 29
    assert made["public_key"] == "whpk_" + base64.b64encode(public).decode()
    assert "whsk_" not in call("GET", KEYS).text


def test_somebody_elses_key_is_like_none(call, strange_api):
    path = f"{KEYS}/{make(call)['id']}"
    assert strange_api.call("DELETE", path) == ABSENT
    assert len(listed(call)) == 1


@pytest.mark.parametrize("key", ["wkey_" + "0" * 32, "x", "%00", "wkey_" + "0" * 31 + "%00"])
def test_a_key_that_is_not_there_cannot_be_deleted(call, key):
    assert said(call("DELETE", f"{KEYS}/{key}")) == ABSENT


@pytest.mark.parametrize("method, tail", [("GET", ""), ("POST", ""), ("DELETE", "/wkey_" + "0" * 32)])
def test_who_may_not(stack, owner, call, method, tail):
    nobody = Caller(stack.http_port, ())
    assert said(nobody(method, KEYS + tail)) == (401, "authentication required\n")
    agent = call("POST", AGENTS, {"slug": f"k{unique()}", "agent_mode": "local"}).json["email"]
    _, key = add_key(stack, owner.user_id, agent=agent)
    answer = with_key(stack.http_port, key)(method, KEYS + tail)
    assert said(answer) == (ABSENT if tail else (404, "404 page not found\n"))
    assert listed(call) == []


def test_each_key_signs_beside_the_secrets(stack, owner, call, hook):
    """From the mail on that comes next, at each attempt, until it is deleted."""
    agent = call("POST", AGENTS, {"slug": f"k{unique()}", "webhook_url": hook.url}).json["email"]

    def deliver(subject: str, calls: int = 1) -> list[Delivery]:
        before = len(hook.items)
        assert stack.send(SENDER, agent, compose(SENDER, agent, subject)).code == 250
        return hook.wait_count(before + calls)[before:]

    def versions(delivery: Delivery) -> list[str]:
        return [v.split(",")[0] for v in delivery.headers["webhook-signature"].split(" ")]

    plain, = deliver("Plain")
    assert versions(plain) == ["v1"]
    old, new = make(call, "old"), make(call, "new")
    both, = deliver("Both")
    assert versions(both) == ["v1", "v1a", "v1a"]
    assert verifies(both, old["public_key"]) and verifies(both, new["public_key"])
    assert not verifies(plain, new["public_key"])
    check_standard_webhook(both, owner.whsec)
    check_auth_headers(both.json, owner.secret)  # a key is newer than the secret, and no secret
    for name, value in (("webhook-id", "msg_" + "0" * 32), ("webhook-timestamp", "1")):
        forged = Delivery(both.path, {**both.headers, name: value}, both.body, both.at)
        assert not verifies(forged, new["public_key"])
    assert not verifies(Delivery(both.path, both.headers, both.body + b" ", both.at),
                        new["public_key"])

    hook.answer = lambda d: 500 if len(hook.items) == 2 else 200
    first, second = deliver("Again", 2)  # the second from a job that was claimed
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    for delivery in (first, second):
        assert verifies(delivery, old["public_key"]) and verifies(delivery, new["public_key"])

    assert call("DELETE", f"{KEYS}/{old['id']}").status == 204
    after, = deliver("After")
    assert versions(after) == ["v1", "v1a"]
    assert verifies(after, new["public_key"]) and not verifies(after, old["public_key"])


def test_a_message_that_is_fetched_is_signed_by_the_secret(stack, owner, call, hook):
    """Not by the key, though that is newer."""
    agent = call("POST", AGENTS, {"slug": f"k{unique()}", "webhook_url": hook.url}).json["email"]
    make(call)
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Fetched")).code == 250
    message_id = hook.wait().json["message_id"]
    answer = call("GET", f"{AGENTS}/{agent}/messages/{message_id}")
    assert answer.status == 200
    check_auth_headers(answer.json, owner.secret)
