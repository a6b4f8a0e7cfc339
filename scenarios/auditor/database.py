"""The audit of a platform's database: its journal replayed, its tables held against that and against each other.

Reads a closed database or one in use, in one consistent view, and writes nothing. What is checked is listed in
`findings.CHECKED`. Knows the tables and the rules, and nothing of the code that fills them.
"""

import sqlite3
from pathlib import Path

import msgspec

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.operator import Policy
from scenarios.auditor.checks import CHECKS, ENTITLED, JOURNAL, UNBOUND_TASKS, UNENTITLED_JOBS
from scenarios.auditor.findings import AuditReport, Findings
from scenarios.auditor.replay import Account, Replay
from scenarios.auditor.snapshot import find_database, open_snapshot
from scenarios.auditor.time_checks import TIME_CHECKS

_ACCOUNTS = """
    SELECT account_id, opened_ms, policy, subscribed, balance_fen, bought, granted, purchased_left, free_left,
           charging_date_ms
    FROM accounts ORDER BY account_id
"""
# The column, and the rule that is broken when it is not what the journal gives.
_COLUMNS = (
    ("opened_ms", "I6"),
    ("policy", "I6"),
    ("subscribed", "I6"),
    ("balance_fen", "I5"),
    ("bought", "I6"),
    ("granted", "I6"),
    ("purchased_left", "I1"),
    ("free_left", "I2"),
    ("charging_date_ms", "I6"),
)


def audit_database(place: Path | DatabaseUrl, now_ms: int | None = None) -> AuditReport:
    """Audit a data folder, the database file in it, or a schema in PostgreSQL.

    `now_ms` is the real time when its platform is running: what is due by then must have been done.
    UsageFault: there is none, or none of ours. EnvironmentFault: it is locked, damaged or unreadable.
    """
    place = place if isinstance(place, DatabaseUrl) else find_database(place)
    findings = Findings()
    with open_snapshot(place) as conn:
        replay = Replay(findings)
        replay.feed(conn.execute(JOURNAL))
        _check_accounts(conn, replay.accounts, findings)
        _check_entitled(conn, replay.accounts, findings)
        _check_unentitled(conn, replay.accounts, findings)
        _check_needed(conn, replay.accounts, findings)
        for rule, sql in (*CHECKS, *TIME_CHECKS):
            for where, expected, seen in conn.execute(sql, {"now": now_ms}):
                findings.add(rule, where, expected, seen)
        return AuditReport(
            path=place,
            accounts=_count(conn, "accounts"),
            rows=_count(conn, "journal"),
            entitlements=_count(conn, "entitlements"),
            devices=_count(conn, "devices"),
            tasks=_count(conn, "tasks"),
            jobs=_count(conn, "jobs"),
            findings=findings.kept(),
            counts=dict(findings.counts),
        )


def _check_accounts(conn: sqlite3.Connection, replayed: dict[int, Account], findings: Findings) -> None:
    """Hold each account's row against what its journal gives (I6)."""
    unseen = set(replayed)
    for account_id, *values in conn.execute(_ACCOUNTS):
        unseen.discard(account_id)
        account = replayed.get(account_id)
        if account is None:
            findings.add("I6", f"account {account_id}", "an `opened` line in the journal", "none")
            continue
        for (column, rule), value in zip(_COLUMNS, values, strict=True):
            expected, seen = getattr(account, column), _policy(value) if column == "policy" else value
            if seen != expected:
                findings.add(rule, f"account {account_id}", f"{column} {_shown(expected)}", _shown(seen))
    for account_id in sorted(unseen):
        findings.add("I6", f"account {account_id}", "a row: its journal opens it", "none")


def _check_entitled(conn: sqlite3.Connection, replayed: dict[int, Account], findings: Findings) -> None:
    """Hold the entitlements against what was bought, granted and given (I1, I2), without the journal's bindings."""
    held = {(account_id, source): count for account_id, source, count in conn.execute(ENTITLED)}
    for account_id, account in replayed.items():
        purchased, free = held.get((account_id, "purchased"), 0), held.get((account_id, "free"), 0)
        licences, given = (
            account.bought + account.granted,
            account.policy.free_devices if account.subscribed else 0,
        )
        if purchased > licences:
            findings.add(
                "I1", f"account {account_id}", f"at most {licences} purchased entitlements", purchased
            )
        if free > given:
            findings.add("I2", f"account {account_id}", f"at most {given} free entitlements", free)


def _check_unentitled(conn: sqlite3.Connection, replayed: dict[int, Account], findings: Findings) -> None:
    """Find jobs without an entitlement that nothing excuses (I4)."""
    for task_id, account_id, created_ms, count, device_id in conn.execute(UNENTITLED_JOBS):
        if not _is_excused(replayed.get(account_id), created_ms):
            expected = f"an entitlement from {created_ms} or before"
            findings.add(
                "I4", f"task {task_id}", expected, f"none for {count} devices, the first is {device_id}"
            )


def _check_needed(conn: sqlite3.Connection, replayed: dict[int, Account], findings: Findings) -> None:
    """Find tasks that bound another number than they needed, which nothing excuses (B11)."""
    for task_id, account_id, created_ms, needed, deducted, grandfathered in conn.execute(UNBOUND_TASKS):
        is_short = not deducted and needed > grandfathered
        if not (is_short and _is_excused(replayed.get(account_id), created_ms)):
            findings.add("B11", f"task {task_id}", f"needed {deducted + grandfathered}", f"needed {needed}")


def _is_excused(account: Account | None, created_ms: int) -> bool:
    """Whether a task may have jobs without entitlement: free at the time, and free for life only by a success (P3)."""
    if account is None or account.policy.grandfathered_when != "update_succeeded":
        return False
    return account.may_have_been_free(created_ms)


def _policy(text: object) -> object:
    """Read a policy's row; what is none is shown as it stands."""
    try:
        return msgspec.json.decode(text, type=Policy) if isinstance(text, str) else text
    except msgspec.DecodeError:
        return text


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, Policy) else repr(value)


def _count(conn: sqlite3.Connection, table: str) -> int:
    count: int = conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
    return count
