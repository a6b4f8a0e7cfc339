"""What a fleet connects to, and whether this machine can hold the connections.

Addresses are resolved once. Limits are said aloud: a fleet that does not fit is refused, never made smaller.
"""

import asyncio
import contextlib
import resource
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from device_sim.transport.dialler import Address
from platform_stub.protocol.errors import EnvironmentFault

SPARE_DESCRIPTORS: Final = 64
DEVICES_PER_SOURCE: Final = 5_000


class Target(Protocol):
    """Where devices connect to. Anything but an `Endpoint` is taken to run in this process, as a `Stub` does."""

    @property
    def http_address(self) -> Address:
        """Where packages are downloaded."""

    @property
    def mqtt_address(self) -> Address:
        """Where devices log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A platform in another process, or on another machine."""

    http_address: Address
    mqtt_address: Address


async def resolve(address: Address) -> Address:
    """Give the numeric address; EnvironmentFault when there is none."""
    host, port = address
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise EnvironmentFault(f"{host}:{port} does not resolve: {exc.strerror or exc}") from exc
    return str(found[0][4][0]), port


def source_addresses(host: str, devices: int) -> tuple[str, ...]:
    """Give the loopback addresses to connect from; none when the system's choice has enough local ports."""
    if devices <= DEVICES_PER_SOURCE or host != "127.0.0.1":
        return ()
    return tuple(f"127.0.0.{at + 2}" for at in range(-(-devices // DEVICES_PER_SOURCE)))


def claim_descriptors(devices: int, downloads: int, *, shared: bool) -> None:
    """Make room for that many connections, or say why there is none: EnvironmentFault.

    The soft limit is raised to the hard one. `shared`: the other end is in this process, and takes as many again.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return
    each = 2 if shared else 1
    used = _open_descriptors() + SPARE_DESCRIPTORS
    needed = (devices + downloads) * each + used
    if needed <= limit:
        return
    most = max((limit - used) // each - downloads, 0)
    ends = "both ends of each connection are in this process" if shared else "a connection each"
    advice = "run the stub in a process of its own (ota-sim serve), " if shared else ""
    raise EnvironmentFault(
        f"{devices:,} devices need {needed:,} descriptors ({ends}), and this process may open {limit:,}: "
        f"{most:,} devices fit. {advice}split the fleet over several processes, or raise the limit (ulimit -Hn)"
    )


def _open_descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return sum(1 for _ in Path(folder).iterdir())
    return SPARE_DESCRIPTORS
