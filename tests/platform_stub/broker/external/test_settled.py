"""Acknowledging in the order of arrival, whatever the order of the commits."""

import itertools

import pytest

from platform_stub.broker.settled import Arrivals


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_what_came_first_is_acknowledged_first(order: tuple[int, ...]) -> None:
    acknowledged: list[int] = []
    arrivals = Arrivals(acknowledged.append)
    entered = [arrivals.take(10 + at) for at in range(4)]
    settled: set[int] = set()
    for at in order:
        arrivals.settle(entered[at])
        settled.add(at)
        ready = next((first for first in range(4) if first not in settled), 4)
        assert acknowledged == [10 + first for first in range(ready)]
        assert len(arrivals) == 4 - ready


def test_those_of_a_connection_that_is_over_are_never_acknowledged() -> None:
    acknowledged: list[int] = []
    arrivals = Arrivals(acknowledged.append)
    old = arrivals.take(1)
    arrivals.forget()
    new = arrivals.take(1)
    arrivals.settle(old)
    assert acknowledged == []
    arrivals.settle(new)
    assert acknowledged == [1]
