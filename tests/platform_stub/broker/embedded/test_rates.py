"""The profile's rates as numbers: windows, turns and budgets, on a hand-set clock."""

import pytest

from platform_stub.broker.embedded.rates import LoginRate, Rates, Window
from platform_stub.broker.limits import STRICT, Limits

DEVICE = ("pid", "meter")


def test_the_strict_profile_is_the_documented_one():
    assert STRICT == Limits(  # noqa: SIM300
        granted_qos_max=0,
        logins_max=3,
        logins_window_ms=5_000,
        publishes_per_s=1,
        subscribes_per_s=10,
        pings_per_s=1,
        bytes_per_s=524_288,
    )
    assert STRICT.has_rates
    assert not Limits().has_rates


def test_a_window_is_full_until_its_oldest_is_over():
    window = Window(2, 1_000)
    for now_ms in (0, 400):
        assert not window.is_full(now_ms)
        window.note(now_ms)
    assert window.is_full(999)
    assert not window.is_full(1_000)
    window.note(1_000)
    assert window.is_full(1_399)
    assert not window.is_full(1_400)
    assert not window.is_over(1_999)
    assert window.is_over(2_000)


def test_the_fourth_login_in_five_seconds_is_one_too_many():
    rate = LoginRate(STRICT)
    for now_ms in (0, 1, 2):
        assert not rate.is_exceeded(DEVICE, now_ms)
        rate.note(DEVICE, now_ms)
    assert rate.is_exceeded(DEVICE, 4_999)
    assert not rate.is_exceeded(("other", "dev1"), 4_999)
    assert not rate.is_exceeded(DEVICE, 5_000)


def test_logins_that_no_longer_count_are_forgotten():
    rate = LoginRate(STRICT)
    for at in range(1_000):
        rate.note(("pid", f"dev{at}"), at)
    rate.note(DEVICE, 1_000)
    assert len(rate) == 1_001
    rate.note(("pid", "dev7"), 5_100)  # with dev0 to dev100, whose five seconds are over
    assert len(rate) == 1_001 - 101 + 1


@pytest.mark.parametrize(
    ("arrivals", "delays"),
    [
        ([0, 1_000, 2_000], [0, 0, 0]),
        ([0, 0, 0], [0, 1_000, 2_000]),
        ([0, 999, 1_500, 10_000], [0, 1, 500, 0]),
    ],
)
def test_a_publish_waits_for_its_turn(arrivals, delays):
    rates = Rates(STRICT, 0)
    assert [rates.publish_delay_ms(now_ms) for now_ms in arrivals] == delays


def test_ten_subscribes_and_one_ping_a_second():
    rates = Rates(STRICT, 0)
    assert [rates.admits_subscribe(at) for at in range(11)] == [True] * 10 + [False]
    assert rates.admits_subscribe(1_000)
    assert [rates.admits_ping(now_ms) for now_ms in (0, 999, 1_000, 1_001)] == [True, False, True, False]


def test_a_seconds_bytes_may_come_at_once_and_then_no_faster():
    rates = Rates(STRICT, 0)
    assert rates.read_delay_ms(524_288, 0) == 0
    assert rates.read_delay_ms(52_429, 0) == 100
    assert rates.read_delay_ms(0, 100) == 0
    assert rates.read_delay_ms(524_288, 100) == 1_000
    assert rates.read_delay_ms(524_288, 60_000) == 0  # a long rest earns one second's bytes, not more
    assert rates.read_delay_ms(524_288, 60_000) == 1_000


def test_limits_without_rates_hold_nothing():
    rates = Rates(Limits(), 0)
    assert {rates.publish_delay_ms(0) for _ in range(100)} == {0}
    assert all(rates.admits_subscribe(0) and rates.admits_ping(0) for _ in range(100))
    assert rates.read_delay_ms(10**9, 0) == 0
