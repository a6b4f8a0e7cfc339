"""One account on paper: its pools, its money, and the decision on a task's licences.

Money is in fen, times are unix milliseconds. Source: charging rules, section 3, I1, I2, P1, P3, P4, P10.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from platform_stub.protocol.codes import EntitlementSource
from platform_stub.protocol.operator import ErrorCode, Licences, Policy

PURCHASED, FREE, GRANDFATHERED = (
    EntitlementSource.PURCHASED,
    EntitlementSource.FREE,
    EntitlementSource.GRANDFATHERED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an action must answer. `reason` is None when it succeeds, else the code of the operator API's error.

    The counts belong to task creations. `needed`, `available` and `left` are set when the creation got as far as
    counting licences: created, or refused for LICENCES_INSUFFICIENT. `offenders` are the devices of a P7 or P8
    refusal, all of them, ascending; `task` is the book's own number of a created task.
    """

    reason: ErrorCode | None = None
    task: int | None = None
    device_count: int = 0
    needed: int = 0
    available: int = 0
    deducted_purchased: int = 0
    deducted_free: int = 0
    grandfathered: int = 0
    left: int = 0
    offenders: tuple[Hashable, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the action succeeds."""
        return self.reason is None

    @property
    def deducted(self) -> int:
        """Licences taken from the pools."""
        return self.deducted_purchased + self.deducted_free

    @property
    def missing(self) -> int:
        """Licences short (B13); 0 unless they are the reason."""
        return self.needed - self.available if self.reason is ErrorCode.LICENCES_INSUFFICIENT else 0


@dataclass(slots=True, kw_only=True)
class Holder:
    """One account: its policy, money and licences."""

    policy: Policy
    charging_date_ms: int | None
    subscribed: bool = False
    balance_fen: int = 0
    bought: int = 0
    granted: int = 0
    held_since_ms: int | None = None  # since when arrears hold pending jobs (P10)
    entitled: Counter[EntitlementSource] = field(default_factory=Counter)

    @property
    def purchased_left(self) -> int:
        """Bought and granted licences that no device has (I1)."""
        return self.bought + self.granted - self.entitled[PURCHASED]

    @property
    def free_left(self) -> int:
        """Free licences that no device has (I2)."""
        return (self.policy.free_devices if self.subscribed else 0) - self.entitled[FREE]

    def charges(self, now_ms: int) -> bool:
        """Whether the rules charge now: from exactly the charging date on (B1, P4)."""
        return self.charging_date_ms is not None and now_ms >= self.charging_date_ms

    def is_stopped_by_arrears(self, now_ms: int) -> bool:
        """Whether arrears stop it now: only from the charging date on (B16, P10)."""
        return self.balance_fen < 0 and self.charges(now_ms)

    def cost(self, device_count: int, needed: int, now_ms: int) -> Prediction:
        """Decide on the licences of a task that nothing else refuses (section 3 of the rules)."""
        purchased, free = self.purchased_left, self.free_left
        counted = Prediction(
            device_count=device_count, needed=needed, available=purchased + free, left=purchased + free
        )
        if not self.charges(now_ms):
            at_once = self.policy.grandfathered_when == "job_created"  # P3
            return replace(counted, grandfathered=needed if at_once else 0)
        if needed > purchased + free:
            return replace(counted, reason=ErrorCode.LICENCES_INSUFFICIENT)  # B13
        if self.policy.deduction_order == "purchased_first":  # P1
            from_purchased = min(needed, purchased)
        else:
            from_purchased = needed - min(needed, free)
        return replace(
            counted,
            deducted_purchased=from_purchased,
            deducted_free=needed - from_purchased,
            left=purchased + free - needed,
        )

    def sources(self, cost: Prediction) -> list[EntitlementSource]:
        """Give the sources of what a task binds, in the order of ascending device IDs (P1)."""
        purchased, free = [PURCHASED] * cost.deducted_purchased, [FREE] * cost.deducted_free
        first = purchased + free if self.policy.deduction_order == "purchased_first" else free + purchased
        return first + [GRANDFATHERED] * cost.grandfathered

    def licences(self) -> Licences:
        """What the account and its devices hold, in the operator API's words."""
        return Licences(
            bought=self.bought,
            granted=self.granted,
            purchased_left=self.purchased_left,
            free_left=self.free_left,
            left=self.purchased_left + self.free_left,
            entitled_purchased=self.entitled[PURCHASED],
            entitled_free=self.entitled[FREE],
            entitled_grandfathered=self.entitled[GRANDFATHERED],
        )
