# SPDX-License-Identifier: Apache-2.0
"""Who gets a mail: which addresses exist, in which spelling, on which domains,
and what the others are answered."""

from __future__ import annotations

import itertools
import uuid

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Api

SENDER = "alice@sender.example"
DOMAIN = "agents.example"

names = (f"r{n}{uuid.uuid4().hex[:6]}" for n in itertools.count())


@pytest.fixture
def own_domain(stack, api):
    """own_domain() -> a new verified domain of the account. Postfix is told to look at
    its tables; how it finds out by itself has a test of its own."""
    def make() -> str:
        domain = f"{next(names)}.example"
        claim = api.post("/api/v1/domains", {"domain": domain})[1]
        stack.dns.publish(domain, "TXT", claim["verification_token"])
        mark = stack.deliverd.log_mark()
        status, answer = api.post(f"/api/v1/domains/{domain}/verify")
        assert (status, answer["verified"]) == (200, True)
        stack.wait_for_log("deliverd", "postfix_tables_written", mark)
        stack.postfix.reload()
        stack.wait_for_domain(domain)
        return domain

    return make


def rows(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall()


def make_at(api: Api, address: str) -> None:
    status, answer = api.post("/api/v1/agents", {"email": address, "agent_mode": "local"})
    assert status == 201, answer


# ---- unknown ----

@pytest.mark.parametrize("local", ["nobody", "nobody+tag", "{agent}x", "x{agent}", ".{agent}",
                                   "{agent}.", "{agent}-tag", "%", "_%", "*", "+", "+{agent}",
                                   "o'hara", "x'--", "\"{agent} \"", "\"a b\"",
                                   "{agent}%agents.example", "{agent}!x"])
def test_an_unknown_address_is_refused_at_rcpt(stack, make_agent, local):
    agent = make_agent()
    address = local.format(agent=agent.partition("@")[0]) + f"@{DOMAIN}"
    outcome = stack.send(SENDER, address, compose(SENDER, agent))
    assert outcome.refused[address][0] in (501, 550, 554), outcome
    if outcome.code == 550:
        assert outcome.text.startswith("5.1.1")
    assert rows(stack, "SELECT id FROM messages WHERE agent_email = %s", agent) == []


def test_an_unknown_recipient_costs_the_known_ones_nothing(stack, make_agent, wait_messages):
    first, second = make_agent(), make_agent()
    to = [first, f"nobody@{DOMAIN}", second]
    outcome = stack.send(SENDER, to, compose(SENDER, to, "Known"))
    assert outcome.code == 250
    assert {a: (c, t[:5]) for a, (c, t) in outcome.refused.items()} \
        == {f"nobody@{DOMAIN}": (550, "5.1.1")}
    for agent in (first, second):
        assert len(wait_messages(agent, "Known")) == 1


# ---- spelling ----

@pytest.mark.parametrize("spelling", ["{l}@{d}", "{L}@{d}", "{l}@{D}", "{L}@{D}", "{l}+tag@{d}",
                                      "{L}+Tag@{D}", "{l}+a+b@{d}", "{l}+@{d}", "{l}+a=b@{d}",
                                      "\"{l}\"@{d}", "{l}+o'hara@{d}", "{l}@{d}."])
def test_mail_finds_its_agent_and_keeps_the_spelling(stack, make_agent, hook, spelling):
    agent = make_agent(hook.url)
    local, domain = agent.split("@")
    recipient = spelling.format(l=local, L=local.upper(), d=domain, D=domain.upper())
    outcome = stack.send(SENDER, recipient, compose(SENDER, agent))
    assert outcome.code == 250, outcome
    told = hook.wait().json["recipient"]
    assert told.lower() == recipient.lower().rstrip(".").replace('"', "")
    assert rows(stack, "SELECT count(*) FROM messages WHERE agent_email = %s", agent) == [(1,)]


def test_an_agent_with_a_plus_in_its_name_is_preferred_to_the_one_before_the_plus(
        stack, api, own_domain, wait_messages):
    domain = own_domain()
    plain, tagged = f"bot@{domain}", f"bot+orders@{domain}"
    make_at(api, plain)
    make_at(api, tagged)
    for recipient, agent in ((tagged, tagged), (f"bot+other@{domain}", plain),
                             (f"BOT+Orders@{domain}", tagged)):
        assert stack.send(SENDER, recipient, compose(SENDER, agent, recipient)).code == 250
        wait_messages(agent, recipient)
    for agent, count in ((plain, 1), (tagged, 2)):
        assert rows(stack, "SELECT count(*) FROM messages WHERE agent_email = %s", agent) \
            == [(count,)]


def test_one_mail_to_two_tags_of_an_agent_is_two_messages(stack, make_agent, hook):
    agent = make_agent(hook.url)
    to = [agent.replace("@", f"+{tag}@") for tag in ("one", "two")]
    assert stack.send(SENDER, to, compose(SENDER, to)).code == 250
    deliveries = hook.wait_count(2)
    assert sorted(d.json["recipient"] for d in deliveries) == to
    assert len({d.json["message_id"] for d in deliveries}) == 2


# ---- the operator's own ----

@pytest.mark.parametrize("local", ["postmaster", "abuse", "Postmaster", "ABUSE"])
@pytest.mark.parametrize("own", [False, True])
def test_mail_to_the_operator_never_becomes_an_agents(stack, api, own_domain, local, own):
    domain = own_domain() if own else DOMAIN
    subject = next(names)
    outcome = stack.send(SENDER, f"{local}@{domain}", compose(SENDER, "x@x.example", subject))
    assert outcome.code == 250, outcome
    wait_until("the operator's copy", lambda: any(
        f"Subject: {subject}".encode() in f.read_bytes() for f in stack.postfix.captured()))
    assert rows(stack, "SELECT id FROM messages WHERE subject = %s", subject) == []


# ---- domains ----

@pytest.mark.parametrize("domain", ["elsewhere.example", f"sub.{DOMAIN}", "example", f"x{DOMAIN}"])
def test_postfix_relays_nothing_to_domains_that_are_not_ours(stack, account, domain):
    outcome = stack.send(SENDER, f"bot@{domain}", compose(SENDER, f"bot@{domain}"))
    # relay_domains holds for what is below a name as well: no agent there
    assert (outcome.code, outcome.text[:5]) == ((550, "5.1.1") if domain.startswith("sub.")
                                                else (554, "5.7.1"))


def test_a_claimed_domain_takes_mail_when_it_is_proven_and_not_before(stack, api,
                                                                     wait_messages):
    domain = f"{next(names)}.example"
    agent = f"bot@{domain}"
    claim = api.post("/api/v1/domains", {"domain": domain})[1]
    pids = [part.pid for part in stack.parts]
    assert api.post("/api/v1/agents", {"email": agent, "agent_mode": "local"})[0] == 400
    outcome = stack.send(SENDER, agent, compose(SENDER, agent))
    assert (outcome.code, outcome.text[:5]) == (554, "5.7.1")

    stack.dns.publish(domain, "TXT", claim["verification_token"])
    assert api.post(f"/api/v1/domains/{domain}/verify")[0] == 200
    make_at(api, agent)
    stack.wait_for_domain(domain)
    assert stack.send(SENDER, agent, compose(SENDER, agent, "Proven")).code == 250
    wait_messages(agent, "Proven")
    assert [part.pid for part in stack.parts] == pids  # nothing was restarted for it


def test_an_agent_of_a_domain_that_is_no_longer_proven_is_unknown(stack, api, own_domain):
    domain = own_domain()
    make_at(api, f"bot@{domain}")
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE domains SET verified = false WHERE domain = %s", [domain])
    outcome = stack.send(SENDER, f"bot@{domain}", compose(SENDER, f"bot@{domain}"))
    # until Postfix's tables have been written again the domain is ours, its agent unknown
    assert outcome.code in (550, 554)


# ---- many at once ----

def test_fifty_agents_in_one_mail_each_get_their_own_message(stack, api, make_agent, hook,
                                                            signer):
    agents = [make_agent(hook.url if n % 2 else "") for n in range(50)]
    subject = next(names)
    message = signer.sign(compose(SENDER, agents[0], subject))
    assert stack.send(SENDER, agents, message, "127.0.0.7").code == 250
    deliveries = hook.wait_count(25)
    stored = rows(stack, "SELECT agent_email, id, raw_id, verified FROM messages "
                         "WHERE subject = %s", subject)
    assert {row[0] for row in stored} == set(agents)
    assert len({row[1] for row in stored}) == 50
    assert len({row[2] for row in stored}) == 1, "the bytes are stored once"
    assert all(row[3] for row in stored)
    assert sorted(d.json["recipient"] for d in deliveries) == sorted(agents[1::2])
    ids = {row[0]: row[1] for row in stored}
    assert all(ids[d.json["recipient"]] == d.json["message_id"] for d in deliveries)
    assert len({d.raw for d in deliveries}) == 1 and deliveries[0].raw.endswith(message)
    for agent in agents[::16]:
        assert api.get(f"/api/v1/agents/{agent}/messages/{ids[agent]}")[0] == 200
