"""What this machine allows a fleet: read from the system, decided about in `plan`. Sizes are bytes."""

import contextlib
import os
import resource
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROCESSES_MAX: Final = 64
"""Of a fleet."""
PORTS_WITHOUT_PROC: Final = 16_384
"""Ephemeral ports where no file says how many there are: 49152 to 65535, by IANA."""
UNLIMITED: Final = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What there is. `memory_bytes` None: nothing says."""

    descriptors: int  # that one process may open
    ports: int  # local ports an address has for connections
    cores: int  # this process may run on
    memory_bytes: int | None = None  # free, or freed at once
    has_loopback_net: bool = True  # 127.0.0.2 and so on can be connected from


def read_limits() -> Limits:
    """Look at the machine. The hard limit of descriptors counts: a fleet raises its own to that."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return Limits(
        descriptors=UNLIMITED if hard == resource.RLIM_INFINITY else hard,
        ports=_ports(),
        cores=_cores(),
        memory_bytes=_memory_bytes(),
        has_loopback_net=_lends_loopback(),
    )


def _ports() -> int:
    with contextlib.suppress(OSError, ValueError):
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        low, high = map(int, text.split())
        return high - low + 1
    return PORTS_WITHOUT_PROC


def _cores() -> int:
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024
    return None


def _lends_loopback() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return False
    return True
