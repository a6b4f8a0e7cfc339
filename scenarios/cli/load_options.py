"""Options that all loads have: thresholds, reports, the far end, and Ctrl-C as an event."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from platform_stub.protocol.errors import UsageFault
from scenarios.load.thresholds import Threshold

F = TypeVar("F", bound=Callable[..., Any])

STATISTICS: Final = ("p50", "p90", "p95", "p99", "p99.9", "mean", "max")
_WHAT_TOOK: Final = {
    "p50": "Half took no longer",
    "p90": "90 % took no longer",
    "p95": "95 % took no longer",
    "p99": "99 % took no longer",
    "p99.9": "99.9 % took no longer",
    "mean": "No longer on average",
    "max": "None took longer",
}
NO_ERRORS: Final = "--max-errors 0"
"""What holds when nothing is said of errors: a load in which something failed has failed."""


def threshold_options(*abouts: str) -> Callable[[F], F]:
    """Add the thresholds: of the main measurement, and of those that are named."""

    def add(function: F) -> F:
        for about in reversed(("", *abouts)):
            for statistic in reversed(STATISTICS if not about else ("p50", "p95", "p99", "max")):
                name = f"max-{about}-{statistic}" if about else f"max-{statistic}"
                whom = f"Of {about}. " if about else ""
                help_text = f"{whom}{_WHAT_TOOK[statistic]}, such as 300ms; else exit code 1."
                function = click.option(f"--{name}", _field(name), metavar="SPAN", help=help_text)(function)
        function = click.option(
            "--min-rate", metavar="RATE", help="At least so many a second, such as 40/s; else exit code 1."
        )(function)
        return click.option(
            "--max-errors", metavar="COUNT|SHARE", help="At most so many errors, such as 3 or 1%. Default: 0."
        )(function)

    return add


def _field(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


def thresholds_of(said: dict[str, Any], *abouts: str) -> tuple[Threshold, ...]:
    """Take the thresholds out of what was said. UsageFault: one can't be parsed."""
    names = [f"max-{statistic}" for statistic in STATISTICS]
    names += [f"max-{about}-{statistic}" for about in abouts for statistic in ("p50", "p95", "p99", "max")]
    spoken = {name: said.pop(_field(name), None) for name in (*names, "max-errors", "min-rate")}
    spoken["max-errors"] = spoken["max-errors"] or NO_ERRORS.partition(" ")[2]
    return tuple(Threshold.parse(f"--{name} {text}") for name, text in spoken.items() if text is not None)


def report_dir_option(function: F) -> F:
    """Add where reports go."""
    return click.option(
        "--report-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for report.html, junit.xml and report.json; made if it is not there.",
    )(function)


def web_option(function: F) -> F:
    """Add Locust's web page."""
    return click.option(
        "--web", type=int, metavar="PORT", help="Show Locust's web page at this port while the load goes on."
    )(function)


def only_one(**options: object) -> None:
    """Refuse options that exclude each other. UsageFault names those that were given."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise UsageFault(f"give one of {' and '.join(given)}, not both: each says where the platform is")


@contextlib.contextmanager
def stop_event(hurry: Callable[[], object]) -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C or SIGTERM sets; a second time `hurry` is called. For a running loop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            hurry()
        stop.set()

    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, told)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
