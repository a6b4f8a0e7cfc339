"""Over how many processes a fleet goes, and what each gets: by the machine's limits, before anything starts.

A process of a fleet is one core's work and one limit of descriptors; an address has so many local ports; a listening
socket's queue takes some hundred connections at a time. What does not fit is refused, with what would be needed. Pure.
"""

from dataclasses import dataclass
from typing import Final

from device_sim.shards.limits import PROCESSES_MAX, Limits
from device_sim.target import DEVICES_PER_SOURCE, SPARE_DESCRIPTORS
from platform_stub.protocol.errors import EnvironmentFault, UsageFault

DEVICES_PER_PROCESS: Final = 10_000
"""What a process holds well where there is no core to spare."""
DEVICES_PER_CORE: Final = 5_000
"""More than so many go over several processes where there are cores for them."""
OWN_DESCRIPTORS: Final = SPARE_DESCRIPTORS + 32
"""What a process has open besides its devices' connections, and room to spare."""
PROCESS_BYTES: Final = 64 * 1024 * 1024
DEVICE_BYTES: Final = 12 * 1024
"""A device in its process, and its socket in the kernel; in the stub it takes about as much again."""
_FIRST_HOST: Final = 2  # 127.0.0.1 is everybody's
_HOSTS: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """How much a whole fleet asks of the platform at once; each process has its part."""

    connects: int = 80  # below a listening socket's queue
    downloads: int = 64
    calls: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one process gets: the devices from `first` on, before `stop`, and its part of everything else."""

    first: int
    stop: int
    sources: tuple[str, ...]  # local addresses, none of them another process's; none: the system's choice
    in_flight: InFlight

    @property
    def devices(self) -> int:
        """How many."""
        return self.stop - self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a fleet is spread. `text` says it in a line."""

    devices: int
    shares: tuple[Share, ...]
    text: str

    @property
    def processes(self) -> int:
        """How many processes of devices there are."""
        return len(self.shares)


def plan(
    devices: int,
    limits: Limits,
    *,
    processes: int | None = None,
    connections: int | None = None,
    stub_here: bool = False,
    is_loopback: bool = True,
    in_flight: InFlight = InFlight(),
) -> Plan:
    """Spread so many devices. `processes` None: as many as they take here.

    `connections`: how many of them hold one, over MQTT; all, where it is not said. `stub_here`: a stub in a process of
    its own is on this machine, under the same limits. `is_loopback`: the platform is reached by a loopback address.
    UsageFault: an impossible number of processes. EnvironmentFault: they do not fit this machine.
    """
    connections = devices if connections is None else connections
    if processes is not None and not 1 <= processes <= PROCESSES_MAX:
        raise UsageFault(f"processes = {processes}: 1 to {PROCESSES_MAX} are wanted, or auto")
    if devices < 1:
        raise UsageFault(f"devices = {devices}: at least 1 is wanted")
    is_lent = is_loopback and limits.has_loopback_net
    _check_ports(connections, limits, in_flight, is_lent=is_lent)
    if stub_here:
        _check_stub(devices, connections, limits, in_flight)
    count = min(processes or _count(devices, connections, limits, in_flight), devices)
    _check_processes(devices, connections, count, limits, in_flight)
    _check_memory(devices, count, limits, stub_here=stub_here)
    shares = _shares(devices, connections, count, in_flight, is_lent=is_lent)
    return Plan(devices=devices, shares=shares, text=_text(devices, count, processes, stub_here=stub_here))


def share_out(total: int, parts: int) -> list[int]:
    """Split a number as evenly as it goes, the larger parts first."""
    each, more = divmod(total, parts)
    return [each + (at < more) for at in range(parts)]


def loopback_source(number: int) -> str:
    """Give the address of that number, from 127.0.0.2 on."""
    net, host = divmod(number, _HOSTS)
    return f"127.0.{net}.{host + _FIRST_HOST}"


