"""Opening the store: in an SQLite file in a data folder, or in a PostgreSQL database."""

from pathlib import Path

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import UsageFault
from platform_stub.store.base import Store
from platform_stub.store.sqlite import DATABASE_NAME, LOCK_NAME, SqliteStore, open_sqlite

__all__ = ["DATABASE_NAME", "LOCK_NAME", "SqliteStore", "Store", "open_sqlite", "open_store"]


def open_store(where: Path | DatabaseUrl, *, drops: bool = False) -> Store:
    """Open the store in a folder or database, or make one where there is nothing yet.

    With `drops` a database's schema is removed when the store is closed.

    StoreRefused says why a place was left untouched: in use, not ours, damaged, of another version, out of reach.
    """
    if isinstance(where, DatabaseUrl):
        try:
            from platform_stub.store.postgresql import open_postgresql  # noqa: PLC0415 - its driver is an extra
        except ImportError as exc:
            raise UsageFault(
                f"{where}: the driver for PostgreSQL can't be loaded ({exc}); "
                "it comes with: pip install 'ota-sim[postgres]'"
            ) from exc
        return open_postgresql(where, drops=drops)
    return open_sqlite(where)
