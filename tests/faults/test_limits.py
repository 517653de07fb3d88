# SPDX-License-Identifier: Apache-2.0
"""Limits that are reached: memory, connections, time, retries, and addresses
that a webhook may not have. And daemons that must not start."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time

import pytest

from scripts.stack.mail import compose
from scripts.stack.part import CLEAN_ENV, wait_until, write_file
from tests.faults.audit import MIB, audit, kept_by_sanitizer, send
from tests.integration.wire import Lmtp, Wire

SETTINGS = {"memory_budget": "64m", "lmtp_max_connections": "20", "lmtp_timeout": "3s",
            "webhook_schedule": "1s 1s", "webhook_allow": "127.0.0.1/32"}
SENDER = "alice@sender.example"
TEN_MB = "y" * 76 + "\n"
EX_CONFIG = 78


def resident_peak(pid: int) -> int:
    """VmHWM in bytes."""
    text = open(f"/proc/{pid}/status", encoding="ascii").read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) * 1024


def query(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


# ---- memory ----

def test_a_mail_beyond_the_memory_budget_is_put_off(stack, make_agent):
    agent = make_agent()
    clients = [Lmtp(stack) for _ in range(5)]
    replies = [c.command(f"MAIL FROM:<{SENDER}> SIZE=10000000") for c in clients]
    assert [r.code for r in replies].count(250) in range(1, 5)
    assert replies[-1].status == "452 4.3.1"
    assert clients[0].command("RSET").code == 250
    assert clients[-1].command(f"MAIL FROM:<{SENDER}> SIZE=10000000").code == 250
    clients[1].close()  # what a lost connection held is free again
    wait_until("its bytes", lambda: clients[2].command("RSET") and clients[2].command(
        f"MAIL FROM:<{SENDER}> SIZE=10000000").code == 250)
    for client in clients:
        client.close()
    with Lmtp(stack) as client:
        assert client.mail(agent, compose(SENDER, agent))[0].code == 250


def test_many_large_mails_are_delivered_in_bounded_memory(stack, make_agent, journal, receiver):
    allowed = 2 * 64 * MIB + kept_by_sanitizer(stack)
    to = [make_agent(receiver.url)]
    stack.deliverd.restart()
    before = resident_peak(stack.deliverd.pid)
    body = TEN_MB * (9_900_000 // 78)
    threads = [threading.Thread(target=send, args=(stack, journal, to, body)) for _ in range(10)]
    mark = stack.postfix.log_mark()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.count["accepted"] == 10
    assert len(audit(stack, journal)) == 10
    grown = resident_peak(stack.deliverd.pid) - before
    assert grown < allowed, f"{grown / MIB:.0f} MiB"
    assert "452 4.3.1" in stack.postfix.log_since(mark), "the budget was never reached"


# ---- connections ----

def test_lmtp_connections_above_the_limit_are_sent_away(stack, make_agent):
    agent, path = make_agent(), stack.state / "sock" / "lmtp"
    flood = [Wire(path) for _ in range(60)]
    codes = [w.greeting.code for w in flood]
    assert codes == [220] * 20 + [421] * 40
    flood[0].close()
    wait_until("room", lambda: Wire(path).greeting.code == 220)
    for wire in flood[1:]:
        wire.close()
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    stack.postfix.flush()
    wait_until("the mail", lambda: query(
        stack, "SELECT id FROM messages WHERE agent_email = %s", agent))


def test_a_client_that_is_silent_is_sent_away(stack):
    with Wire(stack.state / "sock" / "lmtp") as silent, Lmtp(stack) as half:
        half.begin("x@agents.example")
        half.command("DATA")
        half.write(b"Subject: and then\r\n")
        start = time.monotonic()
        assert [r.code for r in silent.rest()] == [421]
        assert [r.code for r in half.rest()] == [421]
        assert 2 < time.monotonic() - start < 10


def test_there_are_descriptors_for_all_connections_that_the_settings_admit(stack):
    stack.configure(webhook_concurrency="2000")
    stack.restart("deliverd")
    with open(f"/proc/{stack.deliverd.pid}/limits", encoding="ascii") as limits:
        soft = int(re.search(r"Max open files\s+(\d+)", limits.read()).group(1))
    stack.configure(webhook_concurrency="200")
    stack.restart("deliverd")
    assert soft >= 2 * 2000


# ---- webhooks ----

def test_a_delivery_that_is_given_up_stays_listed(stack, make_agent, hook):
    agent = make_agent(hook.url)
    hook.answer = lambda _: 500
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    message_id = hook.wait_count(3)[0].json["message_id"]
    state = wait_until("the end", lambda: query(
        stack, "SELECT state, attempts, last_status FROM webhook_jobs "
               "WHERE message_id = %s AND state = 'failed'", message_id))
    assert state == [("failed", 3, 500)]
    assert query(stack, "SELECT outcome, (detail->>'attempt')::int FROM message_events "
                        "WHERE message_id = %s AND stage = 'webhook' ORDER BY id", message_id) \
        == [("deferred", 1), ("deferred", 2), ("failed", 3)]


@pytest.mark.parametrize("url, address", [
    ("http://127.0.0.9:{port}/hook", None),
    ("https://rebound.example:{port}/hook", "127.0.0.9"),
    ("https://rebound.example/hook", "10.0.0.1"),
    ("https://rebound.example/hook", "169.254.169.254"),
    ("https://[::ffff:127.0.0.9]:{port}/hook", None),
])
def test_an_address_outside_webhook_allow_is_never_called(stack, make_agent, hook, url, address):
    """The agent's URL was fine when it was registered; what its name says now counts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.9", 0))
        listener.listen()
        listener.settimeout(0)
        agent = make_agent(hook.url)
        if address:
            stack.dns.publish("rebound.example", "A", address)
        with stack.db() as db, db.cursor() as cursor:
            cursor.execute("UPDATE agents SET webhook_url = %s WHERE email = %s",
                           [url.format(port=listener.getsockname()[1]), agent])
        assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
        reasons = wait_until("an attempt", lambda: query(
            stack, "SELECT e.reason FROM message_events e JOIN messages m ON m.id = e.message_id "
                   "WHERE m.agent_email = %s AND e.stage = 'webhook'", agent))
        assert reasons[0] == ("address_refused",)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert hook.items == []


