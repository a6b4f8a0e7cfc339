"""Over how many processes a fleet goes, and what is refused: at the edges of each limit."""

from dataclasses import replace

import pytest

from device_sim.shards.limits import Limits, read_limits
from device_sim.shards.plan import loopback_source, plan, share_out
from platform_stub.protocol.errors import EnvironmentFault, UsageFault

TWO_CORES = Limits(descriptors=20_000, ports=28_232, cores=2, memory_bytes=8 << 30)


@pytest.mark.parametrize(
    ("devices", "cores", "processes"),
    [(1, 2, 1), (10_000, 2, 1), (10_001, 2, 2), (19_000, 2, 2), (5_000, 8, 1), (5_001, 8, 2), (19_000, 8, 4)],
)
def test_how_many_processes(devices, cores, processes):
    assert plan(devices, replace(TWO_CORES, cores=cores)).processes == processes


def test_it_says_so():
    assert plan(19_000, TWO_CORES, stub_here=True).text == (
        "19,000 devices need 1 stub process and 2 fleet processes here"
    )
    assert plan(1, TWO_CORES, processes=1).text == "1 device goes over 1 fleet process here"


def test_shares_have_all_devices_once_and_no_address_twice():
    made = plan(19_001, TWO_CORES, processes=3)
    assert [(share.first, share.stop) for share in made.shares] == [
        (0, 6_334),
        (6_334, 12_668),
        (12_668, 19_001),
    ]
    sources = [source for share in made.shares for source in share.sources]
    assert sources == [f"127.0.0.{at}" for at in range(2, 8)]
    assert sum(share.in_flight.connects for share in made.shares) == 80
    assert sum(share.in_flight.downloads for share in made.shares) == 64


def test_few_devices_come_from_the_systems_choice_of_address():
    assert {share.sources for share in plan(5_000, TWO_CORES, processes=2).shares} == {()}


def test_no_more_processes_than_devices():
    assert plan(3, TWO_CORES, processes=8).processes == 3


@pytest.mark.parametrize(
    ("devices", "options", "said"),
    [
        (19_777, {"stub_here": True}, "which is enough for 19,776; raise the limit"),
        (60_000, {"processes": 2}, "take 6 processes, or raise the limit (ulimit -Hn 30160)"),
        (28_105, {"is_loopback": False}, "28,104 devices fit; widen net.ipv4.ip_local_port_range"),
        (700_000, {}, "70 processes, and at most 64 are taken here"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would_be_needed(devices, options, said):
    with pytest.raises(EnvironmentFault) as caught:
        plan(devices, replace(TWO_CORES, memory_bytes=None), **options)
    assert said in str(caught.value)


def test_just_so_many_fit():
    assert plan(19_776, TWO_CORES, stub_here=True).devices == 19_776
    assert plan(28_104, TWO_CORES, is_loopback=False).devices == 28_104


def test_too_little_memory():
    with pytest.raises(EnvironmentFault, match="MiB are free"):
        plan(19_000, replace(TWO_CORES, memory_bytes=64 << 20))


@pytest.mark.parametrize("processes", [0, -1, 65])
def test_an_impossible_number_of_processes(processes):
    with pytest.raises(UsageFault, match="1 to 64 are wanted"):
        plan(100, TWO_CORES, processes=processes)


def test_devices_that_hold_no_connection_need_no_descriptor():
    assert plan(60_000, TWO_CORES, processes=2, connections=0).processes == 2


def test_parts():
    assert share_out(10, 4) == [3, 3, 2, 2]
    assert [loopback_source(at) for at in (0, 252, 253)] == ["127.0.0.2", "127.0.0.254", "127.0.1.2"]


def test_this_machine():
    seen = read_limits()
    assert seen.descriptors > 0
    assert seen.ports > 1_000
    assert seen.cores >= 1
