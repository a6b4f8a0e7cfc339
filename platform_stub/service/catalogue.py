"""Use cases on products, devices and packages."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import OTHER_CHIPS, UpdateKind
from platform_stub.protocol.errors import UsageFault
from platform_stub.protocol.ids import RESERVED_PRODUCT_IDS, AccountId
from platform_stub.protocol.token import decode_key
from platform_stub.rules import events as ev
from platform_stub.service.accounts import new_key
from platform_stub.service.answers import Rejection, conflict, malformed, not_found
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, devices, packages, tasks
from platform_stub.store.schema import AnyRow

KIND_NAMES: Final[Mapping[int, api.Kind]] = MappingProxyType({1: "FOTA", 2: "SOTA"})
PACKAGE_MAX_BYTES = 30 * 2**20
FILE_NAME: Final = re.compile(r"[ !#-.0-9:-\[\]-~]{1,60}\.(zip|rar|bin)", re.ASCII | re.IGNORECASE)
"""A package's file: printable ASCII but for quotes and slashes, so that it fits a header's quotes."""
DEFAULT_FILE: Final = "package.bin"
_PRODUCT_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def account_now(tx: Tx, account_id: int) -> int:
    """Read the account's clock."""
    row = accounts.load(tx.conn, account_id)
    assert row is not None, "accounts are never removed"
    return tx.real_ms + row.clock_offset_ms


def create_product(tx: Tx, account_id: int, request: api.CreateProduct) -> api.Product | Rejection:
    """Make a product."""
    if accounts.load(tx.conn, account_id) is None:
        return not_found("account", account_id)
    product_id = request.product_id or _made_up_id()
    if product_id in RESERVED_PRODUCT_IDS:
        return malformed(f"$.product_id: {product_id} is a word of the devices' paths; choose another one")
    if devices.load_product(tx.conn, product_id) is not None:
        return conflict(f"product id {product_id} is taken")
    product = api.Product(
        product_id=product_id, account_id=account_id, name=request.name, access_key=new_key()
    )
    devices.add_product(
        tx.conn,
        product_id=product_id,
        account_id=AccountId(account_id),
        name=product.name,
        access_key=product.access_key,
    )
    return product


def _made_up_id() -> str:
    digest = hashlib.sha256(new_key().encode()).digest()
    return "".join(_PRODUCT_ID_LETTERS[byte % len(_PRODUCT_ID_LETTERS)] for byte in digest[:10])


def show_product(row: AnyRow) -> api.Product:
    """Show a product."""
    return api.Product(
        product_id=row.product_id, account_id=row.account_id, name=row.name, access_key=row.access_key
    )


def show_device(row: AnyRow) -> api.Device:
    """Show a device."""
    return api.Device(
        device_id=row.device_id,
        account_id=row.account_id,
        product_id=row.product_id,
        name=row.name,
        key=row.key,
        iccid=row.iccid,
        imsi=row.imsi,
        f_version=row.f_version,
        s_version=row.s_version,
        terminated=row.terminated_ms is not None,
    )


def register(tx: Tx, product_id: str, requests: Sequence[api.RegisterDevice]) -> api.Registered | Rejection:
    """Register devices of a product, all or none; a terminated device's name is free again (P12)."""
    product = devices.load_product(tx.conn, product_id)
    if product is None:
        return not_found("product", product_id)
    names = [request.name for request in requests]
    if len(set(names)) != len(names):
        twice = [name for name, times in Counter(names).items() if times > 1]
        return malformed(
            f"{len(twice)} names stand twice in the list: {', '.join(twice[:5])}", names=twice[:20]
        )
    if (wrong := _wrong_keys(requests)) is not None:
        return wrong
    taken = devices.taken_names(tx.conn, product_id, names)
    if taken:
        return conflict(f"{len(taken)} names are taken in product {product_id}: {', '.join(taken[:5])}")
    now_ms = account_now(tx, product.account_id)
    rows = [
        {
            "account_id": product.account_id,
            "product_id": product_id,
            "name": request.name,
            "key": request.key or new_key(),
            "iccid": request.iccid,
            "imsi": request.imsi,
            "f_version": request.f_version,
            "s_version": request.s_version,
            "created_ms": now_ms,
        }
        for request in requests
    ]
    ids = devices.add(tx.conn, rows)
    shown = ("account_id", "product_id", "name", "key", "iccid", "imsi", "f_version", "s_version")
    return api.Registered(
        devices=[
            api.Device(device_id=device_id, terminated=False, **{name: row[name] for name in shown})
            for device_id, row in zip(ids, rows, strict=True)
        ]
    )


def _wrong_keys(requests: Sequence[api.RegisterDevice]) -> Rejection | None:
    """Refuse keys that are not base64: their devices could never sign a token."""
    wrong = []
    for request in requests:
        if request.key is not None:
            try:
                decode_key(request.key)
            except UsageFault:
                wrong.append(request.name)
    if not wrong:
        return None
    return malformed(
        f"{len(wrong)} of the keys are not base64: those of {', '.join(wrong[:5])}", names=wrong[:20]
    )


