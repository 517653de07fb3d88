# SPDX-License-Identifier: Apache-2.0
"""Judging in trouble: a name service that does not answer, helpers and milter
that die in the middle. What cannot be found out is temperror and the mail
arrives; what breaks in the milter is 451 and the mail comes again."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from scripts.stack.mail import Outcome, Signer, compose
from scripts.stack.part import StackError, wait_until, write_file
from scripts.stack.peers import WebhookReceiver
from scripts.stack.reader import HONEST, Reader
from tests.integration.conftest import ALIASES

POSTFIX = {"virtual_alias_maps": ALIASES}
SETTINGS = {"spf_timeout": "2s", "milter_budget": "4s", "spf_helpers": "2"}
HELPERS = 2
BUDGET_SECONDS = 4
SLACK_SECONDS = 3

ALICE = "alice@judged.example"
DEAF = "x@deaf.example"     # its SPF record is never answered
HALF_DEAF = "x@half.example"  # the record is there, what it includes is never answered


class DeafServer:
    """A name server that hears questions and says nothing, until it is told to."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.heard = threading.Condition()
        self.questions: list[tuple[dns.message.Message, tuple[str, int]]] = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        while True:
            packet, asker = self.socket.recvfrom(4096)
            with self.heard:
                self.questions.append((dns.message.from_wire(packet), asker))
                self.heard.notify_all()

    def asked(self, label: str) -> list[tuple[dns.message.Message, tuple[str, int]]]:
        return [(q, asker) for q, asker in self.questions
                if q.question[0].name.labels[0].lower() == label.encode()]

    def wait(self, label: str) -> None:
        """Until somebody asked for a name that starts with this label."""
        with self.heard:
            if not self.heard.wait_for(lambda: self.asked(label), 15):
                raise StackError(f"nobody asked for {label}")

    def deny(self, label: str) -> None:
        """Answers those questions at last: there is no such name."""
        with self.heard:
            for question, asker in self.asked(label):
                answer = dns.message.make_response(question, recursion_available=True)
                answer.set_rcode(dns.rcode.NXDOMAIN)
                self.socket.sendto(answer.to_wire(), asker)

    @property
    def config(self) -> str:
        return f'forward-zone:\n  name: "deaf.example"\n  forward-addr: 127.0.0.1@{self.port}\n'


@pytest.fixture(scope="module")
def key() -> Signer:
    return Signer.new("judged.example")


@pytest.fixture(scope="module", autouse=True)
def deaf(stack, key) -> DeafServer:
    server = DeafServer()
    stack.dns.set("judged.example", "TXT", f"v=spf1 ip4:{HONEST} -all")
    stack.dns.set("_dmarc.judged.example", "TXT", "v=DMARC1; p=reject")
    stack.dns.set("half.example", "TXT", "v=spf1 include:%{l}.deaf.example +all")
    stack.dns.publish(key.record[0], "TXT", key.record[1])
    path = write_file(stack.state / "deaf.conf", server.config)
    reconfigure(stack, dns_config=str(path))
    return server


@pytest.fixture(scope="module")
def reader(stack, account, api) -> Iterator[Reader]:
    with WebhookReceiver() as hook:
        yield Reader(stack, account, api, hook, "reader")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def fresh(stack, deaf) -> None:
    """A milter whose resolver has not given up on the deaf server yet."""
    reconfigure(stack)


def letter(author: str = ALICE) -> bytes:
    return compose(author, "bot@agents.example")


def helpers(stack) -> list[int]:
    """Pids of the milter's SPF helpers."""
    children = Path(f"/proc/{stack.milter.pid}/task").glob("*/children")
    return [int(pid) for file in children for pid in file.read_text().split()]


def kill_helpers(stack) -> list[int]:
    """All that run, the busy one among them."""
    pids = helpers(stack)
    assert 1 <= len(pids) <= HELPERS
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def reconfigure(stack, **settings: str) -> None:
    """A crash is quicker than a stop, for which libmilter takes up to five seconds."""
    stack.configure(**settings)
    stack.milter.kill()
    stack.milter.start()


SILENT = {
    "SPF record": (DEAF, ALICE, None, "temperror", []),
    "SPF include": (HALF_DEAF, ALICE, None, "temperror", []),
    "DKIM key": ("x@judged.example", ALICE, "deaf.example", "pass", [("temperror", False)]),
    "DMARC record": ("x@judged.example", "alice@deaf.example", None, "pass", []),
    "everything": (DEAF, "alice@deaf.example", "deaf.example", "temperror",
                   [("temperror", True)]),
}


@pytest.mark.parametrize("envelope, author, signed, spf, dkim", SILENT.values(), ids=SILENT.keys())
def test_a_silent_name_server_is_temperror_within_the_budget(reader: Reader, key, envelope, author,
                                                            signed, spf, dkim):
    message = letter(author)
    if signed:
        message = Signer(signed, "k1", key.private_pem, key.public_base64).sign(message)
    start = time.monotonic()
    got = reader.take(message, envelope)
    assert time.monotonic() - start < BUDGET_SECONDS + SLACK_SECONDS
    assert got.verdict == "sealed"
    assert got.spf["result"] == spf
    assert [(result, aligned) for result, _, aligned in got.dkim] == dkim
    assert got.dmarc[0] == ("temperror" if author != ALICE else "pass" if spf == "pass" else
                            got.dmarc[0])
    assert got.verified == (author == ALICE and spf == "pass")


@pytest.mark.parametrize("envelope", [DEAF, HALF_DEAF])
def test_a_good_signature_counts_although_spf_is_not_answered(reader: Reader, key, envelope):
    got = reader.take(key.sign(letter()), envelope)
    assert got.check == "spf=temperror; dkim=pass; dmarc=pass"
    assert got.verified


