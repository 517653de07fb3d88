# SPDX-License-Identifier: Apache-2.0
"""Who counts as one client, how many connections it may have, and the windows of
the database under changes and races that no client makes on its own."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest

from scripts.stack.part import StackError, wait_until
from tests.integration.client import (Http, SecondApid, WebSocket, add_session, second_apid,
                                      upgrade_fields, ws_target)

PER_CLIENT = 5


# ---- whose word counts ----

@pytest.fixture(scope="module")
def strict(stack, account) -> Iterator[SecondApid]:
    """One registration in an hour; 127.0.0.9 is the proxy."""
    with second_apid(stack, 21, rate_registration="1", http_trusted_proxies="127.0.0.9",
                     http_per_client=str(PER_CLIENT)) as apid:
        yield apid


def try_to_register(apid: SecondApid, *fields: str, source: str = "127.0.0.9") -> int:
    with Http(apid.port, source=source) as http:
        return http.request("POST", "/api/v1/agents", b"{", *fields).status


networks = itertools.count(1)


@pytest.fixture
def network() -> str:
    """The first half of an IPv6 address that nobody counted yet."""
    return f"2001:db8:{next(networks):x}:1"


def test_an_ipv6_client_is_its_network(strict, network):
    assert try_to_register(strict, f"X-Forwarded-For: {network}::1") == 400
    assert try_to_register(strict, f"X-Forwarded-For: {network}::2") == 429
    assert try_to_register(strict, f"X-Forwarded-For: [{network}:ffff:1:2:3]:443") == 429
    assert try_to_register(strict, f"X-Forwarded-For: {network[:-1]}2::1") == 400


def test_only_the_proxy_may_name_a_client(strict, network):
    assert try_to_register(strict, f"X-Forwarded-For: {network}::1", source="127.0.0.10") == 400
    assert try_to_register(strict, f"X-Forwarded-For: {network}::1") == 400, "it was not counted"
    assert try_to_register(strict, "X-Forwarded-For: 192.0.2.77", source="127.0.0.10") == 429


def test_fields_of_one_name_are_one_list(strict, network):
    """The last one is the proxy's, as if it stood at the end of a single field."""
    invented = [f"X-Forwarded-For: 192.0.2.{n}" for n in (1, 2)]
    assert try_to_register(strict, *invented, f"x-forwarded-for: {network}::1") == 400
    assert try_to_register(strict, *invented[::-1], f"X-FORWARDED-FOR: {network}::1") == 429


def test_a_hop_that_is_no_address_is_counted_as_the_proxy(strict):
    answers = [try_to_register(strict, f"X-Forwarded-For: {hop}")
               for hop in ("unknown", "203.0.113.1,", "203.0.113.2, x\xff", "%31", "203.0.113.3.4")]
    assert answers == [400, 429, 429, 429, 429]


def test_the_peer_on_a_unix_socket_is_a_proxy(stack, account, network):
    path = stack.state / "sock" / "http"
    with second_apid(stack, 22, rate_registration="1", http_listen=f"unix:{path}",
                     http_per_client="1"):
        with ExitStack() as open_ones:
            clients = [open_ones.enter_context(Http(path)) for _ in range(10)]
            statuses = [c.request("POST", "/api/v1/agents", b"{",
                                  f"X-Forwarded-For: {network}::1").status for c in clients]
        assert statuses == [400] + [429] * 9


CATCH_ALL = ["0.0.0.0/0", "::/0", "10.0.0.0/8 0.0.0.0/1", "2000::/3"]


@pytest.mark.parametrize("ranges", CATCH_ALL)
def test_a_proxy_range_that_takes_in_everybody_stops_the_daemon(stack, account, ranges):
    with pytest.raises(StackError, match="status 78"):
        with second_apid(stack, 23, http_trusted_proxies=ranges):
            pass
    log = (stack.state / "log" / "apid-23.log").read_text().splitlines()[-1]
    assert "http_trusted_proxies" in log and ranges.split()[-1] in log


# ---- connections of one client ----

@contextmanager
def connected(apid: SecondApid, source: str, n: int) -> Iterator[list[Http]]:
    with ExitStack() as opened:
        yield [opened.enter_context(Http(apid.port, source=source)) for _ in range(n)]


