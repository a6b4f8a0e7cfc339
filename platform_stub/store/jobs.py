"""Jobs in motion: the statements of a batch of reports, and the look-ups behind the devices' calls.

A look-up is one statement, whatever it joins; what is read of an account tells its clock and whether its
arrears hold (P10).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, null, select

from platform_stub.protocol.codes import JobState
from platform_stub.store.dialect import Bulk, Glance, Page, Sweep
from platform_stub.store.schema import (
    AnyRow,
    accounts,
    devices,
    entitlements,
    is_open,
    job_tokens,
    jobs,
    packages,
    products,
    tasks,
)

_JOB = (
    jobs.c.tid,
    jobs.c.task_id,
    jobs.c.device_id,
    jobs.c.kind,
    jobs.c.state,
    jobs.c.step,
    jobs.c.held_ms,
)
_OF_ITS_TASK = (
    tasks.c.account_id,
    tasks.c.package_id,
    tasks.c.target,
    tasks.c.verification,
    tasks.c.starts_ms,
    tasks.c.expires_ms,
    tasks.c.paused_ms,
    tasks.c.start_version,
    tasks.c.notification,
    packages.c.size_bytes,
    packages.c.md5,
    packages.c.manufacturer,
    packages.c.model,
)
FACTS = (
    select(*_JOB, *_OF_ITS_TASK)
    .join(tasks, tasks.c.task_id == jobs.c.task_id)
    .join(packages, packages.c.package_id == tasks.c.package_id)
)
"""A job with what its task and package say."""
TASK_FACTS = (
    select(tasks.c.task_id, *_OF_ITS_TASK)
    .select_from(tasks)
    .join(packages, packages.c.package_id == tasks.c.package_id)
)
"""What a task and its package say of each of its jobs; `service.casebook` takes the columns in this order."""
_TASK_FACTS = Sweep(TASK_FACTS, tasks.c.task_id)
_DEVICES = Sweep(
    select(
        devices.c.device_id,
        devices.c.f_version,
        devices.c.s_version,
        jobs.c.tid,
        jobs.c.task_id,
        jobs.c.kind,
        jobs.c.state,
        jobs.c.step,
        jobs.c.held_ms,
    )
    .select_from(devices)
    .outerjoin(jobs, and_(jobs.c.device_id == devices.c.device_id, is_open)),
    devices.c.device_id,
)
_CARDS = Sweep(select(devices.c.device_id, devices.c.iccid, devices.c.imsi), devices.c.device_id)
_BY_TIDS = Sweep(select(*_JOB), jobs.c.tid)
_OPEN_OF_DEVICES = Sweep(FACTS.where(is_open).order_by(jobs.c.tid), jobs.c.device_id)
_OF_TASK = Page(
    FACTS.where(
        jobs.c.task_id == bindparam("task"),
        jobs.c.state == bindparam("state"),
        jobs.c.tid > bindparam("after"),
    )
    .order_by(jobs.c.tid)
    .limit(bindparam("limit"))
)
_MOVE = Bulk(
    jobs.update()
    .where(jobs.c.tid == bindparam("b_tid"))
    .values(state=bindparam("b_state"), step=bindparam("b_step"), updated_ms=bindparam("b_now"))
)
_STEP = Bulk(
    jobs.update()
    .where(jobs.c.tid == bindparam("b_tid"))
    .values(step=bindparam("b_step"), updated_ms=bindparam("b_now"))
)
_FIRMWARE = Bulk(
    devices.update().where(devices.c.device_id == bindparam("b_id")).values(f_version=bindparam("b_v"))
)
_SOFTWARE = Bulk(
    devices.update().where(devices.c.device_id == bindparam("b_id")).values(s_version=bindparam("b_v"))
)
_CARD = (
    devices.update()
    .where(devices.c.device_id == bindparam("b_id"))
    .values(iccid=bindparam("b_iccid"), imsi=bindparam("b_imsi"))
)
_CALLER = (
    select(
        devices.c.device_id,
        devices.c.product_id,
        devices.c.name,
        devices.c.key,
        products.c.access_key.label("product_key"),
        accounts.c.account_id,
        accounts.c.access_key.label("account_key"),
        accounts.c.clock_offset_ms,
    )
    .select_from(devices)
    .join(products, products.c.product_id == devices.c.product_id)
    .join(accounts, accounts.c.account_id == devices.c.account_id)
    .where(devices.c.terminated_ms.is_(None))
)
_CALLER_BY_ADDRESS = Glance(
    _CALLER.where(devices.c.product_id == bindparam("product"), devices.c.name == bindparam("name"))
)
_CALLER_BY_ID = Glance(_CALLER.where(devices.c.device_id == bindparam("id")))
_STANDING = (
    jobs.c.tid,
    jobs.c.device_id,
    jobs.c.kind,
    jobs.c.state,
    jobs.c.step,
    jobs.c.held_ms,
    tasks.c.package_id,
    tasks.c.starts_ms,
    tasks.c.expires_ms,
    tasks.c.paused_ms,
    accounts.c.clock_offset_ms,
    accounts.c.balance_fen,
    accounts.c.charging_date_ms,
    accounts.c.held_since_ms,
    case((accounts.c.balance_fen < 0, accounts.c.policy)).label("policy"),  # wanted only then
)
_BY_TID = Glance(
    select(*_STANDING)
    .select_from(jobs)
    .join(tasks, tasks.c.task_id == jobs.c.task_id)
    .join(accounts, accounts.c.account_id == tasks.c.account_id)
    .where(jobs.c.tid == bindparam("tid"))
)
_GOOD_TOKEN = (
    select(job_tokens.c.token)
    .where(job_tokens.c.tid == jobs.c.tid, job_tokens.c.issued_ms > bindparam("issued_after"))
    .order_by(job_tokens.c.issued_ms.desc())
    .limit(1)
    .scalar_subquery()
    .label("token")
)
_OPEN_OF_KIND = (
    select(
        devices.c.f_version,
        devices.c.s_version,
        *_STANDING,
        tasks.c.target,
        tasks.c.start_version,
        tasks.c.signal_min,
        tasks.c.battery_min,
        tasks.c.retry_count,
        tasks.c.retry_interval_s,
        packages.c.size_bytes,
        packages.c.md5,
        packages.c.manufacturer,
        packages.c.model,
    )
    .select_from(devices)
    .outerjoin(jobs, and_(jobs.c.device_id == devices.c.device_id, jobs.c.kind == bindparam("kind"), is_open))
    .outerjoin(tasks, tasks.c.task_id == jobs.c.task_id)
    .outerjoin(packages, packages.c.package_id == tasks.c.package_id)
    .outerjoin(accounts, accounts.c.account_id == tasks.c.account_id)
    .where(devices.c.device_id == bindparam("id"))
)
_OPEN = Glance(_OPEN_OF_KIND.add_columns(null().label("token")))
_OPEN_WITH_TOKEN = Glance(_OPEN_OF_KIND.add_columns(_GOOD_TOKEN))
_VERSIONS_OF_ONE = Glance(
    select(devices.c.f_version, devices.c.s_version).where(devices.c.device_id == bindparam("id"))
)
_LAST_OF_KIND = Glance(
    select(jobs.c.state, jobs.c.step)
    .where(jobs.c.device_id == bindparam("id"), jobs.c.kind == bindparam("kind"))
    .order_by(jobs.c.tid.desc())
    .limit(1)
)
_TOKEN = Glance(
    select(job_tokens.c.tid, job_tokens.c.device_id, job_tokens.c.issued_ms).where(
        job_tokens.c.token == bindparam("token")
    )
)
_ISSUED = Sweep(
    select(job_tokens.c.tid, func.max(job_tokens.c.issued_ms).label("issued_ms")).group_by(job_tokens.c.tid),
    job_tokens.c.tid,
)


def load_devices(conn: Connection, device_ids: Collection[int]) -> Sequence[AnyRow]:
    """Read the versions of some devices, each with one of its open jobs a row, or with none (`tid` is None)."""
    return _DEVICES.all(conn, device_ids)


def load_task_facts(conn: Connection, task_ids: Collection[int]) -> Sequence[AnyRow]:
    """Read what some tasks and their packages say of their jobs."""
    return _TASK_FACTS.all(conn, task_ids)


def load_by_tids(conn: Connection, tids: Collection[int]) -> Sequence[AnyRow]:
    """Read some jobs."""
    return _BY_TIDS.all(conn, tids)


def load_open_of_devices(conn: Connection, device_ids: Collection[int]) -> Sequence[AnyRow]:
    """Read the open jobs of some devices, oldest first."""
    return _OPEN_OF_DEVICES.all(conn, device_ids)


def load_of_task(conn: Connection, task_id: int, state: JobState, after: int, limit: int) -> Sequence[AnyRow]:
    """Read a page of a task's jobs in a state by ascending tid."""
    return _OF_TASK.all(conn, {"task": task_id, "state": int(state), "after": after, "limit": limit})


