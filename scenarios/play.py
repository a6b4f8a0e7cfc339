"""A play: one variant of a scenario with every text read, ready to be carried out here or in another process.

Times are in milliseconds, money in fen, sizes in bytes. Frozen values only; they travel as MessagePack.
"""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from device_sim.core.faults import Fault
from device_sim.core.world import STURDY, World
from platform_stub.protocol.operator import InjectFault, Kind, Policy, RegisterDevice, Retry
from scenarios.selection import Selection

DEFAULT_PRODUCT: Final = "main"

Devices = tuple[Selection, ...]
StartVersions = tuple[str | None, ...] | None
Flow = Literal["mqtt", "fuse", "studio", "south"]


class _Value(Struct, frozen=True):
    """A frozen value."""


class _Action(Struct, frozen=True, kw_only=True, tag_field="action"):
    """What a step does."""


class PackageFacts(_Value, frozen=True, kw_only=True):
    """What makes a package the same one; steps that agree in all of it share it. None: its product is the devices'."""

    product: str | None
    kind: Kind
    target: str
    size_bytes: int
    start_version: str | None = None
    manufacturer: str = ""
    model: str = ""


class CreateTask(_Action, tag="create_task", frozen=True, kw_only=True):
    """Create a task; `verification` says what becomes of the package's. Without a start it begins at once.

    In `start_versions` None is a device that has reported none; None instead of them is any.
    """

    package: PackageFacts
    devices: Devices
    verification: Literal["skip", "open", "first"]
    scope: Literal["chosen", "all"] = "chosen"
    start_versions: StartVersions = None
    start_in_ms: int | None = None
    start_at_ms: int | None = None
    expires_ms: int = 600_000
    retry: Retry | None = None
    signal: int = 10
    battery: int = 50
    notification: Literal["platform", "webhook"] = "platform"
    key: str = ""  # an Idempotency-Key (P13)


class RetryTask(_Action, tag="retry_task", frozen=True, kw_only=True):
    """Create a task for the failed devices of a step's task."""

    of: str


class CancelTask(_Action, tag="cancel_task", frozen=True, kw_only=True):
    """Cancel the open jobs of a step's task."""

    of: str


class PauseTask(_Action, tag="pause_task", frozen=True, kw_only=True):
    """Hold a step's task back."""

    of: str


class ResumeTask(_Action, tag="resume_task", frozen=True, kw_only=True):
    """Let a step's paused task go on."""

    of: str


class CancelJobs(_Action, tag="cancel_jobs", frozen=True, kw_only=True):
    """Cancel some devices' jobs of a step's task."""

    of: str
    devices: Devices


class AutoAdd(_Action, tag="auto_add", frozen=True, kw_only=True):
    """Set the auto-add policy of a package: that of step `package_of`, or `package`; or take it off."""

    package_of: str | None
    package: PackageFacts | None
    start_versions: StartVersions
    off: bool


class SetWebhook(_Action, tag="set_webhook", frozen=True, kw_only=True):
    """Set the run's own webhook, which refuses the first `failing` pushes; or take it off."""

    passes: bool
    failing: int
    off: bool


class Inject(_Action, tag="inject", frozen=True, kw_only=True):
    """Inject a fault towards some devices, or, without, towards all; the rule's own devices and share are not set.

    With a `share`, in thousandths of a per cent, it is for so many of those that speak its flow, drawn by the seed.
    """

    devices: Devices
    rule: InjectFault
    share: int | None = None


class ClearInjected(_Action, tag="clear_injected", frozen=True, kw_only=True):
    """Take the fault of a step off, or all."""

    by: str | None


class Reconnect(_Action, tag="reconnect", frozen=True, kw_only=True):
    """Let devices go off and come back."""

    devices: Devices


class Fail(_Action, tag="fail", frozen=True, kw_only=True):
    """Let the next `times` jobs of some devices fail."""

    devices: Devices
    step: int
    times: int


class WaitJobs(_Action, tag="wait_jobs", frozen=True, kw_only=True):
    """Wait for the jobs of a step's task, or of all; of these devices, or of all that are there."""

    of: str | None
    devices: Devices = ()


