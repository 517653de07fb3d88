# SPDX-License-Identifier: Apache-2.0
"""The door of e2a-deliverd: LMTP from any client, on a real socket, and the
sizes, lines and line ends that Postfix lets through to it."""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
import time

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from tests.integration.wire import Lmtp, Wire, stuffed

SENDER = "alice@sender.example"
HONEST = "127.0.0.7"
LIMIT = 10240000  # message_size_limit

queue_numbers = itertools.count(1)


def new_queue_id() -> str:
    """Shaped like Postfix's long ones, and of no other test or run."""
    return f"4ZZ{time.time_ns():x}z{next(queue_numbers)}"


def stored(stack, agent: str) -> list[bytes]:
    """The bytes of an agent's mails, oldest first."""
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT r.raw FROM messages m JOIN raw_messages r ON r.id = m.raw_id "
                      "WHERE m.agent_email = %s ORDER BY m.created_at, m.id", [agent])
        return [bytes(row[0]) for row in query.fetchall()]


@pytest.fixture
def lmtp(stack):
    with Lmtp(stack) as client:
        yield client


def test_lhlo_names_what_lmtp_of_postfix_needs(stack):
    with Wire(stack.state / "sock" / "lmtp") as client:
        assert client.greeting.code == 220
        client.write(b"LHLO client.example\r\n")
        lines = [client.input.readline().decode().rstrip() for _ in range(7)]
    words = {line[4:].split(" ")[0] for line in lines}
    assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES",
            "XFORWARD"} <= words


# ---- the same transaction again ----

def test_a_repeated_transaction_is_stored_once_and_taken_twice(stack, make_agent, hook, lmtp):
    local, cloud, queue_id = make_agent(), make_agent(hook.url), new_queue_id()
    message = compose(SENDER, local, "Again")
    for _ in range(3):
        assert [r.status for r in lmtp.mail([local, cloud], message, queue_id)] \
            == ["250 2.1.5"] * 2
    assert stored(stack, local) == stored(stack, cloud) == [message]
    after = make_agent(hook.url)  # webhooks of one endpoint: behind this one nothing comes
    lmtp.mail(after, compose(SENDER, after, "After"), new_queue_id())
    hook.wait(lambda d: d.json["recipient"] == after)
    assert sum(d.json["recipient"] == cloud for d in hook.items) == 1


def test_a_repetition_to_more_recipients_reaches_only_the_new_ones(stack, make_agent, lmtp):
    first, second, queue_id = make_agent(), make_agent(), new_queue_id()
    message = compose(SENDER, first)
    lmtp.mail(first, message, queue_id)
    assert [r.code for r in lmtp.mail([first, second], message, queue_id)] == [250, 250]
    assert (len(stored(stack, first)), len(stored(stack, second))) == (1, 1)


@pytest.mark.parametrize("change", ["queue id", "bytes", "no queue id"])
def test_what_differs_is_another_mail(stack, make_agent, lmtp, change):
    agent, queue_id = make_agent(), "" if change == "no queue id" else new_queue_id()
    message = compose(SENDER, agent)
    other = new_queue_id() if change == "queue id" else queue_id
    assert lmtp.mail(agent, message, queue_id)[0].code == 250
    again = message + b"More.\r\n" if change == "bytes" else message
    assert lmtp.mail(agent, again, other)[0].code == 250
    assert len(stored(stack, agent)) == 2


def test_the_spelling_of_a_recipient_makes_no_other_mail(stack, make_agent, lmtp):
    agent, queue_id = make_agent(), new_queue_id()
    message = compose(SENDER, agent)
    for spelling in (agent, agent.upper()):
        assert lmtp.mail(spelling, message, queue_id)[0].code == 250
    assert [r.code for r in lmtp.mail([agent, agent.upper()], message, queue_id)] == [250, 250]
    assert len(stored(stack, agent)) == 1


def test_two_clients_with_the_same_transaction_at_once_store_one_mail(stack, make_agent):
    agent, queue_id = make_agent(), new_queue_id()
    message = compose(SENDER, agent)
    clients = [Lmtp(stack) for _ in range(8)]
    for client in clients:
        client.begin(agent, queue_id)
        assert client.command("DATA").code == 354
    for client in clients:
        client.write(stuffed(message))
    assert [client.reply().code for client in clients] == [250] * 8
    assert stored(stack, agent) == [message]
    for client in clients:
        client.close()


# ---- one reply per recipient ----

