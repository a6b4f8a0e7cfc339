"""Power that goes and comes back, cards put in meanwhile, and running time that goes on faster than the shell's clock."""

from dataclasses import replace

import pytest

from device_sim.core.bell import Bell
from device_sim.core.effects import Connect, Disconnect, PowerLost, PowerRestored, Ring, Struck
from device_sim.core.events import (
    CardReplaced,
    Dropped,
    FaultsSet,
    LinkUp,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Received,
    Tick,
    TimePassed,
)
from device_sim.core.faults import Fault
from device_sim.core.power import POINT_AT
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Point, Stage
from device_sim.core.wheel import NEVER
from platform_stub.protocol import topics
from tests.device_sim.core.field import FIELD, FLOWS, Field
from tests.device_sim.core.http_story import FLOWS as HTTP_FLOWS
from tests.device_sim.core.http_story import HttpStory
from tests.device_sim.core.story import PLAIN, Story, card, version

every_flow = pytest.mark.parametrize("flow", FLOWS)
SLOW = Profile(start_jitter_ms=0, chunk_bytes=400, poll_ms=1_000, install_ms=60_000, reboot_ms=30_000)


def test_each_stage_of_a_job_has_its_point():
    told_by_the_job = {Stage.IDLE, Stage.HELD, Stage.HANGING, Stage.RETURNING}
    assert set(POINT_AT) == set(Stage) - told_by_the_job
    assert set(POINT_AT.values()) == set(Point)


@every_flow
def test_a_device_without_power_is_off_until_the_power_is_back(flow):
    field = Field(flow).on()
    field.wait(0)
    field.tell(PowerCut())
    assert (field.device.link, field.device.due_ms, field.device.is_busy) == (Link.OFF, NEVER, False)
    assert not field.device.is_present
    field.wait(1_000_000)
    assert field.device.link is Link.OFF
    field.tell(PowerBack())
    field.wait(0)
    assert field.device.is_present


@every_flow
def test_the_power_comes_back_by_itself_after_its_time(flow):
    field = Field(flow).on()
    field.wait(0)
    field.tell(PowerCut(600_000))
    assert (field.device.rest_due_ms, field.device.is_busy) == (field.now_ms + 600_000, True)
    assert field.device.handle(Tick(), field.now_ms + 599_999) == []
    field.pass_time(599_000)
    assert field.device.rest_due_ms == field.now_ms + 1_000
    first, *_ = field.device.handle(Tick(), field.now_ms + 1_000)
    assert first == PowerRestored()
    assert field.device.link is not Link.OFF


@every_flow
def test_a_second_cut_says_anew_how_long(flow):
    field = Field(flow).on()
    field.job()
    field.until_stage(Stage.FETCHING)
    field.tell(PowerCut(1_000))
    kept = field.device.kept
    field.tell(PowerCut())
    assert (field.device.due_ms, field.device.kept) == (NEVER, kept)
    field.tell(PowerBack())
    field.run()
    assert field.device.f_version == "2.0"


@every_flow
def test_power_back_where_it_is_changes_nothing(flow):
    field = Field(flow).on()
    field.job()
    field.until_stage(Stage.FETCHING)
    field.tell(PowerBack())
    field.run()
    assert field.said() == [40, 101, 201]


@every_flow
def test_power_off_for_good_forgets_what_was_in_the_flash(flow):
    field = Field(flow).on()
    field.job()
    field.until_stage(Stage.FETCHING)
    field.tell(PowerCut(1_000))
    field.tell(PowerOff())
    assert (field.device.kept, field.device.due_ms) == (None, NEVER)


def test_a_fault_tells_the_shell_that_the_power_is_gone():
    story = Story().present()
    story.tell(FaultsSet((Fault(what="power_loss", at="told", for_ms=700),)))
    *_, struck, disconnect, lost = story.inform()
    assert struck == Struck("power_loss", "loses its power when it was told")
    assert (disconnect, lost) == (Disconnect(), PowerLost(700))


@every_flow
@pytest.mark.parametrize("stage", [Stage.FETCHING, Stage.PROGRESSING, Stage.INSTALLING, Stage.REBOOTING])
def test_a_job_goes_on_after_a_cut_in_the_middle(flow, stage):
    field = Field(flow, profile=SLOW).on()
    field.job()
    field.until_stage(stage)
    field.tell(PowerCut())
    assert (field.device.job, field.device.stage) == (None, Stage.IDLE)
    field.tell(PowerBack())
    assert field.device.job.tid == (0 if flow == "south" else 41)
    field.run()
    assert [ended.step for ended in field.ended] == [201]
    assert field.device.f_version == "2.0"


# cards


def test_a_card_is_told_at_the_first_login_alone_where_the_profile_says_so():
    story = Story(profile=replace(PLAIN, posts_card=True), iccid="0111", imsi="0222")
    story.tell(PowerOn())
    assert story.tell(LinkUp()) == [version(1), card(2, "0111", "0222")]
    story.reply(topics.PROPERTY_POST_REPLY, 2)
    assert not story.device.card_unposted
    story.tell(PowerCut())
    story.tell(PowerBack())
    assert story.tell(LinkUp()) == [version(3)]
    without = Story(profile=replace(PLAIN, posts_card=True), iccid="")
    without.tell(PowerOn())
    assert without.tell(LinkUp()) == [version(1)]


