"""`ota-sim`: the command line. Subcommands are imported when they are used, so that help and `token` come at once.

Exit codes: 0 all held, 1 an expectation failed, 2 usage or scenario error, 3 the environment, 130 after Ctrl-C.
"""

import contextlib
import io
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import click

from platform_stub.protocol.errors import OtaSimError
from scenarios.cli.lazy import LazyGroup

INTERRUPTED: Final = 130
TRACEBACKS: Final = "OTA_SIM_TRACEBACK"
_PLACE: Final = re.compile(r"[^\s:]+:[0-9]+(:[0-9]+)?: ")
_ENVIRONMENT: Final = 3

# Each command's module, and its line in the help.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("scenarios.cli.run", "Play scenarios and give a verdict."),
    "check": ("scenarios.cli.check", "Check scenario files; --plan predicts each step."),
    "serve": ("scenarios.cli.serve", "Run the platform stub by itself."),
    "fleet": ("scenarios.cli.fleet", "Run devices against a stub that runs elsewhere."),
    "device": ("scenarios.cli.device", "Run one device, told by options or OTA_* variables."),
    "load": ("scenarios.cli.load", "Make load with Locust: task creation, fleets."),
    "conform": ("scenarios.cli.conform", "Hold a device program against the protocol."),
    "devices": ("scenarios.cli.devices", "Devices of an account as a CSV."),
    "api": ("scenarios.cli.api", "Call the operator API of a running stub."),
    "audit": ("scenarios.cli.audit", "Recompute the licence invariants from a data folder."),
    "token": ("scenarios.cli.token", "Make, explain or verify an access token."),
    "new": ("scenarios.cli.new", "Write a commented scenario to start from."),
    "schema": ("scenarios.cli.schema", "Print the JSON Schema of scenario files."),
}


class _Main(LazyGroup):
    """Ends with an exit code, and no traceback."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, and turn what stands in the way into a message and an exit code."""
        extra["standalone_mode"] = False
        _prepare_streams()
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
        except OSError as exc:
            _abandon_stdout()
            _leave(f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}", _ENVIRONMENT)
        except Exception as exc:
            if os.environ.get(TRACEBACKS):
                raise
            where = f"{type(exc).__name__}: {exc}"
            _leave(
                f"an error of ota-sim's own, please report it: {where} (set {TRACEBACKS}=1 to see where)",
                _ENVIRONMENT,
            )
        sys.exit(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    """Let no terminal's character set, and no closed descriptor, stand in the way of a verdict."""
    for name, mode in (("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _abandon_stdout() -> None:
    """Drop what could not be written, or Python tries it once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(message: str, code: int) -> NoReturn:
    # A place (file:line:column) begins its line, as editors and CI look for it.
    click.echo(message if _PLACE.match(message) else f"ota-sim: {message}", err=True)
    sys.exit(code)


@click.group(
    cls=_Main,
    known=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ota-sim", prog_name="ota-sim")
def main() -> None:
    """Simulate devices and platform of OneNET's remote OTA service, and hold both to the charging rules."""
