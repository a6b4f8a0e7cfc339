"""The device: a fleet of simulated OTA clients over real sockets, against a stub or a platform.

from device_sim import Fleet, read_devices_csv
"""

from device_sim.core.effects import JobEnded, Outcome
from device_sim.core.faults import Fault
from device_sim.core.profile import FLOWS, Flow, Profile
from device_sim.core.world import STURDY, Level, Span, World
from device_sim.errors import DeviceFileFault, FleetError, FleetFailed
from device_sim.fleet import Fleet
from device_sim.identity import Identity, read_devices_csv, write_devices_csv
from device_sim.snapshot import DeviceView, FleetSnapshot, FlowSnapshot, TraceEntry
from device_sim.target import Endpoint, Target

__all__ = [
    "FLOWS",
    "STURDY",
    "DeviceFileFault",
    "DeviceView",
    "Endpoint",
    "Fault",
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
    "Span",
    "Target",
    "TraceEntry",
    "World",
    "read_devices_csv",
    "write_devices_csv",
]
