"""A run on the console: lines in the order of the plays, and below them, on a terminal, how far each running play is.

Plays may run at once; the lines of a later one are held back until the earlier ones have ended.
"""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final, Self

from msgspec import structs
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from scenarios.play import Parallel, Play
from scenarios.results import PlayResult, RunResult, Sample, result_of
from scenarios.runner.events import Event, PlayEnded, PlayStarted, Progress, Sampled, StepEnded
from scenarios.show.table import NARROW, Layout, foot_lines, head_lines, layout_for, step_lines, teardown_line
from scenarios.show.wording import (
    DASH,
    DOT,
    VERDICTS,
    counted,
    platform_text,
    sample_texts,
    seconds_text,
    verdict_text,
)
from scenarios.units import show_fen

WIDTH_PLAIN: Final = 120
WIDTH_MAX: Final = 140
BAR_WIDTH: Final = 24
BAR_WIDTH_NARROW: Final = 12
PLAIN_EVERY_S: Final = 5.0
EVIDENCE_MAX: Final = 5
_DOING: Final = {
    "connecting": "connecting",
    "jobs": "updating",
    "cards": "replacing cards",
    "waiting": "waiting for",
}


class _Running:
    """A play as it is shown: its lines that wait, and how far it is."""

    def __init__(self, play: Play, layout: Layout) -> None:
        self.play = play
        self.layout = layout
        self.lines: list[Text] = []
        self.progress: Progress | None = None
        self.sample: Sample | None = None
        self.is_at_end = False
        self.is_on = False
        self.is_over = False
        self.steps_done = 0
        self.said_at = time.monotonic()


