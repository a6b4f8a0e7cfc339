"""The store in a PostgreSQL database: one process a schema, held by an advisory lock of the writer's own connection.

A transaction is READ COMMITTED and locks the row of the account it decides on (`store.accounts`), so that what it
read of licences still holds when it writes (P14). A connection that was lost is made anew at the next use: what was
under way then is StoreUnavailable, as with a file. A schema that is not ours, of another version, or in use is
refused untouched. Connecting, and what a connection is set to, is in `postgresql_link`.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

from psycopg import sql
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from platform_stub.database_url import DatabaseUrl
from platform_stub.store.base import Store
from platform_stub.store.dialect import WRITES
from platform_stub.store.errors import StoreRefused, StoreUnavailable
from platform_stub.store.postgresql_link import Link, Use, find_schema, is_dead, is_unavailable, one_line
from platform_stub.store.schema import PRODUCT, SCHEMA_VERSION, metadata, schema_info

T = TypeVar("T")
_log = logging.getLogger(__name__)

READERS: Final = 4
TRIES_MAX: Final = 5
"""How often a transaction is done in all, where another writer's keeps coming between."""
_AGAIN: Final = frozenset({"40001", "40P01", "23505"})  # serialization failure, deadlock, a key just taken
_PAGE_OF_ITS_OWN: Final = (
    "ALTER TABLE packages ALTER COLUMN content SET STORAGE EXTERNAL"  # slices, not compressed
)


class PostgresqlStore(Store):
    """The store in a schema of a PostgreSQL database; `link` says where.

    Without `lock` it is a second engine on it. With `drops` the schema is removed when the store is closed.
    """

    def __init__(self, link: Link, *, lock: bool = True, drops: bool = False) -> None:
        self.link = link
        self.writes = 0 if lock else None  # with the lock nobody else writes
        self._drops = drops
        self._writer = link.engine(Use.WRITE if lock else Use.WRITE_BESIDE, StaticPool)
        self._readers = link.engine(Use.READ, QueuePool, pool_size=READERS, max_overflow=READERS)
        event.listen(self._readers, "checkout", _refuse_dead)
        self._aside = link.engine(Use.READ, NullPool)
        self._writing = self._writer.connect().execution_options(**{WRITES: True})
        try:
            self._glance = _Glance(link.engine(Use.GLANCE, StaticPool).connect())
        except BaseException:
            self._let_go(self._writing)
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction; what it reads of an account stays so until its end."""
        self._count()
        try:
            if _revive(self._writing):
                self._count()  # what was under way when it was lost may be there
            with self._writing.begin():
                yield self._writing
        except DBAPIError as exc:
            if not is_unavailable(exc):
                raise
            raise StoreUnavailable(
                f"the database did not take the transaction: {one_line(exc.orig)}"
            ) from exc
        finally:
            self._count()  # what fails may be there all the same, if the connection was lost at its very end

    def _count(self) -> None:
        if self.writes is not None:
            self.writes += 1

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do some work in a transaction, again from its start where another writer came between."""
        for _ in range(TRIES_MAX - 1):
            try:
                return super().transact(work)
            except (IntegrityError, StoreUnavailable) as exc:
                if _state(exc) not in _AGAIN:
                    raise
        return super().transact(work)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a view of what is committed, the same for all statements in it."""
        with _as_unavailable(), self._readers.begin() as conn:
            yield conn

    def glance(self) -> AbstractContextManager[Connection]:
        """Read with single statements, each of which sees what is committed at its time: the cheapest way to look."""
        return self._glance

    @contextmanager
    def read_aside(self) -> Iterator[Connection]:
        """Open a view on a connection of its own, for a long look from another thread."""
        with _as_unavailable(), self._aside.begin() as conn:
            yield conn

    def close(self) -> None:
        """Close the connections; with the writer's goes the lock."""
        self._let_go(self._glance.conn)
        self._readers.dispose()
        if self._drops:
            self._drop()
        self._let_go(self._writing)

    def _drop(self) -> None:
        try:
            with self.write() as conn:
                conn.exec_driver_sql(f"DROP SCHEMA {_quoted(self.link.schema)} CASCADE")
        except (StoreUnavailable, StoreRefused) as exc:
            _log.warning("%s was not dropped: %s", self.link, exc)

    @staticmethod
    def _let_go(conn: Connection) -> None:
        conn.invalidate()  # closed at once, whatever state it is in
        conn.close()
        conn.engine.dispose()


