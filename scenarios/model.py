"""What an author writes, as structs: the scenario language, version 1.

Amounts, spans, moments and selections are still text here, and an expectation may be given per variant;
`scenarios.play` is what becomes of it. The JSON Schema for editors and for the loader is made from these definitions,
so each field has its meaning here. What spans several fields (an undefined group, say) is judged by
`scenarios.loader.meaning`.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from platform_stub.protocol.messages import CardNumber
from platform_stub.protocol.operator import Key, Kind, ProductKey
from scenarios.terms import (
    DEVICES_MAX,
    PACKAGE_DEFAULT,
    Amount,
    AmountEach,
    Count,
    DeviceList,
    DeviceName,
    FailingStep,
    Limit,
    Line,
    Moment,
    Need,
    OutcomeEach,
    ReasonEach,
    RuleId,
    Size,
    Slug,
    SourceEach,
    Span,
    StepId,
    Tally,
    TallyEach,
    Version,
)


class _Written(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an author writes: every field is known, and none is written twice."""


class Policy(_Written, frozen=True, kw_only=True):
    """What the charging rules leave open, and the price; left out means as it is by default."""

    price_fen: (
        Annotated[Tally, Meta(description="The price of a licence in fen. Default: 100.")] | UnsetType
    ) = UNSET
    free_devices: (
        Annotated[Tally, Meta(description="Devices that subscribing makes free (B5). Default: 100.")]
        | UnsetType
    ) = UNSET
    charging_date: (
        Annotated[
            Moment | None, Meta(description="The rules charge from this moment on; null: not yet (B1, P4).")
        ]
        | UnsetType
    ) = UNSET
    deduction_order: (
        Annotated[
            Literal["purchased_first", "free_first"],
            Meta(description="Which licences go first (P1). Default: purchased_first."),
        ]
        | UnsetType
    ) = UNSET
    grandfathered_when: (
        Annotated[
            Literal["job_created", "update_succeeded"],
            Meta(description="What makes a device free for life before the date (P3). Default: job_created."),
        ]
        | UnsetType
    ) = UNSET
    arrears_hold: (
        Annotated[
            Literal["pending", "creation"],
            Meta(description="What arrears hold back (P10). Default: pending."),
        ]
        | UnsetType
    ) = UNSET


class Account(_Written, frozen=True, kw_only=True):
    """How the account stands before the first step; done in the order of these fields."""

    subscribe: (
        Annotated[bool, Meta(description="Subscribe to the OTA service (B5). Default: true.")] | UnsetType
    ) = UNSET
    top_up: Annotated[Amount, Meta(description="Money paid in.")] | UnsetType = UNSET
    buy: Annotated[Tally, Meta(description="Licences bought online; the balance pays (B4).")] | UnsetType = (
        UNSET
    )
    grant: Annotated[Tally, Meta(description="Licences bought under a contract (B4).")] | UnsetType = UNSET
    post: (
        Annotated[Amount, Meta(description="Another posting, such as -1 yuan to be in arrears.")] | UnsetType
    ) = UNSET


class Variant(_Written, frozen=True, kw_only=True):
    """One way to play the scenario: what differs in policy and account."""

    title: Annotated[Line, Meta(description="What this variant is about.")] = ""
    policy: Annotated[Policy, Meta(description="Fields that differ from the scenario's policy.")] = Policy()
    account: Annotated[Account, Meta(description="Fields that differ from the scenario's account.")] = (
        Account()
    )


class Product(_Written, frozen=True, kw_only=True):
    """A product of the account."""

    id: (
        Annotated[ProductKey, Meta(description="Its id at the platform; made up when left out.")] | UnsetType
    ) = UNSET
    title: Annotated[Line, Meta(description="Its name at the platform.")] = ""


class Fleet(_Written, frozen=True, kw_only=True):
    """Devices, by number or from a file; they are counted from 1 in the order they are registered."""

    count: (
        Annotated[
            int, Meta(ge=1, le=DEVICES_MAX, description="How many devices; they are named after the fleet.")
        ]
        | UnsetType
    ) = UNSET
    file: (
        Annotated[
            Line,
            Meta(
                description="A CSV file with a header row, beside the scenario: name, and if wanted key, iccid, imsi, "
                "f_version, s_version."
            ),
        ]
        | UnsetType
    ) = UNSET
    product: Annotated[Slug, Meta(description="The product they belong to. Default: main.")] = "main"
    f_version: Annotated[Version, Meta(description="Firmware they run at the start. Default: 1.0.")] = "1.0"
    s_version: Annotated[
        Version, Meta(description="MCU application they run at the start. Default: 1.0.")
    ] = "1.0"
    connect: Annotated[
        bool,
        Meta(
            description="Whether they are there over MQTT and really update; else jobs stay pending. Default: true."
        ),
    ] = True


