"""What a process costs, read from Linux's /proc: CPU seconds and resident bytes. None where there is none.

A process that has ended keeps what was last read of it, so that both halves of a platform that was restarted count.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Usage(Struct, frozen=True, kw_only=True):
    """CPU that was used so far, in and out of the kernel, and memory that is resident now."""

    cpu_s: float = 0.0
    resident_bytes: int = 0


def usage_of(pid: int) -> Usage | None:
    """Read a process; None: it has ended, or this system has no /proc."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return Usage(cpu_s=cpu_s, resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"))


class End:
    """The processes of one end of the load: those that run, and those that ran."""

    def __init__(self) -> None:
        self._last: dict[int, Usage] = {}

    def watch(self, pid: int) -> None:
        """Count a process from now on."""
        self._last.setdefault(pid, usage_of(pid) or Usage())

    def look(self) -> Usage:
        """Read all: the CPU of all there were, the memory of those that run."""
        return self._add_up(self._read())

    @property
    def pids(self) -> Iterable[int]:
        """Give the processes there were, in the order in which they came."""
        return self._last.keys()

    def _read(self) -> Mapping[int, Usage | None]:
        seen = {pid: usage_of(pid) for pid in self._last}
        self._last |= {pid: usage for pid, usage in seen.items() if usage is not None}
        return seen

    def _add_up(self, seen: Mapping[int, Usage | None]) -> Usage:
        return Usage(
            cpu_s=sum(usage.cpu_s for usage in self._last.values()),
            resident_bytes=sum(usage.resident_bytes for usage in seen.values() if usage is not None),
        )