def test_one_bad_address_of_a_name_is_enough(stack, make_agent, hook):
    agent = make_agent(hook.url)
    stack.dns.publish("mixed.example", "A", "127.0.0.1", "127.0.0.9")
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute("UPDATE agents SET webhook_url = %s WHERE email = %s",
                       [hook.url.replace("127.0.0.1", "mixed.example"), agent])
    assert stack.send(SENDER, agent, compose(SENDER, agent)).code == 250
    reasons = wait_until("an attempt", lambda: query(
        stack, "SELECT e.reason FROM message_events e JOIN messages m ON m.id = e.message_id "
               "WHERE m.agent_email = %s AND e.stage = 'webhook'", agent))
    assert reasons[0] == ("address_refused",)
    assert hook.items == []


@pytest.mark.parametrize("url", ["http://127.0.0.9:8080/x", "https://10.1.2.3/x",
                                 "https://inside.example/x", "ftp://127.0.0.1/x"])
def test_such_an_address_cannot_be_registered_either(stack, api, url):
    stack.dns.publish("inside.example", "A", "192.168.1.1")
    status, text = api.post("/api/v1/agents", {"slug": "inside", "agent_mode": "cloud",
                                               "webhook_url": url})
    assert status == 400, text


# ---- daemons that must not start ----

def start(stack, tmp_path, name: str, settings: dict[str, str], timeout: float = 20,
          **env: str) -> subprocess.CompletedProcess:
    """A second one of that name with other settings; it must end by itself."""
    own = {"milter_listen": f"unix:{tmp_path}/m", "lmtp_listen": f"unix:{tmp_path}/l",
           "http_listen": "127.0.0.1:1", "postfix_map_dir": "", f"{name}_metrics": ""}
    conf = write_file(tmp_path / "e2a.conf", "".join(
        f"{k} = {v}\n" for k, v in {**stack.settings, **own, **settings}.items()))
    part = stack.part(name)
    return subprocess.run([str(stack.state / "bin" / f"e2a-{name}"), "-c", str(conf)],
                          env={**CLEAN_ENV, **part.env(), **env}, capture_output=True, text=True,
                          timeout=timeout)


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == EX_CONFIG, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not done.stdout
    for word in words:
        assert word in done.stderr


DAEMONS = ("milter", "deliverd", "apid")
USERS_OF_POSTGRES = ("deliverd", "apid")


