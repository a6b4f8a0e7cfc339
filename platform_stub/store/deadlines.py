"""Deadlines of jobs: which are over, how arrears move them, and what is left to wait for.

A job's deadline is its task's `expires_ms` plus how long arrears held it (P10). All statements are set-based:
a task of a million devices expires in a handful of them. Times are unix milliseconds on the account's clock.
"""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from platform_stub.protocol.codes import STEP_EXPIRED, JobState
from platform_stub.rules.jobs import Signal, end_of
from platform_stub.store.schema import AnyRow, is_open, jobs, tasks
from platform_stub.store.tasks import note_jobs

_EXPIRED = end_of(Signal.EXPIRED)
_IS_PENDING = jobs.c.state == int(JobState.PENDING)
_HELD_MS = func.coalesce(jobs.c.held_ms, 0)

_LIVE = select(
    tasks.c.task_id, tasks.c.account_id, tasks.c.starts_ms, tasks.c.expires_ms, tasks.c.device_count
).where(
    tasks.c.cancelled_ms.is_(None),
    exists(select(literal(1)).select_from(jobs).where(jobs.c.task_id == tasks.c.task_id, is_open)),
)


def load_live(conn: Connection, account_id: int | None = None) -> Sequence[AnyRow]:
    """Read the tasks that have an open job, of one account or of all, with their times."""
    query = _LIVE if account_id is None else _LIVE.where(tasks.c.account_id == account_id)
    return conn.execute(query.order_by(tasks.c.task_id)).all()


def expire(conn: Connection, task: AnyRow, now_ms: int, held_since_ms: int | None) -> int:
    """Fail the task's open jobs whose deadline is over, with step 208; answers how many.

    While arrears hold (`held_since_ms`), of the pending jobs only those go that were due before.
    """
    overdue = now_ms - task.expires_ms >= _HELD_MS
    if held_since_ms is not None:
        was_due = min(now_ms, held_since_ms) - task.expires_ms >= _HELD_MS
        overdue = or_(and_(_IS_PENDING, was_due), and_(~_IS_PENDING, overdue))
    where = and_(jobs.c.task_id == task.task_id, is_open, overdue)
    note_jobs(conn, where, now_ms, "expired", _EXPIRED.name.lower())
    moved = jobs.update().where(where).values(state=int(_EXPIRED), step=STEP_EXPIRED, updated_ms=now_ms)
    return conn.execute(moved).rowcount


def next_deadline(conn: Connection, task: AnyRow, held_since_ms: int | None) -> int | None:
    """Find when the task's next job is due; None when no clock runs for any of them."""
    waiting: ColumnElement[bool] = and_(jobs.c.task_id == task.task_id, is_open)
    if held_since_ms is not None:
        waiting = and_(waiting, ~_IS_PENDING)
    held_ms = conn.execute(select(func.min(_HELD_MS)).where(waiting)).scalar_one()
    return None if held_ms is None else int(task.expires_ms) + int(held_ms)


_SINCE = bindparam("b_since", type_=BigInteger)
_NOW = bindparam("b_now", type_=BigInteger)
_WAITED_MS = (
    select(_NOW - case((tasks.c.starts_ms > _SINCE, tasks.c.starts_ms), else_=_SINCE))
    .where(tasks.c.task_id == jobs.c.task_id)
    .scalar_subquery()
)
_OF_ACCOUNT = select(tasks.c.task_id).where(
    tasks.c.account_id == bindparam("b_account"),
    tasks.c.cancelled_ms.is_(None),
    tasks.c.starts_ms < _NOW,
)
_WAS_DUE = exists(
    select(literal(1))
    .select_from(tasks)
    .where(tasks.c.task_id == jobs.c.task_id, tasks.c.expires_ms + _HELD_MS <= _SINCE)
)
_LENGTHEN = (
    jobs.update()
    .where(jobs.c.task_id.in_(_OF_ACCOUNT), _IS_PENDING, ~_WAS_DUE)
    .values(held_ms=_HELD_MS + _WAITED_MS)
)


def lengthen(conn: Connection, account_id: int, since_ms: int, now_ms: int) -> int:
    """Add the length of a hold that ends to the account's pending jobs, from their start on at the earliest (P10).

    A job that was due before the hold began keeps its deadline. Answers how many jobs were held.
    """
    parameters = {"b_account": account_id, "b_since": since_ms, "b_now": now_ms}
    return conn.execute(_LENGTHEN, parameters).rowcount
