# SPDX-License-Identifier: Apache-2.0
"""The account on its page: whose it is, its export, its end; and a word to the operator."""

from __future__ import annotations

import json

from scripts.stack.part import wait_until
from scripts.stack.peers import Api


def api_of(dashboard) -> Api:
    return Api(dashboard.stack.url, dashboard.account.api_key)


def test_the_account_is_exported(dashboard, tmp_path):
    agent = api_of(dashboard).make_agent(f"e{dashboard.account.user_id[-8:]}")
    dashboard.open("#/account")
    assert dashboard.account.email in dashboard.find("main").text
    assert "1 agent, with all mail" in dashboard.text
    dashboard.check("account")
    dashboard.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {
        "behavior": "allow", "downloadPath": str(tmp_path)})
    dashboard.press("Download")
    file = tmp_path / f"e2a-export-{dashboard.account.user_id}.json"
    wait_until("the file", file.exists)
    export = json.loads(file.read_text())
    assert export["user"]["email"] == dashboard.account.email
    assert [a["email"] for a in export["agents"]] == [agent]
    dashboard.assert_clean()


def test_an_export_without_a_session_asks_to_sign_in(dashboard):
    dashboard.open("#/account")
    dashboard.sign_out()
    dashboard.press("Download", settle=False)
    assert "Sign in again" in dashboard.dialog().text


def test_the_account_is_deleted_by_who_types_its_name(stack, dashboard):
    api = api_of(dashboard)
    dashboard.open("#/account")
    dashboard.press("Delete the account …")
    dashboard.dialog()
    delete = dashboard.pressable("Delete for good")
    assert not delete.is_enabled()
    label = f"Type {dashboard.account.email} to go on"
    dashboard.fill(label, dashboard.account.email[:-1])
    assert not delete.is_enabled()
    dashboard.check("account-delete")
    dashboard.press("Cancel")
    assert api.get("/api/v1/agents")[0] == 200
    dashboard.press("Delete the account …")
    dashboard.fill(label, dashboard.account.email)
    dashboard.press("Delete for good")
    dashboard.wait_text("The account is deleted")
    assert api.get("/api/v1/agents")[0] == 401
    dashboard.check("account-deleted")
    dashboard.press("To the sign-in page", settle=False)
    dashboard.wait("the sign-in page", lambda: dashboard.browser.url.endswith("/api/auth/login"))


def feedback_of(stack, email: str) -> list[tuple[str, str]]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT category, message FROM feedback WHERE email = %s", [email])
        return query.fetchall()


def test_a_word_to_the_operator(stack, dashboard):
    dashboard.open("#/feedback")
    dashboard.choose("What is it?", "Something does not work")
    dashboard.fill("Your words", "The <b>button</b>\nis broken — really.")
    dashboard.check("feedback")
    dashboard.press("Send")
    dashboard.said("Sent. Thank you.")
    assert feedback_of(stack, dashboard.account.email) == [
        ("bug", "The <b>button</b>\nis broken — really.")]
    assert dashboard.control("Your words").get_attribute("value") == ""
    dashboard.check()


def test_too_many_words_are_not_sent(stack, dashboard):
    dashboard.open("#/feedback")
    words = dashboard.control("Your words")
    dashboard.run("arguments[0].value = '\U0001f600'.repeat(4999); "
                  "arguments[0].dispatchEvent(new Event('input'))", words)
    assert "1 character left" in dashboard.text
    words.send_keys("xyz")
    assert "2 too many" in dashboard.text
    dashboard.press("Send", settle=False)
    assert not words.get_property("validity")["valid"]
    assert feedback_of(stack, dashboard.account.email) == []
    dashboard.check()
