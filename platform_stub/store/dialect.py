"""The seam between databases: the few statements that SQLite and PostgreSQL spell differently."""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Integer,
    Select,
    Update,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError

from platform_stub.store.schema import journal

PILE_ROWS_MAX: Final = 256
"""Rows of one statement; its values stay far below what SQLite binds (32,766)."""

# The scratch table of a connection: the distinct devices of the task that is being created.
chosen = table("chosen", column("device_id", Integer))

_LAST_SEQ = select(func.coalesce(func.max(journal.c.seq), 0))

WRITES = "writes"
"""Of the connection of a writer that others may write beside: what it reads to decide on, it locks."""

_CLEAR = text("DELETE FROM chosen")
_FILL_SQLITE = text("INSERT INTO chosen SELECT DISTINCT value FROM json_each(:ids) ORDER BY value")
# An array's text is read in C; a list would be spelled number by number in Python.
_FILL_POSTGRESQL = text(
    "INSERT INTO chosen SELECT DISTINCT v FROM unnest(CAST(:ids AS bigint[])) v ORDER BY v"
)
# A plan is kept after some uses, and the scratch table is never twice of the same size.
_PLAN_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan"
# Held to the transaction's end: lines are numbered without a gap, in the order of their commits.
_LOCK_JOURNAL = (
    f"SELECT pg_advisory_xact_lock(({0x6F746174}::bigint << 32) | 'journal'::regclass::oid::bigint)"
)


class _Look:
    """A statement that the driver itself runs on SQLite: compiled once, its rows with the columns as attributes."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        names = statement.selected_columns.keys()
        self._row = namedtuple("LookRow", names)  # type: ignore[misc]  # noqa: PYI024 - the columns are data
        self._plan: tuple[str, tuple[str, ...], Mapping[str, Any]] | None = None

    def _run(
        self, driver: sqlite3.Connection, dialect: Dialect, parameters: Mapping[str, Any]
    ) -> sqlite3.Cursor:
        if self._plan is None:
            compiled = self._statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
            self._plan = str(compiled), tuple(compiled.positiontup or ()), compiled.params
        text, names, fixed = self._plan
        bound = [parameters[name] if name in parameters else fixed[name] for name in names]
        try:
            return driver.execute(text, bound)
        except sqlite3.OperationalError as exc:
            raise _as_core(text, exc) from exc


class Glance(_Look):
    """A hot look-up of one row, on SQLite in a third of Core's time. Truth values are 0 and 1 there."""

    def one(self, conn: Connection, parameters: Mapping[str, Any]) -> Any | None:
        """Return the row, its columns as attributes, or None."""
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            return conn.execute(self._statement, dict(parameters)).one_or_none()
        row = self._run(driver, conn.dialect, parameters).fetchone()
        return None if row is None else self._row(*row)


