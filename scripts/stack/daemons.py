# SPDX-License-Identifier: Apache-2.0
"""The three e2a daemons as parts: own key file, own database password, nothing
else from the environment of whoever started the stack."""

from __future__ import annotations

import os
from pathlib import Path

from .part import Part, chown, write_file

# What a sanitiser build may be told from outside.
SANITISER_ENV = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")


class Daemon(Part):
    """Runs <state>/bin/e2a-<name> as nobody. Its sockets belong to the group
    postfix: sock/ hands that group on, the umask leaves it the right to connect."""

    user = "nobody"
    umask = 0o007
    role: str | None = None  # in Postgres

    def __init__(self, state: Path, conf: Path):
        super().__init__(state)
        self.conf = conf

    def argv(self) -> list[str]:
        return [str(self.state / "bin" / f"e2a-{self.name}"), "-c", str(self.conf)]

    def env(self) -> dict[str, str]:
        env = {k: os.environ[k] for k in SANITISER_ENV if k in os.environ}
        if self.role:
            env["PGPASSFILE"] = str(self.pgpass_path())
        return env

    def pgpass_path(self) -> Path:
        return self.state / "secrets" / f"{self.name}.pgpass"

    def give_secrets(self, pgpass: str | None) -> None:
        """The key file becomes the daemon's own; so does its database password."""
        chown(self.state / "keys" / f"{self.name}.keys", "nobody")
        if pgpass:
            write_file(self.pgpass_path(), pgpass, 0o600, "nobody")

    def wait_ready(self) -> None:
        self.wait_log(r"\bready\b", since=self.started_at, timeout=60)

    def start(self) -> None:
        if not self.running():
            self.started_at = self.log_mark()
        super().start()


class Milter(Daemon):
    name = "milter"


class Deliverd(Daemon):
    name = "deliverd"
    role = "e2a_deliverd"
    # postqueue(1) shows the queue of another Postfix than the system's only to who need
    # not become this group by it; with the system's any user may ask
    group = "postdrop"

    def env(self) -> dict[str, str]:
        # postmap(1) is to read this Postfix's main.cf, not the system's
        return {**super().env(), "MAIL_CONFIG": str(self.state / "postfix")}


class Apid(Daemon):
    name = "apid"
    role = "e2a_apid"
