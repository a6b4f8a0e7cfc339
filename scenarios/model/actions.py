"""What a step can do, as far as it takes more than one value."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from platform_stub.protocol.operator import Kind
from scenarios.model.base import Written
from scenarios.model.devices import Fault
from scenarios.model.expect import Until
from scenarios.model.start import Fleet
from scenarios.terms import (
    PACKAGE_DEFAULT,
    Amount,
    AnyFlow,
    Call,
    Count,
    DeviceList,
    FailingStep,
    Line,
    ModelCode,
    Moment,
    Percent,
    Share,
    Size,
    Slug,
    Span,
    StartVersionList,
    StepId,
    Version,
    WireSize,
)

VERIFICATION = (
    "skip: the package's verification is skipped on purpose; open: it is left as it stands; "
    "first: this task is the verification, on one device (P15). Default: skip."
)


class Retry(Written, frozen=True, kw_only=True):
    """How often a device may try an update again, and after how long; it is passed on to the device."""

    count: Annotated[int, Meta(ge=1, le=10, description="How often it tries again.")]
    interval: Annotated[Span, Meta(description="How long it waits before, at most 1 day. Default: 60s.")] = (
        "60s"
    )


class CreateTask(Written, frozen=True, kw_only=True, rename={"start_version": "from"}):
    """Create an update task (B11); its package is uploaded when no earlier step has done so."""

    kind: Annotated[Kind, Meta(description="FOTA: the module's firmware; SOTA: the MCU's application.")]
    target: Annotated[Version, Meta(description="The version to update to.")]
    devices: (
        Annotated[DeviceList, Meta(description="The devices; one that is named twice counts once (P6).")]
        | UnsetType
    ) = UNSET
    scope: Annotated[
        Literal["chosen", "all"],
        Meta(
            description="chosen: the devices named; all: every device of the product that is at one of start_versions "
            "and not at the target. Default: chosen."
        ),
    ] = "chosen"
    product: (
        Annotated[
            Slug, Meta(description="With scope all: the product whose devices it is for. Default: main.")
        ]
        | UnsetType
    ) = UNSET
    start_versions: (
        Annotated[
            StartVersionList,
            Meta(description="Versions that devices may come from; never: not reported yet. Default: any."),
        ]
        | UnsetType
    ) = UNSET
    package: Annotated[Size, Meta(description=f"The package's size. Default: {PACKAGE_DEFAULT}.")] = (
        PACKAGE_DEFAULT
    )
    start_version: (
        Annotated[Version, Meta(description="The package is a differential one, from this version.")]
        | UnsetType
    ) = UNSET
    manufacturer: (
        Annotated[ModelCode, Meta(description="The manufacturer that the package is for.")] | UnsetType
    ) = UNSET
    model: Annotated[ModelCode, Meta(description="The model that the package is for.")] | UnsetType = UNSET
    verification: Annotated[Literal["skip", "open", "first"], Meta(description=VERIFICATION)] = "skip"
    start_in: (
        Annotated[Span, Meta(description="It is scheduled: devices are told after this span (P15).")]
        | UnsetType
    ) = UNSET
    start_at: (
        Annotated[Moment, Meta(description="It is scheduled: devices are told at this moment (P15).")]
        | UnsetType
    ) = UNSET
    expires: Annotated[
        Span, Meta(description="How long after its start open jobs fail, from 1 min on. Default: 10 min.")
    ] = "10 min"
    retry: Annotated[Retry, Meta(description="What devices may try again.")] | UnsetType = UNSET
    signal: Annotated[
        int, Meta(ge=0, le=100, description="The least signal to update with. Default: 10.")
    ] = 10
    battery: Annotated[
        int, Meta(ge=0, le=100, description="The least battery to update with, per cent. Default: 50.")
    ] = 50
    notification: Annotated[
        Literal["platform", "webhook"],
        Meta(
            description="Who tells devices of it: the platform, or the account's webhook. Default: platform."
        ),
    ] = "platform"
    key: (
        Annotated[
            Line,
            Meta(
                description="An Idempotency-Key: the same order with the same key again gets the same task (P13)."
            ),
        ]
        | UnsetType
    ) = UNSET


class Upload(Written, frozen=True, kw_only=True, rename={"start_version": "from"}):
    """Upload a package that no task uses yet; a task that agrees in everything about it then has it."""

    kind: Annotated[Kind, Meta(description="FOTA: the module's firmware; SOTA: the MCU's application.")]
    target: Annotated[Version, Meta(description="The version that it updates to.")]
    product: Annotated[Slug, Meta(description="The product that it is for. Default: main.")] | UnsetType = (
        UNSET
    )
    package: Annotated[Size, Meta(description=f"Its size. Default: {PACKAGE_DEFAULT}.")] = PACKAGE_DEFAULT
    start_version: (
        Annotated[Version, Meta(description="It is a differential one, from this version.")] | UnsetType
    ) = UNSET
    manufacturer: Annotated[ModelCode, Meta(description="The manufacturer that it is for.")] | UnsetType = (
        UNSET
    )
    model: Annotated[ModelCode, Meta(description="The model that it is for.")] | UnsetType = UNSET
    skip: Annotated[
        bool, Meta(description="Whether its verification is skipped on purpose (P15). Default: false.")
    ] = False


class OfStep(Written, frozen=True, kw_only=True):
    """An earlier step, by the task that it created."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")]


