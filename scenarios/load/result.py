"""What came of a load run, as values: measurements with their course, figures, thresholds, audit. Pure.

It is the shape of the JSON report, from which its JSON Schema is made: fields are only added within a format version.
Durations are in microseconds where a name says `_us`, times in seconds from the load's start.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from scenarios.load.thresholds import Verdict

FORMAT: Final = "ota-sim-load"
FORMAT_VERSION: Final = 1
INTERRUPTED: Final = 130
Kind = Literal["create-task", "fleet"]


class Point(Struct, frozen=True, kw_only=True):
    """A second, or several, of a measurement: from `second` on, what ended in it. None: nothing did."""

    second: float
    count: int
    errors: int = 0
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None


class Percentiles(Struct, frozen=True, kw_only=True):
    """What is shown of a histogram, exact to the microsecond. None: there was nothing."""

    mean_us: float | None = None
    min_us: int | None = None
    p50_us: int | None = None
    p90_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    p999_us: int | None = None
    max_us: int | None = None


class Measurement(Struct, frozen=True, kw_only=True):
    """One thing that was measured. `histogram` is (µs to three digits, count), ascending; `rate` is a second."""

    name: str
    about: str = ""
    count: int
    errors: int
    rate: float
    percentiles: Percentiles
    histogram: tuple[tuple[int, int], ...] = ()
    points: tuple[Point, ...] = ()


class ErrorCount(Struct, frozen=True, kw_only=True):
    """How often something went wrong."""

    name: str
    what: str
    count: int


class Fact(Struct, frozen=True, kw_only=True):
    """A setting of the run, such as `creators` and `20`."""

    name: str
    text: str


class Figure(Struct, frozen=True, kw_only=True):
    """Something else that was measured: `text` is how a reader wants it, `unit` may be empty."""

    name: str
    value: float
    unit: str = ""
    text: str


class AuditFinding(Struct, frozen=True, kw_only=True):
    """Where a rule does not hold."""

    rule: str
    where: str
    expected: str
    seen: str


class Audit(Struct, frozen=True, kw_only=True):
    """What was held against the charging rules after the run. `how` says on what, or why not.

    `audited` False with no findings is no verdict; findings fail the run in any case.
    """

    audited: bool
    how: str
    findings: tuple[AuditFinding, ...] = ()
    findings_count: int = 0

    @property
    def is_broken(self) -> bool:
        """Whether a rule was seen broken."""
        return bool(self.findings_count or self.findings)


class LoadResult(Struct, frozen=True, kw_only=True):
    """A load run.

    `main` is the measurement that it is for. `trouble` is what ended it early, or made it worthless: a far end or a
    process that died; the run fails with it (exit code 3). `failures` are findings of its own that fail it (exit
    code 1), such as a device that was not updated. `notes` fail nothing.
    """

    format: Literal["ota-sim-load"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    version: str
    kind: Kind
    title: str
    target: str
    started_ms: int
    seconds: float
    main: str
    interrupted: bool = False
    settings: tuple[Fact, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    errors: tuple[ErrorCount, ...] = ()
    thresholds: tuple[Verdict, ...] = ()
    figures: tuple[Figure, ...] = ()
    audit: Audit
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    command: str = ""
    exit_code: int = -1

    def __post_init__(self) -> None:
        """Work out the exit code, unless it was read from a report."""
        if self.exit_code < 0:
            msgspec.structs.force_setattr(self, "exit_code", _exit_code(self))

    @property
    def verdict(self) -> Literal["passed", "failed", "broken", "stopped"]:
        """Say in a word what it came to."""
        if self.exit_code == INTERRUPTED:
            return "stopped"
        return "broken" if self.trouble else "failed" if self.exit_code else "passed"

    def measured(self, name: str) -> Measurement | None:
        """Give the measurement of a name; None: there is none."""
        return next((each for each in self.measurements if each.name == name), None)


def _exit_code(result: LoadResult) -> int:
    if result.interrupted:
        return INTERRUPTED
    if result.trouble:
        return 3
    missed = any(not each.held for each in result.thresholds)
    return 1 if missed or result.failures or result.audit.is_broken else 0


def load_schema() -> dict[str, Any]:
    """Make the JSON Schema of a load run's report.json."""
    schema = msgspec.json.schema(LoadResult)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ota-sim load report",
    } | schema


def measurements_json(measurements: tuple[Measurement, ...]) -> bytes:
    """Spell measurements alone, as the web page of Locust gives them."""
    return msgspec.json.encode(measurements)
