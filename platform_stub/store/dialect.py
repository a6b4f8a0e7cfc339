"""The seam between databases: the few statements that SQLite and PostgreSQL spell differently."""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Integer,
    Select,
    Update,
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

# The scratch table of a connection: the distinct devices of the task that is being created.
chosen = table("chosen", column("device_id", Integer))

_CLEAR = text("DELETE FROM chosen")
_FILL_SQLITE = text("INSERT INTO chosen SELECT DISTINCT value FROM json_each(:ids) ORDER BY value")
_FILL_POSTGRESQL = text("INSERT INTO chosen SELECT DISTINCT v FROM unnest(:ids) v ORDER BY v").bindparams(
    bindparam("ids", type_=postgresql.ARRAY(BigInteger))
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


class Sweep(_Look):
    """A hot look-up of the rows of many keys: on SQLite the keys are one JSON text, so the statement stays the same."""

    def __init__(self, statement: Select[*tuple[Any, ...]], key: ColumnElement[int]) -> None:
        keys = func.json_each(bindparam("keys")).table_valued("value")
        super().__init__(statement.where(key.in_(select(keys.c.value))))
        self._elsewhere = statement.where(key.in_(bindparam("keys", expanding=True)))

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


def _as_core(statement: str, exc: sqlite3.OperationalError) -> OperationalError:
    """Make of the driver's error what SQLAlchemy would make of it."""
    return OperationalError(statement, None, exc)


def choose(conn: Connection, device_ids: Iterable[int]) -> None:
    """Fill the scratch table with a task's devices; one named twice is there once (P6)."""
    conn.execute(_CLEAR)
    if conn.dialect.name == "sqlite":
        conn.execute(_FILL_SQLITE, {"ids": msgspec.json.encode(list(device_ids)).decode()})
    else:
        conn.execute(_FILL_POSTGRESQL, {"ids": list(device_ids)})


def choose_by(conn: Connection, query: Select[*tuple[Any, ...]]) -> None:
    """Fill the scratch table with the device IDs that a query gives, each once."""
    conn.execute(_CLEAR)
    conn.execute(insert(chosen).from_select(["device_id"], query))


def choose_failed(conn: Connection, task_id: int, failed_state: int) -> int:
    """Fill the scratch table with the devices whose job in a task failed; answers how many."""
    conn.execute(_CLEAR)
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
