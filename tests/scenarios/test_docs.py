"""What docs/scenarios.md shows: whole scenarios that pass, with every action and every expectation once."""

import re
from pathlib import Path

import pytest
import yaml

from scenarios import model
from scenarios.loader.files import load_bytes
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"
WHOLE = [
    text
    for text in re.findall(
        r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if text.startswith("version: 1\n")
]
PLAYS = [play for text in WHOLE for play in load_bytes(text.encode(), PAGE.name, PAGE.parent)]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
async def test_a_whole_scenario_passes(play):
    result = await run_play(play, RunOptions(), lambda _: None)
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []
    assert (result.verdict, result.reason) == ("passed", "")


def test_every_action_and_every_expectation_is_shown():
    steps = [step for text in WHOLE for step in yaml.safe_load(text)["steps"]]
    assert {name for step in steps for name in step} >= set(model.ACTIONS)
    shown = {name for step in steps for name in step.get("expect", {})}
    assert shown == set(model.Expect.__struct_fields__)
