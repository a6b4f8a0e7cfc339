"""Fleets that speak HTTP against a small platform on plain sockets, and mixed with MQTT."""

import asyncio
import dataclasses

import msgspec
import pytest

from device_sim import Endpoint, Fault, Fleet, FleetError, Identity, Outcome, Profile
from device_sim.http_agent import ANSWER_BYTES_MAX
from platform_stub.protocol import messages, topics
from platform_stub.protocol.errors import UsageFault
from tests.device_sim.core.http_story import FLOWS
from tests.device_sim.http_platform import CUT, HANG, HttpPlatform, fail_in_one_byte, unavailable
from tests.device_sim.platform import KEY, PACKAGE, Platform, failed_to_connect, identities

QUICK = Profile(
    flow="fuse",
    poll_ms=40,
    start_jitter_ms=20,
    chunk_bytes=1_000,
    backoff_base_ms=20,
    backoff_max_ms=100,
    refused_base_ms=40,
    download_retry_ms=20,
    card_swap_ms=20,
)
every_flow = pytest.mark.parametrize("flow", FLOWS)


def profile(flow, **changes):
    return dataclasses.replace(QUICK, flow=flow, **changes)


def names(count):
    return [f"dev-{at}" for at in range(1, count + 1)]


async def finished(platform, fleet, jobs, step=201):
    await platform.until(lambda: all(job.steps and job.steps[-1] == step for job in jobs))
    await fleet.idle(60)


@every_flow
async def test_a_fleet_updates_over_a_bounded_number_of_connections(flow):
    async with (
        HttpPlatform() as platform,
        Fleet(
            platform, identities(120), seed=1, profile=profile(flow), calls_in_flight=9, downloads_in_flight=5
        ) as fleet,
    ):
        await fleet.ready(60)
        seen = fleet.snapshot()
        assert (seen.devices, seen.connected, seen.present, seen.busy) == (120, 120, 120, 0)
        jobs = platform.order(names(120))
        await finished(platform, fleet, jobs)
        assert {tuple(job.told) for job in jobs} == {(48, 101, 201)}
        filled = "0" if flow == "fuse" else None
        assert set(platform.versions.values()) == {("2.0", filled)}
        seen = fleet.snapshot()
        assert (seen.jobs_started, seen.jobs_succeeded, seen.jobs_failed) == (120, 120, 0)
        assert (seen.downloads, seen.downloaded_bytes) == (360, 120 * len(PACKAGE))
        assert (seen.repeats, seen.reconnects, seen.connect_failures, seen.notes) == (0, 0, 0, 0)
        assert (list(seen.flows), seen.flows[flow].devices, seen.flows[flow].jobs_succeeded) == (
            [flow],
            120,
            120,
        )
        called = sum(map(len, platform.calls.values()))
        assert 120 * 7 <= seen.flows[flow].calls_answered <= called <= seen.flows[flow].calls
        assert platform.open_max <= 14
        assert platform.connections == platform.open_max  # all were kept
        view = fleet.device(7)
        assert (view.flow, view.link, view.f_version, view.tid) == (flow, "present", "2.0", None)
        assert view.last_job.outcome is Outcome.SUCCEEDED
    await platform.until(lambda: not platform.open)


GOLDEN = {
    "fuse": [
        "/fuse-ota/p1/dev-1/version",
        "/fuse-ota/p1/dev-1/check?type=1&version=1.0",
        "/fuse-ota/p1/dev-1/1/status",
        "/fuse-ota/p1/dev-1/1/status",
        "/fuse-ota/p1/dev-1/1/status",
        "/fuse-ota/p1/dev-1/version",
        "/fuse-ota/p1/dev-1/check?type=2&version=0",
        "/fuse-ota/p1/dev-1/check?type=1&version=2.0",
    ],
    "studio": [
        "/ota/p1/dev-1/version",
        "/ota/p1/dev-1/check?type=1&version=1.0",
        "/ota/p1/dev-1/1/status",
        "/ota/p1/dev-1/1/status",
        "/ota/p1/dev-1/1/status",
        "/ota/p1/dev-1/version",
        "/ota/p1/dev-1/check?type=2&version=0",
        "/ota/p1/dev-1/check?type=1&version=2.0",
    ],
    "south": [
        "/ota/device/version?dev_id=1",
        "/ota/south/check?dev_id=1&type=1&version=1.0&cdn=false",
        "/ota/south/download/ota_00000000000000000001/check?dev_id=1",
        "/ota/south/device/download/ota_00000000000000000001/progress?dev_id=1",
        "/ota/south/report?dev_id=1&token=ota_00000000000000000001",
        "/ota/south/report?dev_id=1&token=ota_00000000000000000001",
        "/ota/device/version?dev_id=1",
        "/ota/south/check?dev_id=1&type=2&version=0&cdn=false",
        "/ota/south/check?dev_id=1&type=1&version=2.0&cdn=false",
    ],
}


