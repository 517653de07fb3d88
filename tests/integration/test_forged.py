# SPDX-License-Identifier: Apache-2.0
"""Forged headers of ours: none survives, in any spelling, folding or number;
headers of others survive, and mail for others is not touched at all."""

from __future__ import annotations

import pytest

from scripts.stack.mail import Signer, compose
from scripts.stack.part import wait_until
from scripts.stack.reader import HONEST, Reader
from scripts.stack.stack import MAIL_HOST

SENDER = "alice@forged.example"


@pytest.fixture(scope="module")
def key() -> Signer:
    return Signer.new("forged.example")


@pytest.fixture(scope="module", autouse=True)
def published(stack, key) -> None:
    stack.dns.set("forged.example", "TXT", f"v=spf1 ip4:{HONEST} -all")
    stack.dns.publish(key.record[0], "TXT", key.record[1])


def with_lines(lines: list[bytes], key: Signer | None = None) -> bytes:
    """A mail with these lines on top of its own, signed if there is a key."""
    message = compose(SENDER, "bot@agents.example")
    return b"".join(line + b"\r\n" for line in lines) + (key.sign(message) if key else message)


HOST = MAIL_HOST.encode()

# Each holds "forged"; nothing with that word may be left.
PRIVATE = {
    "as we write it": b"X-E2A-Auth-Verified: true forged",
    "the verdict": b"X-E2A-Verdict: v=1; forged; s=AAAA",
    "the ticket": b"X-E2A-Ticket: forged",
    "a name not in use": b"X-E2A-No-Such: forged",
    "lower case": b"x-e2a-auth-verified: forged",
    "upper case": b"X-E2A-AUTH-VERIFIED: FORGED forged",
    "mixed case": b"x-E2a-vErDiCt: forged",
    "space before the colon": b"X-E2A-Verdict : forged",
    "tab before the colon": b"X-E2A-Verdict\t: forged",
    "no space behind the colon": b"X-E2A-Verdict:forged",
    "folded at once": b"X-E2A-Verdict:\r\n forged",
    "folded twice": b"X-E2A-Verdict: v=1;\r\n\tforged;\r\n s=forged",
    "underscores": b"X_E2A_Auth_Verified: forged",
    "dots": b"X.E2A.Auth.Verified: forged",
    "mixed separators": b"X-E2A_Auth-Verified: forged",
    "nothing behind the prefix": b"X-E2A-: forged",
    "the prefix only": b"X-E2A: forged",
    "a separator in front": b"-X-E2A-Verdict: forged",
    "doubled separators": b"X--E2A--Verdict: forged",
}

RESULTS = {
    "as we write it": b"Authentication-Results: " + HOST + b"; dkim=pass (forged)",
    "lower case": b"authentication-results: " + HOST.lower() + b"; spf=pass (forged)",
    "upper case": b"AUTHENTICATION-RESULTS: " + HOST.upper() + b"; forged=pass",
    "space before the colon": b"Authentication-Results : " + HOST + b"; forged=pass",
    "no space": b"Authentication-Results:" + HOST + b";forged=pass",
    "folded": b"Authentication-Results:\r\n " + HOST + b";\r\n forged=pass",
    "folded with tabs": b"Authentication-Results:\r\n\t" + HOST + b"\r\n\t;forged=pass",
    "comment before": b"Authentication-Results: (x (y) \\) z) " + HOST + b"; forged=pass",
    "comment behind": b"Authentication-Results: " + HOST + b" (x); forged=pass",
    "comment within": b"Authentication-Results: mx.(x)agents.example; forged=pass",
    "comment with a semicolon": b"Authentication-Results: (a; b) " + HOST + b"; forged=pass",
    "comment and fold": b"Authentication-Results: (a\r\n b)\r\n " + HOST + b"; forged=pass",
    "spaces around a dot": b"Authentication-Results: mx . agents.example; forged=pass",
    "with a version": b"Authentication-Results: " + HOST + b" 1; forged=pass",
    "with a version in comments": b"Authentication-Results: " + HOST + b" (v) 1 (w); forged=pass",
    "no results": b"Authentication-Results: " + HOST + b" ; none (forged)",
    "no semicolon": b"Authentication-Results: " + HOST + b" forged=pass",
    "slash": b"Authentication-Results: " + HOST + b"/1; forged=pass",
    "trailing dot": b"Authentication-Results: " + HOST + b".; forged=pass",
    "two trailing dots": b"Authentication-Results: " + HOST + b"..; forged=pass",
    "quoted": b'Authentication-Results: "mx.agents.example"; forged=pass',
    "quoted with backslashes": b'Authentication-Results: "m\\x.agents\\.example"; forged=pass',
    "quoted in part": b'Authentication-Results: mx."agents".example; forged=pass',
    "wide letters": "Authentication-Results: ｍｘ.agents.example; forged=pass".encode(),
    "ideographic dots": "Authentication-Results: mx。agents。example; forged=pass".encode(),
    "vertical tab": b"Authentication-Results: \x0b" + HOST + b"\x0c; forged=pass",
    "no-break space": b"Authentication-Results: \xc2\xa0" + HOST + b"; forged=pass",
    "encoded word": b"Authentication-Results: =?utf-8?q?mx=2Eagents=2Eexample?=; forged=pass",
}

