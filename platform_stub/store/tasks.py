"""Creating a task in a handful of statements, whatever its size, and reading tasks and jobs back.

The devices stand in the scratch table `chosen` (see `dialect`). The statements that bind entitlements write
the rows that `rules.licensing.expand` names, in its order; a test holds the two equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
)

from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.protocol.ids import AccountId, PackageId, TaskId
from platform_stub.protocol.operator import Notification, Policy, Retry, Scope
from platform_stub.rules import events as ev
from platform_stub.rules.jobs import Signal, end_of
from platform_stub.rules.licensing import allocation_order
from platform_stub.store.dialect import chosen, insert_one, last_seq
from platform_stub.store.schema import AnyRow, entitlements, is_open, jobs, journal, tasks, timeline

_CANCELLED = int(end_of(Signal.CANCELLED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a task says besides its package and its devices; a retry carries it on."""

    name: str
    start_versions: tuple[str | None, ...] | None  # None: any
    expires_after_ms: int
    retry: Retry | None
    signal_min: int
    battery_min: int
    notification: Notification
    verification: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task that was decided, to be written."""

    account_id: AccountId
    package_id: PackageId
    kind: UpdateKind
    target: str
    start_version: str | None
    scope: Scope
    starts_ms: int
    settings: Settings
    retry_of: TaskId | None


def create(
    conn: Connection,
    new: NewTask,
    policy: Policy,
    allocated: ev.Allocated,
    *,
    now_ms: int,
    device_count: int,
    needed: int,
    available: int,
) -> TaskId:
    """Write a decided task: its row, entitlements and their journal, and jobs, ascending by device ID."""
    deducted = allocated.purchased + allocated.free
    settings = new.settings
    retry = settings.retry
    values = {
        "account_id": new.account_id,
        "package_id": new.package_id,
        "kind": int(new.kind),
        "target": new.target,
        "name": settings.name,
        "created_ms": now_ms,
        "starts_ms": new.starts_ms,
        "expires_ms": new.starts_ms + settings.expires_after_ms,
        "retry_of": new.retry_of,
        "scope": new.scope,
        "start_version": new.start_version,
        "start_versions": _spell_versions(settings.start_versions),
        "notification": settings.notification,
        "signal_min": settings.signal_min,
        "battery_min": settings.battery_min,
        "retry_count": 0 if retry is None else retry.count,
        "retry_interval_s": 0 if retry is None else retry.interval_s,
        "verification": settings.verification,
        "device_count": device_count,
        "needed": needed,
        "available": available,
        "deducted_purchased": allocated.purchased,
        "deducted_free": allocated.free,
        "grandfathered": allocated.grandfathered,
        "left_after": available - deducted,
    }
    task_id = TaskId(insert_one(conn, tasks.insert().values(values)))
    if deducted or allocated.grandfathered:
        bind(conn, new.account_id, task_id, policy, allocated, now_ms)
    conn.execute(
        insert(jobs).from_select(
            ["task_id", "device_id", "kind", "state", "updated_ms"],
            select(
                literal(task_id),
                chosen.c.device_id,
                literal(int(new.kind)),
                literal(int(JobState.PENDING)),
                literal(now_ms),
            ).order_by(chosen.c.device_id),
        )
    )
    return task_id


def bind(
    conn: Connection,
    account_id: AccountId,
    task_id: TaskId,
    policy: Policy,
    allocated: ev.Allocated,
    now_ms: int,
) -> None:
    """Bind an entitlement to each chosen device without one, by ascending ID: journal first, then table."""
    before = last_seq(conn)
    number = func.row_number().over(order_by=chosen.c.device_id)
    first, second, third = allocation_order(policy, allocated)
    source = case(
        (number <= first[1], first[0].value),
        (number <= first[1] + second[1], second[0].value),
        else_=third[0].value,
    )
    unentitled = chosen.outerjoin(entitlements, entitlements.c.device_id == chosen.c.device_id)
    conn.execute(
        insert(journal).from_select(
            ["seq", "account_id", "at_ms", "kind", "task_id", "device_id", "source"],
            select(
                literal(before) + number,
                literal(account_id),
                literal(now_ms),
                literal("bound"),
                literal(task_id),
                chosen.c.device_id,
                source,
            )
            .select_from(unentitled)
            .where(entitlements.c.device_id.is_(None))
            .order_by(chosen.c.device_id),
        )
    )
    conn.execute(
        insert(entitlements).from_select(
            ["device_id", "account_id", "source", "task_id", "obtained_ms"],
            select(
                journal.c.device_id,
                journal.c.account_id,
                journal.c.source,
                journal.c.task_id,
                journal.c.at_ms,
            ).where(journal.c.seq > before, journal.c.task_id == task_id, journal.c.kind == "bound"),
        )
    )


def _spell_versions(versions: tuple[str | None, ...] | None) -> str | None:
    return None if versions is None else msgspec.json.encode(versions).decode()


_VERSIONS = msgspec.json.Decoder(tuple[str | None, ...])


def read_settings(row: AnyRow) -> Settings:
    """Read a task's settings from its row."""
    retry = Retry(count=row.retry_count, interval_s=row.retry_interval_s) if row.retry_count else None
    return Settings(
        name=row.name,
        start_versions=None if row.start_versions is None else _VERSIONS.decode(row.start_versions),
        expires_after_ms=row.expires_ms - row.starts_ms,
        retry=retry,
        signal_min=row.signal_min,
        battery_min=row.battery_min,
        notification=row.notification,
        verification=row.verification,
    )


