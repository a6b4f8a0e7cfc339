"""Every kind of fault, in all flows that have it, over sockets against the real stub: what a job comes to."""

import asyncio
import dataclasses

import pytest

from device_sim import FLOWS, Fault, Fleet, Recorder
from device_sim import World as Hardware
from device_sim.core.faults import ALWAYS, MEANINGS, PLACES, WHATS
from tests.device_sim.stub_world import QUICK, open_world

HASTY = dataclasses.replace(
    QUICK,
    reply_interval_ms=100,
    http_timeout_ms=2_000,
    download_tries=4,
    world=Hardware(flush_bytes=512),
    reboot_ms=5,
)

WELL = [
    Fault(what="silent"),
    Fault(what="check_fails"),
    Fault(what="cut", at_byte=1_200),
    Fault(what="cut", at_byte=0, times=2),
    Fault(what="slow", rate=40_000),
    *(Fault(what="hang", at=place, for_ms=40) for place in PLACES),
    *(Fault(what="power_loss", at=place, for_ms=40) for place in PLACES),
    Fault(what="boot_fails", boots=1),
    Fault(what="lose_reports", step=101),
    Fault(what="lose_reports", times=2),
    Fault(what="double_reports", times=ALWAYS),
    Fault(what="late_reports", for_ms=40, times=2),
    Fault(what="reconnects", for_ms=30, times=1),
    Fault(what="clock_skew", skew_ms=600_000),
    Fault(what="expired_token"),
]
BADLY = [
    (Fault(what="cut", at_byte=1_200, times=ALWAYS), 107, "1.0"),
    (Fault(what="wrong_version", version="1.5"), 204, "1.5"),
    (Fault(what="boot_fails", boots=9), 207, "1.0"),
    (Fault(what="fails", step=205), 205, "1.0"),
]


def name_of(fault):
    if isinstance(fault, Fault):
        values = [fault.at, fault.at_byte, fault.step, fault.boots]
        return "-".join([fault.what, *(str(value) for value in values if value is not None)])
    return None


def those_with(world, what):
    flows = MEANINGS[what].flows or FLOWS
    return [each.device_id for each in world.identities if each.flow in flows]


def test_every_kind_is_here():
    played = {fault.what for fault in WELL} | {fault.what for fault, *_ in BADLY}
    assert played | {"refuse_inform", "reorder_reports"} == set(WHATS)


@pytest.mark.parametrize("fault", WELL, ids=name_of)
async def test_a_job_survives(fault):
    async with open_world(8) as world:
        recorder = Recorder()
        async with Fleet(world.stub, world.identities, seed=1, profile=HASTY, recorder=recorder) as fleet:
            await fleet.ready(60)
            chosen = those_with(world, fault.what)
            fleet.set_fault(chosen, fault)
            if fault.what in {"expired_token", "clock_skew"}:
                fleet.storm(chosen)
            task = await world.order(chosen)
            await let_go_on(world, fleet, task, fault)
            await world.until(task, success=len(chosen))
            await fleet.idle(60)
            assert fleet.snapshot().jobs_failed == 0
            assert {(await world.versions())[at] for at in chosen} == {"2.0"}
            async with asyncio.timeout(
                30
            ):  # a fault about no job may strike after it, and again before others'
                while not all(has_struck(recorder, fault, device_id) for device_id in chosen):
                    await asyncio.sleep(0.01)
            await fleet.ready(60)


def has_struck(recorder, fault, device_id):
    return any(
        entry.what == "struck" and entry.text.startswith(fault.what) for entry in recorder.story(device_id)
    )


async def let_go_on(world, fleet, task, fault):
    """A device that did not react is told again when it comes back."""
    if fault.what != "silent":
        return
    async with asyncio.timeout(30):
        while fleet.snapshot().struck.get("silent", 0) < 8:
            await asyncio.sleep(0.01)
    fleet.power_off(fleet.device_ids)
    fleet.power_on(fleet.device_ids)


@pytest.mark.parametrize(("fault", "step", "version"), BADLY, ids=name_of)
async def test_a_job_fails(fault, step, version):
    async with open_world(8) as world, Fleet(world.stub, world.identities, seed=1, profile=HASTY) as fleet:
        await fleet.ready(60)
        fleet.set_fault(fleet.device_ids, fault)
        task = await world.order()
        await world.until(task, failed=8)
        await fleet.idle(60)
        assert fleet.snapshot().failed_steps == {step: 8}
        assert set((await world.versions()).values()) == {version}
        fleet.set_faults(fleet.device_ids, ())
        task = await world.order(package=await world.add_package("3.0"))
        await world.until(task, success=8)


async def test_a_device_that_refuses_to_be_told_is_told_again():
    async with open_world(8) as world, Fleet(world.stub, world.identities, seed=1, profile=HASTY) as fleet:
        await fleet.ready(60)
        chosen = those_with(world, "refuse_inform")
        fleet.set_fault(chosen, Fault(what="refuse_inform", times=2))
        task = await world.order(chosen)
        async with asyncio.timeout(30):
            while fleet.snapshot().struck.get("refuse_inform", 0) < 2:
                await asyncio.sleep(0.01)
        assert (await world.counts(task))["pending"] == 2
        for _ in range(2):
            fleet.storm(chosen)
            await fleet.ready(60)
        await world.until(task, success=2)


async def test_reports_out_of_order():
    """201 before 101: what the platform makes of it is its own; the device ends its job either way."""
    async with open_world(8) as world, Fleet(world.stub, world.identities, seed=1, profile=HASTY) as fleet:
        await fleet.ready(60)
        fleet.set_fault(fleet.device_ids, Fault(what="reorder_reports"))
        await world.order()
        async with asyncio.timeout(30):
            while sum(jobs_done(fleet.snapshot())) < 8:
                await asyncio.sleep(0.01)
        await fleet.idle(60)
        assert fleet.snapshot().struck == {"reorder_reports": 8}


def jobs_done(seen):
    return seen.jobs_succeeded, seen.jobs_failed, seen.jobs_ended
