# SPDX-License-Identifier: Apache-2.0
"""Who reviews the mail of an agent: the account names them, they accept by the link in a
mail and choose themselves what they get; either ends it. Who else tries, with whatever, is
neither asked nor told anything."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import psycopg2
import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.browser import SAME_ORIGIN, Browser
from tests.integration.client import Caller, Http, add_key, add_session, second_apid, with_key
from tests.integration.invite import (AGENT_NOT_FOUND, FOREIGN_PAGES, NO_ADDRESSES, NO_LINKS,
                                      NO_TOKEN, USELESS, Question, agent, ask, browser, callers,
                                      claim, human, make_agent, no_mail_waits, owner, query, said,
                                      unique)
from tests.integration.mailbox import mails_to, wait_mails
from tests.integration.notices import Notice, read_notice
from tests.integration.outbound import Author, address

NOT_FOUND = (404, "reviewer not found\n")
TEXT, REPLY = {"full_text": "yes"}, {"full_text": "yes", "by_reply": "yes"}
review = Question("reviewers", "address", "accept")
CONFIRM, path, name, link_of = review.page, review.path, review.begin, review.link_of
newest_token, token_for, act = review.newest_token, review.token_for, review.act
look, listed, states = review.look, review.listed, review.states


def asked(stack, agent: str) -> list[tuple[str, bool, bool]]:
    """Who would be asked about a mail now."""
    return query(stack, "SELECT * FROM hold_reviewers(%s) ORDER BY address", agent)


def hold(ask: Caller, agent: str, to: str = "to@far.example") -> str:
    """A mail of the agent's that waits; its id."""
    assert ask("PUT", f"/api/v1/agents/{quote(agent)}", {"hitl_enabled": True}).status == 200
    answer = ask("POST", "/api/v1/send", {"from": agent, "to": [to], "subject": "Hello",
                                          "body": "The text of it.\n"})
    assert answer.status == 202, answer.text
    return answer.json["message_id"]


def told(stack, message: str) -> list[str]:
    """Who was or is to be mailed about it."""
    return [who for who, in query(stack, """
        SELECT recipient FROM mail_jobs WHERE message_id = %s AND kind = 'hold'
        UNION SELECT reviewer FROM approval_tokens WHERE message_id = %s ORDER BY 1""",
        message, message)]


def notices(stack, human: str, message: str) -> list[Notice]:
    """The mails that ask them about it."""
    mails = [mail for mail in mails_to(stack, human) if mail.is_multipart()]
    return [notice for notice in map(read_notice, mails) if notice.message_id == message]


def notice_for(stack, human: str, message: str) -> Notice:
    return wait_until(f"a notice for {human}", lambda: notices(stack, human, message),
                      interval=0.05)[0]


def decide(browser: Browser, notice: Notice) -> tuple[int, str]:
    page = browser.post("/api/v1/approve", {"t": notice.tokens[0]})
    return page.status, page.text


# ---- from the question to the end ----

def test_a_human_is_asked_by_mail_and_accepts(stack, ask, owner, agent, human, browser):
    mark = stack.apid.log_mark()
    made = name(ask, agent, human)
    assert made.keys() == {"id", "agent", "address", "state", "full_text", "by_reply", "created_at",
                           "link_expires_at"}
    assert re.fullmatch("rev_[0-9a-f]{32}", made["id"])
    assert (made["agent"], made["address"], made["state"]) == (agent, human, "pending")
    assert (made["full_text"], made["by_reply"]) == (False, False)
    mail = wait_mails(stack, human)[0]
    assert mail["From"] == "noreply@mx.agents.example" and mail["To"] == human
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == f"Will you review the mail of {agent}?"
    url, token = link_of(mail)
    text = mail.get_content()
    assert agent in text and owner.email in text and "within 7 days" in text
    assert url.startswith(stack.url)
    assert max(len(line) for line in text.split("\n") if "http" not in line) <= 78

    page = browser.get(url)
    assert page.status == 200 and page.form.fields == {"t": token}
    assert page.form.choices == {"t": [token], "full_text": ["yes"], "by_reply": ["yes"],
                                 "action": ["accept", "decline"]}
    assert agent in page.text and owner.email in page.text and human in page.text
    assert "DKIM" in page.text and "<script" not in page.text
    assert asked(stack, agent) == [(owner.email, False, False)]
    done = browser.submit(page, action="accept")
    assert done.status == 200 and "You have accepted" in done.text
    assert done.links == [f"{CONFIRM}?t={token}"]
    now, = listed(ask, agent)
    assert now.keys() == made.keys() - {"link_expires_at"} | {"confirmed_at"}
    assert now["state"] == "active" and now["confirmed_at"] > now["created_at"]
    assert asked(stack, agent) == [(human, False, False)]
    log = stack.apid.log_since(mark)
    assert re.search(f"reviewer_accepted .*reviewer={made['id']} user={owner.user_id}", log)
    assert token not in log and human not in log


