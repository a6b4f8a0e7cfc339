"""The OTA client over MQTT: an event in, effects out.

`MQTT_MOVES` says what can happen to the connection in each of its states, `job_moves.JOB_MOVES` the same for the
job; a pair that is in neither is a mistake of the shell. What a message leads to is in `mqtt_messages`.
Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from device_sim.core import link, power, reports
from device_sim.core.effects import Disconnect, Effect, Outcome, PowerRestored, StopFetch, Struck
from device_sim.core.events import (
    FETCH_EVENTS,
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
from device_sim.core.job_moves import JOB_MOVES, move_job, restore
from device_sim.core.mqtt_messages import SUBSCRIPTIONS, begin_next, received
from device_sim.core.settings import SETTINGS
from device_sim.core.state import Job, Link, Stage
from device_sim.core.talker import ContractViolation, Talker
from device_sim.core.wheel import NEVER

__all__ = ["MQTT_MOVES", "SUBSCRIPTIONS", "MqttDevice"]

_TICK: Final = Tick()
_LINK_UP: Final = LinkUp()


class MqttDevice(Talker):
    """One simulated device that speaks MQTT. Not thread-safe; time is monotonic milliseconds."""

    __slots__ = ()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; returns what the shell has to do, in order. ContractViolation for one that can't be."""
        out: list[Effect] = []
        kind = type(event)
        move = _move_at((self.link, kind))
        if move is not None:
            move(self, event, now_ms, out)
            return out
        job_move = JOB_MOVES.get((self.stage, kind))
        if job_move is None or kind not in FETCH_EVENTS:
            raise ContractViolation(
                f"device {self.device_id}: {kind.__name__} while {self.link.name}, job {self.stage.name}"
            )
        job_move(self, self.job, event, now_ms, out)
        return out

    # what its job needs (`talker.Talker`)

    def tell_step(self, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
        """Send it; it waits for the link when there is none."""
        reports.report_step(self, job, step, now_ms, out)

    def tell_version(self, now_ms: int, out: list[Effect]) -> None:
        """Send both versions."""
        reports.report_version(self, now_ms, out)

    def sleep(self, out: list[Effect]) -> None:
        """Disconnect."""
        link.go_offline(self, NEVER, out)

    def wake(self, _: int, out: list[Effect]) -> None:
        """Connect."""
        link.connect(self, out)

    def freeze(self, out: list[Effect]) -> None:
        """Repeat nothing, and don't connect."""
        if self.link < Link.REPORTING:
            link.go_offline(self, NEVER, out)
        else:
            reports.hold_all(self)

    def thaw(self, now_ms: int, out: list[Effect]) -> None:
        """Connect where it is offline; what has no reply is sent again."""
        if self.link is Link.WAITING:
            link.connect(self, out)
        else:
            reports.release_all(self, now_ms)

    def lose_link(self, now_ms: int, out: list[Effect]) -> None:
        """Lose the MQTT connection with the download's."""
        if self.link >= Link.CONNECTING:
            out.append(Disconnect())
            link.back_off(self, now_ms, refused=False)

    def lose_power(self, for_ms: int | None, now_ms: int, out: list[Effect]) -> None:
        """Be off; reports and jobs that wait are lost."""
        if self.link is not Link.OFF:
            _stop_all(self, now_ms, out)
            self.card_is_new, self.card_unposted = self.card_unposted, False
            power.keep(self)
        link.switch_off(self, NEVER if for_ms is None else now_ms + for_ms)

    def asks_first(self, _: int, __: list[Effect]) -> bool:
        """Ask nothing: the inform has said it all."""
        return False

    def renew(self, job: Job, why: str, _: int, __: list[Effect]) -> None:
        """Never asked for: jobs over MQTT have no token."""
        raise ContractViolation(f"device {self.device_id}: no token to renew for job {job.tid} ({why})")

    def job_over(self, _: Outcome, now_ms: int, out: list[Effect]) -> None:
        """Take up the job that has waited longest, if there is one."""
        begin_next(self, now_ms, out)


def _stop_all(state: Talker, now_ms: int, out: list[Effect]) -> None:
    link.go_offline(state, now_ms, out)
    if state.stage is Stage.FETCHING:
        out.append(StopFetch())
    state.waiting = ()
    state.version_report = state.status_report = state.card_report = None


def _power_on(state: Talker, _: PowerOn | PowerBack, now_ms: int, out: list[Effect]) -> None:
    link.switch_on(state, now_ms)
    restore(state, now_ms, out)
    if state.link is Link.WAITING and state.link_due_ms <= now_ms:
        link.connect(state, out)


def _power_off(state: Talker, _: PowerOff, now_ms: int, out: list[Effect]) -> None:
    _stop_all(state, now_ms, out)
    link.switch_off(state, NEVER)
    state.job, state.stage, state.kept = None, Stage.IDLE, None
    state.card_unposted = state.card_is_new = False


def _power_cut(state: Talker, event: PowerCut, now_ms: int, out: list[Effect]) -> None:
    state.lose_power(event.for_ms, now_ms, out)


def _power_due(state: Talker, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link_due_ms <= now_ms:
        out.append(PowerRestored())
        _power_on(state, PowerBack(), now_ms, out)


def _nothing(_: Talker, __: Event, ___: int, ____: list[Effect]) -> None:
    """Go on as before."""


def _dropped(state: Talker, _: Dropped, __: int, out: list[Effect]) -> None:
    """Come back at once, unless it does nothing any more."""
    if state.link >= Link.CONNECTING:
        link.go_offline(state, NEVER, out)
        if not state.is_asleep:
            link.connect(state, out)


def _tick(state: Talker, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link >= Link.REPORTING:
        reports.repeat_due(state, now_ms, out)
    elif state.link is Link.WAITING and state.link_due_ms <= now_ms:
        link.connect(state, out)
    if state.plight is not None and state.plight.drop_due_ms <= now_ms:
        _drop_by_fault(state, now_ms, out)
    move_job(state, _TICK, now_ms, out)


def _drop_by_fault(state: Talker, now_ms: int, out: list[Effect]) -> None:
    plight = state.plight
    assert plight is not None, "a fault is a plight's"
    if state.link >= Link.REPORTING and not state.is_asleep:
        plight.strike("reconnects")
        out.append(Struck("reconnects", "drops its connection, and comes back at once"))
        _dropped(state, Dropped(), now_ms, out)
    plight.put_off_drop(now_ms)


def _link_up(state: Talker, _: LinkUp, now_ms: int, out: list[Effect]) -> None:
    """Report the versions, which makes the device present; then say again what had no answer."""
    state.link = Link.REPORTING
    reports.report_version(state, now_ms, out)
    reports.repeat_all(state, now_ms, out)
    if state.card_unposted and state.card_report is None:
        reports.report_card(state, now_ms, out)
    move_job(state, _LINK_UP, now_ms, out)


def _link_down(state: Talker, event: LinkDown, now_ms: int, _: list[Effect]) -> None:
    link.back_off(state, now_ms, refused=event.refused)
    if state.is_asleep:
        state.link_due_ms = NEVER


def _card_replaced(state: Talker, event: CardReplaced, now_ms: int, out: list[Effect]) -> None:
    state.iccid, state.imsi = event.iccid, event.imsi
    if state.link is Link.OFF:
        state.card_is_new = True
        return
    state.card_unposted, state.card_report = True, None
    back_ms = now_ms + state.profile.card_swap_ms
    link.go_offline(state, NEVER if state.is_asleep else back_ms, out)
    if state.is_asleep:
        link.oversleep(state, back_ms)


_UP: Final = (Link.REPORTING, Link.PRESENT)
_ON: Final = (Link.WAITING, Link.CONNECTING, *_UP)
_ALL: Final = (Link.OFF, *_ON)

MQTT_MOVES: Mapping[tuple[Link, type], Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {
        (Link.OFF, PowerOn): _power_on,
        (Link.OFF, PowerBack): _power_on,
        (Link.OFF, Tick): _power_due,
        (Link.CONNECTING, LinkUp): _link_up,
        (Link.CONNECTING, LinkDown): _link_down,
        **{(at, LinkDown): _link_down for at in _UP},
        **{(at, Received): received for at in _UP},
        **{(at, PowerBack): _nothing for at in _ON},
        **{(at, Tick): _tick for at in _ON},
        **{(at, Dropped): _dropped for at in _ALL},
        **{(at, PowerOff): _power_off for at in _ALL},
        **{(at, PowerCut): _power_cut for at in _ALL},
        **{(at, CardReplaced): _card_replaced for at in _ALL},
        **{(at, kind): move for kind, move in SETTINGS.items() for at in _ALL},
    }
)
_move_at: Final = MQTT_MOVES.get
