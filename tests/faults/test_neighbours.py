# SPDX-License-Identifier: Apache-2.0
"""What becomes of others while one endpoint has a backlog of 100,000 mails, or while all
sorts of hostile ones are called at once; of that backlog when its endpoint is back; and of
calls that are under way when deliverd is killed or Postgres goes away."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scripts.stack import Stack
from scripts.stack.mail import compose
from scripts.stack.part import wait_until
from scripts.stack.peers import Delivery, WebhookReceiver, WebSocketListener
from tests.faults.audit import kept_by_sanitizer
from tests.faults.test_endpoints import HARMFUL, REDIRECTS, Endpoint, redirects

PROBE_SECONDS = 2
SETTINGS = {"webhook_timeout": "2s", "webhook_breaker_failures": "5",
            "webhook_breaker_wait": f"{PROBE_SECONDS}s", "webhook_drain_rate": "200"}
SENDER = "alice@sender.example"
MANY = 100_000
BEHIND = 400  # mails that wait for an endpoint that comes back
AT_ONCE = 10  # webhook_per_endpoint
CALLS_MAX = 150  # that are made before their failures are known
IN_FLIGHT = 1000
GROWTH_KB = 40_000
HOSTILE_SECONDS = 5
AWAY_SECONDS = 3

numbers = itertools.count(1)

# Mails as deliverd stores them, with a job for each that is due; ids are in the order of n.
MAILS = """
WITH raw AS (INSERT INTO raw_messages (id, sha256, size, raw) SELECT %(prefix)s, sha256(r.raw),
	length(r.raw), r.raw FROM (SELECT 'Subject: x'::bytea || '\\x0d0a0d0a'::bytea AS raw) r
	RETURNING id, sha256),
mail AS (INSERT INTO messages (id, user_id, agent_email, raw_id, direction, inbox_status, recipient,
	sha256, expires_at) SELECT 'msg_' || %(prefix)s || lpad(to_hex(n), 24, '0'), a.user_id, a.email,
	raw.id, 'inbound', 'unread', a.email, raw.sha256, now() + interval '1 day'
	FROM raw, agents a, generate_series(1, %(count)s) n WHERE a.email = %(agent)s RETURNING id),
job AS (INSERT INTO webhook_jobs (message_id, user_id, agent_email, due_at, queued)
	SELECT m.id, a.user_id, a.email, now(), true FROM mail m, agents a WHERE a.email = %(agent)s
	RETURNING message_id)
