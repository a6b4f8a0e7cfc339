"""`ota-sim check` and `ota-sim schema`."""

import json

from click.testing import CliRunner

from scenarios.cli import main
from scenarios.schema import scenario_schema
from tests.scenarios.cli.test_run import BAD, GOOD


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_well_formed():
    outcome = run("check", "library")
    assert outcome.exit_code == 0
    assert outcome.output == "29 scenarios with 32 runs: well formed\n"


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
