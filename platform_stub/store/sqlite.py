"""The store in an SQLite file: one process a folder, two connections, a schema version that is checked first.

A writer's transaction begins IMMEDIATE, so that what it read still holds when it writes (P14); the reader
sees what is committed. A folder or file that is not ours, is damaged, or is in use is refused untouched.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from platform_stub.store.base import Store
from platform_stub.store.compiled import COMPILED, DRIVER, schema_statements
from platform_stub.store.errors import StoreRefused, StoreUnavailable
from platform_stub.store.schema import PRODUCT, SCHEMA_VERSION, schema_info

DATABASE_NAME: Final = "ota-sim.db"
LOCK_NAME: Final = "lock"
_ASIDE: Final = ".new-"
BUSY_TIMEOUT_MS: Final = 5_000

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 4000",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)
_ASIDE_CACHE: Final = "PRAGMA cache_size = -2048"  # of a connection that is used once
# Devices of one task while it is created; per connection, so that two creations never meet.
_SCRATCH: Final = "CREATE TEMP TABLE IF NOT EXISTS chosen (device_id INTEGER PRIMARY KEY)"


class SqliteStore(Store):
    """The store in an SQLite file."""

    def __init__(self, path: Path, lock_fd: int | None) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._writer = _engine(path, "BEGIN IMMEDIATE")
        self._writing = self._writer.connect()  # kept: taking it anew costs more than to begin
        self._reader = _engine(path, "BEGIN")
        self._glance = _Glance(_engine(path, None).connect())
        self._inode = path.stat().st_ino
        self.writes: int = 0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that nobody else can begin before its end."""
        self.writes += 1
        try:
            with self._writing.begin():
                yield self._writing
                self._check_presence()
        except OperationalError as exc:
            raise StoreUnavailable(f"the database did not take the transaction: {exc.orig}") from exc
        finally:
            self.writes += 1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a view of what is committed, the same for all statements in it."""
        try:
            with self._reader.begin() as conn:
                yield conn
        except (OperationalError, sqlite3.OperationalError) as exc:
            raise StoreUnavailable(f"the database could not be read: {exc}") from exc

    def glance(self) -> AbstractContextManager[Connection]:
        """Read with single statements, each of which sees what is committed at its time: the cheapest way to look."""
        return self._glance

    @contextmanager
    def read_aside(self) -> Iterator[Connection]:
        """Open a view on a connection of its own, for a long look from another thread."""
        engine = _engine(self.path, "BEGIN")
        try:
            with engine.begin() as conn:
                conn.exec_driver_sql(_ASIDE_CACHE)
                yield conn
        except (OperationalError, sqlite3.OperationalError) as exc:
            raise StoreUnavailable(f"the database could not be read: {exc}") from exc
        finally:
            engine.dispose()

    def _check_presence(self) -> None:
        """Refuse to commit into a file that was removed: what is acknowledged must be there afterwards (I7)."""
        try:
            there = self.path.stat().st_ino == self._inode
        except OSError:
            there = False
        if not there:
            raise StoreUnavailable(f"{self.path} was removed or replaced; restart on another folder")

    def close(self) -> None:
        """Close the connections, then let go of the folder."""
        for conn in (self._glance.conn, self._writing):
            conn.close()
            conn.engine.dispose()
        self._reader.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


class _Glance(AbstractContextManager[Connection]):
    """A connection that is lent to anyone for a statement; a generator in its place would cost as much as a look-up."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def __enter__(self) -> Connection:
        return self.conn

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        if isinstance(exc, OperationalError):
            raise StoreUnavailable(f"the database could not be read: {exc}") from exc


def open_sqlite(folder: Path) -> SqliteStore:
    """Open the store in a folder, or make one in a new or empty folder.

    StoreRefused says why a folder was left untouched: in use, not ours, damaged, of another version.
    """
    try:
        if folder.exists():
            _check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock_fd = _lock(folder)
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise StoreRefused(f"{folder}: can't be used as data folder: {why}. Name another one.") from exc
    try:
        return _open_locked(folder, lock_fd)
    except (DBAPIError, sqlite3.Error, OSError) as exc:  # a full disk may also look like a damaged image
        os.close(lock_fd)
        raise StoreRefused(
            f"{folder}: the database can't be opened for writing: {exc}. Is the disk full? Name another folder."
        ) from exc
    except BaseException:
        os.close(lock_fd)
        raise


