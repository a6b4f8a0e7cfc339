"""`--database`: the URL of a PostgreSQL database on the command line."""

from pathlib import Path
from typing import Any

import click

from platform_stub.database_url import DatabaseUrl
from platform_stub.protocol.errors import UsageFault


class DatabaseType(click.ParamType[DatabaseUrl]):
    """A database's URL; what is wrong with it is said without repeating it, as it may hold a password."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatabaseUrl:
        """Read it."""
        if isinstance(value, DatabaseUrl):
            return value
        try:
            return DatabaseUrl.parse(value)
        except UsageFault as exc:
            self.fail(str(exc), param, ctx)


def check_place(data: Path | None, database: DatabaseUrl | None) -> None:
    """Refuse two places at once."""
    if data is not None and database is not None:
        raise UsageFault("give --data or --database, not both: everything is in the one or in the other")
