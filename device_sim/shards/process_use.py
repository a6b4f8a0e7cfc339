"""What this process uses of the machine: CPU, memory, descriptors. By /proc where there is one, else by getrusage."""

import contextlib
import os
import resource
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

_NS_PER_MS: Final = 1_000_000
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class Use(NamedTuple):
    """So much of a core since the process began, and so much memory and so many descriptors now."""

    cpu_ms: int
    memory_bytes: int
    descriptors: int


def process_use() -> Use:
    """Look; descriptors are 0 where nothing says how many there are."""
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory_bytes = pages * os.sysconf("SC_PAGE_SIZE")
    descriptors = 0
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            descriptors = len(os.listdir(folder))  # noqa: PTH208 - a count of names: 10,000 paths would be made
            break
    return Use(time.process_time_ns() // _NS_PER_MS, memory_bytes, descriptors)
