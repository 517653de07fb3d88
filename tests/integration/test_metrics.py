# SPDX-License-Identifier: Apache-2.0
"""What the daemons tell Prometheus: well-formed, described, true; and nobody who asks
for it can harm them."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import WebSocketListener
from tests.integration import scrape
from tests.integration.client import BINARY, EventStream, WebSocket, insert_mail
from tests.integration.outbound import address

SENDER = "alice@sender.example"
HONEST = "127.0.0.7"
NAMES = ("milter", "deliverd", "apid")
CONNECTIONS = 16  # of one server of metrics
DOCS = Path(__file__).parents[2] / "docs" / "operations.md"

each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def metrics(stack):
    """metrics("apid") -> what it says now."""
    return lambda name: scrape.scrape(stack.metrics_urls[name])


def wait_more(metrics, before: scrape.Metrics, name: str, key: str, more: float = 1) -> None:
    wait_until(f"{key} to grow by {more}", lambda: metrics(name)[key] >= before[key] + more)


def raw(stack, name: str, request: bytes) -> bytes:
    """What comes back until the end of the connection."""
    address = urlsplit(stack.metrics_urls[name])
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(request)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:  # with bytes of ours that were not read
            pass
        return answer


# ---- what is said ----

@each
def test_a_daemon_describes_itself(metrics, name):
    seen = metrics(name)
    for key in seen:
        assert key.startswith((f"e2a_{name}_", "e2a_build_info{", "process_")), key
    assert [seen[key] for key in seen if key.startswith("e2a_build_info{version=")] == [1]
    assert 0 < time.time() - seen["process_start_time_seconds"] < 7200
    assert 1e6 < seen["process_resident_memory_bytes"] < seen["process_virtual_memory_bytes"]
    assert 5 < seen["process_open_fds"] < seen["process_max_fds"]
    assert seen["process_cpu_seconds_total"] > 0


def test_every_metric_is_described_and_every_description_has_one(stack):
    section = re.search(r"(?ms)^## Metrics\n(.*?)^## ", DOCS.read_text())[1]
    described = set(re.findall(r"(?m)^\| `(\w+)`", section))
    shown = {family for url in stack.metrics_urls.values()
             for family in scrape.families(scrape.fetch(url))}
    assert shown == described


def test_a_mail_is_counted_on_its_way(stack, account, make_agent, hook, signer, metrics):
    before = {name: metrics(name) for name in NAMES}
    agent = make_agent(hook.url)
    assert stack.send(SENDER, agent, signer.sign(compose(SENDER, agent)), HONEST).code == 250
    hook.wait()
    for name, key in (("milter", 'e2a_milter_mails_total{outcome="judged"}'),
                      ("milter", 'e2a_milter_spf_results_total{result="pass"}'),
                      ("milter", 'e2a_milter_dkim_results_total{result="pass"}'),
                      ("milter", 'e2a_milter_dmarc_results_total{result="pass"}'),
                      ("milter", "e2a_milter_judge_duration_seconds_count"),
                      ("deliverd", 'e2a_deliverd_lmtp_recipients_total{reply="2xx"}'),
                      ("deliverd", "e2a_deliverd_ingest_duration_seconds_count"),
                      ("deliverd", 'e2a_deliverd_webhook_attempts_total{outcome="delivered"}'),
                      ("deliverd", "e2a_deliverd_webhook_attempt_duration_seconds_count"),
                      ("deliverd", "e2a_deliverd_accept_to_webhook_seconds_count"),
                      ("apid", 'e2a_apid_requests_total{status="2xx"}'),
                      ("apid", "e2a_apid_request_duration_seconds_count")):
        wait_more(metrics, before[name], name, key)


def test_a_call_is_seen_while_it_lasts_and_counted_by_its_reason(stack, make_agent, hook, metrics):
    called, go_on = threading.Event(), threading.Event()

    def hang(handler) -> None:
        called.set()
        go_on.wait(60)
        handler.close_connection = True

    hook.answer = lambda _: hang
    agent = make_agent(hook.url)
    before = metrics("deliverd")
    stack.send(SENDER, agent, compose(SENDER, agent))
    assert called.wait(15)
    for key in ("e2a_deliverd_webhook_calls", "e2a_deliverd_webhook_jobs_in_memory"):
        wait_until(key, lambda key=key: metrics("deliverd")[key] >= 1)
    hook.answer = lambda _: 200
    go_on.set()
    for outcome in ("broken", "delivered"):
        wait_more(metrics, before, "deliverd",
                  f'e2a_deliverd_webhook_attempts_total{{outcome="{outcome}"}}')


def test_a_mail_for_a_websocket_is_counted(stack, account, make_agent, signer, metrics):
    agent = make_agent()
    before = metrics("apid")
    told = metrics("deliverd")
    with WebSocketListener(stack.url, agent, account.api_key) as listener:
        wait_more(metrics, before, "apid", "e2a_apid_sockets")
        stack.send(SENDER, agent, signer.sign(compose(SENDER, agent)), HONEST)
        listener.wait()
        for key in ("e2a_apid_frames_sent_total", "e2a_apid_commit_to_frame_seconds_count",
                    "e2a_apid_wakeups_total"):
            wait_more(metrics, before, "apid", key)
        wait_more(metrics, told, "deliverd", "e2a_deliverd_notifies_total")
    wait_more(metrics, before, "apid", 'e2a_apid_sockets_closed_total{code="none"}')
    wait_until("the socket to be gone",
               lambda: metrics("apid")["e2a_apid_sockets"] <= before["e2a_apid_sockets"])


def test_a_websocket_that_we_close_is_counted_by_the_code(stack, account, make_agent, metrics):
    before = metrics("apid")
    client = WebSocket(stack.http_port, make_agent(), account.api_key)
    client.send(BINARY, b"x" * 40000)
    assert client.close_frame()[0] == 1009
    client.close()
    wait_more(metrics, before, "apid", 'e2a_apid_sockets_closed_total{code="1009"}')


def test_those_who_wait_for_mail_are_counted(stack, account, api, make_agent, metrics):
    agent = make_agent()
    before = metrics("apid")
    poll = threading.Thread(target=api.get, args=[f"/api/v1/agents/{agent}/messages?wait=60"])
    poll.start()
    with EventStream(stack.http_port, agent, account.api_key) as stream:
        for kind in ("long_poll", "sse"):
            wait_more(metrics, before, "apid", f'e2a_apid_waiters{{kind="{kind}"}}')
        stack.send(SENDER, agent, compose(SENDER, agent))
        stream.event()
        wait_more(metrics, before, "apid", "e2a_apid_events_sent_total")
    poll.join(20)
    wait_until("nobody to wait", lambda: all(
        metrics("apid")[f'e2a_apid_waiters{{kind="{kind}"}}'] == 0 for kind in ("long_poll", "sse")))


def test_mail_without_a_wake_up_is_counted_as_that(stack, account, make_agent, metrics):
    agent = make_agent()
    with WebSocketListener(stack.url, agent, account.api_key) as listener:
        stack.send(SENDER, agent, compose(SENDER, agent, "With one"))
        listener.wait()  # now nothing but a wake-up or the poll finds more
        before = metrics("apid")
        insert_mail(stack, account.user_id, agent, subject="Without")
        listener.wait(lambda notice: notice["subject"] == "Without")
        wait_more(metrics, before, "apid", "e2a_apid_wakeups_missed_total")


def test_mail_of_an_agent_is_counted(author, metrics):
    before = {name: metrics(name) for name in NAMES}
    author.send(address(), subject="Counted")
    wait_more(metrics, before["deliverd"], "deliverd",
              'e2a_deliverd_outbound_attempts_total{outcome="taken"}')
    wait_more(metrics, before["milter"], "milter", 'e2a_milter_mails_total{outcome="admitted"}')


def test_a_refusal_is_counted_as_that(api, metrics):
    before = metrics("apid")
    assert api.get("/api/v1/agents/nobody@agents.example")[0] == 403
    wait_more(metrics, before, "apid", 'e2a_apid_requests_total{status="4xx"}')


def test_the_queues_are_looked_at(metrics):
    """The first time right after the start."""
    seen = metrics("deliverd")
    for queue in ("webhook", "outbound", "mail"):
        for key in ("jobs_pending", "jobs_failed", "behind_seconds"):
            assert seen[f'e2a_deliverd_{key}{{queue="{queue}"}}'] >= 0
    assert seen["e2a_deliverd_memory_budget_bytes"] == 128 * 1024 * 1024


# ---- who asks ----

@each
@pytest.mark.parametrize("request_head, status", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
    (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
    (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 405),
    (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 10000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
], ids=["root", "slash", "query", "HEAD", "POST", "huge POST", "DELETE", "long field", "long target"])
def test_nothing_but_get_metrics_is_answered(stack, name, request_head, status):
    answer = raw(stack, name, request_head)
    assert re.match(rb"HTTP/1\.[01] (\d+) ", answer)[1] == str(status).encode(), answer[:200]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    assert (b"e2a_" in body) == (status == 200 and not request_head.startswith(b"HEAD"))


@each
@pytest.mark.parametrize("garbage", [b"\0" * 9000, b"\xff" * 9000, b"\r\n" * 9000,
                                     b"GET " * 4000, b"\x16\x03\x01\x02\x00"])
def test_garbage_gets_no_metrics(stack, name, garbage):
    address = urlsplit(stack.metrics_urls[name])
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(garbage)
    scrape.scrape(stack.metrics_urls[name])


@each
def test_those_who_never_finish_asking_cost_a_place_for_seconds(stack, metrics, name):
    """Many more than there are places: the oldest ones go, and whoever asks is answered."""
    address = urlsplit(stack.metrics_urls[name])
    before = metrics(name)["process_open_fds"]
    with ExitStack() as clients:
        for _ in range(5 * CONNECTIONS):
            client = clients.enter_context(
                socket.create_connection((address.hostname, address.port), timeout=20))
            client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        began = time.monotonic()
        seen = metrics(name)
        assert time.monotonic() - began < 5
        assert seen["process_open_fds"] < before + 2 * CONNECTIONS + 10
