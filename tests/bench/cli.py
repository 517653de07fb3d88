# SPDX-License-Identifier: Apache-2.0
"""`e2a listen` next to a program for Node that prints the same lines (listen.cjs).

Both connect to one server in Python that tells of some mails. What counts is the time from
the start of the process to its request for the WebSocket and to the line of the last mail, and
the memory that is resident then; of it that which is the process's own. The two take turns.
Without Node there are no figures next to ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integration.listening import Strange, notice, until_closed

from .report import Report

AGENT = "bot@bench.example"
FEW, MANY = 100, 100_000  # mails
SCRIPT = Path(__file__).with_name("listen.cjs")


class Run:
    """One process, from its start to the line of the last mail."""

    def __init__(self, argv: list[str], env: dict[str, str], server: Strange, count: int):
        server.asked_at = 0.0
        begin = time.perf_counter()
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            for _ in range(count):
                if not process.stdout.readline():
                    raise SystemExit(f"{argv[0]} ended")
            self.told_ms = 1000 * (time.perf_counter() - begin)
            self.asked_ms = 1000 * (server.asked_at - begin)
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.kill()
        self.resident_mb, self.own_mb = (int(status.partition(f"{name}:")[2].split()[0]) / 1024
                                         for name in ("VmRSS", "RssAnon"))


class Teller(Strange):
    """Notes when it is asked for a WebSocket, and tells of so many mails."""

    def __init__(self, count: int):
        notices = b"".join(map(notice, range(count)))
        super().__init__(lambda client: (client.sendall(notices), until_closed(client)))
        self.upgrade = self.note
        self.asked_at = 0.0

    def note(self, _: object) -> None:
        self.asked_at = time.perf_counter()


def node() -> list[str] | None:
    """The command, with the switch that its own client needs if it has no ws."""
    program = shutil.which("node")
    for argv in ([program], [program, "--experimental-websocket"]) if program else ():
        probe = "process.exit(globalThis.WebSocket||require('ws')?0:1)"
        if subprocess.run([*argv, "-e", probe], capture_output=True, check=False).returncode == 0:
            return argv
    print("no node with a WebSocket client: figures of e2a alone" if program else
          "no node: figures of e2a alone")
    return None


class Cli:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.build, self.rounds, self.report = args.build.resolve(), args.rounds, report
        self.node = node()

    def programs(self, server: Strange, home: str) -> Iterator[tuple[list[str], dict[str, str]]]:
        env = {**os.environ, "HOME": home, "E2A_URL": server.url, "E2A_API_KEY": "e2a_k"}
        yield [str(self.build / "e2a"), "listen", "--agent", AGENT], env
        if self.node:
            yield [*self.node, str(SCRIPT), f"{server.url.replace('http', 'ws')}/api/v1/agents/"
                   f"{AGENT}/ws?token=e2a_k"], env

    def measure(self, count: int) -> list[list[Run]]:
        """The runs of each program."""
        with Teller(count) as server, tempfile.TemporaryDirectory() as home:
            programs = list(self.programs(server, home))
            rounds = [[Run(*program, server, count) for program in programs]
                      for _ in range(self.rounds)]
        return [list(runs) for runs in zip(*rounds)]

    def add(self, name: str, runs: list[list[Run]], field: str, unit: str) -> None:
        figures = [statistics.median(getattr(run, field) for run in each) for each in runs]
        self.report.add(name, figures[0], figures[1] if len(figures) > 1 else None, unit)

    def run(self) -> None:
        self.report.heading("e2a listen; reference: the same in Node")
        few, many = self.measure(FEW), self.measure(MANY)
        self.add("listen_start", few, "asked_ms", "ms")
        self.add(f"listen_told_of_{FEW}", few, "told_ms", "ms")
        self.add(f"listen_told_of_{MANY}", many, "told_ms", "ms")
        self.add("listen_memory", few, "resident_mb", "MB resident")
        self.add("listen_memory_own", few, "own_mb", "MB")
        self.add(f"listen_memory_after_{MANY}", many, "resident_mb", "MB resident")
