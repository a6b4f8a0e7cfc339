"""Bodies of the operator API: requests, answers, and the one shape of an error.

Money is an integer count of fen, times are unix milliseconds, sizes bytes. The API's OpenAPI document is made
from these definitions, and the harness reads its answers with them.
"""

from enum import Enum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from platform_stub.protocol.messages import CardNumber, Version
from platform_stub.protocol.wording import text

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Fen = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Millis = Annotated[int, Meta(ge=0, le=2**53)]
# PostgreSQL keeps no text with a NUL in it.
Text = Annotated[str, text(200, r"^[^\u0000]+$", "a text of 1 to 200 characters, none of them NUL")]
ProductKey = Annotated[str, text(32, r"^[A-Za-z0-9]+$(?!\n)", "a product id: 1 to 32 letters and digits")]
Name = Annotated[str, text(64, r"^[A-Za-z0-9_\-]+$(?!\n)", "a device name: 1 to 64 letters, digits, - and _")]
Key = Annotated[
    str, text(128, r"^[A-Za-z0-9+/]+={0,2}$(?!\n)", "an access key: base64, 4 to 128 characters", least=4)
]
OwnId = Annotated[int, Meta(ge=1, le=10**15)]
"""A number of one's own for a device or an account; what is numbered here goes on above it."""
Kind = Literal["FOTA", "SOTA"]
StateName = Literal["pending", "downloading", "upgrading", "success", "failed", "cancelled"]
TaskState = Literal["not_started", "upgrading", "paused", "stopped", "finished"]
Scope = Literal["chosen", "all"]
Notification = Literal["platform", "webhook"]


class ErrorCode(Enum):
    """What the operator API answers besides success; the first ones in the order of P16."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"  # P13: the key was used with another body
    MALFORMED = "malformed"
    NOT_FOUND = "not_found"  # an account, product, task ... in the path does not exist
    NOT_SUBSCRIBED = "not_subscribed"  # B5
    ARREARS = "arrears"  # B16
    PACKAGE_UNKNOWN = "package_unknown"
    PACKAGE_NOT_VERIFIED = "package_not_verified"
    DEVICES_UNUSABLE = "devices_unusable"  # P7
    DEVICES_BUSY = "devices_busy"  # P8
    LICENCES_INSUFFICIENT = "licences_insufficient"  # B13
    BALANCE_INSUFFICIENT = "balance_insufficient"  # P11
    NOT_REFUNDABLE = "not_refundable"  # B15
    WEBHOOK_UNVERIFIED = "webhook_unverified"  # the URL did not answer PASSED
    CONFLICT = "conflict"  # the name is taken, the task has ended, the clock would go back ...
    FORBIDDEN = "forbidden"  # foreign Host or Origin
    UNAVAILABLE = "unavailable"  # the store could not commit: nothing has changed
    INTERNAL = "internal"


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rules leave open, and the prices (charging rules, part 2)."""

    price_fen: Annotated[int, Meta(ge=0, le=2**40)] = 100
    free_devices: Annotated[int, Meta(ge=0, le=10_000_000)] = 100
    charging_date_ms: Millis | None = None
    deduction_order: Literal["purchased_first", "free_first"] = "purchased_first"  # P1
    grandfathered_when: Literal["job_created", "update_succeeded"] = "job_created"  # P3
    arrears_hold: Literal["pending", "creation"] = "pending"  # P10


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The one shape of an error. `details` holds what a program needs, such as `needed` and `available`."""

    code: str
    message: str
    details: dict[str, Any] = {}


class OpenAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open an account. `now_ms` sets its clock at the start; left out, it shows real time.

    `account_id` and `access_key` are those that devices sign `userid/{account_id}` with; left out, they are made up.
    """

    name: Text = "account"
    account_id: OwnId | None = None
    access_key: Key | None = None
    policy: Policy = Policy()
    now_ms: Millis | None = None


class Licences(Struct, frozen=True, kw_only=True):
    """What an account holds, and what its devices hold."""

    bought: int
    granted: int
    purchased_left: int
    free_left: int
    left: int
    entitled_purchased: int
    entitled_free: int
    entitled_grandfathered: int


