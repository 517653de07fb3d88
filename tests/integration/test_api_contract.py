# SPDX-License-Identifier: Apache-2.0
"""What the clients rely on: routes, their answers to the byte, the order of the
checks, and that a stranger's object looks like one that does not exist."""

from __future__ import annotations

import base64
import json
import re
import uuid
from urllib.parse import quote

import pytest

from scripts.stack.mail import compose
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration.client import Http, add_key, ws_target

SENDER = "alice@sender.example"
TIME_A = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z")
TIME_B = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ABSENT_KEY = "e2a_" + "0" * 64
ABSENT_ID = "msg_" + "0" * 32
AGENT_FIELDS = {"id", "domain", "email", "name", "webhook_url", "agent_mode", "domain_verified",
                "created_at", "hitl_enabled", "hitl_ttl_seconds", "hitl_expiration_action"}


def slug(prefix: str = "c") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def http(stack, account):
    with Http(stack.http_port, account.api_key) as client:
        yield client


@pytest.fixture
def nobody(stack, account):
    with Http(stack.http_port) as client:
        yield client


@pytest.fixture
def post(http):
    def post(path: str, body: object) -> tuple[int, str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = http.request("POST", path, data)
        return answer.status, answer.text

    return post


@pytest.fixture
def full(stack, make_agent, wait_messages):
    """An agent with that many mails in its inbox."""
    def full(*subjects: str) -> str:
        agent = make_agent()
        for subject in subjects:
            assert stack.send(SENDER, agent, compose(SENDER, agent, subject)).code == 250
            wait_messages(agent, subject)  # one after the other: the order is theirs
        return agent

    return full


# ---- answers in general ----

def test_health_is_ok_without_a_key(nobody):
    answer = nobody.request("GET", "/api/health")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}\n')
    assert answer.headers["content-type"] == "application/json"
    head = nobody.request("HEAD", "/api/health")
    assert (head.status, head.headers["content-length"]) == (200, str(len(answer.body)))
    assert nobody.request("GET", "/api/health").status == 200, "HEAD must send no body"


def test_info_tells_the_shared_domain(stack, nobody):
    answer = nobody.request("GET", "/api/v1/info")
    assert answer.json == {"shared_domain": SHARED_DOMAIN, "slug_registration_enabled": True,
                           "idempotency_keys": True,
                           "public_url": stack.url,
                           "trial_smtp_url": f"smtp://127.0.0.1:{stack.smtp_port}"}


