# SPDX-License-Identifier: Apache-2.0
"""The links in a mail that asks a human: what each shows, who may use it, and that nothing
but a POST with the token does anything, whatever else comes by."""

from __future__ import annotations

import html
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from scripts.stack.mail import compose
from tests.integration.browser import Browser, Page
from tests.integration.client import Http
from tests.integration.link_tokens import (APPROVE, CONTENT, PATHS, REJECT, ask_about, b64,
                                         hold, mint, query, token_of, write)
from tests.integration.outbound import Author, address, attachment, ledger, state_of

ACTS = ("approve", "reject")
METHODS = ("GET", "POST")
HEADINGS = {"approve": "Approve message", "reject": "Reject message"}
RESOLVED = (409, "Already resolved",
            "This message has already been approved, rejected, or expired.")
GONE = (404, "Message not found", "This message no longer exists.")
INVALID = "This approval link isn't valid."
OTHER_ACT = "This approval link isn't valid for this action."
NO_TOKEN = "This approval link is missing its token."
EXPIRED = "This approval link has expired. Visit the dashboard to review pending messages."


@pytest.fixture
def browser(stack, account) -> Browser:
    return Browser(stack.http_port)


def other(act: str) -> str:
    return "reject" if act == "approve" else "approve"


def visit(browser: Browser, method: str, act: str, token: str) -> Page:
    if method == "GET":
        return browser.get(f"{PATHS[act]}?t={token}")
    return browser.request("POST", PATHS[act], f"t={token}".encode(),
                           "Content-Type: application/x-www-form-urlencoded")


def said(page: Page) -> tuple[int, str, str]:
    """Status, heading, and the text of a page that says one thing."""
    found = re.search(r"<h1>(.*)</h1>\n<p>(.*)</p>\n</main>", page.text, re.S)
    assert found and not page.forms and not page.links, page.text
    heading, text = (html.unescape(part) for part in found.groups())
    assert f"<title>{found[1]} — e2a</title>" in page.text
    return page.status, heading, text


def about_token(method: str, act: str, status: int, text: str) -> tuple[int, str, str]:
    return status, HEADINGS[act] if method == "GET" else "Invalid confirmation", text


def is_pending(stack, message_id: str) -> bool:
    """And nothing else has happened to it."""
    return (state_of(stack, message_id)[0] == "pending_approval"
            and [row for row in ledger(stack, message_id) if row[0] == "hold"] == [])


every_way = pytest.mark.parametrize("method,act", [(m, a) for m in METHODS for a in ACTS])


# ---- looking, then deciding ----

def test_a_reviewer_looks_and_approves(stack, world, author, browser, account):
    to, cc, bcc = address(), address(), address()
    subject = f"Offer {os.urandom(4).hex()}"
    held = hold(author, to=[to], cc=[cc], bcc=[bcc], subject=subject, body="Dear all,\n\nyes.\n",
                html_body="<p>Dear all</p>", attachments=[attachment("a b.pdf", "application/pdf",
                                                                     b"%PDF" * 500)])
    token = mint(stack, held, "approve")
    page = visit(browser, "GET", "approve", token)
    assert page.status == 200 and page.form.method == "POST" and page.form.action == APPROVE
    assert page.form.fields == {"t": token}
    assert ">Approve &amp; send</button>" in page.text
    for text in (author.address, to, cc, bcc, subject, "Dear all,\n\nyes.\n", "a b.pdf",
                 "application/pdf", "2.0 kB", "&lt;p&gt;Dear all&lt;/p&gt;"):
        assert text in page.text, text
    (expires,), = query(stack, "SELECT approval_expires_at FROM messages WHERE id = %s", held)
    shown = re.search(r"<dt>Expires</dt><dd><bdi>(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC)</bdi>",
                      page.text)[1]
    assert parsedate_to_datetime(shown.replace("UTC", "+0000")) == expires.replace(microsecond=0)
    assert is_pending(stack, held)

    mark = stack.apid.log_mark()
    done = browser.submit(page)
    assert said(done) == (200, "Approved", f"Your message to {to} has been sent.")
    assert re.search(rf"message_approved request=\w+ by=link message={held} "
                     rf"user={account.user_id}", stack.apid.log_since(mark))
    assert token not in stack.apid.log_since(mark)
    author.wait_status(held, {a: "delivered" for a in (to, cc, bcc)})
    assert world.wait_mail(to, subject)
    assert ("hold", "approved", "link") in ledger(stack, held)
    assert query(stack, "SELECT status, review_channel, reviewed_by FROM messages WHERE id = %s",
                 held) == [("sent", "link", account.email)]
    assert said(visit(browser, "POST", "approve", token)) == RESOLVED
    assert len(world.mails_to(to)) == 1


