"""Levels as functions of time, the limits they are held against, and the retries that a task allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.core.conditions import level_at
from device_sim.core.draw import Purpose
from device_sim.core.effects import JobEnded, Outcome, Struck
from device_sim.core.events import FaultsSet, FetchFailed, PowerOn, WorldSet
from device_sim.core.faults import ALWAYS, FAILURE_TEXTS, Fault
from device_sim.core.profile import Profile
from device_sim.core.state import Stage
from device_sim.core.wheel import NEVER
from device_sim.core.world import Level, World
from platform_stub.protocol.errors import UsageFault
from tests.device_sim.core.field import FLOWS, Field
from tests.device_sim.core.http_story import HttpStory

HOUR_MS = 3_600_000
every_flow = pytest.mark.parametrize("flow", FLOWS)


def profile(**world):
    return Profile(start_jitter_ms=0, chunk_bytes=400, poll_ms=1_000, world=World(**world))


def test_a_level_falls_by_the_hour_and_never_below_nothing():
    level = Level(start=80, per_hour=-10)
    told = [level_at(level, 1, 7, Purpose.BATTERY, hours * HOUR_MS) for hours in (0, 1, 7.5, 8, 100)]
    assert told == [80, 70, 5, 0, 0]
    assert level_at(Level(start=90, per_hour=10), 1, 7, Purpose.BATTERY, 5 * HOUR_MS) == 100


@given(seed=st.integers(0, 99), device=st.integers(0, 99), age_ms=st.integers(0, 10**9))
def test_a_level_swings_about_its_middle_and_comes_back_each_period(seed, device, age_ms):
    level = Level(start=50, swing=30, period_ms=1_000)
    value = level_at(level, seed, device, Purpose.SIGNAL, age_ms)
    assert 20 <= value <= 80
    assert value == level_at(level, seed, device, Purpose.SIGNAL, age_ms + 1_000)


def test_devices_begin_at_places_of_their_own():
    level = Level(start=50, swing=30, period_ms=10_000)
    values = [level_at(level, 3, device, Purpose.SIGNAL, 0) for device in range(200)]
    assert len(set(values)) > 150
    assert min(values) < 25
    assert max(values) > 75


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Level(start=101),
        lambda: Level(swing=-1),
        lambda: Level(period_ms=0),
        lambda: World(boots_max=0),
        lambda: World(boots_max=101),
        lambda: World(flush_bytes=-1),
    ],
)
def test_levels_and_worlds_that_can_not_be(wrong):
    with pytest.raises(UsageFault):
        wrong()


@every_flow
@pytest.mark.parametrize(
    ("kind", "world", "struck"),
    [
        (1, {"storage_bytes": 999}, Struck("storage", "999 bytes free, 1,000 wanted")),
        (2, {"mcu_storage_bytes": 10}, Struck("mcu_storage", "10 bytes free in the MCU, 1,000 wanted")),
    ],
)
def test_no_space_is_102_before_the_download(flow, kind, world, struck):
    field = Field(flow, profile=profile(**world)).on()
    field.job(kind=kind)
    field.run()
    assert field.said() == [102]
    assert field.struck == [struck]
    assert field.ended[0].reason == f"{FAILURE_TEXTS[102]}: {struck.text}"


@every_flow
def test_each_kind_has_its_own_storage_and_exactly_enough_is_enough(flow):
    world = profile(storage_bytes=1_000, mcu_storage_bytes=1_000)
    field = Field(flow, profile=world, s_version="a").on()
    field.job()
    field.job(kind=2, target="b")
    field.run()
    assert [job.state for job in field.jobs] == ["success", "success"]


@every_flow
@pytest.mark.parametrize(
    ("world", "step", "text"),
    [
        ({"battery": Level(start=32), "battery_min": 50}, 105, "battery at 32 %, 50 wanted"),
        ({"signal": Level(start=9), "signal_min": 10}, 106, "signal at 9 %, 10 wanted"),
    ],
)
def test_a_low_level_fails_the_job_before_the_download(flow, world, step, text):
    field = Field(flow, profile=profile(**world)).on()
    field.job()
    field.run()
    assert field.said() == [step]
    assert field.ended == [
        JobEnded(0 if flow == "south" else 41, Outcome.FAILED, step, f"{FAILURE_TEXTS[step]}: {text}")
    ]


@every_flow
def test_a_battery_that_falls_in_the_download_is_105_and_before_the_install_202(flow):
    for stage, step in ((Stage.PROGRESSING, 105), (Stage.DOWNLOADED, 202)):
        field = Field(flow, profile=profile(battery=Level(start=60), battery_min=50)).on()
        field.job()
        field.until_stage(stage)
        field.tell(WorldSet(battery=49))
        field.run()
        assert field.said()[-1] == step
        assert field.device.f_version == "1.0"


@every_flow
def test_a_level_that_was_set_stays_and_the_others_are_left(flow):
    field = Field(flow, profile=profile(battery=Level(start=10), battery_min=50, storage_bytes=10)).on()
    field.tell(WorldSet(battery=90))
    field.job()
    field.run()
    assert field.said() == [102]
    field.tell(WorldSet(storage_bytes=1_000))
    field.job(target="3.0")
    field.run()
    assert field.device.f_version == "3.0"


@every_flow
def test_levels_go_by_running_time_from_the_first_time_on(flow):
    field = Field(flow, profile=profile(battery=Level(start=100, per_hour=-10), battery_min=50)).on()
    field.wait(1_000)
    field.pass_time(4 * HOUR_MS)
    field.job()
    field.run()
    field.pass_time(2 * HOUR_MS)
    field.job(target="3.0")
    field.run()
    assert [job.state for job in field.jobs] == ["success", "failed"]
    assert field.ended[1].reason.endswith("battery at 39 %, 50 wanted")


# what generation A passes on


def south(*faults, **passed_on):
    field = Field("south", *faults, profile=profile(battery=Level(start=60), signal=Level(start=60))).on()
    field.job(**passed_on)
    return field


@pytest.mark.parametrize(
    ("passed_on", "said"),
    [
        ({"power": 60, "signal": 60}, [40, 101, 201]),
        ({"power": 61, "signal": 10}, [105]),
        ({"power": 50, "signal": 61}, [106]),
    ],
)
def test_the_task_s_own_limits_count_where_they_are_passed_on(passed_on, said):
    assert south(**passed_on).run().said() == said


def test_what_time_may_mend_is_tried_again_after_the_task_s_interval():
    field = south(power=80, retry=2, interval=30)
    field.until_stage(Stage.HELD)
    assert field.said() == []
    assert field.device.rest_due_ms == field.now_ms + 30_000
    field.pass_time(30_000)
    field.wait(0)
    assert (field.device.stage, field.device.job.retries_left) == (Stage.HELD, 0)
    field.tell(WorldSet(battery=80))
    assert field.run().said() == [40, 101, 201]
    assert field.struck == [Struck("battery", "battery at 60 %, 80 wanted")] * 2


def test_a_failure_is_told_once_the_retries_are_used_up():
    field = south(power=80, retry=2, interval=30)
    began = field.now_ms
    assert field.run().said() == [105]
    assert field.now_ms == began + 60_000
    assert field.ended[0].reason == f"{FAILURE_TEXTS[105]}: battery at 60 %, 80 wanted"


def test_retries_that_are_used_up_before_the_install_are_207():
    field = south(power=50, retry=1, interval=30)
    field.until_stage(Stage.DOWNLOADED)
    field.tell(WorldSet(battery=20))
    assert field.run().said() == [40, 101, 207]
    assert field.ended[0].reason == f"{FAILURE_TEXTS[207]}: battery at 20 %, 50 wanted"


def test_without_retries_it_is_202():
    field = south(power=50)
    field.until_stage(Stage.DOWNLOADED)
    field.tell(WorldSet(battery=20))
    assert field.run().said() == [40, 101, 202]


@pytest.mark.parametrize("step", [104, 105, 106, 202])
def test_a_chosen_failure_that_time_may_mend_is_tried_again(step):
    field = south(Fault(what="fails", step=step, times=2), retry=2, interval=30)
    assert field.run().said()[1:] == [101, 201]
    assert field.kinds() == ["fails", "fails"]
    field = south(Fault(what="fails", step=step, times=ALWAYS), retry=2, interval=30)
    assert field.run().said()[-1] == (207 if step == 202 else step)


@pytest.mark.parametrize("step", [102, 103, 107, 203, 204, 205, 206])
def test_a_failure_that_time_does_not_mend_is_told_at_once(step):
    field = south(Fault(what="fails", step=step), retry=2, interval=30)
    assert field.run().said()[-1] == step


@pytest.mark.parametrize(("timed_out", "step"), [(True, 104), (False, 107)])
def test_a_download_that_does_not_come_is_tried_again(timed_out, step):
    story = HttpStory("south", Profile(start_jitter_ms=0, download_tries=1))
    story.tell(PowerOn())
    story.answer()
    story.offer(retry=1, interval=10)
    story.answer()
    assert story.tell(FetchFailed("gone", timed_out)) == []
    assert (story.device.stage, story.device.rest_due_ms) == (Stage.HELD, story.now_ms + 10_000)
    (fetch,) = story.tick()
    assert fetch.path == story.path()
    assert story.tell(FetchFailed("gone", timed_out)) == [story.step(step)]


def test_a_device_that_lacks_nothing_asks_nothing():
    field = Field("south").on()
    assert field.device.plight is None
    field.tell(FaultsSet())
    assert field.device.plight is None
    field.job(power=100, signal=100)
    assert field.run().said() == [40, 101, 201]
    assert field.device.rest_due_ms == NEVER
