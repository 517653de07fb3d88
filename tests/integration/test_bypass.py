# SPDX-License-Identifier: Apache-2.0
"""Mail that no milter judged (an alias, sendmail(1), LMTP directly) and
verdicts that belong to another mail: readable, clean, and never trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from test_forged import FOREIGN, PRIVATE, RESULTS, captured, cases, with_lines

from scripts.stack.mail import Signer, compose
from scripts.stack.reader import HONEST, STRANGER, Reader, send_lmtp

ALICE = "alice@bypass.example"
VICTIM = "bob@victim.example"
UNKNOWN = "spf=none; dkim=none; dmarc=none"


@pytest.fixture(scope="module")
def key() -> Signer:
    return Signer.new("bypass.example")


@pytest.fixture(scope="module", autouse=True)
def published(stack, key) -> None:
    stack.dns.set("bypass.example", "TXT", f"v=spf1 ip4:{HONEST} -all")
    stack.dns.publish(key.record[0], "TXT", key.record[1])


def forged(key: Signer) -> bytes:
    """Signed by the author's domain, with headers of all kinds on top."""
    lines = [*PRIVATE.values(), *RESULTS.values(), *FOREIGN.values()] * 2
    top = b"".join(line + b"\r\n" for line in lines)
    return top + key.sign(compose(ALICE, "bot@agents.example"))


def clean(header: bytes) -> bool:
    return b"forged" not in header.lower().replace(b"forged.example", b"")


@cases(PRIVATE | RESULTS)
def test_lmtp_removes_what_is_forged_by_itself(reader: Reader, line):
    got = reader.take_lmtp(with_lines([b"X-First: 1", line, b"X-Last: 1"]))
    assert got.verdict in ("no_verdict", "malformed", "bad_seal")
    assert (got.check, got.verified) == (UNKNOWN, False)
    assert clean(got.header)
    assert b"X-First: 1\r\nX-Last: 1\r\n" in got.raw


@pytest.mark.parametrize("line", [b"X\xadE2A\xadAuth\xadVerified: forged",
                                  "X\u2010E2A\u2010Verdict: forged".encode()])
def test_lmtp_removes_names_of_odd_bytes(reader: Reader, line):
    assert clean(reader.take_lmtp(with_lines([b"X-First: 1", line])).header)


@cases(FOREIGN)
def test_lmtp_keeps_what_is_of_others(reader: Reader, line):
    message = with_lines([line])
    got = reader.take_lmtp(message)
    assert got.raw == message
    assert (got.verified, got.sender) == (False, "alice@forged.example")


@pytest.mark.parametrize("count", [1, 2, 50])
def test_lmtp_removes_any_number(reader: Reader, count):
    message = with_lines([*PRIVATE.values(), *RESULTS.values(), b"X-Keep: 1"] * count)
    got = reader.take_lmtp(message)
    assert clean(got.header)
    assert got.raw.count(b"X-Keep: 1\r\n") == count


def test_sendmail_is_unverified_and_clean(reader: Reader, stack, key):
    """Even with a signature that is right: nobody judged it."""
    recipient = reader.address()
    stack.postfix.sendmail("-f", ALICE, recipient, text=forged(key).replace(b"\r\n", b"\n"))
    got = reader.wait(recipient)
    assert (got.verified, got.check) == (False, UNKNOWN)
    assert clean(got.header)
    assert all(line in got.raw for line in FOREIGN.values())


def test_an_alias_is_unverified_and_clean(reader: Reader, stack, key):
    assert stack.send(ALICE, "alias0@other.example", forged(key), HONEST).code == 250
    got = reader.wait("reader+alias0@agents.example")
    assert (got.verified, got.check) == (False, UNKNOWN)
    assert clean(got.header)
    assert all(line in got.raw for line in FOREIGN.values())


@dataclass(frozen=True)
class Sealed:
    """A mail that was judged and verified, as lmtp(8) hands it over, and its queue id."""
    queue_id: str
    text: bytes

    @property
    def verdict(self) -> bytes:
        """The header field."""
        return self.text.partition(b"\r\nAuthentication-Results:")[0] + b"\r\n"

    @property
    def message(self) -> bytes:
        return self.text[len(self.verdict):]


def judge(reader: Reader, stack, message: bytes, world: str) -> Sealed:
    """Sent to an agent and, in the same transaction, to somebody else, whose copy is read."""
    recipient = reader.address()
    outcome = stack.send(ALICE, [recipient, world], message, HONEST)
    assert outcome.code == 250
    got = reader.wait(recipient)
    assert got.verified and got.verdict == "sealed"
    text = captured(stack, world).replace(b"\n", b"\r\n")
    return Sealed(outcome.queue_id, text[text.index(b"X-E2A-Verdict:"):])


@pytest.fixture(scope="module")
def sealed(reader: Reader, stack, published) -> Sealed:
    return judge(reader, stack, compose(ALICE, "bot@agents.example"), "first@other.example")


