# SPDX-License-Identifier: Apache-2.0
"""The mail that tells an owner of a webhook that fails."""

from __future__ import annotations

from scripts.stack.part import wait_until
from tests.integration.mailbox import mails_to, wait_mails
from tests.integration.sender import query
from tests.integration.test_redelivery import Owner, gone, owner  # noqa: F401 (fixtures)


def test_an_owner_is_told_once_that_a_webhook_is_disabled(stack, gone, hook):
    owner, _ = gone
    mail, = wait_mails(stack, owner.account.email)
    assert mail["Subject"] == f"The webhook of {owner.agent} is disabled"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "It answered 410" in text and "http_gone, status 410" in text
    assert "Mail given up:       1\n" in text and hook.url not in text
    later = owner.receive()  # more of the same
    owner.wait_state(later, "failed")
    other = Owner(stack, hook)
    hook.answer = lambda _: 410
    other.receive()
    wait_mails(stack, other.account.email)
    assert len(mails_to(stack, owner.account.email)) == 1


def test_an_owner_is_told_that_a_webhook_has_failed_for_long(stack, owner):
    owner.hook.answer = lambda _: 503
    message = owner.receive()
    wait_until("a failure", lambda: owner.endpoint()["failures"])
    assert owner.log(message)["delivery"]["state"] == "pending"
    assert query(stack, "UPDATE webhook_queues SET failing_since = failing_since - interval '25 h' "
                 "WHERE agent_email = %s RETURNING 1", owner.agent)
    mail, = wait_mails(stack, owner.account.email)
    assert mail["Subject"] == f"The webhook of {owner.agent} fails"
    assert "http_status, status 503" in mail.get_content()