def test_an_error_is_one_line_of_plain_text(http):
    answer = http.request("GET", "/api/v1/agents/nobody%40agents.example")
    assert (answer.status, answer.body) == (403, b"forbidden\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


ROUTES = [
    ("GET", "/api/v1/nothing", 404, "404 page not found\n"),
    ("GET", "/x", 404, "404 page not found\n"),
    ("GET", "/api/health/", 404, "404 page not found\n"),
    ("GET", "/api/v1/agents/", 404, "404 page not found\n"),
    ("GET", "/API/health", 404, "404 page not found\n"),
    ("GET", "/api/v1/agents/a%2Fb", 404, "404 page not found\n"),
    ("GET", "/api%2Fhealth", 404, "404 page not found\n"),
    ("GET", "/" + "a/" * 40, 404, "404 page not found\n"),
    ("POST", "/api/health", 405, ""),
    ("OPTIONS", "/api/v1/agents", 405, ""),
    ("HEAD", "/api/v1/agents", 405, ""),
    ("HEAD", "/api/v1/info", 405, ""),
    ("PATCH", "/api/v1/domains", 405, ""),
    ("BREW", "/api/v1/info", 405, ""),
]


@pytest.mark.parametrize("method, target, status, text", ROUTES,
                         ids=[f"{method} {target[:30]}" for method, target, *_ in ROUTES])
def test_what_is_not_a_route_is_404_or_405(http, method, target, status, text):
    answer = http.request(method, target)
    assert (answer.status, answer.text) == (status, text)
    assert "allow" not in answer.headers
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    if status == 405:
        assert "content-type" not in answer.headers


@pytest.mark.parametrize("target, location", [
    ("//api/health", "/api/health"),
    ("/api//health?x=1&y=%41", "/api/health?x=1&y=%41"),
    ("/api/./health", "/api/health"),
    ("/api/v1/../health", "/api/health"),
    ("/api/%2e%2E/health", "/health"),
    ("/../../etc/passwd", "/etc/passwd"),
    ("///evil.example/x", "/evil.example/x"),
    ("/api/..//..//evil.example", "/evil.example"),
])
def test_an_untidy_path_is_redirected_to_the_tidy_one(nobody, target, location):
    answer = nobody.request("GET", target)
    assert (answer.status, answer.headers["location"], answer.body) == (301, location, b"")


def test_the_address_in_a_path_may_be_encoded(http, make_agent):
    agent = make_agent()
    for spelling in (agent, quote(agent, safe=""), agent.replace("t", "%74"), agent.upper()):
        answer = http.request("GET", f"/api/v1/agents/{spelling}")
        assert (answer.status, answer.json["email"]) == (200, agent)


def test_plus_in_a_path_stays_plus(http, make_agent):
    """It is a tag for mail; in a path it names another agent, which there is none."""
    tagged = make_agent().replace("@", "+x@")
    assert http.request("GET", f"/api/v1/agents/{tagged}").status == 403


# ---- who may ----

KEYED = [("GET", "/api/v1/agents", "unauthorized"),
         ("POST", "/api/v1/agents", "authentication required"),
         ("GET", "/api/v1/agents/x@agents.example", "unauthorized"),
         ("GET", "/api/v1/agents/x@agents.example/messages", "unauthorized"),
         ("GET", f"/api/v1/agents/x@agents.example/messages/{ABSENT_ID}", "unauthorized"),
         ("GET", "/api/v1/domains", "unauthorized"),
         ("POST", "/api/v1/domains", "unauthorized"),
         ("POST", "/api/v1/domains/x.example/verify", "unauthorized"),
         ("DELETE", "/api/v1/domains/x.example", "unauthorized")]


def ask(http: Http, method: str, path: str) -> tuple[int, str]:
    answer = http.request(method, path, b"{}" if method == "POST" else None)
    return answer.status, answer.text


@pytest.mark.parametrize("key", ["", ABSENT_KEY, "e2a_", "x" * 600, "null", "e2a_' OR 1=1 --"])
@pytest.mark.parametrize("method, path, text", KEYED, ids=[f"{m} {p}" for m, p, _ in KEYED])
def test_without_a_good_key_there_is_nothing_but_401(stack, account, key, method, path, text):
    with Http(stack.http_port, key) as http:
        assert ask(http, method, path) == (401, text + "\n")


@pytest.mark.parametrize("prefix, status", [("Bearer ", 200), ("", 200), ("bearer ", 401),
                                            ("BEARER ", 401), ("Basic ", 401), ("Bearer  ", 401),
                                            ("Bearer\t", 401)])
def test_the_word_bearer_is_exact_or_absent(nobody, account, prefix, status):
    fields = f"Authorization: {prefix}{account.api_key}"
    assert nobody.request("GET", "/api/v1/agents", None, fields).status == status


@pytest.mark.parametrize("what", [{"revoked": True}, {"expires": "-1 s"}])
def test_a_key_that_is_revoked_or_expired_is_no_key(stack, account, what):
    _, key = add_key(stack, account.user_id, **what)
    assert Api(stack.url, key).get("/api/v1/agents") == (401, "unauthorized\n")
    answer = Api(stack.url).get(ws_target(f"x@{SHARED_DOMAIN}", key))
    assert answer == (401, "invalid token\n")


def test_a_key_that_expires_later_works(stack, account):
    _, key = add_key(stack, account.user_id, expires="1 h")
    assert Api(stack.url, key).get("/api/v1/agents")[0] == 200


def test_a_key_of_one_agent_reaches_that_agent_only(stack, account, make_agent):
    mine, other = make_agent(), make_agent()
    key = Api(stack.url, add_key(stack, account.user_id, agent=mine)[1])
    assert key.get(f"/api/v1/agents/{mine}")[0] == 200
    assert key.get(f"/api/v1/agents/{mine}/messages")[0] == 200
    absent = f"nobody@{SHARED_DOMAIN}"
    for tail in ("", "/messages", f"/messages/{ABSENT_ID}"):
        assert key.get(f"/api/v1/agents/{other}{tail}") == key.get(f"/api/v1/agents/{absent}{tail}")
        assert key.get(f"/api/v1/agents/{other}{tail}")[0] in (403, 404)
    for method, path in (("GET", "/api/v1/agents"), ("GET", "/api/v1/domains"),
                         ("POST", "/api/v1/agents"), ("POST", "/api/v1/domains")):
        body = {} if method == "POST" else None
        assert key.call(method, path, body) == (404, "404 page not found\n")


def test_the_use_of_a_key_is_noted(stack, account):
    key_id, key = add_key(stack, account.user_id)
    Api(stack.url, key).get("/api/v1/agents")
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT last_used_at > clock_timestamp() - interval '1 min' FROM api_keys "
                      "WHERE id = %s", [key_id])
        assert query.fetchone() == (True,)


