"""The timer wheel: never early, at most a tick late, each item once."""

from hypothesis import given
from hypothesis import strategies as st

from device_sim.core.wheel import NEVER, TICK_MS, Wheel


class Item:
    def __init__(self, due_ms):
        self.due_ms = due_ms
        self.tick = 0


def test_an_item_comes_out_once_within_a_tick():
    wheel, item = Wheel(), Item(1_000)
    wheel.place(item)
    assert wheel.next_ms <= 1_000 + TICK_MS
    assert wheel.due(999) == []
    assert wheel.due(1_000 + TICK_MS) == [item]
    assert wheel.due(10_000) == []
    assert wheel.next_ms == NEVER


def test_an_item_that_moves_later_comes_out_later():
    wheel, item = Wheel(), Item(100)
    wheel.place(item)
    item.due_ms = 5_000
    wheel.place(item)
    assert wheel.due(4_999) == []
    assert wheel.due(5_000 + TICK_MS) == [item]


def test_an_item_that_moves_earlier_comes_out_earlier_and_once():
    wheel, item = Wheel(), Item(5_000)
    wheel.place(item)
    item.due_ms = 100
    wheel.place(item)
    assert wheel.due(100 + TICK_MS) == [item]
    item.due_ms = NEVER
    assert wheel.due(9_000) == []


def test_an_item_without_a_time_is_let_go():
    wheel, item = Wheel(), Item(100)
    wheel.place(item)
    item.due_ms = NEVER
    assert wheel.due(1_000) == []
    assert wheel.next_ms == NEVER


def test_an_item_that_was_always_due_comes_out():
    wheel, item = Wheel(), Item(0)
    wheel.place(item)
    assert wheel.due(TICK_MS) == [item]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400), st.integers(0, 60)), max_size=60))
def test_any_history(moves):
    wheel = Wheel()
    items = [Item(NEVER) for _ in range(6)]
    now = 0

    def ring():
        for item in wheel.due(now):
            assert item.due_ms <= now
            item.due_ms = NEVER
        assert all(item.due_ms + TICK_MS > now for item in items)

    for which, wait_ms, pass_ms in moves:
        items[which].due_ms = now + wait_ms
        wheel.place(items[which])
        now += pass_ms
        ring()
    now += 1_000
    ring()
    assert wheel.next_ms == NEVER