class Page(_Look):
    """A hot look-up of some rows, in their order."""

    def all(self, conn: Connection, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows."""
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            return conn.execute(self._statement, dict(parameters)).all()
        return list(map(self._row._make, self._run(driver, conn.dialect, parameters)))


class Sweep(_Look):
    """A hot look-up of the rows of many keys: on SQLite the keys are one JSON text, so the statement stays the same."""

    def __init__(self, statement: Select[*tuple[Any, ...]], key: ColumnElement[int]) -> None:
        keys = func.json_each(bindparam("keys")).table_valued("value")
        super().__init__(statement.where(key.in_(select(keys.c.value))))
        # one parameter, so that this statement stays the same as well
        self._elsewhere = statement.where(key == any_(bindparam("keys", type_=postgresql.ARRAY(BigInteger))))

    def all(self, conn: Connection, keys: Collection[int]) -> Sequence[Any]:
        """Return the rows; no keys, no statement."""
        if not keys:
            return ()
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            return conn.execute(self._elsewhere, {"keys": list(keys)}).all()
        parameters = {"keys": msgspec.json.encode(list(keys)).decode()}
        return list(map(self._row._make, self._run(driver, conn.dialect, parameters)))


class Bulk:
    """A hot write of many rows, each a mapping: compiled once, and on SQLite run by the driver itself."""

    def __init__(self, statement: Insert | Update, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns  # of an insert
        self._plan: tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]] | None = None

    def run(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows in the connection's transaction; no rows, no statement."""
        if not rows:
            return
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            conn.execute(self._statement, rows)
            return
        if self._plan is None:
            compiled = self._statement.compile(dialect=conn.dialect, column_keys=self._columns)
            self._plan = str(compiled), itemgetter(*(compiled.positiontup or ()))
        text, in_order = self._plan
        try:
            driver.executemany(text, map(in_order, rows))
        except sqlite3.OperationalError as exc:
            raise _as_core(text, exc) from exc


class Pile:
    """A hot insert of many rows, each a mapping: on SQLite few statements of many rows each, run by the driver itself.

    A statement of its own for each row would also write the table's last number each time, at twice the row's price.
    Rows are cut into powers of two, so that there are few statements to keep.
    """

    def __init__(self, statement: Insert, columns: Sequence[str]) -> None:
        self._statement = statement
        self._columns = columns
        self._in_order = itemgetter(*columns)
        self._texts: dict[int, str] = {}

    def run(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows in their order in the connection's transaction; no rows, no statement."""
        if not rows:
            return
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            conn.execute(self._statement, rows)
            return
        at = 0
        while left := len(rows) - at:
            count = min(1 << (left.bit_length() - 1), PILE_ROWS_MAX)
            text = self._texts.get(count) or self._spell(conn, count)
            try:
                driver.execute(text, [*chain.from_iterable(map(self._in_order, rows[at : at + count]))])
            except sqlite3.OperationalError as exc:
                raise _as_core(text, exc) from exc
            at += count

    def _spell(self, conn: Connection, count: int) -> str:
        compiled = self._statement.compile(dialect=conn.dialect, column_keys=self._columns)
        assert list(compiled.positiontup or ()) == list(self._columns), (
            "columns are named as the table has them"
        )
        head, values, row = str(compiled).partition(" VALUES ")
        text = self._texts[count] = head + values + ", ".join([row] * count)
        return text


def _as_core(statement: str, exc: sqlite3.OperationalError) -> OperationalError:
    """Make of the driver's error what SQLAlchemy would make of it."""
    return OperationalError(statement, None, exc)


def is_sqlite(conn: Connection) -> bool:
    """Whether the connection is to SQLite."""
    return conn.dialect.name == "sqlite"


def locks_rows(conn: Connection) -> bool:
    """Whether what is read to decide on is to be locked: where a transaction does not keep all others out (P14)."""
    return bool(conn.get_execution_options().get(WRITES))


def last_seq(conn: Connection) -> int:
    """Read the number of the journal's last line; no other transaction numbers one until this one's end."""
    if not is_sqlite(conn):
        conn.exec_driver_sql(_LOCK_JOURNAL)
    return int(conn.execute(_LAST_SEQ).scalar_one())


def count_from(conn: Connection, key: Column[int]) -> None:
    """Let a table's own numbers go on above the highest key, after one that was given."""
    if not is_sqlite(conn):
        highest = select(func.max(key)).scalar_subquery()
        conn.execute(select(func.setval(func.pg_get_serial_sequence(key.table.name, key.name), highest)))


def _clear(conn: Connection) -> None:
    conn.execute(_CLEAR)
    if not is_sqlite(conn):
        conn.exec_driver_sql(_PLAN_ANEW)


def choose(conn: Connection, device_ids: Iterable[int]) -> None:
    """Fill the scratch table with a task's devices; one named twice is there once (P6)."""
    _clear(conn)
    ids = msgspec.json.encode(list(device_ids)).decode()
    if is_sqlite(conn):
        conn.execute(_FILL_SQLITE, {"ids": ids})
    else:
        conn.execute(_FILL_POSTGRESQL, {"ids": f"{{{ids[1:-1]}}}"})


def choose_by(conn: Connection, query: Select[*tuple[Any, ...]]) -> None:
    """Fill the scratch table with the device IDs that a query gives, each once."""
    _clear(conn)
    conn.execute(insert(chosen).from_select(["device_id"], query))


def choose_failed(conn: Connection, task_id: int, failed_state: int) -> int:
    """Fill the scratch table with the devices whose job in a task failed; answers how many."""
    _clear(conn)
    return conn.execute(
        text(
            "INSERT INTO chosen SELECT device_id FROM jobs "
            "WHERE task_id = :task AND state = :state ORDER BY device_id"
        ),
        {"task": task_id, "state": failed_state},
    ).rowcount


def insert_one(conn: Connection, statement: Insert) -> int:
    """Insert one row; answers the number the database gave it."""
    key = conn.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])