class ConsoleShow:
    """Shows a run. On a terminal it is live; with NO_COLOR, a dumb terminal or a pipe it is plain lines."""

    def __init__(
        self, plays: Sequence[Play], broker: str, console: Console | None = None, *, target: str = ""
    ) -> None:
        self._console = console or make_console()
        self._broker = broker
        self._target = target
        self._symbols = can_show_symbols(self._console)
        width = min(self._console.width, WIDTH_MAX)
        self._running = [
            _Running(
                play,
                layout_for(width, list(_ids(play)), play.device_count, symbols=self._symbols),
            )
            for play in plays
        ]
        self._first = 0  # the play whose lines are shown as they come
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.no_color and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console, refresh_per_second=10, transient=True, get_renderable=self._below
            )

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End showing."""
        self.settle()

    def settle(self) -> None:
        """Take the progress away; the lines stay."""
        if self._live is not None:
            self._live.stop()
        self._flush(everything=True)

    def event(self, at: int, event: Event) -> None:
        """Take what happened in play number `at`."""
        running = self._running[at]
        match event:
            case PlayStarted():
                running.is_on = True
                running.lines += self._head(running)
            case Progress():
                running.progress = event
                self._say_plainly(running, event)
            case Sampled(sample=sample):
                running.sample = sample
            case StepEnded(result=result, is_teardown=is_teardown):
                running.progress = None
                running.steps_done += 1
                if is_teardown and not running.is_at_end:
                    running.is_at_end = True
                    running.lines.append(teardown_line())
                running.lines += step_lines(result, running.layout)
            case PlayEnded(result=result):
                running.is_on, running.is_over = False, True
                running.lines += [*foot_lines(result, running.layout), Text("")]
        self._flush()

    def summary(self, run: RunResult, written: Iterable[str]) -> None:
        """Show what the run came to as a whole."""
        if len(run.plays) > 1:
            for play in run.plays:
                self._console.print(self._summed(play), soft_wrap=True, highlight=False)
            self._console.print()
        spoken = dict.fromkeys(flow for play in run.plays for flow in play.flow.split(", "))
        flows = ", ".join(flow for flow in spoken if flow not in {"", "none"}) or "none"
        seeds = ", ".join(dict.fromkeys(str(play.seed) for play in run.plays)) or "-"
        facts = (
            f"ota-sim {run.version}",
            f"flow {flows}",
            platform_text(self._broker, self._target),
            f"seed {seeds}",
        )
        line = (DOT if self._symbols else DASH).join((*facts, seconds_text(run.seconds)))
        self._console.print(Text(line, style="dim"), soft_wrap=True)
        for file in written:
            self._console.print(Text(f"written: {file}", style="dim"), soft_wrap=True)
        for folder in _evidence(run):
            self._console.print(Text(f"evidence: {folder}"), soft_wrap=True)
        style = "bold green" if run.exit_code == 0 else "bold red"
        self._console.print(Text(verdict_text(run), style=style), soft_wrap=True)

    def _head(self, running: _Running) -> Iterable[Text]:
        play = running.play
        title = ": ".join(part for part in (play.title, play.variant_title) if part)
        setting = structs.replace(result_of(play, self._broker, "passed"), target=self._target)
        return head_lines(play.name, title, setting, running.layout)

    def _summed(self, play: PlayResult) -> Text:
        style = {"passed": "green", "skipped": "yellow"}.get(play.verdict, "bold red")
        width = max(len(running.play.name) for running in self._running)
        failed = ", ".join(step.id for step in play.failed_steps[:6])
        why = play.reason or (f"failed: {failed}" if failed else "") or play.variant_title or play.title
        line = Text.assemble(
            "  ",
            (f"{VERDICTS[play.verdict]:<7}", style),
            f"  {play.name:<{width}}  {seconds_text(play.seconds):>10}  fee {show_fen(play.fee_fen):>6} yuan  ",
            (why, "dim"),
        )
        line.truncate(self._console.width, overflow="ellipsis" if self._symbols else "crop")
        return line

    def _flush(self, *, everything: bool = False) -> None:
        """Print what may be printed by now."""
        while self._first < len(self._running):
            running = self._running[self._first]
            lines, running.lines = running.lines, []
            for line in lines:
                self._console.print(line, soft_wrap=True, highlight=False)
            if not running.is_over and not everything:
                return
            self._first += 1

    def _say_plainly(self, running: _Running, progress: Progress) -> None:
        """Without a live display, say now and then how far it is."""
        if self._live is not None or time.monotonic() - running.said_at < PLAIN_EVERY_S:
            return
        running.said_at = time.monotonic()
        jobs = "" if running.sample is None else sample_texts(running.sample)[0]
        facts = running.layout.between.join(filter(None, (_progress_text(progress), jobs)))
        running.lines.append(Text(f"     {facts}"))

    def _below(self) -> RenderableType:
        """Give the live part: a line for each play that is on."""
        on = [running for running in self._running if running.is_on]
        lines = [line for running in on for line in (self._bar(running), *self._stands(running))]
        waiting = sum(not running.is_on and not running.is_over for running in self._running)
        if waiting:
            lines.append(Text(f"  {counted(waiting, 'run')} to come", style="dim"))
        return Group(*lines)

    def _stands(self, running: _Running) -> Iterable[Text]:
        """Say how jobs and licences stand, below the play's bar."""
        if running.sample is None:
            return
        facts = running.layout.between.join(filter(None, sample_texts(running.sample)))
        line = Text(f"     {facts}", style="dim")
        line.truncate(self._console.width, overflow="ellipsis" if self._symbols else "crop")
        yield line

    def _bar(self, running: _Running) -> Text:
        total = len(running.play.steps) + len(running.play.teardown)
        line = Text.assemble(
            "  ", (running.play.name, "bold"), f"  step {min(running.steps_done + 1, total)} of {total}"
        )
        progress = running.progress
        if progress is not None and not progress.total:
            line.append(f"  {_progress_text(progress)}")
        elif progress is not None:
            width = BAR_WIDTH if self._console.width >= NARROW else BAR_WIDTH_NARROW
            filled = width * progress.done // progress.total
            full, empty = ("━", "─") if self._symbols else ("=", "-")
            line.append("  ")
            line.append(full * filled, style="green")
            line.append(empty * (width - filled), style="dim")
            line.append(f"  {_progress_text(progress)}")
        return line


def _ids(play: Play) -> Iterable[str]:
    """Give all ids that stand in a play's table; those of steps that are done at once are indented."""
    for step in (*play.steps, *play.teardown):
        yield step.id
        if isinstance(step.action, Parallel):
            yield from (f"  {inner.id}" for inner in step.action.steps)


def _evidence(run: RunResult) -> Iterable[str]:
    """Give where evidence lies: of a few plays each folder, of many the one that they are in."""
    folders = [play.evidence for play in run.plays if play.evidence]
    if len(folders) <= EVIDENCE_MAX:
        return folders
    return [f"{os.path.commonpath(folders)} ({len(folders):,} folders)"]


def _progress_text(progress: Progress) -> str:
    step = f" {progress.step}" if progress.step else ""
    of = f" {progress.done:,}/{progress.total:,}" if progress.total else ""
    return f"{_DOING[progress.doing]}{step}{of}"


class _Console(Console):
    """A console whose reader may leave: the run goes on, and its exit code and reports are what counts."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_console() -> Console:
    """Make the console: as wide as the terminal, or wide enough for a log."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else WIDTH_PLAIN
    return _Console(width=width, highlight=False, emoji=False, markup=False)


def can_show_symbols(console: Console) -> bool:
    """Whether the output can hold more than ASCII."""
    try:
        "✓✗·…━─".encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
