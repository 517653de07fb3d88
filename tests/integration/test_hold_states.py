# SPDX-License-Identifier: Apache-2.0
"""What may become of a held mail: each way to end a hold, and each way again after every
end. Many who decide at once, of whom one does; and who looks without meaning to decide."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from scripts.stack.mail import Signer
from scripts.stack.part import wait_until
from tests.integration.browser import Browser
from tests.integration.chromium import Chromium
from tests.integration.holds import (DONE, RESOLVED, Desk, Held, by_api, by_link, by_mail,
                                     by_session, links_in, make_desk, with_reviewer)
from tests.integration.outbound import address, attachment

PENDING = "pending_approval"
HUMANS: dict[str, Callable[[Desk, Held, str], str]] = {
    "api": by_api, "session": by_session, "link": by_link, "mail": by_mail}
ENDS = {  # who and what they do -> status, outcome in the ledger
    **{(channel, "approve"): ("sent", "approved") for channel in HUMANS},
    **{(channel, "reject"): ("rejected", "rejected") for channel in HUMANS},
    ("expiry", "approve"): ("expired_approved", "approved"),
    ("expiry", "reject"): ("expired_rejected", "expired"),
}
APPROVERS = 50


@pytest.fixture(scope="module")
def desk(stack, account, reviewer_signer) -> Desk:
    return with_reviewer(make_desk(stack), reviewer_signer)


@pytest.fixture(scope="module")
def reviewer_signer(stack) -> Signer:
    signer = Signer.new("reviewers.example")
    stack.dns.publish(signer.record[0], "TXT", signer.record[1])
    return signer


@pytest.fixture(scope="module", autouse=True)
def eager(stack) -> Iterator[None]:
    """Looks each second for what has expired."""
    stack.configure(hold_expiry_interval="1s")
    stack.deliverd.restart()
    yield
    stack.configure(hold_expiry_interval="1m")
    stack.deliverd.restart()


@pytest.fixture
def held(desk) -> Held:
    return desk.hold()


def by_timer(desk: Desk, held: Held, act: str) -> str:
    desk.held_from_now(True, hitl_expiration_action=act)
    before = desk.decisions(held)
    desk.expire(held)
    after = desk.hold()  # ends in the same round, or a later one
    desk.expire(after)
    wait_until("the timer to end a hold", lambda: desk.status(after) != PENDING, 30, 0.1)
    return DONE if desk.decisions(held) != before else RESOLVED


EVERYBODY = {**HUMANS, "expiry": by_timer}


def late_edit(desk: Desk, held: Held) -> str:
    return by_api(desk, held, "approve", {"to": [address()], "body_text": "Not this.\n"})


def arrivals(desk: Desk, held: Held) -> int:
    """How many mails the recipient has, once whatever was on its way has arrived."""
    desk.held_from_now(False)
    after = address()
    desk.author.wait_status(desk.author.send(after)["id"], {after: "delivered"})
    desk.held_from_now(True)
    return len(desk.stack.world.mails_to(held.to))


@pytest.mark.parametrize("channel,act", ENDS, ids=["-".join(end) for end in ENDS])
def test_a_hold_ends_once(stack, desk, held, channel, act):
    status, outcome = ENDS[channel, act]
    assert desk.status(held) == PENDING
    assert EVERYBODY[channel](desk, held, act) == DONE
    if outcome == "approved":
        stack.world.wait_mail(held.to, held.subject)
    for again in ENDS:
        assert EVERYBODY[again[0]](desk, held, again[1]) == RESOLVED, again
        assert late_edit(desk, held) == RESOLVED, again
        assert desk.status(held) == status, again
    assert desk.decisions(held) == [(outcome, channel)]
    assert arrivals(desk, held) == (outcome == "approved")


@pytest.mark.parametrize("channels", [["api"], ["api", "session", "link", "mail"]], ids="+".join)
def test_of_fifty_approvers_one_approves(desk, held, channels):
    browser = desk.browser()
    ways = {**HUMANS, "session": lambda *how: by_session(*how, browser)}
    turns = [channels[n % len(channels)] for n in range(APPROVERS)]
    with ThreadPoolExecutor(APPROVERS) as pool:
        outcomes = Counter(pool.map(lambda channel: ways[channel](desk, held, "approve"), turns))
    assert outcomes == {DONE: 1, RESOLVED: APPROVERS - 1}
    (outcome, channel), = desk.decisions(held)
    assert outcome == "approved" and channel in channels
    desk.stack.world.wait_mail(held.to, held.subject)
    assert arrivals(desk, held) == 1


@pytest.mark.parametrize("late", [False, True], ids=["in time", "while the timer looks"])
def test_of_all_who_decide_at_once_one_does(desk, late):
    ends = {(outcome, channel): status for (channel, _), (status, outcome) in ENDS.items()}
    for _ in range(5):
        held = desk.hold()
        turns = [turn for turn in ENDS if turn[0] in HUMANS] * 2
        random.shuffle(turns)
        if late:
            desk.expire(held)
        with ThreadPoolExecutor(len(turns)) as pool:
            outcomes = Counter(pool.map(lambda turn: HUMANS[turn[0]](desk, held, turn[1]), turns))
        end, = desk.decisions(held)
        assert desk.status(held) == ends[end]
        assert outcomes[DONE] == (end[1] in HUMANS)
        assert arrivals(desk, held) == (end[0] == "approved")


# ---- who only looks ----

PREFETCH = {
    "plain": [], "Safari": ["X-Purpose: preview"], "Chromium": ["Sec-Purpose: prefetch;prerender"],
    "old Chromium": ["Purpose: prefetch"], "Firefox": ["X-Moz: prefetch"],
    "a scanner": ["User-Agent: Mozilla/5.0 (compatible; SafeLinks)", "Sec-Fetch-Site: cross-site"]}


def look_at(desk: Desk, links: list[str]) -> set[str]:
    """Every link, every link of their pages, each in every way; the paths seen."""
    ours = urlsplit(desk.stack.url).netloc
    seen: set[str] = set()
    todo = list(links)
    while todo:
        url = todo.pop()
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        if target in seen or parts.netloc != ours:
            continue
        seen.add(target)
        for method in ("HEAD", "GET", "OPTIONS"):
            for fields in PREFETCH.values():
                page = Browser(desk.stack.http_port).request(method, target, None, *fields)
        page = Browser(desk.stack.http_port).get(target)
        todo += [urljoin(url, link) for link in page.links]
        todo += [urljoin(url, form.action) for form in page.forms]
        if page.status == 303:
            todo.append(urljoin(url, page.location))
    return seen


def test_who_opens_every_link_in_the_mail_decides_nothing(desk, build: Path, tmp_path):
    held = desk.hold(html_body="<script>alert(1)</script><a href='/api/v1/approve'>x</a>",
                     attachments=[attachment("a.html", "text/html", b"<script>alert(1)</script>")])
    links = links_in(held.notice)
    seen = look_at(desk, links)
    assert {urlsplit(target).path for target in seen} >= {
        "/api/v1/approve", "/api/v1/reject", "/api/v1/approve/content",
        "/dashboard/pending/review", "/api/auth/login"}
    with Chromium(build, tmp_path) as browser:
        for target in sorted(seen):
            browser.look_at(desk.stack.url + target)
    assert desk.status(held) == PENDING and desk.decisions(held) == []
    assert desk.stack.world.knocks_for(held.to) == []
    assert by_link(desk, held, "approve") == DONE, "and the links still work"
    desk.stack.world.wait_mail(held.to, held.subject)