def test_only_the_hash_of_the_link_is_stored(stack, ask, agent, human):
    token = token_for(stack, ask, agent, human)
    assert query(stack, "SELECT link_hash = sha256(%s) FROM reviewers WHERE agent_email = %s",
                 token.encode(), agent) == [(True,)]
    for table in ("reviewers", "mail_jobs", "idempotency_keys"):
        assert query(stack, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s "
                     "OR t::text LIKE %s", f"%{token}%", f"%{token.encode().hex()}%") == [(0,)]


@pytest.mark.parametrize("choices, want", [({}, (False, False)), (TEXT, (True, False)),
                                           (REPLY, (True, True)),
                                           ({"full_text": "no", "by_reply": "1"}, (False, False))])
def test_the_reviewer_chooses_what_they_get(stack, ask, agent, human, browser, choices, want):
    token = token_for(stack, ask, agent, human)
    assert act(browser, token, **choices).status == 200
    now, = listed(ask, agent)
    assert (now["full_text"], now["by_reply"]) == want
    assert asked(stack, agent) == [(human, *want)]
    ticked = {k: "yes" for k, yes in zip(("full_text", "by_reply"), want) if yes}
    assert look(browser, token).form.fields == {"t": token, **ticked}


def test_the_reviewer_chooses_again_by_the_same_link(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    first, = listed(ask, agent)
    query(stack, "UPDATE reviewers SET link_expires_at = clock_timestamp() WHERE agent_email = %s",
          agent)
    mark = stack.apid.log_mark()
    page = look(browser, token)
    assert page.status == 200 and "You review its mail" in page.text
    done = browser.submit(page, action="accept", **REPLY)
    assert done.status == 200 and "It is saved" in done.text
    assert listed(ask, agent) == [{**first, "full_text": True, "by_reply": True}]
    assert f"reviewer={first['id']} user={owner.user_id}" in stack.apid.log_since(mark)
    act(browser, token)
    assert listed(ask, agent) == [first]


def test_to_answer_by_mail_one_needs_the_text(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    refused = act(browser, token, by_reply="yes")
    assert refused.status == 400 and "One choice needs the other" in refused.text
    assert states(ask, agent) == ["pending"]
    act(browser, token, **REPLY)
    assert act(browser, token, by_reply="yes").status == 400
    assert asked(stack, agent) == [(human, True, True)]


def test_the_reviewer_leaves_and_thinks_better_of_it(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token, **REPLY)
    mark = stack.apid.log_mark()
    done = browser.submit(look(browser, token), action="decline")
    assert done.status == 200 and "You have left" in done.text and not done.forms
    now, = listed(ask, agent)
    assert (now["state"], now["full_text"], now["by_reply"]) == ("left", False, False)
    assert asked(stack, agent) == [(owner.email, False, False)]
    assert f"reviewer_left " in stack.apid.log_since(mark)
    again = act(browser, token, "decline")
    assert again.status == 409 and "before" in again.text and not again.forms
    page = look(browser, token)
    assert page.status == 200 and "Accept" in page.text and "Decline" not in page.text
    assert browser.submit(page, action="accept").status == 200
    assert asked(stack, agent) == [(human, False, False)]


def test_a_human_declines_and_thinks_better_of_it(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    done = browser.submit(look(browser, token), action="decline")
    assert done.status == 200 and "You have declined" in done.text
    now, = listed(ask, agent)
    assert now["state"] == "declined" and "confirmed_at" not in now
    assert act(browser, token, "decline").status == 409
    assert asked(stack, agent) == [(owner.email, False, False)]
    assert act(browser, token).status == 200 and states(ask, agent) == ["active"]


def test_the_account_removes_a_reviewer(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    made, = listed(ask, agent)
    mark = stack.apid.log_mark()
    answer = ask("DELETE", path(agent, made["id"]))
    assert (answer.status, answer.body) == (204, b"")
    assert said(ask("DELETE", path(agent, made["id"]))) == NOT_FOUND
    assert listed(ask, agent) == [] and asked(stack, agent) == [(owner.email, False, False)]
    assert len(re.findall(f"reviewer_removed .*reviewer={made['id']} user={owner.user_id}",
                          stack.apid.log_since(mark))) == 1
    assert look(browser, token).status == act(browser, token).status == 410
    assert name(ask, agent, human)["id"] != made["id"]
    assert act(browser, newest_token(stack, human, token)).status == 200


def test_the_account_takes_the_question_back(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    made, = listed(ask, agent)
    assert ask("DELETE", path(agent, made["id"])).status == 204
    assert act(browser, token).status == act(browser, token, "decline").status == 410


def test_the_owner_may_be_a_reviewer_too(stack, ask, owner, agent, human, browser):
    """Otherwise they are asked only while there is none."""
    act(browser, token_for(stack, ask, agent, human))
    assert asked(stack, agent) == [(human, False, False)]
    act(browser, token_for(stack, ask, agent, owner.email), **REPLY)
    assert asked(stack, agent) == sorted([(human, False, False), (owner.email, True, True)])


# ---- who is mailed about what ----

def test_only_reviewers_who_accepted_are_asked(stack, ask, owner, agent, browser):
    active, pending, gone, left = (f"{w}-{unique()}@people.example" for w in
                                   ("active", "pending", "gone", "left"))
    first = hold(ask, agent)
    tokens = {who: token_for(stack, ask, agent, who) for who in (active, pending, gone, left)}
    for who in (gone, left, active):
        act(browser, tokens[who])
    act(browser, tokens[left], "decline")
    reviewer, = (r for r in listed(ask, agent) if r["address"] == gone)
    assert ask("DELETE", path(agent, reviewer["id"])).status == 204
    second = hold(ask, agent)
    for message in (first, second):
        notice_for(stack, active, message)
    assert told(stack, second) == [active]
    for who in (pending, gone, left, owner.email):
        assert not notices(stack, who, second)
    assert pending not in told(stack, first)


def test_a_reviewer_decides_until_they_leave(stack, ask, owner, agent, human, browser):
    """Then the owner is asked, also about what waits, and they are again once they are back."""
    token = token_for(stack, ask, agent, human)
    act(browser, token, **TEXT)
    author, to = Author(stack, Api(stack.url, owner.api_key), agent), address()
    message, waits = hold(ask, agent, to), hold(ask, agent)
    notice, other = notice_for(stack, human, message), notice_for(stack, human, waits)
    assert "The text of it." in notice.plain
    status, text = decide(browser, notice)
    assert status == 200 and "Approved" in text
    author.wait_status(message, {to: "delivered"})

    act(browser, token, "decline")
    status, text = decide(browser, other)
    assert status == 403 and "No longer yours" in text
    owners = notice_for(stack, owner.email, waits)
    assert "The text of it." not in owners.plain
    act(browser, token)
    assert decide(browser, owners)[0] == 403
    assert decide(browser, other)[0] == 200


def test_who_was_removed_decides_nothing(stack, ask, owner, agent, human, browser):
    act(browser, token_for(stack, ask, agent, human))
    waits = hold(ask, agent)
    notice = notice_for(stack, human, waits)
    made, = listed(ask, agent)
    assert ask("DELETE", path(agent, made["id"])).status == 204
    assert decide(browser, notice)[0] == 403
    assert decide(browser, notice_for(stack, owner.email, waits))[0] == 200


# ---- asking more than once ----

def test_naming_again_replaces_the_link(stack, ask, agent, human, browser):
    first = name(ask, agent, human)
    old = newest_token(stack, human)
    again = name(ask, agent, human.upper(), 200)
    assert again["link_expires_at"] > first["link_expires_at"]
    assert {**again, "link_expires_at": ""} == {**first, "link_expires_at": ""}
    new = newest_token(stack, human, old)
    assert {m["To"] for m in mails_to(stack, human)} == {human}  # as it was first written
    assert look(browser, old).status == act(browser, old).status == 410
    assert act(browser, new).status == 200 and states(ask, agent) == ["active"]


def test_who_has_accepted_is_not_asked_again(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token, **TEXT)
    again = name(ask, agent, human, 200)
    assert again == listed(ask, agent)[0] and again["full_text"]
    assert no_mail_waits(stack, human) and len(mails_to(stack, human)) == 1
    assert look(browser, token).status == 200


def test_who_has_left_may_be_asked_again(stack, ask, agent, human, browser):
    old = token_for(stack, ask, agent, human)
    act(browser, old, **TEXT)
    act(browser, old, "decline")
    again = name(ask, agent, human, 200)
    assert again["state"] == "pending" and "confirmed_at" not in again
    new = newest_token(stack, human, old)
    assert act(browser, old).status == 410
    assert look(browser, new).form.fields == {"t": new}  # they choose anew
    assert act(browser, new).status == 200


def test_who_declined_is_not_mailed_again(stack, ask, agent, stranger, browser):
    """Whichever agent it is for, whatever the tag, and when the one declined is gone."""
    local = unique()
    human, tagged = f"{local}+a@people.example", f"{local.upper()}+b@people.example"
    old = token_for(stack, ask, agent, human)
    other = make_agent(ask)
    waits = token_for(stack, ask, other, tagged)
    act(browser, old, "decline")
    assert name(ask, agent, human, 200)["state"] == "declined"
    assert look(browser, old).status == 200  # the link that they have is the one that counts
    assert name(ask, agent, f"{local}@people.example")["state"] == "pending"
    assert name(ask, other, tagged, 200)["state"] == "pending"
    declined = listed(ask, agent)[1]
    assert declined["state"] == "declined"
    assert ask("DELETE", path(agent, declined["id"])).status == 204
    name(ask, agent, human)
    assert ask("DELETE", f"/api/v1/agents/{quote(agent)}").status < 300
    name(ask, make_agent(ask), human)
    for one, n in ((human, 1), (tagged, 1), (f"{local}@people.example", 0)):
        assert no_mail_waits(stack, one) and len(mails_to(stack, one)) == n
    theirs = with_key(stack.http_port, stranger.api_key)
    name(theirs, make_agent(theirs), human)
    wait_mails(stack, human, 2)
    assert act(browser, waits).status == 200  # they may think better of it
    third = make_agent(ask)
    name(ask, third, human)
    wait_mails(stack, human, 3)


def test_a_repeated_request_asks_once(stack, ask, agent, human):
    key = f"Idempotency-Key: {unique()}"
    first = ask("POST", path(agent), {"address": human}, key)
    again = ask("POST", path(agent), {"address": human}, key)
    assert first.status == again.status == 201 and first.json == again.json
    assert again.headers["idempotency-replayed"] == "true"
    wait_mails(stack, human)
    assert no_mail_waits(stack, human) and len(mails_to(stack, human)) == 1


def test_many_questions_at_once_are_one(stack, ask, agent, human):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("POST", path(agent), {"address": human}), range(8)))
    assert Counter(a.status for a in answers) == {201: 1, 200: 7}
    assert len({a.json["id"] for a in answers}) == 1 == len(listed(ask, agent))


def test_many_answers_at_once_are_one_after_the_other(stack, ask, agent, human):
    token = token_for(stack, ask, agent, human)

    def click(action: str) -> int:
        return act(Browser(stack.http_port), token, action).status

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(click, ["accept"] * 10)) == {200: 10}
        assert Counter(pool.map(click, ["decline"] * 10)) == {200: 1, 409: 9}
    assert states(ask, agent) == ["left"]


# ---- what a link is not good for ----

def test_looking_changes_nothing(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    before = query(stack, "SELECT r::text FROM reviewers r WHERE agent_email = %s", agent)
    for _ in range(3):
        assert look(browser, token).status == 200
        browser.get(f"{CONFIRM}?t={token}&action=accept&full_text=yes")
    assert browser.request("HEAD", f"{CONFIRM}?t={token}").status == 405
    assert query(stack, "SELECT r::text FROM reviewers r WHERE agent_email = %s", agent) == before


def test_a_link_comes_to_its_end(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    query(stack, "UPDATE reviewers SET link_expires_at = clock_timestamp() "
          "WHERE agent_email = %s", agent)
    assert states(ask, agent) == ["expired"]
    unknown = act(browser, NO_TOKEN)
    for page in (look(browser, token), act(browser, token), act(browser, token, "decline")):
        assert (page.status, page.text) == (410, unknown.text) and USELESS in page.text
    assert states(ask, agent) == ["expired"]
    assert name(ask, agent, human, 200)["state"] == "pending"
    assert act(browser, newest_token(stack, human, token)).status == 200


@pytest.mark.parametrize("token", NO_LINKS)
def test_what_is_no_link_is_told_so(browser, token):
    for page in (act(browser, token), browser.get(f"{CONFIRM}?t={quote(token)[:9000]}")):
        assert page.status == 400 and "incomplete" in page.text and not page.forms


@pytest.mark.parametrize("action", ["", "x", "Accept", "accept ", "accept\0", "accept,decline"])
def test_what_is_no_answer_changes_nothing(stack, ask, agent, human, browser, action):
    token = token_for(stack, ask, agent, human)
    for form in ({"t": token, "action": action}, {"t": token}):
        assert browser.post(CONFIRM, form).status == 400
    assert states(ask, agent) == ["pending"]


@pytest.mark.parametrize("site", FOREIGN_PAGES)
def test_no_page_of_somebody_else_answers(stack, ask, agent, human, browser, site):
    token = token_for(stack, ask, agent, human)
    for action in ("accept", "decline"):
        page = browser.post(CONFIRM, {"t": token, "action": action}, site)
        assert (page.status, page.text) == (403, "cross-site request refused\n")
    assert states(ask, agent) == ["pending"]


def test_a_text_browser_answers(stack, ask, agent, human, browser):
    """It says nothing of where it was asked; the token alone is what counts."""
    token = token_for(stack, ask, agent, human)
    form = {"t": token, "action": "accept", **TEXT}
    assert browser.post(CONFIRM, form, "X-Nothing: y").status == 200
    assert asked(stack, agent) == [(human, True, False)]


def test_a_form_that_is_too_large_is_refused(browser):
    page = browser.post(CONFIRM, {"t": NO_TOKEN, "action": "accept", "x": "x" * 20000})
    assert (page.status, page.text) == (400, "invalid request body\n") and page.answer.closes


def test_a_link_for_a_delegation_is_none_for_a_review(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    page = browser.post("/api/delegations/confirm", {"t": token, "action": "confirm"})
    assert page.status == 410 and states(ask, agent) == ["pending"]


# ---- who may be named ----

@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_told_so(ask, agent, text):
    answer = ask("POST", path(agent), {"address": text})
    assert said(answer) == (400, "address must be an e-mail address\n")
    assert listed(ask, agent) == []


@pytest.mark.parametrize("body", [{}, {"address": ""}, {"address": None}, {"human": "a@b.example"}])
def test_a_reviewer_has_to_be_named(ask, agent, body):
    assert said(ask("POST", path(agent), body)) == (400, "address is required\n")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"a@b.example"', b'{"address": 1}',
                                  b'{"address": ["a@b.example"]}', b"\xff", b"{" * 70000])
def test_what_is_no_request_is_told_so(stack, owner, ask, agent, body):
    with Http(stack.http_port, owner.api_key) as http:
        assert said(http.request("POST", path(agent), body)) == (400, "invalid request body\n")
    assert listed(ask, agent) == []


def test_the_account_cannot_choose_for_them(stack, ask, agent, human, browser):
    choices = {"full_text": True, "by_reply": True, "state": "active"}
    answer = ask("POST", path(agent), {"address": human, **choices})
    assert answer.status == 201
    assert {k: answer.json[k] for k in choices} == {"full_text": False, "by_reply": False,
                                                    "state": "pending"}
    act(browser, newest_token(stack, human))
    assert ask("POST", path(agent), {"address": human, **choices}).json["by_reply"] is False
    made, = listed(ask, agent)
    for method in ("PUT", "PATCH", "POST"):
        assert ask(method, path(agent, made["id"]), choices).status == 405
    assert asked(stack, agent) == [(human, False, False)]


def test_an_address_is_kept_as_mail_knows_it(ask, agent):
    local = unique()
    made = name(ask, agent, f" {local}@B\u00fccher.Example ")
    assert made["address"] == f"{local}@xn--bcher-kva.example"
    assert name(ask, agent, f"{local}@xn--bcher-kva.example", 200)["id"] == made["id"]


def test_no_agent_is_asked(stack, ask, owner, agent):
    domain = f"{unique()}.example"
    claim(stack, owner.user_id, domain)
    for human in (agent, f"nobody@{SHARED_DOMAIN.upper()}", f"boss@{domain}"):
        answer = ask("POST", path(agent), {"address": human})
        assert said(answer) == (400, "address must not be on a domain of this deployment\n")
    assert listed(ask, agent) == []


def test_nobody_learns_whose_domain_is_here(stack, ask, stranger, agent):
    """Asking looks the same, again and again, and no mail goes out."""
    domain = f"{unique()}.example"
    claim(stack, stranger.user_id, domain)
    foreign, free = f"boss@{domain}", f"boss@{unique()}.example"
    for status in (201, 200, 200):
        one, two = name(ask, agent, foreign, status), name(ask, agent, free, status)
        assert one.keys() == two.keys() and one["state"] == two["state"]
    wait_mails(stack, free, 3)
    assert not mails_to(stack, foreign) and no_mail_waits(stack, foreign)


def test_a_domain_that_came_to_us_since_reviews_nothing(stack, ask, owner, stranger, agent, browser):
    domain = f"{unique()}.example"
    token = token_for(stack, ask, agent, f"boss@{domain}")
    other = token_for(stack, ask, agent, f"chief@{domain}")
    act(browser, other)
    claim(stack, stranger.user_id, domain)
    assert act(browser, token).status == act(browser, other).status == 410
    assert states(ask, agent) == ["active", "pending"]
    assert asked(stack, agent) == [(owner.email, False, False)]
    assert act(browser, other, "decline").status == 200


def test_the_answer_is_the_same_whether_the_human_has_an_account(ask, stranger, agent, human):
    known, unknown = name(ask, agent, stranger.email), name(ask, agent, human)
    assert known.keys() == unknown.keys() and known["state"] == unknown["state"]


# ---- how often, and how many ----

def test_an_account_asks_an_address_so_often_in_a_day(stack, owner, ask, stranger, agent, browser):
    """Other accounts may still."""
    local = unique()
    human, tagged = f"{local}@people.example", f"{local}+tag@people.example"
    with second_apid(stack, 71, rate_reviewer_mails="2") as apid:
        one, two = callers(apid, owner.api_key, stranger.api_key)
        name(one, agent, human)
        name(one, agent, tagged)
        tokens = [newest_token(stack, human), newest_token(stack, tagged)]
        third = make_agent(one)
        unheard, again = name(one, third, human), name(one, agent, human.upper(), 200)
        assert (unheard["state"], again["state"]) == ("pending", "pending")
        assert no_mail_waits(stack, f"{local}%") and len(mails_to(stack, human)) == 1
        name(two, make_agent(two), human)
        wait_mails(stack, human, 2)
    for token in tokens:  # what the human has still works
        assert act(browser, token).status == 200
    assert states(ask, agent) == ["active", "active"] and states(ask, third) == ["pending"]


def test_an_address_is_asked_so_often_in_a_day_by_whomever(stack, owner, stranger, agent, human):
    with second_apid(stack, 72, rate_reviewer_mails_all="2") as apid:
        one, two = callers(apid, owner.api_key, stranger.api_key)
        theirs = make_agent(two)
        name(one, agent, human)
        name(two, theirs, human)
        wait_mails(stack, human, 2)
        name(two, theirs, human, 200)
        name(one, agent, human.replace("@", "+tag@"))
    assert no_mail_waits(stack, human.replace("@", "%@")) and len(mails_to(stack, human)) == 2


def test_a_user_names_so_many_in_an_hour(stack, owner, agent):
    with second_apid(stack, 73, rate_reviewers="2") as apid:
        one = with_key(apid.port, owner.api_key)
        assert one("POST", path(agent), {"address": "x"}).status == 400  # counts as well
        name(one, agent, f"human-{unique()}@people.example")
        refused = one("POST", path(agent), {"address": f"human-{unique()}@people.example"})
        assert said(refused) == (429, "rate limit exceeded \u2014 max 2 reviewer requests per hour\n")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert one("GET", path(agent)).status == 200


def test_an_agent_has_so_many(stack, ask, owner, agent, browser):
    humans = [f"human-{unique()}@people.example" for _ in range(3)]
    full = (403, "at most 2 reviewers per agent; remove one before naming another\n")
    with second_apid(stack, 74, reviewers_per_agent="2") as apid:
        one = with_key(apid.port, owner.api_key)
        first, _ = name(one, agent, humans[0]), name(one, agent, humans[1])
        assert said(one("POST", path(agent), {"address": humans[2]})) == full
        name(one, agent, humans[0], 200)
        name(one, make_agent(one), humans[2])
        act(browser, newest_token(stack, humans[1]), "decline")
        assert said(one("POST", path(agent), {"address": humans[2]})) == full
        assert one("DELETE", path(agent, first["id"])).status == 204
        name(one, agent, humans[2])


def test_without_a_public_url_nobody_can_be_asked(stack, owner, agent, human):
    with second_apid(stack, 75, public_url="") as apid:
        answer = with_key(apid.port, owner.api_key)("POST", path(agent), {"address": human})
    assert said(answer) == (403, "reviewers are switched off on this server\n")


# ---- whose ----

def test_others_reviewers_are_not_there(stack, ask, stranger, agent, human):
    made = name(ask, agent, human)
    other = with_key(stack.http_port, stranger.api_key)
    theirs = make_agent(other)
    for method, body in (("GET", None), ("POST", {"address": human})):
        for named in (agent, f"nobody@{SHARED_DOMAIN}"):
            assert said(other(method, path(named), body)) == AGENT_NOT_FOUND
    for reviewer in (made["id"], "rev_" + "0" * 32, "x", "%00", "rev_%27"):
        assert said(other("DELETE", path(agent, reviewer))) == AGENT_NOT_FOUND
        assert said(other("DELETE", path(theirs, reviewer))) == NOT_FOUND
    assert said(ask("DELETE", path(make_agent(ask), made["id"]))) == NOT_FOUND
    assert states(ask, agent) == ["pending"]


def test_an_agents_own_key_reaches_nothing_of_it(stack, ask, owner, agent, human):
    made = name(ask, agent, human)
    key = with_key(stack.http_port, add_key(stack, owner.user_id, agent=agent)[1])
    for method, target, body in (("GET", path(agent), None), ("DELETE", path(agent, made["id"]), None),
                                 ("POST", path(agent), {"address": human})):
        assert said(key(method, target, body)) == AGENT_NOT_FOUND
    assert states(ask, agent) == ["pending"]
    assert "reviewers" not in ask("GET", f"/api/v1/agents/{quote(agent)}").json


def test_a_session_names_and_removes_from_our_own_page_only(stack, owner, ask, agent, human):
    cookie = f"Cookie: e2a_session={add_session(stack, owner.user_id)}"
    with Http(stack.http_port) as http:
        body = f'{{"address": "{human}"}}'.encode()
        refused = http.request("POST", path(agent), body, cookie)
        assert said(refused) == (403, "cross-site request refused\n")
        assert http.request("POST", path(agent), body, cookie, SAME_ORIGIN).status == 201
        target = path(agent, listed(ask, agent)[0]["id"])
        assert http.request("DELETE", target, None, cookie).status == 403
        assert http.request("DELETE", target, None, cookie, SAME_ORIGIN).status == 204


def test_the_api_has_no_right_to_make_a_reviewer(stack, owner, agent):
    """Nor has whoever got hold of its role, without a credential of the account."""
    agents_key = add_key(stack, owner.user_id, agent=agent)[0]
    with closing(stack.postgres.connect("e2a_apid")) as db, db.cursor() as cursor:
        for sql in ("INSERT INTO reviewers (id, user_id, agent_email, address, folded, link_hash, "
                    "link_expires_at) VALUES ('rev_x', %(u)s, %(a)s, 'a@b.example', 'a@b.example', "
                    "'', now())",
                    "UPDATE reviewers SET state = 'active' WHERE agent_email = %(a)s",
                    "DELETE FROM reviewers WHERE agent_email = %(a)s"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(sql, {"u": owner.user_id, "a": agent})
        for key in ("", agents_key):
            cursor.execute("SELECT outcome FROM name_reviewer(%s, %s, %s, '', 'rev_x', 'a@b.example', "
                           "'a@b.example', '', true, 1000, 10)", [owner.user_id, agent, key])
            assert cursor.fetchone() == ("unauthorized",)
    assert asked(stack, agent) == [(owner.email, False, False)]


def test_a_name_stays_text(stack, ask, owner, agent, human, browser):
    query(stack, "UPDATE users SET name = %s WHERE id = %s",
          "<script>alert(1)</script>\u202e\"'&\x07", owner.user_id)
    token = token_for(stack, ask, agent, human)
    assert "script" not in wait_mails(stack, human)[0].get_content()
    page = look(browser, token)
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\u202e&quot;&#39;&amp;\ufffd</bdi>" in page.text


# ---- its end ----

def test_the_export_has_them(stack, ask, agent, human, browser):
    act(browser, token_for(stack, ask, agent, human), **TEXT)
    made, = listed(ask, agent)
    exported, = ask("GET", "/api/v1/users/me/export").json["reviewers"]
    assert exported == {**{k: v for k, v in made.items() if k != "agent"}, "agent_id": agent}


def test_reviewers_go_with_their_agent(stack, ask, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token)
    assert ask("DELETE", f"/api/v1/agents/{agent}?confirm=DELETE").status in (200, 204)
    assert query(stack, "SELECT count(*) FROM reviewers WHERE agent_email = %s", agent) == [(0,)]
    unknown = look(browser, NO_TOKEN)
    assert (look(browser, token).status, look(browser, token).text) == (410, unknown.text)
    slug = agent.partition("@")[0]
    assert ask("POST", "/api/v1/agents", {"slug": slug, "agent_mode": "local"}).status == 201
    assert listed(ask, agent) == []


def test_reviewers_go_with_their_account(stack, ask, owner, agent, human, browser):
    token = token_for(stack, ask, agent, human)
    act(browser, token_for(stack, ask, make_agent(ask), f"n{human}"), "decline")
    act(browser, token)
    assert ask("DELETE", "/api/v1/users/me?confirm=DELETE").status == 200
    for table in ("reviewers", "reviewer_declines"):
        assert query(stack, f"SELECT count(*) FROM {table} WHERE user_id = %s",
                     owner.user_id) == [(0,)]
    assert act(browser, token).status == 410