@pytest.mark.parametrize("reason,stored", [
    ("  wrong tone \r\n", "wrong tone"),
    ("", "magic-link rejection"),
    (" \t ", "magic-link rejection"),
    (None, "magic-link rejection"),
    ("ü" * 300, "ü" * 200),
    ("<b>\"&'", "<b>\"&'"),
    ("a\0b\udcff", "ab\ufffd"),
])
def test_a_reviewer_looks_and_rejects(stack, world, author, browser, account, reason, stored):
    to = address()
    held = hold(author, to=[to])
    token = mint(stack, held, "reject")
    page = visit(browser, "GET", "reject", token)
    assert page.status == 200 and page.form.action == REJECT and ">Reject</button>" in page.text
    assert page.form.fields == {"t": token, "reason": ""}
    assert re.search(r'<input type="text"[^>]* name="reason" maxlength="200"', page.text)
    fields = {} if reason is None else {"reason": reason}
    done = browser.submit(page, **fields)
    assert said(done) == (200, "Rejected",
                          "The message has been discarded and will not be sent.")
    assert query(stack, "SELECT status, rejection_reason, review_channel, reviewed_by "
                 "FROM messages WHERE id = %s", held) == [("rejected", stored, "link",
                                                           account.email)]
    assert query(stack, "SELECT count(*) FROM outbound_drafts WHERE message_id = %s",
                 held) == [(0,)]
    for act in ACTS:
        assert said(visit(browser, "POST", act, mint(stack, held, act))) == RESOLVED
    assert world.knocks_for(to) == []


def test_cc_only_mail_goes_to_the_recipient(stack, author, browser):
    held = hold(author, to=[], cc=[address()])
    page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
    assert "<dt>To</dt>" not in page.text and "<dt>Cc</dt>" in page.text
    assert said(browser.submit(page))[2] == "Your message to the recipient has been sent."


# ---- every way in which it does not work ----

@every_way
def test_without_a_token(browser, method, act):
    want = about_token(method, act, 400, NO_TOKEN)
    assert said(visit(browser, method, act, "")) == want
    target = PATHS[act]
    body = None if method == "GET" else b""
    assert said(browser.request(method, target, body)) == want
    assert said(browser.request(method, f"{target}?token=x", body)) == want


MALFORMED = {
    "only a dot": ".",
    "two dots": "..",
    "no dot": "bXNnX3h8YXBwcm92ZXwx",
    "bad base64": "%21%21%21.%3F%3F%3F",
    "base64 of another alphabet": "bXNn%2FA.bXNn%2FA",
    "two fields": token_of(b"k", "msg_x|approve"),
    "four fields": token_of(b"k", "msg_x|approve|1|2"),
    "expiry that is no number": token_of(b"k", "msg_x|approve|soon"),
    "huge expiry": token_of(b"k", "msg_x|approve|99999999999999999999999"),
    "unknown action": token_of(b"k", "msg_x|delete|4000000000"),
    "nothing signed": "." + b64(bytes(32)),
    "NUL": "%00",
    "not UTF-8": "%FF.%FE",
    "very long": "A" * 8000,
    "longest payload": token_of(b"k", "m" * 400 + "|approve|4000000000"),
    "hex of a reply": "0123456789abcdef0123456789abcdef",
    "well made by somebody else": token_of(b"k" * 32, "msg_0190b3a4c5d67e8f90a1b2c3d4e5f607|"
                                                      "approve|4000000000"),
}