def served(http: Http) -> bool:
    try:
        return http.request("GET", "/api/health").status == 200
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return False


def test_a_client_has_so_many_connections_and_no_more(strict):
    with connected(strict, "127.0.0.20", PER_CLIENT) as clients:
        assert all(served(c) for c in clients)
        with connected(strict, "127.0.0.20", 3) as more:
            assert not any(served(c) for c in more)
        with connected(strict, "127.0.0.21", 1) as others:
            assert served(others[0]), "another client"
        assert all(served(c) for c in clients), "the old ones stay"
        clients[0].close()

        def room() -> bool:
            with connected(strict, "127.0.0.20", 1) as late:
                return served(late[0])

        wait_until("room", room)


def test_connections_that_say_nothing_count(strict):
    with connected(strict, "127.0.0.22", PER_CLIENT) as silent:
        with connected(strict, "127.0.0.22", 1) as more:
            assert more[0].closed()
        silent[0].write(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert silent[0].answer().status == 200


def test_a_proxy_may_have_more(strict):
    with connected(strict, "127.0.0.9", 4 * PER_CLIENT) as clients:
        assert all(served(c) for c in clients)


def test_no_connection_stays_counted_when_it_ended(strict):
    """However it ended: closed by either side, refused, broken off, half a request."""
    ends = [b"", b"GET /api/health HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"nonsense\r\n\r\n", b"GET /api/he", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 5000,
            b"POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
            b"GET /api/v1/agents HTTP/1.0\r\n\r\n"]
    for _ in range(5):
        for end in ends:
            with connected(strict, "127.0.0.23", 1) as clients:
                try:
                    clients[0].write(end)
                except ConnectionResetError:
                    pass

    def room() -> bool:
        with connected(strict, "127.0.0.23", PER_CLIENT) as clients:
            return all([served(c) for c in clients])

    wait_until("all of the room", room)


def test_a_websocket_is_no_http_connection(stack, strict, account, make_agent):
    agent = make_agent()
    with ExitStack() as opened:
        sockets = [opened.enter_context(WebSocket(strict.port, agent, account.api_key,
                                                  source="127.0.0.24"))
                   for _ in range(PER_CLIENT + 2)]
        assert len(sockets) > PER_CLIENT

        def room() -> bool:
            with connected(strict, "127.0.0.24", PER_CLIENT) as clients:
                return all([served(c) for c in clients])

        wait_until("all of the room", room)


def unauthorised(client: Http) -> bool:
    try:
        client.write(client.head("GET", ws_target("x@agents.example", "e2a_none"),
                                 *upgrade_fields()))
        return client.answer().status == 401
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return False  # those of the round before still count


def test_a_refused_websocket_is_counted_once(strict):
    def round_of_all() -> bool:
        with connected(strict, "127.0.0.25", PER_CLIENT) as clients:
            return all([unauthorised(c) for c in clients])

    for _ in range(3):
        wait_until("all of the room", round_of_all)


def test_a_flood_writes_few_lines_into_the_log(stack, account):
    with second_apid(stack, 24, http_per_client="1") as apid:
        mark = apid.log_mark()
        with connected(apid, "127.0.0.26", 1):
            for _ in range(50):
                with connected(apid, "127.0.0.26", 1) as more:
                    assert more[0].closed()
        lines = [line for line in apid.log_since(mark).splitlines() if "connections_refused" in line]
        assert len(lines) == 1 and "client=127.0.0.26" in lines[0] and "warn" in lines[0]


def test_connections_that_a_full_server_refused_do_not_stay_counted(stack, account):
    with second_apid(stack, 26, http_max_connections="3", http_per_client="5") as apid:
        mark = apid.log_mark()
        with connected(apid, "127.0.0.27", 3) as clients:
            assert all(served(c) for c in clients)
            for _ in range(20):
                with connected(apid, "127.0.0.27", 2) as more:
                    assert not any([served(c) for c in more])
            assert all(served(c) for c in clients)
        assert apid.log_since(mark).count("reason=http_max_connections") == 1

        def room() -> bool:
            with connected(apid, "127.0.0.27", 3) as again:
                return all([served(c) for c in again])

        wait_until("all of the room", room)


# ---- sessions and keys of a user are one user ----

def test_a_user_is_counted_whatever_it_shows(stack, account):
    user = stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example")
    cookie = f"Cookie: e2a_session={add_session(stack, user.user_id)}"
    with second_apid(stack, 25, rate_domains="2") as apid, Http(apid.port) as http:
        shown = [cookie, f"Authorization: Bearer {user.api_key}"]
        path = "/api/v1/domains/absent.example/verify"
        own = "Sec-Fetch-Site: same-origin"
        assert [http.request("POST", path, b"", s, own).status for s in shown] == [404, 404]
        for s in shown:
            answer = http.request("POST", path, b"", s, own)
            assert (answer.status, answer.text) == (
                429, "rate limit exceeded \u2014 max 2 requests per minute\n")
            assert 0 < int(answer.headers["retry-after"]) <= 60
        assert http.request("POST", path, b"", cookie).status == 403, "not a user's doing"


# ---- the windows ----

@pytest.fixture
def take(stack):
    """take(most, seconds) -> milliseconds to wait, of a name that nobody counted yet."""
    name = f"test:{uuid.uuid4().hex}"
    with closing(stack.db()) as db:  # each statement its own transaction
        def take(most: int, seconds: float = 3600) -> int:
            with db.cursor() as query:
                query.execute("SELECT take_slot(%s, %s, %s * interval '1 s')",
                              [name, most, seconds])
                return query.fetchone()[0]

        take.name = name
        yield take


def age(stack, name: str, seconds: int) -> None:
    with stack.db() as db, db.cursor() as query:
        query.execute("UPDATE rate_hits SET at = at - %s * interval '1 s' WHERE name = %s",
                      [seconds, name])


def rows(stack, name: str) -> list[tuple]:
    with stack.db() as db, db.cursor() as query:
        query.execute("SELECT c.admitted, c.ring, c.xmin::text, count(h.*) FROM rate_counters c "
                      "LEFT JOIN rate_hits h USING (name) WHERE name = %s "
                      "GROUP BY 1, 2, c.xmin::text", [name])
        return query.fetchall()


def admitted(take, most: int, tries: int) -> int:
    return [take(most) for _ in range(tries)].count(0)


def test_a_refused_request_writes_nothing(stack, take):
    assert admitted(take, 3, 3) == 3
    before = rows(stack, take.name)
    waits = [take(3) for _ in range(20)]
    assert all(0 < wait <= 3_600_000 for wait in waits)
    assert waits == sorted(waits, reverse=True), "time passes"
    assert rows(stack, take.name) == before


def test_storage_does_not_grow_with_use(stack, take):
    for _ in range(4):
        assert admitted(take, 5, 7) == 5
        age(stack, take.name, 3600)
    assert [(a, ring, n) for a, ring, _, n in rows(stack, take.name)] == [(20, 5, 5)]


def test_a_limit_that_is_raised_counts_what_was_admitted(take):
    assert admitted(take, 3, 5) == 3
    assert admitted(take, 10, 20) == 7
    assert admitted(take, 11, 20) == 1


def test_a_limit_that_is_lowered_counts_what_was_admitted(take):
    assert admitted(take, 10, 8) == 8
    assert admitted(take, 3, 5) == 0
    assert admitted(take, 9, 5) == 1, "and forgets nothing of it"


def test_daemons_with_different_limits_do_not_undo_each_other(take):
    assert [take(most) == 0 for most in (4, 6) * 10].count(True) == 6


def test_many_at_once_are_counted_exactly_while_the_janitor_deletes(stack):
    """What the janitor takes is older than any window; here, than none of these."""
    name = f"test:{uuid.uuid4().hex}"
    over = threading.Event()

    def clean() -> None:
        with closing(stack.db()) as db, db.cursor() as query:
            while not over.is_set():
                query.execute("DELETE FROM rate_counters WHERE name = %s AND "
                              "used_at < clock_timestamp() - interval '1 h'", [name])

    def ask(_: int) -> list[bool]:
        with closing(stack.db()) as db, db.cursor() as query:
            found = []
            for _ in range(50):
                query.execute("SELECT take_slot(%s, 40, interval '1 h')", [name])
                found.append(query.fetchone()[0] == 0)
            return found

    janitor = threading.Thread(target=clean)
    janitor.start()
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(itertools.chain(*pool.map(ask, range(8))))
    over.set()
    janitor.join()
    assert answers == {True: 40, False: 360}