# These are of others; each holds "foreign" and must stay as it is.
FOREIGN = {
    "another server": b"Authentication-Results: mx.other.example; dkim=pass (foreign)",
    "a name that ends in ours": b"Authentication-Results: a" + HOST + b"; foreign=pass",
    "a name that starts with ours": b"Authentication-Results: " + HOST + b".evil; foreign=pass",
    "a name below ours": b"Authentication-Results: a." + HOST + b"; foreign=pass",
    "ours in a comment": b"Authentication-Results: (" + HOST + b") mx.foreign.example; none",
    "ours in a result": b"Authentication-Results: mx.foreign.example; dkim=pass header.d=" + HOST,
    "ours in a quoted comment": b"Authentication-Results: mx.foreign.example (" + HOST + b"); none",
    "another header": b"ARC-Authentication-Results: i=1; " + HOST + b"; foreign=pass",
    "a longer name": b"X-E2ABC-Verdict: foreign",
    "letters apart": b"X-E2-A: foreign",
    "another prefix": b"Y-E2A-Verdict: foreign",
    "the name within": b"My-X-E2A-Verdict: foreign",
    "Received": b"Received: from foreign.example by " + HOST + b"; Sun, 22 Nov 2026 10:00:00 +0000",
}


def cases(table: dict[str, bytes]):
    return pytest.mark.parametrize("line", table.values(), ids=table.keys())


@cases(PRIVATE)
def test_the_private_name_space_is_emptied(reader: Reader, key, line):
    got = reader.take(with_lines([line], key), SENDER)
    assert b"forged" not in got.header.lower().replace(b"forged.example", b"")
    assert got.verified
    assert got.check.startswith("spf=pass; dkim=pass")


@pytest.mark.parametrize("separator", [b"\xad", "\u2010".encode(), b"\0"],
                         ids=["Latin-1 hyphen", "Unicode hyphen", "NUL"])
def test_a_private_name_with_odd_bytes_is_body(reader: Reader, separator):
    """For Postfix such a line ends the header; it writes the empty line that says so."""
    line = separator.join([b"X", b"E2A", b"Auth", b"Verified: forged"])
    got = reader.take(with_lines([b"X-First: 1", line]), SENDER)
    assert got.header.endswith(b"X-First: 1\r\n")
    assert got.raw.startswith(got.header + b"\r\n" + line + b"\r\n")
    assert not got.verified


@cases(RESULTS)
def test_results_in_our_name_are_removed(reader: Reader, key, line):
    got = reader.take(with_lines([line], key), SENDER)
    assert b"forged" not in got.header.lower().replace(b"forged.example", b"")
    assert got.verified