@every_flow
async def test_the_calls_of_one_job_in_their_order(flow):
    async with HttpPlatform() as platform:
        jobs = platform.order(["dev-1"])
        async with Fleet(platform, identities(1), profile=profile(flow)) as fleet:
            await finished(platform, fleet, jobs)
            await platform.until(lambda: len(platform.calls["dev-1"]) >= len(GOLDEN[flow]))
        assert platform.calls["dev-1"][: len(GOLDEN[flow])] == GOLDEN[flow]
        assert platform.ranges == [(0, 999), (1_000, 1_999), (2_000, 2_047)]


@every_flow
async def test_lost_answers_are_asked_for_again_and_nothing_happens_twice(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(20), profile=profile(flow)) as fleet:
        platform.go_wrong("version", CUT, 9)
        await fleet.ready(60)
        for call in ("status", "check", "token"):
            platform.go_wrong(call, CUT, 15)
        jobs = platform.order(names(20))
        await finished(platform, fleet, jobs)
        assert {tuple(job.steps) for job in jobs} == {(48, 101, 201)}
        assert sum(len(job.told) for job in jobs) > 60
        seen = fleet.snapshot()
        assert (seen.jobs_succeeded, seen.jobs_failed) == (20, 0)
        assert seen.repeats  # what was cut on a kept connection is asked again by the pool, unseen
        assert seen.notes
        await fleet.ready(60)


@every_flow
async def test_a_server_in_trouble_is_waited_for(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(3), profile=profile(flow)) as fleet:
        await fleet.ready(60)
        for call in ("status", "check", "download"):
            platform.go_wrong(call, unavailable, 4)
        jobs = platform.order(names(3))
        await finished(platform, fleet, jobs)
        assert fleet.snapshot().jobs_succeeded == 3


@every_flow
@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 10**6 + bytes(ANSWER_BYTES_MAX + 1),
    ],
    ids=["ssh", "html", "empty", "long"],
)
async def test_answers_that_are_none_are_asked_for_again(flow, answer):
    async with HttpPlatform() as platform, Fleet(platform, identities(1), profile=profile(flow)) as fleet:
        for call in ("version", "check", "status"):
            platform.go_wrong(call, answer, 2)
        jobs = platform.order(["dev-1"])
        await finished(platform, fleet, jobs)
        assert jobs[0].steps == [48, 101, 201]
        assert fleet.snapshot().notes >= 6


@every_flow
async def test_silence_has_its_limit(flow):
    async with (
        HttpPlatform() as platform,
        Fleet(platform, identities(2), profile=profile(flow, http_timeout_ms=60)) as fleet,
    ):
        for call in ("version", "check", "status", "download"):
            platform.go_wrong(call, HANG, 2)
        jobs = platform.order(names(2))
        await finished(platform, fleet, jobs)
        assert fleet.snapshot().jobs_succeeded == 2
        assert any(entry.what == "no answer within 60 ms" for entry in fleet.trace)


@every_flow
async def test_cut_downloads_go_on_by_range(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(1), profile=profile(flow)) as fleet:
        platform.go_wrong("body", 300, 2)
        jobs = platform.order(["dev-1"])
        await finished(platform, fleet, jobs)
        assert platform.ranges == [(0, 999), (300, 1_299), (600, 1_599), (1_600, 2_047)]
        assert fleet.snapshot().downloaded_bytes == len(PACKAGE)


