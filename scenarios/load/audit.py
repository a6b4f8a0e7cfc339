"""The audit after a load: the charging rules held against the platform's database, or against its journals over HTTP.

What a journal alone can tell is less than what a database can: it says what was bought, granted and bound (I1, I2, I3,
I5, I6), not which jobs there are.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol import operator as api
from platform_stub.protocol.errors import OtaSimError
from scenarios.auditor import AuditReport, audit_database
from scenarios.auditor.findings import CHECKED, Finding, Findings
from scenarios.auditor.replay import Replay
from scenarios.auditor.snapshot import find_database, open_snapshot
from scenarios.load.result import Audit, AuditFinding
from scenarios.operator import HttpOperator, OperatorFault
from scenarios.show.wording import counted

KEPT: Final = 20
_FIELDS: Final = (
    ("balance_fen", "I5"),
    ("bought", "I6"),
    ("granted", "I6"),
    ("purchased_left", "I1"),
    ("free_left", "I2"),
)


def not_audited(why: str) -> Audit:
    """Say that nothing was held against the rules, and why."""
    return Audit(audited=False, how=why)


async def audit_place(place: Path | DatabaseUrl, *, is_running: bool) -> Audit:
    """Audit a data folder or a database, of a stub that runs or one that ended."""
    now_ms = time.time_ns() // 1_000_000 if is_running else None
    try:
        report = await asyncio.to_thread(audit_database, place, now_ms)
    except OtaSimError as exc:
        return not_audited(str(exc))
    return _of_report(report)


async def audit_elsewhere(
    place: Path | DatabaseUrl, operator: HttpOperator, account_ids: Sequence[int]
) -> tuple[Audit, str]:
    """Audit the database of a platform that others started, and say what is wrong with it when it is not its own."""
    try:
        entries = await operator.journal(account_ids[0], 0)
        is_its_own = not entries or await asyncio.to_thread(_has, place, account_ids[0], entries[-1])
    except OtaSimError as exc:
        return not_audited(str(exc)), ""
    if not is_its_own:
        why = (
            f"{place} is not what the platform at --url keeps: journal line {entries[-1].seq:,} is not in it"
        )
        return not_audited("the database is another platform's"), why
    return await audit_place(place, is_running=True), ""


def _has(place: Path | DatabaseUrl, account_id: int, entry: api.JournalEntry) -> bool:
    query = "SELECT count(*) FROM journal WHERE seq = ? AND account_id = ? AND at_ms = ?"
    file = find_database(place) if isinstance(place, Path) else place
    with open_snapshot(file) as database:
        row = database.execute(query, (entry.seq, account_id, entry.at_ms)).fetchone()
    return bool(row[0])


def _of_report(report: AuditReport) -> Audit:
    how = (
        f"I1-I7 and {len(CHECKED) - 7} rules more on {counted(report.rows, 'journal line')}, "
        f"{counted(report.tasks, 'task')}, {counted(report.jobs, 'job')}"
    )
    return Audit(
        audited=True,
        how=how,
        findings=_findings(report.findings),
        findings_count=sum(report.counts.values()),
    )


async def audit_journals(operator: HttpOperator, account_ids: Sequence[int]) -> Audit:
    """Audit accounts by their journals over HTTP."""
    findings, rows = Findings(), 0
    try:
        for account_id in account_ids:
            entries = await operator.journal(account_id, 0)
            account = await operator.account(account_id)
            rows += len(entries)
            await asyncio.to_thread(_replay, account, entries, findings)
    except OperatorFault as exc:
        return not_audited(f"the journal can't be read: {exc}")
    how = f"I1-I3, I5 and I6 on {counted(rows, 'journal line')} of the run's accounts, read over HTTP"
    return Audit(
        audited=True,
        how=how,
        findings=_findings(findings.kept()),
        findings_count=sum(findings.counts.values()),
    )


def _replay(account: api.Account, entries: Sequence[api.JournalEntry], findings: Findings) -> None:
    """Replay a journal, and hold the account as it says it stands against that."""
    replay = Replay(findings)
    replay.feed(_row(account.account_id, entry) for entry in entries)
    where = f"account {account.account_id}"
    replayed = replay.accounts.get(account.account_id)
    if replayed is None:
        findings.add("I6", where, "an `opened` line in the journal", "none")
        return
    stands = {"balance_fen": account.balance_fen} | {
        name: getattr(account.licences, name) for name, _ in _FIELDS[1:]
    }
    for name, rule in _FIELDS:
        wanted = getattr(replayed, name)
        if stands[name] != wanted:
            findings.add(rule, where, f"{name} {wanted}", stands[name])
    bound = [entry for entry in entries if entry.kind == "bound"]
    twice = len(bound) - len({entry.device_id for entry in bound})
    if twice:
        findings.add("I3", where, "each device is bound once", f"{twice} are bound again")
    held = account.licences
    entitled = held.entitled_purchased + held.entitled_free + held.entitled_grandfathered
    if entitled != len(bound):
        findings.add("I6", where, f"{len(bound)} entitlements", entitled)


def _row(account_id: int, entry: api.JournalEntry) -> tuple[object, ...]:
    return (
        entry.seq, account_id, entry.at_ms, entry.kind, entry.task_id, entry.device_id, entry.source, entry.count,
        entry.amount_fen, entry.note, None,
    )  # fmt: skip


def _findings(found: Iterable[Finding]) -> tuple[AuditFinding, ...]:
    return tuple(
        AuditFinding(rule=each.rule, where=each.where, expected=each.expected, seen=each.seen)
        for each in list(found)[:KEPT]
    )
