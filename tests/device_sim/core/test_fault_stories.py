"""Each kind of fault in each flow that has it, told against a platform in memory."""

import pytest

from device_sim.core.effects import Outcome, Struck
from device_sim.core.events import Dropped, FaultsSet, LinkDown, LinkUp, PowerBack, PowerCut
from device_sim.core.faults import ALWAYS, FAILURE_TEXTS, MEANINGS, WHATS, Fault
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.wheel import NEVER
from device_sim.core.world import Span, World
from platform_stub.protocol import topics
from tests.device_sim.core.field import FIELD, FLOWS, Field
from tests.device_sim.core.http_story import FLOWS as HTTP_FLOWS
from tests.device_sim.core.http_story import HttpStory
from tests.device_sim.core.story import Story

every_flow = pytest.mark.parametrize("flow", FLOWS)
http_flows = pytest.mark.parametrize("flow", HTTP_FLOWS)
SLOW_BOOT = Profile(start_jitter_ms=0, chunk_bytes=400, poll_ms=1_000, install_ms=100, reboot_ms=300)
PLACES = ["told", "download", "downloaded", "install", "reboot", "updated"]
BIG = bytes(range(256)) * 16  # 4,096 bytes


def failed(field, step):
    assert [(ended.outcome, ended.step) for ended in field.ended] == [(Outcome.FAILED, step)]
    assert field.jobs[0].state == "failed"
    assert field.steps()[-1] == step


def succeeded(field):
    assert [ended.outcome for ended in field.ended] == [Outcome.SUCCEEDED]
    assert field.jobs[0].state == "success"
    assert field.device.f_version == "2.0"
    assert not field.device.is_busy


def test_there_are_seventeen_kinds_and_each_has_a_story_here():
    assert len(WHATS) == len(MEANINGS) == 17


# silence and refusals


@every_flow
def test_a_silent_device_does_nothing_until_the_fault_is_cleared(flow):
    field = Field(flow, Fault(what="silent", times=ALWAYS)).on()
    job = field.job()
    field.wait(30_000)
    assert (job.state, field.said(), field.device.stage) == ("pending", [], Stage.IDLE)
    assert set(field.kinds()) == {"silent"}
    field.tell(FaultsSet())
    field.tell_again()
    succeeded(field.run())


@every_flow
def test_a_device_that_is_silent_once_reacts_the_next_time(flow):
    field = Field(flow, Fault(what="silent")).on()
    field.job()
    field.run()
    if flow == "mqtt":
        assert field.said() == []
        field.tell_again()
    succeeded(field.run())
    assert field.kinds() == ["silent"]


def test_a_refused_inform_is_answered_so_and_the_job_is_not_begun():
    story = Story().present()
    story.tell(FaultsSet((Fault(what="refuse_inform", times=2),)))
    for _ in range(2):
        struck, reply = story.inform()
        assert struck == Struck("refuse_inform", "answers an inform that it will not update")
        assert reply.payload == b'{"id":"i41","code":100}'
    assert story.device.stage is Stage.IDLE
    assert story.inform()[0].payload == b'{"id":"i41","code":200}'


@http_flows
def test_a_check_that_can_not_be_read_finds_no_job(flow):
    field = Field(flow, Fault(what="check_fails", times=2)).on()
    field.job()
    succeeded(field.run())
    assert field.kinds() == ["check_fails"] * 2
    assert len(field.noted) == 2  # what the platform said to that


# the download


@every_flow
@pytest.mark.parametrize("times", [1, 3])
def test_a_download_that_is_cut_goes_on_where_it_was(flow, times):
    field = Field(flow, Fault(what="cut", at_byte=250, times=times)).on()
    field.job()
    succeeded(field.run())
    assert field.struck == [Struck("cut", "the connection was lost at byte 250 of 1,000")] * times
    assert (field.versions().count(("1.0", None)) > 1) is (flow == "mqtt")  # that was offline meanwhile


@every_flow
def test_a_download_that_is_always_cut_fails_in_the_end(flow):
    field = Field(flow, Fault(what="cut", at_byte=250, times=ALWAYS)).on()
    field.job()
    field.run()
    failed(field, 107)
    assert field.ended[0].reason == "download failed: the connection was lost at byte 250 of 1,000"
    assert len(field.struck) == FIELD.download_tries  # the first one gained something


