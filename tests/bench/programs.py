# SPDX-License-Identifier: Apache-2.0
"""Programs of the benchmark's own, started where the stack's are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.stack import Stack
from scripts.stack.part import as_user, wait_until


def install(stack: Stack, build: Path, name: str) -> str:
    """To where nobody can reach it, whatever the modes above the checkout."""
    target = stack.state / "bin" / name
    target.write_bytes((build / "tests" / "bench" / name).read_bytes())
    target.chmod(0o755)
    return str(target)


def spawn(*argv: str) -> subprocess.Popen:
    """As nobody; Postfix may use its sockets."""
    return subprocess.Popen(as_user("nobody", *argv, group="postfix"), umask=0o007,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")


def start_milter(stack: Stack, build: Path, name: str) -> subprocess.Popen:
    """At sock/<name>."""
    socket = stack.state / "sock" / name
    process = spawn(install(stack, build, name), f"unix:{socket}")
    wait_until(f"the milter {name}", socket.exists)
    return process
