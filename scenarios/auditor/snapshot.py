"""Opening a platform's database for reading: one consistent view, nothing written, also while it is in use.

Whatever SQLite says becomes one of our errors here: a file that is not ours is the caller's mistake (UsageFault),
one that can't be read is the machine's (EnvironmentFault).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import EnvironmentFault, OtaSimError, UsageFault
from scenarios.auditor.postgresql import open_copy

DATABASE_NAME: Final = "ota-sim.db"
PRODUCT: Final = "ota-sim"
SCHEMA_VERSION: Final = 2
BUSY_S: Final = 10.0

_ADVICE: Final = "restore it from a copy, and audit that"

_COLUMNS: Final = {
    "accounts": "account_id policy opened_ms subscribed balance_fen bought granted purchased_left free_left "
    "charging_date_ms clock_offset_ms held_since_ms",
    "journal": "seq account_id at_ms kind task_id device_id source count amount_fen note",
    "entitlements": "device_id account_id source task_id obtained_ms",
    "devices": "device_id account_id terminated_ms",
    "tasks": "task_id account_id kind created_ms starts_ms expires_ms notification cancelled_ms device_count needed "
    "available deducted_purchased deducted_free grandfathered left_after",
    "jobs": "tid task_id device_id kind state step updated_ms held_ms",
    "job_tokens": "tid device_id",
    "deliveries": "delivery_id account_id task_id",
    "answers": "account_id call key answer",
}


def find_database(path: Path) -> Path:
    """Give the database file of a data folder, or the file itself."""
    try:
        if path.is_dir():
            path /= DATABASE_NAME
            if not path.is_file():
                raise UsageFault(
                    f"{path.parent}: there is no {DATABASE_NAME}; give the --data folder of a stub"
                )
        elif not path.exists():
            raise UsageFault(
                f"{path}: no such file or folder; give the --data folder of a stub, or its {DATABASE_NAME}"
            )
    except OSError as exc:
        raise EnvironmentFault(f"{path}: can't be read: {exc.strerror}") from exc
    return path


def open_snapshot(place: Path | DatabaseUrl) -> AbstractContextManager[sqlite3.Connection]:
    """Open a database read-only, in one read transaction, after checking that it is ours."""
    if isinstance(place, DatabaseUrl):
        return open_copy(place, PRODUCT, SCHEMA_VERSION, _COLUMNS)
    return _open_file(place)


@contextmanager
def _open_file(path: Path) -> Iterator[sqlite3.Connection]:
    was_closed = not _log_of(path).exists()
    try:
        with closing(_connect(path)) as conn:
            _check_ours(path, conn)
            _check_whole(path, conn)
            yield conn
    except sqlite3.Error as exc:
        raise _as_ours(path, exc) from exc
    finally:
        if was_closed and _log_of(path).exists():
            _tidy(path)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _tidy(path: Path) -> None:
    """Have SQLite take away the two files it put beside a closed database; a reader can't, the last writer does."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True)) as conn:
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _uri(path: Path, how: str) -> str:
    return f"file:{quote(str(path.absolute()))}?{how}"


def _connect(path: Path) -> sqlite3.Connection:
    """Connect and begin; the first read fixes the view."""
    try:
        return _begin(path, "mode=ro")
    except sqlite3.OperationalError:
        # On a medium that can't be written SQLite can't make the files that WAL readers share. Without a log beside
        # it the file is complete, and nobody can be writing to it.
        if _log_of(path).exists():
            raise
        return _begin(path, "immutable=1")


def _begin(path: Path, how: str) -> sqlite3.Connection:
    conn = sqlite3.connect(_uri(path, how), uri=True, isolation_level=None, timeout=BUSY_S)
    try:
        conn.execute("PRAGMA temp_store = FILE")  # sorting a large journal spills to disk
        conn.execute("BEGIN")
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        conn.close()
        raise
    return conn


def _check_ours(path: Path, conn: sqlite3.Connection) -> None:
    known = {name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    info = (
        conn.execute("SELECT product, version FROM schema_info").fetchone()
        if "schema_info" in known
        else None
    )
    if info is None or info[0] != PRODUCT:
        raise UsageFault(f"{path}: a database, but none that ota-sim wrote")
    if info[1] != SCHEMA_VERSION:
        raise UsageFault(
            f"{path}: has schema version {info[1]}, this ota-sim audits version {SCHEMA_VERSION}"
        )
    for table, columns in _COLUMNS.items():
        have = {row[1] for row in conn.execute(f"PRAGMA table_info({table})")}
        missing = [column for column in columns.split() if column not in have]
        if missing:
            raise UsageFault(
                f"{path}: table {table} lacks {', '.join(missing)}; it is not as ota-sim wrote it"
            )


def _check_whole(path: Path, conn: sqlite3.Connection) -> None:
    """Walk all pages; rows that only break a constraint are left for the audit to find."""
    conn.execute("PRAGMA ignore_check_constraints = ON")
    for (complaint,) in conn.execute("PRAGMA quick_check(20)"):
        if complaint != "ok" and " value in " not in complaint:
            raise EnvironmentFault(f"{path}: is damaged: {complaint}; {_ADVICE}")


def _as_ours(path: Path, exc: sqlite3.Error) -> OtaSimError:
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return UsageFault(f"{path}: is not an SQLite database")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return EnvironmentFault(f"{path}: is locked by another program; try again when it has let go")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}:
        return EnvironmentFault(
            f"{path}: can't be opened: {exc}; check the permissions of the file and its folder"
        )
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return EnvironmentFault(f"{path}: can't be read: {exc}")
    return EnvironmentFault(f"{path}: is damaged: {exc}; {_ADVICE}")