@every_flow
def test_a_slow_download_takes_its_time_and_asks_for_little_at_once(flow):
    field = Field(flow, Fault(what="slow", rate=100)).on()
    field.job()
    field.run()
    succeeded(field)
    assert field.now_ms >= 1_000 + 9 * 1_000  # the last range needs no pause
    assert field.stages.count(Stage.PAUSING) == 9
    assert field.struck == [Struck("slow", "downloads 100 bytes a second")]
    assert field.device.plight is not None


@every_flow
def test_a_slow_download_is_hurried_by_the_account_s_clock(flow):
    field = Field(flow, Fault(what="slow", rate=100)).on()
    field.job()
    field.until_stage(Stage.PAUSING)
    assert field.device.rest_due_ms == field.now_ms + 1_000
    field.pass_time(5_000)
    assert field.device.due_ms == field.now_ms - 4_000
    succeeded(field.run())


@every_flow
def test_a_slow_download_takes_up_what_a_leap_of_time_gave_it(flow):
    """Ten ranges of a second each: five seconds of them are in the leap, the rest is as slow as before."""
    field = Field(flow, Fault(what="slow", rate=100)).on()
    field.job()
    began_ms = field.now_ms
    field.until_stage(Stage.PAUSING)
    field.pass_time(5_000)
    succeeded(field.run())
    assert 4_000 <= field.now_ms - began_ms < 4_500


@every_flow
@pytest.mark.parametrize("step", [102, 103, 104, 105, 106, 107, 202, 203, 204, 205, 206, 207])
def test_a_chosen_failure_fails_so_many_jobs_after_so_many_good_ones(flow, step):
    field = Field(flow, Fault(what="fails", step=step, attempts=1, after=1)).on()
    for number in range(3):
        field.job(target=f"2.{number}")
        field.run()
    assert [ended.outcome for ended in field.ended] == [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED]
    assert field.ended[1].reason == FAILURE_TEXTS[step]
    assert field.steps(field.jobs[1])[-1] == step
    assert field.device.f_version == "2.2"


@every_flow
def test_a_fault_of_one_kind_of_update_leaves_the_other_alone(flow):
    field = Field(flow, Fault(what="fails", step=102, update="SOTA", attempts=ALWAYS), s_version="a").on()
    field.job(kind=1)
    field.job(kind=2, target="b")
    field.run()
    assert sorted((job.kind, job.state) for job in field.jobs) == [(1, "success"), (2, "failed")]
    assert (field.device.f_version, field.device.s_version) == ("2.0", "a")


# the boot


@every_flow
@pytest.mark.parametrize("profile", [FIELD, SLOW_BOOT], ids=["at_once", "slow"])
def test_another_version_than_the_target_runs_and_is_told(flow, profile):
    field = Field(flow, Fault(what="wrong_version", version="1.9"), profile=profile).on()
    field.job()
    field.run()
    failed(field, 204)
    assert field.ended[0].reason == f"{FAILURE_TEXTS[204]}: runs 1.9, not 2.0"
    assert (field.device.f_version, field.device.spare) == ("1.9", "1.0")
    assert field.versions()[-1] == ("1.9", None)


@every_flow
@pytest.mark.parametrize("boots", [1, 2])
def test_a_boot_that_fails_is_tried_again(flow, boots):
    field = Field(flow, Fault(what="boot_fails", boots=boots), profile=SLOW_BOOT).on()
    field.job()
    field.run()
    succeeded(field)
    assert field.kinds() == ["boot_fails"] * boots
    assert field.now_ms >= 1_000 + 100 + 300 * (1 + boots)


@every_flow
@pytest.mark.parametrize("profile", [FIELD, SLOW_BOOT], ids=["at_once", "slow"])
def test_what_does_not_boot_is_rolled_back(flow, profile):
    field = Field(flow, Fault(what="boot_fails"), profile=profile).on()
    field.job()
    field.run()
    failed(field, 207)
    assert field.ended[0].reason == f"{FAILURE_TEXTS[207]}: 3 boots of 2.0 failed, back to 1.0"
    assert (field.device.f_version, field.device.spare) == ("1.0", "2.0")
    assert {version for version, _ in field.versions()} == {"1.0"}


def test_boots_of_no_time_are_counted_too():
    field = Field(
        "mqtt", Fault(what="boot_fails"), profile=Profile(start_jitter_ms=0, world=World(boots_max=100))
    ).on()
    field.job()
    field.run()
    failed(field, 207)
    assert field.ended[0].reason.endswith("100 boots of 2.0 failed, back to 1.0")