def find_caller(conn: Connection, product_id: str, name: str) -> AnyRow | None:
    """Look up the living device of an address with the keys that may speak for it, and its account's clock."""
    found: AnyRow | None = _CALLER_BY_ADDRESS.one(conn, {"product": product_id, "name": name})
    return found


def find_caller_by_id(conn: Connection, device_id: int) -> AnyRow | None:
    """Look up a living device as `find_caller` does."""
    found: AnyRow | None = _CALLER_BY_ID.one(conn, {"id": device_id})
    return found


def find_job(conn: Connection, tid: int) -> AnyRow | None:
    """Look up where a job stands, and what its account and task hold it by."""
    found: AnyRow | None = _BY_TID.one(conn, {"tid": tid})
    return found


def find_open(
    conn: Connection, device_id: int, kind: int, issued_after_ms: int | None = None
) -> AnyRow | None:
    """Look up a device's versions and its open job of a kind: `tid` is None when it has none.

    `token` is the newest of the job's tokens that was issued after the time given, None without a time.
    """
    parameters = {"id": device_id, "kind": int(kind)}
    found: AnyRow | None
    if issued_after_ms is None:
        found = _OPEN.one(conn, parameters)
    else:
        found = _OPEN_WITH_TOKEN.one(conn, parameters | {"issued_after": issued_after_ms})
    return found


