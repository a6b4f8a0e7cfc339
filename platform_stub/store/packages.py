"""Update packages and their content."""

from sqlalchemy import Connection, select

from platform_stub.protocol.codes import UpdateKind
from platform_stub.protocol.ids import AccountId, PackageId
from platform_stub.store.dialect import insert_one
from platform_stub.store.schema import AnyRow, packages

_FACTS = [column for column in packages.c if column.name != "content"]


def add(
    conn: Connection,
    *,
    account_id: AccountId,
    product_id: str,
    kind: UpdateKind,
    name: str,
    target: str,
    md5: str,
    content: bytes,
) -> PackageId:
    """Enter a package."""
    values = {
        "account_id": account_id,
        "product_id": product_id,
        "kind": int(kind),
        "name": name,
        "target": target,
        "size_bytes": len(content),
        "md5": md5,
        "verification": "open",
        "manufacturer": "",
        "model": "",
        "file_name": f"{name}.bin",
        "content": content,
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


def load_content(conn: Connection, package_id: int) -> bytes:
    """Read a package's bytes."""
    query = select(packages.c.content).where(packages.c.package_id == package_id)
    return bytes(conn.execute(query).scalar_one())


def set_verification(conn: Connection, package_id: int, verification: str) -> None:
    """Enter that a package was verified, or that its verification was skipped."""
    conn.execute(
        packages.update().where(packages.c.package_id == package_id).values(verification=verification)
    )
