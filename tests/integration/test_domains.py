# SPDX-License-Identifier: Apache-2.0
"""Domains of users: claimed by anybody, held by who first shows the own token in
a real DNS."""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST, SHARED_DOMAIN
from tests.integration.client import add_key

NOT_AVAILABLE = (400, "failed to verify domain: domain not available\n")


def new_name() -> str:
    return f"d{uuid.uuid4().hex[:12]}.example"


@pytest.fixture
def domain() -> str:
    return new_name()


def claim(api: Api, domain: str) -> str:
    status, answer = api.post("/api/v1/domains", {"domain": domain})
    assert status == 201, answer
    return answer["verification_token"]


def verify(api: Api, domain: str) -> tuple[int, object]:
    return api.post(f"/api/v1/domains/{quote(domain, safe='')}/verify")


def delete(api: Api, domain: str) -> tuple[int, object]:
    return api.call("DELETE", f"/api/v1/domains/{domain}")


def listed(api: Api, domain: str) -> list[dict]:
    return [d for d in api.get("/api/v1/domains")[1]["domains"] if d["domain"] == domain]


def not_found(token: str) -> tuple[int, str]:
    return 412, f"TXT record not found. Expected: {token}\n"


def test_a_claim_says_what_to_publish(api, domain):
    status, made = api.post("/api/v1/domains", {"domain": domain})
    token = made["verification_token"]
    assert status == 201
    assert re.fullmatch(r"e2a-verify=[0-9a-f]{32}", token)
    records = made["dns_records"]
    assert records.pop("dkim")["host"] == "e2a1._domainkey"
    unknown = {"status": "unknown"}
    assert records == {
        "mx": {"host": "@", "value": MAIL_HOST, "priority": 10, **unknown},
        "txt": {"host": "@", "value": token, **unknown},
        "spf": {"host": "@", "type": "TXT", "value": f"v=spf1 a:{MAIL_HOST} ~all", **unknown},
        "dmarc": {"host": "_dmarc", "type": "TXT", "value": "v=DMARC1; p=quarantine", **unknown}}
    assert (made["domain"], made["verified"]) == (domain, False)
    assert made.keys() == {"domain", "verified", "verification_token", "dns_records", "created_at"}
    del listed(api, domain)[0]["dns_records"]["dkim"]
    assert listed(api, domain)[0].keys() == made.keys()


def test_a_repeated_claim_keeps_its_token(api, domain):
    first = api.post("/api/v1/domains", {"domain": domain})
    assert api.post("/api/v1/domains", {"domain": domain.upper() + "."}) == first
    assert len(listed(api, domain)) == 1


@pytest.mark.parametrize("below", ["", "_e2a."])
def test_the_token_in_dns_verifies(stack, api, domain, below):
    token = claim(api, domain)
    assert verify(api, domain) == not_found(token)
    stack.dns.publish(below + domain, "TXT", "v=spf1 -all", token, "something else")
    status, answer = verify(api, domain)
    assert (status, answer["domain"], answer["verified"]) == (200, domain, True)
    stack.dns.remove(below + domain, "TXT")
    stack.dns.reload()
    assert verify(api, domain.upper()) == (200, answer), "once is enough"
    assert listed(api, domain)[0]["verified_at"] == answer["verified_at"]


@pytest.mark.parametrize("below", ["www.", "_dmarc.", "_e2a._e2a."])
def test_the_token_at_another_name_proves_nothing(stack, api, domain, below):
    token = claim(api, domain)
    stack.dns.publish(below + domain, "TXT", token)
    assert verify(api, domain) == not_found(token)


@pytest.mark.parametrize("record", ["{}0", "x{}", "{} or not", "e2a-verify=", "E2A-VERIFY={digits}",
                                    "{digits}", "{cut}"])
def test_only_the_exact_token_counts(stack, api, domain, record):
    token = claim(api, domain)
    digits = token.partition("=")[2]
    stack.dns.publish(domain, "TXT", record.format(token, digits=digits, cut=token[:-1]))
    assert verify(api, domain) == not_found(token)
    assert listed(api, domain)[0]["verified"] is False


def test_a_name_service_that_fails_is_not_an_absent_record(api):
    domain = f"{uuid.uuid4().hex[:8]}.servfail.example"
    claim(api, domain)
    assert verify(api, domain) == (400, f"DNS lookup failed for {domain}: try again later\n")


