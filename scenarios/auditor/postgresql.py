"""A platform's PostgreSQL database, copied for an audit: one consistent view of its tables in a temporary SQLite file.

So each check is spelled once, and the audit's sorting and joining burden no server that others use. What a column
can't hold there by its type is not looked for again. Writes nothing to the server.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import EnvironmentFault, UsageFault

if TYPE_CHECKING:
    import psycopg

CONNECT_S: Final = 5
ROWS_AT_ONCE: Final = 5_000

# What the checks join by; SQLite would make such an index anew for each statement.
_INDICES: Final = (
    "entitlements (device_id)",
    "devices (device_id)",
    "tasks (task_id)",
    "jobs (tid)",
    "jobs (device_id)",
    "jobs (task_id)",
    "journal (account_id)",
)
_COLUMNS: Final = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
)


@contextmanager
def open_copy(
    url: DatabaseUrl, product: str, version: int, tables: Mapping[str, str]
) -> Iterator[sqlite3.Connection]:
    """Copy the columns of tables, after checking that they are ours, and open the copy.

    UsageFault: the schema has no tables of ours, or of another version. EnvironmentFault: it can't be read.
    """
    psycopg = _driver(url)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="ota-sim-audit-") as folder,
            closing(sqlite3.connect(Path(folder) / "copy.db", isolation_level=None)) as copy,
        ):
            with _connect(psycopg, url) as conn:
                _check_ours(conn, url, product, version, tables)
                copy.execute("PRAGMA journal_mode = OFF")
                copy.execute("PRAGMA synchronous = OFF")
                copy.execute("BEGIN")
                for table, columns in tables.items():
                    _copy(conn, copy, table, columns.split())
                for index, columns in enumerate(_INDICES):
                    copy.execute(f"CREATE INDEX copy_{index} ON {columns}")
                copy.execute("COMMIT")
            copy.execute("BEGIN")
            yield copy
    except psycopg.ProgrammingError as exc:
        if exc.sqlstate is None:
            raise UsageFault(f"{url}: {_one_line(exc)}") from exc
        raise EnvironmentFault(f"{url}: can't be read: {_one_line(exc)}") from exc
    except psycopg.Error as exc:
        raise EnvironmentFault(f"{url}: can't be read: {_one_line(exc)}") from exc
    except sqlite3.Error as exc:
        raise EnvironmentFault(
            f"{url}: can't be copied for the audit to {tempfile.gettempdir()}: {exc}; name another folder by TMPDIR"
        ) from exc


def _driver(url: DatabaseUrl) -> Any:
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise UsageFault(
            f"{url}: the driver for PostgreSQL can't be loaded ({exc}); it comes with: pip install 'ota-sim[postgres]'"
        ) from exc
    return psycopg


@contextmanager
def _connect(psycopg: Any, url: DatabaseUrl) -> "Iterator[psycopg.Connection[Any]]":
    more = {} if "connect_timeout" in dict(url.query) else {"connect_timeout": CONNECT_S}
    with closing(psycopg.connect(url.secret, application_name="ota-sim audit", **more)) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        yield conn


def _check_ours(
    conn: "psycopg.Connection[Any]", url: DatabaseUrl, product: str, version: int, tables: Mapping[str, str]
) -> None:
    have: dict[str, set[str]] = {}
    for table, column in conn.execute(_COLUMNS):
        have.setdefault(table, set()).add(column)
    info = (
        conn.execute("SELECT product, version FROM schema_info").fetchone() if "schema_info" in have else None
    )
    if info is None or info[0] != product:
        raise UsageFault(
            f"{url}: no tables of ota-sim in its schema; name theirs by ?options=-csearch_path%3DNAME"
        )
    if info[1] != version:
        raise UsageFault(f"{url}: has schema version {info[1]}, this ota-sim audits version {version}")
    for table, columns in tables.items():
        missing = [column for column in columns.split() if column not in have.get(table, ())]
        if missing:
            raise UsageFault(
                f"{url}: table {table} lacks {', '.join(missing)}; it is not as ota-sim wrote it"
            )


def _copy(conn: "psycopg.Connection[Any]", copy: sqlite3.Connection, table: str, columns: list[str]) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    copy.execute(f"CREATE TABLE {table} ({names})")
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names
    with conn.cursor(name="audit") as rows:
        rows.itersize = ROWS_AT_ONCE
        rows.execute(f"SELECT {names} FROM {table}")  # noqa: S608 - our own names
        copy.executemany(insert, rows)


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())