@every_flow
def test_an_mcu_has_one_slot_so_what_does_not_boot_leaves_it_without(flow):
    field = Field(flow, Fault(what="boot_fails"), s_version="a").on()
    field.job(kind=2, target="b")
    field.run()
    failed(field, 207)
    assert field.ended[0].reason.endswith("3 boots of b failed, the MCU runs no application")
    assert (field.device.f_version, field.device.s_version) == ("1.0", None)
    assert field.versions()[-1] == ("1.0", None)
    field.tell(FaultsSet())
    field.job(kind=2, target="c")
    field.run()
    assert field.versions()[-1] == ("1.0", "c")


# hanging


def at_place(what, place, **values):
    return Fault(what=what, at=place, **values)


@every_flow
@pytest.mark.parametrize("place", PLACES)
def test_a_hang_of_some_time_delays_the_job(flow, place):
    field = Field(flow, at_place("hang", place, for_ms=60_000), profile=SLOW_BOOT).on()
    field.job()
    field.until_stage(Stage.HANGING)
    field.wait(0)  # for what was said just before
    began = len(field.wire)
    assert field.device.rest_due_ms == field.now_ms + 60_000
    field.wait(59_999)
    assert (field.device.stage, len(field.wire), field.device.is_busy) == (Stage.HANGING, began, True)
    succeeded(field.run())
    assert field.kinds() == ["hang"]


@every_flow
@pytest.mark.parametrize("place", PLACES)
def test_a_hang_without_end_ends_when_the_device_is_switched_off_and_on(flow, place):
    field = Field(flow, at_place("hang", place), profile=SLOW_BOOT).on()
    field.job()
    field.until_stage(Stage.HANGING)
    assert (field.device.rest_due_ms, field.device.is_busy) == (NEVER, False)
    field.wait(0)  # for what was said just before
    began = len(field.wire)
    field.wait(10_000_000)
    field.pass_time(10_000_000)
    assert (field.device.stage, len(field.wire)) == (Stage.HANGING, began)
    field.tell(PowerCut())
    field.tell(PowerBack())
    succeeded(field.run())


def test_a_device_that_hangs_reads_nothing_and_does_not_come_back_to_a_connection():
    field = Field("mqtt", at_place("hang", "downloaded")).on()
    field.job()
    field.until_stage(Stage.HANGING)
    field.job(target="3.0")
    field.run()
    assert field.device.waiting == ()
    field.is_up = False
    field.tell(LinkDown())
    assert (field.device.link, field.device.due_ms) == (Link.WAITING, NEVER)


@every_flow
def test_where_a_download_hangs_can_be_said(flow):
    field = Field(flow, at_place("hang", "download", at_byte=700)).on()
    field.job()
    field.until_stage(Stage.HANGING)
    assert field.device.job.download.position == 700
    assert field.struck[-1] == Struck("hang", "hangs at byte 700 of 1,000")


# power


@every_flow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("flush_bytes", [0, 16, 16_384])
def test_a_loss_of_power_in_each_place(flow, place, flush_bytes):
    """What was flushed is gone on with; with nothing flushed the job is told, and begun, again."""
    profile = Profile(
        start_jitter_ms=0,
        chunk_bytes=400,
        poll_ms=1_000,
        install_ms=100,
        reboot_ms=300,
        world=World(flush_bytes=flush_bytes),
    )
    field = Field(flow, at_place("power_loss", place, for_ms=5_000), profile=profile).on()
    field.job()
    field.until(lambda device: device.link is Link.OFF)
    assert (field.device.rest_due_ms, field.device.is_busy) == (field.now_ms + 5_000, True)
    assert (field.device.kept is None) is (flush_bytes == 0)
    field.run()
    assert field.kinds() == ["power_loss"]
    if (flow, flush_bytes) == ("mqtt", 0) and place in {"install", "reboot"}:
        assert field.jobs[0].state == "upgrading"  # of those none is told again (M-26): it will expire
        assert field.device.f_version == "1.0"
        return
    assert field.jobs[0].state == "success"
    assert field.device.f_version == "2.0"
    field.wait(3_000)
    assert field.versions()[-1] == ("2.0", None)