@pytest.mark.parametrize("name", DAEMONS)
def test_an_unknown_setting_stops_a_daemon(stack, tmp_path, name):
    assert_refused(start(stack, tmp_path, name, {"webhook_sheduel": "1s"}), "webhook_sheduel")


@pytest.mark.parametrize("name", DAEMONS)
def test_a_weak_secret_stops_a_daemon(stack, tmp_path, name):
    done = start(stack, tmp_path, name, {}, E2A_HMAC_SECRET="change-me-change-me-change-me-12")
    assert_refused(done, "secret")
    assert "change-me-change" not in done.stderr


@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("text", [None, "", "seal = 00\n", "nonsense"])
def test_a_missing_or_broken_key_file_stops_a_daemon(stack, tmp_path, name, text):
    keys = tmp_path / "keys"
    keys.mkdir()
    if text is not None:
        write_file(keys / f"{name}.keys", text, 0o600)
    assert_refused(start(stack, tmp_path, name, {"keys_dir": str(keys)}), "keys")


@pytest.mark.parametrize("name", DAEMONS)
def test_a_key_file_that_others_may_read_stops_a_daemon(stack, tmp_path, name):
    keys = tmp_path / "keys"
    keys.mkdir()
    text = (stack.state / "keys" / f"{name}.keys").read_text()
    write_file(keys / f"{name}.keys", text, 0o644)
    assert_refused(start(stack, tmp_path, name, {"keys_dir": str(keys)}), "keys")


@pytest.mark.parametrize("name", USERS_OF_POSTGRES)
@pytest.mark.parametrize("schema", ["none", "older", "newer", "altered"])
def test_a_schema_that_is_not_theirs_stops_a_daemon(stack, tmp_path, name, schema):
    database = f"other_{name}_{schema}"
    stack.postgres.administer(f"CREATE DATABASE {database} OWNER e2a")
    url = stack.postgres.url("e2a", database)
    if schema != "none":
        subprocess.run(stack.admin_command("migrate"), check=True, capture_output=True,
                       env={**CLEAN_ENV, **stack.admin_env(), "E2A_DATABASE_URL": url})
        connection = stack.postgres.connect("e2a", database)
        with connection.cursor() as cursor:
            cursor.execute({
                "older": "DELETE FROM schema_migrations WHERE version = "
                         "(SELECT max(version) FROM schema_migrations)",
                "newer": "INSERT INTO schema_migrations (version, name, sha256) "
                         "SELECT 9999, '9999_x', sha256 FROM schema_migrations LIMIT 1",
                "altered": "UPDATE schema_migrations SET sha256 = repeat('0', 64) "
                           "WHERE version = 2"}[schema])
        connection.close()
    daemon = stack.postgres.conf_url().replace("/e2a?", f"/{database}?")
    assert_refused(start(stack, tmp_path, name, {"database_url": daemon}), "schema")


@pytest.mark.parametrize("name, setting", [("milter", "milter_listen"),
                                           ("deliverd", "lmtp_listen"), ("apid", "http_listen")])
@pytest.mark.parametrize("value", ["unix:/tmp/" + "x" * 120, "nonsense", "in use"])
def test_a_socket_that_cannot_be_stops_a_daemon(stack, tmp_path, name, setting, value):
    value = stack.settings[setting] if value == "in use" else value
    assert_refused(start(stack, tmp_path, name, {setting: value}))
    assert stack.part(name).running()
    assert Lmtp(stack).hello.code == 250  # the one that runs still has its socket


@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("value", ["0.0.0.0:9431", "nonsense", "in use"])
def test_metrics_that_others_could_reach_stop_a_daemon(stack, tmp_path, name, value):
    setting = f"{name}_metrics"
    value = stack.settings[setting] if value == "in use" else value
    assert_refused(start(stack, tmp_path, name, {setting: value}), setting, value)


@pytest.mark.parametrize("settings, word", [
    ({"memory_budget": "32m"}, "memory_budget"),
    ({"webhook_schedule": "1s never"}, "webhook_schedule"),
    ({"webhook_allow": "127.0.0.1/33"}, "127.0.0.1/33"),
    ({"webhook_ca_file": "/nonexistent"}, "webhook_ca_file"),
])
def test_a_setting_that_cannot_work_stops_deliverd(stack, tmp_path, settings, word):
    assert_refused(start(stack, tmp_path, "deliverd", settings), word)
