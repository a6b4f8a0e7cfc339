"""How plays are run, as a value; light to import, as the command line and every worker have it."""

from msgspec import Struct


class RunOptions(Struct, frozen=True, kw_only=True):
    """`data` is the folder in which the stubs' data folders are made; `only` the one step that is checked."""

    broker: str = "embedded"
    data: str | None = None
    only: str | None = None
    fail_fast: bool = False
