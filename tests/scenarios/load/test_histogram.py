from hypothesis import given
from hypothesis import strategies as st

from scenarios.load.histogram import Histogram

DURATIONS = st.lists(st.integers(0, 10**7), min_size=1, max_size=60)


@given(DURATIONS, st.sampled_from([0.1, 50, 90, 95, 99, 99.9, 100]))
def test_a_percentile_is_the_least_duration_that_so_many_are_no_longer_than(durations, share):
    seen = Histogram()
    for us in durations:
        seen.add(us)
    found = seen.percentile(share)
    assert found in durations
    assert sum(us <= found for us in durations) * 100 >= share * len(durations) - 1e-6
    assert sum(us < found for us in durations) * 100 < share * len(durations)


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_all(one, other):
    left, right, both = Histogram(), Histogram(), Histogram()
    for us in one:
        left.add(us)
        both.add(us)
    for us in other:
        right.add(us)
        both.add(us)
    left.merge(right)
    assert left.as_dict() == both.as_dict()
    assert (left.count, left.mean_us, left.min_us, left.max_us) == (
        both.count,
        both.mean_us,
        both.min_us,
        both.max_us,
    )


def test_what_comes_after_a_percentile_was_read_counts_too():
    seen = Histogram.from_counts({300_001: 99})
    assert seen.percentile(99) == 300_001
    seen.add(5, 901)
    assert (seen.percentile(50), seen.percentile(90.1), seen.percentile(90.2)) == (5, 5, 300_001)


def test_nothing_has_no_percentile():
    empty = Histogram()
    assert (empty.percentile(99), empty.mean_us, empty.min_us, empty.max_us) == (None, None, None, None)


def test_durations_are_rounded_for_a_report_alone():
    seen = Histogram.from_counts([(123_456, 1), (123_499, 2), (99, 1), (1_005, 1)])
    assert seen.rounded() == [(99, 1), (1_010, 1), (123_000, 3)]
    assert seen.max_us == 123_499


def test_clocks_that_disagree_give_no_negative_duration():
    seen = Histogram()
    seen.add(-3)
    assert seen.as_dict() == {0: 1}
