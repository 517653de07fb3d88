# SPDX-License-Identifier: Apache-2.0
"""A second e2a-deliverd on the same database, with an LMTP socket of its own; Postfix
does not know it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack import Stack
from scripts.stack.daemons import Deliverd
from scripts.stack.part import write_file


class SecondDeliverd(Deliverd):
    name = "deliverd2"

    def argv(self) -> list[str]:
        return [str(self.state / "bin" / "e2a-deliverd"), "-c", str(self.conf)]

    def pgpass_path(self) -> Path:
        return self.state / "secrets" / "deliverd.pgpass"


@contextmanager
def second_deliverd(stack: Stack) -> Iterator[SecondDeliverd]:
    settings = {**stack.settings, "lmtp_listen": f"unix:{stack.state}/sock/lmtp2",
                "postfix_map_dir": "", "deliverd_metrics": ""}
    conf = write_file(stack.state / "second.conf",
                      "".join(f"{k} = {v}\n" for k, v in settings.items()))
    part = SecondDeliverd(stack.state, conf)
    try:
        part.start()
        yield part
        part.stop()
    finally:
        part.kill()
