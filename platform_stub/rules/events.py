"""Commands that the rules judge, and the events that they cause.

The events but one are lines of the journal (I6). `Allocated` is the decision on a task in counts:
the store writes it as one `Bound` a device, and `licensing.expand` says which (design: the service decides on counts).
Money is in fen, times are unix milliseconds on the account's clock.
"""

from dataclasses import dataclass, field
from enum import Enum

from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.ids import DeviceId, TaskId
from platform_stub.protocol.operator import Policy
from platform_stub.rules.refusals import Offenders


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An account was opened under a policy."""

    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The OTA service was subscribed to, which brought free licences (B5)."""

    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Money moved that bought no licence."""

    amount_fen: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """Licences were bought online (B4)."""

    count: int
    paid_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Licences came by an offline contract (B4)."""

    count: int
    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingDateSet:
    """The charging date was announced, postponed, or taken off (B1, P5)."""

    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """What a task's devices without an entitlement get, in counts."""

    purchased: int = 0
    free: int = 0
    grandfathered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A device got its entitlement (B3)."""

    device_id: DeviceId
    task_id: TaskId
    source: EntitlementSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A device that had an entitlement was terminated: the entitlement is invalid from here on (B10)."""

    device_id: DeviceId


JournalEvent = Opened | Subscribed | Posted | Bought | Granted | ChargingDateSet | Bound | Ended
Event = JournalEvent | Allocated


class PackageState(Enum):
    """What a task's package is good for."""

    UNKNOWN = "unknown"
    NOT_VERIFIED = "not_verified"
    READY = "ready"  # verified, skipped on purpose, or this task is its verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Subscribe to the OTA service (B5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Move money: a top-up, or another service's bill."""

    amount_fen: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy:
    """Buy licences online (B4, P11)."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Enter licences of a contract (B4)."""

    count: int
    contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPurchase:
    """Ask for money back (B15)."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChargingDate:
    """Announce, postpone, or take off the charging date (B1)."""

    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTask:
    """Create a task; a retry, a verification, an auto-add are the same command (P15).

    `needed` counts distinct devices without an entitlement (P6, B14). Nothing about product, token or card is
    here: they play no part in charging (B7, B9), and neither does the kind of update (B6).
    """

    needed: int
    package: PackageState = PackageState.READY
    unusable: Offenders = field(default_factory=Offenders)  # P7
    busy: Offenders = field(default_factory=Offenders)  # P8


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteFreeJob:
    """A job of the free time succeeded on a device without an entitlement (P3, `update_succeeded`)."""


Command = Subscribe | Post | Buy | Grant | CancelPurchase | SetChargingDate | CreateTask | CompleteFreeJob
