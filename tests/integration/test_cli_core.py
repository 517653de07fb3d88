# SPDX-License-Identifier: Apache-2.0
"""The command e2a: login, agents, domains, settings, help, and where its output goes.
The real program against the real daemons."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import pytest

from scripts.stack.part import wait_until
from scripts.stack.peers import Api
from scripts.stack.stack import SHARED_DOMAIN
from tests.faults.authority import Authority
from tests.integration.browser import Browser
from tests.integration.client import add_session
from tests.integration.command import (ABSENT, CONFLICT, FAILED, LATER, PIPE, REFUSED, USAGE,
                                       Command)
from tests.integration.rogue import OK, Listener, answer, endless, head_of

DEFAULT_URL = "https://e2a.dev"


@pytest.fixture
def e2a(build, stack, account, tmp_path) -> Command:
    """With the account's key in the environment."""
    return Command(build, tmp_path, stack.url, account.api_key)


@pytest.fixture
def nobody(build, tmp_path) -> Command:
    """Without server and key."""
    return Command(build, tmp_path)


@pytest.fixture
def user(stack):
    return stack.bootstrap(f"{uuid.uuid4().hex[:12]}@other.example")


def slug() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


# ---- agents ----

def test_agents_are_registered_listed_and_deleted(build, stack, user, tmp_path):
    e2a = Command(build, tmp_path, stack.url, user.api_key)
    assert e2a.run("agents", "list").out == "No agents.\n"
    assert e2a.run("agents", "list", "--json").json == {"agents": []}
    first, second = slug(), slug()
    emails = [f"{s}@{SHARED_DOMAIN}" for s in (first, second)]
    assert e2a.run("agents", "register", first).out == f"Registered: {emails[0]}\n"
    made = e2a.run("agents", "register", second, "--name=Zweiter \u00fc", "--json").json
    assert made["email"] == emails[1]
    assert e2a.config == {"agent_email": emails[1]}
    assert e2a.run("agents", "list").out == f"{emails[1]}  local (active)\n{emails[0]}  local\n"
    assert Api(stack.url, user.api_key).get(f"/api/v1/agents/{emails[1]}")[1]["name"] == "Zweiter \u00fc"
    assert e2a.run("agents", "delete", first).out == f"Deleted: {emails[0]}\n"
    assert e2a.config == {"agent_email": emails[1]}
    shouted = emails[1].upper()
    assert e2a.run("agents", "delete", shouted, "--json").json == {"deleted": shouted}
    assert e2a.config == {}
    assert e2a.run("agents", "list").out == "No agents.\n"


def test_an_agent_that_is_not_there_is_refused_as_the_server_says(e2a):
    for argv in (["delete", "absent"], ["update", "absent", "--hitl"]):
        e2a.refused("agents", *argv, status=REFUSED, text="forbidden (HTTP 403)")


def test_a_slug_that_is_taken_or_none_is_the_servers_to_refuse(e2a):
    taken = slug()
    e2a.run("agents", "register", taken)
    e2a.refused("agents", "register", taken, status=CONFLICT, text="already registered")
    e2a.refused("agents", "register", "Not A Slug", text="invalid slug")
    assert e2a.config == {"agent_email": f"{taken}@{SHARED_DOMAIN}"}


def test_an_agent_on_a_domain_of_ones_own(e2a, own_domain_author):
    address = f"{slug()}@{own_domain_author.address.split('@')[1]}"
    assert e2a.run("agents", "register", address).out == f"Registered: {address}\n"
    e2a.run("agents", "delete", address)


def test_settings_of_an_agent_change_one_by_one(e2a, stack, api):
    name = slug()
    path = f"/api/v1/agents/{name}@{SHARED_DOMAIN}"
    e2a.run("agents", "register", name)
    out = e2a.run("agents", "update", name, "--hitl", "--hitl-ttl", "3600").out
    assert "Human in the loop: on\nMail waits:        3600 s\nThen:              reject\n" in out
    got = e2a.run("agents", "update", name, "--hitl-expiration-action=approve", "--json").json
    assert got == api.get(path)[1]
    assert (got["hitl_enabled"], got["hitl_ttl_seconds"], got["hitl_expiration_action"]) == (
        True, 3600, "approve")
    assert e2a.run("agents", "update", name, "--no-hitl", "--json").json["hitl_enabled"] is False
    for url in ("http://127.0.0.1:9/hook", ""):
        out = e2a.run("agents", "update", f"{name}@{SHARED_DOMAIN}", "--webhook-url", url).out
        assert f"Webhook:           {url or 'none'}\n" in out
        assert api.get(path)[1]["webhook_url"] == url
    e2a.run("agents", "delete", name)


def test_what_cannot_be_a_setting_is_wrong_usage(e2a):
    for argv in (["--hitl", "--no-hitl"], ["--hitl-ttl", "0"], ["--hitl-ttl=604801"],
                 ["--hitl-ttl", "1h"], ["--hitl-ttl"], ["--hitl-expiration-action", "wait"], [],
                 ["--hitl=yes"], ["--name", "x"], ["more"], ["-x"]):
        e2a.refused("agents", "update", "bot", *argv, status=USAGE)


