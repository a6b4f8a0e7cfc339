"""What must come back of a step."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from scenarios.model.base import Written
from scenarios.terms import (
    AmountEach,
    DeviceLink,
    DeviceList,
    DeviceStage,
    JournalKind,
    OutcomeEach,
    ReasonEach,
    Slug,
    SourceEach,
    StepId,
    TallyEach,
    TaskStateEach,
    Topic,
    Version,
    VersionCounts,
    Wanted,
)


class ExpectJobs(Written, frozen=True, kw_only=True):
    """How many jobs of the task stand where, once they have ended (or were waited for)."""

    pending: TallyEach | UnsetType = UNSET
    downloading: TallyEach | UnsetType = UNSET
    upgrading: TallyEach | UnsetType = UNSET
    success: TallyEach | UnsetType = UNSET
    failed: TallyEach | UnsetType = UNSET
    cancelled: TallyEach | UnsetType = UNSET


class ExpectVersions(Written, frozen=True, kw_only=True):
    """Versions that the platform knows of devices."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    f_version: Annotated[Version, Meta(description="The firmware that each of them has.")] | UnsetType = UNSET
    s_version: (
        Annotated[Version, Meta(description="The MCU application that each of them has.")] | UnsetType
    ) = UNSET


class ExpectEntitlements(Written, frozen=True, kw_only=True):
    """Entitlements that devices have."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    source: Annotated[SourceEach, Meta(description="What gave it; none: they have none.")] | UnsetType = UNSET
    valid: (
        Annotated[bool, Meta(description="Whether it is in force; not after a termination (B10).")]
        | UnsetType
    ) = UNSET
    support: Annotated[bool, Meta(description="Whether they get after-sales support (B17).")] | UnsetType = (
        UNSET
    )


class ExpectNotices(Written, frozen=True, kw_only=True):
    """Notices of the charging date that were sent so far (B1)."""

    phone: TallyEach | UnsetType = UNSET
    sms: TallyEach | UnsetType = UNSET
    email: TallyEach | UnsetType = UNSET


class ExpectDistribution(Written, frozen=True, kw_only=True):
    """How many living devices of a product have which version: all versions that there are, and no other."""

    product: Annotated[Slug, Meta(description="The product. Default: main.")] = "main"
    f_versions: (
        Annotated[VersionCounts, Meta(description="Devices by firmware; never: they have reported none.")]
        | UnsetType
    ) = UNSET
    s_versions: (
        Annotated[
            VersionCounts, Meta(description="Devices by MCU application; never: they have reported none.")
        ]
        | UnsetType
    ) = UNSET


class ExpectDeliveries(Written, frozen=True, kw_only=True):
    """Pushes of tasks to the webhook by how they stand, as the platform's delivery log says."""

    pending: TallyEach | UnsetType = UNSET
    delivered: TallyEach | UnsetType = UNSET
    failed: TallyEach | UnsetType = UNSET


class ExpectRunning(Written, frozen=True, kw_only=True):
    """What devices really run and where they are, as they themselves know."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    f_version: Annotated[Version, Meta(description="The firmware they run.")] | UnsetType = UNSET
    s_version: Annotated[Version, Meta(description="The MCU application they run.")] | UnsetType = UNSET
    stage: Annotated[DeviceStage, Meta(description="Where their job stands; idle: none.")] | UnsetType = UNSET
    link: Annotated[DeviceLink, Meta(description="Where their connection stands.")] | UnsetType = UNSET
    failed_step: (
        Annotated[
            int, Meta(ge=0, le=999, description="The step that their last job failed with; 0: it did not.")
        ]
        | UnsetType
    ) = UNSET
    count: Annotated[Wanted, Meta(description="How many of them are so. Default: all.")] | UnsetType = UNSET


class ExpectMessages(Written, frozen=True, kw_only=True):
    """How many messages devices have sent or received during the step."""

    devices: Annotated[DeviceList, Meta(description="The devices. Default: all.")] | UnsetType = UNSET
    sent: (
        Annotated[Topic, Meta(description="What they sent: the end of an MQTT topic, or a call over HTTP.")]
        | UnsetType
    ) = UNSET
    received: (
        Annotated[
            Topic, Meta(description="What they received: the end of an MQTT topic, or a call's answer.")
        ]
        | UnsetType
    ) = UNSET
    step: (
        Annotated[int, Meta(ge=0, le=999, description="Only reports of this step. Default: any.")] | UnsetType
    ) = UNSET
    count: Annotated[Wanted, Meta(description="How many.")]
    each: Annotated[
        bool, Meta(description="true: of each device; false: of all of them together. Default: false.")
    ] = False


class ExpectPushes(Written, frozen=True, kw_only=True):
    """Pushes of a step's task that the webhook has received."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")]
    count: Annotated[Wanted, Meta(description="How many; waited for.")]


JournalCounts = Annotated[
    dict[JournalKind, Wanted],
    Meta(min_length=1, extra_json_schema={"x-wanted": "a mapping with a count for each kind of line"}),
]


