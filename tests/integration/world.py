# SPDX-License-Identifier: Apache-2.0
"""An account in which there is one of everything, and the requests that the document
describes: for each operation one that succeeds, made of its examples and of what
there is."""

from __future__ import annotations

import functools
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote, urlencode

from scripts.reference.document import Document, Operation
from scripts.stack import Stack
from scripts.stack.part import wait_until
from scripts.stack.peers import Api, WebhookReceiver
from scripts.stack.stack import SHARED_DOMAIN
from tests.integration import schema
from tests.integration.client import Answer, Http, add_key, add_session
from tests.integration.link_tokens import mint

DOCUMENT = Document.read(schema.PATH)
OPERATIONS = {o.id: o for o in DOCUMENT.operations()}
SENDER = "alice@sender.example"
SIGNING_KEYS = "/api/v1/users/me/signing-keys"
# A page of our own made the browser ask.
OWN_PAGE = "Sec-Fetch-Site: same-origin"
# What needs more than one request, and is tested where that is.
NEEDS_MORE = {"useLink": "a mail", "signInByKey": "a key of the account",
              "linkPage": "a browser that asked for one", "providerCallback": "a provider",
              "openWebSocket": "an upgrade"}
# What is asked of an agent with a webhook; the others' have a WebSocket.
OF_WEBHOOKS = {"enableWebhook", "redeliverMessage", "redeliver"}
# What a reviewer's token has to be for.
LINK_ACTS = {"approvalPage": "approve", "approveByLink": "approve", "approvalContent": "approve",
             "rejectionPage": "reject", "rejectByLink": "reject"}
NOT_AT_ALL = {"providerCallback"}  # without a provider not even by accident

numbers = itertools.count(1)


def name_of(operation: Operation) -> str:
    return operation.id


@dataclass
class Request:
    operation: Operation
    path: dict[str, str]  # by parameter, as it is sent
    query: dict[str, str] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)
    body: bytes | None = None

    @property
    def target(self) -> str:
        path = self.operation.path
        for name, value in self.path.items():
            path = path.replace("{%s}" % name, value)
        return path + (f"?{urlencode(self.query, errors='surrogatepass')}" if self.query else "")

    def send(self, port: int, *fields: str) -> Answer:
        with Http(port) as http:
            return http.request(self.operation.method, self.target, self.body, *self.fields,
                                *fields)

    def with_json(self, value: Any) -> Request:
        return replace(self, body=json.dumps(value).encode())


