"""A scenario and its steps."""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType, field

from scenarios.model.actions import (
    AutoAdd,
    CancelJobs,
    ClearFaults,
    ClearInjected,
    CreateAgain,
    CreateTask,
    Fail,
    Grant,
    Inject,
    MaybeOfStep,
    Move,
    OfStep,
    OnDevices,
    Posting,
    PowerOff,
    Register,
    RenewKeys,
    SetDevices,
    SetFault,
    SetWebhook,
    Upload,
    WaitJobs,
    WaitUntil,
)
from scenarios.model.base import Written
from scenarios.model.expect import Expect, Never
from scenarios.model.start import Account, Fleet, Policy, Product, Variant
from scenarios.terms import (
    Amount,
    Count,
    DeviceList,
    Limit,
    Line,
    Moment,
    Need,
    Processes,
    RuleId,
    Slug,
    Span,
    StepId,
    VarName,
    VarValue,
)


class Step(Written, frozen=True, kw_only=True):
    """One thing that is done, and what must come back: an id, exactly one action, and expectations."""

    id: StepId
    title: Annotated[Line, Meta(description="What the step shows; on one line of the report.")] = ""
    create_task: CreateTask | UnsetType = UNSET
    retry_task: (
        Annotated[OfStep, Meta(description="A new task for the failed devices of a task.")] | UnsetType
    ) = UNSET
    cancel_task: Annotated[OfStep, Meta(description="Cancel a task's open jobs (P9).")] | UnsetType = UNSET
    pause_task: (
        Annotated[OfStep, Meta(description="Hold a task back: devices don't begin with it any more.")]
        | UnsetType
    ) = UNSET
    resume_task: Annotated[OfStep, Meta(description="Let a paused task go on.")] | UnsetType = UNSET
    cancel_jobs: CancelJobs | UnsetType = UNSET
    auto_add: AutoAdd | UnsetType = UNSET
    set_webhook: SetWebhook | UnsetType = UNSET
    inject: Inject | UnsetType = UNSET
    clear_injected: ClearInjected | UnsetType = UNSET
    fail: Fail | UnsetType = UNSET
    wait_jobs: WaitJobs | UnsetType = UNSET
    reconnect: (
        Annotated[
            OnDevices, Meta(description="Let devices go off and come back; they report their versions again.")
        ]
        | UnsetType
    ) = UNSET
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
    upload: Upload | UnsetType = UNSET
    register: Register | UnsetType = UNSET
    fault: SetFault | UnsetType = UNSET
    clear_faults: ClearFaults | UnsetType = UNSET
    set_devices: SetDevices | UnsetType = UNSET
    power_off: PowerOff | UnsetType = UNSET
    power_on: Annotated[OnDevices, Meta(description="Give devices their power back.")] | UnsetType = UNSET
    storm: (
        Annotated[OnDevices, Meta(description="Cut the connections of devices; all come back at once.")]
        | UnsetType
    ) = UNSET
    swap_cards: (
        Annotated[
            OnDevices,
            Meta(
                description="Let devices swap their cards: the first with the second, the third with the fourth, and "
                "so on (B9)."
            ),
        ]
        | UnsetType
    ) = UNSET
    renew_keys: RenewKeys | UnsetType = UNSET
    wait_until: WaitUntil | UnsetType = UNSET
    parallel: (
        Annotated[
            "list[Step]",
            Meta(min_length=2, description="Do several steps at once; each is judged by itself."),
        ]
        | UnsetType
    ) = UNSET
    xfail: (
        Annotated[Line, Meta(description="Why the step is known to fail; it is a failure when it does not.")]
        | UnsetType
    ) = UNSET
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


class Scenario(Written, frozen=True, kw_only=True):
    """A scenario for ota-sim: an account, its devices, what is done, and what must be true."""

    version: Annotated[Literal[1], Meta(description="The version of this language.")]
    name: Annotated[Slug, Meta(description="A short name; it heads the report.")]
    title: Annotated[Line, Meta(description="What the scenario shows.")] = ""
    covers: Annotated[list[RuleId], Meta(description="Rules and examples that it shows.")] = field(
        default_factory=list
    )
    needs: Annotated[
        list[Need], Meta(description="What the broker must be able to do; one that can't skips the scenario.")
    ] = field(default_factory=list)
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
    strict: Annotated[
        bool,
        Meta(
            description="Where the documentation contradicts itself, the platform takes its narrower reading, and "
            "holds its rates. Default: false."
        ),
    ] = False
    vars: Annotated[
        dict[VarName, VarValue],
        Meta(
            description="Values by name; ${name} stands for one, anywhere in a text. --var sets another value.",
            extra_json_schema={"x-wanted": "a mapping with a value for each name"},
        ),
    ] = field(default_factory=dict)
    policy: Policy = Policy()
    account: Account = Account()
    variants: Annotated[
        dict[Slug, Variant], Meta(description="The scenario is played once for each variant; none: once.")
    ] = field(default_factory=dict)
    products: Annotated[dict[Slug, Product], Meta(description="Products by name. Default: one, main.")] = (
        field(default_factory=dict)
    )
    fleets: Annotated[dict[Slug, Fleet], Meta(description="Devices by the name of their fleet.")] = field(
        default_factory=dict
    )
    groups: Annotated[
        dict[Slug, DeviceList], Meta(description="Names for selections; each is looked up when it is used.")
    ] = field(default_factory=dict)
    steps: Annotated[list[Step], Meta(min_length=1, description="What is done, in this order.")]
    teardown: Annotated[
        list[Step], Meta(description="What is done at the end, in this order, whatever happened before.")
    ] = field(default_factory=list)
    never: Annotated[
        list[Never], Meta(description="What must not be so, after any step and while one waits.")
    ] = field(default_factory=list)
    on_error: Annotated[
        Literal["stop", "continue"],
        Meta(description="What a run does when the platform's adapter fails in a step. Default: stop."),
    ] = "stop"
    processes: Annotated[
        Processes,
        Meta(
            description="Over how many processes the connected devices are spread; auto: as many as they take on the "
            "machine that plays it. Default: 1."
        ),
    ] = 1


ACTIONS: Final = (
    "create_task",
    "retry_task",
    "cancel_task",
    "pause_task",
    "resume_task",
    "cancel_jobs",
    "auto_add",
    "set_webhook",
    "inject",
    "clear_injected",
    "fail",
    "wait_jobs",
    "reconnect",
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
    "upload",
    "register",
    "fault",
    "clear_faults",
    "set_devices",
    "power_off",
    "power_on",
    "storm",
    "swap_cards",
    "renew_keys",
    "wait_until",
    "parallel",
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
    "pushes",
)
"""The expectations that are one count."""
STATES: Final = ("jobs", "notices", "deliveries", "auto_added")
"""The expectations that are counts by state or channel."""
