# SPDX-License-Identifier: Apache-2.0
"""e2a-admin outbound: mail from agents that is stuck, as an operator sees it, and what
they can do about it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest

from tests.integration.test_admin import EX_DATAERR, EX_TEMPFAIL, EX_USAGE, admin

HEADING = "id\tmessage\tagent\tpart\tstate\tattempts\tlast_error\tsince"
SUBMIT = """SELECT outcome FROM submit_outbound('msg_' || %(id)s, %(user)s, %(agent)s, 'send',
	%(agent)s, '<' || %(id)s || '@agents.example>', 'Secret subject', 'Secret text', '',
	ARRAY['peer@peer.example'], '{}', '{}', ARRAY['peer@peer.example'], 'c', '', '{}', '', 0,
	'', 30, 3600000, 86400000, 1000, false)"""


def query(stack, sql: str, *values: object) -> list[tuple]:
    with stack.db() as db, db.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def make_job(stack, account, make_agent) -> Callable[..., str]:
    """make_job(state, error="", age="0 s") -> id of a job that no worker touches."""
    stack.deliverd.stop()
    made: list[str] = []

    def make(state: str, error: str = "", age: str = "0 s") -> str:
        number = uuid.uuid4().hex
        made.append(f"msg_{number}")
        with stack.db() as db, db.cursor() as cursor:
            cursor.execute(SUBMIT, {"id": number, "user": account.user_id, "agent": make_agent()})
            assert cursor.fetchone() == ("sent",)
            cursor.execute("UPDATE outbound_jobs SET state = %s, last_error = %s, attempts = 12, "
                           "created_at = now() - %s::interval WHERE message_id = %s RETURNING id",
                           [state, error, age, made[-1]])
            return cursor.fetchone()[0]

    yield make
    query(stack, "DELETE FROM messages WHERE id = ANY (%s)", made)


def listed(stack, *options: str) -> dict[str, list[str]]:
    """The columns of each line, by job."""
    done = admin(stack, "outbound", *options)
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines() or [HEADING]
    assert heading == HEADING and "Secret" not in done.stdout
    return {line.split("\t")[0]: line.split("\t") for line in lines}


def states(stack, job: str) -> tuple[str, str, str]:
    """Of the job, of its recipient, and the newest row of the ledger."""
    return query(stack, "SELECT j.state, r.status || ':' || r.detail, "
                 "(SELECT e.outcome || ':' || e.reason FROM message_events e "
                 "WHERE e.message_id = j.message_id AND e.stage = 'outbound' ORDER BY e.id DESC "
                 "LIMIT 1) FROM outbound_jobs j JOIN outbound_recipients r USING (message_id) "
                 "WHERE j.id = %s", job)[0]


def test_the_list_shows_what_is_stuck_and_nothing_that_it_says(stack, make_job):
    before = list(listed(stack, "-o", "0s"))  # of other tests
    fresh, old = make_job("pending"), make_job("pending", "smtp_4xx", "90 m")
    failed, unknown = make_job("failed", "expired", "5 m"), make_job("unknown", "untraceable")
    found = {job: row for job, row in listed(stack).items() if job not in before}
    assert list(found) == [old, failed, unknown]
    message = query(stack, "SELECT message_id FROM outbound_jobs WHERE id = %s", failed)[0][0]
    assert found[failed][1] == message
    assert re.fullmatch(r"t\d+@agents\.example", found[failed][2])
    assert found[failed][3:7] == ["world", "failed", "12", "expired"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[failed][7])
    assert [j for j in listed(stack, "-o", "2h") if j not in before] == [failed, unknown]
    assert set(listed(stack, "-o", "0s")) - set(before) == {old, failed, unknown, fresh}


def test_a_job_is_sent_again(stack, make_job):
    job = make_job("failed", "expired", "3 days")
    query(stack, "UPDATE outbound_recipients r SET status = 'failed', detail = 'expired' "
          "FROM outbound_jobs j WHERE j.id = %s AND r.message_id = j.message_id", job)
    done = admin(stack, "outbound", "resend", job)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert states(stack, job) == ("pending", "queued:", "resend:operator")
    assert query(stack, "SELECT attempts, due_at <= now(), give_up_at > now() + interval '4 days' "
                 "FROM outbound_jobs WHERE id = %s", job) == [(0, True, True)]
    again = admin(stack, "outbound", "resend", job)
    assert again.returncode == EX_DATAERR and "not for a job that is pending" in again.stderr


def test_a_job_is_dropped(stack, make_job):
    job = make_job("unknown", "untraceable")
    done = admin(stack, "outbound", "drop", job)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert states(stack, job) == ("failed", "failed:dropped by the operator", "failed:operator")
    again = admin(stack, "outbound", "drop", job)
    assert again.returncode == EX_DATAERR and "not for a job that is failed" in again.stderr


@pytest.mark.parametrize("verb", ["resend", "drop"])
def test_what_a_worker_has_in_hand_is_left_alone(stack, make_job, verb):
    job = make_job("unknown", "untraceable")
    query(stack, "UPDATE outbound_jobs SET lease_id = 'l', lease_until = now() + interval '1 m' "
          "WHERE id = %s", job)
    done = admin(stack, "outbound", verb, job)
    assert done.returncode == EX_TEMPFAIL and "try again later" in done.stderr
    assert states(stack, job) == ("unknown", "queued:", "accepted:")


@pytest.mark.parametrize("verb", ["resend", "drop"])
@pytest.mark.parametrize("job", ["", "x", "job_" + "0" * 32 + "_world", "' OR '1'='1", "j\u00e9\n"])
def test_a_job_that_is_not_there_is_told_so(stack, account, verb, job):
    done = admin(stack, "outbound", verb, job)
    assert done.returncode == EX_DATAERR
    assert done.stderr == "e2a-admin: outbound: no such job\n"


@pytest.mark.parametrize("argv", [["resend"], ["drop"], ["fly", "j"], ["resend", "j", "k"], ["-x"],
                                  ["-o"], ["-o", "1h", "drop", "j"], ["-o", "1h", "x"]])
def test_wrong_usage_is_told(stack, account, argv):
    done = admin(stack, "outbound", *argv)
    assert done.returncode == EX_USAGE and "usage: e2a-admin" in done.stderr


@pytest.mark.parametrize("age", ["", "x", "-1h", "1", "1 h", "99999999999999999999d"])
def test_an_age_has_to_be_a_time(stack, account, age):
    done = admin(stack, "outbound", "-o", age)
    assert done.returncode == EX_DATAERR and "-o takes a time" in done.stderr
