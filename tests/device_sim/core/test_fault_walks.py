"""Random faults, losses of power, cards, and a network that loses much: what a device never does, and that it ends.

`Field` checks after each event that a device runs what was downloaded whole and tells what it runs; a move that is
in no table would raise. Once the faults are cleared and the power is back, each job that the platform tells ends.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from device_sim.core.events import (
    CardReplaced,
    Dropped,
    FaultsSet,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    TimePassed,
    WorldSet,
)
from device_sim.core.faults import ALWAYS, MEANINGS, PLACES, STRIKES, WHATS, Fault, Scope
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.wheel import NEVER
from device_sim.core.world import Level, Span, World
from tests.device_sim.core.field import FLOWS, Field

VALUES = {
    "at_byte": st.integers(0, 1_000),
    "rate": st.integers(50, 2_000),
    "step": st.sampled_from(sorted(STRIKES)),
    "version": st.sampled_from(["1.9", "0.1"]),
    "for_ms": st.integers(1, 60_000),
    "skew_ms": st.integers(-(10**9), 10**9),
    "boots": st.integers(1, 5),
    "at": st.sampled_from(PLACES),
}


@st.composite
def any_fault(draw):
    """Any fault that there can be."""
    what = draw(st.sampled_from(WHATS))
    meaning = MEANINGS[what]
    values = {name: draw(VALUES[name]) for name in meaning.wants}
    for name in meaning.takes:
        if draw(st.booleans()) and (name != "at_byte" or values.get("at") == "download"):
            values[name] = draw(st.sampled_from([1, 40, 101, 201]) if name == "step" else VALUES[name])
    values["times"] = draw(
        st.sampled_from([1, 2, 5, ALWAYS] if what not in {"hang", "power_loss"} else [1, 2])
    )
    if meaning.scope is Scope.JOB:
        values["attempts"] = draw(st.sampled_from([1, 3, ALWAYS]))
        values["after"] = draw(st.sampled_from([0, 0, 1]))
        values["update"] = draw(st.sampled_from([None, None, "FOTA", "SOTA"]))
    return Fault(what=what, **values)


WORLDS = st.builds(
    World,
    storage_bytes=st.sampled_from([None, None, 500]),
    battery=st.sampled_from([None, Level(start=60, swing=40, period_ms=60_000)]),
    battery_min=st.sampled_from([0, 50]),
    install=st.sampled_from([None, Span(low_ms=0, high_ms=500)]),
    reboot=st.sampled_from([None, Span(low_ms=0, high_ms=0), Span(low_ms=10, high_ms=900)]),
    boots_max=st.integers(1, 3),
    flush_bytes=st.sampled_from([0, 1, 64, 300, 16_384]),
)


def disturb(field, dice):
    """Let something happen from outside."""
    device = field.device
    event = dice.choice(
        [
            PowerCut(),
            PowerCut(dice.randrange(1, 50_000)),
            PowerBack(),
            PowerBack(),
            Dropped(),
            TimePassed(dice.randrange(1, 100_000)),
            CardReplaced(str(dice.randrange(10)), "2"),
            WorldSet(battery=dice.choice([10.0, 90.0])),
            FaultsSet(),
            PowerOff(),
        ]
    )
    field.tell(event)
    if device.link is Link.OFF and dice.random() < 0.5:
        field.tell(PowerOn())
    due_ms, rest_ms = device.due_ms, device.rest_due_ms
    assert rest_ms == NEVER or rest_ms >= due_ms


@settings(max_examples=250, deadline=None)
@given(
    flow=st.sampled_from(FLOWS),
    faults=st.lists(any_fault(), max_size=4),
    world=WORLDS,
    seed=st.integers(0, 2**32),
    passed_on=st.sampled_from([{}, {"retry": 2, "interval": 30, "power": 50}]),
)
def test_whatever_happens_a_device_ends_its_jobs(flow, faults, world, seed, passed_on):
    dice = random.Random(seed)
    profile = Profile(start_jitter_ms=20, chunk_bytes=300, poll_ms=500, download_tries=4, world=world)
    field = Field(flow, *faults, profile=profile, chaos=dice, s_version="a").on()
    passed_on = passed_on if flow == "south" else {}
    for kind in (1, 2):
        field.job(kind=kind, target=f"{kind}.9x", **passed_on)
    for _ in range(300):
        if not field.step_once() or dice.random() < 0.03:
            disturb(field, dice)
    mend(field)
    field.run(20_000)
    assert not field.device.is_busy
    assert field.device.stage is Stage.IDLE
    told = {"pending", "downloading"} if flow == "mqtt" else {"pending", "downloading", "upgrading"}
    assert {job.state for job in field.jobs}.isdisjoint(told)


def mend(field):
    """Clear the faults, charge the battery, switch off and on, and tell of the jobs that are open."""
    field.chaos = None
    field.tell(FaultsSet())
    field.tell(WorldSet(battery=100.0, signal=100.0, storage_bytes=10**9, mcu_storage_bytes=10**9))
    field.tell(PowerCut())
    field.tell(PowerBack())


@given(
    flow=st.sampled_from(FLOWS), faults=st.lists(any_fault(), min_size=1, max_size=3), seed=st.integers(0, 99)
)
def test_the_same_seed_and_faults_tell_the_same_story(flow, faults, seed):
    def tell():
        dice = random.Random(seed)
        field = Field(flow, *faults, chaos=dice).on()
        field.job()
        for _ in range(120):
            if not field.step_once():
                disturb(field, dice)
        return field.wire, field.struck, field.stages, field.now_ms

    assert tell() == tell()
