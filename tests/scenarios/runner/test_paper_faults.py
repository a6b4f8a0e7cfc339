"""Which faults and worlds leave a job's end certain, and which do not; a kind that nobody thought of does not."""

import pytest

from device_sim.core.faults import ALWAYS, Fault
from device_sim.core.world import STURDY, Level, Span, World
from scenarios.runner.paper_faults import Wanted, is_enough, leaves_no_doubt

JOB = Wanted(kind="FOTA", size_bytes=4_096, battery=50, signal=10, expires_ms=600_000)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(what="slow", rate=1_024),
        Fault(what="cut", at_byte=100, times=3),
        Fault(what="check_fails", times=2),
        Fault(what="lose_reports", times=1),
        Fault(what="double_reports", times=ALWAYS),
        Fault(what="late_reports", for_ms=500, times=4),
        Fault(what="hang", at="install", for_ms=60_000),
        Fault(what="boot_fails", boots=2),
        Fault(what="reconnects", for_ms=20_000),
        Fault(what="fails", step=205, update="SOTA"),
    ],
    ids=lambda fault: fault.what,
)
def test_what_only_delays_leaves_no_doubt(fault):
    assert leaves_no_doubt(fault, STURDY, JOB)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(what="slow", rate=10),
        Fault(what="cut", at_byte=100, times=ALWAYS),
        Fault(what="lose_reports", times=ALWAYS),
        Fault(what="late_reports", for_ms=500_000),
        Fault(what="hang", at="install"),
        Fault(what="hang", at="install", for_ms=500_000),
        Fault(what="boot_fails"),
        Fault(what="boot_fails", boots=3),
        Fault(what="fails", step=205),
        Fault(what="silent"),
        Fault(what="power_loss", at="install", for_ms=10),
        Fault(what="wrong_version", version="9"),
        Fault(what="reorder_reports"),
        Fault(what="clock_skew", skew_ms=10),
    ],
    ids=lambda fault: fault.what,
)
def test_what_may_change_the_outcome_does(fault):
    assert not leaves_no_doubt(fault, STURDY, JOB)


@pytest.mark.parametrize(
    ("world", "enough"),
    [
        (STURDY, True),
        (World(storage_bytes=4_096), True),
        (World(storage_bytes=4_095), False),
        (World(mcu_storage_bytes=1), True),  # of no use to a FOTA job
        (World(battery=Level(start=50)), True),
        (World(battery=Level(start=49)), False),
        (World(battery=Level(start=90, per_hour=-1)), False),
        (World(battery=Level(start=60, swing=11)), False),
        (World(battery=Level(start=60), battery_min=61), False),
        (World(signal=Level(start=9)), False),
        (World(install=Span(low_ms=0, high_ms=100_000), reboot=Span(low_ms=0, high_ms=50_000)), True),
        (World(install=Span(low_ms=0, high_ms=100_000), reboot=Span(low_ms=0, high_ms=50_001)), False),
    ],
)
def test_whether_a_world_can_stand_in_the_way(world, enough):
    assert is_enough(world, JOB) is enough
