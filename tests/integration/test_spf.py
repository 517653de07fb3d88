# SPDX-License-Identifier: Apache-2.0
"""SPF: every result word, the identity it is asked for, the limits of RFC 7208
4.6.4, and records that are meant to do harm. Then whether it counts for From."""

from __future__ import annotations

import socket

import pytest

from scripts.stack import mail
from scripts.stack.mail import compose
from scripts.stack.reader import HONEST, STRANGER, Reader

OK = f"ip4:{HONEST} -all"  # passes for HONEST


def includes(count: int) -> dict:
    """A record with that many include terms; the pass comes behind them."""
    terms = " ".join(f"include:n{i}.@" for i in range(count))
    return {"": [f"v=spf1 {terms} {OK}"],
            **{f"n{i}": ["v=spf1 ip4:192.0.2.1"] for i in range(count)}}


# Records at and below the domain, '@' standing for it; the result for HONEST.
WORDS = {
    "pass": ({"": [f"v=spf1 {OK}"]}, "pass"),
    "pass by network": ({"": ["v=spf1 ip4:127.0.0.0/28 -all"]}, "pass"),
    "pass by a": ({"": ["v=spf1 a -all"], "A": [HONEST]}, "pass"),
    "pass by mx": ({"": ["v=spf1 mx -all"], "MX": ["10 n1.@."], "n1 A": [HONEST]}, "pass"),
    "pass by include": ({"": ["v=spf1 include:n1.@ -all"], "n1": [f"v=spf1 {OK}"]}, "pass"),
    "pass by redirect": ({"": ["v=spf1 redirect=n1.@"], "n1": [f"v=spf1 {OK}"]}, "pass"),
    "pass by exists and macros": ({"": ["v=spf1 exists:%{ir}.%{l}.%{v}.n1.@ -all"],
                                   "7.0.0.127.bounces.in-addr.n1 A": ["127.0.0.2"]}, "pass"),
    "capitals": ({"": [f"V=SPF1 IP4:{HONEST} -ALL"]}, "pass"),
    "a record of many strings": ({"": [f"v=spf1 {'ip4:192.0.2.1 ' * 60}{OK}"]}, "pass"),
    "fail": ({"": ["v=spf1 ip4:192.0.2.1 -all"]}, "fail"),
    "fail of an include is no match": ({"": ["v=spf1 include:n1.@ ~all"], "n1": ["v=spf1 -all"]},
                                       "softfail"),
    "softfail": ({"": ["v=spf1 ~all"]}, "softfail"),
    "neutral": ({"": ["v=spf1 ?all"]}, "neutral"),
    "neutral by default": ({"": ["v=spf1 ip4:192.0.2.1"]}, "neutral"),
    "none": ({}, "none"),
    "none beside other text": ({"": ["v=spf10 +all", "spf1 +all"]}, "none"),
    "two records": ({"": ["v=spf1 +all", f"v=spf1 {OK}"]}, "permerror"),
    "unknown mechanism": ({"": [f"v=spf1 ipv4:{HONEST} -all"]}, "permerror"),
    "bad address": ({"": ["v=spf1 ip4:127.0.0.256 +all"]}, "permerror"),
    "bad prefix": ({"": ["v=spf1 ip4:127.0.0.0/33 +all"]}, "permerror"),
    "8-bit": ({"": ["v=spf1 include:\u00e4.@ +all"]}, "permerror"),
    "include of nothing": ({"": ["v=spf1 include:absent.@ +all"]}, "permerror"),
    "redirect to nothing": ({"": ["v=spf1 redirect=absent.@"]}, "permerror"),
    "include of a bad record": ({"": ["v=spf1 include:n1.@ +all"], "n1": ["v=spf1 nonsense"]},
                                "permerror"),
    "an include that cannot be asked": ({"": ["v=spf1 include:x.servfail.example +all"]},
                                        "temperror"),
    "ten look-ups": (includes(10), "pass"),
    "eleven look-ups": (includes(11), "permerror"),
    "a chain of includes": ({"": ["v=spf1 include:n0.@ +all"],
                             **{f"n{i}": [f"v=spf1 include:n{i + 1}.@ +all"] for i in range(12)}},
                            "permerror"),
    "a record that includes itself": ({"": ["v=spf1 include:@ +all"]}, "permerror"),
    "a redirect to itself": ({"": ["v=spf1 redirect=@"]}, "permerror"),
    "two void look-ups": ({"": [f"v=spf1 a:v1.@ a:v2.@ {OK}"]}, "pass"),
    "three void look-ups": ({"": [f"v=spf1 a:v1.@ a:v2.@ a:v3.@ {OK}"]}, "permerror"),
    "void look-ups by exists": ({"": [f"v=spf1 exists:v1.@ exists:v2.@ exists:v3.@ {OK}"]},
                                "permerror"),
    "void look-ups by mx": ({"": [f"v=spf1 mx:v1.@ mx:v2.@ mx:v3.@ {OK}"]}, "permerror"),
    "void look-ups in includes": ({"": ["v=spf1 include:n1.@ include:n2.@ +all"],
                                   "n1": ["v=spf1 a:v1.@ a:v2.@ ?all"],
                                   "n2": ["v=spf1 a:v3.@ ?all"]}, "permerror"),
    "eleven mail exchangers": ({"": [f"v=spf1 mx {OK}"],
                                "MX": [f"10 n{i}.@." for i in range(11)],
                                **{f"n{i} A": ["192.0.2.1"] for i in range(11)}}, "permerror"),
    # what has hurt SPF libraries before
    "macro with a huge digit": ({"": ["v=spf1 exists:%{l9999999999}.@ +all"]}, "permerror"),
    "macro with digit 0": ({"": ["v=spf1 exists:%{d0}.@ +all"]}, "permerror"),
    "macro without an end": ({"": ["v=spf1 exists:%{d.@ +all"]}, "permerror"),
    "macro of an unknown letter": ({"": ["v=spf1 exists:%{q}.@ +all"]}, "permerror"),
    "macro of an explanation": ({"": ["v=spf1 exists:%{c}.@ +all"]}, "permerror"),
    "percent alone": ({"": ["v=spf1 exists:%.@ +all"]}, "permerror"),
    "macro with all delimiters": ({"": [f"v=spf1 exists:%{{l128r.-+,/_=}}.@ {OK}"]}, "pass"),
    "macros that swell": ({"": [f"v=spf1 exists:{'%{S}' * 16}.@ {OK}"]}, "pass"),
    "more macros than can be meant": ({"": [f"v=spf1 exists:{'%{S}' * 60}.@ +all"]}, "permerror"),
    "a macro with percent of it": ({"": ["v=spf1 exists:%{%{d}}.@ +all"]}, "permerror"),
    "explanations": ({"": ["v=spf1 -all exp=n1.@"], "n1": ["%{c}%{r}%{t}%{p}" * 20]}, "fail"),
    "hundreds of terms": ({"": ["v=spf1 " + "ip4:192.0.2.1 " * 250 + "+all"]}, "pass"),
    "a record of 5 KB": ({"": ["v=spf1 " + "x" * 5000 + " +all"]}, "permerror"),
    "10 KB of records": ({"": ["junk" * 60] * 40 + [f"v=spf1 {OK}"]}, "pass"),
}


