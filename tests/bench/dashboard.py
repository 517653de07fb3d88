# SPDX-License-Identifier: Apache-2.0
"""The overview of the dashboard in Chromium: an account with 100,000 messages next to one
with 10.

Time is from the start of the navigation to the frame in which the agents and their counts are
there, and to the one in which the picture of traffic is too (usable): cold, with an empty cache, and warm, as on every later visit. The
two accounts take turns, round after round; the ratio is the median of the ratios of each round.
Weight is what a cold visit moves: files of the page, and answers of the API.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from scripts.stack import Stack
from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import NO_LIMITS
from tests.integration.chromium import Chromium
from tests.integration.client import add_session

from .mailboxes import Mailbox, Mailboxes
from .report import Report
from .rest import POSTGRES

STORED, FEW = 100_000, 10
WARM_UP = 2  # visits before the first that counts
# Notes the times of the first frames that show the agents, and everything.
WATCH = """
    const seen = {};
    const note = (name, css) => {
        if (seen[name] || !document.querySelector(css))
            return;
        seen[name] = true;
        requestAnimationFrame(() => setTimeout(() => { window[name] = performance.now(); }));
    };
    const observer = new MutationObserver(() => {
        note("e2aAgents", ".agents > li");
        note("e2aUsable", ".traffic .lane svg");
    });
    observer.observe(document, {childList: true, subtree: true});
"""
ENTRIES = """
    return [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map(e => [e.name, e.transferSize, e.decodedBodySize]);"""

@dataclass
class Visitor:
    box: Mailbox
    session: str

class Dashboard:
    def __init__(self, args: argparse.Namespace, report: Report):
        self.build, self.rounds, self.report = args.build, args.rounds, report
        self.stack = Stack(args.build, settings=NO_LIMITS, postgres=POSTGRES)
        self.folder = Path(tempfile.mkdtemp(prefix="e2a-bench-"))
        self.times: dict[tuple[str, str, str], list[float]] = {}
        self.answers: dict[str, list[float]] = {}

    def set_up(self) -> None:
        self.stack.start()
        mailboxes = Mailboxes(self.stack)
        self.visitors = {}
        for name, count, span in (("many", STORED, "30 days"), ("few", FEW, "40 hours")):
            box = mailboxes.make(name)
            mailboxes.fill([box], count)
            mailboxes.query.execute(
                "UPDATE messages m SET created_at = now() - random() * %s::interval, "
                "agent_email = (%s::text[])[1 + abs(hashtext(m.id)) %% 10] WHERE user_id = %s",
                (span, [f"{name}-{n}@{box.agent.partition('@')[2]}" for n in range(10)],
                 box.user_id))
            self.visitors[name] = Visitor(box, add_session(self.stack, box.user_id))
        mailboxes.query.execute("VACUUM FULL ANALYZE messages")
        mailboxes.query.execute("VACUUM")
        mailboxes.query.execute("CHECKPOINT")

    def visit(self, browser: Chromium, name: str, kind: str) -> None:
        if kind == "cold":
            browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.open("about:blank")
        browser.put_cookie(f"{self.stack.url}/", "e2a_session", self.visitors[name].session)
        browser.open(f"{self.stack.url}/#/")
        wait_until("the overview", lambda: browser.driver.execute_script(
            "return window.e2aUsable"), 60)
        for what in ("agents", "usable"):
            self.times.setdefault((what, name, kind), []).append(browser.driver.execute_script(
                f"return window.e2a{what.title()}"))

    def weigh(self, browser: Chromium) -> tuple[list, list]:
        self.visit(browser, "many", "cold")
        entries = [(urlsplit(url).path, moved, size)
                   for url, moved, size in browser.driver.execute_script(ENTRIES)]
        data = [e for e in entries if e[0].startswith("/api/")]
        return [e for e in entries if e not in data], data

    def measure(self) -> None:
        with Chromium(self.build, self.folder) as browser:
            browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
            self.page, self.data = self.weigh(browser)
            for _ in range(WARM_UP):
                self.visit(browser, "few", "warm")
                self.visit(browser, "many", "warm")
            self.times.clear()
            for _ in range(self.rounds):
                for kind in ("cold", "warm"):
                    for name in self.visitors:
                        self.visit(browser, name, kind)

    def ask(self) -> None:
        """The one answer that grows with the account, without a browser."""
        for part in ("agents", "traffic", "first_steps"):
            for name, visitor in self.visitors.items():
                api = Api(self.stack.url, visitor.box.key)
                for _ in range(5 * self.rounds):
                    begin = time.perf_counter()
                    assert api.get(f"/api/v1/overview?parts={part}")[0] == 200
                    self.answers.setdefault((part, name), []).append(
                        1000 * (time.perf_counter() - begin))

    def show(self) -> None:
        self.report.heading(f"Overview with {STORED:,} messages; reference: with {FEW}")
        for kind in ("cold", "warm"):
            for what in ("agents", "usable"):
                many, few = (self.times[what, name, kind] for name in ("many", "few"))
                self.report.add(f"dashboard_{what}_{kind}", statistics.median(many),
                                statistics.median(few), "ms",
                                statistics.median(a / b for a, b in zip(many, few)))
        for part in ("agents", "traffic", "first_steps"):
            self.report.add(f"overview_{part}", *(statistics.median(self.answers[part, name])
                                                  for name in ("many", "few")), "ms")
        self.report.add("dashboard_page_moved", sum(e[1] for e in self.page) / 1000, None, "kB")
        self.report.add("dashboard_page_whole", sum(e[2] for e in self.page) / 1000, None, "kB")
        self.report.add("dashboard_page_requests", len(self.page), None, "requests")
        self.report.add("dashboard_data_moved", sum(e[1] for e in self.data) / 1000, None, "kB")
        self.report.add("dashboard_data_requests", len(self.data), None, "requests")

    def run(self) -> None:
        try:
            self.set_up()
            self.measure()
            self.ask()
            self.show()
        finally:
            self.stack.stop()
            shutil.rmtree(self.folder, ignore_errors=True)
