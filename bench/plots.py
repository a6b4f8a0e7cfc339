"""Plots of the committed figures, SVG files for docs/img. The same figures give the same bytes.

Nothing has a background, and all colours are of middle brightness: a page shows them on white and on black alike. Text stays
text, so that files are small. A mark is a median, the line through it goes from the lowest round to the highest.
"""

import io
import re
import warnings

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from bench.figures import METRICS

TEXT, GRID = "#737b85", "#8a929c55"
PALETTE = ("#2f81f7", "#d4691e", "#1f9d55", "#b05fd6", "#d9534f", "#7a8a1e", "#5f7fb0")
MARKS = "osD^vPX"
STYLE = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "ota-sim",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": TEXT,
    "text.parse_math": False,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "legend.frameon": False,
    "legend.labelcolor": TEXT,
    "legend.fontsize": 9,
}
_PRECISE = re.compile(r"\d+\.\d\d+")
_PIECES = re.compile(r" *\n(?=[MLQCz\"])| *\n *(?=</?g[ >])")
_FONTS = re.compile(r"font-family: [^;\"]*;")
_NOISE = re.compile(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*|<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*", re.DOTALL)


def figure(columns, width=9.0, height=3.4):
    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(1, columns)
    return made, (axes if columns > 1 else [axes])


def svg(made, title):
    """Spell a figure: a title for who can't see it, and numbers no finer than an eye."""
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FigureCanvasSVG(made).print_svg(out, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = _NOISE.sub("", out.getvalue())
    text = re.sub(r' (?:d|x|y|transform|style|points)="[^"]*"', _rounded, text)
    text = _FONTS.sub("font-family: sans-serif;", _PIECES.sub(" ", text))
    at = text.index(">") + 1
    return f"{text[:at]}\n <title>{title}</title>{text[at:]}"


def _rounded(found):
    return _PRECISE.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), found[0])


def curves(axes, lines, metric, *, label=None):
    """Draw a figure of each side over where its lines stand."""
    for nth, (who, points) in enumerate(by_side(lines, metric).items()):
        places = [line.at for line in points]
        spreads = [line.figures[metric] for line in points]
        curve(axes, places, spreads, nth, label(points[0]) if label else who)


def curve(axes, places, spreads, nth, label):
    middle = [spread.median for spread in spreads]
    below = [spread.median - spread.low for spread in spreads]
    above = [spread.high - spread.median for spread in spreads]
    axes.errorbar(
        places, middle, yerr=(below, above), label=label, color=PALETTE[nth % len(PALETTE)], marker=MARKS[nth % len(MARKS)],
        markersize=4.5, linewidth=1.6, elinewidth=1.2,
    )  # fmt: skip


def by_side(lines, metric):
    found = {}
    for line in sorted(
        (line for line in lines if metric in line.figures and line.at is not None), key=lambda line: line.at
    ):
        found.setdefault(line.side, []).append(line)
    return {
        found[side][0].who: found[side]
        for side in dict.fromkeys(line.side for line in lines)
        if side in found
    }


def plain_ticks(axes, x=None):
    """Spell numbers as people do; with `x`, only where something was measured."""
    spelled = FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1_000 else f"{value:,.0f}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(spelled)
        axis.set_minor_formatter(NullFormatter())
    if x is not None:
        axes.set_xticks(x)
        axes.xaxis.set_minor_locator(NullLocator())


def places_of(lines):
    return sorted({line.at for line in lines if line.at is not None and line.figures})


def brokers(parts):
    lines = parts["brokers"].lines
    made, (left, right) = figure(2)
    for axes, metric in ((left, "jobs_s"), (right, "cpu_us")):
        curves(axes, lines, metric)
        axes.set_yscale("log")
        plain_ticks(axes, places_of(lines))
        axes.set(title=METRICS[metric].label, xlabel="devices")
    made.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return svg(made, "Brokers: jobs a second and CPU a job over the number of devices")