class ReplaceCards(_Action, tag="replace_cards", frozen=True, kw_only=True):
    """Put new cards in."""

    devices: Devices


class Terminate(_Action, tag="terminate", frozen=True, kw_only=True):
    """Terminate devices."""

    devices: Devices


class CreateAgain(_Action, tag="create_again", frozen=True, kw_only=True):
    """Register the names of terminated devices again; the new devices are `group`."""

    devices: Devices
    group: str


class Move(_Action, tag="move", frozen=True, kw_only=True):
    """Move devices to another product."""

    devices: Devices
    to: str


class Buy(_Action, tag="buy", frozen=True, kw_only=True):
    """Buy licences."""

    count: int


class Grant(_Action, tag="grant", frozen=True, kw_only=True):
    """Enter licences of a contract."""

    count: int
    contract: str


class CancelLicences(_Action, tag="cancel_licences", frozen=True, kw_only=True):
    """Ask for money back."""

    count: int


class TopUp(_Action, tag="top_up", frozen=True, kw_only=True):
    """Pay money in."""

    amount_fen: int


class Posting(_Action, tag="post", frozen=True, kw_only=True):
    """Move money."""

    amount_fen: int
    reason: str


class Subscribe(_Action, tag="subscribe", frozen=True, kw_only=True):
    """Subscribe."""


class SetChargingDate(_Action, tag="charging_date", frozen=True, kw_only=True):
    """Announce, move or take off the charging date."""

    at_ms: int | None


class Advance(_Action, tag="advance", frozen=True, kw_only=True):
    """Move the clock forward by a span."""

    span_ms: int


class AdvanceTo(_Action, tag="advance_to", frozen=True, kw_only=True):
    """Move the clock forward to a moment."""

    at_ms: int


class Check(_Action, tag="check", frozen=True, kw_only=True):
    """Look at the account, or at a step's task."""

    of: str | None


class Upload(_Action, tag="upload", frozen=True, kw_only=True):
    """Upload a package that no task uses yet; `skip` has its verification skipped."""

    package: PackageFacts
    skip: bool = False


class Register(_Action, tag="register", frozen=True, kw_only=True):
    """Register more devices, as a fleet of their own, while the scenario is on."""

    fleet: "FleetStart"


class SetFaults(_Action, tag="fault", frozen=True, kw_only=True):
    """Let something go wrong with some devices from now on, beside what does already."""

    devices: Devices
    fault: Fault


class ClearFaults(_Action, tag="clear_faults", frozen=True, kw_only=True):
    """Take the faults of a step off, or all faults of some devices, or, without both, all."""

    by: str | None
    devices: Devices = ()


class SetDevices(_Action, tag="set_devices", frozen=True, kw_only=True):
    """Change the world of some devices from now on; None is left as it is."""

    devices: Devices
    battery: float | None = None
    signal: float | None = None
    storage_bytes: int | None = None
    mcu_storage_bytes: int | None = None


class PowerOff(_Action, tag="power_off", frozen=True, kw_only=True):
    """Take the power from some devices; after `for_ms` of the device's time they have it again."""

    devices: Devices
    for_ms: int | None = None


class PowerOn(_Action, tag="power_on", frozen=True, kw_only=True):
    """Give some devices their power back."""

    devices: Devices


class Storm(_Action, tag="storm", frozen=True, kw_only=True):
    """Cut the connections of some devices; all come back at once."""

    devices: Devices


class SwapCards(_Action, tag="swap_cards", frozen=True, kw_only=True):
    """Let devices swap their cards: the first with the second, the third with the fourth, and so on."""

    devices: Devices


class RenewKeys(_Action, tag="renew_keys", frozen=True, kw_only=True):
    """Give devices new keys at the platform; unless they are told, they go on signing with the old ones."""

    devices: Devices
    told: bool = True


class WaitUntil(_Action, tag="wait_until", frozen=True, kw_only=True):
    """Look again and again until all of this is so.

    The clock moves to what devices wait for, by `advance_ms` at most.
    """

    of: str | None
    until: "Expected"
    advance_ms: int = 0


class Parallel(_Action, tag="parallel", frozen=True, kw_only=True):
    """Do several steps at once; each is judged by itself."""

    steps: "tuple[PlayStep, ...]"


