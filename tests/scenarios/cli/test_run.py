"""`ota-sim run`, in this process and in one of its own: output, exit codes, reports, Ctrl-C."""

import contextlib
import json
import os
import signal
import subprocess
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.loader import LIBRARY
from tests.scenarios.cli.test_main import PYTHON

GOOD = """\
version: 1
name: small
title: a small one
clock: 2021-06-01T00:00:00+08:00
policy: {charging_date: 2021-04-02T00:00:00+08:00, free_devices: 2}
fleets: {meters: {count: 3}}
steps:
  - {id: a, title: first, create_task: {kind: FOTA, target: "2", devices: "meters[1-2]"}, expect: {deducted: 2, left: 0}}
  - {id: b, title: second, buy: 1, expect: {reason: balance_insufficient}}
"""
BAD = GOOD.replace("left: 0", "left: 1")
ENDLESS = (
    GOOD.replace("steps:\n", "steps:\n  - {id: deaf, inject: {call: inform, silent: true}}\n").replace(
        "left: 0}}", "left: 0}, wait: none}"
    )
    + "  - {id: c, wait_jobs: {}}\n"
)


@pytest.fixture
def file(tmp_path):
    def write(text, name="small.yaml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def run(*arguments):
    return CliRunner().invoke(main, ["run", "--jobs", "1", *map(str, arguments)])


def test_all_held(file, tmp_path):
    outcome = run(file(GOOD), "--report-dir", tmp_path / "r")
    assert outcome.exit_code == 0
    lines = outcome.output.splitlines()
    assert lines[0] == "small  a small one"
    assert lines[1] == "  3 devices over MQTT · embedded broker · seed 1"
    assert lines[-1] == "passed"
    assert "  passed  2 steps · 2 updates done, 8.0 KiB downloaded · fee 0 yuan" in outcome.output
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (report["verdict"], report["exit_code"]) == ("passed", 0)
    assert ET.parse(tmp_path / "r" / "junit.xml").getroot().get("tests") == "3"  # noqa: S314 - our own report


def test_an_expectation_failed(file, tmp_path):
    outcome = run(file(BAD), "--report-dir", tmp_path / "r")
    assert outcome.exit_code == 1
    assert "left: expected 1, seen 0" in outcome.output
    assert "second" in outcome.output
    assert outcome.output.splitlines()[-1] == "1 run: 1 FAILED"
    assert ET.parse(tmp_path / "r" / "junit.xml").getroot().get("failures") == "1"  # noqa: S314 - our own report


def test_mistakes_in_a_file_start_nothing(file, tmp_path):
    path = file(GOOD.replace("buy: 1", "bye: 1") + "  - {id: b, buy: 0}\n")
    outcome = run(path, "--report-dir", tmp_path / "r")
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert [line.removeprefix(path) for line in outcome.stderr.splitlines()] == [
        ":9:28: steps.b.bye: no field is named 'bye' here; did you mean buy?",
        ":10:10: steps.b.id: a step is named b already, on line 9",
        ":10:18: steps.b.buy: expected 1 or more, found 0",
    ]
    assert list((tmp_path / "r").iterdir()) == []


@pytest.mark.parametrize("text", ["{", GOOD])
def test_reports_of_an_earlier_run_do_not_outlive_one_that_could_not_start(file, tmp_path, text):
    folder = tmp_path / "r"
    assert run(file(GOOD), "--report-dir", folder).exit_code == 0
    (folder / "mine.txt").touch()
    assert run(file(text), "--report-dir", folder, "--only", "nothing").exit_code == 2
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_reports_that_cannot_be_written_are_told_before_the_run(file, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "x").touch()
    outcome = run(file("{"), "--report-dir", tmp_path / "r" / "x" / "y")
    assert outcome.exit_code == 3
    assert "y can't be written to: Not a directory" in outcome.stderr
    assert outcome.stdout == ""


def test_reports_that_fail_after_the_run_leave_the_verdict(file, tmp_path):
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "report.json").mkdir()
    outcome = run(file(GOOD), "--report-dir", folder)
    assert outcome.exit_code == 3
    assert outcome.stdout.splitlines()[-1] == "passed"
    assert "report.json can't be written" in outcome.stderr


