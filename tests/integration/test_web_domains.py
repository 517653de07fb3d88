# SPDX-License-Identifier: Apache-2.0
"""Domains on the dashboard: claimed, published record by record before one's eyes, verified,
given another key, given up."""

from __future__ import annotations

import pytest

from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST
from tests.integration.dashboard import Dashboard
from tests.integration.test_domain_records import Claim, make_claim


@pytest.fixture
def api(stack, dashboard) -> Api:
    return Api(stack.url, dashboard.account.api_key)


def badge(page: Dashboard, what: str, domain: str = "") -> str:
    """The status of the record that is said to be for this."""
    found = [h.find_element("css selector", ".badge").text for h in page.find_all("main details[open] h3")
             if h.text.startswith(what)]
    assert len(found) == 1, found
    return found[0]


def look_by_itself(page: Dashboard) -> None:
    """What the page does every 30 seconds."""
    page.run("document.dispatchEvent(new Event('visibilitychange'))")


def publish(claim: Claim, kind: str) -> None:
    record = claim.listed()["dns_records"][kind]
    if kind == "mx":
        claim.publish_mx(f"{record['priority']} {record['value']}.")
    else:
        claim.publish("_e2a" if kind == "txt" else record["host"], record["value"])


WORDS = {"txt": "Proof that it is yours", "mx": "Brings its mail here", "dkim": "DKIM, signs your agents' mail",
         "spf": "SPF", "dmarc": "DMARC"}


def test_from_a_claim_to_a_verified_domain(stack, dashboard, api):
    page = dashboard.open("#/domains")
    page.wait_text("You have no domain of your own.")
    page.check()
    name = f"w{dashboard.account.user_id[-12:]}.example"
    page.fill("Domain", name.upper())
    page.press("Claim it")
    page.said(f"{name} is claimed.")
    assert page.run("return document.activeElement.textContent") == name
    claim = Claim(stack, api, name)
    page.wait("a look", lambda: badge(page, WORDS["mx"]) == "not there")
    shown = page.find("main details").text
    for record in claim.listed()["dns_records"].values():
        assert record["host"] in shown and record["value"] in shown
    assert f"_dmarc.{name}" in shown and "priority 10" in shown and "5 records not found so far" in shown
    page.check("domains-claimed")
    page.press(f"Verify {name}")
    page.error("TXT record not found. Expected: e2a-verify=")
    claim.publish_mx("5 other.example.")
    look_by_itself(page)
    page.said("Brings its mail here: something else is there.")
    for kind in ("dmarc", "spf", "dkim", "mx", "txt"):
        publish(claim, kind)
        look_by_itself(page)
        page.wait(f"{kind} to be found", lambda: badge(page, WORDS[kind]) == "published")
    assert "all records are published" in page.text and "not verified" in page.text
    page.press(f"Verify {name}")
    page.said(f"{name} is verified.")
    assert claim.get()["verified"] is True
    assert not [b for b in page.find_all("main button") if b.text == "Verify"]
    page.check("domains-verified", "412")


def test_names_and_values_are_copied(stack, dashboard, api):
    claim = make_claim(stack, api)
    page = dashboard.open("#/domains", fresh=True)
    page.driver.execute_cdp_cmd("Browser.grantPermissions", {
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    for what, want in ((f"Copy the name for {WORDS['dkim']}", claim.listed()["dns_records"]["dkim"]["host"]),
                       (f"Copy the value for {WORDS['dkim']}", claim.listed()["dns_records"]["dkim"]["value"])):
        page.press(what)
        page.said("Copied.")
        assert page.driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0])") == want
    page.check()


def test_looking_again_takes_the_focus_from_nobody(stack, dashboard, api):
    claim = make_claim(stack, api)
    page = dashboard.open("#/domains", fresh=True)
    page.wait("a look", lambda: badge(page, WORDS["mx"]) == "not there")
    publish(claim, "mx")
    page.press(f"Look again at {claim.name}")
    page.wait("it to be found", lambda: badge(page, WORDS["mx"]) == "published")
    assert page.run("return document.activeElement.ariaLabel") == f"Look again at {claim.name}"
    assert claim.listed()["dns_records"]["mx"]["status"] == "published"
    page.check()


def test_another_key(stack, dashboard, api):
    claim = make_claim(stack, api)
    publish(claim, "dkim")
    claim.get()
    page = dashboard.open("#/domains", fresh=True)
    page.press(f"Make another DKIM key for {claim.name}")
    dialog = page.dialog()
    assert "as it is signed" not in dialog.text and "publish beside the present one" in dialog.text
    page.check()
    page.press("Make it")
    page.wait_text("The next DKIM key")
    assert badge(page, "The next DKIM key") in ("not known", "not there")
    page.press(f"Make another DKIM key for {claim.name}")
    page.press("Make it")
    page.error("A rotation is under way")
    publish(claim, "dkim_next")
    look_by_itself(page)
    page.wait_text("The DKIM key from before")
    assert "It is needed until" in page.text
    page.check("domains-rotated", "409")


def test_a_domain_with_agents_stays(stack, dashboard, api):
    claim, other = make_claim(stack, api), make_claim(stack, api)
    claim.publish("_e2a", claim.listed()["verification_token"])
    assert claim.verify()[0] == 200
    status, agent = api.post("/api/v1/agents", {"email": f"bot@{claim.name}", "agent_mode": "local"})
    assert status == 201, agent
    page = dashboard.open("#/domains", fresh=True)
    page.press(f"Give up {claim.name}")
    page.press("Cancel")
    page.press(f"Give up {claim.name}")
    page.press("Give it up")
    page.error("Cannot delete domain while agents exist")
    assert claim.get()["verified"]
    page.press(f"Give up {other.name}")
    page.press("Give it up")
    page.said(f"{other.name} is given up.")
    assert page.run("return document.activeElement.textContent") == claim.name
    assert other.name not in page.text.replace(f"{other.name} is given up.", "")
    assert [d["domain"] for d in api.get("/api/v1/domains")[1]["domains"]] == [claim.name]
    page.check("domains", "400")


@pytest.mark.parametrize("name, words", [
    ("agents.example", "Reserved domain"), ("<b>x</b>", "Failed to register domain: not a domain name"),
    ("not a domain", "Failed to register domain: not a domain name")])
def test_what_cannot_be_claimed(dashboard, name, words):
    page = dashboard.open("#/domains", fresh=True)
    page.fill("Domain", name)
    page.press("Claim it")
    page.error(words)
    assert page.control("Domain").get_attribute("value") == name
    page.check("", "400")


def test_the_page_keeps_to_the_limit_of_looks(stack, dashboard, api):
    """Looking by itself stops when the server says so, and says nothing of it."""
    for _ in range(4):
        make_claim(stack, api)
    page = dashboard.open("#/domains", fresh=True)
    assert len(page.find_all("main details[open]")) == 3
    page.wait("looks", lambda: "not known" not in page.text)
    page.run("""const real = fetch; window.asked = 0; window.fetch = async (u, o) => {
        asked += u.startsWith("/api/v1/domains/");
        return new Response("rate limit exceeded\\n", {status: 429, headers: {
            "Content-Type": "text/plain", "Retry-After": "30"}}); }""")
    for _ in range(3):
        look_by_itself(page)
    page.wait("one look", lambda: page.run("return asked") >= 1)
    assert page.run("return asked") == 1 and not page.find("#trouble").text
    page.check()