class MaybeOfStep(Written, frozen=True, kw_only=True):
    """An earlier step, by the task that it created; none: all of them, or the account."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")] | UnsetType = UNSET


class WaitJobs(Written, frozen=True, kw_only=True):
    """Wait until no job of a device that is there is open; what sleepers have, stays."""

    of: (
        Annotated[StepId, Meta(description="The step whose task it is about. Default: all that can run.")]
        | UnsetType
    ) = UNSET
    devices: (
        Annotated[
            DeviceList, Meta(description="The devices that are waited for. Default: all that are there.")
        ]
        | UnsetType
    ) = UNSET


class CancelJobs(Written, frozen=True, kw_only=True):
    """Cancel a task's jobs of some devices."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")]
    devices: Annotated[DeviceList, Meta(description="The devices whose jobs are cancelled.")]


class AutoAdd(Written, frozen=True, kw_only=True, rename={"start_version": "from"}):
    """Let a package take in every later device whose check reports a matching version (P15), or no longer."""

    of: (
        Annotated[StepId, Meta(description="The step whose task has this package; or give kind and target.")]
        | UnsetType
    ) = UNSET
    kind: Annotated[Kind, Meta(description="The kind of a package that no task has used.")] | UnsetType = (
        UNSET
    )
    target: Annotated[Version, Meta(description="The version that it updates to.")] | UnsetType = UNSET
    product: Annotated[Slug, Meta(description="The product that it is for. Default: main.")] | UnsetType = (
        UNSET
    )
    package: Annotated[Size, Meta(description=f"Its size. Default: {PACKAGE_DEFAULT}.")] | UnsetType = UNSET
    start_version: (
        Annotated[Version, Meta(description="It is a differential one, from this version.")] | UnsetType
    ) = UNSET
    start_versions: (
        Annotated[
            StartVersionList,
            Meta(description="Versions that devices may come from; never: not reported yet. Default: any."),
        ]
        | UnsetType
    ) = UNSET
    off: Annotated[bool, Meta(description="Take the policy off. Default: false.")] = False


class SetWebhook(Written, frozen=True, kw_only=True):
    """Name a webhook that new tasks are pushed to; the run receives the pushes itself."""

    passes: Annotated[
        bool, Meta(description="Whether it answers PASSED when it is checked. Default: true.")
    ] = True
    failing: Annotated[
        int, Meta(ge=0, le=100, description="How many pushes it answers with HTTP 503 first. Default: 0.")
    ] = 0
    off: Annotated[bool, Meta(description="Take the webhook off. Default: false.")] = False


class Inject(Written, frozen=True, kw_only=True):
    """Let the stub itself go wrong towards devices, until clear_injected."""

    call: Annotated[Call, Meta(description="The call that goes wrong. Default: any.")] = "any"
    flow: Annotated[AnyFlow, Meta(description="What the devices speak. Default: any.")] = "any"
    devices: Annotated[DeviceList, Meta(description="The devices. Default: all.")] | UnsetType = UNSET
    share: (
        Annotated[Share, Meta(description="The share of them that it strikes, drawn by the seed.")]
        | UnsetType
    ) = UNSET
    times: (
        Annotated[
            int,
            Meta(
                ge=1, le=1_000_000, description="How many calls of a device it strikes. Default: every one."
            ),
        ]
        | UnsetType
    ) = UNSET
    delay: Annotated[Span, Meta(description="Answer late, at most 10 min.")] | UnsetType = UNSET
    status: Annotated[int, Meta(ge=400, le=599, description="Answer with this HTTP status.")] | UnsetType = (
        UNSET
    )
    code: (
        Annotated[
            int,
            Meta(
                ge=0, le=99_999, description="Answer with this errno or code; a download with this Ota-Errno."
            ),
        ]
        | UnsetType
    ) = UNSET
    cut_at: (
        Annotated[WireSize, Meta(description="End the connection after so much of a download.")] | UnsetType
    ) = UNSET
    wrong_md5: Annotated[bool, Meta(description="Tell a wrong MD5 of the package. Default: false.")] = False
    silent: Annotated[bool, Meta(description="Don't answer at all. Default: false.")] = False


