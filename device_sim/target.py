"""What a fleet connects to, and whether this machine can hold the connections.

Addresses are resolved once. Limits are said aloud: a fleet that does not fit is refused, never made smaller.
"""

import asyncio
import contextlib
import resource
import socket
import zlib
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


def card_net(*hosts: str) -> str:
    """Say in which net a card has an address of its own: `127`, or an empty text where there is none.

    That takes a platform on loopback addresses alone, and a system that lends all of them, as Linux does.
    """
    if not all(host.startswith("127.") for host in hosts):
        return ""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.64.0.1", 0))
        except OSError:
            return ""
    return "127"


def card_address(net: str, iccid: str, imsi: str) -> str:
    """Give the address of whoever has this card in: the same card, the same address. An empty text without a net."""
    if not net:
        return ""
    number = zlib.crc32(f"{iccid}/{imsi}".encode())
    return f"{net}.{64 + (number >> 16) % 64}.{(number >> 8) % 256}.{1 + number % 254}"


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
    if not devices:
        raise EnvironmentFault(
            f"the connections for {downloads:,} calls and downloads at once need {needed:,} descriptors, and "
            f"this process may open {limit:,}; raise the limit (ulimit -Hn)"
        )
    raise EnvironmentFault(
        f"{devices:,} devices need {needed:,} descriptors ({ends}), and this process may open {limit:,}: "
        f"{most:,} devices fit. {advice}split the fleet over several processes, or raise the limit (ulimit -Hn)"
    )


def _open_descriptors() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return sum(1 for _ in Path(folder).iterdir())
    return SPARE_DESCRIPTORS
