# SPDX-License-Identifier: Apache-2.0
"""The first five minutes of a newcomer: from `make run` over the link that it prints to the last
tick, by the commands that the page shows, as they are."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.stack.part import CLEAN_ENV
from tests.integration.dashboard import Dashboard
from tests.integration.test_stack import make_run, wait_env

LAST_LINE = "Ctrl-C stops all of it."
COMMAND_SECONDS = 60


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    shutil.rmtree((tmp_path / "run").resolve(), ignore_errors=True)


@pytest.fixture
def started(build: Path, directory: Path) -> Iterator[str]:
    """What `make run` prints, while it runs."""
    run = make_run(build, directory)
    try:
        wait_env(run, directory)
        printed = ""
        while LAST_LINE not in printed:
            line = run.stdout.readline()
            assert line, f"make run ended: {printed}"
            printed += line
        yield printed
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0


@pytest.fixture
def terminal(directory: Path):
    """Pastes commands into a shell of somebody who follows the page."""
    def words(text: str) -> list[str]:
        return ["/bin/bash", "-c", f". {directory}/env\n{text}"]

    @contextmanager
    def background(text: str) -> Iterator[None]:
        process = subprocess.Popen(words(text), env=CLEAN_ENV, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, process_group=0)
        try:
            yield
            assert process.poll() is None, process.stdout.read()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(COMMAND_SECONDS)

    def paste(text: str) -> str:
        done = subprocess.run(words(f"set -e\n{text}"), env=CLEAN_ENV, capture_output=True,
                              text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return SimpleNamespace(paste=paste, background=background)


class Newcomer(Dashboard):
    def sign_in(self, _=None) -> None:
        """By the link that is printed."""


def link_in(printed: str) -> str:
    return re.search(r"(?m)^open +(\S+)$", printed)[1]


def step(dashboard: Dashboard, n: int):
    return dashboard.find(f".steps > li:nth-child({n})")


def command(dashboard: Dashboard, n: int) -> str:
    """The last one that the step shows."""
    return dashboard.wait(f"a command for step {n}",
                          lambda: [p.text for p in step(dashboard, n).find_elements("css selector", "pre")])[-1]


def wait_done(dashboard: Dashboard, n: int) -> None:
    dashboard.wait(f"step {n} to be done", lambda: "✓ Done" in step(dashboard, n).text)


def test_from_make_run_to_the_last_tick(started, terminal, window):
    link = link_in(started)
    dashboard = Newcomer(SimpleNamespace(url=link.partition("/api/")[0]), window, None)
    window.open(link)
    dashboard.wait("the overview", lambda: window.heading == "Overview")
    dashboard.settle()

    wait_done(dashboard, 1)  # `make run` has made one
    assert "✓" not in step(dashboard, 2).text + step(dashboard, 3).text + step(dashboard, 4).text
    dashboard.check("first-steps")
    terminal.paste(command(dashboard, 2))
    wait_done(dashboard, 2)
    with terminal.background(command(dashboard, 3)):
        wait_done(dashboard, 3)
    assert "Sent:" in terminal.paste(command(dashboard, 4))
    wait_done(dashboard, 4)
    dashboard.wait_text("That is all there is to it.")
    dashboard.check("first-steps-done")
    dashboard.open("#/", fresh=True)
    assert "First steps" not in dashboard.text
    window.forget()
