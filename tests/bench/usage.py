# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of groups of processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def stat_fields(pid: int) -> list[str]:
    # the name, which may hold blanks, stands in parentheses before the rest
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def children(pid: int) -> list[int]:
    found = []
    try:
        for task in list(Path(f"/proc/{pid}/task").glob("*/children")):
            found += [int(p) for p in task.read_text().split()]
    except OSError:  # a task or all of them ended meanwhile
        pass
    return found


def tree(pid: int) -> list[int]:
    pids = [pid]
    for child in children(pid):
        pids += tree(child)
    return pids


def cpu_ms(root: int) -> float:
    """Of a process and all below it, the ended ones included."""
    total = 0
    for pid in tree(root):
        try:
            fields = stat_fields(pid)
        except OSError:
            continue
        total += sum(int(fields[i]) for i in (11, 12, 13, 14))  # utime stime cutime cstime
    return total * TICK_MS


def resident_mb(root: int) -> float:
    """Anonymous memory of a process and all below it: libraries are shared."""
    total = 0
    for pid in tree(root):
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024
