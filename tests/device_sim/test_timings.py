"""Latencies: rounded to three digits, counted once, held only while something is under way."""

import pytest

from device_sim import Fleet, Profile
from device_sim.timings import Timings, coarse
from tests.device_sim.stub_world import QUICK, open_world


@pytest.mark.parametrize(
    ("us", "rounded"),
    [
        (0, 0),
        (7, 7),
        (999, 999),
        (1_000, 1_000),
        (1_234, 1_230),
        (1_235, 1_240),
        (123_456, 123_000),
        (999_999, 1_000_000),
    ],
)
def test_rounding(us, rounded):
    assert coarse(us) == rounded


def test_no_latency_is_off_by_more_than_half_a_per_cent():
    assert all(abs(coarse(us) - us) * 200 <= us for us in range(1_000, 200_000, 37))


class Hand:
    def __init__(self):
        self.ns = 1

    def __call__(self):
        return self.ns


def test_each_latency_from_its_beginning_to_its_end():
    hand = Hand()
    timings = Timings(hand)
    timings.dialled(1)
    hand.ns += 5_000_000
    timings.came(1)
    timings.mark()
    hand.ns += 2_000_000
    timings.told(1)
    timings.told(1)  # again: it is counted once a mark
    hand.ns += 3_000_000
    timings.job_ended(1)
    timings.settled(1)
    timings.lost(1)
    timings.dialled(1)
    hand.ns += 7_000_000
    timings.came(1)
    taken = timings.take()
    assert taken == ({5_000: 1, 7_000: 1}, {2_000: 1}, {3_000: 1}, {7_000: 1})
    assert timings.take() == ({}, {}, {}, {})


def test_what_was_no_job_is_not_counted():
    timings = Timings()
    timings.told(1)
    timings.settled(1)
    timings.job_ended(1)  # of something that it was never told of
    timings.settled(1)
    assert timings.take().job == {}
    assert not timings.is_told(1)


async def test_a_fleet_that_measures():
    timings = Timings()
    async with (
        open_world(8) as world,
        Fleet(world.stub, world.identities, profile=QUICK, timings=timings) as fleet,
    ):
        await fleet.ready(60)
        timings.mark()
        task = await world.order()
        await world.until(task, success=8)
        await fleet.idle(60)
        taken = timings.take()
        assert [sum(each.values()) for each in taken] == [8, 8, 8, 0]
        over_mqtt = [each.device_id for each in world.identities if each.flow == "mqtt"]
        fleet.storm(over_mqtt)
        await fleet.ready(60)
        taken = timings.take()
        assert sum(taken.reconnect.values()) == len(over_mqtt) == sum(taken.connect.values())


async def test_who_does_not_ask_has_other_agents():
    async with open_world(1) as world, Fleet(world.stub, world.identities, profile=Profile()) as fleet:
        assert [type(agent).__name__ for agent in fleet._agents.values()] == ["MqttAgent"]
