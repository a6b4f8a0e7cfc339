"""Rows of webhooks and of their deliveries. `due_ms` is real time; the other times are the account's."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, Text, cast, delete, func, insert, select, update

from platform_stub.store.dialect import insert_one
from platform_stub.store.schema import AnyRow, deliveries, jobs, tasks, webhooks

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"


def load(conn: Connection, account_id: int) -> AnyRow | None:
    """Find an account's webhook."""
    return conn.execute(select(webhooks).where(webhooks.c.account_id == account_id)).one_or_none()


def save(conn: Connection, account_id: int, url: str, token: str, checked_ms: int) -> None:
    """Enter an account's webhook, in place of the one it had."""
    conn.execute(delete(webhooks).where(webhooks.c.account_id == account_id))
    conn.execute(insert(webhooks).values(account_id=account_id, url=url, token=token, checked_ms=checked_ms))


def redirect_pending(conn: Connection, account_id: int, url: str, token: str, due_ms: int) -> None:
    """Let an account's pending deliveries go to another receiver, at once."""
    conn.execute(
        update(deliveries)
        .where(deliveries.c.account_id == account_id, deliveries.c.state == PENDING)
        .values(url=url, token=token, due_ms=due_ms)
    )


def remove(conn: Connection, account_id: int, why: str) -> None:
    """Remove an account's webhook; its pending deliveries fail."""
    conn.execute(delete(webhooks).where(webhooks.c.account_id == account_id))
    conn.execute(
        update(deliveries)
        .where(deliveries.c.account_id == account_id, deliveries.c.state == PENDING)
        .values(state=FAILED, due_ms=None, last_error=why)
    )


def add_delivery(conn: Connection, webhook: AnyRow, task_id: int, created_ms: int, due_ms: int) -> int:
    """Enter the push of a task."""
    return insert_one(
        conn,
        deliveries.insert().values(
            account_id=webhook.account_id,
            task_id=task_id,
            url=webhook.url,
            token=webhook.token,
            created_ms=created_ms,
            state=PENDING,
            attempts=0,
            due_ms=due_ms,
        ),
    )


def load_due(
    conn: Connection, now_ms: int, *, under_way: Collection[int], accounts: Collection[int], limit: int
) -> Sequence[AnyRow]:
    """List deliveries that are due, the longest due first, but for those under way and of some accounts."""
    query = (
        select(deliveries)
        .where(
            deliveries.c.state == PENDING,
            deliveries.c.due_ms <= now_ms,
            deliveries.c.delivery_id.not_in(under_way),
            deliveries.c.account_id.not_in(accounts),
        )
        .order_by(deliveries.c.due_ms, deliveries.c.delivery_id)
        .limit(limit)
    )
    return conn.execute(query).all()


def next_due_ms(conn: Connection, now_ms: int) -> int | None:
    """Tell when the next delivery falls due that is not due yet; None when there is none."""
    query = select(func.min(deliveries.c.due_ms)).where(
        deliveries.c.state == PENDING, deliveries.c.due_ms > now_ms
    )
    due_ms: int | None = conn.execute(query).scalar_one()
    return due_ms


def load_pushed_task(conn: Connection, task_id: int) -> AnyRow:
    """Load what a push says of its task."""
    query = select(tasks.c.starts_ms, tasks.c.target, tasks.c.device_count)
    return conn.execute(query.where(tasks.c.task_id == task_id)).one()


def join_device_ids(conn: Connection, task_id: int) -> str:
    """Join a task's device IDs by commas, ascending, in the database: a million rows cost no Python objects."""
    ordered = (
        select(cast(jobs.c.device_id, Text).label("text"))
        .where(jobs.c.task_id == task_id)
        .order_by(jobs.c.device_id)
        .subquery()
    )
    return str(conn.execute(select(func.aggregate_strings(ordered.c.text, ","))).scalar_one() or "")


def note_attempt(
    conn: Connection,
    delivery_id: int,
    *,
    state: str,
    due_ms: int | None,
    status: int | None,
    error: str | None,
) -> None:
    """Note what an attempt came to; one that was given up meanwhile stays given up."""
    conn.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.state == PENDING)
        .values(
            state=state,
            attempts=deliveries.c.attempts + 1,
            due_ms=due_ms,
            last_status=status,
            last_error=error,
        )
    )


def load_page(conn: Connection, account_id: int, after: int, limit: int) -> Sequence[AnyRow]:
    """List an account's deliveries by ascending id."""
    query = (
        select(deliveries)
        .where(deliveries.c.account_id == account_id, deliveries.c.delivery_id > after)
        .order_by(deliveries.c.delivery_id)
        .limit(limit)
    )
    return conn.execute(query).all()
