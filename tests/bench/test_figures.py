import pytest

from bench.figures import METRICS, Spread
from tests.bench.parts import goal, line


def test_a_spread_is_its_median_and_its_ends():
    spread = Spread((3.0, 9.0, 1.0, 4.0))
    assert (spread.median, spread.low, spread.high) == (3.5, 1.0, 9.0)


@pytest.mark.parametrize(
    ("values", "more", "held"),
    [
        ((0.8, 0.9, 2.0), False, True),
        ((0.8, 1.1, 2.0), False, False),
        ((0.8, 1.1, 2.0), True, True),
        ((0.1 + 0.2 + 0.7,), False, True),
    ],
)
def test_a_goal_is_held_by_the_median(values, more, held):
    assert goal(*values, bound=1, more_is_better=more).held is held


def test_a_ratio_without_a_goal_is_neither_held_nor_missed():
    assert goal(2.0).held is None


def test_which_side_is_ours():
    assert line("ours").is_ours
    assert line("ours-rate").is_ours
    assert not line("mosquitto").is_ours


def test_what_is_better():
    assert METRICS["jobs_s"].more_is_better
    assert not METRICS["cpu_us"].more_is_better