def _open_locked(folder: Path, lock_fd: int) -> SqliteStore:
    for half_made in folder.glob(f"{_ASIDE}*"):  # of a first start that was killed
        shutil.rmtree(half_made)
    path = folder / DATABASE_NAME
    if not path.exists() or not path.stat().st_size:
        return _create(path, lock_fd)
    _check_database(path)
    store = SqliteStore(path, lock_fd)
    with store.write():
        pass  # a file that may not be written is found out now
    return store


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise StoreRefused(f"{folder}: is a file, not a folder. Name a new or empty folder.")
    names = {entry.name for entry in folder.iterdir()}
    strangers = sorted(name for name in names if name != LOCK_NAME and not name.startswith(_ASIDE))
    if strangers and DATABASE_NAME not in names:
        raise StoreRefused(
            f"{folder}: holds other files ({', '.join(strangers[:3])}) and no {DATABASE_NAME}. "
            "Name a new or empty folder."
        )


def _lock(folder: Path) -> int:
    fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        raise StoreRefused(
            f"{folder}: is in use by another ota-sim{f' (process {holder})' if holder else ''}. "
            "Stop that one, or name another folder."
        ) from exc
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def _check_database(path: Path) -> None:
    """Look at an existing file without a write: whether it is SQLite, ours, of this version, and whole."""
    advice = "It was left as it is; name another folder, or restore this one from a copy."
    try:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise StoreRefused(f"{path}: is not a SQLite database. {advice}")
        conn = sqlite3.connect(f"{path.resolve().as_uri()}?{_read_only(path)}", uri=True)
        try:
            _check_version(path, conn, advice)
            verdict = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            conn.close()
    except (sqlite3.Error, OSError) as exc:
        raise StoreRefused(f"{path}: is damaged or can't be read: {exc}. {advice}") from exc
    if verdict != "ok":
        raise StoreRefused(f"{path}: is damaged: {verdict}. {advice}")


def _read_only(path: Path) -> str:
    """Say how to open a file so that not even a -shm file appears beside it, unless a -wal has to be read."""
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"


def _check_version(path: Path, conn: sqlite3.Connection, advice: str) -> None:
    known = conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_info'").fetchone()
    row = conn.execute("SELECT product, version FROM schema_info").fetchone() if known else None
    if row is None or row[0] != PRODUCT:
        raise StoreRefused(f"{path}: is a database of another program. {advice}")
    if row[1] != SCHEMA_VERSION:
        raise StoreRefused(
            f"{path}: has schema version {row[1]}, this ota-sim reads {SCHEMA_VERSION}. "
            "It was left as it is; open it with the ota-sim that made it."
        )


def _create(path: Path, lock_fd: int) -> SqliteStore:
    """Make the database aside and move it in place: a kill in between leaves no half schema."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=_ASIDE) as aside:
        new = Path(aside) / DATABASE_NAME
        store = SqliteStore(new, None)
        try:
            with store.write() as conn:
                for statement in schema_statements():
                    conn.exec_driver_sql(statement)
                conn.execute(schema_info.insert().values(product=PRODUCT, version=SCHEMA_VERSION))
        finally:
            store.close()
        new.replace(path)
    return SqliteStore(path, lock_fd)


def _engine(path: Path, begin: str | None) -> Engine:
    engine = create_engine(
        URL.create(DRIVER, database=str(path)),
        execution_options={"compiled_cache": COMPILED},
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1e3},
    )

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # BEGIN is ours to say
        for pragma in _PRAGMAS:
            dbapi_connection.execute(pragma)
        dbapi_connection.execute(_SCRATCH)

    if begin is not None:

        @event.listens_for(engine, "begin")
        def say_begin(conn: Connection) -> None:
            conn.exec_driver_sql(begin)

    return engine
