"""What may go wrong with devices, on paper: whether a device's job still ends as its task wants, for certain.

A fault that only delays leaves no doubt, as long as the delay is small against the time that a job has; neither does
a level that can't fall under what is wanted. Anything else does: how such a job ends is the run's to say. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from device_sim.core.faults import ALWAYS, Fault
from device_sim.core.world import Level, World
from scenarios import play as p
from scenarios.runner.roster import Member, Roster
from scenarios.strikes import can_strike

DELAY_MAX_PART: Final = 4
"""A delay is small when it is at most such a part of the time that the jobs have."""
TIMES_MAX: Final = 3
"""So often a device may be thrown back without any doubt that it comes through."""
FLEET: Final = "fleet "
"""Stands for the step where devices came with a fault."""
_SOON_MS: Final = 10_000
"""A delay in real time that no step's wait is too short for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a job asks of its device: room for its package, levels in per cent, and to be done in time."""

    kind: str
    size_bytes: int
    battery: int
    signal: int
    expires_ms: int


def leaves_no_doubt(fault: Fault, world: World, wanted: Wanted) -> bool:
    """Whether a job still ends well for certain under this fault."""
    if fault.update is not None and fault.update != wanted.kind:
        return True
    check = _CERTAIN.get(fault.what)
    return check is not None and check(fault, world, wanted)


def is_enough(world: World, wanted: Wanted) -> bool:
    """Whether a world can't stand in the way of such a job."""
    room = world.storage_bytes if wanted.kind == "FOTA" else world.mcu_storage_bytes
    takes_ms = sum(span.high_ms for span in (world.install, world.reboot) if span is not None)
    return (
        (room is None or room >= wanted.size_bytes)
        and _never_under(world.battery, max(wanted.battery, world.battery_min))
        and _never_under(world.signal, max(wanted.signal, world.signal_min))
        and takes_ms * DELAY_MAX_PART <= wanted.expires_ms
    )


def _never_under(level: Level | None, least: float) -> bool:
    return level is None or (level.per_hour >= 0 and level.start - level.swing >= least)


def _is_small(delay_ms: float, wanted: Wanted) -> bool:
    return delay_ms * DELAY_MAX_PART <= wanted.expires_ms


def _is_seldom(fault: Fault, _: World, __: Wanted) -> bool:
    return fault.times <= TIMES_MAX


_CERTAIN: Final[Mapping[str, Callable[[Fault, World, Wanted], bool]]] = {
    "slow": lambda fault, _, wanted: _is_small(wanted.size_bytes * 1_000 / (fault.rate or 1), wanted),
    "cut": _is_seldom,
    "check_fails": _is_seldom,
    "expired_token": _is_seldom,
    "lose_reports": _is_seldom,
    "double_reports": lambda *_: True,
    "late_reports": lambda fault, _, wanted: (
        (fault.for_ms or 0) <= _SOON_MS and fault.times < ALWAYS and _is_small(fault.for_ms or 0, wanted)
    ),
    "hang": lambda fault, _, wanted: (
        fault.for_ms is not None
        and fault.times <= TIMES_MAX
        and _is_small(fault.for_ms * fault.times, wanted)
    ),
    "boot_fails": lambda fault, world, _: (
        fault.boots is not None and fault.boots * fault.times < world.boots_max
    ),
    "reconnects": lambda fault, _, __: (fault.for_ms or 0) >= _SOON_MS,
}
"""When a fault of a kind leaves no doubt; a kind that is not here always does."""


@dataclass(slots=True)
class Troubles:
    """What has been made to go wrong with the devices of one play, by the step that did it.

    `injected` are faults of the platform: whom each may strike, None: whoever comes. `failing` counts the next jobs
    that are made to fail for certain.
    """

    roster: Roster
    injected: dict[str, set[int] | None] = field(default_factory=dict)
    failing: dict[int, int] = field(default_factory=dict)
    _faults: dict[int, dict[str, Fault]] = field(default_factory=dict)

    def learn(self, members: Iterable[Member]) -> None:
        """Note what devices come with."""
        for member in members:
            if member.connect and member.faults:
                self._faults[member.device_id] = {f"{FLEET}{n}": each for n, each in enumerate(member.faults)}

    def may_change(self, device_id: int, wanted: Wanted) -> bool:
        """Whether anything may make a device's job end otherwise than its task wants."""
        if any(ids is None or device_id in ids for ids in self.injected.values()):
            return True
        world = self.roster.members[device_id].world
        faults = self._faults.get(device_id, {}).values()
        return not is_enough(world, wanted) or not all(leaves_no_doubt(f, world, wanted) for f in faults)

    def planned_to_fail(self, device_id: int) -> bool:
        """Take one of the next jobs of a device that are made to fail; False: there is none."""
        times = self.failing.get(device_id, 0)
        if times:
            self.failing[device_id] = times - 1
        return bool(times)

    def set_fault(self, step_id: str, fault: Fault, device_ids: Iterable[int]) -> None:
        """Note a fault of devices."""
        for device_id in device_ids:
            self._faults.setdefault(device_id, {})[step_id] = fault

    def clear(self, step_id: str | None, device_ids: Iterable[int] | None) -> int:
        """Take faults off: of a step, or all, made-to-fail jobs included; answers of how many devices."""
        among = {*self._faults, *self.failing} if device_ids is None else set(device_ids)
        freed = 0
        for device_id in among:
            had = self._faults.get(device_id, {})
            left = {} if step_id is None else {s: each for s, each in had.items() if s != step_id}
            fails = step_id is None and device_id in self.failing
            freed += fails or len(left) < len(had)
            self._faults[device_id] = left
            if fails:
                del self.failing[device_id]
        return freed

    def inject(self, step_id: str, action: p.Inject, device_ids: Iterable[int]) -> None:
        """Note a fault of the platform."""
        members = self.roster.members
        among = device_ids if action.devices else members
        struck = {d for d in among if can_strike(action.rule, members[d].flow)}
        self.injected[step_id] = struck if action.devices or action.share is not None else None
