# SPDX-License-Identifier: Apache-2.0
"""One program of the stack: start it as some user, know its pid, read its log,
wait for what it says, stop it. Processes are ended by pid, never by name."""

from __future__ import annotations

import os
import pwd
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional, TypeVar

T = TypeVar("T")

CLEAN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
POLL_SECONDS = 0.02


class StackError(Exception):
    """A failure that is told to a person in one line (or with a log's end)."""


def wait_until(what: str, probe: Callable[[], Optional[T]], timeout: float = 15.0,
               interval: float = POLL_SECONDS) -> T:
    """Calls probe() until it gives something true; what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise StackError(f"gave up after {timeout:g} s waiting for {what}")
        time.sleep(interval)


def try_port(number: int) -> None:
    """OSError: somebody has it, TCP or UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as trial:
            if kind == socket.SOCK_STREAM:  # past connections do not matter
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", number))


class Port:
    """A port of 127.0.0.1, TCP and UDP, that no other stack takes meanwhile.

    Postfix listens with SO_REUSEPORT: two of them on one port both start, and
    each gets every other connection. So a claim, an abstract unix socket that
    goes with its process, keeps stacks apart; a trial bind finds everybody else.
    Ports that were not asked for lie below those of outgoing connections."""

    RANDOM = range(20000, 32000)
    TRIES = 100

    def __init__(self, name: str, number: int | None = None):
        if number:
            self.take(name, number)
            return
        for _ in range(self.TRIES):
            try:
                self.take(name, random.choice(self.RANDOM))
                return
            except StackError:
                continue
        raise StackError(f"{name}: no free port")

    def take(self, name: str, number: int) -> None:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0e2a-stack-port-{number}")
            try_port(number)
        except OSError as e:
            claim.close()
            raise StackError(f"{name}: 127.0.0.1:{number} cannot be used: {e.strerror}; choose "
                             f"another with {name}_PORT=...") from None
        self.number = number
        self.claim = claim

    def release(self) -> None:
        self.claim.close()


def as_user(user: Optional[str], *argv: str, group: Optional[str] = None) -> list[str]:
    """The command line that runs argv as `user`; when this process ends, so does it."""
    change = []
    if user and os.geteuid() == 0:
        gid = group or str(pwd.getpwnam(user).pw_gid)
        change = [f"--reuid={user}", f"--regid={gid}", "--clear-groups"]
    return ["/usr/bin/setpriv", *change, "--pdeathsig", "TERM", "--", *argv]


def chown(path: Path, user: str, group: Optional[str] = None) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        gid = pwd.getpwnam(group).pw_gid if group else entry.pw_gid
        os.chown(path, entry.pw_uid, gid)


def make_dir(path: Path, mode: int = 0o755, user: str = "root", group: str | None = None) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    chown(path, user, group)
    path.chmod(mode)
    return path


def write_file(path: Path, text: str, mode: int = 0o644, user: str = "root",
               group: str | None = None) -> Path:
    """Replaces a file; nobody sees it half written or with a wider mode."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    chown(new, user, group)
    new.chmod(mode)
    new.rename(path)
    return path


def run(argv: list[str], env: dict[str, str] | None = None, **kwargs) -> str:
    """Runs a command to its end in a clean environment; its output."""
    done = subprocess.run(argv, env={**CLEAN_ENV, **(env or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **kwargs)
    if done.returncode:
        raise StackError(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout.strip()}")
    return done.stdout


class Part:
    """A process in the foreground whose standard error is <state>/log/<name>.log."""

    name = "part"
    user: Optional[str] = None
    group: Optional[str] = None
    umask = 0o022
    pass_fds: tuple[int, ...] = ()
    stop_signal = signal.SIGTERM
    stop_timeout = 30.0

    def __init__(self, state: Path):
        self.state = state
        self.log = state / "log" / f"{self.name}.log"
        self.pid_file = state / "pid" / self.name
        self.process: Optional[subprocess.Popen] = None

    def argv(self) -> list[str]:
        raise NotImplementedError

    def env(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        """Makes the files that the process needs; called once, before the first start."""

    def wait_ready(self) -> None:
        """Returns when the process serves."""

    @property
    def pid(self) -> int:
        if not self.process:
            raise StackError(f"{self.name} is not running")
        return self.process.pid

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def crashed(self) -> bool:
        """It ended and nobody here asked it to."""
        return self.process is not None and self.process.poll() is not None

    def start(self) -> None:
        if self.running():
            return
        argv = as_user(self.user, *self.argv(), group=self.group)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                argv, env={**CLEAN_ENV, **self.env()}, cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, umask=self.umask,
                pass_fds=self.pass_fds)
        self.pid_file.write_text(f"{self.process.pid}\n")
        try:
            self.wait_ready()
        except StackError:
            self.kill()
            raise

    def stop(self) -> int:
        """Asks the process to end; its exit status (0 when it was not running)."""
        if not self.process:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise StackError(f"{self.name} did not stop in {self.stop_timeout:g} s") from None
        return self.ended()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.ended()

    def ended(self) -> int:
        status = self.process.returncode if self.process else 0
        self.process = None
        self.pid_file.unlink(missing_ok=True)
        return status

    def restart(self) -> None:
        self.stop()
        self.start()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def pause(self) -> None:
        """The process stops answering without ending (SIGSTOP), until resume()."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def log_mark(self) -> int:
        """The end of the log as it is now: give it to wait_log() as `since`."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, mark: int = 0) -> str:
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as f:
            f.seek(mark)
            return f.read().decode("utf-8", "replace")

    def wait_log(self, pattern: str, since: int = 0, timeout: float = 15.0) -> str:
        """The first whole line behind `since` that the regular expression matches."""
        expression = re.compile(pattern)

        def find() -> Optional[str]:
            text = self.log_since(since)
            for line in text[:text.rfind("\n") + 1].splitlines():
                if expression.search(line):
                    return line
            if self.process and self.process.poll() is not None:
                raise StackError(f"{self.name} ended with status {self.process.returncode}\n"
                                 + self.log_since(since)[-2000:].strip())
            return None

        try:
            return wait_until(f"{self.name}: /{pattern}/", find, timeout)
        except StackError as e:
            raise StackError(f"{e}\n{self.log_since(since)[-2000:].strip()}") from None
