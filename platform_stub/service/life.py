"""A device's life as the operator sees it: its entitlement, its presence, and all that happened to it."""

from collections.abc import Iterator

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.service.answers import Rejection, not_found
from platform_stub.service.catalogue import show_device
from platform_stub.service.sessions import Sessions
from platform_stub.store import devices
from platform_stub.store.schema import AnyRow


def detail(
    conn: Connection, device_id: int, sessions: Sessions, real_ms: int
) -> api.DeviceDetail | Rejection:
    """Show a device with its entitlement and all that happened to it."""
    row = devices.load(conn, device_id)
    if row is None:
        return not_found("device", device_id)
    alive = row.terminated_ms is None
    held = devices.load_entitlement(conn, device_id)
    entitlement = (
        None
        if held is None
        else api.Entitlement(
            source=held.source,
            task_id=held.task_id,
            obtained_ms=held.obtained_ms,
            valid=alive,
            account_id=held.account_id,
        )
    )
    return api.DeviceDetail(
        device=show_device(row),
        entitlement=entitlement,
        connected=sessions.is_connected(device_id),
        after_sales_support=alive and held is not None,  # B17
        timeline=sorted(_timeline(conn, row, real_ms), key=lambda entry: entry.at_ms),
    )


def _timeline(conn: Connection, row: AnyRow, real_ms: int) -> Iterator[api.TimelineEntry]:
    """Join what is noted with what the tables say anyway: registration, jobs and their starts, termination."""
    yield api.TimelineEntry(at_ms=row.created_ms, what="registered")
    for job in devices.load_jobs(conn, row.device_id):
        what = f"{UpdateKind(job.kind).name} job to {job.target} created by task {job.task_id}"
        yield api.TimelineEntry(at_ms=job.created_ms, what=what, tid=job.tid)
        if job.created_ms < job.starts_ms <= real_ms + job.clock_offset_ms:
            yield api.TimelineEntry(at_ms=job.starts_ms, what="task started", tid=job.tid)
        if job.state == JobState.CANCELLED:
            yield api.TimelineEntry(at_ms=job.updated_ms, what="job cancelled", tid=job.tid)
    for noted in devices.load_timeline(conn, row.device_id):
        yield api.TimelineEntry(at_ms=noted.at_ms, what=noted.what, tid=noted.tid, detail=noted.detail)
    if row.terminated_ms is not None:
        yield api.TimelineEntry(at_ms=row.terminated_ms, what="terminated")
