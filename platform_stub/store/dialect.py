"""The seam between databases: the few statements that SQLite and PostgreSQL spell differently."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import BigInteger, Connection, Insert, Integer, bindparam, column, select, table, text
from sqlalchemy.dialects import postgresql

# The scratch table of a connection: the distinct devices of the task that is being created.
chosen = table("chosen", column("device_id", Integer))

_CLEAR = text("DELETE FROM chosen")
_FILL_SQLITE = text("INSERT INTO chosen SELECT DISTINCT value FROM json_each(:ids) ORDER BY value")
_FILL_POSTGRESQL = text("INSERT INTO chosen SELECT DISTINCT v FROM unnest(:ids) v ORDER BY v").bindparams(
    bindparam("ids", type_=postgresql.ARRAY(BigInteger))
)


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


def chosen_ids(conn: Connection) -> list[int]:
    """Read the scratch table."""
    return list(conn.execute(select(chosen.c.device_id).order_by(chosen.c.device_id)).scalars())


def insert_one(conn: Connection, statement: Insert) -> int:
    """Insert one row; answers the number the database gave it."""
    key = conn.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])
