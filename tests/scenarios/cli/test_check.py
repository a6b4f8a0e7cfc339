"""`ota-sim check` and `ota-sim schema`."""

import json

from click.testing import CliRunner

from scenarios.cli import main
from scenarios.loader import LIBRARY, load_file
from scenarios.schema import scenario_schema
from tests.scenarios.cli.test_run import BAD, GOOD


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_well_formed():
    outcome = run("check", "library")
    assert outcome.exit_code == 0
    files = sorted(LIBRARY.glob("*.yaml"))
    runs = sum(len(load_file(file)) for file in files)
    assert outcome.output == f"{len(files)} scenarios with {runs} runs: well formed\n"


VARS = """\
version: 1
name: x
vars: {count: 3}
fleets: {meters: {count: "${count}"}}
steps:
  - {id: s, create_task: {kind: FOTA, target: "1.1", devices: "meters[1-2]"}}
"""


def test_a_variable(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(VARS)
    assert run("check", file, "--var", "count=2").exit_code == 0
    outcome = run("check", file, "--var", "count=1")
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        f"{file}:6:63: steps.s.create_task.devices: meters has 1 devices, so there is no number 2\n"
    )
    outcome = run("check", file, "--var", "cuont=1")
    assert outcome.exit_code == 2
    assert (
        outcome.stderr
        == "ota-sim: --var cuont: no scenario has a variable of that name; did you mean count?\n"
    )
    assert run("check", file, "--var", "count").exit_code == 2


def test_mistakes(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\n")
    (tmp_path / "b.yaml").write_text("{")
    outcome = run("check", tmp_path)
    assert outcome.exit_code == 2
    assert [line.rpartition("/")[2] for line in outcome.stderr.splitlines()] == [
        "a.yaml:1:1: name and steps are missing",
        "b.yaml:1:2: not YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
    ]


def test_a_plan(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    outcome = run("check", "--plan", tmp_path / "a.yaml")
    assert outcome.exit_code == 0
    (line,) = (line for line in outcome.output.splitlines() if " a " in line and "first" in line)
    assert line.split() == ["·", "a", "first", "2", "updated", "2", "2", "0", "2", "0"]


def test_a_plan_that_contradicts_an_expectation(tmp_path):
    (tmp_path / "a.yaml").write_text(BAD)
    outcome = run("check", "--plan", tmp_path / "a.yaml")
    assert outcome.exit_code == 1
    assert "left: expected 1, seen 0" in outcome.output
    assert "1 step can't come to what is expected, says the auditor" in outcome.output


def test_a_plan_says_what_is_not_predicted(tmp_path):
    (tmp_path / "a.yaml").write_text(
        GOOD.replace("steps:", "steps:\n  - {id: f, inject: {call: check, status: 503}}")
    )
    assert (
        "steps.f.inject.call: the scenario's devices speak mqtt, so call check strikes none"
        in run("check", tmp_path).stderr
    )
    (tmp_path / "a.yaml").write_text(
        GOOD.replace("steps:", "steps:\n  - {id: f, inject: {call: inform, silent: true}}")
    )
    outcome = run("check", "--plan", tmp_path)
    assert outcome.exit_code == 0
    assert [line.strip() for line in outcome.output.splitlines() if "not predicted" in line] == [
        "not predicted: the jobs of a"
    ]


def test_the_schema():
    outcome = run("schema")
    assert outcome.exit_code == 0
    assert json.loads(outcome.output) == scenario_schema()
