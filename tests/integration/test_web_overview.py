# SPDX-License-Identifier: Apache-2.0
"""The overview of the dashboard in a browser: what it says of agents and mail, that it follows
what happens by itself and leaves alone what the user is at, and the first steps."""

from __future__ import annotations

import pytest

from scripts.stack.peers import Api
from tests.integration.client import WebSocket
from tests.integration.dashboard import Dashboard
from tests.integration.outbound import Author
from tests.integration.test_websocket import send

# Agents in every state, and mail over a month, of one account.
STATES = """
INSERT INTO agents (email, address, domain, user_id, name, agent_mode, webhook_url, created_at)
SELECT n || '-' || %(u)s || '@agents.example', n || '-' || %(u)s || '@agents.example',
	'agents.example', %(u)s, name, CASE WHEN n LIKE 'local%%' THEN 'local' ELSE 'cloud' END,
	CASE WHEN n LIKE 'local%%' THEN '' ELSE 'http://127.0.0.1:9/' END, now() - interval '1 day'
FROM (VALUES ('ok', 'All is well'), ('failing', ''), ('open', ''), ('draining', ''),
	('disabled', ''), ('local-never', '<img src=x onerror=alert(1)> ' || chr(8238) || 'evil'),
	('local-gone', ''), ('local-here', 'Support')) v (n, name);
INSERT INTO webhook_queues (agent_email, user_id, failures, failing_since, open_until, drain_after,
	disabled_at)
SELECT n || '-' || %(u)s || '@agents.example', %(u)s, 1, now() - interval '3 hours',
	CASE n WHEN 'open' THEN now() + interval '1 hour' END, CASE n WHEN 'draining' THEN '' END,
	CASE n WHEN 'disabled' THEN now() END
FROM unnest('{failing,open,draining,disabled}'::text[]) n;
INSERT INTO listened SELECT 'local-gone-' || %(u)s || '@agents.example', now() - interval '5 days',
	now() - interval '2 days';
INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, status, type, subject,
	created_at, expires_at, approval_expires_at)
SELECT 'msg_' || md5(%(u)s || n), %(u)s, (CASE WHEN n %% 2 = 0 THEN 'ok-' ELSE 'local-here-' END)
	|| %(u)s || '@agents.example', CASE WHEN n %% 4 = 0 THEN 'outbound' ELSE 'inbound' END,
	CASE WHEN n %% 4 > 0 THEN 'unread' END, CASE n WHEN 4 THEN 'pending_approval' ELSE 'sent' END,
	CASE WHEN n %% 4 = 0 THEN 'send' ELSE '' END, 'S',
	now() - (n * n / 250) * interval '1 minute', now() + interval '9 days',
	CASE n WHEN 4 THEN now() + interval '1 day' END
FROM generate_series(1, 3000) n;
INSERT INTO message_events (message_id, user_id, stage, outcome, at)
SELECT 'msg_' || n, %(u)s, 'recipient', 'bounced', now() - n * interval '5 hours'
FROM generate_series(1, 40) n;
"""


@pytest.fixture
def own(stack, dashboard) -> Api:
    return Api(stack.url, dashboard.account.api_key)


def fill(stack, dashboard: Dashboard) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute(STATES, {"u": dashboard.account.user_id})
        query.execute("ANALYZE messages")


def step(dashboard: Dashboard, n: int):
    return dashboard.find(f".steps > li:nth-child({n})")


def wait_done(dashboard: Dashboard, n: int) -> None:
    dashboard.wait(f"step {n} to be done", lambda: "✓ Done" in step(dashboard, n).text)


def agent_row(dashboard: Dashboard, begin: str) -> str:
    found, = [li.text for li in dashboard.find_all(".agents > li") if li.text.startswith(begin)]
    return found


def test_a_new_account_is_told_what_to_do(dashboard, stack):
    dashboard.open("#/")
    assert "There is no agent yet." in dashboard.text and "No mail in the last 48 hours" in dashboard.text
    assert "0 of 4 done" in dashboard.text and "✓" not in dashboard.text
    dashboard.check("overview-new")
    dashboard.press("Make an agent")
    assert dashboard.hash == "#/agents"


def is_heard(own: Api, agent: str) -> bool:
    agents = own.get("/api/v1/overview?parts=agents")[1]["agents"]
    return any(a["email"] == agent and a["listeners"]["sockets"] == 1 for a in agents)