def test_every_recipient_has_its_own_reply_in_order(stack, make_agent, lmtp):
    first, second = make_agent(), make_agent()
    to = [first, "nobody@agents.example", "nobody@elsewhere.example", second, "no-at-sign"]
    replies = lmtp.mail(to, compose(SENDER, first), new_queue_id())
    assert [r.status for r in replies] \
        == ["250 2.1.5", "550 5.1.1", "550 5.1.1", "250 2.1.5", "550 5.1.1"]
    assert (len(stored(stack, first)), len(stored(stack, second))) == (1, 1)


def test_only_unknown_recipients_store_nothing(stack, lmtp):
    with stack.db() as db, db.cursor() as query:
        message = compose(SENDER, "nobody@agents.example")
        replies = lmtp.mail(["nobody@agents.example"] * 2, message, new_queue_id())
        assert [r.status for r in replies] == ["550 5.1.1"] * 2
        query.execute("SELECT count(*) FROM raw_messages WHERE sha256 = %s",
                      [hashlib.sha256(message).digest()])
        assert query.fetchone()[0] == 0


def test_more_recipients_than_the_limit_are_put_off(stack, make_agent, lmtp):
    agent = make_agent()
    replies = lmtp.begin([agent] + [f"x{n}@agents.example" for n in range(100)])[1:]
    assert [r.code for r in replies[:100]] == [250] * 100
    assert replies[100].status == "452 4.5.3"


# ---- how it is sent ----

def test_a_whole_session_in_one_write_is_answered_in_order(stack, make_agent):
    first, second = make_agent(), make_agent()
    one, two = compose(SENDER, first, "one"), compose(SENDER, second, "two", ".dots\n..\n.\n")
    with Wire(stack.state / "sock" / "lmtp") as client:
        client.write(b"LHLO x\r\n" + b"".join(
            b"XFORWARD IDENT=%b\r\nMAIL FROM:<a@sender.example> BODY=8BITMIME\r\n"
            b"RCPT TO:<%b>\r\nRCPT TO:<nobody@agents.example>\r\nDATA\r\n%b"
            % (new_queue_id().encode(), agent.encode(), stuffed(message))
            for agent, message in ((first, one), (second, two))) + b"QUIT\r\n")
        codes = [r.code for r in client.rest()]
    transaction = [250, 250, 250, 250, 354, 250, 550]
    assert codes == [250, *transaction, *transaction, 221]
    assert (stored(stack, first), stored(stack, second)) == ([one], [two])