@every_way
@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_token(browser, method, act, token):
    assert said(visit(browser, method, act, token)) == about_token(method, act, 400, INVALID)


@pytest.fixture
def held(author) -> str:
    return hold(author, to=[address()])


@every_way
def test_signing_secrets_authorise_nothing(stack, browser, held, api, method, act):
    """Nor do the account's other keys, although tokens were once made with these."""
    status, made = api.post("/api/v1/users/me/signing-secrets", {"name": "mine"})
    assert status == 201
    ask = ask_about(stack, held)
    payload = f"{held}|{act}|{ask.expires}"
    try:
        for key in (made["secret"].encode(), bytes.fromhex(made["secret"]),
                    (stack.state / "secret").read_bytes() if (stack.state / "secret").exists()
                    else b"secret"):
            token = token_of(key, payload)
            assert said(visit(browser, method, act, token)) == about_token(method, act, 400, INVALID)
            # ... not even where somebody got it into the database
            write(stack, ask, token, act)
            assert said(visit(browser, method, act, token)) == about_token(method, act, 400, INVALID)
    finally:
        api.call("DELETE", f"/api/v1/users/me/signing-secrets/{made['id']}")
    assert is_pending(stack, held)


@every_way
@pytest.mark.parametrize("what,value", [
    ("message_id", "msg_0190b3a4c5d67e8f90a1b2c3d4e5f607"), ("reviewer", "eve@people.example"),
    ("nonce", bytes(16)), ("draft", bytes(32)), ("user_id", "usr_x")])
def test_a_token_is_bound_to_all_that_it_is_about(stack, browser, held, method, act, what, value):
    """The row says what it should; the key was another one's."""
    ask = ask_about(stack, held)
    token = replace(ask, **{what: value}).token(stack, act)
    write(stack, ask, token, act)
    assert said(visit(browser, method, act, token)) == about_token(method, act, 400, INVALID)
    assert is_pending(stack, held)


@every_way
def test_a_token_of_the_other_act(stack, browser, held, method, act):
    token = mint(stack, held, other(act))
    assert said(visit(browser, method, act, token)) == about_token(method, act, 400, OTHER_ACT)
    assert is_pending(stack, held)


@every_way
@pytest.mark.parametrize("ago", ["0", "1 year"])
def test_an_expired_token(stack, browser, held, method, act, ago):
    token = mint(stack, held, act)
    query(stack, "UPDATE approval_tokens SET expires_at = clock_timestamp() - %s::interval "
          "WHERE hash = sha256(%s)", ago, token.encode())
    assert said(visit(browser, method, act, token)) == about_token(method, act, 410, EXPIRED)
    assert is_pending(stack, held)


def test_a_link_outlives_its_hold_until_somebody_ends_that(stack, author, browser):
    """The ten minutes behind the end of a hold are not nothing."""
    held = hold(author, to=[address()])
    token = mint(stack, held, "reject")
    assert query(stack, "SELECT t.expires_at >= m.approval_expires_at + interval '599 s' FROM "
                 "messages m JOIN approval_tokens t ON t.message_id = m.id WHERE t.hash = "
                 "sha256(%s)", token.encode()) == [(True,)]
    assert said(visit(browser, "POST", "reject", token))[0] == 200


@every_way
def test_a_message_that_is_gone(stack, browser, held, author, method, act):
    token = mint(stack, held, act)
    assert author.api.call("DELETE", f"{author.path}")[0] == 200
    assert said(visit(browser, method, act, token)) == GONE


@every_way
@pytest.mark.parametrize("status", ["sent", "rejected", "expired_approved", "expired_rejected"])
def test_a_message_that_is_decided(stack, browser, held, method, act, status):
    token = mint(stack, held, act)
    query(stack, "UPDATE messages SET status = %s WHERE id = %s", status, held)
    assert said(visit(browser, method, act, token)) == RESOLVED
    assert state_of(stack, held)[0] == status


@every_way
def test_a_draft_that_has_changed(stack, browser, held, method, act):
    token = mint(stack, held, act)
    query(stack, "UPDATE messages SET subject = 'Other' WHERE id = %s", held)
    status, heading, text = said(visit(browser, method, act, token))
    assert (status, heading) == (409, "The message has changed") and "earlier version" in text
    assert is_pending(stack, held)


