"""One play as lines of a table: what was done, the licence counts, the time. Pure; widths follow the terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import structs
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from scenarios.results import PlayResult, StepResult
from scenarios.show.wording import (
    DASH,
    DOT,
    VERDICTS,
    counted,
    fleet_text,
    flow_texts,
    flows_text,
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
_MINUTE_S: Final = 60
NARROW: Final = 100
_TITLE_MIN: Final = 18
_MARKS: Final = {
    "passed": ("✓", "ok", "green"),
    "failed": ("✗", "XX", "bold red"),
    "xfailed": ("~", "~~", "yellow"),
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
    def between(self) -> str:
        """What stands between facts on a line."""
        return DOT if self.symbols else DASH

    @property
    def title_width(self) -> int:
        """What is left for the title."""
        taken = 5 + self.id_width + 2 + sum(self.count_widths) + self.time_width
        return max(_TITLE_MIN, self.width - taken)


def layout_for(width: int, ids: list[str], devices: int, *, symbols: bool) -> Layout:
    """Choose widths for a play's step ids and number of devices."""
    id_width = min(14, max([5, *(cell_len(text) for text in ids)]))
    is_narrow = width < NARROW
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
    first, *more = _wrapped(title, layout.width, indent=len(name) + 2, then=2)
    yield Text.assemble((name, "bold"), f"  {first}" if first else "")
    yield from (Text(f"  {line}") for line in more)
    for facts in (setting_text(play, layout.between), policy_text(play.policy, layout.between)):
        for line in _wrapped(facts, layout.width, layout.between, indent=2):
            yield Text(f"  {line}", style="dim")
    heads = zip(layout.heads, layout.count_widths, strict=True)
    counts = "".join(f"{head:>{width}}" for head, width in heads)
    columns = (
        f"     {'step':<{layout.id_width}}  {'':<{layout.title_width}}{counts}{'time':>{layout.time_width}}"
    )
    yield Text(columns, style="dim")


def step_lines(step: StepResult, layout: Layout) -> Iterator[Text]:
    """Give a step's line, below it what of its title did not fit, and what is wrong."""
    symbol, plain, style = _MARKS[step.verdict]
    line = Text("  ")
    line.append(f"{symbol} " if layout.symbols else plain, style=style)
    line.append(" ")
    line.append(set_cell_size(step.id, layout.id_width), style="bold" if step.verdict == "failed" else "")
    line.append("  ")
    title, *more = _title(step, layout)
    line.append_text(title)
    wrong = {difference.what for difference in step.differences}
    for name, width in zip(COUNTS, layout.count_widths, strict=True):
        value = getattr(step.seen, name) if step.verdict != "not_played" else None
        text = ("·" if layout.symbols else "-") if value is None else f"{value:,}"
        asked = "" if name in step.expected else "dim"
        line.append(f"{text:>{width}}", style="bold red" if name in wrong else asked)
    time = _time_text(step.seconds) if step.seconds else ""  # what was not played took none
    line.append(f"{time:>{layout.time_width}}", style="dim")
    yield line
    indent = 7 + layout.id_width
    for below in more:
        yield Text.assemble(" " * indent, below)
    for part in _wrapped(step.remark, layout.width, indent=indent) if step.remark else ():
        yield Text(" " * indent + part, style="dim")
    if step.verdict in {"failed", "xfailed"}:
        known = [f"known to fail: {step.xfail}"] if step.verdict == "xfailed" else []
        for said in (*known, *outcome_lines(step)):
            for part in _wrapped(said, layout.width, indent=indent):
                yield Text(" " * indent + part, style="yellow" if known else "red")
    for inner in step.parallel:
        yield from step_lines(
            structs.replace(inner, id=f"{'·' if layout.symbols else '-'} {inner.id}"), layout
        )


def teardown_line() -> Text:
    """Give the line above the steps that are done at the end."""
    return Text("     at the end", style="dim")


def _time_text(seconds: float) -> str:
    """Spell a duration so that it fits its column, up to 99 minutes."""
    if seconds < _MINUTE_S:
        return seconds_text(seconds)
    return f"{int(seconds) // _MINUTE_S}m {int(seconds) % _MINUTE_S:02}s"


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
            for part in _wrapped(finding, layout.width, indent=7 + layout.id_width):
                yield Text(" " * (7 + layout.id_width) + part, style="red")
    flows = flow_texts(play)
    for name, did in flows.items() if len(flows) > 1 else ():
        yield Text(f"{' ' * 5}{set_cell_size(flows_text(name), layout.id_width)}  {did}", style="dim")
    for part in _wrapped(play.reason, layout.width, indent=2) if play.reason else ():
        yield Text(f"  {part}", style="yellow" if play.verdict == "skipped" else "red")
    for part in _wrapped(f"delivery: {play.delivery}", layout.width, indent=2) if play.delivery else ():
        yield Text(f"  {part}", style="dim")
    if play.cannot_check:
        for part in _wrapped(f"not checked: {'; '.join(play.cannot_check)}", layout.width, indent=2):
            yield Text(f"  {part}", style="yellow")
    style = {"passed": "bold green", "skipped": "yellow"}.get(play.verdict, "bold red")
    facts = [
        steps_text(play),
        fleet_text(play),
        f"fee {show_fen(play.fee_fen)} yuan",
        seconds_text(play.seconds),
    ]
    verdict = VERDICTS[play.verdict]
    facts_text = layout.between.join(fact for fact in facts if fact)
    first, *more = _wrapped(facts_text, layout.width, layout.between, indent=len(verdict) + 4)
    yield Text.assemble("  ", (verdict, style), "  ", first)
    yield from (Text(" " * (len(verdict) + 4) + part) for part in more)


def _title(step: StepResult, layout: Layout) -> Iterator[Text]:
    """Give the title with the jobs after it: the first line fills its column, the rest goes below."""
    jobs, width = jobs_text(step), layout.title_width
    style = "dim" if step.verdict in {"not_played", "unchecked"} else ""
    rest = layout.width - 7 - layout.id_width
    title = step.title or step.action.replace("_", " ")
    lines = [Text(line, style=style) for line in _wrapped(title, width, then=width - rest)]
    if jobs:
        room = width if len(lines) == 1 else rest
        if lines[-1].cell_len + 2 + cell_len(jobs) > room:
            lines.append(Text())
        else:
            lines[-1].append("  ")
        lines[-1].append(jobs, style="dim")
    lines[0].pad_right(width - lines[0].cell_len)
    yield from lines


def _wrapped(
    text: str, width: int, between: str = " ", *, indent: int = 0, then: int | None = None
) -> Iterator[str]:
    """Break a text where its parts meet, and one part only where it is wider than a line.

    `indent` is what the caller puts before the first line, `then` before each further one.
    """
    room, later = (max(10, width - taken) for taken in (indent, indent if then is None else then))
    line = ""
    for part in text.split(between if between.strip() else None):
        left = part
        if line and cell_len(line) + len(between) + cell_len(left) > room:
            yield line
            line, room = "", later
        while cell_len(left) > room:
            head = set_cell_size(left, room).rstrip()
            yield head
            left, room = left[len(head) :], later
        line = f"{line}{between}{left}" if line else left
    yield line
