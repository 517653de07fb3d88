# SPDX-License-Identifier: Apache-2.0
"""A reviewer decides by answering the mail that asks: what counts as their word, what
does not, and who is told."""

from __future__ import annotations

import os
import re
import smtplib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.message import EmailMessage

import pytest

from scripts.stack import Stack
from scripts.stack.mail import Signer, compose
from scripts.stack.part import wait_until
from scripts.stack.reader import send_lmtp
from tests.integration.answers import Panel, Question, execute
from tests.integration.mailbox import wait_mails
from tests.integration.outbound import Author, ledger
from tests.integration.test_dkim import broken, sign_with
from tests.integration.tickets import Tickets, read_key

DOMAIN = "corp.example"
PENDING = ("pending_approval", "", "")


@pytest.fixture(scope="module")
def corp(stack: Stack) -> Signer:
    """The reviewers' domain, and others with the same key."""
    signer = Signer.new(DOMAIN)
    for domain in (DOMAIN, f"sub.{DOMAIN}", "elsewhere.example"):
        stack.dns.set(replace(signer, domain=domain).record[0], "TXT", signer.record[1])
    stack.dns.set("strict.example", "TXT", "v=spf1 -all")
    stack.dns.set("_dmarc.strict.example", "TXT", "v=DMARC1; p=reject; adkim=s")
    for domain in ("strict.example", "sub.strict.example"):
        stack.dns.set(replace(signer, domain=domain).record[0], "TXT", signer.record[1])
    stack.dns.reload()
    return signer


@pytest.fixture
def panel(author: Author, account, corp: Signer) -> Panel:
    return Panel(author, account.user_id, corp)


@pytest.fixture
def question(panel: Panel) -> Question:
    return panel.ask()


def subject_of(q: Question) -> str:
    """Of the one thing that the reviewer was told."""
    told, = q.wait_told()
    return str(told["Subject"])


# ---- decisions ----

def test_an_answer_approves(world, panel, question):
    line = question.post(panel.sign(question.letter("Approve.\n\n> long text\n")))
    assert "outcome=approved" in line and "told=1" in line
    assert question.state == ("sent", "mail", question.reviewer)
    assert world.wait_mail(question.to).parsed["Subject"].startswith("Held ")
    told, = question.wait_told()
    assert told["Subject"].startswith("[e2a] approved: Held ")
    assert told["Auto-Submitted"] == "auto-replied" and told["Reply-To"] is None
    assert panel.author.address in told.get_content()
    events = [e for e in ledger(question.stack, question.id) if e[0] == "hold"]
    assert events == [("hold", "approved", "mail")]


def test_an_answer_rejects_and_says_why(world, panel, question):
    question.post(panel.sign(question.letter("REJECT: wrong tone\n\n> approve\n")))
    assert question.state == ("rejected", "mail", question.reviewer)
    (why,), = execute(question.stack, "SELECT rejection_reason FROM messages WHERE id = %s",
                      question.id)
    assert why == "wrong tone"
    told, = question.wait_told()
    assert told["Subject"].startswith("[e2a] rejected: Held ") and "wrong tone" in told.get_content()
    assert world.mails_to(question.to) == []


def test_a_rejection_needs_no_reason(panel, question):
    question.post(panel.sign(question.letter("reject\n")))
    assert execute(question.stack, "SELECT rejection_reason FROM messages WHERE id = %s",
                   question.id) == [("mail rejection",)]


def alternative(text: str, html: str = "<p>no") -> dict[str, str]:
    return {"MIME_Version": "1.0", "Content_Type": 'multipart/alternative; boundary="b1"',
            "body": f"--b1\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
                    f"--b1\nContent-Type: text/html\n\n{html}\n--b1--\n"}


# Answers as mail programs make them.
GOOD: dict[str, Callable[[Panel, Question], bytes]] = {
    "text and HTML": lambda p, q: p.sign(q.letter(**alternative("approve"))),
    "base64": lambda p, q: p.sign(q.letter("QXBwcm92ZSEK\n", Content_Transfer_Encoding="base64")),
    "a domain below": lambda p, q: replace(p.signer, domain=f"sub.{DOMAIN}").sign(q.letter()),
    "no display name": lambda p, q: p.sign(q.letter(From=q.reviewer)),
    "other case": lambda p, q: p.sign(q.letter(From=q.reviewer.upper(), To=q.address.upper())),
    "others beside": lambda p, q: p.sign(q.letter(To=f"x@{DOMAIN}, {q.address}",
                                                  Cc="y@far.example")),
    "two signatures": lambda p, q: broken(sign_with(p.signer, p.sign(q.letter()))),
    "signed by hand": lambda p, q: sign_with(
        p.signer, q.letter(), "from:to:subject", h="From : TO\r\n\t:subject"),
    "more signed than there is": lambda p, q: p.sign(q.letter(), include_headers=[
        b"from", b"to", b"from", b"to", b"cc"]),
    "Auto-Submitted: no": lambda p, q: p.sign(q.letter(Auto_Submitted="no")),
    "Content-Type left unsigned": lambda p, q: sign_with(
        p.signer, q.letter(**alternative("approve"))),
}


