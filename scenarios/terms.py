"""The words of the scenario language that are texts and numbers: what each may look like, and how that is told.

Structs made of them are in `scenarios.model`.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta

from device_sim.core.faults import PLACES
from device_sim.core.state import Link, Stage
from device_sim.shards.limits import PROCESSES_MAX
from scenarios.selection import NAME_PATTERN, SELECTION_PATTERN, SHARE_PATTERN
from scenarios.units import (
    BOUNDS_PATTERN,
    MOMENT_PATTERN,
    OFFSET_PATTERN,
    PERCENT_PATTERN,
    RATE_PATTERN,
    SIZE_PATTERN,
    SPAN_PATTERN,
    SPAN_RANGE_PATTERN,
    YUAN_PATTERN,
)

DEVICES_MAX: Final = 1_000_000
PACKAGE_DEFAULT: Final = "4 KiB"
NEVER: Final = "never"
"""What stands for a version that was not reported yet."""


def _text(pattern: str, wanted: str, *examples: str) -> Meta:
    """Describe a text. `x-wanted` is what a mistake is answered with.

    Patterns go into the JSON Schema only, where the loader checks them. As msgspec's own they would be checked a
    second time, and msgspec 0.22 damages memory when a str with a pattern is in a union with a list or a dict.
    """
    return Meta(
        description=wanted,
        examples=list(examples) or None,
        extra_json_schema={"pattern": pattern, "x-wanted": wanted},
    )


def _one_of(names: Iterable[str]) -> Meta:
    """Describe one of some names that are spelled elsewhere."""
    return Meta(extra_json_schema={"enum": list(names)})


Limit = Annotated[str, _text(f"^none$|{SPAN_PATTERN}", "a span of time such as 90s, or none")]
DeviceName = Annotated[
    str, _text(r"^[A-Za-z0-9_\-]{1,64}$", "a device name: letters, digits, - and _, at most 64")
]
StepId = Annotated[str, _text(f"^{NAME_PATTERN}$", "a step's id: letters, digits, - _ and ., at most 40")]
Slug = Annotated[
    str, _text(r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,39}$", "a name: letters, digits, - and _, at most 40")
]
Line = Annotated[
    str,
    Meta(
        min_length=1, max_length=200, extra_json_schema={"x-wanted": "a line of text, at most 200 characters"}
    ),
]
RuleId = Annotated[
    str, _text(r"^[BPIE][1-9][0-9]?$", "the id of a rule or an example, such as B13, P3, I1 or E4", "B13")
]
Version = Annotated[
    str, _text(r"^[A-Za-z0-9_.\-]{1,20}$", "a version: 1 to 20 letters, digits, - _ and .", "1.0")
]
Amount = (
    Annotated[int, Meta(ge=-(10**11), le=10**11)]
    | Annotated[
        str,
        _text(
            YUAN_PATTERN,
            "an amount: yuan such as 1000 or 10.50, or fen such as 1050 fen",
            "10.50",
            "1050 fen",
        ),
    ]
)
Size = (
    Annotated[int, Meta(ge=1, le=30 * 2**20)]
    | Annotated[str, _text(SIZE_PATTERN, "a size such as 560 or 64 KiB", "64 KiB")]
)
Span = Annotated[str, _text(SPAN_PATTERN, "a span of time such as 90s, 10 min or 30d", "30d")]
Moment = Annotated[
    str,
    _text(
        MOMENT_PATTERN,
        "a date and time with its zone, such as 2021-04-02T00:00:00+08:00",
        "2021-04-02T00:00:00+08:00",
    ),
]
Devices = Annotated[
    str,
    _text(
        SELECTION_PATTERN,
        "a selection of devices, such as meters, meters[1-100], failed of E1, 2% of meters or first 50 licensed of "
        "meters",
        "meters[1-100]",
        "failed of E1",
        "first 50 unlicensed of meters",
        "2% of meters",
        "meters but failed of E1",
    ),
]
DeviceList = Devices | Annotated[list[Devices], Meta(min_length=1, max_length=100)]
WireSize = (
    Annotated[int, Meta(ge=0, le=2**31)]
    | Annotated[str, _text(SIZE_PATTERN, "a size such as 560 or 64 KiB", "64 KiB")]
)
StartVersionList = Version | Annotated[list[Version], Meta(min_length=1, max_length=100)]
VersionCounts = Annotated[
    dict[Version, Annotated[int, Meta(ge=0, le=10_000_000)]],
    Meta(min_length=1, extra_json_schema={"x-wanted": "a mapping with a count for each version"}),
]
ModelCode = Annotated[
    str, _text(r"^[A-Za-z0-9_.\-]{1,32}$", "a manufacturer or model: 1 to 32 letters, digits, - _ and .")
]
Share = Annotated[str, _text(rf"^{SHARE_PATTERN}$", "a share in per cent, such as 50%", "50%")]
Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Tally = Annotated[int, Meta(ge=0, le=10_000_000)]
Wanted = (
    Tally
    | Annotated[
        str,
        _text(
            BOUNDS_PATTERN,
            'a count such as 5, or in quotes ">= 3", "<= 2" or "2-5"',
            ">= 3",
            "<= 2",
            "2-5",
        ),
    ]
)
VarName = Annotated[
    str,
    _text(r"^[A-Za-z_][A-Za-z0-9_\-]{0,39}$", "a variable's name: a letter, then letters, digits, - and _"),
]
VarValue = Annotated[
    str | int | bool | None, Meta(extra_json_schema={"x-wanted": "one text, number, true, false or null"})
]
Percent = (
    Annotated[int, Meta(ge=0, le=100)]
    | Annotated[str, _text(PERCENT_PATTERN, "per cent from 0 to 100, such as 80 or 12.5", "80%")]
)
Rate = (
    Annotated[int, Meta(ge=-36_000, le=36_000)]
    | Annotated[str, _text(RATE_PATTERN, "per cent an hour, up or down, such as -1.5", "-1.5")]
)
SpanRange = Annotated[
    str,
    _text(SPAN_RANGE_PATTERN, "a span of time such as 30s, or a range such as 10s-60s", "30s", "10s-60s"),
]
Offset = Annotated[
    str, _text(OFFSET_PATTERN, "a span of time, forwards or backwards, such as 90s or -2d", "-2d")
]
FaultPlace = (
    Annotated[int, Meta(ge=0, le=2**31)]
    | Annotated[
        str,
        _text(
            f"^({'|'.join(PLACES)})$|{SIZE_PATTERN}",
            f"a place in the job ({', '.join(PLACES)}), or a size such as 10 KiB: once so much of the package is there",
            "install",
            "10 KiB",
        ),
    ]
)
Processes = Annotated[int, Meta(ge=1, le=PROCESSES_MAX)] | Literal["auto"]
Repeats = Annotated[int, Meta(ge=1, le=1_000_000)] | Literal["always"]
FailingStep = Annotated[
    int,
    Meta(
        description="102 space, 103 memory, 104 timeout, 105 battery, 106 signal, 107 unknown while downloading; "
        "202 battery, 203 memory, 204 version mismatch, 205 digest, 206 unknown, 207 retries used up after it",
        extra_json_schema={"enum": [*range(102, 108), *range(202, 208)]},
    ),
]
Need = Literal["auth", "keepalive", "takeover", "durable_ack"]
Flow = Literal["mqtt", "fuse", "studio", "south"]
AnyFlow = Literal["any", "mqtt", "fuse", "studio", "south"]
Call = Literal["any", "version", "check", "state", "download", "status", "inform"]
TaskState = Literal["not_started", "upgrading", "paused", "stopped", "finished"]
Reason = Literal[
    "not_subscribed",
    "arrears",
    "package_unknown",
    "package_not_verified",
    "devices_unusable",
    "devices_busy",
    "licences_insufficient",
    "balance_insufficient",
    "not_refundable",
    "webhook_unverified",
    "idempotency_conflict",
    "conflict",
    "not_found",
    "malformed",
]
Outcome = Literal["created", "done", "refused", "any"]
Source = Literal["purchased", "free", "grandfathered", "none"]

DeviceStage = Annotated[str, _one_of(stage.name.lower() for stage in Stage)]
DeviceLink = Annotated[str, _one_of(link.name.lower() for link in Link)]
Topic = Literal[
    "ota/inform",
    "ota/inform_reply",
    "ota/version",
    "ota/version_reply",
    "ota/status",
    "ota/status_reply",
    "thing/property/post",
    "thing/property/post/reply",
    "dp/post/json",
    "dp/post/json/accepted",
    "dp/post/json/rejected",
    "version",
    "check",
    "token",
    "download",
    "status",
]
JournalKind = Annotated[
    str,
    _one_of(("opened", "subscribed", "posted", "bought", "granted", "charging_date", "bound", "ended")),
]

TallyEach = Wanted | dict[str, Wanted]
AmountEach = Amount | dict[str, Amount]
OutcomeEach = Outcome | dict[str, Outcome]
ReasonEach = Reason | dict[str, Reason]
SourceEach = Source | dict[str, Source]
TaskStateEach = TaskState | dict[str, TaskState]
