# SPDX-License-Identifier: Apache-2.0
"""Mail as a stranger's server would make, send and get it: composing, DKIM signing
(python3-dkim, keys by openssl(1)), SMTP."""

from __future__ import annotations

import email
import email.policy
import smtplib
import subprocess
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import dkim


@dataclass
class Outcome:
    """What SMTP answered: to MAIL FROM and DATA (the last of them that was
    sent), and to each recipient that was refused."""
    code: int
    text: str
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def queue_id(self) -> str:
        """From "2.0.0 Ok: queued as <id>"."""
        return self.text.rsplit(" ", 1)[-1] if "queued as" in self.text else ""


@dataclass(frozen=True)
class Mail:
    """One SMTP transaction, as it came."""
    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self) -> str:
        return self.parsed.get_content()


def compose(sender: str, to: str | list[str], subject: str = "Hello", body: str = "Hi bot.\n",
            **headers: str) -> bytes:
    """A plain message with CRLF line ends; `headers` adds to it or replaces, '_'
    standing for '-'."""
    fields = {
        "From": sender,
        "To": ", ".join([to] if isinstance(to, str) else to),
        "Subject": subject,
        "Date": formatdate(),
        "Message-ID": make_msgid(domain=sender.rsplit("@", 1)[-1].strip(">")),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n" + body
    return text.replace("\n", "\r\n").encode()


@dataclass(frozen=True)
class Signer:
    """One DKIM key of one domain."""
    domain: str
    selector: str
    private_pem: bytes
    public_base64: str

    @classmethod
    def new(cls, domain: str, selector: str = "k1", bits: int = 2048) -> Signer:
        def openssl(*argv: str, data: bytes = b"") -> bytes:
            return subprocess.run(["/usr/bin/openssl", *argv], input=data, check=True,
                                  capture_output=True).stdout

        pem = openssl("genrsa", "-traditional", str(bits))
        public = openssl("rsa", "-pubout", "-outform", "PEM", data=pem).decode()
        return cls(domain, selector, pem, "".join(public.splitlines()[1:-1]))

    @property
    def record(self) -> tuple[str, str]:
        """Name and TXT value to publish."""
        return (f"{self.selector}._domainkey.{self.domain}",
                f"v=DKIM1; k=rsa; p={self.public_base64}")

    def sign(self, message: bytes, **options) -> bytes:
        """The message with a signature on top; `options` go to dkim.sign()."""
        header = dkim.sign(message, self.selector.encode(), self.domain.encode(),
                           self.private_pem, **options)
        return header + message


def send(port: int, sender: str, recipients: str | list[str], message: bytes,
         source: str = "127.0.0.1", helo: str = "mail.sender.example",
         xclient: dict[str, str] | None = None, options: tuple[str, ...] = (),
         rcpt_options: tuple[str, ...] = (), timeout: float = 60) -> Outcome:
    """`options` stand behind MAIL FROM, `rcpt_options` behind each RCPT TO. Bytes go out
    as they are but for dot-stuffing; refusals are results, not exceptions. smtplib's own
    data() would repair line ends, so it is not used."""
    to = [recipients] if isinstance(recipients, str) else recipients
    with smtplib.SMTP(timeout=timeout, source_address=(source, 0), local_hostname=helo) as smtp:
        smtp.connect("127.0.0.1", port)
        smtp.ehlo()
        if xclient:
            code, text = smtp.docmd("XCLIENT", " ".join(f"{k}={v}" for k, v in xclient.items()))
            if code != 220:
                return Outcome(code, text.decode())
            smtp.ehlo()
        code, text = smtp.mail(sender, list(options))
        if code != 250:
            return Outcome(code, text.decode())
        refused = {}
        for recipient in to:
            code, text = smtp.rcpt(recipient, list(rcpt_options))
            if code not in (250, 251):
                refused[recipient] = (code, text.decode())
        if len(refused) == len(to):
            return Outcome(code, text.decode(), refused)
        code, text = smtp.docmd("DATA")
        if code != 354:
            return Outcome(code, text.decode(), refused)
        data = message.replace(b"\r\n.", b"\r\n..")
        smtp.send((b"." if data.startswith(b".") else b"") + data
                  + (b"" if data.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        code, text = smtp.getreply()
        return Outcome(code, text.decode(), refused)
