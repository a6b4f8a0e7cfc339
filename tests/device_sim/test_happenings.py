"""What can be made to happen to a fleet's devices, in all flows, against the real stub."""

import asyncio
import dataclasses
import hashlib

import msgspec
import pytest

from device_sim import FLOWS, Fault, Fleet, FleetError, Level, Recorder, Span
from device_sim import World as Hardware
from device_sim.core.faults import ALWAYS
from platform_stub.protocol.errors import UsageFault
from tests.device_sim.stub_world import PACKAGE, QUICK, open_world

KEY = "c2Vjb25kIGtleSBvZiBhIGRldmljZSwgMzIgYnl0ZXM="
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def by_flow(world, flow):
    return [each.device_id for each in world.identities if each.flow == flow]


async def until(condition, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def world():
    async with open_world(12) as world:
        yield world


# storms


async def test_three_hundred_devices_come_back_after_a_storm_in_the_middle_of_their_jobs():
    async with open_world(300) as world:
        patient = dataclasses.replace(QUICK, poll_ms=500)
        async with Fleet(world.stub, world.identities, seed=1, profile=patient) as fleet:
            await fleet.ready(60)
            task = await world.order()
            await world.until_any(task)
            for _ in range(3):
                fleet.storm(fleet.device_ids)
                assert (
                    fleet.snapshot().flows["mqtt"].present == 0
                )  # over HTTP no connection is a device's own
                await fleet.ready(60)
            await world.until(task, success=300)
            await fleet.idle(60)
            seen = fleet.snapshot()
            assert (seen.present, seen.jobs_succeeded, seen.jobs_failed) == (300, 300, 0)
            assert set((await world.versions()).values()) == {"2.0"}


async def test_a_storm_of_devices_with_bells_has_them_told_again(world):
    told = dataclasses.replace(QUICK, inform=True, poll_ms=HOUR_MS)
    async with Fleet(world.stub, world.identities, seed=1, profile=told) as fleet:
        await fleet.ready(60)
        fleet.storm(fleet.device_ids)
        await fleet.ready(60)
        task = await world.order()
        await world.until(task, success=12)
        await fleet.idle(60)


# power


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("flush_bytes", [500, 0], ids=["flushed", "not flushed"])
async def test_a_download_that_loses_its_power_goes_on_or_begins_anew(world, flow, flush_bytes):
    """Cut at byte 1,700 of 3,072: with 500 flushed at a time the rest is asked for, without all of it (twice 1,700)."""
    hardware = Hardware(flush_bytes=flush_bytes)
    profile = dataclasses.replace(QUICK, world=hardware, chunk_bytes=100)
    recorder = Recorder()
    device_ids = by_flow(world, flow)
    async with Fleet(world.stub, world.identities, seed=1, profile=profile, recorder=recorder) as fleet:
        await fleet.ready(60)
        fleet.set_fault(device_ids, Fault(what="power_loss", at="download", at_byte=1_700, for_ms=HOUR_MS))
        before = recorder.mark()
        task = await world.order(device_ids)
        await until(lambda: fleet.resting == 3)
        assert {fleet.device(at).link for at in device_ids} == {"off"}
        assert 0 < fleet.rest_ms() <= HOUR_MS
        fleet.pass_time(HOUR_MS)
        await world.until(task, success=3)
        await fleet.idle(60)
        ranges = recorder.counts(device_ids, way="received", what="download", since=before)
        assert fleet.snapshot().jobs_failed == 0
        whole = -(-len(PACKAGE) // 100)
        expected = {31, 32, 33, 34, 35, 36, 37} if flush_bytes else {whole + 17, whole + 18}
        assert set(ranges.values()) <= expected
        for device_id in device_ids:
            words = [entry.what for entry in recorder.story(device_id)]
            assert words.index("struck") < words.index("power_off") < words.index("power_on")
            assert words[-1] != "power_on"
            assert fleet.device(device_id).f_version == "2.0"


async def test_devices_that_are_off_are_not_waited_for_and_work_when_they_are_on_again(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        fleet.power_off(fleet.device_ids)
        assert fleet.snapshot().present == 0
        task = await world.order()
        await fleet.idle(60)  # nothing happens by itself
        assert fleet.resting == 0
        assert fleet.rest_ms() is None
        assert (await world.counts(task))["pending"] == 12
        assert fleet.why(world.identities[0].device_id).startswith("is off")
        fleet.power_off(fleet.device_ids)  # off is off
        fleet.power_on(fleet.device_ids)
        fleet.power_on(fleet.device_ids)
        await fleet.ready(60)
        await world.until(task, success=12)


async def test_power_that_is_back_by_itself_is_waited_for(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        fleet.power_off(fleet.device_ids, for_ms=50)
        assert fleet.resting == 12
        await fleet.idle(60)
        await fleet.ready(60)
        assert fleet.resting == 0
        with pytest.raises(UsageFault, match="at least 1 is wanted"):
            fleet.power_off(fleet.device_ids, for_ms=0)


async def test_a_device_that_leaves_while_it_is_off_is_not_waited_for_and_stays_away(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        off = fleet.device_ids[:6]
        fleet.power_off(off, for_ms=300)
        assert fleet.snapshot().busy == 6
        await fleet.remove(off)
        await fleet.idle(0)
        assert (fleet.resting, fleet.snapshot().devices) == (0, 6)
        fleet.pass_time(HOUR_MS)
        await fleet.ready(60)
        assert fleet.snapshot().present == 6
        fleet.add(world.identities[:6])
        await fleet.ready(60)
        assert fleet.snapshot().present == 12


async def test_bells_lose_their_power_with_the_device(world):
    told = dataclasses.replace(QUICK, inform=True, poll_ms=HOUR_MS)
    async with Fleet(world.stub, world.identities, seed=1, profile=told) as fleet:
        await fleet.ready(60)
        fleet.power_off(fleet.device_ids)
        task = await world.order()
        await fleet.idle(60)
        assert (await world.counts(task))["pending"] == 12
        fleet.power_on(fleet.device_ids)
        await fleet.ready(60)
        await world.until(task, success=12)
        fleet.set_fault(fleet.device_ids, Fault(what="power_loss", at="install", for_ms=30))
        task = await world.order(package=await world.add_package("3.0"))
        await world.until(task, success=12)
        await fleet.ready(60)


# time


@pytest.mark.parametrize("flow", FLOWS)
async def test_installs_take_running_time_that_can_be_passed(world, flow):
    hardware = Hardware(
        install=Span(low_ms=HOUR_MS, high_ms=2 * HOUR_MS), reboot=Span(low_ms=60_000, high_ms=60_000)
    )
    profile = dataclasses.replace(QUICK, world=hardware)
    device_ids = by_flow(world, flow)
    async with Fleet(world.stub, world.identities, seed=1, profile=profile) as fleet:
        await fleet.ready(60)
        task = await world.order(device_ids)
        await until(lambda: fleet.resting == 3)
        with pytest.raises(FleetError, match="3 of 12 devices are still busy"):
            await fleet.idle(0.05)
        assert HOUR_MS - 30_000 < fleet.rest_ms() <= 2 * HOUR_MS
        assert {fleet.device(at).stage for at in device_ids} == {"installing"}
        assert "installing" in fleet.why(device_ids[0])
        for _ in range(10):
            if fleet.rest_ms() is None:
                break
            fleet.pass_time(fleet.rest_ms())
            await fleet_settles(fleet)
        await world.until(task, success=3)
        await fleet.idle(60)
        with pytest.raises(UsageFault, match="time goes forward"):
            fleet.pass_time(-1)


async def fleet_settles(fleet):
    """Wait until whoever is busy rests."""
    await until(lambda: fleet.resting == fleet.snapshot().busy)


# levels


@pytest.mark.parametrize("flow", FLOWS)
async def test_levels_are_set_while_the_fleet_runs(world, flow):
    profile = dataclasses.replace(
        QUICK, world=Hardware(battery=Level(start=90), battery_min=30, signal_min=10)
    )
    device_ids = by_flow(world, flow)
    async with Fleet(world.stub, world.identities, seed=1, profile=profile) as fleet:
        await fleet.ready(60)
        fleet.set_world(device_ids[:1], battery=12)
        fleet.set_world(device_ids[1:2], storage_bytes=1_000)
        task = await world.order(device_ids)
        await world.until(task, success=1, failed=2)
        await fleet.idle(60)
        assert fleet.snapshot().failed_steps == {102: 1, 105: 1}
        assert fleet.why(device_ids[0]).count("battery at 12 %") == 1
        fleet.set_world(device_ids, battery=80, storage_bytes=10_000_000)
        task = await world.order(device_ids, await world.add_package("3.0"))
        await world.until(task, success=3)
    with pytest.raises(UsageFault, match="per cent are wanted"):
        fleet.set_world(device_ids, battery=101)
    with pytest.raises(UsageFault, match="storage_bytes = -1"):
        fleet.set_world(device_ids, storage_bytes=-1)


# faults


async def test_faults_are_replaced_and_cleared_while_the_fleet_runs(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        fleet.set_faults(fleet.device_ids, [Fault(what="fails", step=205, attempts=ALWAYS)])
        task = await world.order()
        await world.until(task, failed=12)
        fleet.set_faults(fleet.device_ids[:6], ())
        task = await world.order(package=await world.add_package("3.0"))
        await world.until(task, success=6, failed=6)
        fleet.set_fault(fleet.device_ids, None)
        task = await world.order(package=await world.add_package("4.0"))
        await world.until(task, success=12)
        with pytest.raises(UsageFault, match="1 device IDs are not in this fleet: 999"):
            fleet.set_faults([999], ())


# clocks and tokens


async def test_a_clock_that_is_wrong_keeps_mqtt_out_and_is_set_by_the_date_over_http(world):
    """Tokens that ended days ago: refused over MQTT until the clock is right; over HTTP set by the answer's Date."""
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        fleet.set_fault(fleet.device_ids, Fault(what="clock_skew", skew_ms=-3 * DAY_MS))
        fleet.storm(fleet.device_ids)
        mqtt = set(by_flow(world, "mqtt"))
        await until(lambda: fleet.snapshot().calls_refused >= 9)
        with pytest.raises(FleetError, match="3 of 12 devices are not ready"):
            await fleet.ready(60)
        assert fleet.snapshot().refused
        assert {at for at in fleet.device_ids if fleet.device(at).link == "present"} == set(
            fleet.device_ids
        ) - mqtt
        assert "refused" in fleet.why(min(mqtt))
        fleet.set_faults(fleet.device_ids, ())
        await fleet.ready(60)
        task = await world.order()
        await world.until(task, success=12)


async def test_a_fleet_with_account_time_has_skewed_clocks_too(world):
    """The runner's fleets know the account's clock; a device's own can be wrong all the same."""
    clock = (await world.ask("GET", f"/v1/accounts/{world.account}/clock"))["now_ms"]
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK, now_ms=lambda: clock) as fleet:
        await fleet.ready(60)
        http = [at for at in fleet.device_ids if at not in by_flow(world, "mqtt")]
        fleet.set_fault(http, Fault(what="clock_skew", skew_ms=-2 * DAY_MS))
        task = await world.order(http)
        await world.until(task, success=9)
        assert fleet.snapshot().calls_refused >= 9


async def test_an_expired_token_is_refused_once_and_then_signed_anew(world):
    recorder = Recorder(wire=True)
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK, recorder=recorder) as fleet:
        await fleet.ready(60)
        fleet.set_fault(fleet.device_ids, Fault(what="expired_token"))
        fleet.storm(fleet.device_ids)
        await until(lambda: fleet.snapshot().calls_refused == 9)
        await fleet.ready(60)
        seen = fleet.snapshot()
        assert sum(seen.refused.values()) == 3
        assert seen.calls_refused == 9
        assert "struck" in {entry.what for entry in recorder.story(1)}


# cards


async def test_cards_are_replaced_in_the_middle_of_a_download_and_while_a_device_is_off(world):
    async with Fleet(
        world.stub, world.identities, seed=1, profile=QUICK, downloads_in_flight=1, calls_in_flight=2
    ) as fleet:
        await fleet.ready(60)
        task = await world.order()
        await world.until_any(task)
        off = list(fleet.device_ids[:4])
        fleet.power_off(off)
        cards = {at: (f"8986{at:04}", f"46000{at:04}") for at in fleet.device_ids}
        await fleet.replace_cards(cards, 30)
        assert {at: (fleet.device(at).iccid, fleet.device(at).imsi) for at in off} == {
            at: cards[at] for at in off
        }
        posted = await known_cards(world)
        mqtt = by_flow(world, "mqtt")
        assert {at: posted[at] for at in mqtt if at not in off} == {
            at: cards[at] for at in mqtt if at not in off
        }
        assert all(posted[at] != cards[at] for at in mqtt if at in off)
        fleet.power_on(off)
        await fleet.ready(60)
        await world.until(task, success=12)
        await fleet.idle(60)
        posted = await known_cards(world)
        assert {at: posted[at] for at in mqtt} == {at: cards[at] for at in mqtt}


async def known_cards(world):
    found = await world.ask("GET", f"/v1/accounts/{world.account}/devices?limit=1000")
    return {each["device_id"]: (each["iccid"], each["imsi"]) for each in found["devices"]}


async def test_two_devices_swap_their_cards(world):
    one, two = by_flow(world, "mqtt")[:2]
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        await fleet.replace_cards({one: ("1", "11"), two: ("2", "22")}, 30)
        await fleet.replace_cards({one: ("2", "22"), two: ("1", "11")}, 30)
        posted = await known_cards(world)
        assert (posted[one], posted[two]) == (("2", "22"), ("1", "11"))


# keys


async def test_renewed_keys_sign_from_the_next_login_or_call_on(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        await fleet.ready(60)
        for device_id in fleet.device_ids:
            await world.ask("POST", f"/v1/devices/{device_id}/key", {"key": KEY})
        with pytest.raises(FleetError, match="12 of 12 devices are not ready"):
            await all_are_refused(fleet)
        fleet.renew_keys(dict.fromkeys(fleet.device_ids, KEY))
        await fleet.ready(60)
        task = await world.order()
        await world.until(task, success=12)
        with pytest.raises(UsageFault, match=r"device 1: the access key is not base64"):
            fleet.renew_keys({1: "?"})
        assert fleet.snapshot().present == 12


async def all_are_refused(fleet):
    await until(lambda: fleet.snapshot().present == 0)
    await fleet.ready(60)


# habits


async def test_devices_with_habits_of_their_own_share_a_fleet(world):
    """Three with a bell that hardly ever ask, three that install for an hour, and the rest."""
    told = dataclasses.replace(QUICK, flow="studio", inform=True, poll_ms=HOUR_MS)
    slow = dataclasses.replace(QUICK, world=Hardware(install=Span(low_ms=HOUR_MS, high_ms=HOUR_MS)))
    plain = [msgspec.structs.replace(each, flow=None) for each in world.identities]
    async with Fleet(world.stub, plain[:6], seed=1, profile=QUICK) as fleet:
        fleet.add(plain[6:9], profile=told)
        fleet.add(plain[9:], profile=slow)
        await fleet.ready(60)
        assert {name: flow.devices for name, flow in fleet.snapshot().flows.items()} == {
            "mqtt": 9,
            "studio": 3,
        }
        task = await world.order()
        await world.until(task, success=9)
        await until(lambda: fleet.resting == 3)
        fleet.pass_time(HOUR_MS)
        await world.until(task, success=12)
        await fleet.remove(fleet.device_ids)
        assert fleet.snapshot().devices == 0
        assert fleet.resting == 0


# what is kept


@pytest.mark.parametrize("flow", FLOWS)
async def test_the_story_and_the_wire_of_a_job(world, flow):
    recorder = Recorder(wire=True)
    chosen = by_flow(world, flow)
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK, recorder=recorder) as fleet:
        await fleet.ready(60)
        before = recorder.mark()
        task = await world.order(chosen)
        await world.until(task, success=3)
        await fleet.idle(60)
        report = "ota/status" if flow == "mqtt" else "status"
        for step in (101, 201):
            assert recorder.counts(chosen, way="sent", what=report, step=step, since=before) == dict.fromkeys(
                chosen, 1
            )
        assert recorder.count(chosen, way="sent", what="download") == 3 * 4
        assert recorder.count(None, way="received", what="download") == 3 * 4
        if flow == "mqtt":
            assert recorder.counts(chosen, way="received", what="ota/inform") == dict.fromkeys(chosen, 1)
            assert recorder.count(chosen, way="received", what="ota/status_reply", since=before) == 9
    story = recorder.story(chosen[0])
    words = [entry.what for entry in story]
    assert words[0] == "report"  # its versions
    assert words.index("online") < words.index("job") < words.index("ended")
    assert words[-1] == "offline"
    assert [entry.at_ms for entry in story] == sorted(entry.at_ms for entry in story)
    job = next(entry for entry in story if entry.what == "job")
    assert job.text == "FOTA to 2.0, 3,072 bytes"
    assert (job.tid > 0) == (flow != "south")
    steps = [entry.step for entry in story if entry.what == "report" and entry.step]
    assert steps == [32, 101, 201]
    ended = next(entry for entry in story if entry.what == "ended")
    assert (ended.tid, ended.step, ended.text) == (job.tid, 201, "succeeded")
    stages = [entry.text for entry in story if entry.what == "stage"]
    assert [stage for stage in ("fetching", "progressing", "downloaded", "updated") if stage in stages] == [
        "fetching",
        "progressing",
        "downloaded",
        "updated",
    ]
    assert recorder.story(999) == ()
    if flow == "mqtt":
        assert next(entry for entry in story if entry.what == "told").text == "FOTA to 2.0"
    assert not recorder.is_cut(chosen[0])
    check_wire(recorder.wire(chosen[0]), flow)


def check_wire(wire, flow):
    """Packages leave no byte; everything else is there as it was."""
    parts = [each for each in wire if each.way == "received" and each.name == "download"]
    assert [(each.status, each.size_bytes) for each in parts] == [
        (206, 1_000),
        (206, 1_000),
        (206, 1_000),
        (206, 72),
    ]
    assert parts[0].payload == b"bytes 0-999/3072"
    asked = [each for each in wire if each.way == "sent" and each.payload.startswith(b"bytes=")]
    assert [each.payload for each in asked][:2] == [b"bytes=0-999", b"bytes=1000-1999"]
    assert all(PACKAGE[:16] not in each.payload for each in wire)
    if flow == "mqtt":
        assert {each.name for each in wire if each.protocol == "mqtt"} == {
            "/ota/version",
            "/ota/version_reply",
            "/ota/inform",
            "/ota/inform_reply",
            "/ota/status",
            "/ota/status_reply",
        }
    else:
        said = [each for each in wire if each.way == "sent" and each.name.startswith("POST")]
        assert any(b"101" in each.payload for each in said)
        assert all(each.status == 200 for each in wire if each.way == "received" and each.name == "status")
    digest = hashlib.md5(PACKAGE, usedforsecurity=False).hexdigest().encode()
    assert any(digest in each.payload for each in wire if each.way == "received")


async def test_what_is_kept_is_bounded_and_what_is_counted_is_not(world):
    recorder = Recorder(story_max=5, wire=True, wire_max=4)
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK, recorder=recorder) as fleet:
        await fleet.ready(60)
        for target in ("2.0", "3.0"):
            package = world.package if target == "2.0" else await world.add_package(target)
            task = await world.order(package=package)
            await world.until(task, success=12)
            await fleet.idle(60)
        assert recorder.count(None, way="sent", what="download") == 12 * 4 * 2
    assert {len(recorder.story(at)) for at in range(1, 13)} == {5}
    assert {len(recorder.wire(at)) for at in range(1, 13)} == {4}
    assert all(recorder.is_cut(at) for at in range(1, 13))


async def test_without_a_recorder_nothing_is_kept(world):
    async with Fleet(world.stub, world.identities, seed=1, profile=QUICK) as fleet:
        assert fleet.recorder is None
        await fleet.ready(60)
        assert fleet.why(1) == "is online; and was given no job"
        task = await world.order()
        await world.until(task, success=12)
        await fleet.idle(60)
        assert "its last job" in fleet.why(1)
        assert "succeeded" in fleet.why(1)
        with pytest.raises(UsageFault, match="not in this fleet: 77"):
            fleet.why(77)
