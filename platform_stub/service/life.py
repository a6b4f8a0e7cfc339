"""A device's life after its registration: another card, key or product, its end; and all of it as a story.

What it means for licences: a card plays no part (B9), a move changes nothing (P12), the end ends the entitlement (B10).
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import JobState, UpdateKind
from platform_stub.rules import events as ev
from platform_stub.service.accounts import account_now, is_key, new_key
from platform_stub.service.answers import Rejection, conflict, malformed, not_found
from platform_stub.service.catalogue import show_device
from platform_stub.service.sessions import Sessions
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, devices, tasks
from platform_stub.store.schema import AnyRow


def _living(tx: Tx, device_id: int) -> AnyRow | Rejection:
    row = devices.load(tx.conn, device_id)
    if row is None:
        return not_found("device", device_id)
    return conflict(f"device {device_id} is terminated") if row.terminated_ms is not None else row


def _changed(tx: Tx, device_id: int) -> api.Device:
    row = devices.load(tx.conn, device_id)
    assert row is not None
    return show_device(row)


def terminate(tx: Tx, device_id: int) -> api.Device | Rejection:
    """End a device's life: its entitlement becomes invalid (B10), its open jobs cancelled (P9)."""
    row = _living(tx, device_id)
    if isinstance(row, Rejection):
        return row
    now_ms = account_now(tx, row.account_id)
    devices.change(tx.conn, device_id, terminated_ms=now_ms)
    held = devices.load_entitlement(tx.conn, device_id)
    if held is not None:
        paid_ms = account_now(tx, held.account_id)  # on the clock of the account that paid (P12)
        accounts.append(tx.conn, held.account_id, paid_ms, [ev.Ended(device_id=row.device_id)])
    for task_id in tasks.cancel_jobs_of_device(tx.conn, device_id, now_ms):
        tx.then(tx.effects.jobs_ended, task_id, 1)
    tx.then(tx.effects.close_session, device_id)
    return _changed(tx, device_id)


def move(tx: Tx, device_id: int, request: api.MoveDevice) -> api.Device | Rejection:
    """Move a device to another product; its ID and entitlement stay (P12), its old connection ends."""
    row = _living(tx, device_id)
    if isinstance(row, Rejection):
        return row
    product = devices.load_product(tx.conn, request.product_id)
    if product is None:
        return not_found("product", request.product_id)
    name = request.name or row.name
    holder = devices.load_by_address(tx.conn, request.product_id, name)
    if holder is not None and holder.device_id == device_id:
        return show_device(row)
    if holder is not None:
        return conflict(
            f"the name {name} is taken in product {request.product_id} by device {holder.device_id}"
        )
    devices.change(
        tx.conn, device_id, product_id=request.product_id, name=name, account_id=product.account_id
    )
    _note(tx, row, "moved", f"{row.product_id}/{row.name} to {request.product_id}/{name}")
    tx.then(tx.effects.close_session, device_id)
    return _changed(tx, device_id)


def replace_card(tx: Tx, device_id: int, request: api.ReplaceCard) -> api.Device | Rejection:
    """Enter another card; it plays no part in charging (B9)."""
    row = _living(tx, device_id)
    if isinstance(row, Rejection):
        return row
    devices.change(tx.conn, device_id, iccid=request.iccid, imsi=request.imsi)
    _note(tx, row, "card replaced", f"ICCID {request.iccid or '-'}, IMSI {request.imsi or '-'}")
    return _changed(tx, device_id)


def renew_key(tx: Tx, device_id: int, request: api.RenewKey) -> api.Device | Rejection:
    """Give a device another key: it plays no part in charging (B7), and the connection that the old one opened ends."""
    row = _living(tx, device_id)
    if isinstance(row, Rejection):
        return row
    if request.key is not None and not is_key(request.key):
        return malformed("$.key: expected an access key: base64, 4 to 128 characters")
    devices.change(tx.conn, device_id, key=request.key or new_key())
    _note(tx, row, "key renewed", "")
    tx.then(tx.effects.close_session, device_id)
    return _changed(tx, device_id)


def _note(tx: Tx, row: AnyRow, what: str, detail: str) -> None:
    devices.note_one(tx.conn, row.device_id, account_now(tx, row.account_id), what, detail)


def show(conn: Connection, device_id: int, sessions: Sessions, real_ms: int) -> api.DeviceDetail | Rejection:
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
