"""`ota-sim`: the command line. Subcommands are imported when they are used, so that help and `token` come at once.

Exit codes: 0 all held, 1 an expectation failed, 2 usage or scenario error, 3 the environment, 130 after Ctrl-C.
"""

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import click

from platform_stub.protocol.errors import OtaSimError

INTERRUPTED: Final = 130
_ENVIRONMENT: Final = 3

# Each command's module, and its line in the help.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("scenarios.cli.run", "Play scenarios and give a verdict."),
    "check": ("scenarios.cli.check", "Check scenario files; --plan predicts each step."),
    "serve": ("scenarios.cli.serve", "Run the platform stub by itself."),
    "fleet": ("scenarios.cli.fleet", "Run devices against a stub that runs elsewhere."),
    "devices": ("scenarios.cli.devices", "Devices of an account as a CSV."),
    "api": ("scenarios.cli.api", "Call the operator API of a running stub."),
    "audit": ("scenarios.cli.audit", "Recompute the licence invariants from a data folder."),
    "token": ("scenarios.cli.token", "Make, explain or verify an access token."),
    "schema": ("scenarios.cli.schema", "Print the JSON Schema of scenario files."),
}


class _Group(click.Group):
    """Knows its commands by name, and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        command = getattr(importlib.import_module(known[0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, and turn what stands in the way into a message and an exit code."""
        extra["standalone_mode"] = False
        try:
            code = super().main(*args, **extra)
        except OtaSimError as exc:
            _leave(str(exc), exc.exit_code)
        except click.exceptions.Abort:
            _leave("stopped", INTERRUPTED)
        except click.ClickException as exc:
            exc.show()
            sys.exit(exc.exit_code)
        except KeyboardInterrupt:
            _leave("stopped", INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone; there is no one to tell
            sys.exit(_ENVIRONMENT)
        sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> NoReturn:
    click.echo(f"ota-sim: {message}" if "\n" not in message else message, err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ota-sim", prog_name="ota-sim")
def main() -> None:
    """Simulate devices and platform of OneNET's remote OTA service, and hold both to the charging rules."""