Action = (
    CreateTask
    | RetryTask
    | CancelTask
    | PauseTask
    | ResumeTask
    | CancelJobs
    | AutoAdd
    | SetWebhook
    | Inject
    | ClearInjected
    | Fail
    | WaitJobs
    | Reconnect
    | ReplaceCards
    | Terminate
    | CreateAgain
    | Move
    | Buy
    | Grant
    | CancelLicences
    | TopUp
    | Posting
    | Subscribe
    | SetChargingDate
    | Advance
    | AdvanceTo
    | Check
    | Upload
    | Register
    | SetFaults
    | ClearFaults
    | SetDevices
    | PowerOff
    | PowerOn
    | Storm
    | SwapCards
    | RenewKeys
    | WaitUntil
    | Parallel
)


class Bounds(_Value, frozen=True, kw_only=True):
    """A count that may be anything from `low` to `high`; None: no bound."""

    low: int | None = None
    high: int | None = None

    @property
    def text(self) -> str:
        """Spell it as it is written."""
        if self.low is not None and self.high is not None:
            return f"{self.low}-{self.high}"
        return f">= {self.low}" if self.low is not None else f"<= {self.high}"


Wanted = int | Bounds
"""A count that is expected."""


def is_wanted(wanted: Wanted, seen: int) -> bool:
    """Say whether a count is as expected."""
    if isinstance(wanted, int):
        return wanted == seen
    return (wanted.low is None or seen >= wanted.low) and (wanted.high is None or seen <= wanted.high)


def spell_wanted(wanted: Wanted) -> str | int:
    """Give an expected count as a number, or as words when it may be one of several."""
    return wanted if isinstance(wanted, int) else wanted.text


class ExpectedVersions(_Value, frozen=True, kw_only=True):
    """Versions that devices must have, as the platform knows them."""

    devices: Devices
    f_version: str | None
    s_version: str | None


class ExpectedEntitlements(_Value, frozen=True, kw_only=True):
    """Entitlements that devices must have; None is not looked at."""

    devices: Devices
    source: str | None
    valid: bool | None
    support: bool | None


class ExpectedDistribution(_Value, frozen=True, kw_only=True):
    """How many devices of a product must have which version, by kind; None is not looked at."""

    product: str
    f_versions: dict[str, int] | None
    s_versions: dict[str, int] | None


class ExpectedDevices(_Value, frozen=True, kw_only=True):
    """What devices must really run and be at, as they themselves know; None is not looked at.

    `count` is how many of them must be so; None: all.
    """

    devices: Devices
    f_version: str | None = None
    s_version: str | None = None
    stage: str | None = None  # as `device_sim.DeviceView` names it
    link: str | None = None
    failed_step: int | None = None  # of the last job
    count: Wanted | None = None


class ExpectedMessages(_Value, frozen=True, kw_only=True):
    """How many messages devices must have sent or received during the step, all together, or each by itself."""

    devices: Devices  # all when empty
    way: Literal["sent", "received"]
    topic: str | None  # `ota/inform`, `ota/status`, ...: the end of the topic; or the call over HTTP
    step: int | None
    count: Wanted
    each: bool = False


class ExpectedPushes(_Value, frozen=True, kw_only=True):
    """How many pushes of a step's task the webhook must have got by now."""

    of: str
    count: Wanted


class Expected(_Value, frozen=True, kw_only=True):
    """What must come back, by the names of the language.

    `counts` holds `jobs.failed`, `notices.sms`, `struck.STEP` and `journal.bound` too, `amounts` are in fen. `never` is
    what must not be so, any of it.
    """

    outcome: str | None = None
    reason: str | None = None
    task_state: str | None = None
    counts: dict[str, Wanted] = {}
    running: tuple[ExpectedDevices, ...] = ()
    messages: tuple[ExpectedMessages, ...] = ()
    pushed: tuple[ExpectedPushes, ...] = ()
    never: "tuple[Never, ...]" = ()
    amounts: dict[str, int] = {}
    versions: tuple[ExpectedVersions, ...] = ()
    entitlements: tuple[ExpectedEntitlements, ...] = ()
    distribution: tuple[ExpectedDistribution, ...] = ()


