# SPDX-License-Identifier: Apache-2.0
"""One stack for the whole session; each test brings agents, domains and peers
of its own and leaves every part running. When a test fails, what the parts
logged meanwhile is shown with it.

    def test_something(stack, make_agent, hook, signer): ...
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack import Stack
from scripts.stack.mail import Signer
from scripts.stack.part import wait_until
from scripts.stack.peers import Api, WebhookReceiver
from scripts.stack.reader import Reader
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN, Account
from scripts.stack.world import World
from tests.integration import schema
from tests.integration.chromium import Chromium
from tests.integration.dashboard import Dashboard
from tests.integration.outbound import Author

HONEST = "127.0.0.7"  # the address that sender.example may send from
LOG_CHARACTERS = 6000

# alias0@other.example ... alias9@other.example are aliases of the agent `reader`.
ALIASES = "hash:$e2a_map_dir/aliases, inline:{%s}" % ", ".join(
    f"{{alias{i}@other.example=reader+alias{i}@{SHARED_DOMAIN}}}" for i in range(10))

Api.check = staticmethod(schema.check)


@pytest.fixture(scope="session")
def build() -> Path:
    return Path(os.environ.get("E2A_BUILD", "build/gcc")).resolve()


@pytest.fixture(scope="session")
def stack(build: Path) -> Iterator[Stack]:
    with Stack(build, xclient=True, world=True, postgres={"fsync": "off"},
               settings={**NO_LIMITS, "webhook_schedule": "2s 2s 1m"},
               postfix={"inet_protocols": "all", "virtual_alias_maps": ALIASES}) as s:
        yield s


@pytest.fixture(scope="session")
def account(stack: Stack) -> Account:
    account = stack.bootstrap()
    stack.wait_for_domain(SHARED_DOMAIN)
    return account


@pytest.fixture(scope="session")
def api(stack: Stack, account: Account) -> Api:
    return Api(stack.url, account.api_key)


@pytest.fixture(scope="session")
def stranger(stack: Stack, account: Account) -> Account:
    """Another user of the same deployment."""
    return stack.bootstrap("stranger@other.example")


@pytest.fixture(scope="session")
def strange_api(stack: Stack, stranger: Account) -> Api:
    return Api(stack.url, stranger.api_key)


@pytest.fixture(scope="session")
def signer(stack: Stack) -> Signer:
    """sender.example with SPF for 127.0.0.7, a DKIM key and a DMARC policy."""
    signer = Signer.new("sender.example")
    stack.dns.set("sender.example", "TXT", f"v=spf1 ip4:{HONEST} -all")
    stack.dns.set("_dmarc.sender.example", "TXT", "v=DMARC1; p=reject")
    stack.dns.publish(*signer.record[:1], "TXT", signer.record[1])
    return signer


@pytest.fixture(scope="session")
def world(stack: Stack) -> World:
    """Whoever does not belong to this deployment."""
    return stack.world


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def reader(stack: Stack, account: Account, api: Api) -> Iterator[Reader]:
    """An agent that reads any number of mails; checks what holds for every one."""
    with WebhookReceiver() as receiver:
        yield Reader(stack, account, api, receiver, "reader")


numbers = itertools.count(1)


@pytest.fixture
def make_agent(api: Api) -> Callable[..., str]:
    """make_agent(webhook="") -> address of a new agent on the shared domain."""
    return lambda webhook="": api.make_agent(f"t{next(numbers)}", webhook)


@pytest.fixture
def make_author(stack: Stack, api: Api, make_agent: Callable[..., str]) -> Callable[[], Author]:
    """A new agent on the shared domain, to write as."""
    return lambda: Author(stack, api, make_agent())


@pytest.fixture
def author(make_author: Callable[[], Author]) -> Author:
    return make_author()


@pytest.fixture
def strange_author(stack: Stack, strange_api: Api) -> Author:
    return Author(stack, strange_api, strange_api.make_agent(f"s{next(numbers)}"))


@pytest.fixture
def own_author(own_domain_author: Author) -> Author:
    """On a domain of the user's own, whose key is published."""
    own_domain_author.api.call("PUT", own_domain_author.path, {"hitl_enabled": False})
    return own_domain_author


@pytest.fixture(scope="session")
def own_domain_author(stack: Stack, account: Account, api: Api) -> Author:
    domain = "own-domain.example"
    status, made = api.post("/api/v1/domains", {"domain": domain})
    assert status == 201, made
    key = made["dns_records"]["dkim"]
    stack.dns.set(domain, "TXT", made["verification_token"])
    stack.dns.publish(f"{key['host']}.{domain}", "TXT", key["value"])
    assert api.post(f"/api/v1/domains/{domain}/verify")[0] == 200
    status, found = api.get(f"/api/v1/domains/{domain}")
    assert found["dns_records"]["dkim"]["status"] == "published", found
    status, made = api.post("/api/v1/agents", {"email": f"bot@{domain}", "agent_mode": "local"})
    assert status == 201, made
    stack.wait_for_domain(domain)
    return Author(stack, api, made["email"])


@pytest.fixture(scope="session")
def window(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of the dashboard."""
    with Chromium(build, tmp_path_factory.mktemp("window")) as browser:
        yield browser


@pytest.fixture
def dashboard(stack: Stack, account: Account, window: Chromium) -> Iterator[Dashboard]:
    """Signed in as an account of its own, which has nothing yet."""
    owner = stack.bootstrap(f"owner-{os.urandom(4).hex()}@other.example")
    yield Dashboard(stack, window, owner)
    window.forget()


@pytest.fixture
def wait_messages(api: Api) -> Callable[..., list[dict]]:
    """wait_messages(agent, subject...) -> the agent's list, once these are in it."""
    def wait(agent: str, *subjects: str) -> list[dict]:
        def probe() -> list[dict] | None:
            status, answer = api.get(f"/api/v1/agents/{agent}/messages?status=all")
            found = answer["messages"] if status == 200 else []
            return found if set(subjects) <= {m["subject"] for m in found} else None

        return wait_until(f"{subjects} in the list of {agent}", probe, interval=0.1)

    return wait


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test may stop or kill parts; the next one finds them running. A part that
    ended by itself is a failure."""
    yield
    if "stack" in request.fixturenames:
        crashed = request.getfixturevalue("stack").heal()
        assert not crashed, f"ended by themselves: {crashed}"


def log_marks(item: pytest.Item) -> dict[str, int]:
    stack = getattr(item, "funcargs", {}).get("stack")
    return {part.name: part.log_mark() for part in stack.parts} if stack else {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    item.stash[MARKS] = log_marks(item)
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    stack = getattr(item, "funcargs", {}).get("stack")
    if not report.failed or not stack:
        return
    for part in stack.parts:
        text = part.log_since(item.stash.get(MARKS, {}).get(part.name, 0)).strip()
        if text:
            report.sections.append((f"log of {part.name}", text[-LOG_CHARACTERS:]))


MARKS = pytest.StashKey[dict]()
