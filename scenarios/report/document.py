"""The shape of report.json, from which its JSON Schema is made. Fields are only added within a format version.

Times are in seconds, or milliseconds where the name says `_ms`; money is in fen.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from scenarios.report.durations import Duration
from scenarios.report.failures import Failure
from scenarios.results import PlayResult

FORMAT: Final = "ota-sim-report"
FORMAT_VERSION: Final = 1


class ReportedPlay(PlayResult, frozen=True, kw_only=True):
    """A scenario, or one of its variants, and what came of it.

    `story.devices` has only the devices that are not well, `devices_by_state` counts all of them by the state of their
    last job; `again` is the command that plays it again.
    """

    again: str
    durations: tuple[Duration, ...] = ()
    failures: tuple[Failure, ...] = ()
    devices_by_state: dict[str, int] = msgspec.field(default_factory=dict)
    devices_left_out: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """A run of `ota-sim run`: its verdict, and all that was played."""

    format: Literal["ota-sim-report"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    version: str
    verdict: Literal["passed", "failed", "stopped"]
    exit_code: int
    seconds: float
    plays: tuple[ReportedPlay, ...]


def report_schema() -> dict[str, Any]:
    """Make the JSON Schema of report.json."""
    schema = msgspec.json.schema(Report)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ota-sim report"} | schema
