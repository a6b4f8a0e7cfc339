"""The seam between databases: the few statements that SQLite and PostgreSQL spell differently."""

import sqlite3
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Insert, Integer, Select, bindparam, column, table, text
from sqlalchemy.dialects import postgresql

# The scratch table of a connection: the distinct devices of the task that is being created.
chosen = table("chosen", column("device_id", Integer))

_CLEAR = text("DELETE FROM chosen")
_FILL_SQLITE = text("INSERT INTO chosen SELECT DISTINCT value FROM json_each(:ids) ORDER BY value")
_FILL_POSTGRESQL = text("INSERT INTO chosen SELECT DISTINCT v FROM unnest(:ids) v ORDER BY v").bindparams(
    bindparam("ids", type_=postgresql.ARRAY(BigInteger))
)


class Glance:
    """A hot look-up of one row: compiled once, and on SQLite run by the driver itself, in a third of Core's time."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._columns = statement.selected_columns.keys()
        self._plan: tuple[str, tuple[str, ...], Mapping[str, Any]] | None = None

    def one(self, conn: Connection, parameters: Mapping[str, Any]) -> Any | None:
        """Return the row, its columns as attributes, or None."""
        driver = conn.connection.dbapi_connection
        if not isinstance(driver, sqlite3.Connection):
            return conn.execute(self._statement, dict(parameters)).one_or_none()
        if self._plan is None:
            compiled = self._statement.compile(
                dialect=conn.dialect, compile_kwargs={"render_postcompile": True}
            )
            self._plan = str(compiled), tuple(compiled.positiontup or ()), compiled.params
        text, names, fixed = self._plan
        bound = [parameters[name] if name in parameters else fixed[name] for name in names]
        row = driver.execute(text, bound).fetchone()
        return None if row is None else SimpleNamespace(**dict(zip(self._columns, row, strict=True)))


def choose(conn: Connection, device_ids: Iterable[int]) -> None:
    """Fill the scratch table with a task's devices; one named twice is there once (P6)."""
    conn.execute(_CLEAR)
    if conn.dialect.name == "sqlite":
        conn.execute(_FILL_SQLITE, {"ids": msgspec.json.encode(list(device_ids)).decode()})
    else:
        conn.execute(_FILL_POSTGRESQL, {"ids": list(device_ids)})


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
