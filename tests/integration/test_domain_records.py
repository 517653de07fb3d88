# SPDX-License-Identifier: Apache-2.0
"""What the owner of a domain is told about its records: what to publish, and what
a real DNS holds."""

from __future__ import annotations

import os
import re
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.stack import Stack
from scripts.stack.peers import Api
from scripts.stack.stack import MAIL_HOST
from tests.integration.client import add_key, second_apid

KINDS = ("mx", "txt", "dkim", "spf", "dmarc")
OURS = f"a:{MAIL_HOST}"


@dataclass
class Claim:
    stack: Stack
    api: Api
    name: str

    def get(self) -> dict:
        """Looked at now."""
        status, answer = self.api.get(f"/api/v1/domains/{self.name}")
        assert status == 200, answer
        return answer

    def records(self) -> dict:
        return self.get()["dns_records"]

    def status(self, kind: str) -> str:
        return self.records()[kind]["status"]

    def listed(self) -> dict:
        """As it was found last."""
        return next(d for d in self.api.get("/api/v1/domains")[1]["domains"]
                    if d["domain"] == self.name)

    def place(self, host: str) -> str:
        return self.name if host == "@" else f"{host}.{self.name}"

    def publish(self, host: str, *texts: str) -> None:
        self.stack.dns.publish(self.place(host), "TXT", *texts)

    def publish_mx(self, *values: str) -> None:
        self.stack.dns.publish(self.name, "MX", *values)

    def verify(self) -> tuple[int, object]:
        return self.api.post(f"/api/v1/domains/{self.name}/verify")


@pytest.fixture
def claim(stack, api) -> Claim:
    return make_claim(stack, api)


def make_claim(stack: Stack, api: Api, below: str = "example") -> Claim:
    claim = Claim(stack, api, f"r{uuid.uuid4().hex[:12]}.{below}")
    assert api.post("/api/v1/domains", {"domain": claim.name})[0] == 201
    return claim


def statuses(records: dict) -> dict[str, str]:
    return {kind: record["status"] for kind, record in records.items()}


def test_each_record_turns_published_by_itself(claim):
    """RA8: one that is right says nothing of the others."""
    wanted = claim.records()
    expected = dict.fromkeys(KINDS, "missing")
    assert statuses(wanted) == expected
    apex: list[str] = []
    for kind in ("dmarc", "spf", "dkim", "mx", "txt"):
        record = wanted[kind]
        if kind == "mx":
            claim.publish_mx(f"{record['priority']} {record['value']}.")
        elif record["host"] == "@":
            apex.append(record["value"])
            claim.publish("@", *apex)
        else:
            claim.publish(record["host"], record["value"])
        expected[kind] = "published"
        assert statuses(claim.records()) == expected


def test_a_list_shows_what_was_found_last(claim):
    assert claim.listed()["dns_records"].keys() == set(KINDS)
    assert statuses(claim.listed()["dns_records"]) == dict.fromkeys(KINDS, "unknown")
    assert all("checked_at" not in r for r in claim.listed()["dns_records"].values())
    claim.publish_mx("10 other.example.")
    looked = claim.get()
    assert looked == claim.listed()
    assert looked["dns_records"]["mx"]["status"] == "different"
    assert all(re.match(r"\d{4}-", r["checked_at"]) for r in looked["dns_records"].values())
    claim.publish_mx(f"10 {MAIL_HOST}.")
    assert claim.listed() == looked, "nobody looked"
    assert claim.status("mx") == claim.listed()["dns_records"]["mx"]["status"] == "published"


TEXTS = [
    ("spf", "@", ["v=spf1 mx -all"], "different"),
    ("spf", "@", [f"v=spf1 include:x.example +{OURS.upper()} -all"], "published"),
    ("spf", "@", [f"v=spf1 -all {OURS}"], "different"),
    ("spf", "@", [f"v=spf1 {OURS} ~all", "v=spf1 -all"], "different"),
    ("spf", "@", ["x=spf1", "\0\xff" * 100], "missing"),
    ("dmarc", "_dmarc", ["v=DMARC1; p=none; rua=mailto:a@b.example"], "published"),
    ("dmarc", "_dmarc", ["v=DMARC1; sp=none"], "different"),
    ("dmarc", "_dmarc", ["v=spf1 -all"], "missing"),
    ("txt", "_e2a", ["e2a-verify=" + "0" * 32], "different"),
    ("txt", "@", ["e2a-verify=" + "0" * 32], "different"),
    ("dkim", "e2a1._domainkey", ["v=DKIM1; k=rsa; p=AAAA"], "different"),
    ("dkim", "e2a1._domainkey", ["x" * 5000], "different"),
    ("dkim", "e2a2._domainkey", ["v=DKIM1; k=rsa; p=AAAA"], "missing"),
]


@pytest.mark.parametrize("kind, host, texts, want", TEXTS)
def test_what_stands_in_dns_is_judged(claim, kind, host, texts, want):
    claim.publish(host, *texts)
    assert claim.status(kind) == want


