# SPDX-License-Identifier: Apache-2.0
"""A private Postgres cluster. It listens on a unix socket in its own directory
and nowhere else; every role has a password of its own (scram)."""

from __future__ import annotations

import os
import secrets
import select
import signal
from pathlib import Path
from urllib.parse import quote

import psycopg2

from .part import Part, StackError, as_user, chown, make_dir, run, wait_until, write_file

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
OWNER = "e2a"
DATABASE = "e2a"


class Postgres(Part):
    name = "postgres"
    user = "postgres"
    stop_signal = signal.SIGINT  # "fast": do not wait for clients

    def __init__(self, state: Path, settings: dict[str, str]):
        super().__init__(state)
        if not BINARIES:
            raise StackError("no Postgres below /usr/lib/postgresql; run make deps")
        self.data = state / "pg" / "data"
        self.sockets = state / "pg"
        self.settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.sockets}'",
            "unix_socket_permissions": "0777",
            "max_connections": "100",
            "shared_buffers": "'32MB'",
            "password_encryption": "'scram-sha-256'",
            "log_line_prefix": "'%t [%p] %u '",
            "log_lock_waits": "on",
            **settings,
        }
        self.passwords = {"postgres": secrets.token_hex(24)}

    def prepare(self) -> None:
        make_dir(self.sockets, 0o755, "postgres")
        password = write_file(self.sockets / "password", self.passwords["postgres"], 0o600,
                              "postgres")
        run(as_user("postgres", str(BINARIES[-1] / "initdb"), "-D", str(self.data), "-U",
                    "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8",
                    "--locale=C.UTF-8", "--no-sync"), cwd="/")
        password.unlink()
        lines = [f"{key} = {value}\n" for key, value in self.settings.items()]
        conf = self.data / "postgresql.conf"
        conf.write_text("".join(lines))
        chown(conf, "postgres")

    def argv(self) -> list[str]:
        return [str(BINARIES[-1] / "postgres"), "-D", str(self.data)]

    def kill(self) -> None:
        """SIGKILL of the postmaster and of every backend, as a power cut would.
        Returns when all are gone: while one holds the shared memory, the next
        server does not start."""
        if self.running():
            self.pause()  # makes no more backends
        children = self.children()
        super().kill()
        for child in children:
            try:
                signal.pidfd_send_signal(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if not select.select([child], [], [], self.stop_timeout)[0]:
                raise StackError("a backend of postgres does not end")
            os.close(child)

    def children(self) -> list[int]:
        """pidfds: a number that meanwhile belongs to somebody else is not hit."""
        if not self.running():
            return []
        found = []
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            try:
                found.append(os.pidfd_open(int(pid)))
            except ProcessLookupError:
                pass
        return found

    def wait_ready(self) -> None:
        def probe() -> bool:
            if self.process and self.process.poll() is not None:
                raise StackError("postgres did not start\n" + self.log_since()[-2000:])
            try:
                self.connect("postgres", "postgres").close()
                return True
            except psycopg2.OperationalError:
                return False

        wait_until("postgres to answer", probe, 60)

    def url(self, role: str = OWNER, database: str = DATABASE, password: bool = True) -> str:
        secret = f":{self.passwords[role]}" if password else ""
        return f"postgresql://{role}{secret}@/{database}?host={quote(str(self.sockets), safe='')}"

    def conf_url(self) -> str:
        """Without role or password: what stands in the configuration file."""
        return f"postgresql:///{DATABASE}?host={quote(str(self.sockets), safe='')}"

    def connect(self, role: str = OWNER, database: str = DATABASE):
        """A psycopg2 connection in autocommit mode."""
        connection = psycopg2.connect(self.url(role, database), connect_timeout=5,
                                      options="-c search_path=e2a")
        connection.autocommit = True
        return connection

    def administer(self, sql: str, *values: str) -> None:
        """One statement of the superuser, outside any transaction."""
        connection = self.connect("postgres", "postgres")
        try:
            connection.cursor().execute(sql, values)
        finally:
            connection.close()

    def make_database(self) -> None:
        """The owner, who may make the daemons' roles, and its empty database."""
        self.passwords[OWNER] = secrets.token_hex(24)
        self.administer(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD %s",
                        self.passwords[OWNER])
        self.administer(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    def set_password(self, role: str) -> str:
        """A new password for a role that e2a-admin made."""
        self.passwords[role] = secrets.token_hex(24)
        self.administer(f"ALTER ROLE {role} PASSWORD %s", self.passwords[role])
        return self.passwords[role]

    def pgpass(self, role: str) -> str:
        """The text of a password file (libpq: PGPASSFILE) for one role."""
        return f"*:*:*:{role}:{self.passwords[role]}\n"
