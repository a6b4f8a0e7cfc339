from hypothesis import given
from hypothesis import strategies as st

from scenarios.load.tasks.schedule import Schedule


def schedule(**more):
    return Schedule(**{"rate": None, "duration_s": None, "count": None, "began_at": 100.0} | more)


def taken(it, now):
    turns = []
    while (turn := it.take(now)) is not None:
        turns.append(turn)
    return turns


def test_at_a_rate_the_moments_are_fixed_beforehand_whoever_takes_them_and_when():
    it = schedule(rate=4.0, duration_s=1.0)
    assert [turn.at for turn in taken(it, 100.9)] == [100.0, 100.25, 100.5, 100.75]


def test_without_a_rate_a_turn_is_now_as_long_as_there_is_time():
    it = schedule(duration_s=2.0)
    assert [it.take(now).at for now in (100.0, 101.9)] == [None, None]
    assert it.take(102.0) is None


def test_a_count_ends_it():
    assert len(taken(schedule(count=3), 100.0)) == 3
    assert len(taken(schedule(rate=1.0, count=3), 100.0)) == 3


def test_what_is_due_and_not_begun_is_behind():
    it = schedule(rate=10.0, duration_s=2.0)
    assert (it.due(99.0), it.due(100.0), it.due(100.05), it.due(100.1)) == (0, 1, 1, 2)
    assert it.begin(100.0)
    assert it.behind(100.5) == 5
    assert (it.due(102.0), it.due(500.0)) == (20, 20)


def test_nothing_begins_once_it_is_closed_or_over():
    it = schedule(rate=10.0, duration_s=2.0)
    it.take(100.0)
    it.close(100.55)
    assert (it.take(100.6), it.begin(100.6), it.due(101.9)) == (None, False, 6)
    other = schedule(duration_s=1.0)
    other.take(100.0)
    assert not other.begin(101.0)


def test_without_a_rate_nothing_is_ever_behind():
    it = schedule(duration_s=1.0)
    it.take(100.0)
    it.begin(100.0)
    assert (it.due(100.9), it.behind(100.9)) == (1, 0)


@given(st.floats(0.1, 500), st.floats(0.01, 20))
def test_as_many_are_due_in_the_end_as_there_are_moments(rate, duration_s):
    it = schedule(rate=rate, duration_s=duration_s, began_at=0.0)
    due = it.due(duration_s + 1)
    assert abs(due - len(taken(it, 0.0))) <= 1  # a moment at the very end, to the last bit
