"""The shipped scenarios: a test plan that covers what it claims, and passes for real."""

import pytest

from scenarios.loader import LIBRARY, load_file, load_files
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play

FILES = sorted(LIBRARY.glob("*.yaml"))
PLAYS = load_files(FILES)


def test_every_rule_and_every_example_is_covered():
    covered = {rule for play in PLAYS for rule in play.covers}
    assert {f"B{n}" for n in range(1, 18)} <= covered
    assert {f"E{n}" for n in range(1, 12)} <= covered


@pytest.mark.parametrize("number", range(1, 18))
def test_every_rule_has_a_scenario_of_its_own(number):
    (file,) = LIBRARY.glob(f"b{number:02}-*.yaml")
    play = load_file(file)[0]
    assert play.covers[0] == f"B{number}"
    assert play.scenario == file.stem


def test_every_step_reads_like_a_test_plan():
    for play in PLAYS:
        assert play.title, play.scenario
        assert all(step.title for step in play.steps), play.scenario


@pytest.mark.parametrize(
    "play", [play for play in PLAYS if play.device_count <= 200], ids=lambda play: play.name
)
async def test_it_passes(play):
    result = await run_play(play, RunOptions(), lambda _: None)
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []
    assert (result.verdict, result.reason) == ("passed", "")


@pytest.mark.parametrize(
    "play", [play for play in PLAYS if play.scenario == "examples-tenth"], ids=lambda play: play.name
)
async def test_the_examples_at_a_tenth_on_amqtt(play):
    pytest.importorskip("amqtt")
    result = await run_play(play, RunOptions(broker="amqtt"), lambda _: None)
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []
    assert (result.verdict, result.reason) == ("passed", "")
    assert result.cannot_check
