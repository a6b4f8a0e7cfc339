"""Jobs in motion: the statements of a batch of reports, and the look-up behind a download."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from platform_stub.protocol.codes import JobState
from platform_stub.store.dialect import Glance
from platform_stub.store.schema import (
    AnyRow,
    accounts,
    devices,
    entitlements,
    is_open,
    jobs,
    packages,
    products,
    tasks,
)

_FACTS = (
    select(
        jobs.c.tid,
        jobs.c.task_id,
        jobs.c.device_id,
        jobs.c.kind,
        jobs.c.state,
        jobs.c.step,
        tasks.c.account_id,
        tasks.c.package_id,
        tasks.c.target,
        tasks.c.verification,
        packages.c.size_bytes,
        packages.c.md5,
    )
    .join(tasks, tasks.c.task_id == jobs.c.task_id)
    .join(packages, packages.c.package_id == tasks.c.package_id)
)
_OF_DEVICES = devices.c.device_id.in_(bindparam("devices", expanding=True))
_VERSIONS = select(devices.c.device_id, devices.c.f_version, devices.c.s_version).where(_OF_DEVICES)
_CARDS = select(devices.c.device_id, devices.c.iccid, devices.c.imsi).where(_OF_DEVICES)
_BY_TIDS = _FACTS.where(jobs.c.tid.in_(bindparam("tids", expanding=True)))
_OPEN_OF_DEVICES = _FACTS.where(jobs.c.device_id.in_(bindparam("devices", expanding=True)), is_open).order_by(
    jobs.c.tid
)
_PENDING_OF_TASK = _FACTS.where(
    jobs.c.task_id == bindparam("task"),
    jobs.c.state == int(JobState.PENDING),
    jobs.c.tid > bindparam("after"),
).order_by(jobs.c.tid)
_MOVE = (
    jobs.update()
    .where(jobs.c.tid == bindparam("b_tid"))
    .values(state=bindparam("b_state"), step=bindparam("b_step"), updated_ms=bindparam("b_now"))
)
_FIRMWARE = (
    devices.update().where(devices.c.device_id == bindparam("b_id")).values(f_version=bindparam("b_v"))
)
_SOFTWARE = (
    devices.update().where(devices.c.device_id == bindparam("b_id")).values(s_version=bindparam("b_v"))
)
_CARD = (
    devices.update()
    .where(devices.c.device_id == bindparam("b_id"))
    .values(iccid=bindparam("b_iccid"), imsi=bindparam("b_imsi"))
)
_DOWNLOAD = Glance(
    select(
        devices.c.device_id,
        devices.c.key,
        products.c.access_key.label("product_key"),
        accounts.c.account_id,
        accounts.c.access_key.label("account_key"),
        jobs.c.tid,
        jobs.c.state,
        jobs.c.device_id.label("job_device_id"),
        tasks.c.package_id,
        tasks.c.account_id.label("task_account_id"),
    )
    .select_from(devices)
    .join(products, products.c.product_id == devices.c.product_id)
    .join(accounts, accounts.c.account_id == devices.c.account_id)
    .outerjoin(jobs, jobs.c.tid == bindparam("tid"))
    .outerjoin(tasks, tasks.c.task_id == jobs.c.task_id)
    .where(
        devices.c.product_id == bindparam("product"),
        devices.c.name == bindparam("name"),
        devices.c.terminated_ms.is_(None),
    )
)


def load_by_tids(conn: Connection, tids: Collection[int]) -> Sequence[AnyRow]:
    """Read jobs with the facts of their tasks and packages."""
    return conn.execute(_BY_TIDS, {"tids": list(tids)}).all() if tids else ()


def load_open_of_devices(conn: Connection, device_ids: Collection[int]) -> Sequence[AnyRow]:
    """Read the open jobs of some devices, oldest first."""
    return conn.execute(_OPEN_OF_DEVICES, {"devices": list(device_ids)}).all() if device_ids else ()


def load_pending_of_task(conn: Connection, task_id: int, after: int, limit: int) -> Sequence[AnyRow]:
    """Read a page of a task's pending jobs by ascending tid."""
    return conn.execute(_PENDING_OF_TASK.limit(limit), {"task": task_id, "after": after}).all()


def load_download(conn: Connection, product_id: str, name: str, tid: int) -> AnyRow | None:
    """Read what a download is judged by: the living device of that address, its keys, and the job of that tid.

    None when there is no such device; `tid` is None when there is no such job, and `job_device_id` may be
    another device's.
    """
    found: AnyRow | None = _DOWNLOAD.one(conn, {"product": product_id, "name": name, "tid": tid})
    return found


def load_versions(conn: Connection, device_ids: Collection[int]) -> dict[int, tuple[str | None, str | None]]:
    """Read (firmware, software) versions of some devices."""
    return _by_device(conn, _VERSIONS, device_ids)


def load_cards(conn: Connection, device_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Read (ICCID, IMSI) of some devices."""
    return _by_device(conn, _CARDS, device_ids)


def _by_device(
    conn: Connection, query: Select[*tuple[Any, ...]], device_ids: Collection[int]
) -> dict[int, tuple[Any, Any]]:
    if not device_ids:
        return {}
    return {row[0]: (row[1], row[2]) for row in conn.execute(query, {"devices": list(device_ids)})}


def is_entitled(conn: Connection, device_id: int) -> bool:
    """Whether the device has an entitlement."""
    query = select(entitlements.c.device_id).where(entitlements.c.device_id == device_id)
    return conn.execute(query).first() is not None


def move(conn: Connection, rows: list[dict[str, Any]]) -> None:
    """Write jobs' new states: b_tid, b_state, b_step, b_now."""
    if rows:
        conn.execute(_MOVE, rows)


def set_versions(conn: Connection, firmware: dict[int, str], software: dict[int, str]) -> None:
    """Write versions by device ID."""
    if firmware:
        conn.execute(_FIRMWARE, [{"b_id": device, "b_v": version} for device, version in firmware.items()])
    if software:
        conn.execute(_SOFTWARE, [{"b_id": device, "b_v": version} for device, version in software.items()])


def set_cards(conn: Connection, cards: dict[int, tuple[str, str]]) -> None:
    """Write (ICCID, IMSI) by device ID."""
    if cards:
        rows = [{"b_id": device, "b_iccid": card[0], "b_imsi": card[1]} for device, card in cards.items()]
        conn.execute(_CARD, rows)
