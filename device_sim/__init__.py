"""The device: a fleet of simulated OTA clients over real sockets, against a stub or a platform.

from device_sim import Fleet, read_devices_csv

Names are imported when they are used: who needs a `Fault` alone, as the scenario language does, loads no sockets.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from device_sim.core.effects import JobEnded, Outcome
    from device_sim.core.faults import Fault
    from device_sim.core.profile import FLOWS, Flow, Profile
    from device_sim.core.world import STURDY, Level, Span, World
    from device_sim.errors import DeviceFileFault, FleetError, FleetFailed
    from device_sim.flash_file import Flash, read_flash, write_flash
    from device_sim.fleet import Fleet
    from device_sim.identity import Identity, read_devices_csv, write_devices_csv
    from device_sim.recorder import Entry, Recorder, Wire
    from device_sim.snapshot import DeviceView, FleetSnapshot, FlowSnapshot, TraceEntry
    from device_sim.target import Endpoint, Target

__all__ = [
    "FLOWS",
    "STURDY",
    "DeviceFileFault",
    "DeviceView",
    "Endpoint",
    "Entry",
    "Fault",
    "Flash",
    "Fleet",
    "FleetError",
    "FleetFailed",
    "FleetSnapshot",
    "Flow",
    "FlowSnapshot",
    "Identity",
    "JobEnded",
    "Level",
    "Outcome",
    "Profile",
    "Recorder",
    "Span",
    "Target",
    "TraceEntry",
    "Wire",
    "World",
    "read_devices_csv",
    "read_flash",
    "write_devices_csv",
    "write_flash",
]

_HOMES: Final = {
    "core.effects": ("JobEnded", "Outcome"),
    "core.faults": ("Fault",),
    "core.profile": ("FLOWS", "Flow", "Profile"),
    "core.world": ("STURDY", "Level", "Span", "World"),
    "errors": ("DeviceFileFault", "FleetError", "FleetFailed"),
    "flash_file": ("Flash", "read_flash", "write_flash"),
    "fleet": ("Fleet",),
    "identity": ("Identity", "read_devices_csv", "write_devices_csv"),
    "recorder": ("Entry", "Recorder", "Wire"),
    "snapshot": ("DeviceView", "FleetSnapshot", "FlowSnapshot", "TraceEntry"),
    "target": ("Endpoint", "Target"),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'device_sim' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"device_sim.{module}"), name)
    return value
