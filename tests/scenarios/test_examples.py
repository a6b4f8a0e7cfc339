"""E1 to E11 at full size, in both variants: 1,900 devices over MQTT, as the charging rules work them through."""

import pytest

from scenarios.loader import LIBRARY, load_file
from scenarios.runner.options import RunOptions
from scenarios.runner.run import run_play

# The table of part 4 of the rules: needed, available, missing, deducted, left.
TABLE = {
    "E1": (1_000, 1_100, 0, 1_000, 100),
    "E2": (1_000, 1_100, 0, 1_000, 100),
    "E3": (0, 100, 0, 0, 100),
    "E4": (900, 100, 800, 0, 100),
    "E5": (900, 100, 800, 0, 100),
    "E6": (100, 100, 0, 100, 0),
    "E7": (1, 0, 1, 0, 0),
    "E8": (0, 0, 0, 0, 0),
    "E9": (0, 0, 0, 0, 0),
    "E10": (1, 0, 1, 0, 0),
    "E11": (800, 800, 0, 800, 0),
}
FEES_FEN = {"F": 180_000, "P": 190_000}
AFTER_E1 = {"F": (0, 100), "P": (100, 0)}


@pytest.mark.parametrize("play", load_file(LIBRARY / "examples.yaml"), ids=lambda play: play.variant)
async def test_the_examples(play):
    result = await run_play(play, RunOptions(), lambda _: None)
    assert [(step.id, step.differences, step.note) for step in result.failed_steps] == []
    steps = {step.id: step.seen for step in result.steps}
    seen = {i: (s.needed, s.available, s.missing, s.deducted, s.left) for i, s in steps.items() if i in TABLE}
    assert seen == TABLE
    assert (steps["E1"].purchased_left, steps["E1"].free_left) == AFTER_E1[play.variant]
    assert (result.fee_fen, result.devices, result.connected) == (FEES_FEN[play.variant], 1_900, 1_900)
    assert result.audit is not None
    assert result.audit.ok
    assert result.fleet is not None
    assert (result.fleet.jobs_succeeded, result.fleet.jobs_failed) == (2_950, 10)
    assert result.verdict == "passed"
