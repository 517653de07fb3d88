# SPDX-License-Identifier: Apache-2.0
"""DMARC: policies, alignment relaxed and strict, sub-domains, public suffixes
and records that are none. `Verified` asks for an aligned pass and not for a
policy; nothing is refused because of a policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.stack.mail import Signer, compose
from scripts.stack.reader import HONEST, STRANGER, Reader


@pytest.fixture(scope="module")
def key() -> Signer:
    return Signer.new("dmarc.example")


class Case:
    """From domain, its records, the MAIL FROM domain (SPF passes for it), the signing domain."""

    def __init__(self, author: str, records: dict[str, list[str]], envelope: str, signed: str,
                 dmarc: tuple[str, str], verified: bool):
        self.author, self.records, self.envelope = author, records, envelope
        self.signed, self.dmarc, self.verified = signed, dmarc, verified


def d1(tags: str) -> list[str]:
    return [f"v=DMARC1; {tags}"]


# '@' is the domain of the case. An empty MAIL FROM domain: SPF finds none.
CASES = {
    "none, aligned by SPF": Case("@", {"@": d1("p=none")}, "@", "", ("pass", "none"), True),
    "quarantine, aligned by DKIM": Case("@", {"@": d1("p=quarantine")}, "", "@",
                                        ("pass", "quarantine"), True),
    "reject, both": Case("@", {"@": d1("p=reject")}, "@", "@", ("pass", "reject"), True),
    "none, nothing": Case("@", {"@": d1("p=none")}, "", "", ("fail", "none"), False),
    "quarantine, nothing": Case(
        "@", {"@": d1("p=quarantine")}, "", "", ("fail", "quarantine"), False),
    "reject, nothing": Case("@", {"@": d1("p=reject")}, "", "", ("fail", "reject"), False),
    "reject, somebody else's passes": Case("@", {"@": d1("p=reject")}, "other.example",
                                           "other.example", ("fail", "reject"), False),
    "no record, nothing": Case("@", {}, "", "", ("none", ""), False),
    "no record, aligned": Case("@", {}, "@", "", ("none", ""), True),
    "no record, somebody else's passes": Case("@", {}, "other.example", "other.example",
                                              ("none", ""), False),
    "policy in capitals": Case("@", {"@": d1("P=Reject")}, "@", "", ("pass", "reject"), True),
    # domains below
    "From below, SPF of the domain": Case("a.@", {"@": d1("p=reject")}, "@", "",
                                          ("pass", "reject"), True),
    "From below, DKIM beside": Case(
        "a.@", {"@": d1("p=reject")}, "", "b.@", ("pass", "reject"), True),
    "sp counts below": Case("a.@", {"@": d1("p=reject; sp=quarantine")}, "", "",
                            ("fail", "quarantine"), False),
    "sp does not count above": Case("@", {"@": d1("p=reject; sp=none")}, "", "",
                                    ("fail", "reject"), False),
    "a record below comes first": Case(
        "a.@", {"@": d1("p=reject; sp=none"), "a.@": d1("p=quarantine")},
                                       "", "", ("fail", "quarantine"), False),
    "np counts for a domain that is not there": Case(
        "absent.@", {"@": d1("p=none; sp=quarantine; np=reject")}, "", "", ("fail", "reject"),
        False),
    "records between are not looked for": Case("a.b.@", {"@": d1("p=none"), "b.@": d1("p=reject")},
                                               "", "", ("fail", "none"), False),
    # strict alignment, which `Verified` does not ask for
    "aspf=s, same domain": Case(
        "@", {"@": d1("p=reject; aspf=s")}, "@", "", ("pass", "reject"), True),
    "aspf=s, domain below": Case("@", {"@": d1("p=reject; aspf=s")}, "a.@", "",
                                 ("fail", "reject"), True),
    "adkim=s, same domain": Case(
        "@", {"@": d1("p=reject; adkim=s")}, "", "@", ("pass", "reject"), True),
    "adkim=s, domain below": Case("@", {"@": d1("p=reject; adkim=s")}, "", "a.@",
                                  ("fail", "reject"), True),
    "adkim=s does not bind SPF": Case("@", {"@": d1("p=reject; adkim=s")}, "a.@", "a.@",
                                      ("pass", "reject"), True),
    "aspf=s does not bind DKIM": Case("@", {"@": d1("p=reject; aspf=s")}, "a.@", "a.@",
                                      ("pass", "reject"), True),
    # records that are none
    "two records": Case("@", {"@": d1("p=reject") + d1("p=none")}, "", "", ("none", ""), False),
    "two records, aligned": Case("@", {"@": d1("p=reject") + d1("p=none")}, "@", "",
                                 ("none", ""), True),
    "other text beside": Case(
        "@", {"@": ["hello"] + d1("p=reject")}, "@", "", ("pass", "reject"), True),
    "version 2": Case("@", {"@": ["v=DMARC2; p=reject"]}, "@", "", ("none", ""), True),
    "version in small letters": Case(
        "@", {"@": ["v=dmarc1; p=reject"]}, "@", "", ("none", ""), True),
    "policy first": Case("@", {"@": ["p=reject; v=DMARC1"]}, "@", "", ("none", ""), True),
    "unknown policy": Case("@", {"@": d1("p=perhaps")}, "", "", ("permerror", ""), False),
    "broken name service": Case("a.servfail.example", {}, "", "", ("temperror", ""), False),
    "broken name service, somebody else's passes": Case(
        "b.servfail.example", {}, "other.example", "other.example", ("temperror", ""), False),
    # public suffixes
    "From on a public suffix": Case("co.uk", {"co.uk": d1("p=reject")}, "victim.co.uk",
                                    "victim.co.uk", ("none", ""), False),
    "SPF of a public suffix": Case("victim.co.uk", {"victim.co.uk": d1("p=reject")}, "co.uk", "",
                                   ("fail", "reject"), False),
    "DKIM of a public suffix": Case("victim.co.uk", {"victim.co.uk": d1("p=reject")}, "", "co.uk",
                                    ("fail", "reject"), False),
    "a neighbour on a public suffix": Case("victim.co.uk", {"victim.co.uk": d1("p=reject")},
                                           "evil.co.uk", "evil.co.uk", ("fail", "reject"), False),
    "a neighbour on a private suffix": Case(
        "victim.github.io", {"victim.github.io": d1("p=reject")},
                                            "evil.github.io", "evil.github.io", ("fail", "reject"),
                                            False),
    "a domain that ends alike": Case(
        "@", {"@": d1("p=reject")}, "x@", "x@", ("fail", "reject"), False),
}


def expand(name: str, text: str) -> str:
    return text.replace("@", f"d{list(CASES).index(name)}.example")


@pytest.fixture(scope="module", autouse=True)
def published(stack, key) -> None:
    for name, case in CASES.items():
        for where, records in case.records.items():
            stack.dns.set(f"_dmarc.{expand(name, where)}", "TXT", *records)
        if case.envelope:
            stack.dns.set(expand(name, case.envelope), "TXT", f"v=spf1 ip4:{HONEST} -all")
        if case.signed:
            signer = replace(key, domain=expand(name, case.signed))
            stack.dns.set(signer.record[0], "TXT", signer.record[1])
        if case.author == "a.@":
            stack.dns.set(expand(name, "a.@"), "A", HONEST)
    stack.dns.reload()


@pytest.mark.parametrize("name", CASES)
def test_policy_and_alignment(reader: Reader, key, name):
    case = CASES[name]
    author = f"alice@{expand(name, case.author)}"
    message = compose(author, "bot@agents.example")
    if case.signed:
        message = replace(key, domain=expand(name, case.signed)).sign(message)
    envelope = f"x@{expand(name, case.envelope or 'nothing.example')}"
    got = reader.take(message, envelope, HONEST if case.envelope else STRANGER)
    assert got.verdict == "sealed"
    assert got.dmarc == case.dmarc
    assert got.check == (f"spf={'pass' if case.envelope else 'none'}; "
                         f"dkim={'pass' if case.signed else 'none'}; dmarc={case.dmarc[0]}")
    assert got.verified == case.verified
    assert got.sender == author
