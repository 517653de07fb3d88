# SPDX-License-Identifier: Apache-2.0
"""Who wrote a mail. Every mail here is sent by the server of author.example, so
SPF passes for author.example; whether it is verified hangs on what the header
says, and whatever it says, the mail arrives. The list follows `Composition
Kills` (USENIX Security 2020) and RFC 5322 with its obsolete forms."""

from __future__ import annotations

import pytest

from scripts.stack.mail import Signer
from scripts.stack.reader import HONEST, Reader

ALICE = "alice@author.example"
VICTIM = "bob@victim.example"
ENVELOPE = "bounces@author.example"
IDN = "xn--bcher-kva.example"

PASSED = "spf=pass; dkim=none; dmarc=pass"
NO_AUTHOR = "spf=pass; dkim=none; dmarc=permerror"


@pytest.fixture(scope="module")
def key() -> Signer:
    return Signer.new("author.example")


@pytest.fixture(scope="module", autouse=True)
def published(stack, key) -> None:
    for domain in ("author.example", IDN):
        stack.dns.set(domain, "TXT", f"v=spf1 ip4:{HONEST} -all")
        stack.dns.set(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject")
    stack.dns.set("_dmarc.victim.example", "TXT", "v=DMARC1; p=reject")
    stack.dns.publish(key.record[0], "TXT", key.record[1])


def mail(*lines: bytes, body: bytes = b"Hi bot.\r\n") -> bytes:
    """A message of exactly these header lines and a few that nobody minds."""
    rest = (b"To: bot@agents.example", b"Subject: Hello", b"Date: Sun, 22 Nov 2026 10:00:00 +0000")
    return b"".join(line + b"\r\n" for line in (*lines, *rest)) + b"\r\n" + body


ONE_AUTHOR = [
    ("bare", b"From: alice@author.example", ALICE),
    ("angle brackets only", b"From: <alice@author.example>", ALICE),
    ("name", b"From: Alice <alice@author.example>", ALICE),
    ("no space", b"From:alice@author.example", ALICE),
    ("upper case", b"FROM: alice@AUTHOR.Example", "alice@AUTHOR.Example"),
    ("quoted name with a comma", b'From: "Smith, Alice" <alice@author.example>', ALICE),
    ("name that is an address", b'From: "bob@victim.example" <alice@author.example>', ALICE),
    ("name with dots", b"From: Dr. A. Smith <alice@author.example>", ALICE),
    ("comment for a name", b"From: alice@author.example (Alice)", ALICE),
    ("comments around", b"From: (a) Alice (b (c)) <alice@author.example> (d)", ALICE),
    ("folded", b"From:\r\n Alice\r\n\t<alice@author.example>", ALICE),
    ("encoded name", b"From: =?utf-8?Q?Al=C3=AFce?= <alice@author.example>", ALICE),
    ("unknown charset", b"From: =?x-no-such?Q?Al=FFce?= <alice@author.example>", ALICE),
    ("broken encoded word", b"From: =?utf-8?b?!!!?= x <alice@author.example>", ALICE),
    ("encoded address as a name",
     b"From: =?utf-8?Q?bob=40victim.example?= <alice@author.example>", ALICE),
    ("encoded bracketed address as a name",
     b"From: =?utf-8?b?PGJvYkB2aWN0aW0uZXhhbXBsZT4=?= <alice@author.example>", ALICE),
    ("raw Latin-1 in the name", b"From: J\xf6rg <alice@author.example>", ALICE),
    ("raw UTF-8 in the name", b"From: J\xc3\xb6rg <alice@author.example>", ALICE),
    ("needlessly quoted local part", b'From: "alice"@author.example', ALICE),
    ("local part with a space", b'From: "a b"@author.example', '"a b"@author.example'),
    ("local part with an at-sign", b'From: "bob@victim.example"@author.example',
     '"bob@victim.example"@author.example'),
    ("local part with everything", b'From: "<a,b>\\"\\\\(c"@author.example',
     '"<a,b>\\"\\\\(c"@author.example'),
    ("plus and equals", b"From: a+b=c/d@author.example", "a+b=c/d@author.example"),
]


@pytest.mark.parametrize("line, sender", [c[1:] for c in ONE_AUTHOR],
                         ids=[c[0] for c in ONE_AUTHOR])
def test_one_author_of_an_authenticated_domain_is_verified(reader: Reader, line, sender):
    message = mail(line)
    got = reader.take(message, ENVELOPE)
    assert (got.verdict, got.check) == ("sealed", PASSED)
    assert got.verified
    assert (got.sender, got.delivery.json["from"]) == (sender, sender)
    assert got.raw.endswith(message)


# Field lines; what is shown as `from`: the first usable mailbox, or nothing.
NO_ONE_AUTHOR = [
    ("no From", [], ""),
    ("empty From", [b"From:"], ""),
    ("null address", [b"From: <>"], ""),
    ("no address", [b"From: Alice"], ""),
    ("two From, victim first", [b"From: bob@victim.example", b"From: alice@author.example"],
     VICTIM),
    ("two From, victim last", [b"From: alice@author.example", b"From: bob@victim.example"], ALICE),
    ("the same From twice", [b"From: alice@author.example"] * 2, ALICE),
    ("two From, one in capitals", [b"From: alice@author.example", b"FROM: bob@victim.example"],
     ALICE),
    ("an empty second From", [b"From: alice@author.example", b"From:"], ALICE),
    ("two mailboxes, victim first", [b"From: bob@victim.example, alice@author.example"], VICTIM),
    ("two mailboxes, victim last", [b"From: Alice <alice@author.example>,\r\n bob@victim.example"],
     ALICE),
    ("an empty element", [b"From: , alice@author.example"], ALICE),
    ("a group", [b"From: Team: alice@author.example;"], ALICE),
    ("an empty group", [b"From: undisclosed-recipients:;"], ""),
    ("an empty group before the address", [b"From: x:;, alice@author.example"], ALICE),
    ("two bracketed addresses", [b"From: <bob@victim.example> <alice@author.example>"], VICTIM),
    ("an address before the brackets", [b"From: bob@victim.example <alice@author.example>"], ALICE),
    ("an address behind the brackets", [b"From: <alice@author.example> bob@victim.example"], ALICE),
    ("an address in a comment", [b"From: (<bob@victim.example>) alice@author.example"], ALICE),
    ("an address in a comment at the end",
     [b"From: <alice@author.example>(bob@victim.example)"], ALICE),
    ("a comment within", [b"From: alice@(x)author.example"], ALICE),
    ("a comment before the at-sign", [b"From: alice(bob@victim.example,)@author.example"], ALICE),
    ("an open comment", [b"From: alice@author.example (bob"], ""),
    ("an open quote", [b'From: "Alice <alice@author.example>'], ALICE),
    ("an open bracket", [b"From: Alice <alice@author.example"], ALICE),
    ("two at-signs", [b"From: bob@victim.example@author.example"], ""),
    ("two at-signs, one bracketed", [b"From: <bob@victim.example>@author.example"], VICTIM),
    ("a semicolon between", [b"From: bob@victim.example; alice@author.example"], VICTIM),
    ("a route", [b"From: <@victim.example:alice@author.example>"], ALICE),
    ("a long route", [b"From: <@victim.example,@x.example:alice@author.example>"], ALICE),
    ("a percent route", [b"From: <bob@victim.example,@x:alice@author.example>"], VICTIM),
    ("a trailing dot", [b"From: alice@author.example."], "alice@author.example."),
    ("two dots in the domain", [b"From: alice@author..example"], ""),
    ("two dots in the local part", [b"From: a..b@author.example"], '"a..b"@author.example'),
    ("a leading dot", [b"From: .a@author.example"], '".a"@author.example'),
    ("spaces around the at-sign", [b"From: alice @ author.example"], ALICE),
    ("a fold within", [b"From: alice\r\n @author.example"], ALICE),
    ("encoded as a whole", [b"From: =?utf-8?Q?alice=40author.example?="], ""),
    ("an encoded local part", [b"From: =?utf-8?Q?bob?=@author.example"],
     "=?utf-8?Q?bob?=@author.example"),
    ("an encoded address with an end",
     [b"From: =?utf-8?Q?bob=40victim.example=2C?=@author.example"],
     "=?utf-8?Q?bob=40victim.example=2C?=@author.example"),
    ("an address literal", [b"From: alice@[127.0.0.7]"], "alice@[127.0.0.7]"),
    ("a single label", [b"From: alice@author"], "alice@author"),
    ("an underscore", [b"From: alice@x_y.author.example"], "alice@x_y.author.example"),
    ("Latin-1 in the local part", [b"From: j\xf6rg@author.example"], ""),
    ("Latin-1 in the domain", [b"From: alice@\xe4uthor.example"], ""),
]


@pytest.mark.parametrize("lines, shown", [c[1:] for c in NO_ONE_AUTHOR],
                         ids=[c[0] for c in NO_ONE_AUTHOR])
def test_anything_but_one_author_is_delivered_unverified(reader: Reader, lines, shown):
    message = mail(*lines)
    got = reader.take(message, ENVELOPE)
    assert not got.verified
    assert (got.verdict, got.check) == ("sealed", NO_AUTHOR)
    assert got.delivery.json["from"] == shown
    assert got.sender == (shown or ENVELOPE)
    assert got.raw.endswith(message)


def test_a_signature_of_the_domain_does_not_help_an_ambiguous_author(reader: Reader, key):
    message = key.sign(mail(b"From: alice@author.example, bob@victim.example"))
    got = reader.take(message, ENVELOPE)
    assert got.dkim == [("pass", "", False)]
    assert got.check == "spf=pass; dkim=pass; dmarc=permerror"
    assert not got.verified


@pytest.mark.parametrize("field", ["From", "from", "FROM"])
def test_a_from_put_above_a_signed_one_is_never_verified(reader: Reader, key, field):
    message = f"{field}: {VICTIM}\r\n".encode() + key.sign(mail(b"From: alice@author.example"))
    got = reader.take(message, ENVELOPE)
    assert not got.verified
    assert got.check.endswith("dmarc=permerror")


SPACED = {
    "alone": [b"X-First: 1", b"From : alice@author.example"],
    "before another": [b"X-First: 1", b"From\t: bob@victim.example", b"From: alice@author.example"],
    "behind another": [b"From: alice@author.example", b"From : bob@victim.example"],
}


@pytest.mark.parametrize("lines", SPACED.values(), ids=SPACED.keys())
def test_a_from_with_space_before_its_colon_is_a_from(reader: Reader, lines):
    """Postfix drops the space before anybody reads the field."""
    got = reader.take(mail(*lines), ENVELOPE)
    froms = sum(line.startswith(b"From") for line in lines)
    assert got.header.count(b"\nFrom: ") == froms
    assert got.verified == (froms == 1)


def test_an_internationalised_domain_is_compared_in_ascii(reader: Reader):
    got = reader.take(mail("From: alice@bücher.example".encode()), f"x@{IDN}")
    assert (got.verified, got.check) == (True, PASSED)
    assert got.sender == "alice@bücher.example"


def test_reply_to_and_other_fields_are_not_the_author(reader: Reader):
    message = mail(b"From: alice@author.example", b"Reply-To: bob@victim.example",
                   b"Sender: bob@victim.example", b"Resent-From: bob@victim.example")
    got = reader.take(message, ENVELOPE)
    assert got.verified
    assert (got.sender, got.delivery.json["from"]) == (ALICE, ALICE)
    assert got.delivery.json["reply_to"] == [VICTIM]


def test_sender_is_the_envelope_sender_when_there_is_no_from(reader: Reader):
    got = reader.take(mail(), "")
    assert not got.verified
    assert (got.sender, got.delivery.json["from"]) == ("", "")


def test_raw_latin1_in_a_header_is_decoded_and_kept(reader: Reader):
    message = mail(b"From: alice@author.example").replace(b"Hello", b"Gr\xfc\xdfe")
    got = reader.take(message, ENVELOPE)
    assert got.verified
    assert got.detail["subject"] == "Grüße"
    assert b"Subject: Gr\xfc\xdfe\r\n" in got.raw


# A line, what becomes of it in Postfix, and whether there still is one author.
CONTROLS = {
    "NUL in a field": (b"X-Nul: a\0From: bob@victim.example", b"X-Nul: a\r\n", True),
    "NUL in the subject": (b"Subject: a\0b", b"Subject: a\r\n", True),
    "NUL in a second From": (b"From: bob@victim.example\0@author.example",
                             b"From: bob@victim.example\r\n", False),
    "NUL behind a name": (b"X-Nul\0: a", b"\r\n\r\nX-Nul\0: a\r\n", True),
    "NUL in a name": (b"F\0rom: bob@victim.example", b"\r\n\r\nF\0rom: bob@victim.example\r\n",
                      True),
    "bare CR": (b"X-Cr: a\rFrom: bob@victim.example", b"X-Cr: a From: bob@victim.example\r\n",
                True),
    "8-bit name": (b"Fr\xf6m: bob@victim.example", b"\r\n\r\nFr\xf6m: bob@victim.example\r\n",
                   True),
}


@pytest.mark.parametrize("line, kept, one", CONTROLS.values(), ids=CONTROLS.keys())
def test_odd_bytes_in_a_header_mean_the_same_to_milter_and_agent(reader: Reader, line, kept, one):
    got = reader.take(mail(b"From: alice@author.example", line), ENVELOPE)
    assert got.verdict == "sealed"
    assert got.verified == one
    assert got.delivery.json["from"] == ALICE
    assert kept in got.raw


def test_nul_in_the_only_from_cuts_it_for_everybody(reader: Reader):
    got = reader.take(mail(b"From: alice@author.example\0bob@victim.example"), ENVELOPE)
    assert (got.verified, got.sender) == (True, ALICE)
    assert b"victim" not in got.raw


def test_nul_in_the_body_is_kept_and_signed(reader: Reader, key):
    message = key.sign(mail(b"From: alice@author.example", body=b"a\0b\r\n"))
    got = reader.take(message, ENVELOPE)
    assert got.dkim == [("pass", "", True)]
    assert got.raw.endswith(message)


def test_a_line_without_colon_ends_the_header_for_everybody(reader: Reader):
    """Postfix says so, and writes the empty line that makes it so for later readers."""
    got = reader.take(mail(b"From: alice@author.example", b"this is no field",
                           b"From: bob@victim.example"), ENVELOPE)
    assert got.verified
    assert got.sender == ALICE
    assert b"\r\n\r\nthis is no field\r\n" in got.raw
    assert got.detail["subject"] == ""


def test_a_from_behind_a_line_without_colon_is_body(reader: Reader):
    got = reader.take(mail(b"X-First: 1", b"this is no field", b"From: alice@author.example"),
                      ENVELOPE)
    assert not got.verified
    assert got.delivery.json["from"] == ""
    assert "no_from" in got.flags


# A first line, and whether the header goes on behind it.
FIRST = {
    "leading space": (b" From: bob@victim.example", False),
    "leading fold": (b"\t folded nothing", False),
    "no colon": (b"no field", False),
    "mbox line": (b"From alice Sun Nov 22 10:00:00 2026", True),
    "quoted mbox line": (b">From alice Sun Nov 22 10:00:00 2026", True),
}


@pytest.mark.parametrize("first, header", FIRST.values(), ids=FIRST.keys())
def test_a_header_that_starts_badly_is_delivered(reader: Reader, first, header):
    got = reader.take(mail(first, b"From: alice@author.example"), ENVELOPE)
    assert got.verified == header
    assert got.delivery.json["from"] == (ALICE if header else "")
    assert first in got.raw and b"From: alice@author.example\r\n" in got.raw


@pytest.mark.parametrize("kib", [1, 20, 55])
def test_a_long_folded_header_is_kept_and_signed(reader: Reader, key, kib):
    text = b"\r\n".join(b" " + b"x" * 62 for _ in range(kib * 16))
    message = key.sign(mail(b"From: alice@author.example", b"X-Long:" + text[1:]),
                       include_headers=[b"from", b"x-long"])
    got = reader.take(message, ENVELOPE)
    assert got.dkim == [("pass", "", True)]
    assert got.raw.endswith(message)


@pytest.mark.parametrize("kib", [70, 100, 200])
def test_a_header_that_postfix_cuts_is_said_to_be_cut(reader: Reader, key, kib):
    """It keeps 60,000 bytes of a field that it shows to a milter."""
    message = key.sign(mail(b"From: alice@author.example", b"X-Long: " + b"x" * kib * 1024),
                       include_headers=[b"from", b"x-long"])
    got = reader.take(message, "x@nobody.example")
    assert got.dkim == [("fail", "header_truncated", True)]
    assert not got.verified


def test_a_from_that_postfix_cuts_has_no_author(reader: Reader):
    got = reader.take(mail(b'From: "' + b"x" * 100_000 + b'" <alice@author.example>'), ENVELOPE)
    assert not got.verified
    assert got.check == NO_AUTHOR


def test_a_name_of_50_kilobytes_hides_nothing(reader: Reader):
    name = b"\r\n ".join([b"x" * 60] * 800)
    got = reader.take(mail(b'From: "' + name + b'" <alice@author.example>'), ENVELOPE)
    assert (got.verified, got.sender) == (True, ALICE)


@pytest.mark.parametrize("count", [900, 1100, 20000])
def test_a_mail_of_too_many_fields_is_delivered_unjudged(reader: Reader, count):
    """A second From may hide behind the last field that is read."""
    lines = [b"X-N: %d" % i for i in range(count)]
    got = reader.take(mail(b"From: alice@author.example", *lines), ENVELOPE)
    assert got.verified == (count < 1000)
    assert got.verdict == ("sealed" if count < 1000 else "no_verdict")
    assert got.raw.count(b"\nX-N: ") == count
