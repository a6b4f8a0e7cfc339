"""What SQLAlchemy compiles for SQLite, kept for all stores of a process.

A process that opens a stub for each of its tests opens a store for each, with three engines. Each engine would compile
every statement anew, and a new store the whole schema: that is a third of what such tests cost. What is compiled hangs
on SQLite's version alone, and that is the process's. Which statements there are is the other modules' business.
"""

import functools
from typing import Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.util import LRUCache

from platform_stub.store.schema import metadata

DRIVER: Final = "sqlite+ota_sim"
_MOST_STATEMENTS: Final = 1_500


class SharedDialect(SQLiteDialect_pysqlite):
    """SQLite's dialect, of which any two are equal: SQLAlchemy keeps what it compiled by its dialect."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register("sqlite.ota_sim", __name__, SharedDialect.__name__)

COMPILED: Final[LRUCache[Any, Any]] = LRUCache(_MOST_STATEMENTS)
"""An engine's execution option `compiled_cache`; SQLAlchemy guards it against threads."""


@functools.cache
def schema_statements() -> tuple[str, ...]:
    """Say the statements that make the schema in an empty database, in their order."""
    dialect = SharedDialect()
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return tuple(statements)