FOREIGN = ["", "/messages", "/messages?status=nonsense", "/messages?token=nonsense",
           "/messages/{id}", "/messages/" + ABSENT_ID, "/ws?token={key}"]


@pytest.mark.parametrize("tail", FOREIGN)
def test_a_strangers_agent_answers_like_an_absent_one(stack, stranger, full, wait_messages, tail):
    agent = full("secret")
    message = wait_messages(agent, "secret")[0]["message_id"]
    tail = tail.format(id=message, key=stranger.api_key)
    with Http(stack.http_port, stranger.api_key) as http:
        foreign = http.request("GET", f"/api/v1/agents/{agent}{tail}")
        absent = http.request("GET", f"/api/v1/agents/{slug()}@{SHARED_DOMAIN}{tail}")
    assert (foreign.status, foreign.body) == (absent.status, absent.body)
    assert foreign.status in (403, 404)
    keys = foreign.headers.keys()
    assert keys == absent.headers.keys()
    same = keys - {"date", "x-request-id"}
    assert {k: foreign.headers[k] for k in same} == {k: absent.headers[k] for k in same}


def test_the_texts_for_what_is_absent(http, nobody, account, make_agent):
    agent, absent = make_agent(), f"{slug()}@{SHARED_DOMAIN}"
    want = {f"/api/v1/agents/{absent}": (403, "forbidden\n"),
            f"/api/v1/agents/{absent}/messages": (404, "agent not found: agent not found\n"),
            f"/api/v1/agents/{absent}/messages/{ABSENT_ID}":
                (404, "agent not found: agent not found\n"),
            f"/api/v1/agents/{agent}/messages/{ABSENT_ID}": (404, "message not found\n"),
            f"/api/v1/agents/{agent}/messages/x": (404, "message not found\n"),
            ws_target(absent, account.api_key): (404, "agent not found\n")}
    for path, answer in want.items():
        assert ask(http, "GET", path) == answer
    assert ask(nobody, "GET", ws_target(agent)) == (401, "token query parameter required\n")
    assert ask(nobody, "GET", ws_target(agent, "bad")) == (401, "invalid token\n")


# ---- agents ----

def test_an_agent_is_made_listed_and_read(http, post):
    name = slug()
    email = f"{name}@{SHARED_DOMAIN}"
    status, text = post("/api/v1/agents", {"slug": name, "name": "B\u00f6t", "agent_mode": "local"})
    assert (status, json.loads(text)) == (201, {"id": email, "domain": SHARED_DOMAIN,
                                                "email": email})
    agent = http.request("GET", f"/api/v1/agents/{quote(email, safe='')}").json
    assert agent.keys() == AGENT_FIELDS
    assert TIME_A.fullmatch(agent.pop("created_at"))
    assert agent == {"id": email, "email": email, "domain": SHARED_DOMAIN, "name": "B\u00f6t",
                     "webhook_url": "", "agent_mode": "local", "domain_verified": True,
                     "hitl_enabled": False, "hitl_ttl_seconds": 604800,
                     "hitl_expiration_action": "reject"}
    listed = http.request("GET", "/api/v1/agents").json["agents"]
    assert listed[0]["email"] == email and listed[0].keys() == AGENT_FIELDS


def test_agents_are_listed_newest_first_and_only_to_their_owner(http, strange_api, make_agent):
    mine = [make_agent() for _ in range(3)]
    listed = [a["email"] for a in http.request("GET", "/api/v1/agents").json["agents"]]
    assert listed[:3] == mine[::-1]
    assert not set(mine) & {a["email"] for a in strange_api.get("/api/v1/agents")[1]["agents"]}


def test_an_account_without_anything_gets_empty_lists(stack, account):
    key = stack.bootstrap("empty@other.example").api_key
    assert Api(stack.url, key).get("/api/v1/agents") == (200, {"agents": []})
    assert Api(stack.url, key).get("/api/v1/domains") == (200, {"domains": []})


