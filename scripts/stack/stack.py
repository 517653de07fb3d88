# SPDX-License-Identifier: Apache-2.0
"""The whole of it in one object: the parts, in the order in which they need
each other, the files that connect them, and short ways to use them."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import smtplib
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator
from urllib.parse import urlsplit

from . import daemons, mail
from .dns import Dns
from .part import Part, Port, StackError, make_dir, run, wait_until, write_file
from .place import Place
from .postfix import Postfix
from .postgres import DATABASE, OWNER, Postgres
from .world import OLD_DOMAIN, World

PROGRAMS = ("milter", "deliverd", "apid", "admin")
METERED = ("milter", "deliverd", "apid")
SHARED_DOMAIN = "agents.example"
MAIL_HOST = "mx.agents.example"
# For tests that are not about limits.
NO_LIMITS = {name: "1000000000" for name in ("rate_registration", "rate_poll", "rate_feedback",
                                             "rate_domains", "rate_sign_in", "rate_delegations",
                                             "rate_delegation_mails",
                                             "rate_delegation_mails_all", "rate_reviewers",
                                             "rate_reviewer_mails", "rate_reviewer_mails_all",
                                             "rate_send")}
NO_LIMITS |= {name: "1000000" for name in ("agents_per_user", "domains_per_user", "keys_per_user",
                                           "reply_budget")}
NO_LIMITS["http_per_client"] = "100000"
NO_LIMITS["wait_per_agent"] = "100"
NO_LIMITS["domain_look_age"] = "0s"


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Signals that ask to stop are ignored meanwhile."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


@dataclass(frozen=True)
class Account:
    """What e2a-admin bootstrap said."""
    user_id: str
    email: str
    api_key: str
    secret: str | None  # the signing secret, only from the run that made it
    whsec: str | None


class Stack:
    """Stack(build).start() ... stop(), or `with Stack(build) as s`.

    `directory` None: a temporary one. Ports None: free ones. `settings`
    overrides e2a.conf, `postfix` adds main.cf parameters, `postgres` adds
    postgresql.conf settings; `relayhost` is where mail to the world goes instead of
    the outbox, and `world` starts a Postfix to which it goes; `xclient` opens a
    second SMTP port that takes XCLIENT from anybody.
    """

    def __init__(self, build: str | Path, directory: Path | None = None, *,
                 smtp_port: int | None = None, http_port: int | None = None,
                 dns_port: int | None = None, xclient: bool = False,
                 relayhost: str | None = None, world: bool = False,
                 settings: dict[str, str] | None = None, postfix: dict[str, str] | None = None,
                 postgres: dict[str, str] | None = None):
        self.build = Path(build).resolve()
        self.place = Place(directory)
        self.state = self.place.path
        self.ports: list[Port] = []
        try:
            self.smtp_port = self.claim("SMTP", smtp_port)
            self.submission_port = self.claim("SUBMISSION", None)
            self.inject_port = self.claim("INJECT", None)
            self.http_port = self.claim("HTTP", http_port)
            dns_port = self.claim("DNS", dns_port)
            xclient_port = self.claim("XCLIENT", None) if xclient else None
            metrics_ports = {name: self.claim("METRICS", None) for name in METERED}
            self.world = self.make_world() if world else None
        except StackError:
            self.release()
            raise
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.metrics_urls = {name: f"http://127.0.0.1:{port}/metrics"
                             for name, port in metrics_ports.items()}
        self.conf = self.state / "e2a.conf"
        self.postgres = Postgres(self.state, postgres or {})
        self.dns = Dns(self.state, dns_port)
        self.settings = {**self.default_settings(), **(settings or {})}
        self.postfix = Postfix(self.state, self.smtp_port, self.submission_port, xclient_port,
                               self.world.relayhost if self.world else relayhost,
                               self.world.routes if self.world else {}, postfix or {},
                               self.fragment())
        self.milter = daemons.Milter(self.state, self.conf)
        self.deliverd = daemons.Deliverd(self.state, self.conf)
        self.apid = daemons.Apid(self.state, self.conf)
        self.parts: list[Part] = [self.dns, self.postgres, self.milter, self.deliverd, self.apid,
                                  self.postfix, *([self.world] if self.world else [])]

    def claim(self, name: str, number: int | None) -> int:
        self.ports.append(Port(name, number))
        return self.ports[-1].number

    def make_world(self) -> World:
        return World(self.state, self.smtp_port, self.claim("WORLD", None),
                     self.claim("OLD_WORLD", None))

    def release(self) -> None:
        """The directory (gone if it was a temporary one) and the ports."""
        self.place.release()
        for port in self.ports:
            port.release()

    def default_settings(self) -> dict[str, str]:
        return {
            "database_url": self.postgres.conf_url(),
            "keys_dir": str(self.state / "keys"),
            "hmac_secret_file": str(self.state / "secrets" / "deployment"),
            "shared_domain": SHARED_DOMAIN,
            "mail_host": MAIL_HOST,
            "public_url": self.url,
            "trial_smtp_url": f"smtp://127.0.0.1:{self.smtp_port}",
            "dns_servers": f"127.0.0.1@{self.dns.port}",
            "milter_listen": f"unix:{self.state}/sock/milter",
            "lmtp_listen": f"unix:{self.state}/sock/lmtp",
            "http_listen": f"127.0.0.1:{self.http_port}",
            **{f"{name}_metrics": urlsplit(url).netloc for name, url in self.metrics_urls.items()},
            "postfix_map_dir": str(self.state / "maps"),
            "postfix_map_interval": "1s",
            "postfix_log": str(self.state / "log" / "postfix.log"),
            "postmaster": f"postmaster@{MAIL_HOST}",
            "submission_url": f"smtp://127.0.0.1:{self.submission_port}",
            "inject_url": f"smtp://127.0.0.1:{self.inject_port}",
            "webhook_allow": "127.0.0.0/8",
            "webhook_https": "optional",
        }

    def fragment(self) -> dict[str, str]:
        """The placeholders of postfix-conf/."""
        return {
            "MAIL_HOST": self.settings["mail_host"],
            "MAP_DIR": self.settings["postfix_map_dir"],
            "MAP_TYPE": self.settings.get("postfix_map_type", "hash"),
            "RECIPIENTS": str(self.state / "postfix" / "recipients.cf"),
            "MILTER": self.settings["milter_listen"],
            "INJECT": f"127.0.0.1:{self.inject_port}",
            "INJECT_COMMANDS": str(self.state / "postfix" / "inject_commands"),
            "MESSAGE_SIZE_LIMIT": self.settings.get("message_size_limit", "10240000"),
        }

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Stack:
        """Everything, from nothing; on failure nothing stays behind."""
        try:
            self.prepare()
            for part in (self.milter, self.deliverd, self.apid):
                part.start()
            self.start_mail()
            return self
        except BaseException:
            self.stop()
            raise

    def start_base(self) -> Stack:
        """Postgres with the schema, Postfix and the name service, without daemons."""
        try:
            self.prepare()
            self.start_mail()
            return self
        except BaseException:
            self.stop()
            raise

    def start_mail(self) -> None:
        for part in (self.postfix, self.world):
            if part:
                part.start()

    def prepare(self) -> None:
        self.make_dirs()
        self.copy_programs()
        for part in (self.dns, self.postgres):
            part.prepare()
            part.start()
        self.write_conf()
        self.postfix.prepare()
        if self.world:
            self.world.prepare()
        self.set_up_database()

    def make_dirs(self) -> None:
        for name in ("log", "pid", "bin"):
            make_dir(self.state / name)
        make_dir(self.state / "secrets", 0o711)
        make_dir(self.state / "keys", 0o711)
        # set-gid: sockets made here belong to the group that Postfix runs in
        make_dir(self.state / "sock", 0o2750, "nobody", "postfix")

    def copy_programs(self) -> None:
        """To where nobody can reach them, whatever the modes above the checkout."""
        for name in PROGRAMS:
            source = self.build / f"e2a-{name}"
            if source.exists():
                shutil.copy2(source, self.state / "bin")
                (self.state / "bin" / source.name).chmod(0o755)

    def write_conf(self) -> None:
        write_file(self.state / "secrets" / "deployment", secrets.token_hex(32) + "\n", 0o600)
        text = "".join(f"{key} = {value}\n" for key, value in self.settings.items())
        write_file(self.conf, text)

    def configure(self, **settings: str) -> None:
        """Changes e2a.conf; a daemon sees it when it is restarted."""
        self.settings.update(settings)
        write_file(self.conf, "".join(f"{k} = {v}\n" for k, v in self.settings.items()))

    def set_up_database(self) -> None:
        self.postgres.make_database()
        self.pgpass = write_file(self.state / "secrets" / "admin.pgpass",
                                 self.postgres.pgpass(OWNER), 0o600)
        self.admin("migrate")
        self.admin("keys")
        for part in (self.milter, self.deliverd, self.apid):
            if part.role:
                self.postgres.set_password(part.role)
            part.give_secrets(self.postgres.pgpass(part.role) if part.role else None)
        self.postgres.set_password("e2a_maps")
        url = self.postgres.url("e2a_maps") + "&connect_timeout=5"
        self.postfix.write_recipients(url, DATABASE)

    def admin_command(self, *argv: str) -> list[str]:
        return [str(self.state / "bin" / "e2a-admin"), "-c", str(self.conf), *argv]

    def admin_env(self) -> dict[str, str]:
        return {"PGPASSFILE": str(self.pgpass), "PGUSER": OWNER}

    def admin(self, *argv: str) -> str:
        """Runs e2a-admin as the owner of the database; its output."""
        return run(self.admin_command(*argv), env=self.admin_env(), cwd="/")

    def bootstrap(self, email: str = "operator@other.example") -> Account:
        text = self.admin("bootstrap", email)

        def find(pattern: str) -> str | None:
            found = re.search(pattern, text, re.MULTILINE)
            return found.group(1) if found else None

        user_id, api_key = find(r"^User: .*\(id=([0-9a-f]{32})\)$"), find(r"^API key: (e2a_\w+)$")
        if not user_id or not api_key:
            raise StackError(f"bootstrap said:\n{text}")
        return Account(user_id, email, api_key, find(r"\b([0-9a-f]{64})$"),
                       find(r"(whsec_[A-Za-z0-9+/=]+)$"))

    def agent_key(self, account: Account, agent: str) -> str:
        """A key that reaches this agent of the account only."""
        text = self.admin("key", "-u", account.email, "-a", agent)
        found = re.search(r"^API key: (e2a_\w+)$", text, re.MULTILINE)
        if not found:
            raise StackError(f"key said:\n{text}")
        return found.group(1)

    def sign_in_link(self, email: str, minutes: int = 10) -> str:
        """A URL that signs a browser in, once."""
        return self.admin("sign-in", "-m", str(minutes), email).split("\n")[0]

    def stop(self) -> None:
        """Whatever runs, last started first; then a temporary directory goes. A
        second Ctrl-C does not cut it short."""
        problems = []
        with no_interrupts():
            for part in reversed(self.parts):
                try:
                    status = part.stop()
                    if status:
                        problems.append(f"{part.name} ended with status {status}: "
                                        + part.log_since()[-1000:].strip())
                except StackError as e:
                    problems.append(str(e))
            self.release()
        if problems:
            raise StackError("; ".join(problems))

    def heal(self) -> list[str]:
        """Starts what is not running; the names of those that ended by themselves."""
        crashed = [part.name for part in self.parts if part.crashed()]
        forgetful = not self.postgres.running()
        for part in self.parts:
            if not part.running():
                part.start()
        if forgetful:
            self.postfix.reload()  # a lookup that failed is not tried again for a minute
        return crashed

    def part(self, name: str) -> Part:
        return next(p for p in self.parts if p.name == name)

    def kill(self, name: str) -> None:
        self.part(name).kill()

    def restart(self, name: str) -> None:
        self.part(name).restart()

    def wait_for_log(self, name: str, event: str, since: int = 0, timeout: float = 15.0) -> str:
        """The first log line of a part that has the event's name (or matches the
        expression) behind `since`, which is a log_mark()."""
        return self.part(name).wait_log(rf"(^|\s){event}(\s|$)", since, timeout)

    def db(self):
        """psycopg2 connection of the owner, autocommit, search_path e2a."""
        return self.postgres.connect()

    def wait_for_domain(self, domain: str, timeout: float = 30.0) -> None:
        """Until Postfix takes mail for the domain: deliverd wrote the tables and
        Postfix's processes, which look every ten seconds, have noticed."""
        def probe() -> bool:
            with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as smtp:
                smtp.ehlo("probe.example")
                smtp.mail("<>")
                return smtp.rcpt(f"postmaster@{domain}")[0] == 250

        wait_until(f"Postfix to take mail for {domain}", probe, timeout, 0.2)

    def publish_records(self, domain: str) -> None:
        """Does with a domain as its owner should: its agents write to the world under their
        own addresses from now on, signed."""
        def probe() -> str:
            text = self.admin("domain", domain)
            return text if "._domainkey." in text else ""

        records = wait_until("e2a-deliverd to make the DKIM key", probe)
        self.dns.set(self.settings["mail_host"], "A", "127.0.0.1")
        self.dns.publish_zone(domain, records)
        self.admin("domain", domain)  # looks at them, and keeps what it saw

    def send(self, sender: str, recipients: str | list[str], message: bytes,
             source: str = "127.0.0.1", **options) -> mail.Outcome:
        """One SMTP transaction with this Postfix, from an address 127.0.0.N."""
        return mail.send(self.smtp_port, sender, recipients, message, source, **options)