class CreateTask(_Written, frozen=True, kw_only=True):
    """Create an update task (B11)."""

    kind: Annotated[Kind, Meta(description="FOTA: the module's firmware; SOTA: the MCU's application.")]
    target: Annotated[Version, Meta(description="The version to update to.")]
    devices: Annotated[DeviceList, Meta(description="The devices; one that is named twice counts once (P6).")]
    package: Annotated[Size, Meta(description=f"The package's size. Default: {PACKAGE_DEFAULT}.")] = (
        PACKAGE_DEFAULT
    )
    verification: Annotated[
        Literal["skip", "open", "first"],
        Meta(
            description="skip: the package's verification is skipped on purpose; open: it is left as it stands; "
            "first: this task is the verification, on one device (P15). Default: skip."
        ),
    ] = "skip"


class OfStep(_Written, frozen=True, kw_only=True):
    """An earlier step, by the task that it created."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")]


class MaybeOfStep(_Written, frozen=True, kw_only=True):
    """An earlier step, by the task that it created; none: all of them, or the account."""

    of: Annotated[StepId, Meta(description="The id of a step that created a task.")] | UnsetType = UNSET


class Fail(_Written, frozen=True, kw_only=True):
    """Make the next jobs of some devices really fail."""

    devices: Annotated[DeviceList, Meta(description="The devices that fail.")]
    step: Annotated[FailingStep, Meta(description="The step they fail with.")] = 206
    times: Annotated[int, Meta(ge=1, le=1_000, description="How many jobs fail. Default: 1.")] = 1


class OnDevices(_Written, frozen=True, kw_only=True):
    """Some devices."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]


class CreateAgain(_Written, frozen=True, kw_only=True):
    """Register new devices under the names of terminated ones; each gets a new device ID (P12)."""

    devices: Annotated[DeviceList, Meta(description="The terminated devices whose names are used again.")]
    group: Annotated[Slug, Meta(description="The name of the group that the new devices make up.")]


class Move(_Written, frozen=True, kw_only=True):
    """Move devices to another product of the account; device ID and entitlement stay (P12)."""

    devices: Annotated[DeviceList, Meta(description="The devices to move.")]
    to: Annotated[Slug, Meta(description="The product they move to.")]


class Grant(_Written, frozen=True, kw_only=True):
    """Enter licences bought offline under a contract (B4)."""

    count: Annotated[Count, Meta(description="How many licences.")]
    contract: Annotated[Line, Meta(description="The contract's number.")] = "contract"


class Posting(_Written, frozen=True, kw_only=True):
    """Move money: positive in, negative out."""

    amount: Annotated[Amount, Meta(description="The amount.")]
    reason: Annotated[Line, Meta(description="What for.")] = "posting"


class ExpectJobs(_Written, frozen=True, kw_only=True):
    """How many jobs of the task stand where, once they have ended (or were waited for)."""

    pending: TallyEach | UnsetType = UNSET
    downloading: TallyEach | UnsetType = UNSET
    upgrading: TallyEach | UnsetType = UNSET
    success: TallyEach | UnsetType = UNSET
    failed: TallyEach | UnsetType = UNSET
    cancelled: TallyEach | UnsetType = UNSET


class ExpectVersions(_Written, frozen=True, kw_only=True):
    """Versions that the platform knows of devices."""

    devices: Annotated[DeviceList, Meta(description="The devices.")]
    f_version: Annotated[Version, Meta(description="The firmware that each of them has.")] | UnsetType = UNSET
    s_version: (
        Annotated[Version, Meta(description="The MCU application that each of them has.")] | UnsetType
    ) = UNSET


class ExpectEntitlements(_Written, frozen=True, kw_only=True):
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


class ExpectNotices(_Written, frozen=True, kw_only=True):
    """Notices of the charging date that were sent so far (B1)."""

    phone: TallyEach | UnsetType = UNSET
    sms: TallyEach | UnsetType = UNSET
    email: TallyEach | UnsetType = UNSET


