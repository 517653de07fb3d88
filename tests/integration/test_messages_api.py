# SPDX-License-Identifier: Apache-2.0
"""Lists of messages and of conversations: filters, order, pages and their tokens."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from scripts.stack.mail import compose

from client import Http

SENDER = "alice@sender.example"
OTHER_FILTERS = "token was created with different filters \u2014 start a new query without a token\n"
OTHER_AGENT = "token was created for a different agent \u2014 start a new query without a token\n"

INSERT = """
INSERT INTO messages (id, user_id, agent_email, direction, inbox_status, header_from, recipient,
                      subject, conversation_id, auto_submitted, created_at, expires_at)
SELECT 'msg_' || md5(a.email || '/' || n), a.user_id, a.email, 'inbound',
       CASE WHEN n %% 5 = 0 THEN 'read' ELSE 'unread' END,
       CASE WHEN n %% 2 = 0 THEN 'Alice@Sender.Example' ELSE 'bob@other.example' END, a.email,
       CASE WHEN n %% 10 = 0 THEN 'R\u00c9SUM\u00c9 100%%_' || n ELSE 'Subject ' || n END,
       CASE WHEN n %% 4 = 0 THEN 'c' || n %% 20 ELSE '' END,
       CASE WHEN n = 1 THEN 'auto-replied' ELSE '' END,
       '2026-03-01T00:00:00Z'::timestamptz + n / 3 * interval '1 s', now() + interval '1 day'
