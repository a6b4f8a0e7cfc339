"""The journal replayed from nothing, and what must hold at each of its lines.

Pure: takes rows, gives the accounts as they must stand (I6) and findings. What needs tables beside the journal is in
`checks`. Money is in fen, times are unix milliseconds on the account's clock.
Source: charging rules, section 3, and B1, B2, B5, B7, B13, B16, P1-P5, P10, P11.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from platform_stub.protocol.operator import Policy
from scenarios.auditor.findings import Findings
from scenarios.auditor.runs import Row, Run, read_runs

_POLICY = msgspec.json.Decoder(Policy)


@dataclass(slots=True, kw_only=True)
class Account:
    """One account, as its journal leaves it."""

    opened_ms: int
    policy: Policy
    charging_date_ms: int | None
    subscribed: bool = False
    balance_fen: int = 0
    bought: int = 0
    granted: int = 0
    purchased_left: int = 0
    free_left: int = 0
    dates: list[tuple[int, int | None]] = field(default_factory=list)  # from when on, which charging date

    def charges(self, at_ms: int) -> bool:
        """Whether the rules charge at this moment, by the date in force now: from exactly the date on (P4)."""
        return self.charging_date_ms is not None and at_ms >= self.charging_date_ms

    def may_have_been_free(self, at_ms: int) -> bool:
        """Whether a moment in the past was before the charging date in force then.

        A date announced in the same millisecond may have come before or after: both are considered.
        """
        before = [date for since_ms, date in self.dates if since_ms < at_ms][-1:]
        dates = before + [date for since_ms, date in self.dates if since_ms == at_ms]
        return any(date is None or at_ms < date for date in dates)


@dataclass(slots=True)
class Replay:
    """Replays a journal: `accounts` holds what comes out."""

    findings: Findings
    accounts: dict[int, Account] = field(default_factory=dict)

    def feed(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Take in all well-formed lines of a journal, by ascending `seq`."""
        for entry in read_runs(rows):
            if isinstance(entry, Row) and entry.kind == "opened":
                self._open(entry)
                continue
            account = self.accounts.get(entry.account_id)
            if account is None:
                self.findings.add(
                    "I6", _at(entry), "the account's `opened` line first", "a line before it, or without"
                )
            elif isinstance(entry, Run):
                self._bind(account, entry)
            else:
                self._apply(account, entry)

    def _open(self, row: Row) -> None:
        if row.account_id in self.accounts:
            self.findings.add("I6", _at(row), "an account is opened once", "opened again")
            return
        try:
            policy = _POLICY.decode(row.note or "")
        except msgspec.DecodeError as exc:
            self.findings.add("I6", _at(row), "the policy at opening", f"not a policy: {exc}")
            return
        date = policy.charging_date_ms
        self.accounts[row.account_id] = Account(
            opened_ms=row.at_ms, policy=policy, charging_date_ms=date, dates=[(row.at_ms, date)]
        )

    def _apply(self, account: Account, row: Row) -> None:
        count, amount_fen = row.quantity or 0, row.amount_fen or 0
        match row.kind:
            case "subscribed":
                self._subscribe(account, row, count)
            case "posted":
                account.balance_fen += amount_fen
            case "bought":
                self._buy(account, row, count, amount_fen)
            case "granted":
                account.granted += count
                account.purchased_left += count
            case "charging_date":
                account.charging_date_ms = None if row.note == "none" else int(row.note or 0)
                account.dates.append((row.at_ms, account.charging_date_ms))
            case _:  # ended: its device is looked at in the tables
                pass

    def _subscribe(self, account: Account, row: Row, free: int) -> None:
        if account.subscribed:
            self.findings.add("B5", _at(row), "free licences come once", f"{free} more")
        elif free != account.policy.free_devices:
            self.findings.add("I2", _at(row), f"{account.policy.free_devices} free licences", free)
        account.subscribed = True
        account.free_left += free

    def _buy(self, account: Account, row: Row, count: int, paid_fen: int) -> None:
        price_fen = count * account.policy.price_fen
        if paid_fen != price_fen:
            self.findings.add("B2", _at(row), f"{price_fen} fen for {count} licences", f"{paid_fen} fen")
        if account.balance_fen < 0 and account.charges(row.at_ms):
            self.findings.add("B16", _at(row), "no purchase in arrears", f"balance {account.balance_fen} fen")
        elif account.balance_fen < paid_fen:
            self.findings.add(
                "B2", _at(row), f"a balance of {paid_fen} fen", f"{account.balance_fen} fen"
            )  # P11
        account.balance_fen -= paid_fen
        account.bought += count
        account.purchased_left += count

    def _bind(self, account: Account, run: Run) -> None:
        if not account.subscribed:
            self.findings.add("B5", _at(run), "subscribed before a binding", "not subscribed")
        late = run.source == "grandfathered" and account.policy.grandfathered_when == "update_succeeded"  # P3
        if not late:
            self._check_creation(account, run)
        if run.source == "grandfathered":
            if account.charges(run.at_ms):
                self.findings.add(
                    "B7", _at(run), f"charged from {account.charging_date_ms} on", f"free at {run.at_ms}"
                )
            return
        self._check_charge(account, run)
        if run.source == "purchased":
            account.purchased_left -= run.count
        else:
            account.free_left -= run.count

    def _check_creation(self, account: Account, run: Run) -> None:
        """Check what holds for bindings that are made with their task."""
        available = account.purchased_left + account.free_left
        if run.opens_task and run.available is not None and run.available != available:
            self.findings.add("B13", f"task {run.task_id}", f"available {available}", run.available)
        if run.unordered_at is not None:
            where = f"account {run.account_id}, journal {run.unordered_at}"
            self.findings.add("P1", where, "ascending device IDs within a task", "a lower or equal one")

    def _check_charge(self, account: Account, run: Run) -> None:
        """Check a run of purchased or free licences."""
        if not account.charges(run.at_ms):
            date = account.charging_date_ms
            since = "no charging date" if date is None else f"free before {date}"
            self.findings.add("B1", _at(run), since, f"{run.source} at {run.at_ms}")
        elif account.balance_fen < 0:
            self.findings.add("B16", _at(run), "no creation in arrears", f"balance {account.balance_fen} fen")
        self._check_pools(account, run)

    def _check_pools(self, account: Account, run: Run) -> None:
        purchased, free = account.purchased_left, account.free_left
        own, other = (purchased, free) if run.source == "purchased" else (free, purchased)
        if run.count > own:
            rule = "I1" if run.source == "purchased" else "I2"
            self.findings.add(rule, _at(run), f"at most {max(own, 0)} {run.source} licences bound", run.count)
        goes_first = account.policy.deduction_order == f"{run.source}_first"
        if not goes_first and other > 0:
            self.findings.add(
                "P1", _at(run), f"{account.policy.deduction_order}: {other} of those first", run.source
            )


def _at(entry: Row | Run) -> str:
    return f"account {entry.account_id}, journal {entry.seq}"
