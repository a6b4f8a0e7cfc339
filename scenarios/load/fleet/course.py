"""How far a load of devices is: what has happened so far, from which a summary can be made at any moment."""

import time
from typing import Final

from msgspec import Struct

from platform_stub.protocol import operator as api
from scenarios.load.fleet.ground import Aftermath, Ground
from scenarios.load.fleet.shards_seen import ShardsSeen
from scenarios.load.fleet.usage import End, Usage

NAMED_MAX: Final = 5


class Moment(Struct, frozen=True, kw_only=True):
    """What both ends, and Locust, had cost at a moment. `at_s` counts from the run's start; None: not measurable."""

    at_s: float
    platform: Usage | None
    fleet: Usage
    locust: Usage


class Course:
    """One run, written by `run` and its storms, read by whoever shows or judges it."""

    def __init__(self, devices: int, processes: int, cores: int = 1) -> None:
        self.devices = devices
        self.cores = cores
        self.began = time.monotonic()
        self.started_ms = time.time_ns() // 1_000_000
        self.doing = "starting the platform"
        self.seen = ShardsSeen(processes)
        self.platform, self.fleet, self.locust = End(), End(), End()
        self.is_platform_ours = False
        self.predicts = True  # whether the charging rules say what it deducts
        self.moments: dict[str, Moment] = {}
        self.ground: Ground | None = None
        self.task: api.Task | None = None
        self.created_s: float | None = None  # how long the request of the task took
        self.aftermath: Aftermath | None = None
        self.is_interrupted = False
        self.trouble: list[str] = []
        self.missing: list[str] = []  # who, and why; it fails the run when more are missing than may be
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.storms: list[str] = []

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def keep(self, name: str) -> None:
        """Keep what all cost by now under a name."""
        self.moments[name] = Moment(
            at_s=self.age_s,
            platform=self.platform.look() if self.is_platform_ours else None,
            fleet=self.fleet.look(),
            locust=self.locust.look(),
        )


def some(items: list[str]) -> str:
    """Name the first of many."""
    more = f" and {len(items) - NAMED_MAX:,} more" if len(items) > NAMED_MAX else ""
    return ", ".join(items[:NAMED_MAX]) + more