class Account(Struct, frozen=True, kw_only=True):
    """An account as it stands. `access_key` (base64) signs `userid/{account_id}`."""

    account_id: int
    name: str
    access_key: str
    subscribed: bool
    balance_fen: int
    in_arrears: bool
    charging_date_ms: int | None
    now_ms: int
    policy: Policy
    licences: Licences


class AccountList(Struct, frozen=True, kw_only=True):
    """All accounts, by ascending id."""

    accounts: list[Account]


class Post(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move money on an account: positive in, negative out (another service's bill, say)."""

    amount_fen: Fen
    reason: Text = "posting"


class TopUp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pay money in."""

    amount_fen: Annotated[int, Meta(ge=1, le=2**53)]


class BuyLicences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Buy online (B4): count x price from the balance (P11)."""

    count: Count


class GrantLicences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enter licences bought offline under a contract (B4); takes no balance."""

    count: Count
    contract: Text


class CancelLicences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for money back; always refused (B15)."""

    count: Count


class SetChargingDate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Announce the charging date, or move it (B1, P5); null takes it off."""

    at_ms: Millis | None


class Notice(Struct, frozen=True, kw_only=True):
    """What the platform told the user (B1)."""

    channel: Literal["phone", "sms", "email"]
    at_ms: int
    text: str


class ChargingDate(Struct, frozen=True, kw_only=True):
    """The date in force and all notices sent, oldest first."""

    charging_date_ms: int | None
    notices: list[Notice]


class Clock(Struct, frozen=True, kw_only=True):
    """The account's clock."""

    now_ms: int


class SetClock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move the account's clock forward, to a moment or by a span; never back."""

    to_ms: Millis | None = None
    advance_ms: Millis | None = None


class JournalEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the journal; `kind` says which other fields there are."""

    seq: int
    at_ms: int
    kind: str
    task_id: int | None = None
    device_id: int | None = None
    source: str | None = None
    count: int | None = None
    amount_fen: int | None = None
    note: str | None = None


class Journal(Struct, frozen=True, kw_only=True):
    """A page of the journal; `next_after` is the next page's `after`, null at the end."""

    entries: list[JournalEntry]
    next_after: int | None


class CreateProduct(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a product; its id and its access key are made up when left out."""

    name: Text = "product"
    product_id: ProductKey | None = None
    access_key: Key | None = None


class Product(Struct, frozen=True, kw_only=True):
    """A product. `access_key` (base64) signs `products/{product_id}`."""

    product_id: str
    account_id: int
    name: str
    access_key: str


class ProductList(Struct, frozen=True, kw_only=True):
    """All products of an account."""

    products: list[Product]


class RegisterDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device to register: an object, an entry of a list, a line of NDJSON, a row of CSV with these column names.

    A `device_id` of one's own must never have been one before (P12); left out, it is numbered above all there are.
    """

    device_id: OwnId | None = None
    name: Name
    key: Key | None = None
    iccid: CardNumber = ""
    imsi: CardNumber = ""
    f_version: Version | None = None
    s_version: Version | None = None


class Device(Struct, frozen=True, kw_only=True):
    """A device as the platform knows it. `key` (base64) signs `products/{pid}/devices/{name}`."""

    device_id: int
    account_id: int
    product_id: str
    name: str
    key: str
    iccid: str
    imsi: str
    f_version: str | None
    s_version: str | None
    terminated: bool


class Registered(Struct, frozen=True, kw_only=True):
    """All devices of one registration, in the order given."""

    devices: list[Device]


class DevicePage(Struct, frozen=True, kw_only=True):
    """A page of devices by ascending ID; `next_after` is the next page's `after`, null at the end."""

    devices: list[Device]
    next_after: int | None


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a device, on the account's clock."""

    at_ms: int
    what: str
    tid: int | None = None
    detail: str | None = None


class Entitlement(Struct, frozen=True, kw_only=True):
    """A device's right to be updated; invalid from the device's termination on (B10)."""

    source: Literal["purchased", "free", "grandfathered"]
    task_id: int
    obtained_ms: int
    valid: bool
    account_id: int


class DeviceDetail(Struct, frozen=True, kw_only=True):
    """A device, its entitlement, its presence, and all that happened to it, oldest first."""

    device: Device
    entitlement: Entitlement | None
    connected: bool
    after_sales_support: bool  # B17
    timeline: list[TimelineEntry]


class MoveDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move a device to another product, of the same or another account; ID and entitlement stay (P12)."""

    product_id: ProductKey
    name: Name | None = None


class ReplaceCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enter another card for a device (B9)."""

    iccid: CardNumber
    imsi: CardNumber = ""


class RenewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give a device another key; left out, it is made up. The old one is good no more (B7: no part in charging)."""

    key: Key | None = None


StartVersions = Annotated[list[Version | None], Meta(min_length=1, max_length=100)]
"""Versions that devices may come from; null stands for "never reported"."""
ModelCode = Annotated[
    str, text(32, r"^[A-Za-z0-9_.\-]+$(?!\n)", "a manufacturer or model: 1 to 32 letters, digits, - _ and .")
]
"""Manufacturer or model, as generation A's devices name themselves in a check (`manuf`, `model`)."""


class AutoAdd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take in every later device whose check reports one of the start versions (P15); left out: any version."""

    start_versions: StartVersions | None = None


class SetAutoAdd(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set a package's auto-add policy, or take it off with null."""

    auto_add: AutoAdd | None


class Package(Struct, frozen=True, kw_only=True):
    """An update package; `md5` is lower-case hex. With a `start_version` it is a differential one."""

    package_id: int
    account_id: int
    product_id: str
    kind: Kind
    name: str
    target: str
    size_bytes: int
    md5: str
    verification: Literal["open", "passed", "skipped"]
    manufacturer: str
    model: str
    file_name: str
    start_version: str | None
    auto_add: AutoAdd | None


class Packages(Struct, frozen=True, kw_only=True):
    """All packages of an account."""

    packages: list[Package]


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a device tries an update again, and after how long; passed on to the device."""

    count: Annotated[int, Meta(ge=1, le=10)]
    interval_s: Annotated[int, Meta(ge=1, le=86_400)] = 60


class CreateTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Order one update of a set of devices. A device named twice counts once (P6).

    `scope` all: every living device of the package's product at one of `start_versions` and not at the target;
    `device_ids` is left out then. `start_at_ms` schedules it; licences are deducted now all the same (P15).
    """

    package_id: Id
    device_ids: Annotated[list[Id], Meta(min_length=1, max_length=2_000_000)] | None = None
    scope: Scope = "chosen"
    start_versions: StartVersions | None = None  # null: any
    name: Text = "task"
    verification: bool = False  # the first device of a package; deducts like any task (P15)
    start_at_ms: Millis | None = None  # null: now
    expires_after_ms: Annotated[int, Meta(ge=60_000, le=366 * 86_400_000)] = 600_000  # from the start on
    retry: Retry | None = None
    signal: Annotated[int, Meta(ge=0, le=100)] = 10
    battery: Annotated[int, Meta(ge=0, le=100)] = 50  # per cent
    notification: Notification = "platform"


class JobCounts(Struct, frozen=True, kw_only=True):
    """How many jobs of a task stand where."""

    pending: int = 0
    downloading: int = 0
    upgrading: int = 0
    success: int = 0
    failed: int = 0
    cancelled: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """A task, what its creation cost, and its jobs.

    `needed` and `available` are licences at the moment of creation; `deducted` = `deducted_purchased` +
    `deducted_free`; `left` is what the account had afterwards.
    """

    task_id: int
    account_id: int
    package_id: int
    kind: Kind
    target: str
    name: str
    created_ms: int
    state: TaskState
    scope: Scope
    start_versions: list[str | None] | None
    start_version: str | None
    starts_ms: int
    expires_ms: int
    retry: Retry | None
    signal: int
    battery: int
    notification: Notification
    device_count: int
    needed: int
    available: int
    deducted: int
    deducted_purchased: int
    deducted_free: int
    grandfathered: int
    left: int
    retry_of: int | None
    jobs: JobCounts


class Tasks(Struct, frozen=True, kw_only=True):
    """A page of tasks, newest first; `next_before` is the next page's `before`, null at the end."""

    tasks: list[Task]
    next_before: int | None


class Job(Struct, frozen=True, kw_only=True):
    """One device's part of a task. `step` is the last one accepted."""

    tid: int
    task_id: int
    device_id: int
    state: StateName
    step: int | None
    updated_ms: int


class Jobs(Struct, frozen=True, kw_only=True):
    """A page of jobs by ascending tid; `next_after` is the next page's `after`, null at the end."""

    jobs: list[Job]
    next_after: int | None


class VersionCount(Struct, frozen=True, kw_only=True):
    """How many living devices run a version; null: they have never reported one."""

    version: str | None
    devices: int


class VersionDistribution(Struct, frozen=True, kw_only=True):
    """Versions of a product's living devices, the most frequent first."""

    f_versions: list[VersionCount]
    s_versions: list[VersionCount]


class SetWebhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name the URL that new tasks are pushed to; it must answer `PASSED` to `GET <url>?signature=...` first."""

    url: Annotated[str, Meta(min_length=8, max_length=500)]
    token: Annotated[str, Meta(min_length=1, max_length=64)]


class Webhook(Struct, frozen=True, kw_only=True):
    """An account's webhook."""

    account_id: int
    url: str
    checked_ms: int


class Delivery(Struct, frozen=True, kw_only=True):
    """The push of one task. `next_ms` is real time, null when none will follow; `status` is HTTP's."""

    delivery_id: int
    task_id: int
    url: str
    created_ms: int
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_ms: int | None
    status: int | None
    error: str | None


class Deliveries(Struct, frozen=True, kw_only=True):
    """A page of deliveries by ascending id; `next_after` is the next page's `after`, null at the end."""

    deliveries: list[Delivery]
    next_after: int | None


class InjectFault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let the stub itself go wrong towards some devices, while it runs.

    Who: devices by ID, of a product, or a `share` of them (drawn by device ID and `seed`); left out: all.
    What: at least one of `delay_ms`, `status`, `code`, `cut_at_bytes`, `wrong_md5`, `silent`.
    """

    call: Literal["any", "version", "check", "state", "download", "status", "inform"] = "any"
    generation: Literal["any", "south", "studio", "fuse", "mqtt"] = "any"
    product_id: ProductKey | None = None
    device_ids: Annotated[list[Id], Meta(min_length=1, max_length=100_000)] | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 0
    times: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None  # calls of each device; null: every one
    delay_ms: Annotated[int, Meta(ge=0, le=600_000)] = 0
    status: Annotated[int, Meta(ge=400, le=599)] | None = None  # HTTP
    code: Annotated[int, Meta(ge=0, le=99_999)] | None = None  # errno or code; a download's Ota-Errno
    cut_at_bytes: Annotated[int, Meta(ge=0, le=2**31)] | None = None  # then a download's connection ends
    wrong_md5: bool = False
    silent: bool = False  # no answer at all


class InjectedFault(Struct, frozen=True, kw_only=True):
    """An injected fault and how often it has struck.

    `waits_for` names what the rule is for and is not there yet: it may come, and is struck from then on.
    """

    fault_id: int
    rule: InjectFault
    struck: int
    waits_for: str | None = None


class InjectedFaults(Struct, frozen=True, kw_only=True):
    """All injected faults that are in force, oldest first."""

    faults: list[InjectedFault]


class CheckLogin(Struct, frozen=True, kw_only=True):
    """A device's login, as a broker hands it on that asks by HTTP. Further fields are passed over."""

    clientid: Annotated[str, Meta(max_length=65_535)]
    username: Annotated[str, Meta(max_length=65_535)] = ""
    password: Annotated[str, Meta(max_length=65_535)] = ""


class LoginChecked(Struct, frozen=True, kw_only=True):
    """Whether it may come in. `result` is EMQX's word; `ok` and `error` are mosquitto-go-auth's."""

    result: Literal["allow", "deny", "ignore"]
    ok: bool
    error: str = ""