class Expect(_Written, frozen=True, kw_only=True):
    """What must come back; a count may be given per variant, as in `{F: 0, P: 100}`."""

    outcome: (
        Annotated[
            OutcomeEach, Meta(description="created, done or refused. Left out: anything but a refusal.")
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
    cards: (
        Annotated[TallyEach, Meta(description="Devices whose new card the platform knows.")] | UnsetType
    ) = UNSET
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


class Step(_Written, frozen=True, kw_only=True):
    """One thing that is done, and what must come back: an id, exactly one action, and expectations."""

    id: StepId
    title: Annotated[Line, Meta(description="What the step shows; on one line of the report.")] = ""
    create_task: CreateTask | UnsetType = UNSET
    retry_task: (
        Annotated[OfStep, Meta(description="A new task for the failed devices of a task.")] | UnsetType
    ) = UNSET
    cancel_task: Annotated[OfStep, Meta(description="Cancel a task's open jobs (P9).")] | UnsetType = UNSET
    fail: Fail | UnsetType = UNSET
    wait_jobs: Annotated[MaybeOfStep, Meta(description="Wait until no job is open.")] | UnsetType = UNSET
    replace_cards: Annotated[OnDevices, Meta(description="Put new cards in devices (B9).")] | UnsetType = (
        UNSET
    )
    terminate: Annotated[OnDevices, Meta(description="Terminate devices (B10).")] | UnsetType = UNSET
    create_again: CreateAgain | UnsetType = UNSET
    move: Move | UnsetType = UNSET
    buy: Annotated[Count, Meta(description="Buy licences online (B4).")] | UnsetType = UNSET
    grant: Grant | UnsetType = UNSET
    cancel_licences: Annotated[Count, Meta(description="Ask for money back; refused (B15).")] | UnsetType = (
        UNSET
    )
    top_up: Annotated[Amount, Meta(description="Pay money in.")] | UnsetType = UNSET
    post: Posting | UnsetType = UNSET
    subscribe: (
        Annotated[Literal[True], Meta(description="Subscribe to the OTA service (B5).")] | UnsetType
    ) = UNSET
    charging_date: (
        Annotated[
            Moment | None, Meta(description="Announce, move or take off (null) the charging date (B1, P5).")
        ]
        | UnsetType
    ) = UNSET
    advance: Annotated[Span, Meta(description="Move the account's clock forward by a span.")] | UnsetType = (
        UNSET
    )
    advance_to: (
        Annotated[Moment, Meta(description="Move the account's clock forward to a moment.")] | UnsetType
    ) = UNSET
    check: Annotated[MaybeOfStep, Meta(description="Do nothing, and look.")] | UnsetType = UNSET
    wait: (
        Annotated[
            Limit,
            Meta(
                description="How long its jobs may take before the next step, such as 90s; none: don't wait for them. "
                "Default: the scenario's wait."
            ),
        ]
        | UnsetType
    ) = UNSET
    expect: Expect = Expect()


class Scenario(_Written, frozen=True, kw_only=True):
    """A scenario for ota-sim: an account, its devices, what is done, and what must be true."""

    version: Annotated[Literal[1], Meta(description="The version of this language.")]
    name: Annotated[Slug, Meta(description="A short name; it heads the report.")]
    title: Annotated[Line, Meta(description="What the scenario shows.")] = ""
    covers: Annotated[list[RuleId], Meta(description="Rules and examples that it shows.")] = []
    needs: Annotated[
        list[Need], Meta(description="What the broker must be able to do; one that can't skips the scenario.")
    ] = []
    seed: Annotated[
        int, Meta(ge=0, le=2**53, description="Start jitter and card numbers follow from it.")
    ] = 1
    clock: (
        Annotated[
            Moment, Meta(description="What the account's clock shows at the start. Default: real time.")
        ]
        | UnsetType
    ) = UNSET
    wait: Annotated[Span, Meta(description="How long a step's jobs may take. Default: 60s.")] = "60s"
    policy: Policy = Policy()
    account: Account = Account()
    variants: Annotated[
        dict[Slug, Variant], Meta(description="The scenario is played once for each variant; none: once.")
    ] = {}
    products: Annotated[dict[Slug, Product], Meta(description="Products by name. Default: one, main.")] = {}
    fleets: Annotated[dict[Slug, Fleet], Meta(description="Devices by the name of their fleet.")] = {}
    groups: Annotated[
        dict[Slug, DeviceList], Meta(description="Names for selections; each is looked up when it is used.")
    ] = {}
    steps: Annotated[list[Step], Meta(min_length=1, description="What is done, in this order.")]


class CsvDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a fleet's CSV file; one without a version takes the fleet's."""

    name: DeviceName
    key: (
        Annotated[
            Key,
            Meta(
                extra_json_schema={"x-wanted": "an access key: base64, 4 to 128 characters", "x-secret": True}
            ),
        ]
        | UnsetType
    ) = UNSET
    iccid: CardNumber | UnsetType = UNSET
    imsi: CardNumber | UnsetType = UNSET
    f_version: Version | UnsetType = UNSET
    s_version: Version | UnsetType = UNSET


ACTIONS: Final = (
    "create_task",
    "retry_task",
    "cancel_task",
    "fail",
    "wait_jobs",
    "replace_cards",
    "terminate",
    "create_again",
    "move",
    "buy",
    "grant",
    "cancel_licences",
    "top_up",
    "post",
    "subscribe",
    "charging_date",
    "advance",
    "advance_to",
    "check",
)
"""The fields of a step that are actions; a step has exactly one."""
CREATING: Final = ("create_task", "retry_task")
"""The actions that create a task."""
COUNTS: Final = (
    "needed",
    "available",
    "missing",
    "deducted",
    "deducted_purchased",
    "deducted_free",
    "grandfathered",
    "left",
    "purchased_left",
    "free_left",
    "cards",
)
"""The expectations that are one count."""
