"""`ota-sim conform`, as a person uses it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from scenarios.cli.conform import conform
from tests.scenarios.conform.suites import PROGRAM

COMMAND = f"{sys.executable} {PROGRAM}"
MAIN = [sys.executable, "-c", "from scenarios.cli import main; main()", "conform"]


def run(*arguments):
    return CliRunner().invoke(conform, [str(argument) for argument in arguments])


def test_cases_pass_and_reports_and_evidence_are_there(tmp_path):
    done = run(
        "--entrypoint", COMMAND, "--flow", "fuse", "--flow", "mqtt", "--only", "fota", "--only", "inform-answered",
        "--report-dir", tmp_path / "r", "--keep", tmp_path / "k",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "passed  fuse/fota" in done.output
    assert "3 passed, in " in done.output
    said = json.loads((tmp_path / "r/conform.json").read_text())
    assert [(case["flow"], case["id"]) for case in said["cases"]] == [
        ("mqtt", "fota"), ("mqtt", "inform-answered"), ("fuse", "fota"),
    ]  # fmt: skip
    assert (tmp_path / "r/junit.xml").exists()
    assert re.search(
        "http -> download  GET .*/1/download bytes=0-", (tmp_path / "k/fuse/fota/wire.txt").read_text()
    )
    assert (tmp_path / "k/mqtt/fota/output.txt").exists()


def test_a_case_that_fails_says_what_was_wanted(monkeypatch):
    monkeypatch.setenv("WRONG", "restarting")
    done = run(
        "--entrypoint", COMMAND, "--flow", "fuse", "--only", "resume", "--only", "fota", "--patience", "0.4"
    )
    assert done.exit_code == 1
    assert "failed  resume" in done.output
    assert "wanted: it asks for the rest, with a Range header" in done.output
    assert "after the cut it asked for [0]" in done.output
    assert "rests on R-1, R-5 of docs/protocol.md" in done.output
    assert "1 passed, 1 failed" in done.output


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (
            "stillborn",
            "it ended with exit code 4, before it connected to anything\nthe last it wrote:\n  | no such sensor",
        ),
        ("absent", "it runs, and in 1 s has not connected to 127.0.0.1:"),
    ],
)
def test_a_program_that_does_not_come_is_told_once(monkeypatch, way, said):
    monkeypatch.setenv("WRONG", way)
    done = run("--entrypoint", COMMAND, "--flow", "fuse", "--patience", "0.1")
    assert isinstance(done.exception, EnvironmentFault)
    assert said in str(done.exception)
    assert str(done.exception).count("no case can be played") == 1
    assert done.output == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--entrypoint", "/nowhere/dev"],
            "--entrypoint: /nowhere/dev can't be started: No such file or directory",
        ),
        (["--entrypoint", "dev {htpp}"], "there is no placeholder {htpp}"),
        (["--entrypoint", "dev", "--only", "fotaa"], "--only: no case is named fotaa; did you mean fota?"),
        (["--entrypoint", "dev", "--skip", "zzzzzz"], "--skip: no case is named zzzzzz; --list shows them"),
        (
            ["--entrypoint", "dev", "--flow", "south", "--only", "keep-alive"],
            "no case is left for flow south",
        ),
    ],
)
def test_what_can_not_be_is_said_in_a_line(arguments, said):
    done = run(*arguments)
    assert isinstance(done.exception, UsageFault)
    assert said in str(done.exception)


def test_the_command_is_wanted():
    done = run("--flow", "fuse")
    assert (done.exit_code, "--entrypoint is wanted" in done.output) == (2, True)


def test_the_list_needs_no_command():
    done = run("--list", "--flow", "south", "--only", "good", "--skip", "sota")
    assert done.exit_code == 0
    assert "  fota " in done.output
    assert not re.search("sota|inform-answered|garbled", done.output)


def test_ctrl_c_reports_what_was_played(tmp_path):
    arguments = [
        "--entrypoint",
        COMMAND,
        "--flow",
        "fuse",
        "--jobs",
        "1",
        "--only",
        "fota",
        "--only",
        "no-storm",
    ]
    with subprocess.Popen(
        [*MAIN, *arguments, "--report-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert "fota" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        out, error = running.communicate(timeout=60)
    assert (running.returncode, error) == (130, "")
    assert "1 passed, 1 not played" in out
    assert json.loads((tmp_path / "conform.json").read_text())["interrupted"] is True