@every_flow
def test_a_download_goes_on_at_the_last_flush(flow):
    field = Field(
        flow,
        at_place("power_loss", "download", at_byte=3_000),
        profile=Profile(start_jitter_ms=0, poll_ms=1_000, world=World(flush_bytes=1_024)),
    ).on()
    field.job(package=BIG)
    field.until(lambda device: device.kept is not None)
    assert field.device.kept.job.download.position == 2_048
    succeeded(field.run())


@every_flow
def test_power_lost_in_an_mcu_s_install_leaves_it_without_an_application(flow):
    field = Field(flow, at_place("power_loss", "install"), profile=SLOW_BOOT, s_version="a").on()
    field.job(kind=2, target="b")
    field.until(lambda device: device.kept is not None)
    assert field.device.s_version is None
    field.run()
    assert (
        field.versions() == [("1.0", "a"), ("1.0", None), ("1.0", "b"), ("1.0", "b")][: len(field.versions())]
    )
    assert ("1.0", None) in field.versions()
    assert field.device.s_version == "b"
    assert field.jobs[0].state == "success"


@every_flow
def test_power_lost_in_a_module_s_install_leaves_what_ran(flow):
    field = Field(flow, at_place("power_loss", "install"), profile=SLOW_BOOT).on()
    field.job()
    field.until(lambda device: device.kept is not None)
    assert (field.device.f_version, field.device.spare) == ("1.0", None)
    succeeded(field.run())


# reports


@every_flow
@pytest.mark.parametrize("step", [None, 40, 101, 201])
def test_a_report_that_gets_lost_is_told_again(flow, step):
    field = Field(flow, Fault(what="lose_reports", step=step, times=2)).on()
    field.job()
    succeeded(field.run())
    lost = step or 40
    assert field.struck == [Struck("lose_reports", f"the report of step {lost} got lost")] * 2
    assert field.said() == [40, 101, 201]


@every_flow
@pytest.mark.parametrize("step", [40, 101, 201])
def test_a_report_that_is_told_twice_is_one_step(flow, step):
    field = Field(flow, Fault(what="double_reports", step=step)).on()
    field.job()
    succeeded(field.run())
    said = [40, 101, 201]
    said.insert(said.index(step), step)
    assert field.said() == said
    assert field.steps() == [40, 101, 201]


@every_flow
def test_all_reports_told_twice(flow):
    field = Field(flow, Fault(what="double_reports", times=ALWAYS)).on()
    field.job()
    succeeded(field.run())
    assert field.said() == [40, 40, 101, 101, 201, 201]


@http_flows
def test_the_first_answer_to_a_step_told_twice_counts(flow):
    story = HttpStory(flow).begin()
    story.tell(FaultsSet((Fault(what="double_reports"),)))
    assert story.range_arrives() == [story.step(101)]
    struck, second = story.answer()
    assert (struck.what, second) == ("double_reports", story.step(101, again=True))
    assert story.answer(20, "task finish") == [story.step(201)]


@every_flow
@pytest.mark.parametrize("step", [40, 101, 201])
def test_a_report_comes_late_by_running_time(flow, step):
    field = Field(flow, Fault(what="late_reports", step=step, for_ms=70_000)).on()
    field.job()
    field.until(lambda _: bool(field.struck))
    assert field.device.rest_due_ms == field.now_ms + 70_000
    assert step not in field.said()
    field.wait(30_000)
    assert step not in field.said()
    field.pass_time(40_000)
    field.wait(100)
    assert field.said()[-1] >= step
    succeeded(field.run())


@every_flow
def test_reports_out_of_order(flow):
    field = Field(flow, Fault(what="reorder_reports")).on()
    field.job()
    succeeded(field.run())
    assert field.said() == [40, 201, 101]
    assert field.ended[0].step == 201


@every_flow
def test_reports_out_of_order_with_a_reboot_between(flow):
    field = Field(flow, Fault(what="reorder_reports"), profile=SLOW_BOOT).on()
    field.job()
    succeeded(field.run())
    assert field.said() == [40, 201, 101]


# clocks, tokens, connections


@every_flow
def test_a_clock_that_is_off_is_for_the_signer(flow):
    field = Field(flow)
    assert (field.device.skew_ms, field.device.expired_tokens, field.device.take_expired_token()) == (
        0,
        0,
        False,
    )
    field.tell(FaultsSet((Fault(what="clock_skew", skew_ms=-172_800_000),)))
    assert field.device.skew_ms == -172_800_000
    assert field.struck == [Struck("clock_skew", "its clock is -172,800,000 ms off")]
    field.tell(FaultsSet())
    assert field.device.skew_ms == 0