def quoted(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",)).get_content()
    return "".join(f"> {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("own_domain", [False, True], ids=["shared domain", "own domain"])
def test_the_mail_that_asks_can_just_be_answered(stack, world, panel, own_author, own_domain):
    """From the hold to the recipient, with nothing made here but the answer."""
    if own_domain:
        status, made = panel.author.api.post("/api/v1/agents", {
            "email": f"e{os.urandom(4).hex()}@{own_author.domain}", "agent_mode": "local"})
        assert status == 201, made
        panel = replace(panel, author=replace(panel.author, address=made["email"]))
    reviewer = panel.reviewer()
    id, to = panel.hold()
    notice, = wait_mails(stack, reviewer)
    q = Question(stack, id, to, reviewer, str(notice["Reply-To"]))
    assert q.address.endswith(f"@{panel.author.domain}")
    answer = q.letter(f"Approve\n\n> On Monday e2a wrote:\n{quoted(notice)}", Subject=f"Re: "
                      f"{notice['Subject']}", In_Reply_To=str(notice["Message-ID"]))
    assert "outcome=approved" in q.post(panel.sign(answer))
    assert world.wait_mail(to).parsed["Subject"].startswith("Held ")
    assert subject_of(q).startswith("[e2a] approved: ")


@pytest.mark.parametrize("make", GOOD.values(), ids=list(GOOD))
def test_answers_of_every_kind_count(panel, question, make):
    assert "outcome=approved" in question.post(make(panel, question))
    assert question.state[0] == "sent"


# ---- what is nobody's word ----

def twice(field: bytes) -> Callable[[bytes], bytes]:
    return lambda message: field + b"\r\n" + message


BAD: dict[str, tuple[str, Callable[[Panel, Question], bytes]]] = {
    "no signature": ("no_dkim", lambda p, q: q.letter()),
    "a broken signature": ("no_dkim", lambda p, q: broken(p.sign(q.letter()))),
    "a changed answer": ("no_dkim", lambda p, q: p.sign(q.letter("reject\n")).replace(
        b"reject", b"approve")),
    "another domain": ("not_aligned", lambda p, q: replace(
        p.signer, domain="elsewhere.example").sign(q.letter())),
    "To not signed": ("addresses_not_signed", lambda p, q: sign_with(
        p.signer, q.letter(), "from:subject:date")),
    "To signed by another domain only": ("addresses_not_signed", lambda p, q: sign_with(
        p.signer, sign_with(replace(p.signer, domain="elsewhere.example"), q.letter()),
        "from:subject")),
    "a part of the body signed": ("no_dkim", lambda p, q: p.sign(q.letter(), length=True)),
    "nothing of the body signed": ("no_dkim", lambda p, q: sign_with(
        p.signer, q.letter(), hashed=b"", l="0")),
    "two From fields": ("from", lambda p, q: twice(f"From: {q.reviewer}".encode())(
        sign_with(p.signer, q.letter(), "from:to"))),
    "two authors": ("from", lambda p, q: p.sign(q.letter(
        From=f"{q.reviewer}, mallory@{DOMAIN}"))),
    "a group of authors": ("from", lambda p, q: p.sign(q.letter(From=f"us: {q.reviewer};"))),
    "another author of the domain": ("other_author", lambda p, q: p.sign(q.letter(
        From=f"mallory@{DOMAIN}"))),
    "the reviewer as a name": ("other_author", lambda p, q: p.sign(q.letter(
        From=f'"{q.reviewer}" <mallory@{DOMAIN}>'))),
    "the reviewer as a comment": ("from", lambda p, q: p.sign(q.letter(
        From=f"mallory@{DOMAIN} ({q.reviewer})"))),
    "the reviewer with a tag": ("other_author", lambda p, q: p.sign(q.letter(
        From=q.reviewer.replace("@", "+x@")))),
    "two To fields": ("to", lambda p, q: twice(b"To: x@far.example")(
        sign_with(p.signer, q.letter(), "from:to"))),
    "the address in Cc only": ("to", lambda p, q: p.sign(q.letter(
        To="x@far.example", Cc=q.address))),
    "no To": ("to", lambda p, q: p.sign(q.letter().replace(b"\r\nTo: ", b"\r\nX-To: "))),
    "the address as a name": ("to", lambda p, q: p.sign(q.letter(
        To=f'"{q.address}" <x@far.example>'))),
    "two addresses": ("to", lambda p, q: p.sign(q.letter(
        To=f"{q.address}, review-{'0' * 32}@{p.author.domain}"))),
    "an automatic answer": ("automatic", lambda p, q: p.sign(q.letter(
        Auto_Submitted="auto-replied"))),
    "a mailing list": ("list", lambda p, q: p.sign(q.letter(List_Id="<l.corp.example>"))),
    "bulk": ("list", lambda p, q: p.sign(q.letter(Precedence="bulk"))),
    "a forged verdict": ("no_dkim", lambda p, q: b"X-E2A-Verdict: v=1; dkim=pass; s=AAAA\r\n"
                         + q.letter()),
    "forged results": ("no_dkim", lambda p, q: b"Authentication-Results: mx.test; dkim=pass "
                       b"header.d=corp.example\r\n" + q.letter()),
}


@pytest.mark.parametrize("reason, make", BAD.values(), ids=list(BAD))
def test_whatever_may_be_somebody_elses_is_dropped(panel, question, reason, make):
    line = question.post(make(panel, question))
    assert f"outcome={reason} " in line and "told=0" in line
    assert question.state == PENDING and question.ignored == [reason]
    # the reviewer's own still counts, and is the first that anybody hears of
    question.post(panel.sign(question.letter()))
    assert question.state[0] == "sent"
    assert subject_of(question).startswith("[e2a] approved: ")


def test_no_bounce_is_an_answer(panel, question):
    assert "outcome=null_sender " in question.post(panel.sign(question.letter()), "")
    assert question.state == PENDING and question.ignored == ["null_sender"]


def test_a_domain_may_ask_for_more(panel):
    q = panel.ask(panel.reviewer("rita@strict.example"))
    below = replace(panel.signer, domain="sub.strict.example")
    assert "outcome=dmarc " in q.post(below.sign(q.letter()))
    assert q.state == PENDING
    q.post(replace(panel.signer, domain="strict.example").sign(q.letter()))
    assert q.state[0] == "sent"


def test_the_signature_of_the_body_settles_where_it_begins(panel, question):
    """Who can change the unsigned Content-Type on its way makes no answer of a quotation."""
    text = "reject\n\n--b1\nContent-Type: text/plain\n\napprove\n\n--b1--\n"
    message = sign_with(panel.signer, question.letter(text))
    changed = b'Content-Type: multipart/mixed; boundary="b1"\r\n' + message
    assert "outcome=unclear " in question.post(changed)
    assert question.state == PENDING


def test_mail_past_the_milter_decides_nothing(panel, question):
    """As sendmail(1) on this host, or whoever reaches deliverd's socket."""
    message = panel.sign(question.letter())
    for more in (b"", b"X-E2A-Verdict: v=1; s=AAAA\r\n"):
        code, _ = send_lmtp(question.stack, question.reviewer, question.address, more + message,
                            IDENT=f"4{os.urandom(7).hex()}")
        assert code == 250
    assert question.state == PENDING and question.ignored == ["unjudged"] * 2


def test_an_agent_decides_nothing(panel, question):
    """Not even its own mail, whose address it may have guessed."""
    agent = Author(panel.stack, panel.author.api, panel.author.api.make_agent(
        f"sly{os.urandom(4).hex()}"))
    mark = panel.stack.deliverd.log_mark()
    agent.send(question.address, subject="x", body="approve\n")
    panel.stack.deliverd.wait_log("review_read .*outcome=agent ", mark)
    assert question.state == PENDING and question.ignored == ["agent"]


def test_mail_of_ours_with_the_reviewers_name_decides_nothing(panel, question):
    stack, verp = panel.stack, f"bounce-{os.urandom(16).hex()}@{panel.author.domain}"
    message = Tickets(read_key(stack)).stamp(panel.sign(question.letter()), verp,
                                             [question.address])
    mark = stack.deliverd.log_mark()
    with smtplib.SMTP("127.0.0.1", stack.inject_port) as smtp:
        smtp.sendmail(verp, [question.address], message)
    stack.deliverd.wait_log("review_read .*outcome=agent ", mark)
    assert question.state == PENDING


# ---- addresses ----

def test_only_addresses_that_were_given_out_exist(stack, question):
    token = question.address[7:39]
    for local in (f"review-{'0' * 32}", "review-", "review", f"review-{token}0", f"review-{token[1:]}",
                  f"review-{token}+x", f"review+{token}", f"{token}", f"bounce-{token}"):
        outcome = stack.send("x@far.example", f"{local}@{question.address[40:]}", question.letter())
        assert (outcome.code, outcome.text[:5]) == (550, "5.1.1"), (local, outcome)
    assert question.ignored == []


def test_links_are_no_addresses(stack, panel, question):
    """A token for another act is none here."""
    execute(stack, "UPDATE approval_tokens SET action = 'approve' WHERE hash = %s",
            question.token_hash)
    assert question.send(panel.sign(question.letter())).code == 550


def test_a_row_without_the_key_is_no_token(stack, panel, question):
    """Whoever writes to the database cannot make one."""
    token = os.urandom(16).hex()
    execute(stack, "INSERT INTO approval_tokens SELECT sha256(%s), message_id, user_id, action, "
            "reviewer, nonce, draft_hash, expires_at FROM approval_tokens WHERE hash = %s",
            token.encode(), question.token_hash)
    made = replace(question, address=f"review-{token}@{panel.author.domain}")
    mark = stack.postfix.log_mark()
    assert made.send(panel.sign(made.letter())).code == 250
    stack.postfix.wait_log(f"to=<{made.address}>.* 550 5.1.1", mark)
    assert question.state == PENDING


def test_an_address_is_good_for_its_own_mail_only(panel):
    reviewer = panel.reviewer()
    one, two = panel.ask(reviewer), panel.ask(reviewer)
    assert "outcome=to " in one.post(panel.sign(two.letter()))
    assert (one.state, two.state) == (PENDING, PENDING)
    two.post(panel.sign(two.letter()))
    assert (one.state, two.state[0]) == (PENDING, "sent")


def test_each_reviewer_has_an_address(panel):
    held = panel.hold()
    one, two = panel.ask(held=held), panel.ask(held=held)
    assert "outcome=other_author " in one.post(panel.sign(replace(
        two, address=one.address).letter()))
    assert one.state == PENDING
    two.post(panel.sign(two.letter("reject: no\n")))
    assert one.state == ("rejected", "mail", two.reviewer)
    assert "outcome=resolved " in one.post(panel.sign(one.letter()))
    assert subject_of(one).startswith("[e2a] rejected before: ")


def test_an_agent_beside_the_address_gets_its_mail(panel, question, wait_messages):
    """One envelope; the answer counts, and the agent's copy is stored."""
    message = panel.sign(question.letter(Cc=panel.author.address, Subject="Beside"))
    mark = panel.stack.deliverd.log_mark()
    outcome = panel.stack.send(question.reviewer, [question.address, panel.author.address], message)
    assert outcome.code == 250
    panel.stack.deliverd.wait_log("review_read .*outcome=approved", mark)
    wait_messages(panel.author.address, "Beside")
    assert question.state[0] == "sent"


# ---- what the reviewer is told ----

@pytest.mark.parametrize("body", ["Looks fine\n", "approve if you change X\n", "> approve\n", "\n"])
def test_an_answer_that_is_not_understood_is_asked_for_again(panel, question, body):
    assert "outcome=unclear " in question.post(panel.sign(question.letter(body)))
    assert question.state == PENDING and question.ignored == ["unclear"]
    told, = question.wait_told()
    assert told["Subject"].startswith("[e2a] not understood: ")
    assert told["Reply-To"] == question.address
    question.post(panel.sign(question.letter(Subject=f"Re: {told['Subject']}")))
    assert question.state[0] == "sent"


def test_html_alone_is_not_understood(panel, question):
    message = panel.sign(question.letter("<p>approve\n", Content_Type="text/html"))
    assert "outcome=unclear " in question.post(message)


def test_a_late_answer_is_told_so(panel):
    q = panel.ask(expires="-1 second")
    assert "outcome=expired " in q.post(panel.sign(q.letter()))
    assert q.state == PENDING and subject_of(q).startswith("[e2a] too late: ")


def test_an_answer_about_mail_that_is_gone_is_told_so(panel, question):
    execute(panel.stack, "DELETE FROM messages WHERE id = %s", question.id)
    assert "outcome=gone " in question.post(panel.sign(question.letter()))
    assert subject_of(question) == "[e2a] too late"


def test_the_same_answer_again_is_quiet_and_another_one_is_not(panel, question):
    answer = panel.sign(question.letter())
    assert "outcome=approved" in question.post(answer)
    for _ in range(2):
        line = question.post(answer)
        assert "outcome=repeated " in line and "told=0" in line
    assert "outcome=resolved " in question.post(panel.sign(question.letter("reject\n")))
    subjects = sorted(str(m["Subject"])[:21] for m in question.wait_told(2))
    assert subjects == ["[e2a] approved before", "[e2a] approved: Held "]
    assert question.state[0] == "sent"


def test_of_answers_at_once_one_decides(panel):
    """Of two reviewers who want different things, each by many copies."""
    held = panel.hold()
    one, two = panel.ask(held=held), panel.ask(held=held)
    yes, no = panel.sign(one.letter()), panel.sign(two.letter("reject\n"))
    with ThreadPoolExecutor(8) as pool:
        lines = list(pool.map(lambda n: two.post(no) if n % 2 else one.post(yes), range(12)))
    outcomes = [re.search("outcome=(\\w+)", line)[1] for line in lines]
    decided, = {"approved", "rejected"} & set(outcomes)
    assert outcomes.count(decided) == 1 and outcomes.count("resolved") == 6
    assert one.state[0] == {"approved": "sent", "rejected": "rejected"}[decided]
    assert [e for e in ledger(one.stack, one.id) if e[:2] == ("hold", decided)] == [
        ("hold", decided, "mail")]
    (winner, loser) = (one, two) if decided == "approved" else (two, one)
    winner.wait_told()
    loser.wait_told(6)


def waiting(stack: Stack) -> int:
    """How many sessions of e2a-deliverd wait for somebody's lock."""
    db = stack.postgres.connect("postgres")
    try:
        with db.cursor() as query:
            query.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'e2a_deliverd' "
                          "AND wait_event_type = 'Lock'")
            return query.fetchone()[0]
    finally:
        db.close()


def test_the_same_answer_twice_at_once_is_quiet_too(panel, question):
    stack, answer = panel.stack, panel.sign(question.letter())
    mark = stack.deliverd.log_mark()
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", [question.id])
        sent = [question.send(answer) for _ in range(2)]
        wait_until("both to wait", lambda: waiting(stack) == 2, 30)
    lines = [stack.deliverd.wait_log(f"review_read .*queue_id={s.queue_id}\\b", mark, 30)
             for s in sent]
    assert {re.search("outcome=(\\w+)", line)[1] for line in lines} == {"approved", "repeated"}
    question.wait_told()


def set_reviewer(q: Question, **columns: object) -> None:
    execute(q.stack, f"UPDATE reviewers SET {', '.join(f'{c} = %s' for c in columns)} "
            "WHERE address = %s", *columns.values(), q.reviewer)


CHANGED: dict[str, tuple[str, Callable[[Question], object]]] = {
    "who chose not to answer by mail": ("unauthorized", lambda q: set_reviewer(q, by_reply=False)),
    "who does not review any more": ("unauthorized", lambda q: set_reviewer(q, state="declined")),
    "a mail that was changed": ("changed", lambda q: execute(
        q.stack, "UPDATE messages SET subject = 'Another' WHERE id = %s", q.id)),
    "recipients that are suppressed": ("suppressed", lambda q: execute(
        q.stack, "INSERT INTO suppressions (user_id, address, reason) SELECT user_id, %s, 'bounce' "
        "FROM messages WHERE id = %s", q.to, q.id)),
}


@pytest.mark.parametrize("reason, change", CHANGED.values(), ids=list(CHANGED))
def test_what_changed_meanwhile_is_looked_at_again(panel, question, reason, change):
    panel.reviewer()  # another, so that the owner is not asked instead
    change(question)
    assert f"outcome={reason} " in question.post(panel.sign(question.letter()))
    assert question.state == PENDING
    assert re.match(r"\[e2a\] not (decided|sent): ", subject_of(question))


def test_a_flood_leaves_little_and_does_not_drown_the_reviewer(panel, question):
    log = panel.stack.deliverd
    mark, forged = log.log_mark(), question.letter(From=f"mallory@{DOMAIN}")
    for n in range(15):
        assert question.send(forged).code == 250
        assert question.send(panel.sign(question.letter(f"maybe {n}\n"))).code == 250
    wait_until("the flood to be over", lambda: log.log_since(mark).count(
        f"message_id={question.id} outcome=") == 30, 30, 0.1)
    question.post(panel.sign(question.letter("reject\n")))
    assert question.state[0] == "rejected"
    assert sorted(question.ignored) == ["other_author"] * 10 + ["unclear"] * 10
    question.wait_told(11)


def test_nothing_that_was_held_is_in_the_log(panel, question):
    mark = panel.stack.deliverd.log_mark()
    question.post(panel.sign(question.letter("reject: very secret words\n")))
    log = panel.stack.deliverd.log_since(mark)
    assert "secret words" not in log and question.address not in log