def test_each_agent_has_its_health_in_words(dashboard, stack, own):
    fill(stack, dashboard)
    here = f"local-here-{dashboard.account.user_id}@agents.example"
    with WebSocket(stack.http_port, here, dashboard.account.api_key):
        dashboard.wait("it to be noted", lambda: is_heard(own, here))
        dashboard.open("#/")
        for begin, words in (("ok-", "Webhook works"), ("failing-", "Webhook fails\nsince 3 hours ago"),
                             ("open-", "Webhook is down"), ("draining-", "Webhook is back"),
                             ("disabled-", "Webhook is disabled"), ("local-never-", "Nobody has listened yet"),
                             ("local-gone-", "Nobody listens\nlast 2 days ago"),
                             ("local-here-", "Listens: 1 WebSocket")):
            assert words in agent_row(dashboard, begin), begin
        assert "more than 200 unread" in agent_row(dashboard, "local-here-")
        assert "1 waits for a decision" in agent_row(dashboard, "ok-")
        assert "8 agents · 1 mail waits for a decision" in dashboard.text
        assert "<img src=x onerror=alert(1)> U+202Eevil" in agent_row(dashboard, "local-never-")
        dashboard.press("Hide these steps")
        dashboard.check("overview")


def test_mail_over_time_is_a_picture_and_a_table(dashboard, stack):
    fill(stack, dashboard)
    dashboard.open("#/")
    pictures = dashboard.find_all(".lane svg")
    assert [p.accessible_name for p in pictures] == [
        f"{kind}, 48 hours" + p.accessible_name.partition("48 hours")[2]
        for kind, p in zip(("Received", "Sent", "Not delivered"), pictures, strict=True)]
    dashboard.press("As a table")
    rows = dashboard.find_all(".traffic tbody tr")
    assert len(rows) == 48
    received = sum(int(r.find_elements("tag name", "td")[0].text.replace(",", "")) for r in rows)
    assert f"Received {received:,}" in dashboard.text and received > 100
    dashboard.press("30 days")
    assert dashboard.pressable("30 days").get_attribute("aria-pressed") == "true"
    assert len(dashboard.find_all(".traffic tbody tr")) == 30
    assert "Received 2,250" in dashboard.text and "Sent 749" in dashboard.text
    assert "Not delivered 40" in dashboard.text
    dashboard.check("overview-table")


def test_it_follows_what_happens_and_leaves_the_user_alone(dashboard, stack, own):
    agent = own.make_agent(f"follow-{dashboard.account.user_id[-8:]}")
    dashboard.open("#/")
    wait_done(dashboard, 1)
    assert "unread" not in agent_row(dashboard, agent)
    link = dashboard.find(".agents a.mono")
    dashboard.run("arguments[0].focus(); scrollTo(0, 100)", link)
    send(stack, agent, "one", "two")
    wait_done(dashboard, 2)
    dashboard.said("Done: Get its first mail.")
    dashboard.wait("the count", lambda: "2 unread" in agent_row(dashboard, agent))
    assert dashboard.run("return document.activeElement.textContent") == agent
    assert dashboard.run("return scrollY") == 100
    assert "Received 2" in dashboard.text

    dashboard.sign_out()
    dashboard.wait_text("This is not up to date.")
    assert not dashboard.find_all("dialog[open]")
    dashboard.press("Update now", settle=False)
    dashboard.dialog()
    dashboard.assert_clean("401")


def test_hidden_steps_stay_hidden(dashboard, stack):
    dashboard.open("#/")
    dashboard.press("Hide these steps")
    dashboard.said("Hidden.")
    assert "First steps" not in dashboard.text
    dashboard.open("#/", fresh=True)
    assert "First steps" not in dashboard.text


def test_an_account_that_did_all_is_shown_no_steps(dashboard, stack):
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO first_steps VALUES (%s, now(), now(), now(), now())",
                      [dashboard.account.user_id])
    Api(stack.url, dashboard.account.api_key).make_agent(f"did-{dashboard.account.user_id[-8:]}")
    dashboard.open("#/")
    assert "First steps" not in dashboard.text and "Mail over time" in dashboard.text


def test_many_agents_come_in_pages(dashboard, stack):
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO agents (email, address, domain, user_id, agent_mode) "
                      "SELECT e, e, 'agents.example', %s, 'local' FROM (SELECT n || '-' || %s "
                      "|| '@agents.example' AS e FROM generate_series(1, 130) n) t",
                      [dashboard.account.user_id] * 2)
    dashboard.open("#/")
    assert "130 agents" in dashboard.text and len(dashboard.find_all(".agents > li")) == 100
    dashboard.press("More")
    assert len(dashboard.find_all(".agents > li")) == 130
    assert dashboard.run("return document.activeElement.matches('.agents > li:first-child')")
    assert not [b for b in dashboard.find_all("button") if b.text == "More"]
