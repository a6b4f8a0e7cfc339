"""What came of a load of devices, as a `LoadResult`: from a course, wherever it ended."""

from collections.abc import Iterator
from typing import Final

from device_sim.shards.plan import Plan
from scenarios.load.fleet.course import Course, Moment
from scenarios.load.fleet.missing import missing_devices
from scenarios.load.fleet.options import FleetOptions
from scenarios.load.fleet.shards_seen import ABOUTS
from scenarios.load.fleet.usage import Usage
from scenarios.load.result import Audit, ErrorCount, Fact, Figure, LoadResult
from scenarios.load.tally import measurement_of
from scenarios.load.thresholds import Verdict, judge_all, show_us
from scenarios.show.wording import counted, size_text
from scenarios.units import show_span
from scenarios.versions import tool_version

MAIN: Final = "job"
TRACE_SHOWN: Final = 5
KIB: Final = 1_024
US: Final = 1_000_000
LOOK_S: Final = 0.01


def result_of(
    course: Course,
    options: FleetOptions,
    plan: Plan,
    *,
    target: str,
    room: Figure,
    audit: Audit,
    command: str,
) -> LoadResult:
    """Sum a course up."""
    seconds = course.age_s
    seen = course.seen.latencies.seen(seconds)
    tracks = course.seen.latencies.tracks
    verdicts = _verdicts(course, options, judge_all(options.thresholds, seen, MAIN))
    may_miss = options.missing.judge(missing_devices(course), course.devices).held
    return LoadResult(
        version=tool_version(),
        kind="fleet",
        title=f"load fleet: {course.devices:,} devices, each updated once",
        target=target,
        started_ms=course.started_ms,
        seconds=round(seconds, 3),
        main=MAIN,
        interrupted=course.is_interrupted,
        settings=_settings(options, plan),
        measurements=tuple(
            measurement_of(
                name,
                tracks[name].all,
                errors=tracks[name].errors,
                seconds=_span_of(course, name),
                about=about,
                points=tracks[name].points(),
            )
            for name, about in ABOUTS.items()
            if name in tracks
        ),
        errors=_errors(course),
        thresholds=verdicts,
        figures=(*_figures(course, plan), room),
        audit=audit,
        notes=(*_notes(course, options), *(course.missing if may_miss else ())),
        failures=tuple(dict.fromkeys([*([] if may_miss else course.missing), *course.failures])),
        trouble=tuple(dict.fromkeys(course.trouble)),
        command=command,
    )


def _settings(options: FleetOptions, plan: Plan) -> tuple[Fact, ...]:
    facts = [
        Fact(name="devices", text=f"{options.devices:,}"),
        Fact(name="fleet processes", text=f"{plan.processes}"),
        Fact(name="kind", text=options.kind),
        Fact(name="package", text=size_text(options.size_bytes)),
        Fact(name="seed", text=str(options.seed)),
    ]
    if options.storm != "none":
        facts.append(Fact(name="storm", text=options.storm))
    return tuple(facts)