class Until(Written, frozen=True, kw_only=True):
    """What may be so at any time; a count may be given per variant, as in `{F: 0, P: 100}`."""

    left: Annotated[TallyEach, Meta(description="Licences left after the step.")] | UnsetType = UNSET
    purchased_left: Annotated[TallyEach, Meta(description="... of them purchased ones.")] | UnsetType = UNSET
    free_left: Annotated[TallyEach, Meta(description="... of them free ones.")] | UnsetType = UNSET
    balance: Annotated[AmountEach, Meta(description="The account's balance after the step.")] | UnsetType = (
        UNSET
    )
    fee: Annotated[AmountEach, Meta(description="Paid for licences bought online so far.")] | UnsetType = (
        UNSET
    )
    jobs: Annotated[ExpectJobs, Meta(description="Jobs of the task by state.")] | UnsetType = UNSET
    versions: (
        Annotated[list[ExpectVersions], Meta(min_length=1, description="Versions of devices.")] | UnsetType
    ) = UNSET
    entitlements: (
        Annotated[list[ExpectEntitlements], Meta(min_length=1, description="Entitlements of devices.")]
        | UnsetType
    ) = UNSET
    notices: Annotated[ExpectNotices, Meta(description="Notices sent so far, by channel.")] | UnsetType = (
        UNSET
    )
    task_state: (
        Annotated[
            TaskStateEach,
            Meta(description="not_started, upgrading, paused, stopped (cancelled) or finished."),
        ]
        | UnsetType
    ) = UNSET
    auto_added: (
        Annotated[
            ExpectJobs,
            Meta(description="All jobs that auto-add policies have created so far, by state (P15)."),
        ]
        | UnsetType
    ) = UNSET
    distribution: (
        Annotated[
            list[ExpectDistribution], Meta(min_length=1, description="Versions of a product's devices.")
        ]
        | UnsetType
    ) = UNSET
    deliveries: (
        Annotated[ExpectDeliveries, Meta(description="Pushes to the webhook, by how they stand; waited for.")]
        | UnsetType
    ) = UNSET
    pushes: (
        Annotated[
            TallyEach, Meta(description="Pushes that the webhook has received, accepted or not; waited for.")
        ]
        | UnsetType
    ) = UNSET
    struck: (
        Annotated[
            dict[StepId, Wanted],
            Meta(
                description="How often an injected fault has struck, by the step that injected it.",
                extra_json_schema={"x-wanted": "a mapping with a count for each step that injected a fault"},
            ),
        ]
        | UnsetType
    ) = UNSET
    running: (
        Annotated[
            list[ExpectRunning],
            Meta(min_length=1, description="What devices really run, and where they are."),
        ]
        | UnsetType
    ) = UNSET
    messages: (
        Annotated[
            list[ExpectMessages], Meta(min_length=1, description="Messages of devices during the step.")
        ]
        | UnsetType
    ) = UNSET
    pushed: (
        Annotated[list[ExpectPushes], Meta(min_length=1, description="Pushes to the webhook, by task.")]
        | UnsetType
    ) = UNSET
    journal: (
        Annotated[
            JournalCounts, Meta(description="Lines that the step added to the account's journal, by kind.")
        ]
        | UnsetType
    ) = UNSET


class Never(Until, frozen=True, kw_only=True):
    """What must not be so: each field by itself, and of devices not a single one, unless it says how many."""

    of: (
        Annotated[
            StepId,
            Meta(
                description="The step whose task jobs and task_state are about. Default: jobs of all tasks."
            ),
        ]
        | UnsetType
    ) = UNSET


class Expect(Until, frozen=True, kw_only=True):
    """What must come back; a count may be given per variant, as in `{F: 0, P: 100}`."""

    outcome: (
        Annotated[
            OutcomeEach,
            Meta(
                description="created, done or refused; any: one of these. Left out: anything but a refusal."
            ),
        ]
        | UnsetType
    ) = UNSET
    reason: Annotated[ReasonEach, Meta(description="Why it is refused; P16 gives the order.")] | UnsetType = (
        UNSET
    )
    needed: Annotated[TallyEach, Meta(description="Devices of the task without a licence.")] | UnsetType = (
        UNSET
    )
    available: Annotated[TallyEach, Meta(description="Licences the account had left for it.")] | UnsetType = (
        UNSET
    )
    missing: Annotated[TallyEach, Meta(description="Licences that a refused task lacks.")] | UnsetType = UNSET
    deducted: Annotated[TallyEach, Meta(description="Licences that the step deducted.")] | UnsetType = UNSET
    deducted_purchased: Annotated[TallyEach, Meta(description="... of them purchased ones.")] | UnsetType = (
        UNSET
    )
    deducted_free: Annotated[TallyEach, Meta(description="... of them free ones.")] | UnsetType = UNSET
    grandfathered: (
        Annotated[TallyEach, Meta(description="Devices that the step made free for life.")] | UnsetType
    ) = UNSET
    cards: (
        Annotated[TallyEach, Meta(description="Devices whose new card the platform knows.")] | UnsetType
    ) = UNSET
    never: (
        Annotated[list[Never], Meta(min_length=1, description="What must not be so, any of it.")] | UnsetType
    ) = UNSET