def name_reviewer(stack, author: Author, who: str) -> None:
    query(stack, "INSERT INTO reviewers (id, user_id, agent_email, address, folded, state, link_hash, "
          "link_expires_at, confirmed_at) SELECT 'rev_' || md5(%s), user_id, email, %s, lower(%s), "
          "'active', sha256(%s), now(), now() FROM agents WHERE email = %s", who, who, who,
          who.encode(), author.address)


@every_way
def test_a_reviewer_who_is_asked_no_more(stack, browser, held, author, method, act):
    who = f"Reviewer-{os.urandom(4).hex()}@people.example"
    name_reviewer(stack, author, who)
    token, owners = mint(stack, held, act, who), mint(stack, held, act)
    for _ in range(2):
        status, heading, text = said(visit(browser, method, act, owners))
        assert (status, heading) == (403, "No longer yours to decide")
        owners, token = token, owners
        query(stack, "DELETE FROM reviewers WHERE agent_email = %s", author.address)
    assert is_pending(stack, held)


def test_a_named_reviewer_decides(stack, browser, held, author):
    who = f"Reviewer-{os.urandom(4).hex()}@people.example"
    name_reviewer(stack, author, who)
    token = mint(stack, held, "reject", who.upper())
    assert said(visit(browser, "POST", "reject", token))[1] == "Rejected"
    assert query(stack, "SELECT reviewed_by FROM messages WHERE id = %s",
                 held) == [(who.upper(),)]


def test_an_agent_whose_domain_is_not_verified(stack, browser, held, author):
    token = mint(stack, held, "approve")
    query(stack, "UPDATE domains SET verified = false WHERE domain = %s", author.domain)
    try:
        assert visit(browser, "GET", "approve", token).status == 200
        status, heading, _ = said(visit(browser, "POST", "approve", token))
        assert (status, heading) == (403, "Agent not verified")
    finally:
        query(stack, "UPDATE domains SET verified = true WHERE domain = %s", author.domain)
    assert is_pending(stack, held)
    assert said(visit(browser, "POST", "approve", token))[1] == "Approved"


def test_mail_that_nobody_would_get_any_more(stack, browser, author, account):
    to = address()
    held = hold(author, to=[to])
    token = mint(stack, held, "approve")
    query(stack, "INSERT INTO suppressions (user_id, address, reason, code, detail, message_id) "
          "VALUES (%s, %s, 'bounce', '5.1.1', '', %s)", account.user_id, to, held)
    assert said(visit(browser, "POST", "approve", token)) == (
        400, "Cannot send", "Every recipient is on the suppression list.")
    assert is_pending(stack, held)


def test_a_database_that_is_away(stack, browser, held):
    """Pages too are pages then, and nothing was decided."""
    tokens = {act: mint(stack, held, act) for act in ACTS}
    for method, act in [(m, a) for m in METHODS for a in ACTS]:
        query(stack, "REVOKE SELECT ON e2a.approval_tokens FROM e2a_apid")
        try:
            page = visit(browser, method, act, tokens[act])
        finally:
            query(stack, "GRANT SELECT ON e2a.approval_tokens TO e2a_apid")
        assert said(page)[:2] == (500, "Something went wrong")
    for act, function, heading in (("approve", "approve_hold", "Send failed"),
                                   ("reject", "reject_hold", "Rejection failed")):
        query(stack, f"REVOKE EXECUTE ON FUNCTION e2a.{function} FROM e2a_apid")
        try:
            page = visit(browser, "POST", act, tokens[act])
        finally:
            query(stack, f"GRANT EXECUTE ON FUNCTION e2a.{function} TO e2a_apid")
        assert said(page)[:2] == (500, heading)
    assert is_pending(stack, held)


# ---- how a form may come ----

def multipart(fields: dict[str, str], boundary: str = "----x7Y") -> bytes:
    return "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                   for name, value in fields.items()).encode() + f"--{boundary}--\r\n".encode()