def show_devices(conn: Connection, account_id: int, after: int, limit: int) -> api.DevicePage | Rejection:
    """Show a page of an account's devices."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    rows = devices.load_page(conn, account_id, after, limit + 1)
    page = [show_device(row) for row in rows[:limit]]
    return api.DevicePage(devices=page, next_after=page[-1].device_id if len(rows) > limit else None)


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


def _note(tx: Tx, row: AnyRow, what: str, detail_text: str) -> None:
    now_ms = account_now(tx, row.account_id)
    devices.note(
        tx.conn,
        [{"device_id": row.device_id, "tid": None, "at_ms": now_ms, "what": what, "detail": detail_text}],
    )


def show_package(row: AnyRow) -> api.Package:
    """Show a package."""
    return api.Package(
        package_id=row.package_id,
        account_id=row.account_id,
        product_id=row.product_id,
        kind=KIND_NAMES[row.kind],
        name=row.name,
        target=row.target,
        size_bytes=row.size_bytes,
        md5=row.md5,
        verification=row.verification,
        manufacturer=row.manufacturer,
        model=row.model,
        file_name=row.file_name,
        start_version=row.start_version,
        auto_add=packages.read_auto_add(row),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFacts:
    """What an upload may say besides the package's kind, name and target; what is left out gets a default.

    With a start version it is a differential package. Manufacturer and model are by default those of "other" chips
    (onenet-protocol, section 7).
    """

    manufacturer: str | None = None
    model: str | None = None
    file_name: str | None = None
    start_version: str | None = None


NO_FACTS: Final = PackageFacts()


def add_package(
    tx: Tx,
    product_id: str,
    kind: UpdateKind,
    name: str,
    target: str,
    content: bytes,
    *,
    facts: PackageFacts = NO_FACTS,
) -> api.Package | Rejection:
    """Take in an update package of 1 byte to 30 MB."""
    product = devices.load_product(tx.conn, product_id)
    if product is None:
        return not_found("product", product_id)
    if not 0 < len(content) <= PACKAGE_MAX_BYTES:
        return malformed(f"a package has 1 to {PACKAGE_MAX_BYTES} bytes, not {len(content)}")
    if facts.start_version == target:
        return malformed(
            f"query start_version: a differential package leads from it to {target}, another version"
        )
    file_name = facts.file_name or (f"{name}.bin" if FILE_NAME.fullmatch(f"{name}.bin") else DEFAULT_FILE)
    if not FILE_NAME.fullmatch(file_name):
        return malformed(
            "query file: at most 64 printable ASCII characters that end in .zip, .rar or .bin are wanted, "
            f"not {file_name[:80]!r}"
        )
    if packages.name_is_taken(tx.conn, product.account_id, name):
        return conflict(f"the account has a package named {name} already")
    other = OTHER_CHIPS[kind]
    package_id = packages.add(
        tx.conn,
        packages.NewPackage(
            account_id=AccountId(product.account_id),
            product_id=product_id,
            kind=kind,
            name=name,
            target=target,
            manufacturer=facts.manufacturer or other.manufacturer,
            model=facts.model or other.model,
            file_name=file_name,
            start_version=facts.start_version,
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            content=content,
        ),
    )
    return _package(tx.conn, package_id)


def set_auto_add(tx: Tx, package_id: int, policy: api.AutoAdd | None) -> api.Package | Rejection:
    """Say which later devices a package takes in, or that it takes in none (P15)."""
    row = packages.load(tx.conn, package_id)
    if row is None:
        return not_found("package", package_id)
    starts = None if policy is None else policy.start_versions
    if starts is not None and row.start_version is not None and row.start_version not in starts:
        return malformed(
            f"$.auto_add.start_versions: package {package_id} is a differential one from {row.start_version}, "
            "which has to be among them"
        )
    packages.set_auto_add(tx.conn, package_id, policy)
    tx.then(tx.effects.auto_add_changed)
    return _package(tx.conn, package_id)


def show_versions(conn: Connection, product_id: str) -> api.VersionDistribution | Rejection:
    """Count which versions a product's living devices run."""
    if devices.load_product(conn, product_id) is None:
        return not_found("product", product_id)
    firmware, software = (
        [
            api.VersionCount(version=row.version, devices=row.devices)
            for row in devices.count_versions(conn, product_id, kind=kind)
        ]
        for kind in (UpdateKind.FOTA, UpdateKind.SOTA)
    )
    return api.VersionDistribution(f_versions=firmware, s_versions=software)


def _package(conn: Connection, package_id: int) -> api.Package:
    row = packages.load(conn, package_id)
    assert row is not None
    return show_package(row)


def skip_verification(tx: Tx, package_id: int) -> api.Package | Rejection:
    """Skip a package's verification on purpose."""
    row = packages.load(tx.conn, package_id)
    if row is None:
        return not_found("package", package_id)
    if row.verification == "open":
        packages.set_verification(tx.conn, package_id, "skipped")
    return _package(tx.conn, package_id)