def _count(devices: int, connections: int, limits: Limits, in_flight: InFlight) -> int:
    """Say how many processes the devices take: by descriptors, by their load, and by the cores there are."""
    room = max(limits.descriptors - OWN_DESCRIPTORS - in_flight.downloads - in_flight.calls, 1)
    return max(
        -(-connections // room),
        -(-devices // DEVICES_PER_PROCESS),
        min(-(-devices // DEVICES_PER_CORE), limits.cores - 1),
    )


def _check_processes(devices: int, connections: int, count: int, limits: Limits, in_flight: InFlight) -> None:
    pooled = -(-in_flight.downloads // count) + -(-in_flight.calls // count)
    needed = -(-connections // count) + pooled + OWN_DESCRIPTORS
    if needed <= limits.descriptors and count <= PROCESSES_MAX:
        return
    if count > PROCESSES_MAX:
        raise EnvironmentFault(
            f"{_many(devices, 'device')} need {_many(count, 'process')}, and at most {PROCESSES_MAX} are taken here: "
            f"take fewer devices, or spread the fleet over several machines"
        )
    least = _count(devices, connections, limits, in_flight)
    raise EnvironmentFault(
        f"{_many(devices, 'device')} in {_many(count, 'process')} need {needed:,} descriptors a process, and it "
        f"may open {limits.descriptors:,}: take {_many(least, 'process')}, or raise the limit (ulimit -Hn {needed})"
    )


def _check_stub(devices: int, connections: int, limits: Limits, in_flight: InFlight) -> None:
    pooled = in_flight.downloads + in_flight.calls
    needed = connections + pooled + OWN_DESCRIPTORS
    if needed > limits.descriptors:
        fits = max(limits.descriptors - pooled - OWN_DESCRIPTORS, 0)
        raise EnvironmentFault(
            f"{devices:,} devices do not fit this machine: the stub needs {needed:,} descriptors for them, and a "
            f"process may open {limits.descriptors:,}, which is enough for {fits:,}; raise the limit "
            f"(ulimit -Hn {needed}), or take fewer devices"
        )


def _check_ports(connections: int, limits: Limits, in_flight: InFlight, *, is_lent: bool) -> None:
    pooled = in_flight.downloads + in_flight.calls
    if is_lent and limits.ports >= DEVICES_PER_SOURCE + pooled:
        return
    if connections + pooled > limits.ports:
        raise EnvironmentFault(
            f"{connections:,} devices need {connections + pooled:,} local ports of one address, and this machine "
            f"lends {limits.ports:,}: {max(limits.ports - pooled, 0):,} devices fit; widen "
            f"net.ipv4.ip_local_port_range, or spread the fleet over several machines"
        )


def _check_memory(devices: int, count: int, limits: Limits, *, stub_here: bool) -> None:
    ends = 2 if stub_here else 1
    needed = devices * DEVICE_BYTES * ends + (count + ends - 1) * PROCESS_BYTES
    if limits.memory_bytes is not None and needed > limits.memory_bytes:
        raise EnvironmentFault(
            f"{devices:,} devices in {_many(count, 'process')} need some {needed >> 20:,} MiB of memory, and "
            f"{limits.memory_bytes >> 20:,} MiB are free: take fewer devices, or a larger machine"
        )


def _shares(
    devices: int, connections: int, count: int, in_flight: InFlight, *, is_lent: bool
) -> tuple[Share, ...]:
    wants_sources = is_lent and connections > DEVICES_PER_SOURCE
    shares: list[Share] = []
    first = source = 0
    for at, size in enumerate(share_out(devices, count)):
        addresses = -(-size // DEVICES_PER_SOURCE) if wants_sources else 0
        sources = tuple(loopback_source(source + each) for each in range(addresses))
        part = InFlight(
            connects=_part(in_flight.connects, count, at),
            downloads=_part(in_flight.downloads, count, at),
            calls=_part(in_flight.calls, count, at),
        )
        shares.append(Share(first=first, stop=first + size, sources=sources, in_flight=part))
        first, source = first + size, source + addresses
    return tuple(shares)


def _part(total: int, parts: int, at: int) -> int:
    return max(share_out(total, parts)[at], 1)


def _text(devices: int, count: int, asked: int | None, *, stub_here: bool) -> str:
    stub = "1 stub process and " if stub_here else ""
    verb = "go over" if asked is not None else "need"
    if devices == 1:
        verb = "goes over" if asked is not None else "needs"
    return f"{_many(devices, 'device')} {verb} {stub}{_many(count, 'fleet process')} here"


def _many(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}"
