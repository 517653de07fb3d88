# SPDX-License-Identifier: Apache-2.0
"""One private Postfix: own configuration, queue, data and log, beside whatever
Postfix the system has. What it does with mail is said by who derives from it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from .part import Part, StackError, make_dir, run, wait_until, write_file

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {conf}
meta_directory = {conf}
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
syslog_name = {name}
maillog_file = {log}
maillog_file_prefixes = {log_dir}

inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# No header is repaired for anybody.
local_header_rewrite_clients =
# This machine's resolver knows nothing of the private names.
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
biff = no
alias_maps =
alias_database =
local_recipient_maps =

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

SERVICES = """\
pickup    unix  n       -       n       60      1       pickup
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
"""


class Mta(Part):
    name = "mta"
    stop_timeout = 60.0

    def __init__(self, state: Path, conf: Path, queue: Path, data: Path):
        super().__init__(state)
        self.conf = conf
        self.queue = queue
        self.data = data

    def main_cf(self) -> str:
        """What follows MAIN_CF."""
        raise NotImplementedError

    def master_cf(self) -> str:
        """What precedes SERVICES, the listeners, and what follows them."""
        raise NotImplementedError

    def prepare(self) -> None:
        if os.geteuid() != 0:
            raise StackError("Postfix's master process needs root")
        make_dir(self.conf)
        make_dir(self.queue)
        make_dir(self.data, 0o700, "postfix")
        # postsuper(1), which tells of half-made files before postlogd(8) is there, is postfix
        write_file(self.log, "", user="postfix")
        shutil.copy("/etc/postfix/postfix-files", self.conf)
        write_file(self.conf / "dynamicmaps.cf",
                   "pgsql\tpostfix-pgsql.so\tdict_pgsql_open\n")
        write_file(self.conf / "main.cf",
                   MAIN_CF.format(conf=self.conf, queue=self.queue, data=self.data, log=self.log,
                                  log_dir=self.log.parent, name=self.name) + self.main_cf())
        write_file(self.conf / "master.cf", self.master_cf())

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
            raise StackError(f"{self.name} is not running")
        return pid

    def running(self) -> bool:
        return self.master_pid() is not None

    def start(self) -> None:
        if not self.running():
            self.command("start")

    def stop(self) -> int:
        if self.running():
            os.kill(self.pid, signal.SIGTERM)  # as `postfix stop`, which looks once a second
            wait_until(f"{self.name} to end", lambda: not self.running(), self.stop_timeout)
        return 0

    def kill(self) -> None:
        """SIGKILL for master and all its processes (one process group)."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            wait_until(f"{self.name} to end", lambda: not self.running())

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
