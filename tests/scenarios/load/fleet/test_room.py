"""How many devices fit, and what is in the way of more."""

import pytest

from device_sim.shards.limits import Limits
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.load.fleet.room import plan_devices, room_for

MACHINE = Limits(descriptors=20_000, ports=28_000, cores=2, memory_bytes=2**35)
SMALL = Limits(descriptors=20_000, ports=28_000, cores=2, memory_bytes=2**28)


@pytest.mark.parametrize(
    ("limits", "stub_here", "host", "most", "said"),
    [
        (MACHINE, True, "127.0.0.1", 20_000, "the stub's process has no descriptor left"),
        (MACHINE, False, "10.0.0.1", 28_000, "this address has no local port left"),
        (SMALL, True, "127.0.0.1", 20_000, "there is no memory left"),
        (MACHINE, False, "127.0.0.1", 10_000_000, "more fleet processes would be needed"),
    ],
)
def test_the_most_that_fits_fits_and_one_more_does_not(limits, stub_here, host, most, said):
    room = room_for(None, limits, stub_here=stub_here, mqtt_host=host)
    fits = int(room.value)
    assert 0 < fits <= most
    assert said in room.text
    plan_devices(fits, None, limits, stub_here=stub_here, mqtt_host=host)
    with pytest.raises(EnvironmentFault):
        plan_devices(fits + 1, None, limits, stub_here=stub_here, mqtt_host=host)