def domain_of(name: str) -> str:
    return f"s{list(WORDS).index(name)}.spf.example"


@pytest.fixture(scope="module", autouse=True)
def published(stack) -> None:
    for name, (records, _) in WORDS.items():
        domain = domain_of(name)
        for where, values in records.items():
            label, _, kind = where.rpartition(" ")
            kind = kind if label or kind in ("A", "MX") else "TXT"
            label = label or ("" if kind != "TXT" else where)
            full = f"{label}.{domain}" if label else domain
            stack.dns.set(full, kind, *(v.replace("@", domain) for v in values))
    for domain in ("ours.example", "mail.ours.example", "theirs.example"):
        stack.dns.set(domain, "TXT", f"v=spf1 ip4:{HONEST} ip6:2001:db8::/32 -all")
    stack.dns.set("_dmarc.ours.example", "TXT", "v=DMARC1; p=reject")
    stack.dns.reload()


ALICE = "alice@ours.example"


def letter(author: str = ALICE) -> bytes:
    return compose(author, "bot@agents.example")


@pytest.mark.parametrize("name", WORDS)
def test_every_record_has_its_word(reader: Reader, name):
    domain, want = domain_of(name), WORDS[name][1]
    got = reader.take(letter(f"alice@{domain}"), f"bounces@{domain}")
    assert got.verdict == "sealed"
    result = got.spf["result"]
    assert result == want
    assert got.check == f"spf={result}; dkim=none; dmarc=none"
    assert got.spf == {"result": result, "domain": domain, "aligned": result == "pass"}
    assert got.verified == (result == "pass")


