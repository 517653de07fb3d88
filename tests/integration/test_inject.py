# SPDX-License-Identifier: Apache-2.0
"""Handing mail to Postfix: what is said about each mail, whatever the server does, and
never that it was not sent when the server may have it."""

from __future__ import annotations

import re
import threading
import time

import pytest

from scripts.stack import mail
from scripts.stack.part import Port, wait_until
from tests.integration.smtp_script import GREETING, SENDER, Injector, Script, transaction

PLAIN = "X-E2A-Ticket: t\r\nSubject: x\r\n\r\nHello\r\n"


def codes(answer: dict) -> list[int]:
    return [r["code"] for r in answer["rcpts"]]


class Pause(threading.Event):
    """A step that lasts so long."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(self.seconds)


# Name: the connections' steps, recipients; outcome, code and word, replies to recipients.
CASES = {
    "taken": ([GREETING + transaction()], 1, ("taken", 250, ""), [250]),
    "any 2xx is yes": ([GREETING + transaction(b"251 fwd", end=b"200 fine")], 1,
                       ("taken", 200, ""), [251]),
    "HELO": ([[b"220 mx\r\n", "line", b"502 what\r\n", "line", b"250 mx\r\n"] + transaction()], 1,
             ("taken", 250, ""), [250]),
    "one of two refused": ([GREETING + transaction(b"550-5.1.1 no\r\n550 5.1.1 such user",
                                                   b"250 ok")], 2, ("taken", 250, ""), [550, 250]),
    "one of two later": ([GREETING + transaction(b"250 ok", b"451 4.3.0 later")], 2,
                         ("taken", 250, ""), [250, 451]),
    "reset behind the answer": ([GREETING + transaction() + ["reset"]], 1,
                                ("taken", 250, ""), [250]),
    # no server that is ready
    "greeting 554": ([[b"554 5.3.2 no\r\n"]], 1, ("connect", 554, "smtp 554"), [0]),
    "greeting 421": ([[b"421 4.3.2 busy\r\n", "close"]], 1, ("connect", 421, "smtp 421"), [0]),
    "no greeting": ([["close"]], 1, ("connect", 0, "broken"), [0]),
    "reset at EHLO": ([[b"220 mx\r\n", "line", "reset"]], 1, ("connect", 0, "broken"), [0]),
    "garbage for a greeting": ([[b"SSH-2.0-OpenSSH\r\n", "close"]], 1, ("connect", 0, "broken"),
                               [0]),
    "EHLO and HELO refused": ([[b"220 mx\r\n", "line", b"550 no\r\n", "line", b"550 no\r\n"]], 1,
                              ("connect", 550, "smtp 550"), [0]),
    "closed at EHLO": ([[b"220 mx\r\n", "line", "close"]], 1, ("connect", 0, "broken"), [0]),
    # MAIL
    "MAIL 451": ([GREETING + ["line", b"451 4.3.0 later\r\n"]], 1, ("later", 451, "smtp 451"), [0]),
    "MAIL 421": ([GREETING + ["line", b"421 4.3.0 bye\r\n", "close"]], 1,
                 ("later", 421, "smtp 421"), [0]),
    "MAIL 550": ([GREETING + ["line", b"550 5.7.1 no\r\n"]], 1, ("refused", 550, "smtp 550"), [0]),
    "closed at MAIL": ([GREETING + ["line", "close"]], 1, ("later", 0, "broken"), [0]),
    "MAIL 300": ([GREETING + ["line", b"300 what\r\n"]], 1, ("later", 300, "smtp 300"), [0]),
    "garbage for MAIL": ([GREETING + ["line", b"\xff\xfe\0\r\n\r\nyes\r\n", "close"]], 1,
                         ("later", 0, "broken"), [0]),
    # RCPT
    "all refused": ([GREETING + ["line", b"250 m\r\n", "line", b"550 5.1.1 a\r\n",
                                 "line", b"452 4.2.2 full\r\n"]], 2,
                    ("nobody", 452, "smtp 452"), [550, 452]),
    "too many errors": ([GREETING + ["line", b"250 m\r\n", "line", b"550 5.1.1 a\r\n",
                                     "line", b"421 4.7.0 too many errors\r\n", "close"]], 3,
                        ("later", 0, "broken"), [550, 421, 0]),
    "closed at RCPT": ([GREETING + ["line", b"250 m\r\n", "line", b"250 a\r\n", "line", "close"]],
                       2, ("later", 0, "broken"), [250, 0]),
    # DATA
    "DATA 451": ([GREETING + ["line", b"250 m\r\n", "line", b"250 a\r\n", "line",
                              b"451 4.3.0 disk\r\n"]], 1, ("later", 451, "smtp 451"), [250]),
    "DATA 554": ([GREETING + ["line", b"250 m\r\n", "line", b"250 a\r\n", "line",
                              b"554 5.5.1 no\r\n"]], 1, ("refused", 554, "smtp 554"), [250]),
    "DATA 250": ([GREETING + ["line", b"250 m\r\n", "line", b"250 a\r\n", "line", b"250 ok\r\n"]],
                 1, ("later", 250, "smtp 250"), [250]),
    # the end of the data
    "451": ([GREETING + transaction(end=b"451 4.3.0 disk")], 1, ("later", 451, "smtp 451"), [250]),
    "421": ([GREETING + transaction(end=b"421 4.3.0 bye") + ["close"]], 1,
            ("later", 421, "smtp 421"), [250]),
    "550": ([GREETING + transaction(end=b"550 5.7.1 ticket")], 1, ("refused", 550, "smtp 550"),
            [250]),
    "closed behind the data": ([GREETING + transaction(end=None) + ["close"]], 1,
                               ("unknown", 0, "broken"), [250]),
    "reset behind the data": ([GREETING + transaction(end=None) + ["reset"]], 1,
                              ("unknown", 0, "broken"), [250]),
    "garbage behind the data": ([GREETING + transaction(end=b"yes\r\n\r\n\0 250 ok") + ["close"]],
                                1, ("unknown", 0, "broken"), [250]),
    "354 behind the data": ([GREETING + transaction(end=b"354 more")], 1,
                            ("unknown", 354, "smtp 354"), [250]),
    "half an answer": ([GREETING + transaction(end=None) + [b"250-2.0.0 O", "close"]], 1,
                       ("unknown", 0, "broken"), [250]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_answer_has_its_meaning(build, case):
    connections, rcpts, decision, wanted = case
    with Script(*connections) as script, Injector(build, script.url) as injector:
        answer = injector.send(rcpts)
        assert (answer["outcome"], answer["code"], answer["why"]) == decision
        assert codes(answer) == wanted


# What hangs: the steps up to there; outcome, replies to recipients.
HANGS = {
    "greeting": ([], "connect", [0]),
    "EHLO": (GREETING[:2], "connect", [0]),
    "MAIL": (GREETING + ["line"], "later", [0]),
    "RCPT": (GREETING + ["line", b"250 m\r\n", "line"], "later", [0]),
    "DATA": (GREETING + ["line", b"250 m\r\n", "line", b"250 a\r\n", "line"], "later", [250]),
    "end": (GREETING + transaction(end=None), "unknown", [250]),
    "drip": ([b"2", b"2"], "connect", [0]),
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS.keys())
def test_who_hangs_is_left_in_time(build, hang):
    steps, outcome, wanted = hang
    released = threading.Event()
    with Script(steps + [released]) as script, Injector(build, script.url, "1s") as injector:
        answer = injector.send()
        released.set()
        assert (answer["outcome"], answer["why"], codes(answer)) == (outcome, "timeout", wanted)
        assert answer["ms"] < 3000


def test_a_slow_answer_is_waited_for_no_longer_than_the_deadline(build):
    """A byte now and then starts no deadline anew."""
    def drip() -> list:
        return [item for byte in b"250-slow" * 50 for item in (bytes([byte]), Pause(0.1))]

    steps = GREETING + ["line", *drip()]
    with Script(steps) as script, Injector(build, script.url, "1s") as injector:
        answer = injector.send()
        assert (answer["outcome"], answer["why"]) == ("later", "timeout")
        assert answer["ms"] < 3000


def test_a_server_that_is_not_there(build):
    claim = Port("NOBODY")
    with Injector(build, f"smtp://127.0.0.1:{claim.number}") as injector:
        answer = injector.send(2)
        assert (answer["outcome"], answer["why"], codes(answer)) == ("connect", "connect", [0, 0])
    claim.release()


@pytest.mark.parametrize("first, second", [
    (b"250-" + b"z" * 100_000 + b"\r\n250 ok", b"550 5.1.1 \x1b[31m\xff\0" + b"y" * 1000),
    (b"250 ok", b"550 5.1.1 " + b"y" * 100_000),
    (b"250-2.1.5 ok\r\n" * 10_000 + b"250 ok", b"550-no\r\n" * 10_000 + b"550 5.1.1 no"),
], ids=["one line of two", "one line", "many lines"])
def test_texts_are_short_and_clean(build, first, second):
    with Script(GREETING + transaction(first, second)) as script, \
            Injector(build, script.url) as injector:
        said = injector.send(2)
        assert said["outcome"] == "taken"
        assert codes(said) == [250, 550]
        for reply in said["rcpts"]:
            assert len(reply["text"].encode()) <= 300
            assert reply["text"].isprintable()


@pytest.mark.parametrize("step", [b"", b"250 m\r\n"], ids=["MAIL", "RCPT"])
def test_more_than_libcurl_reads_is_no_answer(build, step):
    """Two lines of 100 kB in a row; a line that never ends."""
    for answer in (b"250-" + b"z" * 100_000 + b"\r\n250 " + b"z" * 100_000, b"z" * 10_000_000):
        steps = GREETING + (["line", step] if step else []) + ["line", answer + b"\r\n", "close"]
        with Script(steps) as script, Injector(build, script.url) as injector:
            assert injector.send()["outcome"] == "later"


def test_a_connection_serves_many_mails(build):
    count = 5
    with Script(GREETING + transaction(b"250 ok", b"550 no") * count) as script, \
            Injector(build, script.url) as injector:
        for _ in range(count):
            answer = injector.send(2)
            assert (answer["outcome"], codes(answer)) == ("taken", [250, 550])
        assert len(script.mails.wait_count(count)) == count
    said = script.said.wait_count(2 + count * 4 + 1)
    assert [s.split()[0] for s in said[:1] + said[-2:-1]] == [b"EHLO", b"QUIT"]
    assert said[1] == b"MAIL FROM:<%s>\r\n" % SENDER.encode()
    assert said[2] == b"RCPT TO:<r0@world.example>\r\n"


# What an idle connection does before the next mail.
DEATHS = {
    "closed": ["close"],
    "reset": ["reset"],
    "421 and closed": [b"421 4.4.2 timeout\r\n", "close"],
    "421 instead of an answer": ["line", b"421 4.4.2 timeout\r\n", "close"],
    "closed instead of an answer": ["line", "close"],
    "reset instead of an answer": ["line", "reset"],
}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS.keys())
def test_a_connection_that_died_is_replaced(build, death):
    with Script(GREETING + transaction() + death, GREETING + transaction(b"550 no", b"250 ok")) \
            as script, Injector(build, script.url) as injector:
        assert injector.send()["outcome"] == "taken"
        answer = injector.send(2)
        assert (answer["outcome"], codes(answer)) == ("taken", [550, 250])
        assert len(script.mails.wait_count(2)) == 2


def test_a_connection_that_dies_slowly_is_not_replaced(build):
    """One call has one deadline."""
    slow = ["line", Pause(1.2), b"421 4.4.2 timeout\r\n", "close"]
    with Script(GREETING + transaction() + slow, GREETING + transaction()) as script, \
            Injector(build, script.url) as injector:
        assert injector.send()["outcome"] == "taken"
        answer = injector.send()
        assert (answer["outcome"], answer["code"]) == ("later", 421)


def test_a_connection_that_dies_later_is_not_repeated(build):
    """Once the data may be out, nothing is sent again by itself."""
    with Script(GREETING + transaction() + transaction(end=None) + ["close"],
                GREETING + transaction()) as script, Injector(build, script.url) as injector:
        assert injector.send()["outcome"] == "taken"
        assert injector.send()["outcome"] == "unknown"
        assert len(script.mails.items) == 2


@pytest.mark.parametrize("first", [
    transaction(end=b"550 5.7.1 no"), transaction(end=b"451 no"), transaction(end=b"354 more"),
    transaction(b"550 a")[:4], ["line", b"451 no\r\n"],
], ids=["550", "451", "354", "RCPT", "MAIL"])
def test_whatever_went_wrong_ends_the_connection(build, first):
    with Script(GREETING + first, GREETING + transaction()) as script, \
            Injector(build, script.url) as injector:
        assert injector.send()["outcome"] != "taken"
        assert injector.send()["outcome"] == "taken"


def test_a_late_answer_is_not_taken_for_the_next_mails(build):
    """libcurl itself would go on with the connection whose answer is due."""
    late = threading.Event()
    with Script(GREETING + transaction(end=None) + [late, b"250 2.0.0 late\r\n"],
                GREETING + transaction(end=b"550 5.7.1 no")) as script, \
            Injector(build, script.url, "1s") as injector:
        assert injector.send()["outcome"] == "unknown"
        late.set()
        answer = injector.send()
        assert (answer["outcome"], answer["code"]) == ("refused", 550)


def stuffed(text: str) -> bytes:
    return text.replace("\r\n.", "\r\n..").encode() + b".\r\n"


MAILS = {
    "plain": [PLAIN],
    "in pieces": ["X-E2A-Ticket: t\r\n", "", "Subject: x\r\n", "\r\n", "Hello\r\n"],
    "dots": ["X: y\r\n\r\n", ".\r\n..\r\n.x\r\n\r\n.\r\n"],
    "dots behind the seams": ["X: y\r\n\r\n", ".\r\n", ".\r\n", "x\r\n", ".", ".\r\n"],
    # libcurl sends 65,536 bytes at a time
    "seam at the block": ["X: y\r\n\r\n" + "z" * 65526 + "\r\n", ".\r\nend\r\n"],
    "block ends in CR": ["X: y\r\n\r\n" + "z" * 65527 + "\r", "\n.\r\nend\r\n"],
    # as many dots as there are bytes in the second block: libcurl would drop those if it
    # knew the size
    "dots that make up for the rest": ["X: y\r\n\r\n" + ".z\r\n" * 10 + "y" * 65484 + "\r\n",
                                       "12345678\r\n"],
    "large": ["X: y\r\n\r\n", ("." + "x" * 70 + "\r\n") * 150_000],
}


@pytest.mark.parametrize("parts", MAILS.values(), ids=MAILS.keys())
def test_every_byte_arrives(build, parts):
    with Script(GREETING + transaction()) as script, Injector(build, script.url) as injector:
        assert injector.send(parts=parts)["outcome"] == "taken"
        assert script.mails.wait_count(1)[0] == stuffed("".join(parts))


def test_a_mail_that_breaks_off_in_the_middle_was_not_sent(build):
    """More than socket buffers hold: the end of the data cannot be out."""
    parts = ["X: y\r\n\r\n", ("x" * 70 + "\r\n") * 300_000]
    steps = ["line", b"250 m\r\n", "line", b"250 a\r\n", "line", b"354 go\r\n", "line"]
    with Script(GREETING + steps + ["reset"]) as script, Injector(build, script.url) as injector:
        assert injector.send(parts=parts)["outcome"] == "later"
    released = threading.Event()
    with Script(GREETING + steps + [released]) as script, \
            Injector(build, script.url, "1s") as injector:
        answer = injector.send(parts=parts)
        assert (answer["outcome"], answer["why"]) == ("later", "timeout")
        released.set()


@pytest.mark.parametrize("sender, rcpts", [
    (SENDER, []), (SENDER, ["a@world.example\r\nRCPT TO:<evil@world.example>"]),
    (SENDER, ["ok@world.example", "a b@world.example"]), (SENDER, ["a>@world.example"]),
    (SENDER, ["\0@world.example"]), (SENDER, [""]), ("a@b.example>\r\nDATA", ["ok@world.example"]),
])
def test_addresses_that_are_no_addresses_are_not_sent(build, sender, rcpts):
    with Script() as script, Injector(build, script.url) as injector:
        answer = injector.send(rcpts, sender=sender)
        assert (answer["outcome"], answer["why"]) == ("refused", "address")
        assert not script.said.items


# Where a stop finds the mail: the outcome, and whether an answer that comes still counts.
def test_a_stop_before_the_data_is_out_breaks_off(build):
    released = threading.Event()
    with Script(GREETING + ["line", released]) as script, Injector(build, script.url) as injector:
        injector.begin()
        script.said.wait(lambda line: line.startswith(b"MAIL"))
        injector.stop()
        answer = injector.answer()
        assert (answer["outcome"], answer["why"]) == ("connect", "stopped")
        assert injector.send()["why"] == "stopped"
        released.set()


def test_a_stop_waits_for_the_answer_to_a_mail_that_is_out(build):
    """Otherwise each restart would leave mails of which nobody knows."""
    answered = Pause(3)
    with Script(GREETING + transaction(end=None) + [answered, b"250 2.0.0 ok\r\n"]) as script, \
            Injector(build, script.url) as injector:
        injector.begin()
        script.mails.wait()
        injector.stop()
        assert injector.answer()["outcome"] == "taken"


def test_a_stop_does_not_wait_for_ever(build):
    released = threading.Event()
    with Script(GREETING + transaction(end=None) + [released]) as script, \
            Injector(build, script.url, "60s") as injector:
        injector.begin()
        script.mails.wait()
        injector.stop()
        answer = injector.answer()
        assert (answer["outcome"], answer["why"]) == ("unknown", "stopped")
        assert answer["ms"] < 15000
        released.set()


# ---- the real one ----


def url_of(stack) -> str:
    return f"smtp://127.0.0.1:{stack.submission_port}"


def test_postfix_takes_mail_recipient_by_recipient(build, stack, account, make_agent):
    agent = make_agent()
    rcpts = ["far@world.example", "nobody@agents.example", agent]
    with Injector(build, url_of(stack)) as injector:
        for number in range(3):
            answer = injector.send(rcpts, parts=[mail.compose(
                SENDER, agent, f"inject {number}").decode()])
            assert (answer["outcome"], answer["code"]) == ("taken", 250)
            assert codes(answer) == [250, 550, 250]
            assert answer["rcpts"][1]["enhanced"] == "5.1.1"
            assert "nobody@agents.example" in answer["rcpts"][1]["text"]
            assert re.fullmatch(r"[0-9A-Za-z]{10,}", answer["queue_id"])
            stack.postfix.wait_log(rf"{answer['queue_id']}: from=<{SENDER}>")


def test_postfix_that_restarts_between_two_mails_is_no_trouble(build, stack, account):
    text = [mail.compose(SENDER, "far@world.example").decode()]
    with Injector(build, url_of(stack)) as injector:
        assert injector.send(["far@world.example"], parts=text)["outcome"] == "taken"
        stack.restart("postfix")
        assert injector.send(["far@world.example"], parts=text)["outcome"] == "taken"
        stack.postfix.stop()
        assert injector.send(["far@world.example"], parts=text)["outcome"] == "connect"
        stack.postfix.start()
        wait_until("Postfix to listen", lambda: injector.send(
            ["far@world.example"], parts=text)["outcome"] == "taken", 20)
