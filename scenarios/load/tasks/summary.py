"""What came of a load of creators, as a result: settings, figures, thresholds, and what failed. Pure."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from scenarios.load.audit import not_audited
from scenarios.load.far_end import FarEnd
from scenarios.load.fleet.usage import Usage
from scenarios.load.result import Audit, Fact, Figure, LoadResult
from scenarios.load.tally import Tally
from scenarios.load.tasks.books import Books, deducted, objection
from scenarios.load.tasks.ground import Ground
from scenarios.load.tasks.plan import TaskPlan
from scenarios.load.tasks.wanted import TaskLoad
from scenarios.load.tasks.wire import ABOUTS, CREATE, DELAY, Totals
from scenarios.load.thresholds import judge_all
from scenarios.show.wording import counted
from scenarios.versions import tool_version

MISSED_SHARE: Final = 0.01
"""With more of the wanted creations never begun, the load was not the one that was asked for."""
SHORT_S: Final = 2.0
BUSY: Final = 0.9
"""A process that used more of a core than this was at its limit."""


class Course(Struct, kw_only=True):
    """What there was of a load; `seconds` is how long it was counted, `usage` that of the platform and of Locust."""

    started_ms: int
    seconds: float = 0.0
    interrupted: bool = False
    is_far_end_gone: bool = False
    has_all: bool = False  # whether Locust told its last
    trouble: list[str] = []
    tally: Tally = field(default_factory=Tally)
    totals: Totals = field(default_factory=Totals)
    before: Books | None = None
    after: Books | None = None
    ground: Ground | None = None
    audit: Audit = not_audited("there was no load")
    usage: tuple[Usage, Usage] = (Usage(), Usage())
    usage_at_start: tuple[Usage, Usage] = (Usage(), Usage())

    @property
    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds of the platform and of Locust since the load began."""
        pairs = zip(self.usage, self.usage_at_start, strict=True)
        platform, locust = (max(0.0, now.cpu_s - then.cpu_s) for now, then in pairs)
        return platform, locust


def summed_up(wanted: TaskLoad, far: FarEnd, course: Course) -> LoadResult:
    """Make the result."""
    seconds = course.seconds
    seen = {name: each for name, each in course.tally.seen(seconds).items() if name != DELAY}
    return LoadResult(
        version=tool_version(),
        kind="create-task",
        title="load create-task",
        target=far.name,
        started_ms=course.started_ms,
        seconds=round(seconds, 3),
        main=CREATE,
        interrupted=course.interrupted,
        settings=tuple(_settings(wanted)),
        measurements=course.tally.measurements(seconds, ABOUTS),
        errors=course.tally.error_counts(),
        thresholds=judge_all(wanted.thresholds, seen, CREATE),
        figures=tuple(_figures(wanted, course)),
        audit=course.audit,
        notes=(*far.notes, *_notes(far, course)),
        failures=tuple(_failures(wanted, course)),
        trouble=tuple(dict.fromkeys(course.trouble)),
        command=wanted.command,
    )


def _settings(wanted: TaskLoad) -> Iterator[Fact]:
    plan = wanted.plan
    low, high = plan.devices_min, plan.devices_max
    yield Fact(name="creators", text=f"{wanted.creators:,}")
    yield Fact(name="devices", text=f"{low:,}" if low == high else f"{low:,}-{high:,}")
    yield Fact(name="rate", text="as fast as they go" if plan.rate is None else f"{plan.rate:g}/s")
    if plan.duration_s is not None:
        yield Fact(name="duration", text=f"{plan.duration_s:g} s")
    if plan.count is not None:
        yield Fact(name="count", text=f"{plan.count:,}")
    yield from _variations(plan)


def _variations(plan: TaskPlan) -> Iterator[Fact]:
    """Name what is not as usual."""
    if plan.warm_up_s:
        yield Fact(name="warm-up", text=f"{plan.warm_up_s:g} s")
    if plan.licensed is not None:
        yield Fact(name="licensed", text=f"{plan.licensed * 100:g}%")
    if plan.accounts > 1:
        yield Fact(name="accounts", text=f"{plan.accounts:,}")
    for name, share in (("again", plan.again), ("purchases", plan.purchases)):
        if share:
            yield Fact(name=name, text=f"{share * 100:g}%")
    if plan.reads:
        yield Fact(name="reads", text=f"{plan.reads:g} a creation")
    if plan.keeps_open:
        yield Fact(name="open", text="tasks are kept open")
    if plan.seed:
        yield Fact(name="seed", text=str(plan.seed))


def _figures(wanted: TaskLoad, course: Course) -> Iterator[Figure]:
    before, after, totals = course.before, course.after, course.totals
    if before is not None and after is not None:
        gone = deducted(before, after)
        is_same = course.has_all and not totals.unsure and not objection(before, after, totals)
        agree = "; the answers and the accounts say the same" if is_same else ""
        text = f"{gone:,} deducted, {after.left:,} left{agree}"
        yield Figure(name="licences", value=gone, text=text)
    if course.ground is not None:
        devices = course.ground.devices
        yield Figure(name="devices", value=devices, text=f"{devices:,} registered")
    if wanted.plan.rate is not None and course.seconds:
        warm_up = ", the warm-up included" if wanted.plan.warm_up_s else ""
        text = f"{totals.begun:,} of {totals.due:,} begun{warm_up}"
        yield Figure(name="creations", value=totals.begun, text=text)
    for name, each in zip(("platform's CPU", "Locust's CPU"), course.cpu_s, strict=True):
        if each:
            yield Figure(name=name, value=round(each, 2), unit="s", text=f"{each:.1f} s")


def _notes(far: FarEnd, course: Course) -> Iterator[str]:
    totals, seconds = course.totals, course.seconds
    if totals.unsure:
        yield f"{counted(totals.unsure, 'creation')} had no answer, and may be done or not"
    if totals.dry:
        yield (
            f"the new devices were used up: {counted(totals.dry, 'task')} had fewer of them than --licensed wants; "
            "give a --count, or a --rate and a --duration, and there are enough"
        )
    if seconds > SHORT_S and course.cpu_s[1] > BUSY * seconds:
        yield (
            f"Locust used {course.cpu_s[1] / seconds * 100:.0f} % of a core: durations hold its own delay; "
            "spread it with -- --processes 2"
        )
    if far.is_gateway:
        yield "durations hold the adapter's own, and the small gateway's before it"


def _failures(wanted: TaskLoad, course: Course) -> Iterator[str]:
    totals, before, after = course.totals, course.before, course.after
    if (
        before is not None
        and after is not None
        and (text := objection(before, after, totals, has_all=course.has_all))
    ):
        yield text
    if totals.wrong:
        yield f"{counted(totals.wrong, 'answer')} against the rules, see the errors"
    if course.interrupted or course.trouble:
        return
    if not course.tally.count(CREATE):
        yield "no task was created"
    yield from _too_few(wanted, course)


def _too_few(wanted: TaskLoad, course: Course) -> Iterator[str]:
    """Say when the load was not the one that was asked for."""
    totals, rate = course.totals, wanted.plan.rate
    missed = totals.due - totals.begun
    if rate is not None and missed > max(1, MISSED_SHARE * totals.due):
        done = course.tally.count(CREATE) / course.seconds if course.seconds else 0.0
        yield (
            f"{rate:g}/s was not reached: {done:.1f}/s done, {missed:,} of {totals.due:,} creations never begun; "
            f"{counted(wanted.creators, 'creator')} could not do more, or the platform could not"
        )
