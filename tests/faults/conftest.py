# SPDX-License-Identifier: Apache-2.0
"""Each file has a stack of its own, whose parts its tests stop and kill. Postgres
writes durably here, leases and retries are short, and no endpoint fails so often that it
has to wait for its turn.

SETTINGS and POSTFIX of a test module are added to the stack's; with WORLD it has a
world to send to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.stack import Stack
from scripts.stack.peers import Api
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN, Account
from tests.faults.audit import Journal, Receiver
from tests.faults.second import SecondDeliverd, second_deliverd
from tests.integration.conftest import (author, build, hook, make_author,  # noqa: F401
                                        pytest_runtest_call, pytest_runtest_makereport)

SETTINGS = {"webhook_timeout": "2s", "webhook_schedule": "1s 1s 1s 2s 2s 5s 5s 5s 5s 5s 1h",
            "webhook_breaker_failures": "1000000"}

numbers = itertools.count(1)


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
    with second_deliverd(stack) as part:
        yield part


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