BAD = [("", "domain is required"),
       *((name, "failed to register domain: not a domain name") for name in
         (" ", "localhost", "192.0.2.1", "[::1]", "2001:db8::1", "a..example", "-a.example",
          "a-.example", "a b.example", "a\0.example", "a.example\r\nX: y", "a_b.example", ".",
          "x" * 64 + ".example", "a." * 130 + "example", "bot@x.example", "https://x.example",
          "x.example/y", "*.example", "\u0661.1.1.1", "x.\ufffd")),
       *((name, "reserved domain") for name in
         (SHARED_DOMAIN, SHARED_DOMAIN.upper(), SHARED_DOMAIN + ".", "\uff41gents.example"))]


@pytest.mark.parametrize("name, text", BAD, ids=[repr(name[:30]) for name, _ in BAD])
def test_what_is_no_domain_of_a_user_is_refused(api, name, text):
    assert api.post("/api/v1/domains", {"domain": name}) == (400, text + "\n")


def test_an_international_name_is_one_domain_in_any_form(stack, api):
    name = f"b{uuid.uuid4().hex[:8]}\u00fc.example"
    a_label = name.encode("idna").decode()
    token = claim(api, name.upper())
    assert claim(api, a_label) == token
    stack.dns.publish(a_label, "TXT", token)
    assert verify(api, name)[1]["domain"] == a_label


def test_an_agent_needs_a_verified_domain(stack, api, strange_api, domain):
    agent = {"email": f"Bot@{domain.upper()}", "agent_mode": "local"}
    assert api.post("/api/v1/agents", agent) == (400, "register and verify your domain first\n")
    token = claim(api, domain)
    assert api.post("/api/v1/agents", agent) == (400, "verify your domain first\n")
    stack.dns.publish(domain, "TXT", token)
    assert verify(api, domain)[0] == 200
    claim(strange_api, domain)
    assert strange_api.post("/api/v1/agents", agent) == (400, "verify your domain first\n")
    status, made = api.post("/api/v1/agents", agent)
    assert (status, made["email"], made["domain"]) == (201, agent["email"], domain)
    taken = api.post("/api/v1/agents", {**agent, "email": f"bOT@{domain}"})
    assert taken == (409, "agent already registered for this domain\n"), "case is no difference"


@pytest.mark.parametrize("local", ["postmaster", "Abuse", "postmaster+x"])
def test_the_operators_addresses_are_not_for_agents(stack, api, domain, local):
    stack.dns.publish(domain, "TXT", claim(api, domain))
    assert verify(api, domain)[0] == 200
    answer = api.post("/api/v1/agents", {"email": f"{local}@{domain}", "agent_mode": "local"})
    assert answer == (400, "postmaster and abuse are reserved for the operator\n")


@pytest.mark.parametrize("word, use", [("bounce", "bounces"),
                                       ("Review", "answers of reviewers")])
def test_addresses_of_our_own_are_not_for_agents(stack, api, domain, word, use):
    stack.dns.publish(domain, "TXT", claim(api, domain))
    assert verify(api, domain)[0] == 200
    answer = api.post("/api/v1/agents", {"email": f"{word}-{'0A' * 16}@{domain}",
                                         "agent_mode": "local"})
    assert answer == (400, f"addresses of this form are reserved for {use}\n")


@pytest.mark.parametrize("word", ["bounce", "review"])
def test_no_slug_makes_such_an_address(api, word):
    status, text = api.post("/api/v1/agents", {"slug": f"{word}-{'0a' * 16}",
                                               "agent_mode": "local"})
    assert (status, "reserved for" in text) == (400, True), text


def test_two_may_claim_and_the_first_proof_wins(stack, api, strange_api, domain):
    mine, theirs = claim(api, domain), claim(strange_api, domain)
    assert mine != theirs
    stack.dns.publish(domain, "TXT", mine)
    assert verify(strange_api, domain) == not_found(theirs), "the token of another proves nothing"
    assert verify(api, domain)[0] == 200
    assert claim(strange_api, domain) == theirs, "a claim stays and tells nothing"
    stack.dns.publish(domain, "TXT", mine, theirs)
    assert verify(strange_api, domain) == NOT_AVAILABLE
    assert listed(strange_api, domain)[0]["verified"] is False
    assert listed(api, domain)[0]["verified"] is True
    assert delete(api, domain) == (204, "")
    assert verify(strange_api, domain)[0] == 200, "given up, it is free"


