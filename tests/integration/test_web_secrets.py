# SPDX-License-Identifier: Apache-2.0
"""Signing secrets and keys on their page; what it says about checking webhooks is true."""

from __future__ import annotations

import base64

from scripts.stack.mail import compose
from scripts.stack.peers import Api

SENDER = "alice@sender.example"


def api_of(dashboard) -> Api:
    return Api(dashboard.stack.url, dashboard.account.api_key)


def section(dashboard, id: str):
    return dashboard.find(f"section[aria-labelledby={id}]")


def shown_once(dashboard) -> list[str]:
    return [code.text for code in dashboard.find_all(".note code")]


def test_a_secret_is_made_and_the_page_says_how_to_check_with_it(stack, dashboard, hook):
    dashboard.open("#/secrets")
    dashboard.fill("Name of the new secret", "prod <b>")
    dashboard.press("Make a secret")
    dashboard.wait_text("Copy the secret now")
    secret, whsec = shown_once(dashboard)
    assert base64.b64decode(whsec.removeprefix("whsec_")).decode() == secret
    dashboard.check("secrets-made")
    dashboard.press("Copy the secret for libraries")
    assert dashboard.pasted() == whsec
    snippet: dict = {}
    exec(dashboard.find_all("pre")[1].text, snippet)

    agent = api_of(dashboard).make_agent(f"w{dashboard.account.user_id[-8:]}", hook.url)
    assert stack.send(SENDER, agent, compose(SENDER, agent, "signed")).code == 250
    call, = hook.wait_count(1)
    assert snippet["is_genuine"](call.body, call.headers, secret)
    assert not snippet["is_genuine"](call.body + b" ", call.headers, secret)
    assert not snippet["is_genuine"](call.body, call.headers, secret[::-1])

    dashboard.press("Done")
    dashboard.wait_no_text(secret)
    dashboard.open("#/secrets", fresh=True)
    assert "prod <b>" in dashboard.text and secret not in dashboard.text
    dashboard.check("secrets")


def test_a_secret_is_deleted_but_the_last_one_stays(dashboard):
    assert api_of(dashboard).post("/api/v1/users/me/signing-secrets", {"name": "old"})[0] == 201
    dashboard.open("#/secrets")
    part = section(dashboard, "secrets")
    assert len(part.find_elements("css selector", "tbody tr")) == 2
    dashboard.press("Delete old", part)
    assert "no longer signed with it" in dashboard.dialog().text
    dashboard.press("Delete")
    dashboard.said("The secret is deleted.")
    dashboard.settle()
    assert len(part.find_elements("css selector", "tbody tr")) == 1
    assert "the last one stays" in part.text and "Delete" not in part.text
    dashboard.check()


def test_more_secrets_than_may_be(dashboard):
    for i in range(4):
        assert api_of(dashboard).post("/api/v1/users/me/signing-secrets", {"name": f"n{i}"})[0] == 201
    dashboard.open("#/secrets")
    dashboard.fill("Name of the new secret", "kept")
    dashboard.press("Make a secret")
    dashboard.error("At most 5 signing secrets per user; delete one before creating another.")
    assert dashboard.control("Name of the new secret").get_attribute("value") == "kept"
    dashboard.check("", "400")


def test_a_pair_is_made_and_deleted(dashboard):
    dashboard.open("#/secrets")
    dashboard.fill("Name of the new key", "pair")
    dashboard.press("Make a key")
    dashboard.wait_text("The key signs from now on")
    key, = shown_once(dashboard)
    assert key.startswith("whpk_")
    assert [k["public_key"] for k in api_of(dashboard).get(
        "/api/v1/users/me/signing-keys")[1]["keys"]] == [key]
    dashboard.press("Copy the new public key")
    assert dashboard.pasted() == key
    dashboard.press("Done")
    dashboard.press("Delete pair")
    dashboard.press("Delete")
    dashboard.said("The key is deleted.")
    dashboard.settle()
    assert "There is none." in section(dashboard, "pairs").text
    dashboard.check()