class _Glance(AbstractContextManager[Connection]):
    """A connection that commits each statement, lent to anyone for one."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def __enter__(self) -> Connection:
        with _as_unavailable():
            _revive(self.conn)
        return self.conn

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        if isinstance(exc, DBAPIError):
            self.conn.rollback()
            if is_unavailable(exc):
                raise StoreUnavailable(f"the database could not be read: {one_line(exc.orig)}") from exc


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except DBAPIError as exc:
        if not is_unavailable(exc):
            raise
        raise StoreUnavailable(f"the database could not be read: {one_line(exc.orig)}") from exc


def _state(exc: BaseException) -> str | None:
    """Tell the SQLSTATE of a driver's error, or of the one that ours was made of."""
    cause = exc if isinstance(exc, DBAPIError) else exc.__cause__
    return getattr(getattr(cause, "orig", None), "sqlstate", None)


def _revive(conn: Connection) -> bool:
    """Let go of a kept connection that the server has ended; answers whether the next statement makes a new one."""
    if not conn.invalidated and is_dead(conn.connection.dbapi_connection):
        conn.invalidate()
    if conn.invalidated and conn.in_transaction():
        conn.rollback()
    return conn.invalidated


def _refuse_dead(driver: object, _record: object, _proxy: object) -> None:
    if is_dead(driver):
        raise DisconnectionError


def _quoted(schema: str) -> str:
    return sql.Identifier(schema).as_string(None)


def open_postgresql(url: DatabaseUrl, *, drops: bool = False) -> PostgresqlStore:
    """Open the store in a database, or make its tables in an empty schema; a schema that the URL names is made too.

    StoreRefused: the server does not let us in, or the schema is not one to open. UsageFault: no such URL can be.
    """
    link = Link(url, find_schema(url))
    try:
        store = PostgresqlStore(link, drops=drops)
    except DBAPIError as exc:
        raise StoreRefused(f"{url}: can't be used: {one_line(exc.orig)}") from exc
    try:
        with store.write() as conn:
            _check_or_create(conn, link)
            link.begin_tenure(conn)
    except (StoreUnavailable, DBAPIError) as exc:
        store.close()
        why = one_line(exc.__cause__.orig if isinstance(exc.__cause__, DBAPIError) else exc)
        raise StoreRefused(
            f"{link}: no tables can be made there: {why}. Name another schema by "
            "?options=-csearch_path%3DNAME, or give the role the right to create"
        ) from exc
    except BaseException:
        store.close()
        raise
    return store


def _check_or_create(conn: Connection, link: Link) -> None:
    names = set(
        conn.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relkind IN ('r', 'v', 'm', 'f', 'p')",
            (_quoted(link.schema),),
        ).scalars()
    )
    if not names:
        metadata.create_all(conn, checkfirst=False)
        conn.exec_driver_sql(_PAGE_OF_ITS_OWN)
        conn.execute(schema_info.insert().values(product=PRODUCT, version=SCHEMA_VERSION))
        return
    advice = (
        "It was left as it is; name another schema by ?options=-csearch_path%3DNAME, or another database."
    )
    if schema_info.name not in names:
        first = ", ".join(sorted(names)[:3])
        raise StoreRefused(f"{link}: holds other tables ({first}), and none of ota-sim. {advice}")
    row = conn.execute(schema_info.select()).first()
    if row is None or row.product != PRODUCT:
        raise StoreRefused(f"{link}: holds the tables of another program. {advice}")
    if row.version != SCHEMA_VERSION:
        raise StoreRefused(
            f"{link}: has schema version {row.version}, this ota-sim reads {SCHEMA_VERSION}. "
            "It was left as it is; open it with the ota-sim that made it."
        )
