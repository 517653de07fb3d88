# SPDX-License-Identifier: Apache-2.0
"""An SMTP server that takes mail for anybody, or does what a test wants of it.
As relayhost of a stack it receives all mail to the world; as submission_url it
receives what e2a-deliverd sends."""

from __future__ import annotations

import asyncio
import ssl
from typing import Callable

from aiosmtpd.controller import Controller

from .mail import Mail
from .part import Port
from .peers import Inbox


class MailSink(Inbox):
    """On 127.0.0.1. `reply(mail)` is called in a thread and gives the answer to the
    mail's data; it may take its time. What was answered 2xx is in the inbox, and
    `tries` has every mail that came. `claim`: its port, if it was chosen before;
    `tls`: TLS from the first byte."""

    def __init__(self, claim: Port | None = None, tls: ssl.SSLContext | None = None):
        super().__init__()
        self.reply: Callable[[Mail], str] = lambda _: "250 2.0.0 taken"
        self.tries = Inbox()
        self.claim = claim or Port("SINK")
        self.relayhost = f"[127.0.0.1]:{self.claim.number}"
        self.url = f"{'smtps' if tls else 'smtp'}://127.0.0.1:{self.claim.number}"
        self.controller = Controller(self, "127.0.0.1", self.claim.number, ssl_context=tls,
                                     enable_SMTPUTF8=False, data_size_limit=None)
        self.controller.start()

    async def handle_DATA(self, _server, _session, envelope) -> str:
        mail = Mail(envelope.mail_from, envelope.rcpt_tos, envelope.original_content)
        self.tries.put(mail)
        reply = await asyncio.get_running_loop().run_in_executor(None, self.reply, mail)
        if reply.startswith("2"):
            self.put(mail)
        return reply

    def close(self) -> None:
        self.controller.stop()
        self.claim.release()

    def __enter__(self) -> MailSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
