"""What a benchmark comes to: figures of each side of a comparison, with their spread, and goals. Pure.

A part of the benchmark gives lines (one side of a comparison, all its figures) and goals (a figure or a ratio against its
bound). Each figure keeps the value of every round. Units are in the names: `ms` milliseconds, `us` microseconds, `kb` 1,024
bytes.
"""

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Metric:
    """What a figure is called in a table, with how many digits, and whether more of it is better."""

    label: str
    digits: int = 0
    more_is_better: bool = False


METRICS = {
    "jobs_s": Metric("jobs/s", 0, more_is_better=True),
    "cpu_us": Metric("CPU a job, µs", 0),
    "peer_us": Metric("far end's CPU a job, µs", 0),
    "peer_kb": Metric("far end's memory a device, KB", 1),
    "stub_us": Metric("stub CPU a device, µs", 0),
    "fleet_us": Metric("fleet CPU a device, µs", 0),
    "stub_kb": Metric("stub memory a device, KB", 1),
    "fleet_kb": Metric("fleet memory a device, KB", 1),
    "kb": Metric("memory a device, KB", 1),
    "devices": Metric("devices", 0, more_is_better=True),
    "calls_s": Metric("calls/s", 0, more_is_better=True),
    "call_us": Metric("server CPU a call, µs", 0),
    "devices_s": Metric("devices/s", 0, more_is_better=True),
    "client_us": Metric("client CPU a device, µs", 0),
    "server_us": Metric("server CPU a device, µs", 0),
    "decisions_s": Metric("decisions/s", 0, more_is_better=True),
    "device_us": Metric("a device, µs", 2),
    "tasks_s": Metric("tasks/s", 1, more_is_better=True),
    "p50_ms": Metric("p50, ms", 1),
    "p95_ms": Metric("p95, ms", 1),
    "p99_ms": Metric("p99, ms", 1),
    "connect_s": Metric("connect, s", 2),
    "told_ms": Metric("told, ms", 0),
    "create_ms": Metric("create, ms", 1),
    "ms": Metric("ms", 2),
    "s": Metric("s", 2),
    "mb": Metric("MB", 1),
}
"""Every figure that a part may give, by its name in the JSON."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure's value in each round; at least one."""

    values: tuple[float, ...]

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def high(self):
        return max(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One side of a comparison.

    `side` is its name for good, `who` what the table calls it, versions and all. `at` is where it stands on a plot's axis: a
    number of devices or creators. A side that was not measured has no figures, and its note says why; `failed` is one of
    ours that was tried and did not do what it must.
    """

    what: str
    side: str
    who: str
    figures: dict[str, Spread] = field(default_factory=dict)
    at: float | None = None
    note: str = ""
    failed: bool = False

    @property
    def is_ours(self):
        return self.side.startswith("ours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure against its bound, or a ratio that has none (`bound` None)."""

    what: str
    seen: Spread
    bound: float | None = None
    more_is_better: bool = False
    unit: str = ""
    digits: int = 2

    @property
    def held(self):
        """Whether the median keeps the bound; None without one."""
        if self.bound is None:
            return None
        median = round(self.seen.median, 9)  # 3 * 0.1 is as good as 0.3
        return median >= self.bound if self.more_is_better else median <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All that one part gave, on which machine, with which versions."""

    name: str
    machine: str
    versions: str
    form: str  # quick or full
    took_s: float
    lines: tuple[Line, ...] = ()
    goals: tuple[Goal, ...] = ()
