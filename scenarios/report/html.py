"""The run as one HTML page that needs nothing else: no network, no other file, no installed font.

What a QA lead asks first comes first: did it hold, what failed and why, how is it played again; then scenario by
scenario the steps, what it cost and how long it took; at last every device. All that comes from a run is escaped; the
same run gives the same bytes.
"""

from importlib.resources import files
from typing import Final

from scenarios.report.facts import facts_of
from scenarios.report.markup import Html, join, tag
from scenarios.report.play_section import play_section
from scenarios.report.plots import Plots
from scenarios.report.sections import causes, devices_list, plays_table, title, verdict
from scenarios.results import RunResult

PLAYS_DRAWN: Final = 12
"""With more plays than these only those that failed have all plots."""
_POINTS: Final = 1_200  # of a line, in all plays together
_POINTS_MIN: Final = 60


def make_html(run: RunResult) -> bytes:
    """Make the page."""
    facts = [facts_of(play) for play in run.plays]
    plots = Plots(points_max=max(_POINTS_MIN, _POINTS // max(1, len(run.plays))))
    played = [
        play_section(
            at,
            play,
            fact,
            plots,
            is_open=len(run.plays) == 1 or play.verdict in {"failed", "broken"},
            is_brief=len(run.plays) > PLAYS_DRAWN,
        )
        for at, (play, fact) in enumerate(zip(run.plays, facts, strict=True))
    ]
    body = tag(
        "main",
        verdict(run, facts),
        _contents(run),
        causes(run),
        plays_table(run, facts),
        tag("section", tag("h2", "Step by step", id="steps"), *played) if played else "",
        devices_list(run.plays),
        tag(
            "footer",
            tag("p", f"Written by ota-sim {run.version}. This file needs nothing else.", class_="soft"),
        ),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title(run)),
        tag("style", _part("report.css")),
    )
    page = tag("html", head, tag("body", body, tag("script", _part("report.js"))), lang="en")
    return f"<!doctype html>\n{page}\n".encode("utf-8", "replace")


def _contents(run: RunResult) -> Html:
    links = {
        "failed": "What failed" if any(p.verdict not in {"passed", "skipped"} for p in run.plays) else "",
        "plays": "Scenarios" if len(run.plays) > 1 else "",
        "steps": "Step by step" if run.plays else "",
        "devices": "Devices" if any(play.story.devices for play in run.plays) else "",
    }
    return tag(
        "nav",
        *(join(tag("a", label, href=f"#{where}"), " ") for where, label in links.items() if label),
        aria_label="Contents",
    )


def _part(name: str) -> Html:
    """Read a file of ours that goes into the page as it is."""
    return Html(files("scenarios.report").joinpath("page", name).read_text(encoding="utf-8"))
