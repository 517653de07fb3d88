# SPDX-License-Identifier: Apache-2.0
"""What e2a-apid asks of Postgres for a request, as pgbench scripts. The statements
come from the server's log, where the request left them: whatever is built is what
is compared, in the same order and with the same values."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator

from scripts.stack import Stack, StackError
from scripts.stack.part import CLEAN_ENV, wait_until
from scripts.stack.postgres import BINARIES, DATABASE

ROLE = "e2a_apid"
# How e2a-apid connects (common/store/db.c).
OPTIONS = ("-c search_path=e2a -c timezone=UTC -c plan_cache_mode=force_generic_plan -c jit=off "
           "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s")
LINE = re.compile(r"\[(?P<session>\d+)\] \w+ (?:LOG:  (?:execute [^:]+|statement): (?P<sql>.*)|"
                  r"DETAIL:  parameters: (?P<values>.*))")
VALUE = re.compile(r"\$\d+ = (?:'((?:[^']|'')*)'|NULL)")


@dataclass
class Statement:
    sql: str
    values: list[str | None]


@contextmanager
def logged(stack: Stack) -> Iterator[None]:
    """Meanwhile every statement of e2a-apid is in Postgres's log."""
    def restart(change: str) -> None:
        stack.postgres.administer(f"ALTER ROLE {ROLE} {change}")
        stack.restart("apid")

    restart("SET log_statement = 'all'")
    yield
    restart("RESET log_statement")


def read(log: str) -> dict[str, list[Statement]]:
    """The statements in a piece of log, by session."""
    sessions: dict[str, list[Statement]] = {}
    for found in LINE.finditer(log):
        statements = sessions.setdefault(found["session"], [])
        if found["sql"] is not None:
            statements.append(Statement(found["sql"], []))
        else:
            statements[-1].values = [None if value.group(0).endswith("NULL") else
                                     value.group(1).replace("''", "'")
                                     for value in VALUE.finditer(found["values"])]
    return sessions


def record(stack: Stack, request: Callable[[], None]) -> list[Statement]:
    """Those of one request. The first, unrecorded one notes the use of the key."""
    request()
    mark = stack.postgres.log_mark()
    request()
    found = wait_until("the statements in Postgres's log",
                       lambda: read(stack.postgres.log_since(mark)))
    return max(found.values(), key=len)  # other threads may ask something meanwhile


class Scripts:
    """pgbench scripts, run by turns at random."""

    def __init__(self, stack: Stack, name: str):
        self.stack = stack
        self.name = name
        self.argv: list[str] = []
        self.statements: list[Statement] = []

    def add(self, statements: list[Statement]) -> None:
        """pgbench takes no empty variable, so these and NULL stand in the text."""
        number = self.argv.count("-f")
        lines = []
        for at, statement in enumerate(statements):
            sql = statement.sql
            for n in range(len(statement.values), 0, -1):
                value = statement.values[n - 1]
                name = f"v{number}_{at}_{n}"
                if value:
                    self.argv += ["-D", f"{name}={value}"]
                sql = sql.replace(f"${n}", f":{name}" if value else "NULL" if value is None
                                  else "''")
            lines.append(sql + ";\n")
        path = self.stack.state / f"{self.name}-{number}.sql"
        path.write_text("".join(lines))
        self.argv += ["-f", str(path)]
        self.statements = statements

    def run(self, clients: int, seconds: int) -> float:
        """Scripts per second."""
        env = {**CLEAN_ENV, "PGOPTIONS": OPTIONS, "PGUSER": ROLE, "PGDATABASE": DATABASE,
               "PGHOST": str(self.stack.postgres.sockets),
               "PGPASSWORD": self.stack.postgres.passwords[ROLE]}
        done = subprocess.run([str(BINARIES[-1] / "pgbench"), "-n", "-M", "prepared", "-c",
                               str(clients), "-j", str(clients), "-T", str(seconds), *self.argv],
                              env=env, capture_output=True, text=True)
        found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
        if done.returncode or not found or "failed transactions: 0 " not in done.stdout:
            raise StackError(f"pgbench: {done.stdout}{done.stderr}")
        return float(found.group(1))
