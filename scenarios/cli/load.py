"""`ota-sim load`: the commands that make load; each is imported when it is used."""

import importlib
from collections.abc import Mapping
from typing import Final

import click

COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "create-task": ("scenarios.cli.load_create_task", "create_task", "Create tasks, many at once."),
    "fleet": ("scenarios.cli.load_fleet", "fleet", "Connect many devices, and update each once."),
    "locustfile": (
        "scenarios.cli.load_locustfile",
        "locustfile",
        "Say where a locustfile is, for locust -f.",
    ),
}


class _Group(click.Group):
    """Knows its commands by name, and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        module, attribute, _ = known
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, _, help_text) in COMMANDS.items()])


@click.group(cls=_Group, short_help="Load on Locust: many creators, and fleets that fill the machine.")
def load() -> None:
    """Make load with Locust, and judge it: percentiles, curves, thresholds as exit code, and the audit.

    Needs Locust: pip install 'ota-sim[load]'.
    """
