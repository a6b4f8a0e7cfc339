"""The OTA client over HTTP, in all three generations: an event in, effects out.

A device does one thing at a time: one call, or one download, or it waits. It reports its versions, then asks for a
job of each kind in turn; whatever it asked and got no answer to, it asks again, and a repeated step is a success.
`HTTP_MOVES` says what can happen in each state of the link, `job_moves.JOB_MOVES` the same for the job. How a call
is spelled is in `dialect`. A replaced card is not reported: these generations have no call for it.
Source: onenet-protocol, sections 4 and 5.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from device_sim.core import job_moves, link
from device_sim.core.effects import Effect, StopCall, StopFetch
from device_sim.core.events import (
    FETCH_EVENTS,
    CallAnswered,
    CallFailed,
    CardReplaced,
    Event,
    FaultSet,
    Informed,
    LinkUp,
    PowerOff,
    PowerOn,
    Tick,
)
from device_sim.core.http_answers import call_answered, call_failed
from device_sim.core.http_state import Asked, HttpState, ask, get_in, leave, spell
from device_sim.core.state import Link, Stage
from device_sim.core.talker import ContractViolation
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import UpdateKind

_TICK: Final = Tick()
_LINK_UP: Final = LinkUp()
_CALL_EVENTS: Final = frozenset({CallAnswered, CallFailed})


class HttpDevice(HttpState):
    """One simulated device that speaks HTTP. Not thread-safe; time is monotonic milliseconds."""

    __slots__ = ()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; returns what the shell has to do, in order. ContractViolation for one that can't be."""
        out: list[Effect] = []
        kind = type(event)
        if kind in FETCH_EVENTS:
            job_move = job_moves.JOB_MOVES.get((self.stage, kind)) if self.link is Link.PRESENT else None
            if job_move is not None:
                job_move(self, self.job, event, now_ms, out)
                return out
        elif kind not in _CALL_EVENTS or self.asked:
            move = HTTP_MOVES.get((self.link, kind))
            if move is not None:
                move(self, event, now_ms, out)
                return out
        raise ContractViolation(
            f"device {self.device_id}: {kind.__name__} while {self.link.name}, job {self.stage.name}, "
            f"{self.asked.name} asked"
        )


def _stop_all(state: HttpState, out: list[Effect]) -> None:
    if state.is_calling:
        out.append(StopCall())
    if state.stage is Stage.FETCHING:
        out.append(StopFetch())


def _power_on(state: HttpState, _: PowerOn, now_ms: int, out: list[Effect]) -> None:
    state.asked = Asked.VERSION
    link.start(state, now_ms)
    if state.link_due_ms <= now_ms:
        _come_back(state, now_ms, out)


def _power_off(state: HttpState, _: PowerOff, __: int, out: list[Effect]) -> None:
    _stop_all(state, out)
    leave(state, NEVER)
    state.link = Link.OFF
    state.asked, state.unasked = Asked.NOTHING, 0
    state.job, state.stage = None, Stage.IDLE
    state.card_unposted = False


def _tick(state: HttpState, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link_due_ms <= now_ms:
        if state.link is Link.WAITING:
            _come_back(state, now_ms, out)
        else:
            state.unasked = 1
            ask(state, Asked.CHECK, out)
    job_moves.move_job(state, _TICK, now_ms, out)


def _come_back(state: HttpState, now_ms: int, out: list[Effect]) -> None:
    """Ask again what had no answer; a job that waits for nobody's answer just goes on."""
    state.link_due_ms = NEVER
    state.link = Link.REPORTING
    if state.asked:
        out.append(spell(state, again=state.attempts > 0))
        return
    job_moves.move_job(state, _LINK_UP, now_ms, out)
    if not state.asked:
        get_in(state, now_ms, out)


def _card_replaced(state: HttpState, event: CardReplaced, now_ms: int, out: list[Effect]) -> None:
    """Go offline for the swap; the device starts anew after it, but a job goes on where it was."""
    back_ms = now_ms + state.profile.card_swap_ms
    _stop_all(state, out)
    state.iccid, state.imsi = event.iccid, event.imsi
    state.card_unposted = True  # until the device is back: it is not posted
    if state.job is None:
        state.asked = Asked.VERSION
    elif state.stage in {Stage.FETCHING, Stage.RETRYING}:
        job_moves.suspend(state, back_ms)
    leave(state, back_ms)


def _informed(state: HttpState, _: Informed, __: int, out: list[Effect]) -> None:
    """Ask for both kinds at once, or after the check under way, which may have come too early to see the job."""
    if state.job is not None or state.asked not in {Asked.NOTHING, Asked.CHECK}:
        return  # it asks for both once that is done
    state.unasked = len(UpdateKind)
    if state.asked is Asked.CHECK:
        state.unasked += 1
    elif state.link is Link.PRESENT:
        ask(state, Asked.CHECK, out)


def _fault_set(state: HttpState, event: FaultSet, _: int, __: list[Effect]) -> None:
    state.set_fault(event.fault)


_UP: Final = (Link.REPORTING, Link.PRESENT)
_ON: Final = (Link.WAITING, *_UP)

HTTP_MOVES: Mapping[tuple[Link, type], Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {
        (Link.OFF, PowerOn): _power_on,
        **{(at, CallAnswered): call_answered for at in _UP},
        **{(at, CallFailed): call_failed for at in _UP},
        **{(at, PowerOff): _power_off for at in _ON},
        **{(at, Tick): _tick for at in _ON},
        **{(at, CardReplaced): _card_replaced for at in _ON},
        **{(at, Informed): _informed for at in (Link.OFF, *_ON)},
        **{(at, FaultSet): _fault_set for at in (Link.OFF, *_ON)},
    }
)
"""What can happen, but that an answer needs a call under way, and a download's events a download."""
