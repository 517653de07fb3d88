# SPDX-License-Identifier: Apache-2.0
"""e2a-deliverd looks for the records of verified domains by itself."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable

import pytest

from scripts.stack import Stack
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST, SHARED_DOMAIN

FROM_DOMAIN = "send.example"
LOOKS = 40.0  # seconds, for a round in which each look ends at its deadline
SETTINGS = {"domain_check_interval": "1s", "from_domain": FROM_DOMAIN, "log_level": "debug"}


def ask(stack: Stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchall()


def keys_of(stack: Stack, domain: str) -> list[tuple]:
    return ask(stack, "SELECT selector, state, published FROM dkim_keys k JOIN domains d "
               "ON d.id = k.domain_id WHERE d.domain = %s ORDER BY selector", domain)


def record(stack: Stack, domain: str, state: str = "active") -> tuple[str, str]:
    """Name and value of the key's record."""
    (selector, key), = ask(
        stack, "SELECT selector, public_key FROM dkim_keys k JOIN domains d ON d.id = k.domain_id "
        "WHERE d.domain = %s AND d.verified AND k.state = %s", domain, state)
    return f"{selector}._domainkey.{domain}", f"v=DKIM1; k=rsa; p={key}"


@pytest.fixture
def verified(stack: Stack, api: Api) -> str:
    name = f"v{uuid.uuid4().hex[:12]}.example"
    token = api.post("/api/v1/domains", {"domain": name})[1]["verification_token"]
    stack.dns.publish(name, "TXT", token)
    assert api.post(f"/api/v1/domains/{name}/verify")[0] == 200
    return name


@pytest.fixture
def wait_change(stack: Stack) -> Callable[..., None]:
    """wait_change(mark, domain, record, from, to, level="info")"""
    def wait(mark: int, domain: str, kind: str, before: str, after: str,
             level: str = "info") -> None:
        stack.deliverd.wait_log(rf" {level} domain_record_changed domain={domain} record={kind} "
                                rf"from={before} to={after}(\s|$)", mark, LOOKS)

    return wait


def listed(api: Api, domain: str) -> dict[str, str]:
    found = next(d for d in api.get("/api/v1/domains")[1]["domains"] if d["domain"] == domain)
    return {kind: r["status"] for kind, r in found["dns_records"].items()}


def test_a_record_that_disappears_is_noticed(stack, api, verified, wait_change):
    mark = stack.deliverd.log_mark()
    stack.dns.publish(verified, "MX", f"10 {MAIL_HOST}.")
    wait_change(mark, verified, "mx", "missing", "published")
    assert listed(api, verified)["mx"] == "published"
    mark = stack.deliverd.log_mark()
    stack.dns.remove(verified, "MX")
    stack.dns.reload()
    wait_change(mark, verified, "mx", "published", "missing", "warn")
    assert listed(api, verified)["mx"] == "missing"


def test_a_key_that_is_no_longer_published_does_not_count(stack, verified, wait_change):
    mark = stack.deliverd.log_mark()
    name, value = record(stack, verified)
    stack.dns.publish(name, "TXT", value)
    wait_change(mark, verified, "dkim", "missing", "published")
    assert keys_of(stack, verified) == [("e2a1", "active", True)]
    stack.dns.publish(name, "TXT", "v=DKIM1; p=")
    wait_change(mark, verified, "dkim", "published", "different", "warn")
    assert keys_of(stack, verified) == [("e2a1", "active", False)]


def test_dns_that_is_silent_takes_nothing_away(stack, verified, wait_change):
    mark = stack.deliverd.log_mark()
    name, value = record(stack, verified)
    stack.dns.publish(name, "TXT", value)
    wait_change(mark, verified, "dkim", "missing", "published")
    os.killpg(stack.dns.pid, signal.SIGSTOP)
    try:
        wait_change(mark, verified, "dkim", "published", "unknown", "debug")
        assert keys_of(stack, verified) == [("e2a1", "active", True)]
    finally:
        os.killpg(stack.dns.pid, signal.SIGCONT)
    wait_change(mark, verified, "dkim", "unknown", "published")


