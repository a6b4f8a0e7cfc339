"""A fleet against a small platform, over real sockets."""

import asyncio
import dataclasses
import json

import pytest

from device_sim import Endpoint, Fault, Fleet, FleetError, FleetFailed, Identity, Outcome, Profile, Recorder
from device_sim.core.effects import JobEnded
from platform_stub.protocol import topics
from platform_stub.protocol.errors import EnvironmentFault, UsageFault
from tests.device_sim.platform import KEY, PACKAGE, Platform, failed_to_connect, identities

QUICK = Profile(
    start_jitter_ms=20,
    chunk_bytes=1_000,
    reply_interval_ms=60,
    backoff_base_ms=20,
    backoff_max_ms=100,
    refused_base_ms=40,
    download_retry_ms=20,
    card_swap_ms=20,
)
PATIENT = dataclasses.replace(QUICK, reply_interval_ms=60_000)  # a late reply is not asked for again
REFUSED_SELDOM = dataclasses.replace(QUICK, refused_base_ms=200, backoff_max_ms=5_000)


def ids_of(payloads):
    return [json.loads(payload)["id"] for payload in payloads]


async def test_two_hundred_devices_update():
    async with Platform() as platform, Fleet(platform, identities(200), seed=1, profile=PATIENT) as fleet:
        await fleet.ready(60)
        seen = fleet.snapshot()
        assert (seen.devices, seen.connected, seen.present, seen.busy) == (200, 200, 200, 0)
        assert sorted(platform.filters["dev-1"]) == [
            "$sys/p1/dev-1/ota/inform",
            "$sys/p1/dev-1/ota/status_reply",
            "$sys/p1/dev-1/ota/version_reply",
            "$sys/p1/dev-1/thing/property/post/reply",
        ]
        jobs = platform.order([f"dev-{at}" for at in range(1, 201)])
        await platform.until(lambda: all(job.steps and job.steps[-1] == 201 for job in jobs))
        await fleet.idle(60)
        assert {tuple(job.steps) for job in jobs} == {(48, 101, 201)}
        assert set(platform.versions.values()) == {"2.0"}
        assert {len(platform.reports[f"dev-{at}", topics.INFORM_REPLY]) for at in range(1, 201)} == {1}
        seen = fleet.snapshot()
        assert (seen.informs, seen.jobs_succeeded, seen.jobs_failed) == (200, 200, 0)
        assert (seen.downloads, seen.downloaded_bytes) == (600, 200 * len(PACKAGE))
        assert (seen.repeats, seen.reconnects, seen.connect_failures, seen.notes) == (0, 0, 0, 0)
        # informs, version replies twice, three status replies: each was acknowledged once
        await platform.until(lambda: platform.acknowledged == 200 * 6)
        view = fleet.device(7)
        assert (view.link, view.stage, view.f_version, view.tid) == ("present", "idle", "2.0", None)
        assert view.last_job == JobEnded(7, Outcome.SUCCEEDED, 201)
    await platform.until(lambda: len(platform.left) == 200)  # each said DISCONNECT


async def test_lost_replies_are_asked_for_with_the_same_message_id():
    async with Platform() as platform, Fleet(platform, identities(1), profile=QUICK) as fleet:
        platform.lose[topics.VERSION] = 2
        await fleet.ready(60)
        (job,) = platform.order(["dev-1"])
        platform.lose[topics.STATUS] = 2
        await platform.until(lambda: job.steps == [48, 101, 201])
        await fleet.idle(60)
        assert ids_of(platform.reports["dev-1", topics.VERSION])[:3] == ["1", "1", "1"]
        status = ids_of(platform.reports["dev-1", topics.STATUS])
        assert len(status) >= 5  # a reply that is late is asked for once more
        assert sorted(set(status)) == ["2", "3", "4"]
        assert fleet.snapshot().repeats >= 4


