"""What docs/scenarios.md shows: whole scenarios that pass, with every action and every expectation once."""

import re
from pathlib import Path

import pytest
import yaml

from device_sim.core.faults import WHATS
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
    files = [yaml.safe_load(text) for text in WHOLE]
    outer = [step for file in files for step in (*file["steps"], *file.get("teardown", ()))]
    steps = [each for step in outer for each in (step, *step.get("parallel", ()))]
    assert {name for step in steps for name in step} >= set(model.ACTIONS)
    shown = {name for step in steps for name in step.get("expect", {})}
    assert shown == set(model.Expect.__struct_fields__)


def test_every_field_of_the_language_is_named():
    text = PAGE.read_text(encoding="utf-8")
    kinds = (
        model.Scenario,
        model.Fleet,
        model.Hardware,
        model.Level,
        model.Fault,
        model.CreateTask,
        model.Step,
    )
    kinds += (
        model.ExpectRunning,
        model.ExpectMessages,
        model.WaitUntil,
        model.Upload,
        model.Inject,
        model.AutoAdd,
    )
    names = {name for kind in kinds for name in kind.__struct_encode_fields__}
    assert [name for name in sorted(names) if not re.search(rf"`[^`]*\b{name}\b[^`]*`", text)] == []
    assert [what for what in WHATS if f"| `{what}` |" not in text] == []


def test_every_link_leads_somewhere():
    text = PAGE.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert [link for link in re.findall(r"\]\(#([^)]*)\)", text) if link not in headings] == []
