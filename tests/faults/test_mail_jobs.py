# SPDX-License-Identifier: Apache-2.0
"""The deployment's own mail, with a server that refuses, fails, hangs or is away,
and daemons that die meanwhile: nothing lost, at most a duplicate."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from scripts.stack import Stack
from scripts.stack.part import Port, wait_until
from scripts.stack.sink import Mail, MailSink

SETTINGS = {"submission_timeout": "2s", "feedback_to": "operator@far.example"}
LEASE_SECONDS = 2 * 2 + 20
AT_ONCE = 4


@pytest.fixture
def sink(stack: Stack, account) -> Iterator[MailSink]:
    with MailSink() as sink:
        stack.deliverd.stop()
        stack.configure(submission_url=sink.url)
        stack.deliverd.start()
        yield sink
        stack.deliverd.stop()
    with stack.db() as db, db.cursor() as query:
        query.execute("DELETE FROM mail_jobs")


@pytest.fixture
def mark(stack: Stack, sink: MailSink) -> int:
    return stack.deliverd.log_mark()


@pytest.fixture
def say(stack: Stack) -> Callable[[], str]:
    """Sends feedback; the word that its mail has."""
    def say() -> str:
        word = f"w{uuid.uuid4().hex}"
        body = json.dumps({"message": f"This is {word}.", "email": "carol@example.org"}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{stack.url}/api/feedback", body)) as a:
            assert a.status == 200
        return word

    return say


def jobs(stack: Stack) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT state, attempts, last_error, sealed = '' FROM mail_jobs ORDER BY id")
        return query.fetchall()


def wait_done(stack: Stack, timeout: float = 15.0) -> None:
    wait_until("all jobs to end", lambda: not jobs(stack), timeout)


def has(word: str) -> Callable[[Mail], bool]:
    return lambda mail: word in mail.text


def first_then(first: str, then: str = "250 2.0.0 taken") -> Callable[[Mail], str]:
    replies = iter([first])
    return lambda _: next(replies, then)


def wait_deferred(stack: Stack, mark: int, reason: str, timeout: float = 15.0) -> None:
    stack.deliverd.wait_log(f'mail_deferred .*reason="?{reason}"? ', mark, timeout)


def test_a_mail_is_clean_on_the_wire(stack, sink, say):
    mail = sink.wait(has(say()))
    assert (mail.sender, mail.recipients) == ("noreply@mx.agents.example", ["operator@far.example"])
    lines = mail.raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 78 and all(byte < 128 for byte in mail.raw)
    fields = [name.lower() for name in mail.parsed.keys()]
    assert sorted(fields) == sorted(set(fields))
    assert {"from", "to", "date", "message-id", "subject", "mime-version"} <= set(fields)
    wait_done(stack)


def test_4xx_is_tried_again(stack, sink, say, mark):
    sink.reply = first_then("451 4.3.0 not now")
    word = say()
    wait_deferred(stack, mark, "smtp 451")
    sink.wait(has(word))
    first, second = sink.tries.wait_count(2)
    assert first.raw == second.raw
    wait_done(stack)


def test_5xx_is_final_and_says_nothing_any_more(stack, sink, say, mark):
    sink.reply = lambda _: "550 5.7.1 never"
    say()
    stack.deliverd.wait_log('mail_failed .*reason="smtp 550"', mark)
    assert jobs(stack) == [("failed", 1, "smtp 550", True)]
    assert len(sink.tries.items) == 1


def test_nothing_that_was_said_is_in_the_log(stack, sink, say, mark):
    sink.reply = first_then("451 4.3.0 operator@far.example is busy")
    word = say()
    sink.wait(has(word))
    wait_done(stack)
    log = stack.deliverd.log_since(mark)
    assert "mail_sent" in log
    assert not any(text in log for text in (word, "operator@", "carol@", "busy"))


def test_a_server_that_is_away_comes_back(stack, sink, say):
    claim = Port("SINK")
    stack.configure(submission_url=f"smtp://127.0.0.1:{claim.number}")
    stack.deliverd.restart()
    mark = stack.deliverd.log_mark()
    word = say()
    wait_deferred(stack, mark, "connect")
    with MailSink(claim) as back:
        back.wait(has(word))
        wait_done(stack)
        stack.deliverd.stop()


def test_a_server_that_serves_nobody_now_is_asked_again(stack, sink, say):
    claim = Port("SINK")
    stack.configure(submission_url=f"smtp://127.0.0.1:{claim.number}")
    with socket.create_server(("127.0.0.1", claim.number)) as server:
        thread = threading.Thread(target=turn_away, args=[server])
        thread.start()
        stack.deliverd.restart()
        mark = stack.deliverd.log_mark()
        word = say()
        wait_deferred(stack, mark, "smtp 554")
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    with MailSink(claim) as back:
        back.wait(has(word))
        wait_done(stack)
        stack.deliverd.stop()


def turn_away(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            client.sendall(b"554 5.3.2 no service\r\n")
            client.close()


def test_a_server_that_hangs_is_left(stack, sink, say, mark):
    gone = threading.Event()
    sink.reply = lambda mail: "250 2.0.0 too late" if len(sink.tries.items) > 1 or gone.wait(30) \
        else ""
    word = say()
    wait_deferred(stack, mark, "timeout")
    sink.tries.wait_count(2)
    gone.set()
    sink.wait(has(word))
    wait_done(stack)


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(stack, sink, say, tmp_path):
    pem = tmp_path / "pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", tmp_path / "cert"],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert", pem)
    with MailSink(tls=tls) as secret:
        stack.configure(submission_url=secret.url)
        stack.deliverd.restart()
        mark = stack.deliverd.log_mark()
        say()
        wait_deferred(stack, mark, "tls")
        assert not secret.tries.items
        stack.deliverd.stop()


def test_a_kill_before_the_answer_loses_nothing(stack, sink, say):
    held = threading.Event()
    sink.reply = lambda _: "250 2.0.0 taken" if len(sink.tries.items) > 1 or held.wait(30) else ""
    word = say()
    sink.tries.wait()
    stack.deliverd.kill()
    held.set()
    stack.deliverd.start()
    sink.tries.wait_count(2, LEASE_SECONDS + 15)
    assert all(word in mail.text for mail in sink.tries.items)
    wait_done(stack)


def test_a_kill_before_the_end_is_written_makes_a_duplicate_that_shows(stack, sink, say):
    locks = []

    def lock(_: Mail) -> str:
        if not locks:
            locks.append(stack.postgres.connect())
            locks[0].autocommit = False
            locks[0].cursor().execute("LOCK TABLE mail_jobs IN SHARE MODE")
        return "250 2.0.0 taken"

    sink.reply = lock
    word = say()
    sink.wait(has(word))
    stack.deliverd.kill()
    locks[0].rollback()
    locks[0].close()
    stack.deliverd.start()
    first, second = sink.wait_count(2, LEASE_SECONDS + 15)
    assert first.raw == second.raw
    wait_done(stack)
    assert len(sink.items) == 2


def test_an_end_is_written_when_postgres_is_back(stack, sink, say, mark):
    def stop(_: Mail) -> str:
        stack.postgres.stop()
        return "250 2.0.0 taken"

    sink.reply = stop
    word = say()
    sink.wait(has(word))
    stack.deliverd.wait_log("mail_result_not_written", mark)
    sink.reply = lambda _: "250 2.0.0 taken"
    stack.postgres.start()
    wait_done(stack, LEASE_SECONDS)
    assert len(sink.tries.items) == 1
    wait_until("REST", lambda: rest_is_back(stack))


def rest_is_back(stack: Stack) -> bool:
    """Each worker finds its lost connection when it is used."""
    try:
        for _ in range(10):
            urllib.request.urlopen(f"{stack.url}/readyz").close()
        return True
    except OSError:
        return False


def test_a_stop_waits_for_nobody_and_loses_nothing(stack, sink, say):
    stack.deliverd.stop()
    stack.configure(submission_timeout="1m")
    stack.deliverd.start()
    held = threading.Event()
    sink.reply = lambda _: "250 2.0.0 taken" if len(sink.tries.items) > 1 or held.wait(60) else ""
    word = say()
    sink.tries.wait()
    assert stack.deliverd.stop() == 0
    assert jobs(stack) == [("pending", 1, "stopped", False)]
    held.set()
    stack.configure(submission_timeout="2s")
    stack.deliverd.start()
    sink.wait(lambda mail: word in mail.text and len(sink.tries.items) > 1)
    wait_done(stack)


def test_a_backlog_waits_in_the_database(stack, sink, say):
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Event()

    def count(_: Mail) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == AT_ONCE:
                full.set()
        full.wait(10)
        with lock:
            now -= 1
        return "250 2.0.0 taken"

    sink.reply = count
    words = [say() for _ in range(20)]
    assert {w for w in words for m in sink.wait_count(20, 30) if w in m.text} == set(words)
    wait_done(stack)
    assert most == AT_ONCE and len(sink.tries.items) == 20


def test_two_daemons_send_each_mail_once(stack, sink, second, say):
    words = [say() for _ in range(30)]
    sink.wait_count(30, 30)
    wait_done(stack)
    assert sorted(w for w in words for m in sink.tries.items if w in m.text) == sorted(words)
    assert "mail_sent" in second.log_since()


@pytest.mark.parametrize("change, why", [
    ("expires_at = clock_timestamp()", "expired"),
    ("sealed = sealed || 'x'", "unreadable"),
    ("recipient = 'no address'", "unusable"),
])
def test_what_cannot_be_sent_fails(stack, sink, say, change, why):
    stack.deliverd.stop()
    say()
    with stack.db() as db, db.cursor() as query:
        query.execute(f"UPDATE mail_jobs SET {change}")
    stack.deliverd.start()
    wait_until("the job to fail", lambda: jobs(stack) == [("failed", 1, why, True)])
    assert not sink.tries.items
