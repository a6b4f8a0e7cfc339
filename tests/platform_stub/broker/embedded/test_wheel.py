from hypothesis import given
from hypothesis import strategies as st

from platform_stub.broker.embedded.wheel import TICK_MS, DueWheel


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 100_000)), st.lists(st.integers(0, 100_000)))
def test_an_item_comes_out_once_never_early_and_at_most_a_tick_late(
    due: dict[str, int], moments: list[int]
) -> None:
    wheel: DueWheel[str] = DueWheel()
    for item, at_ms in due.items():
        wheel.put(item, at_ms)
    out: dict[str, int] = {}
    now_ms = 0
    for now_ms in [*sorted(moments), 200_000]:
        for item in wheel.due(now_ms):
            assert item not in out
            out[item] = now_ms
        assert all(item in out for item, at_ms in due.items() if at_ms <= now_ms - TICK_MS)
    assert all(out[item] >= at_ms for item, at_ms in due.items())
    assert set(out) == set(due)


def test_an_item_taken_back_never_comes_out() -> None:
    wheel: DueWheel[str] = DueWheel()
    tick = wheel.put("a", 1_500)
    wheel.put("b", 1_500)
    wheel.take_back("a", tick)
    wheel.take_back("a", tick)
    assert wheel.due(2_000) == ["b"]
    assert wheel.due(9_000) == []