async def test_dropped_connections_come_back_and_jobs_are_finished():
    async with Platform() as platform, Fleet(platform, identities(60), seed=2, profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.hold_downloads = asyncio.Event()
        jobs = platform.order([f"dev-{at}" for at in range(1, 61)])
        await platform.until(lambda: platform.downloading > 30)
        platform.drop_all()
        platform.hold_downloads.set()
        await platform.until(lambda: all(job.steps and job.steps[-1] == 201 for job in jobs))
        await fleet.ready(60)
        await fleet.idle(60)
        seen = fleet.snapshot()
        assert (seen.jobs_succeeded, seen.jobs_failed, seen.reconnects) == (60, 0, 60)
        assert {len([step for step in job.steps if step == 201]) for job in jobs} == {1}


async def test_a_job_made_while_a_device_is_away_reaches_it():
    async with Platform() as platform:
        (job,) = platform.order(["dev-1"])
        async with Fleet(platform, identities(1), profile=QUICK) as fleet:
            await platform.until(lambda: job.steps == [48, 101, 201])
            await fleet.idle(60)


async def test_refused_devices_are_named_and_do_not_storm():
    async with Platform() as platform:
        platform.refuse = {"dev-2": 5, "dev-3": 4}
        async with Fleet(platform, identities(4), profile=REFUSED_SELDOM) as fleet:
            with pytest.raises(FleetError) as caught:
                await fleet.ready(60)
            assert str(caught.value) == (
                "2 of 4 devices are not ready: device 2 is waiting (CONNACK 5 (not authorised)); "
                "device 3 is waiting (CONNACK 4 (bad credentials))"
            )
            seen = fleet.snapshot()
            assert seen.present == 2
            assert set(seen.refused) == {4, 5}
            assert 3 <= platform.logins.count("dev-2") <= 5
            assert fleet.trace[0].what.startswith("CONNACK")
            platform.refuse.clear()
            await fleet.ready(60)


async def test_faults_fail_as_they_say():
    async with Platform() as platform, Fleet(platform, identities(12), profile=QUICK) as fleet:
        await fleet.ready(60)
        steps = [102, 103, 104, 105, 106, 107, 202, 203, 204, 205, 206, 207]
        for device_id, step in enumerate(steps, start=1):
            fleet.set_fault([device_id], Fault(what="fails", step=step))
        jobs = platform.order([f"dev-{at}" for at in range(1, 13)])
        await platform.until(lambda: not any(job.is_open for job in jobs))
        await fleet.idle(60)
        assert [job.steps[-1] for job in jobs] == steps
        assert {fleet.device(at).f_version for at in range(1, 13)} == {"1.0"}
        assert fleet.snapshot().failed_steps == dict.fromkeys(steps, 1)
        again = platform.order([f"dev-{at}" for at in range(1, 13)])
        await platform.until(lambda: not any(job.is_open for job in again))
        assert {job.steps[-1] for job in again} == {201}


async def test_cards_are_replaced():
    async with Platform() as platform, Fleet(platform, identities(20), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.lose[topics.PROPERTY_POST] = 3
        cards = {at: (f"8986{at}", f"460{at}") for at in range(1, 11)}
        await fleet.replace_cards(cards, 20)
        assert platform.cards == {f"dev-{at}": card for at, card in cards.items()}
        assert platform.logins.count("dev-1") == 2
        assert platform.logins.count("dev-11") == 1
        assert fleet.device(1).iccid == "89861"
        await fleet.ready(60)


async def test_cards_without_an_answer_are_named():
    async with Platform() as platform, Fleet(platform, identities(2), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.lose[topics.PROPERTY_POST] = 10**6
        with pytest.raises(
            FleetError, match="1 of 2 devices are without an answer to their card: device 2 is"
        ):
            await fleet.replace_cards({2: ("1", "2")}, 0.3)


async def test_devices_come_and_go():
    async with Platform() as platform, Fleet(platform, identities(3), profile=QUICK) as fleet:
        await fleet.ready(60)
        fleet.add(identities(2, start=10))
        await fleet.ready(60)
        assert fleet.device_ids == (1, 2, 3, 10, 11)
        await fleet.remove([1, 10])
        await platform.until(lambda: sorted(platform.left) == ["dev-1", "dev-10"])
        await platform.until(lambda: set(platform.sessions) == {"dev-2", "dev-3", "dev-11"})
        await fleet.ready(60)
        with pytest.raises(UsageFault, match="1 device IDs are not in this fleet: 1"):
            await fleet.remove([1])
        with pytest.raises(UsageFault, match=r"device 2 .* is there already"):
            fleet.add(identities(1, start=2))


async def test_a_device_that_leaves_in_the_middle_of_a_download():
    async with (
        Platform() as platform,
        Fleet(platform, identities(3), profile=QUICK, downloads_in_flight=2) as fleet,
    ):
        await fleet.ready(60)
        platform.hold_downloads = asyncio.Event()
        jobs = platform.order(["dev-1", "dev-2", "dev-3"])
        await platform.until(lambda: platform.downloading == 2)
        await fleet.remove([1, 3])
        platform.hold_downloads.set()
        await fleet.idle(60)
        assert [bool(job.steps) for job in jobs] == [False, True, False]


async def test_connects_and_downloads_in_flight_are_bounded():
    async with Platform() as platform:
        async with Fleet(
            platform, identities(150), profile=QUICK, connects_in_flight=9, downloads_in_flight=5
        ) as fleet:
            await fleet.ready(60)
            platform.order([f"dev-{at}" for at in range(1, 151)])
            await platform.until(
                lambda: len(platform.versions) and set(platform.versions.values()) == {"2.0"}
            )
            await fleet.idle(60)
        assert platform.connecting_max <= 9
        assert platform.downloading_max <= 5


async def test_a_silent_server_is_given_up():
    async with Platform() as platform:
        platform.is_silent = True
        profile = Profile(start_jitter_ms=0, connect_timeout_ms=50, backoff_base_ms=20, backoff_max_ms=40)
        async with Fleet(platform, identities(2), profile=profile) as fleet:
            await platform.until(lambda: fleet.snapshot().connect_failures >= 2)
            with pytest.raises(FleetError, match=r"2 of 2 devices are not ready: .*no CONNACK in time"):
                await fleet.ready(0.05)
            platform.is_silent = False
            await fleet.ready(60)


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no MQTT 3.1.1"),
        (b"\x20\x02\x00\x09", "reserved return code 9"),
        (b"\xd0\x00", "sent Pingresp while awaiting_connack"),
        (b"\x20\x02\x00\x03", r"CONNACK 3 \(unavailable\)"),
    ],
)
async def test_a_server_that_speaks_something_else(greeting, why):
    async with Platform() as platform:
        platform.greeting = greeting
        async with Fleet(platform, identities(1), profile=QUICK) as fleet:
            await platform.until(lambda: fleet.snapshot().connect_failures >= 2)
            with pytest.raises(FleetError, match=why):
                await fleet.ready(0.05)
            platform.greeting = None
            await fleet.ready(60)


async def test_nobody_listens():
    async with Platform() as platform:
        gone = Endpoint(http_address=platform.http_address, mqtt_address=platform.mqtt_address)
    async with Fleet(gone, identities(1), profile=QUICK) as fleet:
        await failed_to_connect(fleet)
        with pytest.raises(FleetError, match="Connection refused"):
            await fleet.ready(0.05)


async def test_a_download_that_is_not_available_for_a_while():
    async with Platform() as platform, Fleet(platform, identities(1), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.unavailable = 3
        (job,) = platform.order(["dev-1"])
        await platform.until(lambda: job.steps == [48, 101, 201])
        assert platform.downloads == 6


async def test_a_job_that_was_cancelled_is_left_alone():
    async with Platform() as platform, Fleet(platform, identities(1), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.errno = "5"
        (job,) = platform.order(["dev-1"])
        await platform.until(lambda: platform.downloads == 1)
        await fleet.idle(60)
        assert (job.steps, fleet.snapshot().jobs_ended, fleet.snapshot().jobs_failed) == ([], 1, 0)
        assert fleet.device(1).last_error == "job 1 ended: Ota-Errno 5"


async def test_idle_names_who_is_busy():
    async with Platform() as platform, Fleet(platform, identities(2), profile=QUICK) as fleet:
        await fleet.ready(60)
        platform.hold_downloads = asyncio.Event()
        platform.order(["dev-2"])
        await platform.until(lambda: platform.downloading == 1)
        with pytest.raises(
            FleetError, match="1 of 2 devices are still busy: device 2 is present, job 1 fetching"
        ):
            await fleet.idle(0.05)
        platform.hold_downloads.set()
        await fleet.idle(60)


async def test_a_mistake_of_ours_stops_the_fleet_loudly():
    def broken_clock():
        raise ZeroDivisionError("no clock")

    async with Platform() as platform:
        with pytest.raises(
            FleetFailed, match=r"the fleet stopped at device .: ZeroDivisionError: no clock"
        ) as caught:
            async with Fleet(platform, identities(3), profile=QUICK, now_ms=broken_clock) as fleet:
                await fleet.ready(60)
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        platform.was_connected = False
        with pytest.raises(FleetFailed):  # without a wait, its end tells
            async with Fleet(platform, identities(3), profile=QUICK, now_ms=broken_clock):
                await platform.until(lambda: platform.was_connected and not platform.all)


async def test_tokens_are_signed_by_account_time_and_stay_the_same_for_a_while():
    now_ms = [1_900_800_001_000]
    async with (
        Platform() as platform,
        Fleet(platform, identities(1), profile=QUICK, now_ms=lambda: now_ms[0]) as fleet,
    ):
        await fleet.ready(60)
        now_ms[0] += 50_000
        (job,) = platform.order(["dev-1"])
        await platform.until(lambda: not job.is_open)
        now_ms[0] += 3_600_000
        (job,) = platform.order(["dev-1"], "3.0")
        await platform.until(lambda: not job.is_open)
        await fleet.idle(60)
        assert platform.token_ends == {1_900_800_060 + 86_400, 1_900_800_060 + 86_400 + 3_600}


async def test_an_impossible_fleet_is_refused():
    target = Endpoint(http_address=("127.0.0.1", 1), mqtt_address=("127.0.0.1", 1))
    twice = identities(2) + identities(1)
    with pytest.raises(
        UsageFault, match=r"device 1 \(3. of the list\): device_id: 1 is there already, at device 1"
    ):
        Fleet(target, twice)
    with pytest.raises(UsageFault, match=r"device 9 .*key: the access key is not base64"):
        Fleet(target, [Identity(device_id=9, product_id="p", name="n", key="?")])
    with pytest.raises(UsageFault, match="connects_in_flight"):
        Fleet(target, [], connects_in_flight=0)
    with pytest.raises(EnvironmentFault, match=r"no\.such\.host\.invalid:1 does not resolve"):
        async with Fleet(
            Endpoint(http_address=("127.0.0.1", 1), mqtt_address=("no.such.host.invalid", 1)), []
        ):
            pass


async def test_a_new_card_is_a_new_address_and_goes_with_the_card():
    async with Platform() as platform, Fleet(platform, identities(3), profile=PATIENT) as fleet:
        await fleet.ready(60)
        assert set(platform.hosts.values()) == {"127.0.0.1"}
        await fleet.replace_cards({1: ("8986", "460"), 2: ("8987", "461")}, 20)
        first, second = platform.hosts["dev-1"], platform.hosts["dev-2"]
        assert len({first, second, "127.0.0.1"}) == 3
        await fleet.replace_cards({1: ("8987", "461"), 2: ("8986", "460")}, 20)
        assert (platform.hosts["dev-1"], platform.hosts["dev-2"]) == (second, first)
        assert platform.cards == {"dev-1": ("8987", "461"), "dev-2": ("8986", "460")}
        platform.drop_all()
        await platform.until(lambda: len(platform.logins) == 3 + 4 + 3)
        await fleet.ready(60)
        assert platform.hosts == {"dev-1": second, "dev-2": first, "dev-3": "127.0.0.1"}


async def test_a_card_put_in_while_a_device_is_off_is_posted_when_it_is_on():
    async with Platform() as platform, Fleet(platform, identities(2), profile=PATIENT) as fleet:
        await fleet.ready(60)
        fleet.power_off([1])
        await platform.until(lambda: "dev-1" not in platform.sessions)
        assert platform.left == []  # nobody says goodbye without power
        await fleet.replace_cards({1: ("8986", "460")}, 0.5)
        await fleet.idle(0.5)
        assert platform.cards == {}
        fleet.power_on([1])
        await platform.until(lambda: platform.cards == {"dev-1": ("8986", "460")})
        await fleet.idle(60)
        assert platform.hosts["dev-1"].startswith("127.")
        assert platform.hosts["dev-1"] != platform.hosts["dev-2"]


async def test_a_storm_is_no_goodbye():
    async with Platform() as platform, Fleet(platform, identities(50), profile=PATIENT) as fleet:
        await fleet.ready(60)
        fleet.storm(fleet.device_ids)
        await platform.until(lambda: len(platform.logins) == 100)
        await fleet.ready(60)
        assert platform.left == []
        assert fleet.snapshot().present == 50


async def test_who_listens_in_vain_stops_the_fleet():
    def broken(device_id, entry):
        raise ZeroDivisionError(f"{device_id} {entry.what}")

    recorder = Recorder(heard=broken)
    async with Platform() as platform:
        with pytest.raises(FleetFailed, match="the fleet stopped at device 1: ZeroDivisionError: 1 report"):
            async with Fleet(platform, identities(1), profile=QUICK, recorder=recorder) as fleet:
                await fleet.failed()


async def test_an_empty_fleet_is_ready():
    async with Platform() as platform, Fleet(platform, []) as fleet:
        await fleet.ready(60)
        await fleet.idle(60)


async def test_leaving_in_the_middle_of_everything():
    async with Platform() as platform:
        async with Fleet(platform, identities(100), profile=QUICK) as fleet:
            await platform.until(lambda: len(platform.sessions) > 20)
            assert fleet.snapshot().devices == 100
        await platform.until(lambda: not platform.sessions)
        assert KEY not in repr(identities(1))
