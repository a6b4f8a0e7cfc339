"""Every pair of state and event: what is in the tables is a move, anything else a contract violation."""

import itertools

import pytest

from device_sim.core.effects import Send
from device_sim.core.events import (
    FETCH_EVENTS,
    CardReplaced,
    Dropped,
    FaultsSet,
    FetchFailed,
    LinkDown,
    LinkUp,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Received,
    Tick,
    TimePassed,
    WorldSet,
)
from device_sim.core.faults import Fault
from device_sim.core.job_moves import JOB_MOVES
from device_sim.core.mqtt_device import MQTT_MOVES
from device_sim.core.profile import Profile
from device_sim.core.state import Link, Stage
from device_sim.core.talker import ContractViolation
from platform_stub.protocol import topics
from tests.device_sim.core.story import EVENTS, Story

ON = {Link.WAITING, Link.CONNECTING, Link.REPORTING, Link.PRESENT}
ALL = ON | {Link.OFF}
ALL = ON | {Link.OFF}
ALL = ON | {Link.OFF}
UP = {Link.REPORTING, Link.PRESENT}
LEGAL_LINKS = {
    PowerOn: {Link.OFF},
    PowerOff: ALL,
    PowerCut: ALL,
    PowerBack: ALL,
    Dropped: ALL,
    Tick: ALL,
    LinkUp: {Link.CONNECTING},
    LinkDown: UP | {Link.CONNECTING},
    Received: UP,
    CardReplaced: ALL,
    FaultsSet: ALL,
    WorldSet: ALL,
    TimePassed: ALL,
}
STAGES = [stage for stage in Stage if stage not in {Stage.CHECKING, Stage.HELD}]  # those are of generation A
BY_FAULT = {
    Stage.FAILING: Fault(what="fails", step=102),
    Stage.PAUSING: Fault(what="slow", rate=100),
    Stage.HANGING: Fault(what="hang", at="told"),
}


def name_of(value):
    return value.name if isinstance(value, Link | Stage) else type(value).__name__


def at_link(link):
    story = Story()
    if link is Link.OFF:
        return story
    story.tell(PowerOn())
    if link is Link.WAITING:
        story.tell(LinkDown())
    elif link in UP:
        story.tell(LinkUp())
        if link is Link.PRESENT:
            story.reply(topics.VERSION_REPLY, 1)
    assert story.device.link is link
    return story


def at_stage(stage):
    story = Story(Profile(start_jitter_ms=0, chunk_bytes=400, install_ms=10, reboot_ms=10)).present()
    if stage is Stage.IDLE:
        return story
    if stage in BY_FAULT:
        story.tell(FaultsSet((BY_FAULT[stage],)))
    story.inform()
    if stage is Stage.RETRYING:
        story.tell(FetchFailed("cut"))
    elif stage is Stage.PAUSING:
        story.range_arrives()
        story.step_replied()
    elif stage is Stage.RETURNING:
        story.tell(PowerCut())
        story.tell(PowerBack())
    elif stage not in {Stage.FETCHING, *BY_FAULT}:
        story.range_arrives()
        if stage is not Stage.PROGRESSING:
            story.step_replied()
            story.range_arrives()
            story.range_arrives()
        if stage in {Stage.INSTALLING, Stage.REBOOTING, Stage.UPDATED}:
            story.step_replied()
        if stage in {Stage.REBOOTING, Stage.UPDATED}:
            story.tick()
        if stage is Stage.UPDATED:
            story.tick()
            story.tell(LinkUp())
    assert story.device.stage is stage
    return story


@pytest.mark.parametrize(("link", "event"), list(itertools.product(Link, EVENTS)), ids=name_of)
def test_each_link_and_event(link, event):
    story = at_link(link)
    if type(event) in FETCH_EVENTS or link not in LEGAL_LINKS.get(type(event), set()):
        with pytest.raises(
            ContractViolation, match=f"device 7: {type(event).__name__} while {link.name}, job IDLE"
        ):
            story.tell(event)
        assert story.device.link is link
    else:
        story.tell(event)


@pytest.mark.parametrize(("stage", "event"), list(itertools.product(STAGES, EVENTS)), ids=name_of)
def test_each_stage_and_event(stage, event):
    story = at_stage(stage)
    link = story.device.link
    legal = (
        stage is Stage.FETCHING
        if type(event) in FETCH_EVENTS
        else link in LEGAL_LINKS.get(type(event), set())
    )
    if legal:
        story.tell(event)
    else:
        with pytest.raises(ContractViolation):
            story.tell(event)


@pytest.mark.parametrize("stage", [at for at in STAGES if at not in {Stage.REBOOTING, Stage.HANGING}])
@pytest.mark.parametrize("gone", [LinkDown(), CardReplaced("1", "2")], ids=name_of)
def test_nothing_is_sent_without_a_link(stage, gone):
    story = at_stage(stage)
    story.tell(gone)
    sent = [effect for _ in range(3) for effect in story.tell(Tick(), 100_000) if isinstance(effect, Send)]
    assert sent == []
    assert story.device.link is Link.CONNECTING


def test_the_tables_hold_no_other_pair():
    links = {(link, kind) for kind, at in LEGAL_LINKS.items() for link in at}
    assert set(MQTT_MOVES) == links
    assert {stage for stage, _ in JOB_MOVES} == set(Stage) - {Stage.IDLE}
