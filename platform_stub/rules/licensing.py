"""Licences: `decide` answers a command, `evolve` applies an event, `replay` makes the state from the journal.

Nothing else changes a licence count. Pure: the clock is an argument. Source: charging rules B1-B17, P1-P16;
invariants I1-I6.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.ids import DeviceId, TaskId
from platform_stub.protocol.operator import Policy
from platform_stub.rules import events as ev
from platform_stub.rules.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What an account has, in counts. Money in fen."""

    policy: Policy = field(default_factory=Policy)
    charging_date_ms: int | None = None
    subscribed: bool = False
    balance_fen: int = 0
    bought: int = 0
    granted: int = 0
    purchased_left: int = 0
    free_left: int = 0

    @property
    def left(self) -> int:
        """Licences of both pools that no device has yet."""
        return self.purchased_left + self.free_left

    @property
    def in_arrears(self) -> bool:
        """Whether the balance is below zero (P10)."""
        return self.balance_fen < 0

    def charges(self, now_ms: int) -> bool:
        """Whether the rules charge at this moment: exactly the date is charged, no date is not (B1, P4)."""
        return self.charging_date_ms is not None and now_ms >= self.charging_date_ms

    def is_blocked(self, now_ms: int) -> bool:
        """Whether arrears keep the account from the service: from the charging date on (B16, P10)."""
        return self.in_arrears and self.charges(now_ms)

    def holds_pending(self, now_ms: int) -> bool:
        """Whether pending jobs are held back (P10)."""
        return self.policy.arrears_hold == "pending" and self.is_blocked(now_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """A device's right to be updated; never removed, and invalid once its device is terminated (I3)."""

    source: EntitlementSource
    task_id: TaskId
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An account to the last row: its ledger, and who got an entitlement from it."""

    ledger: Ledger = field(default_factory=Ledger)
    entitlements: Mapping[DeviceId, Entitlement] = field(default_factory=dict)


def decide(ledger: Ledger, command: ev.Command, now_ms: int) -> tuple[ev.Event, ...] | Refusal:
    """Answer a command with the events it causes, or the first reason against it; changes nothing.

    Source: B4, B5, B7, B11, B13-B16, P3, P10, P11; the order of refusals is P16.
    """
    match command:
        case ev.CreateTask():
            return _decide_task(ledger, command, now_ms)
        case ev.Buy(count=count):
            return _decide_purchase(ledger, count, now_ms)
        case ev.Grant(count=count, contract=contract):
            return (ev.Granted(count=count, contract=contract),)  # also in arrears (P10)
        case ev.CancelPurchase():
            return Refusal(reason=Reason.NOT_REFUNDABLE)  # B15
        case ev.Subscribe():
            if ledger.subscribed:
                return Refusal(reason=Reason.ALREADY_SUBSCRIBED)
            return (ev.Subscribed(free=ledger.policy.free_devices),)
        case ev.Post(amount_fen=amount_fen, reason=reason):
            return (ev.Posted(amount_fen=amount_fen, reason=reason),)
        case ev.SetChargingDate(at_ms=at_ms):
            return (ev.ChargingDateSet(at_ms=at_ms),)
        case ev.CompleteFreeJob():
            if ledger.charges(now_ms) or ledger.policy.grandfathered_when != "update_succeeded":
                return ()
            return (ev.Allocated(grandfathered=1),)  # P3: succeeded before the date
        case _:
            assert_never(command)


def _decide_task(ledger: Ledger, task: ev.CreateTask, now_ms: int) -> tuple[ev.Event, ...] | Refusal:
    if not ledger.subscribed:
        return Refusal(reason=Reason.NOT_SUBSCRIBED)  # B5, charged or not
    if ledger.is_blocked(now_ms):
        return Refusal(reason=Reason.ARREARS)
    if task.package is ev.PackageState.UNKNOWN:
        return Refusal(reason=Reason.PACKAGE_UNKNOWN)
    if task.package is ev.PackageState.NOT_VERIFIED:
        return Refusal(reason=Reason.PACKAGE_NOT_VERIFIED)
    if task.unusable.count:
        return Refusal(reason=Reason.DEVICES_UNUSABLE, offenders=task.unusable)
    if task.busy.count:
        return Refusal(reason=Reason.DEVICES_BUSY, offenders=task.busy)
    if not ledger.charges(now_ms):
        at_once = ledger.policy.grandfathered_when == "job_created"
        return (ev.Allocated(grandfathered=task.needed if at_once else 0),)  # B8, P3
    if task.needed > ledger.left:
        return Refusal(reason=Reason.LICENCES_INSUFFICIENT, needed=task.needed, available=ledger.left)  # B13
    return (_allocate(ledger, task.needed),)


def _allocate(ledger: Ledger, needed: int) -> ev.Allocated:
    """Split what is needed over the two pools, in P1's order."""
    if ledger.policy.deduction_order == "purchased_first":
        purchased = min(needed, ledger.purchased_left)
    else:
        purchased = needed - min(needed, ledger.free_left)
    return ev.Allocated(purchased=purchased, free=needed - purchased)


def _decide_purchase(ledger: Ledger, count: int, now_ms: int) -> tuple[ev.Event, ...] | Refusal:
    if ledger.is_blocked(now_ms):
        return Refusal(reason=Reason.ARREARS)
    price_fen = count * ledger.policy.price_fen
    if price_fen > ledger.balance_fen:
        return Refusal(
            reason=Reason.BALANCE_INSUFFICIENT, needed=price_fen, available=ledger.balance_fen
        )  # P11
    return (ev.Bought(count=count, paid_fen=price_fen),)


def allocation_order(policy: Policy, allocated: ev.Allocated) -> tuple[tuple[EntitlementSource, int], ...]:
    """How many devices by ascending ID get which source: the first pool of P1, then the other."""
    pools = [(EntitlementSource.PURCHASED, allocated.purchased), (EntitlementSource.FREE, allocated.free)]
    if policy.deduction_order == "free_first":
        pools.reverse()
    return (*pools, (EntitlementSource.GRANDFATHERED, allocated.grandfathered))


def expand(
    policy: Policy, allocated: ev.Allocated, task_id: TaskId, unentitled: Sequence[DeviceId]
) -> tuple[ev.Bound, ...]:
    """Name the devices behind the counts; the store's statements must write the same rows in the same order.

    `unentitled` are the task's distinct devices without an entitlement, in any order.
    """
    waiting = iter(sorted(unentitled))
    return tuple(
        ev.Bound(device_id=next(waiting), task_id=task_id, source=source)
        for source, count in allocation_order(policy, allocated)
        for _ in range(count)
    )


def evolve(ledger: Ledger, event: ev.Event) -> Ledger:
    """Apply one event to the counts."""
    match event:
        case ev.Opened(policy=policy):
            return Ledger(policy=policy, charging_date_ms=policy.charging_date_ms)
        case ev.Subscribed(free=free):
            return replace(ledger, subscribed=True, free_left=ledger.free_left + free)
        case ev.Posted(amount_fen=amount_fen):
            return replace(ledger, balance_fen=ledger.balance_fen + amount_fen)
        case ev.Bought(count=count, paid_fen=paid_fen):
            return replace(
                ledger,
                bought=ledger.bought + count,
                purchased_left=ledger.purchased_left + count,
                balance_fen=ledger.balance_fen - paid_fen,
            )
        case ev.Granted(count=count):
            return replace(
                ledger, granted=ledger.granted + count, purchased_left=ledger.purchased_left + count
            )
        case ev.ChargingDateSet(at_ms=at_ms):
            return replace(ledger, charging_date_ms=at_ms)  # entitlements given stay (P5)
        case ev.Allocated(purchased=purchased, free=free):
            return replace(
                ledger,
                purchased_left=ledger.purchased_left - purchased,
                free_left=ledger.free_left - free,
            )
        case ev.Bound(source=EntitlementSource.PURCHASED):
            return replace(ledger, purchased_left=ledger.purchased_left - 1)
        case ev.Bound(source=EntitlementSource.FREE):
            return replace(ledger, free_left=ledger.free_left - 1)
        case ev.Bound() | ev.Ended():
            return ledger  # nothing comes back (P2, P9)
        case _:
            assert_never(event)


def replay(journal: Iterable[ev.JournalEvent]) -> Book:
    """Make an account's book from its journal, from nothing (I6)."""
    ledger = Ledger()
    entitlements: dict[DeviceId, Entitlement] = {}
    for event in journal:
        ledger = evolve(ledger, event)
        if isinstance(event, ev.Bound):
            assert event.device_id not in entitlements, "I3: a device ID has at most one entitlement, ever"
            entitlements[event.device_id] = Entitlement(source=event.source, task_id=event.task_id)
        elif isinstance(event, ev.Ended):
            entitlements[event.device_id] = replace(entitlements[event.device_id], valid=False)
    return Book(ledger=ledger, entitlements=entitlements)
