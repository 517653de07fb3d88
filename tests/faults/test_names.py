# SPDX-License-Identifier: Apache-2.0
"""A name server that never answers for the webhooks of some agents. Who has
nothing to do with it must not notice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import write_file
from tests.faults.test_judging import DeafServer

ALICE = "alice@other.example"
WORKERS = 4  # http_workers
DEAF_AGENTS = 40
UNNOTICED_SECONDS = 3  # a look-up is given up after 5


@pytest.fixture(scope="module", autouse=True)
def deaf(stack) -> DeafServer:
    server = DeafServer()
    stack.configure(dns_config=str(write_file(stack.state / "deaf.conf", server.config)))
    for name in ("deliverd", "apid"):
        stack.restart(name)
    return server


def test_webhooks_of_others_go_out(stack, make_agent, hook, deaf):
    agents = [make_agent(hook.url) for _ in range(DEAF_AGENTS)]
    quick = make_agent(hook.url)
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE agents SET webhook_url = 'https://' || replace(email, '@', '-')"
                      " || '.deaf.example/' WHERE email = ANY (%s)", [agents])
    assert stack.send(ALICE, agents, compose(ALICE, agents[0])).code == 250
    deaf.wait(agents[0].replace("@", "-").split(".")[0])
    start = time.monotonic()
    assert stack.send(ALICE, quick, compose(ALICE, quick)).code == 250
    assert hook.wait().json["recipient"] == quick
    assert time.monotonic() - start < UNNOTICED_SECONDS


def test_requests_of_others_are_answered(api, deaf):
    def create(n: int) -> tuple[int, str]:
        return api.post("/api/v1/agents", {"slug": f"deaf{n}", "webhook_url":
                                           f"https://hook{n}.deaf.example/"})

    with ThreadPoolExecutor(WORKERS) as pool:
        answers = [pool.submit(create, n) for n in range(WORKERS)]
        deaf.wait("hook0")
        start = time.monotonic()
        assert api.get("/api/v1/agents")[0] == 200
        assert time.monotonic() - start < UNNOTICED_SECONDS
        assert {a.result()[0] for a in answers} == {400}