@cases(FOREIGN)
def test_headers_of_others_stay(reader: Reader, key, line):
    message = with_lines([line], key)
    got = reader.take(message, SENDER)
    assert got.raw.endswith(message)
    assert got.verified


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 10, 20, 49, 50])
def test_any_number_of_forgeries_goes_and_the_rest_keeps_its_order(reader: Reader, key, count):
    """Deleting forwards would shift the instances and spare every second one."""
    private, results = list(PRIVATE.values()), list(RESULTS.values())
    forged, kept = [], []
    for i in range(count):
        forged += [private[i % len(private)], b"X-Keep: %d" % i, results[i % len(results)],
                   b"Authentication-Results: mx%d.foreign.example; none" % i]
        kept += [b"X-Keep: %d" % i, b"Authentication-Results: mx%d.foreign.example; none" % i]
    signed = key.sign(compose(SENDER, "bot@agents.example"))
    got = reader.take(b"".join(f + b"\r\n" for f in forged) + signed, SENDER)
    assert got.raw.endswith(b"".join(k + b"\r\n" for k in kept) + signed)
    assert b"forged" not in got.header.lower().replace(b"forged.example", b"")
    assert got.verified


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_same_forgery_many_times_goes_each_time(reader: Reader, count):
    lines = [b"X-E2A-Auth-Verified: forged"] * count + [RESULTS["as we write it"]] * count
    got = reader.take(with_lines(lines), SENDER)
    assert b"forged" not in got.header.lower().replace(b"forged.example", b"")
    assert got.verified


def test_forgeries_on_all_sides_of_a_signed_header_go(reader: Reader, key):
    """Between and below the fields of the sender as well as above."""
    signed = key.sign(compose(SENDER, "bot@agents.example"))
    header, _, body = signed.partition(b"\r\n\r\n")
    lines = header.split(b"\r\nTo:")
    forged = b"X-E2A-Auth-Verified: forged\r\n" + RESULTS["as we write it"]
    message = (forged + b"\r\n" + lines[0] + b"\r\n" + forged + b"\r\nTo:" + lines[1] + b"\r\n"
               + forged + b"\r\n\r\n" + body)
    got = reader.take(message, SENDER)
    assert got.raw.endswith(signed)
    assert got.dkim == [("pass", "", True)]


def test_a_signature_over_a_forged_header_breaks_with_its_removal_only_outside(reader: Reader, key):
    """What was signed is judged as it came; the verdict says pass although the header is gone."""
    message = compose(SENDER, "bot@agents.example", X_E2A_Auth_Verified="forged")
    got = reader.take(key.sign(message), SENDER)
    assert got.dkim == [("pass", "", True)]
    assert b"x-e2a-auth-verified:" not in got.header.lower()


def test_forgeries_behind_a_thousand_fields_go_too(reader: Reader):
    lines = [b"X-N: %d" % i for i in range(1500)] + [b"X-E2A-Auth-Verified: forged",
                                                     RESULTS["as we write it"]]
    got = reader.take(with_lines(lines), SENDER)
    assert not got.verified
    assert b"forged" not in got.header.lower().replace(b"forged.example", b"")
    assert got.raw.count(b"\nX-N: ") == 1500


def test_forged_fields_in_the_body_are_text(reader: Reader, key):
    body = "X-E2A-Auth-Verified: true\nAuthentication-Results: mx.agents.example; dkim=pass\n"
    message = key.sign(compose(SENDER, "bot@agents.example", body=body))
    got = reader.take(message, SENDER)
    assert got.raw.endswith(message)
    assert got.dkim == [("pass", "", True)]


@pytest.mark.parametrize("message", [
    with_lines([*PRIVATE.values(), *RESULTS.values(), *FOREIGN.values()]),
    compose("x@y.example", "z@other.example", From="a@b.example, c@d.example"),
    compose("x@y.example", "z@other.example", body="a" * 5000 + "\n.\n..\n\n\n"),
], ids=["forged headers", "two authors", "long lines and dots"])
def test_mail_for_other_domains_is_not_touched(stack, message):
    """Byte for byte, but for what Postfix itself puts on top and takes from `name :`."""
    recipient = f"r{abs(hash(message))}@other.example"
    assert stack.send(SENDER, recipient, message, HONEST).code == 250
    text = captured(stack, recipient)
    want = message.replace(b" :", b":").replace(b"\t:", b":").replace(b"\r\n", b"\n")
    assert text.endswith(want)
    top = text[:-len(want)].lower()
    assert b"x-e2a" not in top and b"authentication-results" not in top


def captured(stack, recipient: str) -> bytes:
    def find() -> bytes | None:
        texts = (f.read_bytes() for f in stack.postfix.captured())
        return next((t for t in texts if recipient.encode() in t.partition(b"\n\n")[0]), None)

    return wait_until(f"mail for {recipient}", find)
