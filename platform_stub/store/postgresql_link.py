"""Connections to PostgreSQL: how each is set, which of them holds the lock, and what the driver's errors come to.

Names of schemas are taken as they are. Of the tables only `schema_info` is known here: who has them marks it.
"""

import os
import select as polling
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import Pool

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import UsageFault
from platform_stub.store.errors import StoreRefused, StoreUnavailable
from platform_stub.store.schema import PRODUCT

CONNECT_S: Final = 5
LOST_AFTER_MS: Final = 15_000
"""How long sent bytes may stay unacknowledged before a peer counts as gone (TCP)."""
LOCK_WAIT_MS: Final = 5_000
"""As long as SQLite waits for a lock."""
LOCK_CLASS: Final = 0x6F746173  # "otas"
"""The upper half of the advisory lock's key; the lower one is the schema's number."""
_APPLICATION: Final = "ota-sim"

# Errors of the server's state, not of the statement: connection, transaction's state, rights, resources, operator's
# intervention, system, internal; serialization and locks; a table or schema that is gone.
_UNAVAILABLE: Final = ("08", "25", "28", "40", "53", "55", "57", "58", "XX")
_GONE: Final = frozenset({"42P01", "3F000", "42501"})


class Use(Enum):
    """What a connection is for."""

    WRITE = "write"
    WRITE_BESIDE = "write beside"  # without the lock
    READ = "read"
    GLANCE = "glance"


@dataclass(slots=True)
class Link:
    """A schema in a database, and the way to it."""

    url: DatabaseUrl
    schema: str
    _backend: tuple[int, Any] | None = None  # of the lock: the server's process and when it began
    _tenure: str | None = None  # the transaction by which this process took the schema

    def __str__(self) -> str:
        return f"{self.url}, schema {self.schema}"

    def engine(self, use: Use, pool: type[Pool], **more: Any) -> Engine:
        """Make an engine whose connections are for one use."""
        return create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.connect(use),
            poolclass=pool,
            use_native_hstore=False,
            **more,
        )

    def connect(self, use: Use) -> psycopg.Connection[Any]:
        """Connect, and set the connection to its use."""
        conn = connect(self.url)
        try:
            self._set(conn, use)
        except BaseException:
            conn.close()
            raise
        conn.autocommit = use is Use.GLANCE
        return conn

    def _set(self, conn: psycopg.Connection[Any], use: Use) -> None:
        settings = {"search_path": sql.Identifier(self.schema).as_string(conn), "jit": "off"}
        settings["lock_timeout"] = str(LOCK_WAIT_MS)
        conn.execute(
            "SELECT "
            + ", ".join(["set_config(%s, %s, false)"] * len(settings))
            # who is acknowledged must be on the disk (I7), whatever this server does by default
            + ", CASE current_setting('synchronous_commit') WHEN 'off' "
            "THEN set_config('synchronous_commit', 'on', false) END",
            [text for item in settings.items() for text in item],
        )
        if use is Use.READ:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            conn.read_only = True
        if use in {Use.WRITE, Use.WRITE_BESIDE}:
            conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            # Devices of one task while it is created; per connection, so that two creations never meet.
            conn.execute("CREATE TEMP TABLE chosen (device_id bigint NOT NULL) ON COMMIT DELETE ROWS")
        if use is Use.WRITE:
            self._take_lock(conn)

    def _take_lock(self, conn: psycopg.Connection[Any]) -> None:
        """Take the schema for this process, also from a connection of ours that the server has not yet missed."""
        row = conn.execute(
            "SELECT oid::bigint FROM pg_namespace WHERE nspname = %s", (self.schema,)
        ).fetchone()
        if row is None:
            raise StoreUnavailable(f"{self}: the schema is gone; restart on another one")
        key = (LOCK_CLASS << 32) | row[0]
        if not _try_lock(conn, key):
            holder = _holder(conn, row[0])
            if self._backend is None or holder is None or holder[:2] != self._backend:
                raise self._in_use(holder)
            conn.execute("SELECT pg_terminate_backend(%s, %s)", (holder[0], LOCK_WAIT_MS))
            if not _try_lock(conn, key):
                raise self._in_use(_holder(conn, row[0]))
        self._check_tenure(conn)
        own = conn.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        self._backend = None if own is None else (own[0], own[1])

    def begin_tenure(self, conn: Connection) -> None:
        """Mark the tables as this process's, once they are there and its own: who has them next marks them anew."""
        self._tenure = conn.exec_driver_sql(
            "UPDATE schema_info SET version = version WHERE product = %s RETURNING xmin::text", (PRODUCT,)
        ).scalar_one()

    def _check_tenure(self, conn: psycopg.Connection[Any]) -> None:
        """Refuse what another had meanwhile: nothing that is remembered of it holds any longer."""
        if self._tenure is None:
            return
        row = conn.execute("SELECT xmin::text FROM schema_info WHERE product = %s", (PRODUCT,)).fetchone()
        if row is None or row[0] != self._tenure:
            raise StoreUnavailable(
                f"{self}: another ota-sim had it while the connection was lost; restart, to read what it left"
            )

    def _in_use(self, holder: tuple[int, Any, str] | None) -> StoreRefused | StoreUnavailable:
        by = (
            f" ({holder[2].removeprefix(_APPLICATION).strip()})"
            if holder and _APPLICATION in holder[2]
            else ""
        )
        if self._backend is not None:
            return StoreUnavailable(f"{self}: was taken by another ota-sim{by} while the connection was lost")
        return StoreRefused(
            f"{self}: is in use by another ota-sim{by}. Stop that one, or name another schema by "
            "?options=-csearch_path%3DNAME."
        )