_TASK = select(tasks).where(tasks.c.task_id == bindparam("id"))
_COUNTS = select(jobs.c.state, func.count()).where(jobs.c.task_id == bindparam("id")).group_by(jobs.c.state)


def load(conn: Connection, task_id: int) -> AnyRow | None:
    """Read a task's row."""
    return conn.execute(_TASK, {"id": task_id}).one_or_none()


def device_counts(conn: Connection, task_ids: Sequence[int]) -> dict[int, int]:
    """Read how many devices some tasks have."""
    query = select(tasks.c.task_id, tasks.c.device_count).where(tasks.c.task_id.in_(task_ids))
    return {row[0]: row[1] for row in conn.execute(query)}


def load_page(conn: Connection, account_id: int, before: int | None, limit: int) -> Sequence[AnyRow]:
    """Read an account's tasks, newest first, below a task id."""
    query = select(tasks).where(tasks.c.account_id == account_id)
    if before is not None:
        query = query.where(tasks.c.task_id < before)
    return conn.execute(query.order_by(tasks.c.task_id.desc()).limit(limit)).all()


def is_open_task(conn: Connection, task_id: int) -> bool:
    """Whether any job of a task is open."""
    return (
        conn.execute(select(jobs.c.tid).where(jobs.c.task_id == task_id, is_open).limit(1)).first()
        is not None
    )


def job_counts(conn: Connection, task_id: int) -> dict[JobState, int]:
    """Count a task's jobs by state."""
    return {JobState(state): count for state, count in conn.execute(_COUNTS, {"id": task_id})}


def job_counts_of(conn: Connection, task_ids: Sequence[int]) -> dict[int, dict[JobState, int]]:
    """Count the jobs of several tasks by state."""
    query = (
        select(jobs.c.task_id, jobs.c.state, func.count())
        .where(jobs.c.task_id.in_(task_ids))
        .group_by(jobs.c.task_id, jobs.c.state)
    )
    counts: dict[int, dict[JobState, int]] = {task_id: {} for task_id in task_ids}
    for task_id, state, count in conn.execute(query):
        counts[task_id][JobState(state)] = count
    return counts


def has_open_verification(conn: Connection, package_id: int) -> bool:
    """Whether a verification of the package is under way."""
    query = (
        select(jobs.c.tid)
        .join(tasks, tasks.c.task_id == jobs.c.task_id)
        .where(tasks.c.package_id == package_id, tasks.c.verification, is_open)
    )
    return conn.execute(query.limit(1)).first() is not None


def load_job(conn: Connection, tid: int) -> AnyRow | None:
    """Read a job's row."""
    return conn.execute(select(jobs).where(jobs.c.tid == tid)).one_or_none()


def has_open_job(conn: Connection, device_id: int, kind: UpdateKind) -> bool:
    """Whether a device has an open job of a kind (P8)."""
    query = select(jobs.c.tid).where(jobs.c.device_id == device_id, jobs.c.kind == int(kind), is_open)
    return conn.execute(query).first() is not None