def test_an_address_is_given_once(post, strange_api):
    name = slug()
    assert post("/api/v1/agents", {"slug": name, "agent_mode": "local"})[0] == 201
    taken = (409, "agent already registered for this domain\n")
    assert post("/api/v1/agents", {"slug": name, "agent_mode": "local"}) == taken
    assert strange_api.post("/api/v1/agents", {"slug": name, "agent_mode": "local"}) == taken


BAD_AGENTS = [
    ({}, "email is required"),
    ({"slug": "", "email": ""}, "email is required"),
    ({"slug": None, "email": None}, "email is required"),
    ({"email": "no-at-sign"}, "invalid email address"),
    ({"email": "bot@"}, "invalid email address"),
    ({"email": "@x.example"}, "invalid email address"),
    ({"email": "a b@x.example"}, "invalid email address"),
    ({"email": "a@b@x.example"}, "invalid email address"),
    ({"email": ".a@x.example"}, "invalid email address"),
    ({"email": "a..b@x.example"}, "invalid email address"),
    ({"email": "a\r\nb@x.example"}, "invalid email address"),
    ({"email": "a\0b@x.example"}, "invalid email address"),
    ({"email": "a@[127.0.0.1]"}, "invalid email address"),
    ({"email": "a@192.0.2.1"}, "invalid email address"),
    ({"email": "a@localhost"}, "invalid email address"),
    ({"email": "a" * 65 + "@x.example"}, "invalid email address"),
    ({"email": "a@unclaimed.example"}, "register and verify your domain first"),
    ({"email": f"a@{SHARED_DOMAIN}"}, "register and verify your domain first"),
    ({"slug": "SLUG", "agent_mode": "weird"}, "agent_mode must be 'cloud' or 'local'"),
    ({"slug": "SLUG", "agent_mode": "Local"}, "agent_mode must be 'cloud' or 'local'"),
    ({"slug": "SLUG"}, "webhook_url is required for cloud agent mode"),
    ({"slug": "SLUG", "agent_mode": "cloud", "webhook_url": ""},
     "webhook_url is required for cloud agent mode"),
    # the earlier check decides
    ({"slug": "-", "email": "x", "webhook_url": "x", "agent_mode": "x"},
     "invalid slug: slug must be 2\u201340 characters"),
    ({"email": "x", "webhook_url": "https://user@hook.example/"},
     "invalid webhook URL: webhook URL must not carry user information"),
    ({"email": "a@unclaimed.example", "agent_mode": "x"}, "register and verify your domain first"),
]


@pytest.mark.parametrize("body, text", BAD_AGENTS, ids=[json.dumps(b)[:50] for b, _ in BAD_AGENTS])
def test_a_bad_agent_is_refused_with_its_reason(post, body, text):
    body = {k: slug() if v == "SLUG" else v for k, v in body.items()}
    assert post("/api/v1/agents", body) == (400, text + "\n")


def test_the_slug_wins_over_the_email(post):
    name = slug()
    body = {"slug": name, "email": "a@unclaimed.example", "agent_mode": "local"}
    status, text = post("/api/v1/agents", body)
    assert (status, json.loads(text)["email"]) == (201, f"{name}@{SHARED_DOMAIN}")


def test_json_and_slug_are_checked_before_the_key(nobody):
    for body, want in ((b"{", (400, "invalid request body\n")),
                       (b'{"slug":"admin"}', (400, 'invalid slug: slug "admin" is reserved\n')),
                       (b"{}", (401, "authentication required\n"))):
        answer = nobody.request("POST", "/api/v1/agents", body)
        assert (answer.status, answer.text) == want


LENGTH = "slug must be 2\u201340 characters"
FORM = "slug must be lowercase alphanumeric with hyphens, no leading/trailing hyphens"
RESERVED = ("admin postmaster abuse noreply no-reply mailer-daemon info help demo test www mail "
            "agent api system root hitl-noreply").split()
BAD_SLUGS = [("a", LENGTH), ("a" * 41, LENGTH), ("\u00e9" * 21, LENGTH), ("MyBot", FORM),
             ("-a", FORM), ("a-", FORM), ("a_b", FORM), ("a.b", FORM), ("a b", FORM),
             ("a\n", FORM), ("a\0b", FORM), ("ab\r\nx", FORM), ("b\u00f6t", FORM), ("--", FORM),
             ("a@b", FORM), *((word, f'slug "{word}" is reserved') for word in RESERVED)]