@pytest.mark.parametrize("domain, argv, want", [
    ("env.example", {"E2A_SHARED_DOMAIN": "env.example"}, None),
    ("file.example", {}, "file.example"), (SHARED_DOMAIN, {}, None)])
def test_a_slug_is_expanded(e2a, domain, argv, want):
    """Environment, then file, then what the server says."""
    e2a.write_config(**({"shared_domain": want} if want else {"shared_domain": ""}))
    seen = []
    with Listener(lambda c: seen.append(head_of(c))) as server:
        env = {"E2A_URL": e2a.env["E2A_URL"] if domain == SHARED_DOMAIN else server.url, **argv}
        e2a.run("agents", "delete", "absent", status=None, env=env)
    if domain != SHARED_DOMAIN:
        assert seen[0].startswith(f"DELETE /api/v1/agents/absent%40{domain} ".encode())


# ---- domains ----

def test_domains_are_registered_verified_and_deleted(e2a, stack):
    domain = f"{slug()}.example"
    made = e2a.run("domains", "register", domain, "--json").json
    token, key = made["verification_token"], made["dns_records"]["dkim"]
    zone = e2a.run("domains", "register", domain).out
    assert f'{domain}. IN TXT "{token}"\n' in zone and f"{domain}. IN MX 10 " in zone
    assert f"run: e2a domains verify {domain}\n" in zone
    line = next(x for x in zone.splitlines() if x.startswith(f"{key['host']}.{domain}. IN TXT "))
    strings = line.split('"')[1::2]
    assert "".join(strings) == key["value"] and max(map(len, strings)) <= 255
    listed = e2a.run("domains", "list").out
    assert f"{domain}  not verified  (to publish: mx, txt, spf, dmarc, dkim)\n" in listed
    stack.dns.publish(domain, "TXT", token)
    assert e2a.run("domains", "verify", domain).out == f"Verified: {domain}\n"
    assert e2a.run("domains", "verify", domain, "--json").json["verified"] is True
    assert f"{domain}  verified  (to publish: mx, spf, dmarc, dkim)\n" in e2a.run("domains", "list").out
    assert domain in [d["domain"] for d in e2a.run("domains", "list", "--json").json["domains"]]
    assert f"; {domain}: verified\n" in e2a.run("domains", "register", domain).out
    assert e2a.run("domains", "delete", domain).out == f"Deleted: {domain}\n"
    e2a.refused("domains", "delete", domain, status=ABSENT, text="domain not found")
    e2a.refused("domains", "verify", domain, status=ABSENT)
    e2a.refused("domains", "register", "not a domain", text="HTTP 400")


def test_a_domain_without_the_record_is_not_verified(e2a):
    domain = f"{slug()}.example"
    e2a.run("domains", "register", domain)
    e2a.refused("domains", "verify", domain, status=CONFLICT, text="TXT record not found")
    e2a.run("domains", "delete", domain)


def test_a_user_without_domains_is_told(build, stack, user, tmp_path):
    assert Command(build, tmp_path, stack.url, user.api_key).run("domains", "list").out == "No domains.\n"


# ---- keys ----

def test_without_a_key_nothing_is_asked(nobody):
    for argv in (["agents", "list"], ["agents", "register", "x"], ["domains", "list"]):
        nobody.refused(*argv, text="Not authenticated. Run: e2a login")


def test_a_key_that_is_none_is_refused(e2a):
    e2a.refused("agents", "list", status=REFUSED, text="unauthorized (HTTP 401)",
                env={"E2A_API_KEY": "e2a_" + "0" * 64})


def test_a_key_of_one_agent_sees_no_more(e2a, stack, account, author):
    env = {"E2A_API_KEY": stack.agent_key(account, author.address)}
    e2a.refused("agents", "list", status=ABSENT, env=env, text="the key does not reach so far")
    env["E2A_AGENT_EMAIL"] = author.address
    assert e2a.run("agents", "list", env=env).out == f"{author.address}  local (active)\n"
    listed, = e2a.run("agents", "list", "--json", env=env).json["agents"]
    assert listed["email"] == author.address
    e2a.refused("domains", "list", status=ABSENT, env=env, text="the key does not reach so far")


# ---- settings ----

