"""Results in words, for the terminal and for reports. Pure."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from platform_stub.protocol.operator import Policy
from scenarios.results import (
    Fact,
    FleetFigures,
    FlowFigures,
    PlayResult,
    PlayVerdict,
    RunResult,
    Sample,
    StepResult,
)
from scenarios.units import show_fen

_PLATFORM_ZONE: Final = timezone(timedelta(hours=8))

DOT: Final = " · "
DASH: Final = " - "
"""What stands between facts on a line, where an output can hold more than ASCII and where it can't."""

VERDICTS: Final[dict[PlayVerdict, str]] = {
    "passed": "passed",
    "failed": "FAILED",
    "skipped": "skipped",
    "broken": "BROKEN",
    "stopped": "stopped",
}


def policy_text(policy: Policy, between: str = DOT) -> str:
    """Spell the policy in force, every field of it."""
    date = policy.charging_date_ms
    return between.join(
        (
            "no charging date" if date is None else f"charging from {moment_text(date)}",
            f"price {show_fen(policy.price_fen)} yuan",
            f"{policy.free_devices:,} free",
            policy.deduction_order.replace("_", " "),
            f"free for life when {policy.grandfathered_when.replace('_', ' ')}",
            f"arrears hold {policy.arrears_hold}",
        )
    )


