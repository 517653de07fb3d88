# SPDX-License-Identifier: Apache-2.0
"""wrk(1), with the requests of a file in turn (targets.lua)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from scripts.stack import StackError
from scripts.stack.part import CLEAN_ENV

WRK = "/usr/bin/wrk"
SCRIPT = Path(__file__).with_name("targets.lua")


def load(port: int, targets: Path, connections: int, seconds: int) -> dict[str, int]:
    """Requests, and times in microseconds. StackError when one failed."""
    done = subprocess.run([WRK, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT),
                           f"http://127.0.0.1:{port}", "--", str(targets)],
                          env=CLEAN_ENV, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["errors"] or not found["requests"]:
        raise StackError(f"wrk on port {port}, {targets.name}: {found}")
    return found
