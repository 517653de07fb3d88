# SPDX-License-Identifier: Apache-2.0
"""Suppressed addresses on the dashboard: why they are there, and taking one off."""

from __future__ import annotations

import os

from scripts.stack.peers import Api
from tests.integration.dashboard import Dashboard
from tests.integration.outbound import Author
from tests.integration.sender import query
from tests.integration.test_suppressions import suppress


def rows(page: Dashboard) -> list[str]:
    return [r.text for r in page.find_all("main tbody tr")]


def listed(stack, page: Dashboard) -> set[str]:
    return {a for a, in query(stack, "SELECT address FROM suppressions WHERE user_id = %s",
                              page.account.user_id)}


def test_an_empty_list(dashboard):
    page = dashboard.open("#/suppressions")
    page.wait_text("There is none: no mail of your agents has come back for good.")
    page.check()


def test_why_an_address_is_there_and_the_mail_that_came_back(stack, dashboard):
    api = Api(stack.url, dashboard.account.api_key)
    author = Author(stack, api, api.make_agent(f"sup{os.urandom(6).hex()}"))
    id = author.send("gone@peer.example")["id"]
    user = dashboard.account.user_id
    suppress(stack, user, "gone@peer.example", code="5.1.1", message_id=id,
             detail="550 5.1.1 <b>no</b> such user\u202e")
    suppress(stack, user, "odd@peer.example", age="1 day")
    page = dashboard.open("#/suppressions", fresh=True)
    first, second = rows(page)
    assert "there is no such mailbox (5.1.1)" in first and "mail to it came back" in second
    page.press("What its server said")
    assert "550 5.1.1 <b>no</b> such userU+202E" in page.text
    page.check("suppressions")
    page.press("The mail to gone@peer.example that came back")
    page.wait("its page", lambda: page.hash.endswith(f"/messages/{id}"))
    page.settle()


def test_taking_one_off_the_list(stack, dashboard):
    names = [f"a{n}/b@peer.example" for n in range(3)]
    for n, name in enumerate(names):
        suppress(stack, dashboard.account.user_id, name, age=f"{n} min")
    page = dashboard.open("#/suppressions", fresh=True)
    page.press(f"Take {names[1]} off the list")
    page.press("Cancel")
    assert listed(stack, page) == set(names)
    page.press(f"Take {names[1]} off the list")
    page.check("suppressions-ask")
    page.press("Take it off")
    page.said(f"{names[1]} is off the list.")
    assert listed(stack, page) == {names[0], names[2]} and len(rows(page)) == 2
    assert page.run("return document.activeElement.ariaLabel") == f"Take {names[2]} off the list"
    query(stack, "DELETE FROM suppressions WHERE address = %s", names[0])
    page.press(f"Take {names[0]} off the list")
    page.press("Take it off")
    page.error("Suppression not found")
    page.check("", "404")


def test_a_long_list_and_one_address_of_it(stack, dashboard):
    for n in range(3):
        suppress(stack, dashboard.account.user_id, *(f"p{n}x{i}@peer.example" for i in range(40)), age=f"{n} min")
    page = dashboard.open("#/suppressions", fresh=True)
    assert len(rows(page)) == 50
    page.press("More")
    page.press("More")
    assert len(rows(page)) == 120
    page.fill("Look for one address", "P2X7@peer.example")
    page.press("Look")
    page.wait("one row", lambda: len(rows(page)) == 1)
    assert rows(page)[0].startswith("p2x7@peer.example")
    page.fill("Look for one address", "nobody@peer.example")
    page.press("Look")
    page.wait_text("Nothing keeps your agents from writing to nobody@peer.example.")
    page.fill("Look for one address", "nonsense")
    page.press("Look")
    page.error("Address must be an e-mail address")
    page.check("", "400")