def test_a_next_key_takes_over_unasked(stack, api, verified):
    assert api.post(f"/api/v1/domains/{verified}/dkim/rotate")[0] == 200
    mark = stack.deliverd.log_mark()
    name, value = record(stack, verified, "next")
    stack.dns.publish(name, "TXT", value)
    stack.deliverd.wait_log(rf"dkim_key_promoted domain={verified} selector=e2a2", mark)
    assert keys_of(stack, verified) == [("e2a1", "retired", False), ("e2a2", "active", True)]


def test_a_verified_domain_from_before_there_were_keys_gets_one(stack, verified):
    mark = stack.deliverd.log_mark()
    ask(stack, "DELETE FROM dkim_keys k USING domains d WHERE d.id = k.domain_id "
        "AND d.domain = %s RETURNING 1", verified)
    stack.deliverd.wait_log(rf"dkim_key_made domain={verified}", mark)
    assert keys_of(stack, verified) == [("e2a1", "active", False)]


def test_what_is_only_claimed_is_left_alone(stack, api, verified):
    name = f"c{uuid.uuid4().hex[:12]}.example"
    assert api.post("/api/v1/domains", {"domain": name})[0] == 201
    before = ask(stack, "SELECT looked_at FROM domains WHERE domain = %s", verified)
    wait_until("deliverd to look at another one", lambda: ask(
        stack, "SELECT looked_at FROM domains WHERE domain = %s", verified) != before)
    assert set(listed(api, name).values()) == {"unknown"}


# ---- domains of the deployment ----

@pytest.mark.parametrize("domain", [SHARED_DOMAIN, FROM_DOMAIN])
def test_domains_of_the_deployment_have_keys_and_are_looked_at(stack, domain, wait_change):
    assert keys_of(stack, domain) == [("e2a1", "active", False)]
    mark = stack.deliverd.log_mark()
    name, value = record(stack, domain)
    stack.dns.publish(name, "TXT", value)
    wait_change(mark, domain, "dkim", "(missing|unknown)", "published")
    assert keys_of(stack, domain) == [("e2a1", "active", True)]
    assert ask(stack, "SELECT count(*) FROM domain_records r JOIN domains d ON d.id = r.domain_id "
               "WHERE d.domain = %s AND r.record = 'txt'", domain) == [(0,)], "nothing to prove"


def test_the_operator_rotates_a_key_of_the_deployment(stack):
    assert "; dkim_next: missing" in stack.admin("domain", "-r", FROM_DOMAIN)
    mark = stack.deliverd.log_mark()
    name, value = record(stack, FROM_DOMAIN, "next")
    stack.dns.publish(name, "TXT", value)
    stack.deliverd.wait_log(rf"dkim_key_promoted domain={FROM_DOMAIN} selector=e2a2", mark)


def test_nobody_claims_a_domain_of_the_deployment(stack, api, account):
    assert api.post("/api/v1/domains", {"domain": FROM_DOMAIN.upper()}) == \
        (400, "reserved domain\n")
    stack.wait_for_domain(FROM_DOMAIN)


# ---- several ----

def test_of_two_daemons_each_looks_at_its_own(stack, api, second, verified):
    """Every change is noticed once."""
    marks = [part.log_mark() for part in (stack.deliverd, second)]
    change = f"domain_record_changed domain={verified} record=dmarc from=missing to=published"
    stack.dns.publish(f"_dmarc.{verified}", "TXT", "v=DMARC1; p=none")
    wait_until("the change", lambda: listed(api, verified)["dmarc"] == "published")
    before = ask(stack, "SELECT looked_at FROM domains WHERE domain = %s", verified)
    wait_until("one more look", lambda: ask(
        stack, "SELECT looked_at FROM domains WHERE domain = %s", verified) != before)
    logs = [part.log_since(mark) for part, mark in zip((stack.deliverd, second), marks)]
    assert sum(log.count(change) for log in logs) == 1


def test_a_stop_in_the_middle_of_a_look_is_clean(stack, verified):
    os.killpg(stack.dns.pid, signal.SIGSTOP)
    try:
        before = ask(stack, "SELECT looked_at FROM domains WHERE domain = %s", verified)
        wait_until("a look", lambda: ask(
            stack, "SELECT looked_at FROM domains WHERE domain = %s", verified) != before)
        assert stack.deliverd.stop() == 0
    finally:
        os.killpg(stack.dns.pid, signal.SIGCONT)
        stack.deliverd.start()