def test_settings_are_kept_in_one_file(nobody):
    assert nobody.run("config").out == (
        "api_key       (not set)\napi_url       https://e2a.dev  (default)\n"
        "agent_email   (not set)\nshared_domain (not set)\n")
    assert not nobody.file.exists(), "looking changes nothing"
    nobody.refused("config", "get", "agent_email", text="agent_email is not set")
    assert nobody.run("config", "get", "api_url").out == DEFAULT_URL + "\n"
    values = {"api_key": "e2a_0123456789", "api_url": "https://e2a.example/base",
              "agent_email": "b\u00f6t@x.example", "shared_domain": "agents.example"}
    for key, value in values.items():
        assert nobody.run("config", "set", key, value).out == f"Saved: {key}\n"
        assert nobody.run("config", "get", key).out == value + "\n"
        assert nobody.run("config", "get", key, "--json").json == {key: value}
    assert nobody.config == values
    assert nobody.file.read_text() == json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    assert stat.S_IMODE(nobody.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(nobody.file.parent.stat().st_mode) == 0o700
    assert os.listdir(nobody.file.parent) == ["config.json"]
    listed = nobody.run("config", "list").out
    assert "api_key       e2a_01234567\u2026  (file)\n" in listed and "0123456789" not in listed
    shown = nobody.run("config", "list", "--json").json
    assert shown == {**values, "api_key": "e2a_01234567\u2026"}
    assert nobody.run("config", "set", "api_url", DEFAULT_URL, "--json").json == {"saved": "api_url"}
    nobody.run("config", "set", "agent_email", "")
    assert nobody.config == {k: values[k] for k in ("api_key", "shared_domain")}


def test_the_environment_wins_but_for_the_agent(nobody):
    nobody.write_config(api_key="e2a_file", api_url="https://file.example",
                        agent_email="file@x.example", shared_domain="file.example")
    env = {"E2A_API_KEY": "e2a_env", "E2A_URL": "https://env.example",
           "E2A_AGENT_EMAIL": "env@x.example", "E2A_SHARED_DOMAIN": "env.example"}
    assert nobody.run("config", "list", env=env).out == (
        "api_key       e2a_env\u2026  (environment)\napi_url       https://env.example  (environment)\n"
        "agent_email   file@x.example  (file)\nshared_domain env.example  (environment)\n")
    before = nobody.file.read_text()
    result = nobody.run("config", "set", "shared_domain", "new.example", env=env)
    assert result.err == "Warning: E2A_SHARED_DOMAIN is set and wins over the file\n"
    assert nobody.config == {**json.loads(before), "shared_domain": "new.example"}
    nobody.write_config()
    assert nobody.run("config", "get", "agent_email", env=env).out == "env@x.example\n"


def test_members_that_the_command_does_not_know_stay(nobody):
    nobody.write_config(profiles={"a": [1, 2.5, None]}, agent_email="a@x.example", zeta=True)
    nobody.run("config", "set", "agent_email", "b@x.example")
    assert nobody.config == {"profiles": {"a": [1, 2.5, None]}, "agent_email": "b@x.example",
                             "zeta": True}


@pytest.mark.parametrize("text", [
    "", "{", "[]", "null", "7", '{"api_key": "x"} more', "api_key = x", "\0", '{"a":' * 5000,
    "[" + "1," * 70000 + "1]", '{"api_key": "\xff"}'])
def test_a_file_that_is_no_json_object_is_named_and_never_overwritten(e2a, text):
    e2a.file.parent.mkdir()
    e2a.file.write_bytes(text.encode("latin-1"))
    for argv in (["config"], ["config", "set", "agent_email", "a@x.example"], ["agents", "list"],
                 ["login"], ["agents", "register", slug()]):
        e2a.refused(*argv, text=f"{e2a.file} is not a JSON object")
    assert e2a.file.read_bytes() == text.encode("latin-1")
    assert e2a.run("--version").out and e2a.run("config", "--help").out, "help needs no file"


@pytest.mark.parametrize("values, text", [
    ({"api_key": 7}, "api_key is not a text"), ({"api_url": ["x"]}, "api_url is not a text"),
    ({"api_url": "ftp://x"}, "api_url in"), ({"api_key": "e2a_\r\nX: y"}, "api_key in"),
    ({"agent_email": "none"}, "agent_email in"), ({"api_url": "http://u:p@x/"}, "api_url in"),
    ({"api_url": "https://x/?a"}, "api_url in"), ({"shared_domain": "a b"}, "shared_domain in")])
def test_values_that_cannot_be_one_are_named(nobody, values, text):
    nobody.write_config(**values)
    nobody.refused("config", text=text)
    nobody.write_config()
    (key, value), = values.items()
    if isinstance(value, str):
        nobody.refused("config", "set", key, value)
        assert nobody.config == {}


def test_wrong_values_of_the_environment_are_named(nobody):
    for name, value in (("E2A_URL", "x"), ("E2A_API_KEY", "a b"), ("E2A_AGENT_EMAIL", "a")):
        nobody.refused("config", text=f"{name} in the environment", env={name: value})
    for value in ("0", "x", "3601", "-1"):
        nobody.refused("agents", "list", text="E2A_TIMEOUT",
                       env={"E2A_TIMEOUT": value, "E2A_API_KEY": "e2a_x"})


def test_a_link_to_the_file_stays_one(nobody, tmp_path):
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    nobody.file.parent.mkdir()
    nobody.file.symlink_to(real)
    nobody.run("config", "set", "agent_email", "a@x.example")
    assert nobody.file.is_symlink()
    assert json.loads(real.read_text()) == {"agent_email": "a@x.example"}


def test_commands_at_once_lose_no_setting(nobody):
    names = {"api_key": "e2a_x", "agent_email": "a@x.example", "shared_domain": "x.example",
             "api_url": "https://x.example"}
    for _ in range(5):
        nobody.write_config(other=1)
        running = [nobody.start("config", "set", k, v) for k, v in names.items()]
        assert [p.wait(20) for p in running] == [0] * 4
        for process in running:
            process.stdout.close()
            process.stderr.close()
        assert nobody.config == {"other": 1, **names}


def as_nobody(command: Command, *argv: str, **env: str) -> subprocess.CompletedProcess:
    """Root may write anywhere."""
    return subprocess.run([str(command.program), *argv], env={**command.env, **env}, user=65534,
                          group=65534, extra_groups=[], capture_output=True, text=True)


def test_a_home_that_cannot_be_written_is_named(build, stack, tmp_path):
    program = tmp_path / "e2a"  # where nobody reaches it
    program.write_bytes((build / "e2a").read_bytes())
    program.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    command = Command(tmp_path, tmp_path, stack.url)
    for argv in (["config", "set", "agent_email", "a@x.example"], ["login"]):
        done = as_nobody(command, *argv)
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert f"cannot make {tmp_path}/.e2a: Permission denied" in done.stderr
    command.write_config(agent_email="a@x.example")
    command.file.chmod(0o600)
    done = as_nobody(command, "config")
    assert done.returncode == FAILED and f"{command.file}: Permission denied" in done.stderr
    assert as_nobody(command, "config", HOME="/nonexistent").returncode == 0
    done = as_nobody(command, "config", "set", "agent_email", "a@x.example", HOME="/nonexistent")
    assert done.returncode == FAILED and "cannot make /nonexistent/.e2a" in done.stderr


def test_without_home_the_users_own_is_taken(nobody):
    del nobody.env["HOME"]
    assert nobody.run("config", "get", "api_url", status=None).status in (0, 1)


# ---- usage and output ----

@pytest.mark.parametrize("argv, text", [
    (["bogus"], "unknown command: bogus"), (["agents"], "what about agents?"),
    (["agents", "bogus"], "unknown command: agents bogus"), (["--bogus"], "unknown option --bogus"),
    (["agents", "list", "--bogus=1"], "unknown option --bogus"),
    (["agents", "list", "more"], "unexpected argument: more"),
    (["agents", "list", "--json=1"], "--json takes no value"),
    (["agents", "register"], "<slug> is missing"),
    (["agents", "register", "--name"], "--name needs a value"),
    (["config", "set", "api_key"], "<key> <value> is missing"),
    (["config", "get", "bogus"], "no such key: bogus"), (["agents", "update", "", "--hitl"], "empty"),
    (["domains", "delete", ""], "the domain is empty"),
    (["domains", "verify", ".."], ".. is no domain"), (["pending", "approve", "."], ". is no id")])
def test_wrong_usage_is_told_with_a_hint(e2a, argv, text):
    result = e2a.refused(*argv, status=USAGE, text=text)
    assert result.err.splitlines()[1].startswith("Try: e2a "), result.err


def test_help_and_version_are_anywhere(nobody):
    overview = nobody.run().out
    assert overview.startswith("usage: e2a <command>") and overview == nobody.run("--help").out
    assert overview == nobody.run("-h").out == nobody.run("help").out
    want = nobody.run("agents", "list", "--help").out
    for argv in (["--help", "agents", "list"], ["help", "agents", "list"],
                 ["agents", "list", "-h"], ["agents", "list", "--json", "--help", "--bogus"]):
        assert nobody.run(*argv).out == want
    version = nobody.run("--version").out
    assert version.count(".") == 2
    for argv in (["agents", "list", "--version"], ["agents", "--version"],
                 ["--version", "agents", "list"], ["--json", "--version"]):
        assert nobody.run(*argv).out == version
    group = nobody.run("agents", "--help").out
    assert "agents update" in group and "domains list" not in group
    assert group == nobody.run("agents", "-h").out == nobody.run("help", "agents").out


def test_a_full_disk_is_an_error(e2a):
    for argv in (["config"], ["--help"], ["agents", "list", "--json"], ["--version"]):
        with open("/dev/full", "wb") as full:
            process = e2a.start(*argv, stdout=full)
            _, err = process.communicate(timeout=20)
        assert process.returncode == FAILED and b"No space left on device" in err, argv


def test_output_that_is_closed_is_an_error_and_reaches_no_file(e2a):
    e2a.write_config()
    for argv in (["config"], ["agents", "list"], ["config", "set", "agent_email", "a@x.example"]):
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", str(e2a.program), *argv],
                              env=e2a.env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (
            FAILED, "Error: cannot write the output: Bad file descriptor\n")
    assert e2a.config == {"agent_email": "a@x.example"}
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- 2>&-', "sh", str(e2a.program), "agents", "bad"],
                          env=e2a.env, capture_output=True)
    assert done.returncode == USAGE


