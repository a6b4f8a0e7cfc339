"""Plots of a play as inline SVG: licences and jobs over time, and how long jobs took.

Drawn by matplotlib, which is imported when a page is written and not before. Text stays text, so that files are small
and can be searched; the same values give the same bytes. Colours are chosen by the page's names for them (`svg`).
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from scenarios.report.durations import MEASURES
from scenarios.report.markup import Html, visible
from scenarios.report.svg import BY_NAME, inline
from scenarios.results import Sample, StepResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTILES: Final = 100
LABEL_MAX: Final = 16
_WIDE, _NARROW = 1_000, 10
STATES: Final = ("success", "failed", "cancelled", "upgrading", "downloading", "pending")
"""From the bottom of the stack to its top; others come above."""
_TEXT, _LINE, _FAINT = BY_NAME["currentColor"], BY_NAME["line"], BY_NAME["faint"]
_MEASURE_COLOURS: Final = {
    "first_byte": BY_NAME["pending"],
    "download": BY_NAME["downloading"],
    "install": BY_NAME["upgrading"],
    "whole": BY_NAME["success"],
}
_STYLE: Final[dict[Any, Any]] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "ota-sim",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _TEXT,
    "text.parse_math": False,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _TEXT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.xmargin": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "grid.color": _LINE,
    "grid.linewidth": 0.5,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "legend.frameon": False,
    "legend.labelcolor": _TEXT,
    "path.simplify": True,
}


class Plots:
    """Draws plots; one is made for a page. A line has at most `points_max` points."""

    def __init__(self, *, points_max: int = 500) -> None:
        logging.getLogger("matplotlib").setLevel(
            logging.ERROR
        )  # fonts are the reader's, ours are for widths only
        import matplotlib as mpl  # noqa: PLC0415 - heavy; only a page needs it
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.ticker import LogLocator  # noqa: PLC0415

        self._context = mpl.rc_context
        self._figure, self._canvas, self._locator = Figure, FigureCanvasSVG, LogLocator
        self._points_max = points_max
        self._drawn = 0

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw in our style, and without warnings: of letters that are not in its own font, or of empty axes."""
        with self._context(_STYLE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield

    def over_time(self, samples: Sequence[Sample], steps: Sequence[StepResult], about: str) -> Html:
        """Draw licences left above, and below them jobs by state; where a step began there is a line with its id."""
        kept = thin(samples, self._points_max)
        with self._drawing():
            figure = self._figure(figsize=(9, 4.6))
            above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
            _draw_licences(above, kept)
            _draw_jobs(below, kept)
            _mark_steps(above, below, steps, kept[-1].seconds)
            below.set_xlim(left=0)
            below.set_xlabel("seconds since the play began")
            figure.subplots_adjust(left=0.08, right=0.85, top=0.93, bottom=0.1, hspace=0.12)
            return self._svg(figure, f"Licences and jobs over time, {about}")

    def durations(self, spans: Mapping[str, Sequence[int]], about: str) -> Html:
        """Draw for each measure which share of its jobs was done within which time."""
        with self._drawing():
            figure = self._figure(figsize=(9, 2.9))
            axes = figure.subplots()
            for name, lengths in spans.items():
                if lengths:
                    points = _quantiles(lengths, min(QUANTILES, self._points_max))
                    shares = [100 * at / (len(points) - 1) for at in range(len(points))]
                    axes.step(points, shares, color=_MEASURE_COLOURS[name], label=name.replace("_", " "))
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(self._locator(subs=_subs(spans)))
            axes.minorticks_off()
            low, high = axes.get_xlim()
            axes.set_xlim(low, high * 1.1)
            axes.xaxis.set_major_formatter(lambda ms, _: _ms_text(ms))
            axes.set_xlabel("within")
            axes.set_ylabel("% of the jobs")
            axes.set_ylim(0, 100)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
            figure.subplots_adjust(left=0.08, right=0.85, top=0.96, bottom=0.18)
            return self._svg(figure, f"How long jobs took, {about}: " + ", ".join(MEASURES.values()))

    def _svg(self, figure: "Figure", title: str) -> Html:
        self._drawn += 1
        out = io.StringIO()
        canvas: Any = self._canvas(figure)
        canvas.print_svg(out, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        return inline(out.getvalue(), title, f"p{self._drawn}")


def thin(samples: Sequence[Sample], points_max: int) -> list[Sample]:
    """Leave out samples between two like them, then, if there are still too many, every so many."""

    def said(sample: Sample) -> tuple[int, int, dict[str, int]]:
        return sample.purchased_left, sample.free_left, sample.jobs

    last = len(samples) - 1
    kept = [
        sample
        for at, sample in enumerate(samples)
        if at in {0, last} or not said(samples[at - 1]) == said(sample) == said(samples[at + 1])
    ]
    step = max(1, -(-len(kept) // points_max))
    return [*kept[:-1:step], kept[-1]] if kept else []


def _draw_licences(axes: "Axes", samples: Sequence[Sample]) -> None:
    seconds = [sample.seconds for sample in samples]
    lines = {
        "purchased left": ([sample.purchased_left for sample in samples], BY_NAME["downloading"]),
        "free left": ([sample.free_left for sample in samples], BY_NAME["success"]),
    }
    for label, (counts, colour) in lines.items():
        axes.step(seconds, counts, where="post", color=colour, label=label)
    axes.set_ylabel("licences")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_jobs(axes: "Axes", samples: Sequence[Sample]) -> None:
    seen = {name for sample in samples for name, count in sample.jobs.items() if count}
    states = [*(state for state in STATES if state in seen), *sorted(seen - set(STATES))]
    seconds = [sample.seconds for sample in samples]
    if states:
        layers = [[sample.jobs.get(state, 0) for sample in samples] for state in states]
        colours = [BY_NAME.get(state, BY_NAME["other"]) for state in states]
        labels = [_label(state) for state in states]
        axes.stackplot(seconds, layers, labels=labels, colors=colours, step="post", linewidth=0)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_ylabel("jobs")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", integer=True)
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")


def _mark_steps(above: "Axes", below: "Axes", steps: Sequence[StepResult], end: float) -> None:
    """Draw where steps began; an id is written where there is room for it."""
    free_from = float("-inf")
    if not any(step.began for step in steps):
        return  # nobody knows when they began
    for step in steps:
        if step.verdict == "not_played" or step.began > end:
            continue
        for axes in (above, below):
            axes.axvline(step.began, color=_FAINT, linewidth=0.6, linestyle=(0, (2, 2)))
        if step.began >= free_from:
            name = _label(step.id)
            above.text(step.began, 1.02, name, transform=above.get_xaxis_transform(), fontsize=7.5)
            free_from = step.began + end * (0.012 * len(name) + 0.01)


def _label(name: str) -> str:
    """Make a name fit for a drawing."""
    words = " ".join(visible(name).split())
    return words if len(words) <= LABEL_MAX else f"{words[: LABEL_MAX - 1]}…"


def _quantiles(lengths: Sequence[int], most: int) -> list[int]:
    """Give as many quantiles as are drawn, from the shortest to the longest; a logarithm wants them above 0."""
    count = min(most, max(1, len(lengths) - 1))
    return [max(1, lengths[(len(lengths) - 1) * at // count]) for at in range(count + 1)]


def _subs(spans: Mapping[str, Sequence[int]]) -> tuple[float, ...]:
    """Choose which of a decade's numbers stand at the axis: the more, the less of it there is."""
    ends = [max(1, end) for lengths in spans.values() if lengths for end in (lengths[0], lengths[-1])]
    ratio = max(ends) / min(ends)
    return (1.0,) if ratio > _WIDE else (1.0, 2.0, 5.0) if ratio > _NARROW else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def _ms_text(ms: float) -> str:
    for unit, factor in (("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if ms >= factor:
            return f"{ms / factor:g} {unit}"
    return f"{ms:g} ms"
