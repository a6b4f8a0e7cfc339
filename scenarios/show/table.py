"""One play as lines of a table: what was done, the licence counts, the time. Pure; widths follow the terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from scenarios.results import PlayResult, StepResult
from scenarios.show.wording import (
    VERDICTS,
    counted,
    fleet_text,
    jobs_text,
    outcome_lines,
    policy_text,
    seconds_text,
    setting_text,
    steps_text,
)
from scenarios.units import show_fen

COUNTS: Final = ("needed", "available", "missing", "deducted", "left")
_HEADS: Final = {"available": "avail."}
_TIME_WIDTH: Final = 9
_TITLE_MIN: Final = 18
_MARKS: Final = {
    "passed": ("✓", "ok", "green"),
    "failed": ("✗", "XX", "bold red"),
    "unchecked": ("·", "..", "dim"),
    "not_played": ("-", "--", "dim"),
    "planned": ("·", "..", "dim"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Widths of the columns; `symbols` is whether the terminal can show more than ASCII."""

    width: int
    id_width: int
    count_width: int
    symbols: bool

    @property
    def title_width(self) -> int:
        """What is left for the title."""
        taken = 5 + self.id_width + 2 + len(COUNTS) * (self.count_width + 1) + _TIME_WIDTH
        return max(_TITLE_MIN, self.width - taken)


def layout_for(width: int, ids: list[str], devices: int, *, symbols: bool) -> Layout:
    """Choose widths for a play's step ids and number of devices."""
    id_width = min(14, max([4, *(cell_len(text) for text in ids)]))
    return Layout(
        width=width, id_width=id_width, count_width=max(8, len(f"{devices:,}") + 1), symbols=symbols
    )


def head_lines(name: str, title: str, play: PlayResult, layout: Layout) -> Iterator[Text]:
    """Give the lines above the steps."""
    yield Text.assemble((name, "bold"), "  ", title)
    yield Text(f"  {setting_text(play)}", style="dim")
    for line in _wrapped(policy_text(play.policy), layout.width - 2):
        yield Text(f"  {line}", style="dim")
    counts = "".join(f" {_HEADS.get(name, name):>{layout.count_width}}" for name in COUNTS)
    columns = f"     {'step':<{layout.id_width}}  {'':<{layout.title_width}}{counts}{'time':>{_TIME_WIDTH}}"
    yield Text(columns, style="dim")


def step_lines(step: StepResult, layout: Layout) -> Iterator[Text]:
    """Give a step's line, and below it what is wrong."""
    symbol, plain, style = _MARKS[step.verdict]
    line = Text("  ")
    line.append(f"{symbol} " if layout.symbols else plain, style=style)
    line.append(" ")
    line.append(set_cell_size(step.id, layout.id_width), style="bold" if step.verdict == "failed" else "")
    line.append("  ")
    line.append_text(_title(step, layout))
    wrong = {difference.what for difference in step.differences}
    for name in COUNTS:
        value = getattr(step.seen, name) if step.verdict != "not_played" else None
        text = ("·" if layout.symbols else "-") if value is None else f"{value:,}"
        line.append(
            f" {text:>{layout.count_width}}",
            style="bold red" if name in wrong else "dim" if not value else "",
        )
    time = "" if step.verdict in {"not_played", "planned"} else seconds_text(step.seconds)
    line.append(f"{time:>{_TIME_WIDTH}}", style="dim")
    yield line
    if step.verdict == "failed":
        for text in outcome_lines(step):
            for part in _wrapped(text, layout.width - 9 - layout.id_width):
                yield Text(" " * (7 + layout.id_width) + part, style="red")


def foot_lines(play: PlayResult, layout: Layout) -> Iterator[Text]:
    """Give the lines below the steps: the audit, what it cost, the verdict."""
    audit = play.audit
    if audit is not None:
        symbol, plain, style = _MARKS["passed" if audit.ok else "failed"]
        line = Text("  ")
        line.append(f"{symbol} " if layout.symbols else plain, style=style)
        verdict = "the books hold (I1-I7)" if audit.ok else counted(len(audit.findings), "finding")
        line.append(
            f" {set_cell_size('audit', layout.id_width)}  {verdict}, {counted(audit.rows, 'journal line')}"
        )
        yield line
        for finding in audit.findings:
            for part in _wrapped(finding, layout.width - 9 - layout.id_width):
                yield Text(" " * (7 + layout.id_width) + part, style="red")
    for part in _wrapped(play.reason, layout.width - 4) if play.reason else ():
        yield Text(f"  {part}", style="yellow" if play.verdict == "skipped" else "red")
    if play.cannot_check:
        yield Text(f"  not checked: {'; '.join(play.cannot_check)}", style="yellow")
    style = {"passed": "bold green", "skipped": "yellow"}.get(play.verdict, "bold red")
    facts = [
        steps_text(play),
        fleet_text(play),
        f"fee {show_fen(play.fee_fen)} yuan",
        seconds_text(play.seconds),
    ]
    yield Text.assemble(
        "  ", (VERDICTS[play.verdict], style), "  ", " · ".join(fact for fact in facts if fact)
    )


def _title(step: StepResult, layout: Layout) -> Text:
    """Give the title, and the jobs after it where there is room."""
    jobs = jobs_text(step)
    title = step.title or step.action.replace("_", " ")
    width = layout.title_width
    text = Text(style="dim" if step.verdict in {"not_played", "unchecked"} else "")
    if jobs and cell_len(title) + 2 + cell_len(jobs) <= width:
        text.append(title)
        text.append(f"  {jobs}", style="dim")
        text.append(" " * (width - cell_len(title) - 2 - cell_len(jobs)))
        return text
    if cell_len(title) > width:
        dots = "…" if layout.symbols else "..."
        title = set_cell_size(title, width - len(dots)).rstrip() + dots
    text.append(set_cell_size(title, width))
    return text


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Break a text at spaces."""
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) > max(width, 20):
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
