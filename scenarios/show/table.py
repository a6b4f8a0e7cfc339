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
_NARROW_HEADS: Final = {
    "needed": "need",
    "available": "avail",
    "missing": "miss",
    "deducted": "took",
}
_TIME_WIDTH: Final = 10
_NARROW_TIME_WIDTH: Final = 8
_NARROW: Final = 100
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
    count_widths: tuple[int, ...]
    time_width: int
    heads: tuple[str, ...]
    symbols: bool

    @property
    def title_width(self) -> int:
        """What is left for the title."""
        taken = 5 + self.id_width + 2 + sum(self.count_widths) + self.time_width
        return max(_TITLE_MIN, self.width - taken)


def layout_for(width: int, ids: list[str], devices: int, *, symbols: bool) -> Layout:
    """Choose widths for a play's step ids and number of devices."""
    id_width = min(14, max([5, *(cell_len(text) for text in ids)]))
    is_narrow = width < _NARROW
    heads = tuple((_NARROW_HEADS if is_narrow else _HEADS).get(name, name) for name in COUNTS)
    gap, count_width = 1 if is_narrow else 2, len(f"{devices:,}")
    return Layout(
        width=width,
        id_width=id_width,
        count_widths=tuple(max(len(head), count_width) + gap for head in heads),
        time_width=_NARROW_TIME_WIDTH if is_narrow else _TIME_WIDTH,
        heads=heads,
        symbols=symbols,
    )


def head_lines(name: str, title: str, play: PlayResult, layout: Layout) -> Iterator[Text]:
    """Give the lines above the steps."""
    yield Text.assemble((name, "bold"), f"  {title}" if title else "")
    yield Text(f"  {setting_text(play)}", style="dim")
    for line in _wrapped(policy_text(play.policy), layout.width - 2, " · "):
        yield Text(f"  {line}", style="dim")
    heads = zip(layout.heads, layout.count_widths, strict=True)
    counts = "".join(f"{head:>{width}}" for head, width in heads)
    columns = (
        f"     {'step':<{layout.id_width}}  {'':<{layout.title_width}}{counts}{'time':>{layout.time_width}}"
    )
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
    for name, width in zip(COUNTS, layout.count_widths, strict=True):
        value = getattr(step.seen, name) if step.verdict != "not_played" else None
        text = ("·" if layout.symbols else "-") if value is None else f"{value:,}"
        asked = "" if name in step.expected else "dim"
        line.append(f"{text:>{width}}", style="bold red" if name in wrong else asked)
    time = "" if step.verdict in {"not_played", "planned"} else seconds_text(step.seconds)
    line.append(f"{time:>{layout.time_width}}", style="dim")
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


def _wrapped(text: str, width: int, between: str = " ") -> Iterator[str]:
    """Break a text where its parts meet."""
    line = ""
    for part in text.split(between if between.strip() else None):
        if line and cell_len(line) + len(between) + cell_len(part) > max(width, 20):
            yield line
            line = part
        else:
            line = f"{line}{between}{part}" if line else part
    yield line
