"""Products, devices, and what happened to them."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.ids import AccountId
from platform_stub.store.dialect import Pile
from platform_stub.store.schema import (
    AnyRow,
    accounts,
    devices,
    entitlements,
    jobs,
    products,
    tasks,
    timeline,
)

NAMES_AT_ONCE = 1_000

_BY_ADDRESS = select(devices).where(
    devices.c.product_id == bindparam("product"),
    devices.c.name == bindparam("name"),
    devices.c.terminated_ms.is_(None),
)
_BY_ID = select(devices).where(devices.c.device_id == bindparam("id"))
_NOTE = Pile(timeline.insert(), ("device_id", "tid", "at_ms", "what", "detail"))
_PRODUCT = select(products).where(products.c.product_id == bindparam("id"))


def add_product(
    conn: Connection, *, product_id: str, account_id: AccountId, name: str, access_key: str
) -> None:
    """Enter a product."""
    values = {"product_id": product_id, "account_id": account_id, "name": name, "access_key": access_key}
    conn.execute(products.insert().values(values))


def load_product(conn: Connection, product_id: str) -> AnyRow | None:
    """Read a product."""
    return conn.execute(_PRODUCT, {"id": product_id}).one_or_none()


def load_products(conn: Connection, account_id: int) -> Sequence[AnyRow]:
    """Read an account's products."""
    query = select(products).where(products.c.account_id == account_id).order_by(products.c.product_id)
    return conn.execute(query).all()


def load_by_address(conn: Connection, product_id: str, name: str) -> AnyRow | None:
    """Read the living device of a name in a product."""
    return conn.execute(_BY_ADDRESS, {"product": product_id, "name": name}).one_or_none()


def load(conn: Connection, device_id: int) -> AnyRow | None:
    """Read a device, living or terminated."""
    return conn.execute(_BY_ID, {"id": device_id}).one_or_none()


def taken_names(conn: Connection, product_id: str, names: Sequence[str]) -> list[str]:
    """Find which of some names living devices of a product have."""
    query = select(devices.c.name).where(
        devices.c.product_id == product_id,
        devices.c.name.in_(bindparam("names", expanding=True)),
        devices.c.terminated_ms.is_(None),
    )
    taken: list[str] = []
    for at in range(0, len(names), NAMES_AT_ONCE):
        taken += conn.execute(query, {"names": names[at : at + NAMES_AT_ONCE]}).scalars()
    return sorted(taken)


def used_ids(conn: Connection, device_ids: Sequence[int]) -> list[int]:
    """Find which of some IDs are or were a device's: rows are never deleted (P12)."""
    query = select(devices.c.device_id).where(devices.c.device_id.in_(bindparam("ids", expanding=True)))
    used: list[int] = []
    for at in range(0, len(device_ids), NAMES_AT_ONCE):
        used += conn.execute(query, {"ids": device_ids[at : at + NAMES_AT_ONCE]}).scalars()
    return sorted(used)


def add(conn: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Enter devices; answers their IDs, in the rows' order.

    A row whose `device_id` is None is numbered, above all that are there and all that the others bring (P12).
    """
    highest = select(func.coalesce(func.max(devices.c.device_id), 0))  # rows are never deleted
    high = max(conn.execute(highest).scalar_one(), *(row["device_id"] or 0 for row in rows))
    following = itertools.count(high + 1)
    for row in rows:
        if row["device_id"] is None:
            row["device_id"] = next(following)
    conn.execute(devices.insert(), rows)
    return [row["device_id"] for row in rows]


def known_ids(conn: Connection, device_ids: Sequence[int]) -> set[int]:
    """Find which of some IDs devices have, or had."""
    query = select(devices.c.device_id).where(devices.c.device_id.in_(bindparam("ids", expanding=True)))
    known: set[int] = set()
    for at in range(0, len(device_ids), NAMES_AT_ONCE):
        known.update(conn.execute(query, {"ids": device_ids[at : at + NAMES_AT_ONCE]}).scalars())
    return known


def load_page(conn: Connection, account_id: int, after: int, limit: int) -> Sequence[AnyRow]:
    """Read a page of an account's devices by ascending ID."""
    query = select(devices).where(devices.c.account_id == account_id, devices.c.device_id > after)
    return conn.execute(query.order_by(devices.c.device_id).limit(limit)).all()


def load_addresses(conn: Connection, after: int, limit: int) -> list[tuple[int, str, str]]:
    """Read a page of all living devices by ascending ID: ID, product ID, name."""
    query = (
        select(devices.c.device_id, devices.c.product_id, devices.c.name)
        .where(devices.c.device_id > after, devices.c.terminated_ms.is_(None))
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    return [(row.device_id, row.product_id, row.name) for row in conn.execute(query)]


def stream_living(conn: Connection, account_id: int) -> Iterator[AnyRow]:
    """Read all living devices of an account by ascending ID, a thousand at a time."""
    after = 0
    while page := load_page(conn, account_id, after, 1_000):
        yield from (row for row in page if row.terminated_ms is None)
        after = page[-1].device_id


def change(conn: Connection, device_id: int, **values: Any) -> None:
    """Write some columns of one device."""
    conn.execute(devices.update().where(devices.c.device_id == device_id).values(**values))


def load_entitlement(conn: Connection, device_id: int) -> AnyRow | None:
    """Read a device's entitlement."""
    return conn.execute(select(entitlements).where(entitlements.c.device_id == device_id)).one_or_none()


def note(conn: Connection, rows: list[dict[str, Any]]) -> None:
    """Add timeline entries: device_id, tid, at_ms, what, detail."""
    _NOTE.run(conn, rows)


def note_one(conn: Connection, device_id: int, at_ms: int, what: str, detail: str) -> None:
    """Add one timeline entry that is about no job."""
    note(conn, [{"device_id": device_id, "tid": None, "at_ms": at_ms, "what": what, "detail": detail}])


def load_timeline(conn: Connection, device_id: int) -> Sequence[AnyRow]:
    """Read what happened to a device, oldest first."""
    query = select(timeline).where(timeline.c.device_id == device_id).order_by(timeline.c.entry_id)
    return conn.execute(query).all()


def last_entry(conn: Connection, device_id: int) -> AnyRow | None:
    """Read what was last noted on a device's timeline."""
    query = select(timeline).where(timeline.c.device_id == device_id).order_by(timeline.c.entry_id.desc())
    return conn.execute(query.limit(1)).one_or_none()


def count_versions(conn: Connection, product_id: str, *, kind: UpdateKind) -> Sequence[AnyRow]:
    """Count a product's living devices by version, the most frequent first."""
    version = devices.c.f_version if kind is UpdateKind.FOTA else devices.c.s_version
    count = func.count()
    query = (
        select(version.label("version"), count.label("devices"))
        .where(devices.c.product_id == product_id, devices.c.terminated_ms.is_(None))
        .group_by(version)
        .order_by(count.desc(), version.nulls_first())
    )
    return conn.execute(query).all()


def load_jobs(conn: Connection, device_id: int) -> Sequence[AnyRow]:
    """Read a device's jobs with their tasks' facts, oldest first."""
    facts = (
        tasks.c.created_ms,
        tasks.c.starts_ms,
        tasks.c.target,
        tasks.c.account_id,
        tasks.c.package_id,
        accounts.c.clock_offset_ms,
    )
    query = (
        select(jobs, *facts)
        .join(tasks, tasks.c.task_id == jobs.c.task_id)
        .join(accounts, accounts.c.account_id == tasks.c.account_id)
        .where(jobs.c.device_id == device_id)
        .order_by(jobs.c.tid)
    )
    return conn.execute(query).all()