@pytest.mark.parametrize("flow", ["studio", "south"])
async def test_the_one_byte_of_a_failed_download(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(1), profile=profile(flow)) as fleet:
        platform.go_wrong("download", fail_in_one_byte(b"1"), 1)
        jobs = platform.order(["dev-1"])
        await finished(platform, fleet, jobs, 107)
        assert fleet.snapshot().failed_steps == {107: 1}
        assert "not found ('1' instead of the package)" in fleet.device(1).last_error


async def test_a_token_of_south_that_grows_old_in_the_download():
    async with HttpPlatform() as platform, Fleet(platform, identities(1), profile=profile("south")) as fleet:

        def grow_old(connection, job):
            job.token = "ota_99999999999999999999"
            fail_in_one_byte(b"3")(connection, job)

        platform.go_wrong("download", grow_old, 1)
        jobs = platform.order(["dev-1"])
        await finished(platform, fleet, jobs)
        assert fleet.snapshot().jobs_failed == 0


@every_flow
async def test_refused_devices_are_named_and_do_not_storm(flow):
    async with HttpPlatform() as platform:
        platform.refuse = {"dev-2", "dev-3"}
        seldom = profile(flow, refused_base_ms=200, backoff_max_ms=5_000)
        async with Fleet(platform, identities(4), profile=seldom) as fleet:
            with pytest.raises(FleetError) as caught:
                await fleet.ready(60)
            code = "fuse code 10403 (authentication failed)" if flow == "fuse" else f"{flow} code 1 (auth)"
            assert str(caught.value) == (
                f"2 of 4 devices are not ready: device 2 is waiting ({code}); device 3 is waiting ({code})"
            )
            seen = fleet.snapshot()
            assert (seen.present, seen.connect_failures, seen.calls_refused >= 6) == (2, 0, True)
            assert 3 <= len(platform.calls["dev-2"]) <= 5
            platform.refuse.clear()
            await fleet.ready(60)


async def test_devices_sign_anew_when_account_time_has_gone_on():
    now_ms = [1_900_800_001_000]
    async with (
        HttpPlatform() as platform,
        Fleet(platform, identities(1), profile=profile("fuse"), now_ms=lambda: now_ms[0]) as fleet,
    ):
        platform.now_s = 1_900_800_000
        await fleet.ready(60)
        platform.now_s += 90_000  # the platform is ahead: the token it gets next has expired
        await platform.until(lambda: fleet.snapshot().calls_refused >= 1)
        now_ms[0] += 90_000_000
        jobs = platform.order(["dev-1"])
        await finished(platform, fleet, jobs)
        assert platform.token_ends == {1_900_800_060 + 86_400, 1_900_800_060 + 90_000 + 86_400}


async def test_a_product_key_signs_for_its_product_in_south_alone():
    other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    async with HttpPlatform() as platform:
        platform.keys = {"products/p1": other}
        mixed = [
            msgspec.structs.replace(identity, flow=flow, product_key=other)
            for identity, flow in zip(identities(3), FLOWS, strict=True)
        ]
        async with Fleet(platform, mixed, profile=QUICK) as fleet:
            await fleet.ready(60)
        assert platform.resources == {"products/p1", "products/p1/devices/dev-1", "products/p1/devices/dev-2"}


async def test_calls_and_downloads_in_flight_are_bounded():
    async with HttpPlatform() as platform:
        platform.hold("call")
        async with Fleet(
            platform, identities(90), profile=QUICK, calls_in_flight=7, downloads_in_flight=3
        ) as fleet:
            await platform.until(lambda: platform.held["call"] == 7)
            platform.let_go("call")
            await fleet.ready(60)
            platform.hold("download")
            jobs = platform.order(names(90))
            await platform.until(lambda: platform.held["download"] == 3)
            platform.let_go("download")
            await finished(platform, fleet, jobs)
        assert platform.open_max <= 10


@every_flow
async def test_faults_fail_as_they_say(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(12), profile=profile(flow)) as fleet:
        await fleet.ready(60)
        steps = [102, 103, 104, 105, 106, 107, 202, 203, 204, 205, 206, 207]
        for device_id, step in enumerate(steps, start=1):
            fleet.set_fault([device_id], Fault(what="fails", step=step))
        jobs = platform.order(names(12))
        await platform.until(lambda: not any(job.is_open for job in jobs))
        await fleet.idle(60)
        assert [job.steps[-1] for job in jobs] == steps
        assert {fleet.device(at).f_version for at in range(1, 13)} == {"1.0"}
        assert fleet.snapshot().failed_steps == dict.fromkeys(steps, 1)


