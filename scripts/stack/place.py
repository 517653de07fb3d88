# SPDX-License-Identifier: Apache-2.0
"""Where a stack keeps its state. Postgres, Postfix and nobody must be able to
walk there, and a socket path must fit sockaddr_un; a checkout below /root or
deep in a tree fulfils neither, so the state then lives in a short directory
elsewhere and the asked-for path becomes a link to it.

A directory has one stack at a time (a lock that ends with its process). What an
interrupted one left is ended by pid and removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .part import StackError, as_user, wait_until

USERS = ("postgres", "postfix", "nobody")
SOCKET_PATH_MAX = 107
LONGEST_SOCKET = "pg/.s.PGSQL.5432"  # of those opened by absolute path
ELSEWHERE = "/var/tmp"


class Place:
    """The directory, locked and empty."""

    def __init__(self, wanted: Path | None):
        """`wanted`: a fixed path that survives the stack, or None for a new
        temporary directory that release() removes."""
        self.temporary = wanted is None
        self.path = new_dir("/tmp") if wanted is None else usable_dir(wanted)
        self.lock = lock_dir(self.path)
        end_leftovers(self.path)
        clear(self.path)

    def release(self) -> None:
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


def new_dir(parent: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="e2a-", dir=parent))
    path.chmod(0o755)
    return path


def walkable(path: Path, user: str) -> bool:
    """Asks as the user: modes, access lists and mount options all count."""
    if os.geteuid() != 0:
        return True
    return subprocess.run(as_user(user, "/usr/bin/test", "-x", str(path)), cwd="/").returncode == 0


def fits(path: Path) -> bool:
    return (len(os.fsencode(path / LONGEST_SOCKET)) <= SOCKET_PATH_MAX
            and all(walkable(path, user) for user in USERS))


def usable_dir(wanted: Path) -> Path:
    """`wanted` itself where that works, else what it links to."""
    if wanted.is_symlink():
        target = wanted.resolve()
        if target.is_dir() and target.stat().st_uid == os.geteuid() and fits(target):
            return target
        wanted.unlink()
    wanted.mkdir(mode=0o755, exist_ok=True)
    wanted.chmod(0o755)
    if fits(wanted.resolve()):
        return wanted.resolve()
    lock = lock_dir(wanted)  # nobody else is at it
    clear(wanted)
    (wanted / "lock").unlink()
    wanted.rmdir()
    lock.close()
    target = new_dir(ELSEWHERE)
    wanted.symlink_to(target)
    print(f"stack: {wanted} cannot hold sockets or be reached by postgres and postfix;\n"
          f"stack: its content is in {target}")
    return target


def lock_dir(path: Path):
    lock = open(path / "lock", "a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise StackError(f"a stack is running in {path} already (pid {lock.read().strip()}); "
                         "stop it first, with Ctrl-C or SIGTERM") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def belongs(pid: int, path: Path) -> bool:
    """A pid may have been given to somebody else since: ours name the directory."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return os.fsencode(path) in words


def end_leftovers(path: Path) -> None:
    """Processes of a stack that was killed: asked first, then made to end."""
    files = [*(path / "pid").glob("*"), path / "queue" / "pid" / "master.pid",
             path / "pg" / "data" / "postmaster.pid"]
    for file in files:
        try:
            pid = int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            continue
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            if not belongs(pid, path):
                break
            print(f"stack: ending process {pid}, left by an interrupted run")
            os.kill(pid, number)
            try:
                wait_until(f"process {pid} to end", lambda: not belongs(pid, path), 10)
            except StackError:
                continue


def clear(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name == "lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
