"""`ota-sim load`: the commands that make load; each is imported when it is used."""

from collections.abc import Mapping
from typing import Final

import click

from scenarios.cli.lazy import LazyGroup

# Each command's module, and its line in the help.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "create-task": ("scenarios.cli.load_create_task", "Create tasks, many at once."),
    "fleet": ("scenarios.cli.load_fleet", "Connect many devices, and update each once."),
    "locustfile": ("scenarios.cli.load_locustfile", "Say where a locustfile is, for locust -f."),
}


@click.group(
    cls=LazyGroup,
    known=COMMANDS,
    short_help="Load on Locust: many creators, and fleets that fill the machine.",
)
def load() -> None:
    """Make load with Locust, and judge it: percentiles, curves, thresholds as exit code, and the audit.

    Needs Locust: pip install 'ota-sim[load]'.
    """