def moment_text(unix_ms: int) -> str:
    """Spell a moment in the platform's zone."""
    try:
        return (
            datetime.fromtimestamp(unix_ms // 1_000, UTC)
            .astimezone(_PLATFORM_ZONE)
            .strftime("%Y-%m-%d %H:%M %z")
        )
    except (ValueError, OverflowError, OSError):
        return f"{unix_ms} (unix ms)"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Spell a count with its noun."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def seconds_text(seconds: float) -> str:
    """Spell a duration of the run."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.2f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def size_text(size_bytes: int) -> str:
    """Spell how much was downloaded."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def again_text(play: PlayResult) -> str:
    """Give the command that plays it again; a session is its program's, and what is run is that."""
    if play.is_session:
        return f"run {shlex.quote(play.file)} again; its session {play.scenario} had seed {play.seed}"
    options = ["--variant", shlex.quote(play.variant)] if play.variant else []
    options += ["--seed", str(play.seed)]
    for name in play.given:
        options += ["--var", shlex.quote(f"{name}={play.variables[name]}")]
    if play.target_file:
        options += ["--target", shlex.quote(play.target_file)]
    elif play.broker != "embedded":
        options += ["--broker", play.broker]
    if play.strict and not play.target_file:
        options.append("--strict")
    return " ".join(["ota-sim run", shlex.quote(play.file), *options])


def versions_text(versions: Mapping[str, str]) -> str:
    """Spell what a play was made with."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def platform_text(broker: str, target: str) -> str:
    """Spell what is played on: the stub by its broker, or the platform under test."""
    return f"on {target}" if target else f"broker {broker}" if "://" in broker else f"{broker} broker"


def setting_text(play: PlayResult, between: str = DOT) -> str:
    """Spell what a play is played with."""
    devices = counted(play.devices, "device")
    if play.connected == play.devices and play.devices:
        devices += f" over {flows_text(play.flow)}"
    elif play.connected:
        devices += f", {play.connected:,} of them over {flows_text(play.flow)}"
    elif play.devices:
        devices += ", none connected"
    strict = ("strict",) if play.strict else ()
    return between.join((devices, platform_text(play.broker, play.target), *strict, f"seed {play.seed}"))


def flows_text(flows: str) -> str:
    """Spell what devices speak, as in `MQTT, fuse and south`."""
    names = flows.replace("mqtt", "MQTT").split(", ")
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def jobs_text(step: StepResult) -> str:
    """Spell the jobs of a step in few words, and those that auto-adds have come to; empty when there are none."""
    added = _states_text(step.seen.auto_added)
    return ", ".join(filter(None, (_states_text(step.seen.jobs), added and f"auto-added so far: {added}")))


def _states_text(jobs: Mapping[str, int] | None) -> str:
    names = {"success": "updated", "failed": "failed", "cancelled": "cancelled"}
    jobs = jobs or {}
    ended = [f"{jobs[state]:,} {name}" for state, name in names.items() if state in jobs]
    still = sum(count for state, count in jobs.items() if state not in names)
    return ", ".join([*ended, f"{still:,} open"] if still else ended)


def sample_texts(sample: Sample) -> tuple[str, str]:
    """Spell how jobs and licences stand, for who watches."""
    names = {"success": "updated"}
    jobs = ", ".join(f"{count:,} {names.get(state, state)}" for state, count in sample.jobs.items() if count)
    return jobs, f"licences left: {sample.purchased_left:,} purchased, {sample.free_left:,} free"


def fact_text(what: str, fact: Fact) -> str:
    """Spell what is expected or seen: money in yuan, counts with their thousands."""
    if isinstance(fact, int):
        return f"{show_fen(fact)} yuan" if what.endswith("_fen") else f"{fact:,}"
    return "none" if fact is None else fact


def outcome_lines(step: StepResult) -> Iterator[str]:
    """Say what is wrong with a step, a line each, with both values."""
    if step.note:
        yield step.note
    for difference in step.differences:
        by = "" if difference.by == "expectation" else " (predicted by the auditor)"
        what = difference.what
        expected, seen = fact_text(what, difference.expected), fact_text(what, difference.seen)
        yield f"{what.removesuffix('_fen')}: expected {expected}{by}, seen {seen}"


def fleet_text(play: PlayResult) -> str:
    """Say what the devices did."""
    fleet = play.fleet
    if fleet is None:
        return ""
    parts = [_jobs_done(fleet), f"{size_text(fleet.downloaded_bytes)} downloaded"]
    if fleet.reconnects or fleet.connect_failures:
        parts.append(f"{fleet.reconnects + fleet.connect_failures:,} connections lost or refused")
    return ", ".join(parts)


def flow_texts(play: PlayResult) -> dict[str, str]:
    """Say, by flow, how many devices spoke it and what they did."""
    flows = {} if play.fleet is None else play.fleet.flows
    return {name: f"{counted(flow.devices, 'device')}, {_jobs_done(flow)}" for name, flow in flows.items()}


def _jobs_done(figures: FleetFigures | FlowFigures) -> str:
    failed = f", {figures.jobs_failed:,} failed" if figures.jobs_failed else ""
    return f"{counted(figures.jobs_succeeded, 'update')} done{failed}"


def steps_text(play: PlayResult) -> str:
    """Count a play's steps by what they came to."""
    steps = (*play.steps, *play.teardown)
    failed = len(play.failed_steps)
    known = sum(step.verdict == "xfailed" for step in steps)
    left = sum(step.verdict == "not_played" for step in steps)
    unchecked = sum(step.verdict == "unchecked" for step in steps)
    parts = [counted(len(steps), "step")]
    parts += [f"{failed:,} failed"] if failed else []
    parts += [f"{known:,} known to fail"] if known else []
    parts += [f"{unchecked:,} not checked"] if unchecked else []
    parts += [f"{left:,} not played"] if left else []
    return ", ".join(parts)


def verdict_text(run: RunResult) -> str:
    """Give the whole run's verdict in a sentence."""
    by = {verdict: [play for play in run.plays if play.verdict == verdict] for verdict in VERDICTS}
    total = counted(len(run.plays), "run")
    if run.interrupted:
        how = f"stopped by {run.stopped_by}" if run.stopped_by else "stopped"
        return f"{how}: {total} begun, {len(by['passed']):,} passed"
    parts = [f"{len(plays):,} {VERDICTS[verdict]}" for verdict, plays in by.items() if plays]
    if len(run.plays) == len(by["passed"]):
        return f"all {total} passed" if len(run.plays) > 1 else "passed"
    return f"{total}: {', '.join(parts)}"