class Never(_Value, frozen=True, kw_only=True):
    """What must not be so: of a step's task, or of the account."""

    of: str | None
    expected: Expected


class PlayStep(_Value, frozen=True, kw_only=True):
    """A step; `wait_ms` is how long its jobs may take, None means that they are not waited for.

    `xfail` says why it is known to fail; passing is then the failure.
    """

    id: str
    title: str
    action: Action
    wait_ms: int | None
    expected: Expected
    xfail: str = ""


class AccountStart(_Value, frozen=True, kw_only=True):
    """How the account stands at the start."""

    subscribe: bool = True
    top_up_fen: int = 0
    buy: int = 0
    grant: int = 0
    post_fen: int = 0


class ProductStart(_Value, frozen=True, kw_only=True):
    """A product to make."""

    name: str
    product_id: str | None
    title: str
    access_key: str | None = None


class Habits(_Value, frozen=True, kw_only=True):
    """What a device speaks; in flow south also what it says of itself, and whether it signs with its product's key."""

    flow: Flow = "mqtt"
    manufacturer: str = ""
    model: str = ""
    has_product_key: bool = False


class FleetStart(_Value, frozen=True, kw_only=True):
    """Devices to register: `rows` from a file, or `count` of them named after the fleet.

    Manufacturer and model are what they say of themselves in flow south; `own` are the habits that a file's rows say.
    """

    name: str
    product: str
    connect: bool
    count: int
    rows: tuple[RegisterDevice, ...]
    f_version: str
    s_version: str
    flow: Flow = "mqtt"
    manufacturer: str = ""
    model: str = ""
    own: dict[str, Habits] = {}
    world: World = STURDY
    faults: tuple[Fault, ...] = ()

    def habits_of(self, name: str) -> Habits:
        """Give a device's habits, by its name."""
        return self.own.get(name) or Habits(flow=self.flow, manufacturer=self.manufacturer, model=self.model)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What they speak."""
        if not self.rows:
            return (self.flow,)
        return tuple(dict.fromkeys(self.habits_of(row.name).flow for row in self.rows))


class Play(_Value, frozen=True, kw_only=True):
    """All that one run needs to know."""

    scenario: str
    variant: str
    title: str
    variant_title: str
    file: str
    covers: tuple[str, ...]
    needs: tuple[str, ...]
    seed: int
    strict: bool = False
    clock_ms: int | None
    policy: Policy
    account: AccountStart
    products: tuple[ProductStart, ...]
    fleets: tuple[FleetStart, ...]
    groups: dict[str, Devices]
    steps: tuple[PlayStep, ...]
    teardown: tuple[PlayStep, ...] = ()  # done at the end, whatever happened before
    never: tuple[Never, ...] = ()  # looked at after each step, and while one waits
    on_error: Literal["stop", "continue"] = "stop"  # when the platform's adapter fails in a step
    processes: int = 1  # that its devices are spread over; 0: as many as the machine that plays it needs
    variables: dict[str, str] = {}  # the values that were in force, as they are written
    given: tuple[str, ...] = ()  # the variables whose value was given to it, and is not the file's own
    is_session: bool = False  # a program's, which `file` names, and not read from that file

    @property
    def name(self) -> str:
        """The scenario's name, with the variant's if there are several."""
        return f"{self.scenario} {self.variant}".rstrip()

    @property
    def device_count(self) -> int:
        """Devices at the start."""
        return sum(fleet.count for fleet in self.fleets)

    @property
    def connected_count(self) -> int:
        """Devices that are there at the start."""
        return sum(fleet.count for fleet in self.fleets if fleet.connect)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What the connected ones speak, in the order of the fleets."""
        return tuple(dict.fromkeys(flow for fleet in self.fleets if fleet.connect for flow in fleet.flows))


def devices_of(fleet: FleetStart) -> Iterator[RegisterDevice]:
    """Give the devices to register, in order; those by count have no card yet."""
    if fleet.rows:
        yield from fleet.rows
        return
    width = len(str(fleet.count))
    for number in range(1, fleet.count + 1):
        yield RegisterDevice(
            name=f"{fleet.name}-{number:0{width}}", f_version=fleet.f_version, s_version=fleet.s_version
        )
