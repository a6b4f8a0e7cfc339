"""The page's part about one play: its setting, its steps, licences and jobs over time, durations, failures, devices."""

from collections.abc import Iterator, Sequence
from typing import Final

from scenarios.report.durations import MEASURES
from scenarios.report.facts import PlayFacts
from scenarios.report.markup import Html, Right, join, row, table, tag
from scenarios.report.plots import Plots
from scenarios.report.sections import mark, title_of
from scenarios.results import PlayResult, StepResult
from scenarios.show.wording import (
    DOT,
    VERDICTS,
    again_text,
    counted,
    fact_text,
    fleet_text,
    flow_texts,
    flows_text,
    jobs_text,
    moment_text,
    outcome_lines,
    policy_text,
    seconds_text,
    setting_text,
    versions_text,
)
from scenarios.units import show_fen

COUNTS: Final = ("needed", "available", "missing", "deducted", "left")
UNWELL_MAX: Final = 20
FAILURES_MAX: Final = 50
JOBS_DRAWN: Final = 10
"""From so many jobs on their durations are drawn, not only listed."""
_SAMPLES_MIN: Final = 2
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000


def play_section(
    at: int, play: PlayResult, facts: PlayFacts, plots: Plots, *, is_open: bool, is_brief: bool
) -> Html:
    """Make the part about play number `at`. Brief: durations are listed, but drawn only where it failed."""
    title = ": ".join(part for part in (play.title, play.variant_title) if part)
    summary = tag(
        "summary",
        mark(play.verdict),
        " ",
        tag("h2", play.name),
        f"  {VERDICTS[play.verdict]}  ",
        tag("span", title, class_="soft"),
    )
    parts = (
        tag("p", play.reason, class_="bad") if play.reason else Html(),
        _setting(play),
        _steps(play),
        _over_time(play, plots),
        _durations(play, facts, plots, is_brief=is_brief and play.verdict != "failed"),
        _failures(at, facts),
        _unwell(at, play, facts),
    )
    return tag("details", summary, *parts, id=f"play-{at + 1}", class_=f"play {play.verdict}", open=is_open)


def _setting(play: PlayResult) -> Html:
    facts = {
        "setting": setting_text(play),
        "policy": policy_text(play.policy),
        "account's clock": f"from {moment_text(play.clock_ms)}" if play.clock_ms is not None else "real time",
        "platform": play.target,
        "devices did": fleet_text(play),
        "covers": " ".join(play.covers),
        "not checked": "; ".join(play.cannot_check),
        "delivery": play.delivery,
        "audit": _audit_text(play),
        "fee": f"{show_fen(play.fee_fen)} yuan",
        "took": seconds_text(play.seconds),
        "variables": ", ".join(f"{name}: {value}" for name, value in play.variables.items()),
        "versions": versions_text(play.versions),
        "file": play.file,
        "evidence": tag("code", play.evidence) if play.evidence else "",
        "play it again": tag("code", again_text(play)),
    }
    flows = flow_texts(play)
    if len(flows) > 1:
        facts |= {f"{flows_text(name)} devices": did for name, did in flows.items()}
    pairs = (join(tag("dt", name), tag("dd", value)) for name, value in facts.items() if value)
    return tag("dl", *pairs, class_="facts")


def _audit_text(play: PlayResult) -> str:
    audit = play.audit
    if audit is None:
        return "none was made"
    verdict = (
        "the books hold (I1-I7)"
        if audit.ok
        else f"{counted(len(audit.findings), 'finding')}: {audit.findings[0]}"
    )
    return f"{verdict}, {counted(audit.rows, 'journal line')}"


def _steps(play: PlayResult) -> Html:
    heads = [("", ""), ("step", ""), ("what is done", ""), ("expected, and where it is otherwise: seen", "")]
    heads += [(name, "number") for name in COUNTS] + [("time", "number")]
    rows = [*_step_rows(play.steps)]
    if play.teardown:
        across = tag("th", "after the last step", colspan=len(heads), scope="colgroup", class_="soft")
        rows += [tag("tr", across), *_step_rows(play.teardown)]
    return join(tag("h3", "Steps"), table("In the order in which they are played.", heads, rows))


def _step_rows(steps: Sequence[StepResult]) -> Iterator[Html]:
    for step in steps:
        yield _step_row(step)
        yield from (_step_row(inner, "inner") for inner in step.parallel)


def _step_row(step: StepResult, kind: str = "") -> Html:
    done = [tag("div", title_of(step))]
    done += [tag("div", said, class_="soft") for said in (jobs_text(step), step.remark) if said]
    if step.xfail:
        done.append(tag("div", f"known to fail: {step.xfail}", class_="known"))
    shade = {"failed": "failed", "not_played": "off", "unchecked": "off"}.get(step.verdict, "")
    wrong = {difference.what for difference in step.differences}
    counts = (
        tag("td", _count(step, name), class_="number bad" if name in wrong else "number") for name in COUNTS
    )
    return tag(
        "tr",
        tag("td", mark(step.verdict)),
        tag("th", step.id, scope="row"),
        tag("td", *done),
        tag("td", *_expected(step)),
        *counts,
        tag("td", seconds_text(step.seconds) if step.seconds else "", class_="number"),
        class_=f"{shade} {kind}".strip() or None,
    )


