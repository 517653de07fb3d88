# SPDX-License-Identifier: Apache-2.0
"""The Tab key: real shells on a terminal, with the completions as they are installed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command import Command
from tests.integration.rogue import OK, Listener, answer

FOLDER = Path("cli/completions").resolve()
SECONDS = 20
MARK = "ready$ "

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'\n"
             f". {FOLDER}/e2a.bash\n"),
    "zsh": (["zsh", "-f", "-i"],
            f"unsetopt zle_bracketed_paste prompt_sp beep; fpath=({FOLDER} $fpath)\n"
            "autoload -Uz compinit; compinit -D -u\n"),
}
AGENTS = ["alpha@x.example", "beta@x.example", "alpha;touch$IFS./owned@x.example",
          "gamma@x.example`id`", "delta x@x.example"]


class Terminal:
    """A shell in which `e2a` prints its arguments, but for what completion asks of it."""

    def __init__(self, shell: str, folder: Path, env: dict[str, str]):
        argv, self.setup = SHELLS[shell]
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, cwd=folder,
                                        env={**env, "TERM": "dumb", "PS1": MARK},
                                        start_new_session=True)
        os.close(slave)
        self.text = ""
        self.read_until(MARK)
        for line in self.setup.splitlines():
            self.line(line)

    def read_until(self, mark: str) -> str:
        end = time.monotonic() + SECONDS
        while mark not in self.text:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], self.text
            self.text += os.read(self.master, 65536).decode()
        before, _, self.text = self.text.partition(mark)
        return before

    def line(self, keys: str) -> str:
        """What the shell shows until it is ready again."""
        os.write(self.master, keys.encode() + b"\n")
        return self.read_until(MARK)

    def words(self, keys: str) -> list[str]:
        shown = re.findall(r"^<(.*)>\r?$", self.line(keys), re.MULTILINE)
        assert len(shown) == 1, shown
        return shown[0].split("><")

    def close(self) -> None:
        os.close(self.master)
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    body = json.dumps({"agents": [{"email": email} for email in AGENTS]}).encode()
    with Listener(answer(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))) as listener:
        yield listener


@pytest.fixture(scope="module", params=SHELLS)
def terminal(request, build, server, tmp_path_factory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("shell")
    program = folder / "e2a"
    program.write_text(f'#!/bin/sh\n[ "$1" = __complete ] && exec {build}/e2a "$@"\n'
                       'printf "<%s>" "$@"; echo\n')
    program.chmod(0o755)
    (folder / "attachment file").touch()
    command = Command(build, folder, server.url, "e2a_x", PATH=f"{folder}:/usr/bin:/bin")
    terminal = Terminal(request.param, folder, command.env)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("keys, words", [
    ("e2a conf\tg\tapi_u\t", ["config", "get", "api_url"]),
    ("e2a agents upd\tbet\t--webh\tu", ["agents", "update", "beta@x.example", "--webhook-url", "u"]),
    ("e2a agents delete alpha@\t", ["agents", "delete", "alpha@x.example"]),
    ("e2a agents delete be\t", ["agents", "delete", "beta@x.example"]),
    ("e2a agents delete beta@x.ex\t", ["agents", "delete", "beta@x.example"]),
    ("e2a agents delete gam\t", ["agents", "delete", "gam"]),
    ("e2a agents update x --hitl-expiration-action=app\t",
     ["agents", "update", "x", "--hitl-expiration-action=approve"]),
    ("e2a agents update x --hitl-expiration-action rej\t",
     ["agents", "update", "x", "--hitl-expiration-action", "reject"]),
    ("e2a --js\tag\tli\t", ["--json", "agents", "list"]),
    ("e2a send --agent bet\t--attach atta\t--to x",
     ["send", "--agent", "beta@x.example", "--attach", "attachment file", "--to", "x"]),
    ("e2a nothing her\t", ["nothing", "her"]),
])
def test_tab_completes(terminal, keys, words):
    assert terminal.words(keys) == words


def ask(command: Command, *words: str) -> list[str]:
    return command.run("__complete", *words).out.splitlines()


def test_nothing_is_offered_that_a_shell_would_act_on(build, server, tmp_path):
    command = Command(build, tmp_path, server.url, "e2a_x")
    assert ask(command, "agents", "delete", "") == AGENTS[:2]


def test_without_a_server_the_active_agent_is_offered(build, tmp_path):
    command = Command(build, tmp_path, "http://127.0.0.1:1", "e2a_x")
    command.write_config(agent_email="a@x.example")
    assert ask(command, "agents", "delete", "") == ["a@x.example"]
    command.file.write_text("{")
    assert ask(command, "agents", "delete", "") == []


def test_every_command_and_option_is_offered(build, tmp_path):
    command = Command(build, tmp_path)
    for name in commands(command):
        *before, last = name.split()
        assert last in ask(command, *before, last[:1]), name
        offered = ask(command, *name.split(), "--")
        assert offered == [f"--{o}" for o in options(command, name)], name
    assert ask(command) == [] and ask(command, "bogus", "") == []


def commands(command: Command) -> list[str]:
    """Their names, as the overview has them."""
    lines = re.findall(r"^  (\w+(?: \w+)?)  +", command.run("--help").out, re.MULTILINE)
    assert len(lines) > 5
    return lines


def options(command: Command, name: str) -> list[str]:
    return re.findall(r"^  --([a-z-]+)", command.run(*name.split(), "--help").out, re.MULTILINE)
