"""Use cases on products, the devices registered in them, and packages; what becomes of a device is in `life`."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import OTHER_CHIPS, UpdateKind
from platform_stub.protocol.ids import RESERVED_PRODUCT_IDS, AccountId
from platform_stub.rules.refusals import OFFENDERS_SHOWN
from platform_stub.service.accounts import account_now, is_key, new_key
from platform_stub.service.answers import Rejection, conflict, malformed, not_found
from platform_stub.service.writer import Tx
from platform_stub.store import accounts, devices, packages
from platform_stub.store.schema import AnyRow

KIND_NAMES: Final[Mapping[int, api.Kind]] = MappingProxyType({1: "FOTA", 2: "SOTA"})
PACKAGE_MAX_BYTES = 30 * 2**20
FILE_NAME: Final = re.compile(r"[ !#-.0-9:-\[\]-~]{1,60}\.(zip|rar|bin)", re.ASCII | re.IGNORECASE)
"""A package's file: printable ASCII but for quotes and slashes, so that it fits a header's quotes."""
DEFAULT_FILE: Final = "package.bin"
_PRODUCT_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def create_product(tx: Tx, account_id: int, request: api.CreateProduct) -> api.Product | Rejection:
    """Make a product."""
    if accounts.load(tx.conn, account_id) is None:
        return not_found("account", account_id)
    product_id = request.product_id or _made_up_id()
    if product_id in RESERVED_PRODUCT_IDS:
        return malformed(f"$.product_id: {product_id} is a word of the devices' paths; choose another one")
    if devices.load_product(tx.conn, product_id) is not None:
        return conflict(f"product id {product_id} is taken")
    if request.access_key is not None and not is_key(request.access_key):
        return malformed("$.access_key: expected an access key: base64, 4 to 128 characters")
    product = api.Product(
        product_id=product_id,
        account_id=account_id,
        name=request.name,
        access_key=request.access_key or new_key(),
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


def show_products(conn: Connection, account_id: int) -> api.ProductList | Rejection:
    """Show all products of an account."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    return api.ProductList(
        products=[
            api.Product(
                product_id=row.product_id, account_id=row.account_id, name=row.name, access_key=row.access_key
            )
            for row in devices.load_products(conn, account_id)
        ]
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


def _entry(at: int) -> str:
    return f"entry {at + 1}"


def register(
    tx: Tx,
    product_id: str,
    requests: Sequence[api.RegisterDevice],
    place: Callable[[int], str] = _entry,
) -> api.Registered | Rejection:
    """Register devices of a product, all or none.

    A terminated device's name is free again, its ID is not (P12). `place` says where the request at an index stands.
    """
    product = devices.load_product(tx.conn, product_id)
    if product is None:
        return not_found("product", product_id)
    names = [request.name for request in requests]
    if len(set(names)) != len(names):
        twice = [name for name, times in Counter(names).items() if times > 1]
        return malformed(
            f"{len(twice)} names stand twice in the list: {', '.join(twice[:5])}", names=twice[:20]
        )
    if (wrong := _wrong_keys(requests) or _wrong_ids(tx, requests, place)) is not None:
        return wrong
    taken = devices.taken_names(tx.conn, product_id, names)
    if taken:
        return conflict(f"{len(taken)} names are taken in product {product_id}: {', '.join(taken[:5])}")
    now_ms = account_now(tx, product.account_id)
    rows = [
        {
            "device_id": request.device_id,
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


def _wrong_ids(
    tx: Tx, requests: Sequence[api.RegisterDevice], place: Callable[[int], str]
) -> Rejection | None:
    """Refuse device IDs that are there twice, or were ever a device's: an ID is never used again (P12)."""
    places: dict[int, int] = {}
    for at, request in enumerate(requests):
        if request.device_id is not None:
            first = places.setdefault(request.device_id, at)
            if first != at:
                return malformed(
                    f"{place(at)}: device_id {request.device_id} is there already, at {place(first)}"
                )
    used = devices.used_ids(tx.conn, list(places))
    if not used:
        return None
    shown = [f"{place(places[device_id])}: device_id {device_id}" for device_id in used[:OFFENDERS_SHOWN]]
    more = f" and {len(used) - len(shown)} more" if len(used) > len(shown) else ""
    text = (
        "is or was another device's, and no ID is used again (P12); leave device_id out to have one numbered"
    )
    return Rejection(
        code=api.ErrorCode.CONFLICT,
        message=f"{', '.join(shown)}{more} {text}",
        details={"device_ids": used[:OFFENDERS_SHOWN]},
    )


def _wrong_keys(requests: Sequence[api.RegisterDevice]) -> Rejection | None:
    """Refuse keys that are not base64: their devices could never sign a token."""
    wrong = [request.name for request in requests if request.key is not None and not is_key(request.key)]
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


def show_package(conn: Connection, package_id: int) -> api.Package | Rejection:
    """Show a package."""
    row = packages.load(conn, package_id)
    return not_found("package", package_id) if row is None else _describe(row)


def show_packages(conn: Connection, account_id: int) -> api.Packages | Rejection:
    """Show all packages of an account, oldest first."""
    if accounts.load(conn, account_id) is None:
        return not_found("account", account_id)
    return api.Packages(packages=[_describe(row) for row in packages.load_all(conn, account_id)])


def _describe(row: AnyRow) -> api.Package:
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
    if (facts.manufacturer is None) != (facts.model is None):
        return malformed("query manufacturer and model: name both or neither; one alone fits no device")
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
    return _describe(row)


def skip_verification(tx: Tx, package_id: int) -> api.Package | Rejection:
    """Skip a package's verification on purpose."""
    row = packages.load(tx.conn, package_id)
    if row is None:
        return not_found("package", package_id)
    if row.verification == "open":
        packages.set_verification(tx.conn, package_id, "skipped")
    return _package(tx.conn, package_id)
