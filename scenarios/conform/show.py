"""A suite on the console: a line a case as it ends, what a failed one wanted and saw, and the summary.

On a terminal a line below says what is being played; with NO_COLOR, a dumb terminal or a pipe it is plain lines.
"""

from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from device_sim import FLOWS, Flow
from scenarios.conform.case import Case
from scenarios.conform.verdicts import CaseResult, SuiteResult, Verdict

_STYLES: Final = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.SKIPPED: "yellow"}
_WIRE_LINES: Final = 12
_NAME_WIDTH: Final = 24
_FLOW_WIDTH: Final = len("studio/")
_NAMED_MAX: Final = 3


class Show:
    """Shows a suite as it is played."""

    def __init__(self, console: Console, planned: int, *, many_flows: bool) -> None:
        self._console = console
        self._planned = planned
        self._many_flows = many_flows
        self._done = 0
        self._failed = 0
        self._playing: dict[tuple[str, str], None] = {}
        is_live = console.is_terminal and not console.no_color and not console.is_dumb_terminal
        self._status: Status | None = console.status("starting the program") if is_live else None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the progress away; the lines stay."""
        if self._status is not None:
            self._status.stop()

    def case_began(self, case: Case, flow: Flow) -> None:
        """Name it among those that are played."""
        self._playing[case.id, flow] = None
        self._update()

    def case_ended(self, result: CaseResult) -> None:
        """Write its line."""
        self._playing.pop((result.id, result.flow), None)
        self._done += 1
        self._failed += result.verdict is Verdict.FAILED
        name, width = result.id, _NAME_WIDTH
        if self._many_flows:
            name, width = f"{result.flow}/{name}", width + _FLOW_WIDTH
        verdict = Text(f"{result.verdict.value:<7}", _STYLES[result.verdict])
        self._line(Text.assemble(verdict, f" {name:<{width}} {result.title}"))
        for line in _details(result):
            self._line(Text(f"          {line}"))
        self._update()

    def summary(self, result: SuiteResult, written: Sequence[str], *, folder: str) -> None:
        """Say what it came to."""
        counts = [f"{result.count(verdict)} {verdict.value}" for verdict in Verdict if result.count(verdict)]
        open_count = result.planned - len(result.cases)
        if open_count:
            counts.append(f"{open_count} not played")
        self._line("")
        self._line(f"{', '.join(counts) or 'nothing was played'}, in {result.seconds:.0f} s")
        for path in written:
            self._line(f"written: {path}")
        if folder:
            self._line(f"output and wire of each case: {folder}")
        elif result.count(Verdict.FAILED):
            self._line("--keep DIR keeps each case's output and wire; --only CASE plays one of them alone")

    def _update(self) -> None:
        if self._status is None:
            return
        names = [case_id for case_id, _ in self._playing]
        more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
        failed = f", {self._failed} failed" if self._failed else ""
        self._status.update(
            f"{self._done}/{self._planned} played{failed}; now {', '.join(names[:_NAMED_MAX])}{more}"
        )

    def _line(self, text: str | Text) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _details(result: CaseResult) -> list[str]:
    if result.verdict is Verdict.PASSED:
        return []
    if result.verdict is Verdict.SKIPPED:
        return [result.reason]
    lines = [f"wanted: {result.wanted}", f"but:    {result.reason}"]
    lines.append(f"rests on {', '.join(result.facts)} of docs/protocol.md")
    if result.wire:
        lines += ["the last on the wire:", *(f"  {line}" for line in result.wire[-_WIRE_LINES:])]
    if result.output:
        lines += ["the last the program wrote:", *(f"  | {line}" for line in result.output)]
    return lines


def list_cases(cases: Sequence[Case]) -> list[str]:
    """Give a line a case, for --list."""
    lines: list[str] = []
    group = ""
    for case in cases:
        if case.group != group:
            group = case.group
            lines += ["", f"{group}:"] if lines else [f"{group}:"]
        flows = "" if case.flows == FLOWS else f" ({', '.join(case.flows)})"
        optional = " (optional)" if case.optional else ""
        lines.append(f"  {case.id:<24} {case.title}{flows}{optional}")
    return lines
