"""Why a command is refused, in the order of P16. A refusal is an answer, not a failure."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

OFFENDERS_SHOWN: Final = 20
"""How many offending ids an error names (P7); the rest is counted."""

TEXT_ZH: Final = "License余量不足"
TEXT_EN: Final = "remaining licenses are insufficient"


class Reason(IntEnum):
    """A smaller number is judged first (P16)."""

    IDEMPOTENCY_CONFLICT = 1  # P13
    MALFORMED = 2
    NOT_SUBSCRIBED = 3  # B5
    ARREARS = 4  # B16, P10
    PACKAGE_UNKNOWN = 5
    PACKAGE_NOT_VERIFIED = 6
    DEVICES_UNUSABLE = 7  # P7
    DEVICES_BUSY = 8  # P8
    LICENCES_INSUFFICIENT = 9  # B13
    BALANCE_INSUFFICIENT = 10  # P11
    NOT_REFUNDABLE = 11  # B15
    ALREADY_SUBSCRIBED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Offenders:
    """Devices that stand in a task's way: how many, and the first by ascending ID, each with its why."""

    count: int = 0
    first: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason, and the numbers that belong to it: licences for B13, fen for P11."""

    reason: Reason
    needed: int = 0
    available: int = 0
    offenders: Offenders = field(default_factory=Offenders)

    @property
    def missing(self) -> int:
        """How many more would have been enough."""
        return max(0, self.needed - self.available)
