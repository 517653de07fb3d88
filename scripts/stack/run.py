# SPDX-License-Identifier: Apache-2.0
"""`make run`: everything under run/, until Ctrl-C or SIGTERM. A part that dies
is started again, as systemd would."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from .part import StackError, write_file
from .peers import Api
from .stack import SHARED_DOMAIN, Account, Stack

CHECK_SECONDS = 0.5
LINK_MINUTES = 24 * 60
# `make run SMTP_PORT=...`: make hands its variables on in the environment
PORTS = {"SMTP_PORT": 2525, "HTTP_PORT": 8080, "DNS_PORT": 2553}


@dataclass(frozen=True)
class Options:
    build: Path
    directory: Path
    relayhost: str | None
    ports: dict[str, int]


def read_ports() -> dict[str, int]:
    try:
        return {name: int(os.environ.get(name, default)) for name, default in PORTS.items()}
    except ValueError:
        raise StackError(f"{', '.join(PORTS)} must be numbers") from None


def write_env(stack: Stack, account: Account, agent: str, agent_key: str) -> Path:
    """What a script or a person needs to attach, in shell syntax. For the caller only."""
    values = {
        "E2A_URL": stack.url,
        "E2A_API_KEY": account.api_key,
        "E2A_SMTP": f"127.0.0.1:{stack.smtp_port}",
        "E2A_DB": stack.postgres.url(),
        "E2A_AGENT": agent,
        "E2A_AGENT_EMAIL": agent,  # what the command e2a looks for
        "E2A_AGENT_KEY": agent_key,
        "E2A_SHARED_DOMAIN": SHARED_DOMAIN,
        "E2A_WEBHOOK_SECRET": account.secret or "",
    }
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    text += f"PATH={shlex.quote(str(stack.build))}:$PATH\nexport {' '.join(values)} PATH\n"
    path = write_file(stack.state / "env", text, 0o600)
    os.chown(path, int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0")))
    return path


def announce(stack: Stack, options: Options, account: Account, agent: str, agent_key: str) -> None:
    outbox = (f"goes to {options.relayhost}" if options.relayhost
              else f"is captured in {options.directory}/outbox/mail/new")
    link = stack.sign_in_link(account.email, minutes=LINK_MINUTES)
    print(f"""
open     {link}
         (the dashboard, signed in: good once; afterwards {stack.url}/)
URL      {stack.url}
user     {account.email}  (signs in at {stack.url}/api/auth/login)
API key  {account.api_key}  (of the account: reaches everything)
agent    {agent}  (local: WebSocket and REST)
         {agent_key}  (its own key: reaches nothing else)
secret   {account.secret}
         {account.whsec}  (for Standard Webhooks libraries)
SMTP     127.0.0.1:{stack.smtp_port}
metrics  {"  ".join(stack.metrics_urls.values())}
logs     {options.directory}/log/
mail     to the world {outbox}
         (links to sign in with, and to approve with, are there)

Try, in another terminal:
  . {options.directory}/env
  curl -s -H "Authorization: Bearer $E2A_API_KEY" $E2A_URL/api/v1/agents
  printf 'From: alice@sender.example\\nSubject: Hello\\n\\nHi.\\n' |
      curl -s smtp://$E2A_SMTP --mail-from alice@sender.example --mail-rcpt $E2A_AGENT -T -
  AUTH="Authorization: Bearer $E2A_AGENT_KEY"; AGENT=$E2A_URL/api/v1/agents/$E2A_AGENT
  curl -s -H "$AUTH" $AGENT/messages
  ID=$(curl -s -H "$AUTH" $AGENT/messages | grep -o 'msg_[0-9a-f]*' | tail -1)
  curl -s -H "$AUTH" $AGENT/messages/$ID/reply -d '{{"body":"Hello back."}}'
  curl -s -H "$AUTH" $E2A_URL/api/v1/send \\
      -d '{{"to":["bob@example.net"],"subject":"Hi","body":"Hi Bob."}}'
  curl -s -H "$AUTH" $AGENT/sent
  e2a inbox; e2a read $ID; e2a listen          # the same as a command: e2a --help, man -l cli/e2a.1

Ctrl-C stops all of it.""", flush=True)


def watch(stack: Stack) -> None:
    """For ever; an exception ends it."""
    while True:
        time.sleep(CHECK_SECONDS)
        for part in stack.parts:
            if not part.running():
                print(f"run: {part.name} has ended; starting it again ({part.log})", flush=True)
                part.start()


def run(options: Options) -> int:
    ports = options.ports
    stack = Stack(options.build, options.directory, smtp_port=ports["SMTP_PORT"],
                  http_port=ports["HTTP_PORT"], dns_port=ports["DNS_PORT"],
                  relayhost=options.relayhost)
    with stack:
        # a sender whose mail from 127.0.0.1 is genuine
        stack.dns.publish("sender.example", "TXT", "v=spf1 ip4:127.0.0.0/8 -all")
        account = stack.bootstrap()
        stack.publish_records(SHARED_DOMAIN)
        agent = Api(stack.url, account.api_key).make_agent("bot")
        stack.wait_for_domain(SHARED_DOMAIN)
        key = stack.agent_key(account, agent)
        env = write_env(stack, account, agent, key)
        try:
            announce(stack, options, account, agent, key)
            watch(stack)
        finally:
            env.unlink()
    return 0