def segment(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@dataclass
class Things:
    """Of each kind one; what the parameters of paths name."""
    email: str
    message_id: str
    domain: str
    secret_id: str
    signing_key_id: str
    key_id: str
    address: str
    delegation_id: str
    reviewer_id: str
    outbound_id: str
    held_id: str
    cloud_email: str
    cloud_message_id: str
    index: str = "0"
    version: str = ""
    file: str = "app.js"

    def named(self, operation: Operation, parameter: str) -> str:
        return getattr(self, kind_of(operation, parameter))


def kind_of(operation: Operation, parameter: str) -> str:
    """Which of the things a parameter of a path is."""
    return f"cloud_{parameter}" if operation.id in OF_WEBHOOKS else parameter


@functools.cache
def endpoint() -> WebhookReceiver:
    """Takes every mail."""
    return WebhookReceiver()


@contextmanager
def staying_alive(stack: Stack) -> Iterator[None]:
    """The same e2a-apid goes on, finds no fault of its own, and mail still comes."""
    pid, mark = stack.apid.pid, stack.apid.log_mark()
    yield
    assert stack.apid.pid == pid and stack.apid.running()
    log = stack.apid.log_since(mark)
    assert "request_failed" not in log and "level=error" not in log, log[-3000:]
    after = World(stack)
    assert after.api.get("/api/health") == (200, {"status": "ok"})
    wait_until("readiness", lambda: after.api.get("/readyz")[0] == 200)
    status, message = after.api.get(f"/api/v1/agents/{after.things.email}/messages/"
                                    f"{after.things.message_id}")
    assert (status, message["text"]) == (200, "Hi.\n")


class World:
    """`things` are there and belong to `user_id`; what a request deletes comes back
    with restore()."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.begin()

    def begin(self) -> None:
        """An account of its own."""
        account = self.stack.bootstrap(f"world{next(numbers)}@other.example")
        self.user_id, self.key = account.user_id, account.api_key
        self.api = Api(self.stack.url, self.key)
        self.session = add_session(self.stack, self.user_id)
        email = self.make_agent()
        self.make_suppression("gone@example.org")  # the example of a query
        cloud = self.make_agent(endpoint().url)
        self.things = Things(email, self.make_message(email), self.make_domain(),
                             self.make_secret(), self.make_signing_key(), self.make_key()[0], self.make_suppression(),
                             self.make_delegation(email), self.make_reviewer(email),
                             self.make_outbound(email), self.make_held(email),
                             cloud, self.make_message(cloud), version=self.web_version())
        self.agent_key = self.make_key(email)[1]
        self.revoked_key = add_key(self.stack, self.user_id, revoked=True)[1]
        self.expired_key = add_key(self.stack, self.user_id, expires="-1 s")[1]
        self.ended_session = add_session(self.stack, self.user_id, "-1 s")

    # ---- what there is ----

    def web_version(self) -> str:
        with Http(self.stack.http_port) as http:
            return http.request("GET", "/").headers["etag"].strip('"')

    def make_agent(self, webhook: str = "") -> str:
        return self.api.make_agent(f"w{next(numbers)}-{os.urandom(4).hex()}", webhook)

    def make_message(self, agent: str) -> str:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = SENDER, agent, "Hello"
        mail["Message-ID"] = f"<{os.urandom(8).hex()}@sender.example>"
        mail.set_content("Hi.\n")
        mail.add_alternative("<p>Hi.</p>\n", subtype="html")
        mail.add_attachment(b"one,two\n", maintype="text", subtype="csv", filename="a.csv")
        assert self.stack.send(SENDER, agent, mail.as_bytes()).code == 250
        listed = wait_until("the mail", lambda: self.api.get(
            f"/api/v1/agents/{agent}/messages?status=all")[1]["messages"], interval=0.05)
        with self.stack.db() as db, db.cursor() as query:
            query.execute("UPDATE messages SET conversation_id = 'conv-42' WHERE id = %s",
                          [listed[0]["message_id"]])
        return listed[0]["message_id"]

    def make_outbound(self, agent: str) -> str:
        """A mail that the agent sent."""
        status, made = self.api.post("/api/v1/send", {"from": agent, "to": [SENDER],
                                                      "subject": "Hello", "body": "Hi.\n"})
        assert status == 200, made
        return made["id"]

    def make_held(self, agent: str) -> str:
        """One that waits for a human; what the agent sends later does not."""
        for enabled in (True, False):
            status, answer = self.api.call("PUT", f"/api/v1/agents/{agent}",
                                           {"hitl_enabled": enabled})
            assert status == 200, answer
            if enabled:
                status, made = self.api.post("/api/v1/send", {
                    "from": agent, "to": [SENDER], "subject": "Hello", "body": "Hi.\n",
                    "html_body": "<p>Hi.\n"})
                assert status == 202, made
        return made["id"]

    def make_domain(self) -> str:
        name = f"w{next(numbers)}-{os.urandom(4).hex()}.example"
        status, answer = self.api.post("/api/v1/domains", {"domain": name})
        assert status == 201, answer
        self.stack.dns.set(name, "TXT", answer["verification_token"])
        self.stack.dns.reload()
        return name

    def make_secret(self) -> str:
        status, made = self.api.post("/api/v1/users/me/signing-secrets", {"name": "world"})
        assert status == 201, made
        return made["id"]

    def make_signing_key(self) -> str:
        status, made = self.api.post(SIGNING_KEYS, {"name": "world"})
        assert status == 201, made
        return made["id"]

    def make_key(self, agent: str | None = None) -> tuple[str, str]:
        return add_key(self.stack, self.user_id, agent=agent)

    def make_delegation(self, agent: str) -> str:
        """One that waits for its human, who has the token."""
        made, self.link_token = f"dlg_{os.urandom(16).hex()}", os.urandom(32).hex()
        with self.stack.db() as db, db.cursor() as query:
            query.execute("INSERT INTO delegations (id, user_id, agent_email, human_email, link_hash, "
                          "link_expires_at) VALUES (%s, %s, %s, %s, sha256(%s), "
                          "now() + interval '1 day')", [made, self.user_id, agent,
                          f"human{next(numbers)}@world.example", self.link_token.encode()])
        return made

    def make_reviewer(self, agent: str) -> str:
        """The same."""
        made, self.review_token = f"rev_{os.urandom(16).hex()}", os.urandom(32).hex()
        address = f"human{next(numbers)}@world.example"
        with self.stack.db() as db, db.cursor() as query:
            query.execute("INSERT INTO reviewers (id, user_id, agent_email, address, folded, link_hash, "
                          "link_expires_at) VALUES (%s, %s, %s, %s, %s, sha256(%s), "
                          "now() + interval '1 day')", [made, self.user_id, agent, address, address,
                          self.review_token.encode()])
        return made

    def make_suppression(self, address: str = "") -> str:
        address = address or f"gone{next(numbers)}-{os.urandom(4).hex()}@world.example"
        with self.stack.db() as db, db.cursor() as query:
            query.execute("INSERT INTO suppressions (user_id, address, reason) "
                          "VALUES (%s, %s, 'bounce') ON CONFLICT DO NOTHING",
                          [self.user_id, address])
        return address

    def restore(self, done: Operation) -> None:
        """What this operation may have taken away."""
        t = self.things
        match done.id:
            case "deleteAccount":
                self.begin()
            case "deleteAgent" | "deleteDashboardAgent":
                t.email = self.make_agent()
                t.message_id = self.make_message(t.email)
                t.delegation_id = self.make_delegation(t.email)
                t.reviewer_id = self.make_reviewer(t.email)
                t.outbound_id = self.make_outbound(t.email)
                t.held_id = self.make_held(t.email)
                self.agent_key = self.make_key(t.email)[1]
            case "approveMail" | "rejectMail" | "approveByLink" | "rejectByLink" | "decideOnPage":
                t.held_id = self.make_held(t.email)
            case "deleteDomain" | "rotateDomainKey":
                t.domain = self.make_domain()
            case "deleteSigningSecret":
                t.secret_id = self.make_secret()
            case "createSigningSecret":
                self.forget_secrets()
            case "deleteSigningKey":
                t.signing_key_id = self.make_signing_key()
            case "createSigningKey":
                self.forget_signing_keys()
            case "revokeKey":
                t.key_id = self.make_key()[0]
            case "askForDelegation" | "revokeDelegation" | "answerDelegation":
                self.forget_delegations()
            case "nameReviewer" | "removeReviewer" | "answerReviewer":
                self.forget_reviewers()
            case "deleteSuppression":
                t.address = self.make_suppression()
            case "deleteSuppressionAsked":
                self.make_suppression("gone@example.org")
            case "signOut":
                self.session = add_session(self.stack, self.user_id)

    def forget_secrets(self) -> None:
        """All but the last; there may be five only, and never none."""
        path = "/api/v1/users/me/signing-secrets"
        last, *others = self.api.get(path)[1]["secrets"]
        for secret in others:
            self.api.call("DELETE", f"{path}/{secret['id']}")
        self.things.secret_id = self.make_secret()

    def forget_signing_keys(self) -> None:
        """There may be three only."""
        for key in self.api.get(SIGNING_KEYS)[1]["keys"]:
            self.api.call("DELETE", f"{SIGNING_KEYS}/{key['id']}")
        self.things.signing_key_id = self.make_signing_key()

    def forget_delegations(self) -> None:
        """An agent may have so many only."""
        with self.stack.db() as db, db.cursor() as query:
            query.execute("DELETE FROM delegations WHERE user_id = %s", [self.user_id])
        self.things.delegation_id = self.make_delegation(self.things.email)

    def forget_reviewers(self) -> None:
        with self.stack.db() as db, db.cursor() as query:
            query.execute("DELETE FROM reviewers WHERE user_id = %s", [self.user_id])
        self.things.reviewer_id = self.make_reviewer(self.things.email)

    # ---- who asks ----

    def browser(self, token: str = "") -> list[str]:
        return [f"Cookie: e2a_session={token or self.session}", OWN_PAGE]

    def credential(self, operation: Operation) -> list[str]:
        """The one that reaches furthest."""
        if operation.scope:
            return [f"Authorization: Bearer {self.key}"]
        if operation.node["tags"] == ["Sign-in"] or {"session": []} in operation.security:
            return self.browser()
        return [OWN_PAGE] if operation.body and operation.form else []

    def useless(self, operation: Operation) -> Iterator[tuple[str, list[str]]]:
        """Credentials that are none here."""
        keys = {"no key at all": "e2a_" + "0" * 64, "garbage": "x", "long": "e" * 5000,
                "revoked": self.revoked_key, "expired": self.expired_key,
                "a session as a key": self.session}
        yield "none", []
        for name, key in keys.items():
            yield name, [f"Authorization: Bearer {key}"]
        for name, token in (("no session", "e2a_" + "0" * 64), ("an ended session",
                            self.ended_session), ("a key as a session", self.key)):
            yield name, self.browser(token)
        yield "a bad key beside a good session", ["Authorization: Bearer x", *self.browser()]
        if not operation.scope:
            yield "a key where none counts", [f"Authorization: Bearer {self.key}"]

    # ---- what is asked ----

    def request(self, operation: Operation, things: Things | None = None) -> Request:
        """One that succeeds with credential(), if the things are one's own."""
        things = things or self.things
        path = {p["name"]: segment(things.named(operation, p["name"])) for p in
                operation.parameters_in("path")}
        query = {p["name"]: str(DOCUMENT.example(p["schema"])) for p in
                 operation.parameters_in("query") if p.get("required")}
        if "t" in query:
            query["t"] = self.token(operation, things)
        if "id" in query:
            query["id"] = things.held_id
        request = Request(operation, path, query)
        if not operation.body:
            return request
        value = self.body(operation, DOCUMENT.example(operation.body), things)
        return replace(request, body=urlencode(value).encode() if operation.form
                       else json.dumps(value).encode())

    def token(self, operation: Operation, things: Things) -> str:
        """Of a link that was mailed."""
        act = LINK_ACTS.get(operation.id)
        if act:
            return mint(self.stack, things.held_id, act)
        return self.review_token if operation.node["tags"] == ["Reviewers"] else self.link_token

    def body(self, operation: Operation, example: dict[str, Any],
             things: Things | None = None) -> dict[str, Any]:
        """The example of the document, as something that works here."""
        things = things or self.things
        number = f"{next(numbers)}-{os.urandom(4).hex()}"
        replaced = {"slug": f"x{number}", "email": f"x{number}@{SHARED_DOMAIN}",
                    "domain": f"x{number}.example", "agent": things.email, "from": things.email,
                    "agent_email": things.email, "webhook_url": "http://127.0.0.1:9/hook",
                    "t": self.token(operation, things) if "t" in example else ""}
        if operation.id == "decideOnPage":
            replaced = {"id": things.held_id}
        return {k: replaced.get(k, v) for k, v in example.items()}

    def do(self, request: Request, *fields: str) -> Answer:
        answer = request.send(self.stack.http_port, *fields)
        if answer.status < 400:
            self.restore(request.operation)
        return answer