@every_flow
def test_who_leaves_while_off_for_a_span_does_not_come_back(flow):
    field = Field(flow).on()
    field.wait(0)
    field.tell(PowerCut(600_000))
    field.tell(PowerOff())
    assert (field.device.link, field.device.due_ms, field.device.is_busy) == (Link.OFF, NEVER, False)
    field.wait(1_000_000)
    assert field.device.link is Link.OFF


def test_a_card_that_was_put_in_while_off_is_posted_when_the_power_is_back():
    story = Story().present()
    story.tell(PowerCut())
    assert story.tell(CardReplaced("0111", "0222")) == []
    assert (story.device.iccid, story.device.card_unposted, story.device.is_busy) == ("0111", False, False)
    assert story.tell(PowerBack()) == [Connect()]
    assert story.tell(LinkUp()) == [version(2), card(3, "0111", "0222")]
    assert story.device.card_unposted


def test_a_card_that_is_not_posted_yet_outlives_a_cut():
    story = Story().present()
    story.tell(CardReplaced("0111", "0222"))
    story.tell(PowerCut())
    assert not story.device.card_unposted
    story.tell(PowerBack())
    assert card(3, "0111", "0222") in story.tell(LinkUp())


@pytest.mark.parametrize("flow", HTTP_FLOWS)
def test_a_card_put_in_while_off_over_http(flow):
    story = HttpStory(flow).present()
    story.tell(PowerCut())
    assert story.tell(CardReplaced("0111", "0222")) == []
    assert story.device.iccid == "0111"
    assert story.tell(PowerBack()) == [story.version()]
    story.answer()
    assert not story.device.card_unposted


@every_flow
@pytest.mark.parametrize("stage", [Stage.REBOOTING, Stage.HANGING, Stage.PAUSING])
def test_a_card_replaced_while_it_boots_hangs_or_pauses(flow, stage):
    faults = {
        Stage.REBOOTING: (),
        Stage.HANGING: (Fault(what="hang", at="install", for_ms=50),),
        Stage.PAUSING: (Fault(what="slow", rate=100),),
    }[stage]
    field = Field(flow, *faults, profile=SLOW).on()
    field.job()
    field.until_stage(stage)
    field.tell(CardReplaced("1", "2"))
    field.run()
    assert field.device.f_version == "2.0"
    assert not field.device.card_unposted


# running time


@every_flow
def test_an_install_and_a_reboot_end_when_their_time_has_come_by_either_clock(flow):
    field = Field(flow, profile=SLOW).on()
    field.job()
    field.until_stage(Stage.INSTALLING)
    assert field.device.rest_due_ms == field.now_ms + 60_000
    field.pass_time(60_000)
    field.wait(0)
    assert field.device.stage is Stage.REBOOTING
    assert field.device.rest_due_ms == field.now_ms + 30_000
    field.pass_time(10_000)
    assert field.device.rest_due_ms == field.now_ms + 20_000
    field.wait(19_999)
    assert field.device.stage is Stage.REBOOTING
    field.wait(1)
    field.run()
    assert field.device.f_version == "2.0"


def test_what_waits_for_the_network_waits_no_less():
    story = Story().present()
    story.inform()
    story.range_arrives()
    due_ms = story.device.due_ms
    assert story.tell(TimePassed(10_000_000)) == []
    assert (story.device.due_ms, story.device.rest_due_ms) == (due_ms, NEVER)
    story = HttpStory("fuse", FIELD).begin()
    story.tell(Dropped())
    due_ms = story.device.due_ms
    story.tell(TimePassed(10_000_000))
    assert (story.device.due_ms, story.device.rest_due_ms) == (due_ms, NEVER)


def test_a_device_that_drops_its_connection_drops_it_once_in_a_long_time_passed():
    field = Field("mqtt", Fault(what="reconnects", for_ms=60_000, times=100)).on()
    field.wait(0)
    assert field.device.rest_due_ms == NEVER
    field.pass_time(10_000_000)
    field.wait(0)
    assert field.kinds() == ["reconnects"]


# the bell


def test_a_bell_is_cut_dropped_and_silent_with_its_device():
    bell = Bell(device_id=7, seed=1, profile=PLAIN, f_version=None, s_version=None, iccid="", imsi="")
    inform = Received(topics.INFORM, b'{"id":"77","version":"1.0","params":{}}')
    assert bell.handle(PowerOn(), 0) == [Connect()]
    bell.handle(LinkUp(), 0)
    assert bell.handle(Dropped(), 0) == [Disconnect(), Connect()]
    bell.handle(LinkUp(), 0)
    assert bell.handle(PowerCut(500), 0) == [Disconnect()]
    assert bell.handle(Tick(), 499) == []
    assert bell.handle(Tick(), 500) == [Connect()]
    bell.handle(LinkUp(), 500)
    bell.handle(FaultsSet((Fault(what="silent"),)), 500)
    assert bell.handle(inform, 500) == [Struck("silent", "does not react to an inform")]
    assert bell.handle(inform, 500)[1] == Ring()