MULTIPART = "Content-Type: multipart/form-data; boundary=----x7Y"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize("target,body,fields", [
    (REJECT, lambda t: f"t={t}&reason=no+thanks".encode(), [URLENCODED]),
    (REJECT, lambda t: f"reason=no%20thanks&t={t.replace('.', '%2E')}".encode(), []),
    (REJECT, lambda t: multipart({"t": t, "reason": "no thanks"}), [MULTIPART]),
    (REJECT + "?t={}", lambda t: b"reason=no+thanks", [URLENCODED]),
    (REJECT + "?t={}", lambda t: multipart({"reason": "no thanks"}), [MULTIPART]),
    (REJECT + "?t=bad", lambda t: f"t={t}&reason=no+thanks".encode(), [URLENCODED]),
], ids=["urlencoded", "without a type", "multipart", "in the query", "query and multipart", "both"])
@pytest.mark.parametrize("fields_of_browser", [
    [], ["Origin: null"], ["Origin: https://mail.example", "Sec-Fetch-Site: cross-site"],
    ["Cookie: e2a_session=nobody"], ["Authorization: Bearer nobody"]],
    ids=["text browser", "opaque", "web mail", "cookie", "key"])
def test_a_form_may_come_in_many_ways(stack, browser, held, target, body, fields,
                                      fields_of_browser):
    """The token is the authority: no page has to vouch for it and no cookie to help."""
    token = mint(stack, held, "reject")
    page = browser.request("POST", target.format(token), body(token), *fields, *fields_of_browser)
    assert said(page)[1] == "Rejected"
    assert query(stack, "SELECT rejection_reason FROM messages WHERE id = %s",
                 held) == [("no thanks",)]


@pytest.mark.parametrize("act", ACTS)
def test_a_form_that_is_too_large_decides_nothing(stack, browser, held, act):
    token = mint(stack, held, act)
    body = f"t={token}&reason={'x' * 70000}".encode()
    page = browser.request("POST", PATHS[act], body, URLENCODED)
    assert said(page) == (400, "Invalid confirmation", NO_TOKEN)
    assert page.answer.closes and is_pending(stack, held)


def test_a_chunked_form_is_read(stack, browser, held):
    token = mint(stack, held, "reject")
    body = f"t={token}".encode()
    with Http(stack.http_port) as http:
        http.write(http.head("POST", REJECT, "Transfer-Encoding: chunked", URLENCODED)
                   + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert http.answer().status == 200
    assert state_of(stack, held)[0] == "rejected"


# ---- nothing but a POST acts ----

PREFETCH = [["Sec-Purpose: prefetch"], ["Purpose: prefetch"], ["X-Moz: prefetch"],
            ["X-HTTP-Method-Override: POST"], ["Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1"],
            ["Content-Type: application/x-www-form-urlencoded"]]


@pytest.mark.parametrize("act", ACTS)
def test_nothing_but_a_post_acts(stack, browser, held, act):
    token = mint(stack, held, act)
    target = f"{PATHS[act]}?t={token}&reason=x&_method=POST"
    for fields in PREFETCH:
        assert browser.request("GET", target, None, *fields).status == 200
    with Http(stack.http_port) as http:
        assert http.request("GET", target, f"t={token}".encode(), URLENCODED).status == 200
        for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"):
            answer = http.request(method, target)
            assert (answer.status, answer.body) == (405, b""), method
    assert is_pending(stack, held)
    assert query(stack, "SELECT used_at FROM approval_tokens WHERE hash = sha256(%s)",
                 token.encode()) == [(None,)]


@pytest.mark.parametrize("act", ACTS)
def test_a_scanner_that_follows_every_link_decides_nothing(stack, browser, author, act):
    held = hold(author, to=[address()], html_body="<a href='http://x.example'>x</a>",
                attachments=[attachment("a.txt", "text/plain", b"x")])
    seen: set[str] = set()
    todo = [f"{PATHS[act]}?t={mint(stack, held, act)}"]
    while todo:
        target = todo.pop()
        seen.add(target)
        page = browser.get(target)
        assert page.status == 200
        assert all(link.startswith("/api/v1/approve/content?") for link in page.links)
        todo += [link for link in page.links if link not in seen]
    assert len(seen) > 1 and is_pending(stack, held)


def test_of_many_at_once_one_decides(stack, held, account):
    tokens = [(act, mint(stack, held, act)) for act in ACTS for _ in range(5)]

    def post(one: tuple[str, str]) -> int:
        return visit(Browser(stack.http_port), "POST", *one).status

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(post, tokens)) == [200] + [409] * 9


