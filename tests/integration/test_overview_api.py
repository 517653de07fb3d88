# SPDX-License-Identifier: Apache-2.0
"""The account at one look: what it counts, who listens wherever they do, and first steps that
are ticked when they were made and not before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from scripts.stack.part import wait_until
from tests.integration.accounts import Person
from tests.integration.client import (EventStream, Http, SecondApid, WebSocket, add_session,
                                      second_apid)
from tests.integration.outbound import Author
from tests.integration.test_websocket import send

NOT_YET = {"received_at": None, "delivered_at": None, "listened_at": None, "replied_at": None}


@pytest.fixture
def person(stack, account) -> Person:
    return Person.new(stack)


@pytest.fixture(scope="module")
def other_apid(stack, account) -> Iterator[SecondApid]:
    with second_apid(stack, 71) as apid:
        yield apid


def overview(person: Person, parts: str = "", query: str = "") -> dict:
    status, found = person.api.get(f"/api/v1/overview?parts={parts}{query}")
    assert status == 200, found
    return found


def steps(person: Person) -> dict:
    return overview(person, "first_steps")["first_steps"]


def listeners(person: Person) -> dict:
    agent, = overview(person, "agents")["agents"]
    return agent["listeners"]


def wait_listeners(person: Person, **wanted: int) -> dict:
    wanted = {"sockets": 0, "streams": 0, "polls": 0, **wanted}

    def probe() -> dict | None:
        found = listeners(person)
        return found if wanted.items() <= found.items() else None

    return wait_until(f"listeners to be {wanted}", probe, interval=0.1)


def made(person: Person, step: str) -> str:
    return wait_until(step, lambda: steps(person)[step], interval=0.1)


def test_a_new_account_has_made_no_step(stack, account):
    with Http(stack.http_port, stack.bootstrap("first@steps.example").api_key) as http:
        found = http.request("GET", "/api/v1/overview").json
    assert found["first_steps"] == {"agent_at": None, **NOT_YET}
    assert found["agents"] == [] and found["agents_total"] == found["pending_approval"] == 0
    assert len(found["traffic"]["hours"]) == 48 and len(found["traffic"]["days"]) == 30
    assert not any(b["received"] or b["sent"] or b["undelivered"]
                   for b in found["traffic"]["hours"] + found["traffic"]["days"])


def test_each_step_is_ticked_when_it_is_made(stack, person, hook, world):
    assert steps(person).pop("agent_at") and NOT_YET.items() <= steps(person).items()
    send(stack, person.agent, "the first")
    made(person, "received_at")
    assert steps(person)["listened_at"] is None

    with WebSocket(stack.http_port, person.agent, person.key) as socket:
        message = socket.notice()["message_id"]
        made(person, "listened_at")
    author = Author(stack, person.api, person.agent)
    author.send("bob@world.example")  # not an answer
    assert steps(person)["replied_at"] is None
    author.reply(message)
    made(person, "replied_at")

    assert steps(person)["delivered_at"] is None
    cloud = person.api.make_agent(f"{person.agent.partition('@')[0]}-cloud", hook.url)
    send(stack, cloud, "to a webhook")
    made(person, "delivered_at")
    before = steps(person)
    assert person.api.call("DELETE", f"/api/v1/agents/{cloud}")[0] == 200
    assert steps(person) == before


def test_an_answer_that_waits_is_no_answer_yet(stack, person):
    person.api.call("PUT", f"/api/v1/agents/{person.agent}", {"hitl_enabled": True})
    send(stack, person.agent, "to be answered")
    made(person, "received_at")
    _, page = person.api.get(f"/api/v1/agents/{person.agent}/messages")
    status, held = person.api.post(
        f"/api/v1/agents/{person.agent}/messages/{page['messages'][0]['message_id']}/reply",
        {"body": "Thanks."})
    assert (status, held["status"]) == (202, "pending_approval")
    found = overview(person)
    assert found["first_steps"]["replied_at"] is None
    assert found["pending_approval"] == found["agents"][0]["pending_approval"] == 1
    assert found["agents"][0]["last_sent_at"] is None and not found["traffic"]["hours"][-1]["sent"]
    person.api.post(f"/api/v1/messages/{held['message_id']}/approve", {})
    made(person, "replied_at")
    assert overview(person)["agents"][0]["last_sent_at"]


def test_mail_is_counted(stack, person, world):
    send(stack, person.agent, 1, 2, 3)
    wait_until("three mails", lambda: overview(person)["agents"][0]["unread"] == 3)
    found = overview(person)
    agent, = found["agents"]
    assert agent["last_received_at"] and agent["webhook"]["state"] == "none"
    assert sum(b["received"] for b in found["traffic"]["hours"]) == 3
    assert sum(b["received"] for b in found["traffic"]["days"]) == 3
    author = Author(stack, person.api, person.agent)
    author.send("bob@world.example")
    assert overview(person, "traffic")["traffic"]["hours"][-1]["sent"] <= 1
    wait_until("one sent", lambda: sum(
        b["sent"] for b in overview(person, "traffic")["traffic"]["hours"]) == 1)


def test_parts_are_what_was_asked_for(person):
    assert overview(person, "traffic").keys() == {"traffic"}
    assert overview(person, "first_steps,traffic").keys() == {"traffic", "first_steps"}
    assert overview(person).keys() >= {"agents", "traffic", "first_steps"}
    for wrong in ("agent", "agents,,traffic", "agents;traffic", "%00"):
        assert person.api.get(f"/api/v1/overview?parts={wrong}")[0] == 400, wrong


def test_agents_come_in_pages(person):
    first = person.agent.partition("@")[0]
    names = [person.agent, *(person.api.make_agent(f"{first}-{n}") for n in range(4))]
    seen, token = [], ""
    while token is not None:
        page = overview(person, "agents", f"&page_size=2&token={token}")
        assert page["agents_total"] == 5 and len(page["agents"]) <= 2
        seen += [a["email"] for a in page["agents"]]
        token = page.get("next_token")
    assert seen == names[::-1]


def listen(port: int, person: Person) -> ExitStack:
    """In all three ways."""
    opened = ExitStack()
    for listener in (WebSocket(port, person.agent, person.key),
                     EventStream(port, person.agent, person.key), poll(port, person)):
        opened.enter_context(listener)
    return opened


def test_listeners_are_seen_at_every_apid(stack, person, other_apid):
    assert listeners(person)["last_at"] is None
    with listen(stack.http_port, person), listen(other_apid.port, person):
        wait_listeners(person, sockets=2, streams=2, polls=2)
    gone = wait_listeners(person)
    assert steps(person)["listened_at"] < gone["last_at"]


def poll(port: int, person: Person) -> Http:
    http = Http(port, person.key)
    http.write(http.head("GET", f"/api/v1/agents/{person.agent}/messages?wait=60"))
    return http


def test_an_apid_that_died_has_no_listeners_for_long(stack, person):
    with second_apid(stack, 72) as apid:
        socket = WebSocket(apid.port, person.agent, person.key)
        wait_listeners(person, sockets=1)
        apid.kill()
        with stack.db() as db, db.cursor() as query:  # half a minute later
            query.execute("UPDATE apid_instances SET seen_at = seen_at - interval '40 s'")
        wait_listeners(person)  # the living one says again that it is there
        socket.close()


def test_an_apid_that_stops_takes_its_listeners_along(stack, person):
    with second_apid(stack, 73) as apid:
        socket = WebSocket(apid.port, person.agent, person.key)
        wait_listeners(person, sockets=1)
        assert apid.stop() == 0
        assert listeners(person)["sockets"] == 0
        socket.close()


def test_whoever_was_forgotten_is_written_again(stack, person):
    with WebSocket(stack.http_port, person.agent, person.key):
        wait_listeners(person, sockets=1)
        with stack.db() as db, db.cursor() as query:
            query.execute("DELETE FROM apid_instances")
        assert listeners(person)["sockets"] == 0
        with poll(stack.http_port, Person.new(stack)):  # something to be written
            wait_listeners(person, sockets=1)


def test_a_page_of_the_dashboard_is_no_listener(stack, person):
    cookie = f"Cookie: e2a_session={add_session(stack, person.user_id)}"
    with (Http(stack.http_port) as http,
          WebSocket(stack.http_port, person.agent, "", cookie, f"Origin: {stack.url}")):
        http.write(http.head("GET", f"/api/v1/agents/{person.agent}/messages?wait=60", cookie))
        with poll(stack.http_port, person):
            wait_listeners(person, polls=1)


def test_nobody_sees_anything_of_others(person, stranger, strange_api):
    _, theirs = strange_api.get("/api/v1/overview")
    assert person.agent not in str(theirs)