SELECT count(*) FROM job"""


def insert(stack: Stack, agent: str, count: int) -> list[str]:
    """So many mails for the agent; their ids."""
    prefix = f"{next(numbers):08x}"
    with stack.db() as db, db.cursor() as query:
        query.execute(MAILS, {"prefix": prefix, "agent": agent, "count": count})
        assert query.fetchone() == (count,)
        query.execute("SELECT tell_webhook_queues(ARRAY[''], ARRAY[email], ARRAY[user_id], "
                      "ARRAY[now()], ARRAY[true]) FROM agents WHERE email = %s", [agent])
        query.execute("ANALYZE webhook_jobs, messages")
    return [f"msg_{prefix}{n:024x}" for n in range(1, count + 1)]


def one(stack: Stack, sql: str, *values: object) -> object:
    with stack.db() as db, db.cursor() as query:
        query.execute(sql, values)
        return query.fetchone()[0]


def jobs_of(stack: Stack, agents: list[str]) -> int:
    return one(stack, "SELECT count(*) FROM webhook_jobs WHERE agent_email = ANY (%s)", agents)


def resident_kb(stack: Stack) -> int:
    status = Path(f"/proc/{stack.deliverd.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


class Neighbour:
    """Another agent, whose endpoint is well: how long its mails are on their way."""

    def __init__(self, stack: Stack, agent: str, receiver: WebhookReceiver):
        self.stack, self.agent, self.receiver = stack, agent, receiver

    def latency(self) -> float:
        """Seconds, from the first byte of a mail to its call."""
        count, start = len(self.receiver.items), time.time()
        assert self.stack.send(SENDER, self.agent, compose(SENDER, self.agent)).code == 250
        return self.receiver.wait_count(count + 1, 60)[-1].at - start

    def latencies(self, count: int) -> list[float]:
        return [self.latency() for _ in range(count)]


def check_undisturbed(before: list[float], during: list[float]) -> None:
    usual, now, worst = statistics.median(before), statistics.median(during), max(during)
    print(f"latency: median {usual * 1000:.0f} ms before, {now * 1000:.0f} ms in trouble; "
          f"at most {worst * 1000:.0f} ms of {len(during)}")
    assert now < 2 * usual + 0.1 and worst < 2 + 2 * max(before)


@pytest.fixture
def neighbour(stack, make_agent, hook) -> Neighbour:
    return Neighbour(stack, make_agent(hook.url), hook)


@pytest.fixture
def ill() -> Iterator[WebhookReceiver]:
    """An endpoint that fails."""
    with WebhookReceiver() as receiver:
        receiver.answer = lambda _: 503
        yield receiver


def test_a_dead_endpoint_with_100000_mails_gets_probes_and_disturbs_nobody(stack, make_agent, ill,
                                                                         neighbour):
    before, memory = neighbour.latencies(15), resident_kb(stack)
    agent = make_agent(ill.url)
    insert(stack, agent, MANY)
    wait_until("the breaker to open", lambda: one(
        stack, "SELECT open_until IS NOT NULL FROM webhook_queues WHERE agent_email = %s", agent))
    wait_until("a probe", lambda n=len(ill.items): len(ill.items) > n)
    calls, start = len(ill.items), time.monotonic()
    during = neighbour.latencies(40)
    wait_until("more probes", lambda: len(ill.items) >= calls + 2)
    probes, seconds = len(ill.items) - calls, time.monotonic() - start
    growth = resident_kb(stack) - memory
    print(f"{calls} calls, then {probes} probes in {seconds:.1f} s; {growth} KB more")
    check_undisturbed(before, during)
    assert calls <= CALLS_MAX
    assert probes <= seconds / (PROBE_SECONDS * 0.8) + 1
    assert growth < GROWTH_KB + kept_by_sanitizer(stack) // 1024
    assert one(stack, "SELECT count(*) FROM webhook_jobs WHERE agent_email = %s "
               "AND state = 'pending'", agent) == MANY


def test_what_waited_comes_at_once_and_in_order_when_an_endpoint_is_back(stack, make_agent, ill):
    agent = make_agent(ill.url)
    first = insert(stack, agent, AT_ONCE)
    wait_until("the breaker to open", lambda: one(
        stack, "SELECT coalesce(max(open_until) > now(), false) FROM webhook_queues "
        "WHERE agent_email = %s", agent), 40)
    ids = first + insert(stack, agent, BEHIND)
    tried = len(ill.items)
    ill.answer = lambda _: 200
    start = time.monotonic()
    came = ill.wait_count(tried + len(ids), 30)[tried:]
    seconds = time.monotonic() - start
    order = [d.headers["webhook-id"] for d in came]
    assert sorted(order) == ids
    probe = order.pop(0)  # whichever was due
    places = {i: n for n, i in enumerate(i for i in ids if i != probe)}
    late = max(abs(places[i] - n) for n, i in enumerate(order))
    print(f"{len(order)} mails in {seconds:.1f} s, at most {late} places off")
    assert late <= AT_ONCE
    assert seconds < 2 * PROBE_SECONDS + 3 * BEHIND / 200 + 3


@contextmanager
def hostile_agents(make_agent: Callable[..., str]) -> Iterator[list[str]]:
    """Of all kinds, and one that nobody answers for."""
    with ExitStack() as ends:
        trap = Endpoint(HARMFUL["says nothing"][0])
        made = [Endpoint(behave) for behave, _ in HARMFUL.values()]
        made += [Endpoint(redirects(status, trap.port)) for status in REDIRECTS]
        for endpoint in (trap, *made):
            ends.callback(endpoint.close)
        yield [make_agent(f"http://127.0.0.1:{e.port}/hook") for e in made] \
            + [make_agent("http://127.0.0.1:1/")]
        assert trap.connections == 0


def test_all_hostile_endpoints_together_disturb_no_neighbour(stack, make_agent, neighbour):
    before, memory = neighbour.latencies(15), resident_kb(stack)
    with hostile_agents(make_agent) as agents:
        during, end = [], time.monotonic() + HOSTILE_SECONDS
        while time.monotonic() < end:
            message = compose(SENDER, agents)
            assert stack.send(SENDER, agents, message).code == 250
            during += neighbour.latencies(3)
    growth = resident_kb(stack) - memory
    print(f"{len(agents)} hostile endpoints; {growth} KB more")
    check_undisturbed(before, during)
    assert growth < GROWTH_KB + kept_by_sanitizer(stack) // 1024


@pytest.fixture
def wide(stack) -> Iterator[None]:
    """deliverd makes more calls at once, and waits longer for their answers."""
    before = dict(stack.settings)
    stack.configure(webhook_concurrency="4000", webhook_per_user="4000", webhook_per_host="4000",
                    webhook_per_endpoint="1000", webhook_timeout="40s")
    stack.restart("deliverd")
    yield
    stack.settings.clear()
    stack.configure(**before)
    stack.restart("deliverd")


def test_deliverd_killed_with_1000_calls_under_way_loses_none(stack, make_agent, wide):
    """They are made again, and no others are."""
    got: Counter[str] = Counter()
    with WebhookReceiver() as sink:
        sink.server.handle_error = lambda *_: None  # a connection that broke

        def hold(delivery: Delivery) -> Callable:
            got[delivery.headers["webhook-id"]] += 1
            return lambda handler: handler.connection.recv(1)

        sink.answer = hold
        agents = [make_agent(sink.url) for _ in range(4)]
        ids = [i for agent in agents for i in insert(stack, agent, IN_FLIGHT // 4)]
        wait_until("1,000 calls", lambda: len(got) >= IN_FLIGHT, 60)
        stack.deliverd.kill()
        assert set(got) == set(ids) and max(got.values()) == 1
        sink.answer = lambda delivery: got.update([delivery.headers["webhook-id"]]) or 200
        later = [i for agent in agents for i in insert(stack, agent, 50)]
        with stack.db() as db, db.cursor() as query:
            query.execute("UPDATE webhook_jobs SET lease_until = now(), due_at = now() "
                          "WHERE message_id = ANY (%s)", [ids])
        start = time.monotonic()
        stack.deliverd.start()
        wait_until("the end of all jobs", lambda: jobs_of(stack, agents) == 0, 60)
        print(f"{len(ids + later)} calls in {time.monotonic() - start:.1f} s")
    assert {i: got[i] for i in ids} == dict.fromkeys(ids, 2)
    assert {i: got[i] for i in later} == dict.fromkeys(later, 1)


def test_calls_and_clients_outlast_a_postgres_that_is_away(stack, api, account, make_agent, hook,
                                                             wide):
    """What endpoints answer meanwhile is written down later: no call is made again. Nobody
    loses the connection, and who waits is told of what comes afterwards."""
    answering, asked = threading.Event(), []

    def answer(delivery: Delivery) -> int:
        asked.append(delivery.headers["webhook-id"])
        answering.wait(30)
        return 200

    hook.answer = answer
    agents, local = [make_agent(hook.url) for _ in range(3)], make_agent()
    pids = [stack.deliverd.pid, stack.apid.pid]
    with WebSocketListener(stack.url, local, account.api_key) as socket:
        assert stack.send(SENDER, [*agents, local], compose(SENDER, local, "Before")).code == 250
        socket.wait(lambda n: n["subject"] == "Before")
        wait_until("three calls", lambda: len(asked) == 3)
        stack.postgres.stop()
        mark = stack.deliverd.log_mark()
        answering.set()
        stack.deliverd.wait_log("webhook_results_not_written", mark)
        assert api.get("/api/v1/agents")[0] == 503
        time.sleep(AWAY_SECONDS)
        stack.postgres.start()
        stack.postfix.reload()
        assert stack.send(SENDER, [*agents, local], compose(SENDER, local, "After")).code == 250
        socket.wait(lambda n: n["subject"] == "After")
        hook.wait_count(6)
        wait_until("the end of all jobs", lambda: jobs_of(stack, agents) == 0)
        assert len(socket.items) == 2 and not socket.closed
    assert len(asked) == len(set(asked)) == 6
    assert [stack.deliverd.pid, stack.apid.pid] == pids