class ClearInjected(Written, frozen=True, kw_only=True):
    """Let the stub go right again."""

    by: (
        Annotated[StepId, Meta(description="The step that injected the fault. Default: all of them.")]
        | UnsetType
    ) = UNSET


class Fail(Written, frozen=True, kw_only=True):
    """Make the next jobs of some devices really fail."""

    devices: Annotated[DeviceList, Meta(description="The devices that fail.")]
    step: Annotated[FailingStep, Meta(description="The step they fail with.")] = 206
    times: Annotated[int, Meta(ge=1, le=1_000, description="How many jobs fail. Default: 1.")] = 1


class SetFault(Fault, frozen=True, kw_only=True):
    """Let something go wrong with some devices from now on, beside what does already."""

    devices: Annotated[DeviceList, Meta(description="The devices with which it goes wrong.")]


class ClearFaults(Written, frozen=True, kw_only=True):
    """Let devices go right again: take one fault off, or all of some devices, or all."""

    by: (
        Annotated[StepId, Meta(description="The step that set the fault. Default: every fault.")] | UnsetType
    ) = UNSET
    devices: (
        Annotated[DeviceList, Meta(description="The devices that have no fault any more.")] | UnsetType
    ) = UNSET


class SetDevices(Written, frozen=True, kw_only=True):
    """Change what devices are, from now on; what is left out stays."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    battery: Annotated[Percent, Meta(description="Their battery, per cent.")] | UnsetType = UNSET
    signal: Annotated[Percent, Meta(description="Their signal, per cent.")] | UnsetType = UNSET
    storage: Annotated[WireSize, Meta(description="Free for a package in the module.")] | UnsetType = UNSET
    mcu_storage: (
        Annotated[WireSize, Meta(description="Free for an MCU application behind it.")] | UnsetType
    ) = UNSET


class PowerOff(Written, frozen=True, kw_only=True, rename={"span": "for"}):
    """Take the power from devices, whatever they are at."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    span: (
        Annotated[
            Span, Meta(description="After how long of the device's time they have it again. Default: never.")
        ]
        | UnsetType
    ) = UNSET


class RenewKeys(Written, frozen=True, kw_only=True):
    """Give devices new keys at the platform."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    told: Annotated[
        bool,
        Meta(
            description="Whether the devices get them too; else they go on signing with the old. Default: true."
        ),
    ] = True


class WaitUntil(Written, frozen=True, kw_only=True):
    """Look again and again until all of it is so, as long as the step's wait."""

    until: Annotated[Until, Meta(description="What must be so.")]
    of: (
        Annotated[
            StepId,
            Meta(
                description="The step whose task jobs and task_state are about. Default: jobs of all tasks."
            ),
        ]
        | UnsetType
    ) = UNSET
    advance: (
        Annotated[
            Span,
            Meta(
                description="How far the clock may move meanwhile, from one thing that devices or tasks wait for to "
                "the next. Default: it stands still."
            ),
        ]
        | UnsetType
    ) = UNSET


class Register(Fleet, frozen=True, kw_only=True):
    """Register more devices, as a fleet of their own, while the scenario is on."""

    fleet: Annotated[Slug, Meta(description="The name of the fleet that they make up.")]


class OnDevices(Written, frozen=True, kw_only=True):
    """Some devices."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]


class CreateAgain(Written, frozen=True, kw_only=True):
    """Register new devices under the names of terminated ones; each gets a new device ID (P12)."""

    devices: Annotated[DeviceList, Meta(description="The terminated devices whose names are used again.")]
    group: Annotated[Slug, Meta(description="The name of the group that the new devices make up.")]


class Move(Written, frozen=True, kw_only=True):
    """Move devices to another product of the account; device ID and entitlement stay (P12)."""

    devices: Annotated[DeviceList, Meta(description="The devices to move.")]
    to: Annotated[Slug, Meta(description="The product they move to.")]


class Grant(Written, frozen=True, kw_only=True):
    """Enter licences bought offline under a contract (B4)."""

    count: Annotated[Count, Meta(description="How many licences.")]
    contract: Annotated[Line, Meta(description="The contract's number.")] = "contract"


class Posting(Written, frozen=True, kw_only=True):
    """Move money: positive in, negative out."""

    amount: Annotated[Amount, Meta(description="The amount.")]
    reason: Annotated[Line, Meta(description="What for.")] = "posting"
