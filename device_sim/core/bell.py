"""The MQTT side of a device that does its work over HTTP: connected, it is told that there is a job, and says yes.

It reports no version there, so the platform takes it for what it is, and tells it with an empty inform; what to do then
is the HTTP side's (`Ring`). Source: onenet-protocol, section 3.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from device_sim.core import link
from device_sim.core.effects import Effect, Noted, Ring, Struck
from device_sim.core.events import (
    CardReplaced,
    Dropped,
    Event,
    LinkDown,
    LinkUp,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Received,
    Tick,
)
from device_sim.core.mqtt_messages import inform_reply
from device_sim.core.settings import SETTINGS
from device_sim.core.state import Link
from device_sim.core.talker import Actor, ContractViolation
from device_sim.core.wheel import NEVER
from platform_stub.protocol import messages, topics

SUBSCRIPTIONS: Final = (topics.INFORM,)


class Bell(Actor):
    """A connection that is kept to be told. Not thread-safe; time is monotonic milliseconds."""

    __slots__ = ()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; returns what the shell has to do, in order. ContractViolation for one that can't be."""
        out: list[Effect] = []
        move = BELL_MOVES.get((self.link, type(event)))
        if move is None:
            raise ContractViolation(
                f"device {self.device_id}: {type(event).__name__} while its bell is {self.link.name}"
            )
        move(self, event, now_ms, out)
        return out


def _power_on(state: Bell, _: PowerOn | PowerBack, now_ms: int, out: list[Effect]) -> None:
    link.switch_on(state, now_ms)
    _tick(state, Tick(), now_ms, out)


def _power_off(state: Bell, _: PowerOff, now_ms: int, out: list[Effect]) -> None:
    link.go_offline(state, now_ms, out)
    link.switch_off(state, NEVER)


def _power_cut(state: Bell, event: PowerCut, now_ms: int, out: list[Effect]) -> None:
    link.go_offline(state, now_ms, out)
    link.switch_off(state, NEVER if event.for_ms is None else now_ms + event.for_ms)


def _power_due(state: Bell, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link_due_ms <= now_ms:
        _power_on(state, PowerBack(), now_ms, out)


def _nothing(_: Bell, __: Event, ___: int, ____: list[Effect]) -> None:
    """Go on as before."""


def _dropped(state: Bell, _: Dropped, now_ms: int, out: list[Effect]) -> None:
    if state.link >= Link.CONNECTING:
        link.go_offline(state, now_ms, out)
        link.connect(state, out)


def _tick(state: Bell, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link is Link.WAITING and state.link_due_ms <= now_ms:
        link.connect(state, out)
    if state.plight is not None and state.plight.drop_due_ms <= now_ms:
        state.plight.strike("reconnects")
        state.plight.put_off_drop(now_ms)
        _dropped(state, Dropped(), now_ms, out)


def _link_up(state: Bell, _: LinkUp, now_ms: int, __: list[Effect]) -> None:
    state.link = Link.PRESENT
    state.present_since_ms = now_ms


def _link_down(state: Bell, event: LinkDown, now_ms: int, _: list[Effect]) -> None:
    link.back_off(state, now_ms, refused=event.refused)


def _card_replaced(state: Bell, _: CardReplaced, now_ms: int, out: list[Effect]) -> None:
    link.go_offline(state, now_ms + state.profile.card_swap_ms, out)


def _received(state: Bell, event: Received, __: int, out: list[Effect]) -> None:
    if state.plight is not None and state.plight.strike("silent") is not None:
        out.append(Struck("silent", "does not react to an inform"))
        return
    try:
        inform = messages.decode(event.payload, messages.Inform)
    except messages.MessageError as fault:
        out.append(Noted(f"{event.suffix}: {fault}"))
        return
    out.append(inform_reply(inform.id, messages.ACCEPTED))
    out.append(Ring())


_ON: Final = (Link.WAITING, Link.CONNECTING, Link.PRESENT)
_ALL: Final = (Link.OFF, *_ON)

BELL_MOVES: Mapping[tuple[Link, type], Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {
        (Link.OFF, PowerOn): _power_on,
        (Link.OFF, PowerBack): _power_on,
        (Link.OFF, Tick): _power_due,
        (Link.OFF, CardReplaced): _nothing,
        (Link.CONNECTING, LinkUp): _link_up,
        (Link.CONNECTING, LinkDown): _link_down,
        (Link.PRESENT, LinkDown): _link_down,
        (Link.PRESENT, Received): _received,
        **{(at, PowerBack): _nothing for at in _ON},
        **{(at, Tick): _tick for at in _ON},
        **{(at, CardReplaced): _card_replaced for at in _ON},
        **{(at, Dropped): _dropped for at in _ALL},
        **{(at, PowerOff): _power_off for at in _ALL},
        **{(at, PowerCut): _power_cut for at in _ALL},
        **{(at, kind): move for kind, move in SETTINGS.items() for at in _ALL},
    }
)
