"""How long devices take to come in, to be told, and to do a job: counted by those who ask, exactly and in little room.

A latency is counted in whole microseconds, rounded to three digits: the error is at most half a per cent, and a fleet's
latencies take some hundred counts, however many there are. Only what is under way is held for a device, so an idle one
costs nothing. Who calls this is `timed_agents`; without a `Timings` a fleet has other agents, and measures nothing.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

_DIGITS: Final = 1_000
_NS_PER_US: Final = 1_000


class Taken(NamedTuple):
    """How many times by how many microseconds, since they were last taken."""

    connect: dict[int, int]
    told: dict[int, int]
    job: dict[int, int]
    reconnect: dict[int, int]


def coarse(us: int) -> int:
    """Round microseconds to three digits, halves up: 123,456 is 123,000."""
    step = 1
    while us // step >= _DIGITS:
        step *= 10
    return (us + step // 2) // step * step


class Timings:
    """What is measured of a fleet's devices.

    `connect`: from a device's own dial, or first call, to its version report answered. `told`: from the last mark to
    the first inform of each device after it. `job`: from being told to the job's last report answered. `reconnect`:
    from a connection lost to the version report answered again. Over HTTP a device is told when it finds a job.
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._mark_ns = 0
        self._told_since: set[int] = set()
        self._dialled: dict[int, int] = {}
        self._lost: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._ending: set[int] = set()
        self._connect: Counter[int] = Counter()
        self._tell: Counter[int] = Counter()
        self._job: Counter[int] = Counter()
        self._reconnect: Counter[int] = Counter()

    def mark(self, at_ns: int = 0) -> None:
        """Measure `told` from this moment on, of each device once; 0: from now."""
        self._mark_ns = at_ns or self._now_ns()
        self._told_since.clear()

    def take(self) -> Taken:
        """Give what was counted since the last time."""
        taken = Taken(*map(dict, (self._connect, self._tell, self._job, self._reconnect)))
        for counted in (self._connect, self._tell, self._job, self._reconnect):
            counted.clear()
        return taken

    def dialled(self, device_id: int) -> None:
        """Its connection is being opened; a later attempt begins anew."""
        self._dialled[device_id] = self._now_ns()

    def called(self, device_id: int) -> None:
        """A call of one that is not in goes out; the first one counts."""
        self._dialled.setdefault(device_id, self._now_ns())

    def lost(self, device_id: int) -> None:
        """Its connection was lost while it was in."""
        self._lost.setdefault(device_id, self._now_ns())

    def came(self, device_id: int) -> None:
        """It is in."""
        self._since(self._dialled.pop(device_id, None), self._connect)
        self._since(self._lost.pop(device_id, None), self._reconnect)

    def told(self, device_id: int) -> None:
        """It was told of a job, or found one."""
        self._told.setdefault(device_id, self._now_ns())
        if self._mark_ns and device_id not in self._told_since:
            self._told_since.add(device_id)
            self._since(self._mark_ns, self._tell)

    def job_ended(self, device_id: int) -> None:
        """Its job is over; its last report may not be answered yet."""
        if device_id in self._told:
            self._ending.add(device_id)

    def settled(self, device_id: int) -> None:
        """Nothing of it is unanswered. What it was told and did not do was no job."""
        told_ns = self._told.pop(device_id, None)
        if device_id in self._ending:
            self._ending.discard(device_id)
            self._since(told_ns, self._job)

    def is_told(self, device_id: int) -> bool:
        """Whether it was told of a job that is not over."""
        return device_id in self._told

    def forget(self, device_id: int) -> None:
        """It left."""
        for held in (self._dialled, self._lost, self._told):
            held.pop(device_id, None)
        self._ending.discard(device_id)

    def _since(self, from_ns: int | None, counted: Counter[int]) -> None:
        if from_ns is not None:
            counted[coarse(max(self._now_ns() - from_ns, 0) // _NS_PER_US)] += 1