@every_flow
async def test_a_cancelled_job_is_let_go(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(1), profile=profile(flow)) as fleet:
        await fleet.ready(60)
        platform.hold("download")
        (job,) = platform.order(["dev-1"])
        await platform.until(lambda: platform.held["download"])
        job.is_cancelled = True
        platform.let_go("download")
        await fleet.idle(60)
        seen = fleet.snapshot()
        assert (job.told, seen.jobs_failed, seen.jobs_ended) == ([48], 0, 1)


@every_flow
async def test_cards_are_replaced_and_not_reported(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(6), profile=profile(flow)) as fleet:
        await fleet.ready(60)
        await fleet.replace_cards({at: (f"8986{at}", f"460{at}") for at in (1, 2)}, 20)
        assert fleet.device(1).iccid == "89861"
        await fleet.ready(60)
        told = [name for name, method, target in platform.requests if "/version" in target]
        assert (told.count("dev-1"), told.count("dev-3")) == (2, 1)  # it came back and said what it runs
        assert not any("8986" in target for _, _, target in platform.requests)


async def test_devices_come_and_go_in_the_middle_of_calls_and_downloads():
    async with HttpPlatform() as platform, Fleet(platform, identities(6), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.hold("call")
        await platform.until(lambda: platform.held["call"] == 6)
        jobs = platform.order(names(6))
        await fleet.remove([1, 2])
        fleet.add(identities(2, start=10))
        platform.hold("download")
        platform.let_go("call")
        await platform.until(lambda: platform.held["download"] == 4)
        await fleet.remove([3, 4])
        platform.let_go("download")
        await finished(platform, fleet, jobs[4:])
        await fleet.ready(60)
        assert fleet.device_ids == (5, 6, 10, 11)
        assert [job.steps for job in jobs[:4]] == [[]] * 4
        assert (fleet.snapshot().flows["fuse"].devices, fleet.snapshot().flows["fuse"].present) == (4, 4)
        await fleet.remove([5, 6, 10, 11])
        assert (fleet.snapshot().flows["fuse"].devices, fleet.snapshot().flows["fuse"].present) == (0, 0)


async def test_a_platform_that_is_gone_for_a_while():
    async with HttpPlatform() as platform, Fleet(platform, identities(30), profile=QUICK) as fleet:
        await fleet.ready(60)
        await platform.stop()
        with pytest.raises(FleetError, match=r"Connection refused|connection was closed"):
            await fleet_lost(fleet)
        jobs = platform.order(names(30))
        await platform.listen()
        await finished(platform, fleet, jobs)
        await fleet.ready(60)
        seen = fleet.snapshot()
        assert (seen.jobs_succeeded, seen.present) == (30, 30)
        assert seen.reconnects >= 30


async def fleet_lost(fleet):
    """Wait until no device is in; the error that `ready` gives then tells why."""
    async with asyncio.timeout(60):
        while fleet.snapshot().present:
            await asyncio.sleep(0.005)
    await fleet.ready(0.05)


async def test_a_server_with_a_name_is_called_by_it():
    async with HttpPlatform() as platform:
        port = platform.http_address[1]
        target = Endpoint(http_address=("localhost", port), mqtt_address=("localhost", port))
        async with Fleet(target, identities(1), profile=QUICK) as fleet:
            await fleet.ready(60)
        assert platform.hosts == {f"localhost:{port}"}


async def test_nobody_listens():
    async with HttpPlatform() as platform:
        gone = Endpoint(http_address=platform.http_address, mqtt_address=platform.mqtt_address)
    async with Fleet(gone, identities(1), profile=QUICK) as fleet:
        await failed_to_connect(fleet)
        with pytest.raises(FleetError, match="Connection refused"):
            await fleet.ready(0.05)


async def test_one_fleet_of_all_four_flows():
    async with Platform() as mqtt, HttpPlatform() as http:
        target = Endpoint(http_address=http.http_address, mqtt_address=mqtt.mqtt_address)
        mixed = [
            msgspec.structs.replace(identity, flow=(None, *FLOWS)[identity.device_id % 4])
            for identity in identities(80)
        ]
        async with Fleet(target, mixed, profile=profile("mqtt")) as fleet:
            await fleet.ready(60)
            assert len(mqtt.sessions) == 20
            jobs = http.order([f"dev-{at}" for at in range(1, 81) if at % 4])
            await finished(http, fleet, jobs)
            seen = fleet.snapshot()
            assert {name: flow.jobs_succeeded for name, flow in seen.flows.items()} == {
                "mqtt": 0,
                "fuse": 20,
                "studio": 20,
                "south": 20,
            }
            assert {name: flow.present for name, flow in seen.flows.items()} == dict.fromkeys(seen.flows, 20)
            assert sum(flow.busy for flow in seen.flows.values()) == seen.busy == 0


async def test_devices_that_are_told_over_mqtt_ask_at_once():
    async with Platform() as mqtt, HttpPlatform() as http:
        target = Endpoint(http_address=http.http_address, mqtt_address=mqtt.mqtt_address)
        told = profile("fuse", inform=True, poll_ms=3_600_000, stable_ms=0)
        async with Fleet(target, identities(30), profile=told) as fleet:
            await fleet.ready(60)
            assert mqtt.filters["dev-1"] == ["$sys/p1/dev-1/ota/inform"]
            jobs = http.order(names(30))
            ring(mqtt)
            await finished(http, fleet, jobs)
            assert len(mqtt.reports["dev-1", topics.INFORM_REPLY]) == 1
            seen = fleet.snapshot()
            assert (seen.devices, seen.present, seen.informs, seen.jobs_succeeded) == (30, 30, 30, 30)
            assert list(seen.flows) == ["fuse"]
            await fleet.replace_cards({1: ("8986", "460")}, 20)
            await fleet.remove([2])
            await mqtt.until(lambda: sorted(mqtt.left) == ["dev-1", "dev-2"])
            await fleet.ready(60)
            await mqtt.until(lambda: len(mqtt.sessions) == 29)
            assert mqtt.packets["Subscribe"] == 31
            mqtt.drop_all()
            await mqtt.until(lambda: mqtt.packets["Subscribe"] == 60)
            await fleet.ready(60)
            jobs = http.order(["dev-1", "dev-3"], "3.0")
            ring(mqtt)
            await finished(http, fleet, jobs)
        await mqtt.until(lambda: not mqtt.sessions)


def ring(mqtt):
    for session in mqtt.sessions.values():
        session.publish(topics.INFORM, messages.Inform(id="1", params=messages.InformParams()))


def test_an_identity_that_fits_no_request_is_refused():
    target = Endpoint(http_address=("127.0.0.1", 1), mqtt_address=("127.0.0.1", 1))
    good = {"device_id": 1, "product_id": "p", "name": "n", "key": KEY}
    for bad, why in [
        ({"name": "a b", "flow": "fuse"}, "name: 'a b' is not"),
        ({"product_id": "p/q", "flow": "studio"}, "product_id: 'p/q' is not"),
        ({"f_version": "1 0"}, "f_version: '1 0' is not"),
        ({"flow": "smoke"}, "flow: 'smoke' is none of mqtt, fuse, studio, south"),
        ({"product_key": "?"}, "product_key: the access key is not base64"),
    ]:
        with pytest.raises(UsageFault, match=why):
            Fleet(target, [Identity(**good | bad)])
    with pytest.raises(UsageFault, match="calls_in_flight"):
        Fleet(target, [], calls_in_flight=0)


@every_flow
async def test_a_new_card_is_a_new_address_for_calls_and_downloads(flow):
    async with HttpPlatform() as platform, Fleet(platform, identities(3), profile=profile(flow)) as fleet:
        await fleet.ready(60)
        await fleet.replace_cards({1: ("8986", "460"), 2: ("8987", "461")}, 20)
        jobs = platform.order(names(3))
        await finished(platform, fleet, jobs)
        assert len(set(platform.peers.values())) == 3
        assert platform.peers["dev-3"] == "127.0.0.1"
        assert fleet.snapshot().jobs_succeeded == 3