def _try_lock(conn: psycopg.Connection[Any], key: int) -> bool:
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    return bool(row and row[0])


def _holder(conn: psycopg.Connection[Any], schema_oid: int) -> tuple[int, Any, str] | None:
    """Find who has a schema's lock: the server's process, when it began, and what it calls itself."""
    row = conn.execute(
        "SELECT a.pid, a.backend_start, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.classid::bigint = %s AND l.objid::bigint = %s AND l.granted "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (LOCK_CLASS, schema_oid),
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2] or "")


def connect(url: DatabaseUrl) -> psycopg.Connection[Any]:
    """Connect, each statement committed by itself."""
    more: dict[str, Any] = {"application_name": f"{_APPLICATION} process {os.getpid()}"}
    if "connect_timeout" not in dict(url.query):
        more["connect_timeout"] = CONNECT_S
    return psycopg.connect(url.secret, autocommit=True, tcp_user_timeout=LOST_AFTER_MS, **more)


def find_schema(url: DatabaseUrl) -> str:
    """Find the schema that a URL leads to; one that it names and that is not there is made.

    StoreRefused: the server does not let us in. UsageFault: the URL can't be one.
    """
    try:
        with connect(url) as conn:
            encoding, current, path = conn.execute(
                "SELECT current_setting('server_encoding'), current_schema(), current_setting('search_path')"
            ).fetchone() or ("", None, "")
            if encoding != "UTF8":
                raise StoreRefused(
                    f"{url}: its encoding is {encoding}; name a database that was made with ENCODING 'UTF8'"
                )
            return current if current is not None else _make_schema(conn, url, path)
    except psycopg.ProgrammingError as exc:
        if exc.sqlstate is None:
            raise UsageFault(f"{url}: {one_line(exc)}") from exc
        raise StoreRefused(f"{url}: can't be used: {one_line(exc)}") from exc
    except psycopg.Error as exc:
        raise StoreRefused(f"{url}: can't be reached: {one_line(exc)}") from exc


def _make_schema(conn: psycopg.Connection[Any], url: DatabaseUrl, path: str) -> str:
    name = url.schema
    if name is None:
        raise StoreRefused(
            f"{url}: its search path ({path}) has no schema to be in; name one by ?options=-csearch_path%3DNAME"
        )
    conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
    return name


def is_dead(driver: Any) -> bool:
    """Whether the server has ended a connection that rests; asks nobody, it looks at what has come in."""
    if driver.closed:
        return True
    pgconn = driver.pgconn
    poll = polling.poll()
    poll.register(pgconn.socket, polling.POLLIN)
    try:
        while poll.poll(0):  # a notice, or the end
            pgconn.consume_input()
            if pgconn.status != psycopg.pq.ConnStatus.OK:
                return True
    except (psycopg.Error, OSError):
        return True
    return False


def is_unavailable(exc: DBAPIError) -> bool:
    """Whether an error is the server's or the way's, and not one of the statement."""
    state = getattr(exc.orig, "sqlstate", None)
    if state is None:
        return isinstance(exc, (OperationalError, InterfaceError))
    return state.startswith(_UNAVAILABLE) or state in _GONE


def one_line(exc: BaseException | None) -> str:
    """Say what the driver says, in one line, and of the server's words the first, which name what is wrong."""
    diag = getattr(exc, "diag", None)
    return " ".join(str(getattr(diag, "message_primary", None) or exc).split())
