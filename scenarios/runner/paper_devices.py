"""What each step about devices must answer, on paper: their faults, world, power, connections, cards, keys, their end.

`now_ms` is the account's clock. Devices' own affairs cost nothing and change no rule; what they change is which jobs
run, and whether it can be told how those end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from platform_stub.protocol.operator import ErrorCode
from scenarios import play as p
from scenarios.auditor.predict import Book
from scenarios.results import Seen
from scenarios.runner.paper_tasks import OPEN, PaperTasks
from scenarios.runner.roster import Member, Roster

CONFLICT: Final = Seen(outcome="refused", reason=ErrorCode.CONFLICT.value)


class Paper(Protocol):
    """What is needed of the platform on paper."""

    play: p.Play
    book: Book
    roster: Roster
    tasks: PaperTasks

    def enlist(self, group: str, members: Iterable[Member]) -> None:
        """Register devices."""

    def make_up(self, fleet: p.FleetStart) -> list[Member]:
        """Make up a fleet's devices."""

    def came_back(self, device_ids: Sequence[int], now_ms: int) -> None:
        """Note devices that report their versions now."""


def _register(paper: Paper, _: p.PlayStep, action: p.Register, made: Sequence[Member] | None) -> Seen:
    living = _living(paper.roster)
    made = paper.make_up(action.fleet) if made is None else made
    if any((member.product, member.name) in living for member in made):
        return CONFLICT
    paper.enlist(action.fleet.name, made)
    return Seen(devices=action.fleet.count)


def _create_again(
    paper: Paper,
    device_ids: Sequence[int],
    action: p.CreateAgain,
    made: Sequence[Member] | None,
) -> Seen:
    old = [paper.roster.members[device_id] for device_id in device_ids]
    living = _living(paper.roster)
    if any((member.product, member.name) in living for member in old):
        return CONFLICT
    if made is None:
        made = [m.again(at) for at, m in enumerate(old, start=len(paper.roster.members) + 1)]
    paper.enlist(action.group, made)
    return Seen(devices=len(device_ids))


def create(
    paper: Paper,
    step: p.PlayStep,
    device_ids: Sequence[int],
    now_ms: int,
    made: Sequence[Member] | None,
) -> Seen:
    """Make devices: more of them, or terminated ones anew; `made` are those that the platform made."""
    before = len(paper.roster.members)
    if isinstance(step.action, p.Register):
        seen = _register(paper, step, step.action, made)
    else:
        assert isinstance(step.action, p.CreateAgain)
        seen = _create_again(paper, device_ids, step.action, made)
    new = list(paper.roster.members)[before:]
    paper.came_back(paper.roster.on_air(new), now_ms)
    return seen


def _living(roster: Roster) -> set[tuple[str, str]]:
    """Give the addresses that are taken."""
    return {(m.product, m.name) for m in roster.members.values() if not m.terminated}


def _reconnect(paper: Paper, _: p.PlayStep, __: object, device_ids: Sequence[int], now_ms: int) -> Seen:
    here = paper.roster.on_air(device_ids)
    paper.came_back(here, now_ms)
    return Seen(devices=len(here))


def _put_cards_in(paper: Paper, _: p.PlayStep, __: object, device_ids: Sequence[int], now_ms: int) -> Seen:
    """B9: nothing else changes. Devices over MQTT that have no power tell it later."""
    roster = paper.roster
    wanted = list(dict.fromkeys(device_ids))
    if any(roster.members[device_id].terminated for device_id in wanted):
        return CONFLICT
    here = roster.over_mqtt(wanted)
    paper.came_back(here, now_ms)
    dark = [d for d in roster.in_fleet(wanted) if roster.members[d].flow == "mqtt" and d not in set(here)]
    return Seen(devices=len(wanted), cards=len(wanted) - len(dark))


def _renew_keys(
    paper: Paper, _: p.PlayStep, action: p.RenewKeys, device_ids: Sequence[int], now_ms: int
) -> Seen:
    """B7: a key plays no part in charging. Its renewal ends a device's connection over MQTT."""
    roster, wanted = paper.roster, list(dict.fromkeys(device_ids))
    if any(roster.members[device_id].terminated for device_id in wanted):
        return CONFLICT
    roster.lock(wanted, is_locked=not action.told)
    paper.came_back(roster.over_mqtt(wanted), now_ms)
    return Seen(devices=len(wanted))