def test_a_client_that_drips_is_served_and_keeps_nobody_waiting(stack, make_agent, lmtp):
    agent, other = make_agent(), make_agent()
    message = compose(SENDER, agent, body="one line\n..\n.\r.\n" * 20)
    data = (b"MAIL FROM:<a@sender.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % agent.encode()
            + stuffed(message))
    lmtp.drip(data[:len(data) // 2], 400)
    with Lmtp(stack) as quick:
        assert quick.mail(other, compose(SENDER, other))[0].code == 250
    lmtp.drip(data[len(data) // 2:], 400)
    assert [r.code for r in lmtp.replies(4)] == [250, 250, 354, 250]
    assert stored(stack, agent) == [message]


@pytest.mark.parametrize("until", ["MAIL", "RCPT", "354", "data", "data but for the last byte"])
def test_a_client_that_leaves_early_has_sent_nothing(stack, make_agent, until):
    agent = make_agent()
    data = stuffed(compose(SENDER, agent))
    client = Lmtp(stack)
    lines = [f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{agent}>", "DATA"]
    for line in lines[:{"MAIL": 1, "RCPT": 2}.get(until, 3)]:
        client.command(line)
    if until.startswith("data"):
        client.write(data[:-1] if "last" in until else data[:-20])
    client.socket.shutdown(socket.SHUT_WR)
    assert client.reply().code == 0
    client.close()
    with Lmtp(stack) as next_one:
        assert next_one.mail(agent, compose(SENDER, agent, "Whole"))[0].code == 250
    assert [b"Subject: Whole" in raw for raw in stored(stack, agent)] == [True]


def test_a_client_that_half_closes_behind_its_mail_can_repeat_it(stack, make_agent):
    agent, queue_id = make_agent(), new_queue_id()
    message = compose(SENDER, agent)
    client = Lmtp(stack)
    client.begin(agent, queue_id)
    client.command("DATA")
    client.write(stuffed(message))
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()  # with or without the reply
    client.close()
    with Lmtp(stack) as again:
        assert again.mail(agent, message, queue_id)[0].code == 250
    assert stored(stack, agent) == [message]


def test_a_client_that_reads_no_replies_is_bounded_and_harms_nobody(stack, make_agent, lmtp):
    agent = make_agent()
    lmtp.socket.settimeout(0.5)
    sent = 0
    with pytest.raises((TimeoutError, ConnectionError)):
        while sent < 64 * 1024 * 1024:
            sent += lmtp.socket.send(b"NOOP\r\n" * 10000)
    assert sent < 16 * 1024 * 1024
    with Lmtp(stack) as other:
        assert other.mail(agent, compose(SENDER, agent))[0].code == 250


# ---- sizes ----

def test_an_announced_size_above_the_limit_is_refused_at_mail(lmtp):
    assert lmtp.command(f"MAIL FROM:<{SENDER}> SIZE={10 * LIMIT}").status == "552 5.3.4"
    assert lmtp.command(f"MAIL FROM:<{SENDER}> SIZE=1000").code == 250


def test_data_far_above_the_limit_are_refused_for_every_recipient(stack, make_agent, lmtp):
    agent = make_agent()
    huge = compose(SENDER, agent, body="x" * 78 + "\n") + (b"y" * 78 + b"\r\n") * (LIMIT // 60)
    assert [r.status for r in lmtp.mail([agent, agent], huge, new_queue_id())] \
        == ["552 5.3.4"] * 2
    assert stored(stack, agent) == []
    assert lmtp.mail(agent, compose(SENDER, agent))[0].code == 250  # the connection goes on


def message_of(size: int, agent: str, signer) -> bytes:
    """A signed mail of exactly that many bytes."""
    head = compose(SENDER, agent, "Big", "")
    left = size - len(signer.sign(head))
    body = (b"y" * 76 + b"\r\n") * (left // 78 - 1)
    return signer.sign(head + body + b"z" * (left - len(body) - 2) + b"\r\n")


def test_the_largest_mail_that_postfix_takes_ends_in_the_inbox(stack, make_agent, hook, signer):
    """Postfix counts what it adds and how it writes its queue file, so the largest
    is a little below the limit. What it refuses the sender is told at once."""
    agent = make_agent(hook.url)
    for size in range(LIMIT, LIMIT - 8192, -512):
        message = message_of(size, agent, signer)
        assert len(message) == size
        outcome = stack.send(SENDER, agent, message, HONEST)
        if outcome.code == 250:
            break
        assert (outcome.code, outcome.text[:5]) == (552, "5.3.4")
    assert outcome.code == 250
    delivery = hook.wait(timeout=60)
    assert delivery.raw.endswith(message)
    assert delivery.json["auth_headers"]["X-E2A-Auth-Verified"] == "true"


@pytest.mark.parametrize("announced", [True, False])
def test_one_byte_more_is_refused_by_postfix(stack, make_agent, signer, announced):
    agent = make_agent()
    message = message_of(LIMIT + 1, agent, signer)
    assert len(message) == LIMIT + 1
    outcome = stack.send(SENDER, agent, message, HONEST,
                         options=(f"SIZE={len(message)}",) if announced else ())
    assert (outcome.code, outcome.text[:5]) == (552, "5.3.4")
    assert stored(stack, agent) == []


# ---- lines ----

def test_a_line_of_5000_bytes_arrives_whole_and_its_signature_holds(stack, make_agent, hook,
                                                                    signer):
    agent = make_agent(hook.url)
    message = signer.sign(compose(SENDER, agent, body="l" * 5000 + "\n" + "m" * 5000 + "\n"))
    assert stack.send(SENDER, agent, message, HONEST).code == 250
    delivery = hook.wait()
    assert delivery.raw.endswith(message)
    assert "dkim=pass" in delivery.json["auth_headers"]["X-E2A-Auth-Domain-Check"]


# What a mail smuggled inside another one would look like behind each false end of data.
FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r",
              b"\r\n.\r\r\n", b"\r\n\0.\r\n"]


def smuggle(agent: str, victim: str, end: bytes) -> bytes:
    return (compose(SENDER, agent, "Outer") + b"before" + end
            + b"MAIL FROM:<boss@sender.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % victim.encode()
            + compose("boss@sender.example", victim, "Inner"))


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_only_crlf_dot_crlf_ends_a_mail_in_lmtp(stack, make_agent, lmtp, end):
    agent, victim = make_agent(), make_agent()
    message = smuggle(agent, victim, end)
    lmtp.begin(agent, new_queue_id())
    lmtp.command("DATA")
    unstuffed = message.replace(b"\r\n.", b"\r\n")  # ours is not stuffed
    lmtp.write(message + b".\r\nQUIT\r\n")
    assert [r.code for r in lmtp.rest()] == [250, 221]
    assert stored(stack, agent) == [unstuffed]
    assert stored(stack, victim) == []


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_no_mail_is_smuggled_through_postfix(stack, make_agent, end):
    agent, victim = make_agent(), make_agent()
    with Wire(stack.smtp_port) as client:
        client.command("EHLO mail.sender.example")
        client.command(f"MAIL FROM:<{SENDER}>")
        client.command(f"RCPT TO:<{agent}>")
        assert client.command("DATA").code == 354
        client.write(smuggle(agent, victim, end) + b".\r\n")
        assert client.reply().code == 250
        assert client.command("QUIT").code == 221
    wait_until("the mail", lambda: stored(stack, agent))
    assert stored(stack, victim) == []
    assert b"Subject: Inner" in stored(stack, agent)[0]


# ---- what no client should send ----

@pytest.mark.parametrize("lines, status", [
    (["MAIL FROM:<a@sender.example>"], "503 5.5.1"),
    (["LHLO x", "RCPT TO:<a@agents.example>"], "503 5.5.1"),
    (["LHLO x", "DATA"], "503 5.5.1"),
    (["LHLO x", "MAIL FROM:<>", "DATA"], "503 5.5.1"),
    (["LHLO x", "MAIL FROM:<>", "MAIL FROM:<>"], "503 5.5.1"),
    (["LHLO x", "MAIL FROM:<>", "XFORWARD IDENT=x"], "503 5.5.1"),
    (["LHLO x", "MAIL FROM:<>", "RCPT TO:<>"], "501 5.1.3"),
    (["LHLO x", "MAIL FROM:<a\tb@sender.example>"], "501 5.1.7"),
    (["LHLO x", "MAIL FROM:a@sender.example"], "501 5.1.7"),
    (["LHLO x", "MAIL FROM:<> AUTH=<>"], "555 5.5.4"),
    (["LHLO x", "MAIL FROM:<> SIZE=-1"], "501 5.5.4"),
    (["LHLO x", "MAIL FROM:<> SIZE=99999999999999999999999"], "501 5.5.4"),
    (["LHLO x", "MAIL FROM:<>", "RCPT TO:<a@agents.example> NOTIFY=NEVER"], "555 5.5.4"),
    (["LHLO x", "XFORWARD IDENT=+ZZ"], "501 5.5.4"),
    (["LHLO x", "XFORWARD IDENT=+0D+0A"], "501 5.5.4"),
    (["LHLO x", "XFORWARD NOBODY=x"], "501 5.5.4"),
    (["LHLO"], "501 5.5.4"),
    (["EHLO x"], "500 5.5.2"),
    ([""], "500 5.5.2"),
    (["X" * 5000], "500 5.5.2"),
    (["LHLO x", "MAIL FROM:<" + "a" * 3000 + "@sender.example>"], "501 5.1.7"),
])
def test_a_wrong_command_is_named_and_the_next_one_is_read(stack, lines, status):
    with Wire(stack.state / "sock" / "lmtp") as client:
        assert [client.command(line) for line in lines][-1].status == status
        assert client.command("RSET").code == 250


def test_a_line_without_end_takes_no_memory_and_no_time(stack):
    with Wire(stack.state / "sock" / "lmtp") as client:
        client.write(b"N" * 20_000_000)
        client.write(b"\r\nNOOP\r\n")
        assert [r.code for r in client.replies(2)] == [500, 250]


def test_a_client_that_errs_too_often_is_sent_away(stack):
    with Wire(stack.state / "sock" / "lmtp") as client:
        client.write(b"BAD\r\n" * 100)
        codes = [r.code for r in client.rest()]
    assert codes[-1] == 421
    assert set(codes[:-1]) == {500} and len(codes) < 30


@pytest.mark.parametrize("seed", ["nul", "tls", "http", 1, 2, 3, 4])
def test_garbage_ends_with_the_connection(stack, make_agent, seed):
    pid, agent = stack.deliverd.pid, make_agent()
    garbage = {"nul": b"\0" * 100000, "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 30,
               "tls": bytes.fromhex("16030102000100") + random.Random(9).randbytes(600)}.get(
                   seed, random.Random(seed).randbytes(200000))
    with Wire(stack.state / "sock" / "lmtp") as client:
        try:
            client.write(garbage)
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
        except (ConnectionError, ValueError):
            pass
    with Lmtp(stack) as client:
        assert client.mail(agent, compose(SENDER, agent))[0].code == 250
    assert stack.deliverd.running() and stack.deliverd.pid == pid
