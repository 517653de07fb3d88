# SPDX-License-Identifier: Apache-2.0
"""The suppression list as its owner sees it: in pages, by address, and an address
taken off it. How one gets on it is told where bounces are."""

from __future__ import annotations

import itertools
import uuid
from urllib.parse import quote

import pytest

from tests.integration.client import Answer, Caller, add_key, with_key

LIST = "/api/v1/suppressions"
NOT_FOUND = (404, "suppression not found\n")
HOSTILE = ["x", "@", "a@", "a@b", "a b@c.example", "A <a@b.example>", "<a@b.example>",
           "a@b.example,c@d.example", "a\0@b.example", "a@b.example\r\n", "%", "*", "' OR 1=1 --",
           "a" * 400 + "@b.example", "a@[127.0.0.1]", "\u0660@b.example\udcff"]


@pytest.fixture
def user(stack, account) -> str:
    return stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example").user_id


@pytest.fixture
def ask(stack, user) -> Caller:
    return with_key(stack.http_port, add_key(stack, user)[1])


def suppress(stack, user: str, *addresses: str, age: str = "0 s", **more: str) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute("INSERT INTO suppressions (user_id, address, reason, code, detail, message_id, "
                      "created_at) SELECT %s, x, 'bounce', %s, %s, %s, now() - %s::interval "
                      "FROM unnest(%s) x",
                      [user, more.get("code", ""), more.get("detail", ""),
                       more.get("message_id", ""), age, list(addresses)])