def _count(step: StepResult, name: str) -> str:
    value = getattr(step.seen, name)
    return "" if value is None or step.verdict == "not_played" else f"{value:,}"


def _expected(step: StepResult) -> Iterator[Html]:
    """Say what is otherwise than expected, a line each, and below that what was expected and is so."""
    kind = "known" if step.verdict == "xfailed" else "bad"
    yield from (tag("div", line, class_=kind) for line in outcome_lines(step))
    wrong = {difference.what for difference in step.differences}
    held = [
        f"{what.removesuffix('_fen').replace('_', ' ')} {fact_text(what, wanted)}"
        for what, wanted in step.expected.items()
        if what not in wrong
    ]
    if held:
        yield tag("div", DOT.join(held), class_="soft")


def _over_time(play: PlayResult, plots: Plots) -> Html:
    samples = play.story.samples
    if len(samples) < _SAMPLES_MIN or not any(
        sample.jobs or sample.purchased_left or sample.free_left for sample in samples
    ):
        return Html()
    first, last = samples[0], samples[-1]
    clock = f"The account's clock went from {moment_text(first.clock_ms)} to {moment_text(last.clock_ms)}. "
    clock = clock if last.clock_ms - first.clock_ms > play.seconds * 1_000 + _MINUTE_MS else ""
    ends = f"Licences left at the end: {last.purchased_left:,} purchased, {last.free_left:,} free; "
    jobs = (
        f"jobs: {', '.join(f'{count:,} {state}' for state, count in last.jobs.items() if count) or 'none'}."
    )
    return join(
        tag("h3", "Licences and jobs over time"),
        tag("p", clock, ends, jobs, class_="soft"),
        plots.over_time(samples, play.steps, play.name),
    )


def _durations(play: PlayResult, facts: PlayFacts, plots: Plots, *, is_brief: bool) -> Html:
    if not facts.durations:
        return Html()
    heads = [("from ... to", ""), *((name, "number") for name in ("jobs", "p50", "p95", "p99", "longest"))]
    rows = [
        row(
            join(tag("b", each.what.replace("_", " ")), f"  {MEASURES[each.what]}"),
            each.jobs,
            *(Right(_span_text(ms)) for ms in (each.p50_ms, each.p95_ms, each.p99_ms, each.max_ms)),
        )
        for each in facts.durations
    ]
    caption = "In real time, by the devices' own account; p95: 95 of 100 jobs took no longer."
    drawn = not is_brief and max(each.jobs for each in facts.durations) >= JOBS_DRAWN
    picture = plots.durations(facts.spans, play.name) if drawn else ""
    return join(tag("h3", "How long jobs took"), table(caption, heads, rows), picture)


def _span_text(ms: int) -> str:
    return f"{ms:,} ms" if ms < _SECOND_MS else seconds_text(ms / _SECOND_MS)


def _failures(at: int, facts: PlayFacts) -> Html:
    if not facts.failures:
        return Html()
    heads = [("stage", ""), ("step", ""), ("reason", ""), ("jobs", "number")]
    rows = [
        row(
            each.stage,
            str(each.step) if each.step else "none",
            _find(at, each.reason, each.reason) if each.reason else "",
            each.jobs,
        )
        for each in facts.failures[:FAILURES_MAX]
    ]
    left = len(facts.failures) - FAILURES_MAX
    more = tag("p", f"and {left:,} more reasons, in report.json") if left > 0 else ""
    return join(
        tag("h3", "Failures by stage and step"),
        table("Where jobs failed, as their devices tell it.", heads, rows),
        more,
    )


def _unwell(at: int, play: PlayResult, facts: PlayFacts) -> Html:
    total = len(play.story.devices)
    if not total:
        return Html()
    states = ", ".join(
        f"{count:,} {'without a job' if name == 'none' else name}" for name, count in facts.states.items()
    )
    every = tag("p", f"By the state of their last job: {states}. ", _find(at, "", f"List all {total:,}"))
    if not facts.unwell:
        return join(tag("h3", "Devices"), every)
    heads = [("device", ""), ("ID", "number"), ("fleet", ""), ("last job", ""), ("at", ""), ("why", "")]
    rows = [
        row(device.name, Right(str(device.device_id)), device.fleet, device.state,
            device.stage.replace("_", " "), device.why)
        for device in facts.unwell[:UNWELL_MAX]
    ]  # fmt: skip
    left = len(facts.unwell) - UNWELL_MAX
    caption = f"{counted(len(facts.unwell), 'device')} to look into" + (
        f", the first {UNWELL_MAX}" if left > 0 else ""
    )
    more = tag("p", _find(at, "", f"List all {len(facts.unwell):,} with what happened to them", unwell=True))
    return join(tag("h3", "Devices"), every, table(caption, heads, rows), more)


def _find(at: int, words: str, label: str, *, unwell: bool = False) -> Html:
    """Link to the list of devices, which is then filtered by these words and this play."""
    return tag(
        "a", label, href="#devices", data_find=words, data_play=str(at), data_unwell="1" if unwell else "0"
    )
