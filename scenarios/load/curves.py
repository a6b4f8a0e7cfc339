"""Curves of a load run as inline SVG: rate and percentiles over time, and the share done within a time.

Drawn by matplotlib, which is imported when a page is written and not before, as the plots of `scenarios.report` are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from scenarios.load.result import Measurement, Point
from scenarios.load.thresholds import show_us
from scenarios.report.markup import Html
from scenarios.report.plots import Plots
from scenarios.report.svg import BY_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS_MAX: Final = 400
_COLOURS: Final = (
    BY_NAME["downloading"], BY_NAME["success"], BY_NAME["upgrading"], BY_NAME["cancelled"], BY_NAME["pending"],
)  # fmt: skip
_SHARES: Final = (
    (50, "p50_us", BY_NAME["success"]),
    (95, "p95_us", BY_NAME["cancelled"]),
    (99, "p99_us", BY_NAME["failed"]),
)


class Curves(Plots):
    """Draws the curves of one page."""

    def over_time(  # type: ignore[override] # other plots, drawn the same way
        self, each: Measurement, seconds: float
    ) -> Html:
        """Draw above how many ended a second, and below how long they took, over a run of `seconds`."""
        points = thin(each.points, POINTS_MAX)
        width = -(-len(each.points) // POINTS_MAX)
        with self._drawing():
            figure = self._figure(figsize=(9, 4.2))
            above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
            _draw_rate(above, whole_seconds(points, seconds), width)
            _draw_times(below, points, width, seconds)
            below.set_xlim(0, seconds if len(points) > 1 else max(seconds, points[0].second + width))
            below.set_xlabel("seconds since the load began")
            figure.subplots_adjust(left=0.1, right=0.87, top=0.96, bottom=0.12, hspace=0.12)
            return self._svg(figure, f"Rate and durations over time, {each.name}")

    def shares(self, measurements: Sequence[Measurement]) -> Html:
        """Draw for each measurement which share of it was done within which time."""
        with self._drawing():
            figure = self._figure(figsize=(9, 2.9))
            axes = figure.subplots()
            for at, each in enumerate(measurements):
                if each.histogram:
                    spans, shares = _within(each)
                    axes.step(
                        spans, shares, where="post", color=_COLOURS[at % len(_COLOURS)], label=each.name
                    )
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(self._locator(subs=_ticks(*axes.get_xlim())))
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda us, _: show_us(us))
            axes.set_xlabel("within")
            axes.set_ylabel("%")
            axes.set_ylim(0, 100)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
            figure.subplots_adjust(left=0.1, right=0.79, top=0.96, bottom=0.18)
            return self._svg(figure, "Which share was done within which time")


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """Join neighbours until there are few enough; a joined point has the highest percentiles of its parts."""
    if not points:
        return []
    step = -(-len(points) // most)
    return [_joined(points[at : at + step]) for at in range(0, len(points), step)]


def _joined(points: Sequence[Point]) -> Point:
    if len(points) == 1:
        return points[0]

    def highest(name: str) -> int | None:
        return max((us for each in points if (us := getattr(each, name)) is not None), default=None)

    seconds = points[-1].second - points[0].second + 1
    return Point(
        second=points[0].second,
        count=round(sum(each.count for each in points) / seconds),
        errors=round(sum(each.errors for each in points) / seconds),
        p50_us=highest("p50_us"),
        p95_us=highest("p95_us"),
        p99_us=highest("p99_us"),
    )


def whole_seconds(points: Sequence[Point], seconds: float) -> Sequence[Point]:
    """Leave out a last second that the run ended in: what was done in a part of one is no rate."""
    return points[:-1] if len(points) > 1 and points[-1].second + 1 > seconds else points


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Give what is named within a power of ten: more of it where there are few powers."""
    return (1.0, 2.0, 5.0) if high < 1_000 * low else (1.0,)


def _draw_rate(axes: "Axes", points: Sequence[Point], width: int) -> None:
    def draw(counts: list[int], colour: str, name: str) -> None:
        edges, heights = [], []
        for at, (each, count) in enumerate(zip(points, counts, strict=True)):
            edges.append(each.second)
            heights.append(count)
            follows = points[at + 1].second if at + 1 < len(points) else None
            if follows is None or follows > each.second + width:  # nothing ended in between, or afterwards
                edges.append(each.second + width)
                heights.append(0 if follows is not None else count)
        axes.step(edges, heights, where="post", color=colour, label=name)

    draw([each.count for each in points], BY_NAME["downloading"], "done")
    if any(each.errors for each in points):
        draw([each.errors for each in points], BY_NAME["failed"], "failed")
    axes.set_ylabel("a second")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_times(axes: "Axes", points: Sequence[Point], width: int, end: float) -> None:
    for share, name, colour in _SHARES:
        known = [
            (min(each.second + width / 2, max(end, each.second)), us / 1_000)
            for each in points
            if (us := getattr(each, name)) is not None
        ]
        if known:
            seconds, times = zip(*known, strict=True)
            marker = "." if len(known) == 1 else None
            axes.plot(seconds, times, color=colour, label=f"p{share}", marker=marker, linewidth=1.2)
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda ms, _: f"{ms:,g}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _within(each: Measurement) -> tuple[list[float], list[float]]:
    total = sum(count for _, count in each.histogram)
    done, spans, shares = 0, [], []
    step = max(1, len(each.histogram) // POINTS_MAX)
    for at, (us, count) in enumerate(each.histogram):
        done += count
        if at % step == 0 or at == len(each.histogram) - 1:
            spans.append(float(max(us, 1)))
            shares.append(100 * done / total)
    return spans, shares