def test_of_proofs_at_the_same_time_one_wins(stack, api, strange_api, domain):
    for _ in range(3):
        name = f"r{uuid.uuid4().hex[:6]}.{domain}"
        stack.dns.set(name, "TXT", claim(api, name), claim(strange_api, name))
        stack.dns.reload()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: verify(one, name)[0], [api, strange_api] * 2))
        assert sorted(set(answers)) == [200, 400]
        assert listed(api, name)[0]["verified"] != listed(strange_api, name)[0]["verified"]


# ---- above and below ----

def prove(stack, api: Api, domain: str) -> tuple[int, object]:
    stack.dns.publish(domain, "TXT", claim(api, domain))
    return verify(api, domain)


@pytest.mark.parametrize("held, wanted", [("", "sub."), ("", "a.b.c."), ("sub.", ""),
                                          ("a.b.c.", ""), ("b.", "a.b."), ("a.b.", "b.")])
def test_nobody_gets_a_domain_above_or_below_somebody_elses(stack, api, strange_api, domain, held,
                                                            wanted):
    assert prove(stack, api, held + domain)[0] == 200
    assert prove(stack, strange_api, wanted + domain) == NOT_AVAILABLE
    assert listed(strange_api, wanted + domain)[0]["verified"] is False
    assert prove(stack, api, wanted + domain)[0] == 200, "the holder may"
    for name in (held, wanted):
        assert delete(api, name + domain)[0] == 204
    assert prove(stack, strange_api, wanted + domain)[0] == 200, "given up, it is free"


@pytest.mark.parametrize("held, wanted", [("a.", "b."), ("a.b.", "a.c."), ("x", ""), ("", "x"),
                                          ("a.b.", "ab.")])
def test_a_name_beside_another_is_free(stack, api, strange_api, domain, held, wanted):
    assert prove(stack, api, held + domain)[0] == 200
    assert prove(stack, strange_api, wanted + domain)[0] == 200


def test_a_claim_that_is_not_proven_keeps_nobody_out(stack, api, strange_api, domain):
    claim(api, domain)
    assert prove(stack, strange_api, f"sub.{domain}")[0] == 200


@pytest.mark.parametrize("name", [f"x.{SHARED_DOMAIN}", f"a.b.{SHARED_DOMAIN}"])
def test_what_lies_below_the_shared_domain_is_nobodys(stack, api, name):
    assert prove(stack, api, name) == NOT_AVAILABLE


def test_of_parent_and_child_at_the_same_time_one_wins(stack, api, strange_api, domain):
    for i in range(5):
        parent = f"p{i}.{domain}"
        child = f"c.{parent}"
        stack.dns.set(parent, "TXT", claim(api, parent))
        stack.dns.set(child, "TXT", claim(strange_api, child))
        stack.dns.reload()
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda one: verify(*one)[0],
                                    [(api, parent), (strange_api, child)]))
        assert sorted(answers) == [200, 400]


def test_a_strangers_claim_answers_like_an_absent_one(api, strange_api, domain):
    claim(api, domain)
    for name in (domain, new_name(), "no domain", "x%00y", SHARED_DOMAIN):
        assert verify(strange_api, name) == (404, "domain not found\n")
        assert delete(strange_api, quote(name)) == (404, "domain not found\n")
    assert listed(strange_api, domain) == []


def test_a_key_of_one_agent_reaches_no_domain(stack, account, api, make_agent, domain):
    claim(api, domain)
    key = Api(stack.url, add_key(stack, account.user_id, agent=make_agent())[1])
    assert verify(key, domain) == (404, "domain not found\n")
    assert delete(key, domain) == (404, "domain not found\n")
    assert listed(api, domain)


def test_a_domain_with_agents_is_not_given_up(stack, api, domain):
    stack.dns.publish(domain, "TXT", claim(api, domain))
    verify(api, domain)
    assert api.post("/api/v1/agents", {"email": f"a@{domain}", "agent_mode": "local"})[0] == 201
    assert delete(api, domain) == (400, "cannot delete domain while agents exist \u2014 "
                                        "delete agents first\n")
    assert listed(api, domain)[0]["verified"] is True
