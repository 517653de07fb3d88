# SPDX-License-Identifier: Apache-2.0
"""What `make run` promises of its directory: one stack at a time, a clean start
after a crash, any checkout."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack import StackError
from scripts.stack.part import CLEAN_ENV, Port, wait_until
from scripts.stack.place import Place, fits

ROOT = Path(__file__).resolve().parents[2]


def free_port(name: str) -> int:
    port = Port(name)
    port.release()
    return port.number


def make_run(build: Path, directory: Path, **ports: int) -> subprocess.Popen:
    names = ("SMTP_PORT", "HTTP_PORT", "DNS_PORT")
    env = {name: str(ports.get(name) or free_port(name)) for name in names}
    return subprocess.Popen(["/usr/bin/python3", "-B", "-m", "scripts.stack", "run", "--build",
                             str(build), "--directory", str(directory)],
                            cwd=ROOT, env={**CLEAN_ENV, **env}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_env(run: subprocess.Popen, directory: Path, old: str = "") -> str:
    """The text of run/env, once it is there and not the old one."""
    def probe() -> str | None:
        if run.poll() is not None:
            raise StackError(f"make run ended: {run.stdout.read()}")
        try:
            text = (directory / "env").read_text()
        except OSError:
            return None
        return text if text != old else None

    return wait_until("run/env", probe, 60)


def processes_of(path: Path) -> list[int]:
    """Pids whose command line or environment names the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(path) in text and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Below pytest's own 0700 directories: only root can walk there."""
    yield tmp_path / "run"
    shutil.rmtree((tmp_path / "run").resolve(), ignore_errors=True)


def test_run_writes_env_and_ends_everything_on_sigterm(build, directory):
    run = make_run(build, directory)
    try:
        env = wait_env(run, directory)
        assert set(re.findall(r"(?m)^(\w+)=", env)) == {"E2A_URL", "E2A_API_KEY", "E2A_SMTP", "E2A_DB", "E2A_AGENT", "E2A_AGENT_KEY",
                            "E2A_AGENT_EMAIL", "E2A_SHARED_DOMAIN", "E2A_WEBHOOK_SECRET", "PATH"}
        shown = subprocess.run(["sh", "-c", f". {directory}/env && e2a agents list"], text=True,
                               capture_output=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
        assert shown.stdout == "bot@agents.example  local (active)\n", shown
        state = directory.resolve()
        assert directory.is_symlink() and fits(state)
        assert processes_of(state)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
        assert processes_of(state) == []
        assert not (directory / "env").exists()
    finally:
        run.kill()


def test_a_second_run_is_refused_and_does_no_harm(build, directory):
    run = make_run(build, directory)
    try:
        wait_env(run, directory)
        second = make_run(build, directory)
        text, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"running in {directory.resolve()} already (pid {run.pid})" in text
        assert (directory / "env").exists() and run.poll() is None
    finally:
        run.terminate()
        run.wait(60)


def test_a_run_after_a_crash_starts_clean(build, directory):
    run = make_run(build, directory)
    old = wait_env(run, directory)
    run.kill()
    run.wait()
    left = processes_of(directory.resolve())
    again = make_run(build, directory)
    try:
        wait_env(again, directory, old)
        assert not set(left) & set(processes_of(directory.resolve()))
    finally:
        again.terminate()
        assert again.wait(60) == 0


def test_a_busy_port_is_named(build, directory):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        run = make_run(build, directory, SMTP_PORT=port)
        text, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert f"SMTP: 127.0.0.1:{port} cannot be used" in text
    assert processes_of(directory.resolve()) == []


def test_two_stacks_never_share_a_port():
    """Postfix would let them."""
    first = Port("SMTP")
    with pytest.raises(StackError, match=f"SMTP: 127.0.0.1:{first.number} cannot be used"):
        Port("SMTP", first.number)
    first.release()
    Port("SMTP", first.number).release()


def test_a_path_too_long_for_a_socket_becomes_a_link():
    deep = Path("/tmp") / f"e2a-{os.getpid()}-{'d' * 60}" / ("e" * 60)
    deep.mkdir(parents=True)
    try:
        place = Place(deep / "run")
        assert (deep / "run").is_symlink()
        assert (deep / "run").resolve() == place.path and fits(place.path)
        place.lock.close()
        assert Place(deep / "run").path == place.path  # the next run uses it again
    finally:
        shutil.rmtree((deep / "run").resolve())
        shutil.rmtree(deep.parents[0])


def test_a_short_reachable_path_is_used_itself():
    directory = Path("/tmp") / f"e2a-{os.getpid()}-short"
    try:
        assert Place(directory).path == directory
        assert not directory.is_symlink()
    finally:
        shutil.rmtree(directory)


def test_the_demo_is_all_as_it_should_be(build):
    done = subprocess.run(["/usr/bin/python3", "-B", "-m", "scripts.stack", "demo", "--build",
                           str(build)], cwd=ROOT, env=CLEAN_ENV, capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:] + done.stderr
    assert done.stdout.endswith("\nall as it should be\n") and "FAIL" not in done.stdout
    assert re.findall(r"(?m)^(\d)\. ", done.stdout) == ["1", "2", "3", "4", "5"]
