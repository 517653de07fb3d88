# SPDX-License-Identifier: Apache-2.0
"""A private Postfix: own configuration, queue, data and log, beside whatever
Postfix the system has. It trusts no client network. The e2a parts of main.cf
and master.cf are those of postfix-conf/, as an operator would install them."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from .part import Part, StackError, chown, make_dir, run, wait_until, write_file

MAPS = ("domains", "transport", "aliases")
FRAGMENTS = Path(__file__).resolve().parents[2] / "postfix-conf"

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {conf}
meta_directory = {conf}
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {log_dir}

myhostname = {mail_host}
myorigin = $myhostname
mydestination = $myhostname, localhost, other.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# Nobody is trusted for an address, and no header is repaired for anybody.
mynetworks =
local_header_rewrite_clients =
smtpd_relay_restrictions = reject_unauth_destination
# This machine's resolver knows nothing of the private names.
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
biff = no
alias_maps =
alias_database =
local_recipient_maps =

# Mail to the world is captured as a maildir.
local_transport = outbox
{world}

# A stack is for trying: retries in seconds, many connections from 127.0.0.1.
queue_run_delay = 5s
minimal_backoff_time = 5s
maximal_backoff_time = 30s
transport_retry_time = 5s
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
"""

MASTER_CF = """\
{smtp}      inet  n       -       n       -       -       smtpd
127.0.0.1:{submission} inet n - n - - smtpd
    -o syslog_name=postfix/submission
    -o mynetworks=127.0.0.0/8
    -o smtpd_relay_restrictions=permit_mynetworks,reject
{xclient}pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
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


class Postfix(Part):
    name = "postfix"
    stop_timeout = 60.0

    def __init__(self, state: Path, port: int, submission_port: int, xclient_port: int | None,
                 relayhost: str | None, settings: dict[str, str], fragment: dict[str, str]):
        """`fragment`: values for postfix-conf/; `settings`: further main.cf lines."""
        super().__init__(state)
        self.port = port
        self.submission_port = submission_port
        self.xclient_port = xclient_port
        self.relayhost = relayhost
        self.settings = settings
        self.fragment = fragment
        self.conf = state / "postfix"
        self.queue = state / "queue"
        self.maps = state / "maps"
        self.outbox = state / "outbox"

    def prepare(self) -> None:
        if os.geteuid() != 0:
            raise StackError("Postfix's master process needs root")
        make_dir(self.conf)
        make_dir(self.queue)
        make_dir(self.state / "data", 0o700, "postfix")
        owner = self.outbox_owner()
        make_dir(self.outbox)
        os.chown(make_dir(self.outbox / "mail", 0o700), *owner)
        # postsuper(1), which tells of half-made files before postlogd(8) is there, is postfix
        write_file(self.log, "", user="postfix")
        shutil.copy("/etc/postfix/postfix-files", self.conf)
        write_file(self.conf / "dynamicmaps.cf",
                   "pgsql\tpostfix-pgsql.so\tdict_pgsql_open\n")
        self.write_main()
        self.write_master(owner)
        self.make_maps()

    def outbox_owner(self) -> tuple[int, int]:
        """Whoever called sudo may read the captured mail; nobody, for root himself."""
        uid = int(os.environ.get("SUDO_UID", "0"))
        entry = pwd.getpwuid(uid) if uid else pwd.getpwnam("nobody")
        return entry.pw_uid, entry.pw_gid

    def write_main(self) -> None:
        world = (f"relayhost = {self.relayhost}" if self.relayhost
                 else "default_transport = outbox\nrelay_transport = outbox")
        text = MAIN_CF.format(conf=self.conf, queue=self.queue, data=self.state / "data",
                              log=self.log, log_dir=self.log.parent,
                              mail_host=self.fragment["MAIL_HOST"], world=world)
        text += fill((FRAGMENTS / "main.cf").read_text(), self.fragment)
        write_file(self.conf / "main.cf", text)
        if self.settings:
            self.configure(**self.settings)

    def write_master(self, owner: tuple[int, int]) -> None:
        xclient = (f"127.0.0.1:{self.xclient_port} inet n - n - - smtpd\n"
                   "    -o smtpd_authorized_xclient_hosts=127.0.0.0/8\n"
                   if self.xclient_port else "")
        text = MASTER_CF.format(smtp=f"127.0.0.1:{self.port}", xclient=xclient,
                                submission=self.submission_port, outbox=self.outbox,
                                uid=owner[0], gid=owner[1])
        write_file(self.conf / "master.cf", text + (FRAGMENTS / "master.cf").read_text())

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

    def configure(self, **settings: str) -> None:
        """postconf -e; reload() makes running processes see it."""
        run(["/usr/sbin/postconf", "-c", str(self.conf), "-e",
             *(f"{key}={value}" for key, value in settings.items())])

    def command(self, name: str) -> None:
        run(["/usr/sbin/postfix", "-c", str(self.conf), name])

    def master_pid(self) -> int | None:
        try:
            pid = int((self.queue / "pid" / "master.pid").read_text())
            ours = str(self.conf) in Path(f"/proc/{pid}/environ").read_text()
        except (OSError, ValueError):
            return None
        return pid if ours else None

    @property
    def pid(self) -> int:
        pid = self.master_pid()
        if not pid:
            raise StackError("postfix is not running")
        return pid

    def running(self) -> bool:
        return self.master_pid() is not None

    def start(self) -> None:
        if not self.running():
            self.command("start")

    def stop(self) -> int:
        if self.running():
            self.command("stop")
            wait_until("postfix to end", lambda: not self.running(), self.stop_timeout)
        return 0

    def kill(self) -> None:
        """SIGKILL for master and all its processes (one process group)."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            wait_until("postfix to end", lambda: not self.running())

    def reload(self) -> None:
        self.command("reload")

    def flush(self) -> None:
        """Tries everything in the queue again, now."""
        run(["/usr/sbin/postqueue", "-c", str(self.conf), "-f"])

    def sendmail(self, *argv: str, text: bytes) -> None:
        """sendmail(1) of this Postfix."""
        subprocess.run(["/usr/sbin/sendmail", "-C", str(self.conf), *argv], input=text, check=True)

    def queued(self) -> list[dict]:
        """`postqueue -j`: one object per mail in the queue."""
        text = run(["/usr/sbin/postqueue", "-c", str(self.conf), "-j"])
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def captured(self) -> list[Path]:
        """Mail to the world so far."""
        return sorted((self.outbox / "mail" / "new").glob("*"))
