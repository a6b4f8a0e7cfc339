"""What shards start with: every device once, nobody's address twice, and paced unless a storm is wanted."""

from device_sim.identity import Identity
from device_sim.shards.limits import Limits
from scenarios.load.fleet.options import FleetOptions, Missing
from scenarios.load.fleet.room import plan_devices
from scenarios.load.fleet.starts import starts_of

MACHINE = Limits(descriptors=20_000, ports=28_000, cores=2, memory_bytes=2**35)
COUNT = 12_000


def starts(storm):
    options = FleetOptions(devices=COUNT, processes=2, storm=storm, seed=7, missing=Missing.parse("0"))
    plan = plan_devices(COUNT, 2, MACHINE, stub_here=True, mqtt_host="127.0.0.1")
    identities = [
        Identity(device_id=at + 1, product_id="p", name=f"d{at}", key="c2VjcmV0") for at in range(COUNT)
    ]
    return starts_of(plan, ("127.0.0.1", 1), ("127.0.0.1", 2), identities, options)


def test_each_device_is_in_one_shard_and_each_source_too():
    made = starts("none")
    ids = [identity.device_id for start in made for identity in start.identities]
    assert ids == list(range(1, COUNT + 1))
    sources = [source for start in made for source in start.sources]
    assert len(set(sources)) == len(sources) >= COUNT / 5_000
    assert [(start.shard, start.of, start.seed) for start in made] == [(0, 2, 7), (1, 2, 7)]


def test_connects_are_paced_over_all_shards_below_a_listening_sockets_queue():
    assert sum(start.connects_in_flight for start in starts("none")) < 90


def test_in_a_storm_of_the_start_all_dial_at_one_moment():
    made = starts("start")
    assert [start.connects_in_flight for start in made] == [6_000, 6_000]
    assert {start.start_spread_ms for start in made} == {0}
