# SPDX-License-Identifier: Apache-2.0
"""API keys on their page: made, shown once, used, revoked."""

from __future__ import annotations

from scripts.stack.peers import Api
from tests.integration.client import add_key


def keys_of(dashboard) -> list[str]:
    """Names in the table."""
    return [cell.text.split("\n")[0] for cell in dashboard.find_all("tbody tr > td:first-child")]


def test_a_key_is_made_shown_once_and_works(stack, dashboard):
    dashboard.open("#/keys")
    dashboard.fill("Name", "laptop <b>")
    dashboard.choose("Expires", "In 30 days")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    key = dashboard.find(".note code").text
    assert Api(stack.url, key).get("/api/v1/agents")[0] == 200
    assert "laptop <b>" in keys_of(dashboard)
    assert dashboard.control("Name").get_attribute("value") == ""
    dashboard.check("keys-made")
    dashboard.press("Done")
    dashboard.wait_no_text(key)
    dashboard.open("#/keys", fresh=True)
    assert key not in dashboard.text and key[:12] in dashboard.text
    dashboard.check("keys")


def test_a_key_is_copied(dashboard):
    dashboard.open("#/keys")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    key = dashboard.find(".note code").text
    dashboard.press("Copy the key")
    dashboard.said("Copied.")
    assert dashboard.pasted() == key
    dashboard.check()


def test_a_name_that_lies_is_shown_as_it_is(dashboard):
    dashboard.open("#/keys")
    dashboard.fill("Name", "a\u202eb\u200bc\u00add\u2066<img src=x>")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    assert "aU+202EbU+200BcU+00ADdU+2066<img src=x>" in keys_of(dashboard)
    dashboard.press("Revoke", dashboard.find("tbody tr"))
    assert "Revoke aU+202EbU+200B" in dashboard.dialog().text
    dashboard.press("Cancel")
    dashboard.check()


def test_a_key_of_one_agent(stack, dashboard):
    api = Api(stack.url, dashboard.account.api_key)
    one, two = api.make_agent(f"k{dashboard.account.user_id[:8]}a"), api.make_agent(f"k{dashboard.account.user_id[:8]}b")
    dashboard.open("#/keys")
    dashboard.fill("Name", "bot")
    dashboard.choose("Reaches", "One agent")
    dashboard.choose("Agent", one)
    dashboard.choose("Expires", "Never")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    narrow = Api(stack.url, dashboard.find(".note code").text)
    assert narrow.get(f"/api/v1/agents/{one}")[0] == 200
    assert narrow.get(f"/api/v1/agents/{two}")[0] == 403
    row = next(r for r in dashboard.find_all("tbody tr") if "bot" in r.text)
    assert one in row.text and "never" in row.text
    dashboard.check()


def test_a_key_is_revoked_after_a_question(stack, dashboard):
    id, key = add_key(stack, dashboard.account.user_id)
    dashboard.open("#/keys")
    row = next(r for r in dashboard.find_all("tbody tr") if key[:12] in r.text)
    dashboard.press("Revoke without a name", row)
    dashboard.dialog()
    dashboard.check("keys-revoke")
    dashboard.press("Cancel")
    assert Api(stack.url, key).get("/api/v1/agents")[0] == 200
    dashboard.press("Revoke without a name", row)
    dashboard.press("Revoke")
    dashboard.said("The key is revoked.")
    dashboard.wait_no_text(key[:12])
    assert Api(stack.url, key).get("/api/v1/agents")[0] == 401
    dashboard.check()


def test_a_key_that_expires_soon_or_has(stack, dashboard):
    for expires in ("1 day", "-1 day"):
        add_key(stack, dashboard.account.user_id, expires=expires)
    dashboard.open("#/keys")
    assert {b.text for b in dashboard.find_all("tbody .badge")} <= {"soon", "expired"}
    assert "soon" in dashboard.text
    dashboard.check()


def test_what_the_server_refuses_is_said_and_nothing_typed_is_lost(stack, dashboard):
    api = Api(stack.url, dashboard.account.api_key)
    agent = api.make_agent(f"k{dashboard.account.user_id[-8:]}c")
    dashboard.open("#/keys")
    dashboard.fill("Name", "kept")
    dashboard.choose("Reaches", "One agent")
    assert api.call("DELETE", f"/api/v1/agents/{agent}")[0] == 200
    dashboard.press("Make the key")
    dashboard.error("Agent not found.")
    assert dashboard.control("Name").get_attribute("value") == "kept"
    dashboard.check("", "404")