@every_flow
def test_so_many_tokens_have_expired(flow):
    field = Field(flow, Fault(what="expired_token", times=2))
    assert field.device.expired_tokens == 2
    assert [field.device.take_expired_token() for _ in range(3)] == [True, True, False]
    field.tell(FaultsSet((Fault(what="expired_token", times=ALWAYS),)))
    assert all(field.device.take_expired_token() for _ in range(100))


def test_a_connection_that_is_dropped_again_and_again():
    field = Field("mqtt", Fault(what="reconnects", for_ms=10_000, times=3)).on()
    field.wait(9_000)
    assert field.struck == []
    field.wait(60_000)
    assert field.kinds() == ["reconnects"] * 3
    assert field.versions() == [("1.0", None)] * 4
    assert field.device.due_ms == NEVER
    field.job()
    succeeded(field.run())


@every_flow
def test_a_dropped_connection_is_back_at_once(flow):
    field = Field(flow).on()
    field.wait(100)
    at = field.now_ms
    field.tell(Dropped())
    field.wait(0)
    assert (field.device.is_present, field.now_ms) == (True, at)
    field.job()
    field.until_stage(Stage.FETCHING)
    field.tell(Dropped())
    succeeded(field.run())


def test_a_call_that_was_under_way_is_asked_again_at_once():
    story = HttpStory("fuse").begin()
    story.range_arrives()
    _, again = story.tell(Dropped())
    assert again == story.step(101, again=True)


# together


@every_flow
def test_new_faults_are_armed_in_the_next_job_and_old_ones_leave_the_present_one(flow):
    field = Field(flow, Fault(what="fails", step=205)).on()
    field.job()
    field.until_stage(Stage.PROGRESSING)
    field.tell(FaultsSet((Fault(what="fails", step=206),)))
    field.run()
    assert field.jobs[0].state == "success"
    field.job(target="3.0")
    field.run()
    assert field.steps(field.jobs[1])[-1] == 206


@every_flow
def test_several_faults_in_one_job(flow):
    field = Field(
        flow,
        Fault(what="cut", at_byte=100),
        Fault(what="cut", at_byte=500),
        Fault(what="power_loss", at="install", for_ms=1_000),
        Fault(what="boot_fails", boots=1),
        Fault(what="lose_reports", step=201),
        profile=SLOW_BOOT,
    ).on()
    field.job()
    succeeded(field.run())
    assert field.kinds() == ["cut", "cut", "power_loss", "boot_fails", "lose_reports"]


@every_flow
def test_both_kinds_of_job_are_done_one_after_the_other(flow):
    field = Field(flow, profile=SLOW_BOOT, s_version="a").on()
    field.job(kind=1)
    field.job(kind=2, target="b")
    field.run()
    assert (field.device.f_version, field.device.s_version, field.device.spare) == ("2.0", "b", "1.0")
    assert [job.state for job in field.jobs] == ["success", "success"]


@every_flow
def test_an_install_takes_what_the_world_says(flow):
    world = World(install=Span(low_ms=1_000, high_ms=9_000), reboot=Span(low_ms=100, high_ms=100))
    taken = set()
    for seed in range(4):
        field = Field(
            flow, profile=Profile(start_jitter_ms=0, chunk_bytes=400, poll_ms=1_000, world=world)
        ).on()
        field.device.seed = seed
        field.job()
        field.until_stage(Stage.INSTALLING)
        taken.add(field.device.rest_due_ms - field.now_ms)
        field.until_stage(Stage.REBOOTING)
        assert field.device.rest_due_ms == field.now_ms + 100
        succeeded(field.run())
    assert len(taken) > 1
    assert all(1_000 <= ms <= 9_000 for ms in taken)


def test_a_version_that_was_told_in_vain_is_told_as_it_is_by_then():
    story = Story().present()
    story.tell(LinkDown())
    story.tick()
    story.tell(LinkUp())  # its report has no reply
    story.inform()
    story.range_arrives()
    story.step_replied()
    assert story.device.f_version == "2.0"
    repeated = [each for each in story.tick() if each.suffix == topics.VERSION]
    assert b'"f_version":"2.0"' in repeated[0].payload
