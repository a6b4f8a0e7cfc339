"""What an audit found, and the report made of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platform_stub.database_url import DatabaseUrl

FINDINGS_KEPT_MAX: Final = 20
"""Findings kept for each rule; beyond it they are only counted."""

CHECKED: Final[Mapping[str, str]] = {
    "I1": "purchased licences left = bought + granted - bound, never negative",
    "I2": "free licences left = free licences - bound, never negative",
    "I3": "a device has at most one entitlement, ever, and it never changes",
    "I4": "every job's device had its entitlement when the job was created",
    "I5": "balances are the sum of their postings, in whole fen",
    "I6": "the journal, replayed from nothing, gives the accounts and entitlements to the last row",
    "I7": "what was answered is there",
    "B1": "nothing is charged before the charging date",
    "B2": "licences are bought at their price, from a balance that covers it",
    "B5": "nothing is done before subscribing",
    "B7": "from the charging date on, an unlicensed device costs a licence",
    "B10": "a terminated device's entitlement has ended, and only its",
    "B11": "what a task deducted is what is bound to it, all at its creation",
    "B13": "a task that was created needed no more than there was",
    "B16": "nothing is bought or bound in arrears",
    "P1": "licences go in their order, to devices by ascending ID",
    "P6": "a task has one job a device",
    "P7": "no job of a device that was terminated before",
    "P8": "a device has at most one open job of a kind",
    "P9": "a terminated device and a cancelled task have no open jobs",
    "P10": "an open job has time left, or arrears hold it",
    "P15": "a scheduled task's jobs are pending until its start",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule does not hold."""

    rule: str
    where: str
    expected: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was looked at, and what was found.

    `findings` holds at most FINDINGS_KEPT_MAX a rule, in the order of CHECKED; `counts` has the full number for
    each rule that has any.
    """

    path: Path | DatabaseUrl
    accounts: int
    rows: int
    entitlements: int
    devices: int
    tasks: int
    jobs: int
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether all that was checked holds."""
        return not self.counts


class Findings:
    """Collects findings; keeps the first ones of each rule and counts all."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: dict[str, list[Finding]] = {rule: [] for rule in CHECKED}

    def add(self, rule: str, where: str, expected: object, seen: object) -> None:
        """Note one."""
        self.counts[rule] += 1
        kept = self._kept[rule]
        if len(kept) < FINDINGS_KEPT_MAX:
            kept.append(Finding(rule=rule, where=where, expected=str(expected), seen=str(seen)))

    def kept(self) -> tuple[Finding, ...]:
        """Give those kept, rule by rule."""
        return tuple(finding for findings in self._kept.values() for finding in findings)
