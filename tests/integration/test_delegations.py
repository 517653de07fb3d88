# SPDX-License-Identifier: Apache-2.0
"""On whose behalf an agent writes: the account asks, the human answers by the link in
a mail, either ends it. Who else tries, at the same time or with anything else, gets
nothing and learns nothing."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.browser import Browser
from tests.integration.client import add_key, second_apid, with_key
from tests.integration.invite import (AGENT_NOT_FOUND, FOREIGN_PAGES, NO_ADDRESSES, NO_LINKS,
                                      NO_TOKEN, USELESS, Question, agent, ask, browser, callers,
                                      claim, human, make_agent, no_mail_waits, owner, query, said,
                                      unique)
from tests.integration.mailbox import mails_to, wait_mails

NOT_FOUND = (404, "delegation not found\n")
delegation = Question("delegations", "human", "confirm")
CONFIRM, path, begin, link_of = delegation.page, delegation.path, delegation.begin, delegation.link_of
newest_token, token_for, act = delegation.newest_token, delegation.token_for, delegation.act
look, listed, states = delegation.look, delegation.listed, delegation.states


# ---- from the question to the end ----

def test_a_human_is_asked_by_mail_and_agrees(stack, ask, owner, agent, human, browser):
    mark = stack.apid.log_mark()
    asked = begin(ask, agent, human)
    assert asked.keys() == {"id", "agent", "human", "state", "created_at", "link_expires_at"}
    assert re.fullmatch("dlg_[0-9a-f]{32}", asked["id"])
    assert (asked["agent"], asked["human"], asked["state"]) == (agent, human, "pending")
    mail = wait_mails(stack, human)[0]
    assert mail["From"] == "noreply@mx.agents.example" and mail["To"] == human
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == f"Does {agent} write on your behalf?"
    url, token = link_of(mail)
    text = mail.get_content()
    assert agent in text and owner.email in text and "within 7 days" in text
    assert url.startswith(stack.url)
    assert max(len(line) for line in text.split("\n") if "http" not in line) <= 78

    page = browser.get(url)
    assert page.status == 200 and page.form.fields == {"t": token}
    assert agent in page.text and owner.email in page.text and human in page.text
    assert states(ask, agent) == ["pending"]
    done = browser.submit(page, action="confirm")
    assert done.status == 200 and "You have agreed" in done.text and done.links == [f"{CONFIRM}?t={token}"]
    now, = listed(ask, agent)
    assert now.keys() == {"id", "agent", "human", "state", "created_at", "confirmed_at"}
    assert now["state"] == "active" and now["confirmed_at"] > now["created_at"]
    log = stack.apid.log_since(mark)
    assert re.search(f"delegation_confirmed .*by=human delegation={asked['id']} "
                     f"user={owner.user_id}", log)
    assert token not in log and human not in log


def test_only_the_hash_of_the_link_is_stored(stack, ask, agent, human):
    token = token_for(stack, ask, agent, human)
    assert query(stack, "SELECT link_hash = sha256(%s) FROM delegations WHERE agent_email = %s",
                 token.encode(), agent) == [(True,)]
    for table in ("delegations", "mail_jobs", "idempotency_keys"):
        assert query(stack, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s "
                     "OR t::text LIKE %s", f"%{token}%", f"%{token.encode().hex()}%") == [(0,)]


def test_the_human_ends_it_by_the_same_link(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    page = look(browser, token)
    assert page.status == 200 and "End it" in page.text and "Agree" not in page.text
    mark = stack.apid.log_mark()
    done = browser.submit(page, action="revoke")
    assert done.status == 200 and "It has ended" in done.text and not done.forms
    now, = listed(ask, agent)
    assert now["state"] == "revoked" and now["revoked_at"] > now["confirmed_at"]
    assert re.search(f"delegation_revoked .*by=human delegation={now['id']} user={owner.user_id}",
                     stack.apid.log_since(mark))
    assert look(browser, token).status == 410
    for action in ("confirm", "revoke"):
        again = act(browser, token, action)
        assert again.status == 409 and "ended already" in again.text and not again.forms
    assert listed(ask, agent) == [now]


def test_the_human_declines(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    done = browser.submit(look(browser, token), action="revoke")
    assert done.status == 200 and "You have declined" in done.text
    now, = listed(ask, agent)
    assert now["state"] == "revoked" and "confirmed_at" not in now
    assert act(browser, token).status == 409
    assert states(ask, agent) == ["revoked"]


def test_the_account_ends_it(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    made, = listed(ask, agent)
    mark = stack.apid.log_mark()
    for _ in range(2):
        answer = ask("DELETE", path(agent, made["id"]))
        assert (answer.status, answer.body) == (204, b"")
    now, = listed(ask, agent)
    assert now["state"] == "revoked"
    assert len(re.findall(f"delegation_revoked .*by=account delegation={made['id']} "
                          f"user={owner.user_id}", stack.apid.log_since(mark))) == 1
    assert look(browser, token).status == 410 and act(browser, token).status == 409


def test_the_account_takes_the_question_back(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    made, = listed(ask, agent)
    assert ask("DELETE", path(agent, made["id"])).status == 204
    assert act(browser, token).status == 409
    assert states(ask, agent) == ["revoked"]


def test_after_the_end_one_can_ask_again(stack, ask, agent, human, browser):
    old = token_for(stack, ask, agent, human)
    act(browser, old)
    act(browser, old, "revoke")
    first, = listed(ask, agent)
    second = begin(ask, agent, human)
    assert second["id"] != first["id"] and states(ask, agent) == ["pending", "revoked"]
    assert act(browser, newest_token(stack, human, old)).status == 200
    assert act(browser, old, "revoke").status == 409
    assert states(ask, agent) == ["active", "revoked"]


def test_who_declined_is_never_mailed_again(stack, ask, agent, stranger, browser):
    """Whichever agent it is for, whatever the tag, and when the one declined is gone."""
    local = unique()
    human, tagged = f"{local}+a@people.example", f"{local.upper()}+b@people.example"
    old = token_for(stack, ask, agent, human)
    other = make_agent(ask)
    waits = token_for(stack, ask, other, tagged)
    act(browser, old, "revoke")
    again = begin(ask, agent, human)
    assert again["state"] == "pending" and states(ask, agent) == ["pending", "revoked"]
    for one, status in ((human, 200), (tagged, 201), (f"{local}@people.example", 201)):
        assert begin(ask, agent, one, status).keys() == again.keys()
    assert ask("DELETE", f"/api/v1/agents/{quote(agent)}").status < 300
    begin(ask, make_agent(ask), human)
    begin(ask, other, tagged, 200)
    for one, n in ((human, 1), (tagged, 1), (f"{local}@people.example", 0)):
        assert no_mail_waits(stack, one) and len(mails_to(stack, one)) == n
    assert act(browser, waits).status == 200  # they may think better of it
    theirs = with_key(stack.http_port, stranger.api_key)
    begin(theirs, make_agent(theirs), human)
    wait_mails(stack, human, 2)


def test_several_humans_may_agree(stack, ask, agent, browser):
    humans = [f"human-{unique()}@people.example" for _ in range(3)]
    for one in humans:
        act(browser, token_for(stack, ask, agent, one))
    assert states(ask, agent) == ["active"] * 3
    assert [d["human"] for d in listed(ask, agent)] == humans[::-1]


# ---- asking more than once ----

def test_asking_again_replaces_the_link(stack, ask, agent, human, browser):
    first = begin(ask, agent, human)
    old = newest_token(stack, human)
    again = begin(ask, agent, human.upper(), 200)
    assert again["link_expires_at"] > first["link_expires_at"]
    assert {**again, "link_expires_at": ""} == {**first, "link_expires_at": ""}
    new = newest_token(stack, human, old)
    assert {m["To"] for m in mails_to(stack, human)} == {human}  # as it was first written
    assert look(browser, old).status == 410 and act(browser, old).status == 410
    assert act(browser, new).status == 200
    assert states(ask, agent) == ["active"]


def test_who_has_agreed_is_not_asked_again(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    again = begin(ask, agent, human, 200)
    assert again["state"] == "active" and "link_expires_at" not in again
    assert no_mail_waits(stack, human) and len(mails_to(stack, human)) == 1
    assert look(browser, token).status == 200


def test_a_repeated_request_asks_once(stack, ask, agent, human):
    key = f"Idempotency-Key: {unique()}"
    first = ask("POST", path(agent), {"human": human}, key)
    again = ask("POST", path(agent), {"human": human}, key)
    assert first.status == again.status == 201 and first.json == again.json
    assert again.headers["idempotency-replayed"] == "true"
    wait_mails(stack, human)
    assert no_mail_waits(stack, human) and len(mails_to(stack, human)) == 1


def test_many_questions_at_once_are_one(stack, ask, agent, human):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("POST", path(agent), {"human": human}), range(8)))
    assert Counter(a.status for a in answers) == {201: 1, 200: 7}
    assert len({a.json["id"] for a in answers}) == 1 == len(listed(ask, agent))


# ---- what a link is not good for ----

def test_looking_changes_nothing(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    before = query(stack, "SELECT d::text FROM delegations d WHERE agent_email = %s", agent)
    for _ in range(3):
        assert look(browser, token).status == 200
        browser.get(f"{CONFIRM}?t={token}&action=confirm")
    assert browser.request("HEAD", f"{CONFIRM}?t={token}").status == 405
    assert query(stack, "SELECT d::text FROM delegations d WHERE agent_email = %s", agent) == before


def test_a_link_comes_to_its_end(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    query(stack, "UPDATE delegations SET link_expires_at = clock_timestamp() "
          "WHERE agent_email = %s", agent)
    assert states(ask, agent) == ["expired"]
    unknown = act(browser, NO_TOKEN)
    for page in (look(browser, token), act(browser, token), act(browser, token, "revoke")):
        assert (page.status, page.text) == (410, unknown.text) and USELESS in page.text
    assert states(ask, agent) == ["expired"]
    assert begin(ask, agent, human, 200)["state"] == "pending"
    assert act(browser, newest_token(stack, human, token)).status == 200


def test_once_agreed_to_it_may_be_ended_at_any_time(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    query(stack, "UPDATE delegations SET link_expires_at = clock_timestamp() "
          "WHERE agent_email = %s", agent)
    assert look(browser, token).status == 200
    assert act(browser, token, "revoke").status == 200


@pytest.mark.parametrize("token", NO_LINKS)
def test_what_is_no_link_is_told_so(browser, token):
    for page in (act(browser, token), browser.get(f"{CONFIRM}?t={quote(token)[:9000]}")):
        assert page.status == 400 and "incomplete" in page.text and not page.forms


@pytest.mark.parametrize("action", ["", "x", "Confirm", "confirm ", "confirm\0", "confirm,revoke"])
def test_what_is_no_answer_changes_nothing(stack, ask, agent, human, browser, action):
    token = token_for(stack, ask, agent, human)
    for form in ({"t": token, "action": action}, {"t": token}):
        assert browser.post(CONFIRM, form).status == 400
    assert states(ask, agent) == ["pending"]


@pytest.mark.parametrize("site", FOREIGN_PAGES)
def test_no_page_of_somebody_else_answers(stack, ask, agent, human, browser, site):
    token = token_for(stack, ask, agent, human)
    for action in ("confirm", "revoke"):
        page = browser.post(CONFIRM, {"t": token, "action": action}, site)
        assert (page.status, page.text) == (403, "cross-site request refused\n")
    assert states(ask, agent) == ["pending"]


def test_a_text_browser_answers(stack, ask, agent, human, browser):
    """It says nothing of where it was asked; the token alone is what counts."""
    token = token_for(stack, ask, agent, human)
    assert browser.post(CONFIRM, {"t": token, "action": "confirm"}, "X-Nothing: y").status == 200
    assert states(ask, agent) == ["active"]


def test_a_form_that_is_too_large_is_refused(browser):
    page = browser.post(CONFIRM, {"t": NO_TOKEN, "action": "confirm", "x": "x" * 20000})
    assert (page.status, page.text) == (400, "invalid request body\n") and page.answer.closes


# ---- at the same time ----

def at_once(stack, token: str, *actions: str) -> list[tuple[str, int]]:
    def one(action: str) -> tuple[str, int]:
        return action, act(Browser(stack.http_port), token, action).status

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(one, actions))


@pytest.mark.parametrize("action", ["confirm", "revoke"])
def test_of_many_clicks_one_decides(stack, ask, agent, human, action):
    token = token_for(stack, ask, agent, human)
    assert Counter(s for _, s in at_once(stack, token, *[action] * 20)) == {200: 1, 409: 19}
    assert states(ask, agent) == ["active" if action == "confirm" else "revoked"]


def test_the_end_is_the_end_whatever_else_is_clicked(stack, ask, agent, browser):
    for n in range(5):
        token = token_for(stack, ask, agent, f"human-{unique()}@people.example")
        done = at_once(stack, token, "confirm", "revoke", "confirm", "revoke")
        assert sorted(s for a, s in done if a == "revoke") == [200, 409], done
        assert states(ask, agent)[0] == "revoked"


# ---- who may be asked ----

@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_told_so(stack, ask, agent, text):
    answer = ask("POST", path(agent), {"human": text})
    assert said(answer) == (400, "human must be an e-mail address\n")
    assert listed(ask, agent) == []


@pytest.mark.parametrize("body", [{}, {"human": ""}, {"human": None}, {"Human2": "a@b.example"}])
def test_a_human_has_to_be_named(ask, agent, body):
    assert said(ask("POST", path(agent), body)) == (400, "human is required\n")


def test_an_address_is_kept_as_mail_knows_it(stack, ask, agent):
    local = unique()
    made = begin(ask, agent, f" {local}@B\u00fccher.Example ")
    assert made["human"] == f"{local}@xn--bcher-kva.example"
    assert begin(ask, agent, f"{local}@xn--bcher-kva.example", 200)["id"] == made["id"]


def test_no_agent_is_asked(stack, ask, owner, agent):
    domain = f"{unique()}.example"
    claim(stack, owner.user_id, domain)
    for human in (agent, f"nobody@{SHARED_DOMAIN.upper()}", f"boss@{domain}"):
        answer = ask("POST", path(agent), {"human": human})
        assert said(answer) == (400, "human must not be on a domain of this deployment\n")
    assert listed(ask, agent) == []


def test_nobody_learns_whose_domain_is_here(stack, ask, stranger, agent):
    """Asking looks the same, again and again, and no mail goes out."""
    domain = f"{unique()}.example"
    claim(stack, stranger.user_id, domain)
    foreign, free = f"boss@{domain}", f"boss@{unique()}.example"
    expiry = ""
    for status in (201, 200, 200):
        one, two = begin(ask, agent, foreign, status), begin(ask, agent, free, status)
        assert one.keys() == two.keys() and one["state"] == two["state"]
        assert expiry < one["link_expires_at"] < two["link_expires_at"]
        expiry = two["link_expires_at"]
    wait_mails(stack, free, 3)
    assert not mails_to(stack, foreign) and no_mail_waits(stack, foreign)


def test_a_domain_that_came_to_us_since_confirms_nothing(stack, ask, stranger, agent, browser):
    domain = f"{unique()}.example"
    token = token_for(stack, ask, agent, f"boss@{domain}")
    claim(stack, stranger.user_id, domain)
    assert act(browser, token).status == 410
    assert states(ask, agent) == ["pending"]


def test_the_answer_is_the_same_whether_the_human_has_an_account(stack, ask, stranger, agent, human):
    known, unknown = begin(ask, agent, stranger.email), begin(ask, agent, human)
    assert known.keys() == unknown.keys() and known["state"] == unknown["state"]


# ---- how often, and how many ----

def test_an_account_asks_an_address_so_often_in_a_day(stack, owner, ask, stranger, agent, browser):
    """Other accounts may still."""
    local = unique()
    human, tagged = f"{local}@people.example", f"{local}+tag@people.example"
    with second_apid(stack, 61, rate_delegation_mails="2") as apid:
        one, two = callers(apid, owner.api_key, stranger.api_key)
        begin(one, agent, human)
        begin(one, agent, tagged)
        tokens = [newest_token(stack, human), newest_token(stack, tagged)]
        third = make_agent(one)
        unheard, again = begin(one, third, human), begin(one, agent, human.upper(), 200)
        assert (unheard["state"], again["state"]) == ("pending", "pending")
        begin(one, agent, f"{local}+other@people.example")
        assert no_mail_waits(stack, f"{local}%") and len(mails_to(stack, human)) == 1
        begin(two, make_agent(two), human)
        wait_mails(stack, human, 2)
    assert not mails_to(stack, f"{local}+other@people.example")
    for token in tokens:  # what the human has still works
        assert act(browser, token).status == 200
    assert states(ask, agent) == ["pending", "active", "active"] and states(ask, third) == ["pending"]


def test_an_address_is_asked_so_often_in_a_day_by_whomever(stack, owner, stranger, agent, human):
    with second_apid(stack, 65, rate_delegation_mails_all="2") as apid:
        one, two = callers(apid, owner.api_key, stranger.api_key)
        theirs = make_agent(two)
        begin(one, agent, human)
        begin(two, theirs, human)
        wait_mails(stack, human, 2)
        begin(two, theirs, human, 200)
        begin(one, agent, human.replace("@", "+tag@"))
    assert no_mail_waits(stack, human.replace("@", "%@")) and len(mails_to(stack, human)) == 2


def test_a_user_asks_so_often_in_an_hour(stack, ask, owner, agent):
    with second_apid(stack, 62, rate_delegations="2") as apid:
        one = with_key(apid.port, owner.api_key)
        assert one("POST", path(agent), {"human": "x"}).status == 400  # counts as well
        begin(one, agent, f"human-{unique()}@people.example")
        refused = one("POST", path(agent), {"human": f"human-{unique()}@people.example"})
        assert said(refused) == (429, "rate limit exceeded \u2014 max 2 delegation requests per hour\n")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert one("GET", path(agent)).status == 200


def test_an_agent_has_so_many(stack, ask, owner, agent, browser):
    humans = [f"human-{unique()}@people.example" for _ in range(4)]
    full = (403, "at most 2 delegations per agent; revoke one before asking for another\n")
    with second_apid(stack, 63, delegations_per_agent="2") as apid:
        one = with_key(apid.port, owner.api_key)
        for human in humans[:2]:
            begin(one, agent, human)
        assert said(one("POST", path(agent), {"human": humans[2]})) == full
        begin(one, agent, humans[0], 200)
        begin(one, make_agent(one), humans[2])
        act(browser, newest_token(stack, humans[1]), "revoke")
        begin(one, agent, humans[3])
        assert said(one("POST", path(agent), {"human": humans[2]})) == full
    assert no_mail_waits(stack, humans[2])


def test_without_a_public_url_nobody_can_be_asked(stack, owner, agent, human):
    with second_apid(stack, 64, public_url="") as apid:
        answer = with_key(apid.port, owner.api_key)("POST", path(agent), {"human": human})
    assert said(answer) == (403, "delegations are switched off on this server\n")


# ---- whose ----

def test_pages_show_each_once(stack, ask, owner, agent):
    query(stack, "INSERT INTO delegations (id, user_id, agent_email, human_email, state, link_hash, "
          "link_expires_at, created_at) SELECT 'dlg_' || md5(n::text || %s), %s, %s, "
          "'h' || n || '@people.example', 'revoked', sha256((n || %s)::bytea), now(), "
          "now() - (n / 10) * interval '1 s' FROM generate_series(0, 119) n",
          agent, owner.user_id, agent, agent)
    seen, target = [], f"{path(agent)}?page_size=50"
    for pages in itertools.count(1):
        page = ask("GET", target).json
        seen += page["delegations"]
        if "next_token" not in page:
            break
        target = f"{path(agent)}?page_size=50&token={page['next_token']}"
    assert pages == 3 and len({d["id"] for d in seen}) == 120
    assert [d["created_at"] for d in seen] == sorted((d["created_at"] for d in seen), reverse=True)
    token = ask("GET", f"{path(agent)}?page_size=50").json["next_token"]
    other = ask("GET", f"{path(make_agent(ask))}?token={token}")
    assert other.status == 400 and "different agent" in other.text


def test_others_delegations_are_not_there(stack, ask, stranger, agent, human):
    made = begin(ask, agent, human)
    other = with_key(stack.http_port, stranger.api_key)
    theirs = make_agent(other)
    for method, body in (("GET", None), ("POST", {"human": human})):
        for asked in (agent, f"nobody@{SHARED_DOMAIN}"):
            assert said(other(method, path(asked), body)) == AGENT_NOT_FOUND
    for delegation in (made["id"], "dlg_" + "0" * 32, "x", "%00", "dlg_%27"):
        assert said(other("DELETE", path(agent, delegation))) == AGENT_NOT_FOUND
        assert said(other("DELETE", path(theirs, delegation))) == NOT_FOUND
    assert said(ask("DELETE", path(make_agent(ask), made["id"]))) == NOT_FOUND
    assert states(ask, agent) == ["pending"]


def test_an_agents_own_key_reaches_nothing_of_it(stack, ask, owner, agent, human):
    made = begin(ask, agent, human)
    key = with_key(stack.http_port, add_key(stack, owner.user_id, agent=agent)[1])
    for method, target, body in (("GET", path(agent), None), ("DELETE", path(agent, made["id"]), None),
                                 ("POST", path(agent), {"human": human})):
        assert said(key(method, target, body)) == AGENT_NOT_FOUND
    assert states(ask, agent) == ["pending"]


def test_a_name_stays_text(stack, ask, owner, agent, human, browser):
    query(stack, "UPDATE users SET name = %s WHERE id = %s",
          "<script>alert(1)</script>\u202e\"'&\x07", owner.user_id)
    token = token_for(stack, ask, agent, human)
    assert "script" not in wait_mails(stack, human)[0].get_content()
    page = look(browser, token)
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\u202e&quot;&#39;&amp;\ufffd</bdi>" in page.text


# ---- its end ----

def test_delegations_go_with_their_agent(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    assert ask("DELETE", f"/api/v1/agents/{agent}?confirm=DELETE").status in (200, 204)
    assert query(stack, "SELECT count(*) FROM delegations WHERE agent_email = %s", agent) == [(0,)]
    unknown = look(browser, NO_TOKEN)
    assert (look(browser, token).status, look(browser, token).text) == (410, unknown.text)
    slug = agent.partition("@")[0]
    assert ask("POST", "/api/v1/agents", {"slug": slug, "agent_mode": "local"}).status == 201
    assert listed(ask, agent) == []


def test_delegations_go_with_their_account(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    assert ask("DELETE", "/api/v1/users/me?confirm=DELETE").status == 200
    assert query(stack, "SELECT count(*) FROM delegations WHERE user_id = %s",
                 owner.user_id) == [(0,)]
    assert act(browser, token).status == 410
