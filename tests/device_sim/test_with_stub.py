"""All four flows in one fleet against the real stub: jobs, faults, cancelling, pausing, and a stub that goes wrong."""

import dataclasses
import itertools

import msgspec
import pytest
from aiohttp import ClientSession

from device_sim import FLOWS, Endpoint, Fault, Fleet
from platform_stub.server import Stub
from tests.device_sim.stub_world import PACKAGE, QUICK, World, open_world


@pytest.fixture
async def world(request):
    """A stub, strict where the test says so, and 40 devices."""
    async with open_world(40, strict=getattr(request, "param", False)) as world:
        yield world


async def test_all_flows_update_one_after_the_other_kind(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        task = await world.order()
        await world.until(task, success=40)
        await fleet.idle(60)
        seen = fleet.snapshot()
        assert {name: flow.jobs_succeeded for name, flow in seen.flows.items()} == dict.fromkeys(FLOWS, 10)
        assert (seen.jobs_failed, seen.jobs_ended, seen.notes) == (0, 0, 0)
        assert seen.downloaded_bytes == 40 * len(PACKAGE)
        assert set((await world.versions()).values()) == {"2.0"}
        task = await world.order(package=await world.add_package("app-2", "SOTA"))
        await world.until(task, success=40)
        await fleet.idle(60)
        assert {fleet.device(at).s_version for at in fleet.device_ids} == {"app-2"}


@pytest.mark.parametrize("world", [True], ids=["strict"], indirect=True)
async def test_the_narrower_reading_of_the_documentation(world):
    """Where generation A takes product keys alone. MQTT is slowed down there, and left out."""
    devices = [
        msgspec.structs.replace(each, product_key=world.product_key)
        for each in world.identities
        if each.flow != "mqtt"
    ]
    chosen = [each.device_id for each in devices]
    async with Fleet(world.stub, devices, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        task = await world.order(chosen)
        await world.until(task, success=30)
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0


async def test_faults_of_every_step_in_every_flow(world):
    steps = [102, 107, 202, 204, 205, 206, 207, 103, 104, 105]
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        for each, step in zip(
            world.identities, itertools.chain.from_iterable([s] * 4 for s in steps), strict=True
        ):
            fleet.set_fault([each.device_id], Fault(what="fails", step=step))
        task = await world.order()
        await world.until(task, failed=40)
        await fleet.idle(60)
        assert fleet.snapshot().failed_steps == dict.fromkeys(steps, 4)
        assert set((await world.versions()).values()) == {"1.0"}


async def test_a_package_for_another_model_fails_the_jobs_of_devices_that_say_theirs(world):
    """errno 8 at the check, step 107; a device that says nothing of itself, or all of it rightly, is updated."""
    said = itertools.cycle([{}, {"manufacturer": "102"}, {"manufacturer": "102", "model": "9"}])
    devices = [msgspec.structs.replace(each, flow="south", **next(said)) for each in world.identities[:6]]
    async with Fleet(world.stub, devices, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        package = await world.add_package("2.1", more="&manufacturer=102&model=10101")
        task = await world.order([each.device_id for each in devices], package)
        await world.until(task, success=4, failed=2)
        await fleet.idle(60)
        assert {entry.what for entry in fleet.trace} == {
            "check was answered 8 manufacturer or model mismatch"
        }
    jobs = (await world.ask("GET", f"/v1/tasks/{task}/jobs"))["jobs"]
    assert {job["device_id"]: job["step"] for job in jobs if job["state"] == "failed"} == {
        each.device_id: 107 for each in devices if each.model == "9"
    }


async def test_cancelling_and_coming_back(world):
    async with Fleet(
        world.stub, world.identities, seed=1, profile=QUICK, downloads_in_flight=1, calls_in_flight=4
    ) as fleet:
        await fleet.ready(60)
        task = await world.order()
        await world.ask("POST", f"/v1/tasks/{task}/cancellation")
        await fleet.idle(60)
        counts = await world.counts(task)
        assert counts["success"] + counts["cancelled"] == 40
        seen = fleet.snapshot()
        assert (seen.jobs_failed, seen.jobs_succeeded) == (0, counts["success"])
        await fleet.remove([each.device_id for each in world.identities[:20]])
        fleet.add(world.identities[:20])
        await fleet.ready(60)
        task = await world.order(package=await world.add_package("3.0"))
        await world.until(task, success=40)
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0


async def test_pausing_and_resuming(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        task = await world.order()
        await world.ask("POST", f"/v1/tasks/{task}/pause")
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0
        await world.ask("POST", f"/v1/tasks/{task}/resume")
        await world.until(task, success=40)
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0


async def test_devices_that_are_told_over_mqtt_need_not_ask_often(world):
    told = dataclasses.replace(QUICK, inform=True, poll_ms=3_600_000)
    async with Fleet(world.stub, world.identities, seed=1, profile=told) as fleet:
        await fleet.ready(60)
        task = await world.order()
        await world.until(task, success=40)
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0


async def test_a_stub_that_is_gone_in_the_middle_and_comes_back_with_its_data(tmp_path):
    async with Stub(data=tmp_path) as stub, ClientSession(stub.http_url) as session:
        world = World(session, stub)
        await world.populate(40)
        where = {"http": stub.http_address, "mqtt": stub.mqtt_address}
        target = Endpoint(http_address=stub.http_address, mqtt_address=stub.mqtt_address)
        fleet = Fleet(target, world.identities, seed=1, profile=QUICK, downloads_in_flight=2)
        await fleet.__aenter__()
        await fleet.ready(60)
        task = await world.order()
        await world.until_any(task)
    try:
        async with Stub(data=tmp_path, **where) as stub, ClientSession(stub.http_url) as session:
            world.session = session
            await world.until(task, success=40)
            await fleet.ready(60)
            await fleet.idle(60)
            seen = fleet.snapshot()
            assert (seen.present, seen.jobs_failed) == (40, 0)
            assert seen.reconnects
            assert set((await world.versions()).values()) == {"2.0"}
    finally:
        await fleet.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "rule",
    [
        {"call": "status", "status": 503, "times": 2},
        {"call": "check", "silent": True, "times": 1},
        {"call": "download", "cut_at_bytes": 100, "times": 3},
        {"call": "any", "delay_ms": 30},
    ],
    ids=["503", "silent", "cut", "late"],
)
async def test_a_stub_that_goes_wrong_fails_no_job(world, rule):
    hasty = dataclasses.replace(QUICK, reply_interval_ms=200, http_timeout_ms=500)
    async with Fleet(world.stub, world.identities, seed=1, profile=hasty) as fleet:
        await fleet.ready(60)
        await world.ask("POST", "/v1/injected-faults", rule)
        task = await world.order()
        await world.until(task, success=40)
        await fleet.idle(60)
        assert fleet.snapshot().jobs_failed == 0


async def test_devices_set_their_clock_by_the_platforms(world):
    """A fleet that knows nothing of the account's clock goes on after it has moved three days (W: `Date`)."""
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        await world.ask("PUT", f"/v1/accounts/{world.account}/clock", {"advance_ms": 3 * 86_400_000})
        task = await world.order()
        await world.until(task, success=40)
        await fleet.idle(60)
