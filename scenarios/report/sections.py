"""The page's parts about the whole run: verdict, what failed and why, the plays, the list of devices."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from scenarios.report.facts import PlayFacts
from scenarios.report.markup import Html, Right, row, table, tag
from scenarios.report.packed import pack_devices
from scenarios.results import PlayResult, RunResult, StepResult
from scenarios.show.wording import (
    DOT,
    VERDICTS,
    again_text,
    outcome_lines,
    seconds_text,
    verdict_text,
)
from scenarios.units import show_fen

MARKS: Final = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "broken": ("✗", "bad"),
    "stopped": ("✗", "known"),
    "skipped": ("-", "soft"),
    "xfailed": ("~", "known"),
    "unchecked": ("·", "soft"),
    "not_played": ("-", "soft"),
    "planned": ("·", "soft"),
}
CAUSES_MAX: Final = 100
_LEGEND: Final = {
    "pending": "checking, coming back",
    "downloading": "download",
    "cancelled": "waiting to try again",
    "upgrading": "install, reboot",
    "success": "updated",
    "failed": "failing; a fault or a limit struck",
    "other": "hanging",
    "text": "another card or key",
    "soft": "offline or without power",
}


def mark(verdict: str) -> Html:
    """Give a verdict's sign, with its word for those who don't see it."""
    sign, kind = MARKS[verdict]
    word = verdict.replace("_", " ")
    return tag("span", sign, class_=kind, role="img", aria_label=word, title=word)


def verdict(run: RunResult, facts: Sequence[PlayFacts]) -> Html:
    """Say how the run went, and what it was."""
    kind = "stopped" if run.interrupted else "passed" if run.exit_code == 0 else "failed"
    begun = min((play.started_ms for play in run.plays if play.started_ms), default=0)
    when = f"begun {datetime.fromtimestamp(begun / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC" if begun else ""
    said = [f"ota-sim {run.version}", when, f"took {seconds_text(run.seconds)}", f"exit code {run.exit_code}"]
    sentence = _sentence(run)
    return tag(
        "header",
        tag("h1", sentence[:1].upper() + sentence[1:]),
        tag("p", DOT.join(filter(None, said)), class_="soft"),
        tag(
            "ul",
            *(tag("li", tag("b", value), name) for name, value in _figures(run, facts)),
            class_="figures",
        ),
        class_=f"verdict {kind}",
    )


def _sentence(run: RunResult) -> str:
    """Give the verdict, of a single play with its name."""
    if len(run.plays) != 1 or run.interrupted:
        return verdict_text(run)
    (play,) = run.plays
    return f"{VERDICTS[play.verdict]}: {play.name}"


def _figures(run: RunResult, facts: Sequence[PlayFacts]) -> Iterator[tuple[str, str]]:
    plays = run.plays
    steps = Counter(step.verdict for play in plays for step in play.all_steps)
    yield "steps passed", f"{steps['passed']:,}"
    yield "steps failed", f"{steps['failed']:,}"
    if steps["xfailed"]:
        yield "known failures", f"{steps['xfailed']:,}"
    yield "devices", f"{sum(play.devices for play in plays):,}"
    fleets = [play.fleet for play in plays if play.fleet is not None]
    yield "updates done", f"{sum(fleet.jobs_succeeded for fleet in fleets):,}"
    yield "updates failed", f"{sum(fleet.jobs_failed for fleet in fleets):,}"
    if unwell := sum(len(fact.unwell) for fact in facts):
        yield "devices to look into", f"{unwell:,}"
    yield "fee in yuan", show_fen(sum(play.fee_fen for play in plays))


def causes(run: RunResult) -> Html:
    """Say what failed and why, play by play; and what fails as it is known to."""
    failing = [(at, play) for at, play in enumerate(run.plays) if play.verdict not in {"passed", "skipped"}]
    known = [
        tag("li", link(at, play), f" {step.id}: {step.xfail}")
        for at, play in enumerate(run.plays)
        for step in play.all_steps
        if step.verdict == "xfailed"
    ]
    parts: list[Html] = []
    if failing:
        parts += [
            tag("h2", "What failed, and why", id="failed"),
            *(_cause(at, p) for at, p in failing[:CAUSES_MAX]),
        ]
    if len(failing) > CAUSES_MAX:
        parts.append(tag("p", f"and {len(failing) - CAUSES_MAX:,} more, in the table below"))
    if known:
        parts += [tag("h2", "Known to fail"), tag("ul", *known)]
    return tag("section", *parts) if parts else Html()


def _cause(at: int, play: PlayResult) -> Html:
    lines = [tag("p", play.reason, class_="bad")] if play.reason else []
    for step in play.all_steps:
        if step.verdict == "failed":
            lines.append(tag("p", tag("b", step.id), f" {title_of(step)}"))
            lines.append(tag("ul", *(tag("li", line) for line in outcome_lines(step))))
    if play.audit is not None and not play.audit.ok:
        lines.append(tag("p", tag("b", "audit"), " the journal and the tables do not agree"))
        lines.append(tag("ul", *(tag("li", finding) for finding in play.audit.findings)))
    again = [tag("p", "Play it again: ", tag("code", again_text(play)))]
    if play.evidence:
        again.append(tag("p", "Evidence: ", tag("code", play.evidence)))
    return tag("div", tag("h3", link(at, play), f" {VERDICTS[play.verdict]}"), *lines, *again, class_="cause")


def title_of(step: StepResult) -> str:
    """Give a step's title, or what it does when it has none."""
    return step.title or step.action.replace("_", " ")


