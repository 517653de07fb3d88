# SPDX-License-Identifier: Apache-2.0
"""The pages of an agent: making one, its settings, mail as it arrives, how to connect, on
whose behalf it writes and who reviews it, and its end."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest

from scripts.stack.part import CLEAN_ENV, Port
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import SecondApid, insert_mail, second_apid
from tests.integration.dashboard import Dashboard
from tests.integration.mishaps import Mishaps
from tests.integration.test_websocket import listed, send

CLOUD = "Cloud: this server sends each mail to a URL of the agent (webhook)"
LOCAL = "Local: the agent connects to this server and is told of its mail (WebSocket, e2a listen)"

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
    dashboard.wait_text("<b>Bold</b> U+202E & co")
    dashboard.check()


REFUSED = [
    ("X", None, "Invalid slug: slug must be 2–40 characters."),
    ("Upper", None, "Invalid slug: slug must be lowercase alphanumeric with hyphens"),
    ("postmaster", None, 'Invalid slug: slug "postmaster" is reserved.'),
    ("good-one", "", "In cloud mode it needs a webhook URL."),
    ("good-one", "http://10.0.0.1/", "Invalid webhook URL: "),
    ("good-one", "\u202ehttps://<script>alert(1)</script>", "Invalid webhook URL: "),
]


def test_what_the_server_refuses_is_said_at_the_form(dashboard):
    dashboard.open("#/agents")
    for address, url, error in REFUSED:
        dashboard.fill("Address", address)
        if url is not None:
            dashboard.tick(CLOUD)
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


# ---- mail as it arrives ----

def state(dashboard) -> str:
    return dashboard.run("return document.querySelector('[data-state]')?.dataset.state")


def is_live(dashboard) -> None:
    dashboard.wait("the tail to be connected", lambda: state(dashboard) == "live")


def rows(dashboard) -> list[str]:
    return dashboard.run("return [...document.querySelectorAll('.tail > li > a')].map(a => a.textContent)")


def has_rows(dashboard, *subjects: str) -> None:
    """Newest first."""
    dashboard.wait(f"the rows {subjects}", lambda: rows(dashboard) == list(subjects))


def subjects(api, agent: str) -> list[str]:
    """As they are stored, newest first."""
    return [m["subject"] for m in listed(api, agent)][::-1]


@pytest.fixture(params=["local", "cloud"])
def either(request, api, hook) -> str:
    """An agent of either mode."""
    return api.make_agent(slug(), hook.url if request.param == "cloud" else "")


def test_mail_appears_when_it_arrives_and_stays_unread(dashboard, stack, api, either):
    send(stack, either, "before")
    dashboard.wait("it to be stored", lambda: len(listed(api, either)) == 1)
    dashboard.open(page_of(either))
    is_live(dashboard)
    has_rows(dashboard, "before")
    for subject, shown in (("one", "one"), ("=?utf-8?q?=E2=80=AEtwo_=3Cb=3E?=", "U+202Etwo <b>"),
                           ("", "(no subject)")):
        before = rows(dashboard)
        send(stack, either, subject)
        has_rows(dashboard, shown, *before)
    dashboard.wait("it to be told", lambda: "new message" in dashboard.run(
        "return document.querySelector('.unseen[role=status]').textContent"))
    assert [m["status"] for m in listed(api, either)] == ["unread"] * 4
    dashboard.check("agent" if not settings_of(api, either)["webhook_url"] else "")
    dashboard.press("one")
    assert dashboard.hash.startswith(page_of(either, "/messages/msg_"))


@pytest.fixture(scope="module")
def own_apid(stack, account) -> Iterator[SecondApid]:
    """One that can be stopped."""
    with second_apid(stack, 84, public_url="{url}") as apid:
        yield apid


@pytest.fixture
def elsewhere(dashboard, own_apid) -> Dashboard:
    """The dashboard of that one."""
    dashboard.url = f"{own_apid.url}/"
    dashboard.sign_in()
    return dashboard


def test_an_apid_that_is_away_costs_no_mail_and_shows_none_twice(elsewhere, stack, api, own_apid,
                                                                 either):
    """Also mail that was read meanwhile by somebody else."""
    elsewhere.open(page_of(either))
    is_live(elsewhere)
    send(stack, either, "first")
    has_rows(elsewhere, "first")
    for how in (own_apid.stop, own_apid.kill):
        how()
        elsewhere.wait("it to be noticed", lambda: state(elsewhere) != "live")
        before = rows(elsewhere)
        send(stack, either, "away", "read")
        elsewhere.wait("both to be stored", lambda: len(listed(api, either)) == len(before) + 2)
        with stack.db() as db, db.cursor() as query:
            query.execute("UPDATE messages SET inbox_status = 'read' WHERE agent_email = %s", [either])
        own_apid.start()
        has_rows(elsewhere, *subjects(api, either))
        is_live(elsewhere)
        send(stack, either, "back")
        has_rows(elsewhere, "back", *subjects(api, either)[-len(before) - 2:])
    elsewhere.assert_clean("ERR_CONNECTION_REFUSED", "WebSocket connection to", "ERR_INCOMPLETE_CHUNKED",
                           "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")


def test_a_tail_holds_no_more_than_its_rows(dashboard, stack, api, agent):
    insert_mail(stack, dashboard.account.user_id, agent, 200, age="1 h")
    dashboard.open(page_of(agent))
    is_live(dashboard)
    dashboard.wait("the rows", lambda: len(rows(dashboard)) == 50)
    send(stack, agent, *range(60))
    dashboard.wait("all to be stored", lambda: len(listed(api, agent)) == 260)
    dashboard.wait("new ones only", lambda: "written" not in rows(dashboard))
    assert len(rows(dashboard)) == len(set(rows(dashboard))) == 50


def test_a_tail_pauses_when_it_is_told_to_and_shows_the_rest_later(dashboard, stack, agent):
    dashboard.open(page_of(agent))
    is_live(dashboard)
    dashboard.press("Pause")
    assert state(dashboard) == "paused"
    send(stack, agent, "meanwhile")
    dashboard.press("Go on")
    has_rows(dashboard, "meanwhile")


def test_a_window_out_of_sight_pauses_its_tail(dashboard, stack, agent):
    """Five minutes, which pass at once."""
    dashboard.browser.before_pages("""
        const long = window.setTimeout;
        window.setTimeout = (f, ms, ...a) => long(f, ms >= 300000 ? 10 : ms, ...a);
        Object.defineProperty(document, "hidden", {get: () => window.unseen === true});""")
    dashboard.open(page_of(agent), fresh=True)
    is_live(dashboard)
    see = "window.unseen = arguments[0]; document.dispatchEvent(new Event('visibilitychange'))"
    dashboard.run(see, True)
    dashboard.wait("the pause", lambda: state(dashboard) == "hidden")
    send(stack, agent, "unseen")
    dashboard.run(see, False)
    is_live(dashboard)
    has_rows(dashboard, "unseen")


def test_a_session_that_ends_asks_to_sign_in_over_the_page(dashboard, stack, either):
    dashboard.open(page_of(either))
    is_live(dashboard)
    with stack.db() as db, db.cursor() as query:
        query.execute("DELETE FROM sessions WHERE user_id = %s", [dashboard.account.user_id])
    assert "The session has ended" in dashboard.dialog().text
    dashboard.press("Later")
    dashboard.wait_text("Not connected: you are signed out.")
    dashboard.press("Try now", settle=False)
    dashboard.dialog()
    dashboard.sign_in()
    dashboard.press("I am signed in again", settle=False)
    dashboard.wait("the dialog to be gone", lambda: not dashboard.find_all("dialog[open]"))
    is_live(dashboard)
    send(stack, either, "again")
    dashboard.wait("the new one", lambda: rows(dashboard)[:1] == ["again"])


def test_an_agent_that_is_deleted_elsewhere_is_said_to_be_gone(dashboard, api, agent):
    dashboard.open(page_of(agent))
    is_live(dashboard)
    assert api.call("DELETE", f"/api/v1/agents/{agent}")[0] == 200
    dashboard.wait_text("This agent is not there any more.")
    dashboard.open(page_of(agent), fresh=True)
    dashboard.wait_text("There is no such agent in your account.")


# ---- settings ----

def settings_of(api, agent: str) -> dict:
    return api.get(f"/api/v1/agents/{agent}")[1]


def card(dashboard, heading: str):
    return dashboard.run("""return [...document.querySelectorAll("section")].find(
        s => s.querySelector("h2").textContent === arguments[0])""", heading)


def test_an_agent_changes_its_mode_and_the_tail_follows(dashboard, stack, api, agent, hook):
    dashboard.open(page_of(agent))
    is_live(dashboard)
    reach = card(dashboard, "How mail reaches it")
    dashboard.tick(CLOUD)
    dashboard.press("Save", reach)
    dashboard.error("In cloud mode it needs a webhook URL.")
    dashboard.fill("Webhook URL", "http://10.0.0.1/hook")
    dashboard.press("Save", reach)
    dashboard.error("Invalid webhook URL: ")
    assert settings_of(api, agent)["agent_mode"] == "local"
    dashboard.fill("Webhook URL", hook.url)
    dashboard.press("Save", reach)
    dashboard.said("Saved.")
    assert (settings_of(api, agent)["agent_mode"], settings_of(api, agent)["webhook_url"]) == (
        "cloud", hook.url)
    dashboard.wait_text("The webhook")
    is_live(dashboard)
    send(stack, agent, "by stream")
    has_rows(dashboard, "by stream")
    dashboard.tick(LOCAL)
    dashboard.press("Save", reach)
    dashboard.wait("it to be local", lambda: settings_of(api, agent)["agent_mode"] == "local")
    is_live(dashboard)
    send(stack, agent, "by socket")
    has_rows(dashboard, "by socket", "by stream")
    dashboard.check("", "status of 400", "WebSocket connection to")


def test_how_long_mail_waits_is_said_in_units_of_people(dashboard, api, agent):
    dashboard.open(page_of(agent))
    dashboard.tick("What it sends waits until a human has agreed")
    dashboard.choose("Without a decision", "it is sent")
    for count, unit, seconds in (("3", "hours", 10800), ("90", "minutes", 5400), ("1", "seconds", 1),
                                 ("7", "days", 604800)):
        dashboard.fill("It waits for at most", count)
        dashboard.choose("Unit", unit)
        dashboard.press("Save", card(dashboard, "Approval by a human"))
        dashboard.wait("it to be saved", lambda: settings_of(api, agent)["hitl_ttl_seconds"] == seconds)
        dashboard.settle()
        assert dashboard.control("It waits for at most").get_attribute("value") == count
    got = settings_of(api, agent)
    assert (got["hitl_enabled"], got["hitl_expiration_action"]) == (True, "approve")
    dashboard.wait_text("its mail waits for a human")
    dashboard.fill("It waits for at most", "8")
    dashboard.press("Save", card(dashboard, "Approval by a human"))
    dashboard.error("It waits for a second at least, and for 7 days at most.")
    assert settings_of(api, agent)["hitl_ttl_seconds"] == 604800


def test_two_windows_that_change_one_agent_do_not_undo_each_other(dashboard, api, agent):
    """What only the other one changed stays; what both change is asked about."""
    dashboard.open(page_of(agent))
    change = f"/api/v1/agents/{agent}"
    assert api.call("PUT", change, {"hitl_expiration_action": "approve"})[0] == 200
    dashboard.fill("It waits for at most", "2")
    dashboard.press("Save", card(dashboard, "Approval by a human"))
    dashboard.said("Saved.")
    got = settings_of(api, agent)
    assert (got["hitl_ttl_seconds"], got["hitl_expiration_action"]) == (2 * 86400, "approve")

    assert api.call("PUT", change, {"hitl_ttl_seconds": 60})[0] == 200
    dashboard.fill("It waits for at most", "3")
    dashboard.press("Save", card(dashboard, "Approval by a human"), settle=False)
    assert "its mail waits for 1 minutes" in dashboard.dialog().text
    dashboard.press("Cancel")
    assert settings_of(api, agent)["hitl_ttl_seconds"] == 60
    assert dashboard.control("It waits for at most").get_attribute("value") == "3"  # nothing is lost
    dashboard.press("Save", card(dashboard, "Approval by a human"))
    dashboard.said("Saved.")
    assert settings_of(api, agent)["hitl_ttl_seconds"] == 3 * 86400

    assert api.call("PUT", change, {"hitl_enabled": True})[0] == 200
    dashboard.run("document.dispatchEvent(new Event('visibilitychange'))")
    dashboard.wait_text("its mail waits for a human")
    assert dashboard.control("What it sends waits until a human has agreed").is_selected()


def test_a_webhook_that_was_disabled_is_called_again(dashboard, stack, api, hook):
    agent = api.make_agent(slug(), hook.url)
    hook.answer = lambda _: 410
    send(stack, agent, "refused")
    hook.wait_count(1)
    dashboard.wait("it to be disabled", lambda: api.get(
        f"/api/v1/agents/{agent}/webhook")[1]["state"] == "disabled")
    dashboard.open(page_of(agent))
    webhook = card(dashboard, "The webhook")
    assert "is disabled" in webhook.text and "It answered 410" in webhook.text
    assert "Look at them" in webhook.text
    dashboard.check("agent-webhook")
    hook.answer = lambda _: 200
    dashboard.press("Call it again now", webhook)
    dashboard.said("It is called again.")
    dashboard.wait("it to work", lambda: api.get(
        f"/api/v1/agents/{agent}/webhook")[1]["state"] == "ok")
    dashboard.press("Look again", webhook)
    assert "works" in webhook.text


def test_a_test_mail_arrives_or_waits(dashboard, api, agent):
    dashboard.open(page_of(agent))
    is_live(dashboard)
    dashboard.press("Send it a test mail")
    dashboard.wait_text("A test mail is on its way to this agent.")
    dashboard.wait("it", lambda: len(rows(dashboard)) == 1)
    assert api.call("PUT", f"/api/v1/agents/{agent}", {"hitl_enabled": True})[0] == 200
    dashboard.press("Send it a test mail")
    dashboard.wait_text("The test mail waits for a human.")
    dashboard.press("Decide about it")
    dashboard.wait("the hold", lambda: dashboard.hash.startswith("#/pending/msg_"))


def test_an_agent_is_deleted_once_its_address_is_typed(dashboard, api, agent):
    dashboard.open(page_of(agent))
    dashboard.press("Delete the agent")
    assert not dashboard.pressable("Delete it").is_enabled()
    dashboard.check()
    dashboard.press("Cancel")
    assert api.get(f"/api/v1/agents/{agent}")[0] == 200
    dashboard.press("Delete the agent")
    dashboard.fill(f"Type {agent} to go on", agent)
    dashboard.press("Delete it")
    dashboard.said("The agent is deleted.")
    assert dashboard.hash == "#/"
    assert api.get(f"/api/v1/agents/{agent}")[0] == 403


# ---- connecting ----

def pasted(dashboard, heading: str) -> str:
    """What stands below it."""
    return dashboard.run("""
        return [...document.querySelectorAll("details")].find(
            d => d.querySelector("summary").textContent === arguments[0]).querySelector("pre").textContent""",
                         heading)


def settings_to_paste(dashboard) -> str:
    return dashboard.run("return document.querySelector('main .copyable pre').textContent")


def shell(script: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-euc", script], env={**CLEAN_ENV, **env}, text=True,
                          capture_output=True, timeout=30)


def test_a_key_of_the_agent_is_a_click_away(dashboard, api, agent):
    api.make_agent(slug())
    dashboard.open(page_of(agent))
    dashboard.press("a key of this agent")
    assert dashboard.heading == "API keys"
    dashboard.fill("Name", "pasted")
    dashboard.press("Make the key")
    dashboard.wait_text("Copy the key now")
    assert agent in dashboard.find("main table").text
    dashboard.check()


def told_by(script: str) -> str:
    """What a program says that goes on for ever, up to the subject of the second mail."""
    with subprocess.Popen(["bash", "-euc", f"{script.rstrip()} 2>&1"], env=CLEAN_ENV, text=True,
                          start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        said = ""
        for line in program.stdout:
            said += line
            if "to be told" in line:
                break
        os.killpg(program.pid, signal.SIGKILL)
    return said


def test_what_is_to_be_pasted_works(dashboard, stack, api, agent):
    """With a key in its place, which the page never has."""
    send(stack, agent, "to be read")
    dashboard.wait("it to be stored", lambda: len(listed(api, agent)) == 1)
    dashboard.open(page_of(agent))
    assert "e2a_YOUR_KEY" in settings_to_paste(dashboard)
    assert not re.search("e2a_[0-9a-f]{8}", dashboard.run("return document.documentElement.outerHTML"))
    settings = settings_to_paste(dashboard).replace("e2a_YOUR_KEY", dashboard.account.api_key)
    message = listed(api, agent)[0]["message_id"]
    curl = pasted(dashboard, "curl").replace("MESSAGE_ID", message)
    done = shell(settings + curl)
    assert done.returncode == 0 and done.stdout.count('"subject":"to be read"') == 2, done
    assert done.stdout.count('"status":"sent"') == 2, done
    send(stack, agent, "to be told")
    for heading in ("WebSocket", "Event stream (Server-Sent Events)"):
        told = told_by(settings + pasted(dashboard, heading).replace("python3", sys.executable))
        assert "to be told" in told, told


def test_the_pasted_webhook_tells_our_calls_from_others(dashboard, stack, api, build):
    port = Port("HTTP")
    agent = api.make_agent(slug(), f"http://127.0.0.1:{port.number}/")
    dashboard.open(page_of(agent))
    code = pasted(dashboard, "Webhook that checks signatures (Python)").replace("9000", str(port.number))
    env = {**CLEAN_ENV, "E2A_WHSEC": dashboard.account.whsec, "PYTHONPATH": str(build / "python")}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL) as receiver:
        try:
            dashboard.wait("it to listen", lambda: posted(port.number) == 401)
            send(stack, agent, "signed")
            assert receiver.stdout.readline().split()[2] == agent
        finally:
            receiver.terminate()
            port.release()


def posted(port: int) -> int | None:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
            client.request("POST", "/", b"{}")
            return client.getresponse().status
    except OSError:
        return None


def test_an_odd_address_is_quoted_in_what_is_pasted(dashboard, stack):
    """Whoever pastes it asks for this address, and runs nothing else."""
    for local in ("o'brien", "a$home", "back`id`tick", "per%cent", "b&c"):
        agent = f"{local}@{SHARED_DOMAIN}"
        with stack.db() as db, db.cursor() as query:
            query.execute("INSERT INTO agents (email, address, domain, user_id, agent_mode) "
                          "VALUES (%s, %s, %s, %s, 'local')",
                          [agent, agent, SHARED_DOMAIN, dashboard.account.user_id])
        dashboard.open(page_of(agent))
        check_quoting(dashboard, agent)


def check_quoting(dashboard, agent: str) -> None:
    lines = pasted(dashboard, "curl") + pasted(dashboard, "The command e2a")
    told = shell("curl() { printf '%s\n' \"$@\"; }; e2a() { printf '%s\n' \"$@\"; }\n"
                 "E2A_URL=u E2A_API_KEY=k\n" + lines).stdout.split("\n")
    assert f"u/api/v1/agents/{quote(agent, safe='')}/messages" in told
    assert told.count(agent) == 6
    assert json.loads(next(t for t in told if '"from"' in t))["from"] == agent


# ---- a server in trouble ----

def test_an_api_that_fails_or_is_slow_costs_nothing_typed(dashboard, stack, api, agent):
    with Mishaps(stack.http_port) as mishaps:
        dashboard.url = mishaps.url
        dashboard.open(page_of(agent))
        mishaps.answer(f"PUT /api/v1/agents/{quote(agent, safe='')}", 503, "not now\n", times=1)
        dashboard.fill("It waits for at most", "5")
        dashboard.press("Save", card(dashboard, "Approval by a human"))
        dashboard.error("Not now.")
        assert dashboard.control("It waits for at most").get_attribute("value") == "5"
        with mishaps.hold(f"PUT /api/v1/agents/{quote(agent, safe='')}"):
            dashboard.press("Save", card(dashboard, "Approval by a human"), settle=False)
            dashboard.wait("the button to wait", lambda: dashboard.find_all("button[aria-busy]"))
        dashboard.said("Saved.")
    assert settings_of(api, agent)["hitl_ttl_seconds"] == 5 * 86400