# ---- what somebody else wrote ----

HOSTILE = {
    "markup": "</pre></bdi><script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "\" onload=\"alert(1)\" x='",
    "form": "</form><form method=post action=https://evil.example><button>",
    "entity": "&lt;script&gt; &amp; &#x3c;b>",
    "style": "<style>*{display:none}</style><link rel=stylesheet href=x>",
    "comment": "<!-- --> ]]> <![CDATA[",
    "html in details": "</details></summary></dl></main></body></html>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("act", ACTS)
def test_text_is_never_markup(stack, browser, author, act, text):
    """The browser of these tests looks at each page for scripts and the like."""
    held = hold(author, to=[address()], subject=text, body=text + "\n", html_body=text,
                attachments=[attachment(text[:200].replace("/", "_"), "text/html", b"x")])
    page = visit(browser, "GET", act, mint(stack, held, act))
    assert page.status == 200 and page.form.action == PATHS[act]
    assert page.text.count(html.escape(text).replace("&#x27;", "&#39;")) >= 3
    assert text not in page.text
    assert len(re.findall(r"<(/?)(form|main|pre|details)\b", page.text)) == len(
        re.findall(r"<(/?)(form|main|pre|details)\b", re.sub(r"&[^;]+;", "", page.text)))
    assert page.text.endswith("</main>\n</body>\n</html>\n")


def test_what_turns_text_around_is_seen(stack, browser, author):
    text = "pay \u202e001\u202c euros \u2066x\u2069\U000e0041 אב\u200f"
    held = hold(author, to=[address()], subject=text, body=text)
    page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
    shown = page.text.count('pay <b class="odd">U+202E</b>001<b class="odd">U+202C</b> euros '
                            '<b class="odd">U+2066</b>x<b class="odd">U+2069</b>'
                            '<b class="odd">U+E0041</b> אב\u200f')
    assert shown == 2 and not set("\u202e\u202c\u2066\u2069\U000e0041") & set(page.text)


def test_controls_and_line_ends_in_a_body(stack, browser, author):
    held = hold(author, to=[address()], body="a\r\nb\rc\x1b[2Jd\x7f\x08\x85\t.\n")
    page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
    assert ">a\nb\nc\ufffd[2Jd\ufffd\ufffd\ufffd\t.\n</pre>" in page.text


SHOWN = 256 * 1024


@pytest.mark.parametrize("field,part", [("body", "text"), ("html_body", "html")])
def test_of_a_long_text_the_beginning_is_shown_and_said_to_be(stack, browser, author, field, part):
    text = "ü€<" * 60000 + "THE END"
    held = hold(author, to=[address()], **{field: text})
    token = mint(stack, held, "approve")
    page = visit(browser, "GET", "approve", token)
    assert "This is not all of it." in page.text and "360.0 kB" in page.text
    assert "THE END" not in page.text and "\ufffd" not in page.text
    assert SHOWN < len(page.text.encode()) < 8 * SHOWN
    link, = page.links
    got = browser.get(link)
    assert got.status == 200 and got.answer.body == text.encode()
    short = visit(browser, "GET", "approve",
                  mint(stack, hold(author, to=[address()], **{field: "x" * SHOWN}), "approve"))
    assert "not all of it" not in short.text and "x" * SHOWN in short.text


def test_the_longest_subject(stack, browser, author):
    for subject in ("x" * 998, "", "ü" * 300):
        held = hold(author, to=[address()], subject=subject or "x")
        query(stack, "UPDATE messages SET subject = %s WHERE id = %s", subject, held)
        page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
        assert f"<dt>Subject</dt><dd><bdi>{subject or '(none)'}</bdi></dd>" in page.text
    # what no door lets in, should the database have it
    query(stack, "UPDATE messages SET subject = repeat('<\u202e', 500000) WHERE id = %s", held)
    assert visit(browser, "GET", "approve", mint(stack, held, "approve")).status == 200


def test_html_without_text_and_neither(stack, browser, author):
    """Nobody writes such a mail; an edit may leave one."""
    held = hold(author, to=[address()], html_body="<p>x")
    query(stack, "UPDATE outbound_drafts SET body_text = '' WHERE message_id = %s", held)
    page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
    assert "HTML only" in page.text and "<details open>" in page.text
    query(stack, "UPDATE outbound_drafts SET body_html = '' WHERE message_id = %s", held)
    page = visit(browser, "GET", "approve", mint(stack, held, "approve"))
    assert "This message has no text." in page.text and "<details" not in page.text


def test_an_answer_is_said_to_be_one(stack, browser, author):
    subject = f"Question {os.urandom(4).hex()}"
    to = address()
    assert stack.send(to, author.address, compose(to, author.address, subject)).code == 250
    got = author.wait_mail(subject)
    author.api.call("PUT", author.path, {"hitl_enabled": True})
    status, answer = author.ask_reply(got["message_id"])
    assert status == 202
    page = visit(browser, "GET", "approve", mint(stack, answer["message_id"], "approve"))
    assert "It is an answer in a conversation by mail." in page.text


# ---- its parts ----

FILES = {"a b.pdf": b"%PDF" * 100, "ü.html": b"<script>alert(1)</script>", "": b"",
         "big.bin": os.urandom(3 * 1024 * 1024 + 1)}


def test_parts_are_saved_and_never_shown(stack, browser, author):
    held = hold(author, to=[address()], body="Text\r\n", html_body="<script>1</script>",
                attachments=[attachment(name, "text/html", data) for name, data in FILES.items()])
    for act in ACTS:
        token = mint(stack, held, act)
        page = visit(browser, "GET", act, token)
        links = [link for link in page.links if link.startswith(CONTENT)]
        assert links == [f"{CONTENT}?t={token}&part={n}" for n in range(len(FILES))]
        wanted = [*FILES.items()]
        for (name, data), link in zip(wanted, links):
            got = browser.get(link)
            assert got.status == 200 and got.answer.body == data
            check_part(got)
            if name.isascii() and name:
                assert f'filename="{name}"' in got.answer.headers["content-disposition"]
        for part, data, name in (("text", b"Text\r\n", "message.txt"),
                                 ("html", b"<script>1</script>", "message.html")):
            got = browser.get(f"{CONTENT}?t={token}&part={part}")
            assert got.answer.body == data
            assert f'filename="{name}"' in got.answer.headers["content-disposition"]
            check_part(got)
    assert is_pending(stack, held)


def check_part(got: Page) -> None:
    headers = got.answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment")
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("part", ["", "4", "-1", "00x", "99999999999999999999", "html", "x"])
def test_a_part_that_is_not_there(stack, browser, held, part):
    page = browser.get(f"{CONTENT}?t={mint(stack, held, 'approve')}&part={part}")
    assert said(page)[:2] == (404, "Not found")


def test_parts_need_a_token_that_is_good(stack, browser, held, author):
    token = mint(stack, held, "reject")
    target = f"{CONTENT}?t={{}}&part=text"
    assert browser.get(target.format(token)).status == 200
    assert said(browser.get(target.format("")))[0] == 400
    assert said(browser.get(target.format("a.b")))[2] == INVALID
    query(stack, "UPDATE approval_tokens SET expires_at = now() WHERE hash = sha256(%s)",
          token.encode())
    assert said(browser.get(target.format(token)))[0] == 410
    token = mint(stack, held, "reject")
    who = f"r-{os.urandom(4).hex()}@people.example"
    name_reviewer(stack, author, who)
    assert said(browser.get(target.format(token)))[0] == 403
    token = mint(stack, held, "reject", who)
    assert said(visit(browser, "POST", "reject", token))[0] == 200
    assert said(browser.get(target.format(token))) == RESOLVED
