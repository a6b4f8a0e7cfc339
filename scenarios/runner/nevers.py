"""What must not be so at any moment: looked at after each step, and while one waits.

Each condition of a `never` stands for itself: one of them is enough. So is one device where it is about devices,
unless it says how many. What was found once is not looked for again, as it belongs to the step that it happened in.
"""

from collections.abc import Iterator, Sequence

from msgspec import structs

from scenarios.play import Expected, Never, spell_wanted
from scenarios.results import Difference
from scenarios.runner.compare import compare, count_of
from scenarios.runner.look import find
from scenarios.runner.observe import observed_now
from scenarios.runner.roster import CannotSelect
from scenarios.runner.stage import Stage
from scenarios.runner.standing import Standing

MANY = ("versions", "entitlements", "distribution", "running", "messages", "pushed")
"""The expectations that are lists."""


class Nevers:
    """What one play must never come to, and, while a step is on, what that one must not."""

    def __init__(self, stage: Stage, nevers: Sequence[Never]) -> None:
        self._stage = stage
        self._always = [(never.of, part) for never in nevers for part in parts_of(never.expected)]
        self._now: list[tuple[str | None, Expected]] = []
        self._before: Standing | None = None
        self.violations: list[Difference] = []

    @property
    def are_there(self) -> bool:
        """Whether there is anything left to look for."""
        return bool(self._always or self._now)

    def begin(self, nevers: Sequence[Never], before: Standing) -> None:
        """Begin with a step: what it must not come to itself, and how the account stood before it."""
        self._now = [(never.of, part) for never in nevers for part in parts_of(never.expected)]
        self._before = before
        self.violations = []

    async def look(self) -> None:
        """Look whether anything is so that must not be; `violations` grows by what is."""
        for watched in (self._always, self._now):
            for of, part in list(watched):
                violation = await self._violation(of, part)
                if violation is not None:
                    watched.remove((of, part))
                    self.violations.append(violation)

    async def _violation(self, of: str | None, part: Expected) -> Difference | None:
        stage = self._stage
        task_of = None if of is None else stage.roster.task_of(of)
        if task_of is not None and task_of not in stage.tasks:
            return None
        try:
            async for finding in find(stage, part):
                match = finding.match()
                return None if match is None else _never(finding.what, of, finding.wanted, match)
        except CannotSelect:
            return None  # devices that are not there can't be so
        assert self._before is not None
        seen = await observed_now(stage, part, task_of, self._before)
        if any(compare(part, seen)):
            return None
        for name, count in part.counts.items():
            return _never(name, of, spell_wanted(count), count_of(seen, name))
        for name, amount_fen in part.amounts.items():
            return _never(f"{name}_fen", of, amount_fen, amount_fen)
        return _never("task_state", of, str(part.task_state), seen.task_state)


def parts_of(expected: Expected) -> Iterator[Expected]:
    """Take expectations apart, each by itself."""
    if expected.task_state is not None:
        yield Expected(task_state=expected.task_state)
    for name, count in expected.counts.items():
        yield Expected(counts={name: count})
    for name, amount_fen in expected.amounts.items():
        yield Expected(amounts={name: amount_fen})
    for name in MANY:
        for each in getattr(expected, name):
            yield structs.replace(Expected(), **{name: (each,)})


def _never(what: str, of: str | None, wanted: str | int, seen: str | int | None) -> Difference:
    """Spell what is so and must not be."""
    where = "" if of is None else f" of {of}"
    return Difference(what=f"{what}{where}", expected=f"never {wanted}", seen=seen)
