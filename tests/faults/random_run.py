# SPDX-License-Identifier: Apache-2.0
"""A run by chance: mail to agents whose endpoints are in all sorts of trouble and to
agents that listen, while daemons, Postgres and connections are killed; then quiet, and an
audit of what the journals outside have.

    I1  each mail answered 250 is stored exactly once per recipient, same SHA-256
    I2  each stored mail reached its agent, or is listed as failed with a reason
    I3  nothing that arrived lacks a stored mail; what arrived twice has the same id, and
        came twice for a reason
    I8  whatever is killed

    /usr/bin/python3 -m tests.faults.random_run --seconds 600 [--seed N] BUILD     as root
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import Stack
from scripts.stack.part import Part, wait_until
from scripts.stack.peers import Api, WebSocketListener
from scripts.stack.stack import NO_LIMITS, SHARED_DOMAIN, Account
from tests.faults.audit import (Journal, Stored, Traffic, check_called, check_stored, read_stored,
                                wait_quiet)
from tests.faults.endpoints import KINDS, PATIENCE, Endpoint
from tests.faults.readers import ONCE, READERS, Reader
from tests.faults.second import second_deliverd
from tests.integration.client import second_apid

# What failed may come to an end within the run; endpoints that are dead are probed often.
SETTINGS = {"webhook_timeout": f"{PATIENCE:g}s", "webhook_breaker_wait": "2s",
            "webhook_breaker_failures": "5",
            "webhook_schedule": "1s 1s 1s 2s 2s " + "5s " * 20 + "1h"}
PAUSE = 0.15  # between two mails of a thread
SIZES = (10, 500, 3000, 3000, 20000, 200000)
SETTLED = 1.0  # seconds after which a mail that was stored is visible


class RandomTraffic(Traffic):
    """Mails of any size to one to four agents."""

    def __init__(self, stack: Stack, journal: Journal, recipients: list[str],
                 chance: random.Random):
        super().__init__(stack, journal, recipients)
        self.chance = chance
        self.pause = PAUSE

    def choose(self) -> tuple[list[str], str]:
        recipients = self.chance.sample(self.recipients, self.chance.randint(1, 4))
        line = "x" * 70 + "\n"
        return recipients, line * (self.chance.choice(SIZES) // len(line) + 1)


@dataclass
class World:
    """What a run needs and has: parts, peers and journals."""
    stack: Stack
    account: Account
    journal: Journal
    chance: random.Random
    parts: dict[str, Part]
    endpoints: dict[str, Endpoint]  # by agent
    readers: dict[str, Reader]

    @property
    def agents(self) -> list[str]:
        return [*self.endpoints, *self.readers]


@contextmanager
def build_world(stack: Stack, account: Account, journal: Journal, seed: int) -> Iterator[World]:
    chance = random.Random(seed)
    api = Api(stack.url, account.api_key)
    with ExitStack() as rest:
        apid = rest.enter_context(second_apid(stack, 2))
        parts = {"deliverd": stack.deliverd, "apid": stack.apid, "milter": stack.milter,
                 "apid2": apid, "deliverd2": rest.enter_context(second_deliverd(stack))}
        endpoints, readers = {}, {}
        for kind, make in KINDS.items():
            endpoint = make(journal, account, random.Random(chance.random()))
            rest.callback(endpoint.close)
            endpoints[api.make_agent(f"random-{kind}", endpoint.url)] = endpoint
        for n, (kind, make) in enumerate(READERS.items()):
            url = (stack.url, apid.url)[n % 2]
            agent = api.make_agent(f"random-{kind}")
            readers[agent] = make(journal, url, agent, account.api_key)
        yield World(stack, account, journal, chance, parts, endpoints, readers)


# ---- faults ----

def killed(*names: str) -> Callable[[World], None]:
    def fault(world: World) -> None:
        for name in names:
            world.parts[name].kill()
        time.sleep(world.chance.uniform(0, 1))
        for name in names:
            world.parts[name].start()

    return fault


def paused(name: str) -> Callable[[World], None]:
    def fault(world: World) -> None:
        world.parts[name].pause()
        time.sleep(world.chance.uniform(0.5, 3))
        world.parts[name].resume()

    return fault


def restarted(name: str) -> Callable[[World], None]:
    return lambda world: world.parts[name].restart()


def start_postgres(world: World) -> None:
    time.sleep(world.chance.uniform(0, 4))
    world.stack.postgres.start()
    world.stack.postfix.reload()  # or it does not ask again for a minute


def postgres_killed(world: World) -> None:
    world.stack.postgres.kill()
    start_postgres(world)


def postgres_stopped(world: World) -> None:
    """At once, as if it had crashed."""
    world.stack.postgres.stop_signal = signal.SIGQUIT
    world.stack.postgres.stop()
    start_postgres(world)


def sessions_cut(which: str) -> Callable[[World], None]:
    def fault(world: World) -> None:
        world.stack.postgres.administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename ~ '^e2a_(apid|deliverd)' AND {which}")

    return fault


def everything_killed(world: World) -> None:
    for part in [*world.parts.values(), *reversed(world.stack.parts)]:
        part.kill()
    world.stack.heal()
    for part in world.parts.values():
        part.start()


FAULTS: dict[str, tuple[int, Callable[[World], None]]] = {  # with how often, of all
    "deliverd killed": (4, killed("deliverd")),
    "deliverd2 killed": (3, killed("deliverd2")),
    "both deliverds killed": (1, killed("deliverd", "deliverd2")),
    "deliverd restarted": (1, restarted("deliverd")),
    "deliverd paused": (1, paused("deliverd")),
    "apid killed": (3, killed("apid")),
    "apid2 killed": (2, killed("apid2")),
    "milter killed": (1, killed("milter")),
    "postgres killed": (2, postgres_killed),
    "postgres stopped": (2, postgres_stopped),
    "LISTEN cut": (3, sessions_cut("query ~ '^LISTEN'")),
    "sessions cut": (2, sessions_cut("random() < 0.5")),
    "everything killed": (1, everything_killed),
}
# What may make a call come twice: a deliverd that is killed before the result of a call is
# written, and a Postgres that forgets that a job was claimed (claims are not durable). So many
# seconds before the fault began, and after it was over, the endpoint took the call: it does
# not notice at once that the other end is gone.
LATER = 2 * PATIENCE
REPEATED = {
    "deliverd killed": (10, LATER), "deliverd2 killed": (10, LATER),
    "both deliverds killed": (10, LATER), "everything killed": (10, 10),
    "postgres killed": (1, 10), "postgres stopped": (1, 10),
}
REPEATED_MAX = 200  # two daemons, and what each does at once for one user (webhook_per_user)


def make_trouble(world: World, seconds: float) -> None:
    """At least two faults, however short the time."""
    end = time.monotonic() + seconds
    names, weights = list(FAULTS), [weight for weight, _ in FAULTS.values()]
    while time.monotonic() < end or world.journal.count["fault"] < 2:
        time.sleep(world.chance.uniform(0.5, 4))
        name = world.chance.choices(names, weights)[0]
        start = time.time()
        FAULTS[name][1](world)
        world.journal.append("fault", name=name, start=start)


# ---- quiet ----

def end_leases(world: World) -> None:
    """Nobody has them: no deliverd runs."""
    with world.stack.db() as db, db.cursor() as query:
        query.execute("UPDATE webhook_jobs SET lease_until = now(), due_at = least(due_at, now()) "
                      "WHERE lease_until > now()")
        query.execute("UPDATE webhook_queues SET due_at = now() WHERE due_at > now()")


def give_up(world: World) -> None:
    """Those that never will be well have had their three days."""
    never = [agent for agent, e in world.endpoints.items() if e.never]
    with world.stack.db() as db, db.cursor() as query:
        query.execute("UPDATE webhook_jobs SET give_up_at = now() WHERE agent_email = ANY (%s) "
                      "AND state = 'pending'", [never])
        query.execute("UPDATE webhook_queues SET failing_since = now() - interval '9 days' "
                      "WHERE agent_email = ANY (%s)", [never])


def settle(world: World) -> None:
    deliverds = [world.parts["deliverd"], world.parts["deliverd2"]]
    for part in deliverds:
        part.kill()
    world.journal.append("fault", name="both deliverds killed", start=time.time())
    for endpoint in world.endpoints.values():
        endpoint.heal()
    end_leases(world)
    for part in deliverds:
        part.start()
    wait_until("Postfix's queue to be empty",
               lambda: not world.stack.postfix.queued() or world.stack.postfix.flush(), 120, 1)
    give_up(world)
    wait_quiet(world.stack, 120, hurry=False)


def wait_told(world: World, stored: list[Stored]) -> None:
    """Until each listener knows of all that is there."""
    wanted = {s.id for s in stored if not s.cloud}
    told = lambda: {f["id"] for f in world.journal.read("told")}  # noqa: E731
    wait_until("notices of all mails", lambda: wanted <= told(), 30, 1)


# ---- audit ----

def check_ends(world: World, stored: list[Stored]) -> dict[str, str]:
    """Each mail for an endpoint ended once: as delivered, or as failed with a reason. The
    reasons, by id."""
    cloud = [s for s in stored if s.cloud]
    with world.stack.db() as db, db.cursor() as query:
        query.execute("SELECT message_id, outcome, reason FROM message_events WHERE stage = "
                      "'webhook' AND outcome IN ('delivered', 'failed') AND message_id = ANY (%s)",
                      [[s.id for s in cloud]])
        ends = query.fetchall()
        query.execute("SELECT message_id, last_error FROM webhook_jobs WHERE state = 'failed' "
                      "AND message_id = ANY (%s)", [[s.id for s in cloud]])
        listed = dict(query.fetchall())
    count = Counter(row[0] for row in ends)
    assert [s.id for s in cloud if count[s.id] != 1] == [], "not ended once"
    failed = {row[0]: row[2] for row in ends if row[1] == "failed"}
    assert failed == listed, "the ledger and the list of what failed differ"
    assert all(failed.values()), "failed without a reason"
    never = {agent for agent, e in world.endpoints.items() if e.never}
    assert [s for s in cloud if s.id in failed and s.recipient not in never] == [], "given up"
    return failed


def repeats(calls: list[dict]) -> list[tuple[dict, dict]]:
    """Pairs of calls, one after the other, for the same mail."""
    last: dict[str, dict] = {}
    found = []
    for call in calls:
        if call["id"] in last:
            found.append((last[call["id"]], call))
        last[call["id"]] = call
    return found


def read_deferred(world: World) -> dict[str, list[float]]:
    """When attempts failed, by id."""
    with world.stack.db() as db, db.cursor() as query:
        query.execute("SELECT message_id, array_agg(extract(epoch FROM at)::float8) "
                      "FROM message_events WHERE stage = 'webhook' AND outcome = 'deferred' "
                      "GROUP BY 1")
        return dict(query.fetchall())


def causes(faults: list[dict], first: dict, again: dict) -> list[int]:
    """The faults that may have made a call come twice."""
    return [n for n, f in enumerate(faults) if f["start"] < again["at"]
            and f["start"] - REPEATED[f["name"]][0] < first["at"] < f["at"] + REPEATED[f["name"]][1]]


def check_repeats(world: World) -> list[tuple[dict, dict]]:
    """A call is made again only if it failed in our eyes, or for one of the reasons that
    REPEATED has; these."""
    faults = [f for f in world.journal.read("fault") if f["name"] in REPEATED]
    deferred = read_deferred(world)
    found = [(first, again) for first, again in repeats(world.journal.read("called"))
             if not any(first["at"] < at < again["at"] for at in deferred.get(first["id"], ()))]
    blamed = Counter()
    for first, again in found:
        cause = causes(faults, first, again)
        assert cause, ("called again for no reason", first, again, deferred.get(first["id"]))
        blamed[cause[-1]] += 1
    assert not blamed or max(blamed.values()) <= REPEATED_MAX
    return found


def check_fetched(world: World, stored: list[Stored]) -> None:
    sums = {s.id: s.sha256 for s in stored}
    for fact in world.journal.read("fetched"):
        assert sums.get(fact["id"]) == fact["sha256"], fact


def check_told(world: World, stored: list[Stored]) -> None:
    """All of it, each once on a connection, and nothing that is not there. The backlog, that is
    what was stored before the connection was there, comes in the order of the list."""
    by_id = {s.id: s for s in stored if not s.cloud}
    since = {f["connection"]: f["at"] for f in world.journal.read("connected")}
    told = defaultdict(list)
    for fact in world.journal.read("told"):
        assert fact["id"] in by_id, ("told of nothing stored", fact)
        told[fact["connection"]].append(by_id[fact["id"]])
    for connection, notices in told.items():
        assert len({s.id for s in notices}) == len(notices), "told twice on one connection"
        backlog = [s.place for s in notices if s.place[0] < since[connection] - SETTLED]
        assert backlog == sorted(backlog), "the backlog is out of order"
    for agent, reader in world.readers.items():
        count = Counter(f["id"] for f in world.journal.read("told") if f["agent"] == agent)
        assert not isinstance(reader, ONCE) or max(count.values()) == 1, "told twice in all"
    heard = {s.id for notices in told.values() for s in notices}
    assert set(by_id) - heard == set(), "never told"


def check_backlog(world: World, stored: list[Stored]) -> None:
    """Who comes now is told of everything that nobody read, in its order."""
    for agent, reader in world.readers.items():
        wanted = [s for s in stored if s.recipient == agent and s.unread]
        with WebSocketListener(reader.url, agent, reader.key) as socket:
            found = [n["message_id"] for n in socket.wait_count(len(wanted), 60)]
        assert found == [s.id for s in sorted(wanted, key=lambda s: s.place)]


def audit(world: World) -> str:
    """Asserts I1 to I3; the figures of the run."""
    accepted, called = world.journal.read("accepted"), world.journal.read("called")
    stored = read_stored(world.stack, set(world.agents))
    assert world.journal.read("wrong") == []
    assert world.journal.read("trapped") == [], "a redirect was followed"
    check_stored(accepted, stored)
    failed = check_ends(world, stored)
    check_called(stored, called, failed)
    again = check_repeats(world)
    wait_told(world, stored)
    check_told(world, stored)
    check_fetched(world, stored)
    check_backlog(world, stored)
    kinds = Counter(f["name"] for f in world.journal.read("fault"))
    count = world.journal.count
    return (f"{count['accepted']} mails accepted, {count['refused']} refused, {count['broken']} "
            f"broken off; {len(stored)} stored; {len(called)} calls, {len(repeats(called))} "
            f"again, of these {len(again)} because of faults; {len(failed)} failed "
            f"{dict(Counter(failed.values()))}; {count['told']} notices over "
            f"{count['connected']} connections; {sum(kinds.values())} faults {dict(kinds)}")


def random_run(stack: Stack, account: Account, journal: Journal, seconds: float,
               seed: int) -> str:
    """The whole of it; asserts what it is for. What happened, in one line."""
    with build_world(stack, account, journal, seed) as world:
        with ExitStack() as readers:
            for reader in world.readers.values():
                readers.enter_context(reader)
            with RandomTraffic(stack, journal, world.agents, random.Random(world.chance.random())):
                make_trouble(world, seconds)
            settle(world)
            return audit(world)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("build", type=Path)
    args = parser.parse_args()
    journal = Journal(Path(tempfile.mkdtemp(prefix="e2a-random-")) / "journal")
    print(f"seed {args.seed}, journal {journal.path}", flush=True)
    with Stack(args.build, settings={**NO_LIMITS, **SETTINGS}) as stack:
        account = stack.bootstrap()
        stack.wait_for_domain(SHARED_DOMAIN)
        print(random_run(stack, account, journal, args.seconds, args.seed))
    shutil.rmtree(journal.path.parent)  # it stays when something is wrong
    return 0


if __name__ == "__main__":
    sys.exit(main())