@pytest.mark.parametrize("values, want", [
    ([f"10 {MAIL_HOST}.", "20 other.example."], "published"),
    ([f"10 {MAIL_HOST}.", "5 other.example."], "different"),
    (["0 ."], "different")])
def test_the_preferred_mx_counts(claim, values, want):
    claim.publish_mx(*values)
    claim.publish("@", "v=spf1 mx -all")
    found = statuses(claim.records())
    assert (found["mx"], found["spf"]) == (want, want), "SPF may name the MX when that is ours"


def test_the_token_may_stand_below(claim):
    claim.publish("_e2a", claim.listed()["verification_token"])
    assert claim.status("txt") == "published"


# ---- DNS that gives no answer ----

def test_dns_that_fails_is_not_a_missing_record(stack, api):
    claim = make_claim(stack, api, "servfail.example")
    assert statuses(claim.records()) == dict.fromkeys(KINDS, "unknown")
    assert "checked_at" in claim.listed()["dns_records"]["mx"]


@pytest.fixture
def silent_dns(stack) -> Iterator[None]:
    os.killpg(stack.dns.pid, signal.SIGSTOP)
    yield
    os.killpg(stack.dns.pid, signal.SIGCONT)


def test_dns_that_is_silent_is_waited_for_once(claim, silent_dns):
    """All records together, not each of them."""
    start = time.monotonic()
    assert statuses(claim.records()) == dict.fromkeys(KINDS, "unknown")
    assert time.monotonic() - start < 8


# ---- verify ----

def test_verifying_looks_at_all_records(claim):
    claim.publish("_dmarc", "v=DMARC1; p=reject")
    assert claim.verify()[0] == 412
    assert claim.listed()["dns_records"]["dmarc"]["status"] == "published"
    claim.publish("@", claim.listed()["verification_token"])
    claim.publish("_dmarc", "v=DMARC1")
    assert claim.verify()[0] == 200
    assert claim.listed()["dns_records"]["txt"]["status"] == "published"
    assert claim.listed()["dns_records"]["dmarc"]["status"] == "different"


def test_a_verified_domain_stays_so_when_its_token_is_gone(claim):
    claim.publish("@", claim.listed()["verification_token"])
    assert claim.verify()[0] == 200
    claim.publish("@", "else")
    answer = claim.get()
    assert answer["verified"] is True
    assert answer["dns_records"]["txt"]["status"] == "missing"


def test_who_is_verified_is_told_so_without_a_look(claim):
    claim.publish("@", claim.listed()["verification_token"])
    assert claim.verify()[0] == 200
    looked = claim.listed()
    claim.publish("@", "else")
    assert claim.verify()[0] == 200
    assert claim.listed() == looked


def test_what_was_looked_at_a_moment_ago_is_not_looked_at_again(stack, account, claim):
    with second_apid(stack, 44, domain_look_age="1h") as apid:
        api = Api(f"http://127.0.0.1:{apid.port}", account.api_key)
        path = f"/api/v1/domains/{claim.name}"
        first = api.get(path)[1]
        assert statuses(first["dns_records"])["mx"] == "missing"
        claim.publish_mx(f"10 {MAIL_HOST}.")
        assert api.get(path) == (200, first)
        assert claim.status("mx") == "published", "another server looks each time"
        assert api.call("POST", f"{path}/dkim/rotate")[0] == 200
        assert "checked_at" in api.get(path)[1]["dns_records"]["dkim_next"], "a new key is looked for"
        with stack.db() as db, db.cursor() as query:
            query.execute("UPDATE domain_records SET checked_at = checked_at - interval '1 h' "
                          "WHERE record = 'spf'")
        before = api.get(path)[1]["dns_records"]["spf"]["checked_at"]
        assert api.get(path)[1]["dns_records"]["spf"]["checked_at"] == before


# ---- whose ----

def test_nobody_looks_at_what_is_not_his(stack, account, claim, strange_api, make_agent):
    path = f"/api/v1/domains/{claim.name}"
    agent_key = Api(stack.url, add_key(stack, account.user_id, agent=make_agent())[1])
    for who in (strange_api, agent_key):
        assert who.get(path) == (404, "domain not found\n")
    assert "checked_at" not in claim.listed()["dns_records"]["mx"]
    for name in ("no.example", "%00", "agents.example", "x" * 300):
        assert claim.api.get(f"/api/v1/domains/{name}") == (404, "domain not found\n")


def test_what_one_sees_tells_nothing_of_the_claim_of_another(stack, claim, strange_api):
    theirs = Claim(stack, strange_api, claim.name)
    assert strange_api.post("/api/v1/domains", {"domain": claim.name})[0] == 201
    mine = claim.records()
    claim.publish(mine["dkim"]["host"], mine["dkim"]["value"])
    assert claim.status("dkim") == "published"
    seen = theirs.records()
    assert seen["dkim"]["status"] == "different"
    assert seen["dkim"]["value"] != mine["dkim"]["value"]
    assert seen["txt"]["value"] != mine["txt"]["value"]
