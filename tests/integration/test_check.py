# SPDX-License-Identifier: Apache-2.0
"""What `make check` does with suites of pytest that run side by side: a tree with
scripts/check and two small ones stands for ours."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from scripts.stack.part import CLEAN_ENV, wait_until

ROOT = Path(__file__).resolve().parents[2]

MEET = """
import pathlib, time
def test_meets_the_other():
    here = pathlib.Path(__file__).parents[2]
    (here / "{own}").touch()
    deadline = time.monotonic() + 20
    while not (here / "{other}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
"""
HANG = """
import pathlib, time
import pytest
here = pathlib.Path(__file__).parents[2]
@pytest.fixture
def stack():
    (here / "{own}-up").touch()
    yield
    (here / "{own}-down").touch()
def test_passes():
    pass
def test_hangs(stack):
    time.sleep(600)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("scripts", "tests/integration", "tests/faults"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy2(ROOT / "scripts" / "check", tmp_path / "scripts")
    (tmp_path / "Makefile").write_text("all tools:\n\t@:\n")
    return tmp_path


def start(tree: Path, integration: str, faults: str) -> subprocess.Popen:
    (tree / "tests/integration/test_a.py").write_text(integration.format(own="a", other="b"))
    (tree / "tests/faults/test_b.py").write_text(faults.format(own="b", other="a"))
    return subprocess.Popen([str(tree / "scripts/check"), "--integration", "build"], cwd=tree,
                            env={**CLEAN_ENV, "TMPDIR": str(tree)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_suites_run_at_one_time_and_are_summed_up(tree):
    check = start(tree, MEET, MEET)
    text, _ = check.communicate(timeout=60)
    assert check.returncode == 0, text
    assert text.endswith("\n2 passed, 0 failed\n")
    for name in ("integration", "faults"):
        assert re.search(rf"(?m)^== {name}\n\. +\[100%\]$", text), text
        assert re.search(rf"(?m)^{name} +1 passed +0 failed", text), text


def test_what_fails_in_one_suite_fails_the_whole_and_is_shown(tree):
    check = start(tree, "def test_x():\n    assert 'this' == 'that'\n",
                  "import pytest\n@pytest.mark.skip\ndef test_y():\n    pass\n"
                  "def test_z():\n    pass\n")
    text, _ = check.communicate(timeout=60)
    assert check.returncode == 1
    assert "assert 'this' == 'that'" in text
    assert "FAILED tests.integration.test_a.test_x: failure\n" in text
    assert "FAILED tests.faults.test_b.test_y: skipped\n" in text
    assert text.endswith("\n1 passed, 2 failed\n")


def test_a_suite_that_breaks_off_or_has_nothing_to_run_fails(tree):
    check = start(tree, "import os\ndef test_x():\n    os._exit(0)\n", "")
    text, _ = check.communicate(timeout=60)
    assert check.returncode == 1
    assert "FAILED pytest integration: status 0, no report\n" in text
    assert "FAILED pytest faults: status 5\n" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both_suites_and_takes_their_stacks_down(tree, number):
    check = start(tree, HANG, HANG)
    for name in ("a", "b"):
        wait_until("the suites to hang", (tree / f"{name}-up").exists)
    check.send_signal(number)
    text, _ = check.communicate(timeout=60)
    assert check.returncode == 128 + number
    assert (tree / "a-down").exists() and (tree / "b-down").exists(), text
    assert text.count("KeyboardInterrupt") >= 2, "what they had to say is shown"


def test_suites_end_with_a_check_that_was_killed(tree):
    check = start(tree, HANG, HANG)
    for name in ("a", "b"):
        wait_until("the suites to hang", (tree / f"{name}-up").exists)
    check.kill()
    for name in ("a", "b"):
        wait_until("the stacks to be taken down", (tree / f"{name}-down").exists)
    check.communicate(timeout=60)


def test_a_suite_that_hangs_is_ended_and_fails(tree):
    script = tree / "scripts" / "check"
    text = script.read_text()  # its time is over when it hangs, however slow this host is
    assert text.count("> PYTEST_TIMEOUT:") == 1
    script.write_text(text.replace("> PYTEST_TIMEOUT:", """> (
                0 if self.name == "integration" and (ROOT / "a-up").exists() else PYTEST_TIMEOUT):"""))
    check = start(tree, HANG, "def test_z():\n    pass\n")
    text, _ = check.communicate(timeout=60)
    assert check.returncode == 1
    assert "FAILED pytest integration: timed out\n" in text
    assert (tree / "a-down").exists()
    assert text.endswith("\n1 passed, 1 failed\n")
