"""What docs/load.md says, held against the command."""

import re
import shlex
from pathlib import Path

import click
import pytest

from scenarios.cli import main
from scenarios.cli.load import COMMANDS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "load.md").read_text(encoding="utf-8")
SHOWN = [line.strip() for line in re.findall(r"^    (ota-sim load .*)$", PAGE, re.MULTILINE)]


def command(name):
    context = click.Context(main)
    load = main.get_command(context, "load")
    return load.get_command(context, name)


@pytest.mark.parametrize("line", SHOWN)
def test_every_command_that_is_shown_is_one(line):
    words = shlex.split(line)[2:]
    found = command(words[0])
    found.make_context(words[0], words[1:])


def test_every_option_of_create_task_is_named():
    options = [name for each in command("create-task").params for name in each.opts if name.startswith("--")]
    statistics = {f"--max-{each}" for each in ("p50", "p90", "p95", "p99.9", "mean", "max")}
    assert [name for name in options if name not in PAGE and name not in statistics] == []


def test_every_command_has_its_line_in_the_help():
    assert {name: command(name).get_short_help_str(200) for name in COMMANDS} == {
        name: help_text for name, (_, help_text) in COMMANDS.items()
    }


def test_every_link_leads_somewhere():
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }
    assert [link for link in re.findall(r"\]\(#([^)]*)\)", PAGE) if link not in headings] == []