def _verdicts(course: Course, options: FleetOptions, judged: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Judge who is missing too, unless the run was stopped or broke: then nobody knows."""
    if course.is_interrupted or course.trouble:
        return judged
    return (options.missing.judge(missing_devices(course), course.devices), *judged)


def _errors(course: Course) -> tuple[ErrorCount, ...]:
    return course.seen.latencies.error_counts()


def _span_of(course: Course, name: str) -> float:
    """Say over how many seconds something was done; its rate is over these."""
    if name == "connect":
        last = "updated" if course.storms else "connected"  # after a storm they connect again
        return _between(course, "ready", last) or course.age_s
    return _between(course, "created", "updated") or course.age_s


def _between(course: Course, first: str, last: str) -> float | None:
    one, other = course.moments.get(first), course.moments.get(last)
    return None if one is None or other is None else other.at_s - one.at_s


def _figures(course: Course, plan: Plan) -> Iterator[Figure]:
    counts, devices = course.seen.counts, course.devices
    ours = 1 if course.is_platform_ours else 0
    stub = "1 stub process, " if ours else ""
    yield Figure(
        name="processes",
        value=plan.processes + 1 + ours,
        text=f"{stub}{plan.processes} fleet process{'es' if plan.processes > 1 else ''}, 1 Locust process",
    )
    yield Figure(
        name="in at the end", value=counts.present, text=f"{counts.present:,} of {devices:,} devices"
    )
    updated = counts.jobs_succeeded if course.aftermath is None else course.aftermath.updated
    by = "" if course.aftermath is None else ", by the platform's word"
    yield Figure(name="updated", value=updated, text=f"{updated:,} of {devices:,} devices{by}")
    for name, first, last in (("all in", "ready", "connected"), ("all updated", "created", "updated")):
        span = _between(course, first, last)
        if span:
            yield Figure(
                name=name,
                value=round(span, 3),
                unit="s",
                text=f"after {show_us(span * US)}, {devices / span:,.0f} devices a second",
            )
    if course.created_s is not None:
        text = f"after {show_us(course.created_s * US)}"
        yield Figure(name="task created", value=round(course.created_s, 6), unit="s", text=text)
    yield from _costs(course)
    if course.aftermath is not None and course.ground is not None:
        after = course.aftermath
        left = after.licences.left
        yield Figure(
            name="licences",
            value=after.deducted,
            text=f"{course.ground.bought:,} bought, {after.deducted:,} deducted, {left:,} left",
        )
    yield Figure(
        name="downloads",
        value=counts.downloaded_bytes,
        unit="bytes",
        text=f"{counts.downloads:,} answers, {size_text(counts.downloaded_bytes)}",
    )
    yield Figure(
        name="links",
        value=counts.reconnects,
        text=f"{counts.reconnects:,} lost, {counts.connect_failures:,} attempts in vain",
    )


def _costs(course: Course) -> Iterator[Figure]:
    """Say what a device cost at each end: memory when all are in and nothing moves, CPU to connect and to update it."""
    moments, devices = course.moments, course.devices
    ready, connected, created, updated = (
        moments.get(name) for name in ("ready", "connected", "created", "updated")
    )
    fleet = [shard for shard in course.seen.shards if shard.memory_bytes and shard.empty_bytes]
    if connected is not None and len(fleet) == len(course.seen.shards):
        grown = connected.fleet.resident_bytes - sum(shard.empty_bytes for shard in fleet)
        yield _memory("fleet memory", grown, devices, connected.fleet)
    if ready is not None and connected is not None:
        if ready.platform is not None and connected.platform is not None:
            grown = connected.platform.resident_bytes - ready.platform.resident_bytes
            yield _memory("platform memory", grown, devices, connected.platform)
        yield _cpu("to connect", ready, connected, course)
    if created is not None and updated is not None:
        yield _cpu("to update", created, updated, course)


def _memory(name: str, grown: int, devices: int, whole: Usage) -> Figure:
    each = grown / devices / KIB
    return Figure(
        name=name,
        value=round(each, 2),
        unit="KiB a device",
        text=f"{each:.1f} KiB a device, connected and idle; {size_text(whole.resident_bytes)} in all",
    )


def _cpu(what: str, first: Moment, last: Moment, course: Course) -> Figure:
    ends = [("fleet", first.fleet, last.fleet), ("Locust", first.locust, last.locust)]
    if first.platform is not None and last.platform is not None:
        ends.insert(0, ("platform", first.platform, last.platform))
    each = [(name, (after.cpu_s - before.cpu_s) / course.devices * US) for name, before, after in ends]
    total_us = sum(us for _, us in each)
    busy = total_us * course.devices / US / max(last.at_s - first.at_s, LOOK_S)
    cores = f"{busy:.1f} of {counted(course.cores, 'core')} busy with it"
    return Figure(
        name=f"CPU {what}",
        value=round(total_us, 1),
        unit="µs a device",
        text=" + ".join(f"{us:,.0f} µs ({name})" for name, us in each) + f" a device; {cores}",
    )


def _notes(course: Course, options: FleetOptions) -> Iterator[str]:
    yield from course.storms
    if options.storm == "start":
        yield "start: all devices dialled at one moment, and nothing was paced"
    yield from course.notes
    if not course.is_platform_ours:
        yield "CPU and memory of the platform: not measured, its process is not ours"
    firsts = {entry.what: entry for entry in reversed(course.seen.trace)}
    for entry in sorted(firsts.values(), key=lambda each: each.at_ms)[:TRACE_SHOWN]:
        yield f"went wrong first: device {entry.device_id}, {show_span(entry.at_ms)} after its start: {entry.what}"
