# SPDX-License-Identifier: Apache-2.0
"""python3 -m scripts.stack run|demo --build DIR [--relayhost HOST]"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from .demo import demo
from .part import StackError
from .run import PORTS, Options, read_ports, run

ROOT = Path(__file__).resolve().parents[2]


def become_root(verb: str) -> None:
    """Starts this command again under sudo, if it is not root's already."""
    if os.geteuid() == 0:
        return
    if not shutil.which("sudo"):
        raise StackError("needs root (Postfix's master process, and the users that Postfix, "
                         "Postgres and the daemons run as), and there is no sudo")
    print(f"{verb}: sudo is needed to start Postfix's master process and to run Postgres, "
          "Postfix and the daemons as users of their own", file=sys.stderr)
    ports = [f"{name}={os.environ[name]}" for name in PORTS if name in os.environ]
    os.execvp("sudo", ["sudo", "--", "env", *ports, "/usr/bin/python3", "-B", "-m",
                       "scripts.stack", *sys.argv[1:]])


class Interrupt(BaseException):
    """SIGINT, SIGTERM or SIGHUP came."""


def interrupt_on_signals() -> None:
    def on_signal(number: int, _frame: object) -> None:
        for every in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(every, signal.SIG_IGN)  # the stack is being stopped: once is enough
        raise Interrupt(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m scripts.stack")
    parser.add_argument("verb", choices=("run", "demo"))
    parser.add_argument("--build", required=True, type=Path, help="folder of the programs")
    parser.add_argument("--directory", type=Path, default=ROOT / "run", help="of `run`'s state")
    parser.add_argument("--relayhost", help="where mail to the world goes instead of the outbox")
    args = parser.parse_args()
    os.chdir(ROOT)
    try:
        become_root(args.verb)
        interrupt_on_signals()
        if args.verb == "demo":
            return demo(args.build)
        return run(Options(args.build, args.directory, args.relayhost, read_ports()))
    except StackError as e:
        print(f"{args.verb}: {e}", file=sys.stderr)
        return 1
    except Interrupt as e:
        print(f"{args.verb}: stopped", file=sys.stderr)
        return 0 if args.verb == "run" else 128 + e.args[0]


if __name__ == "__main__":
    sys.exit(main())
