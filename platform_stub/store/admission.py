"""Who may be in a task, and what that needs: set-based over the scratch table `chosen` (see `dialect`).

A statement starts from the chosen devices and looks each up, whatever the tables' size. Source: P6-P8, B14.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, exists, func, literal, or_, select

from platform_stub.protocol.codes import UpdateKind
from platform_stub.rules.refusals import OFFENDERS_SHOWN, Offenders
from platform_stub.store.dialect import choose_by, chosen
from platform_stub.store.schema import devices, entitlements, is_open, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What a device must be to be in a task (P7)."""

    account_id: int
    product_id: str
    kind: UpdateKind
    target: str
    start_version: str | None = None  # of a differential package
    start_versions: tuple[str | None, ...] | None = None
    must_have_reported: bool = False  # a verification's device


def count_chosen(conn: Connection) -> int:
    """Count the distinct devices of the task (P6)."""
    return int(conn.execute(select(func.count()).select_from(chosen)).scalar_one())


def count_needed(conn: Connection) -> int:
    """Count the chosen devices without an entitlement: what the task needs (B14)."""
    query = (
        select(func.count())
        .select_from(chosen.outerjoin(entitlements, entitlements.c.device_id == chosen.c.device_id))
        .where(entitlements.c.device_id.is_(None))
    )
    return int(conn.execute(query).scalar_one())


def choose_all(conn: Connection, admission: Admission) -> None:
    """Fill the scratch table with every living device that may be in the task."""
    version = _version(admission.kind)
    query = select(devices.c.device_id).where(
        devices.c.account_id == admission.account_id,
        devices.c.product_id == admission.product_id,
        devices.c.terminated_ms.is_(None),
        or_(version.is_(None), version != admission.target),
        *(~refused for refused, _ in _version_whys(admission)),
    )
    choose_by(conn, query.order_by(devices.c.device_id))


def _version(kind: UpdateKind) -> ColumnElement[str]:
    return devices.c.f_version if kind is UpdateKind.FOTA else devices.c.s_version


def _version_whys(admission: Admission) -> list[tuple[ColumnElement[bool], str]]:
    """Say which reported versions keep a device out, besides the target."""
    version = _version(admission.kind)
    whys: list[tuple[ColumnElement[bool], str]] = []
    if admission.start_version is not None:
        differs = func.coalesce(version, "") != admission.start_version
        whys.append((differs, f"not at the start version {admission.start_version}"))
    if admission.start_versions is not None:
        named = [start for start in admission.start_versions if start is not None]
        # "" is no version, so it can stand for "never reported"
        wanted = [*named, ""] if None in admission.start_versions else named
        whys.append((func.coalesce(version, "").not_in(wanted), "not at a start version"))
    if admission.must_have_reported:
        whys.append((version.is_(None), "has never reported a version"))
    return whys


def find_unusable(conn: Connection, admission: Admission) -> Offenders:
    """Find the chosen devices that can't be in the task, each with its why (P7)."""
    whys: list[tuple[ColumnElement[bool], str]] = [
        (devices.c.device_id.is_(None), "unknown"),
        (devices.c.terminated_ms.is_not(None), "terminated"),
        (devices.c.account_id != admission.account_id, "another account's"),
        (devices.c.product_id != admission.product_id, "another product's"),
        (_version(admission.kind) == admission.target, "already at the target version"),
        *_version_whys(admission),
    ]
    joined = chosen.outerjoin(devices, devices.c.device_id == chosen.c.device_id)
    bad = or_(*(condition for condition, _ in whys))
    count = conn.execute(select(func.count()).select_from(joined).where(bad)).scalar_one()
    if not count:
        return Offenders()
    shown = (
        select(chosen.c.device_id, case(*whys))
        .select_from(joined)
        .where(bad)
        .order_by(chosen.c.device_id)
        .limit(OFFENDERS_SHOWN)
    )
    return Offenders(count=count, first=tuple((row[0], row[1]) for row in conn.execute(shown)))


def find_busy(conn: Connection, kind: UpdateKind) -> Offenders:
    """Find the chosen devices with an open job of the kind (P8), by one look-up a device."""
    is_busy = busy_condition(kind)
    count = conn.execute(select(func.count()).select_from(chosen).where(is_busy)).scalar_one()
    if not count:
        return Offenders()
    shown = select(chosen.c.device_id).where(is_busy).order_by(chosen.c.device_id).limit(OFFENDERS_SHOWN)
    why = f"has an open {kind.name} job"
    return Offenders(count=count, first=tuple((row[0], why) for row in conn.execute(shown)))


def busy_condition(kind: UpdateKind) -> ColumnElement[bool]:
    """Spell P8 so that the planner starts from the chosen devices, not from all open jobs."""
    return exists(
        select(literal(1))
        .select_from(jobs)
        .where(
            jobs.c.device_id == chosen.c.device_id,
            jobs.c.kind == int(kind),
            is_open,
        )
    )