@pytest.mark.parametrize("name, reason", BAD_SLUGS)
def test_a_bad_slug_is_refused_with_its_rule(post, name, reason):
    body = {"slug": name, "agent_mode": "local"}
    assert post("/api/v1/agents", body) == (400, f"invalid slug: {reason}\n")


@pytest.mark.parametrize("name", ["ab", "a1", "my-bot", "support-agent-1", "x--y", "9" * 40])
def test_a_good_slug_is_taken(post, name):
    status, text = post("/api/v1/agents", {"slug": name, "agent_mode": "local"})
    assert (status, json.loads(text)["email"]) == (201, f"{name}@{SHARED_DOMAIN}")


# ---- request bodies ----

@pytest.mark.parametrize("template", [
    '{{"slug":"{0}","agent_mode":"local"}} trailing }}',
    '{{"SLUG":"{0}","Agent_Mode":"local"}}',
    '{{"slug":"other","unknown":[{{"deep":[1,2]}}],"slug":"{0}","agent_mode":"local"}}',
    '\n\t {{"slug":"{0}","agent_mode":"local","name":null,"webhook_url":null}}',
])
def test_json_is_read_tolerantly(http, template):
    name = slug()
    answer = http.request("POST", "/api/v1/agents", template.format(name).encode(),
                          "Content-Type: image/png")
    assert (answer.status, answer.json["email"]) == (201, f"{name}@{SHARED_DOMAIN}")


def test_invalid_utf8_becomes_the_replacement_character(http):
    name = slug()
    body = b'{"slug":"%s","agent_mode":"local","name":"a\xff\xc3b"}' % name.encode()
    assert http.request("POST", "/api/v1/agents", body).status == 201
    agent = http.request("GET", f"/api/v1/agents/{name}@{SHARED_DOMAIN}").json
    assert agent["name"] == "a\ufffd\ufffdb"


# ---- messages ----

def test_a_message_becomes_read_when_it_is_fetched(http, full):
    agent = full("one")
    base = f"/api/v1/agents/{quote(agent, safe='')}/messages"
    listed = http.request("GET", f"{base}?status=unread&page_size=50").json
    assert listed.keys() == {"messages"} and len(listed["messages"]) == 1
    summary = listed["messages"][0]
    assert re.fullmatch(r"msg_[0-9a-f]{32}", summary["message_id"])
    assert TIME_B.fullmatch(summary["created_at"])
    assert (summary["from"], summary["to"], summary["recipient"]) == (SENDER, [agent], agent)
    assert summary["status"] == "unread"
    assert not {"cc", "conversation_id", "raw_message", "auth_headers"} & summary.keys()
    detail = http.request("GET", f"{base}/{summary['message_id']}").json
    assert detail["status"] == "read"
    assert {"message_id", "from", "to", "cc", "recipient", "subject", "conversation_id", "status",
            "created_at", "auth_headers", "raw_message"} <= detail.keys()
    assert (detail["cc"], detail["conversation_id"]) == (None, "")
    assert b"Subject: one\r\n" in base64.b64decode(detail["raw_message"], validate=True)
    assert detail["auth_headers"]["X-E2A-Auth-Message-Id"] == summary["message_id"]
    assert http.request("GET", f"{base}?status=unread").json == {"messages": []}
    assert len(http.request("GET", f"{base}?status=read").json["messages"]) == 1
    assert http.request("GET", f"{base}/{summary['message_id']}").json["status"] == "read"


def test_mail_of_a_cloud_agent_has_a_status_too(stack, http, make_agent, hook, wait_messages):
    agent = make_agent(hook.url)
    stack.send(SENDER, agent, compose(SENDER, agent, "cloudy"))
    assert wait_messages(agent, "cloudy")[0]["status"] in ("unread", "read")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_give_every_message_once_and_in_order(http, full, size):
    agent = full("1", "2", "3")
    target, seen, pages = f"/api/v1/agents/{agent}/messages?status=all&page_size={size}", [], 0
    token = ""
    while token is not None:
        page = http.request("GET", f"{target}&token={token}").json
        seen += [m["subject"] for m in page["messages"]]
        pages += 1
        token = page.get("next_token")
        assert token is None or re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert (seen, pages) == (["1", "2", "3"], -(-3 // size))


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "", "999999999999999999999", "1%00"])
def test_an_unusable_page_size_counts_as_none(http, full, size):
    agent = full("1", "2")
    page = http.request("GET", f"/api/v1/agents/{agent}/messages?page_size={size}").json
    assert [m["subject"] for m in page["messages"]] == ["1", "2"]


