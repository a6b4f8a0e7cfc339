"""Paired rounds: every side of a comparison once a round, in another order each round, so that a slow minute meets all.

A side that fails or hangs costs its own line and no more: it is not tried again, and the line says why.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.apart import Unmeasured
from bench.figures import METRICS, Line, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of those compared. `measure` answers its figures by name, and under `note` what else is to be said of the round.

    `missing` says why it can't be measured at all, where that is known before. `rounds_max` is for a slow one, that would take
    most of a quick form's time.
    """

    name: str
    who: str
    measure: Callable
    missing: str = ""
    rounds_max: int | None = None


@dataclass(slots=True, kw_only=True)
class Rounds:
    """What all rounds gave, by side."""

    what: str
    sides: list[Side]
    at: float | None = None
    taken: dict[str, list[dict]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def lines(self, *metrics):
        """Give a line for each side, with these figures where it has them."""
        for side in self.sides:
            rounds = self.taken[side.name]
            figures = {
                name: Spread(tuple(taken[name] for taken in rounds if taken.get(name) is not None))
                for name in metrics
                if any(taken.get(name) is not None for taken in rounds)
            }
            notes = dict.fromkeys(taken["note"] for taken in rounds if taken.get("note"))
            if side.name in self.missing:
                notes[f"{'round left out' if rounds else 'not measured'}: {self.missing[side.name]}"] = None
            yield Line(
                what=self.what, side=side.name, who=side.who, figures=figures, at=self.at, note="; ".join(notes),
                failed=side.name.startswith("ours") and side.name in self.missing and not side.missing,
            )  # fmt: skip

    def ratio(self, metric, one, other):
        """Divide a figure of one side by that of another, round by round; None where there is no such round."""
        pairs = zip(self.taken[one], self.taken[other], strict=False)
        values = tuple(a[metric] / b[metric] for a, b in pairs if a.get(metric) is not None and b.get(metric))
        return Spread(values) if values else None


def paired(what, sides, count, *, at=None, say=print):
    """Measure all sides `count` times."""
    rounds = Rounds(what=what, sides=list(sides), at=at)
    rounds.taken = {side.name: [] for side in sides}
    rounds.missing = {side.name: side.missing for side in sides if side.missing}
    for nth in range(count):
        for side in (*sides[nth % len(sides) :], *sides[: nth % len(sides)]):
            is_enough = side.rounds_max is not None and nth >= side.rounds_max
            if side.name not in rounds.missing and not is_enough:
                _measure(rounds, side, f"{what}, round {nth + 1} of {count}: {side.who}", say)
    return rounds


def _measure(rounds, side, about, say):
    began = time.monotonic()
    try:
        taken = side.measure()
    except Unmeasured as exc:
        rounds.missing[side.name] = str(exc)
        say(f"  {about}: not measured: {exc}")
        return
    rounds.taken[side.name].append(taken)
    shown = ", ".join(
        f"{METRICS[name].label} {value:,.{METRICS[name].digits}f}"
        for name, value in taken.items()
        if name in METRICS and value is not None
    )
    say(f"  {about}: {shown} ({time.monotonic() - began:.0f} s)")