def test_a_verdict_counts_for_the_transaction_it_was_made_for(reader: Reader, sealed):
    """Else the tests below could not fail: same bytes, same queue id, another recipient."""
    got = reader.take_lmtp(sealed.text, ALICE, IDENT=sealed.queue_id, ADDR=HONEST)
    assert (got.verdict, got.verified, got.sender) == ("sealed", True, ALICE)
    assert got.raw == sealed.message
    above = b"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    got = reader.take_lmtp(above + sealed.text, ALICE, IDENT=sealed.queue_id)
    assert (got.verdict, got.raw) == ("sealed", above + sealed.message)


@pytest.mark.parametrize("ident", [None, "4jXfN03kcbz1Sd8s", "[UNAVAILABLE]", "x"])
def test_the_same_bytes_with_another_queue_id_are_not_trusted(reader: Reader, sealed, ident):
    got = reader.take_lmtp(sealed.text, ALICE, **({"IDENT": ident} if ident else {}))
    assert (got.verdict, got.verified, got.check) == ("queue_id", False, UNKNOWN)
    assert got.raw == without_results(sealed.message)


def without_results(message: bytes) -> bytes:
    """Our own Authentication-Results, the topmost field, goes from mail that is not trusted."""
    assert message.startswith(b"Authentication-Results: ")
    return re.split(rb"\r\n(?![ \t])", message, maxsplit=1)[1]


SEAL = re.compile(rb"(;\s+)s=")


def grafted(sealed: Sealed) -> dict[str, tuple[bytes, str]]:
    """What may be done to a mail below its verdict, and how it is found out."""
    text, verdict, message = sealed.text, sealed.verdict, sealed.message
    return {
        "another mail": (verdict + compose(VICTIM, "bot@agents.example"), "header_hash"),
        "From changed": (text.replace(b"From: alice@bypass", b"From: bob@victim"), "header_hash"),
        "subject changed": (text.replace(b"Subject: Hello", b"Subject: Pay"), "header_hash"),
        "a field added": (verdict + b"X-New: 1\r\n" + message, "header_hash"),
        "a field taken": (text.replace(b"Subject: Hello\r\n", b""), "header_hash"),
        "a From above": (b"From: bob@victim.example\r\n" + text, "header_hash"),
        "a From above, folded": (b"FROM :\r\n bob@victim.example\r\n" + text, "header_hash"),
        "a line that is no field above": (b"no field\r\n" + text, "header_hash"),
        "the order changed": (text.replace(b"Subject: Hello\r\n", b"").replace(
            b"From:", b"Subject: Hello\r\nFrom:"), "header_hash"),
        "body changed": (text.replace(b"Hi bot.", b"Hi Bob."), "body_hash"),
        "body longer": (text + b"P.S.\r\n", "body_hash"),
        "body gone": (text.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", "body_hash"),
        "fail made pass": (text.replace(b"dkim=none", b"dkim=pass", 1), "bad_seal"),
        "seal changed": (SEAL.sub(rb"\1s=A", text, 1), "bad_seal"),
        "seal gone": (SEAL.sub(rb"\1t=", text, 1), "malformed"),
        "a forged one above": (b"X-E2A-Verdict: v=1; s=AAAA\r\n" + text, "bad_seal"),
        "garbage above": (b"X-E2A-Verdict: pass\r\n" + text, "malformed"),
    }


# Names only: what is made of them needs a sealed mail.
GRAFTS = list(grafted(Sealed("", b"")).keys())


@pytest.mark.parametrize("name", GRAFTS)
def test_a_verdict_does_not_fit_other_bytes(reader: Reader, sealed, name):
    text, reason = grafted(sealed)[name]
    assert text != sealed.text
    got = reader.take_lmtp(text, ALICE, IDENT=sealed.queue_id)
    assert (got.verdict, got.verified, got.check) == (reason, False, UNKNOWN)


@pytest.mark.parametrize("number, message", [
    (1, None), (2, b"From: bob@victim.example\r\n\r\nPay now.\r\n")],
    ids=["same bytes", "another mail"])
@pytest.mark.parametrize("way", ["smtp", "sendmail", "alias"])
def test_a_copied_verdict_is_worth_nothing_on_any_way_in(reader: Reader, stack, sealed, way,
                                                         number, message):
    text = sealed.verdict + (message or sealed.message)
    recipient = f"reader+alias{number}@agents.example" if way == "alias" else reader.address()
    if way == "smtp":
        assert stack.send(ALICE, recipient, text, STRANGER).code == 250
    elif way == "alias":
        assert stack.send(ALICE, f"alias{number}@other.example", text, HONEST).code == 250
    else:
        stack.postfix.sendmail("-f", ALICE, recipient, text=text.replace(b"\r\n", b"\n"))
    got = reader.wait(recipient)
    assert not got.verified
    if way == "smtp":  # judged anew, and found to come from a stranger
        assert got.verdict == "sealed"
        assert got.check.startswith("spf=fail; dkim=none;")
    else:
        assert (got.verdict, got.check) == ("queue_id", UNKNOWN)


def test_lmtp_tells_postfix_which_agents_there_are(reader: Reader, stack):
    code, text = send_lmtp(stack, ALICE, "nobody-here@agents.example", b"\r\n")
    assert (code, text[:5]) == (550, "5.1.1")