@pytest.mark.parametrize("status", ["Unread", "new", "unread,read", "unread%00", "a" * 1000])
def test_an_unknown_status_is_refused(http, make_agent, status):
    answer = http.request("GET", f"/api/v1/agents/{make_agent()}/messages?status={status}")
    assert (answer.status, answer.text) == (400, "status must be 'unread', 'read', or 'all'\n")


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def changed(token: str, **values: object) -> str:
    """The token with other values in it, and the MAC of the old ones."""
    data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return unpadded(json.dumps({**data, **values}, separators=(",", ":")).encode())


BAD_TOKENS = {
    "no base64": lambda t: "!!!",
    "no JSON": lambda t: unpadded(b"{{{"),
    "empty object": lambda t: unpadded(b"{}"),
    "a list": lambda t: unpadded(b"[]"),
    "cut": lambda t: t[:-4],
    "padded": lambda t: t + "====",
    "another time": lambda t: changed(t, c="2020-01-01T00:00:00Z"),
    "another message": lambda t: changed(t, i=ABSENT_ID),
    "SQL": lambda t: changed(t, i="' OR 1=1 --"),
    "another type": lambda t: changed(t, c=5),
    "no MAC": lambda t: changed(t, m=None),
    "one letter": lambda t: t[:20] + ("A" if t[20] != "A" else "B") + t[21:],
    "too long": lambda t: "A" * 5000,
    "unsigned, as others make them": lambda t: unpadded(
        b'{"c":"2020-01-01T00:00:00Z","i":"","s":"all","a":"x@y.example"}'),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_page_token_that_was_tampered_with_is_refused(http, full, name):
    target = f"/api/v1/agents/{full('1', '2')}/messages?status=all&page_size=1"
    token = http.request("GET", target).json["next_token"]
    answer = http.request("GET", f"{target}&token={quote(BAD_TOKENS[name](token))}")
    assert (answer.status, answer.text) == (400, "invalid pagination token\n")


def test_a_page_token_belongs_to_its_filter_agent_and_user(http, full, make_agent, strange_api):
    target = f"/api/v1/agents/{full('1', '2')}/messages"
    token = http.request("GET", f"{target}?page_size=1").json["next_token"]
    assert http.request("GET", f"{target}?page_size=9&token={token}").status == 200
    answer = http.request("GET", f"{target}?status=all&token={token}")
    assert (answer.status, answer.text) == (400, "token was created with different filters \u2014 "
                                                 "start a new query without a token\n")
    answer = http.request("GET", f"/api/v1/agents/{make_agent()}/messages?token={token}")
    assert (answer.status, answer.text) == (400, "token was created for a different agent \u2014 "
                                                 "start a new query without a token\n")
    other = strange_api.make_agent(slug())
    assert strange_api.get(f"/api/v1/agents/{other}/messages?token={token}") \
        == (400, "invalid pagination token\n")


def test_a_message_is_found_only_below_its_own_agent(http, full, make_agent, wait_messages):
    agent = full("mine")
    message = wait_messages(agent, "mine")[0]["message_id"]
    answer = http.request("GET", f"/api/v1/agents/{make_agent()}/messages/{message}")
    assert (answer.status, answer.text) == (404, "message not found\n")
    assert http.request("GET", f"/api/v1/agents/{agent}/messages").json["messages"], "still unread"


def test_an_expired_message_is_gone(stack, http, full, wait_messages):
    agent = full("old", "new")
    message = wait_messages(agent, "old")[0]["message_id"]
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE messages SET expires_at = now() - interval '1 s' WHERE id = %s",
                      [message])
    listed = http.request("GET", f"/api/v1/agents/{agent}/messages?status=all").json["messages"]
    assert [m["subject"] for m in listed] == ["new"]
    answer = http.request("GET", f"/api/v1/agents/{agent}/messages/{message}")
    assert (answer.status, answer.text) == (404, "message not found\n")


def test_a_large_message_comes_whole(stack, http, make_agent, wait_messages):
    agent = make_agent()
    message = compose(SENDER, agent, "large", body="".join(f"{i:070}\n" for i in range(20000)))
    assert stack.send(SENDER, agent, message).code == 250
    found = wait_messages(agent, "large")[0]["message_id"]
    detail = http.request("GET", f"/api/v1/agents/{agent}/messages/{found}").json
    assert base64.b64decode(detail["raw_message"], validate=True).endswith(message)
    assert http.request("GET", "/api/health").status == 200
