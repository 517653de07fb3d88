# SPDX-License-Identifier: Apache-2.0
"""The help of e2a, its manual, docs/cli.md and what `make install` puts where name the same
commands, options and exit statuses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.integration import command
from tests.integration.command import Command
from tests.integration.test_cli_shells import commands, options

MANUAL = Path("cli/e2a.1")
GUIDE = Path("docs/cli.md")
COMMON = {"json", "help", "version"}


@pytest.fixture(scope="module")
def e2a(build, tmp_path_factory) -> Command:
    return Command(build, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def helped(e2a) -> dict[str, tuple[str, set[str]]]:
    """Of each command its arguments and its own options."""
    found = {}
    for name in commands(e2a):
        usage = e2a.run(*name.split(), "--help").out.splitlines()[0]
        args = usage.removeprefix(f"usage: e2a {name}").removesuffix("[options]").strip()
        found[name] = args, set(options(e2a, name)) - COMMON
    return found


def plain(roff: str) -> str:
    return re.sub(r"\\f[BIRP]", "", roff).replace("\\-", "-").replace('"', "")


def test_the_manual_has_every_command_with_its_options(helped):
    text = MANUAL.read_text()
    section = re.search(r"^\.SH COMMANDS\n(.*?)^\.SH ", text, re.M | re.S)[1]
    found = {}
    for part in re.split(r"^\.SS ", section, flags=re.M)[1:]:
        title, _, body = plain(part).partition("\n")
        args = " ".join(re.findall(r"<[^>]+>", title)) or title
        name = max((n for n in helped if f"{title} ".startswith(f"{n} ")), key=len)
        args = title.removeprefix(name).strip()
        # in the lines that open an item: others may tell of options too
        tags = re.findall(r"^\.TP\n(.*)$", body, re.M)
        found[name] = args, set(re.findall(r"--([a-z][a-z-]*)", "\n".join(tags)))
    assert found == {n: (re.sub("[<>]", "", a), o) for n, (a, o) in helped.items()}


def test_the_guide_has_every_command_with_its_options(helped):
    section = re.search(r"^## Commands\n(.*?)^## ", GUIDE.read_text(), re.M | re.S)[1]
    found = {}
    for names, opts in re.findall(r"^\| (`[^|]*`) \|([^|]*)\|", section, re.M):
        for title in re.findall(r"`([^`]*)`", names):
            name, _, args = title.partition(" <")
            found[name] = f"<{args}" if args else "", set(re.findall(r"`--([a-z-]+)[^`]*`", opts))
    assert found == helped


def test_values_and_repeated_options_are_told_in_the_guide(e2a, helped):
    repeated = {o for name in helped for o in re.findall(
        r"--([a-z-]+) .*\(may be repeated\)", e2a.run(*name.split(), "--help").out)}
    line = re.search(r"(`--to`[^|.]*) may be repeated", GUIDE.read_text())[1]
    assert set(re.findall(r"`--([a-z-]+)`", line)) == repeated


def test_exit_statuses_are_the_same_everywhere():
    guide = re.search(r"^## Exit status\n(.*?)^## ", GUIDE.read_text(), re.M | re.S)[1]
    manual = re.search(r"^\.SH EXIT STATUS\n(.*?)^\.SH ", MANUAL.read_text(), re.M | re.S)[1]
    want = [command.DONE, command.FAILED, command.USAGE, command.REFUSED, command.ABSENT,
            command.CONFLICT, command.LATER, command.PIPE]
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", guide, re.M)] == want
    assert [int(n) for n in re.findall(r"^(\d+)\|", manual, re.M)] == want


def test_settings_are_the_same_everywhere(e2a):
    keys = {line.split()[0] for line in e2a.run("config").out.splitlines()}
    source = "".join(path.read_text() for path in Path("cli").glob("*.c"))
    variables = set(re.findall(r'"(E2A_[A-Z_]+)"', source))
    assert len(variables) == 6
    for text in (GUIDE.read_text(), MANUAL.read_text().replace("\\-", "-")):
        assert keys <= set(re.findall(r"\b[a-z]+_[a-z]+\b", text))
        assert variables == set(re.findall(r"\bE2A_[A-Z_]+\b", text))


def test_the_manual_is_clean():
    for argv in (["man", "--warnings", "-l", str(MANUAL)],
                 ["groff", "-ww", "-t", "-man", "-Tutf8", "-z", str(MANUAL)]):
        done = subprocess.run(argv, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        assert (done.returncode, done.stderr) == (0, ""), argv


def test_links_in_the_guide_lead_somewhere():
    text = GUIDE.read_text()
    heads = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-")
             for h in re.findall(r"^#+ (.*)$", text, re.M)}
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        assert (GUIDE.parent / path).exists() and (path or anchor in heads), link


def test_install_brings_command_manual_and_completions(build, tmp_path):
    subprocess.run(["make", "--no-print-directory", "-o", "all", f"B={build}", "install",
                    f"DESTDIR={tmp_path}", "PREFIX=/usr"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([str(tmp_path / "usr/bin/e2a"), "--version"], capture_output=True)
    assert done.returncode == 0
    for path, source in (("man/man1/e2a.1", MANUAL),
                         ("bash-completion/completions/e2a", "cli/completions/e2a.bash"),
                         ("zsh/site-functions/_e2a", "cli/completions/_e2a")):
        assert (tmp_path / "usr/share" / path).read_bytes() == Path(source).read_bytes()
    assert {p.name for p in (tmp_path / "usr/sbin").iterdir()} == {
        "e2a-milter", "e2a-deliverd", "e2a-apid", "e2a-admin"}