def test_a_reader_that_goes_away_is_no_error(e2a):
    for argv in (["--help"], ["agents", "list"]):
        reader, writer = os.pipe()
        os.close(reader)
        process = e2a.start(*argv, stdout=writer)
        os.close(writer)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (PIPE, b"")


# ---- login ----

class Login:
    """A login that waits: the page it printed, and where it wants to be called."""

    def __init__(self, command: Command, *argv: str, **env: str):
        self.process = command.start("login", *argv, env=env)
        self.process.stderr.readline()
        self.page = self.process.stderr.readline().decode().strip()
        query = parse_qs(urlsplit(self.page).query)
        self.callback, = query["cli_callback"]
        self.state, = query["cli_state"]
        self.port = urlsplit(self.callback).port

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out.decode(), err.decode()

    def send(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(data)
            return b"".join(iter(lambda: s.recv(65536), b""))

    def post(self, **fields: str) -> bytes:
        return self.send(form(urlencode(fields).encode()))

    def __enter__(self) -> Login:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def form(body: bytes, head: bytes = b"POST /callback HTTP/1.1\r\nHost: x\r\n") -> bytes:
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture
def signed_in(stack, user) -> Browser:
    browser = Browser(stack.http_port)
    browser.cookies["e2a_session"] = (add_session(stack, user.user_id), "/")
    return browser


def walk(browser: Browser, page: str, answer: str):
    """What somebody who is signed in does with the page; the form that its script would post."""
    url = urlsplit(page)
    asked = browser.get(f"{url.path}?{url.query}")
    return browser.submit(browser.get(asked.location), answer=answer).form


def test_who_allows_it_is_logged_in(build, stack, user, signed_in, tmp_path):
    agent = Api(stack.url, user.api_key).make_agent(slug())
    command = Command(build, tmp_path)
    command.write_config(api_key="e2a_old", shared_domain="old.example", other=[1])
    with Login(command, E2A_URL=stack.url + "/") as login:
        assert login.page.startswith(f"{stack.url}/api/auth/login?cli_callback=http%3A%2F%2F127.0.0.1%3A")
        assert len(login.state) == 32
        handed = walk(signed_in, login.page, "allow")
        with urlopen(handed.action, urlencode(handed.fields).encode(), timeout=10) as answer:
            assert answer.status == 200 and "Signed in" in answer.read().decode()
        status, out, _ = login.end()
    assert (status, out) == (0, f"Logged in to {stack.url}/\nAgent: {agent}\n")
    assert command.config == {"api_key": handed.fields["api_key"], "agent_email": agent,
                              "shared_domain": SHARED_DOMAIN, "api_url": stack.url + "/",
                              "other": [1]}
    assert stat.S_IMODE(command.file.stat().st_mode) == 0o600
    assert command.run("agents", "list").out == f"{agent}  local (active)\n"


def test_a_real_browser_brings_the_key(build, stack, user, window, tmp_path):
    agent = Api(stack.url, user.api_key).make_agent(slug())
    window.put_cookie(stack.url, "e2a_session", add_session(stack, user.user_id))
    command = Command(build, tmp_path, stack.url)
    with Login(command) as login:
        window.open(login.page)
        assert str(login.port) in window.text
        window.press("Allow")
        wait_until("the browser to be back", lambda: window.heading == "Signed in")
        window.photo("cli-signed-in")
        assert window.url == login.callback and login.end()[:2] == (
            0, f"Logged in to {stack.url}\nAgent: {agent}\n")
    assert command.config["agent_email"] == agent
    window.forget()


def test_who_denies_it_is_told_so(build, stack, signed_in, tmp_path):
    command = Command(build, tmp_path, stack.url)
    with Login(command) as login:
        handed = walk(signed_in, login.page, "deny")
        answer = login.post(**handed.fields)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"Not signed in" in answer
        status, out, err = login.end()
    assert (status, out) == (REFUSED, "") and "Error: no key was given: access denied\n" in err
    assert not command.file.exists()


STRAYS = [
    (b"GET / HTTP/1.1\r\n\r\n", 405), (b"OPTIONS /callback HTTP/1.1\r\n\r\n", 405),
    (b"HEAD / HTTP/1.0\r\n\r\n", 405), (b"\x16\x03\x01\r\n\r\n", 405), (b"\r\n\r\n", 405),
    (b"POST /callback HTTP/1.1\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 411),
    (b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    (b"POST / HTTP/1.1\r\nX: " + b"x" * 20000, 431),
    (form(b""), 400), (form(b"cli_state=&api_key=e2a_x"), 400), (form(b"api_key=e2a_x"), 400),
    (form(b"cli_state=" + b"0" * 32 + b"&api_key=e2a_x&agent_email=a%40b"), 400),
    (form(b"cli_state=" + b"0" * 32 + b"&error=denied"), 400),
    (form(b"\0\xff%%%=&&=&;"), 400),
]


def test_strays_do_not_disturb(build, stack, user, tmp_path):
    command = Command(build, tmp_path, stack.url)
    with Login(command) as login:
        silent = [socket.create_connection(("127.0.0.1", login.port), 10) for _ in range(40)]
        for data, status in STRAYS:
            answer = login.send(data)
            assert answer.startswith(b"HTTP/1.1 %d " % status), (data[:60], answer[:60])
            assert login.state.encode() not in answer and b"e2a_x" not in answer
        for key in ("", "other", "e2a_a b", "e2a_\r\nX: y", "e2a_\u00fc"):
            assert login.post(cli_state=login.state, api_key=key).startswith(b"HTTP/1.1 400 ")
        assert login.post(cli_state=login.state, api_key="e2a_x",
                          agent_email="a@x\n").startswith(b"HTTP/1.1 400 ")
        reset = socket.create_connection(("127.0.0.1", login.port), 10)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.close()
        assert login.process.poll() is None
        slow = form(urlencode({"cli_state": login.state, "api_key": user.api_key,
                               "agent_email": "b\u00f6t+x@x.example"}).encode())
        with socket.create_connection(("127.0.0.1", login.port), 10) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(slow), 16):
                s.sendall(slow[i:i + 16])
            assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
        status, out, err = login.end()
        assert (status, err) == (0, ""), out
    for s in silent:
        s.close()
    assert command.config["agent_email"] == "b\u00f6t+x@x.example"


def test_the_browser_of_ones_choice_is_started(build, stack, user, signed_in, tmp_path):
    note = tmp_path / "called"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s|" "$#" "$1" >{note}.new\nmv {note}.new {note}\n')
    browser.chmod(0o755)
    with Login(Command(build, tmp_path, stack.url), "--json", BROWSER=str(browser)) as login:
        login.post(cli_state=login.state, api_key=user.api_key, agent_email="")
        status, out, _ = login.end()
        assert status == 0 and json.loads(out) == {"api_url": stack.url, "agent_email": ""}
        page = login.page
    wait_for_file(note)
    assert note.read_text() == f"1|{page}|"
    with Login(Command(build, tmp_path, stack.url), BROWSER="/nonexistent") as login:
        login.post(cli_state=login.state, api_key=user.api_key, agent_email="a@x.example")
        status, _, err = login.end()
        assert status == 0 and "Warning: /nonexistent cannot be started" in err


def wait_for_file(path: Path) -> None:
    wait_until(f"{path} to appear", path.exists)


def test_a_key_of_the_environment_is_named_when_it_hides_the_new_one(build, stack, user, tmp_path):
    command = Command(build, tmp_path, stack.url, "e2a_env")
    with Login(command) as login:
        login.post(cli_state=login.state, api_key=user.api_key, agent_email="a@x.example")
        assert "Warning: E2A_API_KEY is set" in login.end()[2]


def test_a_login_needs_a_server_that_is_there(nobody):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        nobody.refused("login", status=LATER, text=url, env={"E2A_URL": url})
    with Listener(answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
        with Login(nobody, E2A_URL=server.url) as login:
            login.post(cli_state=login.state, api_key="e2a_x", agent_email="a@x.example")
            assert login.end()[0] == 0
    assert nobody.config == {"api_key": "e2a_x", "agent_email": "a@x.example",
                             "api_url": server.url}


# ---- servers that mean harm ----

def drip(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        if select_closed(connection, 0.2):
            return


def select_closed(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


def reset(connection: socket.socket) -> None:
    head_of(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


HOSTILE = [
    ("closes at once", lambda c: None, LATER, ""),
    ("closes after the request", head_of, LATER, ""),
    ("resets", reset, LATER, ""),
    ("less than it says", answer(OK + b"Content-Length: 100\r\n\r\n{}"), LATER, ""),
    ("nothing in chunks", answer(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), LATER, ""),
    ("bad chunks", answer(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), LATER, ""),
    ("two lengths", answer(OK + b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}"), None, ""),
    ("a negative length", answer(OK + b"Content-Length: -5\r\n\r\n{}"), None, ""),
    ("a page", answer(OK + b"Content-Type: text/html\r\nContent-Length: 12\r\n\r\n<html></html"),
     FAILED, "does not answer as e2a does"),
    ("no JSON", answer(OK + b"Content-Length: 3\r\n\r\n{]}"), FAILED, "does not answer as e2a does"),
    ("half of it", answer(OK + b"Content-Length: 8\r\n\r\n{\"a\":[1,"), FAILED, "does not answer"),
    ("deep JSON", answer(OK + b"Content-Length: 9000\r\n\r\n" + b"[" * 9000), FAILED, "does not"),
    ("no HTTP", answer(b"220 mail.example ESMTP\r\n"), FAILED, "does not speak HTTP"),
    ("garbage", answer(os.urandom(4096)), None, ""),
    ("a redirect", answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                          b"Content-Length: 0\r\n\r\n"), FAILED, "the server redirects (HTTP 302)"),
    ("endless headers", endless(OK, b"X-More: " + b"x" * 8000 + b"\r\n"), None, ""),
    ("endless informational answers", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), FAILED,
     "too big"),
    ("an endless line", endless(OK, b"x" * 65536), None, ""),
    ("a page of an error", answer(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n"
                                  b"Content-Length: 11\r\n\r\n<h1>502</h1"), LATER,
     "the server answers HTTP 502"),
    ("nothing of an error", answer(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), LATER,
     "the server answers HTTP 500"),
    ("escapes in an error", answer(b"HTTP/1.1 400 Bad\r\nContent-Length: 23\r\n\r\n"
                                   b"\x1b[2J\xe2\x80\xae no \xff\r\n\x07 more..."), FAILED,
     "<U+202E> no"),
    ("agents that are none", answer(OK + b"Content-Length: 23\r\n\r\n{\"agents\":[1,null,[2]]}"),
     0, ""),
    ("another type", answer(OK + b"Content-Length: 14\r\n\r\n{\"agents\":{}}\n"), 0, ""),
]


@pytest.fixture(scope="module")
def outcomes(build, tmp_path_factory) -> list[tuple[int, str]]:
    """Exit status and standard error for each of them, all asked at once."""
    home = tmp_path_factory.mktemp("hostile")
    with ExitStack() as stack:
        servers = [stack.enter_context(Listener(row[1])) for row in HOSTILE]
        running = [stack.enter_context(Command(build, home, s.url, "e2a_x").start("agents", "list"))
                   for s in servers]
        return [(p.wait(30), p.stderr.read().decode()) for p in running]


@pytest.mark.parametrize("row", range(len(HOSTILE)), ids=[row[0] for row in HOSTILE])
def test_a_server_that_means_harm_gets_a_clear_error(outcomes, row):
    (_, _, want, text), (status, err) = HOSTILE[row], outcomes[row]
    assert status == want or (want is None and status in (FAILED, LATER)), err
    if status:
        assert err.startswith("Error: ") and err.count("\n") == 1 and text in err, err


def test_an_endless_body_ends_at_a_ceiling(build, tmp_path):
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    with Listener(endless(head, piece)) as server:
        command = Command(build, tmp_path, server.url, "e2a_x")
        command.refused("agents", "list", text="too big")


def test_a_server_that_drips_or_is_silent_is_given_up(build, tmp_path):
    for act in (drip, lambda c: head_of(c) and select_closed(c, 20)):
        with Listener(act) as server:
            command = Command(build, tmp_path, server.url, "e2a_x", E2A_TIMEOUT="1")
            command.refused("agents", "list", status=LATER, text="does not answer in time")


def test_the_key_goes_nowhere_else(build, tmp_path):
    seen = []
    with Listener(lambda c: seen.append(head_of(c))) as other:
        location = f"Location: {other.url}/api/v1/agents\r\n".encode()
        for code in (301, 302, 303, 307, 308):
            data = b"HTTP/1.1 %d Go\r\n%bContent-Length: 0\r\n\r\n" % (code, location)
            with Listener(answer(data)) as server:
                Command(build, tmp_path, server.url, "e2a_x").refused("agents", "list")
        proxy = other.url
        with Listener(answer(OK + b"Content-Length: 13\r\n\r\n{\"agents\":[]}")) as server:
            command = Command(build, tmp_path, server.url, "e2a_x", http_proxy=proxy, ALL_PROXY=proxy)
            assert command.run("agents", "list").out == "No agents.\n"
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert seen == []


def test_what_others_wrote_moves_no_terminal(build, tmp_path):
    agents = [{"email": "a\u001b[31m\u202e@x\u200b.example\r\nfake@x.example  local",
               "agent_mode": "lo\u0007cal\U000e0041"}]
    body = json.dumps({"agents": agents}).encode()
    with Listener(answer(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))) as server:
        command = Command(build, tmp_path, server.url, "e2a_x")
        assert command.run("agents", "list").out == (
            "a<U+001B>[31m<U+202E>@x<U+200B>.example fake@x.example  local  lo<U+0007>cal<U+E0041>\n")
        result = command.run("agents", "list", "--json")
    assert result.json == {"agents": agents}, "JSON is what it was"
    assert all(c == "\n" or c.isprintable() for c in result.out), result.out


# ---- servers that are busy ----

def busy(status: int, seconds: int, body: bytes):
    """Refuses the first request for now."""
    seen = []

    def act(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        if len(seen) == 1:
            connection.sendall(b"HTTP/1.1 %d Later\r\nRetry-After: %d\r\nContent-Length: 5\r\n\r\n"
                               b"later" % (status, seconds))
        else:
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    return act


WAITING = [
    (["agents", "list"], 429, b'{"agents":[]}', "No agents."),
    (["agents", "register", "b"], 503, b'{"email":"b@x.example"}', "Registered: b@x.example"),
    (["domains", "verify", "x.example"], 429, b'{"domain":"x.example","verified":true}',
     "Verified: x.example"),
    (["inbox", "--agent=b@x.example"], 503, b'{"messages":[]}', "No messages."),
    (["read", "msg_1", "--agent=b@x.example"], 429, b'{"raw_message":"DQo="}', ""),
    (["send", "--to=a@x.example", "--subject=s", "--body=b"], 429, b'{"message_id":"<1@x>"}',
     "Sent: <1@x>"),
    (["reply", "msg_1", "--agent=b@x.example", "--body=b"], 503, b'{"message_id":"<1@x>"}',
     "Sent: <1@x>"),
    (["pending", "approve", "msg_1"], 429, b'{"provider_message_id":"<1@x>"}',
     "Approved: msg_1 \u2192 <1@x>"),
]


def test_every_command_waits_as_it_is_told(build, tmp_path):
    with ExitStack() as stack:
        servers = [stack.enter_context(Listener(busy(status, 1, body)))
                   for _, status, body, _ in WAITING]
        running = [stack.enter_context(Command(build, tmp_path, server.url, "e2a_x").start(*row[0]))
                   for server, row in zip(servers, WAITING)]
        for process, (argv, _, _, text) in zip(running, WAITING):
            out, err = process.communicate(timeout=30)
            assert (process.returncode, err) == (0, b"") and out.decode().strip() == text, (argv, out)


def test_a_wait_that_is_too_long_is_left_to_the_user(build, tmp_path):
    with Listener(busy(429, 3600, b"{}")) as server:
        Command(build, tmp_path, server.url, "e2a_x").refused(
            "agents", "list", status=LATER, text="later (HTTP 429, try again in 3600 s)")
    assert server.count == 1


# ---- requests that create ----

INFO = json.dumps({"shared_domain": "x.example", "idempotency_keys": True}).encode()
MADE = json.dumps({"id": "b@x.example", "domain": "x.example", "email": "b@x.example"}).encode()


UNDER_WAY = b"a request with this Idempotency-Key is under way\n"


class Forgetful:
    """Loses its first answers, then is at it for a while; knows keys, or says nothing of them."""

    def __init__(self, lost: int, knows: bool, busy: int = 0):
        self.lost, self.knows, self.busy = lost, knows, busy
        self.keys: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        head = head_of(connection)
        if head.startswith(b"GET /api/v1/info "):
            body = INFO if self.knows else b"{}"
            assert b"uthorization" not in head
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        line, = [x for x in head.split(b"\r\n") if x.lower().startswith(b"idempotency-key: ")]
        self.keys.append(line)
        if self.lost < len(self.keys) <= self.lost + self.busy:
            connection.sendall(b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%b"
                               % (len(UNDER_WAY), UNDER_WAY))
        elif len(self.keys) > self.lost:
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b"
                               % (len(MADE), MADE))


@pytest.mark.parametrize("lost, knows, status, sent", [
    (0, True, 0, 1), (1, True, 0, 2), (2, True, 0, 3), (9, True, LATER, 3), (1, False, LATER, 1)])
def test_a_lost_answer_is_asked_for_again_where_nothing_happens_twice(
        build, tmp_path, lost, knows, status, sent):
    forgetful = Forgetful(lost, knows)
    with Listener(forgetful) as server:
        command = Command(build, tmp_path, server.url, "e2a_x")
        command.run("agents", "register", "b", status=status)
    assert len(forgetful.keys) == sent and len(set(forgetful.keys)) == 1
    assert command.file.exists() == (status == 0)


def test_a_request_that_is_under_way_is_waited_for(build, tmp_path):
    forgetful = Forgetful(1, True, busy=3)
    with Listener(forgetful) as server:
        command = Command(build, tmp_path, server.url, "e2a_x")
        assert command.run("agents", "register", "b").out == "Registered: b@x.example\n"
    assert len(forgetful.keys) == 5 and len(set(forgetful.keys)) == 1
    forgetful = Forgetful(0, True, busy=1)
    with Listener(forgetful) as server:
        Command(build, tmp_path, server.url, "e2a_x").refused(
            "agents", "register", "b", status=CONFLICT, text="under way")


def test_the_key_goes_to_a_server_that_is_who_it_says(build, tmp_path):
    body = OK + b"Content-Length: 13\r\n\r\n{\"agents\":[]}"
    seen = []

    def act(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        connection.sendall(body)

    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with Listener(act, ours.server("127.0.0.1")) as server:
        command = Command(build, tmp_path, server.url, "e2a_x")
        for env in ({}, {"SSL_CERT_FILE": str(other.file)}):
            command.refused("agents", "list", text="cannot be trusted", env=env)
        assert not any(seen)
        assert command.run("agents", "list", env={"SSL_CERT_FILE": str(ours.file)}).out == "No agents.\n"
    with Listener(act, ours.server("localhost")) as server:
        Command(build, tmp_path, server.url, "e2a_x", SSL_CERT_FILE=str(ours.file)).refused(
            "agents", "list", text="cannot be trusted")
    assert len([head for head in seen if head]) == 1
