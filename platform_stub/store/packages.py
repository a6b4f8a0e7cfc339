"""Update packages and their content."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from platform_stub.protocol import operator as api
from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.ids import AccountId, PackageId
from platform_stub.store.dialect import insert_one
from platform_stub.store.schema import AnyRow, packages

_AUTO_ADD = msgspec.json.Decoder(api.AutoAdd)
_FACTS = [column for column in packages.c if column.name != "content"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPackage:
    """A package to be entered. With a `start_version` it is a differential one."""

    account_id: AccountId
    product_id: str
    kind: UpdateKind
    name: str
    target: str
    manufacturer: str
    model: str
    file_name: str
    start_version: str | None
    md5: str
    content: bytes


def add(conn: Connection, new: NewPackage) -> PackageId:
    """Enter a package, its verification still open."""
    values = {
        "account_id": new.account_id,
        "product_id": new.product_id,
        "kind": int(new.kind),
        "name": new.name,
        "target": new.target,
        "size_bytes": len(new.content),
        "md5": new.md5,
        "verification": "open",
        "manufacturer": new.manufacturer,
        "model": new.model,
        "file_name": new.file_name,
        "start_version": new.start_version,
        "content": new.content,
    }
    return PackageId(insert_one(conn, packages.insert().values(values)))


def load(conn: Connection, package_id: int) -> AnyRow | None:
    """Read a package without its content."""
    return conn.execute(select(*_FACTS).where(packages.c.package_id == package_id)).one_or_none()


def load_all(conn: Connection, account_id: int) -> list[AnyRow]:
    """Read an account's packages without their contents, oldest first."""
    query = select(*_FACTS).where(packages.c.account_id == account_id).order_by(packages.c.package_id)
    return list(conn.execute(query))


def name_is_taken(conn: Connection, account_id: int, name: str) -> bool:
    """Whether the account has a package of that name."""
    query = select(packages.c.package_id).where(packages.c.account_id == account_id, packages.c.name == name)
    return conn.execute(query).first() is not None


def read_slice(conn: Connection, package_id: int, start: int, stop: int) -> bytes:
    """Read a package's bytes [start:stop]; SQLite reads no more of it than these."""
    driver = conn.connection.dbapi_connection
    if isinstance(driver, sqlite3.Connection):
        with driver.blobopen(packages.name, "content", package_id, readonly=True) as blob:
            blob.seek(start)
            return blob.read(stop - start)
    part = func.substr(packages.c.content, start + 1, stop - start)
    return bytes(conn.execute(select(part).where(packages.c.package_id == package_id)).scalar_one())


def set_verification(conn: Connection, package_id: int, verification: str) -> None:
    """Enter that a package was verified, or that its verification was skipped."""
    conn.execute(
        packages.update().where(packages.c.package_id == package_id).values(verification=verification)
    )


def set_auto_add(conn: Connection, package_id: int, policy: api.AutoAdd | None) -> None:
    """Enter which later devices a package takes in (P15); None: none of them."""
    text = None if policy is None else msgspec.json.encode(policy).decode()
    conn.execute(packages.update().where(packages.c.package_id == package_id).values(auto_add=text))


def read_auto_add(row: AnyRow) -> api.AutoAdd | None:
    """Read a package's auto-add policy from its row."""
    return None if row.auto_add is None else _AUTO_ADD.decode(row.auto_add)


_WITH_AUTO_ADD = (
    select(*_FACTS)
    .where(
        packages.c.product_id == bindparam("product"),
        packages.c.kind == bindparam("kind"),
        packages.c.auto_add.is_not(None),
    )
    .order_by(packages.c.package_id.desc())
)


def load_auto_adding(conn: Connection, product_id: str, kind: UpdateKind) -> Sequence[AnyRow]:
    """Read a product's packages that take in later devices, the newest first."""
    return conn.execute(_WITH_AUTO_ADD, {"product": product_id, "kind": int(kind)}).all()


def has_auto_add(conn: Connection) -> bool:
    """Whether any package takes in later devices."""
    query = select(packages.c.package_id).where(packages.c.auto_add.is_not(None))
    return conn.execute(query.limit(1)).first() is not None
