"""What is set from outside, whatever a device does just then: its faults, its levels, its running time."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from device_sim.core.effects import Effect, Struck
from device_sim.core.events import FaultsSet, TimePassed, WorldSet
from device_sim.core.state import State


def _faults_set(state: State, event: FaultsSet, now_ms: int, out: list[Effect]) -> None:
    """Have these faults; a job under way goes on without those that it had, and unpaced."""
    if state.plight is None and not event.faults:
        return
    state.make_plight().set_faults(event.faults, now_ms)
    if state.job is not None:
        state.job.download.chunk_bytes = state.profile.chunk_bytes
    for fault in event.faults:
        if fault.what == "clock_skew":
            out.append(Struck(fault.what, f"its clock is {fault.skew_ms or 0:+,} ms off"))
        elif fault.what == "expired_token":
            out.append(Struck(fault.what, "its tokens have expired when it signs with them"))


def _world_set(state: State, event: WorldSet, _: int, __: list[Effect]) -> None:
    plight = state.make_plight()
    if event.battery is not None:
        plight.battery = event.battery
    if event.signal is not None:
        plight.signal = event.signal
    if event.storage_bytes is not None:
        plight.storage_bytes = event.storage_bytes
    if event.mcu_storage_bytes is not None:
        plight.mcu_storage_bytes = event.mcu_storage_bytes


def _time_passed(state: State, event: TimePassed, _: int, __: list[Effect]) -> None:
    state.pass_time(event.by_ms)


SETTINGS: Mapping[type, Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {FaultsSet: _faults_set, WorldSet: _world_set, TimePassed: _time_passed}
)
