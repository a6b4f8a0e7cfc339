"""A device's levels, and the limits that hold a job back.

A level is a function of (seed, device, running time); nothing of it is remembered but what `WorldSet` has set.
Source: onenet-protocol, sections 5 and 7; the task's limits come with generation A's check alone.
"""

from typing import Final, NamedTuple

from device_sim.core.draw import Purpose, draw_below
from device_sim.core.state import Job, State
from device_sim.core.world import Level
from platform_stub.protocol.codes import UpdateKind

NO_SPACE: Final = 102
BATTERY_LOW_TO_DOWNLOAD: Final = 105
SIGNAL_WEAK: Final = 106
BATTERY_LOW_TO_UPDATE: Final = 202
_HOUR_MS: Final = 3_600_000


class Lack(NamedTuple):
    """What there is too little of: the step that says so, its name, and how much there is."""

    step: int
    what: str
    text: str


def level_at(level: Level, seed: int, device_id: int, purpose: Purpose, age_ms: int) -> float:
    """Give a level after so much running time, 0 to 100; it goes up and down in straight lines."""
    value = level.start + level.per_hour * age_ms / _HOUR_MS
    if level.swing:
        period_ms = level.period_ms
        at = (age_ms + draw_below(period_ms, seed, device_id, purpose, 0)) % period_ms / period_ms
        value += level.swing * (4 * at - 1 if at < 0.5 else 3 - 4 * at)  # noqa: PLR2004 - half a period
    return min(max(value, 0.0), 100.0)


def battery(state: State, now_ms: int) -> float | None:
    """Give the battery's level; None where there is always enough."""
    if state.plight is not None and state.plight.battery is not None:
        return state.plight.battery
    level = state.profile.world.battery
    return None if level is None else _now(state, level, Purpose.BATTERY, now_ms)


def signal(state: State, now_ms: int) -> float | None:
    """Give the signal's level; None where there is always enough."""
    if state.plight is not None and state.plight.signal is not None:
        return state.plight.signal
    level = state.profile.world.signal
    return None if level is None else _now(state, level, Purpose.SIGNAL, now_ms)


def lack_of_space(state: State, job: Job) -> Lack | None:
    """Say whether a package finds room where it is going to."""
    plight, world = state.plight, state.profile.world
    if job.kind is UpdateKind.FOTA:
        name, free, was_set = "storage", world.storage_bytes, plight.storage_bytes if plight else None
    else:
        name, free = "mcu_storage", world.mcu_storage_bytes
        was_set = plight.mcu_storage_bytes if plight else None
    free = free if was_set is None else was_set
    if free is None or free >= job.download.size_bytes:
        return None
    where = "" if job.kind is UpdateKind.FOTA else " in the MCU"
    return Lack(NO_SPACE, name, f"{free:,} bytes free{where}, {job.download.size_bytes:,} wanted")


def lack_to_download(state: State, job: Job, now_ms: int) -> Lack | None:
    """Say whether battery and signal allow a download, or the rest of one."""
    world = state.profile.world
    wanted = max(job.terms.battery_min, world.battery_min)
    lack = _lack(BATTERY_LOW_TO_DOWNLOAD, "battery", battery(state, now_ms), wanted)
    if lack is None:
        lack = _lack(
            SIGNAL_WEAK, "signal", signal(state, now_ms), max(job.terms.signal_min, world.signal_min)
        )
    return lack


def lack_to_install(state: State, job: Job, now_ms: int) -> Lack | None:
    """Say whether the battery allows an install."""
    wanted = max(job.terms.battery_min, state.profile.world.battery_min)
    return _lack(BATTERY_LOW_TO_UPDATE, "battery", battery(state, now_ms), wanted)


def _lack(step: int, what: str, level: float | None, wanted: int) -> Lack | None:
    if level is None or int(level) >= wanted:
        return None
    return Lack(step, what, f"{what} at {int(level)} %, {wanted} wanted")


def _now(state: State, level: Level, purpose: Purpose, now_ms: int) -> float:
    age_ms = max(now_ms + state.passed_ms - state.born_ms, 0)
    return level_at(level, state.seed, state.device_id, purpose, age_ms)
