# SPDX-License-Identifier: Apache-2.0
"""e2a-admin: what an operator sees of it."""

from __future__ import annotations

import re
import stat
import subprocess

import pytest

from scripts.stack import Stack
from scripts.stack.part import CLEAN_ENV, write_file
from scripts.stack.peers import Api

EX_USAGE, EX_DATAERR, EX_TEMPFAIL, EX_CONFIG = 64, 65, 75, 78


def admin(stack: Stack, *argv: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(stack.admin_command(*argv), capture_output=True, text=True,
                          env={**CLEAN_ENV, **stack.admin_env(), **env})


def test_bootstrap_says_two_lines_and_shows_the_secret_once(stack):
    first = admin(stack, "bootstrap", "First@Other.example")
    assert first.returncode == 0
    assert re.fullmatch(r"User:    First@other\.example \(id=[0-9a-f]{32}\)\n"
                        r"API key: e2a_[0-9a-f]{64}\n", first.stdout)
    assert first.stderr.startswith("save the API key now \u2014 it will not be shown again\n")
    assert re.search(r"\b[0-9a-f]{64}$", first.stderr, re.MULTILINE)
    assert re.search(r"whsec_[A-Za-z0-9+/]{86}==$", first.stderr, re.MULTILINE)

    again = admin(stack, "bootstrap", "first@other.example")
    assert again.stdout.splitlines()[0] == first.stdout.splitlines()[0]
    assert again.stdout.splitlines()[1] != first.stdout.splitlines()[1]
    assert again.stderr == "save the API key now \u2014 it will not be shown again\n"


def test_every_key_that_bootstrap_made_works(stack):
    for _ in range(2):
        key = stack.bootstrap("keys@other.example").api_key
        assert Api(stack.url, key).get("/api/v1/agents") == (200, {"agents": []})


@pytest.mark.parametrize("email", ["x@agents.example", "x@AGENTS.example", "x", "a@b@c", "",
                                   "x@other.example, y@other.example", "x@other.example\n",
                                   '"x"@other.example', '"x y"@other.example',
                                   "\u212a@other.example"])
def test_bootstrap_refuses_an_address_that_is_none_or_is_ours(stack, email):
    done = admin(stack, "bootstrap", email)
    assert done.returncode == EX_DATAERR
    assert done.stdout == ""


def test_migrate_again_changes_nothing(stack):
    done = admin(stack, "migrate")
    assert (done.returncode, done.stdout) == (0, "the schema is up to date\n")


@pytest.mark.parametrize("secret", ["", "short", "change-me-" * 5, "a" * 64, "abcdefg" * 10])
@pytest.mark.parametrize("verb", ["keys", "bootstrap"])
def test_a_weak_secret_is_refused(stack, tmp_path, secret, verb):
    file = write_file(tmp_path / "secret", secret, 0o600)
    conf = tmp_path / "e2a.conf"
    conf.write_text(re.sub(r"(?m)^(hmac_secret_file|keys_dir) = .*$",
                           lambda m: f"{m[1]} = {file if 'file' in m[1] else tmp_path / 'keys'}",
                           stack.conf.read_text()))
    argv = [stack.admin_command()[0], "-c", str(conf), verb]
    done = subprocess.run(argv + (["a@other.example"] if verb == "bootstrap" else []),
                          capture_output=True, text=True,
                          env={**CLEAN_ENV, **stack.admin_env()})
    assert done.returncode == EX_CONFIG
    assert "deployment secret" in done.stderr
    assert not (tmp_path / "keys").exists()


def test_a_weak_secret_in_the_environment_stops_every_program(stack):
    for program in ("admin", "milter", "deliverd", "apid"):
        argv = [str(stack.state / "bin" / f"e2a-{program}"), "-c", str(stack.conf)]
        done = subprocess.run(argv + (["config"] if program == "admin" else []),
                              capture_output=True, text=True, timeout=20,
                              env={**CLEAN_ENV, "E2A_HMAC_SECRET": "password"})
        assert (program, done.returncode) == (program, EX_CONFIG), done.stderr


def test_key_files_are_narrow_and_whole(stack):
    programs = {"milter": {"seal", "ticket"},
                "deliverd": {"seal", "ticket", "secrets", "mail", "approval"},
                "apid": {"secrets", "cursor", "mail", "sign_in", "approval"}}
    for program, names in programs.items():
        path = stack.state / "keys" / f"{program}.keys"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert set(re.findall(r"(?m)^(\w+) = [0-9a-f]{64}$", path.read_text())) == names


def test_config_prints_what_differs_and_no_secret(stack):
    text = admin(stack, "config", "-n", E2A_HMAC_SECRET="0123456789abcdef" * 4).stdout
    assert "shared_domain = agents.example\n" in text
    assert "lmtp_timeout" not in text
    assert "0123456789abcdef" not in text
    whole = admin(stack, "config").stdout
    assert "lmtp_timeout = 5m\n" in whole


@pytest.mark.parametrize("line", ["no_such_key = 1", "spf_helpers = many", "spf_helpers = 0",
                                  "log_level = loud", "just words"])
def test_a_bad_config_line_is_named(stack, tmp_path, line):
    conf = tmp_path / "e2a.conf"
    conf.write_text(f"# comment\n{line}\n")
    done = subprocess.run([stack.admin_command()[0], "-c", str(conf), "config"],
                          capture_output=True, text=True, env=CLEAN_ENV)
    assert done.returncode == EX_CONFIG
    assert "e2a.conf:2" in done.stderr


@pytest.mark.parametrize("argv", [[], ["fly"], ["bootstrap"], ["bootstrap", "a", "b"],
                                  ["migrate", "x"], ["config", "-x"], ["keys", "x"]])
def test_wrong_usage_is_told(stack, argv):
    done = admin(stack, *argv)
    assert done.returncode == EX_USAGE
    assert "usage: e2a-admin" in done.stderr


def test_a_database_that_is_away_is_a_temporary_failure(stack):
    stack.postgres.stop()
    done = admin(stack, "bootstrap", "x@other.example")
    assert done.returncode == EX_TEMPFAIL
    assert done.stdout == ""
