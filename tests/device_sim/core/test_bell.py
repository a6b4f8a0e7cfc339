"""The MQTT side of a device that works over HTTP: every pair of state and event, and what it does when it is told."""

import itertools

import pytest

from device_sim.core.bell import BELL_MOVES, SUBSCRIPTIONS, Bell
from device_sim.core.effects import Connect, Disconnect, Noted, Ring, Send
from device_sim.core.events import (
    CardReplaced,
    Dropped,
    FaultsSet,
    Fetched,
    Informed,
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
from device_sim.core.http_state import Asked
from device_sim.core.state import Link
from device_sim.core.talker import ContractViolation
from device_sim.core.wheel import NEVER
from platform_stub.protocol import topics
from tests.device_sim.core.http_story import CUT, FLOWS, HttpStory
from tests.device_sim.core.story import PLAIN

INFORM = Received(topics.INFORM, b'{"id":"77","version":"1.0","params":{}}')
EVENTS = [
    PowerOn(),
    PowerOff(),
    PowerCut(),
    PowerBack(),
    Dropped(),
    Tick(),
    LinkUp(),
    LinkDown(),
    INFORM,
    CardReplaced("1", "2"),
    FaultsSet((Fault(what="silent"),)),
    WorldSet(battery=1),
    TimePassed(1_000),
    Fetched(),
]
ON = {Link.WAITING, Link.CONNECTING, Link.PRESENT}
ALL = ON | {Link.OFF}
LEGAL = {
    PowerOn: {Link.OFF},
    LinkUp: {Link.CONNECTING},
    LinkDown: {Link.CONNECTING, Link.PRESENT},
    Received: {Link.PRESENT},
    **dict.fromkeys(
        [PowerOff, PowerCut, PowerBack, Dropped, Tick, CardReplaced, FaultsSet, WorldSet, TimePassed], ALL
    ),
}
every_flow = pytest.mark.parametrize("flow", FLOWS)


def bell_at(link):
    bell = Bell(device_id=7, seed=1, profile=PLAIN, f_version=None, s_version=None, iccid="", imsi="")
    if link is not Link.OFF:
        assert bell.handle(PowerOn(), 1_000) == [Connect()]
    if link is Link.WAITING:
        bell.handle(LinkDown(), 1_000)
    elif link is Link.PRESENT:
        assert bell.handle(LinkUp(), 1_000) == []
    assert bell.link is link
    return bell


@pytest.mark.parametrize(
    ("link", "event"),
    list(itertools.product([Link.OFF, Link.WAITING, Link.CONNECTING, Link.PRESENT], EVENTS)),
)
def test_each_link_and_event(link, event):
    bell = bell_at(link)
    if link in LEGAL.get(type(event), set()):
        bell.handle(event, 1_100)
    else:
        with pytest.raises(ContractViolation, match=f"device 7: {type(event).__name__} while its bell is"):
            bell.handle(event, 1_100)


def test_the_table_holds_no_other_pair():
    assert set(BELL_MOVES) == {(link, kind) for kind, at in LEGAL.items() for link in at}


def test_it_subscribes_to_informs_alone_and_passes_them_on():
    assert SUBSCRIPTIONS == ("/ota/inform",)
    bell = bell_at(Link.PRESENT)
    assert bell.handle(INFORM, 1_100) == [Send("/ota/inform_reply", b'{"id":"77","code":200}'), Ring()]
    (noted,) = bell.handle(Received(topics.INFORM, b"{"), 1_100)
    assert isinstance(noted, Noted)


def test_it_comes_back():
    bell = bell_at(Link.PRESENT)
    assert bell.handle(LinkDown(), 2_000) == []
    assert 2_000 < bell.due_ms <= 2_500
    assert bell.handle(Tick(), bell.due_ms) == [Connect()]
    bell.handle(LinkUp(), 3_000)
    assert bell.handle(CardReplaced("1", "2"), 4_000) == [Disconnect()]
    assert bell.due_ms == 4_100
    assert bell.handle(Tick(), 4_100) == [Connect()]
    assert (bell.handle(PowerOff(), 4_200), bell.due_ms) == ([Disconnect()], NEVER)


@every_flow
def test_told_while_it_waits_for_the_next_poll_it_asks_for_both_kinds_at_once(flow):
    story = HttpStory(flow).present()
    assert story.tell(Informed()) == [story.check(1)]
    assert story.no_task() == [story.check(2, "0")]
    assert story.no_task() == []


@every_flow
def test_told_while_it_asks_it_asks_again(flow):
    story = HttpStory(flow).present()
    story.tick()
    assert story.tell(Informed()) == []
    assert story.no_task() == [story.check(2, "0")]
    assert story.no_task() == [story.check(1)]
    assert story.no_task() == []


@every_flow
def test_told_at_another_moment_it_asks_when_that_is_done(flow):
    story = HttpStory(flow)
    assert story.tell(Informed()) == []  # switched off
    story.tell(PowerOn())
    assert story.tell(Informed()) == []
    assert story.answer() == [story.check()]
    story.tell(CUT)
    assert (story.tell(Informed()), story.device.asked) == ([], Asked.CHECK)
    assert story.tick() == [story.check(again=True)]
    story.offer()
    assert story.tell(Informed()) == []  # a job is under way
