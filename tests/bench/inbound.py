# SPDX-License-Identifier: Apache-2.0
"""The inbound path next to the same Postfix without it, in one run on one machine.

(a) sink    Postfix, no milter, into smtp-sink -L
(b) milter  ... with a milter that adds one header and looks at nothing
    ours    ... with e2a: SPF, DKIM, DMARC, seal, commit, signature, webhook
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import time

from scripts.stack import Stack
from scripts.stack.mail import Signer, compose
from scripts.stack.part import wait_until

from .load import Arrivals, lmtp_sink, paced, webhook
from .programs import spawn, start_milter
from .report import Report
from .usage import cpu_ms, resident_mb

SENDER = "alice@bench.example"
RECIPIENT = "bench@agents.example"
BODY_BYTES = 4096
SESSIONS = 20
SETTLE_SECONDS = 120

SHAPES = ("sink", "milter", "ours")


class Inbound:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.build = args.build
        self.messages = args.messages
        self.latency_messages = args.latency_messages
        self.stack = Stack(args.build, postfix={"default_process_limit": "100"})
        self.table = report
        self.report = report.add
        self.children: list[subprocess.Popen] = []

    def spawn(self, *argv: str) -> None:
        self.children.append(spawn(*argv))

    def set_up(self) -> None:
        stack = self.stack
        stack.start()
        account = stack.bootstrap()
        with stack.db() as db, db.cursor() as cursor:
            cursor.execute(
                "INSERT INTO agents (email, address, domain, user_id, agent_mode, webhook_url)"
                " VALUES (%s, %s, 'agents.example', %s, 'cloud', %s)",
                (RECIPIENT, RECIPIENT, account.user_id, "http://127.0.0.1:9/"))
        wait_until("the domain in Postfix's table", lambda: "agents.example" in
                   (stack.postfix.maps / "domains").read_text())
        signer = Signer.new("bench.example")
        stack.dns.set(*signer.record[:1], "TXT", signer.record[1], ttl=3600)
        stack.dns.set("bench.example", "TXT", "v=spf1 ip4:127.0.0.0/8 -all", ttl=3600)
        stack.dns.set("_dmarc.bench.example", "TXT", "v=DMARC1; p=reject", ttl=3600)
        stack.dns.reload()
        line = "0123456789 the quick brown fox jumps over the lazy dog, again and again\n"
        body = (line * (BODY_BYTES // len(line) + 1))[:BODY_BYTES - 1] + "\n"
        self.message = signer.sign(compose(f"Alice <{SENDER}>", RECIPIENT, body=body))
        self.file = stack.state / "bench.eml"
        self.file.write_bytes(self.message.replace(b"\r\n", b"\n"))
        self.sockets = stack.state / "sock"
        self.children.append(start_milter(stack, self.build, "addheader"))

    def shape(self, name: str, sink: str = "sink") -> None:
        """Points Postfix at one of the three."""
        postfix, maps = self.stack.postfix, self.stack.postfix.maps
        milter = {"sink": "", "milter": f"unix:{self.sockets}/addheader",
                  "ours": "{ $e2a_milter, default_action=tempfail }"}[name]
        transport = (f"hash:{maps}/transport" if name == "ours"
                     else f"inline:{{ agents.example=e2a:unix:{self.sockets}/{sink} }}")
        postfix.configure(smtpd_milters=milter, transport_maps=transport)
        postfix.reload()

    def set_webhook(self, port: int) -> None:
        with self.stack.db() as db, db.cursor() as cursor:
            cursor.execute("UPDATE agents SET webhook_url = %s", (f"http://127.0.0.1:{port}/",))

    def groups(self, name: str) -> dict[str, int]:
        groups = {"postfix": self.stack.postfix.pid}
        if name == "ours":
            groups |= {p.name: p.pid for p in (self.stack.milter, self.stack.deliverd,
                                               self.stack.postgres)}
        return groups

    def empty_queue(self) -> None:
        wait_until("Postfix's queue to drain", lambda: not self.stack.postfix.queued(),
                   SETTLE_SECONDS)

    async def saturate(self, name: str) -> tuple[float, dict[str, float]]:
        """Messages per second until the last has arrived; CPU ms per mail by group."""
        before = {g: cpu_ms(pid) for g, pid in self.groups(name).items()}
        delivered = self.delivered(name)
        start = time.monotonic()
        source = await asyncio.create_subprocess_exec(
            "/usr/sbin/smtp-source", "-s", str(SESSIONS), "-m", str(self.messages), "-d",
            "-M", "mail.bench.example", "-f", SENDER, "-t", RECIPIENT, "-F", str(self.file),
            f"127.0.0.1:{self.stack.smtp_port}")
        if await source.wait():
            raise RuntimeError("smtp-source failed")
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.delivered(name) < delivered + self.messages:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name}: only {self.delivered(name) - delivered} arrived")
            await asyncio.sleep(0.05)
        elapsed = time.monotonic() - start
        after = {g: cpu_ms(pid) for g, pid in self.groups(name).items()}
        return (self.messages / elapsed,
                {g: (after[g] - before[g]) / self.messages for g in before})

    def delivered(self, name: str) -> int:
        """Ours has arrived when the webhook has answered, theirs when the sink has."""
        if name == "ours":
            return self.hook_count
        log = self.stack.postfix.log
        return log.read_bytes().count(b"status=sent")

    async def latency(self, name: str, rate: float) -> tuple[float, float]:
        """p50 and p99 in ms from SMTP's 250 to arrival, at a fixed rate."""
        arrivals = Arrivals(self.latency_messages)
        if name == "ours":
            server = await asyncio.start_server(lambda r, w: webhook(arrivals, r, w), "127.0.0.1",
                                                0, limit=1 << 24)
            self.set_webhook(server.sockets[0].getsockname()[1])
        else:
            server = await asyncio.start_unix_server(lambda r, w: lmtp_sink(arrivals, r, w),
                                                     self.sockets / "timed", limit=1 << 24)
            os.chmod(self.sockets / "timed", 0o777)
        done = await paced(self.stack.smtp_port, rate, self.latency_messages, SENDER, RECIPIENT,
                           self.message)
        await asyncio.wait_for(arrivals.complete.wait(), SETTLE_SECONDS)
        server.close()
        waits = sorted(max(0.0, (arrivals.times[i] - t) * 1000) for i, t in enumerate(done))
        return waits[len(waits) // 2], waits[len(waits) * 99 // 100]

    async def count_hooks(self) -> asyncio.AbstractServer:
        """A webhook that only counts, so that the receiver costs little."""
        self.hook_count = 0
        ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    at = head.lower().index(b"content-length:") + 15
                    await reader.readexactly(int(head[at:head.index(b"\r", at)]))
                    self.hook_count += 1
                    writer.write(ok)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
        self.set_webhook(server.sockets[0].getsockname()[1])
        return server

    async def throughput(self) -> dict[str, float]:
        self.spawn("/usr/sbin/smtp-sink", "-L", f"unix:{self.sockets}/sink", "512")
        wait_until("smtp-sink", lambda: (self.sockets / "sink").exists())
        hooks = await self.count_hooks()
        rates, costs = {}, {}
        for name in SHAPES:
            self.shape(name)
            await self.saturate(name)  # warm: processes, caches, prepared statements
            rates[name], costs[name] = await self.saturate(name)
            self.empty_queue()
        hooks.close()
        self.report("rate_vs_sink", rates["ours"], rates["sink"], "messages/s")
        self.report("rate_vs_milter", rates["ours"], rates["milter"], "messages/s (goal 0.75)")
        for group, cost in costs["ours"].items():
            self.report(f"cpu_{group}", cost, costs["milter"].get(group), "ms/mail")
        return rates

    async def latencies(self, rate: float) -> None:
        figures = {}
        for name in ("milter", "ours"):
            self.shape(name, "timed")
            figures[name] = await self.latency(name, rate)
            self.empty_queue()
        unit = f"ms at {rate:.0f}/s"
        self.report("wait_p50", figures["ours"][0], figures["milter"][0], unit)
        self.report("wait_p99", figures["ours"][1], figures["milter"][1], unit + " (goal <250)")

    def memory(self) -> None:
        for part in (self.stack.milter, self.stack.deliverd, self.stack.apid):
            self.report(f"memory_{part.name}", resident_mb(part.pid), 64.0,
                        "MB after the runs above (goal <64)")

    def run(self) -> None:
        try:
            self.set_up()
            self.table.heading("inbound mail, next to the same Postfix without it")
            rates = asyncio.run(self.throughput())
            asyncio.run(self.latencies(0.6 * rates["milter"]))
            self.memory()
        finally:
            for child in self.children:
                child.terminate()
            self.stack.stop()
