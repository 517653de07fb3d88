# SPDX-License-Identifier: Apache-2.0
"""Each file has a stack of its own, whose parts its tests stop and kill. Postgres
writes durably here, and leases and retries are short.

SETTINGS and POSTFIX of a test module are added to the stack's; with WORLD it has a
world to send to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack import Stack
from scripts.stack.daemons import Deliverd
from scripts.stack.part import write_file
from scripts.stack.peers import Api
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN, Account
from tests.faults.audit import Journal, Receiver
from tests.integration.conftest import (author, build, hook, make_author,  # noqa: F401
                                        pytest_runtest_call, pytest_runtest_makereport)

SETTINGS = {"webhook_timeout": "2s", "webhook_schedule": "1s 1s 1s 2s 2s 5s 5s 5s 5s 5s 1h"}

numbers = itertools.count(1)


class SecondDeliverd(Deliverd):
    """Another one on the same database, with an LMTP socket of its own; Postfix does
    not know it."""
    name = "deliverd2"

    def argv(self) -> list[str]:
        return [str(self.state / "bin" / "e2a-deliverd"), "-c", str(self.conf)]

    def pgpass_path(self) -> Path:
        return self.state / "secrets" / "deliverd.pgpass"


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, build: Path) -> Iterator[Stack]:  # noqa: F811
    settings = {**NO_LIMITS, **SETTINGS, **getattr(request.module, "SETTINGS", {})}
    with Stack(build, settings=settings, postfix=getattr(request.module, "POSTFIX", {}),
               world=getattr(request.module, "WORLD", False)) as s:
        yield s


@pytest.fixture(scope="module")
def account(stack: Stack) -> Account:
    account = stack.bootstrap()
    stack.wait_for_domain(SHARED_DOMAIN)
    return account


@pytest.fixture(scope="module")
def api(stack: Stack, account: Account) -> Api:
    return Api(stack.url, account.api_key)


@pytest.fixture
def make_agent(api: Api) -> Callable[..., str]:
    return lambda webhook="": api.make_agent(f"t{next(numbers)}", webhook)


@pytest.fixture
def second(stack: Stack) -> Iterator[SecondDeliverd]:
    settings = {**stack.settings, "lmtp_listen": f"unix:{stack.state}/sock/lmtp2",
                "postfix_map_dir": "", "deliverd_metrics": ""}
    conf = write_file(stack.state / "second.conf",
                      "".join(f"{k} = {v}\n" for k, v in settings.items()))
    part = SecondDeliverd(stack.state, conf)
    part.start()
    yield part
    part.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def receiver(journal: Journal, account: Account) -> Iterator[Receiver]:
    """A webhook endpoint that writes down what it got before it says 200."""
    with Receiver(journal, account) as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "stack" in request.fixturenames:
        request.getfixturevalue("stack").heal()