def link(at: int, play: PlayResult) -> Html:
    """Link to a play's part of the page."""
    return tag("a", play.name, href=f"#play-{at + 1}")


def plays_table(run: RunResult, facts: Sequence[PlayFacts]) -> Html:
    """List the plays, when there are several."""
    if len(run.plays) < 2:  # noqa: PLR2004 - one needs no list
        return Html()
    heads = [("scenario", ""), ("verdict", ""), ("title", ""), ("steps", "number"), ("failed", "number")]
    heads += [("devices", "number"), ("to look into", "number"), ("fee, yuan", "number"), ("time", "number")]
    rows = []
    for at, (play, fact) in enumerate(zip(run.plays, facts, strict=True)):
        title = ": ".join(part for part in (play.title, play.variant_title) if part)
        rows.append(
            row(
                link(at, play),
                tag("span", mark(play.verdict), f" {VERDICTS[play.verdict]}", class_="whole"),
                play.reason or title,
                len(play.steps),
                len(play.failed_steps),
                play.devices,
                len(fact.unwell),
                Right(show_fen(play.fee_fen)),
                Right(seconds_text(play.seconds)),
                class_="failed" if play.verdict in {"failed", "broken"} else None,
            )
        )
    return tag(
        "section", tag("h2", "Scenarios", id="plays"), table("What was played, in its order.", heads, rows)
    )


def devices_list(plays: Sequence[PlayResult]) -> Html:
    """Give the list of all devices: the page's script fills it."""
    if not any(play.story.devices for play in plays):
        return Html()
    heads = ["device", "in", "module / MCU", "last job", "why it is where it is", "timeline"]
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    list_ = tag(
        "table",
        tag("caption", "A device's name opens all that happened to it."),
        tag("thead", head),
        tag("tbody", id="devices-body"),
    )
    tools = tag(
        "div",
        _filters(),
        _legend(),
        tag("p", id="devices-count", role="status"),
        tag("div", list_, class_="scroll"),
        _pager(),
        id="devices-tools",
        hidden=True,
    )
    return tag(
        "section",
        tag("h2", "Devices", id="devices"),
        tag("p", id="devices-fault", class_="bad"),
        tag(
            "noscript",
            tag("p", "The list of all devices needs the page's script; those to look into are above."),
        ),
        tools,
        tag("script", Html(pack_devices(plays)), type="application/octet-stream", id="devices-data"),
    )


def _legend() -> Html:
    swatches = (
        tag("span", tag("i", style=f"background:var(--{name})"), text, class_="key")
        for name, text in _LEGEND.items()
    )
    return tag("p", *swatches)


def _pager() -> Html:
    return tag(
        "div",
        tag("button", "before", type="button", id="before"),
        tag("span", id="devices-page"),
        tag("button", "next", type="button", id="next"),
        class_="pager",
    )


def _filters() -> Html:
    find = tag("label", "search: name, ID, reason", tag("input", type="search", id="find"))
    names = {"play": "scenario", "state": "last job", "fleet": "fleet", "flow": "flow"}
    chosen = (
        tag("label", label, tag("select", tag("option", "all", value=""), id=f"by-{name}"))
        for name, label in names.items()
    )
    unwell = tag(
        "label", tag("input", type="checkbox", id="unwell"), "only those to look into", class_="tick"
    )
    return tag("form", find, *chosen, unwell, class_="filters", onsubmit="return false")


def title(run: RunResult) -> str:
    """Give the page's title."""
    names = ", ".join(play.name for play in run.plays[:3]) + (", ..." if len(run.plays) > 3 else "")  # noqa: PLR2004
    return _sentence(run) if len(run.plays) == 1 else f"{verdict_text(run)}: {names or 'nothing was played'}"
