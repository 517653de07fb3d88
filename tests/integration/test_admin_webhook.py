# SPDX-License-Identifier: Apache-2.0
"""e2a-admin webhook: webhooks that fail, as an operator sees them, and what they can do
about it."""

from __future__ import annotations

import re

import pytest

from tests.integration.sender import query
from tests.integration.test_admin import EX_DATAERR, EX_USAGE, admin
from tests.integration.test_redelivery import (  # noqa: F401 (fixtures)
    DAY, ID, Owner, gone, make_failed, owner)

HEADING = "agent\tstate\tfailures\tlast_error\tsince\tpending\tfailed"
KEPT = " left alone (under way, or asked for in the last five minutes)\n"


def run(stack, *argv: str) -> str:
    done = admin(stack, "webhook", *argv)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(stack, *argv: str) -> str:
    done = admin(stack, "webhook", *argv)
    assert (done.returncode, done.stdout) == (EX_DATAERR, "")
    return done.stderr.removeprefix("e2a-admin: webhook: ")


def shown(stack, agent: str) -> dict[str, str]:
    rows = [line.split("\t") for line in run(stack, "show", agent).splitlines()]
    return {name.strip(): value for name, value in rows}


def test_what_fails_is_listed_and_shown(stack, gone):
    owner, _ = gone
    heading, *lines = run(stack).splitlines()
    row, = [line.split("\t") for line in lines if line.startswith(owner.agent)]
    assert heading == HEADING and owner.hook.url not in "".join(lines)
    assert row[1:4] == ["disabled", "1", "http_gone"] and row[5:] == ["0", "1"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[4])
    one = shown(stack, owner.agent.upper())
    assert (one["agent"], one["url"], one["state"], one["disabled by"]) == (
        owner.agent, owner.hook.url, "disabled", "http_gone")
    assert (one["last status"], one["failed"], one["next attempt"]) == ("410", "1", "-")


def test_one_is_enabled_and_its_mail_repeated(stack, gone):
    owner, message = gone
    text = f"{owner.agent}: the webhook is disabled, enable it first\n"
    assert refused(stack, "redeliver", message) == text
    assert refused(stack, "redeliver", owner.agent) == text
    assert run(stack, "enable", owner.agent) == ""
    assert run(stack, "redeliver", message) == f"1 due now, 0{KEPT}"
    log = owner.wait_state(message, "delivered")["log"]
    assert [e["by"] for e in log if e["outcome"] == "redelivered"] == ["operator"]
    assert run(stack, "redeliver", message) == f"0 due now, 1{KEPT}"
    assert owner.agent not in run(stack)


def test_one_is_called_no_more_until_it_is_enabled(stack, owner):
    assert run(stack, "disable", owner.agent) == ""
    endpoint = owner.endpoint()
    assert (endpoint["state"], endpoint["disabled_reason"]) == ("disabled", "operator")
    message = owner.receive()
    assert owner.wait_state(message, "failed")["delivery"]["last_error"] == "endpoint_disabled"
    assert owner.hook.items == []
    run(stack, "enable", owner.agent)
    run(stack, "redeliver", owner.agent)
    owner.wait_state(message, "delivered")


def test_a_time_is_repeated(stack, owner):
    owner.receive()
    owner.hook.wait()
    failed = make_failed(stack, owner, 4)
    window = ("-s", "2026-01-15T00:00:01Z", "-t", "2026-01-15T00:00:03Z")
    assert run(stack, "redeliver", *window, owner.agent) == f"2 due now, 0{KEPT}"
    for message in failed[1:3]:
        owner.wait_state(message, "delivered")
    assert owner.listed() == [failed[3], failed[0]]
    everything = ("-e", "-s", DAY["since"], "-t", DAY["until"])
    assert run(stack, "redeliver", *everything, owner.agent) == f"2 due now, 2{KEPT}"


def test_all_of_a_user_are_repeated_but_who_has_no_webhook(stack, owner):
    owner.receive()
    make_failed(stack, owner, 1100)
    off = Owner(stack, owner.hook)
    query(stack, "UPDATE agents SET user_id = %s WHERE email = %s", owner.user_id, off.agent)
    make_failed(stack, off, 1)
    query(stack, "UPDATE webhook_jobs SET user_id = %s WHERE agent_email = %s", owner.user_id,
          off.agent)
    admin(stack, "webhook", "disable", off.agent)
    done = admin(stack, "webhook", "redeliver", "-u", owner.account.email.upper())
    assert (done.returncode, done.stdout) == (0, f"1100 due now, 0{KEPT}")
    assert done.stderr == f"{off.agent}: the webhook is disabled, enable it first\n"
    assert run(stack, "redeliver", "-u", "nobody@other.example") == f"0 due now, 0{KEPT}"


@pytest.mark.parametrize("subject", ["nobody@agents.example", "@", "a@", "' OR '1'='1' @x"])
@pytest.mark.parametrize("verb", ["show", "enable", "disable", "redeliver"])
def test_an_agent_that_is_not_there_is_told_so(stack, account, verb, subject):
    assert refused(stack, verb, subject) == "no such agent\n"


@pytest.mark.parametrize("subject", [ID, "x", "' OR '1'='1", "m\u00e9\n"])
def test_a_message_that_is_not_there_is_told_so(stack, account, subject):
    assert refused(stack, "redeliver", subject) == "no such message\n"


def test_what_has_no_webhook_is_told_so(stack, owner):
    sent = owner.send().json["id"]
    assert refused(stack, "redeliver", sent) == "no such message\n"
    local = owner.make_agent()
    for verb in ("enable", "disable"):
        assert refused(stack, verb, local) == "agent is not in cloud mode\n"
    assert refused(stack, "redeliver", local) == f"{local}: agent is not in cloud mode\n"
    assert shown(stack, local)["state"] == "none"


@pytest.mark.parametrize("argv", [
    ["fly"], ["show"], ["show", "a", "b"], ["enable"], ["redeliver"], ["redeliver", "a@b", "c@d"],
    ["redeliver", "-A", "a@b"], ["redeliver", "-A", "-u", "a@b"], ["redeliver", "-u"], ["-x"],
    ["redeliver", "-x"], ["redeliver", "-e", "-s", DAY["since"], ID],
    ["redeliver", "-s", DAY["since"], "-A"]])
def test_wrong_usage_is_told(stack, account, argv):
    done = admin(stack, "webhook", *argv)
    assert done.returncode == EX_USAGE and "usage: e2a-admin" in done.stderr


@pytest.mark.parametrize("argv, text", [
    (["-s", "yesterday"], "-s takes a time such as 2026-01-15T10:00:00Z"),
    (["-t", ""], "-t takes a time such as 2026-01-15T10:00:00Z"), (["-e"], "-e needs -s"),
    (["-s", DAY["until"], "-t", DAY["since"]], "-t must be later than -s")])
def test_a_time_has_to_be_one(stack, account, argv, text):
    assert refused(stack, "redeliver", *argv, "a@b.example") == text + "\n"