def test_more_slow_mails_than_helpers_all_arrive(reader: Reader, stack, pool):
    start = time.monotonic()
    sent = [pool.submit(reader.take, letter(), f"busy{i}@half.example") for i in range(6)]
    assert {f.result().check for f in sent} == {"spf=temperror; dkim=none; dmarc=fail"}
    assert time.monotonic() - start < BUDGET_SECONDS + SLACK_SECONDS
    assert reader.take(letter(), "x@judged.example").verified


def test_a_helper_killed_in_an_evaluation_costs_that_evaluation(reader: Reader, stack, fresh,
                                                                    deaf, pool):
    mark = stack.milter.log_mark()
    sent = pool.submit(reader.take, letter(), "killed@half.example")
    deaf.wait("killed")
    before = kill_helpers(stack)
    deaf.deny("killed")
    got = sent.result()
    assert (got.verdict, got.check) == ("sealed", "spf=temperror; dkim=none; dmarc=fail")
    assert "spf_reason=helper_died" in stack.milter.wait_log("mail_judged", mark)
    for _ in range(HELPERS + 1):
        assert reader.take(letter(), "x@judged.example").check == "spf=pass; dkim=none; dmarc=pass"
    assert set(helpers(stack)) - set(before)


def test_a_signature_counts_although_the_helper_died(reader: Reader, stack, key, fresh, deaf,
                                                         pool):
    sent = pool.submit(reader.take, key.sign(letter()), "diedtoo@half.example")
    deaf.wait("diedtoo")
    kill_helpers(stack)
    deaf.deny("diedtoo")
    assert sent.result().verified


def judging(reader: Reader, stack, deaf, pool, name: str) -> tuple[str, Future[Outcome]]:
    """A mail that the milter is busy with: its recipient, and what SMTP will say."""
    recipient = reader.address()
    sent = pool.submit(stack.send, f"{name}@half.example", recipient, letter(), HONEST)
    deaf.wait(name)
    return recipient, sent


def test_a_milter_killed_while_it_judges_is_451_and_the_mail_comes_again(reader: Reader, stack,
                                                                        fresh, deaf, pool):
    recipient, sent = judging(reader, stack, deaf, pool, "killedmilter")
    stack.milter.kill()
    outcome = sent.result()
    assert (outcome.code, outcome.queue_id) == (451, "")
    assert stack.postfix.queued() == []
    stack.milter.start()
    assert stack.send("x@judged.example", recipient, letter(), HONEST).code == 250
    assert reader.wait(recipient).verified
    assert stored(stack, recipient) == 1


def test_a_milter_that_is_stopped_finishes_what_it_judges(reader: Reader, stack, fresh, deaf,
                                                          pool):
    recipient, sent = judging(reader, stack, deaf, pool, "stoppedmilter")
    stack.milter.signal(signal.SIGTERM)
    deaf.deny("stoppedmilter")
    assert sent.result().code == 250
    assert stack.milter.stop() == 0
    assert reader.wait(recipient).verdict == "sealed"
    stack.milter.start()


def stored(stack, recipient: str) -> int:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM messages WHERE recipient = %s", [recipient])
        return query.fetchone()[0]


def test_without_the_milter_senders_are_told_451_before_they_send_data(reader: Reader, stack):
    recipient = reader.address()
    stack.milter.kill()
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, "mail.sender.example",
                      source_address=(HONEST, 0)) as smtp:
        smtp.ehlo()
        codes = [smtp.mail("x@judged.example"), smtp.rcpt(recipient)]
    assert [code for code, _ in codes].count(451) >= 1
    assert not any(code >= 500 and code != 503 for code, _ in codes)
    stack.milter.start()
    assert reader.take(letter(), "x@judged.example").verified


def test_a_session_whose_milter_goes_before_the_data_is_451(reader: Reader, stack):
    recipient = reader.address()
    with smtplib.SMTP("127.0.0.1", stack.smtp_port, "mail.sender.example",
                      source_address=(HONEST, 0)) as smtp:
        smtp.ehlo()
        assert smtp.mail("x@judged.example")[0] == 250
        assert smtp.rcpt(recipient)[0] == 250
        stack.milter.kill()
        try:
            code, _ = smtp.data(letter())
        except smtplib.SMTPDataError as e:
            code = e.smtp_code
        assert code == 451
    stack.milter.start()
    assert stored(stack, recipient) == 0
    assert reader.take(letter(), "x@judged.example").verified


def test_a_name_service_that_hung_is_asked_again(reader: Reader, stack, key, pool):
    """With the settings an operator has: nothing is said about dead servers."""
    before = stack.settings["dns_config"]
    reconfigure(stack, dns_config="")
    os.killpg(stack.dns.pid, signal.SIGSTOP)  # NSD is several processes
    try:
        sent = [pool.submit(reader.take, key.sign(letter()), "x@judged.example") for _ in range(5)]
        assert {f.result().check for f in sent} == {
            "spf=temperror; dkim=temperror; dmarc=temperror"}
    finally:
        os.killpg(stack.dns.pid, signal.SIGCONT)
    wait_until("mail to be verified again",
               lambda: reader.take(letter(), "x@judged.example").verified, 30)
    reconfigure(stack, dns_config=before)


def test_scope_all_judges_what_comes_by_an_alias(reader: Reader, stack):
    reconfigure(stack, milter_scope="all")
    forged = b"X-E2A-Auth-Verified: true\r\n"
    assert stack.send("x@judged.example", "alias7@other.example", forged + letter(),
                      HONEST).code == 250
    got = reader.wait("reader+alias7@agents.example")
    assert (got.verdict, got.verified) == ("sealed", True)
    reconfigure(stack, milter_scope="e2a")
