# SPDX-License-Identifier: Apache-2.0
"""The command e2a as somebody types it: the real program, with a home directory and an
environment of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 60.0
DONE, FAILED, USAGE, REFUSED, ABSENT, CONFLICT, LATER, PIPE = 0, 1, 2, 3, 4, 5, 6, 141


@dataclass(frozen=True)
class Result:
    status: int
    raw: bytes  # what it wrote to standard output
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Command:
    """`url` and `key` are given by the environment; without them the file in `home` counts."""

    def __init__(self, build: Path, home: Path, url: str = "", key: str = "", **env: str):
        self.program = build / "e2a"
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "E2A_TIMEOUT": "10", **env}
        if url:
            self.env["E2A_URL"] = url
        if key:
            self.env["E2A_API_KEY"] = key

    @property
    def file(self) -> Path:
        return self.home / ".e2a" / "config.json"

    @property
    def config(self) -> dict:
        return json.loads(self.file.read_text())

    def write_config(self, **values: Any) -> None:
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        self.file.write_text(json.dumps(values))

    def start(self, *argv: str, env: dict[str, str] | None = None,
              **options: Any) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([str(self.program), *argv], env={**self.env, **(env or {})},
                                **options)

    def run(self, *argv: str, status: int | None = DONE, stdin: bytes = b"",
            env: dict[str, str] | None = None, timeout: float = TIMEOUT) -> Result:
        """Its end; `status`: how it must end, None: in any way."""
        with self.start(*argv, env=env, stdin=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        result = Result(process.returncode, out, err.decode())
        assert status is None or result.status == status, (argv, result)
        assert "\x1b" not in result.err, result.err
        return result

    def refused(self, *argv: str, status: int = FAILED, text: str = "", **options: Any) -> Result:
        """It fails, says why in one line, and printed nothing."""
        result = self.run(*argv, status=status, **options)
        lines = result.err.splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        assert len(errors) == 1 and result.raw == b"", result
        assert text in errors[0], result.err
        return result
