"""What got worse against figures that were kept. Pure.

Only our own figures and the goals are compared, median with median: a rate is worse when it fell by more than a third, a
cost when it grew by more than a third. On another machine absolute figures say little, ratios still do; a finding tells
which it is.
"""

from dataclasses import dataclass

from bench.figures import METRICS

THIRD = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """A figure that got worse. `counts` is False for an absolute figure of another machine."""

    part: str
    what: str
    then: float
    now: float
    counts: bool

    def __str__(self):
        aside = "" if self.counts else " (kept on another machine)"
        return f"{self.part}: {self.what}: {self.then:,.6g} then, {self.now:,.6g} now{aside}"


def is_worse(then, now, *, more_is_better):
    """Whether a figure got worse by more than a third."""
    return now < then * (1 - THIRD) if more_is_better else now > then * (1 + THIRD)


def worse(then, now):
    """Compare two lists of parts; answers what got worse in those that both have."""
    kept = {part.name: part for part in then}
    return [finding for part in now if part.name in kept for finding in _of_part(kept[part.name], part)]


def _of_part(then, now):
    same = then.machine == now.machine
    before, after = _values(then), _values(now)
    for key in after.keys() & before.keys():
        (old, more_is_better, _), (new, _, is_ratio) = before[key], after[key]
        if is_worse(old, new, more_is_better=more_is_better):
            yield Worse(part=now.name, what=key, then=old, now=new, counts=same or is_ratio)


def _values(part):
    """Give all that is compared: what it is called -> (median, whether more is better, whether it is a ratio)."""
    found = {}
    for line in part.lines:
        if line.is_ours:
            for name, spread in line.figures.items():
                metric = METRICS[name]
                key = f"{line.what}, {line.side}, {metric.label}"
                found[key] = (spread.median, metric.more_is_better, False)
    for goal in part.goals:
        found[goal.what] = (goal.seen.median, goal.more_is_better, not goal.unit)
    return found