FROM agents a, generate_series(%s, %s) n WHERE a.email = %s
"""


def fill(stack, agent: str, first: int, last: int) -> None:
    """Messages number first ... last; three of them share one time."""
    with stack.db() as db, db.cursor() as query:
        query.execute(INSERT, [first, last, agent])


@pytest.fixture
def http(stack, account) -> Iterator[Http]:
    with Http(stack.http_port, account.api_key) as connection:
        yield connection


@pytest.fixture(scope="module")
def box(stack, api) -> str:
    """The agent with messages 1 ... 100."""
    agent = api.make_agent("filters")
    fill(stack, agent, 1, 100)
    return agent


def target(agent: str, what: str = "messages", **query: object) -> str:
    return f"/api/v1/agents/{agent}/{what}?{urlencode(query)}"


def pages(http: Http, agent: str, what: str = "messages", **query: object) -> Iterator[list[dict]]:
    while True:
        answer = http.request("GET", target(agent, what, **query))
        assert answer.status == 200, answer.text
        yield answer.json[what]
        if "next_token" not in answer.json:
            return
        query["token"] = answer.json["next_token"]


def numbers(messages: list[dict]) -> list[int]:
    return [int(m["subject"].rsplit(" ", 1)[-1].removeprefix("100%_")) for m in messages]


def listed(http: Http, agent: str, **query: object) -> list[int]:
    return [n for page in pages(http, agent, **query) for n in numbers(page)]


FILTERS = [
    ({}, lambda n: n % 5),
    ({"status": "read"}, lambda n: n % 5 == 0),
    ({"status": "all"}, lambda n: True),
    ({"status": "all", "from": "alice@"}, lambda n: n % 2 == 0),
    ({"status": "all", "from": "ER.EXAMPLE"}, lambda n: True),
    ({"from": "BOB"}, lambda n: n % 2 and n % 5),
    ({"status": "all", "subject_contains": "r\u00e9sum\u00e9"}, lambda n: n % 10 == 0),
    ({"status": "all", "subject_contains": "100%_"}, lambda n: n % 10 == 0),
    ({"status": "all", "subject_contains": "S%t"}, lambda n: False),
    ({"status": "all", "subject_contains": "S_bject"}, lambda n: False),
    ({"status": "all", "from": "'; DROP TABLE messages; --"}, lambda n: False),
    ({"status": "all", "conversation_id": "c8"}, lambda n: n % 20 == 8),
    ({"conversation_id": "c8"}, lambda n: n % 20 == 8 and n % 5),
    ({"status": "all", "conversation_id": "C8"}, lambda n: False),
    ({"status": "all", "since": "2026-03-01T00:00:10Z"}, lambda n: n // 3 >= 10),
    ({"status": "all", "until": "2026-03-01T00:00:10Z"}, lambda n: n // 3 < 10),
    ({"status": "all", "since": "2026-03-01T02:00:10.000000+02:00",
      "until": "2026-02-28T19:00:11-05:00"}, lambda n: n // 3 == 10),
    ({"status": "all", "since": "2026-03-01T00:00:10.000001Z",
      "until": "2026-03-01T00:00:10.9Z"}, lambda n: False),
    ({"status": "all", "since": "0001-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
     lambda n: True),
    ({"from": "alice", "subject_contains": "subject", "conversation_id": "c4",
      "since": "2026-03-01T00:00:05Z", "until": "2026-03-01T00:00:30Z"},
     lambda n: n % 20 == 4 and 5 <= n // 3 < 30),
    ({"status": "all", "from": "", "subject_contains": "", "conversation_id": "", "since": "",
      "until": "", "sort": "", "token": ""}, lambda n: True),
]


def in_order(wanted: list[int], got: list[int], newest_first: bool) -> bool:
    """By time; messages of one time in some order."""
    times = [n // 3 for n in got]
    return sorted(got) == sorted(wanted) and times == sorted(times, reverse=newest_first)


@pytest.mark.parametrize("query, matches", FILTERS)
@pytest.mark.parametrize("sort", ["", "asc", "desc"])
def test_a_list_is_what_its_filters_say(http, box, query, matches, sort):
    want = [n for n in range(1, 101) if matches(n)]
    order = {"sort": sort} if sort else {}
    for size in (7, 100):
        got = listed(http, box, **{**query, **order, "page_size": size})
        assert in_order(want, got, sort == "desc"), (want, got)


def test_both_orders_are_each_others_reverse(http, box):
    assert listed(http, box, status="all", sort="asc", page_size=9) \
        == listed(http, box, status="all", sort="desc", page_size=11)[::-1]


def test_what_made_itself_known_as_automatic_is_marked(http, box):
    first, second = list(pages(http, box, status="all"))[0][:2]
    assert first["auto_submitted"] == "auto-replied" and "auto_submitted" not in second


LONG = "\u00e9" * 201


@pytest.mark.parametrize("query, text", [
    ("sort=newest", "sort must be 'asc' or 'desc'"),
    ("sort=DESC", "sort must be 'asc' or 'desc'"),
    ("since=yesterday", "since must be an RFC 3339 timestamp"),
    ("since=2026-02-30T00:00:00Z", "since must be an RFC 3339 timestamp"),
    ("since=2026-01-01", "since must be an RFC 3339 timestamp"),
    ("until=2026-01-01T00:00:00", "until must be an RFC 3339 timestamp"),
    ("until=2026-01-01T00:00:00+00:00", "until must be an RFC 3339 timestamp"),  # '+' is a blank
    ("from=%00", "from must be text of at most 200 characters"),
    ("from=%ff", "from must be text of at most 200 characters"),
    (f"subject_contains={quote(LONG)}", "subject_contains must be text of at most 200 characters"),
    ("subject_contains=a%00", "subject_contains must be text of at most 200 characters"),
    ("conversation_id=%00", "conversation_id must be text of at most 998 bytes"),
    ("conversation_id=" + "x" * 999, "conversation_id must be text of at most 998 bytes"),
    ("status=some&sort=x", "status must be 'unread', 'read', or 'all'"),
], ids=itertools.count())
def test_a_wrong_filter_is_named(http, box, query, text):
    answer = http.request("GET", f"/api/v1/agents/{box}/messages?{query}")
    assert (answer.status, answer.text) == (400, text + "\n")


def test_the_longest_filters_are_taken(http, box):
    query = {"status": "all", "page_size": 1, "conversation_id": "c8", "until": "2026-03-01T00:00:30.123456789+00:00"}
    assert len(listed(http, box, **query)) == 5
    assert listed(http, box, status="all", conversation_id="\u00e9" * 499) == []
    assert listed(http, box, status="all", subject_contains=LONG[:200]) == []


@pytest.mark.parametrize("size", ["101", "1000", "2147483647"])
def test_a_page_is_never_larger_than_a_hundred(stack, http, make_agent, size):
    agent = make_agent()
    fill(stack, agent, 1, 150)
    assert len(http.request("GET", target(agent, status="all", page_size=size)).json["messages"]) \
        == 100


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_a_thousand_messages_come_once_while_mail_arrives(stack, http, make_agent, sort):
    agent = make_agent()
    fill(stack, agent, 1, 1000)
    done, sent = threading.Event(), []

    def arrive() -> None:
        while not done.is_set():
            stack.send(SENDER, agent, compose(SENDER, agent, f"New {len(sent) + 5000}"))
            sent.append(len(sent) + 5000)

    thread = threading.Thread(target=arrive)
    thread.start()
    try:
        got = listed(http, agent, status="all", sort=sort, page_size=23)
    finally:
        done.set()
        thread.join()
    assert len(got) == len(set(got))
    assert in_order(list(range(1, 1001)), [n for n in got if n <= 1000], sort == "desc")
    assert sent and set(got) <= {*range(1, 1001), *sent}


def test_messages_that_become_read_leave_the_unread_list_and_nothing_else_does(stack, http,
                                                                               make_agent):
    agent = make_agent()
    fill(stack, agent, 1, 60)
    seen = []
    for page in pages(http, agent, page_size=7):
        for message in page:
            seen += numbers([message])
            path = f"/api/v1/agents/{agent}/messages/{message['message_id']}"
            assert http.request("GET", path).json["status"] == "read"
    assert sorted(seen) == [n for n in range(1, 61) if n % 5]
    assert listed(http, agent) == []


def token_of(http: Http, agent: str, what: str = "messages", **query: object) -> str:
    return http.request("GET", target(agent, what, page_size=1, **query)).json["next_token"]


def with_values(token: str, **values: object) -> str:
    data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    text = json.dumps({**data, **values}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("made, used", [
    ({}, {"sort": "desc"}),
    ({"sort": "desc"}, {"sort": "asc"}),
    ({"sort": "desc"}, {}),
    ({"from": "alice"}, {"from": "bob"}),
    ({"from": "example"}, {"subject_contains": "example"}),
    ({"conversation_id": "c8"}, {"conversation_id": "c4"}),
    ({"since": "2026-03-01T00:00:00Z"}, {"until": "2026-03-01T00:00:00Z"}),
    ({"since": "2026-03-01T00:00:00Z"}, {"since": "2026-03-01T00:00:01Z"}),
    ({"status": "all"}, {"status": "unread"}),
    ({"status": "all", "from": "e"}, {"status": "unread", "from": "e"}),
])
def test_a_token_goes_on_only_in_its_own_list(http, box, made, used):
    token = token_of(http, box, **made)
    assert http.request("GET", target(box, token=token, **made)).status == 200
    answer = http.request("GET", target(box, token=token, **used))
    assert (answer.status, answer.text) == (400, OTHER_FILTERS)


def test_a_token_belongs_to_its_agent_its_user_and_its_route(stack, http, box, make_agent,
                                                             strange_api):
    other = make_agent()
    fill(stack, other, 1, 20)
    token = token_of(http, box, sort="desc")
    answer = http.request("GET", target(other, token=token, sort="desc"))
    assert (answer.status, answer.text) == (400, OTHER_AGENT)
    strange = strange_api.make_agent("tokens")
    assert strange_api.get(target(strange, token=token, sort="desc")) \
        == (400, "invalid pagination token\n")
    answer = http.request("GET", target(box, "conversations", token=token))
    assert (answer.status, answer.text) == (400, OTHER_FILTERS)
    answer = http.request("GET", target(box, token=token_of(http, box, "conversations")))
    assert (answer.status, answer.text) == (400, OTHER_FILTERS)
    answer = http.request("GET", target(other, "conversations",
                                        token=token_of(http, box, "conversations")))
    assert (answer.status, answer.text) == (400, OTHER_AGENT)


@pytest.mark.parametrize("values", [
    {"c": "2026-01-01T00:00:00Z"}, {"i": "msg_0"}, {"s": "all"}, {"a": "x@agents.example"},
    {"b": "2026-01-01T00:00:00Z"}, {"m": ""}, {"m": None},
])
@pytest.mark.parametrize("what", ["messages", "conversations"])
def test_a_token_that_was_changed_is_no_token(http, box, what, values):
    token = with_values(token_of(http, box, what), **values)
    answer = http.request("GET", target(box, what, token=token))
    assert (answer.status, answer.text) == (400, "invalid pagination token\n")


def test_conversations_come_by_their_latest_message(http, box):
    got = [c for page in pages(http, box, "conversations", page_size=2) for c in page]
    assert [c["conversation_id"] for c in got] == ["c0", "c16", "c12", "c8", "c4"]
    assert got[1] == {
        "conversation_id": "c16", "subject": "Subject 96", "last_message_id": got[1]["last_message_id"],
        "last_message_at": "2026-03-01T00:00:32Z", "last_from": "Alice@Sender.Example",
        "message_count": 5, "message_count_capped": False,
        "unread_count": 5, "unread_count_capped": False,
    }
    assert got[0]["unread_count"] == 0
    assert listed(http, box, conversation_id="c16", sort="desc")[0] == 96


def test_a_conversation_that_goes_on_while_one_reads_comes_once(stack, http, make_agent):
    agent = make_agent()
    fill(stack, agent, 1, 40)
    got = []
    for page in pages(http, agent, "conversations", page_size=1):
        got += [c["conversation_id"] for c in page]
        if len(got) == 1:
            fill(stack, agent, 41, 60)
            with stack.db() as db, db.cursor() as query:
                query.execute("UPDATE messages SET created_at = now() WHERE agent_email = %s AND "
                              "created_at >= '2026-03-01T00:00:14Z'", [agent])
    assert sorted(got) == ["c0", "c12", "c16", "c4", "c8"]


def test_many_messages_of_a_conversation_are_counted_up_to_a_hundred(stack, http, make_agent):
    agent = make_agent()
    fill(stack, agent, 1, 101)
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE messages SET conversation_id = 'long' WHERE agent_email = %s", [agent])
    only, = http.request("GET", target(agent, "conversations")).json["conversations"]
    assert (only["message_count"], only["message_count_capped"]) == (100, True)
    assert (only["unread_count"], only["unread_count_capped"]) == (81, True)


def test_a_strangers_conversations_look_absent(http, box, strange_api):
    absent = "agent not found: agent not found\n"
    assert strange_api.get(target(box, "conversations")) == (404, absent)
    assert strange_api.get(target("no@agents.example", "conversations")) == (404, absent)


def test_a_mailbox_full_of_what_does_not_match_is_read_in_windows(stack, http, make_agent):
    agent = make_agent()
    fill(stack, agent, 1, 12000)
    query = {"status": "all", "subject_contains": "Subject 11999"}
    sizes = [numbers(page) for page in pages(http, agent, **query)]
    assert sizes == [[], [], [11999]]
    sizes = [numbers(page) for page in pages(http, agent, sort="desc", **query)]
    assert sizes == [[11999], [], []]