def find_last(conn: Connection, device_id: int, kind: int) -> AnyRow | None:
    """Look up state and step of the latest job of a kind that a device had."""
    found: AnyRow | None = _LAST_OF_KIND.one(conn, {"id": device_id, "kind": kind})
    return found


def find_versions(conn: Connection, device_id: int) -> AnyRow | None:
    """Look up the versions that a device last reported."""
    found: AnyRow | None = _VERSIONS_OF_ONE.one(conn, {"id": device_id})
    return found


def find_token(conn: Connection, token: str) -> AnyRow | None:
    """Look up a job token: its job, the device it was given to, and when."""
    found: AnyRow | None = _TOKEN.one(conn, {"token": token})
    return found


def load_issued(conn: Connection, tids: Collection[int]) -> dict[int, int]:
    """Read when some jobs' newest tokens were issued."""
    return {row[0]: row[1] for row in _ISSUED.all(conn, tids)}


def add_tokens(conn: Connection, rows: list[dict[str, Any]]) -> None:
    """Enter job tokens: token, tid, device_id, issued_ms."""
    if rows:
        conn.execute(job_tokens.insert(), rows)


def load_cards(conn: Connection, device_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Read (ICCID, IMSI) of some devices."""
    return {row[0]: (row[1], row[2]) for row in _CARDS.all(conn, device_ids)}


def is_entitled(conn: Connection, device_id: int) -> bool:
    """Whether the device has an entitlement."""
    query = select(entitlements.c.device_id).where(entitlements.c.device_id == device_id)
    return conn.execute(query).first() is not None


def move(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write jobs' new states: b_tid, b_state, b_step, b_now."""
    _MOVE.run(conn, rows)


def step(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write steps of jobs that stay in their state, a third of the price: b_tid, b_step, b_now. No index has them."""
    _STEP.run(conn, rows)


def set_versions(conn: Connection, firmware: dict[int, str], software: dict[int, str]) -> None:
    """Write versions by device ID."""
    for bulk, versions in ((_FIRMWARE, firmware), (_SOFTWARE, software)):
        bulk.run(conn, [{"b_id": device, "b_v": version} for device, version in versions.items()])


def set_cards(conn: Connection, cards: dict[int, tuple[str, str]]) -> None:
    """Write (ICCID, IMSI) by device ID."""
    if cards:
        rows = [{"b_id": device, "b_iccid": card[0], "b_imsi": card[1]} for device, card in cards.items()]
        conn.execute(_CARD, rows)