def _terminate(paper: Paper, _: p.PlayStep, __: p.Terminate, device_ids: Sequence[int], ___: int) -> Seen:
    for device_id in dict.fromkeys(device_ids):
        if paper.roster.members[device_id].terminated:
            return CONFLICT
        paper.book.terminate(device_id)
        paper.roster.change(device_id, terminated=True)
        for states in paper.roster.states.values():
            if states.get(device_id) == OPEN:
                states[device_id] = "cancelled"  # P9
    return Seen(devices=len(device_ids))


def _move(paper: Paper, _: p.PlayStep, action: p.Move, device_ids: Sequence[int], now_ms: int) -> Seen:
    for device_id in dict.fromkeys(device_ids):
        member = paper.roster.members[device_id]
        taken = member.product != action.to and (action.to, member.name) in _living(paper.roster)
        if member.terminated or taken:
            return CONFLICT
        paper.roster.change(device_id, product=action.to)
        paper.came_back([device_id], now_ms)
    return Seen(devices=len(device_ids))


def _fail(paper: Paper, _: p.PlayStep, action: p.Fail, device_ids: Sequence[int], __: int) -> Seen:
    connected = paper.roster.in_fleet(device_ids)
    paper.tasks.troubles.failing |= dict.fromkeys(connected, action.times)
    return Seen(devices=len(connected))


def _set_faults(
    paper: Paper, step: p.PlayStep, action: p.SetFaults, device_ids: Sequence[int], _: int
) -> Seen:
    connected = paper.roster.in_fleet(device_ids)
    paper.tasks.troubles.set_fault(step.id, action.fault, connected)
    return Seen(devices=len(connected))


def _clear_faults(
    paper: Paper, _: p.PlayStep, action: p.ClearFaults, device_ids: Sequence[int], __: int
) -> Seen:
    chosen = paper.roster.in_fleet(device_ids) if action.devices else None
    return Seen(devices=paper.tasks.troubles.clear(action.by, chosen))


def _set_devices(
    paper: Paper, _: p.PlayStep, action: p.SetDevices, device_ids: Sequence[int], __: int
) -> Seen:
    connected = paper.roster.in_fleet(device_ids)
    paper.roster.set_world(connected, action)
    return Seen(devices=len(connected))


def _power_off(
    paper: Paper, _: p.PlayStep, action: p.PowerOff, device_ids: Sequence[int], now_ms: int
) -> Seen:
    here = paper.roster.on_air(device_ids)
    paper.roster.switch_off(here, None if action.for_ms is None else now_ms + action.for_ms)
    return Seen(devices=len(here))


def _power_on(paper: Paper, _: p.PlayStep, __: p.PowerOn, device_ids: Sequence[int], now_ms: int) -> Seen:
    dark = paper.roster.switch_on(paper.roster.in_fleet(device_ids))
    paper.came_back(paper.roster.on_air(dark), now_ms)
    return Seen(devices=len(dark))


def _inject(paper: Paper, step: p.PlayStep, action: p.Inject, device_ids: Sequence[int], _: int) -> Seen:
    paper.tasks.troubles.inject(step.id, action, device_ids)
    return Seen(devices=len(set(device_ids)) or None)


def _clear_injected(
    paper: Paper, _: p.PlayStep, action: p.ClearInjected, __: Sequence[int], ___: int
) -> Seen:
    injected = paper.tasks.troubles.injected
    if action.by is not None and action.by not in injected:
        return Seen(outcome="refused", reason=ErrorCode.NOT_FOUND.value)
    for step_id in [action.by] if action.by is not None else list(injected):
        del injected[step_id]
    return Seen()


ON_DEVICES: Final[Mapping[type[Any], Callable[..., Seen]]] = {
    p.Reconnect: _reconnect,
    p.Storm: _reconnect,
    p.ReplaceCards: _put_cards_in,
    p.SwapCards: _put_cards_in,
    p.RenewKeys: _renew_keys,
    p.Terminate: _terminate,
    p.Move: _move,
    p.Fail: _fail,
    p.SetFaults: _set_faults,
    p.ClearFaults: _clear_faults,
    p.SetDevices: _set_devices,
    p.PowerOff: _power_off,
    p.PowerOn: _power_on,
    p.Inject: _inject,
    p.ClearInjected: _clear_injected,
}