def has_job_of_package(conn: Connection, device_id: int, package_id: int) -> bool:
    """Whether a device has, or had, a job by which it was to get a package."""
    query = (
        select(jobs.c.tid)
        .join(tasks, tasks.c.task_id == jobs.c.task_id)
        .where(jobs.c.device_id == device_id, tasks.c.package_id == package_id)
    )
    return conn.execute(query.limit(1)).first() is not None


def load_jobs(
    conn: Connection, task_id: int, state: JobState | None, after: int, limit: int
) -> Sequence[AnyRow]:
    """Read a page of a task's jobs by ascending tid."""
    query = select(jobs).where(jobs.c.task_id == task_id, jobs.c.tid > after)
    if state is not None:
        query = query.where(jobs.c.state == int(state))
    return conn.execute(query.order_by(jobs.c.tid).limit(limit)).all()


def cancel_open_jobs(conn: Connection, task_id: int, now_ms: int) -> int:
    """Cancel a task's open jobs (P9); answers how many."""
    return _cancel(conn, and_(jobs.c.task_id == task_id, is_open), now_ms)


def cancel_job(conn: Connection, tid: int, now_ms: int) -> None:
    """Cancel one open job (P9)."""
    _cancel(conn, and_(jobs.c.tid == tid, is_open), now_ms)


def cancel_jobs_of_device(conn: Connection, device_id: int, now_ms: int) -> list[int]:
    """Cancel a terminated device's open jobs (P9); answers the task of each."""
    where = and_(jobs.c.device_id == device_id, is_open)
    task_ids = list(conn.execute(select(jobs.c.task_id).where(where)).scalars())
    _cancel(conn, where, now_ms)
    return task_ids


def _cancel(conn: Connection, where: ColumnElement[bool], now_ms: int) -> int:
    """Move open jobs as `rules.jobs` has it for CANCELLED: from every open state."""
    return conn.execute(jobs.update().where(where).values(state=_CANCELLED, updated_ms=now_ms)).rowcount


def mark_cancelled(conn: Connection, task_id: int, now_ms: int) -> None:
    """Enter that the operator cancelled a task."""
    conn.execute(tasks.update().where(tasks.c.task_id == task_id).values(cancelled_ms=now_ms))


def mark_paused(conn: Connection, task_id: int, paused_ms: int | None) -> None:
    """Enter since when a task is paused; None: it goes on."""
    conn.execute(tasks.update().where(tasks.c.task_id == task_id).values(paused_ms=paused_ms))


def note_open_jobs(conn: Connection, task_id: int, now_ms: int, what: str) -> None:
    """Note on the timeline of each device with an open job of a task what happened to it."""
    note_jobs(conn, and_(jobs.c.task_id == task_id, is_open), now_ms, what)


def note_jobs(
    conn: Connection, where: ColumnElement[bool], now_ms: int, what: str, detail: str | None = None
) -> None:
    """Note the same of many jobs, each on its device's timeline."""
    rows = select(jobs.c.device_id, jobs.c.tid, literal(now_ms), literal(what), literal(detail))
    columns = ["device_id", "tid", "at_ms", "what", "detail"]
    conn.execute(insert(timeline).from_select(columns, rows.where(where).order_by(jobs.c.tid)))


def count_grandfathered(conn: Connection, task_id: int) -> None:
    """Enter that one more device was grandfathered by a task (P3, `update_succeeded`)."""
    conn.execute(
        tasks.update().where(tasks.c.task_id == task_id).values(grandfathered=tasks.c.grandfathered + 1)
    )


def grandfathered_by_account(conn: Connection) -> dict[int, int]:
    """Count the devices that tasks grandfathered, for every account that has a task."""
    query = select(tasks.c.account_id, func.sum(tasks.c.grandfathered)).group_by(tasks.c.account_id)
    return {row[0]: int(row[1]) for row in conn.execute(query)}


def total_grandfathered(conn: Connection, account_id: int) -> int:
    """Count the devices that an account's tasks grandfathered."""
    query = select(func.coalesce(func.sum(tasks.c.grandfathered), 0)).where(tasks.c.account_id == account_id)
    return int(conn.execute(query).scalar_one())
