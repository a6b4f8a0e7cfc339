"""Draws are the same everywhere, spread, and within their bounds."""

from hypothesis import given
from hypothesis import strategies as st

from device_sim.core.draw import Purpose, draw, draw_below, jittered


def test_a_draw_never_changes():
    # A run is its seed: another number here would change every run that was written down.
    assert draw(1, 2, Purpose.START, 3) == 0x18DE30A1C5125EC5
    assert [draw(0, device, Purpose.START, 0) % 1_000 for device in range(1, 5)] == [644, 483, 155, 580]


def test_neighbours_are_far_apart():
    values = {
        draw(seed, device, purpose, counter)
        for seed in range(4)
        for device in range(40)
        for purpose in Purpose
        for counter in range(10)
    }
    assert len(values) == 4 * 40 * len(Purpose) * 10
    mean = sum(value / 2**64 for value in values) / len(values)
    assert 0.48 < mean < 0.52


@given(st.integers(0, 10**6), st.integers(-(2**70), 2**70), st.integers(0, 2**63))
def test_bounds_hold(bound, seed, device):
    value = draw_below(bound, seed, device, Purpose.BACKOFF, 1)
    assert 0 <= value < max(bound, 1)
    assert bound // 2 <= jittered(bound, seed, device, Purpose.BACKOFF, 1) <= bound
