"""`ota-sim new`: a scenario to start from, which passes and never takes another's place."""

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.cli.new import starter
from scenarios.loader import load_file
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("mine.yaml", "mine"),
        ("b13 edge.ota.yaml", "b13-edge"),
        ("_.yml", "scenario"),
        ("x" * 60 + ".yaml", "x" * 40),
    ],
)
def test_it_writes_one_by_the_files_name(tmp_path, file, name):
    outcome = run("new", tmp_path / file)
    assert outcome.exit_code == 0
    assert (
        outcome.output
        == f"{tmp_path / file}: a scenario to start from; play it with: ota-sim run {tmp_path / file}\n"
    )
    (play,) = load_file(tmp_path / file)
    assert play.name == name


def test_it_has_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("new").exit_code == 0
    (play,) = load_file(tmp_path / "scenario.ota.yaml")
    assert play.name == "scenario"


def test_it_never_overwrites(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    outcome = run("new", file)
    assert outcome.exit_code == 2
    assert outcome.stderr == f"ota-sim: {file}: it is there already; name another file, or move it away\n"
    assert file.read_text() == "mine"


def test_what_is_no_scenario_by_its_name(tmp_path):
    outcome = run("new", tmp_path / "mine.txt")
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        f"ota-sim: {tmp_path / 'mine.txt'}: a scenario's name ends in .yaml, such as mine.txt.ota.yaml\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    outcome = run("new", tmp_path / "no" / "mine.yaml")
    assert outcome.exit_code == 3
    assert "No such file or directory" in outcome.stderr


def test_to_the_standard_output():
    outcome = run("new", "-")
    assert outcome.exit_code == 0
    assert outcome.output == starter("scenario")


@pytest.mark.parametrize("variables", [{}, {"devices": "30", "target": "3.0"}])
async def test_it_passes(tmp_path, variables):
    (tmp_path / "mine.yaml").write_text(starter("mine"))
    (play,) = load_file(tmp_path / "mine.yaml", variables)
    result = await run_play(play, RunOptions(), lambda _: None)
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []
    assert (result.verdict, result.reason) == ("passed", "")


def test_each_line_can_be_read_in_a_terminal():
    assert max(map(len, starter("x").splitlines())) <= 110