# MAIL FROM, HELO, client; the result, the domain it is about, whether it counts for ours.example.
IDENTITIES = {
    "our sender": ("x@ours.example", "h.example", HONEST, "pass", "ours.example", True),
    "our sender, elsewhere": ("x@ours.example", "h.example", STRANGER, "fail", "ours.example",
                              False),
    "capitals": ("x@OURS.Example", "h.example", HONEST, "pass", "ours.example", True),
    "a domain below ours": ("x@mail.ours.example", "h.example", HONEST, "pass",
                            "mail.ours.example", True),
    "somebody else's": ("x@theirs.example", "h.example", HONEST, "pass", "theirs.example", False),
    "a domain without a record": ("x@nothing.example", "ours.example", HONEST, "none",
                                  "nothing.example", False),
    "HELO is not asked for beside a sender": ("x@theirs.example", "ours.example", STRANGER, "fail",
                                              "theirs.example", False),
    "HELO for the null sender": ("", "ours.example", HONEST, "pass", "ours.example", True),
    "HELO of a host below": ("", "mail.ours.example", HONEST, "pass", "mail.ours.example", True),
    "HELO of somebody else": ("", "theirs.example", HONEST, "pass", "theirs.example", False),
    "HELO forged": ("", "ours.example", STRANGER, "fail", "ours.example", False),
    "HELO is an address literal": ("", "[127.0.0.7]", HONEST, "none", "", False),
    "HELO is one label": ("", "ours", HONEST, "none", "", False),
    "at-sign in the local part": ('"x@ours.example"@theirs.example', "h.example", HONEST, "pass",
                                  "theirs.example", False),
    "at-sign in the local part, ours": ('"x@theirs.example"@ours.example', "h.example", HONEST,
                                        "pass", "ours.example", True),
    "broken name service": ("x@a.servfail.example", "h.example", HONEST, "temperror",
                            "a.servfail.example", False),
    "bounce address with equals": ("b+bot=agents.example@ours.example", "h.example", HONEST, "pass",
                                   "ours.example", True),
}


@pytest.mark.parametrize("sender, helo, client, result, domain, aligned", IDENTITIES.values(),
                         ids=IDENTITIES.keys())
def test_the_right_identity_is_checked_and_aligned(reader: Reader, sender, helo, client, result,
                                                   domain, aligned):
    got = reader.take(letter(), sender, client, helo=helo)
    assert got.spf == {"result": result, "domain": domain, "aligned": aligned}
    assert got.verified == aligned
    dmarc = "pass" if aligned else "fail"
    assert got.check == f"spf={result}; dkim=none; dmarc={dmarc}"
    assert got.sender == ALICE


CLIENTS = {HONEST: "pass", "192.0.2.1": "fail"}
if socket.has_dualstack_ipv6():
    CLIENTS |= {"IPV6:2001:db8::7": "pass", "IPV6:2001:db9::7": "fail",
                f"IPV6:::ffff:{HONEST}": "pass"}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_s_address_decides_in_both_families(reader: Reader, stack, client):
    recipient = reader.address()
    outcome = mail.send(stack.postfix.xclient_port, "x@ours.example", recipient, letter(),
                        xclient={"ADDR": client})
    assert outcome.code == 250, outcome.text
    got = reader.wait(recipient)
    assert got.spf["result"] == CLIENTS[client]
    assert got.verified == (CLIENTS[client] == "pass")


def test_received_spf_of_the_sender_is_text(reader: Reader):
    message = compose(ALICE, "bot@agents.example", Received_SPF="pass (forged) client-ip=127.0.0.7")
    got = reader.take(message, "x@ours.example", STRANGER)
    assert (got.check, got.verified) == ("spf=fail; dkim=none; dmarc=fail", False)
    assert b"Received-SPF: pass (forged)" in got.raw