def clients(parts):
    lines = [line for line in parts["clients"].lines if line.figures]
    lines.sort(key=lambda line: -line.figures["cpu_us"].median)
    made, axes = figure(2, height=0.42 * len(lines) + 1.0)
    for nth, (panel, metric) in enumerate(zip(axes, ("cpu_us", "kb"), strict=True)):
        values = [line.figures[metric].median for line in lines]
        colours = [PALETTE[0] if line.is_ours else PALETTE[1] for line in lines]
        bars = panel.barh(range(len(lines)), values, color=colours, height=0.62)
        panel.bar_label(
            bars, [f"{value:,.0f}" if value >= 10 else f"{value:,.1f}" for value in values], padding=3
        )
        panel.set_yticks(
            range(len(lines)), [_client(line) for line in lines] if nth == 0 else [""] * len(lines)
        )
        panel.grid(axis="y", visible=False)
        panel.set_xlim(right=max(values) * 1.18)
        panel.set_title(METRICS[metric].label)
    return svg(made, "MQTT clients: CPU a job and memory a device")


def _client(line):
    done = line.figures["devices"].median
    stops = f" (stops at {done:,.0f} devices)" if line.at and done < line.at else ""
    return line.who.replace("its MQTT user with ", "") + stops


def creation(parts):
    made, (axes,) = figure(1, width=7.0)
    nth, places = 0, set()
    for name, where in (("tasks", "SQLite"), ("postgres", "PostgreSQL")):
        lines = parts[name].lines if name in parts else ()
        for who, points in by_side(lines, "create_ms").items():
            label = f"{who}, {where}" if points[0].is_ours else who
            curve(
                axes, [line.at for line in points], [line.figures["create_ms"] for line in points], nth, label
            )
            places |= {line.at for line in points if round(line.at) in {10**power for power in range(1, 8)}}
            nth += 1
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_ticks(axes, sorted(places) or None)
    axes.set(title="creating a task, ms", xlabel="devices in the task")
    axes.legend()
    return svg(made, "Creating a task: time over the number of its devices")


def fleets(parts):
    lines = parts["fleets"].lines
    made, panels = figure(2)
    for panel, metrics, title in (
        (panels[0], ("stub_us", "fleet_us"), "CPU a device, µs"),
        (panels[1], ("stub_kb", "fleet_kb"), "memory a device, KB"),
    ):
        for nth, metric in enumerate(metrics):
            points = [line for line in lines if metric in line.figures]
            curve(
                panel,
                [line.at for line in points],
                [line.figures[metric] for line in points],
                nth,
                ("stub", "fleet")[nth],
            )
        panel.set_ylim(bottom=0)
        plain_ticks(panel, places_of(lines))
        panel.tick_params(axis="x", rotation=30)
        panel.set(title=title, xlabel="devices")
    panels[0].legend()
    return svg(made, "Whole runs: CPU and memory a device over the number of devices")


def load(parts):
    lines = parts["load"].lines
    made, (left, right) = figure(2)
    for panel, side, title, xlabel in (
        (left, "ours-rate", "at a fixed rate: creation, ms", "tasks a second asked for"),
        (right, "ours-loop", "as fast as it goes: creation, ms", "creators"),
    ):
        points = [line for line in lines if line.side == side and "p50_ms" in line.figures]
        for nth, metric in enumerate(("p50_ms", "p95_ms", "p99_ms")):
            curve(
                panel,
                [line.at for line in points],
                [line.figures[metric] for line in points],
                nth,
                METRICS[metric].label.split(",")[0],
            )
        panel.set_yscale("log")
        if side == "ours-loop":
            panel.set_xscale("log")
        plain_ticks(panel, [line.at for line in points])
        panel.set(title=title, xlabel=xlabel)
    left.legend()
    return svg(
        made, "Load: percentiles of a creation over the rate asked for, and over the number of creators"
    )


DRAWN = {"brokers": (brokers, "brokers"), "clients": (clients, "clients"), "creation": (creation, "tasks"),
         "fleets": (fleets, "fleets"), "load": (load, "load")}  # fmt: skip


def draw_all(parts, folder):
    """Draw what there are figures for; answers the files written."""
    by_name = {part.name: part for part in parts}
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, part) in DRAWN.items():
        if part in by_name and any(line.figures for line in by_name[part].lines):
            with mpl.rc_context(STYLE):
                text = draw(by_name)
            path = folder / f"{name}.svg"
            path.write_text(text)
            yield path
