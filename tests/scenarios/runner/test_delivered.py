"""Both ends' counts compared: what is missing fails, what came twice is said, and what can't be counted is not."""

import pytest

from device_sim.snapshot import Traffic
from platform_stub.protocol.delivery import Delivery
from scenarios.runner.delivered import compare


def device(number, *, sent=3, in_doubt=0, came=2, links=1, is_on=True):
    return Traffic(
        device_id=number,
        product_id="p",
        name=f"d{number}",
        sent=sent,
        in_doubt=in_doubt,
        came=came,
        links=links,
        is_on=is_on,
    )


def through(received, published, **more):
    return Delivery(received=received, published=published, **more)


def test_all_is_there():
    text, missing = compare([device(1), device(2)], through({1: 3, 2: 3}, {1: 2, 2: 2}))
    assert (text, missing) == ("6 messages up and 4 down; none missing; none doubled", "")


def test_what_the_broker_took_and_did_not_deliver_is_missing_by_device():
    devices = [device(number) for number in range(1, 6)]
    received = {1: 3, 2: 1, 3: 0, 4: 2, 5: 1}
    text, missing = compare(devices, through(received, dict.fromkeys(range(1, 5), 2) | {5: 7}))
    assert missing == (
        "8 messages from devices: d2 2 of 3, d3 3 of 3, d4 1 of 3 and 1 more; 5 messages to devices: d5 5 of 7"
    )
    assert text == "7 messages up and 10 down; 13 missing; none doubled"


@pytest.mark.parametrize(("received", "missing", "doubled"), [(2, 0, 0), (5, 0, 0), (1, 1, 0), (6, 0, 1)])
def test_what_lost_its_connection_before_the_puback_may_have_come_or_not(received, missing, doubled):
    text, found = compare([device(1, sent=5, in_doubt=3)], through({1: received}, {1: 2}))
    assert (f"{missing or 'none'} missing" in text, f"{doubled or 'none'} doubled" in text) == (True, True)
    assert bool(found) == bool(missing)


@pytest.mark.parametrize("habit", [{"links": 2}, {"is_on": False}])
def test_what_goes_down_to_a_device_that_was_away_is_not_counted(habit):
    text, missing = compare([device(1, **habit)], through({1: 3}, {1: 9}))
    assert missing == ""
    assert "1 devices not counted in full" in text


def test_who_was_ended_or_is_unknown_is_not_counted():
    through_it = through({}, {}, closed={1}, strangers={("p", "d2")}, foreign=4, losses=2)
    text, missing = compare([device(1), device(2)], through_it)
    assert missing == ""
    assert "2 devices not counted in full" in text
    assert "lost its connection to the broker 2 times" in text
    assert "4 messages were of devices that the platform does not know" in text


def test_what_had_no_room_at_the_platform_is_missing_too():
    assert compare([], through({}, {}, overflowed=3)).missing == "3 had no room here"
