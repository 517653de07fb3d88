# SPDX-License-Identifier: Apache-2.0
"""The Postfix that e2a is attached to. It trusts no client network. The e2a parts
of main.cf and master.cf are those of postfix-conf/, as an operator would install
them."""

from __future__ import annotations

import os
import pwd
import re
import shutil
from pathlib import Path

from .mta import SERVICES, Mta
from .part import chown, make_dir, run, write_file

MAPS = ("domains", "transport", "aliases")
FRAGMENTS = Path(__file__).resolve().parents[2] / "postfix-conf"

MAIN_CF = """\
myhostname = {mail_host}
myorigin = $myhostname
mydestination = $myhostname, localhost, other.example
# Nobody is trusted for an address.
mynetworks =
smtpd_relay_restrictions = reject_unauth_destination

# Mail to its own other domains, and to the world if nobody plays it, is captured as a maildir.
local_transport = outbox
{world}

"""

LISTENERS = """\
{smtp}      inet  n       -       n       -       -       smtpd
127.0.0.1:{submission} inet n - n - - smtpd
    -o syslog_name=postfix/submission
    -o mynetworks=127.0.0.0/8
    -o smtpd_relay_restrictions=permit_mynetworks,reject
"""

XCLIENT = """\
127.0.0.1:{xclient} inet n - n - - smtpd
    -o smtpd_authorized_xclient_hosts=127.0.0.0/8
"""

OUTBOX = """\
outbox    unix  -       n       n       -       -       virtual
    -o syslog_name=postfix/outbox
    -o virtual_mailbox_base={outbox}
    -o virtual_mailbox_maps=static:mail/
    -o virtual_minimum_uid=1
    -o virtual_uid_maps=static:{uid}
    -o virtual_gid_maps=static:{gid}
"""


def fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


class Postfix(Mta):
    name = "postfix"

    def __init__(self, state: Path, port: int, submission_port: int, xclient_port: int | None,
                 relayhost: str | None, routes: dict[str, str], settings: dict[str, str],
                 fragment: dict[str, str]):
        """`routes`: transports of domains that do not go to the relayhost; `fragment`:
        values for postfix-conf/; `settings`: further main.cf lines."""
        super().__init__(state, state / "postfix", state / "queue", state / "data")
        self.port = port
        self.submission_port = submission_port
        self.xclient_port = xclient_port
        self.relayhost = relayhost
        self.routes = routes
        self.settings = settings
        self.fragment = fragment
        self.maps = state / "maps"
        self.outbox = state / "outbox"

    def prepare(self) -> None:
        super().prepare()
        shutil.copy(FRAGMENTS / "inject_commands", self.fragment["INJECT_COMMANDS"])
        make_dir(self.outbox)
        os.chown(make_dir(self.outbox / "mail", 0o700), *self.outbox_owner())
        self.configure(**{"e2a_delay_warning_time": "1s", **self.settings})
        self.make_maps()

    def outbox_owner(self) -> tuple[int, int]:
        """Whoever called sudo may read the captured mail; nobody, for root himself."""
        uid = int(os.environ.get("SUDO_UID", "0"))
        entry = pwd.getpwuid(uid) if uid else pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid

    def main_cf(self) -> str:
        world = (f"relayhost = {self.relayhost}" if self.relayhost
                 else "default_transport = outbox\nrelay_transport = outbox")
        routes = "".join(f", inline:{{ {domain}={to} }}" for domain, to in self.routes.items())
        return (MAIN_CF.format(mail_host=self.fragment["MAIL_HOST"], world=world)
                + re.sub(r"(?m)^transport_maps = .*$", rf"\g<0>{routes}",
                         fill((FRAGMENTS / "main.cf").read_text(), self.fragment)))

    def master_cf(self) -> str:
        uid, gid = self.outbox_owner()
        listeners = LISTENERS.format(smtp=f"127.0.0.1:{self.port}",
                                     submission=self.submission_port)
        if self.xclient_port:
            listeners += XCLIENT.format(xclient=self.xclient_port)
        return (listeners + SERVICES + OUTBOX.format(outbox=self.outbox, uid=uid, gid=gid)
                + fill((FRAGMENTS / "master.cf").read_text(), self.fragment))

    def write_recipients(self, url: str, database: str) -> None:
        """The pgsql table, once the role has a password."""
        text = fill((FRAGMENTS / "recipients.cf").read_text(),
                    {"DB_URL": url, "DB_NAME": database})
        write_file(Path(self.fragment["RECIPIENTS"]), text, 0o640, "root", "postfix")

    def make_maps(self) -> None:
        """Empty tables, until e2a-deliverd writes what is in the database."""
        make_dir(self.maps, 0o755, "nobody")
        for name in MAPS:
            chown(write_file(self.maps / name, ""), "nobody")
            self.postmap(name)

    def postmap(self, name: str) -> None:
        run(["/usr/sbin/postmap", "-c", str(self.conf),
             f"{self.fragment['MAP_TYPE']}:{self.maps / name}"])

    def captured(self) -> list[Path]:
        """The mail in the outbox so far."""
        return sorted((self.outbox / "mail" / "new").glob("*"))
