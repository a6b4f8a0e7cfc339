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

from device_sim.core import job_moves, link, power
from device_sim.core.effects import Effect, PowerRestored, StopCall, StopFetch, Struck
from device_sim.core.events import (
    FETCH_EVENTS,
    CallAnswered,
    CallFailed,
    CardReplaced,
    Dropped,
    Event,
    Informed,
    LinkUp,
    PowerBack,
    PowerCut,
    PowerOff,
    PowerOn,
    Tick,
)
from device_sim.core.http_answers import call_answered, call_failed
from device_sim.core.http_state import Asked, HttpState, ask, call, get_in, leave
from device_sim.core.settings import SETTINGS
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
            move = _move_at((self.link, kind))
            if move is not None:
                move(self, event, now_ms, out)
                return out
        raise ContractViolation(
            f"device {self.device_id}: {kind.__name__} while {self.link.name}, job {self.stage.name}, "
            f"{self.asked.name} asked"
        )

    def wake(self, now_ms: int, out: list[Effect]) -> None:
        """Come back, and ask what is not answered."""
        _come_back(self, now_ms, out)

    def lose_power(self, for_ms: int | None, now_ms: int, out: list[Effect]) -> None:
        """Be off; what was asked is forgotten."""
        if self.link is not Link.OFF:
            _stop_all(self, out)
            self.card_is_new, self.card_unposted = self.card_unposted, False
            self.asked, self.unasked = Asked.NOTHING, 0
            power.keep(self)
        link.switch_off(self, NEVER if for_ms is None else now_ms + for_ms)


def _stop_all(state: HttpState, out: list[Effect]) -> None:
    if state.is_calling:
        out.append(StopCall())
    if state.stage is Stage.FETCHING:
        out.append(StopFetch())


def _power_on(state: HttpState, _: PowerOn | PowerBack, now_ms: int, out: list[Effect]) -> None:
    state.asked = Asked.VERSION
    link.switch_on(state, now_ms)
    job_moves.restore(state, now_ms, out)
    if state.link is Link.WAITING and state.link_due_ms <= now_ms:
        _come_back(state, now_ms, out)


def _power_off(state: HttpState, _: PowerOff, __: int, out: list[Effect]) -> None:
    _stop_all(state, out)
    link.switch_off(state, NEVER)
    state.asked, state.unasked = Asked.NOTHING, 0
    state.job, state.stage, state.kept = None, Stage.IDLE, None
    state.card_unposted = state.card_is_new = False


def _power_cut(state: HttpState, event: PowerCut, now_ms: int, out: list[Effect]) -> None:
    state.lose_power(event.for_ms, now_ms, out)


def _power_due(state: HttpState, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link_due_ms <= now_ms:
        out.append(PowerRestored())
        _power_on(state, PowerBack(), now_ms, out)


def _nothing(_: HttpState, __: Event, ___: int, ____: list[Effect]) -> None:
    """Go on as before."""


def _dropped(state: HttpState, _: Dropped, now_ms: int, out: list[Effect]) -> None:
    """Ask again at once what is not answered, and for the rest of a download, unless it does nothing any more."""
    if state.link < Link.REPORTING or not (state.asked or state.job):
        return  # between two checks nothing is open that could be cut
    _stop_all(state, out)
    if state.stage is Stage.FETCHING:
        job_moves.suspend(state, now_ms)
    if state.is_asleep:
        leave(state, NEVER)
    else:
        state.attempts += 1
        leave(state, now_ms)
        _come_back(state, now_ms, out)


def _tick(state: HttpState, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link_due_ms <= now_ms:
        if state.link is Link.WAITING:
            _come_back(state, now_ms, out)
        else:
            state.unasked = 1
            ask(state, Asked.CHECK, now_ms, out)
    if state.plight is not None and state.plight.drop_due_ms <= now_ms:
        _drop_by_fault(state, now_ms, out)
    job_moves.move_job(state, _TICK, now_ms, out)


def _drop_by_fault(state: HttpState, now_ms: int, out: list[Effect]) -> None:
    plight = state.plight
    assert plight is not None, "a fault is a plight's"
    if state.link >= Link.REPORTING and not state.is_asleep:
        plight.strike("reconnects")
        out.append(Struck("reconnects", "drops its connections, and comes back at once"))
        _dropped(state, Dropped(), now_ms, out)
    plight.put_off_drop(now_ms)


def _come_back(state: HttpState, now_ms: int, out: list[Effect]) -> None:
    """Ask again what had no answer; a job that waits for nobody's answer just goes on."""
    state.link_due_ms = NEVER
    state.link = Link.REPORTING
    if state.asked:
        call(state, now_ms, out, again=state.attempts > 0)
        return
    job_moves.move_job(state, _LINK_UP, now_ms, out)
    if not state.asked and state.link is not Link.OFF:
        get_in(state, now_ms, out)


def _card_replaced(state: HttpState, event: CardReplaced, now_ms: int, out: list[Effect]) -> None:
    """Go offline for the swap; the device starts anew after it, but a job goes on where it was."""
    state.iccid, state.imsi = event.iccid, event.imsi
    if state.link is Link.OFF:
        return  # it is not reported, so it makes no difference when the device is switched on
    back_ms = now_ms + state.profile.card_swap_ms
    _stop_all(state, out)
    state.card_unposted = True  # until the device is back: it is not posted
    leave(state, back_ms)
    if state.job is None:
        state.asked = Asked.VERSION
    elif state.stage in {Stage.FETCHING, Stage.RETRYING}:
        job_moves.suspend(state, back_ms)
    elif state.stage in {Stage.HELD, Stage.PAUSING}:
        state.job.due_ms = max(state.job.due_ms, back_ms)
    elif state.is_asleep:
        link.oversleep(state, back_ms)


def _informed(state: HttpState, _: Informed, now_ms: int, out: list[Effect]) -> None:
    """Ask for both kinds at once, or after the check under way, which may have come too early to see the job."""
    if state.job is not None or state.asked not in {Asked.NOTHING, Asked.CHECK}:
        return  # it asks for both once that is done
    state.unasked = len(UpdateKind)
    if state.asked is Asked.CHECK:
        state.unasked += 1
    elif state.link is Link.PRESENT:
        ask(state, Asked.CHECK, now_ms, out)


_UP: Final = (Link.REPORTING, Link.PRESENT)
_ON: Final = (Link.WAITING, *_UP)
_ALL: Final = (Link.OFF, *_ON)

HTTP_MOVES: Mapping[tuple[Link, type], Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {
        (Link.OFF, PowerOn): _power_on,
        (Link.OFF, PowerBack): _power_on,
        (Link.OFF, Tick): _power_due,
        **{(at, CallAnswered): call_answered for at in _UP},
        **{(at, CallFailed): call_failed for at in _UP},
        **{(at, PowerBack): _nothing for at in _ON},
        **{(at, Tick): _tick for at in _ON},
        **{(at, Dropped): _dropped for at in _ALL},
        **{(at, PowerOff): _power_off for at in _ALL},
        **{(at, PowerCut): _power_cut for at in _ALL},
        **{(at, CardReplaced): _card_replaced for at in _ALL},
        **{(at, Informed): _informed for at in _ALL},
        **{(at, kind): move for kind, move in SETTINGS.items() for at in _ALL},
    }
)
"""What can happen, but that an answer needs a call under way, and a download's events a download."""
_move_at: Final = HTTP_MOVES.get
