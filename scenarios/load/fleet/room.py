"""How many devices this machine has room for, and what would be in the way of one more: by `device_sim.shards.plan`."""

from typing import Final

from device_sim.shards.limits import Limits
from device_sim.shards.plan import Plan, plan
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.load.result import Figure

LOOPBACK: Final = "127."
MOST: Final = 10_000_000


def plan_devices(
    devices: int, processes: int | None, limits: Limits, *, stub_here: bool, mqtt_host: str
) -> Plan:
    """Spread them. EnvironmentFault: they do not fit, with what would be needed; UsageFault: as `plan` says."""
    return plan(
        devices, limits, processes=processes, stub_here=stub_here, is_loopback=mqtt_host.startswith(LOOPBACK)
    )


def room_for(processes: int | None, limits: Limits, *, stub_here: bool, mqtt_host: str) -> Figure:
    """Say how many devices fit, and what stands in the way of more."""

    def fault(devices: int) -> str:
        try:
            plan_devices(devices, processes, limits, stub_here=stub_here, mqtt_host=mqtt_host)
        except EnvironmentFault as exc:
            return str(exc)
        return ""

    if not fault(MOST):
        return Figure(name="room", value=MOST, text=f"more than {MOST:,} devices fit here")
    fits, too_many = 0, MOST
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (fits, middle) if fault(middle) else (middle, too_many)
    return Figure(name="room", value=fits, text=f"{fits:,} devices fit here; {_bounded_by(fault(too_many))}")


def _bounded_by(why: str) -> str:
    """Word in short what a refusal is about."""
    for sign, text in (
        ("stub needs", "then the stub's process has no descriptor left (ulimit -Hn)"),
        (
            "descriptors a process",
            "then the fleet's processes have no descriptor left (ulimit -Hn); take more of them",
        ),
        ("local ports", "then this address has no local port left (net.ipv4.ip_local_port_range)"),
        ("MiB of memory", "then there is no memory left"),
        ("processes, and at most", "then more fleet processes would be needed than are taken"),
    ):
        if sign in why:
            return text
    return why