def addresses(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [s["address"] for s in answer.json["suppressions"]]


def path(address: str) -> str:
    return f"{LIST}/{quote(address, safe='@', errors='surrogateescape')}"


def test_the_list_says_what_came_back_and_why(stack, ask, user):
    assert ask("GET", LIST).json == {"suppressions": []}
    message = "msg_" + "1" * 32
    suppress(stack, user, "gone@peer.example", code="5.1.1", detail="550 5.1.1 <b>no</b> such user",
             message_id=message)
    suppress(stack, user, "older@peer.example", age="1 day")
    newest, oldest = ask("GET", LIST).json["suppressions"]
    assert newest.pop("created_at") > oldest.pop("created_at")
    assert newest == {"address": "gone@peer.example", "reason": "bounce", "code": "5.1.1",
                      "detail": "550 5.1.1 <b>no</b> such user", "message_id": message}
    assert oldest == {"address": "older@peer.example", "reason": "bounce", "code": "", "detail": "",
                      "message_id": None}


def test_pages_show_each_address_once(stack, ask, user):
    """Also those that were put there at one time."""
    wanted = [f"a{n:03}@peer.example" for n in range(130)]
    for n in range(0, 130, 13):
        suppress(stack, user, *wanted[n:n + 13], age=f"{n} s")
    seen, target = [], f"{LIST}?page_size=40"
    for sizes in itertools.count(1):
        page = ask("GET", target)
        seen += addresses(page)
        if "next_token" not in page.json:
            break
        target = f"{LIST}?page_size=40&token={page.json['next_token']}"
    assert sizes == 4 and len(seen) == 130 and sorted(seen) == wanted
    assert seen == [a for n in range(0, 130, 13) for a in reversed(wanted[n:n + 13])]
    assert len(addresses(ask("GET", LIST))) == 50
    assert len(addresses(ask("GET", f"{LIST}?page_size=1000"))) == 100


def test_a_token_is_good_for_its_list_and_owner_only(stack, ask, user, account):
    suppress(stack, user, "a@peer.example", "b@peer.example")
    token = ask("GET", f"{LIST}?page_size=1").json["next_token"]
    other = with_key(stack.http_port, account.api_key)
    wrong = (400, "invalid pagination token\n")
    for caller, target in ((ask, f"{LIST}?token={token[:-1]}"), (ask, f"{LIST}?token=x"),
                           (other, f"{LIST}?token={token}")):
        answer = caller("GET", target)
        assert (answer.status, answer.text) == wrong
    answer = ask("GET", f"{LIST}?address=a@peer.example&token={token}")
    assert answer.status == 400 and "different filters" in answer.text


def test_one_is_found_by_its_address_in_any_spelling(stack, ask, user):
    suppress(stack, user, "gone@xn--bcher-kva.example", "gone2@xn--bcher-kva.example")
    for text in ("gone@xn--bcher-kva.example", "GONE@XN--BCHER-KVA.example",
                 " gone@b\u00fccher.example "):
        answer = ask("GET", f"{LIST}?address={quote(text)}")
        assert addresses(answer) == ["gone@xn--bcher-kva.example"] and "next_token" not in answer.json
    assert addresses(ask("GET", f"{LIST}?address=gone3@xn--bcher-kva.example")) == []
    assert len(addresses(ask("GET", f"{LIST}?address="))) == 2


def test_who_is_taken_off_is_written_to_again(stack, ask, user):
    suppress(stack, user, "gone@peer.example", "stays@peer.example")
    answer = ask("DELETE", path("Gone@Peer.Example"))
    assert (answer.status, answer.body) == (204, b"")
    assert addresses(ask("GET", LIST)) == ["stays@peer.example"]
    again = ask("DELETE", path("gone@peer.example"))
    assert (again.status, again.text) == NOT_FOUND
    suppress(stack, user, "gone@peer.example")
    assert len(addresses(ask("GET", LIST))) == 2


def test_lists_of_two_users_have_nothing_to_do_with_each_other(stack, ask, user, account):
    other = with_key(stack.http_port, account.api_key)
    shared, own = [f"{uuid.uuid4().hex[:12]}@peer.example" for _ in range(2)]
    suppress(stack, user, shared, own)
    suppress(stack, account.user_id, shared)
    foreign = other("DELETE", path(own))
    absent = other("DELETE", path("absent@peer.example"))
    assert (foreign.status, foreign.text) == (absent.status, absent.text) == NOT_FOUND
    assert addresses(other("GET", f"{LIST}?address={own}")) == []
    assert other("DELETE", path(shared)).status == 204
    assert sorted(addresses(ask("GET", LIST))) == sorted([shared, own])


def test_an_agents_own_key_sees_no_list(stack, ask, user):
    agent = ask("POST", "/api/v1/agents", {"slug": f"s{uuid.uuid4().hex[:12]}",
                                           "agent_mode": "local"}).json["email"]
    suppress(stack, user, "gone@peer.example")
    key = with_key(stack.http_port, add_key(stack, user, agent=agent)[1])
    listed = key("GET", LIST)
    assert (listed.status, listed.text) == (404, "404 page not found\n")
    answer = key("DELETE", path("gone@peer.example"))
    assert (answer.status, answer.text) == NOT_FOUND
    assert addresses(ask("GET", LIST)) == ["gone@peer.example"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_address_is_told_so_and_harms_nobody(stack, ask, user, text):
    suppress(stack, user, "stays@peer.example")
    value = quote(text, safe="", errors="surrogateescape")
    asked = ask("GET", f"{LIST}?address={value}")
    if text.strip() != "a@b.example":
        assert (asked.status, asked.text) == (400, "address must be an e-mail address\n")
    answer = ask("DELETE", f"{LIST}/{value}")
    assert (answer.status, answer.text) == NOT_FOUND
    assert addresses(ask("GET", LIST)) == ["stays@peer.example"]


def test_an_address_that_fits_into_no_path_is_taken_off_too(stack, ask, user):
    suppress(stack, user, "sales/eu@peer.example", "a+b@peer.example", "stays@peer.example")
    for address in ("Sales%2FEU@peer.example", "a%2Bb@peer.example"):
        assert ask("DELETE", f"{LIST}?address={address}").status == 204
        again = ask("DELETE", f"{LIST}?address={address}")
        assert (again.status, again.text) == NOT_FOUND
    assert addresses(ask("GET", LIST)) == ["stays@peer.example"]
    for query in ("", "?address=", "?address=%20", "?address=%2F"):
        answer = ask("DELETE", LIST + query)
        assert (answer.status, answer.text) == (400, "address must be an e-mail address\n")
    assert addresses(ask("GET", LIST)) == ["stays@peer.example"]


def test_the_list_goes_with_the_account(stack, ask, user):
    suppress(stack, user, "gone@peer.example")
    assert ask("DELETE", "/api/v1/users/me?confirm=DELETE").status == 200
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT count(*) FROM suppressions WHERE user_id = %s", [user])
        assert query.fetchone()[0] == 0
