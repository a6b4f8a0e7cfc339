"""How plays are run, as a value; light to import, as the command line and every worker have it."""

from msgspec import Struct

from scenarios.target import Target


class RunOptions(Struct, frozen=True, kw_only=True):
    """`data` is the folder in which the stubs' data folders are made; `only` the one step that is checked.

    `database` is, instead of `data`, the URL of a PostgreSQL database in which each stub has a schema; it may hold a
    password.

    `until` is the last step that is played; what is there then stays up until the run is stopped. `evidence` is the
    folder in which what failed plays leave is kept. Without `story` no device's is told. `target` is the platform under
    test; None: the stub.
    """

    broker: str = "embedded"
    data: str | None = None
    database: str | None = None
    only: str | None = None
    fail_fast: bool = False
    until: str | None = None
    evidence: str | None = None
    story: bool = True
    target: Target | None = None
