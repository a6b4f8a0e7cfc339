"""Where in a user's program a step is written, so that a mistake in its words is told with file and line."""

import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from scenarios.loader.mistakes import Mark, Mistake, ScenarioFault

OURS: Final = ("scenarios.session", "scenarios.pytest_plugin")
CALLER: Final[ContextVar[tuple[str, int] | None]] = ContextVar("ota_sim_caller", default=None)
"""Set by who calls from another thread, whose frames are not seen from here."""


def caller() -> tuple[str, int]:
    """Give file and line of the nearest frame that is not of this package's own."""
    known = CALLER.get()
    if known is not None:
        return known
    frame = sys._getframe(1)  # noqa: SLF001 - there is no other way to the caller's line that costs nothing
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(OURS):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def placed(mistakes: Iterable[Mistake], place: tuple[str, int]) -> ScenarioFault:
    """Make the fault of words that stand in a program: each mistake keeps its path, and gets the program's place."""
    file, line = place
    return ScenarioFault(Mistake(file, Mark(line, 1), mistake.path, mistake.text) for mistake in mistakes)
