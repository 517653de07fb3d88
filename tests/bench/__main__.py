# SPDX-License-Identifier: Apache-2.0
"""python -m tests.bench --build build/gcc [inbound] [outbound] [rest] [sockets] [waiting]
[claims] [webhooks] [dashboard] [cli]

Runs the parts and writes the figures of each to build/bench-PART.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from .claims import Claims
from .cli import Cli
from .dashboard import Dashboard
from .inbound import Inbound
from .outbound import Outbound
from .report import Report
from .rest import Rest
from .sockets import Sockets
from .waiting import Waiting
from .webhooks import Webhooks

PARTS = {"inbound": Inbound, "outbound": Outbound, "rest": Rest, "sockets": Sockets,
         "waiting": Waiting, "claims": Claims, "webhooks": Webhooks,
         "dashboard": Dashboard, "cli": Cli}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--messages", type=int, default=5000,
                        help="inbound: in each run at full rate")
    parser.add_argument("--latency-messages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5,
                        help="all but inbound: of which the median counts")
    parser.add_argument("--seconds", type=int, default=2, help="all but inbound: of each run")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="claims: that wait")
    parser.add_argument("--held", type=float, default=60,
                        help="claims: for how many seconds a transaction is open")
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}")
    args = parser.parse_args()
    if not set(args.parts) <= set(PARTS):
        parser.error(f"the parts are {', '.join(PARTS)}")
    for name in args.parts or PARTS:
        report = Report()
        PARTS[name](args, report).run()
        report.write(Path(f"build/bench-{name}.json"))


main()