def test_a_folder_in_use_is_the_environment(file, tmp_path):
    (tmp_path / "d" / "small").mkdir(parents=True)
    (tmp_path / "d" / "small" / "thesis.txt").touch()
    outcome = run(file(GOOD), "--data", tmp_path / "d")
    assert outcome.exit_code == 3
    assert "thesis.txt" in outcome.output


def test_another_seed(file, tmp_path):
    assert "seed 99" in run(file(GOOD), "--seed", "99").output


def test_strict_is_said(file, tmp_path):
    outcome = run(
        file(GOOD.replace("}}\nsteps", ", flow: south}}\nsteps")), "--strict", "--report-dir", tmp_path
    )
    assert outcome.exit_code == 0, outcome.output
    assert "3 devices over south · embedded broker · strict · seed 1" in outcome.output
    (play,) = json.loads((tmp_path / "report.json").read_text())["plays"]
    assert play["strict"]
    properties = ET.parse(tmp_path / "junit.xml").iter("property")  # noqa: S314 - our own report
    assert {"strict": "true"}.items() <= {each.get("name"): each.get("value") for each in properties}.items()
    assert not json.loads(_report(file(GOOD), tmp_path / "r"))["plays"][0]["strict"]


def _report(path, folder):
    run(path, "--report-dir", folder)
    return (folder / "report.json").read_text()


def test_only_a_step(file):
    outcome = run(file(BAD), "--only", "b")
    assert outcome.exit_code == 0
    assert "2 steps, 1 not checked" in outcome.output
    outcome = run(file(BAD), "--only", "c")
    assert outcome.exit_code == 2
    assert "no step is named c; there are a, b" in outcome.stderr


def test_fail_fast(file):
    outcome = run(file(BAD), file(GOOD.replace("small", "other"), "other.yaml"), "--fail-fast")
    assert outcome.exit_code == 1
    assert "other" not in outcome.output


def test_a_summary_over_several(file):
    outcome = run(file(BAD), file(GOOD.replace("name: small", "name: other"), "other.yaml"))
    assert outcome.exit_code == 1
    assert [line.split()[:2] for line in outcome.output.splitlines()[-5:-3]] == [
        ["FAILED", "small"],
        ["passed", "other"],
    ]
    assert outcome.output.splitlines()[-1] == "2 runs: 1 passed, 1 FAILED"


def test_amqtt_is_for_few_devices():
    outcome = run("examples", "--broker", "amqtt")
    assert outcome.exit_code == 2
    assert "connects 1,900 devices, and the amqtt broker is for some 200" in outcome.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("number", "times", "name"),
    [(signal.SIGINT, 1, "Ctrl-C"), (signal.SIGINT, 4, "Ctrl-C"), (signal.SIGTERM, 1, "SIGTERM")],
)
def test_ctrl_c_stops_in_seconds_and_reports(file, tmp_path, jobs, number, times, name):
    path = file(ENDLESS.replace("fleets", "variants: {A: {}, B: {}}\nfleets"))
    process = subprocess.Popen(
        [*PYTHON, "run", path, "--jobs", jobs, "--report-dir", str(tmp_path / "r")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    shown = ""
    while "second" not in shown:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        shown += line
    for _ in range(times):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)  # a signal that is still pending would not count
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert f"stopped by {name}: " in rest
    assert "stopped by" not in rest.replace(f"stopped by {name}: ", "")
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert (report["verdict"], report["exit_code"]) == ("stopped", 130)
    assert [step["verdict"] for step in report["plays"][0]["steps"]] == [*["passed"] * 3, "not_played"]


def test_the_examples_in_a_process_of_their_own(tmp_path):
    """`make replay`, as a user sees it."""
    done = subprocess.run(
        [*PYTHON, "run", "examples", "--report-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "all 2 runs passed"
    suites = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314 - our own report
    assert {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in suites} == {
        "examples F": ("17", "0"),
        "examples P": ("17", "0"),
    }


@pytest.mark.parametrize("limit", [1_500])
def test_too_few_descriptors_are_told(limit, tmp_path):
    command = f'ulimit -n {limit}; exec "$@"'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *PYTHON, "run", str(LIBRARY / "examples.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "1,900 devices need" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
