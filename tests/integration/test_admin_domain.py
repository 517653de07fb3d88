# SPDX-License-Identifier: Apache-2.0
"""e2a-admin domain: the records of any domain as a zone file, and its key."""

from __future__ import annotations

import re
import subprocess

import pytest

from scripts.stack import Stack
from scripts.stack.part import CLEAN_ENV
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.test_domain_records import Claim, make_claim

EX_USAGE, EX_DATAERR = 64, 65


@pytest.fixture
def claim(stack, api) -> Claim:
    return make_claim(stack, api)


@pytest.fixture
def verified(claim) -> Claim:
    claim.publish("_e2a", claim.listed()["verification_token"])
    assert claim.verify()[0] == 200
    return claim


def domain(stack: Stack, *argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(stack.admin_command("domain", *argv), capture_output=True, text=True,
                          env={**CLEAN_ENV, **stack.admin_env()}, timeout=30)


def shown(stack: Stack, *argv: str) -> str:
    done = domain(stack, *argv)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def statuses(text: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^; (\w+): (published|different|missing|unknown)", text))


def test_what_it_prints_can_be_published_as_it_is(stack, verified):
    text = shown(stack, verified.name.upper())
    assert text.startswith(f"; {verified.name}: verified by operator@other.example\n")
    assert statuses(text) == {"mx": "missing", "txt": "published", "spf": "missing",
                              "dmarc": "missing", "dkim": "missing"}
    stack.dns.publish_zone(verified.name, text)
    assert set(statuses(shown(stack, verified.name)).values()) == {"published"}
    listed = verified.listed()["dns_records"]
    assert {r["status"] for r in listed.values()} == {"published"}, "what was found is kept"


def test_it_shows_a_domain_that_nobody_owns(stack, account):
    text = shown(stack, SHARED_DOMAIN)
    assert text.startswith(f"; {SHARED_DOMAIN}: a domain of the deployment\n")
    assert statuses(text).keys() == {"mx", "spf", "dmarc", "dkim"}, "there is nothing to prove"
    try:
        stack.dns.publish(f"_dmarc.{SHARED_DOMAIN}", "TXT", "v=DMARC1")
        text = shown(stack, SHARED_DOMAIN)
        assert "; dmarc: different, change what is there\n" in text
    finally:
        stack.dns.remove(f"_dmarc.{SHARED_DOMAIN}", "TXT")
        stack.dns.reload()
    assert statuses(shown(stack, SHARED_DOMAIN))["dmarc"] == "missing"


def test_it_shows_every_claim_and_the_holders_first(stack, verified, strange_api, stranger):
    assert strange_api.post("/api/v1/domains", {"domain": verified.name})[0] == 201
    text = shown(stack, verified.name)
    assert re.findall(r"(?m)^; \S+: (\w+) by (\S+)$", text) == [
        ("verified", "operator@other.example"), ("claimed", stranger.email)]
    assert len(set(re.findall(r"e2a-verify=\w+", text))) == 2


def test_it_makes_another_key(stack, verified):
    text = shown(stack, "-r", verified.name)
    assert "; dkim_next: missing, signs when it is published\n" in text
    again = domain(stack, "-r", verified.name)
    assert (again.returncode, again.stdout) == (EX_DATAERR, "")
    assert "a key waits already" in again.stderr
    following = verified.listed()["dns_records"]["dkim_next"]
    assert following["host"] + "." + verified.name in text
    verified.publish(following["host"], following["value"])
    text = shown(stack, verified.name)
    assert statuses(text)["dkim"] == "published" and "dkim_next" not in text
    assert re.search(r"(?m)^; dkim_retired: missing, needed until \d{4}-", text)
    assert "still needed" in domain(stack, "-r", verified.name).stderr
    assert "PRIVATE" not in text


def test_a_claim_without_proof_gets_no_other_key(stack, claim):
    done = domain(stack, "-r", claim.name)
    assert (done.returncode, done.stdout) == (EX_DATAERR, "")
    assert "nobody has verified it" in done.stderr


@pytest.mark.parametrize("argv, status", [
    ([], EX_USAGE), (["a.example", "b.example"], EX_USAGE), (["-x", "a.example"], EX_USAGE),
    (["localhost"], EX_DATAERR), (["a b.example"], EX_DATAERR), (["nobodys.example"], EX_DATAERR),
    (["-r", "nobodys.example"], EX_DATAERR)])
def test_what_is_no_domain_here_is_told(stack, argv, status):
    done = domain(stack, *argv)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr


def test_a_name_service_that_fails_is_told_as_such(stack, api):
    claim = make_claim(stack, api, "servfail.example")
    assert set(statuses(shown(stack, claim.name)).values()) == {"unknown"}
