# SPDX-License-Identifier: Apache-2.0
"""The pages of an agent: making one, its settings, mail as it arrives, how to connect, on
whose behalf it writes and who reviews it, and its end."""

from __future__ import annotations

import itertools
from urllib.parse import quote

import pytest

from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.dashboard import Dashboard

numbers = itertools.count()


def page_of(agent: str, end: str = "") -> str:
    return f"#/agents/{quote(agent, safe='')}{end}"


def slug() -> str:
    return f"webagent{next(numbers)}"


@pytest.fixture
def api(dashboard) -> Api:
    """Of whom the dashboard belongs to."""
    return Api(dashboard.stack.url, dashboard.account.api_key)


@pytest.fixture
def agent(api) -> str:
    return api.make_agent(slug())


# ---- making one ----

def test_an_agent_is_made_on_the_shared_domain(dashboard, api):
    name = slug()
    dashboard.open("#/agents")
    dashboard.check("new-agent")
    dashboard.fill("Address", name)
    dashboard.fill("Name", "<b>Bold</b> \u202e & co")
    dashboard.press("Make the agent")
    dashboard.said("The agent is there.")
    assert dashboard.hash == page_of(f"{name}@{SHARED_DOMAIN}")
    _, agent = api.get(f"/api/v1/agents/{name}@{SHARED_DOMAIN}")
    assert (agent["name"], agent["agent_mode"]) == ("<b>Bold</b> \u202e & co", "local")
    dashboard.check()


@pytest.mark.parametrize("address, url, error", [
    ("X", None, "Invalid slug: slug must be 2–40 characters."),
    ("Upper", None, "Invalid slug: slug must be lowercase alphanumeric with hyphens"),
    ("postmaster", None, 'Invalid slug: slug "postmaster" is reserved.'),
    ("good-one", "", "Webhook_url is required for cloud agent mode."),
    ("good-one", "http://10.0.0.1/", "Invalid webhook URL: "),
    ("good-one", "\u202ehttps://<script>alert(1)</script>", "Invalid webhook URL: "),
])
def test_what_the_server_refuses_is_said_at_the_form(dashboard, address, url, error):
    dashboard.open("#/agents", fresh=True)
    dashboard.fill("Address", address)
    if url is not None:
        dashboard.tick("Cloud: this server sends each mail to a URL of the agent (webhook)")
        dashboard.fill("Webhook URL", url)
    dashboard.press("Make the agent")
    dashboard.wait_text(error)
    blamed = dashboard.control("Address" if url is None else "Webhook URL")
    assert blamed.get_attribute("aria-invalid") == "true"
    assert dashboard.driver.switch_to.active_element == blamed
    assert dashboard.control("Address").get_attribute("value") == address
    dashboard.check("", "the server responded with a status of 400")


# ---- people ----

def test_a_human_is_asked_for_a_delegation_which_is_taken_back(dashboard, agent):
    dashboard.open(page_of(agent, "/delegations"))
    dashboard.wait_text("Nobody was asked yet.")
    dashboard.fill("E-mail address", "no address")
    dashboard.press("Ask")
    dashboard.error("Human must be an e-mail address.")
    dashboard.fill("E-mail address", "ann@other.example")
    dashboard.press("Ask")
    dashboard.said("Asked: a mail")
    dashboard.wait_text("waits for an answer")
    dashboard.check("delegations", "the server responded with a status of 400")
    dashboard.press("Ask ann@other.example again")
    dashboard.said("Asked: a mail")
    dashboard.press("Take back ann@other.example")
    dashboard.press("Take it back")
    dashboard.wait_text("declined or ended")
    assert not dashboard.find_all("main button.danger")


def test_a_reviewer_is_named_and_removed(dashboard, agent):
    dashboard.open(page_of(agent, "/reviewers"))
    dashboard.wait_text("Nobody is named")
    dashboard.fill("E-mail address", f"bot@{SHARED_DOMAIN}")
    dashboard.press("Ask")
    dashboard.error("Address must not be on a domain of this deployment.")
    dashboard.fill("E-mail address", "bea@other.example")
    dashboard.press("Ask")
    dashboard.wait_text("waits for an answer")
    dashboard.check("reviewers", "the server responded with a status of 400")
    dashboard.press("Remove bea@other.example")
    dashboard.press("Cancel")
    dashboard.press("Remove bea@other.example")
    dashboard.press("Remove")
    dashboard.wait_text("Nobody is named")
