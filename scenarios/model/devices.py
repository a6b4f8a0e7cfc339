"""What devices are besides their software, and what goes wrong with them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from device_sim.core.faults import What
from scenarios.model.base import Written
from scenarios.terms import (
    FaultPlace,
    Offset,
    Percent,
    Rate,
    Repeats,
    Span,
    SpanRange,
    Version,
    WireSize,
)


class Level(Written, frozen=True, kw_only=True):
    """A level in per cent that changes with the device's time; it never leaves 0 to 100."""

    start: Annotated[Percent, Meta(description="Where it begins. Default: 100.")] = 100
    per_hour: Annotated[
        Rate, Meta(description="How much it rises in an hour, or falls, as with -1.5. Default: 0.")
    ] = 0
    swing: Annotated[
        Percent, Meta(description="How far it goes up and down besides, once a period. Default: 0.")
    ] = 0
    period: Annotated[
        Span,
        Meta(description="The period of its swing; where in it a device begins, the seed says. Default: 1d."),
    ] = "1d"


class Hardware(Written, frozen=True, kw_only=True):
    """What a device is besides its software; left out means that there is enough of it."""

    storage: (
        Annotated[WireSize, Meta(description="Free for a package in the module; too little is 102.")]
        | UnsetType
    ) = UNSET
    mcu_storage: (
        Annotated[WireSize, Meta(description="Free for an MCU application behind it; too little is 102.")]
        | UnsetType
    ) = UNSET
    battery: (
        Annotated[
            Percent | Level,
            Meta(
                description="Its battery, per cent; too low for the task is 105 in the download, 202 after it."
            ),
        ]
        | UnsetType
    ) = UNSET
    signal: (
        Annotated[
            Percent | Level,
            Meta(description="Its signal, per cent; too low for the task is 106 in the download."),
        ]
        | UnsetType
    ) = UNSET
    battery_min: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="The battery it wants for an update, unless the task wants more. Default: 0.",
        ),
    ] = 0
    signal_min: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="The signal it wants for an update, unless the task wants more. Default: 0.",
        ),
    ] = 0
    install: (
        Annotated[SpanRange, Meta(description="How long an install takes, such as 30s or 10s-60s.")]
        | UnsetType
    ) = UNSET
    reboot: (
        Annotated[SpanRange, Meta(description="How long a reboot takes, such as 5s or 5s-20s.")] | UnsetType
    ) = UNSET
    boots: Annotated[
        int,
        Meta(
            ge=1, le=100, description="Boots of new firmware that may fail before it rolls back. Default: 3."
        ),
    ] = 3
    flush: Annotated[
        WireSize,
        Meta(
            description="A download survives a loss of power in steps of so much; 0: nothing of it does. "
            "Default: 16 KiB."
        ),
    ] = "16 KiB"


class Fault(Written, frozen=True, kw_only=True, rename={"span": "for", "offset": "by"}):
    """Something that goes wrong with a device: what, where in a job, how often, and in which of its jobs."""

    what: Annotated[What, Meta(description="What goes wrong.")]
    at: (
        Annotated[
            FaultPlace,
            Meta(
                description="Where in the job, or after how much of the package; of cut, hang and power_loss."
            ),
        ]
        | UnsetType
    ) = UNSET
    at_byte: (
        Annotated[WireSize, Meta(description="The same as at with a size, beside at: download.")] | UnsetType
    ) = UNSET
    times: Annotated[
        Repeats, Meta(description="How often it strikes, in each job if it is about jobs. Default: 1.")
    ] = 1
    attempts: (
        Annotated[Repeats, Meta(description="In how many jobs of a device it strikes. Default: 1.")]
        | UnsetType
    ) = UNSET
    after: (
        Annotated[
            int, Meta(ge=0, le=1_000_000, description="How many jobs of a device go well before. Default: 0.")
        ]
        | UnsetType
    ) = UNSET
    update: (
        Annotated[Literal["FOTA", "SOTA"], Meta(description="Only jobs of this kind. Default: both.")]
        | UnsetType
    ) = UNSET
    rate: Annotated[WireSize, Meta(description="The most it downloads in a second; of slow.")] | UnsetType = (
        UNSET
    )
    step: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=999,
                description="The step it fails with (of fails: 102-107, 202-207), or the reports that are meant.",
            ),
        ]
        | UnsetType
    ) = UNSET
    version: (
        Annotated[Version, Meta(description="The version it runs after the install; of wrong_version.")]
        | UnsetType
    ) = UNSET
    span: (
        Annotated[
            Span,
            Meta(
                description="How long it hangs or is without power, how late a report is, or how often it drops."
            ),
        ]
        | UnsetType
    ) = UNSET
    offset: (
        Annotated[Offset, Meta(description="How far off its clock is, such as -2d; of clock_skew.")]
        | UnsetType
    ) = UNSET
    boots: (
        Annotated[int, Meta(ge=1, le=100, description="How many boots fail; of boot_fails. Default: all.")]
        | UnsetType
    ) = UNSET
