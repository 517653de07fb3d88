# SPDX-License-Identifier: Apache-2.0
"""The inject listener: a mail of an agent leaves by a ticket for exactly its envelope
and bytes, once, and by nothing else. The tickets are made by a second implementation
(tickets.py), and whoever connects here is a local process, as anybody could be."""

from __future__ import annotations

import itertools
import os
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email import message_from_bytes

import pytest

from scripts.stack.mail import Outcome, compose, send
from scripts.stack.part import wait_until
from tests.integration.tickets import LIFETIME, Tickets, read_key
from tests.integration.wire import Wire, stuffed

VERP = "bounce-00112233445566778899aabbccddeeff@agents.example"
AUTHOR = "bot@agents.example"
CONVERSATION = b"X-E2A-Conversation-Id: conv_42\r\n"

numbers = itertools.count(1)


def somebody() -> str:
    """Somebody of the operator's, to whom nobody wrote yet: nothing changes mail to him."""
    return f"w{next(numbers)}-{os.urandom(4).hex()}@other.example"


def unix(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n")


@dataclass(frozen=True)
class Letter:
    """What a client of the listener says."""
    data: bytes
    to: list[str]
    sender: str = VERP


@dataclass
class Listener:
    stack: object
    tickets: Tickets

    def letter(self, to: str | list[str], message: bytes = b"", **ticket) -> Letter:
        """One that is in order."""
        to = [to] if isinstance(to, str) else to
        message = message or CONVERSATION + compose(AUTHOR, to)
        return Letter(self.tickets.stamp(message, VERP, to, **ticket), to)

    def send(self, letter: Letter) -> Outcome:
        return send(self.stack.inject_port, letter.sender, letter.to, letter.data)

    def wait(self) -> None:
        """Until the milter runs for so long that it can know every ticket."""
        wait_until("a milter that takes tickets",
                   lambda: self.send(self.letter(somebody())).code == 250, interval=0.2)

    def take(self, letter: Letter) -> Outcome:
        outcome = self.send(letter)
        assert outcome.code == 250, outcome
        return outcome

    def arrived(self, recipient: str) -> bytes:
        """The mail as somebody() got it, or will get it in a moment; with LF."""
        mark = f"\nDelivered-To: {recipient}\n".encode()

        def probe() -> bytes | None:
            texts = (f.read_bytes() for f in self.stack.postfix.captured())
            return next((t for t in texts if mark in t), None)

        return wait_until(f"mail to {recipient}", probe)

    def refuse(self, letter: Letter, reason: str, code: int = 550, status: str = "5.7.1") -> None:
        """The client learns nothing but that; the log has the reason, once."""
        mark, queue = self.stack.milter.log_mark(), self.stack.postfix.log_mark()
        outcome = self.send(letter)
        assert (outcome.code, outcome.text[:5]) == (code, status), outcome
        lines = self.stack.milter.log_since(mark).splitlines()
        assert len(lines) == 1 and f" ticket_refused queue_id=" in lines[0], lines
        assert f" reason={reason} " in lines[0], lines[0]
        queue_id = re.search(r" queue_id=(\w+)", lines[0]).group(1)
        self.stack.postfix.wait_log(f"{queue_id}: milter-reject: END-OF-MESSAGE", queue)


@pytest.fixture(scope="module")
def listener(stack, account) -> Listener:
    listener = Listener(stack, Tickets(read_key(stack)))
    listener.wait()
    return listener


# ---- what passes ----

def test_an_agent_gets_verified_mail_from_an_agent(listener, make_agent, hook):
    agent, author = make_agent(hook.url), make_agent()
    message = CONVERSATION + compose(f"Bot <{author}>", agent)
    listener.take(listener.letter(agent, message))
    delivery = hook.wait(lambda d: d.json["recipient"] == agent)
    auth = delivery.json["auth_headers"]
    assert auth["X-E2A-Auth-Verified"] == "true"
    assert auth["X-E2A-Auth-Entity-Type"] == "agent"
    assert auth["X-E2A-Auth-Sender"] == author
    assert auth["X-E2A-Auth-Domain-Check"] == "spf=none; dkim=none; dmarc=none"
    assert delivery.json["from"] == author
    above = delivery.raw.removesuffix(message)
    assert above.startswith(b"Received: from ") and above.count(b"\r\nReceived:") == 0
    assert not re.search(rb"(?im)^(x-e2a-|authentication-results)", above)


@pytest.mark.parametrize("author", [
    "", "a@agents.example, b@agents.example", "not an address", "group: bot@agents.example;"])
def test_without_one_author_not_even_an_agent_is_verified(listener, make_agent, hook, author):
    agent = make_agent(hook.url)
    listener.take(listener.letter(agent, compose(AUTHOR, agent, From=author)))
    auth = hook.wait(lambda d: d.json["recipient"] == agent).json["auth_headers"]
    assert auth["X-E2A-Auth-Verified"] == "false"


def test_others_get_the_mail_without_a_word_of_ours(listener):
    recipient = somebody()
    message = compose(AUTHOR, recipient)
    listener.take(listener.letter(recipient, message))
    text = listener.arrived(recipient)
    above = text.removesuffix(unix(message))
    assert above != text
    assert b"e2a" not in above.lower() and b"authentication-results" not in above.lower()


H = b"From: bot@agents.example\r\nSubject: x\r\n"
SHAPES = {
    "lines of 998": H + b"X-Long: " + b"a" * 989 + b"\r\n\r\n" + b"b" * 998 + b"\r\n",
    "folds": H + b"X-A:\r\n  b\r\n\t \r\n\t\tc\r\nX-B: d\r\n  e \r\n\r\nx\r\n",
    "white space at line ends": H + b"X-A: b  \r\nX-B:\t\r\nX-C:\r\n\r\n x \r\n\t\r\n  \r\n",
    "no space behind the colon": b"From:bot@agents.example\r\nSubject:x\r\n\r\nx\r\n",
    "dots": H + b"\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
    "From at the beginning": H + b"\r\nFrom here\r\n>From there\r\n",
    "empty lines at the end": H + b"\r\nx\r\n\r\n\r\n\r\n",
    "empty body": H + b"\r\n",
    "a header of 50 KB": H + b"X-L:" + b" aaaaaaaaaaaa\r\n" * 3500 + b"\r\nx\r\n",
    "900 fields": H + b"X: y\r\n" * 900 + b"\r\nx\r\n",
    "fields that Postfix drops": H + b"Bcc: a@far.example\r\nReturn-Path: <x@y.example>\r\n"
                                     b"Content-Length: 3\r\nResent-Bcc: b@far.example\r\n\r\nx\r\n",
    "addresses that Postfix completes": b"From: bot@agents.example\r\nTo: joe, bob@mx\r\n\r\nx\r\n",
    "nothing that Postfix adds": b"From: bot@agents.example\r\n\r\nx\r\n",
    "MIME": H + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                b"X-Trail: a  \r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom : x\r\n"
                b"\r\n--b--\r\n",
}


@pytest.mark.parametrize("message", SHAPES.values(), ids=SHAPES.keys())
def test_a_mail_keeps_every_byte(listener, message):
    recipient = somebody()
    listener.take(listener.letter(recipient, message))
    assert listener.arrived(recipient).endswith(b"\n" + unix(message))


def test_what_postfix_mends_leaves_as_the_ticket_says(listener):
    recipient = somebody()
    message = compose(AUTHOR, recipient)
    ticket = listener.tickets.make(message, VERP, [recipient])
    listener.take(Letter(ticket + message.replace(b"Subject:", b"Subject \t:"), [recipient]))
    assert listener.arrived(recipient).endswith(b"\n" + unix(message))


def test_the_largest_mail_passes(listener, stack):
    recipient = f"large{next(numbers)}@far.example"
    stack.world.reject(recipient)
    line = b"a" * 76 + b"\r\n"
    message = H + b"\r\n" + line * ((37748736 - len(H) - 2) // len(line))
    listener.take(listener.letter(recipient, message))
    outcome = listener.send(listener.letter(recipient, message + line * 60000))
    assert (outcome.code, outcome.text[:5]) == (552, "5.3.4")


ADDRESSES = ["MiXed.Case@Far.Example", '"a b"@far.example', '"needless"@far.example',
             '"a>b"@far.example', r'"a\"b"@far.example', "a=b'c/x!y#z@far.example",
             "a%b@far.example", f"{'a' * 64}@{'b' * 60}.example"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_count_as_the_client_writes_them(listener, address):
    listener.take(listener.letter(address))


def test_a_hundred_recipients_in_any_order(listener):
    to = [f"r{i}@far.example" for i in range(100)]
    letter = listener.letter(to)
    listener.take(replace(letter, to=to[::-1]))


def test_recipients_that_postfix_refuses_do_not_harm_the_others(listener):
    recipient = somebody()
    nobody = [f"nobody{i}@agents.example" for i in range(49)]
    outcome = listener.take(listener.letter([*nobody, recipient]))
    assert set(outcome.refused) == set(nobody)
    assert {code for code, _ in outcome.refused.values()} == {550}
    listener.arrived(recipient)


def test_an_address_that_no_milter_sees_is_left_out_the_second_time(listener, api, make_agent):
    """Postfix refuses it for its syntax alone, and the ticket fits no other mail."""
    recipient, bad = somebody(), "-odd@far.example"
    listener.refuse(listener.letter([recipient, bad]), "other_recipients")
    status, answer = api.post("/api/v1/send", {"from": make_agent(), "to": [bad, recipient],
                                               "subject": "Both", "body": "Hi."})
    assert status == 200, answer
    assert b"\nSubject: Both\n" in listener.arrived(recipient)


def test_an_alias_of_the_operator_is_followed(listener, hook, api, reader):
    """alias0@other.example is an agent; the milter sees the address that was written to."""
    listener.take(listener.letter("alias0@other.example"))
    got = reader.hook.wait(lambda d: d.json["recipient"] == "reader+alias0@agents.example"
                           and d.json["from"] == AUTHOR)
    assert got.json["auth_headers"]["X-E2A-Auth-Verified"] == "false"
    assert b"x-e2a-" not in got.raw.lower()


def test_postmaster_of_an_agents_domain_is_the_operator(listener, stack):
    mark = stack.postfix.log_mark()
    outcome = listener.take(listener.letter("postmaster@agents.example"))
    stack.postfix.wait_log(rf"{outcome.queue_id}: to=<postmaster@mx.agents.example>.*status=sent",
                           mark)


# ---- what does not ----

def changed(change: Callable[[bytes], bytes]) -> Callable[[Listener, str], Letter]:
    """A letter in order whose bytes below the ticket are changed."""
    def make(listener: Listener, to: str) -> Letter:
        message = CONVERSATION + compose(AUTHOR, to, X_Fold="a\n b")
        ticket = listener.tickets.make(message, VERP, [to])
        altered = change(message)
        assert altered != message
        return Letter(ticket + altered, [to])

    return make


def swapped(old: bytes, new: bytes) -> Callable[[Listener, str], Letter]:
    return changed(lambda m: m.replace(old, new, 1))


def enveloped(**fields) -> Callable[[Listener, str], Letter]:
    def make(listener: Listener, to: str) -> Letter:
        letter = listener.letter([to, "second@far.example"])
        return replace(letter, **{k: f(letter) for k, f in fields.items()})

    return make


def ticketed(change: Callable[[bytes], bytes]) -> Callable[[Listener, str], Letter]:
    """A letter in order whose ticket is changed."""
    def make(listener: Listener, to: str) -> Letter:
        message = compose(AUTHOR, to)
        return Letter(change(listener.tickets.make(message, VERP, [to])) + message, [to])

    return make


def seen_before(listener: Listener, to: str) -> Letter:
    letter = listener.letter(to)
    listener.take(letter)
    return letter


def stamped(above: bytes, **ticket) -> Callable[[Listener, str], Letter]:
    """A mail with something on top before it gets its ticket."""
    return lambda listener, to: listener.letter(to, above + compose(AUTHOR, to), **ticket)


def of_another_key(listener: Listener, to: str) -> Letter:
    return Listener(listener.stack, Tickets(bytes(32))).letter(to)


def twice(listener: Listener, to: str) -> Letter:
    """Whichever was meant, the other one stands below it."""
    letter = listener.letter(to)
    return replace(letter, data=listener.tickets.stamp(letter.data, VERP, [to]))


def long_ago() -> int:
    return int(time.time()) - LIFETIME


def below(first: bytes) -> Callable[[Listener, str], Letter]:
    def make(listener: Listener, to: str) -> Letter:
        letter = listener.letter(to)
        return replace(letter, data=first + letter.data)

    return make


REFUSED = {
    "no ticket": (lambda _, to: Letter(compose(AUTHOR, to), [to]), "no_ticket"),
    "a ticket in the body": (lambda l, to: Letter(b"Subject: x\r\n\r\n" + l.letter(to).data, [to]),
                             "no_ticket"),
    "two tickets": (twice, "many_tickets"),
    "the same ticket twice": (ticketed(lambda t: t + t), "many_tickets"),
    "a second one in another case": (stamped(b"x-e2a-TICKET: v=1\r\n"), "many_tickets"),
    "a field above": (below(b"X-First: 1\r\n"), "not_first"),
    "a Received above": (below(b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n"),
                         "not_first"),
    "a verdict": (stamped(b"X-E2A-Verdict: v=1; s=AAAA\r\n"), "malformed"),
    "garbage": (ticketed(lambda _: b"X-E2A-Ticket: true\r\n"), "malformed"),
    "nothing": (ticketed(lambda _: b"X-E2A-Ticket:\r\n"), "malformed"),
    "another version": (ticketed(lambda t: t.replace(b"v=1;", b"v=2;")), "malformed"),
    "a lifetime of hours": (stamped(b"", lifetime=3601), "malformed"),
    "another key": (of_another_key, "bad_mac"),
    "a longer life": (ticketed(lambda t: re.sub(rb"expires=(\d+)\d;", rb"expires=\g<1>x;", t)),
                      "malformed"),
    "a later end": (ticketed(lambda t: re.sub(
        rb"expires=(\d+);", lambda m: b"expires=%d;" % (int(m[1]) + 1), t)), "bad_mac"),
    "another attempt": (ticketed(lambda t: t.replace(b"attempt=1;", b"attempt=2;")), "bad_mac"),
    "no seal": (ticketed(lambda t: re.sub(rb"s=[\w-]+\r\n$", b"s=\r\n", t)), "bad_mac"),
    "expired": (lambda l, to: l.letter(to, issued=long_ago()), "expired"),
    "used before": (seen_before, "used"),
    "another sender": (enveloped(sender=lambda l: l.sender.replace("bounce-0", "bounce-1")),
                       "other_sender"),
    "sender in another case": (enveloped(sender=lambda l: l.sender.upper()), "other_sender"),
    "no sender": (enveloped(sender=lambda l: ""), "other_sender"),
    "one recipient more": (enveloped(to=lambda l: [*l.to, "third@far.example"]),
                           "other_recipients"),
    "one that is refused more": (enveloped(to=lambda l: [*l.to, "nobody@agents.example"]),
                                 "other_recipients"),
    "one recipient less": (enveloped(to=lambda l: l.to[1:]), "other_recipients"),
    "one recipient twice": (enveloped(to=lambda l: [*l.to, l.to[0]]), "other_recipients"),
    "another recipient": (enveloped(to=lambda l: [l.to[0], "third@far.example"]),
                          "other_recipients"),
    "a recipient in another case": (enveloped(to=lambda l: [l.to[0], "Second@far.example"]),
                                    "other_recipients"),
    "101 recipients": (enveloped(to=lambda l: l.to + [f"r{i}@far.example" for i in range(99)]),
                       "other_recipients"),
    "a byte of a value": (swapped(b"conv_42", b"conv_43"), "other_header"),
    "a byte of a name": (swapped(b"Subject:", b"subject:"), "other_header"),
    "a field more": (changed(lambda m: b"X-New: 1\r\n" + m), "other_header"),
    "a field more at the end": (swapped(b"\r\n\r\n", b"\r\nX-New: 1\r\n\r\n"), "other_header"),
    "a Bcc more": (changed(lambda m: b"Bcc: a@far.example\r\n" + m), "other_header"),
    "a field less": (changed(lambda m: m.removeprefix(CONVERSATION)), "other_header"),
    "another order": (changed(lambda m: re.sub(rb"(From: .*\r\n)(To: .*\r\n)", rb"\2\1", m)),
                      "other_header"),
    "a space more": (swapped(b"Subject: ", b"Subject:  "), "other_header"),
    "a space less": (swapped(b"Subject: ", b"Subject:"), "other_header"),
    "a space at the end": (swapped(b"conv_42", b"conv_42 "), "other_header"),
    "another fold": (swapped(b"\r\n b", b"\r\n\tb"), "other_header"),
    "no fold": (swapped(b"\r\n b", b" b"), "other_header"),
    "a line that is no field": (swapped(b"From: ", b"nothing\r\nFrom: "), "other_header"),
    "a thousand fields": (changed(lambda m: b"X: y\r\n" * 1000 + m), "malformed"),
    "a byte of the body": (swapped(b"Hi bot.", b"Hi Bot."), "other_body"),
    "a space in the body": (swapped(b"Hi bot.\r\n", b"Hi bot. \r\n"), "other_body"),
    "a line more": (changed(lambda m: m + b"\r\n"), "other_body"),
    "a longer body": (changed(lambda m: m + b"P.S.\r\n"), "other_body"),
    "no body": (changed(lambda m: m.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"), "other_body"),
    "a bare LF": (swapped(b"Hi bot.", b"Hi\nbot."), "other_body"),
    "a bare CR": (swapped(b"Hi bot.", b"Hi bo\rt."), "other_body"),
    "a NUL": (swapped(b"Hi bot.", b"Hi bot.\0"), "other_body"),
}


@pytest.mark.parametrize("make, reason", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(listener, make, reason):
    listener.refuse(make(listener, somebody()), reason)


def test_a_ticket_from_the_future_waits(listener):
    letter = listener.letter(somebody(), issued=int(time.time()) + 60)
    listener.refuse(letter, "from_the_future", 451, "4.7.1")


def test_what_was_refused_does_not_use_up_the_ticket(listener):
    recipient = somebody()
    letter = listener.letter(recipient)
    listener.refuse(replace(letter, data=letter.data + b"P.S.\r\n"), "other_body")
    listener.refuse(replace(letter, to=[recipient, "second@far.example"]), "other_recipients")
    listener.take(letter)
    listener.arrived(recipient)


def test_one_of_many_who_use_a_ticket_at_once_is_first(listener, stack):
    letters = [listener.letter(somebody()) for _ in range(20)]
    mark = stack.milter.log_mark()
    with ThreadPoolExecutor(8) as pool:
        codes = [f.result().code for f in
                 [pool.submit(listener.send, letter) for letter in letters for _ in range(8)]]
    assert (codes.count(250), codes.count(550)) == (20, 140)
    log = stack.milter.log_since(mark)
    assert (log.count(" mail_injected "), log.count(" reason=used ")) == (20, 140)


@pytest.fixture
def restarted(listener, stack) -> Iterator[None]:
    stack.milter.kill()  # quicker than a stop
    stack.milter.start()
    yield
    listener.wait()


def test_a_milter_does_not_trust_what_it_cannot_remember(listener, stack, request):
    used, fresh = listener.letter(somebody()), listener.letter(somebody())
    listener.take(used)
    request.getfixturevalue("restarted")
    for letter in (used, fresh):
        listener.refuse(letter, "before_start", 451, "4.7.1")


def test_messages_of_one_connection_have_nothing_in_common(listener, stack):
    first, second = listener.letter(somebody()), listener.letter(somebody())
    agent = "nobody@agents.example"
    with smtplib.SMTP("127.0.0.1", stack.inject_port, timeout=20) as smtp:
        def transact(sender: str, to: list[str], data: bytes) -> int:
            smtp.mail(sender)
            for recipient in to:
                smtp.rcpt(recipient)
            if smtp.docmd("DATA")[0] != 354:
                return 0
            smtp.send(stuffed(data))
            return smtp.getreply()[0]

        smtp.ehlo()
        assert transact(VERP, ["a@far.example"], first.data) == 550
        smtp.mail("x@agents.example")
        smtp.rcpt("b@far.example")
        smtp.rcpt(agent)
        smtp.rset()
        assert transact(VERP, first.to, first.data) == 250
        assert transact(VERP, second.to, first.data) == 550
        assert transact(VERP, second.to, second.data) == 250


def test_without_a_milter_nothing_passes(listener, stack):
    recipient = somebody()
    letter = listener.letter(recipient)
    stack.milter.kill()
    assert listener.send(letter).code == 451
    assert listener.send(Letter(compose(AUTHOR, recipient), [recipient])).code == 451
    assert recipient not in str(stack.postfix.queued())
    stack.milter.start()
    listener.wait()


# ---- the other door ----

def test_at_the_public_door_a_ticket_is_a_forged_header(listener, stack, make_agent, hook):
    agent = make_agent(hook.url)
    letter = listener.letter(agent)
    assert stack.send(VERP, agent, letter.data).code == 250
    delivery = hook.wait(lambda d: d.json["recipient"] == agent)
    auth = delivery.json["auth_headers"]
    assert (auth["X-E2A-Auth-Verified"], auth["X-E2A-Auth-Entity-Type"]) == ("false", "human")
    assert b"x-e2a-" not in delivery.raw.lower()
    listener.take(letter)  # and it is not used


# ---- what main.cf says does not matter ----

NUMBERS = {f"smtpd_client_{what}_rate_limit": "1" for what in ("connection", "message", "recipient")}
REJECT = {f"smtpd_{what}_restrictions": "check_client_access static:REJECT"
          for what in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data")}
HOSTILE = {
    **NUMBERS, **REJECT,
    "receive_override_options": "no_milters",
    "smtpd_milter_maps": "static:DISABLE",
    "milter_default_action": "accept",
    "milter_protocol": "2",
    "milter_connect_macros": "",
    "milter_rcpt_macros": "",
    "milter_macro_daemon_name": "other",
    "milter_header_checks": "regexp:{{/./ IGNORE}}",
    "header_checks": "regexp:{{/^Subject:/ REPLACE Subject: changed}}",
    "body_checks": "regexp:{{/./ REPLACE changed}}",
    "canonical_maps": "inline:{{bot@agents.example=evil@x.example}}",
    "masquerade_domains": "example",
    "local_header_rewrite_clients": "permit_mynetworks",
    "remote_header_rewrite_domain": "x.invalid",
    "always_add_missing_headers": "yes",
    "undisclosed_recipients_header": "To: you",
    "message_drop_headers": "subject",
    "message_strip_characters": "x",
    "message_reject_characters": "b",
    "header_size_limit": "10",
    "content_filter": "smtp:127.0.0.1:9",
    "smtpd_proxy_filter": "127.0.0.1:9",
    "smtpd_upstream_proxy_protocol": "haproxy",
    "smtpd_discard_ehlo_keywords": "dsn",
    "smtpd_command_filter": "static:QUIT",
    "smtpd_tls_security_level": "encrypt",
    "smtpd_recipient_limit": "2",
    "smtpd_hard_error_limit": "2",
    "strict_rfc821_envelopes": "yes",
    "strict_7bit_headers": "yes",
    "strict_8bitmime": "yes",
    "mynetworks": "",
}


@pytest.fixture
def hostile(stack) -> Iterator[None]:
    conf = stack.postfix.conf / "main.cf"
    before = conf.read_text()
    stack.postfix.configure(**HOSTILE)
    stack.postfix.reload()
    yield
    conf.write_text(before)
    stack.postfix.reload()


def test_no_setting_of_main_cf_opens_closes_or_changes_anything(listener, hostile):
    message = b"From: bot@agents.example\r\nCc: joe\r\nSubject: xyz\r\n\r\nabc xyz\r\n"
    for _ in range(3):
        recipient = somebody()
        letter = listener.letter([recipient, "nobody1@agents.example", "nobody2@agents.example",
                                  "nobody3@agents.example"], message)
        listener.take(letter)
        assert listener.arrived(recipient).endswith(b"\n" + unix(message))
        listener.refuse(letter, "used")
    listener.refuse(Letter(message, [recipient]), "no_ticket")


# ---- reports ----

RCPT = {
    "nothing": "RCPT TO:<{}>",
    "lower case": "rcpt to:<{}>",
    "never": "RCPT TO:<{}> NOTIFY=NEVER",
    "never, and more": "RCPT TO:<{}> ORCPT=rfc822;a@b.example NOTIFY=NEVER",
    "blanks": "RCPT  TO: <{}>  NOTIFY=NEVER",
}


MAIL = ["MAIL FROM:<{}>", "MAIL FROM:<{}> SIZE=2000", "mail from: <{}> RET=FULL SIZE=2000 ENVID=x"]


@pytest.mark.parametrize("mail", MAIL)
@pytest.mark.parametrize("rcpt", RCPT.values(), ids=RCPT.keys())
@pytest.mark.parametrize("action", ["delivered", "failed"])
def test_postfix_reports_what_became_of_each_mail(listener, stack, action, rcpt, mail):
    """Good and bad, to whoever the envelope says, without the body."""
    sender, recipient = somebody(), somebody()
    if action == "failed":
        recipient = recipient.replace("other", "far")
        stack.world.reject(recipient)
    data = listener.tickets.stamp(compose(AUTHOR, recipient, body="the body\n"), sender, recipient)
    with Wire(stack.inject_port) as wire:
        wire.command("EHLO client.example")
        commands = [mail.format(sender), rcpt.format(recipient), "DATA"]
        assert [wire.command(c).code for c in commands] == [250, 250, 354]
        wire.write(stuffed(data))
        assert wire.reply().code == 250
    report = message_from_bytes(listener.arrived(sender))
    assert report.get_content_type() == "multipart/report"
    status = report.get_payload(1).get_payload()
    assert [part["Action"] for part in status if part["Action"]] == [action]
    assert report.get_payload(2).get_content_type() == "text/rfc822-headers"
    assert b"the body" not in report.as_bytes()


@pytest.mark.parametrize("rcpt", ["RCPT TO:<{}> NOTIFY=NEVER>", "RCPT TO:<{}> NOTIFY=NEVER "
                                  "ORCPT=rfc822;a>b"])
def test_a_parameter_that_hides_from_the_filter_is_refused(stack, listener, rcpt):
    with Wire(stack.inject_port) as wire:
        wire.command("EHLO client.example")
        wire.command(f"MAIL FROM:<{VERP}>")
        assert wire.command(rcpt.format(somebody())).status == "501 5.5.4"
