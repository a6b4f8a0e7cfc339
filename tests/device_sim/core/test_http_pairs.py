"""Every pair of state and event over HTTP: what is in the tables is a move, anything else a contract violation."""

import itertools

import pytest

from device_sim.core.effects import Call
from device_sim.core.events import (
    FETCH_EVENTS,
    CallAnswered,
    CallFailed,
    CardReplaced,
    Dropped,
    FaultsSet,
    FetchFailed,
    Informed,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Tick,
    TimePassed,
    WorldSet,
)
from device_sim.core.faults import Fault
from device_sim.core.http_device import HTTP_MOVES
from device_sim.core.http_state import Asked
from device_sim.core.job_moves import JOB_MOVES
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.talker import ContractViolation
from tests.device_sim.core.http_story import CUT, FLOWS, HttpStory
from tests.device_sim.core.story import EVENTS

LINKS = [Link.OFF, Link.WAITING, Link.REPORTING, Link.PRESENT]
ALL = {Link.OFF, Link.WAITING, Link.REPORTING, Link.PRESENT}
UP = {Link.REPORTING, Link.PRESENT}
LEGAL_LINKS = {
    PowerOn: {Link.OFF},
    PowerOff: ALL,
    PowerCut: ALL,
    PowerBack: ALL,
    Dropped: ALL,
    Tick: ALL,
    CallAnswered: UP,
    CallFailed: UP,
    CardReplaced: ALL,
    Informed: ALL,
    FaultsSet: ALL,
    WorldSet: ALL,
    TimePassed: ALL,
}
CALL_EVENTS = {CallAnswered, CallFailed}
STAGES = {
    flow: [at for at in Stage if flow == "south" or at not in {Stage.CHECKING, Stage.HELD}] for flow in FLOWS
}
BY_FAULT = {
    Stage.FAILING: Fault(what="fails", step=102),
    Stage.PAUSING: Fault(what="slow", rate=100),
    Stage.HANGING: Fault(what="hang", at="told"),
}
SLOW = Profile(start_jitter_ms=0, chunk_bytes=400, install_ms=10, reboot_ms=10)


def name_of(value):
    return value.name if isinstance(value, Link | Stage | Asked) else type(value).__name__


def at_link(flow, link):
    if link is Link.OFF:
        return HttpStory(flow)
    if link is Link.PRESENT:
        return HttpStory(flow).present()
    story = HttpStory(flow)
    story.tell(PowerOn())
    if link is Link.WAITING:
        story.tell(CUT)
    assert story.device.link is link
    return story


def at_stage(flow, stage):
    story = HttpStory(flow, SLOW)
    if stage is Stage.IDLE:
        return story.present()
    offered(story, flow, stage)
    if stage is Stage.RETRYING:
        story.tell(FetchFailed("cut"))
    elif stage is Stage.PAUSING:
        story.range_arrives()
        story.answer()
    elif stage is Stage.RETURNING:
        story.tell(PowerCut())
        story.tell(PowerBack())
    elif stage not in {Stage.FETCHING, Stage.CHECKING, Stage.HELD, *BY_FAULT}:
        downloaded(story, stage)
    assert story.device.stage is stage
    return story


def offered(story, flow, stage):
    story.tell(PowerOn())
    story.answer()
    if stage in BY_FAULT:
        story.tell(FaultsSet((BY_FAULT[stage],)))
    if stage is Stage.HELD:
        story.tell(WorldSet(battery=20))
        story.offer(retry=1)
    else:
        story.offer()
    if flow == "south" and stage not in {Stage.CHECKING, Stage.FAILING, Stage.HANGING, Stage.HELD}:
        story.answer()


def downloaded(story, stage):
    story.range_arrives()
    if stage is not Stage.PROGRESSING:
        story.answer()
        story.range_arrives()
        story.range_arrives()
    if stage in {Stage.INSTALLING, Stage.REBOOTING, Stage.UPDATED}:
        story.answer()
    if stage in {Stage.REBOOTING, Stage.UPDATED}:
        story.tick()
    if stage is Stage.UPDATED:
        story.tick()


def is_legal(device, event):
    kind = type(event)
    if kind in FETCH_EVENTS:
        return device.stage is Stage.FETCHING
    if kind in CALL_EVENTS and device.asked is Asked.NOTHING:
        return False
    return device.link in LEGAL_LINKS.get(kind, set())


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(("link", "event"), list(itertools.product(LINKS, EVENTS)), ids=name_of)
def test_each_link_and_event(flow, link, event):
    story = at_link(flow, link)
    if is_legal(story.device, event):
        story.tell(event)
        return
    with pytest.raises(
        ContractViolation, match=f"device 7: {type(event).__name__} while {link.name}, job IDLE"
    ):
        story.tell(event)
    assert story.device.link is link


@pytest.mark.parametrize(
    ("flow", "stage", "event"),
    [(flow, stage, event) for flow in FLOWS for stage in STAGES[flow] for event in EVENTS],
    ids=name_of,
)
def test_each_stage_and_event(flow, stage, event):
    story = at_stage(flow, stage)
    before = story.device.asked
    if is_legal(story.device, event):
        story.tell(event)
        return
    with pytest.raises(ContractViolation):
        story.tell(event)
    assert (story.device.stage, story.device.asked) == (stage, before)


@pytest.mark.parametrize(
    ("flow", "stage"), [(flow, stage) for flow in FLOWS for stage in STAGES[flow]], ids=name_of
)
def test_one_thing_at_a_time(flow, stage):
    """Whatever happens, a device has never a call and a download, or two of one kind, under way."""
    for event in EVENTS:
        story = at_stage(flow, stage)
        if not is_legal(story.device, event) or isinstance(event, PowerOff):
            continue
        for effects in (story.tell(event), story.tell(Tick(), 100_000), story.tell(Tick(), 100_000)):
            assert sum(type(effect).__name__ in {"Call", "Fetch"} for effect in effects) <= 1
        assert not (story.device.is_calling and story.device.stage is Stage.FETCHING)


@pytest.mark.parametrize(
    ("flow", "stage"),
    [
        (flow, stage)
        for flow in FLOWS
        for stage in STAGES[flow]
        if stage not in {Stage.REBOOTING, Stage.HANGING}
    ],
    ids=name_of,
)
def test_nothing_is_called_while_it_is_offline(flow, stage):
    story = at_stage(flow, stage)
    story.tell(CardReplaced("1", "2"))
    sent = [effect for _ in range(3) for effect in story.tell(Tick(), 30) if isinstance(effect, Call)]
    assert (sent, story.device.link) == ([], Link.WAITING)


def test_the_tables_hold_no_other_pair():
    assert set(HTTP_MOVES) == {(link, kind) for kind, at in LEGAL_LINKS.items() for link in at}
    assert {stage for stage, _ in JOB_MOVES} == set(Stage) - {Stage.IDLE}
